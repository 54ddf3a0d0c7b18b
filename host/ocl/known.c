// SPDX-License-Identifier: Apache-2.0
/// Known-answer cases of the probe. The answers are committed, not computed by the reference in the same process, so
/// that the probe needs nothing but the device; tests/ocl checks the constants against host/ref.
#include "num/block.h"
#include "num/rng.h"
#include "ocl/internal.h"
#include <stdlib.h>

const uint64_t vb_known_attention_answer = 0x003e61cf2e52309fu;
const uint64_t vb_known_router_answer = 0xb0875ad3708ced76u;
const uint64_t vb_known_indexer_answer = 0xa12dcea747f24016u;

/// A carrier value of either sign whose exponent varies over 2^+-spread.
static vb_z value(uint64_t *rng, uint32_t spread) {
  uint64_t r = vb_draw(rng);
  uint32_t e = 127 - spread + (uint32_t)((r >> 32) % (2 * spread + 1));
  return (uint32_t)(r & 0x80000000u) | e << 23 | (uint32_t)(r & 0x7fffff);
}

static uint64_t fold(uint64_t h, const void *data, size_t bytes) {
  const unsigned char *p = data;
  for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 0x100000001b3u;
  return h;
}

enum { T = 5, HEADS = 4, KV = 2, DK = 64, DV = 32, KEYS = 11, ROOM = 12, REC = VB_REC_HEADER + DK };

struct attention_case {
  vb_z y[T * HEADS * DV];
  int32_t m[T * HEADS];
  int16_t em[T * HEADS * VB_EM_ROW];
  uint64_t l[T * HEADS];
  int64_t num[T * HEADS * DV];
  uint8_t q[T * HEADS * REC], k[KV * ROOM * REC], v[KV * ROOM * DV];
};

/// One job of every other kind: what a token sees, sinks, values in the keys.
static vb_result attention_variants(vb_result (*run)(struct vb_ocl *d, const struct vb_attention_op *op),
                                    struct vb_ocl *d, struct vb_attention_op op, uint64_t *h) {
  enum { KINDS = 5, STRIDE = 4 };
  static const uint32_t keys[T * STRIDE] = {1, 3, 6, 0, 0, 2, 4, 7, 5, 0, 0, 0, 0, 0, 0, 0, 2, 8, 9, 10};
  static const uint32_t blocks[T * STRIDE] = {0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 2, 0, 2, 0, 0, 0, 0, 2, 0, 0};
  static const uint32_t key_count[T] = {3, 4, 1, 0, 4}, block_count[T] = {2, 1, 3, 1, 2};
  static const vb_z sinks[HEADS] = {VB_Z_ONE, 0, 0xc0600000u, 0x41200000u};
  struct vb_kv shared = *op.kv;
  shared.v = NULL, shared.id = VB_KNOWN_SHARED_KV;
  vb_result r = VB_OK;
  op.mode = VB_ATTN_FULL, op.list_stride = STRIDE;
  for (int kind = 0; kind < KINDS && r == VB_OK; kind++) {
    struct vb_attention_op v = op;
    if (kind == 0) v.window = 3, v.keep = 2;
    if (kind == 1) v.chunk = 4, v.sinks = sinks;
    if (kind == 2) v.list = keys, v.list_count = key_count;
    if (kind == 3) v.list = blocks, v.list_count = block_count, v.list_block = 4;
    if (kind == 4) v.kv = &shared;
    r = run(d, &v);
    *h = fold(*h, v.y, sizeof(vb_z) * T * HEADS * DV);
  }
  return r;
}

vb_result vb_known_attention(vb_result (*run)(struct vb_ocl *d, const struct vb_attention_op *op), struct vb_ocl *d,
                             bool plant, uint64_t *answer) {
  struct attention_case *c = calloc(1, sizeof *c);
  if (!c) return vb_fail(VB_DEVICE, "out of memory");
  uint64_t rng = vb_draw_seed(1);
  vb_z x[DK];
  for (int i = 0; i < T * HEADS; i++) {
    for (int j = 0; j < DK; j++) x[j] = value(&rng, 2);
    vb_rec_fill(x, DK, c->q + i * REC);
  }
  for (int i = 0; i < KV * KEYS; i++) {
    uint8_t *k = c->k + (i / KEYS * ROOM + i % KEYS) * REC, *v = c->v + (i / KEYS * ROOM + i % KEYS) * DV;
    for (int j = 0; j < DK; j++) x[j] = value(&rng, 4);
    vb_rec_fill(x, DK, k);
    for (int j = 0; j < DV; j++) x[j] = value(&rng, 6);
    vb_val_fill(x, DV, v, k);
  }
  if (plant) c->q[VB_REC_HEADER] ^= 4;
  // An id that no real cache has: ids count up from 1.
  struct vb_kv kv = {
      .k = c->k, .v = c->v, .heads = KV, .dk = DK, .dv = DV, .capacity = ROOM, .length = KEYS, .id = VB_KNOWN_KV};
  struct vb_attention_op op = {.q = c->q,
                               .kv = &kv,
                               .heads = HEADS,
                               .first_count = KEYS - T + 1,
                               .t = {0, T},
                               .h = {0, HEADS},
                               .key = {0, KEYS},
                               .y = c->y,
                               .m = c->m,
                               .em = c->em,
                               .l = c->l,
                               .num = c->num};
  vb_result r = VB_OK;
  for (int mode = VB_ATTN_FULL; mode <= VB_ATTN_SUM && r == VB_OK; mode++) {
    op.mode = (enum vb_attn_mode)mode;
    r = run(d, &op);
  }
  uint64_t h = fold(0xcbf29ce484222325u, c->y, sizeof c->y);
  h = fold(fold(h, c->m, sizeof c->m), c->em, sizeof c->em);
  h = fold(fold(h, c->l, sizeof c->l), c->num, sizeof c->num);
  if (r == VB_OK) r = attention_variants(run, d, op, &h);
  *answer = h;
  free(c);
  return r;
}

vb_result vb_known_router(vb_result (*run)(struct vb_ocl *d, const struct vb_router_op *op), struct vb_ocl *d,
                          bool plant, uint64_t *answer) {
  enum { TOKENS = 9, EXPERTS = 24, K = 4 };
  vb_z logits[TOKENS * EXPERTS], bias[EXPERTS], gates[TOKENS * K];
  uint32_t ids[TOKENS * K], hist[EXPERTS], offsets[EXPERTS + 1], list[TOKENS * K];
  uint64_t rng = vb_draw_seed(2), h = 0xcbf29ce484222325u;
  for (int i = 0; i < TOKENS * EXPERTS; i++) logits[i] = i % 7 ? value(&rng, 3) : VB_Z_ONE; // ties among the ones
  for (int i = 0; i < EXPERTS; i++) bias[i] = value(&rng, 5);
  if (plant) logits[3] ^= 0x80000000u, logits[11] ^= 0x80000000u;
  struct vb_router_op op = {.logits = logits,
                            .experts = EXPERTS,
                            .k = K,
                            .score = VB_SCORE_SOFTMAX,
                            .t = {0, TOKENS},
                            .scale = 0x40200000u,
                            .ids = ids,
                            .gates = gates,
                            .hist = hist,
                            .offsets = offsets,
                            .list = list};
  vb_result r = VB_OK;
  // Softmax over all and over the selected; sigmoids, the last one with bias, groups and drops.
  for (int variant = 0; variant < 4 && r == VB_OK; variant++) {
    op.renorm = variant & 1;
    op.score = variant < 2 ? VB_SCORE_SOFTMAX : VB_SCORE_SIGMOID;
    if (variant == 3) op.bias = bias, op.groups = 6, op.topk_groups = 3, op.group_top = 2;
    if (variant == 3) op.threshold = 0x3e000000u, op.capacity = 3;
    r = run(d, &op);
    if (r != VB_OK) break;
    h = fold(fold(h, ids, sizeof ids), gates, sizeof gates);
    h = fold(fold(fold(h, hist, sizeof hist), offsets, sizeof offsets), list, sizeof list);
  }
  *answer = h;
  return r;
}

vb_result vb_known_indexer(vb_result (*run)(struct vb_ocl *d, const struct vb_indexer_op *op), struct vb_ocl *d,
                           bool plant, uint64_t *answer) {
  enum { TOKENS = 3, NH = 5, SIZE = 64, N = 40, K = 9, RECORD = VB_REC_HEADER + SIZE };
  uint8_t q[TOKENS * NH * RECORD], k[N * RECORD];
  vb_z w[TOKENS * NH], x[SIZE];
  uint32_t list[TOKENS * K], count[TOKENS], score[TOKENS * N] = {0};
  uint64_t rng = vb_draw_seed(3);
  for (int i = 0; i < TOKENS * NH; i++) {
    for (int j = 0; j < SIZE; j++) x[j] = value(&rng, 3);
    vb_rec_fill(x, SIZE, q + i * RECORD);
    w[i] = value(&rng, 4);
  }
  for (int i = 0; i < N; i++) { // every fourth key is the one before it: ties
    for (int j = 0; j < SIZE; j++) x[j] = i % 4 == 3 ? x[j] : value(&rng, 3);
    vb_rec_fill(x, SIZE, k + i * RECORD);
  }
  if (plant) w[0] ^= 0x80000000u;
  const struct vb_kv kv = {.k = k, .heads = 1, .dk = SIZE, .capacity = N, .length = N, .id = UINT64_MAX};
  struct vb_indexer_op op = {.q = q,
                             .w = w,
                             .w_scale = 0x3db504f3u,
                             .kv = &kv,
                             .heads = NH,
                             .k = K,
                             .first_count = N - TOKENS + 1,
                             .t = {0, TOKENS},
                             .key = {0, N},
                             .score = score,
                             .score_stride = N,
                             .list = list,
                             .count = count};
  vb_result r = run(d, &op);
  op.mode = VB_INDEXER_SCORES;
  if (r == VB_OK) r = run(d, &op);
  uint64_t h = fold(fold(0xcbf29ce484222325u, list, sizeof list), count, sizeof count);
  *answer = fold(h, score, sizeof score);
  return r;
}
