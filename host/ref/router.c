// SPDX-License-Identifier: Apache-2.0
#include "num/num.h"
#include "ref/ref.h"
#include <stdlib.h>

/// Rank of expert e among all: how many come before it in the total order (larger logit first, ties by lower index).
static uint32_t rank_of(const vb_z *z, uint32_t experts, uint32_t e) {
  uint32_t key = vb_order_key(z[e]), rank = 0;
  for (uint32_t o = 0; o < experts; o++) {
    uint32_t other = vb_order_key(z[o]);
    rank += other > key || (other == key && o < e);
  }
  return rank;
}

static int32_t score_q16(vb_z z) {
  vb_z s = vb_mul(z, VB_Z_LOG2E);
  return vb_q16(vb_man(s), vb_expb(s) - 150);
}

/// Softmax weight of a logit relative to the row's maximum, 2^32 - 2^8 at the top.
static uint32_t weight(int32_t m, vb_z z) {
  uint32_t d = (uint32_t)m - (uint32_t)score_q16(z);
  return (uint32_t)vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)(d >> 16));
}

/// Softmax is monotone, so the k largest logits are the k largest probabilities; ranking logits keeps ties exact.
static void select_experts(const struct vb_router_op *op, const vb_z *z, uint32_t *ids, vb_z *gates) {
  uint32_t n = 0;
  uint64_t all = 0, chosen = 0;
  int32_t m = VB_M_NONE;
  for (uint32_t e = 0; e < op->experts; e++) {
    int32_t s = score_q16(z[e]);
    if (s > m) m = s;
  }
  for (uint32_t e = 0; e < op->experts; e++) {
    uint32_t w = weight(m, z[e]);
    all += w;
    if (rank_of(z, op->experts, e) < op->k) {
      chosen += w;
      ids[n++] = e;
    }
  }
  for (uint32_t i = 0; i < n; i++)
    gates[i] = vb_mul(vb_divide(weight(m, z[ids[i]]), 0, op->renorm ? chosen : all), op->scale);
}

void vb_ref_router(const struct vb_router_op *op) {
  uint32_t tokens = op->t.end - op->t.begin;
  for (uint32_t e = 0; e < op->experts; e++) op->hist[e] = 0;
  for (uint32_t t = 0; t < tokens; t++) {
    uint32_t *ids = op->ids + (uint64_t)t * op->k;
    select_experts(op, op->logits + (uint64_t)(op->t.begin + t) * op->experts, ids, op->gates + (uint64_t)t * op->k);
    for (uint32_t i = 0; i < op->k; i++) op->hist[ids[i]]++;
  }
  op->offsets[0] = 0;
  for (uint32_t e = 0; e < op->experts; e++) op->offsets[e + 1] = op->offsets[e] + op->hist[e];
  for (uint32_t e = 0, at = 0; e < op->experts; e++)
    for (uint32_t p = 0; p < tokens * op->k; p++)
      if (op->ids[p] == e) op->list[at++] = p;
}
