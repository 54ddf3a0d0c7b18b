// SPDX-License-Identifier: Apache-2.0
// Mixture-of-experts keys: sizes, routing, and which layers have experts.
#include "model/keys.h"
#include <string.h>

// The same number under two names, as different exporters write it.
static uint32_t get_either(struct vb_reader *r, const char *a, const char *b) {
  const json_t *x = vb_key_find(r, a), *y = vb_key_find(r, b);
  if (x && y && !json_equal(x, y)) vb_bad(r, "keys '%s' and '%s' disagree", a, b);
  return vb_key_u32(r, x || !y ? a : b, 1, 65536, -1);
}

// decoder_sparse_step and mlp_only_layers of the Qwen families
static void parse_sparse_step(struct vb_reader *r, struct vb_config *c) {
  uint32_t step = vb_key_u32(r, "decoder_sparse_step", 1, UINT32_MAX, 1);
  for (uint32_t l = 0; l < c->layers && r->result == VB_OK; l++) c->is_moe[l] = (l + 1) % step == 0;
  const json_t *dense = vb_key_list(r, "mlp_only_layers", 0);
  for (size_t i = 0; dense && i < json_array_size(dense) && r->result == VB_OK; i++) {
    const json_t *v = json_array_get(dense, i);
    json_int_t l = json_integer_value(v);
    if (!json_is_integer(v) || l < 0 || l >= (json_int_t)c->layers)
      vb_bad(r, "key 'mlp_only_layers': entry %zu is not a layer number below %u", i, c->layers);
    else c->is_moe[l] = 0;
  }
}

static void parse_qwen(struct vb_reader *r, struct vb_config *c) {
  c->experts = get_either(r, "num_experts", "num_local_experts");
  c->topk = vb_key_u32(r, "num_experts_per_tok", 1, 65536, -1);
  c->moe_inter = vb_key_u32(r, "moe_intermediate_size", 1, 1 << 20, -1);
  c->norm_topk = vb_key_bool(r, "norm_topk_prob", -1);
  if (c->family != VB_QWEN3_MOE) c->shared_inter = vb_key_u32(r, "shared_expert_intermediate_size", 0, 1 << 20, -1);
  c->shared_gated = c->shared_inter > 0;
  parse_sparse_step(r, c);
}

static void parse_plain(struct vb_reader *r, struct vb_config *c) { // Mixtral, gpt-oss: every layer, renormalised
  c->experts = vb_key_u32(r, "num_local_experts", 1, 65536, -1);
  c->topk = c->family == VB_GPT_OSS ? get_either(r, "num_experts_per_tok", "experts_per_token")
                                    : vb_key_u32(r, "num_experts_per_tok", 1, 65536, -1);
  c->moe_inter = c->inter;
  c->norm_topk = true;
  for (uint32_t l = 0; l < c->layers; l++) c->is_moe[l] = 1;
  if (c->family != VB_GPT_OSS) return;
  c->expert_act = VB_EXPERT_GPT_OSS;
  c->router_bias = c->expert_bias = true;
  c->swiglu_limit = vb_key_real(r, "swiglu_limit", 7);
  if (!(c->swiglu_limit > 0 && c->swiglu_limit < 0x1p20))
    vb_bad(r, "key 'swiglu_limit' is %g, must be positive and below 2^20", c->swiglu_limit);
  vb_key_must_be(r, "swiglu_alpha", 1.702);
}

static void parse_llama4(struct vb_reader *r, struct vb_config *c) {
  c->experts = vb_key_u32(r, "num_local_experts", 1, 65536, -1);
  c->topk = vb_key_u32(r, "num_experts_per_tok", 1, 65536, -1);
  c->moe_inter = c->shared_inter = c->inter; // intermediate_size is the experts' here
  c->inter = vb_key_u32(r, "intermediate_size_mlp", 1, 1 << 20, -1);
  c->score = VB_SCORE_SIGMOID;
  c->gate_input = true;
  uint32_t step = vb_key_u32(r, "interleave_moe_layer_step", 1, UINT32_MAX, 1);
  const json_t *list = vb_key_list(r, "moe_layers", 0);
  for (uint32_t l = 0; l < c->layers && r->result == VB_OK; l++) c->is_moe[l] = !list && (l + 1) % step == 0;
  for (size_t i = 0; list && i < json_array_size(list) && r->result == VB_OK; i++) {
    const json_t *v = json_array_get(list, i);
    json_int_t l = json_integer_value(v);
    if (!json_is_integer(v) || l < 0 || l >= (json_int_t)c->layers)
      vb_bad(r, "key 'moe_layers': entry %zu is not a layer number below %u", i, c->layers);
    else c->is_moe[l] = 1;
  }
}

// Groups of V2 (its code: best expert of a group) and V3 (sum of the best two).
static void parse_groups(struct vb_reader *r, struct vb_config *c) {
  const bool second = c->family == VB_DEEPSEEK_V2;
  const char *method = vb_key_text(r, "topk_method", second ? "greedy" : "noaux_tc");
  const char *scoring = vb_key_text(r, "scoring_func", second ? "softmax" : "sigmoid");
  if (strcmp(scoring, second ? "softmax" : "sigmoid"))
    vb_bad(r, "key 'scoring_func' is '%.40s', which is not supported for %s", scoring, c->model_type);
  if (second ? strcmp(method, "greedy") && strcmp(method, "group_limited_greedy") : strcmp(method, "noaux_tc"))
    vb_bad(r, "key 'topk_method' is '%.40s', which is not supported for %s", method, c->model_type);
  c->score = second ? VB_SCORE_SOFTMAX : VB_SCORE_SIGMOID;
  c->correction_bias = !second;
  if (!strcmp(method, "greedy")) return;
  c->groups = vb_key_u32(r, "n_group", 1, 65536, -1);
  c->topk_groups = vb_key_u32(r, "topk_group", 1, 65536, -1);
  c->group_top = second ? 1 : 2;
  if (r->result != VB_OK) return;
  if (c->topk_groups > c->groups)
    vb_bad(r, "key 'topk_group' is %u, more than the %u groups (n_group)", c->topk_groups, c->groups);
  if (c->experts % c->groups) vb_bad(r, "n_routed_experts %u is not a multiple of n_group %u", c->experts, c->groups);
  if (c->groups > 1 && c->experts / c->groups < c->group_top)
    vb_bad(r, "key 'n_group' is %u: a group of %u experts has no best two", c->groups, c->experts / c->groups);
  if (c->topk > c->experts / c->groups * c->topk_groups)
    vb_bad(r, "key 'num_experts_per_tok' is %u, more than the %u experts of topk_group %u groups", c->topk,
           c->experts / c->groups * c->topk_groups, c->topk_groups);
}

static void parse_deepseek_layers(struct vb_reader *r, struct vb_config *c) {
  const json_t *types = vb_key_list(r, "mlp_layer_types", c->layers);
  uint32_t first = vb_key_u32(r, "first_k_dense_replace", 0, UINT32_MAX, types ? 0 : -1);
  uint32_t step = vb_key_u32(r, "moe_layer_freq", 1, UINT32_MAX, 1);
  for (uint32_t l = 0; l < c->layers && r->result == VB_OK; l++) {
    const char *t = types ? json_string_value(json_array_get(types, l)) : NULL;
    if (types && (!t || !vb_key_listed(" dense sparse ", t)))
      vb_bad(r, "key 'mlp_layer_types': entry %u is '%.40s', must be 'dense' or 'sparse'", l, t ? t : "(no string)");
    c->is_moe[l] = types ? t && !strcmp(t, "sparse") : l >= first && l % step == 0;
  }
}

static void parse_deepseek(struct vb_reader *r, struct vb_config *c) {
  c->experts = get_either(r, "n_routed_experts", "num_local_experts");
  c->topk = vb_key_u32(r, "num_experts_per_tok", 1, 65536, -1);
  c->moe_inter = vb_key_u32(r, "moe_intermediate_size", 1, 1 << 20, -1);
  c->shared_inter = c->moe_inter * vb_key_u32(r, "n_shared_experts", 0, 1024, 0);
  c->norm_topk = vb_key_bool(r, "norm_topk_prob", c->family != VB_DEEPSEEK_V2);
  c->routed_scale = vb_key_real(r, "routed_scaling_factor", c->family == VB_DEEPSEEK_V2 ? 1 : 2.5);
  if (!(c->routed_scale > 0x1p-20 && c->routed_scale < 0x1p20))
    vb_bad(r, "key 'routed_scaling_factor' is %g, must be between 2^-20 and 2^20", c->routed_scale);
  // V2's own code scales or renormalises, never both; with one expert it does not renormalise.
  if (c->family == VB_DEEPSEEK_V2 && c->topk == 1) c->norm_topk = false;
  if (c->family == VB_DEEPSEEK_V2 && c->norm_topk) c->routed_scale = 1;
  if (r->result == VB_OK) parse_groups(r, c);
  parse_deepseek_layers(r, c);
}

void vb_parse_moe(struct vb_reader *r, struct vb_config *c) {
  switch (c->family) {
  case VB_QWEN3_MOE:
  case VB_QWEN2_MOE:
  case VB_QWEN3_NEXT: parse_qwen(r, c); break;
  case VB_MIXTRAL:
  case VB_GPT_OSS: parse_plain(r, c); break;
  case VB_LLAMA4: parse_llama4(r, c); break;
  case VB_DEEPSEEK_V2:
  case VB_DEEPSEEK_V3:
  case VB_DEEPSEEK_V32: parse_deepseek(r, c); break;
  default: return;
  }
  if (r->result != VB_OK) return;
  if (c->topk > c->experts) vb_bad(r, "key 'num_experts_per_tok' is %u, more than the %u experts", c->topk, c->experts);
  uint64_t widest = c->moe_inter > c->hidden ? c->moe_inter : c->hidden;
  if (c->experts * widest > UINT32_MAX) vb_bad(r, "experts times their width must be below 2^32");
}
