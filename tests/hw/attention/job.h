// SPDX-License-Identifier: Apache-2.0
//
// Random attention jobs: descriptor, data, their place in memory; sim/golden says what they do there.
#ifndef VB_TESTS_HW_ATTENTION_JOB_H
#define VB_TESTS_HW_ATTENTION_JOB_H
#include "dut.h"
extern "C" {
#include "../hw/regs/vb_regs.h"
#include "golden/golden.h"
#include "num/num.h"
#include "support/harness.h"
#include "verbatim/ops.h"
}

// Exponents and values of the inputs.
enum Spread {
  kGauss,    // quantised near-normal data, as a model makes them
  kNarrow,   // random int8, most codes within a few of each other, some far below
  kWide,     // codes over the whole range, zero blocks
  kSaturate, // scores beyond +-2^15
  kEqual,    // every score the same
  kFar,      // most keys far below the maximum
  kZero,     // every query and key block zero, some value blocks zero
  kCapped,   // one key more than 1023 octaves above all others, its values zero
  kTiny,     // results about the smallest carrier value
  kSpreads
};

struct Job {
  uint32_t mode = 0, rows = 0, rows_per_token = 1, dk = 32, dv = 32, key_begin = 0, key_end = 0, first_count = 0;
  uint32_t q_row_stride = 0, q_token_stride = 0, k_stride = 0, v_stride = 0, o_row_stride = 0, o_token_stride = 0;
  uint32_t id = 0, window = 0, chunk = 0, keep = 0, list_first = 0, list_block = 0;
  bool shared = false;        // values are the head of their key
  std::vector<uint32_t> list; // of this job: list_first entries of something else are before it
  std::vector<int32_t> sinks; // per head, or none
  uint64_t base = 0;          // of the arena that the job was placed in
  uint64_t q_at = 0, k_at = 0, v_at = 0, m_at = 0, em_at = 0, out_at = 0, list_at = 0, sinks_at = 0;
  std::vector<uint8_t> q, k, v; // dense: [row], [key], [key]
  std::vector<int32_t> m;       // inputs of EXP, SUM
  std::vector<int16_t> em;      // [row][16]: input of SUM

  uint32_t tokens() const { return (rows + rows_per_token - 1) / rows_per_token; }
  bool values() const { return mode == VB_ATTN_FULL || mode == VB_ATTN_SUM; }
  uint64_t outputs() const; // values that the mode writes
  void fill(struct vb_rng *rng, Spread spread);
  void refs(struct vb_rng *rng);                            // m and em of the job's own keys, as its mode reads them
  void any_refs();                                          // such that no score and no exponent is above them
  void place(struct vb_rng *rng, Arena &arena, bool dense); // addresses and strides; inputs into the memory
  uint32_t golden(std::vector<uint8_t> &image) const;       // the job done to a copy of the arena's memory
  std::vector<uint64_t> args() const;
  std::string describe() const;
};

extern const struct vb_hw_config job_hw; // limits of the device under test

enum Kind { kDense = 1, kMasked = 2, kListed = 4, kSinks = 8, kShared = 16, kAnyKind = 31 };
// Kinds of jobs to choose from; sizes up to the limits of job_hw, mostly small.
Job random_job(struct vb_rng *rng, uint32_t mode, uint32_t max_rows, uint32_t max_keys, Spread spread,
               unsigned kinds = kAnyKind);
#endif
