// SPDX-License-Identifier: Apache-2.0
/// @file attn_tile.h
/// Passes EM and SUM of an attention tile, for vectors of VB_W 32-bit lanes; a lane is a query row. Included by
/// attn_avx2.c and attn_avx512.c, which first define
///
///     VB_W          lanes per vector
///     VB_GROUP      keys that one dot product instruction adds up, in VB_DIGITS pieces of VB_DIGIT_BITS bits of p'
///     VB_FLUSH      keys after which the int32 sums of digit * v go to int64
///     vb_lookup     16-entry table lookup;  vb_srl (0 from 32 on), vb_min_u, vb_max_i
///     vb_digits     p' of VB_GROUP keys -> VB_DIGITS vectors holding one digit of each key
///     vb_v_panel    one 32-channel block of VB_GROUP value rows, interleaved, VB_V_BYTES bytes
///     vb_pv         the sums of two lanes;  vb_channel: which channel sum i belongs to
///
/// p' (24 bits unsigned) times v (8 bits) is exact in digits, so integer dot products do all of P * V.
#include "cpu/dot.h"

enum {
  VB_H = VB_TILE / VB_W,
  VB_GROUPS = VB_ATTN_CHUNK / VB_GROUP,
  VB_LANE_SUMS = VB_DIGITS * VB_BLOCK, // int32 sums of a lane and value block
};

/// Scratch of a tile: `chunk` keys at a time.
struct attn_work {
  _Alignas(64) uint32_t octaves[VB_ATTN_CHUNK][VB_TILE];
  _Alignas(64) uint32_t t[VB_ATTN_CHUNK][VB_TILE];
  _Alignas(64) uint32_t digits[VB_GROUPS][VB_DIGITS][VB_TILE];
  _Alignas(64) uint8_t v[VB_GROUPS][VB_V_BYTES];
  _Alignas(64) int32_t sums[]; // [value block][lane][digit][32]
};

static inline size_t attn_work_bytes(const struct vb_kv *kv) {
  return sizeof(struct attn_work) + (size_t)vb_blocks(kv->dv) * VB_TILE * VB_LANE_SUMS * sizeof(int32_t);
}

static inline vu splat(uint32_t x) { return (vu){0} + x; }
static inline vu loadu(const void *p) { return *(const vu *)p; }

/// Which lanes from h on see key j: all ones or zeros.
struct attn_sight {
  vu kept, start, count;
};
static inline struct attn_sight attn_sight(const struct vb_attn_tile *t, int h) {
  return (struct attn_sight){loadu(t->kept + h), loadu(t->start + h), loadu(t->count + h)};
}
static inline vu attn_seen(const struct attn_sight *s, uint32_t j) {
  return (vu)(s->kept > splat(j)) | (vu)(s->count > splat(j) - s->start);
}

/// Where the codes and elements of a chunk's values are.
struct chunk {
  const uint8_t *codes[VB_ATTN_CHUNK];
  const int8_t *v[VB_ATTN_CHUNK];
};
static inline uint32_t attn_chunk(const struct vb_attn_tile *t, uint32_t j0, struct chunk *c) {
  uint32_t n = t->n - j0 < VB_ATTN_CHUNK ? t->n - j0 : VB_ATTN_CHUNK;
  for (uint32_t j = 0; j < n; j++) c->codes[j] = vb_attn_codes(t, j0 + j), c->v[j] = vb_attn_val(t, j0 + j);
  return n;
}

static void attn_em(struct vb_attn_tile *t) {
  struct attn_work *w = (struct attn_work *)t->work;
  const uint32_t blocks = vb_blocks(t->kv->dv);
  struct chunk c;
  const int32_t none = -(1 << 19); // below every ev - i of a key that takes part
  for (uint32_t b = 0; b < blocks; b++)
    for (int l = 0; l < VB_TILE; l++) t->em[b][l] = none;
  for (uint32_t j0 = 0; j0 < t->n; j0 += VB_ATTN_CHUNK) {
    uint32_t n = attn_chunk(t, j0, &c);
    for (int h = 0; h < VB_TILE; h += VB_W) {
      vu m = loadu(t->m + h);
      const struct attn_sight sight = attn_sight(t, h);
      for (uint32_t j = 0; j < n; j++) {
        vu i = vb_min_u((m - loadu(t->s + (size_t)(j0 + j) * VB_TILE + h)) >> 16, splat(1023));
        *(vu *)(w->octaves[j] + h) = i | (~attn_seen(&sight, j0 + j) & splat(1 << 20));
      }
    }
    for (uint32_t b = 0; b < blocks; b++)
      for (int h = 0; h < VB_TILE; h += VB_W) {
        vi em = (vi)loadu(t->em[b] + h);
        for (uint32_t j = 0; j < n; j++) {
          uint32_t ev = c.codes[j][b];
          if (ev) em = vb_max_i(em, (vi)(splat(ev) - loadu(w->octaves[j] + h)));
        }
        *(vi *)(t->em[b] + h) = em;
      }
  }
  for (uint32_t b = 0; b < blocks; b++)
    for (int l = 0; l < VB_TILE; l++)
      if (t->em[b][l] <= none / 2) t->em[b][l] = VB_EM_NONE;
}

static inline vu attn_exp2_24(vu f) {
  vu ix = f >> 12, dx = f & 4095;
  vu x = vb_lookup(1, ix) - ((vb_lookup(2, ix) * dx + 2048) >> 12);
  return vb_lookup(0, ix) - ((x * dx + 2048) >> 12);
}

// T and octaves of keys j0 .. j0 + n, and their share of the denominators. Keys out of sight get T = 0, and so do the
// places up to a whole group.
static void attn_weights(struct vb_attn_tile *t, struct attn_work *w, uint32_t j0, uint32_t n) {
  for (int h = 0; h < VB_TILE; h += VB_W) {
    vu m = loadu(t->m + h), low = {0}, high = {0};
    const struct attn_sight sight = attn_sight(t, h);
    for (uint32_t j = 0; j < n; j++) {
      vu d = m - loadu(t->s + (size_t)(j0 + j) * VB_TILE + h), i = vb_min_u(d >> 16, splat(1023));
      vu e = attn_exp2_24(d & 0xffff) & attn_seen(&sight, j0 + j), x = e << 8;
      vu term = vb_srl(x, i) + (vb_srl(x, i - 1) & 1); // SHR_RHU; i = 0 shifts the second by 2^32 - 1
      low += term & 0xffff;
      high += term >> 16;
      *(vu *)(w->t[j] + h) = e;
      *(vu *)(w->octaves[j] + h) = i;
    }
    for (uint32_t j = n; j % VB_GROUP; j++) *(vu *)(w->t[j] + h) = *(vu *)(w->octaves[j] + h) = (vu){0};
    for (int l = 0; l < VB_W; l++) t->l[h + l] += (uint64_t)low[l] + ((uint64_t)high[l] << 16);
  }
}

// p' of all lanes for value block b, as digits.
static void attn_digits(struct vb_attn_tile *t, struct attn_work *w, const struct chunk *c, uint32_t n, uint32_t b) {
  for (int h = 0; h < VB_TILE; h += VB_W) {
    vu em = loadu(t->em[b] + h);
    for (uint32_t g = 0; g * VB_GROUP < n; g++) {
      vu p[VB_GROUP];
#pragma GCC unroll 4
      for (uint32_t k = 0; k < VB_GROUP; k++) {
        uint32_t j = g * VB_GROUP + k, ev = j < n ? c->codes[j][b] : 0;
        vu s = em - splat(ev) + loadu(w->octaves[j] + h);
        p[k] = (vb_srl(loadu(w->t[j] + h) << 1, s) + 1) >> 1; // SHR_RHU(T, s); s < 0 only where v = 0
      }
      vb_digits(p, w->digits[g], h);
    }
  }
}

static void attn_flush(struct vb_attn_tile *t, struct attn_work *w) {
  const uint32_t dv = vb_val_bytes(t->kv->dv);
  for (uint32_t b = 0; b < dv / VB_BLOCK; b++)
    for (uint32_t l = 0; l < t->lanes; l++) {
      int32_t *sums = w->sums + (b * VB_TILE + l) * VB_LANE_SUMS;
      int64_t *num = t->num + (size_t)l * dv + b * VB_BLOCK;
      for (uint32_t i = 0; i < VB_BLOCK; i++)
        for (uint32_t d = 0; d < VB_DIGITS; d++)
          num[vb_channel(i)] += (int64_t)sums[d * VB_BLOCK + i] * (1 << d * VB_DIGIT_BITS);
      memset(sums, 0, VB_LANE_SUMS * sizeof *sums);
    }
}

static void attn_sum(struct vb_attn_tile *t) {
  struct attn_work *w = (struct attn_work *)t->work;
  const uint32_t dv = vb_val_bytes(t->kv->dv);
  struct chunk c;
  memset(t->l, 0, sizeof t->l);
  memset(t->num, 0, sizeof *t->num * dv * VB_TILE);
  memset(w->sums, 0, sizeof *w->sums * (dv / VB_BLOCK) * VB_TILE * VB_LANE_SUMS);
  for (uint32_t j0 = 0; j0 < t->n; j0 += VB_ATTN_CHUNK) {
    uint32_t n = attn_chunk(t, j0, &c);
    attn_weights(t, w, j0, n);
    for (uint32_t b = 0; b < dv / VB_BLOCK; b++) {
      attn_digits(t, w, &c, n, b);
      for (uint32_t g = 0; g * VB_GROUP < n; g++) {
        const int8_t *row[VB_GROUP];
        for (uint32_t k = 0; k < VB_GROUP; k++) {
          uint32_t j = g * VB_GROUP + k;
          row[k] = c.v[j < n ? j : n - 1] + b * VB_BLOCK;
        }
        vb_v_panel(row, w->v[g]);
      }
      for (uint32_t l = 0; l < t->lanes; l += 2)
        vb_pv(w->digits[0][0] + l, w->v[0], (n + VB_GROUP - 1) / VB_GROUP, w->sums + (b * VB_TILE + l) * VB_LANE_SUMS);
    }
    if ((j0 + VB_ATTN_CHUNK) % VB_FLUSH == 0) attn_flush(t, w);
  }
  attn_flush(t, w);
}
