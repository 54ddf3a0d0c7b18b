// SPDX-License-Identifier: Apache-2.0
/// @file device.h
/// What the executor sees of a device: a name, which operators it implements, and a blocking `run`.
/// Three kinds: the reference, the CPU's fast operators, and anything behind the OpenCL API (host/ocl).
#ifndef VERBATIM_RUNTIME_DEVICE_H
#define VERBATIM_RUNTIME_DEVICE_H
#include "graph/graph.h"

/// What a device reports of the work done in one `run`. Zero where it has no such clock.
struct vb_run_stats {
  uint64_t launches;
  uint64_t device_ns; ///< by event profiling; simulated time on simulated devices
  uint64_t cycles, busy;
  uint64_t bytes_read, bytes_written;
};

struct vb_device {
  const char *id;          ///< "cpu", "ref", "pocl", "sim-base": how plans and reports call it
  const char *description; ///< one line for `verbatim devices`
  bool accelerator;        ///< behind OpenCL
  bool simulated;          ///< cycles are simulated hardware cycles
  bool (*supports)(struct vb_device *d, const struct vb_node *n);
  /// Compute one part: `op` has all pointers and ranges. Blocking; called from one thread at a time.
  vb_result (*run)(struct vb_device *d, enum vb_op_kind kind, const union vb_any_op *op, struct vb_run_stats *stats);
  void (*close)(struct vb_device *d);
  void *impl;
  int threads;
};

enum { VB_MAX_REFUSALS = 8 };
struct vb_device_list {
  struct vb_device **device;
  uint32_t count;
  char *refusal[VB_MAX_REFUSALS]; ///< why devices that are here were left out
  uint32_t refusals;
};

struct vb_device *vb_device_open_ref(void);
/// `threads` <= 0: one per processor.
struct vb_device *vb_device_open_cpu(int threads);
/// Append every OpenCL device that the ICD loader offers and that passes the probe; a refused one is reported through
/// `refused(context, text)` (may be NULL) and left out. `only` as below.
vb_result vb_devices_open_opencl(struct vb_device_list *list, const char *only, void (*refused)(void *, const char *),
                                 void *context);
/// cpu + OpenCL devices. `only` is a comma-separated list of ids to keep, an id not found is an error; or NULL for all but
/// the devices without hardware (`sim-NAME-fast`), which must be named; or VB_DEVICES_ALL.
#define VB_DEVICES_ALL "*"
vb_result vb_devices_open(int threads, const char *only, struct vb_device_list *list,
                          void (*refused)(void *, const char *), void *context);
void vb_devices_close(struct vb_device_list *list);
vb_result vb_device_list_add(struct vb_device_list *list, struct vb_device *d);
/// Index by id, or -1.
int vb_devices_find(const struct vb_device_list *list, const char *id);
#endif
