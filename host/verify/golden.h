// SPDX-License-Identifier: Apache-2.0
/// @file golden.h
/// What the reference computes for a token sequence: every output of every operator at every position. Bits do not depend
/// on chunks or batches, so one golden run judges them all.
#ifndef VERBATIM_VERIFY_GOLDEN_H
#define VERBATIM_VERIFY_GOLDEN_H
#include "runtime/exec.h"

struct vb_golden {
  const struct vb_graph *graph;
  int32_t *token; ///< [length]: the prompt, then greedily chosen tokens
  uint32_t prompt, length;
  uint8_t **out[2];       ///< [nodes] -> [length][row_bytes]
  uint64_t *weights_hash; ///< [nodes] of the weights used, so that a later change of them is noticed
};

/// Called now and then with the number of positions done, so that long runs show life. May be NULL.
typedef void (*vb_progress)(void *context, const char *what, uint64_t done, uint64_t total);

/// Run the reference over the prompt and then `steps` greedy decode steps (largest logit, ties to the lowest id).
vb_result vb_golden_make(const struct vb_graph *g, const int32_t *prompt, uint32_t prompt_len, uint32_t steps,
                         vb_progress progress, void *context, struct vb_golden *out);
void vb_golden_free(struct vb_golden *g);
static inline const uint8_t *vb_golden_row(const struct vb_golden *g, uint32_t node, uint32_t array, uint32_t pos) {
  return g->out[array][node] + (uint64_t)pos * g->graph->node[node].row_bytes[array];
}
/// Hash of the weights of a node (0 if it has none).
uint64_t vb_node_weights_hash(const struct vb_node *n);
/// Index of the largest logit, ties to the lowest id: greedy decoding.
int32_t vb_argmax(const vb_z *logits, uint32_t vocab);
#endif
