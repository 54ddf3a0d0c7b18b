// SPDX-License-Identifier: Apache-2.0
/// @file contract.h
/// Contract weights against their written definition, in doubles and independent of the importer's code.
#ifndef VB_TESTS_MODEL_CONTRACT_H
#define VB_TESTS_MODEL_CONTRACT_H
#include "model/model.h"

/// Matrix element (r, c) is element first + r * row + c * col of t.
struct source {
  const struct vb_tensor *t;
  uint64_t first, row, col;
};
/// rows x cols of `s` are the rows of w from row0 on; `own_max`: each row's max is its own largest code.
void check_w8(struct source s, uint32_t rows, uint32_t cols, const struct vb_w8 *w, uint64_t row0, bool own_max);
void check_w14(const struct vb_tensor *t, const struct vb_w14 *w);
/// A whole tensor.
void check_matrix(const struct vb_tensor *t, const struct vb_w8 *w);
/// Carrier values: t[i], plus one if `centred`.
void check_carrier(const struct vb_tensor *t, const vb_z *z, bool centred);
/// Routed and shared experts, router and biases of layer l.
void check_moe(const struct vb_model *m, uint32_t l);
#endif
