// SPDX-License-Identifier: Apache-2.0
/// @file ocl.h
/// Operators on OpenCL devices, found through the ICD loader: CPUs and GPUs that compile kernels_cl/, and devices with
/// built-in kernels (FPGA boards, the RTL simulator), which offer attention, the router and the indexer.
///
/// Host pointers in, host pointers out: every operator call blocks. A device is used by one call at a time (calls from
/// several threads queue up); different devices run at the same time. Nothing here crashes when a device dies: the call
/// returns VB_DEVICE with the device's and the kernel's name, the OpenCL error and the driver's own text.
#ifndef VERBATIM_OCL_OCL_H
#define VERBATIM_OCL_OCL_H
#include "verbatim/ops.h"
#include "verbatim/result.h"
#include <stdbool.h>
#include <stddef.h>

struct vb_ocl;

enum vb_ocl_kind {
  VB_OCL_EMBED,
  VB_OCL_RMSNORM,
  VB_OCL_LINEAR,
  VB_OCL_ROPE,
  VB_OCL_PACK_Q,
  VB_OCL_PACK_KV,
  VB_OCL_ATTENTION,
  VB_OCL_SWIGLU,
  VB_OCL_ADD,
  VB_OCL_ROUTER,
  VB_OCL_EXPERTS,
  VB_OCL_SOFTCAP,
  VB_OCL_CONV,
  VB_OCL_JOIN,
  VB_OCL_DELTA,
  VB_OCL_INDEXER,
  VB_OCL_KINDS
};
const char *vb_ocl_kind_name(enum vb_ocl_kind kind);

/// All devices of all platforms, in the loader's order (never rely on it: choose by name).
struct vb_ocl_list {
  struct vb_ocl **device;
  uint32_t count;
};
/// Find and open every device. No platform at all is an empty list, not an error. Programs are built on first use.
/// Simulated devices without hardware behind them (`NAME-fast`: results by the reference) prove nothing about bits: they
/// are left out, but for those that `fast` wants (NULL: none).
vb_result vb_ocl_open_all(struct vb_ocl_list *list);
vb_result vb_ocl_open_with(struct vb_ocl_list *list, bool (*fast)(const char *name, const void *context),
                           const void *context);
void vb_ocl_close_all(struct vb_ocl_list *list);

struct vb_ocl_info {
  const char *name, *platform, *version, *driver, *type; ///< type: "cpu", "gpu", "accelerator", "custom"
  const char *kernels;                                   ///< built-in kernels, "" for devices that compile
  const char *configuration;                             ///< hardware configuration of a simulated unit, or ""
  bool compiler;                                         ///< false: built-in kernels only
  uint64_t memory;                                       ///< bytes
  uint32_t units, clock_mhz;
};
const struct vb_ocl_info *vb_ocl_info(const struct vb_ocl *d);

/// Build the programs and check that the device computes the contract; every operator call does so first. VB_DEVICE
/// with the reason when it does not: such a device refuses all work. The verdict is made once.
vb_result vb_ocl_probe(struct vb_ocl *d);
/// Checks that the probe made (for reports); 0 before it ran.
uint32_t vb_ocl_probe_checks(const struct vb_ocl *d);

/// Does the device offer this kind of operator at all? And for these shapes?
bool vb_ocl_supports(const struct vb_ocl *d, enum vb_ocl_kind kind);
bool vb_ocl_can_attention(const struct vb_ocl *d, uint32_t heads, uint32_t kv_heads, uint32_t dk, uint32_t dv);
/// What of this operator (a pointer to its arguments) the device cannot do, in a few words, with the limit where there is
/// one (valid until this thread's next call); NULL: it can do all.
/// An operator call refuses the same things with VB_BAD_INPUT, so that nothing is ever computed almost right.
const char *vb_ocl_lacks(const struct vb_ocl *d, enum vb_ocl_kind kind, const void *op);
bool vb_ocl_can_router(const struct vb_ocl *d, uint32_t tokens, uint32_t experts, uint32_t k);

vb_result vb_ocl_embed(struct vb_ocl *d, const struct vb_embed_op *op);
vb_result vb_ocl_rmsnorm(struct vb_ocl *d, const struct vb_rmsnorm_op *op);
vb_result vb_ocl_linear(struct vb_ocl *d, const struct vb_linear_op *op);
vb_result vb_ocl_rope(struct vb_ocl *d, const struct vb_rope_op *op);
vb_result vb_ocl_pack_q(struct vb_ocl *d, const struct vb_pack_q_op *op);
vb_result vb_ocl_pack_kv(struct vb_ocl *d, const struct vb_pack_kv_op *op);
/// The device keeps a copy of the cache by `kv->id`; only positions that are new since the last call are copied.
vb_result vb_ocl_attention(struct vb_ocl *d, const struct vb_attention_op *op);
vb_result vb_ocl_swiglu(struct vb_ocl *d, const struct vb_swiglu_op *op);
vb_result vb_ocl_add(struct vb_ocl *d, const struct vb_add_op *op);
vb_result vb_ocl_router(struct vb_ocl *d, const struct vb_router_op *op);
vb_result vb_ocl_softcap(struct vb_ocl *d, const struct vb_softcap_op *op);
vb_result vb_ocl_conv(struct vb_ocl *d, const struct vb_conv_op *op);
vb_result vb_ocl_join(struct vb_ocl *d, const struct vb_join_op *op);
vb_result vb_ocl_delta(struct vb_ocl *d, const struct vb_delta_op *op);
/// The index keys are kept on the device like those of attention.
vb_result vb_ocl_indexer(struct vb_ocl *d, const struct vb_indexer_op *op);
/// FULL needs all experts in `e`, the shared one too, and leaves the arrays of hidden values alone.
vb_result vb_ocl_experts(struct vb_ocl *d, const struct vb_experts_op *op);

/// Weights stay on the device, keyed by their host address, and are taken to be immutable. Call this before weights
/// are freed or changed.
void vb_ocl_forget_weights(struct vb_ocl *d);
/// Drop the copy of a cache that will not be used again. Without it old copies go when memory runs short.
void vb_ocl_forget_kv(struct vb_ocl *d, uint64_t id);

/// The last operator call of this device. Times are the device's own (event profiling): simulated time on a simulator.
struct vb_ocl_stats {
  uint64_t kernel_ns;
  uint32_t launches;
  bool counters; ///< the device also reports the following, summed over the launches
  uint64_t cycles, busy, stalls[8], bytes_read, bytes_written;
};
void vb_ocl_last_stats(const struct vb_ocl *d, struct vb_ocl_stats *out);
/// Names of the stall classes, ';' between, or "".
const char *vb_ocl_stall_names(const struct vb_ocl *d);
#endif
