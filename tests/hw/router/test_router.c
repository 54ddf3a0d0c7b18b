// SPDX-License-Identifier: Apache-2.0
// The router unit, simulated, against the reference: every output word, on every DRAM part and under noise.
#include "faults.h"
#include "job.h"
#include "ref/ref.h"
#include "verbatim/layout.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void random_jobs(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t devices = vb_test_count(9, 60), jobs = vb_test_count(30, 400);
  for (uint64_t dev = 0; dev < devices; dev++) {
    uint64_t seed = vb_rng_next(&r);
    vb_sim_device *d = rdev_new(rdev_parts[dev % 3], dev >= 3, seed); // the first three without noise
    bool ok = true;
    for (uint64_t i = 0; i < jobs && ok; i++) {
      struct rjob j;
      rjob_random(&j, &r);
      ok = rjob_check(d, &j);
      if (!ok)
        printf("  device %llu (seed %llu), job %llu\n", (unsigned long long)dev, (unsigned long long)seed,
               (unsigned long long)i);
      rjob_free(&j);
    }
    rdev_free(d);
  }
}

static void corners(void) {
  static const uint32_t shapes[][3] = {// tokens, experts, k
                                       {0, 1, 1},    {0, 512, 16}, {1, 1, 1},    {1, 512, 16}, {3, 512, 1},
                                       {5, 16, 16},  {7, 8, 8},    {9, 9, 9},    {2, 511, 16}, {33, 2, 2},
                                       {40, 17, 16}, {64, 256, 8}, {17, 128, 4}, {6, 7, 1}};
  static const int kinds[] = {VB_GEN_GAUSS, VB_GEN_EDGE, RJOB_EQUAL, RJOB_SATURATE, RJOB_TIES};
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new("hbm2e", false, 0);
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (size_t g = 0; g < sizeof kinds / sizeof *kinds; g++)
      for (uint32_t off = 0; off < rdev_lanes; off += 1 + (uint32_t)s % 3) { // rows start at every lane
        struct rjob j;
        rjob_make(&j, &r, shapes[s][0], shapes[s][1], shapes[s][2], kinds[g]);
        rjob_free(&j);
        struct rjob k = j;
        k.stride = 4 * (k.experts + off);
        k.logits = malloc((size_t)k.tokens * k.stride + 4);
        for (uint64_t i = 0; i < (uint64_t)k.tokens * k.stride / 4; i++)
          k.logits[i] = kinds[g] == RJOB_EQUAL
                            ? 0xc1234567u
                            : vb_rng_z(&r, kinds[g] < VB_GEN_KINDS ? (enum vb_gen)kinds[g] : VB_GEN_MIX);
        rjob_check(d, &k);
        rjob_free(&k);
      }
  rdev_free(d);
}

static void largest_job(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new(NULL, false, 0);
  struct rjob j;
  rjob_make(&j, &r, rdev_max_pairs / 16, 32, 16, VB_GEN_GAUSS); // every on-chip list is full
  rjob_check(d, &j);
  rjob_free(&j);
  rjob_make(&j, &r, rdev_max_pairs, 8, 1, VB_GEN_GAUSS);
  rjob_check(d, &j);
  rjob_free(&j);
  rdev_free(d);
}

/// The routers of published models: experts, k, score, bias, groups, best of them, sum of how many, renorm, scale.
static const struct {
  const char *name;
  uint32_t experts, k, score, bias, groups, topk_groups, group_top, renorm, scale;
} models[] = {{"DeepSeek-V3", 256, 8, VB_SCORE_SIGMOID, 1, 8, 4, 2, 1, 0x40200000 /* 2.5 */},
              {"DeepSeek-V2", 160, 6, VB_SCORE_SOFTMAX, 0, 8, 3, 1, 0, 0x41800000 /* 16 */},
              {"Llama 4 Scout", 16, 1, VB_SCORE_SIGMOID, 0, 0, 0, 0, 0, 0x3f800000},
              {"Llama 4 Maverick", 128, 1, VB_SCORE_SIGMOID, 0, 0, 0, 0, 0, 0x3f800000},
              {"Kimi K2", 384, 8, VB_SCORE_SIGMOID, 1, 1, 1, 2, 1, 0x40350481 /* 2.827 */},
              {"Mixtral", 8, 2, VB_SCORE_SOFTMAX, 0, 0, 0, 0, 1, 0x3f800000}};
enum { MODELS = sizeof models / sizeof *models };

static void make_model(struct rjob *j, struct vb_rng *r, size_t m, uint32_t tokens, int gen) {
  rjob_make(j, r, tokens, models[m].experts, models[m].k, gen);
  if (models[m].score == VB_SCORE_SIGMOID) rjob_sigmoid(j, r, models[m].bias);
  if (models[m].groups) rjob_groups(j, models[m].groups, models[m].topk_groups, models[m].group_top);
  j->renorm = models[m].renorm;
  j->scale = models[m].scale;
}

/// Every published router on every kind of logits: also all equal, ties, saturated on both sides, and so negative that
/// all sigmoids are 0.
static void published(void) {
  static const int kinds[] = {VB_GEN_GAUSS, VB_GEN_MIX, VB_GEN_EDGE, RJOB_EQUAL, RJOB_SATURATE, RJOB_TIES, RJOB_SINK};
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new("hbm2e", false, 0);
  for (size_t m = 0; m < MODELS; m++)
    for (size_t g = 0; g < sizeof kinds / sizeof *kinds; g++)
      for (uint64_t i = 0; i < vb_test_count(3, 50); i++) {
        struct rjob j;
        make_model(&j, &r, m, 24, kinds[g]);
        VB_CHECK(rjob_check(d, &j), "%s, logits %d", models[m].name, kinds[g]);
        rjob_free(&j);
      }
  rdev_free(d);
}

/// A dropped group must lose even where all that is kept is negative: bias below -1 everywhere, the best experts by far
/// alone in groups whose two best make a small sum.
static void dropped_groups_lose(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new(NULL, false, 0);
  for (uint32_t kept = 1; kept < 8; kept++) {
    struct rjob j;
    rjob_make(&j, &r, 20, 64, 8, VB_GEN_GAUSS);
    rjob_sigmoid(&j, &r, true);
    rjob_groups(&j, 8, kept, 2);
    for (uint32_t e = 0; e < 64; e++) j.bias[e] = 0xc0000000u + (uint32_t)vb_rng_below(&r, 0x800000); // -2 .. -4
    for (uint32_t g = 0; g < 8; g += 2) { // one expert far above, the rest far below
      for (uint32_t e = 8 * g; e < 8 * g + 8; e++) j.bias[e] = 0xc2c80000u;
      j.bias[8 * g + vb_rng_below(&r, 8)] = 0x3f800000u;
    }
    rjob_check(d, &j);
    rjob_free(&j);
  }
  rdev_free(d);
}

/// Score and bias are rounded once: scores on the brink, every expert in turn the one that a wrong bit would select. A
/// group's rank is the sum of two such.
static void scores_on_the_brink(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new(NULL, false, 0);
  for (uint64_t i = 0; i < vb_test_count(24, 400); i++) {
    struct rjob j;
    rjob_make(&j, &r, 60, 8 * (1 + (uint32_t)vb_rng_below(&r, 8)), 4, VB_GEN_GAUSS);
    rjob_brink(&j, &r);
    if (i % 2) rjob_groups(&j, 8, 4, 1 + (uint32_t)(i / 2 % 2));
    rjob_check(d, &j);
    rjob_free(&j);
  }
  rdev_free(d);
}

/// The aligned sum is rounded half to even.
static void sums_of_halves(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new(NULL, false, 0);
  for (uint64_t i = 0; i < vb_test_count(10, 200); i++) {
    struct rjob j;
    rjob_halves(&j, &r);
    rjob_check(d, &j);
    rjob_free(&j);
  }
  rdev_free(d);
}

static uint64_t cycles_of(vb_sim_device *d, struct vb_rng *r, uint32_t tokens, uint32_t experts, uint32_t k, int gen,
                          int mode) {
  struct rjob j;
  rjob_make(&j, r, tokens, experts, k, gen);
  if (mode) rjob_sigmoid(&j, r, mode == 2);
  if (mode) j.renorm = 1; // the longest way
  if (mode == 2) CU_ASSERT_TRUE(rjob_groups(&j, experts < 16 ? 1 : 4, experts < 16 ? 1 : 2, 2) || k > experts / 2);
  rjob_pack(&j);
  rjob_check(d, &j);
  rjob_free(&j);
  return j.result.cycles;
}

/// The list: its first chunk of up to 16 beats is queued, then all beats are written, one cycle more a chunk.
static uint64_t list_cost(uint64_t pairs) {
  uint64_t beats = (pairs + rdev_lanes - 1) / rdev_lanes;
  return (beats < 16 ? beats : 16) + beats + (beats + 15) / 16;
}

/// README.md, timing: with an ideal memory, a token costs max(beats + 2, 21) cycles, whatever the values.
static void fixed_cost(void) {
  static const uint32_t shapes[][2] = {{512, 8}, {256, 8}, {384, 6}, {64, 8}, {16, 16}, {8, 2}};
  static const int kinds[] = {VB_GEN_GAUSS, VB_GEN_EDGE, RJOB_EQUAL, RJOB_SATURATE};
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new("ideal", false, 0);
  enum { SHAPES = sizeof shapes / sizeof *shapes };
  for (size_t i = 0; i < 3 * SHAPES; i++) {
    size_t s = i % SHAPES;
    int mode = (int)(i / SHAPES); // softmax, sigmoid, with bias and groups
    uint32_t e = shapes[s][0], k = shapes[s][1], beats = (e + rdev_lanes - 1) / rdev_lanes;
    if (e < rdev_lanes) continue; // so short a prefix that the list meets the last gates: only the model knows
    uint64_t first = cycles_of(d, &r, 64, e, k, kinds[0], mode), twice = cycles_of(d, &r, 128, e, k, kinds[0], mode);
    for (size_t g = 1; g < sizeof kinds / sizeof *kinds; g++)
      VB_CHECK(cycles_of(d, &r, 64, e, k, kinds[g], mode) == first, "E=%u: the cost depends on the values", e);
    // 64 more tokens: their passes, and the list.
    uint64_t token = beats + 2 > 21 ? beats + 2 : 21, list = list_cost(64 * k);
    uint64_t more = 64 * token + list_cost(128 * k) - list;
    VB_CHECK(twice - first == more, "E=%u k=%u mode %d: 64 tokens cost %llu cycles, formula %llu", e, k, mode,
             (unsigned long long)(twice - first), (unsigned long long)more);
  }
  rdev_free(d);
}

/// Neither who is chosen, nor how many pairs are dropped, costs a cycle: even, by Zipf's law, all to the same experts.
static void skew(void) {
  struct vb_rng r = vb_test_rng();
  static const uint32_t shapes[][2] = {{256, 8}, {64, 4}, {16, 1}};
  for (size_t s = 0; s < 3; s++)
    for (int dram = 0; dram < 2; dram++) {
      uint64_t first = 0;
      for (int kind = 0; kind < 12; kind++) {
        uint32_t experts = shapes[s][0], k = shapes[s][1], tokens = 96;
        struct rjob j;
        rjob_make(&j, &r, tokens, experts, k, VB_GEN_GAUSS);
        rjob_pack(&j);
        j.renorm = 1;
        for (uint32_t t = 0; t < tokens; t++) {
          for (uint32_t e = 0; e < experts; e++) j.logits[t * experts + e] = 0xc1200000u + e; // about -10
          for (uint32_t i = 0; i < k; i++) {
            uint32_t e = i, even = (t * k + i) % experts;
            if (kind % 3 == 0) e = even;
            if (kind % 3 == 1) // half of them to the first, a quarter to the next ...
              for (e = 0; e + 1 < experts && vb_rng_below(&r, 2); e++) continue;
            j.logits[t * experts + e] = 0x3f800000u + (uint32_t)vb_rng_below(&r, 0x800000);
          }
        }
        if (kind / 3 & 1) j.capacity = 1 + tokens * k / experts;
        if (kind / 3 & 2) j.threshold = 0x3e000000u;
        vb_sim_device *d = rdev_new(dram ? "ddr4-2400" : "ideal", dram, 7);
        rjob_check(d, &j);
        rdev_free(d);
        if (!kind) first = j.result.cycles;
        VB_CHECK(j.result.cycles == first, "E=%u k=%u, kind %d: %llu cycles, not %llu", experts, k, kind,
                 (unsigned long long)j.result.cycles, (unsigned long long)first);
        rjob_free(&j);
      }
    }
}

/// Capacities and thresholds on the brink: one pair more or less, gates that equal the threshold.
static void limits(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new(NULL, false, 0);
  for (uint64_t i = 0; i < vb_test_count(60, 2000); i++) {
    struct rjob j;
    uint32_t experts = 1 + (uint32_t)vb_rng_below(&r, 24),
             k = 1 + (uint32_t)vb_rng_below(&r, experts < 16 ? experts : 16);
    rjob_make(&j, &r, 1 + (uint32_t)vb_rng_below(&r, 60), experts, k, i % 2 ? RJOB_EQUAL : VB_GEN_GAUSS);
    if (vb_rng_below(&r, 2)) rjob_sigmoid(&j, &r, vb_rng_below(&r, 2));
    // All equal: every pair goes to the first k experts, which get exactly `tokens` each, with a gate of 1 / k or so.
    if (i % 3 != 1) j.capacity = j.tokens - 1 + (uint32_t)vb_rng_below(&r, 3);
    if (i % 3) {
      vb_z one = 0x3f800000u, gate[16];
      uint32_t ids[16], lists[24 + 25 + 16];
      const struct vb_router_op op = {.logits = j.logits,
                                      .experts = experts,
                                      .k = k,
                                      .score = (enum vb_score)j.score,
                                      .renorm = j.renorm,
                                      .bias = j.use_bias ? j.bias : NULL,
                                      .scale = one,
                                      .t = {0, 1},
                                      .ids = ids,
                                      .gates = gate,
                                      .hist = lists,
                                      .offsets = lists + 24,
                                      .list = lists + 49};
      vb_ref_router(&op);
      j.threshold = gate[vb_rng_below(&r, k)] + (uint32_t)vb_rng_below(&r, 3) - 1;
      if (j.threshold >> 31 || j.threshold < 0x20800000u) j.threshold = 0;
    }
    rjob_check(d, &j);
    rjob_free(&j);
  }
  rdev_free(d);
}

/// Two devices with one seed agree on every cycle; jobs before a job do not change its timing.
static void replays(void) {
  struct vb_rng r = vb_test_rng();
  for (uint64_t i = 0; i < 6; i++) {
    uint64_t seed = vb_rng_next(&r);
    vb_sim_device *a = rdev_new(rdev_parts[i % 3], true, seed), *b = rdev_new(rdev_parts[i % 3], true, seed);
    rjob_right(b, &r);
    struct rjob j;
    rjob_random(&j, &r);
    rjob_check(a, &j);
    struct vb_sim_result first = j.result;
    rjob_check(b, &j);
    VB_CHECK(memcmp(&first, &j.result, sizeof first) == 0, "seed %llu: %llu and %llu cycles", (unsigned long long)seed,
             (unsigned long long)first.cycles, (unsigned long long)j.result.cycles);
    rjob_free(&j);
    rdev_free(a);
    rdev_free(b);
  }
}

static const struct vb_test tests[] = {{"random_jobs", random_jobs},
                                       {"corners", corners},
                                       {"published", published},
                                       {"dropped_groups_lose", dropped_groups_lose},
                                       {"scores_on_the_brink", scores_on_the_brink},
                                       {"sums_of_halves", sums_of_halves},
                                       {"largest_job", largest_job},
                                       {"fixed_cost", fixed_cost},
                                       {"skew", skew},
                                       {"limits", limits},
                                       {"replays", replays},
                                       {"reset_anywhere", rfault_reset_anywhere},
                                       {"watchdog", rfault_watchdog},
                                       {"silent_memory", rfault_silent_memory},
                                       {"illegal_descriptors", rfault_illegal_descriptors},
                                       {"bus_errors", rfault_bus_errors},
                                       {"outside_buffers", rfault_outside_buffers},
                                       {"flipped_bit_is_caught", rfault_flipped_bit_is_caught},
                                       {"bad_options", rfault_bad_options},
                                       {"waveform", rfault_waveform},
                                       {0}};
static int use_first(void) { return rdev_use(0); }
static int use_second(void) { return rdev_use(1); }
static int use_third(void) { return rdev_use(2); }

// Every configuration that was built (SIM_CONFIGS), each a suite of its own.
int main(int argc, char **argv) {
  static int (*const use[])(void) = {use_first, use_second, use_third};
  struct vb_suite suites[4] = {{0}};
  char names[3][64];
  for (uint32_t i = 0; i < 3 && i < vb_sim_backend()->config_count() && !vb_sim_backend()->config_info(i)->fast; i++) {
    snprintf(names[i], sizeof names[i], "router_%s", vb_sim_backend()->config_info(i)->name);
    suites[i] = (struct vb_suite){names[i], tests, use[i], NULL};
  }
  return vb_test_main(argc, argv, suites);
}
