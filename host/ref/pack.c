// SPDX-License-Identifier: Apache-2.0
#include "num/block.h"
#include "num/func.h"
#include "num/hadamard.h"
#include "ref/ref.h"

/// 1 + temperature * ln(1 + floor((pos + 1) / floor_scale)).
static vb_z position_scale(const struct vb_pack_q_op *op, uint32_t pos) {
  vb_z log2 = vb_norm(vb_log2i(1 + ((uint64_t)pos + 1) / op->floor_scale), -31);
  return vb_add(VB_Z_ONE, vb_mul(op->temperature, vb_mul(log2, VB_Z_LN2)));
}

void vb_ref_pack_q(const struct vb_pack_q_op *op) {
  vb_z x[op->d];
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      for (uint32_t c = 0; c < op->d; c++) {
        x[c] = op->x[i * op->d + c];
        if (op->floor_scale) x[c] = vb_mul(x[c], position_scale(op, op->pos[t]));
        if (op->scale) x[c] = vb_mul(x[c], op->scale);
      }
      if (op->hadamard) vb_hadamard(x, op->d, VB_HADAMARD_QUERY);
      vb_rec_fill(x, op->d, op->rec + i * vb_rec_bytes(op->d));
    }
}

void vb_ref_pack_kv(const struct vb_pack_kv_op *op) {
  vb_z x[op->dk];
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      uint8_t *key = op->krec + i * vb_rec_bytes(op->dk);
      memcpy(x, op->k + i * op->dk, op->dk * sizeof *x);
      if (op->hadamard) vb_hadamard(x, op->dk, VB_HADAMARD_KEY);
      vb_rec_fill(x, op->dk, key);
      if (op->v) vb_val_fill(op->v + i * op->dv, op->dv, op->vrec + i * vb_val_bytes(op->dv), key);
    }
}
