// SPDX-License-Identifier: Apache-2.0
#include "num/num.h"
#include "ref/ref.h"

void vb_ref_embed(const struct vb_embed_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t i = 0; i < op->dim; i++) {
      vb_z x = op->table[(uint64_t)op->tokens[t] * op->dim + i];
      op->y[(uint64_t)t * op->dim + i] = op->scale ? vb_mul(x, op->scale) : x;
    }
}
