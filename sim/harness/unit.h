// SPDX-License-Identifier: Apache-2.0
//
// A Verilated unit behind one interface. unit_model.h implements it for any model whose top has the
// ports of hw/common/vb_unit_ports.svh; unit_<name>.cc is the few lines that a unit adds.
#ifndef VB_SIM_UNIT_H
#define VB_SIM_UNIT_H
#include "axi_slave.h"
#include <memory>
#include <string>

namespace vb {

// Status words above 0x100: vb_pkg.sv.
enum Stat {
  kStatError = 0,
  kStatId = 1,
  kStatConfig = 2,
  kStatTables = 3,
  kStatCycles = 4,
  kStatRead = 6,
  kStatWrite = 8,
  kStatState = 10,
  kStatBusy = 16,
  kStatClasses = 9
};

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
