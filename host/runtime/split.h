// SPDX-License-Identifier: Apache-2.0
/// @file split.h
/// From a whole operator and one part of its plan to the operator that a device is given.
#ifndef VERBATIM_RUNTIME_SPLIT_H
#define VERBATIM_RUNTIME_SPLIT_H
#include "plan/plan.h"

/// Restrict `op` to [part->begin, part->end) of `axis`. `token0` is the batch index of the operator's first token (attention
/// operators cover one sequence each). False if nothing is left.
bool vb_split_restrict(enum vb_op_kind kind, enum vb_axis axis, const struct vb_part *part, uint32_t token0,
                       union vb_any_op *op);
/// Whether this split cuts through a sum, so that parts return partial results to merge.
bool vb_split_is_partial(enum vb_op_kind kind, const struct vb_split *s);
#endif
