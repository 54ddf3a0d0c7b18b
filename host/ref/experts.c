// SPDX-License-Identifier: Apache-2.0
/// The gate weight is folded into the hidden values before they are quantised, so the down projections of all selected
/// experts are ONE exact sum with concatenated reduction dimension: rounded once, whoever computed which expert.
#include "num/block.h"
#include "num/func.h"
#include "ref/ref.h"
#include <stdlib.h>

static vb_z row_dot(const int8_t *q, const uint8_t *codes, int a_max, const struct vb_w8 *w, uint64_t row) {
  int64_t acc = vb_p2_i8(q, codes, a_max, w->q + row * w->blocks * VB_BLOCK, w->codes + row * w->blocks, w->max[row], w->blocks);
  return vb_p2_norm(acc, a_max, w->max[row]);
}

static void hidden_token(const struct vb_experts_op *op, uint32_t t) {
  const struct vb_experts_w *w = op->w;
  int8_t q[w->gate.blocks * VB_BLOCK];
  uint8_t codes[w->gate.blocks];
  vb_z h[w->inter];
  int a_max = vb_quant_row_i8(op->x + (uint64_t)t * w->dim, w->dim, q, codes);
  for (uint32_t s = 0; s < op->k; s++) {
    uint64_t p = (uint64_t)t * op->k + s, first = (uint64_t)op->ids[p] * w->inter;
    if (op->ids[p] < op->e.begin || op->ids[p] >= op->e.end) continue;
    for (uint32_t i = 0; i < w->inter; i++) {
      vb_z g = row_dot(q, codes, a_max, &w->gate, first + i), u = row_dot(q, codes, a_max, &w->up, first + i);
      h[i] = vb_mul(vb_mul(vb_silu(g), u), op->gates[p]);
    }
    op->hmax[p] = vb_quant_row_i8(h, w->inter, op->hq + p * w->down.blocks * VB_BLOCK, op->hcodes + p * w->down.blocks);
  }
}

static void down_token(const struct vb_experts_op *op, uint32_t t, int a_max, int64_t *acc) {
  const struct vb_w8 *w = &op->w->down;
  for (uint32_t n = 0; n < op->w->dim; n++) {
    acc[n] = 0;
    for (uint32_t s = 0; s < op->k; s++) {
      uint64_t p = (uint64_t)t * op->k + s, row = (uint64_t)op->ids[p] * op->w->dim + n;
      if (op->ids[p] < op->e.begin || op->ids[p] >= op->e.end) continue;
      acc[n] += vb_p2_i8(op->hq + p * w->blocks * VB_BLOCK, op->hcodes + p * w->blocks, a_max,
                         w->q + row * w->blocks * VB_BLOCK, w->codes + row * w->blocks, w->max[row], w->blocks);
    }
  }
}

void vb_ref_experts(const struct vb_experts_op *op) {
  uint32_t dim = op->w->dim;
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    if (op->mode != VB_EXPERTS_DOWN) hidden_token(op, t);
    if (op->mode == VB_EXPERTS_DOWN) down_token(op, t, op->tmax[t], op->acc + (uint64_t)t * dim);
    if (op->mode == VB_EXPERTS_FULL) {
      int a_max = 0;
      for (uint32_t s = 0; s < op->k; s++)
        if (op->hmax[(uint64_t)t * op->k + s] > a_max) a_max = op->hmax[(uint64_t)t * op->k + s];
      int64_t acc[dim];
      down_token(op, t, a_max, acc);
      for (uint32_t n = 0; n < dim; n++) op->y[(uint64_t)t * dim + n] = vb_p2_norm(acc[n], a_max, op->w->down.max[n]);
    }
  }
}
