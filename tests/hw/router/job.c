// SPDX-License-Identifier: Apache-2.0
#include "job.h"
#include "../../../hw/regs/vb_regs.h"
#include "ref/ref.h"
#include <stdlib.h>
#include <string.h>

enum { PAD = 32, FILL = 0xa5a5a5a5u };
static const char *const names[7] = {"logits", "ids", "gates", "hist", "offsets", "list", "bias"};

static const int slots[7] = {VB_ROUTER_ARG_LOGITS,  VB_ROUTER_ARG_IDS,  VB_ROUTER_ARG_GATES, VB_ROUTER_ARG_HIST,
                             VB_ROUTER_ARG_OFFSETS, VB_ROUTER_ARG_LIST, VB_ROUTER_ARG_BIAS};

static void put(uint32_t *regs, int slot, uint64_t value) {
  regs[(VB_HW_REG_ARGS + VB_HW_REG_STRIDE * slot) / 4] = (uint32_t)value;
  regs[(VB_HW_REG_ARGS + VB_HW_REG_STRIDE * slot) / 4 + 1] = (uint32_t)(value >> 32);
}

static void rjob_words(const struct rjob *j, uint64_t words[7]) {
  uint64_t pairs = (uint64_t)j->tokens * j->k;
  words[0] = j->tokens ? (uint64_t)(j->tokens - 1) * (j->stride / 4) + j->experts : 0;
  words[1] = words[2] = words[5] = pairs;
  words[3] = j->experts;
  words[4] = j->experts + 1;
  words[6] = j->use_bias ? j->experts : 0;
}

void rjob_make(struct rjob *j, struct vb_rng *r, uint32_t tokens, uint32_t experts, uint32_t k, int gen) {
  memset(j, 0, sizeof *j);
  j->tokens = tokens;
  j->experts = experts;
  j->k = k;
  j->stride = 4 * experts;
  j->scale = 0x3f800000u;
  j->id = (uint32_t)vb_rng_next(r);
  j->renorm = (uint32_t)vb_rng_below(r, 2);
  if (vb_rng_below(r, 3) == 0) j->stride += 4 * (uint32_t)vb_rng_below(r, 20); // rows at any lane
  if (vb_rng_below(r, 3) == 0) j->scale = vb_rng_z(r, VB_GEN_MIX);
  uint64_t words = (uint64_t)tokens * (j->stride / 4);
  j->logits = malloc(4 * words + 4);
  for (uint64_t i = 0; i < words; i++) j->logits[i] = (uint32_t)vb_rng_next(r);
  uint32_t one = vb_rng_z(r, VB_GEN_GAUSS);
  for (uint32_t t = 0; t < tokens; t++) {
    uint32_t *z = j->logits + (uint64_t)t * (j->stride / 4);
    for (uint32_t e = 0; e < experts; e++) switch (gen) {
      case RJOB_EQUAL: z[e] = one; break;
      case RJOB_SATURATE: // beyond the range of Q15.16 on both sides: equal scores, different logits
        z[e] = (vb_rng_below(r, 2) ? 0x80000000u : 0) | (0x47000000u + (uint32_t)vb_rng_below(r, 0x18000000));
        break;
      case RJOB_SINK: z[e] = 0xc0000000u + (uint32_t)vb_rng_below(r, 0x04000000); break;
      case RJOB_TIES: z[e] = vb_rng_below(r, 3) ? one : vb_rng_z(r, VB_GEN_GAUSS); break;
      default: z[e] = vb_rng_z(r, (enum vb_gen)gen); break;
      }
  }
}

void rjob_pack(struct rjob *j) {
  for (uint32_t t = 1; t < j->tokens; t++)
    memmove(j->logits + (uint64_t)t * j->experts, j->logits + (uint64_t)t * (j->stride / 4), 4 * (size_t)j->experts);
  j->stride = 4 * j->experts;
}

void rjob_free(struct rjob *j) {
  free(j->logits);
  j->logits = NULL;
}

void rjob_sigmoid(struct rjob *j, struct vb_rng *r, bool bias) {
  j->score = VB_SCORE_SIGMOID;
  j->use_bias = bias;
  // Small and negative beside the sigmoids, as trained, or anything: sums of both signs, dropped groups above kept ones.
  uint64_t kind = vb_rng_below(r, 3);
  uint32_t one = vb_rng_z(r, VB_GEN_GAUSS);
  for (uint32_t e = 0; e < j->experts; e++)
    j->bias[e] = kind == 0 ? one : vb_rng_below(r, 8) ? vb_rng_z(r, kind == 1 ? VB_GEN_GAUSS : VB_GEN_MIX) : 0;
}

void rjob_brink(struct rjob *j, struct vb_rng *r) {
  rjob_sigmoid(j, r, true);
  for (uint64_t i = 0; i < (uint64_t)j->tokens * (j->stride / 4); i++)
    j->logits[i] = 0xc1600000u + (uint32_t)vb_rng_below(r, 0x400000); // -14 .. -18
  for (uint32_t e = 0; e < j->experts; e++)
    j->bias[e] = (e % 16 ? 0x3f800000u : 0xbf800000u) + (uint32_t)vb_rng_below(r, 3);
}

void rjob_limit(struct rjob *j, struct vb_rng *r) {
  uint64_t share = (uint64_t)j->tokens * j->k / j->experts + 2; // pairs of an expert, if they were shared evenly
  if (vb_rng_below(r, 3))
    j->capacity = vb_rng_below(r, 8) ? 1 + (uint32_t)vb_rng_below(r, 2 * share) : (uint32_t)vb_rng_next(r);
  if (vb_rng_below(r, 3) == 0) // a gate of the mean size and less, or anything
    j->threshold = vb_rng_below(r, 4) ? 0x3f000000u - (uint32_t)vb_rng_below(r, 0x03800000)
                                      : 0x20800000u + (uint32_t)vb_rng_below(r, 0x3effffff);
}

void rjob_halves(struct rjob *j, struct vb_rng *r) {
  rjob_make(j, r, 60, 16, 16, VB_GEN_GAUSS);
  rjob_pack(j);
  rjob_sigmoid(j, r, false);
  j->renorm = 1;
  for (uint32_t w = 0; w < 60 * 16; w++)
    j->logits[w] = w % 16 ? 0xc0c80000u + (uint32_t)vb_rng_below(r, 0x140000) // -6.25 .. -6.875
                          : 0x3f000000u + (uint32_t)vb_rng_below(r, 0x800000);
}

bool rjob_groups(struct rjob *j, uint32_t groups, uint32_t topk_groups, uint32_t group_top) {
  if (j->experts % groups || topk_groups * (j->experts / groups) < j->k) return false;
  j->groups = groups;
  j->topk_groups = topk_groups;
  j->group_top = group_top;
  return true;
}

void rjob_random(struct rjob *j, struct vb_rng *r) {
  static const uint32_t usual[] = {1, 2, 7, 8, 9, 16, 60, 64, 128, 160, 256, 384, 512};
  uint32_t experts = vb_rng_below(r, 2) ? usual[vb_rng_below(r, 13)] : 1 + (uint32_t)vb_rng_below(r, 512);
  uint32_t most = experts < 16 ? experts : 16, k = 1 + (uint32_t)vb_rng_below(r, most);
  static const int directed[] = {RJOB_EQUAL, RJOB_SATURATE, RJOB_TIES, RJOB_SINK};
  int gen = vb_rng_below(r, 4) ? (int)vb_rng_below(r, VB_GEN_KINDS) : directed[vb_rng_below(r, 4)];
  rjob_make(j, r, (uint32_t)vb_rng_below(r, 40), experts, k, gen);
  if (vb_rng_below(r, 8) == 0) rjob_brink(j, r);
  else if (vb_rng_below(r, 2)) rjob_sigmoid(j, r, vb_rng_below(r, 2));
  if (vb_rng_below(r, 2)) rjob_limit(j, r);
  for (int i = 0; i < 4 && !j->groups && vb_rng_below(r, 3); i++) {
    uint32_t groups = 1 + (uint32_t)vb_rng_below(r, 8);
    rjob_groups(j, groups, 1 + (uint32_t)vb_rng_below(r, groups), 1 + (uint32_t)vb_rng_below(r, 2));
  }
}

const char *const rdev_parts[3] = {"ddr4-2400", "ddr5-4800", "hbm2e"};
const struct vb_sim_config *rdev_config;
uint32_t rdev_lanes, rdev_max_pairs;

int rdev_use(uint32_t index) {
  rdev_config = vb_sim_backend()->config_info(index);
  const char *axi = strstr(rdev_config->configuration, "axi="), *pairs = strstr(rdev_config->configuration, "pairs=");
  rdev_lanes = axi ? (uint32_t)strtoul(axi + 4, NULL, 10) / 32 : 0;
  rdev_max_pairs = pairs ? (uint32_t)strtoul(pairs + 6, NULL, 10) : 0;
  return rdev_lanes && rdev_max_pairs ? 0 : -1;
}

vb_sim_device *rdev_new(const char *dram, bool seeded, uint64_t seed) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  struct vb_sim_options o = {.dram_part = dram, .seed = seed, .seed_set = seeded, .trace_last = UINT64_MAX};
  char err[256] = "";
  for (uint32_t i = 0; i < ops->config_count(); i++) {
    if (ops->config_info(i) != rdev_config) continue;
    vb_sim_device *d = ops->create(i, &o, err, sizeof err);
    if (!VB_CHECK(d != NULL, "device %s: %s", rdev_config->name, err)) exit(1);
    return d;
  }
  exit(1);
}

void rdev_free(vb_sim_device *d) { vb_sim_backend()->destroy(d); }

static int no_stop(void *user, const struct vb_sim_progress *p) {
  (void)user, (void)p;
  return 0;
}

/// Buffer addresses: one after another, PAD words between them.
static void place(const struct rjob *j, uint64_t at[7]) {
  uint64_t words[7], a = rdev_config->memory_base + 0x10000;
  rjob_words(j, words);
  for (int i = 0; i < 7; i++) {
    at[i] = a;
    a = (a + 4 * (words[i] + PAD) + 4095) / 4096 * 4096 + 64 * (uint64_t)(i + 1);
  }
}

void rjob_run(vb_sim_device *d, struct rjob *j) { rjob_run_as(d, j, j); }

void rjob_run_as(vb_sim_device *d, const struct rjob *j, struct rjob *as) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  const struct vb_sim_config *config = rdev_config;
  uint64_t words[7], at[7];
  uint32_t fill = FILL;
  rjob_words(j, words);
  place(j, at);
  ops->mem_write(d, at[0], j->logits, 4 * words[0]);
  ops->mem_write(d, at[6], j->bias, 4 * words[6]);
  for (int i = 1; i < 6; i++) ops->mem_fill(d, at[i], &fill, 4, 4 * (words[i] + PAD));

  uint32_t regs[VB_SIM_REG_WORDS] = {0};
  struct vb_sim_region regions[7];
  struct vb_sim_job job = {
      .regs = regs, .regions = regions, .watchdog_cycles = as->watchdog, .stop_cycles = as->stop, .heartbeat = no_stop};
  while (strcmp(config->kernels[job.kernel].name, "router") != 0) job.kernel++;
  for (int i = 0; i < 7; i++) {
    uint64_t a = at[i] + as->spoil[i];
    put(regs, slots[i], a);
    if (!j->deny[i] && words[i])
      regions[job.num_regions++] = (struct vb_sim_region){at[i], 4 * words[i], i == 0 || i == 6, i != 0 && i != 6};
  }
  put(regs, VB_ROUTER_ARG_TOKENS, as->tokens);
  put(regs, VB_ROUTER_ARG_EXPERTS, as->experts);
  put(regs, VB_ROUTER_ARG_K, as->k);
  put(regs, VB_ROUTER_ARG_SCORE, as->score);
  put(regs, VB_ROUTER_ARG_RENORM, as->renorm);
  put(regs, VB_ROUTER_ARG_LOGITS_STRIDE, as->stride);
  put(regs, VB_ROUTER_ARG_SCALE, as->scale);
  put(regs, VB_ROUTER_ARG_ID, as->id);
  put(regs, VB_ROUTER_ARG_USE_BIAS, as->use_bias);
  put(regs, VB_ROUTER_ARG_GROUPS, as->groups);
  put(regs, VB_ROUTER_ARG_TOPK_GROUPS, as->topk_groups);
  put(regs, VB_ROUTER_ARG_GROUP_TOP, as->group_top);
  put(regs, VB_ROUTER_ARG_THRESHOLD, as->threshold);
  put(regs, VB_ROUTER_ARG_CAPACITY, as->capacity);
  memset(&as->result, 0, sizeof as->result);
  as->status = ops->run(d, &job, &as->result);
}

bool rjob_compare(vb_sim_device *d, const struct rjob *j, bool quiet) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  uint64_t words[7], at[7], pairs = (uint64_t)j->tokens * j->k;
  rjob_words(j, words);
  place(j, at);
  uint32_t *dense = malloc(4 * (uint64_t)j->tokens * j->experts + 4), *want[6], *got[6];
  for (uint32_t t = 0; t < j->tokens; t++)
    memcpy(dense + (uint64_t)t * j->experts, j->logits + (uint64_t)t * (j->stride / 4), 4 * (uint64_t)j->experts);
  for (int i = 1; i < 6; i++) {
    want[i] = malloc(4 * (words[i] + PAD));
    got[i] = malloc(4 * (words[i] + PAD));
    for (uint64_t w = 0; w < words[i] + PAD; w++) want[i][w] = FILL; // the tail must survive
    ops->mem_read(d, at[i], got[i], 4 * (words[i] + PAD));
  }
  const struct vb_router_op op = {.logits = dense,
                                  .experts = j->experts,
                                  .k = j->k,
                                  .score = (enum vb_score)j->score,
                                  .renorm = j->renorm,
                                  .bias = j->use_bias ? j->bias : NULL,
                                  .groups = j->groups,
                                  .topk_groups = j->topk_groups,
                                  .group_top = j->group_top,
                                  .threshold = j->threshold,
                                  .capacity = j->capacity,
                                  .scale = j->scale,
                                  .t = {0, j->tokens},
                                  .ids = want[1],
                                  .gates = want[2],
                                  .hist = want[3],
                                  .offsets = want[4],
                                  .list = want[5]};
  vb_ref_router(&op);
  bool ok = true;
  for (int i = 1; i < 6; i++) {
    bool same = memcmp(want[i], got[i], 4 * (words[i] + PAD)) == 0;
    ok = ok && same;
    if (!quiet) {
      if (words[i]) vb_test_bits("router", want[i], got[i], words[i], 4, names[i], 0);
      VB_CHECK(same,
               "%s: T=%u E=%u k=%u score=%u bias=%u groups=%u/%u top %u renorm=%u stride=%u scale=%08x threshold=%08x "
               "capacity=%u pairs=%llu",
               names[i], j->tokens, j->experts, j->k, j->score, j->use_bias, j->topk_groups, j->groups, j->group_top,
               j->renorm, j->stride, j->scale, j->threshold, j->capacity, (unsigned long long)pairs);
    }
    free(want[i]);
    free(got[i]);
  }
  free(dense);
  return ok;
}

bool rjob_check(vb_sim_device *d, struct rjob *j) {
  rjob_run(d, j);
  if (!VB_CHECK(j->status == VB_SIM_OK, "status %d: %s (T=%u E=%u k=%u)", j->status, j->result.text, j->tokens,
                j->experts, j->k))
    return false;
  return rjob_compare(d, j, false);
}

void rjob_right(vb_sim_device *d, struct vb_rng *r) {
  struct rjob j;
  rjob_random(&j, r);
  rjob_check(d, &j);
  rjob_free(&j);
}
