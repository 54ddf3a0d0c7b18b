// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"

void vb_cpu_embed(const struct vb_embed_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    const vb_z *x = op->table + (uint64_t)op->tokens[t] * op->dim;
    vb_z *y = op->y + (uint64_t)t * op->dim;
    if (op->scale) isa->mul_scalar(x, op->scale, op->dim, y);
    else memcpy(y, x, op->dim * sizeof *y);
  }
}
