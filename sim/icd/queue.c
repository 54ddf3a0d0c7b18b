// SPDX-License-Identifier: Apache-2.0
//
// In-order queues. Each has a worker thread that takes one command after the other, waits for the
// events it depends on, runs it, and ends its event.
//
// Failures and order. OpenCL leaves open what happens behind a failed command. Here nothing that
// was enqueued behind it in the same queue runs: it would work on data that was never made. Every
// such command ends with CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST. The queue works again for
// what is enqueued after the application has *seen* the failure (clWaitForEvents, a blocking call,
// clFinish, the event's status or callback). To make that independent of thread timing, commands
// carry the queue's epoch: a failure spoils its epoch, and seeing it begins the next.
#include "entries.h"

#include <stdlib.h>

static void run_command(cl_command_queue queue, struct vb_command *command) {
  cl_event event = command->event;
  vb_event_advance(event, CL_SUBMITTED);
  uint64_t ready = event->queued_ps > queue->last_end_ps ? event->queued_ps : queue->last_end_ps;
  cl_int status = CL_COMPLETE;
  for (cl_uint i = 0; i < command->num_waits; i++) {
    cl_event wait = command->waits[i];
    if (vb_event_wait(wait) < 0) status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    if (wait->span.end_ps > ready) ready = wait->span.end_ps;
  }
  pthread_mutex_lock(&queue->lock);
  if (event->epoch <= queue->failed_epoch) status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
  pthread_mutex_unlock(&queue->lock);
  event->span = (struct vb_span){ready, ready, ready};
  if (status == CL_COMPLETE) {
    vb_event_advance(event, CL_RUNNING);
    status = vb_command_execute(command, ready);
  }
  queue->last_end_ps = event->span.end_ps;
  if (status < 0) {
    pthread_mutex_lock(&queue->lock);
    if (event->epoch > queue->failed_epoch) queue->failed_epoch = event->epoch;
    pthread_mutex_unlock(&queue->lock);
  }
  // Let go of buffers before anybody can learn that the command has ended: a program that waits,
  // releases and allocates again then gets the same device addresses in every run.
  command->event = NULL;
  vb_command_free(command);
  vb_event_advance(event, status);
}

static void *work(void *user) {
  cl_command_queue queue = user;
  pthread_mutex_lock(&queue->lock);
  for (;;) {
    while (queue->head == NULL && !queue->closing) pthread_cond_wait(&queue->changed, &queue->lock);
    struct vb_command *command = queue->head;
    if (command == NULL) break;
    queue->head = command->next;
    if (queue->head == NULL) queue->tail = &queue->head;
    cl_event event = command->event;
    queue->current = event;
    pthread_mutex_unlock(&queue->lock);
    run_command(queue, command);
    pthread_mutex_lock(&queue->lock);
    queue->current = NULL;
    queue->done++;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    vb_unref(&event->object);
    pthread_mutex_lock(&queue->lock);
  }
  pthread_mutex_unlock(&queue->lock);
  vb_unref(&queue->object);
  return NULL;
}

static void destroy(struct vb_object *object) {
  cl_command_queue queue = (cl_command_queue)object;
  pthread_cond_destroy(&queue->changed);
  pthread_mutex_destroy(&queue->lock);
  vb_unref(&queue->context->object);
  free(queue);
}

// The application's last handle is gone. The worker finishes what is queued and ends. When there is
// nothing left to do we wait for that, so that everything the queue held is freed on return;
// otherwise it must be left to end on its own. Inside one of the worker's callbacks the queue does not
// count as idle, so the worker never waits for itself.
static void closed(struct vb_object *object) {
  cl_command_queue queue = (cl_command_queue)object;
  pthread_t worker = queue->worker;
  pthread_mutex_lock(&queue->lock);
  bool idle = queue->head == NULL && (queue->current == NULL || vb_event_settled(queue->current));
  queue->closing = true;
  pthread_cond_broadcast(&queue->changed);
  pthread_mutex_unlock(&queue->lock);
  if (idle) pthread_join(worker, NULL);
  else pthread_detach(worker);
}

static cl_command_queue create(cl_context context, cl_device_id device, cl_command_queue_properties properties,
                               cl_int *errcode_ret) {
  const cl_command_queue_properties known = CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
  cl_int error = CL_SUCCESS;
  if (!vb_valid(context, VB_CONTEXT)) error = CL_INVALID_CONTEXT;
  else if (!vb_is_device(device) || device != context->device) error = CL_INVALID_DEVICE;
  else if ((properties & ~known) != 0) error = CL_INVALID_VALUE;
  else if ((properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0) error = CL_INVALID_QUEUE_PROPERTIES;
  cl_command_queue queue = error == CL_SUCCESS ? calloc(1, sizeof *queue) : NULL;
  if (error == CL_SUCCESS && queue == NULL) error = CL_OUT_OF_HOST_MEMORY;
  vb_set_error(errcode_ret, error);
  if (queue == NULL) return NULL;
  queue->context = context;
  queue->properties = properties;
  queue->tail = &queue->head;
  queue->epoch = 1;
  pthread_mutex_init(&queue->lock, NULL);
  pthread_cond_init(&queue->changed, NULL);
  vb_ref(&context->object);
  vb_object_init(&queue->object, VB_QUEUE, destroy);
  queue->object.closed = closed;
  vb_ref(&queue->object); // the worker's
  if (pthread_create(&queue->worker, NULL, work, queue) != 0) {
    vb_unref(&queue->object);
    vb_unref(&queue->object);
    vb_set_error(errcode_ret, CL_OUT_OF_RESOURCES);
    return NULL;
  }
  return queue;
}

cl_command_queue CL_API_CALL vb_clCreateCommandQueue(cl_context context, cl_device_id device,
                                                     cl_command_queue_properties properties, cl_int *errcode_ret) {
  return create(context, device, properties, errcode_ret);
}

// OpenCL 2.0's way to make the same queue; loaders of that version offer it on every platform.
cl_command_queue CL_API_CALL vb_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                                   const cl_queue_properties *properties,
                                                                   cl_int *errcode_ret) {
  cl_command_queue_properties flags = 0;
  for (size_t i = 0; properties != NULL && properties[i] != 0; i += 2) {
    if (properties[i] != CL_QUEUE_PROPERTIES) {
      vb_set_error(errcode_ret, CL_INVALID_VALUE);
      return NULL;
    }
    flags = properties[i + 1];
  }
  return create(context, device, flags, errcode_ret);
}

cl_int CL_API_CALL vb_clSetCommandQueueProperty(cl_command_queue queue, cl_command_queue_properties properties,
                                                cl_bool enable, cl_command_queue_properties *old) {
  (void)properties;
  (void)enable;
  (void)old;
  return vb_valid(queue, VB_QUEUE) ? CL_INVALID_OPERATION : CL_INVALID_COMMAND_QUEUE;
}

cl_int CL_API_CALL vb_clRetainCommandQueue(cl_command_queue queue) {
  return vb_api_retain(queue, VB_QUEUE, CL_INVALID_COMMAND_QUEUE);
}

cl_int CL_API_CALL vb_clReleaseCommandQueue(cl_command_queue queue) {
  return vb_api_release(queue, VB_QUEUE, CL_INVALID_COMMAND_QUEUE);
}

cl_int CL_API_CALL vb_clGetCommandQueueInfo(cl_command_queue queue, cl_command_queue_info name, size_t size,
                                            void *value, size_t *size_ret) {
  if (!vb_valid(queue, VB_QUEUE)) return CL_INVALID_COMMAND_QUEUE;
  cl_uint refs = 0;
  switch (name) {
  case CL_QUEUE_CONTEXT: return vb_info(size, value, size_ret, &queue->context, sizeof queue->context);
  case CL_QUEUE_DEVICE: return vb_info(size, value, size_ret, &queue->context->device, sizeof(cl_device_id));
  case CL_QUEUE_REFERENCE_COUNT:
    refs = vb_api_refs(&queue->object);
    return vb_info(size, value, size_ret, &refs, sizeof refs);
  case CL_QUEUE_PROPERTIES: return vb_info(size, value, size_ret, &queue->properties, sizeof queue->properties);
  default: return CL_INVALID_VALUE;
  }
}

// The worker sees every command at once, so there is never anything to flush.
cl_int CL_API_CALL vb_clFlush(cl_command_queue queue) {
  return vb_valid(queue, VB_QUEUE) ? CL_SUCCESS : CL_INVALID_COMMAND_QUEUE;
}

cl_int CL_API_CALL vb_clFinish(cl_command_queue queue) {
  if (!vb_valid(queue, VB_QUEUE)) return CL_INVALID_COMMAND_QUEUE;
  pthread_mutex_lock(&queue->lock);
  uint64_t target = queue->enqueued;
  while (queue->done < target) pthread_cond_wait(&queue->changed, &queue->lock);
  bool failed = queue->failed_epoch == queue->epoch;
  if (failed) queue->epoch++;
  pthread_mutex_unlock(&queue->lock);
  return failed ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}
