// SPDX-License-Identifier: Apache-2.0
// Experts. The gate weight is folded into the hidden values before they are quantised, so that the down projections of
// all selected experts and of the shared one are one exact sum, rounded once.
//
// Work is a list of slots (token, expert) sorted by expert. Group g: expert, first slot, end slot. Slot s: token. The
// shared expert is one group of its own weights, with a slot for every token.

#define VB_EXPERT_SWIGLU 0u

// Activation of a gate and an up value. The other one is GPT-OSS: g to at most the limit, u to at most the limit in
// magnitude, g * sigmoid(1.702 g) * (u + 1).
uint vb_expert_act(uint act, uint limit, uint g, uint u) {
  const uint alpha = 0x3fd9db23u;
  if (act == VB_EXPERT_SWIGLU) return vb_mul(vb_silu(g), u);
  if (vb_order_key(g) > vb_order_key(limit)) g = limit;
  if (vb_order_key(u) > vb_order_key(limit)) u = limit;
  if (vb_order_key(u) < vb_order_key(vb_neg(limit))) u = vb_neg(limit);
  return vb_mul(vb_mul(g, vb_sigmoid(vb_mul(g, alpha))), vb_add(u, VB_Z_ONE));
}

// The gate on the input of an expert: x[slot] = x[its token] * its gate. Items: (element, slot).
__kernel void vb_experts_input(__global const uint *x, __global const uint *slot_token, __global const uint *gates,
                               __global uint *scaled, uint dim) {
  size_t i = get_global_id(0), s = get_global_id(1);
  if (i < dim) scaled[s * dim + i] = vb_mul(x[(size_t)slot_token[s] * dim + i], gates[s]);
}

// Items: (4 hidden values, group): weights of the four rows are read once for all tokens of the expert. Slot s reads
// row s of the activations (`by_slot`) or the row of its token.
__kernel void vb_experts_hidden(__global const char *q, __global const uchar *codes, __global const uchar *top,
                                __global const char *gq, __global const uchar *gcodes, __global const uchar *gtop,
                                __global const char *uq, __global const uchar *ucodes, __global const uchar *utop,
                                __global const uint4 *groups, __global const uint *slot_token,
                                __global const uint *gates, __global const uint *gate_bias,
                                __global const uint *up_bias, __global uint *h, uint inter, uint blocks, uint act,
                                uint limit, uint by_slot, uint biased) {
  uint i = (uint)get_global_id(0) * 4u;
  uint4 g = groups[get_global_id(1)];
  struct vb_side gate[4], up[4], a[4];
  for (uint n = 0u; n < 4u; n++) { // past the end: the last row again, not stored
    ulong row = (ulong)g.x * inter + min(i + n, inter - 1u);
    gate[n].code = up[n].code = row * blocks;
    gate[n].elem = up[n].elem = row * blocks * VB_BLOCK;
    gate[n].top = gtop[row];
    up[n].top = utop[row];
  }
  for (uint s = g.y; s < g.z; s += 4u) {
    uint count = min(g.z - s, 4u);
    for (uint m = 0u; m < count; m++) {
      ulong t = by_slot ? s + m : slot_token[s + m];
      a[m].code = t * blocks;
      a[m].elem = t * blocks * VB_BLOCK;
      a[m].top = top[t];
    }
    long x[4][4], y[4][4];
    if (count == 4u) {
      vb_p2_tile4(q, codes, a, gq, gcodes, gate, blocks, x);
      vb_p2_tile4(q, codes, a, uq, ucodes, up, blocks, y);
    } else {
      for (uint m = 0u; m < count; m++) {
        vb_p2_tile1(q, codes, a + m, gq, gcodes, gate, blocks, x + m);
        vb_p2_tile1(q, codes, a + m, uq, ucodes, up, blocks, y + m);
      }
    }
    for (uint m = 0u; m < count; m++)
      for (uint n = 0u; n < 4u && i + n < inter; n++) {
        uint gv = vb_p2_norm(x[m][n], a[m].top, gate[n].top), uv = vb_p2_norm(y[m][n], a[m].top, up[n].top);
        if (biased & 1u) gv = vb_add(gv, gate_bias[(ulong)g.x * inter + i + n]);
        if (biased & 2u) uv = vb_add(uv, up_bias[(ulong)g.x * inter + i + n]);
        uint v = vb_expert_act(act, limit, gv, uv);
        h[(size_t)(s + m) * inter + i + n] = by_slot ? v : vb_mul(v, gates[s + m]);
      }
  }
}

// Items: token. Largest code over the token's slots, [tokens][k] slot numbers, and the shared expert's.
__kernel void vb_experts_top(__global const uchar *htop, __global const uint *token_slots,
                             __global const uchar *shared_top, __global uchar *top, uint k, uint shared) {
  size_t t = get_global_id(0);
  uchar best = shared ? shared_top[t] : 0;
  for (uint s = 0u; s < k; s++) best = max(best, htop[token_slots[t * k + s]]);
  top[t] = best;
}

// Items: 4 output columns, all tokens and groups: nobody else touches these columns, so the sums need no atomics and
// every weight is read once. `more`: add to the sums that are there.
__kernel void vb_experts_down(__global const char *hq, __global const uchar *hcodes, __global const uchar *top,
                              __global const char *wq, __global const uchar *wcodes, __global const uchar *wtop,
                              __global const uint4 *groups, __global const uint *slot_token, __global long *acc,
                              uint dim, uint blocks, uint group_count, uint tokens, uint more) {
  uint c = (uint)get_global_id(0) * 4u;
  for (uint t = 0u; t < tokens && !more; t++)
    for (uint n = 0u; n < 4u && c + n < dim; n++) acc[(size_t)t * dim + c + n] = 0L;
  for (uint i = 0u; i < group_count; i++) {
    uint4 g = groups[i];
    struct vb_side w[4], a[4];
    for (uint n = 0u; n < 4u; n++) {
      ulong row = (ulong)g.x * dim + min(c + n, dim - 1u);
      w[n].code = row * blocks;
      w[n].elem = row * blocks * VB_BLOCK;
      w[n].top = wtop[row];
    }
    for (uint s = g.y; s < g.z; s += 4u) {
      uint count = min(g.z - s, 4u);
      for (uint m = 0u; m < count; m++) {
        a[m].code = (ulong)(s + m) * blocks;
        a[m].elem = (ulong)(s + m) * blocks * VB_BLOCK;
        a[m].top = top[slot_token[s + m]];
      }
      long x[4][4];
      if (count == 4u)
        vb_p2_tile4(hq, hcodes, a, wq, wcodes, w, blocks, x);
      else
        for (uint m = 0u; m < count; m++) vb_p2_tile1(hq, hcodes, a + m, wq, wcodes, w, blocks, x + m);
      for (uint m = 0u; m < count; m++)
        for (uint n = 0u; n < 4u && c + n < dim; n++) acc[(size_t)slot_token[s + m] * dim + c + n] += x[m][n];
    }
  }
}

// Items: (column, token). Down biases, times the gates, are summed in the order of the experts: [tokens][k].
__kernel void vb_experts_finish(__global const long *acc, __global const uchar *top, __global const uchar *wtop,
                                __global const uint *down_bias, __global const uint *ids, __global const uint *gates,
                                __global uint *y, uint dim, uint k, uint biased) {
  size_t n = get_global_id(0), t = get_global_id(1);
  if (n >= dim) return;
  uint bias = 0u;
  for (size_t p = t * k; biased && p < (t + 1) * k; p++)
    bias = vb_add(bias, vb_mul(gates[p], down_bias[(size_t)ids[p] * dim + n]));
  y[t * dim + n] = vb_add(bias, vb_p2_norm(acc[t * dim + n], top[t], wtop[n]));
}
