// SPDX-License-Identifier: Apache-2.0
#include "jobs.h"
#include "../cycle/job.h"
#include "../indexer/job.h"
#include "golden/golden.h"
#include "ref/ref.h"
#include "verbatim/layout.h"
#include <stdlib.h>
#include <string.h>

enum { AREA = 4 << 20 };
const uint64_t tjob_base = 0x400000000, tjob_memory = 10 * AREA;
const struct vb_hw_config tjob_hw = VB_TOP_CONFIG;

const char *tjob_name(uint32_t window) {
  return window == VB_HW_WINDOW_ATTENTION ? "attention" : window == VB_HW_WINDOW_INDEXER ? "indexer" : "router";
}

static bool make_router(struct tjob *j, struct vb_rng *r, uint32_t size, uint64_t base, uint8_t *area) {
  struct cdevice d = {.env = {.hw = &tjob_hw}, .mem = {.bytes = area, .base = base, .size = AREA}};
  struct cjob c;
  if (!cgen_router(&d, &c, r, size)) return false;
  memcpy(j->args, c.args, sizeof j->args);
  j->num_args = VB_ROUTER_NUM_ARGS;
  return true;
}

static bool make_indexer(struct tjob *j, struct vb_rng *r, uint32_t size, uint64_t base, uint8_t *area) {
  const struct vb_sim_config at = {.name = tjob_hw.name, .memory_base = base};
  struct ijob i;
  idev_config = &at;
  idev_hw = tjob_hw;
  ijob_random(&i, r, 10 * size);
  bool fits = i.base + i.size <= base + AREA;
  if (fits) {
    memcpy(area + (i.base - base), i.image, i.size);
    memcpy(j->args, i.args, sizeof i.args);
    j->num_args = VB_INDEXER_NUM_ARGS;
  }
  ijob_free(&i);
  return fits;
}

/// Query rows of some tokens that share a key head, over what their masks leave of a range of keys, the whole softmax.
static bool make_attention(struct tjob *j, struct vb_rng *r, uint32_t size, uint64_t base, uint8_t *area) {
  const uint32_t dk = 32 * (1 + (uint32_t)vb_rng_below(r, 2)), dv = 32 * (1 + (uint32_t)vb_rng_below(r, 2));
  const uint32_t heads = 1 + (uint32_t)vb_rng_below(r, 6), tokens = 1 + (uint32_t)vb_rng_below(r, 6);
  const uint32_t keys = tokens + (uint32_t)vb_rng_below(r, 6ull * size), rows = heads * tokens;
  const uint64_t page = 4096, q = page, k = q + page * (1 + (uint64_t)rows * vb_rec_bytes(dk) / page);
  const uint64_t v = k + page * (1 + (uint64_t)keys * vb_rec_bytes(dk) / page);
  const uint64_t out = v + page * (1 + (uint64_t)keys * vb_val_bytes(dv) / page);
  if (out + 4ull * rows * dv > AREA) return false;
  uint32_t n = (rows > keys ? rows : keys) * (dk > dv ? dk : dv);
  vb_z *x = malloc(4ull * n), *y = malloc(4ull * n);
  vb_rng_fill(r, VB_GEN_GAUSS, x, n);
  vb_ref_pack_q(
      &(struct vb_pack_q_op){.x = x, .heads = heads, .d = dk, .t = {0, tokens}, .h = {0, heads}, .rec = area + q});
  vb_rng_fill(r, VB_GEN_GAUSS, x, n);
  vb_rng_fill(r, VB_GEN_GAUSS, y, n);
  vb_ref_pack_kv(&(struct vb_pack_kv_op){
      .k = x, .v = y, .heads = 1, .dk = dk, .dv = dv, .t = {0, keys}, .h = {0, 1}, .krec = area + k, .vrec = area + v});
  free(x);
  free(y);
  uint64_t *a = j->args;
  a[VB_ATTENTION_ARG_Q] = base + q;
  a[VB_ATTENTION_ARG_K] = base + k;
  a[VB_ATTENTION_ARG_V] = base + v;
  a[VB_ATTENTION_ARG_OUT] = base + out;
  a[VB_ATTENTION_ARG_ROWS] = rows;
  a[VB_ATTENTION_ARG_ROWS_PER_TOKEN] = heads;
  a[VB_ATTENTION_ARG_DK] = dk;
  a[VB_ATTENTION_ARG_DV] = dv;
  a[VB_ATTENTION_ARG_KEY_END] = keys;
  a[VB_ATTENTION_ARG_FIRST_COUNT] = keys + 1 - tokens;
  a[VB_ATTENTION_ARG_Q_ROW_STRIDE] = vb_rec_bytes(dk);
  a[VB_ATTENTION_ARG_Q_TOKEN_STRIDE] = heads * vb_rec_bytes(dk);
  a[VB_ATTENTION_ARG_K_STRIDE] = vb_rec_bytes(dk);
  a[VB_ATTENTION_ARG_V_STRIDE] = vb_val_bytes(dv);
  a[VB_ATTENTION_ARG_O_ROW_STRIDE] = 4 * dv;
  a[VB_ATTENTION_ARG_O_TOKEN_STRIDE] = 4 * dv * heads;
  if (vb_rng_below(r, 3) == 0) a[VB_ATTENTION_ARG_WINDOW] = 1 + vb_rng_below(r, keys);
  if (vb_rng_below(r, 3) == 0) a[VB_ATTENTION_ARG_CHUNK] = 1 + vb_rng_below(r, keys);
  if (vb_rng_below(r, 2)) a[VB_ATTENTION_ARG_KEEP] = vb_rng_below(r, 5);
  j->num_args = VB_ATTENTION_NUM_ARGS;
  return true;
}

bool tjob_make(struct tjob *j, struct vb_rng *r, uint32_t window, uint32_t area, uint32_t size, uint8_t *memory) {
  memset(j, 0, sizeof *j);
  j->window = window;
  if ((area + 1ull) * AREA > tjob_memory) return false;
  uint64_t base = tjob_base + (uint64_t)area * AREA;
  uint8_t *at = memory + (uint64_t)area * AREA;
  if (window == VB_HW_WINDOW_ATTENTION) return make_attention(j, r, size, base, at);
  if (window == VB_HW_WINDOW_INDEXER) return make_indexer(j, r, size, base, at);
  return make_router(j, r, size, base, at);
}

uint32_t tjob_golden(const struct tjob *j, uint8_t *memory) {
  const struct vb_golden_memory mem = {.bytes = memory, .base = tjob_base, .size = tjob_memory};
  if (j->window == VB_HW_WINDOW_ATTENTION) return vb_golden_attention(&mem, &tjob_hw, j->args);
  if (j->window == VB_HW_WINDOW_INDEXER) return vb_golden_indexer(&mem, &tjob_hw, j->args);
  return vb_golden_router(&mem, &tjob_hw, j->args);
}
