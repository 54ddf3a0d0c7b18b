// SPDX-License-Identifier: Apache-2.0
// What a device must do right before any operator is trusted to it (host/ocl/probe.c holds the expected answers).
// VB_PLANT, set by a test, makes one of the checks answer wrongly.
#ifndef VB_PLANT
#define VB_PLANT 0
#endif
#define VB_WRONG(check, i) ((ulong)(VB_PLANT == (check) && (i) == 5u))

// 1: every word of the function tables, folded by FNV-1a as 64-bit words; then the hash the kernels were built for.
ulong vb_fold_table(ulong h, __constant long (*tab)[3], uint rows) {
  for (uint i = 0u; i < rows; i++)
    for (uint c = 0u; c < 3u; c++) h = (h ^ (ulong)tab[i][c]) * 0x100000001b3UL;
  return h;
}
__kernel void vb_probe_tables(__global ulong *out) {
  ulong h = 0xcbf29ce484222325UL;
  for (uint i = 0u; i < 16u; i++)
    for (uint c = 0u; c < 3u; c++) h = (h ^ (ulong)vb_exp2_24_tab[i][c]) * 0x100000001b3UL;
  h = vb_fold_table(h, vb_exp2_tab, 128u);
  h = vb_fold_table(h, vb_log2_tab, 128u);
  h = vb_fold_table(h, vb_recip_tab, 128u);
  h = vb_fold_table(h, vb_rsqa_tab, 128u);
  h = vb_fold_table(h, vb_rsqb_tab, 128u);
  out[0] = vb_fold_table(h, vb_sinq_tab, 128u) ^ VB_WRONG(1, 5u);
  out[1] = VB_TABLES_HASH32;
}

// 2: 64-bit integers. 9 answers per pair.
__kernel void vb_probe_integer(__global const ulong *a, __global const ulong *b, __global ulong *out) {
  uint i = (uint)get_global_id(0), s = (uint)(b[i] & 63UL);
  __global ulong *o = out + i * 9u;
  o[0] = a[i] * b[i] ^ VB_WRONG(2, i);
  o[1] = mul_hi(a[i], b[i]);
  o[2] = a[i] / (b[i] | 1UL);
  o[3] = (ulong)((long)a[i] / (long)(b[i] >> 33 | 1UL));
  o[4] = a[i] % (b[i] | 1UL);
  o[5] = a[i] << s;
  o[6] = a[i] >> s;
  o[7] = (ulong)((long)a[i] >> s);
  o[8] = clz(a[i] | 1UL) + ((ulong)clz((uint)b[i]) << 8);
}

// 3: the contract's own functions, on carrier values x, y and an integer n. 10 answers each.
__kernel void vb_probe_numeric(__global const uint *x, __global const uint *y, __global const long *n,
                               __global ulong *out) {
  uint i = (uint)get_global_id(0);
  int s = (int)(y[i] >> 3 & 127u) - 32;
  __global ulong *o = out + i * 10u;
  o[0] = vb_add(x[i], y[i]) ^ VB_WRONG(3, i);
  o[1] = vb_mul(x[i], y[i]);
  o[2] = vb_norm(n[i], s - 64);
  o[3] = (ulong)vb_shr_rne(n[i] >> 33, s);
  o[4] = vb_shr_rhu((ulong)n[i] >> 33, s);
  o[5] = vb_divide(n[i], 0, (ulong)n[i] >> 7 | 1UL);
  o[6] = vb_sigmoid(x[i]);
  o[7] = vb_rsq(y[i] & 0x7fffffffu);
  o[8] = (uint)vb_q16(n[i], s - 64);
  o[9] = vb_exp2_24(x[i] & 0xffffu);
}

// 4: floats, for devices that would contract a * b + c or round conversions otherwise. No operator needs them today; a
// device that ignores the pragma is not to be trusted with anything that claims bits.
__kernel void vb_probe_float(__global const float *a, __global const float *b, __global const float *c,
                             __global const int *n, __global uint *out) {
  uint i = (uint)get_global_id(0);
  out[3u * i] = as_uint(a[i] * b[i] + c[i]) ^ (uint)VB_WRONG(4, i);
  out[3u * i + 1u] = as_uint(convert_float_rte(n[i]));
  out[3u * i + 2u] = (uint)convert_int_rte(a[i]);
}

// 5: bit patterns that a float unit would change (subnormals, NaNs, -0) must pass through integer loads, vectors and
// selects untouched.
__kernel void vb_probe_patterns(__global const uint *x, __global uint *out) {
  uint i = (uint)get_global_id(0);
  uint4 v = vload4(i, x);
  v = select(v, v.wzyx, (uint4)(0x80000000u, 0u, 0u, 0x80000000u));
  v.x ^= (uint)VB_WRONG(5, i);
  vstore4(v, i, out);
}

// 6: a wide tile of block products against the plain sum: vector conversions, 16-bit products, folds.
__kernel void vb_probe_blocks(__global const char *q, __global const uchar *codes, __global long *out, uint nb) {
  struct vb_side a[4], w[4];
  long acc[4][4];
  for (uint i = 0u; i < 4u; i++) {
    a[i].elem = i * nb * VB_BLOCK;
    a[i].code = i * nb;
    w[i].elem = (i + 4u) * nb * VB_BLOCK;
    w[i].code = (i + 4u) * nb;
    a[i].top = w[i].top = 0;
    for (uint b = 0u; b < nb; b++) {
      a[i].top = max(a[i].top, (int)codes[a[i].code + b]);
      w[i].top = max(w[i].top, (int)codes[w[i].code + b]);
    }
  }
  vb_p2_tile4(q, codes, a, q, codes, w, nb, acc);
  for (uint m = 0u; m < 4u; m++)
    for (uint n = 0u; n < 4u; n++) out[4u * m + n] = acc[m][n] ^ (long)VB_WRONG(6, 4u * m + n);
}
