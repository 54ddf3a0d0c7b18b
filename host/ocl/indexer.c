// SPDX-License-Identifier: Apache-2.0
/// The lightning indexer: scores in batches of tokens that fit the score buffer, then the radix top-k of each batch.
#include "ocl/internal.h"

enum { KEYS_PER_ITEM = 64, TOPK_KEYS_PER_ITEM = 4096 }; // as in kernels_cl/indexer.cl
static const size_t score_bytes = (size_t)64 << 20;     // of the scores that are kept at a time

struct work {
  const struct vb_indexer_op *op;
  struct vb_mirror *kv;
  cl_mem q, weights, tops;
  struct vb_range key; // keys that any token gets a score for
  cl_uint width;       // their number
};

/// Keys that token t sees.
static uint32_t seen(const struct vb_indexer_op *op, uint32_t t) { return op->first_count + t; }

static cl_mem batch_scores(struct vb_ocl *d, const struct work *w, uint32_t t0, uint32_t tokens) {
  const struct vb_indexer_op *op = w->op;
  cl_mem scores = vb_ocl_scratch(d, S_SCORES, (size_t)tokens * w->width * sizeof(cl_uint));
  VB_RUN(d, "vb_indexer_scores", VB_GRID((w->width + KEYS_PER_ITEM - 1) / KEYS_PER_ITEM, tokens), VB_MEM(w->q),
         VB_MEM(w->kv->k), VB_MEM(w->weights), VB_MEM(w->tops), VB_MEM(scores), VB_U32(op->heads), VB_U32(op->kv->dk),
         VB_U32(w->key.begin), VB_U32(w->key.end), VB_U32(w->width), VB_U32(t0 - op->t.begin), VB_U32(seen(op, t0)));
  return scores;
}

static void get_scores(struct vb_ocl *d, const struct work *w, cl_mem scores, uint32_t t0, uint32_t tokens) {
  const struct vb_indexer_op *op = w->op;
  const char *dense = vb_ocl_get(d, scores, 0, (size_t)tokens * w->width * sizeof(cl_uint));
  for (uint32_t t = t0; dense && t < t0 + tokens; t++) { // only what the token sees
    uint32_t end = w->key.end < seen(op, t) ? w->key.end : seen(op, t);
    if (end > w->key.begin)
      vb_ocl_scatter(d, op->score + (uint64_t)t * op->score_stride + w->key.begin, 0,
                     dense + (size_t)(t - t0) * w->width * sizeof(cl_uint), (end - w->key.begin) * sizeof(cl_uint), 1);
  }
}

static void batch_topk(struct vb_ocl *d, const struct work *w, cl_mem scores, uint32_t t0, uint32_t tokens) {
  const struct vb_indexer_op *op = w->op;
  uint32_t first = seen(op, t0), chunks = (first + tokens - 1 + TOPK_KEYS_PER_ITEM - 1) / TOPK_KEYS_PER_ITEM;
  cl_mem state = vb_ocl_scratch(d, S_TABLE, (size_t)tokens * 2 * sizeof(cl_uint));
  cl_mem counts = vb_ocl_scratch(d, S_HIST, (size_t)tokens * chunks * 256 * sizeof(cl_uint));
  cl_mem above = vb_ocl_scratch(d, S_OFFSETS, (size_t)tokens * chunks * 2 * sizeof(cl_uint));
  cl_mem list = vb_ocl_scratch(d, S_LIST, (size_t)tokens * op->k * sizeof(cl_uint));
  for (uint32_t shift = 32; shift > 0;) {
    shift -= 8;
    VB_RUN(d, "vb_topk_count", VB_GRID(chunks, tokens), VB_MEM(scores), VB_MEM(state), VB_MEM(counts), VB_U32(w->width),
           VB_U32(first), VB_U32(chunks), VB_U32(shift));
    VB_RUN(d, "vb_topk_digit", VB_GRID(tokens, 1), VB_MEM(counts), VB_MEM(state), VB_U32(op->k), VB_U32(first),
           VB_U32(chunks), VB_U32(shift));
  }
  VB_RUN(d, "vb_topk_above", VB_GRID(chunks, tokens), VB_MEM(scores), VB_MEM(state), VB_MEM(above), VB_U32(w->width),
         VB_U32(first), VB_U32(chunks));
  VB_RUN(d, "vb_topk_list", VB_GRID(chunks, tokens), VB_MEM(scores), VB_MEM(state), VB_MEM(above), VB_MEM(list),
         VB_U32(w->width), VB_U32(op->k), VB_U32(first), VB_U32(chunks));
  size_t row = op->k * sizeof(cl_uint);
  vb_ocl_get_rows(d, list, 0, op->list + (uint64_t)t0 * op->k, row, row, tokens);
}

static void source_indexer(struct vb_ocl *d, const struct vb_indexer_op *op) {
  struct work w = {.op = op, .key = {0, seen(op, op->t.end - 1)}};
  bool full = op->mode == VB_INDEXER_FULL;
  if (!full) w.key.begin = op->key.begin, w.key.end = op->key.end < w.key.end ? op->key.end : w.key.end;
  w.width = vb_count(w.key);
  if (!w.width) return;
  uint32_t tokens = vb_count(op->t), heads = op->heads;
  size_t rec = heads * (size_t)vb_rec_bytes(op->kv->dk), row = heads * sizeof(vb_z);
  if (!(w.kv = vb_ocl_mirror(d, op->kv, w.key.end))) return;
  w.q = vb_ocl_put_rows(d, S_X, op->q + op->t.begin * rec, rec, rec, tokens);
  cl_mem head_weights = vb_ocl_put_rows(d, S_X2, op->w + (size_t)op->t.begin * heads, row, row, tokens);
  w.weights = vb_ocl_scratch(d, S_GATES, row * tokens), w.tops = vb_ocl_scratch(d, S_TOP, tokens * sizeof(cl_int));
  VB_RUN(d, "vb_indexer_weights", VB_GRID(tokens, 1), VB_MEM(w.q), VB_MEM(head_weights), VB_MEM(w.weights),
         VB_MEM(w.tops), VB_U32(heads), VB_U32(op->kv->dk), VB_U32(op->w_scale));
  size_t most = score_bytes / sizeof(cl_uint) / w.width;
  if (most < 1) most = 1;
  for (uint32_t t = op->t.begin, n; t < op->t.end && d->status == VB_OK; t += n) {
    n = op->t.end - t < most ? op->t.end - t : (uint32_t)most;
    cl_mem scores = batch_scores(d, &w, t, n);
    if (full) batch_topk(d, &w, scores, t, n);
    else get_scores(d, &w, scores, t, n);
  }
  uint32_t *count = full ? vb_ocl_stage(d, tokens * sizeof *count) : NULL;
  for (uint32_t i = 0; count && i < tokens; i++) {
    uint32_t n = seen(op, op->t.begin + i);
    count[i] = n < op->k ? n : op->k;
  }
  if (count) vb_ocl_scatter(d, op->count + op->t.begin, 0, count, tokens * sizeof *count, 1);
}

void vb_ocl_do_indexer(struct vb_ocl *d, const struct vb_indexer_op *op) {
  const char *lacks = vb_ocl_lacks(d, VB_OCL_INDEXER, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "indexer: %s is not offered by this device", lacks);
  if (!vb_count(op->t) || d->status != VB_OK) return;
  if (d->info.compiler) source_indexer(d, op);
  else vb_ocl_unit_indexer(d, op);
}

vb_result vb_ocl_indexer(struct vb_ocl *d, const struct vb_indexer_op *op) {
  if (vb_ocl_begin(d)) vb_ocl_do_indexer(d, op);
  return vb_ocl_end(d);
}
