// SPDX-License-Identifier: Apache-2.0
// The exact cycle model against the RTL: one wrong cycle, class or byte fails (docs/cycle-model.md).
#include "job.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef bool generator(struct cdevice *, struct cjob *, struct vb_rng *, uint32_t);
static const struct vb_hw_config *hw;

/// Devices of every part, quiet and with noise, some jobs on each.
static void random_jobs(generator *make, uint64_t devices, uint64_t jobs) {
  struct vb_rng r = vb_test_rng();
  uint64_t done = 0;
  double rtl = 0, model = 0;
  for (uint64_t i = 0; i < devices; i++) {
    const struct vb_dram_part *part = vb_dram_at((uint32_t)(i % 4));
    struct cdevice d = cdev_new(hw, part, i / 4 % 3 != 0, vb_rng_next(&r) >> 16);
    for (uint64_t n = 0; n < jobs; n++) {
      struct cjob j;
      if (!make(&d, &j, &r, vb_test_campaign && n == 0 ? 40 : 8)) continue;
      if (!cjob_check(&d, &j)) n = jobs; // the next device: one report each is enough
      done++;
      rtl += j.rtl_seconds;
      model += j.model_seconds;
    }
    cdev_free(&d);
  }
  VB_CHECK(done >= devices * jobs * 3 / 4, "only %llu jobs", (unsigned long long)done);
  printf("  %s: %llu jobs, RTL %.2f s, model %.4f s\n", hw->name, (unsigned long long)done, rtl, model);
}

/// The comparison must be able to fail: the same job on another part, or with other noise, takes other cycles.
static void sensitive(generator *make) {
  struct vb_rng r = vb_test_rng();
  uint64_t differ = 0, n = 40;
  for (uint64_t i = 0; i < n; i++) {
    struct cdevice d = cdev_new(hw, vb_dram_at((uint32_t)(i % 3)), i % 2, i + 1);
    struct cjob j;
    struct vb_cycle_result other = {0};
    while (!make(&d, &j, &r, 8)) {
    }
    struct vb_cycle_env env = d.env;
    if (i % 2) env.seed += 1000;
    else env.part = vb_dram_at((uint32_t)((i + 1) % 3));
    CU_ASSERT_EQUAL(j.unit->cycles(&d.env, &d.mem, j.args, &j.model), 0);
    CU_ASSERT_EQUAL(j.unit->cycles(&env, &d.mem, j.args, &other), 0);
    differ += other.cycles != j.model.cycles;
    cdev_free(&d);
  }
  VB_CHECK(differ > n * 3 / 4, "only %llu of %llu", (unsigned long long)differ, (unsigned long long)n);
}

#define CJOB_UNIT(unit)                                                                  \
  static void unit##_jobs(void) { random_jobs(cgen_##unit, vb_test_count(20, 500), 7); } \
  static void unit##_sensitive(void) { sensitive(cgen_##unit); }
#include "generators.inc"
#undef CJOB_UNIT

/// A buffer that the device was not given: the same error with hardware and without.
static void outside(generator *make, const uint32_t *slots, size_t n) {
  struct vb_rng r = vb_test_rng();
  struct cdevice d = cdev_new(hw, vb_dram_find("ideal"), false, 1);
  for (size_t i = 0; i < n; i++) {
    struct cjob j;
    while (!make(&d, &j, &r, 0)) {
    }
    cjob_check_outside(&d, &j, slots[i]);
  }
  cdev_free(&d);
}
static void router_outside(void) {
  static const uint32_t slots[] = {VB_ROUTER_ARG_LOGITS, VB_ROUTER_ARG_BIAS,    VB_ROUTER_ARG_IDS, VB_ROUTER_ARG_GATES,
                                   VB_ROUTER_ARG_HIST,   VB_ROUTER_ARG_OFFSETS, VB_ROUTER_ARG_LIST};
  outside(cgen_router, slots, sizeof slots / sizeof *slots);
}

static void indexer_outside(void) {
  static const uint32_t slots[] = {VB_INDEXER_ARG_Q, VB_INDEXER_ARG_W, VB_INDEXER_ARG_K, VB_INDEXER_ARG_LIST,
                                   VB_INDEXER_ARG_COUNT};
  outside(cgen_indexer, slots, sizeof slots / sizeof *slots);
}
static void attention_outside(void) {
  static const uint32_t slots[] = {VB_ATTENTION_ARG_Q, VB_ATTENTION_ARG_K, VB_ATTENTION_ARG_V, VB_ATTENTION_ARG_OUT};
  outside(cgen_attention, slots, sizeof slots / sizeof *slots);
}

/// Simulated cycles a second of RTL and model, side by side in one run, on jobs of ordinary size. The bar holds for the
/// geometric mean over the units of `paper`; a loaded machine slows both alike.
static double speed_ratio(generator *make, const char *part) {
  struct vb_rng r = vb_test_rng();
  struct cdevice d = cdev_new(hw, vb_dram_find(part), false, 1);
  struct cjob j;
  if (!VB_CHECK(make(&d, &j, &r, 0) && cjob_check(&d, &j), "no job")) return 0;
  struct vb_cycle_result out;
  uint64_t runs = 0;
  clock_t start = clock(), spent;
  do {
    CU_ASSERT_EQUAL(j.unit->cycles(&d.env, &d.mem, j.args, &out), 0);
    runs++;
  } while ((spent = clock() - start) < CLOCKS_PER_SEC / 4);
  double rtl = (double)j.rtl.cycles / j.rtl_cpu;
  double model = (double)(runs * out.cycles) * CLOCKS_PER_SEC / (double)spent;
  printf("  %s %s, %s: %llu cycles, RTL %.1f kcycle/s, model %.1f Mcycle/s: %.0f times\n", hw->name, j.unit->name, part,
         (unsigned long long)out.cycles, rtl / 1e3, model / 1e6, model / rtl);
  cdev_free(&d);
  return model / rtl;
}

static void speed(void) {
  static generator *const makes[] = {cgen_router, cgen_indexer, cgen_attention};
  double product = 1;
  int n = 0;
  for (size_t i = 0; i < sizeof makes / sizeof *makes; i++)
    for (int p = 0; p < 3; p++, n++) product *= speed_ratio(makes[i], vb_dram_at((uint32_t)p)->name);
  double mean = pow(product, 1.0 / n);
  printf("  %s: model %.0f times as fast as RTL (geometric mean of %d)\n", hw->name, mean, n);
  // Sanitizers slow the model alone: models of the RTL are compiled alike in every build.
  if (!VB_TEST_SANITIZED)
    VB_CHECK(mean > (strcmp(hw->name, "paper") ? 150 : 800), "the model is only %.0f times as fast as RTL", mean);
}

/// The array of `paper` at work: one tile of the prefill and the whole decode step on the RTL, the whole prefill by the model.
static void attention_utilisation(void) {
  struct vb_rng r = vb_test_rng();
  struct cjob j;
  for (uint32_t p = 0; vb_dram_at(p); p++) {
    bool hbm = strcmp(vb_dram_at(p)->name, "hbm2e") == 0;
    struct cdevice d = cdev_new(hw, vb_dram_at(p), false, 1);
    if (!VB_CHECK(cgen_prefill(&d, &j, &r, vb_test_campaign && hbm ? 512 : 8), "no job")) return;
    if (hbm) cjob_check(&d, &j);
    if (!VB_CHECK(cgen_prefill(&d, &j, &r, 512), "no job")) return;
    CU_ASSERT_EQUAL(j.unit->cycles(&d.env, &d.mem, j.args, &j.model), 0);
    double prefill = cjob_utilisation(&d, &j);
    uint64_t cycles = j.model.cycles;
    if (!VB_CHECK(cgen_decode(&d, &j, &r, 128), "no job")) return;
    if (hbm) cjob_check(&d, &j);
    CU_ASSERT_EQUAL(j.unit->cycles(&d.env, &d.mem, j.args, &j.model), 0);
    double decode = cjob_utilisation(&d, &j);
    printf("  %s: prefill 512 x 8192, GQA 4, 128/128: %llu cycles, array %.1f %%; MLA decode 128 x 2048 of 16384: %llu "
           "cycles, "
           "array %.1f %%",
           vb_dram_at(p)->name, (unsigned long long)cycles, prefill, (unsigned long long)j.model.cycles, decode);
    if (hbm) printf("; decode on the RTL: %.1f s", j.rtl_seconds);
    printf("\n");
    if (hbm) VB_CHECK(prefill >= 90 && decode >= 80, "below 90 and 80 %%");
    cdev_free(&d);
  }
}

static void replay(void) {
  const char *line = getenv("VERBATIM_CYCLE_JOB");
  struct cdevice d;
  struct cjob j;
  CU_ASSERT_FALSE(cjob_parse("base ddr4-2400 quiet 1 router 12", &d, &j));
  if (!line || strncmp(line, hw->name, strlen(hw->name)) != 0) return;
  if (!VB_CHECK(cjob_parse(line, &d, &j), "cannot read '%s'", line)) return;
  cjob_check(&d, &j);
  cdev_free(&d);
}

static int use(const char *name) {
  hw = cdev_config(name);
  return hw ? 0 : -1;
}
static int use_small(void) { return use("small"); }
static int use_base(void) { return use("base"); }
static int use_paper(void) { return use("paper"); }

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"replay", replay},
#define CJOB_UNIT(unit) {#unit, unit##_jobs}, {#unit "_sensitive", unit##_sensitive},
#include "generators.inc"
#undef CJOB_UNIT

                                         {"indexer_outside", indexer_outside},
                                         {"router_outside", router_outside},
                                         {"attention_outside", attention_outside},
                                         {"speed", speed},
                                         {0}};
  static const struct vb_test array[] = {{"attention_utilisation", attention_utilisation}, {0}};
  const struct vb_suite suites[] = {{"cycle_small", tests, use_small, NULL},
                                    {"cycle_base", tests, use_base, NULL},
                                    {"cycle_paper", tests, use_paper, NULL},
                                    {"cycle_array", array, use_paper, NULL},
                                    {0}};
  return vb_test_main(argc, argv, suites);
}
