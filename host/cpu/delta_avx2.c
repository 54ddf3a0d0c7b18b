// SPDX-License-Identifier: Apache-2.0
// Gated delta rule passes for AVX2.
#include "cpu/dot.h"
#if defined(__x86_64__)
#pragma GCC target("avx2")
#include <immintrin.h>

typedef int32_t vi __attribute__((vector_size(32), may_alias));
typedef uint32_t vu __attribute__((vector_size(32), may_alias));
typedef int64_t vl __attribute__((vector_size(32), may_alias));
typedef uint64_t vul __attribute__((vector_size(32), may_alias));
enum { VB_W = 8 };

static inline vl vb_mul_even(vi a, vi b) { return (vl)_mm256_mul_epi32((__m256i)a, (__m256i)b); }
static inline vi vb_mul16(int32_t a, vi b) { return (vi)_mm256_madd_epi16(_mm256_set1_epi32(a & 0xffff), (__m256i)b); }

#include "cpu/delta_tile.h"

void vb_avx2_delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u) {
  delta_sums(m, dk, k, q, p, u);
}
void vb_avx2_delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d) {
  delta_update(s, dk, k, k_bits, d);
}
#else
typedef int vb_no_avx2; // ISO C wants one declaration per file
#endif
