// SPDX-License-Identifier: Apache-2.0
/// The gated delta rule on a block floating point state: the decay lives in G and in the column exponents and never touches the
/// mantissas. Columns never meet and all sums are exact integers, so any order and any split over heads gives the same bits.
#include "num/delta.h"
#include "num/func.h"
#include "ref/ref.h"
#include <string.h>

/// One value head: its slices of the state.
struct head {
  int32_t *m, *c, *len;
  uint32_t *g, dk, dv;
};

/// Decay by 2^-(t / 2^31): whole octaves go to the column exponents; a column that has sunk out of sight becomes zero.
static void decay(struct head *s, uint64_t t) {
  uint64_t g = *s->g + t;
  int n = (int)(g >> 31);
  *s->g = (uint32_t)(g & 0x7fffffff);
  for (uint32_t j = 0; j < s->dv; j++) {
    if (!s->len[j]) continue;
    s->c[j] -= n;
    if (s->c[j] + s->len[j] >= -100) continue;
    s->len[j] = 0;
    for (uint32_t i = 0; i < s->dk; i++) s->m[(uint64_t)i * s->dv + j] = 0;
  }
}

static int bit_length(uint32_t x) { return x ? vb_msb(x) + 1 : 0; }

/// Column j += K * D, rounded once per element to a grid that holds both terms.
static void update_column(struct head *s, uint32_t j, const int32_t *k, int k_bits, vb_z d) {
  if (!d || !k_bits) return;
  int64_t h = vb_shr_rne(vb_man(d), 9);
  h = h > 32767 ? 32767 : h < -32767 ? -32767 : h;
  int e = vb_expb(d) - 155, b = e + k_bits + 15;
  if (s->len[j] && s->c[j] + s->len[j] > b) b = s->c[j] + s->len[j];
  int c = b - 25;
  uint32_t top = 0;
  for (uint32_t i = 0; i < s->dk; i++) {
    int32_t *m = &s->m[(uint64_t)i * s->dv + j];
    *m = (int32_t)((s->len[j] ? vb_shr_rne(*m, c - s->c[j]) : 0) + vb_shr_rne(k[i] * h, c - e));
    uint32_t a = (uint32_t)(*m < 0 ? -*m : *m);
    if (a > top) top = a;
  }
  s->c[j] = c;
  s->len[j] = bit_length(top);
}

static void token(const struct vb_delta_op *op, struct head *s, uint32_t t, uint32_t h, const int32_t *q,
                  const int32_t *k) {
  uint64_t th = (uint64_t)t * op->heads + h;
  vb_z beta = vb_sigmoid(op->b[th]);
  decay(s, vb_delta_decay(op->a[th], op->dt_bias[h], op->ea[h]));
  vb_z now = vb_norm(vb_q7(vb_exp2_tab, *s->g), -31);
  vb_z back = *s->g ? vb_norm(vb_q7(vb_exp2_tab, 0x80000000u - *s->g), -30) : VB_Z_ONE;
  vb_z now_scaled = vb_mul(now, op->scale);
  int64_t dot = 0;
  uint32_t k_top = 0;
  for (uint32_t i = 0; i < s->dk; i++) {
    dot += (int64_t)k[i] * q[i];
    uint32_t a = (uint32_t)(k[i] < 0 ? -k[i] : k[i]);
    if (a > k_top) k_top = a;
  }
  vb_z kq = vb_mul(vb_norm(dot, -28), op->scale);
  for (uint32_t j = 0; j < s->dv; j++) {
    int64_t p = 0, u = 0; // both on the old state
    for (uint32_t i = 0; i < s->dk; i++) {
      p += (int64_t)k[i] * s->m[(uint64_t)i * s->dv + j];
      u += (int64_t)q[i] * s->m[(uint64_t)i * s->dv + j];
    }
    vb_z recalled = vb_mul(vb_norm(p, s->c[j] - 14), now);
    vb_z d = vb_mul(beta, vb_add(op->v[th * s->dv + j], vb_neg(recalled)));
    op->y[th * s->dv + j] = vb_add(vb_mul(vb_norm(u, s->c[j] - 14), now_scaled), vb_mul(kq, d));
    update_column(s, j, k, bit_length(k_top), vb_mul(d, back));
  }
}

/// The head's slices of the state after the call, holding the state before it.
static struct head open_head(const struct vb_delta_op *op, uint32_t h) {
  uint64_t column = (uint64_t)h * op->dv, element = column * op->dk;
  struct head s = {
      op->after.m + element, op->after.c + column, op->after.len + column, op->after.g + h, op->dk, op->dv};
  memcpy(s.m, op->before.m + element, (size_t)op->dk * op->dv * sizeof *s.m);
  memcpy(s.c, op->before.c + column, op->dv * sizeof *s.c);
  memcpy(s.len, op->before.len + column, op->dv * sizeof *s.len);
  *s.g = op->before.g[h];
  return s;
}

void vb_ref_delta(const struct vb_delta_op *op) {
  uint32_t group = op->heads / op->key_heads;
  int32_t q[op->dk], k[op->dk];
  for (uint32_t h = op->h.begin; h < op->h.end; h++) {
    struct head s = open_head(op, h);
    for (uint32_t t = 0; t < op->tokens; t++) {
      uint64_t row = ((uint64_t)t * op->key_heads + h / group) * op->dk;
      for (uint32_t i = 0; i < op->dk; i++) q[i] = vb_delta_q14(op->q[row + i]), k[i] = vb_delta_q14(op->k[row + i]);
      token(op, &s, t, h, q, k);
    }
  }
}
