// SPDX-License-Identifier: Apache-2.0
/// @file op64.h
/// Operators in fp64 on the carrier inputs that the contract's operator had, and the distance between the two.
///
/// Matrices are the raw tensors, so that the error of the block formats is part of an operator's error. Records (queries, keys,
/// values) are inputs of attention as they are: their own error is that of pack_q and pack_kv.
#ifndef VERBATIM_STUDY_OP64_H
#define VERBATIM_STUDY_OP64_H
#include "runtime/exec.h"

struct vb_op_error {
  uint64_t values, choices, other; ///< choices: selected experts or keys; other: those that fp64 does not select
  double err2, ref2;               ///< sums of squares: of the difference, of fp64
  double max;                      ///< largest |difference|; of a whole table: relative to the call's RMS
};

/// The operators of one step against fp64, added to *e. Errors: out of memory, a matrix without a raw tensor.
vb_result vb_op64_step(const struct vb_model *m, const struct vb_step *s, struct vb_op_error *e);

// Parts, for op64*.c.
void vb_op64_note(struct vb_op_error *e, double want, vb_z got);
vb_result vb_op64_linear(const struct vb_model *m, const struct vb_node *n, const struct vb_linear_op *op,
                         struct vb_op_error *e);
vb_result vb_op64_experts(const struct vb_model *m, const struct vb_node *n, const struct vb_experts_op *op,
                          struct vb_op_error *e);
vb_result vb_op64_attention(const struct vb_attention_op *op, struct vb_op_error *e);
vb_result vb_op64_delta(const struct vb_delta_op *op, struct vb_op_error *e);
vb_result vb_op64_indexer(const struct vb_indexer_op *op, struct vb_op_error *e);
void vb_op64_router(const struct vb_router_op *op, uint32_t tokens, struct vb_op_error *e);
void vb_op64_pack_q(const struct vb_pack_q_op *op, struct vb_op_error *e);
void vb_op64_pack_kv(const struct vb_pack_kv_op *op, struct vb_op_error *e);
/// Element i of a record, or of a value record with its codes.
double vb_op64_element(const int8_t *q, const uint8_t *codes, uint32_t i);
static inline double vb_op64_sigmoid(double x) { return 1 / (1 + __builtin_exp(-x)); }
#endif
