// SPDX-License-Identifier: Apache-2.0
// What every layer does: its mixer, its window or chunk, whether it rotates; and the keys of the special mixers.
#include "model/keys.h"
#include <math.h>
#include <string.h>

struct plan { // the keys that a family's rule needs
  uint32_t window, chunk, edge, step;
};

// The window that is in effect; 0: none. In Qwen files a switch must be on, elsewhere the window itself is the switch.
static uint32_t get_window(struct vb_reader *r, const struct vb_config *c) {
  const bool present = json_object_get(r->object, "sliding_window");
  switch (c->family) {
  case VB_QWEN2:
  case VB_QWEN3:
  case VB_QWEN2_MOE:
  case VB_QWEN3_MOE:
    if (!vb_key_bool(r, "use_sliding_window", 0)) return 0;
    return vb_key_u32(r, "sliding_window", 1, INT32_MAX, present ? 0 : 4096);
  case VB_MISTRAL:
  case VB_GEMMA2:
  case VB_GEMMA3: // null: none; absent: the classes' default
    return present ? vb_key_u32(r, "sliding_window", 1, INT32_MAX, 0) : 4096;
  case VB_GPT_OSS: return present ? vb_key_u32(r, "sliding_window", 1, INT32_MAX, 0) : 128;
  case VB_MIXTRAL: return vb_key_u32(r, "sliding_window", 1, INT32_MAX, 0);
  default: break;
  }
  bool on = vb_key_bool(r, "use_sliding_window", vb_key_find(r, "sliding_window") != NULL);
  if (on)
    vb_bad(r, "key '%s': %s has no sliding windows",
           vb_key_find(r, "use_sliding_window") ? "use_sliding_window" : "sliding_window", c->model_type);
  return 0;
}

static struct plan get_plan(struct vb_reader *r, const struct vb_config *c) {
  struct plan p = {.window = get_window(r, c)};
  if (c->family == VB_QWEN2 || c->family == VB_QWEN3 || c->family == VB_QWEN2_MOE)
    p.edge = vb_key_u32(r, "max_window_layers", 0, UINT32_MAX, 28);
  if (c->family == VB_GEMMA3) {
    p.step = vb_key_u32(r, "sliding_window_pattern", 1, 1024, vb_key_u32(r, "_sliding_window_pattern", 1, 1024, 6));
  } else if (c->family == VB_QWEN3_NEXT) {
    p.step = vb_key_u32(r, "full_attention_interval", 1, 1024, 4);
  } else if (c->family == VB_LLAMA4) {
    p.step = vb_key_u32(r, "no_rope_layer_interval", 1, 1024, 4);
    const bool present = json_object_get(r->object, "attention_chunk_size");
    p.chunk = present ? vb_key_u32(r, "attention_chunk_size", 1, INT32_MAX, 0) : 8192;
  }
  return p;
}

// Kind of layer l by the family's rule, in the words of layer_types.
static const char *default_type(const struct vb_config *c, const struct plan *p, uint32_t l) {
  static const char full[] = "full_attention", sliding[] = "sliding_attention";
  switch (c->family) {
  case VB_MISTRAL:
  case VB_MIXTRAL:
  case VB_QWEN3_MOE: return p->window ? sliding : full;
  case VB_QWEN2:
  case VB_QWEN3: return p->window && l >= p->edge ? sliding : full;
  case VB_QWEN2_MOE: return p->window && l % 2 == 0 && l < p->edge ? sliding : full;
  case VB_GPT_OSS:
  case VB_GEMMA2: return l % 2 == 0 ? sliding : full;
  case VB_GEMMA3: return (l + 1) % p->step ? sliding : full;
  case VB_LLAMA4: return c->layer[l].rope && p->chunk ? "chunked_attention" : full;
  case VB_QWEN3_NEXT: return (l + 1) % p->step ? "linear_attention" : full;
  case VB_DEEPSEEK_V32: return "indexed_attention";
  default: return full;
  }
}

static void apply_type(struct vb_reader *r, struct vb_config *c, const struct plan *p, uint32_t l, const char *type) {
  struct vb_layer_config *to = &c->layer[l];
  if (!strcmp(type, "sliding_attention")) {
    to->window = p->window;
    to->local_rope = c->family == VB_GEMMA3;
    if (!p->window) vb_bad(r, "key 'layer_types': layer %u slides, but no 'sliding_window' is in effect", l);
  } else if (!strcmp(type, "chunked_attention")) {
    to->chunk = p->chunk;
    if (!p->chunk) vb_bad(r, "key 'layer_types': layer %u is chunked, but 'attention_chunk_size' is null", l);
  } else if (!strcmp(type, "linear_attention")) {
    to->mixer = VB_MIXER_DELTA;
  } else if (c->kv_lora) {
    to->mixer = VB_MIXER_MLA;
  }
}

// May this family's layer_types say so? Families whose code ignores the key must name what the code does.
static bool type_allowed(const struct vb_config *c, const char *type, const char *rule) {
  switch (c->family) {
  case VB_QWEN2:
  case VB_QWEN3:
  case VB_QWEN2_MOE:
  case VB_GPT_OSS:
  case VB_GEMMA2:
  case VB_GEMMA3: return vb_key_listed(" full_attention sliding_attention ", type);
  case VB_LLAMA4: return vb_key_listed(" full_attention chunked_attention ", type);
  case VB_QWEN3_NEXT: return vb_key_listed(" full_attention linear_attention ", type);
  default: return !strcmp(type, rule);
  }
}

// Llama 4: which layers rotate (1) and which do not (0). An empty list means the rule.
static void parse_no_rope(struct vb_reader *r, struct vb_config *c, uint32_t step) {
  const json_t *list = vb_key_list(r, "no_rope_layers", 0);
  size_t n = list ? json_array_size(list) : 0;
  if (n && n < c->layers) vb_bad(r, "key 'no_rope_layers' has %zu entries for %u layers", n, c->layers);
  for (uint32_t l = 0; l < c->layers && r->result == VB_OK; l++) {
    const json_t *v = n ? json_array_get(list, l) : NULL;
    json_int_t on = n ? json_integer_value(v) : (l + 1) % step != 0;
    if ((n && !json_is_integer(v)) || on < 0 || on > 1) vb_bad(r, "key 'no_rope_layers': entry %u must be 0 or 1", l);
    c->layer[l].rope = on == 1;
  }
}

static void parse_llama4(struct vb_reader *r, struct vb_config *c, uint32_t step) {
  c->rope_pairs = true;
  c->qk_l2 = vb_key_bool(r, "use_qk_norm", 1);
  parse_no_rope(r, c, step);
  const json_t *tuning = vb_key_find(r, "attn_temperature_tuning"); // first published files: an integer
  bool on = !tuning || json_is_true(tuning) || json_integer_value(tuning) > 0;
  if (tuning && !json_is_boolean(tuning) && !json_is_integer(tuning))
    vb_bad(r, "key 'attn_temperature_tuning' must be true or false");
  double scale = vb_key_real(r, "attn_scale", 0.1), floor_scale = vb_key_real(r, "floor_scale", 8192);
  if (!(scale >= 0 && scale <= 1024)) vb_bad(r, "key 'attn_scale' is %g, must be 0 to 1024", scale);
  if (!(floor_scale >= 1 && floor_scale <= INT32_MAX) || floor_scale != floor(floor_scale))
    vb_bad(r, "key 'floor_scale' is %g, must be an integer of at least 1", floor_scale);
  else c->floor_scale = (uint32_t)floor_scale;
  c->temperature = on ? scale : 0;
}

void vb_parse_layers(struct vb_reader *r, struct vb_config *c) {
  struct plan p = get_plan(r, c);
  if (r->result == VB_OK && c->family == VB_LLAMA4) parse_llama4(r, c, p.step);
  const json_t *types = vb_key_list(r, "layer_types", c->layers);
  for (uint32_t l = 0; l < c->layers && r->result == VB_OK; l++) {
    const char *rule = default_type(c, &p, l), *type = rule;
    if (types) {
      type = json_string_value(json_array_get(types, l));
      if (!type || !type_allowed(c, type, rule)) {
        vb_bad(r, "key 'layer_types': entry %u is '%.40s', which is not supported for %s", l,
               type ? type : "(no string)", c->model_type);
        return;
      }
    } else if (!p.window && !strcmp(rule, "sliding_attention")) {
      type = "full_attention"; // sliding_window null switches the rule off
      c->layer[l].local_rope = c->family == VB_GEMMA3;
    }
    apply_type(r, c, &p, l, type);
  }
}

void vb_parse_mla(struct vb_reader *r, struct vb_config *c) {
  c->q_lora = vb_key_u32(r, "q_lora_rank", 1, 1 << 20, 0);
  c->kv_lora = vb_key_u32(r, "kv_lora_rank", 1, VB_MAX_DV_SHARED, -1);
  c->nope_dim = vb_key_u32(r, "qk_nope_head_dim", 1, VB_MAX_DK, -1);
  c->rope_dim = vb_key_u32(r, "qk_rope_head_dim", 2, VB_MAX_DK, -1);
  c->v_dim = vb_key_u32(r, "v_head_dim", 1, VB_MAX_DV, -1);
  if (r->result != VB_OK) return;
  c->head_dim = c->nope_dim + c->rope_dim;
  if (c->rope_dim % 2) vb_bad(r, "key 'qk_rope_head_dim' is %u, must be even", c->rope_dim);
  if (c->head_dim > VB_MAX_DK)
    vb_bad(r, "qk_nope_head_dim + qk_rope_head_dim is %u, the limit is %u", c->head_dim, VB_MAX_DK);
  if (c->kv_lora + c->rope_dim > VB_MAX_DK)
    vb_bad(r, "kv_lora_rank + qk_rope_head_dim is %u, the limit is %u", c->kv_lora + c->rope_dim, VB_MAX_DK);
  if ((uint64_t)c->heads * (c->kv_lora > c->head_dim ? c->kv_lora : c->head_dim) > UINT32_MAX)
    vb_bad(r, "num_attention_heads times kv_lora_rank must be below 2^32");
  if (c->kv_heads != c->heads)
    vb_bad(r, "key 'num_key_value_heads' is %u: the latent serves all %u heads (num_attention_heads)", c->kv_heads,
           c->heads);
  uint32_t d = vb_key_u32(r, "head_dim", 1, 65536, c->rope_dim),
           qk = vb_key_u32(r, "qk_head_dim", 1, 65536, c->head_dim);
  if (d != c->rope_dim && d != c->head_dim) vb_bad(r, "keys 'head_dim' %u and 'qk_rope_head_dim' disagree", d);
  if (qk != c->head_dim) vb_bad(r, "key 'qk_head_dim' is %u, not qk_nope_head_dim + qk_rope_head_dim", qk);
  if (!vb_key_bool(r, "rope_interleave", 1)) vb_bad(r, "key 'rope_interleave': false is not supported");
  if (c->family != VB_DEEPSEEK_V32) return;
  c->index_heads = vb_key_u32(r, "index_n_heads", 1, 65536, -1);
  c->index_dim = vb_key_u32(r, "index_head_dim", 2, VB_MAX_DK, -1);
  c->index_topk = vb_key_u32(r, "index_topk", 1, 1 << 20, -1);
  if (c->index_dim < c->rope_dim)
    vb_bad(r, "key 'index_head_dim' is %u, less than the rotated qk_rope_head_dim %u", c->index_dim, c->rope_dim);
  if (!c->q_lora) vb_bad(r, "key 'q_lora_rank' is missing: the indexer reads the query latent");
  // The model's own code rotates queries and keys; the scores are the same, their rounding is not.
  c->index_hadamard = c->index_dim <= 128 && (c->index_dim & (c->index_dim - 1)) == 0;
}

void vb_parse_delta(struct vb_reader *r, struct vb_config *c) {
  vb_key_must_be(r, "linear_conv_kernel_dim", 4);
  c->out_gate = vb_key_bool(r, "attn_output_gate", 1);
  if (!c->out_gate) vb_bad(r, "key 'attn_output_gate': false is not supported");
  c->delta_key_heads = vb_key_u32(r, "linear_num_key_heads", 1, 4096, -1);
  c->delta_heads = vb_key_u32(r, "linear_num_value_heads", 1, 4096, -1);
  c->delta_dk = vb_key_u32(r, "linear_key_head_dim", 1, 256, -1); // 256: what the rule's proofs cover
  c->delta_dv = vb_key_u32(r, "linear_value_head_dim", 1, 256, -1);
  if (r->result == VB_OK && c->delta_heads % c->delta_key_heads)
    vb_bad(r, "linear_num_value_heads %u is not a multiple of linear_num_key_heads %u", c->delta_heads,
           c->delta_key_heads);
}

void vb_parse_gemma(struct vb_reader *r, struct vb_config *c) {
  static const char act[] = "gelu_pytorch_tanh";
  if (strcmp(vb_key_text(r, "hidden_activation", act), act))
    vb_bad(r, "key 'hidden_activation' is '%.40s', only '%s' is supported", vb_key_text(r, "hidden_activation", act),
           act);
  if (vb_key_bool(r, "use_bidirectional_attention", 0))
    vb_bad(r, "key 'use_bidirectional_attention': true is not supported");
  c->gelu = c->sandwich = true;
  const bool second = c->family == VB_GEMMA2;
  // null: none; absent: the class's default
  c->attn_softcap = vb_key_real(r, "attn_logit_softcapping",
                                second && !json_object_get(r->object, "attn_logit_softcapping") ? 50 : 0);
  c->final_softcap = vb_key_real(r, "final_logit_softcapping",
                                 second && !json_object_get(r->object, "final_logit_softcapping") ? 30 : 0);
  if (!(c->attn_softcap >= 0 && c->attn_softcap <= 0x1p20))
    vb_bad(r, "key 'attn_logit_softcapping' is %g, must be positive and below 2^20", c->attn_softcap);
  if (!(c->final_softcap >= 0 && c->final_softcap <= 0x1p20))
    vb_bad(r, "key 'final_logit_softcapping' is %g, must be positive and below 2^20", c->final_softcap);
  double scalar = vb_key_real(r, "query_pre_attn_scalar", 256);
  if (!(scalar >= 0x1p-20 && scalar <= 0x1p20))
    vb_bad(r, "key 'query_pre_attn_scalar' is %g, must be 2^-20 to 2^20", scalar);
  else c->query_scale = 1 / sqrt(scalar);
}
