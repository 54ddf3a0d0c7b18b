// SPDX-License-Identifier: Apache-2.0
#include "ocl/internal.h"

static void source_router(struct vb_ocl *d, const struct vb_router_op *op) {
  size_t tokens = vb_count(op->t), row = op->experts * sizeof(vb_z), pairs = tokens * op->k;
  cl_mem logits = vb_ocl_put_rows(d, S_X, op->logits + (size_t)op->t.begin * op->experts, row, row, tokens);
  cl_mem ids = vb_ocl_scratch(d, S_IDS, pairs * 4), gates = vb_ocl_scratch(d, S_GATES, pairs * 4);
  cl_mem hist = vb_ocl_scratch(d, S_HIST, row), offsets = vb_ocl_scratch(d, S_OFFSETS, row + 4);
  cl_mem list = vb_ocl_scratch(d, S_LIST, pairs * 4);
  cl_mem key = vb_ocl_scratch(d, S_H, row * tokens);
  cl_mem rank = vb_ocl_scratch(d, S_M, (tokens * op->groups + 1) * 4);
  cl_mem bias = op->bias ? vb_ocl_weight(d, op->bias, row) : vb_ocl_scratch(d, S_TABLE2, 4);
  VB_RUN(d, "vb_router_select", VB_GRID(tokens, 1), VB_MEM(logits), VB_MEM(bias), VB_MEM(key), VB_MEM(rank),
         VB_MEM(ids), VB_MEM(gates), VB_U32(op->experts), VB_U32(op->k), VB_U32(op->score), VB_U32(op->renorm),
         VB_U32(op->scale), VB_U32(op->bias != NULL), VB_U32(op->groups), VB_U32(op->topk_groups),
         VB_U32(op->group_top), VB_U32(op->threshold));
  VB_RUN(d, "vb_router_count", VB_GRID(op->experts, 1), VB_MEM(ids), VB_MEM(gates), VB_MEM(hist),
         VB_U32((cl_uint)pairs), VB_U32(op->capacity));
  VB_RUN(d, "vb_router_offsets", VB_GRID(1, 1), VB_MEM(hist), VB_MEM(offsets), VB_U32(op->experts));
  VB_RUN(d, "vb_router_list", VB_GRID(op->experts, 1), VB_MEM(ids), VB_MEM(gates), VB_MEM(offsets), VB_MEM(list),
         VB_U32((cl_uint)pairs));
  vb_ocl_get_rows(d, ids, 0, op->ids, pairs * 4, pairs * 4, 1);
  vb_ocl_get_rows(d, gates, 0, op->gates, pairs * 4, pairs * 4, 1);
  vb_ocl_get_rows(d, hist, 0, op->hist, row, row, 1);
  vb_ocl_get_rows(d, offsets, 0, op->offsets, row + 4, row + 4, 1);
  vb_ocl_get_rows(d, list, 0, op->list, pairs * 4, pairs * 4, 1);
}

void vb_ocl_do_router(struct vb_ocl *d, const struct vb_router_op *op) {
  if (!vb_ocl_can_router(d, vb_count(op->t), op->experts, op->k))
    vb_ocl_fault(d, VB_BAD_INPUT, "router: %u tokens, %u of %u experts: not on this device", vb_count(op->t), op->k,
                 op->experts);
  if (op->groups && (op->experts % op->groups || op->topk_groups > op->groups ||
                     (uint64_t)op->topk_groups * (op->experts / op->groups) < op->k))
    vb_ocl_fault(d, VB_BAD_INPUT, "router: %u of %u experts from %u of %u groups", op->k, op->experts, op->topk_groups,
                 op->groups);
  if (op->threshold >> 31)
    vb_ocl_fault(d, VB_BAD_INPUT, "router: the threshold 0x%08x is not a value from 0 on", op->threshold);
  const char *lacks = vb_ocl_lacks(d, VB_OCL_ROUTER, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "router: %s is not offered by this device", lacks);
  if (d->status != VB_OK) return;
  if (d->info.compiler) source_router(d, op);
  else vb_ocl_unit_router(d, op);
}

vb_result vb_ocl_router(struct vb_ocl *d, const struct vb_router_op *op) {
  if (vb_ocl_begin(d)) vb_ocl_do_router(d, op);
  return vb_ocl_end(d);
}
