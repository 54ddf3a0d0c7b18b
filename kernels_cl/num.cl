// SPDX-License-Identifier: Apache-2.0
// The numeric contract on an OpenCL device (docs/numerics.md): the only functions here that may round.
//
// Written from the contract, not from host/num, so that the two check each other. Integers only: no device's float
// unit, denormal mode or library can change a bit. A carrier value (F32Z) is a uint that holds float bits.
#pragma OPENCL FP_CONTRACT OFF

#define VB_BLOCK 32u
#define VB_REC_HEADER 32u
#define VB_REC_KMAX 18u
#define VB_REC_VCODES 20u
#define VB_EM_ROW 16u
#define VB_M_NONE ((int)0x80000000)
#define VB_EM_NONE ((short)-32768)
#define VB_Z_ONE 0x3f800000u
#define VB_Z_LOG2E 0x3fb8aa3bu
#define VB_Z_LN2 0x3f317218u
#define VB_Z_MAX 0x5f7fffffu // (2 - 2^-23) * 2^63, where the carrier saturates

uint vb_blocks(uint n) { return (n + VB_BLOCK - 1u) / VB_BLOCK; }
uint vb_rec_bytes(uint d) { return VB_REC_HEADER + VB_BLOCK * vb_blocks(d); }
uint vb_val_bytes(uint d) { return VB_BLOCK * vb_blocks(d); }

// Signed shift right, round half to even; s < 0 shifts left, s > 62 gives 0. All shift counts stay in 0..63, because
// OpenCL would silently take a larger one modulo 64.
long vb_shr_rne(long x, int s) {
  if (s <= 0) return s < -62 ? 0L : (long)((ulong)x << (uint)(-s));
  if (s > 62) return 0L;
  long y = x >> s;
  long guard = (x >> (s - 1)) & 1L;
  long sticky = (x & ((1L << (s - 1)) - 1L)) != 0L;
  return y + (guard & (sticky | (y & 1L)));
}

// The same for |x| < 2^24 and s >= 1 in 32 bits: anything from 25 on gives 0.
int vb_shr_rne_man(int x, int s) {
  s = min(s, 25);
  int y = x >> s;
  int guard = (x >> (s - 1)) & 1;
  int sticky = (x & ((1 << (s - 1)) - 1)) != 0;
  return y + (guard & (sticky | (y & 1)));
}

// Unsigned shift right, round half up; s < 0 shifts left, s > 64 gives 0.
ulong vb_shr_rhu(ulong x, int s) {
  if (s <= 0) return s < -63 ? 0UL : x << (uint)(-s);
  if (s > 64) return 0UL;
  ulong low = x >> (uint)(s - 1);
  return (low >> 1) + (low & 1UL);
}

// The same for 32-bit x and s >= 0; s > 32 gives 0.
uint vb_shr_rhu32(uint x, uint s) {
  if (s == 0u) return x;
  if (s > 32u) return 0u;
  uint low = x >> (s - 1u);
  return (low >> 1) + (low & 1u);
}

int vb_msb(ulong x) { return 63 - (int)clz(x); }

// Mantissa with sign (0 for +0) and biased exponent: x = vb_man(x) * 2^(vb_expb(x) - 150).
int vb_expb(uint x) { return (int)((x >> 23) & 255u); }
int vb_man(uint x) {
  int m = vb_expb(x) ? (int)((x & 0x7fffffu) | 0x800000u) : 0;
  return (x >> 31) ? -m : m;
}

uint vb_neg(uint x) { return x ? x ^ 0x80000000u : 0u; }

// sign | m * 2^(ex - 23) for a mantissa m in [2^23, 2^24]: the one place where results flush and saturate.
uint vb_carrier(uint sign, uint m, int ex) {
  if (m >> 24) {
    m >>= 1;
    ex++;
  }
  if (ex < -62) return 0u;
  if (ex > 63) return sign | VB_Z_MAX;
  return sign | ((uint)(ex + 127) << 23) | (m & 0x7fffffu);
}

// NORM: carrier value of n * 2^e.
uint vb_norm(long n, int e) {
  if (n == 0L) return 0u;
  uint sign = n < 0L ? 0x80000000u : 0u;
  ulong a = abs(n);
  int top = vb_msb(a);
  a <<= (uint)(63 - top); // the leading one in bit 63: 24 kept bits, 40 to round away
  uint m = (uint)(a >> 40);
  ulong rest = a & 0xffffffffffUL;
  m += (uint)(rest > 0x8000000000UL || (rest == 0x8000000000UL && (m & 1u)));
  return vb_carrier(sign, m, top + e);
}

// The product of two 24-bit mantissas has 47 or 48 bits, so its normalisation is one select.
uint vb_mul(uint a, uint b) {
  if (a == 0u || b == 0u) return 0u;
  ulong p = (ulong)((a & 0x7fffffu) | 0x800000u) * (ulong)((b & 0x7fffffu) | 0x800000u);
  int wide = (int)(p >> 47);
  p <<= (uint)(1 - wide);
  uint m = (uint)(p >> 24), rest = (uint)p & 0xffffffu;
  m += (uint)(rest > 0x800000u || (rest == 0x800000u && (m & 1u)));
  return vb_carrier((a ^ b) & 0x80000000u, m, vb_expb(a) + vb_expb(b) - 254 + wide);
}

// Exact sum, rounded once. Beyond 2^26 between the operands the smaller one only matters as a sticky bit.
uint vb_add(uint a, uint b) {
  if (a == 0u) return b;
  if (b == 0u) return a;
  uint hi = vb_expb(a) >= vb_expb(b) ? a : b, lo = a ^ b ^ hi;
  int d = min(vb_expb(hi) - vb_expb(lo), 40);
  long y = (long)vb_man(lo) << 36, z = y >> d;
  z |= (long)((z << d) != y);
  return vb_norm(((long)vb_man(hi) << 36) + z, vb_expb(hi) - 186);
}

// Total order of maxima and top-k.
uint vb_order_key(uint x) { return (x >> 31) ? ~x : (x | 0x80000000u); }

// EXP2_24: (2^24 - 1) * 2^-(f / 65536).
uint vb_exp2_24(uint f) {
  uint row = f >> 12, dx = f & 4095u;
  uint t = vb_exp2_24_tab[row][1] - ((vb_exp2_24_tab[row][2] * dx + 2048u) >> 12);
  return vb_exp2_24_tab[row][0] - ((t * dx + 2048u) >> 12);
}

// n * 2^e with `bits` fraction bits, saturated symmetrically.
int vb_fixed(long n, int e, int bits) {
  int left = e + bits;
  ulong a = abs(n);
  if (n != 0L && vb_msb(a) + left > 31) return n < 0L ? -0x7fffffff : 0x7fffffff;
  long v = vb_shr_rne(n, -left);
  return (int)clamp(v, -0x7fffffffL, 0x7fffffffL);
}

int vb_q16(long n, int e) { return vb_fixed(n, e, 16); }
// A logit in base-2 units, Q15.16.
int vb_score_q16(uint z) {
  uint s = vb_mul(z, VB_Z_LOG2E);
  return vb_q16((long)vb_man(s), vb_expb(s) - 150);
}

// n > 0 as u * 2^e with u in [2^31, 2^32), round half up.
uint vb_norm_u32(ulong n, int *e) {
  int top = vb_msb(n);
  *e = top - 31;
  ulong u = vb_shr_rhu(n, top - 31);
  if (u >> 32) {
    u >>= 1;
    *e += 1;
  }
  return (uint)u;
}

// num * 2^e / den by an integer reciprocal of 32 bits.
uint vb_divide(long num, int e, ulong den) {
  uint n = vb_norm(num, 0);
  if (n == 0u || den == 0UL) return 0u;
  int le;
  ulong r = 0x7fffffffffffffffUL / (ulong)vb_norm_u32(den, &le);
  return vb_norm((long)vb_man(n) * (long)r, vb_expb(n) - 213 + e - le);
}

// Q7, the shared evaluator: 31-bit fraction, 128 segments, quadratic.
long vb_q7(__constant long (*tab)[3], uint f) {
  uint row = f >> 24;
  long dx = (long)(f & 0xffffffu);
  long slope = tab[row][1] + ((tab[row][2] * dx + 0x800000L) >> 24);
  return tab[row][0] + ((slope * dx + 0x800000L) >> 24);
}

// |x| * log2(e) in Q.31, capped at 2^38.
ulong vb_t31(uint x) {
  if (x == 0u) return 0UL;
  ulong p = (ulong)((x & 0x7fffffu) | 0x800000u) * 396564993198UL;
  int s = 157 - vb_expb(x);
  if (vb_msb(p) - s > 38) return 1UL << 38;
  return min(vb_shr_rhu(p, s), 1UL << 38);
}

// 2^31 / (1 + z / 2^31), 0 <= z <= 2^31.
long vb_recip1p(ulong z) { return (z >> 31) ? 1L << 30 : vb_q7(vb_recip_tab, (uint)z); }

uint vb_sigmoid(uint x) {
  ulong t = vb_t31(x);
  int i = (int)(t >> 31);
  long e = vb_q7(vb_exp2_tab, (uint)(t & 0x7fffffffUL)), y = vb_recip1p(vb_shr_rhu((ulong)e, i));
  return (x >> 31) ? vb_norm(e * y, -62 - i) : vb_norm(y, -31);
}
uint vb_silu(uint x) { return vb_mul(x, vb_sigmoid(x)); }

uint vb_tanh(uint x) {
  ulong t = 2UL * vb_t31(x);
  ulong z = vb_shr_rhu((ulong)vb_q7(vb_exp2_tab, (uint)(t & 0x7fffffffUL)), (int)(t >> 31));
  uint r = vb_norm(((1L << 31) - (long)z) * vb_recip1p(z), -62);
  return r ? r ^ (x & 0x80000000u) : 0u;
}

// x * sigmoid(2 sqrt(2 / pi) x (1 + 0.044715 x^2)).
uint vb_gelu_tanh(uint x) {
  uint p = vb_add(VB_Z_ONE, vb_mul(vb_mul(x, x), 0x3d372713u));
  return vb_mul(x, vb_sigmoid(vb_mul(vb_mul(x, p), 0x3fcc422au)));
}

// log2(1 + z / 2^31) in Q.31, 0 <= z <= 2^31.
long vb_log2_1p(ulong z) { return (z >> 31) ? 1L << 31 : vb_q7(vb_log2_tab, (uint)z); }
// log2 of a positive integer, Q.31.
long vb_log2i(ulong n) {
  int e;
  uint u = vb_norm_u32(n, &e);
  return ((long)(e + 31) << 31) + vb_q7(vb_log2_tab, u & 0x7fffffffu);
}
// softplus(x) * log2(e) in Q.31, below 2^39.
ulong vb_softplus2(uint x) {
  ulong t = vb_t31(x);
  ulong z = vb_shr_rhu((ulong)vb_q7(vb_exp2_tab, (uint)(t & 0x7fffffffUL)), (int)(t >> 31));
  return ((x >> 31) ? 0UL : t) + (ulong)vb_log2_1p(z);
}

// 1 / sqrt(x), x >= 0; 0 at 0.
uint vb_rsq(uint x) {
  if (x == 0u) return 0u;
  int e = vb_expb(x) - 127;
  uint f = (x & 0x7fffffu) << 8;
  long y = (e & 1) ? vb_q7(vb_rsqb_tab, f) : vb_q7(vb_rsqa_tab, f);
  return vb_norm(y, -31 - (e >> 1));
}

// P2: one block's dot product d at distance s below the row's and column's largest codes, 8 guard bits.
long vb_p2_term(int d, int s) { return vb_shr_rne((long)d, s - 8); }
uint vb_p2_norm(long acc, int a_max, int w_max) { return vb_norm(acc, a_max + w_max - 262); }
// A code's distance below the row's largest. Blocks of zeros (code 0) add nothing, wherever they are put.
int vb_below(int top, int code) { return code ? top - code : 0; }

// One element of an I8 (bits = 8) or I14 block whose largest exponent field is e > 0.
int vb_quant_elem(uint x, int e, int bits, int limit) {
  return clamp(vb_shr_rne_man(vb_man(x), 25 - bits + e - vb_expb(x)), -limit, limit);
}
