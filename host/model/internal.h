// SPDX-License-Identifier: Apache-2.0
/// @file internal.h
/// Parts of vb_model_open; not for other folders. Every function adds to `m` what the earlier ones left open.
#ifndef VERBATIM_MODEL_INTERNAL_H
#define VERBATIM_MODEL_INTERNAL_H
#include "model/arena.h"
#include "model/model.h"

/// Read a whole text file (at most `limit` bytes) into the arena. A file that does not exist gives VB_OK and *text
/// NULL when `optional`. Bytes of value 0 are refused: they would hide the rest of the text.
vb_result vb_read_text(struct vb_arena *a, const char *path, size_t limit, bool optional, char **text);
/// Sources: tensors (any order), config_text, tokenizer_text. Messages name the file.
vb_result vb_load_directory(struct vb_model *m);
vb_result vb_load_container(struct vb_model *m);
/// Sort tensors by name so that vb_model_find works; a name that occurs twice is an error.
vb_result vb_sort_tensors(struct vb_model *m);
/// config_text -> config. Messages start with "config.json: ".
vb_result vb_parse_config(struct vb_model *m);
/// Element of a tensor made of parts, exact.
double vb_packed_at(const struct vb_tensor *t, uint64_t i);
/// stored -> tensors: parts of quantised tensors become one. Needs the config.
vb_result vb_unpack_tensors(struct vb_model *m);
/// Call `found` with name and shape of every tensor that the config implies, until it fails.
typedef vb_result vb_tensor_found(void *context, const struct vb_tensor *want);
vb_result vb_walk_tensors(const struct vb_model *m, vb_tensor_found *found, void *context);
/// Names, shapes and finiteness of all tensors against the config.
vb_result vb_check_tensors(struct vb_model *m);
/// m->expert_cache, before the weights are built: experts are made on demand within `limit` bytes.
vb_result vb_expert_cache_create(struct vb_model *m, uint64_t limit);
/// Contract constants (always) and contract weights.
vb_result vb_build_constants(struct vb_model *m);
vb_result vb_build_weights(struct vb_model *m);
/// m->stats alone, bit for bit those of vb_build_weights.
vb_result vb_tally_weights(struct vb_model *m);

#define VB_MAX_NAME 192 ///< bytes of a tensor name, with its NUL
vb_result vb_check_name(const char *name);

/// sqrt(hidden) in the type that a checkpoint stores its embedding in: what Gemma multiplies it by.
double vb_embed_scale(uint32_t hidden, enum vb_dtype type);

/// Tensors that are no part of the model's forward pass: rotary tables of old exporters, multi-token prediction,
/// the vision part of a wrapper. Skipped by name.
bool vb_tensor_ignored(const struct vb_model *m, const char *name);
/// Give tensors of a multimodal wrapper's text part the names that they have without it.
vb_result vb_strip_prefixes(struct vb_model *m);

/// "model.layers.L.mlp" or what the family calls its feed-forward part.
const char *vb_ffn_name(const struct vb_model *m, uint32_t l, char name[VB_MAX_NAME]);
const char *vb_router_name(const struct vb_model *m, uint32_t l, char name[VB_MAX_NAME]);
/// How a layer's experts are stored.
enum vb_expert_form {
  VB_PER_EXPERT,  ///< three tensors for each
  VB_ROWS,        ///< [E][2I][D], the gate's rows before the up projection's, and [E][D][I] (transformers 5)
  VB_COLUMNS,     ///< [E][D][2I], the gate's columns first, and [E][I][D] (Llama 4)
  VB_INTERLEAVED, ///< the same with gate and up alternating (gpt-oss)
};
enum vb_expert_form vb_expert_form(const struct vb_model *m, uint32_t l);
/// A matrix inside of a tensor: element (r, c) is number first + r * row + c * col.
struct vb_view {
  const struct vb_tensor *t;
  uint64_t first, row, col;
};
enum vb_expert_part { VB_PART_GATE, VB_PART_UP, VB_PART_DOWN };
struct vb_view vb_expert_view(const struct vb_model *m, uint32_t l, uint32_t e, enum vb_expert_part part);
/// Name of one expert's tensor, VB_PER_EXPERT only.
const char *vb_expert_name(const struct vb_model *m, uint32_t l, uint32_t e, enum vb_expert_part part,
                           char name[VB_MAX_NAME]);
/// Prefix of the shared expert's tensors.
const char *vb_shared_name(const struct vb_model *m, uint32_t l, char name[VB_MAX_NAME]);
vb_result vb_no_memory(const char *what);
#endif
