// SPDX-License-Identifier: Apache-2.0
// Container and forms of a checkpoint: the same bits after a round trip, damage detected, fused experts, tied heads.
#include "editor.h"
#include "model/model.h"
#include "support/harness.h"
#include "truth/truth.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static int setup(void) { return find_models(); }
static int teardown(void) {
  temp_cleanup();
  return 0;
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
  CU_ASSERT_EQUAL(a->attn_scale, b->attn_scale);
  for (uint32_t l = 0; l < c->layers; l++) {
    const struct vb_layer *x = &a->layer[l], *y = &b->layer[l];
    same_z(x->attn_norm, y->attn_norm, c->hidden);
    same_z(x->ffn_norm, y->ffn_norm, c->hidden);
    same_z(x->q_norm, y->q_norm, c->head_dim);
    same_z(x->k_norm, y->k_norm, c->head_dim);
    same_z(x->q_bias, y->q_bias, c->heads * c->head_dim);
    same_z(x->k_bias, y->k_bias, kv);
    same_z(x->v_bias, y->v_bias, kv);
#define W8(w)                                                                                                   \
  {                                                                                                             \
    &(w)->q, &(w)->k, &(w)->v, &(w)->o, &(w)->gate, &(w)->up, &(w)->down, &(w)->experts.gate, &(w)->experts.up, \
        &(w)->experts.down, &(w)->experts.shared_gate, &(w)->experts.shared_up, &(w)->experts.shared_down,      \
        &(w)->shared_expert_gate, &(w)->q_a, &(w)->q_b, &(w)->kv_a, &(w)->k_b, &(w)->v_b, &(w)->uk, &(w)->uv,   \
        &(w)->index_q, &(w)->index_k, &(w)->index_w, &(w)->qkvz, &(w)->ba                                       \
  }
    const struct vb_w8 *p[] = W8(x), *q[] = W8(y);
    for (size_t i = 0; i < sizeof p / sizeof *p; i++) same_w8(p[i], q[i]);
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
  VB_CHECK(model_count >= 8, "%zu models found", model_count);
  for (size_t i = 0; i < model_count; i++) {
    struct vb_model *a = open_contract(model_path[i]);
    if (!a) continue;
    VB_CHECK(vb_model_save(a, file) == VB_OK, "%s", vb_last_error());
    struct vb_model *b = open_model(file, false);
    if (!b) break;
    CU_ASSERT_STRING_EQUAL(a->config_text, b->config_text);
    CU_ASSERT(!a->tokenizer_text == !b->tokenizer_text);
    if (a->tokenizer_text) CU_ASSERT_STRING_EQUAL(a->tokenizer_text, b->tokenizer_text);
    CU_ASSERT(a->tensor_count == b->tensor_count && a->stored_count == b->stored_count);
    for (uint32_t k = 0; k < a->stored_count; k++) {
      const struct vb_tensor *s = &a->stored[k], *t = &b->stored[k];
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

static void must_fail(const char *what, const char *path, const char *word) {
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
  for (uint64_t i = 0; i < vb_test_count(200, 4000); i++) {
    uint64_t at = i < 64 ? i : vb_rng_below(&r, n);
    uint8_t bit = (uint8_t)(1u << vb_rng_below(&r, 8));
    good[at] ^= bit;
    write_bytes(file, good, n);
    good[at] ^= bit;
    must_fail("bit flip", file, "container");
    write_bytes(file, good, vb_rng_below(&r, n));
    must_fail("cut", file, "container");
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
    must_fail("flip with a new seal", file, "tensor 'model.layers.1.mlp.up_proj.weight' does not match its checksum");
  }
  write_bytes(file, "\211HDF\r\n\032\n", 8);
  must_fail("another HDF5 file", file, "not a Verbatim model container");
  must_fail("expected.h5", "tests/fixtures/llama2/expected.h5", "not a Verbatim model container");
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

// Tensor of expert x; part 0 gate, 1 up, 2 down.
static const struct vb_tensor *expert(const struct vb_model *m, uint32_t l, uint32_t x, int part) {
  static const char *const plain[] = {"gate_proj", "up_proj", "down_proj"}, *const mixtral[] = {"w1", "w3", "w2"};
  const bool old = m->config.family == VB_MIXTRAL;
  char name[200];
  snprintf(name, sizeof name, "%s.experts.%u.%s.weight", old ? "block_sparse_moe" : "mlp", x,
           (old ? mixtral : plain)[part]);
  return layer_tensor(m, l, name);
}

// Move the per-expert tensors of a layer into two fused ones, as transformers 5 may save them.
static void fuse(struct edit *e, const struct vb_model *m, uint32_t l) {
  const struct vb_config *c = &m->config;
  const enum vb_dtype type = expert(m, l, 0, 0)->dtype;
  const size_t one = vb_dtype_bytes(type) * c->moe_inter * c->hidden;
  char name[200], shape[64];
  for (int down = 0; down < 2; down++) {
    snprintf(name, sizeof name, "model.layers.%u.mlp.experts.%s", l, down ? "down_proj" : "gate_up_proj");
    snprintf(shape, sizeof shape, "[%u,%u,%u]", c->experts, down ? c->hidden : 2 * c->moe_inter,
             down ? c->moe_inter : c->hidden);
    size_t at = e->bytes, n = one * c->experts * (down ? 1 : 2);
    edit_append(e, name, vb_dtype_name(type), shape, n);
    for (uint32_t x = 0; x < c->experts; x++)
      for (int up = 0; up < (down ? 1 : 2); up++, at += one)
        memcpy(e->data + at, expert(m, l, x, down ? 2 : up)->data, one);
  }
}

static void fuse_model(const char *fixture) {
  char path[300];
  snprintf(path, sizeof path, "tests/fixtures/%s", fixture);
  struct edit e = edit_load(fixture), packed = edit_load(fixture);
  struct vb_model *m = open_model(path, false);
  json_object_clear(packed.header);
  packed.bytes = 0;
  const char *name;
  json_t *v;
  json_object_foreach(e.header, name, v) { // the safetensors format allows no gaps: append everything anew
    if (strstr(name, ".experts.")) continue;
    size_t n, at = packed.bytes;
    const uint8_t *from = edit_tensor(&e, name, &n);
    char *shape = json_dumps(json_object_get(v, "shape"), 0), other[300];
    const char *router = strstr(name, "block_sparse_moe.gate");
    if (router) snprintf(other, sizeof other, "%.*smlp.gate.weight", (int)(router - name), name);
    edit_append(&packed, router ? other : name, json_string_value(json_object_get(v, "dtype")), shape, n);
    memcpy(packed.data + at, from, n);
    free(shape);
  }
  for (uint32_t l = 0; l < m->config.layers; l++)
    if (m->config.is_moe[l]) fuse(&packed, m, l);
  const char *dir = temp_dir();
  edit_save(&packed, dir);
  struct vb_model *f = open_model(dir, false);
  if (f) {
    CU_ASSERT(f->tensor_count < m->tensor_count);
    same_weights(m, f);
    static const int32_t tokens[] = {3, 1, 4, 1, 5, 9, 2, 6};
    double a[8 * 128], b[8 * 128];
    CU_ASSERT_EQUAL(vb_truth_logits(m, tokens, 8, a), VB_OK);
    CU_ASSERT_EQUAL(vb_truth_logits(f, tokens, 8, b), VB_OK);
    CU_ASSERT(!memcmp(a, b, 8 * m->config.vocab * sizeof *a));
  }
  vb_model_close(f);
  vb_model_close(m);
  edit_free(&e);
  edit_free(&packed);
}

static void fused_experts(void) {
  static const char *const fixtures[] = {"qwen3_moe",   "qwen2_moe",   "mixtral",
                                         "deepseek_v2", "deepseek_v3", "qwen3_next"};
  for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) fuse_model(fixtures[i]);
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
  must_fail("another head", dir, "lm_head.weight' differs");
  edit_free(&e);
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

// The examples of docs/models.md, from the published configurations.
static void cache_bytes(void) {
  static const struct {
    const char *name;
    uint64_t bytes;
  } published[] = {
      {"llama-3.1-8b", 73728}, {"deepseek-v3", 37088}, {"deepseek-v3.2-exp", 46848}, {"qwen3-next-80b-a3b", 13056}};
  for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
    char path[100];
    snprintf(path, sizeof path, "synthetic:models/%s.json", published[i].name);
    struct vb_model *m = open_model(path, true);
    if (m)
      VB_CHECK(vb_model_kv_bytes(m) == published[i].bytes, "%s: %llu bytes", path,
               (unsigned long long)vb_model_kv_bytes(m));
    vb_model_close(m);
  }
}

static const struct vb_test tests[] = {{"round_trip", round_trip},
                                       {"container_damage", container_damage},
                                       {"save_errors", save_errors},
                                       {"fused_experts", fused_experts},
                                       {"tied_head", tied_head_may_be_stored},
                                       {"inspect", inspect},
                                       {"cache_bytes", cache_bytes},
                                       {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"model", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
