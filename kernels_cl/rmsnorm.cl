// SPDX-License-Identifier: Apache-2.0
// y = x * (sqrt(n) / sqrt(sum of squares + eps n)) * w, per vector.

// The factor of each vector: magnitudes aligned to the vector's largest exponent, 16 bits each, so that the sum of
// their squares is exact. One item per vector.
__kernel void vb_rms_factor(__global const uint *x, __global uint *r, uint n, uint eps_n, uint sqrt_n) {
  size_t row = get_global_id(0);
  x += row * n;
  int e = 0;
  for (uint i = 0u; i < n; i++) e = max(e, vb_expb(x[i]));
  ulong sum = 0UL;
  for (uint i = 0u; i < n; i++) {
    ulong v = abs(vb_shr_rne_man(vb_man(x[i]), 8 + e - vb_expb(x[i])));
    sum += v * v;
  }
  r[row] = vb_mul(vb_rsq(vb_add(vb_norm((long)sum, 2 * (e - 142)), eps_n)), sqrt_n);
}

// Items: (element, vector).
__kernel void vb_rms_apply(__global const uint *x, __global const uint *r, __global const uint *w, __global uint *y,
                           uint n) {
  size_t i = get_global_id(0), row = get_global_id(1);
  if (i < n) y[row * n + i] = vb_mul(vb_mul(x[row * n + i], r[row]), w[i]);
}
