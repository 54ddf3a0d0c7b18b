// SPDX-License-Identifier: Apache-2.0
/// @file rng.h
/// SplitMix64: a small generator whose streams are the same on every machine. Seeds are printed, so runs replay.
#ifndef VERBATIM_NUM_RNG_H
#define VERBATIM_NUM_RNG_H
#include <stdint.h>

static inline uint64_t vb_mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
static inline uint64_t vb_draw_seed(uint64_t seed) { return vb_mix64(seed + 0x9e3779b97f4a7c15u); }
static inline uint64_t vb_draw(uint64_t *state) { return vb_mix64(*state += 0x9e3779b97f4a7c15u); }
/// Uniform below n (n > 0), by multiplication: bias below n / 2^64.
static inline uint64_t vb_draw_below(uint64_t *state, uint64_t n) {
  return (uint64_t)(((unsigned __int128)vb_draw(state) * n) >> 64);
}
#endif
