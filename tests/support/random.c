// SPDX-License-Identifier: Apache-2.0
/// Random numbers and random carrier values. Integers only: libm or the compiler must not change a test's inputs.
#include "num/num.h"
#include "support/harness.h"

uint64_t vb_rng_next(struct vb_rng *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t vb_rng_below(struct vb_rng *r, uint64_t n) {
  return (uint64_t)(((unsigned __int128)vb_rng_next(r) * n) >> 64);
}

int64_t vb_rng_range(struct vb_rng *r, int64_t lo, int64_t hi) {
  uint64_t span = (uint64_t)hi - (uint64_t)lo + 1;
  return (int64_t)((uint64_t)lo + (span ? vb_rng_below(r, span) : vb_rng_next(r)));
}

double vb_rng_gauss(struct vb_rng *r) {
  int64_t sum = 0;
  for (int i = 0; i < 6; i++) {
    uint64_t u = vb_rng_next(r);
    sum += (int64_t)(u & 0xffffffff) + (int64_t)(u >> 32);
  }
  return (double)(sum - ((int64_t)6 << 32)) * 0x1p-32;
}

void vb_rng_shuffle(struct vb_rng *r, uint32_t *a, uint32_t n) {
  for (uint32_t i = n; i > 1; i--) {
    uint32_t j = (uint32_t)vb_rng_below(r, i), t = a[i - 1];
    a[i - 1] = a[j];
    a[j] = t;
  }
}

static vb_z gauss_z(struct vb_rng *r, int scale) { return vb_norm((int64_t)(vb_rng_gauss(r) * 0x1p40), scale - 40); }

/// Exponents and mantissas whose products, sums and roundings sit on the contract's edges.
const uint32_t *vb_edge_values(uint32_t *n) {
  static const int8_t exps[] = {-62, -61, -39, -38, -31, -24, -1, 0, 1, 23, 24, 31, 32, 62, 63};
  static const uint32_t mans[] = {0, 1, 2, 0x3fffff, 0x400000, 0x400001, 0x7ffffe, 0x7fffff};
  enum { N = 1 + 2 * sizeof exps * (sizeof mans / sizeof *mans) };
  static uint32_t values[N];
  if (!values[1]) {
    uint32_t at = 1; // values[0] is +0
    for (uint32_t s = 0; s < 2; s++)
      for (uint32_t e = 0; e < sizeof exps; e++)
        for (uint32_t m = 0; m < sizeof mans / sizeof *mans; m++)
          values[at++] = s << 31 | (uint32_t)(127 + exps[e]) << 23 | mans[m];
  }
  *n = N;
  return values;
}

uint32_t vb_rng_z(struct vb_rng *r, enum vb_gen kind) {
  uint64_t u = vb_rng_next(r);
  uint32_t n;
  switch (kind) {
  case VB_GEN_GAUSS: return gauss_z(r, 0);
  case VB_GEN_OUTLIER: return gauss_z(r, u % 32 ? 0 : 4 + (int)(u >> 32) % 9);
  case VB_GEN_EDGE: {
    const uint32_t *edge = vb_edge_values(&n);
    return edge[(u >> 8) % n];
  }
  case VB_GEN_MIX: return vb_rng_z(r, (enum vb_gen)(u % VB_GEN_MIX));
  case VB_GEN_UNIFORM:
  case VB_GEN_KINDS: break;
  }
  if (u % 64 == 0) return 0;
  uint32_t e = (uint32_t)(127 + VB_Z_EMIN) + (uint32_t)((u >> 8) % (VB_Z_EMAX - VB_Z_EMIN + 1));
  return (uint32_t)(u >> 63) << 31 | e << 23 | ((uint32_t)(u >> 32) & 0x7fffff);
}

void vb_rng_fill(struct vb_rng *r, enum vb_gen kind, uint32_t *z, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) z[i] = vb_rng_z(r, kind);
}

const char *vb_gen_name(enum vb_gen kind) {
  static const char *const names[VB_GEN_KINDS] = {"uniform", "gauss", "outlier", "edge", "mix"};
  return kind < VB_GEN_KINDS ? names[kind] : "?";
}
