// SPDX-License-Identifier: Apache-2.0
/// @file common.h
/// What the OpenCL suites share: the device under test, and random weights, records and caches.
#ifndef VB_TESTS_OCL_COMMON_H
#define VB_TESTS_OCL_COMMON_H
#include "num/block.h"
#include "ocl/ocl.h"
#include "support/harness.h"
#include "verbatim/ops.h"

/// Prepare the environment of OpenCL (cache folder of PoCL) and open all devices, once.
const struct vb_ocl_list *ocl_devices(void);
/// First device that compiles (source) or does not; NULL if there is none.
struct vb_ocl *ocl_device(bool source);
/// Tiny shapes and counts: for interpreters such as oclgrind (VB_OCL_SMALL=1).
bool ocl_small(void);

extern struct vb_ocl *ocl_dev; ///< the device under test
/// Run random cases until enough of them were run and enough values of an operator were compared.
void until(const char *op, void (*one)(struct vb_rng *r));
#define UNTIL(name, op, one) \
  static void name(void) { until(op, one); }
/// Operators of particular models (models.c).
extern const struct vb_test ocl_model_tests[];

/// Memory of one test case: freed together, zeroed when given out.
struct arena {
  void *block[256];
  size_t n;
};
void *take(struct arena *a, size_t bytes);
void *take_copy(struct arena *a, const void *from, size_t bytes);
void *junk(struct arena *a, size_t bytes); ///< for outputs: the same on both sides, so that stray writes show
void drop(struct arena *a);

/// Sizes: mostly odd and small; `big` only outside interpreters.
uint32_t size(struct vb_rng *r, uint32_t small, uint32_t big);
uint32_t between(struct vb_rng *r, uint32_t lo, uint32_t hi);
struct vb_range subrange(struct vb_rng *r, uint32_t n); ///< often all of it, never empty
enum vb_gen any_gen(struct vb_rng *r);
/// n carrier values of one distribution.
vb_z *values(struct arena *a, struct vb_rng *r, enum vb_gen kind, size_t n);
struct vb_w8 weights8(struct arena *a, struct vb_rng *r, uint32_t rows, uint32_t cols);
struct vb_w14 weights14(struct arena *a, struct vb_rng *r, uint32_t rows, uint32_t cols);
/// A cache with `length` of `capacity` positions filled, and a new id.
struct vb_kv cache(struct arena *a, struct vb_rng *r, uint32_t heads, uint32_t dk, uint32_t dv, uint32_t capacity,
                   uint32_t length);
/// Fill positions [from, to) of a cache with new records.
void cache_fill(struct vb_rng *r, struct vb_kv *kv, uint32_t from, uint32_t to);
/// Query records [n][rec].
uint8_t *queries(struct arena *a, struct vb_rng *r, size_t n, uint32_t dk);

/// Attention of a device against the reference: FULL, or the phases over split keys, merged as the runtime does.
void attention_case(struct vb_rng *r, struct vb_ocl *d, uint32_t dk, uint32_t dv, uint32_t keys, uint32_t tokens,
                    uint32_t heads, uint32_t kv_heads);
/// The indexer of a device against the reference: FULL, and SCORES of two parts of the keys.
void indexer_case(struct vb_rng *r, struct vb_ocl *d, uint32_t keys, uint32_t tokens, uint32_t heads, uint32_t dk);
void router_case(struct vb_rng *r, struct vb_ocl *d, uint32_t tokens, uint32_t experts, uint32_t k);

/// Assert that a call succeeded, with its message.
#define OK(call) VB_CHECK((call) == VB_OK, "%s", vb_last_error())
#endif
