// SPDX-License-Identifier: Apache-2.0
/// The start-up probe: may this device be trusted with the contract? Expected answers come from host/num and from plain
/// integer C, device answers from kernels_cl/probe.cl. A test plants a wrong answer with VERBATIM_OCL_PLANT=<check>,
/// which makes the device itself compute it.
#include "num/block.h"
#include "num/func.h"
#include "num/rng.h"
#include "ocl/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const check_names[] = {"",         "tables", "integer",   "numeric", "float",
                                          "patterns", "blocks", "attention", "router",  "indexer"};
enum { CHECKS = sizeof check_names / sizeof *check_names, CASES = 512 };

static int planted_check(void) {
  const char *plant = getenv("VERBATIM_OCL_PLANT");
  for (int i = 1; plant && i < CHECKS; i++)
    if (!strcmp(plant, check_names[i])) return i;
  return 0;
}

/// Compare one answer; the first wrong one becomes the reason.
static bool same(struct vb_ocl *d, const char *check, const char *what, uint64_t got, uint64_t want, size_t index) {
  if (got == want) return true;
  vb_ocl_fault(d, VB_DEVICE, "probe %s: %s is wrong in case %zu: 0x%llx instead of 0x%llx", check, what, index,
               (unsigned long long)got, (unsigned long long)want);
  return false;
}

static uint64_t fold_table(uint64_t h, const int64_t (*tab)[3]) {
  for (int i = 0; i < 128; i++)
    for (int c = 0; c < 3; c++) h = (h ^ (uint64_t)tab[i][c]) * 0x100000001b3u;
  return h;
}

static void check_tables(struct vb_ocl *d) {
  uint64_t h = 0xcbf29ce484222325u;
  for (int i = 0; i < 16; i++)
    for (int c = 0; c < 3; c++) h = (h ^ vb_exp2_24_tab[i][c]) * 0x100000001b3u;
  h = fold_table(fold_table(fold_table(h, vb_exp2_tab), vb_log2_tab), vb_recip_tab);
  h = fold_table(fold_table(fold_table(h, vb_rsqa_tab), vb_rsqb_tab), vb_sinq_tab);
  cl_mem out = vb_ocl_scratch(d, S_Y, 16);
  VB_RUN(d, "vb_probe_tables", VB_GRID(1, 1), VB_MEM(out));
  const uint64_t *got = (const uint64_t *)(const void *)vb_ocl_get(d, out, 0, 16);
  if (!vb_ocl_wait(d)) return;
  if (same(d, "tables", "the hash that the kernels were made with", got[1], vb_tables_hash32, 0))
    same(d, "tables", "the content of the function tables", got[0], h, 0);
}

/// Whole-range integers: every bit length occurs, ends of the range too.
static uint64_t any_u64(uint64_t *rng, size_t i) {
  static const uint64_t edge[] = {0,         1,          UINT64_MAX,   (uint64_t)1 << 63,
                                  INT64_MAX, 0xffffffff, 0x100000000u, 0x80000000u};
  uint64_t r = vb_draw(rng);
  return i < 64 ? edge[i / 8] : r >> (i & 63);
}

static vb_z any_z(uint64_t *rng) {
  uint64_t r = vb_draw(rng);
  if (r % 17 == 0) return 0;
  return (uint32_t)(r & 0x807fffffu) | (uint32_t)(65 + (r >> 32) % 126) << 23;
}

static void check_integer(struct vb_ocl *d, uint64_t *rng) {
  static const char *const what[] = {"64-bit multiplication",
                                     "mul_hi",
                                     "64-bit division",
                                     "signed 64-bit division",
                                     "64-bit remainder",
                                     "left shift",
                                     "right shift",
                                     "arithmetic right shift",
                                     "clz"};
  uint64_t a[CASES], b[CASES];
  for (size_t i = 0; i < CASES; i++) {
    a[i] = any_u64(rng, i);
    b[i] = i < 64 ? any_u64(rng, i % 8 * 8) : any_u64(rng, i);
    if (a[i] == (uint64_t)1 << 63) b[i] &= INT64_MAX; // the one signed quotient that C leaves undefined
  }
  cl_mem x = vb_ocl_put_rows(d, S_X, a, sizeof a, sizeof a, 1), x2 = vb_ocl_put_rows(d, S_X2, b, sizeof b, sizeof b, 1);
  cl_mem y = vb_ocl_scratch(d, S_Y, 9 * sizeof a);
  VB_RUN(d, "vb_probe_integer", VB_GRID(CASES, 1), VB_MEM(x), VB_MEM(x2), VB_MEM(y));
  const uint64_t *got = (const uint64_t *)(const void *)vb_ocl_get(d, y, 0, 9 * sizeof a);
  if (!vb_ocl_wait(d)) return;
  for (size_t i = 0; i < CASES; i++) {
    uint32_t s = b[i] & 63, low = (uint32_t)b[i];
    uint64_t want[9] = {a[i] * b[i],
                        (uint64_t)(((unsigned __int128)a[i] * b[i]) >> 64),
                        a[i] / (b[i] | 1),
                        (uint64_t)((int64_t)a[i] / (int64_t)(b[i] >> 33 | 1)),
                        a[i] % (b[i] | 1),
                        a[i] << s,
                        a[i] >> s,
                        (uint64_t)((int64_t)a[i] >> s),
                        (uint64_t)__builtin_clzll(a[i] | 1) + ((uint64_t)(low ? __builtin_clz(low) : 32) << 8)};
    for (size_t k = 0; k < 9; k++)
      if (!same(d, "integer", what[k], got[9 * i + k], want[k], i)) return;
  }
}

static void check_numeric(struct vb_ocl *d, uint64_t *rng) {
  static const char *const what[] = {"Z_ADD",   "Z_MUL", "NORM",   "SHR_RNE", "SHR_RHU", "the softmax quotient",
                                     "sigmoid", "RSQ",   "Q15.16", "EXP2_24"};
  vb_z a[CASES], b[CASES];
  int64_t n[CASES];
  for (size_t i = 0; i < CASES; i++) a[i] = any_z(rng), b[i] = any_z(rng), n[i] = (int64_t)any_u64(rng, i);
  cl_mem x = vb_ocl_put_rows(d, S_X, a, sizeof a, sizeof a, 1), x2 = vb_ocl_put_rows(d, S_X2, b, sizeof b, sizeof b, 1);
  cl_mem h = vb_ocl_put_rows(d, S_H, n, sizeof n, sizeof n, 1), y = vb_ocl_scratch(d, S_Y, 10 * sizeof n);
  VB_RUN(d, "vb_probe_numeric", VB_GRID(CASES, 1), VB_MEM(x), VB_MEM(x2), VB_MEM(h), VB_MEM(y));
  const uint64_t *got = (const uint64_t *)(const void *)vb_ocl_get(d, y, 0, 10 * sizeof n);
  if (!vb_ocl_wait(d)) return;
  for (size_t i = 0; i < CASES; i++) {
    int s = (int)(b[i] >> 3 & 127) - 32;
    uint64_t want[10] = {vb_add(a[i], b[i]),
                         vb_mul(a[i], b[i]),
                         vb_norm(n[i], s - 64),
                         (uint64_t)vb_shr_rne(n[i] >> 33, s),
                         vb_shr_rhu((uint64_t)n[i] >> 33, s),
                         vb_divide(n[i], 0, (uint64_t)n[i] >> 7 | 1),
                         vb_sigmoid(a[i]),
                         vb_rsq(b[i] & 0x7fffffff),
                         (uint32_t)vb_q16(n[i], s - 64),
                         vb_exp2_24(a[i] & 0xffff)};
    for (size_t k = 0; k < 10; k++)
      if (!same(d, "numeric", what[k], got[10 * i + k], want[k], i)) return;
  }
}

static void check_float(struct vb_ocl *d, uint64_t *rng) {
  static const char *const what[] = {"a * b + c (contracted to one rounding?)", "conversion of int to float",
                                     "conversion of float to int"};
  vb_z a[CASES], b[CASES], c[CASES];
  int32_t n[CASES];
  for (size_t i = 0; i < CASES; i++) {
    uint64_t r = vb_draw(rng);
    // Exponents close together and signs that cancel: where one rounding differs from two. Magnitudes below 2^30 keep
    // the conversion to int defined; fractions end in .5 often enough to tell ties to even.
    a[i] = (uint32_t)(r & 0x807fffffu) | (uint32_t)(127 + i % 30) << 23;
    if (i % 3 == 0) a[i] &= 0xffffffffu << (22 - (i % 30 < 22 ? i % 30 : 22));
    b[i] = (uint32_t)(r >> 20 & 0x7fffffu) | 0x3f800000u;
    c[i] = vb_neg(vb_mul(a[i], b[i])) ^ (uint32_t)(r >> 60);
    n[i] = (int32_t)(vb_draw(rng) >> (32 + i % 8));
  }
  cl_mem x = vb_ocl_put_rows(d, S_X, a, sizeof a, sizeof a, 1), x2 = vb_ocl_put_rows(d, S_X2, b, sizeof b, sizeof b, 1);
  cl_mem x3 = vb_ocl_put_rows(d, S_H, c, sizeof c, sizeof c, 1), x4 = vb_ocl_put_rows(d, S_M, n, sizeof n, sizeof n, 1);
  cl_mem y = vb_ocl_scratch(d, S_Y, 3 * sizeof a);
  VB_RUN(d, "vb_probe_float", VB_GRID(CASES, 1), VB_MEM(x), VB_MEM(x2), VB_MEM(x3), VB_MEM(x4), VB_MEM(y));
  const uint32_t *got = (const uint32_t *)(const void *)vb_ocl_get(d, y, 0, 3 * sizeof a);
  if (!vb_ocl_wait(d)) return;
  for (size_t i = 0; i < CASES; i++) {
    // Within these magnitudes the carrier's exact operations are IEEE's: two roundings, to nearest even.
    uint32_t want[3] = {vb_add(vb_mul(a[i], b[i]), c[i]), vb_norm(n[i], 0),
                        (uint32_t)vb_shr_rne(vb_man(a[i]), 150 - vb_expb(a[i]))};
    for (size_t k = 0; k < 3; k++)
      if (!same(d, "float", what[k], got[3 * i + k], want[k], i)) return;
  }
}

static void check_patterns(struct vb_ocl *d, uint64_t *rng) {
  static const uint32_t edge[] = {1,           0x007fffffu, 0x80000001u, 0x80000000u,
                                  0x7f800001u, 0x7fc00001u, 0xff800001u, 0x7f800000u};
  uint32_t x[CASES];
  for (size_t i = 0; i < CASES; i++) x[i] = i % 4 ? edge[i % 8] : (uint32_t)vb_draw(rng) & 0x807fffffu;
  cl_mem in = vb_ocl_put_rows(d, S_X, x, sizeof x, sizeof x, 1), y = vb_ocl_scratch(d, S_Y, sizeof x);
  VB_RUN(d, "vb_probe_patterns", VB_GRID(CASES / 4, 1), VB_MEM(in), VB_MEM(y));
  const uint32_t *got = (const uint32_t *)(const void *)vb_ocl_get(d, y, 0, sizeof x);
  if (!vb_ocl_wait(d)) return;
  for (size_t i = 0; i < CASES; i++) { // lanes 0 and 3 change places
    size_t lane = i % 4, from = lane == 0 ? i + 3 : lane == 3 ? i - 3 : i;
    if (!same(d, "patterns", "a bit pattern (subnormal, NaN, -0) in integer code", got[i], x[from], i)) return;
  }
}

static void check_blocks(struct vb_ocl *d, uint64_t *rng) {
  enum { NB = 131, ROWS = 8 }; // more blocks than one fold of the tile
  uint8_t codes[ROWS * NB], top[ROWS] = {0};
  int8_t q[ROWS * NB * VB_BLOCK];
  for (int r = 0; r < ROWS; r++)
    for (int b = 0; b < NB; b++) {
      uint64_t x = vb_draw(rng);
      uint8_t c = codes[r * NB + b] = (uint8_t)(x % 29 ? 100 + x % (b % 16 ? 4 : 30) : 0);
      if (c > top[r]) top[r] = c;
      for (int i = 0; i < VB_BLOCK; i++) {
        int v = (int)vb_draw_below(rng, 255) - 127;
        q[(r * NB + b) * VB_BLOCK + i] = (int8_t)(c ? r == 1 ? 127 : r == 5 ? -127 : v : 0);
      }
    }
  cl_mem x = vb_ocl_put_rows(d, S_Q, q, sizeof q, sizeof q, 1);
  cl_mem c = vb_ocl_put_rows(d, S_CODES, codes, sizeof codes, sizeof codes, 1), y = vb_ocl_scratch(d, S_Y, 16 * 8);
  VB_RUN(d, "vb_probe_blocks", VB_GRID(1, 1), VB_MEM(x), VB_MEM(c), VB_MEM(y), VB_U32(NB));
  const int64_t *got = (const int64_t *)(const void *)vb_ocl_get(d, y, 0, 16 * 8);
  if (!vb_ocl_wait(d)) return;
  for (size_t i = 0; i < 16; i++) {
    size_t m = i / 4, n = 4 + i % 4;
    int64_t want =
        vb_p2_i8(q + m * NB * VB_BLOCK, codes + m * NB, top[m], q + n * NB * VB_BLOCK, codes + n * NB, top[n], NB);
    if (!same(d, "blocks", "a block dot product", (uint64_t)got[i], (uint64_t)want, i)) return;
  }
}

/// Devices with built-in kernels: are they made from the same function tables?
static void check_unit_tables(struct vb_ocl *d, int plant) {
  cl_ulong hash = 0;
  bool stated = clGetDeviceInfo(d->id, CL_DEVICE_VERBATIM_TABLE_HASH_VB, sizeof hash, &hash, NULL) == CL_SUCCESS;
  if (!stated) { // boards have no such query: the name of their image carries the hash
    char hex[16];
    snprintf(hex, sizeof hex, "%08x", (unsigned)vb_tables_hash32);
    if (strstr(d->info.name, hex) || strstr(d->info.configuration, hex) || strstr(d->info.version, hex)) return;
    vb_ocl_fault(d, VB_DEVICE, "probe tables: the device does not state the hash of its function tables");
    return;
  }
  if (plant == 1) hash ^= 1;
  same(d, "tables", "the hash of the hardware's function tables", hash, vb_tables_hash32, 0);
}

static vb_result run_attention(struct vb_ocl *d, const struct vb_attention_op *op) {
  vb_ocl_begin_untrusted(d);
  vb_ocl_do_attention(d, op);
  return vb_ocl_end(d);
}
static vb_result run_router(struct vb_ocl *d, const struct vb_router_op *op) {
  vb_ocl_begin_untrusted(d);
  vb_ocl_do_router(d, op);
  return vb_ocl_end(d);
}

static vb_result run_indexer(struct vb_ocl *d, const struct vb_indexer_op *op) {
  vb_ocl_begin_untrusted(d);
  vb_ocl_do_indexer(d, op);
  return vb_ocl_end(d);
}

static vb_result known_answers(struct vb_ocl *d, int plant) {
  uint64_t answer;
  vb_result r = VB_OK;
  // A simulator that says it has a planted fault is let in, so that the fault is found where it strikes.
  if (strstr(d->info.configuration, "fault=")) return VB_OK;
  if (vb_ocl_supports(d, VB_OCL_ATTENTION)) {
    r = vb_known_attention(run_attention, d, plant == 7, &answer);
    vb_ocl_forget_kv(d, VB_KNOWN_KV), vb_ocl_forget_kv(d, VB_KNOWN_SHARED_KV);
    if (r == VB_OK && answer != vb_known_attention_answer)
      r = vb_fail(VB_DEVICE, "%s: probe attention: the known-answer case comes out wrong", d->info.name);
    d->checks++;
  }
  if (r == VB_OK && vb_ocl_supports(d, VB_OCL_ROUTER)) {
    r = vb_known_router(run_router, d, plant == 8, &answer);
    if (r == VB_OK && answer != vb_known_router_answer)
      r = vb_fail(VB_DEVICE, "%s: probe router: the known-answer case comes out wrong", d->info.name);
    d->checks++;
  }
  if (r == VB_OK && vb_ocl_supports(d, VB_OCL_INDEXER)) {
    r = vb_known_indexer(run_indexer, d, plant == 9, &answer);
    vb_ocl_forget_kv(d, UINT64_MAX);
    if (r == VB_OK && answer != vb_known_indexer_answer)
      r = vb_fail(VB_DEVICE, "%s: probe indexer: the known-answer case comes out wrong", d->info.name);
    d->checks++;
  }
  return r;
}

static vb_result probe(struct vb_ocl *d) {
  int plant = planted_check();
  char options[64];
  snprintf(options, sizeof options, "-cl-std=CL1.2 -DVB_PLANT=%d", plant);
  vb_ocl_begin_untrusted(d);
  if (d->info.compiler) {
    void (*const check[])(struct vb_ocl *, uint64_t *) = {check_integer, check_numeric, check_float, check_patterns,
                                                          check_blocks};
    uint64_t rng = vb_draw_seed(3);
    if (vb_ocl_build_probe(d, options)) check_tables(d), d->checks++;
    for (size_t i = 0; i < sizeof check / sizeof *check && d->status == VB_OK; i++) check[i](d, &rng), d->checks++;
  } else {
    check_unit_tables(d, plant), d->checks++;
  }
  if (d->status == VB_OK) vb_ocl_build(d);
  vb_result r = vb_ocl_end(d);
  return r == VB_OK ? known_answers(d, plant) : r;
}

vb_result vb_ocl_probe(struct vb_ocl *d) {
  pthread_mutex_lock(&d->probe_lock);
  if (d->verdict == VB_UNPROBED) {
    if (probe(d) == VB_OK) {
      d->verdict = VB_TRUSTED;
    } else {
      snprintf(d->refusal, sizeof d->refusal, "%.700s", vb_last_error());
      d->verdict = VB_REFUSED;
    }
  }
  bool trusted = d->verdict == VB_TRUSTED;
  pthread_mutex_unlock(&d->probe_lock);
  return trusted ? VB_OK : vb_fail(VB_DEVICE, "%s", d->refusal);
}

uint32_t vb_ocl_probe_checks(const struct vb_ocl *d) { return d->checks; }
