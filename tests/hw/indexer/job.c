// SPDX-License-Identifier: Apache-2.0
#include "job.h"
#include "num/block.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILL = 0xa5, PAGE = 4096 };
static const uint32_t kinds[6] = {0, 0, 0, 2, 1, 1}; // read, written, both
#define A(name) VB_INDEXER_ARG_##name

const struct vb_sim_config *idev_config;
struct vb_hw_config idev_hw;

int idev_use(uint32_t index) {
  static const struct vb_hw_config known[] = {VB_CONFIG_BASE, VB_CONFIG_PAPER, VB_CONFIG_SMALL};
  idev_config = vb_sim_backend()->config_info(index);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(known[i].name, idev_config->name) == 0) {
      idev_hw = known[i];
      return 0;
    }
  return -1;
}

static uint32_t below(struct vb_rng *r, uint64_t n) { return (uint32_t)vb_rng_below(r, n); }
static uint32_t between(struct vb_rng *r, uint32_t lo, uint32_t hi) { return lo + below(r, (uint64_t)hi - lo + 1); }

uint32_t ijob_keys(const struct ijob *j, uint32_t t) {
  uint64_t stop = j->args[A(FIRST_COUNT)] + t;
  if (stop > j->args[A(KEY_END)]) stop = j->args[A(KEY_END)];
  return stop > j->args[A(KEY_BEGIN)] ? (uint32_t)(stop - j->args[A(KEY_BEGIN)]) : 0;
}

// ---- stimulus
static void put_record(struct vb_rng *r, uint8_t *rec, uint32_t dk, enum ijob_data data, uint32_t base) {
  uint32_t z[VB_MAX_DK];
  if (data == IJOB_WIDE) {
    memset(rec, 0, VB_REC_HEADER);
    uint32_t near = 1 + below(r, 40);
    for (uint32_t b = 0; b < dk / 32; b++) {
      uint32_t low = below(r, 8) ? below(r, near) : below(r, 256);
      rec[b] = (uint8_t)(below(r, 16) == 0 || low > base ? 0 : base - low);
      if (rec[b] > rec[VB_REC_KMAX]) rec[VB_REC_KMAX] = rec[b];
    }
    for (uint32_t i = 0; i < dk; i++) rec[32 + i] = (uint8_t)(below(r, 4) ? vb_rng_next(r) : 0x80);
    return;
  }
  vb_rng_fill(r, data == IJOB_EDGE ? VB_GEN_EDGE : VB_GEN_GAUSS, z, dk);
  if (data == IJOB_EDGE)
    for (uint32_t b = 0; b < dk / 32; b++)
      if (below(r, 3) == 0) memset(z + 32 * b, 0, 32 * sizeof *z);
  vb_rec_fill(z, dk, rec);
}

static void put_records(struct vb_rng *r, uint8_t *rec, uint64_t n, uint32_t dk, enum ijob_data data, bool key) {
  uint64_t size = vb_rec_bytes(dk);
  uint32_t base = below(r, 3) ? between(r, 90, 150) : below(r, below(r, 2) ? 256 : 24);
  if (data == IJOB_WIDE && !key && below(r, 3) == 0) base = below(r, 24);
  uint8_t few[4][VB_REC_HEADER + VB_MAX_DK];
  uint32_t distinct = data == IJOB_FEW ? 4 : 1;
  for (uint32_t i = 0; i < distinct; i++) put_record(r, few[i], dk, IJOB_GAUSS, base);
  for (uint64_t i = 0; i < n; i++) {
    if (key && data == IJOB_ZERO) memset(rec + i * size, 0, size);
    else if (key && (data == IJOB_FEW || data == IJOB_EQUAL)) memcpy(rec + i * size, few[below(r, distinct)], size);
    else put_record(r, rec + i * size, dk, data, base);
  }
}

static void put_scores(struct vb_rng *r, uint32_t *score, uint32_t n, enum ijob_data data) {
  uint32_t few[4], mask = data == IJOB_WIDE ? UINT32_MAX << below(r, 32) : UINT32_MAX;
  uint32_t near = below(r, 2) ? between(r, 44, 60) : 0; // bits in which they differ; 0: ascending, wrapping for some
  for (int i = 0; i < 4; i++) few[i] = (uint32_t)vb_rng_next(r);
  for (uint32_t i = 0; i < n; i++) switch (data) {
    case IJOB_GAUSS: score[i] = vb_order_key(vb_rng_z(r, VB_GEN_GAUSS)); break;
    case IJOB_FEW: score[i] = few[below(r, 4)]; break;
    case IJOB_EQUAL: score[i] = few[0]; break;
    case IJOB_ZERO: score[i] = 0; break;
    case IJOB_EDGE: score[i] = near ? few[0] ^ (uint32_t)(vb_rng_next(r) >> near) : few[0] + i; break;
    default: score[i] = (uint32_t)vb_rng_next(r) & mask; break;
    }
}

static void put_inputs(struct ijob *j, struct vb_rng *r, const struct ijob_shape *s, enum ijob_data data) {
  uint8_t *at[6];
  for (int i = 0; i < 6; i++) at[i] = j->image + (j->args[i] - j->base);
  if (s->mode == IJOB_TOPK) {
    for (uint32_t t = 0; t < s->tokens; t++) {
      uint32_t n = ijob_keys(j, t), *score = malloc(4u * n + 4);
      put_scores(r, score, n, data);
      memcpy(at[3] + t * j->args[A(SCORE_STRIDE)], score, 4u * n);
      free(score);
    }
    return;
  }
  if (!j->bytes[2]) return; // no token sees a key
  put_records(r, at[2], j->bytes[2] / vb_rec_bytes(s->dk), s->dk, data, true);
  for (uint32_t t = 0; t < s->tokens; t++) {
    uint32_t w[64];
    put_records(r, at[0] + t * j->args[A(Q_STRIDE)], s->heads, s->dk, data, false);
    bool zero = below(r, data == IJOB_WIDE ? 2 : 6) == 0;
    if (zero) memset(at[0] + t * j->args[A(Q_STRIDE)], 0, vb_rec_bytes(s->dk)); // a query of zeros
    vb_rng_fill(r, data == IJOB_WIDE ? VB_GEN_UNIFORM : data == IJOB_EDGE ? VB_GEN_MIX : VB_GEN_GAUSS, w, s->heads);
    if (zero && below(r, 2)) w[0] = 0x5f000000u;    // whose weight would be the largest
    if (below(r, 4) == 0 && w[0]) w[0] |= 0x7fffff; // rounds up, and is clamped where it is the largest
    if (below(r, 4) == 0)
      for (uint32_t h = 0; h < s->heads; h++) w[h] = w[h] ? (w[h] & ~0x1ffu) | 0x100 : 0; // ties of the largest
    if (below(r, 8) == 0)
      for (uint32_t h = 0; h < s->heads; h++) w[h] = w[h] ? w[h] | 0x80000000u : 0; // no score is positive
    memcpy(at[1] + t * j->args[A(W_STRIDE)], w, 4u * s->heads);
  }
}

void ijob_make(struct ijob *j, struct vb_rng *r, const struct ijob_shape *s, enum ijob_data data) {
  memset(j, 0, sizeof *j);
  uint64_t rec = vb_rec_bytes(s->dk), *a = j->args;
  a[A(MODE)] = s->mode, a[A(TOKENS)] = s->tokens, a[A(HEADS)] = s->heads, a[A(DK)] = s->dk, a[A(TOPK)] = s->k;
  a[A(KEY_BEGIN)] = s->key_begin, a[A(KEY_END)] = s->key_end, a[A(FIRST_COUNT)] = s->first_count;
  a[A(W_SCALE)] = below(r, 2) ? 0x3db504f3u : below(r, 2) ? 0x3f800000u : vb_rng_z(r, VB_GEN_MIX);
  a[A(ID)] = below(r, 1ull << 32);
  uint32_t most = s->tokens ? ijob_keys(j, s->tokens - 1) : 0, last = s->tokens ? s->tokens - 1 : 0;
  a[A(Q_STRIDE)] = rec * s->heads + 32 * below(r, 3);
  a[A(W_STRIDE)] = 64 * ((4 * s->heads + 63) / 64 + below(r, 2));
  a[A(SCORE_STRIDE)] = 64 * ((4ull * most + 63) / 64 + below(r, 2));
  a[A(LIST_STRIDE)] = 64 * ((4 * s->k + 63) / 64 + below(r, 2));
  bool keys = most && s->mode != IJOB_TOPK, lists = s->tokens && s->mode != IJOB_SCORES;
  j->bytes[0] = keys ? last * a[A(Q_STRIDE)] + rec * s->heads : 0;
  j->bytes[1] = keys ? last * a[A(W_STRIDE)] + 4 * s->heads : 0;
  j->bytes[2] = keys ? rec * ((uint64_t)s->key_begin + most) : 0;
  j->bytes[3] = most && s->mode != IJOB_FULL ? last * a[A(SCORE_STRIDE)] + 4ull * most : 0;
  j->bytes[4] = lists ? last * a[A(LIST_STRIDE)] + 4 * s->k : 0;
  j->bytes[5] = lists ? 4ull * s->tokens : 0;
  j->base = idev_config->memory_base + PAGE * (16ull + below(r, 16));
  uint64_t at = j->base;
  for (int i = 0; i < 6; i++) {
    at += 64 * (1 + below(r, 80));
    a[i] = at;
    at = (at + j->bytes[i] + 127) / 64 * 64;
  }
  j->size = at - j->base + 256;
  j->image = malloc(j->size);
  memset(j->image, FILL, j->size);
  put_inputs(j, r, s, data);
}

void ijob_random(struct ijob *j, struct vb_rng *r, uint32_t work) {
  struct ijob_shape s = {.mode = below(r, 5) % 3};
  static const uint32_t usual[] = {1, 2, 3, 4, 7, 8, 9, 16, 31, 32, 33, 64, 64};
  s.heads = below(r, 2) ? usual[below(r, 13)] : between(r, 1, 64);
  s.dk = 32 * between(r, 1, 4);
  s.tokens = below(r, 12) ? between(r, 1, 5) : 0;
  uint64_t most = s.mode == IJOB_TOPK ? work : 1000ull * work / (s.heads * s.dk);
  if (s.tokens) most = most / s.tokens + 1;
  if (most > idev_hw.indexer_keys / 2) most = idev_hw.indexer_keys / 2;
  uint32_t n = below(r, 4) ? 1 + below(r, most) : below(r, 20);
  s.key_begin = below(r, 3) ? 0 : below(r, 50);
  s.first_count = s.key_begin + n;
  s.key_end = below(r, 2) ? UINT32_MAX : s.key_begin + below(r, n + 4ull);
  if (s.tokens && s.first_count > s.key_begin + 2 && below(r, 6) == 0) s.first_count -= n; // tokens that see no key
  switch (below(r, 4)) {
  case 0: s.k = between(r, 1, 2048); break;
  case 1: s.k = n + 1 < 2048 ? n + 1 - below(r, n ? 2 : 1) : 2048; break;
  case 2: s.k = 1 + below(r, n ? (n < 2048 ? n : 2048) : 1); break;
  default: s.k = between(r, 1, 64); break;
  }
  ijob_make(j, r, &s, (enum ijob_data)below(r, IJOB_KINDS));
}

void ijob_free(struct ijob *j) {
  free(j->image);
  j->image = NULL;
}

// ---- run
vb_sim_device *idev_new(const char *dram, bool seeded, uint64_t seed) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  struct vb_sim_options o = {.dram_part = dram, .seed = seed, .seed_set = seeded, .trace_last = UINT64_MAX};
  char err[256] = "";
  for (uint32_t i = 0; i < ops->config_count(); i++) {
    if (ops->config_info(i) != idev_config) continue;
    vb_sim_device *d = ops->create(i, &o, err, sizeof err);
    if (!VB_CHECK(d != NULL, "device %s: %s", idev_config->name, err)) exit(1);
    return d;
  }
  exit(1);
}

void idev_free(vb_sim_device *d) { vb_sim_backend()->destroy(d); }

static int no_stop(void *user, const struct vb_sim_progress *p) {
  (void)user, (void)p;
  return 0;
}

void ijob_run(vb_sim_device *d, struct ijob *j) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  uint32_t regs[VB_SIM_REG_WORDS] = {0};
  struct vb_sim_region regions[6];
  struct vb_sim_job job = {.regs = regs, .regions = regions, .heartbeat = no_stop};
  job.watchdog_cycles = j->watchdog;
  job.stop_cycles = j->stop;
  while (strcmp(idev_config->kernels[job.kernel].name, "indexer") != 0) job.kernel++;
  for (int i = 0; i < VB_INDEXER_NUM_ARGS; i++) {
    regs[(VB_HW_REG_ARGS + VB_HW_REG_STRIDE * i) / 4] = (uint32_t)j->args[i];
    regs[(VB_HW_REG_ARGS + VB_HW_REG_STRIDE * i) / 4 + 1] = (uint32_t)(j->args[i] >> 32);
  }
  for (int i = 0; i < 6; i++)
    if (j->bytes[i] && !j->deny[i])
      regions[job.num_regions++] = (struct vb_sim_region){j->args[i], j->bytes[i], kinds[i] != 1, kinds[i] != 0};
  ops->mem_write(d, j->base, j->image, j->size);
  memset(&j->result, 0, sizeof j->result);
  j->status = ops->run(d, &job, &j->result);
}

const char *ijob_text(const struct ijob *j) {
  static char text[256];
  const uint64_t *a = j->args;
  snprintf(text, sizeof text, "mode %u T=%u heads=%u dk=%u k=%u keys [%u, %u) first %u scale %08x",
           (unsigned)a[A(MODE)], (unsigned)a[A(TOKENS)], (unsigned)a[A(HEADS)], (unsigned)a[A(DK)],
           (unsigned)a[A(TOPK)], (unsigned)a[A(KEY_BEGIN)], (unsigned)a[A(KEY_END)], (unsigned)a[A(FIRST_COUNT)],
           (unsigned)a[A(W_SCALE)]);
  return text;
}

bool ijob_compare(vb_sim_device *d, const struct ijob *j, bool quiet) {
  uint8_t *want = malloc(j->size), *got = malloc(j->size);
  memcpy(want, j->image, j->size);
  vb_sim_backend()->mem_read(d, j->base, got, j->size);
  const struct vb_golden_memory mem = {.bytes = want, .base = j->base, .size = j->size};
  uint32_t error = vb_golden_indexer(&mem, &idev_hw, j->args);
  bool ok = error == j->result.error_code;
  if (!quiet) VB_CHECK(ok, "error 0x%02x, golden 0x%02x: %s", j->result.error_code, error, ijob_text(j));
  if (!error) {
    bool same = memcmp(want, got, j->size) == 0;
    ok = ok && same;
    static const char *const names[6] = {"q", "w", "k", "score", "list", "count"};
    for (int i = 3; i < 6 && !quiet; i++)
      if (j->bytes[i])
        vb_test_bits("indexer", want + (j->args[i] - j->base), got + (j->args[i] - j->base), j->bytes[i] / 4, 4,
                     names[i], 0);
    if (!quiet) VB_CHECK(same, "memory differs: %s", ijob_text(j)); // inputs and gaps too
  }
  free(want);
  free(got);
  return ok;
}

bool ijob_check(vb_sim_device *d, struct ijob *j) {
  ijob_run(d, j);
  if (!VB_CHECK(j->status == VB_SIM_OK, "status %d: %s: %s", j->status, j->result.text, ijob_text(j))) return false;
  return ijob_compare(d, j, false);
}
