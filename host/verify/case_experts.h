// SPDX-License-Identifier: Apache-2.0
/// @file case_experts.h
/// A case file of an experts operator holds the experts that its tokens selected, not the whole layer: the others may be
/// gigabytes, and where experts are made on demand they do not exist.
#ifndef VERBATIM_VERIFY_CASE_EXPERTS_H
#define VERBATIM_VERIFY_CASE_EXPERTS_H
#include "model/arena.h"
#include "verify/fields.h"

/// Renumber the experts of c; the new arrays live in `a`. Results are the same. Ids outside the experts: c is left as it is.
vb_result vb_case_compact_experts(struct vb_case_op *c, struct vb_arena *a);
#endif
