// SPDX-License-Identifier: Apache-2.0
/// @file compare.h
/// What the CPU operator tests share: the configurations an operator runs in, and the comparison of its outputs.
#ifndef VB_TESTS_CPU_COMPARE_H
#define VB_TESTS_CPU_COMPARE_H
#include "support/harness.h"
#include "verbatim/ops.h"

/// Instruction set, threads and floating point environment of one run.
struct config {
  const char *isa;
  int threads;
  unsigned mxcsr;
};

/// Names of the instruction sets that this machine has; NULL ends the list.
const char *const *isa_list(void);
/// Put every thread into the configuration's environment and select its instruction set.
void config_enter(const struct config *c);
/// Back to the default environment.
void config_leave(void);
/// Iterate: configuration i of a case (each instruction set twice), false at the end.
bool config_at(struct vb_rng *r, uint32_t i, struct config *c);

/// malloc, filled with a pattern: what an operator should not have written differs from the reference's copy.
void *poisoned(uint64_t bytes);
/// Elements that differ.
uint64_t differing(const void *a, const void *b, uint64_t n, size_t bytes);
/// Compare n elements, count them for `op`, and now and then prove on the same data that one flipped bit is noticed.
void compare(struct vb_rng *r, const char *op, const struct config *c, const void *expected, void *actual, uint64_t n,
             size_t bytes);

/// Values, sometimes with zero blocks or rows; the distribution is drawn too.
vb_z *random_values(struct vb_rng *r, uint64_t n);
/// Uniform in [lo, hi].
uint32_t between(struct vb_rng *r, uint32_t lo, uint32_t hi);
/// A random range inside [0, n): often all of it, rarely empty.
struct vb_range random_range(struct vb_rng *r, uint32_t n);
struct vb_w8 random_w8(struct vb_rng *r, uint32_t rows, uint32_t cols);
struct vb_w14 random_w14(struct vb_rng *r, uint32_t rows, uint32_t cols);
void free_w8(struct vb_w8 *w);
void free_w14(struct vb_w14 *w);

/// Cases of a test: at least `least`, and until op has compared 10^4 values (10^6 in a campaign).
bool more_cases(const char *op, uint32_t done, uint32_t least);
#endif
