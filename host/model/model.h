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

enum vb_family {
  VB_LLAMA,
  VB_QWEN2,
  VB_QWEN3,
  VB_QWEN3_MOE
}; ///< config.json model_type llama, qwen2, qwen3, qwen3_moe

/// Architecture, with every default resolved.
struct vb_config {
  enum vb_family family;
  char model_type[32];
  uint32_t hidden, layers, heads, kv_heads, head_dim, vocab, inter, max_positions;
  double rms_eps;
  bool tied, qkv_bias, qk_norm;
  struct vb_rope_config rope;
  uint32_t experts, topk, moe_inter; ///< experts 0: dense
  bool norm_topk;
  uint8_t *is_moe;  ///< [layers]
  int32_t bos, eos; ///< token ids or -1
};

enum vb_dtype { VB_BF16, VB_F16, VB_F32 };
/// A tensor as stored; `data` is little-endian, owned by the model.
struct vb_tensor {
  const char *name;
  enum vb_dtype dtype;
  uint32_t rank;
  uint64_t dim[4];
  const void *data; ///< may be unaligned: read through the functions below
};
size_t vb_dtype_bytes(enum vb_dtype d);
const char *vb_dtype_name(enum vb_dtype d);
uint64_t vb_tensor_count(const struct vb_tensor *t);
/// Element i as IEEE float bits (all three dtypes are exact in float).
uint32_t vb_tensor_bits(const struct vb_tensor *t, uint64_t i);
/// Element i as a double, exact.
double vb_tensor_at(const struct vb_tensor *t, uint64_t i);

/// Contract weights of one layer. Pointers are NULL where the family has no such tensor.
struct vb_layer {
  vb_z *attn_norm, *ffn_norm, *q_norm, *k_norm;
  struct vb_w8 q, k, v, o;
  vb_z *q_bias, *k_bias, *v_bias;
  struct vb_w8 gate, up, down; ///< dense FFN
  struct vb_w14 router;        ///< MoE
  struct vb_experts_w experts;
};

enum vb_weight_class { VB_CLASS_ATTENTION, VB_CLASS_FFN, VB_CLASS_EXPERTS, VB_CLASS_HEAD, VB_CLASS_ROUTER, VB_CLASSES };
const char *vb_weight_class_name(enum vb_weight_class c);

/// Values changed on import (sticky flags of num.h) and the re-quantisation error, per tensor class. NaN and infinity
/// are not here: a checkpoint that holds one is refused.
struct vb_import_stats {
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
  struct vb_tensor *tensors; ///< sorted by name
  uint32_t tensor_count;
  // contract constants, always there
  uint64_t *rope_freq;                               ///< [rope.dims / 2]
  vb_z eps_hidden, sqrt_hidden, eps_head, sqrt_head; ///< eps * n and sqrt(n) for n = hidden and n = head_dim
  vb_z attn_scale;                                   ///< log2(e) / sqrt(head_dim), rounded once from double
  // contract weights, NULL or zero with raw_only
  vb_z *embed, *final_norm; ///< [vocab][hidden], [hidden]
  struct vb_w8 lm_head;
  struct vb_layer *layer; ///< [layers]
  struct vb_import_stats stats;
  struct vb_arena *arena; ///< owner of everything above
};

/// Open a model from a directory or container. Raw tensors only when `raw_only` (truth, inspect): no quantisation.
/// Errors name the file, the tensor or key, and what was expected. *out is NULL on failure.
vb_result vb_model_open(const char *path, bool raw_only, struct vb_model **out);
void vb_model_close(struct vb_model *m);
/// Tensor by its Hugging Face name, or NULL.
const struct vb_tensor *vb_model_find(const struct vb_model *m, const char *name);
/// Write the HDF5 container (raw tensors, config, tokenizer, provenance): temporary name, fsync, rename. The same model
/// always gives the same file, byte for byte.
vb_result vb_model_save(const struct vb_model *m, const char *path);
/// Bytes that one token adds to the KV cache, all layers.
uint64_t vb_model_kv_bytes(const struct vb_model *m);
/// Print architecture, tensors, parameter counts, KV-cache bytes per token and, if imported, flags and errors.
void vb_model_inspect(const struct vb_model *m, FILE *f);
#endif
