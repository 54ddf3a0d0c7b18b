// SPDX-License-Identifier: Apache-2.0
#include "verify/fields.h"

void vb_case_connect(struct vb_case_op *c) {
  switch (c->kind) {
  case VB_OP_LINEAR:
    c->op.linear.w8 = c->w8.rows ? &c->w8 : NULL;
    c->op.linear.w14 = c->w8.rows ? NULL : &c->w14;
    break;
  case VB_OP_ATTENTION: c->op.attention.kv = &c->kv; break;
  case VB_OP_EXPERTS: c->op.experts.w = &c->experts; break;
  default: break;
  }
}

void vb_case_from_op(enum vb_op_kind kind, const union vb_any_op *op, struct vb_case_op *c) {
  *c = (struct vb_case_op){.kind = kind, .op = *op};
  if (kind == VB_OP_LINEAR && op->linear.w8) c->w8 = *op->linear.w8;
  if (kind == VB_OP_LINEAR && op->linear.w14) c->w14 = *op->linear.w14;
  if (kind == VB_OP_LINEAR) c->has_bias = op->linear.bias != NULL, c->is_partial = op->linear.acc != NULL;
  if (kind == VB_OP_ATTENTION) c->kv = *op->attention.kv;
  if (kind == VB_OP_EXPERTS) c->experts = *op->experts.w;
  vb_case_connect(c);
}

struct list {
  struct vb_field *f;
  uint32_t n;
};

static void scalar(struct list *l, const char *name, const void *at) {
  l->f[l->n++] = (struct vb_field){name, VB_FIELD_SCALAR, VB_H5_U32, (void *)(uintptr_t)at, 1};
}
static void range(struct list *l, const char *begin, const char *end, const struct vb_range *r) {
  scalar(l, begin, &r->begin);
  scalar(l, end, &r->end);
}
/// `at` is the address of the pointer, whatever its type. Arrays that are absent (NULL and optional) are not listed by the callers.
static void array(struct list *l, const char *name, enum vb_role role, enum vb_h5_type type, const void *at, uint64_t count) {
  l->f[l->n++] = (struct vb_field){name, role, type, (void *)(uintptr_t)at, count};
}

static void w8_sizes(struct list *l, struct vb_w8 *w, const char *rows, const char *cols, const char *blocks) {
  scalar(l, rows, &w->rows);
  scalar(l, cols, &w->cols);
  scalar(l, blocks, &w->blocks);
}
static void w8_arrays(struct list *l, struct vb_w8 *w, const char *q, const char *codes, const char *max) {
  array(l, q, VB_FIELD_IN, VB_H5_I8, &w->q, (uint64_t)w->rows * w->blocks * VB_BLOCK);
  array(l, codes, VB_FIELD_IN, VB_H5_U8, &w->codes, (uint64_t)w->rows * w->blocks);
  array(l, max, VB_FIELD_IN, VB_H5_U8, &w->max, w->rows);
}

static void linear_fields(struct list *l, struct vb_case_op *c) {
  struct vb_linear_op *o = &c->op.linear;
  scalar(l, "has_bias", &c->has_bias);
  scalar(l, "is_partial", &c->is_partial);
  w8_sizes(l, &c->w8, "w8_rows", "w8_cols", "w8_blocks");
  scalar(l, "w14_rows", &c->w14.rows);
  scalar(l, "w14_cols", &c->w14.cols);
  scalar(l, "w14_blocks", &c->w14.blocks);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "n_begin", "n_end", &o->n);
  range(l, "b_begin", "b_end", &o->b);
  uint32_t rows = c->w8.rows ? c->w8.rows : c->w14.rows, cols = c->w8.rows ? c->w8.cols : c->w14.cols;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * cols);
  if (c->w8.rows) {
    w8_arrays(l, &c->w8, "w8_q", "w8_codes", "w8_max");
  } else {
    array(l, "w14_q", VB_FIELD_IN, VB_H5_I16, &c->w14.q, (uint64_t)rows * c->w14.blocks * VB_BLOCK);
    array(l, "w14_codes", VB_FIELD_IN, VB_H5_U8, &c->w14.codes, (uint64_t)rows * c->w14.blocks);
    array(l, "w14_max", VB_FIELD_IN, VB_H5_U8, &c->w14.max, rows);
  }
  if (c->has_bias) array(l, "bias", VB_FIELD_IN, VB_H5_U32, &o->bias, rows);
  if (c->is_partial) array(l, "acc", VB_FIELD_OUT, VB_H5_I64, &o->acc, (uint64_t)o->t.end * rows);
  else array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * rows);
}

static void attention_fields(struct list *l, struct vb_case_op *c) {
  struct vb_attention_op *o = &c->op.attention;
  scalar(l, "heads", &o->heads);
  scalar(l, "first_count", &o->first_count);
  scalar(l, "mode", &o->mode);
  scalar(l, "kv_heads", &c->kv.heads);
  scalar(l, "dk", &c->kv.dk);
  scalar(l, "dv", &c->kv.dv);
  scalar(l, "capacity", &c->kv.capacity);
  scalar(l, "length", &c->kv.length);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  range(l, "key_begin", "key_end", &o->key);
  uint64_t rows = (uint64_t)o->t.end * o->heads, slots = (uint64_t)c->kv.heads * c->kv.capacity;
  array(l, "q", VB_FIELD_IN, VB_H5_U8, &o->q, rows * vb_rec_bytes(c->kv.dk));
  array(l, "k", VB_FIELD_IN, VB_H5_U8, &c->kv.k, slots * vb_rec_bytes(c->kv.dk));
  array(l, "v", VB_FIELD_IN, VB_H5_U8, &c->kv.v, slots * vb_val_bytes(c->kv.dv));
  bool exp = o->mode == VB_ATTN_EXP, sum = o->mode == VB_ATTN_SUM;
  if (o->mode != VB_ATTN_FULL) array(l, "m", o->mode == VB_ATTN_MAX ? VB_FIELD_OUT : VB_FIELD_IN, VB_H5_I32, &o->m, rows);
  if (exp || sum) array(l, "em", exp ? VB_FIELD_OUT : VB_FIELD_IN, VB_H5_I16, &o->em, rows * VB_EM_ROW);
  if (sum) array(l, "l", VB_FIELD_OUT, VB_H5_U64, &o->l, rows);
  if (sum) array(l, "num", VB_FIELD_OUT, VB_H5_I64, &o->num, rows * c->kv.dv);
  if (o->mode == VB_ATTN_FULL) array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, rows * c->kv.dv);
}

static void experts_fields(struct list *l, struct vb_case_op *c) {
  struct vb_experts_op *o = &c->op.experts;
  struct vb_experts_w *w = &c->experts;
  scalar(l, "experts", &w->experts);
  scalar(l, "dim", &w->dim);
  scalar(l, "inter", &w->inter);
  scalar(l, "k", &o->k);
  scalar(l, "mode", &o->mode);
  w8_sizes(l, &w->gate, "gate_rows", "gate_cols", "gate_blocks");
  w8_sizes(l, &w->up, "up_rows", "up_cols", "up_blocks");
  w8_sizes(l, &w->down, "down_rows", "down_cols", "down_blocks");
  range(l, "t_begin", "t_end", &o->t);
  range(l, "e_begin", "e_end", &o->e);
  uint64_t pairs = (uint64_t)o->t.end * o->k;
  bool down = o->mode == VB_EXPERTS_DOWN, hidden = o->mode == VB_EXPERTS_HIDDEN;
  enum vb_role h = down ? VB_FIELD_IN : hidden ? VB_FIELD_OUT : VB_FIELD_SCRATCH;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * w->dim);
  array(l, "ids", VB_FIELD_IN, VB_H5_U32, &o->ids, pairs);
  array(l, "gates", VB_FIELD_IN, VB_H5_U32, &o->gates, pairs);
  w8_arrays(l, &w->gate, "gate_q", "gate_codes", "gate_max");
  w8_arrays(l, &w->up, "up_q", "up_codes", "up_max");
  w8_arrays(l, &w->down, "down_q", "down_codes", "down_max");
  array(l, "hq", h, VB_H5_I8, &o->hq, pairs * w->down.blocks * VB_BLOCK);
  array(l, "hcodes", h, VB_H5_U8, &o->hcodes, pairs * w->down.blocks);
  array(l, "hmax", h, VB_H5_U8, &o->hmax, pairs);
  if (down) array(l, "tmax", VB_FIELD_IN, VB_H5_U8, &o->tmax, o->t.end);
  if (down) array(l, "acc", VB_FIELD_OUT, VB_H5_I64, &o->acc, (uint64_t)o->t.end * w->dim);
  if (o->mode == VB_EXPERTS_FULL) array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * w->dim);
}

static void router_fields(struct list *l, struct vb_router_op *o) {
  scalar(l, "experts", &o->experts);
  scalar(l, "k", &o->k);
  scalar(l, "score", &o->score);
  scalar(l, "renorm", &o->renorm);
  scalar(l, "scale", &o->scale);
  range(l, "t_begin", "t_end", &o->t);
  uint64_t pairs = (uint64_t)(o->t.end - o->t.begin) * o->k;
  array(l, "logits", VB_FIELD_IN, VB_H5_U32, &o->logits, (uint64_t)o->t.end * o->experts);
  array(l, "ids", VB_FIELD_OUT, VB_H5_U32, &o->ids, pairs);
  array(l, "gates", VB_FIELD_OUT, VB_H5_U32, &o->gates, pairs);
  array(l, "hist", VB_FIELD_OUT, VB_H5_U32, &o->hist, o->experts);
  array(l, "offsets", VB_FIELD_OUT, VB_H5_U32, &o->offsets, o->experts + 1u);
  array(l, "list", VB_FIELD_OUT, VB_H5_U32, &o->list, pairs);
}

static void rope_fields(struct list *l, struct vb_rope_op *o) {
  scalar(l, "heads", &o->heads);
  scalar(l, "d", &o->d);
  scalar(l, "rot", &o->rot);
  scalar(l, "layout", &o->layout);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  uint64_t n = (uint64_t)o->t.end * o->heads * o->d;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, n);
  array(l, "freq", VB_FIELD_IN, VB_H5_U64, &o->freq, o->rot / 2);
  array(l, "pos", VB_FIELD_IN, VB_H5_U32, &o->pos, o->t.end);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, n);
}

static void pack_kv_fields(struct list *l, struct vb_pack_kv_op *o) {
  scalar(l, "heads", &o->heads);
  scalar(l, "dk", &o->dk);
  scalar(l, "dv", &o->dv);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  uint64_t rows = (uint64_t)o->t.end * o->heads;
  array(l, "k", VB_FIELD_IN, VB_H5_U32, &o->k, rows * o->dk);
  array(l, "v", VB_FIELD_IN, VB_H5_U32, &o->v, rows * o->dv);
  array(l, "krec", VB_FIELD_OUT, VB_H5_U8, &o->krec, rows * vb_rec_bytes(o->dk));
  array(l, "vrec", VB_FIELD_OUT, VB_H5_U8, &o->vrec, rows * vb_val_bytes(o->dv));
}

static void pack_q_fields(struct list *l, struct vb_pack_q_op *o) {
  scalar(l, "scale", &o->scale);
  scalar(l, "heads", &o->heads);
  scalar(l, "d", &o->d);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  uint64_t rows = (uint64_t)o->t.end * o->heads;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, rows * o->d);
  array(l, "rec", VB_FIELD_OUT, VB_H5_U8, &o->rec, rows * vb_rec_bytes(o->d));
}

static void rmsnorm_fields(struct list *l, struct vb_rmsnorm_op *o) {
  scalar(l, "groups", &o->groups);
  scalar(l, "n", &o->n);
  scalar(l, "eps_n", &o->eps_n);
  scalar(l, "sqrt_n", &o->sqrt_n);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "g_begin", "g_end", &o->g);
  uint64_t n = (uint64_t)o->t.end * o->groups * o->n;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, n);
  array(l, "w", VB_FIELD_IN, VB_H5_U32, &o->w, o->n);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, n);
}

static void embed_fields(struct list *l, struct vb_embed_op *o) {
  scalar(l, "vocab", &o->vocab);
  scalar(l, "dim", &o->dim);
  range(l, "t_begin", "t_end", &o->t);
  array(l, "table", VB_FIELD_IN, VB_H5_U32, &o->table, (uint64_t)o->vocab * o->dim);
  array(l, "tokens", VB_FIELD_IN, VB_H5_I32, &o->tokens, o->t.end);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->dim);
}

/// swiglu and add: two inputs and an output of the same shape.
static void pair_fields(struct list *l, uint32_t *cols, struct vb_range *t, struct vb_range *n, const vb_z **a, const vb_z **b, vb_z **y) {
  scalar(l, "cols", cols);
  range(l, "t_begin", "t_end", t);
  range(l, "n_begin", "n_end", n);
  array(l, "a", VB_FIELD_IN, VB_H5_U32, a, (uint64_t)t->end * *cols);
  array(l, "b", VB_FIELD_IN, VB_H5_U32, b, (uint64_t)t->end * *cols);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, y, (uint64_t)t->end * *cols);
}

uint32_t vb_case_fields(struct vb_case_op *c, struct vb_field f[VB_MAX_FIELDS]) {
  struct list l = {f, 0};
  switch (c->kind) {
  case VB_OP_EMBED: embed_fields(&l, &c->op.embed); break;
  case VB_OP_RMSNORM: rmsnorm_fields(&l, &c->op.rmsnorm); break;
  case VB_OP_LINEAR: linear_fields(&l, c); break;
  case VB_OP_ROPE: rope_fields(&l, &c->op.rope); break;
  case VB_OP_PACK_Q: pack_q_fields(&l, &c->op.pack_q); break;
  case VB_OP_PACK_KV: pack_kv_fields(&l, &c->op.pack_kv); break;
  case VB_OP_ATTENTION: attention_fields(&l, c); break;
  case VB_OP_SWIGLU: pair_fields(&l, &c->op.swiglu.cols, &c->op.swiglu.t, &c->op.swiglu.n, &c->op.swiglu.g, &c->op.swiglu.u, &c->op.swiglu.y); break;
  case VB_OP_ADD: pair_fields(&l, &c->op.add.cols, &c->op.add.t, &c->op.add.n, &c->op.add.a, &c->op.add.b, &c->op.add.y); break;
  case VB_OP_ROUTER: router_fields(&l, &c->op.router); break;
  case VB_OP_EXPERTS: experts_fields(&l, c); break;
  case VB_OP_KINDS: break;
  }
  return l.n;
}
