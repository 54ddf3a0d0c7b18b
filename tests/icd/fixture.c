// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cl_platform_id platform;
cl_device_id base, tiny;
clGetEventVerbatimStatsVB_fn get_stats;
char last_report[512];

int find_platform(void) {
  cl_platform_id list[16];
  cl_uint n = 0;
  if (clGetPlatformIDs(16, list, &n) != CL_SUCCESS) return -1;
  for (cl_uint i = 0; i < n && i < 16; i++) {
    char name[64] = "";
    clGetPlatformInfo(list[i], CL_PLATFORM_NAME, sizeof name, name, NULL);
    if (strcmp(name, "Verbatim Simulator") == 0) platform = list[i];
  }
  cl_device_id devices[2];
  if (platform == NULL || clGetDeviceIDs(platform, CL_DEVICE_TYPE_ACCELERATOR, 2, devices, &n) != CL_SUCCESS || n != 2)
    return -1;
  base = devices[0];
  tiny = devices[1];
  // By way of a union: ISO C has no conversion between data and function pointers.
  union {
    void *data;
    clGetEventVerbatimStatsVB_fn function;
  } u = {.data = clGetExtensionFunctionAddressForPlatform(platform, "clGetEventVerbatimStatsVB")};
  get_stats = u.function;
  return get_stats != NULL ? 0 : -1;
}

void CL_CALLBACK on_report(const char *text, const void *data, size_t bytes, void *user) {
  (void)data;
  (void)bytes;
  (void)user;
  snprintf(last_report, sizeof last_report, "%s", text);
}

cl_context open_context(cl_device_id device, cl_int *err) {
  last_report[0] = '\0';
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0};
  return clCreateContext(properties, 1, &device, on_report, NULL, err);
}

struct fixture fixture_open(cl_device_id device) {
  struct fixture f = {0};
  cl_int err = 0;
  char names[256] = "";
  f.context = open_context(device, &err);
  OK(err);
  f.queue = clCreateCommandQueue(f.context, device, CL_QUEUE_PROFILING_ENABLE, &err);
  OK(err);
  OK(clGetDeviceInfo(device, CL_DEVICE_BUILT_IN_KERNELS, sizeof names, names, NULL));
  f.program = clCreateProgramWithBuiltInKernels(f.context, 1, &device, names, &err);
  OK(err);
  f.scale = clCreateKernel(f.program, "scale", &err);
  OK(err);
  if (device == base) f.sum = clCreateKernel(f.program, "sum", &err);
  OK(err);
  return f;
}

void fixture_close(struct fixture *f) {
  if (f->sum != NULL) OK(clReleaseKernel(f->sum));
  OK(clReleaseKernel(f->scale));
  OK(clReleaseProgram(f->program));
  OK(clReleaseCommandQueue(f->queue));
  OK(clReleaseContext(f->context));
}

cl_mem buffer(struct fixture *f, cl_mem_flags flags, size_t bytes) {
  cl_int err = 0;
  cl_mem mem = clCreateBuffer(f->context, flags, bytes, NULL, &err);
  OK(err);
  return mem;
}

void set_scale(cl_kernel scale, cl_mem src, cl_mem dst, cl_uint n, cl_ulong a, cl_uint b, cl_uint mode) {
  OK(clSetKernelArg(scale, 0, sizeof src, &src));
  OK(clSetKernelArg(scale, 1, sizeof dst, &dst));
  OK(clSetKernelArg(scale, 2, sizeof n, &n));
  OK(clSetKernelArg(scale, 3, sizeof a, &a));
  OK(clSetKernelArg(scale, 4, sizeof b, &b));
  OK(clSetKernelArg(scale, 5, sizeof mode, &mode));
}

cl_int run_once(struct fixture *f, cl_kernel kernel, cl_event *event) {
  const size_t one = 1;
  return clEnqueueNDRangeKernel(f->queue, kernel, 1, NULL, &one, NULL, 0, NULL, event);
}

cl_int status_of(cl_event event) {
  cl_int status = 1;
  OK(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
  return status;
}

cl_ulong profile(cl_event event, cl_profiling_info name) {
  cl_ulong ns = 0;
  OK(clGetEventProfilingInfo(event, name, sizeof ns, &ns, NULL));
  return ns;
}
