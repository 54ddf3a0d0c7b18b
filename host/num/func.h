// SPDX-License-Identifier: Apache-2.0
/// @file func.h
/// Nonlinear functions of the contract: one table evaluator, exact integers (docs/numerics.md, functions).
#ifndef VERBATIM_NUM_FUNC_H
#define VERBATIM_NUM_FUNC_H
#include "num/num.h"

/// Q7: the shared evaluator. f is a 31-bit fraction; 128 segments, quadratic, both products fit 64 bits.
static inline int64_t vb_q7(const int64_t (*tab)[3], uint32_t f) {
  const int64_t *c = tab[f >> 24];
  int64_t dx = f & 0xffffff, half = 1 << 23;
  return c[0] + (((c[1] + ((c[2] * dx + half) >> 24)) * dx + half) >> 24);
}

/// |x| * log2(e) in Q.31, capped at 2^38 (128 octaves: below every carrier value).
static inline uint64_t vb_t31(vb_z x) {
  const uint64_t log2e_q38 = 396564993198u, cap = (uint64_t)1 << 38;
  if (!x) return 0;
  uint64_t p = (uint64_t)((x & 0x7fffff) | 0x800000) * log2e_q38;
  int s = 157 - vb_expb(x);
  if (vb_msb(p) - s > 38) return cap;
  uint64_t t = vb_shr_rhu(p, s);
  return t > cap ? cap : t;
}

/// 2^-(t / 2^31) = mantissa (in (2^30, 2^31], Q.31) * 2^-*i.
static inline int64_t vb_exp2_q31(uint64_t t, int *i) {
  *i = (int)(t >> 31);
  return vb_q7(vb_exp2_tab, (uint32_t)(t & 0x7fffffff));
}

/// 2^31 / (1 + z / 2^31) for 0 <= z <= 2^31.
static inline int64_t vb_recip1p(uint64_t z) {
  return z >= (uint64_t)1 << 31 ? (int64_t)1 << 30 : vb_q7(vb_recip_tab, (uint32_t)z);
}

/// Logistic function; relative error 2^-23.
static inline vb_z vb_sigmoid(vb_z x) {
  int i;
  int64_t e = vb_exp2_q31(vb_t31(x), &i), y = vb_recip1p(vb_shr_rhu((uint64_t)e, i));
  return x >> 31 ? vb_norm(e * y, -62 - i) : vb_norm(y, -31);
}

static inline vb_z vb_silu(vb_z x) { return vb_mul(x, vb_sigmoid(x)); }

/// tanh; absolute error 2^-24.
static inline vb_z vb_tanh(vb_z x) {
  int i;
  int64_t e = vb_exp2_q31(2 * vb_t31(x), &i);
  uint64_t z = vb_shr_rhu((uint64_t)e, i);
  vb_z r = vb_norm((((int64_t)1 << 31) - (int64_t)z) * vb_recip1p(z), -62);
  return x >> 31 ? vb_neg(r) : r;
}

/// GELU in its tanh form, x * sigmoid(1.5957691 x (1 + 0.044715 x^2)): tanh itself is not needed.
static inline vb_z vb_gelu_tanh(vb_z x) {
  const vb_z c = 0x3d372713u /* 0.044715 */, s = 0x3fcc422au /* 2 sqrt(2 / pi) */;
  vb_z p = vb_add(VB_Z_ONE, vb_mul(vb_mul(x, x), c));
  return vb_mul(x, vb_sigmoid(vb_mul(vb_mul(x, p), s)));
}

/// log2(1 + z / 2^31) in Q.31 for 0 <= z <= 2^31.
static inline int64_t vb_log2_1p(uint64_t z) {
  return z >= (uint64_t)1 << 31 ? (int64_t)1 << 31 : vb_q7(vb_log2_tab, (uint32_t)z);
}

/// softplus(x) * log2(e) in Q.31; absolute error 2^-26.
static inline uint64_t vb_softplus2(vb_z x) {
  int i;
  uint64_t t = vb_t31(x);
  int64_t e = vb_exp2_q31(t, &i);
  return (x >> 31 ? 0 : t) + (uint64_t)vb_log2_1p(vb_shr_rhu((uint64_t)e, i));
}

/// e^x for constants, at import (exp(A_log)).
static inline vb_z vb_expz(vb_z x) {
  int i;
  uint64_t t = vb_t31(x);
  if (x >> 31) {
    int64_t e = vb_exp2_q31(t, &i);
    return vb_norm(e, -31 - i);
  }
  uint64_t k = (t + 0x7fffffff) >> 31;
  return vb_norm(vb_exp2_q31((k << 31) - t, &i), (int)k - 31);
}

/// 1 / sqrt(x) for x > 0; RSQ(0) = 0. x < 0 does not occur (sums of squares).
static inline vb_z vb_rsq(vb_z x) {
  if (!x) return 0;
  int e = vb_expb(x) - 127;
  uint32_t f = (x & 0x7fffff) << 8;
  return vb_norm(vb_q7(e & 1 ? vb_rsqb_tab : vb_rsqa_tab, f), -31 - (e >> 1));
}

/// log2 of a positive integer, Q.31.
static inline int64_t vb_log2i(uint64_t n) {
  int e;
  uint32_t u = vb_norm_u32(n, &e);
  return ((int64_t)(e + 31) << 31) + vb_q7(vb_log2_tab, u & 0x7fffffff);
}
#endif
