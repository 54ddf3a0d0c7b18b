// SPDX-License-Identifier: Apache-2.0
/// @file job.h
/// A router job on a simulated device, beside its reference: stimulus, run, comparison.
#ifndef VB_TESTS_HW_ROUTER_JOB_H
#define VB_TESTS_HW_ROUTER_JOB_H
#include "icd/backend.h"
#include "support/harness.h"
#include <stdbool.h>
#include <stdint.h>

/// One job. The logits are [tokens][stride / 4]; the reference sees the dense part.
struct rjob {
  uint32_t tokens, experts, k, score, renorm, stride, scale, id;
  uint32_t use_bias, groups, topk_groups, group_top, threshold, capacity;
  uint32_t *logits; ///< tokens * stride / 4 words, the gaps between rows hold garbage
  uint32_t bias[512];
  uint64_t spoil[7]; ///< added to the buffer addresses (illegal descriptors), logits first, bias last
  bool deny[7];      ///< leave the buffer out of the regions
  uint64_t watchdog; ///< 0: none
  uint64_t stop;     ///< 0: none; cycles after which the run is cut
  struct vb_sim_result result;
  enum vb_sim_status status;
};

/// Fills the logits: `gen` an enum vb_gen, or one of the directed kinds.
enum { RJOB_EQUAL = 100, RJOB_SATURATE, RJOB_TIES, RJOB_SINK /* negative, to where the sigmoid is 0 */ };
void rjob_make(struct rjob *j, struct vb_rng *r, uint32_t tokens, uint32_t experts, uint32_t k, int gen);
/// Rows without gaps.
void rjob_pack(struct rjob *j);
void rjob_free(struct rjob *j);
/// The sigmoid, with a random or no bias.
void rjob_sigmoid(struct rjob *j, struct vb_rng *r, bool bias);
/// Sigmoids of some units of the bias' last place, and biases of few values: the rounding of the sum decides.
void rjob_brink(struct rjob *j, struct vb_rng *r);
/// A job of one sigmoid of 1/2 and more a token, and fifteen that lie 9 binary places below it, where every other mantissa
/// ends in exactly one half when the sum is aligned.
void rjob_halves(struct rjob *j, struct vb_rng *r);
/// Threshold and capacity such that about some pairs are dropped by each.
void rjob_limit(struct rjob *j, struct vb_rng *r);
/// Group limits; `groups` divides the experts. False, and no limit, when the best groups hold fewer than k experts.
bool rjob_groups(struct rjob *j, uint32_t groups, uint32_t topk_groups, uint32_t group_top);
/// A random legal job of any score and limit; sizes are kept small enough that a run takes milliseconds.
void rjob_random(struct rjob *j, struct vb_rng *r);

/// The hardware configuration under test; rdev_use is the setup of a suite.
extern const struct vb_sim_config *rdev_config;
extern uint32_t rdev_lanes, rdev_max_pairs; ///< logits in a beat; largest tokens * k
int rdev_use(uint32_t index);

/// DRAM parts to choose from.
extern const char *const rdev_parts[3];
/// Device helpers: fail the test when the device cannot be made.
vb_sim_device *rdev_new(const char *dram, bool seeded, uint64_t seed);
void rdev_free(vb_sim_device *d);
/// Runs the job; results stay in device memory. Output buffers are filled with a pattern before.
void rjob_run(vb_sim_device *d, struct rjob *j);
/// The same with the scalars, watchdog and spoilt addresses of `as`, which also gets the result.
void rjob_run_as(vb_sim_device *d, const struct rjob *j, struct rjob *as);
/// Runs and compares every output word with the reference, counts them, and checks that the words after
/// each output were not touched.
bool rjob_check(vb_sim_device *d, struct rjob *j);
/// The same for a random job: a device must be usable after whatever came before.
void rjob_right(vb_sim_device *d, struct vb_rng *r);
/// Only the comparison, against the memory as it is. `quiet`: no report, just the verdict.
bool rjob_compare(vb_sim_device *d, const struct rjob *j, bool quiet);
#endif
