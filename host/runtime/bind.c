// SPDX-License-Identifier: Apache-2.0
/// Connect a node's operator to its inputs' and its own output buffers.
#include "runtime/exec_internal.h"

static const void *input(const struct vb_exec *e, const struct vb_node *n, uint32_t i, uint32_t array) {
  return e->buffer[n->in[i]].out[array];
}

static void bind_attention(const struct vb_exec *e, const struct vb_node *n, uint32_t k, struct vb_attention_op *a, void *out) {
  const struct vb_batch_item *item = &e->item[k];
  struct vb_kv *kv = &item->seq->kv[n->layer];
  uint64_t first = (uint64_t)e->item_token0[k] * a->heads;
  a->q = (const uint8_t *)input(e, n, 0, 0) + first * vb_rec_bytes(kv->dk);
  a->kv = kv;
  a->first_count = item->seq->length + 1;
  a->t = (struct vb_range){0, item->count};
  a->h = (struct vb_range){0, a->heads};
  a->key = (struct vb_range){0, item->seq->length + item->count};
  a->y = (vb_z *)out + first * kv->dv;
}

void vb_bind_op(struct vb_exec *e, uint32_t node, uint32_t k, union vb_any_op *op) {
  const struct vb_node *n = &e->graph->node[node];
  struct vb_range all = {0, e->total};
  void *out = e->buffer[node].out[0], *out1 = e->buffer[node].out[1];
  *op = n->op;
  switch (n->kind) {
  case VB_OP_EMBED:
    op->embed.tokens = e->tokens, op->embed.t = all, op->embed.y = out;
    break;
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
    op->pack_q.rec = out;
    break;
  case VB_OP_PACK_KV:
    op->pack_kv.k = input(e, n, 0, 0), op->pack_kv.v = input(e, n, 1, 0), op->pack_kv.t = all;
    op->pack_kv.h = (struct vb_range){0, op->pack_kv.heads}, op->pack_kv.krec = out, op->pack_kv.vrec = out1;
    break;
  case VB_OP_ATTENTION: bind_attention(e, n, k, &op->attention, out); break;
  case VB_OP_SWIGLU:
    op->swiglu.g = input(e, n, 0, 0), op->swiglu.u = input(e, n, 1, 0), op->swiglu.t = all;
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
    x->e = (struct vb_range){0, x->w->experts}, x->y = out;
    break;
  }
  case VB_OP_KINDS: break;
  }
}
