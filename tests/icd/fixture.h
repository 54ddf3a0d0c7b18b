// SPDX-License-Identifier: Apache-2.0
// What the driver's suites share: the simulated devices, found through the ordinary ICD loader.
#ifndef VB_TESTS_ICD_FIXTURE_H
#define VB_TESTS_ICD_FIXTURE_H

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#include "double.h"
#include "icd/cl_verbatim.h"
#include "support/harness.h"

// Checks an error code and shows it when it is another one.
#define EXPECT_CL(expected, call)                                                             \
  do {                                                                                        \
    cl_int got_ = (call);                                                                     \
    VB_CHECK(got_ == (expected), "%s gave %d, expected %d", #call, got_, (cl_int)(expected)); \
  } while (0)
#define OK(call) EXPECT_CL(CL_SUCCESS, call)

struct fixture {
  cl_context context;
  cl_command_queue queue;
  cl_program program; // every kernel of the device
  cl_kernel scale, sum;
};

extern cl_platform_id platform;
extern cl_device_id base, tiny;
extern clGetEventVerbatimStatsVB_fn get_stats;
extern char last_report[512]; // what the contexts of fixtures were told
extern char directory[4096];  // of this executable

void CL_CALLBACK on_report(const char *text, const void *data, size_t bytes, void *user);
int find_platform(void);                                   // suite setup
cl_context open_context(cl_device_id device, cl_int *err); // errors are told to last_report
struct fixture fixture_open(cl_device_id device);
void fixture_close(struct fixture *f);
cl_mem buffer(struct fixture *f, cl_mem_flags flags, size_t bytes);
void set_scale(cl_kernel scale, cl_mem src, cl_mem dst, cl_uint n, cl_ulong a, cl_uint b, cl_uint mode);
cl_int run_once(struct fixture *f, cl_kernel kernel, cl_event *event); // NDRange of one work-item
cl_int status_of(cl_event event);
cl_ulong profile(cl_event event, cl_profiling_info name);

extern const struct vb_test platform_tests[], pocl_tests[], object_tests[], memory_tests[], program_tests[],
    kernel_tests[], event_tests[], failure_tests[], exit_tests[];
int exit_child(const char *how); // what the tests of exit_tests start

#endif
