// SPDX-License-Identifier: Apache-2.0
/// The executor's state, shared by exec.c (the loop), bind.c (pointers) and run_split.c (parts, phases, merging).
#ifndef VERBATIM_RUNTIME_EXEC_INTERNAL_H
#define VERBATIM_RUNTIME_EXEC_INTERNAL_H
#include "runtime/exec.h"

struct vb_buffer {
  void *out[2];
};

struct vb_exec {
  const struct vb_graph *graph;
  const struct vb_device_list *devices;
  struct vb_pool *pool;
  struct vb_target target;
  const char **id;
  uint8_t *can, *accelerator;
  struct vb_buffer *buffer; ///< [nodes] outputs, room tokens each
  uint32_t room;
  // the call under way
  const struct vb_batch_item *item;
  uint32_t items, total;
  uint32_t *pos, *item_of, *item_token0;
  int32_t *tokens;
  // device calls of the operator under way, and memory that lives as long
  struct vb_task *task;
  uint32_t tasks, task_room;
  void (*tamper)(void *context, struct vb_task *task, uint32_t tasks);
  void *tamper_context;
  void **scratch;
  uint32_t scratches, scratch_room;
};

/// Zeroed memory until the end of the operator; NULL if there is none.
void *vb_scratch(struct vb_exec *e, size_t bytes);
void vb_scratch_reset(struct vb_exec *e);
/// Fill in all pointers and full ranges of node i (attention: of batch item k).
void vb_bind_op(struct vb_exec *e, uint32_t node, uint32_t k, union vb_any_op *op);
/// Run the whole operators op[ops] as split; results are complete and merged on return.
vb_result vb_run_split(struct vb_exec *e, uint32_t node, const struct vb_split *s, union vb_any_op *op, uint32_t ops);
#endif
