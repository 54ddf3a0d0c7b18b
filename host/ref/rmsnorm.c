// SPDX-License-Identifier: Apache-2.0
#include "num/func.h"
#include "ref/ref.h"

/// Sum of squares of magnitudes aligned to the row's largest exponent, 16 bits each: exact in u64, any order.
static vb_z sum_of_squares(const vb_z *x, uint32_t n) {
  int e = 0;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++)
    if (x[i] && vb_expb(x[i]) > e) e = vb_expb(x[i]);
  for (uint32_t i = 0; i < n; i++) {
    int64_t v = vb_shr_rne(vb_man(x[i]), 8 + e - vb_expb(x[i]));
    sum += (uint64_t)(v * v);
  }
  return vb_norm((int64_t)sum, 2 * (e - 142));
}

void vb_ref_rmsnorm(const struct vb_rmsnorm_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t g = op->g.begin; g < op->g.end; g++) {
      uint64_t row = ((uint64_t)t * op->groups + g) * op->n;
      vb_z r = vb_mul(vb_rsq(vb_add(sum_of_squares(op->x + row, op->n), op->eps_n)), op->sqrt_n);
      for (uint32_t i = 0; i < op->n; i++) op->y[row + i] = vb_mul(vb_mul(op->x[row + i], r), op->w[i]);
    }
}
