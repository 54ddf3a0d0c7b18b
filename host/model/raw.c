// SPDX-License-Identifier: Apache-2.0
#include "model/raw.h"
#include <stdio.h>
#include <string.h>

// Operators whose matrix is one tensor below the layer. %s: the feed-forward part's name; router: the router's.
static const struct {
  const char *node, *tensor;
} plain[] = {{"q_proj", "self_attn.q_proj"},
             {"k_proj", "self_attn.k_proj"},
             {"v_proj", "self_attn.v_proj"},
             {"q_a_proj", "self_attn.q_a_proj"},
             {"q_b_proj", "self_attn.q_b_proj"},
             {"kv_a_proj", "self_attn.kv_a_proj_with_mqa"},
             {"index_q", "self_attn.indexer.wq_b"},
             {"index_k", "self_attn.indexer.wk"},
             {"index_w", "self_attn.indexer.weights_proj"},
             {"qkvz_proj", "linear_attn.in_proj_qkvz"},
             {"ba_proj", "linear_attn.in_proj_ba"}};

static const struct vb_tensor *find(const struct vb_model *m, const char *prefix, const char *name) {
  char full[VB_MAX_NAME];
  snprintf(full, sizeof full, "%.100s.%.80s.weight", prefix, name);
  return vb_model_find(m, full);
}

static const struct vb_tensor *find_tensor(const struct vb_model *m, uint32_t l, const char *node) {
  char layer[32], name[VB_MAX_NAME];
  if (!strcmp(node, "lm_head"))
    return vb_model_find(m, m->config.tied ? "model.embed_tokens.weight" : "lm_head.weight");
  if (l >= m->config.layers) return NULL;
  snprintf(layer, sizeof layer, "model.layers.%u", l);
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (!strcmp(node, plain[i].node)) return find(m, layer, plain[i].tensor);
  if (!strcmp(node, "o_proj"))
    return find(m, layer, m->config.layer[l].mixer == VB_MIXER_DELTA ? "linear_attn.out_proj" : "self_attn.o_proj");
  vb_ffn_name(m, l, name);
  if (!strcmp(node, "gate_proj") || !strcmp(node, "up_proj") || !strcmp(node, "down_proj")) return find(m, name, node);
  if (!strcmp(node, "shared_logit")) return find(m, name, "shared_expert_gate");
  if (strcmp(node, "router_logits")) return NULL;
  char full[VB_MAX_NAME + 8];
  snprintf(full, sizeof full, "%s.weight", vb_router_name(m, l, name));
  return vb_model_find(m, full);
}

// kv_b_proj: per head the rows of its keys, then those of its values, over the latent.
static bool latent_row(const struct vb_model *m, uint32_t l, const char *node, uint64_t r, struct vb_view *v) {
  const struct vb_config *c = &m->config;
  const uint64_t n = c->nope_dim, both = n + c->v_dim, k = c->kv_lora;
  char layer[32];
  if (l >= c->layers || !k) return false;
  snprintf(layer, sizeof layer, "model.layers.%u", l);
  *v = (struct vb_view){.t = find(m, layer, "self_attn.kv_b_proj"), .col = 1};
  if (!strcmp(node, "k_b_proj")) v->first = (r / n * both + r % n) * k;
  else if (!strcmp(node, "v_b_proj") || !strcmp(node, "v_absorb"))
    v->first = (r / c->v_dim * both + n + r % c->v_dim) * k;
  else if (!strcmp(node, "q_absorb")) v->first = r / k * both * k + r % k, v->col = k; // transposed
  else return false;
  return v->t != NULL;
}

bool vb_raw_row(const struct vb_model *m, uint32_t layer, const char *node, uint64_t r, struct vb_view *v) {
  if (latent_row(m, layer, node, r, v)) return true;
  const struct vb_tensor *t = find_tensor(m, layer, node);
  if (t) *v = (struct vb_view){.t = t, .first = r * t->dim[1], .col = 1};
  return t != NULL;
}

const struct vb_tensor *vb_raw_shared(const struct vb_model *m, uint32_t layer, enum vb_expert_part part) {
  static const char *const names[] = {"gate_proj", "up_proj", "down_proj"};
  char prefix[VB_MAX_NAME];
  return find(m, vb_shared_name(m, layer, prefix), names[part]);
}
