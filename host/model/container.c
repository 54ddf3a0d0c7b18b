// SPDX-License-Identifier: Apache-2.0
// The HDF5 container: one sealed file that gives back the same bits as the checkpoint it was made from.
//
//     user block (512 bytes)  "Verbatim model 1\nbytes N\nxxh64 H\n": length of the file, hash of all that follows it
//     /config.json            text (uint8), attribute xxh64
//     /tokenizer.json         the same, if the checkpoint has one
//     /tensors/NAME           uint16 (BF16, F16) or float32, attributes dtype and xxh64
//     attributes of /         created_by, tables_sha256, source
//
// The seal is checked before the HDF5 library sees a byte, because its parser does not survive every damaged file.
#include "base/file.h"
#include "model/synthetic.h"
#include "num/tables.h"
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#if __has_include("vb_version.h")
#include "vb_version.h"
#else
#define VB_VERSION "unknown"
#endif

enum { SEAL_BYTES = 512, MAX_TEXT = 256 << 20 };
static const char seal_magic[] = "Verbatim model 1\n";

// HDF5 prints its own error stacks by default; ours go through vb_fail.
struct quiet {
  H5E_auto2_t handler;
  void *data;
};
static struct quiet quiet_begin(void) {
  struct quiet q = {NULL, NULL};
  H5Eget_auto2(H5E_DEFAULT, &q.handler, &q.data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  return q;
}
static void quiet_end(struct quiet q) { H5Eset_auto2(H5E_DEFAULT, q.handler, q.data); }

static hid_t file_type(enum vb_dtype d) {
  if (d == VB_F32) return H5T_IEEE_F32LE;
  if (d == VB_I32) return H5T_STD_I32LE;
  return vb_dtype_bytes(d) == 1 ? H5T_STD_U8LE : H5T_STD_U16LE;
}

// --- writing ---

static bool put_text_attr(hid_t at, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, strlen(text) + 1);
  hid_t a = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  bool ok = a >= 0 && H5Awrite(a, type, text) >= 0;
  if (a >= 0) H5Aclose(a);
  H5Sclose(space);
  H5Tclose(type);
  return ok;
}

static bool put_hash_attr(hid_t at, uint64_t hash) {
  hid_t space = H5Screate(H5S_SCALAR);
  hid_t a = H5Acreate2(at, "xxh64", H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
  bool ok = a >= 0 && H5Awrite(a, H5T_NATIVE_UINT64, &hash) >= 0;
  if (a >= 0) H5Aclose(a);
  H5Sclose(space);
  return ok;
}

// Contiguous, without time stamps: the file depends on the model alone.
static bool put_data(hid_t at, const char *name, hid_t type, uint32_t rank, const hsize_t *dim, const void *data,
                     size_t bytes, const char *dtype) {
  hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple((int)rank, dim, NULL);
  H5Pset_obj_track_times(plist, false);
  hid_t d = H5Dcreate2(at, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  bool ok = d >= 0 && H5Dwrite(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
  ok = ok && put_hash_attr(d, XXH64(data, bytes, 0)) && (!dtype || put_text_attr(d, "dtype", dtype));
  if (d >= 0) H5Dclose(d);
  H5Sclose(space);
  H5Pclose(plist);
  return ok;
}

static bool put_text(hid_t at, const char *name, const char *text) {
  hsize_t n = strlen(text);
  return put_data(at, name, H5T_STD_U8LE, 1, &n, text, n, NULL);
}

static bool put_model(hid_t file, const struct vb_model *m) {
  const char *slash = strrchr(m->path, '/');
  bool ok = put_text_attr(file, "created_by", "verbatim " VB_VERSION) &&
            put_text_attr(file, "tables_sha256", vb_tables_sha256) &&
            put_text_attr(file, "source",
                          m->source           ? m->source
                          : slash && slash[1] ? slash + 1
                                              : m->path) &&
            put_text(file, "config.json", m->config_text) &&
            (!m->tokenizer_text || put_text(file, "tokenizer.json", m->tokenizer_text));
  hid_t group = H5Gcreate2(file, "tensors", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  for (uint32_t i = 0; i < m->stored_count && ok && group >= 0; i++) {
    const struct vb_tensor *t = &m->stored[i];
    hsize_t dim[4];
    for (uint32_t k = 0; k < t->rank; k++) dim[k] = t->dim[k];
    ok = put_data(group, t->name, file_type(t->dtype), t->rank, dim, t->data,
                  vb_tensor_count(t) * vb_dtype_bytes(t->dtype), vb_dtype_name(t->dtype));
  }
  if (group < 0) return false;
  H5Gclose(group);
  return ok;
}

static void print_seal(char seal[SEAL_BYTES], uint64_t bytes, uint64_t hash) {
  memset(seal, '\n', SEAL_BYTES);
  int n = snprintf(seal, SEAL_BYTES, "%sbytes %" PRIu64 "\nxxh64 %016" PRIx64 "\n", seal_magic, bytes, hash);
  seal[n] = '\n';
}

static vb_result map_file(struct vb_arena *a, int fd, const uint8_t **data, size_t *size) {
  struct stat st;
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) return vb_fail(VB_BAD_INPUT, "neither a directory nor a regular file");
  if (st.st_size <= SEAL_BYTES)
    return vb_fail(VB_BAD_INPUT, "not a Verbatim model container (%lld bytes)", (long long)st.st_size);
  *size = (size_t)st.st_size;
  *data = vb_arena_map(a, fd, *size);
  return *data ? VB_OK : vb_fail(VB_DEVICE, "cannot map the file: %s", strerror(errno));
}

static vb_result write_seal(const char *path) {
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return vb_fail(VB_DEVICE, "cannot reopen: %s", strerror(errno));
  struct vb_arena *a = vb_arena_new();
  const uint8_t *data;
  size_t size;
  vb_result r = a ? map_file(a, fd, &data, &size) : vb_no_memory("seal");
  if (r == VB_OK) {
    char seal[SEAL_BYTES];
    print_seal(seal, size, XXH64(data + SEAL_BYTES, size - SEAL_BYTES, 0));
    if (pwrite(fd, seal, SEAL_BYTES, 0) != SEAL_BYTES) r = vb_fail(VB_DEVICE, "cannot write: %s", strerror(errno));
  }
  vb_arena_free(a);
  if (close(fd) && r == VB_OK) r = vb_fail(VB_DEVICE, "cannot write: %s", strerror(errno));
  return r;
}

static vb_result write_file(const struct vb_model *m, const char *path) {
  hid_t create = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_userblock(create, SEAL_BYTES);
  hid_t file = H5Fcreate(path, H5F_ACC_EXCL, create, H5P_DEFAULT);
  H5Pclose(create);
  if (file < 0) return vb_fail(VB_BAD_INPUT, "cannot create: %s", errno ? strerror(errno) : "HDF5 failure");
  bool ok = put_model(file, m);
  if (H5Fclose(file) < 0 || !ok)
    return vb_fail(VB_DEVICE, "cannot write: %s", errno ? strerror(errno) : "HDF5 failure");
  return write_seal(path);
}

vb_result vb_model_save(const struct vb_model *m, const char *path) {
  char tmp[PATH_MAX];
  if (vb_is_synthetic(m->path))
    return vb_fail(VB_BAD_INPUT, "%.400s: synthetic weights are made anew everywhere, there is nothing to store",
                   m->path);
  if (strlen(path) > PATH_MAX - 64) return vb_fail(VB_BAD_INPUT, "%.400s: path is too long", path);
  vb_file_temp_name(path, tmp, sizeof tmp);
  struct quiet q = quiet_begin();
  errno = 0;
  vb_result r = write_file(m, tmp);
  quiet_end(q);
  if (r != VB_OK) {
    unlink(tmp);
    return vb_context(r, "%.400s: ", path);
  }
  return vb_file_publish(tmp, path);
}

// --- reading ---

// The whole file stays mapped: tensors are used where they are.
struct mapping {
  const uint8_t *data;
  size_t size;
};

static vb_result check_seal(struct vb_model *m, struct mapping *map) {
  int fd = open(m->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return vb_fail(VB_BAD_INPUT, "cannot open: %s", strerror(errno));
  const uint8_t *data = NULL;
  size_t size = 0;
  vb_result r = map_file(m->arena, fd, &data, &size);
  close(fd);
  if (r != VB_OK) return r;
  char seal[SEAL_BYTES + 1], want[SEAL_BYTES];
  memcpy(seal, data, SEAL_BYTES);
  seal[SEAL_BYTES] = 0;
  uint64_t bytes;
  if (memcmp(seal, seal_magic, sizeof seal_magic - 1))
    return vb_fail(VB_BAD_INPUT,
                   "not a Verbatim model container (a model is a directory or a file made by `verbatim import`)");
  if (sscanf(seal + sizeof seal_magic - 1, "bytes %" SCNu64, &bytes) == 1 && bytes != size)
    return vb_fail(VB_BAD_INPUT, "container has %zu bytes, was written with %" PRIu64 ": truncated or extended", size,
                   bytes);
  *map = (struct mapping){data, size};
  print_seal(want, size, XXH64(data + SEAL_BYTES, size - SEAL_BYTES, 0));
  if (memcmp(seal, want, SEAL_BYTES))
    return vb_fail(VB_BAD_INPUT, "container is damaged: its checksum (xxh64) does not match");
  return VB_OK;
}

static bool get_text_attr(hid_t at, const char *name, char *text, size_t size) {
  hid_t a = H5Aopen(at, name, H5P_DEFAULT);
  if (a < 0) return false;
  hid_t type = H5Aget_type(a);
  bool ok = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 && H5Tget_size(type) <= size &&
            H5Aread(a, type, text) >= 0;
  text[ok ? H5Tget_size(type) - 1 : 0] = 0;
  H5Tclose(type);
  H5Aclose(a);
  return ok;
}

static bool get_hash_attr(hid_t at, uint64_t *hash) {
  hid_t a = H5Aopen(at, "xxh64", H5P_DEFAULT);
  if (a < 0) return false;
  hid_t space = H5Aget_space(a);
  bool ok = H5Sget_simple_extent_npoints(space) == 1 && H5Aread(a, H5T_NATIVE_UINT64, hash) >= 0;
  H5Sclose(space);
  H5Aclose(a);
  return ok;
}

// Find a dataset of exactly this type in the mapping, and check its hash.
static vb_result get_data(const struct mapping *map, hid_t d, hid_t type, size_t item, uint32_t *rank, uint64_t dim[4],
                          const void **data) {
  hid_t have = H5Dget_type(d), space = H5Dget_space(d);
  int n = H5Sget_simple_extent_ndims(space);
  hsize_t extent[4] = {0};
  bool ok = H5Tequal(have, type) > 0 && n >= 1 && n <= 4 && H5Sget_simple_extent_dims(space, extent, NULL) == n;
  H5Tclose(have);
  H5Sclose(space);
  uint64_t bytes = item, hash;
  for (int i = 0; i < n && ok; i++) ok = extent[i] && !__builtin_mul_overflow(bytes, extent[i], &bytes);
  if (!ok || H5Dget_storage_size(d) != bytes) return vb_fail(VB_BAD_INPUT, "has the wrong type, shape or storage");
  const haddr_t at = H5Dget_offset(d); // of a contiguous dataset, from the file's start
  if (at == HADDR_UNDEF || at > map->size || bytes > map->size - at)
    return vb_fail(VB_BAD_INPUT, "is not stored in one piece inside of the file");
  if (!get_hash_attr(d, &hash)) return vb_fail(VB_BAD_INPUT, "has no attribute xxh64");
  if (hash != XXH64(map->data + at, bytes, 0)) return vb_fail(VB_BAD_INPUT, "does not match its checksum (xxh64)");
  *rank = (uint32_t)n;
  for (int i = 0; i < n; i++) dim[i] = extent[i];
  *data = map->data + at;
  return VB_OK;
}

static vb_result get_text(struct vb_model *m, const struct mapping *map, hid_t file, const char *name, bool optional,
                          char **text) {
  if (optional && H5Lexists(file, name, H5P_DEFAULT) == 0) return VB_OK;
  hid_t d = H5Dopen2(file, name, H5P_DEFAULT);
  if (d < 0) return vb_fail(VB_BAD_INPUT, "dataset '%s' is missing", name);
  uint32_t rank = 0;
  uint64_t dim[4] = {0};
  const void *data = NULL;
  vb_result r = get_data(map, d, H5T_STD_U8LE, 1, &rank, dim, &data);
  H5Dclose(d);
  if (r != VB_OK) return vb_context(r, "dataset '%s' ", name);
  if (rank != 1 || memchr(data, 0, dim[0])) return vb_fail(VB_BAD_INPUT, "dataset '%s' is not a text", name);
  *text = vb_arena_alloc(m->arena, dim[0] + 1, 1);
  if (!*text) return vb_no_memory("text");
  memcpy(*text, data, dim[0]);
  return VB_OK;
}

static vb_result get_tensor(struct vb_model *m, const struct mapping *map, hid_t group, const char *name,
                            struct vb_tensor *t) {
  char dtype[16] = "";
  t->name = vb_arena_text(m->arena, name);
  if (!t->name) return vb_no_memory("tensor names");
  hid_t d = H5Dopen2(group, name, H5P_DEFAULT);
  if (d < 0) return vb_fail(VB_BAD_INPUT, "is not a dataset");
  vb_result r = VB_OK;
  if (!get_text_attr(d, "dtype", dtype, sizeof dtype)) r = vb_fail(VB_BAD_INPUT, "has no attribute dtype");
  uint32_t code = 0;
  while (code < VB_FP8_BLOCK && strcmp(dtype, vb_dtype_name((enum vb_dtype)code))) code++;
  t->dtype = (enum vb_dtype)code;
  if (r == VB_OK && code == VB_FP8_BLOCK) r = vb_fail(VB_BAD_INPUT, "has unknown dtype '%s'", dtype);
  if (r == VB_OK) r = get_data(map, d, file_type(t->dtype), vb_dtype_bytes(t->dtype), &t->rank, t->dim, &t->data);
  H5Dclose(d);
  return r;
}

static vb_result get_tensors(struct vb_model *m, const struct mapping *map, hid_t group) {
  H5G_info_t info;
  if (H5Gget_info(group, &info) < 0 || !info.nlinks || info.nlinks > 1u << 24)
    return vb_fail(VB_BAD_INPUT, "group 'tensors' is empty or unreadable");
  m->tensors = vb_arena_alloc(m->arena, info.nlinks, sizeof *m->tensors);
  if (!m->tensors) return vb_no_memory("tensor list");
  for (hsize_t i = 0; i < info.nlinks; i++) {
    char name[VB_MAX_NAME];
    ssize_t n = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    if (n < 1 || n >= (ssize_t)sizeof name)
      return vb_fail(VB_BAD_INPUT, "tensor %llu has no valid name", (unsigned long long)i);
    vb_result r = vb_check_name(name);
    if (r != VB_OK) return r;
    r = get_tensor(m, map, group, name, &m->tensors[i]);
    if (r != VB_OK) return vb_context(r, "tensor '%s' ", name);
  }
  m->tensor_count = (uint32_t)info.nlinks;
  return VB_OK;
}

static vb_result get_provenance(struct vb_model *m, hid_t file) {
  char source[VB_MAX_NAME * 2], creator[VB_MAX_NAME];
  if (!get_text_attr(file, "source", source, sizeof source) ||
      !get_text_attr(file, "created_by", creator, sizeof creator))
    return vb_fail(VB_BAD_INPUT, "attributes source and created_by are missing");
  m->source = vb_arena_text(m->arena, source);
  m->created_by = vb_arena_text(m->arena, creator);
  return m->source && m->created_by ? VB_OK : vb_no_memory("provenance");
}

static vb_result read_file(struct vb_model *m, const struct mapping *map) {
  hid_t file = H5Fopen(m->path, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0) return vb_fail(VB_BAD_INPUT, "HDF5 cannot open the container");
  vb_result r = get_text(m, map, file, "config.json", false, &m->config_text);
  if (r == VB_OK) r = get_text(m, map, file, "tokenizer.json", true, &m->tokenizer_text);
  if (r == VB_OK) r = get_provenance(m, file);
  hid_t group = r == VB_OK ? H5Gopen2(file, "tensors", H5P_DEFAULT) : -1;
  if (r == VB_OK) r = group < 0 ? vb_fail(VB_BAD_INPUT, "group 'tensors' is missing") : get_tensors(m, map, group);
  if (group >= 0) H5Gclose(group);
  H5Fclose(file);
  return r;
}

vb_result vb_load_container(struct vb_model *m) {
  struct mapping map;
  vb_result r = check_seal(m, &map);
  if (r != VB_OK) return r;
  struct quiet q = quiet_begin();
  r = read_file(m, &map);
  quiet_end(q);
  return r;
}
