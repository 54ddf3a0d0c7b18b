// SPDX-License-Identifier: Apache-2.0
/// @file editor.h
/// A checkpoint in memory that tests change and write to a temporary folder.
#ifndef VB_TESTS_MODEL_EDITOR_H
#define VB_TESTS_MODEL_EDITOR_H
#include "model/model.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct edit {
  json_t *config, *header; ///< config.json; the safetensors header without __metadata__
  uint8_t *data;
  size_t bytes;
};

/// Load a checkpoint of tests/fixtures; shards become one file. Ends the program if that fails.
struct edit edit_load(const char *fixture);
void edit_free(struct edit *e);
/// Write config.json and model.safetensors below dir. Header entries are written as they are, true or not.
void edit_save(const struct edit *e, const char *dir);
/// Append a tensor of n zero bytes.
void edit_append(struct edit *e, const char *name, const char *dtype, const char *shape_json, size_t n);
/// Bytes of a tensor in e->data.
uint8_t *edit_tensor(struct edit *e, const char *name, size_t *n);

/// Folders of all fixtures and trained checkpoints, filled by find_models (0: success).
extern const char *model_path[128];
extern size_t model_count;
int find_models(void);
/// vb_model_open whose failure is a failed check.
struct vb_model *open_model(const char *path, bool raw);
/// The same with contract weights; NULL without a failure for the one fixture whose clamp the operators do not have.
struct vb_model *open_contract(const char *path);
/// The model below dir must be refused, raw or not, as bad input whose message contains dir and both words.
void refused(const char *what, const char *dir, const char *word, const char *word2);
/// Tensor `name` of layer l.
const struct vb_tensor *layer_tensor(const struct vb_model *m, uint32_t l, const char *name);

/// A fresh folder below $TMPDIR; all of them are removed by temp_cleanup.
const char *temp_dir(void);
void temp_cleanup(void);
/// dir/file in static storage (four results stay valid).
const char *path_in(const char *dir, const char *file);
void write_bytes(const char *path, const void *data, size_t n);
uint8_t *read_bytes(const char *path, size_t *n);
#endif
