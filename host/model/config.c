// SPDX-License-Identifier: Apache-2.0
// config.json of every supported family, in the spelling of transformers 4 and 5. Multimodal wrappers give their
// text_config.
//
// A key that is not known to be harmless is refused by name: a silently ignored key is a silently wrong model.
#include "model/keys.h"
#include <math.h>
#include <string.h>

// Keys with a reader. A list is one text in which every word has a space on both sides.
static const char common_keys[] =
    " model_type architectures hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
    "vocab_size"
    " intermediate_size max_position_embeddings rms_norm_eps hidden_act tie_word_embeddings rope_theta rope_scaling"
    " rope_parameters partial_rotary_factor attention_bias mlp_bias pretraining_tp sliding_window use_sliding_window"
    " layer_types quantization_config is_encoder_decoder bos_token_id eos_token_id ";
// No influence on the logits of a forward pass.
static const char harmless_keys[] =
    " transformers_version torch_dtype dtype use_cache initializer_range router_aux_loss_coef output_router_logits"
    " attention_dropout pad_token_id _name_or_path max_window_layers is_decoder return_dict output_attentions"
    " output_hidden_states torchscript use_bfloat16 id2label label2id problem_type tokenizer_class prefix sep_token_id"
    " decoder_start_token_id task_specific_params finetuning_task _attn_implementation _attn_implementation_autoset"
    " _commit_hash chunk_size_feed_forward unsloth_version unsloth_fixed ";

#define MOE_QWEN                                                                                                \
  " num_experts num_local_experts num_experts_per_tok moe_intermediate_size norm_topk_prob decoder_sparse_step" \
  " mlp_only_layers"
// auto_map points to the model's own code, which is what we follow; ep_size, seq_aux and aux_loss_alpha are training.
#define DEEPSEEK                                                                                                  \
  " q_lora_rank kv_lora_rank qk_nope_head_dim qk_rope_head_dim v_head_dim qk_head_dim rope_interleave"            \
  " n_routed_experts num_local_experts num_experts_per_tok moe_intermediate_size n_shared_experts norm_topk_prob" \
  " routed_scaling_factor scoring_func topk_method n_group topk_group first_k_dense_replace moe_layer_freq"       \
  " num_nextn_predict_layers num_mtp_layers auto_map ep_size seq_aux aux_loss_alpha"
#define GEMMA                                                                               \
  " hidden_activation query_pre_attn_scalar attn_logit_softcapping final_logit_softcapping" \
  " use_bidirectional_attention cache_implementation"

static const struct {
  const char *type, *keys;
} families[] = {
    [VB_LLAMA] = {"llama", ""},
    [VB_QWEN2] = {"qwen2", ""},
    [VB_QWEN3] = {"qwen3", ""},
    [VB_QWEN3_MOE] = {"qwen3_moe", MOE_QWEN " "},
    [VB_MISTRAL] = {"mistral", ""},
    [VB_MIXTRAL] = {"mixtral", " num_local_experts num_experts_per_tok router_jitter_noise "},
    [VB_QWEN2_MOE] = {"qwen2_moe", MOE_QWEN " shared_expert_intermediate_size qkv_bias "},
    [VB_QWEN3_NEXT] = {"qwen3_next",
                       MOE_QWEN " shared_expert_intermediate_size full_attention_interval linear_conv_kernel_dim"
                                " linear_key_head_dim linear_value_head_dim linear_num_key_heads"
                                " linear_num_value_heads attn_output_gate "},
    [VB_LLAMA4] =
        {"llama4_text",
         " num_local_experts num_experts_per_tok intermediate_size_mlp interleave_moe_layer_step moe_layers"
         " no_rope_layers no_rope_layer_interval attention_chunk_size use_qk_norm attn_temperature_tuning"
         " floor_scale attn_scale router_jitter_noise for_llm_compression for_llm_compressor cache_implementation "},
    [VB_DEEPSEEK_V2] = {"deepseek_v2", DEEPSEEK " "},
    [VB_DEEPSEEK_V3] = {"deepseek_v3", DEEPSEEK " "},
    [VB_DEEPSEEK_V32] = {"deepseek_v32", DEEPSEEK " index_n_heads index_head_dim index_topk mlp_layer_types "},
    [VB_GPT_OSS] = {"gpt_oss", " num_local_experts num_experts_per_tok experts_per_token swiglu_limit swiglu_alpha"
                               " initial_context_length "},
    [VB_GEMMA2] = {"gemma2", GEMMA " sliding_window_size "},
    [VB_GEMMA3] = {"gemma3_text", GEMMA " rope_local_base_freq sliding_window_pattern _sliding_window_pattern "},
};
enum { FAMILIES = sizeof families / sizeof *families };

static void parse_family(struct vb_reader *r, struct vb_config *c) {
  const char *type = vb_key_text(r, "model_type", NULL);
  for (int i = 0; i < FAMILIES; i++)
    if (!strcmp(type, families[i].type)) {
      c->family = (enum vb_family)i;
      strcpy(c->model_type, type);
      return;
    }
  char all[256] = "";
  for (size_t i = 0, n = 0; i < FAMILIES; i++)
    n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", families[i].type);
  vb_bad(r, "model_type '%.60s' is not supported (supported: %s)", type, all);
}

static void check_keys(struct vb_reader *r, enum vb_family family) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
    bool known = vb_key_listed(common_keys, key) || vb_key_listed(harmless_keys, key) ||
                 vb_key_listed(families[family].keys, key);
    if (!known) {
      vb_bad(r, "unknown key '%.80s': it may change the arithmetic, so the model is refused", key);
      return;
    }
  }
}

// Features that would change the result: refused unless switched off.
static void check_unsupported(struct vb_reader *r, const struct vb_config *c) {
  const char *act = vb_is_gemma(c->family) ? "gelu_pytorch_tanh" : "silu";
  if (strcmp(vb_key_text(r, "hidden_act", act), act))
    vb_bad(r, "key 'hidden_act' is '%.40s', only '%s' is supported", vb_key_text(r, "hidden_act", act), act);
  if (c->family != VB_GPT_OSS && vb_key_bool(r, "attention_bias", 0))
    vb_bad(r, "key 'attention_bias': true is not supported for %s", c->model_type);
  if (vb_key_bool(r, "mlp_bias", 0)) vb_bad(r, "key 'mlp_bias': true is not supported yet");
  if (vb_key_bool(r, "is_encoder_decoder", 0)) vb_bad(r, "key 'is_encoder_decoder': true is not supported");
  if (vb_key_u32(r, "pretraining_tp", 1, UINT32_MAX, 1) > 1) vb_bad(r, "key 'pretraining_tp' above 1 is not supported");
  if (vb_key_find(r, "sliding_window_size") &&
      !json_equal(vb_key_find(r, "sliding_window_size"), vb_key_find(r, "sliding_window")))
    vb_bad(r, "keys 'sliding_window' and 'sliding_window_size' disagree");
}

static void check_architectures(struct vb_reader *r, const char *word) {
  const json_t *list = vb_key_find(r, "architectures");
  for (size_t i = 0; list && i < json_array_size(list); i++) {
    const char *a = json_string_value(json_array_get(list, i));
    if (!a || !strstr(a, word)) vb_bad(r, "key 'architectures': '%.60s' is not a causal language model", a ? a : "");
  }
}

// Token ids only end or begin a text: one outside the vocabulary (common in cut-down models) can never occur.
static int32_t get_token(struct vb_reader *r, const char *key, uint32_t vocab) {
  const json_t *v = vb_key_find(r, key);
  if (json_is_array(v)) v = json_array_get(v, 0);
  if (v && !json_is_null(v) && !json_is_integer(v)) vb_bad(r, "key '%s' must be an integer or a list of integers", key);
  json_int_t id = v && json_is_integer(v) ? json_integer_value(v) : -1;
  return id >= 0 && id < (json_int_t)vocab ? (int32_t)id : -1;
}

// Gemma 3's wrappers leave out what the class has by default.
static void parse_sizes(struct vb_reader *r, struct vb_config *c) {
  const bool gemma3 = c->family == VB_GEMMA3, mla = vb_is_deepseek(c->family);
  c->hidden = vb_key_u32(r, "hidden_size", 1, 1 << 20, -1);
  c->layers = vb_key_u32(r, "num_hidden_layers", 1, 1024, -1);
  c->heads = vb_key_u32(r, "num_attention_heads", 1, 65536, gemma3 ? 8 : -1);
  c->kv_heads = vb_key_u32(r, "num_key_value_heads", 1, 65536,
                           gemma3                         ? 4
                           : c->family == VB_LLAMA || mla ? (int64_t)c->heads
                                                          : -1);
  c->vocab = vb_key_u32(r, "vocab_size", 1, 1 << 24, gemma3 ? 262208 : -1);
  c->max_positions = vb_key_u32(r, "max_position_embeddings", 1, 1u << 31, gemma3 ? 131072 : -1);
  c->inter = vb_key_u32(r, "intermediate_size", 1, 1 << 20, -1);
  c->rms_eps = vb_key_real(r, "rms_norm_eps", gemma3 ? 1e-6 : -1);
  if (!(c->rms_eps >= 0 && c->rms_eps <= 1)) vb_bad(r, "key 'rms_norm_eps' is %g, must be between 0 and 1", c->rms_eps);
}

static void parse_head(struct vb_reader *r, struct vb_config *c) {
  if (c->heads % c->kv_heads)
    vb_bad(r, "num_attention_heads %u is not a multiple of num_key_value_heads %u", c->heads, c->kv_heads);
  if (vb_is_deepseek(c->family)) {
    vb_parse_mla(r, c);
    return;
  }
  // These classes have a default of their own whatever the width, so there the key must be present.
  const bool own = c->family == VB_QWEN3 || c->family == VB_QWEN3_MOE || c->family == VB_QWEN3_NEXT ||
                   c->family == VB_LLAMA4 || c->family == VB_GPT_OSS || c->family == VB_GEMMA2;
  const bool gemma3 = c->family == VB_GEMMA3;
  if (!own && !gemma3 && !vb_key_find(r, "head_dim") && c->hidden % c->heads)
    vb_bad(r, "hidden_size %u is not a multiple of num_attention_heads %u", c->hidden, c->heads);
  c->head_dim = vb_key_u32(r, "head_dim", 2, VB_MAX_DV, own ? -1 : gemma3 ? 256 : (int64_t)(c->hidden / c->heads));
  if (c->head_dim < 2 || c->head_dim > VB_MAX_DV)
    vb_bad(r, "head dimension hidden_size / num_attention_heads is %u, must be 2 to %u", c->head_dim, VB_MAX_DV);
  if (c->head_dim % 2) vb_bad(r, "key 'head_dim' is %u, must be even", c->head_dim);
}

static void parse_flags(struct vb_reader *r, struct vb_config *c) {
  c->tied = vb_key_bool(r, "tie_word_embeddings", vb_is_gemma(c->family));
  c->qk_norm =
      c->family == VB_QWEN3 || c->family == VB_QWEN3_MOE || c->family == VB_QWEN3_NEXT || c->family == VB_GEMMA3;
  c->zero_centred = vb_is_gemma(c->family) || c->family == VB_QWEN3_NEXT;
  c->qkv_bias = c->family == VB_QWEN2;
  if (c->family == VB_QWEN2_MOE) c->qkv_bias = vb_key_bool(r, "qkv_bias", 1);
  if (c->family == VB_GPT_OSS) {
    c->qkv_bias = c->o_bias = vb_key_bool(r, "attention_bias", 1);
    c->sinks = true;
  }
}

double vb_embed_scale(uint32_t hidden, enum vb_dtype type) {
  const int bits = type == VB_BF16 ? 8 : type == VB_F16 ? 11 : 24;
  int e;
  double f = frexp(sqrt(hidden), &e);
  return ldexp(nearbyint(ldexp(f, bits)), e - bits);
}

static void parse_all(struct vb_model *m, struct vb_reader *r) {
  struct vb_config *c = &m->config;
  parse_family(r, c);
  if (r->result != VB_OK) return;
  check_keys(r, c->family);
  parse_sizes(r, c);
  if (r->result != VB_OK) return;
  parse_flags(r, c);
  parse_head(r, c);
  c->is_moe = vb_arena_alloc(m->arena, c->layers, 1);
  c->layer = vb_arena_alloc(m->arena, c->layers, sizeof *c->layer);
  if ((!c->is_moe || !c->layer) && r->result == VB_OK) r->result = vb_no_memory("layer list");
  if (r->result != VB_OK) return;
  for (uint32_t l = 0; l < c->layers; l++) c->layer[l] = (struct vb_layer_config){.rope = true};
  check_unsupported(r, c);
  check_architectures(r, "ForCausalLM");
  c->query_scale = 1 / sqrt(c->head_dim);
  c->routed_scale = 1;
  if (vb_is_gemma(c->family)) vb_parse_gemma(r, c);
  const struct vb_tensor *embed = vb_model_find(m, "model.embed_tokens.weight");
  if (vb_is_gemma(c->family)) c->embed_scale = vb_embed_scale(c->hidden, embed ? embed->dtype : VB_F32);
  if (c->family == VB_QWEN3_NEXT) vb_parse_delta(r, c);
  if (r->result == VB_OK) vb_parse_layers(r, c);
  struct vb_rope_scale scale;
  if (r->result == VB_OK) vb_parse_rope(r, c, &scale);
  if (r->result == VB_OK) vb_parse_moe(r, c);
  if (r->result == VB_OK) vb_parse_format(r, c);
  if (r->result != VB_OK) return;
  c->query_scale *= scale.all_dim * scale.all_dim;
  for (uint32_t l = 0; l < c->layers; l++) c->layer[l].moe = c->is_moe[l];
  c->bos = get_token(r, "bos_token_id", c->vocab);
  c->eos = get_token(r, "eos_token_id", c->vocab);
}

// A multimodal model: only its text part is read, which the wrapper's own keys do not change.
static void parse_wrapper(struct vb_model *m, struct vb_reader *r) {
  const json_t *text = json_object_get(r->object, "text_config");
  const char *type = vb_key_text(r, "model_type", "");
  if (!json_is_object(text) || !vb_key_listed(" llama4 gemma3 ", type)) {
    parse_all(m, r);
    return;
  }
  m->config.wrapper = true;
  check_architectures(r, "ForConditionalGeneration");
  struct vb_reader in = {text, "", r->result};
  // What the text part leaves open, the wrapper says.
  static const char *const shared[] = {"tie_word_embeddings", "quantization_config"};
  for (int i = 0; i < 2; i++) {
    json_t *v = json_object_get(r->object, shared[i]);
    if (v && !json_object_get(text, shared[i])) json_object_set((json_t *)(uintptr_t)text, shared[i], v);
  }
  parse_all(m, &in);
  r->result = in.result;
}

vb_result vb_parse_config(struct vb_model *m) {
  json_error_t e;
  json_t *root = json_loads(m->config_text, JSON_REJECT_DUPLICATES, &e);
  if (!root) return vb_fail(VB_BAD_INPUT, VB_CONFIG_FILE "line %d: %s", e.line, e.text);
  struct vb_reader r = {root, "", VB_OK};
  if (!json_is_object(root)) vb_bad(&r, "must hold one object");
  else parse_wrapper(m, &r);
  json_decref(root);
  return r.result;
}
