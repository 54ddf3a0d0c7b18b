// SPDX-License-Identifier: Apache-2.0
/// What an indexer job does to memory: scores by the reference, the top-k by counting digits.
#include "../../host/num/block.h"
#include "../../host/ref/ref.h"
#include "../../hw/regs/vb_regs.h"
#include "golden.h"
#include "verbatim/layout.h"
#include <stdlib.h>
#include <string.h>

enum { MODE_FULL, MODE_SCORES, MODE_TOPK };
enum { MAX_HEADS = 64, MAX_TOPK = 2048, MAX_TOKENS = 1 << 20, MAX_SCORES = 1 << 20, MAX_DK = 128 };

struct job {
  const uint64_t *args;
  uint32_t mode, tokens, heads, dk, k, key_begin, key_end, first_count, w_scale;
};

static uint32_t arg(const uint64_t *args, int slot) { return (uint32_t)args[slot]; }

static void read_job(struct job *j, const uint64_t *args) {
  *j = (struct job){.args = args,
                    .mode = arg(args, VB_INDEXER_ARG_MODE),
                    .tokens = arg(args, VB_INDEXER_ARG_TOKENS),
                    .heads = arg(args, VB_INDEXER_ARG_HEADS),
                    .dk = arg(args, VB_INDEXER_ARG_DK),
                    .k = arg(args, VB_INDEXER_ARG_TOPK),
                    .key_begin = arg(args, VB_INDEXER_ARG_KEY_BEGIN),
                    .key_end = arg(args, VB_INDEXER_ARG_KEY_END),
                    .first_count = arg(args, VB_INDEXER_ARG_FIRST_COUNT),
                    .w_scale = arg(args, VB_INDEXER_ARG_W_SCALE)};
}

/// Keys that token t sees.
static uint64_t keys(const struct job *j, uint32_t t) {
  uint64_t seen = (uint64_t)j->first_count + t, stop = seen < j->key_end ? seen : j->key_end;
  return stop > j->key_begin ? stop - j->key_begin : 0;
}

static uint32_t check(const struct job *j, const struct vb_hw_config *hw) {
  if (j->mode > MODE_TOPK) return VB_HW_ERR_MODE;
  bool topk = j->mode == MODE_TOPK, scores = j->mode == MODE_SCORES;
  uint64_t most = j->tokens ? keys(j, j->tokens - 1) : 0;
  if (j->tokens > MAX_TOKENS || most > (scores ? (uint64_t)MAX_SCORES : hw->indexer_keys)) return VB_HW_ERR_SIZE;
  if (!topk && (!j->heads || j->heads > MAX_HEADS || !j->dk || j->dk > MAX_DK || j->dk % VB_BLOCK))
    return VB_HW_ERR_SIZE;
  if (!scores && (!j->k || j->k > MAX_TOPK)) return VB_HW_ERR_SIZE;
  for (int i = VB_INDEXER_ARG_Q; i <= VB_INDEXER_ARG_COUNT; i++)
    if (j->args[i] % 64 || j->args[i] >> 40) return VB_HW_ERR_ALIGN;
  if (arg(j->args, VB_INDEXER_ARG_Q_STRIDE) % 32) return VB_HW_ERR_ALIGN;
  for (int i = VB_INDEXER_ARG_W_STRIDE; i <= VB_INDEXER_ARG_LIST_STRIDE; i++)
    if (arg(j->args, i) % 64) return VB_HW_ERR_ALIGN;
  if (!topk && !vb_z_valid(j->w_scale)) return VB_HW_ERR_VALUE;
  return VB_HW_ERR_NONE;
}

/// The k-th largest of n ordered keys, digit by digit from the top; *equal becomes how many that equal it are among
/// the k largest.
static uint32_t kth_largest(const uint32_t *key, uint32_t n, uint32_t k, uint32_t *equal) {
  uint32_t found = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    uint32_t bin[256] = {0}, digit = 255;
    for (uint32_t i = 0; i < n; i++)
      if (shift == 24 || key[i] >> (shift + 8) == found >> (shift + 8)) bin[key[i] >> shift & 255]++;
    for (; bin[digit] < k; digit--) k -= bin[digit];
    found |= digit << shift;
  }
  *equal = k;
  return found;
}

static void select_keys(const struct job *j, const uint32_t *key, uint32_t n, uint32_t *list, uint32_t *count) {
  uint32_t m = 0, take = n < j->k ? n : j->k, equal = 0;
  memset(list, 0, j->k * sizeof *list);
  *count = take;
  if (!take) return;
  uint32_t least = kth_largest(key, n, take, &equal);
  for (uint32_t i = 0; i < n; i++)
    if (key[i] > least || (key[i] == least && equal && equal--)) list[m++] = j->key_begin + i;
}

/// A record whose block codes exceed its largest code contradicts itself.
static bool bad_records(const uint8_t *rec, uint64_t n, uint32_t dk) {
  for (uint64_t i = 0; i < n; i++, rec += vb_rec_bytes(dk))
    for (uint32_t b = 0; b < vb_blocks(dk); b++)
      if (rec[b] > rec[VB_REC_KMAX]) return true;
  return false;
}

static uint64_t row(const struct job *j, int base, int stride, uint32_t t) {
  return j->args[base] + (uint64_t)t * arg(j->args, stride);
}

/// Scores of one token's n keys.
static uint32_t make_scores(const struct vb_golden_memory *mem, const struct job *j, uint32_t t, uint32_t n,
                            uint32_t *key, bool *bad) {
  uint64_t rec = vb_rec_bytes(j->dk);
  uint8_t *w = vb_golden_at(mem, row(j, VB_INDEXER_ARG_W, VB_INDEXER_ARG_W_STRIDE, t), 4u * j->heads, false);
  uint8_t *q = vb_golden_at(mem, row(j, VB_INDEXER_ARG_Q, VB_INDEXER_ARG_Q_STRIDE, t), rec * j->heads, false);
  uint8_t *k = vb_golden_at(mem, j->args[VB_INDEXER_ARG_K] + j->key_begin * rec, rec * n, false);
  if (!w || !q || !k) return VB_HW_ERR_RD_DEC;
  if (bad_records(q, j->heads, j->dk) || bad_records(k, n, j->dk)) {
    *bad = true;
    return VB_HW_ERR_NONE;
  }
  vb_z weights[MAX_HEADS];
  memcpy(weights, w, 4u * j->heads);
  const struct vb_kv kv = {.k = k, .heads = 1, .dk = j->dk, .capacity = n, .length = n};
  vb_ref_indexer(&(struct vb_indexer_op){.q = q,
                                         .w = weights,
                                         .w_scale = j->w_scale,
                                         .kv = &kv,
                                         .heads = j->heads,
                                         .k = 1,
                                         .first_count = n,
                                         .t = {0, 1},
                                         .key = {0, n},
                                         .mode = VB_INDEXER_SCORES,
                                         .score = key,
                                         .score_stride = n});
  return VB_HW_ERR_NONE;
}

static uint32_t run_token(const struct vb_golden_memory *mem, const struct job *j, uint32_t t, uint32_t *key,
                          uint32_t *list, bool *bad) {
  uint32_t n = (uint32_t)keys(j, t), count;
  uint64_t score_at = row(j, VB_INDEXER_ARG_SCORE, VB_INDEXER_ARG_SCORE_STRIDE, t);
  uint8_t *score = vb_golden_at(mem, score_at, 4ull * n, j->mode == MODE_SCORES);
  if (n && j->mode != MODE_TOPK) {
    uint32_t error = make_scores(mem, j, t, n, key, bad);
    if (error) return error;
  } else if (n) {
    if (!score) return VB_HW_ERR_RD_DEC;
    memcpy(key, score, 4ull * n);
  }
  if (j->mode == MODE_SCORES) {
    if (!score) return VB_HW_ERR_WR_DEC;
    if (n) memcpy(score, key, 4ull * n);
    return VB_HW_ERR_NONE;
  }
  select_keys(j, key, n, list, &count);
  uint8_t *to = vb_golden_at(mem, row(j, VB_INDEXER_ARG_LIST, VB_INDEXER_ARG_LIST_STRIDE, t), 4ull * j->k, true);
  uint8_t *total = vb_golden_at(mem, j->args[VB_INDEXER_ARG_COUNT] + 4ull * t, 4, true);
  if (!to || !total) return VB_HW_ERR_WR_DEC;
  memcpy(to, list, 4ull * j->k);
  memcpy(total, &count, 4);
  return VB_HW_ERR_NONE;
}

uint32_t vb_golden_indexer_error(const struct vb_hw_config *hw, const uint64_t *args) {
  struct job j;
  read_job(&j, args);
  return check(&j, hw);
}

uint32_t vb_golden_indexer(const struct vb_golden_memory *mem, const struct vb_hw_config *hw, const uint64_t *args) {
  struct job j;
  read_job(&j, args);
  uint32_t error = check(&j, hw);
  if (error || !j.tokens) return error;
  uint64_t most = keys(&j, j.tokens - 1);
  uint32_t *key = malloc(4 * (most + 1)), *list = malloc(4ull * MAX_TOPK);
  bool bad = false;
  if (!key || !list) abort(); // an oracle without memory must not answer
  for (uint32_t t = 0; t < j.tokens && !error; t++) error = run_token(mem, &j, t, key, list, &bad);
  free(key);
  free(list);
  return error ? error : bad ? VB_HW_ERR_INDEXER_RECORD : VB_HW_ERR_NONE;
}
