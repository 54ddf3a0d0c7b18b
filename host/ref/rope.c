// SPDX-License-Identifier: Apache-2.0
#include "num/rope.h"
#include "ref/ref.h"
#include <string.h>

void vb_ref_rope(const struct vb_rope_op *op) {
  uint32_t half = op->rot / 2;
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t row = ((uint64_t)t * op->heads + h) * op->d;
      const vb_z *x = op->x + row;
      vb_z *y = op->y + row;
      memcpy(y, x, op->d * sizeof *y);
      for (uint32_t i = 0; i < half; i++) {
        uint32_t a = op->first + (op->layout == VB_ROPE_PAIR ? 2 * i : i);
        uint32_t b = op->layout == VB_ROPE_PAIR ? a + 1 : a + half;
        int32_t c, s;
        vb_rope_cossin(op->pos[t], op->freq[i], &c, &s);
        vb_rope_rotate(x[a], x[b], c, s, &y[a], &y[b]);
        if (op->mscale) y[a] = vb_mul(y[a], op->mscale), y[b] = vb_mul(y[b], op->mscale);
      }
    }
}
