// SPDX-License-Identifier: Apache-2.0
/// Gated MLPs, routers and experts.
#include "truth/internal.h"
#include <stdlib.h>
#include <string.h>

static double activate(const struct truth *s, double g) {
  if (s->c->gelu && !vb_truth_planted("silu_for_gelu"))
    return 0.5 * g * (1 + tanh(0.79788456080286535588 * (g + 0.044715 * g * g * g)));
  return g * vb_truth_sigmoid(g);
}

void vb_truth_mlp(struct truth *s, const double *x, uint32_t T, uint32_t n, struct matrix gate, struct matrix up,
                  struct matrix down, double *y) {
  const uint32_t d = s->c->hidden;
  const int mark = s->owned_count;
  double *g = vb_truth_values(s, T, n), *u = vb_truth_values(s, T, n);
  vb_truth_linear(s, x, T, gate, n, d, g);
  vb_truth_linear(s, x, T, up, n, d, u);
  for (size_t i = 0; i < (size_t)T * n && s->result == VB_OK; i++) g[i] = activate(s, g[i]) * u[i];
  vb_truth_round(s, g, (size_t)T * n);
  vb_truth_linear(s, g, T, down, d, n, y);
  vb_truth_drop(s, mark);
}

/// Exclude (score -infinity) all experts outside the best groups.
static void limit_groups(const struct vb_config *c, double *u) {
  uint32_t size = c->experts / c->groups;
  double rank[c->groups];
  for (uint32_t g = 0; g < c->groups; g++) {
    double best = -INFINITY, second = -INFINITY;
    for (uint32_t e = g * size; e < (g + 1) * size; e++) {
      if (u[e] > best) second = best, best = u[e];
      else if (u[e] > second) second = u[e];
    }
    rank[g] = c->group_top == 2 ? best + second : best;
  }
  for (uint32_t g = 0; g < c->groups; g++) {
    uint32_t before = 0;
    for (uint32_t o = 0; o < c->groups; o++) before += rank[o] > rank[g] || (o < g && rank[o] == rank[g]);
    for (uint32_t e = g * size; before >= c->topk_groups && e < (g + 1) * size; e++) u[e] = -INFINITY;
  }
}

/// Gates of one token's experts, 0 for those not chosen; `chosen` marks the others. z: logits.
static void route(const struct truth *s, const struct vb_tensor *correction, const double *z, double *w,
                  uint8_t *chosen) {
  const struct vb_config *c = s->c;
  double p[c->experts], u[c->experts], top = -INFINITY, all = 0, sum = 0;
  for (uint32_t e = 0; e < c->experts; e++) top = fmax(top, z[e]);
  for (uint32_t e = 0; e < c->experts; e++) all += exp(z[e] - top);
  for (uint32_t e = 0; e < c->experts; e++) {
    p[e] = c->score == VB_SCORE_SIGMOID ? vb_truth_sigmoid(z[e]) : exp(z[e] - top) / all;
    u[e] = p[e] + (correction && !vb_truth_planted("no_correction") ? vb_tensor_at(correction, e) : 0);
    w[e] = 0;
    chosen[e] = 0;
  }
  if (c->groups > 1 && !vb_truth_planted("no_groups")) limit_groups(c, u);
  for (uint32_t i = 0; i < c->topk; i++) { // ties go to the lower index
    uint32_t best = UINT32_MAX;
    for (uint32_t e = 0; e < c->experts; e++)
      if (!chosen[e] && (best == UINT32_MAX || u[e] > u[best])) best = e;
    chosen[best] = 1;
    sum += p[best]; // cppcheck-suppress uninitvar ; experts >= topk >= 1, so `best` is an expert
  }
  double scale = c->routed_scale != 0 && !vb_truth_planted("no_routed_scale") ? c->routed_scale : 1;
  bool renorm = c->norm_topk != vb_truth_planted("no_renorm");
  for (uint32_t e = 0; e < c->experts; e++)
    if (chosen[e]) w[e] = (renorm ? p[e] / sum : p[e]) * scale;
}

/// Where expert e's matrices and biases are, in every layout that checkpoints use.
struct expert {
  struct matrix gate, up, down;
  const struct vb_tensor *up_bias, *down_bias; ///< gpt-oss: gate and up biases interleaved in one tensor
  uint64_t bias_first;
};

static struct expert find_expert(struct truth *s, uint32_t l, uint32_t e) {
  const struct vb_config *c = s->c;
  const uint64_t d = c->hidden, n = c->moe_inter;
  const char *at = c->family == VB_LLAMA4 ? "feed_forward.experts" : "mlp.experts";
  char fused[64];
  snprintf(fused, sizeof fused, "%s.gate_up_proj", at);
  struct expert x = {0};
  if (c->family == VB_GPT_OSS) { // [E][D][2 I] with gate and up interleaved, [E][I][D]
    const struct vb_tensor *gu = vb_truth_layer(s, l, "%s", fused), *dn = vb_truth_layer(s, l, "%s.down_proj", at);
    x.gate = (struct matrix){gu, e * d * 2 * n, 2, 2 * n};
    x.up = (struct matrix){gu, e * d * 2 * n + 1, 2, 2 * n};
    x.down = (struct matrix){dn, e * n * d, 1, d};
    x.up_bias = vb_truth_layer(s, l, "%s.gate_up_proj_bias", at);
    x.down_bias = vb_truth_layer(s, l, "%s.down_proj_bias", at);
    x.bias_first = e * 2 * n;
  } else if (c->family == VB_LLAMA4) { // [E][D][gate | up], [E][I][D]
    const struct vb_tensor *gu = vb_truth_layer(s, l, "%s", fused), *dn = vb_truth_layer(s, l, "%s.down_proj", at);
    x.gate = (struct matrix){gu, e * d * 2 * n, 1, 2 * n};
    x.up = (struct matrix){gu, e * d * 2 * n + n, 1, 2 * n};
    x.down = (struct matrix){dn, e * n * d, 1, d};
  } else if (vb_truth_has(s, l, fused)) { // [E][gate rows, up rows][D], [E][D][I]
    const struct vb_tensor *gu = vb_truth_layer(s, l, "%s", fused);
    x.gate = vb_truth_matrix(gu, e * 2 * n, d);
    x.up = vb_truth_matrix(gu, e * 2 * n + n, d);
    x.down = vb_truth_matrix(vb_truth_layer(s, l, "%s.down_proj", at), e * d, n);
  } else if (vb_truth_has(s, l, "block_sparse_moe.gate.weight")) {
    x.gate = vb_truth_matrix(vb_truth_layer(s, l, "block_sparse_moe.experts.%u.w1.weight", e), 0, d);
    x.up = vb_truth_matrix(vb_truth_layer(s, l, "block_sparse_moe.experts.%u.w3.weight", e), 0, d);
    x.down = vb_truth_matrix(vb_truth_layer(s, l, "block_sparse_moe.experts.%u.w2.weight", e), 0, n);
  } else {
    x.gate = vb_truth_matrix(vb_truth_layer(s, l, "%s.%u.gate_proj.weight", at, e), 0, d);
    x.up = vb_truth_matrix(vb_truth_layer(s, l, "%s.%u.up_proj.weight", at, e), 0, d);
    x.down = vb_truth_matrix(vb_truth_layer(s, l, "%s.%u.down_proj.weight", at, e), 0, n);
  }
  return x;
}

/// One expert on `count` gathered tokens.
static void run_expert(struct truth *s, const struct expert *x, const double *in, uint32_t count, double *y) {
  const struct vb_config *c = s->c;
  const uint32_t d = c->hidden, n = c->moe_inter;
  const int mark = s->owned_count;
  if (c->expert_act == VB_EXPERT_SWIGLU) {
    vb_truth_mlp(s, in, count, n, x->gate, x->up, x->down, y);
    return;
  }
  double *g = vb_truth_values(s, count, n), *u = vb_truth_values(s, count, n);
  vb_truth_linear(s, in, count, x->gate, n, d, g);
  vb_truth_linear(s, in, count, x->up, n, d, u);
  vb_truth_bias(s, g, count, n, x->up_bias, x->bias_first, 2);
  vb_truth_bias(s, u, count, n, x->up_bias, x->bias_first + 1, 2);
  for (size_t i = 0; i < (size_t)count * n && s->result == VB_OK; i++) {
    if (!vb_truth_planted("no_clamp"))
      g[i] = fmin(g[i], c->swiglu_limit), u[i] = fmax(-c->swiglu_limit, fmin(c->swiglu_limit, u[i]));
    g[i] = g[i] * vb_truth_sigmoid(1.702 * g[i]) * (u[i] + 1);
  }
  vb_truth_round(s, g, (size_t)count * n);
  vb_truth_linear(s, g, count, x->down, d, n, y);
  vb_truth_bias(s, y, count, d, x->down_bias, x->bias_first / (2 * n) * d, 1);
  vb_truth_drop(s, mark);
}

static const struct vb_tensor *router(struct truth *s, uint32_t l, const char *what) {
  const struct vb_config *c = s->c;
  if (c->family == VB_LLAMA4) return vb_truth_layer(s, l, "feed_forward.router.%s", what);
  if (c->family == VB_GPT_OSS) return vb_truth_layer(s, l, "mlp.router.%s", what);
  bool mixtral = vb_truth_has(s, l, "block_sparse_moe.gate.weight");
  return vb_truth_layer(s, l, "%s.gate.%s", mixtral ? "block_sparse_moe" : "mlp", what);
}

static void add_shared(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, d = c->hidden, n = c->shared_inter;
  const char *at = c->family == VB_LLAMA4 ? "feed_forward.shared_expert"
                   : c->shared_gated      ? "mlp.shared_expert"
                                          : "mlp.shared_experts";
  const int mark = s->owned_count;
  double *o = vb_truth_values(s, T, d), *gate = vb_truth_values(s, T, 1);
  vb_truth_mlp(s, x, T, n, vb_truth_matrix(vb_truth_layer(s, l, "%s.gate_proj.weight", at), 0, d),
               vb_truth_matrix(vb_truth_layer(s, l, "%s.up_proj.weight", at), 0, d),
               vb_truth_matrix(vb_truth_layer(s, l, "%s.down_proj.weight", at), 0, n), o);
  if (c->shared_gated)
    vb_truth_linear(s, x, T, vb_truth_matrix(vb_truth_layer(s, l, "mlp.shared_expert_gate.weight"), 0, d), 1, d, gate);
  bool gated = c->shared_gated && !vb_truth_planted("ungated_shared");
  for (uint32_t t = 0; t < T && s->result == VB_OK; t++)
    for (uint32_t i = 0; i < d; i++)
      y[(size_t)t * d + i] += o[(size_t)t * d + i] * (gated ? vb_truth_sigmoid(gate[t]) : 1);
  vb_truth_drop(s, mark);
}

void vb_truth_moe(struct truth *s, uint32_t l, const double *x, double *y) {
  const struct vb_config *c = s->c;
  const uint32_t T = s->T, d = c->hidden, E = c->experts;
  const int mark = s->owned_count;
  double *z = vb_truth_values(s, T, E), *w = vb_truth_values(s, T, E), *in = vb_truth_values(s, T, d),
         *out = vb_truth_values(s, T, d);
  uint8_t *chosen = vb_truth_take(s, (size_t)T * E, 1);
  uint32_t *who = vb_truth_take(s, T, sizeof *who);
  const bool bf16 = s->bf16;
  s->bf16 = false; // routing stays wide
  vb_truth_linear(s, x, T, vb_truth_matrix(router(s, l, "weight"), 0, d), E, d, z);
  if (c->router_bias) vb_truth_bias(s, z, T, E, router(s, l, "bias"), 0, 1);
  const struct vb_tensor *correction =
      c->correction_bias ? vb_truth_layer(s, l, "mlp.gate.e_score_correction_bias") : NULL;
  for (uint32_t t = 0; t < T && s->result == VB_OK; t++)
    route(s, correction, z + (size_t)t * E, w + (size_t)t * E, chosen + (size_t)t * E);
  s->bf16 = bf16;
  for (size_t i = 0; i < (size_t)T * d && s->result == VB_OK; i++) y[i] = 0;
  bool gate_input = c->gate_input != vb_truth_planted("gate_output");
  for (uint32_t e = 0; e < E && s->result == VB_OK; e++) {
    uint32_t count = 0;
    for (uint32_t t = 0; t < T; t++) {
      if (!chosen[(size_t)t * E + e]) continue;
      for (uint32_t i = 0; i < d; i++)
        in[(size_t)count * d + i] = x[(size_t)t * d + i] * (gate_input ? w[(size_t)t * E + e] : 1);
      who[count++] = t;
    }
    struct expert at = find_expert(s, l, e);
    if (count) run_expert(s, &at, in, count, out);
    for (uint32_t j = 0; j < count && s->result == VB_OK; j++)
      for (uint32_t i = 0; i < d; i++)
        y[(size_t)who[j] * d + i] += (gate_input ? 1 : w[(size_t)who[j] * E + e]) * out[(size_t)j * d + i];
  }
  vb_truth_round(s, y, (size_t)T * d);
  if (c->shared_inter && !vb_truth_planted("no_shared")) add_shared(s, l, x, y);
  vb_truth_round(s, y, (size_t)T * d);
  vb_truth_drop(s, mark);
}
