// SPDX-License-Identifier: Apache-2.0
// Published sizes, weights made up for them, and experts made on demand.
#include "editor.h"
#include "model/expert_cache.h"
#include "model/synthetic.h"
#include "num/block.h"
#include "runtime/exec.h"
#include "support/harness.h"
#include "truth/truth.h"
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int teardown(void) {
  temp_cleanup();
  return 0;
}

// Parameters in units of 1e9, tied embeddings once, prediction layers and vision parts left out.
static const struct {
  const char *name;
  double billions;
} published[] = {
    {"llama-2-7b", 6.738},
    {"llama-2-13b", 13.016},
    {"llama-2-70b", 68.977},
    {"llama-3-8b", 8.030},
    {"llama-3-70b", 70.554},
    {"llama-3.1-8b", 8.030},
    {"llama-3.1-70b", 70.554},
    {"llama-3.1-405b", 405.853},
    {"llama-3.2-1b", 1.236},
    {"llama-3.2-3b", 3.213},
    {"llama-3.3-70b", 70.554},
    {"llama-4-scout-17b-16e", 107.77},
    {"llama-4-maverick-17b-128e", 400.7},
    {"qwen2.5-0.5b", 0.494},
    {"qwen2.5-1.5b", 1.544},
    {"qwen2.5-3b", 3.086},
    {"qwen2.5-7b", 7.616},
    {"qwen2.5-14b", 14.770},
    {"qwen2.5-32b", 32.764},
    {"qwen2.5-72b", 72.706},
    {"qwen3-0.6b", 0.596},
    {"qwen3-1.7b", 1.721},
    {"qwen3-4b", 4.022},
    {"qwen3-8b", 8.191},
    {"qwen3-14b", 14.768},
    {"qwen3-32b", 32.762},
    {"qwen3-30b-a3b", 30.532},
    {"qwen3-235b-a22b", 235.094},
    {"qwen3-coder-480b-a35b", 480.155},
    {"qwen2-57b-a14b", 57.409},
    {"qwen3-next-80b-a3b", 79.674},
    {"deepseek-v2-lite", 15.706},
    {"deepseek-v2", 235.741},
    {"deepseek-v3", 671.026},
    {"deepseek-r1", 671.026},
    {"deepseek-v3.2-exp", 671.88},
    {"mixtral-8x7b", 46.703},
    {"mixtral-8x22b", 140.621},
    {"mistral-7b-v0.1", 7.242},
    {"gpt-oss-20b", 20.915},
    {"gpt-oss-120b", 116.829},
    {"gemma-2-2b", 2.614},
    {"gemma-2-9b", 9.242},
    {"gemma-2-27b", 27.227},
    {"gemma-3-1b", 1.000},
    {"gemma-3-4b", 3.880},
    {"gemma-3-12b", 11.766},
    {"gemma-3-27b", 27.009},
};
enum { PUBLISHED = sizeof published / sizeof *published };

static struct vb_model *synthetic(const char *config, const char *parameters, uint64_t expert_bytes, bool raw) {
  char path[400];
  struct vb_model *m;
  snprintf(path, sizeof path, "synthetic:%s%s%s", config, *parameters ? "?" : "", parameters);
  vb_result r = vb_model_open_cached(path, raw, expert_bytes, &m);
  VB_CHECK(r == VB_OK, "%s", r == VB_OK ? "" : vb_last_error());
  return m;
}

static void sizes(void) {
  glob_t g;
  CU_ASSERT_EQUAL_FATAL(glob("models/*.json", 0, NULL, &g), 0);
  CU_ASSERT_EQUAL(g.gl_pathc, PUBLISHED);
  globfree(&g);
  for (int i = 0; i < PUBLISHED; i++) {
    char path[200];
    snprintf(path, sizeof path, "models/%s.json", published[i].name);
    struct vb_model *m = synthetic(path, "", 0, true);
    double n = 0;
    for (uint32_t t = 0; m && t < m->tensor_count; t++) n += (double)vb_tensor_count(&m->tensors[t]);
    VB_CHECK(fabs(n / 1e9 / published[i].billions - 1) < 2e-3, "%s: %.4f billion parameters, published are %.4f",
             published[i].name, n / 1e9, published[i].billions);
    vb_model_close(m);
  }
}

// Every tensor of a: the same elements as b's of the same name, whose layers start `shift` higher.
static void same_tensors(const struct vb_model *a, const struct vb_model *b, uint32_t shift) {
  uint64_t n = 0;
  for (uint32_t i = 0; i < a->tensor_count; i++) {
    const struct vb_tensor *x = &a->tensors[i];
    char name[VB_MAX_NAME + 16], *rest;
    snprintf(name, sizeof name, "%s", x->name);
    if (!strncmp(name, "model.layers.", 13)) {
      unsigned long l = strtoul(x->name + 13, &rest, 10);
      snprintf(name, sizeof name, "model.layers.%lu%s", l + shift, rest);
    }
    const struct vb_tensor *y = vb_model_find(b, name);
    VB_CHECK(y != NULL, "%s is missing", name);
    for (uint64_t k = 0; y && k < vb_tensor_count(x); k += 1 + k / 64, n++)
      if (vb_tensor_bits(x, k) != vb_tensor_bits(y, k)) {
        VB_CHECK(false, "%s[%llu] differs", name, (unsigned long long)k);
        return;
      }
  }
  vb_test_compared("synthetic", n);
}

static void pure_function(void) {
  static const char config[] = "tests/fixtures/deepseek_v32/config.json";
  struct vb_model *a = synthetic(config, "seed=5&layers=1-2", 0, true), *b = synthetic(config, "seed=5", 0, true);
  struct vb_model *c = synthetic(config, "seed=6", 0, true);
  same_tensors(a, b, 1);
  const char *name = "model.layers.1.self_attn.o_proj.weight";
  const struct vb_tensor *x = vb_model_find(b, name), *y = vb_model_find(c, name);
  uint32_t equal = 0;
  for (uint64_t i = 0; i < 1000; i++) equal += vb_tensor_bits(x, i) == vb_tensor_bits(y, i);
  VB_CHECK(equal < 20, "%u of 1000 elements do not depend on the seed", equal);
  vb_model_close(a), vb_model_close(b), vb_model_close(c);
}

static void distribution(void) {
  struct vb_model *m = synthetic("models/qwen3-30b-a3b.json", "layers=0&vocab=64", 0, true);
  static const char *const names[] = {"model.layers.0.self_attn.o_proj.weight",
                                      "model.layers.0.mlp.experts.3.down_proj.weight"};
  for (int k = 0; k < 2; k++) {
    const struct vb_tensor *t = vb_model_find(m, names[k]);
    double sum = 0, square = 0, fourth = 0;
    const uint64_t n = 200000;
    for (uint64_t i = 0; i < n; i++) {
      double x = vb_tensor_at(t, i) * sqrt((double)t->dim[1]);
      CU_ASSERT_FATAL((vb_tensor_bits(t, i) & 0xffff) == 0);
      sum += x, square += x * x, fourth += x * x * x * x;
    }
    VB_CHECK(fabs(sum / (double)n) < 0.01 && fabs(square / (double)n - 1) < 0.02, "%s: mean %g, variance %g", names[k],
             sum / (double)n, square / (double)n);
    VB_CHECK(fabs(fourth / (double)n - 2.7) < 0.1, "%s: fourth moment %g, a sum of four uniforms has 2.7", names[k],
             fourth / (double)n);
  }
  vb_model_close(m);
}

static const int32_t tokens[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
enum { T = sizeof tokens / sizeof *tokens };

// Logits of the contract on the CPU, `chunk` tokens a call; `loads` counts how often each expert was chosen.
enum { LAYERS = 16, EXPERTS = 64 };
struct tally {
  uint64_t *loads; ///< [LAYERS][EXPERTS]
};
static vb_result count_step(void *context, struct vb_step *s) {
  struct tally *t = context;
  if (s->node->kind == VB_OP_ROUTER)
    for (uint64_t i = 0; i < (uint64_t)s->tokens * s->op->router.k; i++)
      t->loads[s->node->layer * EXPERTS + (int)((const uint32_t *)s->out[0])[i]]++;
  return VB_OK;
}
static bool run(const struct vb_model *m, uint32_t chunk, uint64_t *loads, vb_z *logits) {
  struct vb_graph g;
  struct vb_device_list devices = {0};
  struct vb_exec *e = NULL;
  struct vb_plan plan = {0};
  struct vb_seq seq = {0};
  struct tally tally = {loads};
  const struct vb_observer observer = {.step = count_step, .context = &tally};
  vb_result r = vb_graph_build(m, NULL, &g);
  if (!r) r = vb_device_list_add(&devices, vb_device_open_cpu(2));
  if (!r) r = vb_exec_create(&g, &devices, &e);
  if (!r) r = vb_plan_default(&g, vb_exec_target(e), &plan);
  if (!r) r = vb_seq_create(&g, T, &seq);
  while (!r && seq.length < T) {
    const vb_z *z;
    uint32_t at = seq.length;
    struct vb_batch_item item = {&seq, tokens + at, chunk < T - at ? chunk : T - at};
    r = vb_exec_forward(e, &plan, &item, 1, loads ? &observer : NULL, &z);
    if (!r) memcpy(logits + (size_t)at * m->config.vocab, z, (size_t)item.count * m->config.vocab * sizeof *z);
  }
  vb_seq_free(&seq);
  vb_plan_free(&plan);
  vb_exec_destroy(e);
  vb_devices_close(&devices);
  vb_graph_free(&g);
  return r == VB_OK;
}

static uint64_t expert_bytes(const struct vb_config *c) {
  return 2ull * c->moe_inter * vb_blocks(c->hidden) * 33 + (uint64_t)c->hidden * vb_blocks(c->moe_inter) * 33;
}

// The same bits with all experts there, with room for some, and (synthetic) with maxima that were never looked up.
static uint32_t too_small;
static void check_cached(struct vb_model *(*open)(const char *, uint64_t), const char *path) {
  struct vb_model *all = open(path, 0);
  if (!all || !all->config.experts) {
    vb_model_close(all);
    return;
  }
  const struct vb_config *c = &all->config;
  const uint64_t room = (uint64_t)(c->topk + 1) * expert_bytes(c);
  struct vb_model *some = open(path, room);
  const size_t n = (size_t)T * c->vocab;
  vb_z *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
  VB_CHECK(run(all, 4, NULL, x) && some && run(some, 1, NULL, y), "%s: %s", path, vb_last_error());
  VB_EXPECT_SAME("experts on demand", x, y, n);
  struct vb_expert_cache_stats s = vb_expert_cache_stats(some);
  VB_CHECK(s.peak <= room && s.bytes <= s.peak && s.requests > s.hits && s.limit == room, "%s: %llu of %llu bytes",
           path, (unsigned long long)s.peak, (unsigned long long)room);
  VB_CHECK((s.requests - s.hits - s.evictions) * expert_bytes(c) == s.bytes,
           "%s: made, evicted and present do not add up", path);
  VB_CHECK(s.evictions > 0 || c->experts <= c->topk + 1, "%s: nothing was evicted", path);
  // All tokens at once: either their experts fit, or the message says what to do.
  if (run(some, T, NULL, y)) VB_EXPECT_SAME("experts on demand", x, y, n);
  else VB_CHECK(strstr(vb_last_error(), "--chunk"), "%s: %s", path, vb_last_error());
  too_small += !!strstr(vb_last_error(), "--chunk");
  free(x), free(y);
  vb_model_close(all), vb_model_close(some);
}

static struct vb_model *open_checkpoint(const char *path, uint64_t bytes) {
  struct vb_model *m;
  vb_result r = vb_model_open_cached(path, false, bytes, &m);
  if (r == VB_BAD_INPUT && bytes && strstr(vb_last_error(), "has no experts")) return NULL;
  VB_CHECK(r == VB_OK, "%s", r == VB_OK ? "" : vb_last_error());
  return m;
}
static struct vb_model *open_made(const char *path, uint64_t bytes) {
  char config[300];
  struct vb_model *m = open_checkpoint(path, 0);
  bool plain = m && m->config.experts && m->config.format == VB_FORMAT_PLAIN;
  vb_model_close(m);
  snprintf(config, sizeof config, "%s/config.json", path);
  return plain ? synthetic(config, "seed=3&skew=zipf", bytes, false) : NULL;
}

static void cached_checkpoints(void) {
  CU_ASSERT_EQUAL_FATAL(find_models(), 0);
  for (size_t i = 0; i < model_count; i++) check_cached(open_checkpoint, model_path[i]);
  CU_ASSERT(too_small > 0);
}
static void cached_synthetic(void) {
  CU_ASSERT_EQUAL_FATAL(find_models(), 0);
  for (size_t i = 0; i < model_count; i++) check_cached(open_made, model_path[i]);
}

// The largest code of a row is planted: looking it up gives the same, for every layout of experts.
static void planted_maxima(void) {
  static const char *const fixtures[] = {"qwen3_moe", "llama4", "gpt_oss", "mixtral"};
  for (int k = 0; k < 4; k++) {
    char config[100];
    snprintf(config, sizeof config, "tests/fixtures/%s/config.json", fixtures[k]);
    struct vb_model *m = synthetic(config, "seed=9", 0, false);
    for (uint32_t l = 0; m && l < m->config.layers; l++) {
      const struct vb_experts_w *w = &m->layer[l].experts;
      if (!m->config.is_moe[l]) continue;
      const uint8_t code = vb_made_down_code(vb_expert_view(m, l, 0, VB_PART_DOWN).t->made);
      uint32_t wrong = 0;
      for (uint32_t r = 0; r < w->dim; r++) {
        uint8_t top = 0;
        for (uint32_t e = 0; e < w->experts; e++)
          for (uint32_t b = 0; b < w->down.blocks; b++) {
            uint8_t at = w->down.codes[((size_t)e * w->dim + r) * w->down.blocks + b];
            top = at > top ? at : top;
          }
        wrong += top != code || (!w->shared_inter && w->down.max[r] != code);
      }
      VB_CHECK(!wrong, "%s: layer %u, %u rows have another maximum", fixtures[k], l, wrong);
      vb_test_compared("planted maxima", w->dim);
    }
    vb_model_close(m);
  }
}

static void truth_agrees(void) {
  static const char *const fixtures[] = {"qwen3",  "qwen3_moe",  "deepseek_v32", "llama4",
                                         "gemma3", "qwen3_next", "gpt_oss",      "mixtral"};
  for (int k = 0; k < 8; k++) {
    char config[100];
    snprintf(config, sizeof config, "tests/fixtures/%s/config.json", fixtures[k]);
    struct vb_model *m = synthetic(config, k % 2 ? "seed=2&skew=zipf:0.5" : "seed=2", 0, false);
    if (!m) continue;
    const size_t n = (size_t)T * m->config.vocab;
    vb_z *z = malloc(n * sizeof *z);
    double *want = malloc(n * sizeof *want), err = 0, ref = 0;
    VB_CHECK(run(m, T, NULL, z) && !vb_truth_logits(m, tokens, T, want), "%s: %s", fixtures[k], vb_last_error());
    for (size_t i = 0; i < n; i++) err += pow((double)vb_to_float(z[i]) - want[i], 2), ref += want[i] * want[i];
    // A router's or indexer's near tie may fall to the other side, so the bound is loose; a misread tensor gives 1.
    VB_CHECK(ref > 0 && err / ref < 0.3, "%s: NMSE %g", fixtures[k], err / ref);
    free(z), free(want);
    vb_model_close(m);
  }
}

// How often the busiest expert of each layer was chosen, all layers; *which: that of the first layer.
static uint64_t busiest(const char *parameters, uint32_t *which) {
  struct vb_model *m = synthetic("tests/fixtures/qwen3_moe/config.json", parameters, 0, false);
  uint64_t loads[LAYERS * EXPERTS] = {0}, sum = 0;
  vb_z *z = malloc((size_t)T * m->config.vocab * sizeof *z);
  CU_ASSERT(run(m, T, loads, z));
  for (uint32_t l = 0, first = 1; l < m->config.layers; l++) {
    uint64_t top = 0;
    for (uint32_t e = 0; e < m->config.experts; e++) {
      if (loads[l * EXPERTS + e] <= top) continue;
      top = loads[l * EXPERTS + e];
      if (first) *which = e;
    }
    first &= !top;
    sum += top;
  }
  free(z);
  vb_model_close(m);
  return sum;
}

static void skew(void) {
  struct vb_model *m = synthetic("tests/fixtures/qwen3_moe/config.json", "", 0, true);
  const uint32_t E = m->config.experts;
  vb_model_close(m);
  uint32_t which;
  uint64_t flat = busiest("seed=4&skew=uniform", &which), zipf = busiest("seed=4&skew=zipf:6", &which);
  VB_CHECK(zipf > flat, "the busiest expert was chosen %llu times, %llu without skew", (unsigned long long)zipf,
           (unsigned long long)flat);
  char json[4096] = "[", parameters[300];
  for (uint32_t e = 0; e < E; e++)
    snprintf(json + strlen(json), sizeof json - strlen(json), "%s%s", e ? "," : "", e == E - 2 ? "1e6" : "1e-6");
  strcat(json, "]");
  const char *file = path_in(temp_dir(), "loads.json");
  write_bytes(file, json, strlen(json));
  snprintf(parameters, sizeof parameters, "seed=4,skew=@%s", file);
  VB_CHECK(busiest(parameters, &which) > flat && which == E - 2, "the recorded load does not decide");
}

static void peak(void) {
  static const struct {
    const char *fixture, *tensor;
    double centre;
  } cases[] = {{"llama2", "model.layers.0.self_attn.q_proj.weight", 0},
               {"qwen3", "model.layers.0.self_attn.q_norm.weight", 0},
               {"gemma3", "model.layers.0.self_attn.q_norm.weight", 1},
               {"deepseek_v3", "model.layers.0.self_attn.q_b_proj.weight", 0}};
  for (int k = 0; k < 4; k++) {
    char config[100];
    snprintf(config, sizeof config, "tests/fixtures/%s/config.json", cases[k].fixture);
    struct vb_model *a = synthetic(config, "", 0, true), *b = synthetic(config, "peak=4", 0, true);
    const struct vb_tensor *x = vb_model_find(a, cases[k].tensor), *y = vb_model_find(b, cases[k].tensor);
    double worst = 0;
    for (uint64_t i = 0; x && y && i < vb_tensor_count(x); i++)
      worst = fmax(worst, fabs(4 * (cases[k].centre + vb_tensor_at(x, i)) - cases[k].centre - vb_tensor_at(y, i)));
    VB_CHECK(x && y && worst < 0.03, "%s: %g", cases[k].fixture, worst);
    vb_model_close(a), vb_model_close(b);
  }
}

static void refusals(void) {
  static const char base[] = "synthetic:tests/fixtures/qwen3_moe/config.json";
  static const char *const cases[][2] = {{"?layers=2-1", "A <= B"},
                                         {"?layers=0-99", "the model has layers"},
                                         {"?vocab=99999", "the model has"},
                                         {"?vocab=0", "needs a vocabulary"},
                                         {"?seed=x", "expected a number"},
                                         {"?peak=0", "expected a number"},
                                         {"?skew=zipff", "expected uniform"},
                                         {"?skew=@/none.json", "/none.json"},
                                         {"?color=red", "unknown parameter 'color'"},
                                         {"?seed", "key=value"},
                                         {"?layers=1x", "expected A"},
                                         {"?seed=-1", "expected a number"}};
  struct vb_model *m;
  char path[300];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(path, sizeof path, "%s%s", base, cases[i][0]);
    VB_CHECK(vb_model_open(path, true, &m) == VB_BAD_INPUT && strstr(vb_last_error(), cases[i][1]), "%s: %s",
             cases[i][0], vb_last_error());
  }
  CU_ASSERT_EQUAL(vb_model_open("synthetic:/none.json", true, &m), VB_BAD_INPUT);
  VB_CHECK(vb_model_open("synthetic:tests/fixtures/llama4/config.json?peak=2", true, &m) == VB_BAD_INPUT &&
               strstr(vb_last_error(), "normalises"),
           "%s", vb_last_error());
  VB_CHECK(vb_model_open("synthetic:tests/fixtures/qwen3/config.json?skew=zipf", true, &m) == VB_BAD_INPUT &&
               strstr(vb_last_error(), "no experts"),
           "%s", vb_last_error());
  VB_CHECK(vb_model_open("synthetic:tests/fixtures/deepseek_v3_fp8/config.json", true, &m) == VB_BAD_INPUT &&
               strstr(vb_last_error(), "no storage format"),
           "%s", vb_last_error());
  VB_CHECK(vb_model_open_cached(base, false, 1000, &m) == VB_BAD_INPUT && strstr(vb_last_error(), "too small"), "%s",
           vb_last_error());
  VB_CHECK(vb_model_open_cached("tests/fixtures/qwen3", false, 1 << 30, &m) == VB_BAD_INPUT &&
               strstr(vb_last_error(), "no experts"),
           "%s", vb_last_error());
  m = synthetic(base + 10, "", 0, true);
  VB_CHECK(vb_model_save(m, "/tmp/none.h5") == VB_BAD_INPUT && strstr(vb_last_error(), "nothing to store"), "%s",
           vb_last_error());
  vb_model_close(m);
}

static const struct vb_test all_tests[] = {{"sizes", sizes},
                                           {"pure_function", pure_function},
                                           {"distribution", distribution},
                                           {"planted_maxima", planted_maxima},
                                           {"truth", truth_agrees},
                                           {"cached_checkpoints", cached_checkpoints},
                                           {"cached_synthetic", cached_synthetic},
                                           {"skew", skew},
                                           {"peak", peak},
                                           {"refusals", refusals},
                                           {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"synthetic", all_tests, NULL, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
