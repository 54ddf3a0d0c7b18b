// SPDX-License-Identifier: Apache-2.0
// Random attention jobs for the cycle model. Values do not matter to time, so records are any bytes with legal headers.
#include "job.h"
#include "verbatim/layout.h"
#include <string.h>

const struct cunit cunit_attention = {"attention", vb_cycle_attention, vb_golden_attention};

static uint32_t below(struct vb_rng *r, uint32_t n) { return (uint32_t)vb_rng_below(r, n); }

/// Which keys: a causal range, often with window, chunk and kept keys, now and then a list.
static void keys(uint64_t *a, struct vb_rng *r, uint32_t most, bool *listed) {
  uint32_t begin = below(r, 3) ? 0 : below(r, 40), n = below(r, 8) ? below(r, most + 1) : below(r, 4), end = begin + n;
  a[VB_ATTENTION_ARG_KEY_BEGIN] = begin;
  a[VB_ATTENTION_ARG_KEY_END] = end;
  a[VB_ATTENTION_ARG_FIRST_COUNT] = below(r, 3) ? end + below(r, 3) : below(r, end + 2);
  if (below(r, 3) == 0) {
    if (below(r, 2)) a[VB_ATTENTION_ARG_WINDOW] = 1 + below(r, n + 2);
    if (below(r, 2)) a[VB_ATTENTION_ARG_CHUNK] = 1 + below(r, n + 2);
    if (below(r, 2)) a[VB_ATTENTION_ARG_KEEP] = below(r, end / 2 + 2);
  }
  *listed = below(r, 3) == 0;
  if (!*listed) return;
  uint32_t lg = below(r, 3) ? 0 : below(r, 11);
  a[VB_ATTENTION_ARG_LIST_BLOCK] = 1u << lg;
  a[VB_ATTENTION_ARG_LIST_FIRST] = below(r, 40);
  a[VB_ATTENTION_ARG_LIST_COUNT] = below(r, 10) ? below(r, (most >> lg) + 2) : 0;
  if (a[VB_ATTENTION_ARG_ROWS_PER_TOKEN] < a[VB_ATTENTION_ARG_ROWS])
    a[VB_ATTENTION_ARG_ROWS_PER_TOKEN] = a[VB_ATTENTION_ARG_ROWS];
}

static void fill(void *at, uint64_t bytes, struct vb_rng *r) {
  uint8_t *p = at;
  for (uint64_t i = 0; i < bytes; i++) p[i] = (uint8_t)(vb_rng_next(r) >> 8);
}

/// Every byte that may be the largest code of a header is 255: records lie at multiples of 32.
static void legal_headers(uint8_t *p, uint64_t bytes) {
  for (uint64_t i = VB_REC_KMAX; i < bytes; i += 32) p[i] = 255;
}

bool cgen_attention(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t size) {
  *j = (struct cjob){.unit = &cunit_attention};
  uint64_t *a = j->args;
  const struct vb_hw_config *hw = d->env.hw;
  bool listed = false, large = below(r, 10) == 0, dense = below(r, 2);
  uint32_t mode = size ? below(r, 4) : 0, dk, dv;
  a[VB_ATTENTION_ARG_MODE] = mode;
  a[VB_ATTENTION_ARG_ID] = vb_rng_next(r) >> 40;
  if (size) {
    uint32_t nbk = hw->attention_key_blocks, nbv = hw->attention_value_blocks;
    a[VB_ATTENTION_ARG_ROWS] = below(r, 10) ? 1 + below(r, 2 * hw->rows + 4) : 0;
    a[VB_ATTENTION_ARG_ROWS_PER_TOKEN] = 1 + below(r, below(r, 2) ? 4 : 12);
    dk = 32 * (1 + below(r, large ? nbk : nbk < 4 ? nbk : 4));
    dv = 32 * (1 + below(r, large ? nbv < 12 ? nbv : 12 : nbv < 4 ? nbv : 4));
    if (below(r, 5) == 0) {
      a[VB_ATTENTION_ARG_FLAGS] = 1;
      dv = 32 * (1 + below(r, dk / 32 < nbv ? dk / 32 : nbv));
    }
    // now and then more keys than stay on chip
    uint32_t most = below(r, 12) || hw->attention_keys > 2048 ? 40 * size : 2 * hw->attention_keys + 20;
    keys(a, r, most, &listed);
    if (below(r, 60) == 0) a[VB_ATTENTION_ARG_MODE] = 4 + below(r, 100); // not legal
  } else {                                                               // 64 queries of GQA 4 over 2048 keys
    a[VB_ATTENTION_ARG_ROWS] = 64;
    a[VB_ATTENTION_ARG_ROWS_PER_TOKEN] = 4;
    dk = dv = 128;
    a[VB_ATTENTION_ARG_KEY_END] = 2048;
    a[VB_ATTENTION_ARG_FIRST_COUNT] = 2048 - 15;
    dense = true;
  }
  a[VB_ATTENTION_ARG_DK] = dk;
  a[VB_ATTENTION_ARG_DV] = dv;
  uint64_t rows = a[VB_ATTENTION_ARG_ROWS], rpt = a[VB_ATTENTION_ARG_ROWS_PER_TOKEN], tokens = (rows + rpt - 1) / rpt;
  uint64_t end = a[VB_ATTENTION_ARG_KEY_END], count = listed ? a[VB_ATTENTION_ARG_LIST_COUNT] : 0;
  const uint32_t pad = dense ? 1 : 4;
  a[VB_ATTENTION_ARG_K_STRIDE] = 32 + dk + 32 * below(r, pad);
  a[VB_ATTENTION_ARG_V_STRIDE] = dv + 32 * below(r, pad);
  a[VB_ATTENTION_ARG_Q_ROW_STRIDE] = 32 + dk + 32 * below(r, pad);
  a[VB_ATTENTION_ARG_Q_TOKEN_STRIDE] = rpt * a[VB_ATTENTION_ARG_Q_ROW_STRIDE] + 32 * below(r, pad);
  a[VB_ATTENTION_ARG_O_ROW_STRIDE] = 4 * dv + 32 * below(r, pad);
  a[VB_ATTENTION_ARG_O_TOKEN_STRIDE] = rpt * a[VB_ATTENTION_ARG_O_ROW_STRIDE] + 32 * below(r, pad);
  bool shared = a[VB_ATTENTION_ARG_FLAGS] & 1, sinks = mode == 0 && size && below(r, 4) == 0;
  uint64_t out = mode == 3 ? rows * vb_partial_bytes(dv) : tokens * a[VB_ATTENTION_ARG_O_TOKEN_STRIDE];
  uint64_t kb = end * a[VB_ATTENTION_ARG_K_STRIDE] + 64, vb = shared ? 0 : end * a[VB_ATTENTION_ARG_V_STRIDE] + 64;
  uint64_t qb = tokens * a[VB_ATTENTION_ARG_Q_TOKEN_STRIDE] + 64,
           lb = 4 * (a[VB_ATTENTION_ARG_LIST_FIRST] + count) + 64;
  bool ok = cjob_buffer(d, j, r, VB_ATTENTION_ARG_Q, qb) && cjob_buffer(d, j, r, VB_ATTENTION_ARG_K, kb) &&
            (!vb || cjob_buffer(d, j, r, VB_ATTENTION_ARG_V, vb)) &&
            cjob_buffer(d, j, r, VB_ATTENTION_ARG_M, 4 * rows + 64) &&
            cjob_buffer(d, j, r, VB_ATTENTION_ARG_EM, 32 * rows + 64) &&
            cjob_buffer(d, j, r, VB_ATTENTION_ARG_OUT, out + 64) &&
            (!listed || cjob_buffer(d, j, r, VB_ATTENTION_ARG_LIST, lb)) &&
            (!sinks || cjob_buffer(d, j, r, VB_ATTENTION_ARG_SINKS, 4 * rpt + 64));
  if (!ok) return false;
  fill(cjob_at(d, j, VB_ATTENTION_ARG_Q), qb, r);
  fill(cjob_at(d, j, VB_ATTENTION_ARG_K), kb, r);
  legal_headers(cjob_at(d, j, VB_ATTENTION_ARG_Q), qb);
  legal_headers(cjob_at(d, j, VB_ATTENTION_ARG_K), kb);
  if (vb) fill(cjob_at(d, j, VB_ATTENTION_ARG_V), vb, r);
  int32_t *m = cjob_at(d, j, VB_ATTENTION_ARG_M);
  int16_t *em = cjob_at(d, j, VB_ATTENTION_ARG_EM);
  for (uint64_t i = 0; i < rows; i++) m[i] = INT32_MAX; // at least what any key needs
  for (uint64_t i = 0; i < 16 * rows; i++) em[i] = 300;
  memset(cjob_at(d, j, VB_ATTENTION_ARG_OUT), 0x5a, out);
  if (sinks) fill(cjob_at(d, j, VB_ATTENTION_ARG_SINKS), 4 * rpt, r);
  if (listed) { // any order: ascending is for the caller's good
    uint32_t *list = cjob_at(d, j, VB_ATTENTION_ARG_LIST), block = (uint32_t)a[VB_ATTENTION_ARG_LIST_BLOCK];
    for (uint64_t i = 0; i < lb / 4; i++)
      list[i] = below(r, 16) ? below(r, (uint32_t)end / block + 1) : below(r, (1u << 20) / block);
  }
  return true;
}

/// Buffers of a job whose sizes are set, dense, every record legal.
static bool place(struct cdevice *d, struct cjob *j, struct vb_rng *r) {
  uint64_t *a = j->args, rows = a[VB_ATTENTION_ARG_ROWS], rpt = a[VB_ATTENTION_ARG_ROWS_PER_TOKEN];
  uint64_t rec = 32 + a[VB_ATTENTION_ARG_DK], val = a[VB_ATTENTION_ARG_DV], end = a[VB_ATTENTION_ARG_KEY_END];
  a[VB_ATTENTION_ARG_K_STRIDE] = a[VB_ATTENTION_ARG_Q_ROW_STRIDE] = rec;
  a[VB_ATTENTION_ARG_V_STRIDE] = val;
  a[VB_ATTENTION_ARG_O_ROW_STRIDE] = 4 * val;
  a[VB_ATTENTION_ARG_Q_TOKEN_STRIDE] = rpt * rec;
  a[VB_ATTENTION_ARG_O_TOKEN_STRIDE] = rpt * 4 * val;
  bool shared = a[VB_ATTENTION_ARG_FLAGS] & 1;
  if (!cjob_buffer(d, j, r, VB_ATTENTION_ARG_Q, rows * rec) || !cjob_buffer(d, j, r, VB_ATTENTION_ARG_K, end * rec) ||
      (!shared && !cjob_buffer(d, j, r, VB_ATTENTION_ARG_V, end * val)) ||
      !cjob_buffer(d, j, r, VB_ATTENTION_ARG_OUT, 4 * rows * val))
    return false;
  fill(cjob_at(d, j, VB_ATTENTION_ARG_Q), rows * rec, r);
  fill(cjob_at(d, j, VB_ATTENTION_ARG_K), end * rec, r);
  legal_headers(cjob_at(d, j, VB_ATTENTION_ARG_Q), rows * rec);
  legal_headers(cjob_at(d, j, VB_ATTENTION_ARG_K), end * rec);
  if (!shared) fill(cjob_at(d, j, VB_ATTENTION_ARG_V), end * val, r);
  return true;
}

bool cgen_prefill(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t queries) {
  *j = (struct cjob){.unit = &cunit_attention};
  uint64_t *a = j->args;
  a[VB_ATTENTION_ARG_ROWS] = 4 * queries;
  a[VB_ATTENTION_ARG_ROWS_PER_TOKEN] = 4;
  a[VB_ATTENTION_ARG_DK] = a[VB_ATTENTION_ARG_DV] = 128;
  a[VB_ATTENTION_ARG_KEY_END] = 8192;
  a[VB_ATTENTION_ARG_FIRST_COUNT] = 8192 - 511;
  return place(d, j, r);
}

bool cgen_decode(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t heads) {
  enum { KEYS = 16384, SELECTED = 2048 };
  *j = (struct cjob){.unit = &cunit_attention};
  uint64_t *a = j->args;
  a[VB_ATTENTION_ARG_ROWS] = a[VB_ATTENTION_ARG_ROWS_PER_TOKEN] = heads;
  a[VB_ATTENTION_ARG_DK] = 576;
  a[VB_ATTENTION_ARG_DV] = 512;
  a[VB_ATTENTION_ARG_FLAGS] = 1;
  a[VB_ATTENTION_ARG_KEY_END] = a[VB_ATTENTION_ARG_FIRST_COUNT] = KEYS;
  a[VB_ATTENTION_ARG_LIST_BLOCK] = 1;
  a[VB_ATTENTION_ARG_LIST_COUNT] = SELECTED;
  if (!place(d, j, r) || !cjob_buffer(d, j, r, VB_ATTENTION_ARG_LIST, 4 * SELECTED)) return false;
  uint32_t *list = cjob_at(d, j, VB_ATTENTION_ARG_LIST);
  for (uint32_t key = 0, n = 0; key < KEYS; key++) // distinct, ascending, any of them
    if (vb_rng_below(r, KEYS - key) < SELECTED - n) list[n++] = key;
  return true;
}

double cjob_utilisation(const struct cdevice *d, const struct cjob *j) {
  const struct vb_hw_config *hw = d->env.hw;
  const uint64_t *a = j->args;
  uint64_t words = 0, rows = a[VB_ATTENTION_ARG_ROWS], rpt = a[VB_ATTENTION_ARG_ROWS_PER_TOKEN];
  for (uint64_t row = 0; row < rows; row += hw->rows) {
    uint64_t last = (row + hw->rows < rows ? row + hw->rows : rows) - 1,
             n = a[VB_ATTENTION_ARG_FIRST_COUNT] + last / rpt;
    if (n > a[VB_ATTENTION_ARG_KEY_END]) n = a[VB_ATTENTION_ARG_KEY_END];
    if (a[VB_ATTENTION_ARG_LIST_BLOCK]) n = a[VB_ATTENTION_ARG_LIST_COUNT] * a[VB_ATTENTION_ARG_LIST_BLOCK];
    words += n * (a[VB_ATTENTION_ARG_DK] + a[VB_ATTENTION_ARG_DV]) / hw->lanes * (n > hw->attention_keys ? 2 : 1);
  }
  return 100.0 * (double)words / (double)j->model.cycles;
}
