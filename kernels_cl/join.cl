// SPDX-License-Identifier: Apache-2.0
// y[v] = [a's slice | b's slice] for vector v = (token, head). A source has a vector for each of them (as many heads as
// y), or one per token. Items: (element, vector).
__kernel void vb_join(__global const uint *a, __global const uint *b, __global uint *y, uint heads, uint a_heads,
                      uint a_width, uint a_first, uint a_len, uint b_heads, uint b_width, uint b_first, uint b_len) {
  size_t i = get_global_id(0), v = get_global_id(1), t = v / heads;
  uint len = a_len + b_len;
  if (i >= len) return;
  size_t va = a_heads > 1u ? v : t, vb = b_heads > 1u ? v : t;
  y[v * len + i] = i < a_len ? a[va * a_width + a_first + i] : b[vb * b_width + b_first + (i - a_len)];
}
