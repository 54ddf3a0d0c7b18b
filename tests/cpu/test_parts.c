// SPDX-License-Identifier: Apache-2.0
/// Experts and router against the reference: whole, over ranges, and put together from parts that other devices could
/// have computed (expert splits through HIDDEN and DOWN).
#include "compare.h"
#include "cpu/cpu.h"
#include "num/block.h"
#include "ref/ref.h"
#include "runtime/merge.h"
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4 };

/// Distinct ids in ascending order.
static void random_ids(struct vb_rng *r, uint32_t experts, uint32_t k, uint32_t *ids) {
  for (uint32_t e = 0, left = k; left; e++)
    if (vb_rng_below(r, experts - e) < left) *ids++ = e, left--;
}

enum { SHARED = 1, GPT_OSS = 2, GATE_INPUT = 4, BIASES = 8 };

static struct vb_experts_w random_experts(struct vb_rng *r, uint32_t experts, uint32_t dim, uint32_t inter,
                                          unsigned features) {
  struct vb_experts_w w = {.experts = experts, .dim = dim, .inter = inter};
  if (features & GPT_OSS) w.act = VB_EXPERT_GPT_OSS, w.limit = vb_rng_below(r, 4) ? 0x40e00000 /* 7 */ : VB_Z_ONE;
  w.gate_input = features & GATE_INPUT ? 1 : 0;
  if (features & BIASES) {
    w.gate_bias = random_values(r, (uint64_t)experts * inter), w.up_bias = random_values(r, (uint64_t)experts * inter);
    w.down_bias = random_values(r, (uint64_t)experts * dim);
  }
  w.gate = random_w8(r, experts * inter, dim), w.up = random_w8(r, experts * inter, dim);
  w.down = random_w8(r, experts * dim, inter);
  uint8_t *max = (uint8_t *)w.down.max;
  for (uint32_t n = 0; n < dim; n++) {
    for (uint32_t e = 1; e < experts; e++)
      if (max[e * dim + n] > max[n]) max[n] = max[e * dim + n];
    for (uint32_t e = 1; e < experts; e++) max[e * dim + n] = max[n];
  }
  if (!(features & SHARED)) return w;
  w.shared_inter = between(r, 1, 90);
  w.shared_gate = random_w8(r, w.shared_inter, dim), w.shared_up = random_w8(r, w.shared_inter, dim);
  w.shared_down = random_w8(r, dim, w.shared_inter);
  for (uint32_t n = 0; n < dim; n++) { // one maximum for all
    uint8_t *shared = (uint8_t *)w.shared_down.max;
    if (max[n] > shared[n]) shared[n] = max[n];
    for (uint32_t e = 0; e < experts; e++) max[e * dim + n] = shared[n];
  }
  return w;
}
static void free_experts(struct vb_experts_w *w) {
  free_w8(&w->gate), free_w8(&w->up), free_w8(&w->down);
  free_w8(&w->shared_gate), free_w8(&w->shared_up), free_w8(&w->shared_down);
  free((void *)w->gate_bias), free((void *)w->up_bias), free((void *)w->down_bias);
}

/// Quantised hidden values: of the routed pairs, and of the shared expert.
struct pair_arrays {
  int8_t *hq, *shq;
  uint8_t *hcodes, *hmax, *shcodes, *shmax;
  uint64_t pairs, tokens, blocks, shared_blocks;
};
static struct pair_arrays attach_pairs(struct vb_experts_op *op, uint64_t tokens) {
  struct pair_arrays a = {.pairs = tokens * op->k, .tokens = tokens};
  a.blocks = op->w->down.blocks, a.shared_blocks = op->w->shared_down.blocks;
  a.hq = poisoned(a.pairs * a.blocks * VB_BLOCK), a.hcodes = poisoned(a.pairs * a.blocks), a.hmax = poisoned(a.pairs);
  a.shq = poisoned(tokens * a.shared_blocks * VB_BLOCK), a.shcodes = poisoned(tokens * a.shared_blocks);
  a.shmax = poisoned(tokens);
  op->hq = a.hq, op->hcodes = a.hcodes, op->hmax = a.hmax;
  op->shq = a.shq, op->shcodes = a.shcodes, op->shmax = a.shmax;
  return a;
}
static void compare_pairs(struct vb_rng *r, const struct config *c, const struct pair_arrays *want,
                          struct pair_arrays *got) {
  compare(r, "experts hidden", c, want->hq, got->hq, want->pairs * want->blocks * VB_BLOCK, 1);
  compare(r, "experts hidden", c, want->hcodes, got->hcodes, want->pairs * want->blocks, 1);
  compare(r, "experts hidden", c, want->hmax, got->hmax, want->pairs, 1);
  compare(r, "experts shared", c, want->shq, got->shq, want->tokens * want->shared_blocks * VB_BLOCK, 1);
  compare(r, "experts shared", c, want->shcodes, got->shcodes, want->tokens * want->shared_blocks, 1);
  compare(r, "experts shared", c, want->shmax, got->shmax, want->tokens, 1);
}
static void free_pairs(struct pair_arrays *a) {
  free(a->hq), free(a->hcodes), free(a->hmax), free(a->shq), free(a->shcodes), free(a->shmax);
}

/// The whole from PARTS expert ranges: hidden values of all parts in one place, then their sums.
static void split_experts(struct vb_rng *r, struct vb_experts_op op, uint32_t tokens, int threads) {
  int64_t *acc[PARTS];
  uint8_t *tmax = poisoned(tokens);
  uint32_t at[PARTS + 1] = {0};
  for (int p = 1; p < PARTS; p++) at[p] = between(r, at[p - 1], op.e.end);
  at[PARTS] = op.e.end;
  struct vb_experts_op part = op;
  for (int p = 0; p < PARTS; p++) {
    part.e = (struct vb_range){at[p], at[p + 1]}, part.mode = VB_EXPERTS_HIDDEN;
    vb_cpu_experts(&part, threads);
  }
  vb_merge_experts_max(&op, tmax);
  for (int p = 0; p < PARTS; p++) {
    part.e = (struct vb_range){at[p], at[p + 1]}, part.mode = VB_EXPERTS_DOWN;
    part.tmax = tmax, part.acc = acc[p] = poisoned(8ull * tokens * op.w->dim);
    vb_cpu_experts(&part, threads);
  }
  vb_merge_experts(&op, tmax, acc, PARTS);
  for (int p = 0; p < PARTS; p++) free(acc[p]);
  free(tmax);
}

static void experts_case(struct vb_rng *r, unsigned features, const char *name) {
  struct config c;
  uint32_t experts = between(r, 1, 8), k = between(r, 1, experts < 4 ? experts : 4), dim = between(r, 1, 90);
  uint32_t tokens = between(r, 1, vb_rng_below(r, 3) ? 12 : 60);
  struct vb_experts_w w = random_experts(r, experts, dim, between(r, 1, 90), features);
  uint64_t pairs = (uint64_t)tokens * k, size = (uint64_t)tokens * dim;
  uint32_t *ids = malloc(pairs * sizeof *ids);
  for (uint32_t t = 0; t < tokens; t++) random_ids(r, experts, k, ids + (size_t)t * k);
  vb_z *x = random_values(r, size), *gates = random_values(r, pairs), *y = poisoned(4 * size);
  struct vb_experts_op op = {.x = x, .w = &w, .k = k, .ids = ids, .gates = gates, .t = random_range(r, tokens), .y = y};
  vb_z *scale = random_values(r, tokens);
  op.e.end = experts + (features & SHARED ? 1 : 0), op.shared_scale = vb_rng_below(r, 2) ? scale : NULL;
  struct pair_arrays full = attach_pairs(&op, tokens);
  vb_ref_experts(&op);
  struct vb_experts_op part = op; // and both halves on their own, over a range of experts
  part.e = random_range(r, op.e.end), part.mode = VB_EXPERTS_HIDDEN;
  struct pair_arrays hidden = attach_pairs(&part, tokens);
  vb_ref_experts(&part);
  uint8_t *tmax = malloc(tokens);
  int64_t *acc = poisoned(8 * size);
  for (uint32_t t = 0; t < tokens; t++) tmax[t] = 0;
  vb_merge_experts_max(&op, tmax);
  struct vb_experts_op down = op; // reads all pairs of the whole run
  down.e = part.e, down.mode = VB_EXPERTS_DOWN, down.tmax = tmax, down.acc = acc;
  vb_ref_experts(&down);
  for (uint32_t i = 0; config_at(r, i, &c); i++) {
    struct vb_experts_op run = op, run_part = part;
    struct pair_arrays a = attach_pairs(&run, tokens), b = attach_pairs(&run_part, tokens);
    run.y = poisoned(4 * size), down.acc = poisoned(8 * size);
    config_enter(&c);
    vb_cpu_experts(&run, c.threads);
    vb_cpu_experts(&run_part, c.threads);
    vb_cpu_experts(&down, c.threads);
    config_leave();
    compare(r, name, &c, y, run.y, size, 4);
    compare(r, "experts down", &c, acc, down.acc, size, 8);
    compare_pairs(r, &c, &full, &a);
    compare_pairs(r, &c, &hidden, &b);
    memset(run.y, 0xa5, 4 * size);
    config_enter(&c);
    split_experts(r, run, tokens, c.threads);
    config_leave();
    compare(r, "experts split", &c, y, run.y, size, 4);
    free_pairs(&a), free_pairs(&b), free(run.y), free(down.acc);
  }
  free_pairs(&full), free_pairs(&hidden), free(tmax), free(acc), free(x), free(gates), free(y), free(ids);
  free(scale), free_experts(&w);
}

static void experts(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("experts", n, 50); n++) experts_case(&r, 0, "experts");
}
static void experts_features(void) { // each alone, then mixed
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("experts features", n, 80); n++)
    experts_case(&r, n < 4 ? 1u << n : between(&r, 1, 15), "experts features");
}

static void router_case(struct vb_rng *r, bool features, const char *name) {
  struct config c;
  uint32_t tokens = between(r, 1, 40), count = between(r, 1, vb_rng_below(r, 2) ? 12 : 200), allowed = count;
  struct vb_router_op op = {.score = VB_SCORE_SOFTMAX, .renorm = between(r, 0, 1), .t = random_range(r, tokens)};
  if (features) {
    op.score = vb_rng_below(r, 4) ? VB_SCORE_SIGMOID : VB_SCORE_SOFTMAX;
    if (vb_rng_below(r, 2)) { // groups of equal size, and enough of them for k
      op.groups = between(r, 1, 8), op.group_top = between(r, 1, 2), op.topk_groups = between(r, 1, op.groups);
      count = op.groups * between(r, 1, 32);
      allowed = count / op.groups * op.topk_groups;
    }
  }
  if (features && vb_rng_below(r, 2))
    op.threshold = 0x3c000000u + (uint32_t)vb_rng_below(r, 0x03000000); // 1/128 .. 1/2
  if (features && vb_rng_below(r, 2)) op.capacity = between(r, 1, 8);
  op.experts = count, op.k = between(r, 1, allowed < 10 ? allowed : 10);
  vb_z *logits = random_values(r, (uint64_t)tokens * count), *bias = random_values(r, count);
  if (!vb_rng_below(r, 3)) // ties
    for (uint64_t i = 0; i < (uint64_t)tokens * count; i++) logits[i] = logits[vb_rng_below(r, 4) % (i + 1)];
  if (!vb_rng_below(r, 3)) // and among the biases
    for (uint32_t i = 0; i < count; i++) bias[i] = bias[vb_rng_below(r, 2) % (i + 1)];
  if (features && vb_rng_below(r, 2)) op.bias = bias;
  op.logits = logits, op.scale = vb_rng_below(r, 2) ? VB_Z_ONE : vb_rng_z(r, VB_GEN_GAUSS);
  uint64_t pairs = (uint64_t)tokens * op.k, words = 3 * pairs + 2 * count + 1;
  uint32_t *want = poisoned(4 * words), *got; // ids, gates, list, hist, offsets in one array
  for (uint32_t i = 0; i == 0 || config_at(r, i - 1, &c); i++) {
    uint32_t *to = i ? got = poisoned(4 * words) : want;
    op.ids = to, op.gates = to + pairs, op.list = to + 2 * pairs, op.hist = to + 3 * pairs;
    op.offsets = op.hist + count;
    if (!i) {
      vb_ref_router(&op);
      continue;
    }
    config_enter(&c);
    vb_cpu_router(&op, c.threads);
    config_leave();
    compare(r, name, &c, want, got, words, 4);
    free(got);
  }
  free(want), free(logits), free(bias);
}
static void router(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("router", n, 60); n++) router_case(&r, false, "router");
}
static void router_features(void) { // sigmoid, bias, groups
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("router features", n, 100); n++) router_case(&r, true, "router features");
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"experts", experts},
                                         {"experts_features", experts_features},
                                         {"router", router},
                                         {"router_features", router_features},
                                         {0}};
  const struct vb_suite suites[] = {{"cpu_parts", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
