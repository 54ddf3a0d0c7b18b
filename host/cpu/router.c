// SPDX-License-Identifier: Apache-2.0
#include "cpu/cpu.h"
#include "cpu/scratch.h"
#include "num/num.h"
#include "ref/ref.h"

// The total order as one integer: larger logit first, then lower index.
static uint64_t rank_key(vb_z z, uint32_t e) { return (uint64_t)vb_order_key(z) << 32 | (UINT32_MAX - e); }

// The k largest keys, by insertion into a descending list; one pass over the experts.
static void top_k(const vb_z *z, uint32_t experts, uint32_t k, uint64_t *top) {
  uint32_t held = 0;
  for (uint32_t e = 0; e < experts && k; e++) {
    uint64_t key = rank_key(z[e], e);
    if (held == k && key < top[k - 1]) continue;
    uint32_t at = held < k ? held++ : k - 1;
    for (; at && top[at - 1] < key; at--) top[at] = top[at - 1];
    top[at] = key;
  }
}

static void select_experts(const struct vb_router_op *op, const vb_z *z, uint32_t *ids, vb_z *gates, uint64_t *top,
                           uint32_t *weight) {
  uint64_t all = 0, chosen = 0;
  int32_t m = VB_M_NONE;
  top_k(z, op->experts, op->k, top);
  for (uint32_t e = 0; e < op->experts; e++) {
    int32_t s = vb_score_q16(z[e]);
    weight[e] = (uint32_t)s;
    if (s > m) m = s;
  }
  uint32_t n = 0;
  for (uint32_t e = 0; e < op->experts; e++) {
    uint32_t d = (uint32_t)m - weight[e];
    weight[e] = (uint32_t)vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)(d >> 16));
    all += weight[e];
    if (n < op->k && rank_key(z[e], e) >= top[op->k - 1]) { // ascending ids, as the contract lists them
      chosen += weight[e];
      ids[n++] = e;
    }
  }
  for (uint32_t i = 0; i < n; i++)
    gates[i] = vb_mul(vb_divide(weight[ids[i]], 0, op->renorm ? chosen : all), op->scale);
}

void vb_cpu_router(const struct vb_router_op *op, int threads) {
  if (op->score != VB_SCORE_SOFTMAX || op->groups) { // no fast form yet: right and slow
    vb_ref_router(op);
    return;
  }
  const uint32_t tokens = op->t.end > op->t.begin ? op->t.end - op->t.begin : 0;
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    uint64_t *top = vb_scratch((uint64_t)op->k * sizeof *top);
    uint32_t *weight = vb_scratch((uint64_t)op->experts * sizeof *weight);
#pragma omp for schedule(static)
    for (uint32_t t = 0; t < tokens; t++)
      select_experts(op, op->logits + (uint64_t)(op->t.begin + t) * op->experts, op->ids + (uint64_t)t * op->k,
                     op->gates + (uint64_t)t * op->k, top, weight);
    free(top), free(weight);
  }
  // A stable counting sort; offsets[e + 1] serves as the write position of expert e and ends where it has to.
  const uint64_t pairs = (uint64_t)tokens * op->k;
  for (uint32_t e = 0; e < op->experts; e++) op->hist[e] = 0;
  for (uint64_t p = 0; p < pairs; p++) op->hist[op->ids[p]]++;
  op->offsets[0] = 0;
  for (uint32_t e = 0, at = 0; e < op->experts; at += op->hist[e++]) op->offsets[e + 1] = at;
  for (uint64_t p = 0; p < pairs; p++) op->list[op->offsets[op->ids[p] + 1]++] = (uint32_t)p;
}
