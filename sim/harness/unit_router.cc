// SPDX-License-Identifier: Apache-2.0
//
// Router: its kernel as the driver sees it. Compiled once a configuration (make/sim.mk sets VB_*).
#include "unit_model.h"
#include VB_MODEL_H

static const vb_sim_arg args[] = {
    {"logits", VB_SIM_ARG_BUFFER_R, 0x10},
    {"ids", VB_SIM_ARG_BUFFER_W, 0x18},
    {"gates", VB_SIM_ARG_BUFFER_W, 0x20},
    {"hist", VB_SIM_ARG_BUFFER_W, 0x28},
    {"offsets", VB_SIM_ARG_BUFFER_W, 0x30},
    {"list", VB_SIM_ARG_BUFFER_W, 0x38},
    {"tokens", VB_SIM_ARG_U32, 0x40},
    {"experts", VB_SIM_ARG_U32, 0x48},
    {"k", VB_SIM_ARG_U32, 0x50},
    {"score", VB_SIM_ARG_U32, 0x58},
    {"renorm", VB_SIM_ARG_U32, 0x60},
    {"logits_stride", VB_SIM_ARG_U32, 0x68},
    {"scale", VB_SIM_ARG_U32, 0x70},
    {"id", VB_SIM_ARG_U32, 0x78},
    {"bias", VB_SIM_ARG_BUFFER_R, 0x80},
    {"use_bias", VB_SIM_ARG_U32, 0x88},
    {"groups", VB_SIM_ARG_U32, 0x90},
    {"topk_groups", VB_SIM_ARG_U32, 0x98},
    {"group_top", VB_SIM_ARG_U32, 0xa0},
};
static const vb_sim_kernel kernel = {"router", args, sizeof args / sizeof *args};

extern const vb::UnitEntry VB_UNIT_ENTRY;
const vb::UnitEntry VB_UNIT_ENTRY = {VB_CONFIG_NAME, &kernel, [](const vb::UnitEnv &env) -> std::unique_ptr<vb::Unit> {
                                       return std::make_unique<vb::UnitModel<VB_MODEL>>(kernel, env);
                                     }};
