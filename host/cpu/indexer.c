// SPDX-License-Identifier: Apache-2.0
// The lightning indexer. The key cache is read in place as a weight matrix: a record is a row whose block 0, the
// header, is left out of the sums. Threads share (token, stretch of keys), then the selections.
#include "cpu/cpu.h"
#include "cpu/mm8.h"
#include "cpu/scratch.h"

enum { TOKENS = 8, KEYS = 512 }; // per step, which bounds the scratch memory; per stretch

/// One token's queries, ready for the dot kernels.
struct token {
  struct vb_act8 *a; ///< [heads]
  uint8_t *codes;    ///< [heads][blocks + 1]
  int64_t *weight;   ///< [heads, in whole tiles]
  uint8_t *packs;
  int top; ///< exponent of the aligned weights
};

struct run {
  const struct vb_isa *isa;
  const struct vb_indexer_op *op;
  struct vb_w8 w; ///< rows: keys from `first` on
  uint32_t first, t0;
  struct token token[TOKENS];
  uint32_t *key; ///< FULL: [TOKENS][rows] ordered keys
};

/// The keys a token sees of those in w.
static uint32_t visible(const struct run *r, uint32_t t) {
  uint32_t n = r->op->first_count + t;
  return n <= r->first ? 0 : n - r->first < r->w.rows ? n - r->first : r->w.rows;
}

// Codes move one place up, past the header's block, into arrays of the matrix's row length.
static void load_keys(const struct run *r, int threads) {
  const uint32_t rec = vb_rec_bytes(r->op->kv->dk), ld = r->w.blocks;
  uint8_t *codes = (uint8_t *)r->w.codes, *max = (uint8_t *)r->w.max;
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
  for (uint32_t j = 0; j < r->w.rows; j++) {
    const uint8_t *k = (const uint8_t *)r->w.q + (uint64_t)j * rec;
    memcpy(codes + (uint64_t)j * ld + 1, k, ld - 1);
    max[j] = k[VB_REC_KMAX];
  }
}

// Head weights as 16-bit integers on a common exponent, which includes the query's largest code.
static void align_weights(const struct vb_indexer_op *op, uint64_t row, struct token *to) {
  to->top = 0;
  for (uint32_t h = 0; h < op->heads; h++) {
    vb_z w = vb_mul(op->w[row + h], op->w_scale);
    int x = vb_expb(w) + to->a[h].max;
    if (w && to->a[h].max && x > to->top) to->top = x;
  }
  for (uint32_t h = 0; h < op->heads; h++) {
    vb_z w = vb_mul(op->w[row + h], op->w_scale);
    int64_t v = vb_shr_rne(vb_man(w), 9 + to->top - (vb_expb(w) + to->a[h].max));
    to->weight[h] = !to->a[h].max ? 0 : v > 32767 ? 32767 : v < -32767 ? -32767 : v;
  }
}

static struct vb_mm8 job(const struct run *r, struct token *t) {
  return (struct vb_mm8){.w = &r->w,
                         .a = t->a,
                         .count = r->op->heads,
                         .b = {1, r->w.blocks},
                         .packs = t->packs,
                         .sink = VB_MM8_RELU,
                         .weight = t->weight};
}

static void load_token(const struct run *r, uint32_t t, struct token *to) {
  const struct vb_indexer_op *op = r->op;
  const uint64_t row = (uint64_t)t * op->heads;
  for (uint32_t h = 0; h < op->heads; h++) {
    const uint8_t *q = op->q + (row + h) * vb_rec_bytes(op->kv->dk);
    uint8_t *codes = to->codes + (uint64_t)h * r->w.blocks;
    memcpy(codes + 1, q, r->w.blocks - 1);
    to->a[h] = (struct vb_act8){(const int8_t *)q, codes, q[VB_REC_KMAX]};
  }
  align_weights(op, row, to);
  struct vb_mm8 j = job(r, to);
  for (uint32_t i = 0; i < vb_mm8_tiles(r->isa, op->heads); i++) vb_mm8_pack(r->isa, &j, i, to->packs);
}

static void score_keys(const struct run *r, uint32_t i, struct vb_range keys) {
  int64_t sums[KEYS] = {0};
  struct token *t = (struct token *)&r->token[i];
  struct vb_mm8 j = job(r, t);
  j.first = keys.begin, j.sums = sums;
  for (uint32_t n = keys.begin; n < keys.end; n += VB_TILE_ROWS)
    vb_mm8_rows(r->isa, &j, (struct vb_range){n, keys.end - n < VB_TILE_ROWS ? keys.end : n + VB_TILE_ROWS});
  uint32_t *to = r->op->mode == VB_INDEXER_FULL ? r->key + (uint64_t)i * r->w.rows
                                                : r->op->score + (uint64_t)(r->t0 + i) * r->op->score_stride + r->first;
  for (uint32_t n = keys.begin; n < keys.end; n++)
    to[n] = vb_order_key(vb_norm(sums[n - keys.begin], t->top - 150 + 9 + r->w.max[n] - 254 - 8));
}

// Exact top-k by radix: four digits of 8 bits find the k-th largest key and how many of its equals still fit; one pass
// in index order then takes them, so ties go to the lower index.
static void top_k(const uint32_t *key, uint32_t n, uint32_t k, uint32_t *list) {
  uint32_t least = 0, known = 0, equals = k, m = 0;
  for (int shift = 24; shift >= 0 && k < n; shift -= 8) {
    uint32_t hist[256] = {0}, digit = 255;
    for (uint32_t j = 0; j < n; j++)
      if ((key[j] & known) == least) hist[key[j] >> shift & 255]++;
    while (hist[digit] < equals) equals -= hist[digit--];
    least |= digit << shift;
    known |= 255u << shift;
  }
  for (uint32_t j = 0; j < n && m < k; j++) {
    if (k < n && (key[j] < least || (key[j] == least && !equals))) continue;
    equals -= k < n && key[j] == least;
    list[m++] = j;
  }
}

static void choose(const struct run *r, uint32_t i) {
  const struct vb_indexer_op *op = r->op;
  const uint32_t t = r->t0 + i, n = op->first_count + t;
  uint32_t *list = op->list + (uint64_t)t * op->k;
  op->count[t] = n < op->k ? n : op->k;
  memset(list, 0, op->k * sizeof *list);
  if (op->k) top_k(r->key + (uint64_t)i * r->w.rows, n, op->count[t], list);
}

static void step(struct run *r, uint32_t tokens, int threads) {
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
#pragma omp for schedule(static)
    for (uint32_t i = 0; i < tokens; i++) load_token(r, r->t0 + i, &r->token[i]);
#pragma omp for schedule(dynamic) collapse(2)
    for (uint32_t i = 0; i < tokens; i++)
      for (uint32_t j = 0; j < r->w.rows; j += KEYS) {
        uint32_t n = visible(r, r->t0 + i);
        if (j < n) score_keys(r, i, (struct vb_range){j, n - j < KEYS ? n : j + KEYS});
      }
    if (r->op->mode == VB_INDEXER_FULL)
#pragma omp for schedule(dynamic)
      for (uint32_t i = 0; i < tokens; i++) choose(r, i);
  }
}

void vb_cpu_indexer(const struct vb_indexer_op *op, int threads) {
  if (op->t.begin >= op->t.end) return;
  const bool full = op->mode == VB_INDEXER_FULL;
  const uint32_t seen = op->first_count + op->t.end - 1, end = full || op->key.end > seen ? seen : op->key.end;
  struct run r = {.isa = vb_cpu_isa(), .op = op, .first = full ? 0 : op->key.begin};
  if (r.first >= end) return;
  const uint32_t ld = vb_blocks(op->kv->dk) + 1, rows = end - r.first, lanes = (op->heads + VB_TILE - 1) / VB_TILE;
  uint8_t *codes = vb_scratch((uint64_t)rows * ld), *max = vb_scratch(rows);
  r.w = (struct vb_w8){rows, op->kv->dk, ld, (const int8_t *)vb_kv_key(op->kv, 0, r.first), codes, max};
  r.key = full ? vb_scratch((uint64_t)TOKENS * rows * sizeof *r.key) : NULL;
  for (int i = 0; i < TOKENS; i++) {
    struct token *t = &r.token[i];
    t->a = vb_scratch(op->heads * sizeof *t->a), t->codes = vb_scratch((uint64_t)op->heads * ld);
    t->weight = vb_scratch((uint64_t)lanes * VB_TILE * sizeof *t->weight);
    memset(t->weight, 0, (size_t)lanes * VB_TILE * sizeof *t->weight); // spare lanes weigh nothing
    t->packs = vb_scratch(vb_mm8_tiles(r.isa, op->heads) * vb_mm8_tile_bytes(r.isa, (struct vb_range){1, ld}));
  }
  threads = vb_threads(threads);
  load_keys(&r, threads);
  for (r.t0 = op->t.begin; r.t0 < op->t.end; r.t0 += TOKENS)
    step(&r, op->t.end - r.t0 < TOKENS ? op->t.end - r.t0 : TOKENS, threads);
  for (int i = 0; i < TOKENS; i++)
    free(r.token[i].a), free(r.token[i].codes), free(r.token[i].weight), free(r.token[i].packs);
  free(codes), free(max), free(r.key);
}
