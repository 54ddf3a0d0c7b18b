// SPDX-License-Identifier: Apache-2.0
/// Operators that only some models have, on an OpenCL device against the reference: experts in all their variants,
/// join, the gated delta rule, the lightning indexer.
#include "num/expert.h"
#include "ocl/common.h"
#include "ref/ref.h"
#include <string.h>

/// One largest code per output, over all experts and the shared one.
static void share_codes(struct vb_experts_w *w) {
  uint8_t *max = (uint8_t *)(uintptr_t)w->down.max, *shared = (uint8_t *)(uintptr_t)w->shared_down.max;
  for (uint32_t i = 0; i < w->dim; i++) {
    uint8_t top = w->shared_inter ? shared[i] : 0;
    for (uint32_t e = 0; e < w->experts; e++) top = max[e * w->dim + i] > top ? max[e * w->dim + i] : top;
    for (uint32_t e = 0; e < w->experts; e++) max[e * w->dim + i] = top;
    if (w->shared_inter) shared[i] = top;
  }
}

static struct vb_experts_w expert_weights(struct arena *a, struct vb_rng *r) {
  uint32_t count = between(r, 1, 8), dim = size(r, 40, 120), inter = size(r, 40, 100);
  struct vb_experts_w w = {.experts = count,
                           .dim = dim,
                           .inter = inter,
                           .gate = weights8(a, r, count * inter, dim),
                           .up = weights8(a, r, count * inter, dim),
                           .down = weights8(a, r, count * dim, inter)};
  if (vb_rng_below(r, 2)) {
    w.shared_inter = size(r, 40, 130);
    w.shared_gate = weights8(a, r, w.shared_inter, dim), w.shared_up = weights8(a, r, w.shared_inter, dim);
    w.shared_down = weights8(a, r, dim, w.shared_inter);
  }
  if (vb_rng_below(r, 3) == 0) w.act = VB_EXPERT_GPT_OSS, w.limit = vb_from_float(vb_rng_below(r, 3) ? 7.0f : 0.5f);
  w.gate_input = vb_rng_below(r, 3) == 0;
  if (vb_rng_below(r, 3) == 0) {
    w.gate_bias = values(a, r, any_gen(r), (size_t)count * inter),
    w.up_bias = values(a, r, any_gen(r), (size_t)count * inter);
    w.down_bias = values(a, r, any_gen(r), (size_t)count * dim);
  }
  share_codes(&w);
  return w;
}

/// Distinct experts per token, ascending.
static uint32_t *expert_ids(struct arena *a, struct vb_rng *r, uint32_t tokens, uint32_t k, uint32_t count) {
  uint32_t *ids = take(a, tokens * k * sizeof *ids);
  for (uint32_t t = 0; t < tokens; t++)
    for (uint32_t e = 0, n = 0; n < k; e++)
      if (vb_rng_below(r, count - e) < k - n) ids[t * k + n++] = e;
  return ids;
}

struct hidden {
  size_t q, codes, max, sq, scodes, smax; // bytes
};
static void take_hidden(struct arena *a, struct vb_experts_op *op, const struct hidden *n) {
  op->hq = junk(a, n->q), op->hcodes = junk(a, n->codes), op->hmax = junk(a, n->max);
  op->shq = junk(a, n->sq), op->shcodes = junk(a, n->scodes), op->shmax = junk(a, n->smax);
}
static void expect_hidden(const struct vb_experts_op *want, const struct vb_experts_op *got, const struct hidden *n) {
  VB_EXPECT_SAME("experts", want->hq, got->hq, n->q);
  VB_EXPECT_SAME("experts", want->hcodes, got->hcodes, n->codes);
  VB_EXPECT_SAME("experts", want->hmax, got->hmax, n->max);
  if (!n->sq) return;
  VB_EXPECT_SAME("experts", want->shq, got->shq, n->sq);
  VB_EXPECT_SAME("experts", want->shcodes, got->shcodes, n->scodes);
  VB_EXPECT_SAME("experts", want->shmax, got->shmax, n->smax);
}

static void experts(struct vb_rng *r) {
  struct arena a = {0};
  struct vb_experts_w w = expert_weights(&a, r);
  uint32_t tokens = size(r, 3, 14), k = between(r, 1, w.experts < 4 ? w.experts : 4);
  uint32_t axis = w.experts + (w.shared_inter > 0);
  size_t n = (size_t)tokens * w.dim, pairs = (size_t)tokens * k, nb = w.down.blocks, sb = w.shared_down.blocks;
  struct vb_experts_op op = {.x = values(&a, r, any_gen(r), n),
                             .w = &w,
                             .k = k,
                             .t = subrange(r, tokens),
                             .ids = expert_ids(&a, r, tokens, k, w.experts),
                             .e = {0, axis},
                             .gates = values(&a, r, VB_GEN_GAUSS, pairs)};
  if (w.shared_inter && vb_rng_below(r, 2)) op.shared_scale = values(&a, r, VB_GEN_GAUSS, tokens);
  struct vb_experts_op ref = op;
  struct hidden bytes = {pairs * nb * VB_BLOCK, pairs * nb, pairs, tokens * sb * VB_BLOCK, tokens * sb, tokens};
  take_hidden(&a, &op, &bytes), take_hidden(&a, &ref, &bytes);
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_experts(&ref);
  OK(vb_ocl_experts(ocl_dev, &op));
  VB_EXPECT_SAME("experts", ref.y, op.y, n);

  // Experts split over two devices: hidden values of each part, the common largest code, partial sums, merge.
  uint32_t cut = between(r, 0, axis);
  uint8_t *tmax = take(&a, tokens);
  int64_t *acc[2] = {junk(&a, n * 8), junk(&a, n * 8)}, *want = junk(&a, n * 8);
  take_hidden(&a, &op, &bytes), take_hidden(&a, &ref, &bytes);
  op.tmax = ref.tmax = tmax;
  for (int mode = VB_EXPERTS_HIDDEN; mode <= VB_EXPERTS_DOWN; mode++) {
    for (int part = 0; part < 2; part++) {
      op.mode = ref.mode = (enum vb_experts_mode)mode;
      op.e = ref.e = part ? (struct vb_range){cut, axis} : (struct vb_range){0, cut};
      op.acc = acc[part], ref.acc = want;
      vb_ref_experts(&ref);
      OK(vb_ocl_experts(ocl_dev, &op));
      VB_EXPECT_SAME("experts", want, acc[part], n);
    }
    expect_hidden(&ref, &op, &bytes);
    for (uint32_t t = op.t.begin; t < op.t.end; t++) {
      if (w.shared_inter) tmax[t] = op.shmax[t];
      for (uint32_t s = 0; s < k; s++) tmax[t] = op.hmax[t * k + s] > tmax[t] ? op.hmax[t * k + s] : tmax[t];
    }
  }
  for (uint32_t t = op.t.begin; t < op.t.end; t++)
    for (uint32_t i = 0; i < w.dim; i++) {
      size_t at = (size_t)t * w.dim + i;
      op.y[at] = vb_experts_finish(&op, t, i, acc[0][at] + acc[1][at], tmax[t]);
    }
  VB_EXPECT_SAME("experts", ref.y, op.y, n);
  drop(&a);
}

static struct vb_piece piece(struct arena *a, struct vb_rng *r, uint32_t tokens, uint32_t heads, uint32_t least) {
  struct vb_piece p = {.heads = vb_rng_below(r, 2) ? heads : 1, .width = size(r, 20, 90)};
  p.len = between(r, least, p.width), p.first = between(r, 0, p.width - p.len);
  p.x = values(a, r, any_gen(r), (size_t)tokens * p.heads * p.width);
  if (!p.len) p.x = NULL;
  return p;
}

static void join(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 4, 20), heads = between(r, 1, 6);
  struct vb_join_op op = {.a = piece(&a, r, tokens, heads, 1),
                          .b = piece(&a, r, tokens, heads, 0),
                          .heads = heads,
                          .t = subrange(r, tokens),
                          .h = subrange(r, heads)};
  if (vb_rng_below(r, 4) == 0) op.b.len = 0, op.b.x = NULL;
  struct vb_join_op ref = op;
  size_t n = (size_t)tokens * heads * (op.a.len + op.b.len);
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_join(&ref);
  OK(vb_ocl_join(ocl_dev, &op));
  VB_EXPECT_SAME("join", ref.y, op.y, n);
  drop(&a);
}

struct state_bytes {
  size_t m, column, head;
};
static struct vb_delta_state new_state(struct arena *a, const struct state_bytes *n) {
  return (struct vb_delta_state){junk(a, n->m), junk(a, n->column), junk(a, n->column), junk(a, n->head)};
}

/// A state as a recurrence could have left it: zero columns, columns about to sink out of sight, all mantissa lengths.
static struct vb_delta_state random_state(struct arena *a, struct vb_rng *r, const struct vb_delta_op *op,
                                          const struct state_bytes *n) {
  struct vb_delta_state s = new_state(a, n);
  for (uint32_t h = 0; h < op->heads; h++) {
    s.g[h] = vb_rng_below(r, 3) ? (uint32_t)vb_rng_below(r, 1u << 31) : 0;
    for (uint32_t j = 0; j < op->dv; j++) {
      uint32_t top = 0, bits = vb_rng_below(r, 6) ? between(r, 18, 26) : between(r, 0, 26), c = h * op->dv + j;
      for (uint32_t i = 0; i < op->dk; i++) {
        int32_t m = bits ? (int32_t)vb_rng_range(r, -(int64_t)((1u << bits) - 1), (int64_t)((1u << bits) - 1)) : 0;
        s.m[((size_t)h * op->dk + i) * op->dv + j] = m;
        if ((uint32_t)(m < 0 ? -m : m) > top) top = (uint32_t)(m < 0 ? -m : m);
      }
      s.len[c] = top ? vb_msb(top) + 1 : 0;
      s.c[c] = vb_rng_below(r, 4) ? (int32_t)between(r, 0, 10) - 30 : (int32_t)between(r, 0, 160) - 130;
      if (vb_rng_below(r, 4) == 0) s.c[c] = (int32_t)between(r, 0, 6) - 100 - s.len[c];
    }
  }
  return s;
}

static void expect_state(const struct vb_delta_state *want, const struct vb_delta_state *got,
                         const struct state_bytes *n) {
  VB_EXPECT_SAME("delta", want->m, got->m, n->m / 4);
  VB_EXPECT_SAME("delta", want->c, got->c, n->column / 4);
  VB_EXPECT_SAME("delta", want->len, got->len, n->column / 4);
  VB_EXPECT_SAME("delta", want->g, got->g, n->head / 4);
}

/// Components as of normalised vectors, mostly; others saturate.
static vb_z *unit_vectors(struct arena *a, struct vb_rng *r, size_t n) {
  vb_z *x = values(a, r, vb_rng_below(r, 4) ? VB_GEN_GAUSS : any_gen(r), n);
  for (size_t i = 0; i < n; i++) x[i] = vb_mul(x[i], vb_from_float(0.11f));
  if (vb_rng_below(r, 5) == 0) memset(x, 0, n / 2 * 4);
  return x;
}

/// Logits of the decay, some of which leave the state as it is.
static vb_z *decay_logits(struct arena *a, struct vb_rng *r, size_t n) {
  vb_z *x = values(a, r, vb_rng_below(r, 4) ? VB_GEN_GAUSS : any_gen(r), n);
  for (size_t i = 0; i < n; i++)
    if (vb_rng_below(r, 3) == 0) x[i] = vb_from_float(-1000.0f);
  return x;
}

/// Two calls, so that the second starts from a state that the device itself has made.
static void delta(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t key_heads = between(r, 1, 3), heads = key_heads * between(r, 1, 3), tokens = size(r, 3, 9);
  struct vb_delta_op op = {.tokens = tokens,
                           .heads = heads,
                           .key_heads = key_heads,
                           .dk = size(r, 9, 70),
                           .dv = size(r, 9, 70),
                           .h = subrange(r, heads),
                           .scale = vb_from_float(0.125f)};
  struct state_bytes bytes = {(size_t)heads * op.dk * op.dv * 4, (size_t)heads * op.dv * 4, heads * 4};
  size_t n = (size_t)tokens * heads * op.dv, vectors = (size_t)tokens * key_heads * op.dk;
  vb_z *ea = values(&a, r, VB_GEN_GAUSS, heads);
  for (uint32_t h = 0; h < heads; h++) ea[h] = vb_expz(ea[h]);
  op.ea = ea, op.dt_bias = values(&a, r, VB_GEN_GAUSS, heads);
  op.before = random_state(&a, r, &op, &bytes);
  for (int call = 0; call < 2; call++) {
    op.q = unit_vectors(&a, r, vectors), op.k = unit_vectors(&a, r, vectors);
    op.v = values(&a, r, vb_rng_below(r, 3) ? VB_GEN_GAUSS : any_gen(r), n);
    op.b = values(&a, r, VB_GEN_GAUSS, (size_t)tokens * heads);
    op.a = decay_logits(&a, r, (size_t)tokens * heads);
    struct vb_delta_op ref = op;
    op.after = new_state(&a, &bytes), ref.after = new_state(&a, &bytes);
    op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
    vb_ref_delta(&ref);
    OK(vb_ocl_delta(ocl_dev, &op));
    VB_EXPECT_SAME("delta", ref.y, op.y, n);
    expect_state(&ref.after, &op.after, &bytes);
    op.before = op.after;
  }
  drop(&a);
}

/// FULL, and SCORES of two parts of the keys, from which the merged selection must be the same.
void indexer_case(struct vb_rng *r, struct vb_ocl *d, uint32_t keys, uint32_t tokens, uint32_t heads, uint32_t dk) {
  struct arena a = {0};
  struct vb_kv kv = cache(&a, r, 1, dk, 0, keys + between(r, 0, 5), keys);
  for (uint32_t j = 1; j < keys; j++) // equal keys: ties
    if (vb_rng_below(r, 4) == 0)
      memcpy(vb_kv_key(&kv, 0, j), vb_kv_key(&kv, 0, (uint32_t)vb_rng_below(r, j)), vb_rec_bytes(dk));
  size_t n = (size_t)tokens * heads;
  struct vb_indexer_op op = {.q = queries(&a, r, n, dk),
                             .w = values(&a, r, vb_rng_below(r, 3) ? VB_GEN_GAUSS : any_gen(r), n),
                             .w_scale = vb_rng_below(r, 3) ? vb_from_float(0.08f) : VB_Z_ONE,
                             .kv = &kv,
                             .heads = heads,
                             .first_count = keys - tokens + 1,
                             .k = between(r, 1, vb_rng_below(r, 3) ? (keys + 1) / 2 : keys + 3),
                             .t = subrange(r, tokens),
                             .key = {0, keys},
                             .score_stride = keys + between(r, 0, 3)};
  if (vb_rng_below(r, 5) == 0)
    memset((void *)(uintptr_t)(op.q + vb_rng_below(r, n) * vb_rec_bytes(dk)), 0, vb_rec_bytes(dk));
  vb_z *weight = (vb_z *)(uintptr_t)op.w;
  if (vb_rng_below(r, 3) == 0) weight[vb_rng_below(r, n)] = 0x5effffff ^ (vb_z)vb_rng_below(r, 2) << 31; // rounds up
  if (vb_rng_below(r, 8) == 0) memset(weight, 0, n * 4); // all scores equal
  struct vb_indexer_op ref = op;
  op.list = junk(&a, (size_t)tokens * op.k * 4), ref.list = junk(&a, (size_t)tokens * op.k * 4);
  op.count = junk(&a, tokens * 4), ref.count = junk(&a, tokens * 4);
  vb_ref_indexer(&ref);
  OK(vb_ocl_indexer(d, &op));
  VB_EXPECT_SAME("indexer", ref.list, op.list, (size_t)tokens * op.k);
  VB_EXPECT_SAME("indexer", ref.count, op.count, tokens);

  size_t scores = (size_t)tokens * op.score_stride;
  uint32_t cut = between(r, 0, keys);
  op.mode = ref.mode = VB_INDEXER_SCORES;
  op.score = junk(&a, scores * 4), ref.score = junk(&a, scores * 4);
  for (int part = 0; part < 2; part++) {
    op.key = ref.key = part ? (struct vb_range){cut, keys} : (struct vb_range){0, cut};
    vb_ref_indexer(&ref);
    OK(vb_ocl_indexer(d, &op));
    VB_EXPECT_SAME("indexer", ref.score, op.score, scores);
  }
  memset(op.list, 0, (size_t)tokens * op.k * 4);
  for (uint32_t t = op.t.begin; t < op.t.end; t++) {
    uint32_t *want = ref.list + (size_t)t * op.k, *got = op.list + (size_t)t * op.k;
    vb_ref_topk(op.score + (size_t)t * op.score_stride, op.first_count + t, op.k, got);
    VB_EXPECT_SAME("indexer", want, got, op.k);
  }
  vb_ocl_forget_kv(d, kv.id);
  drop(&a);
}

static void indexer(struct vb_rng *r) {
  uint32_t keys = size(r, 9, vb_rng_below(r, 4) ? 100 : 400);
  indexer_case(r, ocl_dev, keys, between(r, 1, keys < 7 ? keys : 7), between(r, 1, 9), size(r, 40, 130));
}

UNTIL(test_experts, "experts", experts)
UNTIL(test_join, "join", join)
UNTIL(test_delta, "delta", delta)
UNTIL(test_indexer, "indexer", indexer)

/// Selection from more keys than one item counts.
static void test_long_indexer(void) {
  struct vb_rng r = vb_test_rng();
  if (!ocl_small()) indexer_case(&r, ocl_dev, 9000, 2, 2, 32);
  else indexer_case(&r, ocl_dev, 130, 2, 2, 32);
}

const struct vb_test ocl_model_tests[] = {{"experts", test_experts},
                                          {"join", test_join},
                                          {"delta", test_delta},
                                          {"indexer", test_indexer},
                                          {"long indexer", test_long_indexer},
                                          {0}};
