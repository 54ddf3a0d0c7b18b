// SPDX-License-Identifier: Apache-2.0
/// Every operator on an OpenCL device that compiles (PoCL here) against the reference: awkward shapes, ranges, partial
/// splits, all distributions of values. Outputs start with the same junk on both sides, so stray writes show too.
#include "ocl/common.h"
#include "ref/ref.h"
#include <string.h>

static int find_device(void) {
  ocl_dev = ocl_device(true);
  return ocl_dev == NULL;
}

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
  OK(vb_ocl_embed(ocl_dev, &op));
  VB_EXPECT_SAME("embed", ref.y, op.y, n);
  drop(&a);
}

static void rmsnorm(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 9), groups = between(r, 1, 5), len = size(r, 40, 300);
  size_t n = (size_t)tokens * groups * len;
  vb_z *x = values(&a, r, any_gen(r), n);
  if (vb_rng_below(r, 8) == 0) memset(x, 0, len * 4);
  struct vb_rmsnorm_op op = {.x = x,
                             .w = vb_rng_below(r, 5) ? values(&a, r, any_gen(r), len) : NULL,
                             .bias = values(&a, r, VB_GEN_GAUSS, len),
                             .groups = groups,
                             .n = len,
                             .kind = (enum vb_norm_kind)vb_rng_below(r, 3),
                             .inv_n = vb_from_float(1.0f / (float)len),
                             .eps_n = vb_from_float(1e-5f * (float)len),
                             .sqrt_n = vb_from_float(17.25f),
                             .t = subrange(r, tokens),
                             .g = subrange(r, groups)};
  struct vb_rmsnorm_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_rmsnorm(&ref);
  OK(vb_ocl_rmsnorm(ocl_dev, &op));
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
                            .x = x,
                            .w8 = wide ? NULL : &w8,
                            .w14 = wide ? &w14 : NULL,
                            .t = subrange(r, tokens),
                            .n = subrange(r, rows),
                            .b = {0, vb_blocks(cols)}};
  if (vb_rng_below(r, 2)) op.bias = values(&a, r, VB_GEN_GAUSS, rows);
  struct vb_linear_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_linear(&ref);
  OK(vb_ocl_linear(ocl_dev, &op));
  VB_EXPECT_SAME(name, ref.y, op.y, n);

  int64_t *got[2] = {junk(&a, n * 8), junk(&a, n * 8)}, *want = junk(&a, n * 8), *whole = junk(&a, n * 8);
  uint32_t cut = between(r, 0, vb_blocks(cols));
  for (int half = 0; half < 2; half++) {
    op.b = ref.b = half ? (struct vb_range){cut, vb_blocks(cols)} : (struct vb_range){0, cut};
    op.acc = got[half], ref.acc = want;
    vb_ref_linear(&ref);
    OK(vb_ocl_linear(ocl_dev, &op));
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
  struct vb_rope_op op = {.x = values(&a, r, any_gen(r), n),
                          .freq = freq,
                          .pos = pos,
                          .heads = heads,
                          .d = d,
                          .first = between(r, 0, d - rot),
                          .rot = rot,
                          .mscale = vb_rng_below(r, 2) ? 0 : vb_from_float(1.2079f),
                          .layout = vb_rng_below(r, 2) ? VB_ROPE_PAIR : VB_ROPE_HALF,
                          .t = subrange(r, tokens),
                          .h = subrange(r, heads)};
  struct vb_rope_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_rope(&ref);
  OK(vb_ocl_rope(ocl_dev, &op));
  VB_EXPECT_SAME("rope", ref.y, op.y, n);
  drop(&a);
}

static void pack(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 10), heads = between(r, 1, 4), dk = size(r, 40, 200), dv = size(r, 40, 150);
  uint32_t rotated = vb_rng_below(r, 3) == 0;
  if (rotated) dk = 1u << vb_rng_below(r, 8);
  size_t n = (size_t)tokens * heads, rec = vb_rec_bytes(dk), val = vb_val_bytes(dv);
  vb_z scale = 0;
  if (vb_rng_below(r, 4)) vb_rng_fill(r, VB_GEN_GAUSS, &scale, 1);
  struct vb_pack_q_op q = {.x = values(&a, r, any_gen(r), n * dk),
                           .scale = scale,
                           .heads = heads,
                           .d = dk,
                           .t = subrange(r, tokens),
                           .h = subrange(r, heads)};
  if (vb_rng_below(r, 3) == 0) { // Llama 4 layers without RoPE
    uint32_t *pos = take(&a, tokens * sizeof *pos);
    for (uint32_t t = 0; t < tokens; t++) pos[t] = (uint32_t)(vb_rng_next(r) >> between(r, 32, 63));
    pos[0] = vb_rng_below(r, 2) ? UINT32_MAX : 0;
    q.pos = pos, q.floor_scale = vb_rng_below(r, 2) ? 8192 : between(r, 1, 9), q.temperature = vb_from_float(0.1f);
  }
  q.hadamard = rotated;
  struct vb_pack_q_op qr = q;
  q.rec = junk(&a, n * rec), qr.rec = junk(&a, n * rec);
  vb_ref_pack_q(&qr);
  OK(vb_ocl_pack_q(ocl_dev, &q));
  VB_EXPECT_SAME("pack", qr.rec, q.rec, n * rec);
  struct vb_pack_kv_op kv = {.hadamard = rotated,
                             .k = q.x,
                             .v = values(&a, r, any_gen(r), n * dv),
                             .heads = heads,
                             .dk = dk,
                             .dv = dv,
                             .t = subrange(r, tokens),
                             .h = subrange(r, heads)};
  if (vb_rng_below(r, 4) == 0) kv.v = NULL, kv.dv = 0;
  struct vb_pack_kv_op kr = kv;
  kv.krec = junk(&a, n * rec), kr.krec = junk(&a, n * rec);
  kv.vrec = junk(&a, n * val), kr.vrec = junk(&a, n * val);
  vb_ref_pack_kv(&kr);
  OK(vb_ocl_pack_kv(ocl_dev, &kv));
  VB_EXPECT_SAME("pack", kr.krec, kv.krec, n * rec);
  VB_EXPECT_SAME("pack", kr.vrec, kv.vrec, n * val);
  drop(&a);
}

static void attention(struct vb_rng *r) {
  uint32_t share = between(r, 1, 6), kv_heads = between(r, 1, 3);
  uint32_t keys = size(r, 9, vb_rng_below(r, 5) ? 150 : 700), tokens = between(r, 1, keys < 7 ? keys : 7);
  uint32_t dk = size(r, 40, 200), dv = size(r, 40, 150);
  if (!ocl_small() && vb_rng_below(r, 12) == 0) { // absorbed MLA: the values are in the keys
    dv = between(r, VB_MAX_DV + 1, VB_MAX_DV_SHARED), dk = between(r, dv, VB_MAX_DK);
    keys = between(r, 1, 60), tokens = between(r, 1, keys < 3 ? keys : 3);
  }
  attention_case(r, ocl_dev, dk, dv, keys, tokens, share * kv_heads, kv_heads);
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
      struct vb_attention_op op = {.q = queries(&a, r, HEADS, kv.dk),
                                   .kv = &kv,
                                   .heads = HEADS,
                                   .first_count = kv.length,
                                   .t = {0, 1},
                                   .h = {0, HEADS},
                                   .key = {0, kv.length}};
      struct vb_attention_op ref = op;
      op.y = junk(&a, HEADS * kv.dv * 4), ref.y = junk(&a, HEADS * kv.dv * 4);
      vb_ref_attention(&ref);
      OK(vb_ocl_attention(ocl_dev, &op));
      VB_EXPECT_SAME("kv cache", ref.y, op.y, HEADS * kv.dv);
    }
  }
  vb_ocl_forget_kv(ocl_dev, kv.id);
  drop(&a);
}

static void swiglu(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 20), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_swiglu_op op = {.g = values(&a, r, any_gen(r), n),
                            .u = values(&a, r, any_gen(r), n),
                            .cols = cols,
                            .act = (enum vb_act)vb_rng_below(r, 3),
                            .t = subrange(r, tokens),
                            .n = subrange(r, cols)};
  if (vb_rng_below(r, 4) == 0) op.u = NULL;
  struct vb_swiglu_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_swiglu(&ref);
  OK(vb_ocl_swiglu(ocl_dev, &op));
  VB_EXPECT_SAME("swiglu", ref.y, op.y, n);
  drop(&a);
}

static void softcap(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 20), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_softcap_op op = {.x = values(&a, r, any_gen(r), n),
                             .cap = vb_from_float(30.0f),
                             .inv_cap = vb_from_float(1.0f / 30.0f),
                             .cols = cols,
                             .t = subrange(r, tokens),
                             .n = subrange(r, cols)};
  struct vb_softcap_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_softcap(&ref);
  OK(vb_ocl_softcap(ocl_dev, &op));
  VB_EXPECT_SAME("softcap", ref.y, op.y, n);
  drop(&a);
}

static void conv(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 6, 12), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_conv_op op = {.x = values(&a, r, any_gen(r), n),
                          .w = values(&a, r, VB_GEN_GAUSS, 4ul * cols),
                          .history = values(&a, r, VB_GEN_GAUSS, 3ul * cols),
                          .cols = cols,
                          .t = subrange(r, tokens),
                          .n = subrange(r, cols)};
  struct vb_conv_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_conv(&ref);
  OK(vb_ocl_conv(ocl_dev, &op));
  VB_EXPECT_SAME("conv", ref.y, op.y, n);
  drop(&a);
}

static void add(struct vb_rng *r) {
  struct arena a = {0};
  uint32_t tokens = size(r, 3, 20), cols = size(r, 70, 300);
  size_t n = (size_t)tokens * cols;
  struct vb_add_op op = {.a = values(&a, r, any_gen(r), n),
                         .b = values(&a, r, any_gen(r), n),
                         .cols = cols,
                         .t = subrange(r, tokens),
                         .n = subrange(r, cols)};
  if (vb_rng_below(r, 2)) // close magnitudes: cancellation
    for (size_t i = 0; i < n; i++)
      ((vb_z *)(uintptr_t)op.b)[i] = op.a[i] ? vb_neg(op.a[i]) ^ (uint32_t)vb_rng_below(r, 8) : 0;
  struct vb_add_op ref = op;
  op.y = junk(&a, n * 4), ref.y = junk(&a, n * 4);
  vb_ref_add(&ref);
  OK(vb_ocl_add(ocl_dev, &op));
  VB_EXPECT_SAME("add", ref.y, op.y, n);
  drop(&a);
}

static void router(struct vb_rng *r) {
  uint32_t experts = size(r, 12, 130);
  if (experts >= 8 && vb_rng_below(r, 2)) experts = experts / 8 * 8; // so that groups divide it
  router_case(r, ocl_dev, size(r, 5, 60), experts, between(r, 1, experts < 9 ? experts : 9));
}

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

/// Scores of more keys than one item takes and rows than the score buffer holds at a time.
static void test_long_attention(void) {
  struct vb_rng r = vb_test_rng();
  attention_case(&r, ocl_dev, 64, 64, ocl_small() ? 130 : 3000, 2, 4, 2);
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"embed", test_embed},
                                         {"rmsnorm", test_rmsnorm},
                                         {"linear I8", test_linear_i8},
                                         {"linear I14", test_linear_i14},
                                         {"rope", test_rope},
                                         {"pack", test_pack},
                                         {"attention", test_attention},
                                         {"long attention", test_long_attention},
                                         {"growing cache", test_growing_cache},
                                         {"swiglu", test_swiglu},
                                         {"softcap", test_softcap},
                                         {"conv", test_conv},
                                         {"add", test_add},
                                         {"router", test_router},
                                         {0}};
  const struct vb_suite suites[] = {
      {"ocl", tests, find_device, NULL}, {"ocl_models", ocl_model_tests, find_device, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
