// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/scratch.h"
#include <string.h>

static const vb_z *slice(const struct vb_piece *p, uint32_t t, uint32_t h) {
  return p->x + ((uint64_t)t * p->heads + (p->heads > 1 ? h : 0)) * p->width + p->first;
}

void vb_cpu_join(const struct vb_join_op *op, int threads) {
  const uint32_t a = op->a.len, b = op->b.len;
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      vb_z *y = op->y + ((uint64_t)t * op->heads + h) * (a + b);
      memcpy(y, slice(&op->a, t, h), a * sizeof *y);
      if (b) memcpy(y + a, slice(&op->b, t, h), b * sizeof *y);
    }
}
