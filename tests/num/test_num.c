// SPDX-License-Identifier: Apache-2.0
/// Primitives of the contract (docs/numerics.md, sections 1 and 2) against exact 128-bit arithmetic, and the claim that
/// native floats plus an integer canonicalisation are the same thing in any denormal mode.
#include "num/num.h"
#include "oracle.h"
#include "support/harness.h"
#include <math.h>
#include <xmmintrin.h>

/// Pairs in flight: large enough to amortise the thread start, small enough for the cache.
enum { BATCH = 1 << 16 };

/// One integer of every bit length, dense near powers of two and half-way patterns.
static uint64_t any_u64(struct vb_rng *r) {
  uint64_t u = vb_rng_next(r);
  int bits = (int)vb_rng_below(r, 65);
  if (!bits) return 0;
  u >>= 64 - bits;
  switch (vb_rng_below(r, 4)) {
  case 0: return u | (uint64_t)1 << (bits - 1);                               // exact length
  case 1: return u & ~(((uint64_t)1 << vb_rng_below(r, (uint64_t)bits)) - 1); // trailing zeros: ties
  case 2: return ((uint64_t)1 << (bits - 1)) + vb_rng_below(r, 3) - 1;        // 2^k - 1, 2^k, 2^k + 1
  default: return u;
  }
}

static void shr_rne(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(1000000, 100000000), bad = 0;
  for (uint64_t i = 0; i < n; i++) {
    int64_t x = (int64_t)any_u64(&r);
    int s = (int)vb_rng_range(&r, -70, 130);
    if (s < 0 && s >= -62 && x) { // the caller's part: a left shift that fits
      int room = 62 - oracle_log2(x < 0 ? -(u128)x : (u128)x);
      s = room > 0 ? -(int)vb_rng_below(&r, (uint64_t)room + 1) : 0;
    }
    i128 want = s < -62 || s > 62 ? 0 : s < 0 ? (i128)x * ((i128)1 << -s) : oracle_div_rne(x, s);
    bad += vb_shr_rne(x, s) != want;
  }
  vb_test_compared("shr_rne", n);
  VB_CHECK(!bad, "%llu of %llu shifts differ from the exact quotient", (unsigned long long)bad, (unsigned long long)n);
  CU_ASSERT_EQUAL(vb_shr_rne(5, 1), 2);
  CU_ASSERT_EQUAL(vb_shr_rne(7, 1), 4);
  CU_ASSERT_EQUAL(vb_shr_rne(-5, 1), -2);
  CU_ASSERT_EQUAL(vb_shr_rne(-7, 1), -4);
  CU_ASSERT_EQUAL(vb_shr_rne(INT64_MIN, 62), -2);
  CU_ASSERT_EQUAL(vb_shr_rne(INT64_MAX, 63), 0);
}

static void shr_rhu(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(1000000, 100000000), bad = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t x = any_u64(&r);
    int s = (int)vb_rng_range(&r, -70, 130);
    u128 want = s < -63 || s > 64 ? 0 : s < 0 ? (uint64_t)(x << -s) : oracle_div_rhu(x, s);
    bad += vb_shr_rhu(x, s) != want;
  }
  vb_test_compared("shr_rhu", n);
  VB_CHECK(!bad, "%llu of %llu shifts differ from the exact quotient", (unsigned long long)bad, (unsigned long long)n);
  CU_ASSERT_EQUAL(vb_shr_rhu(5, 1), 3);
  CU_ASSERT_EQUAL(vb_shr_rhu(UINT64_MAX, 64), 1);
  CU_ASSERT_EQUAL(vb_shr_rhu(UINT64_MAX, 65), 0);
}

static void norm(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(2000000, 200000000), bad = 0;
  for (uint64_t i = 0; i < n; i++) {
    int64_t x = (int64_t)any_u64(&r);
    int e = (int)vb_rng_range(&r, -140, 80);
    vb_z y = vb_norm(x, e);
    bad += y != oracle_norm(x, e) || !vb_z_valid(y);
  }
  vb_test_compared("norm", n);
  VB_CHECK(!bad, "%llu of %llu values differ from the nearest carrier value", (unsigned long long)bad,
           (unsigned long long)n);
}

static void norm_edges(void) {
  const vb_z smallest = 0x20800000u, largest = 0x5f7fffffu;
  CU_ASSERT_EQUAL(vb_norm(0, 500), 0);
  CU_ASSERT_EQUAL(vb_norm(1, 0), VB_Z_ONE);
  CU_ASSERT_EQUAL(vb_norm(1, -62), smallest);
  CU_ASSERT_EQUAL(vb_norm(-1, -62), smallest | 0x80000000u);
  CU_ASSERT_EQUAL(vb_norm(1, -63), 0);
  CU_ASSERT_EQUAL(vb_norm(-1, -63), 0);
  CU_ASSERT_EQUAL(vb_norm(0x1fffffe, -87), 0);        // (1 - 2^-24) 2^-62: 24 bits, no rounding, flushed
  CU_ASSERT_EQUAL(vb_norm(0x1ffffff, -87), smallest); // rounds up to 2^-62 first: flushing comes after rounding
  CU_ASSERT_EQUAL(vb_norm(0xffffff, 40), largest);
  CU_ASSERT_EQUAL(vb_norm(0x1ffffff, 39), largest); // rounds up to 2^64: saturates
  CU_ASSERT_EQUAL(vb_norm(INT64_MIN, 0), 0xdf000000u);
  CU_ASSERT_EQUAL(vb_norm(INT64_MIN, 1), largest | 0x80000000u);
  CU_ASSERT_EQUAL(vb_norm(INT64_MAX, 1000), largest);
  CU_ASSERT_EQUAL(vb_norm(INT64_MAX, -1000), 0);
  for (int e = -200; e <= 200; e++)
    for (int k = 0; k < 63; k++)
      for (int64_t d = -1; d <= 1; d++) {
        int64_t x = ((int64_t)1 << k) + d;
        if (vb_norm(x, e) != oracle_norm(x, e) || vb_norm(-x, e) != oracle_norm(-(i128)x, e))
          VB_CHECK(false, "NORM(2^%d %+d, %d) is not the nearest carrier value", k, (int)d, e);
      }
}

/// Canonicalisation of a native result, as a device without our integer path does it.
static uint32_t canon(float f) {
  uint32_t u, e;
  memcpy(&u, &f, 4);
  e = u >> 23 & 255;
  if (e < 127 - 62) return 0;
  return e > 127 + 63 ? (u & 0x80000000u) | 0x5f7fffffu : u;
}

struct op_counts {
  uint64_t add, mul, native, order;
};

static void pair(uint32_t a, uint32_t b, struct op_counts *bad) {
  uint32_t sum = oracle_add(a, b), product = oracle_mul(a, b);
  bad->add += vb_add(a, b) != sum || !vb_z_valid(sum);
  bad->mul += vb_mul(a, b) != product || !vb_z_valid(product);
  bad->order += vb_add(b, a) != sum || vb_mul(b, a) != product || vb_add(a, vb_neg(a)) != 0;
  volatile float x = vb_to_float(a), y = vb_to_float(b), s = x + y, p = x * y; // volatile: in this thread's mode
  bad->native += canon(s) != sum || canon(p) != product;
}

static void report(const struct op_counts *bad, uint64_t n, const char *mode) {
  vb_test_compared("add", n);
  vb_test_compared("mul", n);
  VB_CHECK(!bad->add, "%s: %llu of %llu sums wrong", mode, (unsigned long long)bad->add, (unsigned long long)n);
  VB_CHECK(!bad->mul, "%s: %llu of %llu products wrong", mode, (unsigned long long)bad->mul, (unsigned long long)n);
  VB_CHECK(!bad->order, "%s: %llu pairs depend on the operands' order", mode, (unsigned long long)bad->order);
  VB_CHECK(!bad->native, "%s: %llu native results differ after canonicalisation", mode,
           (unsigned long long)bad->native);
}

enum { FTZ_DAZ = 0x8040 };

static void random_pairs(unsigned mode, const char *name) {
  struct vb_rng seed = vb_test_rng();
  uint64_t batches = vb_test_count(2000000, 100000000) / BATCH + 1, base = vb_rng_next(&seed);
  struct op_counts bad = {0, 0, 0, 0};
  uint64_t add = 0, mul = 0, native = 0, order = 0;
#pragma omp parallel for reduction(+ : add, mul, native, order) schedule(dynamic)
  for (uint64_t k = 0; k < batches; k++) {
    unsigned saved = _mm_getcsr();
    _mm_setcsr(saved | mode);
    struct vb_rng r = {base + k * 0x2545f4914f6cdd1du};
    struct op_counts b = {0, 0, 0, 0};
    for (uint32_t i = 0; i < BATCH; i++) {
      uint32_t x = vb_rng_z(&r, VB_GEN_MIX), y;
      // Half of the partners are within 30 binades: elsewhere a sum only ever returns its larger operand.
      if (i % 2 && x) {
        int64_t e = (int64_t)(x >> 23 & 255) + vb_rng_range(&r, -30, 30);
        e = e < 65 ? 65 : e > 190 ? 190 : e;
        y = (uint32_t)e << 23 | ((uint32_t)vb_rng_next(&r) & 0x807fffff);
      } else {
        y = vb_rng_z(&r, VB_GEN_MIX);
      }
      pair(x, y, &b);
    }
    _mm_setcsr(saved);
    add += b.add, mul += b.mul, native += b.native, order += b.order;
  }
  bad = (struct op_counts){add, mul, native, order};
  report(&bad, batches * BATCH, name);
}
static void carrier_ieee(void) { random_pairs(0, "IEEE denormals"); }
static void carrier_ftz_daz(void) { random_pairs(FTZ_DAZ, "FTZ and DAZ"); }

static void carrier_special_pairs(void) {
  uint32_t n;
  const uint32_t *v = vb_edge_values(&n);
  for (int mode = 0; mode < 2; mode++) {
    unsigned saved = _mm_getcsr();
    struct op_counts bad = {0, 0, 0, 0};
    _mm_setcsr(saved | (mode ? FTZ_DAZ : 0));
    for (uint32_t i = 0; i < n; i++)
      for (uint32_t j = 0; j < n; j++) pair(v[i], v[j], &bad);
    _mm_setcsr(saved);
    report(&bad, (uint64_t)n * n, mode ? "FTZ and DAZ" : "IEEE denormals");
  }
}

static void import_bits(void) {
  struct {
    uint32_t in, out;
    unsigned flags;
  } cases[] = {
      {0x00000000, 0, 0},
      {0x80000000, 0, 0},
      {0x00000001, 0, VB_IMPORT_FLUSH},
      {0x807fffff, 0, VB_IMPORT_FLUSH},
      {0x207fffff, 0, VB_IMPORT_FLUSH},
      {0x20800000, 0x20800000, 0},
      {0xa0800000, 0xa0800000, 0},
      {0x5f7fffff, 0x5f7fffff, 0},
      {0x5f800000, 0x5f7fffff, VB_IMPORT_SATURATE},
      {0xff7fffff, 0xdf7fffff, VB_IMPORT_SATURATE},
      {0x7f800000, 0x5f7fffff, VB_IMPORT_INF},
      {0xff800000, 0xdf7fffff, VB_IMPORT_INF},
      {0x7fc00000, 0, VB_IMPORT_NAN},
      {0xff800001, 0, VB_IMPORT_NAN},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned flags = 0;
    vb_z z = vb_from_float_bits(cases[i].in, &flags);
    VB_CHECK(z == cases[i].out && flags == cases[i].flags, "import of %08x: %08x flags %u, expected %08x flags %u",
             cases[i].in, z, flags, cases[i].out, cases[i].flags);
  }
  struct vb_rng r = vb_test_rng();
  uint64_t bad = 0, n = vb_test_count(1000000, 1u << 30);
  for (uint64_t i = 0; i < n; i++) {
    uint32_t u = (uint32_t)vb_rng_next(&r);
    unsigned flags = 0;
    vb_z z = vb_from_float_bits(u, &flags);
    bad += !vb_z_valid(z) || (vb_z_valid(u) && (z != u || flags)) || (!vb_z_valid(u) && u != 0x80000000u && !flags);
  }
  VB_CHECK(!bad, "%llu imports leave the carrier or lose their flag", (unsigned long long)bad);
}

static void order_key(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t bad = 0;
  for (int i = 0; i < 1000000; i++) {
    uint32_t a = vb_rng_z(&r, VB_GEN_MIX), b = i % 3 ? vb_rng_z(&r, VB_GEN_MIX) : a;
    long double x = oracle_value(a), y = oracle_value(b);
    bad += (vb_order_key(a) > vb_order_key(b)) != (x > y) || (vb_order_key(a) == vb_order_key(b)) != (x == y);
  }
  VB_CHECK(!bad, "%llu pairs ordered differently from their values", (unsigned long long)bad);
}

static void q16(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t bad = 0, n = vb_test_count(1000000, 100000000);
  for (uint64_t i = 0; i < n; i++) {
    int64_t x = (int64_t)any_u64(&r);
    int s = (int)vb_rng_range(&r, -90, 90); // right shift to Q15.16
    if (x == INT64_MIN) x++;
    i128 want;
    if (s > 62) want = 0;
    else if (s >= 0) want = oracle_div_rne(x, s);
    else want = x == 0 ? 0 : s < -63 ? (x < 0 ? -(i128)INT64_MAX : INT64_MAX) : (i128)x * ((i128)1 << -s);
    want = want > INT32_MAX ? INT32_MAX : want < -INT32_MAX ? -INT32_MAX : want;
    bad += vb_q16(x, -s - 16) != want;
  }
  vb_test_compared("q16", n);
  VB_CHECK(!bad, "%llu of %llu scores differ", (unsigned long long)bad, (unsigned long long)n);
}

/// The quotient's only errors: numerator to 24 bits, reciprocal to 31, result to 24.
static void divide(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(1000000, 100000000);
  long double worst = 0;
  for (uint64_t i = 0; i < n; i++) {
    int64_t num = (int64_t)(any_u64(&r) >> 1) | 1;
    uint64_t den = any_u64(&r) | 1;
    int e = (int)vb_rng_range(&r, -40, 20);
    long double exact = ldexpl((long double)num / (long double)den, e);
    vb_z y = vb_divide(i % 2 ? num : -num, e, den);
    if (exact < 0x1p-61L || exact >= 0x1p63L) continue;
    long double err = fabsl(fabsl(oracle_value(y)) - exact) / exact;
    if (err > worst || (y >> 31) != (i % 2 == 0)) worst = (y >> 31) != (i % 2 == 0) ? 1 : err;
  }
  vb_test_compared("divide", n);
  VB_CHECK(worst < exp2l(-22.98L), "relative error 2^%.2f", (double)log2l(worst));
  printf("  bound | quotient (softmax, gates) | relative | 2^%.2f | 2^-22.98 |\n", (double)log2l(worst));
  CU_ASSERT_EQUAL(vb_divide(0, 5, 7), 0);
  CU_ASSERT_EQUAL(vb_divide(7, 5, 0), 0);
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"shr_rne", shr_rne},
                                  {"shr_rhu", shr_rhu},
                                  {"norm", norm},
                                  {"norm_edges", norm_edges},
                                  {"carrier_special_pairs", carrier_special_pairs},
                                  {"carrier_ieee", carrier_ieee},
                                  {"carrier_ftz_daz", carrier_ftz_daz},
                                  {"import_bits", import_bits},
                                  {"order_key", order_key},
                                  {"q16", q16},
                                  {"divide", divide},
                                  {0}};
  const struct vb_suite suites[] = {{"num", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
