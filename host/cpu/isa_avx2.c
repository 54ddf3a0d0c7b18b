// SPDX-License-Identifier: Apache-2.0
// Matrix kernels for AVX2. The target is set in this file, so that the build flags stay generic.
#include "cpu/dot.h"
#if defined(__x86_64__)
#pragma GCC target("avx2")
#include "cpu/avx2.h"

static bool supported(void) { return __builtin_cpu_supports("avx2"); }

static uint8_t quant_i8(const vb_z *x, uint32_t n, int8_t *q, uint8_t *codes) {
  const __m256i low = _mm256_set1_epi32(0x7fffffff), cap = _mm256_set1_epi32(127), floor = _mm256_set1_epi32(-127);
  uint8_t top = 0;
  for (uint32_t b = 0; b < vb_blocks(n); b++, x += VB_BLOCK, q += VB_BLOCK) {
    if (n - b * VB_BLOCK < VB_BLOCK) {
      codes[b] = vb_quant_i8(x, n - b * VB_BLOCK, q);
    } else {
      __m256i v[4], m = _mm256_setzero_si256();
      for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_si256((const __m256i_u *)(x + 8 * i));
        m = _mm256_max_epi32(m, _mm256_and_si256(v[i], low));
      }
      __m128i h = _mm_max_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
      h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 0x4e));
      h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 0xb1));
      int e = _mm_cvtsi128_si32(h) >> 23;
      codes[b] = (uint8_t)(e ? e - 6 : 0);
      // SHR_RNE(MAN, 17 + E - e) is x * 2^(133 - E) rounded: the product is exact, far from under- and overflow.
      __m256 scale = _mm256_set1_ps(e ? vb_pow2f(133 - e) : 0);
      for (int i = 0; i < 4; i++) {
        v[i] = vb_round8(_mm256_mul_ps(_mm256_castsi256_ps(v[i]), scale));
        v[i] = _mm256_max_epi32(_mm256_min_epi32(v[i], cap), floor);
      }
      __m256i y = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
      y = _mm256_permutevar8x32_epi32(y, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)); // packs work on 128-bit lanes
      _mm256_storeu_si256((__m256i_u *)q, y);
    }
    if (codes[b] > top) top = codes[b];
  }
  return top;
}

static void norm(const int64_t *acc, const uint8_t *codes, int e, uint32_t n, vb_z *z) {
  for (uint32_t i = 0; i < n; i++) z[i] = vb_norm(acc[i], codes[i] + e);
}

// Sums of eight vectors; lane i is the sum of x[i].
static inline __m256i sum8(const __m256i x[8]) {
  __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(x[0], x[1]), _mm256_hadd_epi32(x[2], x[3]));
  __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(x[4], x[5]), _mm256_hadd_epi32(x[6], x[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

// 2^(8 - s) of eight blocks; n < 8 (at an end of the arrays): the others are block 0's.
static inline __m256i log_scales(const uint8_t *a, const uint8_t *w, int top, uint32_t n, int cap) {
  uint8_t ca[8], cw[8];
  for (uint32_t i = 0; i < 8; i++) ca[i] = a[i < n ? i : 0], cw[i] = w[i < n ? i : 0];
  __m256i c = _mm256_add_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)ca)),
                               _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)cw)));
  return _mm256_max_epi32(_mm256_add_epi32(c, _mm256_set1_epi32(8 - top)), _mm256_set1_epi32(8 - cap));
}

static inline __m256i extend(const int8_t *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i_u *)p)); }

static int64_t sum64(__m256i x) {
  int64_t v[4];
  _mm256_storeu_si256((__m256i_u *)v, x);
  return v[0] + v[1] + v[2] + v[3];
}

static int64_t row_i8(const int8_t *q, const uint8_t *codes, int top, const int8_t *aq, const uint8_t *ac,
                      uint32_t blocks, size_t ahead) {
  __m256i sum = _mm256_setzero_si256();
  for (uint32_t b = 0; b < blocks; b += 8) {
    uint32_t n = blocks - b < 8 ? blocks - b : 8;
    __m256i x[8];
    for (uint32_t i = 0; i < 8; i++) {
      const int8_t *w = q + (size_t)(b + i) * VB_BLOCK, *a = aq + (size_t)(b + i) * VB_BLOCK;
      x[i] = i < n ? _mm256_add_epi32(_mm256_madd_epi16(extend(w), extend(a)),
                                      _mm256_madd_epi16(extend(w + 16), extend(a + 16)))
                   : _mm256_setzero_si256();
    }
    for (uint32_t i = 0; i < 4; i++) _mm_prefetch(q + ahead + (size_t)b * VB_BLOCK + 64 * i, _MM_HINT_T0);
    __m256i e = _mm256_add_epi32(log_scales(ac + b, codes + b, top, n, VB_S_CAP), _mm256_set1_epi32(127));
    __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(e, 23));
    __m256i t = vb_round8(_mm256_mul_ps(_mm256_cvtepi32_ps(sum8(x)), scale));
    sum = _mm256_add_epi64(sum, _mm256_cvtepi32_epi64(_mm256_castsi256_si128(t)));
    sum = _mm256_add_epi64(sum, _mm256_cvtepi32_epi64(_mm256_extracti128_si256(t, 1)));
  }
  return sum64(sum);
}

static void p2_i8(const struct vb_w8 *w, uint32_t row, uint32_t rows, const struct vb_act8 *a, struct vb_range b,
                  int64_t *acc) {
  const size_t ahead = (size_t)VB_ROW_GROUP * w->blocks * VB_BLOCK;
  for (uint32_t r = row; r < row + rows; r++) {
    size_t at = (size_t)r * w->blocks + b.begin;
    acc[r - row] = row_i8(w->q + at * VB_BLOCK, w->codes + at, a->max + w->max[r], a->q + (size_t)b.begin * VB_BLOCK,
                          a->codes + b.begin, b.end - b.begin, ahead);
  }
}

// |t| <= 2^39: rounded in double by an instruction with its own mode, then made an integer by adding 1.5 * 2^52.
static inline __m256i term_i14(__m128i d, __m128i e) {
  const __m256d magic = _mm256_set1_pd(6755399441055744.0);
  __m256i bits = _mm256_slli_epi64(_mm256_add_epi64(_mm256_cvtepi32_epi64(e), _mm256_set1_epi64x(1023)), 52);
  __m256d x = _mm256_mul_pd(_mm256_cvtepi32_pd(d), _mm256_castsi256_pd(bits));
  x = _mm256_add_pd(_mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), magic);
  return _mm256_sub_epi64(_mm256_castpd_si256(x), _mm256_castpd_si256(magic));
}

static void p2_i14(const struct vb_w14 *w, uint32_t row, uint32_t rows, const struct vb_act14 *a, struct vb_range b,
                   int64_t *acc) {
  for (uint32_t r = row; r < row + rows; r++) {
    __m256i sum = _mm256_setzero_si256();
    for (uint32_t at = b.begin; at < b.end; at += 8) {
      uint32_t n = b.end - at < 8 ? b.end - at : 8;
      size_t from = (size_t)r * w->blocks + at;
      __m256i x[8];
      for (uint32_t i = 0; i < 8; i++) {
        x[i] = _mm256_setzero_si256();
        for (uint32_t h = 0; i < n && h < 2; h++) {
          const int16_t *wq = w->q + (from + i) * VB_BLOCK + 16 * h, *aq = a->q + (size_t)(at + i) * VB_BLOCK + 16 * h;
          x[i] = _mm256_add_epi32(x[i], _mm256_madd_epi16(_mm256_loadu_si256((const __m256i_u *)wq),
                                                          _mm256_loadu_si256((const __m256i_u *)aq)));
        }
      }
      __m256i d = sum8(x), e = log_scales(a->codes + at, w->codes + from, a->max + w->max[r], n, 60);
      sum = _mm256_add_epi64(sum, term_i14(_mm256_castsi256_si128(d), _mm256_castsi256_si128(e)));
      sum = _mm256_add_epi64(sum, term_i14(_mm256_extracti128_si256(d, 1), _mm256_extracti128_si256(e, 1)));
    }
    acc[r - row] = sum64(sum);
  }
}

void vb_avx2_pack(const struct vb_act8 *a, uint32_t n, struct vb_range b, uint8_t *pack) {
  for (uint32_t at = b.begin; at < b.end; at++, pack += VB_PACK_BLOCK)
    for (uint32_t i = 0; i < VB_TILE; i++) {
      const struct vb_act8 *row = &a[i < n ? i : n - 1]; // spare lanes repeat the last row
      const int8_t *q = row->q + (size_t)at * VB_BLOCK;
      int s = row->max - row->codes[at];
      float scale = vb_pow2f(-(s < VB_S_CAP ? s : VB_S_CAP));
      for (int k = 0; k < 16; k++) {
        const int16_t pair[2] = {q[2 * k], q[2 * k + 1]};
        memcpy(pack + 64 + 64 * k + 4 * i, pair, 4);
      }
      memcpy(pack + 4 * i, &scale, 4);
    }
}

static void tile_p2(const struct vb_w8 *w, uint32_t row, uint32_t rows, struct vb_range b, const uint8_t *packs,
                    uint32_t tiles, int64_t *acc) {
  _Alignas(64) uint8_t panel[VB_TILE_ROWS][VB_PANEL];
  _Alignas(64) float scale[VB_TILE_ROWS][VB_CHUNK];
  _Alignas(64) int32_t part[4][VB_TILE];
  const size_t stride = (size_t)(b.end - b.begin) * VB_PACK_BLOCK;
  memset(acc, 0, (size_t)tiles * VB_TILE_ROWS * VB_TILE * sizeof *acc);
  for (uint32_t at = b.begin; at < b.end; at += VB_CHUNK) {
    uint32_t n = b.end - at < VB_CHUNK ? b.end - at : VB_CHUNK;
    for (uint32_t r = 0; r < (rows + 3) / 4 * 4; r++) {
      uint32_t from = row + (r < rows ? r : rows - 1);
      size_t i = (size_t)from * w->blocks + at;
      vb_panel_row(w->q + i * VB_BLOCK, w->codes + i, w->max[from], n, panel[r], scale[r]);
    }
    for (uint32_t t = 0; t < tiles; t++)
      for (uint32_t r = 0; r < rows; r += 4) {
        int64_t *to = acc + (t * VB_TILE_ROWS + r) * VB_TILE;
        vb_micro(panel[r], (const float(*)[VB_CHUNK])scale + r,
                 packs + t * stride + (size_t)(at - b.begin) * VB_PACK_BLOCK, n, part);
        for (int i = 0; i < 4; i++)
          for (int l = 0; l < VB_TILE; l++) *to++ += part[i][l];
      }
  }
}

// 0 <= relu < 2^32 (18 blocks at most, dot.h); the product with a negative weight, taken as w + 2^32, is relu * 2^32
// too large.
static void relu_dot(const int64_t (*acc)[VB_TILE], const int64_t *weight, uint32_t rows, int64_t *sum) {
  const __m256i zero = _mm256_setzero_si256();
  for (uint32_t r = 0; r < rows; r++) {
    __m256i total = zero;
#pragma GCC unroll 4
    for (int i = 0; i < VB_TILE; i += 4) {
      __m256i a = _mm256_load_si256((const __m256i *)(acc[r] + i));
      __m256i w = _mm256_load_si256((const __m256i *)(weight + i));
      a = _mm256_andnot_si256(_mm256_cmpgt_epi64(zero, a), a);
      __m256i excess = _mm256_and_si256(_mm256_slli_epi64(a, 32), _mm256_cmpgt_epi64(zero, w));
      total = _mm256_add_epi64(total, _mm256_sub_epi64(_mm256_mul_epu32(a, w), excess));
    }
    __m128i x = _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    sum[r] += _mm_cvtsi128_si64(x) + _mm_extract_epi64(x, 1);
  }
}

const struct vb_isa vb_isa_avx2 = {
    .name = "avx2",
    .supported = supported,
    .quant_i8 = quant_i8,
    .norm = norm,
    .p2_i8 = p2_i8,
    .p2_i14 = p2_i14,
    .tile_block = VB_PACK_BLOCK,
    .tile_pack = vb_avx2_pack,
    .tile_p2 = tile_p2,
    .relu_dot = relu_dot,
    .add = vb_portable_add,
    .mul = vb_portable_mul,
    .mul_scalar = vb_portable_mul_scalar,
    .silu_mul = vb_portable_silu_mul,
    .norm_each = vb_portable_norm_each,
    .sigmoid = vb_portable_sigmoid,
    .tanh = vb_portable_tanh,
    .sum_squares = vb_portable_sum_squares,
    .attn_work = vb_avx2_attn_work,
    .attn_scores = vb_avx2_attn_scores,
    .attn_em = vb_avx2_attn_em,
    .attn_sum = vb_avx2_attn_sum,
    .delta_sums = vb_avx2_delta_sums,
    .delta_update = vb_avx2_delta_update,
};
#else
typedef int vb_no_avx2; // ISO C wants one declaration per file
#endif
