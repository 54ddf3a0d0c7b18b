// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"
#include "num/func.h"
#include "num/hadamard.h"

static void fill_record(const struct vb_isa *isa, const vb_z *x, uint32_t d, uint8_t *rec) {
  memset(rec, 0, VB_REC_HEADER);
  rec[VB_REC_KMAX] = isa->quant_i8(x, d, (int8_t *)rec + VB_REC_HEADER, rec);
}

// 1 + temperature * ln(1 + floor((pos + 1) / floor_scale)).
static vb_z position_scale(const struct vb_pack_q_op *op, uint32_t pos) {
  vb_z log2 = vb_norm(vb_log2i(1 + ((uint64_t)pos + 1) / op->floor_scale), -31);
  return vb_add(VB_Z_ONE, vb_mul(op->temperature, vb_mul(log2, VB_Z_LN2)));
}

static void pack_query(const struct vb_isa *isa, const struct vb_pack_q_op *op, uint32_t t, uint64_t i, vb_z *x) {
  memcpy(x, op->x + i * op->d, op->d * sizeof *x);
  if (op->floor_scale) isa->mul_scalar(x, position_scale(op, op->pos[t]), op->d, x);
  if (op->scale) isa->mul_scalar(x, op->scale, op->d, x);
  if (op->hadamard) vb_hadamard(x, op->d, VB_HADAMARD_QUERY);
  fill_record(isa, x, op->d, op->rec + i * vb_rec_bytes(op->d));
}

static void pack_pair(const struct vb_isa *isa, const struct vb_pack_kv_op *op, uint64_t i, vb_z *rotated) {
  const vb_z *k = op->k + i * op->dk;
  uint8_t *key = op->krec + i * vb_rec_bytes(op->dk);
  if (op->hadamard) {
    memcpy(rotated, k, op->dk * sizeof *k);
    vb_hadamard(rotated, op->dk, VB_HADAMARD_KEY);
    k = rotated;
  }
  fill_record(isa, k, op->dk, key);
  if (op->v)
    isa->quant_i8(op->v + i * op->dv, op->dv, (int8_t *)(op->vrec + i * vb_val_bytes(op->dv)), key + VB_REC_VCODES);
}

void vb_cpu_pack_q(const struct vb_pack_q_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    vb_z *scaled = vb_scratch((uint64_t)op->d * sizeof *scaled);
#pragma omp for schedule(static) collapse(2)
    for (uint32_t t = op->t.begin; t < op->t.end; t++)
      for (uint32_t h = op->h.begin; h < op->h.end; h++) pack_query(isa, op, t, (uint64_t)t * op->heads + h, scaled);
    free(scaled);
  }
}

void vb_cpu_pack_kv(const struct vb_pack_kv_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    vb_z *rotated = vb_scratch((uint64_t)op->dk * sizeof *rotated);
#pragma omp for schedule(static) collapse(2)
    for (uint32_t t = op->t.begin; t < op->t.end; t++)
      for (uint32_t h = op->h.begin; h < op->h.end; h++) pack_pair(isa, op, (uint64_t)t * op->heads + h, rotated);
    free(rotated);
  }
}
