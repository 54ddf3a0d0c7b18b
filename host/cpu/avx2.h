// SPDX-License-Identifier: Apache-2.0
/// @file avx2.h
/// The AVX2 block product shared by the matrix and attention kernels. Include after the file's `#pragma GCC target`.
///
/// Elements are sign-extended to 16 bits and multiplied by vpmaddwd, which is exact (vpmaddubsw would saturate). In
/// tiles a lane is a token (or query) and weight rows (or keys) are broadcast two elements at a time.
#ifndef VERBATIM_CPU_AVX2_H
#define VERBATIM_CPU_AVX2_H
#include "cpu/dot.h"
#include <immintrin.h>

enum {
  VB_CHUNK = 16,                               ///< blocks whose terms fit an int32 sum: 16 * 32 * 127^2 * 2^8 < 2^31
  VB_PANEL = 2 * VB_CHUNK * VB_BLOCK + 64,     ///< bytes between panel rows
  VB_PACK_BLOCK = 64 + 2 * VB_TILE * VB_BLOCK, ///< packed block: scale, 16 x 16 x 2 elements of 16 bits
  VB_S_CAP = 40                                ///< larger shifts give 0 all the same; 2^-80 stays a normal float
};

static inline float vb_pow2f(int e) {
  uint32_t u = (uint32_t)(127 + e) << 23;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

/// Round to nearest even to int32, whatever MXCSR says: the mode is in the instruction, then the value is an integer.
static inline __m256i vb_round8(__m256 x) {
  return _mm256_cvttps_epi32(_mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

/// Copy n <= 16 blocks of a row, sign-extended, and its scales 2^(8 - s).
static inline void vb_panel_row(const int8_t *q, const uint8_t *codes, int max, uint32_t n, uint8_t *panel,
                                float *scale) {
  for (uint32_t i = 0; i < n * VB_BLOCK; i += 16)
    _mm256_store_si256((__m256i *)(panel + 2 * i), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i_u *)(q + i))));
  for (uint32_t b = 0; b < n; b++) scale[b] = vb_pow2f(8 - (max - codes[b] < VB_S_CAP ? max - codes[b] : VB_S_CAP));
}

/// acc[r][token] = sum over n <= 16 blocks of the P2 terms of 4 panel rows with the 16 packed tokens.
static inline __attribute__((always_inline)) void vb_micro(const uint8_t *panel, const float (*scale)[VB_CHUNK],
                                                           const uint8_t *pack, uint32_t n, int32_t (*acc)[VB_TILE]) {
  memset(acc, 0, 4 * sizeof *acc);
  for (uint32_t b = 0; b < n; b++, pack += VB_PACK_BLOCK, panel += 2 * VB_BLOCK) {
    __m256i d[4][2];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) d[r][0] = d[r][1] = _mm256_setzero_si256();
    for (int k = 0; k < 16; k++) {
      __m256i a0 = _mm256_load_si256((const __m256i *)(pack + 64 + 64 * k));
      __m256i a1 = _mm256_load_si256((const __m256i *)(pack + 96 + 64 * k));
#pragma GCC unroll 4
      for (int r = 0; r < 4; r++) {
        int32_t pair;
        memcpy(&pair, panel + r * VB_PANEL + 4 * k, 4);
        __m256i w = _mm256_set1_epi32(pair);
        d[r][0] = _mm256_add_epi32(d[r][0], _mm256_madd_epi16(w, a0));
        d[r][1] = _mm256_add_epi32(d[r][1], _mm256_madd_epi16(w, a1));
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
      for (int h = 0; h < 2; h++) {
        __m256 f = _mm256_mul_ps(_mm256_load_ps((const float *)(pack + 32 * h)), _mm256_set1_ps(scale[r][b]));
        __m256i *to = (__m256i *)(acc[r] + 8 * h);
        *to = _mm256_add_epi32(*to, vb_round8(_mm256_mul_ps(_mm256_cvtepi32_ps(d[r][h]), f)));
      }
  }
}

/// dot.h, tile_pack (isa_avx2.c).
void vb_avx2_pack(const struct vb_act8 *a, uint32_t n, struct vb_range b, uint8_t *pack);
#endif
