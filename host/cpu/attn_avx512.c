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
  VB_V_BYTES = 128,
  PARTS = (VB_MAX_DK / VB_BLOCK + VB_CHUNK - 1) / VB_CHUNK // int32 sums per score
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

// Eight exact sums times 2^e as 32-bit fixed point, rounded and saturated as vb_fixed; bias + kmax is 1023 + e.
static inline __m256i fixed8(__m512d sum, __m512i bias, int kmax) {
  const __m512d top = _mm512_set1_pd(INT32_MAX), bottom = _mm512_set1_pd(-INT32_MAX);
  __m512d scale = _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_add_epi64(bias, _mm512_set1_epi64(kmax)), 52));
  __m512d x = _mm512_mul_pd(sum, scale);
  return _mm512_cvt_roundpd_epi32(_mm512_max_pd(_mm512_min_pd(x, top), bottom),
                                  _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// SHR_RNE(x, s), x >= 0.
static inline __m512i shr_rne8(__m512i x, int s) {
  __m512i odd = _mm512_and_si512(_mm512_srli_epi64(x, (unsigned)s), _mm512_set1_epi64(1));
  x = _mm512_add_epi64(x, _mm512_add_epi64(odd, _mm512_set1_epi64(((int64_t)1 << (s - 1)) - 1)));
  return _mm512_srli_epi64(x, (unsigned)s);
}

// vb_softcap_score from its argument in Q7.24.
static inline __m256i softcap8(__m256i z, int64_t cap) {
  const __m512i one31 = _mm512_set1_epi64((int64_t)1 << 31);
  __m512i t = _mm512_slli_epi64(_mm512_abs_epi64(_mm512_cvtepi32_epi64(z)), 7);
  __m512i x = vb_q7x8(vb_exp2_tab, _mm512_and_si512(t, _mm512_set1_epi64(0x7fffffff)));
  __m512i p = vb_shr_rhu8(x, _mm512_srli_epi64(t, 31));
  __m512i th = shr_rne8(_mm512_mul_epu32(_mm512_sub_epi64(one31, p), vb_recip1p8(p)), 31);
  __m256i s = _mm512_cvtepi64_epi32(shr_rne8(_mm512_mullo_epi64(th, _mm512_set1_epi64(cap)), 39));
  return _mm256_mask_sub_epi32(s, _mm256_movepi32_mask(z), _mm256_setzero_si256(), s);
}

// The scores of 16 lanes from the int32 sums over blocks 0..15 and, where there are more, the others.
static inline __m512i finish16(const int32_t *sum, const int32_t *more, const int64_t *bias, int kmax, int64_t cap) {
  __m256i s[2];
  for (int h = 0; h < 2; h++) {
    __m512d x = _mm512_cvtepi32_pd(_mm256_load_si256((const __m256i *)(sum + 8 * h)));
    if (more) // exact
      x = _mm512_add_pd(x, _mm512_cvtepi32_pd(_mm256_load_si256((const __m256i *)(more + 8 * h))));
    s[h] = fixed8(x, _mm512_load_si512(bias + 8 * h), kmax);
    if (cap) s[h] = softcap8(s[h], cap);
  }
  return _mm512_inserti64x4(_mm512_castsi256_si512(s[0]), s[1], 1);
}

void vb_avx512_attn_scores(struct vb_attn_tile *t) {
  _Alignas(64) uint8_t panel[8][VB_PANEL];
  _Alignas(64) float scale[8][VB_CHUNK];
  _Alignas(64) int32_t sums[PARTS][8][VB_TILE];
  _Alignas(64) int64_t bias[VB_TILE];
  const uint32_t blocks = vb_blocks(t->kv->dk);
  const int fraction = t->cap ? 24 : 16;
  vb_avx512_pack(t->q, t->lanes, (struct vb_range){0, blocks}, t->work);
  for (uint32_t l = 0; l < VB_TILE; l++) bias[l] = 1023 + t->q[l < t->lanes ? l : 0].max - 254 - 8 + fraction;
  const __m512i kept = _mm512_load_si512(t->kept);
  const __m512i start = _mm512_load_si512(t->start), count = _mm512_load_si512(t->count);
  __m512i m = _mm512_set1_epi32(VB_M_NONE);
  for (uint32_t j = 0; j < t->n; j += 8) {
    int max[8];
    for (uint32_t at = 0; at < blocks; at += VB_CHUNK) {
      uint32_t n = blocks - at < VB_CHUNK ? blocks - at : VB_CHUNK;
      __m512i acc[8];
      for (uint32_t r = 0; r < 8; r++) {
        const uint8_t *rec = vb_attn_key(t, j + r < t->n ? j + r : t->n - 1);
        max[r] = rec[VB_REC_KMAX];
        vb_panel_row((const int8_t *)rec + VB_REC_HEADER + at * VB_BLOCK, n, panel[r]);
        _mm512_store_ps(scale[r], vb_scales(rec + at, n, max[r], 8));
      }
      vb_micro(panel[0], (const float(*)[VB_CHUNK])scale, t->work + (size_t)at * VB_PACK_BLOCK, n, acc);
#pragma GCC unroll 8
      for (int r = 0; r < 8; r++) _mm512_store_si512(sums[at / VB_CHUNK][r], acc[r]);
    }
    for (uint32_t r = 0; r < 8 && j + r < t->n; r++) {
      __m512i s = finish16(sums[0][r], blocks > VB_CHUNK ? sums[1][r] : NULL, bias, max[r], t->cap);
      _mm512_store_si512(t->s + (size_t)(j + r) * VB_TILE, s);
      __m512i at = _mm512_set1_epi32((int)(j + r));
      __mmask16 seen = _mm512_cmpgt_epu32_mask(count, _mm512_sub_epi32(at, start)) | _mm512_cmpgt_epu32_mask(kept, at);
      m = _mm512_mask_max_epi32(m, seen, m, s);
    }
  }
  _mm512_store_si512(t->m, m);
}

void vb_avx512_attn_em(struct vb_attn_tile *t) { attn_em(t); }
void vb_avx512_attn_sum(struct vb_attn_tile *t) { attn_sum(t); }
#else
typedef int vb_no_avx512; // ISO C wants one declaration per file
#endif
