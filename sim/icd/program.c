// SPDX-License-Identifier: Apache-2.0
//
// Programs. The hardware is there already, so "building" one means checking that the image was
// made for this hardware; there is no compiler.
#include "entries.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct vb_object *object) {
  cl_program program = (cl_program)object;
  vb_unref(&program->context->object);
  pthread_mutex_destroy(&program->lock);
  free(program->source);
  free(program->binary);
  free(program->options);
  free(program);
}

static cl_program new_program(cl_context context, enum vb_program_kind kind) {
  cl_program program = calloc(1, sizeof *program);
  if (program == NULL) return NULL;
  program->context = context;
  program->kind = kind;
  program->build_status = CL_BUILD_NONE;
  pthread_mutex_init(&program->lock, NULL);
  vb_ref(&context->object);
  vb_object_init(&program->object, VB_PROGRAM, destroy);
  return program;
}

static cl_program fail(cl_int error, cl_int *errcode_ret) {
  vb_set_error(errcode_ret, error);
  return NULL;
}

static cl_int check_device_list(cl_context context, cl_uint count, const cl_device_id *list) {
  if (!vb_valid(context, VB_CONTEXT)) return CL_INVALID_CONTEXT;
  if (count == 0 || list == NULL) return CL_INVALID_VALUE;
  return count == 1 && list[0] == context->device ? CL_SUCCESS : CL_INVALID_DEVICE;
}

// ---- creation -----------------------------------------------------------------------------------

// OpenCL lets a program be made from source even when nothing can build it.
cl_program CL_API_CALL vb_clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings,
                                                    const size_t *lengths, cl_int *errcode_ret) {
  if (!vb_valid(context, VB_CONTEXT)) return fail(CL_INVALID_CONTEXT, errcode_ret);
  if (count == 0 || strings == NULL) return fail(CL_INVALID_VALUE, errcode_ret);
  size_t bytes = 1;
  for (cl_uint i = 0; i < count; i++) {
    if (strings[i] == NULL) return fail(CL_INVALID_VALUE, errcode_ret);
    bytes += lengths != NULL && lengths[i] != 0 ? lengths[i] : strlen(strings[i]);
  }
  char *source = calloc(1, bytes);
  cl_program program = source != NULL ? new_program(context, VB_PROGRAM_SOURCE) : NULL;
  if (program == NULL) {
    free(source);
    return fail(CL_OUT_OF_HOST_MEMORY, errcode_ret);
  }
  char *at = source;
  for (cl_uint i = 0; i < count; i++) {
    size_t n = lengths != NULL && lengths[i] != 0 ? lengths[i] : strlen(strings[i]);
    memcpy(at, strings[i], n);
    at += n;
  }
  program->source = source;
  vb_set_error(errcode_ret, CL_SUCCESS);
  return program;
}

cl_program CL_API_CALL vb_clCreateProgramWithBinary(cl_context context, cl_uint count, const cl_device_id *list,
                                                    const size_t *lengths, const unsigned char **binaries,
                                                    cl_int *binary_status, cl_int *errcode_ret) {
  cl_int error = check_device_list(context, count, list);
  if (error != CL_SUCCESS) return fail(error, errcode_ret);
  if (lengths == NULL || binaries == NULL || lengths[0] == 0 || binaries[0] == NULL) {
    vb_set_error(binary_status, CL_INVALID_VALUE);
    return fail(CL_INVALID_VALUE, errcode_ret);
  }
  struct vb_image image;
  if (!vb_image_parse(&image, binaries[0], lengths[0])) {
    vb_set_error(binary_status, CL_INVALID_BINARY);
    return fail(CL_INVALID_BINARY, errcode_ret);
  }
  unsigned char *copy = malloc(lengths[0]);
  cl_program program = copy != NULL ? new_program(context, VB_PROGRAM_IMAGE) : NULL;
  if (program == NULL) {
    free(copy);
    return fail(CL_OUT_OF_HOST_MEMORY, errcode_ret);
  }
  memcpy(copy, binaries[0], lengths[0]);
  program->binary = copy;
  program->binary_bytes = lengths[0];
  program->image = image;
  vb_set_error(binary_status, CL_SUCCESS);
  vb_set_error(errcode_ret, CL_SUCCESS);
  return program;
}

static const struct vb_sim_kernel *find_kernel(const struct vb_sim_config *config, const char *name) {
  for (uint32_t i = 0; i < config->num_kernels; i++)
    if (strcmp(config->kernels[i].name, name) == 0) return &config->kernels[i];
  return NULL;
}

// Adds the ';'-separated names; false when one is unknown, twice there, or there is none.
static bool add_names(struct vb_image *image, const struct vb_sim_config *config, const char *names) {
  while (*names != '\0') {
    size_t n = strcspn(names, ";");
    char *word = image->kernels[image->num_kernels];
    if (n == 0 || n >= sizeof image->kernels[0]) return false;
    memcpy(word, names, n);
    word[n] = '\0';
    if (find_kernel(config, word) == NULL) return false;
    for (uint32_t i = 0; i < image->num_kernels; i++)
      if (strcmp(image->kernels[i], word) == 0) return false;
    image->num_kernels++;
    names += n;
    if (*names == ';' && *++names == '\0') return false;
  }
  return image->num_kernels > 0;
}

cl_program CL_API_CALL vb_clCreateProgramWithBuiltInKernels(cl_context context, cl_uint count, const cl_device_id *list,
                                                            const char *names, cl_int *errcode_ret) {
  cl_int error = check_device_list(context, count, list);
  if (error != CL_SUCCESS) return fail(error, errcode_ret);
  const struct vb_sim_config *config = context->device->config;
  struct vb_image image = {.table_hash = config->table_hash};
  strcpy(image.configuration, config->name); // its length was checked when the device was found
  // No name can come twice and every name is a kernel's, so the list cannot overflow.
  if (names == NULL || !add_names(&image, config, names)) return fail(CL_INVALID_VALUE, errcode_ret);
  char text[4096];
  size_t bytes = vb_image_format(&image, text, sizeof text);
  unsigned char *copy = malloc(bytes);
  cl_program program = copy != NULL ? new_program(context, VB_PROGRAM_BUILTIN) : NULL;
  if (program == NULL) {
    free(copy);
    return fail(CL_OUT_OF_HOST_MEMORY, errcode_ret);
  }
  memcpy(copy, text, bytes);
  program->binary = copy;
  program->binary_bytes = bytes;
  program->image = image;
  program->build_status = CL_BUILD_SUCCESS;
  vb_set_error(errcode_ret, CL_SUCCESS);
  return program;
}

cl_int CL_API_CALL vb_clRetainProgram(cl_program program) {
  return vb_api_retain(program, VB_PROGRAM, CL_INVALID_PROGRAM);
}

cl_int CL_API_CALL vb_clReleaseProgram(cl_program program) {
  return vb_api_release(program, VB_PROGRAM, CL_INVALID_PROGRAM);
}

// ---- building -----------------------------------------------------------------------------------

// Why the image does not fit this device, in log; false when it fits.
static bool mismatch(const struct vb_image *image, const struct vb_sim_config *config, char *log, size_t size) {
  if (strcmp(image->configuration, config->name) != 0) {
    snprintf(log, size, "the image is for configuration '%s', the device is '%s'\n", image->configuration,
             config->name);
    return true;
  }
  if (image->table_hash != config->table_hash) {
    snprintf(log, size,
             "the image's numeric tables have hash %016" PRIx64 ", the device's %016" PRIx64 ": results would differ\n",
             image->table_hash, config->table_hash);
    return true;
  }
  for (uint32_t i = 0; i < image->num_kernels; i++) {
    if (find_kernel(config, image->kernels[i]) != NULL) continue;
    snprintf(log, size, "the device has no kernel '%s'\n", image->kernels[i]);
    return true;
  }
  return false;
}

static cl_int build(cl_program program, const char *options) {
  char *copy = options != NULL && options[0] != '\0' ? strdup(options) : NULL;
  pthread_mutex_lock(&program->lock);
  cl_int result = CL_SUCCESS;
  if (program->attached > 0) {
    result = CL_INVALID_OPERATION;
    free(copy);
  } else {
    free(program->options);
    program->options = copy;
    program->log[0] = '\0';
    if (program->kind == VB_PROGRAM_SOURCE) {
      snprintf(program->log, sizeof program->log,
               "the simulator has no compiler: load a device image or built-in kernels\n");
      result = CL_COMPILER_NOT_AVAILABLE;
    } else if (mismatch(&program->image, program->context->device->config, program->log, sizeof program->log)) {
      result = CL_BUILD_PROGRAM_FAILURE;
    }
    program->build_status = result == CL_SUCCESS ? CL_BUILD_SUCCESS : CL_BUILD_ERROR;
  }
  pthread_mutex_unlock(&program->lock);
  return result;
}

cl_int CL_API_CALL vb_clBuildProgram(cl_program program, cl_uint count, const cl_device_id *list, const char *options,
                                     void(CL_CALLBACK *notify)(cl_program, void *), void *user) {
  if (!vb_valid(program, VB_PROGRAM)) return CL_INVALID_PROGRAM;
  if ((count == 0) != (list == NULL) || (notify == NULL && user != NULL)) return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < count; i++)
    if (list[i] != program->context->device) return CL_INVALID_DEVICE;
  cl_int result = build(program, options);
  if (notify != NULL) notify(program, user);
  return result;
}

cl_int CL_API_CALL vb_clCompileProgram(cl_program program, cl_uint count, const cl_device_id *list, const char *options,
                                       cl_uint num_headers, const cl_program *headers, const char **names,
                                       void(CL_CALLBACK *notify)(cl_program, void *), void *user) {
  (void)count;
  (void)list;
  (void)options;
  (void)num_headers;
  (void)headers;
  (void)names;
  (void)notify;
  (void)user;
  return vb_valid(program, VB_PROGRAM) ? CL_COMPILER_NOT_AVAILABLE : CL_INVALID_PROGRAM;
}

cl_program CL_API_CALL vb_clLinkProgram(cl_context context, cl_uint count, const cl_device_id *list,
                                        const char *options, cl_uint num_inputs, const cl_program *inputs,
                                        void(CL_CALLBACK *notify)(cl_program, void *), void *user,
                                        cl_int *errcode_ret) {
  (void)count;
  (void)list;
  (void)options;
  (void)num_inputs;
  (void)inputs;
  (void)notify;
  (void)user;
  return fail(vb_valid(context, VB_CONTEXT) ? CL_LINKER_NOT_AVAILABLE : CL_INVALID_CONTEXT, errcode_ret);
}
