// SPDX-License-Identifier: Apache-2.0
/// One operator call on one device: everything is enqueued in order, one wait at the end.
#include "ocl/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool vb_ocl_begin_untrusted(struct vb_ocl *d) {
  pthread_mutex_lock(&d->call_lock);
  d->status = VB_OK;
  d->failure[0] = 0;
  d->stats = (struct vb_ocl_stats){0};
  pthread_mutex_lock(&d->text_lock);
  d->driver_text[0] = 0;
  pthread_mutex_unlock(&d->text_lock);
  return true;
}

bool vb_ocl_begin(struct vb_ocl *d) {
  vb_result r = vb_ocl_probe(d);
  vb_ocl_begin_untrusted(d);
  if (r != VB_OK) {
    d->status = r;
    snprintf(d->failure, sizeof d->failure, "%s", d->refusal);
  } else if (!d->queue) { // lost in an earlier failure: try again, the device may have come back
    cl_int e;
    d->queue = clCreateCommandQueue(d->context, d->id, CL_QUEUE_PROFILING_ENABLE, &e);
    vb_ocl_check(d, e, "clCreateCommandQueue");
  }
  return d->status == VB_OK;
}

/// Group size. CPUs run whole items one after the other, so 1 costs nothing and lets any count of items through; others
/// want many items in a group, and the largest power of two that divides the grid needs no guard.
static size_t group_size(const struct vb_ocl *d, struct vb_grid grid) {
  if (grid.elements) return 64;
  if (d->type & CL_DEVICE_TYPE_CPU) return 1;
  size_t n = 32;
  while (grid.x % n) n /= 2;
  return n;
}

void vb_ocl_run_args(struct vb_ocl *d, const char *name, struct vb_grid grid, const struct vb_arg *args, cl_uint n) {
  if (d->status != VB_OK || !grid.x || !grid.y) return;
  cl_kernel kernel = vb_ocl_kernel(d, name);
  if (!kernel) return;
  for (cl_uint i = 0; i < n; i++) {
    const void *value = &args[i].value;
    if (!vb_ocl_check(d, clSetKernelArg(kernel, i, args[i].bytes, value), name)) return;
  }
  if (d->launches == d->launch_room) {
    size_t room = d->launch_room ? 2 * d->launch_room : 64;
    struct vb_launch *grown = realloc(d->launch, room * sizeof *grown);
    if (!grown) {
      vb_ocl_fault(d, VB_DEVICE, "out of host memory");
      return;
    }
    d->launch = grown, d->launch_room = room;
  }
  size_t local[2] = {group_size(d, grid), 1}, global[2] = {(grid.x + local[0] - 1) / local[0] * local[0], grid.y};
  cl_event event = NULL;
  cl_uint dims = 2;
  if (!d->info.compiler) dims = 1, global[0] = local[0] = 1; // a unit is one work item
  cl_int e = clEnqueueNDRangeKernel(d->queue, kernel, dims, NULL, global, local, 0, NULL, &event);
  if (!vb_ocl_check(d, e, name)) return;
  d->launch[d->launches++] = (struct vb_launch){event, name};
}

static void collect(struct vb_ocl *d, const struct vb_launch *l) {
  cl_int state = CL_COMPLETE;
  char text[CL_VERBATIM_TEXT_BYTES] = "";
  cl_verbatim_stats_VB s;
  if (d->event_stats && d->event_stats(l->event, sizeof s, &s) == CL_SUCCESS) {
    d->stats.counters = true;
    d->stats.cycles += s.cycles;
    d->stats.busy += s.busy;
    for (int i = 0; i < 8; i++) d->stats.stalls[i] += s.stalls[i];
    d->stats.bytes_read += s.bytes_read;
    d->stats.bytes_written += s.bytes_written;
    memcpy(text, s.text, sizeof text);
    text[sizeof text - 1] = 0;
  }
  cl_int e = clGetEventInfo(l->event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
  if (e != CL_SUCCESS) vb_ocl_check(d, e, l->kernel);
  else if (state < 0)
    vb_ocl_fault(d, VB_DEVICE, "kernel %s ended with %s (%d)%s%s", l->kernel, vb_cl_error(state), state,
                 text[0]             ? ": "
                 : d->driver_text[0] ? ": "
                                     : "",
                 text[0] ? text : d->driver_text);
  else if (state != CL_COMPLETE) vb_ocl_fault(d, VB_DEVICE, "kernel %s did not finish", l->kernel);
  cl_ulong start = 0, end = 0;
  if (state == CL_COMPLETE &&
      clGetEventProfilingInfo(l->event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL) == CL_SUCCESS &&
      clGetEventProfilingInfo(l->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) == CL_SUCCESS && end >= start)
    d->stats.kernel_ns += end - start;
  d->stats.launches++;
}

/// A failed command may leave the queue unusable and copies half made: start from a fresh queue and copy again.
static void recover(struct vb_ocl *d) {
  vb_ocl_distrust_mirrors(d);
  if (d->queue) clReleaseCommandQueue(d->queue);
  cl_int e;
  d->queue = clCreateCommandQueue(d->context, d->id, CL_QUEUE_PROFILING_ENABLE, &e);
  if (e != CL_SUCCESS) d->queue = NULL;
}

bool vb_ocl_wait(struct vb_ocl *d) {
  cl_int e = d->queue ? clFinish(d->queue) : CL_SUCCESS;
  for (size_t i = 0; i < d->launches; i++) {
    collect(d, &d->launch[i]); // first: a kernel's own failure says more than the queue's
    clReleaseEvent(d->launch[i].event);
  }
  d->launches = 0;
  return vb_ocl_check(d, e, "clFinish");
}

vb_result vb_ocl_end(struct vb_ocl *d) {
  vb_ocl_wait(d); // also after a failure: commands in flight still use the caller's arrays and the staging memory
  if (d->status == VB_OK)
    for (size_t i = 0; i < d->scatters; i++) {
      const struct vb_scatter *s = &d->scatter[i];
      for (size_t r = 0; r < s->rows; r++) memcpy(s->to + r * s->to_stride, s->from + r * s->row_bytes, s->row_bytes);
    }
  d->scatters = 0;
  for (size_t i = 0; i < d->stages; i++) free(d->stage[i]);
  d->stages = 0;
  vb_result r = d->status;
  if (r != VB_OK) {
    if (r == VB_DEVICE && d->context && d->verdict != VB_REFUSED) recover(d);
    vb_fail(r, "%s", d->failure);
  }
  pthread_mutex_unlock(&d->call_lock);
  return r;
}
