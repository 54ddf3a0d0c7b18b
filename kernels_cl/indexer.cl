// SPDX-License-Identifier: Apache-2.0
// The lightning indexer: per token and key the sum over heads of w * ReLU(q . k), and the exact top-k of a token's
// scores. No atomics: every position is a pure function of the keys, so any device gives the same list.

// Items: token. The head weights as 16-bit integers of one exponent, the token's `top`. The exponent of a head's
// products, its query's largest code, goes into its weight, so that the sum over heads is one integer sum.
__kernel void vb_indexer_weights(__global const uchar *q, __global const uint *w, __global int *out, __global int *tops,
                                 uint heads, uint dk, uint scale) {
  size_t t = get_global_id(0), rec = vb_rec_bytes(dk);
  int top = 0;
  for (uint h = 0u; h < heads; h++) {
    uint x = vb_mul(w[t * heads + h], scale);
    int code = q[(t * heads + h) * rec + VB_REC_KMAX];
    if (x && code) top = max(top, vb_expb(x) + code);
  }
  for (uint h = 0u; h < heads; h++) {
    uint x = vb_mul(w[t * heads + h], scale);
    int code = q[(t * heads + h) * rec + VB_REC_KMAX];
    long v = x && code ? vb_shr_rne((long)vb_man(x), 9 + top - vb_expb(x) - code) : 0L;
    out[t * heads + h] = (int)clamp(v, -32767L, 32767L);
  }
  tops[t] = top;
}

// Items: (chunk of keys, token). Token i of the launch is number t0 + i of the queries and sees keys up to
// min(end, seen + i); scores (order keys) are dense [tokens][keys] from key_begin on.
#define VB_INDEXER_KEYS_PER_ITEM 64u
__kernel void vb_indexer_scores(__global const uchar *q, __global const uchar *k, __global const int *weights,
                                __global const int *tops, __global uint *scores, uint heads, uint dk, uint key_begin,
                                uint end, uint keys, uint t0, uint seen) {
  uint i = (uint)get_global_id(1), rec = vb_rec_bytes(dk), nb = vb_blocks(dk);
  size_t t = t0 + i;
  uint j0 = key_begin + (uint)get_global_id(0) * VB_INDEXER_KEYS_PER_ITEM;
  uint j1 = min(j0 + VB_INDEXER_KEYS_PER_ITEM, min(end, seen + i));
  struct vb_side a[4], w[4];
  for (uint j = j0; j < j1; j += 4u) {
    long sum[4] = {0L, 0L, 0L, 0L};
    for (uint n = 0u; n < 4u; n++) { // past the end: the last key again, not stored
      ulong at = (ulong)min(j + n, j1 - 1u) * rec;
      w[n].elem = at + VB_REC_HEADER;
      w[n].code = at;
      w[n].top = k[at + VB_REC_KMAX];
    }
    for (uint h = 0u; h < heads; h += 4u) {
      uint count = min(heads - h, 4u);
      for (uint m = 0u; m < count; m++) {
        ulong at = (t * heads + h + m) * rec;
        a[m].elem = at + VB_REC_HEADER;
        a[m].code = at;
        a[m].top = q[at + VB_REC_KMAX];
      }
      long acc[4][4];
      if (count == 4u)
        vb_p2_tile4((__global const char *)q, q, a, (__global const char *)k, k, w, nb, acc);
      else
        for (uint m = 0u; m < count; m++)
          vb_p2_tile1((__global const char *)q, q, a + m, (__global const char *)k, k, w, nb, acc + m);
      for (uint m = 0u; m < count; m++)
        for (uint n = 0u; n < 4u; n++) sum[n] += weights[t * heads + h + m] * max(acc[m][n], 0L);
    }
    for (uint n = 0u; n < 4u && j + n < j1; n++)
      scores[(size_t)i * keys + (j + n - key_begin)] = vb_order_key(vb_norm(sum[n], tops[t] - 403 + w[n].top));
  }
}

// Top-k by radix, most significant digit first: after four digits of 8 bits the prefix is the k-th largest key, and
// `need` how many of its equals still fit. Ties go to the lower index.
#define VB_TOPK_KEYS_PER_ITEM 4096u
struct vb_topk {
  uint prefix, need;
};

// Items: (chunk, token). counts[token][chunk][digit] of the keys that start with the prefix. Token i has first + i
// keys.
__kernel void vb_topk_count(__global const uint *scores, __global const struct vb_topk *state, __global uint *counts,
                            uint keys, uint first, uint chunks, uint shift) {
  uint c = (uint)get_global_id(0), i = (uint)get_global_id(1), prefix = shift < 24u ? state[i].prefix : 0u;
  uint j0 = c * VB_TOPK_KEYS_PER_ITEM, j1 = min(j0 + VB_TOPK_KEYS_PER_ITEM, first + i);
  uint mask = shift < 24u ? 0xffffffffu << (shift + 8u) : 0u;
  __global uint *count = counts + ((size_t)i * chunks + c) * 256u;
  scores += (size_t)i * keys;
  for (uint b = 0u; b < 256u; b++) count[b] = 0u;
  for (uint j = j0; j < j1; j++)
    if ((scores[j] & mask) == prefix) count[(scores[j] >> shift) & 255u]++;
}

// Items: token. The digit in which the k-th largest key falls.
__kernel void vb_topk_digit(__global const uint *counts, __global struct vb_topk *state, uint k, uint first,
                            uint chunks, uint shift) {
  uint i = (uint)get_global_id(0);
  struct vb_topk s = {0u, min(k, first + i)};
  if (shift < 24u) s = state[i];
  counts += (size_t)i * chunks * 256u;
  for (uint digit = 256u; digit-- > 0u;) {
    uint n = 0u;
    for (uint c = 0u; c < chunks; c++) n += counts[c * 256u + digit];
    if (n >= s.need) {
      s.prefix |= digit << shift;
      break;
    }
    s.need -= n;
  }
  state[i] = s;
}

// Items: (chunk, token). [token][chunk]: keys above the k-th largest, and its equals.
__kernel void vb_topk_above(__global const uint *scores, __global const struct vb_topk *state, __global uint2 *above,
                            uint keys, uint first, uint chunks) {
  uint c = (uint)get_global_id(0), i = (uint)get_global_id(1), last = state[i].prefix;
  uint j0 = c * VB_TOPK_KEYS_PER_ITEM, j1 = min(j0 + VB_TOPK_KEYS_PER_ITEM, first + i);
  uint2 n = (uint2)(0u);
  scores += (size_t)i * keys;
  for (uint j = j0; j < j1; j++) n += (uint2)(scores[j] > last, scores[j] == last);
  above[(size_t)i * chunks + c] = n;
}

// Items: (chunk, token). Where a chunk's entries start follows from the counts of the chunks before it.
__kernel void vb_topk_list(__global const uint *scores, __global const struct vb_topk *state,
                           __global const uint2 *above, __global uint *list, uint keys, uint k, uint first,
                           uint chunks) {
  uint c = (uint)get_global_id(0), i = (uint)get_global_id(1), last = state[i].prefix, need = state[i].need, at = 0u;
  uint j0 = c * VB_TOPK_KEYS_PER_ITEM, j1 = min(j0 + VB_TOPK_KEYS_PER_ITEM, first + i);
  for (uint b = 0u; b < c; b++) {
    uint2 n = above[(size_t)i * chunks + b];
    uint ties = min(n.y, need);
    at += n.x + ties;
    need -= ties;
  }
  scores += (size_t)i * keys;
  list += (size_t)i * k;
  if (c == 0u)
    for (uint n = min(k, first + i); n < k; n++) list[n] = 0u;
  for (uint j = j0; j < j1; j++) {
    uint tie = scores[j] == last && need > 0u;
    if (tie) need--;
    if (tie || scores[j] > last) list[at++] = j;
  }
}
