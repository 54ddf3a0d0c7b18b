// SPDX-License-Identifier: Apache-2.0
//
// Reference counts and the registry of live objects. Handles are looked up, not dereferenced, so
// a stale or wrong handle gives its CL_INVALID_* code rather than a crash.
#include "icd.h"

#include <string.h>

#define BUCKETS 1024u

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vb_object *registry[BUCKETS];
static uint64_t last_serial;

static struct vb_object **bucket_of(const void *handle) {
  uint64_t key = (uint64_t)(uintptr_t)handle >> 4;
  return &registry[(key * 0x9e3779b97f4a7c15u) >> 54];
}

static struct vb_object *find(const void *handle, enum vb_kind kind) {
  struct vb_object *object = handle == NULL ? NULL : *bucket_of(handle);
  while (object != NULL && (const void *)object != handle) object = object->next;
  return object != NULL && object->kind == kind ? object : NULL;
}

void vb_object_init(struct vb_object *object, enum vb_kind kind, void (*destroy)(struct vb_object *object)) {
  object->dispatch = &vb_dispatch;
  object->kind = kind;
  object->api_refs = 1;
  object->refs = 1;
  object->destroy = destroy;
  pthread_mutex_lock(&registry_lock);
  object->serial = ++last_serial;
  struct vb_object **bucket = bucket_of(object);
  object->next = *bucket;
  *bucket = object;
  pthread_mutex_unlock(&registry_lock);
}

void vb_ref(struct vb_object *object) {
  pthread_mutex_lock(&registry_lock);
  object->refs++;
  pthread_mutex_unlock(&registry_lock);
}

void vb_unref(struct vb_object *object) {
  if (object == NULL) return;
  pthread_mutex_lock(&registry_lock);
  bool last = --object->refs == 0;
  if (last) {
    struct vb_object **link = bucket_of(object);
    while (*link != object) link = &(*link)->next;
    *link = object->next;
  }
  pthread_mutex_unlock(&registry_lock);
  if (last) object->destroy(object);
}

bool vb_valid(const void *handle, enum vb_kind kind) {
  pthread_mutex_lock(&registry_lock);
  bool valid = find(handle, kind) != NULL;
  pthread_mutex_unlock(&registry_lock);
  return valid;
}

bool vb_ref_if_live(const void *handle, enum vb_kind kind, uint64_t serial) {
  pthread_mutex_lock(&registry_lock);
  struct vb_object *object = find(handle, kind);
  bool live = object != NULL && object->serial == serial;
  if (live) object->refs++;
  pthread_mutex_unlock(&registry_lock);
  return live;
}

cl_int vb_api_retain(void *handle, enum vb_kind kind, cl_int invalid) {
  pthread_mutex_lock(&registry_lock);
  struct vb_object *object = find(handle, kind);
  // A released queue has lost its worker; any other object that something still holds (the context
  // of a live buffer, the program of a live kernel) may be picked up again.
  if (object != NULL && object->api_refs == 0 && object->closed != NULL) object = NULL;
  if (object != NULL && object->api_refs++ == 0) object->refs++;
  pthread_mutex_unlock(&registry_lock);
  return object != NULL ? CL_SUCCESS : invalid;
}

cl_int vb_api_release(void *handle, enum vb_kind kind, cl_int invalid) {
  pthread_mutex_lock(&registry_lock);
  struct vb_object *object = find(handle, kind);
  bool valid = object != NULL && object->api_refs > 0;
  bool last = valid && --object->api_refs == 0;
  pthread_mutex_unlock(&registry_lock);
  if (!valid) return invalid;
  if (last && object->closed != NULL) object->closed(object);
  if (last) vb_unref(object);
  return CL_SUCCESS;
}

cl_uint vb_api_refs(const struct vb_object *object) {
  pthread_mutex_lock(&registry_lock);
  cl_uint refs = object->api_refs;
  pthread_mutex_unlock(&registry_lock);
  return refs;
}

cl_int vb_info(size_t size, void *value, size_t *size_ret, const void *data, size_t bytes) {
  if (value != NULL) {
    if (size < bytes) return CL_INVALID_VALUE;
    if (bytes > 0) memcpy(value, data, bytes);
  }
  if (size_ret != NULL) *size_ret = bytes;
  return CL_SUCCESS;
}

cl_int vb_info_string(size_t size, void *value, size_t *size_ret, const char *text) {
  return vb_info(size, value, size_ret, text, strlen(text) + 1);
}
