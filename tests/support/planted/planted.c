// SPDX-License-Identifier: Apache-2.0
/// Every way in which a test can go wrong, on purpose. test_harness.sh checks what each does to the exit status.
#include "support/harness.h"
#include <stdio.h>
#include <stdlib.h>

static void good(void) { CU_ASSERT(true); }
static void bad_assert(void) { CU_ASSERT_EQUAL(1, 2); }
static void bad_check(void) { VB_CHECK(1 > 2, "planted: %d is not above %d", 1, 2); }
static void asserts_nothing(void) {}
static void skips(void) { VB_SKIP("planted reason"); }
static void crashes(void) { abort(); }

static void bad_bits(void) {
  uint32_t expected[4] = {1, 2, 3, 4}, actual[4] = {1, 2, 0x83, 5};
  VB_EXPECT_SAME("planted_op", expected, actual, 4);
}

static void compares_nothing(void) {
  uint32_t a = 0;
  VB_EXPECT_SAME("planted_op", &a, &a, 0);
}

/// The generators' first values, so that a script can see that equal seeds give equal inputs.
static void draws(void) {
  struct vb_rng r = vb_test_rng();
  for (int k = 0; k < VB_GEN_KINDS; k++) printf("%s %08x\n", vb_gen_name((enum vb_gen)k), vb_rng_z(&r, (enum vb_gen)k));
  CU_ASSERT(true);
}

static int refuse(void) { return 1; }

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"good", good},           {"bad_assert", bad_assert},
                                  {"bad_check", bad_check}, {"asserts_nothing", asserts_nothing},
                                  {"skips", skips},         {"crashes", crashes},
                                  {"bad_bits", bad_bits},   {"compares_nothing", compares_nothing},
                                  {"draws", draws},         {0}};
  const struct vb_test unready[] = {{"never", good}, {0}};
  const struct vb_suite suites[] = {{"planted", tests, NULL, NULL}, {"unready", unready, refuse, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
