// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"
#include "num/func.h"

enum { PIECE = 1024 }; // columns: one token alone is enough work for several threads

static void piece(const struct vb_isa *isa, const struct vb_swiglu_op *op, uint64_t i, uint32_t n) {
  const vb_z *g = op->g + i, *u = op->u + i;
  vb_z *y = op->y + i;
  switch (op->act) {
  case VB_ACT_SILU: isa->silu_mul(g, u, n, y); break;
  case VB_ACT_GELU_TANH:
    for (uint32_t c = 0; c < n; c++) y[c] = vb_mul(vb_gelu_tanh(g[c]), u[c]);
    break;
  case VB_ACT_SIGMOID:
    for (uint32_t c = 0; c < n; c++) y[c] = vb_mul(vb_sigmoid(g[c]), u[c]);
    break;
  }
}

void vb_cpu_swiglu(const struct vb_swiglu_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t n = op->n.begin; n < op->n.end; n += PIECE)
      piece(isa, op, (uint64_t)t * op->cols + n, op->n.end - n < PIECE ? op->n.end - n : PIECE);
}
