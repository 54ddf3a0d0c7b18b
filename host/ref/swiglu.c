// SPDX-License-Identifier: Apache-2.0
#include "num/func.h"
#include "ref/ref.h"

static vb_z activate(enum vb_act act, vb_z g) {
  switch (act) {
  case VB_ACT_SILU: return vb_silu(g);
  case VB_ACT_GELU_TANH: return vb_gelu_tanh(g);
  case VB_ACT_SIGMOID: return vb_sigmoid(g);
  }
  return 0;
}

void vb_ref_swiglu(const struct vb_swiglu_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t n = op->n.begin; n < op->n.end; n++) {
      uint64_t i = (uint64_t)t * op->cols + n;
      vb_z g = activate(op->act, op->g[i]);
      op->y[i] = op->u ? vb_mul(g, op->u[i]) : g;
    }
}
