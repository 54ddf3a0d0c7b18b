// SPDX-License-Identifier: Apache-2.0
#include "runtime/split.h"

/// r := r intersected with [begin, end) shifted down by `base`; false if empty.
static bool cut(struct vb_range *r, uint32_t begin, uint32_t end, uint32_t base) {
  begin = begin > base ? begin - base : 0;
  if (end != VB_OPEN) end = end > base ? end - base : 0;
  if (begin > r->begin) r->begin = begin;
  if (end < r->end) r->end = end;
  return r->begin < r->end;
}

static struct vb_range *token_range(enum vb_op_kind kind, union vb_any_op *op) {
  switch (kind) {
  case VB_OP_EMBED: return &op->embed.t;
  case VB_OP_RMSNORM: return &op->rmsnorm.t;
  case VB_OP_LINEAR: return &op->linear.t;
  case VB_OP_ROPE: return &op->rope.t;
  case VB_OP_PACK_Q: return &op->pack_q.t;
  case VB_OP_PACK_KV: return &op->pack_kv.t;
  case VB_OP_ATTENTION: return &op->attention.t;
  case VB_OP_SWIGLU: return &op->swiglu.t;
  case VB_OP_ADD: return &op->add.t;
  case VB_OP_ROUTER: return &op->router.t;
  case VB_OP_EXPERTS: return &op->experts.t;
  case VB_OP_JOIN: return &op->join.t;
  case VB_OP_SOFTCAP: return &op->softcap.t;
  case VB_OP_CONV: return &op->conv.t;
  case VB_OP_INDEXER: return &op->indexer.t;
  case VB_OP_DELTA:
  case VB_OP_KINDS: break;
  }
  return NULL;
}

static struct vb_range *head_range(enum vb_op_kind kind, union vb_any_op *op) {
  switch (kind) {
  case VB_OP_RMSNORM: return &op->rmsnorm.g;
  case VB_OP_ROPE: return &op->rope.h;
  case VB_OP_PACK_Q: return &op->pack_q.h;
  case VB_OP_PACK_KV: return &op->pack_kv.h;
  case VB_OP_ATTENTION: return &op->attention.h;
  case VB_OP_JOIN: return &op->join.h;
  case VB_OP_DELTA: return &op->delta.h;
  default: return NULL;
  }
}

static struct vb_range *row_range(enum vb_op_kind kind, union vb_any_op *op) {
  switch (kind) {
  case VB_OP_LINEAR: return &op->linear.n;
  case VB_OP_SWIGLU: return &op->swiglu.n;
  case VB_OP_ADD: return &op->add.n;
  case VB_OP_SOFTCAP: return &op->softcap.n;
  case VB_OP_CONV: return &op->conv.n;
  default: return NULL;
  }
}

bool vb_split_restrict(enum vb_op_kind kind, enum vb_axis axis, const struct vb_part *p, uint32_t token0,
                       union vb_any_op *op) {
  struct vb_range *r = NULL;
  uint32_t base = 0, begin = p->begin, end = p->end;
  switch (axis) {
  case VB_AXIS_TOKENS: r = token_range(kind, op), base = token0; break;
  case VB_AXIS_HEADS: r = head_range(kind, op); break;
  case VB_AXIS_ROWS: r = row_range(kind, op); break;
  case VB_AXIS_KEYS: r = kind == VB_OP_INDEXER ? &op->indexer.key : &op->attention.key; break;
  case VB_AXIS_EXPERTS: r = &op->experts.e; break;
  case VB_AXIS_K: // elements in the plan, blocks in the operator
    r = &op->linear.b;
    begin = vb_blocks(begin); // a cut is a multiple of 32 or the end, where an empty part may stand
    if (end != VB_OPEN) end = vb_blocks(end);
    break;
  case VB_AXES: break;
  }
  return r && cut(r, begin, end, base);
}

bool vb_split_is_partial(enum vb_op_kind kind, const struct vb_split *s) {
  if (s->parts < 2) return false;
  return s->axis == VB_AXIS_K || s->axis == VB_AXIS_KEYS || s->axis == VB_AXIS_EXPERTS || kind == VB_OP_ROUTER;
}
