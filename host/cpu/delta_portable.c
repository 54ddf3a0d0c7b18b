// SPDX-License-Identifier: Apache-2.0
// Gated delta rule passes in plain C.
#include "cpu/dot.h"

void vb_portable_delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u) {
  memset(p, 0, VB_DELTA_COLS * sizeof *p);
  memset(u, 0, VB_DELTA_COLS * sizeof *u);
  for (uint32_t i = 0; i < dk; i++, m += VB_DELTA_COLS)
    for (int j = 0; j < VB_DELTA_COLS; j++) p[j] += (int64_t)k[i] * m[j], u[j] += (int64_t)q[i] * m[j];
}

// One rounded shift per column: left, or right with ties to even. Counts stop at 31, from where on |x| < 2^30 gives 0.
struct shifts {
  int32_t left[VB_DELTA_COLS], right[VB_DELTA_COLS], half[VB_DELTA_COLS], one[VB_DELTA_COLS];
};
static void set_shift(struct shifts *f, int j, int s) {
  f->left[j] = s < -31 ? 31 : s < 0 ? -s : 0;
  f->right[j] = s > 31 ? 31 : s > 0 ? s : 0;
  f->half[j] = s > 0 ? (int32_t)(1u << (f->right[j] - 1)) - 1 : 0;
  f->one[j] = s > 0;
}
static inline int32_t shifted(int32_t x, const struct shifts *f, int j) {
  x = (int32_t)((uint32_t)x << f->left[j]);
  return (x + f->half[j] + ((x >> f->right[j]) & f->one[j])) >> f->right[j];
}

void vb_portable_delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d) {
  struct shifts was, add;
  int32_t keep[VB_DELTA_COLS], h[VB_DELTA_COLS], grid[VB_DELTA_COLS], *m = s->m;
  uint32_t top[VB_DELTA_COLS] = {0};
  for (int j = 0; j < VB_DELTA_COLS; j++) {
    int32_t x = (int32_t)vb_shr_rne(vb_man(d[j]), 9);
    h[j] = x > 32767 ? 32767 : x < -32767 ? -32767 : x;
    int e = vb_expb(d[j]) - 155, b = e + k_bits + 15;
    if (s->len[j] && s->c[j] + s->len[j] > b) b = s->c[j] + s->len[j];
    grid[j] = d[j] ? b - 25 : s->c[j]; // a column with D = 0 stays as it is
    keep[j] = !d[j] || s->len[j] ? -1 : 0;
    set_shift(&was, j, grid[j] - s->c[j]);
    set_shift(&add, j, d[j] ? grid[j] - e : 0);
  }
  for (uint32_t i = 0; i < dk; i++, m += VB_DELTA_COLS)
    for (int j = 0; j < VB_DELTA_COLS; j++) {
      m[j] = shifted(m[j] & keep[j], &was, j) + shifted(k[i] * h[j], &add, j);
      top[j] |= (uint32_t)(m[j] < 0 ? -m[j] : m[j]); // its highest bit is that of the largest
    }
  for (int j = 0; j < VB_DELTA_COLS; j++) {
    s->c[j] = grid[j];
    if (d[j]) s->len[j] = top[j] ? vb_msb(top[j]) + 1 : 0;
  }
}
