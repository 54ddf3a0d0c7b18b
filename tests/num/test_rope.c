// SPDX-License-Identifier: Apache-2.0
/// Rotary frequencies against the published formulas in 113-bit arithmetic: bounds of docs/numerics.md, section RoPE.
/// Elementary functions come from their series, so that neither libm nor libquadmath decides a test.
#include "num/rope.h"
#include "support/harness.h"
#include <stdio.h>

typedef __float128 quad;

static quad series_log(quad m) { // 2 atanh((m - 1) / (m + 1)), m near 1
  quad z = (m - 1) / (m + 1), p = z, sum = 0;
  for (int i = 1; i < 140; i += 2, p *= z * z) sum += p / i;
  return 2 * sum;
}
static quad ln2(void) { return series_log((quad)4 / 3) + series_log((quad)3 / 2); }
static quad q_log(quad x) {
  int k = 0;
  while (x > 1.5) x /= 2, k++;
  while (x < 0.75) x *= 2, k--;
  return series_log(x) + k * ln2();
}
static quad q_exp(quad x) {
  int k = 0;
  quad l = ln2(), sum = 1, t = 1;
  while (x < -l / 2) x += l, k--;
  while (x > l / 2) x -= l, k++;
  for (int i = 1; i < 40; i++) t = t * x / i, sum += t;
  for (; k < 0; k++) sum /= 2;
  for (; k > 0; k--) sum *= 2;
  return sum;
}
static quad q_atan(quad x) {
  quad sum = 0, p = x;
  for (int i = 1; i < 120; i += 2, p *= -x * x) sum += p / i;
  return sum;
}
static quad two_pi(void) { return 8 * (4 * q_atan((quad)1 / 5) - q_atan((quad)1 / 239)); }
static quad q_floor(quad x) {
  quad n = (quad)(int64_t)x;
  return n > x ? n - 1 : n;
}

/// Dimension that turns `turns` times over the trained length.
static quad correction(const struct vb_rope_config *c, double turns) {
  return c->dims * q_log((quad)c->original_length / ((quad)turns * two_pi())) / (2 * q_log((quad)c->theta));
}

/// Radians per position of pair i.
static quad exact(const struct vb_rope_config *c, uint32_t i) {
  quad f = q_exp(-(quad)(2 * i) / c->dims * q_log((quad)c->theta)), scaled = f / (quad)c->factor;
  switch (c->scaling) {
  case VB_ROPE_DEFAULT: return f;
  case VB_ROPE_LINEAR: return scaled;
  case VB_ROPE_LLAMA3: {
    quad turns = (quad)c->original_length * f / two_pi();
    if (turns > c->high_freq) return f;
    if (turns < c->low_freq) return scaled;
    quad share = (turns - (quad)c->low_freq) / ((quad)c->high_freq - (quad)c->low_freq);
    return (1 - share) * scaled + share * f;
  }
  case VB_ROPE_YARN: {
    quad lo = correction(c, c->high_freq), hi = correction(c, c->low_freq);
    if (c->truncate) lo = q_floor(lo), hi = -q_floor(-hi);
    if (lo < 0) lo = 0;
    if (hi > (quad)c->dims - 1) hi = (quad)c->dims - 1;
    if (lo == hi) hi += (quad)1 / 1000;
    quad ramp = ((quad)i - lo) / (hi - lo);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    return scaled * ramp + f * (1 - ramp);
  }
  }
  return 0;
}

static double worst_error(const struct vb_rope_config *c) {
  static uint64_t freq[512];
  const char *why = vb_rope_valid(c);
  if (!VB_CHECK(!why && c->dims <= 1024, "refused: %s", why ? why : "too wide for this test")) return 1e9;
  vb_rope_freqs(c, freq);
  double worst = 0;
  quad turn = 1;
  for (int k = 0; k < 64; k++) turn *= 2;
  for (uint32_t i = 0; i < c->dims / 2; i++) {
    quad err = (quad)freq[i] - exact(c, i) / two_pi() * turn;
    double e = (double)(err < 0 ? -err : err);
    if (e > worst) worst = e;
  }
  vb_test_compared("rope_freq", c->dims / 2);
  return worst;
}

static void real_models(void) {
  const struct {
    const char *name;
    struct vb_rope_config c;
  } models[] = {
      {"LLaMA 2", {10000, VB_ROPE_DEFAULT, 1, 0, 0, 0, false, 128}},
      {"LLaMA 3", {500000, VB_ROPE_DEFAULT, 1, 0, 0, 0, false, 128}},
      {"LLaMA 3.1", {500000, VB_ROPE_LLAMA3, 8, 1, 4, 8192, false, 128}},
      {"LLaMA 3.2", {500000, VB_ROPE_LLAMA3, 32, 1, 4, 8192, false, 64}},
      {"Qwen2.5, Qwen3", {1000000, VB_ROPE_DEFAULT, 1, 0, 0, 0, false, 128}},
      {"linear x 4", {10000, VB_ROPE_LINEAR, 4, 0, 0, 0, false, 128}},
      {"yarn x 40", {10000, VB_ROPE_YARN, 40, 1, 32, 4096, true, 64}},
      {"yarn x 32, whole", {150000, VB_ROPE_YARN, 32, 1, 32, 4096, true, 64}},
      {"yarn x 32, untruncated", {150000, VB_ROPE_YARN, 32, 1, 32, 4096, false, 64}},
  };
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    double e = worst_error(&models[i].c),
           limit = models[i].c.scaling == VB_ROPE_YARN && !models[i].c.truncate ? 14 : 2.5;
    printf("  bound | RoPE frequency, %s | units of 2^-64 turn | %.2f | %.1f |\n", models[i].name, e, limit);
    VB_CHECK(e <= limit, "%s: %.2f units of 2^-64 turn", models[i].name, e);
  }
}

static void random_configs(void) {
  struct vb_rng r = vb_test_rng();
  double worst = 0;
  for (uint32_t n = 0; n < vb_test_count(60, 6000); n++) {
    struct vb_rope_config c = {.theta = 2 + vb_rng_next(&r) % 20000000,
                               .scaling = (enum vb_rope_scaling)(n % 3),
                               .factor = 1 + (double)vb_rng_below(&r, 64 << 10) / 1024,
                               .low_freq = 1,
                               .high_freq = 1 + (double)vb_rng_below(&r, 32 << 4) / 16,
                               .original_length = 128 + vb_rng_below(&r, 1 << 20),
                               .dims = 2 * (1 + (uint32_t)vb_rng_below(&r, 64))};
    // A narrow llama3 band magnifies the half unit of f by high / (high - low); the share's last place is worth
    // f * 2^-60, and f <= 2^64 * high / length inside the band.
    double e = worst_error(&c), limit = 2.5;
    if (c.scaling == VB_ROPE_LLAMA3 && c.high_freq > 1)
      limit += c.high_freq / (2 * (c.high_freq - 1)) + 16 * c.high_freq / (double)c.original_length;
    VB_CHECK(e <= limit, "%.2f units of 2^-64 turn, bound %.2f (theta %llu, high %g, length %llu)", e, limit,
             (unsigned long long)c.theta, c.high_freq, (unsigned long long)c.original_length);
    if (e / limit > worst) worst = e / limit;
  }
  printf("  largest error of random configurations: %.2f of their bound\n", worst);
}

static void limits_are_checked(void) {
  const struct vb_rope_config good = {10000, VB_ROPE_LLAMA3, 8, 1, 4, 8192, false, 64};
  struct vb_rope_config c = good;
  CU_ASSERT_PTR_NULL(vb_rope_valid(&c));
#define REFUSED(change) \
  c = good, change;     \
  VB_CHECK(vb_rope_valid(&c) != NULL, "accepted: " #change)
  REFUSED(c.theta = 0);
  REFUSED(c.dims = 0);
  REFUSED(c.dims = 63);
  REFUSED(c.dims = 65538);
  REFUSED(c.factor = 0.5);
  REFUSED(c.factor = 1e300);
  REFUSED(c.factor = 0.0 / 0.0);
  REFUSED(c.factor = 8.0000001);
  REFUSED(c.original_length = 0);
  REFUSED(c.original_length = (uint64_t)1 << 33);
  REFUSED(c.low_freq = 5);
  REFUSED(c.low_freq = -1);
  REFUSED(c.high_freq = 1e6);
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"real_models", real_models},
                                  {"random_configs", random_configs},
                                  {"limits_are_checked", limits_are_checked},
                                  {0}};
  const struct vb_suite suites[] = {{"rope", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
