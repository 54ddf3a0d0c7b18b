// SPDX-License-Identifier: Apache-2.0
// Case files of experts operators: only the selected experts, the same result.
#include "num/block.h"
#include "ref/ref.h"
#include "runtime/device.h"
#include "support/harness.h"
#include "verify/case_experts.h"
#include "verify/casefile.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { E = 24, K = 2, D = 40, N = 36, T = 3, PAIRS = T * K };

static void matrix(struct vb_rng *r, struct vb_w8 *w, uint32_t rows, uint32_t cols) {
  const uint32_t blocks = vb_blocks(cols);
  int8_t *q = malloc((size_t)rows * blocks * VB_BLOCK);
  uint8_t *codes = malloc((size_t)rows * blocks), *max = malloc(rows);
  vb_z *z = malloc(cols * sizeof *z);
  for (uint32_t i = 0; i < rows; i++) {
    vb_rng_fill(r, VB_GEN_GAUSS, z, cols);
    max[i] = vb_quant_row_i8(z, cols, q + (size_t)i * blocks * VB_BLOCK, codes + (size_t)i * blocks);
  }
  free(z);
  *w = (struct vb_w8){rows, cols, blocks, q, codes, max};
}

static void release(struct vb_w8 *w) {
  free((void *)(uintptr_t)w->q), free((void *)(uintptr_t)w->codes), free((void *)(uintptr_t)w->max);
}

static vb_z *values(struct vb_rng *r, size_t n) {
  vb_z *z = malloc(n * sizeof *z);
  vb_rng_fill(r, VB_GEN_GAUSS, z, n);
  return z;
}

struct made {
  struct vb_experts_w w;
  struct vb_experts_op op;
  uint32_t ids[PAIRS];
};

static void make(struct vb_rng *r, struct made *m) {
  m->w = (struct vb_experts_w){
      .experts = E, .dim = D, .inter = N, .shared_inter = N, .act = VB_EXPERT_GPT_OSS, .limit = 0x40e00000u};
  matrix(r, &m->w.gate, E * N, D), matrix(r, &m->w.up, E * N, D), matrix(r, &m->w.down, E * D, N);
  matrix(r, &m->w.shared_gate, N, D), matrix(r, &m->w.shared_up, N, D), matrix(r, &m->w.shared_down, D, N);
  uint8_t *down = (uint8_t *)(uintptr_t)m->w.down.max, *shared = (uint8_t *)(uintptr_t)m->w.shared_down.max;
  memset(down, 140, E * D), memset(shared, 140, D); // one maximum for all
  m->w.gate_bias = values(r, E * N), m->w.up_bias = values(r, E * N), m->w.down_bias = values(r, E * D);
  static const uint32_t ids[PAIRS] = {3, 20, 7, 20, 0, 23};
  memcpy(m->ids, ids, sizeof ids);
  const uint32_t hb = vb_blocks(N);
  m->op = (struct vb_experts_op){.x = values(r, T * D),
                                 .w = &m->w,
                                 .k = K,
                                 .ids = m->ids,
                                 .gates = values(r, PAIRS),
                                 .t = {0, T},
                                 .e = {0, E + 1},
                                 .hq = calloc(PAIRS * hb, VB_BLOCK),
                                 .hcodes = calloc(PAIRS, hb),
                                 .hmax = calloc(PAIRS, 1),
                                 .shq = calloc(T * hb, VB_BLOCK),
                                 .shcodes = calloc(T, hb),
                                 .shmax = calloc(T, 1),
                                 .y = calloc(T * D, sizeof(vb_z))};
}

static void drop(struct made *m) {
  struct vb_w8 *w[] = {&m->w.gate, &m->w.up, &m->w.down, &m->w.shared_gate, &m->w.shared_up, &m->w.shared_down};
  for (int i = 0; i < 6; i++) release(w[i]);
  const void *more[] = {m->w.gate_bias, m->w.up_bias, m->w.down_bias, m->op.x,       m->op.gates, m->op.hq,
                        m->op.hcodes,   m->op.hmax,   m->op.shq,      m->op.shcodes, m->op.shmax, m->op.y};
  for (size_t i = 0; i < sizeof more / sizeof *more; i++) free((void *)(uintptr_t)more[i]);
}

static void same_result(void) {
  struct vb_rng r = vb_test_rng();
  static const struct vb_range ranges[] = {{0, E + 1}, {0, E}, {4, 21}, {8, E + 1}, {E, E + 1}, {9, 19}};
  static const uint32_t begins[] = {0, 0, 2, 3, 5, 3}, ends[] = {6, 5, 4, 6, 6, 3};
  struct made m;
  make(&r, &m);
  for (int i = 0; i < 6; i++) {
    union vb_any_op op = {.experts = m.op};
    struct vb_case_op c;
    struct vb_arena *a = vb_arena_new();
    op.experts.e = ranges[i];
    vb_case_from_op(VB_OP_EXPERTS, &op, &c);
    CU_ASSERT_EQUAL(vb_case_compact_experts(&c, a), VB_OK);
    CU_ASSERT(c.experts.experts == 5 && c.experts.gate.rows == 5 * N && c.experts.down.rows == 5 * D);
    CU_ASSERT(c.op.experts.e.begin == begins[i] && c.op.experts.e.end == ends[i]);
    if (!i) { // the whole operator; parts have no result of their own kind
      vb_z want[T * D];
      vb_ref_experts(&op.experts);
      memcpy(want, m.op.y, sizeof want);
      memset(m.op.y, 0, sizeof want);
      vb_ref_experts(&c.op.experts);
      VB_EXPECT_SAME("experts", want, m.op.y, T * D);
    }
    vb_arena_free(a);
  }
  m.ids[1] = E; // no expert: left alone
  union vb_any_op op = {.experts = m.op};
  struct vb_case_op c;
  struct vb_arena *a = vb_arena_new();
  vb_case_from_op(VB_OP_EXPERTS, &op, &c);
  CU_ASSERT(vb_case_compact_experts(&c, a) == VB_OK && c.experts.experts == E && c.op.experts.ids == m.ids);
  vb_arena_free(a);
  drop(&m);
}

static void saved_case(void) {
  struct vb_rng r = vb_test_rng();
  struct made m;
  struct vb_case k;
  struct stat st;
  char path[] = "/tmp/verbatim-case-XXXXXX";
  close(mkstemp(path));
  make(&r, &m);
  union vb_any_op op = {.experts = m.op};
  const struct vb_case_origin origin = {"layer.0.experts", "cpu", NULL, 1, 1};
  CU_ASSERT_EQUAL_FATAL(vb_case_save(path, VB_OP_EXPERTS, &op, NULL, &origin), VB_OK);
  CU_ASSERT(!stat(path, &st) && st.st_size < E * 3 * N * 64 / 2);
  CU_ASSERT_EQUAL_FATAL(vb_case_load(path, &k), VB_OK);
  struct vb_device *cpu = vb_device_open_cpu(2);
  struct vb_run_stats stats = {0};
  struct vb_difference diff;
  bool differs = true;
  CU_ASSERT(vb_case_replay(&k, cpu, NULL, NULL, &stats, &differs, &diff) == VB_OK && !differs);
  cpu->close(cpu);
  vb_case_free(&k);
  unlink(path);
  drop(&m);
}

static const struct vb_test tests[] = {{"same_result", same_result}, {"saved_case", saved_case}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"case_experts", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
