// SPDX-License-Identifier: Apache-2.0
#include "graph/builder.h"
#include "num/num.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/// Constants are rounded from double to 24 bits once; IEEE doubles make them the same everywhere.
static vb_z constant(double x) { return vb_from_float((float)x); }

struct vb_node *vb_add_node(struct vb_build *b, int layer, const char *name, enum vb_op_kind kind, uint32_t width) {
  if (b->g->nodes == b->room) abort(); // a family with more operators a layer than MAX_NODES_PER_LAYER
  struct vb_node *n = &b->g->node[b->g->nodes++];
  snprintf(n->name, sizeof n->name, "%s", name);
  if (layer < 0) snprintf(n->path, sizeof n->path, "%s", name);
  else snprintf(n->path, sizeof n->path, "layer.%d.%s", layer, name);
  n->layer = layer;
  n->kind = kind;
  n->outputs = 1;
  n->row_bytes[0] = width * (uint32_t)sizeof(vb_z);
  n->elem_bytes[0] = n->elem_bytes[1] = sizeof(vb_z);
  n->axis[VB_AXIS_TOKENS] = true;
  return n;
}

void vb_allow(struct vb_node *n, enum vb_axis a, uint32_t extent) {
  n->axis[a] = true;
  n->extent[a] = extent;
}

uint32_t vb_last(const struct vb_build *b) { return b->g->nodes - 1; }

uint32_t vb_add_norm_kind(struct vb_build *b, int layer, const char *name, uint32_t in, const vb_z *w, const vb_z *bias,
                          uint32_t groups, uint32_t size, enum vb_norm_kind kind, double eps) {
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_RMSNORM, groups * size);
  n->in[0] = in;
  n->op.rmsnorm = (struct vb_rmsnorm_op){.w = w,
                                         .bias = bias,
                                         .groups = groups,
                                         .n = size,
                                         .kind = kind,
                                         .eps_n = constant(kind == VB_NORM_L2 ? eps : eps * size),
                                         .sqrt_n = constant(sqrt(size)),
                                         .inv_n = constant(1.0 / size)};
  if (groups > 1) vb_allow(n, VB_AXIS_HEADS, groups);
  return vb_last(b);
}

uint32_t vb_add_norm(struct vb_build *b, int layer, const char *name, uint32_t in, const vb_z *w, uint32_t groups,
                     uint32_t size) {
  return vb_add_norm_kind(b, layer, name, in, w, NULL, groups, size, VB_NORM_RMS, b->c->rms_eps);
}

uint32_t vb_add_linear(struct vb_build *b, int layer, const char *name, uint32_t in, const struct vb_w8 *w,
                       const vb_z *bias, uint32_t groups) {
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_LINEAR, w->rows);
  n->in[0] = in;
  n->op.linear = (struct vb_linear_op){.w8 = w, .bias = bias, .groups = groups};
  vb_allow(n, VB_AXIS_ROWS, w->rows);
  vb_allow(n, VB_AXIS_K, w->cols);
  return vb_last(b);
}

uint32_t vb_add_residual(struct vb_build *b, int layer, const char *name, uint32_t x, uint32_t y) {
  uint32_t cols = b->c->hidden;
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_ADD, cols);
  n->in[0] = x;
  n->in[1] = y;
  n->op.add = (struct vb_add_op){.cols = cols};
  vb_allow(n, VB_AXIS_ROWS, cols);
  return vb_last(b);
}

uint32_t vb_add_glu(struct vb_build *b, int layer, const char *name, uint32_t gate, uint32_t up, uint32_t cols,
                    enum vb_act act) {
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_SWIGLU, cols);
  n->in[0] = gate;
  n->in[1] = up;
  n->op.swiglu = (struct vb_swiglu_op){.cols = cols, .act = act};
  vb_allow(n, VB_AXIS_ROWS, cols);
  return vb_last(b);
}

uint32_t vb_add_join(struct vb_build *b, int layer, const char *name, uint32_t in_a, struct vb_piece a, uint32_t in_b,
                     struct vb_piece p, uint32_t heads) {
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_JOIN, heads * (a.len + p.len));
  n->in[0] = in_a;
  n->in[1] = in_b;
  n->op.join = (struct vb_join_op){.a = a, .b = p, .heads = heads};
  if (heads > 1) vb_allow(n, VB_AXIS_HEADS, heads);
  return vb_last(b);
}

uint32_t vb_add_slice(struct vb_build *b, int layer, const char *name, uint32_t in, uint32_t heads, uint32_t width,
                      uint32_t first, uint32_t len) {
  return vb_add_join(b, layer, name, in, (struct vb_piece){NULL, heads, width, first, len}, in, (struct vb_piece){0},
                     heads);
}

uint32_t vb_add_rope(struct vb_build *b, int layer, const char *name, uint32_t in, uint32_t heads, uint32_t d,
                     uint32_t first, enum vb_rope_layout layout) {
  const struct vb_config *c = b->c;
  bool local = c->layer && c->layer[layer].local_rope;
  uint32_t rot = local ? c->local_rope.dims : c->rope.dims;
  // A multiplier of the whole head is part of the softmax scale; of a part of the head it is not.
  bool apart = rot < c->head_dim && c->rope_mscale != 0 && c->rope_mscale != 1 && !local;
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_ROPE, heads * d);
  n->in[0] = in;
  n->op.rope = (struct vb_rope_op){.freq = local ? b->m->local_rope_freq : b->m->rope_freq,
                                   .heads = heads,
                                   .d = d,
                                   .first = first,
                                   .rot = rot,
                                   .layout = layout,
                                   .mscale = apart ? constant(c->rope_mscale) : 0};
  if (heads > 1) vb_allow(n, VB_AXIS_HEADS, heads);
  return vb_last(b);
}

uint32_t vb_add_pack_q(struct vb_build *b, int layer, const char *name, uint32_t in, uint32_t heads, uint32_t d,
                       vb_z scale) {
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_PACK_Q, 0);
  n->in[0] = in;
  n->op.pack_q = (struct vb_pack_q_op){.scale = scale, .heads = heads, .d = d};
  n->row_bytes[0] = heads * vb_rec_bytes(d);
  n->elem_bytes[0] = 1;
  if (heads > 1) vb_allow(n, VB_AXIS_HEADS, heads);
  return vb_last(b);
}

uint32_t vb_add_pack_kv(struct vb_build *b, int layer, const char *name, uint32_t k, uint32_t v, uint32_t heads,
                        uint32_t dk, uint32_t dv, uint32_t slot) {
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_PACK_KV, 0);
  n->in[0] = k;
  n->in[1] = v;
  n->op.pack_kv = (struct vb_pack_kv_op){.heads = heads, .dk = dk, .dv = dv};
  n->outputs = dv ? 2 : 1;
  n->row_bytes[0] = heads * vb_rec_bytes(dk);
  n->row_bytes[1] = dv ? heads * vb_val_bytes(dv) : 0;
  n->elem_bytes[0] = n->elem_bytes[1] = 1;
  n->slot = slot;
  if (heads > 1) vb_allow(n, VB_AXIS_HEADS, heads);
  return vb_last(b);
}

uint32_t vb_add_attention(struct vb_build *b, int layer, uint32_t q, uint32_t kv, uint32_t list, uint32_t heads,
                          uint32_t dv) {
  const struct vb_config *c = b->c;
  const struct vb_layer_config *l = c->layer ? &c->layer[layer] : NULL;
  struct vb_node *n = vb_add_node(b, layer, "attention", VB_OP_ATTENTION, heads * dv);
  n->in[0] = q;
  n->in[1] = kv;
  n->in[2] = list;
  n->by_sequence = true;
  n->op.attention = (struct vb_attention_op){
      .heads = heads, .window = l ? l->window : 0, .chunk = l ? l->chunk : 0, .sinks = b->m->layer[layer].sinks};
  if (c->attn_softcap != 0) n->op.attention.cap = llrint(c->attn_softcap * 1.4426950408889634 * 0x1p24);
  vb_allow(n, VB_AXIS_HEADS, heads);
  vb_allow(n, VB_AXIS_KEYS, 0);
  return vb_last(b);
}
