// SPDX-License-Identifier: Apache-2.0
/// Operators whose tokens hardly meet: embed, norms, rope, pack, swiglu, add, soft-cap, convolution, join.
#include "ocl/internal.h"
#include <string.h>

vb_result vb_ocl_embed(struct vb_ocl *d, const struct vb_embed_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), row = op->dim * sizeof(vb_z);
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    if (op->tokens[t] < 0 || (uint32_t)op->tokens[t] >= op->vocab)
      vb_ocl_fault(d, VB_BAD_INPUT, "embed: token %d of %u", op->tokens[t], op->vocab);
  cl_mem table = vb_ocl_weight(d, op->table, row * op->vocab);
  cl_mem ids = vb_ocl_put_rows(d, S_IDS, op->tokens + op->t.begin, tokens * 4, tokens * 4, 1);
  cl_mem y = vb_ocl_scratch(d, S_Y, row * tokens);
  VB_RUN(d, "vb_embed", VB_ELEMENTS(op->dim, tokens), VB_MEM(table), VB_MEM(ids), VB_MEM(y), VB_U32(op->dim),
         VB_U32(op->scale));
  vb_ocl_get_rows(d, y, 0, op->y + (size_t)op->t.begin * op->dim, row, row, tokens);
  return vb_ocl_end(d);
}

vb_result vb_ocl_rmsnorm(struct vb_ocl *d, const struct vb_rmsnorm_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), groups = vb_count(op->g), vectors = tokens * groups;
  size_t row = groups * op->n * sizeof(vb_z), stride = (size_t)op->groups * op->n * sizeof(vb_z);
  size_t first = ((size_t)op->t.begin * op->groups + op->g.begin) * op->n;
  cl_mem none = vb_ocl_scratch(d, S_TABLE2, 4);
  cl_mem w = op->w ? vb_ocl_weight(d, op->w, op->n * sizeof(vb_z)) : none;
  cl_mem bias = op->kind == VB_NORM_LAYER ? vb_ocl_weight(d, op->bias, op->n * sizeof(vb_z)) : none;
  cl_mem x = vb_ocl_put_rows(d, S_X, op->x + first, row, stride, tokens);
  cl_mem r = vb_ocl_scratch(d, S_TOP, vectors * sizeof(vb_z)), shift = vb_ocl_scratch(d, S_L, vectors * sizeof(vb_z));
  cl_mem y = vb_ocl_scratch(d, S_Y, row * tokens);
  VB_RUN(d, "vb_norm_factor", VB_GRID(vectors, 1), VB_MEM(x), VB_MEM(r), VB_MEM(shift), VB_U32(op->n), VB_U32(op->kind),
         VB_U32(op->eps_n), VB_U32(op->sqrt_n), VB_U32(op->inv_n));
  VB_RUN(d, "vb_norm_apply", VB_ELEMENTS(op->n, vectors), VB_MEM(x), VB_MEM(r), VB_MEM(shift), VB_MEM(w), VB_MEM(bias),
         VB_MEM(y), VB_U32(op->n), VB_U32(op->kind), VB_U32(op->w != NULL));
  vb_ocl_get_rows(d, y, 0, op->y + first, row, stride, tokens);
  return vb_ocl_end(d);
}

vb_result vb_ocl_rope(struct vb_ocl *d, const struct vb_rope_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), heads = vb_count(op->h), half = op->rot / 2;
  size_t row = heads * op->d * sizeof(vb_z), stride = (size_t)op->heads * op->d * sizeof(vb_z);
  size_t first = ((size_t)op->t.begin * op->heads + op->h.begin) * op->d;
  cl_mem x = vb_ocl_put_rows(d, S_X, op->x + first, row, stride, tokens);
  cl_mem freq = half ? vb_ocl_weight(d, op->freq, half * sizeof *op->freq) : vb_ocl_scratch(d, S_TABLE2, 8);
  cl_mem pos = vb_ocl_put_rows(d, S_IDS, op->pos + op->t.begin, tokens * 4, tokens * 4, 1);
  cl_mem y = vb_ocl_scratch(d, S_Y, row * tokens);
  VB_RUN(d, "vb_rope", VB_ELEMENTS(op->d - half, tokens * heads), VB_MEM(x), VB_MEM(freq), VB_MEM(pos), VB_MEM(y),
         VB_U32((cl_uint)heads), VB_U32(op->d), VB_U32(op->first), VB_U32(op->rot), VB_U32(op->layout == VB_ROPE_PAIR),
         VB_U32(op->mscale));
  vb_ocl_get_rows(d, y, 0, op->y + first, row, stride, tokens);
  return vb_ocl_end(d);
}

/// log2 of a power of two: the stages of a rotation.
static int stages(uint32_t n) { return n ? 31 - __builtin_clz(n) : 0; }

/// Scale and rotate the vectors of op's ranges, dense in `x`, in place.
static void prepare(struct vb_ocl *d, cl_mem x, const struct vb_pack_q_op *op, int share) {
  size_t tokens = vb_count(op->t), heads = vb_count(op->h);
  cl_mem pos = op->floor_scale ? vb_ocl_put_rows(d, S_IDS, op->pos + op->t.begin, tokens * 4, tokens * 4, 1)
                               : vb_ocl_scratch(d, S_IDS, 4);
  VB_RUN(d, "vb_pack_prepare", VB_GRID(tokens * heads, 1), VB_MEM(x), VB_MEM(pos), VB_U32((cl_uint)heads),
         VB_U32(op->d), VB_U32(op->floor_scale), VB_U32(op->temperature), VB_U32(op->scale), VB_U32(op->hadamard),
         VB_U32((cl_uint)share));
}

vb_result vb_ocl_pack_q(struct vb_ocl *d, const struct vb_pack_q_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  const char *lacks = vb_ocl_lacks(d, VB_OCL_PACK_Q, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "pack_q: %s is not offered by this device", lacks);
  if (d->status != VB_OK) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), heads = vb_count(op->h), in = op->d * sizeof(vb_z), out = vb_rec_bytes(op->d);
  size_t first = (size_t)op->t.begin * op->heads + op->h.begin;
  cl_mem x = vb_ocl_put_rows(d, S_X, op->x + first * op->d, heads * in, op->heads * in, tokens);
  cl_mem rec = vb_ocl_scratch(d, S_Y, tokens * heads * out);
  bool prepared = op->floor_scale || op->hadamard;
  if (prepared) prepare(d, x, op, stages(op->d) / 2);
  VB_RUN(d, "vb_pack_q", VB_GRID(tokens * heads, 1), VB_MEM(x), VB_MEM(rec), VB_U32(op->d),
         VB_U32(prepared ? 0 : op->scale));
  vb_ocl_get_rows(d, rec, 0, op->rec + first * out, heads * out, op->heads * out, tokens);
  return vb_ocl_end(d);
}

vb_result vb_ocl_pack_kv(struct vb_ocl *d, const struct vb_pack_kv_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  const char *lacks = vb_ocl_lacks(d, VB_OCL_PACK_KV, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "pack_kv: %s is not offered by this device", lacks);
  if (d->status != VB_OK) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), heads = vb_count(op->h), all = op->heads;
  uint32_t dv = op->v ? op->dv : 0;
  size_t k_in = op->dk * sizeof(vb_z), v_in = dv * sizeof(vb_z);
  size_t k_out = vb_rec_bytes(op->dk), v_out = vb_val_bytes(dv);
  size_t first = (size_t)op->t.begin * op->heads + op->h.begin;
  cl_mem k = vb_ocl_put_rows(d, S_X, op->k + first * op->dk, heads * k_in, all * k_in, tokens);
  cl_mem v =
      dv ? vb_ocl_put_rows(d, S_X2, op->v + first * dv, heads * v_in, all * v_in, tokens) : vb_ocl_scratch(d, S_X2, 4);
  cl_mem krec = vb_ocl_scratch(d, S_Y, tokens * heads * k_out), vrec = vb_ocl_scratch(d, S_Y2, tokens * heads * v_out);
  if (op->hadamard) {
    const struct vb_pack_q_op keys = {.d = op->dk, .hadamard = 1, .t = op->t, .h = op->h};
    prepare(d, k, &keys, stages(op->dk) - stages(op->dk) / 2);
  }
  VB_RUN(d, "vb_pack_kv", VB_GRID(tokens * heads, 1), VB_MEM(k), VB_MEM(v), VB_MEM(krec), VB_MEM(vrec), VB_U32(op->dk),
         VB_U32(dv));
  vb_ocl_get_rows(d, krec, 0, op->krec + first * k_out, heads * k_out, all * k_out, tokens);
  if (dv) vb_ocl_get_rows(d, vrec, 0, op->vrec + first * v_out, heads * v_out, all * v_out, tokens);
  return vb_ocl_end(d);
}

/// y = f(a, b) over tokens t and columns n; act NULL: the kernel has no such argument and needs both inputs.
static vb_result binary(struct vb_ocl *d, const char *kernel, const vb_z *a, const vb_z *b, vb_z *y, uint32_t cols,
                        struct vb_range t, struct vb_range n, const enum vb_act *act) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  size_t tokens = vb_count(t), row = vb_count(n) * sizeof(vb_z), stride = cols * sizeof(vb_z);
  size_t first = (size_t)t.begin * cols + n.begin, count = tokens * vb_count(n);
  cl_mem x = vb_ocl_put_rows(d, S_X, a + first, row, stride, tokens);
  cl_mem x2 = b ? vb_ocl_put_rows(d, S_X2, b + first, row, stride, tokens) : vb_ocl_scratch(d, S_X2, 4);
  cl_mem out = vb_ocl_scratch(d, S_Y, count * sizeof(vb_z));
  if (act)
    VB_RUN(d, kernel, VB_ELEMENTS(count, 1), VB_MEM(x), VB_MEM(x2), VB_MEM(out), VB_U64(count), VB_U32(*act),
           VB_U32(b != NULL));
  else VB_RUN(d, kernel, VB_ELEMENTS(count, 1), VB_MEM(x), VB_MEM(x2), VB_MEM(out), VB_U64(count));
  vb_ocl_get_rows(d, out, 0, y + first, row, stride, tokens);
  return vb_ocl_end(d);
}

vb_result vb_ocl_swiglu(struct vb_ocl *d, const struct vb_swiglu_op *op) {
  return binary(d, "vb_swiglu", op->g, op->u, op->y, op->cols, op->t, op->n, &op->act);
}
vb_result vb_ocl_add(struct vb_ocl *d, const struct vb_add_op *op) {
  return binary(d, "vb_add_z", op->a, op->b, op->y, op->cols, op->t, op->n, NULL);
}

vb_result vb_ocl_softcap(struct vb_ocl *d, const struct vb_softcap_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), row = vb_count(op->n) * sizeof(vb_z), stride = op->cols * sizeof(vb_z);
  size_t first = (size_t)op->t.begin * op->cols + op->n.begin, count = tokens * vb_count(op->n);
  cl_mem x = vb_ocl_put_rows(d, S_X, op->x + first, row, stride, tokens), y = vb_ocl_scratch(d, S_Y, row * tokens);
  VB_RUN(d, "vb_softcap", VB_ELEMENTS(count, 1), VB_MEM(x), VB_MEM(y), VB_U64(count), VB_U32(op->cap),
         VB_U32(op->inv_cap));
  vb_ocl_get_rows(d, y, 0, op->y + first, row, stride, tokens);
  return vb_ocl_end(d);
}

vb_result vb_ocl_conv(struct vb_ocl *d, const struct vb_conv_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), columns = vb_count(op->n), row = columns * sizeof(vb_z);
  size_t stride = op->cols * sizeof(vb_z), first = (size_t)op->t.begin * op->cols + op->n.begin;
  // Three rows of the past, from earlier tokens or from the history, then the tokens themselves.
  char *past = vb_ocl_stage(d, (tokens + 3) * row);
  for (uint32_t i = 0; past && i < tokens + 3; i++) {
    uint32_t at = op->t.begin + i; // of [history; x]
    const vb_z *from = at < 3 ? op->history + (size_t)at * op->cols : op->x + (size_t)(at - 3) * op->cols;
    memcpy(past + i * row, from + op->n.begin, row);
  }
  cl_mem x = vb_ocl_put_rows(d, S_X, past, row, row, tokens + 3), y = vb_ocl_scratch(d, S_Y, row * tokens);
  cl_mem w = vb_ocl_put_rows(d, S_X2, op->w + (size_t)op->n.begin * 4, 4 * row, 4 * row, 1);
  VB_RUN(d, "vb_conv", VB_ELEMENTS(columns, tokens), VB_MEM(x), VB_MEM(w), VB_MEM(y), VB_U32((cl_uint)columns));
  vb_ocl_get_rows(d, y, 0, op->y + first, row, stride, tokens);
  return vb_ocl_end(d);
}

/// A source's rows for tokens t and heads h; its one head where it has no others.
static cl_mem put_piece(struct vb_ocl *d, enum vb_slot slot, const struct vb_piece *p, struct vb_range t,
                        struct vb_range h) {
  if (!p->len) return vb_ocl_scratch(d, slot, 4);
  bool many = p->heads > 1;
  size_t row = (many ? vb_count(h) : 1) * p->width * sizeof(vb_z), stride = (size_t)p->heads * p->width * sizeof(vb_z);
  const vb_z *first = p->x + ((size_t)t.begin * p->heads + (many ? h.begin : 0)) * p->width;
  return vb_ocl_put_rows(d, slot, first, row, stride, vb_count(t));
}

vb_result vb_ocl_join(struct vb_ocl *d, const struct vb_join_op *op) {
  if (!vb_ocl_begin(d)) return vb_ocl_end(d);
  size_t tokens = vb_count(op->t), heads = vb_count(op->h), len = (size_t)op->a.len + op->b.len;
  size_t row = heads * len * sizeof(vb_z), stride = op->heads * len * sizeof(vb_z);
  cl_mem a = put_piece(d, S_X, &op->a, op->t, op->h), b = put_piece(d, S_X2, &op->b, op->t, op->h);
  cl_mem y = vb_ocl_scratch(d, S_Y, row * tokens);
#define PIECE(p) VB_U32((p).heads), VB_U32((p).width), VB_U32((p).first), VB_U32((p).len)
  VB_RUN(d, "vb_join", VB_ELEMENTS(len, tokens * heads), VB_MEM(a), VB_MEM(b), VB_MEM(y), VB_U32((cl_uint)heads),
         PIECE(op->a), PIECE(op->b));
#undef PIECE
  vb_ocl_get_rows(d, y, 0, op->y + ((size_t)op->t.begin * op->heads + op->h.begin) * len, row, stride, tokens);
  return vb_ocl_end(d);
}
