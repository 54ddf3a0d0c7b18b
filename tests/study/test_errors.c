// SPDX-License-Identifier: Apache-2.0
// The error study: its bounds on every model, and that it would notice an operator that computes something else.
#include "base/file.h"
#include "num/num.h"
#include "study/errors.h"
#include "support/harness.h"
#include "truth/truth.h"
#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { T = 40 };

static struct vb_model *open_model(const char *path) {
  struct vb_model *m;
  vb_result r = vb_model_open(path, false, &m);
  VB_CHECK(r == VB_OK, "%s", r == VB_OK ? "" : vb_last_error());
  return m;
}

static bool study(const struct vb_model *m, struct vb_error_study *s) {
  struct vb_rng rng = vb_test_rng();
  int32_t tokens[T];
  for (int t = 0; t < T; t++) tokens[t] = (int32_t)vb_rng_below(&rng, m->config.vocab);
  vb_result r = vb_error_study(m, NULL, tokens, T, s);
  return VB_CHECK(r == VB_OK, "%s: %s", m->path, r == VB_OK ? "" : vb_last_error()), r == VB_OK;
}

/// Largest relative RMS error that one operator may add. Matrices and records: 8-bit blocks; the router's: 14 bits.
static double bound(const struct vb_error_row *r) {
  switch (r->kind) {
  case VB_OP_LINEAR: return strcmp(r->name, "router_logits") ? 0.03 : 4e-4;
  case VB_OP_EXPERTS: return 0.05;
  case VB_OP_PACK_Q:
  case VB_OP_PACK_KV: return 0.02;
  case VB_OP_DELTA: return 5e-4;
  case VB_OP_RMSNORM: return 2e-5;
  case VB_OP_ATTENTION:
  case VB_OP_ROUTER: return 1e-5;
  case VB_OP_JOIN: return 0;
  default: return 2e-7; // one or a few roundings to 24 bits
  }
}

static void check_rows(const struct vb_error_study *s) {
  for (uint32_t i = 0; i < s->rows; i++) {
    const struct vb_op_error *e = &s->row[i].error;
    double rms = e->ref2 > 0 ? sqrt(e->err2 / e->ref2) : 0;
    VB_CHECK(rms <= bound(&s->row[i]), "%s %s: relative RMS error %g, the bound is %g", s->model, s->row[i].name, rms,
             bound(&s->row[i]));
    VB_CHECK(e->values || e->choices, "%s %s: nothing compared", s->model, s->row[i].name);
    VB_CHECK(e->other * 100 <= e->choices, "%s %s: %llu of %llu selections differ", s->model, s->row[i].name,
             (unsigned long long)e->other, (unsigned long long)e->choices);
    vb_test_compared(vb_op_name(s->row[i].kind), e->values + e->choices);
  }
}

static void every_model(void) {
  glob_t g;
  CU_ASSERT_EQUAL_FATAL(glob("tests/fixtures/*/config.json", 0, NULL, &g), 0);
  glob("models/tiny/*/config.json", GLOB_APPEND, NULL, &g);
  for (size_t i = 0; i < g.gl_pathc; i++) {
    struct vb_error_study s;
    const bool trained = !strncmp(g.gl_pathv[i], "models/", 7);
    *strrchr(g.gl_pathv[i], '/') = 0;
    struct vb_model *m = open_model(g.gl_pathv[i]);
    if (m && study(m, &s)) {
      check_rows(&s);
      VB_CHECK(s.bf16.nmse > 1e-8 && s.bf16.nmse < 0.5, "%s: bf16 has NMSE %g", s.model, s.bf16.nmse);
      VB_CHECK(s.contract.nmse > 1e-8 && s.contract.nmse < (trained ? 0.1 : 0.7), "%s: NMSE %g", s.model,
               s.contract.nmse);
      VB_CHECK(s.contract.kl >= 0 && s.contract.kl < (trained ? 0.1 : 0.8), "%s: KL %g", s.model, s.contract.kl);
      vb_error_study_free(&s);
    }
    vb_model_close(m);
  }
  globfree(&g);
}

// Text as the models know it: what docs/accuracy.md reports must stay so.
static void trained_text(void) {
  static const char *const names[] = {"dense", "moe", "dsa", "hybrid", "window"};
  char *text;
  size_t n;
  CU_ASSERT_EQUAL_FATAL(vb_read_file("models/tiny/heldout.txt", 1 << 20, &text, &n), VB_OK);
  for (int i = 0; i < 5; i++) {
    char path[100];
    snprintf(path, sizeof path, "models/tiny/%s", names[i]);
    if (access(path, F_OK)) continue;
    struct vb_model *m = open_model(path);
    struct vb_error_study s;
    int32_t tokens[100];
    for (int t = 0; t < 100; t++) tokens[t] = (uint8_t)text[t]; // byte-level: the first 256 ids are bytes
    if (m && !vb_error_study(m, NULL, tokens, 100, &s)) {
      VB_CHECK(s.contract.nmse < 1e-3 && s.contract.kl < 1e-2 && s.contract.top1 >= 0.9, "%s: NMSE %g, KL %g, top-1 %g",
               path, s.contract.nmse, s.contract.kl, s.contract.top1);
      VB_CHECK(s.bf16.nmse < s.contract.nmse * 2 && s.bf16.kl < 1e-2, "%s: bf16 has NMSE %g, KL %g", path, s.bf16.nmse,
               s.bf16.kl);
      vb_error_study_free(&s);
    } else {
      VB_CHECK(false, "%s: %s", path, vb_last_error());
    }
    vb_model_close(m);
  }
  free(text);
}

static const struct vb_error_row *row_of(const struct vb_error_study *s, const char *name) {
  for (uint32_t i = 0; i < s->rows; i++)
    if (!strcmp(s->row[i].name, name)) return &s->row[i];
  return NULL;
}

static double rms_of(const struct vb_error_study *s, const char *name) {
  const struct vb_error_row *r = row_of(s, name);
  return r && r->error.ref2 > 0 ? sqrt(r->error.err2 / r->error.ref2) : 0;
}

// A wrong weight raises its own operator beyond the bound, and no other's.
static void notices_a_wrong_weight(void) {
  static const struct {
    const char *model, *row, *other;
  } cases[] = {{"qwen3", "o_proj", "q_proj"},
               {"deepseek_v3", "q_absorb", "v_absorb"},
               {"mixtral", "experts", "o_proj"},
               {"qwen3_next", "qkvz_proj", "ba_proj"},
               {"llama4", "experts", "router_logits"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char path[100];
    struct vb_error_study s;
    snprintf(path, sizeof path, "tests/fixtures/%s", cases[i].model);
    struct vb_model *m = open_model(path);
    for (uint32_t l = 0; m && l < m->config.layers; l++) {
      struct vb_layer *w = &m->layer[l];
      struct vb_w8 *at = !strcmp(cases[i].row, "o_proj")      ? &w->o
                         : !strcmp(cases[i].row, "q_absorb")  ? &w->uk
                         : !strcmp(cases[i].row, "qkvz_proj") ? &w->qkvz
                                                              : &w->experts.up;
      for (uint64_t k = 0; at->q && k < (uint64_t)at->rows * at->blocks * VB_BLOCK; k += 5)
        ((int8_t *)(uintptr_t)at->q)[k] ^= 0x40;
    }
    if (m && study(m, &s)) {
      const struct vb_error_row *r = row_of(&s, cases[i].row), *o = row_of(&s, cases[i].other);
      VB_CHECK(r && o && rms_of(&s, cases[i].row) > 3 * bound(r) && rms_of(&s, cases[i].other) <= bound(o),
               "%s: %g, %s %g", cases[i].row, rms_of(&s, cases[i].row), cases[i].other, rms_of(&s, cases[i].other));
      vb_error_study_free(&s);
    }
    vb_model_close(m);
  }
}

static void distances(void) {
  const double a[] = {0, log(3), 1, 1}, b[] = {log(3), 0, 1, 1};
  struct vb_distance d;
  vb_distance(a, a, 2, 2, &d);
  CU_ASSERT(d.nmse == 0 && fabs(d.kl) < 1e-15 && d.top1 == 1);
  vb_distance(a, b, 2, 2, &d); // first position: p = (1/4, 3/4), q = (3/4, 1/4)
  const double nmse = 2 * log(3) * log(3) / (log(3) * log(3) + 2), kl = (0.75 * log(3) - 0.25 * log(3)) / 2;
  VB_CHECK(fabs(d.nmse - nmse) < 1e-12 && fabs(d.kl - kl) < 1e-12 && d.top1 == 0.5, "NMSE %g, KL %g, top-1 %g", d.nmse,
           d.kl, d.top1);
}

// Every value of the rounded truth is one of bf16; the unrounded one is untouched by the option.
static void bf16_rounds(void) {
  struct vb_model *m = open_model("tests/fixtures/gpt_oss");
  const int32_t tokens[] = {1, 2, 3, 4, 5, 6};
  const size_t n = 6 * (size_t)m->config.vocab;
  double *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y), *z = malloc(n * sizeof *z);
  CU_ASSERT(!vb_truth_logits(m, tokens, 6, x) && !vb_truth_logits_bf16(m, tokens, 6, y) &&
            !vb_truth_logits(m, tokens, 6, z));
  uint32_t wide = 0;
  for (size_t i = 0; i < n; i++) {
    float f = (float)y[i];
    uint32_t u;
    memcpy(&u, &f, 4);
    wide += (u & 0xffff) != 0 || (double)f != y[i];
  }
  VB_CHECK(!wide, "%u of %zu values are no bf16", wide, n);
  VB_EXPECT_BITS("truth", x, z, n, sizeof *x);
  free(x), free(y), free(z);
  vb_model_close(m);
}

static void reports(void) {
  char md[] = "/tmp/verbatim-errors-XXXXXX", json[sizeof md + 8], *text = NULL;
  struct vb_error_study s;
  size_t n;
  int fd = mkstemp(md);
  CU_ASSERT_FATAL(fd >= 0);
  close(fd);
  snprintf(json, sizeof json, "%s.json", md);
  struct vb_model *m = open_model("tests/fixtures/deepseek_v32");
  CU_ASSERT_FATAL(study(m, &s));
  CU_ASSERT_EQUAL(vb_error_study_markdown(&s, md), VB_OK);
  CU_ASSERT_EQUAL(vb_error_study_json(&s, json), VB_OK);
  CU_ASSERT_EQUAL_FATAL(vb_read_file(md, 1 << 20, &text, &n), VB_OK);
  CU_ASSERT(strstr(text, "| contract |") && strstr(text, "| bf16 |") && strstr(text, "| q_absorb | linear |") &&
            strstr(text, "| indexer | indexer |"));
  json_t *root = json_load_file(json, 0, NULL);
  CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "operators")), s.rows);
  json_decref(root);
  free(text);
  CU_ASSERT_EQUAL(vb_error_study_markdown(&s, "/nonexistent/x.md"), VB_BAD_INPUT);
  const int32_t outside[] = {1 << 20};
  struct vb_error_study none;
  CU_ASSERT_EQUAL(vb_error_study(m, NULL, outside, 1, &none), VB_BAD_INPUT);
  vb_error_study_free(&s);
  vb_model_close(m);
  unlink(md), unlink(json);
}

static const struct vb_test tests[] = {{"distances", distances},
                                       {"bf16_rounds", bf16_rounds},
                                       {"reports", reports},
                                       {"every_model", every_model},
                                       {"trained_text", trained_text},
                                       {"notices_a_wrong_weight", notices_a_wrong_weight},
                                       {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"errors", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
