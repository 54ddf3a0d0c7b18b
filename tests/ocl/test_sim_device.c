// SPDX-License-Identifier: Apache-2.0
/// Devices with built-in kernels (the RTL simulator) through the same interface as every other device: attention and
/// the router against the reference, the probe, counters. Skipped where no such driver is built.
#include "ocl/common.h"
#include "ref/ref.h"
#include <stdlib.h>
#include <string.h>

static struct vb_ocl *dev;

static int find_device(void) {
  vb_test_find_driver();
  dev = ocl_device(false);
  return 0;
}
#define NEED_DEVICE()                                     \
  do {                                                    \
    if (!dev) VB_SKIP("no device with built-in kernels"); \
  } while (0)

/// Largest key or value size, by the device's own word.
static uint32_t largest(const char *what) {
  char name[64];
  snprintf(name, sizeof name, "attention-%s-blocks=", what);
  const char *p = strstr(vb_ocl_info(dev)->configuration, name);
  return p ? 32 * (uint32_t)strtoul(p + strlen(name), NULL, 10) : 128;
}

static void test_accepts(void) {
  NEED_DEVICE();
  OK(vb_ocl_probe(dev));
  VB_CHECK(vb_ocl_supports(dev, VB_OCL_ATTENTION) && vb_ocl_supports(dev, VB_OCL_ROUTER) &&
               vb_ocl_supports(dev, VB_OCL_INDEXER),
           "kernels: %s", vb_ocl_info(dev)->kernels);
  VB_CHECK(!vb_ocl_supports(dev, VB_OCL_LINEAR), "linear is no unit");
  VB_CHECK(vb_ocl_can_attention(dev, 8, 2, 64, 32) && vb_ocl_can_attention(dev, 8, 2, 40, 20) &&
               vb_ocl_can_attention(dev, 8, 2, largest("key"), largest("value")) &&
               !vb_ocl_can_attention(dev, 8, 2, largest("key") + 1, 32) &&
               !vb_ocl_can_attention(dev, 8, 2, 64, largest("value") + 1) && !vb_ocl_can_attention(dev, 8, 3, 64, 32),
           "limits");
  vb_z one = VB_Z_ONE, y;
  struct vb_add_op op = {.a = &one, .b = &one, .cols = 1, .t = {0, 1}, .n = {0, 1}, .y = &y};
  VB_CHECK(vb_ocl_add(dev, &op) != VB_OK, "an operator that the device lacks");
}

static void test_refuses(void) {
  NEED_DEVICE();
  static const char *const check[] = {"tables", "attention", "router", "indexer"};
  for (size_t i = 0; i < 4; i++) {
    struct vb_ocl_list list;
    char name[32];
    snprintf(name, sizeof name, "probe %s", check[i]);
    setenv("VERBATIM_OCL_PLANT", check[i], 1);
    OK(vb_ocl_open_all(&list));
    for (uint32_t k = 0; k < list.count; k++)
      if (!vb_ocl_info(list.device[k])->compiler)
        VB_CHECK(vb_ocl_probe(list.device[k]) == VB_DEVICE && strstr(vb_last_error(), name), "%s: \"%s\"", check[i],
                 vb_last_error());
    vb_ocl_close_all(&list);
  }
  unsetenv("VERBATIM_OCL_PLANT");
}

/// Every mode with any mixture of what a token sees, sinks and shared values; sizes that fill their blocks and that do not.
static void test_attention(void) {
  NEED_DEVICE();
  struct vb_rng r = vb_test_rng();
  uint64_t start = vb_test_values("attention"), want = vb_test_count(60000, 2000000);
  for (uint32_t cases = 0; cases < 60 || vb_test_values("attention") - start < want; cases++) {
    uint32_t share = between(&r, 1, 6), kv_heads = between(&r, 1, 3), keys = between(&r, 1, 90);
    uint32_t dk = vb_rng_below(&r, 2) ? 32 * between(&r, 1, 4) : between(&r, 1, 128);
    uint32_t dv = vb_rng_below(&r, 2) ? 32 * between(&r, 1, 4) : between(&r, 1, 128);
    attention_case(&r, dev, dk, dv, keys, between(&r, 1, keys < 5 ? keys : 5), share * kv_heads, kv_heads);
  }
}

/// The sizes of absorbed MLA, or the largest that there are.
static void test_latent_attention(void) {
  NEED_DEVICE();
  struct vb_rng r = vb_test_rng();
  const uint32_t dk = largest("key"), dv = largest("value") < dk ? largest("value") : dk;
  for (uint32_t cases = 0; cases < vb_test_count(6, 100); cases++) {
    uint32_t keys = between(&r, 1, 40), tokens = between(&r, 1, keys < 2 ? keys : 2);
    attention_case(&r, dev, dk - between(&r, 0, 40), dv - between(&r, 40, 70), keys, tokens, between(&r, 1, 20), 1);
  }
}

/// More keys than the scores of a job have room for.
static void test_long_attention(void) {
  NEED_DEVICE();
  struct vb_rng r = vb_test_rng();
  attention_case(&r, dev, 64, 32, between(&r, 2100, 2500), 2, 4, 1);
}

/// What the unit does not offer is refused by name, with its limit, before a job is made.
static void test_attention_refuses(void) {
  NEED_DEVICE();
  uint8_t rec[2 * (VB_REC_HEADER + 1024)] = {0};
  uint32_t list[1] = {0}, count[1] = {1};
  vb_z sinks[1024] = {0}, y[1024];
  struct vb_kv kv = {.k = rec, .v = rec, .heads = 1, .dk = 32, .dv = 32, .capacity = 1, .length = 1, .id = 1};
  struct vb_attention_op op = {
      .q = rec, .kv = &kv, .heads = 1, .first_count = 1, .t = {0, 1}, .h = {0, 1}, .key = {0, 1}, .y = y};
  struct vb_attention_op bad[5] = {op, op, op, op, op};
  struct vb_kv wide = kv;
  char key_size[64];
  wide.dk = largest("key") + 1;
  snprintf(key_size, sizeof key_size, "a key size of %u (at most %u)", wide.dk, wide.dk - 1);
  bad[0].cap = 1 << 24;
  bad[1].kv = &wide;
  bad[2].sinks = sinks, bad[2].heads = 513;
  bad[3].list = list, bad[3].list_count = count, bad[3].list_stride = 1, bad[3].list_block = 2048;
  bad[4].first_count = (1 << 20) + 1, bad[4].key.end = (1 << 20) + 1;
  const char *words[] = {"the soft-cap", key_size, "513 heads with one key head (at most 512)",
                         "blocks of 2048 keys (at most 1024)", "1048577 positions (at most 1048576)"};
  for (int i = 0; i < 5; i++)
    VB_CHECK(vb_ocl_attention(dev, &bad[i]) == VB_BAD_INPUT && strstr(vb_last_error(), words[i]), "\"%s\": \"%s\"",
             words[i], vb_last_error());
}

static void test_router(void) {
  NEED_DEVICE();
  struct vb_rng r = vb_test_rng();
  uint64_t start = vb_test_values("router"), want = vb_test_count(10000, 1000000);
  while (vb_test_values("router") - start < want) {
    // Every other count divides by 8: group limits of all kinds.
    uint32_t experts = vb_rng_below(&r, 2) ? between(&r, 1, 130) : 8 * between(&r, 1, 32);
    uint32_t k = between(&r, 1, experts < 16 ? experts : 16);
    router_case(&r, dev, between(&r, 1, 30), experts, k);
  }
}

static void test_indexer(void) {
  NEED_DEVICE();
  struct vb_rng r = vb_test_rng();
  uint64_t start = vb_test_values("indexer"), want = vb_test_count(10000, 1000000);
  while (vb_test_values("indexer") - start < want) {
    uint32_t keys = between(&r, 1, vb_rng_below(&r, 4) ? 90 : 700);
    indexer_case(&r, dev, keys, between(&r, 1, keys < 6 ? keys : 6), between(&r, 1, 64), between(&r, 1, 128));
  }
}

/// Beyond the unit's limits: refused by name, at plan time by the cache's capacity.
static void test_indexer_refuses(void) {
  NEED_DEVICE();
  struct vb_kv kv = {.heads = 1, .dk = 64, .capacity = 100};
  struct vb_indexer_op op = {.kv = &kv, .heads = 64, .k = 2048};
  VB_CHECK(!vb_ocl_lacks(dev, VB_OCL_INDEXER, &op), "%s", vb_ocl_lacks(dev, VB_OCL_INDEXER, &op));
  op.k = 2049, op.t.end = 1;
  VB_CHECK(vb_ocl_indexer(dev, &op) == VB_BAD_INPUT && strstr(vb_last_error(), "more than 2048 keys"), "\"%s\"",
           vb_last_error());
  op.k = 1, op.t.end = 0, kv.capacity = 1 << 21;
  VB_CHECK(vb_ocl_lacks(dev, VB_OCL_INDEXER, &op) != NULL, "a cache of 2^21 keys is accepted");
  op.t.end = 1, op.first_count = 1 << 21;
  VB_CHECK(vb_ocl_indexer(dev, &op) == VB_BAD_INPUT && strstr(vb_last_error(), "score buffers"), "\"%s\"",
           vb_last_error());
  op.first_count = 1, kv.dk = 129;
  VB_CHECK(vb_ocl_indexer(dev, &op) == VB_BAD_INPUT && strstr(vb_last_error(), "key size"), "\"%s\"", vb_last_error());
  kv.dk = 128, op.heads = 65;
  VB_CHECK(vb_ocl_indexer(dev, &op) == VB_BAD_INPUT && strstr(vb_last_error(), "heads"), "\"%s\"", vb_last_error());
}

/// What the unit does not know is refused by name before a job is made.
static void test_router_refuses(void) {
  NEED_DEVICE();
  struct vb_router_op op = {
      .experts = 18, .k = 2, .scale = VB_Z_ONE, .groups = 9, .topk_groups = 3, .group_top = 1, .t = {0, 1}};
  VB_CHECK(vb_ocl_router(dev, &op) == VB_BAD_INPUT && strstr(vb_last_error(), "more than 8 expert groups"), "\"%s\"",
           vb_last_error());
}

/// A job that the unit ends with an error: the driver's text arrives, and the device goes on.
static void test_unit_error(void) {
  NEED_DEVICE();
  struct vb_rng r = vb_test_rng();
  vb_z logits[8] = {0}, gates[2];
  uint32_t ids[2], hist[8], offsets[9], list[2];
  struct vb_router_op op = {.logits = logits,
                            .experts = 8,
                            .k = 2,
                            .scale = 1 /* no carrier value */,
                            .t = {0, 1},
                            .ids = ids,
                            .gates = gates,
                            .hist = hist,
                            .offsets = offsets,
                            .list = list};
  VB_CHECK(vb_ocl_router(dev, &op) == VB_DEVICE, "an illegal scale is accepted");
  VB_CHECK(strstr(vb_last_error(), "kernel router") && strstr(vb_last_error(), "0x13"), "\"%s\"", vb_last_error());
  router_case(&r, dev, 4, 16, 2);
}

/// Counters of the last call: every cycle busy or in one stall class, and the profiled time is cycles times the period.
static void test_stats(void) {
  NEED_DEVICE();
  struct vb_rng r = vb_test_rng();
  router_case(&r, dev, 8, 32, 4);
  struct vb_ocl_stats s;
  vb_ocl_last_stats(dev, &s);
  uint64_t sum = s.busy;
  for (int i = 0; i < 8; i++) sum += s.stalls[i];
  VB_CHECK(s.counters && s.launches == 1 && s.cycles > 0 && sum == s.cycles, "%llu cycles, %llu in classes",
           (unsigned long long)s.cycles, (unsigned long long)sum);
  VB_CHECK(s.kernel_ns > 0 && s.bytes_read > 0 && s.bytes_written > 0, "%llu ns", (unsigned long long)s.kernel_ns);
  VB_CHECK(vb_ocl_stall_names(dev)[0] != 0, "no names of stall classes");
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"accepts", test_accepts},
                                         {"refuses", test_refuses},
                                         {"attention", test_attention},
                                         {"latent attention", test_latent_attention},
                                         {"long attention", test_long_attention},
                                         {"attention refuses", test_attention_refuses},
                                         {"router", test_router},
                                         {"router refuses", test_router_refuses},
                                         {"indexer", test_indexer},
                                         {"indexer refuses", test_indexer_refuses},
                                         {"unit error", test_unit_error},
                                         {"stats", test_stats},
                                         {0}};
  const struct vb_suite suites[] = {{"sim_device", tests, find_device, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
