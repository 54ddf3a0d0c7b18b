// SPDX-License-Identifier: Apache-2.0
// Contract weights of a mixture of experts: router, routed and shared experts, whose sums share exponents.
#include "model/build.h"
#include <stdio.h>

static void routed(struct vb_builder *b, uint32_t l, struct vb_experts_w *w) {
  const uint32_t d = w->dim, n = w->inter, count = w->experts;
  if (b->m->expert_cache) {
    vb_reserve_w8(b, &w->gate, count * n, d), vb_reserve_w8(b, &w->up, count * n, d),
        vb_reserve_w8(b, &w->down, count * d, n);
    return;
  }
  struct vb_target gate = vb_new_w8(b, &w->gate, count * n, d), up = vb_new_w8(b, &w->up, count * n, d);
  struct vb_target down = vb_new_w8(b, &w->down, count * d, n);
  for (uint32_t e = 0; e < count && b->result == VB_OK; e++) {
    vb_quantise(b, VB_CLASS_EXPERTS, vb_expert_view(b->m, l, e, VB_PART_GATE), n, d,
                vb_skip_rows(gate, (uint64_t)e * n, w->gate.blocks));
    vb_quantise(b, VB_CLASS_EXPERTS, vb_expert_view(b->m, l, e, VB_PART_UP), n, d,
                vb_skip_rows(up, (uint64_t)e * n, w->up.blocks));
    vb_quantise(b, VB_CLASS_EXPERTS, vb_expert_view(b->m, l, e, VB_PART_DOWN), d, n,
                vb_skip_rows(down, (uint64_t)e * d, w->down.blocks));
  }
}

// All selected experts' down projections and the shared one's are one sum: one output row needs one exponent.
static void share_max(struct vb_experts_w *w) {
  uint8_t *routed = (uint8_t *)(uintptr_t)w->down.max, *shared = (uint8_t *)(uintptr_t)w->shared_down.max;
  for (uint32_t r = 0; r < w->dim; r++) {
    uint8_t top = w->shared_inter ? shared[r] : 0;
    for (uint32_t e = 0; e < w->experts; e++)
      if (routed[(size_t)e * w->dim + r] > top) top = routed[(size_t)e * w->dim + r];
    for (uint32_t e = 0; e < w->experts; e++) routed[(size_t)e * w->dim + r] = top;
    if (w->shared_inter) shared[r] = top;
  }
}

static void biases(struct vb_builder *b, const char *ffn, struct vb_experts_w *w) {
  const vb_z *both = vb_carrier(b, vb_get(b, "%s.experts.gate_up_proj_bias", ffn)); // [E][2I], gate and up alternate
  const size_t n = (size_t)w->experts * w->inter;
  vb_z *gate = vb_take(b, n, sizeof *gate), *up = vb_take(b, n, sizeof *up);
  for (size_t i = 0; both && gate && up && i < n; i++) {
    gate[i] = both[2 * i];
    up[i] = both[2 * i + 1];
  }
  w->gate_bias = gate;
  w->up_bias = up;
  w->down_bias = vb_carrier(b, vb_get(b, "%s.experts.down_proj_bias", ffn));
}

void vb_build_experts(struct vb_builder *b, uint32_t l, struct vb_layer *w) {
  const struct vb_config *c = &b->m->config;
  char ffn[VB_MAX_NAME], router[VB_MAX_NAME], shared[VB_MAX_NAME];
  vb_ffn_name(b->m, l, ffn);
  vb_router_name(b->m, l, router);
  vb_shared_name(b->m, l, shared);
  vb_quantise(b, VB_CLASS_ROUTER, (struct vb_view){vb_get(b, "%s.weight", router), 0, c->hidden, 1}, c->experts,
              c->hidden, vb_new_w14(b, &w->router, c->experts, c->hidden));
  if (c->router_bias) w->router_bias = vb_carrier(b, vb_get(b, "%s.bias", router));
  if (c->correction_bias) w->correction_bias = vb_carrier(b, vb_get(b, "%s.e_score_correction_bias", router));
  if (c->shared_gated)
    vb_matrix(b, VB_CLASS_EXPERTS, &w->shared_expert_gate, vb_get(b, "%s.shared_expert_gate.weight", ffn));
  struct vb_experts_w *x = &w->experts;
  *x = (struct vb_experts_w){.experts = c->experts,
                             .dim = c->hidden,
                             .inter = c->moe_inter,
                             .shared_inter = c->shared_inter,
                             .act = c->expert_act,
                             .limit = vb_from_float((float)c->swiglu_limit),
                             .gate_input = c->gate_input};
  routed(b, l, x);
  if (c->expert_bias) biases(b, ffn, x);
  if (c->shared_inter) {
    vb_matrix(b, VB_CLASS_EXPERTS, &x->shared_gate, vb_get(b, "%s.gate_proj.weight", shared));
    vb_matrix(b, VB_CLASS_EXPERTS, &x->shared_up, vb_get(b, "%s.up_proj.weight", shared));
    vb_matrix(b, VB_CLASS_EXPERTS, &x->shared_down, vb_get(b, "%s.down_proj.weight", shared));
  }
  if (b->result == VB_OK && !b->tally) b->m->expert_cache ? vb_reserved_max(b, l, x) : share_max(x);
}
