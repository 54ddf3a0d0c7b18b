// SPDX-License-Identifier: Apache-2.0
#include "verify/fields.h"

void vb_case_connect(struct vb_case_op *c) {
  switch (c->kind) {
  case VB_OP_LINEAR:
    c->op.linear.w8 = c->w8.rows ? &c->w8 : NULL;
    c->op.linear.w14 = c->w8.rows ? NULL : &c->w14;
    break;
  case VB_OP_ATTENTION: c->op.attention.kv = &c->kv; break;
  case VB_OP_INDEXER: c->op.indexer.kv = &c->kv; break;
  case VB_OP_EXPERTS: c->op.experts.w = &c->experts; break;
  default: break;
  }
}

/// Which optional arrays an operator has: a pointer cannot be read from a file.
static void note_optional(struct vb_case_op *c) {
  const union vb_any_op *op = &c->op;
  switch (c->kind) {
  case VB_OP_RMSNORM: c->has.weight = op->rmsnorm.w != NULL, c->has.bias = op->rmsnorm.bias != NULL; break;
  case VB_OP_LINEAR: c->has.bias = op->linear.bias != NULL, c->has.partial = op->linear.acc != NULL; break;
  case VB_OP_PACK_KV: c->has.values = op->pack_kv.v != NULL; break;
  case VB_OP_ATTENTION:
    c->has.list = op->attention.list != NULL, c->has.sinks = op->attention.sinks != NULL, c->has.values = op->attention.kv->v != NULL;
    break;
  case VB_OP_SWIGLU: c->has.gate = op->swiglu.u != NULL; break;
  case VB_OP_ROUTER: c->has.correction = op->router.bias != NULL; break;
  case VB_OP_EXPERTS: c->has.expert_bias = op->experts.w->gate_bias != NULL, c->has.shared_scale = op->experts.shared_scale != NULL; break;
  default: break;
  }
}

void vb_case_from_op(enum vb_op_kind kind, const union vb_any_op *op, struct vb_case_op *c) {
  *c = (struct vb_case_op){.kind = kind, .op = *op};
  if (kind == VB_OP_LINEAR && op->linear.w8) c->w8 = *op->linear.w8;
  if (kind == VB_OP_LINEAR && op->linear.w14) c->w14 = *op->linear.w14;
  if (kind == VB_OP_ATTENTION) c->kv = *op->attention.kv;
  if (kind == VB_OP_INDEXER) c->kv = *op->indexer.kv;
  if (kind == VB_OP_EXPERTS) c->experts = *op->experts.w;
  note_optional(c);
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
/// A constant, whose bits are free: a carrier value, or a 64-bit integer.
static void value(struct list *l, const char *name, const void *at) {
  l->f[l->n++] = (struct vb_field){name, VB_FIELD_VALUE, VB_H5_U32, (void *)(uintptr_t)at, 1};
}
static void wide(struct list *l, const char *name, const void *at) {
  l->f[l->n++] = (struct vb_field){name, VB_FIELD_VALUE, VB_H5_I64, (void *)(uintptr_t)at, 1};
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
  scalar(l, "has_bias", &c->has.bias);
  scalar(l, "is_partial", &c->has.partial);
  scalar(l, "groups", &o->groups);
  w8_sizes(l, &c->w8, "w8_rows", "w8_cols", "w8_blocks");
  scalar(l, "w14_rows", &c->w14.rows);
  scalar(l, "w14_cols", &c->w14.cols);
  scalar(l, "w14_blocks", &c->w14.blocks);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "n_begin", "n_end", &o->n);
  range(l, "b_begin", "b_end", &o->b);
  uint32_t rows = c->w8.rows ? c->w8.rows : c->w14.rows, cols = c->w8.rows ? c->w8.cols : c->w14.cols;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * (o->groups ? o->groups : 1) * cols);
  if (c->w8.rows) {
    w8_arrays(l, &c->w8, "w8_q", "w8_codes", "w8_max");
  } else {
    array(l, "w14_q", VB_FIELD_IN, VB_H5_I16, &c->w14.q, (uint64_t)rows * c->w14.blocks * VB_BLOCK);
    array(l, "w14_codes", VB_FIELD_IN, VB_H5_U8, &c->w14.codes, (uint64_t)rows * c->w14.blocks);
    array(l, "w14_max", VB_FIELD_IN, VB_H5_U8, &c->w14.max, rows);
  }
  if (c->has.bias) array(l, "bias", VB_FIELD_IN, VB_H5_U32, &o->bias, rows);
  if (c->has.partial) array(l, "acc", VB_FIELD_OUT, VB_H5_I64, &o->acc, (uint64_t)o->t.end * rows);
  else array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * rows);
}

static void attention_fields(struct list *l, struct vb_case_op *c) {
  struct vb_attention_op *o = &c->op.attention;
  scalar(l, "heads", &o->heads);
  scalar(l, "first_count", &o->first_count);
  scalar(l, "mode", &o->mode);
  scalar(l, "window", &o->window);
  scalar(l, "chunk", &o->chunk);
  scalar(l, "list_stride", &o->list_stride);
  scalar(l, "has_list", &c->has.list);
  scalar(l, "has_sinks", &c->has.sinks);
  scalar(l, "has_values", &c->has.values);
  wide(l, "cap", &o->cap);
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
  if (c->has.values) array(l, "v", VB_FIELD_IN, VB_H5_U8, &c->kv.v, slots * vb_val_bytes(c->kv.dv));
  if (c->has.list) array(l, "list", VB_FIELD_IN, VB_H5_U32, &o->list, (uint64_t)o->t.end * o->list_stride);
  if (c->has.list) array(l, "list_count", VB_FIELD_IN, VB_H5_U32, &o->list_count, o->t.end);
  if (c->has.sinks) array(l, "sinks", VB_FIELD_IN, VB_H5_U32, &o->sinks, o->heads);
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
  scalar(l, "shared_inter", &w->shared_inter);
  scalar(l, "act", &w->act);
  value(l, "limit", &w->limit);
  scalar(l, "gate_input", &w->gate_input);
  scalar(l, "has_bias", &c->has.expert_bias);
  scalar(l, "has_shared_scale", &c->has.shared_scale);
  w8_sizes(l, &w->shared_gate, "shared_gate_rows", "shared_gate_cols", "shared_gate_blocks");
  w8_sizes(l, &w->shared_up, "shared_up_rows", "shared_up_cols", "shared_up_blocks");
  w8_sizes(l, &w->shared_down, "shared_down_rows", "shared_down_cols", "shared_down_blocks");
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
  if (c->has.expert_bias) {
    array(l, "gate_bias", VB_FIELD_IN, VB_H5_U32, &w->gate_bias, w->gate.rows);
    array(l, "up_bias", VB_FIELD_IN, VB_H5_U32, &w->up_bias, w->up.rows);
    array(l, "down_bias", VB_FIELD_IN, VB_H5_U32, &w->down_bias, w->down.rows);
  }
  if (c->has.shared_scale) array(l, "shared_scale", VB_FIELD_IN, VB_H5_U32, &o->shared_scale, o->t.end);
  if (w->shared_inter) {
    w8_arrays(l, &w->shared_gate, "shared_gate_q", "shared_gate_codes", "shared_gate_max");
    w8_arrays(l, &w->shared_up, "shared_up_q", "shared_up_codes", "shared_up_max");
    w8_arrays(l, &w->shared_down, "shared_down_q", "shared_down_codes", "shared_down_max");
    array(l, "shq", h, VB_H5_I8, &o->shq, (uint64_t)o->t.end * w->shared_down.blocks * VB_BLOCK);
    array(l, "shcodes", h, VB_H5_U8, &o->shcodes, (uint64_t)o->t.end * w->shared_down.blocks);
    array(l, "shmax", h, VB_H5_U8, &o->shmax, o->t.end);
  }
  array(l, "hq", h, VB_H5_I8, &o->hq, pairs * w->down.blocks * VB_BLOCK);
  array(l, "hcodes", h, VB_H5_U8, &o->hcodes, pairs * w->down.blocks);
  array(l, "hmax", h, VB_H5_U8, &o->hmax, pairs);
  if (down) array(l, "tmax", VB_FIELD_IN, VB_H5_U8, &o->tmax, o->t.end);
  if (down) array(l, "acc", VB_FIELD_OUT, VB_H5_I64, &o->acc, (uint64_t)o->t.end * w->dim);
  if (o->mode == VB_EXPERTS_FULL) array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * w->dim);
}

static void router_fields(struct list *l, struct vb_case_op *c) {
  struct vb_router_op *o = &c->op.router;
  scalar(l, "experts", &o->experts);
  scalar(l, "k", &o->k);
  scalar(l, "score", &o->score);
  scalar(l, "renorm", &o->renorm);
  value(l, "scale", &o->scale);
  scalar(l, "groups", &o->groups);
  scalar(l, "topk_groups", &o->topk_groups);
  scalar(l, "group_top", &o->group_top);
  scalar(l, "has_correction", &c->has.correction);
  range(l, "t_begin", "t_end", &o->t);
  uint64_t pairs = (uint64_t)(o->t.end - o->t.begin) * o->k;
  array(l, "logits", VB_FIELD_IN, VB_H5_U32, &o->logits, (uint64_t)o->t.end * o->experts);
  if (c->has.correction) array(l, "bias", VB_FIELD_IN, VB_H5_U32, &o->bias, o->experts);
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
  scalar(l, "first", &o->first);
  value(l, "mscale", &o->mscale);
  scalar(l, "layout", &o->layout);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  uint64_t n = (uint64_t)o->t.end * o->heads * o->d;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, n);
  array(l, "freq", VB_FIELD_IN, VB_H5_U64, &o->freq, o->rot / 2);
  array(l, "pos", VB_FIELD_IN, VB_H5_U32, &o->pos, o->t.end);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, n);
}

static void pack_kv_fields(struct list *l, struct vb_case_op *c) {
  struct vb_pack_kv_op *o = &c->op.pack_kv;
  scalar(l, "heads", &o->heads);
  scalar(l, "dk", &o->dk);
  scalar(l, "dv", &o->dv);
  scalar(l, "hadamard", &o->hadamard);
  scalar(l, "has_values", &c->has.values);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  uint64_t rows = (uint64_t)o->t.end * o->heads;
  array(l, "k", VB_FIELD_IN, VB_H5_U32, &o->k, rows * o->dk);
  if (c->has.values) array(l, "v", VB_FIELD_IN, VB_H5_U32, &o->v, rows * o->dv);
  array(l, "krec", VB_FIELD_OUT, VB_H5_U8, &o->krec, rows * vb_rec_bytes(o->dk));
  if (c->has.values) array(l, "vrec", VB_FIELD_OUT, VB_H5_U8, &o->vrec, rows * vb_val_bytes(o->dv));
}

static void pack_q_fields(struct list *l, struct vb_pack_q_op *o) {
  value(l, "scale", &o->scale);
  scalar(l, "floor_scale", &o->floor_scale);
  value(l, "temperature", &o->temperature);
  scalar(l, "hadamard", &o->hadamard);
  scalar(l, "heads", &o->heads);
  scalar(l, "d", &o->d);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  uint64_t rows = (uint64_t)o->t.end * o->heads;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, rows * o->d);
  if (o->floor_scale) array(l, "pos", VB_FIELD_IN, VB_H5_U32, &o->pos, o->t.end);
  array(l, "rec", VB_FIELD_OUT, VB_H5_U8, &o->rec, rows * vb_rec_bytes(o->d));
}

static void rmsnorm_fields(struct list *l, struct vb_case_op *c) {
  struct vb_rmsnorm_op *o = &c->op.rmsnorm;
  scalar(l, "groups", &o->groups);
  scalar(l, "n", &o->n);
  value(l, "eps_n", &o->eps_n);
  value(l, "sqrt_n", &o->sqrt_n);
  value(l, "inv_n", &o->inv_n);
  scalar(l, "kind", &o->kind);
  scalar(l, "has_weight", &c->has.weight);
  scalar(l, "has_bias", &c->has.bias);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "g_begin", "g_end", &o->g);
  uint64_t n = (uint64_t)o->t.end * o->groups * o->n;
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, n);
  if (c->has.weight) array(l, "w", VB_FIELD_IN, VB_H5_U32, &o->w, o->n);
  if (c->has.bias) array(l, "bias", VB_FIELD_IN, VB_H5_U32, &o->bias, o->n);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, n);
}

static void embed_fields(struct list *l, struct vb_embed_op *o) {
  scalar(l, "vocab", &o->vocab);
  scalar(l, "dim", &o->dim);
  value(l, "scale", &o->scale);
  range(l, "t_begin", "t_end", &o->t);
  array(l, "table", VB_FIELD_IN, VB_H5_U32, &o->table, (uint64_t)o->vocab * o->dim);
  array(l, "tokens", VB_FIELD_IN, VB_H5_I32, &o->tokens, o->t.end);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->dim);
}

static void swiglu_fields(struct list *l, struct vb_case_op *c) {
  struct vb_swiglu_op *o = &c->op.swiglu;
  scalar(l, "cols", &o->cols);
  scalar(l, "act", &o->act);
  scalar(l, "has_up", &c->has.gate);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "n_begin", "n_end", &o->n);
  array(l, "g", VB_FIELD_IN, VB_H5_U32, &o->g, (uint64_t)o->t.end * o->cols);
  if (c->has.gate) array(l, "u", VB_FIELD_IN, VB_H5_U32, &o->u, (uint64_t)o->t.end * o->cols);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}

static void add_fields(struct list *l, struct vb_add_op *o) {
  scalar(l, "cols", &o->cols);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "n_begin", "n_end", &o->n);
  array(l, "a", VB_FIELD_IN, VB_H5_U32, &o->a, (uint64_t)o->t.end * o->cols);
  array(l, "b", VB_FIELD_IN, VB_H5_U32, &o->b, (uint64_t)o->t.end * o->cols);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}

static void softcap_fields(struct list *l, struct vb_softcap_op *o) {
  scalar(l, "cols", &o->cols);
  value(l, "cap", &o->cap);
  value(l, "inv_cap", &o->inv_cap);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "n_begin", "n_end", &o->n);
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * o->cols);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}

static void piece_fields(struct list *l, struct vb_piece *p, const char *heads, const char *width, const char *first, const char *len) {
  scalar(l, heads, &p->heads);
  scalar(l, width, &p->width);
  scalar(l, first, &p->first);
  scalar(l, len, &p->len);
}

static void join_fields(struct list *l, struct vb_join_op *o) {
  piece_fields(l, &o->a, "a_heads", "a_width", "a_first", "a_len");
  piece_fields(l, &o->b, "b_heads", "b_width", "b_first", "b_len");
  scalar(l, "heads", &o->heads);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "h_begin", "h_end", &o->h);
  array(l, "a", VB_FIELD_IN, VB_H5_U32, &o->a.x, (uint64_t)o->t.end * o->a.heads * o->a.width);
  if (o->b.len) array(l, "b", VB_FIELD_IN, VB_H5_U32, &o->b.x, (uint64_t)o->t.end * o->b.heads * o->b.width);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->heads * (o->a.len + o->b.len));
}

static void conv_fields(struct list *l, struct vb_conv_op *o) {
  scalar(l, "cols", &o->cols);
  range(l, "t_begin", "t_end", &o->t);
  range(l, "n_begin", "n_end", &o->n);
  array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * o->cols);
  array(l, "w", VB_FIELD_IN, VB_H5_U32, &o->w, 4ull * o->cols);
  array(l, "history", VB_FIELD_IN, VB_H5_U32, &o->history, 3ull * o->cols);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}

static void delta_fields(struct list *l, struct vb_delta_op *o) {
  scalar(l, "tokens", &o->tokens);
  scalar(l, "heads", &o->heads);
  scalar(l, "key_heads", &o->key_heads);
  scalar(l, "dk", &o->dk);
  scalar(l, "dv", &o->dv);
  value(l, "scale", &o->scale);
  range(l, "h_begin", "h_end", &o->h);
  uint64_t keys = (uint64_t)o->tokens * o->key_heads * o->dk, values = (uint64_t)o->tokens * o->heads * o->dv, columns = (uint64_t)o->heads * o->dv;
  array(l, "q", VB_FIELD_IN, VB_H5_U32, &o->q, keys);
  array(l, "k", VB_FIELD_IN, VB_H5_U32, &o->k, keys);
  array(l, "v", VB_FIELD_IN, VB_H5_U32, &o->v, values);
  array(l, "b", VB_FIELD_IN, VB_H5_U32, &o->b, (uint64_t)o->tokens * o->heads);
  array(l, "a", VB_FIELD_IN, VB_H5_U32, &o->a, (uint64_t)o->tokens * o->heads);
  array(l, "ea", VB_FIELD_IN, VB_H5_U32, &o->ea, o->heads);
  array(l, "dt_bias", VB_FIELD_IN, VB_H5_U32, &o->dt_bias, o->heads);
  array(l, "before_m", VB_FIELD_IN, VB_H5_I32, &o->before.m, columns * o->dk);
  array(l, "after_m", VB_FIELD_OUT, VB_H5_I32, &o->after.m, columns * o->dk);
  array(l, "before_c", VB_FIELD_IN, VB_H5_I32, &o->before.c, columns);
  array(l, "after_c", VB_FIELD_OUT, VB_H5_I32, &o->after.c, columns);
  array(l, "before_len", VB_FIELD_IN, VB_H5_I32, &o->before.len, columns);
  array(l, "after_len", VB_FIELD_OUT, VB_H5_I32, &o->after.len, columns);
  array(l, "before_g", VB_FIELD_IN, VB_H5_U32, &o->before.g, o->heads);
  array(l, "after_g", VB_FIELD_OUT, VB_H5_U32, &o->after.g, o->heads);
  array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, values);
}

static void indexer_fields(struct list *l, struct vb_case_op *c) {
  struct vb_indexer_op *o = &c->op.indexer;
  scalar(l, "heads", &o->heads);
  scalar(l, "k", &o->k);
  scalar(l, "first_count", &o->first_count);
  value(l, "w_scale", &o->w_scale);
  scalar(l, "mode", &o->mode);
  scalar(l, "score_stride", &o->score_stride);
  scalar(l, "dk", &c->kv.dk);
  scalar(l, "capacity", &c->kv.capacity);
  scalar(l, "length", &c->kv.length);
  c->kv.heads = 1;
  range(l, "t_begin", "t_end", &o->t);
  range(l, "key_begin", "key_end", &o->key);
  array(l, "q", VB_FIELD_IN, VB_H5_U8, &o->q, (uint64_t)o->t.end * o->heads * vb_rec_bytes(c->kv.dk));
  array(l, "w", VB_FIELD_IN, VB_H5_U32, &o->w, (uint64_t)o->t.end * o->heads);
  array(l, "keys", VB_FIELD_IN, VB_H5_U8, &c->kv.k, (uint64_t)c->kv.capacity * vb_rec_bytes(c->kv.dk));
  if (o->mode == VB_INDEXER_SCORES) array(l, "score", VB_FIELD_OUT, VB_H5_U32, &o->score, (uint64_t)o->t.end * o->score_stride);
  if (o->mode == VB_INDEXER_FULL) array(l, "list", VB_FIELD_OUT, VB_H5_U32, &o->list, (uint64_t)o->t.end * o->k);
  if (o->mode == VB_INDEXER_FULL) array(l, "count", VB_FIELD_OUT, VB_H5_U32, &o->count, o->t.end);
}

uint32_t vb_case_fields(struct vb_case_op *c, struct vb_field f[VB_MAX_FIELDS]) {
  struct list l = {f, 0};
  switch (c->kind) {
  case VB_OP_EMBED: embed_fields(&l, &c->op.embed); break;
  case VB_OP_RMSNORM: rmsnorm_fields(&l, c); break;
  case VB_OP_LINEAR: linear_fields(&l, c); break;
  case VB_OP_ROPE: rope_fields(&l, &c->op.rope); break;
  case VB_OP_PACK_Q: pack_q_fields(&l, &c->op.pack_q); break;
  case VB_OP_PACK_KV: pack_kv_fields(&l, c); break;
  case VB_OP_ATTENTION: attention_fields(&l, c); break;
  case VB_OP_SWIGLU: swiglu_fields(&l, c); break;
  case VB_OP_ADD: add_fields(&l, &c->op.add); break;
  case VB_OP_JOIN: join_fields(&l, &c->op.join); break;
  case VB_OP_SOFTCAP: softcap_fields(&l, &c->op.softcap); break;
  case VB_OP_CONV: conv_fields(&l, &c->op.conv); break;
  case VB_OP_DELTA: delta_fields(&l, &c->op.delta); break;
  case VB_OP_INDEXER: indexer_fields(&l, c); break;
  case VB_OP_ROUTER: router_fields(&l, c); break;
  case VB_OP_EXPERTS: experts_fields(&l, c); break;
  case VB_OP_KINDS: break;
  }
  return l.n;
}
