// SPDX-License-Identifier: Apache-2.0
// Timings of the DRAM model against the numbers of its parts, command by command.
#include "dram/dram.h"
#include "reference.h"
#include "support/harness.h"
#include <string.h>

enum { PS = 1000 }; // an "accelerator clock" of 1 GHz: cycles are nanoseconds, rounded up

static uint64_t up(uint64_t ps) { return (ps + PS - 1) / PS; }

/// Completion of one column access at `now`.
static uint64_t one(struct vb_dram *d, uint64_t now, uint64_t address, bool write) {
  uint64_t ready;
  return vb_dram_access(d, now, address, 1, 32, write, 0, &ready);
}

static void miss_hit_conflict(void) {
  for (uint32_t i = 0; vb_dram_at(i); i++) {
    const struct vb_dram_part *p = vb_dram_at(i);
    if (!p->rcd) continue; // the ideal memory has no banks to speak of
    struct vb_dram *d = vb_dram_new(p, PS, false, 0);
    uint32_t c = p->controller;
    // Closed row: tRCD + CL + data.
    VB_CHECK(one(d, 0, 0, false) == up(c + p->rcd + p->cl + p->burst), "%s: miss", p->name);
    // Open row, long after: CL + data.
    VB_CHECK(one(d, 1000, 0, false) == 1000 + up(c + p->cl + p->burst), "%s: hit", p->name);
    // Another row of the same bank (the bank permutation is undone by the same XOR): tRP + tRCD + CL + data.
    uint64_t bank_span = (uint64_t)p->row_bytes * p->bank_groups, row_span = bank_span * p->banks_per_group;
    uint64_t other = row_span * p->banks_per_group * p->channels; // low row bits equal: same bank
    VB_CHECK(one(d, 2000, other, false) == 2000 + up(c + p->rp + p->rcd + p->cl + p->burst), "%s: conflict", p->name);
    const struct vb_dram_stats *s = vb_dram_get_stats(d);
    VB_CHECK(s->misses == 1 && s->hits == 1 && s->conflicts == 1, "%s: %llu %llu %llu", p->name,
             (unsigned long long)s->misses, (unsigned long long)s->hits, (unsigned long long)s->conflicts);
    vb_dram_free(d);
  }
}

/// A long stream runs at one column access per burst time (bank groups alternate), and two accesses of one
/// bank group are tCCD_L apart.
static void spacing(void) {
  const struct vb_dram_part *p = vb_dram_find("ddr4-2400");
  struct vb_dram *d = vb_dram_new(p, 1, false, 0); // picosecond cycles
  uint64_t ready[2], a, b;
  vb_dram_access(d, 0, 0, 1, 64, false, 0, ready);
  vb_dram_access(d, 0, 64, 1, 64, false, 0, ready);
  a = vb_dram_access(d, 100000, 0, 1, 64, false, 0, ready);
  b = vb_dram_access(d, 100000, 64, 1, 64, false, 0, ready);
  VB_CHECK(b - a == p->ccd_s, "other group: %llu ps", (unsigned long long)(b - a));
  a = vb_dram_access(d, 200000, 0, 1, 64, false, 0, ready);
  b = vb_dram_access(d, 200000, 128, 1, 64, false, 0, ready);
  VB_CHECK(b - a == p->ccd_l, "same group: %llu ps", (unsigned long long)(b - a));
  // Two beats of 32 bytes share one 64-byte column access, and the bus takes one a cycle.
  vb_dram_access(d, 300000, 256, 2, 32, false, 0, ready);
  CU_ASSERT_EQUAL(ready[0] + 1, ready[1]);
  vb_dram_free(d);
}

static void turnaround(void) {
  const struct vb_dram_part *p = vb_dram_find("ddr4-2400");
  struct vb_dram *d = vb_dram_new(p, 1, false, 0);
  uint64_t ready, w, r, r2, w2;
  for (uint64_t a = 0; a < 4; a++) vb_dram_access(d, 0, 64 * a, 1, 64, false, 0, &ready); // open the rows
  w = vb_dram_access(d, 1000000, 0, 1, 64, true, 0, &ready);
  r = vb_dram_access(d, 1000000, 128, 1, 64, false, 0, &ready); // same bank group
  VB_CHECK(r - w == (uint64_t)p->wtr_l + p->cl + p->burst, "write to read, same group: %llu",
           (unsigned long long)(r - w));
  w = vb_dram_access(d, 2000000, 0, 1, 64, true, 0, &ready);
  r = vb_dram_access(d, 2000000, 64, 1, 64, false, 0, &ready); // other bank group
  VB_CHECK(r - w == (uint64_t)p->wtr_s + p->cl + p->burst, "write to read, other group: %llu",
           (unsigned long long)(r - w));
  r2 = vb_dram_access(d, 3000000, 0, 1, 64, false, 0, &ready);
  w2 = vb_dram_access(d, 3000000, 64, 1, 64, true, 0, &ready);
  VB_CHECK(w2 - r2 == (uint64_t)p->tck + p->burst, "read to write: one clock between the data, %llu",
           (unsigned long long)(w2 - r2));
  CU_ASSERT(vb_dram_get_stats(d)->turnarounds >= 5);
  vb_dram_free(d);
}

static void activation_window(void) {
  const struct vb_dram_part *p = vb_dram_find("ddr4-2400");
  struct vb_dram *d = vb_dram_new(p, 1, false, 0);
  uint64_t ready, first = 0, t = 0;
  for (uint64_t b = 0; b < 5; b++) { // five banks at once: the fifth ACT waits for tFAW
    uint64_t bank = (b >> 1) * p->row_bytes * 2 + (b & 1) * 64;
    t = vb_dram_access(d, 0, bank, 1, 64, false, 0, &ready);
    if (b == 0) first = t;
  }
  VB_CHECK(t - first == p->faw, "fifth activation %llu ps after the first", (unsigned long long)(t - first));
  vb_dram_free(d);
}

static void refresh_interval(void) {
  for (uint32_t i = 0; vb_dram_at(i); i++) {
    const struct vb_dram_part *p = vb_dram_at(i);
    if (!p->rfc) continue;
    struct vb_dram *d = vb_dram_new(p, 1, false, 0);
    uint64_t ready, n = 200;
    for (uint64_t k = 1; k <= n; k++) vb_dram_access(d, k * p->refi + p->refi / 2, 0, 1, 32, false, 0, &ready);
    VB_CHECK(vb_dram_get_stats(d)->refreshes == n, "%s: %llu refreshes in %llu intervals", p->name,
             (unsigned long long)vb_dram_get_stats(d)->refreshes, (unsigned long long)n);
    // Each refresh closed the row, so every access was a miss; one inside tRFC waits for its end.
    VB_CHECK(vb_dram_get_stats(d)->misses == n, "%s: rows stayed open", p->name);
    uint64_t due = (n + 1) * p->refi, t = vb_dram_access(d, due, 0, 1, 32, false, 0, &ready);
    VB_CHECK(t == due + p->rfc + p->rcd + p->cl + p->burst + (p->controller - p->controller / 2),
             "%s: access during refresh, %llu", p->name, (unsigned long long)(t - due));
    vb_dram_free(d);
  }
}

/// Sequential bandwidth of every part, close to the pins' rate and never above it.
static void bandwidth(void) {
  for (uint32_t i = 0; vb_dram_at(i); i++) {
    const struct vb_dram_part *p = vb_dram_at(i);
    if (!p->rcd) continue;
    struct vb_dram *d = vb_dram_new(p, 1, false, 0);
    uint64_t ready[64], t = 0, bytes = 4u << 20;
    for (uint64_t a = 0; a < bytes; a += 2048) t = vb_dram_access(d, 0, a, 64, 32, false, 0, ready);
    double peak = (double)p->burst_bytes * p->channels / p->burst, got = (double)bytes / (double)t;
    VB_CHECK(got <= peak && got > 0.80 * peak, "%s: %.2f of %.2f GB/s", p->name, got * 1000, peak * 1000);
    vb_dram_free(d);
  }
}

static void noise_is_a_function_of_the_seed(void) {
  const struct vb_dram_part *p = vb_dram_find("ddr5-4800");
  struct vb_dram *a = vb_dram_new(p, 4000, true, 7), *b = vb_dram_new(p, 4000, true, 7),
                 *c = vb_dram_new(p, 4000, true, 8);
  struct vb_rng r = vb_test_rng();
  uint64_t differ = 0, n = 2000, now = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t address = vb_rng_below(&r, 1u << 24) & ~31u, ra[16], rb[16], rc[16];
    now += vb_rng_below(&r, 30);
    bool write = vb_rng_below(&r, 4) == 0;
    uint64_t ta = vb_dram_access(a, now, address, 16, 32, write, 0, ra),
             tb = vb_dram_access(b, now, address, 16, 32, write, 0, rb);
    differ += ta != vb_dram_access(c, now, address, 16, 32, write, 0, rc);
    CU_ASSERT(ta == tb && memcmp(ra, rb, sizeof ra) == 0);
    for (int k = 0; k < 16; k++) CU_ASSERT(ra[k] > now && (k == 0 || ra[k] > ra[k - 1]));
  }
  VB_CHECK(differ > n / 4, "another seed changed only %llu accesses", (unsigned long long)differ);
  vb_dram_free(a);
  vb_dram_free(b);
  vb_dram_free(c);
}

/// Runs of column accesses are taken together: every beat of every access is there when the reference, which takes them
/// one by one, and the bus say so, and all counters agree.
static void runs_equal_single_columns(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t beats_seen = 0;
  for (uint64_t i = 0; i < vb_test_count(160, 4000); i++) {
    const struct vb_dram_part *p = vb_dram_at((uint32_t)(i % 4));
    uint32_t clock = vb_rng_below(&r, 2) ? 4000 : 1 + (uint32_t)vb_rng_below(&r, 6000);
    uint32_t beat = 8u << vb_rng_below(&r, 4), writes = (uint32_t)vb_rng_below(&r, 3);
    uint64_t seed = vb_rng_next(&r), now = 0, at = 0, span = 1ull << (12 + vb_rng_below(&r, 18));
    struct vb_dram *fast = vb_dram_new(p, clock, i % 3 == 0, seed);
    struct slow_dram *slow = slow_dram_new(p, clock, i % 3 == 0, seed);
    bool ok = true;
    for (int n = 0; n < 300 && ok; n++) {
      uint64_t got[256], want[256];
      uint32_t beats = 1 + (uint32_t)vb_rng_below(&r, vb_rng_below(&r, 4) ? 16 : 128);
      if (vb_rng_below(&r, 3) == 0) at = vb_rng_below(&r, span); // else go on behind the last access
      at = at / beat * beat;
      now += vb_rng_below(&r, 8) ? vb_rng_below(&r, 40) : vb_rng_below(&r, 30000);
      bool write = vb_rng_below(&r, 4) < writes;
      uint64_t bus = vb_rng_below(&r, 2) ? now + vb_rng_below(&r, 400) : 0;
      uint64_t a = vb_dram_access(fast, now, at, beats, beat, write, bus, got);
      uint64_t b = slow_dram_access(slow, now, at, beats, beat, write, want);
      for (uint32_t k = 0; k < beats; k++, bus++) want[k] = bus = want[k] > bus ? want[k] : bus;
      ok = VB_CHECK(a == b && memcmp(got, want, beats * sizeof *got) == 0 &&
                        memcmp(vb_dram_get_stats(fast), slow_dram_get_stats(slow), sizeof(struct vb_dram_stats)) == 0,
                    "%s, clock %u, access %d: %u beats of %u bytes at 0x%llx", p->name, clock, n, beats, beat,
                    (unsigned long long)at);
      at += (uint64_t)beats * beat;
      beats_seen += beats;
    }
    vb_dram_free(fast);
    slow_dram_free(slow);
  }
  vb_test_compared("dram", beats_seen);
}

static void port_noise_has_all_characters(void) {
  uint32_t none = 0, light = 0, heavy = 0;
  for (uint64_t seed = 0; seed < 100; seed++) {
    uint32_t held = 0;
    for (uint64_t cycle = 0; cycle < 1000; cycle++) held += vb_port_held(seed, VB_PORT_AR, cycle);
    none += held == 0;
    light += held > 50 && held < 500;
    heavy += held > 800;
  }
  VB_CHECK(none > 5 && light > 5 && heavy > 5, "%u %u %u", none, light, heavy);
}

static void bad_parts_are_refused(void) {
  struct vb_dram_part p = *vb_dram_find("ddr4-2400");
  CU_ASSERT_PTR_NULL(vb_dram_find("ddr3"));
  p.channels = 3;
  CU_ASSERT_PTR_NULL(vb_dram_new(&p, PS, false, 0));
  p.channels = 1;
  p.interleave = 32; // below one column access
  CU_ASSERT_PTR_NULL(vb_dram_new(&p, PS, false, 0));
  p.interleave = 4096;
  CU_ASSERT_PTR_NULL(vb_dram_new(&p, 0, false, 0));
  p.ccd_l = p.ccd_s - 1; // another group is never later than the same one
  CU_ASSERT_PTR_NULL(vb_dram_new(&p, PS, false, 0));
}

static const struct vb_test tests[] = {{"miss_hit_conflict", miss_hit_conflict},
                                       {"spacing", spacing},
                                       {"turnaround", turnaround},
                                       {"activation_window", activation_window},
                                       {"refresh_interval", refresh_interval},
                                       {"bandwidth", bandwidth},
                                       {"noise_is_a_function_of_the_seed", noise_is_a_function_of_the_seed},
                                       {"runs_equal_single_columns", runs_equal_single_columns},
                                       {"port_noise_has_all_characters", port_noise_has_all_characters},
                                       {"bad_parts_are_refused", bad_parts_are_refused},
                                       {0}};
int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"dram", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
