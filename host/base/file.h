// SPDX-License-Identifier: Apache-2.0
/// @file file.h
/// Files that are either complete or absent: written under a temporary name, synced, then renamed.
#ifndef VERBATIM_BASE_FILE_H
#define VERBATIM_BASE_FILE_H
#include "verbatim/result.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_t;

/// Start writing `path`: returns a stream on a temporary file beside it and its name in tmp (size PATH_MAX), or NULL.
FILE *vb_file_begin(const char *path, char *tmp, size_t size);
/// Sync and rename (ok), or remove the temporary file. The stream is closed in any case.
vb_result vb_file_commit(FILE *f, const char *tmp, const char *path);
/// The same for a file that a library wrote and closed under `tmp` (HDF5).
vb_result vb_file_publish(const char *tmp, const char *path);
/// A temporary name beside `path`.
void vb_file_temp_name(const char *path, char *tmp, size_t size);
/// JSON with sorted keys, indented.
vb_result vb_write_json(const struct json_t *root, const char *path);
/// Whole file in memory (malloc, zero terminated), at most `limit` bytes.
vb_result vb_read_file(const char *path, size_t limit, char **text, size_t *size);
/// Monotonic clock, nanoseconds.
uint64_t vb_now_ns(void);
#endif
