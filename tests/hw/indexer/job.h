// SPDX-License-Identifier: Apache-2.0
/// @file job.h
/// An indexer job on a simulated device, beside the golden model: stimulus, run, comparison of the whole memory.
#ifndef VB_TESTS_HW_INDEXER_JOB_H
#define VB_TESTS_HW_INDEXER_JOB_H
#include "../../../hw/regs/vb_regs.h"
#include "golden/golden.h"
#include "icd/backend.h"
#include "support/harness.h"
#include <stdbool.h>
#include <stdint.h>

enum { IJOB_FULL, IJOB_SCORES, IJOB_TOPK };

/// What the data look like.
enum ijob_data {
  IJOB_GAUSS, ///< quantised near-normal values
  IJOB_WIDE,  ///< any codes and elements, any weights
  IJOB_FEW,   ///< few different keys: ties everywhere, at rank k too
  IJOB_EQUAL, ///< all keys the same
  IJOB_ZERO,  ///< all keys, or all scores, zero
  IJOB_EDGE,  ///< values of both ends of the carrier, zero blocks; scores that ascend
  IJOB_KINDS
};

struct ijob_shape {
  uint32_t mode, tokens, heads, dk, k, key_begin, key_end, first_count;
};

struct ijob {
  uint64_t args[VB_INDEXER_NUM_ARGS];
  uint8_t *image; ///< of the device memory from `base` on, before the job
  uint64_t base, size;
  uint64_t bytes[6];       ///< of the buffers q, w, k, score, list, count
  bool deny[6];            ///< leave the buffer out of the regions
  uint64_t watchdog, stop; ///< 0: none
  struct vb_sim_result result;
  enum vb_sim_status status;
};

void ijob_make(struct ijob *j, struct vb_rng *r, const struct ijob_shape *s, enum ijob_data data);
/// A random legal job of any mode; about `work` thousands of multiplications at most.
void ijob_random(struct ijob *j, struct vb_rng *r, uint32_t work);
/// Keys of token t.
uint32_t ijob_keys(const struct ijob *j, uint32_t t);
void ijob_free(struct ijob *j);

/// The hardware configuration under test; idev_use is the setup of a suite.
extern const struct vb_sim_config *idev_config;
extern struct vb_hw_config idev_hw;
int idev_use(uint32_t index);
vb_sim_device *idev_new(const char *dram, bool seeded, uint64_t seed);
void idev_free(vb_sim_device *d);

/// Runs the job; results stay in device memory.
void ijob_run(vb_sim_device *d, struct ijob *j);
/// Compares the whole memory with the golden model's, and the error codes. `quiet`: no report, just the verdict.
bool ijob_compare(vb_sim_device *d, const struct ijob *j, bool quiet);
/// Runs and compares, and expects success.
bool ijob_check(vb_sim_device *d, struct ijob *j);
/// The job in words, for messages.
const char *ijob_text(const struct ijob *j);
#endif
