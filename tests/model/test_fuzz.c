// SPDX-License-Identifier: Apache-2.0
// Random damage to checkpoints of every family and format: any outcome but a crash or an unnamed failure. With the
// sanitizers this guards every parser.
#include "editor.h"
#include "graph/graph.h"
#include "support/harness.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static glob_t fixtures;
static int setup(void) { return glob("tests/fixtures/*/config.json", 0, NULL, &fixtures); }
static int teardown(void) {
  globfree(&fixtures);
  temp_cleanup();
  return 0;
}

static const char *fixture_name(size_t i) { // "tests/fixtures/NAME/config.json"
  static char name[300];
  snprintf(name, sizeof name, "%s", fixtures.gl_pathv[i] + strlen("tests/fixtures/"));
  *strchr(name, '/') = 0;
  return name;
}

// What opens must also make a graph.
static bool open_damaged(const char *dir, bool raw, const char *what) {
  struct vb_model *m;
  vb_result result = vb_model_open(dir, raw, &m);
  VB_CHECK(result == VB_OK || (result == VB_BAD_INPUT && strstr(vb_last_error(), dir)), "%s: %s: %s", what,
           vb_result_string(result), vb_last_error());
  struct vb_graph g;
  if (result == VB_OK && !raw && VB_CHECK(vb_graph_build(m, NULL, &g) == VB_OK, "%s: no graph", what))
    vb_graph_free(&g);
  vb_model_close(m);
  return result != VB_OK;
}

// Bits, characters and lengths of one fixture's files.
static uint64_t damage_bytes(struct vb_rng *r, const char *fixture, uint64_t rounds) {
  struct edit e = edit_load(fixture);
  const char *dir = temp_dir();
  edit_save(&e, dir);
  char file[4096], config[4096];
  snprintf(file, sizeof file, "%s/model.safetensors", dir);
  snprintf(config, sizeof config, "%s/config.json", dir);
  size_t n, nc, header = 0;
  uint8_t *good = read_bytes(file, &n), *good_config = read_bytes(config, &nc);
  memcpy(&header, good, 8);
  uint64_t refusals = 0;
  for (uint64_t i = 0; i < rounds; i++) {
    bool in_config = vb_rng_below(r, 3) == 0;
    uint8_t *data = in_config ? good_config : good;
    size_t at = vb_rng_below(r, in_config ? nc : header + 8), length = in_config ? nc : n;
    uint8_t saved = data[at], kind = (uint8_t)vb_rng_below(r, 4);
    if (kind == 0) length = vb_rng_below(r, length);
    if (kind == 1) data[at] ^= (uint8_t)(1u << vb_rng_below(r, 8));
    if (kind == 2) data[at] = (uint8_t) "0919eE-]}[{\":,"[vb_rng_below(r, 14)];
    if (kind == 3) data[at] = 0;
    write_bytes(in_config ? config : file, data, length);
    data[at] = saved;
    refusals += open_damaged(dir, vb_rng_below(r, 2), fixture);
    write_bytes(in_config ? config : file, data, in_config ? nc : n);
  }
  free(good);
  free(good_config);
  edit_free(&e);
  return refusals;
}

static void bytes(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t refusals = 0, each = vb_test_count(12, 800), rounds = each * fixtures.gl_pathc;
  for (size_t i = 0; i < fixtures.gl_pathc; i++) refusals += damage_bytes(&r, fixture_name(i), each);
  printf("  %llu of %llu damaged checkpoints refused\n", (unsigned long long)refusals, (unsigned long long)rounds);
  VB_CHECK(refusals > rounds / 2, "only %llu refusals", (unsigned long long)refusals);
}

// Every key of every fixture gets values that it never has.
static void values(void) {
  static const char *const odd[] = {"0",
                                    "-1",
                                    "1",
                                    "2",
                                    "7",
                                    "31",
                                    "2147483648",
                                    "4294967295",
                                    "9223372036854775807",
                                    "0.5",
                                    "1e300",
                                    "-0.0",
                                    "true",
                                    "false",
                                    "null",
                                    "\"\"",
                                    "\"x\"",
                                    "[]",
                                    "[null]",
                                    "[0]",
                                    "[[]]",
                                    "{}",
                                    "{\"rope_type\":\"yarn\"}"};
  struct vb_rng r = vb_test_rng();
  const char *dir = temp_dir();
  uint64_t count = 0;
  for (size_t i = 0; i < fixtures.gl_pathc; i++) {
    struct edit e = edit_load(fixture_name(i));
    json_t *whole = e.config, *inner = json_object_get(whole, "text_config"), *object = inner ? inner : whole, *v;
    json_t *copy = json_deep_copy(object);
    const char *key;
    edit_save(&e, dir);
    json_object_foreach(copy, key, v) {
      for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
        if (!vb_test_campaign && vb_rng_below(&r, 8)) continue;
        char what[600];
        snprintf(what, sizeof what, "%s: %s = %s", fixture_name(i), key, odd[k]);
        json_object_set_new(object, key, json_loads(odd[k], JSON_DECODE_ANY, NULL));
        json_dump_file(whole, path_in(dir, "config.json"), 0);
        open_damaged(dir, vb_rng_below(&r, 2), what);
        count++;
      }
      json_object_set(object, key, v);
    }
    json_decref(copy);
    edit_free(&e);
  }
  printf("  %llu changed configurations\n", (unsigned long long)count);
}

static const struct vb_test tests[] = {{"bytes", bytes}, {"values", values}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"fuzz", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
