// SPDX-License-Identifier: Apache-2.0
/// @file scratch.h
/// Scratch memory of one operator call, and the thread count it may use.
#ifndef VERBATIM_CPU_SCRATCH_H
#define VERBATIM_CPU_SCRATCH_H
#include "verbatim/result.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint64_t vb_align64(uint64_t n) { return (n + 63) & ~(uint64_t)63; }

/// 64-byte aligned, not cleared, freed with free(). Never NULL: operators cannot fail, so this ends the process.
static inline void *vb_scratch(uint64_t bytes) {
  uint64_t size = vb_align64(bytes ? bytes : 1);
  void *p = size <= SIZE_MAX / 2 ? aligned_alloc(64, (size_t)size) : NULL;
  if (!p) {
    fprintf(stderr, "verbatim: out of memory (%llu bytes of operator scratch)\n", (unsigned long long)bytes);
    exit(VB_DEVICE);
  }
  return p;
}

static inline int vb_threads(int threads) { return threads < 1 ? 1 : threads; }
#endif
