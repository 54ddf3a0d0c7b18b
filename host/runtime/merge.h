// SPDX-License-Identifier: Apache-2.0
/// @file merge.h
/// Join the exact partial results of an operator that was split through a sum (docs/numerics.md): integer sums and
/// maxima only, so the order of the parts cannot matter.
#ifndef VERBATIM_RUNTIME_MERGE_H
#define VERBATIM_RUNTIME_MERGE_H
#include "verbatim/ops.h"

/// Linear split along k: add `parts` arrays acc[i] of [T][rows] for the tokens of op->t, then finish into op->y.
/// `op` is the whole operator (acc unused).
void vb_merge_linear(const struct vb_linear_op *op, int64_t *const *acc, uint32_t parts);

/// Attention split along keys; `op` is the whole operator, its m / em / l / num receive the merged values.
/// Arrays of the parts are [T][heads]..., as in the operator.
void vb_merge_attention_max(const struct vb_attention_op *op, int32_t *const *m, uint32_t parts);
void vb_merge_attention_exp(const struct vb_attention_op *op, int16_t *const *em, uint32_t parts);
void vb_merge_attention_sum(const struct vb_attention_op *op, uint64_t *const *l, int64_t *const *num, uint32_t parts);
/// The quotient: writes op->y from op->em, op->l, op->num.
void vb_merge_attention_finish(const struct vb_attention_op *op);

/// Experts split along experts: the largest hidden code of each token, over all its selected experts, into tmax.
void vb_merge_experts_max(const struct vb_experts_op *op, uint8_t *tmax);
/// Add `parts` arrays acc[i] of [T][dim] for the tokens of op->t and finish into op->y.
void vb_merge_experts(const struct vb_experts_op *op, const uint8_t *tmax, int64_t *const *acc, uint32_t parts);

/// Indexer split along keys: scores of all parts are in op->score; select into op->list and op->count.
void vb_merge_indexer(const struct vb_indexer_op *op);

/// Router split along tokens: part i holds tokens part[i].t with its own hist and list; op receives hist, offsets and
/// list of all tokens of op->t. ids and gates are already in place.
void vb_merge_router(const struct vb_router_op *op, const struct vb_router_op *part, uint32_t parts);
#endif
