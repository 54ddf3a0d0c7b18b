// SPDX-License-Identifier: Apache-2.0
/// The gated delta rule, its convolution, the soft-cap, cut-and-join and the lightning indexer against the reference:
/// random awkward shapes, ranges, data, instruction sets, threads and floating point environments.
#include "compare.h"
#include "cpu/cpu.h"
#include "num/block.h"
#include "ref/ref.h"
#include "runtime/merge.h"
#include <stdlib.h>
#include <string.h>

static void join(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("join", n, 40); n++) {
    uint32_t tokens = between(&r, 1, 7), heads = between(&r, 1, 6);
    struct vb_join_op op = {.heads = heads, .t = random_range(&r, tokens), .h = random_range(&r, heads)};
    struct vb_piece *piece[2] = {&op.a, &op.b};
    for (int i = 0; i < 2; i++) {
      piece[i]->heads = vb_rng_below(&r, 2) ? heads : 1, piece[i]->width = between(&r, 1, 90);
      piece[i]->first = between(&r, 0, piece[i]->width);
      piece[i]->len = between(&r, 0, piece[i]->width - piece[i]->first);
      piece[i]->x = random_values(&r, (uint64_t)tokens * piece[i]->heads * piece[i]->width);
    }
    uint64_t size = (uint64_t)tokens * heads * (op.a.len + op.b.len);
    vb_z *y = op.y = poisoned(4 * size);
    vb_ref_join(&op);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      op.y = poisoned(4 * size);
      config_enter(&c);
      vb_cpu_join(&op, c.threads);
      config_leave();
      compare(&r, "join", &c, y, op.y, size, 4);
      free(op.y);
    }
    free((void *)op.a.x), free((void *)op.b.x), free(y);
  }
}

static void softcap(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("softcap", n, 40); n++) {
    uint32_t tokens = between(&r, 1, 4), cols = between(&r, 1, vb_rng_below(&r, 4) ? 100 : 3000);
    uint64_t size = (uint64_t)tokens * cols;
    vb_z *x = random_values(&r, size), *y = poisoned(4 * size);
    struct vb_softcap_op op = {
        .x = x, .cols = cols, .t = random_range(&r, tokens), .n = random_range(&r, cols), .y = y};
    bool usual = vb_rng_below(&r, 2);
    op.cap = usual ? 0x41f00000u : vb_rng_z(&r, VB_GEN_MIX);     // 30
    op.inv_cap = usual ? 0x3d088889u : vb_rng_z(&r, VB_GEN_MIX); // 1 / 30
    vb_ref_softcap(&op);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      op.y = poisoned(4 * size);
      config_enter(&c);
      vb_cpu_softcap(&op, c.threads);
      config_leave();
      compare(&r, "softcap", &c, y, op.y, size, 4);
      free(op.y);
    }
    free(x), free(y);
  }
}

static void conv(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("conv", n, 40); n++) {
    uint32_t tokens = between(&r, 1, vb_rng_below(&r, 4) ? 8 : 70), cols = between(&r, 1, tokens > 8 ? 60 : 600);
    uint64_t size = (uint64_t)tokens * cols;
    vb_z *x = random_values(&r, size), *w = random_values(&r, 4ull * cols), *history = random_values(&r, 3ull * cols);
    vb_z *y = poisoned(4 * size);
    struct vb_conv_op op = {.x = x, .w = w, .history = history, .cols = cols, .y = y};
    op.t = random_range(&r, tokens), op.n = random_range(&r, cols);
    vb_ref_conv(&op);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      op.y = poisoned(4 * size);
      config_enter(&c);
      vb_cpu_conv(&op, c.threads);
      config_leave();
      compare(&r, "conv", &c, y, op.y, size, 4);
      free(op.y);
    }
    free(x), free(w), free(history), free(y);
  }
}

/// A value of either sign with an exponent in [lo, hi].
static vb_z value_in(struct vb_rng *r, int lo, int hi, bool positive) {
  uint32_t bits = (uint32_t)(127 + vb_rng_range(r, lo, hi)) << 23 | (uint32_t)vb_rng_below(r, 1 << 23);
  return bits | (positive ? 0 : (uint32_t)vb_rng_below(r, 2) << 31);
}
static vb_z *values_in(struct vb_rng *r, uint64_t n, int lo, int hi, bool positive) {
  vb_z *x = malloc(4 * n + 1);
  for (uint64_t i = 0; i < n; i++) x[i] = vb_rng_below(r, 20) ? value_in(r, lo, hi, positive) : 0;
  return x;
}

static struct vb_delta_state new_state(const struct vb_delta_op *op) {
  uint64_t columns = (uint64_t)op->heads * op->dv;
  return (struct vb_delta_state){poisoned(4 * columns * op->dk), poisoned(4 * columns), poisoned(4 * columns),
                                 poisoned(4ull * op->heads)};
}
static void free_state(struct vb_delta_state *s) { free(s->m), free(s->c), free(s->len), free(s->g); }

/// Columns of every size, from zero to full, some about to sink out of sight.
static void fill_state(struct vb_rng *r, const struct vb_delta_op *op, struct vb_delta_state *s, bool zero) {
  for (uint32_t h = 0; h < op->heads; h++) {
    s->g[h] = zero ? 0 : (uint32_t)vb_rng_below(r, 1u << 31);
    for (uint32_t j = 0; j < op->dv; j++) {
      uint32_t bits = zero ? 0 : between(r, vb_rng_below(r, 2) ? 0 : 23, 26), top = 0;
      for (uint32_t i = 0; i < op->dk; i++) {
        int32_t m = (int32_t)vb_rng_range(r, -(1 << bits) + 1, (1 << bits) - 1);
        s->m[((uint64_t)h * op->dk + i) * op->dv + j] = m;
        top |= (uint32_t)(m < 0 ? -m : m);
      }
      s->len[h * op->dv + j] = top ? vb_msb(top) + 1 : 0;
      s->c[h * op->dv + j] = (int32_t)(vb_rng_below(r, 4) ? vb_rng_range(r, -40, 0) : vb_rng_range(r, -130, 40));
    }
  }
}

static void delta_case(struct vb_rng *r) {
  struct config c;
  struct vb_delta_op op = {.tokens = between(r, 0, 9), .key_heads = between(r, 1, 3)};
  op.heads = op.key_heads * between(r, 1, 3), op.dk = between(r, 1, 70), op.dv = between(r, 1, 70);
  if (!vb_rng_below(r, 8)) op.tokens = between(r, 60, 140), op.dk = between(r, 1, 12); // more than one block
  if (!vb_rng_below(r, 8)) op.dk = op.dv = 128;
  const uint64_t keys = (uint64_t)op.tokens * op.key_heads * op.dk, heads = (uint64_t)op.tokens * op.heads;
  const int spread = vb_rng_below(r, 3) ? 6 : 30; // exponents: gentle, or to both ends of all clamps
  vb_z *q = values_in(r, keys, -spread, spread > 6 ? 4 : -1, false);
  vb_z *k = values_in(r, keys, -spread, spread > 6 ? 4 : -1, false);
  vb_z *v = spread > 6 ? random_values(r, heads * op.dv) : values_in(r, heads * op.dv, -5, 3, false);
  vb_z *a = spread > 6 ? random_values(r, heads) : values_in(r, heads, -4, 2, false),
       *b = values_in(r, heads, -6, 4, false);
  vb_z *ea = values_in(r, op.heads, -spread, spread > 6 ? 20 : 3, true), *dt = values_in(r, op.heads, -5, 3, false);
  if (!vb_rng_below(r, 4)) memset(k, 0, keys / 2 * sizeof *k);
  op.q = q, op.k = k, op.v = v, op.a = a, op.b = b, op.ea = ea, op.dt_bias = dt, op.scale = value_in(r, -5, 0, true);
  op.h = random_range(r, op.heads);
  const uint64_t columns = (uint64_t)op.heads * op.dv, size = heads * op.dv;
  op.before = new_state(&op);
  fill_state(r, &op, &op.before, !vb_rng_below(r, 4));
  struct vb_delta_state want = op.after = new_state(&op);
  vb_z *y = op.y = poisoned(4 * size);
  vb_ref_delta(&op);
  for (uint32_t i = 0; config_at(r, i, &c); i++) {
    op.after = new_state(&op), op.y = poisoned(4 * size);
    config_enter(&c);
    vb_cpu_delta(&op, c.threads);
    config_leave();
    compare(r, "delta", &c, y, op.y, size, 4);
    compare(r, "delta state", &c, want.m, op.after.m, columns * op.dk, 4);
    compare(r, "delta state", &c, want.c, op.after.c, columns, 4);
    compare(r, "delta state", &c, want.len, op.after.len, columns, 4);
    compare(r, "delta state", &c, want.g, op.after.g, op.heads, 4);
    free_state(&op.after), free(op.y);
  }
  free_state(&op.before), free_state(&want);
  free(y), free(q), free(k), free(v), free(a), free(b), free(ea), free(dt);
}
static void delta(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("delta", n, 100); n++) delta_case(&r);
}

static void indexer_case(struct vb_rng *r, bool widest) {
  struct config c;
  uint32_t heads = between(r, 1, vb_rng_below(r, 4) ? 20 : 70), tokens = between(r, 1, heads > 20 ? 3 : 12);
  uint32_t past = between(r, 0, 120), d = vb_rng_below(r, 2) ? 64 : between(r, 1, 130);
  if (!vb_rng_below(r, 8)) past = between(r, 500, 700), d = between(r, 1, 40), heads = between(r, 1, 9), tokens = 1;
  if (widest) d = VB_MAX_DK, tokens = 1, past &= 31;
  struct vb_kv kv = {.heads = 1, .dk = d, .capacity = past + tokens, .length = past + tokens};
  const uint64_t rows = (uint64_t)tokens * heads, rec = vb_rec_bytes(d);
  kv.k = poisoned(kv.capacity * rec);
  uint8_t *q = poisoned(rows * rec);
  vb_z *x = random_values(r, (uint64_t)kv.length * d), *y = random_values(r, rows * d), *w = random_values(r, rows);
  for (uint64_t i = 0; i < (uint64_t)kv.length * d && widest; i++) x[i] = 0x3fffffff; // all 127: beyond 32 bits
  for (uint64_t i = 0; i < rows * d && widest; i++) y[i] = 0x3fffffff;
  for (uint32_t j = 0; j < kv.length; j++) vb_rec_fill(x + (size_t)j * d, d, kv.k + j * rec);
  if (!vb_rng_below(r, 3)) // ties
    for (uint32_t j = 0; j < kv.length; j++) memcpy(kv.k + j * rec, kv.k + vb_rng_below(r, 3) % (j + 1) * rec, rec);
  for (uint64_t i = 0; i < rows; i++) vb_rec_fill(y + i * d, d, q + i * rec);
  struct vb_indexer_op op = {.q = q, .w = w, .kv = &kv, .heads = heads, .first_count = past + 1};
  op.w_scale = value_in(r, -8, 0, true), op.k = vb_rng_below(r, 8) ? between(r, 1, kv.length + 2) : 1;
  op.t = random_range(r, tokens), op.key = random_range(r, kv.length), op.score_stride = kv.length + between(r, 0, 2);
  const uint64_t scores = (uint64_t)tokens * op.score_stride, lists = (uint64_t)tokens * op.k;
  uint32_t *score = op.score = poisoned(4 * scores), *list = op.list = poisoned(4 * lists);
  uint32_t *count = op.count = poisoned(4ull * tokens);
  for (op.mode = VB_INDEXER_FULL; op.mode <= VB_INDEXER_SCORES; op.mode++) vb_ref_indexer(&op);
  for (uint32_t i = 0; config_at(r, i, &c); i++) {
    op.score = poisoned(4 * scores), op.list = poisoned(4 * lists), op.count = poisoned(4ull * tokens);
    config_enter(&c);
    for (op.mode = VB_INDEXER_FULL; op.mode <= VB_INDEXER_SCORES; op.mode++) vb_cpu_indexer(&op, c.threads);
    config_leave();
    compare(r, "indexer scores", &c, score, op.score, scores, 4);
    compare(r, "indexer", &c, list, op.list, lists, 4);
    compare(r, "indexer", &c, count, op.count, tokens, 4);
    // The lists again, from scores of two key ranges.
    struct vb_indexer_op half = op;
    uint32_t cut = between(r, 0, kv.length);
    half.mode = VB_INDEXER_SCORES;
    memset(op.list, 0xa5, 4 * lists);
    config_enter(&c);
    half.key = (struct vb_range){cut, kv.length};
    vb_cpu_indexer(&half, c.threads);
    half.key = (struct vb_range){0, cut};
    vb_cpu_indexer(&half, c.threads);
    config_leave();
    vb_merge_indexer(&op);
    compare(r, "indexer split", &c, list, op.list, lists, 4);
    free(op.score), free(op.list), free(op.count);
  }
  free(kv.k), free(q), free(x), free(y), free(w), free(score), free(list), free(count);
}
static void indexer(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("indexer", n, 60); n++) indexer_case(&r, n % 8 == 1);
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"join", join},   {"softcap", softcap}, {"conv", conv},
                                         {"delta", delta}, {"indexer", indexer}, {0}};
  const struct vb_suite suites[] = {{"cpu_seq", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
