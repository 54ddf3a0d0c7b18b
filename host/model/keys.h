// SPDX-License-Identifier: Apache-2.0
/// @file keys.h
/// Typed access to the keys of config.json, and the parts of its parser. Not for other folders.
/// The first failure stays in `result`; later reads then return harmless values.
#ifndef VERBATIM_MODEL_KEYS_H
#define VERBATIM_MODEL_KEYS_H
#include "model/internal.h"
#include <jansson.h>

#define VB_CONFIG_FILE "config.json: "

struct vb_reader {
  const json_t *object;
  const char *where; ///< "" or "rope_scaling."
  vb_result result;
};
#define vb_bad(r, ...) \
  ((r)->result == VB_OK ? (void)((r)->result = vb_fail(VB_BAD_INPUT, VB_CONFIG_FILE __VA_ARGS__)) : (void)0)

/// Is the word in the list? A list is one text in which every word has a space on both sides.
bool vb_key_listed(const char *list, const char *key);
/// NULL when the key is absent or null, as in transformers.
const json_t *vb_key_find(const struct vb_reader *r, const char *key);
/// Values; `absent` is returned for a missing key, which is an error if absent < 0 (text: NULL).
uint32_t vb_key_u32(struct vb_reader *r, const char *key, uint32_t min, uint32_t max, int64_t absent);
bool vb_key_bool(struct vb_reader *r, const char *key, int absent);
double vb_key_real(struct vb_reader *r, const char *key, double absent);
const char *vb_key_text(struct vb_reader *r, const char *key, const char *absent);
/// A list (or absent: NULL); `count` 0: any length.
const json_t *vb_key_list(struct vb_reader *r, const char *key, uint32_t count);
/// Fails unless the key is absent or has this value: the class's only supported setting.
void vb_key_must_be(struct vb_reader *r, const char *key, double value);

/// What the softmax scale needs of the rotary embedding.
struct vb_rope_scale {
  double all_dim; ///< DeepSeek's mscale of mscale_all_dim; 1: none
};
void vb_parse_rope(struct vb_reader *r, struct vb_config *c, struct vb_rope_scale *scale);
/// Windows, chunks, layers without RoPE, the mixer of every layer.
void vb_parse_layers(struct vb_reader *r, struct vb_config *c);
void vb_parse_mla(struct vb_reader *r, struct vb_config *c);
void vb_parse_delta(struct vb_reader *r, struct vb_config *c);
void vb_parse_gemma(struct vb_reader *r, struct vb_config *c);
/// quantization_config, if there is one.
void vb_parse_format(struct vb_reader *r, struct vb_config *c);
void vb_parse_moe(struct vb_reader *r, struct vb_config *c);

static inline bool vb_is_deepseek(enum vb_family f) {
  return f == VB_DEEPSEEK_V2 || f == VB_DEEPSEEK_V3 || f == VB_DEEPSEEK_V32;
}
static inline bool vb_is_gemma(enum vb_family f) { return f == VB_GEMMA2 || f == VB_GEMMA3; }
#endif
