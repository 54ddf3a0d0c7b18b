// SPDX-License-Identifier: Apache-2.0
/// @file reference.h
/// The interface of sim/dram/dram.h for the reference of the test.
#ifndef VB_TESTS_HW_DRAM_REFERENCE_H
#define VB_TESTS_HW_DRAM_REFERENCE_H
#include "dram/dram.h"

struct slow_dram;
struct slow_dram *slow_dram_new(const struct vb_dram_part *part, uint32_t clock_ps, bool noise, uint64_t seed);
void slow_dram_free(struct slow_dram *d);
void slow_dram_reset(struct slow_dram *d);
uint64_t slow_dram_access(struct slow_dram *d, uint64_t now, uint64_t address, uint32_t beats, uint32_t beat_bytes,
                          bool write, uint64_t *ready);
const struct vb_dram_stats *slow_dram_get_stats(const struct slow_dram *d);
#endif
