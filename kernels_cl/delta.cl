// SPDX-License-Identifier: Apache-2.0
// The gated delta rule on a block floating point state. What all columns of a head share is made first (two small
// kernels), then every column runs through the tokens by itself: columns never meet, and all sums are exact integers.

int vb_bit_length(uint x) { return 32 - (int)clz(x); }

// A component of a normalised vector, Q1.14.
int vb_delta_q14(uint x) { return (int)clamp(vb_shr_rne((long)vb_man(x), 136 - vb_expb(x)), -16384L, 16384L); }

// Decay of one step in octaves, Q.31: softplus(a + dt_bias) * exp(A_log) * log2(e), at most 128 octaves.
ulong vb_delta_decay(uint a, uint dt_bias, uint ea) {
  const ulong cap = 1UL << 38;
  ulong s = vb_softplus2(vb_add(a, dt_bias));
  if (s == 0UL || ea == 0u) return 0UL;
  ulong p = s * (ulong)(uint)vb_man(ea); // 39 + 24 bits
  int shift = 150 - vb_expb(ea);
  if (vb_msb(p) - shift > 38) return cap;
  return shift > 100 ? 0UL : min(vb_shr_rhu(p, shift), cap);
}

// Of a vector pair (token, key head): q and k in Q1.14, k . q, and the bit length of k's largest element. Items: pair.
__kernel void vb_delta_vectors(__global const uint *q, __global const uint *k, __global int *qi, __global int *ki,
                               __global uint *kq, __global int *k_bits, uint dk, uint scale) {
  size_t v = get_global_id(0);
  long dot = 0L;
  uint top = 0u;
  for (size_t i = v * dk; i < (v + 1) * dk; i++) {
    int x = vb_delta_q14(q[i]), y = vb_delta_q14(k[i]);
    qi[i] = x;
    ki[i] = y;
    dot += (long)x * y;
    top = max(top, abs(y));
  }
  kq[v] = vb_mul(vb_norm(dot, -28), scale);
  k_bits[v] = vb_bit_length(top);
}

// What a head's columns need of a token: whole octaves of decay, beta, 2^-g, that times the scale, 2^g.
struct vb_delta_step {
  int octaves;
  uint beta, now, now_scaled, back;
};

// Items: head. The pending decay g, below one octave, runs through the tokens.
__kernel void vb_delta_steps(__global const uint *b, __global const uint *a, __global const uint *dt_bias,
                             __global const uint *ea, __global uint *g, __global struct vb_delta_step *step,
                             uint heads, uint tokens, uint scale) {
  uint h = (uint)get_global_id(0);
  ulong pending = g[h];
  for (uint t = 0u; t < tokens; t++) {
    size_t th = (size_t)t * heads + h;
    struct vb_delta_step s;
    pending += vb_delta_decay(a[th], dt_bias[h], ea[h]);
    s.octaves = (int)(pending >> 31);
    pending &= 0x7fffffffUL;
    s.beta = vb_sigmoid(b[th]);
    s.now = vb_norm(vb_q7(vb_exp2_tab, (uint)pending), -31);
    s.now_scaled = vb_mul(s.now, scale);
    s.back = pending ? vb_norm(vb_q7(vb_exp2_tab, 0x80000000u - (uint)pending), -30) : VB_Z_ONE;
    step[th] = s;
  }
  g[h] = (uint)pending;
}

// Items: (column, head). Head h of the launch is number h0 + h of the operator, which decides its key head. m is
// [heads][dk][dv], so that neighbours read neighbours.
__kernel void vb_delta_columns(__global const int *q, __global const int *k, __global const uint *kq,
                               __global const int *k_bits, __global const uint *v,
                               __global const struct vb_delta_step *step, __global int *m, __global int *exponent,
                               __global int *length, __global uint *y, uint heads, uint h0, uint group, uint key_heads,
                               uint tokens, uint dk, uint dv) {
  uint j = (uint)get_global_id(0), h = (uint)get_global_id(1);
  if (j >= dv) return;
  size_t column = (size_t)h * dv + j;
  int c = exponent[column], len = length[column];
  m += (size_t)h * dk * dv + j;
  for (uint t = 0u; t < tokens; t++) {
    size_t th = (size_t)t * heads + h, vector = (size_t)t * key_heads + (h0 + h) / group;
    struct vb_delta_step s = step[th];
    __global const int *qv = q + vector * dk, *kv = k + vector * dk;
    if (len) { // whole octaves go to the column's exponent; a column that has sunk out of sight becomes zero
      c -= s.octaves;
      if (c + len < -100) {
        len = 0;
        for (uint i = 0u; i < dk; i++) m[(size_t)i * dv] = 0;
      }
    }
    long recalled = 0L, answer = 0L; // both on the old state
    for (uint i = 0u; i < dk; i++) {
      long x = m[(size_t)i * dv];
      recalled += kv[i] * x;
      answer += qv[i] * x;
    }
    uint miss = vb_add(v[th * dv + j], vb_neg(vb_mul(vb_norm(recalled, c - 14), s.now)));
    uint d = vb_mul(s.beta, miss);
    y[th * dv + j] = vb_add(vb_mul(vb_norm(answer, c - 14), s.now_scaled), vb_mul(kq[vector], d));
    d = vb_mul(d, s.back);
    if (d == 0u || k_bits[vector] == 0) continue;
    // The column += k * d, rounded once per element to a grid that holds both terms.
    long x = clamp(vb_shr_rne((long)vb_man(d), 9), -32767L, 32767L);
    int e = vb_expb(d) - 155, bound = e + k_bits[vector] + 15;
    if (len) bound = max(bound, c + len);
    int grid = bound - 25;
    uint top = 0u;
    for (uint i = 0u; i < dk; i++) {
      long old = len ? vb_shr_rne((long)m[(size_t)i * dv], grid - c) : 0L;
      int now = (int)(old + vb_shr_rne(kv[i] * x, grid - e));
      m[(size_t)i * dv] = now;
      top = max(top, abs(now));
    }
    c = grid;
    len = vb_bit_length(top);
  }
  exponent[column] = c;
  length[column] = len;
}
