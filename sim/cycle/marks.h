// SPDX-License-Identifier: Apache-2.0
/// @file marks.h
/// Which class is a cycle in? A unit model marks cycles layer by layer (a pass moves beats in these cycles, a queue is
/// full in those) in any order; when all marks up to some cycle are there, every cycle counts for the first of its
/// layers. A ring of bits: a run of cycles costs a word or two, and memory holds only what is not counted yet.
#ifndef VB_SIM_CYCLE_MARKS_H
#define VB_SIM_CYCLE_MARKS_H
#include <stdbool.h>
#include <stdint.h>

enum { VB_MARK_LAYERS = 4 };

struct vb_marks {
  uint64_t *bits;                     ///< word w of layer l at [(w & mask) * VB_MARK_LAYERS + l]
  uint64_t mask;                      ///< words of a layer, less one
  uint64_t base;                      ///< first word that is not counted
  uint64_t at;                        ///< first cycle that is not counted
  uint64_t count[VB_MARK_LAYERS + 1]; ///< cycles by first layer; the last: in none
  bool failed;                        ///< memory was out
};

/// Counting starts with cycle `from`.
int vb_marks_init(struct vb_marks *m, uint64_t from);
void vb_marks_free(struct vb_marks *m);
/// Makes room for cycles up to `to`. False: memory is out.
bool vb_marks_grow(struct vb_marks *m, uint64_t to);
/// Counts all cycles before `until`.
void vb_marks_count(struct vb_marks *m, uint64_t until);

/// Marks the cycles [from, to), none of which is counted yet.
static inline void vb_marks_set(struct vb_marks *m, unsigned layer, uint64_t from, uint64_t to) {
  if (from >= to) return;
  uint64_t w = from >> 6, last = (to - 1) >> 6;
  if (last - m->base > m->mask && !vb_marks_grow(m, to)) return;
  uint64_t first_bits = ~(uint64_t)0 << (from & 63), last_bits = ~(uint64_t)0 >> (63 - ((to - 1) & 63));
  if (w == last) {
    m->bits[(w & m->mask) * VB_MARK_LAYERS + layer] |= first_bits & last_bits;
    return;
  }
  m->bits[(w & m->mask) * VB_MARK_LAYERS + layer] |= first_bits;
  while (++w < last) m->bits[(w & m->mask) * VB_MARK_LAYERS + layer] = ~(uint64_t)0;
  m->bits[(last & m->mask) * VB_MARK_LAYERS + layer] |= last_bits;
}

/// Marks cycle from + i for every bit i that is set in `cycles`.
static inline void vb_marks_bits(struct vb_marks *m, unsigned layer, uint64_t from, uint64_t cycles) {
  uint64_t w = from >> 6, at = from & 63;
  if (w + 1 - m->base > m->mask && !vb_marks_grow(m, (w + 2) << 6)) return;
  m->bits[(w & m->mask) * VB_MARK_LAYERS + layer] |= cycles << at;
  m->bits[((w + 1) & m->mask) * VB_MARK_LAYERS + layer] |= cycles >> 1 >> (63 - at);
}
#endif
