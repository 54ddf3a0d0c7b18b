// SPDX-License-Identifier: Apache-2.0
// Rotary embedding. The phase is position * frequency modulo one turn, exact in 64 bits of wrap-around, so the angle is
// as good at position 10^6 as at 1. Sine and cosine of a quarter turn come from one table, Q1.30.
void vb_rope_cossin(uint pos, ulong freq, int *c, int *s) {
  ulong phase = (ulong)pos * freq;
  uint quadrant = (uint)(phase >> 62), f = (uint)(phase >> 31) & 0x7fffffffu;
  int sine = (int)vb_q7(vb_sinq_tab, f);
  int cosine = f ? (int)vb_q7(vb_sinq_tab, 0x80000000u - f) : 1 << 30;
  int x = (quadrant & 1u) ? sine : cosine, y = (quadrant & 1u) ? cosine : sine;
  *c = quadrant == 1u || quadrant == 2u ? -x : x;
  *s = quadrant >= 2u ? -y : y;
}

// (a, b) aligned to the larger exponent, 30 bits each; the sums are exact and rounded once.
void vb_rope_rotate(uint a, uint b, int c, int s, uint *x, uint *y) {
  int e = max(vb_expb(a), vb_expb(b));
  long p = vb_shr_rne((long)vb_man(a) << 6, e - vb_expb(a)), q = vb_shr_rne((long)vb_man(b) << 6, e - vb_expb(b));
  *x = vb_norm(p * c - q * s, e - 186);
  *y = vb_norm(q * c + p * s, e - 186);
}

// Items: (rotated pair or copied element, vector); dense vectors [tokens][heads][d].
__kernel void vb_rope(__global const uint *x, __global const ulong *freq, __global const uint *pos, __global uint *y,
                      uint heads, uint d, uint first, uint rot, uint paired, uint mscale) {
  uint i = (uint)get_global_id(0), half_rot = rot / 2u;
  size_t v = get_global_id(1);
  x += v * d;
  y += v * d;
  if (i < half_rot) {
    uint a = first + (paired ? 2u * i : i), b = paired ? a + 1u : a + half_rot, p, q;
    int c, s;
    vb_rope_cossin(pos[v / heads], freq[i], &c, &s);
    vb_rope_rotate(x[a], x[b], c, s, &p, &q);
    y[a] = mscale ? vb_mul(p, mscale) : p;
    y[b] = mscale ? vb_mul(q, mscale) : q;
  } else { // what lies before and after the rotated part
    uint j = i - half_rot;
    if (j >= first) j += 2u * half_rot;
    if (j < d) y[j] = x[j];
  }
}
