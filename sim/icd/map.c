// SPDX-License-Identifier: Apache-2.0
//
// Mapping. Device memory is not in the host's address space, so a mapped region is a host copy
// (or the application's own memory with CL_MEM_USE_HOST_PTR): filled when it is mapped, written
// back when it is unmapped after being mapped for writing.
#include "entries.h"

#include <stdlib.h>

static void add_map(cl_mem mem, struct vb_map *map) {
  pthread_mutex_lock(&mem->lock);
  map->next = mem->maps;
  mem->maps = map;
  mem->map_count++;
  pthread_mutex_unlock(&mem->lock);
}

// The newest mapping that begins at `pointer`: nested maps of one region come off in reverse.
static struct vb_map *take_map(cl_mem mem, const void *pointer) {
  pthread_mutex_lock(&mem->lock);
  struct vb_map **link = &mem->maps;
  while (*link != NULL && (*link)->pointer != pointer) link = &(*link)->next;
  struct vb_map *map = *link;
  if (map != NULL) {
    *link = map->next;
    mem->map_count--;
  }
  pthread_mutex_unlock(&mem->lock);
  return map;
}

static struct vb_map *new_map(cl_mem mem, cl_map_flags flags, size_t offset, size_t bytes) {
  struct vb_map *map = calloc(1, sizeof *map);
  if (map == NULL) return NULL;
  map->flags = flags;
  map->offset = offset;
  map->bytes = bytes;
  if (mem->host_ptr != NULL) {
    map->pointer = (char *)mem->host_ptr + offset;
    return map;
  }
  // Aligned like device memory, because programs rely on CL_DEVICE_MEM_BASE_ADDR_ALIGN.
  size_t round = (bytes + VB_SUB_ALIGN - 1) / VB_SUB_ALIGN * VB_SUB_ALIGN;
  map->staging = aligned_alloc(VB_SUB_ALIGN, round);
  map->pointer = map->staging;
  if (map->staging != NULL) return map;
  free(map);
  return NULL;
}

static cl_int check_map(cl_command_queue queue, cl_mem mem, cl_map_flags flags, size_t offset, size_t bytes) {
  const cl_map_flags both = CL_MAP_READ | CL_MAP_WRITE;
  if (!vb_valid(queue, VB_QUEUE)) return CL_INVALID_COMMAND_QUEUE;
  if (!vb_valid(mem, VB_MEM)) return CL_INVALID_MEM_OBJECT;
  if (mem->context != queue->context) return CL_INVALID_CONTEXT;
  bool invalidate = flags == CL_MAP_WRITE_INVALIDATE_REGION;
  if (!invalidate && (flags == 0 || (flags & ~both) != 0)) return CL_INVALID_VALUE;
  if (bytes == 0 || offset > mem->bytes || bytes > mem->bytes - offset) return CL_INVALID_VALUE;
  cl_mem_flags forbidden = CL_MEM_HOST_NO_ACCESS;
  if ((flags & CL_MAP_READ) != 0) forbidden |= CL_MEM_HOST_WRITE_ONLY;
  if (invalidate || (flags & CL_MAP_WRITE) != 0) forbidden |= CL_MEM_HOST_READ_ONLY;
  return (mem->flags & forbidden) != 0 ? CL_INVALID_OPERATION : CL_SUCCESS;
}

void *CL_API_CALL vb_clEnqueueMapBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, cl_map_flags flags,
                                        size_t offset, size_t bytes, cl_uint num_waits, const cl_event *waits,
                                        cl_event *event, cl_int *errcode_ret) {
  cl_int err = check_map(queue, mem, flags, offset, bytes);
  struct vb_command *c = NULL;
  if (err == CL_SUCCESS) c = vb_command_new(queue, CL_COMMAND_MAP_BUFFER, num_waits, waits, 1, &err);
  struct vb_map *map = c != NULL ? new_map(mem, flags, offset, bytes) : NULL;
  if (c != NULL && map == NULL) {
    vb_command_free(c);
    err = CL_MAP_FAILURE;
  }
  if (map == NULL) {
    vb_set_error(errcode_ret, err);
    return NULL;
  }
  // A region mapped for writing is filled, too: what is not overwritten must survive the unmap.
  if (flags != CL_MAP_WRITE_INVALIDATE_REGION) {
    c->op = VB_OP_READ;
    c->host = map->pointer;
    c->shape = (struct vb_shape){.region = {bytes, 1, 1}, .offset = {offset, 0}};
  }
  void *pointer = map->pointer;
  vb_command_mem(c, 0, mem);
  add_map(mem, map);
  err = vb_command_submit(c, blocking != CL_FALSE, event);
  vb_set_error(errcode_ret, err);
  if (err == CL_SUCCESS) return pointer;
  map = take_map(mem, pointer); // the command has ended: nothing uses the copy any more
  if (map != NULL) free(map->staging);
  free(map);
  return NULL;
}

cl_int CL_API_CALL vb_clEnqueueUnmapMemObject(cl_command_queue queue, cl_mem mem, void *pointer, cl_uint num_waits,
                                              const cl_event *waits, cl_event *event) {
  if (!vb_valid(queue, VB_QUEUE)) return CL_INVALID_COMMAND_QUEUE;
  if (!vb_valid(mem, VB_MEM)) return CL_INVALID_MEM_OBJECT;
  if (mem->context != queue->context) return CL_INVALID_CONTEXT;
  cl_int err = CL_SUCCESS;
  struct vb_command *c = vb_command_new(queue, CL_COMMAND_UNMAP_MEM_OBJECT, num_waits, waits, 1, &err);
  if (c == NULL) return err;
  struct vb_map *map = pointer != NULL ? take_map(mem, pointer) : NULL;
  if (map == NULL) {
    vb_command_free(c);
    return CL_INVALID_VALUE;
  }
  if ((map->flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0) {
    c->op = VB_OP_WRITE;
    c->host = pointer;
    c->shape = (struct vb_shape){.region = {map->bytes, 1, 1}, .offset = {0, map->offset}};
  }
  c->staging = map->staging;
  free(map);
  vb_command_mem(c, 0, mem);
  return vb_command_submit(c, false, event);
}
