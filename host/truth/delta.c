// SPDX-License-Identifier: Apache-2.0
/// Gated DeltaNet as its paper's recurrence: S <- e^g S; delta = beta (v - S^T k); S <- S + k delta^T; o = S^T q / sqrt(dk).
#include "truth/internal.h"
#include <stdlib.h>
#include <string.h>

/// Causal depthwise convolution of width 4 over channels [first, first + n) of w, then SiLU. In place.
static void convolve(struct truth *s, const struct vb_tensor *w, uint32_t first, uint32_t n, double *x) {
  if (s->result != VB_OK) return;
  for (uint32_t c = 0; c < n; c++) {
    double past[4] = {0};
    for (uint32_t t = 0; t < s->T; t++) {
      double sum = 0;
      past[0] = past[1], past[1] = past[2], past[2] = past[3], past[3] = x[(size_t)t * n + c];
      for (uint32_t j = 0; j < 4; j++) sum += vb_tensor_at(w, (first + c) * 4ull + j) * past[j];
      x[(size_t)t * n + c] = sum * vb_truth_sigmoid(sum);
    }
  }
  vb_truth_round(s, x, (size_t)s->T * n);
}

static void l2(const struct truth *s, double *x, size_t count, uint32_t n) {
  for (size_t v = 0; v < count && s->result == VB_OK && !vb_truth_planted("no_l2"); v++) {
    double sum = 1e-6;
    for (uint32_t i = 0; i < n; i++) sum += x[v * n + i] * x[v * n + i];
    for (uint32_t i = 0; i < n; i++) x[v * n + i] /= sqrt(sum);
  }
}

struct rule {
  const double *q, *k, *v, *a, *b;
  const struct vb_tensor *a_log, *dt_bias;
};

static double softplus(double x) { return x > 30 ? x : log1p(exp(x)); }

/// One value head through all tokens. state: [dk][dv].
static void recur(const struct truth *s, const struct rule *r, uint32_t h, double *state, double *delta, double *o) {
  const struct vb_config *c = s->c;
  const uint32_t H = c->delta_heads, K = c->delta_key_heads, dk = c->delta_dk, dv = c->delta_dv, g = h / (H / K);
  for (uint32_t t = 0; t < s->T; t++) {
    const double *q = r->q + ((size_t)t * K + g) * dk, *k = r->k + ((size_t)t * K + g) * dk,
                 *v = r->v + ((size_t)t * H + h) * dv;
    double beta = vb_truth_planted("no_beta") ? 1 : vb_truth_sigmoid(r->b[(size_t)t * H + h]);
    double decay =
        vb_truth_planted("no_decay")
            ? 1
            : exp(-exp(vb_tensor_at(r->a_log, h)) * softplus(r->a[(size_t)t * H + h] + vb_tensor_at(r->dt_bias, h)));
    for (uint32_t j = 0; j < dv; j++) {
      double recalled = 0;
      for (uint32_t i = 0; i < dk; i++) recalled += k[i] * (state[(size_t)i * dv + j] *= decay);
      delta[j] = beta * (v[j] - recalled);
    }
    for (uint32_t j = 0; j < dv; j++) {
      double sum = 0;
      for (uint32_t i = 0; i < dk; i++) sum += q[i] * (state[(size_t)i * dv + j] += k[i] * delta[j]);
      o[((size_t)t * H + h) * dv + j] = sum / sqrt(dk);
    }
  }
}

void vb_truth_delta(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, H = c->delta_heads, K = c->delta_key_heads, dk = c->delta_dk, dv = c->delta_dv, r = H / K;
  const uint32_t group = 2 * dk + 2 * r * dv, rows = K * group;
  const int mark = s->owned_count;
  double *m = vb_truth_values(s, T, rows), *ba = vb_truth_values(s, T, 2ull * H);
  double *q = vb_truth_values(s, T, (size_t)K * dk), *k = vb_truth_values(s, T, (size_t)K * dk),
         *v = vb_truth_values(s, T, (size_t)H * dv);
  double *z = vb_truth_values(s, T, (size_t)H * dv), *a = vb_truth_values(s, T, H), *b = vb_truth_values(s, T, H),
         *o = vb_truth_values(s, T, (size_t)H * dv);
  double *state = vb_truth_values(s, dk, dv), *delta = vb_truth_values(s, dv, 1);
  vb_truth_linear(s, x, T, vb_truth_matrix(vb_truth_layer(s, l, "linear_attn.in_proj_qkvz.weight"), 0, c->hidden), rows,
                  c->hidden, m);
  vb_truth_linear(s, x, T, vb_truth_matrix(vb_truth_layer(s, l, "linear_attn.in_proj_ba.weight"), 0, c->hidden), 2 * H,
                  c->hidden, ba);
  for (size_t i = 0; i < (size_t)T * K && s->result == VB_OK;
       i++) { // rows are grouped by key head: q, k, r v, r z; r b, r a
    const double *row = m + i * group;
    memcpy(q + i * dk, row, dk * sizeof *q);
    memcpy(k + i * dk, row + dk, dk * sizeof *k);
    memcpy(v + i * r * dv, row + 2 * dk, r * dv * sizeof *v);
    memcpy(z + i * r * dv, row + 2 * dk + r * dv, r * dv * sizeof *z);
    memcpy(b + i * r, ba + i * 2 * r, r * sizeof *b);
    memcpy(a + i * r, ba + i * 2 * r + r, r * sizeof *a);
  }
  const struct vb_tensor *w = vb_truth_layer(s, l, "linear_attn.conv1d.weight");
  convolve(s, w, 0, K * dk, q);
  convolve(s, w, K * dk, K * dk, k);
  convolve(s, w, 2 * K * dk, H * dv, v);
  l2(s, q, (size_t)T * K, dk);
  l2(s, k, (size_t)T * K, dk);
  struct rule rule = {
      q, k, v, a, b, vb_truth_layer(s, l, "linear_attn.A_log"), vb_truth_layer(s, l, "linear_attn.dt_bias")};
  for (uint32_t h = 0; h < H && s->result == VB_OK; h++) {
    memset(state, 0, (size_t)dk * dv * sizeof *state);
    recur(s, &rule, h, state, delta, o);
  }
  vb_truth_round(s, o, (size_t)T * H * dv);
  vb_truth_rms(s, o, (size_t)T * H, dv, vb_truth_layer(s, l, "linear_attn.norm.weight"), true, o);
  for (size_t i = 0; i < (size_t)T * H * dv && s->result == VB_OK && !vb_truth_planted("no_out_gate"); i++)
    o[i] *= z[i] * vb_truth_sigmoid(z[i]);
  vb_truth_round(s, o, (size_t)T * H * dv);
  vb_truth_linear(s, o, T, vb_truth_matrix(vb_truth_layer(s, l, "linear_attn.out_proj.weight"), 0, H * dv), c->hidden,
                  H * dv, y);
  vb_truth_drop(s, mark);
}
