// SPDX-License-Identifier: Apache-2.0
/// @file num.h
/// The order-free numeric contract: carrier, rounding and integer functions (docs/numerics.md).
///
/// Only the primitives in this file may round. Everything is integer arithmetic: no libm, no floating
/// point environment, no dependence on the order of evaluation. Pure functions, no allocation, no state.
#ifndef VERBATIM_NUM_NUM_H
#define VERBATIM_NUM_NUM_H
#include "num/tables.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/// F32Z, the carrier between operators: the bits of an IEEE float restricted to +0 and normal numbers
/// with 2^-62 <= |x| < 2^64. No -0, subnormal, infinity or NaN.
typedef uint32_t vb_z; // C11 allows this to repeat the one in verbatim/ops.h

enum { VB_Z_EMIN = -62, VB_Z_EMAX = 63 };
#define VB_Z_ONE 0x3f800000u
#define VB_Z_LOG2E 0x3fb8aa3bu ///< log2(e) rounded to 24 bits
#define VB_Z_LN2 0x3f317218u   ///< ln(2) rounded to 24 bits

/// Signed shift right by s, round half to even; s < 0 shifts left (caller guarantees no overflow); s > 62 gives 0.
static inline int64_t vb_shr_rne(int64_t x, int s) {
  if (s <= 0) return s < -62 ? 0 : (int64_t)((uint64_t)x << -s);
  if (s > 62) return 0;
  int64_t y = x >> s;
  uint64_t rest = (uint64_t)x & (((uint64_t)1 << s) - 1), half = (uint64_t)1 << (s - 1);
  return y + (rest > half || (rest == half && (y & 1)));
}

/// Unsigned shift right by s, round half up; s < 0 shifts left; s > 64 gives 0 (64 may still round to 1).
static inline uint64_t vb_shr_rhu(uint64_t x, int s) {
  if (s <= 0) return s < -63 ? 0 : x << -s;
  if (s > 64) return 0;
  if (s == 64) return x >> 63;
  return (x >> s) + ((x >> (s - 1)) & 1);
}

/// Index of the highest set bit; x > 0.
static inline int vb_msb(uint64_t x) { return 63 - __builtin_clzll(x); }

/// Mantissa of x as a signed 24-bit integer: x = MAN * 2^(EXPB - 150); 0 for +0.
static inline int32_t vb_man(vb_z x) {
  if (!(x << 1)) return 0;
  int32_t m = (int32_t)((x & 0x7fffff) | 0x800000);
  return x >> 31 ? -m : m;
}
/// Biased exponent field.
static inline int vb_expb(vb_z x) { return (int)(x >> 23 & 255); }
static inline vb_z vb_neg(vb_z x) { return x ? x ^ 0x80000000u : 0; }
static inline bool vb_z_valid(vb_z x) {
  return x == 0 || (vb_expb(x) >= 127 + VB_Z_EMIN && vb_expb(x) <= 127 + VB_Z_EMAX);
}

/// NORM: the carrier value of n * 2^e. RNE to 24 bits; below 2^-62 becomes +0, from 2^64 on saturates.
static inline vb_z vb_norm(int64_t n, int e) {
  if (!n) return 0;
  uint32_t sign = n < 0 ? 0x80000000u : 0;
  uint64_t a = n < 0 ? 0 - (uint64_t)n : (uint64_t)n, m;
  int top = vb_msb(a);
  if (top > 23) {
    int s = top - 23;
    uint64_t rest = a & (((uint64_t)1 << s) - 1), half = (uint64_t)1 << (s - 1);
    m = a >> s;
    m += rest > half || (rest == half && (m & 1));
    if (m >> 24) m >>= 1, top++;
  } else {
    m = a << (23 - top);
  }
  int ex = top + e;
  if (ex < VB_Z_EMIN) return 0;
  if (ex > VB_Z_EMAX) return sign | (uint32_t)(VB_Z_EMAX + 127) << 23 | 0x7fffff;
  return sign | (uint32_t)(ex + 127) << 23 | ((uint32_t)m & 0x7fffff);
}

static inline vb_z vb_mul(vb_z a, vb_z b) {
  return vb_norm((int64_t)vb_man(a) * vb_man(b), vb_expb(a) + vb_expb(b) - 300);
}

/// Exact sum, rounded once. The smaller operand is aligned with 38 spare bits and a sticky bit.
static inline vb_z vb_add(vb_z a, vb_z b) {
  if (!a) return b;
  if (!b) return a;
  if (vb_expb(a) < vb_expb(b)) {
    vb_z t = a;
    a = b, b = t;
  }
  int d = vb_expb(a) - vb_expb(b);
  int64_t x = (int64_t)vb_man(a) * ((int64_t)1 << 38), y = (int64_t)vb_man(b) * ((int64_t)1 << 38);
  if (d > 62) {
    y = (y >> 62) | 1;
  } else {
    int64_t lost = y & (((int64_t)1 << d) - 1);
    y = (y >> d) | (lost != 0);
  }
  return vb_norm(x + y, vb_expb(a) - 150 - 38);
}

static inline vb_z vb_from_float_bits(uint32_t u, unsigned *flags);

/// What import had to change (sticky, reported): see vb_from_float_bits.
enum { VB_IMPORT_NAN = 1, VB_IMPORT_INF = 2, VB_IMPORT_FLUSH = 4, VB_IMPORT_SATURATE = 8 };

/// Canonicalise arbitrary IEEE float bits into the carrier: NaN -> 0, infinity -> saturate, -0 and anything below
/// 2^-62 -> +0, from 2^64 on saturate. Changes other than of an exact zero raise a sticky flag in *flags.
static inline vb_z vb_from_float_bits(uint32_t u, unsigned *flags) {
  int e = (int)(u >> 23 & 255);
  if (!(u << 1)) return 0;
  if (e == 255 && (u & 0x7fffff)) {
    *flags |= VB_IMPORT_NAN;
    return 0;
  }
  if (e < 127 + VB_Z_EMIN) {
    *flags |= VB_IMPORT_FLUSH;
    return 0;
  }
  if (e > 127 + VB_Z_EMAX) {
    *flags |= e == 255 ? VB_IMPORT_INF : VB_IMPORT_SATURATE;
    return (u & 0x80000000u) | (uint32_t)(VB_Z_EMAX + 127) << 23 | 0x7fffff;
  }
  return u;
}
static inline vb_z vb_from_float(float f) {
  uint32_t u;
  unsigned ignored = 0;
  memcpy(&u, &f, 4);
  return vb_from_float_bits(u, &ignored);
}
static inline float vb_to_float(vb_z x) {
  float f;
  memcpy(&f, &x, 4);
  return f;
}

/// The total order of top-k and maxima: a larger key is a larger value.
static inline uint32_t vb_order_key(vb_z x) { return x >> 31 ? ~x : x | 0x80000000u; }

/// EXP2_24(f) = (2^24 - 1) * 2^-(f / 65536) for f < 65536: 24 bits, monotone, all uint32.
static inline uint32_t vb_exp2_24(uint32_t f) {
  const uint32_t *c = vb_exp2_24_tab[f >> 12];
  uint32_t dx = f & 4095;
  uint32_t t = c[1] - ((c[2] * dx + 2048) >> 12);
  return c[0] - ((t * dx + 2048) >> 12);
}

/// n * 2^e as fixed point with `fraction` bits by RNE, saturated to +-(2^31 - 1).
static inline int32_t vb_fixed(int64_t n, int e, int fraction) {
  int s = -(e + fraction);
  if (s < 0 && n) { // left shift: saturate before it overflows
    uint64_t a = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (vb_msb(a) - s > 31) return n < 0 ? -INT32_MAX : INT32_MAX;
  }
  int64_t v = vb_shr_rne(n, s);
  return v > INT32_MAX ? INT32_MAX : v < -INT32_MAX ? -INT32_MAX : (int32_t)v;
}
/// A score in Q15.16.
static inline int32_t vb_q16(int64_t n, int e) { return vb_fixed(n, e, 16); }
/// A carrier value as a score in log2 units: x * log2(e) in Q15.16.
static inline int32_t vb_score_q16(vb_z x) {
  vb_z s = vb_mul(x, VB_Z_LOG2E);
  return vb_q16(vb_man(s), vb_expb(s) - 150);
}

/// A positive integer as u * 2^e with u in [2^31, 2^32): round half up, renormalised on carry.
static inline uint32_t vb_norm_u32(uint64_t n, int *e) {
  int top = vb_msb(n);
  uint64_t u = top > 31 ? vb_shr_rhu(n, top - 31) : n << (31 - top);
  *e = top - 31;
  if (u >> 32) u >>= 1, ++*e;
  return (uint32_t)u;
}

/// num * 2^e / den, for the softmax and the router gates: r = floor((2^63 - 1) / u), u = den in 32 bits.
static inline vb_z vb_divide(int64_t num, int e, uint64_t den) {
  vb_z n = vb_norm(num, 0);
  if (!n || !den) return 0;
  int le;
  uint64_t r = (uint64_t)INT64_MAX / vb_norm_u32(den, &le);
  return vb_norm(vb_man(n) * (int64_t)r, vb_expb(n) - 150 + e - 63 - le);
}
#endif
