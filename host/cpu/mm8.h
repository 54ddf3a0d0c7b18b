// SPDX-License-Identifier: Apache-2.0
/// @file mm8.h
/// Products of quantised activation rows with I8 weights: the common part of `linear` and `experts`.
#ifndef VERBATIM_CPU_MM8_H
#define VERBATIM_CPU_MM8_H
#include "cpu/dot.h"

enum vb_mm8_sink {
  VB_MM8_Z,   ///< z[i][row - first] = NORM (+ bias)
  VB_MM8_ACC, ///< acc[i][row - first] = sum
  VB_MM8_ADD, ///< acc[i][row - first] += sum
  VB_MM8_RELU ///< sums[row - first] += weight[i] * max(0, sum)
};

struct vb_mm8 {
  const struct vb_w8 *w;
  const struct vb_act8 *a; ///< [count]
  uint32_t count, first;   ///< first: the weight row whose results go to index 0
  struct vb_range b;
  const uint8_t *packs; ///< vb_mm8_tiles() tiles filled by vb_mm8_pack; unused when there are none
  enum vb_mm8_sink sink;
  vb_z *const *z;        ///< [count]
  int64_t *const *acc;   ///< [count]
  const vb_z *bias;      ///< indexed like z, or NULL
  const int64_t *weight; ///< [count, rounded up to VB_TILE], 0 from count on
  int64_t *sums;
};

/// How many tiles pay for `count` rows; the rest is done row by row.
uint32_t vb_mm8_tiles(const struct vb_isa *isa, uint32_t count);
static inline uint64_t vb_mm8_tile_bytes(const struct vb_isa *isa, struct vb_range b) {
  return (uint64_t)isa->tile_block * (b.end - b.begin);
}
/// Fill tile i of packs.
void vb_mm8_pack(const struct vb_isa *isa, const struct vb_mm8 *j, uint32_t i, uint8_t *packs);
/// Rows `n` of w, at most VB_TILE_ROWS of them, for all activation rows.
void vb_mm8_rows(const struct vb_isa *isa, const struct vb_mm8 *j, struct vb_range n);
#endif
