// SPDX-License-Identifier: Apache-2.0
/// Attention, experts and router against the reference: whole, over ranges, and put together from parts that other
/// devices could have computed (key splits through MAX, EXP and SUM; expert splits through HIDDEN and DOWN).
#include "compare.h"
#include "cpu/cpu.h"
#include "num/block.h"
#include "ref/ref.h"
#include "runtime/merge.h"
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4 };

static struct vb_kv random_cache(struct vb_rng *r, uint32_t heads, uint32_t dk, uint32_t dv, uint32_t length) {
  struct vb_kv kv = {.heads = heads, .dk = dk, .dv = dv, .capacity = length + between(r, 0, 3), .length = length};
  kv.k = poisoned((uint64_t)heads * kv.capacity * vb_rec_bytes(dk) + 1);
  kv.v = poisoned((uint64_t)heads * kv.capacity * vb_val_bytes(dv) + 1);
  for (uint32_t h = 0; h < heads; h++) {
    vb_z *k = random_values(r, (uint64_t)length * dk), *v = random_values(r, (uint64_t)length * dv);
    for (uint32_t j = 0; j < length; j++) {
      vb_rec_fill(k + (size_t)j * dk, dk, vb_kv_key(&kv, h, j));
      vb_val_fill(v + (size_t)j * dv, dv, vb_kv_val(&kv, h, j), vb_kv_key(&kv, h, j));
    }
    free(k), free(v);
  }
  return kv;
}

/// The arrays an attention job may write.
struct outputs {
  vb_z *y;
  int32_t *m;
  int16_t *em;
  uint64_t *l;
  int64_t *num;
};

static struct outputs attach(struct vb_attention_op *op, uint64_t rows) {
  struct outputs o = {poisoned(rows * op->kv->dv * 4), poisoned(rows * 4), poisoned(rows * VB_EM_ROW * 2),
                      poisoned(rows * 8), poisoned(rows * op->kv->dv * 8)};
  op->y = o.y, op->m = o.m, op->em = o.em, op->l = o.l, op->num = o.num;
  return o;
}
static void detach(struct outputs *o) { free(o->y), free(o->m), free(o->em), free(o->l), free(o->num); }

/// The three phases over key ranges [at[p], at[p + 1]), merged; run computes one part.
static void split_attention(const struct vb_attention_op *whole, const uint32_t *at, uint64_t rows, int threads) {
  struct vb_attention_op part[PARTS];
  struct outputs o[PARTS];
  int32_t *m[PARTS];
  int16_t *em[PARTS];
  uint64_t *l[PARTS];
  int64_t *num[PARTS];
  for (int p = 0; p < PARTS; p++) {
    part[p] = *whole;
    o[p] = attach(&part[p], rows);
    part[p].key = (struct vb_range){at[p], at[p + 1]}, part[p].mode = VB_ATTN_MAX;
    m[p] = o[p].m, em[p] = o[p].em, l[p] = o[p].l, num[p] = o[p].num;
    vb_cpu_attention(&part[p], threads);
  }
  vb_merge_attention_max(whole, m, PARTS);
  for (int p = 0; p < PARTS; p++) {
    part[p].mode = VB_ATTN_EXP, part[p].m = whole->m;
    vb_cpu_attention(&part[p], threads);
  }
  vb_merge_attention_exp(whole, em, PARTS);
  for (int p = 0; p < PARTS; p++) {
    part[p].mode = VB_ATTN_SUM, part[p].em = whole->em;
    vb_cpu_attention(&part[p], threads);
  }
  vb_merge_attention_sum(whole, l, num, PARTS);
  vb_merge_attention_finish(whole);
  for (int p = 0; p < PARTS; p++) detach(&o[p]);
}

static void check_attention(struct vb_rng *r, struct vb_attention_op op, uint32_t tokens) {
  struct config c;
  uint64_t rows = (uint64_t)tokens * op.heads, dv = op.kv->dv;
  struct outputs want = attach(&op, rows);
  for (op.mode = VB_ATTN_FULL; op.mode <= VB_ATTN_SUM; op.mode++) vb_ref_attention(&op);
  for (uint32_t i = 0; config_at(r, i, &c); i++) {
    uint32_t at[PARTS + 1] = {op.key.begin};
    for (int p = 1; p < PARTS; p++) at[p] = between(r, at[p - 1], op.key.end);
    at[PARTS] = op.key.end;
    struct outputs got = attach(&op, rows);
    config_enter(&c);
    for (op.mode = VB_ATTN_FULL; op.mode <= VB_ATTN_SUM; op.mode++) vb_cpu_attention(&op, c.threads);
    config_leave();
    compare(r, "attention", &c, want.y, got.y, rows * dv, 4);
    compare(r, "attention max", &c, want.m, got.m, rows, 4);
    compare(r, "attention exp", &c, want.em, got.em, rows * VB_EM_ROW, 2);
    compare(r, "attention sum", &c, want.l, got.l, rows, 8);
    compare(r, "attention sum", &c, want.num, got.num, rows * dv, 8);
    detach(&got);
    got = attach(&op, rows);
    config_enter(&c);
    split_attention(&op, at, rows, c.threads);
    config_leave();
    compare(r, "attention split", &c, want.y, got.y, rows * dv, 4);
    compare(r, "attention split", &c, want.num, got.num, rows * dv, 8);
    detach(&got);
  }
  detach(&want);
}

static void attention(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("attention", n, 80) || more_cases("attention max", n, 80); n++) {
    uint32_t kv_heads = between(&r, 1, 3), group = between(&r, 1, 7), tokens = between(&r, 1, 9);
    uint32_t dk = 16 * between(&r, 1, 8), dv = 16 * between(&r, 1, 8), past = between(&r, 0, 70);
    if (!vb_rng_below(&r, 10)) dk = between(&r, 1, VB_MAX_DK), dv = between(&r, 1, VB_MAX_DV);
    if (!vb_rng_below(&r, 10)) past = between(&r, 100, 400);
    struct vb_kv kv = random_cache(&r, kv_heads, dk, dv, past + tokens);
    uint64_t rows = (uint64_t)tokens * kv_heads * group;
    vb_z *x = random_values(&r, rows * dk);
    uint8_t *q = poisoned(rows * vb_rec_bytes(dk));
    for (uint64_t i = 0; i < rows; i++) vb_rec_fill(x + i * dk, dk, q + i * vb_rec_bytes(dk));
    struct vb_attention_op op = {.q = q, .kv = &kv, .heads = kv_heads * group, .first_count = past + 1};
    op.t = random_range(&r, tokens), op.h = random_range(&r, op.heads), op.key = random_range(&r, kv.length);
    check_attention(&r, op, tokens);
    free(kv.k), free(kv.v), free(x), free(q);
  }
}

// Every key has the same score and the largest values: sums at their bounds, beyond the int32 accumulators' reach.
static void attention_long(void) {
  enum { KEYS = 67000, D = 32 };
  struct vb_rng r = vb_test_rng();
  struct vb_kv kv = random_cache(&r, 1, D, D, 1);
  free(kv.k), free(kv.v);
  kv.capacity = kv.length = KEYS;
  kv.k = poisoned((uint64_t)KEYS * vb_rec_bytes(D)), kv.v = poisoned((uint64_t)KEYS * vb_val_bytes(D));
  vb_z one[D], top[D];
  for (int i = 0; i < D; i++) one[i] = VB_Z_ONE, top[i] = 0x3fffffff | (i % 3 ? 0x80000000u : 0);
  for (uint32_t j = 0; j < KEYS; j++) {
    vb_rec_fill(one, D, vb_kv_key(&kv, 0, j));
    vb_val_fill(top, D, vb_kv_val(&kv, 0, j), vb_kv_key(&kv, 0, j));
  }
  uint8_t q[VB_REC_HEADER + D];
  vb_rec_fill(one, D, q);
  struct vb_attention_op op = {.q = q, .kv = &kv, .heads = 1, .first_count = KEYS, .t = {0, 1}, .h = {0, 1}};
  op.key.end = KEYS;
  check_attention(&r, op, 1);
  free(kv.k), free(kv.v);
}

/// Distinct ids in ascending order.
static void random_ids(struct vb_rng *r, uint32_t experts, uint32_t k, uint32_t *ids) {
  for (uint32_t e = 0, left = k; left; e++)
    if (vb_rng_below(r, experts - e) < left) *ids++ = e, left--;
}

static struct vb_experts_w random_experts(struct vb_rng *r, uint32_t experts, uint32_t dim, uint32_t inter) {
  struct vb_experts_w w = {.experts = experts, .dim = dim, .inter = inter};
  w.gate = random_w8(r, experts * inter, dim), w.up = random_w8(r, experts * inter, dim);
  w.down = random_w8(r, experts * dim, inter);
  uint8_t *max = (uint8_t *)w.down.max;
  for (uint32_t n = 0; n < dim; n++) {
    for (uint32_t e = 1; e < experts; e++)
      if (max[e * dim + n] > max[n]) max[n] = max[e * dim + n];
    for (uint32_t e = 1; e < experts; e++) max[e * dim + n] = max[n];
  }
  return w;
}

struct pair_arrays {
  int8_t *hq;
  uint8_t *hcodes, *hmax;
};
static struct pair_arrays attach_pairs(struct vb_experts_op *op, uint64_t pairs) {
  uint64_t blocks = op->w->down.blocks;
  struct pair_arrays a = {poisoned(pairs * blocks * VB_BLOCK), poisoned(pairs * blocks), poisoned(pairs)};
  op->hq = a.hq, op->hcodes = a.hcodes, op->hmax = a.hmax;
  return a;
}
static void compare_pairs(struct vb_rng *r, const struct config *c, const struct pair_arrays *want,
                          struct pair_arrays *got, uint64_t pairs, uint64_t blocks) {
  compare(r, "experts hidden", c, want->hq, got->hq, pairs * blocks * VB_BLOCK, 1);
  compare(r, "experts hidden", c, want->hcodes, got->hcodes, pairs * blocks, 1);
  compare(r, "experts hidden", c, want->hmax, got->hmax, pairs, 1);
}
static void free_pairs(struct pair_arrays *a) { free(a->hq), free(a->hcodes), free(a->hmax); }

/// The whole from PARTS expert ranges: hidden values of all parts in one place, then their sums.
static void split_experts(struct vb_rng *r, struct vb_experts_op op, uint32_t tokens, int threads) {
  int64_t *acc[PARTS];
  uint8_t *tmax = poisoned(tokens);
  uint32_t at[PARTS + 1] = {0};
  for (int p = 1; p < PARTS; p++) at[p] = between(r, at[p - 1], op.w->experts);
  at[PARTS] = op.w->experts;
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

static void experts_case(struct vb_rng *r) {
  struct config c;
  uint32_t experts = between(r, 1, 8), k = between(r, 1, experts < 4 ? experts : 4), dim = between(r, 1, 90);
  uint32_t tokens = between(r, 1, vb_rng_below(r, 3) ? 12 : 60);
  struct vb_experts_w w = random_experts(r, experts, dim, between(r, 1, 90));
  uint64_t pairs = (uint64_t)tokens * k, size = (uint64_t)tokens * dim, blocks = w.down.blocks;
  uint32_t *ids = malloc(pairs * sizeof *ids);
  for (uint32_t t = 0; t < tokens; t++) random_ids(r, experts, k, ids + (size_t)t * k);
  vb_z *x = random_values(r, size), *gates = random_values(r, pairs), *y = poisoned(4 * size);
  struct vb_experts_op op = {.x = x, .w = &w, .k = k, .ids = ids, .gates = gates, .t = random_range(r, tokens), .y = y};
  op.e.end = experts;
  struct pair_arrays full = attach_pairs(&op, pairs);
  vb_ref_experts(&op);
  struct vb_experts_op part = op; // and both halves on their own, over a range of experts
  part.e = random_range(r, experts), part.mode = VB_EXPERTS_HIDDEN;
  struct pair_arrays hidden = attach_pairs(&part, pairs);
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
    struct pair_arrays a = attach_pairs(&run, pairs), b = attach_pairs(&run_part, pairs);
    run.y = poisoned(4 * size), down.acc = poisoned(8 * size);
    config_enter(&c);
    vb_cpu_experts(&run, c.threads);
    vb_cpu_experts(&run_part, c.threads);
    vb_cpu_experts(&down, c.threads);
    config_leave();
    compare(r, "experts", &c, y, run.y, size, 4);
    compare(r, "experts down", &c, acc, down.acc, size, 8);
    compare_pairs(r, &c, &full, &a, pairs, blocks);
    compare_pairs(r, &c, &hidden, &b, pairs, blocks);
    memset(run.y, 0xa5, 4 * size);
    config_enter(&c);
    split_experts(r, run, tokens, c.threads);
    config_leave();
    compare(r, "experts split", &c, y, run.y, size, 4);
    free_pairs(&a), free_pairs(&b), free(run.y), free(down.acc);
  }
  free_pairs(&full), free_pairs(&hidden), free(tmax), free(acc), free(x), free(gates), free(y), free(ids);
  free_w8(&w.gate), free_w8(&w.up), free_w8(&w.down);
}

static void experts(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("experts", n, 50); n++) experts_case(&r);
}

static void router(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("router", n, 100); n++) {
    uint32_t tokens = between(&r, 1, 40), count = between(&r, 1, vb_rng_below(&r, 2) ? 12 : 200);
    uint32_t k = between(&r, 1, count < 10 ? count : 10);
    vb_z *logits = random_values(&r, (uint64_t)tokens * count);
    if (!vb_rng_below(&r, 3)) // ties
      for (uint64_t i = 0; i < (uint64_t)tokens * count; i++) logits[i] = logits[vb_rng_below(&r, 4) % (i + 1)];
    uint64_t pairs = (uint64_t)tokens * k, words = 3 * pairs + 2 * count + 1;
    struct vb_router_op op = {.logits = logits, .experts = count, .k = k, .score = VB_SCORE_SOFTMAX};
    op.renorm = between(&r, 0, 1), op.scale = vb_rng_below(&r, 2) ? VB_Z_ONE : vb_rng_z(&r, VB_GEN_GAUSS);
    op.t = random_range(&r, tokens);
    uint32_t *want = poisoned(4 * words), *got; // ids, gates, list, hist, offsets in one array
    for (uint32_t i = 0;; i++) {
      bool more = i == 0 || config_at(&r, i - 1, &c);
      if (!more) break;
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
      compare(&r, "router", &c, want, got, words, 4);
      free(got);
    }
    free(want), free(logits);
  }
}

// Features without a fast form go to the reference. The bits are then equal by construction; what this shows is that
// none of the fields is silently ignored. Counted apart, as "by reference".
static void attention_extras(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  enum { KEYS = 40, HEADS = 4, T = 3, DK = 64, DV = 32 };
  for (int feature = 0; feature < 6; feature++) {
    struct vb_kv kv = random_cache(&r, 2, DK, DV, KEYS);
    uint8_t *q = poisoned(T * HEADS * vb_rec_bytes(DK)), *values = kv.v;
    vb_z x[DK], sinks[HEADS], y[T * HEADS * DV], plain[T * HEADS * DV], z[T * HEADS * DV];
    uint32_t list[T][2] = {{1, 7}, {2, 9}, {0, 30}}, count[T] = {2, 2, 1};
    for (int i = 0; i < T * HEADS; i++) {
      vb_rng_fill(&r, VB_GEN_GAUSS, x, DK);
      vb_rec_fill(x, DK, q + (size_t)i * vb_rec_bytes(DK));
    }
    for (int i = 0; i < HEADS; i++) sinks[i] = 0x47000000; // 32768: the largest score there is
    struct vb_attention_op op = {.q = q, .kv = &kv, .heads = HEADS, .first_count = KEYS - T + 1, .t = {0, T}};
    op.h.end = HEADS, op.key.end = KEYS, op.y = plain;
    vb_ref_attention(&op);
    if (feature == 0) op.window = 5;
    if (feature == 1) op.chunk = 16;
    if (feature == 2) op.sinks = sinks;
    if (feature == 3) op.cap = 1 << 25;
    if (feature == 4) op.list = list[0], op.list_count = count, op.list_stride = 2;
    if (feature == 5) kv.v = NULL;
    op.y = y;
    vb_ref_attention(&op);
    VB_CHECK(differing(y, plain, T * HEADS * DV, 4) > 0, "feature %d changes nothing here", feature);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      memset(z, 0xa5, sizeof z);
      op.y = z;
      config_enter(&c);
      vb_cpu_attention(&op, c.threads);
      config_leave();
      compare(&r, "by reference", &c, y, z, T * HEADS * DV, 4);
    }
    free(q), free(kv.k), free(values);
  }
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"attention", attention},
                                         {"attention_long", attention_long},
                                         {"attention_extras", attention_extras},
                                         {"experts", experts},
                                         {"router", router},
                                         {0}};
  const struct vb_suite suites[] = {{"cpu_parts", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
