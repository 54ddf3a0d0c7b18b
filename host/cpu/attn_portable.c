// SPDX-License-Identifier: Apache-2.0
// Attention passes in plain C.
#include "cpu/dot.h"

size_t vb_portable_attn_work(const struct vb_kv *kv) {
  (void)kv;
  return 64;
}

void vb_portable_attn_em(struct vb_attn_tile *t) {
  const uint32_t blocks = vb_blocks(t->kv->dv);
  for (uint32_t b = 0; b < blocks; b++)
    for (int l = 0; l < VB_TILE; l++) t->em[b][l] = VB_EM_NONE;
  for (uint32_t j = 0; j < t->n; j++) {
    const uint8_t *codes = vb_attn_codes(t, j);
    for (uint32_t l = 0; l < t->lanes; l++) {
      uint32_t i = ((uint32_t)t->m[l] - (uint32_t)t->s[(size_t)j * VB_TILE + l]) >> 16;
      int octaves = i > 1023 ? 1023 : (int)i;
      if (!vb_attn_sees(t, l, j)) continue;
      for (uint32_t b = 0; b < blocks; b++)
        if (codes[b] && codes[b] - octaves > t->em[b][l]) t->em[b][l] = codes[b] - octaves;
    }
  }
}

void vb_portable_attn_sum(struct vb_attn_tile *t) {
  const uint32_t dv = vb_val_bytes(t->kv->dv);
  memset(t->l, 0, sizeof t->l);
  memset(t->num, 0, sizeof *t->num * dv * VB_TILE);
  for (uint32_t j = 0; j < t->n; j++) {
    const uint8_t *codes = vb_attn_codes(t, j);
    const int8_t *v = vb_attn_val(t, j);
    for (uint32_t l = 0; l < t->lanes; l++) {
      uint32_t d = (uint32_t)t->m[l] - (uint32_t)t->s[(size_t)j * VB_TILE + l], e = vb_exp2_24(d & 0xffff);
      int octaves = d >> 16 > 1023 ? 1023 : (int)(d >> 16);
      if (!vb_attn_sees(t, l, j)) continue;
      t->l[l] += vb_shr_rhu((uint64_t)e << 8, octaves);
      for (uint32_t b = 0; b < dv / VB_BLOCK; b++) {
        int64_t *num = t->num + (size_t)l * dv + b * VB_BLOCK;
        // Rounded once per key and block; most far keys round to nothing.
        int32_t p = codes[b] ? (int32_t)vb_shr_rhu(e, t->em[b][l] - codes[b] + octaves) : 0;
        for (uint32_t c = 0; p && c < VB_BLOCK; c++) num[c] += (int64_t)p * v[b * VB_BLOCK + c];
      }
    }
  }
}
