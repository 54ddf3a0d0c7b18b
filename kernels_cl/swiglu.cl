// SPDX-License-Identifier: Apache-2.0
// Functions element by element: y = act(g) * u (enum vb_act) or act(g) alone, and the soft-cap y = cap * tanh(x / cap).
__kernel void vb_swiglu(__global const uint *g, __global const uint *u, __global uint *y, ulong n, uint act,
                        uint gated) {
  size_t i = get_global_id(0);
  if (i >= n) return;
  uint a = act == 0u ? vb_silu(g[i]) : act == 1u ? vb_gelu_tanh(g[i]) : vb_sigmoid(g[i]);
  y[i] = gated ? vb_mul(a, u[i]) : a;
}

__kernel void vb_softcap(__global const uint *x, __global uint *y, ulong n, uint cap, uint inv_cap) {
  size_t i = get_global_id(0);
  if (i < n) y[i] = vb_mul(cap, vb_tanh(vb_mul(x[i], inv_cap)));
}
