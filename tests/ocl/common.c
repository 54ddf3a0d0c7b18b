// SPDX-License-Identifier: Apache-2.0
#include "ocl/common.h"
#include "ref/ref.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct vb_ocl_list *ocl_devices(void) {
  static struct vb_ocl_list list;
  static bool open;
  if (!open) {
    // PoCL finds no device, without a word, when it cannot write its cache.
    mkdir("build", 0777);
    mkdir("build/pocl-cache", 0777);
    setenv("POCL_CACHE_DIR", "build/pocl-cache", 0);
    setenv("VERBATIM_OCL_POISON", "1", 0); // results that rest on what a buffer held before would differ
    open = vb_ocl_open_all(&list) == VB_OK;
  }
  return &list;
}

struct vb_ocl *ocl_device(bool source) {
  const struct vb_ocl_list *l = ocl_devices();
  for (uint32_t i = 0; i < l->count; i++)
    if (vb_ocl_info(l->device[i])->compiler == source) return l->device[i];
  return NULL;
}

bool ocl_small(void) {
  const char *s = getenv("VB_OCL_SMALL");
  return s && s[0] == '1';
}

struct vb_ocl *ocl_dev;

void until(const char *op, void (*one)(struct vb_rng *r)) {
  struct vb_rng r = vb_test_rng();
  uint64_t start = vb_test_values(op), want = ocl_small() ? 64 : vb_test_count(20000, 2000000);
  if (!ocl_small() && !strcmp(op, "attention")) want *= 10; // a call compares its whole arrays four times and more
  uint32_t cases = ocl_small() ? 4 : 60; // every variant, and pairs of them, even where one case compares much
  while (vb_test_values(op) - start < want || cases) {
    if (cases) cases--;
    one(&r);
    vb_ocl_forget_weights(ocl_dev);
  }
}

void *take(struct arena *a, size_t bytes) {
  void *p = calloc(1, bytes ? bytes : 1);
  if (!p || a->n == sizeof a->block / sizeof *a->block) abort();
  return a->block[a->n++] = p;
}
void *take_copy(struct arena *a, const void *from, size_t bytes) { return memcpy(take(a, bytes), from, bytes); }
void *junk(struct arena *a, size_t bytes) { return memset(take(a, bytes), 0x5a, bytes); }
void drop(struct arena *a) {
  while (a->n) free(a->block[--a->n]);
}

uint32_t size(struct vb_rng *r, uint32_t small, uint32_t big) { return between(r, 1, ocl_small() ? small : big); }
uint32_t between(struct vb_rng *r, uint32_t lo, uint32_t hi) { return lo + (uint32_t)vb_rng_below(r, hi - lo + 1); }
struct vb_range subrange(struct vb_rng *r, uint32_t n) {
  if (vb_rng_below(r, 3) == 0) return (struct vb_range){0, n};
  uint32_t begin = between(r, 0, n - 1);
  return (struct vb_range){begin, between(r, begin + 1, n)};
}
enum vb_gen any_gen(struct vb_rng *r) { return (enum vb_gen)vb_rng_below(r, VB_GEN_KINDS); }

vb_z *values(struct arena *a, struct vb_rng *r, enum vb_gen kind, size_t n) {
  vb_z *z = take(a, n * sizeof *z);
  vb_rng_fill(r, kind, z, n);
  return z;
}

struct vb_w8 weights8(struct arena *a, struct vb_rng *r, uint32_t rows, uint32_t cols) {
  uint32_t blocks = vb_blocks(cols);
  int8_t *q = take(a, (size_t)rows * blocks * VB_BLOCK);
  uint8_t *codes = take(a, (size_t)rows * blocks), *max = take(a, rows);
  vb_z *x = take(a, cols * sizeof *x);
  enum vb_gen kind = any_gen(r);
  for (uint32_t i = 0; i < rows; i++) {
    vb_rng_fill(r, kind, x, cols);
    max[i] = vb_quant_row_i8(x, cols, q + (size_t)i * blocks * VB_BLOCK, codes + (size_t)i * blocks);
  }
  return (struct vb_w8){rows, cols, blocks, q, codes, max};
}

struct vb_w14 weights14(struct arena *a, struct vb_rng *r, uint32_t rows, uint32_t cols) {
  uint32_t blocks = vb_blocks(cols);
  int16_t *q = take(a, (size_t)rows * blocks * VB_BLOCK * sizeof *q);
  uint8_t *codes = take(a, (size_t)rows * blocks), *max = take(a, rows);
  vb_z *x = take(a, cols * sizeof *x);
  enum vb_gen kind = any_gen(r);
  for (uint32_t i = 0; i < rows; i++) {
    vb_rng_fill(r, kind, x, cols);
    max[i] = vb_quant_row_i14(x, cols, q + (size_t)i * blocks * VB_BLOCK, codes + (size_t)i * blocks);
  }
  return (struct vb_w14){rows, cols, blocks, q, codes, max};
}

void cache_fill(struct vb_rng *r, struct vb_kv *kv, uint32_t from, uint32_t to) {
  vb_z x[VB_MAX_DK];
  // Uniform carrier values would make every score saturate: narrow ones most of the time, so that weights differ.
  enum vb_gen kk = vb_rng_below(r, 4) ? VB_GEN_GAUSS : any_gen(r), kv_kind = any_gen(r);
  for (uint32_t h = 0; h < kv->heads; h++)
    for (uint32_t j = from; j < to; j++) {
      vb_rng_fill(r, kk, x, kv->dk);
      vb_rec_fill(x, kv->dk, vb_kv_key(kv, h, j));
      if (!kv->v) continue; // the values are in the keys
      vb_rng_fill(r, kv_kind, x, kv->dv);
      if (vb_rng_below(r, 9) == 0) memset(x, 0, (kv->dv < 32 ? kv->dv : 32) * sizeof *x); // a zero block
      vb_val_fill(x, kv->dv, vb_kv_val(kv, h, j), vb_kv_key(kv, h, j));
    }
}

struct vb_kv cache(struct arena *a, struct vb_rng *r, uint32_t heads, uint32_t dk, uint32_t dv, uint32_t capacity,
                   uint32_t length) {
  static uint64_t id;
  struct vb_kv kv = {.k = take(a, (size_t)heads * capacity * vb_rec_bytes(dk)),
                     .v = dv && dv <= VB_MAX_DV ? take(a, (size_t)heads * capacity * vb_val_bytes(dv)) : NULL,
                     .heads = heads,
                     .dk = dk,
                     .dv = dv,
                     .capacity = capacity,
                     .length = length,
                     .id = ++id};
  cache_fill(r, &kv, 0, length);
  return kv;
}

uint8_t *queries(struct arena *a, struct vb_rng *r, size_t n, uint32_t dk) {
  uint8_t *q = take(a, n * vb_rec_bytes(dk));
  vb_z x[VB_MAX_DK];
  enum vb_gen kind = vb_rng_below(r, 3) ? VB_GEN_GAUSS : any_gen(r);
  for (size_t i = 0; i < n; i++) {
    vb_rng_fill(r, kind, x, dk);
    vb_rec_fill(x, dk, q + i * vb_rec_bytes(dk));
  }
  return q;
}

/// Outputs of an attention call; both sides start with the same junk, so that writes outside the ranges show.
struct outputs {
  vb_z *y;
  int32_t *m;
  int16_t *em;
  uint64_t *l;
  int64_t *num;
};
static struct outputs outputs(struct arena *a, size_t n, uint32_t dv) {
  return (struct outputs){junk(a, n * dv * 4), junk(a, n * 4), junk(a, n * VB_EM_ROW * 2), junk(a, n * 8),
                          junk(a, n * dv * 8)};
}
static void point(struct vb_attention_op *op, const struct outputs *o) {
  op->y = o->y, op->m = o->m, op->em = o->em, op->l = o->l, op->num = o->num;
}

/// Random key lists: ascending, some positions that the token does not see, junk after the end.
static void key_lists(struct arena *a, struct vb_rng *r, struct vb_attention_op *op, uint32_t tokens, uint32_t keys) {
  if (vb_rng_below(r, 3) == 0) op->list_block = 1u << between(r, 0, 5); // lists of blocks
  const uint32_t block = op->list_block ? op->list_block : 1;
  keys = (keys + block - 1) / block;
  uint32_t stride = op->list_stride = keys + between(r, 0, 3), one_in = between(r, 1, 9);
  uint32_t *list = take(a, (size_t)tokens * stride * 4), *count = take(a, tokens * 4);
  memset(list, 0xee, (size_t)tokens * stride * 4);
  for (uint32_t t = 0; t < tokens; t++)
    for (uint32_t j = 0; j < keys; j++)
      if (vb_rng_below(r, one_in) == 0) list[(size_t)t * stride + count[t]++] = j;
  op->list = list, op->list_count = count;
}

void attention_case(struct vb_rng *r, struct vb_ocl *d, uint32_t dk, uint32_t dv, uint32_t keys, uint32_t tokens,
                    uint32_t heads, uint32_t kv_heads) {
  struct arena a = {0};
  struct vb_kv kv = cache(&a, r, kv_heads, dk, dv, keys + between(r, 0, 5), keys);
  size_t n = (size_t)tokens * heads;
  struct vb_attention_op op = {.q = queries(&a, r, n, dk),
                               .kv = &kv,
                               .heads = heads,
                               .first_count = keys - tokens + 1,
                               .t = subrange(r, tokens),
                               .h = subrange(r, heads),
                               .key = {0, keys}};
  if (vb_rng_below(r, 4) == 0) op.key = subrange(r, keys); // rows may see no key at all
  vb_z *sinks = values(&a, r, VB_GEN_GAUSS, heads);
  if (vb_rng_below(r, 4) == 0) op.window = between(r, 1, keys);
  if (vb_rng_below(r, 6) == 0) op.chunk = between(r, 1, keys);
  if (vb_rng_below(r, 3) == 0) op.keep = between(r, 1, vb_rng_below(r, 2) ? 5 : keys);
  if (vb_rng_below(r, 4) == 0) op.sinks = sinks;
  if (dv <= dk && vb_rng_below(r, 5) == 0) kv.v = NULL;
  if (vb_rng_below(r, 3) == 0) key_lists(&a, r, &op, tokens, keys);
  if (vb_ocl_info(d)->compiler && vb_rng_below(r, 4) == 0) op.cap = (int64_t)between(r, 1, 100) << 24; // no unit has it
  struct outputs want = outputs(&a, n, dv), got = outputs(&a, n, dv);
  struct vb_attention_op ref = op;
  point(&op, &got);
  point(&ref, &want);
  vb_ref_attention(&ref);
  OK(vb_ocl_attention(d, &op));
  VB_EXPECT_SAME("attention", want.y, got.y, n * dv);

  // Split over keys: phases of 1 to 3 parts, merged; each part also equals the reference's.
  uint32_t parts = between(r, 1, 3), cut[4] = {op.key.begin, op.key.end, op.key.end, op.key.end};
  for (uint32_t p = 1; p < parts; p++) cut[p] = between(r, cut[p - 1], op.key.end);
  struct outputs pw[3], pg[3], merged = outputs(&a, n, dv);
  for (size_t i = 0; i < n; i++) {
    merged.m[i] = op.sinks ? vb_score_q16(sinks[i % heads]) : VB_M_NONE;
    for (int b = 0; b < VB_EM_ROW; b++) merged.em[i * VB_EM_ROW + (size_t)b] = VB_EM_NONE;
    merged.l[i] = 0;
    memset(merged.num + i * dv, 0, dv * 8);
  }
  for (int phase = VB_ATTN_MAX; phase <= VB_ATTN_SUM; phase++)
    for (uint32_t p = 0; p < parts; p++) {
      if (phase == VB_ATTN_MAX) pw[p] = outputs(&a, n, dv), pg[p] = outputs(&a, n, dv);
      if (phase == VB_ATTN_EXP) memcpy(pw[p].m, merged.m, n * 4), memcpy(pg[p].m, merged.m, n * 4);
      if (phase == VB_ATTN_SUM)
        memcpy(pw[p].em, merged.em, n * VB_EM_ROW * 2), memcpy(pg[p].em, merged.em, n * VB_EM_ROW * 2);
      op.key = ref.key = (struct vb_range){cut[p], cut[p + 1]};
      op.mode = ref.mode = (enum vb_attn_mode)phase;
      point(&op, &pg[p]);
      point(&ref, &pw[p]);
      vb_ref_attention(&ref);
      OK(vb_ocl_attention(d, &op));
      VB_EXPECT_SAME("attention", pw[p].m, pg[p].m, n);
      VB_EXPECT_SAME("attention", pw[p].em, pg[p].em, n * VB_EM_ROW);
      VB_EXPECT_SAME("attention", pw[p].l, pg[p].l, n);
      VB_EXPECT_SAME("attention", pw[p].num, pg[p].num, n * dv);
      if (p + 1 < parts) continue;
      for (uint32_t s = 0; s < parts; s++)
        for (uint32_t t = op.t.begin; t < op.t.end; t++)
          for (uint32_t h = op.h.begin; h < op.h.end; h++) {
            size_t i = (size_t)t * heads + h;
            if (phase == VB_ATTN_MAX && pg[s].m[i] > merged.m[i]) merged.m[i] = pg[s].m[i];
            for (size_t b = i * VB_EM_ROW; phase == VB_ATTN_EXP && b < (i + 1) * VB_EM_ROW; b++)
              if (pg[s].em[b] > merged.em[b]) merged.em[b] = pg[s].em[b];
            if (phase == VB_ATTN_SUM) merged.l[i] += pg[s].l[i];
            for (size_t c = i * dv; phase == VB_ATTN_SUM && c < (i + 1) * dv; c++) merged.num[c] += pg[s].num[c];
          }
    }
  for (uint32_t t = op.t.begin; t < op.t.end; t++)
    for (uint32_t h = op.h.begin; h < op.h.end; h++)
      for (uint32_t c = 0; c < dv; c++) {
        size_t i = (size_t)t * heads + h;
        if (op.sinks && c == 0) { // the merge's part: one more score without a value
          uint32_t below = (uint32_t)merged.m[i] - (uint32_t)vb_score_q16(sinks[h]), octaves = below >> 16;
          merged.l[i] += vb_shr_rhu((uint64_t)vb_exp2_24(below & 0xffff) << 8, octaves > 1023 ? 1023 : (int)octaves);
        }
        merged.y[i * dv + c] = vb_divide(merged.num[i * dv + c], merged.em[i * VB_EM_ROW + c / 32] - 119, merged.l[i]);
      }
  VB_EXPECT_SAME("attention", want.y, merged.y, n * dv);
  vb_ocl_forget_kv(d, kv.id);
  drop(&a);
}

void router_case(struct vb_rng *r, struct vb_ocl *d, uint32_t tokens, uint32_t experts, uint32_t k) {
  struct arena a = {0};
  enum vb_gen kind = vb_rng_below(r, 2) ? VB_GEN_GAUSS : any_gen(r);
  struct vb_router_op op = {.logits = values(&a, r, kind, (size_t)tokens * experts),
                            .experts = experts,
                            .k = k,
                            .renorm = (uint32_t)vb_rng_below(r, 2),
                            .scale = VB_Z_ONE,
                            .t = subrange(r, tokens)};
  if (vb_rng_below(r, 2)) vb_rng_fill(r, VB_GEN_GAUSS, &op.scale, 1);
  if (vb_rng_below(r, 2)) // ties
    for (uint32_t i = 0; i < tokens * experts / 4; i++)
      ((vb_z *)(uintptr_t)op.logits)[vb_rng_below(r, (uint64_t)tokens * experts)] = VB_Z_ONE;
  op.score = vb_rng_below(r, 2) ? VB_SCORE_SIGMOID : VB_SCORE_SOFTMAX;
  if (op.score == VB_SCORE_SIGMOID && vb_rng_below(r, 2)) op.bias = values(&a, r, VB_GEN_GAUSS, experts);
  if (!vb_rng_below(r, 3)) op.threshold = 0x3c000000u + (uint32_t)vb_rng_below(r, 0x03000000); // 1/128 .. 1/2
  if (!vb_rng_below(r, 3)) op.capacity = between(r, 1, 8);
  op.groups = vb_rng_below(r, 2) ? between(r, 1, 8) : 0;
  op.topk_groups = op.groups ? between(r, 1, op.groups) : 0;
  op.group_top = between(r, 1, 2);
  if (op.groups && (experts % op.groups || op.topk_groups * (experts / op.groups) < k)) op.groups = 0;
  size_t n = op.t.end - op.t.begin, pairs = n * k;
  struct vb_router_op ref = op;
  op.ids = take(&a, pairs * 4), op.gates = take(&a, pairs * 4), op.list = take(&a, pairs * 4);
  op.hist = take(&a, experts * 4), op.offsets = take(&a, (experts + 1) * 4);
  ref.ids = take(&a, pairs * 4), ref.gates = take(&a, pairs * 4), ref.list = take(&a, pairs * 4);
  ref.hist = take(&a, experts * 4), ref.offsets = take(&a, (experts + 1) * 4);
  vb_ref_router(&ref);
  OK(vb_ocl_router(d, &op));
  VB_EXPECT_SAME("router", ref.ids, op.ids, pairs);
  VB_EXPECT_SAME("router", ref.gates, op.gates, pairs);
  VB_EXPECT_SAME("router", ref.hist, op.hist, experts);
  VB_EXPECT_SAME("router", ref.offsets, op.offsets, experts + 1);
  VB_EXPECT_SAME("router", ref.list, op.list, pairs);
  drop(&a);
}
