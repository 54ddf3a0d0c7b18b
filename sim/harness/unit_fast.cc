// SPDX-License-Identifier: Apache-2.0
//
// Units without hardware: results by the golden models (sim/golden), cycles by the exact cycle model (sim/cycle).
#include "unit_fast.h"
#include "../cycle/cycle.h"
#include <cstdio>
#include <cstring>
#include <stdexcept>

extern "C" {
#include "../../host/num/tables.h"
}

// One line a unit that has both models, written by make/sim.mk.
#define VB_UNIT(config, unit)
#define VB_CONFIG(config, macro)
#define VB_FAST_CONFIG(config, macro)
#define VB_FAST_UNIT(unit, macro)                                                                                      \
  extern "C" int vb_cycle_##unit(const vb_cycle_env *, const vb_golden_memory *, const uint64_t *, vb_cycle_result *); \
  extern "C" uint32_t vb_golden_##unit(const vb_golden_memory *, const vb_hw_config *, const uint64_t *);              \
  static const vb_sim_arg unit##_args[] = {VB_##macro##_ARGS(VB_UNIT_ARG)};
#include "units.inc"
#undef VB_FAST_UNIT

namespace vb {
namespace {

const vb_sim_kernel kernels[] = {
#define VB_FAST_UNIT(unit, macro) {#unit, unit##_args, sizeof unit##_args / sizeof *unit##_args},
#include "units.inc"
#undef VB_FAST_UNIT
    {nullptr, nullptr, 0}};

struct Models {
  int (*cycles)(const vb_cycle_env *, const vb_golden_memory *, const uint64_t *, vb_cycle_result *);
  uint32_t (*golden)(const vb_golden_memory *, const vb_hw_config *, const uint64_t *);
};
const Models models[] = {
#define VB_FAST_UNIT(unit, macro) {vb_cycle_##unit, vb_golden_##unit},
#include "units.inc"
#undef VB_FAST_UNIT
    {nullptr, nullptr}};

class FastUnit final : public Unit {
public:
  FastUnit(uint32_t index, const vb_hw_config &hw, const vb_dram_part *part, const UnitEnv &env)
      : kernel_(kernels[index]), models_(models[index]), hw_(hw),
        env_(env), cycle_env_{&hw, part, env.noise, env.seed} {}
  const vb_sim_kernel &kernel() const override { return kernel_; }
  void reset() override {}
  uint32_t status_word(unsigned index) override {
    return index == kStatTables ? static_cast<uint32_t>(vb_tables_hash32) : index == kStatConfig ? hw_.word : 0;
  }

  vb_sim_status run(const vb_sim_job &job, Fault, vb_sim_result &result) override {
    uint64_t args[VB_SIM_REG_BYTES / VB_SIM_REG_STRIDE] = {};
    for (uint32_t i = 0; i < kernel_.num_args; i++) {
      const uint32_t at = kernel_.args[i].offset;
      args[(at - VB_SIM_REG_ARGS) / VB_SIM_REG_STRIDE] = job.regs[at / 4] | uint64_t{job.regs[at / 4 + 1]} << 32;
    }
    std::vector<vb_golden_region> regions(job.num_regions + 1);
    for (uint32_t i = 0; i < job.num_regions; i++)
      regions[i] = {job.regions[i].address, job.regions[i].bytes, job.regions[i].readable != 0,
                    job.regions[i].writable != 0};
    const vb_golden_memory memory = {env_.memory, env_.config->memory_base, env_.config->memory_bytes, regions.data(),
                                     job.num_regions};
    vb_sim_progress progress{0, kernel_.name};
    if (job.heartbeat(job.heartbeat_user, &progress) != 0) return VB_SIM_STOPPED;
    vb_cycle_result time;
    const int failed = models_.cycles(&cycle_env_, &memory, args, &time);
    if (failed == -1) throw std::runtime_error("out of memory");
    if (failed != 0)
      throw std::runtime_error(std::string("the cycle model of ") + kernel_.name + " contradicts itself");
    if (job.watchdog_cycles != 0 && time.cycles > job.watchdog_cycles) {
      result.cycles = job.watchdog_cycles;
      result.error_code = VB_HW_ERR_WATCHDOG;
      std::snprintf(result.text, sizeof result.text, "watchdog after %llu cycles: the job takes %llu",
                    static_cast<unsigned long long>(result.cycles), static_cast<unsigned long long>(time.cycles));
      return VB_SIM_WATCHDOG;
    }
    result.error_code = models_.golden(&memory, &hw_, args);
    // An abort is not modelled: such a job has no cycles here.
    if ((result.error_code & 0xf0) == 0x20) {
      std::snprintf(result.text, sizeof result.text, "unit error 0x%02x: an access is outside every buffer of the job",
                    result.error_code);
      return VB_SIM_AXI_ERROR;
    }
    result.cycles = time.cycles;
    result.busy = time.classes[0];
    for (unsigned i = 0; i < VB_SIM_STALL_CLASSES; i++) result.stalls[i] = time.classes[i + 1];
    result.bytes_read = time.bytes_read;
    result.bytes_written = time.bytes_written;
    *env_.device_cycle += time.cycles;
    if (result.error_code == 0) return VB_SIM_OK;
    std::snprintf(result.text, sizeof result.text, "unit error 0x%02x: %s", result.error_code,
                  vb_hw_error_text(kernel_.name, result.error_code));
    return VB_SIM_UNIT_ERROR;
  }

private:
  const vb_sim_kernel &kernel_;
  const Models &models_;
  const vb_hw_config &hw_;
  UnitEnv env_;
  vb_cycle_env cycle_env_;
};

} // namespace

std::vector<vb_sim_kernel> fast_kernels() {
  return std::vector<vb_sim_kernel>(kernels, kernels + sizeof kernels / sizeof *kernels - 1);
}

std::unique_ptr<Unit> make_fast_unit(uint32_t index, const vb_hw_config &hw, const vb_dram_part *part,
                                     const UnitEnv &env) {
  return std::make_unique<FastUnit>(index, hw, part, env);
}

} // namespace vb
