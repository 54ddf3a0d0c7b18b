// SPDX-License-Identifier: Apache-2.0
// Import of a checkpoint that is larger than memory allows its contract weights to be.
#include "editor.h"
#include "support/harness.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0 // a sanitizer's shadow memory is anonymous too
#endif

enum { MIB = 1 << 20, HIDDEN = 1024, INTER = 2048, VOCAB = 2048, LAYERS = 6, LARGEST = 2 * HIDDEN * INTER };

static int setup(void) { return find_models(); }
static int teardown(void) {
  temp_cleanup();
  return 0;
}

// --- memory that no file backs ---

static size_t anonymous(void) {
  char line[200];
  unsigned long kib = 0;
  FILE *f = fopen("/proc/self/smaps_rollup", "r");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "Anonymous: %lu", &kib) == 1) break;
  if (f) fclose(f);
  return (size_t)kib << 10;
}

struct watch {
  pthread_t thread;
  atomic_bool stop;
  size_t base, peak;
};

static void *sample(void *context) {
  struct watch *w = context;
  const struct timespec pause = {.tv_nsec = 2000000};
  while (!atomic_load(&w->stop)) {
    const size_t now = anonymous();
    if (now > w->peak) w->peak = now;
    nanosleep(&pause, NULL);
  }
  return NULL;
}

static void watch_begin(struct watch *w) {
  w->base = w->peak = anonymous();
  VB_CHECK(w->base, "no /proc/self/smaps_rollup");
  atomic_init(&w->stop, false);
  if (pthread_create(&w->thread, NULL, sample, w)) abort();
}

// Growth since the begin. What is still held counts even if the sampler never ran.
static size_t watch_end(struct watch *w) {
  const size_t now = anonymous();
  atomic_store(&w->stop, true);
  pthread_join(w->thread, NULL);
  if (now > w->peak) w->peak = now;
  return w->peak > w->base ? w->peak - w->base : 0;
}

// --- a checkpoint that never is in this program's memory ---

struct maker {
  json_t *header;
  json_int_t bytes;
};

static void declare(struct maker *k, const char *name, int rows, int cols) {
  const json_int_t n = 2 * (json_int_t)rows * (cols ? cols : 1);
  json_t *shape = cols ? json_pack("[i,i]", rows, cols) : json_pack("[i]", rows);
  json_object_set_new(
      k->header, name,
      json_pack("{s:s,s:o,s:[I,I]}", "dtype", "BF16", "shape", shape, "data_offsets", k->bytes, k->bytes + n));
  k->bytes += n;
}

static void declare_layer(struct maker *k, int l) {
  static const struct {
    const char *name;
    int rows, cols;
  } parts[] = {{"input_layernorm", HIDDEN, 0},       {"post_attention_layernorm", HIDDEN, 0},
               {"self_attn.q_proj", HIDDEN, HIDDEN}, {"self_attn.k_proj", HIDDEN, HIDDEN},
               {"self_attn.v_proj", HIDDEN, HIDDEN}, {"self_attn.o_proj", HIDDEN, HIDDEN},
               {"mlp.gate_proj", INTER, HIDDEN},     {"mlp.up_proj", INTER, HIDDEN},
               {"mlp.down_proj", HIDDEN, INTER}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    char name[100];
    snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, parts[i].name);
    declare(k, name, parts[i].rows, parts[i].cols);
  }
}

// Random bf16 of magnitude 2^-8 .. 2: a prime number of them over and over, so that no two rows are alike.
static void write_values(FILE *f, json_int_t bytes) {
  enum { N = 65521 };
  static uint16_t values[N];
  struct vb_rng r = vb_test_rng();
  for (int i = 0; i < N; i++) values[i] = (uint16_t)((vb_rng_below(&r, 2) << 15) + 0x3b80 + vb_rng_below(&r, 0x480));
  for (json_int_t left = bytes / 2; left > 0; left -= N) fwrite(values, 2, (size_t)(left < N ? left : N), f);
}

static void write_checkpoint(const char *dir) {
  struct maker k = {.header = json_object()};
  declare(&k, "model.embed_tokens.weight", VOCAB, HIDDEN);
  for (int l = 0; l < LAYERS; l++) declare_layer(&k, l);
  declare(&k, "model.norm.weight", HIDDEN, 0);
  declare(&k, "lm_head.weight", VOCAB, HIDDEN);
  json_t *config = json_load_file("tests/fixtures/llama2/config.json", 0, NULL);
  json_object_set_new(config, "hidden_size", json_integer(HIDDEN));
  json_object_set_new(config, "intermediate_size", json_integer(INTER));
  json_object_set_new(config, "vocab_size", json_integer(VOCAB));
  json_object_set_new(config, "num_hidden_layers", json_integer(LAYERS));
  json_object_set_new(config, "num_attention_heads", json_integer(16));
  json_object_set_new(config, "num_key_value_heads", json_integer(16));
  CU_ASSERT_EQUAL(json_dump_file(config, path_in(dir, "config.json"), 0), 0);
  char *text = json_dumps(k.header, JSON_COMPACT);
  const size_t n = strlen(text);
  FILE *f = fopen(path_in(dir, "model.safetensors"), "wb");
  if (VB_CHECK(f, "no checkpoint written")) {
    fwrite(&n, 8, 1, f);
    fwrite(text, 1, n, f);
    write_values(f, k.bytes);
    VB_CHECK(!fclose(f), "no room for the checkpoint");
  }
  free(text);
  json_decref(config);
  json_decref(k.header);
}

// --- tests ---

static void same_stats(const struct vb_model *tally, const struct vb_model *full) {
  const struct vb_import_stats *a = &full->stats, *b = &tally->stats;
  VB_CHECK(a->complete && b->complete, "%s: not all weights were counted", full->path);
  VB_CHECK(a->flags == b->flags && a->flushed == b->flushed && a->saturated == b->saturated,
           "%s: changed values differ", full->path);
  VB_EXPECT_SAME("import", a->err2, b->err2, VB_CLASSES);
  VB_EXPECT_SAME("import", a->ref2, b->ref2, VB_CLASSES);
}

static char *report(const struct vb_model *m) {
  char *text;
  size_t n;
  FILE *f = open_memstream(&text, &n);
  vb_model_inspect(m, f);
  fclose(f);
  return text;
}

// First in this program: memory that earlier tests gave back could be used again unseen.
static void bounded_memory(void) {
  const char *dir = temp_dir();
  struct vb_model *m = NULL;
  struct watch w;
  write_checkpoint(dir);
  watch_begin(&w);
  VB_CHECK(vb_model_open_tally(dir, &m) == VB_OK, "%s", vb_last_error());
  if (!m) return;
  VB_CHECK(vb_model_save(m, path_in(dir, "m.h5")) == VB_OK, "%s", vb_last_error());
  char *text = report(m);
  const size_t import = watch_end(&w);
  VB_CHECK(strstr(text, "relative error"), "the report lacks errors");
  free(text);
  VB_CHECK(SANITIZED || import < LARGEST + 32 * MIB, "import took %zu MiB", import / MIB);

  struct vb_model *full;
  watch_begin(&w); // the same measure must see contract weights
  full = open_model(dir, false);
  const size_t weights = watch_end(&w);
  VB_CHECK(SANITIZED || weights > 60 * MIB, "contract weights took %zu MiB: nothing was measured", weights / MIB);
  if (full) same_stats(m, full);
  vb_model_close(full);
  vb_model_close(m);
}

static void same_errors(void) {
  for (size_t i = 0; i < model_count; i++) {
    struct vb_model *full = open_contract(model_path[i]), *m = NULL;
    if (!full) continue;
    if (VB_CHECK(vb_model_open_tally(model_path[i], &m) == VB_OK, "%s", vb_last_error())) {
      same_stats(m, full);
      CU_ASSERT(!m->layer && !m->embed && !m->final_norm && !m->lm_head.q);
      char *a = report(full), *b = report(m);
      CU_ASSERT_STRING_EQUAL(a, b);
      free(a);
      free(b);
    }
    vb_model_close(m);
    vb_model_close(full);
  }
}

// Changed values are counted wherever they are.
static void flags(void) {
  struct edit e = edit_load("llama2");
  const char *dir = temp_dir();
  size_t n;
  static const uint16_t odd[] = {0x2000, 0x7f7f, 0xff00}; // 2^-63, huge, huge
  memcpy(edit_tensor(&e, "model.norm.weight", &n), odd, sizeof odd);
  memcpy(edit_tensor(&e, "model.embed_tokens.weight", &n), odd, sizeof odd);
  memcpy(edit_tensor(&e, "model.layers.1.mlp.up_proj.weight", &n), odd, sizeof odd);
  edit_save(&e, dir);
  struct vb_model *m = NULL, *full = open_model(dir, false);
  VB_CHECK(vb_model_open_tally(dir, &m) == VB_OK, "%s", vb_last_error());
  if (m && full) same_stats(m, full);
  CU_ASSERT(m && m->stats.flushed == 3 && m->stats.saturated == 6);
  vb_model_close(m);
  vb_model_close(full);
  edit_free(&e);
}

static const struct vb_test tests[] = {
    {"bounded_memory", bounded_memory}, {"same_errors", same_errors}, {"flags", flags}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"import", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
