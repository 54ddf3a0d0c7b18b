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
/// Names, shapes and finiteness of all tensors against the config.
vb_result vb_check_tensors(struct vb_model *m);
/// Contract constants (always) and contract weights.
vb_result vb_build_constants(struct vb_model *m);
vb_result vb_build_weights(struct vb_model *m);

#define VB_MAX_NAME 192 ///< bytes of a tensor name, with its NUL
vb_result vb_check_name(const char *name);
/// Is layer l stored with its experts fused into two tensors (transformers 5) instead of three per expert?
bool vb_fused_experts(const struct vb_model *m, uint32_t l);
vb_result vb_no_memory(const char *what);
#endif
