// SPDX-License-Identifier: Apache-2.0
#include "ocl/internal.h"

vb_result vb_ocl_linear(struct vb_ocl *d, const struct vb_linear_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  const char *lacks = vb_ocl_lacks(d, VB_OCL_LINEAR, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "linear: %s is not offered by this device", lacks);
  bool wide = op->w14 != NULL;
  uint32_t rows = wide ? op->w14->rows : op->w8->rows, cols = wide ? op->w14->cols : op->w8->cols;
  uint32_t blocks = vb_blocks(cols), tokens = vb_count(op->t), columns = vb_count(op->n);
  size_t elem = wide ? sizeof(int16_t) : sizeof(int8_t), wq_bytes = (size_t)rows * blocks * VB_BLOCK * elem;
  if (op->groups > 1 && rows % op->groups)
    vb_ocl_fault(d, VB_BAD_INPUT, "linear: %u rows in %u groups", rows, op->groups);
  if (op->n.end > rows || op->b.end > blocks)
    vb_ocl_fault(d, VB_BAD_INPUT, "linear: rows to %u of %u, blocks to %u of %u", op->n.end, rows, op->b.end, blocks);
  if (!tokens || !columns || d->status != VB_OK) return vb_ocl_end(d);

  cl_mem wq = vb_ocl_weight(d, wide ? (const void *)op->w14->q : op->w8->q, wq_bytes);
  cl_mem wcodes = vb_ocl_weight(d, wide ? op->w14->codes : op->w8->codes, (size_t)rows * blocks);
  cl_mem wtop = vb_ocl_weight(d, wide ? op->w14->max : op->w8->max, rows);
  bool biased = op->bias && !op->acc;
  cl_mem bias = biased ? vb_ocl_weight(d, op->bias, rows * sizeof(vb_z)) : vb_ocl_scratch(d, S_TABLE2, 4);
  uint32_t groups = op->groups > 1 ? op->groups : 1, share = rows / groups;
  size_t vectors = (size_t)tokens * groups, x_row = groups * cols * sizeof(vb_z), outputs = (size_t)tokens * columns;
  cl_mem x = vb_ocl_put_rows(d, S_X, op->x + (size_t)op->t.begin * groups * cols, x_row, x_row, tokens);
  cl_mem q = vb_ocl_scratch(d, S_Q, vectors * blocks * VB_BLOCK * elem);
  cl_mem codes = vb_ocl_scratch(d, S_CODES, vectors * blocks), top = vb_ocl_scratch(d, S_TOP, vectors);
  cl_mem y = vb_ocl_scratch(d, S_Y, op->acc ? 4 : outputs * sizeof(vb_z));
  cl_mem acc = vb_ocl_scratch(d, S_ACC, op->acc ? outputs * sizeof(int64_t) : 8);
  VB_RUN(d, wide ? "vb_quant_i14" : "vb_quant_i8", VB_GRID(vectors, 1), VB_MEM(x), VB_MEM(q), VB_MEM(codes),
         VB_MEM(top), VB_U32(cols));
#define SHARED(n0, n)                                                                                       \
  VB_MEM(q), VB_MEM(codes), VB_MEM(top), VB_MEM(wq), VB_MEM(wcodes), VB_MEM(wtop), VB_MEM(bias), VB_MEM(y), \
      VB_MEM(acc), VB_U32(blocks), VB_U32(op->b.begin), VB_U32(op->b.end), VB_U32(n0), VB_U32(n),           \
      VB_U32(op->acc != NULL), VB_U32(biased)
  if (wide) VB_RUN(d, "vb_linear_i14", VB_GRID(tokens, columns), SHARED(op->n.begin, columns));
  for (uint32_t n0 = op->n.begin; n0 < op->n.end && !wide;) { // the columns of each input vector
    uint32_t g = n0 / share, end = (g + 1) * share < op->n.end ? (g + 1) * share : op->n.end, n = end - n0;
#define GROUP VB_U32(columns), VB_U32(n0 - op->n.begin), VB_U32(groups), VB_U32(g)
    // Tiles of four tokens, then what is left.
    VB_RUN(d, "vb_linear_i8_t4", VB_GRID(tokens / 4, (n + 3) / 4), SHARED(n0, n), VB_U32(0), GROUP);
    VB_RUN(d, "vb_linear_i8_t1", VB_GRID(tokens % 4, (n + 3) / 4), SHARED(n0, n), VB_U32(tokens / 4 * 4), GROUP);
#undef GROUP
    n0 = end;
  }
#undef SHARED
  size_t first = (size_t)op->t.begin * rows + op->n.begin;
  if (op->acc) vb_ocl_get_rows(d, acc, 0, op->acc + first, columns * sizeof(int64_t), rows * sizeof(int64_t), tokens);
  else vb_ocl_get_rows(d, y, 0, op->y + first, columns * sizeof(vb_z), rows * sizeof(vb_z), tokens);
  return vb_ocl_end(d);
}
