// SPDX-License-Identifier: Apache-2.0
#include "ocl/internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *vb_cl_error(cl_int e) {
#define NAME(x) \
  case x: return #x
  switch (e) {
    NAME(CL_SUCCESS);
    NAME(CL_DEVICE_NOT_FOUND);
    NAME(CL_DEVICE_NOT_AVAILABLE);
    NAME(CL_COMPILER_NOT_AVAILABLE);
    NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE);
    NAME(CL_OUT_OF_RESOURCES);
    NAME(CL_OUT_OF_HOST_MEMORY);
    NAME(CL_PROFILING_INFO_NOT_AVAILABLE);
    NAME(CL_MEM_COPY_OVERLAP);
    NAME(CL_BUILD_PROGRAM_FAILURE);
    NAME(CL_MAP_FAILURE);
    NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET);
    NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    NAME(CL_COMPILE_PROGRAM_FAILURE);
    NAME(CL_LINKER_NOT_AVAILABLE);
    NAME(CL_LINK_PROGRAM_FAILURE);
    NAME(CL_INVALID_VALUE);
    NAME(CL_INVALID_DEVICE_TYPE);
    NAME(CL_INVALID_PLATFORM);
    NAME(CL_INVALID_DEVICE);
    NAME(CL_INVALID_CONTEXT);
    NAME(CL_INVALID_QUEUE_PROPERTIES);
    NAME(CL_INVALID_COMMAND_QUEUE);
    NAME(CL_INVALID_HOST_PTR);
    NAME(CL_INVALID_MEM_OBJECT);
    NAME(CL_INVALID_BINARY);
    NAME(CL_INVALID_BUILD_OPTIONS);
    NAME(CL_INVALID_PROGRAM);
    NAME(CL_INVALID_PROGRAM_EXECUTABLE);
    NAME(CL_INVALID_KERNEL_NAME);
    NAME(CL_INVALID_KERNEL_DEFINITION);
    NAME(CL_INVALID_KERNEL);
    NAME(CL_INVALID_ARG_INDEX);
    NAME(CL_INVALID_ARG_VALUE);
    NAME(CL_INVALID_ARG_SIZE);
    NAME(CL_INVALID_KERNEL_ARGS);
    NAME(CL_INVALID_WORK_DIMENSION);
    NAME(CL_INVALID_WORK_GROUP_SIZE);
    NAME(CL_INVALID_WORK_ITEM_SIZE);
    NAME(CL_INVALID_GLOBAL_OFFSET);
    NAME(CL_INVALID_EVENT_WAIT_LIST);
    NAME(CL_INVALID_EVENT);
    NAME(CL_INVALID_OPERATION);
    NAME(CL_INVALID_BUFFER_SIZE);
    NAME(CL_INVALID_GLOBAL_WORK_SIZE);
    NAME(CL_INVALID_PROPERTY);
  case -1001: return "CL_PLATFORM_NOT_FOUND_KHR";
  case -9999: return "illegal access by a kernel (NVIDIA -9999)";
  }
#undef NAME
  return "unknown OpenCL error";
}

void CL_CALLBACK vb_ocl_notify(const char *text, const void *info, size_t bytes, void *user) {
  struct vb_ocl *d = user;
  (void)info, (void)bytes;
  pthread_mutex_lock(&d->text_lock);
  snprintf(d->driver_text, sizeof d->driver_text, "%s", text ? text : "");
  pthread_mutex_unlock(&d->text_lock);
}

void vb_ocl_fault(struct vb_ocl *d, vb_result r, const char *format, ...) {
  if (d->status != VB_OK) return; // the first failure is the cause
  int n = snprintf(d->failure, sizeof d->failure, "%s: ", d->info.name);
  va_list ap;
  va_start(ap, format);
  if (n > 0 && (size_t)n < sizeof d->failure) vsnprintf(d->failure + n, sizeof d->failure - (size_t)n, format, ap);
  va_end(ap);
  d->status = r;
}

bool vb_ocl_check(struct vb_ocl *d, cl_int e, const char *what) {
  if (e == CL_SUCCESS) return d->status == VB_OK;
  char text[sizeof d->driver_text];
  pthread_mutex_lock(&d->text_lock);
  memcpy(text, d->driver_text, sizeof text);
  pthread_mutex_unlock(&d->text_lock);
  vb_ocl_fault(d, VB_DEVICE, "%s: %s (%d)%s%s", what, vb_cl_error(e), e, text[0] ? ": " : "", text);
  return false;
}
