// SPDX-License-Identifier: Apache-2.0
/// The fast operators against the reference: random shapes, ranges, data, instruction sets, threads and floating point
/// environments; every output array is compared whole, so writes outside the ranges show too. Attention, experts,
/// router and the operators of recurrent layers have files of their own.
#include "compare.h"
#include "cpu/cpu.h"
#include "num/num.h"
#include "ref/ref.h"
#include "runtime/merge.h"
#include <stdlib.h>
#include <string.h>

static void embed(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("embed", n, 20); n++) {
    uint32_t tokens = between(&r, 1, 20), vocab = between(&r, 1, 50), dim = between(&r, 1, 200);
    int32_t *ids = malloc(tokens * sizeof *ids);
    for (uint32_t t = 0; t < tokens; t++) ids[t] = (int32_t)vb_rng_below(&r, vocab);
    vb_z *table = random_values(&r, (uint64_t)vocab * dim), *y = poisoned(4ull * tokens * dim);
    struct vb_embed_op op = {.table = table, .tokens = ids, .vocab = vocab, .dim = dim, .y = y};
    op.t = random_range(&r, tokens), op.scale = vb_rng_below(&r, 2) ? vb_rng_z(&r, VB_GEN_MIX) : 0;
    vb_ref_embed(&op);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      op.y = poisoned(4ull * tokens * dim);
      config_enter(&c);
      vb_cpu_embed(&op, c.threads);
      config_leave();
      compare(&r, "embed", &c, y, op.y, (uint64_t)tokens * dim, 4);
      free(op.y);
    }
    free(ids), free(table), free(y);
  }
}

static void rmsnorm(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("rmsnorm", n, 40); n++) {
    uint32_t tokens = between(&r, 1, 9), groups = between(&r, 1, 5), len = between(&r, 1, 300);
    uint64_t size = (uint64_t)tokens * groups * len;
    vb_z *x = random_values(&r, size), *w = random_values(&r, len), *y = poisoned(4 * size);
    vb_z *bias = random_values(&r, len);
    struct vb_rmsnorm_op op = {.x = x, .w = vb_rng_below(&r, 4) ? w : NULL, .groups = groups, .n = len, .y = y};
    op.kind = (enum vb_norm_kind)vb_rng_below(&r, 3), op.bias = bias, op.inv_n = vb_from_float(1.0f / (float)len);
    op.eps_n = vb_rng_z(&r, VB_GEN_UNIFORM) & 0x7fffffff, op.sqrt_n = vb_rng_z(&r, VB_GEN_UNIFORM) & 0x7fffffff;
    op.t = random_range(&r, tokens), op.g = random_range(&r, groups);
    vb_ref_rmsnorm(&op);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      op.y = poisoned(4 * size);
      config_enter(&c);
      vb_cpu_rmsnorm(&op, c.threads);
      config_leave();
      compare(&r, "rmsnorm", &c, y, op.y, size, 4);
      free(op.y);
    }
    free(x), free(w), free(y), free(bias);
  }
}

// Shapes that reach the tiles (many tokens), the row kernels (few), both, and partial groups of everything.
static void linear_case(struct vb_rng *r, bool i14, const char *name) {
  struct config c;
  uint32_t rows = between(r, 1, 80), cols = between(r, 1, vb_rng_below(r, 8) ? 700 : 9000);
  uint32_t tokens = vb_rng_below(r, 2) ? between(r, 1, 5) : between(r, 1, 150);
  if (cols > 700) rows = between(r, 1, 12), tokens = between(r, 1, 20);
  struct vb_w8 w8 = {0};
  struct vb_w14 w14 = {0};
  if (i14) w14 = random_w14(r, rows, cols);
  else w8 = random_w8(r, rows, cols);
  uint32_t groups = i14 || vb_rng_below(r, 3) ? 1 : between(r, 2, 4); // grouped: no row may be left over
  if (rows % groups) groups = 1;
  uint64_t size = (uint64_t)tokens * rows;
  vb_z *x = random_values(r, (uint64_t)tokens * groups * cols), *bias = random_values(r, rows), *y = poisoned(4 * size);
  int64_t *acc = poisoned(8 * size);
  struct vb_linear_op whole = {.x = x, .w8 = i14 ? NULL : &w8, .w14 = i14 ? &w14 : NULL, .y = y};
  whole.groups = groups;
  whole.bias = vb_rng_below(r, 2) ? bias : NULL;
  whole.t = random_range(r, tokens), whole.n = random_range(r, rows), whole.b = (struct vb_range){0, vb_blocks(cols)};
  struct vb_linear_op part = whole;
  part.b = random_range(r, vb_blocks(cols)), part.acc = acc;
  vb_ref_linear(&whole), vb_ref_linear(&part);
  for (uint32_t i = 0; config_at(r, i, &c); i++) {
    struct vb_linear_op op = whole, cut[3] = {whole, whole, whole};
    op.y = poisoned(4 * size), part.acc = poisoned(8 * size);
    uint32_t at[4] = {0, between(r, 0, whole.b.end), 0, whole.b.end};
    at[2] = between(r, at[1], whole.b.end);
    int64_t *accs[3];
    config_enter(&c);
    vb_cpu_linear(&op, c.threads);
    vb_cpu_linear(&part, c.threads);
    for (int p = 0; p < 3; p++) { // and the whole from three parts of the reduction dimension
      accs[p] = cut[p].acc = poisoned(8 * size);
      cut[p].b = (struct vb_range){at[p], at[p + 1]};
      vb_cpu_linear(&cut[p], c.threads);
    }
    config_leave();
    compare(r, name, &c, y, op.y, size, 4);
    compare(r, name, &c, acc, part.acc, size, 8);
    memset(op.y, 0xa5, 4 * size);
    vb_merge_linear(&op, accs, 3);
    compare(r, name, &c, y, op.y, size, 4);
    for (int p = 0; p < 3; p++) free(accs[p]);
    free(op.y), free(part.acc);
  }
  free_w8(&w8), free_w14(&w14), free(x), free(bias), free(y), free(acc);
}

static void linear_i8(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("linear i8", n, 60); n++) linear_case(&r, false, "linear i8");
}
static void linear_i14(void) {
  struct vb_rng r = vb_test_rng();
  for (uint32_t n = 0; more_cases("linear i14", n, 40); n++) linear_case(&r, true, "linear i14");
}

// Elements all +-127 (+-8191), exponents of a row all equal: the largest sums there can be, over many blocks. Row i has
// code `base + i`, so that the results of some bases cross 2^-62 (flush) and of others 2^64 (saturation).
static void extremes_case(struct vb_rng *r, int signs, bool i8, int base) {
  struct config c;
  enum { ROWS = 9, COLS = 32 * 300, TOKENS = 7 };
  struct vb_w8 w8 = random_w8(r, ROWS, COLS);
  struct vb_w14 w14 = random_w14(r, ROWS, COLS);
  vb_z *x = malloc(4 * TOKENS * COLS), y[TOKENS * ROWS];
  for (uint32_t i = 0; i < TOKENS * COLS; i++) x[i] = 0x3fffffff | (signs & 1 ? 0x80000000u : 0);
  memset((void *)w8.q, signs & 2 ? 127 : -127, (size_t)ROWS * COLS);
  for (uint32_t i = 0; i < ROWS * COLS; i++) ((int16_t *)w14.q)[i] = signs & 2 ? 8191 : -8191;
  for (uint32_t i = 0; i < ROWS; i++) {
    uint8_t code = (uint8_t)(base + (int)i);
    memset((void *)(w8.codes + (size_t)i * w8.blocks), code, w8.blocks);
    memset((void *)(w14.codes + (size_t)i * w14.blocks), code, w14.blocks);
    ((uint8_t *)w8.max)[i] = ((uint8_t *)w14.max)[i] = code;
  }
  struct vb_linear_op op = {.x = x, .t = {0, TOKENS}, .n = {0, ROWS}, .b = {0, w8.blocks}};
  op.w8 = i8 ? &w8 : NULL, op.w14 = i8 ? NULL : &w14, op.y = y;
  vb_ref_linear(&op);
  bool flush = base < 60;
  vb_z first = y[0] & 0x7fffffff, last = y[ROWS - 1] & 0x7fffffff;
  VB_CHECK(base == 100 || (flush ? !first && last : first < last && last == 0x5f7fffff), "base %d misses its edge",
           base);
  for (uint32_t i = 0; config_at(r, i, &c); i++)
    for (uint32_t tokens = 1; tokens <= TOKENS; tokens += TOKENS - 1) {
      vb_z z[TOKENS * ROWS];
      op.y = z, op.t.end = tokens;
      config_enter(&c);
      vb_cpu_linear(&op, c.threads);
      config_leave();
      compare(r, "linear extremes", &c, y, z, (uint64_t)tokens * ROWS, 4);
    }
  free_w8(&w8), free_w14(&w14), free(x);
}
static void extremes(void) {
  static const int bases[2][3] = {{35, 100, 160}, {40, 100, 166}}; // I14, I8
  struct vb_rng r = vb_test_rng();
  for (int signs = 0; signs < 4; signs++)
    for (int i8 = 0; i8 < 2; i8++)
      for (int b = 0; b < 3; b++) extremes_case(&r, signs, i8, bases[i8][b]);
}

static void rope(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("rope", n, 40); n++) {
    uint32_t tokens = between(&r, 1, 6), heads = between(&r, 1, 5), d = 2 * between(&r, 1, 64);
    uint64_t size = (uint64_t)tokens * heads * d, freq[64];
    uint32_t pos[6];
    vb_z *x = random_values(&r, size), *y = poisoned(4 * size);
    struct vb_rope_op op = {.x = x, .freq = freq, .pos = pos, .heads = heads, .d = d, .y = y};
    op.rot = vb_rng_below(&r, 2) ? d : 2 * between(&r, 0, d / 2), op.first = between(&r, 0, d - op.rot);
    op.mscale = vb_rng_below(&r, 2) ? vb_rng_z(&r, VB_GEN_MIX) : 0;
    op.layout = vb_rng_below(&r, 2) ? VB_ROPE_PAIR : VB_ROPE_HALF;
    for (uint32_t i = 0; i < 64; i++) freq[i] = vb_rng_next(&r) >> vb_rng_below(&r, 60);
    for (uint32_t t = 0; t < 6; t++) pos[t] = (uint32_t)vb_rng_below(&r, vb_rng_below(&r, 2) ? 3 : 1u << 31);
    op.t = random_range(&r, tokens), op.h = random_range(&r, heads);
    vb_ref_rope(&op);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      op.y = poisoned(4 * size);
      config_enter(&c);
      vb_cpu_rope(&op, c.threads);
      config_leave();
      compare(&r, "rope", &c, y, op.y, size, 4);
      free(op.y);
    }
    free(x), free(y);
  }
}

static void pack(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("pack", n, 40); n++) {
    uint32_t tokens = between(&r, 1, 6), heads = between(&r, 1, 4), dk = between(&r, 1, 200), dv = between(&r, 1, 200);
    if (!vb_rng_below(&r, 3)) dk = 1u << between(&r, 0, 7);
    uint64_t rows = (uint64_t)tokens * heads, qn = rows * vb_rec_bytes(dk), vn = rows * vb_val_bytes(dv);
    vb_z *k = random_values(&r, rows * dk), *v = random_values(&r, rows * dv);
    uint8_t *rec = poisoned(qn), *krec = poisoned(qn), *vrec = poisoned(vn);
    struct vb_range t = random_range(&r, tokens), h = random_range(&r, heads);
    struct vb_pack_q_op q = {.x = k, .heads = heads, .d = dk, .t = t, .h = h, .rec = rec};
    struct vb_pack_kv_op kv = {.k = k, .v = v, .heads = heads, .dk = dk, .dv = dv, .t = t, .h = h};
    uint32_t pos[6];
    for (uint32_t p = 0; p < 6; p++) pos[p] = (uint32_t)vb_rng_below(&r, 1u << 20);
    q.scale = vb_rng_z(&r, VB_GEN_MIX), q.pos = pos, q.temperature = vb_rng_z(&r, VB_GEN_MIX);
    q.floor_scale = vb_rng_below(&r, 3) ? 0 : between(&r, 1, 9000);
    q.hadamard = kv.hadamard = dk <= 128 && !(dk & (dk - 1));
    if (!vb_rng_below(&r, 4)) kv.v = NULL;
    kv.krec = krec, kv.vrec = vrec;
    vb_ref_pack_q(&q), vb_ref_pack_kv(&kv);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      q.rec = poisoned(qn), kv.krec = poisoned(qn), kv.vrec = poisoned(vn);
      config_enter(&c);
      vb_cpu_pack_q(&q, c.threads);
      vb_cpu_pack_kv(&kv, c.threads);
      config_leave();
      compare(&r, "pack", &c, rec, q.rec, qn, 1);
      compare(&r, "pack", &c, krec, kv.krec, qn, 1);
      compare(&r, "pack", &c, vrec, kv.vrec, vn, 1);
      free(q.rec), free(kv.krec), free(kv.vrec);
    }
    free(k), free(v), free(rec), free(krec), free(vrec);
  }
}

static void swiglu_add(void) {
  struct vb_rng r = vb_test_rng();
  struct config c;
  for (uint32_t n = 0; more_cases("swiglu", n, 60); n++) {
    uint32_t tokens = between(&r, 1, 5), cols = between(&r, 1, vb_rng_below(&r, 4) ? 100 : 3000);
    uint64_t size = (uint64_t)tokens * cols;
    vb_z *a = random_values(&r, size), *b = random_values(&r, size), *y = poisoned(4 * size), *z = poisoned(4 * size);
    if (!vb_rng_below(&r, 4)) // cancellation: b = -a, nearly
      for (uint64_t i = 0; i < size; i++) b[i] = a[i] ? a[i] ^ 0x80000000u ^ (uint32_t)vb_rng_below(&r, 2) : 0;
    struct vb_range t = random_range(&r, tokens), cr = random_range(&r, cols);
    struct vb_swiglu_op s = {.g = a, .u = b, .cols = cols, .t = t, .n = cr, .y = y};
    s.act = (enum vb_act)vb_rng_below(&r, 3);
    if (!vb_rng_below(&r, 4)) s.u = NULL;
    struct vb_add_op add = {.a = a, .b = b, .cols = cols, .t = t, .n = cr, .y = z};
    vb_ref_swiglu(&s), vb_ref_add(&add);
    for (uint32_t i = 0; config_at(&r, i, &c); i++) {
      s.y = poisoned(4 * size), add.y = poisoned(4 * size);
      config_enter(&c);
      vb_cpu_swiglu(&s, c.threads);
      vb_cpu_add(&add, c.threads);
      config_leave();
      compare(&r, "swiglu", &c, y, s.y, size, 4);
      compare(&r, "add", &c, z, add.y, size, 4);
      free(s.y), free(add.y);
    }
    free(a), free(b), free(y), free(z);
  }
}

static void select_isa(void) {
  VB_CHECK(vb_cpu_select_isa("avx513") == VB_BAD_INPUT, "an unknown instruction set was accepted");
  VB_CHECK(strstr(vb_last_error(), "avx513") && strstr(vb_last_error(), "portable"), "%s", vb_last_error());
  setenv("VERBATIM_ISA", "portable", 1);
  VB_CHECK(vb_cpu_select_isa(NULL) == VB_OK && !strcmp(vb_cpu_isa_name(), "portable"), "VERBATIM_ISA is not read");
  setenv("VERBATIM_ISA", "x87", 1);
  VB_CHECK(vb_cpu_select_isa(NULL) == VB_BAD_INPUT && strstr(vb_last_error(), "VERBATIM_ISA"), "%s", vb_last_error());
  VB_CHECK(!strcmp(vb_cpu_isa_name(), "portable"), "a failed selection changed the choice");
  unsetenv("VERBATIM_ISA");
  VB_CHECK(vb_cpu_select_isa(NULL) == VB_OK, "%s", vb_last_error());
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"embed", embed},
                                         {"rmsnorm", rmsnorm},
                                         {"linear_i8", linear_i8},
                                         {"linear_i14", linear_i14},
                                         {"extremes", extremes},
                                         {"rope", rope},
                                         {"pack", pack},
                                         {"swiglu_add", swiglu_add},
                                         {"select_isa", select_isa},
                                         {0}};
  const struct vb_suite suites[] = {{"cpu", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
