// SPDX-License-Identifier: Apache-2.0
/// The host sorts (token, expert) pairs by expert into slots, so that a device reads each weight once per batch; hidden
/// values live by slot on the device and by pair in the caller's arrays.
#include "ocl/internal.h"
#include <string.h>

struct uint4 {
  cl_uint expert, begin, end, unused;
};

struct work {
  const struct vb_experts_op *op;
  uint32_t tokens, groups;
  size_t slots;
  uint32_t *pair, *token; // of each slot: index into the caller's arrays, token counted from t.begin
  vb_z *gate;
  uint32_t *token_slots; // [tokens][k], FULL only
  cl_mem group_table, slot_table, hq, hcodes, htop;
};

static bool sort_pairs(struct vb_ocl *d, struct work *w) {
  const struct vb_experts_op *op = w->op;
  uint32_t experts = op->w->experts;
  size_t pairs = (size_t)w->tokens * op->k, first = (size_t)op->t.begin * op->k;
  uint32_t *at = vb_ocl_stage(d, (experts + 1) * sizeof *at);
  struct uint4 *group = vb_ocl_stage(d, experts * sizeof *group);
  w->pair = vb_ocl_stage(d, pairs * sizeof *w->pair);
  w->token = vb_ocl_stage(d, pairs * sizeof *w->token);
  w->gate = vb_ocl_stage(d, pairs * sizeof *w->gate);
  w->token_slots = vb_ocl_stage(d, pairs * sizeof *w->token_slots);
  if (d->status != VB_OK) return false;
  for (size_t p = 0; p < pairs; p++) {
    uint32_t e = op->ids[first + p];
    if (e >= experts) {
      vb_ocl_fault(d, VB_BAD_INPUT, "experts: expert %u of %u selected", e, experts);
      return false;
    }
    if (e >= op->e.begin && e < op->e.end) at[e + 1]++, w->slots++;
  }
  for (uint32_t e = 0; e < experts; e++) {
    at[e + 1] += at[e];
    if (at[e + 1] > at[e]) group[w->groups++] = (struct uint4){e, at[e], at[e + 1], 0};
  }
  for (size_t p = 0; p < pairs; p++) {
    uint32_t e = op->ids[first + p];
    if (e < op->e.begin || e >= op->e.end) continue;
    uint32_t s = at[e]++;
    w->pair[s] = (uint32_t)(first + p);
    w->token[s] = (uint32_t)(p / op->k);
    w->gate[s] = op->mode == VB_EXPERTS_DOWN ? 0 : op->gates[first + p];
    w->token_slots[p] = s;
  }
  w->group_table = vb_ocl_put_rows(d, S_TABLE, group, w->groups * sizeof *group, w->groups * sizeof *group, 1);
  w->slot_table = vb_ocl_put_rows(d, S_TABLE2, w->token, w->slots * 4, w->slots * 4, 1);
  return d->status == VB_OK;
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

static void hidden(struct vb_ocl *d, struct work *w) {
  const struct vb_experts_w *x = w->op->w;
  size_t row = x->dim * sizeof(vb_z), blocks = x->gate.blocks;
  struct matrix g = matrix(d, &x->gate), u = matrix(d, &x->up);
  cl_mem in = vb_ocl_put_rows(d, S_X, w->op->x + (size_t)w->op->t.begin * x->dim, row, row, w->tokens);
  cl_mem gates = vb_ocl_put_rows(d, S_GATES, w->gate, w->slots * 4, w->slots * 4, 1);
  cl_mem q = vb_ocl_scratch(d, S_Q, w->tokens * blocks * VB_BLOCK);
  cl_mem codes = vb_ocl_scratch(d, S_CODES, w->tokens * blocks), top = vb_ocl_scratch(d, S_TOP, w->tokens);
  cl_mem h = vb_ocl_scratch(d, S_H, w->slots * x->inter * sizeof(vb_z));
  VB_RUN(d, "vb_quant_i8", VB_GRID(w->tokens, 1), VB_MEM(in), VB_MEM(q), VB_MEM(codes), VB_MEM(top), VB_U32(x->dim));
  VB_RUN(d, "vb_experts_hidden", VB_GRID((x->inter + 3) / 4, w->groups), VB_MEM(q), VB_MEM(codes), VB_MEM(top),
         VB_MEM(g.q), VB_MEM(g.codes), VB_MEM(g.top), VB_MEM(u.q), VB_MEM(u.codes), VB_MEM(u.top),
         VB_MEM(w->group_table), VB_MEM(w->slot_table), VB_MEM(gates), VB_MEM(h), VB_U32(x->inter),
         VB_U32((cl_uint)blocks));
  VB_RUN(d, "vb_quant_i8", VB_GRID(w->slots, 1), VB_MEM(h), VB_MEM(w->hq), VB_MEM(w->hcodes), VB_MEM(w->htop),
         VB_U32(x->inter));
}

/// Rows of the caller's [pairs] arrays into slots.
static void put_slots(struct vb_ocl *d, const struct work *w, cl_mem mem, const void *host, size_t bytes) {
  char *dense = vb_ocl_stage(d, w->slots * bytes);
  for (size_t s = 0; dense && s < w->slots; s++)
    memcpy(dense + s * bytes, (const char *)host + w->pair[s] * bytes, bytes);
  if (dense) vb_ocl_put(d, mem, 0, dense, w->slots * bytes);
}
static void get_slots(struct vb_ocl *d, const struct work *w, cl_mem mem, void *host, size_t bytes) {
  const char *dense = vb_ocl_get(d, mem, 0, w->slots * bytes);
  for (size_t s = 0; dense && s < w->slots; s++)
    vb_ocl_scatter(d, (char *)host + w->pair[s] * bytes, 0, dense + s * bytes, bytes, 1);
}

static void down(struct vb_ocl *d, const struct work *w) {
  const struct vb_experts_op *op = w->op;
  uint32_t dim = op->w->dim, blocks = op->w->down.blocks;
  struct matrix m = matrix(d, &op->w->down);
  size_t outputs = (size_t)w->tokens * dim, first = (size_t)op->t.begin * dim;
  cl_mem acc = vb_ocl_scratch(d, S_ACC, outputs * sizeof(int64_t)), top;
  if (op->mode == VB_EXPERTS_DOWN) {
    put_slots(d, w, w->hq, op->hq, (size_t)blocks * VB_BLOCK);
    put_slots(d, w, w->hcodes, op->hcodes, blocks);
    top = vb_ocl_put_rows(d, S_L, op->tmax + op->t.begin, w->tokens, w->tokens, 1);
  } else {
    size_t bytes = (size_t)w->tokens * op->k * 4;
    cl_mem slots = vb_ocl_put_rows(d, S_IDS, w->token_slots, bytes, bytes, 1);
    top = vb_ocl_scratch(d, S_L, w->tokens);
    VB_RUN(d, "vb_experts_top", VB_GRID(w->tokens, 1), VB_MEM(w->htop), VB_MEM(slots), VB_MEM(top), VB_U32(op->k));
  }
  VB_RUN(d, "vb_experts_down", VB_GRID((dim + 3) / 4, 1), VB_MEM(w->hq), VB_MEM(w->hcodes), VB_MEM(top), VB_MEM(m.q),
         VB_MEM(m.codes), VB_MEM(m.top), VB_MEM(w->group_table), VB_MEM(w->slot_table), VB_MEM(acc), VB_U32(dim),
         VB_U32(blocks), VB_U32(w->groups), VB_U32(w->tokens));
  if (op->mode == VB_EXPERTS_DOWN) {
    vb_ocl_get_rows(d, acc, 0, op->acc + first, dim * sizeof(int64_t), dim * sizeof(int64_t), w->tokens);
    return;
  }
  cl_mem y = vb_ocl_scratch(d, S_Y, outputs * sizeof(vb_z));
  VB_RUN(d, "vb_experts_finish", VB_ELEMENTS(dim, w->tokens), VB_MEM(acc), VB_MEM(top), VB_MEM(m.top), VB_MEM(y),
         VB_U32(dim));
  vb_ocl_get_rows(d, y, 0, op->y + first, dim * sizeof(vb_z), dim * sizeof(vb_z), w->tokens);
}

vb_result vb_ocl_experts(struct vb_ocl *d, const struct vb_experts_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  const char *lacks = vb_ocl_lacks(d, VB_OCL_EXPERTS, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "experts: %s is not offered by this device", lacks);
  struct work w = {.op = op, .tokens = vb_count(op->t)};
  if (op->mode == VB_EXPERTS_FULL && (op->e.begin > 0 || op->e.end < op->w->experts))
    vb_ocl_fault(d, VB_BAD_INPUT, "experts: the whole operator needs all experts, not %u to %u", op->e.begin,
                 op->e.end);
  if (!w.tokens || d->status != VB_OK || !sort_pairs(d, &w)) return vb_ocl_end(d);
  size_t blocks = op->w->down.blocks;
  w.hq = vb_ocl_scratch(d, S_HQ, w.slots * blocks * VB_BLOCK);
  w.hcodes = vb_ocl_scratch(d, S_HCODES, w.slots * blocks);
  w.htop = vb_ocl_scratch(d, S_HTOP, w.slots);
  if (op->mode != VB_EXPERTS_DOWN && w.slots) hidden(d, &w);
  if (op->mode != VB_EXPERTS_HIDDEN) down(d, &w);
  if (op->mode == VB_EXPERTS_HIDDEN) {
    get_slots(d, &w, w.hq, op->hq, blocks * VB_BLOCK);
    get_slots(d, &w, w.hcodes, op->hcodes, blocks);
    get_slots(d, &w, w.htop, op->hmax, 1);
  }
  return vb_ocl_end(d);
}
