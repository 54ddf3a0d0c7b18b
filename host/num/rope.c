// SPDX-License-Identifier: Apache-2.0
#include "num/rope.h"

typedef unsigned __int128 u128;
typedef __int128 i128;

#define U128(hi, lo) ((u128)(hi) << 64 | (lo))
static const u128 ln2_q127 = U128(0x58b90bfbe8e7bcd5u, 0xe4f1d9cc01f97b57u); // floor(2^127 ln 2)
static const u128 log2_2pi_q80 = U128(0x2a6c8u, 0x73498ddf75b0db2eu);        // floor(2^80 log2(2 pi))
static const u128 one_q60 = (u128)1 << 60;

// floor(a * b / 2^s) for 64 < s <= 128; the result must be below 2^128.
static u128 mul_shift(u128 a, u128 b, int s) {
  uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
  u128 p00 = (u128)a0 * b0, p01 = (u128)a0 * b1, p10 = (u128)a1 * b0, p11 = (u128)a1 * b1;
  u128 mid = (p00 >> 64) + (uint64_t)p01 + (uint64_t)p10, lo = mid << 64 | (uint64_t)p00;
  u128 hi = p11 + (p01 >> 64) + (p10 >> 64) + (mid >> 64);
  return s == 128 ? hi : hi << (128 - s) | lo >> s;
}

// log2(n) in Q.80 by squaring: one bit of the fraction per step.
static u128 log2_q80(uint64_t n) {
  int top = vb_msb(n);
  u128 x = (u128)n << (127 - top), bits = 0;
  for (int i = 0; i < 80; i++) {
    u128 h = mul_shift(x, x, 128);
    bits = bits << 1 | h >> 127;
    x = h >> 127 ? h : h << 1;
  }
  return ((u128)top << 80) + bits;
}

// 2^-f in Q.124 for a fraction f in Q.80: alternating Taylor series of exp(-f ln 2).
static u128 exp2_neg_q124(u128 f) {
  u128 x = mul_shift(f << 44, ln2_q127, 127), t = (u128)1 << 124, sum = t;
  for (unsigned k = 1; k < 40; k++) {
    t = mul_shift(t, x, 124) / k;
    sum = k & 1 ? sum - t : sum + t;
  }
  return sum;
}

static uint64_t q20(double v) { return (uint64_t)(v * 1048576.0); } // exact: multiples of 2^-20

// The dimension that turns n times over the original length (YaRN), Q.48; n in Q.20.
static i128 yarn_dim(const struct vb_rope_config *c, uint64_t n, u128 log_theta) {
  i128 turns = (i128)log2_q80(c->original_length) - (i128)log2_2pi_q80 - (i128)log2_q80(n) + ((i128)20 << 80);
  i128 a = (turns >> 16) * c->dims;
  u128 size = ((u128)(a < 0 ? -a : a) << 48) / (2 * log_theta >> 16);
  return a < 0 ? -(i128)size : (i128)size;
}

static void yarn_band(const struct vb_rope_config *c, u128 log_theta, i128 *lo, i128 *hi) {
  i128 last = (i128)(c->dims - 1) << 48;
  *lo = yarn_dim(c, q20(c->high_freq), log_theta);
  *hi = yarn_dim(c, q20(c->low_freq), log_theta);
  if (c->truncate) {
    *lo = (*lo >> 48) * ((i128)1 << 48);
    *hi = -((-*hi >> 48) * ((i128)1 << 48));
  }
  if (*lo < 0) *lo = 0;
  if (*hi > last) *hi = last;
  if (*lo == *hi) *hi += 281474976711; // the papers' 0.001 against a division by zero
}

// Share of the unscaled frequency f, Q.60.
static u128 llama3_share(const struct vb_rope_config *c, uint64_t f) {
  u128 x = (u128)c->original_length * f, lo = (u128)q20(c->low_freq) << 44, hi = (u128)q20(c->high_freq) << 44;
  if (x > hi) return one_q60;
  if (x < lo || lo == hi) return 0;
  return ((x - lo) << 16) / (q20(c->high_freq) - q20(c->low_freq));
}

static bool is_q20(double v) { return v * 1048576.0 == (double)(uint64_t)(v * 1048576.0); }

const char *vb_rope_valid(const struct vb_rope_config *c) {
  if (!c->theta) return "rope_theta must be at least 1";
  if (!c->dims || c->dims % 2 || c->dims > VB_ROPE_MAX_DIMS) return "rotated dimensions must be even, 2 to 65536";
  if (c->scaling == VB_ROPE_DEFAULT) return NULL;
  if (!(c->factor >= 1 && c->factor <= VB_ROPE_MAX_FACTOR) || !is_q20(c->factor))
    return "factor must be a multiple of 2^-20 between 1 and 65536";
  if (c->scaling == VB_ROPE_LINEAR) return NULL;
  if (!c->original_length || c->original_length > (uint64_t)1 << 32)
    return "original_max_position_embeddings must be between 1 and 2^32";
  if (!(c->low_freq > 0 && c->low_freq <= c->high_freq && c->high_freq <= VB_ROPE_MAX_FACTOR) || !is_q20(c->low_freq) ||
      !is_q20(c->high_freq))
    return "low and high frequency factors must be multiples of 2^-20 with 0 < low <= high <= 65536";
  if (c->scaling == VB_ROPE_YARN && c->theta < 2) return "rope_theta must be at least 2 for yarn";
  return NULL;
}

void vb_rope_freqs(const struct vb_rope_config *c, uint64_t *freq) {
  u128 log_theta = log2_q80(c->theta), fraction = ((u128)1 << 80) - 1;
  uint64_t factor = c->scaling == VB_ROPE_DEFAULT ? 1u << 20 : q20(c->factor);
  i128 lo = 0, hi = 0;
  if (c->scaling == VB_ROPE_YARN) yarn_band(c, log_theta, &lo, &hi);
  for (uint32_t i = 0; i < c->dims / 2; i++) {
    u128 y = log_theta * (2 * i) / c->dims + log2_2pi_q80;
    int n = (int)(y >> 80);
    uint64_t f = (uint64_t)((exp2_neg_q124(y & fraction) + ((u128)1 << (59 + n))) >> (60 + n));
    uint64_t scaled = (uint64_t)(((u128)f << 20) / factor);
    u128 share = one_q60;
    if (c->scaling == VB_ROPE_LINEAR) share = 0;
    if (c->scaling == VB_ROPE_LLAMA3) share = llama3_share(c, f);
    if (c->scaling == VB_ROPE_YARN) {
      i128 d = ((i128)i << 48) - lo;
      share = d <= 0 ? one_q60 : d >= hi - lo ? 0 : one_q60 - ((u128)d << 60) / (u128)(hi - lo);
    }
    freq[i] = (uint64_t)(((u128)f * share + (u128)scaled * (one_q60 - share)) >> 60);
  }
}
