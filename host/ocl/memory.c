// SPDX-License-Identifier: Apache-2.0
/// Device memory: reused scratch, cached weights, mirrored KV caches; and staging on the host.
#include "ocl/internal.h"
#include <stdlib.h>
#include <string.h>

static cl_mem create(struct vb_ocl *d, cl_mem_flags flags, size_t bytes, void *host, const char *what) {
  cl_int e;
  cl_mem m = clCreateBuffer(d->context, flags, bytes, host, &e);
  return vb_ocl_check(d, e, what) ? m : NULL;
}

static void poison(struct vb_ocl *d, cl_mem mem, size_t bytes) {
  const cl_uchar junk = 0xa5;
  if (!d->poison || !mem) return;
  vb_ocl_check(d, clEnqueueFillBuffer(d->queue, mem, &junk, 1, 0, bytes, 0, NULL, NULL), "clEnqueueFillBuffer");
}

cl_mem vb_ocl_scratch(struct vb_ocl *d, enum vb_slot slot, size_t bytes) {
  if (d->status != VB_OK) return NULL;
  struct vb_buffer *b = &d->slot[slot];
  if (b->mem && b->bytes >= bytes) {
    poison(d, b->mem, b->bytes);
    return b->mem;
  }
  size_t room = 4096;
  while (room < bytes) room += room / 2 / 64 * 64;
  if (b->mem) clReleaseMemObject(b->mem);
  b->mem = create(d, CL_MEM_READ_WRITE, room, NULL, "scratch buffer");
  b->bytes = b->mem ? room : 0;
  poison(d, b->mem, b->bytes);
  return b->mem;
}

void *vb_ocl_stage(struct vb_ocl *d, size_t bytes) {
  if (d->status != VB_OK) return NULL;
  if (d->stages == d->stage_room) {
    size_t room = d->stage_room ? 2 * d->stage_room : 32;
    void **grown = realloc(d->stage, room * sizeof *grown);
    if (!grown) {
      vb_ocl_fault(d, VB_DEVICE, "out of host memory");
      return NULL;
    }
    d->stage = grown, d->stage_room = room;
  }
  void *p = calloc(1, bytes ? bytes : 1);
  if (!p) vb_ocl_fault(d, VB_DEVICE, "out of host memory (%zu bytes)", bytes);
  else d->stage[d->stages++] = p;
  return p;
}

void vb_ocl_put(struct vb_ocl *d, cl_mem mem, size_t offset, const void *host, size_t bytes) {
  if (d->status != VB_OK || !bytes) return;
  cl_int e = clEnqueueWriteBuffer(d->queue, mem, CL_FALSE, offset, bytes, host, 0, NULL, NULL);
  vb_ocl_check(d, e, "copy to the device");
}

cl_mem vb_ocl_put_rows(struct vb_ocl *d, enum vb_slot slot, const void *host, size_t row_bytes, size_t stride,
                       size_t rows) {
  cl_mem mem = vb_ocl_scratch(d, slot, row_bytes * rows);
  if (!mem || !rows) return mem;
  if (row_bytes == stride || rows == 1) {
    vb_ocl_put(d, mem, 0, host, row_bytes * rows);
    return d->status == VB_OK ? mem : NULL;
  }
  char *dense = vb_ocl_stage(d, row_bytes * rows);
  if (!dense) return NULL;
  for (size_t r = 0; r < rows; r++) memcpy(dense + r * row_bytes, (const char *)host + r * stride, row_bytes);
  vb_ocl_put(d, mem, 0, dense, row_bytes * rows);
  return d->status == VB_OK ? mem : NULL;
}

const char *vb_ocl_get(struct vb_ocl *d, cl_mem mem, size_t offset, size_t bytes) {
  char *p = vb_ocl_stage(d, bytes);
  if (!p || !bytes) return p;
  cl_int e = clEnqueueReadBuffer(d->queue, mem, CL_FALSE, offset, bytes, p, 0, NULL, NULL);
  return vb_ocl_check(d, e, "copy from the device") ? p : NULL;
}

void vb_ocl_scatter(struct vb_ocl *d, void *to, size_t to_stride, const void *from, size_t row_bytes, size_t rows) {
  if (d->status != VB_OK) return;
  if (d->scatters == d->scatter_room) {
    size_t room = d->scatter_room ? 2 * d->scatter_room : 32;
    struct vb_scatter *grown = realloc(d->scatter, room * sizeof *grown);
    if (!grown) {
      vb_ocl_fault(d, VB_DEVICE, "out of host memory");
      return;
    }
    d->scatter = grown, d->scatter_room = room;
  }
  d->scatter[d->scatters++] = (struct vb_scatter){to, from, row_bytes, to_stride, rows};
}

void vb_ocl_get_rows(struct vb_ocl *d, cl_mem mem, size_t offset, void *host, size_t row_bytes, size_t stride,
                     size_t rows) {
  // Through staging even when dense: a failed call must not have touched the caller's arrays.
  const char *from = vb_ocl_get(d, mem, offset, row_bytes * rows);
  if (from && row_bytes == stride) vb_ocl_scatter(d, host, 0, from, row_bytes * rows, 1);
  else if (from) vb_ocl_scatter(d, host, stride, from, row_bytes, rows);
}

/// 64 words spread over the array: freed memory that a new tensor got would be noticed, at no cost.
static uint64_t fingerprint(const unsigned char *p, size_t bytes) {
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < 64; i++) {
    uint64_t w = 0;
    size_t at = bytes / 64 * i, n = bytes - at < 8 ? bytes - at : 8;
    memcpy(&w, p + at, n);
    h = (h ^ w) * 0x100000001b3u;
  }
  return h;
}

static struct vb_weight *weight_cell(struct vb_weight *table, size_t room, const void *host) {
  uint64_t h = (uint64_t)(uintptr_t)host * 0x9e3779b97f4a7c15u;
  size_t i = (size_t)(h >> 20) & (room - 1);
  while (table[i].host && table[i].host != host) i = (i + 1) & (room - 1);
  return &table[i];
}

cl_mem vb_ocl_weight(struct vb_ocl *d, const void *host, size_t bytes) {
  if (d->status != VB_OK) return NULL;
  if (2 * d->weights >= d->weight_room) {
    size_t room = d->weight_room ? 2 * d->weight_room : 256;
    struct vb_weight *table = calloc(room, sizeof *table);
    if (!table) {
      vb_ocl_fault(d, VB_DEVICE, "out of host memory");
      return NULL;
    }
    for (size_t i = 0; i < d->weight_room; i++)
      if (d->weight[i].host) *weight_cell(table, room, d->weight[i].host) = d->weight[i];
    free(d->weight);
    d->weight = table, d->weight_room = room;
  }
  struct vb_weight *w = weight_cell(d->weight, d->weight_room, host);
  uint64_t print = fingerprint(host, bytes);
  if (w->host && w->bytes == bytes && w->print == print) return w->mem;
  if (w->mem) clReleaseMemObject(w->mem);
  if (!w->host) d->weights++;
  // In place only where kernels may use aligned loads.
  cl_mem_flags where = d->unified && (uintptr_t)host % 64 == 0 ? CL_MEM_USE_HOST_PTR : CL_MEM_COPY_HOST_PTR;
  cl_mem mem = create(d, CL_MEM_READ_ONLY | where, bytes, (void *)(uintptr_t)host, "weight buffer");
  // A failed cell keeps its place in the probe sequence, with a size that never matches.
  *w = (struct vb_weight){host, mem ? bytes : 0, print, mem};
  return mem;
}

void vb_ocl_forget_weights(struct vb_ocl *d) {
  pthread_mutex_lock(&d->call_lock);
  for (size_t i = 0; i < d->weight_room; i++)
    if (d->weight[i].host && d->weight[i].mem) clReleaseMemObject(d->weight[i].mem);
  free(d->weight);
  d->weight = NULL, d->weights = d->weight_room = 0;
  pthread_mutex_unlock(&d->call_lock);
}

static void drop_mirror(struct vb_ocl *d, uint32_t i) {
  struct vb_mirror *m = &d->mirror[i];
  if (m->k) clReleaseMemObject(m->k);
  if (m->v) clReleaseMemObject(m->v);
  d->mirror_bytes -= (m->k_head + m->v_head) * m->heads;
  *m = d->mirror[--d->mirrors];
}

void vb_ocl_forget_kv(struct vb_ocl *d, uint64_t id) {
  pthread_mutex_lock(&d->call_lock);
  for (uint32_t i = 0; i < d->mirrors; i++)
    if (d->mirror[i].id == id) drop_mirror(d, i--);
  pthread_mutex_unlock(&d->call_lock);
}

void vb_ocl_distrust_mirrors(struct vb_ocl *d) {
  for (uint32_t i = 0; i < d->mirrors; i++) d->mirror[i].mark = 0;
}

static struct vb_mirror *new_mirror(struct vb_ocl *d, const struct vb_kv *kv) {
  size_t a = d->sub_align; // a power of two
  size_t k_head = ((size_t)kv->capacity * vb_rec_bytes(kv->dk) + a - 1) & ~(a - 1);
  size_t v_head = kv->v ? ((size_t)kv->capacity * vb_val_bytes(kv->dv) + a - 1) & ~(a - 1) : 0;
  uint64_t bytes = (k_head + v_head) * kv->heads;
  // Caches of sequences that ended stay until their room is wanted: at most half of the memory, oldest out first.
  while (d->mirrors && d->mirror_bytes + bytes > d->info.memory / 2) {
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < d->mirrors; i++)
      if (d->mirror[i].used < d->mirror[oldest].used) oldest = i;
    drop_mirror(d, oldest);
  }
  struct vb_mirror *grown = realloc(d->mirror, (d->mirrors + 1) * sizeof *grown);
  if (!grown) {
    vb_ocl_fault(d, VB_DEVICE, "out of host memory");
    return NULL;
  }
  d->mirror = grown;
  cl_mem k = create(d, CL_MEM_READ_WRITE, k_head * kv->heads, NULL, "key cache buffer");
  cl_mem v = k && v_head ? create(d, CL_MEM_READ_WRITE, v_head * kv->heads, NULL, "value cache buffer") : NULL;
  if (d->status != VB_OK) {
    if (k) clReleaseMemObject(k);
    return NULL;
  }
  struct vb_mirror *m = &d->mirror[d->mirrors++];
  *m = (struct vb_mirror){.id = kv->id,
                          .heads = kv->heads,
                          .dk = kv->dk,
                          .dv = kv->dv,
                          .capacity = kv->capacity,
                          .k_head = k_head,
                          .v_head = v_head,
                          .k = k,
                          .v = v};
  d->mirror_bytes += bytes;
  poison(d, k, k_head * kv->heads);
  poison(d, v, v_head * kv->heads);
  return m;
}

struct vb_mirror *vb_ocl_mirror(struct vb_ocl *d, const struct vb_kv *kv, uint32_t end) {
  if (d->status != VB_OK) return NULL;
  struct vb_mirror *m = NULL;
  for (uint32_t i = 0; i < d->mirrors; i++)
    if (d->mirror[i].id == kv->id) {
      m = &d->mirror[i];
      if (m->heads == kv->heads && m->dk == kv->dk && m->dv == kv->dv && m->capacity == kv->capacity) break;
      drop_mirror(d, i);
      m = NULL;
      break;
    }
  if (!m && !(m = new_mirror(d, kv))) return NULL;
  m->used = ++d->mirror_clock;
  if (kv->length < m->mark) m->mark = kv->length; // cut short: what comes next is new
  if (end <= m->mark) return m;
  size_t rec = vb_rec_bytes(kv->dk), val = vb_val_bytes(kv->dv), n = end - m->mark;
  for (uint32_t h = 0; h < kv->heads; h++) {
    vb_ocl_put(d, m->k, h * m->k_head + m->mark * rec, vb_kv_key(kv, h, m->mark), n * rec);
    if (m->v) vb_ocl_put(d, m->v, h * m->v_head + m->mark * val, vb_kv_val(kv, h, m->mark), n * val);
  }
  m->mark = end;
  return d->status == VB_OK ? m : NULL;
}

void vb_ocl_mirror_zeros(struct vb_ocl *d, const struct vb_kv *kv, struct vb_mirror *m, uint32_t begin, uint32_t end) {
  size_t rec = vb_rec_bytes(kv->dk), val = m->v ? vb_val_bytes(kv->dv) : 0, n = end > begin ? end - begin : 0;
  const void *zeros = vb_ocl_stage(d, n * (rec > val ? rec : val));
  for (uint32_t h = 0; zeros && h < kv->heads; h++) {
    vb_ocl_put(d, m->k, h * m->k_head + begin * rec, zeros, n * rec);
    if (m->v) vb_ocl_put(d, m->v, h * m->v_head + begin * val, zeros, n * val);
  }
}

void vb_ocl_release_memory(struct vb_ocl *d) {
  for (int i = 0; i < VB_SLOTS; i++)
    if (d->slot[i].mem) clReleaseMemObject(d->slot[i].mem);
  vb_ocl_forget_weights(d);
  while (d->mirrors) drop_mirror(d, 0);
  free(d->mirror);
}
