// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"
#include "num/func.h"

void vb_cpu_rmsnorm(const struct vb_rmsnorm_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t g = op->g.begin; g < op->g.end; g++) {
      uint64_t row = ((uint64_t)t * op->groups + g) * op->n;
      vb_z r = vb_mul(vb_rsq(vb_add(isa->sum_squares(op->x + row, op->n), op->eps_n)), op->sqrt_n);
      isa->mul_scalar(op->x + row, r, op->n, op->y + row);
      isa->mul(op->y + row, op->w, op->n, op->y + row);
    }
}
