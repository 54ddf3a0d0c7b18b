// SPDX-License-Identifier: Apache-2.0
/// Softmax attention with the families' masks, sinks, caps and norms.
#include "truth/internal.h"
#include <stdlib.h>
#include <string.h>

static bool sees(const struct truth *s, const struct mask *mask, uint32_t t, uint32_t j) {
  uint32_t window = mask->window + (mask->window && vb_truth_planted("window+1"));
  if (j > t && !vb_truth_planted("no_causal_mask")) return false;
  if (window && j + window <= t) return false;
  if (mask->chunk && !vb_truth_planted("no_chunk") && j / mask->chunk != t / mask->chunk) return false;
  return !mask->chosen || vb_truth_planted("dense_dsa") || mask->chosen[(size_t)t * s->T + j];
}

static double dot(const double *a, const double *b, uint32_t n) {
  double sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

struct heads {
  const double *q, *k, *v;
  uint32_t heads, kv_heads, dk, dv;
};

static void attend_one(const struct truth *s, const struct heads *a, const struct mask *mask, uint32_t t, uint32_t h,
                       double *p, double *out) {
  const uint32_t g = h / (a->heads / a->kv_heads);
  double top = -INFINITY, sum = 0, sink = 0;
  bool has_sink = mask->sinks && !vb_truth_planted("no_sink");
  if (has_sink) top = sink = vb_tensor_at(mask->sinks, h);
  for (uint32_t j = 0; j < s->T; j++) {
    p[j] = -INFINITY;
    if (!sees(s, mask, t, j)) continue;
    p[j] = (vb_truth_planted("no_scale") ? 1 : mask->scale) *
           dot(a->q + ((size_t)t * a->heads + h) * a->dk, a->k + ((size_t)j * a->kv_heads + g) * a->dk, a->dk);
    if (mask->softcap != 0 && !vb_truth_planted("no_softcap")) p[j] = mask->softcap * tanh(p[j] / mask->softcap);
    top = fmax(top, p[j]);
  }
  if (has_sink) sum = exp(sink - top);
  for (uint32_t j = 0; j < s->T; j++) sum += p[j] = exp(p[j] - top);
  memset(out, 0, a->dv * sizeof *out);
  for (uint32_t j = 0; j < s->T; j++)
    for (uint32_t i = 0; i < a->dv && p[j] > 0; i++)
      out[i] += p[j] / sum * a->v[((size_t)j * a->kv_heads + g) * a->dv + i];
}

void vb_truth_attend(struct truth *s, const double *q, const double *k, const double *v, uint32_t heads,
                     uint32_t kv_heads, uint32_t dk, uint32_t dv, const struct mask *mask, double *o) {
  const struct heads a = {q, k, v, heads, kv_heads, dk, dv};
  if (s->result != VB_OK) return;
  bool failed = false;
  const bool worth_it = (double)s->T * s->T * heads * dk > 1e6;
#pragma omp parallel reduction(|| : failed) if (worth_it)
  {
    double *p = malloc(sizeof *p * s->T);
    failed = !p;
#pragma omp for collapse(2) schedule(dynamic, 8)
    for (uint32_t t = 0; t < s->T; t++)
      for (uint32_t h = 0; h < heads; h++)
        if (p) attend_one(s, &a, mask, t, h, p, o + ((size_t)t * heads + h) * dv);
    free(p);
  }
  if (failed) s->result = vb_fail(VB_DEVICE, "out of memory for the algorithm truth");
}

/// Llama 4, layers without RoPE: queries grow slowly with the position.
static void temperature(const struct truth *s, double *q, uint32_t n) {
  const struct vb_config *c = s->c;
  if (s->result != VB_OK || vb_truth_planted("no_temperature")) return;
  for (uint32_t t = 0; t < s->T; t++) {
    double scale = 1 + c->temperature * log(1 + floor((t + 1.0) / c->floor_scale));
    for (uint32_t i = 0; i < n; i++) q[(size_t)t * n + i] *= scale;
  }
}

/// Rows of q_proj are [query | gate] per head (Qwen3-Next): pull them apart.
static void split_gate(const struct truth *s, const double *both, uint32_t heads, uint32_t d, double *q, double *gate) {
  for (size_t i = 0; i < (size_t)s->T * heads && s->result == VB_OK; i++) {
    memcpy(q + i * d, both + i * 2 * d, d * sizeof *q);
    memcpy(gate + i * d, both + (i * 2 + 1) * d, d * sizeof *q);
  }
}

static void project(struct truth *s, uint32_t l, const char *name, const double *x, uint32_t rows, uint32_t cols,
                    bool bias, double *y) {
  vb_truth_linear(s, x, s->T, vb_truth_matrix(vb_truth_layer(s, l, "self_attn.%s.weight", name), 0, cols), rows, cols,
                  y);
  if (bias) vb_truth_bias(s, y, s->T, rows, vb_truth_layer(s, l, "self_attn.%s.bias", name), 0, 1);
}

void vb_truth_attention(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = s->c;
  const struct vb_layer_config *layer = &c->layer[l];
  const uint32_t T = s->T, d = c->head_dim, nq = c->heads * d, nk = c->kv_heads * d;
  const int mark = s->owned_count;
  double *q = vb_truth_values(s, T, nq), *k = vb_truth_values(s, T, nk), *v = vb_truth_values(s, T, nk),
         *o = vb_truth_values(s, T, nq);
  double *gate = c->out_gate ? vb_truth_values(s, T, nq) : NULL,
         *both = c->out_gate ? vb_truth_values(s, T, 2ull * nq) : NULL;
  project(s, l, "q_proj", x, c->out_gate ? 2 * nq : nq, c->hidden, c->qkv_bias, c->out_gate ? both : q);
  project(s, l, "k_proj", x, nk, c->hidden, c->qkv_bias, k);
  project(s, l, "v_proj", x, nk, c->hidden, c->qkv_bias, v);
  if (c->out_gate) split_gate(s, both, c->heads, d, q, gate);
  if (c->qk_norm && !vb_truth_planted("no_qk_norm")) {
    vb_truth_rms(s, q, (size_t)T * c->heads, d, vb_truth_layer(s, l, "self_attn.q_norm.weight"), false, q);
    vb_truth_rms(s, k, (size_t)T * c->kv_heads, d, vb_truth_layer(s, l, "self_attn.k_norm.weight"), false, k);
  }
  bool rotated = layer->rope || vb_truth_planted("rope_everywhere");
  if (rotated) {
    bool local = layer->local_rope && !vb_truth_planted("global_rope");
    vb_truth_rope(s, local ? &c->local_rope : &c->rope, local ? 1 : c->rope_mscale, c->rope_pairs, q, c->heads, d, 0);
    vb_truth_rope(s, local ? &c->local_rope : &c->rope, local ? 1 : c->rope_mscale, c->rope_pairs, k, c->kv_heads, d,
                  0);
  }
  if (rotated && c->qk_l2 && !vb_truth_planted("no_qk_norm")) {
    vb_truth_rms(s, q, (size_t)T * c->heads, d, NULL, true, q);
    vb_truth_rms(s, k, (size_t)T * c->kv_heads, d, NULL, true, k);
  }
  if (!layer->rope && c->temperature != 0) temperature(s, q, nq);
  struct mask mask = {.window = layer->window,
                      .chunk = layer->chunk,
                      .scale = c->query_scale,
                      .softcap = c->attn_softcap,
                      .sinks = c->sinks ? vb_truth_layer(s, l, "self_attn.sinks") : NULL};
  vb_truth_attend(s, q, k, v, c->heads, c->kv_heads, d, d, &mask, o);
  vb_truth_round(s, o, (size_t)T * nq);
  for (size_t i = 0; gate && i < (size_t)T * nq && s->result == VB_OK && !vb_truth_planted("no_out_gate"); i++)
    o[i] *= vb_truth_sigmoid(gate[i]);
  if (gate) vb_truth_round(s, o, (size_t)T * nq);
  project(s, l, "o_proj", o, c->hidden, nq, c->o_bias, y);
  vb_truth_drop(s, mark);
}
