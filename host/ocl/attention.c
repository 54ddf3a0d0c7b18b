// SPDX-License-Identifier: Apache-2.0
#include "ocl/internal.h"

enum { KEYS_PER_ITEM = 64, TILE = 4 };              // as in kernels_cl/attention.cl
static const size_t score_bytes = (size_t)64 << 20; // of the scores that are kept at a time

struct uint2 {
  cl_uint x, y;
};
struct row { // struct vb_attn_row of kernels_cl/attention.cl
  cl_uint kv_head, begin, kept, start, end, head, list;
};

struct work {
  const struct vb_attention_op *op;
  struct vb_head_rows *group;
  uint32_t groups;
  size_t rows, tiles;
  const struct uint2 *tile; // first row, rows
  cl_uint begin, keys;      // candidates that any row sees: keys, or list entries
  cl_uint fold, skip;       // candidates from fold on are keys that lie skip further up: what no row sees is left out
  uint32_t end;             // no row sees a key from here on
  uint32_t *list, *list_start; // NULL, or what is left of the key lists, and of each token where it starts
  struct vb_mirror *kv;
  cl_mem values;       // buffer that the values lie in
  cl_ulong value_head; // bytes from head to head
  cl_uint vcodes, val, offset;
  cl_mem sinks, q, row_table, tile_table, lists, scores, m, em, l, num;
};

/// Candidates of token t: the entries of its list that it sees, or its keys.
static struct vb_seen candidates(const struct work *w, uint32_t t) {
  uint32_t i = t - w->op->t.begin;
  if (w->list) return (struct vb_seen){0, 0, 0, w->list_start[i + 1] - w->list_start[i]};
  struct vb_seen s = vb_attention_seen(w->op, t);
  if (s.start > w->fold) s.start -= w->skip, s.end -= w->skip;
  return s;
}

/// Keep of every token's list what the token sees, as keys.
static bool cut_lists(struct vb_ocl *d, struct work *w) {
  const struct vb_attention_op *op = w->op;
  const uint32_t block = op->list_block ? op->list_block : 1;
  size_t entries = 0;
  for (uint32_t t = op->t.begin; t < op->t.end; t++) entries += op->list_count[t];
  w->list = vb_ocl_stage(d, entries * block * sizeof *w->list);
  w->list_start = vb_ocl_stage(d, (vb_count(op->t) + (size_t)1) * sizeof *w->list_start);
  if (!w->list || !w->list_start) return false;
  uint32_t n = 0;
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    const struct vb_seen s = vb_attention_seen(op, t);
    const uint32_t *list = op->list + (uint64_t)t * op->list_stride;
    for (uint32_t i = 0; i < op->list_count[t]; i++)
      for (uint32_t j = list[i] * block; j < list[i] * block + block; j++)
        if ((j >= s.begin && j < s.kept) || (j >= s.start && j < s.end)) w->list[n++] = j;
    w->list_start[t - op->t.begin + 1] = n;
  }
  w->lists = vb_ocl_put_rows(d, S_LIST, w->list, n * sizeof *w->list, n * sizeof *w->list, 1);
  return d->status == VB_OK;
}

/// Keys below kept are seen by their number, the others from low on: what lies between is no candidate.
static void fold(struct work *w) {
  uint32_t kept = 0, low = UINT32_MAX;
  for (uint32_t t = w->op->t.begin; t < w->op->t.end; t++) {
    struct vb_seen s = vb_attention_seen(w->op, t);
    if (s.kept > s.begin && s.kept > kept) kept = s.kept;
    if (s.start < s.end && s.start < low) low = s.start;
    if ((s.begin < s.kept || s.start < s.end) && s.end > w->end) w->end = s.end;
  }
  w->fold = kept ? kept : w->op->key.begin;
  w->skip = low != UINT32_MAX && low > w->fold ? low - w->fold : 0;
}

/// What the rows see together.
static bool bound(struct vb_ocl *d, struct work *w) {
  uint32_t end = 0;
  fold(w);
  if (w->op->list && !cut_lists(d, w)) return false;
  if (!w->op->list) w->lists = vb_ocl_scratch(d, S_LIST, 4);
  for (uint32_t t = w->op->t.begin; t < w->op->t.end; t++) {
    struct vb_seen s = candidates(w, t);
    uint32_t first = s.begin < s.kept ? s.begin : s.start;
    if (first < s.end && first < w->begin) w->begin = first;
    if (first < s.end && s.end > end) end = s.end;
  }
  w->keys = end > w->begin ? end - w->begin : 0;
  return d->status == VB_OK;
}

/// Upload the tables: per row its heads and candidates, per tile its rows.
static bool put_tables(struct vb_ocl *d, struct work *w) {
  const struct vb_attention_op *op = w->op;
  struct row *row = vb_ocl_stage(d, w->rows * sizeof *row);
  struct uint2 *tile = vb_ocl_stage(d, w->rows * sizeof *tile);
  if (!row || !tile) return false;
  w->tile = tile;
  size_t r = 0;
  for (uint32_t i = 0; i < w->groups; i++) {
    size_t heads = w->group[i].heads, all = heads * vb_count(op->t), together = w->list ? heads : all;
    for (size_t from = r; from < r + all; from += together) // rows of a tile have one list
      for (size_t at = 0; at < together; at += TILE)
        tile[w->tiles++] = (struct uint2){(cl_uint)(from + at), (cl_uint)(together - at < TILE ? together - at : TILE)};
    for (uint32_t t = op->t.begin; t < op->t.end; t++)
      for (uint32_t h = 0; h < heads; h++) {
        struct vb_seen s = candidates(w, t);
        row[r++] = (struct row){w->group[i].kv_head,
                                s.begin,
                                s.kept,
                                s.start,
                                s.end,
                                w->group[i].h0 + h,
                                w->list ? w->list_start[t - op->t.begin] : 0};
      }
  }
  w->row_table = vb_ocl_put_rows(d, S_ROWS, row, w->rows * sizeof *row, w->rows * sizeof *row, 1);
  w->tile_table = vb_ocl_put_rows(d, S_TILES, tile, w->tiles * sizeof *tile, w->tiles * sizeof *tile, 1);
  return d->status == VB_OK;
}

/// One batch of tiles whose scores fit the score buffer.
static void batch(struct vb_ocl *d, const struct work *w, size_t tile0, size_t tiles, cl_uint row0, size_t rows) {
  const struct vb_attention_op *op = w->op;
  const struct vb_kv *kv = op->kv;
  cl_uint sink = op->sinks && op->mode == VB_ATTN_FULL; // of a split, the merge adds it
  struct vb_arg map = VB_U32X4(w->fold, w->skip, op->list != NULL),
                range[] = {VB_U32(w->begin), VB_U32(w->keys), VB_U32(row0)};
  VB_RUN(d, "vb_attn_scores", VB_GRID((w->keys + KEYS_PER_ITEM - 1) / KEYS_PER_ITEM, tiles), VB_MEM(w->q),
         VB_MEM(w->kv->k), VB_MEM(w->row_table), VB_MEM(w->tile_table), VB_MEM(w->lists), VB_MEM(w->scores), map,
         VB_U32(kv->dk), VB_U64(w->kv->k_head), VB_U64((cl_ulong)op->cap), range[0], range[1], range[2],
         VB_U32((cl_uint)tile0));
  if (op->mode == VB_ATTN_FULL || op->mode == VB_ATTN_MAX)
    VB_RUN(d, "vb_attn_max", VB_GRID(rows, 1), VB_MEM(w->scores), VB_MEM(w->row_table), VB_MEM(w->sinks), VB_MEM(w->m),
           VB_U32(sink), range[0], range[1], range[2]);
  if (op->mode == VB_ATTN_FULL || op->mode == VB_ATTN_EXP)
    VB_RUN(d, "vb_attn_exp", VB_GRID(rows, 1), VB_MEM(w->scores), VB_MEM(w->kv->k), VB_MEM(w->row_table),
           VB_MEM(w->lists), VB_MEM(w->m), VB_MEM(w->em), map, VB_U32(kv->dk), VB_U32(kv->dv), VB_U64(w->kv->k_head),
           VB_U32(w->vcodes), range[0], range[1], range[2]);
  if (op->mode == VB_ATTN_FULL || op->mode == VB_ATTN_SUM)
    VB_RUN(d, "vb_attn_sum", VB_GRID(vb_blocks(kv->dv), rows), VB_MEM(w->scores), VB_MEM(w->kv->k), VB_MEM(w->values),
           VB_MEM(w->row_table), VB_MEM(w->lists), VB_MEM(w->m), VB_MEM(w->em), VB_MEM(w->l), VB_MEM(w->num),
           VB_MEM(w->sinks), map, VB_U32(sink), VB_U32(kv->dk), VB_U32(kv->dv), VB_U64(w->kv->k_head),
           VB_U64(w->value_head), VB_U32(w->vcodes), VB_U32(w->val), VB_U32(w->offset), range[0], range[1], range[2]);
}

static void batches(struct vb_ocl *d, struct work *w) {
  size_t row_bytes = (w->keys ? w->keys : 1) * sizeof(cl_int), most = score_bytes / row_bytes / TILE;
  if (most < 1) most = 1; // tiles
  w->scores = vb_ocl_scratch(d, S_SCORES, (most < w->tiles ? most : w->tiles) * TILE * row_bytes);
  for (size_t i = 0; i < w->tiles && d->status == VB_OK; i += most) {
    size_t n = w->tiles - i < most ? w->tiles - i : most;
    const struct uint2 *first = &w->tile[i], *last = &w->tile[i + n - 1];
    batch(d, w, i, n, first->x, last->x + last->y - first->x);
  }
}

static void source_attention(struct vb_ocl *d, const struct vb_attention_op *op) {
  uint32_t dv = op->kv->dv;
  struct work w = {.op = op, .begin = UINT32_MAX, .rows = (size_t)vb_count(op->t) * vb_count(op->h)};
  if (!bound(d, &w)) return;
  w.groups = vb_ocl_head_rows(d, op, &w.group);
  if (!put_tables(d, &w) || !(w.kv = vb_ocl_mirror(d, op->kv, w.end))) return;
  bool own = op->kv->v != NULL; // values of their own, or the first elements of the keys
  w.values = own ? w.kv->v : w.kv->k;
  w.value_head = own ? w.kv->v_head : w.kv->k_head;
  w.vcodes = own ? VB_REC_VCODES : 0;
  w.val = own ? vb_val_bytes(dv) : vb_rec_bytes(op->kv->dk);
  w.offset = own ? 0 : VB_REC_HEADER;
  w.sinks = op->sinks ? vb_ocl_weight(d, op->sinks, op->heads * sizeof(vb_z)) : vb_ocl_scratch(d, S_TABLE2, 4);
  size_t rec = vb_rec_bytes(op->kv->dk), em_row = VB_EM_ROW * sizeof(int16_t), n = w.rows;
  const void *q = vb_ocl_gather_rows(d, op, op->q, rec, w.group, w.groups, n);
  w.q = vb_ocl_put_rows(d, S_X, q, n * rec, n * rec, 1);
  bool full = op->mode == VB_ATTN_FULL, sums = full || op->mode == VB_ATTN_SUM;
  if (op->mode == VB_ATTN_EXP || op->mode == VB_ATTN_SUM)
    w.m = vb_ocl_put_rows(d, S_M, vb_ocl_gather_rows(d, op, op->m, 4, w.group, w.groups, n), n * 4, n * 4, 1);
  else w.m = vb_ocl_scratch(d, S_M, n * 4);
  if (op->mode == VB_ATTN_SUM)
    w.em = vb_ocl_put_rows(d, S_EM, vb_ocl_gather_rows(d, op, op->em, em_row, w.group, w.groups, n), n * em_row,
                           n * em_row, 1);
  else w.em = vb_ocl_scratch(d, S_EM, n * em_row);
  w.l = vb_ocl_scratch(d, S_L, sums ? n * 8 : 8);
  w.num = vb_ocl_scratch(d, S_NUM, sums ? n * dv * 8 : 8);
  batches(d, &w);
  if (full) {
    cl_mem y = vb_ocl_scratch(d, S_Y, n * dv * sizeof(vb_z));
    VB_RUN(d, "vb_attn_finish", VB_ELEMENTS(dv, n), VB_MEM(w.num), VB_MEM(w.l), VB_MEM(w.em), VB_MEM(y), VB_U32(dv));
    vb_ocl_scatter_rows(d, op, op->y, dv * sizeof(vb_z), y, w.group, w.groups);
  } else if (op->mode == VB_ATTN_MAX) {
    vb_ocl_scatter_rows(d, op, op->m, 4, w.m, w.group, w.groups);
  } else if (op->mode == VB_ATTN_EXP) {
    vb_ocl_scatter_rows(d, op, op->em, em_row, w.em, w.group, w.groups);
  } else {
    vb_ocl_scatter_rows(d, op, op->l, 8, w.l, w.group, w.groups);
    vb_ocl_scatter_rows(d, op, op->num, dv * sizeof(int64_t), w.num, w.group, w.groups);
  }
}

void vb_ocl_do_attention(struct vb_ocl *d, const struct vb_attention_op *op) {
  const struct vb_kv *kv = op->kv;
  const char *lacks = vb_ocl_lacks(d, VB_OCL_ATTENTION, op);
  if (lacks) vb_ocl_fault(d, VB_BAD_INPUT, "attention: %s is not offered by this device", lacks);
  else if (!vb_ocl_can_attention(d, op->heads, kv->heads, kv->dk, kv->dv))
    vb_ocl_fault(d, VB_BAD_INPUT, "attention: %u heads over %u, key size %u, value size %u: not on this device",
                 op->heads, kv->heads, kv->dk, kv->dv);
  if (!vb_count(op->t) || !vb_count(op->h) || d->status != VB_OK) return;
  if (d->info.compiler) source_attention(d, op);
  else vb_ocl_unit_attention(d, op);
}

vb_result vb_ocl_attention(struct vb_ocl *d, const struct vb_attention_op *op) {
  if (vb_ocl_begin(d)) vb_ocl_do_attention(d, op);
  return vb_ocl_end(d);
}
