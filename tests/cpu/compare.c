// SPDX-License-Identifier: Apache-2.0
#include "compare.h"
#include "cpu/cpu.h"
#include "num/block.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { MXCSR_DEFAULT = 0x1f80, FTZ_DAZ = 0x8040, DOWN = 0x2000, UP = 0x4000, TO_ZERO = 0x6000, MAX_THREADS = 3 };

static void set_mxcsr(unsigned v) {
#if defined(__x86_64__)
#pragma omp parallel num_threads(MAX_THREADS)
  _mm_setcsr(v);
#else
  (void)v;
#endif
}

const char *const *isa_list(void) {
  static const char *list[4];
  static const char *const names[] = {"portable", "avx2", "avx512vnni"};
  if (!list[0])
    for (size_t i = 0, n = 0; i < 3; i++)
      if (vb_cpu_select_isa(names[i]) == VB_OK) list[n++] = names[i];
  return list;
}

void config_enter(const struct config *c) {
  if (vb_cpu_select_isa(c->isa) != VB_OK) abort();
  set_mxcsr(c->mxcsr);
}

void config_leave(void) { set_mxcsr(MXCSR_DEFAULT); }

bool config_at(struct vb_rng *r, uint32_t i, struct config *c) {
  static const unsigned modes[] = {0, FTZ_DAZ, DOWN, UP, TO_ZERO, FTZ_DAZ | TO_ZERO};
  const char *isa = isa_list()[i / 2];
  if (!isa) return false;
  // One of the two runs with flushed denormals or another rounding mode.
  *c = (struct config){isa, (int)between(r, 1, MAX_THREADS), MXCSR_DEFAULT | modes[i % 2 ? between(r, 1, 5) : 0]};
  return true;
}

void *poisoned(uint64_t bytes) {
  void *p = malloc(bytes ? bytes : 1);
  if (!p) abort();
  memset(p, 0xa5, bytes);
  return p;
}

uint64_t differing(const void *a, const void *b, uint64_t n, size_t bytes) {
  if (!memcmp(a, b, n * bytes)) return 0;
  uint64_t bad = 0;
  for (uint64_t i = 0; i < n; i++) bad += memcmp((const char *)a + i * bytes, (const char *)b + i * bytes, bytes) != 0;
  return bad;
}

void compare(struct vb_rng *r, const char *op, const struct config *c, const void *expected, void *actual, uint64_t n,
             size_t bytes) {
  uint64_t bad = differing(expected, actual, n, bytes);
  vb_test_compared(op, n);
  if (bad)
    printf("    %s: %s, %d threads, mxcsr %x: %llu of %llu differ\n", op, c->isa, c->threads, c->mxcsr,
           (unsigned long long)bad, (unsigned long long)n);
  VB_CHECK(!bad, "%s on %s", op, c->isa);
  if (bad || !n || vb_rng_below(r, 8)) return;
  uint8_t *byte = (uint8_t *)actual + vb_rng_below(r, n * bytes), bit = (uint8_t)(1u << vb_rng_below(r, 8));
  *byte ^= bit;
  VB_CHECK(differing(expected, actual, n, bytes) == 1, "%s: a planted wrong bit went unnoticed", op);
  *byte ^= bit;
}

uint32_t between(struct vb_rng *r, uint32_t lo, uint32_t hi) { return (uint32_t)vb_rng_range(r, lo, hi); }

vb_z *random_values(struct vb_rng *r, uint64_t n) {
  vb_z *x = malloc(n * sizeof *x + 1);
  if (!x) abort();
  vb_rng_fill(r, (enum vb_gen)vb_rng_below(r, VB_GEN_KINDS), x, n);
  if (n && !vb_rng_below(r, 3)) { // a stretch of zeros
    uint64_t at = vb_rng_below(r, n), len = vb_rng_below(r, n - at + 1);
    memset(x + at, 0, len * sizeof *x);
  }
  return x;
}

struct vb_range random_range(struct vb_rng *r, uint32_t n) {
  struct vb_range a = {0, n};
  if (vb_rng_below(r, 2)) {
    a.begin = between(r, 0, n);
    a.end = between(r, a.begin, n);
  }
  return a;
}

struct vb_w8 random_w8(struct vb_rng *r, uint32_t rows, uint32_t cols) {
  uint32_t blocks = vb_blocks(cols);
  int8_t *q = malloc((size_t)rows * blocks * VB_BLOCK + 1);
  uint8_t *codes = malloc((size_t)rows * blocks + 1), *max = malloc(rows + 1);
  vb_z *x = random_values(r, (uint64_t)rows * cols);
  for (uint32_t i = 0; i < rows; i++)
    max[i] = vb_quant_row_i8(x + (size_t)i * cols, cols, q + (size_t)i * blocks * VB_BLOCK, codes + (size_t)i * blocks);
  free(x);
  return (struct vb_w8){rows, cols, blocks, q, codes, max};
}

struct vb_w14 random_w14(struct vb_rng *r, uint32_t rows, uint32_t cols) {
  uint32_t blocks = vb_blocks(cols);
  int16_t *q = malloc(((size_t)rows * blocks * VB_BLOCK + 1) * sizeof *q);
  uint8_t *codes = malloc((size_t)rows * blocks + 1), *max = malloc(rows + 1);
  vb_z *x = random_values(r, (uint64_t)rows * cols);
  for (uint32_t i = 0; i < rows; i++)
    max[i] =
        vb_quant_row_i14(x + (size_t)i * cols, cols, q + (size_t)i * blocks * VB_BLOCK, codes + (size_t)i * blocks);
  free(x);
  return (struct vb_w14){rows, cols, blocks, q, codes, max};
}

void free_w8(struct vb_w8 *w) { free((void *)w->q), free((void *)w->codes), free((void *)w->max); }
void free_w14(struct vb_w14 *w) { free((void *)w->q), free((void *)w->codes), free((void *)w->max); }

bool more_cases(const char *op, uint32_t done, uint32_t least) {
  return done < least || vb_test_values(op) < vb_test_count(10000, 1000000);
}
