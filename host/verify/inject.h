// SPDX-License-Identifier: Apache-2.0
/// @file inject.h
/// Planted faults: a checker that has never caught anything proves nothing. `--inject` takes one of
///
///     output:PATH:INDEX:BIT[@DEVICE]   flip a bit of element INDEX of what DEVICE (default: any) returns for PATH
///     weight:PATH:INDEX:BIT            flip a bit of byte INDEX of the operator's weights after the golden run
///
/// Faults inside the simulated hardware are planted by its driver (VERBATIM_SIM_FAULT, docs/opencl-device.md), faults in kernel
/// tables by a changed copy of the kernels (VERBATIM_KERNELS).
#ifndef VERBATIM_VERIFY_INJECT_H
#define VERBATIM_VERIFY_INJECT_H
#include "runtime/worker.h"

enum vb_inject_kind { VB_INJECT_NONE, VB_INJECT_OUTPUT, VB_INJECT_WEIGHT };
struct vb_inject {
  enum vb_inject_kind kind;
  char text[160];
  char path[40], device[32];
  uint64_t index;
  uint32_t bit;
  const struct vb_graph *graph;
  const struct vb_device_list *devices;
  uint64_t hits; ///< how often the fault was planted
  struct {
    char device[32];
    uint64_t elements, first, last;
  } share; ///< of a call that the fault was meant for, but which does not make that element
};

/// Parse; errors name what is wrong.
vb_result vb_inject_parse(const char *text, struct vb_inject *i);
/// VB_OK if the fault was planted, else why it never was.
vb_result vb_inject_planted(const struct vb_inject *i);
/// A tamper function for the executor and replay (`context`: struct vb_inject). Without a graph (replay) the path matches.
void vb_inject_tamper(void *context, struct vb_task *task, uint32_t tasks);
/// Flip the weight bit in the model itself.
vb_result vb_inject_weight(struct vb_inject *i, const struct vb_graph *g);
#endif
