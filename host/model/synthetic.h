// SPDX-License-Identifier: Apache-2.0
/// @file synthetic.h
/// Models without a checkpoint: a configuration, and weights that are a pure function of (seed, tensor name, index).
///
///     synthetic:models/deepseek-v3.2-exp.json?seed=7&layers=3-3&vocab=1024&skew=zipf:1.1&peak=4
///
/// The tensors look like those of a checkpoint in bf16 but have no memory: an element is made when it is read. Import,
/// truth and inspect therefore run on them unchanged. docs/models.md has the parameters.
#ifndef VERBATIM_MODEL_SYNTHETIC_H
#define VERBATIM_MODEL_SYNTHETIC_H
#include "model/internal.h"

/// config, tensors. m->path is the whole description.
vb_result vb_load_synthetic(struct vb_model *m);

/// How the elements of one tensor are made.
enum vb_made_kind {
  VB_MADE_GAUSS,   ///< near-normal, mean 0, standard deviation `scale`
  VB_MADE_UNIFORM, ///< first + scale * [0, 1)
  VB_MADE_DOWN,    ///< GAUSS; every output row holds the largest value there is in one of its experts
  VB_MADE_SKEW,    ///< GAUSS plus the offset of an expert's popularity
};
struct vb_made {
  enum vb_made_kind kind;
  uint64_t key;                         ///< of (seed, name)
  float scale, first;                   ///< GAUSS and DOWN: of one step of the integer sum
  const float *offset;                  ///< SKEW: [experts]
  uint64_t row_key;                     ///< DOWN: the same for all experts of a layer
  uint32_t experts, expert, rows, cols; ///< DOWN: `expert` UINT32_MAX for tensors [experts][cols][rows]
};
/// Element i as float bits; the low 16 are 0.
uint32_t vb_made_bits(const struct vb_made *m, uint64_t i);
/// DOWN: the largest I8 block code of every output row over all experts.
uint8_t vb_made_down_code(const struct vb_made *m);
#endif
