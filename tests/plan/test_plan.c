// SPDX-License-Identifier: Apache-2.0
/// Plans: every policy covers every operator exactly once; JSON round trip; a table of impossible plans, each refused
/// with words that name the place.
#include "plan/plan.h"
#include "support/harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct vb_model *model;
static struct vb_graph graph;
static uint8_t *can;
static const char *const ids[] = {"cpu", "pocl", "unit"};
static const uint8_t accelerator[] = {0, 1, 1};
static struct vb_target target;
static char dir[32];

static int setup(void) {
  strcpy(dir, "/tmp/verbatim-test-XXXXXX"); // set up once a test
  if (vb_model_open("tests/fixtures/qwen3_moe", false, &model) || vb_graph_build(model, NULL, &graph) || !mkdtemp(dir))
    return 1;
  can = calloc(3, graph.nodes);
  for (uint32_t n = 0; n < graph.nodes; n++) {
    can[n] = can[graph.nodes + n] = 1;
    can[2 * graph.nodes + n] = graph.node[n].kind == VB_OP_ATTENTION || graph.node[n].kind == VB_OP_ROUTER;
  }
  target = (struct vb_target){.devices = 3, .id = ids, .can = can, .accelerator = accelerator};
  return 0;
}
static int teardown(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  free(can);
  vb_graph_free(&graph);
  vb_model_close(model);
  return system(command);
}

static void default_uses_all_devices(void) {
  struct vb_plan p;
  CU_ASSERT_FATAL(vb_plan_default(&graph, &target, &p) == VB_OK);
  bool used[3] = {false};
  for (uint32_t n = 0; n < p.nodes; n++)
    for (uint32_t i = 0; i < p.split[n].parts; i++) used[p.split[n].part[i].device] = true;
  CU_ASSERT(used[0] && used[1] && used[2]);
  vb_plan_free(&p);
}

static void random_plans_are_legal_and_repeatable(void) {
  uint64_t kinds[VB_AXES] = {0}, many = 0;
  for (uint64_t seed = 0; seed < 300; seed++) {
    struct vb_plan p, q;
    CU_ASSERT_FATAL(vb_plan_random(&graph, &target, seed, &p) == VB_OK);
    CU_ASSERT_FATAL(vb_plan_random(&graph, &target, seed, &q) == VB_OK);
    CU_ASSERT(!memcmp(p.split, q.split, p.nodes * sizeof *p.split));
    CU_ASSERT(vb_plan_check(&graph, &target, &p, "test") == VB_OK);
    for (uint32_t n = 0; n < p.nodes; n++) kinds[p.split[n].axis]++, many += p.split[n].parts > 1;
    vb_plan_free(&p);
    vb_plan_free(&q);
  }
  for (enum vb_axis a = 0; a < VB_AXES; a++)
    VB_CHECK(kinds[a] > 100, "axis %s was chosen only %llu times", vb_axis_name(a), (unsigned long long)kinds[a]);
  CU_ASSERT(many > 1000);
}

static void json_round_trip(void) {
  char path[128];
  snprintf(path, sizeof path, "%s/plan.json", dir);
  for (uint64_t seed = 0; seed < 20; seed++) {
    struct vb_plan p, q;
    CU_ASSERT_FATAL(vb_plan_random(&graph, &target, seed, &p) == VB_OK);
    CU_ASSERT_FATAL(vb_plan_save(&graph, &target, &p, path) == VB_OK);
    vb_result r = vb_plan_load(&graph, &target, path, &q);
    VB_CHECK(r == VB_OK, "seed %llu: %s", (unsigned long long)seed, vb_last_error());
    if (!r) CU_ASSERT(!memcmp(p.split, q.split, p.nodes * sizeof *p.split));
    vb_plan_free(&p);
    vb_plan_free(&q);
  }
}

/// Replace the first occurrence of `from` in the saved default plan and expect refusal.
static void refuse(const char *from, const char *to, const char *words) {
  char path[128], *text = NULL;
  size_t room = 0;
  struct vb_plan p;
  snprintf(path, sizeof path, "%s/bad.json", dir);
  CU_ASSERT_FATAL(vb_plan_default(&graph, &target, &p) == VB_OK);
  CU_ASSERT_FATAL(vb_plan_save(&graph, &target, &p, path) == VB_OK);
  vb_plan_free(&p);
  FILE *f = fopen(path, "r");
  ssize_t n = getdelim(&text, &room, 0, f);
  fclose(f);
  char *at = strstr(text, from);
  VB_CHECK(at != NULL, "the plan has no \"%s\"", from);
  f = fopen(path, "w");
  if (at) fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  fclose(f);
  free(text);
  CU_ASSERT(n > 0);
  vb_result r = vb_plan_load(&graph, &target, path, &p);
  VB_CHECK(r == VB_BAD_INPUT, "accepted: %s -> %s", from, to);
  VB_CHECK(strstr(vb_last_error(), words) && strstr(vb_last_error(), "bad.json"),
           "%s -> %s: \"%s\" lacks \"%s\" or the file", from, to, vb_last_error(), words);
  if (!r) vb_plan_free(&p);
}

static void bad_plans_are_refused(void) {
  refuse("\"version\": 1", "\"version\": 2", "version");
  refuse("\"version\": 1", "\"version\": 1, \"colour\": 3", "unknown key \"colour\"");
  refuse("\"axis\": \"", "\"axes\": \"", "unknown key \"axes\"");
  refuse("\"axis\": \"rows\"", "\"axis\": \"columns\"", "unknown axis");
  refuse("\"axis\": \"rows\"", "\"axis\": \"keys\"", "cannot be split along keys");
  refuse("\"device\": \"cpu\"", "\"device\": \"gpu7\"", "gpu7");
  refuse("\"device\": \"cpu\"", "\"device\": 4", "device");
  refuse("\"begin\": 0", "\"begin\": 1", "given to no device");
  refuse("\"begin\": 0", "\"begin\": -1", "begin");
  refuse("\"begin\": 0", "\"begin\": \"0\"", "begin");
  refuse("\"begin\": 0", "\"end\": 0", "begin");
  refuse("\"embed\": {", "\"embedding\": {", "no operator \"embedding\"");
  refuse("\"layer.1.q_proj\": {", "\"layer.99.q_proj\": {", "layer.99.q_proj");
  refuse("\"parts\": [", "\"parts\": [7, ", "object");
  refuse("{", "[", "line");
  refuse("}", "", "line");
}

static void bad_splits_are_refused(void) {
  struct vb_plan p;
  int q = vb_graph_find(&graph, "layer.0.q_proj"), a = vb_graph_find(&graph, "layer.0.attention");
  CU_ASSERT_FATAL(q >= 0 && a >= 0);
  const struct {
    int node;
    struct vb_split s;
    const char *words;
  } bad[] = {
      {q, {VB_AXIS_ROWS, 2, {{0, 0, 5}, {1, 6, VB_OPEN}}}, "given to no device"},
      {q, {VB_AXIS_ROWS, 2, {{0, 0, 5}, {1, 4, VB_OPEN}}}, "given to two devices"},
      {q, {VB_AXIS_ROWS, 1, {{0, 0, 5}}}, "given to no device"},
      {q, {VB_AXIS_ROWS, 1, {{0, 0, 1u << 20}}}, "has only"},
      {q, {VB_AXIS_K, 2, {{0, 0, 16}, {1, 16, VB_OPEN}}}, "multiples of 32"},
      {q, {VB_AXIS_ROWS, 1, {{2, 0, VB_OPEN}}}, "device unit cannot run"},
      {q, {VB_AXIS_EXPERTS, 1, {{0, 0, VB_OPEN}}}, "cannot be split along experts"},
      {q, {VB_AXIS_ROWS, 0, {{0, 0, 0}}}, "no device here can run"},
      {q, {VB_AXIS_ROWS, 2, {{0, 0, VB_OPEN}, {1, 3, VB_OPEN}}}, "must end"},
      {a, {VB_AXIS_KEYS, 2, {{0, 0, 7}, {1, 7, 9}}}, "given to no device"},
      {a, {VB_AXIS_TOKENS, 1, {{0, 0, 9}}}, "given to no device"},
  };
  for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CU_ASSERT_FATAL(vb_plan_default(&graph, &target, &p) == VB_OK);
    p.split[bad[i].node] = bad[i].s;
    vb_result r = vb_plan_check(&graph, &target, &p, "here");
    VB_CHECK(r == VB_BAD_INPUT && strstr(vb_last_error(), bad[i].words), "case %u: %s", i,
             r ? vb_last_error() : "accepted");
    vb_plan_free(&p);
  }
}

static const struct vb_test tests[] = {{"default_uses_all_devices", default_uses_all_devices},
                                       {"random_plans_are_legal_and_repeatable", random_plans_are_legal_and_repeatable},
                                       {"json_round_trip", json_round_trip},
                                       {"bad_plans_are_refused", bad_plans_are_refused},
                                       {"bad_splits_are_refused", bad_splits_are_refused},
                                       {0}};
int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"plan", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
