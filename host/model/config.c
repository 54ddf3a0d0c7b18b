// SPDX-License-Identifier: Apache-2.0
// config.json of llama, qwen2, qwen3 and qwen3_moe, in the spelling of transformers 4 and 5.
//
// A key that is not known to be harmless is refused by name: a silently ignored key is a silently wrong model.
#include "model/internal.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define FILE_NAME "config.json: "

// Keys with a reader below. A list is one text in which every word has a space on both sides.
static const char common_keys[] =
    " model_type architectures hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
    "vocab_size"
    " intermediate_size max_position_embeddings rms_norm_eps hidden_act tie_word_embeddings rope_theta rope_scaling"
    " rope_parameters partial_rotary_factor attention_bias mlp_bias pretraining_tp sliding_window use_sliding_window"
    " layer_types quantization_config is_encoder_decoder bos_token_id eos_token_id ";
static const char moe_keys[] = " num_experts num_local_experts num_experts_per_tok moe_intermediate_size norm_topk_prob"
                               " decoder_sparse_step mlp_only_layers ";
// No influence on the logits of a forward pass.
static const char harmless_keys[] =
    " transformers_version torch_dtype dtype use_cache initializer_range router_aux_loss_coef output_router_logits"
    " attention_dropout pad_token_id _name_or_path max_window_layers is_decoder return_dict output_attentions"
    " output_hidden_states torchscript use_bfloat16 id2label label2id problem_type tokenizer_class prefix sep_token_id"
    " decoder_start_token_id task_specific_params finetuning_task _attn_implementation _attn_implementation_autoset"
    " _commit_hash chunk_size_feed_forward unsloth_version unsloth_fixed ";
static const char rope_keys[] = " rope_type type rope_theta partial_rotary_factor ";
static const char llama3_keys[] = " low_freq_factor high_freq_factor original_max_position_embeddings ";

static bool listed(const char *list, const char *key) {
  char word[84];
  if (!*key || strlen(key) > 80 || strchr(key, ' ')) return false;
  snprintf(word, sizeof word, " %s ", key);
  return strstr(list, word);
}

struct reader {
  const json_t *object;
  const char *where; // "" or "rope_scaling."
  vb_result result;  // the first failure stays
};

#define bad(r, ...) \
  ((r)->result == VB_OK ? (void)((r)->result = vb_fail(VB_BAD_INPUT, FILE_NAME __VA_ARGS__)) : (void)0)

static const json_t *find(const struct reader *r, const char *key) { // null means absent, as in transformers
  const json_t *v = json_object_get(r->object, key);
  return json_is_null(v) ? NULL : v;
}

// An integer in [min, max]; `absent` when the key is missing, which is an error if absent < 0.
static uint32_t get_u32(struct reader *r, const char *key, uint32_t min, uint32_t max, int64_t absent) {
  const json_t *v = find(r, key);
  if (!v) {
    if (absent < 0) bad(r, "key '%s%s' is missing", r->where, key);
    return absent < 0 ? 0 : (uint32_t)absent;
  }
  json_int_t n = json_integer_value(v);
  if (!json_is_integer(v)) {
    bad(r, "key '%s%s' must be an integer", r->where, key);
  } else if (n < (json_int_t)min || n > (json_int_t)max) {
    bad(r, "key '%s%s' is %" JSON_INTEGER_FORMAT ", must be %u to %u", r->where, key, n, min, max);
  } else {
    return (uint32_t)n;
  }
  return 0;
}

static bool get_bool(struct reader *r, const char *key, int absent) { // absent < 0: required
  const json_t *v = find(r, key);
  if (!v && absent >= 0) return absent > 0;
  if (!v) bad(r, "key '%s%s' is missing", r->where, key);
  else if (!json_is_boolean(v)) bad(r, "key '%s%s' must be true or false", r->where, key);
  return json_is_true(v);
}

static double get_real(struct reader *r, const char *key, double absent) { // absent < 0: required
  const json_t *v = find(r, key);
  if (!v && absent >= 0) return absent;
  if (!v) bad(r, "key '%s%s' is missing", r->where, key);
  else if (!json_is_number(v)) bad(r, "key '%s%s' must be a number", r->where, key);
  return json_number_value(v);
}

static const char *get_text(struct reader *r, const char *key, const char *absent) { // absent NULL: required
  const json_t *v = find(r, key);
  if (!v && absent) return absent;
  if (!v) bad(r, "key '%s%s' is missing", r->where, key);
  else if (!json_is_string(v)) bad(r, "key '%s%s' must be a string", r->where, key);
  return v && json_is_string(v) ? json_string_value(v) : "";
}

static void check_keys(struct reader *r, enum vb_family family) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
    bool known =
        listed(common_keys, key) || listed(harmless_keys, key) || (family == VB_QWEN3_MOE && listed(moe_keys, key));
    if (!known) {
      bad(r, "unknown key '%.80s': it may change the arithmetic, so the model is refused", key);
      return;
    }
  }
}

// Features that would change the result: refused unless switched off.
static void check_unsupported(struct reader *r, uint32_t layers) {
  if (strcmp(get_text(r, "hidden_act", "silu"), "silu"))
    bad(r, "key 'hidden_act' is '%.40s', only 'silu' is supported", get_text(r, "hidden_act", "silu"));
  if (get_bool(r, "attention_bias", 0)) bad(r, "key 'attention_bias': true is not supported yet");
  if (get_bool(r, "mlp_bias", 0)) bad(r, "key 'mlp_bias': true is not supported yet");
  if (get_bool(r, "is_encoder_decoder", 0)) bad(r, "key 'is_encoder_decoder': true is not supported");
  if (get_u32(r, "pretraining_tp", 1, UINT32_MAX, 1) > 1) bad(r, "key 'pretraining_tp' above 1 is not supported");
  if (find(r, "quantization_config")) bad(r, "key 'quantization_config': quantised checkpoints are not supported yet");
  // Qwen files name a window that use_sliding_window switches off; elsewhere the window itself is the switch.
  bool has_switch = find(r, "use_sliding_window");
  if (get_bool(r, "use_sliding_window", 0) || (!has_switch && find(r, "sliding_window")))
    bad(r, "key '%s': sliding windows are not supported yet", has_switch ? "use_sliding_window" : "sliding_window");
  const json_t *types = find(r, "layer_types");
  if (types && (!json_is_array(types) || json_array_size(types) != layers))
    bad(r, "key 'layer_types' must be a list of num_hidden_layers (%u) entries", layers);
  for (size_t i = 0; types && i < json_array_size(types); i++) {
    const char *t = json_string_value(json_array_get(types, i));
    if (!t || strcmp(t, "full_attention"))
      bad(r, "key 'layer_types': entry %zu is '%.40s', only 'full_attention' is supported yet", i,
          t ? t : "(no string)");
  }
  const json_t *archs = find(r, "architectures");
  for (size_t i = 0; archs && i < json_array_size(archs); i++) {
    const char *a = json_string_value(json_array_get(archs, i));
    if (!a || !strstr(a, "ForCausalLM"))
      bad(r, "key 'architectures': '%.60s' is not a causal language model", a ? a : "");
  }
}

static void get_theta(struct reader *r, const char *key, uint64_t *theta) {
  double v = get_real(r, key, 10000.0);
  if (!(v >= 1 && v < 0x1p53) || v != (double)(uint64_t)v)
    bad(r, "key '%s%s' is %.17g, must be an integer between 1 and 2^53", r->where, key, v);
  else *theta = (uint64_t)v;
}

static void check_partial(struct reader *r) {
  if (get_real(r, "partial_rotary_factor", 1.0) != 1.0)
    bad(r, "key '%spartial_rotary_factor' other than 1 is not supported yet", r->where);
}

// The inner object of rope_scaling (version 4) or rope_parameters (version 5).
static void parse_rope_object(struct reader *r, struct vb_rope_config *rope) {
  const char *type = get_text(r, "rope_type", get_text(r, "type", "default"));
  if (find(r, "rope_type") && find(r, "type") && strcmp(type, get_text(r, "type", "")))
    bad(r, "keys '%srope_type' and '%stype' disagree", r->where, r->where);
  if (!strcmp(type, "default")) rope->scaling = VB_ROPE_DEFAULT;
  else if (!strcmp(type, "linear")) rope->scaling = VB_ROPE_LINEAR;
  else if (!strcmp(type, "llama3")) rope->scaling = VB_ROPE_LLAMA3;
  else bad(r, "key '%srope_type' is '%.40s', supported are default, linear and llama3", r->where, type);

  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
    bool known = listed(rope_keys, key) || (rope->scaling != VB_ROPE_DEFAULT && !strcmp(key, "factor")) ||
                 (rope->scaling == VB_ROPE_LLAMA3 && listed(llama3_keys, key));
    if (!known) bad(r, "key '%s%.80s' is unknown for rope_type '%.40s'", r->where, key, type);
  }
  check_partial(r);
  if (rope->scaling != VB_ROPE_DEFAULT) rope->factor = get_real(r, "factor", -1);
  if (rope->scaling == VB_ROPE_LLAMA3) {
    rope->low_freq = get_real(r, "low_freq_factor", -1);
    rope->high_freq = get_real(r, "high_freq_factor", -1);
    rope->original_length = get_u32(r, "original_max_position_embeddings", 1, UINT32_MAX, -1);
  }
}

static void parse_rope(struct reader *r, struct vb_config *c) {
  c->rope = (struct vb_rope_config){.dims = c->head_dim, .theta = 10000};
  check_partial(r);
  // Old llama files have no theta at all; every later family writes it, here or inside rope_parameters.
  bool outer = find(r, "rope_theta"), inner = false;
  if (outer) get_theta(r, "rope_theta", &c->rope.theta);
  const char *name = find(r, "rope_parameters") ? "rope_parameters" : "rope_scaling";
  const json_t *object = find(r, name);
  if (find(r, "rope_parameters") && find(r, "rope_scaling"))
    bad(r, "keys 'rope_parameters' and 'rope_scaling' exclude each other");
  if (object && !json_is_object(object)) {
    bad(r, "key '%s' must be an object", name);
  } else if (object) {
    struct reader in = {object, !strcmp(name, "rope_scaling") ? "rope_scaling." : "rope_parameters.", r->result};
    uint64_t theta = c->rope.theta;
    inner = find(&in, "rope_theta");
    if (inner) get_theta(&in, "rope_theta", &theta);
    if (outer && theta != c->rope.theta) bad(&in, "keys 'rope_theta' and '%srope_theta' disagree", in.where);
    c->rope.theta = theta;
    parse_rope_object(&in, &c->rope);
    r->result = in.result;
  }
  if (!outer && !inner && c->family != VB_LLAMA) bad(r, "key 'rope_theta' is missing");
  const char *why = r->result == VB_OK ? vb_rope_valid(&c->rope) : NULL;
  if (why) bad(r, "rotary embedding: %s", why);
}

static void parse_moe(struct reader *r, struct vb_config *c) {
  const char *count = find(r, "num_experts") ? "num_experts" : "num_local_experts";
  if (find(r, "num_experts") && find(r, "num_local_experts") &&
      !json_equal(find(r, "num_experts"), find(r, "num_local_experts")))
    bad(r, "keys 'num_experts' and 'num_local_experts' disagree");
  c->experts = get_u32(r, count, 1, 65536, -1);
  c->topk = get_u32(r, "num_experts_per_tok", 1, 65536, -1);
  c->moe_inter = get_u32(r, "moe_intermediate_size", 1, 1 << 20, -1);
  c->norm_topk = get_bool(r, "norm_topk_prob", -1);
  if (c->topk > c->experts) bad(r, "key 'num_experts_per_tok' is %u, more than the %u experts", c->topk, c->experts);
  uint64_t widest = c->moe_inter > c->hidden ? c->moe_inter : c->hidden;
  if (c->experts * widest > UINT32_MAX) bad(r, "experts times their width must be below 2^32");
  uint32_t step = get_u32(r, "decoder_sparse_step", 1, UINT32_MAX, 1);
  for (uint32_t l = 0; l < c->layers && r->result == VB_OK; l++) c->is_moe[l] = (l + 1) % step == 0;
  const json_t *dense = find(r, "mlp_only_layers");
  if (dense && !json_is_array(dense)) bad(r, "key 'mlp_only_layers' must be a list");
  for (size_t i = 0; dense && i < json_array_size(dense) && r->result == VB_OK; i++) {
    const json_t *v = json_array_get(dense, i);
    json_int_t l = json_integer_value(v);
    if (!json_is_integer(v) || l < 0 || l >= (json_int_t)c->layers)
      bad(r, "key 'mlp_only_layers': entry %zu is not a layer number below %u", i, c->layers);
    else c->is_moe[l] = 0;
  }
}

// Token ids only end or begin a text: one outside the vocabulary (common in cut-down models) can never occur.
static int32_t get_token(struct reader *r, const char *key, uint32_t vocab) {
  const json_t *v = find(r, key);
  if (json_is_array(v)) v = json_array_get(v, 0);
  if (v && !json_is_null(v) && !json_is_integer(v)) bad(r, "key '%s' must be an integer or a list of integers", key);
  json_int_t id = v && json_is_integer(v) ? json_integer_value(v) : -1;
  return id >= 0 && id < (json_int_t)vocab ? (int32_t)id : -1;
}

static void parse_family(struct reader *r, struct vb_config *c) {
  static const char *const types[] = {"llama", "qwen2", "qwen3", "qwen3_moe"};
  const char *type = get_text(r, "model_type", NULL);
  for (int i = 0; i < 4; i++)
    if (!strcmp(type, types[i])) {
      c->family = (enum vb_family)i;
      strcpy(c->model_type, type);
      return;
    }
  bad(r, "model_type '%.60s' is not supported (supported: llama, qwen2, qwen3, qwen3_moe)", type);
}

static void parse_all(struct vb_model *m, struct reader *r) {
  struct vb_config *c = &m->config;
  parse_family(r, c);
  if (r->result != VB_OK) return;
  check_keys(r, c->family);
  bool qwen3 = c->family == VB_QWEN3 || c->family == VB_QWEN3_MOE;
  c->hidden = get_u32(r, "hidden_size", 1, 1 << 20, -1);
  c->layers = get_u32(r, "num_hidden_layers", 1, 1024, -1);
  c->heads = get_u32(r, "num_attention_heads", 1, 65536, -1);
  c->kv_heads = get_u32(r, "num_key_value_heads", 1, 65536, c->family == VB_LLAMA ? (int64_t)c->heads : -1);
  c->vocab = get_u32(r, "vocab_size", 1, 1 << 24, -1);
  c->max_positions = get_u32(r, "max_position_embeddings", 1, 1u << 31, -1);
  c->inter = get_u32(r, "intermediate_size", 1, 1 << 20, -1);
  c->rms_eps = get_real(r, "rms_norm_eps", -1);
  c->tied = get_bool(r, "tie_word_embeddings", 0);
  c->qkv_bias = c->family == VB_QWEN2;
  c->qk_norm = qwen3;
  if (r->result != VB_OK) return;
  // Qwen3's classes default to 128 whatever the width, so there the key must be present.
  if (!qwen3 && !find(r, "head_dim") && c->hidden % c->heads)
    bad(r, "hidden_size %u is not a multiple of num_attention_heads %u", c->hidden, c->heads);
  c->head_dim = get_u32(r, "head_dim", 2, VB_MAX_DV, qwen3 ? -1 : (int64_t)(c->hidden / c->heads));
  if (c->head_dim < 2 || c->head_dim > VB_MAX_DV)
    bad(r, "head dimension hidden_size / num_attention_heads is %u, must be 2 to %u", c->head_dim, VB_MAX_DV);
  if (c->head_dim % 2) bad(r, "key 'head_dim' is %u, must be even", c->head_dim);
  if (c->heads % c->kv_heads)
    bad(r, "num_attention_heads %u is not a multiple of num_key_value_heads %u", c->heads, c->kv_heads);
  if (!(c->rms_eps >= 0 && c->rms_eps <= 1)) bad(r, "key 'rms_norm_eps' is %g, must be between 0 and 1", c->rms_eps);
  c->is_moe = vb_arena_alloc(m->arena, c->layers, 1);
  c->layer = vb_arena_alloc(m->arena, c->layers, sizeof *c->layer);
  if ((!c->is_moe || !c->layer) && r->result == VB_OK) r->result = vb_no_memory("layer list");
  if (r->result != VB_OK) return;
  check_unsupported(r, c->layers);
  parse_rope(r, c);
  if (c->family == VB_QWEN3_MOE) parse_moe(r, c);
  c->query_scale = 1 / sqrt(c->head_dim);
  c->routed_scale = 1;
  for (uint32_t l = 0; l < c->layers; l++)
    c->layer[l] = (struct vb_layer_config){.mixer = VB_MIXER_ATTENTION, .rope = true, .moe = c->is_moe[l]};
  c->bos = get_token(r, "bos_token_id", c->vocab);
  c->eos = get_token(r, "eos_token_id", c->vocab);
}

vb_result vb_parse_config(struct vb_model *m) {
  json_error_t e;
  json_t *root = json_loads(m->config_text, JSON_REJECT_DUPLICATES, &e);
  if (!root) return vb_fail(VB_BAD_INPUT, FILE_NAME "line %d: %s", e.line, e.text);
  struct reader r = {root, "", VB_OK};
  if (!json_is_object(root)) bad(&r, "must hold one object");
  else parse_all(m, &r);
  json_decref(root);
  return r.result;
}
