// SPDX-License-Identifier: Apache-2.0
/// @file synthetic_options.h
/// The description of a synthetic model, parsed. Not for other folders.
#ifndef VERBATIM_MODEL_SYNTHETIC_OPTIONS_H
#define VERBATIM_MODEL_SYNTHETIC_OPTIONS_H
#include "model/internal.h"

struct vb_synthetic {
  const char *config; ///< path of the configuration
  uint64_t seed;
  uint32_t first, last; ///< layers; last UINT32_MAX: to the end
  uint32_t vocab;       ///< 0: all
  double zipf;          ///< exponent of the experts' popularity; 0: uniform
  const double *load;   ///< [loads] recorded loads of the experts, or NULL
  uint32_t loads;
  double peak; ///< factor of the attention scores
};
vb_result vb_parse_synthetic(struct vb_arena *a, const char *text, struct vb_synthetic *o);
#endif
