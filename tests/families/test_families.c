// SPDX-License-Identifier: Apache-2.0
/// Every model family's fixture under random plans, chunks and batches, on the CPU against the reference; MLA in both forms.
#include "support/harness.h"
#include "truth/truth.h"
#include "verify/verify.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int32_t prompt[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3};

static void verify_model(const char *dir, const struct vb_graph *g, const struct vb_device_list *cpu) {
  struct vb_verify_config c = {.graph = g, .devices = cpu, .prompt = prompt, .prompt_len = sizeof prompt / sizeof *prompt, .steps = 2, .seed = vb_test_seed,
                               .case_dir = "/tmp/verbatim-test-families", .replay_prefix = "build/verbatim", .random_plans = (uint32_t)vb_test_count(6, 200)};
  struct vb_report r;
  vb_result v = vb_verify(&c, &r);
  VB_CHECK(v == VB_OK, "%s: %s; first: %s %s", dir, vb_last_error(), r.failures ? r.failure[0].path : "", r.failures ? r.failure[0].replay : "");
  CU_ASSERT(r.planned == r.passed + r.failed + r.skipped);
  printf("  %-20s %8llu values in %llu comparisons%s\n", strrchr(dir, '/') + 1, (unsigned long long)r.values, (unsigned long long)r.passed,
         g->model->config.kv_lora ? (g->state[0].shared ? " (absorbed)" : " (naive)") : "");
  vb_test_compared("families", r.values);
  vb_report_free(&r);
}

static void every_fixture_is_equal_under_random_plans(void) {
  glob_t all;
  struct vb_device_list cpu = {0};
  CU_ASSERT_FATAL(vb_device_list_add(&cpu, vb_device_open_cpu(2)) == VB_OK);
  CU_ASSERT_FATAL(!glob("tests/fixtures/*/expected.h5", 0, NULL, &all));
  for (size_t i = 0; i < all.gl_pathc; i++) {
    char dir[512];
    struct vb_model *m;
    struct vb_graph g;
    snprintf(dir, sizeof dir, "%s", all.gl_pathv[i]);
    *strrchr(dir, '/') = 0;
    if (!VB_CHECK(vb_model_open(dir, false, &m) == VB_OK, "%s", vb_last_error())) continue;
    for (int naive = 0; naive <= (m->config.kv_lora > 0); naive++) {
      struct vb_graph_options options = {.mla_naive = naive};
      CU_ASSERT_FATAL(vb_graph_build(m, &options, &g) == VB_OK);
      verify_model(dir, &g, &cpu);
      vb_graph_free(&g);
    }
    vb_model_close(m);
  }
  globfree(&all);
  vb_devices_close(&cpu);
}

static const struct vb_test tests[] = {{"every_fixture_is_equal_under_random_plans", every_fixture_is_equal_under_random_plans}, {0}};
int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"families", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
