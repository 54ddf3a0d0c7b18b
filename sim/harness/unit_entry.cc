// SPDX-License-Identifier: Apache-2.0
//
// A unit's kernel as the driver sees it: its name, and its arguments from hw/regs. Compiled once a unit and
// configuration; make/sim.mk sets VB_*.
#include "unit_model.h"
#include VB_MODEL_H

static const vb_sim_arg args[] = {VB_UNIT_ARGS(VB_UNIT_ARG)};
static const vb_sim_kernel kernel = {VB_UNIT_NAME, args, sizeof args / sizeof *args};

extern const vb::UnitEntry VB_UNIT_ENTRY;
const vb::UnitEntry VB_UNIT_ENTRY = {VB_CONFIG_NAME, &kernel, [](const vb::UnitEnv &env) -> std::unique_ptr<vb::Unit> {
                                       return std::make_unique<vb::UnitModel<VB_MODEL>>(kernel, env);
                                     }};
