// SPDX-License-Identifier: Apache-2.0
//
// clEnqueue* calls that move bytes, and those that only order events.
#include "entries.h"

#include <string.h>

static cl_int check_mem(cl_command_queue queue, cl_mem mem, cl_mem_flags forbidden) {
  if (!vb_valid(queue, VB_QUEUE)) return CL_INVALID_COMMAND_QUEUE;
  if (!vb_valid(mem, VB_MEM)) return CL_INVALID_MEM_OBJECT;
  if (mem->context != queue->context) return CL_INVALID_CONTEXT;
  return (mem->flags & forbidden) != 0 ? CL_INVALID_OPERATION : CL_SUCCESS;
}

static bool in_range(cl_mem mem, size_t offset, size_t bytes) {
  return bytes > 0 && offset <= mem->bytes && bytes <= mem->bytes - offset;
}

static struct vb_shape linear(uint64_t from, uint64_t to, size_t bytes) {
  return (struct vb_shape){.region = {bytes, 1, 1}, .offset = {from, to}};
}

// ---- linear -------------------------------------------------------------------------------------

cl_int CL_API_CALL vb_clEnqueueReadBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset,
                                          size_t bytes, void *host, cl_uint num_waits, const cl_event *waits,
                                          cl_event *event) {
  cl_int err = check_mem(queue, mem, CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS);
  if (err != CL_SUCCESS) return err;
  if (host == NULL || !in_range(mem, offset, bytes)) return CL_INVALID_VALUE;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_READ_BUFFER, num_waits, waits, 1, &err);
  if (c == NULL) return err;
  c->op = VB_OP_READ;
  c->host = host;
  c->shape = linear(offset, 0, bytes);
  vb_command_mem(c, 0, mem);
  return vb_command_submit(c, blocking != CL_FALSE, event);
}

cl_int CL_API_CALL vb_clEnqueueWriteBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset,
                                           size_t bytes, const void *host, cl_uint num_waits, const cl_event *waits,
                                           cl_event *event) {
  cl_int err = check_mem(queue, mem, CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS);
  if (err != CL_SUCCESS) return err;
  if (host == NULL || !in_range(mem, offset, bytes)) return CL_INVALID_VALUE;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_WRITE_BUFFER, num_waits, waits, 1, &err);
  if (c == NULL) return err;
  c->op = VB_OP_WRITE;
  c->host = (unsigned char *)(uintptr_t)host; // a WRITE only reads it
  c->shape = linear(0, offset, bytes);
  vb_command_mem(c, 0, mem);
  return vb_command_submit(c, blocking != CL_FALSE, event);
}

cl_int CL_API_CALL vb_clEnqueueCopyBuffer(cl_command_queue queue, cl_mem src, cl_mem dst, size_t src_offset,
                                          size_t dst_offset, size_t bytes, cl_uint num_waits, const cl_event *waits,
                                          cl_event *event) {
  cl_int err = check_mem(queue, src, 0);
  if (err == CL_SUCCESS) err = check_mem(queue, dst, 0);
  if (err != CL_SUCCESS) return err;
  if (!in_range(src, src_offset, bytes) || !in_range(dst, dst_offset, bytes)) return CL_INVALID_VALUE;
  // Device addresses, so that two sub-buffers of one buffer are seen to overlap.
  uint64_t from = src->address + src_offset, to = dst->address + dst_offset;
  if (from < to + bytes && to < from + bytes) return CL_MEM_COPY_OVERLAP;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_COPY_BUFFER, num_waits, waits, 2, &err);
  if (c == NULL) return err;
  c->op = VB_OP_COPY;
  c->shape = linear(src_offset, dst_offset, bytes);
  vb_command_mem(c, 0, src);
  vb_command_mem(c, 1, dst);
  return vb_command_submit(c, false, event);
}

cl_int CL_API_CALL vb_clEnqueueFillBuffer(cl_command_queue queue, cl_mem mem, const void *pattern, size_t pattern_size,
                                          size_t offset, size_t bytes, cl_uint num_waits, const cl_event *waits,
                                          cl_event *event) {
  cl_int err = check_mem(queue, mem, 0);
  if (err != CL_SUCCESS) return err;
  if (pattern == NULL || pattern_size == 0 || pattern_size > VB_MAX_PATTERN ||
      (pattern_size & (pattern_size - 1)) != 0 || offset % pattern_size != 0 || bytes % pattern_size != 0 ||
      !in_range(mem, offset, bytes))
    return CL_INVALID_VALUE;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_FILL_BUFFER, num_waits, waits, 1, &err);
  if (c == NULL) return err;
  c->op = VB_OP_FILL;
  c->shape = linear(0, offset, bytes);
  memcpy(c->pattern, pattern, pattern_size);
  c->pattern_size = pattern_size;
  vb_command_mem(c, 0, mem);
  return vb_command_submit(c, false, event);
}

// ---- rectangles ---------------------------------------------------------------------------------

// a * b, refused from 2^60 on: three such terms cannot wrap when they are added.
static bool product(uint64_t a, uint64_t b, uint64_t *out) {
  return !__builtin_mul_overflow(a, b, out) && *out >> 60 == 0;
}

// Fills in one side of the shape (pitches of 0 have OpenCL's defaults); its end in *end.
static bool rect_side(struct vb_shape *s, int side, const size_t origin[3], size_t row_pitch, size_t slice_pitch,
                      uint64_t *end) {
  uint64_t row = row_pitch != 0 ? row_pitch : s->region[0];
  uint64_t least = 0, z = 0, y = 0, depth = 0, height = 0;
  if (row < s->region[0] || !product(s->region[1], row, &least)) return false;
  uint64_t slice = slice_pitch != 0 ? slice_pitch : least;
  if (slice < least || slice % row != 0) return false;
  if (origin[0] >> 60 != 0 || !product(origin[2], slice, &z) || !product(origin[1], row, &y) ||
      !product(s->region[2] - 1, slice, &depth) || !product(s->region[1] - 1, row, &height))
    return false;
  s->row[side] = row;
  s->slice[side] = slice;
  s->offset[side] = z + y + origin[0];
  *end = s->offset[side] + depth + height + s->region[0];
  return true;
}

static bool rect_region(struct vb_shape *s, const size_t *region, const size_t *a, const size_t *b) {
  if (region == NULL || a == NULL || b == NULL) return false;
  memcpy(s->region, region, sizeof s->region);
  return region[0] != 0 && region[0] >> 60 == 0 && region[1] != 0 && region[2] != 0;
}

cl_int CL_API_CALL vb_clEnqueueReadBufferRect(cl_command_queue queue, cl_mem mem, cl_bool blocking,
                                              const size_t *buffer_origin, const size_t *host_origin,
                                              const size_t *region, size_t buffer_row, size_t buffer_slice,
                                              size_t host_row, size_t host_slice, void *host, cl_uint num_waits,
                                              const cl_event *waits, cl_event *event) {
  cl_int err = check_mem(queue, mem, CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_NO_ACCESS);
  if (err != CL_SUCCESS) return err;
  struct vb_shape s = {{0}, {0}, {0}, {0}};
  uint64_t end = 0, host_end = 0;
  if (host == NULL || !rect_region(&s, region, buffer_origin, host_origin) ||
      !rect_side(&s, 0, buffer_origin, buffer_row, buffer_slice, &end) || end > mem->bytes ||
      !rect_side(&s, 1, host_origin, host_row, host_slice, &host_end))
    return CL_INVALID_VALUE;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_READ_BUFFER_RECT, num_waits, waits, 1, &err);
  if (c == NULL) return err;
  c->op = VB_OP_READ;
  c->host = host;
  c->shape = s;
  vb_command_mem(c, 0, mem);
  return vb_command_submit(c, blocking != CL_FALSE, event);
}

cl_int CL_API_CALL vb_clEnqueueWriteBufferRect(cl_command_queue queue, cl_mem mem, cl_bool blocking,
                                               const size_t *buffer_origin, const size_t *host_origin,
                                               const size_t *region, size_t buffer_row, size_t buffer_slice,
                                               size_t host_row, size_t host_slice, const void *host, cl_uint num_waits,
                                               const cl_event *waits, cl_event *event) {
  cl_int err = check_mem(queue, mem, CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS);
  if (err != CL_SUCCESS) return err;
  struct vb_shape s = {{0}, {0}, {0}, {0}};
  uint64_t end = 0, host_end = 0;
  if (host == NULL || !rect_region(&s, region, buffer_origin, host_origin) ||
      !rect_side(&s, 0, host_origin, host_row, host_slice, &host_end) ||
      !rect_side(&s, 1, buffer_origin, buffer_row, buffer_slice, &end) || end > mem->bytes)
    return CL_INVALID_VALUE;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_WRITE_BUFFER_RECT, num_waits, waits, 1, &err);
  if (c == NULL) return err;
  c->op = VB_OP_WRITE;
  c->host = (unsigned char *)(uintptr_t)host;
  c->shape = s;
  vb_command_mem(c, 0, mem);
  return vb_command_submit(c, blocking != CL_FALSE, event);
}

cl_int CL_API_CALL vb_clEnqueueCopyBufferRect(cl_command_queue queue, cl_mem src, cl_mem dst, const size_t *src_origin,
                                              const size_t *dst_origin, const size_t *region, size_t src_row,
                                              size_t src_slice, size_t dst_row, size_t dst_slice, cl_uint num_waits,
                                              const cl_event *waits, cl_event *event) {
  cl_int err = check_mem(queue, src, 0);
  if (err == CL_SUCCESS) err = check_mem(queue, dst, 0);
  if (err != CL_SUCCESS) return err;
  struct vb_shape s = {{0}, {0}, {0}, {0}};
  uint64_t src_end = 0, dst_end = 0;
  if (!rect_region(&s, region, src_origin, dst_origin) || !rect_side(&s, 0, src_origin, src_row, src_slice, &src_end) ||
      src_end > src->bytes || !rect_side(&s, 1, dst_origin, dst_row, dst_slice, &dst_end) || dst_end > dst->bytes)
    return CL_INVALID_VALUE;
  // Interleaved rectangles may share a range without sharing a byte; refusing them is safe, and
  // OpenCL's own overlap test is only stated for equal pitches.
  if (src->address + s.offset[0] < dst->address + dst_end && dst->address + s.offset[1] < src->address + src_end)
    return CL_MEM_COPY_OVERLAP;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_COPY_BUFFER_RECT, num_waits, waits, 2, &err);
  if (c == NULL) return err;
  c->op = VB_OP_COPY;
  c->shape = s;
  vb_command_mem(c, 0, src);
  vb_command_mem(c, 1, dst);
  return vb_command_submit(c, false, event);
}

// ---- order only ---------------------------------------------------------------------------------

static cl_int order(cl_command_queue queue, cl_command_type type, cl_uint num_waits, const cl_event *waits,
                    cl_event *event) {
  cl_int err = CL_SUCCESS;
  struct vb_command *c = vb_command_new(queue, type, num_waits, waits, 0, &err);
  return c != NULL ? vb_command_submit(c, false, event) : err;
}

cl_int CL_API_CALL vb_clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint num_waits, const cl_event *waits,
                                                  cl_event *event) {
  return order(queue, CL_COMMAND_MARKER, num_waits, waits, event);
}

cl_int CL_API_CALL vb_clEnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint num_waits, const cl_event *waits,
                                                   cl_event *event) {
  return order(queue, CL_COMMAND_BARRIER, num_waits, waits, event);
}

cl_int CL_API_CALL vb_clEnqueueMarker(cl_command_queue queue, cl_event *event) {
  return event != NULL ? order(queue, CL_COMMAND_MARKER, 0, NULL, event) : CL_INVALID_VALUE;
}

cl_int CL_API_CALL vb_clEnqueueBarrier(cl_command_queue queue) {
  return order(queue, CL_COMMAND_BARRIER, 0, NULL, NULL);
}

cl_int CL_API_CALL vb_clEnqueueWaitForEvents(cl_command_queue queue, cl_uint count, const cl_event *events) {
  if (count == 0 || events == NULL) return CL_INVALID_VALUE;
  cl_int err = order(queue, CL_COMMAND_BARRIER, count, events, NULL);
  return err == CL_INVALID_EVENT_WAIT_LIST ? CL_INVALID_EVENT : err;
}

// A buffer has one place, the device's memory: nothing moves.
cl_int CL_API_CALL vb_clEnqueueMigrateMemObjects(cl_command_queue queue, cl_uint count, const cl_mem *mems,
                                                 cl_mem_migration_flags flags, cl_uint num_waits, const cl_event *waits,
                                                 cl_event *event) {
  const cl_mem_migration_flags known = CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
  if (count == 0 || mems == NULL || (flags & ~known) != 0) return CL_INVALID_VALUE;
  cl_int err = CL_SUCCESS;
  for (cl_uint i = 0; i < count && err == CL_SUCCESS; i++) err = check_mem(queue, mems[i], 0);
  if (err != CL_SUCCESS) return err;
  return order(queue, CL_COMMAND_MIGRATE_MEM_OBJECTS, num_waits, waits, event);
}
