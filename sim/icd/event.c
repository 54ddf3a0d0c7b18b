// SPDX-License-Identifier: Apache-2.0
#include "entries.h"

#include <stdlib.h>
#include <string.h>

static void destroy(struct vb_object *object) {
  cl_event event = (cl_event)object;
  struct vb_callback *c = event->callbacks; // left only when a user event was never set
  while (c != NULL) {
    struct vb_callback *next = c->next;
    free(c);
    c = next;
  }
  cl_command_queue queue = event->queue;
  cl_context context = event->context;
  pthread_cond_destroy(&event->changed);
  pthread_mutex_destroy(&event->lock);
  free(event->stats);
  free(event);
  if (queue != NULL) vb_unref(&queue->object);
  vb_unref(&context->object);
}

cl_event vb_event_new(cl_context context, cl_command_queue queue, cl_command_type type) {
  cl_event event = calloc(1, sizeof *event);
  if (event == NULL) return NULL;
  event->context = context;
  event->queue = queue;
  event->type = type;
  event->status = queue != NULL ? CL_QUEUED : CL_SUBMITTED;
  pthread_mutex_init(&event->lock, NULL);
  pthread_cond_init(&event->changed, NULL);
  vb_ref(&context->object);
  if (queue != NULL) vb_ref(&queue->object);
  vb_object_init(&event->object, VB_EVENT, destroy);
  return event;
}

// Takes out the callbacks that are due at `status`, oldest first.
static struct vb_callback *take_due(cl_event event, cl_int status) {
  struct vb_callback *due = NULL, **tail = &due, **link = &event->callbacks;
  while (*link != NULL) {
    struct vb_callback *c = *link;
    if (status <= c->type) {
      *link = c->next;
      c->next = NULL;
      *tail = c;
      tail = &c->next;
    } else {
      link = &c->next;
    }
  }
  return due;
}

void vb_event_advance(cl_event event, cl_int status) {
  pthread_mutex_lock(&event->lock);
  event->status = status;
  struct vb_callback *due = take_due(event, status);
  event->in_callbacks = due != NULL;
  pthread_cond_broadcast(&event->changed);
  pthread_mutex_unlock(&event->lock);
  if (due == NULL) return;
  if (status < 0) vb_event_observed(event);
  while (due != NULL) {
    struct vb_callback *c = due;
    due = c->next;
    c->call(event, status < 0 ? status : c->type, c->user);
    free(c);
  }
  pthread_mutex_lock(&event->lock);
  event->in_callbacks = false;
  pthread_mutex_unlock(&event->lock);
}

cl_int vb_event_wait(cl_event event) {
  pthread_mutex_lock(&event->lock);
  while (event->status > CL_COMPLETE) pthread_cond_wait(&event->changed, &event->lock);
  cl_int status = event->status;
  pthread_mutex_unlock(&event->lock);
  return status;
}

bool vb_event_settled(cl_event event) {
  pthread_mutex_lock(&event->lock);
  bool settled = event->status <= CL_COMPLETE && !event->in_callbacks;
  pthread_mutex_unlock(&event->lock);
  return settled;
}

static cl_int status_now(cl_event event) {
  pthread_mutex_lock(&event->lock);
  cl_int status = event->status;
  pthread_mutex_unlock(&event->lock);
  return status;
}

void vb_event_observed(cl_event event) {
  cl_command_queue queue = event->queue;
  if (queue == NULL) return;
  pthread_mutex_lock(&queue->lock);
  if (event->epoch == queue->epoch && queue->failed_epoch == queue->epoch) queue->epoch++;
  pthread_mutex_unlock(&queue->lock);
}

// ---- entry points -------------------------------------------------------------------------------

cl_int CL_API_CALL vb_clWaitForEvents(cl_uint count, const cl_event *events) {
  if (count == 0 || events == NULL) return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < count; i++) {
    if (!vb_valid(events[i], VB_EVENT)) return CL_INVALID_EVENT;
    if (events[i]->context != events[0]->context) return CL_INVALID_CONTEXT;
  }
  cl_int result = CL_SUCCESS;
  for (cl_uint i = 0; i < count; i++) {
    if (vb_event_wait(events[i]) >= 0) continue;
    vb_event_observed(events[i]);
    result = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
  }
  return result;
}

cl_int CL_API_CALL vb_clGetEventInfo(cl_event event, cl_event_info name, size_t size, void *value, size_t *size_ret) {
  if (!vb_valid(event, VB_EVENT)) return CL_INVALID_EVENT;
  cl_uint number = 0;
  cl_int status = 0;
  switch (name) {
  case CL_EVENT_COMMAND_QUEUE: return vb_info(size, value, size_ret, &event->queue, sizeof event->queue);
  case CL_EVENT_CONTEXT: return vb_info(size, value, size_ret, &event->context, sizeof event->context);
  case CL_EVENT_COMMAND_TYPE: number = event->type; break;
  case CL_EVENT_REFERENCE_COUNT: number = vb_api_refs(&event->object); break;
  case CL_EVENT_COMMAND_EXECUTION_STATUS:
    status = status_now(event);
    if (status < 0 && value != NULL) vb_event_observed(event);
    return vb_info(size, value, size_ret, &status, sizeof status);
  default: return CL_INVALID_VALUE;
  }
  return vb_info(size, value, size_ret, &number, sizeof number);
}

cl_int CL_API_CALL vb_clRetainEvent(cl_event event) { return vb_api_retain(event, VB_EVENT, CL_INVALID_EVENT); }

cl_int CL_API_CALL vb_clReleaseEvent(cl_event event) { return vb_api_release(event, VB_EVENT, CL_INVALID_EVENT); }

cl_int CL_API_CALL vb_clGetEventProfilingInfo(cl_event event, cl_profiling_info name, size_t size, void *value,
                                              size_t *size_ret) {
  if (!vb_valid(event, VB_EVENT)) return CL_INVALID_EVENT;
  if (event->queue == NULL || (event->queue->properties & CL_QUEUE_PROFILING_ENABLE) == 0 ||
      status_now(event) != CL_COMPLETE)
    return CL_PROFILING_INFO_NOT_AVAILABLE;
  cl_ulong ps = 0;
  switch (name) {
  case CL_PROFILING_COMMAND_QUEUED: ps = event->queued_ps; break;
  case CL_PROFILING_COMMAND_SUBMIT: ps = event->span.submit_ps; break;
  case CL_PROFILING_COMMAND_START: ps = event->span.start_ps; break;
  case CL_PROFILING_COMMAND_END: ps = event->span.end_ps; break;
  default: return CL_INVALID_VALUE;
  }
  cl_ulong ns = ps / 1000u;
  return vb_info(size, value, size_ret, &ns, sizeof ns);
}

cl_int CL_API_CALL vb_clSetEventCallback(cl_event event, cl_int type, void(CL_CALLBACK *call)(cl_event, cl_int, void *),
                                         void *user) {
  if (!vb_valid(event, VB_EVENT)) return CL_INVALID_EVENT;
  if (call == NULL || (type != CL_SUBMITTED && type != CL_RUNNING && type != CL_COMPLETE)) return CL_INVALID_VALUE;
  struct vb_callback *c = calloc(1, sizeof *c);
  if (c == NULL) return CL_OUT_OF_HOST_MEMORY;
  c->type = type;
  c->call = call;
  c->user = user;
  pthread_mutex_lock(&event->lock);
  cl_int status = event->status;
  bool due = status <= type;
  if (!due) {
    struct vb_callback **tail = &event->callbacks;
    while (*tail != NULL) tail = &(*tail)->next;
    *tail = c;
  }
  pthread_mutex_unlock(&event->lock);
  if (due) {
    free(c);
    if (status < 0) vb_event_observed(event);
    call(event, status < 0 ? status : type, user);
  }
  return CL_SUCCESS;
}

cl_event CL_API_CALL vb_clCreateUserEvent(cl_context context, cl_int *errcode_ret) {
  if (!vb_valid(context, VB_CONTEXT)) {
    vb_set_error(errcode_ret, CL_INVALID_CONTEXT);
    return NULL;
  }
  cl_event event = vb_event_new(context, NULL, CL_COMMAND_USER);
  vb_set_error(errcode_ret, event != NULL ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY);
  return event;
}

cl_int CL_API_CALL vb_clSetUserEventStatus(cl_event event, cl_int status) {
  if (!vb_valid(event, VB_EVENT) || event->type != CL_COMMAND_USER) return CL_INVALID_EVENT;
  if (status > CL_COMPLETE) return CL_INVALID_VALUE;
  uint64_t now = vb_device_now(event->context->device);
  pthread_mutex_lock(&event->lock);
  bool set = event->span.end_ps != 0; // the clock is never 0
  if (!set) event->span.end_ps = now;
  pthread_mutex_unlock(&event->lock);
  if (set) return CL_INVALID_OPERATION;
  vb_ref(&event->object); // a callback may release the last handle
  vb_event_advance(event, status);
  vb_unref(&event->object);
  return CL_SUCCESS;
}

// ---- extension ----------------------------------------------------------------------------------

static cl_int CL_API_CALL get_event_stats(cl_event event, size_t stats_size, cl_verbatim_stats_VB *stats) {
  if (!vb_valid(event, VB_EVENT)) return CL_INVALID_EVENT;
  if (stats == NULL || stats_size != sizeof *stats) return CL_INVALID_VALUE;
  if (event->type != CL_COMMAND_NDRANGE_KERNEL && event->type != CL_COMMAND_TASK) return CL_INVALID_EVENT;
  if (status_now(event) > CL_COMPLETE || event->stats == NULL) return CL_PROFILING_INFO_NOT_AVAILABLE;
  *stats = *event->stats;
  return CL_SUCCESS;
}

void *vb_extension_address(const char *name) {
  if (strcmp(name, "clGetEventVerbatimStatsVB") == 0) return (void *)get_event_stats;
  if (strcmp(name, "clIcdGetPlatformIDsKHR") == 0) return (void *)vb_clGetPlatformIDs;
  return NULL;
}
