// SPDX-License-Identifier: Apache-2.0
// Query, key and value records (verbatim/layout.h). One item per record; dense vectors.

// Quantise d values, times `scale` where asked, into elements and codes; returns the largest code.
uchar vb_pack_row(__global const uint *x, uint d, uint scaled, uint scale, __global char *q, __global uchar *codes) {
  uchar top = 0;
  uint v[32];
  for (uint b = 0u; b < vb_blocks(d); b++) {
    int e = 0;
    vb_load_block(x + b * VB_BLOCK, min(d - b * VB_BLOCK, VB_BLOCK), v);
    for (uint i = 0u; i < VB_BLOCK; i++) {
      if (scaled) v[i] = vb_mul(v[i], scale);
      e = max(e, vb_expb(v[i]));
    }
    codes[b] = vb_store_i8(v, e, q + b * VB_BLOCK);
    top = max(top, codes[b]);
  }
  return top;
}

// What comes before quantisation, in place: the position's scale, `scale` (0: none), the rotation. One item per vector,
// `heads` of them per token.
#define VB_MAX_ROTATED 128u

// 1 + temperature * ln(1 + floor((pos + 1) / floor_scale)).
uint vb_position_scale(uint pos, uint floor_scale, uint temperature) {
  uint log2 = vb_norm(vb_log2i(1UL + ((ulong)pos + 1UL) / floor_scale), -31);
  return vb_add(VB_Z_ONE, vb_mul(temperature, vb_mul(log2, VB_Z_LN2)));
}

// Hadamard rotation of d values, a power of two: add stages on integers of one exponent, times 2^-share.
void vb_rotate(__global uint *x, uint d, int share) {
  int a[VB_MAX_ROTATED], e = 0;
  for (uint i = 0u; i < d; i++) e = max(e, vb_expb(x[i]));
  for (uint i = 0u; i < d; i++) a[i] = (int)vb_shr_rne((long)vb_man(x[i]), e - vb_expb(x[i]));
  for (uint step = 1u; step < d; step *= 2u)
    for (uint i = 0u; i < d; i++)
      if (!(i & step)) {
        int p = a[i], q = a[i + step];
        a[i] = p + q;
        a[i + step] = p - q;
      }
  for (uint i = 0u; i < d; i++) x[i] = vb_norm((long)a[i], e - 150 - share);
}

__kernel void vb_pack_prepare(__global uint *x, __global const uint *pos, uint heads, uint d, uint floor_scale,
                              uint temperature, uint scale, uint rotate, int share) {
  size_t r = get_global_id(0);
  uint p = floor_scale ? vb_position_scale(pos[r / heads], floor_scale, temperature) : 0u;
  x += r * d;
  for (uint i = 0u; i < d; i++) {
    if (floor_scale) x[i] = vb_mul(x[i], p);
    if (scale) x[i] = vb_mul(x[i], scale);
  }
  if (rotate) vb_rotate(x, d, share);
}

__kernel void vb_pack_q(__global const uint *x, __global uchar *rec, uint d, uint scale) {
  size_t r = get_global_id(0);
  rec += r * vb_rec_bytes(d);
  for (uint i = 0u; i < VB_REC_HEADER; i++) rec[i] = 0;
  rec[VB_REC_KMAX] = vb_pack_row(x + r * d, d, scale != 0u, scale, (__global char *)rec + VB_REC_HEADER, rec);
}

__kernel void vb_pack_kv(__global const uint *k, __global const uint *v, __global uchar *krec, __global uchar *vrec,
                         uint dk, uint dv) { // dv = 0: no values
  size_t r = get_global_id(0);
  krec += r * vb_rec_bytes(dk);
  for (uint i = 0u; i < VB_REC_HEADER; i++) krec[i] = 0;
  krec[VB_REC_KMAX] = vb_pack_row(k + r * dk, dk, 0u, 0u, (__global char *)krec + VB_REC_HEADER, krec);
  if (dv) vb_pack_row(v + r * dv, dv, 0u, 0u, (__global char *)vrec + r * vb_val_bytes(dv), krec + VB_REC_VCODES);
}
