// SPDX-License-Identifier: Apache-2.0
// Rotary embedding in integers against long double, for every scaling, and its exact properties.
#include "num/rope.h"
#include "support/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const long double two_pi = 6.283185307179586476925286766559005768L;

// Share of the unscaled frequency of pair i, from the published formulas.
static long double share(const struct vb_rope_config *c, uint32_t i, long double f) {
  if (c->scaling == VB_ROPE_DEFAULT) return 1;
  if (c->scaling == VB_ROPE_LINEAR) return 0;
  const long double length = (long double)c->original_length;
  if (c->scaling == VB_ROPE_LLAMA3) {
    long double turns = length * f / two_pi;
    if (turns > (long double)c->high_freq) return 1;
    if (turns < (long double)c->low_freq || c->low_freq == c->high_freq) return 0;
    return (turns - (long double)c->low_freq) / (long double)(c->high_freq - c->low_freq);
  }
  long double scale = c->dims / (2 * logl((long double)c->theta));
  long double lo = scale * logl(length / (two_pi * (long double)c->high_freq));
  long double hi = scale * logl(length / (two_pi * (long double)c->low_freq));
  if (c->truncate) lo = floorl(lo), hi = ceill(hi);
  lo = fmaxl(lo, 0), hi = fminl(hi, c->dims - 1);
  if (lo == hi) hi += 0.001L;
  long double ramp = (i - lo) / (hi - lo);
  return 1 - fminl(fmaxl(ramp, 0), 1);
}

static const struct {
  struct vb_rope_config c;
  long double units; // allowed error in units of 2^-64 turn, beside the reference's own rounding
} cases[] = {
    {{.theta = 10000, .dims = 128}, 2},
    {{.theta = 500000, .dims = 64}, 2},
    {{.theta = 1000000, .dims = 128}, 2},
    {{.theta = 10000000, .dims = 64}, 2},
    {{.theta = 1, .dims = 2}, 2},
    {{.theta = 150001, .dims = 34}, 2},
    {{.theta = 1000000, .scaling = VB_ROPE_LINEAR, .factor = 8, .dims = 256}, 2},
    {{.theta = 10000, .scaling = VB_ROPE_LINEAR, .factor = 2.5, .dims = 64}, 2},
    {{.theta = 500000,
      .scaling = VB_ROPE_LLAMA3,
      .factor = 8,
      .low_freq = 1,
      .high_freq = 4,
      .original_length = 8192,
      .dims = 128},
     3},
    {{.theta = 500000,
      .scaling = VB_ROPE_LLAMA3,
      .factor = 32,
      .low_freq = 1,
      .high_freq = 4,
      .original_length = 8192,
      .dims = 64},
     3},
    {{.theta = 500000,
      .scaling = VB_ROPE_LLAMA3,
      .factor = 16,
      .low_freq = 1,
      .high_freq = 1,
      .original_length = 8192,
      .dims = 128},
     3},
    {{.theta = 10000,
      .scaling = VB_ROPE_LLAMA3,
      .factor = 32,
      .low_freq = 1.25,
      .high_freq = 3,
      .original_length = 32,
      .dims = 64},
     3},
    {{.theta = 10000,
      .scaling = VB_ROPE_YARN,
      .factor = 40,
      .low_freq = 1,
      .high_freq = 32,
      .original_length = 4096,
      .truncate = true,
      .dims = 64},
     3},
    {{.theta = 1000000,
      .scaling = VB_ROPE_YARN,
      .factor = 4,
      .low_freq = 1,
      .high_freq = 32,
      .original_length = 32768,
      .truncate = true,
      .dims = 128},
     3},
    {{.theta = 150000,
      .scaling = VB_ROPE_YARN,
      .factor = 32,
      .low_freq = 1,
      .high_freq = 32,
      .original_length = 4096,
      .dims = 64},
     16},
};

static void frequencies(void) {
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const struct vb_rope_config *c = &cases[k].c;
    uint64_t freq[256];
    CU_ASSERT_PTR_NULL(vb_rope_valid(c));
    vb_rope_freqs(c, freq);
    long double worst = 0;
    for (uint32_t i = 0; i < c->dims / 2; i++) {
      long double f = powl((long double)c->theta, -2.0L * i / c->dims), s = share(c, i, f);
      long double want =
          f * (s + (1 - s) / (c->scaling == VB_ROPE_DEFAULT ? 1 : (long double)c->factor)) / two_pi * 0x1p64L;
      // powl and the division carry 64 bits: a few units of the largest frequencies are the reference's own.
      long double error = fabsl((long double)freq[i] - want) - 4 * want * 0x1p-64L;
      worst = fmaxl(worst, error);
    }
    VB_CHECK(worst <= cases[k].units, "case %zu: %Lg units of 2^-64 turn", k, worst);
    vb_test_compared("frequency", c->dims / 2);
  }
}

static void limits(void) {
  const struct vb_rope_config good = {.theta = 10000,
                                      .scaling = VB_ROPE_LLAMA3,
                                      .factor = 8,
                                      .low_freq = 1,
                                      .high_freq = 4,
                                      .original_length = 8192,
                                      .dims = 64};
  CU_ASSERT_PTR_NULL(vb_rope_valid(&good));
#define BAD(field, value)                                            \
  do {                                                               \
    struct vb_rope_config c = good;                                  \
    c.field = value;                                                 \
    VB_CHECK(vb_rope_valid(&c), #field " = " #value " is accepted"); \
  } while (0)
  BAD(theta, 0);
  BAD(dims, 0);
  BAD(dims, 63);
  BAD(dims, 65538);
  BAD(factor, 0.5);
  BAD(factor, 65537);
  BAD(factor, 1.1);
  BAD(factor, NAN);
  BAD(low_freq, 0);
  BAD(low_freq, 5);
  BAD(low_freq, NAN);
  BAD(high_freq, 1e300);
  BAD(high_freq, 4.0000001);
  BAD(original_length, 0);
  BAD(original_length, (uint64_t)1 << 33);
  // The extremes of every field together must not overflow either (the sanitizers watch).
  uint64_t freq[2];
  for (int scaling = 0; scaling < 4; scaling++) {
    struct vb_rope_config c = {.theta = UINT64_MAX,
                               .scaling = (enum vb_rope_scaling)scaling,
                               .factor = 65536,
                               .low_freq = 65535,
                               .high_freq = 65536,
                               .original_length = (uint64_t)1 << 32,
                               .dims = 4};
    CU_ASSERT_PTR_NULL(vb_rope_valid(&c));
    vb_rope_freqs(&c, freq);
    c.original_length = 1, c.low_freq = 0x1p-20, c.high_freq = 0x1p-20;
    vb_rope_freqs(&c, freq);
    CU_ASSERT(freq[0] > 0);
  }
}

// cos and sin within 2^-26, at any position up to 2^32.
static void angles(void) {
  struct vb_rng r = vb_test_rng();
  long double worst = 0;
  uint64_t n = vb_test_count(200000, 100000000);
  for (uint64_t i = 0; i < n; i++) {
    uint64_t freq = vb_rng_next(&r) >> vb_rng_below(&r, 40), pos = vb_rng_next(&r) >> (32 + vb_rng_below(&r, 32));
    if (i < 64) freq = (uint64_t)1 << 62, pos = i; // exact quarter turns
    int32_t c, s;
    vb_rope_cossin(pos, freq, &c, &s);
    long double phase = (long double)(uint64_t)(pos * freq) * 0x1p-64L * two_pi;
    worst = fmaxl(worst, fmaxl(fabsl(c * 0x1p-30L - cosl(phase)), fabsl(s * 0x1p-30L - sinl(phase))));
    if (i < 64) {
      static const int32_t turn[5] = {1 << 30, 0, -(1 << 30), 0, 1 << 30};
      VB_CHECK(c == turn[i % 4] && s == turn[(i + 3) % 4], "quarter turn %llu: %d %d", (unsigned long long)i, c, s);
    }
  }
  printf("  worst error of cos and sin 2^%.2Lf\n", log2l(worst));
  VB_CHECK(worst < 0x1p-26L, "error %Lg", worst);
  vb_test_compared("cossin", 2 * n);
}

// Rotation of carrier values: relative to the pair's length within 2^-23, and exact at position 0.
static void rotation(void) {
  struct vb_rng r = vb_test_rng();
  long double worst = 0;
  uint32_t moved = 0, invalid = 0;
  uint64_t n = vb_test_count(200000, 50000000);
  for (uint64_t i = 0; i < n; i++) {
    enum vb_gen kind = (enum vb_gen)vb_rng_below(&r, VB_GEN_KINDS);
    vb_z a = vb_rng_z(&r, kind), b = vb_rng_z(&r, kind), x, y;
    int32_t c, s;
    uint64_t phase = vb_rng_next(&r);
    vb_rope_cossin(1, phase, &c, &s);
    vb_rope_rotate(a, b, 1 << 30, 0, &x, &y);
    // The identity holds where the smaller value fits the pair's 30-bit grid; below it rounds.
    int gap = a && b ? abs(vb_expb(a) - vb_expb(b)) : 0;
    if (gap <= 6) moved += x != a || y != b;
    vb_rope_rotate(a, b, c, s, &x, &y);
    invalid += !vb_z_valid(x) || !vb_z_valid(y);
    long double p = (long double)vb_to_float(a), q = (long double)vb_to_float(b), length = sqrtl(p * p + q * q);
    if (length < 0x1p-38L || length > 0x1p62L) continue; // flushing and saturation are not rounding
    long double t = (long double)phase * 0x1p-64L * two_pi;
    long double e = fmaxl(fabsl((long double)vb_to_float(x) - (p * cosl(t) - q * sinl(t))),
                          fabsl((long double)vb_to_float(y) - (q * cosl(t) + p * sinl(t))));
    worst = fmaxl(worst, e / length);
  }
  printf("  worst error of a rotation 2^%.2Lf of the pair's length\n", log2l(worst));
  VB_CHECK(worst < 0x1p-23L, "error %Lg", worst);
  VB_CHECK(!moved, "%u pairs moved at position 0", moved);
  VB_CHECK(!invalid, "%u results are no carrier values", invalid);
  vb_test_compared("rotate", 2 * n);
}

static const struct vb_test tests[] = {
    {"frequencies", frequencies}, {"limits", limits}, {"angles", angles}, {"rotation", rotation}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"rope", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
