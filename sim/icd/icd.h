// SPDX-License-Identifier: Apache-2.0
//
// Objects of the OpenCL driver and the functions its files share.
//
// Locks, outermost first; no lock is ever taken while a later one is held:
//   device.open_lock > device.run_lock > device.mem_lock > queue.lock > event.lock >
//   mem.lock, device.alloc_lock, device.clock_lock, the object registry's lock (leaves)
// Callbacks of the application run with no lock held. program.lock and kernel.lock stand outside:
// they are held only over the object's own fields and the registry's lock.
#ifndef VB_SIM_ICD_ICD_H
#define VB_SIM_ICD_ICD_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L // reader-writer locks; this header is every file's first
#endif
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include <CL/cl_icd.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"
#include "cl_verbatim.h"

#define VB_ALIGN 4096u      // of every buffer: no burst of one buffer shares an AXI 4 KiB page
#define VB_SUB_ALIGN 128u   // of a sub-buffer's origin
#define VB_MAX_PATTERN 128u // bytes of a fill pattern
#define VB_DEFAULT_WATCHDOG 1000000000u
#define VB_DEFAULT_HEARTBEAT_S 30u

extern const cl_icd_dispatch vb_dispatch;

// ---- objects ------------------------------------------------------------------------------------

enum vb_kind { VB_CONTEXT = 1, VB_QUEUE, VB_MEM, VB_PROGRAM, VB_KERNEL, VB_EVENT };

// Two counts: what the application holds (clRetain*, clRelease*, CL_*_REFERENCE_COUNT) and what
// keeps the memory alive. The application's handle, however often retained, is one of `refs`;
// commands, worker threads and child objects hold the others.
struct vb_object {
  const cl_icd_dispatch *dispatch; // must be the first word: the ICD loader calls through it
  enum vb_kind kind;
  uint32_t api_refs;
  uint32_t refs;
  uint64_t serial; // never reused, so a stale pointer can be told from a new object
  struct vb_object *next;
  void (*destroy)(struct vb_object *object);
  void (*closed)(struct vb_object *object); // the application let go; NULL: nothing to do
};

void vb_object_init(struct vb_object *object, enum vb_kind kind, void (*destroy)(struct vb_object *object));
void vb_ref(struct vb_object *object);
void vb_unref(struct vb_object *object); // NULL is allowed
bool vb_valid(const void *handle, enum vb_kind kind);
// Takes a reference only if `handle` is still the object with this serial number.
bool vb_ref_if_live(const void *handle, enum vb_kind kind, uint64_t serial);
cl_int vb_api_retain(void *handle, enum vb_kind kind, cl_int invalid);
cl_int vb_api_release(void *handle, enum vb_kind kind, cl_int invalid);
cl_uint vb_api_refs(const struct vb_object *object);

// Answers a clGet*Info query.
cl_int vb_info(size_t size, void *value, size_t *size_ret, const void *data, size_t bytes);
cl_int vb_info_string(size_t size, void *value, size_t *size_ret, const char *text);
static inline void vb_set_error(cl_int *errcode_ret, cl_int error) {
  if (errcode_ret != NULL) *errcode_ret = error;
}

// ---- platform and devices -----------------------------------------------------------------------

struct _cl_platform_id {
  const cl_icd_dispatch *dispatch;
};

struct vb_block { // a used range of device memory, in a list sorted by address
  uint64_t address, bytes;
  struct vb_block *next;
};

struct vb_settings { // the environment, see options.c
  struct vb_sim_options sim;
  uint64_t watchdog_cycles;
  uint64_t heartbeat_s;
};

struct _cl_device_id {
  const cl_icd_dispatch *dispatch;
  uint32_t index;
  const struct vb_sim_config *config;
  char name[96];
  char *builtin_kernels; // ';'-separated

  pthread_mutex_t open_lock;
  uint32_t open_count; // contexts
  struct vb_settings settings;
  char variation[160]; // how the settings differ from the configuration, see vb_settings_describe

  pthread_mutex_t run_lock;  // one job at a time
  bool lost;                 // the model could not be rebuilt
  pthread_rwlock_t mem_lock; // read: handle is in use for a transfer; write: handle changes
  vb_sim_device *handle;

  pthread_mutex_t alloc_lock;
  struct vb_block *blocks;

  pthread_mutex_t clock_lock; // picoseconds of simulated time
  uint64_t now_ps, unit_free_ps, dma_free_ps;
};

struct vb_span { // simulated time of a command
  uint64_t submit_ps, start_ps, end_ps;
};

cl_platform_id vb_platform(void); // NULL when there is no device
cl_uint vb_devices(struct _cl_device_id **devices);
bool vb_is_device(cl_device_id device);
void *vb_extension_address(const char *name);

int vb_settings_read(struct vb_settings *settings, char *err, size_t err_size);
// " dram-override=PART seed=N fault=WHAT", each only when it is set: whatever makes a run differ from one of the plain
// configuration.
void vb_settings_describe(const struct vb_settings *settings, char *text, size_t size);

int vb_device_open(cl_device_id device, char *err, size_t err_size);
void vb_device_close(cl_device_id device);
void vb_device_configuration(cl_device_id device, char *text, size_t size);
uint64_t vb_device_capacity(cl_device_id device); // bytes that buffers can have together
int vb_device_alloc(cl_device_id device, uint64_t bytes, uint64_t *address);
void vb_device_free(cl_device_id device, uint64_t address);
uint64_t vb_device_now(cl_device_id device);
struct vb_span vb_device_dma(cl_device_id device, uint64_t ready_ps, uint64_t bytes);
int vb_device_write(cl_device_id device, uint64_t address, const void *data, size_t bytes);
int vb_device_read(cl_device_id device, uint64_t address, void *data, size_t bytes);
int vb_device_fill(cl_device_id device, uint64_t address, const void *pattern, size_t pattern_size, size_t bytes);
// Runs a job, recovers the model after a failure. CL_COMPLETE or a negative event status.
cl_int vb_device_run(cl_device_id device, struct vb_sim_job *job, uint64_t ready_ps, struct vb_span *span,
                     cl_verbatim_stats_VB *stats);

// ---- contexts, memory, programs, kernels --------------------------------------------------------

typedef void(CL_CALLBACK *vb_notify_fn)(const char *, const void *, size_t, void *);

struct _cl_context {
  struct vb_object object;
  cl_device_id device;
  vb_notify_fn notify;
  void *notify_user;
  cl_context_properties *properties; // as given, terminator included; NULL when none were
  size_t properties_bytes;
};

// Tells the application (or stderr when it gave no callback) what went wrong.
void vb_context_report(cl_context context, const char *text, const void *data, size_t bytes);

struct vb_map {
  struct vb_map *next;
  void *pointer;
  void *staging; // NULL when pointer is inside the application's CL_MEM_USE_HOST_PTR memory
  size_t offset, bytes;
  cl_map_flags flags;
};

struct vb_destructor {
  struct vb_destructor *next;
  void(CL_CALLBACK *call)(cl_mem, void *);
  void *user;
};

struct _cl_mem {
  struct vb_object object;
  cl_context context;
  cl_mem parent; // NULL for a buffer with memory of its own
  size_t origin; // in the parent
  size_t bytes;
  cl_mem_flags flags;
  void *host_ptr; // CL_MEM_USE_HOST_PTR
  uint64_t address;
  pthread_mutex_t lock;
  struct vb_map *maps;
  cl_uint map_count;
  struct vb_destructor *destructors;
};

struct vb_image { // the manifest that stands for a bitstream
  char configuration[64];
  uint64_t table_hash;
  char kernels[16][64];
  uint32_t num_kernels;
};

size_t vb_image_format(const struct vb_image *image, char *text, size_t size); // length, no NUL
bool vb_image_parse(struct vb_image *image, const void *data, size_t bytes);

enum vb_program_kind { VB_PROGRAM_SOURCE, VB_PROGRAM_IMAGE, VB_PROGRAM_BUILTIN };

struct _cl_program {
  struct vb_object object;
  cl_context context;
  enum vb_program_kind kind;
  char *source;
  unsigned char *binary;
  size_t binary_bytes;
  struct vb_image image;
  pthread_mutex_t lock;
  cl_build_status build_status;
  char *options;
  char log[512];
  uint32_t attached; // kernels
};

struct vb_arg_value {
  bool set;
  uint64_t scalar;
  cl_mem mem;      // not a reference: OpenCL kernels do not keep their buffers alive
  uint64_t serial; // of mem
};

struct _cl_kernel {
  struct vb_object object;
  cl_program program;
  uint32_t index;
  const struct vb_sim_kernel *desc;
  pthread_mutex_t lock;
  struct vb_arg_value *args;
};

// ---- events, queues, commands -------------------------------------------------------------------

struct vb_callback {
  struct vb_callback *next;
  cl_int type;
  void(CL_CALLBACK *call)(cl_event, cl_int, void *);
  void *user;
};

struct _cl_event {
  struct vb_object object;
  cl_context context;
  cl_command_queue queue; // NULL for a user event
  cl_command_type type;
  uint64_t epoch; // of the queue when the command was enqueued
  pthread_mutex_t lock;
  pthread_cond_t changed;
  cl_int status;
  bool in_callbacks; // ended, and its callbacks have not returned yet
  struct vb_callback *callbacks;
  uint64_t queued_ps;
  struct vb_span span;
  cl_verbatim_stats_VB *stats; // kernels only
};

cl_event vb_event_new(cl_context context, cl_command_queue queue, cl_command_type type);
void vb_event_advance(cl_event event, cl_int status); // and runs the callbacks that are due
cl_int vb_event_wait(cl_event event);                 // final status
bool vb_event_settled(cl_event event);                // ended, callbacks included
void vb_event_observed(cl_event event);               // the application has seen an error

struct vb_shape { // bytes to move between two places, as 3-D rows; linear is {n, 1, 1}
  size_t region[3];
  uint64_t offset[2], row[2], slice[2]; // [0]: source, [1]: destination
};

enum vb_op { VB_OP_NONE, VB_OP_READ, VB_OP_WRITE, VB_OP_COPY, VB_OP_FILL, VB_OP_RUN };

struct vb_command {
  struct vb_command *next;
  cl_command_queue queue;
  cl_event event;
  cl_event *waits;
  cl_uint num_waits;
  enum vb_op op;
  cl_mem *mems; // kept alive until the command has ended; [0] source, [1] destination
  uint32_t num_mems;
  struct vb_shape shape;
  unsigned char *host; // READ, WRITE
  void *staging;       // freed at the end
  unsigned char pattern[VB_MAX_PATTERN];
  size_t pattern_size;
  struct vb_sim_job job; // RUN
  uint32_t *regs;
  struct vb_sim_region *regions;
};

struct _cl_command_queue {
  struct vb_object object;
  cl_context context;
  cl_command_queue_properties properties;
  pthread_t worker;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct vb_command *head, **tail;
  cl_event current; // of the command that the worker has in hand
  uint64_t enqueued, done;
  bool closing;
  uint64_t epoch, failed_epoch; // see queue.c
  uint64_t last_end_ps;         // worker only
};

// NULL and *err on failure. Checks the queue and the wait list, references what it keeps.
struct vb_command *vb_command_new(cl_command_queue queue, cl_command_type type, cl_uint num_waits,
                                  const cl_event *waits, uint32_t num_mems, cl_int *err);
void vb_command_mem(struct vb_command *command, uint32_t slot, cl_mem mem); // takes a reference
void vb_command_free(struct vb_command *command);
// Hands the command over, whatever the outcome. `event` may be NULL.
cl_int vb_command_submit(struct vb_command *command, bool blocking, cl_event *event);
cl_int vb_command_execute(struct vb_command *command, uint64_t ready_ps);
uint64_t vb_shape_bytes(const struct vb_shape *shape);

#endif // VB_SIM_ICD_ICD_H
