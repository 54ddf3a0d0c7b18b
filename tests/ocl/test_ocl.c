// SPDX-License-Identifier: Apache-2.0
/// Every operator on an OpenCL device that compiles (PoCL here) against the reference: awkward shapes, ranges, partial
/// splits, all distributions of values. Outputs start with the same junk on both sides, so stray writes show too.
#include "ocl/common.h"
#include "ref/ref.h"
#include <string.h>

static struct vb_ocl *dev;

static int find_device(void) {
  dev = ocl_device(true);
  return dev == NULL;
}

/// Run random cases until enough values of an operator were compared.
static void until(const char *op, void (*one)(struct vb_rng *r)) {
  struct vb_rng r = vb_test_rng();
  uint64_t start = vb_test_values(op), want = ocl_small() ? 64 : vb_test_count(20000, 2000000);
  if (!ocl_small() && !strcmp(op, "attention")) want *= 10; // a call compares its whole arrays four times and more
  while (vb_test_values(op) - start < want) {
    one(&r);
    vb_ocl_forget_weights(dev);
  }
}
/// Sizes: mostly odd and small; `big` only outside interpreters.
static uint32_t size(struct vb_rng *r, uint32_t small, uint32_t big) {
  return between(r, 1, ocl_small() ? small : big);
}
static void *junk(struct arena *a, size_t bytes) { return memset(take(a, bytes), 0x5a, bytes); }

static void embed(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t vocab = size(r, 9, 300), dim = size(r, 9, 200), tokens = size(r, 4, 20);
  struct vb_embed_op op = {.table = values(&a, r, VB_GEN_MIX, (size_t)vocab * dim), .vocab = vocab, .dim = dim};
  int32_t *id = take(&a, tokens * sizeof *id);
  for (uint32_t t = 0; t < tokens; t++) id[t] = (int32_t)vb_rng_below(r, vocab);
  op.tokens = id, op.t = subrange(r, tokens);
  if (vb_rng_below(r, 2)) vb_rng_fill(r, VB_GEN_GAUSS, &op.scale, 1);
  struct vb_embed_op ref = op;
  size_t n = (size_t)tokens * dim;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_embed(&ref);
  OK(vb_ocl_embed(dev, &op));
  VB_EXPECT_SAME("embed", ref.y, op.y, n);
  drop(&a);
}

static void rmsnorm(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 9), groups = between(r, 1, 5), len = size(r, 40, 300);
  size_t n = (size_t)tokens * groups * len;
  vb_z *x = values(&a, r, any_gen(r), n);
  if (vb_rng_below(r, 8) == 0) memset(x, 0, len * 4);
  struct vb_rmsnorm_op op = {.x = x, .w = vb_rng_below(r, 5) ? values(&a, r, any_gen(r), len) : NULL,
                             .bias = values(&a, r, VB_GEN_GAUSS, len), .groups = groups, .n = len,
                             .kind = (enum vb_norm_kind)vb_rng_below(r, 3), .inv_n = vb_from_float(1.0f / (float)len),
                             .eps_n = vb_from_float(1e-5f * (float)len), .sqrt_n = vb_from_float(17.25f),
                             .t = subrange(r, tokens), .g = subrange(r, groups)};
  struct vb_rmsnorm_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_rmsnorm(&ref);
  OK(vb_ocl_rmsnorm(dev, &op));
  VB_EXPECT_SAME("rmsnorm", ref.y, op.y, n);
  drop(&a);
}

/// Both weight formats; whole, partial over the reduction, and partial sums merged into the whole.
static void linear(struct vb_rng *r, bool wide) {
  const char *name = wide ? "linear I14" : "linear I8";
  struct arena a = {0};
  uint32_t tokens = size(r, 5, 13), rows = size(r, 9, 60), cols = size(r, 70, vb_rng_below(r, 6) ? 400 : 6000);
  size_t n = (size_t)tokens * rows;
  struct vb_w8 w8 = {0};
  struct vb_w14 w14 = {0};
  if (wide) w14 = weights14(&a, r, rows, cols);
  else w8 = weights8(&a, r, rows, cols);
  uint32_t groups = !wide && vb_rng_below(r, 3) == 0 ? between(r, 1, 4) : 1;
  while (rows % groups) groups--;
  vb_z *x = values(&a, r, any_gen(r), (size_t)tokens * groups * cols);
  if (vb_rng_below(r, 8) == 0) memset(x, 0, cols * 4);
  struct vb_linear_op op = {.groups = groups,
                            .x = x, .w8 = wide ? NULL : &w8, .w14 = wide ? &w14 : NULL, .t = subrange(r, tokens),
                            .n = subrange(r, rows), .b = {0, vb_blocks(cols)}};
  if (vb_rng_below(r, 2)) op.bias = values(&a, r, VB_GEN_GAUSS, rows);
  struct vb_linear_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_linear(&ref);
  OK(vb_ocl_linear(dev, &op));
  VB_EXPECT_SAME(name, ref.y, op.y, n);

  int64_t *got[2] = {junk(&a, n * 8), junk(&a, n * 8)}, *want = junk(&a, n * 8), *whole = junk(&a, n * 8);
  uint32_t cut = between(r, 0, vb_blocks(cols));
  for (int half = 0; half < 2; half++) {
    op.b = ref.b = half ? (struct vb_range){cut, vb_blocks(cols)} : (struct vb_range){0, cut};
    op.acc = got[half], ref.acc = want;
    vb_ref_linear(&ref);
    OK(vb_ocl_linear(dev, &op));
    VB_EXPECT_SAME(name, want, got[half], n);
  }
  ref.b = (struct vb_range){0, vb_blocks(cols)}, ref.acc = whole;
  vb_ref_linear(&ref);
  for (uint32_t t = op.t.begin; t < op.t.end; t++)
    for (uint32_t i = op.n.begin; i < op.n.end; i++) got[0][(size_t)t * rows + i] += got[1][(size_t)t * rows + i];
  VB_EXPECT_SAME(name, whole, got[0], n);
  drop(&a);
}
static void linear_i8(struct vb_rng *r) { linear(r, false); }
static void linear_i14(struct vb_rng *r) { linear(r, true); }

static void rope(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 12), heads = between(r, 1, 5), d = 2 * size(r, 12, 64);
  uint64_t *freq = take(&a, d / 2 * 8);
  uint32_t *pos = take(&a, tokens * 4);
  for (uint32_t i = 0; i < d / 2; i++) freq[i] = vb_rng_next(r) >> vb_rng_below(r, 30);
  for (uint32_t t = 0; t < tokens; t++) pos[t] = (uint32_t)(vb_rng_next(r) >> between(r, 32, 63)) * (t > 0);
  size_t n = (size_t)tokens * heads * d;
  uint32_t rot = vb_rng_below(r, 2) ? d : 2 * between(r, 0, d / 2);
  struct vb_rope_op op = {.x = values(&a, r, any_gen(r), n), .freq = freq, .pos = pos, .heads = heads, .d = d,
                          .first = between(r, 0, d - rot), .rot = rot,
                          .mscale = vb_rng_below(r, 2) ? 0 : vb_from_float(1.2079f),
                          .layout = vb_rng_below(r, 2) ? VB_ROPE_PAIR : VB_ROPE_HALF, .t = subrange(r, tokens),
                          .h = subrange(r, heads)};
  struct vb_rope_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_rope(&ref);
  OK(vb_ocl_rope(dev, &op));
  VB_EXPECT_SAME("rope", ref.y, op.y, n);
  drop(&a);
}

static void pack(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 10), heads = between(r, 1, 4), dk = size(r, 40, 200), dv = size(r, 40, 150);
  size_t n = (size_t)tokens * heads, rec = vb_rec_bytes(dk), val = vb_val_bytes(dv);
  vb_z scale = 0;
  if (vb_rng_below(r, 4)) vb_rng_fill(r, VB_GEN_GAUSS, &scale, 1);
  struct vb_pack_q_op q = {.x = values(&a, r, any_gen(r), n * dk), .scale = scale, .heads = heads, .d = dk,
                           .t = subrange(r, tokens), .h = subrange(r, heads)};
  struct vb_pack_q_op qr = q;
  q.rec = junk(&a, n * rec), qr.rec = junk(&a, n * rec);
  vb_ref_pack_q(&qr);
  OK(vb_ocl_pack_q(dev, &q));
  VB_EXPECT_SAME("pack", qr.rec, q.rec, n * rec);
  struct vb_pack_kv_op kv = {.k = q.x, .v = values(&a, r, any_gen(r), n * dv), .heads = heads, .dk = dk, .dv = dv,
                             .t = subrange(r, tokens), .h = subrange(r, heads)};
  if (vb_rng_below(r, 4) == 0) kv.v = NULL, kv.dv = 0;
  struct vb_pack_kv_op kr = kv;
  kv.krec = junk(&a, n * rec), kr.krec = junk(&a, n * rec);
  kv.vrec = junk(&a, n * val), kr.vrec = junk(&a, n * val);
  vb_ref_pack_kv(&kr);
  OK(vb_ocl_pack_kv(dev, &kv));
  VB_EXPECT_SAME("pack", kr.krec, kv.krec, n * rec);
  VB_EXPECT_SAME("pack", kr.vrec, kv.vrec, n * val);
  drop(&a);
}

static void attention(struct vb_rng *r) {
  uint32_t share = between(r, 1, 6), kv_heads = between(r, 1, 3);
  uint32_t keys = size(r, 9, vb_rng_below(r, 5) ? 150 : 700), tokens = between(r, 1, keys < 7 ? keys : 7);
  attention_case(r, dev, size(r, 40, 200), size(r, 40, 150), keys, tokens, share * kv_heads, kv_heads);
}

/// One cache that grows, is cut short and grows differently: the device's copy must follow.
static void growing_cache(struct vb_rng *r) {
  struct arena a = {0};
  enum { CAP = 40, HEADS = 4 };
  struct vb_kv kv = cache(&a, r, 2, 40, 33, CAP, 3);
  for (int step = 0; step < 12; step++) {
    if (step % 5 == 4) kv.length = between(r, 1, kv.length);
    // What attention does between cutting and growing is part of the protocol: it sees every length.
    for (int grown = 0; grown < 2; grown++) {
      uint32_t to = grown && kv.length < CAP ? between(r, kv.length, CAP) : kv.length;
      cache_fill(r, &kv, kv.length, to);
      kv.length = to;
      struct vb_attention_op op = {.q = queries(&a, r, HEADS, kv.dk), .kv = &kv, .heads = HEADS,
                                   .first_count = kv.length, .t = {0, 1}, .h = {0, HEADS}, .key = {0, kv.length}};
      struct vb_attention_op ref = op;
      op.y = junk(&a, HEADS * kv.dv * 4), ref.y = junk(&a, HEADS * kv.dv * 4);
      vb_ref_attention(&ref);
      OK(vb_ocl_attention(dev, &op));
      VB_EXPECT_SAME("kv cache", ref.y, op.y, HEADS * kv.dv);
    }
  }
  vb_ocl_forget_kv(dev, kv.id);
  drop(&a);
}

static void swiglu(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 20), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_swiglu_op op = {.g = values(&a, r, any_gen(r), n), .u = values(&a, r, any_gen(r), n), .cols = cols,
                            .act = (enum vb_act)vb_rng_below(r, 3), .t = subrange(r, tokens), .n = subrange(r, cols)};
  struct vb_swiglu_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_swiglu(&ref);
  OK(vb_ocl_swiglu(dev, &op));
  VB_EXPECT_SAME("swiglu", ref.y, op.y, n);
  drop(&a);
}

static void softcap(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 20), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_softcap_op op = {.x = values(&a, r, any_gen(r), n), .cap = vb_from_float(30.0f),
                             .inv_cap = vb_from_float(1.0f / 30.0f), .cols = cols, .t = subrange(r, tokens),
                             .n = subrange(r, cols)};
  struct vb_softcap_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_softcap(&ref);
  OK(vb_ocl_softcap(dev, &op));
  VB_EXPECT_SAME("softcap", ref.y, op.y, n);
  drop(&a);
}

static void conv(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 6, 12), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_conv_op op = {.x = values(&a, r, any_gen(r), n), .w = values(&a, r, VB_GEN_GAUSS, 4ul * cols),
                          .history = values(&a, r, VB_GEN_GAUSS, 3ul * cols), .cols = cols, .t = subrange(r, tokens),
                          .n = subrange(r, cols)};
  struct vb_conv_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_conv(&ref);
  OK(vb_ocl_conv(dev, &op));
  VB_EXPECT_SAME("conv", ref.y, op.y, n);
  drop(&a);
}

static void add(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 20), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_add_op op = {.a = values(&a, r, any_gen(r), n), .b = values(&a, r, any_gen(r), n), .cols = cols,
                         .t = subrange(r, tokens), .n = subrange(r, cols)};
  if (vb_rng_below(r, 2)) // close magnitudes: cancellation
    for (size_t i = 0; i < n; i++)
      ((vb_z *)(uintptr_t)op.b)[i] = op.a[i] ? vb_neg(op.a[i]) ^ (uint32_t)vb_rng_below(r, 8) : 0;
  struct vb_add_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_add(&ref);
  OK(vb_ocl_add(dev, &op));
  VB_EXPECT_SAME("add", ref.y, op.y, n);
  drop(&a);
}

static void router(struct vb_rng *r) {
  uint32_t experts = size(r, 12, 130);
  if (experts >= 8 && vb_rng_below(r, 2)) experts = experts / 8 * 8; // so that groups divide it
  router_case(r, dev, size(r, 5, 60), experts, between(r, 1, experts < 9 ? experts : 9));
}

static void experts(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 14), count = between(r, 1, 8), dim = size(r, 40, 120), inter = size(r, 40, 100);
  uint32_t k = between(r, 1, count < 4 ? count : 4);
  struct vb_experts_w w = {.experts = count, .dim = dim, .inter = inter, .gate = weights8(&a, r, count * inter, dim),
                           .up = weights8(&a, r, count * inter, dim), .down = weights8(&a, r, count * dim, inter)};
  uint8_t *max = (uint8_t *)(uintptr_t)w.down.max; // one largest code per output, over all experts
  for (uint32_t i = 0; i < dim; i++) {
    uint8_t top = 0;
    for (uint32_t e = 0; e < count; e++) top = max[e * dim + i] > top ? max[e * dim + i] : top;
    for (uint32_t e = 0; e < count; e++) max[e * dim + i] = top;
  }
  uint32_t *ids = take(&a, tokens * k * 4);
  for (uint32_t t = 0; t < tokens; t++) {
    uint32_t order[8];
    for (uint32_t e = 0; e < count; e++) order[e] = e;
    vb_rng_shuffle(r, order, count);
    memcpy(ids + t * k, order, k * 4);
  }
  size_t n = (size_t)tokens * dim, pairs = (size_t)tokens * k, blocks = w.down.blocks;
  struct vb_experts_op op = {.x = values(&a, r, any_gen(r), n), .w = &w, .k = k, .ids = ids,
                             .gates = values(&a, r, VB_GEN_GAUSS, pairs), .t = subrange(r, tokens), .e = {0, count}};
  struct vb_experts_op ref = op;
  op.hq = junk(&a, pairs * blocks * 32), op.hcodes = junk(&a, pairs * blocks), op.hmax = junk(&a, pairs);
  ref.hq = junk(&a, pairs * blocks * 32), ref.hcodes = junk(&a, pairs * blocks), ref.hmax = junk(&a, pairs);
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_experts(&ref);
  OK(vb_ocl_experts(dev, &op));
  VB_EXPECT_SAME("experts", ref.y, op.y, n);

  // Experts split over two devices: hidden values of each part, the common largest code, partial sums, merge.
  uint32_t cut = between(r, 0, count);
  uint8_t *tmax = take(&a, tokens);
  int64_t *acc[2] = {junk(&a, n * 8), junk(&a, n * 8)}, *want = junk(&a, n * 8);
  memset(ref.hq, 0x5a, pairs * blocks * 32), memset(ref.hcodes, 0x5a, pairs * blocks), memset(ref.hmax, 0x5a, pairs);
  op.tmax = ref.tmax = tmax;
  for (int mode = VB_EXPERTS_HIDDEN; mode <= VB_EXPERTS_DOWN; mode++) {
    for (int part = 0; part < 2; part++) {
      op.mode = ref.mode = (enum vb_experts_mode)mode;
      op.e = ref.e = part ? (struct vb_range){cut, count} : (struct vb_range){0, cut};
      op.acc = acc[part], ref.acc = want;
      vb_ref_experts(&ref);
      OK(vb_ocl_experts(dev, &op));
      VB_EXPECT_SAME("experts", want, acc[part], n);
    }
    VB_EXPECT_SAME("experts", ref.hq, op.hq, pairs * blocks * 32);
    VB_EXPECT_SAME("experts", ref.hcodes, op.hcodes, pairs * blocks);
    VB_EXPECT_SAME("experts", ref.hmax, op.hmax, pairs);
    for (uint32_t t = op.t.begin; t < op.t.end; t++)
      for (uint32_t s = 0; s < k; s++) tmax[t] = op.hmax[t * k + s] > tmax[t] ? op.hmax[t * k + s] : tmax[t];
  }
  for (uint32_t t = op.t.begin; t < op.t.end; t++)
    for (uint32_t i = 0; i < dim; i++) {
      size_t at = (size_t)t * dim + i;
      op.y[at] = vb_p2_norm(acc[0][at] + acc[1][at], tmax[t], max[i]);
    }
  VB_EXPECT_SAME("experts", ref.y, op.y, n);
  drop(&a);
}

#define UNTIL(name, op, one)                                                                                           \
  static void name(void) { until(op, one); }
UNTIL(test_embed, "embed", embed)
UNTIL(test_rmsnorm, "rmsnorm", rmsnorm)
UNTIL(test_linear_i8, "linear I8", linear_i8)
UNTIL(test_linear_i14, "linear I14", linear_i14)
UNTIL(test_rope, "rope", rope)
UNTIL(test_pack, "pack", pack)
UNTIL(test_attention, "attention", attention)
UNTIL(test_growing_cache, "kv cache", growing_cache)
UNTIL(test_swiglu, "swiglu", swiglu)
UNTIL(test_softcap, "softcap", softcap)
UNTIL(test_conv, "conv", conv)
UNTIL(test_add, "add", add)
UNTIL(test_router, "router", router)
UNTIL(test_experts, "experts", experts)

/// Scores of more keys than one item takes and rows than the score buffer holds at a time.
static void test_long_attention(void) {
  struct vb_rng r = vb_test_rng();
  attention_case(&r, dev, 64, 64, ocl_small() ? 130 : 3000, 2, 4, 2);
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {
      {"embed", test_embed}, {"rmsnorm", test_rmsnorm}, {"linear I8", test_linear_i8}, {"linear I14", test_linear_i14},
      {"rope", test_rope}, {"pack", test_pack}, {"attention", test_attention}, {"long attention", test_long_attention},
      {"growing cache", test_growing_cache}, {"swiglu", test_swiglu}, {"softcap", test_softcap},
      {"conv", test_conv}, {"add", test_add}, {"router", test_router},
      {"experts", test_experts}, {0}};
  const struct vb_suite suites[] = {{"ocl", tests, find_device, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
