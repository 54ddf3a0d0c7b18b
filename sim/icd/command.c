// SPDX-License-Identifier: Apache-2.0
//
// A command from the call that enqueues it to the work it does.
#include "entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_CHUNK ((size_t)1 << 20)

static cl_int check_waits(cl_command_queue queue, cl_uint num_waits, const cl_event *waits) {
  if ((num_waits == 0) != (waits == NULL)) return CL_INVALID_EVENT_WAIT_LIST;
  for (cl_uint i = 0; i < num_waits; i++) {
    if (!vb_valid(waits[i], VB_EVENT)) return CL_INVALID_EVENT_WAIT_LIST;
    if (waits[i]->context != queue->context) return CL_INVALID_CONTEXT;
  }
  return CL_SUCCESS;
}

struct vb_command *vb_command_new(cl_command_queue queue, cl_command_type type, cl_uint num_waits,
                                  const cl_event *waits, uint32_t num_mems, cl_int *err) {
  *err = vb_valid(queue, VB_QUEUE) ? check_waits(queue, num_waits, waits) : CL_INVALID_COMMAND_QUEUE;
  if (*err != CL_SUCCESS) return NULL;
  *err = CL_OUT_OF_HOST_MEMORY;
  struct vb_command *command = calloc(1, sizeof *command);
  if (command == NULL) return NULL;
  command->queue = queue;
  command->waits = num_waits > 0 ? calloc(num_waits, sizeof *command->waits) : NULL;
  command->mems = num_mems > 0 ? calloc(num_mems, sizeof *command->mems) : NULL;
  command->event = vb_event_new(queue->context, queue, type);
  if ((num_waits > 0 && command->waits == NULL) || (num_mems > 0 && command->mems == NULL) || command->event == NULL) {
    vb_command_free(command);
    return NULL;
  }
  command->num_mems = num_mems;
  for (; command->num_waits < num_waits; command->num_waits++) {
    command->waits[command->num_waits] = waits[command->num_waits];
    vb_ref(&waits[command->num_waits]->object);
  }
  *err = CL_SUCCESS;
  return command;
}

void vb_command_mem(struct vb_command *command, uint32_t slot, cl_mem mem) {
  vb_ref(&mem->object);
  command->mems[slot] = mem;
}

void vb_command_free(struct vb_command *command) {
  for (cl_uint i = 0; i < command->num_waits; i++) vb_unref(&command->waits[i]->object);
  for (uint32_t i = 0; i < command->num_mems; i++)
    if (command->mems[i] != NULL) vb_unref(&command->mems[i]->object);
  if (command->event != NULL) vb_unref(&command->event->object);
  free(command->waits);
  free(command->mems);
  free(command->staging);
  free(command->regs);
  free(command->regions);
  free(command);
}

cl_int vb_command_submit(struct vb_command *command, bool blocking, cl_event *event_out) {
  cl_command_queue queue = command->queue;
  cl_event event = command->event;
  // The event was born with the application's handle; the worker gets a reference of its own.
  vb_ref(&event->object);
  event->queued_ps = vb_device_now(queue->context->device);
  pthread_mutex_lock(&queue->lock);
  bool closing = queue->closing;
  if (!closing) {
    event->epoch = queue->epoch;
    *queue->tail = command;
    queue->tail = &command->next;
    queue->enqueued++;
    pthread_cond_broadcast(&queue->changed);
  }
  pthread_mutex_unlock(&queue->lock);
  cl_int result = CL_SUCCESS;
  if (closing) {
    vb_command_free(command);
    result = CL_INVALID_COMMAND_QUEUE;
  } else if (blocking) {
    cl_int status = vb_event_wait(event);
    if (status < 0) {
      vb_event_observed(event);
      result = status == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST ? status : CL_OUT_OF_RESOURCES;
    }
  }
  if (event_out != NULL && result == CL_SUCCESS) *event_out = event;
  else vb_api_release(event, VB_EVENT, CL_INVALID_EVENT);
  return result;
}

// ---- work ---------------------------------------------------------------------------------------

uint64_t vb_shape_bytes(const struct vb_shape *shape) {
  return (uint64_t)shape->region[0] * shape->region[1] * shape->region[2];
}

static uint64_t row_offset(const struct vb_shape *s, int side, size_t y, size_t z) {
  return s->offset[side] + y * s->row[side] + z * s->slice[side];
}

static int copy_row(cl_device_id device, uint64_t from, uint64_t to, size_t bytes, void *chunk) {
  for (size_t done = 0; done < bytes;) {
    size_t n = bytes - done < COPY_CHUNK ? bytes - done : COPY_CHUNK;
    if (vb_device_read(device, from + done, chunk, n) != 0) return -1;
    if (vb_device_write(device, to + done, chunk, n) != 0) return -1;
    done += n;
  }
  return 0;
}

static int move_rows(struct vb_command *c) {
  cl_device_id device = c->queue->context->device;
  const struct vb_shape *s = &c->shape;
  size_t n = s->region[0];
  void *chunk = NULL;
  if (c->op == VB_OP_COPY) {
    chunk = malloc(n < COPY_CHUNK ? n : COPY_CHUNK);
    if (chunk == NULL) return -1;
  }
  int result = 0;
  for (size_t z = 0; z < s->region[2] && result == 0; z++) {
    for (size_t y = 0; y < s->region[1] && result == 0; y++) {
      uint64_t from = row_offset(s, 0, y, z), to = row_offset(s, 1, y, z);
      if (c->op == VB_OP_READ) result = vb_device_read(device, c->mems[0]->address + from, c->host + to, n);
      else if (c->op == VB_OP_WRITE) result = vb_device_write(device, c->mems[0]->address + to, c->host + from, n);
      else result = copy_row(device, c->mems[0]->address + from, c->mems[1]->address + to, n, chunk);
    }
  }
  free(chunk);
  return result;
}

static void report_failure(struct vb_command *command, const cl_verbatim_stats_VB *stats) {
  cl_context context = command->queue->context;
  const char *const what[] = {"ok", "unit error", "AXI error", "watchdog", "fatal", "stopped"};
  const char *status = stats->status < sizeof what / sizeof what[0] ? what[stats->status] : "failed";
  char text[512];
  snprintf(text, sizeof text, "%s: kernel %s: %s after %llu cycles, error register %u%s%s", context->device->name,
           context->device->config->kernels[command->job.kernel].name, status, (unsigned long long)stats->cycles,
           stats->error_code, stats->text[0] != '\0' ? ": " : "", stats->text);
  vb_context_report(context, text, stats, sizeof *stats);
}

static cl_int run_kernel(struct vb_command *command, uint64_t ready_ps) {
  cl_event event = command->event;
  cl_verbatim_stats_VB *stats = calloc(1, sizeof *stats);
  if (stats == NULL) return CL_OUT_OF_HOST_MEMORY;
  cl_device_id device = command->queue->context->device;
  cl_int status = vb_device_run(device, &command->job, ready_ps, &event->span, stats);
  if (status < 0) report_failure(command, stats);
  event->stats = stats; // read only after the event has ended
  return status;
}

// CL_COMPLETE or the negative status of the event. Sets the event's time span.
cl_int vb_command_execute(struct vb_command *command, uint64_t ready_ps) {
  cl_device_id device = command->queue->context->device;
  uint64_t bytes = vb_shape_bytes(&command->shape);
  int result = 0;
  switch (command->op) {
  case VB_OP_NONE: return CL_COMPLETE;
  case VB_OP_RUN: return run_kernel(command, ready_ps);
  case VB_OP_FILL:
    result = vb_device_fill(device, command->mems[0]->address + command->shape.offset[1], command->pattern,
                            command->pattern_size, command->shape.region[0]);
    break;
  case VB_OP_COPY:
    bytes *= 2; // out of the DRAM and back into it
    result = move_rows(command);
    break;
  case VB_OP_READ:
  case VB_OP_WRITE: result = move_rows(command); break;
  }
  command->event->span = vb_device_dma(device, ready_ps, bytes);
  return result == 0 ? CL_COMPLETE : CL_OUT_OF_RESOURCES;
}
