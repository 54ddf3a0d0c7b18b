// SPDX-License-Identifier: Apache-2.0
// Carrier arithmetic in plain C. AVX2 uses it too: its instructions cannot name a rounding mode for + and *.
#include "cpu/dot.h"
#include "num/func.h"

void vb_portable_add(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i++) y[i] = vb_add(a[i], b[i]);
}

void vb_portable_mul(const vb_z *a, const vb_z *b, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i++) y[i] = vb_mul(a[i], b[i]);
}

void vb_portable_mul_scalar(const vb_z *a, vb_z b, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i++) y[i] = vb_mul(a[i], b);
}

void vb_portable_silu_mul(const vb_z *g, const vb_z *u, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i++) y[i] = vb_mul(vb_silu(g[i]), u[i]);
}

void vb_portable_norm_each(const int64_t *acc, const int32_t *e, int add, uint32_t n, vb_z *z) {
  for (uint32_t i = 0; i < n; i++) z[i] = vb_norm(acc[i], e[i] + add);
}

void vb_portable_sigmoid(const vb_z *x, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i++) y[i] = vb_sigmoid(x[i]);
}

void vb_portable_tanh(const vb_z *x, uint32_t n, vb_z *y) {
  for (uint32_t i = 0; i < n; i++) y[i] = vb_tanh(x[i]);
}

vb_z vb_portable_sum_squares(const vb_z *x, uint32_t n) {
  int e = 0;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++)
    if (vb_expb(x[i]) > e) e = vb_expb(x[i]); // the field of +0 is 0
  for (uint32_t i = 0; i < n; i++) {
    int64_t v = vb_shr_rne(vb_man(x[i]), 8 + e - vb_expb(x[i]));
    sum += (uint64_t)(v * v);
  }
  return vb_norm((int64_t)sum, 2 * (e - 142));
}
