// SPDX-License-Identifier: Apache-2.0
/// Every model family's fixture on every backend: whole prefill, chunks, token by token, and random plans with batches, against
/// the reference; MLA in both forms. Writes the matrix that docs/matrix.md shows (`make docs-matrix`).
#include "support/harness.h"
#include "verify/verify.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int32_t prompt[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3};
enum { PROMPT = sizeof prompt / sizeof *prompt };

enum mode { WHOLE, CHUNKS, BY_TOKEN, RANDOM, MODES };
static const char *const mode_name[MODES] = {"whole prefill", "chunks of 7", "token by token",
                                             "random plans, chunks, batches"};

struct cell {
  uint64_t values, failed;
};

static struct cell verify_mode(const char *label, const struct vb_graph *g, const struct vb_device_list *devices,
                               enum mode mode) {
  struct vb_verify_config c = {.graph = g,
                               .devices = devices,
                               .prompt = prompt,
                               .prompt_len = PROMPT,
                               .steps = 2,
                               .seed = vb_test_seed,
                               .case_dir = "/tmp/verbatim-test-families",
                               .replay_prefix = "build/verbatim"};
  struct vb_report r;
  c.first_device = mode != RANDOM;
  if (mode == CHUNKS) c.chunk = 7;
  if (mode == BY_TOKEN) c.chunk = 1;
  if (mode == RANDOM) c.random_plans = (uint32_t)vb_test_count(2, 100);
  vb_result v = vb_verify(&c, &r);
  VB_CHECK(v == VB_OK, "%s, %s: %s; first: %s %s", label, mode_name[mode], vb_last_error(),
           r.failures ? r.failure[0].path : "", r.failures ? r.failure[0].replay : "");
  CU_ASSERT(r.planned == r.passed + r.failed + r.skipped);
  struct cell cell = {r.values, r.failed + r.skipped};
  for (uint32_t i = 0; v == VB_OK && mode != RANDOM && i < g->nodes; i++) {
    const struct vb_node *n = &g->node[i];
    bool unit = (n->kind == VB_OP_ATTENTION && !n->op.attention.cap) || n->kind == VB_OP_ROUTER;
    if (unit && devices->device[0]->simulated)
      VB_CHECK(r.node[i].device[0].cycles, "%s: %s did not run on the unit", label, n->path);
  }
  vb_test_compared(label, r.values);
  vb_report_free(&r);
  return cell;
}

static FILE *matrix;

static void verify_graph(const char *fixture, const struct vb_graph *g, const struct vb_device_list *devices,
                         const char *backend) {
  const struct vb_config *c = &g->model->config;
  char label[96];
  snprintf(label, sizeof label, "%s%s", fixture, c->kv_lora ? (g->state[0].shared ? " (absorbed)" : " (naive)") : "");
  if (matrix) fprintf(matrix, "| %s | %s | %s ", c->model_type, label, backend);
  for (enum mode m = 0; m < MODES; m++) {
    // Kernel launches make small steps slow: chunks and single tokens on OpenCL wait for a campaign or for the matrix.
    if (!matrix && !vb_test_campaign && devices->count > 1 && (m == CHUNKS || m == BY_TOKEN)) continue;
    struct cell cell = verify_mode(label, g, devices, m);
    if (matrix && cell.failed) fprintf(matrix, "| **%llu wrong** ", (unsigned long long)cell.failed);
    else if (matrix) fprintf(matrix, "| %llu equal ", (unsigned long long)cell.values);
  }
  if (matrix) fprintf(matrix, "|\n");
}

static void verify_fixture(const char *dir, const struct vb_device_list *devices, const char *backend) {
  struct vb_model *m;
  struct vb_graph g;
  if (!VB_CHECK(vb_model_open(dir, false, &m) == VB_OK, "%s", vb_last_error())) return;
  for (int naive = 0; naive <= (m->config.kv_lora > 0); naive++) {
    struct vb_graph_options options = {.mla_naive = naive};
    CU_ASSERT_FATAL(vb_graph_build(m, &options, &g) == VB_OK);
    verify_graph(strrchr(dir, '/') + 1, &g, devices, backend);
    vb_graph_free(&g);
  }
  vb_model_close(m);
}

static void all_fixtures(const struct vb_device_list *devices, const char *backend) {
  glob_t all;
  CU_ASSERT_FATAL(!glob("tests/fixtures/*/expected.h5", 0, NULL, &all));
  for (size_t i = 0; i < all.gl_pathc; i++) {
    char dir[512];
    snprintf(dir, sizeof dir, "%s", all.gl_pathv[i]);
    *strrchr(dir, '/') = 0;
    verify_fixture(dir, devices, backend);
  }
  globfree(&all);
}

static void on_the_cpu(void) {
  struct vb_device_list cpu = {0};
  CU_ASSERT_FATAL(vb_device_list_add(&cpu, vb_device_open_cpu(2)) == VB_OK);
  all_fixtures(&cpu, "cpu");
  vb_devices_close(&cpu);
}

/// PoCL for what it offers, the CPU for the rest; random plans mix the two.
static void on_pocl(void) {
  struct vb_device_list list;
  if (vb_devices_open(1, "pocl,cpu", &list, NULL, NULL)) VB_SKIP("no PoCL device: %s", vb_last_error());
  all_fixtures(&list, "pocl + cpu");
  vb_devices_close(&list);
}

/// The simulated units for what they offer, the CPU for the rest. Soft-capped scores are the one thing that stays away.
static void on_the_simulator(void) {
  struct vb_device_list list;
  if (vb_devices_open(1, "sim-base,cpu", &list, NULL, NULL)) VB_SKIP("no simulated device: %s", vb_last_error());
  all_fixtures(&list, "sim-base + cpu");
  vb_devices_close(&list);
}

static int open_matrix(void) {
  vb_test_find_driver();
  const char *path = getenv("VERBATIM_MATRIX");
  if (!path || matrix) return 0;
  matrix = fopen(path, "w");
  if (!matrix) return 1;
  fprintf(matrix, "| model type | fixture | backend ");
  for (enum mode m = 0; m < MODES; m++) fprintf(matrix, "| %s ", mode_name[m]);
  fprintf(matrix, "|\n|---|---|---|---|---|---|---|\n");
  return 0;
}

static const struct vb_test tests[] = {
    {"on_the_cpu", on_the_cpu}, {"on_pocl", on_pocl}, {"on_the_simulator", on_the_simulator}, {0}};
int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"families", tests, open_matrix, NULL}, {0}};
  int status = vb_test_main(argc, argv, suites);
  if (matrix && fclose(matrix)) status = 1;
  return status;
}
