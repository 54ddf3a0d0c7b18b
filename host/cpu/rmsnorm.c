// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"
#include "num/func.h"

// Exact sum of 24-bit integers aligned to the largest exponent, one multiplication.
static vb_z mean(const vb_z *x, uint32_t n, vb_z inv_n) {
  int e = 0;
  int64_t sum = 0;
  for (uint32_t i = 0; i < n; i++)
    if (vb_expb(x[i]) > e) e = vb_expb(x[i]); // the field of +0 is 0
  for (uint32_t i = 0; i < n; i++) sum += vb_shr_rne(vb_man(x[i]), e - vb_expb(x[i]));
  return vb_mul(vb_norm(sum, e - 150), inv_n);
}

static void norm_row(const struct vb_isa *isa, const struct vb_rmsnorm_op *op, const vb_z *x, vb_z *y) {
  if (op->kind == VB_NORM_LAYER) {
    vb_z shift = vb_neg(mean(x, op->n, op->inv_n));
    for (uint32_t i = 0; i < op->n; i++) y[i] = vb_add(x[i], shift);
    x = y;
  }
  vb_z r = vb_rsq(vb_add(isa->sum_squares(x, op->n), op->eps_n));
  if (op->kind != VB_NORM_L2) r = vb_mul(r, op->sqrt_n);
  isa->mul_scalar(x, r, op->n, y);
  if (op->w) isa->mul(y, op->w, op->n, y);
  if (op->kind == VB_NORM_LAYER) isa->add(y, op->bias, op->n, y);
}

void vb_cpu_rmsnorm(const struct vb_rmsnorm_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t g = op->g.begin; g < op->g.end; g++) {
      uint64_t row = ((uint64_t)t * op->groups + g) * op->n;
      norm_row(isa, op, op->x + row, op->y + row);
    }
}
