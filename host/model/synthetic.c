// SPDX-License-Identifier: Apache-2.0
// Elements of synthetic tensors, and which tensor gets which kind of them.
#include "model/synthetic.h"
#include "model/synthetic_options.h"
#include "num/num.h"
#include "num/rng.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { LARGEST = 131070 };             // of the sum of four 16-bit uniforms, less its mean
static const double sum_sd = 37837.22; // its standard deviation: 2 sqrt((2^32 - 1) / 12)

static int32_t gauss(uint64_t key, uint64_t i) {
  uint64_t h = vb_mix64(key + i * 0x9e3779b97f4a7c15u);
  return (int32_t)((h & 0xffff) + (h >> 16 & 0xffff) + (h >> 32 & 0xffff) + (h >> 48)) - LARGEST;
}

static uint32_t bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  u += 0x7fff + (u >> 16 & 1);
  return u & 0xffff0000u;
}

// All experts of a layer share the exponent of an output row, so it must be known without making them all: the largest
// value is planted once a row, in expert row mod experts.
static bool planted(const struct vb_made *m, uint64_t i) {
  uint32_t e = m->expert, row, col;
  if (e != UINT32_MAX) {
    row = (uint32_t)(i / m->cols), col = (uint32_t)(i % m->cols);
  } else {
    row = (uint32_t)(i % m->rows), col = (uint32_t)(i / m->rows % m->cols);
    e = (uint32_t)(i / m->rows / m->cols);
  }
  return row % m->experts == e && vb_mix64(m->row_key + row) % m->cols == col;
}

uint32_t vb_made_bits(const struct vb_made *m, uint64_t i) {
  switch (m->kind) {
  case VB_MADE_UNIFORM: return bf16(m->first + m->scale * (float)(vb_mix64(m->key + i * 0x9e3779b97f4a7c15u) >> 40));
  case VB_MADE_SKEW: return bf16(m->offset[i] + m->scale * (float)gauss(m->key, i));
  case VB_MADE_DOWN:
    if (planted(m, i)) return bf16(m->scale * (float)(gauss(m->key, i) < 0 ? -LARGEST : LARGEST));
    break;
  case VB_MADE_GAUSS: break;
  }
  return bf16(m->scale * (float)gauss(m->key, i));
}

uint8_t vb_made_down_code(const struct vb_made *m) {
  int code = vb_expb(bf16(m->scale * (float)LARGEST)) - 6;
  return (uint8_t)(code > 0 ? code : 0);
}

static bool ends(const char *name, const char *end) {
  size_t n = strlen(name), k = strlen(end);
  return n >= k && !strcmp(name + n - k, end);
}

struct maker {
  struct vb_model *m;
  const struct vb_synthetic *o;
  uint32_t room;
};

static struct vb_made gaussian(double sd) {
  return (struct vb_made){.kind = VB_MADE_GAUSS, .scale = (float)(sd / sum_sd)};
}
static struct vb_made uniform(double lo, double hi) {
  return (struct vb_made){.kind = VB_MADE_UNIFORM, .first = (float)lo, .scale = (float)((hi - lo) * 0x1p-24)};
}

// The queries' last weights scale the scores: the norm's where there is one, else the projection's.
static double peak_of(const struct maker *k, const char *name) {
  const struct vb_config *c = &k->m->config;
  bool last = c->qk_norm  ? ends(name, "self_attn.q_norm.weight")
              : c->q_lora ? ends(name, "self_attn.q_b_proj.weight")
                          : ends(name, "self_attn.q_proj.weight") || ends(name, "self_attn.q_proj.bias");
  return last ? k->o->peak : 1;
}

static struct vb_made norm_kind(const struct maker *k, const char *name) {
  bool minus_one = k->m->config.zero_centred && !ends(name, "linear_attn.norm.weight");
  double p = peak_of(k, name);
  return uniform(0.6 * p - minus_one, 1.4 * p - minus_one);
}

static struct vb_made matrix_kind(const struct maker *k, const struct vb_tensor *t) {
  const struct vb_config *c = &k->m->config;
  const bool down = (ends(t->name, ".down_proj.weight") || ends(t->name, ".w2.weight")) && strstr(t->name, ".experts.");
  const bool fused = t->rank == 3;
  struct vb_made made = gaussian(peak_of(k, t->name) / sqrt((double)t->dim[1])); // [out][in]; fused: [expert][in][out]
  if (down || (fused && ends(t->name, "experts.down_proj"))) {
    made.kind = VB_MADE_DOWN;
    made.experts = c->experts, made.rows = c->hidden, made.cols = c->moe_inter;
    made.expert = fused ? UINT32_MAX : (uint32_t)strtoul(strstr(t->name, ".experts.") + 9, NULL, 10);
  }
  return made;
}

static struct vb_made kind_of(const struct maker *k, const struct vb_tensor *t) {
  const char *name = t->name;
  if (ends(name, "norm.weight")) return norm_kind(k, name);
  if (ends(name, ".A_log")) return uniform(0, 2.7);   // decay rates 1 to 15
  if (ends(name, ".dt_bias")) return uniform(-7, -2); // softplus: 0.001 to 0.13
  if (ends(name, "conv1d.weight")) return gaussian(0.5);
  if (ends(name, ".sinks")) return gaussian(1);
  if (ends(name, ".e_score_correction_bias")) return gaussian(0.05);
  if (ends(name, ".router.bias") || ends(name, ".gate.bias")) {
    struct vb_made made = gaussian(k->m->config.family == VB_GPT_OSS ? 0.1 : 0);
    made.kind = VB_MADE_SKEW;
    return made;
  }
  if (t->rank < 2 || ends(name, "_bias")) return gaussian(0.1 * peak_of(k, name));
  return matrix_kind(k, t);
}

// ln of the expert's share of the load, up to a constant. Which expert is popular depends on the layer.
static const float *offsets(struct maker *k, uint64_t key) {
  const uint32_t n = k->m->config.experts;
  float *offset = vb_arena_alloc(k->m->arena, n, sizeof *offset);
  for (uint32_t e = 0; offset && e < n; e++) {
    if (k->o->load) {
      offset[e] = (float)log(k->o->load[e]);
      continue;
    }
    uint32_t rank = 0;
    const uint64_t mine = vb_mix64(key + e);
    for (uint32_t i = 0; i < n; i++) rank += vb_mix64(key + i) < mine;
    offset[e] = (float)(-k->o->zipf * log(1.0 + rank));
  }
  return offset;
}

// Layers keep the numbers of the whole model in their keys: layer 5 alone is layer 5 of the model.
static uint64_t key_of(const struct maker *k, const char *name) {
  static const char prefix[] = "model.layers.";
  char full[VB_MAX_NAME + 16];
  char *rest;
  if (strncmp(name, prefix, sizeof prefix - 1)) return XXH64(name, strlen(name), k->o->seed);
  unsigned long l = strtoul(name + sizeof prefix - 1, &rest, 10);
  int n = snprintf(full, sizeof full, "%s%lu%s", prefix, l + k->o->first, rest);
  return XXH64(full, (size_t)n, k->o->seed);
}

static uint64_t layer_key(const struct maker *k, const char *name) {
  char prefix[VB_MAX_NAME];
  snprintf(prefix, sizeof prefix, "%.*s", (int)(strstr(name, ".experts.") - name), name);
  return key_of(k, prefix);
}

static vb_result add(void *context, const struct vb_tensor *want) {
  struct maker *k = context;
  struct vb_model *m = k->m;
  if (m->tensor_count == k->room) { // the old list stays in the arena: at most twice the size
    uint32_t room = k->room ? 2 * k->room : 1024;
    struct vb_tensor *bigger = vb_arena_alloc(m->arena, room, sizeof *bigger);
    if (!bigger) return vb_no_memory("tensor list");
    if (k->room) memcpy(bigger, m->tensors, k->room * sizeof *bigger);
    m->tensors = bigger;
    k->room = room;
  }
  struct vb_tensor *t = &m->tensors[m->tensor_count++];
  struct vb_made *made = vb_arena_alloc(m->arena, 1, sizeof *made);
  *t = *want;
  t->name = vb_arena_text(m->arena, want->name);
  t->dtype = VB_BF16;
  if (!t->name || !made) return vb_no_memory("tensor list");
  *made = kind_of(k, t);
  made->key = key_of(k, t->name);
  if (made->kind == VB_MADE_DOWN) made->row_key = layer_key(k, t->name);
  if (made->kind == VB_MADE_SKEW && !(made->offset = offsets(k, made->key))) return vb_no_memory("router offsets");
  t->made = made;
  return VB_OK;
}

// Keep layers first..last and the tokens below vocab.
static vb_result cut(struct vb_config *c, struct vb_synthetic *o) {
  if (o->last == UINT32_MAX) o->last = c->layers - 1;
  if (o->last >= c->layers)
    return vb_fail(VB_BAD_INPUT, "layers=%u-%u: the model has layers 0 to %u", o->first, o->last, c->layers - 1);
  c->layers = o->last - o->first + 1;
  memmove(c->layer, c->layer + o->first, c->layers * sizeof *c->layer);
  memmove(c->is_moe, c->is_moe + o->first, c->layers);
  if (o->vocab > c->vocab) return vb_fail(VB_BAD_INPUT, "vocab=%u: the model has %u", o->vocab, c->vocab);
  if (o->vocab) c->vocab = o->vocab;
  if (c->bos >= (int32_t)c->vocab) c->bos = -1;
  if (c->eos >= (int32_t)c->vocab) c->eos = -1;
  if (c->embed_scale != 0) c->embed_scale = vb_embed_scale(c->hidden, VB_BF16);
  return VB_OK;
}

static vb_result apply(struct vb_config *c, const struct vb_synthetic *o) {
  const bool skewed = o->zipf > 0 || o->load;
  if (skewed && !c->experts) return vb_fail(VB_BAD_INPUT, "skew: %s has no experts", c->model_type);
  if (o->load && o->loads != c->experts)
    return vb_fail(VB_BAD_INPUT, "skew: %u loads for %u experts", o->loads, c->experts);
  if (skewed) c->router_bias = true; // the offsets are a bias of the router's logits
  if ((o->peak < 1 || o->peak > 1) && c->qk_l2)
    return vb_fail(VB_BAD_INPUT, "peak: %s normalises its queries without a weight, so nothing can scale them",
                   c->model_type);
  return VB_OK;
}

vb_result vb_load_synthetic(struct vb_model *m) {
  struct vb_synthetic o;
  vb_result r = vb_parse_synthetic(m->arena, m->path, &o);
  if (r == VB_OK) r = vb_read_text(m->arena, o.config, (size_t)16 << 20, false, &m->config_text);
  if (r == VB_OK) r = vb_parse_config(m);
  if (r == VB_OK && m->config.format != VB_FORMAT_PLAIN)
    r = vb_fail(VB_BAD_INPUT, "key 'quantization_config': synthetic weights have no storage format, take the key out");
  if (r == VB_OK) r = cut(&m->config, &o);
  if (r == VB_OK) r = apply(&m->config, &o);
  struct maker k = {.m = m, .o = &o};
  if (r == VB_OK) r = vb_walk_tensors(m, add, &k);
  return r == VB_OK ? vb_sort_tensors(m) : r;
}
