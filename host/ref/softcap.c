// SPDX-License-Identifier: Apache-2.0
#include "num/func.h"
#include "ref/ref.h"

void vb_ref_softcap(const struct vb_softcap_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t n = op->n.begin; n < op->n.end; n++) {
      uint64_t i = (uint64_t)t * op->cols + n;
      op->y[i] = vb_mul(op->cap, vb_tanh(vb_mul(op->x[i], op->inv_cap)));
    }
}
