// SPDX-License-Identifier: Apache-2.0
// Import and container: contract weights from their definition, the same bits after a round trip, damage detected.
#include "editor.h"
#include "model/model.h"
#include "num/num.h"
#include "support/harness.h"
#include "truth/truth.h"
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static glob_t models;

static int setup(void) {
  if (glob("tests/fixtures/*/config.json", 0, NULL, &models)) return 1;
  glob("models/tiny/*/config.json", GLOB_APPEND, NULL, &models);
  for (size_t i = 0; i < models.gl_pathc; i++) *strrchr(models.gl_pathv[i], '/') = 0;
  return 0;
}
static int teardown(void) {
  globfree(&models);
  temp_cleanup();
  return 0;
}

static struct vb_model *open_model(const char *path, bool raw) {
  struct vb_model *m;
  vb_result r = vb_model_open(path, raw, &m);
  VB_CHECK(r == VB_OK, "%s", r == VB_OK ? "" : vb_last_error());
  return m;
}

// --- contract weights, from the written definition in doubles ---

// Quantise cols values of tensor t from element `first`: levels 127 or 8191, one unit 2^(E - 127 - bits).
static void check_row(const struct vb_tensor *t, uint64_t first, uint32_t cols, double limit, int bits,
                      const int8_t *q8, const int16_t *q14, const uint8_t *codes, uint8_t *largest) {
  uint32_t wrong = 0;
  *largest = 0;
  for (uint32_t b = 0; b * VB_BLOCK < cols; b++) {
    int top = 0;
    for (uint32_t i = b * VB_BLOCK; i < cols && i < (b + 1) * VB_BLOCK; i++) {
      double x = vb_tensor_at(t, first + i);
      if (x != 0 && ilogb(x) + 127 > top) top = ilogb(x) + 127;
    }
    uint8_t code = (uint8_t)(top ? top - bits : 0);
    wrong += codes[b] != code;
    if (code > *largest) *largest = code;
    for (uint32_t i = b * VB_BLOCK; i < (b + 1) * VB_BLOCK; i++) {
      double x = i < cols ? vb_tensor_at(t, first + i) : 0;
      double q = top ? fmax(-limit, fmin(limit, nearbyint(ldexp(x, 127 - code)))) : 0;
      wrong += (q8 ? (double)q8[i] : (double)q14[i]) != q;
    }
  }
  vb_test_compared("weights", cols);
  VB_CHECK(!wrong, "%s: %u elements from %llu on differ", t->name, wrong, (unsigned long long)first);
}

static void check_w8(const struct vb_tensor *t, uint64_t first, uint32_t rows, uint32_t cols, const struct vb_w8 *w,
                     uint64_t row0, bool own_max) {
  CU_ASSERT_EQUAL(w->cols, cols);
  CU_ASSERT_EQUAL(w->blocks, (cols + 31) / 32);
  for (uint64_t r = 0; r < rows; r++) {
    uint8_t largest;
    check_row(t, first + r * cols, cols, 127, 6, w->q + (row0 + r) * w->blocks * 32, NULL,
              w->codes + (row0 + r) * w->blocks, &largest);
    if (own_max) VB_CHECK(w->max[row0 + r] == largest, "%s: max of row %llu", t->name, (unsigned long long)r);
  }
}

static const struct vb_tensor *get(const struct vb_model *m, uint32_t l, const char *name) {
  char full[200];
  snprintf(full, sizeof full, "model.layers.%u.%s", l, name);
  return vb_model_find(m, full);
}

static void check_matrix(const struct vb_tensor *t, const struct vb_w8 *w) {
  CU_ASSERT_EQUAL(w->rows, t->dim[0]);
  check_w8(t, 0, (uint32_t)t->dim[0], (uint32_t)t->dim[1], w, 0, true);
}

static void check_carrier(const struct vb_tensor *t, const vb_z *z) {
  uint64_t wrong = 0, n = vb_tensor_count(t);
  for (uint64_t i = 0; i < n; i++) wrong += (double)vb_to_float(z[i]) != vb_tensor_at(t, i) || z[i] == 0x80000000u;
  VB_CHECK(!wrong, "%s: %llu carrier values differ", t->name, (unsigned long long)wrong);
  vb_test_compared("weights", n);
}

static void check_experts(const struct vb_model *m, uint32_t l) {
  const struct vb_config *c = &m->config;
  const struct vb_experts_w *w = &m->layer[l].experts;
  const struct vb_tensor *router = get(m, l, "mlp.gate.weight");
  for (uint32_t e = 0; e < c->experts; e++) {
    uint8_t largest;
    const struct vb_w14 *r = &m->layer[l].router;
    check_row(router, (uint64_t)e * c->hidden, c->hidden, 8191, 12, NULL, r->q + (size_t)e * r->blocks * 32,
              r->codes + (size_t)e * r->blocks, &largest);
    VB_CHECK(r->max[e] == largest, "router max of expert %u", e);
    char name[64];
    snprintf(name, sizeof name, "mlp.experts.%u.gate_proj.weight", e);
    check_w8(get(m, l, name), 0, c->moe_inter, c->hidden, &w->gate, (uint64_t)e * c->moe_inter, true);
    snprintf(name, sizeof name, "mlp.experts.%u.up_proj.weight", e);
    check_w8(get(m, l, name), 0, c->moe_inter, c->hidden, &w->up, (uint64_t)e * c->moe_inter, true);
    snprintf(name, sizeof name, "mlp.experts.%u.down_proj.weight", e);
    check_w8(get(m, l, name), 0, c->hidden, c->moe_inter, &w->down, (uint64_t)e * c->hidden, false);
  }
  for (uint32_t r = 0; r < c->hidden; r++) { // the largest code of row r over all experts, in each of them
    uint8_t top = 0;
    for (uint32_t i = 0; i < c->experts * w->down.blocks; i++) {
      uint8_t code =
          w->down.codes[((size_t)(i / w->down.blocks) * c->hidden + r) * w->down.blocks + i % w->down.blocks];
      if (code > top) top = code;
    }
    for (uint32_t e = 0; e < c->experts; e++)
      VB_CHECK(w->down.max[(size_t)e * c->hidden + r] == top, "shared max of row %u", r);
  }
}

static void check_layer(const struct vb_model *m, uint32_t l) {
  const struct vb_layer *w = &m->layer[l];
  const struct vb_config *c = &m->config;
  check_carrier(get(m, l, "input_layernorm.weight"), w->attn_norm);
  check_carrier(get(m, l, "post_attention_layernorm.weight"), w->ffn_norm);
  check_matrix(get(m, l, "self_attn.q_proj.weight"), &w->q);
  check_matrix(get(m, l, "self_attn.k_proj.weight"), &w->k);
  check_matrix(get(m, l, "self_attn.v_proj.weight"), &w->v);
  check_matrix(get(m, l, "self_attn.o_proj.weight"), &w->o);
  VB_CHECK(!w->q_bias == !c->qkv_bias && !w->q_norm == !c->qk_norm, "layer %u: optional tensors", l);
  if (c->qkv_bias) {
    check_carrier(get(m, l, "self_attn.q_proj.bias"), w->q_bias);
    check_carrier(get(m, l, "self_attn.k_proj.bias"), w->k_bias);
    check_carrier(get(m, l, "self_attn.v_proj.bias"), w->v_bias);
  }
  if (c->qk_norm) {
    check_carrier(get(m, l, "self_attn.q_norm.weight"), w->q_norm);
    check_carrier(get(m, l, "self_attn.k_norm.weight"), w->k_norm);
  }
  if (c->is_moe[l]) {
    check_experts(m, l);
  } else {
    check_matrix(get(m, l, "mlp.gate_proj.weight"), &w->gate);
    check_matrix(get(m, l, "mlp.up_proj.weight"), &w->up);
    check_matrix(get(m, l, "mlp.down_proj.weight"), &w->down);
  }
}

static void check_constants(const struct vb_model *m) {
  const struct vb_config *c = &m->config;
  CU_ASSERT(vb_to_float(m->eps_hidden) == (float)(c->rms_eps * c->hidden));
  CU_ASSERT(vb_to_float(m->eps_head) == (float)(c->rms_eps * c->head_dim));
  CU_ASSERT(vb_to_float(m->sqrt_hidden) == (float)sqrt(c->hidden));
  CU_ASSERT(vb_to_float(m->sqrt_head) == (float)sqrt(c->head_dim));
  CU_ASSERT(vb_to_float(m->attn_scale) == (float)(M_LOG2E / sqrt(c->head_dim)));
}

static void contract_weights(void) {
  VB_CHECK(models.gl_pathc >= 8, "%zu models found", models.gl_pathc);
  for (size_t i = 0; i < models.gl_pathc; i++) {
    struct vb_model *m = open_model(models.gl_pathv[i], false);
    if (!m) continue;
    const struct vb_tensor *embed = vb_model_find(m, "model.embed_tokens.weight");
    check_carrier(embed, m->embed);
    check_carrier(vb_model_find(m, "model.norm.weight"), m->final_norm);
    check_matrix(m->config.tied ? embed : vb_model_find(m, "lm_head.weight"), &m->lm_head);
    for (uint32_t l = 0; l < m->config.layers; l++) check_layer(m, l);
    check_constants(m);
    VB_CHECK(!m->stats.flags, "%s: import flags %u", m->path, m->stats.flags);
    for (int k = 0; k < VB_CLASSES; k++) {
      double e = m->stats.ref2[k] > 0 ? sqrt(m->stats.err2[k] / m->stats.ref2[k]) : 0;
      VB_CHECK(e < (k == VB_CLASS_ROUTER ? 4e-4 : 2e-2), "%s: %s error %g", m->path,
               vb_weight_class_name((enum vb_weight_class)k), e);
    }
    vb_model_close(m);
  }
}

// Values outside the carrier's range are changed, counted and flagged.
static void import_flags(void) {
  struct edit e = edit_load("llama2");
  const char *dir = temp_dir();
  size_t n;
  static const uint16_t odd[] = {0x8000, 0x0001, 0x2000,
                                 0x7f7f, 0xff00, 0x2080}; // -0, subnormal, 2^-63, huge, huge, 2^-62
  memcpy(edit_tensor(&e, "model.norm.weight", &n), odd, sizeof odd);
  edit_save(&e, dir);
  struct vb_model *m = open_model(dir, false);
  static const vb_z want[] = {0, 0, 0, 0x5f7fffff, 0xdf7fffff, 0x20800000};
  VB_EXPECT_SAME("import", want, m->final_norm, 6);
  CU_ASSERT_EQUAL(m->stats.flushed, 2);
  CU_ASSERT_EQUAL(m->stats.saturated, 2);
  CU_ASSERT_EQUAL(m->stats.flags, VB_IMPORT_FLUSH | VB_IMPORT_SATURATE);
  vb_model_close(m);
  edit_free(&e);
}

// --- container ---

static void same_w8(const struct vb_w8 *a, const struct vb_w8 *b) {
  CU_ASSERT(a->rows == b->rows && a->cols == b->cols && a->blocks == b->blocks);
  if (!a->rows) return;
  VB_EXPECT_SAME("container", a->q, b->q, (uint64_t)a->rows * a->blocks * 32);
  VB_EXPECT_SAME("container", a->codes, b->codes, (uint64_t)a->rows * a->blocks);
  VB_EXPECT_SAME("container", a->max, b->max, a->rows);
}

static void same_z(const vb_z *a, const vb_z *b, uint64_t n) {
  CU_ASSERT(!a == !b);
  if (a) VB_EXPECT_SAME("container", a, b, n);
}

static void same_weights(const struct vb_model *a, const struct vb_model *b) {
  const struct vb_config *c = &a->config;
  const uint32_t kv = c->kv_heads * c->head_dim;
  same_z(a->embed, b->embed, (uint64_t)c->vocab * c->hidden);
  same_z(a->final_norm, b->final_norm, c->hidden);
  same_w8(&a->lm_head, &b->lm_head);
  VB_EXPECT_SAME("container", a->rope_freq, b->rope_freq, c->rope.dims / 2);
  VB_EXPECT_SAME("container", &a->eps_hidden, &b->eps_hidden, 5); // eps_hidden .. attn_scale
  for (uint32_t l = 0; l < c->layers; l++) {
    const struct vb_layer *x = &a->layer[l], *y = &b->layer[l];
    same_z(x->attn_norm, y->attn_norm, c->hidden);
    same_z(x->ffn_norm, y->ffn_norm, c->hidden);
    same_z(x->q_norm, y->q_norm, c->head_dim);
    same_z(x->k_norm, y->k_norm, c->head_dim);
    same_z(x->q_bias, y->q_bias, c->heads * c->head_dim);
    same_z(x->k_bias, y->k_bias, kv);
    same_z(x->v_bias, y->v_bias, kv);
    const struct vb_w8 *p[] = {
        &x->q, &x->k, &x->v, &x->o, &x->gate, &x->up, &x->down, &x->experts.gate, &x->experts.up, &x->experts.down};
    const struct vb_w8 *q[] = {
        &y->q, &y->k, &y->v, &y->o, &y->gate, &y->up, &y->down, &y->experts.gate, &y->experts.up, &y->experts.down};
    for (int i = 0; i < 10; i++) same_w8(p[i], q[i]);
    CU_ASSERT_EQUAL(x->router.rows, y->router.rows);
    if (!x->router.rows) continue;
    VB_EXPECT_SAME("container", x->router.q, y->router.q, (uint64_t)x->router.rows * x->router.blocks * 32);
    VB_EXPECT_SAME("container", x->router.codes, y->router.codes, (uint64_t)x->router.rows * x->router.blocks);
    VB_EXPECT_SAME("container", x->router.max, y->router.max, x->router.rows);
  }
}

static void round_trip(void) {
  const char *dir = temp_dir();
  char file[4096], again[4096];
  snprintf(file, sizeof file, "%s/model.vbm", dir);
  snprintf(again, sizeof again, "%s/again.vbm", dir);
  for (size_t i = 0; i < models.gl_pathc; i++) {
    struct vb_model *a = open_model(models.gl_pathv[i], false);
    VB_CHECK(vb_model_save(a, file) == VB_OK, "%s", vb_last_error());
    struct vb_model *b = open_model(file, false);
    if (!b) break;
    CU_ASSERT_STRING_EQUAL(a->config_text, b->config_text);
    CU_ASSERT(!a->tokenizer_text == !b->tokenizer_text);
    if (a->tokenizer_text) CU_ASSERT_STRING_EQUAL(a->tokenizer_text, b->tokenizer_text);
    CU_ASSERT_EQUAL(a->tensor_count, b->tensor_count);
    for (uint32_t k = 0; k < a->tensor_count; k++) {
      const struct vb_tensor *s = &a->tensors[k], *t = &b->tensors[k];
      CU_ASSERT_STRING_EQUAL(s->name, t->name);
      CU_ASSERT(s->dtype == t->dtype && s->rank == t->rank && !memcmp(s->dim, t->dim, sizeof s->dim));
      VB_EXPECT_BITS("container", s->data, t->data, vb_tensor_count(s) * vb_dtype_bytes(s->dtype), 1);
    }
    same_weights(a, b);
    // Twice the same file, and nothing left beside it.
    CU_ASSERT_EQUAL(vb_model_save(a, again), VB_OK);
    size_t n, n2;
    uint8_t *x = read_bytes(file, &n), *y = read_bytes(again, &n2);
    VB_CHECK(n == n2 && !memcmp(x, y, n), "%s: two containers of one model differ", a->path);
    free(x);
    free(y);
    vb_model_close(a);
    vb_model_close(b);
  }
  glob_t g;
  CU_ASSERT_EQUAL(glob(path_in(dir, "*"), 0, NULL, &g), 0);
  VB_CHECK(g.gl_pathc == 2, "%zu files instead of 2: temporary files left", g.gl_pathc);
  globfree(&g);
}

static void refused(const char *what, const char *path, const char *word) {
  struct vb_model *m;
  vb_result r = vb_model_open(path, false, &m);
  VB_CHECK(r == VB_BAD_INPUT && !m && strstr(vb_last_error(), word) && strstr(vb_last_error(), path), "%s: %s: %s",
           what, vb_result_string(r), r == VB_OK ? "" : vb_last_error());
  vb_model_close(m);
}

static void container_damage(void) {
  struct vb_rng r = vb_test_rng();
  const char *dir = temp_dir();
  char file[4096];
  snprintf(file, sizeof file, "%s/model.vbm", dir);
  struct vb_model *m = open_model("tests/fixtures/llama2", true);
  CU_ASSERT_EQUAL(vb_model_save(m, file), VB_OK);
  size_t n;
  uint8_t *good = read_bytes(file, &n);
  for (uint64_t i = 0; i < vb_test_count(200, 20000); i++) {
    uint64_t at = i < 64 ? i : vb_rng_below(&r, n);
    uint8_t bit = (uint8_t)(1u << vb_rng_below(&r, 8));
    good[at] ^= bit;
    write_bytes(file, good, n);
    good[at] ^= bit;
    refused("bit flip", file, "container");
    write_bytes(file, good, vb_rng_below(&r, n));
    refused("cut", file, "container");
  }
  // Damage behind a valid seal, as bad memory would make it: the tensor's own hash names it.
  const struct vb_tensor *t = vb_model_find(m, "model.layers.1.mlp.up_proj.weight");
  uint8_t *at = memmem(good, n, t->data, 2 * vb_tensor_count(t));
  if (VB_CHECK(at, "tensor data not found in the container")) {
    at[100] ^= 4;
    char seal[64];
    int length = snprintf(seal, sizeof seal, "Verbatim model 1\nbytes %zu\nxxh64 %016llx\n", n,
                          (unsigned long long)XXH64(good + 512, n - 512, 0));
    memcpy(good, seal, (size_t)length);
    write_bytes(file, good, n);
    refused("flip with a new seal", file, "tensor 'model.layers.1.mlp.up_proj.weight' does not match its checksum");
  }
  write_bytes(file, "\211HDF\r\n\032\n", 8);
  refused("another HDF5 file", file, "not a Verbatim model container");
  refused("expected.h5", "tests/fixtures/llama2/expected.h5", "not a Verbatim model container");
  free(good);
  vb_model_close(m);
}

static void save_errors(void) {
  struct vb_model *m = open_model("tests/fixtures/llama2", true);
  CU_ASSERT_NOT_EQUAL(vb_model_save(m, "/nonexistent/folder/model.vbm"), VB_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(vb_last_error(), "/nonexistent/folder/model.vbm"));
  const char *dir = temp_dir();
  CU_ASSERT_NOT_EQUAL(vb_model_save(m, dir), VB_OK); // a folder cannot be replaced by a file
  char pattern[4096];
  snprintf(pattern, sizeof pattern, "%s.tmp*", dir);
  glob_t g;
  CU_ASSERT_EQUAL(glob(pattern, 0, NULL, &g), GLOB_NOMATCH);
  vb_model_close(m);
}

// --- other forms of the same model ---

// Move the per-expert tensors of a layer into two fused ones, as transformers 5 may save them.
static void fuse(struct edit *e, const struct vb_model *m, uint32_t l) {
  const struct vb_config *c = &m->config;
  const size_t one = (size_t)2 * c->moe_inter * c->hidden;
  char name[200], shape[64];
  for (int down = 0; down < 2; down++) {
    snprintf(name, sizeof name, "model.layers.%u.mlp.experts.%s", l, down ? "down_proj" : "gate_up_proj");
    snprintf(shape, sizeof shape, "[%u,%u,%u]", c->experts, down ? c->hidden : 2 * c->moe_inter,
             down ? c->moe_inter : c->hidden);
    size_t at = e->bytes, n = one * c->experts * (down ? 1 : 2);
    edit_append(e, name, "BF16", shape, n);
    for (uint32_t x = 0; x < c->experts; x++)
      for (int up = 0; up < (down ? 1 : 2); up++, at += one) {
        snprintf(name, sizeof name, "mlp.experts.%u.%s_proj.weight", x, down ? "down" : up ? "up" : "gate");
        memcpy(e->data + at, get(m, l, name)->data, one);
      }
  }
}

static void fused_experts(void) {
  struct edit e = edit_load("qwen3_moe"), packed = edit_load("qwen3_moe");
  struct vb_model *m = open_model("tests/fixtures/qwen3_moe", false);
  json_object_clear(packed.header);
  packed.bytes = 0;
  const char *name;
  json_t *v;
  json_object_foreach(e.header, name, v) { // the safetensors format allows no gaps: append everything anew
    if (strstr(name, ".mlp.experts.")) continue;
    size_t n, at = packed.bytes;
    const uint8_t *from = edit_tensor(&e, name, &n);
    char *shape = json_dumps(json_object_get(v, "shape"), 0);
    edit_append(&packed, name, "BF16", shape, n);
    memcpy(packed.data + at, from, n);
    free(shape);
  }
  for (uint32_t l = 0; l < m->config.layers; l++) fuse(&packed, m, l);
  const char *dir = temp_dir();
  edit_save(&packed, dir);
  struct vb_model *f = open_model(dir, false);
  if (f) {
    CU_ASSERT(f->tensor_count < m->tensor_count);
    same_weights(m, f);
    static const int32_t tokens[] = {3, 1, 4, 1, 5, 9, 2, 6};
    double a[8 * 97], b[8 * 97];
    CU_ASSERT_EQUAL(vb_truth_logits(m, tokens, 8, a), VB_OK);
    CU_ASSERT_EQUAL(vb_truth_logits(f, tokens, 8, b), VB_OK);
    CU_ASSERT(!memcmp(a, b, sizeof a));
  }
  vb_model_close(f);
  vb_model_close(m);
  edit_free(&e);
  edit_free(&packed);
}

static void tied_head_may_be_stored(void) {
  struct edit e = edit_load("llama32");
  size_t n, at = e.bytes;
  const char *dir = temp_dir();
  edit_tensor(&e, "model.embed_tokens.weight", &n);
  edit_append(&e, "lm_head.weight", "F32", "[127,32]", n);
  memcpy(e.data + at, edit_tensor(&e, "model.embed_tokens.weight", &n), n);
  edit_save(&e, dir);
  vb_model_close(open_model(dir, false));
  e.data[at + 2] ^= 1;
  edit_save(&e, dir);
  refused("another head", dir, "lm_head.weight' differs");
  edit_free(&e);
}

static void half_floats(void) {
  uint32_t wrong = 0;
  for (uint32_t h = 0; h < 65536; h++) {
    uint16_t u = (uint16_t)h;
    struct vb_tensor t = {.name = "t", .dtype = VB_F16, .rank = 1, .dim = {1}, .data = &u};
    int e = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
    if (e == 31) continue;
    double want = (h & 0x8000 ? -1 : 1) * (e ? ldexp(1024 + mantissa, e - 25) : ldexp(mantissa, -24));
    wrong += vb_tensor_at(&t, 0) != want || signbit(vb_tensor_at(&t, 0)) != (h >> 15 != 0);
  }
  CU_ASSERT_EQUAL(wrong, 0);
}

static void inspect(void) {
  struct vb_model *m = open_model("tests/fixtures/qwen3_moe", false);
  char *text;
  size_t n;
  FILE *f = open_memstream(&text, &n);
  vb_model_inspect(m, f);
  fclose(f);
  static const char *const words[] = {"qwen3_moe, 3 layers",
                                      "8 experts, top 3 renormalised",
                                      "q/k norm",
                                      "bytes per token",
                                      "relative error",
                                      "model.layers.2.mlp.experts.7.down_proj.weight",
                                      "32 x 18"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    VB_CHECK(strstr(text, words[i]), "no '%s' in the report", words[i]);
  // 2 heads, 3 layers: a key record of 32 + 32 bytes and a value record of 32.
  CU_ASSERT_EQUAL(vb_model_kv_bytes(m), 3 * 2 * 96);
  free(text);
  vb_model_close(m);
}

static const struct vb_test tests[] = {{"contract_weights", contract_weights},
                                       {"import_flags", import_flags},
                                       {"round_trip", round_trip},
                                       {"container_damage", container_damage},
                                       {"save_errors", save_errors},
                                       {"fused_experts", fused_experts},
                                       {"tied_head", tied_head_may_be_stored},
                                       {"half_floats", half_floats},
                                       {"inspect", inspect},
                                       {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"model", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
