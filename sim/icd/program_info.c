// SPDX-License-Identifier: Apache-2.0
#include "entries.h"

#include <stdlib.h>
#include <string.h>

static cl_int binary_query(cl_program program, size_t size, void *value, size_t *size_ret) {
  unsigned char *target = NULL; // the application passes an array of one pointer
  if (value != NULL) {
    if (size < sizeof target) return CL_INVALID_VALUE;
    memcpy(&target, value, sizeof target);
    if (target != NULL && program->binary != NULL) memcpy(target, program->binary, program->binary_bytes);
  }
  if (size_ret != NULL) *size_ret = sizeof target;
  return CL_SUCCESS;
}

static cl_int kernel_names_query(cl_program program, size_t size, void *value, size_t *size_ret) {
  char names[sizeof program->image.kernels + 1] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < program->image.num_kernels; i++) {
    size_t n = strlen(program->image.kernels[i]);
    if (i > 0) names[used++] = ';';
    memcpy(names + used, program->image.kernels[i], n + 1);
    used += n;
  }
  return vb_info_string(size, value, size_ret, names);
}

static cl_build_status build_status(cl_program program) {
  pthread_mutex_lock(&program->lock);
  cl_build_status status = program->build_status;
  pthread_mutex_unlock(&program->lock);
  return status;
}

cl_int CL_API_CALL vb_clGetProgramInfo(cl_program program, cl_program_info name, size_t size, void *value,
                                       size_t *size_ret) {
  if (!vb_valid(program, VB_PROGRAM)) return CL_INVALID_PROGRAM;
  cl_uint number = 1;
  size_t kernels = program->image.num_kernels;
  switch (name) {
  case CL_PROGRAM_REFERENCE_COUNT: number = vb_api_refs(&program->object); break;
  case CL_PROGRAM_CONTEXT: return vb_info(size, value, size_ret, &program->context, sizeof program->context);
  case CL_PROGRAM_NUM_DEVICES: break;
  case CL_PROGRAM_DEVICES: return vb_info(size, value, size_ret, &program->context->device, sizeof(cl_device_id));
  case CL_PROGRAM_SOURCE: return vb_info_string(size, value, size_ret, program->source != NULL ? program->source : "");
  case CL_PROGRAM_BINARY_SIZES:
    return vb_info(size, value, size_ret, &program->binary_bytes, sizeof program->binary_bytes);
  case CL_PROGRAM_BINARIES: return binary_query(program, size, value, size_ret);
  case CL_PROGRAM_NUM_KERNELS:
  case CL_PROGRAM_KERNEL_NAMES:
    if (build_status(program) != CL_BUILD_SUCCESS) return CL_INVALID_PROGRAM_EXECUTABLE;
    if (name == CL_PROGRAM_NUM_KERNELS) return vb_info(size, value, size_ret, &kernels, sizeof kernels);
    return kernel_names_query(program, size, value, size_ret);
  default: return CL_INVALID_VALUE;
  }
  return vb_info(size, value, size_ret, &number, sizeof number);
}

cl_int CL_API_CALL vb_clGetProgramBuildInfo(cl_program program, cl_device_id device, cl_program_build_info name,
                                            size_t size, void *value, size_t *size_ret) {
  if (!vb_valid(program, VB_PROGRAM)) return CL_INVALID_PROGRAM;
  if (device != program->context->device) return CL_INVALID_DEVICE;
  cl_build_status status = build_status(program);
  cl_program_binary_type type = CL_PROGRAM_BINARY_TYPE_NONE;
  cl_int result = CL_INVALID_VALUE;
  pthread_mutex_lock(&program->lock);
  switch (name) {
  case CL_PROGRAM_BUILD_STATUS: result = vb_info(size, value, size_ret, &status, sizeof status); break;
  case CL_PROGRAM_BUILD_OPTIONS:
    result = vb_info_string(size, value, size_ret, program->options != NULL ? program->options : "");
    break;
  case CL_PROGRAM_BUILD_LOG: result = vb_info_string(size, value, size_ret, program->log); break;
  case CL_PROGRAM_BINARY_TYPE:
    if (status == CL_BUILD_SUCCESS) type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
    result = vb_info(size, value, size_ret, &type, sizeof type);
    break;
  default: break;
  }
  pthread_mutex_unlock(&program->lock);
  return result;
}
