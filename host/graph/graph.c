// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"
#include "graph/builder.h"
#include "num/num.h"
#include <stdlib.h>
#include <string.h>

const char *vb_op_name(enum vb_op_kind k) {
  static const char *names[VB_OP_KINDS] = {"embed",     "rmsnorm", "linear", "rope",   "pack_q",  "pack_kv",
                                           "attention", "swiglu",  "add",    "router", "experts", "join",
                                           "softcap",   "conv",    "delta",  "indexer"};
  return k < VB_OP_KINDS ? names[k] : "?";
}

const char *vb_axis_name(enum vb_axis a) {
  static const char *names[VB_AXES] = {"tokens", "heads", "keys", "rows", "k", "experts"};
  return a < VB_AXES ? names[a] : "?";
}

static uint32_t build_mixer(struct vb_build *b, int layer, uint32_t h) {
  switch (b->c->layer ? b->c->layer[layer].mixer : VB_MIXER_ATTENTION) {
  case VB_MIXER_MLA: return vb_build_mla(b, layer, h);
  case VB_MIXER_DELTA: return vb_build_delta(b, layer, h);
  case VB_MIXER_ATTENTION: break;
  }
  return vb_build_attention(b, layer, h);
}

static uint32_t build_layer(struct vb_build *b, int layer, uint32_t x) {
  const struct vb_config *c = b->c;
  const struct vb_layer *w = &b->m->layer[layer];
  uint32_t h = vb_add_norm(b, layer, "attn_norm", x, w->attn_norm, 1, c->hidden);
  h = build_mixer(b, layer, h);
  if (c->sandwich) h = vb_add_norm(b, layer, "post_attn_norm", h, w->post_attn_norm, 1, c->hidden);
  x = vb_add_residual(b, layer, "attn_add", x, h);
  h = vb_add_norm(b, layer, "ffn_norm", x, w->ffn_norm, 1, c->hidden);
  h = vb_build_ffn(b, layer, h);
  if (c->sandwich) h = vb_add_norm(b, layer, "post_ffn_norm", h, w->post_ffn_norm, 1, c->hidden);
  return vb_add_residual(b, layer, "ffn_add", x, h);
}

static void add_softcap(struct vb_build *b, uint32_t logits) {
  double cap = b->c->final_softcap;
  struct vb_node *n = vb_add_node(b, -1, "softcap", VB_OP_SOFTCAP, b->c->vocab);
  n->in[0] = logits;
  n->op.softcap = (struct vb_softcap_op){
      .cap = vb_from_float((float)cap), .inv_cap = vb_from_float((float)(1.0 / cap)), .cols = b->c->vocab};
  vb_allow(n, VB_AXIS_ROWS, b->c->vocab);
}

/// Operators that read a cache carry its shape, so that a device can be asked whether it can run them.
static void note_caches(struct vb_graph *g) {
  static uint8_t exists;
  for (uint32_t i = 0; i < g->nodes; i++) {
    struct vb_node *n = &g->node[i];
    if (n->kind != VB_OP_ATTENTION && n->kind != VB_OP_INDEXER) continue;
    const struct vb_layer_state *s = &g->state[n->layer];
    bool main = n->kind == VB_OP_ATTENTION;
    n->cache = (struct vb_kv){.k = &exists,
                              .v = main && !s->shared ? &exists : NULL,
                              .heads = main ? s->kv_heads : 1,
                              .dk = main ? s->dk : s->index_dim,
                              .dv = main ? s->dv : 0};
  }
}

enum { MAX_NODES_PER_LAYER = 40 };

vb_result vb_graph_build(const struct vb_model *m, const struct vb_graph_options *options, struct vb_graph *g) {
  const struct vb_config *c = &m->config;
  struct vb_build b = {.g = g, .m = m, .c = c, .options = options ? *options : (struct vb_graph_options){0}};
  *g = (struct vb_graph){.model = m};
  b.room = 8 + MAX_NODES_PER_LAYER * c->layers;
  g->node = calloc(b.room, sizeof *g->node);
  g->state = calloc(c->layers, sizeof *g->state);
  if (!g->node || !g->state) {
    vb_graph_free(g);
    return vb_fail(VB_DEVICE, "out of memory for the graph of %u layers", c->layers);
  }
  struct vb_node *n = vb_add_node(&b, -1, "embed", VB_OP_EMBED, c->hidden);
  n->op.embed = (struct vb_embed_op){.table = m->embed,
                                     .vocab = c->vocab,
                                     .dim = c->hidden,
                                     .scale = c->embed_scale != 0 ? vb_from_float((float)c->embed_scale) : 0};
  uint32_t x = vb_last(&b);
  for (uint32_t l = 0; l < c->layers; l++) x = build_layer(&b, (int)l, x);
  x = vb_add_norm(&b, -1, "final_norm", x, m->final_norm, 1, c->hidden);
  g->greedy = vb_add_linear(&b, -1, "lm_head", x, &m->lm_head, NULL, 1);
  if (c->final_softcap != 0) add_softcap(&b, g->greedy);
  note_caches(g);
  return VB_OK;
}

void vb_graph_cache_bytes(const struct vb_graph *g, uint64_t *per_position, uint64_t *fixed) {
  *per_position = *fixed = 0;
  for (uint32_t l = 0; l < g->model->config.layers; l++) {
    const struct vb_layer_state *s = &g->state[l];
    if (s->dk) *per_position += (uint64_t)s->kv_heads * (vb_rec_bytes(s->dk) + (s->shared ? 0 : vb_val_bytes(s->dv)));
    if (s->index_dim) *per_position += vb_rec_bytes(s->index_dim);
    *fixed += 3ull * (s->conv[0] + s->conv[1] + s->conv[2]) * sizeof(vb_z);
    *fixed += s->delta_heads * (4ull * s->delta_dk * s->delta_dv + 8ull * s->delta_dv + 4);
  }
}

void vb_graph_free(struct vb_graph *g) {
  free(g->node);
  free(g->state);
  *g = (struct vb_graph){0};
}

int vb_graph_find(const struct vb_graph *g, const char *path) {
  for (uint32_t i = 0; i < g->nodes; i++)
    if (!strcmp(g->node[i].path, path)) return (int)i;
  return -1;
}
