// SPDX-License-Identifier: Apache-2.0
/// @file plan.h
/// A plan says for every operator of a model which device computes which range of one split axis.
///
/// Plans are data: made by a policy here or read from JSON, checked completely before anything runs. Parts of an
/// operator cover its axis exactly once. On axes whose extent is known only at run time (tokens, keys) the last part
/// is open ended, and a part beyond the extent is empty.
#ifndef VERBATIM_PLAN_PLAN_H
#define VERBATIM_PLAN_PLAN_H
#include "graph/graph.h"

enum { VB_MAX_PARTS = 8 };
#define VB_OPEN UINT32_MAX ///< end of a part that runs to the end of its axis

struct vb_part {
  uint32_t device; ///< index into the target's devices
  uint32_t begin, end;
};
struct vb_split {
  enum vb_axis axis;
  uint32_t parts;
  struct vb_part part[VB_MAX_PARTS];
};
struct vb_plan {
  uint32_t nodes;
  struct vb_split *split; ///< [nodes]
};

/// What a plan may choose from. `can[d * nodes + n]`: device d implements node n.
struct vb_target {
  uint32_t devices;
  const char *const *id;
  const uint8_t *can;
  const uint8_t *accelerator; ///< [devices]: not the CPU itself
};

/// Everything on one device.
vb_result vb_plan_uniform(const struct vb_graph *g, const struct vb_target *t, uint32_t device, struct vb_plan *p);
/// Every operator whole on the first device that can run it.
vb_result vb_plan_first(const struct vb_graph *g, const struct vb_target *t, struct vb_plan *p);
/// The default: layers partitioned over all devices; accelerators that offer only some operators (the simulated units)
/// get a share of those, the rest is divided between the CPU and the general OpenCL devices.
vb_result vb_plan_default(const struct vb_graph *g, const struct vb_target *t, struct vb_plan *p);
/// Random axis, cuts and devices for every operator; the same seed gives the same plan on every machine.
vb_result vb_plan_random(const struct vb_graph *g, const struct vb_target *t, uint64_t seed, struct vb_plan *p);
/// Read and check a JSON plan: unknown keys, operators, devices and axes, gaps, overlaps, misaligned cuts and operators that
/// a device cannot run are errors that name the file and the place.
vb_result vb_plan_load(const struct vb_graph *g, const struct vb_target *t, const char *path, struct vb_plan *p);
/// Write the plan as JSON (temporary name, fsync, rename).
vb_result vb_plan_save(const struct vb_graph *g, const struct vb_target *t, const struct vb_plan *p, const char *path);
/// Check coverage, alignment and capabilities; `where` prefixes messages.
vb_result vb_plan_check(const struct vb_graph *g, const struct vb_target *t, const struct vb_plan *p,
                        const char *where);
/// "cpu 0-64 | pocl 64-128 of rows": what a report prints.
void vb_split_describe(const struct vb_node *n, const struct vb_target *t, const struct vb_split *s, char *text,
                       size_t size);
void vb_plan_free(struct vb_plan *p);
#endif
