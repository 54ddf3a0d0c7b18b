// SPDX-License-Identifier: Apache-2.0
/// @file cycle.h
/// Exact cycle model of the units: the cycles of a job, the class of every one of them and the bytes it moves are those
/// of the RTL in the harness, without a difference (docs/cycle-model.md). The models are recurrences over transactions;
/// the DRAM behind them is sim/dram, the same code that the harness calls.
#ifndef VB_SIM_CYCLE_H
#define VB_SIM_CYCLE_H
#include "../dram/dram.h"
#include "../golden/golden.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What a job runs on. `noise` and `seed` as VERBATIM_SIM_SEED: held AXI channels and random DRAM latency.
struct vb_cycle_env {
  const struct vb_hw_config *hw;
  const struct vb_dram_part *part;
  bool noise;
  uint64_t seed;
};

struct vb_cycle_result {
  uint64_t cycles;
  uint64_t classes[VB_HW_NUM_CLASSES]; ///< sum to `cycles`; order of hw/regs/common.json
  uint64_t bytes_read, bytes_written;
  uint32_t error; ///< of the descriptor, 0 for none
  struct vb_dram_stats dram;
};

/// One job from ap_start to ap_done; `args` are the unit's 64-bit argument slots. `mem` is looked at only where timing
/// depends on contents (key lists) and may be NULL for a job without. Bus errors are not modelled: every access is
/// answered. 0, -1 when memory is out, -2 when the model contradicts itself (which a test must find first).
int vb_cycle_router(const struct vb_cycle_env *env, const struct vb_golden_memory *mem, const uint64_t *args,
                    struct vb_cycle_result *result);
int vb_cycle_attention(const struct vb_cycle_env *env, const struct vb_golden_memory *mem, const uint64_t *args,
                       struct vb_cycle_result *result);
int vb_cycle_indexer(const struct vb_cycle_env *env, const struct vb_golden_memory *mem, const uint64_t *args,
                     struct vb_cycle_result *result);

/// First cycle that is counted: the harness writes ap_start in cycle 0, the unit sees it in this one.
#define VB_CYCLE_START 2u

#ifdef __cplusplus
}
#endif
#endif
