// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"
#include "base/file.h"
#include "model/synthetic.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

vb_result vb_no_memory(const char *what) { return vb_fail(VB_DEVICE, "out of memory for %s", what); }

vb_result vb_read_text(struct vb_arena *a, const char *path, size_t limit, bool optional, char **text) {
  *text = NULL;
  if (access(path, F_OK)) {
    if (optional && errno == ENOENT) return VB_OK;
    return vb_fail(VB_BAD_INPUT, "cannot open: %s", strerror(errno));
  }
  char *raw;
  size_t size;
  vb_result r = vb_read_file(path, limit, &raw, &size);
  if (r != VB_OK) return r;
  *text = vb_arena_alloc(a, size + 1, 1);
  if (*text) memcpy(*text, raw, size);
  free(raw);
  if (!*text) return vb_no_memory("text file");
  if (strlen(*text) != size) return vb_fail(VB_BAD_INPUT, "byte %zu is 0: not a text file", strlen(*text));
  return VB_OK;
}

// A double (not negative) as a carrier value, rounded once.
static vb_z z_from_double(double v) {
  int e;
  double m = frexp(v, &e);
  return vb_norm((int64_t)ldexp(m, 53), e - 53);
}

vb_result vb_build_constants(struct vb_model *m) {
  const struct vb_config *c = &m->config;
  m->rope_freq = vb_arena_alloc(m->arena, c->rope.dims / 2, sizeof *m->rope_freq);
  if (!m->rope_freq) return vb_no_memory("rotary frequencies");
  vb_rope_freqs(&c->rope, m->rope_freq);
  if (c->local_rope.dims) {
    m->local_rope_freq = vb_arena_alloc(m->arena, c->local_rope.dims / 2, sizeof *m->local_rope_freq);
    if (!m->local_rope_freq) return vb_no_memory("rotary frequencies");
    vb_rope_freqs(&c->local_rope, m->local_rope_freq);
  }
  double scale = 1.4426950408889634 * c->query_scale; // log2(e): the softmax works in octaves
  if (c->attn_softcap > 0) scale *= 2 / c->attn_softcap;
  // Where the whole head is rotated, the factor of both sides' cos and sin moves out of the dot product.
  if (c->rope_mscale > 0 && c->rope.dims == c->head_dim) scale *= c->rope_mscale * c->rope_mscale;
  m->attn_scale = z_from_double(scale);
  return VB_OK;
}

static vb_result load_stored(struct vb_model *m) {
  struct stat st;
  if (stat(m->path, &st)) return vb_fail(VB_BAD_INPUT, "cannot open: %s", strerror(errno));
  vb_result r = S_ISDIR(st.st_mode) ? vb_load_directory(m) : vb_load_container(m);
  if (r == VB_OK) r = vb_strip_prefixes(m);
  if (r == VB_OK) r = vb_sort_tensors(m);
  if (r == VB_OK) r = vb_parse_config(m);
  if (r == VB_OK) r = vb_unpack_tensors(m);
  return r == VB_OK ? vb_check_tensors(m) : r;
}

enum want { WANT_RAW, WANT_TALLY, WANT_WEIGHTS };

static vb_result load(struct vb_model *m, enum want want, uint64_t expert_bytes) {
  vb_result r = vb_is_synthetic(m->path) ? vb_load_synthetic(m) : load_stored(m);
  if (r == VB_OK) r = vb_build_constants(m);
  if (r == VB_OK && want == WANT_TALLY) r = vb_tally_weights(m);
  if (r == VB_OK && want == WANT_WEIGHTS && expert_bytes) r = vb_expert_cache_create(m, expert_bytes);
  if (r == VB_OK && want == WANT_WEIGHTS) r = vb_build_weights(m);
  return r;
}

static vb_result open_model(const char *path, enum want want, uint64_t expert_bytes, struct vb_model **out) {
  *out = NULL;
  struct vb_arena *arena = vb_arena_new();
  struct vb_model *m = arena ? vb_arena_alloc(arena, 1, sizeof *m) : NULL;
  if (m) m->path = vb_arena_text(arena, path);
  if (!m || !m->path) {
    vb_arena_free(arena);
    return vb_no_memory("model");
  }
  m->arena = arena;
  size_t n = strlen(path);
  while (n > 1 && m->path[n - 1] == '/') m->path[--n] = 0;
  vb_result r = load(m, want, expert_bytes);
  if (r != VB_OK) {
    vb_arena_free(arena);
    return vb_context(r, "%.400s: ", path);
  }
  *out = m;
  return VB_OK;
}

vb_result vb_model_open(const char *path, bool raw_only, struct vb_model **out) {
  return open_model(path, raw_only ? WANT_RAW : WANT_WEIGHTS, 0, out);
}

vb_result vb_model_open_cached(const char *path, bool raw_only, uint64_t expert_bytes, struct vb_model **out) {
  return open_model(path, raw_only ? WANT_RAW : WANT_WEIGHTS, expert_bytes, out);
}

vb_result vb_model_open_tally(const char *path, struct vb_model **out) { return open_model(path, WANT_TALLY, 0, out); }

void vb_model_close(struct vb_model *m) {
  if (m) vb_arena_free(m->arena);
}

uint64_t vb_model_kv_bytes(const struct vb_model *m) {
  const struct vb_config *c = &m->config;
  uint64_t n = 0;
  for (uint32_t l = 0; l < c->layers; l++) {
    if (c->layer[l].mixer == VB_MIXER_ATTENTION)
      n += (uint64_t)c->kv_heads * (vb_rec_bytes(c->head_dim) + vb_val_bytes(c->head_dim));
    if (c->layer[l].mixer == VB_MIXER_MLA) // absorbed form: one key, whose latent is the value too
      n += vb_rec_bytes(c->kv_lora + c->rope_dim) + (c->index_topk ? vb_rec_bytes(c->index_dim) : 0);
  }
  return n;
}

uint64_t vb_model_state_bytes(const struct vb_model *m) {
  const struct vb_config *c = &m->config;
  const uint64_t cols = 2ull * c->delta_key_heads * c->delta_dk + (uint64_t)c->delta_heads * c->delta_dv;
  uint64_t n = 0;
  for (uint32_t l = 0; l < c->layers; l++)
    if (c->layer[l].mixer ==
        VB_MIXER_DELTA) // three inputs of the convolution; per head the state, its exponents, decay
      n += 3 * cols * sizeof(vb_z) + c->delta_heads * (4ull * c->delta_dk * c->delta_dv + 8ull * c->delta_dv + 4);
  return n;
}
