// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"
#include <CL/cl_icd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void describes_itself(void) {
  static const struct {
    cl_platform_info name;
    const char *value;
  } expected[] = {
      {CL_PLATFORM_NAME, "Verbatim Simulator"},
      {CL_PLATFORM_VENDOR, "Verbatim"},
      {CL_PLATFORM_PROFILE, "EMBEDDED_PROFILE"},
      {CL_PLATFORM_VERSION, "OpenCL 1.2 Verbatim"},
      {CL_PLATFORM_EXTENSIONS, "cl_khr_icd cl_verbatim_stats"},
      {CL_PLATFORM_ICD_SUFFIX_KHR, "VB"},
  };
  char text[128];
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    size_t bytes = 0;
    OK(clGetPlatformInfo(platform, expected[i].name, sizeof text, text, &bytes));
    CU_ASSERT_STRING_EQUAL(text, expected[i].value);
    CU_ASSERT_EQUAL(bytes, strlen(expected[i].value) + 1);
  }
  EXPECT_CL(CL_INVALID_VALUE, clGetPlatformInfo(platform, CL_PLATFORM_NAME, 3, text, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clGetPlatformInfo(platform, 0x7777, sizeof text, text, NULL));
}

static void lists_devices_by_type(void) {
  cl_device_id list[4] = {0};
  cl_uint n = 0;
  OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 4, list, &n));
  CU_ASSERT(n == 2 && list[0] == base && list[1] == tiny && list[2] == NULL);
  OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_DEFAULT, 4, list, &n));
  CU_ASSERT(n == 1 && list[0] == base);
  OK(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ACCELERATOR, 1, list, &n));
  CU_ASSERT(n == 2);
  EXPECT_CL(CL_DEVICE_NOT_FOUND, clGetDeviceIDs(platform, CL_DEVICE_TYPE_GPU, 4, list, &n));
  EXPECT_CL(CL_DEVICE_NOT_FOUND, clGetDeviceIDs(platform, CL_DEVICE_TYPE_CUSTOM, 4, list, &n));
  EXPECT_CL(CL_INVALID_DEVICE_TYPE, clGetDeviceIDs(platform, 0, 4, list, &n));
  EXPECT_CL(CL_INVALID_VALUE, clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, list, &n));
  EXPECT_CL(CL_INVALID_VALUE, clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, NULL));
}

static void device_tells_the_truth(void) {
  char text[256];
  cl_bool flag = CL_TRUE;
  cl_uint number = 0;
  cl_ulong wide = 0;
  cl_device_type type = 0;
  OK(clGetDeviceInfo(base, CL_DEVICE_NAME, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "verbatim-sim base");
  OK(clGetDeviceInfo(base, CL_DEVICE_BUILT_IN_KERNELS, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "scale;sum");
  OK(clGetDeviceInfo(base, CL_DEVICE_TYPE, sizeof type, &type, NULL));
  CU_ASSERT_EQUAL(type, CL_DEVICE_TYPE_ACCELERATOR);
  OK(clGetDeviceInfo(base, CL_DEVICE_COMPILER_AVAILABLE, sizeof flag, &flag, NULL));
  CU_ASSERT_EQUAL(flag, CL_FALSE);
  OK(clGetDeviceInfo(base, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof number, &number, NULL));
  CU_ASSERT_EQUAL(number, 1024);
  OK(clGetDeviceInfo(base, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof number, &number, NULL));
  CU_ASSERT_EQUAL(number, 250);
  OK(clGetDeviceInfo(base, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof wide, &wide, NULL));
  CU_ASSERT_EQUAL(wide, 256u << 20);
  OK(clGetDeviceInfo(tiny, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof wide, &wide, NULL));
  CU_ASSERT_EQUAL(wide, (1u << 20) - 4096); // its DRAM starts at 0, which no buffer may have
  OK(clGetDeviceInfo(base, CL_DEVICE_VERBATIM_TABLE_HASH_VB, sizeof wide, &wide, NULL));
  CU_ASSERT_EQUAL(wide, 0x1122334455667788u);
  OK(clGetDeviceInfo(base, CL_DEVICE_VERBATIM_CONFIGURATION_VB, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "double lanes=8");
  OK(clGetDeviceInfo(base, CL_DEVICE_VERBATIM_CLOCK_PERIOD_VB, sizeof number, &number, NULL));
  CU_ASSERT_EQUAL(number, 4000);
  OK(clGetDeviceInfo(base, CL_DEVICE_VERBATIM_STALL_NAMES_VB, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "memory;drain;;;;;;");
  EXPECT_CL(CL_INVALID_VALUE, clGetDeviceInfo(base, 0x7777, sizeof text, text, NULL));
  OK(clRetainDevice(base));
  OK(clReleaseDevice(base));
}

// Loaders call through any slot without looking.
static void every_dispatch_slot_is_filled(void) {
  const cl_icd_dispatch *table = *(const cl_icd_dispatch **)platform;
  void *slots[sizeof *table / sizeof(void *)];
  memcpy(slots, table, sizeof *table);
  size_t n = sizeof slots / sizeof *slots;
  CU_ASSERT_EQUAL(n, 149);
  for (size_t i = 0; i < n; i++) VB_CHECK(slots[i] != NULL, "slot %zu is NULL", i);
  CU_ASSERT_PTR_EQUAL(*(const cl_icd_dispatch **)base, table);
}

static void stubs_refuse(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
  CU_ASSERT_PTR_NULL(clCreateImage2D(f.context, CL_MEM_READ_ONLY, &format, 4, 4, 0, NULL, &err));
  EXPECT_CL(CL_INVALID_OPERATION, err);
  CU_ASSERT_PTR_NULL(clCreateSampler(f.context, CL_FALSE, CL_ADDRESS_CLAMP, CL_FILTER_NEAREST, &err));
  EXPECT_CL(CL_INVALID_OPERATION, err);
  CU_ASSERT_PTR_NULL(clCreatePipe(f.context, 0, 4, 4, NULL, &err));
  EXPECT_CL(CL_INVALID_OPERATION, err);
  CU_ASSERT_PTR_NULL(clSVMAlloc(f.context, CL_MEM_READ_WRITE, 16, 0));
  CU_ASSERT_PTR_NULL(clCloneKernel(f.scale, NULL));
  EXPECT_CL(CL_INVALID_OPERATION, clSetKernelArgSVMPointer(f.scale, 0, NULL));
  EXPECT_CL(CL_INVALID_OPERATION, clEnqueueNativeKernel(f.queue, NULL, NULL, 0, 0, NULL, NULL, 0, NULL, NULL));
  fixture_close(&f);
}

static void extension_only_by_its_name(void) {
  CU_ASSERT_PTR_NOT_NULL(clGetExtensionFunctionAddressForPlatform(platform, "clGetEventVerbatimStatsVB"));
  CU_ASSERT_PTR_NULL(clGetExtensionFunctionAddressForPlatform(platform, "clGetEventVerbatimStats"));
}

#if !VB_SANITIZED // an ordinary clinfo cannot load a driver that needs a sanitizer's run-time library
static void clinfo_shows_the_devices(void) {
  FILE *pipe = popen("clinfo --list 2>&1", "r");
  CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
  char text[4096];
  size_t n = fread(text, 1, sizeof text - 1, pipe);
  text[n] = '\0';
  int status = pclose(pipe);
  VB_CHECK(status == 0, "clinfo: status %d: %s", status, text);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "Verbatim Simulator"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "verbatim-sim base"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "verbatim-sim tiny"));
}
#endif

const struct vb_test platform_tests[] = {
    {"describes itself", describes_itself},
    {"lists devices by type", lists_devices_by_type},
    {"device tells the truth", device_tells_the_truth},
    {"every dispatch slot is filled", every_dispatch_slot_is_filled},
    {"stubs refuse", stubs_refuse},
    {"extension only by its name", extension_only_by_its_name},
    {0},
};

// ---- with PoCL in the same process --------------------------------------------------------------

static cl_device_id other_device(void) {
  cl_platform_id list[16];
  cl_uint n = 0;
  OK(clGetPlatformIDs(16, list, &n));
  for (cl_uint i = 0; i < n && i < 16; i++) {
    cl_device_id device = NULL;
    char name[128] = "";
    clGetPlatformInfo(list[i], CL_PLATFORM_NAME, sizeof name, name, NULL);
    if (strcmp(name, "Portable Computing Language") != 0) continue;
    if (clGetDeviceIDs(list[i], CL_DEVICE_TYPE_CPU, 1, &device, NULL) == CL_SUCCESS) return device;
  }
  return NULL;
}

// The same bytes through both drivers, with the extension absent from the other one.
static void lives_beside_pocl(void) {
  cl_device_id other = other_device();
  CU_ASSERT_PTR_NOT_NULL_FATAL(other);
  cl_platform_id other_platform = NULL;
  OK(clGetDeviceInfo(other, CL_DEVICE_PLATFORM, sizeof other_platform, &other_platform, NULL));
  CU_ASSERT_PTR_NULL(clGetExtensionFunctionAddressForPlatform(other_platform, "clGetEventVerbatimStatsVB"));
  cl_int err = 0;
  cl_context context = clCreateContext(NULL, 1, &other, NULL, NULL, &err);
  OK(err);
  cl_command_queue queue = clCreateCommandQueue(context, other, 0, &err);
  OK(err);
  cl_mem mem = clCreateBuffer(context, CL_MEM_READ_WRITE, 64, NULL, &err);
  OK(err);
  struct fixture f = fixture_open(base);
  cl_mem ours = buffer(&f, CL_MEM_READ_WRITE, 64);
  cl_uint data[16], back[16] = {0};
  for (cl_uint i = 0; i < 16; i++) data[i] = i * 0x01010101u;
  OK(clEnqueueWriteBuffer(queue, mem, CL_TRUE, 0, sizeof data, data, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(queue, mem, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
  OK(clEnqueueWriteBuffer(f.queue, ours, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
  memset(back, 0, sizeof back);
  OK(clEnqueueReadBuffer(f.queue, ours, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
  VB_EXPECT_SAME("transfer", data, back, 16);
  EXPECT_CL(CL_INVALID_MEM_OBJECT, clSetKernelArg(f.scale, 0, sizeof mem, &mem)); // not ours
  OK(clReleaseMemObject(ours));
  fixture_close(&f);
  OK(clReleaseMemObject(mem));
  OK(clReleaseCommandQueue(queue));
  OK(clReleaseContext(context));
}

const struct vb_test pocl_tests[] = {
    {"lives beside PoCL", lives_beside_pocl},
#if !VB_SANITIZED
    {"clinfo shows the devices", clinfo_shows_the_devices},
#endif
    {0},
};
