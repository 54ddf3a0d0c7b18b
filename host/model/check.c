// SPDX-License-Identifier: Apache-2.0
// Every tensor that the config implies must be there with the right shape, nothing else may be, all values finite.
#include "model/internal.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

struct checker {
  const struct vb_model *m;
  uint8_t *used; // [tensor_count]
  vb_result result;
  vb_tensor_found *found; // list the tensors instead of checking them
  void *context;
};

static void print_shape(char *s, size_t n, const struct vb_tensor *t) {
  size_t at = 0;
  for (uint32_t i = 0; i < t->rank && at < n; i++)
    at += (size_t)snprintf(s + at, n - at, "%s%" PRIu64, i ? ", " : "", t->dim[i]);
}

// The tensor named by the format must exist with exactly this shape (d1, d2 = 0: absent).
__attribute__((format(printf, 5, 6))) static void need(struct checker *c, uint64_t d0, uint64_t d1, uint64_t d2,
                                                       const char *format, ...) {
  if (c->result != VB_OK) return;
  struct vb_tensor want = {.rank = d2 ? 3 : d1 ? 2 : 1, .dim = {d0, d1, d2, 0}};
  char name[VB_MAX_NAME], have_text[100], want_text[100];
  va_list ap;
  va_start(ap, format);
  vsnprintf(name, sizeof name, format, ap);
  va_end(ap);
  if (c->found) {
    want.name = name;
    c->result = c->found(c->context, &want);
    return;
  }
  const struct vb_tensor *t = vb_model_find(c->m, name);
  if (!t) {
    c->result = vb_fail(VB_BAD_INPUT, "tensor '%s' is missing", name);
    return;
  }
  c->used[t - c->m->tensors] = 1;
  if (t->dtype > VB_F32 && t->dtype < VB_FP8_BLOCK) {
    c->result = vb_fail(VB_BAD_INPUT, "tensor '%s' has dtype %s, which needs scales and a quantization_config", name,
                        vb_dtype_name(t->dtype));
    return;
  }
  if (t->rank == want.rank && !memcmp(t->dim, want.dim, sizeof *t->dim * t->rank)) return;
  print_shape(have_text, sizeof have_text, t);
  print_shape(want_text, sizeof want_text, &want);
  c->result = vb_fail(VB_BAD_INPUT, "tensor '%s' has shape [%s], the config needs [%s]", name, have_text, want_text);
}

static void need_experts(struct checker *c, uint32_t l, const char *ffn) {
  const struct vb_config *k = &c->m->config;
  const uint64_t d = k->hidden, n = k->moe_inter;
  const enum vb_expert_form form = vb_expert_form(c->m, l);
  char name[VB_MAX_NAME];
  if (form == VB_ROWS) {
    need(c, k->experts, 2 * n, d, "%s.experts.gate_up_proj", ffn);
    need(c, k->experts, d, n, "%s.experts.down_proj", ffn);
  } else if (form != VB_PER_EXPERT) {
    need(c, k->experts, d, 2 * n, "%s.experts.gate_up_proj", ffn);
    need(c, k->experts, n, d, "%s.experts.down_proj", ffn);
  }
  for (uint32_t e = 0; form == VB_PER_EXPERT && e < k->experts && c->result == VB_OK; e++) {
    need(c, n, d, 0, "%s", vb_expert_name(c->m, l, e, VB_PART_GATE, name));
    need(c, n, d, 0, "%s", vb_expert_name(c->m, l, e, VB_PART_UP, name));
    need(c, d, n, 0, "%s", vb_expert_name(c->m, l, e, VB_PART_DOWN, name));
  }
  if (k->expert_bias) {
    need(c, k->experts, 2 * n, 0, "%s.experts.gate_up_proj_bias", ffn);
    need(c, k->experts, d, 0, "%s.experts.down_proj_bias", ffn);
  }
}

static void need_mlp(struct checker *c, uint64_t inter, const char *prefix) {
  const uint64_t d = c->m->config.hidden;
  need(c, inter, d, 0, "%s.gate_proj.weight", prefix);
  need(c, inter, d, 0, "%s.up_proj.weight", prefix);
  need(c, d, inter, 0, "%s.down_proj.weight", prefix);
}

static void need_ffn(struct checker *c, uint32_t l) {
  const struct vb_config *k = &c->m->config;
  char ffn[VB_MAX_NAME], router[VB_MAX_NAME], shared[VB_MAX_NAME];
  vb_ffn_name(c->m, l, ffn);
  if (!k->is_moe[l]) {
    need_mlp(c, k->inter, ffn);
    return;
  }
  vb_router_name(c->m, l, router);
  need(c, k->experts, k->hidden, 0, "%s.weight", router);
  if (k->router_bias) need(c, k->experts, 0, 0, "%s.bias", router);
  if (k->correction_bias) need(c, k->experts, 0, 0, "%s.e_score_correction_bias", router);
  need_experts(c, l, ffn);
  if (k->shared_inter) need_mlp(c, k->shared_inter, vb_shared_name(c->m, l, shared));
  if (k->shared_gated) need(c, 1, k->hidden, 0, "%s.shared_expert_gate.weight", ffn);
}

static void need_attention(struct checker *c, uint32_t l) {
  const struct vb_config *k = &c->m->config;
  const uint64_t d = k->hidden, q = (uint64_t)k->heads * k->head_dim, kv = (uint64_t)k->kv_heads * k->head_dim;
  need(c, k->out_gate ? 2 * q : q, d, 0, "model.layers.%u.self_attn.q_proj.weight", l);
  need(c, kv, d, 0, "model.layers.%u.self_attn.k_proj.weight", l);
  need(c, kv, d, 0, "model.layers.%u.self_attn.v_proj.weight", l);
  need(c, d, q, 0, "model.layers.%u.self_attn.o_proj.weight", l);
  if (k->qkv_bias) {
    need(c, q, 0, 0, "model.layers.%u.self_attn.q_proj.bias", l);
    need(c, kv, 0, 0, "model.layers.%u.self_attn.k_proj.bias", l);
    need(c, kv, 0, 0, "model.layers.%u.self_attn.v_proj.bias", l);
  }
  if (k->o_bias) need(c, d, 0, 0, "model.layers.%u.self_attn.o_proj.bias", l);
  if (k->sinks) need(c, k->heads, 0, 0, "model.layers.%u.self_attn.sinks", l);
  if (k->qk_norm) {
    need(c, k->head_dim, 0, 0, "model.layers.%u.self_attn.q_norm.weight", l);
    need(c, k->head_dim, 0, 0, "model.layers.%u.self_attn.k_norm.weight", l);
  }
}

static void need_mla(struct checker *c, uint32_t l) {
  const struct vb_config *k = &c->m->config;
  const uint64_t d = k->hidden, q = (uint64_t)k->heads * k->head_dim;
  if (k->q_lora) {
    need(c, k->q_lora, d, 0, "model.layers.%u.self_attn.q_a_proj.weight", l);
    need(c, k->q_lora, 0, 0, "model.layers.%u.self_attn.q_a_layernorm.weight", l);
    need(c, q, k->q_lora, 0, "model.layers.%u.self_attn.q_b_proj.weight", l);
  } else {
    need(c, q, d, 0, "model.layers.%u.self_attn.q_proj.weight", l);
  }
  need(c, k->kv_lora + k->rope_dim, d, 0, "model.layers.%u.self_attn.kv_a_proj_with_mqa.weight", l);
  need(c, k->kv_lora, 0, 0, "model.layers.%u.self_attn.kv_a_layernorm.weight", l);
  need(c, (uint64_t)k->heads * (k->nope_dim + k->v_dim), k->kv_lora, 0, "model.layers.%u.self_attn.kv_b_proj.weight",
       l);
  need(c, d, (uint64_t)k->heads * k->v_dim, 0, "model.layers.%u.self_attn.o_proj.weight", l);
  if (!k->index_topk) return;
  need(c, (uint64_t)k->index_heads * k->index_dim, k->q_lora, 0, "model.layers.%u.self_attn.indexer.wq_b.weight", l);
  need(c, k->index_dim, d, 0, "model.layers.%u.self_attn.indexer.wk.weight", l);
  need(c, k->index_dim, 0, 0, "model.layers.%u.self_attn.indexer.k_norm.weight", l);
  need(c, k->index_dim, 0, 0, "model.layers.%u.self_attn.indexer.k_norm.bias", l);
  need(c, k->index_heads, d, 0, "model.layers.%u.self_attn.indexer.weights_proj.weight", l);
}

static void need_delta(struct checker *c, uint32_t l) {
  const struct vb_config *k = &c->m->config;
  const uint64_t d = k->hidden, key = (uint64_t)k->delta_key_heads * k->delta_dk,
                 value = (uint64_t)k->delta_heads * k->delta_dv;
  need(c, 2 * key + 2 * value, d, 0, "model.layers.%u.linear_attn.in_proj_qkvz.weight", l);
  need(c, 2 * k->delta_heads, d, 0, "model.layers.%u.linear_attn.in_proj_ba.weight", l);
  need(c, 2 * key + value, 1, 4, "model.layers.%u.linear_attn.conv1d.weight", l);
  need(c, k->delta_heads, 0, 0, "model.layers.%u.linear_attn.A_log", l);
  need(c, k->delta_heads, 0, 0, "model.layers.%u.linear_attn.dt_bias", l);
  need(c, k->delta_dv, 0, 0, "model.layers.%u.linear_attn.norm.weight", l);
  need(c, d, value, 0, "model.layers.%u.linear_attn.out_proj.weight", l);
}

static void need_layer(struct checker *c, uint32_t l) {
  const struct vb_config *k = &c->m->config;
  need(c, k->hidden, 0, 0, "model.layers.%u.input_layernorm.weight", l);
  need(c, k->hidden, 0, 0, "model.layers.%u.post_attention_layernorm.weight", l);
  if (k->sandwich) {
    need(c, k->hidden, 0, 0, "model.layers.%u.pre_feedforward_layernorm.weight", l);
    need(c, k->hidden, 0, 0, "model.layers.%u.post_feedforward_layernorm.weight", l);
  }
  if (k->layer[l].mixer == VB_MIXER_MLA) need_mla(c, l);
  else if (k->layer[l].mixer == VB_MIXER_DELTA) need_delta(c, l);
  else need_attention(c, l);
  need_ffn(c, l);
}

// Tied models may store the head a second time. Loading code ignores it, so it must not say something else.
static vb_result check_tied_head(const struct vb_model *m, const struct vb_tensor *head) {
  const struct vb_tensor *embed = vb_model_find(m, "model.embed_tokens.weight");
  uint64_t n = vb_tensor_count(embed);
  if (head->dtype != embed->dtype || vb_tensor_count(head) != n || head->packed ||
      memcmp(head->data, embed->data, n * vb_dtype_bytes(head->dtype)))
    return vb_fail(VB_BAD_INPUT,
                   "tensor 'lm_head.weight' differs from the embedding it is tied to (tie_word_embeddings)");
  return VB_OK;
}

static void need_all(struct checker *c) {
  const struct vb_config *k = &c->m->config;
  need(c, k->vocab, k->hidden, 0, "model.embed_tokens.weight");
  need(c, k->hidden, 0, 0, "model.norm.weight");
  if (!k->tied) need(c, k->vocab, k->hidden, 0, "lm_head.weight");
  for (uint32_t l = 0; l < k->layers && c->result == VB_OK; l++) need_layer(c, l);
}

vb_result vb_walk_tensors(const struct vb_model *m, vb_tensor_found *found, void *context) {
  struct checker c = {.m = m, .found = found, .context = context};
  need_all(&c);
  return c.result;
}

static vb_result check_names(struct checker *c) {
  const struct vb_model *m = c->m;
  const struct vb_config *k = &m->config;
  need_all(c);
  for (uint32_t i = 0; i < m->tensor_count && c->result == VB_OK; i++) {
    const struct vb_tensor *t = &m->tensors[i];
    if (c->used[i] || vb_tensor_ignored(m, t->name)) continue;
    if (k->tied && !strcmp(t->name, "lm_head.weight")) c->result = check_tied_head(m, t);
    else c->result = vb_fail(VB_BAD_INPUT, "tensor '%s' is unexpected: the config does not imply it", t->name);
  }
  return c->result;
}

// Index of the first NaN or infinity, or the number of elements.
static uint64_t first_not_finite(const struct vb_tensor *t) {
  uint64_t n = vb_tensor_count(t), first = n;
#pragma omp parallel for reduction(min : first) if (n > 100000)
  for (uint64_t i = 0; i < n; i++)
    if ((vb_tensor_bits(t, i) & 0x7f800000u) == 0x7f800000u && i < first) first = i;
  return first;
}

static vb_result check_finite(const struct vb_tensor *t) {
  uint64_t at = first_not_finite(t), rest = at, index[4] = {0};
  if (at == vb_tensor_count(t)) return VB_OK;
  char text[100];
  struct vb_tensor where = {.rank = t->rank};
  for (uint32_t i = t->rank; i-- > 0; rest /= t->dim[i]) index[i] = rest % t->dim[i];
  memcpy(where.dim, index, sizeof index);
  print_shape(text, sizeof text, &where);
  const char *kind = vb_tensor_bits(t, at) & 0x7fffff ? "NaN" : "infinite";
  return vb_fail(VB_BAD_INPUT, "tensor '%s' is %s at [%s]", t->name, kind, text);
}

vb_result vb_check_tensors(struct vb_model *m) {
  struct checker c = {.m = m, .used = vb_arena_alloc(m->arena, m->tensor_count, 1)};
  if (!c.used) return vb_no_memory("tensor check");
  vb_result r = check_names(&c);
  for (uint32_t i = 0; i < m->tensor_count && r == VB_OK; i++)
    if (!vb_tensor_ignored(m, m->tensors[i].name)) r = check_finite(&m->tensors[i]);
  return r;
}
