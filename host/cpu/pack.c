// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"

static void fill_record(const struct vb_isa *isa, const vb_z *x, uint32_t d, uint8_t *rec) {
  memset(rec, 0, VB_REC_HEADER);
  rec[VB_REC_KMAX] = isa->quant_i8(x, d, (int8_t *)rec + VB_REC_HEADER, rec);
}

void vb_cpu_pack_q(const struct vb_pack_q_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    vb_z *scaled = vb_scratch((uint64_t)op->d * sizeof *scaled);
#pragma omp for schedule(static) collapse(2)
    for (uint32_t t = op->t.begin; t < op->t.end; t++)
      for (uint32_t h = op->h.begin; h < op->h.end; h++) {
        uint64_t i = (uint64_t)t * op->heads + h;
        isa->mul_scalar(op->x + i * op->d, op->scale, op->d, scaled);
        fill_record(isa, scaled, op->d, op->rec + i * vb_rec_bytes(op->d));
      }
    free(scaled);
  }
}

void vb_cpu_pack_kv(const struct vb_pack_kv_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      uint8_t *key = op->krec + i * vb_rec_bytes(op->dk);
      fill_record(isa, op->k + i * op->dk, op->dk, key);
      isa->quant_i8(op->v + i * op->dv, op->dv, (int8_t *)(op->vrec + i * vb_val_bytes(op->dv)), key + VB_REC_VCODES);
    }
}
