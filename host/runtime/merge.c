// SPDX-License-Identifier: Apache-2.0
#include "runtime/merge.h"
#include "num/block.h"
#include <string.h>

/// Largest I8 / I14 code of a row: the exponent its P2 sums are aligned to.
static int row_code(const vb_z *x, uint32_t n, int offset) {
  int e = 0;
  for (uint32_t i = 0; i < n; i++)
    if (x[i] && vb_expb(x[i]) > e) e = vb_expb(x[i]);
  return e ? e - offset : 0;
}

void vb_merge_linear(const struct vb_linear_op *op, int64_t *const *acc, uint32_t parts) {
  uint32_t rows = op->w8 ? op->w8->rows : op->w14->rows, cols = op->w8 ? op->w8->cols : op->w14->cols;
  const uint8_t *max = op->w8 ? op->w8->max : op->w14->max;
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    int a_max = row_code(op->x + (uint64_t)t * cols, cols, op->w8 ? 6 : 12);
    for (uint32_t n = op->n.begin; n < op->n.end; n++) {
      uint64_t i = (uint64_t)t * rows + n;
      int64_t sum = 0;
      for (uint32_t p = 0; p < parts; p++) sum += acc[p][i];
      vb_z y = vb_p2_norm(sum, a_max, max[n]);
      op->y[i] = op->bias ? vb_add(y, op->bias[n]) : y;
    }
  }
}

void vb_merge_attention_max(const struct vb_attention_op *op, int32_t *const *m, uint32_t parts) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      int32_t top = VB_M_NONE;
      for (uint32_t p = 0; p < parts; p++)
        if (m[p][i] > top) top = m[p][i];
      op->m[i] = top;
    }
}

void vb_merge_attention_exp(const struct vb_attention_op *op, int16_t *const *em, uint32_t parts) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++)
      for (uint32_t b = 0; b < VB_EM_ROW; b++) {
        uint64_t i = ((uint64_t)t * op->heads + h) * VB_EM_ROW + b;
        int16_t top = VB_EM_NONE;
        for (uint32_t p = 0; p < parts; p++)
          if (em[p][i] > top) top = em[p][i];
        op->em[i] = top;
      }
}

void vb_merge_attention_sum(const struct vb_attention_op *op, uint64_t *const *l, int64_t *const *num, uint32_t parts) {
  uint32_t dv = op->kv->dv;
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      op->l[i] = 0;
      memset(op->num + i * dv, 0, dv * sizeof *op->num);
      for (uint32_t p = 0; p < parts; p++) {
        op->l[i] += l[p][i];
        for (uint32_t c = 0; c < dv; c++) op->num[i * dv + c] += num[p][i * dv + c];
      }
    }
}

void vb_merge_attention_finish(const struct vb_attention_op *op) {
  uint32_t dv = op->kv->dv;
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      for (uint32_t c = 0; c < dv; c++)
        op->y[i * dv + c] = vb_divide(op->num[i * dv + c], op->em[i * VB_EM_ROW + c / VB_BLOCK] - 127 - 24 + 32, op->l[i]);
    }
}

void vb_merge_experts_max(const struct vb_experts_op *op, uint8_t *tmax) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    tmax[t] = 0;
    for (uint32_t s = 0; s < op->k; s++) {
      uint8_t code = op->hmax[(uint64_t)t * op->k + s];
      if (code > tmax[t]) tmax[t] = code;
    }
  }
}

void vb_merge_experts(const struct vb_experts_op *op, const uint8_t *tmax, int64_t *const *acc, uint32_t parts) {
  uint32_t dim = op->w->dim;
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t n = 0; n < dim; n++) {
      uint64_t i = (uint64_t)t * dim + n;
      int64_t sum = 0;
      for (uint32_t p = 0; p < parts; p++) sum += acc[p][i];
      op->y[i] = vb_p2_norm(sum, tmax[t], op->w->down.max[n]);
    }
}

void vb_merge_router(const struct vb_router_op *op, const struct vb_router_op *part, uint32_t parts) {
  uint32_t at = 0;
  for (uint32_t e = 0; e < op->experts; e++) {
    op->offsets[e] = at;
    for (uint32_t p = 0; p < parts; p++) {
      uint32_t shift = (part[p].t.begin - op->t.begin) * op->k;
      const uint32_t *list = part[p].list + part[p].offsets[e];
      for (uint32_t i = 0; i < part[p].hist[e]; i++) op->list[at++] = list[i] + shift;
    }
    op->hist[e] = at - op->offsets[e];
  }
  op->offsets[op->experts] = at;
}
