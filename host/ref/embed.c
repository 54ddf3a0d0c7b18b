// SPDX-License-Identifier: Apache-2.0
#include "ref/ref.h"
#include <string.h>

void vb_ref_embed(const struct vb_embed_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    memcpy(op->y + (uint64_t)t * op->dim, op->table + (uint64_t)op->tokens[t] * op->dim, op->dim * sizeof *op->y);
}
