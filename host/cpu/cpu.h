// SPDX-License-Identifier: Apache-2.0
/// @file cpu.h
/// The operators on this machine's cores: same arguments and same bits as the reference (host/ref), but fast.
///
/// Every function takes the number of threads to use; results do not depend on it, on the instruction set chosen
/// (dot.h) or on the floating point environment of the calling threads. Running out of scratch memory ends the process
/// with a message and status VB_DEVICE: the operators have no other way to fail.
#ifndef VERBATIM_CPU_CPU_H
#define VERBATIM_CPU_CPU_H
#include "verbatim/ops.h"
#include "verbatim/result.h"

/// Choose the instruction set: "portable", "avx2" or "avx512vnni"; NULL takes the environment variable VERBATIM_ISA
/// and, where that is unset or empty, the best this machine has. VB_BAD_INPUT names what was unknown or unsupported.
/// Not to be called while an operator runs.
vb_result vb_cpu_select_isa(const char *name);
/// Name of the instruction set in use.
const char *vb_cpu_isa_name(void);

void vb_cpu_embed(const struct vb_embed_op *op, int threads);
void vb_cpu_rmsnorm(const struct vb_rmsnorm_op *op, int threads);
void vb_cpu_linear(const struct vb_linear_op *op, int threads);
void vb_cpu_rope(const struct vb_rope_op *op, int threads);
void vb_cpu_pack_q(const struct vb_pack_q_op *op, int threads);
void vb_cpu_pack_kv(const struct vb_pack_kv_op *op, int threads);
void vb_cpu_attention(const struct vb_attention_op *op, int threads);
void vb_cpu_swiglu(const struct vb_swiglu_op *op, int threads);
void vb_cpu_add(const struct vb_add_op *op, int threads);
void vb_cpu_router(const struct vb_router_op *op, int threads);
void vb_cpu_experts(const struct vb_experts_op *op, int threads);
void vb_cpu_join(const struct vb_join_op *op, int threads);
void vb_cpu_softcap(const struct vb_softcap_op *op, int threads);
void vb_cpu_conv(const struct vb_conv_op *op, int threads);
void vb_cpu_delta(const struct vb_delta_op *op, int threads);
void vb_cpu_indexer(const struct vb_indexer_op *op, int threads);
#endif
