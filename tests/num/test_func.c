// SPDX-License-Identifier: Apache-2.0
/// The integer functions of the contract against extended precision: the published error bounds (docs/numerics.md,
/// "Error bounds") are asserted here, and the measured figures beside them are printed for that table.
#include "num/func.h"
#include "num/rope.h"
#include "oracle.h"
#include "support/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TWO_PI 6.283185307179586476925286766559005768L

/// Assert and print one row of docs/bounds.md. The bound is a power of two, given as its exponent.
static void bound(const char *name, const char *kind, long double worst, double log2_bound) {
  printf("  bound | %s | %s | 2^%.2f | 2^%.2f |\n", name, kind, (double)log2l(worst), log2_bound);
  VB_CHECK(worst <= exp2l(log2_bound), "%s: %s error 2^%.3f is above the published 2^%.2f", name, kind,
           (double)log2l(worst), log2_bound);
}

// --- EXP2_24: the whole domain -------------------------------------------------------------------------------------
static void exp2_24(void) {
  long double worst = 0;
  uint32_t previous = UINT32_MAX, overflow = 0, rises = 0;
  for (uint32_t f = 0; f < 65536; f++) {
    const uint32_t *c = vb_exp2_24_tab[f >> 12];
    uint32_t y = vb_exp2_24(f);
    // The same in 64 bits: equal means that no 32-bit product, sum or difference wrapped.
    int64_t dx = f & 4095, p = c[2] * dx + 2048, t = (int64_t)c[1] - (p >> 12), q = t * dx + 2048;
    int64_t wide = (int64_t)c[0] - (q >> 12);
    overflow += p > UINT32_MAX || t < 0 || q > UINT32_MAX || wide != y;
    rises += y > previous;
    previous = y;
    long double exact = (0x1p24L - 1) * exp2l(-(long double)f / 65536), err = fabsl(y - exact) / exact;
    if (err > worst) worst = err;
  }
  CU_ASSERT_EQUAL(overflow, 0);
  CU_ASSERT_EQUAL(rises, 0);
  VB_CHECK(vb_exp2_24(0) <= 0xffffff && previous >= 0x7fffff, "range is not 24 bits");
  vb_test_compared("exp2_24", 65536);
  bound("`EXP2_24`", "relative, whole domain", worst, -20.4);
}

// --- Q7: dense in the normal run, all 2^31 fractions in the campaign --------------------------------------------------
static long double f_exp2(long double f) { return 0x1p31L * exp2l(-f); }
static long double f_log2(long double f) { return 0x1p31L * log2l(1 + f); }
static long double f_recip(long double f) { return 0x1p31L / (1 + f); }
static long double f_rsqa(long double f) { return 0x1p31L / sqrtl(1 + f); }
static long double f_rsqb(long double f) { return 0x1p31L / sqrtl(2 + 2 * f); }
static long double f_sinq(long double f) { return 0x1p30L * sinl(TWO_PI / 4 * f); }

static const struct table {
  const char *name, *label;
  const int64_t (*tab)[3];
  long double (*exact)(long double);
  int unit;     ///< values are Q.unit
  double bound; ///< of the absolute error, log2
  int sense;    ///< +1 rises, -1 falls
} q7_tables[] = {
    {"q7_exp2", "`Q7(EXP2)`", vb_exp2_tab, f_exp2, 31, -29.1, -1},
    {"q7_log2", "`Q7(LOG2)`", vb_log2_tab, f_log2, 31, -26.6, 1},
    {"q7_recip", "`Q7(RECIP)`", vb_recip_tab, f_recip, 31, -25.6, -1},
    {"q7_rsqa", "`Q7(RSQA)`", vb_rsqa_tab, f_rsqa, 31, -27.2, -1},
    {"q7_rsqb", "`Q7(RSQB)`", vb_rsqb_tab, f_rsqb, 31, -27.9, -1},
    {"q7_sinq", "`Q7(SINQ)`", vb_sinq_tab, f_sinq, 30, -26.2, 1},
};

static void q7(void) {
  // An odd stride meets every segment at ever other offsets; each segment's first and last fractions are added.
  uint64_t stride = vb_test_campaign ? 1 : 1627, segments = 128;
  for (size_t k = 0; k < sizeof q7_tables / sizeof *q7_tables; k++) {
    const struct table *t = &q7_tables[k];
    long double worst = 0, back = 0;
    uint64_t wide = 0, count = 0;
#pragma omp parallel for reduction(max : worst, back) reduction(+ : wide, count) schedule(dynamic)
    for (uint64_t s = 0; s < segments; s++) {
      const int64_t *c = t->tab[s];
      int64_t before = 0;
      for (uint64_t i = 0; i < 1 << 24;) {
        uint32_t f = (uint32_t)(s << 24 | i);
        int64_t y = vb_q7(t->tab, f), dx = (int64_t)i;
        i128 p = (i128)c[2] * dx + (1 << 23), q = (c[1] + (p >> 24)) * dx + (1 << 23); // exact, to see overflow
        wide += p != (int64_t)p || q != (int64_t)q || c[0] + (int64_t)(q >> 24) != y || llabs(c[1]) >= 1 << 25 ||
                llabs(c[2]) >= 1 << 17 || llabs(c[1] + (int64_t)(p >> 24)) > INT32_MAX;
        long double err = fabsl((long double)y - t->exact((long double)f * 0x1p-31L));
        if (err > worst) worst = err;
        if (i && (y - before) * t->sense < -back) back = -(long double)((y - before) * t->sense);
        before = y;
        count++;
        i = i < 4 || i >= (1 << 24) - 4 ? i + 1 : i + stride < (1 << 24) - 4 ? i + stride : (1 << 24) - 4;
      }
    }
    // Across the segments' borders.
    for (uint64_t s = 1; s < segments; s++) {
      int64_t step = (vb_q7(t->tab, (uint32_t)(s << 24)) - vb_q7(t->tab, (uint32_t)(s << 24) - 1)) * t->sense;
      if (step < -back) back = -(long double)step;
    }
    vb_test_compared(t->name, count);
    VB_CHECK(!wide, "%s: %llu evaluations leave their widths", t->name, (unsigned long long)wide);
    bound(t->label, "absolute", ldexpl(worst, -t->unit), t->bound);
    printf("        %-18s largest step back %.0Lf units of 2^-%d\n", "", back, t->unit);
  }
}

// --- composites over carrier values -------------------------------------------------------------------------------------
static long double exact_sigmoid(long double x) { return 1 / (1 + expl(-x)); }

/// Carrier values: a stride through all bit patterns of one sign (all of them in the campaign).
struct sweep {
  long double worst;
  uint64_t count, back;
};
static struct sweep sweep_sigmoid(uint32_t sign, bool silu) {
  long double worst = 0;
  uint64_t count = 0, back = 0, stride = vb_test_campaign ? 1 : 997;
  const uint64_t first = (uint64_t)65 << 23, end = (uint64_t)191 << 23, chunk = 1 << 20;
#pragma omp parallel for reduction(max : worst) reduction(+ : count, back) schedule(dynamic)
  for (uint64_t base = first; base < end; base += chunk) {
    long double before = -1;
    for (uint64_t u = base; u < base + chunk; u += stride) {
      uint32_t x = sign << 31 | (uint32_t)u;
      long double v = oracle_value(x), exact = exact_sigmoid(v) * (silu ? v : 1);
      long double y = oracle_value(silu ? vb_silu(x) : vb_sigmoid(x));
      // SiLU multiplies a rounded sigmoid: where that was flushed (x < -42.9) the result is 0, at most 2^-56.5 off.
      if (exact_sigmoid(v) >= 0x1p-61L && fabsl(exact) >= 0x1p-61L && fabsl(exact) < 0x1p63L) {
        long double err = fabsl(y - exact) / fabsl(exact);
        if (err > worst) worst = err;
        count++;
      } else if (fabsl(exact) < 0x1p63L && fabsl(y - exact) > 0x1p-56L) {
        worst = 1;
      }
      long double toward = sign ? -y : y;
      if (!silu && before != -1 && toward < before) back++;
      before = toward;
    }
  }
  return (struct sweep){worst, count, back};
}

static void sigmoid(void) {
  struct sweep up = sweep_sigmoid(0, false), down = sweep_sigmoid(1, false);
  vb_test_compared("sigmoid", up.count + down.count);
  bound("sigmoid, x >= 0", "relative", up.worst, -23.6);
  bound("sigmoid, x < 0", "relative", down.worst, -23.0);
  CU_ASSERT_EQUAL(vb_sigmoid(0), 0x3f000000);
  printf("        %-18s steps back: %llu of %llu, %llu of %llu\n", "", (unsigned long long)up.back,
         (unsigned long long)up.count, (unsigned long long)down.back, (unsigned long long)down.count);
}

static void silu(void) {
  struct sweep up = sweep_sigmoid(0, true), down = sweep_sigmoid(1, true);
  vb_test_compared("silu", up.count + down.count);
  bound("SiLU, x >= 0", "relative", up.worst, -22.9);
  bound("SiLU, x < 0", "relative", down.worst, -22.5);
  CU_ASSERT_EQUAL(vb_silu(0), 0);
}

/// Functions of single values with an exact counterpart: worst error over random carrier values.
static long double worst_of(struct vb_rng *r, uint64_t n, long double (*err)(vb_z), int lo, int hi) {
  long double worst = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint32_t e = (uint32_t)(127 + vb_rng_range(r, lo, hi));
    long double d = err(((uint32_t)vb_rng_next(r) & 0x807fffff) | e << 23);
    if (d > worst) worst = d;
  }
  return worst;
}
static long double tanh_error(vb_z x) { return fabsl(oracle_value(vb_tanh(x)) - tanhl(oracle_value(x))); }
static long double softplus_error(vb_z x) {
  long double v = oracle_value(x), exact = (v > 0 ? v : 0) + log1pl(expl(-fabsl(v)));
  return fabsl((long double)vb_softplus2(x) * 0x1p-31L - exact * 1.4426950408889634073599246810018921L);
}
static long double expz_error(vb_z x) {
  long double exact = expl(oracle_value(x));
  return exact < 0x1p-61L || exact >= 0x1p63L ? 0 : fabsl(oracle_value(vb_expz(x)) - exact) / exact;
}
/// Relative to |x|: near its zero crossing towards -inf GELU is far smaller than its argument.
static long double gelu_error(vb_z x) {
  long double v = oracle_value(x), z = 0.7978845608028653558798921198687L * (v + 0.044715L * v * v * v);
  return fabsl(oracle_value(vb_gelu_tanh(x)) - 0.5L * v * (1 + tanhl(z))) / fabsl(v);
}

static void more_functions(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(500000, 50000000);
  bound("tanh", "absolute", worst_of(&r, n, tanh_error, -40, 8), -24.2);
  bound("softplus, in log2 units", "absolute", worst_of(&r, n, softplus_error, -40, 5), -26.0);
  bound("EXPZ", "relative", worst_of(&r, n, expz_error, -40, 5), -23.9);
  bound("GELU (tanh form)", "of |x|", worst_of(&r, n, gelu_error, -40, 20), -23.0);
  vb_test_compared("functions", 4 * n);
  CU_ASSERT_EQUAL(vb_tanh(0), 0);
  CU_ASSERT_EQUAL(vb_expz(0), VB_Z_ONE);
  CU_ASSERT_EQUAL(vb_gelu_tanh(0), 0);
  CU_ASSERT_EQUAL(vb_softplus2(0), (uint64_t)1 << 31);          // log2(2) in Q.31
  CU_ASSERT_EQUAL(vb_softplus2(0x43000000), (uint64_t)1 << 38); // saturates with T31, from x = 88.72 on
}

/// 1/sqrt over two octaves holds for all: the exponent only scales. All 2^24 mantissas in either run.
static void rsq(void) {
  long double worst = 0;
  uint64_t rises = 0;
#pragma omp parallel for reduction(max : worst) reduction(+ : rises) schedule(static)
  for (uint32_t m = 0; m < 1u << 24; m++) {
    uint32_t x = VB_Z_ONE + m;
    long double exact = 1 / sqrtl(oracle_value(x)), err = fabsl(oracle_value(vb_rsq(x)) - exact) / exact;
    if (err > worst) worst = err;
    rises += m && vb_rsq(x) > vb_rsq(x - 1);
  }
  uint64_t scaled = 0;
  for (int e = 65; e <= 190; e++) // other octaves: same mantissa, exponent moved
    for (uint32_t m = 0; m < 1u << 23; m += 8191) {
      uint32_t x = (uint32_t)e << 23 | m, same = (uint32_t)(e % 2 ? 127 : 128) << 23 | m;
      int shift = (e - (e % 2 ? 127 : 128)) / 2;
      scaled += vb_rsq(x) != vb_rsq(same) - ((uint32_t)shift << 23);
    }
  vb_test_compared("rsq", 1u << 24);
  CU_ASSERT_EQUAL(scaled, 0);
  CU_ASSERT_EQUAL(rises, 0);
  CU_ASSERT_EQUAL(vb_rsq(0), 0);
  CU_ASSERT_EQUAL(vb_rsq(VB_Z_ONE), VB_Z_ONE);
  bound("`RSQ`", "relative, whole domain", worst, -23.9);
}

static void log2i(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(1000000, 100000000);
  long double worst = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t x = i < 100000 ? i + 1 : vb_rng_next(&r) >> vb_rng_below(&r, 64);
    if (!x) continue;
    long double err = fabsl((long double)vb_log2i(x) * 0x1p-31L - log2l((long double)x));
    if (err > worst) worst = err;
  }
  for (int k = 0; k < 64; k++) CU_ASSERT_EQUAL(vb_log2i((uint64_t)1 << k), (int64_t)k << 31);
  vb_test_compared("log2i", n);
  bound("`LOG2I`", "absolute", worst, -26.6);
}

static void t31(void) {
  struct vb_rng r = vb_test_rng();
  const long double log2e = 1.4426950408889634073599246810018921L;
  uint64_t n = vb_test_count(1000000, 100000000);
  long double worst = 0;
  for (uint64_t i = 0; i < n; i++) {
    vb_z x = vb_rng_z(&r, i % 2 ? VB_GEN_UNIFORM : VB_GEN_GAUSS);
    long double exact = fabsl(oracle_value(x)) * log2e;
    uint64_t t = vb_t31(x);
    if (exact >= 128) {
      CU_ASSERT_EQUAL(t, (uint64_t)1 << 38);
      continue;
    }
    // log2(e) in Q.38 is off by less than 2^-39, times |x| < 89, plus half a unit of rounding.
    long double err = fabsl((long double)t * 0x1p-31L - exact);
    if (err > worst) worst = err;
  }
  vb_test_compared("t31", n);
  bound("`T31`", "absolute", worst, -31.0);
}

// --- rotary embedding ----------------------------------------------------------------------------------------------------
static void cossin(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(1000000, 100000000);
  long double worst = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint64_t freq = vb_rng_next(&r) >> vb_rng_below(&r, 40), pos = vb_rng_below(&r, 1u << 20), phase = pos * freq;
    int32_t c, s;
    vb_rope_cossin(pos, freq, &c, &s);
    long double angle = (long double)phase * 0x1p-64L * TWO_PI;
    long double err = fmaxl(fabsl(c * 0x1p-30L - cosl(angle)), fabsl(s * 0x1p-30L - sinl(angle)));
    if (err > worst) worst = err;
  }
  vb_test_compared("cossin", n);
  bound("RoPE cos, sin", "absolute", worst, -26.1);
  int32_t c, s;
  vb_rope_cossin(0, UINT64_MAX, &c, &s);
  CU_ASSERT(c == 1 << 30 && s == 0);
  for (int i = 0; i < 100000; i++) { // position 0 is the identity
    vb_z a = vb_rng_z(&r, VB_GEN_MIX), b = vb_rng_z(&r, VB_GEN_GAUSS), x, y;
    int d = vb_expb(a) - vb_expb(b);
    vb_rope_rotate(a, b, 1 << 30, 0, &x, &y);
    // Six spare bits: operands within six binades of each other come back exactly.
    if (!a || !b || (d <= 6 && d >= -6)) CU_ASSERT(x == a && y == b);
  }
}

static void rotate(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t n = vb_test_count(500000, 50000000);
  long double worst = 0;
  for (uint64_t i = 0; i < n; i++) {
    vb_z a = vb_rng_z(&r, VB_GEN_GAUSS), b = vb_rng_z(&r, VB_GEN_OUTLIER), x, y;
    int32_t c, s;
    vb_rope_cossin(vb_rng_below(&r, 1u << 20), vb_rng_next(&r), &c, &s);
    vb_rope_rotate(a, b, c, s, &x, &y);
    long double va = oracle_value(a), vb = oracle_value(b), length = hypotl(va, vb);
    if (length == 0) continue;
    long double ex = va * c * 0x1p-30L - vb * s * 0x1p-30L, ey = vb * c * 0x1p-30L + va * s * 0x1p-30L;
    long double err = fmaxl(fabsl(oracle_value(x) - ex), fabsl(oracle_value(y) - ey)) / length;
    if (err > worst) worst = err;
  }
  vb_test_compared("rotate", n);
  bound("RoPE rotation", "of the vector's length", worst, -24.0);
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"exp2_24", exp2_24},
                                  {"q7", q7},
                                  {"sigmoid", sigmoid},
                                  {"silu", silu},
                                  {"more_functions", more_functions},
                                  {"rsq", rsq},
                                  {"log2i", log2i},
                                  {"t31", t31},
                                  {"cossin", cossin},
                                  {"rotate", rotate},
                                  {0}};
  const struct vb_suite suites[] = {{"func", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
