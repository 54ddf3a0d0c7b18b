// SPDX-License-Identifier: Apache-2.0
/// @file avx512.h
/// The AVX-512 VNNI block product shared by the matrix and attention kernels. Include after the file's
/// `#pragma GCC target`.
///
/// A lane is a token (or query); weight rows (or keys) are broadcast four bytes at a time. vpdpbusd wants one unsigned
/// operand: the broadcast one is stored with its sign bit flipped (+128), and -128 * sum(a), the initial value of each
/// block, takes that out again.
#ifndef VERBATIM_CPU_AVX512_H
#define VERBATIM_CPU_AVX512_H
#include "cpu/dot.h"
#include <immintrin.h>

enum {
  VB_CHUNK = 16,                            ///< blocks whose terms fit an int32 sum: 16 * 32 * 127^2 * 2^8 < 2^31
  VB_PANEL = VB_CHUNK * VB_BLOCK + 64,      ///< bytes between panel rows; not a power of two, so that sets differ
  VB_PACK_BLOCK = 128 + VB_TILE * VB_BLOCK, ///< packed block: correction, scale, 8 x 16 x 4 elements
  VB_S_CAP = 40                             ///< larger shifts give 0 all the same, and 2^-80 stays a normal float
};

// gcc 12 spills arrays of _mm512_dpbusd_epi32 accumulators; with asm it keeps them in registers.
static inline __m512i vb_dp(__m512i acc, __m512i u8, __m512i s8) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u8), "vm"(s8));
  return acc;
}

/// 2^(e - s) for s = top - code of 16 blocks, s capped; lanes of blocks >= n are anything.
static inline __m512 vb_scales(const uint8_t *codes, uint32_t n, int top, int e) {
  __m128i c = _mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1), codes);
  __m512i s = _mm512_sub_epi32(_mm512_set1_epi32(top), _mm512_cvtepu8_epi32(c));
  s = _mm512_min_epi32(s, _mm512_set1_epi32(VB_S_CAP));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(127 + e), s), 23));
}

/// Copy n <= 16 blocks of a row with flipped sign bits.
static inline void vb_panel_row(const int8_t *q, uint32_t n, uint8_t *panel) {
  const __m256i flip = _mm256_set1_epi8(-128);
  for (uint32_t b = 0; b < n; b++) {
    __m256i x = _mm256_loadu_si256((const __m256i_u *)(q + b * VB_BLOCK));
    _mm256_store_si256((__m256i *)(panel + b * VB_BLOCK), _mm256_xor_si256(x, flip));
  }
}

static inline __m512i vb_bcast4(const uint8_t *p) {
  int32_t v;
  memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}

/// acc[r] = sum over n <= 16 blocks of the P2 terms of panel row r with the 16 packed tokens. scale[r][b] = 2^(8 - sw).
static inline __attribute__((always_inline)) void vb_micro(const uint8_t *panel, const float (*scale)[VB_CHUNK],
                                                           const uint8_t *pack, uint32_t n, __m512i acc[8]) {
#pragma GCC unroll 8
  for (int r = 0; r < 8; r++) acc[r] = _mm512_setzero_si512();
  for (uint32_t b = 0; b < n; b++, pack += VB_PACK_BLOCK, panel += VB_BLOCK) {
    __m512i d[8], a, start = _mm512_load_si512(pack);
    __m512 fa = _mm512_load_ps(pack + 64);
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) d[r] = start;
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
      a = _mm512_load_si512(pack + 128 + 64 * k);
#pragma GCC unroll 8
      for (int r = 0; r < 8; r++) d[r] = vb_dp(d[r], vb_bcast4(panel + r * VB_PANEL + 4 * k), a);
    }
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) {
      __m512 x = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(d[r]), fa), _mm512_set1_ps(scale[r][b]));
      acc[r] = _mm512_add_epi32(acc[r], _mm512_cvt_roundps_epi32(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
  }
}

// vb_q7 on eight lanes.
static inline __m512i vb_q7x8(const int64_t (*tab)[3], __m512i f) {
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
static inline __m512i vb_shr_rhu8(__m512i x, __m512i s) {
  const __m512i one = _mm512_set1_epi64(1);
  return _mm512_add_epi64(_mm512_srlv_epi64(x, s),
                          _mm512_and_si512(_mm512_srlv_epi64(x, _mm512_sub_epi64(s, one)), one));
}

// vb_recip1p on eight lanes.
static inline __m512i vb_recip1p8(__m512i z) {
  __mmask8 whole = _mm512_cmpge_epu64_mask(z, _mm512_set1_epi64((int64_t)1 << 31));
  __m512i y = vb_q7x8(vb_recip_tab, _mm512_maskz_mov_epi64((__mmask8)~whole, z));
  return _mm512_mask_mov_epi64(y, whole, _mm512_set1_epi64(1 << 30));
}

/// dot.h, tile_pack (isa_avx512.c).
void vb_avx512_pack(const struct vb_act8 *a, uint32_t n, struct vb_range b, uint8_t *pack);
#endif
