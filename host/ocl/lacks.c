// SPDX-License-Identifier: Apache-2.0
/// Which variants of an operator a device does not offer. Kept in one place, beside nothing else, so that a field that
/// ops.h gains is either implemented or refused here.
#include "ocl/internal.h"

static const char *attention(const struct vb_ocl *d, const struct vb_attention_op *op) {
  if (d->info.compiler) {
    if (op->kv->v ? op->kv->dv > VB_MAX_DV : op->kv->dv > op->kv->dk) return "the value size";
    return NULL;
  }
  if (op->list) return "a key list";
  if (op->window) return "a window";
  if (op->chunk) return "chunks";
  if (op->sinks) return "sinks";
  if (op->cap) return "the soft-cap";
  return op->kv->v ? NULL : "values in the keys";
}

static const char *linear(const struct vb_linear_op *op) { return op->w14 && op->groups > 1 ? "groups of I14" : NULL; }

static const char *router(const struct vb_ocl *d, const struct vb_router_op *op) {
  if (d->info.compiler) return NULL;
  if (op->score > VB_SCORE_SIGMOID) return "the score function";
  return op->groups > 8 ? "more than 8 expert groups" : NULL;
}

static const char *rotation(uint32_t hadamard, uint32_t n) {
  return hadamard && (!n || n > 128 || (n & (n - 1))) ? "a Hadamard rotation of this size" : NULL;
}

const char *vb_ocl_lacks(const struct vb_ocl *d, enum vb_ocl_kind kind, const void *op) {
  if (!vb_ocl_supports(d, kind)) return "the operator";
  switch (kind) {
  case VB_OCL_ATTENTION: return attention(d, op);
  case VB_OCL_ROUTER: return router(d, op);
  case VB_OCL_INDEXER: return d->info.compiler ? NULL : vb_ocl_unit_indexer_lacks(d, op);
  case VB_OCL_LINEAR: return linear(op);
  case VB_OCL_PACK_Q: {
    const struct vb_pack_q_op *q = op;
    return rotation(q->hadamard, q->d);
  }
  case VB_OCL_PACK_KV: {
    const struct vb_pack_kv_op *kv = op;
    return rotation(kv->hadamard, kv->dk);
  }
  default: return NULL;
  }
}
