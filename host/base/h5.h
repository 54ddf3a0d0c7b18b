// SPDX-License-Identifier: Apache-2.0
/// @file h5.h
/// The few HDF5 calls we need, with our error messages: whole arrays and scalar attributes.
#ifndef VERBATIM_BASE_H5_H
#define VERBATIM_BASE_H5_H
#include "verbatim/result.h"
#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Element types of our files.
enum vb_h5_type { VB_H5_U8, VB_H5_I8, VB_H5_I16, VB_H5_U32, VB_H5_I32, VB_H5_U64, VB_H5_I64, VB_H5_F32, VB_H5_F64 };
size_t vb_h5_bytes(enum vb_h5_type t);

/// Create `path` under a temporary name (returned in tmp); finish with vb_h5_publish. -1 and a message on failure.
hid_t vb_h5_create(const char *path, char *tmp, size_t size);
/// Close, sync and rename; on `earlier` failure remove the temporary file and return it.
vb_result vb_h5_publish(hid_t file, const char *tmp, const char *path, vb_result earlier);
/// Open a file of ours read-only, after its seal (length and xxh64) was checked: HDF5's parser does not survive every damaged
/// file. -1 and a message that names the file.
hid_t vb_h5_open_sealed(const char *path);
/// Whether the file begins as vb_h5_create makes them.
bool vb_h5_has_seal(const char *path);
/// Open any HDF5 file read-only; -1 and a message that names the file.
hid_t vb_h5_open(const char *path);

vb_result vb_h5_write(hid_t file, const char *name, enum vb_h5_type type, int rank, const uint64_t *dim,
                      const void *data);
/// Read a whole dataset of at most `limit` bytes; *data is malloc'ed. Its stored type must have this class and size.
vb_result vb_h5_read(hid_t file, const char *name, enum vb_h5_type type, size_t limit, void **data, int *rank,
                     uint64_t dim[4]);
vb_result vb_h5_set_u64(hid_t object, const char *name, uint64_t v);
vb_result vb_h5_set_text(hid_t object, const char *name, const char *text);
vb_result vb_h5_get_u64(hid_t object, const char *name, uint64_t *v);
/// *text is malloc'ed, at most 16 MiB.
vb_result vb_h5_get_text(hid_t object, const char *name, char **text);
/// Provenance: version, table hash, command line (if set with vb_h5_set_command), as attributes of the file.
vb_result vb_h5_set_provenance(hid_t file);
void vb_h5_set_command(int argc, char **argv);
#endif
