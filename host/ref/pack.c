// SPDX-License-Identifier: Apache-2.0
#include "num/block.h"
#include "ref/ref.h"

void vb_ref_pack_q(const struct vb_pack_q_op *op) {
  vb_z scaled[op->d];
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      for (uint32_t c = 0; c < op->d; c++) scaled[c] = vb_mul(op->x[i * op->d + c], op->scale);
      vb_rec_fill(scaled, op->d, op->rec + i * vb_rec_bytes(op->d));
    }
}

void vb_ref_pack_kv(const struct vb_pack_kv_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      uint8_t *key = op->krec + i * vb_rec_bytes(op->dk);
      vb_rec_fill(op->k + i * op->dk, op->dk, key);
      vb_val_fill(op->v + i * op->dv, op->dv, op->vrec + i * vb_val_bytes(op->dv), key);
    }
}
