// SPDX-License-Identifier: Apache-2.0
/// @file jobs.h
/// Random jobs of every unit of the shell, side by side in one memory, and what they do to it.
#ifndef VB_TESTS_HW_TOP_JOBS_H
#define VB_TESTS_HW_TOP_JOBS_H
#include "../../../hw/config/vb_config_gen.h"
#include "../../../hw/regs/vb_regs.h"
#include "support/harness.h"
#include <stdbool.h>
#include <stdint.h>

enum { TJOB_UNITS = VB_HW_WINDOW_SHELL, TJOB_SLOTS = 30 };
extern const uint64_t tjob_base, tjob_memory; ///< the memory, in bytes
extern const struct vb_hw_config tjob_hw;     ///< what the shell under test was built from

struct tjob {
  uint32_t window, num_args, error; ///< error: for the caller
  uint64_t args[TJOB_SLOTS];
};

const char *tjob_name(uint32_t window);
/// A job for the unit of `window`, its inputs in area number `area` of the memory; of about `size` thousand cycles. False:
/// what was drawn does not fit, nothing was made.
bool tjob_make(struct tjob *j, struct vb_rng *r, uint32_t window, uint32_t area, uint32_t size, uint8_t *memory);
/// The job done to an image of the memory; the unit's error code.
uint32_t tjob_golden(const struct tjob *j, uint8_t *memory);
#endif
