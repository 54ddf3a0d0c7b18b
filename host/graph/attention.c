// SPDX-License-Identifier: Apache-2.0
/// Multi-head, grouped-query and multi-query attention with the families' variations.
#include "graph/builder.h"
#include "num/num.h"

uint32_t vb_build_attention(struct vb_build *b, int layer, uint32_t h) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  const struct vb_layer_config *l = c->layer ? &c->layer[layer] : NULL;
  uint32_t d = c->head_dim, gate = VB_NO_INPUT;
  bool rope = !l || l->rope;
  enum vb_rope_layout layout = c->rope_pairs ? VB_ROPE_PAIR : VB_ROPE_HALF;
  b->g->state[layer].kv_heads = c->kv_heads;
  b->g->state[layer].dk = b->g->state[layer].dv = d;

  uint32_t q = vb_add_linear(b, layer, "q_proj", h, &w->q, w->q_bias, 1);
  uint32_t k = vb_add_linear(b, layer, "k_proj", h, &w->k, w->k_bias, 1);
  uint32_t v = vb_add_linear(b, layer, "v_proj", h, &w->v, w->v_bias, 1);
  if (c->out_gate) { // every head's rows of q_proj are its query and its output gate
    uint32_t both = q;
    q = vb_add_slice(b, layer, "q_slice", both, c->heads, 2 * d, 0, d);
    gate = vb_add_slice(b, layer, "gate_slice", both, c->heads, 2 * d, d, d);
  }
  if (c->qk_norm) {
    q = vb_add_norm(b, layer, "q_norm", q, w->q_norm, c->heads, d);
    k = vb_add_norm(b, layer, "k_norm", k, w->k_norm, c->kv_heads, d);
  }
  if (rope) {
    q = vb_add_rope(b, layer, "q_rope", q, c->heads, d, 0, layout);
    k = vb_add_rope(b, layer, "k_rope", k, c->kv_heads, d, 0, layout);
  }
  if (rope && c->qk_l2) { // Llama 4 normalises after the rotation, and only there
    q = vb_add_norm(b, layer, "q_l2norm", q, NULL, c->heads, d);
    k = vb_add_norm(b, layer, "k_l2norm", k, NULL, c->kv_heads, d);
  }
  q = vb_add_pack_q(b, layer, "pack_q", q, c->heads, d, b->m->attn_scale);
  if (!rope && c->temperature != 0) {
    b->g->node[q].op.pack_q.floor_scale = c->floor_scale;
    b->g->node[q].op.pack_q.temperature = vb_from_float((float)c->temperature);
  }
  uint32_t kv = vb_add_pack_kv(b, layer, "pack_kv", k, v, c->kv_heads, d, d, 0);
  uint32_t o = vb_add_attention(b, layer, q, kv, VB_NO_INPUT, c->heads, d);
  if (gate != VB_NO_INPUT) o = vb_add_glu(b, layer, "out_gate", gate, o, c->heads * d, VB_ACT_SIGMOID);
  return vb_add_linear(b, layer, "o_proj", o, &w->o, w->o_bias, 1);
}
