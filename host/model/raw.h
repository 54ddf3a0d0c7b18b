// SPDX-License-Identifier: Apache-2.0
/// @file raw.h
/// Which raw tensor a contract matrix came from, by the name of the operator that multiplies it.
#ifndef VERBATIM_MODEL_RAW_H
#define VERBATIM_MODEL_RAW_H
#include "model/internal.h"

/// Row r of the matrix of linear operator `node` ("q_proj", "lm_head", "v_absorb", ...) as a view whose columns are v.col apart.
/// False for a name that is no such operator.
bool vb_raw_row(const struct vb_model *m, uint32_t layer, const char *node, uint64_t r, struct vb_view *v);
/// The shared expert's three tensors.
const struct vb_tensor *vb_raw_shared(const struct vb_model *m, uint32_t layer, enum vb_expert_part part);
#endif
