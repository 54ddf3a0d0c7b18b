// SPDX-License-Identifier: Apache-2.0
// A unit that fails: the event says so, nothing behind it runs, the device works again.
#include "fixture.h"
#include <stdlib.h>
#include <string.h>

struct job {
  struct fixture f;
  cl_mem src, dst;
  cl_uint data[8];
};

static struct job job_open(cl_device_id device) {
  struct job j = {.f = fixture_open(device)};
  j.src = buffer(&j.f, 0, sizeof j.data);
  j.dst = buffer(&j.f, 0, sizeof j.data);
  for (cl_uint i = 0; i < 8; i++) j.data[i] = i + 1;
  OK(clEnqueueWriteBuffer(j.f.queue, j.src, CL_TRUE, 0, sizeof j.data, j.data, 0, NULL, NULL));
  return j;
}

static void job_close(struct job *j) {
  OK(clReleaseMemObject(j->src));
  OK(clReleaseMemObject(j->dst));
  fixture_close(&j->f);
}

// Memory survived, and the device computes.
static void check_works(struct job *j) {
  cl_uint back[8] = {0}, expected[8];
  for (cl_uint i = 0; i < 8; i++) expected[i] = 2 * j->data[i] + 1;
  set_scale(j->f.scale, j->src, j->dst, 8, 2, 1, 0);
  OK(run_once(&j->f, j->f.scale, NULL));
  OK(clEnqueueReadBuffer(j->f.queue, j->dst, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
  VB_EXPECT_SAME("scale", expected, back, 8);
}

static void fail_and_recover(cl_uint mode, cl_uint status, cl_uint code, const char *text) {
  struct job j = job_open(base);
  cl_event run = NULL, user = NULL;
  cl_verbatim_stats_VB s;
  cl_ulong ns = 0;
  set_scale(j.f.scale, j.src, j.dst, 8, 2, 1, mode);
  OK(run_once(&j.f, j.f.scale, &run));
  OK(clEnqueueMarkerWithWaitList(j.f.queue, 1, &run, &user));
  EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &run));
  EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &user));
  CU_ASSERT_EQUAL(status_of(run), CL_OUT_OF_RESOURCES);
  CU_ASSERT_EQUAL(status_of(user), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
  EXPECT_CL(CL_PROFILING_INFO_NOT_AVAILABLE,
            clGetEventProfilingInfo(run, CL_PROFILING_COMMAND_END, sizeof ns, &ns, NULL));
  OK(get_stats(run, sizeof s, &s));
  VB_CHECK(s.status == status && s.error_code == code, "status %u, error code %u", s.status, s.error_code);
  VB_CHECK(strstr(s.text, text) != NULL, "text '%s'", s.text);
  VB_CHECK(strstr(last_report, "verbatim-sim base: kernel scale: ") != NULL && strstr(last_report, text) != NULL,
           "report '%s'", last_report);
  OK(clReleaseEvent(run));
  OK(clReleaseEvent(user));
  check_works(&j);
  job_close(&j);
}

static void hang_meets_the_watchdog(void) {
  setenv("VERBATIM_SIM_WATCHDOG", "12345", 1);
  fail_and_recover(VB_DOUBLE_HANG, 3, 0, "state=WAIT_DATA");
  unsetenv("VERBATIM_SIM_WATCHDOG");
}
static void axi_error(void) { fail_and_recover(VB_DOUBLE_AXI, 2, 0, "DECERR on read"); }
static void unit_error(void) { fail_and_recover(VB_DOUBLE_UNIT_ERROR, 1, 17, ""); }
static void exception(void) { fail_and_recover(VB_DOUBLE_THROW, 4, 0, "$fatal: assertion fifo_overflow failed"); }
static void foreign_exception(void) { fail_and_recover(VB_DOUBLE_THROW_INT, 4, 0, "unknown exception"); }

// A unit that leaves its buffers is caught by the regions that the driver passes down.
static void stray_access_is_an_error(void) {
  struct job j = job_open(base);
  cl_event run = NULL;
  cl_verbatim_stats_VB s;
  set_scale(j.f.scale, j.src, j.dst, 9, 1, 1, 0); // one more than fits
  OK(run_once(&j.f, j.f.scale, &run));
  EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &run));
  OK(get_stats(run, sizeof s, &s));
  CU_ASSERT_STRING_EQUAL(s.text, "DECERR on read of src");
  OK(clReleaseEvent(run));
  check_works(&j);
  job_close(&j);
}

// Whatever the timing, what is enqueued behind an unseen failure does not run on wrong data.
static void nothing_runs_behind_an_unseen_failure(void) {
  struct job j = job_open(base);
  cl_uint back[8];
  for (int round = 0; round < 30; round++) {
    set_scale(j.f.scale, j.src, j.dst, 8, 2, 1, VB_DOUBLE_AXI);
    OK(run_once(&j.f, j.f.scale, NULL)); // no event: nobody can ask
    memset(back, 0xee, sizeof back);
    EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
              clEnqueueReadBuffer(j.f.queue, j.dst, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
    CU_ASSERT_EQUAL(back[0], 0xeeeeeeee);
    check_works(&j); // seen: goes on
    set_scale(j.f.scale, j.src, j.dst, 8, 2, 1, VB_DOUBLE_AXI);
    OK(run_once(&j.f, j.f.scale, NULL));
    EXPECT_CL(CL_OUT_OF_RESOURCES, clFinish(j.f.queue));
    OK(clFinish(j.f.queue));
    check_works(&j);
  }
  job_close(&j);
}

static void failed_user_event_fails_dependents(void) {
  struct job j = job_open(base);
  cl_int err = 0;
  cl_event gate = clCreateUserEvent(j.f.context, &err), run = NULL;
  cl_verbatim_stats_VB s;
  OK(err);
  set_scale(j.f.scale, j.src, j.dst, 8, 2, 1, 0);
  OK(clEnqueueTask(j.f.queue, j.f.scale, 1, &gate, &run));
  OK(clSetUserEventStatus(gate, -77));
  EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &run));
  CU_ASSERT_EQUAL(status_of(gate), -77);
  CU_ASSERT_EQUAL(status_of(run), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
  EXPECT_CL(CL_PROFILING_INFO_NOT_AVAILABLE, get_stats(run, sizeof s, &s)); // it never started
  CU_ASSERT_PTR_NULL(clEnqueueMapBuffer(j.f.queue, j.dst, CL_TRUE, CL_MAP_READ, 0, 4, 1, &gate, NULL, &err));
  EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, err);
  OK(clReleaseEvent(gate));
  OK(clReleaseEvent(run));
  check_works(&j);
  job_close(&j);
}

// The model cannot be rebuilt: the device is lost until its last context is gone.
static void lost_device_says_so(void) {
  for (int round = 0; round < 2; round++) {
    struct job j = job_open(tiny);
    cl_bool available = CL_FALSE;
    OK(clGetDeviceInfo(tiny, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL));
    CU_ASSERT_EQUAL(available, CL_TRUE);
    cl_event run = NULL, again = NULL;
    set_scale(j.f.scale, j.src, j.dst, 8, 2, 1, VB_DOUBLE_THROW);
    OK(run_once(&j.f, j.f.scale, &run));
    EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &run));
    CU_ASSERT_EQUAL(status_of(run), CL_DEVICE_NOT_AVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(last_report, "device lost: elaboration failed"));
    set_scale(j.f.scale, j.src, j.dst, 8, 2, 1, 0);
    OK(run_once(&j.f, j.f.scale, &again));
    EXPECT_CL(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &again));
    CU_ASSERT_EQUAL(status_of(again), CL_DEVICE_NOT_AVAILABLE);
    OK(clGetDeviceInfo(tiny, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL));
    CU_ASSERT_EQUAL(available, CL_FALSE);
    OK(clReleaseEvent(run));
    OK(clReleaseEvent(again));
    job_close(&j);
  }
}

const struct vb_test failure_tests[] = {
    {"hang meets the watchdog", hang_meets_the_watchdog},
    {"AXI error", axi_error},
    {"unit error", unit_error},
    {"exception", exception},
    {"foreign exception", foreign_exception},
    {"stray access is an error", stray_access_is_an_error},
    {"nothing runs behind an unseen failure", nothing_runs_behind_an_unseen_failure},
    {"failed user event fails dependents", failed_user_event_fails_dependents},
    {"lost device says so", lost_device_says_so},
    {0},
};
