// SPDX-License-Identifier: Apache-2.0
/// @file internal.h
/// Shared by the files of host/ocl. An operator call is: vb_ocl_begin, any number of puts, launches and gets,
/// vb_ocl_end. The first failure is kept in the device and turns the rest of the call into nothing, so that operators
/// read straight through.
#ifndef VERBATIM_OCL_INTERNAL_H
#define VERBATIM_OCL_INTERNAL_H
#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include "../../sim/icd/cl_verbatim.h"
#include "ocl/ocl.h"
#include <pthread.h>

/// Reused device buffers. One name per role; roles of one call never share a buffer.
enum vb_slot {
  S_X,
  S_X2,
  S_Y,
  S_Y2,
  S_Q,
  S_CODES,
  S_TOP,
  S_ACC,
  S_H,
  S_HQ,
  S_HCODES,
  S_HTOP,
  S_SCORES,
  S_M,
  S_EM,
  S_L,
  S_NUM,
  S_ROWS,
  S_TILES,
  S_TABLE,
  S_TABLE2,
  S_GATES,
  S_IDS,
  S_HIST,
  S_OFFSETS,
  S_LIST,
  S_Q2,
  S_CODES2,
  S_TOP2,
  S_H2,
  S_HQ2,
  S_HCODES2,
  S_HTOP2,
  S_TABLE3,
  S_TABLE4,
  S_BEFORE,
  VB_SLOTS
};

struct vb_buffer {
  cl_mem mem;
  size_t bytes;
};

struct vb_weight {
  const void *host; ///< NULL: empty
  size_t bytes;
  uint64_t print; ///< sampled fingerprint, to notice memory that was freed and used again
  cl_mem mem;
};

/// Device copy of a KV cache. Heads are aligned, so that a head can be a sub-buffer.
struct vb_mirror {
  uint64_t id, used;
  uint32_t heads, dk, dv, capacity, mark; ///< positions below mark are on the device
  size_t k_head, v_head;                  ///< bytes from head to head
  cl_mem k, v;
};

/// Copies from staging to the caller's arrays, made when the call has succeeded.
struct vb_scatter {
  char *to;
  const char *from;
  size_t row_bytes, to_stride, rows;
};

struct vb_launch {
  cl_event event;
  const char *kernel;
};

struct vb_kernel {
  char name[32];
  cl_kernel kernel;
};

struct vb_ocl {
  cl_platform_id platform;
  cl_device_id id;
  cl_device_type type;
  cl_context context;
  cl_command_queue queue;
  cl_program program, probe_program;
  struct vb_ocl_info info;
  char *strings[8];
  const char *stall_names;
  bool unified;     ///< the device reads host memory in place
  bool poison;      ///< tests: fill buffers with junk before every use, so that no result can rest on their content
  size_t sub_align; ///< bytes, of sub-buffers
  struct {
    uint32_t key_blocks, value_blocks; ///< of the attention unit: 32 elements each
    uint32_t indexer_keys;             ///< that the indexer's top-k ranges over
  } unit;                              ///< limits of a device with built-in kernels
  clGetEventVerbatimStatsVB_fn event_stats;
  pthread_mutex_t probe_lock, call_lock, text_lock; ///< in this order
  char driver_text[512];                            ///< what the driver said through the context's callback

  enum { VB_UNPROBED, VB_TRUSTED, VB_REFUSED } verdict;
  uint32_t checks, jobs; ///< jobs: numbers the launches of a unit, for traces
  char refusal[768];

  vb_result status; ///< of the call in progress
  char failure[1024];
  struct vb_ocl_stats stats;
  struct vb_kernel kernel[96];
  uint32_t kernels;
  struct vb_buffer slot[VB_SLOTS];
  struct vb_weight *weight; ///< open addressing
  size_t weights, weight_room;
  struct vb_mirror *mirror;
  uint32_t mirrors;
  uint64_t mirror_clock, mirror_bytes;
  struct vb_launch *launch;
  size_t launches, launch_room;
  struct vb_scatter *scatter;
  size_t scatters, scatter_room;
  void **stage;
  size_t stages, stage_room;
};

// error.c
const char *vb_cl_error(cl_int e);
/// True when e is CL_SUCCESS; otherwise the call has failed, unless it already had.
bool vb_ocl_check(struct vb_ocl *d, cl_int e, const char *what);
/// The call fails with this message.
void vb_ocl_fault(struct vb_ocl *d, vb_result r, const char *format, ...) __attribute__((format(printf, 3, 4)));
void CL_CALLBACK vb_ocl_notify(const char *text, const void *info, size_t bytes, void *user);

// program.c
bool vb_ocl_build(struct vb_ocl *d);
bool vb_ocl_build_probe(struct vb_ocl *d, const char *options);
/// Kernel by name from the operators' program (or, if it has none such, the probe's); NULL on failure.
cl_kernel vb_ocl_kernel(struct vb_ocl *d, const char *name);
void vb_ocl_release_programs(struct vb_ocl *d);

// call.c
/// Lock the device and make sure it is trusted. False: the caller returns vb_ocl_end.
bool vb_ocl_begin(struct vb_ocl *d);
/// As above for the probe itself, which runs before there is trust.
bool vb_ocl_begin_untrusted(struct vb_ocl *d);
/// Wait for everything enqueued so far; staging memory then holds what was read. False when the call has failed.
bool vb_ocl_wait(struct vb_ocl *d);
/// Wait, collect, copy out, clean up, unlock.
vb_result vb_ocl_end(struct vb_ocl *d);

struct vb_arg {
  size_t bytes;
  union {
    cl_mem mem;
    cl_uint u32;
    cl_ulong u64;
    cl_uint4 u32x4;
  } value;
};
#define VB_MEM(x) ((struct vb_arg){sizeof(cl_mem), {.mem = (x)}})
#define VB_U32(x) ((struct vb_arg){sizeof(cl_uint), {.u32 = (x)}})
#define VB_U64(x) ((struct vb_arg){sizeof(cl_ulong), {.u64 = (x)}})
#define VB_U32X4(x, y, z) ((struct vb_arg){sizeof(cl_uint4), {.u32x4 = {.s = {(x), (y), (z), 0}}}})

/// Work items per dimension. `elements`: dimension 0 is rounded up to whole groups and the kernel checks its end.
struct vb_grid {
  size_t x, y;
  bool elements;
};
void vb_ocl_run_args(struct vb_ocl *d, const char *kernel, struct vb_grid grid, const struct vb_arg *args, cl_uint n);
#define VB_RUN(d, kernel, grid, ...)                                     \
  vb_ocl_run_args(d, kernel, grid, (const struct vb_arg[]){__VA_ARGS__}, \
                  sizeof((const struct vb_arg[]){__VA_ARGS__}) / sizeof(struct vb_arg))
#define VB_GRID(x, y) ((struct vb_grid){x, y, false})
#define VB_ELEMENTS(x, y) ((struct vb_grid){x, y, true})

// memory.c
/// Buffer of at least `bytes`; contents are lost when it grows. NULL on failure.
cl_mem vb_ocl_scratch(struct vb_ocl *d, enum vb_slot slot, size_t bytes);
/// Device copy of immutable host memory. NULL on failure.
cl_mem vb_ocl_weight(struct vb_ocl *d, const void *host, size_t bytes);
/// Host memory that lives until the end of the call.
void *vb_ocl_stage(struct vb_ocl *d, size_t bytes);
void vb_ocl_put(struct vb_ocl *d, cl_mem mem, size_t offset, const void *host, size_t bytes);
/// Scratch filled with rows of a strided host array, dense. NULL on failure.
cl_mem vb_ocl_put_rows(struct vb_ocl *d, enum vb_slot slot, const void *host, size_t row_bytes, size_t stride,
                       size_t rows);
/// Read dense rows into a strided host array at the end of the call.
void vb_ocl_get_rows(struct vb_ocl *d, cl_mem mem, size_t offset, void *host, size_t row_bytes, size_t stride,
                     size_t rows);
/// Read into staging memory; valid after vb_ocl_end's wait, so only for vb_ocl_scatter. NULL on failure.
const char *vb_ocl_get(struct vb_ocl *d, cl_mem mem, size_t offset, size_t bytes);
void vb_ocl_scatter(struct vb_ocl *d, void *to, size_t to_stride, const void *from, size_t row_bytes, size_t rows);
/// Bring the device's copy of a cache up to date for positions below `end`. NULL on failure.
struct vb_mirror *vb_ocl_mirror(struct vb_ocl *d, const struct vb_kv *kv, uint32_t end);
/// Zero records (of no block, so legal) from position `begin`, which is not filled yet, to `end`.
void vb_ocl_mirror_zeros(struct vb_ocl *d, const struct vb_kv *kv, struct vb_mirror *m, uint32_t begin, uint32_t end);
/// After a failure nothing is known about copies that were under way.
void vb_ocl_distrust_mirrors(struct vb_ocl *d);
void vb_ocl_release_memory(struct vb_ocl *d);

// rows.c: attention rows grouped by key head, for both kinds of device
struct vb_head_rows {
  uint32_t kv_head, h0, heads; ///< query heads h0 .. h0 + heads - 1 share kv_head
  size_t row0;                 ///< first row; rows are [token][head]
};
/// Key heads touched by a head range; returns their number, *out is staged.
uint32_t vb_ocl_head_rows(struct vb_ocl *d, const struct vb_attention_op *op, struct vb_head_rows **out);
/// Strided host arrays [T][heads][bytes] to dense rows and back.
const void *vb_ocl_gather_rows(struct vb_ocl *d, const struct vb_attention_op *op, const void *host, size_t bytes,
                               const struct vb_head_rows *g, uint32_t groups, size_t rows);
void vb_ocl_scatter_rows(struct vb_ocl *d, const struct vb_attention_op *op, void *host, size_t bytes, cl_mem mem,
                         const struct vb_head_rows *g, uint32_t groups);

// unit.c: devices with built-in kernels. The call is begun by the caller.
void vb_ocl_unit_attention(struct vb_ocl *d, const struct vb_attention_op *op);
void vb_ocl_unit_router(struct vb_ocl *d, const struct vb_router_op *op);
void vb_ocl_unit_indexer(struct vb_ocl *d, const struct vb_indexer_op *op);
/// What the indexer unit does not offer of this operator, or NULL.
const char *vb_ocl_unit_indexer_lacks(const struct vb_ocl *d, const struct vb_indexer_op *op);
void vb_ocl_do_indexer(struct vb_ocl *d, const struct vb_indexer_op *op);

// Operator bodies that the probe also runs, inside a call that is begun.
void vb_ocl_do_attention(struct vb_ocl *d, const struct vb_attention_op *op);
void vb_ocl_do_router(struct vb_ocl *d, const struct vb_router_op *op);

// known.c: small cases with committed answers. `run` computes the operator, the answer folds all outputs. `plant`
// changes an input bit, so that the answer must come out wrong.
/// Ids of the known-answer caches: no real cache's, which count up from 1, nor that of a case file.
#define VB_KNOWN_KV UINT64_MAX
#define VB_KNOWN_SHARED_KV (UINT64_MAX - 2)
extern const uint64_t vb_known_attention_answer, vb_known_router_answer, vb_known_indexer_answer;
vb_result vb_known_indexer(vb_result (*run)(struct vb_ocl *d, const struct vb_indexer_op *op), struct vb_ocl *d,
                           bool plant, uint64_t *answer);
vb_result vb_known_attention(vb_result (*run)(struct vb_ocl *d, const struct vb_attention_op *op), struct vb_ocl *d,
                             bool plant, uint64_t *answer);
vb_result vb_known_router(vb_result (*run)(struct vb_ocl *d, const struct vb_router_op *op), struct vb_ocl *d,
                          bool plant, uint64_t *answer);

static inline uint32_t vb_count(struct vb_range r) { return r.begin < r.end ? r.end - r.begin : 0; }
#endif
