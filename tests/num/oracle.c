// SPDX-License-Identifier: Apache-2.0
#include "oracle.h"
#include <math.h>
#include <string.h>

i128 oracle_div_rne(i128 x, int s) {
  i128 unit = (i128)1 << s, low = x / unit; // towards zero
  if (low * unit > x) low--;                // floor
  i128 below = x - low * unit, above = unit - below;
  if (below == above) return low % 2 ? low + 1 : low;
  return below < above ? low : low + 1;
}

u128 oracle_div_rhu(u128 x, int s) {
  u128 unit = (u128)1 << s, low = x / unit, below = x - low * unit;
  return below >= unit - below ? low + 1 : low;
}

int oracle_log2(u128 x) {
  int n = -1;
  while (x) x /= 2, n++;
  return n;
}

static uint32_t pack(bool negative, u128 mantissa, int exponent) { // mantissa * 2^(exponent - 23), 24 bits
  if (exponent < -62) return 0;
  if (exponent > 63) mantissa = 0xffffff, exponent = 63;
  return (negative ? 0x80000000u : 0) | (uint32_t)(exponent + 127) << 23 | (uint32_t)(mantissa - 0x800000);
}

uint32_t oracle_norm(i128 n, int e) {
  if (n == 0) return 0;
  u128 a = n < 0 ? -(u128)n : (u128)n;
  int top = oracle_log2(a);
  if (top <= 23) return pack(n < 0, a << (23 - top), top + e);
  u128 m = (u128)oracle_div_rne((i128)a, top - 23);
  if (m == 0x1000000) return pack(n < 0, 0x800000, top + 1 + e);
  return pack(n < 0, m, top + e);
}

static i128 mantissa(uint32_t z) { return z == 0 ? 0 : (z >> 31 ? -1 : 1) * (i128)((z & 0x7fffff) + 0x800000); }
static int exponent(uint32_t z) { return (int)((z << 1) >> 24) - 150; }

uint32_t oracle_mul(uint32_t a, uint32_t b) {
  return oracle_norm(mantissa(a) * mantissa(b), exponent(a) + exponent(b));
}

uint32_t oracle_add(uint32_t a, uint32_t b) {
  if (a == 0 || b == 0) return a | b;
  int d = exponent(a) - exponent(b);
  // 100 binades apart the smaller one is below a quarter of the last place: the larger one is the nearest value.
  if (d > 100) return a;
  if (d < -100) return b;
  if (d >= 0) return oracle_norm(mantissa(a) * ((i128)1 << d) + mantissa(b), exponent(b));
  return oracle_norm(mantissa(a) + mantissa(b) * ((i128)1 << -d), exponent(a));
}

long double oracle_value(uint32_t z) { return ldexpl((long double)mantissa(z), exponent(z)); }
