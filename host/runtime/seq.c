// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec.h"
#include <stdatomic.h>
#include <stdlib.h>

static uint64_t new_id(void) {
  static atomic_uint_fast64_t next = 1;
  return atomic_fetch_add(&next, 1);
}

vb_result vb_seq_create(const struct vb_model *m, uint32_t capacity, struct vb_seq *s) {
  const struct vb_config *c = &m->config;
  *s = (struct vb_seq){.layers = c->layers, .capacity = capacity};
  if (c->max_positions && capacity > c->max_positions)
    return vb_fail(VB_BAD_INPUT, "%u positions wanted, but the model has max_position_embeddings = %u", capacity, c->max_positions);
  if (!capacity) return vb_fail(VB_BAD_INPUT, "a sequence needs at least one position");
  s->kv = calloc(c->layers, sizeof *s->kv);
  for (uint32_t l = 0; s->kv && l < c->layers; l++) {
    struct vb_kv *kv = &s->kv[l];
    *kv = (struct vb_kv){.heads = c->kv_heads, .dk = c->head_dim, .dv = c->head_dim, .capacity = capacity, .id = new_id()};
    kv->k = aligned_alloc(64, ((size_t)c->kv_heads * capacity * vb_rec_bytes(kv->dk) + 63) / 64 * 64);
    kv->v = aligned_alloc(64, ((size_t)c->kv_heads * capacity * vb_val_bytes(kv->dv) + 63) / 64 * 64);
    if (!kv->k || !kv->v) {
      vb_seq_free(s);
      break;
    }
  }
  return s->kv ? VB_OK : vb_fail(VB_DEVICE, "out of memory for the KV cache of %u positions", capacity);
}

void vb_seq_truncate(struct vb_seq *s, uint32_t length) {
  if (length < s->length) s->length = length;
  for (uint32_t l = 0; l < s->layers; l++)
    if (s->kv[l].length > length) {
      s->kv[l].length = length;
      s->kv[l].id = new_id();
    }
}

void vb_seq_free(struct vb_seq *s) {
  for (uint32_t l = 0; s->kv && l < s->layers; l++) free(s->kv[l].k), free(s->kv[l].v);
  free(s->kv);
  *s = (struct vb_seq){0};
}
