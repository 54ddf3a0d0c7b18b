// SPDX-License-Identifier: Apache-2.0
// Pairs (token, selected expert) are grouped by expert, so that each expert's weights are read once for all its tokens.
// Hidden phase: threads share (expert, rows). Down phase: threads share output rows, and each adds up the experts of
// its rows in int64, so no two threads write the same sum.
#include "cpu/cpu.h"
#include "cpu/mm8.h"
#include "cpu/scratch.h"
#include "ref/ref.h"

enum { TOKENS = 512 }; // per step: bounds the scratch memory

struct group {
  uint32_t expert, first, count; ///< pairs [first, first + count) of the sorted order
  uint64_t packs;                ///< offset of its tiles
};

/// One step: tokens [t0, t1) with everything indexed by sorted pair.
struct step {
  const struct vb_isa *isa;
  const struct vb_experts_op *op;
  uint32_t t0, t1, groups, pairs;
  struct group *group;
  uint64_t *pair; ///< index into the operator's [T * k] arrays
  struct vb_act8 *a;
  vb_z **g, **u;
  int64_t **acc;
  uint8_t *packs;
};

static void sort_pairs(struct step *s) {
  const struct vb_experts_op *op = s->op;
  uint32_t first = op->e.begin, experts = op->e.end - op->e.begin;
  uint32_t *at = vb_scratch((uint64_t)experts * sizeof *at);
  memset(at, 0, experts * sizeof *at);
  s->groups = s->pairs = 0;
  for (uint64_t p = (uint64_t)s->t0 * op->k; p < (uint64_t)s->t1 * op->k; p++)
    if (op->ids[p] >= first && op->ids[p] < op->e.end) at[op->ids[p] - first]++;
  for (uint32_t e = 0; e < experts; e++) {
    if (at[e]) s->group[s->groups++] = (struct group){.expert = first + e, .first = s->pairs, .count = at[e]};
    s->pairs += at[e];
    at[e] = s->pairs - at[e];
  }
  for (uint64_t p = (uint64_t)s->t0 * op->k; p < (uint64_t)s->t1 * op->k; p++)
    if (op->ids[p] >= first && op->ids[p] < op->e.end) s->pair[at[op->ids[p] - first]++] = p;
  free(at);
}

static struct vb_mm8 job(const struct step *s, const struct vb_w8 *w, const struct group *g, uint32_t rows) {
  return (struct vb_mm8){.w = w,
                         .a = s->a + g->first,
                         .count = g->count,
                         .first = g->expert * rows,
                         .b = {0, w->blocks},
                         .packs = s->packs + g->packs};
}

// Interleave the activations of every group that is large enough. s->a is set.
static void pack_groups(struct step *s, const struct vb_w8 *w, int threads) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < s->groups; i++) {
    s->group[i].packs = bytes;
    bytes += vb_mm8_tiles(s->isa, s->group[i].count) * vb_mm8_tile_bytes(s->isa, (struct vb_range){0, w->blocks});
  }
  s->packs = vb_scratch(bytes);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(dynamic)
  for (uint32_t i = 0; i < s->groups; i++) {
    struct vb_mm8 j = job(s, w, &s->group[i], 0);
    for (uint32_t t = 0; t < vb_mm8_tiles(s->isa, j.count); t++)
      vb_mm8_pack(s->isa, &j, t, s->packs + s->group[i].packs);
  }
}

static struct vb_range piece(uint32_t base, uint32_t rows, uint32_t at) {
  return (struct vb_range){base + at, base + (rows - at < VB_TILE_ROWS ? rows : at + VB_TILE_ROWS)};
}

static void gate_hidden(const struct step *s, uint32_t i) {
  const struct vb_experts_op *op = s->op;
  const uint32_t inter = op->w->inter, blocks = op->w->down.blocks;
  const uint64_t p = s->pair[i];
  s->isa->silu_mul(s->g[i], s->u[i], inter, s->u[i]);
  s->isa->mul_scalar(s->u[i], op->gates[p], inter, s->u[i]);
  op->hmax[p] = s->isa->quant_i8(s->u[i], inter, op->hq + p * blocks * VB_BLOCK, op->hcodes + p * blocks);
}

static void hidden(struct step *s, int threads) {
  const struct vb_experts_op *op = s->op;
  const struct vb_experts_w *w = op->w;
  const uint32_t blocks = w->gate.blocks, tokens = s->t1 - s->t0;
  const uint32_t pieces = (w->inter + VB_TILE_ROWS - 1) / VB_TILE_ROWS;
  int8_t *q = vb_scratch((uint64_t)tokens * blocks * VB_BLOCK);
  uint8_t *codes = vb_scratch((uint64_t)tokens * blocks), *max = vb_scratch(tokens);
  vb_z *g = vb_scratch((uint64_t)s->pairs * w->inter * sizeof *g),
       *u = vb_scratch((uint64_t)s->pairs * w->inter * sizeof *u);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
  for (uint32_t i = 0; i < tokens; i++)
    max[i] = s->isa->quant_i8(op->x + (uint64_t)(s->t0 + i) * w->dim, w->dim, q + (uint64_t)i * blocks * VB_BLOCK,
                              codes + (uint64_t)i * blocks);
  for (uint32_t i = 0; i < s->pairs; i++) {
    uint64_t t = s->pair[i] / op->k - s->t0;
    s->a[i] = (struct vb_act8){q + t * blocks * VB_BLOCK, codes + t * blocks, max[t]};
    s->g[i] = g + (uint64_t)i * w->inter, s->u[i] = u + (uint64_t)i * w->inter;
  }
  pack_groups(s, &w->gate, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
#pragma omp for schedule(dynamic)
    for (uint64_t i = 0; i < (uint64_t)s->groups * pieces; i++) {
      const struct group *gr = &s->group[i / pieces];
      struct vb_range n = piece(gr->expert * w->inter, w->inter, (uint32_t)(i % pieces) * VB_TILE_ROWS);
      struct vb_mm8 j = job(s, &w->gate, gr, w->inter);
      j.sink = VB_MM8_Z, j.z = s->g + gr->first;
      vb_mm8_rows(s->isa, &j, n);
      j.w = &w->up, j.z = s->u + gr->first;
      vb_mm8_rows(s->isa, &j, n);
    }
#pragma omp for schedule(static)
    for (uint32_t i = 0; i < s->pairs; i++) gate_hidden(s, i);
  }
  free(q), free(codes), free(max), free(g), free(u), free(s->packs);
}

// acc[t - t0][dim] += the selected experts' shares; tmax[t - t0] is the row's largest code.
static void down(struct step *s, const uint8_t *tmax, int64_t *acc, int threads) {
  const struct vb_experts_op *op = s->op;
  const struct vb_w8 *w = &op->w->down;
  const uint32_t dim = op->w->dim;
  for (uint32_t i = 0; i < s->pairs; i++) {
    uint64_t p = s->pair[i], t = p / op->k - s->t0;
    s->a[i] = (struct vb_act8){op->hq + p * w->blocks * VB_BLOCK, op->hcodes + p * w->blocks, tmax[t]};
    s->acc[i] = acc + t * dim;
  }
  memset(acc, 0, (size_t)(s->t1 - s->t0) * dim * sizeof *acc);
  pack_groups(s, w, threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(dynamic)
  for (uint32_t n = 0; n < dim; n += VB_TILE_ROWS)
    for (uint32_t i = 0; i < s->groups; i++) {
      struct vb_mm8 j = job(s, w, &s->group[i], dim);
      j.sink = VB_MM8_ADD, j.acc = s->acc + s->group[i].first;
      vb_mm8_rows(s->isa, &j, piece(s->group[i].expert * dim, dim, n));
    }
  free(s->packs);
}

static void full_down(struct step *s, int threads) {
  const struct vb_experts_op *op = s->op;
  const uint32_t dim = op->w->dim, tokens = s->t1 - s->t0;
  uint8_t *tmax = vb_scratch(tokens);
  int64_t *acc = vb_scratch((uint64_t)tokens * dim * sizeof *acc);
  for (uint32_t i = 0; i < tokens; i++) {
    const uint8_t *hmax = op->hmax + (uint64_t)(s->t0 + i) * op->k;
    tmax[i] = 0;
    for (uint32_t k = 0; k < op->k; k++)
      if (hmax[k] > tmax[i]) tmax[i] = hmax[k];
  }
  down(s, tmax, acc, threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
  for (uint32_t i = 0; i < tokens; i++)
    s->isa->norm(acc + (uint64_t)i * dim, op->w->down.max, tmax[i] - 254 - 8, dim, op->y + (uint64_t)(s->t0 + i) * dim);
  free(tmax), free(acc);
}

// Shared experts, biases, other activations and input gates have no fast form yet: right and slow, by token.
static bool plain(const struct vb_experts_w *w) {
  return !w->shared_inter && w->act == VB_EXPERT_SWIGLU && !w->gate_input && !w->gate_bias && !w->up_bias &&
         !w->down_bias;
}
static void by_reference(const struct vb_experts_op *op, int threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(dynamic)
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    struct vb_experts_op one = *op;
    one.t = (struct vb_range){t, t + 1};
    vb_ref_experts(&one);
  }
}

void vb_cpu_experts(const struct vb_experts_op *op, int threads) {
  if (op->t.begin >= op->t.end) return;
  if (!plain(op->w)) {
    by_reference(op, vb_threads(threads));
    return;
  }
  const uint32_t block = op->t.end - op->t.begin < TOKENS ? op->t.end - op->t.begin : TOKENS;
  const uint64_t pairs = (uint64_t)block * op->k;
  const uint64_t experts = op->e.end > op->e.begin ? op->e.end - op->e.begin : 0;
  struct step s = {.isa = vb_cpu_isa(), .op = op};
  s.group = vb_scratch(experts * sizeof *s.group);
  s.pair = vb_scratch(pairs * sizeof *s.pair);
  s.a = vb_scratch(pairs * sizeof *s.a);
  s.g = vb_scratch(pairs * sizeof *s.g), s.u = vb_scratch(pairs * sizeof *s.u);
  s.acc = vb_scratch(pairs * sizeof *s.acc);
  threads = vb_threads(threads);
  for (s.t0 = op->t.begin; s.t0 < op->t.end; s.t0 = s.t1) {
    s.t1 = op->t.end - s.t0 < TOKENS ? op->t.end : s.t0 + TOKENS;
    sort_pairs(&s);
    if (op->mode != VB_EXPERTS_DOWN) hidden(&s, threads);
    if (op->mode == VB_EXPERTS_DOWN) down(&s, op->tmax + s.t0, op->acc + (uint64_t)s.t0 * op->w->dim, threads);
    if (op->mode == VB_EXPERTS_FULL) full_down(&s, threads);
  }
  free(s.group), free(s.pair), free(s.a), free(s.g), free(s.u), free(s.acc);
}
