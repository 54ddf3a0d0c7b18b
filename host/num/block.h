// SPDX-License-Identifier: Apache-2.0
/// @file block.h
/// Block formats I8 and I14 and the block dot product P2 (docs/numerics.md).
#ifndef VERBATIM_NUM_BLOCK_H
#define VERBATIM_NUM_BLOCK_H
#include "num/num.h"
#include "verbatim/layout.h"
#include <stddef.h>

/// Quantise n <= 32 carrier values to one I8 block; q[n..31] become 0. Returns the code c (0: all zero):
/// one unit is worth 2^(c - 127). The producer keeps the largest code of a row with the row.
static inline uint8_t vb_quant_i8(const vb_z *x, uint32_t n, int8_t q[VB_BLOCK]) {
  int e = 0;
  memset(q, 0, VB_BLOCK);
  for (uint32_t i = 0; i < n; i++)
    if (x[i] && vb_expb(x[i]) > e) e = vb_expb(x[i]);
  if (!e) return 0;
  for (uint32_t i = 0; i < n; i++) {
    int64_t v = vb_shr_rne(vb_man(x[i]), 17 + e - vb_expb(x[i]));
    q[i] = (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
  }
  return (uint8_t)(e - 6);
}

/// The same with 14-bit elements, for router logits: clamp +-8191, code c = e - 12.
static inline uint8_t vb_quant_i14(const vb_z *x, uint32_t n, int16_t q[VB_BLOCK]) {
  int e = 0;
  memset(q, 0, VB_BLOCK * sizeof *q);
  for (uint32_t i = 0; i < n; i++)
    if (x[i] && vb_expb(x[i]) > e) e = vb_expb(x[i]);
  if (!e) return 0;
  for (uint32_t i = 0; i < n; i++) {
    int64_t v = vb_shr_rne(vb_man(x[i]), 11 + e - vb_expb(x[i]));
    q[i] = (int16_t)(v > 8191 ? 8191 : v < -8191 ? -8191 : v);
  }
  return (uint8_t)(e - 12);
}

/// Quantise a row of n values: blocks(n) codes, padded elements; returns the row's largest code.
uint8_t vb_quant_row_i8(const vb_z *x, uint32_t n, int8_t *q, uint8_t *codes);
uint8_t vb_quant_row_i14(const vb_z *x, uint32_t n, int16_t *q, uint8_t *codes);

/// One block's contribution to P2: SHR_RNE(d, s - 8) with s = (EA - ea) + (EW - ew) >= 0. The 8 guard bits keep
/// blocks up to 2^8 below the largest exact; for I8 every term with s >= 28 is 0 because |d| < 2^19.
static inline int64_t vb_p2_term(int32_t d, int s) { return vb_shr_rne(d, s - 8); }

/// P2 over nb blocks: the exact, order-free sum of all terms. The value is acc * 2^(EA + EW - 254 - 8).
int64_t vb_p2_i8(const int8_t *a, const uint8_t *ea, int a_max, const int8_t *w, const uint8_t *ew, int w_max,
                 uint32_t nb);
int64_t vb_p2_i14(const int16_t *a, const uint8_t *ea, int a_max, const int16_t *w, const uint8_t *ew, int w_max,
                  uint32_t nb);

/// The carrier value of a finished P2 accumulator.
static inline vb_z vb_p2_norm(int64_t acc, int a_max, int w_max) { return vb_norm(acc, a_max + w_max - 254 - 8); }

/// Fill a query or key record from d carrier values (layout.h). For keys, vcodes gives the value codes (dv / 32 of them).
void vb_rec_fill(const vb_z *x, uint32_t d, uint8_t *rec);
/// Fill a value record (bare elements) and put its block codes into the matching key record.
void vb_val_fill(const vb_z *x, uint32_t dv, uint8_t *val, uint8_t *key_rec);
#endif
