// SPDX-License-Identifier: Apache-2.0
// Gated delta rule passes for AVX-512.
#include "cpu/dot.h"
#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
#include <immintrin.h>

typedef int32_t vi __attribute__((vector_size(64), may_alias));
typedef uint32_t vu __attribute__((vector_size(64), may_alias));
typedef int64_t vl __attribute__((vector_size(64), may_alias));
typedef uint64_t vul __attribute__((vector_size(64), may_alias));
enum { VB_W = 16 };

static inline vl vb_mul_even(vi a, vi b) { return (vl)_mm512_mul_epi32((__m512i)a, (__m512i)b); }
static inline vi vb_mul16(int32_t a, vi b) { return (vi)_mm512_madd_epi16(_mm512_set1_epi32(a & 0xffff), (__m512i)b); }

#include "cpu/delta_tile.h"

void vb_avx512_delta_sums(const int32_t *m, uint32_t dk, const int32_t *k, const int32_t *q, int64_t *p, int64_t *u) {
  delta_sums(m, dk, k, q, p, u);
}
void vb_avx512_delta_update(struct vb_delta_tile *s, uint32_t dk, const int32_t *k, int k_bits, const vb_z *d) {
  delta_update(s, dk, k, k_bits, d);
}
#else
typedef int vb_no_avx512; // ISO C wants one declaration per file
#endif
