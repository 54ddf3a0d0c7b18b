// SPDX-License-Identifier: Apache-2.0
#include "truth/truth.h"
#include "truth/internal.h"
#include <stdlib.h>
#include <string.h>

static const char *planted;

void vb_truth_plant(const char *name) { planted = name; }
bool vb_truth_planted(const char *name) { return planted && !strcmp(planted, name); }

static double bf16(double x) {
  float f = (float)x;
  uint32_t u;
  memcpy(&u, &f, 4);
  u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
  memcpy(&f, &u, 4);
  return (double)f;
}

void vb_truth_round(const struct truth *s, double *x, size_t n) {
  for (size_t i = 0; s->bf16 && s->result == VB_OK && i < n; i++) x[i] = bf16(x[i]);
}

double vb_truth_weight(const struct truth *s, const struct vb_tensor *t, uint64_t i) {
  double w = vb_tensor_at(t, i);
  return s->bf16 ? bf16(w) : w;
}

static struct matrix ffn(struct truth *s, uint32_t l, const char *name, uint32_t cols) {
  return vb_truth_matrix(vb_truth_layer(s, l, "%s.%s.weight", s->c->family == VB_LLAMA4 ? "feed_forward" : "mlp", name),
                         0, cols);
}

static void mixer(struct truth *s, uint32_t l, const double *x, double *y) {
  switch (s->c->layer[l].mixer) {
  case VB_MIXER_ATTENTION: vb_truth_attention(s, l, x, y); break;
  case VB_MIXER_MLA: vb_truth_mla(s, l, x, y); break;
  case VB_MIXER_DELTA: vb_truth_delta(s, l, x, y); break;
  }
}

/// Gemma names its norms by their place: before the FFN it is "pre_feedforward", and "post_attention" follows attention.
static const struct vb_tensor *norm(struct truth *s, uint32_t l, const char *name) {
  return vb_truth_layer(s, l, "%s_layernorm.weight", name);
}

static void layer(struct truth *s, uint32_t l, double *x, double *h, double *y) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, d = c->hidden;
  const size_t n = (size_t)T * d;
  bool sandwich = c->sandwich && !vb_truth_planted("no_post_norm");
  vb_truth_rms(s, x, T, d, norm(s, l, "input"), false, h);
  mixer(s, l, h, y);
  if (sandwich) vb_truth_rms(s, y, T, d, norm(s, l, "post_attention"), false, y);
  for (size_t i = 0; i < n && s->result == VB_OK; i++) x[i] += y[i];
  vb_truth_round(s, x, n);
  vb_truth_rms(s, x, T, d, norm(s, l, c->sandwich ? "pre_feedforward" : "post_attention"), false, h);
  if (c->is_moe[l]) vb_truth_moe(s, l, h, y);
  else
    vb_truth_mlp(s, h, T, c->inter, ffn(s, l, "gate_proj", d), ffn(s, l, "up_proj", d),
                 ffn(s, l, "down_proj", c->inter), y);
  if (sandwich) vb_truth_rms(s, y, T, d, norm(s, l, "post_feedforward"), false, y);
  for (size_t i = 0; i < n && s->result == VB_OK; i++) x[i] += y[i];
  vb_truth_round(s, x, n);
}

static void forward(struct truth *s, const int32_t *tokens, double *logits) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, d = c->hidden;
  double *x = vb_truth_values(s, T, d), *h = vb_truth_values(s, T, d), *y = vb_truth_values(s, T, d);
  const struct vb_tensor *embed = vb_truth_tensor(s, "model.embed_tokens.weight");
  double scale = c->embed_scale != 0 && !vb_truth_planted("no_embed_scale") ? c->embed_scale : 1;
  for (uint32_t t = 0; t < T && s->result == VB_OK; t++)
    for (uint32_t i = 0; i < d; i++)
      x[(size_t)t * d + i] = scale * vb_truth_weight(s, embed, (uint64_t)tokens[t] * d + i);
  vb_truth_round(s, x, (size_t)T * d);
  for (uint32_t l = 0; l < c->layers && s->result == VB_OK; l++) layer(s, l, x, h, y);
  vb_truth_rms(s, x, T, d, vb_truth_tensor(s, "model.norm.weight"), false, h);
  vb_truth_linear(s, h, T, vb_truth_matrix(c->tied ? embed : vb_truth_tensor(s, "lm_head.weight"), 0, d), c->vocab, d,
                  logits);
  double cap = vb_truth_planted("no_final_softcap") ? 0 : c->final_softcap;
  for (size_t i = 0; cap != 0 && i < (size_t)T * c->vocab && s->result == VB_OK; i++)
    logits[i] = cap * tanh(logits[i] / cap);
  if (cap != 0) vb_truth_round(s, logits, (size_t)T * c->vocab);
}

static vb_result run(const struct vb_model *m, bool rounded, const int32_t *tokens, uint32_t T, double *logits) {
  if (!T) return vb_fail(VB_BAD_INPUT, "algorithm truth: no tokens");
  for (uint32_t t = 0; t < T; t++)
    if (tokens[t] < 0 || (uint32_t)tokens[t] >= m->config.vocab)
      return vb_fail(VB_BAD_INPUT, "algorithm truth: token %u is %d, the vocabulary has %u", t, tokens[t],
                     m->config.vocab);
  struct truth s = {.m = m, .c = &m->config, .T = T, .bf16 = rounded};
  forward(&s, tokens, logits);
  vb_truth_drop(&s, 0);
  return s.result;
}

vb_result vb_truth_logits(const struct vb_model *m, const int32_t *tokens, uint32_t T, double *logits) {
  return run(m, false, tokens, T, logits);
}

vb_result vb_truth_logits_bf16(const struct vb_model *m, const int32_t *tokens, uint32_t T, double *logits) {
  return run(m, true, tokens, T, logits);
}

double vb_truth_nll(const double *logits, const int32_t *tokens, uint32_t T, uint32_t vocab) {
  double total = 0;
  for (uint32_t t = 0; t + 1 < T; t++) {
    const double *z = logits + (size_t)t * vocab;
    double top = z[0];
    for (uint32_t i = 1; i < vocab; i++) top = fmax(top, z[i]);
    double sum = 0;
    for (uint32_t i = 0; i < vocab; i++) sum += exp(z[i] - top);
    total += log(sum) + top - z[tokens[t + 1]];
  }
  return total;
}
