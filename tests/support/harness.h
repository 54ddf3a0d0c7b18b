// SPDX-License-Identifier: Apache-2.0
/// @file harness.h
/// One main for every C suite: CUnit underneath; seeds, skips, JUnit, value counts and an honest exit status on top.
///
///     static void adds(void) { CU_ASSERT_EQUAL(1 + 1, 2); }
///     static const struct vb_test tests[] = {{"adds", adds}, {0}};
///     int main(int argc, char **argv) {
///       const struct vb_suite suites[] = {{"arithmetic", tests, NULL, NULL}, {0}};
///       return vb_test_main(argc, argv, suites);
///     }
///
/// Options: --junit FILE, --campaign, --filter SUBSTR (of "suite.test"), --seed N, --list, --help.
/// The last line is `N passed, N failed, N skipped`. Exit status: 0 all passed or skipped, 1 something failed or
/// nothing ran, 2 usage. A test that asserts and compares nothing fails: a green run must mean something.
#ifndef VB_TESTS_SUPPORT_HARNESS_H
#define VB_TESTS_SUPPORT_HARNESS_H
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vb_test {
  const char *name;
  void (*run)(void);
};
/// Arrays end with an element whose name is NULL. setup and teardown may be NULL; they return 0 on success.
struct vb_suite {
  const char *name;
  const struct vb_test *tests;
  int (*setup)(void);
  int (*teardown)(void);
};

extern bool vb_test_campaign; ///< long run asked for: use the large counts
extern uint64_t vb_test_seed; ///< --seed, default 1
int vb_test_main(int argc, char **argv, const struct vb_suite *suites);

/// Points the OpenCL loader at the drivers in the build folder of this executable (BUILD/vendors), unless the user chose or
/// there are none. Before the first OpenCL call.
void vb_test_find_driver(void);

/// Built with a sanitizer: results count, speed does not.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VB_TEST_SANITIZED 1
#elif defined(__has_feature)
#define VB_TEST_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define VB_TEST_SANITIZED 0
#endif

/// n in the normal run, campaign_n with --campaign.
static inline uint64_t vb_test_count(uint64_t n, uint64_t campaign_n) { return vb_test_campaign ? campaign_n : n; }

/// Leave the running test as skipped. The reason must be listed in tests/expected_skips.txt, or the run fails.
#define VB_SKIP(...)           \
  do {                         \
    vb_test_skip(__VA_ARGS__); \
    return;                    \
  } while (0)
void vb_test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Assert with a printf-style message; the test goes on.
#define VB_CHECK(cond, ...) vb_test_check((cond), __FILE__, __LINE__, __VA_ARGS__)
bool vb_test_check(bool ok, const char *file, int line, const char *format, ...) __attribute__((format(printf, 4, 5)));

/// Compare n elements of `bytes` (1, 2, 4, 8) bit for bit; counts n values for operator `op` and reports how many
/// differ and the first (index, expected and actual hex). True when all are equal. n = 0 is a failure.
#define VB_EXPECT_BITS(op, expected, actual, n, bytes) \
  vb_test_bits((op), (expected), (actual), (n), (bytes), __FILE__, __LINE__)
/// The same, element size from the type of *expected.
#define VB_EXPECT_SAME(op, expected, actual, n) VB_EXPECT_BITS(op, expected, actual, n, sizeof *(expected))
bool vb_test_bits(const char *op, const void *expected, const void *actual, uint64_t n, size_t bytes, const char *file,
                  int line);
/// Count n values of operator `op` that the test compared itself.
void vb_test_compared(const char *op, uint64_t n);
/// Values compared so far for op (all operators if NULL).
uint64_t vb_test_values(const char *op);

/// splitmix64: the state is the seed, so a failing state replays.
struct vb_rng {
  uint64_t state;
};
/// A generator seeded from --seed and the running test's name: the same with and without --filter.
struct vb_rng vb_test_rng(void);
uint64_t vb_rng_next(struct vb_rng *r);
/// Uniform in [0, n), n > 0.
uint64_t vb_rng_below(struct vb_rng *r, uint64_t n);
/// Uniform in [lo, hi].
int64_t vb_rng_range(struct vb_rng *r, int64_t lo, int64_t hi);
/// Near-normal, mean 0, variance 1, from integers only (sum of twelve uniforms): the same on every machine.
double vb_rng_gauss(struct vb_rng *r);
/// Fisher-Yates.
void vb_rng_shuffle(struct vb_rng *r, uint32_t *a, uint32_t n);

/// Random carrier values (F32Z), always valid ones.
enum vb_gen {
  VB_GEN_UNIFORM, ///< uniform over the carrier's bit patterns, 1 in 64 is zero
  VB_GEN_GAUSS,   ///< near-normal, as activations are
  VB_GEN_OUTLIER, ///< the same; 1 in 32 is 2^4 to 2^12 times larger
  VB_GEN_EDGE,    ///< zero, the smallest and largest magnitudes, powers of two and their neighbours, half-way cases
  VB_GEN_MIX,     ///< each element one of the above
  VB_GEN_KINDS,
};
uint32_t vb_rng_z(struct vb_rng *r, enum vb_gen kind);
void vb_rng_fill(struct vb_rng *r, enum vb_gen kind, uint32_t *z, uint64_t n);
const char *vb_gen_name(enum vb_gen kind);
/// The edge values themselves, for exhaustive pairs.
const uint32_t *vb_edge_values(uint32_t *n);
#endif
