// SPDX-License-Identifier: Apache-2.0
#include "verify/inject.h"
#include "verify/casefile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vb_result vb_inject_parse(const char *text, struct vb_inject *i) {
  char kind[16] = "", index[24] = "";
  unsigned bit;
  int end = 0, whole = 0;
  *i = (struct vb_inject){0};
  snprintf(i->text, sizeof i->text, "%s", text);
  int n = sscanf(text, "%15[^:]:%39[^:]:%20[0-9]:%2u%n@%31s%n", kind, i->path, index, &bit, &end, i->device, &whole);
  if (n < 4 || text[n == 5 ? whole : end])
    return vb_fail(VB_BAD_INPUT, "--inject %s: expected output:PATH:INDEX:BIT[@DEVICE] or weight:PATH:INDEX:BIT", text);
  i->index = strtoull(index, NULL, 10);
  i->bit = bit;
  if (!strcmp(kind, "output")) i->kind = VB_INJECT_OUTPUT;
  else if (!strcmp(kind, "weight") && n == 4) i->kind = VB_INJECT_WEIGHT;
  else return vb_fail(VB_BAD_INPUT, "--inject %s: unknown fault \"%s\"", text, kind);
  if (bit > (i->kind == VB_INJECT_OUTPUT ? 31 : 7))
    return vb_fail(VB_BAD_INPUT, "--inject %s: there is no bit %u", text, bit);
  return VB_OK;
}

/// The fault sits in the first output array of a call, in an element that this call makes: another's would be called
/// that device's fault. False: not here.
static bool flip(struct vb_inject *i, struct vb_task *t) {
  struct vb_case_op c;
  struct vb_field f[VB_MAX_FIELDS];
  struct vb_written w;
  vb_case_from_op(t->kind, &t->op, &c);
  uint32_t n = vb_case_fields(&c, f), k = 0;
  while (k < n && f[k].role != VB_FIELD_OUT) k++;
  if (k == n || vb_case_written(t->kind, &t->op, i->index, &w)) return false;
  if (!w.index_too) {
    const char *device = i->devices ? i->devices->device[t->device]->id : "";
    i->share.elements = w.elements, i->share.first = w.first, i->share.last = w.last;
    snprintf(i->share.device, sizeof i->share.device, "%s", device);
    return false;
  }
  size_t bytes = vb_h5_bytes(f[k].type);
  uint8_t *data = *vb_field_array(&f[k]);
  data[i->index * bytes + i->bit / 8 % bytes] ^= (uint8_t)(1u << i->bit % 8);
  i->hits++;
  return true;
}

void vb_inject_tamper(void *context, struct vb_task *task, uint32_t tasks) {
  struct vb_inject *i = context;
  for (uint32_t k = 0; k < tasks; k++) {
    if (i->graph && strcmp(i->graph->node[task[k].node].path, i->path)) continue;
    if (i->devices && i->device[0] && strcmp(i->devices->device[task[k].device]->id, i->device)) continue;
    if (flip(i, &task[k])) return; // parts share their output array: a second flip would undo the first
  }
}

vb_result vb_inject_planted(const struct vb_inject *i) {
  if (i->hits) return VB_OK;
  if (!i->share.elements)
    return vb_fail(VB_BAD_INPUT, "--inject %s: never planted: no call returns that element", i->text);
  return vb_fail(VB_BAD_INPUT, "--inject %s: never planted: %s makes elements %llu to %llu of its array, not %llu",
                 i->text, i->share.device[0] ? i->share.device : "the call", (unsigned long long)i->share.first,
                 (unsigned long long)i->share.last, (unsigned long long)i->index);
}

vb_result vb_inject_weight(struct vb_inject *i, const struct vb_graph *g) {
  int node = vb_graph_find(g, i->path);
  if (node < 0) return vb_fail(VB_BAD_INPUT, "--inject %s: the model has no operator \"%s\"", i->text, i->path);
  const struct vb_node *n = &g->node[node];
  const struct vb_w8 *w = n->kind == VB_OP_LINEAR    ? n->op.linear.w8
                          : n->kind == VB_OP_EXPERTS ? &n->op.experts.w->gate
                                                     : NULL;
  if (!w) return vb_fail(VB_BAD_INPUT, "--inject %s: %s has no I8 weights", i->text, i->path);
  if (n->kind == VB_OP_EXPERTS && g->model->expert_cache)
    return vb_fail(VB_BAD_INPUT,
                   "--inject %s: experts that are made on demand would lose the fault; leave out --expert-cache",
                   i->text);
  uint64_t bytes = (uint64_t)w->rows * w->blocks * VB_BLOCK;
  if (i->index >= bytes)
    return vb_fail(VB_BAD_INPUT, "--inject %s: the weights have %llu bytes", i->text, (unsigned long long)bytes);
  ((int8_t *)(uintptr_t)w->q)[i->index] ^= (int8_t)(1u << i->bit);
  i->hits++;
  return VB_OK;
}
