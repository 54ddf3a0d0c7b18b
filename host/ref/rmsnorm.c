// SPDX-License-Identifier: Apache-2.0
#include "num/func.h"
#include "ref/ref.h"

static int largest_exponent(const vb_z *x, uint32_t n) {
  int e = 0;
  for (uint32_t i = 0; i < n; i++)
    if (x[i] && vb_expb(x[i]) > e) e = vb_expb(x[i]);
  return e;
}

/// Sum of squares of magnitudes aligned to the row's largest exponent, 16 bits each: exact in u64, any order.
static vb_z sum_of_squares(const vb_z *x, uint32_t n) {
  int e = largest_exponent(x, n);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++) {
    int64_t v = vb_shr_rne(vb_man(x[i]), 8 + e - vb_expb(x[i]));
    sum += (uint64_t)(v * v);
  }
  return vb_norm((int64_t)sum, 2 * (e - 142));
}

/// Mean from 24-bit integers aligned to the largest exponent: exact sum, one multiplication.
static vb_z mean(const vb_z *x, uint32_t n, vb_z inv_n) {
  int e = largest_exponent(x, n);
  int64_t sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += vb_shr_rne(vb_man(x[i]), e - vb_expb(x[i]));
  return vb_mul(vb_norm(sum, e - 150), inv_n);
}

static void norm_row(const struct vb_rmsnorm_op *op, const vb_z *x, vb_z *y) {
  vb_z shift = op->kind == VB_NORM_LAYER ? vb_neg(mean(x, op->n, op->inv_n)) : 0;
  for (uint32_t i = 0; i < op->n; i++) y[i] = vb_add(x[i], shift);
  vb_z r = vb_rsq(vb_add(sum_of_squares(y, op->n), op->eps_n));
  if (op->kind != VB_NORM_L2) r = vb_mul(r, op->sqrt_n);
  for (uint32_t i = 0; i < op->n; i++) {
    y[i] = vb_mul(y[i], r);
    if (op->w) y[i] = vb_mul(y[i], op->w[i]);
    if (op->kind == VB_NORM_LAYER) y[i] = vb_add(y[i], op->bias[i]);
  }
}

void vb_ref_rmsnorm(const struct vb_rmsnorm_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t g = op->g.begin; g < op->g.end; g++) {
      uint64_t row = ((uint64_t)t * op->groups + g) * op->n;
      norm_row(op, op->x + row, op->y + row);
    }
}
