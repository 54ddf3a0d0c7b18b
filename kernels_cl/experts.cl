// SPDX-License-Identifier: Apache-2.0
// Routed experts. The gate weight is folded into the hidden values before they are quantised, so that the down
// projections of all selected experts are one exact sum, rounded once.
//
// Work is a list of slots (token, expert) sorted by expert. Group g: expert, first slot, end slot. Slot s: token.

// Items: (4 hidden values, group): weights of the four rows are read once for all tokens of the expert.
__kernel void vb_experts_hidden(__global const char *q, __global const uchar *codes, __global const uchar *top,
                                __global const char *gq, __global const uchar *gcodes, __global const uchar *gtop,
                                __global const char *uq, __global const uchar *ucodes, __global const uchar *utop,
                                __global const uint4 *groups, __global const uint *slot_token,
                                __global const uint *gates, __global uint *h, uint inter, uint blocks) {
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
      ulong t = slot_token[s + m];
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
        uint v = vb_silu(vb_p2_norm(x[m][n], a[m].top, gate[n].top));
        v = vb_mul(v, vb_p2_norm(y[m][n], a[m].top, up[n].top));
        h[(size_t)(s + m) * inter + i + n] = vb_mul(v, gates[s + m]);
      }
  }
}

// Items: token. Largest code over the token's slots, [tokens][k] slot numbers.
__kernel void vb_experts_top(__global const uchar *htop, __global const uint *token_slots, __global uchar *top,
                             uint k) {
  size_t t = get_global_id(0);
  uchar best = 0;
  for (uint s = 0u; s < k; s++) best = max(best, htop[token_slots[t * k + s]]);
  top[t] = best;
}

// Items: 4 output columns, all tokens and groups: nobody else touches these columns, so the sums need no atomics and
// every weight is read once.
__kernel void vb_experts_down(__global const char *hq, __global const uchar *hcodes, __global const uchar *top,
                              __global const char *wq, __global const uchar *wcodes, __global const uchar *wtop,
                              __global const uint4 *groups, __global const uint *slot_token, __global long *acc,
                              uint dim, uint blocks, uint group_count, uint tokens) {
  uint c = (uint)get_global_id(0) * 4u;
  for (uint t = 0u; t < tokens; t++)
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

// Items: (column, token).
__kernel void vb_experts_finish(__global const long *acc, __global const uchar *top, __global const uchar *wtop,
                                __global uint *y, uint dim) {
  size_t n = get_global_id(0), t = get_global_id(1);
  if (n < dim) y[t * dim + n] = vb_p2_norm(acc[t * dim + n], top[t], wtop[n]);
}
