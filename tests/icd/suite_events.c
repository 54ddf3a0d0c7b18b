// SPDX-License-Identifier: Apache-2.0
// Order, callbacks, user events, and the simulated clock.
#include "fixture.h"
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static cl_event gate_of(struct fixture *f) {
  cl_int err = 0;
  cl_event gate = clCreateUserEvent(f->context, &err);
  OK(err);
  return gate;
}

static void user_event_holds_back(void) {
  struct fixture f = fixture_open(base);
  cl_event gate = gate_of(&f), marker = NULL;
  cl_int err = 0;
  cl_command_type type = 0;
  cl_command_queue q = f.queue;
  OK(clEnqueueMarkerWithWaitList(f.queue, 1, &gate, &marker));
  CU_ASSERT(status_of(marker) > CL_COMPLETE);
  CU_ASSERT_EQUAL(status_of(gate), CL_SUBMITTED);
  OK(clGetEventInfo(gate, CL_EVENT_COMMAND_TYPE, sizeof type, &type, NULL));
  CU_ASSERT_EQUAL(type, CL_COMMAND_USER);
  OK(clGetEventInfo(gate, CL_EVENT_COMMAND_QUEUE, sizeof q, &q, NULL));
  CU_ASSERT_PTR_NULL(q);
  EXPECT_CL(CL_INVALID_VALUE, clSetUserEventStatus(gate, CL_RUNNING));
  EXPECT_CL(CL_INVALID_EVENT, clSetUserEventStatus(marker, CL_COMPLETE));
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_CL(CL_INVALID_OPERATION, clSetUserEventStatus(gate, CL_COMPLETE));
  OK(clWaitForEvents(1, &marker));
  CU_ASSERT_EQUAL(status_of(marker), CL_COMPLETE);
  EXPECT_CL(CL_INVALID_VALUE, clWaitForEvents(0, NULL));
  OK(clReleaseEvent(gate));
  OK(clReleaseEvent(marker));
  CU_ASSERT_PTR_NULL(clCreateUserEvent(NULL, &err));
  EXPECT_CL(CL_INVALID_CONTEXT, err);
  fixture_close(&f);
}

struct seen {
  atomic_int calls;
  cl_int status[4];
};

static void CL_CALLBACK note(cl_event event, cl_int status, void *user) {
  (void)event;
  struct seen *s = user;
  int i = atomic_load(&s->calls);
  if (i < 4) s->status[i] = status;
  atomic_store(&s->calls, i + 1);
}

static void wait_for_calls(struct seen *s, int n) {
  for (int i = 0; i < 5000 && atomic_load(&s->calls) < n; i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
  CU_ASSERT_EQUAL(atomic_load(&s->calls), n);
}

static void callbacks_come_once_each(void) {
  struct fixture f = fixture_open(base);
  cl_event gate = gate_of(&f), wall = gate_of(&f), first = NULL, event = NULL;
  OK(clEnqueueMarkerWithWaitList(f.queue, 1, &wall, &first)); // keeps the next one queued
  OK(clEnqueueMarkerWithWaitList(f.queue, 1, &gate, &event));
  struct seen s = {0};
  OK(clSetEventCallback(event, CL_COMPLETE, note, &s));
  OK(clSetEventCallback(event, CL_RUNNING, note, &s));
  OK(clSetEventCallback(event, CL_SUBMITTED, note, &s));
  EXPECT_CL(CL_INVALID_VALUE, clSetEventCallback(event, CL_QUEUED, note, &s));
  EXPECT_CL(CL_INVALID_VALUE, clSetEventCallback(event, CL_COMPLETE, NULL, &s));
  OK(clSetUserEventStatus(wall, CL_COMPLETE));
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  wait_for_calls(&s, 3);
  CU_ASSERT(s.status[0] == CL_SUBMITTED && s.status[1] == CL_RUNNING && s.status[2] == CL_COMPLETE);
  OK(clSetEventCallback(event, CL_COMPLETE, note, &s)); // it is over: at once
  CU_ASSERT_EQUAL(atomic_load(&s.calls), 4);
  OK(clReleaseEvent(gate));
  OK(clReleaseEvent(wall));
  OK(clReleaseEvent(first));
  OK(clReleaseEvent(event));
  fixture_close(&f);
}

static void queues_wait_for_each_other(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  cl_command_queue other = clCreateCommandQueue(f.context, base, CL_QUEUE_PROFILING_ENABLE, &err);
  OK(err);
  cl_uint data[64], back[64], expected[64];
  for (cl_uint i = 0; i < 64; i++) {
    data[i] = i;
    expected[i] = 3 * i + 1;
  }
  cl_mem src = buffer(&f, 0, sizeof data), dst = buffer(&f, 0, sizeof data);
  cl_event written = NULL, run = NULL, read = NULL;
  cl_event gate = gate_of(&f);
  OK(clEnqueueWriteBuffer(other, src, CL_FALSE, 0, sizeof data, data, 1, &gate, &written));
  set_scale(f.scale, src, dst, 64, 3, 1, VB_DOUBLE_SLOW);
  OK(clEnqueueTask(f.queue, f.scale, 1, &written, &run));
  OK(clEnqueueReadBuffer(other, dst, CL_FALSE, 0, sizeof back, back, 1, &run, &read));
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  OK(clWaitForEvents(1, &read));
  VB_EXPECT_SAME("scale", expected, back, 64);
  CU_ASSERT(profile(run, CL_PROFILING_COMMAND_START) >= profile(written, CL_PROFILING_COMMAND_END));
  CU_ASSERT(profile(read, CL_PROFILING_COMMAND_START) >= profile(run, CL_PROFILING_COMMAND_END));
  OK(clReleaseEvent(gate));
  OK(clReleaseEvent(written));
  OK(clReleaseEvent(run));
  OK(clReleaseEvent(read));
  OK(clReleaseCommandQueue(other));
  OK(clReleaseMemObject(src));
  OK(clReleaseMemObject(dst));
  fixture_close(&f);
}

// Times are simulated ones: exact numbers, whatever the machine's load.
static void clock_is_simulated(void) {
  struct fixture f = fixture_open(base);
  cl_mem src = buffer(&f, 0, 8000), dst = buffer(&f, 0, 8000);
  static const cl_uint data[2000];
  cl_event events[4] = {NULL};
  OK(clEnqueueWriteBuffer(f.queue, src, CL_FALSE, 0, sizeof data, data, 0, NULL, &events[0]));
  set_scale(f.scale, src, dst, 990, 1, 0, 0);
  OK(run_once(&f, f.scale, &events[1]));
  OK(clEnqueueCopyBuffer(f.queue, src, dst, 0, 0, 8000, 0, NULL, &events[2]));
  OK(clEnqueueMarkerWithWaitList(f.queue, 0, NULL, &events[3]));
  OK(clFinish(f.queue));
  // 1 us + 8000 bytes at 8000 bytes/us; 1000 cycles of 4 ns; twice the bytes; nothing.
  const cl_ulong expected[4] = {2000, 4000, 3000, 0};
  cl_ulong last = 0;
  for (int i = 0; i < 4; i++) {
    cl_ulong queued = profile(events[i], CL_PROFILING_COMMAND_QUEUED);
    cl_ulong submit = profile(events[i], CL_PROFILING_COMMAND_SUBMIT);
    cl_ulong start = profile(events[i], CL_PROFILING_COMMAND_START);
    cl_ulong end = profile(events[i], CL_PROFILING_COMMAND_END);
    CU_ASSERT(0 < queued && queued <= submit && submit <= start && start <= end);
    CU_ASSERT(start >= last); // in order
    VB_CHECK(end - start == expected[i], "command %d took %llu ns", i, (unsigned long long)(end - start));
    last = end;
  }
  vb_test_compared("profiling", 4);
  cl_verbatim_stats_VB s;
  OK(get_stats(events[1], sizeof s, &s));
  CU_ASSERT(s.cycles == 1000 && s.busy == 990 && s.stalls[0] == 7 && s.stalls[1] == 3 && s.stalls[2] == 0);
  CU_ASSERT(s.bytes_read == 3960 && s.bytes_written == 3960 && s.status == 0 && s.error_code == 0 && s.text[0] == 0);
  EXPECT_CL(CL_INVALID_EVENT, get_stats(events[0], sizeof s, &s));
  EXPECT_CL(CL_INVALID_VALUE, get_stats(events[1], 8, &s));
  for (int i = 0; i < 4; i++) OK(clReleaseEvent(events[i]));
  OK(clReleaseMemObject(src));
  OK(clReleaseMemObject(dst));
  fixture_close(&f);
}

static void transfers_overlap_with_runs(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  cl_command_queue dma = clCreateCommandQueue(f.context, base, CL_QUEUE_PROFILING_ENABLE, &err);
  OK(err);
  cl_mem src = buffer(&f, 0, 4000), dst = buffer(&f, 0, 4000), next = buffer(&f, 0, 80000);
  static const cl_uchar data[80000];
  cl_event gate = gate_of(&f), both[2] = {NULL};
  set_scale(f.scale, src, dst, 1000, 1, 1, 0);
  OK(clEnqueueTask(f.queue, f.scale, 1, &gate, &both[0]));
  OK(clEnqueueWriteBuffer(dma, next, CL_FALSE, 0, sizeof data, data, 1, &gate, &both[1]));
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  OK(clWaitForEvents(2, both));
  CU_ASSERT_EQUAL(profile(both[0], CL_PROFILING_COMMAND_START), profile(both[1], CL_PROFILING_COMMAND_START));
  OK(clReleaseEvent(gate));
  OK(clReleaseEvent(both[0]));
  OK(clReleaseEvent(both[1]));
  OK(clReleaseCommandQueue(dma));
  OK(clReleaseMemObject(src));
  OK(clReleaseMemObject(dst));
  OK(clReleaseMemObject(next));
  fixture_close(&f);
}

static void no_times_without_profiling(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0;
  cl_ulong ns = 0;
  cl_command_queue plain = clCreateCommandQueue(f.context, base, 0, &err);
  cl_event gate = gate_of(&f), a = NULL, b = NULL;
  OK(clEnqueueMarker(plain, &a));
  OK(clEnqueueWaitForEvents(f.queue, 1, &gate));
  OK(clEnqueueBarrier(f.queue));
  OK(clEnqueueBarrierWithWaitList(f.queue, 0, NULL, &b));
  OK(clFinish(plain));
  EXPECT_CL(CL_PROFILING_INFO_NOT_AVAILABLE,
            clGetEventProfilingInfo(a, CL_PROFILING_COMMAND_END, sizeof ns, &ns, NULL));
  EXPECT_CL(CL_PROFILING_INFO_NOT_AVAILABLE, // not over yet
            clGetEventProfilingInfo(b, CL_PROFILING_COMMAND_END, sizeof ns, &ns, NULL));
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  OK(clFinish(f.queue));
  CU_ASSERT(profile(b, CL_PROFILING_COMMAND_END) > 0);
  OK(clReleaseEvent(a));
  OK(clReleaseEvent(b));
  OK(clReleaseEvent(gate));
  OK(clReleaseCommandQueue(plain));
  fixture_close(&f);
}

const struct vb_test event_tests[] = {
    {"user event holds back", user_event_holds_back},
    {"callbacks come once each", callbacks_come_once_each},
    {"queues wait for each other", queues_wait_for_each_other},
    {"clock is simulated", clock_is_simulated},
    {"transfers overlap with runs", transfers_overlap_with_runs},
    {"no times without profiling", no_times_without_profiling},
    {0},
};
