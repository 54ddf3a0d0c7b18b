// SPDX-License-Identifier: Apache-2.0
/// @file fields.h
/// Every operator's scalars and arrays as a list, so that comparing, capturing, loading and re-running an operator is
/// written once for all kinds.
#ifndef VERBATIM_VERIFY_FIELDS_H
#define VERBATIM_VERIFY_FIELDS_H
#include "base/h5.h"
#include "graph/graph.h"

/// A self-contained operator: the structures that an operator points to live beside it.
struct vb_case_op {
  enum vb_op_kind kind;
  union vb_any_op op;
  struct vb_w8 w8;
  struct vb_w14 w14;
  struct vb_kv kv;
  struct vb_experts_w experts;
  struct {
    uint32_t bias, partial, weight, list, sinks, values, gate, correction, expert_bias, shared_scale, history;
  } has; ///< which optional arrays exist
};

enum vb_role {
  VB_FIELD_SCALAR, ///< a size, range or mode
  VB_FIELD_VALUE,  ///< a constant: any bits
  VB_FIELD_IN,
  VB_FIELD_OUT,
  VB_FIELD_SCRATCH, ///< written by some implementations only; not compared
};
struct vb_field {
  const char *name;
  enum vb_role role;
  enum vb_h5_type type;
  void *at;       ///< scalar: its address (u32); array: address of the pointer to it
  uint64_t count; ///< elements of an array
  bool later;     ///< a scalar that came after the first files: 0 where a file lacks it
};
enum { VB_MAX_FIELDS = 72 };

/// Copy `op` and what it points to (not the arrays) into c, redirecting its pointers; kv is compacted by the caller.
void vb_case_from_op(enum vb_op_kind kind, const union vb_any_op *op, struct vb_case_op *c);
/// Connect c->op to the structures beside it (after c was copied or loaded).
void vb_case_connect(struct vb_case_op *c);
/// Scalars come first, so that a loader knows them before it needs the sizes of the arrays. Returns the count.
uint32_t vb_case_fields(struct vb_case_op *c, struct vb_field f[VB_MAX_FIELDS]);
static inline bool vb_field_is_array(const struct vb_field *f) {
  return f->role != VB_FIELD_SCALAR && f->role != VB_FIELD_VALUE;
}
static inline bool vb_field_is_made(const struct vb_field *f) {
  return f->role == VB_FIELD_OUT || f->role == VB_FIELD_SCRATCH;
}
static inline void **vb_field_array(const struct vb_field *f) { return (void **)f->at; }
static inline size_t vb_field_bytes(const struct vb_field *f) { return f->count * vb_h5_bytes(f->type); }
#endif
