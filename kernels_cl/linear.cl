// SPDX-License-Identifier: Apache-2.0
// y = x W^T (+ bias) over quantised rows (block.cl), or the raw sums over a range of blocks.

// Outputs are dense over the ranges of the launch: [tokens][columns].
void vb_linear_store(long sum, int a_top, int w_top, __global const uint *bias, uint raw, uint biased, uint n,
                     __global uint *y, __global long *acc, size_t at) {
  if (raw) {
    acc[at] = sum;
    return;
  }
  uint v = vb_p2_norm(sum, a_top, w_top);
  y[at] = biased ? vb_add(v, bias[n]) : v;
}

// Columns n0 .. n0 + columns - 1 multiply vector g of each token's `groups`; they are stored from c0 on in rows of
// `width`. One item: TM tokens from t0 + TM * id(0) and 4 columns from 4 * id(1). Neighbours in dimension 0 share the
// columns, whose weights then stay in the first cache.
#define VB_LINEAR_I8(TM)                                                                                               \
  __kernel void vb_linear_i8_t##TM(__global const char *q, __global const uchar *codes, __global const uchar *top,     \
                                   __global const char *wq, __global const uchar *wcodes, __global const uchar *wtop,  \
                                   __global const uint *bias, __global uint *y, __global long *acc, uint blocks,       \
                                   uint b0, uint b1, uint n0, uint columns, uint raw, uint biased, uint t0,            \
                                   uint width, uint c0, uint groups, uint g) {                                         \
    size_t t = t0 + get_global_id(0) * TM;                                                                             \
    uint c = (uint)get_global_id(1) * 4u;                                                                              \
    struct vb_side a[TM], w[4];                                                                                        \
    long sum[TM][4];                                                                                                   \
    for (uint m = 0u; m < TM; m++) {                                                                                   \
      size_t row = (t + m) * groups + g;                                                                               \
      a[m].elem = (row * blocks + b0) * VB_BLOCK;                                                                      \
      a[m].code = row * blocks + b0;                                                                                   \
      a[m].top = top[row];                                                                                             \
    }                                                                                                                  \
    for (uint n = 0u; n < 4u; n++) { /* past the end: the last column again, not stored */                             \
      ulong row = n0 + min(c + n, columns - 1u);                                                                       \
      w[n].elem = (row * blocks + b0) * VB_BLOCK;                                                                      \
      w[n].code = row * blocks + b0;                                                                                   \
      w[n].top = wtop[row];                                                                                            \
    }                                                                                                                  \
    vb_p2_tile##TM(q, codes, a, wq, wcodes, w, b1 - b0, sum);                                                          \
    for (uint m = 0u; m < TM; m++)                                                                                     \
      for (uint n = 0u; n < 4u && c + n < columns; n++)                                                                \
        vb_linear_store(sum[m][n], a[m].top, w[n].top, bias, raw, biased, n0 + c + n, y, acc,                          \
                        (t + m) * width + c0 + c + n);                                                                 \
  }
VB_LINEAR_I8(1)
VB_LINEAR_I8(4)

// I14: 32 products of 13 + 13 bits just fit 32 bits, their shifted sum does not, so every block is folded. Only the
// router's few columns use it. One item per token and column.
__kernel void vb_linear_i14(__global const short *q, __global const uchar *codes, __global const uchar *top,
                            __global const short *wq, __global const uchar *wcodes, __global const uchar *wtop,
                            __global const uint *bias, __global uint *y, __global long *acc, uint blocks, uint b0,
                            uint b1, uint n0, uint columns, uint raw, uint biased) {
  size_t t = get_global_id(0), c = get_global_id(1), row = n0 + c;
  int a_top = top[t], w_top = wtop[row];
  long sum = 0L;
  for (uint b = b0; b < b1; b++) {
    size_t ab = t * blocks + b, wb = row * blocks + b;
    int16 d = convert_int16(vload16(2 * ab, q)) * convert_int16(vload16(2 * wb, wq)) +
              convert_int16(vload16(2 * ab + 1, q)) * convert_int16(vload16(2 * wb + 1, wq));
    sum += vb_p2_term(vb_fold(d), vb_below(a_top, codes[ab]) + vb_below(w_top, wcodes[wb]));
  }
  vb_linear_store(sum, a_top, w_top, bias, raw, biased, (uint)row, y, acc, t * columns + c);
}
