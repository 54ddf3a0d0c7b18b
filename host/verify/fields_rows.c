// SPDX-License-Identifier: Apache-2.0
#include "verify/field_list.h"

void vb_fields_rope(struct vb_fields *l, struct vb_rope_op *o) {
  vb_put_scalar(l, "heads", &o->heads);
  vb_put_scalar(l, "d", &o->d);
  vb_put_scalar(l, "rot", &o->rot);
  vb_put_scalar(l, "first", &o->first);
  vb_put_value(l, "mscale", &o->mscale);
  vb_put_scalar(l, "layout", &o->layout);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "h_begin", "h_end", &o->h);
  uint64_t n = vb_elements(o->t.end, o->heads, o->d);
  vb_put_array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, n);
  vb_put_array(l, "freq", VB_FIELD_IN, VB_H5_U64, &o->freq, o->rot / 2);
  vb_put_array(l, "pos", VB_FIELD_IN, VB_H5_U32, &o->pos, o->t.end);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, n);
}

void vb_fields_pack_kv(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_pack_kv_op *o = &c->op.pack_kv;
  vb_put_scalar(l, "heads", &o->heads);
  vb_put_scalar(l, "dk", &o->dk);
  vb_put_scalar(l, "dv", &o->dv);
  vb_put_scalar(l, "hadamard", &o->hadamard);
  vb_put_scalar(l, "has_values", &c->has.values);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "h_begin", "h_end", &o->h);
  uint32_t rows = o->t.end;
  vb_put_array(l, "k", VB_FIELD_IN, VB_H5_U32, &o->k, vb_elements(rows, o->heads, o->dk));
  if (c->has.values) vb_put_array(l, "v", VB_FIELD_IN, VB_H5_U32, &o->v, vb_elements(rows, o->heads, o->dv));
  vb_put_array(l, "krec", VB_FIELD_OUT, VB_H5_U8, &o->krec, vb_elements(rows, o->heads, vb_rec_bytes(o->dk)));
  if (c->has.values)
    vb_put_array(l, "vrec", VB_FIELD_OUT, VB_H5_U8, &o->vrec, vb_elements(rows, o->heads, vb_val_bytes(o->dv)));
}

void vb_fields_pack_q(struct vb_fields *l, struct vb_pack_q_op *o) {
  vb_put_value(l, "scale", &o->scale);
  vb_put_scalar(l, "floor_scale", &o->floor_scale);
  vb_put_value(l, "temperature", &o->temperature);
  vb_put_scalar(l, "hadamard", &o->hadamard);
  vb_put_scalar(l, "heads", &o->heads);
  vb_put_scalar(l, "d", &o->d);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "h_begin", "h_end", &o->h);
  vb_put_array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, vb_elements(o->t.end, o->heads, o->d));
  if (o->floor_scale) vb_put_array(l, "pos", VB_FIELD_IN, VB_H5_U32, &o->pos, o->t.end);
  vb_put_array(l, "rec", VB_FIELD_OUT, VB_H5_U8, &o->rec, vb_elements(o->t.end, o->heads, vb_rec_bytes(o->d)));
}

void vb_fields_rmsnorm(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_rmsnorm_op *o = &c->op.rmsnorm;
  vb_put_scalar(l, "groups", &o->groups);
  vb_put_scalar(l, "n", &o->n);
  vb_put_value(l, "eps_n", &o->eps_n);
  vb_put_value(l, "sqrt_n", &o->sqrt_n);
  vb_put_value(l, "inv_n", &o->inv_n);
  vb_put_scalar(l, "kind", &o->kind);
  vb_put_scalar(l, "has_weight", &c->has.weight);
  vb_put_scalar(l, "has_bias", &c->has.bias);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "g_begin", "g_end", &o->g);
  uint64_t n = vb_elements(o->t.end, o->groups, o->n);
  vb_put_array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, n);
  if (c->has.weight) vb_put_array(l, "w", VB_FIELD_IN, VB_H5_U32, &o->w, o->n);
  if (c->has.bias) vb_put_array(l, "bias", VB_FIELD_IN, VB_H5_U32, &o->bias, o->n);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, n);
}

void vb_fields_embed(struct vb_fields *l, struct vb_embed_op *o) {
  vb_put_scalar(l, "vocab", &o->vocab);
  vb_put_scalar(l, "dim", &o->dim);
  vb_put_value(l, "scale", &o->scale);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_array(l, "table", VB_FIELD_IN, VB_H5_U32, &o->table, (uint64_t)o->vocab * o->dim);
  vb_put_array(l, "tokens", VB_FIELD_IN, VB_H5_I32, &o->tokens, o->t.end);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->dim);
}

void vb_fields_swiglu(struct vb_fields *l, struct vb_case_op *c) {
  struct vb_swiglu_op *o = &c->op.swiglu;
  vb_put_scalar(l, "cols", &o->cols);
  vb_put_scalar(l, "act", &o->act);
  vb_put_scalar(l, "has_up", &c->has.gate);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "n_begin", "n_end", &o->n);
  vb_put_array(l, "g", VB_FIELD_IN, VB_H5_U32, &o->g, (uint64_t)o->t.end * o->cols);
  if (c->has.gate) vb_put_array(l, "u", VB_FIELD_IN, VB_H5_U32, &o->u, (uint64_t)o->t.end * o->cols);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}

void vb_fields_add(struct vb_fields *l, struct vb_add_op *o) {
  vb_put_scalar(l, "cols", &o->cols);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "n_begin", "n_end", &o->n);
  vb_put_array(l, "a", VB_FIELD_IN, VB_H5_U32, &o->a, (uint64_t)o->t.end * o->cols);
  vb_put_array(l, "b", VB_FIELD_IN, VB_H5_U32, &o->b, (uint64_t)o->t.end * o->cols);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}

void vb_fields_softcap(struct vb_fields *l, struct vb_softcap_op *o) {
  vb_put_scalar(l, "cols", &o->cols);
  vb_put_value(l, "cap", &o->cap);
  vb_put_value(l, "inv_cap", &o->inv_cap);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "n_begin", "n_end", &o->n);
  vb_put_array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * o->cols);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}

static void piece_fields(struct vb_fields *l, struct vb_piece *p, const char *heads, const char *width,
                         const char *first, const char *len) {
  vb_put_scalar(l, heads, &p->heads);
  vb_put_scalar(l, width, &p->width);
  vb_put_scalar(l, first, &p->first);
  vb_put_scalar(l, len, &p->len);
}

void vb_fields_join(struct vb_fields *l, struct vb_join_op *o) {
  piece_fields(l, &o->a, "a_heads", "a_width", "a_first", "a_len");
  piece_fields(l, &o->b, "b_heads", "b_width", "b_first", "b_len");
  vb_put_scalar(l, "heads", &o->heads);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "h_begin", "h_end", &o->h);
  vb_put_array(l, "a", VB_FIELD_IN, VB_H5_U32, &o->a.x, vb_elements(o->t.end, o->a.heads, o->a.width));
  if (o->b.len) vb_put_array(l, "b", VB_FIELD_IN, VB_H5_U32, &o->b.x, vb_elements(o->t.end, o->b.heads, o->b.width));
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, vb_elements(o->t.end, o->heads, (uint64_t)o->a.len + o->b.len));
}

void vb_fields_conv(struct vb_fields *l, struct vb_conv_op *o) {
  vb_put_scalar(l, "cols", &o->cols);
  vb_put_range(l, "t_begin", "t_end", &o->t);
  vb_put_range(l, "n_begin", "n_end", &o->n);
  vb_put_array(l, "x", VB_FIELD_IN, VB_H5_U32, &o->x, (uint64_t)o->t.end * o->cols);
  vb_put_array(l, "w", VB_FIELD_IN, VB_H5_U32, &o->w, 4ull * o->cols);
  vb_put_array(l, "history", VB_FIELD_IN, VB_H5_U32, &o->history, 3ull * o->cols);
  vb_put_array(l, "y", VB_FIELD_OUT, VB_H5_U32, &o->y, (uint64_t)o->t.end * o->cols);
}
