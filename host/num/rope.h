// SPDX-License-Identifier: Apache-2.0
/// @file rope.h
/// Rotary position embedding: frequencies, phases and rotation in integers only (docs/numerics.md, RoPE).
///
/// A frequency is a u64 in units of 2^-64 turn per position, so position * frequency wraps around for free and the
/// angle is as exact at position 10^6 as at 1. Nothing here depends on libm or on the floating-point environment.
#ifndef VERBATIM_NUM_ROPE_H
#define VERBATIM_NUM_ROPE_H
#include "num/func.h"

enum vb_rope_scaling { VB_ROPE_DEFAULT, VB_ROPE_LINEAR, VB_ROPE_LLAMA3, VB_ROPE_YARN };

/// Limits under which vb_rope_freqs cannot overflow; vb_rope_valid checks them.
#define VB_ROPE_MAX_FACTOR 65536.0
#define VB_ROPE_MAX_DIMS 65536u

struct vb_rope_config {
  uint64_t theta; ///< integer base, at least 1
  enum vb_rope_scaling scaling;
  double factor;              ///< all but DEFAULT: multiple of 2^-20 in [1, VB_ROPE_MAX_FACTOR]
  double low_freq, high_freq; ///< LLAMA3: the two bounds; YARN: beta_slow, beta_fast (> 0). Multiples of 2^-20
  uint64_t original_length;   ///< LLAMA3, YARN: trained context length, 1 .. 2^32
  bool truncate;              ///< YARN: round the band's ends to whole dimensions
  uint32_t dims;              ///< rotated dimensions per head (even)
};

/// NULL when c is within the limits above, otherwise what is wrong (static text that names the field).
const char *vb_rope_valid(const struct vb_rope_config *c);
/// Fill freq[dims / 2]. Needs vb_rope_valid(c) == NULL.
void vb_rope_freqs(const struct vb_rope_config *c, uint64_t *freq);

/// cos and sin of position * freq in Q1.30; position 0 gives exactly (2^30, 0).
static inline void vb_rope_cossin(uint64_t pos, uint64_t freq, int32_t *c, int32_t *s) {
  uint64_t phase = pos * freq;
  uint32_t f = (uint32_t)(phase >> 31) & 0x7fffffff; // truncated: 31 bits below the quadrant
  int32_t sine = (int32_t)vb_q7(vb_sinq_tab, f);
  int32_t cosine = f ? (int32_t)vb_q7(vb_sinq_tab, 0x80000000u - f) : 1 << 30;
  switch (phase >> 62) {
  case 0: *c = cosine, *s = sine; break;
  case 1: *c = -sine, *s = cosine; break;
  case 2: *c = -cosine, *s = -sine; break;
  default: *c = sine, *s = -cosine; break;
  }
}

/// (x, y) = (a c - b s, b c + a s): 30-bit aligned integers, exact sums below 2^61, one NORM each.
static inline void vb_rope_rotate(vb_z a, vb_z b, int32_t c, int32_t s, vb_z *x, vb_z *y) {
  int ea = vb_expb(a), eb = vb_expb(b), e = ea > eb ? ea : eb;
  int64_t p = vb_shr_rne((int64_t)vb_man(a) * 64, e - ea), q = vb_shr_rne((int64_t)vb_man(b) * 64, e - eb);
  *x = vb_norm(p * c - q * s, e - 186);
  *y = vb_norm(q * c + p * s, e - 186);
}
#endif
