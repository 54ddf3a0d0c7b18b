// SPDX-License-Identifier: Apache-2.0
/// @file exec.h
/// The executor: runs a model's operators in order, each split over devices as the plan says.
///
/// Any mix of sequences may share a call; every token's bits are those it has alone (docs/numerics.md). The parts of one
/// operator run at the same time, one thread per device.
#ifndef VERBATIM_RUNTIME_EXEC_H
#define VERBATIM_RUNTIME_EXEC_H
#include "plan/plan.h"
#include "runtime/worker.h"

/// One sequence: its caches and states, and how many tokens they hold.
struct vb_seq {
  struct vb_kv *kv;               ///< [layers] main caches (dk 0: none)
  struct vb_kv *index;            ///< [layers] the indexer's key caches (dk 0: none)
  struct vb_recurrent *recurrent; ///< [layers] states that do not grow
  uint32_t layers, length, capacity;
};
/// Double buffers: a call works on the other one, and becomes the present only when all of the call has succeeded.
struct vb_recurrent {
  vb_z *history[2][3]; ///< [3][columns] last inputs of the convolutions q, k, v
  struct vb_delta_state delta[2];
  uint32_t now; ///< which of the two holds the present
};
/// Caches for `capacity` positions of the graph's layers. Errors: out of memory, capacity beyond the model's positions.
vb_result vb_seq_create(const struct vb_graph *g, uint32_t capacity, struct vb_seq *s);
/// Forget cached positions from `length` on (after a failed call); devices drop their copies.
void vb_seq_truncate(struct vb_seq *s, uint32_t length);
void vb_seq_free(struct vb_seq *s);

/// Append `count` tokens to a sequence in this call.
struct vb_batch_item {
  struct vb_seq *seq;
  const int32_t *tokens;
  uint32_t count;
};

/// What an observer sees after each operator (and may change: the verifier repairs a wrong value so that one fault
/// is reported once).
struct vb_step {
  uint32_t node_index;
  const struct vb_node *node;
  const struct vb_batch_item *item;
  uint32_t items;
  uint32_t tokens;           ///< all tokens of the call, items one after the other
  const uint32_t *item_of;   ///< [tokens]
  const uint32_t *pos;       ///< [tokens] absolute positions
  void *out[2];              ///< [tokens][row_bytes]
  const union vb_any_op *op; ///< whole operators: one, or one per item where the operator works by sequence
  uint32_t ops;
  const struct vb_task *task; ///< all device calls made for it
  uint32_t tasks;
};
struct vb_observer {
  vb_result (*step)(void *context, struct vb_step *s);
  /// A device failed on this call; all its pointers are still valid. May be NULL.
  void (*failed)(void *context, const struct vb_node *node, const struct vb_task *task);
  void *context;
};

struct vb_exec;
/// The graph and the devices must outlive the executor.
vb_result vb_exec_create(const struct vb_graph *g, const struct vb_device_list *devices, struct vb_exec **out);
void vb_exec_destroy(struct vb_exec *e);
/// Target for making plans: which device can run what. Valid while the executor lives.
const struct vb_target *vb_exec_target(const struct vb_exec *e);
/// Call `tamper` after every batch of device calls, before results are merged: planted faults go in here.
void vb_exec_set_tamper(struct vb_exec *e, void (*tamper)(void *context, struct vb_task *task, uint32_t tasks),
                        void *context);
/// Output of a node in the last call, [tokens][row_bytes]; valid until the next call.
const void *vb_exec_output(const struct vb_exec *e, uint32_t node);
/// Run one batch under `plan`. On success the sequences have grown and *logits (may be NULL) points to
/// carrier values [tokens][vocab], valid until the next call. On failure the sequences are as before.
/// Errors: token ids outside the vocabulary, a full cache, a failing device (message names layer, operator, device).
vb_result vb_exec_forward(struct vb_exec *e, const struct vb_plan *plan, const struct vb_batch_item *item,
                          uint32_t items, const struct vb_observer *observer, const vb_z **logits);
#endif
