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
  const struct vb_tensor *t = vb_model_find(c->m, name);
  if (!t) {
    c->result = vb_fail(VB_BAD_INPUT, "tensor '%s' is missing", name);
    return;
  }
  c->used[t - c->m->tensors] = 1;
  if (t->rank == want.rank && !memcmp(t->dim, want.dim, sizeof *t->dim * t->rank)) return;
  print_shape(have_text, sizeof have_text, t);
  print_shape(want_text, sizeof want_text, &want);
  c->result = vb_fail(VB_BAD_INPUT, "tensor '%s' has shape [%s], the config needs [%s]", name, have_text, want_text);
}

static void need_ffn(struct checker *c, uint32_t l) {
  const struct vb_config *k = &c->m->config;
  const uint64_t d = k->hidden, n = k->moe_inter;
  if (!k->is_moe[l]) {
    need(c, k->inter, d, 0, "model.layers.%u.mlp.gate_proj.weight", l);
    need(c, k->inter, d, 0, "model.layers.%u.mlp.up_proj.weight", l);
    need(c, d, k->inter, 0, "model.layers.%u.mlp.down_proj.weight", l);
    return;
  }
  need(c, k->experts, d, 0, "model.layers.%u.mlp.gate.weight", l);
  if (vb_fused_experts(c->m, l)) {
    need(c, k->experts, 2 * n, d, "model.layers.%u.mlp.experts.gate_up_proj", l);
    need(c, k->experts, d, n, "model.layers.%u.mlp.experts.down_proj", l);
    return;
  }
  for (uint32_t e = 0; e < k->experts && c->result == VB_OK; e++) {
    need(c, n, d, 0, "model.layers.%u.mlp.experts.%u.gate_proj.weight", l, e);
    need(c, n, d, 0, "model.layers.%u.mlp.experts.%u.up_proj.weight", l, e);
    need(c, d, n, 0, "model.layers.%u.mlp.experts.%u.down_proj.weight", l, e);
  }
}

static void need_layer(struct checker *c, uint32_t l) {
  const struct vb_config *k = &c->m->config;
  const uint64_t d = k->hidden, q = (uint64_t)k->heads * k->head_dim, kv = (uint64_t)k->kv_heads * k->head_dim;
  need(c, d, 0, 0, "model.layers.%u.input_layernorm.weight", l);
  need(c, d, 0, 0, "model.layers.%u.post_attention_layernorm.weight", l);
  need(c, q, d, 0, "model.layers.%u.self_attn.q_proj.weight", l);
  need(c, kv, d, 0, "model.layers.%u.self_attn.k_proj.weight", l);
  need(c, kv, d, 0, "model.layers.%u.self_attn.v_proj.weight", l);
  need(c, d, q, 0, "model.layers.%u.self_attn.o_proj.weight", l);
  if (k->qkv_bias) {
    need(c, q, 0, 0, "model.layers.%u.self_attn.q_proj.bias", l);
    need(c, kv, 0, 0, "model.layers.%u.self_attn.k_proj.bias", l);
    need(c, kv, 0, 0, "model.layers.%u.self_attn.v_proj.bias", l);
  }
  if (k->qk_norm) {
    need(c, k->head_dim, 0, 0, "model.layers.%u.self_attn.q_norm.weight", l);
    need(c, k->head_dim, 0, 0, "model.layers.%u.self_attn.k_norm.weight", l);
  }
  need_ffn(c, l);
}

// Rotary tables that old exporters saved; we always compute our own.
static bool ignorable(const char *name) {
  static const char suffix[] = ".rotary_emb.inv_freq";
  size_t n = strlen(name), k = sizeof suffix - 1;
  return n > k && !strcmp(name + n - k, suffix);
}

// Tied models may store the head a second time. Loading code ignores it, so it must not say something else.
static vb_result check_tied_head(const struct vb_model *m, const struct vb_tensor *head) {
  const struct vb_tensor *embed = vb_model_find(m, "model.embed_tokens.weight");
  uint64_t n = vb_tensor_count(embed);
  if (head->dtype != embed->dtype || vb_tensor_count(head) != n ||
      memcmp(head->data, embed->data, n * vb_dtype_bytes(head->dtype)))
    return vb_fail(VB_BAD_INPUT,
                   "tensor 'lm_head.weight' differs from the embedding it is tied to (tie_word_embeddings)");
  return VB_OK;
}

static vb_result check_names(struct checker *c) {
  const struct vb_model *m = c->m;
  const struct vb_config *k = &m->config;
  need(c, k->vocab, k->hidden, 0, "model.embed_tokens.weight");
  need(c, k->hidden, 0, 0, "model.norm.weight");
  if (!k->tied) need(c, k->vocab, k->hidden, 0, "lm_head.weight");
  for (uint32_t l = 0; l < k->layers && c->result == VB_OK; l++) need_layer(c, l);
  for (uint32_t i = 0; i < m->tensor_count && c->result == VB_OK; i++) {
    const struct vb_tensor *t = &m->tensors[i];
    if (c->used[i] || ignorable(t->name)) continue;
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

bool vb_fused_experts(const struct vb_model *m, uint32_t l) {
  char name[VB_MAX_NAME];
  snprintf(name, sizeof name, "model.layers.%u.mlp.experts.gate_up_proj", l);
  return vb_model_find(m, name);
}

vb_result vb_check_tensors(struct vb_model *m) {
  struct checker c = {m, vb_arena_alloc(m->arena, m->tensor_count, 1), VB_OK};
  if (!c.used) return vb_no_memory("tensor check");
  vb_result r = check_names(&c);
  for (uint32_t i = 0; i < m->tensor_count && r == VB_OK; i++) r = check_finite(&m->tensors[i]);
  return r;
}
