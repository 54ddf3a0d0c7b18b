// SPDX-License-Identifier: Apache-2.0
/// Dense and mixture-of-experts feed-forward parts.
#include "graph/builder.h"
#include "num/num.h"

static uint32_t build_dense(struct vb_build *b, int layer, uint32_t h) {
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t gate = vb_add_linear(b, layer, "gate_proj", h, &w->gate, NULL, 1);
  uint32_t up = vb_add_linear(b, layer, "up_proj", h, &w->up, NULL, 1);
  uint32_t act = vb_add_glu(b, layer, "swiglu", gate, up, w->gate.rows, b->c->gelu ? VB_ACT_GELU_TANH : VB_ACT_SILU);
  return vb_add_linear(b, layer, "down_proj", act, &w->down, NULL, 1);
}

static uint32_t build_router(struct vb_build *b, int layer, uint32_t h) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  struct vb_node *n = vb_add_node(b, layer, "router_logits", VB_OP_LINEAR, w->router.rows);
  n->in[0] = h;
  n->op.linear = (struct vb_linear_op){.w14 = &w->router, .bias = w->router_bias, .groups = 1};
  vb_allow(n, VB_AXIS_ROWS, w->router.rows);
  vb_allow(n, VB_AXIS_K, w->router.cols);
  uint32_t logits = vb_last(b);

  n = vb_add_node(b, layer, "router", VB_OP_ROUTER, c->topk);
  n->in[0] = logits;
  n->op.router = (struct vb_router_op){.experts = c->experts,
                                       .k = c->topk,
                                       .score = c->score,
                                       .renorm = c->norm_topk,
                                       .scale = c->routed_scale != 0 ? vb_from_float((float)c->routed_scale) : VB_Z_ONE,
                                       .bias = w->correction_bias,
                                       .groups = c->groups > 1 ? c->groups : 0,
                                       .topk_groups = c->topk_groups,
                                       .group_top = c->group_top};
  n->outputs = 2;
  n->row_bytes[1] = c->topk * (uint32_t)sizeof(vb_z);
  return vb_last(b);
}

static uint32_t build_moe(struct vb_build *b, int layer, uint32_t h) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t router = build_router(b, layer, h), shared = VB_NO_INPUT;
  if (c->shared_gated) {
    shared = vb_add_linear(b, layer, "shared_logit", h, &w->shared_expert_gate, NULL, 1);
    shared = vb_add_glu(b, layer, "shared_gate", shared, VB_NO_INPUT, 1, VB_ACT_SIGMOID);
  }
  struct vb_node *n = vb_add_node(b, layer, "experts", VB_OP_EXPERTS, c->hidden);
  n->in[0] = h;
  n->in[1] = router;
  n->in[2] = shared;
  n->op.experts = (struct vb_experts_op){.w = &w->experts, .k = c->topk};
  vb_allow(n, VB_AXIS_EXPERTS, c->experts + (w->experts.shared_inter > 0));
  return vb_last(b);
}

uint32_t vb_build_ffn(struct vb_build *b, int layer, uint32_t h) {
  return b->c->is_moe[layer] ? build_moe(b, layer, h) : build_dense(b, layer, h);
}
