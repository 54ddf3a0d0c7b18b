// SPDX-License-Identifier: Apache-2.0
// Norms (enum vb_norm_kind): RMS, L2, and LAYER, which subtracts the mean first and adds a bias last.
#define VB_NORM_L2 1u
#define VB_NORM_LAYER 2u

int vb_largest_exponent(__global const uint *x, uint n, uint shift) {
  int e = 0;
  for (uint i = 0u; i < n; i++) e = max(e, vb_expb(vb_add(x[i], shift)));
  return e;
}

// What every vector needs before its elements: shift[row] is added to them, factor[row] multiplies them. Magnitudes are
// aligned to the largest exponent, so that the sums are exact in any order. One item per vector.
__kernel void vb_norm_factor(__global const uint *x, __global uint *factor, __global uint *shift, uint n, uint kind,
                             uint eps_n, uint sqrt_n, uint inv_n) {
  size_t row = get_global_id(0);
  x += row * n;
  uint s = 0u;
  if (kind == VB_NORM_LAYER) {
    int e = vb_largest_exponent(x, n, 0u);
    long sum = 0L;
    for (uint i = 0u; i < n; i++) sum += vb_shr_rne((long)vb_man(x[i]), e - vb_expb(x[i]));
    uint mean = vb_mul(vb_norm(sum, e - 150), inv_n);
    s = mean ? mean ^ 0x80000000u : 0u;
  }
  int e = vb_largest_exponent(x, n, s);
  ulong sum = 0UL;
  for (uint i = 0u; i < n; i++) {
    uint v = vb_add(x[i], s);
    ulong a = abs(vb_shr_rne_man(vb_man(v), 8 + e - vb_expb(v)));
    sum += a * a;
  }
  uint r = vb_rsq(vb_add(vb_norm((long)sum, 2 * (e - 142)), eps_n));
  factor[row] = kind == VB_NORM_L2 ? r : vb_mul(r, sqrt_n);
  shift[row] = s;
}

// Items: (element, vector).
__kernel void vb_norm_apply(__global const uint *x, __global const uint *factor, __global const uint *shift,
                            __global const uint *w, __global const uint *bias, __global uint *y, uint n, uint kind,
                            uint weighted) {
  size_t i = get_global_id(0), row = get_global_id(1);
  if (i >= n) return;
  uint v = vb_mul(vb_add(x[row * n + i], shift[row]), factor[row]);
  if (weighted) v = vb_mul(v, w[i]);
  y[row * n + i] = kind == VB_NORM_LAYER ? vb_add(v, bias[i]) : v;
}
