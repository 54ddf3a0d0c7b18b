// SPDX-License-Identifier: Apache-2.0
/// Jobs of published sizes on the simulated units, every configuration that is built and has the room: one decode step
/// of a DeepSeek-V3.2 layer's sparse attention (indexer, then 128 heads on what it listed) and one routing of 128 tokens
/// over 256 experts. Prints cycles and wall time. `SIM_CONFIGS="base paper"` builds more configurations than base.
#include "base/file.h"
#include "ocl/common.h"
#include "ref/ref.h"
#include <string.h>

enum { KEYS = 16384, LISTED = 2048 };

static int find_devices(void) {
  vb_test_find_driver();
  ocl_devices();
  return 0;
}

/// The simulated device number i that offers all of the operator, or NULL.
static struct vb_ocl *able(uint32_t i, enum vb_ocl_kind kind, const void *op) {
  struct vb_ocl *d = ocl_devices()->device[i];
  return vb_ocl_info(d)->compiler || vb_ocl_lacks(d, kind, op) ? NULL : d;
}

static uint32_t ran;
static void report(struct vb_ocl *d, const char *what, uint64_t start) {
  struct vb_ocl_stats s;
  vb_ocl_last_stats(d, &s);
  printf("  %s, %s: %llu cycles in %.2f s\n", vb_ocl_info(d)->name, what, (unsigned long long)s.cycles,
         (double)(vb_now_ns() - start) * 1e-9);
  ran++;
}

/// 64 index heads of 128: the 2048 best of 16384 keys.
static uint32_t *select_keys(struct arena *a, struct vb_rng *r) {
  enum { HEADS = 64, DK = 128 };
  struct vb_kv kv = cache(a, r, 1, DK, 0, KEYS, KEYS);
  struct vb_indexer_op op = {.q = queries(a, r, HEADS, DK),
                             .w = values(a, r, VB_GEN_GAUSS, HEADS),
                             .w_scale = vb_from_float(0.011f),
                             .kv = &kv,
                             .heads = HEADS,
                             .k = LISTED,
                             .first_count = KEYS,
                             .t = {0, 1},
                             .key = {0, KEYS}};
  uint32_t *want = op.list = junk(a, LISTED * 4), *got = junk(a, LISTED * 4), count = 0, seen = 0;
  op.count = &count;
  vb_ref_indexer(&op);
  op.list = got, op.count = &seen;
  for (uint32_t i = 0; i < ocl_devices()->count; i++) {
    struct vb_ocl *d = able(i, VB_OCL_INDEXER, &op);
    if (!d) continue;
    uint64_t start = vb_now_ns();
    OK(vb_ocl_indexer(d, &op));
    VB_EXPECT_SAME("indexer", want, got, LISTED);
    VB_EXPECT_SAME("indexer", &count, &seen, 1);
    report(d, "indexer", start);
    memset(got, 0x5a, LISTED * 4), seen = 0;
    vb_ocl_forget_kv(d, kv.id);
  }
  return want;
}

static void decode_step(void) {
  enum { HEADS = 128, DK = 576, DV = 512 };
  struct vb_rng r = vb_test_rng();
  struct arena a = {0};
  uint32_t *list = select_keys(&a, &r), count = LISTED;
  struct vb_kv kv = cache(&a, &r, 1, DK, DV, KEYS, KEYS);
  vb_z *want = junk(&a, HEADS * DV * 4), *got = junk(&a, HEADS * DV * 4);
  struct vb_attention_op op = {.q = queries(&a, &r, HEADS, DK),
                               .kv = &kv,
                               .heads = HEADS,
                               .first_count = KEYS,
                               .list = list,
                               .list_count = &count,
                               .list_stride = LISTED,
                               .t = {0, 1},
                               .h = {0, HEADS},
                               .key = {0, KEYS},
                               .y = want};
  vb_ref_attention(&op);
  op.y = got, ran = 0;
  for (uint32_t i = 0; i < ocl_devices()->count; i++) {
    struct vb_ocl *d = able(i, VB_OCL_ATTENTION, &op);
    if (!d) continue;
    uint64_t start = vb_now_ns();
    OK(vb_ocl_attention(d, &op));
    VB_EXPECT_SAME("attention", want, got, HEADS * DV);
    report(d, "attention", start);
    memset(got, 0x5a, HEADS * DV * 4);
    vb_ocl_forget_kv(d, kv.id);
  }
  drop(&a);
  if (!ran) VB_SKIP("no device has keys of 18 blocks");
}

static void routing(void) {
  enum { TOKENS = 128, EXPERTS = 256, K = 8, PAIRS = TOKENS * K };
  struct vb_rng r = vb_test_rng();
  struct arena a = {0};
  struct vb_router_op op = {.logits = values(&a, &r, VB_GEN_GAUSS, TOKENS * EXPERTS),
                            .experts = EXPERTS,
                            .k = K,
                            .score = VB_SCORE_SIGMOID,
                            .renorm = 1,
                            .scale = vb_from_float(2.5f),
                            .bias = values(&a, &r, VB_GEN_GAUSS, EXPERTS),
                            .groups = 8,
                            .topk_groups = 4,
                            .group_top = 2,
                            .t = {0, TOKENS}};
  struct vb_router_op ref = op;
  op.ids = junk(&a, PAIRS * 4), op.gates = junk(&a, PAIRS * 4), op.list = junk(&a, PAIRS * 4);
  op.hist = junk(&a, EXPERTS * 4), op.offsets = junk(&a, (EXPERTS + 1) * 4);
  ref.ids = junk(&a, PAIRS * 4), ref.gates = junk(&a, PAIRS * 4), ref.list = junk(&a, PAIRS * 4);
  ref.hist = junk(&a, EXPERTS * 4), ref.offsets = junk(&a, (EXPERTS + 1) * 4);
  vb_ref_router(&ref);
  ran = 0;
  for (uint32_t i = 0; i < ocl_devices()->count; i++) {
    struct vb_ocl *d = able(i, VB_OCL_ROUTER, &op);
    if (!d) continue;
    uint64_t start = vb_now_ns();
    OK(vb_ocl_router(d, &op));
    VB_EXPECT_SAME("router", ref.ids, op.ids, PAIRS);
    VB_EXPECT_SAME("router", ref.gates, op.gates, PAIRS);
    VB_EXPECT_SAME("router", ref.hist, op.hist, EXPERTS);
    VB_EXPECT_SAME("router", ref.offsets, op.offsets, EXPERTS + 1);
    VB_EXPECT_SAME("router", ref.list, op.list, PAIRS);
    report(d, "router", start);
    memset(op.ids, 0x5a, PAIRS * 4), memset(op.gates, 0x5a, PAIRS * 4), memset(op.list, 0x5a, PAIRS * 4);
  }
  drop(&a);
  if (!ran) VB_SKIP("no device with a router");
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"decode step", decode_step}, {"routing", routing}, {0}};
  const struct vb_suite suites[] = {{"sim_full_size", tests, find_devices, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
