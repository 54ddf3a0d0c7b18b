// SPDX-License-Identifier: Apache-2.0
/// Block formats and the block dot product P2 (docs/numerics.md, sections 3 and 4): what quantisation may do, that the
/// sum has no order, and that no accumulator can overflow.
#include "num/block.h"
#include "oracle.h"
#include "support/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/// The widest reduction that the contract promises 48 bits for.
enum { K_MAX = 18432, NB_MAX = K_MAX / VB_BLOCK };

// --- quantisation --------------------------------------------------------------------------------------------------------
/// What the block's code must be, and each element: the nearest grid point, ties to even, clamped.
static uint64_t block_wrong(const vb_z *x, uint32_t n, int bits, int code, const int32_t *q) {
  long double top = 0;
  uint64_t wrong = 0;
  for (uint32_t i = 0; i < n; i++) top = fmaxl(top, fabsl(oracle_value(x[i])));
  if (top == 0) {
    for (uint32_t i = 0; i < VB_BLOCK; i++) wrong += q[i] != 0;
    return wrong + (code != 0);
  }
  // The top element's leading bit is the highest magnitude bit of the format: I8 has 7 of them, I14 has 13.
  int exponent;
  frexpl(top, &exponent);
  int32_t limit = bits == 8 ? 127 : 8191;
  wrong += code != 127 + exponent - (bits - 1);
  for (uint32_t i = 0; i < n; i++) {
    long double units = ldexpl(oracle_value(x[i]), 127 - code);
    int32_t want = (int32_t)rintl(units); // to nearest even, the default mode
    wrong += q[i] != (want > limit ? limit : want < -limit ? -limit : want);
  }
  for (uint32_t i = n; i < VB_BLOCK; i++) wrong += q[i] != 0;
  return wrong;
}

static void quantise(void) {
  struct vb_rng r = vb_test_rng();
  uint64_t blocks = vb_test_count(60000, 6000000), wrong8 = 0, wrong14 = 0, legal = 0, again = 0;
  for (uint64_t k = 0; k < blocks; k++) {
    vb_z x[VB_BLOCK], back[VB_BLOCK];
    int8_t q8[VB_BLOCK], r8[VB_BLOCK];
    int16_t q14[VB_BLOCK];
    int32_t wide[VB_BLOCK];
    uint32_t n = k % 3 ? VB_BLOCK : 1 + (uint32_t)vb_rng_below(&r, VB_BLOCK);
    vb_rng_fill(&r, (enum vb_gen)(k % VB_GEN_KINDS), x, VB_BLOCK);
    if (k % 97 == 0) memset(x, 0, sizeof x);
    memset(q8, 0x55, sizeof q8);
    memset(q14, 0x55, sizeof q14);
    int c8 = vb_quant_i8(x, n, q8), c14 = vb_quant_i14(x, n, q14);
    for (int i = 0; i < VB_BLOCK; i++) wide[i] = q8[i];
    wrong8 += block_wrong(x, n, 8, c8, wide);
    for (int i = 0; i < VB_BLOCK; i++) wide[i] = q14[i];
    wrong14 += block_wrong(x, n, 14, c14, wide);
    legal += c8 == 255 || c14 == 255 || (c8 == 0) != (c14 == 0);
    if (c8 == 0 || c8 < 65) continue; // below, single units are no carrier values
    for (int i = 0; i < VB_BLOCK; i++) back[i] = vb_norm(q8[i], c8 - 127);
    again += vb_quant_i8(back, VB_BLOCK, r8) != c8 || memcmp(q8, r8, sizeof q8) != 0;
  }
  vb_test_compared("quant_i8", blocks * VB_BLOCK);
  vb_test_compared("quant_i14", blocks * VB_BLOCK);
  VB_CHECK(!wrong8, "%llu I8 elements or codes are not the nearest", (unsigned long long)wrong8);
  VB_CHECK(!wrong14, "%llu I14 elements or codes are not the nearest", (unsigned long long)wrong14);
  VB_CHECK(!legal, "%llu illegal codes", (unsigned long long)legal);
  VB_CHECK(!again, "%llu blocks change when they are quantised again", (unsigned long long)again);
}

static void rows(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 1; n <= 300; n++) {
    uint32_t nb = vb_blocks(n);
    vb_z x[320];
    int8_t q[320], one[VB_BLOCK];
    uint8_t codes[10], top = 0;
    vb_rng_fill(&r, VB_GEN_OUTLIER, x, n);
    memset(q, 0x55, sizeof q);
    uint8_t max = vb_quant_row_i8(x, n, q, codes);
    for (uint32_t b = 0; b < nb; b++) {
      uint32_t len = b + 1 < nb ? VB_BLOCK : n - b * VB_BLOCK;
      uint8_t c = vb_quant_i8(x + b * VB_BLOCK, len, one);
      VB_CHECK(c == codes[b] && !memcmp(one, q + b * VB_BLOCK, VB_BLOCK), "row of %u: block %u differs", n, b);
      if (c > top) top = c;
    }
    CU_ASSERT_EQUAL(max, top);
  }
}

// --- P2 --------------------------------------------------------------------------------------------------------------------
/// One operand row: elements and codes; a wide spread of codes makes terms of every shift.
struct row {
  int16_t *q;
  uint8_t *codes;
  int max;
};
static struct row random_row(struct vb_rng *r, uint32_t nb, int limit, int spread) {
  struct row w = {malloc(sizeof *w.q * nb * VB_BLOCK), malloc(nb), 0};
  for (uint32_t b = 0; b < nb; b++) {
    w.codes[b] = (uint8_t)(vb_rng_below(r, 40) ? 100 + vb_rng_below(r, (uint64_t)spread + 1) : 0);
    for (uint32_t i = 0; i < VB_BLOCK; i++)
      w.q[b * VB_BLOCK + i] = (int16_t)(w.codes[b] ? vb_rng_range(r, -limit, limit) : 0);
    if (w.codes[b] > w.max) w.max = w.codes[b];
  }
  return w;
}
static void drop(struct row *w) {
  free(w->q);
  free(w->codes);
}

/// The definition, in 128 bits and in the order given by `order`.
static i128 oracle_p2(const struct row *a, const struct row *w, const uint32_t *order, uint32_t nb) {
  i128 acc = 0;
  for (uint32_t k = 0; k < nb; k++) {
    uint32_t b = order[k];
    i128 d = 0;
    for (uint32_t i = VB_BLOCK; i-- > 0;) d += (i128)a->q[b * VB_BLOCK + i] * w->q[b * VB_BLOCK + i];
    int s = a->max - a->codes[b] + w->max - w->codes[b];
    acc += oracle_div_rne(d * 256, s > 100 ? 100 : s);
  }
  return acc;
}

static void order_free(int limit, const char *name) {
  struct vb_rng r = vb_test_rng();
  uint32_t trials = (uint32_t)vb_test_count(6000, 200000);
  for (uint32_t t = 0; t < trials; t++) {
    uint32_t nb = 1 + (uint32_t)vb_rng_below(&r, t % 10 ? 24 : NB_MAX);
    struct row a = random_row(&r, nb, limit, (int)(t % 30)), w = random_row(&r, nb, limit, (int)(t / 30 % 20));
    uint32_t *order = malloc(nb * sizeof *order);
    int8_t *a8 = malloc(nb * VB_BLOCK), *w8 = malloc(nb * VB_BLOCK);
    for (uint32_t b = 0; b < nb; b++) order[b] = b;
    for (uint32_t i = 0; i < nb * VB_BLOCK; i++) a8[i] = (int8_t)a.q[i], w8[i] = (int8_t)w.q[i];
    vb_rng_shuffle(&r, order, nb);
    int64_t want = (int64_t)oracle_p2(&a, &w, order, nb), whole, parts = 0;
    whole = limit == 127 ? vb_p2_i8(a8, a.codes, a.max, w8, w.codes, w.max, nb)
                         : vb_p2_i14(a.q, a.codes, a.max, w.q, w.codes, w.max, nb);
    VB_EXPECT_SAME(name, &want, &whole, 1);
    // Shards of random length, each summed alone, merged as integers.
    for (uint32_t b = 0; b < nb;) {
      uint32_t n = 1 + (uint32_t)vb_rng_below(&r, nb - b), at = b * VB_BLOCK;
      parts += limit == 127 ? vb_p2_i8(a8 + at, a.codes + b, a.max, w8 + at, w.codes + b, w.max, n)
                            : vb_p2_i14(a.q + at, a.codes + b, a.max, w.q + at, w.codes + b, w.max, n);
      b += n;
    }
    VB_EXPECT_SAME(name, &want, &parts, 1);
    // Blocks physically reordered.
    int16_t *pa = malloc(sizeof *pa * nb * VB_BLOCK), *pw = malloc(sizeof *pw * nb * VB_BLOCK);
    uint8_t *ca = malloc(nb), *cw = malloc(nb);
    for (uint32_t k = 0; k < nb; k++) {
      memcpy(pa + k * VB_BLOCK, a.q + order[k] * VB_BLOCK, VB_BLOCK * sizeof *pa);
      memcpy(pw + k * VB_BLOCK, w.q + order[k] * VB_BLOCK, VB_BLOCK * sizeof *pw);
      ca[k] = a.codes[order[k]], cw[k] = w.codes[order[k]];
    }
    int64_t shuffled = vb_p2_i14(pa, ca, a.max, pw, cw, w.max, nb); // for 8-bit elements it is the same function
    VB_EXPECT_SAME(name, &want, &shuffled, 1);
    free(pa), free(pw), free(ca), free(cw), free(order), free(a8), free(w8);
    drop(&a), drop(&w);
  }
}
static void order_free_i8(void) { order_free(127, "p2_i8"); }
static void order_free_i14(void) { order_free(8191, "p2_i14"); }

/// Every element at its limit, every block at the row's largest code: nothing can be larger.
static void extremes(void) {
  int8_t *q = malloc(K_MAX);
  int16_t *z = malloc(sizeof *z * K_MAX);
  uint8_t *codes = malloc(NB_MAX);
  memset(q, 127, K_MAX);
  memset(codes, 184, NB_MAX);
  for (int i = 0; i < K_MAX; i++) z[i] = 8191;
  int64_t i8 = vb_p2_i8(q, codes, 184, q, codes, 184, NB_MAX), i14 = vb_p2_i14(z, codes, 184, z, codes, 184, NB_MAX);
  CU_ASSERT_EQUAL(i8, (int64_t)K_MAX * 127 * 127 * 256);
  CU_ASSERT_EQUAL(i14, (int64_t)K_MAX * 8191 * 8191 * 256);
  CU_ASSERT(vb_msb((uint64_t)i8) + 2 <= 38); // bits with the sign
  CU_ASSERT(vb_msb((uint64_t)i14) + 2 <= 50);
  printf("  bound | P2 accumulator, I8, K = %d | signed bits | %d | 38 |\n", K_MAX, vb_msb((uint64_t)i8) + 2);
  printf("  bound | P2 accumulator, I14, K = %d | signed bits | %d | 50 |\n", K_MAX, vb_msb((uint64_t)i14) + 2);
  // The largest value of all saturates instead of wrapping.
  CU_ASSERT_EQUAL(vb_p2_norm(i8, 184, 184), 0x5f7fffffu);
  CU_ASSERT_EQUAL(vb_p2_norm(-i8, 184, 184), 0xdf7fffffu);
  free(q), free(z), free(codes);
}

/// Each block sum and every shift: the rewrites that fast devices use are the same integer.
static void term_rewrites(void) {
  struct vb_rng r = vb_test_rng();
  const int32_t top = 32 * 127 * 127;
  uint64_t bad_float = 0, bad_zero = 0, bad_exact = 0, n = 0, stride = vb_test_campaign ? 1 : 37;
  for (int s = 0; s <= 60; s++)
    for (int64_t d = -top - (int64_t)vb_rng_below(&r, stride); d <= top; d += (int64_t)stride, n++) {
      int64_t term = vb_p2_term((int32_t)d, s);
      // int32 to float is exact below 2^24, so is the power of two; the conversion back rounds to nearest even.
      bad_float += term != lrintf((float)d * exp2f((float)(8 - s)));
      bad_zero += s >= 28 && term != 0;
      bad_exact += s <= 8 && term != d * ((int64_t)1 << (8 - s)); // nothing rounds: D may be summed over blocks first
    }
  vb_test_compared("p2_term", n);
  CU_ASSERT_EQUAL(bad_float, 0);
  CU_ASSERT_EQUAL(bad_zero, 0);
  CU_ASSERT_EQUAL(bad_exact, 0);
}

/// Records hold what layout.h says: codes, the maximum at byte 18, value codes from byte 20, zero padding.
static void records(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t d = 1; d <= VB_MAX_DK; d += 1 + d / 7) {
    vb_z x[VB_MAX_DK], v[VB_MAX_DV];
    uint32_t dv = d < VB_MAX_DV ? d : VB_MAX_DV;
    uint8_t rec[VB_REC_HEADER + VB_MAX_DK], val[VB_MAX_DV], codes[18], vcodes[12];
    int8_t q[VB_MAX_DK], vq[VB_MAX_DV];
    vb_rng_fill(&r, VB_GEN_OUTLIER, x, d);
    vb_rng_fill(&r, VB_GEN_GAUSS, v, dv);
    memset(rec, 0xee, sizeof rec);
    memset(val, 0xee, sizeof val);
    vb_rec_fill(x, d, rec);
    vb_val_fill(v, dv, val, rec);
    uint8_t max = vb_quant_row_i8(x, d, q, codes);
    vb_quant_row_i8(v, dv, vq, vcodes);
    VB_EXPECT_BITS("record", q, rec + VB_REC_HEADER, vb_blocks(d) * VB_BLOCK, 1);
    VB_EXPECT_BITS("record", codes, rec, vb_blocks(d), 1);
    VB_EXPECT_BITS("record", vcodes, rec + VB_REC_VCODES, vb_blocks(dv), 1);
    VB_EXPECT_BITS("record", vq, val, vb_blocks(dv) * VB_BLOCK, 1);
    CU_ASSERT_EQUAL(rec[VB_REC_KMAX], max);
    CU_ASSERT_EQUAL(rec[19], 0);
    for (uint32_t b = vb_blocks(d); b < 18; b++) CU_ASSERT_EQUAL(rec[b], 0);
    for (uint32_t b = vb_blocks(dv); b < 12; b++) CU_ASSERT_EQUAL(rec[VB_REC_VCODES + b], 0);
    CU_ASSERT_EQUAL(vb_rec_bytes(d) % 32, 0);
  }
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"quantise", quantise},
                                  {"rows", rows},
                                  {"order_free_i8", order_free_i8},
                                  {"order_free_i14", order_free_i14},
                                  {"extremes", extremes},
                                  {"term_rewrites", term_rewrites},
                                  {"records", records},
                                  {0}};
  const struct vb_suite suites[] = {{"block", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
