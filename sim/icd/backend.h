// SPDX-License-Identifier: Apache-2.0
//
// The seam between the OpenCL driver (sim/icd) and whatever simulates the hardware under it.
//
// The driver knows OpenCL: objects, queues, events, allocation, the simulated clock. A backend
// knows one thing: how to run a job on a unit that has an AXI4-Lite register map and a DRAM
// behind it. sim/harness implements this interface with Verilated RTL, tests/icd with a test
// double.
//
// Rules for backends
//   - Threads: config_count, config_info: any thread. create/destroy/reset/run of one device are
//     never concurrent with each other, but come from different threads. mem_* may be called
//     while run is in progress, and concurrently with each other, on byte ranges that nobody else
//     is writing (OpenCL makes overlap the application's error). One mmap(MAP_NORESERVE) of the
//     whole device memory satisfies all of that and is lazily allocated.
//   - Memory contents live as long as the device: reset and failed runs keep them. Memory that was
//     never written reads as zero.
//   - C++ exceptions may leave any operation: the driver catches them (sim/icd/guard.cc) and
//     treats the call as failed with VB_SIM_FATAL and the exception's text. Never abort() or
//     exit(): build Verilated code with VL_USER_FATAL, VL_USER_STOP and VL_USER_FINISH and throw.
//   - Error text goes to the (err, err_size) pair: NUL-terminated, no newline, may be truncated.
#ifndef VB_SIM_ICD_BACKEND_H
#define VB_SIM_ICD_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VB_SIM_BACKEND_VERSION 1u

// Register map of a unit (the one of Vitis / HLS RTL kernels).
#define VB_SIM_REG_CTRL 0x00u   // bit 0 ap_start, 1 ap_done, 2 ap_idle, 3 ap_ready
#define VB_SIM_REG_GIE 0x04u    // global interrupt enable
#define VB_SIM_REG_IER 0x08u    // interrupt enable
#define VB_SIM_REG_ISR 0x0cu    // interrupt status
#define VB_SIM_REG_ARGS 0x10u   // first argument
#define VB_SIM_REG_STRIDE 0x08u // every argument has one 8-byte slot: low word, then high word
#define VB_SIM_REG_BYTES 0x400u // size of the argument image, control registers included
#define VB_SIM_REG_WORDS (VB_SIM_REG_BYTES / 4u)

#define VB_SIM_STALL_CLASSES 8u // sums with `busy` to `cycles`; unused classes stay 0

enum vb_sim_arg_kind {
  VB_SIM_ARG_U32 = 0,      // 4 bytes by clSetKernelArg; the slot's high word stays 0
  VB_SIM_ARG_U64 = 1,      // 8 bytes by clSetKernelArg
  VB_SIM_ARG_BUFFER_R = 2, // cl_mem; the slot holds a 64-bit device address (0: NULL buffer)
  VB_SIM_ARG_BUFFER_W = 3,
  VB_SIM_ARG_BUFFER_RW = 4,
};

struct vb_sim_arg {
  const char *name;
  enum vb_sim_arg_kind kind;
  uint32_t offset; // byte offset in the map: VB_SIM_REG_ARGS + VB_SIM_REG_STRIDE * index by habit
};

struct vb_sim_kernel {
  const char *name; // "attention", "router": letters, digits and underscores
  const struct vb_sim_arg *args;
  uint32_t num_args;
};

// What is known about a device before its model is built. Everything is owned by the backend and
// constant for the life of the process.
struct vb_sim_config {
  const char *name;          // "base": the device is called "verbatim-sim base"
  const char *configuration; // one line for humans and results, e.g. "rows=8 lanes=32 dram=..."
  uint64_t table_hash;       // hash of the numeric tables the hardware was built from
  uint64_t memory_base;      // first byte of DRAM in the unit's address space
  uint64_t memory_bytes;     // size of the DRAM
  uint32_t clock_period_ps;  // period of the unit's clock
  uint32_t dma_bytes_per_us; // host <-> DRAM bandwidth charged to transfers (0: 8000)
  uint32_t dma_latency_ns;   // fixed cost of one transfer (0: 1000)
  const struct vb_sim_kernel *kernels;
  uint32_t num_kernels;
  const char *stall_names[VB_SIM_STALL_CLASSES]; // NULL: the class is not used
  int fast; // no hardware is simulated: results by the reference, cycles by a model; these come last in the list
};

// From the environment, parsed and checked by the driver (docs/opencl-device.md). Strings are
// NULL when the variable is not set, and valid only during create.
struct vb_sim_options {
  const char *dram_part;  // VERBATIM_SIM_DRAM: name of a DRAM part; unknown names fail create
  uint64_t seed;          // VERBATIM_SIM_SEED: random reset values and legal memory latency
  int seed_set;           // 0: no random latency or back-pressure
  const char *trace_file; // VERBATIM_SIM_TRACE: FST file
  uint64_t trace_first;   // VERBATIM_SIM_TRACE_WINDOW=first:last, in device cycles since create
  uint64_t trace_last;    // UINT64_MAX when no window was given
  const char *extra;      // VERBATIM_SIM_OPTIONS: free text for the backend
};

enum vb_sim_status {
  VB_SIM_OK = 0,
  VB_SIM_UNIT_ERROR = 1, // the unit ended the job with a non-zero error register
  VB_SIM_AXI_ERROR = 2,  // SLVERR / DECERR seen on a bus, or a protocol checker fired
  VB_SIM_WATCHDOG = 3,   // no ap_done within watchdog_cycles
  VB_SIM_FATAL = 4,      // $fatal, assertion, exception: the model is unusable until reset
  VB_SIM_STOPPED = 5,    // the heartbeat asked to stop
};

struct vb_sim_progress {
  uint64_t cycles; // cycles of this run so far
  const char *kernel;
};

// Memory that the job was given. An access outside every region, or a write to a region that is
// not writable, is a bug of the unit: answer it with DECERR. Regions may overlap: an access is
// allowed when any one region allows it.
struct vb_sim_region {
  uint64_t address;
  uint64_t bytes;
  int readable;
  int writable;
};

struct vb_sim_job {
  uint32_t kernel;                     // index into vb_sim_config.kernels
  const uint32_t *regs;                // VB_SIM_REG_WORDS words; words below ARGS are 0
  const struct vb_sim_region *regions; // every buffer argument that is not NULL
  uint32_t num_regions;
  uint64_t watchdog_cycles; // written to the unit; a unit that ignores it is ended a while later. 0: no watchdog
  uint64_t stop_cycles;     // end the run as VB_SIM_STOPPED after so many cycles (tests of reset); 0: never
  // Call it at least every 2^20 cycles and about every 0.1 s. Non-zero: end the run now with
  // VB_SIM_STOPPED. Never NULL.
  int (*heartbeat)(void *user, const struct vb_sim_progress *progress);
  void *heartbeat_user;
};

struct vb_sim_result {
  uint64_t cycles;                       // from ap_start to ap_done, or to the failure
  uint64_t busy;                         // cycles in class "busy"
  uint64_t stalls[VB_SIM_STALL_CLASSES]; // cycles in each stall class
  uint64_t bytes_read;                   // DRAM traffic of this run
  uint64_t bytes_written;
  uint32_t error_code; // the unit's error register; 0 when it reported none
  char text[256];      // what went wrong, with unit state if there is any; "" when nothing did
};

typedef struct vb_sim_device vb_sim_device; // the backend defines it

struct vb_sim_backend_ops {
  uint32_t version; // VB_SIM_BACKEND_VERSION

  uint32_t (*config_count)(void);
  const struct vb_sim_config *(*config_info)(uint32_t index);

  // Builds the model of configuration `index`, resets it, and gives it an empty memory.
  // NULL on failure, with the reason in err.
  vb_sim_device *(*create)(uint32_t index, const struct vb_sim_options *options, char *err, size_t err_size);
  void (*destroy)(vb_sim_device *device); // flushes and closes a trace file, too

  // Addresses are in the unit's address space. The driver only passes ranges inside the DRAM.
  // 0, or -1 when the host is out of memory.
  int (*mem_write)(vb_sim_device *device, uint64_t address, const void *data, size_t bytes);
  int (*mem_read)(vb_sim_device *device, uint64_t address, void *data, size_t bytes);
  // Repeats the pattern; bytes is a multiple of pattern_size (1..128).
  int (*mem_fill)(vb_sim_device *device, uint64_t address, const void *pattern, size_t pattern_size, size_t bytes);

  // Runs one job to its end. `result` is zeroed by the driver; fill in as much as is known on
  // failures too.
  enum vb_sim_status (*run)(vb_sim_device *device, const struct vb_sim_job *job, struct vb_sim_result *result);

  // After any run that was not VB_SIM_OK: rebuild (or reset) the model so that the next run starts
  // clean. Keeps the memory and the cycle count of the trace window. 0 or -1 (device lost).
  int (*reset)(vb_sim_device *device, char *err, size_t err_size);
};

// The backend that is linked into libverbatim_sim.so. Never NULL.
const struct vb_sim_backend_ops *vb_sim_backend(void);

#ifdef __cplusplus
}
#endif

#endif // VB_SIM_ICD_BACKEND_H
