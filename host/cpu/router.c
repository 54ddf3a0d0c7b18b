// SPDX-License-Identifier: Apache-2.0
// Threads share the tokens; selection is one pass with a short sorted list instead of the reference's ranks.
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"
#include "num/func.h"

/// Buffers of one thread, per expert, and the list of the best so far.
struct work {
  vb_z *u;          ///< selection scores
  uint32_t *weight; ///< softmax weights
  uint8_t *out;     ///< excluded with its group
  uint64_t *top;    ///< [max(k, topk_groups)]
  vb_z *rank;       ///< [groups]
};

// The total order as one integer: larger value first, then lower index.
static uint64_t rank_key(vb_z z, uint32_t e) { return (uint64_t)vb_order_key(z) << 32 | (UINT32_MAX - e); }

// The k largest keys of those not left out, by insertion into a descending list. Returns the least of them.
static uint64_t top_k(const vb_z *z, const uint8_t *out, uint32_t n, uint32_t k, uint64_t *top) {
  uint32_t held = 0;
  for (uint32_t e = 0; e < n && k; e++) {
    uint64_t key = rank_key(z[e], e);
    if ((out && out[e]) || (held == k && key < top[k - 1])) continue;
    uint32_t at = held < k ? held++ : k - 1;
    for (; at && top[at - 1] < key; at--) top[at] = top[at - 1];
    top[at] = key;
  }
  return held ? top[held - 1] : UINT64_MAX;
}

// Leave out all experts of all but the best groups. A group's rank is the sum of its two best scores, or its best one.
static void limit_groups(const struct vb_router_op *op, struct work *w) {
  const uint32_t size = op->experts / op->groups;
  for (uint32_t g = 0; g < op->groups; g++) {
    const vb_z *u = w->u + g * size;
    uint32_t best = 0, second = UINT32_MAX; // equal scores add up the same whichever comes first
    for (uint32_t e = 1; e < size; e++) {
      if (vb_order_key(u[e]) > vb_order_key(u[best])) second = best, best = e;
      else if (second == UINT32_MAX || vb_order_key(u[e]) > vb_order_key(u[second])) second = e;
    }
    w->rank[g] = op->group_top == 2 && second != UINT32_MAX ? vb_add(u[best], u[second]) : u[best];
  }
  const uint64_t least = top_k(w->rank, NULL, op->groups, op->topk_groups, w->top);
  for (uint32_t e = 0; e < op->experts; e++) {
    uint32_t g = e / size;
    w->out[e] = g < op->groups && rank_key(w->rank[g], g) < least;
  }
}

static void softmax_gates(const struct vb_router_op *op, const vb_z *z, const uint32_t *ids, vb_z *gates,
                          uint32_t *weight) {
  uint64_t sum = 0;
  int32_t m = VB_M_NONE;
  for (uint32_t e = 0; e < op->experts; e++) {
    int32_t s = vb_score_q16(z[e]);
    weight[e] = (uint32_t)s;
    if (s > m) m = s;
  }
  for (uint32_t e = 0; e < op->experts; e++) {
    uint32_t d = (uint32_t)m - weight[e];
    weight[e] = (uint32_t)vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)(d >> 16));
    sum += op->renorm ? 0 : weight[e];
  }
  for (uint32_t i = 0; i < op->k && op->renorm; i++) sum += weight[ids[i]];
  for (uint32_t i = 0; i < op->k; i++) gates[i] = vb_divide(weight[ids[i]], 0, sum);
}

// The chosen sigmoids, divided by their sum: 32-bit integers aligned to the largest of them.
static void sigmoid_gates(const struct vb_router_op *op, const vb_z *z, const uint32_t *ids, vb_z *gates) {
  uint64_t sum = 0;
  int e = 0;
  for (uint32_t i = 0; i < op->k; i++) {
    gates[i] = vb_sigmoid(z[ids[i]]);
    if (vb_expb(gates[i]) > e) e = vb_expb(gates[i]); // the field of +0 is 0
  }
  if (!op->renorm) return;
  for (uint32_t i = 0; i < op->k; i++)
    sum += (uint64_t)vb_shr_rne((int64_t)vb_man(gates[i]) * 256, e - vb_expb(gates[i]));
  for (uint32_t i = 0; i < op->k; i++) gates[i] = vb_divide(vb_man(gates[i]), vb_expb(gates[i]) - e + 8, sum);
}

static void select_experts(const struct vb_isa *isa, const struct vb_router_op *op, const vb_z *z, uint32_t *ids,
                           vb_z *gates, struct work *w) {
  const uint8_t *out = op->groups ? w->out : NULL;
  // Softmax and sigmoid are monotone: ranking logits keeps ties exact until a bias or a group's sum comes in.
  if (op->score == VB_SCORE_SOFTMAX || (!op->bias && !op->groups)) {
    memcpy(w->u, z, op->experts * sizeof *z);
  } else {
    isa->sigmoid(z, op->experts, w->u);
    if (op->bias) isa->add(w->u, op->bias, op->experts, w->u);
  }
  if (op->groups) limit_groups(op, w);
  const uint64_t least = top_k(w->u, out, op->experts, op->k, w->top);
  for (uint32_t e = 0, n = 0; e < op->experts && n < op->k; e++) // ascending ids, as the contract lists them
    if (!(out && out[e]) && rank_key(w->u[e], e) >= least) ids[n++] = e;
  if (op->score == VB_SCORE_SOFTMAX) softmax_gates(op, z, ids, gates, w->weight);
  else sigmoid_gates(op, z, ids, gates);
  for (uint32_t i = 0; i < op->k; i++) gates[i] = gates[i] < op->threshold ? VB_DROPPED : vb_mul(gates[i], op->scale);
}

void vb_cpu_router(const struct vb_router_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  const uint32_t tokens = op->t.end > op->t.begin ? op->t.end - op->t.begin : 0;
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    struct work w;
    w.u = vb_scratch((uint64_t)op->experts * sizeof *w.u), w.weight = vb_scratch((uint64_t)op->experts * sizeof *w.u);
    w.out = vb_scratch(op->experts), w.rank = vb_scratch((uint64_t)op->groups * sizeof *w.rank);
    w.top = vb_scratch((uint64_t)(op->k > op->topk_groups ? op->k : op->topk_groups) * sizeof *w.top);
#pragma omp for schedule(static)
    for (uint32_t t = 0; t < tokens; t++)
      select_experts(isa, op, op->logits + (uint64_t)(op->t.begin + t) * op->experts, op->ids + (uint64_t)t * op->k,
                     op->gates + (uint64_t)t * op->k, &w);
    free(w.u), free(w.weight), free(w.out), free(w.rank), free(w.top);
  }
  // A stable counting sort; offsets[e + 1] serves as the write position of expert e and ends where it has to.
  const uint64_t pairs = (uint64_t)tokens * op->k;
  for (uint32_t e = 0; e < op->experts; e++) op->hist[e] = 0;
  const uint32_t capacity = op->capacity ? op->capacity : UINT32_MAX;
  for (uint64_t p = 0; p < pairs; p++) {
    uint32_t *n = &op->hist[op->ids[p]];
    if (op->gates[p] == VB_DROPPED || *n == capacity) op->gates[p] = VB_DROPPED;
    else ++*n;
  }
  op->offsets[0] = 0;
  uint32_t listed = 0;
  for (uint32_t e = 0; e < op->experts; listed += op->hist[e++]) op->offsets[e + 1] = listed;
  for (uint64_t p = 0; p < pairs; p++)
    if (op->gates[p] == VB_DROPPED) op->gates[p] = 0;
    else op->list[op->offsets[op->ids[p] + 1]++] = (uint32_t)p;
  for (uint64_t p = listed; p < pairs; p++) op->list[p] = UINT32_MAX;
}
