// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void vb_file_temp_name(const char *path, char *tmp, size_t size) {
  static atomic_uint serial;
  snprintf(tmp, size, "%s.tmp.%ld.%u", path, (long)getpid(), atomic_fetch_add(&serial, 1));
}

FILE *vb_file_begin(const char *path, char *tmp, size_t size) {
  vb_file_temp_name(path, tmp, size);
  FILE *f = fopen(tmp, "wb");
  if (!f) (void)vb_fail(VB_BAD_INPUT, "%s: cannot write: %s", path, strerror(errno));
  return f;
}

static vb_result sync_directory(const char *path) {
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s", path);
  int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return vb_fail(VB_DEVICE, "%s: cannot open its directory: %s", path, strerror(errno));
  fsync(fd); // some file systems refuse this on directories; the rename itself has succeeded
  close(fd);
  return VB_OK;
}

vb_result vb_file_publish(const char *tmp, const char *path) {
  int fd = open(tmp, O_RDONLY);
  if (fd < 0 || fsync(fd)) {
    vb_result r = vb_fail(VB_DEVICE, "%s: cannot sync: %s", tmp, strerror(errno));
    if (fd >= 0) close(fd);
    unlink(tmp);
    return r;
  }
  close(fd);
  if (rename(tmp, path)) {
    vb_result r = vb_fail(VB_DEVICE, "%s: cannot rename to %s: %s", tmp, path, strerror(errno));
    unlink(tmp);
    return r;
  }
  return sync_directory(path);
}

vb_result vb_file_commit(FILE *f, const char *tmp, const char *path) {
  bool bad = ferror(f) || fflush(f);
  if (fclose(f) || bad) {
    unlink(tmp);
    return vb_fail(VB_DEVICE, "%s: write failed: %s", path, strerror(errno));
  }
  return vb_file_publish(tmp, path);
}

vb_result vb_write_json(const struct json_t *root, const char *path) {
  char tmp[PATH_MAX];
  FILE *f = vb_file_begin(path, tmp, sizeof tmp);
  if (!f) return VB_BAD_INPUT;
  if (json_dumpf((const json_t *)root, f, JSON_INDENT(1) | JSON_SORT_KEYS) || fputc('\n', f) == EOF) {
    fclose(f);
    unlink(tmp);
    return vb_fail(VB_DEVICE, "%s: write failed", path);
  }
  return vb_file_commit(f, tmp, path);
}

vb_result vb_read_file(const char *path, size_t limit, char **text, size_t *size) {
  FILE *f = fopen(path, "rb");
  if (!f) return vb_fail(VB_BAD_INPUT, "%s: %s", path, strerror(errno));
  size_t capacity = 65536, n = 0;
  char *data = malloc(capacity);
  while (data) {
    n += fread(data + n, 1, capacity - n - 1, f);
    if (feof(f) || ferror(f) || n > limit) break;
    char *bigger = realloc(data, capacity *= 2);
    if (!bigger) free(data);
    data = bigger;
  }
  bool bad = ferror(f);
  fclose(f);
  if (!data) return vb_fail(VB_DEVICE, "%s: out of memory", path);
  if (bad || n > limit) {
    free(data);
    return vb_fail(VB_BAD_INPUT, bad ? "%s: read error" : "%s: larger than the limit of %zu bytes", path, limit);
  }
  data[n] = 0;
  *text = data;
  if (size) *size = n;
  return VB_OK;
}

uint64_t vb_now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
