// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/scratch.h"
#include <string.h>

void vb_cpu_embed(const struct vb_embed_op *op, int threads) {
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    memcpy(op->y + (uint64_t)t * op->dim, op->table + (uint64_t)op->tokens[t] * op->dim, op->dim * sizeof *op->y);
}
