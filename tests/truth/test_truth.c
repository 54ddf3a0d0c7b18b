// SPDX-License-Identifier: Apache-2.0
// The algorithm truth against logits that transformers computed in fp64, and proof that the comparison has teeth.
#include "support/harness.h"
#include "truth/truth.h"
#include <glob.h>
#include <hdf5.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A second copy of the truth in which one error can be planted.
enum fault { NO_FAULT, NO_BIAS, UNSCALED_ROPE, ROPE_PAIRS, NO_CAUSAL_MASK, NO_QK_NORM, NO_RENORM, FAULTS };
static enum fault planted;
#define VB_TRUTH_FAULT(name) (planted == name)
#define vb_truth_logits faulty_logits
#define vb_truth_nll faulty_nll
#include "../../host/truth/truth.c"
#undef vb_truth_logits
#undef vb_truth_nll
vb_result vb_truth_logits(const struct vb_model *m, const int32_t *tokens, uint32_t T, double *logits);
double vb_truth_nll(const double *logits, const int32_t *tokens, uint32_t T, uint32_t vocab);

#define MAX_FIXTURES 64
static struct fixture {
  char name[64];
  struct vb_model *m;
  uint32_t T;
  int32_t *tokens;
  double *expected;
} fixture[MAX_FIXTURES];
static int fixtures;

static bool read_expected(const char *path, struct fixture *f) {
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) return false;
  hid_t tokens = H5Dopen2(file, "tokens", H5P_DEFAULT), logits = H5Dopen2(file, "logits", H5P_DEFAULT);
  hid_t ts = H5Dget_space(tokens), ls = H5Dget_space(logits);
  hssize_t n = H5Sget_simple_extent_npoints(ts);
  bool ok = n > 0 && H5Sget_simple_extent_npoints(ls) == n * (hssize_t)f->m->config.vocab;
  if (ok) {
    f->T = (uint32_t)n;
    f->tokens = calloc((size_t)n, sizeof *f->tokens);
    f->expected = calloc((size_t)n * f->m->config.vocab, sizeof *f->expected);
    ok = H5Dread(tokens, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, f->tokens) >= 0 &&
         H5Dread(logits, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, f->expected) >= 0;
  }
  H5Sclose(ts);
  H5Sclose(ls);
  H5Dclose(tokens);
  H5Dclose(logits);
  H5Fclose(file);
  return ok;
}

static int setup(void) {
  glob_t g;
  if (glob("tests/fixtures/*/expected.h5", 0, NULL, &g)) return 0; // test "fixtures" reports it
  for (size_t i = 0; i < g.gl_pathc && fixtures < MAX_FIXTURES; i++) {
    char dir[4096];
    snprintf(dir, sizeof dir, "%s", g.gl_pathv[i]);
    *strrchr(dir, '/') = 0;
    struct fixture *f = &fixture[fixtures];
    snprintf(f->name, sizeof f->name, "%s", strrchr(dir, '/') + 1);
    if (vb_model_open(dir, true, &f->m) != VB_OK || !read_expected(g.gl_pathv[i], f)) {
      fprintf(stderr, "%s: %s\n", dir, vb_last_error());
      return 1;
    }
    fixtures++;
  }
  globfree(&g);
  return 0;
}

static int teardown(void) {
  for (int i = 0; i < fixtures; i++) {
    vb_model_close(fixture[i].m);
    free(fixture[i].tokens);
    free(fixture[i].expected);
  }
  fixtures = 0;
  return 0;
}

static size_t count(const struct fixture *f) { return (size_t)f->T * f->m->config.vocab; }

static double nmse(const double *want, const double *have, size_t n) {
  double error = 0, power = 0;
  for (size_t i = 0; i < n; i++) error += (have[i] - want[i]) * (have[i] - want[i]), power += want[i] * want[i];
  return error / power;
}

static double faulty_nmse(const struct fixture *f, enum fault fault) {
  double *logits = calloc(count(f), sizeof *logits);
  planted = fault;
  vb_result r = faulty_logits(f->m, f->tokens, f->T, logits);
  planted = NO_FAULT;
  CU_ASSERT_EQUAL(r, VB_OK);
  double e = nmse(f->expected, logits, count(f));
  free(logits);
  return e;
}

static void matches_transformers(void) {
  VB_CHECK(fixtures >= 8, "%d fixtures found, 8 expected", fixtures);
  for (int i = 0; i < fixtures; i++) {
    const struct fixture *f = &fixture[i];
    double *logits = calloc(count(f), sizeof *logits);
    CU_ASSERT_EQUAL(vb_truth_logits(f->m, f->tokens, f->T, logits), VB_OK);
    double e = nmse(f->expected, logits, count(f));
    printf("  %-18s NMSE %.1e over %zu logits\n", f->name, e, count(f));
    VB_CHECK(e <= 1e-18, "%s: NMSE %.2e", f->name, e);
    vb_test_compared("truth", count(f));
    free(logits);
  }
}

// Does the planted error concern this fixture?
static bool applies(const struct vb_config *c, enum fault fault) {
  switch (fault) {
  case NO_BIAS: return c->qkv_bias;
  case UNSCALED_ROPE: return c->rope.scaling != VB_ROPE_DEFAULT;
  case NO_QK_NORM: return c->qk_norm;
  case NO_RENORM: return c->experts && c->norm_topk;
  default: return true;
  }
}

static void planted_errors_are_caught(void) {
  static const char *const names[FAULTS] = {"none",           "no bias",    "unscaled RoPE", "pair RoPE",
                                            "no causal mask", "no qk norm", "no renorm"};
  for (int fault = NO_FAULT + 1; fault < FAULTS; fault++) {
    int tried = 0;
    double least = INFINITY;
    for (int i = 0; i < fixtures; i++) {
      const struct fixture *f = &fixture[i];
      double e = faulty_nmse(f, (enum fault)fault);
      if (!applies(&f->m->config, (enum fault)fault)) {
        VB_CHECK(e <= 1e-18, "%s: '%s' changed a model it does not concern", f->name, names[fault]);
        continue;
      }
      tried++;
      least = fmin(least, e);
      VB_CHECK(e > 1e-9, "%s: '%s' is not caught (NMSE %.2e)", f->name, names[fault], e);
    }
    printf("  %-15s least NMSE %.1e in %d fixtures\n", names[fault], least, tried);
    VB_CHECK(tried, "no fixture can catch '%s'", names[fault]);
  }
}

// Every element of tensor t times 1.125 plus a little that depends on its index, as F32.
static float *perturbed(const struct vb_tensor *t) {
  uint64_t n = vb_tensor_count(t);
  float *p = calloc(n, sizeof *p);
  for (uint64_t i = 0; i < n; i++) p[i] = (float)(vb_tensor_at(t, i) * 1.125 + 0.03125 * (double)((int)(i % 3) - 1));
  return p;
}

static void every_tensor_matters(void) {
  uint32_t tried = 0;
  for (int i = 0; i < fixtures; i++) {
    struct fixture *f = &fixture[i];
    double *logits = calloc(count(f), sizeof *logits), least = INFINITY;
    for (uint32_t k = 0; k < f->m->tensor_count; k++) {
      struct vb_tensor *t = &f->m->tensors[k], saved = *t;
      float *data = perturbed(t);
      t->data = data;
      t->dtype = VB_F32;
      CU_ASSERT_EQUAL(vb_truth_logits(f->m, f->tokens, f->T, logits), VB_OK);
      *t = saved;
      free(data);
      double e = nmse(f->expected, logits, count(f));
      least = fmin(least, e);
      VB_CHECK(e > 1e-9, "%s: tensor '%s' does not move the logits (NMSE %.2e)", f->name, t->name, e);
      tried++;
    }
    printf("  %-18s %u tensors, least effect %.1e\n", f->name, f->m->tensor_count, least);
    free(logits);
  }
  VB_CHECK(tried > 100, "%u tensors tried", tried);
}

// A uniform distribution costs ln(vocab) per token; raising the right logit by ln 3 of 3 leaves a known probability.
static void nll_is_right(void) {
  const int32_t tokens[] = {0, 2, 1};
  double logits[3 * 3] = {5, 5, 5, 0, 0.6931471805599453, 0, 9, 9, 9};
  double want = 1.0986122886681098 + 0.6931471805599453; // ln 3 + ln(1 / (2 / 4))
  CU_ASSERT(fabs(vb_truth_nll(logits, tokens, 3, 3) - want) < 1e-14);
  CU_ASSERT(vb_truth_nll(logits, tokens, 1, 3) == 0);
}

static void bad_tokens_are_refused(void) {
  if (!VB_CHECK(fixtures, "no fixture")) return;
  const struct fixture *f = &fixture[0];
  double *logits = calloc(count(f), sizeof *logits);
  int32_t high[] = {(int32_t)f->m->config.vocab}, low[] = {-1};
  CU_ASSERT_EQUAL(vb_truth_logits(f->m, high, 1, logits), VB_BAD_INPUT);
  CU_ASSERT_PTR_NOT_NULL(strstr(vb_last_error(), "token 0 is"));
  CU_ASSERT_EQUAL(vb_truth_logits(f->m, low, 1, logits), VB_BAD_INPUT);
  CU_ASSERT_EQUAL(vb_truth_logits(f->m, low, 0, logits), VB_BAD_INPUT);
  free(logits);
}

static const struct vb_test tests[] = {
    {"matches_transformers", matches_transformers}, {"planted_errors_are_caught", planted_errors_are_caught},
    {"every_tensor_matters", every_tensor_matters}, {"nll", nll_is_right},
    {"bad_tokens", bad_tokens_are_refused},         {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"truth", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
