// SPDX-License-Identifier: Apache-2.0
// Configurations that contradict themselves or their tensors, or hold what is not supported: each must be refused as
// bad input with a message that names the key.
#include "editor.h"
#include "support/harness.h"
#include <stdio.h>

static int teardown(void) {
  temp_cleanup();
  return 0;
}

// Set (or with value NULL delete) one config key; the message must name the key and the word.
static const struct config_case {
  const char *fixture, *key, *value, *named, *word;
} config_cases[] = {
    {"llama2", "model_type", "\"gpt2\"", "gpt2", "not supported"},
    {"llama2", "model_type", NULL, "model_type", "missing"},
    {"llama2", "model_type", "7", "model_type", "string"},
    {"llama2", "logit_softcap", "30.0", "logit_softcap", "unknown key"},
    {"llama2", "num_experts", "4", "num_experts", "unknown key"},
    {"llama2", "auto_map", "{}", "auto_map", "unknown key"},
    {"llama2", "use_cache torch_dtype", "1", "use_cache torch_dtype", "unknown key"},
    {"llama2", "hidden_size", NULL, "hidden_size", "missing"},
    {"llama2", "hidden_size", "\"48\"", "hidden_size", "integer"},
    {"llama2", "hidden_size", "48.0", "hidden_size", "integer"},
    {"llama2", "hidden_size", "-48", "hidden_size", "must be"},
    {"llama2", "hidden_size", "0", "hidden_size", "must be"},
    {"llama2", "hidden_size", "4294967344", "hidden_size", "must be"},
    {"llama2", "hidden_size", "49", "hidden_size", "multiple"},
    {"llama2", "num_hidden_layers", "100000", "num_hidden_layers", "must be"},
    {"llama2", "num_hidden_layers", "4", "model.layers.3", "missing"},
    {"llama2", "num_hidden_layers", "2", "model.layers.2", "unexpected"},
    {"llama2", "num_key_value_heads", "2", "num_key_value_heads", "multiple"},
    {"llama2", "head_dim", "15", "head_dim", "even"},
    {"llama2", "head_dim", "1024", "head_dim", "must be"},
    {"llama2", "head_dim", "32", "self_attn.", "shape"},
    {"llama2", "intermediate_size", "64", "mlp.", "shape"},
    {"llama2", "vocab_size", "98", "model.embed_tokens.weight", "shape"},
    {"llama2", "rms_norm_eps", "\"small\"", "rms_norm_eps", "number"},
    {"llama2", "rms_norm_eps", "-1e-5", "rms_norm_eps", "between"},
    {"llama2", "rms_norm_eps", NULL, "rms_norm_eps", "missing"},
    {"llama2", "rope_theta", "10000.5", "rope_theta", "integer"},
    {"llama2", "rope_theta", "0", "rope_theta", "integer"},
    {"llama2", "rope_theta", "1e300", "rope_theta", "integer"},
    {"llama2", "rope_scaling", "{\"type\":\"dynamic\",\"factor\":2.0}", "rope_scaling.rope_type", "dynamic"},
    {"llama2", "rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":2.0}", "original_max_position_embeddings",
     "missing"},
    {"llama2", "rope_scaling",
     "{\"rope_type\":\"yarn\",\"factor\":2.0,\"original_max_position_embeddings\":64,\"x\":1}", "rope_scaling.x",
     "yarn"},
    {"llama2", "rope_scaling", "{\"rope_type\":\"linear\"}", "rope_scaling.factor", "missing"},
    {"llama2", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":0.5}", "factor", "between"},
    {"llama2", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":1.3}", "factor", "2^-20"},
    {"llama2", "rope_scaling", "{\"rope_type\":\"linear\",\"type\":\"llama3\",\"factor\":2}", "rope_type", "disagree"},
    {"llama2", "rope_scaling", "{\"rope_type\":\"linear\",\"factor\":2,\"mscale\":1}", "rope_scaling.mscale",
     "unknown"},
    {"llama2", "rope_scaling", "{\"rope_type\":\"default\",\"rope_theta\":5}", "rope_theta", "disagree"},
    {"llama2", "rope_scaling", "[1]", "rope_scaling", "object"},
    {"llama2", "rope_parameters", "{\"full_attention\":{}}", "full_attention", "unknown"},
    {"llama2", "partial_rotary_factor", "0.5", "partial_rotary_factor", "not supported"},
    {"llama2", "hidden_act", "\"gelu\"", "hidden_act", "silu"},
    {"llama2", "attention_bias", "true", "attention_bias", "not supported"},
    {"llama2", "attention_bias", "1", "attention_bias", "true or false"},
    {"llama2", "mlp_bias", "true", "mlp_bias", "not supported"},
    {"llama2", "pretraining_tp", "2", "pretraining_tp", "not supported"},
    {"llama2", "sliding_window", "16", "sliding_window", "no sliding windows"},
    {"qwen3_moe", "use_sliding_window", "1", "use_sliding_window", "true or false"},
    {"llama2", "layer_types", "[\"full_attention\"]", "layer_types", "3"},
    {"llama2", "layer_types", "[\"full_attention\",\"sliding_attention\",\"full_attention\"]", "layer_types",
     "sliding_attention"},
    {"llama2", "quantization_config", "{\"quant_method\":\"hqq\"}", "quantization_config", "hqq"},
    {"llama2", "architectures", "[\"LlamaForSequenceClassification\"]", "architectures", "Classification"},
    {"llama2", "is_encoder_decoder", "true", "is_encoder_decoder", "not supported"},
    {"llama2", "eos_token_id", "\"x\"", "eos_token_id", "integer"},
    {"llama2", "tie_word_embeddings", "true", "lm_head.weight", "tied"},
    {"qwen3_moe", "num_experts_per_tok", "9", "num_experts_per_tok", "8 experts"},
    {"qwen3_moe", "num_experts_per_tok", "0", "num_experts_per_tok", "must be"},
    {"qwen3_moe", "num_experts", "7", "num_experts", "disagree"},
    {"qwen3_moe", "norm_topk_prob", NULL, "norm_topk_prob", "missing"},
    {"qwen3_moe", "moe_intermediate_size", "20", "experts.0.", "shape"},
    {"qwen3_moe", "mlp_only_layers", "[3]", "mlp_only_layers", "below 3"},
    {"qwen3_moe", "mlp_only_layers", "1", "mlp_only_layers", "list"},
    {"qwen3_moe", "mlp_only_layers", "[1]", "model.layers.1.mlp.gate_proj.weight", "missing"},
    {"qwen3_moe", "head_dim", NULL, "head_dim", "missing"},
    {"qwen3_moe", "rope_parameters", NULL, "rope_theta", "missing"},
    {"qwen3_moe", "rope_scaling", "{\"rope_type\":\"default\"}", "rope_scaling", "exclude"},
};

static void try_case(const struct config_case *c) {
  struct edit e = edit_load(c->fixture);
  const char *dir = temp_dir();
  if (c->value) json_object_set_new(e.config, c->key, json_loads(c->value, JSON_DECODE_ANY, NULL));
  else json_object_del(e.config, c->key);
  edit_save(&e, dir);
  char what[200];
  snprintf(what, sizeof what, "%s: %s = %s", c->fixture, c->key, c->value ? c->value : "(deleted)");
  refused(what, dir, c->named, c->word);
  edit_free(&e);
}

static void config_keys(void) {
  for (size_t i = 0; i < sizeof config_cases / sizeof *config_cases; i++) try_case(&config_cases[i]);
}

// Five and more for every family with keys of its own.
static const struct config_case family_cases[] = {
    {"mistral", "sliding_window", "0", "sliding_window", "must be"},
    {"mistral", "sliding_window", "\"4096\"", "sliding_window", "integer"},
    {"mistral", "layer_types", "[\"full_attention\",\"full_attention\",\"full_attention\"]", "layer_types", "mistral"},
    {"mistral", "num_experts_per_tok", "2", "num_experts_per_tok", "unknown key"},
    {"mistral", "num_key_value_heads", NULL, "num_key_value_heads", "missing"},
    {"mistral", "attention_bias", "true", "attention_bias", "mistral"},
    {"mixtral", "num_local_experts", NULL, "num_local_experts", "missing"},
    {"mixtral", "num_local_experts", "7", "block_sparse_moe.gate.weight", "shape"},
    {"mixtral", "num_local_experts", "1", "num_experts_per_tok", "experts"},
    {"mixtral", "num_experts_per_tok", "100", "num_experts_per_tok", "experts"},
    {"mixtral", "moe_intermediate_size", "16", "moe_intermediate_size", "unknown key"},
    {"mixtral", "sliding_window", "-1", "sliding_window", "must be"},
    {"mixtral", "intermediate_size", "1234", "experts.0.", "shape"},
    {"qwen25_window", "layer_types", "[\"sliding_attention\"]", "layer_types", "num_hidden_layers"},
    {"qwen25_window", "layer_types",
     "[\"full_attention\",\"chunked_attention\",\"full_attention\",\"full_attention\",\"full_attention\"]",
     "layer_types", "chunked_attention"},
    {"qwen25_window", "sliding_window", "0", "sliding_window", "must be"},
    {"qwen25_window", "max_window_layers", "-1", "max_window_layers", "must be"},
    {"qwen25_window", "use_sliding_window", "\"yes\"", "use_sliding_window", "true or false"},
    {"qwen25_window", "attention_chunk_size", "8", "attention_chunk_size", "unknown key"},
    {"qwen2_moe", "num_experts_per_tok", "500", "num_experts_per_tok", "experts"},
    {"qwen2_moe", "norm_topk_prob", NULL, "norm_topk_prob", "missing"},
    {"qwen2_moe", "shared_expert_intermediate_size", NULL, "shared_expert_intermediate_size", "missing"},
    {"qwen2_moe", "shared_expert_intermediate_size", "8", "shared_expert.gate_proj", "shape"},
    {"qwen2_moe", "shared_expert_intermediate_size", "0", "shared_expert", "unexpected"},
    {"qwen2_moe", "qkv_bias", "false", "self_attn.k_proj.bias", "unexpected"},
    {"qwen2_moe", "decoder_sparse_step", "0", "decoder_sparse_step", "must be"},
    {"gpt_oss", "swiglu_limit", "-1", "swiglu_limit", "positive"},
    {"gpt_oss", "swiglu_alpha", "1.5", "swiglu_alpha", "1.702"},
    {"gpt_oss", "experts_per_token", "1", "experts_per_token", "disagree"},
    {"gpt_oss", "attention_bias", "false", "self_attn.k_proj.bias", "unexpected"},
    {"gpt_oss", "num_local_experts", "1", "num_experts_per_tok", "experts"},
    {"gpt_oss", "head_dim", NULL, "head_dim", "missing"},
    {"gpt_oss", "sliding_window", "null", "layer_types", "sliding_window"},
    {"gemma2", "hidden_activation", "\"gelu\"", "hidden_activation", "gelu_pytorch_tanh"},
    {"gemma2", "hidden_act", "\"silu\"", "hidden_act", "gelu_pytorch_tanh"},
    {"gemma2", "attn_logit_softcapping", "-50", "attn_logit_softcapping", "positive"},
    {"gemma2", "final_logit_softcapping", "1e9", "final_logit_softcapping", "below"},
    {"gemma2", "query_pre_attn_scalar", "0", "query_pre_attn_scalar", "must be"},
    {"gemma2", "sliding_window_size", "3", "sliding_window_size", "disagree"},
    {"gemma2", "use_bidirectional_attention", "true", "use_bidirectional_attention", "not supported"},
    {"gemma3", "rope_local_base_freq", "0.5", "rope_local_base_freq", "integer"},
    {"gemma3", "sliding_window_pattern", "0", "sliding_window_pattern", "must be"},
    {"gemma3", "layer_types", "[\"sliding_attention\"]", "layer_types", "num_hidden_layers"},
    {"gemma3", "head_dim", "30", "self_attn.", "shape"},
    {"gemma3", "query_pre_attn_scalar", "\"x\"", "query_pre_attn_scalar", "number"},
    {"gemma3", "vocab_size", NULL, "model.embed_tokens.weight", "shape"},
    {"gemma3_v5", "rope_parameters", "{\"full_attention\":{\"rope_type\":\"default\"},\"other\":{}}",
     "rope_parameters.other", "unknown"},
    {"gemma3_v5", "rope_parameters", "{\"full_attention\":3}", "rope_parameters.full_attention", "object"},
    {"llama4", "no_rope_layers", "[1,2,1,1,1]", "no_rope_layers", "0 or 1"},
    {"llama4", "no_rope_layers", "[1]", "no_rope_layers", "layers"},
    {"llama4", "moe_layers", "[5]", "moe_layers", "below 5"},
    {"llama4", "moe_layers", "[0]", "feed_forward.", "missing"},
    {"llama4", "interleave_moe_layer_step", "0", "interleave_moe_layer_step", "must be"},
    {"llama4", "attention_chunk_size", "0", "attention_chunk_size", "must be"},
    {"llama4", "floor_scale", "0.5", "floor_scale", "integer"},
    {"llama4", "attn_temperature_tuning", "\"on\"", "attn_temperature_tuning", "true or false"},
    {"llama4", "intermediate_size_mlp", NULL, "intermediate_size_mlp", "missing"},
    {"llama4", "num_experts_per_tok", "300", "num_experts_per_tok", "experts"},
    {"deepseek_v2", "kv_lora_rank", "0", "kv_lora_rank", "must be"},
    {"deepseek_v2", "kv_lora_rank", "513", "kv_lora_rank", "must be"},
    {"deepseek_v2", "qk_rope_head_dim", "7", "qk_rope_head_dim", "even"},
    {"deepseek_v2", "topk_group", "100", "topk_group", "n_group"},
    {"deepseek_v2", "n_group", "5", "n_group", "multiple"},
    {"deepseek_v2", "topk_method", "\"noaux_tc\"", "topk_method", "noaux_tc"},
    {"deepseek_v2", "scoring_func", "\"sigmoid\"", "scoring_func", "sigmoid"},
    {"deepseek_v2", "num_key_value_heads", "1", "num_key_value_heads", "latent"},
    {"deepseek_v2", "q_lora_rank", "null", "self_attn.q_proj.weight", "missing"},
    {"deepseek_v2_lite", "first_k_dense_replace", NULL, "first_k_dense_replace", "missing"},
    {"deepseek_v2_lite", "routed_scaling_factor", "0", "routed_scaling_factor", "between"},
    {"deepseek_v2_lite", "q_lora_rank", "16", "q_a_proj", "missing"},
    {"deepseek_v3", "scoring_func", "\"softmax\"", "scoring_func", "softmax"},
    {"deepseek_v3", "topk_method", "\"greedy\"", "topk_method", "greedy"},
    {"deepseek_v3", "attention_bias", "true", "attention_bias", "deepseek_v3"},
    {"deepseek_v3", "rope_interleave", "false", "rope_interleave", "not supported"},
    {"deepseek_v3", "qk_head_dim", "5", "qk_head_dim", "qk_nope_head_dim"},
    {"deepseek_v3", "topk_group", "100", "topk_group", "n_group"},
    {"deepseek_v3", "v_head_dim", "385", "v_head_dim", "must be"},
    {"deepseek_v3", "index_topk", "4", "index_topk", "unknown key"},
    {"deepseek_v32", "index_topk", "0", "index_topk", "must be"},
    {"deepseek_v32", "index_head_dim", "4", "index_head_dim", "qk_rope_head_dim"},
    {"deepseek_v32", "index_n_heads", NULL, "index_n_heads", "missing"},
    {"deepseek_v32", "index_n_heads", "1", "indexer.wq_b.weight", "shape"},
    {"deepseek_v32", "q_lora_rank", "null", "q_lora_rank", "indexer"},
    {"deepseek_v32", "mlp_layer_types", "[\"dense\"]", "mlp_layer_types", "num_hidden_layers"},
    {"deepseek_v32", "n_routed_experts", "7", "n_group", "multiple"},
    {"qwen3_next", "linear_conv_kernel_dim", "3", "linear_conv_kernel_dim", "only 4"},
    {"qwen3_next", "linear_num_value_heads", "5", "linear_num_value_heads", "multiple"},
    {"qwen3_next", "linear_num_key_heads", "0", "linear_num_key_heads", "must be"},
    {"qwen3_next", "linear_value_head_dim", "257", "linear_value_head_dim", "must be"},
    {"qwen3_next", "linear_key_head_dim", NULL, "linear_key_head_dim", "missing"},
    {"qwen3_next", "partial_rotary_factor", "0.3", "partial_rotary_factor", "even"},
    {"qwen3_next", "partial_rotary_factor", "1.5", "partial_rotary_factor", "even"},
    {"qwen3_next", "full_attention_interval", "2", "model.layers.1.self_attn.q_proj.weight", "missing"},
    {"qwen3_next", "layer_types",
     "[\"full_attention\",\"linear_attention\",\"sliding_attention\",\"full_attention\",\"x\"]", "layer_types",
     "sliding_attention"},
    {"qwen3_next", "attn_output_gate", "false", "attn_output_gate", "not supported"},
};

static void family_keys(void) {
  for (size_t i = 0; i < sizeof family_cases / sizeof *family_cases; i++) try_case(&family_cases[i]);
}

static const struct vb_test tests[] = {{"config_keys", config_keys}, {"family_keys", family_keys}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"bad_config", tests, NULL, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
