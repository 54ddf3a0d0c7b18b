// SPDX-License-Identifier: Apache-2.0
// Forms in which checkpoints of the further families come: wrappers, prediction layers, constants of their own.
#include "editor.h"
#include "model/internal.h"
#include "support/harness.h"
#include "truth/truth.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int teardown(void) {
  temp_cleanup();
  return 0;
}

static void same_logits(const struct vb_model *a, const struct vb_model *b) {
  static const int32_t tokens[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  const size_t n = 11 * (size_t)a->config.vocab;
  double *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
  CU_ASSERT_EQUAL(vb_truth_logits(a, tokens, 11, x), VB_OK);
  CU_ASSERT_EQUAL(vb_truth_logits(b, tokens, 11, y), VB_OK);
  VB_EXPECT_BITS("logits", x, y, n, sizeof *x);
  free(x);
  free(y);
}

// The text part of a multimodal model under both prefixes, with vision tensors that nobody reads.
static void wrappers(void) {
  static const char *const cases[][4] = {
      {"llama4", "llama4", "language_model.", "multi_modal_projector.linear_1.weight"},
      {"gemma3", "gemma3", "model.language_model.", "model.vision_tower.x"}};
  for (size_t i = 0; i < 2; i++) {
    struct edit e = edit_load(cases[i][0]), w = edit_load(cases[i][0]);
    const char *name;
    json_t *v;
    json_object_clear(w.header);
    json_object_foreach(e.header, name, v) {
      char full[300];
      bool inner = !strncmp(cases[i][2], "model.", 6);
      snprintf(full, sizeof full, "%s%s", cases[i][2], inner ? name + 6 : name);
      json_object_set(w.header, full, v);
    }
    size_t at = w.bytes;
    edit_append(&w, cases[i][3], "BF16", "[2]", 4);
    memcpy(w.data + at, "\xc0\x7f\xc0\x7f", 4); // NaN: not looked at
    json_t *text = w.config;
    json_object_del(text, "architectures");
    w.config = json_pack("{s:s,s:[s],s:o,s:{}}", "model_type", cases[i][1], "architectures",
                         "SomeForConditionalGeneration", "text_config", text, "vision_config");
    const char *dir = temp_dir();
    edit_save(&w, dir);
    char path[300];
    snprintf(path, sizeof path, "tests/fixtures/%s", cases[i][0]);
    struct vb_model *a = open_model(path, true), *b = open_model(dir, false);
    if (a && b) {
      same_logits(a, b);
      CU_ASSERT(b->config.wrapper && !a->config.wrapper);
      char *report;
      size_t n;
      FILE *f = open_memstream(&report, &n);
      vb_model_inspect(b, f);
      fclose(f);
      VB_CHECK(strstr(report, "1 tensors that the forward pass does not use"), "no note about %s", cases[i][3]);
      free(report);
    }
    vb_model_close(a);
    vb_model_close(b);
    edit_free(&e);
    edit_free(&w);
  }
}

static void prediction_layers(void) {
  static const char *const cases[][2] = {{"deepseek_v3", "model.layers.3.eh_proj.weight"},
                                         {"deepseek_v32", "model.layers.3.self_attn.o_proj.weight"},
                                         {"qwen3_next", "mtp.fc.weight"}};
  struct vb_model *m;
  for (size_t i = 0; i < 3; i++) {
    struct edit e = edit_load(cases[i][0]);
    edit_append(&e, cases[i][1], "F32", "[3]", 12);
    const char *dir = temp_dir();
    edit_save(&e, dir);
    vb_model_close(open_model(dir, true));
    edit_append(&e, "model.layers.2.mtp.fc.weight", "F32", "[3]", 12);
    edit_save(&e, dir);
    VB_CHECK(vb_model_open(dir, true, &m) == VB_BAD_INPUT && strstr(vb_last_error(), "layers.2.mtp"), "%s",
             cases[i][0]);
    edit_free(&e);
  }
}

static void constants(void) {
  static const struct {
    uint32_t hidden;
    enum vb_dtype type;
    double want;
  } cases[] = {{2304, VB_BF16, 48},   {1152, VB_BF16, 34},     {3072, VB_BF16, 55.5},
               {5376, VB_BF16, 73.5}, {3072, VB_F16, 55.4375}, {3072, VB_F32, 55.425624847412109375},
               {36, VB_BF16, 6}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double have = vb_embed_scale(cases[i].hidden, cases[i].type);
    VB_CHECK(fabs(have - cases[i].want) < 1e-12, "sqrt(%u): %.17g", cases[i].hidden, have);
  }
}

// What each fixture's configuration must come to.
static void architectures(void) {
  struct vb_model *m = open_model("tests/fixtures/qwen25_window", true);
  uint32_t windows = 0;
  for (uint32_t l = 0; l < m->config.layers; l++) windows += m->config.layer[l].window > 0;
  CU_ASSERT(windows > 0 && windows < m->config.layers);
  vb_model_close(m);
  m = open_model("tests/fixtures/qwen3_next", true);
  CU_ASSERT(m->config.layer[3].mixer == VB_MIXER_ATTENTION && m->config.layer[4].mixer == VB_MIXER_DELTA);
  CU_ASSERT(m->config.rope.dims == 6 && m->config.out_gate && m->config.zero_centred && m->config.shared_gated);
  vb_model_close(m);
  m = open_model("tests/fixtures/deepseek_v2", true);
  const double g = 0.1 * 0.707 * log(16) + 1;
  CU_ASSERT(fabs(m->config.query_scale - g * g / sqrt(20)) < 1e-15 && m->config.group_top == 1);
  CU_ASSERT_EQUAL(m->config.layer[0].mixer, VB_MIXER_MLA);
  vb_model_close(m);
  m = open_model("tests/fixtures/gpt_oss", true);
  CU_ASSERT(fabs(m->config.rope_mscale - (0.1 * log(8) + 1)) < 1e-15 && !m->config.rope.truncate);
  vb_model_close(m);
  m = open_model("tests/fixtures/llama4", true);
  CU_ASSERT(m->config.rope_pairs && m->config.gate_input && m->config.score == VB_SCORE_SIGMOID && m->config.qk_l2);
  CU_ASSERT(!m->config.layer[3].rope && !m->config.layer[3].chunk && m->config.layer[0].chunk == 8);
  vb_model_close(m);
}

// exp(A_log) of 2^23 and more has no place in the decay's integers.
static void decay_limit(void) {
  struct edit e = edit_load("qwen3_next");
  const char *dir = temp_dir(), *name = "model.layers.0.linear_attn.A_log";
  size_t n;
  uint8_t *p = edit_tensor(&e, name, &n);
  const float big = 16;
  const uint16_t big16 = 0x4180; // bf16
  memcpy(p, n == 4 * 6 ? (const void *)&big : (const void *)&big16, n / 6);
  edit_save(&e, dir);
  struct vb_model *m;
  vb_result r = vb_model_open(dir, false, &m);
  VB_CHECK(r == VB_BAD_INPUT && strstr(vb_last_error(), name) && strstr(vb_last_error(), "2^23"), "%s",
           r == VB_OK ? "accepted" : vb_last_error());
  CU_ASSERT(vb_model_open_tally(dir, &m) == VB_BAD_INPUT && strstr(vb_last_error(), "2^23")); // import refuses it too
  edit_free(&e);
}

static const struct vb_test tests[] = {{"wrappers", wrappers},       {"prediction_layers", prediction_layers},
                                       {"constants", constants},     {"architectures", architectures},
                                       {"decay_limit", decay_limit}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"families", tests, NULL, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
