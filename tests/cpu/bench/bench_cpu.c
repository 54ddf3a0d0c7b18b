// SPDX-License-Identifier: Apache-2.0
/// Micro-benchmark of the CPU operators (not a test): bench_cpu [THREADS [SECONDS]]. Rates are from the median CPU time
/// per thread, which a busy machine disturbs least (waiting threads count too). "cold" walks over enough copies of the
/// weights that none is in a cache. One result of each job is held to the reference; a difference gives status 1.
#include "cpu/cpu.h"
#include "num/block.h"
#include "num/rng.h"
#include "ref/ref.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int threads = 1;
static double seconds = 1;
static uint64_t rng = 1;

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static vb_z *values(uint64_t n) { // sums of four uniforms: near enough to activations
  vb_z *x = malloc(n * sizeof *x);
  for (uint64_t i = 0; i < n; i++) {
    double s = -2;
    for (int k = 0; k < 4; k++) s += (double)vb_rng_below(&rng, 1 << 20) / (1 << 20);
    x[i] = vb_from_float((float)s);
  }
  return x;
}

static struct vb_w8 weights(uint32_t rows, uint32_t cols) {
  uint32_t blocks = vb_blocks(cols);
  int8_t *q = aligned_alloc(64, (size_t)rows * blocks * VB_BLOCK);
  uint8_t *codes = malloc((size_t)rows * blocks), *max = malloc(rows);
  vb_z *x = values(cols * 64ull);
  for (uint32_t r = 0; r < rows; r++)
    max[r] = vb_quant_row_i8(x + (size_t)(r % 64) * cols, cols, q + (size_t)r * blocks * VB_BLOCK,
                             codes + (size_t)r * blocks);
  free(x);
  return (struct vb_w8){rows, cols, blocks, q, codes, max};
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/// Call run(context, i) for about `seconds`; print the figures for `ops` operations and `bytes` bytes read a call.
static void measure(const char *name, void (*run)(void *, int), void *context, double ops, double bytes) {
  enum { MAX = 100000 };
  double *wall = malloc(MAX * sizeof *wall), *cpu = malloc(MAX * sizeof *cpu);
  int n = 0;
  run(context, 0);
  double end = now(CLOCK_MONOTONIC) + seconds;
  do {
    double w = now(CLOCK_MONOTONIC), c = now(CLOCK_PROCESS_CPUTIME_ID);
    run(context, n);
    wall[n] = now(CLOCK_MONOTONIC) - w, cpu[n] = now(CLOCK_PROCESS_CPUTIME_ID) - c;
  } while (++n < MAX && (n < 5 || now(CLOCK_MONOTONIC) < end));
  qsort(wall, (size_t)n, sizeof *wall, by_value);
  qsort(cpu, (size_t)n, sizeof *cpu, by_value);
  double t = cpu[n / 2] / threads; // what the wall time would be on an idle machine
  printf("%-36s %9.3f %9.3f %9.3f %8.1f %7.2f\n", name, wall[n / 2] * 1e3, wall[0] * 1e3, t * 1e3, ops / t * 1e-9,
         bytes / t * 1e-9);
  free(wall), free(cpu);
}

static void verify(const char *name, const vb_z *want, const vb_z *got, uint64_t n) {
  for (uint64_t i = 0; i < n; i++)
    if (want[i] != got[i]) {
      printf("%s: value %llu is %08x, reference %08x\n", name, (unsigned long long)i, got[i], want[i]);
      exit(1);
    }
}

enum { COPIES = 24 }; // of 16 MiB: more than the last cache level holds
struct matrix {
  struct vb_w8 w[COPIES];
  struct vb_linear_op op;
  int copies;
};
static void run_linear(void *context, int i) {
  struct matrix *m = context;
  m->op.w8 = &m->w[i % m->copies];
  vb_cpu_linear(&m->op, threads);
}

static void bench_linear(void) {
  enum { N = 4096, T = 512 };
  static struct matrix m;
  static const uint32_t tokens[] = {1, 1, 8, 64, 512};
  for (int i = 0; i < COPIES; i++) m.w[i] = weights(N, N);
  vb_z *x = values((uint64_t)T * N), *y = malloc(4ull * T * N), *want = malloc(4ull * T * N);
  m.op = (struct vb_linear_op){.x = x, .y = y, .n = {0, N}, .b = {0, N / VB_BLOCK}};
  for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    char name[64];
    uint32_t t = tokens[i];
    m.copies = i ? 1 : COPIES, m.op.t = (struct vb_range){0, t};
    snprintf(name, sizeof name, "linear 4096x4096, %u token%s%s", t, t > 1 ? "s" : "", i ? "" : " (cold)");
    measure(name, run_linear, &m, 2.0 * N * N * t, (double)N * N);
    struct vb_linear_op one = m.op;
    one.t = (struct vb_range){t - 1, t}, one.y = want;
    vb_ref_linear(&one);
    verify(name, want + (uint64_t)(t - 1) * N, y + (uint64_t)(t - 1) * N, N);
  }
  for (int i = 0; i < COPIES; i++) free((void *)m.w[i].q), free((void *)m.w[i].codes), free((void *)m.w[i].max);
  free(x), free(y), free(want);
}

static void run_attention(void *op, int i) {
  (void)i;
  vb_cpu_attention(op, threads);
}

static void bench_attention(void) {
  enum { HEADS = 32, KV = 8, D = 128, KEYS = 2048, T = 512 };
  struct vb_kv kv = {.heads = KV, .dk = D, .dv = D, .capacity = KEYS, .length = KEYS};
  kv.k = aligned_alloc(64, (size_t)KV * KEYS * vb_rec_bytes(D)), kv.v = aligned_alloc(64, (size_t)KV * KEYS * D);
  vb_z *k = values((uint64_t)KEYS * D), *q = values((uint64_t)T * HEADS * D);
  for (uint32_t h = 0; h < KV; h++)
    for (uint32_t j = 0; j < KEYS; j++) {
      const vb_z *x = k + (size_t)((j + 17 * h) % KEYS) * D;
      vb_rec_fill(x, D, vb_kv_key(&kv, h, j));
      vb_val_fill(x, D, vb_kv_val(&kv, h, j), vb_kv_key(&kv, h, j));
    }
  uint8_t *rec = aligned_alloc(64, (size_t)T * HEADS * vb_rec_bytes(D));
  for (uint32_t i = 0; i < T * HEADS; i++) vb_rec_fill(q + (size_t)i * D, D, rec + (size_t)i * vb_rec_bytes(D));
  vb_z *y = malloc(4ull * T * HEADS * D), *want = malloc(4ull * T * HEADS * D);
  for (uint32_t t = 1; t <= T; t += T - 1) {
    char name[64];
    struct vb_attention_op op = {.q = rec, .kv = &kv, .heads = HEADS, .first_count = KEYS - t + 1, .t = {0, t}};
    op.h.end = HEADS, op.key.end = KEYS, op.y = y;
    double pairs = (double)HEADS * ((double)t * (KEYS - t + 1) + 0.5 * t * (t - 1));
    snprintf(name, sizeof name, "attention 32/8 d128 2048 keys, q %u", t);
    measure(name, run_attention, &op, pairs * 4 * D, (double)KV * KEYS * (vb_rec_bytes(D) + D));
    op.y = want, op.t.begin = t - 1;
    vb_ref_attention(&op);
    verify(name, want + (uint64_t)(t - 1) * HEADS * D, y + (uint64_t)(t - 1) * HEADS * D, HEADS * D);
  }
  free(kv.k), free(kv.v), free(k), free(q), free(rec), free(y), free(want);
}

static void run_experts(void *op, int i) {
  (void)i;
  vb_cpu_experts(op, threads);
}

static void bench_experts(void) {
  enum { EXPERTS = 128, DIM = 2048, INTER = 768, K = 8, T = 512 };
  struct vb_experts_w w = {.experts = EXPERTS, .dim = DIM, .inter = INTER};
  w.gate = weights(EXPERTS * INTER, DIM), w.up = weights(EXPERTS * INTER, DIM), w.down = weights(EXPERTS * DIM, INTER);
  memset((void *)w.down.max, 150, EXPERTS * DIM); // any bound above the codes will do
  static uint32_t ids[T * K];
  for (int t = 0; t < T; t++)
    for (uint32_t k = 0; k < K; k++) ids[t * K + (int)k] = k * 16 + (uint32_t)vb_rng_below(&rng, 16);
  uint32_t blocks = w.down.blocks;
  vb_z *x = values((uint64_t)T * DIM), *gates = values(T * K), *y = malloc(4ull * T * DIM),
       *want = malloc(4ull * T * DIM);
  struct vb_experts_op op = {.x = x, .w = &w, .k = K, .ids = ids, .gates = gates, .e = {0, EXPERTS}, .y = y};
  op.hq = malloc((size_t)T * K * blocks * VB_BLOCK), op.hcodes = malloc((size_t)T * K * blocks),
  op.hmax = malloc(T * K);
  for (uint32_t t = 1; t <= T; t += T - 1) {
    char name[64];
    snprintf(name, sizeof name, "experts 8 of 128, 768x2048, %u token%s", t, t > 1 ? "s" : "");
    op.t = (struct vb_range){0, t}, op.y = y;
    double work = 3.0 * DIM * INTER;
    measure(name, run_experts, &op, 2 * work * K * t, work * (t > 1 ? EXPERTS : K));
    struct vb_experts_op one = op;
    one.t.begin = t - 1, one.y = want;
    vb_ref_experts(&one);
    verify(name, want + (uint64_t)(t - 1) * DIM, y + (uint64_t)(t - 1) * DIM, DIM);
  }
  free(x), free(gates), free(y), free(want), free(op.hq), free(op.hcodes), free(op.hmax);
  const struct vb_w8 *all[] = {&w.gate, &w.up, &w.down};
  for (int i = 0; i < 3; i++) free((void *)all[i]->q), free((void *)all[i]->codes), free((void *)all[i]->max);
}

int main(int argc, char **argv) {
  if (argc > 1) threads = atoi(argv[1]);
  if (argc > 2) seconds = atof(argv[2]);
  printf("%s, %d thread%s\n", vb_cpu_isa_name(), threads, threads > 1 ? "s" : "");
  printf("%-36s %9s %9s %9s %8s %7s\n", "", "wall ms", "best ms", "cpu ms", "GOPS", "GB/s");
  bench_linear();
  bench_attention();
  bench_experts();
  return 0;
}
