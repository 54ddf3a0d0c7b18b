// SPDX-License-Identifier: Apache-2.0
#include "truth/truth.h"
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// Tests include this file with their own definition to plant errors that the comparison must catch.
#ifndef VB_TRUTH_FAULT
#define VB_TRUTH_FAULT(name) 0
#endif

// Working memory of one call, all of it from one list so that any failure frees everything.
struct truth {
  const struct vb_model *m;
  uint32_t T;
  void *owned[64];
  int owned_count;
  vb_result result;
};

static void *take(struct truth *s, size_t count, size_t size) {
  void *p = s->result == VB_OK ? calloc(count ? count : 1, size) : NULL;
  if (p) s->owned[s->owned_count++] = p;
  else if (s->result == VB_OK) s->result = vb_fail(VB_DEVICE, "out of memory for the algorithm truth");
  return p;
}

static double *values(struct truth *s, size_t a, size_t b) { return take(s, a * b, sizeof(double)); }

__attribute__((format(printf, 2, 3))) static const struct vb_tensor *tensor(struct truth *s, const char *format, ...) {
  static const struct vb_tensor none = {.name = "", .data = ""};
  char name[160];
  va_list ap;
  va_start(ap, format);
  vsnprintf(name, sizeof name, format, ap);
  va_end(ap);
  const struct vb_tensor *t = vb_model_find(s->m, name);
  if (!t && s->result == VB_OK) s->result = vb_fail(VB_BAD_INPUT, "algorithm truth: tensor '%s' is missing", name);
  return t ? t : &none;
}

// y[t][r] = sum_c x[t][c] W[first + r][c], W a matrix of `cols` columns inside tensor w.
static void linear(struct truth *s, const double *x, uint32_t T, const struct vb_tensor *w, uint64_t first,
                   uint32_t rows, uint32_t cols, double *y) {
  if (s->result != VB_OK) return;
  bool failed = false;
  const bool worth_it = (double)T * rows * cols > 1e6; // waking threads costs more than a tiny product
#pragma omp parallel reduction(|| : failed) if (worth_it)
  {
    double *row = malloc(sizeof *row * cols);
    failed = !row;
#pragma omp for
    for (uint32_t r = 0; r < rows; r++) {
      if (!row) continue;
      for (uint32_t c = 0; c < cols; c++) row[c] = vb_tensor_at(w, (first + r) * cols + c);
      for (uint32_t t = 0; t < T; t++) {
        double sum = 0;
        for (uint32_t c = 0; c < cols; c++) sum += row[c] * x[(size_t)t * cols + c];
        y[(size_t)t * rows + r] = sum;
      }
    }
    free(row);
  }
  if (failed) s->result = vb_fail(VB_DEVICE, "out of memory for the algorithm truth");
}

static void add_bias(struct truth *s, double *x, uint32_t T, uint32_t n, const struct vb_tensor *bias) {
  if (s->result != VB_OK || VB_TRUTH_FAULT(NO_BIAS)) return;
  for (uint32_t t = 0; t < T; t++)
    for (uint32_t i = 0; i < n; i++) x[(size_t)t * n + i] += vb_tensor_at(bias, i);
}

// y = w x / sqrt(mean(x^2) + eps) for `count` vectors of n values; y may be x.
static void rms_norm(struct truth *s, const double *x, size_t count, uint32_t n, const struct vb_tensor *w, double *y) {
  if (s->result != VB_OK) return;
  for (size_t v = 0; v < count; v++) {
    const double *in = x + v * n;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += in[i] * in[i];
    double scale = 1 / sqrt(sum / n + s->m->config.rms_eps);
    for (uint32_t i = 0; i < n; i++) y[v * n + i] = in[i] * scale * vb_tensor_at(w, i);
  }
}

// Angle per position of dimension pair i, with the published length extensions.
static long double rope_frequency(const struct vb_rope_config *r, uint32_t i) {
  const long double two_pi = 6.283185307179586476925286766559L;
  long double f = powl((long double)r->theta, -2.0L * i / r->dims);
  if (VB_TRUTH_FAULT(UNSCALED_ROPE)) return f;
  if (r->scaling == VB_ROPE_LINEAR) return f / (long double)r->factor;
  if (r->scaling != VB_ROPE_LLAMA3) return f;
  long double turns = (long double)r->original_length * f / two_pi; // original length in wavelengths
  if (turns > (long double)r->high_freq) return f;
  if (turns < (long double)r->low_freq || r->low_freq == r->high_freq) return f / (long double)r->factor;
  long double smooth = (turns - (long double)r->low_freq) / (long double)(r->high_freq - r->low_freq);
  return (1 - smooth) * f / (long double)r->factor + smooth * f;
}

// Rotates the pairs (x_i, x_{i + r/2}) of every head; token t is at position t.
static void rope(const struct truth *s, double *x, uint32_t heads) {
  const struct vb_config *k = &s->m->config;
  const uint32_t d = k->head_dim, half = k->rope.dims / 2;
  if (s->result != VB_OK) return;
  for (uint32_t i = 0; i < half; i++) {
    const long double f = rope_frequency(&k->rope, i);
    const uint32_t a = VB_TRUTH_FAULT(ROPE_PAIRS) ? 2 * i : i, b = VB_TRUTH_FAULT(ROPE_PAIRS) ? 2 * i + 1 : i + half;
    for (uint32_t t = 0; t < s->T; t++) {
      const double c = (double)cosl(t * f), sn = (double)sinl(t * f);
      for (uint32_t h = 0; h < heads; h++) {
        double *v = x + ((size_t)t * heads + h) * d, p = v[a], q = v[b];
        v[a] = p * c - q * sn;
        v[b] = q * c + p * sn;
      }
    }
  }
}

static double dot(const double *a, const double *b, uint32_t n) {
  double sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// out[h] of token t: softmax over keys 0..t; query head h uses key/value head h * kv_heads / heads. p: [T] scratch.
static void attend(const struct truth *s, const double *q, const double *k, const double *v, uint32_t t, uint32_t h,
                   double *p, double *out) {
  const struct vb_config *c = &s->m->config;
  const uint32_t d = c->head_dim, g = h / (c->heads / c->kv_heads),
                 keys = VB_TRUTH_FAULT(NO_CAUSAL_MASK) ? s->T : t + 1;
  const double scale = 1 / sqrt(d);
  double top = -INFINITY, sum = 0;
  for (uint32_t j = 0; j < keys; j++) {
    p[j] = scale * dot(q + ((size_t)t * c->heads + h) * d, k + ((size_t)j * c->kv_heads + g) * d, d);
    top = fmax(top, p[j]);
  }
  for (uint32_t j = 0; j < keys; j++) sum += p[j] = exp(p[j] - top);
  for (uint32_t i = 0; i < d; i++) out[i] = 0;
  for (uint32_t j = 0; j < keys; j++)
    for (uint32_t i = 0; i < d; i++) out[i] += p[j] / sum * v[((size_t)j * c->kv_heads + g) * d + i];
}

static void attend_all(struct truth *s, const double *q, const double *k, const double *v, double *o) {
  const struct vb_config *c = &s->m->config;
  if (s->result != VB_OK) return;
  bool failed = false;
  const bool worth_it = (double)s->T * s->T * c->heads * c->head_dim > 1e6;
#pragma omp parallel reduction(|| : failed) if (worth_it)
  {
    double *p = malloc(sizeof *p * s->T);
    failed = !p;
#pragma omp for collapse(2) schedule(dynamic, 8)
    for (uint32_t t = 0; t < s->T; t++)
      for (uint32_t h = 0; h < c->heads; h++)
        if (p) attend(s, q, k, v, t, h, p, o + ((size_t)t * c->heads + h) * c->head_dim);
    free(p);
  }
  if (failed) s->result = vb_fail(VB_DEVICE, "out of memory for the algorithm truth");
}

static void attention(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = &s->m->config;
  const uint32_t T = s->T, d = c->head_dim, nq = c->heads * d, nk = c->kv_heads * d;
  const int mark = s->owned_count;
  double *q = values(s, T, nq), *k = values(s, T, nk), *v = values(s, T, nk), *o = values(s, T, nq);
  linear(s, x, T, tensor(s, "model.layers.%u.self_attn.q_proj.weight", l), 0, nq, c->hidden, q);
  linear(s, x, T, tensor(s, "model.layers.%u.self_attn.k_proj.weight", l), 0, nk, c->hidden, k);
  linear(s, x, T, tensor(s, "model.layers.%u.self_attn.v_proj.weight", l), 0, nk, c->hidden, v);
  if (c->family == VB_QWEN2) {
    add_bias(s, q, T, nq, tensor(s, "model.layers.%u.self_attn.q_proj.bias", l));
    add_bias(s, k, T, nk, tensor(s, "model.layers.%u.self_attn.k_proj.bias", l));
    add_bias(s, v, T, nk, tensor(s, "model.layers.%u.self_attn.v_proj.bias", l));
  }
  if ((c->family == VB_QWEN3 || c->family == VB_QWEN3_MOE) && !VB_TRUTH_FAULT(NO_QK_NORM)) {
    rms_norm(s, q, (size_t)T * c->heads, d, tensor(s, "model.layers.%u.self_attn.q_norm.weight", l), q);
    rms_norm(s, k, (size_t)T * c->kv_heads, d, tensor(s, "model.layers.%u.self_attn.k_norm.weight", l), k);
  }
  rope(s, q, c->heads);
  rope(s, k, c->kv_heads);
  attend_all(s, q, k, v, o);
  linear(s, o, T, tensor(s, "model.layers.%u.self_attn.o_proj.weight", l), 0, c->hidden, nq, y);
  while (s->owned_count > mark) free(s->owned[--s->owned_count]);
}

// A matrix inside a tensor: rows start at `first`.
struct part {
  const struct vb_tensor *t;
  uint64_t first;
};

// y = down(silu(gate x) * up x) of T tokens. g, u: [T][n] scratch.
static void swiglu(struct truth *s, const double *x, uint32_t T, uint32_t n, struct part gate, struct part up,
                   struct part down, double *g, double *u, double *y) {
  const uint32_t d = s->m->config.hidden;
  linear(s, x, T, gate.t, gate.first, n, d, g);
  linear(s, x, T, up.t, up.first, n, d, u);
  for (size_t i = 0; i < (size_t)T * n && s->result == VB_OK; i++) g[i] = g[i] / (1 + exp(-g[i])) * u[i];
  linear(s, g, T, down.t, down.first, d, n, y);
}

// Gates of the k largest logits of one token, 0 elsewhere. Ties go to the lower index.
static void route(const struct vb_config *c, const double *z, double *w) {
  double top = -INFINITY, all = 0, chosen = 0;
  for (uint32_t e = 0; e < c->experts; e++) top = fmax(top, z[e]), w[e] = -1;
  for (uint32_t e = 0; e < c->experts; e++) all += exp(z[e] - top);
  for (uint32_t i = 0; i < c->topk; i++) {
    uint32_t best = UINT32_MAX;
    for (uint32_t e = 0; e < c->experts; e++)
      if (w[e] < 0 && (best == UINT32_MAX || z[e] > z[best])) best = e;
    w[best] = exp(z[best] - top) / all;
    chosen += w[best];
  }
  for (uint32_t e = 0; e < c->experts; e++)
    w[e] = w[e] < 0 ? 0 : c->norm_topk && !VB_TRUTH_FAULT(NO_RENORM) ? w[e] / chosen : w[e];
}

static void expert_parts(struct truth *s, uint32_t l, uint32_t e, struct part p[3]) {
  const struct vb_config *c = &s->m->config;
  char fused[96];
  snprintf(fused, sizeof fused, "model.layers.%u.mlp.experts.gate_up_proj", l);
  if (vb_model_find(s->m, fused)) { // [E][gate rows, up rows][hidden] and [E][hidden][inter]
    const struct vb_tensor *gu = tensor(s, "%s", fused);
    p[0] = (struct part){gu, (uint64_t)e * 2 * c->moe_inter};
    p[1] = (struct part){gu, (uint64_t)e * 2 * c->moe_inter + c->moe_inter};
    p[2] = (struct part){tensor(s, "model.layers.%u.mlp.experts.down_proj", l), (uint64_t)e * c->hidden};
    return;
  }
  p[0] = (struct part){tensor(s, "model.layers.%u.mlp.experts.%u.gate_proj.weight", l, e), 0};
  p[1] = (struct part){tensor(s, "model.layers.%u.mlp.experts.%u.up_proj.weight", l, e), 0};
  p[2] = (struct part){tensor(s, "model.layers.%u.mlp.experts.%u.down_proj.weight", l, e), 0};
}

// Each expert runs on the tokens that chose it, gathered.
static void experts(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = &s->m->config;
  const uint32_t T = s->T, d = c->hidden, n = c->moe_inter;
  const int mark = s->owned_count;
  double *z = values(s, T, c->experts), *w = values(s, T, c->experts), *in = values(s, T, d), *out = values(s, T, d);
  double *g = values(s, T, n), *u = values(s, T, n);
  uint32_t *who = take(s, T, sizeof *who);
  linear(s, x, T, tensor(s, "model.layers.%u.mlp.gate.weight", l), 0, c->experts, d, z);
  for (uint32_t t = 0; t < T && s->result == VB_OK; t++)
    route(c, z + (size_t)t * c->experts, w + (size_t)t * c->experts);
  for (size_t i = 0; i < (size_t)T * d && s->result == VB_OK; i++) y[i] = 0;
  for (uint32_t e = 0; e < c->experts && s->result == VB_OK; e++) {
    uint32_t count = 0;
    for (uint32_t t = 0; t < T; t++)
      if (w[(size_t)t * c->experts + e] > 0) {
        memcpy(in + (size_t)count * d, x + (size_t)t * d, d * sizeof *in);
        who[count++] = t;
      }
    struct part p[3];
    expert_parts(s, l, e, p);
    if (count) swiglu(s, in, count, n, p[0], p[1], p[2], g, u, out);
    for (uint32_t j = 0; j < count; j++)
      for (uint32_t i = 0; i < d; i++)
        y[(size_t)who[j] * d + i] += w[(size_t)who[j] * c->experts + e] * out[(size_t)j * d + i];
  }
  while (s->owned_count > mark) free(s->owned[--s->owned_count]);
}

static bool layer_is_moe(const struct vb_config *c, uint32_t l) { return c->family == VB_QWEN3_MOE && c->is_moe[l]; }

static void dense(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = &s->m->config;
  const int mark = s->owned_count;
  double *g = values(s, s->T, c->inter), *u = values(s, s->T, c->inter);
  swiglu(s, x, s->T, c->inter, (struct part){tensor(s, "model.layers.%u.mlp.gate_proj.weight", l), 0},
         (struct part){tensor(s, "model.layers.%u.mlp.up_proj.weight", l), 0},
         (struct part){tensor(s, "model.layers.%u.mlp.down_proj.weight", l), 0}, g, u, y);
  while (s->owned_count > mark) free(s->owned[--s->owned_count]);
}

static void forward(struct truth *s, const int32_t *tokens, double *logits) {
  const struct vb_config *c = &s->m->config;
  const uint32_t T = s->T, d = c->hidden;
  const size_t n = (size_t)T * d;
  double *x = values(s, T, d), *h = values(s, T, d), *y = values(s, T, d);
  const struct vb_tensor *embed = tensor(s, "model.embed_tokens.weight");
  for (uint32_t t = 0; t < T && s->result == VB_OK; t++)
    for (uint32_t i = 0; i < d; i++) x[(size_t)t * d + i] = vb_tensor_at(embed, (uint64_t)tokens[t] * d + i);
  for (uint32_t l = 0; l < c->layers && s->result == VB_OK; l++) {
    rms_norm(s, x, T, d, tensor(s, "model.layers.%u.input_layernorm.weight", l), h);
    attention(s, l, h, y);
    for (size_t i = 0; i < n; i++) x[i] += y[i];
    rms_norm(s, x, T, d, tensor(s, "model.layers.%u.post_attention_layernorm.weight", l), h);
    if (layer_is_moe(c, l)) experts(s, l, h, y);
    else dense(s, l, h, y);
    for (size_t i = 0; i < n; i++) x[i] += y[i];
  }
  rms_norm(s, x, T, d, tensor(s, "model.norm.weight"), h);
  linear(s, h, T, c->tied ? embed : tensor(s, "lm_head.weight"), 0, c->vocab, d, logits);
}

vb_result vb_truth_logits(const struct vb_model *m, const int32_t *tokens, uint32_t T, double *logits) {
  if (!T) return vb_fail(VB_BAD_INPUT, "algorithm truth: no tokens");
  if (m->config.rope.scaling > VB_ROPE_LLAMA3)
    return vb_fail(VB_BAD_INPUT, "algorithm truth: this RoPE scaling is not supported yet");
  for (uint32_t t = 0; t < T; t++)
    if (tokens[t] < 0 || (uint32_t)tokens[t] >= m->config.vocab)
      return vb_fail(VB_BAD_INPUT, "algorithm truth: token %u is %d, the vocabulary has %u", t, tokens[t],
                     m->config.vocab);
  struct truth s = {.m = m, .T = T};
  forward(&s, tokens, logits);
  while (s.owned_count) free(s.owned[--s.owned_count]);
  return s.result;
}

double vb_truth_nll(const double *logits, const int32_t *tokens, uint32_t T, uint32_t vocab) {
  double total = 0;
  for (uint32_t t = 0; t + 1 < T; t++) {
    const double *z = logits + (size_t)t * vocab;
    double top = z[0];
    for (uint32_t i = 1; i < vocab; i++) top = fmax(top, z[i]);
    double sum = exp(z[0] - top);
    for (uint32_t i = 1; i < vocab; i++) sum += exp(z[i] - top);
    total += log(sum) + top - z[tokens[t + 1]];
  }
  return total;
}
