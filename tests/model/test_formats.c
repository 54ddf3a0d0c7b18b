// SPDX-License-Identifier: Apache-2.0
// Quantised checkpoints: the same logits and contract weights as the checkpoint of their dequantised values, which the
// packers here write beside them; block formats without loss; damaged parts named.
#include "editor.h"
#include "model/build.h"
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

// --- packers, by the formats' definitions; each writes `name`'s parts and returns its values [rows][cols] ---

static void *add(struct edit *e, const char *base, const char *suffix, const char *dtype, size_t item, uint64_t a,
                 uint64_t b) {
  char name[300], shape[64];
  snprintf(name, sizeof name, "%s%s", base, suffix);
  snprintf(shape, sizeof shape, b ? "[%llu,%llu]" : "[%llu]", (unsigned long long)a, (unsigned long long)b);
  edit_append(e, name, dtype, shape, a * (b ? b : 1) * item);
  size_t n;
  return edit_tensor(e, name, &n);
}

static double f16(uint16_t h) { return ldexp(1024 + (h & 1023), (h >> 10) - 25); } // positive, normal

static uint16_t scale_f16(struct vb_rng *r, bool power) {
  return (uint16_t)((power ? 0 : vb_rng_below(r, 1024)) | (9 + vb_rng_below(r, 3)) << 10);
}

enum { BLOCK_ROWS = 16, BLOCK_COLS = 20, GROUP = 24 };

static double *pack_fp8(struct vb_rng *r, struct edit *e, const char *name, uint32_t rows, uint32_t cols, bool power) {
  const uint32_t across = (cols + BLOCK_COLS - 1) / BLOCK_COLS, down = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  double *w = malloc(sizeof *w * rows * cols);
  float *scale = malloc(sizeof *scale * across * down);
  for (uint32_t i = 0; i < across * down; i++)
    scale[i] = (float)ldexp(power ? 1 : 1 + (double)vb_rng_below(r, 1 << 23) * 0x1p-23, -(int)vb_rng_below(r, 4) - 6);
  uint8_t *q = add(e, name, ".weight", "F8_E4M3", 1, rows, cols);
  for (uint32_t i = 0; i < rows * cols; i++) {
    uint8_t code = (uint8_t)vb_rng_below(r, 127); // 127 is NaN
    double x = code < 8 ? code * 0x1p-9 : ldexp(1 + (code & 7) / 8.0, (code >> 3) - 7);
    if (vb_rng_below(r, 2)) code |= 128, x = -x;
    q[i] = code;
    w[i] = x * (double)scale[i / cols / BLOCK_ROWS * across + i % cols / BLOCK_COLS];
  }
  memcpy(add(e, name, ".weight_scale_inv", "F32", 4, down, across), scale, sizeof *scale * across * down);
  free(scale);
  return w;
}

static void set_nibble(uint32_t *words, uint64_t word, uint32_t place, uint32_t value) {
  words[word] |= value << 4 * place;
}

enum kind { FP8, GPTQ, GPTQ_V2, GPTQ_ORDER, AWQ, KINDS };

static double *pack_int4(struct vb_rng *r, struct edit *e, const char *name, uint32_t rows, uint32_t cols,
                         enum kind kind) {
  static const uint8_t awq[] = {0, 2, 4, 6, 1, 3, 5, 7}; // output channel of nibble i
  const uint32_t groups = (cols + GROUP - 1) / GROUP;
  double *w = malloc(sizeof *w * rows * cols);
  uint32_t *words = calloc((size_t)rows * cols / 8, 4), *zeros = calloc((size_t)groups * rows / 8, 4),
           *order = calloc(cols, 4);
  uint16_t *scales = calloc((size_t)groups * rows, 2);
  uint8_t *zero = calloc((size_t)groups * rows, 1);
  for (uint32_t k = 0; k < cols; k++) order[k] = kind == GPTQ_ORDER ? (uint32_t)vb_rng_below(r, groups) : k / GROUP;
  for (uint32_t i = 0; i < groups * rows; i++) {
    const uint32_t g = i / rows, n = i % rows;
    zero[i] = (uint8_t)(1 + vb_rng_below(r, 15));
    scales[i] = scale_f16(r, false);
    uint32_t place = n % 8;
    for (uint32_t j = 0; j < 8 && kind == AWQ; j++)
      if (awq[j] == n % 8) place = j;
    set_nibble(zeros, g * (rows / 8) + n / 8, place, kind == GPTQ || kind == GPTQ_ORDER ? zero[i] - 1u : zero[i]);
  }
  for (uint32_t n = 0; n < rows; n++)
    for (uint32_t k = 0; k < cols; k++) {
      const uint32_t q = (uint32_t)vb_rng_below(r, 16), g = order[k];
      w[(size_t)n * cols + k] = ((int)q - zero[g * rows + n]) * f16(scales[g * rows + n]);
      if (kind != AWQ) {
        set_nibble(words, (uint64_t)(k / 8) * rows + n, k % 8, q);
        continue;
      }
      for (uint32_t j = 0; j < 8; j++)
        if (awq[j] == n % 8) set_nibble(words, (uint64_t)k * (rows / 8) + n / 8, j, q);
    }
  const bool a = kind == AWQ;
  memcpy(add(e, name, ".qweight", "I32", 4, a ? cols : cols / 8, a ? rows / 8 : rows), words, (size_t)rows * cols / 2);
  memcpy(add(e, name, ".qzeros", "I32", 4, groups, rows / 8), zeros, (size_t)groups * rows / 2);
  memcpy(add(e, name, ".scales", "F16", 2, groups, rows), scales, (size_t)groups * rows * 2);
  if (!a && kind != GPTQ_V2) memcpy(add(e, name, ".g_idx", "I32", 4, cols, 0), order, cols * 4ul);
  free(words), free(zeros), free(order), free(scales), free(zero);
  return w;
}

static const char *const configs[KINDS] = {
    "{\"quant_method\":\"fp8\",\"fmt\":\"e4m3\",\"weight_block_size\":[16,20],\"activation_scheme\":\"dynamic\"}",
    "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":24,\"desc_act\":false,\"sym\":false}",
    "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":24,\"checkpoint_format\":\"gptq_v2\"}",
    "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":24,\"desc_act\":true}",
    "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":24,\"version\":\"gemm\",\"zero_point\":true}"};

// llama3 with every projection replaced: `packed` in the format, `plain` in F32.
static void both(struct vb_rng *r, enum kind kind, bool power, struct edit *packed, struct edit *plain) {
  struct edit e = edit_load("llama3");
  *packed = (struct edit){.config = json_deep_copy(e.config), .header = json_object()};
  *plain = (struct edit){.config = json_deep_copy(e.config), .header = json_object()};
  json_object_set_new(packed->config, "quantization_config", json_loads(configs[kind], 0, NULL));
  const char *name;
  json_t *v;
  json_object_foreach(e.header, name, v) {
    json_t *shape = json_object_get(v, "shape");
    const uint32_t rows = (uint32_t)json_integer_value(json_array_get(shape, 0)),
                   cols = (uint32_t)json_integer_value(json_array_get(shape, 1));
    size_t n;
    const uint8_t *from = edit_tensor(&e, name, &n);
    char base[300];
    snprintf(base, sizeof base, "%s", name);
    if (!strstr(name, "_proj.weight")) {
      memcpy(add(packed, name, "", "F16", 2, rows, cols), from, n);
      memcpy(add(plain, name, "", "F16", 2, rows, cols), from, n);
      continue;
    }
    *strstr(base, ".weight") = 0;
    double *w =
        kind == FP8 ? pack_fp8(r, packed, base, rows, cols, power) : pack_int4(r, packed, base, rows, cols, kind);
    float *to = add(plain, name, "", "F32", 4, rows, cols);
    for (size_t i = 0; i < (size_t)rows * cols; i++) { // the data behind a header may start anywhere
      float f = (float)w[i];
      memcpy((char *)to + 4 * i, &f, 4);
    }
    free(w);
  }
  edit_free(&e);
}

static void same_w8(const struct vb_w8 *a, const struct vb_w8 *b) {
  if (!VB_CHECK(a->rows == b->rows && a->cols == b->cols, "shapes differ")) return;
  VB_EXPECT_SAME("packed", a->q, b->q, (uint64_t)a->rows * a->blocks * 32);
  VB_EXPECT_SAME("packed", a->codes, b->codes, (uint64_t)a->rows * a->blocks);
  VB_EXPECT_SAME("packed", a->max, b->max, a->rows);
}

static double nmse(const struct vb_model *a, const struct vb_model *b) {
  static const int32_t tokens[] = {3, 1, 4, 1, 5, 9, 2, 6};
  double x[8 * 128], y[8 * 128], d = 0, s = 0;
  CU_ASSERT_EQUAL(vb_truth_logits(a, tokens, 8, x), VB_OK);
  CU_ASSERT_EQUAL(vb_truth_logits(b, tokens, 8, y), VB_OK);
  for (uint32_t i = 0; i < 8 * a->config.vocab; i++) d += (x[i] - y[i]) * (x[i] - y[i]), s += y[i] * y[i];
  return d / s;
}

static void checkpoints(void) {
  struct vb_rng r = vb_test_rng();
  for (int i = 0; i < KINDS + 1; i++) { // the last: FP8 whose scales are powers of two
    struct edit packed, plain;
    const enum kind kind = i < KINDS ? (enum kind)i : FP8;
    both(&r, kind, i == KINDS, &packed, &plain);
    const char *dir = temp_dir(), *plain_dir = temp_dir();
    edit_save(&packed, dir);
    edit_save(&plain, plain_dir);
    struct vb_model *a = open_model(dir, false), *b = open_model(plain_dir, false);
    if (a && b) {
      CU_ASSERT_EQUAL(a->tensor_count, b->tensor_count);
      for (uint32_t l = 0; l < a->config.layers; l++) {
        const struct vb_layer *x = &a->layer[l], *y = &b->layer[l];
        same_w8(&x->q, &y->q), same_w8(&x->k, &y->k), same_w8(&x->v, &y->v), same_w8(&x->o, &y->o);
        same_w8(&x->gate, &y->gate), same_w8(&x->up, &y->up), same_w8(&x->down, &y->down);
      }
      double e = nmse(a, b); // FP8 with any scales has values that float32 rounds
      VB_CHECK(e <= (i == FP8 ? 1e-12 : 0), "format %d: logits differ by an NMSE of %g", i, e);
      char file[4096]; // a container keeps the parts
      snprintf(file, sizeof file, "%s/model.vbm", dir);
      CU_ASSERT_EQUAL(vb_model_save(a, file), VB_OK);
      struct vb_model *c = open_model(file, false);
      if (c) CU_ASSERT(c->stored_count == a->stored_count && c->tensor_count == a->tensor_count && nmse(a, c) == 0);
      vb_model_close(c);
    }
    vb_model_close(a);
    vb_model_close(b);
    edit_free(&packed);
    edit_free(&plain);
  }
}

// --- block formats keep every bit ---

static void quantise_all(struct vb_model *m, struct vb_view v, uint32_t rows, uint32_t cols) {
  struct vb_builder b = {m, VB_OK, false};
  struct vb_w8 w;
  vb_quantise(&b, VB_CLASS_EXPERTS, v, rows, cols, vb_new_w8(&b, &w, rows, cols));
  CU_ASSERT_EQUAL(b.result, VB_OK);
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < (uint64_t)rows * cols; i++) {
    const uint64_t r = i / cols, c = i % cols;
    double have = ldexp(w.q[r * w.blocks * 32 + c], w.codes[r * w.blocks + c / 32] - 127);
    wrong += have != vb_tensor_at(v.t, v.first + r * v.row + c * v.col);
  }
  VB_CHECK(!wrong, "%s: %llu values changed", v.t->name, (unsigned long long)wrong);
  VB_CHECK(m->stats.err2[VB_CLASS_EXPERTS] == 0 && m->stats.ref2[VB_CLASS_EXPERTS] > 0, "%s: error %g", v.t->name,
           m->stats.err2[VB_CLASS_EXPERTS]);
}

static void mxfp4_lossless(void) {
  enum { E = 3, OUT = 10, IN = 96 };
  struct vb_rng r = vb_test_rng();
  uint8_t q[E * OUT * IN / 2], s[E * OUT * IN / 32];
  for (size_t i = 0; i < sizeof q; i++) q[i] = (uint8_t)vb_rng_next(&r);
  for (size_t i = 0; i < sizeof s; i++) s[i] = (uint8_t)(70 + vb_rng_below(&r, 110));
  const struct vb_tensor blocks = {.name = "b", .dtype = VB_U8, .rank = 4, .dim = {E, OUT, IN / 32, 16}, .data = q};
  const struct vb_tensor scales = {.name = "s", .dtype = VB_U8, .rank = 3, .dim = {E, OUT, IN / 32}, .data = s};
  const struct vb_packed parts = {.q = &blocks, .scales = &scales};
  const struct vb_tensor t = {.name = "mxfp4", .dtype = VB_MXFP4, .rank = 3, .dim = {E, IN, OUT}, .packed = &parts};
  static const double half[] = {0, 1, 2, 3, 4, 6, 8, 12}; // twice the values
  uint64_t wrong = 0;
  for (uint32_t i = 0; i < E * OUT * IN; i++) { // stored order: expert, output, input
    const uint32_t e = i / (OUT * IN), n = i / IN % OUT, k = i % IN;
    const uint8_t code = i % 2 ? q[i / 2] >> 4 : q[i / 2] & 15;
    double want = ldexp(half[code & 7] / 2, s[i / 32] - 127) * (code & 8 ? -1 : 1);
    wrong += vb_tensor_at(&t, ((uint64_t)e * IN + k) * OUT + n) != want;
  }
  VB_CHECK(!wrong, "%llu MXFP4 values wrong", (unsigned long long)wrong);
  struct vb_model m = {.arena = vb_arena_new()};
  for (uint64_t e = 0; e < E; e++) quantise_all(&m, (struct vb_view){&t, e * IN * OUT, 1, OUT}, OUT, IN);
  CU_ASSERT_EQUAL(m.stats.flags, 0);
  vb_arena_free(m.arena);
}

// Groups of 32 whose scales are powers of two: the blocks of I8. Other scales cost what import reports.
static void int4_lossless(void) {
  enum { N = 16, K = 128 };
  struct vb_rng r = vb_test_rng();
  uint32_t q[K / 8 * N], z[K / 32 * N / 8];
  uint16_t s[K / 32 * N];
  for (size_t i = 0; i < K / 8 * N; i++) q[i] = (uint32_t)vb_rng_next(&r);
  for (size_t i = 0; i < K / 32 * N / 8; i++) z[i] = 0x77777777u;
  for (size_t i = 0; i < K / 32 * N; i++) s[i] = scale_f16(&r, true);
  const struct vb_tensor words = {.name = "q", .dtype = VB_I32, .rank = 2, .dim = {K / 8, N}, .data = q};
  const struct vb_tensor zeros = {.name = "z", .dtype = VB_I32, .rank = 2, .dim = {K / 32, N / 8}, .data = z};
  const struct vb_tensor scales = {.name = "s", .dtype = VB_F16, .rank = 2, .dim = {K / 32, N}, .data = s};
  const struct vb_packed parts = {
      .q = &words, .zeros = &zeros, .scales = &scales, .group = 32, .zeros_minus_one = true};
  const struct vb_tensor t = {.name = "gptq", .dtype = VB_GPTQ4, .rank = 2, .dim = {N, K}, .packed = &parts};
  struct vb_model m = {.arena = vb_arena_new()};
  quantise_all(&m, (struct vb_view){&t, 0, K, 1}, N, K);
  m.stats = (struct vb_import_stats){0};
  for (size_t i = 0; i < K / 32 * N; i++) s[i] = scale_f16(&r, false);
  struct vb_builder b = {&m, VB_OK, false};
  struct vb_w8 w;
  vb_matrix(&b, VB_CLASS_EXPERTS, &w, &t);
  double e = sqrt(m.stats.err2[VB_CLASS_EXPERTS] / m.stats.ref2[VB_CLASS_EXPERTS]);
  VB_CHECK(e > 0 && e < 1e-2, "relative error %g", e);
  vb_arena_free(m.arena);
}

// --- bad input ---

static void must_fail(const char *what, const struct edit *e, const char *word, const char *word2) {
  const char *dir = temp_dir();
  edit_save(e, dir);
  struct vb_model *m;
  vb_result r = vb_model_open(dir, true, &m);
  VB_CHECK(r == VB_BAD_INPUT && strstr(vb_last_error(), word) && strstr(vb_last_error(), word2), "%s: %s: %s", what,
           vb_result_string(r), r == VB_OK ? "" : vb_last_error());
  vb_model_close(m);
}

static void damaged(void) {
  struct vb_rng r = vb_test_rng();
  static const char base[] = "model.layers.1.mlp.up_proj";
  static const struct {
    enum kind kind;
    const char *part, *member, *value, *word; // member NULL: rename the part
  } cases[] = {
      {FP8, ".weight_scale_inv", NULL, NULL, "missing"}, {FP8, ".weight_scale_inv", "shape", "[1,12]", "shape"},
      {FP8, ".weight", "shape", "[72,40]", "shape"},     {GPTQ, ".scales", NULL, NULL, "missing"},
      {GPTQ_ORDER, ".g_idx", NULL, NULL, "missing"},     {GPTQ, ".qzeros", "shape", "[15,1]", "shape"},
      {GPTQ, ".scales", "dtype", "\"BF16\"", NULL},      {GPTQ, ".g_idx", "dtype", "\"F32\"", "dtype F32"},
      {GPTQ, ".qweight", "dtype", "\"F32\"", "I32"},     {AWQ, ".qzeros", NULL, NULL, "missing"},
      {AWQ, ".qweight", "shape", "[40,9]", "shape"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct edit packed, plain;
    both(&r, cases[i].kind, false, &packed, &plain);
    char name[300];
    snprintf(name, sizeof name, "%s%s", base, cases[i].part);
    json_t *entry = json_object_get(packed.header, name);
    if (!cases[i].member) {
      json_object_set(packed.header, "model.other", entry);
      json_object_del(packed.header, name);
    } else {
      json_object_set_new(entry, cases[i].member, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
    }
    if (cases[i].word) must_fail(name, &packed, base, cases[i].word);
    edit_free(&packed);
    edit_free(&plain);
  }
  struct edit packed, plain;
  both(&r, GPTQ, false, &packed, &plain);
  size_t n;
  const uint32_t far = 3;
  memcpy(edit_tensor(&packed, "model.layers.0.mlp.up_proj.g_idx", &n) + 8, &far, 4);
  must_fail("group", &packed, "up_proj.g_idx' names group 3 at [2]", "there are 3");
  json_object_del(packed.config, "quantization_config");
  must_fail("no quantization_config", &packed, "weight", "missing");
  edit_free(&packed);
  edit_free(&plain);
  both(&r, FP8, false, &packed, &plain);
  edit_tensor(&packed, "model.layers.0.mlp.up_proj.weight", &n)[5] = 0x7f;
  must_fail("NaN", &packed, "model.layers.0.mlp.up_proj.weight' is NaN at [0, 5]", "");
  json_object_del(packed.config, "quantization_config");
  must_fail("no quantization_config", &packed, "has dtype F8_E4M3", "quantization_config");
  edit_free(&packed);
  edit_free(&plain);
}

static void config_keys(void) {
  static const struct {
    const char *value, *key, *word;
  } cases[] = {
      {"3", "quantization_config", "object"},
      {"{}", "quant_method", "missing"},
      {"{\"quant_method\":\"bitsandbytes\"}", "quant_method", "bitsandbytes"},
      {"{\"quant_method\":\"fp8\",\"fmt\":\"e5m2\"}", "fmt", "e5m2"},
      {"{\"quant_method\":\"fp8\",\"activation_scheme\":\"static\"}", "activation_scheme", "static"},
      {"{\"quant_method\":\"fp8\",\"weight_block_size\":[128]}", "weight_block_size", "two"},
      {"{\"quant_method\":\"fp8\",\"weight_block_size\":[0,1]}", "weight_block_size", "positive"},
      {"{\"quant_method\":\"fp8\",\"twist\":1}", "twist", "unknown"},
      {"{\"quant_method\":\"mxfp4\"}", "quant_method", "gpt_oss"},
      {"{\"quant_method\":\"gptq\",\"bits\":8,\"group_size\":32}", "bits", "only 4"},
      {"{\"quant_method\":\"gptq\",\"bits\":4}", "group_size", "missing"},
      {"{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":0}", "group_size", "must be"},
      {"{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32,\"checkpoint_format\":\"marlin\"}", "checkpoint_format",
       "marlin"},
      {"{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32,\"version\":\"gemv\"}", "version", "gemv"},
      {"{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32,\"zero_point\":false}", "zero_point", "not supported"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct edit e = edit_load("llama3");
    json_object_set_new(e.config, "quantization_config", json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
    must_fail(cases[i].value, &e, cases[i].key, cases[i].word);
    edit_free(&e);
  }
}

static const struct vb_test tests[] = {{"checkpoints", checkpoints},     {"mxfp4_lossless", mxfp4_lossless},
                                       {"int4_lossless", int4_lossless}, {"damaged", damaged},
                                       {"config_keys", config_keys},     {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"formats", tests, NULL, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
