// SPDX-License-Identifier: Apache-2.0
#include "num/func.h"
#include "ref/ref.h"

/// Input of column n, `back` tokens before token t.
static vb_z tap(const struct vb_conv_op *op, uint32_t t, uint32_t back, uint32_t n) {
  return t >= back ? op->x[(uint64_t)(t - back) * op->cols + n] : op->history[(uint64_t)(3 + t - back) * op->cols + n];
}

void vb_ref_conv(const struct vb_conv_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t n = op->n.begin; n < op->n.end; n++) {
      const vb_z *w = op->w + (uint64_t)n * 4;
      vb_z older = vb_add(vb_mul(w[0], tap(op, t, 3, n)), vb_mul(w[1], tap(op, t, 2, n)));
      vb_z newer = vb_add(vb_mul(w[2], tap(op, t, 1, n)), vb_mul(w[3], tap(op, t, 0, n)));
      op->y[(uint64_t)t * op->cols + n] = vb_silu(vb_add(older, newer));
    }
}
