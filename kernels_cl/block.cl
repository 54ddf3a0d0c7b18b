// SPDX-License-Identifier: Apache-2.0
// Block formats and the tiles of block dot products (P2) that linear, experts and attention share.

// Load n <= 32 values of a row, zero-padded to the block; returns the largest exponent field (0: all zero).
int vb_load_block(__global const uint *x, uint n, uint v[32]) {
  int e = 0;
  for (uint i = 0u; i < VB_BLOCK; i++) v[i] = i < n ? x[i] : 0u;
  for (uint i = 0u; i < VB_BLOCK; i++) e = max(e, vb_expb(v[i]));
  return e;
}

// Quantise a block to I8; returns its code.
uchar vb_store_i8(const uint v[32], int e, __global char *q) {
  if (e == 0) {
    for (uint i = 0u; i < VB_BLOCK; i++) q[i] = 0;
    return 0;
  }
  for (uint i = 0u; i < VB_BLOCK; i++) q[i] = (char)vb_quant_elem(v[i], e, 8, 127);
  return (uchar)(e - 6);
}
uchar vb_store_i14(const uint v[32], int e, __global short *q) {
  if (e == 0) {
    for (uint i = 0u; i < VB_BLOCK; i++) q[i] = 0;
    return 0;
  }
  for (uint i = 0u; i < VB_BLOCK; i++) q[i] = (short)vb_quant_elem(v[i], e, 14, 8191);
  return (uchar)(e - 12);
}

// Quantise a row of n values to I8; returns the row's largest code.
uchar vb_row_i8(__global const uint *x, uint n, __global char *q, __global uchar *codes) {
  uchar top = 0;
  uint v[32];
  for (uint b = 0u; b < vb_blocks(n); b++) {
    int e = vb_load_block(x + b * VB_BLOCK, min(n - b * VB_BLOCK, VB_BLOCK), v);
    codes[b] = vb_store_i8(v, e, q + b * VB_BLOCK);
    top = max(top, codes[b]);
  }
  return top;
}

// Rows of activations, quantised once for all the columns that use them. One item per row.
__kernel void vb_quant_i8(__global const uint *x, __global char *q, __global uchar *codes, __global uchar *top,
                          uint n) {
  size_t r = get_global_id(0), nb = vb_blocks(n);
  top[r] = vb_row_i8(x + r * n, n, q + r * nb * VB_BLOCK, codes + r * nb);
}

__kernel void vb_quant_i14(__global const uint *x, __global short *q, __global uchar *codes, __global uchar *top,
                           uint n) {
  size_t r = get_global_id(0), nb = vb_blocks(n);
  uchar largest = 0;
  uint v[32];
  for (uint b = 0u; b < nb; b++) {
    int e = vb_load_block(x + r * n + b * VB_BLOCK, min(n - b * VB_BLOCK, VB_BLOCK), v);
    uchar code = vb_store_i14(v, e, q + (r * nb + b) * VB_BLOCK);
    codes[r * nb + b] = code;
    largest = max(largest, code);
  }
  top[r] = largest;
}

// P2 of TM rows with 4 columns. Rows and columns are given by the offsets of their elements and codes, so that plain
// matrices and attention records use the same code.
//
// Where every block of the tile is within the 8 guard bits, no term rounds: the sum may stay in 16 lanes, shifted
// left, and is folded only every 128 blocks (|lane| <= 2 * 127^2 * 2^8 * 128 < 2^31). Elsewhere each block's dot
// product is folded and rounded by itself. Both give the same exact sums; the first is several times faster.
// A pair of products fits 16 bits: 2 * 127^2 < 2^15.
struct vb_side {
  ulong elem, code;
  int top;
};

// Sum of all lanes.
int vb_fold(int16 v) {
  int8 a = v.lo + v.hi;
  int4 b = a.lo + a.hi;
  return b.x + b.y + b.z + b.w;
}
long vb_fold_wide(int16 v) {
  long8 a = convert_long8(v.lo) + convert_long8(v.hi);
  long4 b = a.lo + a.hi;
  return b.x + b.y + b.z + b.w;
}

// Half a block. Elements of blocks are 32-byte aligned everywhere (verbatim/layout.h), which vload16 cannot know: PoCL
// makes 16 loads of it.
#define VB_HALF(p, i) (((__global const char16 *)(p))[i])

#define VB_P2_TILE(TM)                                                                                                 \
  void vb_p2_tile##TM(__global const char *aq, __global const uchar *ac, const struct vb_side *a,                      \
                      __global const char *wq, __global const uchar *wc, const struct vb_side *w, uint nb,             \
                      long acc[TM][4]) {                                                                               \
    int16 lane[TM][4];                                                                                                 \
    _Pragma("unroll") for (int m = 0; m < TM; m++) _Pragma("unroll") for (int n = 0; n < 4; n++) {                     \
      lane[m][n] = (int16)(0);                                                                                         \
      acc[m][n] = 0L;                                                                                                  \
    }                                                                                                                  \
    for (uint b = 0u; b < nb; b++) {                                                                                   \
      short16 w0[4], w1[4];                                                                                            \
      int sw[4], sa[TM], far_w = 0, far_a = 0;                                                                         \
      _Pragma("unroll") for (int n = 0; n < 4; n++) {                                                                  \
        w0[n] = convert_short16(VB_HALF(wq + w[n].elem, 2u * b));                                                      \
        w1[n] = convert_short16(VB_HALF(wq + w[n].elem, 2u * b + 1u));                                                 \
        sw[n] = vb_below(w[n].top, wc[w[n].code + b]);                                                                 \
        far_w = max(far_w, sw[n]);                                                                                     \
      }                                                                                                                \
      _Pragma("unroll") for (int m = 0; m < TM; m++) {                                                                 \
        sa[m] = vb_below(a[m].top, ac[a[m].code + b]);                                                                 \
        far_a = max(far_a, sa[m]);                                                                                     \
      }                                                                                                                \
      if (far_w + far_a <= 8) {                                                                                        \
        _Pragma("unroll") for (int m = 0; m < TM; m++) {                                                               \
          short16 a0 = convert_short16(VB_HALF(aq + a[m].elem, 2u * b));                                               \
          short16 a1 = convert_short16(VB_HALF(aq + a[m].elem, 2u * b + 1u));                                          \
          _Pragma("unroll") for (int n = 0; n < 4; n++) lane[m][n] +=                                                  \
              convert_int16(a0 * w0[n] + a1 * w1[n]) << (int16)(8 - sa[m] - sw[n]);                                    \
        }                                                                                                              \
      } else {                                                                                                         \
        _Pragma("unroll") for (int m = 0; m < TM; m++) {                                                               \
          short16 a0 = convert_short16(VB_HALF(aq + a[m].elem, 2u * b));                                               \
          short16 a1 = convert_short16(VB_HALF(aq + a[m].elem, 2u * b + 1u));                                          \
          _Pragma("unroll") for (int n = 0; n < 4; n++) acc[m][n] +=                                                   \
              vb_p2_term(vb_fold(convert_int16(a0 * w0[n] + a1 * w1[n])), sa[m] + sw[n]);                              \
        }                                                                                                              \
      }                                                                                                                \
      if (b % 128u == 127u || b + 1u == nb)                                                                            \
        _Pragma("unroll") for (int m = 0; m < TM; m++) _Pragma("unroll") for (int n = 0; n < 4; n++) {                 \
          acc[m][n] += vb_fold_wide(lane[m][n]);                                                                       \
          lane[m][n] = (int16)(0);                                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
  }
VB_P2_TILE(1)
VB_P2_TILE(4)
