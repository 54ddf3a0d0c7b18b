// SPDX-License-Identifier: Apache-2.0
/// @file dot.h
/// Inner kernels of the CPU operators, one table per instruction set, chosen once at run time by cpuid.
///
/// All sums are exact integers, so each table may group and reorder as its vectors like. Where a kernel uses floating
/// point it is only for exact steps (powers of two, integers below 2^24) and for roundings whose mode is in the
/// instruction, so FTZ, DAZ and the rounding mode of the caller do not matter.
#ifndef VERBATIM_CPU_DOT_H
#define VERBATIM_CPU_DOT_H
#include "num/block.h"
#include "verbatim/ops.h"
#include <stdbool.h>
#include <stddef.h>

enum {
  VB_TILE = 16,       ///< tokens or queries side by side in the lanes of a tile
  VB_TILE_ROWS = 32,  ///< weight rows per tile_p2 call
  VB_TILES = 4,       ///< tiles per tile_p2 call
  VB_ROW_GROUP = 8,   ///< weight rows that the row kernels stream at once
  VB_ATTN_CHUNK = 64, ///< keys per step of the attention passes
  VB_DELTA_COLS = 32  ///< state columns per tile of the gated delta rule
};

/// One quantised activation row.
struct vb_act8 {
  const int8_t *q;
  const uint8_t *codes;
  int max;
};
struct vb_act14 {
  const int16_t *q;
  const uint8_t *codes;
  int max;
};

/// Up to 16 query rows of one key head against n keys of the cache: those listed in `index`, or begin .. begin + n.
/// Lane i sees the first kept[i] of them and the count[i] from start[i] on; unused lanes repeat a query and see none.
struct vb_attn_tile {
  const struct vb_kv *kv;
  uint32_t head, begin, n;
  const uint32_t *index; ///< [n] positions, or NULL
  int64_t cap;           ///< of the scores; 0: none
  struct vb_act8 q[VB_TILE];
  _Alignas(64) uint32_t kept[VB_TILE];
  _Alignas(64) uint32_t start[VB_TILE];
  _Alignas(64) uint32_t count[VB_TILE];
  _Alignas(64) int32_t m[VB_TILE];             ///< scores: written; em, sum: read
  _Alignas(64) int32_t em[VB_EM_ROW][VB_TILE]; ///< em: written (VB_EM_NONE: nothing); sum: read
  _Alignas(64) uint64_t l[VB_TILE];            ///< sum: written
  int64_t *num;                                ///< [VB_TILE][val_bytes(dv)], sum: written
  int32_t *s;                                  ///< [n][VB_TILE], scores: written; em, sum: read
  uint8_t *work;                               ///< attn_work bytes, 64-byte aligned
  uint32_t lanes;                              ///< used lanes, from 0
};

static inline const uint8_t *vb_attn_key(const struct vb_attn_tile *t, uint32_t j) {
  return vb_kv_key(t->kv, t->head, t->index ? t->index[j] : t->begin + j);
}
/// Codes and elements of key j's values: a record of their own, or the first elements of the key.
static inline const uint8_t *vb_attn_codes(const struct vb_attn_tile *t, uint32_t j) {
  return vb_attn_key(t, j) + (t->kv->v ? VB_REC_VCODES : 0);
}
static inline const int8_t *vb_attn_val(const struct vb_attn_tile *t, uint32_t j) {
  const struct vb_kv *kv = t->kv;
  return (const int8_t *)(kv->v ? vb_kv_val(kv, t->head, t->index ? t->index[j] : t->begin + j)
                                : vb_attn_key(t, j) + VB_REC_HEADER);
}
static inline bool vb_attn_sees(const struct vb_attn_tile *t, uint32_t lane, uint32_t j) {
  return j < t->kept[lane] || j - t->start[lane] < t->count[lane];
}

/// A tile of state columns of one value head; columns that do not exist are zero.
struct vb_delta_tile {
  int32_t *m; ///< [dk][VB_DELTA_COLS], 64-byte aligned
  _Alignas(64) int32_t c[VB_DELTA_COLS];
  _Alignas(64) int32_t len[VB_DELTA_COLS];
};

struct vb_isa {
  const char *name;
  bool (*supported)(void);
  /// vb_quant_row_i8.
  uint8_t (*quant_i8)(const vb_z *x, uint32_t n, int8_t *q, uint8_t *codes);
  /// z[i] = NORM(acc[i], codes[i] + e); |acc[i]| < 2^53.
  void (*norm)(const int64_t *acc, const uint8_t *codes, int e, uint32_t n, vb_z *z);
  /// z[i] = NORM(acc[i], e[i] + add); |acc[i]| < 2^53.
  void (*norm_each)(const int64_t *acc, const int32_t *e, int add, uint32_t n, vb_z *z);
  /// P2 of one activation row with rows row .. row + rows of w, over blocks b: acc[0 .. rows).
  void (*p2_i8)(const struct vb_w8 *w, uint32_t row, uint32_t rows, const struct vb_act8 *a, struct vb_range b,
                int64_t *acc);
  void (*p2_i14)(const struct vb_w14 *w, uint32_t row, uint32_t rows, const struct vb_act14 *a, struct vb_range b,
                 int64_t *acc);
  /// Many tokens: n <= 16 rows interleaved so that a lane is a token; tile_block bytes per block. 0: no such kernel.
  size_t tile_block;
  void (*tile_pack)(const struct vb_act8 *a, uint32_t n, struct vb_range b, uint8_t *pack);
  /// rows <= VB_TILE_ROWS, tiles <= VB_TILES; packs of blocks b, back to back; acc[tile][VB_TILE_ROWS][VB_TILE].
  void (*tile_p2)(const struct vb_w8 *w, uint32_t row, uint32_t rows, struct vb_range b, const uint8_t *packs,
                  uint32_t tiles, int64_t *acc);
  /// sum[r] += the weighted sum over lanes of max(0, acc[r]); weights of 16 bits, acc[r] of key records (< 2^32).
  void (*relu_dot)(const int64_t (*acc)[VB_TILE], const int64_t *weight, uint32_t rows, int64_t *sum);
  /// Carrier arithmetic of n values.
  void (*add)(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y); ///< y may be a
  void (*mul)(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y); ///< y may be a
  void (*mul_scalar)(const vb_z *a, vb_z b, uint32_t n, vb_z *y); ///< y may be a
  void (*silu_mul)(const vb_z *g, const vb_z *u, uint32_t n, vb_z *y);
  void (*sigmoid)(const vb_z *x, uint32_t n, vb_z *y); ///< y may be x
  void (*tanh)(const vb_z *x, uint32_t n, vb_z *y);    ///< y may be x
  vb_z (*sum_squares)(const vb_z *x, uint32_t n);      ///< of the RMS norm
  /// The attention passes.
  size_t (*attn_work)(const struct vb_kv *kv);
  void (*attn_scores)(struct vb_attn_tile *t); ///< s and m
  void (*attn_em)(struct vb_attn_tile *t);
  void (*attn_sum)(struct vb_attn_tile *t);
  /// Gated delta rule on a tile of columns: p[j] = sum k[i] m[i][j], u[j] = sum q[i] m[i][j] ...
  void (*delta_sums)(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u);
  /// ... and m[i][j] += k[i] * d[j] on a new exponent. d is 64-byte aligned; k_bits: length of the largest |k[i]|, not
  /// 0.
  void (*delta_update)(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d);
};

extern const struct vb_isa vb_isa_portable;
#if defined(__x86_64__)
extern const struct vb_isa vb_isa_avx2, vb_isa_avx512vnni;
#endif

/// The table in use; selects it on the first call (an unusable VERBATIM_ISA then ends the process with status 2).
const struct vb_isa *vb_cpu_isa(void);

// Kernels of the tables that live in other files (portable.c, vec_*.c, attn_*.c).
void vb_portable_add(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y);
void vb_portable_mul(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y);
void vb_portable_mul_scalar(const vb_z *a, vb_z b, uint32_t n, vb_z *y);
void vb_portable_silu_mul(const vb_z *g, const vb_z *u, uint32_t n, vb_z *y);
vb_z vb_portable_sum_squares(const vb_z *x, uint32_t n);
void vb_avx512_add(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y);
void vb_avx512_mul(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y);
void vb_avx512_mul_scalar(const vb_z *a, vb_z b, uint32_t n, vb_z *y);
void vb_avx512_silu_mul(const vb_z *g, const vb_z *u, uint32_t n, vb_z *y);
vb_z vb_avx512_sum_squares(const vb_z *x, uint32_t n);
void vb_portable_norm_each(const int64_t *acc, const int32_t *e, int add, uint32_t n, vb_z *z);
void vb_portable_sigmoid(const vb_z *x, uint32_t n, vb_z *y);
void vb_portable_tanh(const vb_z *x, uint32_t n, vb_z *y);
void vb_avx512_norm_each(const int64_t *acc, const int32_t *e, int add, uint32_t n, vb_z *z);
void vb_avx512_sigmoid(const vb_z *x, uint32_t n, vb_z *y);
void vb_avx512_tanh(const vb_z *x, uint32_t n, vb_z *y);
void vb_portable_relu_dot(const int64_t (*acc)[VB_TILE], const int64_t *weight, uint32_t rows, int64_t *sum);
void vb_portable_scores(struct vb_attn_tile *t);
size_t vb_avx2_attn_work(const struct vb_kv *kv);
void vb_avx2_attn_scores(struct vb_attn_tile *t);
void vb_avx2_attn_em(struct vb_attn_tile *t);
void vb_avx2_attn_sum(struct vb_attn_tile *t);
size_t vb_avx512_attn_work(const struct vb_kv *kv);
void vb_avx512_attn_scores(struct vb_attn_tile *t);
void vb_avx512_attn_em(struct vb_attn_tile *t);
void vb_avx512_attn_sum(struct vb_attn_tile *t);
size_t vb_portable_attn_work(const struct vb_kv *kv);
void vb_portable_attn_em(struct vb_attn_tile *t);
void vb_portable_attn_sum(struct vb_attn_tile *t);
void vb_portable_delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u);
void vb_portable_delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d);
void vb_avx2_delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u);
void vb_avx2_delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d);
void vb_avx512_delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u);
void vb_avx512_delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d);
#endif
