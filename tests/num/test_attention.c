// SPDX-License-Identifier: Apache-2.0
/// Attention has no key order (docs/numerics.md, section 5): shuffled, cut anywhere, grouped in any order, the reference
/// gives the bits of the whole; and its cap on far-away keys can never be seen in a result.
#include "num/block.h"
#include "ref/ref.h"
#include "runtime/merge.h"
#include "support/harness.h"
#include <stdio.h>
#include <stdlib.h>

enum { MAX_PARTS = 6 };

/// A sequence: cache, queries, and the whole operator over them.
struct job {
  struct vb_kv kv;
  uint8_t *q;
  struct vb_attention_op op;
  uint32_t tokens, rows; // rows = tokens * heads
};

static void *fill_new(uint64_t bytes) { // poisoned: what an operator leaves unwritten shows
  void *p = malloc(bytes ? bytes : 1);
  memset(p, 0xa5, bytes);
  return p;
}

static struct job new_job(struct vb_rng *r, uint32_t tokens, uint32_t keys, uint32_t kv_heads, uint32_t group,
                          uint32_t dk, uint32_t dv, enum vb_gen kind, int scale_log2) {
  struct job j = {.tokens = tokens, .rows = tokens * kv_heads * group};
  uint32_t rec = vb_rec_bytes(dk), val = vb_val_bytes(dv), heads = kv_heads * group;
  j.kv = (struct vb_kv){NULL, NULL, kv_heads, dk, dv, keys + 3, keys, 1};
  j.kv.k = fill_new((uint64_t)kv_heads * j.kv.capacity * rec);
  j.kv.v = fill_new((uint64_t)kv_heads * j.kv.capacity * val);
  j.q = fill_new((uint64_t)j.rows * rec);
  vb_z x[VB_MAX_DK], scale = vb_norm(1, scale_log2);
  for (uint32_t h = 0; h < kv_heads; h++)
    for (uint32_t p = 0; p < keys; p++) {
      vb_rng_fill(r, kind, x, dk);
      vb_rec_fill(x, dk, vb_kv_key(&j.kv, h, p));
      vb_rng_fill(r, kind, x, dv);
      if (vb_rng_below(r, 6) == 0) memset(x, 0, 32 * sizeof *x < dv * sizeof *x ? 32 * sizeof *x : dv * sizeof *x);
      vb_val_fill(x, dv, vb_kv_val(&j.kv, h, p), vb_kv_key(&j.kv, h, p));
    }
  for (uint32_t i = 0; i < j.rows; i++) {
    vb_rng_fill(r, kind, x, dk);
    for (uint32_t c = 0; c < dk; c++) x[c] = vb_mul(x[c], scale);
    vb_rec_fill(x, dk, j.q + (uint64_t)i * rec);
  }
  j.op = (struct vb_attention_op){.q = j.q,
                                  .heads = heads,
                                  .first_count = keys - tokens + 1,
                                  .t = {0, tokens},
                                  .h = {0, heads},
                                  .key = {0, keys},
                                  .mode = VB_ATTN_FULL};
  return j;
}
static void free_job(struct job *j) {
  free(j->kv.k), free(j->kv.v), free(j->q);
  free((void *)j->op.list), free((void *)j->op.list_count), free((void *)j->op.sinks);
}

/// What model families add: sliding window or chunk, key lists, sinks, soft-cap. `masks` only where keys keep their order.
static void add_features(struct vb_rng *r, struct job *j, uint32_t trial, bool masks) {
  uint32_t keys = j->op.key.end;
  if (masks && trial % 4 == 1) j->op.window = 1 + (uint32_t)vb_rng_below(r, keys);
  if (masks && trial % 4 == 2) j->op.chunk = 1 + (uint32_t)vb_rng_below(r, keys);
  if (masks && trial % 8 > 4) j->op.keep = 1 + (uint32_t)vb_rng_below(r, keys);
  if (masks && trial % 4 == 3) {
    uint32_t *list = fill_new(4 * (uint64_t)j->tokens * keys), *count = fill_new(4 * (uint64_t)j->tokens);
    for (uint32_t t = 0; t < j->tokens; t++) {
      count[t] = 0;
      for (uint32_t p = 0; p < keys; p++)
        if (vb_rng_below(r, 2)) list[t * keys + count[t]++] = p;
    }
    j->op.list = list, j->op.list_count = count, j->op.list_stride = keys;
  }
  if (trial % 3 == 1) {
    vb_z *sinks = fill_new(4 * (uint64_t)j->op.heads);
    vb_rng_fill(r, VB_GEN_OUTLIER, sinks, j->op.heads);
    j->op.sinks = sinks;
  }
  if (trial % 5 == 2) j->op.cap = (int64_t)vb_rng_range(r, 1, 60) << 24;
}
static int32_t sink_score(const struct vb_attention_op *op, uint64_t row) {
  vb_z s = vb_mul(op->sinks[row % op->heads], VB_Z_LOG2E);
  return vb_q16(vb_man(s), vb_expb(s) - 150);
}

static vb_z *full(const struct job *j) {
  struct vb_attention_op op = j->op;
  op.kv = &j->kv;
  op.y = fill_new((uint64_t)j->rows * j->kv.dv * sizeof *op.y);
  vb_ref_attention(&op);
  return op.y;
}

/// The operator cut at `cuts` (parts + 1 increasing key positions), each part into arrays of its own, merged either by
/// the runtime or by the loops below, which are the text of the contract and nothing else.
static vb_z *split(const struct job *j, const uint32_t *cuts, uint32_t parts, const uint32_t *order, bool by_runtime) {
  uint64_t rows = j->rows, dv = j->kv.dv;
  struct vb_attention_op op = j->op;
  int32_t *m[MAX_PARTS] = {0};
  int16_t *em[MAX_PARTS] = {0};
  uint64_t *l[MAX_PARTS] = {0};
  int64_t *num[MAX_PARTS] = {0};
  op.kv = &j->kv;
  op.m = fill_new(rows * sizeof *op.m);
  op.em = fill_new(rows * VB_EM_ROW * sizeof *op.em);
  op.l = fill_new(rows * sizeof *op.l);
  op.num = fill_new(rows * dv * sizeof *op.num);
  op.y = fill_new(rows * dv * sizeof *op.y);
  for (uint32_t p = 0; p < parts; p++) {
    struct vb_attention_op part = op;
    part.key = (struct vb_range){cuts[order[p]], cuts[order[p] + 1]};
    part.mode = VB_ATTN_MAX;
    part.m = m[p] = fill_new(rows * sizeof *part.m);
    vb_ref_attention(&part);
  }
  if (by_runtime) {
    vb_merge_attention_max(&op, m, parts);
  } else {
    for (uint64_t i = 0; i < rows; i++) {
      op.m[i] = VB_M_NONE;
      for (uint32_t p = 0; p < parts; p++)
        if (m[p][i] > op.m[i]) op.m[i] = m[p][i];
      if (op.sinks && sink_score(&op, i) > op.m[i]) op.m[i] = sink_score(&op, i);
    }
  }
  for (uint32_t p = 0; p < parts; p++) {
    struct vb_attention_op part = op;
    part.key = (struct vb_range){cuts[order[p]], cuts[order[p] + 1]};
    part.mode = VB_ATTN_EXP;
    part.em = em[p] = fill_new(rows * VB_EM_ROW * sizeof *part.em);
    vb_ref_attention(&part);
  }
  if (by_runtime) {
    vb_merge_attention_exp(&op, em, parts);
  } else {
    for (uint64_t i = 0; i < rows * VB_EM_ROW; i++) {
      op.em[i] = VB_EM_NONE;
      for (uint32_t p = 0; p < parts; p++)
        if (em[p][i] > op.em[i]) op.em[i] = em[p][i];
    }
  }
  for (uint32_t p = 0; p < parts; p++) {
    struct vb_attention_op part = op;
    part.key = (struct vb_range){cuts[order[p]], cuts[order[p] + 1]};
    part.mode = VB_ATTN_SUM;
    part.l = l[p] = fill_new(rows * sizeof *part.l);
    part.num = num[p] = fill_new(rows * dv * sizeof *part.num);
    vb_ref_attention(&part);
  }
  if (by_runtime) {
    vb_merge_attention_sum(&op, l, num, parts);
    vb_merge_attention_finish(&op);
  } else {
    for (uint64_t i = 0; i < rows; i++) {
      uint64_t sum = 0;
      for (uint32_t p = 0; p < parts; p++) sum += l[p][i];
      if (op.sinks) {
        int64_t d = (int64_t)op.m[i] - sink_score(&op, i);
        sum += vb_shr_rhu((uint64_t)vb_exp2_24((uint32_t)(d & 0xffff)) << 8, (int)(d >> 16));
      }
      for (uint64_t c = 0; c < dv; c++) {
        int64_t n = 0;
        for (uint32_t p = 0; p < parts; p++) n += num[p][i * dv + c];
        op.y[i * dv + c] = vb_divide(n, op.em[i * VB_EM_ROW + c / VB_BLOCK] - 119, sum);
      }
    }
  }
  for (uint32_t p = 0; p < parts; p++) free(m[p]), free(em[p]), free(l[p]), free(num[p]);
  free(op.m), free(op.em), free(op.l), free(op.num);
  return op.y;
}

static struct job random_job(struct vb_rng *r, uint32_t trial, uint32_t tokens_max) {
  static const uint32_t sizes[] = {32, 64, 128, 96, 40, 256};
  uint32_t keys = 1 + (uint32_t)vb_rng_below(r, trial % 5 ? 24 : 90);
  uint32_t tokens = 1 + (uint32_t)vb_rng_below(r, keys < tokens_max ? keys : tokens_max);
  return new_job(r, tokens, keys, 1 + trial % 2, 1 + trial / 2 % 3, sizes[trial % 6], sizes[trial / 3 % 5],
                 (enum vb_gen)(trial % VB_GEN_KINDS), (int)(trial % 7) * 3 - 6);
}

static void splits(void) {
  struct vb_rng r = vb_test_rng();
  uint32_t trials = (uint32_t)vb_test_count(200, 20000);
  for (uint32_t t = 0; t < trials; t++) {
    struct job j = random_job(&r, t, 4);
    add_features(&r, &j, t, true);
    uint32_t parts = 1 + (uint32_t)vb_rng_below(&r, MAX_PARTS), keys = j.op.key.end, cuts[MAX_PARTS + 1],
             order[MAX_PARTS];
    cuts[0] = 0;
    for (uint32_t p = 1; p < parts; p++) // empty parts included
      cuts[p] = cuts[p - 1] + (uint32_t)vb_rng_below(&r, keys - cuts[p - 1] + 1);
    cuts[parts] = keys;
    for (uint32_t p = 0; p < parts; p++) order[p] = p;
    vb_rng_shuffle(&r, order, parts);
    vb_z *want = full(&j), *hand = split(&j, cuts, parts, order, false), *merged = split(&j, cuts, parts, order, true);
    VB_EXPECT_SAME("attention", want, hand, (uint64_t)j.rows * j.kv.dv);
    VB_EXPECT_SAME("attention", want, merged, (uint64_t)j.rows * j.kv.dv);
    free(want), free(hand), free(merged);
    free_job(&j);
  }
}

static void key_shuffles(void) {
  struct vb_rng r = vb_test_rng();
  uint32_t trials = (uint32_t)vb_test_count(200, 20000);
  for (uint32_t t = 0; t < trials; t++) {
    struct job j = random_job(&r, t, 1);
    add_features(&r, &j, t, false);
    struct job s = j; // one token sees every key, so any order is legal
    uint32_t keys = j.op.key.end, *order = malloc(keys * sizeof *order);
    uint32_t rec = vb_rec_bytes(j.kv.dk), val = vb_val_bytes(j.kv.dv);
    s.kv.k = fill_new((uint64_t)s.kv.heads * s.kv.capacity * rec);
    s.kv.v = fill_new((uint64_t)s.kv.heads * s.kv.capacity * val);
    for (uint32_t p = 0; p < keys; p++) order[p] = p;
    vb_rng_shuffle(&r, order, keys);
    for (uint32_t h = 0; h < j.kv.heads; h++)
      for (uint32_t p = 0; p < keys; p++) {
        memcpy(vb_kv_key(&s.kv, h, p), vb_kv_key(&j.kv, h, order[p]), rec);
        memcpy(vb_kv_val(&s.kv, h, p), vb_kv_val(&j.kv, h, order[p]), val);
      }
    vb_z *want = full(&j), *got = full(&s);
    VB_EXPECT_SAME("attention", want, got, (uint64_t)j.rows * j.kv.dv);
    free(want), free(got), free(order), free(s.kv.k), free(s.kv.v);
    free_job(&j);
  }
}

/// Tokens and heads in pieces; nothing outside a piece is written.
static void token_and_head_ranges(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t t = 0; t < 100; t++) {
    struct job j = random_job(&r, t, 6);
    add_features(&r, &j, t, true);
    struct vb_attention_op op = j.op;
    vb_z *want = full(&j);
    op.kv = &j.kv;
    op.y = fill_new((uint64_t)j.rows * j.kv.dv * sizeof *op.y);
    uint32_t tc = (uint32_t)vb_rng_below(&r, j.tokens + 1), hc = (uint32_t)vb_rng_below(&r, j.op.heads + 1);
    for (int piece = 3; piece >= 0; piece--) {
      op.t = piece & 1 ? (struct vb_range){tc, j.tokens} : (struct vb_range){0, tc};
      op.h = piece & 2 ? (struct vb_range){hc, j.op.heads} : (struct vb_range){0, hc};
      vb_ref_attention(&op);
    }
    VB_EXPECT_SAME("attention", want, op.y, (uint64_t)j.rows * j.kv.dv);
    free(want), free(op.y);
    free_job(&j);
  }
}

/// Windows, chunks, kept keys and lists of blocks are key lists, written out here from their definitions.
static void masks_are_key_lists(void) {
  struct vb_rng r = vb_test_rng();
  uint32_t trials = (uint32_t)vb_test_count(200, 20000);
  for (uint32_t t = 0; t < trials; t++) {
    struct job j = random_job(&r, t, 6);
    const uint32_t keys = j.op.key.end, tokens = j.tokens, block = 1u << vb_rng_below(&r, 5);
    uint32_t *list = fill_new(4 * (uint64_t)tokens * keys), *count = fill_new(4 * (uint64_t)tokens);
    uint32_t *blocks = fill_new(4 * (uint64_t)tokens * keys), *block_count = fill_new(4 * (uint64_t)tokens);
    if (vb_rng_below(&r, 2)) j.op.window = 1 + (uint32_t)vb_rng_below(&r, keys);
    if (vb_rng_below(&r, 2)) j.op.chunk = 1 + (uint32_t)vb_rng_below(&r, keys);
    if (vb_rng_below(&r, 2)) j.op.keep = 1 + (uint32_t)vb_rng_below(&r, keys);
    const bool listed = vb_rng_below(&r, 2);
    for (uint32_t i = 0; i < tokens; i++) {
      const int64_t p = j.op.first_count - 1 + i;
      count[i] = block_count[i] = 0;
      for (uint32_t b = 0; b * block < keys; b++) {
        if (listed && vb_rng_below(&r, 2)) continue;
        blocks[(uint64_t)i * keys + block_count[i]++] = b;
        for (int64_t k = (int64_t)b * block; k < (int64_t)(b + 1) * block && k <= p; k++) {
          bool far = (j.op.window && k <= p - (int64_t)j.op.window) || (j.op.chunk && k / j.op.chunk != p / j.op.chunk);
          if (!far || k < j.op.keep) list[(uint64_t)i * keys + count[i]++] = (uint32_t)k;
        }
      }
    }
    struct job plain = j;
    plain.op.window = plain.op.chunk = plain.op.keep = 0;
    plain.op.list = list, plain.op.list_count = count, plain.op.list_stride = keys;
    if (listed) j.op.list = blocks, j.op.list_count = block_count, j.op.list_stride = keys, j.op.list_block = block;
    vb_z *want = full(&plain), *got = full(&j);
    VB_EXPECT_SAME("attention", want, got, (uint64_t)j.rows * j.kv.dv);
    j.op.list = j.op.list_count = NULL;
    free(want), free(got), free(list), free(count), free(blocks), free(block_count);
    free_job(&j);
  }
}

/// One token at a time over a growing cache is the prefill.
static void decode_equals_prefill(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t t = 0; t < 60; t++) {
    struct job j = random_job(&r, t, 8);
    add_features(&r, &j, t, true);
    vb_z *want = full(&j), *got = fill_new((uint64_t)j.rows * j.kv.dv * sizeof *got);
    for (uint32_t i = 0; i < j.tokens; i++) {
      struct vb_attention_op op = j.op;
      op.kv = &j.kv;
      op.q = j.q + (uint64_t)i * j.op.heads * vb_rec_bytes(j.kv.dk);
      op.y = got + (uint64_t)i * j.op.heads * j.kv.dv;
      if (op.list) op.list += (uint64_t)i * op.list_stride, op.list_count += i;
      op.t = (struct vb_range){0, 1};
      op.first_count = j.op.first_count + i;
      op.key.end = op.first_count;
      vb_ref_attention(&op);
    }
    VB_EXPECT_SAME("attention", want, got, (uint64_t)j.rows * j.kv.dv);
    free(want), free(got);
    free_job(&j);
  }
}

static void no_keys(void) {
  struct vb_rng r = vb_test_rng();
  struct job j = new_job(&r, 2, 4, 1, 2, 64, 64, VB_GEN_GAUSS, 0);
  j.op.key = (struct vb_range){2, 2};
  vb_z *y = full(&j), zero[64 * 4] = {0};
  VB_EXPECT_SAME("attention", zero, y, 64 * 4);
  free(y);
  free_job(&j);
}

// --- the cap at 1023 octaves ----------------------------------------------------------------------------------------------
/// FULL once more without the cap, exponents in plain int: what the sums would be with unlimited range.
static uint64_t uncapped_row(const struct job *j, const uint8_t *q, uint32_t kv_head, uint32_t keys, vb_z *y) {
  int32_t score[128], m = INT32_MIN;
  int em[VB_EM_ROW];
  uint64_t l = 0, capped = 0;
  for (uint32_t p = 0; p < keys; p++) {
    const uint8_t *k = vb_kv_key(&j->kv, kv_head, p);
    int64_t acc = vb_p2_i8((const int8_t *)q + VB_REC_HEADER, q, q[VB_REC_KMAX], (const int8_t *)k + VB_REC_HEADER, k,
                           k[VB_REC_KMAX], vb_blocks(j->kv.dk));
    score[p] = vb_q16(acc, q[VB_REC_KMAX] + k[VB_REC_KMAX] - 254 - 8);
    if (score[p] > m) m = score[p];
  }
  for (uint32_t b = 0; b < VB_EM_ROW; b++) em[b] = -1000000;
  for (uint32_t p = 0; p < keys; p++) {
    int64_t d = (int64_t)m - score[p];
    capped += d >> 16 > 1023;
    l += vb_shr_rhu((uint64_t)vb_exp2_24((uint32_t)(d & 0xffff)) << 8, (int)(d >> 16));
    const uint8_t *codes = vb_kv_key(&j->kv, kv_head, p) + VB_REC_VCODES;
    for (uint32_t b = 0; b < vb_blocks(j->kv.dv); b++)
      if (codes[b] && codes[b] - (int)(d >> 16) > em[b]) em[b] = codes[b] - (int)(d >> 16);
  }
  for (uint32_t c = 0; c < j->kv.dv; c++) {
    int64_t num = 0;
    for (uint32_t p = 0; p < keys; p++) {
      int64_t d = (int64_t)m - score[p];
      int code = vb_kv_key(&j->kv, kv_head, p)[VB_REC_VCODES + c / VB_BLOCK];
      int8_t v = ((const int8_t *)vb_kv_val(&j->kv, kv_head, p))[c];
      uint64_t t = vb_exp2_24((uint32_t)(d & 0xffff));
      if (code) num += (int64_t)vb_shr_rhu(t, em[c / VB_BLOCK] - code + (int)(d >> 16)) * v;
    }
    y[c] = vb_divide(num, em[c / VB_BLOCK] - 119, l);
  }
  return capped;
}

static void cap_is_invisible(void) {
  struct vb_rng r = vb_test_rng();
  uint32_t trials = (uint32_t)vb_test_count(2000, 100000);
  uint64_t capped = 0, alone = 0;
  for (uint32_t t = 0; t < trials; t++) {
    // Scales from ordinary to far beyond saturation of the scores: distances of up to 65535 octaves.
    struct job j = new_job(&r, 1, 1 + (uint32_t)vb_rng_below(&r, 6), 1, 1, 32, 64,
                           t % 2 ? VB_GEN_GAUSS : VB_GEN_UNIFORM, (int)vb_rng_range(&r, 0, 16));
    uint32_t keys = j.op.key.end;
    if (t % 4 == 0) // the nearest keys have no values in block 0, so that only capped ones are left to define it
      for (uint32_t p = 0; p < keys; p++)
        if (vb_rng_below(&r, 2)) {
          vb_kv_key(&j.kv, 0, p)[VB_REC_VCODES] = 0;
          memset(vb_kv_val(&j.kv, 0, p), 0, VB_BLOCK);
        }
    vb_z want[64], *got = full(&j);
    uint64_t n = uncapped_row(&j, j.q, 0, keys, want);
    capped += n;
    alone += n && n + 1 == keys;
    VB_EXPECT_SAME("attention_cap", want, got, 64);
    free(got);
    free_job(&j);
  }
  printf("  keys beyond the cap: %llu, rows where all but one are: %llu\n", (unsigned long long)capped,
         (unsigned long long)alone);
  VB_CHECK(capped > trials && alone > 0, "the inputs do not reach the cap");
}

/// The table of docs/numerics.md, "A worked example", number by number.
static void worked_example(void) {
  const uint32_t t0 = vb_exp2_24(0), t2 = vb_exp2_24(32768);
  CU_ASSERT_EQUAL(t0, 16777208);
  CU_ASSERT_EQUAL(t2, 11863278);
  CU_ASSERT_EQUAL(vb_shr_rhu((uint64_t)t0 << 8, 2), 1073741312);
  CU_ASSERT_EQUAL(vb_shr_rhu(t0, 2), 4194302);
  uint64_t l = ((uint64_t)t0 << 8) + vb_shr_rhu((uint64_t)t0 << 8, 2) + ((uint64_t)t2 << 8);
  CU_ASSERT_EQUAL(l, 8405705728);
  int64_t num = (int64_t)t0 + (int64_t)vb_shr_rhu(t0, 2) - t2;
  CU_ASSERT_EQUAL(num, 9108232);
  CU_ASSERT_EQUAL(vb_divide(num, 127 - 127 - 24 + 32, l), 0x3e8e06d2);
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"worked_example", worked_example},
                                  {"splits", splits},
                                  {"key_shuffles", key_shuffles},
                                  {"token_and_head_ranges", token_and_head_ranges},
                                  {"masks_are_key_lists", masks_are_key_lists},
                                  {"decode_equals_prefill", decode_equals_prefill},
                                  {"no_keys", no_keys},
                                  {"cap_is_invisible", cap_is_invisible},
                                  {0}};
  const struct vb_suite suites[] = {{"attention", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
