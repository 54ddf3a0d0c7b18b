// SPDX-License-Identifier: Apache-2.0
//
// Attention: its kernel as the driver sees it; argument order of vb_attn_pkg.sv.
#include "unit_model.h"
#include VB_MODEL_H

static const vb_sim_arg args[] = {
    {"q", VB_SIM_ARG_BUFFER_R, 0x10},
    {"k", VB_SIM_ARG_BUFFER_R, 0x18},
    {"v", VB_SIM_ARG_BUFFER_R, 0x20},
    {"m", VB_SIM_ARG_BUFFER_RW, 0x28},
    {"em", VB_SIM_ARG_BUFFER_RW, 0x30},
    {"out", VB_SIM_ARG_BUFFER_W, 0x38},
    {"mode", VB_SIM_ARG_U32, 0x40},
    {"rows", VB_SIM_ARG_U32, 0x48},
    {"rows_per_token", VB_SIM_ARG_U32, 0x50},
    {"dk", VB_SIM_ARG_U32, 0x58},
    {"dv", VB_SIM_ARG_U32, 0x60},
    {"key_begin", VB_SIM_ARG_U32, 0x68},
    {"key_end", VB_SIM_ARG_U32, 0x70},
    {"first_count", VB_SIM_ARG_U32, 0x78},
    {"q_row_stride", VB_SIM_ARG_U32, 0x80},
    {"q_token_stride", VB_SIM_ARG_U32, 0x88},
    {"k_stride", VB_SIM_ARG_U32, 0x90},
    {"v_stride", VB_SIM_ARG_U32, 0x98},
    {"o_row_stride", VB_SIM_ARG_U32, 0xa0},
    {"o_token_stride", VB_SIM_ARG_U32, 0xa8},
    {"id", VB_SIM_ARG_U32, 0xb0},
};
static const vb_sim_kernel kernel = {"attention", args, sizeof args / sizeof *args};

extern const vb::UnitEntry VB_UNIT_ENTRY;
const vb::UnitEntry VB_UNIT_ENTRY = {VB_CONFIG_NAME, &kernel, [](const vb::UnitEnv &env) -> std::unique_ptr<vb::Unit> {
                                       return std::make_unique<vb::UnitModel<VB_MODEL>>(kernel, env);
                                     }};
