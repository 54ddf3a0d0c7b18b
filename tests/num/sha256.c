// SPDX-License-Identifier: Apache-2.0
#include "sha256.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

/// The first 32 bits of the fractional parts of the primes' roots, by integer search instead of a typed table.
static uint32_t root_bits(uint32_t prime, int cube) {
  // Largest r with r^2 <= p 2^64 or r^3 <= p 2^96; the integer part falls off the top.
  uint64_t r = 0;
  for (int bit = 35; bit >= 0; bit--) {
    unsigned __int128 t = r | (uint64_t)1 << bit, limit = (unsigned __int128)prime << 64;
    // t < 2^36, so t^3 < 2^108.
    if (cube ? t * t * t <= (unsigned __int128)prime << 96 : t * t <= limit) r = (uint64_t)t;
  }
  return (uint32_t)r;
}

static void block(uint32_t h[8], const uint32_t k[64], const uint8_t *p) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
           (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
  memcpy(v, h, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t t1 =
        v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
    uint32_t t2 =
        (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += t1;
    v[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) h[i] += v[i];
}

void sha256_hex(const void *data, size_t size, char out[65]) {
  uint32_t h[8], k[64], prime = 2;
  for (int i = 0; i < 64; prime++) {
    int composite = 0;
    for (uint32_t d = 2; d * d <= prime; d++) composite |= prime % d == 0;
    if (composite) continue;
    if (i < 8) h[i] = root_bits(prime, 0);
    k[i++] = root_bits(prime, 1);
  }
  size_t padded = (size + 9 + 63) / 64 * 64;
  uint8_t *p = calloc(1, padded);
  if (!p) abort();
  memcpy(p, data, size);
  p[size] = 0x80;
  for (int i = 0; i < 8; i++) p[padded - 1 - (size_t)i] = (uint8_t)((uint64_t)size * 8 >> (8 * i));
  for (size_t at = 0; at < padded; at += 64) block(h, k, p + at);
  free(p);
  for (int i = 0; i < 8; i++) snprintf(out + 8 * i, 9, "%08x", h[i]);
}
