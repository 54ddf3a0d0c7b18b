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
