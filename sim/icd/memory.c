// SPDX-License-Identifier: Apache-2.0
//
// Buffers and sub-buffers. Device memory is reserved when the buffer is made, so running out of it
// shows at once; a sub-buffer is a window into its parent's range.
#include "entries.h"

#include <stdlib.h>

#define HOST_FLAGS ((cl_mem_flags)(CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS))
#define ACCESS_FLAGS ((cl_mem_flags)(CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY))
#define POINTER_FLAGS ((cl_mem_flags)(CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR))

static void destroy(struct vb_object *object) {
  cl_mem mem = (cl_mem)object;
  while (mem->destructors != NULL) { // newest first, as OpenCL wants
    struct vb_destructor *d = mem->destructors;
    mem->destructors = d->next;
    d->call(mem, d->user);
    free(d);
  }
  while (mem->maps != NULL) { // never unmapped
    struct vb_map *map = mem->maps;
    mem->maps = map->next;
    free(map->staging);
    free(map);
  }
  if (mem->parent != NULL) vb_unref(&mem->parent->object);
  else vb_device_free(mem->context->device, mem->address);
  vb_unref(&mem->context->object);
  pthread_mutex_destroy(&mem->lock);
  free(mem);
}

static bool at_most_one(cl_mem_flags flags) { return (flags & (flags - 1)) == 0; }

static cl_int check_flags(cl_mem_flags flags, const void *host_ptr) {
  if ((flags & ~(ACCESS_FLAGS | POINTER_FLAGS | HOST_FLAGS)) != 0) return CL_INVALID_VALUE;
  if (!at_most_one(flags & ACCESS_FLAGS) || !at_most_one(flags & HOST_FLAGS)) return CL_INVALID_VALUE;
  bool use = (flags & CL_MEM_USE_HOST_PTR) != 0;
  bool copy = (flags & CL_MEM_COPY_HOST_PTR) != 0;
  if (use && (copy || (flags & CL_MEM_ALLOC_HOST_PTR) != 0)) return CL_INVALID_VALUE;
  if ((use || copy) != (host_ptr != NULL)) return CL_INVALID_HOST_PTR;
  return CL_SUCCESS;
}

static cl_mem new_mem(cl_context context, size_t bytes, cl_mem_flags flags) {
  cl_mem mem = calloc(1, sizeof *mem);
  if (mem == NULL) return NULL;
  mem->context = context;
  mem->bytes = bytes;
  mem->flags = flags;
  pthread_mutex_init(&mem->lock, NULL);
  return mem;
}

static void discard(cl_mem mem) {
  pthread_mutex_destroy(&mem->lock);
  free(mem);
}

static cl_mem create(cl_context context, cl_mem_flags flags, size_t bytes, void *host_ptr, cl_int *error) {
  if ((flags & ACCESS_FLAGS) == 0) flags |= CL_MEM_READ_WRITE;
  cl_device_id device = context->device;
  cl_mem mem = new_mem(context, bytes, flags);
  if (mem == NULL) {
    *error = CL_OUT_OF_HOST_MEMORY;
    return NULL;
  }
  *error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  if (vb_device_alloc(device, bytes, &mem->address) != 0) {
    discard(mem);
    return NULL;
  }
  if (host_ptr != NULL && vb_device_write(device, mem->address, host_ptr, bytes) != 0) {
    vb_device_free(device, mem->address);
    discard(mem);
    return NULL;
  }
  if ((flags & CL_MEM_USE_HOST_PTR) != 0) mem->host_ptr = host_ptr;
  *error = CL_SUCCESS;
  return mem;
}

cl_mem CL_API_CALL vb_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host_ptr,
                                     cl_int *errcode_ret) {
  cl_int error = vb_valid(context, VB_CONTEXT) ? check_flags(flags, host_ptr) : CL_INVALID_CONTEXT;
  if (error == CL_SUCCESS && (bytes == 0 || bytes > vb_device_capacity(context->device)))
    error = CL_INVALID_BUFFER_SIZE;
  cl_mem mem = error == CL_SUCCESS ? create(context, flags, bytes, host_ptr, &error) : NULL;
  vb_set_error(errcode_ret, error);
  if (mem == NULL) return NULL;
  vb_ref(&context->object);
  vb_object_init(&mem->object, VB_MEM, destroy);
  return mem;
}

// What a sub-buffer does not say it has from its parent; it may not widen the parent's access.
static cl_int inherit_flags(cl_mem_flags parent, cl_mem_flags *flags) {
  cl_mem_flags access = *flags & ACCESS_FLAGS, host = *flags & HOST_FLAGS;
  if ((*flags & ~(ACCESS_FLAGS | HOST_FLAGS)) != 0 || !at_most_one(access) || !at_most_one(host))
    return CL_INVALID_VALUE;
  cl_mem_flags parent_access = parent & ACCESS_FLAGS, parent_host = parent & HOST_FLAGS;
  if (access != 0 && parent_access != CL_MEM_READ_WRITE && access != parent_access) return CL_INVALID_VALUE;
  if (host != 0 && parent_host != 0 && host != parent_host && host != CL_MEM_HOST_NO_ACCESS) return CL_INVALID_VALUE;
  *flags = (access != 0 ? access : parent_access) | (host != 0 ? host : parent_host) | (parent & POINTER_FLAGS);
  return CL_SUCCESS;
}

static cl_int check_region(cl_mem parent, cl_buffer_create_type type, const void *info) {
  if (type != CL_BUFFER_CREATE_TYPE_REGION || info == NULL) return CL_INVALID_VALUE;
  const cl_buffer_region *r = info;
  if (r->size == 0) return CL_INVALID_BUFFER_SIZE;
  if (r->origin > parent->bytes || r->size > parent->bytes - r->origin) return CL_INVALID_VALUE;
  return r->origin % VB_SUB_ALIGN == 0 ? CL_SUCCESS : CL_MISALIGNED_SUB_BUFFER_OFFSET;
}

cl_mem CL_API_CALL vb_clCreateSubBuffer(cl_mem parent, cl_mem_flags flags, cl_buffer_create_type type, const void *info,
                                        cl_int *errcode_ret) {
  cl_int error = CL_SUCCESS;
  if (!vb_valid(parent, VB_MEM) || parent->parent != NULL) error = CL_INVALID_MEM_OBJECT;
  if (error == CL_SUCCESS) error = inherit_flags(parent->flags, &flags);
  if (error == CL_SUCCESS) error = check_region(parent, type, info);
  cl_mem mem = NULL;
  if (error == CL_SUCCESS) {
    const cl_buffer_region *r = info;
    mem = new_mem(parent->context, r->size, flags);
    if (mem == NULL) error = CL_OUT_OF_HOST_MEMORY;
  }
  vb_set_error(errcode_ret, error);
  if (mem == NULL) return NULL;
  mem->origin = ((const cl_buffer_region *)info)->origin;
  mem->parent = parent;
  mem->address = parent->address + mem->origin;
  if (parent->host_ptr != NULL) mem->host_ptr = (char *)parent->host_ptr + mem->origin;
  vb_ref(&parent->object);
  vb_ref(&parent->context->object);
  vb_object_init(&mem->object, VB_MEM, destroy);
  return mem;
}

cl_int CL_API_CALL vb_clRetainMemObject(cl_mem mem) { return vb_api_retain(mem, VB_MEM, CL_INVALID_MEM_OBJECT); }

cl_int CL_API_CALL vb_clReleaseMemObject(cl_mem mem) { return vb_api_release(mem, VB_MEM, CL_INVALID_MEM_OBJECT); }

cl_int CL_API_CALL vb_clSetMemObjectDestructorCallback(cl_mem mem, void(CL_CALLBACK *call)(cl_mem, void *),
                                                       void *user) {
  if (!vb_valid(mem, VB_MEM)) return CL_INVALID_MEM_OBJECT;
  if (call == NULL) return CL_INVALID_VALUE;
  struct vb_destructor *d = malloc(sizeof *d);
  if (d == NULL) return CL_OUT_OF_HOST_MEMORY;
  pthread_mutex_lock(&mem->lock);
  *d = (struct vb_destructor){.next = mem->destructors, .call = call, .user = user};
  mem->destructors = d;
  pthread_mutex_unlock(&mem->lock);
  return CL_SUCCESS;
}

cl_int CL_API_CALL vb_clGetMemObjectInfo(cl_mem mem, cl_mem_info name, size_t size, void *value, size_t *size_ret) {
  if (!vb_valid(mem, VB_MEM)) return CL_INVALID_MEM_OBJECT;
  cl_uint number = 0;
  switch (name) {
  case CL_MEM_TYPE: number = CL_MEM_OBJECT_BUFFER; break;
  case CL_MEM_FLAGS: return vb_info(size, value, size_ret, &mem->flags, sizeof mem->flags);
  case CL_MEM_SIZE: return vb_info(size, value, size_ret, &mem->bytes, sizeof mem->bytes);
  case CL_MEM_HOST_PTR: return vb_info(size, value, size_ret, &mem->host_ptr, sizeof mem->host_ptr);
  case CL_MEM_MAP_COUNT:
    pthread_mutex_lock(&mem->lock);
    number = mem->map_count;
    pthread_mutex_unlock(&mem->lock);
    break;
  case CL_MEM_REFERENCE_COUNT: number = vb_api_refs(&mem->object); break;
  case CL_MEM_CONTEXT: return vb_info(size, value, size_ret, &mem->context, sizeof mem->context);
  case CL_MEM_ASSOCIATED_MEMOBJECT: return vb_info(size, value, size_ret, &mem->parent, sizeof mem->parent);
  case CL_MEM_OFFSET: return vb_info(size, value, size_ret, &mem->origin, sizeof mem->origin);
  default: return CL_INVALID_VALUE;
  }
  return vb_info(size, value, size_ret, &number, sizeof number);
}
