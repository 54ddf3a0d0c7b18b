// SPDX-License-Identifier: Apache-2.0
//
// A Verilated unit behind one interface. unit_model.h implements it for any model whose top has the
// ports of hw/common/vb_unit_ports.svh; unit_entry.cc is compiled for each of them.
#ifndef VB_SIM_UNIT_H
#define VB_SIM_UNIT_H
#include "../../hw/regs/vb_regs.h"
#include "axi_slave.h"
#include <memory>
#include <string>

namespace vb {

// Status words: hw/regs/common.json.
enum Stat {
  kStatError = VB_HW_STAT_ERROR,
  kStatId = VB_HW_STAT_ID,
  kStatConfig = VB_HW_STAT_CONFIG,
  kStatTables = VB_HW_STAT_TABLES,
  kStatCycles = VB_HW_STAT_CYCLES,
  kStatRead = VB_HW_STAT_READ,
  kStatWrite = VB_HW_STAT_WRITE,
  kStatState = VB_HW_STAT_STATE,
  kStatBusy = VB_HW_STAT_BUSY,
  kStatClasses = VB_HW_NUM_CLASSES
};
static_assert(VB_SIM_STALL_CLASSES + 1 == VB_HW_NUM_CLASSES, "a stall class for each class but busy");

// A row of the argument lists of hw/regs/vb_regs.h as the driver wants it.
#define VB_UNIT_ARG(name, kind, slot, unit) {#name, VB_SIM_ARG_##kind, VB_SIM_REG_ARGS + VB_SIM_REG_STRIDE * slot},

struct UnitEnv {
  const vb_sim_config *config;
  const vb_sim_options *options;
  uint8_t *memory;
  vb_dram *dram;
  uint64_t *device_cycle; // since create, over all units: the trace window counts it
  uint64_t seed;          // of random reset values and noise
  bool noise;
};

class Unit {
public:
  virtual ~Unit() = default;
  virtual const vb_sim_kernel &kernel() const = 0;
  virtual vb_sim_status run(const vb_sim_job &job, Fault fault, vb_sim_result &result) = 0;
  // Pulls reset for a few cycles, or builds the model anew after an exception left it half-way.
  virtual void reset() = 0;
  virtual uint32_t status_word(unsigned index) = 0;
};

using UnitMaker = std::unique_ptr<Unit> (*)(const UnitEnv &env);
struct UnitEntry {
  const char *config;
  const vb_sim_kernel *kernel;
  UnitMaker make;
};

// What a model printed (assertion texts) since the last call.
std::string take_printed();

} // namespace vb
#endif
