// SPDX-License-Identifier: Apache-2.0
/// @file nll.h
/// Negative log likelihood in integers, so that perplexity itself is reproducible bit for bit (docs/numerics.md).
#ifndef VERBATIM_NUM_NLL_H
#define VERBATIM_NUM_NLL_H
#include "num/func.h"

/// -log2 p(target) of a row of logits, Q.31.
static inline int64_t vb_nll_q31(const vb_z *logits, uint32_t vocab, uint32_t target) {
  int32_t m = INT32_MIN;
  uint64_t sum = 0;
  for (uint32_t v = 0; v < vocab; v++) {
    int32_t q = vb_score_q16(logits[v]);
    if (q > m) m = q;
  }
  int32_t chosen = 0;
  for (uint32_t v = 0; v < vocab; v++) {
    int32_t q = vb_score_q16(logits[v]);
    uint32_t d = (uint32_t)m - (uint32_t)q;
    sum += vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)(d >> 16));
    if (v == target) chosen = q;
  }
  return ((int64_t)m - chosen) * 32768 + vb_log2i(sum) - ((int64_t)32 << 31);
}
#endif
