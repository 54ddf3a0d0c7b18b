// SPDX-License-Identifier: Apache-2.0
#include "editor.h"
#include "support/harness.h"
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

const char *path_in(const char *dir, const char *file) {
  static char path[4][8192];
  static int turn;
  char *p = path[turn = (turn + 1) % 4];
  snprintf(p, sizeof path[0], "%s/%s", dir, file);
  return p;
}

void write_bytes(const char *path, const void *data, size_t n) {
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, n, f) != n || fclose(f)) die(path);
}

uint8_t *read_bytes(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f || fseek(f, 0, SEEK_END)) die(path);
  *n = (size_t)ftell(f);
  rewind(f);
  uint8_t *data = malloc(*n + 1);
  if (!data || fread(data, 1, *n, f) != *n) die(path);
  fclose(f);
  data[*n] = 0;
  return data;
}

// Append one shard's tensors.
static void load_shard(struct edit *e, const char *path) {
  size_t size, length = 0;
  uint8_t *file = read_bytes(path, &size);
  memcpy(&length, file, 8);
  json_t *header = json_loadb((char *)file + 8, length, 0, NULL), *v;
  const char *name;
  const size_t n = size - 8 - length;
  e->data = realloc(e->data, e->bytes + n);
  if (!header || !e->data) die(path);
  memcpy(e->data + e->bytes, file + 8 + length, n);
  json_object_foreach(header, name, v) {
    json_int_t begin, end;
    if (!strcmp(name, "__metadata__")) continue;
    if (json_unpack(v, "{s:[I,I]}", "data_offsets", &begin, &end)) die(name);
    json_object_set_new(v, "data_offsets",
                        json_pack("[I,I]", begin + (json_int_t)e->bytes, end + (json_int_t)e->bytes));
    json_object_set(e->header, name, v);
  }
  e->bytes += n;
  json_decref(header);
  free(file);
}

struct edit edit_load(const char *fixture) {
  struct edit e = {.header = json_object()};
  char dir[4096], pattern[4200];
  snprintf(dir, sizeof dir, "tests/fixtures/%s", fixture);
  snprintf(pattern, sizeof pattern, "%s/*.safetensors", dir);
  e.config = json_load_file(path_in(dir, "config.json"), 0, NULL);
  glob_t g;
  if (!e.config || glob(pattern, 0, NULL, &g)) die(dir);
  for (size_t i = 0; i < g.gl_pathc; i++) load_shard(&e, g.gl_pathv[i]);
  globfree(&g);
  return e;
}

void edit_free(struct edit *e) {
  json_decref(e->config);
  json_decref(e->header);
  free(e->data);
}

void edit_save(const struct edit *e, const char *dir) {
  if (json_dump_file(e->config, path_in(dir, "config.json"), 0)) die(dir);
  char *text = json_dumps(e->header, JSON_COMPACT);
  size_t n = strlen(text);
  uint8_t *file = malloc(8 + n + e->bytes);
  if (!file) die(dir);
  memcpy(file, &n, 8);
  memcpy(file + 8, text, n);
  memcpy(file + 8 + n, e->data, e->bytes);
  write_bytes(path_in(dir, "model.safetensors"), file, 8 + n + e->bytes);
  free(file);
  free(text);
}

void edit_append(struct edit *e, const char *name, const char *dtype, const char *shape_json, size_t n) {
  json_t *shape = json_loads(shape_json, 0, NULL);
  json_object_set_new(e->header, name,
                      json_pack("{s:s,s:o,s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets",
                                (json_int_t)e->bytes, (json_int_t)(e->bytes + n)));
  e->data = realloc(e->data, e->bytes + n);
  if (!e->data) die(name);
  memset(e->data + e->bytes, 0, n);
  e->bytes += n;
}

uint8_t *edit_tensor(struct edit *e, const char *name, size_t *n) {
  json_int_t begin, end;
  if (json_unpack(json_object_get(e->header, name), "{s:[I,I]}", "data_offsets", &begin, &end)) die(name);
  *n = (size_t)(end - begin);
  return e->data + begin;
}

const char *model_path[128];
size_t model_count;

int find_models(void) {
  static glob_t g;
  if (model_count) return 0;
  if (glob("tests/fixtures/*/config.json", 0, NULL, &g)) return 1;
  glob("models/tiny/*/config.json", GLOB_APPEND, NULL, &g);
  for (size_t i = 0; i < g.gl_pathc && model_count < sizeof model_path / sizeof *model_path; i++) {
    model_path[model_count++] = g.gl_pathv[i];
    *strrchr(g.gl_pathv[i], '/') = 0;
  }
  return 0;
}

struct vb_model *open_model(const char *path, bool raw) {
  struct vb_model *m;
  vb_result r = vb_model_open(path, raw, &m);
  VB_CHECK(r == VB_OK, "%s", r == VB_OK ? "" : vb_last_error());
  return m;
}

void refused(const char *what, const char *dir, const char *word, const char *word2) {
  for (int raw = 0; raw < 2; raw++) {
    struct vb_model *m = NULL;
    vb_result r = vb_model_open(dir, raw, &m);
    const char *message = r == VB_OK ? "" : vb_last_error();
    VB_CHECK(r == VB_BAD_INPUT && !m, "%s: result %s: %s", what, vb_result_string(r), message);
    VB_CHECK(strstr(message, word) && strstr(message, word2) && strstr(message, dir),
             "%s: message '%s' lacks '%s' or '%s'", what, message, word, word2);
    vb_model_close(m);
  }
}

struct vb_model *open_contract(const char *path) {
  struct vb_model *m;
  if (vb_model_open(path, false, &m) == VB_OK) return m;
  VB_CHECK(strstr(vb_last_error(), "'swiglu_limit'"), "%s", vb_last_error());
  return NULL;
}

const struct vb_tensor *layer_tensor(const struct vb_model *m, uint32_t l, const char *name) {
  char full[200];
  snprintf(full, sizeof full, "model.layers.%u.%s", l, name);
  return vb_model_find(m, full);
}

static char dirs[4096][64];
static unsigned dir_count;

const char *temp_dir(void) {
  if (dir_count == sizeof dirs / sizeof *dirs) temp_cleanup();
  const char *base = getenv("TMPDIR");
  char *d = dirs[dir_count++];
  snprintf(d, sizeof dirs[0], "%.40s/vbmodelXXXXXX", base && strlen(base) <= 40 ? base : "/tmp");
  if (!mkdtemp(d)) die(d);
  return d;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

void temp_cleanup(void) {
  while (dir_count) nftw(dirs[--dir_count], remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
