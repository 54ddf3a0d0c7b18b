// SPDX-License-Identifier: Apache-2.0
// Expert selection and dispatch lists (verbatim/layout.h). No atomics: every count and position is a pure function of
// the selected experts, so the lists come out in one order.

// Softmax weight relative to the row's maximum, 2^32 - 2^8 at the top.
uint vb_router_weight(int m, uint z) {
  uint d = (uint)m - (uint)vb_score_q16(z);
  return (uint)vb_shr_rhu((ulong)vb_exp2_24(d & 0xffffu) << 8, (int)(d >> 16));
}

// Items: token. Softmax is monotone, so the order of the logits decides: k rounds find the last selected expert of the
// total order (larger key first, then lower index), one pass lists all up to it in ascending order.
__kernel void vb_router_select(__global const uint *logits, __global uint *ids, __global uint *gates, uint experts,
                               uint k, uint renorm, uint scale) {
  size_t t = get_global_id(0);
  __global const uint *z = logits + t * experts;
  int m = VB_M_NONE;
  for (uint e = 0u; e < experts; e++) m = max(m, vb_score_q16(z[e]));
  ulong last = 0xffffffffffffffffUL; // key and inverted index as one integer: a strict total order
  for (uint round = 0u; round < k; round++) {
    ulong best = 0UL;
    for (uint e = 0u; e < experts; e++) {
      ulong key = ((ulong)vb_order_key(z[e]) << 32) | (0xffffffffu - e);
      if (key < last) best = max(best, key);
    }
    last = best;
  }
  ulong all = 0UL, chosen = 0UL;
  uint n = 0u;
  for (uint e = 0u; e < experts; e++) {
    uint w = vb_router_weight(m, z[e]);
    all += w;
    if ((((ulong)vb_order_key(z[e]) << 32) | (0xffffffffu - e)) < last) continue;
    chosen += w;
    ids[t * k + n++] = e;
  }
  for (uint i = 0u; i < k; i++)
    gates[t * k + i] =
        vb_mul(vb_divide((long)vb_router_weight(m, z[ids[t * k + i]]), 0, renorm ? chosen : all), scale);
}

// Items: expert.
__kernel void vb_router_count(__global const uint *ids, __global uint *hist, uint pairs) {
  uint e = (uint)get_global_id(0), n = 0u;
  for (uint p = 0u; p < pairs; p++) n += ids[p] == e;
  hist[e] = n;
}

// One item.
__kernel void vb_router_offsets(__global const uint *hist, __global uint *offsets, uint experts) {
  uint at = 0u;
  for (uint e = 0u; e < experts; e++) {
    offsets[e] = at;
    at += hist[e];
  }
  offsets[experts] = at;
}

// Items: expert.
__kernel void vb_router_list(__global const uint *ids, __global const uint *offsets, __global uint *list, uint pairs) {
  uint e = (uint)get_global_id(0), at = offsets[e];
  for (uint p = 0u; p < pairs; p++)
    if (ids[p] == e) list[at++] = p;
}
