// SPDX-License-Identifier: Apache-2.0
/// Gated DeltaNet: short convolutions, L2-normalised keys, the gated delta rule, a gated norm.
#include "graph/builder.h"
#include "num/num.h"
#include <math.h>

static uint32_t add_conv(struct vb_build *b, int layer, const char *name, uint32_t in, const vb_z *w, uint32_t cols,
                         uint32_t slot) {
  struct vb_node *n = vb_add_node(b, layer, name, VB_OP_CONV, cols);
  n->in[0] = in;
  n->slot = slot;
  n->by_sequence = true;
  n->op.conv = (struct vb_conv_op){.w = w, .cols = cols};
  vb_allow(n, VB_AXIS_ROWS, cols);
  b->g->state[layer].conv[slot] = cols;
  return vb_last(b);
}

uint32_t vb_build_delta(struct vb_build *b, int layer, uint32_t h) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t keys = c->delta_key_heads, heads = c->delta_heads, dk = c->delta_dk, dv = c->delta_dv;
  uint32_t r = heads / keys,
           width = 2 * dk + 2 * r * dv; // the projections' rows are grouped by key head: q, k, r v, r z and r b, r a
  uint32_t qkvz = vb_add_linear(b, layer, "qkvz_proj", h, &w->qkvz, NULL, 1);
  uint32_t ba = vb_add_linear(b, layer, "ba_proj", h, &w->ba, NULL, 1);
  uint32_t q = vb_add_slice(b, layer, "q_slice", qkvz, keys, width, 0, dk);
  uint32_t k = vb_add_slice(b, layer, "k_slice", qkvz, keys, width, dk, dk);
  uint32_t v = vb_add_slice(b, layer, "v_slice", qkvz, keys, width, 2 * dk, r * dv);
  uint32_t z = vb_add_slice(b, layer, "z_slice", qkvz, keys, width, 2 * dk + r * dv, r * dv);
  uint32_t beta = vb_add_slice(b, layer, "b_slice", ba, keys, 2 * r, 0, r);
  uint32_t a = vb_add_slice(b, layer, "a_slice", ba, keys, 2 * r, r, r);
  q = add_conv(b, layer, "conv_q", q, w->conv, keys * dk, 0);
  k = add_conv(b, layer, "conv_k", k, w->conv + (uint64_t)keys * dk * 4, keys * dk, 1);
  v = add_conv(b, layer, "conv_v", v, w->conv + (uint64_t)2 * keys * dk * 4, heads * dv, 2);
  q = vb_add_norm_kind(b, layer, "q_l2norm", q, NULL, NULL, keys, dk, VB_NORM_L2, 1e-6);
  k = vb_add_norm_kind(b, layer, "k_l2norm", k, NULL, NULL, keys, dk, VB_NORM_L2, 1e-6);

  struct vb_node *n = vb_add_node(b, layer, "delta", VB_OP_DELTA, heads * dv);
  n->in[0] = q, n->in[1] = k, n->in[2] = v, n->in[3] = beta, n->in[4] = a;
  n->by_sequence = true;
  n->axis[VB_AXIS_TOKENS] = false; // a recurrence
  n->op.delta = (struct vb_delta_op){.ea = w->ea,
                                     .dt_bias = w->dt_bias,
                                     .scale = vb_from_float((float)(1.0 / sqrt(dk))),
                                     .heads = heads,
                                     .key_heads = keys,
                                     .dk = dk,
                                     .dv = dv};
  vb_allow(n, VB_AXIS_HEADS, heads);
  struct vb_layer_state *s = &b->g->state[layer];
  s->delta_heads = heads, s->delta_dk = dk, s->delta_dv = dv;

  uint32_t o = vb_add_norm(b, layer, "delta_norm", vb_last(b), w->delta_norm, heads, dv);
  o = vb_add_glu(b, layer, "delta_gate", z, o, heads * dv, VB_ACT_SILU);
  return vb_add_linear(b, layer, "o_proj", o, &w->o, NULL, 1);
}
