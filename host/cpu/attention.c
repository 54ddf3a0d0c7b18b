// SPDX-License-Identifier: Apache-2.0
// Tiles of up to 16 query rows (tokens x heads) that share a key head; threads share the tiles.
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"
#include "ref/ref.h"

struct rows {
  const struct vb_attention_op *op;
  uint32_t head;         ///< key head
  uint32_t h0, heads;    ///< the query heads of it that were asked for
  uint32_t first, count; ///< rows of a tile
};

static uint32_t group_of(const struct vb_attention_op *op) { return op->heads / op->kv->heads; }

static uint64_t row_index(const struct rows *r, uint32_t l) {
  uint32_t i = r->first + l;
  return (uint64_t)(r->op->t.begin + i / r->heads) * r->op->heads + r->h0 + i % r->heads;
}

static uint32_t visible(const struct vb_attention_op *op, uint32_t t) {
  uint32_t end = op->first_count + t < op->key.end ? op->first_count + t : op->key.end;
  return end > op->key.begin ? end - op->key.begin : 0;
}

static void tile_setup(const struct rows *r, struct vb_attn_tile *t) {
  const struct vb_attention_op *op = r->op;
  t->kv = op->kv, t->head = r->head, t->begin = op->key.begin, t->lanes = r->count, t->n = 0;
  for (uint32_t l = 0; l < VB_TILE; l++) {
    uint32_t used = l < r->count ? l : r->count - 1;
    const uint8_t *q = op->q + row_index(r, used) * vb_rec_bytes(op->kv->dk);
    t->q[l] = (struct vb_act8){(const int8_t *)q + VB_REC_HEADER, q, q[VB_REC_KMAX]};
    t->limit[l] = l < r->count ? visible(op, op->t.begin + (r->first + l) / r->heads) : 0;
    if (t->limit[l] > t->n) t->n = t->limit[l];
  }
}

static void load_refs(const struct rows *r, struct vb_attn_tile *t, bool em) {
  const uint32_t blocks = vb_blocks(r->op->kv->dv);
  for (uint32_t l = 0; l < VB_TILE; l++) {
    uint64_t i = row_index(r, l < r->count ? l : r->count - 1);
    t->m[l] = r->op->m[i];
    for (uint32_t b = 0; em && b < blocks; b++) t->em[b][l] = r->op->em[i * VB_EM_ROW + b];
  }
}

static void store_em(const struct rows *r, const struct vb_attn_tile *t) {
  const uint32_t blocks = vb_blocks(r->op->kv->dv);
  for (uint32_t l = 0; l < r->count; l++) {
    int16_t *em = r->op->em + row_index(r, l) * VB_EM_ROW;
    for (uint32_t b = 0; b < VB_EM_ROW; b++) em[b] = (int16_t)(b < blocks ? t->em[b][l] : VB_EM_NONE);
  }
}

// vb_divide with the reciprocal taken once per row.
static void finish_row(const int64_t *num, uint64_t l, const int32_t (*em)[VB_TILE], uint32_t dv, vb_z *y) {
  int le = 0;
  int64_t r = l ? INT64_MAX / vb_norm_u32(l, &le) : 0;
  for (uint32_t c = 0; c < dv; c++) {
    vb_z n = vb_norm(num[c], 0);
    y[c] = n && l ? vb_norm(vb_man(n) * r, vb_expb(n) - 150 + em[c / VB_BLOCK][0] - 127 - 24 + 32 - 63 - le) : 0;
  }
}

static void tile_run(const struct vb_isa *isa, const struct rows *r, struct vb_attn_tile *t) {
  const struct vb_attention_op *op = r->op;
  const uint32_t dv = op->kv->dv, ld = vb_val_bytes(dv);
  tile_setup(r, t);
  isa->attn_scores(t);
  switch (op->mode) {
  case VB_ATTN_MAX:
    for (uint32_t l = 0; l < r->count; l++) op->m[row_index(r, l)] = t->m[l];
    break;
  case VB_ATTN_EXP:
    load_refs(r, t, false);
    isa->attn_em(t);
    store_em(r, t);
    break;
  case VB_ATTN_SUM:
    load_refs(r, t, true);
    isa->attn_sum(t);
    for (uint32_t l = 0; l < r->count; l++) {
      uint64_t i = row_index(r, l);
      op->l[i] = t->l[l];
      memcpy(op->num + i * dv, t->num + (size_t)l * ld, dv * sizeof *t->num);
    }
    break;
  case VB_ATTN_FULL:
    isa->attn_em(t);
    isa->attn_sum(t);
    for (uint32_t l = 0; l < r->count; l++)
      finish_row(t->num + (size_t)l * ld, t->l[l], (const int32_t(*)[VB_TILE])(t->em[0] + l), dv,
                 op->y + row_index(r, l) * dv);
    break;
  }
}

// Windows, chunks, key lists, sinks, soft-caps and values inside the keys have no fast form yet: right and slow.
static bool plain(const struct vb_attention_op *op) {
  return !op->window && !op->chunk && !op->list && !op->sinks && !op->cap && op->kv->v;
}
static void by_reference(const struct vb_attention_op *op, int threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(dynamic) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      struct vb_attention_op one = *op;
      one.t = (struct vb_range){t, t + 1}, one.h = (struct vb_range){h, h + 1};
      vb_ref_attention(&one);
    }
}

void vb_cpu_attention(const struct vb_attention_op *op, int threads) {
  if (op->t.begin >= op->t.end || op->h.begin >= op->h.end) return;
  if (!plain(op)) {
    by_reference(op, vb_threads(threads));
    return;
  }
  const struct vb_isa *isa = vb_cpu_isa();
  const uint32_t group = group_of(op), tokens = op->t.end - op->t.begin, g0 = op->h.begin / group;
  const uint32_t key_heads = (op->h.end - 1) / group - g0 + 1;
  const uint32_t tiles = (uint32_t)(((uint64_t)tokens * group + VB_TILE - 1) / VB_TILE); // per key head, at most
  const uint64_t keys = visible(op, op->t.end - 1);
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    struct vb_attn_tile t;
    t.s = vb_scratch(keys * VB_TILE * sizeof *t.s);
    t.num = vb_scratch((uint64_t)VB_TILE * vb_val_bytes(op->kv->dv) * sizeof *t.num);
    t.work = vb_scratch(isa->attn_work(op->kv));
    // Late tiles see the most keys: first, so that no thread is left with one at the end.
#pragma omp for schedule(dynamic)
    for (uint64_t i = 0; i < (uint64_t)key_heads * tiles; i++) {
      uint32_t g = g0 + (uint32_t)(i % key_heads), lo = g * group, hi = lo + group;
      struct rows r = {.op = op, .head = g, .first = (tiles - 1 - (uint32_t)(i / key_heads)) * VB_TILE};
      r.h0 = lo > op->h.begin ? lo : op->h.begin;
      r.heads = (hi < op->h.end ? hi : op->h.end) - r.h0;
      uint32_t rows = tokens * r.heads;
      if (r.first >= rows) continue;
      r.count = rows - r.first < VB_TILE ? rows - r.first : VB_TILE;
      tile_run(isa, &r, &t);
    }
    free(t.s), free(t.num), free(t.work);
  }
}
