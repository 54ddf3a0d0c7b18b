// SPDX-License-Identifier: Apache-2.0
// The gated delta rule. Everything a token needs that does not depend on the column (q and k as integers, decay, beta)
// is worked out once per head, for a block of tokens; then threads share tiles of state columns, and a tile stays in
// the first cache level while all tokens of the block pass over it.
#include "num/delta.h"
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"

enum { COLS = VB_DELTA_COLS, TOKENS = 64 }; // TOKENS bounds the scratch memory

/// What one token does to the columns of a value head.
struct step {
  int32_t octaves;                            ///< that leave the exponents
  vb_z beta, minus_now, now_scaled, back, kq; ///< -A, A * scale, 1 / A, scale * (K.Q)
};

struct run {
  const struct vb_isa *isa;
  const struct vb_delta_op *op;
  const struct vb_delta_state *from; ///< state before the block
  uint32_t t0, tokens, group, key0;  ///< key0: the first key head that is needed
  int32_t *k, *q;                    ///< [key head - key0][TOKENS][dk]
  int *k_bits;                       ///< [key head - key0][TOKENS]
  vb_z *kq;                          ///< the same: scale * (K.Q)
  struct step *step;                 ///< [head - h.begin][TOKENS]
};

static void prepare_key(const struct run *r, uint32_t key, uint32_t i) {
  const struct vb_delta_op *op = r->op;
  const uint64_t from = ((uint64_t)(r->t0 + i) * op->key_heads + key) * op->dk, slot = (key - r->key0) * TOKENS + i;
  int32_t *k = r->k + slot * op->dk, *q = r->q + slot * op->dk;
  int64_t dot = 0;
  uint32_t bits = 0;
  for (uint32_t c = 0; c < op->dk; c++) {
    k[c] = vb_delta_q14(op->k[from + c]), q[c] = vb_delta_q14(op->q[from + c]);
    dot += (int64_t)k[c] * q[c];
    bits |= (uint32_t)(k[c] < 0 ? -k[c] : k[c]);
  }
  r->k_bits[slot] = bits ? vb_msb(bits) + 1 : 0;
  r->kq[slot] = vb_mul(vb_norm(dot, -28), op->scale);
}

static void prepare_head(const struct run *r, uint32_t h) {
  const struct vb_delta_op *op = r->op;
  uint32_t g = r->from->g[h];
  for (uint32_t i = 0; i < r->tokens; i++) {
    const uint64_t th = (uint64_t)(r->t0 + i) * op->heads + h;
    struct step *s = &r->step[(h - op->h.begin) * TOKENS + i];
    uint64_t sum = g + vb_delta_decay(op->a[th], op->dt_bias[h], op->ea[h]);
    g = (uint32_t)(sum & 0x7fffffff);
    s->octaves = (int32_t)(sum >> 31);
    vb_z now = vb_norm(vb_q7(vb_exp2_tab, g), -31);
    s->minus_now = vb_neg(now);
    s->now_scaled = vb_mul(now, op->scale);
    s->back = g ? vb_norm(vb_q7(vb_exp2_tab, 0x80000000u - g), -30) : VB_Z_ONE;
    s->beta = vb_sigmoid(op->b[th]);
    s->kq = r->kq[(h / r->group - r->key0) * TOKENS + i];
  }
  op->after.g[h] = g;
}

// Whole octaves go to the column exponents; a column that has sunk out of sight becomes zero.
static void decay(struct vb_delta_tile *s, uint32_t dk, int32_t octaves) {
  int sunk = 0;
  for (int j = 0; j < COLS; j++) {
    s->c[j] -= s->len[j] ? octaves : 0;
    sunk |= s->len[j] && s->c[j] + s->len[j] < -100;
  }
  for (int j = 0; j < COLS && sunk; j++) {
    if (!s->len[j] || s->c[j] + s->len[j] >= -100) continue;
    s->len[j] = 0;
    for (uint32_t i = 0; i < dk; i++) s->m[i * COLS + (uint32_t)j] = 0;
  }
}

// Token i on n columns; v and y are its values and outputs there.
static void token(const struct run *r, const struct step *s, uint64_t slot, struct vb_delta_tile *tile, const vb_z *v,
                  uint32_t n, vb_z *y) {
  const struct vb_isa *isa = r->isa;
  const uint32_t dk = r->op->dk;
  const int32_t *k = r->k + slot * dk;
  int64_t p[COLS], u[COLS];
  vb_z x[COLS];
  _Alignas(64) vb_z d[COLS];
  decay(tile, dk, s->octaves);
  isa->delta_sums(tile->m, dk, k, r->q + slot * dk, p, u);
  isa->norm_each(p, tile->c, -14, n, x);
  isa->mul_scalar(x, s->minus_now, n, x);
  isa->add(x, v, n, x);
  isa->mul_scalar(x, s->beta, n, x);
  isa->norm_each(u, tile->c, -14, n, y);
  isa->mul_scalar(y, s->now_scaled, n, y);
  isa->mul_scalar(x, s->kq, n, d);
  isa->add(y, d, n, y);
  memset(d, 0, sizeof d);
  isa->mul_scalar(x, s->back, n, d);
  if (r->k_bits[slot]) isa->delta_update(tile, dk, k, r->k_bits[slot], d);
}

static void columns(const struct run *r, uint32_t h, uint32_t j0, struct vb_delta_tile *tile) {
  const struct vb_delta_op *op = r->op;
  const uint32_t n = op->dv - j0 < COLS ? op->dv - j0 : COLS;
  const uint64_t column = (uint64_t)h * op->dv + j0, element = (uint64_t)h * op->dk * op->dv + j0;
  if (n < COLS) { // columns that do not exist: zero, and then D = 0 keeps them so
    memset(tile->m, 0, (size_t)op->dk * COLS * sizeof *tile->m);
    memset(tile->c, 0, sizeof tile->c);
    memset(tile->len, 0, sizeof tile->len);
  }
  for (uint32_t i = 0; i < op->dk; i++)
    memcpy(tile->m + (size_t)i * COLS, r->from->m + element + (uint64_t)i * op->dv, n * sizeof *tile->m);
  memcpy(tile->c, r->from->c + column, n * sizeof *tile->c);
  memcpy(tile->len, r->from->len + column, n * sizeof *tile->len);
  for (uint32_t i = 0; i < r->tokens; i++) {
    uint64_t row = ((uint64_t)(r->t0 + i) * op->heads + h) * op->dv + j0;
    token(r, &r->step[(h - op->h.begin) * TOKENS + i], (h / r->group - r->key0) * TOKENS + i, tile, op->v + row, n,
          op->y + row);
  }
  for (uint32_t i = 0; i < op->dk; i++)
    memcpy(op->after.m + element + (uint64_t)i * op->dv, tile->m + (size_t)i * COLS, n * sizeof *tile->m);
  memcpy(op->after.c + column, tile->c, n * sizeof *tile->c);
  memcpy(op->after.len + column, tile->len, n * sizeof *tile->len);
}

static void block(const struct run *r, uint32_t keys, int threads) {
  const struct vb_delta_op *op = r->op;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    struct vb_delta_tile tile;
    tile.m = vb_scratch((uint64_t)op->dk * COLS * sizeof *tile.m);
#pragma omp for schedule(static) collapse(2)
    for (uint32_t key = 0; key < keys; key++)
      for (uint32_t i = 0; i < r->tokens; i++) prepare_key(r, r->key0 + key, i);
#pragma omp for schedule(static)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) prepare_head(r, h);
#pragma omp for schedule(dynamic) collapse(2)
    for (uint32_t h = op->h.begin; h < op->h.end; h++)
      for (uint32_t j = 0; j < op->dv; j += COLS) columns(r, h, j, &tile);
    free(tile.m);
  }
}

static void copy_state(const struct vb_delta_op *op) {
  const uint64_t heads = op->h.end - op->h.begin, column = (uint64_t)op->h.begin * op->dv, element = column * op->dk;
  memcpy(op->after.m + element, op->before.m + element, heads * op->dk * op->dv * sizeof *op->after.m);
  memcpy(op->after.c + column, op->before.c + column, heads * op->dv * sizeof *op->after.c);
  memcpy(op->after.len + column, op->before.len + column, heads * op->dv * sizeof *op->after.len);
  memcpy(op->after.g + op->h.begin, op->before.g + op->h.begin, heads * sizeof *op->after.g);
}

void vb_cpu_delta(const struct vb_delta_op *op, int threads) {
  if (op->h.begin >= op->h.end) return;
  if (!op->tokens) {
    copy_state(op);
    return;
  }
  struct run r = {.isa = vb_cpu_isa(), .op = op, .from = &op->before, .group = op->heads / op->key_heads};
  r.key0 = op->h.begin / r.group;
  const uint32_t keys = (op->h.end - 1) / r.group - r.key0 + 1;
  const uint64_t slots = (uint64_t)keys * TOKENS;
  r.k = vb_scratch(slots * op->dk * sizeof *r.k), r.q = vb_scratch(slots * op->dk * sizeof *r.q);
  r.k_bits = vb_scratch(slots * sizeof *r.k_bits), r.kq = vb_scratch(slots * sizeof *r.kq);
  r.step = vb_scratch((uint64_t)(op->h.end - op->h.begin) * TOKENS * sizeof *r.step);
  for (r.t0 = 0; r.t0 < op->tokens; r.t0 += TOKENS, r.from = &op->after) {
    r.tokens = op->tokens - r.t0 < TOKENS ? op->tokens - r.t0 : TOKENS;
    block(&r, keys, vb_threads(threads));
  }
  free(r.k), free(r.q), free(r.k_bits), free(r.kq), free(r.step);
}
