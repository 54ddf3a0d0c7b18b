// SPDX-License-Identifier: Apache-2.0
/// @file ops.h
/// The operators of a transformer layer: one argument structure each, shared by the reference, the CPU, the OpenCL
/// devices and the tests. All arrays are row-major and owned by the caller; outputs never alias inputs.
/// `vb_z` is the F32Z carrier (bits of a restricted float, docs/numerics.md).
///
/// Ranges are half open. An operator computes only what its ranges select and writes only there, so that parts of one
/// operator may run on different devices at the same time. Where a split cuts through a sum (linear `acc`, attention
/// modes MAX/EXP/SUM, experts HIDDEN/DOWN), parts return exact integers that the runtime merges (host/runtime/merge.c).
#ifndef VERBATIM_OPS_H
#define VERBATIM_OPS_H
#include "verbatim/layout.h"
#include <stdint.h>

typedef uint32_t vb_z;

struct vb_range {
  uint32_t begin, end;
};

/// Weights W[rows][cols] in I8 blocks along cols. `max[r]` is the largest code of row r (or of the same output row over
/// all experts of a layer, so that their sums share one exponent).
struct vb_w8 {
  uint32_t rows, cols, blocks; ///< blocks = ceil(cols / 32)
  const int8_t *q;             ///< [rows][blocks * 32], zero padded
  const uint8_t *codes;        ///< [rows][blocks]
  const uint8_t *max;          ///< [rows]
};
/// The same in I14 blocks: the router's logits need more than 8 bits to select the right experts.
struct vb_w14 {
  uint32_t rows, cols, blocks;
  const int16_t *q;
  const uint8_t *codes;
  const uint8_t *max;
};

/// y[t][:] = table[tokens[t]][:].
struct vb_embed_op {
  const vb_z *table; ///< [vocab][dim]
  const int32_t *tokens;
  uint32_t vocab, dim;
  struct vb_range t;
  vb_z *y; ///< [T][dim]
};

/// RMSNorm of `groups` vectors of n values per token (groups = 1: the block norms; heads: q/k norm), one weight vector.
struct vb_rmsnorm_op {
  const vb_z *x; ///< [T][groups][n]
  const vb_z *w; ///< [n]
  uint32_t groups, n;
  vb_z eps_n, sqrt_n; ///< eps * n and sqrt(n), rounded to the carrier at import
  struct vb_range t, g;
  vb_z *y; ///< [T][groups][n]
};

/// y = x W^T (+ bias). Exactly one of w8, w14 is set. With `acc`, the raw sums over blocks `b` only, no bias.
struct vb_linear_op {
  const vb_z *x; ///< [T][cols]
  const struct vb_w8 *w8;
  const struct vb_w14 *w14;
  const vb_z *bias;         ///< [rows] or NULL
  struct vb_range t, n, b;  ///< tokens, output rows, blocks of the reduction dimension
  vb_z *y;                  ///< [T][rows]
  int64_t *acc;             ///< NULL, or [T][rows] partial sums
};

enum vb_rope_layout { VB_ROPE_HALF = 0, VB_ROPE_PAIR = 1 };
/// Rotary position embedding of `heads` vectors of d values; the first `rot` are rotated, the others copied.
struct vb_rope_op {
  const vb_z *x;        ///< [T][heads][d]
  const uint64_t *freq; ///< [rot / 2], units of 2^-64 turn per position
  const uint32_t *pos;  ///< [T]
  uint32_t heads, d, rot;
  enum vb_rope_layout layout;
  struct vb_range t, h;
  vb_z *y; ///< [T][heads][d]
};

/// Quantise query heads into records; the softmax scale (times log2 e) is multiplied in first.
struct vb_pack_q_op {
  const vb_z *x; ///< [T][heads][d]
  vb_z scale;
  uint32_t heads, d;
  struct vb_range t, h;
  uint8_t *rec; ///< [T][heads][vb_rec_bytes(d)]
};
/// Quantise key and value heads into cache records.
struct vb_pack_kv_op {
  const vb_z *k, *v; ///< [T][heads][dk], [T][heads][dv]
  uint32_t heads, dk, dv;
  struct vb_range t, h;
  uint8_t *krec; ///< [T][heads][vb_rec_bytes(dk)]
  uint8_t *vrec; ///< [T][heads][vb_val_bytes(dv)]
};

/// The KV cache of one sequence and layer: records by [kv head][position].
struct vb_kv {
  uint8_t *k, *v;
  uint32_t heads, dk, dv, capacity; ///< capacity in positions
  uint32_t length;                  ///< positions filled (the same for all heads)
  uint64_t id;                      ///< unique for every cache ever made or reset: devices key their copies by it
};
static inline uint8_t *vb_kv_key(const struct vb_kv *c, uint32_t head, uint32_t pos) {
  return c->k + ((uint64_t)head * c->capacity + pos) * vb_rec_bytes(c->dk);
}
static inline uint8_t *vb_kv_val(const struct vb_kv *c, uint32_t head, uint32_t pos) {
  return c->v + ((uint64_t)head * c->capacity + pos) * vb_val_bytes(c->dv);
}

/// Causal attention of T consecutive tokens of one sequence. Token t sees keys j in
/// [key.begin, min(key.end, first_count + t)); query head h uses key head h / (heads / kv->heads).
struct vb_attention_op {
  const uint8_t *q; ///< [T][heads] records
  const struct vb_kv *kv;
  uint32_t heads;
  uint32_t first_count; ///< keys visible to token 0 of the array: its position + 1
  struct vb_range t, h, key;
  enum vb_attn_mode mode;
  vb_z *y;       ///< FULL: [T][heads][dv]
  int32_t *m;    ///< [T][heads]; MAX writes, EXP and SUM read (the merged maximum)
  int16_t *em;   ///< [T][heads][VB_EM_ROW]; EXP writes, SUM reads (the merged maximum)
  uint64_t *l;   ///< SUM: [T][heads]
  int64_t *num;  ///< SUM: [T][heads][dv]
};

/// y = SiLU(g) * u over columns `n`.
struct vb_swiglu_op {
  const vb_z *g, *u; ///< [T][cols]
  uint32_t cols;
  struct vb_range t, n;
  vb_z *y;
};

/// y = a + b.
struct vb_add_op {
  const vb_z *a, *b; ///< [T][cols]
  uint32_t cols;
  struct vb_range t, n;
  vb_z *y;
};

/// Select experts from logits and build the dispatch lists (layout.h) over the tokens of `t` only: outputs of token
/// t.begin + i are row i, pair indices count from 0 at t.begin.
struct vb_router_op {
  const vb_z *logits; ///< [T][experts]
  uint32_t experts, k;
  enum vb_score score;
  uint32_t renorm; ///< divide by the sum over the selected experts instead of over all
  vb_z scale;      ///< multiplied into every gate (routed scaling factor)
  struct vb_range t;
  uint32_t *ids;                    ///< [t][k]
  vb_z *gates;                      ///< [t][k]
  uint32_t *hist, *offsets, *list;  ///< [experts], [experts + 1], [t * k]
};

/// Weights of a layer's routed experts, each SwiGLU with `inter` hidden values.
struct vb_experts_w {
  uint32_t experts, dim, inter;
  struct vb_w8 gate, up; ///< rows = experts * inter, cols = dim
  struct vb_w8 down;     ///< rows = experts * dim, cols = inter; max shared: max[e * dim + n] is the same for all e
};
enum vb_experts_mode { VB_EXPERTS_FULL = 0, VB_EXPERTS_HIDDEN = 1, VB_EXPERTS_DOWN = 2 };
/// y[t] = sum over the selected experts of gate * Expert(x[t]), as ONE P2 with concatenated reduction dimension.
/// HIDDEN computes the gated hidden values of pairs whose expert is in `e` and token in `t`, quantised; DOWN adds their
/// products with the down projection, given the largest code over all experts of each token.
struct vb_experts_op {
  const vb_z *x; ///< [T][dim]
  const struct vb_experts_w *w;
  uint32_t k;
  const uint32_t *ids; ///< [T][k]
  const vb_z *gates;   ///< [T][k]
  struct vb_range t, e;
  enum vb_experts_mode mode;
  int8_t *hq;       ///< [T * k][blocks(inter) * 32]: HIDDEN writes, DOWN reads
  uint8_t *hcodes;  ///< [T * k][blocks(inter)]
  uint8_t *hmax;    ///< [T * k] largest code of the pair
  const uint8_t *tmax; ///< [T] DOWN: largest hmax over the token's selected experts, all devices
  int64_t *acc;     ///< DOWN: [T][dim], rows `t` are overwritten
  vb_z *y;          ///< FULL: [T][dim]
};
#endif
