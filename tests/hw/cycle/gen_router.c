// SPDX-License-Identifier: Apache-2.0
// Random router jobs for the cycle model. Values do not matter to time, so logits are any carrier values.
#include "job.h"
#include "verbatim/layout.h"

const struct cunit cunit_router = {"router", vb_cycle_router, vb_golden_router};

static uint32_t below(struct vb_rng *r, uint32_t n) { return (uint32_t)vb_rng_below(r, n); }

/// Sizes: mostly short, some that fill every queue, some without tokens.
static void sizes(const struct cdevice *d, uint64_t *a, struct vb_rng *r, uint32_t size) {
  static const uint32_t usual[] = {1, 2, 7, 8, 9, 16, 60, 64, 128, 160, 256, 384, 512};
  uint32_t experts = below(r, 2) ? usual[below(r, 13)] : 1 + below(r, 512);
  uint32_t k = 1 + below(r, experts < 16 ? experts : 16), tokens = below(r, 12);
  uint32_t most = 40 * size < d->env.hw->router_max_pairs / k ? 40 * size : d->env.hw->router_max_pairs / k;
  if (below(r, 3) == 0) tokens = below(r, most + 1);
  a[VB_ROUTER_ARG_TOKENS] = tokens;
  a[VB_ROUTER_ARG_EXPERTS] = experts;
  a[VB_ROUTER_ARG_K] = k;
  a[VB_ROUTER_ARG_LOGITS_STRIDE] = 4 * (experts + (below(r, 2) ? below(r, 20) : 0));
  if (below(r, 8) == 0) a[VB_ROUTER_ARG_LOGITS_STRIDE] = 4 * below(r, 2048); // rows that overlap, or far apart
}

bool cgen_router(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t size) {
  *j = (struct cjob){.unit = &cunit_router};
  uint64_t *a = j->args;
  if (size) sizes(d, a, r, size);
  else { // 256 tokens of a DeepSeek-V3 layer
    a[VB_ROUTER_ARG_TOKENS] = a[VB_ROUTER_ARG_EXPERTS] = 256;
    a[VB_ROUTER_ARG_K] = 8;
    a[VB_ROUTER_ARG_LOGITS_STRIDE] = 1024;
  }
  uint64_t experts = a[VB_ROUTER_ARG_EXPERTS], tokens = a[VB_ROUTER_ARG_TOKENS], pairs = tokens * a[VB_ROUTER_ARG_K];
  a[VB_ROUTER_ARG_SCORE] = below(r, 2);
  a[VB_ROUTER_ARG_RENORM] = below(r, 2);
  a[VB_ROUTER_ARG_SCALE] = 0x3f800000u;
  a[VB_ROUTER_ARG_USE_BIAS] = a[VB_ROUTER_ARG_SCORE] ? below(r, 2) : 0;
  if (!size) a[VB_ROUTER_ARG_SCORE] = a[VB_ROUTER_ARG_RENORM] = a[VB_ROUTER_ARG_USE_BIAS] = 1;
  uint32_t groups = size ? 1 + below(r, 8) : 8, best = size ? 1 + below(r, groups) : 4;
  if (experts % groups == 0 && experts / groups * best >= a[VB_ROUTER_ARG_K]) {
    a[VB_ROUTER_ARG_GROUPS] = groups;
    a[VB_ROUTER_ARG_TOPK_GROUPS] = best;
    a[VB_ROUTER_ARG_GROUP_TOP] = 1 + below(r, 2);
  }
  if (size && below(r, 4) == 0)
    a[VB_ROUTER_ARG_THRESHOLD] = 0x3d000000u + below(r, 0x02000000); // dropped pairs cost what others do
  if (size && below(r, 4) == 0) a[VB_ROUTER_ARG_CAPACITY] = 1 + below(r, 20);
  if (size && below(r, 40) == 0)
    a[below(r, 2) ? VB_ROUTER_ARG_K : VB_ROUTER_ARG_RENORM] = 17 + below(r, 100); // not legal
  uint64_t logits = tokens ? (tokens - 1) * a[VB_ROUTER_ARG_LOGITS_STRIDE] + 4 * experts : 4;
  bool ok =
      cjob_buffer(d, j, r, VB_ROUTER_ARG_LOGITS, logits) && cjob_buffer(d, j, r, VB_ROUTER_ARG_IDS, 4 * pairs + 4) &&
      cjob_buffer(d, j, r, VB_ROUTER_ARG_GATES, 4 * pairs + 4) &&
      cjob_buffer(d, j, r, VB_ROUTER_ARG_HIST, 4 * experts) &&
      cjob_buffer(d, j, r, VB_ROUTER_ARG_OFFSETS, 4 * experts + 4) &&
      cjob_buffer(d, j, r, VB_ROUTER_ARG_LIST, 4 * pairs + 4) && cjob_buffer(d, j, r, VB_ROUTER_ARG_BIAS, 4 * experts);
  if (!ok) return false;
  vb_rng_fill(r, VB_GEN_GAUSS, cjob_at(d, j, VB_ROUTER_ARG_LOGITS), logits / 4);
  vb_rng_fill(r, VB_GEN_GAUSS, cjob_at(d, j, VB_ROUTER_ARG_BIAS), experts);
  return true;
}
