// SPDX-License-Identifier: Apache-2.0
#include "num/block.h"
#include "ref/ref.h"
#include <stdlib.h>

static void finish(const struct vb_linear_op *op, uint32_t rows, uint32_t t, uint32_t n, int64_t acc, int a_max,
                   int w_max) {
  uint64_t i = (uint64_t)t * rows + n;
  if (op->acc) {
    op->acc[i] = acc;
    return;
  }
  vb_z y = vb_p2_norm(acc, a_max, w_max);
  op->y[i] = op->bias ? vb_add(y, op->bias[n]) : y;
}

static void linear_i8(const struct vb_linear_op *op) {
  const struct vb_w8 *w = op->w8;
  uint64_t ld = (uint64_t)w->blocks * VB_BLOCK, b0 = op->b.begin;
  uint32_t groups = op->groups ? op->groups : 1, rows_per_group = w->rows / groups;
  int8_t q[w->blocks * VB_BLOCK];
  uint8_t codes[w->blocks];
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    int a_max = 0;
    for (uint32_t n = op->n.begin; n < op->n.end; n++) {
      if (n == op->n.begin || n % rows_per_group == 0)
        a_max = vb_quant_row_i8(op->x + ((uint64_t)t * groups + n / rows_per_group) * w->cols, w->cols, q, codes);
      int64_t acc = vb_p2_i8(q + b0 * VB_BLOCK, codes + b0, a_max, w->q + n * ld + b0 * VB_BLOCK,
                             w->codes + (uint64_t)n * w->blocks + b0, w->max[n], op->b.end - op->b.begin);
      finish(op, w->rows, t, n, acc, a_max, w->max[n]);
    }
  }
}

static void linear_i14(const struct vb_linear_op *op) {
  const struct vb_w14 *w = op->w14;
  uint64_t ld = (uint64_t)w->blocks * VB_BLOCK, b0 = op->b.begin;
  int16_t q[w->blocks * VB_BLOCK];
  uint8_t codes[w->blocks];
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    int a_max = vb_quant_row_i14(op->x + (uint64_t)t * w->cols, w->cols, q, codes);
    for (uint32_t n = op->n.begin; n < op->n.end; n++) {
      int64_t acc = vb_p2_i14(q + b0 * VB_BLOCK, codes + b0, a_max, w->q + n * ld + b0 * VB_BLOCK,
                              w->codes + (uint64_t)n * w->blocks + b0, w->max[n], op->b.end - op->b.begin);
      finish(op, w->rows, t, n, acc, a_max, w->max[n]);
    }
  }
}

void vb_ref_linear(const struct vb_linear_op *op) {
  if (op->w8) linear_i8(op);
  else linear_i14(op);
}
