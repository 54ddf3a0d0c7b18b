// SPDX-License-Identifier: Apache-2.0
/// @file model.h
/// A model: its architecture, its raw tensors exactly as the checkpoint stores them, and its contract weights.
///
/// Raw tensors feed the fp64 algorithm truth; contract weights (I8/I14 blocks, carrier constants) feed every device.
/// A model comes from a Hugging Face directory or from our HDF5 container; both give the same bits.
#ifndef VERBATIM_MODEL_MODEL_H
#define VERBATIM_MODEL_MODEL_H
#include "num/rope.h"
#include "verbatim/ops.h"
#include "verbatim/result.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/// By config.json model_type (text models; multimodal wrappers give their text_config).
enum vb_family {
  VB_LLAMA,
  VB_QWEN2,
  VB_QWEN3,
  VB_QWEN3_MOE, // first, in this order
  VB_MISTRAL,
  VB_MIXTRAL,
  VB_QWEN2_MOE,
  VB_QWEN3_NEXT,
  VB_LLAMA4,
  VB_DEEPSEEK_V2,
  VB_DEEPSEEK_V3,
  VB_DEEPSEEK_V32,
  VB_GPT_OSS,
  VB_GEMMA2,
  VB_GEMMA3
};

/// What mixes tokens in a layer.
enum vb_mixer { VB_MIXER_ATTENTION, VB_MIXER_MLA, VB_MIXER_DELTA };
struct vb_layer_config {
  enum vb_mixer mixer;
  uint32_t window, chunk; ///< 0: none
  bool rope;              ///< false: no position embedding (Llama 4)
  bool local_rope;        ///< uses vb_config.local_rope (Gemma 3)
  bool moe;
};

/// How the checkpoint stores its large matrices (docs/models.md).
enum vb_format { VB_FORMAT_PLAIN, VB_FORMAT_FP8, VB_FORMAT_MXFP4, VB_FORMAT_GPTQ, VB_FORMAT_AWQ };

/// Architecture, with every default resolved.
struct vb_config {
  enum vb_family family;
  char model_type[32];
  uint32_t hidden, layers, heads, kv_heads, head_dim, vocab, inter, max_positions;
  double rms_eps;
  bool tied, qkv_bias, qk_norm;
  struct vb_rope_config rope, local_rope;
  double rope_mscale;                ///< multiplier of cos and sin (YaRN's attention factor); 0 or 1: none
  bool rope_pairs;                   ///< PAIR layout instead of HALF, for the main attention
  uint32_t experts, topk, moe_inter; ///< experts 0: dense
  bool norm_topk;
  uint8_t *is_moe;               ///< [layers]
  struct vb_layer_config *layer; ///< [layers]
  int32_t bos, eos;              ///< token ids or -1
  // further attention
  bool o_bias, sinks, qk_l2,
      out_gate;      ///< qk_l2: weightless RMS norm of q and k after RoPE; out_gate: o * sigmoid(gate) (Qwen3-Next)
  bool zero_centred; ///< norm weights are stored minus one
  bool sandwich;     ///< norms after attention and FFN too (Gemma)
  bool gelu;         ///< GELU-tanh instead of SiLU
  double attn_softcap, final_softcap; ///< 0: none
  double
      query_scale; ///< softmax scale; head_dim^-1/2 unless the family says otherwise; YaRN mscale^2 of DeepSeek folded in
  double embed_scale; ///< 0: none
  double temperature; ///< Llama 4 attn_scale on layers without RoPE; 0: none
  uint32_t floor_scale;
  // MLA (head_dim is nope + rope)
  uint32_t q_lora, kv_lora, nope_dim, rope_dim, v_dim;
  // DSA
  uint32_t index_heads, index_dim, index_topk;
  bool index_hadamard;
  // gated delta rule
  uint32_t delta_key_heads, delta_heads, delta_dk, delta_dv;
  // MoE
  enum vb_score score;
  uint32_t groups, topk_groups, group_top;
  double routed_scale;
  bool correction_bias, router_bias, gate_input, shared_gated, expert_bias;
  enum vb_expert_act expert_act;
  double swiglu_limit;   ///< clamp of GPT_OSS
  uint32_t shared_inter; ///< 0: no shared expert
  bool wrapper;          ///< the text part of a multimodal model
  // quantization_config
  enum vb_format format;
  uint32_t group;                  ///< input channels that share a scale (GPTQ, AWQ); 0: all
  uint32_t block_rows, block_cols; ///< FP8
  bool zeros_minus_one;            ///< GPTQ's first format
  bool act_order;                  ///< GPTQ with desc_act: groups are no runs of channels
};

enum vb_dtype {
  VB_BF16,
  VB_F16,
  VB_F32,
  VB_F8_E4M3,
  VB_F8_E8M0,
  VB_U8,
  VB_I32, // parts of quantised tensors
  VB_FP8_BLOCK,
  VB_MXFP4,
  VB_GPTQ4,
  VB_AWQ4, // made of several parts; data is NULL
};
/// The stored parts of a quantised tensor.
struct vb_packed {
  const struct vb_tensor *q, *scales, *zeros, *groups; ///< zeros, groups: NULL if there are none
  uint32_t group;                                      ///< input channels a scale serves
  uint32_t block_rows, block_cols;
  bool zeros_minus_one;
};
/// A tensor; `data` is little-endian, owned by the model.
struct vb_tensor {
  const char *name;
  enum vb_dtype dtype;
  uint32_t rank;
  uint64_t dim[4];
  const void *data;               ///< may be unaligned: read through the functions below
  const struct vb_packed *packed; ///< NULL unless dtype is VB_FP8_BLOCK or behind it
  const struct vb_made *made;     ///< synthetic weights: how its elements are made (data is NULL), otherwise NULL
};
size_t vb_dtype_bytes(enum vb_dtype d); ///< 0 for tensors made of parts
const char *vb_dtype_name(enum vb_dtype d);
uint64_t vb_tensor_count(const struct vb_tensor *t);
/// Element i as IEEE float bits. Exact but for FP8 with scales that are no power of two (rounded once, to nearest).
/// Parts of quantised tensors have no elements of their own.
uint32_t vb_tensor_bits(const struct vb_tensor *t, uint64_t i);
/// Element i as a double, exact.
double vb_tensor_at(const struct vb_tensor *t, uint64_t i);

/// Contract weights of one layer. Pointers are NULL where the family has no such tensor.
struct vb_layer {
  vb_z *attn_norm, *ffn_norm, *q_norm, *k_norm;
  struct vb_w8 q, k, v, o;
  vb_z *q_bias, *k_bias, *v_bias, *o_bias, *sinks;
  vb_z *post_attn_norm, *post_ffn_norm; ///< sandwich norms
  struct vb_w8 gate, up, down;          ///< dense FFN
  struct vb_w14 router;                 ///< MoE
  vb_z *router_bias, *correction_bias;
  struct vb_experts_w experts;
  struct vb_w8 shared_expert_gate; ///< one row: logit of the shared expert's gate (Qwen2-MoE, Qwen3-Next)
  // MLA: q = q_b(norm(q_a x)), or .q without q_lora; kv_a gives [latent | rope key]
  struct vb_w8 q_a, q_b, kv_a;
  vb_z *q_a_norm, *kv_a_norm;
  struct vb_w8 k_b, v_b; ///< naive form: rows heads * nope, heads * v
  struct vb_w8 uk, uv;   ///< absorbed form, groups = heads: rows heads * kv_lora (cols nope), heads * v (cols kv_lora)
  // DSA indexer
  struct vb_w8 index_q, index_k, index_w;
  vb_z *index_norm, *index_norm_bias;
  // gated delta rule: rows of in_proj_qkvz and in_proj_ba as stored, grouped by key head
  struct vb_w8 qkvz, ba;
  vb_z *conv;         ///< [2 * key_heads * dk + heads * dv][4]: q, k, v channels
  vb_z *ea, *dt_bias; ///< [heads]
  vb_z *delta_norm;   ///< [dv]
};

enum vb_weight_class { VB_CLASS_ATTENTION, VB_CLASS_FFN, VB_CLASS_EXPERTS, VB_CLASS_HEAD, VB_CLASS_ROUTER, VB_CLASSES };
const char *vb_weight_class_name(enum vb_weight_class c);

/// Values changed on import (sticky flags of num.h) and the re-quantisation error, per tensor class. NaN and infinity
/// are not here: a checkpoint that holds one is refused.
struct vb_import_stats {
  bool complete; ///< all weights are counted; false if the model was opened raw
  unsigned flags;
  uint64_t flushed, saturated;               ///< below 2^-62 (became 0), from 2^64 on
  double err2[VB_CLASSES], ref2[VB_CLASSES]; ///< sums of squares: error of the block formats, reference
};

struct vb_model {
  char *path;
  struct vb_config config;
  char *config_text;         ///< config.json, verbatim
  char *tokenizer_text;      ///< tokenizer.json or NULL
  char *source;              ///< name of the checkpoint that a container was made from; otherwise NULL
  char *created_by;          ///< program and version that wrote the container; otherwise NULL
  struct vb_tensor *tensors; ///< sorted by name; quantised ones by the name and shape that they have unquantised
  uint32_t tensor_count;
  struct vb_tensor *stored; ///< the same as the file has them: what a container holds
  uint32_t stored_count;
  // contract constants, always there
  uint64_t *rope_freq; ///< [rope.dims / 2]
  vb_z attn_scale;     ///< log2(e) * query_scale (soft-capped: 2 log2(e) query_scale / cap), rounded once from double
  uint64_t *local_rope_freq; ///< [local_rope.dims / 2] (Gemma 3), or NULL
  // contract weights, NULL or zero with raw_only and after vb_model_open_tally
  vb_z *embed, *final_norm; ///< [vocab][hidden], [hidden]
  struct vb_w8 lm_head;
  struct vb_layer *layer; ///< [layers]
  struct vb_import_stats stats;
  struct vb_expert_cache *expert_cache; ///< experts are made on demand (expert_cache.h); NULL: all are there
  struct vb_arena *arena;               ///< owner of everything above
};

/// Open a model from a directory or container. Raw tensors only when `raw_only` (truth, inspect): no quantisation.
/// Errors name the file, the tensor or key, and what was expected. *out is NULL on failure.
/// `path` may describe a model without a checkpoint: "synthetic:CONFIG?..." (synthetic.h).
vb_result vb_model_open(const char *path, bool raw_only, struct vb_model **out);
/// The same, with the experts' contract weights made when they are needed, at most `expert_bytes` of them at a time
/// (0: all at once). Only devices that read the model's own memory can then run experts.
vb_result vb_model_open_cached(const char *path, bool raw_only, uint64_t expert_bytes, struct vb_model **out);
/// The same without contract weights, but with the `stats` that making them gives, bit for bit. Beside mapped files it
/// needs a few rows per thread and some bytes per row of one matrix.
vb_result vb_model_open_tally(const char *path, struct vb_model **out);
/// Does the path describe made-up weights?
bool vb_is_synthetic(const char *path);
void vb_model_close(struct vb_model *m);
/// Tensor by its Hugging Face name, or NULL.
const struct vb_tensor *vb_model_find(const struct vb_model *m, const char *name);
/// Write the HDF5 container (raw tensors, config, tokenizer, provenance): temporary name, fsync, rename. The same model
/// always gives the same file, byte for byte.
vb_result vb_model_save(const struct vb_model *m, const char *path);
/// Bytes that one token adds to the KV cache, all layers; formula in docs/models.md.
uint64_t vb_model_kv_bytes(const struct vb_model *m);
/// Bytes of recurrent state that a sequence has whatever its length.
uint64_t vb_model_state_bytes(const struct vb_model *m);
/// Print architecture, tensors, parameter counts, KV-cache bytes per token and, if imported, flags and errors.
void vb_model_inspect(const struct vb_model *m, FILE *f);
#endif
