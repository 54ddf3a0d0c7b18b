// SPDX-License-Identifier: Apache-2.0
// Case files of attention operators in every variant replay; contradictory ones are refused by name, as files that are
// whole (sealed) but wrong; files of earlier versions load.
#include "base/h5.h"
#include "num/block.h"
#include "runtime/device.h"
#include "support/harness.h"
#include "verify/casefile.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KV = 2, HEADS = 4, DK = 48, DV = 32, KEYS = 40, T = 3, STRIDE = 6, REC = VB_REC_HEADER + 64 };

static char path[64];
static int setup(void) {
  strcpy(path, "/tmp/verbatim-case-XXXXXX");
  int fd = mkstemp(path);
  return fd < 0 || close(fd);
}
static int teardown(void) { return unlink(path); }

struct made {
  struct vb_attention_op op;
  struct vb_kv kv;
  uint8_t q[T * HEADS * REC], k[KV * KEYS * REC], v[KV * KEYS * DV];
  uint32_t list[T * STRIDE], count[T];
  vb_z sinks[HEADS], y[T * HEADS * DV];
};

static void make(struct vb_rng *r, struct made *m) {
  vb_z x[DK];
  *m = (struct made){.kv = {.heads = KV, .dk = DK, .dv = DV, .capacity = KEYS, .length = KEYS, .id = 1}};
  for (int i = 0; i < T * HEADS; i++) vb_rng_fill(r, VB_GEN_GAUSS, x, DK), vb_rec_fill(x, DK, m->q + i * REC);
  for (int i = 0; i < KV * KEYS; i++) {
    vb_rng_fill(r, VB_GEN_GAUSS, x, DK), vb_rec_fill(x, DK, m->k + i * REC);
    vb_rng_fill(r, VB_GEN_GAUSS, x, DV), vb_val_fill(x, DV, m->v + i * DV, m->k + i * REC);
  }
  vb_rng_fill(r, VB_GEN_GAUSS, m->sinks, HEADS);
  m->kv.k = m->k, m->kv.v = m->v;
  m->op = (struct vb_attention_op){.q = m->q, .kv = &m->kv, .heads = HEADS, .first_count = KEYS - T + 1, .y = m->y};
  m->op.t.end = T, m->op.h.end = HEADS, m->op.key.end = KEYS;
}

static void add_list(struct made *m, uint32_t block) {
  for (uint32_t t = 0; t < T; t++) {
    m->count[t] = STRIDE - t;
    for (uint32_t i = 0; i < STRIDE; i++) m->list[t * STRIDE + i] = block > 1 ? i : 3 + i * 5 + t;
  }
  m->op.list = m->list, m->op.list_count = m->count, m->op.list_stride = STRIDE, m->op.list_block = block;
}

static vb_result save(const struct made *m) {
  const struct vb_case_origin origin = {"layer.0.attention", "cpu", NULL, 1, 1};
  union vb_any_op op = {.attention = m->op};
  return vb_case_save(path, VB_OP_ATTENTION, &op, NULL, &origin);
}

static void expect_equal(const char *what) {
  struct vb_case k;
  struct vb_run_stats stats = {0};
  struct vb_difference diff;
  bool differs = true;
  VB_CHECK(vb_case_load(path, &k) == VB_OK, "%s: %s", what, vb_last_error());
  struct vb_device *cpu = vb_device_open_cpu(1);
  VB_CHECK(vb_case_replay(&k, cpu, NULL, NULL, &stats, &differs, &diff) == VB_OK && !differs, "%s: %s", what,
           differs ? "differs" : vb_last_error());
  cpu->close(cpu);
  vb_case_free(&k);
}

static void every_variant_replays(void) {
  struct vb_rng r = vb_test_rng();
  struct made m;
  for (int variant = 0; variant < 8; variant++) {
    make(&r, &m);
    if (variant & 1) m.op.window = 7, m.op.keep = 3;
    if (variant & 2) m.op.sinks = m.sinks, m.op.chunk = 16;
    if (variant & 4) add_list(&m, variant & 1 ? 8 : 0);
    VB_CHECK(save(&m) == VB_OK, "%s", vb_last_error());
    expect_equal("variant");
    struct vb_case k;
    CU_ASSERT_FATAL(vb_case_load(path, &k) == VB_OK);
    CU_ASSERT(k.c.op.attention.keep == m.op.keep && k.c.op.attention.list_block == m.op.list_block);
    vb_case_free(&k);
  }
}

/// Change the saved file and seal it again.
static hid_t change(char *tmp) {
  char command[512];
  sprintf(tmp, "%s.new", path);
  snprintf(command, sizeof command, "cp %s %s", path, tmp);
  CU_ASSERT_FATAL(!system(command));
  hid_t f = H5Fopen(tmp, H5F_ACC_RDWR, H5P_DEFAULT);
  CU_ASSERT_FATAL(f >= 0);
  return f;
}
static void set_scalar(const char *name, uint64_t v) {
  char tmp[256];
  hid_t f = change(tmp);
  CU_ASSERT_FATAL(H5Adelete(f, name) >= 0);
  CU_ASSERT_FATAL(vb_h5_publish(f, tmp, path, vb_h5_set_u64(f, name, v)) == VB_OK);
}
static void drop_scalar(const char *name) {
  char tmp[256];
  hid_t f = change(tmp);
  CU_ASSERT_FATAL(H5Adelete(f, name) >= 0 && vb_h5_publish(f, tmp, path, VB_OK) == VB_OK);
}
static void set_array(const char *name, const uint32_t *data) {
  char tmp[256];
  hid_t f = change(tmp), set = H5Dopen2(f, name, H5P_DEFAULT);
  CU_ASSERT_FATAL(set >= 0 && H5Dwrite(set, H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  H5Dclose(set);
  CU_ASSERT_FATAL(vb_h5_publish(f, tmp, path, VB_OK) == VB_OK);
}

static void expect_refusal(const char *words) {
  struct vb_case k;
  VB_CHECK(vb_case_load(path, &k) == VB_BAD_INPUT && strstr(vb_last_error(), words), "expected \"%s\": \"%s\"", words,
           vb_last_error());
}

static void files_of_earlier_versions_load(void) {
  struct vb_rng r = vb_test_rng();
  struct made m;
  make(&r, &m);
  m.op.window = 9;
  CU_ASSERT_FATAL(save(&m) == VB_OK);
  drop_scalar("keep"), drop_scalar("list_block");
  expect_equal("without keep and list_block");
  drop_scalar("window");
  expect_refusal("window");
}

static void contradictory_lists_are_refused(void) {
  struct vb_rng r = vb_test_rng();
  struct made m;
  make(&r, &m);
  add_list(&m, 4);
  CU_ASSERT_FATAL(save(&m) == VB_OK);
  uint32_t list[T * STRIDE], count[T];
  memcpy(list, m.list, sizeof list), memcpy(count, m.count, sizeof count);
  count[1] = STRIDE + 1;
  set_array("list_count", count);
  expect_refusal("list_count[1] = 7");
  set_array("list_count", m.count);
  list[2 * STRIDE + 1] = list[2 * STRIDE];
  set_array("list", list);
  expect_refusal("entries must ascend");
  memcpy(list, m.list, sizeof list);
  list[STRIDE - 1] = 0x40000000; // 2^30 * 4 keys: no 32-bit number
  set_array("list", list);
  expect_refusal("blocks of 4 keys end at");
  set_array("list", m.list);
  set_scalar("list_block", 6);
  expect_refusal("no power of two");
  set_scalar("list_block", 4);
  expect_equal("as it was");
}

/// Each size alone is legal; their product does not fit 64 bits.
static void huge_products_are_refused(void) {
  struct vb_rng r = vb_test_rng();
  struct made m;
  static const char *const name[] = {"t_end", "heads", "dk", "kv_heads", "capacity"};
  make(&r, &m);
  CU_ASSERT_FATAL(save(&m) == VB_OK);
  for (size_t i = 0; i < sizeof name / sizeof *name; i++) set_scalar(name[i], 1 << 24);
  expect_refusal("the scalars call for more than");
  vb_z x[8] = {0}, y[8];
  union vb_any_op op = {.join = {.a = {x, 1, 8, 0, 8}, .heads = 1, .t = {0, 1}, .h = {0, 1}, .y = y}};
  const struct vb_case_origin origin = {"layer.0.join", "cpu", NULL, 1, 1};
  CU_ASSERT_FATAL(vb_case_save(path, VB_OP_JOIN, &op, NULL, &origin) == VB_OK);
  set_scalar("t_end", 1 << 24), set_scalar("a_heads", 1 << 20), set_scalar("a_width", 1 << 20); // 2^64 elements
  expect_refusal("the scalars call for more than");
}

static const struct vb_test tests[] = {{"every_variant_replays", every_variant_replays},
                                       {"files_of_earlier_versions_load", files_of_earlier_versions_load},
                                       {"contradictory_lists_are_refused", contradictory_lists_are_refused},
                                       {"huge_products_are_refused", huge_products_are_refused},
                                       {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"case_attention", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
