// SPDX-License-Identifier: Apache-2.0
// What must not go wrong when something else does: resets, watchdog, a silent memory, bus errors, illegal descriptors.
#include "faults.h"
#include "../../../hw/regs/vb_regs.h"
#include "job.h"
#include "verbatim/layout.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// A reset of one to four cycles in any phase, and the next job is right.
void rfault_reset_anywhere(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = NULL;
  uint64_t hit = 0, n = vb_test_count(120, 4000);
  for (uint64_t i = 0; i < n; i++) {
    if (i % 20 == 0) {
      if (d) rdev_free(d);
      d = rdev_new(rdev_parts[i / 20 % 3], true, vb_rng_next(&r));
    }
    struct rjob j;
    rjob_random(&j, &r);
    j.stop = 1 + vb_rng_below(&r, 60 + 60 * (uint64_t)j.tokens + 2 * j.experts);
    rjob_run(d, &j);
    char err[128] = "";
    if (j.status == VB_SIM_STOPPED) {
      hit++;
      VB_CHECK(vb_sim_backend()->reset(d, err, sizeof err) == 0, "%s", err);
    } else {
      VB_CHECK(j.status == VB_SIM_OK, "%s", j.result.text);
    }
    rjob_free(&j);
    rjob_right(d, &r);
  }
  VB_CHECK(hit > n / 2, "only %llu of %llu runs were cut", (unsigned long long)hit, (unsigned long long)n);
  rdev_free(d);
}

/// What a job takes on a device without faults.
struct extent {
  uint64_t cycles, beats, bursts; ///< at least so many write bursts: those of rows that start on a page
};
static struct extent extent_of(const struct rjob *j, const char *dram, bool seeded, uint64_t seed) {
  struct rjob plain = *j;
  vb_sim_device *d = rdev_new(dram, seeded, seed);
  rjob_check(d, &plain);
  rdev_free(d);
  uint64_t burst = 64 * (uint64_t)rdev_lanes, pairs = 4 * (uint64_t)j->tokens * j->k;
  return (struct extent){plain.result.cycles, plain.result.bytes_read / (4 * rdev_lanes),
                         3 * ((pairs + burst - 1) / burst) + 2};
}
static vb_sim_device *faulty(const char *fault, const char *dram, bool seeded, uint64_t seed) {
  setenv("VERBATIM_SIM_FAULT", fault, 1);
  vb_sim_device *d = rdev_new(dram, seeded, seed);
  unsetenv("VERBATIM_SIM_FAULT");
  return d;
}

/// A job of N cycles passes with a limit of N; with less it is aborted, and the next one is right without a reset.
void rfault_watchdog(void) {
  struct vb_rng r = vb_test_rng();
  for (uint64_t i = 0; i < vb_test_count(12, 300); i++) {
    vb_sim_device *d = rdev_new(rdev_parts[i % 3], i % 2, vb_rng_next(&r));
    struct rjob j;
    rjob_random(&j, &r);
    rjob_check(d, &j);
    uint64_t n = j.result.cycles;
    j.watchdog = n;
    rjob_check(d, &j);
    for (int l = 0; l < 6; l++) {
      j.watchdog = l ? 2 + vb_rng_below(&r, n - 2) : n - 1; // the descriptor's verdict comes in cycle 1
      rjob_run(d, &j);
      VB_CHECK(j.status == VB_SIM_WATCHDOG && j.result.error_code == VB_HW_ERR_WATCHDOG &&
                   j.result.cycles > j.watchdog && strstr(j.result.text, "watchdog"),
               "limit %llu of %llu: status %d, error 0x%02x after %llu (%s)", (unsigned long long)j.watchdog,
               (unsigned long long)n, j.status, j.result.error_code, (unsigned long long)j.result.cycles,
               j.result.text);
      rjob_right(d, &r);
    }
    rjob_free(&j);
    rdev_free(d);
  }
}

/// A memory that never answers: the job ends with the watchdog's error, so does every other one, until a reset.
void rfault_silent_memory(void) {
  static const char *const kinds[] = {"silent", "rsilent", "bsilent"};
  struct vb_rng r = vb_test_rng();
  for (uint64_t i = 0; i < vb_test_count(12, 300); i++) {
    struct rjob j, next;
    rjob_make(&j, &r, 800, 16, 4, VB_GEN_GAUSS);
    rjob_make(&next, &r, 6, 16, 3, VB_GEN_GAUSS); // too small to meet the fault
    rjob_pack(&j);
    uint64_t seed = vb_rng_next(&r);
    struct extent e = extent_of(&j, rdev_parts[i / 3 % 3], i % 2, seed);
    uint64_t from[] = {2000, 40, 12}, to[] = {e.cycles - 50, e.beats, e.bursts};
    char fault[64], err[128] = "";
    snprintf(fault, sizeof fault, "axi:%s@%llu", kinds[i % 3],
             (unsigned long long)(from[i % 3] + vb_rng_below(&r, to[i % 3] - from[i % 3])));
    vb_sim_device *d = faulty(fault, rdev_parts[i / 3 % 3], i % 2, seed);
    j.watchdog = next.watchdog = 3 * e.cycles / 2;
    rjob_check(d, &next);
    rjob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_WATCHDOG && j.result.error_code == VB_HW_ERR_WATCHDOG &&
                 strstr(j.result.text, "does not answer"),
             "%s: status %d, error 0x%02x (%s)", fault, j.status, j.result.error_code, j.result.text);
    rjob_run(d, &next);
    VB_CHECK(next.status == VB_SIM_WATCHDOG && next.result.error_code == VB_HW_ERR_WATCHDOG,
             "%s, without a reset: status %d, error 0x%02x (%s)", fault, next.status, next.result.error_code,
             next.result.text);
    VB_CHECK(vb_sim_backend()->reset(d, err, sizeof err) == 0, "%s", err);
    rjob_check(d, &next);
    rjob_free(&j);
    rjob_free(&next);
    rdev_free(d);
  }
}

void rfault_illegal_descriptors(void) {
  enum { TOKENS, EXPERTS, K, SCORE, RENORM, STRIDE, SCALE, BIAS, SOFTMAX, GROUPS, THRESHOLD, BUFFER };
  static const struct {
    int field;
    uint64_t value;
    uint32_t error;
  } bad[] = {{EXPERTS, 0, 0x10},
             {EXPERTS, 513, 0x10},
             {EXPERTS, 0xffffffff, 0x10},
             {K, 0, 0x10},
             {K, 17, 0x10},
             {K, 9, 0x10},
             {K, 0x10001, 0x10},
             {TOKENS, 65537, 0x10},
             {TOKENS, 0x10001, 0x10},
             {TOKENS, 0xffffffff, 0x10},
             {TOKENS, (uint64_t)-1, 0x10},
             {SCORE, 2, 0x12},
             {BIAS, 2, 0x12},
             {BIAS, 0x80000000, 0x12},
             {SOFTMAX, 1, 0x12},      // with a bias
             {GROUPS, 0x10203, 0x10}, // group_top, topk_groups, groups: 3 do not divide 8
             {GROUPS, 0x10108, 0x10}, // 1 expert for a k of 4
             {GROUPS, 0x10104, 0x10}, // 2 experts for a k of 4
             {GROUPS, 0x10902, 0x10},
             {GROUPS, 0x10302, 0x10},
             {GROUPS, 0x10002, 0x10},
             {GROUPS, 0x10109, 0x10},
             {GROUPS, 0x10010, 0x10},
             {GROUPS, 0x80010102, 0x12},
             {GROUPS, 0x00202, 0x12},
             {GROUPS, 0x30202, 0x12},
             {SCORE, 0x80000000, 0x12},
             {RENORM, 2, 0x12},
             {STRIDE, 34, 0x11},
             {STRIDE, 33, 0x11},
             {SCALE, 0x7f800000, 0x13},
             {SCALE, 0x7fc00000, 0x13},
             {SCALE, 1, 0x13},
             {SCALE, 0x80000000, 0x13},
             {SCALE, 0x5f800000, 0x13},
             {SCALE, 0x20000000, 0x13},
             {THRESHOLD, 1, 0x13},
             {THRESHOLD, 0x80000000, 0x13},
             {THRESHOLD, 0xbf800000, 0x13},
             {THRESHOLD, 0x5f800000, 0x13},
             {THRESHOLD, 0x7fc00000, 0x13},
             {BUFFER, 4, 0x11},
             {BUFFER, 32, 0x11},
             {BUFFER, 1ull << 40, 0x11}};
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new(NULL, false, 0);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    for (int b = 0; b < (bad[i].field == BUFFER ? 7 : 1); b++) {
      struct rjob j;
      rjob_make(&j, &r, 4, 8, 4, VB_GEN_GAUSS);
      j.watchdog = 10000;
      j.scale = 0x3f800000u;
      rjob_sigmoid(&j, &r, true);
      uint32_t v = (uint32_t)bad[i].value;
      struct rjob k = j; // sizes of the buffers stay those of a legal job
      switch (bad[i].field) {
      case TOKENS: k.tokens = bad[i].value == (uint64_t)-1 ? rdev_max_pairs / 4 + 1 : v; break; // k is 4
      case EXPERTS: k.experts = v; break;
      case K: k.k = v; break;
      case SCORE: k.score = v; break;
      case RENORM: k.renorm = v; break;
      case STRIDE: k.stride = v; break;
      case SCALE: k.scale = v; break;
      case THRESHOLD: k.threshold = v; break;
      case BIAS: k.use_bias = v; break;
      case SOFTMAX: k.score = VB_SCORE_SOFTMAX; break;
      case GROUPS: k.groups = v & 255, k.topk_groups = v >> 8 & 255, k.group_top = v >> 16; break;
      default: k.spoil[b] = bad[i].value; break;
      }
      rjob_run_as(d, &j, &k);
      VB_CHECK(k.status == VB_SIM_UNIT_ERROR && k.result.error_code == bad[i].error && k.result.bytes_read == 0 &&
                   k.result.bytes_written == 0,
               "case %zu: status %d, error 0x%02x, wanted 0x%02x (%s)", i, k.status, k.result.error_code, bad[i].error,
               k.result.text);
      rjob_free(&j);
      rjob_right(d, &r); // and without a reset
    }
  rdev_free(d);
}

/// An error on any beat or response of a job: its code, and the next job is right without a reset.
void rfault_bus_errors(void) {
  static const struct {
    const char *fault;
    uint32_t error;
  } cases[] = {{"axi:slverr", VB_HW_ERR_RD_SLV},
               {"axi:decerr", VB_HW_ERR_RD_DEC},
               {"axi:bslverr", VB_HW_ERR_WR_SLV},
               {"axi:bdecerr", VB_HW_ERR_WR_DEC}};
  struct vb_rng r = vb_test_rng();
  for (uint64_t i = 0; i < vb_test_count(60, 2000); i++) {
    struct rjob j, next;
    rjob_make(&j, &r, 150, 16, 10, VB_GEN_GAUSS);
    rjob_make(&next, &r, 6, 16, 3, VB_GEN_GAUSS); // too small to meet the fault again, but for the first beats
    rjob_pack(&j);
    j.watchdog = 200000;
    uint64_t seed = vb_rng_next(&r);
    struct extent e = extent_of(&j, rdev_parts[i % 3], i % 2, seed);
    uint64_t n = i % 4 < 2 ? e.beats : e.bursts, at = i < 16 ? (i & 4 ? n - 1 : 0) : vb_rng_below(&r, n);
    char fault[64];
    snprintf(fault, sizeof fault, "%s@%llu", cases[i % 4].fault, (unsigned long long)at);
    vb_sim_device *d = faulty(fault, rdev_parts[i % 3], i % 2, seed);
    rjob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_AXI_ERROR && j.result.error_code == cases[i % 4].error,
             "%s: status %d, error 0x%02x (%s)", fault, j.status, j.result.error_code, j.result.text);
    if (at >= (i % 4 < 2 ? 40 : 12)) rjob_check(d, &next);
    rjob_free(&j);
    rjob_free(&next);
    rdev_free(d);
  }
}

void rfault_outside_buffers(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = rdev_new(NULL, false, 0);
  for (int b = 0; b < 7; b++) {
    struct rjob j;
    rjob_make(&j, &r, 10, 16, 3, VB_GEN_GAUSS);
    rjob_sigmoid(&j, &r, true);
    j.deny[b] = true;
    j.watchdog = 100000;
    rjob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_AXI_ERROR && j.result.error_code == (b % 6 ? 0x23u : 0x21u) &&
                 strstr(j.result.text, "outside"),
             "buffer %d: status %d, error 0x%02x (%s)", b, j.status, j.result.error_code, j.result.text);
    rjob_free(&j);
    rjob_right(d, &r);
  }
  rdev_free(d);
}

/// The comparison itself must see one flipped bit in what the unit reads or writes.
void rfault_flipped_bit_is_caught(void) {
  struct vb_rng r = vb_test_rng();
  for (int i = 0; i < 24; i++) {
    char fault[64];
    if (i % 2) snprintf(fault, sizeof fault, "router:wdata:%d:%d", 50 * i, (int)vb_rng_below(&r, 256));
    else snprintf(fault, sizeof fault, "router:%d:%d", 20 * i, 32 * (int)vb_rng_below(&r, 8) + 29); // an exponent bit
    setenv("VERBATIM_SIM_FAULT", fault, 1);
    vb_sim_device *d = rdev_new(NULL, true, (uint64_t)i);
    unsetenv("VERBATIM_SIM_FAULT");
    struct rjob j;
    rjob_make(&j, &r, 60, 16, 16, VB_GEN_GAUSS);
    j.scale = 0x3f800000u;
    rjob_pack(&j);
    rjob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_OK, "%s", j.result.text);
    VB_CHECK(!rjob_compare(d, &j, true), "%s was not seen", fault);
    rjob_free(&j);
    rdev_free(d);
  }
}

void rfault_bad_options(void) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  char err[200] = "";
  struct vb_sim_options o = {.dram_part = "sdram", .trace_last = UINT64_MAX};
  CU_ASSERT_PTR_NULL(ops->create(0, &o, err, sizeof err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err, "ddr4-2400"));
  o.dram_part = NULL;
  setenv("VERBATIM_SIM_FAULT", "axi:what@3", 1);
  CU_ASSERT_PTR_NULL(ops->create(0, &o, err, sizeof err));
  CU_ASSERT_PTR_NOT_NULL(strstr(err, "axi:what@3"));
  unsetenv("VERBATIM_SIM_FAULT");
  CU_ASSERT_PTR_NULL(ops->create(ops->config_count(), &o, err, sizeof err));
}

/// A waveform of a window of cycles where the build can write one, a reason where it cannot.
void rfault_waveform(void) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  char err[200] = "", stem[] = "/tmp/vb_router_XXXXXX", fst[64], wave[64];
  int fd = mkstemp(stem);
  snprintf(wave, sizeof wave, "%s.fst", stem);
  snprintf(fst, sizeof fst, "%s.router.fst", stem);
  struct vb_sim_options o = {.trace_file = wave, .trace_first = 100, .trace_last = 400};
  vb_sim_device *d = ops->create(0, &o, err, sizeof err);
  if (!d) {
    VB_CHECK(strstr(err, "SIM_TRACE=1") != NULL, "%s", err);
  } else {
    struct vb_rng r = vb_test_rng();
    rjob_right(d, &r);
    rdev_free(d);
    FILE *f = fopen(fst, "rb");
    if (VB_CHECK(f != NULL, "no %s", fst)) {
      fseek(f, 0, SEEK_END);
      VB_CHECK(ftell(f) > 1000, "%s has %ld bytes", fst, ftell(f));
      fclose(f);
    }
  }
  close(fd);
  remove(stem);
  remove(fst);
}
