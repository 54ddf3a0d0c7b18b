// SPDX-License-Identifier: Apache-2.0
/// The tables that were compiled in are the ones that the published hash names, and no changed entry goes unnoticed:
/// neither by the hash nor, where it matters, by the accuracy tests.
#include "num/tables.h"
#include "sha256.h"
#include "support/harness.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tables {
  int64_t exp2_24[16][3];
  int64_t q7[6][128][3];
};
static const char *const q7_names[6] = {"EXP2", "LOG2", "RECIP", "RSQA", "RSQB", "SINQ"};

static void compiled_in(struct tables *t) {
  const int64_t(*const sources[6])[3] = {vb_exp2_tab, vb_log2_tab, vb_recip_tab, vb_rsqa_tab, vb_rsqb_tab, vb_sinq_tab};
  for (int i = 0; i < 16; i++)
    for (int c = 0; c < 3; c++) t->exp2_24[i][c] = vb_exp2_24_tab[i][c];
  for (int k = 0; k < 6; k++) memcpy(t->q7[k], sources[k], sizeof t->q7[k]);
}

/// The canonical text of docs/numerics.md: one line a table, `NAME:c0/c1/c2,...`.
static void hash(const struct tables *t, char out[65]) {
  size_t size = 1 << 16, at = 0;
  char *text = malloc(size);
  if (!text) abort();
  at += (size_t)snprintf(text + at, size - at, "EXP2_24:");
  for (int i = 0; i < 16; i++)
    at += (size_t)snprintf(text + at, size - at, "%s%" PRId64 "/%" PRId64 "/%" PRId64, i ? "," : "", t->exp2_24[i][0],
                           t->exp2_24[i][1], t->exp2_24[i][2]);
  for (int k = 0; k < 6; k++) {
    at += (size_t)snprintf(text + at, size - at, "\n%s:", q7_names[k]);
    for (int i = 0; i < 128; i++)
      at += (size_t)snprintf(text + at, size - at, "%s%" PRId64 "/%" PRId64 "/%" PRId64, i ? "," : "", t->q7[k][i][0],
                             t->q7[k][i][1], t->q7[k][i][2]);
  }
  at += (size_t)snprintf(text + at, size - at, "\n");
  sha256_hex(text, at, out);
  free(text);
}

static void sha256_known_answers(void) {
  char out[65];
  sha256_hex("", 0, out);
  CU_ASSERT_STRING_EQUAL(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  sha256_hex("abc", 3, out);
  CU_ASSERT_STRING_EQUAL(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, out);
  CU_ASSERT_STRING_EQUAL(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void hash_names_the_tables(void) {
  struct tables t;
  char out[65], head[9];
  compiled_in(&t);
  hash(&t, out);
  VB_CHECK(!strcmp(out, vb_tables_sha256), "compiled tables hash to %s, the published hash is %s", out,
           vb_tables_sha256);
  snprintf(head, sizeof head, "%08" PRIx32, vb_tables_hash32);
  CU_ASSERT(!strncmp(head, vb_tables_sha256, 8));
}

/// Every entry changed by one unit, one at a time, changes the hash.
static void changed_entry_is_noticed(void) {
  struct tables t;
  char out[65];
  uint32_t unnoticed = 0, entries = 0, stride = vb_test_campaign ? 1 : 19;
  compiled_in(&t);
  int64_t *flat = &t.exp2_24[0][0];
  for (uint32_t i = 0; i < sizeof t / sizeof *flat; i += stride, entries++) {
    flat[i]++;
    hash(&t, out);
    unnoticed += !strcmp(out, vb_tables_sha256);
    flat[i]--;
  }
  vb_test_compared("table_entry", entries);
  CU_ASSERT_EQUAL(unnoticed, 0);
}

/// The OpenCL and SystemVerilog copies carry the same hash: every device shows it, and the host refuses another.
static void same_hash(const char *path, const char *format) {
  char want[64], line[512];
  bool found = false;
  snprintf(want, sizeof want, format, vb_tables_hash32);
  FILE *f = fopen(path, "r");
  if (!VB_CHECK(f != NULL, "%s: cannot be read (run from the repository root)", path)) return;
  while (fgets(line, sizeof line, f)) found |= strstr(line, want) != NULL;
  fclose(f);
  VB_CHECK(found, "%s does not hold '%s'", path, want);
}
static void other_languages(void) {
  same_hash("kernels_cl/tables.cl", "VB_TABLES_HASH32 0x%08xu");
  same_hash("hw/common/vb_tables_pkg.sv", "TABLES_HASH = 32'h%08x");
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"sha256_known_answers", sha256_known_answers},
                                  {"hash_names_the_tables", hash_names_the_tables},
                                  {"changed_entry_is_noticed", changed_entry_is_noticed},
                                  {"other_languages", other_languages},
                                  {0}};
  const struct vb_suite suites[] = {{"tables", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
