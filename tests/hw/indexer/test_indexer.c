// SPDX-License-Identifier: Apache-2.0
// The indexer unit, simulated, against the reference: every byte of memory, on every DRAM part and under noise.
#include "job.h"
#include "ref/ref.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const parts[] = {"ddr4-2400", "ddr5-4800", "hbm2e"};

static void plain_job_right(vb_sim_device *d, struct vb_rng *r) {
  struct ijob j;
  ijob_random(&j, r, 60);
  ijob_check(d, &j);
  ijob_free(&j);
}

static void random_jobs(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t devices = vb_test_count(9, 60), jobs = vb_test_count(16, 150), cycles = 0;
  clock_t start = clock();
  for (uint64_t dev = 0; dev < devices; dev++) {
    uint64_t seed = vb_rng_next(&r);
    vb_sim_device *d = idev_new(parts[dev % 3], dev >= 3, seed); // the first three without noise
    bool ok = true;
    for (uint64_t i = 0; i < jobs && ok; i++) {
      struct ijob j;
      ijob_random(&j, &r, 1000);
      ok = ijob_check(d, &j);
      cycles += j.result.cycles;
      if (!ok)
        printf("  device %llu (seed %llu), job %llu\n", (unsigned long long)dev, (unsigned long long)seed,
               (unsigned long long)i);
      ijob_free(&j);
    }
    idev_free(d);
  }
  double s = (double)(clock() - start) / CLOCKS_PER_SEC;
  printf("  %s: %.0f kcycle/s with stimulus and reference\n", idev_config->name, (double)cycles / s / 1000);
}

/// Shapes at the ends of every range, with every kind of data.
static void corners(void) {
  static const struct ijob_shape shapes[] = {
      // mode, tokens, heads, dk, k, key_begin, key_end, first_count
      {IJOB_FULL, 0, 64, 128, 2048, 0, UINT32_MAX, 1},                // no token
      {IJOB_SCORES, 0, 64, 128, 2048, 0, UINT32_MAX, 1},              //
      {IJOB_TOPK, 0, 64, 128, 2048, 0, UINT32_MAX, 1},                //
      {IJOB_FULL, 3, 2, 32, 5, 0, 0, 1},                              // no key
      {IJOB_TOPK, 3, 2, 32, 5, 7, 7, 9},                              //
      {IJOB_SCORES, 3, 2, 32, 5, 9, UINT32_MAX, 2},                   //
      {IJOB_FULL, 4, 1, 32, 1, 0, UINT32_MAX, 0},                     // from no key on
      {IJOB_FULL, 1, 1, 32, 1, 0, UINT32_MAX, 1},                     // one key
      {IJOB_FULL, 1, 64, 128, 2048, 0, UINT32_MAX, 1},                //
      {IJOB_SCORES, 1, 64, 128, 1, 0, UINT32_MAX, 1},                 //
      {IJOB_TOPK, 1, 1, 32, 2048, 0, UINT32_MAX, 1},                  //
      {IJOB_FULL, 2, 64, 128, 100, 0, UINT32_MAX, 100},               // k is the number of keys of the first token
      {IJOB_FULL, 2, 63, 96, 7, 3, 60, 64},                           // odd rows of queries and keys
      {IJOB_FULL, 3, 33, 64, 64, 1, UINT32_MAX, 130},                 //
      {IJOB_TOPK, 2, 0, 0, 2048, 0, UINT32_MAX, 2048},                // k is n, sizes of records are not looked at
      {IJOB_TOPK, 2, 99, 7, 2047, 5, UINT32_MAX, 2053},               //
      {IJOB_TOPK, 1, 1, 32, 1, 4000000000u, UINT32_MAX, 4000000300u}, // positions of 32 bits
      {IJOB_SCORES, 2, 5, 128, 0, 11, 200, 300},                      // k is not looked at
  };
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new("hbm2e", false, 0);
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int data = 0; data < IJOB_KINDS; data++) {
      struct ijob j;
      ijob_make(&j, &r, &shapes[s], (enum ijob_data)data);
      ijob_check(d, &j);
      ijob_free(&j);
    }
  idev_free(d);
}

/// Rows whose equal scores straddle rank k, by the definition and not by the golden model's way.
static void ties(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new("hbm2e", false, 0);
  for (uint64_t i = 0; i < vb_test_count(12, 200); i++) {
    uint32_t n = 1 + (uint32_t)vb_rng_below(&r, 700), k = 1 + (uint32_t)vb_rng_below(&r, n);
    struct ijob_shape s = {IJOB_TOPK, 1, 1, 32, k, 0, UINT32_MAX, n};
    struct ijob j;
    ijob_make(&j, &r, &s, i % 2 ? IJOB_FEW : IJOB_EQUAL);
    uint32_t *key = (uint32_t *)(void *)(j.image + (j.args[VB_INDEXER_ARG_SCORE] - j.base)), list[2048], got[2048];
    ijob_check(d, &j);
    vb_ref_topk(key, n, k, list);
    vb_sim_backend()->mem_read(d, j.args[VB_INDEXER_ARG_LIST], got, 4 * k);
    VB_EXPECT_SAME("indexer", list, got, k);
    ijob_free(&j);
  }
  idev_free(d);
}

/// The largest token that the configuration takes, k = 2048: scores in memory of every kind of data.
static void largest_topk(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new("ideal", false, 0);
  uint64_t cycles = 0;
  for (int data = 0; data < IJOB_KINDS; data++) {
    struct ijob_shape s = {IJOB_TOPK, 1, 1, 32, 2048, 0, UINT32_MAX, idev_hw.indexer_keys};
    struct ijob j;
    struct vb_rng same = r; // the same places for other data
    ijob_make(&j, &same, &s, (enum ijob_data)data);
    ijob_check(d, &j);
    VB_CHECK(data == 0 || j.result.cycles == cycles, "data %d: %llu cycles, not %llu", data,
             (unsigned long long)j.result.cycles, (unsigned long long)cycles);
    cycles = j.result.cycles;
    ijob_free(&j);
  }
  printf("  %s: top-2048 of %u in %llu cycles\n", idev_config->name, idev_hw.indexer_keys, (unsigned long long)cycles);
  idev_free(d);
}

/// The same with scores made on the way: few heads, so that the run is short.
static void largest_full(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new("hbm2e", true, 5);
  struct ijob_shape s = {IJOB_FULL, 2, 2, 32, 2048, 0, UINT32_MAX, idev_hw.indexer_keys - 1};
  struct ijob j;
  ijob_make(&j, &r, &s, IJOB_FEW);
  ijob_check(d, &j);
  ijob_free(&j);
  idev_free(d);
}

/// README.md, timing: with an ideal memory, the cycles of a token follow a formula, whatever the values.
static void fixed_cost(void) {
  static const struct ijob_shape shapes[] = {
      {IJOB_FULL, 1, 64, 128, 64, 0, 120, 5000}, {IJOB_FULL, 1, 40, 64, 2048, 0, 90, 5000},
      {IJOB_FULL, 1, 3, 128, 9, 10, 700, 5000},  {IJOB_TOPK, 1, 1, 32, 2048, 0, 2048, 9999},
      {IJOB_TOPK, 1, 1, 32, 1, 0, 777, 9999},    {IJOB_SCORES, 1, 64, 96, 1, 0, 100, 9999},
  };
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new("ideal", false, 0);
  uint32_t p = idev_hw.axi_data_bits / 32;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct ijob_shape s = shapes[i];
    uint64_t got[2];
    for (uint32_t more = 0; more < 2; more++) { // 3 and 5 tokens, all of them with the same keys
      s.tokens = 3 + 2 * more;
      for (int data = 0; data < IJOB_KINDS; data += more ? IJOB_KINDS : 1) {
        struct ijob j;
        struct vb_rng same = r;
        ijob_make(&j, &same, &s, (enum ijob_data)data);
        ijob_check(d, &j);
        if (data == 0) got[more] = j.result.cycles;
        VB_CHECK(j.result.cycles == got[more], "shape %zu: the cost depends on the values: %llu, %llu", i,
                 (unsigned long long)j.result.cycles, (unsigned long long)got[more]);
        ijob_free(&j);
      }
    }
    uint32_t n = s.key_end - s.key_begin, nb = (n + p - 1) / p, groups = (s.heads + idev_hw.rows - 1) / idev_hw.rows;
    uint32_t sub = 32 / idev_hw.lanes, blocks = s.dk / 32;
    uint64_t load = (uint64_t)(blocks + 1) * sub, step = (uint64_t)groups * blocks * sub;
    // Next, weights, queries, alignment, Buf; the first key's words, the steps of all keys; the way of the last score
    uint64_t front = 1 + (s.heads + p - 1) / p + s.heads * load + groups * idev_hw.rows + 9 + 1 +
                     (step > load ? load + n * step : n * load + step) + (sub == 1 ? 13 : 14);
    if (s.mode == IJOB_TOPK) front = 1 + 1 + nb + 1;
    // four scans, three histograms, marks; waiting for scores and for the list
    uint64_t topk = 4 * 131 + 3 * (nb + 3) + nb + 4 + 1 + 1;
    uint64_t token = s.mode == IJOB_SCORES ? front : front > topk ? front : topk;
    VB_CHECK(got[1] - got[0] == 2 * token, "shape %zu: 2 tokens cost %llu cycles, formula %llu", i,
             (unsigned long long)(got[1] - got[0]), (unsigned long long)(2 * token));
  }
  idev_free(d);
}

/// Two devices with one seed agree on every cycle; jobs before a job do not change its timing.
static void replays(void) {
  struct vb_rng r = vb_test_rng();
  for (uint64_t i = 0; i < 6; i++) {
    uint64_t seed = vb_rng_next(&r);
    vb_sim_device *a = idev_new(parts[i % 3], true, seed), *b = idev_new(parts[i % 3], true, seed);
    plain_job_right(b, &r);
    struct ijob j;
    ijob_random(&j, &r, 200);
    ijob_check(a, &j);
    struct vb_sim_result first = j.result;
    ijob_check(b, &j);
    VB_CHECK(memcmp(&first, &j.result, sizeof first) == 0, "seed %llu: %llu and %llu cycles", (unsigned long long)seed,
             (unsigned long long)first.cycles, (unsigned long long)j.result.cycles);
    ijob_free(&j);
    idev_free(a);
    idev_free(b);
  }
}

/// A reset of one to four cycles in any phase, and the next job is right.
static void reset_anywhere(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = NULL;
  uint64_t hit = 0, n = vb_test_count(100, 4000);
  for (uint64_t i = 0; i < n; i++) {
    if (i % 20 == 0) {
      if (d) idev_free(d);
      d = idev_new(parts[i / 20 % 3], true, vb_rng_next(&r));
    }
    struct ijob j;
    ijob_random(&j, &r, 100);
    j.stop = 1 + vb_rng_below(&r, 200 + 800 * (uint64_t)j.args[VB_INDEXER_ARG_TOKENS]);
    ijob_run(d, &j);
    char err[128] = "";
    if (j.status == VB_SIM_STOPPED) {
      hit++;
      VB_CHECK(vb_sim_backend()->reset(d, err, sizeof err) == 0, "%s", err);
    } else {
      VB_CHECK(j.status == VB_SIM_OK, "%s", j.result.text);
    }
    ijob_free(&j);
    plain_job_right(d, &r);
  }
  VB_CHECK(hit > n / 2, "only %llu of %llu runs were cut", (unsigned long long)hit, (unsigned long long)n);
  idev_free(d);
}

/// A job of N cycles passes with a limit of N; with less it is aborted, and the next one is right without a reset.
static void watchdog(void) {
  struct vb_rng r = vb_test_rng();
  for (uint64_t i = 0; i < vb_test_count(8, 200); i++) {
    vb_sim_device *d = idev_new(parts[i % 3], i % 2, vb_rng_next(&r));
    struct ijob j;
    ijob_random(&j, &r, 100);
    ijob_check(d, &j);
    uint64_t n = j.result.cycles;
    j.watchdog = n;
    ijob_check(d, &j);
    for (int l = 0; l < 6; l++) {
      j.watchdog = l ? 2 + vb_rng_below(&r, n - 2) : n - 1; // the descriptor's verdict comes in cycle 1
      ijob_run(d, &j);
      VB_CHECK(j.status == VB_SIM_WATCHDOG && j.result.error_code == VB_HW_ERR_WATCHDOG &&
                   j.result.cycles > j.watchdog && strstr(j.result.text, "watchdog"),
               "limit %llu of %llu: status %d, error 0x%02x after %llu (%s)", (unsigned long long)j.watchdog,
               (unsigned long long)n, j.status, j.result.error_code, (unsigned long long)j.result.cycles,
               j.result.text);
      plain_job_right(d, &r);
    }
    ijob_free(&j);
    idev_free(d);
  }
}

/// A memory that never answers: the job ends with the watchdog's error, so does every other one, until a reset.
static void silent_memory(void) {
  struct vb_rng r = vb_test_rng();
  for (uint64_t i = 0; i < vb_test_count(9, 200); i++) {
    static const char *const kinds[] = {"silent", "rsilent", "bsilent"};
    static const uint32_t from[] = {300, 60, 0}, to[] = {1500, 150, 6}; // cycles, beats, responses of the long job
    char fault[64], err[128] = "";
    uint32_t k = (uint32_t)i % 3;
    snprintf(fault, sizeof fault, "axi:%s@%u", kinds[k], from[k] + (uint32_t)vb_rng_below(&r, to[k] - from[k]));
    setenv("VERBATIM_SIM_FAULT", fault, 1);
    vb_sim_device *d = idev_new(parts[i / 3 % 3], i % 2, vb_rng_next(&r));
    unsetenv("VERBATIM_SIM_FAULT");
    struct ijob_shape s = {IJOB_SCORES, 6, 16, 64, 10, 0, UINT32_MAX, 100}, none = {IJOB_SCORES, 2, 1, 32, 1, 0, 0, 1};
    struct ijob j, next;
    ijob_make(&j, &r, &s, IJOB_GAUSS);
    ijob_make(&next, &r, &none, IJOB_GAUSS); // does not use the bus
    j.watchdog = 30000;
    ijob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_WATCHDOG && j.result.error_code == VB_HW_ERR_WATCHDOG &&
                 strstr(j.result.text, "does not answer"),
             "%s: status %d, error 0x%02x (%s)", fault, j.status, j.result.error_code, j.result.text);
    ijob_run(d, &next);
    VB_CHECK(next.result.error_code == VB_HW_ERR_WATCHDOG, "%s, without a reset: status %d, error 0x%02x (%s)", fault,
             next.status, next.result.error_code, next.result.text);
    VB_CHECK(vb_sim_backend()->reset(d, err, sizeof err) == 0, "%s", err);
    ijob_check(d, &next);
    ijob_free(&j);
    ijob_free(&next);
    idev_free(d);
  }
}

#define A(name) VB_INDEXER_ARG_##name
static void illegal_descriptors(void) {
  static const struct {
    uint32_t mode, slot;
    uint64_t value;
    uint32_t error;
  } bad[] = {{0, A(MODE), 3, 0x12},
             {0, A(MODE), 0x80000000, 0x12},
             {0, A(TOKENS), 1048577, 0x10},
             {1, A(TOKENS), UINT32_MAX, 0x10},
             {0, A(HEADS), 0, 0x10},
             {1, A(HEADS), 65, 0x10},
             {0, A(HEADS), 0x101, 0x10},
             {0, A(DK), 0, 0x10},
             {1, A(DK), 160, 0x10},
             {0, A(DK), 48, 0x10},
             {0, A(DK), 0x10020, 0x10},
             {0, A(TOPK), 0, 0x10},
             {2, A(TOPK), 2049, 0x10},
             {2, A(TOPK), 0x1001, 0x10},
             {0, A(FIRST_COUNT), (uint64_t)-1, 0x10}, // one key more than the buffers hold
             {2, A(FIRST_COUNT), (uint64_t)-1, 0x10},
             {2, A(FIRST_COUNT), UINT32_MAX, 0x10},
             {1, A(FIRST_COUNT), 1048577, 0x10},
             {0, A(Q_STRIDE), 16, 0x11},
             {2, A(Q_STRIDE), 33, 0x11},
             {1, A(W_STRIDE), 32, 0x11},
             {2, A(SCORE_STRIDE), 4, 0x11},
             {0, A(LIST_STRIDE), 32, 0x11},
             {0, A(W_SCALE), 0x7f800000, 0x13},
             {1, A(W_SCALE), 1, 0x13},
             {0, A(W_SCALE), 0x80000000, 0x13},
             {0, A(W_SCALE), 0x5f800000, 0x13}};
  static const uint64_t spoil[] = {4, 32, 1ull << 40, 1ull << 63};
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new(NULL, false, 0);
  size_t n = sizeof bad / sizeof *bad;
  for (size_t i = 0; i < n + 24; i++) {
    uint32_t mode = i < n ? bad[i].mode : (uint32_t)(i % 3), error = i < n ? bad[i].error : 0x11;
    struct ijob_shape s = {mode, 1, 8, 64, 9, 0, UINT32_MAX, 40};
    struct ijob j;
    ijob_make(&j, &r, &s, IJOB_GAUSS);
    j.watchdog = 10000;
    if (i >= n) j.args[(i - n) / 4] += spoil[i % 4];
    else if (bad[i].value == (uint64_t)-1) j.args[bad[i].slot] = idev_hw.indexer_keys + 1;
    else j.args[bad[i].slot] = bad[i].value;
    ijob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_UNIT_ERROR && j.result.error_code == error && j.result.bytes_read == 0 &&
                 j.result.bytes_written == 0,
             "case %zu: status %d, error 0x%02x, wanted 0x%02x (%s)", i, j.status, j.result.error_code, error,
             j.result.text);
    ijob_compare(d, &j, false); // the golden model says the same
    ijob_free(&j);
    plain_job_right(d, &r); // and without a reset
  }
  idev_free(d);
}

static void bus_errors(void) {
  static const struct {
    const char *fault;
    uint32_t mode, error;
  } cases[] = {{"axi:slverr@0", 0, 0x20},   {"axi:decerr@3", 1, 0x21},  {"axi:slverr@60", 0, 0x20},
               {"axi:decerr@150", 1, 0x21}, {"axi:slverr@20", 2, 0x20}, {"axi:bslverr@0", 0, 0x22},
               {"axi:bdecerr@5", 0, 0x23},  {"axi:bslverr@2", 1, 0x22}, {"axi:bdecerr@4", 2, 0x23}};
  struct vb_rng r = vb_test_rng();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (uint64_t seed = 0; seed < vb_test_count(4, 50); seed++) {
      setenv("VERBATIM_SIM_FAULT", cases[i].fault, 1);
      vb_sim_device *d = idev_new(parts[seed % 3], seed > 0, seed);
      unsetenv("VERBATIM_SIM_FAULT");
      struct ijob_shape s = {cases[i].mode, 4, 10, 64, 40, 0, UINT32_MAX, 250},
                        none = {IJOB_FULL, 2, 1, 32, 1, 0, 0, 1};
      struct ijob j;
      ijob_make(&j, &r, &s, IJOB_GAUSS);
      j.watchdog = 200000;
      ijob_run(d, &j);
      VB_CHECK(j.status == VB_SIM_AXI_ERROR && j.result.error_code == cases[i].error,
               "%s: status %d, error 0x%02x (%s)", cases[i].fault, j.status, j.result.error_code, j.result.text);
      ijob_free(&j);
      ijob_make(&j, &r, &none, IJOB_GAUSS); // the fault is spent, or met again: the unit answers either way
      ijob_run(d, &j);
      VB_CHECK(j.status == VB_SIM_OK || j.result.error_code == cases[i].error, "status %d, error 0x%02x (%s)", j.status,
               j.result.error_code, j.result.text);
      if (j.status == VB_SIM_OK) ijob_compare(d, &j, false);
      ijob_free(&j);
      idev_free(d);
    }
}

static void outside_buffers(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new(NULL, false, 0);
  static const uint32_t mode[6] = {0, 0, 1, 2, 0, 0};
  for (int b = 0; b < 7; b++) {
    struct ijob_shape s = {b < 6 ? mode[b] : 1, 2, 16, 32, 50, 0, UINT32_MAX, 100};
    struct ijob j;
    int buffer = b < 6 ? b : 3;
    ijob_make(&j, &r, &s, IJOB_GAUSS);
    j.deny[buffer] = true;
    j.watchdog = 100000;
    ijob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_AXI_ERROR && j.result.error_code == (b > 3 ? 0x23u : 0x21u) &&
                 strstr(j.result.text, "outside"),
             "buffer %d: status %d, error 0x%02x (%s)", buffer, j.status, j.result.error_code, j.result.text);
    ijob_free(&j);
    plain_job_right(d, &r);
  }
  idev_free(d);
}

/// A record whose block code exceeds its largest: the job runs to its end and says so.
static void bad_records(void) {
  struct vb_rng r = vb_test_rng();
  vb_sim_device *d = idev_new(NULL, false, 0);
  for (uint64_t i = 0; i < vb_test_count(24, 300); i++) {
    struct ijob_shape s = {i % 2, 2, 9, 96, 5, 0, UINT32_MAX, 30};
    struct ijob j;
    ijob_make(&j, &r, &s, IJOB_GAUSS);
    bool key = vb_rng_below(&r, 2);
    uint32_t which = (uint32_t)vb_rng_below(&r, key ? 31 : 9),
             block = (uint32_t)vb_rng_below(&r, 4); // block 3 does not exist
    uint8_t *rec = j.image + (j.args[key ? A(K) : A(Q)] - j.base) + 128 * which;
    rec[block] = 255;
    rec[18] = 254;
    ijob_run(d, &j);
    VB_CHECK(j.result.error_code == (block < 3 ? VB_HW_ERR_INDEXER_RECORD : 0), "block %u: error 0x%02x", block,
             j.result.error_code);
    ijob_compare(d, &j, false);
    ijob_free(&j);
    plain_job_right(d, &r);
  }
  idev_free(d);
}

/// The comparison itself must see one flipped bit in what the unit writes.
static void flipped_bit_is_caught(void) {
  struct vb_rng r = vb_test_rng();
  for (int i = 0; i < 12; i++) {
    char fault[64];
    snprintf(fault, sizeof fault, "indexer:wdata:%d:%d", 300 * i, (int)vb_rng_below(&r, 128));
    setenv("VERBATIM_SIM_FAULT", fault, 1);
    vb_sim_device *d = idev_new(NULL, true, (uint64_t)i);
    unsetenv("VERBATIM_SIM_FAULT");
    struct ijob_shape s = {(uint32_t)i % 3, 8, 4, 64, 50, 0, UINT32_MAX, 600};
    struct ijob j;
    ijob_make(&j, &r, &s, IJOB_GAUSS);
    ijob_run(d, &j);
    VB_CHECK(j.status == VB_SIM_OK, "%s", j.result.text);
    VB_CHECK(!ijob_compare(d, &j, true), "%s was not seen", fault);
    ijob_free(&j);
    idev_free(d);
  }
}

static const struct vb_test tests[] = {{"random_jobs", random_jobs},
                                       {"corners", corners},
                                       {"ties", ties},
                                       {"largest_topk", largest_topk},
                                       {"largest_full", largest_full},
                                       {"fixed_cost", fixed_cost},
                                       {"replays", replays},
                                       {"reset_anywhere", reset_anywhere},
                                       {"watchdog", watchdog},
                                       {"silent_memory", silent_memory},
                                       {"illegal_descriptors", illegal_descriptors},
                                       {"bus_errors", bus_errors},
                                       {"outside_buffers", outside_buffers},
                                       {"bad_records", bad_records},
                                       {"flipped_bit_is_caught", flipped_bit_is_caught},
                                       {0}};
static int use_first(void) { return idev_use(0); }
static int use_second(void) { return idev_use(1); }
static int use_third(void) { return idev_use(2); }

// Every configuration that was built (SIM_CONFIGS), each a suite of its own.
int main(int argc, char **argv) {
  static int (*const use[])(void) = {use_first, use_second, use_third};
  struct vb_suite suites[4] = {{0}};
  char names[3][64];
  for (uint32_t i = 0; i < 3 && i < vb_sim_backend()->config_count() && !vb_sim_backend()->config_info(i)->fast; i++) {
    snprintf(names[i], sizeof names[i], "indexer_%s", vb_sim_backend()->config_info(i)->name);
    suites[i] = (struct vb_suite){names[i], tests, use[i], NULL};
  }
  return vb_test_main(argc, argv, suites);
}
