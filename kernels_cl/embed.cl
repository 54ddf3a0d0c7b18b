// SPDX-License-Identifier: Apache-2.0
// y[t] = table[tokens[t]]. Items: (element, token).
__kernel void vb_embed(__global const uint *table, __global const int *tokens, __global uint *y, uint dim) {
  size_t i = get_global_id(0), t = get_global_id(1);
  if (i < dim) y[t * dim + i] = table[(size_t)tokens[t] * dim + i];
}
