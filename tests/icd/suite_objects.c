// SPDX-License-Identifier: Apache-2.0
// Contexts, queues, and how long objects live.
#include "fixture.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void context_errors(void) {
  cl_int err = 0;
  cl_context_properties wrong[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0x7777, 1, 0};
  CU_ASSERT_PTR_NULL(clCreateContext(wrong, 1, &base, NULL, NULL, &err));
  EXPECT_CL(CL_INVALID_PROPERTY, err);
  CU_ASSERT_PTR_NULL(clCreateContext(NULL, 1, &base, NULL, &err, &err));
  EXPECT_CL(CL_INVALID_VALUE, err);
  cl_device_id both[] = {base, tiny};
  cl_context c = clCreateContext(NULL, 2, both, on_report, NULL, &err);
  CU_ASSERT_PTR_NULL(c);
  EXPECT_CL(CL_OUT_OF_RESOURCES, err);
  CU_ASSERT_PTR_NOT_NULL(strstr(last_report, "one context for each"));
  cl_context_properties good[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0};
  c = clCreateContextFromType(good, CL_DEVICE_TYPE_ACCELERATOR, NULL, NULL, &err);
  OK(err);
  cl_device_id device = NULL;
  cl_context_properties back[3] = {0};
  size_t bytes = 0;
  OK(clGetContextInfo(c, CL_CONTEXT_DEVICES, sizeof device, &device, NULL));
  CU_ASSERT_PTR_EQUAL(device, base);
  OK(clGetContextInfo(c, CL_CONTEXT_PROPERTIES, sizeof back, back, &bytes));
  CU_ASSERT(bytes == sizeof good && memcmp(back, good, bytes) == 0);
  OK(clReleaseContext(c));
}

// The environment is checked when a device is opened; what is wrong is said, not guessed.
static void environment_errors(void) {
  static const struct {
    const char *name, *value, *text;
  } bad[] = {
      {"VERBATIM_SIM_SEED", "12x", "VERBATIM_SIM_SEED=12x: not an unsigned"},
      {"VERBATIM_SIM_SEED", "-1", "not an unsigned"},
      {"VERBATIM_SIM_WATCHDOG", "99999999999999999999", "not an unsigned"},
      {"VERBATIM_SIM_HEARTBEAT", "1.5", "not an unsigned"},
      {"VERBATIM_SIM_DRAM", "ddr9", "unknown DRAM part 'ddr9'"},
      {"VERBATIM_SIM_DRAM", "throw", "model cannot be built"},
      {"VERBATIM_SIM_TRACE_WINDOW", "1:2", "VERBATIM_SIM_TRACE names no file"},
      {"VERBATIM_SIM_TRACE_WINDOW", "9:2", "FIRST <= LAST"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    setenv(bad[i].name, bad[i].value, 1);
    cl_int err = 0;
    CU_ASSERT_PTR_NULL(open_context(base, &err));
    EXPECT_CL(CL_DEVICE_NOT_AVAILABLE, err);
    VB_CHECK(strstr(last_report, bad[i].text) != NULL, "said '%s', expected '%s'", last_report, bad[i].text);
    unsetenv(bad[i].name);
  }
}

// Every variable arrives at the simulator: the double says what it got.
static void environment_arrives(void) {
  static const char *const set[][2] = {
      {"VERBATIM_SIM_SEED", "0x10"},    {"VERBATIM_SIM_DRAM", "ddr-test"},      {"VERBATIM_SIM_TRACE", "a.fst"},
      {"VERBATIM_SIM_OPTIONS", "echo"}, {"VERBATIM_SIM_FAULT", "axi:slverr@1"}, {"VERBATIM_SIM_TRACE_WINDOW", "5:9"},
  };
  for (size_t i = 0; i < sizeof set / sizeof *set; i++) setenv(set[i][0], set[i][1], 1);
  cl_int err = 0;
  CU_ASSERT_PTR_NULL(open_context(base, &err));
  CU_ASSERT_STRING_EQUAL(last_report, "verbatim-sim base: dram=ddr-test seed=1:16 trace=a.fst window=5:9");
  unsetenv("VERBATIM_SIM_OPTIONS");
  // Without the echo all of it is legal, and what changes cycle counts shows in the configuration.
  const char *const varied = "double lanes=8 dram-override=ddr-test seed=16 fault=axi:slverr@1";
  char text[256];
  OK(clGetDeviceInfo(base, CL_DEVICE_VERBATIM_CONFIGURATION_VB, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, varied);
  struct fixture f = fixture_open(base);
  for (size_t i = 0; i < sizeof set / sizeof *set; i++) unsetenv(set[i][0]);
  OK(clGetDeviceInfo(base, CL_DEVICE_VERBATIM_CONFIGURATION_VB, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, varied); // it was opened so
  fixture_close(&f);
  OK(clGetDeviceInfo(base, CL_DEVICE_VERBATIM_CONFIGURATION_VB, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "double lanes=8");
}

static void counts_references(void) {
  struct fixture f = fixture_open(base);
  cl_uint n = 0;
  OK(clGetContextInfo(f.context, CL_CONTEXT_REFERENCE_COUNT, sizeof n, &n, NULL));
  CU_ASSERT_EQUAL(n, 1); // the queue's and the program's own references do not show
  OK(clRetainContext(f.context));
  OK(clGetContextInfo(f.context, CL_CONTEXT_REFERENCE_COUNT, sizeof n, &n, NULL));
  CU_ASSERT_EQUAL(n, 2);
  OK(clReleaseContext(f.context));
  OK(clRetainCommandQueue(f.queue));
  OK(clGetCommandQueueInfo(f.queue, CL_QUEUE_REFERENCE_COUNT, sizeof n, &n, NULL));
  CU_ASSERT_EQUAL(n, 2);
  OK(clReleaseCommandQueue(f.queue));
  OK(clRetainProgram(f.program));
  OK(clReleaseProgram(f.program));
  OK(clRetainKernel(f.scale));
  OK(clGetKernelInfo(f.scale, CL_KERNEL_REFERENCE_COUNT, sizeof n, &n, NULL));
  CU_ASSERT_EQUAL(n, 2);
  OK(clReleaseKernel(f.scale));
  fixture_close(&f);
}

// Parents may be released first: children hold what they need.
static void children_outlive_released_parents(void) {
  struct fixture f = fixture_open(base);
  cl_mem src = buffer(&f, CL_MEM_READ_WRITE, 4096), dst = buffer(&f, CL_MEM_READ_WRITE, 4096);
  OK(clReleaseContext(f.context));
  OK(clReleaseProgram(f.program));
  EXPECT_CL(CL_INVALID_PROGRAM, clReleaseProgram(f.program)); // alive, but no longer ours to release
  cl_context c = NULL;
  OK(clGetKernelInfo(f.scale, CL_KERNEL_CONTEXT, sizeof c, &c, NULL));
  CU_ASSERT_PTR_EQUAL(c, f.context);
  cl_uint data[4] = {1, 2, 3, 4}, back[4] = {0}, expected[4] = {15, 25, 35, 45};
  OK(clEnqueueWriteBuffer(f.queue, src, CL_FALSE, 0, sizeof data, data, 0, NULL, NULL));
  set_scale(f.scale, src, dst, 4, 10, 5, VB_DOUBLE_SLOW);
  cl_event done = NULL, read = NULL;
  OK(run_once(&f, f.scale, &done));
  OK(clEnqueueReadBuffer(f.queue, dst, CL_FALSE, 0, sizeof back, back, 0, NULL, &read));
  OK(clReleaseMemObject(src));
  OK(clReleaseMemObject(dst));
  OK(clReleaseKernel(f.scale));
  OK(clReleaseKernel(f.sum));
  OK(clReleaseCommandQueue(f.queue)); // with work in flight
  OK(clWaitForEvents(1, &read));
  VB_EXPECT_SAME("scale", expected, back, 4);
  OK(clReleaseEvent(done));
  OK(clReleaseEvent(read));
}

// A handle that a query gives can be retained, even after the application's own were released.
static void retains_what_a_child_holds(void) {
  struct fixture f = fixture_open(base);
  cl_context c = NULL;
  cl_uint n = 9;
  OK(clReleaseContext(f.context));
  OK(clGetCommandQueueInfo(f.queue, CL_QUEUE_CONTEXT, sizeof c, &c, NULL));
  OK(clGetContextInfo(c, CL_CONTEXT_REFERENCE_COUNT, sizeof n, &n, NULL));
  CU_ASSERT_EQUAL(n, 0);
  OK(clRetainContext(c));
  OK(clReleaseKernel(f.scale));
  OK(clReleaseKernel(f.sum));
  OK(clReleaseProgram(f.program));
  OK(clReleaseCommandQueue(f.queue));
  cl_mem mem = buffer(&f, 0, 64); // the last thing alive is the context
  OK(clReleaseMemObject(mem));
  OK(clReleaseContext(c));
}

// Releasing does not wait for work that cannot go on yet.
static void queue_released_while_blocked(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  cl_command_queue q = clCreateCommandQueue(f.context, base, 0, &err);
  OK(err);
  cl_event gate = clCreateUserEvent(f.context, &err), marker = NULL;
  OK(err);
  OK(clEnqueueMarkerWithWaitList(q, 1, &gate, &marker));
  OK(clReleaseCommandQueue(q));
  CU_ASSERT(status_of(marker) > CL_COMPLETE);
  EXPECT_CL(CL_INVALID_COMMAND_QUEUE, clRetainCommandQueue(q));
  EXPECT_CL(CL_INVALID_COMMAND_QUEUE, clEnqueueBarrier(q));
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  OK(clWaitForEvents(1, &marker));
  OK(clReleaseEvent(marker));
  OK(clReleaseEvent(gate));
  fixture_close(&f);
}

static void CL_CALLBACK release_queue(cl_event event, cl_int status, void *user) {
  (void)event;
  (void)status;
  clReleaseCommandQueue(user);
}

// The worker thread itself lets go of the queue: it must not wait for itself.
static void queue_released_in_its_callback(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  cl_command_queue q = clCreateCommandQueue(f.context, base, 0, &err);
  OK(err);
  cl_event gate = clCreateUserEvent(f.context, &err), marker = NULL;
  OK(err);
  OK(clEnqueueMarkerWithWaitList(q, 1, &gate, &marker));
  OK(clSetEventCallback(marker, CL_COMPLETE, release_queue, q));
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  OK(clWaitForEvents(1, &marker));
  OK(clReleaseEvent(marker));
  OK(clReleaseEvent(gate));
  fixture_close(&f);
}

static void queue_errors(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  CU_ASSERT_PTR_NULL(clCreateCommandQueue(f.context, tiny, 0, &err));
  EXPECT_CL(CL_INVALID_DEVICE, err);
  CU_ASSERT_PTR_NULL(clCreateCommandQueue(f.context, base, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &err));
  EXPECT_CL(CL_INVALID_QUEUE_PROPERTIES, err);
  CU_ASSERT_PTR_NULL(clCreateCommandQueue(f.context, base, 1u << 20, &err));
  EXPECT_CL(CL_INVALID_VALUE, err);
  cl_queue_properties p[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
  cl_command_queue q = clCreateCommandQueueWithProperties(f.context, base, p, &err);
  OK(err);
  cl_command_queue_properties back = 0;
  OK(clGetCommandQueueInfo(q, CL_QUEUE_PROPERTIES, sizeof back, &back, NULL));
  CU_ASSERT_EQUAL(back, CL_QUEUE_PROFILING_ENABLE);
  OK(clFlush(q));
  OK(clFinish(q));
  OK(clReleaseCommandQueue(q));
  fixture_close(&f);
}

// Many threads, one context: each checks its own results.
struct worker {
  struct fixture *f;
  cl_uint id;
  int wrong;
};

static void *hammer(void *user) {
  struct worker *w = user;
  cl_int err = 0;
  cl_command_queue q = clCreateCommandQueue(w->f->context, base, 0, &err);
  cl_kernel k = clCreateKernel(w->f->program, "scale", &err);
  if (q == NULL || k == NULL) w->wrong++;
  for (cl_uint round = 0; round < 20 && w->wrong == 0; round++) {
    cl_uint data[64], back[64] = {0}, n = 64, b = round, mode = 0;
    cl_ulong a = w->id;
    for (cl_uint i = 0; i < n; i++) data[i] = i;
    cl_mem src = clCreateBuffer(w->f->context, CL_MEM_COPY_HOST_PTR, sizeof data, data, &err);
    cl_mem dst = clCreateBuffer(w->f->context, 0, sizeof data, NULL, &err);
    const void *args[] = {&src, &dst, &n, &a, &b, &mode};
    const size_t sizes[] = {sizeof src, sizeof dst, 4, 8, 4, 4};
    for (cl_uint i = 0; i < 6; i++) w->wrong += clSetKernelArg(k, i, sizes[i], args[i]) != CL_SUCCESS;
    w->wrong += clEnqueueTask(q, k, 0, NULL, NULL) != CL_SUCCESS;
    w->wrong += clEnqueueReadBuffer(q, dst, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL) != CL_SUCCESS;
    for (cl_uint i = 0; i < n; i++) w->wrong += back[i] != w->id * i + round;
    clReleaseMemObject(src);
    clReleaseMemObject(dst);
  }
  clReleaseKernel(k);
  clReleaseCommandQueue(q);
  return NULL;
}

static void threads_share_a_context(void) {
  struct fixture f = fixture_open(base);
  pthread_t threads[6];
  struct worker workers[6];
  for (cl_uint i = 0; i < 6; i++) {
    workers[i] = (struct worker){&f, i + 1, 0};
    CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, hammer, &workers[i]), 0);
  }
  for (cl_uint i = 0; i < 6; i++) {
    pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(workers[i].wrong, 0);
  }
  vb_test_compared("scale", 6 * 20 * 64);
  fixture_close(&f);
}

const struct vb_test object_tests[] = {
    {"context errors", context_errors},
    {"environment errors", environment_errors},
    {"environment arrives", environment_arrives},
    {"counts references", counts_references},
    {"children outlive released parents", children_outlive_released_parents},
    {"retains what a child holds", retains_what_a_child_holds},
    {"queue released while blocked", queue_released_while_blocked},
    {"queue released in its callback", queue_released_in_its_callback},
    {"queue errors", queue_errors},
    {"threads share a context", threads_share_a_context},
    {0},
};
