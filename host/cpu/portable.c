// SPDX-License-Identifier: Apache-2.0
// Kernels in plain C, for any processor.
#include "cpu/dot.h"
#include "num/softcap.h"

static bool supported(void) { return true; }

static void norm(const int64_t *acc, const uint8_t *codes, int e, uint32_t n, vb_z *z) {
  for (uint32_t i = 0; i < n; i++) z[i] = vb_norm(acc[i], codes[i] + e);
}

static void p2_i8(const struct vb_w8 *w, uint32_t row, uint32_t rows, const struct vb_act8 *a, struct vb_range b,
                  int64_t *acc) {
  for (uint32_t r = 0; r < rows; r++) {
    size_t at = (size_t)(row + r) * w->blocks + b.begin;
    acc[r] = vb_p2_i8(a->q + (size_t)b.begin * VB_BLOCK, a->codes + b.begin, a->max, w->q + at * VB_BLOCK,
                      w->codes + at, w->max[row + r], b.end - b.begin);
  }
}

static void p2_i14(const struct vb_w14 *w, uint32_t row, uint32_t rows, const struct vb_act14 *a, struct vb_range b,
                   int64_t *acc) {
  for (uint32_t r = 0; r < rows; r++) {
    size_t at = (size_t)(row + r) * w->blocks + b.begin;
    acc[r] = vb_p2_i14(a->q + (size_t)b.begin * VB_BLOCK, a->codes + b.begin, a->max, w->q + at * VB_BLOCK,
                       w->codes + at, w->max[row + r], b.end - b.begin);
  }
}

void vb_portable_relu_dot(const int64_t (*acc)[VB_TILE], const int64_t *weight, uint32_t rows, int64_t *sum) {
  for (uint32_t r = 0; r < rows; r++)
    for (int l = 0; l < VB_TILE; l++) sum[r] += acc[r][l] > 0 ? weight[l] * acc[r][l] : 0;
}

void vb_portable_scores(struct vb_attn_tile *t) {
  for (int l = 0; l < VB_TILE; l++) t->m[l] = VB_M_NONE;
  for (uint32_t j = 0; j < t->n; j++) {
    const uint8_t *rec = vb_attn_key(t, j);
    for (uint32_t l = 0; l < t->lanes; l++) {
      const struct vb_act8 *q = &t->q[l];
      int kmax = rec[VB_REC_KMAX];
      int64_t acc =
          vb_p2_i8(q->q, q->codes, q->max, (const int8_t *)rec + VB_REC_HEADER, rec, kmax, vb_blocks(t->kv->dk));
      int e = q->max + kmax - 254 - 8;
      int32_t s = t->cap ? vb_softcap_score(acc, e, t->cap) : vb_q16(acc, e);
      t->s[(size_t)j * VB_TILE + l] = s;
      if (vb_attn_sees(t, l, j) && s > t->m[l]) t->m[l] = s;
    }
    for (uint32_t l = t->lanes; l < VB_TILE; l++) t->s[(size_t)j * VB_TILE + l] = 0;
  }
}

const struct vb_isa vb_isa_portable = {
    .name = "portable",
    .supported = supported,
    .quant_i8 = vb_quant_row_i8,
    .norm = norm,
    .p2_i8 = p2_i8,
    .p2_i14 = p2_i14,
    .relu_dot = vb_portable_relu_dot,
    .add = vb_portable_add,
    .mul = vb_portable_mul,
    .mul_scalar = vb_portable_mul_scalar,
    .silu_mul = vb_portable_silu_mul,
    .norm_each = vb_portable_norm_each,
    .sigmoid = vb_portable_sigmoid,
    .tanh = vb_portable_tanh,
    .sum_squares = vb_portable_sum_squares,
    .attn_work = vb_portable_attn_work,
    .attn_scores = vb_portable_scores,
    .attn_em = vb_portable_attn_em,
    .attn_sum = vb_portable_attn_sum,
    .delta_sums = vb_portable_delta_sums,
    .delta_update = vb_portable_delta_update,
};
