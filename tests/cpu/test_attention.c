// SPDX-License-Identifier: Apache-2.0
/// Attention against the reference in all modes: whole, over ranges, and put together from key ranges that other
/// devices could have computed (MAX, EXP, SUM); plain, and with windows, chunks, kept keys, lists, sinks, soft-caps and
/// shared values.
#include "compare.h"
#include "cpu/cpu.h"
#include "num/block.h"
#include "ref/ref.h"
#include "runtime/merge.h"
#include <stdlib.h>
#include <string.h>

enum { PARTS = 4 };

/// With `shared`, the values are the first elements of the keys.
static struct vb_kv random_cache(struct vb_rng *r, uint32_t heads, uint32_t dk, uint32_t dv, uint32_t length,
                                 bool shared) {
  struct vb_kv kv = {.heads = heads, .dk = dk, .dv = dv, .capacity = length + between(r, 0, 3), .length = length};
  kv.k = poisoned((uint64_t)heads * kv.capacity * vb_rec_bytes(dk) + 1);
  kv.v = shared ? NULL : poisoned((uint64_t)heads * kv.capacity * vb_val_bytes(dv) + 1);
  for (uint32_t h = 0; h < heads; h++) {
    vb_z *k = random_values(r, (uint64_t)length * dk), *v = random_values(r, (uint64_t)length * dv);
    for (uint32_t j = 0; j < length; j++) {
      vb_rec_fill(k + (size_t)j * dk, dk, vb_kv_key(&kv, h, j));
      if (!shared) vb_val_fill(v + (size_t)j * dv, dv, vb_kv_val(&kv, h, j), vb_kv_key(&kv, h, j));
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

static void check_attention(struct vb_rng *r, struct vb_attention_op op, uint32_t tokens, const char *name) {
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
    compare(r, name, &c, want.y, got.y, rows * dv, 4);
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
    // a sink moves the merged maximum
    if (!op.sinks) compare(r, "attention split", &c, want.num, got.num, rows * dv, 8);
    detach(&got);
  }
  detach(&want);
}

enum { WINDOW = 1, CHUNK = 2, LIST = 4, SINKS = 8, CAP = 16, SHARED = 32, KEEP = 64, BLOCKS = 128, ALL = 255 };

struct shape {
  uint32_t kv_heads, group, tokens, dk, dv, past;
};

/// The positions (or blocks of positions) each token may attend to: ascending, some of them beyond its own.
static uint32_t *random_lists(struct vb_rng *r, uint32_t tokens, uint32_t length, uint32_t stride, uint32_t *count) {
  uint32_t *list = poisoned(4ull * tokens * stride);
  for (uint32_t t = 0; t < tokens; t++) {
    uint32_t keep = between(r, 0, 4), n = 0;
    for (uint32_t j = 0; j < length && n < stride; j++)
      if (vb_rng_below(r, 4) < keep) list[t * stride + n++] = j;
    count[t] = n;
  }
  return list;
}

static void attention_case(struct vb_rng *r, struct shape s, unsigned features, const char *name) {
  const uint32_t heads = s.kv_heads * s.group, length = s.past + s.tokens, stride = between(r, 1, length);
  struct vb_kv kv = random_cache(r, s.kv_heads, s.dk, s.dv, length, features & SHARED);
  const uint64_t rows = (uint64_t)s.tokens * heads;
  vb_z *x = random_values(r, rows * s.dk), *sinks = random_values(r, heads);
  uint8_t *q = poisoned(rows * vb_rec_bytes(s.dk));
  const uint32_t block = features & BLOCKS ? 1u << between(r, 0, 6) : 0;
  uint32_t *count = poisoned(4ull * s.tokens);
  uint32_t *list = random_lists(r, s.tokens, block > 1 ? (length + block) / block : length, stride, count);
  for (uint64_t i = 0; i < rows; i++) vb_rec_fill(x + i * s.dk, s.dk, q + i * vb_rec_bytes(s.dk));
  struct vb_attention_op op = {.q = q, .kv = &kv, .heads = heads, .first_count = s.past + 1};
  op.t = random_range(r, s.tokens), op.h = random_range(r, heads), op.key = random_range(r, length);
  if (features & WINDOW) op.window = between(r, 1, vb_rng_below(r, 2) ? 12 : length + 3);
  if (features & CHUNK) op.chunk = between(r, 1, vb_rng_below(r, 2) ? 12 : length + 3);
  if (features & KEEP) op.keep = between(r, 1, vb_rng_below(r, 2) ? 8 : length + 3);
  if (features & (LIST | BLOCKS)) op.list = list, op.list_count = count, op.list_stride = stride, op.list_block = block;
  if (features & SINKS) op.sinks = sinks;
  if (features & CAP) op.cap = vb_rng_below(r, 2) ? 1210236742 /* 50 */ : vb_rng_range(r, 1 << 18, (int64_t)1 << 32);
  check_attention(r, op, s.tokens, name);
  free(kv.k), free(kv.v), free(x), free(sinks), free(q), free(count), free(list);
}

static struct shape random_shape(struct vb_rng *r) {
  struct shape s = {between(r, 1, 3),      between(r, 1, 7),      between(r, 1, 9),
                    16 * between(r, 1, 8), 16 * between(r, 1, 8), between(r, 0, 70)};
  if (!vb_rng_below(r, 10)) s.dk = between(r, 1, VB_MAX_DK), s.dv = between(r, 1, VB_MAX_DV);
  return s;
}

static void attention(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("attention", n, 80); n++) {
    struct shape s = random_shape(&r);
    if (!vb_rng_below(&r, 10)) s.past = between(&r, 100, 400);
    attention_case(&r, s, 0, "attention");
  }
}

static void feature(unsigned which, const char *name) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases(name, n, 30); n++) { // alone, and mixed with any others
    struct shape s = random_shape(&r);
    unsigned features = which | (n % 2 ? (unsigned)vb_rng_below(&r, ALL + 1) : 0);
    if (features & SHARED && s.dv > s.dk) s.dv = s.dk;
    attention_case(&r, s, features, name);
  }
}
static void window(void) { feature(WINDOW, "attention window"); }
static void chunk(void) { feature(CHUNK, "attention chunk"); }
static void list(void) { feature(LIST, "attention list"); }
static void block_list(void) { feature(BLOCKS, "attention block list"); }
static void keep_and_window(void) { feature(KEEP | WINDOW, "attention keep, window"); }
static void keep_and_chunk(void) { feature(KEEP | CHUNK, "attention keep, chunk"); }
static void sinks(void) { feature(SINKS, "attention sinks"); }
static void soft_cap(void) { feature(CAP, "attention soft-cap"); }
static void shared_values(void) { feature(SHARED, "attention shared"); }

// The widths of absorbed MLA, where a score's sum no longer fits 32 bits: dense, and from lists.
static void mla(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("attention mla", n, 4); n++) {
    struct shape s = {1, between(&r, 1, 20), between(&r, 1, 2), VB_MAX_DK, VB_MAX_DV_SHARED, between(&r, 0, 20)};
    attention_case(&r, s, SHARED | (n % 2 ? LIST : 0), "attention mla");
  }
}

// Largest scores and sums: every element 127, so that 18 blocks overflow 32 bits by themselves.
static void mla_extreme(void) {
  enum { KEYS = 9, HEADS = 5 };
  struct vb_rng r = vb_test_rng();
  struct vb_kv kv = random_cache(&r, 1, VB_MAX_DK, VB_MAX_DV_SHARED, KEYS, true);
  vb_z top[VB_MAX_DK];
  uint8_t q[HEADS][VB_REC_HEADER + VB_MAX_DK];
  for (int flip = 0; flip < 2; flip++) {
    for (int i = 0; i < VB_MAX_DK; i++) top[i] = 0x35ffffff; // scores inside Q15.16
    for (uint32_t j = 0; j < KEYS; j++) vb_rec_fill(top, VB_MAX_DK, vb_kv_key(&kv, 0, j));
    for (int i = 0; i < VB_MAX_DK; i++) top[i] = 0x3fffffff | (flip ? 0x80000000u : 0);
    for (int h = 0; h < HEADS; h++) vb_rec_fill(top, VB_MAX_DK, q[h]);
    struct vb_attention_op op = {.q = q[0], .kv = &kv, .heads = HEADS, .first_count = KEYS, .t = {0, 1}};
    op.h.end = HEADS, op.key.end = KEYS;
    check_attention(&r, op, 1, "attention mla");
  }
  free(kv.k);
}

// Every key has the same score and the largest values: sums at their bounds, beyond the int32 accumulators' reach.
static void attention_long(void) {
  enum { KEYS = 67000, D = 32 };
  struct vb_rng r = vb_test_rng();
  struct vb_kv kv = random_cache(&r, 1, D, D, 1, false);
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
  check_attention(&r, op, 1, "attention long");
  free(kv.k), free(kv.v);
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"attention", attention},
                                         {"long", attention_long},
                                         {"window", window},
                                         {"chunk", chunk},
                                         {"list", list},
                                         {"block_list", block_list},
                                         {"keep_and_window", keep_and_window},
                                         {"keep_and_chunk", keep_and_chunk},
                                         {"sinks", sinks},
                                         {"soft_cap", soft_cap},
                                         {"shared_values", shared_values},
                                         {"mla", mla},
                                         {"mla_extreme", mla_extreme},
                                         {0}};
  const struct vb_suite suites[] = {{"cpu_attention", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
