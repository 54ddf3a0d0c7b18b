// SPDX-License-Identifier: Apache-2.0
// y[t] = table[tokens[t]], times scale unless that is 0. Items: (element, token).
__kernel void vb_embed(__global const uint *table, __global const int *tokens, __global uint *y, uint dim,
                       uint scale) {
  size_t i = get_global_id(0), t = get_global_id(1);
  if (i >= dim) return;
  uint x = table[(size_t)tokens[t] * dim + i];
  y[t * dim + i] = scale ? vb_mul(x, scale) : x;
}
