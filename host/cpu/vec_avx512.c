// SPDX-License-Identifier: Apache-2.0
// Carrier arithmetic for AVX-512. Sums and products of carrier values are never subnormal and never overflow, and the
// rounding mode is in the instruction, so native + and * followed by flush and saturation are Z_ADD and Z_MUL.
#include "cpu/dot.h"
#include "num/func.h"
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#include <immintrin.h>

enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };

static inline __mmask16 first(uint32_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1); }
static inline __m512 loadz(uint32_t n, const vb_z *x) {
  return _mm512_castsi512_ps(_mm512_maskz_loadu_epi32(first(n), x));
}
static inline void storez(uint32_t n, vb_z *y, __m512i v) { _mm512_mask_storeu_epi32(y, first(n), v); }

// Below 2^-62 (and -0): +0; from 2^64 on: saturate.
static inline __m512i canon(__m512 x) {
  __m512i y = _mm512_castps_si512(x), a = _mm512_and_si512(y, _mm512_set1_epi32(0x7fffffff));
  __m512i sign = _mm512_xor_si512(y, a);
  a = _mm512_min_epu32(a, _mm512_set1_epi32((127 + VB_Z_EMAX) << 23 | 0x7fffff));
  __mmask16 keep = _mm512_cmpge_epu32_mask(a, _mm512_set1_epi32((127 + VB_Z_EMIN) << 23));
  return _mm512_maskz_or_epi32(keep, a, sign);
}
static inline __m512i zmul(__m512 a, __m512 b) { return canon(_mm512_mul_round_ps(a, b, NEAREST)); }

void vb_avx512_add(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i += 16)
    storez(n - i, y + i, canon(_mm512_add_round_ps(loadz(n - i, a + i), loadz(n - i, b + i), NEAREST)));
}

void vb_avx512_mul(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i += 16) storez(n - i, y + i, zmul(loadz(n - i, a + i), loadz(n - i, b + i)));
}

void vb_avx512_mul_scalar(const vb_z *a, vb_z b, uint32_t n, vb_z *y) {
  const __m512 v = _mm512_castsi512_ps(_mm512_set1_epi32((int32_t)b));
  for (uint32_t i = 0; i < n; i += 16) storez(n - i, y + i, zmul(loadz(n - i, a + i), v));
}

vb_z vb_avx512_sum_squares(const vb_z *x, uint32_t n) {
  __m512i m = _mm512_setzero_si512(), sum = m;
  for (uint32_t i = 0; i < n; i += 16)
    m = _mm512_max_epu32(m, _mm512_slli_epi32(_mm512_castps_si512(loadz(n - i, x + i)), 1)); // without the sign
  int e = (int)(_mm512_reduce_max_epu32(m) >> 24);
  // SHR_RNE(MAN, 8 + E - e) is x * 2^(142 - E) rounded; the product is exact.
  const __m512 scale = _mm512_castsi512_ps(_mm512_set1_epi32(e ? (269 - e) << 23 : 0));
  for (uint32_t i = 0; i < n; i += 16) {
    __m512i v = _mm512_cvt_roundps_epi32(_mm512_mul_ps(loadz(n - i, x + i), scale), NEAREST);
    __m512i odd = _mm512_srli_epi64(v, 32);
    sum = _mm512_add_epi64(sum, _mm512_add_epi64(_mm512_mul_epi32(v, v), _mm512_mul_epi32(odd, odd)));
  }
  return vb_norm(_mm512_reduce_add_epi64(sum), 2 * (e - 142));
}

// vb_q7 on eight lanes.
static inline __m512i q7(const int64_t (*tab)[3], __m512i f) {
  const __m512i half = _mm512_set1_epi64(1 << 23);
  __m512i row = _mm512_srli_epi64(f, 24), dx = _mm512_and_si512(f, _mm512_set1_epi64(0xffffff));
  row = _mm512_add_epi64(row, _mm512_slli_epi64(row, 1));
  __m512i c0 = _mm512_i64gather_epi64(row, tab[0], 8), c1 = _mm512_i64gather_epi64(row, tab[0] + 1, 8);
  __m512i c2 = _mm512_i64gather_epi64(row, tab[0] + 2, 8);
  __m512i x = _mm512_srai_epi64(_mm512_add_epi64(_mm512_mul_epi32(c2, dx), half), 24);
  x = _mm512_mul_epi32(_mm512_add_epi64(c1, x), dx);
  return _mm512_add_epi64(c0, _mm512_srai_epi64(_mm512_add_epi64(x, half), 24));
}

// SHR_RHU for s >= 0 (the count of the second shift wraps to "too large" at 0) and s = 64 only where x < 2^63.
static inline __m512i shr_rhu(__m512i x, __m512i s) {
  const __m512i one = _mm512_set1_epi64(1);
  return _mm512_add_epi64(_mm512_srlv_epi64(x, s),
                          _mm512_and_si512(_mm512_srlv_epi64(x, _mm512_sub_epi64(s, one)), one));
}

static inline __m256i sigmoid8(__m256i x) {
  const __m512i cap = _mm512_set1_epi64((int64_t)1 << 38), one31 = _mm512_set1_epi64((int64_t)1 << 31);
  __m512i w = _mm512_cvtepu32_epi64(x);
  __m512i expb = _mm512_and_si512(_mm512_srli_epi64(w, 23), _mm512_set1_epi64(255));
  __m512i man = _mm512_or_si512(_mm512_and_si512(w, _mm512_set1_epi64(0x7fffff)), _mm512_set1_epi64(0x800000));
  // T31: below a shift of 23 the product, at least 2^61, exceeds the cap; a zero's shift of 157 gives 0.
  __m512i s = _mm512_sub_epi64(_mm512_set1_epi64(157), expb);
  __m512i p = _mm512_mullo_epi64(man, _mm512_set1_epi64(396564993198));
  __m512i t = _mm512_min_epu64(shr_rhu(p, _mm512_max_epi64(s, _mm512_set1_epi64(22))), cap);
  __m512i i = _mm512_srli_epi64(t, 31), e = q7(vb_exp2_tab, _mm512_and_si512(t, _mm512_set1_epi64(0x7fffffff)));
  __m512i z = shr_rhu(e, i);
  __mmask8 whole = _mm512_cmpge_epu64_mask(z, one31);
  __m512i y = q7(vb_recip_tab, _mm512_maskz_mov_epi64((__mmask8)~whole, z));
  y = _mm512_mask_mov_epi64(y, whole, _mm512_set1_epi64(1 << 30));
  __mmask8 negative = _mm256_movepi32_mask(x);
  __m512i n = _mm512_mask_mul_epu32(y, negative, e, y);
  __m512i exponent = _mm512_mask_sub_epi64(_mm512_set1_epi64(1023 - 31), negative, _mm512_set1_epi64(1023 - 62), i);
  // NORM: one rounding, from 64 to 24 bits; the scaling by a power of two is exact in double.
  __m512d v = _mm512_cvtps_pd(_mm512_cvt_roundepi64_ps(n, NEAREST));
  v = _mm512_mul_pd(v, _mm512_castsi512_pd(_mm512_slli_epi64(exponent, 52)));
  __mmask8 keep = _mm512_cmp_pd_mask(v, _mm512_set1_pd(0x1p-62), _CMP_GE_OQ);
  return _mm256_castps_si256(_mm512_maskz_cvt_roundpd_ps(keep, v, NEAREST));
}

void vb_avx512_silu_mul(const vb_z *g, const vb_z *u, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i += 16) {
    __m512 x = loadz(n - i, g + i);
    __m512i bits = _mm512_castps_si512(x);
    __m256i lo = sigmoid8(_mm512_castsi512_si256(bits)), hi = sigmoid8(_mm512_extracti64x4_epi64(bits, 1));
    __m512 s = _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1));
    storez(n - i, y + i, zmul(_mm512_castsi512_ps(zmul(x, s)), loadz(n - i, u + i)));
  }
}
#else
typedef int vb_no_avx512; // ISO C wants one declaration per file
#endif
