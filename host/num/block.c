// SPDX-License-Identifier: Apache-2.0
#include "num/block.h"

uint8_t vb_quant_row_i8(const vb_z *x, uint32_t n, int8_t *q, uint8_t *codes) {
  uint8_t top = 0;
  for (uint32_t b = 0; b < vb_blocks(n); b++) {
    uint32_t len = n - b * VB_BLOCK < VB_BLOCK ? n - b * VB_BLOCK : VB_BLOCK;
    codes[b] = vb_quant_i8(x + b * VB_BLOCK, len, q + b * VB_BLOCK);
    if (codes[b] > top) top = codes[b];
  }
  return top;
}

uint8_t vb_quant_row_i14(const vb_z *x, uint32_t n, int16_t *q, uint8_t *codes) {
  uint8_t top = 0;
  for (uint32_t b = 0; b < vb_blocks(n); b++) {
    uint32_t len = n - b * VB_BLOCK < VB_BLOCK ? n - b * VB_BLOCK : VB_BLOCK;
    codes[b] = vb_quant_i14(x + b * VB_BLOCK, len, q + b * VB_BLOCK);
    if (codes[b] > top) top = codes[b];
  }
  return top;
}

int64_t vb_p2_i8(const int8_t *a, const uint8_t *ea, int a_max, const int8_t *w, const uint8_t *ew, int w_max,
                 uint32_t nb) {
  int64_t acc = 0;
  for (uint32_t b = 0; b < nb; b++) {
    int32_t d = 0;
    for (uint32_t i = 0; i < VB_BLOCK; i++) d += a[b * VB_BLOCK + i] * w[b * VB_BLOCK + i];
    acc += vb_p2_term(d, (a_max - ea[b]) + (w_max - ew[b]));
  }
  return acc;
}

int64_t vb_p2_i14(const int16_t *a, const uint8_t *ea, int a_max, const int16_t *w, const uint8_t *ew, int w_max,
                  uint32_t nb) {
  int64_t acc = 0;
  for (uint32_t b = 0; b < nb; b++) {
    int32_t d = 0;
    for (uint32_t i = 0; i < VB_BLOCK; i++) d += a[b * VB_BLOCK + i] * w[b * VB_BLOCK + i];
    acc += vb_p2_term(d, (a_max - ea[b]) + (w_max - ew[b]));
  }
  return acc;
}

void vb_rec_fill(const vb_z *x, uint32_t d, uint8_t *rec) {
  memset(rec, 0, VB_REC_HEADER);
  rec[VB_REC_KMAX] = vb_quant_row_i8(x, d, (int8_t *)rec + VB_REC_HEADER, rec);
}

void vb_val_fill(const vb_z *x, uint32_t dv, uint8_t *val, uint8_t *key_rec) {
  memset(key_rec + VB_REC_VCODES, 0, VB_REC_HEADER - VB_REC_VCODES);
  vb_quant_row_i8(x, dv, (int8_t *)val, key_rec + VB_REC_VCODES);
}
