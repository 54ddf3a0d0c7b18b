// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vb_op_name(enum vb_op_kind k) {
  static const char *names[VB_OP_KINDS] = {"embed",     "rmsnorm", "linear", "rope",   "pack_q", "pack_kv",
                                           "attention", "swiglu",  "add",    "router", "experts"};
  return k < VB_OP_KINDS ? names[k] : "?";
}

const char *vb_axis_name(enum vb_axis a) {
  static const char *names[VB_AXES] = {"tokens", "heads", "keys", "rows", "k", "experts"};
  return a < VB_AXES ? names[a] : "?";
}

/// Append a node with one carrier output of `width` values per token, splittable along tokens.
static struct vb_node *append(struct vb_graph *g, int layer, const char *name, enum vb_op_kind kind, uint32_t width) {
  struct vb_node *n = &g->node[g->nodes++];
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

static void allow(struct vb_node *n, enum vb_axis a, uint32_t extent) {
  n->axis[a] = true;
  n->extent[a] = extent;
}

static uint32_t last(const struct vb_graph *g) { return g->nodes - 1; }

static uint32_t add_norm(struct vb_graph *g, int layer, const char *name, uint32_t in, const vb_z *w, uint32_t groups, uint32_t size) {
  const struct vb_model *m = g->model;
  bool head = groups > 1 || size != m->config.hidden;
  struct vb_node *n = append(g, layer, name, VB_OP_RMSNORM, groups * size);
  n->in[0] = in;
  n->op.rmsnorm = (struct vb_rmsnorm_op){.w = w, .groups = groups, .n = size,
                                         .eps_n = head ? m->eps_head : m->eps_hidden, .sqrt_n = head ? m->sqrt_head : m->sqrt_hidden};
  if (groups > 1) allow(n, VB_AXIS_HEADS, groups);
  return last(g);
}

static uint32_t add_linear(struct vb_graph *g, int layer, const char *name, uint32_t in, const struct vb_w8 *w8,
                           const struct vb_w14 *w14, const vb_z *bias) {
  uint32_t rows = w8 ? w8->rows : w14->rows, cols = w8 ? w8->cols : w14->cols;
  struct vb_node *n = append(g, layer, name, VB_OP_LINEAR, rows);
  n->in[0] = in;
  n->op.linear = (struct vb_linear_op){.w8 = w8, .w14 = w14, .bias = bias};
  allow(n, VB_AXIS_ROWS, rows);
  allow(n, VB_AXIS_K, cols);
  return last(g);
}

static uint32_t add_residual(struct vb_graph *g, int layer, const char *name, uint32_t a, uint32_t b) {
  uint32_t cols = g->model->config.hidden;
  struct vb_node *n = append(g, layer, name, VB_OP_ADD, cols);
  n->in[0] = a;
  n->in[1] = b;
  n->op.add = (struct vb_add_op){.cols = cols};
  allow(n, VB_AXIS_ROWS, cols);
  return last(g);
}

static uint32_t add_rope(struct vb_graph *g, int layer, const char *name, uint32_t in, uint32_t heads) {
  const struct vb_model *m = g->model;
  uint32_t d = m->config.head_dim;
  struct vb_node *n = append(g, layer, name, VB_OP_ROPE, heads * d);
  n->in[0] = in;
  n->op.rope = (struct vb_rope_op){.freq = m->rope_freq, .heads = heads, .d = d, .rot = m->config.rope.dims, .layout = VB_ROPE_HALF};
  allow(n, VB_AXIS_HEADS, heads);
  return last(g);
}

static uint32_t add_attention_block(struct vb_graph *g, int layer, uint32_t x) {
  const struct vb_config *c = &g->model->config;
  const struct vb_layer *w = &g->model->layer[layer];
  uint32_t d = c->head_dim;
  uint32_t h = add_norm(g, layer, "attn_norm", x, w->attn_norm, 1, c->hidden);
  uint32_t q = add_linear(g, layer, "q_proj", h, &w->q, NULL, w->q_bias);
  uint32_t k = add_linear(g, layer, "k_proj", h, &w->k, NULL, w->k_bias);
  uint32_t v = add_linear(g, layer, "v_proj", h, &w->v, NULL, w->v_bias);
  if (c->qk_norm) {
    q = add_norm(g, layer, "q_norm", q, w->q_norm, c->heads, d);
    k = add_norm(g, layer, "k_norm", k, w->k_norm, c->kv_heads, d);
  }
  q = add_rope(g, layer, "q_rope", q, c->heads);
  k = add_rope(g, layer, "k_rope", k, c->kv_heads);

  struct vb_node *n = append(g, layer, "pack_q", VB_OP_PACK_Q, 0);
  n->in[0] = q;
  n->op.pack_q = (struct vb_pack_q_op){.scale = g->model->attn_scale, .heads = c->heads, .d = d};
  n->row_bytes[0] = c->heads * vb_rec_bytes(d);
  n->elem_bytes[0] = 1;
  allow(n, VB_AXIS_HEADS, c->heads);
  uint32_t pack_q = last(g);

  n = append(g, layer, "pack_kv", VB_OP_PACK_KV, 0);
  n->in[0] = k;
  n->in[1] = v;
  n->op.pack_kv = (struct vb_pack_kv_op){.heads = c->kv_heads, .dk = d, .dv = d};
  n->outputs = 2;
  n->row_bytes[0] = c->kv_heads * vb_rec_bytes(d);
  n->row_bytes[1] = c->kv_heads * vb_val_bytes(d);
  n->elem_bytes[0] = n->elem_bytes[1] = 1;
  allow(n, VB_AXIS_HEADS, c->kv_heads);
  uint32_t pack_kv = last(g);

  n = append(g, layer, "attention", VB_OP_ATTENTION, c->heads * d);
  n->in[0] = pack_q;
  n->in[1] = pack_kv;
  n->op.attention = (struct vb_attention_op){.heads = c->heads};
  allow(n, VB_AXIS_HEADS, c->heads);
  allow(n, VB_AXIS_KEYS, 0);
  uint32_t o = add_linear(g, layer, "o_proj", last(g), &w->o, NULL, NULL);
  return add_residual(g, layer, "attn_add", x, o);
}

static uint32_t add_dense_ffn(struct vb_graph *g, int layer, uint32_t h) {
  const struct vb_layer *w = &g->model->layer[layer];
  uint32_t gate = add_linear(g, layer, "gate_proj", h, &w->gate, NULL, NULL);
  uint32_t up = add_linear(g, layer, "up_proj", h, &w->up, NULL, NULL);
  struct vb_node *n = append(g, layer, "swiglu", VB_OP_SWIGLU, w->gate.rows);
  n->in[0] = gate;
  n->in[1] = up;
  n->op.swiglu = (struct vb_swiglu_op){.cols = w->gate.rows};
  allow(n, VB_AXIS_ROWS, w->gate.rows);
  return add_linear(g, layer, "down_proj", last(g), &w->down, NULL, NULL);
}

static uint32_t add_moe_ffn(struct vb_graph *g, int layer, uint32_t h) {
  const struct vb_config *c = &g->model->config;
  const struct vb_layer *w = &g->model->layer[layer];
  uint32_t logits = add_linear(g, layer, "router_logits", h, NULL, &w->router, NULL);
  struct vb_node *n = append(g, layer, "router", VB_OP_ROUTER, c->topk);
  n->in[0] = logits;
  n->op.router = (struct vb_router_op){.experts = c->experts, .k = c->topk, .score = VB_SCORE_SOFTMAX, .renorm = c->norm_topk, .scale = 0x3f800000u};
  n->outputs = 2;
  n->row_bytes[1] = c->topk * (uint32_t)sizeof(vb_z);
  uint32_t router = last(g);
  n = append(g, layer, "experts", VB_OP_EXPERTS, c->hidden);
  n->in[0] = h;
  n->in[1] = router;
  n->op.experts = (struct vb_experts_op){.w = &w->experts, .k = c->topk};
  allow(n, VB_AXIS_EXPERTS, c->experts);
  return last(g);
}

vb_result vb_graph_build(const struct vb_model *m, struct vb_graph *g) {
  const struct vb_config *c = &m->config;
  *g = (struct vb_graph){.model = m, .node = calloc(3 + 20u * c->layers, sizeof *g->node)};
  if (!g->node) return vb_fail(VB_DEVICE, "out of memory for the graph of %u layers", c->layers);
  struct vb_node *n = append(g, -1, "embed", VB_OP_EMBED, c->hidden);
  n->op.embed = (struct vb_embed_op){.table = m->embed, .vocab = c->vocab, .dim = c->hidden};
  uint32_t x = last(g);
  for (uint32_t l = 0; l < c->layers; l++) {
    int layer = (int)l;
    x = add_attention_block(g, layer, x);
    uint32_t h = add_norm(g, layer, "ffn_norm", x, m->layer[l].ffn_norm, 1, c->hidden);
    x = add_residual(g, layer, "ffn_add", x, c->is_moe[l] ? add_moe_ffn(g, layer, h) : add_dense_ffn(g, layer, h));
  }
  x = add_norm(g, -1, "final_norm", x, m->final_norm, 1, c->hidden);
  add_linear(g, -1, "lm_head", x, &m->lm_head, NULL, NULL);
  return VB_OK;
}

void vb_graph_free(struct vb_graph *g) {
  free(g->node);
  *g = (struct vb_graph){0};
}

int vb_graph_find(const struct vb_graph *g, const char *path) {
  for (uint32_t i = 0; i < g->nodes; i++)
    if (!strcmp(g->node[i].path, path)) return (int)i;
  return -1;
}
