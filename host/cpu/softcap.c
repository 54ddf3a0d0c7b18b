// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"

enum { PIECE = 1024 }; // columns: one token alone is enough work for several threads

void vb_cpu_softcap(const struct vb_softcap_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t n = op->n.begin; n < op->n.end; n += PIECE) {
      uint64_t i = (uint64_t)t * op->cols + n;
      uint32_t some = op->n.end - n < PIECE ? op->n.end - n : PIECE;
      isa->mul_scalar(op->x + i, op->inv_cap, some, op->y + i);
      isa->tanh(op->y + i, some, op->y + i);
      isa->mul_scalar(op->y + i, op->cap, some, op->y + i);
    }
}
