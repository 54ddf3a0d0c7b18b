// SPDX-License-Identifier: Apache-2.0
/// @file worker.h
/// One thread per device runs its tasks in order, so that the devices of one operator compute at the same time.
#ifndef VERBATIM_RUNTIME_WORKER_H
#define VERBATIM_RUNTIME_WORKER_H
#include "runtime/device.h"

struct vb_task {
  uint32_t device, node;
  enum vb_op_kind kind;
  union vb_any_op op;
  // results
  vb_result result;
  char error[512];
  uint64_t start_ns, end_ns;
  struct vb_run_stats stats;
};

struct vb_pool;
/// Threads for the devices of `list`, which must outlive the pool. NULL if a thread cannot be made.
struct vb_pool *vb_pool_create(const struct vb_device_list *list);
/// Run all tasks, each on its device's thread, and wait. Returns the first failure in task order, its message set.
vb_result vb_pool_run(struct vb_pool *p, struct vb_task *task, uint32_t tasks);
void vb_pool_destroy(struct vb_pool *p);
#endif
