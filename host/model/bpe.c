// SPDX-License-Identifier: Apache-2.0
#include "model/bpe.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

vb_result vb_merges_init(struct vb_merges *m, size_t n) {
  m->slots = 64;
  while (m->slots < 2 * n) m->slots *= 2;
  m->slot = malloc(m->slots * sizeof *m->slot);
  if (!m->slot) return vb_fail(VB_DEVICE, "out of memory for merges");
  memset(m->slot, 0xff, m->slots * sizeof *m->slot);
  return VB_OK;
}

void vb_merges_free(struct vb_merges *m) { free(m->slot); }

static struct vb_merge *probe(const struct vb_merges *m, uint64_t pair) {
  uint64_t at = (pair * 0x9e3779b97f4a7c15u) >> 20;
  for (;; at++) {
    struct vb_merge *s = &m->slot[at & (m->slots - 1)];
    if (s->pair == pair || s->pair == UINT64_MAX) return s;
  }
}

static uint64_t pair_of(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

void vb_merges_put(struct vb_merges *m, int32_t left, int32_t right, uint32_t rank, int32_t to) {
  *probe(m, pair_of(left, right)) = (struct vb_merge){pair_of(left, right), rank, to};
}

const struct vb_merge *vb_merges_get(const struct vb_merges *m, int32_t left, int32_t right) {
  const struct vb_merge *s = probe(m, pair_of(left, right));
  return s->pair == UINT64_MAX ? NULL : s;
}

// A candidate merge of the symbol at `pos` with its right neighbour. It is stale when either has changed since.
struct candidate {
  uint32_t rank, pos;
  int32_t to;
};

struct work {
  const struct vb_merges *merges;
  int32_t *id;           // -1: swallowed by the symbol on its left
  uint32_t *prev, *next; // UINT32_MAX: none
  struct candidate *heap;
  size_t count;
};

static bool before(struct candidate a, struct candidate b) {
  return a.rank != b.rank ? a.rank < b.rank : a.pos < b.pos;
}

static void push(struct work *w, uint32_t pos) {
  if (pos == UINT32_MAX || w->next[pos] == UINT32_MAX) return;
  const struct vb_merge *m = vb_merges_get(w->merges, w->id[pos], w->id[w->next[pos]]);
  if (!m) return;
  struct candidate c = {m->rank, pos, m->to};
  size_t i = w->count++;
  for (; i && before(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
  w->heap[i] = c;
}

static struct candidate pop(struct work *w) {
  struct candidate top = w->heap[0], last = w->heap[--w->count];
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < w->count; i = child) {
    if (child + 1 < w->count && before(w->heap[child + 1], w->heap[child])) child++;
    if (!before(w->heap[child], last)) break;
    w->heap[i] = w->heap[child];
  }
  w->heap[i] = last;
  return top;
}

static void merge_all(struct work *w, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    w->prev[i] = i ? i - 1 : UINT32_MAX;
    w->next[i] = i + 1 < n ? i + 1 : UINT32_MAX;
  }
  for (uint32_t i = 0; i < n; i++) push(w, i);
  while (w->count) {
    struct candidate c = pop(w);
    uint32_t right = w->id[c.pos] < 0 ? UINT32_MAX : w->next[c.pos];
    if (right == UINT32_MAX) continue;
    const struct vb_merge *m = vb_merges_get(w->merges, w->id[c.pos], w->id[right]);
    if (!m || m->to != c.to) continue;
    w->id[c.pos] = c.to;
    w->id[right] = -1;
    w->next[c.pos] = w->next[right];
    if (w->next[right] != UINT32_MAX) w->prev[w->next[right]] = c.pos;
    push(w, w->prev[c.pos]);
    push(w, c.pos);
  }
}

vb_result vb_bpe(const struct vb_merges *m, int32_t *ids, uint32_t *n) {
  if (*n < 2) return VB_OK;
  // n - 1 candidates at first, and each of at most n - 1 merges takes one out and adds two.
  struct work w = {
      m, ids, malloc(*n * sizeof *w.prev), malloc(*n * sizeof *w.next), malloc(2 * (size_t)*n * sizeof *w.heap), 0};
  bool ok = w.prev && w.next && w.heap;
  if (ok) {
    merge_all(&w, *n);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *n; i++)
      if (ids[i] >= 0) ids[kept++] = ids[i];
    *n = kept;
  }
  free(w.prev);
  free(w.next);
  free(w.heap);
  return ok ? VB_OK : vb_fail(VB_DEVICE, "out of memory for the tokenizer");
}
