// SPDX-License-Identifier: Apache-2.0
// Tiles of up to 16 query rows (tokens x heads) that share a key head; threads share the tiles. A window or a chunk
// only narrows the contiguous keys that a row sees, kept keys are a second piece before them; with key lists, which
// differ by token, a tile holds heads of one token.
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"

struct rows {
  const struct vb_attention_op *op;
  uint32_t head;         ///< key head
  uint32_t h0, heads;    ///< the query heads of it that were asked for
  uint32_t t0;           ///< token of row 0
  uint32_t first, count; ///< rows of a tile
};

static uint32_t group_of(const struct vb_attention_op *op) { return op->heads / op->kv->heads; }

static uint32_t row_token(const struct rows *r, uint32_t l) { return r->t0 + (r->first + l) / r->heads; }
static uint32_t row_head(const struct rows *r, uint32_t l) { return r->h0 + (r->first + l) % r->heads; }
static uint64_t row_index(const struct rows *r, uint32_t l) {
  return (uint64_t)row_token(r, l) * r->op->heads + row_head(r, l);
}

// The listed keys that may be seen.
static uint32_t filter_list(const struct vb_attention_op *op, uint32_t t, uint32_t *index) {
  const uint32_t *list = op->list + (uint64_t)t * op->list_stride, block = op->list_block ? op->list_block : 1;
  const struct vb_seen s = vb_attention_seen(op, t);
  uint32_t n = 0;
  for (uint32_t i = 0; i < op->list_count[t]; i++)
    for (uint32_t j = list[i] * block; j < list[i] * block + block; j++)
      if ((j >= s.begin && j < s.kept) || (j >= s.start && j < s.end)) index[n++] = j;
  return n;
}

// The keys of a tile without list: those that rows see from the begin on, and those that they see further up. Only a gap
// between the two needs an index. Returns how many.
static uint32_t contiguous(const struct rows *r, struct vb_attn_tile *t, uint32_t *index) {
  const uint32_t begin = r->op->key.begin;
  uint32_t kept = begin, low = UINT32_MAX, high = 0, n = 0;
  for (uint32_t l = 0; l < r->count; l++) {
    struct vb_seen s = vb_attention_seen(r->op, row_token(r, l));
    if (s.kept > kept) kept = s.kept;
    if (s.start < s.end && s.start < low) low = s.start;
    if (s.start < s.end && s.end > high) high = s.end;
  }
  if (!high) low = high = kept;
  if (low < kept) kept = low; // a later row's kept keys are an earlier row's near ones
  t->begin = low - (kept - begin);
  t->index = low > kept && kept > begin ? index : NULL;
  for (uint32_t j = begin; t->index && j < kept; j++) index[n++] = j;
  for (uint32_t j = low; t->index && j < high; j++) index[n++] = j;
  for (uint32_t l = 0; l < VB_TILE; l++) {
    struct vb_seen s = l < r->count ? vb_attention_seen(r->op, row_token(r, l)) : (struct vb_seen){begin, begin, 0, 0};
    t->kept[l] = s.kept - begin;
    t->count[l] = s.end - s.start;
    t->start[l] = t->count[l] ? s.start - t->begin : 0;
  }
  return high - low + (kept - begin);
}

static void tile_setup(const struct rows *r, struct vb_attn_tile *t, uint32_t *index) {
  const struct vb_attention_op *op = r->op;
  t->kv = op->kv, t->head = r->head, t->cap = op->cap, t->lanes = r->count;
  if (op->list) t->index = index, t->begin = 0, t->n = filter_list(op, r->t0, index);
  else t->n = contiguous(r, t, index);
  for (uint32_t l = 0; l < VB_TILE; l++) {
    const uint8_t *q = op->q + row_index(r, l < r->count ? l : r->count - 1) * vb_rec_bytes(op->kv->dk);
    t->q[l] = (struct vb_act8){(const int8_t *)q + VB_REC_HEADER, q, q[VB_REC_KMAX]};
    if (op->list) t->kept[l] = t->start[l] = 0, t->count[l] = l < r->count ? t->n : 0;
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

// A sink is one more score without a value: it takes part in the maximum and in the denominator.
static void sink_max(const struct rows *r, struct vb_attn_tile *t) {
  for (uint32_t l = 0; l < r->count; l++) {
    int32_t s = vb_score_q16(r->op->sinks[row_head(r, l)]);
    if (s > t->m[l]) t->m[l] = s;
  }
}
static void sink_weight(const struct rows *r, struct vb_attn_tile *t) {
  for (uint32_t l = 0; l < r->count; l++) {
    uint32_t d = (uint32_t)t->m[l] - (uint32_t)vb_score_q16(r->op->sinks[row_head(r, l)]);
    t->l[l] += vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)(d >> 16));
  }
}

static void tile_run(const struct vb_isa *isa, const struct rows *r, struct vb_attn_tile *t, uint32_t *index) {
  const struct vb_attention_op *op = r->op;
  const uint32_t dv = op->kv->dv, ld = vb_val_bytes(dv);
  tile_setup(r, t, index);
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
    if (op->sinks) sink_max(r, t);
    isa->attn_em(t);
    isa->attn_sum(t);
    if (op->sinks) sink_weight(r, t);
    for (uint32_t l = 0; l < r->count; l++)
      finish_row(t->num + (size_t)l * ld, t->l[l], (const int32_t(*)[VB_TILE])(t->em[0] + l), dv,
                 op->y + row_index(r, l) * dv);
    break;
  }
}

// The most keys that a tile can hold.
static uint64_t most_keys(const struct vb_attention_op *op) {
  uint32_t end = op->first_count + op->t.end - 1, most = 0;
  if (end > op->key.end) end = op->key.end;
  if (!op->list) return end > op->key.begin ? end - op->key.begin : 0;
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    if (op->list_count[t] > most) most = op->list_count[t];
  return (uint64_t)most * (op->list_block ? op->list_block : 1);
}

void vb_cpu_attention(const struct vb_attention_op *op, int threads) {
  if (op->t.begin >= op->t.end || op->h.begin >= op->h.end) return;
  const struct vb_isa *isa = vb_cpu_isa();
  const uint32_t group = group_of(op), tokens = op->t.end - op->t.begin, g0 = op->h.begin / group;
  const uint32_t key_heads = (op->h.end - 1) / group - g0 + 1;
  const uint32_t together = op->list ? 1 : tokens;                                         // tokens in a tile
  const uint32_t tiles = (uint32_t)(((uint64_t)together * group + VB_TILE - 1) / VB_TILE); // per key head, at most
  const uint64_t keys = most_keys(op), sets = (uint64_t)key_heads * (tokens / together);
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    struct vb_attn_tile t;
    uint32_t *index = op->list || op->keep ? vb_scratch(keys * sizeof *index) : NULL;
    t.s = vb_scratch(keys * VB_TILE * sizeof *t.s);
    t.num = vb_scratch((uint64_t)VB_TILE * vb_val_bytes(op->kv->dv) * sizeof *t.num);
    t.work = vb_scratch(isa->attn_work(op->kv));
    // Late tiles see the most keys: first, so that no thread is left with one at the end.
#pragma omp for schedule(dynamic)
    for (uint64_t i = 0; i < sets * tiles; i++) {
      uint32_t set = (uint32_t)(i % sets), g = g0 + set % key_heads, lo = g * group, hi = lo + group;
      struct rows r = {.op = op, .head = g, .first = (tiles - 1 - (uint32_t)(i / sets)) * VB_TILE};
      r.t0 = op->t.begin + set / key_heads;
      r.h0 = lo > op->h.begin ? lo : op->h.begin;
      r.heads = (hi < op->h.end ? hi : op->h.end) - r.h0;
      uint32_t rows = together * r.heads;
      if (r.first >= rows) continue;
      r.count = rows - r.first < VB_TILE ? rows - r.first : VB_TILE;
      tile_run(isa, &r, &t, index);
    }
    free(t.s), free(t.num), free(t.work), free(index);
  }
}
