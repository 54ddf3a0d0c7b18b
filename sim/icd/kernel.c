// SPDX-License-Identifier: Apache-2.0
#include "entries.h"

#include <stdlib.h>
#include <string.h>

static void destroy(struct vb_object *object) {
  cl_kernel kernel = (cl_kernel)object;
  cl_program program = kernel->program;
  pthread_mutex_lock(&program->lock);
  program->attached--;
  pthread_mutex_unlock(&program->lock);
  vb_unref(&program->object);
  pthread_mutex_destroy(&kernel->lock);
  free(kernel->args);
  free(kernel);
}

static bool is_buffer(enum vb_sim_arg_kind kind) { return kind >= VB_SIM_ARG_BUFFER_R; }

static cl_kernel new_kernel(cl_program program, uint32_t index) {
  const struct vb_sim_kernel *desc = &program->context->device->config->kernels[index];
  cl_kernel kernel = calloc(1, sizeof *kernel);
  struct vb_arg_value *args = calloc(desc->num_args + 1u, sizeof *args); // never of size 0
  if (kernel == NULL || args == NULL) {
    free(kernel);
    free(args);
    return NULL;
  }
  kernel->program = program;
  kernel->index = index;
  kernel->desc = desc;
  kernel->args = args;
  pthread_mutex_init(&kernel->lock, NULL);
  pthread_mutex_lock(&program->lock);
  program->attached++;
  pthread_mutex_unlock(&program->lock);
  vb_ref(&program->object);
  vb_object_init(&kernel->object, VB_KERNEL, destroy);
  return kernel;
}

// Index of the device's kernel called `name` if the program has it; -1 if not.
static int find(cl_program program, const char *name) {
  bool listed = false;
  for (uint32_t i = 0; i < program->image.num_kernels; i++)
    if (strcmp(program->image.kernels[i], name) == 0) listed = true;
  const struct vb_sim_config *config = program->context->device->config;
  for (uint32_t i = 0; listed && i < config->num_kernels; i++)
    if (strcmp(config->kernels[i].name, name) == 0) return (int)i;
  return -1;
}

static cl_int check_built(cl_program program) {
  if (!vb_valid(program, VB_PROGRAM)) return CL_INVALID_PROGRAM;
  pthread_mutex_lock(&program->lock);
  bool built = program->build_status == CL_BUILD_SUCCESS;
  pthread_mutex_unlock(&program->lock);
  return built ? CL_SUCCESS : CL_INVALID_PROGRAM_EXECUTABLE;
}

cl_kernel CL_API_CALL vb_clCreateKernel(cl_program program, const char *name, cl_int *errcode_ret) {
  cl_int error = check_built(program);
  if (error == CL_SUCCESS && name == NULL) error = CL_INVALID_VALUE;
  int index = error == CL_SUCCESS ? find(program, name) : -1;
  if (error == CL_SUCCESS && index < 0) error = CL_INVALID_KERNEL_NAME;
  cl_kernel kernel = error == CL_SUCCESS ? new_kernel(program, (uint32_t)index) : NULL;
  if (error == CL_SUCCESS && kernel == NULL) error = CL_OUT_OF_HOST_MEMORY;
  vb_set_error(errcode_ret, error);
  return kernel;
}

cl_int CL_API_CALL vb_clCreateKernelsInProgram(cl_program program, cl_uint count, cl_kernel *kernels,
                                               cl_uint *count_ret) {
  cl_int error = check_built(program);
  if (error != CL_SUCCESS) return error;
  uint32_t n = program->image.num_kernels;
  if (kernels != NULL && count < n) return CL_INVALID_VALUE;
  for (uint32_t i = 0; kernels != NULL && i < n; i++) {
    kernels[i] = new_kernel(program, (uint32_t)find(program, program->image.kernels[i]));
    if (kernels[i] != NULL) continue;
    while (i > 0) vb_api_release(kernels[--i], VB_KERNEL, CL_INVALID_KERNEL);
    return CL_OUT_OF_HOST_MEMORY;
  }
  if (count_ret != NULL) *count_ret = n;
  return CL_SUCCESS;
}

cl_int CL_API_CALL vb_clRetainKernel(cl_kernel kernel) { return vb_api_retain(kernel, VB_KERNEL, CL_INVALID_KERNEL); }

cl_int CL_API_CALL vb_clReleaseKernel(cl_kernel kernel) { return vb_api_release(kernel, VB_KERNEL, CL_INVALID_KERNEL); }

// ---- arguments ----------------------------------------------------------------------------------

static cl_int set_buffer(cl_kernel kernel, enum vb_sim_arg_kind kind, size_t size, const void *value,
                         struct vb_arg_value *arg) {
  if (size != sizeof(cl_mem)) return CL_INVALID_ARG_SIZE;
  cl_mem mem = NULL;
  if (value != NULL) memcpy(&mem, value, sizeof mem);
  if (mem != NULL) {
    if (!vb_valid(mem, VB_MEM)) return CL_INVALID_MEM_OBJECT;
    if (mem->context != kernel->program->context) return CL_INVALID_MEM_OBJECT;
    // The unit would read or write memory that the application has declared it never will.
    if (kind != VB_SIM_ARG_BUFFER_R && (mem->flags & CL_MEM_READ_ONLY) != 0) return CL_INVALID_ARG_VALUE;
    if (kind != VB_SIM_ARG_BUFFER_W && (mem->flags & CL_MEM_WRITE_ONLY) != 0) return CL_INVALID_ARG_VALUE;
  }
  *arg = (struct vb_arg_value){.set = true, .mem = mem};
  arg->serial = mem != NULL ? mem->object.serial : 0;
  return CL_SUCCESS;
}

static cl_int set_scalar(enum vb_sim_arg_kind kind, size_t size, const void *value, struct vb_arg_value *arg) {
  uint32_t word = 0;
  uint64_t wide = 0;
  if (size != (kind == VB_SIM_ARG_U32 ? sizeof word : sizeof wide)) return CL_INVALID_ARG_SIZE;
  if (value == NULL) return CL_INVALID_ARG_VALUE;
  if (kind == VB_SIM_ARG_U32) {
    memcpy(&word, value, sizeof word);
    wide = word;
  } else {
    memcpy(&wide, value, sizeof wide);
  }
  *arg = (struct vb_arg_value){.set = true, .scalar = wide};
  return CL_SUCCESS;
}

cl_int CL_API_CALL vb_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value) {
  if (!vb_valid(kernel, VB_KERNEL)) return CL_INVALID_KERNEL;
  if (index >= kernel->desc->num_args) return CL_INVALID_ARG_INDEX;
  enum vb_sim_arg_kind kind = kernel->desc->args[index].kind;
  struct vb_arg_value arg;
  cl_int error = is_buffer(kind) ? set_buffer(kernel, kind, size, value, &arg) : set_scalar(kind, size, value, &arg);
  if (error != CL_SUCCESS) return error;
  pthread_mutex_lock(&kernel->lock);
  kernel->args[index] = arg;
  pthread_mutex_unlock(&kernel->lock);
  return CL_SUCCESS;
}

// ---- queries ------------------------------------------------------------------------------------

cl_int CL_API_CALL vb_clGetKernelInfo(cl_kernel kernel, cl_kernel_info name, size_t size, void *value,
                                      size_t *size_ret) {
  if (!vb_valid(kernel, VB_KERNEL)) return CL_INVALID_KERNEL;
  cl_uint number = 0;
  switch (name) {
  case CL_KERNEL_FUNCTION_NAME: return vb_info_string(size, value, size_ret, kernel->desc->name);
  case CL_KERNEL_NUM_ARGS: number = kernel->desc->num_args; break;
  case CL_KERNEL_REFERENCE_COUNT: number = vb_api_refs(&kernel->object); break;
  case CL_KERNEL_CONTEXT: return vb_info(size, value, size_ret, &kernel->program->context, sizeof(cl_context));
  case CL_KERNEL_PROGRAM: return vb_info(size, value, size_ret, &kernel->program, sizeof kernel->program);
  case CL_KERNEL_ATTRIBUTES: return vb_info_string(size, value, size_ret, "");
  default: return CL_INVALID_VALUE;
  }
  return vb_info(size, value, size_ret, &number, sizeof number);
}

cl_int CL_API_CALL vb_clGetKernelArgInfo(cl_kernel kernel, cl_uint index, cl_kernel_arg_info name, size_t size,
                                         void *value, size_t *size_ret) {
  if (!vb_valid(kernel, VB_KERNEL)) return CL_INVALID_KERNEL;
  if (index >= kernel->desc->num_args) return CL_INVALID_ARG_INDEX;
  const struct vb_sim_arg *arg = &kernel->desc->args[index];
  bool buffer = is_buffer(arg->kind);
  cl_uint number = 0;
  cl_bitfield qualifier = CL_KERNEL_ARG_TYPE_NONE;
  switch (name) {
  case CL_KERNEL_ARG_ADDRESS_QUALIFIER:
    number = buffer ? CL_KERNEL_ARG_ADDRESS_GLOBAL : CL_KERNEL_ARG_ADDRESS_PRIVATE;
    break;
  case CL_KERNEL_ARG_ACCESS_QUALIFIER: number = CL_KERNEL_ARG_ACCESS_NONE; break; // images only
  case CL_KERNEL_ARG_TYPE_NAME:
    return vb_info_string(size, value, size_ret, buffer ? "void*" : arg->kind == VB_SIM_ARG_U32 ? "uint" : "ulong");
  case CL_KERNEL_ARG_TYPE_QUALIFIER:
    if (arg->kind == VB_SIM_ARG_BUFFER_R) qualifier = CL_KERNEL_ARG_TYPE_CONST;
    return vb_info(size, value, size_ret, &qualifier, sizeof qualifier);
  case CL_KERNEL_ARG_NAME: return vb_info_string(size, value, size_ret, arg->name);
  default: return CL_INVALID_VALUE;
  }
  return vb_info(size, value, size_ret, &number, sizeof number);
}

cl_int CL_API_CALL vb_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info name,
                                               size_t size, void *value, size_t *size_ret) {
  if (!vb_valid(kernel, VB_KERNEL)) return CL_INVALID_KERNEL;
  if (device != NULL && device != kernel->program->context->device) return CL_INVALID_DEVICE;
  const size_t one[3] = {1, 1, 1}, zero[3] = {0, 0, 0};
  const cl_ulong none = 0;
  switch (name) {
  case CL_KERNEL_WORK_GROUP_SIZE:
  case CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE: return vb_info(size, value, size_ret, one, sizeof one[0]);
  case CL_KERNEL_GLOBAL_WORK_SIZE: // allowed for built-in kernels
    if (kernel->program->kind != VB_PROGRAM_BUILTIN) return CL_INVALID_VALUE;
    return vb_info(size, value, size_ret, one, sizeof one);
  case CL_KERNEL_COMPILE_WORK_GROUP_SIZE: // no such attribute was given
    return vb_info(size, value, size_ret, zero, sizeof zero);
  case CL_KERNEL_LOCAL_MEM_SIZE:
  case CL_KERNEL_PRIVATE_MEM_SIZE: return vb_info(size, value, size_ret, &none, sizeof none);
  default: return CL_INVALID_VALUE;
  }
}
