// SPDX-License-Identifier: Apache-2.0
/// @file errors.h
/// How far the contract's arithmetic is from exact arithmetic on a model: operator by operator, and end to end beside bf16.
#ifndef VERBATIM_STUDY_ERRORS_H
#define VERBATIM_STUDY_ERRORS_H
#include "study/op64.h"

/// Logits against those of truth, means over the positions.
struct vb_distance {
  double nmse; ///< sum of squared differences / sum of squares, all logits
  double kl;   ///< KL(truth || other), nats a token
  double top1; ///< share of positions whose largest logit is the same
};
void vb_distance(const double *truth, const double *other, uint32_t T, uint32_t vocab, struct vb_distance *d);

struct vb_error_row { ///< operators of one name, all layers and positions
  char name[16];
  enum vb_op_kind kind;
  struct vb_op_error error;
};
struct vb_error_study {
  const char *model; ///< as the user named it
  char model_type[32];
  uint32_t tokens, vocab;
  struct vb_error_row *row;
  uint32_t rows;
  struct vb_distance contract, bf16;
};

/// Run the tokens as one sequence. The CPU's operators stand for the contract: their bits are the reference's.
vb_result vb_error_study(const struct vb_model *m, const struct vb_graph_options *options, const int32_t *tokens,
                         uint32_t T, struct vb_error_study *s);
void vb_error_study_free(struct vb_error_study *s);
/// As a Markdown section; as JSON.
vb_result vb_error_study_markdown(const struct vb_error_study *s, const char *path);
vb_result vb_error_study_json(const struct vb_error_study *s, const char *path);
#endif
