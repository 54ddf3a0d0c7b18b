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

/// y[t][:] = table[tokens[t]][:], times `scale` unless that is 0.
struct vb_embed_op {
  const vb_z *table; ///< [vocab][dim]
  const int32_t *tokens;
  uint32_t vocab, dim;
  vb_z scale; ///< 0: none (Gemma: sqrt(dim) as the checkpoint's dtype rounds it)
  struct vb_range t;
  vb_z *y; ///< [T][dim]
};

/// Norms of `groups` vectors of n values per token (groups = 1: the block norms; heads: q/k norm), one weight vector.
///   RMS:   x * r * w,          r = rsqrt(sum x^2 + eps_n) * sqrt_n
///   L2:    x * r * w,          r = rsqrt(sum x^2 + eps_n), eps_n added to the sum as it is
///   LAYER: (x - mean) as RMS, + bias; mean = (exact sum of aligned integers) * inv_n
enum vb_norm_kind { VB_NORM_RMS = 0, VB_NORM_L2 = 1, VB_NORM_LAYER = 2 };
struct vb_rmsnorm_op {
  const vb_z *x;    ///< [T][groups][n]
  const vb_z *w;    ///< [n], or NULL: no weight
  const vb_z *bias; ///< [n], LAYER only
  uint32_t groups, n;
  enum vb_norm_kind kind;
  vb_z eps_n, sqrt_n; ///< eps * n and sqrt(n), rounded to the carrier at import
  vb_z inv_n;         ///< 1 / n, LAYER only
  struct vb_range t, g;
  vb_z *y; ///< [T][groups][n]
};

/// y = x W^T (+ bias). Exactly one of w8, w14 is set. With `acc`, the raw sums over blocks `b` only, no bias.
/// With `groups` > 1 (the per-head products of absorbed MLA) x is [T][groups][cols], and row n multiplies the vector of
/// group n / (rows / groups); every group's vector is quantised by itself.
struct vb_linear_op {
  const vb_z *x; ///< [T][cols]
  const struct vb_w8 *w8;
  const struct vb_w14 *w14;
  const vb_z *bias;        ///< [rows] or NULL
  uint32_t groups;         ///< 0 or 1: one input vector per token
  struct vb_range t, n, b; ///< tokens, output rows, blocks of the reduction dimension
  vb_z *y;                 ///< [T][rows]
  int64_t *acc;            ///< NULL, or [T][rows] partial sums
};

enum vb_rope_layout { VB_ROPE_HALF = 0, VB_ROPE_PAIR = 1 };
/// Rotary position embedding of `heads` vectors of d values; `rot` of them from `first` on are rotated (and multiplied by
/// `mscale` afterwards, unless that is 0), the others copied.
struct vb_rope_op {
  const vb_z *x;        ///< [T][heads][d]
  const uint64_t *freq; ///< [rot / 2], units of 2^-64 turn per position
  const uint32_t *pos;  ///< [T]
  uint32_t heads, d, first, rot;
  enum vb_rope_layout layout;
  vb_z mscale;
  struct vb_range t, h;
  vb_z *y; ///< [T][heads][d]
};

/// Quantise query heads into records; the softmax scale (times log2 e) is multiplied in first. In order: if `floor_scale`,
/// times 1 + temperature * ln(1 + floor((pos + 1) / floor_scale)) (Llama 4 layers without RoPE); times `scale` (0: none);
/// if `hadamard`, rotated (d a power of two up to 128; docs/numerics.md, indexer rotation).
struct vb_pack_q_op {
  const vb_z *x; ///< [T][heads][d]
  vb_z scale;
  const uint32_t *pos;  ///< [T], only with floor_scale
  uint32_t floor_scale; ///< 0: none
  vb_z temperature;
  uint32_t hadamard;
  uint32_t heads, d;
  struct vb_range t, h;
  uint8_t *rec; ///< [T][heads][vb_rec_bytes(d)]
};
/// Quantise key and value heads into cache records. Without v (dv = 0) there are no values of their own: the indexer's keys,
/// and the latent of absorbed MLA, whose first elements are the values.
struct vb_pack_kv_op {
  const vb_z *k, *v; ///< [T][heads][dk], [T][heads][dv] or NULL
  uint32_t hadamard; ///< rotate the keys first
  uint32_t heads, dk, dv;
  struct vb_range t, h;
  uint8_t *krec; ///< [T][heads][vb_rec_bytes(dk)]
  uint8_t *vrec; ///< [T][heads][vb_val_bytes(dv)]
};

/// The KV cache of one sequence and layer: records by [kv head][position]. v == NULL: the values of a position are the
/// first dv elements of its key record, with the codes of those blocks (absorbed MLA: dk 576, dv 512).
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

/// Causal attention of T consecutive tokens of one sequence. Token t is at position p = first_count - 1 + t and sees keys j in
/// [key.begin, min(key.end, p + 1)); query head h uses key head h / (heads / kv->heads). Further restrictions:
///   window: j > p - window;  chunk: j >= p - p % chunk; neither applies to the first `keep` keys (attention sinks that are
///   tokens);  list: j is one of list[t][0..list_count[t]) (ascending), or in one of these blocks of list_block keys.
/// A sink logit is one more score without a value, per head: it enters m and L of FULL, and the merge of a key split.
/// Soft-cap: scores are cap * tanh(score / cap); `cap` is RNE(cap * log2 e * 2^24) and the query scale then holds
/// scale * 2 * log2 e / cap.
struct vb_attention_op {
  const uint8_t *q; ///< [T][heads] records
  const struct vb_kv *kv;
  uint32_t heads;
  uint32_t first_count;       ///< keys visible to token 0 of the array: its position + 1
  uint32_t window, chunk;     ///< 0: none
  uint32_t keep;              ///< keys below are seen in spite of window and chunk
  const uint32_t *list;       ///< [T][list_stride] key positions or block numbers, or NULL: all
  const uint32_t *list_count; ///< [T] entries
  uint32_t list_stride;
  uint32_t list_block; ///< 0, 1: entries are keys; else a power of two: entry i stands for keys i * list_block ...
  const vb_z *sinks;   ///< [heads] or NULL
  int64_t cap;         ///< 0: none
  struct vb_range t, h, key;
  enum vb_attn_mode mode;
  vb_z *y;      ///< FULL: [T][heads][dv]
  int32_t *m;   ///< [T][heads]; MAX writes, EXP and SUM read (the merged maximum)
  int16_t *em;  ///< [T][heads][VB_EM_ROW]; EXP writes, SUM reads (the merged maximum)
  uint64_t *l;  ///< SUM: [T][heads]
  int64_t *num; ///< SUM: [T][heads][dv]
};

/// The keys that token t sees by their position, in ascending order: [begin, kept) and [start, end), either empty. A list
/// restricts them further.
struct vb_seen {
  uint32_t begin, kept, start, end;
};
static inline struct vb_seen vb_attention_seen(const struct vb_attention_op *op, uint32_t t) {
  uint32_t p = op->first_count - 1 + t, low = 0;
  struct vb_seen s = {op->key.begin, op->key.begin, op->key.begin, op->key.end < p + 1 ? op->key.end : p + 1};
  if (op->window && p >= op->window) low = p - op->window + 1;
  if (op->chunk && p - p % op->chunk > low) low = p - p % op->chunk;
  if (low > op->keep && low > s.begin) { // keys before low are out of sight, but for those kept
    uint32_t kept = op->keep < s.end ? op->keep : s.end;
    if (kept > s.begin) s.kept = kept;
    s.start = low;
  }
  if (s.start >= s.end) s.start = s.end = s.kept;
  return s;
}

/// y = act(g) * u over columns `n`: SwiGLU, GeGLU, and the output gates (SIGMOID: sigmoid(g) * u). u == NULL: y = act(g).
enum vb_act { VB_ACT_SILU = 0, VB_ACT_GELU_TANH = 1, VB_ACT_SIGMOID = 2 };
struct vb_swiglu_op {
  const vb_z *g, *u; ///< [T][cols]
  uint32_t cols;
  enum vb_act act;
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

/// Cut and join: y[t][h] = [a's slice of head h | b's slice of head h]. A source with one head serves all heads; b.len may be 0.
struct vb_piece {
  const vb_z *x; ///< [T][heads][width]
  uint32_t heads, width, first, len;
};
struct vb_join_op {
  struct vb_piece a, b;
  uint32_t heads;
  struct vb_range t, h;
  vb_z *y; ///< [T][heads][a.len + b.len]
};

/// y = cap * tanh(x / cap): the soft-cap of final logits.
struct vb_softcap_op {
  const vb_z *x; ///< [T][cols]
  vb_z cap, inv_cap;
  uint32_t cols;
  struct vb_range t, n;
  vb_z *y;
};

/// Depthwise causal convolution of width 4 with SiLU, tokens of one sequence:
/// y[t] = SiLU((w0 u[t-3] + w1 u[t-2]) + (w2 u[t-1] + w3 u[t])); `history` holds the three inputs before token 0 (zeros at the start).
struct vb_conv_op {
  const vb_z *x;       ///< [T][cols]
  const vb_z *w;       ///< [cols][4]
  const vb_z *history; ///< [3][cols], oldest first
  uint32_t cols;
  struct vb_range t, n;
  vb_z *y; ///< [T][cols]
};

/// State of the gated delta rule for one sequence and layer (docs/numerics.md): value S[i][j] = m * 2^(c[j]) * 2^(-g / 2^31).
struct vb_delta_state {
  int32_t *m;   ///< [heads][dk][dv], |m| < 2^26
  int32_t *c;   ///< [heads][dv] column exponents
  int32_t *len; ///< [heads][dv] bit length of the column's largest |m|; 0: the column is zero
  uint32_t *g;  ///< [heads] pending decay, below 2^31
};
/// Gated delta rule, token by token, tokens of one sequence. q and k are L2-normalised; value head h uses key head
/// h / (heads / key_heads). For the heads of `h`, `before` is read and `after` written (they may not be the same memory). All
/// tokens are run: a recurrence has no token range.
struct vb_delta_op {
  const vb_z *q, *k;   ///< [T][key_heads][dk]
  const vb_z *v;       ///< [T][heads][dv]
  const vb_z *b, *a;   ///< [T][heads] logits of beta and of the decay
  const vb_z *ea;      ///< [heads] exp(A_log), by EXPZ at import
  const vb_z *dt_bias; ///< [heads]
  vb_z scale;          ///< dk^-1/2
  uint32_t tokens, heads, key_heads, dk, dv;
  struct vb_range h;
  struct vb_delta_state before, after;
  vb_z *y; ///< [T][heads][dv]
};

/// DSA lightning indexer, tokens of one sequence: per key the sum over heads of w * ReLU(q . k), then the exact top-k by the total
/// order; token t (position p) sees keys 0..p and gets min(k, p + 1) of them, ascending.
enum vb_indexer_mode { VB_INDEXER_FULL = 0, VB_INDEXER_SCORES = 1 };
struct vb_indexer_op {
  const uint8_t *q;       ///< [T][heads] records
  const vb_z *w;          ///< [T][heads] head weights, constants folded in
  vb_z w_scale;           ///< times this (heads^-1/2 * d^-1/2)
  const struct vb_kv *kv; ///< one head, no values
  uint32_t heads, k, first_count;
  struct vb_range t, key;
  enum vb_indexer_mode mode;
  uint32_t *score; ///< SCORES: ordered keys [T][score_stride], written for the keys in range that the token sees
  uint32_t score_stride;
  uint32_t *list;  ///< FULL: [T][k]; entries from the count on are 0
  uint32_t *count; ///< FULL: [T]
};

/// Select experts from logits and build the dispatch lists (layout.h) over the tokens of `t` only: outputs of token
/// t.begin + i are row i, pair indices count from 0 at t.begin.
struct vb_router_op {
  const vb_z *logits; ///< [T][experts]
  uint32_t experts, k;
  enum vb_score score;
  uint32_t
      renorm; ///< divide by the sum over the selected experts (softmax: instead of over all; sigmoid: instead of by 1)
  vb_z scale; ///< multiplied into every gate (routed scaling factor)
  const vb_z *bias;             ///< [experts] added to the scores for the selection only (sigmoid), or NULL
  uint32_t groups, topk_groups; ///< 0: none. Groups of experts / groups; only the best topk_groups may be selected from
  uint32_t group_top;           ///< a group's rank is the sum of its this many best scores: 1 or 2
  /// Pairs are dropped whose gate, before the scale, is below the threshold (+0 or positive; 0: none), and of what is left
  /// those beyond the first `capacity` of their expert in the order of tokens (0: none). A dropped pair keeps its id, has the
  /// gate +0, is not counted and not listed; sums over the selected experts include it.
  vb_z threshold;
  uint32_t capacity;
  struct vb_range t;
  uint32_t *ids;                   ///< [t][k] ascending
  vb_z *gates;                     ///< [t][k]
  uint32_t *hist, *offsets, *list; ///< [experts], [experts + 1], [t * k]: 0xffffffff behind the last listed pair
};
/// The gate of a dropped pair while the lists are made; no carrier value.
#define VB_DROPPED 0x80000000u

/// Weights of a layer's experts, each a gated MLP with `inter` hidden values, and of its shared expert (shared_inter values; 0: none).
/// GPT_OSS: g = min(g, limit), u = clamp(u, -limit, limit), hidden = g * sigmoid(1.702 g) * (u + 1).
enum vb_expert_act { VB_EXPERT_SWIGLU = 0, VB_EXPERT_GPT_OSS = 1 };
struct vb_experts_w {
  uint32_t experts, dim, inter, shared_inter;
  enum vb_expert_act act;
  vb_z limit;          ///< GPT_OSS: the clamp (7 in the published models)
  uint32_t gate_input; ///< Llama 4: the gate multiplies the routed expert's input instead of its hidden values
  const vb_z *gate_bias, *up_bias, *down_bias; ///< [experts * inter] twice, [experts * dim]; all NULL or none
  struct vb_w8 shared_gate, shared_up,
      shared_down;       ///< as below, for one expert; shared_down.max is also the shared maximum
  struct vb_w8 gate, up; ///< rows = experts * inter, cols = dim
  struct vb_w8 down;     ///< rows = experts * dim, cols = inter; max shared: max[e * dim + n] is the same for all e
};
enum vb_experts_mode { VB_EXPERTS_FULL = 0, VB_EXPERTS_HIDDEN = 1, VB_EXPERTS_DOWN = 2 };
/// y[t] = sum over the selected experts of gate * Expert(x[t]), as ONE P2 with concatenated reduction dimension.
/// The shared expert is number w->experts of the axis `e`. Its hidden values are multiplied by shared_scale[t] where given. Down biases: gate * bias, added in ascending expert order to the finished sum by FULL and by the merge.
/// HIDDEN computes the gated hidden values of pairs whose expert is in `e` and token in `t`, quantised; DOWN adds their
/// products with the down projection, given the largest code over all experts of each token.
struct vb_experts_op {
  const vb_z *x; ///< [T][dim]
  const struct vb_experts_w *w;
  uint32_t k;
  const uint32_t *ids;      ///< [T][k]
  const vb_z *gates;        ///< [T][k]
  const vb_z *shared_scale; ///< [T] or NULL
  struct vb_range t, e;     ///< e: of experts + 1 where there is a shared expert
  enum vb_experts_mode mode;
  int8_t *hq;          ///< [T * k][blocks(inter) * 32]: HIDDEN writes, DOWN reads
  uint8_t *hcodes;     ///< [T * k][blocks(inter)]
  uint8_t *hmax;       ///< [T * k] largest code of the pair
  int8_t *shq;         ///< the same for the shared expert: [T][blocks(shared_inter) * 32]
  uint8_t *shcodes;    ///< [T][blocks(shared_inter)]
  uint8_t *shmax;      ///< [T]
  const uint8_t *tmax; ///< [T] DOWN: largest code over the token's experts and the shared one, all devices
  int64_t *acc;        ///< DOWN: [T][dim], rows `t` are overwritten
  vb_z *y;             ///< FULL: [T][dim]
};
#endif
