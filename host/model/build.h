// SPDX-License-Identifier: Apache-2.0
/// @file build.h
/// Building blocks of vb_build_weights. Not for other folders.
#ifndef VERBATIM_MODEL_BUILD_H
#define VERBATIM_MODEL_BUILD_H
#include "model/internal.h"

struct vb_builder {
  struct vb_model *m;
  vb_result result; ///< the first failure stays
  bool tally;       ///< count flags and errors, keep no matrices
};
struct vb_target { ///< rows of a matrix to fill; exactly one of q8, q14 is set, or none to count only
  int8_t *q8;
  int16_t *q14;
  uint8_t *codes, *max;
  bool wide; ///< I14
};

/// Zeroed memory of the model; NULL after any failure.
void *vb_take(struct vb_builder *b, uint64_t count, size_t size);
/// A tensor; all were checked before, so it exists.
__attribute__((format(printf, 2, 3))) const struct vb_tensor *vb_get(const struct vb_builder *b, const char *format,
                                                                     ...);
vb_z *vb_carrier(struct vb_builder *b, const struct vb_tensor *t);
/// The same, but NULL under `tally`: for tensors too large to hold.
vb_z *vb_large_carrier(struct vb_builder *b, const struct vb_tensor *t);
struct vb_target vb_new_w8(struct vb_builder *b, struct vb_w8 *w, uint32_t rows, uint32_t cols);
struct vb_target vb_new_w14(struct vb_builder *b, struct vb_w14 *w, uint32_t rows, uint32_t cols);
struct vb_target vb_skip_rows(struct vb_target t, uint64_t rows, uint32_t blocks); ///< I8 only
void vb_quantise(struct vb_builder *b, enum vb_weight_class class, struct vb_view v, uint32_t rows, uint32_t cols,
                 struct vb_target to);
/// A whole tensor as an I8 matrix.
void vb_matrix(struct vb_builder *b, enum vb_weight_class class, struct vb_w8 *w, const struct vb_tensor *t);

/// Experts made on demand (expert_cache.c): room without memory; the maxima that all experts share.
struct vb_target vb_reserve_w8(struct vb_builder *b, struct vb_w8 *w, uint32_t rows, uint32_t cols);
void vb_reserved_max(struct vb_builder *b, uint32_t l, struct vb_experts_w *w);

/// The feed-forward part of a layer.
void vb_build_experts(struct vb_builder *b, uint32_t l, struct vb_layer *w);
#endif
