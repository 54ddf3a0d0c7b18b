// SPDX-License-Identifier: Apache-2.0
/// @file expert.h
/// Activation of an expert's gate and up values, and the end of its combined sum (docs/numerics.md).
#ifndef VERBATIM_NUM_EXPERT_H
#define VERBATIM_NUM_EXPERT_H
#include "num/block.h"
#include "num/func.h"
#include "verbatim/ops.h"

static inline vb_z vb_min(vb_z a, vb_z b) { return vb_order_key(a) < vb_order_key(b) ? a : b; }
static inline vb_z vb_max(vb_z a, vb_z b) { return vb_order_key(a) > vb_order_key(b) ? a : b; }

static inline vb_z vb_expert_act(enum vb_expert_act act, vb_z limit, vb_z g, vb_z u) {
  const vb_z alpha = 0x3fd9db23u; // 1.702
  if (act == VB_EXPERT_SWIGLU) return vb_mul(vb_silu(g), u);
  g = vb_min(g, limit);
  u = vb_max(vb_min(u, limit), vb_neg(limit));
  return vb_mul(vb_mul(g, vb_sigmoid(vb_mul(g, alpha))), vb_add(u, VB_Z_ONE));
}

/// Output n of token t from the finished sum: NORM, then the down biases in ascending expert order.
static inline vb_z vb_experts_finish(const struct vb_experts_op *op, uint32_t t, uint32_t n, int64_t acc, int a_max) {
  const struct vb_experts_w *w = op->w;
  vb_z bias = 0;
  for (uint32_t s = 0; w->down_bias && s < op->k; s++) {
    uint64_t p = (uint64_t)t * op->k + s;
    bias = vb_add(bias, vb_mul(op->gates[p], w->down_bias[(uint64_t)op->ids[p] * w->dim + n]));
  }
  return vb_add(bias, vb_p2_norm(acc, a_max, w->down.max[n]));
}
#endif
