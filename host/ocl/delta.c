// SPDX-License-Identifier: Apache-2.0
/// The gated delta rule: the state of the heads goes to the device, runs through all tokens there, and comes back.
#include "ocl/internal.h"

static void delta(struct vb_ocl *d, const struct vb_delta_op *op) {
  uint32_t heads = vb_count(op->h), h0 = op->h.begin, group = op->heads / op->key_heads;
  size_t tokens = op->tokens, vectors = tokens * op->key_heads, columns = (size_t)heads * op->dv;
  size_t first = (size_t)h0 * op->dv, state = columns * op->dk * sizeof(int32_t), col = columns * sizeof(int32_t);
  size_t qk = op->dk * sizeof(vb_z), v_row = columns * sizeof(vb_z),
         v_stride = (size_t)op->heads * op->dv * sizeof(vb_z);
  size_t h_row = heads * sizeof(vb_z), h_stride = op->heads * sizeof(vb_z);
  cl_mem m = vb_ocl_put_rows(d, S_BEFORE, op->before.m + first * op->dk, state, state, 1);
  cl_mem c = vb_ocl_put_rows(d, S_HIST, op->before.c + first, col, col, 1);
  cl_mem len = vb_ocl_put_rows(d, S_OFFSETS, op->before.len + first, col, col, 1);
  cl_mem g = vb_ocl_put_rows(d, S_LIST, op->before.g + h0, h_row, h_row, 1);
  cl_mem q = vb_ocl_put_rows(d, S_X, op->q, qk, qk, vectors), k = vb_ocl_put_rows(d, S_X2, op->k, qk, qk, vectors);
  cl_mem v = vb_ocl_put_rows(d, S_H, op->v + first, v_row, v_stride, tokens);
  cl_mem b = vb_ocl_put_rows(d, S_TABLE, op->b + h0, h_row, h_stride, tokens);
  cl_mem a = vb_ocl_put_rows(d, S_TABLE2, op->a + h0, h_row, h_stride, tokens);
  cl_mem bias = vb_ocl_put_rows(d, S_TABLE3, op->dt_bias + h0, h_row, h_row, 1);
  cl_mem ea = vb_ocl_put_rows(d, S_TABLE4, op->ea + h0, h_row, h_row, 1);
  cl_mem qi = vb_ocl_scratch(d, S_Q, vectors * qk), ki = vb_ocl_scratch(d, S_Q2, vectors * qk);
  cl_mem kq = vb_ocl_scratch(d, S_GATES, vectors * 4), bits = vb_ocl_scratch(d, S_CODES, vectors * 4);
  cl_mem step = vb_ocl_scratch(d, S_ROWS, tokens * heads * 5 * sizeof(cl_uint)); // struct vb_delta_step
  cl_mem y = vb_ocl_scratch(d, S_Y, tokens * v_row);
  cl_uint n = (cl_uint)tokens;
  VB_RUN(d, "vb_delta_vectors", VB_GRID(vectors, 1), VB_MEM(q), VB_MEM(k), VB_MEM(qi), VB_MEM(ki), VB_MEM(kq),
         VB_MEM(bits), VB_U32(op->dk), VB_U32(op->scale));
  VB_RUN(d, "vb_delta_steps", VB_GRID(heads, 1), VB_MEM(b), VB_MEM(a), VB_MEM(bias), VB_MEM(ea), VB_MEM(g),
         VB_MEM(step), VB_U32(heads), VB_U32(n), VB_U32(op->scale));
  VB_RUN(d, "vb_delta_columns", VB_ELEMENTS(op->dv, heads), VB_MEM(qi), VB_MEM(ki), VB_MEM(kq), VB_MEM(bits), VB_MEM(v),
         VB_MEM(step), VB_MEM(m), VB_MEM(c), VB_MEM(len), VB_MEM(y), VB_U32(heads), VB_U32(h0), VB_U32(group),
         VB_U32(op->key_heads), VB_U32(n), VB_U32(op->dk), VB_U32(op->dv));
  vb_ocl_get_rows(d, m, 0, op->after.m + first * op->dk, state, state, 1);
  vb_ocl_get_rows(d, c, 0, op->after.c + first, col, col, 1);
  vb_ocl_get_rows(d, len, 0, op->after.len + first, col, col, 1);
  vb_ocl_get_rows(d, g, 0, op->after.g + h0, h_row, h_row, 1);
  vb_ocl_get_rows(d, y, 0, op->y + first, v_row, v_stride, tokens);
}

vb_result vb_ocl_delta(struct vb_ocl *d, const struct vb_delta_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  if (!vb_ocl_supports(d, VB_OCL_DELTA)) vb_ocl_fault(d, VB_BAD_INPUT, "delta: not on this device");
  else if (!op->key_heads || op->heads % op->key_heads)
    vb_ocl_fault(d, VB_BAD_INPUT, "delta: %u heads over %u", op->heads, op->key_heads);
  else if (vb_count(op->h)) delta(d, op);
  return vb_ocl_end(d);
}
