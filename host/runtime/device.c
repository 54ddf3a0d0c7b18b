// SPDX-License-Identifier: Apache-2.0
#include "runtime/device.h"
#include "cpu/cpu.h"
#include "ref/ref.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static bool supports_all(struct vb_device *d, const struct vb_node *n) {
  (void)d, (void)n;
  return true;
}

static vb_result run_ref(struct vb_device *d, enum vb_op_kind kind, const union vb_any_op *op,
                         struct vb_run_stats *stats) {
  (void)d;
  stats->launches++;
  switch (kind) {
  case VB_OP_EMBED: vb_ref_embed(&op->embed); return VB_OK;
  case VB_OP_RMSNORM: vb_ref_rmsnorm(&op->rmsnorm); return VB_OK;
  case VB_OP_LINEAR: vb_ref_linear(&op->linear); return VB_OK;
  case VB_OP_ROPE: vb_ref_rope(&op->rope); return VB_OK;
  case VB_OP_PACK_Q: vb_ref_pack_q(&op->pack_q); return VB_OK;
  case VB_OP_PACK_KV: vb_ref_pack_kv(&op->pack_kv); return VB_OK;
  case VB_OP_ATTENTION: vb_ref_attention(&op->attention); return VB_OK;
  case VB_OP_SWIGLU: vb_ref_swiglu(&op->swiglu); return VB_OK;
  case VB_OP_ADD: vb_ref_add(&op->add); return VB_OK;
  case VB_OP_ROUTER: vb_ref_router(&op->router); return VB_OK;
  case VB_OP_EXPERTS: vb_ref_experts(&op->experts); return VB_OK;
  case VB_OP_JOIN: vb_ref_join(&op->join); return VB_OK;
  case VB_OP_SOFTCAP: vb_ref_softcap(&op->softcap); return VB_OK;
  case VB_OP_CONV: vb_ref_conv(&op->conv); return VB_OK;
  case VB_OP_DELTA: vb_ref_delta(&op->delta); return VB_OK;
  case VB_OP_INDEXER: vb_ref_indexer(&op->indexer); return VB_OK;
  case VB_OP_KINDS: break;
  }
  return vb_fail(VB_DEVICE, "ref: unknown operator kind %d", (int)kind);
}

static vb_result run_cpu(struct vb_device *d, enum vb_op_kind kind, const union vb_any_op *op,
                         struct vb_run_stats *stats) {
  stats->launches++;
  switch (kind) {
  case VB_OP_EMBED: vb_cpu_embed(&op->embed, d->threads); return VB_OK;
  case VB_OP_RMSNORM: vb_cpu_rmsnorm(&op->rmsnorm, d->threads); return VB_OK;
  case VB_OP_LINEAR: vb_cpu_linear(&op->linear, d->threads); return VB_OK;
  case VB_OP_ROPE: vb_cpu_rope(&op->rope, d->threads); return VB_OK;
  case VB_OP_PACK_Q: vb_cpu_pack_q(&op->pack_q, d->threads); return VB_OK;
  case VB_OP_PACK_KV: vb_cpu_pack_kv(&op->pack_kv, d->threads); return VB_OK;
  case VB_OP_ATTENTION: vb_cpu_attention(&op->attention, d->threads); return VB_OK;
  case VB_OP_SWIGLU: vb_cpu_swiglu(&op->swiglu, d->threads); return VB_OK;
  case VB_OP_ADD: vb_cpu_add(&op->add, d->threads); return VB_OK;
  case VB_OP_ROUTER: vb_cpu_router(&op->router, d->threads); return VB_OK;
  case VB_OP_EXPERTS: vb_cpu_experts(&op->experts, d->threads); return VB_OK;
  case VB_OP_JOIN: vb_cpu_join(&op->join, d->threads); return VB_OK;
  case VB_OP_SOFTCAP: vb_cpu_softcap(&op->softcap, d->threads); return VB_OK;
  case VB_OP_CONV: vb_cpu_conv(&op->conv, d->threads); return VB_OK;
  case VB_OP_DELTA: vb_cpu_delta(&op->delta, d->threads); return VB_OK;
  case VB_OP_INDEXER: vb_cpu_indexer(&op->indexer, d->threads); return VB_OK;
  case VB_OP_KINDS: break;
  }
  return vb_fail(VB_DEVICE, "cpu: unknown operator kind %d", (int)kind);
}

static void close_plain(struct vb_device *d) { free(d); }

static struct vb_device *open_plain(const char *id, const char *description, int threads,
                                    vb_result (*run)(struct vb_device *, enum vb_op_kind, const union vb_any_op *,
                                                     struct vb_run_stats *)) {
  struct vb_device *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  *d = (struct vb_device){.id = id,
                          .description = description,
                          .supports = supports_all,
                          .run = run,
                          .close = close_plain,
                          .threads = threads};
  return d;
}

struct vb_device *vb_device_open_ref(void) {
  return open_plain("ref", "normative reference, plain C, one thread", 1, run_ref);
}

struct vb_device *vb_device_open_cpu(int threads) {
  return open_plain("cpu", vb_cpu_isa_name(), threads > 0 ? threads : omp_get_num_procs(), run_cpu);
}

vb_result vb_device_list_add(struct vb_device_list *list, struct vb_device *d) {
  struct vb_device **bigger = d ? realloc(list->device, (list->count + 1) * sizeof *bigger) : NULL;
  if (!bigger) {
    if (d) d->close(d);
    return vb_fail(VB_DEVICE, "out of memory for a device");
  }
  list->device = bigger;
  list->device[list->count++] = d;
  return VB_OK;
}

int vb_devices_find(const struct vb_device_list *list, const char *id) {
  for (uint32_t i = 0; i < list->count; i++)
    if (!strcmp(list->device[i]->id, id)) return (int)i;
  return -1;
}

void vb_devices_close(struct vb_device_list *list) {
  for (uint32_t i = 0; i < list->count; i++) list->device[i]->close(list->device[i]);
  for (uint32_t i = 0; i < list->refusals; i++) free(list->refusal[i]);
  free(list->device);
  *list = (struct vb_device_list){0};
}

/// Keep the devices named in `only`, in that order; close the others.
static vb_result keep_only(struct vb_device_list *list, const char *only) {
  char names[512], *save = NULL;
  struct vb_device_list kept = {0};
  if (strlen(only) >= sizeof names) return vb_fail(VB_BAD_INPUT, "--devices: list too long");
  strcpy(names, only);
  vb_result r = VB_OK;
  for (char *name = strtok_r(names, ",", &save); name && !r; name = strtok_r(NULL, ",", &save)) {
    int i = vb_devices_find(list, name);
    if (i < 0) {
      r = vb_fail(VB_BAD_INPUT, "no device \"%s\" here (`verbatim devices` lists them)", name);
      break;
    }
    r = vb_device_list_add(&kept, list->device[i]);
    list->device[i] = list->device[--list->count];
  }
  if (!r && !kept.count) r = vb_fail(VB_BAD_INPUT, "--devices names no device");
  kept.refusals = list->refusals;
  for (uint32_t i = 0; i < list->refusals; i++) kept.refusal[i] = list->refusal[i];
  list->refusals = 0;
  vb_devices_close(list);
  *list = kept;
  return r;
}

vb_result vb_devices_open(int threads, const char *only, struct vb_device_list *list,
                          void (*refused)(void *, const char *), void *context) {
  *list = (struct vb_device_list){0};
  vb_result r = vb_device_list_add(list, vb_device_open_cpu(threads));
  bool only_cpu = only && !strcmp(only, "cpu"); // no need to wake OpenCL and probe its devices
  if (!r && !only_cpu) r = vb_devices_open_opencl(list, only, refused, context);
  if (!r && only && strcmp(only, VB_DEVICES_ALL)) r = keep_only(list, only);
  if (r) vb_devices_close(list);
  return r;
}
