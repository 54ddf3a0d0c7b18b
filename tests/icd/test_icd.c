// SPDX-License-Identifier: Apache-2.0
//
// The OpenCL driver over a test double, through the ordinary ICD loader and beside PoCL.
// VB_ICD_ONLY=1 leaves PoCL out, for memcheck: LLVM leaks by design.
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char directory[4096]; // of this executable, with the .icd directory in it

static int choose_vendors(bool only) {
  ssize_t n = readlink("/proc/self/exe", directory, sizeof directory - 1);
  if (n <= 0) return -1;
  directory[n] = '\0';
  *strrchr(directory, '/') = '\0';
  char path[sizeof directory + 32];
  // Before the first OpenCL call; what make's caller had set is for its own devices.
  snprintf(path, sizeof path, "%s/vendors%s", directory, only ? "/verbatim.icd" : "");
  setenv("OCL_ICD_VENDORS", path, 1);
  // An unwritable cache makes PoCL fail without a word.
  snprintf(path, sizeof path, "%s/pocl-cache", directory);
  setenv("POCL_CACHE_DIR", path, 0);
  return 0;
}

int main(int argc, char **argv) {
  bool only = getenv("VB_ICD_ONLY") != NULL;
  if (choose_vendors(only) != 0) {
    fprintf(stderr, "test_icd: cannot find its own executable\n");
    return 2;
  }
  // The variables under test are set by the tests, or (in a child) by its parent.
  static const char *const own[] = {"VERBATIM_SIM_DRAM",     "VERBATIM_SIM_SEED",      "VERBATIM_SIM_TRACE",
                                    "VERBATIM_SIM_WATCHDOG", "VERBATIM_SIM_HEARTBEAT", "VERBATIM_SIM_TRACE_WINDOW",
                                    "VERBATIM_SIM_FAULT",    "VERBATIM_SIM_OPTIONS"};
  for (size_t i = 0; getenv("VB_ICD_CHILD") == NULL && i < sizeof own / sizeof *own; i++) unsetenv(own[i]);
  const char *child = getenv("VB_ICD_CHILD");
  if (child != NULL) return exit_child(child);
  const struct vb_suite suites[] = {
      {"platform", platform_tests, find_platform, NULL},       {"objects", object_tests, find_platform, NULL},
      {"memory", memory_tests, find_platform, NULL},           {"programs", program_tests, find_platform, NULL},
      {"kernels", kernel_tests, find_platform, NULL},          {"events", event_tests, find_platform, NULL},
      {"failures", failure_tests, find_platform, NULL},        {"exit", exit_tests, find_platform, NULL},
      {only ? NULL : "pocl", pocl_tests, find_platform, NULL}, {0},
  };
  return vb_test_main(argc, argv, suites);
}
