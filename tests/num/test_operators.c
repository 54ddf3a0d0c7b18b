// SPDX-License-Identifier: Apache-2.0
/// Every reference operator in pieces equals the whole: ranges of tokens, rows, heads and experts into poisoned outputs
/// (nothing outside a range may be written), and sums cut along the reduction dimension or the experts.
#include "num/block.h"
#include "num/func.h"
#include "ref/ref.h"
#include "runtime/merge.h"
#include "support/harness.h"
#include <stdlib.h>

static void *poison(uint64_t bytes) {
  void *p = malloc(bytes ? bytes : 1);
  memset(p, 0xa5, bytes);
  return p;
}
static vb_z *random_z(struct vb_rng *r, enum vb_gen kind, uint64_t n) {
  vb_z *z = poison(n * sizeof *z);
  vb_rng_fill(r, kind, z, n);
  return z;
}
static uint32_t between(struct vb_rng *r, uint32_t lo, uint32_t hi) { return (uint32_t)vb_rng_range(r, lo, hi); }

struct operand {
  struct vb_w8 w8;
  struct vb_w14 w14;
  vb_z *values;
};
static struct operand random_weights(struct vb_rng *r, enum vb_gen kind, uint32_t rows, uint32_t cols) {
  uint32_t nb = vb_blocks(cols);
  uint64_t n = (uint64_t)rows * nb;
  struct operand w = {.values = random_z(r, kind, (uint64_t)rows * cols)};
  int8_t *q8 = poison(n * VB_BLOCK);
  int16_t *q14 = poison(n * VB_BLOCK * sizeof *q14);
  uint8_t *c8 = poison(n), *c14 = poison(n), *m8 = poison(rows), *m14 = poison(rows);
  for (uint32_t i = 0; i < rows; i++) {
    m8[i] =
        vb_quant_row_i8(w.values + (uint64_t)i * cols, cols, q8 + (uint64_t)i * nb * VB_BLOCK, c8 + (uint64_t)i * nb);
    m14[i] = vb_quant_row_i14(w.values + (uint64_t)i * cols, cols, q14 + (uint64_t)i * nb * VB_BLOCK,
                              c14 + (uint64_t)i * nb);
  }
  w.w8 = (struct vb_w8){rows, cols, nb, q8, c8, m8};
  w.w14 = (struct vb_w14){rows, cols, nb, q14, c14, m14};
  return w;
}
static void drop(struct operand *w) {
  free(w->values);
  free((void *)w->w8.q), free((void *)w->w8.codes), free((void *)w->w8.max);
  free((void *)w->w14.q), free((void *)w->w14.codes), free((void *)w->w14.max);
}

/// Two cuts make four rectangles of an operator with two ranges; run in reverse order.
#define IN_PIECES(op, fn, r1, n1, r2, n2)                                               \
  do {                                                                                  \
    uint32_t cut1 = between(&r, 0, (n1)), cut2 = between(&r, 0, (n2));                  \
    for (int piece = 3; piece >= 0; piece--) {                                          \
      (op).r1 = piece & 1 ? (struct vb_range){cut1, (n1)} : (struct vb_range){0, cut1}; \
      (op).r2 = piece & 2 ? (struct vb_range){cut2, (n2)} : (struct vb_range){0, cut2}; \
      fn(&(op));                                                                        \
    }                                                                                   \
  } while (0)

static void linear(void) {
  struct vb_rng r = vb_test_rng();
  uint32_t trials = (uint32_t)vb_test_count(600, 20000);
  for (uint32_t k = 0; k < trials; k++) {
    uint32_t tokens = between(&r, 1, 5), rows = between(&r, 1, 40), cols = between(&r, 1, 300);
    enum vb_gen kind = (enum vb_gen)(k % VB_GEN_KINDS);
    struct operand w = random_weights(&r, kind, rows, cols);
    vb_z *x = random_z(&r, kind, (uint64_t)tokens * cols), *bias = k % 2 ? random_z(&r, VB_GEN_GAUSS, rows) : NULL;
    uint64_t n = (uint64_t)tokens * rows;
    struct vb_linear_op op = {.x = x, .bias = bias, .t = {0, tokens}, .n = {0, rows}, .b = {0, w.w8.blocks}};
    if (k % 4 < 2) op.w8 = &w.w8;
    else op.w14 = &w.w14;
    vb_z *want = op.y = poison(n * sizeof *want);
    vb_ref_linear(&op);
    op.y = poison(n * sizeof *op.y);
    IN_PIECES(op, vb_ref_linear, t, tokens, n, rows);
    VB_EXPECT_SAME("linear", want, op.y, n);

    // Along k: exact partial sums, merged.
    int64_t *acc[3];
    uint32_t a = between(&r, 0, w.w8.blocks), b = between(&r, a, w.w8.blocks), ends[] = {0, a, b, w.w8.blocks};
    struct vb_linear_op part = op;
    part.t = (struct vb_range){0, tokens};
    part.n = (struct vb_range){0, rows};
    for (int p = 2; p >= 0; p--) {
      part.b = (struct vb_range){ends[p], ends[p + 1]};
      part.acc = acc[p] = poison(n * sizeof **acc);
      vb_ref_linear(&part);
    }
    part.acc = NULL;
    part.b = (struct vb_range){0, w.w8.blocks};
    memset(op.y, 0xa5, n * sizeof *op.y);
    vb_merge_linear(&part, acc, 3);
    VB_EXPECT_SAME("linear_k", want, op.y, n);
    for (int p = 0; p < 3; p++) free(acc[p]);
    free(want), free(op.y), free(x), free(bias);
    drop(&w);
  }
}

/// Tokens are independent: a token's row is the same alone and in any batch.
static void rmsnorm(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t k = 0; k < vb_test_count(200, 20000); k++) {
    uint32_t tokens = between(&r, 1, 6), groups = between(&r, 1, 5), n = between(&r, 1, 200);
    uint64_t total = (uint64_t)tokens * groups * n;
    vb_z *x = random_z(&r, (enum vb_gen)(k % VB_GEN_KINDS), total), *w = random_z(&r, VB_GEN_GAUSS, n);
    struct vb_rmsnorm_op op = {.x = x,
                               .w = w,
                               .groups = groups,
                               .n = n,
                               .eps_n = vb_norm(n, -20),
                               .sqrt_n = vb_norm((int64_t)n << 10, -11),
                               .t = {0, tokens},
                               .g = {0, groups}};
    vb_z *want = op.y = poison(total * sizeof *want);
    vb_ref_rmsnorm(&op);
    op.y = poison(total * sizeof *op.y);
    IN_PIECES(op, vb_ref_rmsnorm, t, tokens, g, groups);
    VB_EXPECT_SAME("rmsnorm", want, op.y, total);
    free(want), free(op.y), free(x), free(w);
  }
}

static void elementwise(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t k = 0; k < vb_test_count(100, 10000); k++) {
    uint32_t tokens = between(&r, 1, 6), cols = between(&r, 1, 150);
    uint64_t total = (uint64_t)tokens * cols;
    enum vb_gen kind = (enum vb_gen)(k % VB_GEN_KINDS);
    vb_z *a = random_z(&r, kind, total), *b = random_z(&r, kind, total), *want = poison(total * sizeof *want);
    struct vb_add_op add = {.a = a, .b = b, .cols = cols, .y = poison(total * sizeof *want)};
    struct vb_swiglu_op glu = {.g = a, .u = b, .cols = cols, .y = poison(total * sizeof *want)};
    IN_PIECES(add, vb_ref_add, t, tokens, n, cols);
    IN_PIECES(glu, vb_ref_swiglu, t, tokens, n, cols);
    for (uint64_t i = 0; i < total; i++) want[i] = vb_add(a[i], b[i]);
    VB_EXPECT_SAME("add", want, add.y, total);
    for (uint64_t i = 0; i < total; i++) want[i] = vb_mul(vb_mul(a[i], vb_sigmoid(a[i])), b[i]);
    VB_EXPECT_SAME("swiglu", want, glu.y, total);
    free(add.y), free(glu.y), free(want), free(a), free(b);
  }
}

static void rope_and_pack(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t k = 0; k < vb_test_count(100, 10000); k++) {
    uint32_t tokens = between(&r, 1, 5), heads = between(&r, 1, 4), d = 2 * between(&r, 1, 64), pos[5];
    uint32_t rot = k % 3 ? d : 2 * between(&r, 1, d / 2);
    uint64_t total = (uint64_t)tokens * heads * d, freq[64];
    for (uint32_t i = 0; i < rot / 2; i++) freq[i] = vb_rng_next(&r) >> 3;
    for (uint32_t i = 0; i < tokens; i++) pos[i] = between(&r, 0, 1 << 17);
    vb_z *x = random_z(&r, (enum vb_gen)(k % VB_GEN_KINDS), total), *v = random_z(&r, VB_GEN_GAUSS, total);
    struct vb_rope_op rope = {.x = x,
                              .freq = freq,
                              .pos = pos,
                              .heads = heads,
                              .d = d,
                              .rot = rot,
                              .layout = k % 2 ? VB_ROPE_PAIR : VB_ROPE_HALF,
                              .t = {0, tokens},
                              .h = {0, heads}};
    vb_z *want = rope.y = poison(total * sizeof *want);
    vb_ref_rope(&rope);
    rope.y = poison(total * sizeof *rope.y);
    IN_PIECES(rope, vb_ref_rope, t, tokens, h, heads);
    VB_EXPECT_SAME("rope", want, rope.y, total);
    uint64_t untouched = 0;
    for (uint64_t row = 0; row < total; row += d)
      for (uint32_t c = rot; c < d; c++) untouched += rope.y[row + c] != x[row + c];
    CU_ASSERT_EQUAL(untouched, 0);

    uint64_t recs = (uint64_t)tokens * heads * vb_rec_bytes(d), vals = (uint64_t)tokens * heads * vb_val_bytes(d);
    struct vb_pack_q_op pq = {
        .x = x, .scale = vb_rng_z(&r, VB_GEN_GAUSS), .heads = heads, .d = d, .t = {0, tokens}, .h = {0, heads}};
    uint8_t *first = pq.rec = poison(recs);
    vb_ref_pack_q(&pq);
    pq.rec = poison(recs);
    IN_PIECES(pq, vb_ref_pack_q, t, tokens, h, heads);
    VB_EXPECT_SAME("pack_q", first, pq.rec, recs);
    struct vb_pack_kv_op kv = {.k = x, .v = v, .heads = heads, .dk = d, .dv = d, .t = {0, tokens}, .h = {0, heads}};
    uint8_t *keys = kv.krec = poison(recs), *values = kv.vrec = poison(vals);
    vb_ref_pack_kv(&kv);
    kv.krec = poison(recs), kv.vrec = poison(vals);
    IN_PIECES(kv, vb_ref_pack_kv, t, tokens, h, heads);
    VB_EXPECT_SAME("pack_kv", keys, kv.krec, recs);
    VB_EXPECT_SAME("pack_kv", values, kv.vrec, vals);
    free(want), free(rope.y), free(x), free(v), free(first), free(pq.rec), free(keys), free(values), free(kv.krec);
    free(kv.vrec);
  }
}

static void embed(void) {
  struct vb_rng r = vb_test_rng();
  enum { VOCAB = 50, DIM = 70, TOKENS = 20 };
  int32_t ids[TOKENS];
  vb_z *table = random_z(&r, VB_GEN_GAUSS, VOCAB * DIM), want[TOKENS * DIM], got[TOKENS * DIM];
  for (int i = 0; i < TOKENS; i++) ids[i] = (int32_t)vb_rng_below(&r, VOCAB);
  for (int i = 0; i < TOKENS * DIM; i++) want[i] = table[ids[i / DIM] * DIM + i % DIM];
  struct vb_embed_op op = {.table = table, .tokens = ids, .vocab = VOCAB, .dim = DIM, .y = got};
  memset(got, 0xa5, sizeof got);
  for (int piece = 1; piece >= 0; piece--) {
    op.t = piece ? (struct vb_range){7, TOKENS} : (struct vb_range){0, 7};
    vb_ref_embed(&op);
  }
  VB_EXPECT_SAME("embed", want, got, TOKENS * DIM);
  free(table);
}

// --- router ------------------------------------------------------------------------------------------------------------------
struct routed {
  uint32_t *ids, *hist, *offsets, *list;
  vb_z *gates;
};
static struct routed new_routed(uint32_t tokens, uint32_t experts, uint32_t k) {
  return (struct routed){poison(4 * tokens * k), poison(4 * experts), poison(4 * (experts + 1)), poison(4 * tokens * k),
                         poison(4 * tokens * k)};
}
static void aim(struct vb_router_op *op, const struct routed *o, uint32_t first) {
  op->ids = o->ids + first * op->k, op->gates = o->gates + first * op->k;
  op->hist = o->hist, op->offsets = o->offsets, op->list = o->list;
}
static void free_routed(struct routed *o) {
  free(o->ids), free(o->hist), free(o->offsets), free(o->list), free(o->gates);
}

/// The selection by sorting real values: larger first, ties by lower index; then ascending.
static uint64_t selection_wrong(const vb_z *z, uint32_t experts, uint32_t k, const uint32_t *ids) {
  uint64_t wrong = 0;
  bool taken[256] = {false};
  for (uint32_t s = 0; s < k; s++) {
    uint32_t best = experts;
    for (uint32_t e = 0; e < experts; e++)
      if (!taken[e] && (best == experts || vb_to_float(z[e]) > vb_to_float(z[best]))) best = e;
    taken[best] = true;
  }
  for (uint32_t e = 0, at = 0; e < experts; e++)
    if (taken[e]) wrong += ids[at++] != e;
  return wrong;
}

static void router(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; n < vb_test_count(200, 20000); n++) {
    uint32_t tokens = between(&r, 1, 20), experts = between(&r, 2, n % 10 ? 64 : 256);
    uint32_t k = between(&r, 1, experts < 9 ? experts : 9), cut = between(&r, 0, tokens);
    vb_z *logits = random_z(&r, (enum vb_gen)(n % VB_GEN_KINDS), tokens * experts);
    if (n % 3 == 0) // few distinct values: many ties
      for (uint32_t i = 0; i < tokens * experts; i++) logits[i] = vb_norm(vb_rng_range(&r, -2, 2), -1);
    struct vb_router_op op = {
        .logits = logits, .experts = experts, .k = k, .renorm = n % 2, .scale = VB_Z_ONE, .t = {0, tokens}};
    struct routed whole = new_routed(tokens, experts, k), merged = new_routed(tokens, experts, k);
    struct routed half[2] = {new_routed(tokens, experts, k), new_routed(tokens, experts, k)};
    aim(&op, &merged, 0); // all pairs, gates as they are
    vb_ref_router(&op);
    if (n & 4) op.scale = 0xc0200000u; // -2.5: the threshold is for the gate before
    if (n & 8) op.threshold = vb_norm(vb_rng_range(&r, 1, 60), -7);
    if (n & 16) op.capacity = between(&r, 1, 6);
    aim(&op, &whole, 0);
    vb_ref_router(&op);
    uint64_t wrong = 0;
    uint32_t used[256] = {0};
    bool stays[20 * 9];
    for (uint32_t t = 0; t < tokens; t++) {
      wrong += selection_wrong(logits + t * experts, experts, k, whole.ids + t * k);
      double sum = 0;
      for (uint32_t s = 0; s < k; s++) sum += vb_to_float(merged.gates[t * k + s]);
      wrong += n % 2 ? sum < 1 - 1e-6 || sum > 1 + 1e-6 : sum > 1 + 1e-6;
    }
    for (uint32_t p = 0; p < tokens * k; p++) {
      uint32_t e = whole.ids[p];
      stays[p] = merged.gates[p] >= op.threshold && (!op.capacity || used[e] < op.capacity);
      used[e] += stays[p];
      wrong += whole.gates[p] != (stays[p] ? vb_mul(merged.gates[p], op.scale) : 0);
    }
    uint32_t at = 0;
    for (uint32_t e = 0; e < experts; e++) { // the dispatch list is a stable grouping
      wrong += whole.offsets[e] != at;
      for (uint32_t p = 0; p < tokens * k; p++)
        if (whole.ids[p] == e && stays[p]) wrong += whole.list[at++] != p;
      wrong += whole.offsets[e] + whole.hist[e] != at;
    }
    wrong += whole.offsets[experts] != at;
    while (at < tokens * k) wrong += whole.list[at++] != UINT32_MAX;
    CU_ASSERT_EQUAL(wrong, 0);

    struct vb_router_op part[2];
    for (int p = 1; p >= 0; p--) {
      part[p] = op;
      part[p].t = p ? (struct vb_range){cut, tokens} : (struct vb_range){0, cut};
      aim(&part[p], &half[p], 0);
      part[p].ids = merged.ids + part[p].t.begin * k, part[p].gates = merged.gates + part[p].t.begin * k;
      vb_ref_router(&part[p]);
    }
    aim(&op, &merged, 0);
    vb_merge_router(&op, part, 2);
    VB_EXPECT_SAME("router", whole.ids, merged.ids, tokens * k);
    VB_EXPECT_SAME("router", whole.gates, merged.gates, tokens * k);
    VB_EXPECT_SAME("router", whole.hist, merged.hist, experts);
    VB_EXPECT_SAME("router", whole.offsets, merged.offsets, experts + 1);
    VB_EXPECT_SAME("router", whole.list, merged.list, tokens * k);
    free(logits), free_routed(&whole), free_routed(&merged), free_routed(&half[0]), free_routed(&half[1]);
  }
}

// --- experts -----------------------------------------------------------------------------------------------------------------
static void experts(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; n < vb_test_count(60, 6000); n++) {
    uint32_t tokens = between(&r, 1, 5), count = between(&r, 2, 8), dim = between(&r, 1, 70),
             inter = between(&r, 1, 80);
    uint32_t k = between(&r, 1, count), nb = vb_blocks(inter), pairs = tokens * k;
    enum vb_gen kind = (enum vb_gen)(n % VB_GEN_KINDS);
    struct operand gate = random_weights(&r, kind, count * inter, dim),
                   up = random_weights(&r, kind, count * inter, dim);
    struct operand down = random_weights(&r, kind, count * dim, inter);
    uint8_t *shared = (uint8_t *)down.w8.max; // one exponent per output row over all experts
    for (uint32_t i = 0; i < dim; i++) {
      uint8_t top = 0;
      for (uint32_t e = 0; e < count; e++) top = shared[e * dim + i] > top ? shared[e * dim + i] : top;
      for (uint32_t e = 0; e < count; e++) shared[e * dim + i] = top;
    }
    struct vb_experts_w w = {
        .experts = count, .dim = dim, .inter = inter, .gate = gate.w8, .up = up.w8, .down = down.w8};
    uint32_t *ids = poison(4 * pairs), all[8];
    vb_z *x = random_z(&r, kind, tokens * dim), *gates = random_z(&r, VB_GEN_GAUSS, pairs);
    for (uint32_t t = 0; t < tokens; t++) {
      for (uint32_t e = 0; e < count; e++) all[e] = e;
      vb_rng_shuffle(&r, all, count);
      memcpy(ids + t * k, all, 4 * k);
    }
    struct vb_experts_op op = {.x = x, .w = &w, .k = k, .ids = ids, .gates = gates, .t = {0, tokens}, .e = {0, count}};
    op.hq = poison(pairs * nb * VB_BLOCK), op.hcodes = poison(pairs * nb), op.hmax = poison(pairs);
    vb_z *want = op.y = poison(4 * tokens * dim);
    vb_ref_experts(&op);

    // HIDDEN and DOWN over three expert ranges (empty ones included), exchanged maxima, merged sums.
    uint32_t a = between(&r, 0, count), b = between(&r, a, count), ends[] = {0, a, b, count};
    struct vb_experts_op s = op;
    int64_t *acc[3];
    uint8_t *tmax = poison(tokens);
    memset(s.hq, 0xa5, pairs * nb * VB_BLOCK), memset(s.hcodes, 0xa5, pairs * nb), memset(s.hmax, 0xa5, pairs);
    s.mode = VB_EXPERTS_HIDDEN;
    for (int p = 2; p >= 0; p--) {
      s.e = (struct vb_range){ends[p], ends[p + 1]};
      vb_ref_experts(&s);
    }
    vb_merge_experts_max(&s, tmax);
    s.mode = VB_EXPERTS_DOWN;
    s.tmax = tmax;
    for (int p = 0; p < 3; p++) {
      s.e = (struct vb_range){ends[p], ends[p + 1]};
      s.acc = acc[p] = poison(8 * tokens * dim);
      vb_ref_experts(&s);
    }
    s.y = poison(4 * tokens * dim);
    vb_merge_experts(&s, tmax, acc, 3);
    VB_EXPECT_SAME("experts", want, s.y, tokens * dim);

    // Tokens in two pieces, and the order in which a token names its experts.
    struct vb_experts_op f = op;
    f.y = poison(4 * tokens * dim);
    uint32_t cut = between(&r, 0, tokens);
    for (int piece = 1; piece >= 0; piece--) {
      f.t = piece ? (struct vb_range){cut, tokens} : (struct vb_range){0, cut};
      vb_ref_experts(&f);
    }
    VB_EXPECT_SAME("experts", want, f.y, tokens * dim);
    for (uint32_t t = 0; t < tokens; t++)
      for (uint32_t i = 0; i < k / 2; i++) {
        uint32_t p = t * k + i, q = t * k + k - 1 - i, id = ids[p];
        vb_z g = gates[p];
        ids[p] = ids[q], gates[p] = gates[q];
        ids[q] = id, gates[q] = g;
      }
    f.t = (struct vb_range){0, tokens};
    vb_ref_experts(&f);
    VB_EXPECT_SAME("experts", want, f.y, tokens * dim);
    for (int p = 0; p < 3; p++) free(acc[p]);
    free(want), free(s.y), free(f.y), free(tmax), free(ids), free(x), free(gates), free(op.hq), free(op.hcodes);
    free(op.hmax);
    drop(&gate), drop(&up), drop(&down);
  }
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {
      {"linear", linear}, {"rmsnorm", rmsnorm}, {"elementwise", elementwise}, {"rope_and_pack", rope_and_pack},
      {"embed", embed},   {"router", router},   {"experts", experts},         {0}};
  const struct vb_suite suites[] = {{"operators", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
