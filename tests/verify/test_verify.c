// SPDX-License-Identifier: Apache-2.0
/// The verdict itself under test: planted faults must be caught, named and reproduced; counts must add up; damaged case
/// files must be refused.
#include "num/num.h"
#include "support/harness.h"
#include "verify/casefile.h"
#include "verify/verify.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct vb_model *model;
static struct vb_graph graph;
static struct vb_device_list cpu;
static char dir[32];
static const int32_t prompt[] = {3, 1, 4, 1, 5, 9, 2, 6};

static int setup(void) {
  strcpy(dir, "/tmp/verbatim-test-XXXXXX"); // set up once a test
  if (vb_model_open("tests/fixtures/qwen3_moe", false, &model) || vb_graph_build(model, NULL, &graph) || !mkdtemp(dir))
    return 1;
  cpu = (struct vb_device_list){0};
  return vb_device_list_add(&cpu, vb_device_open_cpu(1)) != VB_OK;
}
static int teardown(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  vb_devices_close(&cpu);
  vb_graph_free(&graph);
  vb_model_close(model);
  return system(command);
}

static struct vb_verify_config config(const struct vb_device_list *devices) {
  return (struct vb_verify_config){.graph = &graph,
                                   .devices = devices,
                                   .prompt = prompt,
                                   .prompt_len = sizeof prompt / sizeof *prompt,
                                   .steps = 2,
                                   .seed = vb_test_seed,
                                   .case_dir = dir,
                                   .replay_prefix = "verbatim"};
}

static bool adds_up(const struct vb_report *r) { return r->planned == r->passed + r->failed + r->skipped; }

static void everything_equal_on_the_cpu(void) {
  struct vb_verify_config c = config(&cpu);
  struct vb_report r;
  vb_result v = vb_verify(&c, &r);
  VB_CHECK(v == VB_OK, "%s", vb_last_error());
  CU_ASSERT(adds_up(&r) && r.planned > 100 && r.passed == r.planned && r.values > 10000);
  vb_test_compared("verify", r.values);
  vb_report_free(&r);
}

static void random_plans_chunks_and_batches_are_equal(void) {
  struct vb_verify_config c = config(&cpu);
  struct vb_report r;
  c.random_plans = (uint32_t)vb_test_count(25, 500);
  vb_result v = vb_verify(&c, &r);
  VB_CHECK(v == VB_OK, "seed %llu: %s", (unsigned long long)c.seed, vb_last_error());
  CU_ASSERT(adds_up(&r) && r.plans == c.random_plans);
  vb_test_compared("random plans", r.values);
  vb_report_free(&r);
}

static void every_chunk_size_is_equal(void) {
  for (uint32_t chunk = 1; chunk <= 8; chunk++) {
    struct vb_verify_config c = config(&cpu);
    struct vb_report r;
    c.chunk = chunk;
    CU_ASSERT(vb_verify(&c, &r) == VB_OK);
    vb_report_free(&r);
  }
}

/// One flipped output bit in any operator is reported at that operator, device and index, and its case replays.
static void flipped_outputs_are_caught(void) {
  for (uint32_t n = 0; n < graph.nodes; n++) {
    struct vb_inject inject;
    struct vb_report r;
    char text[100];
    snprintf(text, sizeof text, "output:%s:3:2@cpu", graph.node[n].path);
    CU_ASSERT_FATAL(vb_inject_parse(text, &inject) == VB_OK);
    struct vb_verify_config c = config(&cpu);
    c.inject = &inject;
    c.chunk = 4;
    VB_CHECK(vb_verify(&c, &r) == VB_MISMATCH, "%s was not noticed", text);
    CU_ASSERT(adds_up(&r) && r.failed && !r.skipped && inject.hits);
    CU_ASSERT_FATAL(r.failures > 0);
    for (uint32_t i = 0; i < r.failures; i++) { // repaired at once, so nothing downstream may fail
      const struct vb_failure *f = &r.failure[i];
      VB_CHECK(!strcmp(f->path, graph.node[n].path) && !strcmp(f->device, "cpu") && f->index == 3 &&
                   f->differing == 1 && (f->expected ^ f->actual) == 4,
               "%s reported as %s[%llu] on %s, %llu differ", text, f->path, (unsigned long long)f->index, f->device,
               (unsigned long long)f->differing);
    }
    const struct vb_failure *f = &r.failure[0];
    struct vb_case k;
    VB_CHECK(vb_case_load(f->case_file, &k) == VB_OK, "%s", vb_last_error());
    struct vb_run_stats stats = {0};
    struct vb_difference d;
    bool differs = true;
    CU_ASSERT(vb_case_replay(&k, cpu.device[0], NULL, NULL, &stats, &differs, &d) == VB_OK && !differs);
    inject.graph = NULL;
    CU_ASSERT(vb_case_replay(&k, cpu.device[0], vb_inject_tamper, &inject, &stats, &differs, &d) == VB_OK && differs &&
              d.index == 3);
    vb_case_free(&k);
    vb_report_free(&r);
  }
}

static void flipped_weights_are_caught(void) {
  static const char *const faults[] = {"weight:layer.1.q_proj:77:6", "weight:layer.0.experts:1000:6",
                                       "weight:layer.2.o_proj:5:5", "weight:lm_head:64:6"};
  for (uint32_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    struct vb_inject inject;
    struct vb_report r;
    CU_ASSERT_FATAL(vb_inject_parse(faults[i], &inject) == VB_OK);
    struct vb_verify_config c = config(&cpu);
    c.inject = &inject;
    VB_CHECK(vb_verify(&c, &r) == VB_MISMATCH, "%s was not noticed", faults[i]);
    CU_ASSERT(adds_up(&r) && r.failures);
    VB_CHECK(!strcmp(r.failure[0].path, inject.path) && strstr(r.failure[0].note, "weights"), "%s reported as %s: %s",
             faults[i], r.failure[0].path, r.failure[0].note);
    struct vb_case k;
    CU_ASSERT_FATAL(vb_case_load(r.failure[0].case_file, &k) == VB_OK);
    struct vb_run_stats stats = {0};
    struct vb_difference d;
    bool differs = false;
    CU_ASSERT(vb_case_replay(&k, cpu.device[0], NULL, NULL, &stats, &differs, &d) == VB_OK && differs);
    vb_case_free(&k);
    vb_report_free(&r);
    CU_ASSERT(vb_inject_weight(&inject, &graph) == VB_OK); // flip it back
  }
  everything_equal_on_the_cpu();
}

static uint32_t dying_after;
static vb_result run_until_death(struct vb_device *d, enum vb_op_kind kind, const union vb_any_op *op,
                                 struct vb_run_stats *stats) {
  struct vb_device *real = d->impl;
  if (!dying_after--) {
    dying_after = 0;
    return vb_fail(VB_DEVICE, "power lost");
  }
  return real->run(real, kind, op, stats);
}
static bool dying_supports(struct vb_device *d, const struct vb_node *n) {
  (void)d;
  return n->kind == VB_OP_ATTENTION || n->kind == VB_OP_LINEAR;
}
static void dying_close(struct vb_device *d) { (void)d; }

static void a_dying_device_is_reported(void) {
  for (uint32_t life = 0; life < 12; life += 3) {
    struct vb_device dying = {.id = "dying",
                              .description = "dies",
                              .accelerator = true,
                              .supports = dying_supports,
                              .run = run_until_death,
                              .close = dying_close,
                              .impl = cpu.device[0],
                              .threads = 1};
    struct vb_device *both[] = {cpu.device[0], &dying};
    struct vb_device_list list = {.device = both, .count = 2};
    struct vb_verify_config c = config(&list);
    struct vb_report r;
    dying_after = life;
    VB_CHECK(vb_verify(&c, &r) == VB_DEVICE, "life %u: %s", life, vb_last_error());
    CU_ASSERT(strstr(vb_last_error(), "dying") && strstr(vb_last_error(), "power lost") &&
              strstr(vb_last_error(), "layer."));
    CU_ASSERT(adds_up(&r) && r.skipped && !r.failed && r.skip_reason[0]);
    CU_ASSERT_FATAL(r.failures == 1);
    CU_ASSERT(!strcmp(r.failure[0].device, "dying") && strstr(r.failure[0].note, "power lost") &&
              r.failure[0].case_file[0]);
    vb_report_free(&r);
  }
}

static void bad_requests_run_nothing(void) {
  struct vb_report r;
  struct vb_verify_config c = config(&cpu);
  c.prompt_len = 0;
  CU_ASSERT(vb_verify(&c, &r) == VB_BAD_INPUT && !r.calls);
  vb_report_free(&r);
  const int32_t outside[] = {1, (int32_t)model->config.vocab};
  c = config(&cpu);
  c.prompt = outside, c.prompt_len = 2;
  CU_ASSERT(vb_verify(&c, &r) == VB_BAD_INPUT && strstr(vb_last_error(), "vocabulary") && !r.calls);
  vb_report_free(&r);
  c = config(&cpu);
  c.plan_file = "/nonexistent.json";
  CU_ASSERT(vb_verify(&c, &r) == VB_BAD_INPUT && !r.calls);
  vb_report_free(&r);
  c = config(&cpu);
  c.steps = 1u << 20;
  CU_ASSERT(vb_verify(&c, &r) == VB_BAD_INPUT && strstr(vb_last_error(), "max_position_embeddings"));
  vb_report_free(&r);
  struct vb_inject i;
  static const char *const bad[] = {
      "", "output", "output:x:1", "output:x:-1:0:", "weight:x:1:9", "thing:x:1:1", "output:x:1:40", "output:x:1:1#cpu"};
  for (uint32_t k = 0; k < sizeof bad / sizeof *bad; k++)
    VB_CHECK(vb_inject_parse(bad[k], &i) == VB_BAD_INPUT, "accepted \"%s\"", bad[k]);
}

/// A case of every operator kind, then every way of damaging its file: refused, never a crash.
static void damaged_cases_are_refused(void) {
  struct vb_rng rng = vb_test_rng();
  uint32_t refused = 0, tried = 0;
  for (uint32_t n = 0; n < graph.nodes && graph.node[n].layer < 1; n++) {
    struct vb_inject inject;
    struct vb_report r;
    char text[100], path[128];
    snprintf(text, sizeof text, "output:%s:1:1", graph.node[n].path);
    CU_ASSERT_FATAL(vb_inject_parse(text, &inject) == VB_OK);
    struct vb_verify_config c = config(&cpu);
    c.inject = &inject;
    c.steps = 0;
    CU_ASSERT_FATAL(vb_verify(&c, &r) == VB_MISMATCH && r.failures);
    FILE *f = fopen(r.failure[0].case_file, "rb");
    CU_ASSERT_FATAL(f != NULL);
    struct stat st;
    fstat(fileno(f), &st);
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size);
    CU_ASSERT(fread(data, 1, size, f) == size);
    fclose(f);
    vb_report_free(&r);
    snprintf(path, sizeof path, "%s/damaged.h5", dir);
    for (uint32_t round = 0; round < vb_test_count(24, 400); round++) {
      size_t keep = round < 8 ? size * round / 8 : size,
             at = round < 8 ? 0 : vb_rng_below(&rng, size < 6000 ? size : 6000);
      uint8_t bit = (uint8_t)(1u << vb_rng_below(&rng, 8));
      f = fopen(path, "wb");
      if (round >= 8) data[at] ^= bit;
      CU_ASSERT(fwrite(data, 1, keep, f) == keep);
      fclose(f);
      if (round >= 8) data[at] ^= bit;
      struct vb_case k;
      vb_result v = vb_case_load(path, &k);
      CU_ASSERT(v == VB_OK || v == VB_BAD_INPUT || v == VB_DEVICE);
      refused += v != VB_OK, tried++;
      if (v) CU_ASSERT(strstr(vb_last_error(), "damaged.h5") != NULL);
      if (!v) vb_case_free(&k);
    }
    free(data);
  }
  VB_CHECK(refused == tried, "only %u of %u damaged files were refused", refused, tried);
  struct vb_case k;
  CU_ASSERT(vb_case_load("tests/fixtures/llama2/expected.h5", &k) == VB_BAD_INPUT);
  CU_ASSERT(vb_case_load("/nonexistent.h5", &k) == VB_BAD_INPUT);
}

static const struct vb_test tests[] = {
    {"everything_equal_on_the_cpu", everything_equal_on_the_cpu},
    {"random_plans_chunks_and_batches_are_equal", random_plans_chunks_and_batches_are_equal},
    {"every_chunk_size_is_equal", every_chunk_size_is_equal},
    {"flipped_outputs_are_caught", flipped_outputs_are_caught},
    {"flipped_weights_are_caught", flipped_weights_are_caught},
    {"a_dying_device_is_reported", a_dying_device_is_reported},
    {"bad_requests_run_nothing", bad_requests_run_nothing},
    {"damaged_cases_are_refused", damaged_cases_are_refused},
    {0}};
int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"verify", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
