// SPDX-License-Identifier: Apache-2.0
// Contract weights: raw tensors become I8 blocks (projections), I14 blocks (router) or carrier values (the rest).
#include "model/build.h"
#include "num/func.h"

// A norm's weights; zero-centred ones are stored minus one.
static vb_z *norm(struct vb_builder *b, const struct vb_tensor *t) {
  vb_z *z = vb_carrier(b, t);
  for (uint64_t i = 0; z && b->m->config.zero_centred && i < vb_tensor_count(t); i++) z[i] = vb_add(VB_Z_ONE, z[i]);
  return z;
}

#define ATTN "model.layers.%u.self_attn."
#define GET(name) vb_get(b, ATTN name, l)

static void attention(struct vb_builder *b, uint32_t l, struct vb_layer *w) {
  const struct vb_config *c = &b->m->config;
  vb_matrix(b, VB_CLASS_ATTENTION, &w->q, GET("q_proj.weight")); // with an output gate: rows per head, query and gate
  vb_matrix(b, VB_CLASS_ATTENTION, &w->k, GET("k_proj.weight"));
  vb_matrix(b, VB_CLASS_ATTENTION, &w->v, GET("v_proj.weight"));
  vb_matrix(b, VB_CLASS_ATTENTION, &w->o, GET("o_proj.weight"));
  if (c->qkv_bias) {
    w->q_bias = vb_carrier(b, GET("q_proj.bias"));
    w->k_bias = vb_carrier(b, GET("k_proj.bias"));
    w->v_bias = vb_carrier(b, GET("v_proj.bias"));
  }
  if (c->o_bias) w->o_bias = vb_carrier(b, GET("o_proj.bias"));
  if (c->sinks) w->sinks = vb_carrier(b, GET("sinks"));
  if (c->qk_norm) {
    w->q_norm = norm(b, GET("q_norm.weight"));
    w->k_norm = norm(b, GET("k_norm.weight"));
  }
}

// kv_b_proj holds for every head the rows of its keys, then those of its values, over the latent.
static void latent_forms(struct vb_builder *b, const struct vb_tensor *t, struct vb_layer *w) {
  const struct vb_config *c = &b->m->config;
  const uint32_t n = c->nope_dim, v = c->v_dim, k = c->kv_lora;
  const enum vb_weight_class class = VB_CLASS_ATTENTION;
  struct vb_target k_b = vb_new_w8(b, &w->k_b, c->heads * n, k), v_b = vb_new_w8(b, &w->v_b, c->heads * v, k);
  struct vb_target uk = vb_new_w8(b, &w->uk, c->heads * k, n);
  for (uint64_t h = 0; h < c->heads && b->result == VB_OK; h++) {
    const uint64_t first = h * (n + v) * k;
    vb_quantise(b, class, (struct vb_view){t, first, k, 1}, n, k, vb_skip_rows(k_b, h * n, w->k_b.blocks));
    vb_quantise(b, class, (struct vb_view){t, first + (uint64_t)n * k, k, 1}, v, k,
                vb_skip_rows(v_b, h * v, w->v_b.blocks));
    vb_quantise(b, class, (struct vb_view){t, first, 1, k}, k, n, vb_skip_rows(uk, h * k, w->uk.blocks)); // transposed
  }
  w->uv = w->v_b; // the same rows: one head's output from its mixture of latents
}

static void mla(struct vb_builder *b, uint32_t l, struct vb_layer *w) {
  const struct vb_config *c = &b->m->config;
  if (c->q_lora) {
    vb_matrix(b, VB_CLASS_ATTENTION, &w->q_a, GET("q_a_proj.weight"));
    vb_matrix(b, VB_CLASS_ATTENTION, &w->q_b, GET("q_b_proj.weight"));
    w->q_a_norm = norm(b, GET("q_a_layernorm.weight"));
  } else {
    vb_matrix(b, VB_CLASS_ATTENTION, &w->q, GET("q_proj.weight"));
  }
  vb_matrix(b, VB_CLASS_ATTENTION, &w->kv_a, GET("kv_a_proj_with_mqa.weight"));
  w->kv_a_norm = norm(b, GET("kv_a_layernorm.weight"));
  latent_forms(b, GET("kv_b_proj.weight"), w);
  vb_matrix(b, VB_CLASS_ATTENTION, &w->o, GET("o_proj.weight"));
  if (!c->index_topk) return;
  vb_matrix(b, VB_CLASS_ATTENTION, &w->index_q, GET("indexer.wq_b.weight"));
  vb_matrix(b, VB_CLASS_ATTENTION, &w->index_k, GET("indexer.wk.weight"));
  vb_matrix(b, VB_CLASS_ATTENTION, &w->index_w, GET("indexer.weights_proj.weight"));
  w->index_norm = vb_carrier(b, GET("indexer.k_norm.weight"));
  w->index_norm_bias = vb_carrier(b, GET("indexer.k_norm.bias"));
}

#undef GET
#define GET(name) vb_get(b, "model.layers.%u.linear_attn." name, l)

static void delta(struct vb_builder *b, uint32_t l, struct vb_layer *w) {
  const struct vb_tensor *a_log = GET("A_log");
  vb_matrix(b, VB_CLASS_ATTENTION, &w->qkvz, GET("in_proj_qkvz.weight"));
  vb_matrix(b, VB_CLASS_ATTENTION, &w->ba, GET("in_proj_ba.weight"));
  vb_matrix(b, VB_CLASS_ATTENTION, &w->o, GET("out_proj.weight"));
  w->conv = vb_carrier(b, GET("conv1d.weight"));
  w->dt_bias = vb_carrier(b, GET("dt_bias"));
  w->delta_norm = vb_carrier(b, GET("norm.weight")); // the only norm of this family that is stored as it is
  w->ea = vb_carrier(b, a_log);
  for (uint64_t i = 0; w->ea && i < vb_tensor_count(a_log) && b->result == VB_OK; i++) {
    w->ea[i] = vb_expz(w->ea[i]);
    if (w->ea[i] >= 0x4b000000u) // 2^23, up to which the decay's integers cannot overflow
      b->result = vb_fail(VB_BAD_INPUT, "tensor '%s' is %g at [%llu]: its exponential must be below 2^23", a_log->name,
                          vb_tensor_at(a_log, i), (unsigned long long)i);
  }
}

static void layer(struct vb_builder *b, uint32_t l, struct vb_layer *w) {
  const struct vb_config *c = &b->m->config;
  w->attn_norm = norm(b, vb_get(b, "model.layers.%u.input_layernorm.weight", l));
  const struct vb_tensor *second = vb_get(b, "model.layers.%u.post_attention_layernorm.weight", l);
  if (c->sandwich) {
    w->post_attn_norm = norm(b, second);
    w->ffn_norm = norm(b, vb_get(b, "model.layers.%u.pre_feedforward_layernorm.weight", l));
    w->post_ffn_norm = norm(b, vb_get(b, "model.layers.%u.post_feedforward_layernorm.weight", l));
  } else {
    w->ffn_norm = norm(b, second);
  }
  if (c->layer[l].mixer == VB_MIXER_MLA) mla(b, l, w);
  else if (c->layer[l].mixer == VB_MIXER_DELTA) delta(b, l, w);
  else attention(b, l, w);
  if (c->is_moe[l]) {
    vb_build_experts(b, l, w);
    return;
  }
  char ffn[VB_MAX_NAME];
  vb_ffn_name(b->m, l, ffn);
  vb_matrix(b, VB_CLASS_FFN, &w->gate, vb_get(b, "%s.gate_proj.weight", ffn));
  vb_matrix(b, VB_CLASS_FFN, &w->up, vb_get(b, "%s.up_proj.weight", ffn));
  vb_matrix(b, VB_CLASS_FFN, &w->down, vb_get(b, "%s.down_proj.weight", ffn));
}

// What comes before and after all layers.
static void ends(struct vb_builder *b) {
  struct vb_model *m = b->m;
  const struct vb_tensor *embed = vb_get(b, "model.embed_tokens.weight");
  m->embed = vb_large_carrier(b, embed);
  m->final_norm = norm(b, vb_get(b, "model.norm.weight"));
  vb_matrix(b, VB_CLASS_HEAD, &m->lm_head, m->config.tied ? embed : vb_get(b, "lm_head.weight"));
}

vb_result vb_build_weights(struct vb_model *m) {
  struct vb_builder builder = {m, VB_OK, false}, *b = &builder;
  ends(b);
  m->layer = vb_take(b, m->config.layers, sizeof *m->layer);
  for (uint32_t l = 0; l < m->config.layers && b->result == VB_OK; l++) layer(b, l, &m->layer[l]);
  m->stats.complete = b->result == VB_OK;
  return b->result;
}

// The same steps on a copy of the model whose arena, left with norms and biases only, is dropped after every layer.
vb_result vb_tally_weights(struct vb_model *m) {
  struct vb_model shadow = *m;
  struct vb_builder builder = {&shadow, VB_OK, true}, *b = &builder;
  for (uint32_t i = 0; i <= m->config.layers && b->result == VB_OK; i++) {
    struct vb_layer dropped = {0};
    shadow.arena = vb_arena_new();
    if (!shadow.arena) return vb_no_memory("contract weights");
    if (i) layer(b, i - 1, &dropped);
    else ends(b);
    vb_arena_free(shadow.arena);
  }
  m->stats = shadow.stats;
  m->stats.complete = b->result == VB_OK;
  return b->result;
}
