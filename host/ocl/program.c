// SPDX-License-Identifier: Apache-2.0
/// Programs: OpenCL C for devices that compile, built-in kernels or a device image for those that do not.
#include "ocl/internal.h"
#include "ocl/kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Files of each program, in order of use.
static const char *const operator_files[] = {"tables.cl",  "num.cl",     "block.cl", "embed.cl",     "rmsnorm.cl",
                                             "linear.cl",  "rope.cl",    "pack.cl",  "attention.cl", "swiglu.cl",
                                             "router.cl",  "experts.cl", "add.cl",   "conv.cl",      "join.cl",
                                             "indexer.cl", "delta.cl"};
static const char *const probe_files[] = {"tables.cl", "num.cl", "block.cl", "probe.cl"};
enum { MAX_FILES = 24 };

/// A whole file, terminated; NULL when it cannot be read.
static char *read_file(const char *path, size_t *bytes) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  char *text = NULL;
  size_t n = 0, room = 0;
  for (;;) {
    if (n + 1 >= room) {
      room = room ? 2 * room : 1 << 16;
      char *grown = realloc(text, room);
      if (!grown) break;
      text = grown;
    }
    size_t got = fread(text + n, 1, room - n - 1, f);
    n += got;
    if (got) continue;
    if (ferror(f)) break;
    fclose(f);
    text[n] = 0;
    *bytes = n;
    return text;
  }
  free(text);
  fclose(f);
  return NULL;
}

/// Text of a kernel file: from the directory VERBATIM_KERNELS when that is set (development), else the built-in one.
static bool kernel_text(struct vb_ocl *d, const char *file, const char **text, size_t *bytes, char **owned) {
  const char *dir = getenv("VERBATIM_KERNELS");
  if (dir && dir[0]) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    *text = *owned = read_file(path, bytes);
    if (!*owned) vb_ocl_fault(d, VB_BAD_INPUT, "VERBATIM_KERNELS: cannot read %s", path);
    return *owned != NULL;
  }
  for (unsigned i = 0; i < vb_kernel_text_count; i++)
    if (!strcmp(vb_kernel_texts[i].file, file)) {
      *text = vb_kernel_texts[i].text, *bytes = vb_kernel_texts[i].bytes;
      return true;
    }
  vb_ocl_fault(d, VB_DEVICE, "the library holds no kernel file %s", file);
  return false;
}

static void build_log(struct vb_ocl *d, cl_program program, cl_int e, const char *what) {
  size_t n = 0;
  char *log = NULL;
  if (clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n) == CL_SUCCESS && n > 1 &&
      (log = calloc(n + 1, 1)) != NULL)
    clGetProgramBuildInfo(program, d->id, CL_PROGRAM_BUILD_LOG, n, log, NULL);
  vb_ocl_fault(d, VB_DEVICE, "%s does not build: %s (%d)%s%.600s", what, vb_cl_error(e), e, log ? ":\n" : "",
               log ? log : "");
  free(log);
}

static cl_program build_source(struct vb_ocl *d, const char *const *files, size_t count, const char *options,
                               const char *what) {
  // A #line before every file, so that a compiler's message names the file it is about.
  const char *text[2 * MAX_FILES];
  size_t bytes[2 * MAX_FILES];
  char *owned[MAX_FILES] = {0}, line[MAX_FILES][48];
  cl_program program = NULL;
  bool ok = true;
  for (size_t i = 0; i < count && ok; i++) {
    bytes[2 * i] = (size_t)snprintf(line[i], sizeof line[i], "#line 1 \"%s\"\n", files[i]);
    text[2 * i] = line[i];
    ok = kernel_text(d, files[i], &text[2 * i + 1], &bytes[2 * i + 1], &owned[i]);
  }
  if (ok) {
    cl_int e;
    program = clCreateProgramWithSource(d->context, (cl_uint)(2 * count), text, bytes, &e);
    if (vb_ocl_check(d, e, "clCreateProgramWithSource")) {
      e = clBuildProgram(program, 1, &d->id, options, NULL, NULL);
      if (e != CL_SUCCESS) {
        build_log(d, program, e, what);
        clReleaseProgram(program);
        program = NULL;
      }
    }
  }
  for (size_t i = 0; i < count; i++) free(owned[i]);
  return program;
}

/// FPGA boards load an image (the one path that all vendors share); the simulator knows its kernels by name.
static cl_program load_units(struct vb_ocl *d) {
  const char *image = getenv("VERBATIM_IMAGE");
  cl_program program;
  cl_int e, status = CL_SUCCESS;
  if (image && image[0]) {
    size_t bytes;
    char *data = read_file(image, &bytes);
    if (!data) {
      vb_ocl_fault(d, VB_BAD_INPUT, "VERBATIM_IMAGE: cannot read %s", image);
      return NULL;
    }
    const unsigned char *p = (const unsigned char *)data;
    program = clCreateProgramWithBinary(d->context, 1, &d->id, &bytes, &p, &status, &e);
    if (e == CL_SUCCESS) e = status;
    free(data);
    if (!vb_ocl_check(d, e, "clCreateProgramWithBinary")) return NULL;
  } else {
    if (!d->info.kernels[0]) {
      vb_ocl_fault(d, VB_DEVICE, "no compiler and no built-in kernels; VERBATIM_IMAGE names a device image");
      return NULL;
    }
    program = clCreateProgramWithBuiltInKernels(d->context, 1, &d->id, d->info.kernels, &e);
    if (!vb_ocl_check(d, e, "clCreateProgramWithBuiltInKernels")) return NULL;
  }
  e = clBuildProgram(program, 1, &d->id, "", NULL, NULL);
  if (e == CL_SUCCESS || e == CL_INVALID_OPERATION) return program; // built-in programs need no build
  build_log(d, program, e, "device image");
  clReleaseProgram(program);
  return NULL;
}

bool vb_ocl_build(struct vb_ocl *d) {
  if (d->program) return true;
  d->program = d->info.compiler ? build_source(d, operator_files, sizeof operator_files / sizeof *operator_files,
                                               "-cl-std=CL1.2", "kernels_cl")
                                : load_units(d);
  return d->program != NULL;
}

bool vb_ocl_build_probe(struct vb_ocl *d, const char *options) {
  if (!d->probe_program)
    d->probe_program =
        build_source(d, probe_files, sizeof probe_files / sizeof *probe_files, options, "kernels_cl/probe.cl");
  return d->probe_program != NULL;
}

cl_kernel vb_ocl_kernel(struct vb_ocl *d, const char *name) {
  for (uint32_t i = 0; i < d->kernels; i++)
    if (!strcmp(d->kernel[i].name, name)) return d->kernel[i].kernel;
  if (d->kernels == sizeof d->kernel / sizeof *d->kernel) {
    vb_ocl_fault(d, VB_DEVICE, "too many kernels");
    return NULL;
  }
  cl_program program = strncmp(name, "vb_probe_", 9) ? d->program : d->probe_program;
  cl_int e;
  cl_kernel kernel = clCreateKernel(program, name, &e);
  if (!vb_ocl_check(d, e, name)) return NULL;
  struct vb_kernel *k = &d->kernel[d->kernels++];
  snprintf(k->name, sizeof k->name, "%s", name);
  return k->kernel = kernel;
}

void vb_ocl_release_programs(struct vb_ocl *d) {
  for (uint32_t i = 0; i < d->kernels; i++) clReleaseKernel(d->kernel[i].kernel);
  d->kernels = 0;
  if (d->program) clReleaseProgram(d->program);
  if (d->probe_program) clReleaseProgram(d->probe_program);
  d->program = d->probe_program = NULL;
}
