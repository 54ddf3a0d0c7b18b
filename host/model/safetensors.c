// SPDX-License-Identifier: Apache-2.0
// Reader of Hugging Face directories: config.json, tokenizer.json, and one or several safetensors files.
//
// File: u64 header length, JSON header {"name": {"dtype", "shape", "data_offsets"}}, then the data. The format's own
// rules are enforced in full: offsets tile the data exactly, without gaps, overlaps or a tail.
#include "model/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HEADER = 100 * 1000 * 1000, MAX_CONFIG = 16 << 20, MAX_TOKENIZER = 256 << 20, MAX_INDEX = 256 << 20 };

struct entry {
  struct vb_tensor tensor;
  uint64_t begin, end;
};

static int by_begin(const void *a, const void *b) {
  const struct entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

static bool get_u64(const json_t *v, uint64_t *out) {
  if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
  *out = (uint64_t)json_integer_value(v);
  return true;
}

static vb_result parse_entry(const char *name, const json_t *v, uint64_t data_bytes, struct entry *e) {
  const json_t *shape = json_object_get(v, "shape"), *offsets = json_object_get(v, "data_offsets");
  const char *dtype = json_string_value(json_object_get(v, "dtype"));
  if (!dtype || !json_is_array(shape) || json_array_size(offsets) != 2 || json_object_size(v) != 3)
    return vb_fail(VB_BAD_INPUT, "tensor '%s' must have exactly dtype, shape and data_offsets [begin, end]", name);
  struct vb_tensor *t = &e->tensor;
  uint32_t d = 0;
  while (d < VB_FP8_BLOCK && strcmp(dtype, vb_dtype_name((enum vb_dtype)d))) d++;
  if (d == VB_FP8_BLOCK)
    return vb_fail(
        VB_BAD_INPUT,
        "tensor '%s' has dtype %.20s, supported are BF16, F16, F32, and F8_E4M3, F8_E8M0, U8, I32 in quantised"
        " checkpoints",
        name, dtype);
  t->dtype = (enum vb_dtype)d;
  if (!json_array_size(shape) || json_array_size(shape) > 4)
    return vb_fail(VB_BAD_INPUT, "tensor '%s' has %zu dimensions, must be 1 to 4", name, json_array_size(shape));
  t->rank = (uint32_t)json_array_size(shape);
  uint64_t bytes = vb_dtype_bytes(t->dtype);
  for (uint32_t i = 0; i < t->rank; i++) {
    if (!get_u64(json_array_get(shape, i), &t->dim[i]) || !t->dim[i])
      return vb_fail(VB_BAD_INPUT, "tensor '%s' has a shape entry that is not a positive integer", name);
    if (__builtin_mul_overflow(bytes, t->dim[i], &bytes))
      return vb_fail(VB_BAD_INPUT, "tensor '%s' has a size that overflows 64 bits", name);
  }
  if (!get_u64(json_array_get(offsets, 0), &e->begin) || !get_u64(json_array_get(offsets, 1), &e->end) ||
      e->begin > e->end)
    return vb_fail(VB_BAD_INPUT, "tensor '%s' has data_offsets that are not two ascending integers", name);
  if (e->end > data_bytes)
    return vb_fail(VB_BAD_INPUT,
                   "tensor '%s' ends at byte %" PRIu64 " of the data, outside of the file (%" PRIu64 " bytes)", name,
                   e->end, data_bytes);
  if (e->end - e->begin != bytes)
    return vb_fail(VB_BAD_INPUT, "tensor '%s' has %" PRIu64 " bytes, its shape and dtype need %" PRIu64, name,
                   e->end - e->begin, bytes);
  return VB_OK;
}

static vb_result check_tiling(struct entry *e, size_t n, uint64_t data_bytes) {
  qsort(e, n, sizeof *e, by_begin);
  uint64_t at = 0;
  for (size_t i = 0; i < n; i++) {
    if (e[i].begin < at)
      return vb_fail(VB_BAD_INPUT, "tensor '%s' overlaps tensor '%s'", e[i].tensor.name, e[i - 1].tensor.name);
    if (e[i].begin > at)
      return vb_fail(VB_BAD_INPUT, "gap of %" PRIu64 " bytes before tensor '%s'", e[i].begin - at, e[i].tensor.name);
    at = e[i].end;
  }
  if (at != data_bytes) return vb_fail(VB_BAD_INPUT, "%" PRIu64 " bytes follow the last tensor", data_bytes - at);
  return VB_OK;
}

// Room for the tensors of all shards so far grows by powers of two: one list a shard would add up to gigabytes.
static uint64_t room_for(uint64_t n) {
  uint64_t room = 64;
  while (room < n) room *= 2;
  return room;
}

static vb_result parse_header(struct vb_model *m, const json_t *root, const uint8_t *data, uint64_t data_bytes) {
  size_t n = json_object_size(root) - (json_object_get(root, "__metadata__") != NULL), i = 0;
  if (!n) return vb_fail(VB_BAD_INPUT, "header names no tensor");
  if (n > 1u << 24) return vb_fail(VB_BAD_INPUT, "header names %zu tensors, the limit is 2^24", n);
  struct entry *list = vb_arena_alloc(m->arena, n, sizeof *list);
  const uint64_t room = room_for(m->tensor_count + n);
  struct vb_tensor *all = m->tensors;
  if (!all || room > room_for(m->tensor_count)) all = vb_arena_alloc(m->arena, room, sizeof *all);
  if (!list || !all) return vb_no_memory("tensor list");
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)root, name, value) {
    if (!strcmp(name, "__metadata__")) continue;
    vb_result r = vb_check_name(name);
    if (r == VB_OK) r = parse_entry(name, value, data_bytes, &list[i]);
    if (r != VB_OK) return r;
    list[i].tensor.data = data + list[i].begin;
    list[i].tensor.name = vb_arena_text(m->arena, name);
    if (!list[i++].tensor.name) return vb_no_memory("tensor names");
  }
  vb_result r = check_tiling(list, n, data_bytes);
  if (r != VB_OK) return r;
  if (m->tensor_count && all != m->tensors) memcpy(all, m->tensors, m->tensor_count * sizeof *all);
  for (i = 0; i < n; i++) all[m->tensor_count + i] = list[i].tensor;
  m->tensors = all;
  m->tensor_count += (uint32_t)n;
  return VB_OK;
}

// Adds the file's tensors to m->tensors. The mapping lives as long as the model.
static vb_result load_shard(struct vb_model *m, const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return vb_fail(VB_BAD_INPUT, "cannot open: %s", strerror(errno));
  struct stat st;
  const uint8_t *file = NULL;
  bool regular = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size >= 8;
  if (regular) file = vb_arena_map(m->arena, fd, (size_t)st.st_size);
  close(fd);
  if (!regular) return vb_fail(VB_BAD_INPUT, "not a safetensors file (shorter than 8 bytes)");
  if (!file) return vb_fail(VB_DEVICE, "cannot map the file: %s", strerror(errno));
  uint64_t size = (uint64_t)st.st_size, length;
  memcpy(&length, file, 8);
  if (length > MAX_HEADER)
    return vb_fail(VB_BAD_INPUT, "header of %" PRIu64 " bytes exceeds the limit of %d", length, MAX_HEADER);
  if (length > size - 8)
    return vb_fail(VB_BAD_INPUT, "header of %" PRIu64 " bytes exceeds the file (%" PRIu64 " bytes): truncated?", length,
                   size);
  json_error_t e;
  json_t *root = json_loadb((const char *)file + 8, (size_t)length, JSON_REJECT_DUPLICATES, &e);
  if (!root) return vb_fail(VB_BAD_INPUT, "header, byte %d: %s", e.position, e.text);
  vb_result r = json_is_object(root) ? parse_header(m, root, file + 8 + length, size - 8 - length)
                                     : vb_fail(VB_BAD_INPUT, "header is not a JSON object");
  json_decref(root);
  return r;
}

// Every tensor of shard `file`, now at the end of the list from `first`, must be mapped to it.
static vb_result check_mapped(const struct vb_model *m, uint32_t first, const json_t *map, const char *file) {
  for (uint32_t i = first; i < m->tensor_count; i++) {
    const char *to = json_string_value(json_object_get(map, m->tensors[i].name));
    if (!to) return vb_fail(VB_BAD_INPUT, "tensor '%s' is not in the index's weight_map", m->tensors[i].name);
    if (strcmp(to, file))
      return vb_fail(VB_BAD_INPUT, "tensor '%s' is mapped to '%.100s' by the index", m->tensors[i].name, to);
  }
  return VB_OK;
}

static vb_result load_mapped(struct vb_model *m, const json_t *map, json_t *done) {
  const char *name, *file;
  json_t *value;
  char path[4096];
  json_object_foreach((json_t *)(uintptr_t)map, name, value) {
    file = json_string_value(value);
    if (!file || !*file || strchr(file, '/') || file[0] == '.')
      return vb_fail(VB_BAD_INPUT, "weight_map of tensor '%.100s' is not a plain file name", name);
    if (json_object_get(done, file)) continue;
    if (json_object_set_new(done, file, json_true())) return vb_no_memory("shard list");
    if ((size_t)snprintf(path, sizeof path, "%s/%s", m->path, file) >= sizeof path)
      return vb_fail(VB_BAD_INPUT, "path of shard '%.100s' is too long", file);
    uint32_t first = m->tensor_count;
    vb_result r = load_shard(m, path);
    if (r == VB_OK) r = check_mapped(m, first, map, file);
    if (r != VB_OK) return vb_context(r, "shard '%s': ", file);
  }
  vb_result r = vb_sort_tensors(m);
  json_object_foreach((json_t *)(uintptr_t)map, name, value) {
    if (r == VB_OK && !vb_model_find(m, name))
      r = vb_fail(VB_BAD_INPUT, "tensor '%.100s' is not in shard '%.100s'", name, json_string_value(value));
  }
  return r;
}

static vb_result load_index(struct vb_model *m, const char *text) {
  json_error_t e;
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &e);
  if (!root) return vb_fail(VB_BAD_INPUT, "line %d: %s", e.line, e.text);
  const json_t *map = json_object_get(root, "weight_map");
  json_t *done = json_object();
  vb_result r = VB_OK;
  if (!json_object_size(map)) r = vb_fail(VB_BAD_INPUT, "no object 'weight_map' that names the shards");
  else r = done ? load_mapped(m, map, done) : vb_no_memory("shard list");
  json_decref(done);
  json_decref(root);
  return r;
}

static vb_result load_tensors(struct vb_model *m) {
  char path[4096];
  char *index;
  snprintf(path, sizeof path, "%s/model.safetensors", m->path);
  if (!access(path, F_OK)) return vb_context(load_shard(m, path), "model.safetensors: ");
  snprintf(path, sizeof path, "%s/model.safetensors.index.json", m->path);
  vb_result r = vb_read_text(m->arena, path, MAX_INDEX, true, &index);
  if (r == VB_OK && index) r = load_index(m, index);
  if (r != VB_OK) return vb_context(r, "model.safetensors.index.json: ");
  if (index) return VB_OK;
  return vb_fail(VB_BAD_INPUT, "neither model.safetensors nor model.safetensors.index.json found");
}

vb_result vb_load_directory(struct vb_model *m) {
  char path[4096];
  if (strlen(m->path) > 3800) return vb_fail(VB_BAD_INPUT, "path is too long");
  snprintf(path, sizeof path, "%s/config.json", m->path);
  vb_result r = vb_read_text(m->arena, path, MAX_CONFIG, false, &m->config_text);
  if (r != VB_OK) return vb_context(r, "config.json: ");
  snprintf(path, sizeof path, "%s/tokenizer.json", m->path);
  r = vb_read_text(m->arena, path, MAX_TOKENIZER, true, &m->tokenizer_text);
  if (r != VB_OK) return vb_context(r, "tokenizer.json: ");
  return load_tensors(m);
}
