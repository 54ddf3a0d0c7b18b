// SPDX-License-Identifier: Apache-2.0
// Matrix kernels for AVX-512 with VNNI. The target is set in this file, so that the build flags stay generic.
#include "cpu/dot.h"
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#include "cpu/avx512.h"

enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };

static bool supported(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

static uint8_t quant_i8(const vb_z *x, uint32_t n, int8_t *q, uint8_t *codes) {
  const __m512i low = _mm512_set1_epi32(0x7fffffff), cap = _mm512_set1_epi32(127), floor = _mm512_set1_epi32(-127);
  uint8_t top = 0;
  for (uint32_t b = 0; b < vb_blocks(n); b++, x += VB_BLOCK, q += VB_BLOCK) {
    uint32_t left = n - b * VB_BLOCK, mask = left >= VB_BLOCK ? ~0u : (1u << left) - 1;
    __m512i v[2] = {_mm512_maskz_loadu_epi32((__mmask16)mask, x),
                    _mm512_maskz_loadu_epi32((__mmask16)(mask >> 16), x + (mask >> 16 ? 16 : 0))};
    __m512i m = _mm512_and_si512(_mm512_max_epu32(_mm512_and_si512(v[0], low), _mm512_and_si512(v[1], low)), low);
    int e = (int)(_mm512_reduce_max_epu32(m) >> 23);
    codes[b] = (uint8_t)(e ? e - 6 : 0);
    if (codes[b] > top) top = codes[b];
    // SHR_RNE(MAN, 17 + E - e) is x * 2^(133 - E) rounded: the product is exact, far from under- and overflow.
    __m512 scale = _mm512_castsi512_ps(_mm512_set1_epi32(e ? (260 - e) << 23 : 0));
    for (int i = 0; i < 2; i++) {
      __m512i y = _mm512_cvt_roundps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(v[i]), scale), NEAREST);
      y = _mm512_max_epi32(_mm512_min_epi32(y, cap), floor);
      _mm_storeu_si128((__m128i_u *)(q + 16 * i), _mm512_cvtepi32_epi8(y));
    }
  }
  return top;
}

static void norm(const int64_t *acc, const uint8_t *codes, int e, uint32_t n, vb_z *z) {
  const __m512i bias = _mm512_set1_epi64(1023 + e);
  for (uint32_t i = 0; i < n; i += 8) {
    __mmask8 mask = (__mmask8)(n - i >= 8 ? 255 : (1u << (n - i)) - 1);
    __m128i c = _mm_maskz_loadu_epi8(mask, codes + i);
    __m512d x = _mm512_cvtepi64_pd(_mm512_maskz_loadu_epi64(mask, acc + i)); // exact: below 2^53
    __m512d two_e = _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_add_epi64(_mm512_cvtepu8_epi64(c), bias), 52));
    __m256i y = _mm256_castps_si256(_mm512_cvt_roundpd_ps(_mm512_mul_pd(x, two_e), NEAREST));
    __m256i a = _mm256_and_si256(y, _mm256_set1_epi32(0x7fffffff)), sign = _mm256_xor_si256(y, a);
    a = _mm256_min_epu32(a, _mm256_set1_epi32((127 + VB_Z_EMAX) << 23 | 0x7fffff));
    __mmask8 keep = _mm256_cmpge_epu32_mask(a, _mm256_set1_epi32((127 + VB_Z_EMIN) << 23));
    _mm256_mask_storeu_epi32(z + i, mask, _mm256_maskz_or_epi32(keep, a, sign));
  }
}

// Sums of the 16 blocks in 8 vectors of two blocks each; lane order: `order` below.
static inline __attribute__((always_inline)) __m512i sum_blocks(const __m512i x[8]) {
  __m512i y[4], z[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    y[i] =
        _mm512_add_epi32(_mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]), _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]));
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++)
    z[i] =
        _mm512_add_epi32(_mm512_unpacklo_epi64(y[2 * i], y[2 * i + 1]), _mm512_unpackhi_epi64(y[2 * i], y[2 * i + 1]));
  return _mm512_add_epi32(_mm512_shuffle_i32x4(z[0], z[1], 0x88), _mm512_shuffle_i32x4(z[0], z[1], 0xdd));
}

static inline __mmask64 bytes_left(uint32_t blocks, uint32_t i) { // of the 64 bytes at block 2i
  return blocks >= 2 * i + 2 ? ~(__mmask64)0 : blocks == 2 * i + 1 ? 0xffffffffu : 0;
}

static inline __m512i shifts(const uint8_t *codes, uint32_t n, int top) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  __m128i c = _mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1), codes);
  return _mm512_sub_epi32(_mm512_set1_epi32(top), _mm512_cvtepu8_epi32(_mm_shuffle_epi8(c, order)));
}

struct chunk {
  __m512i a[8], correction, shift; // 16 blocks of the activation row
};

static inline __attribute__((always_inline)) __m512i row_terms(const struct chunk *c, const int8_t *q,
                                                               const uint8_t *codes, int max, uint32_t n, bool whole) {
  const __m512i flip = _mm512_set1_epi8(-128), cap = _mm512_set1_epi32(VB_S_CAP);
  __m512i x[8];
#pragma GCC unroll 8
  for (uint32_t i = 0; i < 8; i++) {
    __m512i w = whole ? _mm512_loadu_si512(q + 64 * i) : _mm512_maskz_loadu_epi8(bytes_left(n, i), q + 64 * i);
    x[i] = vb_dp(_mm512_setzero_si512(), _mm512_xor_si512(w, flip), c->a[i]);
  }
  __m512i d = _mm512_sub_epi32(sum_blocks(x), c->correction);
  __m512i s = _mm512_min_epi32(_mm512_add_epi32(c->shift, shifts(codes, n, max)), cap);
  __m512 scale = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(135), s), 23));
  return _mm512_cvt_roundps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(d), scale), NEAREST);
}

static inline __m512i widen_add(__m512i sum, __m512i x) {
  sum = _mm512_add_epi64(sum, _mm512_cvtepi32_epi64(_mm512_castsi512_si256(x)));
  return _mm512_add_epi64(sum, _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(x, 1)));
}

// Eight rows side by side: as many streams as one core needs to pull its share of memory bandwidth. The lines of the
// next eight rows are requested while these are summed.
static void p2_i8(const struct vb_w8 *w, uint32_t row, uint32_t rows, const struct vb_act8 *act, struct vb_range b,
                  int64_t *acc) {
  const size_t stride = (size_t)w->blocks * VB_BLOCK;
  const __m512i flip = _mm512_set1_epi8(-128);
  for (uint32_t r0 = 0; r0 < rows; r0 += VB_ROW_GROUP) {
    uint32_t group = rows - r0 < VB_ROW_GROUP ? rows - r0 : VB_ROW_GROUP;
    __m512i sum[VB_ROW_GROUP], part[VB_ROW_GROUP];
    for (uint32_t r = 0; r < VB_ROW_GROUP; r++) sum[r] = part[r] = _mm512_setzero_si512();
    uint32_t held = 0;
    for (uint32_t at = b.begin; at < b.end; at += VB_CHUNK) {
      uint32_t n = b.end - at < VB_CHUNK ? b.end - at : VB_CHUNK;
      const int8_t *aq = act->q + (size_t)at * VB_BLOCK;
      struct chunk c;
      __m512i x[8];
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 8; i++) {
        c.a[i] = _mm512_maskz_loadu_epi8(bytes_left(n, i), aq + 64 * i);
        x[i] = vb_dp(_mm512_setzero_si512(), flip, c.a[i]);
      }
      c.correction = sum_blocks(x);
      c.shift = shifts(act->codes + at, n, act->max);
      for (uint32_t r = 0; r < group; r++) {
        const int8_t *q = w->q + (row + r0 + r) * stride + (size_t)at * VB_BLOCK;
        const uint8_t *codes = w->codes + (size_t)(row + r0 + r) * w->blocks + at;
        int max = w->max[row + r0 + r];
        if (n == VB_CHUNK) {
#pragma GCC unroll 8
          for (int i = 0; i < 8; i++) _mm_prefetch(q + VB_ROW_GROUP * stride + 64 * i, _MM_HINT_T0);
          part[r] = _mm512_add_epi32(part[r], row_terms(&c, q, codes, max, VB_CHUNK, true));
        } else {
          part[r] = _mm512_add_epi32(part[r], row_terms(&c, q, codes, max, n, false));
        }
      }
      if (++held == VB_CHUNK) { // each lane has one term per chunk: the int32 bound of avx512.h again
        for (uint32_t r = 0; r < VB_ROW_GROUP; r++)
          sum[r] = widen_add(sum[r], part[r]), part[r] = _mm512_setzero_si512();
        held = 0;
      }
    }
    for (uint32_t r = 0; r < group; r++) acc[r0 + r] = _mm512_reduce_add_epi64(widen_add(sum[r], part[r]));
  }
}

// One block of I14 fills a vector, so 16 of them are summed by a full 16 x 16 reduction. |D| < 2^31 is exact in double.
static void p2_i14(const struct vb_w14 *w, uint32_t row, uint32_t rows, const struct vb_act14 *a, struct vb_range b,
                   int64_t *acc) {
  for (uint32_t r = row; r < row + rows; r++) {
    __m512i sum = _mm512_setzero_si512();
    for (uint32_t at = b.begin; at < b.end; at += VB_CHUNK) {
      uint32_t n = b.end - at < VB_CHUNK ? b.end - at : VB_CHUNK;
      size_t from = (size_t)r * w->blocks + at;
      __m512i x[16], y[8], z[4], d[2];
      for (uint32_t i = 0; i < 16; i++) {
        if (i < n)
          x[i] = _mm512_madd_epi16(_mm512_loadu_si512(w->q + (from + i) * VB_BLOCK),
                                   _mm512_loadu_si512(a->q + (size_t)(at + i) * VB_BLOCK));
        else x[i] = _mm512_setzero_si512();
      }
      for (int i = 0; i < 8; i++)
        y[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]),
                                _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]));
      for (int i = 0; i < 4; i++)
        z[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(y[2 * i], y[2 * i + 1]),
                                _mm512_unpackhi_epi64(y[2 * i], y[2 * i + 1]));
      for (int i = 0; i < 2; i++)
        d[i] = _mm512_add_epi32(_mm512_shuffle_i32x4(z[2 * i], z[2 * i + 1], 0x88),
                                _mm512_shuffle_i32x4(z[2 * i], z[2 * i + 1], 0xdd));
      __m512i all = _mm512_add_epi32(_mm512_shuffle_i32x4(d[0], d[1], 0x88), _mm512_shuffle_i32x4(d[0], d[1], 0xdd));
      __mmask16 mask = (__mmask16)((1u << n) - 1);
      __m512i codes = _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, w->codes + from)),
                                       _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, a->codes + at)));
      // 2^(8 - s), biased; s >= 60 gives 0 like any s from 41 on.
      __m512i e = _mm512_add_epi32(codes, _mm512_set1_epi32(1023 + 8 - a->max - w->max[r]));
      e = _mm512_max_epi32(e, _mm512_set1_epi32(1023 + 8 - 60));
      for (int h = 0; h < 2; h++) {
        __m256i dh = h ? _mm512_extracti64x4_epi64(all, 1) : _mm512_castsi512_si256(all);
        __m256i eh = h ? _mm512_extracti64x4_epi64(e, 1) : _mm512_castsi512_si256(e);
        __m512d scale = _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_cvtepi32_epi64(eh), 52));
        sum = _mm512_add_epi64(sum, _mm512_cvt_roundpd_epi64(_mm512_mul_pd(_mm512_cvtepi32_pd(dh), scale), NEAREST));
      }
    }
    acc[r - row] = _mm512_reduce_add_epi64(sum);
  }
}

void vb_avx512_pack(const struct vb_act8 *a, uint32_t n, struct vb_range b, uint8_t *pack) {
  for (uint32_t at = b.begin; at < b.end; at++, pack += VB_PACK_BLOCK) {
    int32_t *correction = (int32_t *)pack;
    for (uint32_t i = 0; i < VB_TILE; i++) {
      const struct vb_act8 *row = &a[i < n ? i : n - 1]; // spare lanes repeat the last row
      const int8_t *q = row->q + (size_t)at * VB_BLOCK;
      int s = row->max - row->codes[at];
      uint32_t scale = (uint32_t)(127 - (s < VB_S_CAP ? s : VB_S_CAP)) << 23;
      for (int k = 0; k < 8; k++) memcpy(pack + 128 + 64 * k + 4 * i, q + 4 * k, 4);
      memcpy(pack + 64 + 4 * i, &scale, 4);
    }
    __m512i sum = _mm512_setzero_si512();
    for (int k = 0; k < 8; k++) sum = vb_dp(sum, _mm512_set1_epi8(-128), _mm512_load_si512(pack + 128 + 64 * k));
    _mm512_store_si512(correction, _mm512_sub_epi32(_mm512_setzero_si512(), sum));
  }
}

static void tile_p2(const struct vb_w8 *w, uint32_t row, uint32_t rows, struct vb_range b, const uint8_t *packs,
                    uint32_t tiles, int64_t *acc) {
  _Alignas(64) uint8_t panel[VB_TILE_ROWS][VB_PANEL];
  _Alignas(64) float scale[VB_TILE_ROWS][VB_CHUNK];
  const size_t stride = (size_t)(b.end - b.begin) * VB_PACK_BLOCK;
  memset(acc, 0, (size_t)tiles * VB_TILE_ROWS * VB_TILE * sizeof *acc);
  for (uint32_t at = b.begin; at < b.end; at += VB_CHUNK) {
    uint32_t n = b.end - at < VB_CHUNK ? b.end - at : VB_CHUNK;
    for (uint32_t r = 0; r < (rows + 7) / 8 * 8; r++) {
      size_t from = (size_t)(row + (r < rows ? r : rows - 1)) * w->blocks + at;
      vb_panel_row(w->q + from * VB_BLOCK, n, panel[r]);
      _mm512_store_ps(scale[r], vb_scales(w->codes + from, n, w->max[row + (r < rows ? r : rows - 1)], 8));
    }
    for (uint32_t t = 0; t < tiles; t++)
      for (uint32_t r = 0; r < rows; r += 8) {
        __m512i part[8];
        int64_t *to = acc + (t * VB_TILE_ROWS + r) * VB_TILE;
        vb_micro(panel[r], scale + r, packs + t * stride + (size_t)(at - b.begin) * VB_PACK_BLOCK, n, part);
        for (int i = 0; i < 8; i++, to += VB_TILE) {
          __m512i lo = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(part[i]));
          __m512i hi = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(part[i], 1));
          _mm512_store_si512(to, _mm512_add_epi64(lo, _mm512_load_si512(to)));
          _mm512_store_si512(to + 8, _mm512_add_epi64(hi, _mm512_load_si512(to + 8)));
        }
      }
  }
}

static void relu_dot(const int64_t (*acc)[VB_TILE], const int64_t *weight, uint32_t rows, int64_t *sum) {
  const __m512i zero = _mm512_setzero_si512(), w0 = _mm512_load_si512(weight), w1 = _mm512_load_si512(weight + 8);
  for (uint32_t r = 0; r < rows; r++) {
    __m512i a = _mm512_mullo_epi64(_mm512_max_epi64(_mm512_load_si512(acc[r]), zero), w0);
    __m512i b = _mm512_mullo_epi64(_mm512_max_epi64(_mm512_load_si512(acc[r] + 8), zero), w1);
    sum[r] += _mm512_reduce_add_epi64(_mm512_add_epi64(a, b));
  }
}

const struct vb_isa vb_isa_avx512vnni = {
    .name = "avx512vnni",
    .supported = supported,
    .quant_i8 = quant_i8,
    .norm = norm,
    .p2_i8 = p2_i8,
    .p2_i14 = p2_i14,
    .tile_block = VB_PACK_BLOCK,
    .tile_pack = vb_avx512_pack,
    .tile_p2 = tile_p2,
    .relu_dot = relu_dot,
    .add = vb_avx512_add,
    .mul = vb_avx512_mul,
    .mul_scalar = vb_avx512_mul_scalar,
    .silu_mul = vb_avx512_silu_mul,
    .norm_each = vb_avx512_norm_each,
    .sigmoid = vb_avx512_sigmoid,
    .tanh = vb_avx512_tanh,
    .sum_squares = vb_avx512_sum_squares,
    .attn_work = vb_avx512_attn_work,
    .attn_scores = vb_avx512_attn_scores,
    .attn_em = vb_avx512_attn_em,
    .attn_sum = vb_avx512_attn_sum,
    .delta_sums = vb_avx512_delta_sums,
    .delta_update = vb_avx512_delta_update,
};
#else
typedef int vb_no_avx512; // ISO C wants one declaration per file
#endif
