// SPDX-License-Identifier: Apache-2.0
// Malformed checkpoints: each must be refused as bad input with a message that names what is wrong, never crash.
#include "editor.h"
#include "model/model.h"
#include "support/harness.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void accepted(const char *what, const char *dir) {
  struct vb_model *m;
  vb_result r = vb_model_open(dir, false, &m);
  VB_CHECK(r == VB_OK, "%s: %s", what, r == VB_OK ? "" : vb_last_error());
  vb_model_close(m);
}

static struct edit bad_edit;
static int setup(void) {
  bad_edit = edit_load("llama2");
  return 0;
}
static int teardown(void) {
  edit_free(&bad_edit);
  temp_cleanup();
  return 0;
}

// Replace one member of a tensor's header entry (member NULL: the whole entry; value NULL: delete).
static const struct {
  const char *tensor, *member, *value, *named, *word;
} header_cases[] = {
    {"model.norm.weight", NULL, NULL, "follow", "last tensor"},
    {"model.embed_tokens.weight", NULL, NULL, "before tensor", "gap"},
    {"model.norm.weight", NULL, "5", "model.norm.weight", "exactly"},
    {"model.norm.weight", "dtype", "\"F64\"", "model.norm.weight", "F64"},
    {"model.norm.weight", "dtype", "\"F32\"", "model.norm.weight", "need"},
    {"model.norm.weight", "dtype", "3", "model.norm.weight", "dtype"},
    {"model.norm.weight", "dtype", NULL, "model.norm.weight", "exactly"},
    {"model.norm.weight", "colour", "1", "model.norm.weight", "exactly"},
    {"model.norm.weight", "dtype", "\"F16\"", "", NULL}, // another reading of the same bits: legal
    {"model.norm.weight", "shape", "[47]", "model.norm.weight", "bytes"},
    {"model.norm.weight", "shape", "[6, 8]", "model.norm.weight", "shape [6, 8]"},
    {"model.norm.weight", "shape", "[]", "model.norm.weight", "dimensions"},
    {"model.norm.weight", "shape", "[1,1,1,1,48]", "model.norm.weight", "dimensions"},
    {"model.norm.weight", "shape", "[-48]", "model.norm.weight", "positive"},
    {"model.norm.weight", "shape", "[0]", "model.norm.weight", "positive"},
    {"model.norm.weight", "shape", "[4611686018427387904, 8]", "model.norm.weight", "overflows"},
    {"model.norm.weight", "shape", "\"48\"", "model.norm.weight", "exactly"},
    {"model.norm.weight", "data_offsets", "[0]", "model.norm.weight", "data_offsets"},
    {"model.norm.weight", "data_offsets", "[96, 0]", "model.norm.weight", "ascending"},
    {"model.norm.weight", "data_offsets", "[0.5, 96]", "model.norm.weight", "ascending"},
    {"model.norm.weight", "data_offsets", "[0, 96]", "overlaps tensor", ""},
    {"model.norm.weight", "data_offsets", "[1000000000, 1000000096]", "model.norm.weight", "outside"},
    {"model.norm.weight", "data_offsets", "[9223372036854775711, 9223372036854775807]", "model.norm.weight", "outside"},
};

static void header_entries(void) {
  for (size_t i = 0; i < sizeof header_cases / sizeof *header_cases; i++) {
    struct edit e = edit_load("llama2");
    const char *dir = temp_dir(), *member = header_cases[i].member, *value = header_cases[i].value;
    json_t *entry = json_object_get(e.header, header_cases[i].tensor),
           *v = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    json_t *in = member ? entry : e.header;
    const char *key = member ? member : header_cases[i].tensor;
    if (v) json_object_set_new(in, key, v);
    else json_object_del(in, key);
    edit_save(&e, dir);
    char what[200];
    snprintf(what, sizeof what, "%s %s = %s", header_cases[i].tensor, member ? member : "",
             value ? value : "(deleted)");
    if (header_cases[i].word) refused(what, dir, header_cases[i].named, header_cases[i].word);
    else accepted(what, dir);
    edit_free(&e);
  }
}

static void tensors(void) {
  const char *dir = temp_dir();
  struct edit *e = &bad_edit;
  edit_append(e, "model.layers.0.self_attn.q_norm.weight", "BF16", "[16]", 32);
  edit_save(e, dir);
  refused("extra tensor", dir, "model.layers.0.self_attn.q_norm.weight", "unexpected");
  json_object_set(e->header, "model.layers.0.self_attn.rotary_emb.inv_freq",
                  json_object_get(e->header, "model.layers.0.self_attn.q_norm.weight"));
  json_object_del(e->header, "model.layers.0.self_attn.q_norm.weight");
  edit_save(e, dir);
  accepted("rotary table of an old exporter", dir);
  json_object_set(e->header, "a/b", json_object_get(e->header, "model.layers.0.self_attn.rotary_emb.inv_freq"));
  json_object_del(e->header, "model.layers.0.self_attn.rotary_emb.inv_freq");
  edit_save(e, dir);
  refused("name with a slash", dir, "a/b", "not allowed");
}

static void not_finite(void) {
  static const struct {
    uint16_t bits;
    const char *word;
  } cases[] = {{0x7fc0, "NaN"}, {0xff81, "NaN"}, {0x7f80, "infinite"}, {0xff80, "infinite"}};
  for (size_t i = 0; i < 4; i++) {
    struct edit e = edit_load("llama2");
    const char *dir = temp_dir();
    size_t n;
    memcpy(edit_tensor(&e, "model.layers.1.mlp.up_proj.weight", &n) + 2 * (48 * 5 + 7), &cases[i].bits, 2);
    edit_save(&e, dir);
    refused(cases[i].word, dir, "model.layers.1.mlp.up_proj.weight' is", cases[i].word);
    CU_ASSERT_PTR_NOT_NULL(strstr(vb_last_error(), "[5, 7]"));
    edit_free(&e);
  }
}

static void whole_files(void) {
  const char *dir = temp_dir();
  char file[4096], config[4096];
  snprintf(file, sizeof file, "%s/model.safetensors", dir);
  snprintf(config, sizeof config, "%s/config.json", dir);
  refused("empty folder", dir, "config.json", "cannot open");
  edit_save(&bad_edit, dir);
  size_t n, nc;
  uint8_t *good = read_bytes(file, &n), *good_config = read_bytes(config, &nc), *bad = malloc(n + 8);
  unlink(file);
  refused("no tensors", dir, "model.safetensors", "found");
  write_bytes(file, good, 0);
  refused("empty file", dir, "model.safetensors", "not a safetensors file");
  write_bytes(file, good, 100);
  refused("cut in the header", dir, "model.safetensors", "truncated");
  write_bytes(file, good, n - 1);
  refused("cut in the data", dir, "model.safetensors", "outside");
  memcpy(bad, good, n);
  memcpy(bad + n, "12345678", 8);
  write_bytes(file, bad, n + 8);
  refused("tail", dir, "8 bytes", "last tensor");
  memcpy(bad, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  write_bytes(file, bad, n);
  refused("header of 2^64 bytes", dir, "header", "limit");
  memcpy(bad, good, n);
  memset(bad, 0, 8);
  write_bytes(file, bad, n);
  refused("header of 0 bytes", dir, "model.safetensors", "header");
  memcpy(bad, good, n);
  bad[8] = '[';
  write_bytes(file, bad, n);
  refused("bit flip at the start", dir, "model.safetensors", "header, byte");
  write_bytes(file, "\x02\0\0\0\0\0\0\0[]", 10);
  refused("header is a list", dir, "header", "object");
  write_bytes(file, "\x02\0\0\0\0\0\0\0{}", 10);
  refused("header is empty", dir, "header", "no tensor");
  static const char twice[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                              "\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}";
  uint64_t length = sizeof twice - 1;
  memcpy(bad, &length, 8);
  memcpy(bad + 8, twice, length);
  write_bytes(file, bad, 8 + length + 2);
  refused("tensor twice", dir, "duplicate", "");
  write_bytes(file, good, n);
  write_bytes(config, good_config, nc / 2);
  refused("cut config", dir, "config.json", "line");
  write_bytes(config, "[]", 2);
  refused("config is a list", dir, "config.json", "object");
  write_bytes(config, "{\"hidden_size\":1,\"hidden_size\":2}", 33);
  refused("key twice", dir, "config.json", "duplicate");
  write_bytes(config, "{}\0 ", 4);
  refused("config with a zero byte", dir, "config.json", "byte 2 is 0");
  write_bytes(config, good_config, nc);
  accepted("all as before", dir);
  unlink(file);
  mkdir(file, 0700);
  refused("a folder instead of the file", dir, "model.safetensors", "");
  refused("no such path", "/nonexistent/model", "/nonexistent/model", "cannot open");
  free(good);
  free(good_config);
  free(bad);
}

static void shards(void) {
  static const char good[] = "{\"metadata\":{},\"weight_map\":{%s}}";
  const char *dir = temp_dir();
  char text[16384], map[16000] = "", index[4096], shard[4096];
  snprintf(index, sizeof index, "%s/model.safetensors.index.json", dir);
  snprintf(shard, sizeof shard, "%s/one.safetensors", dir);
  edit_save(&bad_edit, dir);
  rename(path_in(dir, "model.safetensors"), shard);
  const char *name;
  json_t *v;
  json_object_foreach(bad_edit.header, name, v) {
    size_t n = strlen(map);
    snprintf(map + n, sizeof map - n, "%s\"%s\":\"one.safetensors\"", n ? "," : "", name);
  }
#define INDEX(...) write_bytes(index, text, (size_t)snprintf(text, sizeof text, __VA_ARGS__))
  INDEX(good, map);
  accepted("one shard", dir);
  INDEX("{\"weight_map\":{%s,\"more\":\"one.safetensors\"}}", map);
  refused("tensor that is not there", dir, "'more'", "not in shard");
  INDEX("{\"weight_map\":{%s,\"more\":\"two.safetensors\"}}", map);
  refused("shard that is not there", dir, "two.safetensors", "cannot open");
  INDEX("{\"weight_map\":{%s,\"more\":\"../one.safetensors\"}}", map);
  refused("path out of the folder", dir, "'more'", "plain file name");
  INDEX("{\"weight_map\":{%s,\"more\":7}}", map);
  refused("file name that is a number", dir, "'more'", "plain file name");
  INDEX("{\"weight_map\":{\"lm_head.weight\":\"one.safetensors\"}}");
  refused("unmapped tensor", dir, "one.safetensors", "not in the index");
  INDEX("{\"weight_map\":{}}");
  refused("empty map", dir, "weight_map", "index.json");
  INDEX("{\"weight_map\":");
  refused("cut index", dir, "index.json", "line");
  // The same tensors in a second file.
  char two[4096];
  size_t n;
  uint8_t *copy = read_bytes(shard, &n);
  snprintf(two, sizeof two, "%s/two.safetensors", dir);
  write_bytes(two, copy, n);
  free(copy);
  INDEX("{\"weight_map\":{%s,\"more\":\"two.safetensors\"}}", map);
  refused("tensors in two shards", dir, "two.safetensors", "mapped to 'one.safetensors'");
}

static const struct vb_test tests[] = {
    {"header_entries", header_entries}, {"tensors", tensors}, {"not_finite", not_finite},
    {"whole_files", whole_files},       {"shards", shards},   {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"bad_input", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
