// SPDX-License-Identifier: Apache-2.0
// Contract weights of every model at hand against their written definition in doubles.
#include "contract.h"
#include "editor.h"
#include "graph/graph.h"
#include "num/num.h"
#include "support/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void) { return find_models(); }
static int teardown(void) {
  temp_cleanup();
  return 0;
}

static void check_attention(const struct vb_model *m, uint32_t l) {
  const struct vb_layer *w = &m->layer[l];
  const struct vb_config *c = &m->config;
  check_matrix(layer_tensor(m, l, "self_attn.q_proj.weight"), &w->q);
  check_matrix(layer_tensor(m, l, "self_attn.k_proj.weight"), &w->k);
  check_matrix(layer_tensor(m, l, "self_attn.v_proj.weight"), &w->v);
  check_matrix(layer_tensor(m, l, "self_attn.o_proj.weight"), &w->o);
  VB_CHECK(!w->q_bias == !c->qkv_bias && !w->q_norm == !c->qk_norm && !w->sinks == !c->sinks &&
               !w->o_bias == !c->o_bias,
           "layer %u: optional tensors", l);
  if (c->qkv_bias) {
    check_carrier(layer_tensor(m, l, "self_attn.q_proj.bias"), w->q_bias, false);
    check_carrier(layer_tensor(m, l, "self_attn.k_proj.bias"), w->k_bias, false);
    check_carrier(layer_tensor(m, l, "self_attn.v_proj.bias"), w->v_bias, false);
  }
  if (c->o_bias) check_carrier(layer_tensor(m, l, "self_attn.o_proj.bias"), w->o_bias, false);
  if (c->sinks) check_carrier(layer_tensor(m, l, "self_attn.sinks"), w->sinks, false);
  if (c->qk_norm) {
    check_carrier(layer_tensor(m, l, "self_attn.q_norm.weight"), w->q_norm, c->zero_centred);
    check_carrier(layer_tensor(m, l, "self_attn.k_norm.weight"), w->k_norm, c->zero_centred);
  }
}

// kv_b_proj is [heads][nope rows, then value rows][latent].
static void check_latent(const struct vb_model *m, uint32_t l) {
  const struct vb_layer *w = &m->layer[l];
  const struct vb_config *c = &m->config;
  const struct vb_tensor *t = layer_tensor(m, l, "self_attn.kv_b_proj.weight");
  CU_ASSERT(w->k_b.rows == c->heads * c->nope_dim && w->v_b.rows == c->heads * c->v_dim);
  CU_ASSERT(w->uk.rows == c->heads * c->kv_lora && w->uv.rows == c->heads * c->v_dim);
  for (uint64_t h = 0; h < c->heads; h++) {
    const uint64_t keys = h * (c->nope_dim + c->v_dim) * c->kv_lora, values = keys + (uint64_t)c->nope_dim * c->kv_lora;
    check_w8((struct source){t, keys, c->kv_lora, 1}, c->nope_dim, c->kv_lora, &w->k_b, h * c->nope_dim, true);
    check_w8((struct source){t, values, c->kv_lora, 1}, c->v_dim, c->kv_lora, &w->v_b, h * c->v_dim, true);
    check_w8((struct source){t, values, c->kv_lora, 1}, c->v_dim, c->kv_lora, &w->uv, h * c->v_dim, true);
    check_w8((struct source){t, keys, 1, c->kv_lora}, c->kv_lora, c->nope_dim, &w->uk, h * c->kv_lora, true);
  }
}

static void check_mla(const struct vb_model *m, uint32_t l) {
  const struct vb_layer *w = &m->layer[l];
  const struct vb_config *c = &m->config;
  CU_ASSERT_EQUAL(c->head_dim, c->nope_dim + c->rope_dim);
  if (c->q_lora) {
    check_matrix(layer_tensor(m, l, "self_attn.q_a_proj.weight"), &w->q_a);
    check_matrix(layer_tensor(m, l, "self_attn.q_b_proj.weight"), &w->q_b);
    check_carrier(layer_tensor(m, l, "self_attn.q_a_layernorm.weight"), w->q_a_norm, false);
  } else {
    check_matrix(layer_tensor(m, l, "self_attn.q_proj.weight"), &w->q);
  }
  check_matrix(layer_tensor(m, l, "self_attn.kv_a_proj_with_mqa.weight"), &w->kv_a);
  check_carrier(layer_tensor(m, l, "self_attn.kv_a_layernorm.weight"), w->kv_a_norm, false);
  check_matrix(layer_tensor(m, l, "self_attn.o_proj.weight"), &w->o);
  check_latent(m, l);
  if (!c->index_topk) return;
  check_matrix(layer_tensor(m, l, "self_attn.indexer.wq_b.weight"), &w->index_q);
  check_matrix(layer_tensor(m, l, "self_attn.indexer.wk.weight"), &w->index_k);
  check_matrix(layer_tensor(m, l, "self_attn.indexer.weights_proj.weight"), &w->index_w);
  check_carrier(layer_tensor(m, l, "self_attn.indexer.k_norm.weight"), w->index_norm, false);
  check_carrier(layer_tensor(m, l, "self_attn.indexer.k_norm.bias"), w->index_norm_bias, false);
}

static void check_delta(const struct vb_model *m, uint32_t l) {
  const struct vb_layer *w = &m->layer[l];
  check_matrix(layer_tensor(m, l, "linear_attn.in_proj_qkvz.weight"), &w->qkvz);
  check_matrix(layer_tensor(m, l, "linear_attn.in_proj_ba.weight"), &w->ba);
  check_matrix(layer_tensor(m, l, "linear_attn.out_proj.weight"), &w->o);
  check_carrier(layer_tensor(m, l, "linear_attn.conv1d.weight"), w->conv, false);
  check_carrier(layer_tensor(m, l, "linear_attn.dt_bias"), w->dt_bias, false);
  check_carrier(layer_tensor(m, l, "linear_attn.norm.weight"), w->delta_norm, false);
  const struct vb_tensor *a = layer_tensor(m, l, "linear_attn.A_log");
  for (uint32_t h = 0; h < m->config.delta_heads; h++) {
    double want = exp(vb_tensor_at(a, h));
    VB_CHECK(fabs((double)vb_to_float(w->ea[h]) - want) <= 0x1p-22 * want, "layer %u: exp(A_log[%u])", l, h);
  }
}

static void check_layer(const struct vb_model *m, uint32_t l) {
  const struct vb_layer *w = &m->layer[l];
  const struct vb_config *c = &m->config;
  check_carrier(layer_tensor(m, l, "input_layernorm.weight"), w->attn_norm, c->zero_centred);
  check_carrier(layer_tensor(m, l, "post_attention_layernorm.weight"), c->sandwich ? w->post_attn_norm : w->ffn_norm,
                c->zero_centred);
  if (c->sandwich) {
    check_carrier(layer_tensor(m, l, "pre_feedforward_layernorm.weight"), w->ffn_norm, true);
    check_carrier(layer_tensor(m, l, "post_feedforward_layernorm.weight"), w->post_ffn_norm, true);
  }
  if (c->layer[l].mixer == VB_MIXER_MLA) check_mla(m, l);
  else if (c->layer[l].mixer == VB_MIXER_DELTA) check_delta(m, l);
  else check_attention(m, l);
  const char *ffn = c->family == VB_LLAMA4 ? "feed_forward" : "mlp";
  char name[64];
  if (c->is_moe[l]) {
    check_moe(m, l);
    return;
  }
  snprintf(name, sizeof name, "%s.gate_proj.weight", ffn);
  check_matrix(layer_tensor(m, l, name), &w->gate);
  snprintf(name, sizeof name, "%s.up_proj.weight", ffn);
  check_matrix(layer_tensor(m, l, name), &w->up);
  snprintf(name, sizeof name, "%s.down_proj.weight", ffn);
  check_matrix(layer_tensor(m, l, name), &w->down);
}

// The multi-head form of latent attention keeps keys and values of every head.
static void check_naive_cache(const struct vb_model *m) {
  const struct vb_config *c = &m->config;
  const struct vb_graph_options naive = {.mla_naive = true};
  struct vb_graph g;
  uint64_t per_position, fixed;
  if (!VB_CHECK(vb_graph_build(m, &naive, &g) == VB_OK, "%s: no graph", m->path)) return;
  vb_graph_cache_bytes(&g, &per_position, &fixed);
  const uint64_t key = 32 + 32 * ((c->nope_dim + c->rope_dim + 31) / 32), value = 32 * ((c->v_dim + 31) / 32);
  const uint64_t index = c->index_topk ? 32 + 32 * ((c->index_dim + 31) / 32) : 0;
  CU_ASSERT_EQUAL(per_position, c->layers * (c->heads * (key + value) + index));
  CU_ASSERT_EQUAL(fixed, 0);
  vb_graph_free(&g);
}

static void check_constants(const struct vb_model *m) {
  const struct vb_config *c = &m->config;
  double scale = c->query_scale * M_LOG2E;
  if (c->attn_softcap != 0) scale = scale * 2 / c->attn_softcap;
  if (c->rope_mscale != 0 && !c->kv_lora && c->rope.dims == c->head_dim) scale *= c->rope_mscale * c->rope_mscale;
  VB_CHECK(fabs((double)vb_to_float(m->attn_scale) / scale - 1) < 0x1p-23, "%s: attn_scale", m->path);
  for (uint32_t l = 0; l < c->layers; l++) CU_ASSERT_EQUAL(c->layer[l].moe, c->is_moe[l]);
  CU_ASSERT_EQUAL(!m->local_rope_freq, c->family != VB_GEMMA3);
  struct vb_graph g; // the formula of the caches is written down twice, independently
  uint64_t per_position, fixed;
  if (!VB_CHECK(vb_graph_build(m, NULL, &g) == VB_OK, "%s: no graph", m->path)) return;
  vb_graph_cache_bytes(&g, &per_position, &fixed);
  CU_ASSERT_EQUAL(vb_model_kv_bytes(m), per_position);
  CU_ASSERT_EQUAL(vb_model_state_bytes(m), fixed);
  vb_graph_free(&g);
  if (c->kv_lora) check_naive_cache(m);
}

static void contract_weights(void) {
  VB_CHECK(model_count >= 20, "%zu models found", model_count);
  for (size_t i = 0; i < model_count; i++) {
    struct vb_model *m = open_contract(model_path[i]);
    if (!m) continue;
    const struct vb_tensor *embed = vb_model_find(m, "model.embed_tokens.weight");
    check_carrier(embed, m->embed, false);
    check_carrier(vb_model_find(m, "model.norm.weight"), m->final_norm, m->config.zero_centred);
    check_matrix(m->config.tied ? embed : vb_model_find(m, "lm_head.weight"), &m->lm_head);
    for (uint32_t l = 0; l < m->config.layers; l++) check_layer(m, l);
    check_constants(m);
    VB_CHECK(!m->stats.flags, "%s: import flags %u", m->path, m->stats.flags);
    for (int k = 0; k < VB_CLASSES; k++) {
      double e = m->stats.ref2[k] > 0 ? sqrt(m->stats.err2[k] / m->stats.ref2[k]) : 0;
      VB_CHECK(e < (k == VB_CLASS_ROUTER ? 4e-4 : 2e-2), "%s: %s error %g", m->path,
               vb_weight_class_name((enum vb_weight_class)k), e);
    }
    vb_model_close(m);
  }
}

// Values outside the carrier's range are changed, counted and flagged.
static void import_flags(void) {
  struct edit e = edit_load("llama2");
  const char *dir = temp_dir();
  size_t n;
  static const uint16_t odd[] = {0x8000, 0x0001, 0x2000,
                                 0x7f7f, 0xff00, 0x2080}; // -0, subnormal, 2^-63, huge, huge, 2^-62
  memcpy(edit_tensor(&e, "model.norm.weight", &n), odd, sizeof odd);
  edit_save(&e, dir);
  struct vb_model *m = open_model(dir, false);
  static const vb_z want[] = {0, 0, 0, 0x5f7fffff, 0xdf7fffff, 0x20800000};
  VB_EXPECT_SAME("import", want, m->final_norm, 6);
  CU_ASSERT_EQUAL(m->stats.flushed, 2);
  CU_ASSERT_EQUAL(m->stats.saturated, 2);
  CU_ASSERT_EQUAL(m->stats.flags, VB_IMPORT_FLUSH | VB_IMPORT_SATURATE);
  vb_model_close(m);
  edit_free(&e);
}

static void half_floats(void) {
  uint32_t wrong = 0;
  for (uint32_t h = 0; h < 65536; h++) {
    uint16_t u = (uint16_t)h;
    struct vb_tensor t = {.name = "t", .dtype = VB_F16, .rank = 1, .dim = {1}, .data = &u};
    int e = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
    if (e == 31) continue;
    double want = (h & 0x8000 ? -1 : 1) * (e ? ldexp(1024 + mantissa, e - 25) : ldexp(mantissa, -24));
    wrong += vb_tensor_at(&t, 0) != want || signbit(vb_tensor_at(&t, 0)) != (h >> 15 != 0);
  }
  CU_ASSERT_EQUAL(wrong, 0);
}

static const struct vb_test tests[] = {
    {"contract_weights", contract_weights}, {"import_flags", import_flags}, {"half_floats", half_floats}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"weights", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
