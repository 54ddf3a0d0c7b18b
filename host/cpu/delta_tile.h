// SPDX-License-Identifier: Apache-2.0
/// @file delta_tile.h
/// The two passes of the gated delta rule over a tile of state columns, for vectors of VB_W int32 lanes; a lane is a
/// column. Included by delta_avx2.c and delta_avx512.c, which first define
///
///     VB_W             lanes per vector; vi, vu, vl, vul: vectors of (u)int32 and (u)int64
///     vb_mul_even      the 64-bit products of the even lanes
///     vb_mul16         the 32-bit products of a scalar and lanes that all fit 16 bits
#include "cpu/dot.h"

static inline vi load(const void *p) { return *(const vi *)p; }
static inline vi pick(vi mask, vi a, vi b) { return (a & mask) | (b & ~mask); }
static inline vi clamp31(vi x) { return pick(x > 31, (vi){0} + 31, x & (x > 0)); }

// p[j] = sum K_i M_ij and u[j] = sum Q_i M_ij: two vectors of columns at a time, whose eight sums stay in registers.
static void delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u) {
  for (int w = 0; w < VB_DELTA_COLS; w += 2 * VB_W) {
    vl p0 = {0}, p1 = {0}, p2 = {0}, p3 = {0}, u0 = {0}, u1 = {0}, u2 = {0}, u3 = {0};
    for (uint32_t i = 0; i < dk; i++) {
      const int32_t *row = m + (size_t)i * VB_DELTA_COLS + w;
      vi ki = (vi){0} + k[i], qi = (vi){0} + q[i];
      vi a = load(row), b = load(row + VB_W), a_odd = (vi)((vul)a >> 32), b_odd = (vi)((vul)b >> 32);
      p0 += vb_mul_even(a, ki), p1 += vb_mul_even(a_odd, ki), u0 += vb_mul_even(a, qi), u1 += vb_mul_even(a_odd, qi);
      p2 += vb_mul_even(b, ki), p3 += vb_mul_even(b_odd, ki), u2 += vb_mul_even(b, qi), u3 += vb_mul_even(b_odd, qi);
    }
    for (int l = 0; l < VB_W / 2; l++) {
      p[w + 2 * l] = p0[l], p[w + 2 * l + 1] = p1[l], p[w + VB_W + 2 * l] = p2[l], p[w + VB_W + 2 * l + 1] = p3[l];
      u[w + 2 * l] = u0[l], u[w + 2 * l + 1] = u1[l], u[w + VB_W + 2 * l] = u2[l], u[w + VB_W + 2 * l + 1] = u3[l];
    }
  }
}

// One rounded shift, by a count per lane: left (where < 0) or right with ties to even.
struct shift {
  vi left, right, half, one;
};
static inline struct shift shift_by(vi s) {
  struct shift f = {.left = clamp31(-s), .right = clamp31(s)};
  vi any = f.right > 0;
  f.half = (vi)((((vu){0} + 1) << (vu)f.right) >> 1) + any; // 2^(s - 1) - 1, or 0
  f.one = any & 1;
  return f;
}
// |x| < 2^30 after the left shift, so nothing overflows; from 31 on such an x rounds to 0 whatever the count.
static inline vi shifted(vi x, const struct shift *f) {
  x = (vi)((vu)x << (vu)f->left);
  return (x + f->half + ((x >> f->right) & f->one)) >> f->right;
}

static void delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d) {
  for (int w = 0; w < VB_DELTA_COLS; w += VB_W) {
    vi x = load(d + w), c = load(s->c + w), len = load(s->len + w);
    vi some = x != 0, live = len != 0, sign = x >> 31, a = (x & 0x7fffff) | 0x800000;
    vi h = (a + 255 + ((a >> 9) & 1)) >> 9; // SHR_RNE(MAN, 9) of the magnitude
    h = pick(h > 32767, (vi){0} + 32767, h);
    h = ((h ^ sign) - sign) & some;
    vi e = ((x >> 23) & 255) - 155, b = e + (k_bits + 15), old = c + len;
    b = pick(live & (old > b), old, b);
    vi grid = pick(some, b - 25, c); // a column with D = 0 stays as it is
    struct shift was = shift_by((grid - c) & some), add = shift_by((grid - e) & some);
    vi keep = live | ~some, top = {0};
    int32_t *m = s->m + w;
    h &= 0xffff;
    for (uint32_t i = 0; i < dk; i++, m += VB_DELTA_COLS) {
      vi y = shifted(load(m) & keep, &was) + shifted(vb_mul16(k[i], h), &add);
      *(vi *)m = y;
      vi minus = y >> 31;
      top |= (y ^ minus) - minus;
    }
    *(vi *)(s->c + w) = grid;
    for (int l = 0; l < VB_W; l++) // the highest bit of all magnitudes is that of the largest
      if (some[l]) s->len[w + l] = top[l] ? 32 - __builtin_clz((uint32_t)top[l]) : 0;
  }
}
