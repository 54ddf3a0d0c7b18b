// SPDX-License-Identifier: Apache-2.0
/// The indexer unit (hw/indexer) behind a simulator or a board: one job an operator. The unit wants its rows of weights,
/// scores and lists at multiples of 64 bytes, so they are padded on the way.
#include "num/block.h"
#include "ocl/internal.h"
#include <string.h>

enum { UNIT_FULL, UNIT_SCORES }; // modes of the job
enum { LINE = 64, UNIT_HEADS = 64, UNIT_DK = 128, UNIT_TOPK = 2048, UNIT_SCORE_KEYS = 1 << 20 };

static size_t lines(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

const char *vb_ocl_unit_indexer_lacks(const struct vb_ocl *d, const struct vb_indexer_op *op) {
  if (op->heads > UNIT_HEADS) return "more than 64 heads";
  if (op->kv->dk > UNIT_DK) return "a key size above 128";
  if (op->mode == VB_INDEXER_FULL && op->k > UNIT_TOPK) return "a selection of more than 2048 keys";
  // Where the tokens are not known yet (a plan is being made), the cache may become full.
  uint64_t keys = op->t.end ? (uint64_t)op->first_count + op->t.end - 1 : op->kv->capacity;
  if (op->mode == VB_INDEXER_SCORES) {
    uint64_t end = keys < op->key.end ? keys : op->key.end;
    return end > (uint64_t)op->key.begin + UNIT_SCORE_KEYS ? "scores of more than 2^20 keys" : NULL;
  }
  return keys > d->unit.indexer_keys ? "a selection from more keys than its score buffers hold" : NULL;
}

/// Head weights of the job's tokens, a padded row each.
static cl_mem put_weights(struct vb_ocl *d, const struct vb_indexer_op *op, size_t stride) {
  size_t row = op->heads * sizeof(vb_z), tokens = vb_count(op->t);
  char *padded = vb_ocl_stage(d, stride * tokens);
  if (!padded) return NULL;
  memset(padded, 0, stride * tokens);
  for (size_t t = 0; t < tokens; t++) memcpy(padded + t * stride, op->w + (op->t.begin + t) * op->heads, row);
  return vb_ocl_put_rows(d, S_X2, padded, stride * tokens, stride * tokens, 1);
}

static void get_lists(struct vb_ocl *d, const struct vb_indexer_op *op, cl_mem list, cl_mem count, size_t stride) {
  size_t tokens = vb_count(op->t), row = op->k * sizeof *op->list;
  const char *lists = vb_ocl_get(d, list, 0, stride * (tokens - 1) + row);
  for (size_t t = 0; lists && t < tokens; t++)
    vb_ocl_scatter(d, op->list + (op->t.begin + t) * op->k, 0, lists + t * stride, row, 1);
  vb_ocl_get_rows(d, count, 0, op->count + op->t.begin, tokens * 4, tokens * 4, 1);
}

/// Only what each token sees.
static void get_scores(struct vb_ocl *d, const struct vb_indexer_op *op, cl_mem score, size_t stride) {
  size_t tokens = vb_count(op->t);
  const char *scores = vb_ocl_get(d, score, 0, stride * tokens);
  for (size_t t = 0; scores && t < tokens; t++) {
    uint32_t seen = op->first_count + op->t.begin + (uint32_t)t, end = op->key.end < seen ? op->key.end : seen;
    if (end > op->key.begin)
      vb_ocl_scatter(d, op->score + (op->t.begin + t) * op->score_stride + op->key.begin, 0, scores + t * stride,
                     (end - op->key.begin) * sizeof *op->score, 1);
  }
}

void vb_ocl_unit_indexer(struct vb_ocl *d, const struct vb_indexer_op *op) {
  bool full = op->mode == VB_INDEXER_FULL;
  uint32_t tokens = vb_count(op->t), seen = op->first_count + op->t.end - 1; // by the last token
  struct vb_range key = {0, seen};
  if (!full) key.begin = op->key.begin, key.end = op->key.end < seen ? op->key.end : seen;
  if (key.end <= key.begin) return;
  size_t rec = op->heads * (size_t)vb_rec_bytes(op->kv->dk), w_stride = lines(op->heads * sizeof(vb_z));
  size_t score_stride = full ? LINE : lines(vb_count(key) * sizeof(uint32_t));
  size_t list_stride = full ? lines(op->k * sizeof(uint32_t)) : LINE;
  const struct vb_mirror *kv = vb_ocl_mirror(d, op->kv, key.end);
  if (!kv) return;
  cl_mem q = vb_ocl_put_rows(d, S_X, op->q + op->t.begin * rec, rec, rec, tokens);
  cl_mem w = put_weights(d, op, w_stride);
  cl_mem score = vb_ocl_scratch(d, S_SCORES, score_stride * tokens);
  cl_mem list = vb_ocl_scratch(d, S_LIST, list_stride * tokens), count = vb_ocl_scratch(d, S_HIST, tokens * 4);
  VB_RUN(d, "indexer", VB_GRID(1, 1), VB_MEM(q), VB_MEM(w), VB_MEM(kv->k), VB_MEM(score), VB_MEM(list), VB_MEM(count),
         VB_U32(full ? UNIT_FULL : UNIT_SCORES), VB_U32(tokens), VB_U32(op->heads),
         VB_U32(VB_BLOCK * vb_blocks(op->kv->dk)), VB_U32(op->k), VB_U32(key.begin), VB_U32(key.end),
         VB_U32(op->first_count + op->t.begin), VB_U32(op->w_scale), VB_U32((cl_uint)rec), VB_U32((cl_uint)w_stride),
         VB_U32((cl_uint)score_stride), VB_U32((cl_uint)list_stride), VB_U32(d->jobs++));
  if (full) get_lists(d, op, list, count, list_stride);
  else get_scores(d, op, score, score_stride);
}
