// SPDX-License-Identifier: Apache-2.0
// y = SiLU(g) * u, element by element.
__kernel void vb_swiglu(__global const uint *g, __global const uint *u, __global uint *y, ulong n) {
  size_t i = get_global_id(0);
  if (i < n) y[i] = vb_mul(vb_silu(g[i]), u[i]);
}
