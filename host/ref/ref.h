// SPDX-License-Identifier: Apache-2.0
/// @file ref.h
/// The normative operators: plain C, no threads, no intrinsics, written for reading. Every other implementation must
/// equal these bit for bit. Arguments, shapes and ranges: verbatim/ops.h. Arithmetic: docs/numerics.md.
/// Preconditions (shapes, ranges inside the arrays, valid carrier values) are the caller's.
#ifndef VERBATIM_REF_REF_H
#define VERBATIM_REF_REF_H
#include "verbatim/ops.h"

void vb_ref_embed(const struct vb_embed_op *op);
void vb_ref_rmsnorm(const struct vb_rmsnorm_op *op);
void vb_ref_linear(const struct vb_linear_op *op);
void vb_ref_rope(const struct vb_rope_op *op);
void vb_ref_pack_q(const struct vb_pack_q_op *op);
void vb_ref_pack_kv(const struct vb_pack_kv_op *op);
void vb_ref_attention(const struct vb_attention_op *op);
void vb_ref_swiglu(const struct vb_swiglu_op *op);
void vb_ref_add(const struct vb_add_op *op);
void vb_ref_router(const struct vb_router_op *op);
void vb_ref_experts(const struct vb_experts_op *op);
void vb_ref_join(const struct vb_join_op *op);
void vb_ref_softcap(const struct vb_softcap_op *op);
void vb_ref_conv(const struct vb_conv_op *op);
void vb_ref_delta(const struct vb_delta_op *op);
void vb_ref_indexer(const struct vb_indexer_op *op);
/// The positions of the k largest of n keys by the total order, ascending, into list[min(k, n)].
void vb_ref_topk(const uint32_t *key, uint32_t n, uint32_t k, uint32_t *list);
#endif
