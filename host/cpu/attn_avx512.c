// SPDX-License-Identifier: Apache-2.0
// Attention passes for AVX-512 VNNI.
#include "cpu/dot.h"
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#include "cpu/avx512.h"

typedef uint32_t vu __attribute__((vector_size(64), may_alias));
typedef int32_t vi __attribute__((vector_size(64), may_alias));
enum {
  VB_W = 16,
  VB_GROUP = 4,
  VB_DIGITS = 3,
  VB_DIGIT_BITS = 8,
  VB_FLUSH = 65536, // 65536 * 255 * 127 < 2^31
  VB_V_BYTES = 128
};

static inline vu vb_lookup(int column, vu ix) {
  const uint32_t(*t)[3] = vb_exp2_24_tab;
  const vu table = {t[0][column],  t[1][column],  t[2][column],  t[3][column], t[4][column],  t[5][column],
                    t[6][column],  t[7][column],  t[8][column],  t[9][column], t[10][column], t[11][column],
                    t[12][column], t[13][column], t[14][column], t[15][column]};
  return (vu)_mm512_permutexvar_epi32((__m512i)ix, (__m512i)table);
}
static inline vu vb_srl(vu x, vu n) { return (vu)_mm512_srlv_epi32((__m512i)x, (__m512i)n); }
static inline vu vb_min_u(vu a, vu b) { return (vu)_mm512_min_epu32((__m512i)a, (__m512i)b); }
static inline vi vb_max_i(vi a, vi b) { return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b); }

static inline void vb_digits(const vu p[VB_GROUP], uint32_t (*to)[VB_TILE], int lane) {
  for (int d = 0, s = 0; d < VB_DIGITS; d++, s += 8)
    *(vu *)(to[d] + lane) = (p[0] >> s & 255) | (p[1] >> s & 255) << 8 | (p[2] >> s & 255) << 16 | (p[3] >> s) << 24;
}

// Byte k of dword i: key k, channel vb_channel(i).
static inline void vb_v_panel(const int8_t *const v[VB_GROUP], uint8_t *panel) {
  __m256i r[4];
  for (int k = 0; k < 4; k++) r[k] = _mm256_loadu_si256((const __m256i_u *)v[k]);
  __m256i a = _mm256_unpacklo_epi8(r[0], r[1]), b = _mm256_unpackhi_epi8(r[0], r[1]);
  __m256i c = _mm256_unpacklo_epi8(r[2], r[3]), d = _mm256_unpackhi_epi8(r[2], r[3]);
  _mm256_store_si256((__m256i *)panel, _mm256_unpacklo_epi16(a, c));
  _mm256_store_si256((__m256i *)(panel + 32), _mm256_unpackhi_epi16(a, c));
  _mm256_store_si256((__m256i *)(panel + 64), _mm256_unpacklo_epi16(b, d));
  _mm256_store_si256((__m256i *)(panel + 96), _mm256_unpackhi_epi16(b, d));
}
static inline uint32_t vb_channel(uint32_t i) { return i / 8 * 4 + i % 8 / 4 * 16 + i % 4; }

static inline void vb_pv(const uint32_t *digits, const uint8_t *panel, uint32_t groups, int32_t *sums) {
  __m512i acc[12]; // [lane][digit][half]
#pragma GCC unroll 12
  for (int i = 0; i < 12; i++) acc[i] = _mm512_load_si512(sums + 16 * i);
  for (uint32_t g = 0; g < groups; g++, digits += VB_DIGITS * VB_TILE, panel += VB_V_BYTES) {
    __m512i v0 = _mm512_load_si512(panel), v1 = _mm512_load_si512(panel + 64);
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
      __m512i p = _mm512_set1_epi32((int32_t)digits[i % 3 * VB_TILE + i / 3]);
      acc[2 * i] = vb_dp(acc[2 * i], p, v0);
      acc[2 * i + 1] = vb_dp(acc[2 * i + 1], p, v1);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < 12; i++) _mm512_store_si512(sums + 16 * i, acc[i]);
}

#include "cpu/attn_tile.h"

size_t vb_avx512_attn_work(const struct vb_kv *kv) {
  size_t pack = (size_t)vb_blocks(kv->dk) * VB_PACK_BLOCK, passes = attn_work_bytes(kv);
  return pack > passes ? pack : passes; // scores come first, so both may use the same bytes
}

// Q15.16 of eight int32 sums: exact in double, rounded and saturated as vb_q16.
static inline __m256i q16(__m256i acc, __m512i bias, int kmax) {
  const __m512d top = _mm512_set1_pd(INT32_MAX), bottom = _mm512_set1_pd(-INT32_MAX);
  __m512d scale = _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_add_epi64(bias, _mm512_set1_epi64(kmax)), 52));
  __m512d x = _mm512_mul_pd(_mm512_cvtepi32_pd(acc), scale);
  return _mm512_cvt_roundpd_epi32(_mm512_max_pd(_mm512_min_pd(x, top), bottom),
                                  _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

void vb_avx512_attn_scores(struct vb_attn_tile *t) {
  _Alignas(64) uint8_t panel[8][VB_PANEL];
  _Alignas(64) float scale[8][VB_CHUNK];
  _Alignas(64) int64_t bias[VB_TILE];
  const uint32_t blocks = vb_blocks(t->kv->dk);
  if (blocks > VB_CHUNK) { // more than an int32 sum holds
    vb_portable_scores(t);
    return;
  }
  vb_avx512_pack(t->q, t->lanes, (struct vb_range){0, blocks}, t->work);
  for (uint32_t l = 0; l < VB_TILE; l++) bias[l] = 1023 + t->q[l < t->lanes ? l : 0].max - 254 - 8 + 16;
  const __m512i bias0 = _mm512_load_si512(bias), bias1 = _mm512_load_si512(bias + 8);
  const __m512i limit = _mm512_load_si512(t->limit);
  __m512i m = _mm512_set1_epi32(VB_M_NONE);
  for (uint32_t j = 0; j < t->n; j += 8) {
    __m512i acc[8];
    int max[8];
    for (uint32_t r = 0; r < 8; r++) {
      const uint8_t *rec = vb_kv_key(t->kv, t->head, t->begin + (j + r < t->n ? j + r : t->n - 1));
      max[r] = rec[VB_REC_KMAX];
      vb_panel_row((const int8_t *)rec + VB_REC_HEADER, blocks, panel[r]);
      _mm512_store_ps(scale[r], vb_scales(rec, blocks, max[r], 8));
    }
    vb_micro(panel[0], (const float(*)[VB_CHUNK])scale, t->work, blocks, acc);
#pragma GCC unroll 8
    for (uint32_t r = 0; r < 8; r++) {
      __m256i lo = q16(_mm512_castsi512_si256(acc[r]), bias0, max[r]);
      __m256i hi = q16(_mm512_extracti64x4_epi64(acc[r], 1), bias1, max[r]);
      __m512i s = _mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1);
      if (j + r >= t->n) break;
      _mm512_store_si512(t->s + (size_t)(j + r) * VB_TILE, s);
      m = _mm512_mask_max_epi32(m, _mm512_cmpgt_epu32_mask(limit, _mm512_set1_epi32((int)(j + r))), m, s);
    }
  }
  _mm512_store_si512(t->m, m);
}

void vb_avx512_attn_em(struct vb_attn_tile *t) { attn_em(t); }
void vb_avx512_attn_sum(struct vb_attn_tile *t) { attn_sum(t); }
#else
typedef int vb_no_avx512; // ISO C wants one declaration per file
#endif
