// SPDX-License-Identifier: Apache-2.0
/// @file hadamard.h
/// Hadamard rotation of the indexer's queries and keys: exact add stages on aligned integers (docs/numerics.md).
#ifndef VERBATIM_NUM_HADAMARD_H
#define VERBATIM_NUM_HADAMARD_H
#include "num/num.h"

/// The factor 1/n of a query-key product is shared: 2^-floor(log2(n)/2) for queries, the rest for keys.
enum vb_hadamard_side { VB_HADAMARD_QUERY, VB_HADAMARD_KEY };

/// Rotate x[n] in place; n is a power of two up to 128, so that 24-bit integers stay below 2^31.
static inline void vb_hadamard(vb_z *x, uint32_t n, enum vb_hadamard_side side) {
  int32_t a[128];
  int e = 0, stages = vb_msb(n);
  for (uint32_t i = 0; i < n; i++)
    if (x[i] && vb_expb(x[i]) > e) e = vb_expb(x[i]);
  for (uint32_t i = 0; i < n; i++) a[i] = (int32_t)vb_shr_rne(vb_man(x[i]), e - vb_expb(x[i]));
  for (uint32_t step = 1; step < n; step *= 2)
    for (uint32_t i = 0; i < n; i++)
      if (!(i & step)) {
        int32_t p = a[i], q = a[i + step];
        a[i] = p + q, a[i + step] = p - q;
      }
  int share = side == VB_HADAMARD_QUERY ? stages / 2 : stages - stages / 2;
  for (uint32_t i = 0; i < n; i++) x[i] = vb_norm(a[i], e - 150 - share);
}
#endif
