// SPDX-License-Identifier: Apache-2.0
/// Attention rows grouped by key head: [key head][token][query head]. Both kinds of device take them like this: rows of
/// a group read the same keys. A head range may cut through a group, so groups need not have the same size.
#include "ocl/internal.h"
#include <string.h>

uint32_t vb_ocl_head_rows(struct vb_ocl *d, const struct vb_attention_op *op, struct vb_head_rows **out) {
  uint32_t share = op->heads / op->kv->heads, n = 0;
  struct vb_head_rows *g = *out = vb_ocl_stage(d, op->kv->heads * sizeof *g);
  if (!g) return 0;
  size_t row = 0;
  for (uint32_t h = op->h.begin; h < op->h.end; n++) {
    uint32_t kv_head = h / share, end = (kv_head + 1) * share < op->h.end ? (kv_head + 1) * share : op->h.end;
    g[n] = (struct vb_head_rows){kv_head, h, end - h, row};
    row += (size_t)(end - h) * vb_count(op->t);
    h = end;
  }
  return n;
}

const void *vb_ocl_gather_rows(struct vb_ocl *d, const struct vb_attention_op *op, const void *host, size_t bytes,
                               const struct vb_head_rows *g, uint32_t groups, size_t rows) {
  char *dense = vb_ocl_stage(d, rows * bytes), *at = dense;
  for (uint32_t i = 0; dense && i < groups; i++)
    for (uint32_t t = op->t.begin; t < op->t.end; t++, at += g[i].heads * bytes)
      memcpy(at, (const char *)host + ((size_t)t * op->heads + g[i].h0) * bytes, g[i].heads * bytes);
  return dense;
}

void vb_ocl_scatter_rows(struct vb_ocl *d, const struct vb_attention_op *op, void *host, size_t bytes, cl_mem mem,
                         const struct vb_head_rows *g, uint32_t groups) {
  for (uint32_t i = 0; i < groups; i++)
    vb_ocl_get_rows(d, mem, g[i].row0 * bytes, (char *)host + ((size_t)op->t.begin * op->heads + g[i].h0) * bytes,
                    g[i].heads * bytes, op->heads * bytes, vb_count(op->t));
}
