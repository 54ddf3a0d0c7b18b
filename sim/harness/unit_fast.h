// SPDX-License-Identifier: Apache-2.0
//
// The units of a fast device (unit_fast.cc), in the order of its kernels.
#ifndef VB_SIM_UNIT_FAST_H
#define VB_SIM_UNIT_FAST_H
#include "../../hw/config/vb_config_gen.h"
#include "unit.h"
#include <vector>

namespace vb {

std::vector<vb_sim_kernel> fast_kernels();
std::unique_ptr<Unit> make_fast_unit(uint32_t index, const vb_hw_config &hw, const vb_dram_part *part,
                                     const UnitEnv &env);

} // namespace vb
#endif
