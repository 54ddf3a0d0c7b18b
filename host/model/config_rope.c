// SPDX-License-Identifier: Apache-2.0
// Rotary embedding of config.json: rope_theta with rope_scaling (version 4), or rope_parameters (version 5, for Gemma 3
// one object per kind of layer).
#include "model/keys.h"
#include <math.h>
#include <string.h>

static const char rope_keys[] = " rope_type type rope_theta partial_rotary_factor ";
static const char llama3_keys[] = " low_freq_factor high_freq_factor original_max_position_embeddings ";
static const char yarn_keys[] = " beta_fast beta_slow truncate original_max_position_embeddings mscale mscale_all_dim ";

static void get_theta(struct vb_reader *r, const char *key, uint64_t *theta) {
  double v = vb_key_real(r, key, 10000.0);
  if (!(v >= 1 && v < 0x1p53) || v != (double)(uint64_t)v)
    vb_bad(r, "key '%s%s' is %.17g, must be an integer between 1 and 2^53", r->where, key, v);
  else *theta = (uint64_t)v;
}

// The share of a head that is rotated. Only Qwen3-Next's attention knows one.
static void parse_partial(struct vb_reader *r, const struct vb_config *c, struct vb_rope_config *rope) {
  double share = vb_key_real(r, "partial_rotary_factor", 0);
  if (!vb_key_find(r, "partial_rotary_factor")) return;
  if (c->family != VB_QWEN3_NEXT) {
    if (share < 1 || share > 1)
      vb_bad(r, "key '%spartial_rotary_factor' other than 1 is not supported for %s", r->where, c->model_type);
    return;
  }
  double dims = share * c->head_dim;
  if (!(dims >= 2 && dims <= c->head_dim) || (uint32_t)dims % 2)
    vb_bad(r, "key '%spartial_rotary_factor' is %g: it must leave an even number of dimensions, 2 to %u", r->where,
           share, c->head_dim);
  else rope->dims = (uint32_t)dims;
}

static double mscale(double factor, double m) { return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1; }

static void parse_yarn(struct vb_reader *r, struct vb_config *c, struct vb_rope_config *rope,
                       struct vb_rope_scale *scale) {
  // Rounded to the grid of the integer definition; published values are whole numbers.
  rope->high_freq = nearbyint(vb_key_real(r, "beta_fast", 32) * 0x1p20) * 0x1p-20;
  rope->low_freq = nearbyint(vb_key_real(r, "beta_slow", 1) * 0x1p20) * 0x1p-20;
  rope->truncate = vb_key_bool(r, "truncate", 1);
  rope->original_length = vb_key_u32(r, "original_max_position_embeddings", 1, UINT32_MAX, -1);
  double m = vb_key_real(r, "mscale", 0), all = vb_key_real(r, "mscale_all_dim", 0);
  if (vb_is_deepseek(c->family)) { // its own code: the quotient always, and the square of the second in the softmax
    c->rope_mscale = mscale(rope->factor, vb_key_find(r, "mscale") ? m : 1) / mscale(rope->factor, all);
    scale->all_dim = mscale(rope->factor, all);
  } else if (vb_key_find(r, "attention_factor")) {
    c->rope_mscale = vb_key_real(r, "attention_factor", -1);
  } else {
    c->rope_mscale = m > 0 && all > 0 ? mscale(rope->factor, m) / mscale(rope->factor, all) : mscale(rope->factor, 1);
  }
  if (!(c->rope_mscale > 0x1p-20 && c->rope_mscale < 0x1p20))
    vb_bad(r, "keys of '%s': the attention factor %g must be between 2^-20 and 2^20", r->where, c->rope_mscale);
}

// The inner object of rope_scaling or rope_parameters.
static void parse_object(struct vb_reader *r, struct vb_config *c, struct vb_rope_config *rope,
                         struct vb_rope_scale *scale) {
  const char *type = vb_key_text(r, "rope_type", vb_key_text(r, "type", "default"));
  if (vb_key_find(r, "rope_type") && vb_key_find(r, "type") && strcmp(type, vb_key_text(r, "type", "")))
    vb_bad(r, "keys '%srope_type' and '%stype' disagree", r->where, r->where);
  if (!strcmp(type, "default")) rope->scaling = VB_ROPE_DEFAULT;
  else if (!strcmp(type, "linear")) rope->scaling = VB_ROPE_LINEAR;
  else if (!strcmp(type, "llama3")) rope->scaling = VB_ROPE_LLAMA3;
  else if (!strcmp(type, "yarn")) rope->scaling = VB_ROPE_YARN;
  else vb_bad(r, "key '%srope_type' is '%.40s', supported are default, linear, llama3 and yarn", r->where, type);

  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
    bool known = vb_key_listed(rope_keys, key) || (rope->scaling != VB_ROPE_DEFAULT && !strcmp(key, "factor")) ||
                 (rope->scaling == VB_ROPE_LLAMA3 && vb_key_listed(llama3_keys, key)) ||
                 (rope->scaling == VB_ROPE_YARN && vb_key_listed(yarn_keys, key)) ||
                 (rope->scaling == VB_ROPE_YARN && !strcmp(key, "attention_factor") && !vb_is_deepseek(c->family));
    if (!known) vb_bad(r, "key '%s%.80s' is unknown for rope_type '%.40s'", r->where, key, type);
  }
  parse_partial(r, c, rope);
  if (rope->scaling != VB_ROPE_DEFAULT) rope->factor = vb_key_real(r, "factor", -1);
  if (rope->scaling == VB_ROPE_LLAMA3) {
    rope->low_freq = vb_key_real(r, "low_freq_factor", -1);
    rope->high_freq = vb_key_real(r, "high_freq_factor", -1);
    rope->original_length = vb_key_u32(r, "original_max_position_embeddings", 1, UINT32_MAX, -1);
  }
  if (rope->scaling == VB_ROPE_YARN) parse_yarn(r, c, rope, scale);
}

// Parameters of one kind of layer below rope_parameters.
static bool parse_kind(struct vb_reader *r, const json_t *object, const char *where, struct vb_config *c,
                       struct vb_rope_config *rope, struct vb_rope_scale *scale) {
  if (!object) return false;
  if (!json_is_object(object)) {
    vb_bad(r, "key '%.*s' must be an object", (int)strlen(where) - 1, where);
    return false;
  }
  struct vb_reader in = {object, where, r->result};
  bool theta = vb_key_find(&in, "rope_theta");
  if (theta) get_theta(&in, "rope_theta", &rope->theta);
  parse_object(&in, c, rope, scale);
  r->result = in.result;
  return theta;
}

static void check(struct vb_reader *r, const struct vb_rope_config *rope) {
  const char *why = r->result == VB_OK ? vb_rope_valid(rope) : NULL;
  if (why) vb_bad(r, "rotary embedding: %s", why);
}

// Gemma 3: windowed layers have a rotary embedding of their own, unscaled.
static void parse_local(struct vb_reader *r, struct vb_config *c, const json_t *by_layer) {
  c->local_rope = (struct vb_rope_config){.dims = c->head_dim, .theta = 10000};
  if (vb_key_find(r, "rope_local_base_freq")) get_theta(r, "rope_local_base_freq", &c->local_rope.theta);
  double main_scale = c->rope_mscale;
  struct vb_rope_scale none;
  if (by_layer)
    parse_kind(r, json_object_get(by_layer, "sliding_attention"), "rope_parameters.sliding_attention.", c,
               &c->local_rope, &none);
  if (c->local_rope.scaling == VB_ROPE_YARN || main_scale != 0)
    vb_bad(r, "rotary embedding: yarn is not supported for %s", c->model_type);
  check(r, &c->local_rope);
}

void vb_parse_rope(struct vb_reader *r, struct vb_config *c, struct vb_rope_scale *scale) {
  scale->all_dim = 1;
  c->rope = (struct vb_rope_config){.dims = c->rope_dim ? c->rope_dim : c->head_dim, .theta = 10000};
  if (c->family == VB_QWEN3_NEXT) c->rope.dims = c->head_dim / 4; // the class's partial_rotary_factor
  if (c->family == VB_GEMMA3) c->rope.theta = 1000000;
  parse_partial(r, c, &c->rope);
  // Old llama and Gemma files have no theta at all; every other family writes it, here or inside rope_parameters.
  bool outer = vb_key_find(r, "rope_theta"), inner = false;
  bool optional = c->family == VB_LLAMA || c->family == VB_MISTRAL || vb_is_gemma(c->family);
  if (outer) get_theta(r, "rope_theta", &c->rope.theta);
  const char *name = vb_key_find(r, "rope_parameters") ? "rope_parameters" : "rope_scaling";
  const json_t *object = vb_key_find(r, name), *by_layer = NULL;
  if (vb_key_find(r, "rope_parameters") && vb_key_find(r, "rope_scaling"))
    vb_bad(r, "keys 'rope_parameters' and 'rope_scaling' exclude each other");
  const char *where = !strcmp(name, "rope_scaling") ? "rope_scaling." : "rope_parameters.";
  if (object && !json_is_object(object)) vb_bad(r, "key '%s' must be an object", name);
  if (c->family == VB_GEMMA3 && json_object_get(object, "full_attention")) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key,
                        value) if (!vb_key_listed(" full_attention sliding_attention ", key))
        vb_bad(r, "key '%s%.80s' is unknown beside full_attention and sliding_attention", where, key);
    by_layer = object;
    object = json_object_get(object, "full_attention");
    where = "rope_parameters.full_attention.";
  }
  uint64_t theta = c->rope.theta;
  if (object) inner = parse_kind(r, object, where, c, &c->rope, scale);
  if (outer && theta != c->rope.theta) vb_bad(r, "keys 'rope_theta' and '%srope_theta' disagree", where);
  if (!outer && !inner && !optional) vb_bad(r, "key 'rope_theta' is missing");
  check(r, &c->rope);
  if (c->family == VB_GEMMA3) parse_local(r, c, by_layer);
}
