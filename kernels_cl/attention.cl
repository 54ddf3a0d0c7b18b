// SPDX-License-Identifier: Apache-2.0
// Causal attention over cache records, in the phases that the contract needs: scores, their maximum m, the block
// exponents EM, the sums, the quotient. Rows (query heads of tokens) come grouped by key head.

// A row sees candidates begin .. kept - 1 and start .. end - 1. A candidate is a key (from `map.x` on map.y further up,
// so that keys which no row sees take no place), or, where there are lists (map.z), an entry of the list that starts
// at `list`. Tile i: first row, number of rows (at most 4, of one key head, and of one list). Values lie in records of
// their own, or are the first elements of the keys (absorbed MLA): `val` bytes apart, their codes at `vcodes` in the
// key's header. Scores are dense [rows][keys] from the first candidate of the range; what a row does not see is never
// read.
#define VB_KEYS_PER_ITEM 64u

struct vb_attn_row {
  uint kv_head, begin, kept, start, end, head, list;
};
ulong vb_attn_key(__global const uint *lists, uint4 map, uint list, uint j) {
  return map.z ? lists[list + j] : j < map.x ? j : j + map.y;
}
// The candidates that a row sees, ascending.
#define VB_FOR_SEEN(j, row)                                            \
  for (uint j = (row).begin < (row).kept ? (row).begin : (row).start; \
       j < (row).end; j = j + 1u == (row).kept ? (row).start : j + 1u)

// cap * tanh(score / cap) straight from the accumulator, which goes to Q7.24 first. acc * 2^e is 2 log2(e) score / cap.
int vb_softcap_score(long acc, int e, long cap) {
  int z = vb_fixed(acc, e, 24);
  ulong t = (ulong)abs(z) << 7;
  ulong p = vb_shr_rhu((ulong)vb_q7(vb_exp2_tab, (uint)(t & 0x7fffffffUL)), (int)(t >> 31));
  long th = vb_shr_rne(((1L << 31) - (long)p) * vb_recip1p(p), 31);
  int s = (int)vb_shr_rne(th * cap, 39);
  return z < 0 ? -s : s;
}

// Items: (chunk of keys, tile of rows).
__kernel void vb_attn_scores(__global const uchar *q, __global const uchar *k, __global const struct vb_attn_row *rows,
                             __global const uint2 *tiles, __global const uint *lists, __global int *scores, uint4 map,
                             uint dk, ulong head_bytes, long cap, uint key_begin, uint keys, uint row0, uint tile0) {
  uint2 tile = tiles[tile0 + get_global_id(1)];
  uint rec = vb_rec_bytes(dk), nb = vb_blocks(dk), begin = 0xffffffffu, end = 0u;
  struct vb_side a[4], w[4];
  for (uint m = 0u; m < 4u; m++) {
    uint r = tile.x + min(m, tile.y - 1u);
    ulong at = (ulong)r * rec;
    a[m].elem = at + VB_REC_HEADER;
    a[m].code = at;
    a[m].top = q[at + VB_REC_KMAX];
    begin = min(begin, rows[r].begin < rows[r].kept ? rows[r].begin : rows[r].start);
    end = max(end, rows[r].end);
  }
  ulong head = rows[tile.x].kv_head * head_bytes;
  uint list = rows[tile.x].list;
  uint j0 = key_begin + (uint)get_global_id(0) * VB_KEYS_PER_ITEM, j1 = min(j0 + VB_KEYS_PER_ITEM, end);
  for (uint j = max(j0, begin); j < j1; j += 4u) {
    for (uint n = 0u; n < 4u; n++) { // past the end: the last key again, not stored
      ulong at = head + vb_attn_key(lists, map, list, min(j + n, j1 - 1u)) * rec;
      w[n].elem = at + VB_REC_HEADER;
      w[n].code = at;
      w[n].top = k[at + VB_REC_KMAX];
    }
    long acc[4][4];
    if (tile.y == 4u)
      vb_p2_tile4((__global const char *)q, q, a, (__global const char *)k, k, w, nb, acc);
    else
      for (uint m = 0u; m < tile.y; m++)
        vb_p2_tile1((__global const char *)q, q, a + m, (__global const char *)k, k, w, nb, acc + m);
    for (uint m = 0u; m < tile.y; m++)
      for (uint n = 0u; n < 4u && j + n < j1; n++) {
        int e = a[m].top + w[n].top - 262;
        scores[(size_t)(tile.x + m - row0) * keys + (j + n - key_begin)] =
            cap ? vb_softcap_score(acc[m][n], e, cap) : vb_q16(acc[m][n], e);
      }
  }
}

// Octaves below the maximum, saturated: from 1023 on nothing that a result could show remains.
uint vb_octaves(uint distance) { return min(distance >> 16, 1023u); }

// Items: row. A sink logit is one more score.
__kernel void vb_attn_max(__global const int *scores, __global const struct vb_attn_row *rows,
                          __global const uint *sinks, __global int *m, uint sink, uint key_begin, uint keys,
                          uint row0) {
  uint r = row0 + (uint)get_global_id(0);
  struct vb_attn_row row = rows[r];
  __global const int *s = scores + (size_t)(r - row0) * keys;
  int top = sink ? vb_score_q16(sinks[row.head]) : VB_M_NONE;
  VB_FOR_SEEN(j, row) top = max(top, s[j - key_begin]);
  m[r] = top;
}

// Items: row. EM of block b: the largest (value code - octaves) over keys whose block is not zero.
__kernel void vb_attn_exp(__global const int *scores, __global const uchar *k, __global const struct vb_attn_row *rows,
                          __global const uint *lists, __global const int *m, __global short *em, uint4 map, uint dk,
                          uint dv, ulong head_bytes, uint vcodes, uint key_begin, uint keys, uint row0) {
  uint r = row0 + (uint)get_global_id(0), rec = vb_rec_bytes(dk), nb = vb_blocks(dv);
  struct vb_attn_row row = rows[r];
  __global const int *s = scores + (size_t)(r - row0) * keys;
  int best[VB_EM_ROW];
  for (uint b = 0u; b < VB_EM_ROW; b++) best[b] = VB_EM_NONE;
  VB_FOR_SEEN(j, row) {
    __global const uchar *codes = k + row.kv_head * head_bytes + vcodes;
    codes += vb_attn_key(lists, map, row.list, j) * rec;
    int i = (int)vb_octaves((uint)m[r] - (uint)s[j - key_begin]);
    for (uint b = 0u; b < nb; b++)
      if (codes[b]) best[b] = max(best[b], (int)codes[b] - i);
  }
  for (uint b = 0u; b < VB_EM_ROW; b++) em[r * VB_EM_ROW + b] = (short)best[b];
}

// Items: (value block, row). The weight p' has 24 bits and a value 7, so a product fits 32 bits; sums are 64 bits wide.
// The item of block 0 also makes the row's denominator.
__kernel void vb_attn_sum(__global const int *scores, __global const uchar *k, __global const uchar *v,
                          __global const struct vb_attn_row *rows, __global const uint *lists, __global const int *m,
                          __global const short *em, __global ulong *l, __global long *num, __global const uint *sinks,
                          uint4 map, uint sink, uint dk, uint dv, ulong head_bytes, ulong value_head_bytes,
                          uint vcodes, uint val, uint offset, uint key_begin, uint keys, uint row0) {
  uint b = (uint)get_global_id(0), r = row0 + (uint)get_global_id(1), rec = vb_rec_bytes(dk);
  struct vb_attn_row row = rows[r];
  __global const int *s = scores + (size_t)(r - row0) * keys;
  __global const uchar *code = k + row.kv_head * head_bytes + vcodes + b;
  __global const char *x = (__global const char *)v + row.kv_head * value_head_bytes + offset + b * VB_BLOCK;
  int e = em[r * VB_EM_ROW + b];
  ulong total = 0UL;
  if (sink && b == 0u) {
    uint d = (uint)m[r] - (uint)vb_score_q16(sinks[row.head]);
    total = vb_shr_rhu((ulong)vb_exp2_24(d & 0xffffu) << 8, (int)vb_octaves(d));
  }
  long16 c0 = (long16)(0), c1 = (long16)(0);
  VB_FOR_SEEN(j, row) {
    uint d = (uint)m[r] - (uint)s[j - key_begin], i = vb_octaves(d), t = vb_exp2_24(d & 0xffffu);
    if (b == 0u) total += vb_shr_rhu((ulong)t << 8, (int)i);
    ulong key = vb_attn_key(lists, map, row.list, j);
    int c = code[key * rec];
    if (c == 0) continue;
    int p = (int)vb_shr_rhu32(t, (uint)(e - c + (int)i));
    if (p == 0) continue;
    c0 += convert_long16(convert_int16(VB_HALF(x + key * val, 0)) * p);
    c1 += convert_long16(convert_int16(VB_HALF(x + key * val, 1)) * p);
  }
  if (b == 0u) l[r] = total;
  long out[32];
  vstore16(c0, 0, out);
  vstore16(c1, 1, out);
  for (uint c = b * VB_BLOCK; c < min(dv, (b + 1u) * VB_BLOCK); c++) num[(size_t)r * dv + c] = out[c % VB_BLOCK];
}

// Items: (channel, row).
__kernel void vb_attn_finish(__global const long *num, __global const ulong *l, __global const short *em,
                             __global uint *y, uint dv) {
  size_t c = get_global_id(0), r = get_global_id(1);
  if (c < dv) y[r * dv + c] = vb_divide(num[r * dv + c], em[r * VB_EM_ROW + c / VB_BLOCK] - 119, l[r]);
}
