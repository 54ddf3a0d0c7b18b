// SPDX-License-Identifier: Apache-2.0
/// One query row at a time, in the four phases that a split over keys needs: scores and their maximum m; block
/// exponents EM given m; sums given both; the quotient. Every phase is a maximum or an exact integer sum, so any
/// grouping of the keys gives the same bits.
#include "num/block.h"
#include "num/softcap.h"
#include "ref/ref.h"

/// Distance of a score below the maximum, split into octaves (saturated) and a 16-bit fraction.
/// From 1023 octaves on nothing a result could show remains; the cap keeps EM in 16 bits.
static uint32_t octaves(int32_t m, int32_t s, uint32_t *fraction) {
  uint32_t d = (uint32_t)m - (uint32_t)s;
  *fraction = d & 0xffff;
  return d >> 16 > 1023 ? 1023 : d >> 16;
}

/// One query head at one position, and the keys that it sees: candidates[0..count), of which `sees` keeps some.
struct row {
  const struct vb_attention_op *op;
  const uint8_t *q;
  const uint32_t *list; ///< NULL: candidate i is key i
  uint32_t block;       ///< keys that an entry of the list stands for
  uint32_t head, kv_head, position, count;
};

static uint32_t candidate(const struct row *r, uint32_t i) {
  return r->list ? r->list[i / r->block] * r->block + i % r->block : i;
}

static bool sees(const struct row *r, uint32_t j) {
  const struct vb_attention_op *op = r->op;
  if (j > r->position || j < op->key.begin || j >= op->key.end) return false;
  if (j < op->keep) return true;
  if (op->window && j + (uint64_t)op->window <= r->position) return false;
  return !op->chunk || j >= r->position - r->position % op->chunk;
}

static int32_t row_score(const struct row *r, uint32_t j) {
  const uint8_t *q = r->q, *k = vb_kv_key(r->op->kv, r->kv_head, j);
  int64_t acc = vb_p2_i8((const int8_t *)q + VB_REC_HEADER, q, q[VB_REC_KMAX], (const int8_t *)k + VB_REC_HEADER, k,
                         k[VB_REC_KMAX], vb_blocks(r->op->kv->dk));
  int e = q[VB_REC_KMAX] + k[VB_REC_KMAX] - 254 - 8;
  return r->op->cap ? vb_softcap_score(acc, e, r->op->cap) : vb_q16(acc, e);
}

/// Codes and elements of position j's values: their own record, or the head of the key's.
static const uint8_t *value_codes(const struct row *r, uint32_t j) {
  return vb_kv_key(r->op->kv, r->kv_head, j) + (r->op->kv->v ? VB_REC_VCODES : 0);
}
static const int8_t *value(const struct row *r, uint32_t j) {
  const struct vb_kv *kv = r->op->kv;
  return (const int8_t *)(kv->v ? vb_kv_val(kv, r->kv_head, j) : vb_kv_key(kv, r->kv_head, j) + VB_REC_HEADER);
}

static int32_t row_max(const struct row *r) {
  int32_t m = VB_M_NONE;
  for (uint32_t i = 0; i < r->count; i++) {
    uint32_t j = candidate(r, i);
    if (sees(r, j) && row_score(r, j) > m) m = row_score(r, j);
  }
  return m;
}

static void row_exp(const struct row *r, int32_t m, int16_t em[VB_EM_ROW]) {
  uint32_t blocks = vb_blocks(r->op->kv->dv), fraction;
  for (uint32_t b = 0; b < VB_EM_ROW; b++) em[b] = VB_EM_NONE;
  for (uint32_t n = 0; n < r->count; n++) {
    uint32_t j = candidate(r, n);
    if (!sees(r, j)) continue;
    const uint8_t *codes = value_codes(r, j);
    int i = (int)octaves(m, row_score(r, j), &fraction);
    for (uint32_t b = 0; b < blocks; b++)
      if (codes[b] && codes[b] - i > em[b]) em[b] = (int16_t)(codes[b] - i);
  }
}

static void row_sum(const struct row *r, int32_t m, const int16_t *em, uint64_t *l, int64_t *num) {
  uint32_t dv = r->op->kv->dv;
  *l = 0;
  memset(num, 0, dv * sizeof *num);
  for (uint32_t n = 0; n < r->count; n++) {
    uint32_t j = candidate(r, n);
    if (!sees(r, j)) continue;
    const uint8_t *codes = value_codes(r, j);
    const int8_t *v = value(r, j);
    uint32_t fraction, i = octaves(m, row_score(r, j), &fraction), t = vb_exp2_24(fraction);
    *l += vb_shr_rhu((uint64_t)t << 8, (int)i);
    for (uint32_t c = 0; c < dv; c++) {
      uint32_t b = c / VB_BLOCK;
      if (codes[b]) num[c] += (int64_t)vb_shr_rhu(t, em[b] - codes[b] + (int)i) * v[c];
    }
  }
}

static void row_full(const struct row *r, vb_z *y) {
  uint32_t dv = r->op->kv->dv;
  int16_t em[VB_EM_ROW];
  int64_t num[VB_MAX_DV_SHARED];
  uint64_t l;
  int32_t m = row_max(r);
  if (r->op->sinks && vb_score_q16(r->op->sinks[r->head]) > m) m = vb_score_q16(r->op->sinks[r->head]);
  row_exp(r, m, em);
  row_sum(r, m, em, &l, num);
  if (r->op->sinks) {
    uint32_t fraction, i = octaves(m, vb_score_q16(r->op->sinks[r->head]), &fraction);
    l += vb_shr_rhu((uint64_t)vb_exp2_24(fraction) << 8, (int)i);
  }
  for (uint32_t c = 0; c < dv; c++) y[c] = vb_divide(num[c], em[c / VB_BLOCK] - 127 - 24 + 32, l);
}

void vb_ref_attention(const struct vb_attention_op *op) {
  uint32_t dv = op->kv->dv, group = op->heads / op->kv->heads;
  for (uint32_t t = op->t.begin; t < op->t.end; t++)
    for (uint32_t h = op->h.begin; h < op->h.end; h++) {
      uint64_t i = (uint64_t)t * op->heads + h;
      uint32_t position = op->first_count - 1 + t, block = op->list_block ? op->list_block : 1;
      struct row r = {op,
                      op->q + i * vb_rec_bytes(op->kv->dk),
                      op->list ? op->list + (uint64_t)t * op->list_stride : NULL,
                      block,
                      h,
                      h / group,
                      position,
                      op->list ? op->list_count[t] * block : position + 1};
      switch (op->mode) {
      case VB_ATTN_MAX: op->m[i] = row_max(&r); break;
      case VB_ATTN_EXP: row_exp(&r, op->m[i], op->em + i * VB_EM_ROW); break;
      case VB_ATTN_SUM: row_sum(&r, op->m[i], op->em + i * VB_EM_ROW, &op->l[i], op->num + i * dv); break;
      case VB_ATTN_FULL: row_full(&r, op->y + i * dv); break;
      }
    }
}
