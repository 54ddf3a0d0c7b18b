// SPDX-License-Identifier: Apache-2.0
// What the families call their tensors, and how they store experts.
#include "model/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool starts(const char *name, const char *prefix) { return !strncmp(name, prefix, strlen(prefix)); }

bool vb_tensor_ignored(const struct vb_model *m, const char *name) {
  static const char tables[] = ".rotary_emb.inv_freq", layers[] = "model.layers.";
  const struct vb_config *c = &m->config;
  const size_t n = strlen(name), k = sizeof tables - 1;
  if (n > k && !strcmp(name + n - k, tables)) return true;
  if (c->wrapper && (starts(name, "vision_") || starts(name, "model.vision_") ||
                     starts(name, "multi_modal_projector.") || starts(name, "model.multi_modal_projector.")))
    return true;
  if (c->family == VB_QWEN3_NEXT) return starts(name, "mtp.");
  // DeepSeek stores its prediction layers behind the last one.
  bool deepseek = c->family == VB_DEEPSEEK_V2 || c->family == VB_DEEPSEEK_V3 || c->family == VB_DEEPSEEK_V32;
  return deepseek && starts(name, layers) && strtoul(name + sizeof layers - 1, NULL, 10) >= c->layers;
}

vb_result vb_strip_prefixes(struct vb_model *m) {
  static const char outer[] = "language_model.", inner[] = "model.language_model.";
  for (uint32_t i = 0; i < m->tensor_count; i++) {
    struct vb_tensor *t = &m->tensors[i];
    if (starts(t->name, outer)) {
      t->name += sizeof outer - 1;
    } else if (starts(t->name, inner)) {
      char name[VB_MAX_NAME];
      snprintf(name, sizeof name, "model.%s", t->name + sizeof inner - 1);
      t->name = vb_arena_text(m->arena, name);
      if (!t->name) return vb_no_memory("tensor names");
    }
    if (!*t->name) return vb_fail(VB_BAD_INPUT, "tensor '%s' has no name of its own", outer);
  }
  return VB_OK;
}

static bool has(const struct vb_model *m, uint32_t l, const char *name) {
  char full[VB_MAX_NAME];
  snprintf(full, sizeof full, "model.layers.%u.%s", l, name);
  return vb_model_find(m, full);
}

// Mixtral's own name, unless the file was written by a version that calls it mlp.
static const char *ffn(const struct vb_model *m, uint32_t l) {
  if (m->config.family == VB_LLAMA4) return "feed_forward";
  return m->config.family == VB_MIXTRAL && !has(m, l, "mlp.gate.weight") ? "block_sparse_moe" : "mlp";
}

const char *vb_ffn_name(const struct vb_model *m, uint32_t l, char name[VB_MAX_NAME]) {
  snprintf(name, VB_MAX_NAME, "model.layers.%u.%s", l, ffn(m, l));
  return name;
}

const char *vb_router_name(const struct vb_model *m, uint32_t l, char name[VB_MAX_NAME]) {
  bool router = m->config.family == VB_LLAMA4 || m->config.family == VB_GPT_OSS;
  snprintf(name, VB_MAX_NAME, "model.layers.%u.%s.%s", l, ffn(m, l), router ? "router" : "gate");
  return name;
}

const char *vb_shared_name(const struct vb_model *m, uint32_t l, char name[VB_MAX_NAME]) {
  snprintf(name, VB_MAX_NAME, "model.layers.%u.%s.shared_expert%s", l, ffn(m, l), m->config.kv_lora ? "s" : "");
  return name;
}

enum vb_expert_form vb_expert_form(const struct vb_model *m, uint32_t l) {
  if (m->config.family == VB_LLAMA4) return VB_COLUMNS;
  if (m->config.family == VB_GPT_OSS) return VB_INTERLEAVED;
  return has(m, l, "mlp.experts.gate_up_proj") || has(m, l, "block_sparse_moe.experts.gate_up_proj") ? VB_ROWS
                                                                                                     : VB_PER_EXPERT;
}

const char *vb_expert_name(const struct vb_model *m, uint32_t l, uint32_t e, enum vb_expert_part part,
                           char name[VB_MAX_NAME]) {
  static const char *const plain[] = {"gate_proj", "up_proj", "down_proj"}, *const mixtral[] = {"w1", "w3", "w2"};
  const char *prefix = ffn(m, l);
  bool old = !strcmp(prefix, "block_sparse_moe");
  snprintf(name, VB_MAX_NAME, "model.layers.%u.%s.experts.%u.%s.weight", l, prefix, e, (old ? mixtral : plain)[part]);
  return name;
}

struct vb_view vb_expert_view(const struct vb_model *m, uint32_t l, uint32_t e, enum vb_expert_part part) {
  const uint64_t d = m->config.hidden, n = m->config.moe_inter, up = part == VB_PART_UP, down = part == VB_PART_DOWN;
  const enum vb_expert_form form = vb_expert_form(m, l);
  char name[VB_MAX_NAME];
  struct vb_view v = {.col = 1};
  if (form == VB_PER_EXPERT) {
    v.t = vb_model_find(m, vb_expert_name(m, l, e, part, name));
    v.row = down ? n : d;
    return v;
  }
  snprintf(name, sizeof name, "model.layers.%u.%s.experts.%s", l, ffn(m, l), down ? "down_proj" : "gate_up_proj");
  v.t = vb_model_find(m, name);
  v.first = e * (down ? 1 : 2) * n * d;
  if (form == VB_ROWS) {
    v.first += up * n * d;
    v.row = down ? n : d;
  } else if (down) {
    v.row = 1, v.col = d;
  } else {
    v.first += up * (form == VB_COLUMNS ? n : 1);
    v.row = form == VB_COLUMNS ? 1 : 2;
    v.col = 2 * n;
  }
  return v;
}
