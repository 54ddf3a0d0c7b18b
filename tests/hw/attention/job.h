// SPDX-License-Identifier: Apache-2.0
//
// Random attention jobs: data, their place in memory, and what the reference makes of them.
#ifndef VB_TESTS_HW_ATTENTION_JOB_H
#define VB_TESTS_HW_ATTENTION_JOB_H
#include "dut.h"
extern "C" {
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
  uint32_t id = 0;
  uint64_t base = 0; // of the arena that the job was placed in
  uint64_t q_at = 0, k_at = 0, v_at = 0, m_at = 0, em_at = 0, out_at = 0;
  std::vector<uint8_t> q, k, v; // dense: [row], [key], [key]
  std::vector<int32_t> m;       // inputs of EXP, SUM; outputs of MAX
  std::vector<int16_t> em;      // [row][16]: input of SUM; output of EXP
  std::vector<uint64_t> l;
  std::vector<int64_t> num;
  std::vector<vb_z> y;

  uint32_t tokens() const { return (rows + rows_per_token - 1) / rows_per_token; }
  void fill(struct vb_rng *rng, Spread spread);
  void reference();                                         // mode's outputs from its inputs, by vb_ref_attention
  void place(struct vb_rng *rng, Arena &arena, bool dense); // addresses and strides; inputs into the memory
  void expect(std::vector<uint8_t> &image) const;           // the mode's outputs at their place
  uint64_t values() const;                                  // output values of the mode
  std::vector<uint64_t> args() const;
};

Job random_job(struct vb_rng *rng, uint32_t mode, uint32_t max_rows, uint32_t max_keys, Spread spread);
#endif
