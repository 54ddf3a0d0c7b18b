// SPDX-License-Identifier: Apache-2.0
// Carrier arithmetic for AVX-512. Sums and products of carrier values are never subnormal and never overflow, and the
// rounding mode is in the instruction, so native + and * followed by flush and saturation are Z_ADD and Z_MUL.
#include "cpu/dot.h"
#include "num/func.h"
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#include "cpu/avx512.h"

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

// T31 of eight values. Below a shift of 23 the product, at least 2^61, exceeds the cap; a zero's shift of 157 gives 0.
static inline __m512i t31(__m256i x) {
  __m512i w = _mm512_cvtepu32_epi64(x);
  __m512i expb = _mm512_and_si512(_mm512_srli_epi64(w, 23), _mm512_set1_epi64(255));
  __m512i man = _mm512_or_si512(_mm512_and_si512(w, _mm512_set1_epi64(0x7fffff)), _mm512_set1_epi64(0x800000));
  __m512i s = _mm512_sub_epi64(_mm512_set1_epi64(157), expb);
  __m512i p = _mm512_mullo_epi64(man, _mm512_set1_epi64(396564993198));
  return _mm512_min_epu64(vb_shr_rhu8(p, _mm512_max_epi64(s, _mm512_set1_epi64(22))),
                          _mm512_set1_epi64((int64_t)1 << 38));
}

// NORM of n * 2^(exponent - 1023), n >= 0: one rounding, from 64 to 24 bits; the scaling is exact in double.
static inline __m256i norm8(__m512i n, __m512i exponent) {
  __m512d v = _mm512_cvtps_pd(_mm512_cvt_roundepi64_ps(n, NEAREST));
  v = _mm512_mul_pd(v, _mm512_castsi512_pd(_mm512_slli_epi64(exponent, 52)));
  __mmask8 keep = _mm512_cmp_pd_mask(v, _mm512_set1_pd(0x1p-62), _CMP_GE_OQ);
  return _mm256_castps_si256(_mm512_maskz_cvt_roundpd_ps(keep, v, NEAREST));
}

static inline __m256i sigmoid8(__m256i x) {
  __m512i t = t31(x), i = _mm512_srli_epi64(t, 31);
  __m512i e = vb_q7x8(vb_exp2_tab, _mm512_and_si512(t, _mm512_set1_epi64(0x7fffffff)));
  __m512i y = vb_recip1p8(vb_shr_rhu8(e, i));
  __mmask8 negative = _mm256_movepi32_mask(x);
  __m512i n = _mm512_mask_mul_epu32(y, negative, e, y);
  return norm8(n, _mm512_mask_sub_epi64(_mm512_set1_epi64(1023 - 31), negative, _mm512_set1_epi64(1023 - 62), i));
}

static inline __m256i tanh8(__m256i x) {
  __m512i t = t31(x), one31 = _mm512_set1_epi64((int64_t)1 << 31);
  t = _mm512_add_epi64(t, t);
  __m512i e = vb_q7x8(vb_exp2_tab, _mm512_and_si512(t, _mm512_set1_epi64(0x7fffffff)));
  __m512i z = vb_shr_rhu8(e, _mm512_srli_epi64(t, 31));
  __m256i r = norm8(_mm512_mul_epu32(_mm512_sub_epi64(one31, z), vb_recip1p8(z)), _mm512_set1_epi64(1023 - 62));
  __m256i sign = _mm256_and_si256(x, _mm256_set1_epi32(INT32_MIN));
  return _mm256_mask_or_epi32(r, _mm256_test_epi32_mask(r, r), r, sign);
}

// Both halves of a vector.
static inline __m512i both(__m512i x, bool tanh) {
  __m256i lo = _mm512_castsi512_si256(x), hi = _mm512_extracti64x4_epi64(x, 1);
  lo = tanh ? tanh8(lo) : sigmoid8(lo), hi = tanh ? tanh8(hi) : sigmoid8(hi);
  return _mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1);
}

void vb_avx512_sigmoid(const vb_z *x, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i += 16) storez(n - i, y + i, both(_mm512_castps_si512(loadz(n - i, x + i)), false));
}

void vb_avx512_tanh(const vb_z *x, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i += 16) storez(n - i, y + i, both(_mm512_castps_si512(loadz(n - i, x + i)), true));
}

void vb_avx512_silu_mul(const vb_z *g, const vb_z *u, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i += 16) {
    __m512 x = loadz(n - i, g + i);
    __m512 s = _mm512_castsi512_ps(both(_mm512_castps_si512(x), false));
    storez(n - i, y + i, zmul(_mm512_castsi512_ps(zmul(x, s)), loadz(n - i, u + i)));
  }
}

// Exact in double; an exponent beyond +-900 is as good as infinite.
void vb_avx512_norm_each(const int64_t *acc, const int32_t *e, int add, uint32_t n, vb_z *z) {
  const __m512i bias = _mm512_set1_epi64(1023);
  const __m256i top = _mm256_set1_epi32(900), bottom = _mm256_set1_epi32(-900);
  for (uint32_t i = 0; i < n; i += 8) {
    __mmask8 mask = (__mmask8)(n - i >= 8 ? 255 : (1u << (n - i)) - 1);
    __m256i x = _mm256_add_epi32(_mm256_maskz_loadu_epi32(mask, e + i), _mm256_set1_epi32(add));
    x = _mm256_max_epi32(_mm256_min_epi32(x, top), bottom);
    __m512i two_e = _mm512_slli_epi64(_mm512_add_epi64(_mm512_cvtepi32_epi64(x), bias), 52);
    __m512d v = _mm512_mul_pd(_mm512_cvtepi64_pd(_mm512_maskz_loadu_epi64(mask, acc + i)), _mm512_castsi512_pd(two_e));
    __m512 f = _mm512_castps256_ps512(_mm512_cvt_roundpd_ps(v, NEAREST));
    _mm256_mask_storeu_epi32(z + i, mask, _mm512_castsi512_si256(canon(f)));
  }
}
#else
typedef int vb_no_avx512; // ISO C wants one declaration per file
#endif
