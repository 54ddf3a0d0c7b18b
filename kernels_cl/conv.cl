// SPDX-License-Identifier: Apache-2.0
// Causal convolution of width 4 with SiLU. x holds the three rows before the first token, then the tokens.
// Items: (column, token); w is [columns][4].
__kernel void vb_conv(__global const uint *x, __global const uint *w, __global uint *y, uint columns) {
  size_t n = get_global_id(0), t = get_global_id(1);
  if (n >= columns) return;
  x += t * columns + n;
  w += n * 4;
  uint older = vb_add(vb_mul(w[0], x[0]), vb_mul(w[1], x[columns]));
  uint newer = vb_add(vb_mul(w[2], x[2 * (size_t)columns]), vb_mul(w[3], x[3 * (size_t)columns]));
  y[t * columns + n] = vb_silu(vb_add(older, newer));
}
