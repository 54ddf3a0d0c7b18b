// SPDX-License-Identifier: Apache-2.0
/// @file expert_cache.h
/// Experts made on demand, within a limit: the contract weights of routed experts exist only while they are needed.
///
/// The arrays of vb_experts_w have their full size in address space; an expert's part gets memory when the executor asks
/// for it, and gives it back when the least recently used ones must make room. Operators do not notice. Raw tensors are
/// read again each time: from the mapped checkpoint, or made anew (synthetic.h). The bits are those of a model that has
/// all its experts.
#ifndef VERBATIM_MODEL_EXPERT_CACHE_H
#define VERBATIM_MODEL_EXPERT_CACHE_H
#include "model/model.h"

struct vb_expert_cache_stats {
  uint64_t limit, bytes, peak;        ///< of contract weights
  uint64_t requests, hits, evictions; ///< requests: different experts of each operator call
  uint64_t make_ns;                   ///< time spent in making experts
};

/// Make the experts ids[0..n) of layer l exist until the next call for this model (entries outside the experts are
/// skipped). Not for two threads at once. Errors: they do not fit into the limit together.
vb_result vb_experts_need(const struct vb_model *m, uint32_t l, const uint32_t *ids, uint64_t n);
/// Zeros for a model whose experts are all there.
struct vb_expert_cache_stats vb_expert_cache_stats(const struct vb_model *m);
/// One line for people, nothing if the model has no cache.
void vb_expert_cache_print(const struct vb_model *m, FILE *f);
#endif
