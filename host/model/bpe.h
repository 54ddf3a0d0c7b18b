// SPDX-License-Identifier: Apache-2.0
/// @file bpe.h
/// Merging of byte-pair encoding: always the pair of lowest rank, the leftmost first.
#ifndef VERBATIM_MODEL_BPE_H
#define VERBATIM_MODEL_BPE_H
#include "verbatim/result.h"
#include <stddef.h>
#include <stdint.h>

/// Hash table from a pair of tokens to its rank and merged token.
struct vb_merge {
  uint64_t pair; ///< left << 32 | right, UINT64_MAX: empty
  uint32_t rank;
  int32_t to;
};
struct vb_merges {
  struct vb_merge *slot;
  uint64_t slots; ///< a power of two
};
/// Room for n merges.
vb_result vb_merges_init(struct vb_merges *m, size_t n);
void vb_merges_free(struct vb_merges *m);
/// Later entries of the same pair replace earlier ones, as loading into a map does.
void vb_merges_put(struct vb_merges *m, int32_t left, int32_t right, uint32_t rank, int32_t to);
const struct vb_merge *vb_merges_get(const struct vb_merges *m, int32_t left, int32_t right);
/// Merge the n tokens in place; *n becomes the new count.
vb_result vb_bpe(const struct vb_merges *m, int32_t *ids, uint32_t *n);
#endif
