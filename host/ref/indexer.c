// SPDX-License-Identifier: Apache-2.0
#include "num/block.h"
#include "ref/ref.h"

/// The head weights of one token as 16-bit integers on a common exponent. The exponent of head h's products, its query's
/// largest code, goes into its weight, so that the sum over heads is one integer sum.
static int align_weights(const struct vb_indexer_op *op, uint32_t t, int32_t *w) {
  uint32_t rec = vb_rec_bytes(op->kv->dk);
  vb_z scaled[op->heads];
  int top = 0;
  for (uint32_t h = 0; h < op->heads; h++) {
    uint64_t i = (uint64_t)t * op->heads + h;
    scaled[h] = vb_mul(op->w[i], op->w_scale);
    int x = vb_expb(scaled[h]) + op->q[i * rec + VB_REC_KMAX];
    if (scaled[h] && op->q[i * rec + VB_REC_KMAX] && x > top) top = x;
  }
  for (uint32_t h = 0; h < op->heads; h++) {
    uint64_t i = (uint64_t)t * op->heads + h;
    int64_t v = vb_shr_rne(vb_man(scaled[h]), 9 + top - (vb_expb(scaled[h]) + op->q[i * rec + VB_REC_KMAX]));
    w[h] = !op->q[i * rec + VB_REC_KMAX] ? 0 : (int32_t)(v > 32767 ? 32767 : v < -32767 ? -32767 : v);
  }
  return top;
}

/// Ordered key of position j's score: sum over heads of w * max(0, q . k), one NORM.
static uint32_t score(const struct vb_indexer_op *op, uint32_t t, uint32_t j, const int32_t *w, int top) {
  const uint8_t *k = vb_kv_key(op->kv, 0, j);
  uint32_t rec = vb_rec_bytes(op->kv->dk);
  int64_t sum = 0;
  for (uint32_t h = 0; h < op->heads; h++) {
    const uint8_t *q = op->q + ((uint64_t)t * op->heads + h) * rec;
    int64_t d = vb_p2_i8((const int8_t *)q + VB_REC_HEADER, q, q[VB_REC_KMAX], (const int8_t *)k + VB_REC_HEADER, k,
                         k[VB_REC_KMAX], vb_blocks(op->kv->dk));
    if (d > 0) sum += w[h] * d;
  }
  return vb_order_key(vb_norm(sum, top - 150 + 9 + k[VB_REC_KMAX] - 254 - 8));
}

void vb_ref_topk(const uint32_t *key, uint32_t n, uint32_t k, uint32_t *list) {
  uint32_t m = 0;
  for (uint32_t j = 0; j < n; j++) {
    uint32_t rank = 0;
    for (uint32_t o = 0; o < n && k < n; o++) rank += key[o] > key[j] || (key[o] == key[j] && o < j);
    if (rank < k) list[m++] = j;
  }
}

void vb_ref_indexer(const struct vb_indexer_op *op) {
  int32_t w[op->heads];
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    uint32_t n = op->first_count + t;
    uint32_t key[n];
    int top = align_weights(op, t, w);
    for (uint32_t j = 0; j < n; j++) {
      bool wanted = op->mode == VB_INDEXER_FULL || (j >= op->key.begin && j < op->key.end);
      if (wanted) key[j] = score(op, t, j, w, top);
      if (wanted && op->mode == VB_INDEXER_SCORES) op->score[(uint64_t)t * op->score_stride + j] = key[j];
    }
    if (op->mode == VB_INDEXER_SCORES) continue;
    uint32_t *list = op->list + (uint64_t)t * op->k;
    memset(list, 0, op->k * sizeof *list);
    op->count[t] = n < op->k ? n : op->k;
    vb_ref_topk(key, n, op->k, list);
  }
}
