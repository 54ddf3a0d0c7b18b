// SPDX-License-Identifier: Apache-2.0
// Attention passes for AVX2.
#include "cpu/dot.h"
#if defined(__x86_64__)
#pragma GCC target("avx2")
#include "cpu/avx2.h"
#include "num/softcap.h"

typedef uint32_t vu __attribute__((vector_size(32), may_alias));
typedef int32_t vi __attribute__((vector_size(32), may_alias));
enum {
  VB_W = 8,
  VB_GROUP = 2,
  VB_DIGITS = 2,
  VB_DIGIT_BITS = 12,
  VB_FLUSH = 4096, // 4096 * 4095 * 127 < 2^31
  VB_V_BYTES = 128,
  PARTS = (VB_MAX_DK / VB_BLOCK + VB_CHUNK - 1) / VB_CHUNK // int32 sums per score
};

static inline vu vb_lookup(int column, vu ix) {
  const uint32_t(*t)[3] = vb_exp2_24_tab;
  const vu lo = {t[0][column], t[1][column], t[2][column], t[3][column],
                 t[4][column], t[5][column], t[6][column], t[7][column]};
  const vu hi = {t[8][column],  t[9][column],  t[10][column], t[11][column],
                 t[12][column], t[13][column], t[14][column], t[15][column]};
  __m256i a = _mm256_permutevar8x32_epi32((__m256i)lo, (__m256i)ix); // uses the low 3 bits
  __m256i b = _mm256_permutevar8x32_epi32((__m256i)hi, (__m256i)ix);
  return (vu)_mm256_blendv_epi8(a, b, _mm256_cmpgt_epi32((__m256i)ix, _mm256_set1_epi32(7)));
}
static inline vu vb_srl(vu x, vu n) { return (vu)_mm256_srlv_epi32((__m256i)x, (__m256i)n); }
static inline vu vb_min_u(vu a, vu b) { return (vu)_mm256_min_epu32((__m256i)a, (__m256i)b); }
static inline vi vb_max_i(vi a, vi b) { return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b); }

static inline void vb_digits(const vu p[VB_GROUP], uint32_t (*to)[VB_TILE], int lane) {
  *(vu *)(to[0] + lane) = (p[0] & 4095) | (p[1] & 4095) << 16;
  *(vu *)(to[1] + lane) = p[0] >> 12 | p[1] >> 12 << 16;
}

// Halfword k of dword i: key k, channel i.
static inline void vb_v_panel(const int8_t *const v[VB_GROUP], uint8_t *panel) {
  __m256i a = _mm256_loadu_si256((const __m256i_u *)v[0]), b = _mm256_loadu_si256((const __m256i_u *)v[1]);
  __m256i lo = _mm256_unpacklo_epi8(a, b), hi = _mm256_unpackhi_epi8(a, b);
  __m256i *to = (__m256i *)panel;
  to[0] = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(lo));
  to[1] = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(hi));
  to[2] = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(lo, 1));
  to[3] = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(hi, 1));
}
static inline uint32_t vb_channel(uint32_t i) { return i; }

static inline void vb_pv(const uint32_t *digits, const uint8_t *panel, uint32_t groups, int32_t *sums) {
  for (int lane = 0; lane < 2; lane++, digits++, sums += 2 * VB_BLOCK) {
    const uint32_t *p = digits;
    const __m256i *v = (const __m256i *)panel;
    __m256i acc[8]; // [digit][quarter]
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) acc[i] = _mm256_load_si256((const __m256i *)(sums + 8 * i));
    for (uint32_t g = 0; g < groups; g++, p += VB_DIGITS * VB_TILE, v += 4) {
      __m256i lo = _mm256_set1_epi32((int32_t)p[0]), hi = _mm256_set1_epi32((int32_t)p[VB_TILE]);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(v[i], lo));
        acc[4 + i] = _mm256_add_epi32(acc[4 + i], _mm256_madd_epi16(v[i], hi));
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) _mm256_store_si256((__m256i *)(sums + 8 * i), acc[i]);
  }
}

#include "cpu/attn_tile.h"

size_t vb_avx2_attn_work(const struct vb_kv *kv) {
  size_t pack = (size_t)vb_blocks(kv->dk) * VB_PACK_BLOCK, passes = attn_work_bytes(kv);
  return pack > passes ? pack : passes; // scores come first, so both may use the same bytes
}

// Q15.16 of four exact sums, rounded and saturated as vb_q16.
static inline __m128i q16(__m256d sum, __m256i bias, int kmax) {
  const __m256d top = _mm256_set1_pd(INT32_MAX), bottom = _mm256_set1_pd(-INT32_MAX);
  __m256i e = _mm256_slli_epi64(_mm256_add_epi64(bias, _mm256_set1_epi64x(kmax)), 52);
  __m256d x = _mm256_mul_pd(sum, _mm256_castsi256_pd(e));
  x = _mm256_max_pd(_mm256_min_pd(x, top), bottom);
  return _mm256_cvttpd_epi32(_mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// The scores of a key from its sums over blocks 0..15 and, where there are more, the others. The soft-cap has no vector
// form here: its table look-ups would be gathers of 64-bit products that AVX2 cannot shift.
static inline void finish_key(const struct vb_attn_tile *t, const int32_t *sum, const int32_t *more,
                              const int64_t *bias, int kmax, int32_t *s) {
  for (int i = 0; i < VB_TILE && !t->cap; i += 4) {
    __m256d x = _mm256_cvtepi32_pd(_mm_load_si128((const __m128i *)(sum + i)));
    if (more) x = _mm256_add_pd(x, _mm256_cvtepi32_pd(_mm_load_si128((const __m128i *)(more + i)))); // exact
    _mm_store_si128((__m128i *)(s + i), q16(x, _mm256_load_si256((const __m256i *)(bias + i)), kmax));
  }
  for (uint32_t i = 0; i < VB_TILE && t->cap; i++)
    s[i] = i < t->lanes ? vb_softcap_score((int64_t)sum[i] + (more ? more[i] : 0), t->q[i].max + kmax - 254 - 8, t->cap)
                        : 0;
}

void vb_avx2_attn_scores(struct vb_attn_tile *t) {
  _Alignas(64) uint8_t panel[4][VB_PANEL];
  _Alignas(64) float scale[4][VB_CHUNK];
  _Alignas(64) int32_t acc[PARTS][4][VB_TILE];
  _Alignas(64) int64_t bias[VB_TILE];
  const uint32_t blocks = vb_blocks(t->kv->dk);
  vb_avx2_pack(t->q, t->lanes, (struct vb_range){0, blocks}, t->work);
  for (uint32_t l = 0; l < VB_TILE; l++) {
    bias[l] = 1023 + t->q[l < t->lanes ? l : 0].max - 254 - 8 + 16;
    t->m[l] = VB_M_NONE;
  }
  for (uint32_t j = 0; j < t->n; j += 4) {
    uint32_t n = t->n - j < 4 ? t->n - j : 4;
    int max[4];
    for (uint32_t at = 0; at < blocks; at += VB_CHUNK) {
      uint32_t some = blocks - at < VB_CHUNK ? blocks - at : VB_CHUNK;
      for (uint32_t r = 0; r < 4; r++) {
        const uint8_t *rec = vb_attn_key(t, j + (r < n ? r : n - 1));
        max[r] = rec[VB_REC_KMAX];
        vb_panel_row((const int8_t *)rec + VB_REC_HEADER + at * VB_BLOCK, rec + at, max[r], some, panel[r], scale[r]);
      }
      vb_micro(panel[0], (const float(*)[VB_CHUNK])scale, t->work + (size_t)at * VB_PACK_BLOCK, some,
               acc[at / VB_CHUNK]);
    }
    for (uint32_t r = 0; r < n; r++) {
      int32_t *s = t->s + (size_t)(j + r) * VB_TILE;
      finish_key(t, acc[0][r], blocks > VB_CHUNK ? acc[1][r] : NULL, bias, max[r], s);
      for (int h = 0; h < VB_TILE; h += VB_W) {
        const struct attn_sight sight = attn_sight(t, h);
        vi seen = (vi)attn_seen(&sight, j + r), m = (vi)loadu(t->m + h);
        *(vi *)(t->m + h) = (vb_max_i(m, (vi)loadu(s + h)) & seen) | (m & ~seen);
      }
    }
  }
}

void vb_avx2_attn_em(struct vb_attn_tile *t) { attn_em(t); }
void vb_avx2_attn_sum(struct vb_attn_tile *t) { attn_sum(t); }
#else
typedef int vb_no_avx2; // ISO C wants one declaration per file
#endif
