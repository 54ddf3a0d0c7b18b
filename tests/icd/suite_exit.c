// SPDX-License-Identifier: Apache-2.0
// Programs that end while the driver is at work: in a child process, this executable again.
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

// Leaves everything as it is and exits with 42. No test runs here, so nothing can be asserted.
int exit_child(const char *how) {
  if (find_platform() != 0) return 1;
  cl_context context = clCreateContext(NULL, 1, &base, NULL, NULL, NULL);
  cl_command_queue queue = clCreateCommandQueue(context, base, 0, NULL);
  cl_program program = clCreateProgramWithBuiltInKernels(context, 1, &base, "scale", NULL);
  cl_kernel scale = clCreateKernel(program, "scale", NULL);
  cl_event event = clCreateUserEvent(context, NULL), run = NULL;
  cl_mem none = NULL;
  const cl_uint n = 0, b = 0, mode = VB_DOUBLE_HANG;
  const cl_ulong a = 0;
  const void *args[] = {&none, &none, &n, &a, &b, &mode};
  const size_t sizes[] = {sizeof none, sizeof none, sizeof n, sizeof a, sizeof b, sizeof mode};
  for (cl_uint i = 0; i < 6; i++)
    if (clSetKernelArg(scale, i, sizes[i], args[i]) != CL_SUCCESS) return 2;
  if (strcmp(how, "blocked") == 0) {
    if (clEnqueueTask(queue, scale, 1, &event, &run) != CL_SUCCESS) return 3;
  } else {
    if (clEnqueueTask(queue, scale, 0, NULL, &run) != CL_SUCCESS) return 3;
    cl_int status = CL_QUEUED;
    while (status > CL_RUNNING) clGetEventInfo(run, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    if (strcmp(how, "waiting") == 0) clWaitForEvents(1, &run);
  }
  exit(42);
}

// Exit status of the child; its output in text.
static int run_child(const char *how, char *text, size_t size) {
  char command[5000];
  setenv("VB_ICD_CHILD", how, 1);
  snprintf(command, sizeof command, "exec '%s/test_icd' 2>&1", directory);
  FILE *pipe = popen(command, "r");
  unsetenv("VB_ICD_CHILD");
  CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
  size_t n = fread(text, 1, size - 1, pipe);
  text[n] = '\0';
  int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void ends_during_a_run(void) {
  char text[4096];
  setenv("VERBATIM_SIM_WATCHDOG", "0", 1); // it would run for ever
  for (int i = 0; i < 3; i++) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    int status = run_child("running", text, sizeof text);
    clock_gettime(CLOCK_MONOTONIC, &to);
    VB_CHECK(status == 42, "status %d: %s", status, text);
    CU_ASSERT(to.tv_sec - from.tv_sec < 4); // stopped, not timed out
  }
  unsetenv("VERBATIM_SIM_WATCHDOG");
}

static void ends_with_a_blocked_queue(void) {
  char text[4096];
  int status = run_child("blocked", text, sizeof text);
  VB_CHECK(status == 42, "status %d: %s", status, text);
}

static void long_runs_say_that_they_live(void) {
  char text[4096];
  setenv("VERBATIM_SIM_HEARTBEAT", "1", 1);
  setenv("VERBATIM_SIM_WATCHDOG", "1100000", 1); // at about 1000 cycles a ms
  int status = run_child("waiting", text, sizeof text);
  VB_CHECK(status == 42, "status %d: %s", status, text);
  VB_CHECK(strstr(text, "verbatim-sim base: scale: ") != NULL && strstr(text, "Mcycles/s") != NULL, "said: %s", text);
  unsetenv("VERBATIM_SIM_HEARTBEAT");
  unsetenv("VERBATIM_SIM_WATCHDOG");
}

const struct vb_test exit_tests[] = {
    {"ends during a run", ends_during_a_run},
    {"ends with a blocked queue", ends_with_a_blocked_queue},
    {"long runs say that they live", long_runs_say_that_they_live},
    {0},
};
