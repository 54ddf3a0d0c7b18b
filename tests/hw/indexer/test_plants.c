// SPDX-License-Identifier: Apache-2.0
// Faults planted in a copy of the indexer, one at a time (plant.py): the assertion that is named for it must fire, or the
// comparison with the reference must fail. Without a fault, nothing does.
#include "job.h"
#include <stdio.h>
#include <string.h>

struct plant {
  const char *where; ///< file and line of the RTL
  const char *want;  ///< assertions, `|` between them; "": the comparison
};
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

/// Head weights in which every rule shows: halves that are rounded to even; mantissas that round up and are clamped; a
/// query of zeros whose weight, far above the others', must not decide their exponent.
static void weights_job(struct ijob *j, struct vb_rng *r, uint64_t kind) {
  static const struct ijob_shape s = {IJOB_SCORES, 1, 9, 128, 1, 0, UINT32_MAX, 60};
  ijob_make(j, r, &s, IJOB_GAUSS);
  j->args[VB_INDEXER_ARG_W_SCALE] = 0x3f800000u;
  uint8_t *q = j->image + (j->args[VB_INDEXER_ARG_Q] - j->base);
  uint32_t w[9];
  for (uint32_t h = 0; h < 9; h++) {
    uint32_t mantissa = (uint32_t)vb_rng_below(r, 1 << 23);
    w[h] = 0x3f800000u | (kind == 0 ? (mantissa & ~0x1ffu) | 0x100 : kind == 1 ? 0x7fffff : mantissa);
    if (kind == 0) q[160 * h + 18] = 125; // the same in all: every shift is that of the largest
    if (kind == 0) memset(q + 160 * h, 120, 4);
    if (kind == 2) memset(q + 160 * h, 56, 4), q[160 * h + 18] = 56; // as low as scores are not flushed to 0
  }
  if (kind == 2) memset(q, 0, 160), w[0] = 0x5e000000u;
  memcpy(j->image + (j->args[VB_INDEXER_ARG_W] - j->base), w, sizeof w);
}

/// First jobs that reach every part of the unit: more tokens than buffers, a list that is longer than the queue, a
/// record of one block; then random ones.
static void programme(struct ijob *j, struct vb_rng *r, uint64_t i) {
  static const struct ijob_shape first[] = {
      {IJOB_FULL, 4, 5, 32, 2048, 0, UINT32_MAX, 90},
      {IJOB_TOPK, 4, 1, 32, 40, 3, UINT32_MAX, 706}, // the last row ends inside a line
      {IJOB_SCORES, 2, 6, 64, 1, 0, UINT32_MAX, 300},
      // lists take longer than selections
      {IJOB_TOPK, 12, 1, 32, 2048, 0, UINT32_MAX, 3}};
  static const struct ijob_shape wide = {IJOB_SCORES, 1, 3, 128, 1, 0, UINT32_MAX, 60},
                                 near = {IJOB_TOPK, 2, 1, 32, 300, 0, UINT32_MAX, 700};
  if (i < 4 || i % 10 == 3) ijob_make(j, r, &first[i < 4 ? i : 3], i ? IJOB_FEW : IJOB_GAUSS);
  else if (i % 6 == 5) weights_job(j, r, i / 6 % 3);
  else if (i % 3 == 0) ijob_make(j, r, &wide, i % 4 ? IJOB_WIDE : IJOB_GAUSS); // every rounding shows in scores
  else if (i % 3 == 1) ijob_make(j, r, &near, IJOB_EDGE); // scores that differ in their last digits only
  else ijob_random(j, r, 120);
}

/// Jobs until something is found. False: nothing was, in `most` jobs.
static bool found(int fault, uint64_t most, const char *want, char *what, size_t size, struct vb_rng *r) {
  vb_sim_device *d = NULL;
  bool ok = true;
  for (uint64_t i = 0; i < most && ok; i++) {
    if (i % 10 == 0) { // another seed, other held channels
      planted = -1;    // an assertion may fire outside a job, too
      if (d) idev_free(d);
      d = idev_new("ddr4-2400", true, vb_rng_next(r));
      planted = fault;
    }
    struct ijob j;
    programme(&j, r, i);
    j.watchdog = 400000;
    ijob_run(d, &j);
    ok = j.status == VB_SIM_OK && ijob_compare(d, &j, true);
    if (!ok) snprintf(what, size, "%s", j.status == VB_SIM_OK ? "comparison" : j.result.text);
    // A wrong value may show before the assertion that is meant; another job may show the assertion first.
    if (!ok && *want && !names_one(what, want) && j.status == VB_SIM_OK) ok = true;
    ijob_free(&j);
  }
  planted = -1;
  idev_free(d);
  return !ok;
}

static void every_fault_is_found(void) {
  struct vb_rng r = vb_test_rng();
  for (size_t n = 0; n < sizeof plants / sizeof *plants; n++) {
    char what[256] = "nothing";
    bool any = found((int)n, 200, plants[n].want, what, sizeof what, &r);
    bool right = *plants[n].want ? names_one(what, plants[n].want) : strcmp(what, "comparison") == 0;
    VB_CHECK(any && right, "%s: '%s' was to find it, '%s' did", plants[n].where,
             *plants[n].want ? plants[n].want : "comparison", what);
  }
  printf("  %zu faults\n", sizeof plants / sizeof *plants);
}

static void no_fault_no_finding(void) {
  struct vb_rng r = vb_test_rng();
  char what[256] = "";
  VB_CHECK(!found(-1, vb_test_count(40, 1000), "", what, sizeof what, &r), "without a fault: %s", what);
}

static int use_first(void) { return idev_use(0); }
int main(int argc, char **argv) {
  static const struct vb_test tests[] = {
      {"every_fault_is_found", every_fault_is_found}, {"no_fault_no_finding", no_fault_no_finding}, {0}};
  const struct vb_suite suites[] = {{"indexer_plants", tests, use_first, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
