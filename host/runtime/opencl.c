// SPDX-License-Identifier: Apache-2.0
/// OpenCL devices as executor devices: a name, what they can run, and a call.
#include "ocl/ocl.h"
#include "runtime/device.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// All devices of one opening share the list that owns them; the last to close closes it.
struct shared {
  struct vb_ocl_list list;
  uint32_t users;
};
struct ocl_device {
  struct vb_ocl *ocl;
  struct shared *shared;
  char id[32], description[256];
};

/// VB_OCL_KINDS: no OpenCL device offers it.
static enum vb_ocl_kind ocl_kind(enum vb_op_kind k) {
  switch (k) {
  case VB_OP_EMBED: return VB_OCL_EMBED;
  case VB_OP_RMSNORM: return VB_OCL_RMSNORM;
  case VB_OP_LINEAR: return VB_OCL_LINEAR;
  case VB_OP_ROPE: return VB_OCL_ROPE;
  case VB_OP_PACK_Q: return VB_OCL_PACK_Q;
  case VB_OP_PACK_KV: return VB_OCL_PACK_KV;
  case VB_OP_ATTENTION: return VB_OCL_ATTENTION;
  case VB_OP_SWIGLU: return VB_OCL_SWIGLU;
  case VB_OP_ADD: return VB_OCL_ADD;
  case VB_OP_ROUTER: return VB_OCL_ROUTER;
  case VB_OP_EXPERTS: return VB_OCL_EXPERTS;
  case VB_OP_SOFTCAP: return VB_OCL_SOFTCAP;
  case VB_OP_CONV: return VB_OCL_CONV;
  case VB_OP_JOIN: return VB_OCL_JOIN;
  case VB_OP_DELTA: return VB_OCL_DELTA;
  case VB_OP_INDEXER: return VB_OCL_INDEXER;
  case VB_OP_KINDS: break;
  }
  return VB_OCL_KINDS;
}

/// Ask the device about the operator as it will be: optional arrays that will be there are marked so.
static bool supports(struct vb_device *d, const struct vb_node *n) {
  const struct ocl_device *o = d->impl;
  static const uint32_t mark = 1;
  union vb_any_op op = n->op;
  if (ocl_kind(n->kind) == VB_OCL_KINDS) return false;
  if (n->kind == VB_OP_ATTENTION) {
    op.attention.kv = &n->cache;
    op.attention.list = n->in[2] != VB_NO_INPUT ? &mark : NULL;
    if (!vb_ocl_can_attention(o->ocl, op.attention.heads, n->cache.heads, n->cache.dk, n->cache.dv)) return false;
  }
  if (n->kind == VB_OP_INDEXER) op.indexer.kv = &n->cache;
  if (n->kind == VB_OP_ROUTER && !vb_ocl_can_router(o->ocl, 1, op.router.experts, op.router.k)) return false;
  return vb_ocl_lacks(o->ocl, ocl_kind(n->kind), &op) == NULL;
}

static vb_result dispatch(struct vb_ocl *d, enum vb_op_kind kind, const union vb_any_op *op) {
  switch (kind) {
  case VB_OP_EMBED: return vb_ocl_embed(d, &op->embed);
  case VB_OP_RMSNORM: return vb_ocl_rmsnorm(d, &op->rmsnorm);
  case VB_OP_LINEAR: return vb_ocl_linear(d, &op->linear);
  case VB_OP_ROPE: return vb_ocl_rope(d, &op->rope);
  case VB_OP_PACK_Q: return vb_ocl_pack_q(d, &op->pack_q);
  case VB_OP_PACK_KV: return vb_ocl_pack_kv(d, &op->pack_kv);
  case VB_OP_ATTENTION: return vb_ocl_attention(d, &op->attention);
  case VB_OP_SWIGLU: return vb_ocl_swiglu(d, &op->swiglu);
  case VB_OP_ADD: return vb_ocl_add(d, &op->add);
  case VB_OP_ROUTER: return vb_ocl_router(d, &op->router);
  case VB_OP_EXPERTS: return vb_ocl_experts(d, &op->experts);
  case VB_OP_SOFTCAP: return vb_ocl_softcap(d, &op->softcap);
  case VB_OP_CONV: return vb_ocl_conv(d, &op->conv);
  case VB_OP_JOIN: return vb_ocl_join(d, &op->join);
  case VB_OP_DELTA: return vb_ocl_delta(d, &op->delta);
  case VB_OP_INDEXER: return vb_ocl_indexer(d, &op->indexer);
  case VB_OP_KINDS: break;
  }
  return vb_fail(VB_DEVICE, "unknown operator kind %d", (int)kind);
}

static vb_result run(struct vb_device *d, enum vb_op_kind kind, const union vb_any_op *op, struct vb_run_stats *stats) {
  struct ocl_device *o = d->impl;
  struct vb_ocl_stats s = {0};
  vb_result r = dispatch(o->ocl, kind, op);
  vb_ocl_last_stats(o->ocl, &s);
  stats->launches += s.launches;
  stats->device_ns += s.kernel_ns;
  stats->cycles += s.cycles;
  stats->busy += s.busy;
  stats->bytes_read += s.bytes_read;
  stats->bytes_written += s.bytes_written;
  return r;
}

static void close_device(struct vb_device *d) {
  struct ocl_device *o = d->impl;
  if (--o->shared->users == 0) {
    vb_ocl_close_all(&o->shared->list);
    free(o->shared);
  }
  free(o);
  free(d);
}

/// "pocl", "sim-base", else "ocl": short names that plans use on every machine. A second one of a kind gets a number.
static void make_id(const struct vb_device_list *list, const struct vb_ocl_info *info, char id[32]) {
  char stem[24] = "ocl";
  if (strstr(info->platform, "Portable Computing Language")) strcpy(stem, "pocl");
  if (strstr(info->platform, "Verbatim Simulator")) {
    const char *last = strrchr(info->name, ' '); // "verbatim-sim base"
    snprintf(stem, sizeof stem, "sim-%.16s", last ? last + 1 : info->name);
  }
  snprintf(id, 32, "%s", stem);
  for (uint32_t n = 2; vb_devices_find(list, id) >= 0; n++) snprintf(id, 32, "%s%u", stem, n);
}

static vb_result add_device(struct vb_device_list *list, struct vb_ocl *ocl, struct shared *shared) {
  const struct vb_ocl_info *info = vb_ocl_info(ocl);
  struct vb_device *d = calloc(1, sizeof *d);
  struct ocl_device *o = calloc(1, sizeof *o);
  if (!d || !o) {
    free(d), free(o);
    return vb_fail(VB_DEVICE, "out of memory for a device");
  }
  *o = (struct ocl_device){.ocl = ocl, .shared = shared};
  make_id(list, info, o->id);
  snprintf(o->description, sizeof o->description, "%s (%s, %s)", info->name, info->platform, info->version);
  *d = (struct vb_device){.id = o->id,
                          .description = o->description,
                          .accelerator = true,
                          .simulated = !strncmp(o->id, "sim-", 4),
                          .supports = supports,
                          .run = run,
                          .close = close_device,
                          .impl = o,
                          .threads = 1};
  shared->users++;
  return vb_device_list_add(list, d);
}

/// Whether `only` names the device without hardware called "verbatim-sim NAME-fast", or asks for all.
static bool wants_fast(const char *name, const void *only) {
  char id[32];
  if (!only) return false;
  if (!strcmp(only, VB_DEVICES_ALL)) return true;
  snprintf(id, sizeof id, "sim-%.16s", strrchr(name, ' ') + 1);
  for (const char *at = only; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (strcspn(at, ",") == strlen(id) && !strncmp(at, id, strlen(id))) return true;
  return false;
}

vb_result vb_devices_open_opencl(struct vb_device_list *list, const char *only, void (*refused)(void *, const char *),
                                 void *context) {
  struct shared *shared = calloc(1, sizeof *shared);
  if (!shared) return vb_fail(VB_DEVICE, "out of memory for the devices");
  vb_result r = vb_ocl_open_with(&shared->list, wants_fast, only);
  shared->users = 1; // held here until all are added
  for (uint32_t i = 0; !r && i < shared->list.count; i++) {
    if (vb_ocl_probe(shared->list.device[i])) {
      if (list->refusals < VB_MAX_REFUSALS && (list->refusal[list->refusals] = strdup(vb_last_error())))
        list->refusals++;
      if (refused) refused(context, vb_last_error());
      continue;
    }
    r = add_device(list, shared->list.device[i], shared);
  }
  if (--shared->users == 0) {
    vb_ocl_close_all(&shared->list);
    free(shared);
  }
  return r;
}
