// SPDX-License-Identifier: Apache-2.0
/// Multi-head latent attention, in its multi-head (naive) and its absorbed form, with the DSA indexer where the model has one.
#include "graph/builder.h"
#include "num/num.h"
#include <math.h>

/// The lightning indexer: which keys the token may attend to. Its rotation covers the FIRST rope_dim elements, HALF layout.
static uint32_t build_indexer(struct vb_build *b, int layer, uint32_t h, uint32_t q_latent) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t heads = c->index_heads, d = c->index_dim;
  b->g->state[layer].index_dim = d;
  uint32_t q = vb_add_linear(b, layer, "index_q", q_latent, &w->index_q, NULL, 1);
  q = vb_add_rope(b, layer, "index_q_rope", q, heads, d, 0, VB_ROPE_HALF);
  b->g->node[q].op.rope.mscale = 0; // the indexer's rotation never has the multiplier
  q = vb_add_pack_q(b, layer, "index_pack_q", q, heads, d, 0);
  b->g->node[q].op.pack_q.hadamard = c->index_hadamard;
  uint32_t k = vb_add_linear(b, layer, "index_k", h, &w->index_k, NULL, 1);
  k = vb_add_norm_kind(b, layer, "index_k_norm", k, w->index_norm, w->index_norm_bias, 1, d, VB_NORM_LAYER, 1e-6);
  k = vb_add_rope(b, layer, "index_k_rope", k, 1, d, 0, VB_ROPE_HALF);
  b->g->node[k].op.rope.mscale = 0;
  k = vb_add_pack_kv(b, layer, "index_pack_k", k, VB_NO_INPUT, 1, d, 0, 1);
  b->g->node[k].op.pack_kv.hadamard = c->index_hadamard;
  uint32_t weights = vb_add_linear(b, layer, "index_w", h, &w->index_w, NULL, 1);

  struct vb_node *n = vb_add_node(b, layer, "indexer", VB_OP_INDEXER, c->index_topk);
  n->in[0] = q;
  n->in[1] = weights;
  n->in[2] = k;
  n->outputs = 2;
  n->row_bytes[1] = sizeof(uint32_t);
  n->by_sequence = true;
  n->op.indexer = (struct vb_indexer_op){
      .heads = heads, .k = c->index_topk, .w_scale = vb_from_float((float)(1.0 / sqrt((double)heads * d)))};
  vb_allow(n, VB_AXIS_KEYS, 0);
  return vb_last(b);
}

struct parts {
  uint32_t q, latent, k_rope; ///< rotated queries [heads][nope | rope], normed latent, rotated shared key
};

static uint32_t build_naive(struct vb_build *b, int layer, struct parts p, uint32_t list) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t d = c->nope_dim + c->rope_dim;
  uint32_t k = vb_add_linear(b, layer, "k_b_proj", p.latent, &w->k_b, NULL, 1);
  uint32_t v = vb_add_linear(b, layer, "v_b_proj", p.latent, &w->v_b, NULL, 1);
  k = vb_add_join(b, layer, "k_join", k, (struct vb_piece){NULL, c->heads, c->nope_dim, 0, c->nope_dim}, p.k_rope,
                  (struct vb_piece){NULL, 1, c->rope_dim, 0, c->rope_dim}, c->heads);
  uint32_t q = vb_add_pack_q(b, layer, "pack_q", p.q, c->heads, d, b->m->attn_scale);
  uint32_t kv = vb_add_pack_kv(b, layer, "pack_kv", k, v, c->heads, d, c->v_dim, 0);
  struct vb_layer_state *s = &b->g->state[layer];
  s->kv_heads = c->heads, s->dk = d, s->dv = c->v_dim;
  return vb_add_attention(b, layer, q, kv, list, c->heads, c->v_dim);
}

/// One shared key [latent | rope] per token; its latent is the value too. The per-head up-projections move to q and o.
static uint32_t build_absorbed(struct vb_build *b, int layer, struct parts p, uint32_t list) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t head = c->nope_dim + c->rope_dim, d = c->kv_lora + c->rope_dim;
  uint32_t nope = vb_add_slice(b, layer, "q_nope", p.q, c->heads, head, 0, c->nope_dim);
  uint32_t up = vb_add_linear(b, layer, "q_absorb", nope, &w->uk, NULL, c->heads);
  uint32_t q = vb_add_join(b, layer, "q_join", up, (struct vb_piece){NULL, c->heads, c->kv_lora, 0, c->kv_lora}, p.q,
                           (struct vb_piece){NULL, c->heads, head, c->nope_dim, c->rope_dim}, c->heads);
  uint32_t k = vb_add_join(b, layer, "k_join", p.latent, (struct vb_piece){NULL, 1, c->kv_lora, 0, c->kv_lora},
                           p.k_rope, (struct vb_piece){NULL, 1, c->rope_dim, 0, c->rope_dim}, 1);
  q = vb_add_pack_q(b, layer, "pack_q", q, c->heads, d, b->m->attn_scale);
  uint32_t kv = vb_add_pack_kv(b, layer, "pack_kv", k, VB_NO_INPUT, 1, d, 0, 0);
  struct vb_layer_state *s = &b->g->state[layer];
  s->kv_heads = 1, s->dk = d, s->dv = c->kv_lora, s->shared = true;
  uint32_t o = vb_add_attention(b, layer, q, kv, list, c->heads, c->kv_lora);
  return vb_add_linear(b, layer, "v_absorb", o, &w->uv, NULL, c->heads);
}

/// The published code leaves these norms at its default eps, whatever rms_norm_eps says.
static uint32_t add_latent_norm(struct vb_build *b, int layer, const char *name, uint32_t in, const vb_z *w,
                                uint32_t n) {
  return vb_add_norm_kind(b, layer, name, in, w, NULL, 1, n, VB_NORM_RMS, 1e-6);
}

uint32_t vb_build_mla(struct vb_build *b, int layer, uint32_t h) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t head = c->nope_dim + c->rope_dim, q_latent = h;
  struct parts p;
  if (c->q_lora) {
    q_latent = vb_add_linear(b, layer, "q_a_proj", h, &w->q_a, NULL, 1);
    q_latent = add_latent_norm(b, layer, "q_a_norm", q_latent, w->q_a_norm, c->q_lora);
  }
  p.q = vb_add_linear(b, layer, c->q_lora ? "q_b_proj" : "q_proj", q_latent, c->q_lora ? &w->q_b : &w->q, NULL, 1);
  p.q = vb_add_rope(b, layer, "q_rope", p.q, c->heads, head, c->nope_dim, VB_ROPE_PAIR);
  uint32_t kv_a = vb_add_linear(b, layer, "kv_a_proj", h, &w->kv_a, NULL, 1);
  uint32_t width = c->kv_lora + c->rope_dim;
  p.latent = vb_add_slice(b, layer, "kv_latent", kv_a, 1, width, 0, c->kv_lora);
  p.latent = add_latent_norm(b, layer, "kv_a_norm", p.latent, w->kv_a_norm, c->kv_lora);
  p.k_rope = vb_add_slice(b, layer, "k_pe", kv_a, 1, width, c->kv_lora, c->rope_dim);
  p.k_rope = vb_add_rope(b, layer, "k_rope", p.k_rope, 1, c->rope_dim, 0, VB_ROPE_PAIR);
  uint32_t list = c->index_topk ? build_indexer(b, layer, h, q_latent) : VB_NO_INPUT;
  uint32_t o = b->options.mla_naive ? build_naive(b, layer, p, list) : build_absorbed(b, layer, p, list);
  return vb_add_linear(b, layer, "o_proj", o, &w->o, w->o_bias, 1);
}
