// SPDX-License-Identifier: Apache-2.0
// Device images, built-in kernels, and everything that is not a program.
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The image of the fixture's program, NUL-terminated.
static size_t save_image(cl_program program, char *text, size_t size) {
  size_t bytes = 0;
  unsigned char *p = (unsigned char *)text;
  OK(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL));
  CU_ASSERT_FATAL(bytes > 0 && bytes < size);
  OK(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof p, &p, NULL));
  text[bytes] = '\0';
  return bytes;
}

static cl_program load(struct fixture *f, cl_device_id device, const char *image, size_t bytes, cl_int *err) {
  const unsigned char *p = (const unsigned char *)image;
  cl_int status = 1;
  cl_program program = clCreateProgramWithBinary(f->context, 1, &device, &bytes, &p, &status, err);
  if (*err == CL_SUCCESS || *err == CL_INVALID_BINARY) CU_ASSERT_EQUAL(status, *err);
  return program;
}

static cl_uint crc32_of(const char *p, size_t n) {
  cl_uint crc = ~0u;
  while (n-- > 0) {
    crc ^= (unsigned char)*p++;
    for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

// An image with these lines and a right checksum.
static size_t forge(char *text, size_t size, const char *configuration, const char *hash, const char *kernels) {
  int n = snprintf(text, size, "VERBATIM-DEVICE-IMAGE 1\nconfiguration %s\ntable-hash %s\nkernels %s\n", configuration,
                   hash, kernels);
  return (size_t)(n + snprintf(text + n, size - (size_t)n, "end %08x\n", crc32_of(text, (size_t)n)));
}

static void image_goes_round(void) {
  struct fixture f = fixture_open(base);
  char image[4096], again[4096], text[256];
  size_t bytes = save_image(f.program, image, sizeof image);
  char forged[4096];
  CU_ASSERT_EQUAL(forge(forged, sizeof forged, "base", "1122334455667788", "scale sum"), bytes);
  CU_ASSERT_STRING_EQUAL(image, forged);
  cl_int err = 0;
  cl_program program = load(&f, base, image, bytes, &err);
  OK(err);
  CU_ASSERT_PTR_NULL(clCreateKernel(program, "scale", &err));
  EXPECT_CL(CL_INVALID_PROGRAM_EXECUTABLE, err); // not built yet
  OK(clBuildProgram(program, 1, &base, "-x", NULL, NULL));
  OK(clGetProgramBuildInfo(program, base, CL_PROGRAM_BUILD_OPTIONS, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "-x");
  OK(clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "scale;sum");
  CU_ASSERT_EQUAL(save_image(program, again, sizeof again), bytes);
  CU_ASSERT_STRING_EQUAL(again, image);
  cl_kernel kernels[2];
  cl_uint n = 0;
  OK(clCreateKernelsInProgram(program, 2, kernels, &n));
  CU_ASSERT_EQUAL(n, 2);
  EXPECT_CL(CL_INVALID_VALUE, clCreateKernelsInProgram(program, 1, kernels, &n));
  EXPECT_CL(CL_INVALID_OPERATION, clBuildProgram(program, 0, NULL, NULL, NULL, NULL)); // kernels attached
  OK(clReleaseKernel(kernels[0]));
  OK(clReleaseKernel(kernels[1]));
  OK(clBuildProgram(program, 0, NULL, NULL, NULL, NULL));
  OK(clReleaseProgram(program));
  fixture_close(&f);
}

// Every cut and every flipped bit of an image is refused.
static void junk_is_refused(void) {
  struct fixture f = fixture_open(base);
  char image[4096], bad[4096];
  size_t bytes = save_image(f.program, image, sizeof image);
  cl_int err = 0;
  for (size_t n = 1; n < bytes; n++) {
    CU_ASSERT_PTR_NULL(load(&f, base, image, n, &err));
    EXPECT_CL(CL_INVALID_BINARY, err);
  }
  for (size_t bit = 0; bit < 8 * bytes; bit++) {
    memcpy(bad, image, bytes);
    bad[bit / 8] = (char)(bad[bit / 8] ^ (1 << bit % 8));
    CU_ASSERT_PTR_NULL(load(&f, base, bad, bytes, &err));
    EXPECT_CL(CL_INVALID_BINARY, err);
  }
  memcpy(bad, image, bytes);
  bad[bytes] = '\n';
  CU_ASSERT_PTR_NULL(load(&f, base, bad, bytes + 1, &err));
  EXPECT_CL(CL_INVALID_BINARY, err);
  static const char *const forged[][3] = {
      {"base", "112233445566778", "scale"},    {"base", "112233445566778X", "scale"},
      {"base", "1122334455667788", "sum sum"}, {"base", "1122334455667788", " "},
      {"", "1122334455667788", "scale"},
  };
  for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
    bytes = forge(bad, sizeof bad, forged[i][0], forged[i][1], forged[i][2]);
    CU_ASSERT_PTR_NULL(load(&f, base, bad, bytes, &err));
    EXPECT_CL(CL_INVALID_BINARY, err);
  }
  CU_ASSERT_PTR_NULL(load(&f, tiny, image, 10, &err));
  EXPECT_CL(CL_INVALID_DEVICE, err);
  CU_ASSERT_PTR_NULL(load(&f, base, image, 0, &err));
  EXPECT_CL(CL_INVALID_VALUE, err);
  fixture_close(&f);
}

static void wrong_hardware_fails_to_build(void) {
  static const struct {
    const char *configuration, *hash, *kernels, *log;
  } wrong[] = {
      {"base", "1122334455667789", "scale", "numeric tables have hash 1122334455667789, the device's 1122334455667788"},
      {"paper", "1122334455667788", "scale", "configuration 'paper', the device is 'base'"},
      {"base", "1122334455667788", "scale attention", "no kernel 'attention'"},
  };
  struct fixture f = fixture_open(base);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char image[4096], log[512] = "";
    size_t bytes = forge(image, sizeof image, wrong[i].configuration, wrong[i].hash, wrong[i].kernels);
    cl_int err = 0;
    cl_build_status status = 0;
    cl_program program = load(&f, base, image, bytes, &err);
    OK(err);
    EXPECT_CL(CL_BUILD_PROGRAM_FAILURE, clBuildProgram(program, 0, NULL, NULL, NULL, NULL));
    OK(clGetProgramBuildInfo(program, base, CL_PROGRAM_BUILD_STATUS, sizeof status, &status, NULL));
    CU_ASSERT_EQUAL(status, CL_BUILD_ERROR);
    OK(clGetProgramBuildInfo(program, base, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL));
    VB_CHECK(strstr(log, wrong[i].log) != NULL, "log: %s", log);
    CU_ASSERT_PTR_NULL(clCreateKernel(program, "scale", &err));
    EXPECT_CL(CL_INVALID_PROGRAM_EXECUTABLE, err);
    OK(clReleaseProgram(program));
  }
  fixture_close(&f);
}

static void source_has_no_compiler(void) {
  struct fixture f = fixture_open(base);
  const char *source[] = {"kernel void f() ", "{}xx"};
  const size_t lengths[] = {0, 2};
  cl_int err = 0;
  char text[64];
  cl_program program = clCreateProgramWithSource(f.context, 2, source, lengths, &err);
  OK(err);
  OK(clGetProgramInfo(program, CL_PROGRAM_SOURCE, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "kernel void f() {}");
  EXPECT_CL(CL_COMPILER_NOT_AVAILABLE, clBuildProgram(program, 0, NULL, NULL, NULL, NULL));
  EXPECT_CL(CL_COMPILER_NOT_AVAILABLE, clCompileProgram(program, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL));
  CU_ASSERT_PTR_NULL(clLinkProgram(f.context, 0, NULL, NULL, 1, &program, NULL, NULL, &err));
  EXPECT_CL(CL_LINKER_NOT_AVAILABLE, err);
  OK(clReleaseProgram(program));
  fixture_close(&f);
}

static void builtin_names_are_checked(void) {
  static const char *const bad[] = {"", ";", "scale;", ";scale", "scale;scale", "scale;nothing", "scal", "scale sum"};
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CU_ASSERT_PTR_NULL(clCreateProgramWithBuiltInKernels(f.context, 1, &base, bad[i], &err));
    EXPECT_CL(CL_INVALID_VALUE, err);
  }
  cl_program program = clCreateProgramWithBuiltInKernels(f.context, 1, &base, "sum", &err);
  OK(err);
  CU_ASSERT_PTR_NULL(clCreateKernel(program, "scale", &err)); // the device's, but not the program's
  EXPECT_CL(CL_INVALID_KERNEL_NAME, err);
  cl_kernel kernel = clCreateKernel(program, "sum", &err);
  OK(err);
  OK(clReleaseKernel(kernel));
  OK(clReleaseProgram(program));
  fixture_close(&f);
}

const struct vb_test program_tests[] = {
    {"image goes round", image_goes_round},
    {"junk is refused", junk_is_refused},
    {"wrong hardware fails to build", wrong_hardware_fails_to_build},
    {"source has no compiler", source_has_no_compiler},
    {"built-in names are checked", builtin_names_are_checked},
    {0},
};
