// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"
#include "base/file.h"
#include "model/internal.h"
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
  m->eps_hidden = z_from_double(c->rms_eps * c->hidden);
  m->eps_head = z_from_double(c->rms_eps * c->head_dim);
  m->sqrt_hidden = z_from_double(sqrt(c->hidden));
  m->sqrt_head = z_from_double(sqrt(c->head_dim));
  m->attn_scale = z_from_double(1.4426950408889634 * c->query_scale); // log2(e): the softmax works in octaves
  return VB_OK;
}

static vb_result load(struct vb_model *m, bool raw_only) {
  struct stat st;
  if (stat(m->path, &st)) return vb_fail(VB_BAD_INPUT, "cannot open: %s", strerror(errno));
  vb_result r = S_ISDIR(st.st_mode) ? vb_load_directory(m) : vb_load_container(m);
  if (r == VB_OK) r = vb_sort_tensors(m);
  if (r == VB_OK) r = vb_parse_config(m);
  if (r == VB_OK) r = vb_check_tensors(m);
  if (r == VB_OK) r = vb_build_constants(m);
  if (r == VB_OK && !raw_only) r = vb_build_weights(m);
  return r;
}

vb_result vb_model_open(const char *path, bool raw_only, struct vb_model **out) {
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
  vb_result r = load(m, raw_only);
  if (r != VB_OK) {
    vb_arena_free(arena);
    return vb_context(r, "%.400s: ", path);
  }
  *out = m;
  return VB_OK;
}

void vb_model_close(struct vb_model *m) {
  if (m) vb_arena_free(m->arena);
}

uint64_t vb_model_kv_bytes(const struct vb_model *m) {
  const struct vb_config *c = &m->config;
  return (uint64_t)c->layers * c->kv_heads * (vb_rec_bytes(c->head_dim) + vb_val_bytes(c->head_dim));
}
