// SPDX-License-Identifier: Apache-2.0
#include "base/h5.h"
#include "base/file.h"
#include "num/tables.h"
#include "vb_version.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static char command_line[2048];

static hid_t native(enum vb_h5_type t) {
  switch (t) {
  case VB_H5_U8: return H5T_NATIVE_UINT8;
  case VB_H5_I8: return H5T_NATIVE_INT8;
  case VB_H5_I16: return H5T_NATIVE_INT16;
  case VB_H5_U32: return H5T_NATIVE_UINT32;
  case VB_H5_I32: return H5T_NATIVE_INT32;
  case VB_H5_U64: return H5T_NATIVE_UINT64;
  case VB_H5_I64: return H5T_NATIVE_INT64;
  case VB_H5_F32: return H5T_NATIVE_FLOAT;
  case VB_H5_F64: return H5T_NATIVE_DOUBLE;
  }
  return -1;
}

size_t vb_h5_bytes(enum vb_h5_type t) { return H5Tget_size(native(t)); }

/// HDF5 prints its own stack traces by default; ours name the file and the object instead.
static void quiet(void) { H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

/// The first 512 bytes of our files (HDF5 leaves them to us) seal the rest: "Verbatim file 1\nbytes N\nxxh64 H\n".
enum { SEAL_BYTES = 512 };
static const char seal_magic[] = "Verbatim file 1\n";

static void print_seal(char seal[SEAL_BYTES], uint64_t bytes, uint64_t hash) {
  memset(seal, '\n', SEAL_BYTES);
  int n = snprintf(seal, SEAL_BYTES, "%sbytes %" PRIu64 "\nxxh64 %016" PRIx64 "\n", seal_magic, bytes, hash);
  seal[n] = '\n';
}

/// Seal of the file as it is, and the one that it carries.
static vb_result read_seal(int fd, const char *path, char want[SEAL_BYTES], char have[SEAL_BYTES]) {
  struct stat st;
  XXH64_state_t *h = XXH64_createState();
  static const size_t chunk = 1 << 20;
  char *buffer = malloc(chunk);
  ssize_t n = 0;
  vb_result r = VB_OK;
  if (!h || !buffer) r = vb_fail(VB_DEVICE, "out of memory");
  else if (fstat(fd, &st) || st.st_size < SEAL_BYTES || pread(fd, have, SEAL_BYTES, 0) != SEAL_BYTES)
    r = vb_fail(VB_BAD_INPUT, "%s: too short to be a file of ours", path);
  if (!r) XXH64_reset(h, 0);
  for (off_t at = SEAL_BYTES; !r && (n = pread(fd, buffer, chunk, at)) > 0; at += n) XXH64_update(h, buffer, (size_t)n);
  if (!r && n < 0) r = vb_fail(VB_DEVICE, "%s: read error", path);
  if (!r) print_seal(want, (uint64_t)st.st_size, XXH64_digest(h));
  if (h) XXH64_freeState(h);
  free(buffer);
  return r;
}

static vb_result write_seal(const char *path) {
  char want[SEAL_BYTES], have[SEAL_BYTES];
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return vb_fail(VB_DEVICE, "%s: cannot seal", path);
  vb_result r = read_seal(fd, path, want, have);
  if (!r && pwrite(fd, want, SEAL_BYTES, 0) != SEAL_BYTES) r = vb_fail(VB_DEVICE, "%s: cannot seal", path);
  close(fd);
  return r;
}

hid_t vb_h5_create(const char *path, char *tmp, size_t size) {
  quiet();
  vb_file_temp_name(path, tmp, size);
  hid_t plist = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_userblock(plist, SEAL_BYTES);
  hid_t f = H5Fcreate(tmp, H5F_ACC_EXCL, plist, H5P_DEFAULT);
  H5Pclose(plist);
  if (f < 0) (void)vb_fail(VB_BAD_INPUT, "%s: cannot create an HDF5 file there", path);
  return f;
}

vb_result vb_h5_publish(hid_t file, const char *tmp, const char *path, vb_result earlier) {
  if (H5Fclose(file) < 0 && !earlier) earlier = vb_fail(VB_DEVICE, "%s: write failed", path);
  if (!earlier) earlier = write_seal(tmp);
  if (earlier) {
    unlink(tmp);
    return earlier;
  }
  return vb_file_publish(tmp, path);
}

hid_t vb_h5_open(const char *path) {
  quiet();
  if (access(path, R_OK)) {
    (void)vb_fail(VB_BAD_INPUT, "%s: cannot read this file", path);
    return -1;
  }
  hid_t f = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (f < 0) (void)vb_fail(VB_BAD_INPUT, "%s: not a complete HDF5 file", path);
  return f;
}

bool vb_h5_has_seal(const char *path) {
  char start[sizeof seal_magic - 1];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool ours = fd >= 0 && read(fd, start, sizeof start) == sizeof start && !memcmp(start, seal_magic, sizeof start);
  if (fd >= 0) close(fd);
  return ours;
}

hid_t vb_h5_open_sealed(const char *path) {
  char want[SEAL_BYTES], have[SEAL_BYTES];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    (void)vb_fail(VB_BAD_INPUT, "%s: %s", path, strerror(errno));
    return -1;
  }
  vb_result r = read_seal(fd, path, want, have);
  close(fd);
  if (!r && memcmp(have, seal_magic, sizeof seal_magic - 1))
    r = vb_fail(VB_BAD_INPUT, "%s: not a file of ours (no seal)", path);
  if (!r && memcmp(have, want, SEAL_BYTES))
    r = vb_fail(VB_BAD_INPUT, "%s: damaged: its length or checksum (xxh64) does not match", path);
  return r ? -1 : vb_h5_open(path);
}

vb_result vb_h5_write(hid_t file, const char *name, enum vb_h5_type type, int rank, const uint64_t *dim,
                      const void *data) {
  hsize_t d[4] = {0};
  for (int i = 0; i < rank; i++) d[i] = dim[i];
  hid_t lcpl = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(lcpl, 1);
  hid_t space = H5Screate_simple(rank, d, NULL);
  hid_t set = H5Dcreate2(file, name, native(type), space, lcpl, H5P_DEFAULT, H5P_DEFAULT);
  herr_t e = set < 0                               ? -1
             : H5Sget_simple_extent_npoints(space) ? H5Dwrite(set, native(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data)
                                                   : 0;
  if (set >= 0) H5Dclose(set);
  H5Sclose(space);
  H5Pclose(lcpl);
  return e < 0 ? vb_fail(VB_DEVICE, "cannot write dataset %s", name) : VB_OK;
}

static vb_result read_open(hid_t set, const char *name, enum vb_h5_type type, size_t limit, void **data, int *rank,
                           uint64_t dim[4]) {
  hid_t stored = H5Dget_type(set), space = H5Dget_space(set);
  hsize_t d[4] = {0};
  vb_result r = VB_OK;
  *rank = H5Sget_simple_extent_ndims(space);
  if (H5Tget_class(stored) != H5Tget_class(native(type)) || H5Tget_size(stored) != vb_h5_bytes(type))
    r = vb_fail(VB_BAD_INPUT, "dataset %s has another element type", name);
  else if (*rank < 0 || *rank > 4)
    r = vb_fail(VB_BAD_INPUT, "dataset %s has %d dimensions, at most 4 are allowed", name, *rank);
  else H5Sget_simple_extent_dims(space, d, NULL);
  uint64_t n = 1;
  for (int i = 0; !r && i < *rank; i++) {
    dim[i] = d[i];
    if (d[i] && n > limit / vb_h5_bytes(type) / d[i])
      r = vb_fail(VB_BAD_INPUT, "dataset %s is larger than the limit of %zu bytes", name, limit);
    n *= d[i];
  }
  if (!r) {
    *data = malloc(n ? n * vb_h5_bytes(type) : 1);
    if (!*data) r = vb_fail(VB_DEVICE, "out of memory for dataset %s", name);
    else if (n && H5Dread(set, native(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, *data) < 0) {
      free(*data);
      *data = NULL;
      r = vb_fail(VB_BAD_INPUT, "dataset %s cannot be read: the file is damaged", name);
    }
  }
  H5Tclose(stored);
  H5Sclose(space);
  return r;
}

vb_result vb_h5_read(hid_t file, const char *name, enum vb_h5_type type, size_t limit, void **data, int *rank,
                     uint64_t dim[4]) {
  *data = NULL;
  hid_t set = H5Lexists(file, name, H5P_DEFAULT) > 0 ? H5Dopen2(file, name, H5P_DEFAULT) : -1;
  if (set < 0) return vb_fail(VB_BAD_INPUT, "dataset %s is missing", name);
  vb_result r = read_open(set, name, type, limit, data, rank, dim);
  H5Dclose(set);
  return r;
}

vb_result vb_h5_set_u64(hid_t object, const char *name, uint64_t v) {
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t a = H5Acreate2(object, name, H5T_NATIVE_UINT64, space, H5P_DEFAULT, H5P_DEFAULT);
  herr_t e = a < 0 ? -1 : H5Awrite(a, H5T_NATIVE_UINT64, &v);
  if (a >= 0) H5Aclose(a);
  H5Sclose(space);
  return e < 0 ? vb_fail(VB_DEVICE, "cannot write attribute %s", name) : VB_OK;
}

vb_result vb_h5_set_text(hid_t object, const char *name, const char *text) {
  hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, strlen(text) + 1);
  hid_t a = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  herr_t e = a < 0 ? -1 : H5Awrite(a, type, text);
  if (a >= 0) H5Aclose(a);
  H5Tclose(type);
  H5Sclose(space);
  return e < 0 ? vb_fail(VB_DEVICE, "cannot write attribute %s", name) : VB_OK;
}

vb_result vb_h5_get_u64(hid_t object, const char *name, uint64_t *v) {
  hid_t a = H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
  herr_t e = a < 0 ? -1 : H5Aread(a, H5T_NATIVE_UINT64, v);
  if (a >= 0) H5Aclose(a);
  return e < 0 ? vb_fail(VB_BAD_INPUT, "attribute %s is missing or damaged", name) : VB_OK;
}

vb_result vb_h5_get_text(hid_t object, const char *name, char **text) {
  *text = NULL;
  hid_t a = H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
  if (a < 0) return vb_fail(VB_BAD_INPUT, "attribute %s is missing", name);
  hid_t type = H5Aget_type(a);
  size_t n = H5Tget_size(type);
  vb_result r = VB_OK;
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) || n > 16u << 20)
    r = vb_fail(VB_BAD_INPUT, "attribute %s is not a text of at most 16 MiB", name);
  else if (!(*text = calloc(n + 1, 1))) r = vb_fail(VB_DEVICE, "out of memory for attribute %s", name);
  else if (H5Aread(a, type, *text) < 0) r = vb_fail(VB_BAD_INPUT, "attribute %s is damaged", name);
  if (r) free(*text), *text = NULL;
  H5Tclose(type);
  H5Aclose(a);
  return r;
}

void vb_h5_set_command(int argc, char **argv) {
  size_t at = 0;
  for (int i = 0; i < argc && at < sizeof command_line; i++)
    at += (size_t)snprintf(command_line + at, sizeof command_line - at, "%s%s", i ? " " : "", argv[i]);
}

vb_result vb_h5_set_provenance(hid_t file) {
  vb_result r = vb_h5_set_text(file, "created_by", "verbatim " VB_VERSION " (" VB_COMMIT ")");
  if (!r) r = vb_h5_set_u64(file, "dirty", VB_DIRTY);
  if (!r) r = vb_h5_set_text(file, "tables_sha256", vb_tables_sha256);
  if (!r && command_line[0]) r = vb_h5_set_text(file, "command", command_line);
  return r;
}
