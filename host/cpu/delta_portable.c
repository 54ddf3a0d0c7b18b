// SPDX-License-Identifier: Apache-2.0
// Gated delta rule passes in plain C.
#include "cpu/dot.h"

void vb_portable_delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u) {
  memset(p, 0, VB_DELTA_COLS * sizeof *p);
  memset(u, 0, VB_DELTA_COLS * sizeof *u);
  for (uint32_t i = 0; i < dk; i++, m += VB_DELTA_COLS)
    for (int j = 0; j < VB_DELTA_COLS; j++) p[j] += (int64_t)k[i] * m[j], u[j] += (int64_t)q[i] * m[j];
}

static void update_column(int32_t *m, uint32_t dk, const int32_t *k, int k_bits, vb_z d, int32_t *c, int32_t *len) {
  int32_t h = (int32_t)vb_shr_rne(vb_man(d), 9);
  h = h > 32767 ? 32767 : h < -32767 ? -32767 : h;
  int e = vb_expb(d) - 155, b = e + k_bits + 15;
  bool live = *len != 0;
  if (live && *c + *len > b) b = *c + *len;
  int was = b - 25 - *c, add = b - 25 - e;
  uint32_t top = 0;
  for (uint32_t i = 0; i < dk; i++, m += VB_DELTA_COLS) {
    int32_t y = (int32_t)((live ? vb_shr_rne(*m, was) : 0) + vb_shr_rne(k[i] * h, add));
    *m = y;
    top |= (uint32_t)(y < 0 ? -y : y); // its highest bit is that of the largest
  }
  *c = b - 25;
  *len = top ? vb_msb(top) + 1 : 0;
}

void vb_portable_delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d) {
  for (int j = 0; j < VB_DELTA_COLS; j++)
    if (d[j]) update_column(s->m + j, dk, k, k_bits, d[j], &s->c[j], &s->len[j]);
}
