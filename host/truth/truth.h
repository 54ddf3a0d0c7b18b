// SPDX-License-Identifier: Apache-2.0
/// @file truth.h
/// Algorithm truth: every model family in plain fp64, written from the models' definitions.
///
/// Reads raw tensors by their Hugging Face names and uses libm. It shares nothing with the numeric contract, so that a
/// misunderstood architecture cannot hide in both.
#ifndef VERBATIM_TRUTH_TRUTH_H
#define VERBATIM_TRUTH_TRUTH_H
#include "model/model.h"

/// Logits of every position of a sequence that starts at position 0. Token ids must be in [0, vocab).
vb_result vb_truth_logits(const struct vb_model *m, const int32_t *tokens, uint32_t T, double *logits /*[T][vocab]*/);
/// The same with bf16 arithmetic as it is usual on accelerators: matrices, biases and every operator's result are rounded to bf16; sums,
/// softmax, norms, routing and the delta rule's state stay wide inside an operator. A yardstick, not a truth.
vb_result vb_truth_logits_bf16(const struct vb_model *m, const int32_t *tokens, uint32_t T, double *logits);
/// Plant a named algorithm error (NULL: none), so that tests can prove that a comparison would notice it: "no_renorm",
/// "window+1", "rope_pairs", ... Process-wide; never set outside tests.
void vb_truth_plant(const char *name);
/// Sum over t >= 1 of -ln p(tokens[t] | tokens before it), in nats: perplexity = exp(sum / (T - 1)).
double vb_truth_nll(const double *logits, const int32_t *tokens, uint32_t T, uint32_t vocab);
#endif
