// SPDX-License-Identifier: Apache-2.0
/// @file jobs.h
/// Jobs of the units as a driver makes them (host/ocl): arguments from the shape of an operator, buffers one after another on
/// pages, as the first buffers of a fresh device.
#ifndef VB_SIM_CYCLE_JOBS_H
#define VB_SIM_CYCLE_JOBS_H
#include "cycle.h"
#include "verbatim/ops.h"

enum { VB_JOB_SLOTS = 30 };

struct vb_job {
  char unit[16];
  char shape[96]; ///< for people: "128 rows, 2048 of 16384 keys, 576/512"
  uint64_t args[VB_JOB_SLOTS];
  uint32_t given; ///< bit i: argument i is set; what is not set gets a default
  bool sinks;     ///< attention: it has sink scores
  uint64_t macs;  ///< multiplications that the result needs; 0 for a unit without an array
};

/// The job of an operator, its pointers not looked at but for lists. attention: `heads` query heads that share a key head,
/// tokens [t, t + tokens); one token where the operator has a list.
void vb_job_router(struct vb_job *j, const struct vb_router_op *op);
void vb_job_indexer(struct vb_job *j, const struct vb_indexer_op *op);
void vb_job_attention(struct vb_job *j, const struct vb_attention_op *op, uint32_t heads, uint32_t t, uint32_t tokens);

/// Sets what was not given: strides of dense rows, counts, then the buffers from `base` on. Nothing for a unit that no driver knows.
void vb_job_finish(struct vb_job *j, uint64_t base);
/// Slot of an argument by its name, or -1; the i-th name of a unit, or NULL.
int vb_job_slot(const char *unit, const char *name);
const char *vb_job_arg_name(const char *unit, uint32_t slot);
#endif
