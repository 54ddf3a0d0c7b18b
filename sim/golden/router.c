// SPDX-License-Identifier: Apache-2.0
// Router jobs (hw/router/README.md): the rules of vb_router_desc.sv, the operator of host/ref.
#include "golden.h"
#include "ref/ref.h"
#include <stdlib.h>
#include <string.h>

static bool group_bad(uint32_t experts, uint32_t k, uint32_t groups, uint32_t topk_groups) {
  return groups && (groups > 8 || experts % groups || topk_groups == 0 || topk_groups > groups ||
                    experts / groups * topk_groups < k);
}

static bool carrier(uint32_t z) { return z == 0 || ((z >> 23 & 255) >= 65 && (z >> 23 & 255) <= 190); }

uint32_t vb_golden_router_error(const struct vb_hw_config *hw, const uint64_t *args) {
  uint32_t a[VB_ROUTER_NUM_ARGS];
  for (int i = 0; i < VB_ROUTER_NUM_ARGS; i++) a[i] = (uint32_t)args[i];
  if (a[VB_ROUTER_ARG_EXPERTS] == 0 || a[VB_ROUTER_ARG_EXPERTS] > 512 || a[VB_ROUTER_ARG_K] == 0 ||
      a[VB_ROUTER_ARG_K] > 16 || a[VB_ROUTER_ARG_K] > a[VB_ROUTER_ARG_EXPERTS] ||
      (uint64_t)a[VB_ROUTER_ARG_TOKENS] * a[VB_ROUTER_ARG_K] > hw->router_max_pairs ||
      group_bad(a[VB_ROUTER_ARG_EXPERTS], a[VB_ROUTER_ARG_K], a[VB_ROUTER_ARG_GROUPS], a[VB_ROUTER_ARG_TOPK_GROUPS]))
    return VB_HW_ERR_SIZE;
  if (a[VB_ROUTER_ARG_LOGITS_STRIDE] & 3) return VB_HW_ERR_ALIGN;
  for (int i = VB_ROUTER_ARG_LOGITS; i <= VB_ROUTER_ARG_BIAS; i++)
    if ((i <= VB_ROUTER_ARG_LIST || (i == VB_ROUTER_ARG_BIAS && a[VB_ROUTER_ARG_USE_BIAS])) &&
        (args[i] & 63 || args[i] >> 40))
      return VB_HW_ERR_ALIGN;
  if (a[VB_ROUTER_ARG_SCORE] > 1 || a[VB_ROUTER_ARG_RENORM] > 1 || a[VB_ROUTER_ARG_USE_BIAS] > a[VB_ROUTER_ARG_SCORE] ||
      (a[VB_ROUTER_ARG_GROUPS] && a[VB_ROUTER_ARG_GROUP_TOP] != 1 && a[VB_ROUTER_ARG_GROUP_TOP] != 2))
    return VB_HW_ERR_MODE;
  if (!carrier(a[VB_ROUTER_ARG_SCALE]) || !carrier(a[VB_ROUTER_ARG_THRESHOLD]) || a[VB_ROUTER_ARG_THRESHOLD] >> 31)
    return VB_HW_ERR_VALUE;
  return VB_HW_ERR_NONE;
}

/// The rows without the gaps between them; NULL when one is outside the memory.
static uint32_t *dense_rows(const struct vb_golden_memory *mem, const uint64_t *args, bool *outside) {
  uint32_t tokens = (uint32_t)args[VB_ROUTER_ARG_TOKENS], experts = (uint32_t)args[VB_ROUTER_ARG_EXPERTS];
  uint32_t *dense = malloc(4 * (uint64_t)tokens * experts + 4);
  for (uint64_t t = 0; dense && t < tokens; t++) {
    uint64_t at =
        (args[VB_ROUTER_ARG_LOGITS] + t * (uint32_t)args[VB_ROUTER_ARG_LOGITS_STRIDE]) & (((uint64_t)1 << 40) - 1);
    const uint8_t *row = vb_golden_at(mem, at, 4 * (uint64_t)experts, false);
    if (!row) *outside = true;
    else memcpy(dense + t * experts, row, 4 * (size_t)experts);
  }
  return dense;
}

uint32_t vb_golden_router(const struct vb_golden_memory *mem, const struct vb_hw_config *hw, const uint64_t *args) {
  uint32_t error = vb_golden_router_error(hw, args);
  if (error) return error;
  uint64_t experts = (uint32_t)args[VB_ROUTER_ARG_EXPERTS],
           pairs = (uint64_t)(uint32_t)args[VB_ROUTER_ARG_TOKENS] * (uint32_t)args[VB_ROUTER_ARG_K];
  const uint64_t words[6] = {0, pairs, pairs, experts, experts + 1, pairs};
  bool outside = false, bias = (uint32_t)args[VB_ROUTER_ARG_USE_BIAS] && args[VB_ROUTER_ARG_TOKENS];
  uint32_t *out[6] = {0}, *dense = dense_rows(mem, args, &outside);
  const uint8_t *bias_at = bias ? vb_golden_at(mem, args[VB_ROUTER_ARG_BIAS], 4 * experts, false) : NULL;
  if (bias && !bias_at) outside = true;
  if (!dense || outside) error = VB_HW_ERR_RD_DEC;
  for (int i = VB_ROUTER_ARG_IDS; i <= VB_ROUTER_ARG_LIST && !error; i++) {
    out[i] = (uint32_t *)(void *)vb_golden_at(mem, args[i], 4 * words[i], true);
    if (!out[i]) error = VB_HW_ERR_WR_DEC;
  }
  if (!error)
    vb_ref_router(&(struct vb_router_op){.logits = dense,
                                         .experts = (uint32_t)experts,
                                         .k = (uint32_t)args[VB_ROUTER_ARG_K],
                                         .score = (enum vb_score)args[VB_ROUTER_ARG_SCORE],
                                         .renorm = (uint32_t)args[VB_ROUTER_ARG_RENORM],
                                         .scale = (uint32_t)args[VB_ROUTER_ARG_SCALE],
                                         .bias = (const uint32_t *)(const void *)bias_at,
                                         .groups = (uint32_t)args[VB_ROUTER_ARG_GROUPS],
                                         .topk_groups = (uint32_t)args[VB_ROUTER_ARG_TOPK_GROUPS],
                                         .group_top = (uint32_t)args[VB_ROUTER_ARG_GROUP_TOP],
                                         .threshold = (uint32_t)args[VB_ROUTER_ARG_THRESHOLD],
                                         .capacity = (uint32_t)args[VB_ROUTER_ARG_CAPACITY],
                                         .t = {0, (uint32_t)args[VB_ROUTER_ARG_TOKENS]},
                                         .ids = out[VB_ROUTER_ARG_IDS],
                                         .gates = out[VB_ROUTER_ARG_GATES],
                                         .hist = out[VB_ROUTER_ARG_HIST],
                                         .offsets = out[VB_ROUTER_ARG_OFFSETS],
                                         .list = out[VB_ROUTER_ARG_LIST]});
  free(dense);
  return error;
}
