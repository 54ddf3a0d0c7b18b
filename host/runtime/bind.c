// SPDX-License-Identifier: Apache-2.0
/// Connect a node's operator to its inputs' and its own output buffers.
#include "runtime/exec_internal.h"

static const void *input(const struct vb_exec *e, const struct vb_node *n, uint32_t i, uint32_t array) {
  return e->buffer[n->in[i]].out[array];
}

static bool has_input(const struct vb_node *n, uint32_t i) { return n->in[i] != VB_NO_INPUT; }

/// Row of batch item k's first token in an array of `row` elements per token.
static const vb_z *rows_of(const struct vb_exec *e, uint32_t k, const void *array, uint64_t row) {
  return (const vb_z *)array + e->item_token0[k] * row;
}

static void bind_attention(const struct vb_exec *e, const struct vb_node *n, uint32_t k, struct vb_attention_op *a,
                           void *out) {
  const struct vb_batch_item *item = &e->item[k];
  struct vb_kv *kv = &item->seq->kv[n->layer];
  uint64_t first = (uint64_t)e->item_token0[k] * a->heads;
  a->q = (const uint8_t *)input(e, n, 0, 0) + first * vb_rec_bytes(kv->dk);
  a->kv = kv;
  a->first_count = item->seq->length + 1;
  if (has_input(n, 2)) { // the indexer's selection
    a->list_stride = e->graph->node[n->in[2]].row_bytes[0] / (uint32_t)sizeof *a->list;
    a->list = (const uint32_t *)rows_of(e, k, input(e, n, 2, 0), a->list_stride);
    a->list_count = (const uint32_t *)rows_of(e, k, input(e, n, 2, 1), 1);
  }
  a->t = (struct vb_range){0, item->count};
  a->h = (struct vb_range){0, a->heads};
  a->key = (struct vb_range){0, item->seq->length + item->count};
  a->y = (vb_z *)out + first * kv->dv;
}

static void bind_indexer(const struct vb_exec *e, const struct vb_node *n, uint32_t k, struct vb_indexer_op *x,
                         void *out, void *out1) {
  const struct vb_batch_item *item = &e->item[k];
  x->kv = &item->seq->index[n->layer];
  x->q = (const uint8_t *)input(e, n, 0, 0) + (uint64_t)e->item_token0[k] * x->heads * vb_rec_bytes(x->kv->dk);
  x->w = rows_of(e, k, input(e, n, 1, 0), x->heads);
  x->first_count = item->seq->length + 1;
  x->t = (struct vb_range){0, item->count};
  x->key = (struct vb_range){0, item->seq->length + item->count};
  x->list = (uint32_t *)out + (uint64_t)e->item_token0[k] * x->k;
  x->count = (uint32_t *)out1 + e->item_token0[k];
}

static void bind_conv(const struct vb_exec *e, const struct vb_node *n, uint32_t k, struct vb_conv_op *c, void *out) {
  const struct vb_recurrent *r = &e->item[k].seq->recurrent[n->layer];
  c->x = rows_of(e, k, input(e, n, 0, 0), c->cols);
  c->history = r->history[r->now][n->slot];
  c->t = (struct vb_range){0, e->item[k].count};
  c->n = (struct vb_range){0, c->cols};
  c->y = (vb_z *)out + (uint64_t)e->item_token0[k] * c->cols;
}

/// What the operator leaves becomes the present when the whole call has succeeded.
static void bind_delta(const struct vb_exec *e, const struct vb_node *n, uint32_t k, struct vb_delta_op *d, void *out) {
  struct vb_recurrent *r = &e->item[k].seq->recurrent[n->layer];
  size_t columns = (size_t)d->heads * d->dv;
  d->before = r->delta[r->now];
  d->after = r->delta[1 - r->now];
  d->q = rows_of(e, k, input(e, n, 0, 0), (uint64_t)d->key_heads * d->dk);
  d->k = rows_of(e, k, input(e, n, 1, 0), (uint64_t)d->key_heads * d->dk);
  d->v = rows_of(e, k, input(e, n, 2, 0), columns);
  d->b = rows_of(e, k, input(e, n, 3, 0), d->heads);
  d->a = rows_of(e, k, input(e, n, 4, 0), d->heads);
  d->tokens = e->item[k].count;
  d->h = (struct vb_range){0, d->heads};
  d->y = (vb_z *)out + (uint64_t)e->item_token0[k] * columns;
}

void vb_bind_op(struct vb_exec *e, uint32_t node, uint32_t k, union vb_any_op *op) {
  const struct vb_node *n = &e->graph->node[node];
  struct vb_range all = {0, e->total};
  void *out = e->buffer[node].out[0], *out1 = e->buffer[node].out[1];
  *op = n->op;
  switch (n->kind) {
  case VB_OP_EMBED: op->embed.tokens = e->tokens, op->embed.t = all, op->embed.y = out; break;
  case VB_OP_RMSNORM:
    op->rmsnorm.x = input(e, n, 0, 0), op->rmsnorm.t = all, op->rmsnorm.g = (struct vb_range){0, op->rmsnorm.groups};
    op->rmsnorm.y = out;
    break;
  case VB_OP_LINEAR: {
    struct vb_linear_op *l = &op->linear;
    l->x = input(e, n, 0, 0), l->t = all, l->y = out;
    l->n = (struct vb_range){0, l->w8 ? l->w8->rows : l->w14->rows};
    l->b = (struct vb_range){0, l->w8 ? l->w8->blocks : l->w14->blocks};
    break;
  }
  case VB_OP_ROPE:
    op->rope.x = input(e, n, 0, 0), op->rope.pos = e->pos, op->rope.t = all;
    op->rope.h = (struct vb_range){0, op->rope.heads}, op->rope.y = out;
    break;
  case VB_OP_PACK_Q:
    op->pack_q.x = input(e, n, 0, 0), op->pack_q.t = all, op->pack_q.h = (struct vb_range){0, op->pack_q.heads};
    op->pack_q.pos = e->pos, op->pack_q.rec = out;
    break;
  case VB_OP_PACK_KV:
    op->pack_kv.k = input(e, n, 0, 0), op->pack_kv.v = has_input(n, 1) ? input(e, n, 1, 0) : NULL, op->pack_kv.t = all;
    op->pack_kv.h = (struct vb_range){0, op->pack_kv.heads}, op->pack_kv.krec = out, op->pack_kv.vrec = out1;
    break;
  case VB_OP_ATTENTION: bind_attention(e, n, k, &op->attention, out); break;
  case VB_OP_SWIGLU:
    op->swiglu.g = input(e, n, 0, 0), op->swiglu.u = has_input(n, 1) ? input(e, n, 1, 0) : NULL, op->swiglu.t = all;
    op->swiglu.n = (struct vb_range){0, op->swiglu.cols}, op->swiglu.y = out;
    break;
  case VB_OP_ADD:
    op->add.a = input(e, n, 0, 0), op->add.b = input(e, n, 1, 0), op->add.t = all;
    op->add.n = (struct vb_range){0, op->add.cols}, op->add.y = out;
    break;
  case VB_OP_ROUTER:
    op->router.logits = input(e, n, 0, 0), op->router.t = all, op->router.ids = out, op->router.gates = out1;
    break;
  case VB_OP_EXPERTS: {
    struct vb_experts_op *x = &op->experts;
    x->x = input(e, n, 0, 0), x->ids = input(e, n, 1, 0), x->gates = input(e, n, 1, 1), x->t = all;
    x->shared_scale = has_input(n, 2) ? input(e, n, 2, 0) : NULL;
    x->e = (struct vb_range){0, x->w->experts + (x->w->shared_inter > 0)}, x->y = out;
    break;
  }
  case VB_OP_JOIN:
    op->join.a.x = input(e, n, 0, 0), op->join.b.x = op->join.b.len ? input(e, n, 1, 0) : NULL, op->join.t = all;
    op->join.h = (struct vb_range){0, op->join.heads}, op->join.y = out;
    break;
  case VB_OP_SOFTCAP:
    op->softcap.x = input(e, n, 0, 0), op->softcap.t = all, op->softcap.n = (struct vb_range){0, op->softcap.cols};
    op->softcap.y = out;
    break;
  case VB_OP_CONV: bind_conv(e, n, k, &op->conv, out); break;
  case VB_OP_DELTA: bind_delta(e, n, k, &op->delta, out); break;
  case VB_OP_INDEXER: bind_indexer(e, n, k, &op->indexer, out, out1); break;
  case VB_OP_KINDS: break;
  }
}
