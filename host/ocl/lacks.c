// SPDX-License-Identifier: Apache-2.0
/// Which variants of an operator a device does not offer. Kept in one place, beside nothing else, so that a field that
/// ops.h gains is either implemented or refused here.
#include "ocl/internal.h"
#include <stdio.h>

/// The attention unit's own limits (hw/attention), whatever its configuration.
enum { UNIT_MAX_KEYS = 1 << 20, UNIT_MAX_SINKS = 512, UNIT_MAX_BLOCK = 1024 };

static const char *unit_attention(const struct vb_ocl *d, const struct vb_attention_op *op) {
  static _Thread_local char text[96];
  const struct vb_kv *kv = op->kv;
  const uint32_t group = kv->heads ? op->heads / kv->heads : 0, last = op->first_count + op->t.end;
  if (op->cap) return "the soft-cap";
  if (vb_blocks(kv->dk) > d->unit.key_blocks)
    snprintf(text, sizeof text, "a key size of %u (at most %u)", kv->dk, 32 * d->unit.key_blocks);
  else if (vb_blocks(kv->dv) > d->unit.value_blocks)
    snprintf(text, sizeof text, "a value size of %u (at most %u)", kv->dv, 32 * d->unit.value_blocks);
  else if (op->sinks && group > UNIT_MAX_SINKS)
    snprintf(text, sizeof text, "sinks of %u heads with one key head (at most %d)", group, UNIT_MAX_SINKS);
  else if (op->list && op->list_block > UNIT_MAX_BLOCK)
    snprintf(text, sizeof text, "a list of blocks of %u keys (at most %d)", op->list_block, UNIT_MAX_BLOCK);
  else if ((op->key.end < last ? op->key.end : last) > UNIT_MAX_KEYS)
    snprintf(text, sizeof text, "a cache of %u positions (at most %d)", last - 1, UNIT_MAX_KEYS);
  else return NULL;
  return text;
}

static const char *attention(const struct vb_ocl *d, const struct vb_attention_op *op) {
  if (op->kv->v ? op->kv->dv > VB_MAX_DV : op->kv->dv > op->kv->dk) return "the value size";
  return d->info.compiler ? NULL : unit_attention(d, op);
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
