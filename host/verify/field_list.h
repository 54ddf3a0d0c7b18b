// SPDX-License-Identifier: Apache-2.0
/// @file field_list.h
/// Appending to a field list. Shared by the files of host/verify that describe operators.
#ifndef VERBATIM_VERIFY_FIELD_LIST_H
#define VERBATIM_VERIFY_FIELD_LIST_H
#include "verify/fields.h"

struct vb_fields {
  struct vb_field *f;
  uint32_t n;
};

static inline void vb_put_scalar(struct vb_fields *l, const char *name, const void *at) {
  l->f[l->n++] = (struct vb_field){name, VB_FIELD_SCALAR, VB_H5_U32, (void *)(uintptr_t)at, 1, false};
}
/// A scalar that case files of earlier versions do not have; 0 must mean what they did.
static inline void vb_put_later(struct vb_fields *l, const char *name, const void *at) {
  vb_put_scalar(l, name, at);
  l->f[l->n - 1].later = true;
}
static inline void vb_put_range(struct vb_fields *l, const char *begin, const char *end, const struct vb_range *r) {
  vb_put_scalar(l, begin, &r->begin);
  vb_put_scalar(l, end, &r->end);
}
/// A constant, whose bits are free: a carrier value, or a 64-bit integer.
static inline void vb_put_value(struct vb_fields *l, const char *name, const void *at) {
  l->f[l->n++] = (struct vb_field){name, VB_FIELD_VALUE, VB_H5_U32, (void *)(uintptr_t)at, 1, false};
}
static inline void vb_put_wide(struct vb_fields *l, const char *name, const void *at) {
  l->f[l->n++] = (struct vb_field){name, VB_FIELD_VALUE, VB_H5_I64, (void *)(uintptr_t)at, 1, false};
}
/// `at` is the address of the pointer, whatever its type. Arrays that are absent (NULL and optional) are not listed by the callers.
static inline void vb_put_array(struct vb_fields *l, const char *name, enum vb_role role, enum vb_h5_type type,
                                const void *at, uint64_t count) {
  l->f[l->n++] = (struct vb_field){name, role, type, (void *)(uintptr_t)at, count, false};
}

/// a * b * c elements, UINT64_MAX where that needs more bits: sizes come from files.
static inline uint64_t vb_elements(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t n;
  return __builtin_mul_overflow(a, b, &n) || __builtin_mul_overflow(n, c, &n) ? UINT64_MAX : n;
}

/// Operators that work row by row or value by value.
void vb_fields_embed(struct vb_fields *l, struct vb_embed_op *o);
void vb_fields_rmsnorm(struct vb_fields *l, struct vb_case_op *c);
void vb_fields_rope(struct vb_fields *l, struct vb_rope_op *o);
void vb_fields_pack_q(struct vb_fields *l, struct vb_pack_q_op *o);
void vb_fields_pack_kv(struct vb_fields *l, struct vb_case_op *c);
void vb_fields_swiglu(struct vb_fields *l, struct vb_case_op *c);
void vb_fields_add(struct vb_fields *l, struct vb_add_op *o);
void vb_fields_softcap(struct vb_fields *l, struct vb_softcap_op *o);
void vb_fields_join(struct vb_fields *l, struct vb_join_op *o);
void vb_fields_conv(struct vb_fields *l, struct vb_conv_op *o);
#endif
