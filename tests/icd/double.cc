// SPDX-License-Identifier: Apache-2.0
//
// Test double for the simulator below the OpenCL driver: a tiny deterministic device that really
// computes over its memory, and that fails in every way a Verilated unit can fail.
//
// Kernel scale:  dst[i] = a * src[i] + b for i < n. `mode` says how the run ends.
// Kernel sum:    acc[0] += src[0] + ... + src[n-1]
#include "double.h"
#include "icd/backend.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <stdexcept>

struct vb_sim_device {
  uint32_t config;
  unsigned char *memory;
  bool broken; // a run failed, and reset has not been called yet
  uint64_t runs;
};

namespace {

const vb_sim_arg scale_args[] = {
    {"src", VB_SIM_ARG_BUFFER_R, 0x10}, {"dst", VB_SIM_ARG_BUFFER_W, 0x18}, {"n", VB_SIM_ARG_U32, 0x20},
    {"a", VB_SIM_ARG_U64, 0x28},        {"b", VB_SIM_ARG_U32, 0x30},        {"mode", VB_SIM_ARG_U32, 0x38},
};
const vb_sim_arg sum_args[] = {
    {"src", VB_SIM_ARG_BUFFER_R, 0x10},
    {"acc", VB_SIM_ARG_BUFFER_RW, 0x18},
    {"n", VB_SIM_ARG_U32, 0x20},
};
const vb_sim_kernel kernels[] = {{"scale", scale_args, 6}, {"sum", sum_args, 3}};

constexpr uint64_t kBase = 0x880000000u; // addresses must be the unit's, not offsets, and need both words

const vb_sim_config configs[] = {
    {"base",
     "double lanes=8",
     0x1122334455667788u,
     kBase,
     256u << 20,
     4000,
     8000,
     1000,
     kernels,
     2,
     {"memory", "drain"},
     0},
    {"tiny", "double lanes=1", 0x1122334455667788u, 0, 1u << 20, 10000, 0, 0, kernels, 1, {}, 0},
};

uint32_t config_count() { return 2; }
const vb_sim_config *config_info(uint32_t index) { return &configs[index]; }

vb_sim_device *create(uint32_t index, const vb_sim_options *options, char *err, size_t err_size) {
  if (options->extra != nullptr && std::strcmp(options->extra, "echo") == 0) {
    std::snprintf(err, err_size, "dram=%s seed=%d:%llu trace=%s window=%llu:%llu", options->dram_part,
                  options->seed_set, static_cast<unsigned long long>(options->seed), options->trace_file,
                  static_cast<unsigned long long>(options->trace_first),
                  static_cast<unsigned long long>(options->trace_last));
    return nullptr;
  }
  if (options->dram_part != nullptr && std::strcmp(options->dram_part, "ddr-test") != 0) {
    if (std::strcmp(options->dram_part, "throw") == 0) throw std::runtime_error("model cannot be built");
    std::snprintf(err, err_size, "unknown DRAM part '%s'", options->dram_part);
    return nullptr;
  }
  void *memory = mmap(nullptr, configs[index].memory_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return new vb_sim_device{index, static_cast<unsigned char *>(memory), false, 0};
}

void destroy(vb_sim_device *device) {
  munmap(device->memory, configs[device->config].memory_bytes);
  delete device;
}

unsigned char *at(vb_sim_device *device, uint64_t address) {
  return device->memory + (address - configs[device->config].memory_base);
}

int mem_write(vb_sim_device *device, uint64_t address, const void *data, size_t bytes) {
  std::memcpy(at(device, address), data, bytes);
  return 0;
}

int mem_read(vb_sim_device *device, uint64_t address, void *data, size_t bytes) {
  std::memcpy(data, at(device, address), bytes);
  return 0;
}

int mem_fill(vb_sim_device *device, uint64_t address, const void *pattern, size_t size, size_t bytes) {
  for (size_t i = 0; i < bytes; i += size) std::memcpy(at(device, address + i), pattern, size);
  return 0;
}

bool allowed(const vb_sim_job *job, uint64_t address, uint64_t bytes, bool write) {
  for (uint32_t i = 0; i < job->num_regions; i++) {
    const vb_sim_region &r = job->regions[i];
    if ((write ? r.writable : r.readable) == 0) continue;
    if (address >= r.address && bytes <= r.bytes && address - r.address <= r.bytes - bytes) return true;
  }
  return false;
}

uint64_t reg64(const vb_sim_job *job, uint32_t offset) {
  return job->regs[offset / 4] | static_cast<uint64_t>(job->regs[offset / 4 + 1]) << 32;
}

void nap() {
  timespec t = {0, 1000000};
  nanosleep(&t, nullptr);
}

// Runs until the heartbeat or the watchdog ends it, or `limit` cycles have gone by.
vb_sim_status spin(const vb_sim_job *job, vb_sim_result *result, uint64_t limit) {
  for (;;) {
    vb_sim_progress progress = {result->cycles, "scale"};
    if (job->heartbeat(job->heartbeat_user, &progress) != 0) return VB_SIM_STOPPED;
    if (job->watchdog_cycles != 0 && result->cycles >= job->watchdog_cycles) {
      result->cycles = job->watchdog_cycles;
      std::snprintf(result->text, sizeof result->text, "state=WAIT_DATA");
      return VB_SIM_WATCHDOG;
    }
    if (result->cycles >= limit) return VB_SIM_OK;
    result->cycles += 1000;
    nap();
  }
}

vb_sim_status axi_error(vb_sim_result *result, const char *what) {
  result->cycles = 7;
  std::snprintf(result->text, sizeof result->text, "DECERR on %s", what);
  return VB_SIM_AXI_ERROR;
}

vb_sim_status run_scale(vb_sim_device *device, const vb_sim_job *job, vb_sim_result *result) {
  uint64_t src = reg64(job, 0x10), dst = reg64(job, 0x18), a = reg64(job, 0x28);
  uint32_t n = job->regs[0x20 / 4], b = job->regs[0x30 / 4], mode = job->regs[0x38 / 4];
  switch (mode) {
  case VB_DOUBLE_HANG: return spin(job, result, UINT64_MAX);
  case VB_DOUBLE_AXI: return axi_error(result, "read");
  case VB_DOUBLE_THROW: throw std::runtime_error("$fatal: assertion fifo_overflow failed");
  case VB_DOUBLE_THROW_INT: throw 42;
  case VB_DOUBLE_UNIT_ERROR: result->error_code = 17; return VB_SIM_UNIT_ERROR;
  case VB_DOUBLE_SLOW: (void)spin(job, result, 50000); break;
  default: break;
  }
  if (n > 0 && !allowed(job, src, 4ull * n, false)) return axi_error(result, "read of src");
  if (n > 0 && !allowed(job, dst, 4ull * n, true)) return axi_error(result, "write of dst");
  for (uint32_t i = 0; i < n; i++) {
    uint32_t x = 0;
    std::memcpy(&x, at(device, src + 4ull * i), 4);
    x = static_cast<uint32_t>(a * x + b);
    std::memcpy(at(device, dst + 4ull * i), &x, 4);
  }
  result->cycles = 10u + n;
  result->busy = n;
  result->stalls[0] = 7;
  result->stalls[1] = 3;
  result->bytes_read = result->bytes_written = 4ull * n;
  return VB_SIM_OK;
}

vb_sim_status run_sum(vb_sim_device *device, const vb_sim_job *job, vb_sim_result *result) {
  uint64_t src = reg64(job, 0x10), acc = reg64(job, 0x18);
  uint32_t n = job->regs[0x20 / 4], total = 0, x = 0;
  if (!allowed(job, src, 4ull * n, false)) return axi_error(result, "read of src");
  if (!allowed(job, acc, 4, false) || !allowed(job, acc, 4, true)) return axi_error(result, "acc");
  std::memcpy(&total, at(device, acc), 4);
  for (uint32_t i = 0; i < n; i++) {
    std::memcpy(&x, at(device, src + 4ull * i), 4);
    total += x;
  }
  std::memcpy(at(device, acc), &total, 4);
  result->cycles = result->busy = 5u + n;
  return VB_SIM_OK;
}

vb_sim_status run(vb_sim_device *device, const vb_sim_job *job, vb_sim_result *result) {
  if (device->broken) throw std::logic_error("run without reset after a failure");
  for (uint32_t i = 0; i < VB_SIM_REG_ARGS / 4; i++)
    if (job->regs[i] != 0) throw std::logic_error("control registers in the argument image");
  device->broken = true; // stays so when something is thrown
  vb_sim_status status = job->kernel == 0 ? run_scale(device, job, result) : run_sum(device, job, result);
  device->broken = status != VB_SIM_OK;
  device->runs++;
  return status;
}

int reset(vb_sim_device *device, char *err, size_t err_size) {
  if (!device->broken) throw std::logic_error("reset without a failure");
  if (device->config == 1) { // this configuration never comes back
    std::snprintf(err, err_size, "elaboration failed");
    return -1;
  }
  device->broken = false;
  return 0;
}

const vb_sim_backend_ops ops = {
    VB_SIM_BACKEND_VERSION, config_count, config_info, create, destroy, mem_write, mem_read, mem_fill, run, reset,
};

} // namespace

const struct vb_sim_backend_ops *vb_sim_backend(void) { return &ops; }
