// SPDX-License-Identifier: Apache-2.0
#include "marks.h"
#include <stdlib.h>
#include <string.h>

int vb_marks_init(struct vb_marks *m, uint64_t from) {
  *m = (struct vb_marks){.mask = 255, .base = from >> 6, .at = from};
  m->bits = calloc((m->mask + 1) * VB_MARK_LAYERS, sizeof *m->bits);
  return m->bits ? 0 : -1;
}

void vb_marks_free(struct vb_marks *m) {
  free(m->bits);
  m->bits = NULL;
}

bool vb_marks_grow(struct vb_marks *m, uint64_t to) {
  uint64_t words = m->mask + 1;
  while (((to - 1) >> 6) - m->base >= words) words *= 2;
  uint64_t *bits = calloc(words * VB_MARK_LAYERS, sizeof *bits);
  if (!bits) {
    m->failed = true;
    return false;
  }
  for (uint64_t w = m->base; w <= m->base + m->mask; w++)
    memcpy(bits + (w & (words - 1)) * VB_MARK_LAYERS, m->bits + (w & m->mask) * VB_MARK_LAYERS,
           VB_MARK_LAYERS * sizeof *bits);
  free(m->bits);
  m->bits = bits;
  m->mask = words - 1;
  return true;
}

void vb_marks_count(struct vb_marks *m, uint64_t until) {
  if (until <= m->at || m->failed) return;
  for (uint64_t w = m->base; w <= (until - 1) >> 6; w++) {
    uint64_t rest = ~(uint64_t)0;
    if (w == m->at >> 6) rest <<= m->at & 63;
    if (w == (until - 1) >> 6) rest &= ~(uint64_t)0 >> (63 - ((until - 1) & 63));
    if (w - m->base <= m->mask) {
      uint64_t *bits = m->bits + (w & m->mask) * VB_MARK_LAYERS;
      for (unsigned l = 0; l < VB_MARK_LAYERS; l++) {
        m->count[l] += (uint64_t)__builtin_popcountll(rest & bits[l]);
        rest &= ~bits[l];
      }
      if ((w + 1) << 6 <= until) memset(bits, 0, VB_MARK_LAYERS * sizeof *bits);
    }
    m->count[VB_MARK_LAYERS] += (uint64_t)__builtin_popcountll(rest);
  }
  m->at = until;
  m->base = until >> 6;
}
