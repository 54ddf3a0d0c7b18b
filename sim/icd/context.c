// SPDX-License-Identifier: Apache-2.0
#include "entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct vb_object *object) {
  cl_context context = (cl_context)object;
  vb_device_close(context->device);
  free(context->properties);
  free(context);
}

void vb_context_report(cl_context context, const char *text, const void *data, size_t bytes) {
  if (context->notify != NULL) context->notify(text, data, bytes, context->notify_user);
  else fprintf(stderr, "%s\n", text);
}

// CL_SUCCESS, and the platform that was named (NULL when none was).
static cl_int check_properties(const cl_context_properties *properties, size_t *bytes) {
  *bytes = 0;
  if (properties == NULL) return CL_SUCCESS;
  size_t n = 0;
  bool platform_seen = false, sync_seen = false;
  for (; properties[n] != 0; n += 2) {
    bool *seen = NULL;
    if (properties[n] == CL_CONTEXT_PLATFORM) {
      if ((cl_platform_id)properties[n + 1] != vb_platform()) return CL_INVALID_PLATFORM;
      seen = &platform_seen;
    } else if (properties[n] == CL_CONTEXT_INTEROP_USER_SYNC) {
      if (properties[n + 1] != CL_TRUE && properties[n + 1] != CL_FALSE) return CL_INVALID_PROPERTY;
      seen = &sync_seen;
    }
    if (seen == NULL || *seen) return CL_INVALID_PROPERTY;
    *seen = true;
  }
  *bytes = (n + 1) * sizeof *properties;
  return CL_SUCCESS;
}

static void complain(vb_notify_fn notify, void *user, const char *text) {
  if (notify != NULL) notify(text, NULL, 0, user);
  else fprintf(stderr, "libverbatim_sim: %s\n", text);
}

cl_context CL_API_CALL vb_clCreateContext(const cl_context_properties *properties, cl_uint count,
                                          const cl_device_id *devices, vb_notify_fn notify, void *user,
                                          cl_int *errcode_ret) {
  size_t bytes = 0;
  cl_int error = check_properties(properties, &bytes);
  if (error == CL_SUCCESS && (count == 0 || devices == NULL || (notify == NULL && user != NULL)))
    error = CL_INVALID_VALUE;
  for (cl_uint i = 0; error == CL_SUCCESS && i < count; i++) {
    if (!vb_is_device(devices[i])) error = CL_INVALID_DEVICE;
    // Naming one device twice is legal and means once.
    else if (devices[i] != devices[0]) error = CL_OUT_OF_RESOURCES;
  }
  if (error == CL_OUT_OF_RESOURCES)
    complain(notify, user, "simulated devices have separate memories: make one context for each");
  cl_context context = NULL;
  if (error == CL_SUCCESS) {
    context = calloc(1, sizeof *context);
    if (context != NULL && bytes > 0) context->properties = malloc(bytes);
    if (context == NULL || (bytes > 0 && context->properties == NULL)) error = CL_OUT_OF_HOST_MEMORY;
  }
  if (error == CL_SUCCESS) {
    char err[256] = "";
    if (vb_device_open(devices[0], err, sizeof err) != 0) {
      char text[400];
      snprintf(text, sizeof text, "%s: %s", devices[0]->name, err);
      complain(notify, user, text);
      error = CL_DEVICE_NOT_AVAILABLE;
    }
  }
  vb_set_error(errcode_ret, error);
  if (error != CL_SUCCESS) {
    if (context != NULL) free(context->properties);
    free(context);
    return NULL;
  }
  if (bytes > 0) memcpy(context->properties, properties, bytes);
  context->properties_bytes = bytes;
  context->device = devices[0];
  context->notify = notify;
  context->notify_user = user;
  vb_object_init(&context->object, VB_CONTEXT, destroy);
  return context;
}

cl_context CL_API_CALL vb_clCreateContextFromType(const cl_context_properties *properties, cl_device_type type,
                                                  vb_notify_fn notify, void *user, cl_int *errcode_ret) {
  size_t bytes = 0;
  cl_int error = check_properties(properties, &bytes);
  cl_device_id device = NULL; // the first one: a context holds one simulated device
  if (error == CL_SUCCESS) error = vb_clGetDeviceIDs(NULL, type, 1, &device, NULL);
  if (error != CL_SUCCESS) {
    vb_set_error(errcode_ret, error);
    return NULL;
  }
  return vb_clCreateContext(properties, 1, &device, notify, user, errcode_ret);
}

cl_int CL_API_CALL vb_clRetainContext(cl_context context) {
  return vb_api_retain(context, VB_CONTEXT, CL_INVALID_CONTEXT);
}

cl_int CL_API_CALL vb_clReleaseContext(cl_context context) {
  return vb_api_release(context, VB_CONTEXT, CL_INVALID_CONTEXT);
}

cl_int CL_API_CALL vb_clGetContextInfo(cl_context context, cl_context_info name, size_t size, void *value,
                                       size_t *size_ret) {
  if (!vb_valid(context, VB_CONTEXT)) return CL_INVALID_CONTEXT;
  cl_uint number = 1;
  switch (name) {
  case CL_CONTEXT_REFERENCE_COUNT: number = vb_api_refs(&context->object); break;
  case CL_CONTEXT_NUM_DEVICES: break;
  case CL_CONTEXT_DEVICES: return vb_info(size, value, size_ret, &context->device, sizeof context->device);
  case CL_CONTEXT_PROPERTIES: return vb_info(size, value, size_ret, context->properties, context->properties_bytes);
  default: return CL_INVALID_VALUE;
  }
  return vb_info(size, value, size_ret, &number, sizeof number);
}
