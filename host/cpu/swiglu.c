// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"
#include "num/func.h"

enum { PIECE = 1024 }; // columns: one token alone is enough work for several threads

static vb_z activate(enum vb_act act, vb_z g) {
  switch (act) {
  case VB_ACT_SILU: return vb_silu(g);
  case VB_ACT_GELU_TANH: return vb_gelu_tanh(g);
  case VB_ACT_SIGMOID: return vb_sigmoid(g);
  }
  return 0;
}

static void piece(const struct vb_isa *isa, const struct vb_swiglu_op *op, uint64_t i, uint32_t n) {
  if (op->act == VB_ACT_SILU && op->u) {
    isa->silu_mul(op->g + i, op->u + i, n, op->y + i);
    return;
  }
  for (uint32_t c = 0; c < n; c++) op->y[i + c] = activate(op->act, op->g[i + c]);
  if (op->u) isa->mul(op->y + i, op->u + i, n, op->y + i);
}

void vb_cpu_swiglu(const struct vb_swiglu_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t n = op->n.begin; n < op->n.end; n += PIECE)
      piece(isa, op, (uint64_t)t * op->cols + n, op->n.end - n < PIECE ? op->n.end - n : PIECE);
}
