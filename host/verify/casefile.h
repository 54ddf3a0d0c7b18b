// SPDX-License-Identifier: Apache-2.0
/// @file casefile.h
/// One operator call as a file: inputs, weights, expected outputs, and where it came from. `verbatim replay` runs it again
/// on any device.
#ifndef VERBATIM_VERIFY_CASEFILE_H
#define VERBATIM_VERIFY_CASEFILE_H
#include "runtime/worker.h"
#include "verify/fields.h"

/// Where a case came from; texts may be NULL.
struct vb_case_origin {
  const char *path;   ///< "layer.2.q_proj"
  const char *device; ///< device that computed it
  const char *inject; ///< planted fault, as given to --inject
  uint64_t seed, call;
};

/// A case in memory; owns every array.
struct vb_case {
  struct vb_case_op c;
  void *expected[VB_MAX_FIELDS]; ///< for output fields, by field number
  char *path, *device, *inject;
  uint64_t seed, call;
};

/// First difference of one array.
struct vb_difference {
  const char *array;
  uint64_t index, differing; ///< element index; how many elements differ
  uint32_t elem_bytes;
  uint64_t expected, actual;
};

/// Run the reference on an operator.
vb_result vb_case_reference(enum vb_op_kind kind, const union vb_any_op *op);
/// Run the reference on the same inputs as `op` and compare what it writes with the arrays that `op` points to.
/// *differs tells; `d` describes the first difference. Returns VB_DEVICE only for lack of memory.
vb_result vb_case_check(enum vb_op_kind kind, const union vb_any_op *op, bool *differs, struct vb_difference *d);
/// The elements of the first output array that a call writes: from `first` to `last`, perhaps with gaps.
struct vb_written {
  uint64_t elements, first, last;
  bool index_too; ///< the element that was asked about is one of them
};
vb_result vb_case_written(enum vb_op_kind kind, const union vb_any_op *op, uint64_t index, struct vb_written *w);
/// Write a case: inputs of `op`, outputs as the reference computes them, or as `golden` has them (indexed by field
/// number; NULL entries: reference).
vb_result vb_case_save(const char *file, enum vb_op_kind kind, const union vb_any_op *op, void *const *golden,
                       const struct vb_case_origin *o);
/// Read a case; every size is checked against the scalars before use.
vb_result vb_case_load(const char *file, struct vb_case *c);
/// Run a loaded case on a device and compare with the expected outputs. `tamper` (or NULL) plants a fault first.
vb_result vb_case_replay(struct vb_case *c, struct vb_device *device,
                         void (*tamper)(void *, struct vb_task *, uint32_t), void *context, struct vb_run_stats *stats,
                         bool *differs, struct vb_difference *d);
void vb_case_free(struct vb_case *c);
#endif
