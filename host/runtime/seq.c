// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec.h"
#include <stdatomic.h>
#include <stdlib.h>

static uint64_t new_id(void) {
  static atomic_uint_fast64_t next = 1;
  return atomic_fetch_add(&next, 1);
}

static bool create_cache(struct vb_kv *kv, uint32_t heads, uint32_t dk, uint32_t dv, bool values, uint32_t capacity) {
  *kv = (struct vb_kv){.heads = heads, .dk = dk, .dv = dv, .capacity = capacity, .id = new_id()};
  if (!dk) return true;
  size_t slots = (size_t)heads * capacity;
  kv->k = aligned_alloc(64, (slots * vb_rec_bytes(dk) + 63) / 64 * 64);
  if (values) kv->v = aligned_alloc(64, (slots * vb_val_bytes(dv) + 63) / 64 * 64);
  return kv->k && (kv->v || !values);
}

/// All states start as zero.
static bool create_recurrent(struct vb_recurrent *r, const struct vb_layer_state *s) {
  bool ok = true;
  for (uint32_t i = 0; i < 2; i++) {
    for (uint32_t c = 0; c < 3 && s->conv[c]; c++)
      ok &= (r->history[i][c] = calloc(3ull * s->conv[c], sizeof(vb_z))) != NULL;
    if (!s->delta_heads) continue;
    struct vb_delta_state *d = &r->delta[i];
    d->m = calloc((size_t)s->delta_heads * s->delta_dk * s->delta_dv, sizeof *d->m);
    d->c = calloc((size_t)s->delta_heads * s->delta_dv, sizeof *d->c);
    d->len = calloc((size_t)s->delta_heads * s->delta_dv, sizeof *d->len);
    d->g = calloc(s->delta_heads, sizeof *d->g);
    ok &= d->m && d->c && d->len && d->g;
  }
  return ok;
}

vb_result vb_seq_create(const struct vb_graph *g, uint32_t capacity, struct vb_seq *s) {
  const struct vb_config *c = &g->model->config;
  *s = (struct vb_seq){.layers = c->layers, .capacity = capacity};
  if (c->max_positions && capacity > c->max_positions)
    return vb_fail(VB_BAD_INPUT, "%u positions wanted, but the model has max_position_embeddings = %u", capacity,
                   c->max_positions);
  if (!capacity) return vb_fail(VB_BAD_INPUT, "a sequence needs at least one position");
  s->kv = calloc(c->layers, sizeof *s->kv);
  s->index = calloc(c->layers, sizeof *s->index);
  s->recurrent = calloc(c->layers, sizeof *s->recurrent);
  bool ok = s->kv && s->index && s->recurrent;
  for (uint32_t l = 0; ok && l < c->layers; l++) {
    const struct vb_layer_state *state = &g->state[l];
    ok = create_cache(&s->kv[l], state->kv_heads, state->dk, state->dv, !state->shared, capacity) &&
         create_cache(&s->index[l], 1, state->index_dim, 0, false, capacity) &&
         create_recurrent(&s->recurrent[l], state);
  }
  if (ok) return VB_OK;
  vb_seq_free(s);
  return vb_fail(VB_DEVICE, "out of memory for the caches of %u positions", capacity);
}

static void truncate_cache(struct vb_kv *kv, uint32_t length) {
  if (kv->length <= length) return;
  kv->length = length;
  kv->id = new_id();
}

void vb_seq_truncate(struct vb_seq *s, uint32_t length) {
  for (uint32_t l = 0; l < s->layers; l++) {
    truncate_cache(&s->kv[l], length);
    truncate_cache(&s->index[l], length);
  }
}

void vb_seq_free(struct vb_seq *s) {
  for (uint32_t l = 0; l < s->layers; l++) {
    if (s->kv) free(s->kv[l].k), free(s->kv[l].v);
    if (s->index) free(s->index[l].k);
    for (uint32_t i = 0; s->recurrent && i < 2; i++) {
      for (uint32_t c = 0; c < 3; c++) free(s->recurrent[l].history[i][c]);
      struct vb_delta_state *d = &s->recurrent[l].delta[i];
      free(d->m), free(d->c), free(d->len), free(d->g);
    }
  }
  free(s->kv);
  free(s->index);
  free(s->recurrent);
  *s = (struct vb_seq){0};
}
