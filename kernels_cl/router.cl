// SPDX-License-Identifier: Apache-2.0
// Expert selection and dispatch lists (verbatim/layout.h). No atomics: every count and position is a pure function of
// the selected experts, so the lists come out in one order.

// Softmax weight relative to the row's maximum, 2^32 - 2^8 at the top.
uint vb_router_weight(int m, uint z) {
  uint d = (uint)m - (uint)vb_score_q16(z);
  return (uint)vb_shr_rhu((ulong)vb_exp2_24(d & 0xffffu) << 8, (int)(d >> 16));
}

#define VB_SCORE_SOFTMAX 0u
// Gate of a dropped pair while the lists are made; no carrier value.
#define VB_DROPPED 0x80000000u

// Key and inverted index as one integer: larger means earlier in the total order. Key 0 marks an excluded expert.
ulong vb_place(uint key, uint index) { return ((ulong)key << 32) | (0xffffffffu - index); }

// The place of the k-th of n keys.
ulong vb_last_place(__global const uint *key, uint n, uint k) {
  ulong last = 0xffffffffffffffffUL;
  for (uint round = 0u; round < k; round++) {
    ulong best = 0UL;
    for (uint i = 0u; i < n; i++) {
      ulong p = vb_place(key[i], i);
      if (key[i] && p < last) best = max(best, p);
    }
    last = best;
  }
  return last;
}
uint vb_key_value(uint key) { return (key >> 31) ? key ^ 0x80000000u : ~key; }

// A group's rank is the sum of its two best scores, or its best one; experts outside the best groups are excluded.
void vb_limit_groups(__global uint *key, __global uint *rank, uint size, uint groups, uint kept, uint group_top) {
  for (uint g = 0u; g < groups; g++) {
    uint best = 0u, second = 0u;
    for (uint e = g * size; e < (g + 1u) * size; e++) {
      second = max(second, min(best, key[e]));
      best = max(best, key[e]);
    }
    uint sum = second ? vb_order_key(vb_add(vb_key_value(best), vb_key_value(second))) : best;
    rank[g] = group_top == 2u ? sum : best;
  }
  ulong last = vb_last_place(rank, groups, kept);
  for (uint g = 0u; g < groups; g++)
    for (uint e = g * size; vb_place(rank[g], g) < last && e < (g + 1u) * size; e++) key[e] = 0u;
}

void vb_softmax_gates(__global const uint *z, __global const uint *ids, __global uint *gates, uint experts, uint k,
                      uint renorm) {
  int m = VB_M_NONE;
  ulong sum = 0UL;
  for (uint e = 0u; e < experts; e++) m = max(m, vb_score_q16(z[e]));
  for (uint e = 0u; e < experts && !renorm; e++) sum += vb_router_weight(m, z[e]);
  for (uint i = 0u; i < k && renorm; i++) sum += vb_router_weight(m, z[ids[i]]);
  for (uint i = 0u; i < k; i++) gates[i] = vb_divide((long)vb_router_weight(m, z[ids[i]]), 0, sum);
}

// The chosen sigmoids, divided by their sum: 32-bit integers aligned to the largest of them.
void vb_sigmoid_gates(__global const uint *z, __global const uint *ids, __global uint *gates, uint k, uint renorm) {
  int e = 0;
  long sum = 0L;
  for (uint i = 0u; i < k; i++) {
    gates[i] = vb_sigmoid(z[ids[i]]);
    e = max(e, vb_expb(gates[i]));
  }
  for (uint i = 0u; i < k; i++) sum += vb_shr_rne((long)vb_man(gates[i]) << 8, e - vb_expb(gates[i]));
  for (uint i = 0u; i < k && renorm; i++)
    gates[i] = vb_divide((long)vb_man(gates[i]), vb_expb(gates[i]) - e + 8, (ulong)sum);
}

// Items: token. Softmax and sigmoid are monotone, so logits rank the experts, until a bias or a sum over a group comes
// in. `key` and `rank` are scratch: [tokens][experts], [tokens][groups].
__kernel void vb_router_select(__global const uint *logits, __global const uint *bias, __global uint *key,
                               __global uint *rank, __global uint *ids, __global uint *gates, uint experts, uint k,
                               uint score, uint renorm, uint scale, uint biased, uint groups, uint kept,
                               uint group_top, uint threshold) {
  size_t t = get_global_id(0);
  __global const uint *z = logits + t * experts;
  key += t * experts;
  ids += t * k;
  gates += t * k;
  for (uint e = 0u; e < experts; e++) {
    uint u = z[e];
    if (score != VB_SCORE_SOFTMAX && (biased || groups)) u = vb_add(vb_sigmoid(u), biased ? bias[e] : 0u);
    key[e] = vb_order_key(u);
  }
  if (groups) vb_limit_groups(key, rank + t * groups, experts / groups, groups, kept, group_top);
  ulong last = vb_last_place(key, experts, k);
  for (uint e = 0u, n = 0u; e < experts && n < k; e++)
    if (key[e] && vb_place(key[e], e) >= last) ids[n++] = e;
  if (score == VB_SCORE_SOFTMAX) vb_softmax_gates(z, ids, gates, experts, k, renorm);
  else vb_sigmoid_gates(z, ids, gates, k, renorm);
  for (uint i = 0u; i < k; i++) gates[i] = gates[i] < threshold ? VB_DROPPED : vb_mul(gates[i], scale);
}

// Items: expert, who drops what is beyond its capacity.
__kernel void vb_router_count(__global const uint *ids, __global uint *gates, __global uint *hist, uint pairs,
                              uint capacity) {
  uint e = (uint)get_global_id(0), n = 0u;
  for (uint p = 0u; p < pairs; p++) {
    if (ids[p] != e || gates[p] == VB_DROPPED) continue;
    if (capacity && n == capacity) gates[p] = VB_DROPPED;
    else n++;
  }
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

// Items: expert; the last one fills what dropped pairs leave free.
__kernel void vb_router_list(__global const uint *ids, __global uint *gates, __global const uint *offsets,
                             __global uint *list, uint pairs) {
  uint e = (uint)get_global_id(0), at = offsets[e];
  for (uint p = 0u; p < pairs; p++) {
    if (ids[p] != e) continue;
    if (gates[p] == VB_DROPPED) gates[p] = 0u;
    else list[at++] = p;
  }
  if (e == get_global_size(0) - 1u)
    while (at < pairs) list[at++] = 0xffffffffu;
}
