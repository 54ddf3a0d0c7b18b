// SPDX-License-Identifier: Apache-2.0
#include "verify/field_list.h"

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
    c->has.list = op->attention.list != NULL, c->has.sinks = op->attention.sinks != NULL,
    c->has.values = op->attention.kv->v != NULL;
    break;
  case VB_OP_SWIGLU: c->has.gate = op->swiglu.u != NULL; break;
  case VB_OP_ROUTER: c->has.correction = op->router.bias != NULL; break;
  case VB_OP_EXPERTS:
    c->has.expert_bias = op->experts.w->gate_bias != NULL, c->has.shared_scale = op->experts.shared_scale != NULL;
    break;
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

static void w8_sizes(struct vb_fields *l, struct vb_w8 *w, const char *rows, const char *cols, const char *blocks) {
  vb_put_scalar(l, rows, &w->rows);
  vb_put_scalar(l, cols, &w->cols);
  vb_put_scalar(l, blocks, &w->blocks);
}
static void w8_arrays(struct vb_fields *l, struct vb_w8 *w, const char *q, const char *codes, const char *max) {
  vb_put_array(l, q, VB_FIELD_IN, VB_H5_I8, &w->q, vb_elements(w->rows, w->blocks, VB_BLOCK));
  vb_put_array(l, codes, VB_FIELD_IN, VB_H5_U8, &w->codes, (uint64_t)w->rows * w->blocks);
  vb_put_array(l, max, VB_FIELD_IN, VB_H5_U8, &w->max, w->rows);
}

static void linear_fields(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_linear_op *o = &c->op.linear;
  vb_put_scalar(l, "has_bias", &c->has.bias);
  vb_put_scalar(l, "is_partial", &c->has.partial);
  vb_put_scalar(l, "groups", &o->groups);
  w8_sizes(l, &c->w8, "w8_rows", "w8_cols", "w8_blocks");
  vb_put_scalar(l, "w14_rows", &c->w14.rows);
  vb_put_scalar(l, "w14_cols", &c->w14.cols);
  vb_put_scalar(l, "w14_blocks", &c->w14.blocks);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "n_begin", "n_end", &o->n);
  vb_put_range(l, "b_begin", "b_end", &o->b);
  uint32_t rows = c->w8.rows ? c->w8.rows : c->w14.rows, cols = c->w8.rows ? c->w8.cols : c->w14.cols;
  vb_put_array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, vb_elements(o->t.end, o->groups ? o->groups : 1, cols));
  if (c->w8.rows) {
    w8_arrays(l, &c->w8, "w8_q", "w8_codes", "w8_max");
  } else {
    vb_put_array(l, "w14_q", VB_FIELD_IN, VB_H5_I16, &c->w14.q, vb_elements(rows, c->w14.blocks, VB_BLOCK));
    vb_put_array(l, "w14_codes", VB_FIELD_IN, VB_H5_U8, &c->w14.codes, (uint64_t)rows * c->w14.blocks);
    vb_put_array(l, "w14_max", VB_FIELD_IN, VB_H5_U8, &c->w14.max, rows);
  }
  if (c->has.bias) vb_put_array(l, "bias", VB_FIELD_IN, VB_H5_U32, &o->bias, rows);
  if (c->has.partial) vb_put_array(l, "acc", VB_FIELD_OUT, VB_H5_I64, &o->acc, (uint64_t)o->t.end * rows);
  else vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * rows);
}

static void attention_fields(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_attention_op *o = &c->op.attention;
  vb_put_scalar(l, "heads", &o->heads);
  vb_put_scalar(l, "first_count", &o->first_count);
  vb_put_scalar(l, "mode", &o->mode);
  vb_put_scalar(l, "window", &o->window);
  vb_put_scalar(l, "chunk", &o->chunk);
  vb_put_later(l, "keep", &o->keep);
  vb_put_scalar(l, "list_stride", &o->list_stride);
  vb_put_later(l, "list_block", &o->list_block);
  vb_put_scalar(l, "has_list", &c->has.list);
  vb_put_scalar(l, "has_sinks", &c->has.sinks);
  vb_put_scalar(l, "has_values", &c->has.values);
  vb_put_wide(l, "cap", &o->cap);
  vb_put_scalar(l, "kv_heads", &c->kv.heads);
  vb_put_scalar(l, "dk", &c->kv.dk);
  vb_put_scalar(l, "dv", &c->kv.dv);
  vb_put_scalar(l, "capacity", &c->kv.capacity);
  vb_put_scalar(l, "length", &c->kv.length);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "h_begin", "h_end", &o->h);
  vb_put_range(l, "key_begin", "key_end", &o->key);
  uint64_t rows = (uint64_t)o->t.end * o->heads, slots = (uint64_t)c->kv.heads * c->kv.capacity;
  vb_put_array(l, "q", VB_FIELD_IN, VB_H5_U8, &o->q, vb_elements(rows, 1, vb_rec_bytes(c->kv.dk)));
  vb_put_array(l, "k", VB_FIELD_IN, VB_H5_U8, &c->kv.k, vb_elements(slots, 1, vb_rec_bytes(c->kv.dk)));
  if (c->has.values)
    vb_put_array(l, "v", VB_FIELD_IN, VB_H5_U8, &c->kv.v, vb_elements(slots, 1, vb_val_bytes(c->kv.dv)));
  if (c->has.list) vb_put_array(l, "list", VB_FIELD_IN, VB_H5_U32, &o->list, (uint64_t)o->t.end * o->list_stride);
  if (c->has.list) vb_put_array(l, "list_count", VB_FIELD_IN, VB_H5_U32, &o->list_count, o->t.end);
  if (c->has.sinks) vb_put_array(l, "sinks", VB_FIELD_IN, VB_H5_U32, &o->sinks, o->heads);
  bool exp = o->mode == VB_ATTN_EXP, sum = o->mode == VB_ATTN_SUM;
  if (o->mode != VB_ATTN_FULL)
    vb_put_array(l, "m", o->mode == VB_ATTN_MAX ? VB_FIELD_OUT : VB_FIELD_IN, VB_H5_I32, &o->m, rows);
  if (exp || sum)
    vb_put_array(l, "em", exp ? VB_FIELD_OUT : VB_FIELD_IN, VB_H5_I16, &o->em, vb_elements(rows, 1, VB_EM_ROW));
  if (sum) vb_put_array(l, "l", VB_FIELD_OUT, VB_H5_U64, &o->l, rows);
  if (sum) vb_put_array(l, "num", VB_FIELD_OUT, VB_H5_I64, &o->num, vb_elements(rows, 1, c->kv.dv));
  if (o->mode == VB_ATTN_FULL) vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, vb_elements(rows, 1, c->kv.dv));
}

static void experts_fields(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_experts_op *o = &c->op.experts;
  struct vb_experts_w *w = &c->experts;
  vb_put_scalar(l, "experts", &w->experts);
  vb_put_scalar(l, "dim", &w->dim);
  vb_put_scalar(l, "inter", &w->inter);
  vb_put_scalar(l, "k", &o->k);
  vb_put_scalar(l, "mode", &o->mode);
  vb_put_scalar(l, "shared_inter", &w->shared_inter);
  vb_put_scalar(l, "act", &w->act);
  vb_put_value(l, "limit", &w->limit);
  vb_put_scalar(l, "gate_input", &w->gate_input);
  vb_put_scalar(l, "has_bias", &c->has.expert_bias);
  vb_put_scalar(l, "has_shared_scale", &c->has.shared_scale);
  w8_sizes(l, &w->shared_gate, "shared_gate_rows", "shared_gate_cols", "shared_gate_blocks");
  w8_sizes(l, &w->shared_up, "shared_up_rows", "shared_up_cols", "shared_up_blocks");
  w8_sizes(l, &w->shared_down, "shared_down_rows", "shared_down_cols", "shared_down_blocks");
  w8_sizes(l, &w->gate, "gate_rows", "gate_cols", "gate_blocks");
  w8_sizes(l, &w->up, "up_rows", "up_cols", "up_blocks");
  w8_sizes(l, &w->down, "down_rows", "down_cols", "down_blocks");
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "e_begin", "e_end", &o->e);
  uint64_t pairs = (uint64_t)o->t.end * o->k;
  bool down = o->mode == VB_EXPERTS_DOWN, hidden = o->mode == VB_EXPERTS_HIDDEN;
  enum vb_role h = down ? VB_FIELD_IN : hidden ? VB_FIELD_OUT : VB_FIELD_SCRATCH;
  vb_put_array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * w->dim);
  vb_put_array(l, "ids", VB_FIELD_IN, VB_H5_U32, &o->ids, pairs);
  vb_put_array(l, "gates", VB_FIELD_IN, VB_H5_U32, &o->gates, pairs);
  w8_arrays(l, &w->gate, "gate_q", "gate_codes", "gate_max");
  w8_arrays(l, &w->up, "up_q", "up_codes", "up_max");
  w8_arrays(l, &w->down, "down_q", "down_codes", "down_max");
  if (c->has.expert_bias) {
    vb_put_array(l, "gate_bias", VB_FIELD_IN, VB_H5_U32, &w->gate_bias, w->gate.rows);
    vb_put_array(l, "up_bias", VB_FIELD_IN, VB_H5_U32, &w->up_bias, w->up.rows);
    vb_put_array(l, "down_bias", VB_FIELD_IN, VB_H5_U32, &w->down_bias, w->down.rows);
  }
  if (c->has.shared_scale) vb_put_array(l, "shared_scale", VB_FIELD_IN, VB_H5_U32, &o->shared_scale, o->t.end);
  if (w->shared_inter) {
    w8_arrays(l, &w->shared_gate, "shared_gate_q", "shared_gate_codes", "shared_gate_max");
    w8_arrays(l, &w->shared_up, "shared_up_q", "shared_up_codes", "shared_up_max");
    w8_arrays(l, &w->shared_down, "shared_down_q", "shared_down_codes", "shared_down_max");
    vb_put_array(l, "shq", h, VB_H5_I8, &o->shq, vb_elements(o->t.end, w->shared_down.blocks, VB_BLOCK));
    vb_put_array(l, "shcodes", h, VB_H5_U8, &o->shcodes, (uint64_t)o->t.end * w->shared_down.blocks);
    vb_put_array(l, "shmax", h, VB_H5_U8, &o->shmax, o->t.end);
  }
  vb_put_array(l, "hq", h, VB_H5_I8, &o->hq, vb_elements(pairs, w->down.blocks, VB_BLOCK));
  vb_put_array(l, "hcodes", h, VB_H5_U8, &o->hcodes, vb_elements(pairs, w->down.blocks, 1));
  vb_put_array(l, "hmax", h, VB_H5_U8, &o->hmax, pairs);
  if (down) vb_put_array(l, "tmax", VB_FIELD_IN, VB_H5_U8, &o->tmax, o->t.end);
  if (down) vb_put_array(l, "acc", VB_FIELD_OUT, VB_H5_I64, &o->acc, (uint64_t)o->t.end * w->dim);
  if (o->mode == VB_EXPERTS_FULL) vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * w->dim);
}

static void router_fields(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_router_op *o = &c->op.router;
  vb_put_scalar(l, "experts", &o->experts);
  vb_put_scalar(l, "k", &o->k);
  vb_put_scalar(l, "score", &o->score);
  vb_put_scalar(l, "renorm", &o->renorm);
  vb_put_value(l, "scale", &o->scale);
  vb_put_scalar(l, "groups", &o->groups);
  vb_put_scalar(l, "topk_groups", &o->topk_groups);
  vb_put_scalar(l, "group_top", &o->group_top);
  vb_put_later(l, "threshold", &o->threshold);
  vb_put_later(l, "capacity", &o->capacity);
  vb_put_scalar(l, "has_correction", &c->has.correction);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  uint64_t pairs = (uint64_t)(o->t.end - o->t.begin) * o->k;
  vb_put_array(l, "logits", VB_FIELD_IN, VB_H5_U32, &o->logits, (uint64_t)o->t.end * o->experts);
  if (c->has.correction) vb_put_array(l, "bias", VB_FIELD_IN, VB_H5_U32, &o->bias, o->experts);
  vb_put_array(l, "ids", VB_FIELD_OUT, VB_H5_U32, &o->ids, pairs);
  vb_put_array(l, "gates", VB_FIELD_OUT, VB_H5_U32, &o->gates, pairs);
  vb_put_array(l, "hist", VB_FIELD_OUT, VB_H5_U32, &o->hist, o->experts);
  vb_put_array(l, "offsets", VB_FIELD_OUT, VB_H5_U32, &o->offsets, o->experts + 1u);
  vb_put_array(l, "list", VB_FIELD_OUT, VB_H5_U32, &o->list, pairs);
}

static void delta_fields(struct vb_fields *l, struct vb_delta_op *o) {
  vb_put_scalar(l, "tokens", &o->tokens);
  vb_put_scalar(l, "heads", &o->heads);
  vb_put_scalar(l, "key_heads", &o->key_heads);
  vb_put_scalar(l, "dk", &o->dk);
  vb_put_scalar(l, "dv", &o->dv);
  vb_put_value(l, "scale", &o->scale);
  vb_put_range(l, "h_begin", "h_end", &o->h);
  uint64_t keys = vb_elements(o->tokens, o->key_heads, o->dk), values = vb_elements(o->tokens, o->heads, o->dv),
           columns = (uint64_t)o->heads * o->dv;
  vb_put_array(l, "q", VB_FIELD_IN, VB_H5_U32, &o->q, keys);
  vb_put_array(l, "k", VB_FIELD_IN, VB_H5_U32, &o->k, keys);
  vb_put_array(l, "v", VB_FIELD_IN, VB_H5_U32, &o->v, values);
  vb_put_array(l, "b", VB_FIELD_IN, VB_H5_U32, &o->b, (uint64_t)o->tokens * o->heads);
  vb_put_array(l, "a", VB_FIELD_IN, VB_H5_U32, &o->a, (uint64_t)o->tokens * o->heads);
  vb_put_array(l, "ea", VB_FIELD_IN, VB_H5_U32, &o->ea, o->heads);
  vb_put_array(l, "dt_bias", VB_FIELD_IN, VB_H5_U32, &o->dt_bias, o->heads);
  vb_put_array(l, "before_m", VB_FIELD_IN, VB_H5_I32, &o->before.m, vb_elements(columns, o->dk, 1));
  vb_put_array(l, "after_m", VB_FIELD_OUT, VB_H5_I32, &o->after.m, vb_elements(columns, o->dk, 1));
  vb_put_array(l, "before_c", VB_FIELD_IN, VB_H5_I32, &o->before.c, columns);
  vb_put_array(l, "after_c", VB_FIELD_OUT, VB_H5_I32, &o->after.c, columns);
  vb_put_array(l, "before_len", VB_FIELD_IN, VB_H5_I32, &o->before.len, columns);
  vb_put_array(l, "after_len", VB_FIELD_OUT, VB_H5_I32, &o->after.len, columns);
  vb_put_array(l, "before_g", VB_FIELD_IN, VB_H5_U32, &o->before.g, o->heads);
  vb_put_array(l, "after_g", VB_FIELD_OUT, VB_H5_U32, &o->after.g, o->heads);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, values);
}

static void indexer_fields(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_indexer_op *o = &c->op.indexer;
  vb_put_scalar(l, "heads", &o->heads);
  vb_put_scalar(l, "k", &o->k);
  vb_put_scalar(l, "first_count", &o->first_count);
  vb_put_value(l, "w_scale", &o->w_scale);
  vb_put_scalar(l, "mode", &o->mode);
  vb_put_scalar(l, "score_stride", &o->score_stride);
  vb_put_scalar(l, "dk", &c->kv.dk);
  vb_put_scalar(l, "capacity", &c->kv.capacity);
  vb_put_scalar(l, "length", &c->kv.length);
  c->kv.heads = 1;
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "key_begin", "key_end", &o->key);
  vb_put_array(l, "q", VB_FIELD_IN, VB_H5_U8, &o->q, vb_elements(o->t.end, o->heads, vb_rec_bytes(c->kv.dk)));
  vb_put_array(l, "w", VB_FIELD_IN, VB_H5_U32, &o->w, (uint64_t)o->t.end * o->heads);
  vb_put_array(l, "keys", VB_FIELD_IN, VB_H5_U8, &c->kv.k, (uint64_t)c->kv.capacity * vb_rec_bytes(c->kv.dk));
  if (o->mode == VB_INDEXER_SCORES)
    vb_put_array(l, "score", VB_FIELD_OUT, VB_H5_U32, &o->score, (uint64_t)o->t.end * o->score_stride);
  if (o->mode == VB_INDEXER_FULL) vb_put_array(l, "list", VB_FIELD_OUT, VB_H5_U32, &o->list, (uint64_t)o->t.end * o->k);
  if (o->mode == VB_INDEXER_FULL) vb_put_array(l, "count", VB_FIELD_OUT, VB_H5_U32, &o->count, o->t.end);
}

uint32_t vb_case_fields(struct vb_case_op *c, struct vb_field f[VB_MAX_FIELDS]) {
  struct vb_fields l = {f, 0};
  switch (c->kind) {
  case VB_OP_EMBED: vb_fields_embed(&l, &c->op.embed); break;
  case VB_OP_RMSNORM: vb_fields_rmsnorm(&l, c); break;
  case VB_OP_LINEAR: linear_fields(&l, c); break;
  case VB_OP_ROPE: vb_fields_rope(&l, &c->op.rope); break;
  case VB_OP_PACK_Q: vb_fields_pack_q(&l, &c->op.pack_q); break;
  case VB_OP_PACK_KV: vb_fields_pack_kv(&l, c); break;
  case VB_OP_ATTENTION: attention_fields(&l, c); break;
  case VB_OP_SWIGLU: vb_fields_swiglu(&l, c); break;
  case VB_OP_ADD: vb_fields_add(&l, &c->op.add); break;
  case VB_OP_JOIN: vb_fields_join(&l, &c->op.join); break;
  case VB_OP_SOFTCAP: vb_fields_softcap(&l, &c->op.softcap); break;
  case VB_OP_CONV: vb_fields_conv(&l, &c->op.conv); break;
  case VB_OP_DELTA: delta_fields(&l, &c->op.delta); break;
  case VB_OP_INDEXER: indexer_fields(&l, c); break;
  case VB_OP_ROUTER: router_fields(&l, c); break;
  case VB_OP_EXPERTS: experts_fields(&l, c); break;
  case VB_OP_KINDS: break;
  }
  return l.n;
}
