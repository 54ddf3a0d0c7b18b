// SPDX-License-Identifier: Apache-2.0
// Pairs (token, selected expert) are grouped by expert, so that each expert's weights are read once for all its tokens;
// the shared expert is one more group, of all tokens. Hidden phase: threads share (expert, rows). Down phase: threads
// share output rows, and each adds up the experts of its rows in int64, so no two threads write the same sum.
#include "cpu/cpu.h"
#include "cpu/mm8.h"
#include "cpu/scratch.h"
#include "num/expert.h"

enum { TOKENS = 512, STRETCH = 256 }; // tokens per step: bounds the scratch memory; values per activation step

/// Slots [first, first + count) of the sorted order. Rows of an expert's matrices start at expert * inter or * dim; the
/// shared one has matrices of its own.
struct group {
  bool shared;
  uint32_t expert, first, count, inter;
  uint64_t packs; ///< offset of its tiles
};

/// A token at an expert.
struct slot {
  bool shared;
  uint32_t token;
  uint64_t at; ///< index into the operator's [T * k] arrays, or the shared expert's [T]
};

/// One step: tokens [t0, t1) with everything indexed by slot, the routed ones first.
struct step {
  const struct vb_isa *isa;
  const struct vb_experts_op *op;
  uint32_t t0, t1, groups, slots, routed;
  struct group *group;
  struct slot *slot;
  struct vb_act8 *a;
  vb_z **g, **u;
  int64_t **acc;
  uint8_t *packs;
};

static bool with_shared(const struct vb_experts_op *op) {
  return op->w->shared_inter && op->e.begin <= op->w->experts && op->e.end > op->w->experts;
}

static void sort_pairs(struct step *s) {
  const struct vb_experts_op *op = s->op;
  const struct vb_experts_w *w = op->w;
  const uint32_t first = op->e.begin, end = op->e.end < w->experts ? op->e.end : w->experts;
  const uint32_t experts = first < end ? end - first : 0;
  uint32_t *at = vb_scratch((uint64_t)experts * sizeof *at), n = 0;
  memset(at, 0, experts * sizeof *at);
  s->groups = 0;
  for (uint64_t p = (uint64_t)s->t0 * op->k; p < (uint64_t)s->t1 * op->k; p++)
    if (op->ids[p] >= first && op->ids[p] < end) at[op->ids[p] - first]++;
  for (uint32_t e = 0; e < experts; e++) {
    if (at[e]) s->group[s->groups++] = (struct group){false, first + e, n, at[e], w->inter, 0};
    n += at[e];
    at[e] = n - at[e];
  }
  for (uint64_t p = (uint64_t)s->t0 * op->k; p < (uint64_t)s->t1 * op->k; p++)
    if (op->ids[p] >= first && op->ids[p] < end)
      s->slot[at[op->ids[p] - first]++] = (struct slot){false, (uint32_t)(p / op->k), p};
  free(at);
  s->routed = n;
  if (with_shared(op)) {
    s->group[s->groups++] = (struct group){true, 0, n, s->t1 - s->t0, w->shared_inter, 0};
    for (uint32_t t = s->t0; t < s->t1; t++) s->slot[n++] = (struct slot){true, t, t};
  }
  s->slots = n;
}

// Where a slot's quantised hidden values are.
static int8_t *hidden_q(const struct vb_experts_op *op, const struct slot *p) {
  return p->shared ? op->shq + p->at * op->w->shared_down.blocks * VB_BLOCK
                   : op->hq + p->at * op->w->down.blocks * VB_BLOCK;
}
static uint8_t *hidden_codes(const struct vb_experts_op *op, const struct slot *p) {
  return p->shared ? op->shcodes + p->at * op->w->shared_down.blocks : op->hcodes + p->at * op->w->down.blocks;
}

static const struct vb_w8 *gate_of(const struct step *s, const struct group *g) {
  return g->shared ? &s->op->w->shared_gate : &s->op->w->gate;
}
static const struct vb_w8 *up_of(const struct step *s, const struct group *g) {
  return g->shared ? &s->op->w->shared_up : &s->op->w->up;
}
static const struct vb_w8 *down_of(const struct step *s, const struct group *g) {
  return g->shared ? &s->op->w->shared_down : &s->op->w->down;
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
static void pack_groups(struct step *s, const struct vb_w8 *(*weights)(const struct step *, const struct group *),
                        int threads) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < s->groups; i++) {
    struct vb_range b = {0, weights(s, &s->group[i])->blocks};
    s->group[i].packs = bytes;
    bytes += vb_mm8_tiles(s->isa, s->group[i].count) * vb_mm8_tile_bytes(s->isa, b);
  }
  s->packs = vb_scratch(bytes);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(dynamic)
  for (uint32_t i = 0; i < s->groups; i++) {
    struct vb_mm8 j = job(s, weights(s, &s->group[i]), &s->group[i], 0);
    for (uint32_t t = 0; t < vb_mm8_tiles(s->isa, j.count); t++)
      vb_mm8_pack(s->isa, &j, t, s->packs + s->group[i].packs);
  }
}

static struct vb_range piece(uint32_t base, uint32_t rows, uint32_t at) {
  return (struct vb_range){base + at, base + (rows - at < VB_TILE_ROWS ? rows : at + VB_TILE_ROWS)};
}

// GPT_OSS: u = min(g, limit) * sigmoid(1.702 g) * (clamp(u) + 1), as vb_expert_act.
static void gpt_oss(const struct vb_isa *isa, vb_z limit, vb_z *g, vb_z *u, uint32_t n) {
  const vb_z alpha = 0x3fd9db23u; // 1.702
  vb_z one[STRETCH], s[STRETCH];
  for (uint32_t i = 0; i < STRETCH; i++) one[i] = VB_Z_ONE;
  for (uint32_t at = 0; at < n; at += STRETCH, g += STRETCH, u += STRETCH) {
    uint32_t some = n - at < STRETCH ? n - at : STRETCH;
    for (uint32_t i = 0; i < some; i++) {
      g[i] = vb_min(g[i], limit);
      u[i] = vb_max(vb_min(u[i], limit), vb_neg(limit));
    }
    isa->mul_scalar(g, alpha, some, s);
    isa->sigmoid(s, some, s);
    isa->mul(g, s, some, g);
    isa->add(u, one, some, u);
    isa->mul(u, g, some, u);
  }
}

static void gate_hidden(const struct step *s, uint32_t i) {
  const struct vb_experts_op *op = s->op;
  const struct vb_experts_w *w = op->w;
  const struct slot *p = &s->slot[i];
  const uint32_t inter = p->shared ? w->shared_inter : w->inter;
  vb_z scale = VB_Z_ONE, *u = s->u[i];
  if (p->shared) scale = op->shared_scale ? op->shared_scale[p->at] : VB_Z_ONE;
  else if (!w->gate_input) scale = op->gates[p->at];
  if (p->shared || w->act == VB_EXPERT_SWIGLU) s->isa->silu_mul(s->g[i], u, inter, u);
  else gpt_oss(s->isa, w->limit, s->g[i], u, inter);
  if (scale != VB_Z_ONE) s->isa->mul_scalar(u, scale, inter, u);
  (p->shared ? op->shmax : op->hmax)[p->at] = s->isa->quant_i8(u, inter, hidden_q(op, p), hidden_codes(op, p));
}

/// Quantised inputs of a step: one row a token, and one a routed slot where the gates multiply them.
struct inputs {
  int8_t *q;
  uint8_t *codes, *max;
  vb_z *scaled;
};

static void load_input(const struct step *s, const struct inputs *in, uint32_t row, const vb_z *x) {
  const uint32_t blocks = vb_blocks(s->op->w->dim);
  in->max[row] =
      s->isa->quant_i8(x, s->op->w->dim, in->q + (uint64_t)row * blocks * VB_BLOCK, in->codes + (uint64_t)row * blocks);
}

static struct inputs load_inputs(const struct step *s, int threads) {
  const struct vb_experts_op *op = s->op;
  const uint32_t dim = op->w->dim, blocks = vb_blocks(dim), tokens = s->t1 - s->t0;
  const uint32_t scaled = op->w->gate_input ? s->routed : 0;
  const uint64_t rows = (uint64_t)tokens + scaled;
  struct inputs in = {vb_scratch(rows * blocks * VB_BLOCK), vb_scratch(rows * blocks), vb_scratch(rows),
                      vb_scratch((uint64_t)scaled * dim * sizeof *in.scaled)};
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
#pragma omp for schedule(static) nowait
    for (uint32_t i = 0; i < tokens; i++) load_input(s, &in, i, op->x + (uint64_t)(s->t0 + i) * dim);
#pragma omp for schedule(static)
    for (uint32_t i = 0; i < scaled; i++) {
      vb_z *x = in.scaled + (uint64_t)i * dim;
      s->isa->mul_scalar(op->x + (uint64_t)s->slot[i].token * dim, op->gates[s->slot[i].at], dim, x);
      load_input(s, &in, tokens + i, x);
    }
  }
  for (uint32_t i = 0; i < s->slots; i++) {
    uint64_t row = i < scaled ? tokens + i : s->slot[i].token - s->t0;
    s->a[i] = (struct vb_act8){in.q + row * blocks * VB_BLOCK, in.codes + row * blocks, in.max[row]};
  }
  return in;
}

static void hidden_rows(const struct step *s, const struct group *gr, uint32_t at) {
  const struct vb_experts_w *w = s->op->w;
  const struct vb_range n = piece(gr->expert * gr->inter, gr->inter, at);
  const uint64_t bias = (uint64_t)gr->expert * gr->inter;
  struct vb_mm8 j = job(s, gate_of(s, gr), gr, gr->inter);
  j.sink = VB_MM8_Z, j.z = s->g + gr->first;
  j.bias = !gr->shared && w->gate_bias ? w->gate_bias + bias : NULL;
  vb_mm8_rows(s->isa, &j, n);
  j.w = up_of(s, gr), j.z = s->u + gr->first;
  j.bias = !gr->shared && w->up_bias ? w->up_bias + bias : NULL;
  vb_mm8_rows(s->isa, &j, n);
}

static void hidden(struct step *s, int threads) {
  const struct vb_experts_w *w = s->op->w;
  const uint32_t widest = w->inter > w->shared_inter ? w->inter : w->shared_inter;
  const uint32_t pieces = (widest + VB_TILE_ROWS - 1) / VB_TILE_ROWS;
  const uint64_t shared = (uint64_t)(s->slots - s->routed) * w->shared_inter;
  const uint64_t values = (uint64_t)s->routed * w->inter + shared;
  vb_z *g = vb_scratch(values * sizeof *g), *u = vb_scratch(values * sizeof *u);
  struct inputs in = load_inputs(s, threads);
  for (uint32_t i = 0; i < s->slots; i++) {
    uint64_t at = i < s->routed ? (uint64_t)i * w->inter
                                : (uint64_t)s->routed * w->inter + (uint64_t)(i - s->routed) * w->shared_inter;
    s->g[i] = g + at, s->u[i] = u + at;
  }
  pack_groups(s, gate_of, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
#pragma omp for schedule(dynamic)
    for (uint64_t i = 0; i < (uint64_t)s->groups * pieces; i++) {
      uint32_t at = (uint32_t)(i % pieces) * VB_TILE_ROWS;
      if (at < s->group[i / pieces].inter) hidden_rows(s, &s->group[i / pieces], at);
    }
#pragma omp for schedule(static)
    for (uint32_t i = 0; i < s->slots; i++) gate_hidden(s, i);
  }
  free(in.q), free(in.codes), free(in.max), free(in.scaled), free(g), free(u), free(s->packs);
}

// acc[t - t0][dim] = the experts' shares; tmax[t - t0] is the row's largest code.
static void down(struct step *s, const uint8_t *tmax, int64_t *acc, int threads) {
  const struct vb_experts_op *op = s->op;
  const uint32_t dim = op->w->dim;
  for (uint32_t i = 0; i < s->slots; i++) {
    const struct slot *p = &s->slot[i];
    s->a[i] = (struct vb_act8){hidden_q(op, p), hidden_codes(op, p), tmax[p->token - s->t0]};
    s->acc[i] = acc + (uint64_t)(p->token - s->t0) * dim;
  }
  memset(acc, 0, (size_t)(s->t1 - s->t0) * dim * sizeof *acc);
  pack_groups(s, down_of, threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(dynamic)
  for (uint32_t n = 0; n < dim; n += VB_TILE_ROWS)
    for (uint32_t i = 0; i < s->groups; i++) {
      struct vb_mm8 j = job(s, down_of(s, &s->group[i]), &s->group[i], dim);
      j.sink = VB_MM8_ADD, j.acc = s->acc + s->group[i].first;
      vb_mm8_rows(s->isa, &j, piece(s->group[i].expert * dim, dim, n));
    }
  free(s->packs);
}

// NORM of the finished sums, then the down biases in ascending expert order; `bias` holds two rows.
static void finish(const struct step *s, uint32_t t, const int64_t *acc, int tmax, vb_z *bias) {
  const struct vb_experts_op *op = s->op;
  const uint32_t dim = op->w->dim;
  vb_z *y = op->y + (uint64_t)t * dim, *term = bias + dim;
  s->isa->norm(acc, op->w->down.max, tmax - 254 - 8, dim, y);
  if (!op->w->down_bias) return;
  memset(bias, 0, dim * sizeof *bias);
  for (uint64_t p = (uint64_t)t * op->k; p < (uint64_t)(t + 1) * op->k; p++) {
    s->isa->mul_scalar(op->w->down_bias + (uint64_t)op->ids[p] * dim, op->gates[p], dim, term);
    s->isa->add(bias, term, dim, bias);
  }
  s->isa->add(y, bias, dim, y);
}

static void full_down(struct step *s, int threads) {
  const struct vb_experts_op *op = s->op;
  const uint32_t dim = op->w->dim, tokens = s->t1 - s->t0;
  uint8_t *tmax = vb_scratch(tokens);
  int64_t *acc = vb_scratch((uint64_t)tokens * dim * sizeof *acc);
  for (uint32_t i = 0; i < tokens; i++) {
    const uint8_t *hmax = op->hmax + (uint64_t)(s->t0 + i) * op->k;
    tmax[i] = op->w->shared_inter ? op->shmax[s->t0 + i] : 0;
    for (uint32_t k = 0; k < op->k; k++)
      if (hmax[k] > tmax[i]) tmax[i] = hmax[k];
  }
  down(s, tmax, acc, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    vb_z *bias = vb_scratch(2ull * dim * sizeof *bias);
#pragma omp for schedule(static)
    for (uint32_t i = 0; i < tokens; i++) finish(s, s->t0 + i, acc + (uint64_t)i * dim, tmax[i], bias);
    free(bias);
  }
  free(tmax), free(acc);
}

void vb_cpu_experts(const struct vb_experts_op *op, int threads) {
  if (op->t.begin >= op->t.end) return;
  const uint32_t block = op->t.end - op->t.begin < TOKENS ? op->t.end - op->t.begin : TOKENS;
  const uint64_t slots = (uint64_t)block * (op->k + (with_shared(op) ? 1 : 0));
  const uint64_t groups = op->e.end > op->e.begin ? op->e.end - op->e.begin : 0;
  struct step s = {.isa = vb_cpu_isa(), .op = op};
  s.group = vb_scratch(groups * sizeof *s.group);
  s.slot = vb_scratch(slots * sizeof *s.slot);
  s.a = vb_scratch(slots * sizeof *s.a);
  s.g = vb_scratch(slots * sizeof *s.g), s.u = vb_scratch(slots * sizeof *s.u);
  s.acc = vb_scratch(slots * sizeof *s.acc);
  threads = vb_threads(threads);
  for (s.t0 = op->t.begin; s.t0 < op->t.end; s.t0 = s.t1) {
    s.t1 = op->t.end - s.t0 < TOKENS ? op->t.end : s.t0 + TOKENS;
    sort_pairs(&s);
    if (op->mode != VB_EXPERTS_DOWN) hidden(&s, threads);
    if (op->mode == VB_EXPERTS_DOWN) down(&s, op->tmax + s.t0, op->acc + (uint64_t)s.t0 * op->w->dim, threads);
    if (op->mode == VB_EXPERTS_FULL) full_down(&s, threads);
  }
  free(s.group), free(s.slot), free(s.a), free(s.g), free(s.u), free(s.acc);
}
