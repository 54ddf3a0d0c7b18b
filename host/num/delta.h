// SPDX-License-Identifier: Apache-2.0
/// @file delta.h
/// Scalars of the gated delta rule (docs/numerics.md).
#ifndef VERBATIM_NUM_DELTA_H
#define VERBATIM_NUM_DELTA_H
#include "num/func.h"

/// A component of an L2-normalised query or key in Q1.14.
static inline int32_t vb_delta_q14(vb_z x) {
  int64_t v = vb_shr_rne(vb_man(x), -(vb_expb(x) - 150 + 14));
  return (int32_t)(v > 16384 ? 16384 : v < -16384 ? -16384 : v);
}

/// Decay of one step in octaves, Q.31: softplus(a + dt_bias) * exp(A_log) * log2(e), capped at 128 octaves. exp(A_log) < 2^23.
static inline uint64_t vb_delta_decay(vb_z a, vb_z dt_bias, vb_z ea) {
  const uint64_t cap = (uint64_t)1 << 38;
  uint64_t s = vb_softplus2(vb_add(a, dt_bias)); // below 2^39
  if (!s || !ea) return 0;
  unsigned __int128 p = s;
  p *= (uint32_t)vb_man(ea);
  int shift = 150 - vb_expb(ea);
  if (shift <= 0) return p << -shift > cap ? cap : (uint64_t)(p << -shift);
  if (shift > 100) return 0;
  p = (p >> shift) + (p >> (shift - 1) & 1);
  return p > cap ? cap : (uint64_t)p;
}
#endif
