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

#define MAX_FIXTURES 64
static struct fixture {
  char name[64];
  struct vb_model *m;
  uint32_t T;
  int32_t *tokens;
  double *expected;
} fixture[MAX_FIXTURES];
static int fixtures, unreadables;
static char unreadable[MAX_FIXTURES][512];

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
    if (vb_model_open(dir, true, &f->m) == VB_OK && read_expected(g.gl_pathv[i], f)) fixtures++;
    else if (unreadables < MAX_FIXTURES) snprintf(unreadable[unreadables++], sizeof *unreadable, "%s", vb_last_error());
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
  fixtures = unreadables = 0;
  return 0;
}

static size_t count(const struct fixture *f) { return (size_t)f->T * f->m->config.vocab; }

static double nmse(const double *want, const double *have, size_t n) {
  double error = 0, power = 0;
  for (size_t i = 0; i < n; i++) error += (have[i] - want[i]) * (have[i] - want[i]), power += want[i] * want[i];
  return error / power;
}

static double faulty_nmse(const struct fixture *f, const char *fault) {
  double *logits = calloc(count(f), sizeof *logits);
  vb_truth_plant(fault);
  vb_result r = vb_truth_logits(f->m, f->tokens, f->T, logits);
  vb_truth_plant(NULL);
  CU_ASSERT_EQUAL(r, VB_OK);
  double e = nmse(f->expected, logits, count(f));
  free(logits);
  return e;
}

static void matches_transformers(void) {
  VB_CHECK(fixtures >= 8, "%d fixtures found, 8 expected", fixtures);
  for (int i = 0; i < unreadables; i++) VB_CHECK(false, "%s", unreadable[i]);
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

static bool any_layer(const struct vb_config *c, bool (*is)(const struct vb_layer_config *)) {
  for (uint32_t l = 0; l < c->layers; l++)
    if (is(&c->layer[l])) return true;
  return false;
}
static bool has_window(const struct vb_layer_config *l) { return l->window; }
static bool has_chunk(const struct vb_layer_config *l) { return l->chunk; }
static bool has_no_rope(const struct vb_layer_config *l) { return l->mixer == VB_MIXER_ATTENTION && !l->rope; }
static bool has_local_rope(const struct vb_layer_config *l) { return l->local_rope; }
static bool is_delta(const struct vb_layer_config *l) { return l->mixer == VB_MIXER_DELTA; }

static bool always(const struct vb_config *c) { return c->layers > 0; }
// Selected keys are among the visible ones already.
static bool masked(const struct vb_config *c) { return !c->index_topk; }
static bool bias(const struct vb_config *c) { return c->qkv_bias; }
static bool scaled_rope(const struct vb_config *c) { return c->rope.scaling != VB_ROPE_DEFAULT; }
static bool qk_norm(const struct vb_config *c) { return c->qk_norm || c->qk_l2; }
static bool moe(const struct vb_config *c) { return c->experts && c->topk > 1; }
static bool window(const struct vb_config *c) { return any_layer(c, has_window); }
static bool chunk(const struct vb_config *c) { return any_layer(c, has_chunk); }
static bool no_rope(const struct vb_config *c) { return any_layer(c, has_no_rope); }
static bool local_rope(const struct vb_config *c) { return any_layer(c, has_local_rope); }
static bool delta(const struct vb_config *c) { return any_layer(c, is_delta); }
static bool sinks(const struct vb_config *c) { return c->sinks; }
static bool softcap(const struct vb_config *c) { return c->attn_softcap != 0; }
static bool final_softcap(const struct vb_config *c) { return c->final_softcap != 0; }
static bool sandwich(const struct vb_config *c) { return c->sandwich; }
static bool zero_centred(const struct vb_config *c) { return c->zero_centred; }
static bool gelu(const struct vb_config *c) { return c->gelu; }
static bool embed_scale(const struct vb_config *c) { return c->embed_scale != 0; }
static bool out_gate(const struct vb_config *c) { return c->out_gate; }
static bool temperature(const struct vb_config *c) { return c->temperature != 0 && no_rope(c); }
static bool gate_input(const struct vb_config *c) { return c->gate_input; }
static bool shared(const struct vb_config *c) { return c->shared_inter; }
static bool shared_gated(const struct vb_config *c) { return c->shared_gated; }
static bool groups(const struct vb_config *c) { return c->groups > 1 && c->topk_groups < c->groups; }
static bool correction(const struct vb_config *c) { return c->correction_bias; }
static bool routed_scale(const struct vb_config *c) {
  return c->experts && c->routed_scale != 0 && c->routed_scale != 1;
}
static bool clamp(const struct vb_config *c) { return c->expert_act == VB_EXPERT_GPT_OSS; }
static bool dsa(const struct vb_config *c) { return c->index_topk; }
static bool latent(const struct vb_config *c) { return c->kv_lora; }

// Algorithm errors, and the models that each concerns.
static const struct {
  const char *name;
  bool (*applies)(const struct vb_config *);
} fault[] = {{"no_causal_mask", masked},
             {"rope_pairs", always},
             {"no_scale", always},
             {"no_bias", bias},
             {"unscaled_rope", scaled_rope},
             {"no_qk_norm", qk_norm},
             {"no_renorm", moe},
             {"window+1", window},
             {"no_chunk", chunk},
             {"rope_everywhere", no_rope},
             {"global_rope", local_rope},
             {"no_sink", sinks},
             {"no_softcap", softcap},
             {"no_final_softcap", final_softcap},
             {"no_post_norm", sandwich},
             {"plain_norm", zero_centred},
             {"silu_for_gelu", gelu},
             {"no_embed_scale", embed_scale},
             {"no_out_gate", out_gate},
             {"no_temperature", temperature},
             {"gate_output", gate_input},
             {"no_shared", shared},
             {"ungated_shared", shared_gated},
             {"no_groups", groups},
             {"no_correction", correction},
             {"no_routed_scale", routed_scale},
             {"no_clamp", clamp},
             {"dense_dsa", dsa},
             {"index_pairs", dsa},
             {"no_relu", dsa},
             {"no_latent_norm", latent},
             {"no_l2", delta},
             {"no_beta", delta},
             {"no_decay", delta}};
enum { FAULTS = sizeof fault / sizeof *fault };

static void planted_errors_are_caught(void) {
  int caught[MAX_FIXTURES] = {0};
  for (int k = 0; k < FAULTS; k++) {
    int tried = 0;
    double least = INFINITY;
    for (int i = 0; i < fixtures; i++) {
      const struct fixture *f = &fixture[i];
      if (!fault[k].applies(&f->m->config)) continue;
      double e = faulty_nmse(f, fault[k].name);
      tried++;
      least = fmin(least, e);
      caught[i] += VB_CHECK(e > 1e-9, "%s: '%s' is not caught (NMSE %.2e)", f->name, fault[k].name, e);
    }
    printf("  %-17s least NMSE %.1e in %d fixtures\n", fault[k].name, least, tried);
    VB_CHECK(tried, "no fixture can catch '%s'", fault[k].name);
  }
  for (int i = 0; i < fixtures; i++)
    VB_CHECK(caught[i] >= 3, "%s: only %d errors can be planted", fixture[i].name, caught[i]);
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
      t->packed = NULL; // plain values in the place of packed ones
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
