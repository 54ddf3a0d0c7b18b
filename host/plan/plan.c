// SPDX-License-Identifier: Apache-2.0
/// Checking, printing and the policies.
#include "plan/plan.h"
#include "num/rng.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vb_result allocate(const struct vb_graph *g, struct vb_plan *p) {
  *p = (struct vb_plan){.nodes = g->nodes, .split = calloc(g->nodes, sizeof *p->split)};
  return p->split ? VB_OK : vb_fail(VB_DEVICE, "out of memory for a plan of %u operators", g->nodes);
}

void vb_plan_free(struct vb_plan *p) {
  free(p->split);
  *p = (struct vb_plan){0};
}

static bool can(const struct vb_graph *g, const struct vb_target *t, uint32_t device, uint32_t node) {
  return t->can[(uint64_t)device * g->nodes + node];
}

static uint32_t grain(enum vb_axis a) { return a == VB_AXIS_K ? VB_BLOCK : 1; }

static vb_result check_split(const struct vb_graph *g, const struct vb_target *t, uint32_t node,
                             const struct vb_split *s, const char *where) {
  const struct vb_node *n = &g->node[node];
  const char *axis = vb_axis_name(s->axis);
  uint32_t extent = n->extent[s->axis], at = 0;
  if (!n->axis[s->axis]) return vb_fail(VB_BAD_INPUT, "%s: %s cannot be split along %s", where, n->path, axis);
  if (!s->parts) return vb_fail(VB_BAD_INPUT, "%s: no device here can run %s", where, n->path);
  for (uint32_t i = 0; i < s->parts; i++) {
    const struct vb_part *q = &s->part[i];
    bool open = q->end == VB_OPEN;
    if (!can(g, t, q->device, node))
      return vb_fail(VB_BAD_INPUT, "%s: device %s cannot run %s", where, t->id[q->device], n->path);
    if (q->begin != at)
      return vb_fail(VB_BAD_INPUT, "%s: %s: %s %u to %u %s", where, n->path, axis, q->begin > at ? at : q->begin,
                     q->begin > at ? q->begin : at,
                     q->begin > at ? "are given to no device" : "are given to two devices");
    if (open ? i + 1 < s->parts : q->end < q->begin)
      return vb_fail(VB_BAD_INPUT, "%s: %s: part %u of %s must end after it begins", where, n->path, i, axis);
    at = open && extent ? extent : q->end;
    if (extent && at > extent)
      return vb_fail(VB_BAD_INPUT, "%s: %s: %s ends at %u but has only %u", where, n->path, axis, at, extent);
    if (!open && at % grain(s->axis) && at != extent)
      return vb_fail(VB_BAD_INPUT, "%s: %s: %s must be cut at multiples of %u, not at %u", where, n->path, axis,
                     grain(s->axis), at);
  }
  if (extent ? at != extent : at != VB_OPEN)
    return vb_fail(VB_BAD_INPUT, "%s: %s: %s from %u on are given to no device", where, n->path, axis, at);
  return VB_OK;
}

vb_result vb_plan_check(const struct vb_graph *g, const struct vb_target *t, const struct vb_plan *p,
                        const char *where) {
  for (uint32_t i = 0; i < g->nodes; i++) {
    vb_result r = check_split(g, t, i, &p->split[i], where);
    if (r) return r;
  }
  return VB_OK;
}

void vb_split_describe(const struct vb_node *n, const struct vb_target *t, const struct vb_split *s, char *text,
                       size_t size) {
  size_t at = 0;
  text[0] = 0;
  for (uint32_t i = 0; i < s->parts && at < size; i++) {
    const struct vb_part *q = &s->part[i];
    int w;
    if (s->parts == 1) w = snprintf(text + at, size - at, "%s", t->id[q->device]);
    else if (q->end == VB_OPEN && !n->extent[s->axis])
      w = snprintf(text + at, size - at, "%s%s %u-", i ? " " : "", t->id[q->device], q->begin);
    else
      w = snprintf(text + at, size - at, "%s%s %u-%u", i ? " " : "", t->id[q->device], q->begin,
                   q->end == VB_OPEN ? n->extent[s->axis] : q->end);
    at += (size_t)w;
  }
  if (s->parts > 1 && at < size) snprintf(text + at, size - at, " %s", vb_axis_name(s->axis));
}

/// Node i whole on one device. A recurrence has no token axis.
static struct vb_split whole(const struct vb_graph *g, uint32_t i, uint32_t device) {
  enum vb_axis axis = VB_AXIS_TOKENS;
  while (!g->node[i].axis[axis]) axis++;
  return (struct vb_split){.axis = axis, .parts = 1, .part[0] = {device, 0, VB_OPEN}};
}

static vb_result checked(const struct vb_graph *g, const struct vb_target *t, struct vb_plan *p, const char *where) {
  vb_result r = vb_plan_check(g, t, p, where);
  if (r) vb_plan_free(p);
  return r;
}

vb_result vb_plan_uniform(const struct vb_graph *g, const struct vb_target *t, uint32_t device, struct vb_plan *p) {
  vb_result r = allocate(g, p);
  if (r) return r;
  for (uint32_t i = 0; i < g->nodes; i++) p->split[i] = whole(g, i, device);
  return checked(g, t, p, t->id[device]);
}

vb_result vb_plan_first(const struct vb_graph *g, const struct vb_target *t, struct vb_plan *p) {
  vb_result r = allocate(g, p);
  if (r) return r;
  for (uint32_t i = 0; i < g->nodes; i++) {
    uint32_t d = 0;
    while (d + 1 < t->devices && !can(g, t, d, i)) d++;
    p->split[i] = whole(g, i, d);
  }
  return checked(g, t, p, "first-device plan");
}

/// Cut `extent` (or, if it is dynamic, the first `guess`) evenly among the given devices.
static struct vb_split even_split(enum vb_axis axis, uint32_t extent, uint32_t guess, const uint32_t *device,
                                  uint32_t devices) {
  struct vb_split s = {.axis = axis};
  uint32_t size = extent ? extent : guess, unit = grain(axis), units = (size + unit - 1) / unit, at = 0;
  for (uint32_t i = 0; i < devices; i++) {
    uint32_t end =
        i + 1 == devices ? (extent ? extent : VB_OPEN) : (uint32_t)((uint64_t)units * (i + 1) / devices) * unit;
    if (end == at) continue;
    s.part[s.parts++] = (struct vb_part){device[i], at, end};
    at = end;
  }
  return s;
}

static enum vb_axis preferred_axis(const struct vb_node *n) {
  static const enum vb_axis order[] = {VB_AXIS_EXPERTS, VB_AXIS_HEADS, VB_AXIS_ROWS, VB_AXIS_TOKENS};
  for (uint32_t i = 0; i < sizeof order / sizeof *order; i++) // one head is not worth a split
    if (n->axis[order[i]] && n->extent[order[i]] != 1) return order[i];
  for (enum vb_axis a = 0; a < VB_AXES; a++)
    if (n->axis[a]) return a;
  return VB_AXIS_TOKENS;
}

vb_result vb_plan_default(const struct vb_graph *g, const struct vb_target *t, struct vb_plan *p) {
  vb_result r = allocate(g, p);
  if (r) return r;
  for (uint32_t i = 0; i < g->nodes; i++) {
    const struct vb_node *n = &g->node[i];
    uint32_t device[VB_MAX_PARTS], devices = 0;
    // Small elementwise operators stay on the CPU: a launch costs more than the work.
    bool heavy =
        n->kind == VB_OP_LINEAR || n->kind == VB_OP_ATTENTION || n->kind == VB_OP_EXPERTS || n->kind == VB_OP_ROUTER;
    for (uint32_t d = 0; d < t->devices && devices < VB_MAX_PARTS; d++)
      if (can(g, t, d, i) && (heavy || !t->accelerator[d])) device[devices++] = d;
    for (uint32_t d = 0; d < t->devices && !devices; d++) // no CPU among them
      if (can(g, t, d, i)) device[devices++] = d;
    // The router is one unit's whole job: give it to the device that specialises in it, else the first.
    if (n->kind == VB_OP_ROUTER && devices) device[0] = device[devices - 1], devices = 1;
    p->split[i] = even_split(preferred_axis(n), n->extent[preferred_axis(n)], 1, device, devices);
  }
  return checked(g, t, p, "default plan");
}

static void random_split(const struct vb_graph *g, const struct vb_target *t, uint32_t node, uint64_t *rng,
                         struct vb_split *s) {
  const struct vb_node *n = &g->node[node];
  uint32_t able[64], ables = 0, axes = 0;
  enum vb_axis axis[VB_AXES] = {VB_AXIS_TOKENS};
  for (uint32_t d = 0; d < t->devices && ables < 64; d++)
    if (can(g, t, d, node)) able[ables++] = d;
  if (!ables) able[ables++] = 0; // the check says that it cannot
  for (enum vb_axis a = 0; a < VB_AXES; a++)
    if (n->axis[a]) axis[axes++] = a;
  s->axis = axis[vb_draw_below(rng, axes)];
  uint32_t extent = n->extent[s->axis], unit = grain(s->axis);
  // A dynamic axis is cut somewhere in its first 40 places: short and long inputs both meet uneven cuts.
  uint32_t units = extent ? (extent + unit - 1) / unit : 40;
  uint32_t parts = 1 + (uint32_t)vb_draw_below(rng, 4), at = 0;
  s->parts = 0;
  for (uint32_t i = 0; i < parts; i++) {
    uint32_t end = i + 1 == parts ? units : at + (uint32_t)vb_draw_below(rng, units - at + 1);
    bool final = i + 1 == parts;
    uint32_t stop = final ? (extent ? extent : VB_OPEN) : end * unit;
    if (extent && stop > extent) stop = extent;
    s->part[s->parts++] =
        (struct vb_part){able[vb_draw_below(rng, ables)], at * unit < extent || !extent ? at * unit : extent, stop};
    at = end;
  }
}

vb_result vb_plan_random(const struct vb_graph *g, const struct vb_target *t, uint64_t seed, struct vb_plan *p) {
  vb_result r = allocate(g, p);
  if (r) return r;
  uint64_t rng = vb_draw_seed(seed);
  for (uint32_t i = 0; i < g->nodes; i++) random_split(g, t, i, &rng, &p->split[i]);
  return checked(g, t, p, "random plan");
}
