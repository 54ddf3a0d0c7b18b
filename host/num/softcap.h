// SPDX-License-Identifier: Apache-2.0
/// @file softcap.h
/// Soft-capped attention scores (docs/numerics.md): tanh straight from the exact accumulator.
#ifndef VERBATIM_NUM_SOFTCAP_H
#define VERBATIM_NUM_SOFTCAP_H
#include "num/func.h"

/// acc * 2^e holds 2 log2(e) score / cap; `cap` is RNE(cap * log2(e) * 2^24). Returns cap * tanh(score / cap) * log2(e), Q15.16.
/// The accumulator goes to Q7.24, because Q15.16 would leave steps of 2.6e-4 nat.
static inline int32_t vb_softcap_score(int64_t acc, int e, int64_t cap) {
  int32_t z = vb_fixed(acc, e, 24);
  int i;
  uint64_t t = (uint64_t)(z < 0 ? -(int64_t)z : z) << 7;
  int64_t x = vb_exp2_q31(t, &i);
  uint64_t p = vb_shr_rhu((uint64_t)x, i);
  int64_t th = vb_shr_rne((((int64_t)1 << 31) - (int64_t)p) * vb_recip1p(p), 31);
  int64_t s = vb_shr_rne(th * cap, 39);
  return (int32_t)(z < 0 ? -s : s);
}
#endif
