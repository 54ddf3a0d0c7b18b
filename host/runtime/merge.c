// SPDX-License-Identifier: Apache-2.0
#include "runtime/merge.h"
#include "num/block.h"
#include "num/expert.h"
#include <stdbool.h>
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
  uint32_t groups = op->groups ? op->groups : 1, rows_per_group = rows / groups;
  const uint8_t *max = op->w8 ? op->w8->max : op->w14->max;
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    int a_max = 0;
    for (uint32_t n = op->n.begin; n < op->n.end; n++) {
      if (n == op->n.begin || n % rows_per_group == 0)
        a_max = row_code(op->x + ((uint64_t)t * groups + n / rows_per_group) * cols, cols, op->w8 ? 6 : 12);
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
      if (op->sinks && vb_score_q16(op->sinks[h]) > top) top = vb_score_q16(op->sinks[h]);
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

/// A learned sink is one more score, without a value.
static uint64_t sink_weight(int32_t m, vb_z sink) {
  uint32_t d = (uint32_t)m - (uint32_t)vb_score_q16(sink);
  return vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)(d >> 16));
}

void vb_merge_attention_sum(const struct vb_attention_op *op, uint64_t *const *l, int64_t *const *num, uint32_t parts) {
  uint32_t dv = op->kv->dv;
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      op->l[i] = op->sinks ? sink_weight(op->m[i], op->sinks[h]) : 0;
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
        op->y[i * dv + c] =
            vb_divide(op->num[i * dv + c], op->em[i * VB_EM_ROW + c / VB_BLOCK] - 127 - 24 + 32, op->l[i]);
    }
}

void vb_merge_experts_max(const struct vb_experts_op *op, uint8_t *tmax) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    tmax[t] = op->w->shared_inter ? op->shmax[t] : 0;
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
      op->y[i] = vb_experts_finish(op, t, n, sum, tmax[t]);
    }
}

void vb_merge_router(const struct vb_router_op *op, const struct vb_router_op *part, uint32_t parts) {
  uint32_t at = 0;
  for (uint32_t e = 0; e < op->experts; e++) {
    op->offsets[e] = at;
    for (uint32_t p = 0; p < parts; p++) {
      uint32_t shift = (part[p].t.begin - op->t.begin) * op->k;
      const uint32_t *list = part[p].list + part[p].offsets[e];
      for (uint32_t i = 0; i < part[p].hist[e]; i++) {
        // A part drops what is beyond the capacity by itself; earlier parts may have used it up.
        if (op->capacity && at - op->offsets[e] == op->capacity) op->gates[list[i] + shift] = 0;
        else op->list[at++] = list[i] + shift;
      }
    }
    op->hist[e] = at - op->offsets[e];
  }
  op->offsets[op->experts] = at;
  while (at < (op->t.end - op->t.begin) * op->k) op->list[at++] = UINT32_MAX;
}

/// Exact top-k by radix: 4 digits of 8 bits find the k-th largest key and how many of its equals still fit, then one
/// pass in index order takes them: ties go to the lower index.
static void select_topk(const uint32_t *key, uint32_t n, uint32_t k, uint32_t *list) {
  uint32_t prefix = 0, mask = 0, need = k, m = 0;
  for (int shift = 24; shift >= 0 && k < n; shift -= 8) {
    uint32_t hist[256] = {0}, digit = 255;
    for (uint32_t j = 0; j < n; j++)
      if ((key[j] & mask) == prefix) hist[key[j] >> shift & 255]++;
    while (hist[digit] < need) need -= hist[digit--];
    prefix |= digit << shift;
    mask |= 255u << shift;
  }
  for (uint32_t j = 0; j < n && m < k; j++) {
    bool tie = k < n && key[j] == prefix;
    if (tie && !need) continue;
    if (k < n && key[j] < prefix) continue;
    need -= tie;
    list[m++] = j;
  }
}

void vb_merge_indexer(const struct vb_indexer_op *op) {
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    uint32_t n = op->first_count + t, *list = op->list + (uint64_t)t * op->k;
    memset(list, 0, op->k * sizeof *list);
    op->count[t] = n < op->k ? n : op->k;
    select_topk(op->score + (uint64_t)t * op->score_stride, n, op->count[t], list);
  }
}
