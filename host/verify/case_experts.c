// SPDX-License-Identifier: Apache-2.0
#include "verify/case_experts.h"
#include <string.h>

struct kept {
  struct vb_arena *a;
  uint32_t *before; ///< [experts + 1] kept experts below this number
  uint8_t *use;     ///< [experts]
  uint32_t experts, count;
  bool failed;
};

/// Rows of the kept experts, `row` bytes each, `rows` an expert.
static void *take(struct kept *k, const void *from, uint64_t rows, uint64_t row) {
  uint8_t *to = from ? vb_arena_alloc(k->a, k->count * rows, row) : NULL;
  k->failed |= from && !to;
  for (uint32_t e = 0; to && e < k->experts; e++)
    if (k->use[e]) memcpy(to + k->before[e] * rows * row, (const uint8_t *)from + e * rows * row, rows * row);
  return to;
}

static void compact(struct kept *k, struct vb_w8 *w, uint32_t rows) {
  w->q = take(k, w->q, rows, (uint64_t)w->blocks * VB_BLOCK);
  w->codes = take(k, w->codes, rows, w->blocks);
  w->max = take(k, w->max, rows, 1);
  w->rows = k->count * rows;
}

/// Bounds of the experts' axis; behind the last one is the shared expert.
static uint32_t bound(const struct kept *k, uint32_t e) { return e > k->experts ? k->count + 1 : k->before[e]; }

vb_result vb_case_compact_experts(struct vb_case_op *c, struct vb_arena *a) {
  struct vb_experts_op *o = &c->op.experts;
  struct vb_experts_w *w = &c->experts;
  const uint64_t pairs = (uint64_t)o->t.end * o->k;
  struct kept k = {.a = a, .experts = w->experts};
  for (uint64_t p = 0; p < pairs; p++)
    if (o->ids[p] >= w->experts) return VB_OK;
  k.use = vb_arena_alloc(a, w->experts, 1);
  k.before = vb_arena_alloc(a, w->experts + 1ull, sizeof *k.before);
  uint32_t *ids = vb_arena_alloc(a, pairs, sizeof *ids);
  if (!k.use || !k.before || !ids) return vb_fail(VB_DEVICE, "out of memory for a case");
  for (uint64_t p = 0; p < pairs; p++) k.use[o->ids[p]] = 1;
  if (!pairs) k.use[0] = 1; // an operator needs an expert
  for (uint32_t e = 0; e < w->experts; e++) k.before[e + 1] = k.count += k.use[e];
  for (uint64_t p = 0; p < pairs; p++) ids[p] = k.before[o->ids[p]];
  compact(&k, &w->gate, w->inter);
  compact(&k, &w->up, w->inter);
  compact(&k, &w->down, w->dim);
  w->gate_bias = take(&k, w->gate_bias, w->inter, sizeof *w->gate_bias);
  w->up_bias = take(&k, w->up_bias, w->inter, sizeof *w->up_bias);
  w->down_bias = take(&k, w->down_bias, w->dim, sizeof *w->down_bias);
  if (k.failed) return vb_fail(VB_DEVICE, "out of memory for a case");
  w->experts = k.count;
  o->ids = ids;
  o->e = (struct vb_range){bound(&k, o->e.begin), bound(&k, o->e.end)};
  return VB_OK;
}
