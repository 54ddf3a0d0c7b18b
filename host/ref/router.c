// SPDX-License-Identifier: Apache-2.0
#include "num/func.h"
#include "ref/ref.h"
#include <stdbool.h>

/// Whether e is among the k first of n keys in the total order: larger key first, ties by lower index. Key 0 never counts:
/// it marks an excluded expert, and no carrier value maps to it.
static bool among_first(const uint32_t *key, uint32_t n, uint32_t e, uint32_t k) {
  uint32_t rank = 0;
  for (uint32_t o = 0; o < n; o++) rank += key[o] > key[e] || (key[o] == key[e] && o < e);
  return key[e] && rank < k;
}

/// Softmax is monotone, so ranking logits ranks probabilities and keeps ties exact; the same holds for the sigmoid until a bias
/// or a sum over a group comes in.
static vb_z selection_score(const struct vb_router_op *op, vb_z z, uint32_t e) {
  if (op->score == VB_SCORE_SOFTMAX || (!op->bias && !op->groups)) return z;
  return vb_add(vb_sigmoid(z), op->bias ? op->bias[e] : 0);
}

/// Exclude all experts outside the best groups. A group's rank is the sum of its two best scores, or its best one.
static void limit_groups(const struct vb_router_op *op, const vb_z *u, uint32_t *key) {
  uint32_t size = op->experts / op->groups, rank[op->groups];
  for (uint32_t g = 0; g < op->groups; g++) {
    vb_z best = 0, second = 0;
    bool any = false, two = false;
    for (uint32_t e = g * size; e < (g + 1) * size; e++) {
      bool first = !any || vb_order_key(u[e]) > vb_order_key(best);
      if (first) second = best, two = any, best = u[e], any = true;
      else if (!two || vb_order_key(u[e]) > vb_order_key(second)) second = u[e], two = true;
    }
    rank[g] = vb_order_key(op->group_top == 2 && two ? vb_add(best, second) : best);
  }
  for (uint32_t g = 0; g < op->groups; g++)
    for (uint32_t e = g * size; !among_first(rank, op->groups, g, op->topk_groups) && e < (g + 1) * size; e++)
      key[e] = 0;
}

/// Softmax weight of a logit relative to the row's maximum, 2^32 - 2^8 at the top.
static uint32_t softmax_weight(int32_t m, vb_z z) {
  uint32_t d = (uint32_t)m - (uint32_t)vb_score_q16(z);
  return (uint32_t)vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)(d >> 16));
}

static void softmax_gates(const struct vb_router_op *op, const vb_z *z, const uint32_t *ids, vb_z *gates) {
  uint64_t sum = 0;
  int32_t m = VB_M_NONE;
  for (uint32_t e = 0; e < op->experts; e++)
    if (vb_score_q16(z[e]) > m) m = vb_score_q16(z[e]);
  for (uint32_t e = 0; e < op->experts && !op->renorm; e++) sum += softmax_weight(m, z[e]);
  for (uint32_t i = 0; i < op->k && op->renorm; i++) sum += softmax_weight(m, z[ids[i]]);
  for (uint32_t i = 0; i < op->k; i++) gates[i] = vb_divide(softmax_weight(m, z[ids[i]]), 0, sum);
}

/// The chosen sigmoids, divided by their sum: 32-bit integers aligned to the largest of them.
static void sigmoid_gates(const struct vb_router_op *op, const vb_z *z, const uint32_t *ids, vb_z *gates) {
  uint64_t sum = 0;
  int e = 0;
  for (uint32_t i = 0; i < op->k; i++) {
    gates[i] = vb_sigmoid(z[ids[i]]);
    if (gates[i] && vb_expb(gates[i]) > e) e = vb_expb(gates[i]);
  }
  for (uint32_t i = 0; i < op->k; i++)
    sum += (uint64_t)vb_shr_rne((int64_t)vb_man(gates[i]) * 256, e - vb_expb(gates[i]));
  for (uint32_t i = 0; i < op->k && op->renorm; i++)
    gates[i] = vb_divide(vb_man(gates[i]), vb_expb(gates[i]) - e + 8, sum);
}

static void select_experts(const struct vb_router_op *op, const vb_z *z, uint32_t *ids, vb_z *gates) {
  uint32_t n = 0, key[op->experts];
  vb_z u[op->experts];
  for (uint32_t e = 0; e < op->experts; e++) {
    u[e] = selection_score(op, z[e], e);
    key[e] = vb_order_key(u[e]);
  }
  if (op->groups) limit_groups(op, u, key);
  for (uint32_t e = 0; e < op->experts; e++)
    if (among_first(key, op->experts, e, op->k)) ids[n++] = e;
  if (op->score == VB_SCORE_SOFTMAX) softmax_gates(op, z, ids, gates);
  else sigmoid_gates(op, z, ids, gates);
  for (uint32_t i = 0; i < op->k; i++) gates[i] = gates[i] < op->threshold ? VB_DROPPED : vb_mul(gates[i], op->scale);
}

/// Whether the next pair stays: it was not dropped before, and its expert has room.
static bool stays(const struct vb_router_op *op, uint32_t p) {
  return op->gates[p] != VB_DROPPED && (!op->capacity || op->hist[op->ids[p]] < op->capacity);
}

void vb_ref_router(const struct vb_router_op *op) {
  uint32_t tokens = op->t.end - op->t.begin;
  for (uint32_t e = 0; e < op->experts; e++) op->hist[e] = 0;
  for (uint32_t t = 0; t < tokens; t++) {
    uint32_t *ids = op->ids + (uint64_t)t * op->k;
    select_experts(op, op->logits + (uint64_t)(op->t.begin + t) * op->experts, ids, op->gates + (uint64_t)t * op->k);
  }
  for (uint32_t p = 0; p < tokens * op->k; p++)
    if (stays(op, p)) op->hist[op->ids[p]]++;
    else op->gates[p] = VB_DROPPED;
  op->offsets[0] = 0;
  for (uint32_t e = 0; e < op->experts; e++) op->offsets[e + 1] = op->offsets[e] + op->hist[e];
  for (uint32_t p = 0; p < tokens * op->k; p++) op->list[p] = UINT32_MAX;
  for (uint32_t e = 0, at = 0; e < op->experts; e++)
    for (uint32_t p = 0; p < tokens * op->k; p++)
      if (op->ids[p] == e && op->gates[p] != VB_DROPPED) op->list[at++] = p;
  for (uint32_t p = 0; p < tokens * op->k; p++)
    if (op->gates[p] == VB_DROPPED) op->gates[p] = 0;
}
