// SPDX-License-Identifier: Apache-2.0
/// Devices with built-in kernels: hw/attention and hw/router behind a simulator or a board. One launch is one job of
/// the unit; its arguments are the unit's registers, in order.
#include "ocl/internal.h"
#include <string.h>

static cl_mem sub_buffer(struct vb_ocl *d, cl_mem mem, size_t origin, size_t bytes) {
  if (d->status != VB_OK) return NULL;
  cl_int e;
  cl_buffer_region region = {origin, bytes};
  cl_mem sub = clCreateSubBuffer(mem, CL_MEM_READ_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &region, &e);
  return vb_ocl_check(d, e, "clCreateSubBuffer") ? sub : NULL;
}

/// Cut staged partial records {L, 24 bytes, numerators} into the caller's arrays.
static void scatter_partials(struct vb_ocl *d, const struct vb_attention_op *op, const struct vb_head_rows *g,
                             const char *partial) {
  uint32_t dv = op->kv->dv, t0 = op->t.begin;
  size_t stride = vb_partial_bytes(dv);
  for (uint32_t t = t0; partial && t < op->t.end; t++)
    for (uint32_t h = 0; h < g->heads; h++) {
      const char *from = partial + ((size_t)(t - t0) * g->heads + h) * stride;
      size_t row = (size_t)t * op->heads + g->h0 + h;
      vb_ocl_scatter(d, op->l + row, 0, from, sizeof *op->l, 1);
      vb_ocl_scatter(d, op->num + row * dv, 0, from + 32, dv * sizeof *op->num, 1);
    }
}

/// Query heads that share one key head: rows are [token][head], everything dense by row.
static void head_job(struct vb_ocl *d, const struct vb_attention_op *op, const struct vb_head_rows *g,
                     const struct vb_mirror *kv, uint32_t key_end, const char *q, const char *m, const char *em) {
  uint32_t dk = op->kv->dk, dv = op->kv->dv, tokens = vb_count(op->t);
  size_t rec = vb_rec_bytes(dk), val = vb_val_bytes(dv), em_row = VB_EM_ROW * sizeof(int16_t);
  size_t rows = (size_t)tokens * g->heads, out_row = op->mode == VB_ATTN_SUM ? vb_partial_bytes(dv) : dv * sizeof(vb_z);
  cl_mem qb = vb_ocl_put_rows(d, S_X, q + g->row0 * rec, rows * rec, rows * rec, 1);
  cl_mem mb = vb_ocl_scratch(d, S_M, rows * 4), eb = vb_ocl_scratch(d, S_EM, rows * em_row);
  cl_mem out = vb_ocl_scratch(d, S_Y, rows * out_row);
  if (m) vb_ocl_put(d, mb, 0, m + g->row0 * 4, rows * 4);
  if (em) vb_ocl_put(d, eb, 0, em + g->row0 * em_row, rows * em_row);
  cl_mem k = sub_buffer(d, kv->k, g->kv_head * kv->k_head, kv->k_head);
  cl_mem v = sub_buffer(d, kv->v, g->kv_head * kv->v_head, kv->v_head);
  VB_RUN(d, "attention", VB_GRID(1, 1), VB_MEM(qb), VB_MEM(k), VB_MEM(v), VB_MEM(mb), VB_MEM(eb), VB_MEM(out),
         VB_U32((cl_uint)op->mode), VB_U32((cl_uint)rows), VB_U32(g->heads), VB_U32(dk), VB_U32(dv),
         VB_U32(op->key.begin), VB_U32(key_end), VB_U32(op->first_count + op->t.begin), VB_U32((cl_uint)rec),
         VB_U32((cl_uint)(rec * g->heads)), VB_U32((cl_uint)rec), VB_U32((cl_uint)val), VB_U32((cl_uint)out_row),
         VB_U32((cl_uint)(out_row * g->heads)), VB_U32(d->jobs++), VB_U32(0), VB_U32(0), VB_U32(0), VB_MEM(NULL),
         VB_U32(0), VB_U32(0), VB_U32(0), VB_MEM(NULL), VB_U32(0));
  // Commands in the queue keep what they use alive.
  if (k) clReleaseMemObject(k);
  if (v) clReleaseMemObject(v);
  size_t first = (size_t)op->t.begin * op->heads + g->h0;
  switch (op->mode) {
  case VB_ATTN_FULL:
    vb_ocl_get_rows(d, out, 0, op->y + first * dv, g->heads * out_row, op->heads * out_row, tokens);
    break;
  case VB_ATTN_MAX: vb_ocl_get_rows(d, mb, 0, op->m + first, g->heads * 4u, op->heads * 4u, tokens); break;
  case VB_ATTN_EXP:
    vb_ocl_get_rows(d, eb, 0, op->em + first * VB_EM_ROW, g->heads * em_row, op->heads * em_row, tokens);
    break;
  case VB_ATTN_SUM: scatter_partials(d, op, g, vb_ocl_get(d, out, 0, rows * out_row)); break;
  }
}

void vb_ocl_unit_attention(struct vb_ocl *d, const struct vb_attention_op *op) {
  struct vb_head_rows *group;
  uint32_t groups = vb_ocl_head_rows(d, op, &group), last = op->first_count + op->t.end - 1;
  uint32_t end = op->key.end < last ? op->key.end : last;
  size_t rows = (size_t)vb_count(op->t) * vb_count(op->h);
  const struct vb_mirror *kv = vb_ocl_mirror(d, op->kv, end);
  const char *m = NULL, *em = NULL;
  const char *q = vb_ocl_gather_rows(d, op, op->q, vb_rec_bytes(op->kv->dk), group, groups, rows);
  if (op->mode == VB_ATTN_EXP || op->mode == VB_ATTN_SUM) m = vb_ocl_gather_rows(d, op, op->m, 4, group, groups, rows);
  if (op->mode == VB_ATTN_SUM) em = vb_ocl_gather_rows(d, op, op->em, VB_EM_ROW * sizeof(int16_t), group, groups, rows);
  for (uint32_t i = 0; i < groups && d->status == VB_OK; i++) head_job(d, op, &group[i], kv, end, q, m, em);
}

void vb_ocl_unit_router(struct vb_ocl *d, const struct vb_router_op *op) {
  size_t tokens = vb_count(op->t), row = op->experts * sizeof(vb_z), pairs = tokens * op->k;
  cl_mem logits = vb_ocl_put_rows(d, S_X, op->logits + (size_t)op->t.begin * op->experts, row, row, tokens);
  cl_mem ids = vb_ocl_scratch(d, S_IDS, pairs * 4), gates = vb_ocl_scratch(d, S_GATES, pairs * 4);
  cl_mem hist = vb_ocl_scratch(d, S_HIST, row), offsets = vb_ocl_scratch(d, S_OFFSETS, row + 4);
  cl_mem list = vb_ocl_scratch(d, S_LIST, pairs * 4);
  bool biased = op->bias && op->score == VB_SCORE_SIGMOID; // softmax is selected by its logits alone
  cl_mem bias = biased ? vb_ocl_weight(d, op->bias, row) : vb_ocl_scratch(d, S_TABLE2, 64);
  VB_RUN(d, "router", VB_GRID(1, 1), VB_MEM(logits), VB_MEM(ids), VB_MEM(gates), VB_MEM(hist), VB_MEM(offsets),
         VB_MEM(list), VB_U32((cl_uint)tokens), VB_U32(op->experts), VB_U32(op->k), VB_U32((cl_uint)op->score),
         VB_U32(op->renorm), VB_U32((cl_uint)row), VB_U32(op->scale), VB_U32(d->jobs++), VB_MEM(bias), VB_U32(biased),
         VB_U32(op->groups), VB_U32(op->topk_groups), VB_U32(op->group_top == 2 ? 2 : 1), VB_U32(op->threshold),
         VB_U32(op->capacity));
  vb_ocl_get_rows(d, ids, 0, op->ids, pairs * 4, pairs * 4, 1);
  vb_ocl_get_rows(d, gates, 0, op->gates, pairs * 4, pairs * 4, 1);
  vb_ocl_get_rows(d, hist, 0, op->hist, row, row, 1);
  vb_ocl_get_rows(d, offsets, 0, op->offsets, row + 4, row + 4, 1);
  vb_ocl_get_rows(d, list, 0, op->list, pairs * 4, pairs * 4, 1);
}
