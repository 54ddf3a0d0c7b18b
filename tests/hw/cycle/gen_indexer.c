// SPDX-License-Identifier: Apache-2.0
// Random indexer jobs for the cycle model. Values do not matter to time: zero records are legal, scores are any words.
#include "job.h"
#include "verbatim/layout.h"

const struct cunit cunit_indexer = {"indexer", vb_cycle_indexer, vb_golden_indexer};
enum { FULL, SCORES, TOPK };

static uint32_t below(struct vb_rng *r, uint64_t n) { return (uint32_t)vb_rng_below(r, n); }

/// Keys of a token, from none to what `size` allows, and tokens that see more and more of them.
static void sizes(const struct cdevice *d, uint64_t *a, struct vb_rng *r, uint32_t size) {
  static const uint32_t usual[] = {1, 2, 4, 8, 16, 32, 33, 64, 64};
  const struct vb_hw_config *hw = d->env.hw;
  uint32_t heads = below(r, 2) ? usual[below(r, 9)] : 1 + below(r, 64), dk = 32 * (1 + below(r, 4));
  uint32_t mode = below(r, 5) % 3, tokens = below(r, 12) ? 1 + below(r, 5) : 0;
  uint32_t steps = (heads + hw->rows - 1) / hw->rows * (dk / hw->lanes); // cycles of a key
  uint64_t most = mode == TOPK ? 1000ull * size : 1000ull * size / steps;
  if (tokens) most = most / tokens + 1;
  if (most > hw->indexer_keys / 2) most = hw->indexer_keys / 2;
  uint32_t n = below(r, 3) ? 1 + below(r, most) : below(r, 20), begin = below(r, 2) ? below(r, 50) : 0;
  a[VB_INDEXER_ARG_MODE] = mode;
  a[VB_INDEXER_ARG_TOKENS] = tokens;
  a[VB_INDEXER_ARG_HEADS] = heads;
  a[VB_INDEXER_ARG_DK] = dk;
  a[VB_INDEXER_ARG_TOPK] = below(r, 2) ? 1 + below(r, 2048) : 1 + below(r, 64);
  a[VB_INDEXER_ARG_KEY_BEGIN] = begin;
  a[VB_INDEXER_ARG_FIRST_COUNT] = below(r, 6) ? begin + n : below(r, begin + 2ull); // tokens that see no key
  a[VB_INDEXER_ARG_KEY_END] = below(r, 2) ? UINT32_MAX : begin + below(r, n + 4ull);
  if (size) return;
  // A decode step of DeepSeek-V3.2, its keys as many as the array is wide.
  a[VB_INDEXER_ARG_MODE] = FULL;
  a[VB_INDEXER_ARG_TOKENS] = 1;
  a[VB_INDEXER_ARG_HEADS] = 64;
  a[VB_INDEXER_ARG_DK] = 128;
  a[VB_INDEXER_ARG_TOPK] = 2048;
  a[VB_INDEXER_ARG_KEY_BEGIN] = 0;
  a[VB_INDEXER_ARG_FIRST_COUNT] = 256ull * hw->rows;
  a[VB_INDEXER_ARG_KEY_END] = UINT32_MAX;
}

bool cgen_indexer(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t size) {
  *j = (struct cjob){.unit = &cunit_indexer};
  uint64_t *a = j->args;
  sizes(d, a, r, size);
  uint64_t rec = vb_rec_bytes((uint32_t)a[VB_INDEXER_ARG_DK]), heads = a[VB_INDEXER_ARG_HEADS];
  uint64_t last = a[VB_INDEXER_ARG_TOKENS] ? a[VB_INDEXER_ARG_TOKENS] - 1 : 0;
  uint64_t stop = a[VB_INDEXER_ARG_FIRST_COUNT] + last, begin = a[VB_INDEXER_ARG_KEY_BEGIN];
  if (stop > a[VB_INDEXER_ARG_KEY_END]) stop = a[VB_INDEXER_ARG_KEY_END];
  uint64_t most = stop > begin ? stop - begin : 0;
  a[VB_INDEXER_ARG_W_SCALE] = 0x3f800000u;
  a[VB_INDEXER_ARG_Q_STRIDE] = rec * heads + 32 * below(r, 3);
  a[VB_INDEXER_ARG_W_STRIDE] = 64 * ((4 * heads + 63) / 64 + below(r, 2));
  a[VB_INDEXER_ARG_SCORE_STRIDE] = 64 * ((4 * most + 63) / 64 + below(r, 2));
  a[VB_INDEXER_ARG_LIST_STRIDE] = 64 * ((4 * a[VB_INDEXER_ARG_TOPK] + 63) / 64 + below(r, 2));
  if (size && below(r, 40) == 0)
    a[below(r, 2) ? VB_INDEXER_ARG_MODE : VB_INDEXER_ARG_TOPK] = 2049 + below(r, 100); // not legal
  uint64_t scores = last * a[VB_INDEXER_ARG_SCORE_STRIDE] + 4 * most + 4;
  bool ok = cjob_buffer(d, j, r, VB_INDEXER_ARG_Q, last * a[VB_INDEXER_ARG_Q_STRIDE] + rec * heads) &&
            cjob_buffer(d, j, r, VB_INDEXER_ARG_W, last * a[VB_INDEXER_ARG_W_STRIDE] + 4 * heads) &&
            cjob_buffer(d, j, r, VB_INDEXER_ARG_K, rec * (begin + most) + 4) &&
            cjob_buffer(d, j, r, VB_INDEXER_ARG_SCORE, scores) &&
            cjob_buffer(d, j, r, VB_INDEXER_ARG_LIST, last * a[VB_INDEXER_ARG_LIST_STRIDE] + 4 * 2048) &&
            cjob_buffer(d, j, r, VB_INDEXER_ARG_COUNT, 4 * last + 4);
  if (!ok) return false;
  // What jobs before left in memory is as good as any other query or key, but its header must be one.
  uint8_t *q = cjob_at(d, j, VB_INDEXER_ARG_Q), *k = cjob_at(d, j, VB_INDEXER_ARG_K);
  for (uint64_t i = 0; i < j->bytes[VB_INDEXER_ARG_Q]; i++) q[i] = 0;
  for (uint64_t i = 0; i < j->bytes[VB_INDEXER_ARG_K]; i++) k[i] = 0;
  uint32_t *score = cjob_at(d, j, VB_INDEXER_ARG_SCORE);
  for (uint64_t i = 0; i < scores / 4; i++) score[i] = (uint32_t)vb_rng_next(r);
  vb_rng_fill(r, VB_GEN_GAUSS, cjob_at(d, j, VB_INDEXER_ARG_W), j->bytes[VB_INDEXER_ARG_W] / 4);
  return true;
}
