// SPDX-License-Identifier: Apache-2.0
/// @file internal.h
/// Shared by the files of host/truth. Arrays are [tokens][...] of double; the token's index is its position.
/// A call's memory is owned by one list, so that any failure frees everything; after a failure all functions do nothing.
#ifndef VERBATIM_TRUTH_INTERNAL_H
#define VERBATIM_TRUTH_INTERNAL_H
#include "truth/truth.h"
#include <math.h>
#include <stddef.h>

struct truth {
  const struct vb_model *m;
  const struct vb_config *c;
  uint32_t T;
  void *owned[96];
  int owned_count;
  bool bf16; ///< round weights and results (vb_truth_logits_bf16)
  vb_result result;
};

/// Round an operator's result, and an element of a weight, if the call asks for it.
void vb_truth_round(const struct truth *s, double *x, size_t n);
double vb_truth_weight(const struct truth *s, const struct vb_tensor *t, uint64_t i);

/// True when the test has planted this error (vb_truth_plant).
bool vb_truth_planted(const char *name);

void *vb_truth_take(struct truth *s, size_t count, size_t size);
static inline double *vb_truth_values(struct truth *s, size_t a, size_t b) {
  return vb_truth_take(s, a * b, sizeof(double));
}
/// Free what was taken since `mark` (an earlier owned_count).
void vb_truth_drop(struct truth *s, int mark);

/// Tensor "model.layers.<l>.<suffix>"; missing ones fail the call.
const struct vb_tensor *vb_truth_layer(struct truth *s, uint32_t l, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const struct vb_tensor *vb_truth_tensor(struct truth *s, const char *name);
bool vb_truth_has(const struct truth *s, uint32_t l, const char *suffix);

/// W[row][col] inside a tensor: element at first + row * row_step + col * col_step. Plain matrices: {t, 0, cols, 1}.
struct matrix {
  const struct vb_tensor *t;
  uint64_t first, row_step, col_step;
};
static inline struct matrix vb_truth_matrix(const struct vb_tensor *t, uint64_t first_row, uint64_t cols) {
  return (struct matrix){t, first_row * cols, cols, 1};
}
/// y[t][r] = sum_c x[t][c] W[r][c].
void vb_truth_linear(struct truth *s, const double *x, uint32_t T, struct matrix w, uint32_t rows, uint32_t cols,
                     double *y);
/// x[t][i] += bias[first + i * step].
void vb_truth_bias(struct truth *s, double *x, uint32_t T, uint32_t n, const struct vb_tensor *bias, uint64_t first,
                   uint64_t step);
/// y = w x / sqrt(mean(x^2) + eps); w NULL: no weight; zero-centred weights as the family has them unless `plain`.
void vb_truth_rms(struct truth *s, const double *x, size_t count, uint32_t n, const struct vb_tensor *w, bool plain,
                  double *y);
/// The same with eps 1e-6 and no centring, whatever the model's eps: the norms of MLA's latents.
void vb_truth_latent_norm(struct truth *s, double *x, size_t count, uint32_t n, const struct vb_tensor *w);
void vb_truth_layer_norm(struct truth *s, double *x, size_t count, uint32_t n, const struct vb_tensor *w,
                         const struct vb_tensor *b);
/// Rotate r->dims elements from `first` on of every head of d elements.
void vb_truth_rope(struct truth *s, const struct vb_rope_config *r, double mscale, bool pairs, double *x,
                   uint32_t heads, uint32_t d, uint32_t first);

/// Which keys a token sees, and how their scores are made.
struct mask {
  uint32_t window, chunk;
  const uint8_t *chosen; ///< [T][T] or NULL
  double scale, softcap;
  const struct vb_tensor *sinks;
};
/// o[t][h] = softmax attention; query head h uses key head h / (heads / kv_heads).
void vb_truth_attend(struct truth *s, const double *q, const double *k, const double *v, uint32_t heads,
                     uint32_t kv_heads, uint32_t dk, uint32_t dv, const struct mask *mask, double *o);

/// The mixers and the feed-forward parts: y[t] from the normed input x[t].
void vb_truth_attention(struct truth *s, uint32_t l, const double *x, double *y);
void vb_truth_mla(struct truth *s, uint32_t l, const double *x, double *y);
void vb_truth_delta(struct truth *s, uint32_t l, const double *x, double *y);
void vb_truth_moe(struct truth *s, uint32_t l, const double *x, double *y);
void vb_truth_mlp(struct truth *s, const double *x, uint32_t T, uint32_t n, struct matrix gate, struct matrix up,
                  struct matrix down, double *y);

static inline double vb_truth_sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }
#endif
