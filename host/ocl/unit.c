// SPDX-License-Identifier: Apache-2.0
/// Devices with built-in kernels: hw/attention and hw/router behind a simulator or a board. One launch is one job of
/// the unit; its arguments are the unit's registers, in order.
#include "num/block.h"
#include "ocl/internal.h"

static cl_mem sub_buffer(struct vb_ocl *d, cl_mem mem, size_t origin, size_t bytes) {
  if (d->status != VB_OK) return NULL;
  cl_int e;
  cl_buffer_region region = {origin, bytes};
  cl_mem sub = clCreateSubBuffer(mem, CL_MEM_READ_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &region, &e);
  return vb_ocl_check(d, e, "clCreateSubBuffer") ? sub : NULL;
}

enum { MAX_ROWS = 1 << 20 }; // of a job

/// An operator on the unit. Rows are [token][head]; records and outputs have whole blocks.
struct work {
  const struct vb_attention_op *op;
  struct vb_mirror *kv;
  const char *q, *m, *em; // rows of all key heads, dense
  uint32_t dk, dv;
  uint32_t key_end;     // no row sees a key from here on
  uint32_t filled;      // positions below are on the device
  cl_mem lists;         // NULL, or what is left of the lists
  uint32_t *list_start; // of each token
  uint32_t block;       // keys that an entry stands for
};

/// Tokens [t, t + tokens) of the query heads of one key head.
struct job {
  const struct vb_head_rows *g;
  uint32_t t, tokens;
};

static bool seen(const struct vb_seen *s, uint32_t begin, uint32_t end) {
  return (begin < s->kept && end > s->begin) || (begin < s->end && end > s->start);
}

/// Entries of every token's list that the token sees anything of. A block that begins before `key_end` is read to its
/// end: behind the last position are zero records. Where the cache has no room for those, the lists are of keys.
static bool cut_lists(struct vb_ocl *d, struct work *w) {
  const struct vb_attention_op *op = w->op;
  const uint32_t b = op->list_block ? op->list_block : 1, whole = (w->key_end + b - 1) / b * b;
  w->block = whole <= op->kv->capacity ? b : 1;
  if (w->block > 1) vb_ocl_mirror_zeros(d, op->kv, w->kv, w->filled, whole);
  size_t entries = 0, n = 0;
  for (uint32_t t = op->t.begin; t < op->t.end; t++) entries += (size_t)op->list_count[t] * (b / w->block);
  uint32_t *list = vb_ocl_stage(d, entries * sizeof *list);
  w->list_start = vb_ocl_stage(d, (vb_count(op->t) + (size_t)1) * sizeof *w->list_start);
  if (!list || !w->list_start) return false;
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    const struct vb_seen s = vb_attention_seen(op, t);
    const uint32_t *from = op->list + (uint64_t)t * op->list_stride;
    for (uint32_t i = 0; i < op->list_count[t]; i++)
      for (uint32_t j = from[i] * b; j < from[i] * b + b; j += w->block)
        if (seen(&s, j, j + w->block)) list[n++] = j / w->block;
    w->list_start[t - op->t.begin + 1] = (uint32_t)n;
  }
  w->lists = vb_ocl_put_rows(d, S_LIST, list, n * sizeof *list, n * sizeof *list, 1);
  return d->status == VB_OK;
}

/// The sink scores of the heads of one key head.
static cl_mem put_sinks(struct vb_ocl *d, const struct vb_attention_op *op, const struct vb_head_rows *g) {
  int32_t *score = vb_ocl_stage(d, g->heads * sizeof *score);
  for (uint32_t h = 0; score && h < g->heads; h++) score[h] = vb_score_q16(op->sinks[g->h0 + h]);
  return score ? vb_ocl_put_rows(d, S_TABLE, score, g->heads * sizeof *score, g->heads * sizeof *score, 1) : NULL;
}

/// Rows of `row` bytes with `stride` bytes between them on the device, to the first `row` bytes of the caller's rows.
static void get_rows(struct vb_ocl *d, const struct work *w, const struct job *j, cl_mem mem, void *host, size_t row,
                     size_t stride) {
  size_t first = (size_t)j->t * w->op->heads + j->g->h0, line = w->op->heads * row;
  char *to = (char *)host + first * row;
  if (row == stride) {
    vb_ocl_get_rows(d, mem, 0, to, j->g->heads * row, line, j->tokens);
    return;
  }
  const char *from = vb_ocl_get(d, mem, 0, j->tokens * j->g->heads * stride);
  for (uint32_t t = 0; from && t < j->tokens; t++)
    for (uint32_t h = 0; h < j->g->heads; h++)
      vb_ocl_scatter(d, to + t * line + h * row, 0, from + ((size_t)t * j->g->heads + h) * stride, row, 1);
}

/// Partial records are {L, 24 bytes, numerators}.
static void get_partials(struct vb_ocl *d, const struct work *w, const struct job *j, cl_mem mem) {
  const struct vb_attention_op *op = w->op;
  size_t stride = vb_partial_bytes(w->dv), dv = op->kv->dv;
  const char *from = vb_ocl_get(d, mem, 0, j->tokens * j->g->heads * stride);
  for (uint32_t t = 0; from && t < j->tokens; t++)
    for (uint32_t h = 0; h < j->g->heads; h++, from += stride) {
      size_t row = (size_t)(j->t + t) * op->heads + j->g->h0 + h;
      vb_ocl_scatter(d, op->l + row, 0, from, sizeof *op->l, 1);
      vb_ocl_scatter(d, op->num + row * dv, 0, from + 32, dv * sizeof *op->num, 1);
    }
}

static void run_job(struct vb_ocl *d, const struct work *w, const struct job *j) {
  const struct vb_attention_op *op = w->op;
  const struct vb_head_rows *g = j->g;
  const struct vb_mirror *kv = w->kv;
  size_t rec = vb_rec_bytes(w->dk), val = vb_val_bytes(w->dv), em_row = VB_EM_ROW * sizeof(int16_t);
  size_t rows = (size_t)j->tokens * g->heads, row0 = g->row0 + (size_t)(j->t - op->t.begin) * g->heads;
  size_t out_row = op->mode == VB_ATTN_SUM ? vb_partial_bytes(w->dv) : w->dv * sizeof(vb_z);
  uint32_t list0 = w->lists ? w->list_start[j->t - op->t.begin] : 0;
  uint32_t list_count = w->lists ? w->list_start[j->t - op->t.begin + 1] - list0 : 0;
  cl_mem q = vb_ocl_put_rows(d, S_X, w->q + row0 * rec, rows * rec, rows * rec, 1);
  cl_mem m = vb_ocl_scratch(d, S_M, rows * 4), em = vb_ocl_scratch(d, S_EM, rows * em_row);
  cl_mem out = vb_ocl_scratch(d, S_Y, rows * out_row);
  if (w->m) vb_ocl_put(d, m, 0, w->m + row0 * 4, rows * 4);
  if (w->em) vb_ocl_put(d, em, 0, w->em + row0 * em_row, rows * em_row);
  cl_mem sinks = op->sinks && op->mode == VB_ATTN_FULL ? put_sinks(d, op, g) : NULL; // of a split, the merge adds them
  cl_mem k = sub_buffer(d, kv->k, g->kv_head * kv->k_head, kv->k_head);
  cl_mem v = op->kv->v ? sub_buffer(d, kv->v, g->kv_head * kv->v_head, kv->v_head) : NULL;
  VB_RUN(d, "attention", VB_GRID(1, 1), VB_MEM(q), VB_MEM(k), VB_MEM(v), VB_MEM(m), VB_MEM(em), VB_MEM(out),
         VB_U32((cl_uint)op->mode), VB_U32((cl_uint)rows), VB_U32(g->heads), VB_U32(w->dk), VB_U32(w->dv),
         VB_U32(op->key.begin), VB_U32(w->key_end), VB_U32(op->first_count + j->t), VB_U32((cl_uint)rec),
         VB_U32((cl_uint)(rec * g->heads)), VB_U32((cl_uint)rec), VB_U32((cl_uint)val), VB_U32((cl_uint)out_row),
         VB_U32((cl_uint)(out_row * g->heads)), VB_U32(d->jobs++), VB_U32(op->window), VB_U32(op->chunk),
         VB_U32(op->keep), VB_MEM(w->lists), VB_U32(list0), VB_U32(list_count), VB_U32(w->lists ? w->block : 0),
         VB_MEM(sinks), VB_U32(op->kv->v == NULL));
  // Commands in the queue keep what they use alive.
  if (k) clReleaseMemObject(k);
  if (v) clReleaseMemObject(v);
  switch (op->mode) {
  case VB_ATTN_FULL: get_rows(d, w, j, out, op->y, op->kv->dv * sizeof(vb_z), out_row); break;
  case VB_ATTN_MAX: get_rows(d, w, j, m, op->m, 4, 4); break;
  case VB_ATTN_EXP: get_rows(d, w, j, em, op->em, em_row, em_row); break;
  case VB_ATTN_SUM: get_partials(d, w, j, out); break;
  }
}

void vb_ocl_unit_attention(struct vb_ocl *d, const struct vb_attention_op *op) {
  struct vb_head_rows *group;
  uint32_t groups = vb_ocl_head_rows(d, op, &group), last = op->first_count + op->t.end - 1;
  struct work w = {.op = op, .dk = vb_val_bytes(op->kv->dk), .dv = vb_val_bytes(op->kv->dv)};
  w.key_end = op->key.end < last ? op->key.end : last;
  size_t rows = (size_t)vb_count(op->t) * vb_count(op->h), em_row = VB_EM_ROW * sizeof(int16_t);
  w.filled = op->list && op->kv->length > w.key_end ? op->kv->length : w.key_end; // a block may go on behind the end
  w.kv = vb_ocl_mirror(d, op->kv, w.filled);
  if (!w.kv || (op->list && !cut_lists(d, &w))) return;
  w.q = vb_ocl_gather_rows(d, op, op->q, vb_rec_bytes(op->kv->dk), group, groups, rows);
  if (op->mode == VB_ATTN_EXP || op->mode == VB_ATTN_SUM)
    w.m = vb_ocl_gather_rows(d, op, op->m, 4, group, groups, rows);
  if (op->mode == VB_ATTN_SUM) w.em = vb_ocl_gather_rows(d, op, op->em, em_row, group, groups, rows);
  for (uint32_t i = 0; i < groups; i++) {
    // A job has one list, so the rows of one token.
    const uint32_t most = op->list ? 1 : group[i].heads < MAX_ROWS ? MAX_ROWS / group[i].heads : 1;
    for (uint32_t t = op->t.begin; t < op->t.end && d->status == VB_OK; t += most) {
      const uint32_t left = op->t.end - t;
      run_job(d, &w, &(struct job){&group[i], t, left < most ? left : most});
    }
  }
}

void vb_ocl_unit_router(struct vb_ocl *d, const struct vb_router_op *op) {
  size_t tokens = vb_count(op->t), row = op->experts * sizeof(vb_z), pairs = tokens * op->k;
  cl_mem logits = vb_ocl_put_rows(d, S_X, op->logits + (size_t)op->t.begin * op->experts, row, row, tokens);
  cl_mem ids = vb_ocl_scratch(d, S_IDS, pairs * 4), gates = vb_ocl_scratch(d, S_GATES, pairs * 4);
  cl_mem hist = vb_ocl_scratch(d, S_HIST, row), offsets = vb_ocl_scratch(d, S_OFFSETS, row + 4);
  cl_mem list = vb_ocl_scratch(d, S_LIST, pairs * 4);
  bool biased = op->bias && op->score == VB_SCORE_SIGMOID; // softmax is selected by its logits alone
  cl_mem bias = biased ? vb_ocl_weight(d, op->bias, row) : vb_ocl_scratch(d, S_TABLE2, 64);
  VB_RUN(d, "router", VB_GRID(1, 1), VB_MEM(logits), VB_MEM(ids), VB_MEM(gates), VB_MEM(hist), VB_MEM(offsets),
         VB_MEM(list), VB_U32((cl_uint)tokens), VB_U32(op->experts), VB_U32(op->k), VB_U32((cl_uint)op->score),
         VB_U32(op->renorm), VB_U32((cl_uint)row), VB_U32(op->scale), VB_U32(d->jobs++), VB_MEM(bias), VB_U32(biased),
         VB_U32(op->groups), VB_U32(op->topk_groups), VB_U32(op->group_top == 2 ? 2 : 1), VB_U32(op->threshold),
         VB_U32(op->capacity));
  vb_ocl_get_rows(d, ids, 0, op->ids, pairs * 4, pairs * 4, 1);
  vb_ocl_get_rows(d, gates, 0, op->gates, pairs * 4, pairs * 4, 1);
  vb_ocl_get_rows(d, hist, 0, op->hist, row, row, 1);
  vb_ocl_get_rows(d, offsets, 0, op->offsets, row + 4, row + 4, 1);
  vb_ocl_get_rows(d, list, 0, op->list, pairs * 4, pairs * 4, 1);
}
