// SPDX-License-Identifier: Apache-2.0
#include "model/expert_cache.h"
#include "base/file.h"
#include "model/build.h"
#include "model/synthetic.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NONE UINT32_MAX
struct slot {            // one expert of one layer
  uint32_t newer, older; ///< in the order of use
  uint64_t stamp;        ///< of the last call that needed it
  bool there;
};
struct vb_expert_cache {
  struct slot *slot; ///< [layers][experts]
  uint32_t newest, oldest;
  uint64_t stamp, expert_bytes;
  size_t page;
  uint8_t *top; ///< [hidden]: where rows of down projections put maxima that are known already
  struct vb_expert_cache_stats stats;
};

vb_result vb_expert_cache_create(struct vb_model *m, uint64_t limit) {
  const struct vb_config *c = &m->config;
  if (!c->experts) return vb_fail(VB_BAD_INPUT, "an expert cache was asked for, but %s has no experts", c->model_type);
  struct vb_expert_cache *k = vb_arena_alloc(m->arena, 1, sizeof *k);
  if (!k) return vb_no_memory("expert cache");
  const uint64_t d = c->hidden, n = c->moe_inter, row_d = vb_blocks(c->hidden) * (VB_BLOCK + 1ull),
                 row_n = vb_blocks(c->moe_inter) * (VB_BLOCK + 1ull);
  k->expert_bytes = 2 * n * row_d + d * row_n;
  k->newest = k->oldest = NONE;
  k->page = (size_t)sysconf(_SC_PAGESIZE);
  k->stats.limit = limit;
  k->slot = vb_arena_alloc(m->arena, (size_t)c->layers * c->experts, sizeof *k->slot);
  k->top = vb_arena_alloc(m->arena, c->hidden, 1);
  if (!k->slot || !k->top) return vb_no_memory("expert cache");
  if (limit < k->expert_bytes * c->topk)
    return vb_fail(VB_BAD_INPUT,
                   "an expert cache of %" PRIu64 " bytes is too small: one token needs %u experts of %" PRIu64 " bytes",
                   limit, c->topk, k->expert_bytes);
  m->expert_cache = k;
  return VB_OK;
}

struct vb_target vb_reserve_w8(struct vb_builder *b, struct vb_w8 *w, uint32_t rows, uint32_t cols) {
  const uint64_t blocks = vb_blocks(cols);
  struct vb_target t = {.max = vb_take(b, rows, 1)};
  if (b->result == VB_OK) {
    t.q8 = vb_arena_reserve(b->m->arena, rows * blocks * VB_BLOCK);
    t.codes = vb_arena_reserve(b->m->arena, rows * blocks);
    if (!t.q8 || !t.codes) b->result = vb_no_memory("the address space of the experts");
  }
  *w = (struct vb_w8){rows, cols, (uint32_t)blocks, t.q8, t.codes, t.max};
  return t;
}

// Quantise a part of one expert into rows of `to`, without counting its error again for each time that it is made.
static vb_result make_part(const struct vb_model *m, struct vb_view view, uint32_t rows, uint32_t cols,
                           struct vb_target to) {
  struct vb_model shadow = {.arena = m->arena};
  struct vb_builder b = {&shadow, VB_OK, false};
  vb_quantise(&b, VB_CLASS_EXPERTS, view, rows, cols, to);
  return b.result;
}

static struct vb_target target(const struct vb_w8 *w) {
  return (struct vb_target){
      .q8 = (int8_t *)(uintptr_t)w->q, .codes = (uint8_t *)(uintptr_t)w->codes, .max = (uint8_t *)(uintptr_t)w->max};
}

// Largest code of every row of the down projections over all experts, as the sum over the selected ones needs it.
void vb_reserved_max(struct vb_builder *b, uint32_t l, struct vb_experts_w *w) {
  const struct vb_model *m = b->m;
  const uint32_t d = w->dim, n = w->inter;
  uint8_t *shared = (uint8_t *)(uintptr_t)w->shared_down.max, *max = (uint8_t *)(uintptr_t)w->down.max;
  uint8_t *top = vb_take(b, d, 1);
  if (!top) return;
  if (w->shared_inter) memcpy(top, shared, d);
  for (uint32_t e = 0; e < w->experts && b->result == VB_OK; e++) {
    struct vb_view view = vb_expert_view(m, l, e, VB_PART_DOWN);
    if (view.t->made) { // known without making any
      memset(m->expert_cache->top, vb_made_down_code(view.t->made), d);
    } else {
      struct vb_target to = target(&w->down);
      to.max = m->expert_cache->top;
      b->result = make_part(m, view, d, n, to); // expert 0's place, given back below
    }
    for (uint32_t r = 0; r < d; r++)
      if (m->expert_cache->top[r] > top[r]) top[r] = m->expert_cache->top[r];
    if (view.t->made) break; // the same for all
  }
  if (b->result != VB_OK) return;
  for (uint32_t e = 0; e < w->experts; e++) memcpy(max + (size_t)e * d, top, d);
  if (w->shared_inter) memcpy(shared, top, d);
  madvise((void *)(uintptr_t)w->down.q, (size_t)d * w->down.blocks * VB_BLOCK, MADV_DONTNEED);
  madvise((void *)(uintptr_t)w->down.codes, (size_t)d * w->down.blocks, MADV_DONTNEED);
}

static void unlink_slot(struct vb_expert_cache *k, uint32_t i) {
  struct slot *s = &k->slot[i];
  *(s->newer == NONE ? &k->newest : &k->slot[s->newer].older) = s->older;
  *(s->older == NONE ? &k->oldest : &k->slot[s->older].newer) = s->newer;
}

static void link_newest(struct vb_expert_cache *k, uint32_t i) {
  k->slot[i].newer = NONE;
  k->slot[i].older = k->newest;
  *(k->newest == NONE ? &k->oldest : &k->slot[k->newest].newer) = i;
  k->newest = i;
}

// Whole pages only: the ends may hold a neighbour's bytes.
static void drop_range(const struct vb_expert_cache *k, const void *base, uint64_t first, uint64_t bytes) {
  uintptr_t lo = (uintptr_t)base + first, hi = lo + bytes;
  lo = (lo + k->page - 1) / k->page * k->page;
  hi = hi / k->page * k->page;
  if (hi > lo) madvise((void *)lo, hi - lo, MADV_DONTNEED);
}

static void drop_rows(const struct vb_expert_cache *k, const struct vb_w8 *w, uint64_t first, uint64_t rows) {
  drop_range(k, w->q, first * w->blocks * VB_BLOCK, rows * w->blocks * VB_BLOCK);
  drop_range(k, w->codes, first * w->blocks, rows * w->blocks);
}

static void evict(const struct vb_model *m, uint32_t i) {
  struct vb_expert_cache *k = m->expert_cache;
  const uint32_t e = i % m->config.experts;
  const struct vb_experts_w *w = &m->layer[i / m->config.experts].experts;
  drop_rows(k, &w->gate, (uint64_t)e * w->inter, w->inter);
  drop_rows(k, &w->up, (uint64_t)e * w->inter, w->inter);
  drop_rows(k, &w->down, (uint64_t)e * w->dim, w->dim);
  unlink_slot(k, i);
  k->slot[i].there = false;
  k->stats.bytes -= k->expert_bytes;
  k->stats.evictions++;
}

static vb_result make(const struct vb_model *m, uint32_t l, uint32_t e) {
  const struct vb_experts_w *w = &m->layer[l].experts;
  struct vb_target down = vb_skip_rows(target(&w->down), (uint64_t)e * w->dim, w->down.blocks);
  down.max = m->expert_cache->top; // the shared maxima stay
  vb_result r = make_part(m, vb_expert_view(m, l, e, VB_PART_GATE), w->inter, w->dim,
                          vb_skip_rows(target(&w->gate), (uint64_t)e * w->inter, w->gate.blocks));
  if (r == VB_OK)
    r = make_part(m, vb_expert_view(m, l, e, VB_PART_UP), w->inter, w->dim,
                  vb_skip_rows(target(&w->up), (uint64_t)e * w->inter, w->up.blocks));
  return r == VB_OK ? make_part(m, vb_expert_view(m, l, e, VB_PART_DOWN), w->dim, w->inter, down) : r;
}

static vb_result bring(const struct vb_model *m, uint32_t l, uint32_t e) {
  struct vb_expert_cache *k = m->expert_cache;
  const uint32_t i = l * m->config.experts + e;
  while (k->stats.bytes + k->expert_bytes > k->stats.limit) {
    if (k->oldest == NONE || k->slot[k->oldest].stamp == k->stamp)
      return vb_fail(VB_BAD_INPUT,
                     "one call needs more experts of layer %u than the expert cache holds (%" PRIu64
                     "): raise --expert-cache, or give "
                     "fewer tokens a call (--chunk)",
                     l, k->stats.limit / k->expert_bytes);
    evict(m, k->oldest);
  }
  uint64_t start = vb_now_ns();
  vb_result r = make(m, l, e);
  if (r != VB_OK) return r;
  k->stats.make_ns += vb_now_ns() - start;
  k->stats.bytes += k->expert_bytes;
  if (k->stats.bytes > k->stats.peak) k->stats.peak = k->stats.bytes;
  k->slot[i].there = true;
  link_newest(k, i);
  return VB_OK;
}

vb_result vb_experts_need(const struct vb_model *m, uint32_t l, const uint32_t *ids, uint64_t n) {
  struct vb_expert_cache *k = m->expert_cache;
  if (!k) return VB_OK;
  k->stamp++;
  // Those that are there first: making the others must not push them out.
  for (uint64_t p = 0; p < n; p++) {
    if (ids[p] >= m->config.experts) continue;
    const uint32_t i = l * m->config.experts + ids[p];
    if (!k->slot[i].there || k->slot[i].stamp == k->stamp) continue;
    k->slot[i].stamp = k->stamp;
    k->stats.requests++;
    k->stats.hits++;
    unlink_slot(k, i);
    link_newest(k, i);
  }
  for (uint64_t p = 0; p < n; p++) {
    if (ids[p] >= m->config.experts) continue;
    const uint32_t i = l * m->config.experts + ids[p];
    if (k->slot[i].there) continue;
    k->slot[i].stamp = k->stamp;
    k->stats.requests++;
    vb_result r = bring(m, l, ids[p]);
    if (r != VB_OK) return r;
  }
  return VB_OK;
}

struct vb_expert_cache_stats vb_expert_cache_stats(const struct vb_model *m) {
  return m->expert_cache ? m->expert_cache->stats : (struct vb_expert_cache_stats){0};
}

void vb_expert_cache_print(const struct vb_model *m, FILE *f) {
  if (!m->expert_cache) return;
  const struct vb_expert_cache_stats s = m->expert_cache->stats;
  fprintf(f,
          "expert cache   limit %.2f GiB, peak %.2f GiB: %" PRIu64 " requests, %" PRIu64 " hits (%.1f %%), %" PRIu64
          " evicted, %.1f s to make experts\n",
          (double)s.limit / 0x1p30, (double)s.peak / 0x1p30, s.requests, s.hits,
          s.requests ? 100.0 * (double)s.hits / (double)s.requests : 0.0, s.evictions, (double)s.make_ns / 1e9);
}
