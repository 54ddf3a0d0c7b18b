// SPDX-License-Identifier: Apache-2.0
/// The host sorts (token, expert) pairs by expert into slots, so that a device reads each weight once per batch; hidden
/// values live by slot on the device and by pair in the caller's arrays. The shared expert is a second list of work,
/// with one slot per token, whose products join the same sums.
#include "num/num.h"
#include "ocl/internal.h"
#include <string.h>

struct uint4 {
  cl_uint expert, begin, end, unused;
};

/// One of the two lists: the routed experts, or the shared one.
struct list {
  uint32_t groups;
  size_t slots;
  uint32_t inter;
  const struct vb_w8 *gate, *up, *down;
  uint32_t *pair, *token; // of each slot: row of the caller's arrays, token counted from t.begin
  vb_z *scale;            // of each slot: its gate
  int8_t *hq;             // the caller's arrays
  uint8_t *hcodes, *hmax;
  cl_mem group_table, slot_table, hq_mem, hcodes_mem, htop_mem;
};

struct work {
  const struct vb_experts_op *op;
  uint32_t tokens;
  bool shared; // the shared expert is in the range
  struct list routed, common;
  uint32_t *token_slots;   // [tokens][k] of the routed list, FULL only
  cl_mem x, q, codes, top; // of the tokens, quantised
};

static bool stage_slots(struct vb_ocl *d, struct list *l, size_t most) {
  l->pair = vb_ocl_stage(d, most * sizeof *l->pair);
  l->token = vb_ocl_stage(d, most * sizeof *l->token);
  l->scale = vb_ocl_stage(d, most * sizeof *l->scale);
  return d->status == VB_OK;
}

static bool put_tables(struct vb_ocl *d, struct list *l, const struct uint4 *group, enum vb_slot groups,
                       enum vb_slot slots) {
  l->group_table = vb_ocl_put_rows(d, groups, group, l->groups * sizeof *group, l->groups * sizeof *group, 1);
  l->slot_table = vb_ocl_put_rows(d, slots, l->token, l->slots * 4, l->slots * 4, 1);
  return d->status == VB_OK;
}

static bool list_shared(struct vb_ocl *d, struct work *w) {
  const struct vb_experts_op *op = w->op;
  struct list *l = &w->common;
  struct uint4 *group = vb_ocl_stage(d, sizeof *group);
  *l = (struct list){.groups = 1,
                     .slots = w->tokens,
                     .inter = op->w->shared_inter,
                     .gate = &op->w->shared_gate,
                     .up = &op->w->shared_up,
                     .down = &op->w->shared_down,
                     .hq = op->shq,
                     .hcodes = op->shcodes,
                     .hmax = op->shmax};
  if (!stage_slots(d, l, w->tokens)) return false;
  *group = (struct uint4){0, 0, w->tokens, 0};
  for (uint32_t i = 0; i < w->tokens; i++) {
    l->pair[i] = op->t.begin + i, l->token[i] = i;
    l->scale[i] = op->shared_scale && op->mode != VB_EXPERTS_DOWN ? op->shared_scale[op->t.begin + i] : VB_Z_ONE;
  }
  return put_tables(d, l, group, S_TABLE3, S_TABLE4);
}

static bool sort_pairs(struct vb_ocl *d, struct work *w) {
  const struct vb_experts_op *op = w->op;
  uint32_t experts = op->w->experts;
  size_t pairs = (size_t)w->tokens * op->k, first = (size_t)op->t.begin * op->k;
  uint32_t *at = vb_ocl_stage(d, (experts + 1) * sizeof *at);
  struct uint4 *group = vb_ocl_stage(d, experts * sizeof *group);
  struct list *l = &w->routed;
  *l = (struct list){.inter = op->w->inter,
                     .gate = &op->w->gate,
                     .up = &op->w->up,
                     .down = &op->w->down,
                     .hq = op->hq,
                     .hcodes = op->hcodes,
                     .hmax = op->hmax};
  w->token_slots = vb_ocl_stage(d, pairs * sizeof *w->token_slots);
  if (!stage_slots(d, l, pairs)) return false;
  for (size_t p = 0; p < pairs; p++) {
    uint32_t e = op->ids[first + p];
    if (e >= experts) {
      vb_ocl_fault(d, VB_BAD_INPUT, "experts: expert %u of %u selected", e, experts);
      return false;
    }
    if (e >= op->e.begin && e < op->e.end) at[e + 1]++, l->slots++;
  }
  for (uint32_t e = 0; e < experts; e++) {
    at[e + 1] += at[e];
    if (at[e + 1] > at[e]) group[l->groups++] = (struct uint4){e, at[e], at[e + 1], 0};
  }
  for (size_t p = 0; p < pairs; p++) {
    uint32_t e = op->ids[first + p];
    if (e < op->e.begin || e >= op->e.end) continue;
    uint32_t s = at[e]++;
    l->pair[s] = (uint32_t)(first + p);
    l->token[s] = (uint32_t)(p / op->k);
    l->scale[s] = op->mode == VB_EXPERTS_DOWN ? 0 : op->gates[first + p];
    w->token_slots[p] = s;
  }
  return put_tables(d, l, group, S_TABLE, S_TABLE2);
}

/// q, codes and max of one of the weight matrices.
struct matrix {
  cl_mem q, codes, top;
};
static struct matrix matrix(struct vb_ocl *d, const struct vb_w8 *w) {
  size_t blocks = (size_t)w->rows * w->blocks;
  return (struct matrix){vb_ocl_weight(d, w->q, blocks * VB_BLOCK), vb_ocl_weight(d, w->codes, blocks),
                         vb_ocl_weight(d, w->max, w->rows)};
}

/// The tokens' activations, quantised.
static void put_tokens(struct vb_ocl *d, struct work *w) {
  const struct vb_experts_w *x = w->op->w;
  size_t row = x->dim * sizeof(vb_z), blocks = x->gate.blocks;
  w->x = vb_ocl_put_rows(d, S_X, w->op->x + (size_t)w->op->t.begin * x->dim, row, row, w->tokens);
  w->q = vb_ocl_scratch(d, S_Q, w->tokens * blocks * VB_BLOCK);
  w->codes = vb_ocl_scratch(d, S_CODES, w->tokens * blocks), w->top = vb_ocl_scratch(d, S_TOP, w->tokens);
  VB_RUN(d, "vb_quant_i8", VB_GRID(w->tokens, 1), VB_MEM(w->x), VB_MEM(w->q), VB_MEM(w->codes), VB_MEM(w->top),
         VB_U32(x->dim));
}

/// Hidden values of a list, quantised. With the gate on the input every slot has activations of its own.
static void hidden(struct vb_ocl *d, struct work *w, struct list *l) {
  const struct vb_experts_w *x = w->op->w;
  bool routed = l == &w->routed, by_slot = routed && x->gate_input;
  size_t blocks = l->gate->blocks;
  struct matrix g = matrix(d, l->gate), u = matrix(d, l->up);
  cl_mem scale = vb_ocl_put_rows(d, S_GATES, l->scale, l->slots * 4, l->slots * 4, 1);
  cl_mem q = w->q, codes = w->codes, top = w->top, none = vb_ocl_scratch(d, S_ROWS, 4);
  if (by_slot) {
    cl_mem scaled = vb_ocl_scratch(d, S_X2, l->slots * x->dim * sizeof(vb_z));
    q = vb_ocl_scratch(d, S_Q2, l->slots * blocks * VB_BLOCK);
    codes = vb_ocl_scratch(d, S_CODES2, l->slots * blocks), top = vb_ocl_scratch(d, S_TOP2, l->slots);
    VB_RUN(d, "vb_experts_input", VB_ELEMENTS(x->dim, l->slots), VB_MEM(w->x), VB_MEM(l->slot_table), VB_MEM(scale),
           VB_MEM(scaled), VB_U32(x->dim));
    VB_RUN(d, "vb_quant_i8", VB_GRID(l->slots, 1), VB_MEM(scaled), VB_MEM(q), VB_MEM(codes), VB_MEM(top),
           VB_U32(x->dim));
  }
  size_t bias_bytes = (size_t)x->experts * x->inter * sizeof(vb_z);
  cl_mem gate_bias = routed && x->gate_bias ? vb_ocl_weight(d, x->gate_bias, bias_bytes) : none;
  cl_mem up_bias = routed && x->up_bias ? vb_ocl_weight(d, x->up_bias, bias_bytes) : none;
  cl_uint biased = (gate_bias != none) | (cl_uint)(up_bias != none) << 1;
  cl_mem h = vb_ocl_scratch(d, S_H, l->slots * l->inter * sizeof(vb_z));
  VB_RUN(d, "vb_experts_hidden", VB_GRID((l->inter + 3) / 4, l->groups), VB_MEM(q), VB_MEM(codes), VB_MEM(top),
         VB_MEM(g.q), VB_MEM(g.codes), VB_MEM(g.top), VB_MEM(u.q), VB_MEM(u.codes), VB_MEM(u.top),
         VB_MEM(l->group_table), VB_MEM(l->slot_table), VB_MEM(scale), VB_MEM(gate_bias), VB_MEM(up_bias), VB_MEM(h),
         VB_U32(l->inter), VB_U32((cl_uint)blocks), VB_U32(routed ? x->act : VB_EXPERT_SWIGLU), VB_U32(x->limit),
         VB_U32(by_slot), VB_U32(biased));
  VB_RUN(d, "vb_quant_i8", VB_GRID(l->slots, 1), VB_MEM(h), VB_MEM(l->hq_mem), VB_MEM(l->hcodes_mem),
         VB_MEM(l->htop_mem), VB_U32(l->inter));
}

/// Rows of the caller's arrays into slots, and back.
static void put_slots(struct vb_ocl *d, const struct list *l, cl_mem mem, const void *host, size_t bytes) {
  char *dense = vb_ocl_stage(d, l->slots * bytes);
  for (size_t s = 0; dense && s < l->slots; s++)
    memcpy(dense + s * bytes, (const char *)host + l->pair[s] * bytes, bytes);
  if (dense) vb_ocl_put(d, mem, 0, dense, l->slots * bytes);
}
static void get_slots(struct vb_ocl *d, const struct list *l, cl_mem mem, void *host, size_t bytes) {
  const char *dense = vb_ocl_get(d, mem, 0, l->slots * bytes);
  for (size_t s = 0; dense && s < l->slots; s++)
    vb_ocl_scatter(d, (char *)host + l->pair[s] * bytes, 0, dense + s * bytes, bytes, 1);
}

/// The hidden values' place on the device, filled with the caller's in DOWN.
static void open_hidden(struct vb_ocl *d, const struct work *w, struct list *l) {
  bool routed = l == &w->routed;
  size_t blocks = l->down->blocks;
  l->hq_mem = vb_ocl_scratch(d, routed ? S_HQ : S_HQ2, l->slots * blocks * VB_BLOCK);
  l->hcodes_mem = vb_ocl_scratch(d, routed ? S_HCODES : S_HCODES2, l->slots * blocks);
  l->htop_mem = vb_ocl_scratch(d, routed ? S_HTOP : S_HTOP2, l->slots);
  if (w->op->mode != VB_EXPERTS_DOWN) return;
  put_slots(d, l, l->hq_mem, l->hq, blocks * VB_BLOCK);
  put_slots(d, l, l->hcodes_mem, l->hcodes, blocks);
}
static void get_hidden(struct vb_ocl *d, const struct list *l) {
  size_t blocks = l->down->blocks;
  get_slots(d, l, l->hq_mem, l->hq, blocks * VB_BLOCK);
  get_slots(d, l, l->hcodes_mem, l->hcodes, blocks);
  get_slots(d, l, l->htop_mem, l->hmax, 1);
}

/// A list's products into the sums; the first list clears them.
static void add_down(struct vb_ocl *d, const struct work *w, const struct list *l, cl_mem top, cl_mem acc, bool more) {
  uint32_t dim = w->op->w->dim;
  struct matrix m = matrix(d, l->down);
  VB_RUN(d, "vb_experts_down", VB_GRID((dim + 3) / 4, 1), VB_MEM(l->hq_mem), VB_MEM(l->hcodes_mem), VB_MEM(top),
         VB_MEM(m.q), VB_MEM(m.codes), VB_MEM(m.top), VB_MEM(l->group_table), VB_MEM(l->slot_table), VB_MEM(acc),
         VB_U32(dim), VB_U32(l->down->blocks), VB_U32(l->groups), VB_U32(w->tokens), VB_U32(more));
}

/// Largest code of every token: over its slots, or given.
static cl_mem token_tops(struct vb_ocl *d, const struct work *w) {
  const struct vb_experts_op *op = w->op;
  if (op->mode == VB_EXPERTS_DOWN) return vb_ocl_put_rows(d, S_L, op->tmax + op->t.begin, w->tokens, w->tokens, 1);
  size_t bytes = (size_t)w->tokens * op->k * 4;
  cl_mem slots = vb_ocl_put_rows(d, S_IDS, w->token_slots, bytes, bytes, 1), top = vb_ocl_scratch(d, S_L, w->tokens);
  VB_RUN(d, "vb_experts_top", VB_GRID(w->tokens, 1), VB_MEM(w->routed.htop_mem), VB_MEM(slots),
         VB_MEM(w->shared ? w->common.htop_mem : w->routed.htop_mem), VB_MEM(top), VB_U32(op->k), VB_U32(w->shared));
  return top;
}

static void finish(struct vb_ocl *d, const struct work *w, cl_mem acc, cl_mem top) {
  const struct vb_experts_op *op = w->op;
  uint32_t dim = op->w->dim;
  size_t row = dim * sizeof(vb_z), first = (size_t)op->t.begin * op->k, bytes = (size_t)w->tokens * op->k * 4;
  bool biased = op->w->down_bias != NULL;
  cl_mem y = vb_ocl_scratch(d, S_Y, w->tokens * row), none = vb_ocl_scratch(d, S_ROWS, 4);
  cl_mem bias = biased ? vb_ocl_weight(d, op->w->down_bias, op->w->experts * row) : none;
  cl_mem ids = biased ? vb_ocl_put_rows(d, S_LIST, op->ids + first, bytes, bytes, 1) : none;
  cl_mem gates = biased ? vb_ocl_put_rows(d, S_OFFSETS, op->gates + first, bytes, bytes, 1) : none;
  VB_RUN(d, "vb_experts_finish", VB_ELEMENTS(dim, w->tokens), VB_MEM(acc), VB_MEM(top),
         VB_MEM(matrix(d, &op->w->down).top), VB_MEM(bias), VB_MEM(ids), VB_MEM(gates), VB_MEM(y), VB_U32(dim),
         VB_U32(op->k), VB_U32(biased));
  vb_ocl_get_rows(d, y, 0, op->y + (size_t)op->t.begin * dim, row, row, w->tokens);
}

static void down(struct vb_ocl *d, const struct work *w) {
  const struct vb_experts_op *op = w->op;
  size_t row = op->w->dim * sizeof(int64_t);
  cl_mem acc = vb_ocl_scratch(d, S_ACC, w->tokens * row), top = token_tops(d, w);
  add_down(d, w, &w->routed, top, acc, false);
  if (w->shared) add_down(d, w, &w->common, top, acc, true);
  if (op->mode == VB_EXPERTS_FULL) finish(d, w, acc, top);
  else vb_ocl_get_rows(d, acc, 0, op->acc + (size_t)op->t.begin * op->w->dim, row, row, w->tokens);
}

static void experts(struct vb_ocl *d, struct work *w) {
  const struct vb_experts_op *op = w->op;
  struct list *lists[] = {&w->routed, &w->common};
  size_t count = w->shared ? 2 : 1;
  for (size_t i = 0; i < count; i++) open_hidden(d, w, lists[i]);
  if (op->mode != VB_EXPERTS_DOWN) put_tokens(d, w);
  for (size_t i = 0; i < count; i++)
    if (op->mode != VB_EXPERTS_DOWN && lists[i]->slots) hidden(d, w, lists[i]);
  if (op->mode != VB_EXPERTS_HIDDEN) down(d, w);
  for (size_t i = 0; i < count; i++)
    if (op->mode == VB_EXPERTS_HIDDEN) get_hidden(d, lists[i]);
}

vb_result vb_ocl_experts(struct vb_ocl *d, const struct vb_experts_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  const char *lacks = vb_ocl_lacks(d, VB_OCL_EXPERTS, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "experts: %s is not offered by this device", lacks);
  uint32_t all = op->w->experts + (op->w->shared_inter > 0);
  struct work w = {.op = op, .tokens = vb_count(op->t)};
  w.shared = op->w->shared_inter && op->e.begin <= op->w->experts && op->e.end > op->w->experts;
  if (op->mode == VB_EXPERTS_FULL && (op->e.begin > 0 || op->e.end < all))
    vb_ocl_fault(d, VB_BAD_INPUT, "experts: the whole operator needs all experts, not %u to %u", op->e.begin,
                 op->e.end);
  if (w.tokens && d->status == VB_OK && sort_pairs(d, &w) && (!w.shared || list_shared(d, &w))) experts(d, &w);
  return vb_ocl_end(d);
}
