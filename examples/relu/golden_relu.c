// SPDX-License-Identifier: Apache-2.0
// What a relu job does to memory: the reference, with the descriptor checks of the RTL.
#include "golden.h"

uint32_t vb_golden_relu_error(const uint64_t *args) {
  uint64_t pointers = args[VB_RELU_ARG_X] | args[VB_RELU_ARG_Y];
  if ((uint32_t)args[VB_RELU_ARG_N] > 1 << 20) return VB_HW_ERR_SIZE;
  return pointers & 63 || pointers >> 40 ? VB_HW_ERR_ALIGN : VB_HW_ERR_NONE;
}

uint32_t vb_golden_relu(const struct vb_golden_memory *mem, const struct vb_hw_config *hw, const uint64_t *args) {
  (void)hw;
  uint32_t n = (uint32_t)args[VB_RELU_ARG_N], error = vb_golden_relu_error(args);
  if (error || !n) return error;
  const uint32_t *x = (const uint32_t *)(const void *)vb_golden_at(mem, args[VB_RELU_ARG_X], 4 * (uint64_t)n, false);
  uint32_t *y = (uint32_t *)(void *)vb_golden_at(mem, args[VB_RELU_ARG_Y], 4 * (uint64_t)n, true);
  if (!x || !y) return x ? VB_HW_ERR_WR_DEC : VB_HW_ERR_RD_DEC;
  for (uint32_t i = 0; i < n; i++) y[i] = x[i] >> 31 ? 0 : x[i];
  return VB_HW_ERR_NONE;
}
