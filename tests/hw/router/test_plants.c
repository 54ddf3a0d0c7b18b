// SPDX-License-Identifier: Apache-2.0
// Faults planted in a copy of the router, one at a time (plant.py): the assertion that is named for it must fire, or the
// comparison with the reference must fail. Without a fault, nothing does.
#include "job.h"
#include "plants_type.h"
#include <stdio.h>
#include <string.h>
// clang-format off
#include "plants.h" // generated
// clang-format on

static int planted = -1;
unsigned char vb_plant(int n);
unsigned char vb_plant(int n) { return n == planted; }

/// Whether the text names one of the wanted assertions, `|` between them.
static bool names_one(const char *text, const char *want) {
  char list[128], *save = NULL;
  snprintf(list, sizeof list, "%s", want);
  for (char *label = strtok_r(list, "|", &save); label; label = strtok_r(NULL, "|", &save))
    if (strstr(text, label)) return true;
  return false;
}

/// Random jobs, some of them with many small rows, until something is found. False: nothing was, in `most` jobs.
static bool found(int fault, uint64_t most, const char *want, char *what, size_t size, struct vb_rng *r) {
  vb_sim_device *d = NULL;
  bool ok = true;
  for (uint64_t i = 0; i < most && ok; i++) {
    if (i % 10 == 0) { // another seed, other held channels
      planted = -1;    // an assertion may fire outside a job, too
      if (d) rdev_free(d);
      d = rdev_new("hbm2e", true, vb_rng_next(r));
      planted = fault;
    }
    struct rjob j;
    if (i % 10 == 1) {
      rjob_halves(&j, r);
    } else if (i % 3 == 0) { // outputs that cross a page
      rjob_make(&j, r, 40 + (uint32_t)vb_rng_below(r, 360), 4 + (uint32_t)vb_rng_below(r, 30), 4, VB_GEN_GAUSS);
      if (i % 2) rjob_sigmoid(&j, r, false);
      j.renorm = 1;
    } else {
      rjob_random(&j, r);
    }
    j.watchdog = 400000;
    rjob_run(d, &j);
    ok = j.status == VB_SIM_OK && rjob_compare(d, &j, true);
    if (!ok) snprintf(what, size, "%s", j.status == VB_SIM_OK ? "comparison" : j.result.text);
    // A wrong value may show before the assertion that is meant; another seed may show the assertion first.
    if (!ok && *want && !names_one(what, want) && j.status == VB_SIM_OK) ok = true;
    rjob_free(&j);
  }
  planted = -1;
  rdev_free(d);
  return !ok;
}

static void every_fault_is_found(void) {
  struct vb_rng r = vb_test_rng();
  for (size_t n = 0; n < sizeof plants / sizeof *plants; n++) {
    char what[256] = "nothing";
    bool any = found((int)n, 60, plants[n].want, what, sizeof what, &r);
    bool right = *plants[n].want ? names_one(what, plants[n].want) : strcmp(what, "comparison") == 0;
    VB_CHECK(any && right, "%s: '%s' was to find it, '%s' did", plants[n].where,
             *plants[n].want ? plants[n].want : "comparison", what);
  }
}

static void no_fault_no_finding(void) {
  struct vb_rng r = vb_test_rng();
  char what[256] = "";
  VB_CHECK(!found(-1, vb_test_count(40, 1000), "", what, sizeof what, &r), "without a fault: %s", what);
}

static int use_first(void) { return rdev_use(0); }
int main(int argc, char **argv) {
  static const struct vb_test tests[] = {
      {"every_fault_is_found", every_fault_is_found}, {"no_fault_no_finding", no_fault_no_finding}, {0}};
  const struct vb_suite suites[] = {{"router_plants", tests, use_first, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
