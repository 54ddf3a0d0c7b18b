// SPDX-License-Identifier: Apache-2.0
/// @file job.h
/// A job on a simulated unit, its cycles by the exact model, its outputs by the golden model. Generators of random jobs
/// are one file a unit (gen_<unit>.c).
#ifndef VB_TESTS_HW_CYCLE_JOB_H
#define VB_TESTS_HW_CYCLE_JOB_H
#include "cycle/cycle.h"
#include "icd/backend.h"
#include "support/harness.h"

enum { CJOB_SLOTS = 30, CJOB_ARENA = 16 << 20 };

struct cunit {
  const char *name;
  int (*cycles)(const struct vb_cycle_env *, const struct vb_golden_memory *, const uint64_t *,
                struct vb_cycle_result *);
  uint32_t (*golden)(const struct vb_golden_memory *, const struct vb_hw_config *, const uint64_t *);
};

/// A device of one configuration, part and seed beside the memory that the golden model works on.
struct cdevice {
  const struct vb_sim_config *config, *fast_config;
  struct vb_cycle_env env;
  vb_sim_device *sim, *fast;   ///< the RTL; the device without hardware of the same name
  struct vb_golden_memory mem; ///< its first CJOB_ARENA bytes
};

struct cjob {
  const struct cunit *unit;
  uint64_t args[CJOB_SLOTS];
  uint64_t bytes[CJOB_SLOTS]; ///< of a buffer argument; 0: none
  struct vb_sim_result rtl, fast;
  struct vb_cycle_result model;
  double rtl_seconds, rtl_cpu, model_seconds;
};

/// The hardware configuration called `name`; NULL when it was not built.
const struct vb_hw_config *cdev_config(const char *name);
struct cdevice cdev_new(const struct vb_hw_config *hw, const struct vb_dram_part *part, bool noise, uint64_t seed);
void cdev_free(struct cdevice *d);

/// Gives buffer argument `slot` `bytes` bytes at a random 64-byte boundary behind the buffers before; false: no room.
bool cjob_buffer(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t slot, uint64_t bytes);
/// The memory of a buffer argument.
void *cjob_at(const struct cdevice *d, const struct cjob *j, uint32_t slot);
/// Runs it on the RTL, by the model and on the fast device: every cycle, class and byte must agree, and the outputs with
/// the golden model. A difference prints a line that VERBATIM_CYCLE_JOB replays.
bool cjob_check(struct cdevice *d, struct cjob *j);
/// A job one of whose buffers (`slot`) is not given to the device: RTL and fast device end it with the same error.
bool cjob_check_outside(struct cdevice *d, struct cjob *j, uint32_t slot);
/// The job of such a line, and its device. The contents of its buffers are not in it; false: it cannot be read.
bool cjob_parse(const char *line, struct cdevice *d, struct cjob *j);

/// Every gen_<unit>.c, CJOB_UNIT(unit) a line (make/sim.mk): the unit's models, and cgen_<unit>, which makes a random job
/// of at most about `size` thousand cycles; size 0: one of ordinary size, for measuring speed.
#define CJOB_UNIT(unit)                                                                                      \
  int vb_cycle_##unit(const struct vb_cycle_env *, const struct vb_golden_memory *, const uint64_t *,        \
                      struct vb_cycle_result *);                                                             \
  uint32_t vb_golden_##unit(const struct vb_golden_memory *, const struct vb_hw_config *, const uint64_t *); \
  extern const struct cunit cunit_##unit;                                                                    \
  bool cgen_##unit(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t size);
#include "generators.inc"
#undef CJOB_UNIT

/// Prefill of the first `queries` of 512 tokens, GQA 4, 128/128, up to 8192 keys; decode of `heads` heads of absorbed MLA,
/// 576/512, 2048 of 16384 keys by list. Their utilisation: array cycles that moved a key or value word, in percent.
bool cgen_prefill(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t queries);
bool cgen_decode(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t heads);
double cjob_utilisation(const struct cdevice *d, const struct cjob *j);
#endif
