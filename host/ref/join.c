// SPDX-License-Identifier: Apache-2.0
#include "ref/ref.h"
#include <string.h>

static const vb_z *slice(const struct vb_piece *p, uint32_t t, uint32_t h) {
  return p->x + ((uint64_t)t * p->heads + (p->heads > 1 ? h : 0)) * p->width + p->first;
}

void vb_ref_join(const struct vb_join_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      vb_z *y = op->y + ((uint64_t)t * op->heads + h) * (op->a.len + op->b.len);
      memcpy(y, slice(&op->a, t, h), op->a.len * sizeof *y);
      if (op->b.len) memcpy(y + op->a.len, slice(&op->b, t, h), op->b.len * sizeof *y);
    }
}
