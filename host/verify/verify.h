// SPDX-License-Identifier: Apache-2.0
/// @file verify.h
/// Run a model under one or many plans and compare every output of every operator with the golden run.
///
/// The verdict: planned = passed + failed + skipped. One comparison is one output array of one operator in one call. A wrong
/// value is reported with the device call that made it, replaced by the right one, and the run goes on.
#ifndef VERBATIM_VERIFY_VERIFY_H
#define VERBATIM_VERIFY_VERIFY_H
#include "verify/golden.h"
#include "verify/inject.h"

enum { VB_MAX_FAILURES = 32, VB_MAX_SEQUENCES = 3, VB_MAX_DEVICES = 16 };

struct vb_verify_config {
  const struct vb_graph *graph;
  const struct vb_device_list *devices;
  const int32_t *prompt;
  uint32_t prompt_len, steps;
  const char *plan_file; ///< a JSON plan, or NULL for the default plan
  bool first_device;     ///< every operator on the first device that can run it, instead of the default plan
  uint32_t random_plans; ///< this many random plans instead, each with its own chunks and batches
  uint64_t seed;
  uint32_t chunk;            ///< positions per prefill call; 0: all at once
  struct vb_inject *inject;  ///< or NULL
  const char *case_dir;      ///< where case files of failures go
  const char *replay_prefix; ///< how the command is called, for the printed replay line
  bool timeline;             ///< keep every device call
  vb_progress progress;
  void *context;
};

struct vb_failure {
  char path[40], device[32], array[16], note[256];
  int layer;
  const char *op;
  uint32_t plan, position;
  uint64_t index, differing, expected,
      actual; ///< in the array of the device call, or of the operator if no call is to blame
  uint32_t elem_bytes;
  uint64_t cycle; ///< simulated cycles of that call
  uint64_t call;  ///< serial number of the device call (descriptor id)
  char case_file[512], replay[2048];
};

struct vb_node_stats {
  uint64_t comparisons, failed, values, bytes;
  struct {
    uint64_t calls, wall_ns, device_ns, cycles, busy;
  } device[VB_MAX_DEVICES];
};

struct vb_event {
  uint32_t node, device;
  uint64_t start_ns, end_ns, cycles;
};

struct vb_report {
  uint64_t planned, passed, failed, skipped;
  uint64_t values, bytes, calls, plans;
  char skip_reason[256];
  struct vb_node_stats *node; ///< [nodes]
  struct vb_failure failure[VB_MAX_FAILURES];
  uint32_t failures; ///< described ones; `failed` counts all
  struct vb_event *event;
  uint64_t events, event_room;
  struct vb_golden golden; ///< the main sequence
  struct vb_plan plan;     ///< of the last plan run: what the table shows as shares
  uint64_t reference_ns, run_ns, tokens;
};

/// VB_OK: every planned comparison was made and equal. VB_MISMATCH, VB_DEVICE: as the report says. VB_BAD_INPUT: nothing ran.
/// The report is complete in every case and must be freed.
vb_result vb_verify(const struct vb_verify_config *c, struct vb_report *r);
void vb_report_free(struct vb_report *r);
#endif
