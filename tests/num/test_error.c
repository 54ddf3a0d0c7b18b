// SPDX-License-Identifier: Apache-2.0
/// What the contract costs: each operator against extended precision, twice. "arithmetic" is the distance on the very
/// integers that the operator works with, "with quantisation" the distance from the unquantised inputs. Relative RMS.
#include "num/block.h"
#include "oracle.h"
#include "ref/ref.h"
#include "support/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct error {
  long double difference, reference;
};
static void add_error(struct error *e, vb_z actual, long double exact) {
  long double d = oracle_value(actual) - exact;
  e->difference += d * d;
  e->reference += exact * exact;
}
static void row(const char *name, const char *kind, struct error e, double limit) {
  double rms = (double)sqrtl(e.difference / e.reference);
  printf("  bound | %s | %s | %.1e | %.1e |\n", name, kind, rms, limit);
  VB_CHECK(rms <= limit, "%s, %s: relative RMS %.3e is above the published %.1e", name, kind, rms, limit);
}

static vb_z *random_z(struct vb_rng *r, enum vb_gen kind, uint64_t n) {
  vb_z *z = malloc(n * sizeof *z);
  vb_rng_fill(r, kind, z, n);
  return z;
}
static long double unit(int8_t q, uint8_t code) { return ldexpl(q, code - 127); }
static long double unit14(int16_t q, uint8_t code) { return ldexpl(q, code - 127); }

enum { K = 512, ROWS = 64, TOKENS = 16 };

static void linear(enum vb_gen kind, const char *inputs, double arithmetic, double quantised) {
  struct vb_rng r = vb_test_rng();
  vb_z *x = random_z(&r, kind, TOKENS * K), *v = random_z(&r, VB_GEN_GAUSS, ROWS * K), y[TOKENS * ROWS];
  static int8_t q[ROWS * K], xq[K];
  static uint8_t codes[ROWS * K / 32], max[ROWS], xcodes[K / 32];
  for (int i = 0; i < ROWS; i++) max[i] = vb_quant_row_i8(v + i * K, K, q + i * K, codes + i * K / 32);
  struct vb_w8 w = {ROWS, K, K / 32, q, codes, max};
  struct vb_linear_op op = {.x = x, .w8 = &w, .t = {0, TOKENS}, .n = {0, ROWS}, .b = {0, K / 32}, .y = y};
  vb_ref_linear(&op);
  struct error a = {0, 0}, b = {0, 0};
  for (int t = 0; t < TOKENS; t++) {
    vb_quant_row_i8(x + t * K, K, xq, xcodes);
    for (int n = 0; n < ROWS; n++) {
      long double same = 0, real = 0;
      for (int i = 0; i < K; i++) {
        same += unit(xq[i], xcodes[i / 32]) * unit(q[n * K + i], codes[(n * K + i) / 32]);
        real += oracle_value(x[t * K + i]) * oracle_value(v[n * K + i]);
      }
      add_error(&a, y[t * ROWS + n], same);
      add_error(&b, y[t * ROWS + n], real);
    }
  }
  char name[64];
  snprintf(name, sizeof name, "linear I8, K = %d, %s", K, inputs);
  row(name, "arithmetic, RMS", a, arithmetic);
  row(name, "with quantisation, RMS", b, quantised);
  free(x), free(v);
}
static void linear_gauss(void) { linear(VB_GEN_GAUSS, "Gaussian", 5e-8, 1.5e-2); }
static void linear_outlier(void) { linear(VB_GEN_OUTLIER, "outliers", 3e-6, 2.5e-2); }

static void linear_i14(void) {
  struct vb_rng r = vb_test_rng();
  vb_z *x = random_z(&r, VB_GEN_OUTLIER, TOKENS * K), *v = random_z(&r, VB_GEN_GAUSS, ROWS * K), y[TOKENS * ROWS];
  static int16_t q[ROWS * K], xq[K];
  static uint8_t codes[ROWS * K / 32], max[ROWS], xcodes[K / 32];
  for (int i = 0; i < ROWS; i++) max[i] = vb_quant_row_i14(v + i * K, K, q + i * K, codes + i * K / 32);
  struct vb_w14 w = {ROWS, K, K / 32, q, codes, max};
  struct vb_linear_op op = {.x = x, .w14 = &w, .t = {0, TOKENS}, .n = {0, ROWS}, .b = {0, K / 32}, .y = y};
  vb_ref_linear(&op);
  struct error a = {0, 0}, b = {0, 0};
  for (int t = 0; t < TOKENS; t++) {
    vb_quant_row_i14(x + t * K, K, xq, xcodes);
    for (int n = 0; n < ROWS; n++) {
      long double same = 0, real = 0;
      for (int i = 0; i < K; i++) {
        same += unit14(xq[i], xcodes[i / 32]) * unit14(q[n * K + i], codes[(n * K + i) / 32]);
        real += oracle_value(x[t * K + i]) * oracle_value(v[n * K + i]);
      }
      add_error(&a, y[t * ROWS + n], same);
      add_error(&b, y[t * ROWS + n], real);
    }
  }
  row("router logits I14, K = 512, outliers", "arithmetic, RMS", a, 5e-8);
  row("router logits I14, K = 512, outliers", "with quantisation, RMS", b, 4e-4);
  free(x), free(v);
}

static void rmsnorm(void) {
  struct vb_rng r = vb_test_rng();
  enum { N = 256, T = 200 };
  struct error e = {0, 0};
  vb_z *x = random_z(&r, VB_GEN_OUTLIER, N * T), *w = random_z(&r, VB_GEN_GAUSS, N), y[N * T];
  struct vb_rmsnorm_op op = {.x = x,
                             .w = w,
                             .groups = 1,
                             .n = N,
                             .eps_n = vb_norm(N, -20),
                             .sqrt_n = vb_norm(16, 0),
                             .t = {0, T},
                             .g = {0, 1},
                             .y = y};
  vb_ref_rmsnorm(&op);
  for (int t = 0; t < T; t++) {
    long double sum = 0;
    for (int i = 0; i < N; i++) sum += oracle_value(x[t * N + i]) * oracle_value(x[t * N + i]);
    for (int i = 0; i < N; i++)
      add_error(&e, y[t * N + i], oracle_value(x[t * N + i]) / sqrtl(sum / N + 0x1p-20L) * oracle_value(w[i]));
  }
  row("RMSNorm, n = 256, outliers", "arithmetic, RMS", e, 2.4e-5);
  free(x), free(w);
}

static void swiglu(void) {
  struct vb_rng r = vb_test_rng();
  enum { N = 20000 };
  struct error e = {0, 0};
  vb_z *g = random_z(&r, VB_GEN_GAUSS, N), *u = random_z(&r, VB_GEN_OUTLIER, N), *y = malloc(N * sizeof *y);
  struct vb_swiglu_op op = {.g = g, .u = u, .cols = N, .t = {0, 1}, .n = {0, N}, .y = y};
  vb_ref_swiglu(&op);
  for (int i = 0; i < N; i++) {
    long double v = oracle_value(g[i]);
    add_error(&e, y[i], v / (1 + expl(-v)) * oracle_value(u[i]));
  }
  row("SwiGLU", "arithmetic, RMS", e, 1e-7);
  free(g), free(u), free(y);
}

/// Causal rows over `keys` keys; `peak` scales the scores from flat to one-hot.
static void attention(int peak, const char *inputs, double arithmetic, double quantised) {
  struct vb_rng r = vb_test_rng();
  enum { D = 64, KEYS = 256, HEADS = 24 };
  struct error a = {0, 0}, b = {0, 0};
  vb_z *k = random_z(&r, VB_GEN_GAUSS, KEYS * D), *v = random_z(&r, VB_GEN_GAUSS, KEYS * D);
  vb_z *q = random_z(&r, VB_GEN_GAUSS, HEADS * D), y[HEADS * D], scale = vb_mul(VB_Z_LOG2E, vb_norm(1, -3 + peak));
  const uint32_t rec = vb_rec_bytes(D), val = vb_val_bytes(D);
  uint8_t *qr = malloc(HEADS * rec), *kr = malloc(KEYS * rec), *vr = malloc(KEYS * val);
  struct vb_pack_q_op pq = {.x = q, .scale = scale, .heads = HEADS, .d = D, .t = {0, 1}, .h = {0, HEADS}, .rec = qr};
  struct vb_pack_kv_op pk = {
      .k = k, .v = v, .heads = 1, .dk = D, .dv = D, .t = {0, KEYS}, .h = {0, 1}, .krec = kr, .vrec = vr};
  vb_ref_pack_q(&pq);
  vb_ref_pack_kv(&pk);
  struct vb_kv kv = {kr, vr, 1, D, D, KEYS, KEYS, 1};
  struct vb_attention_op op = {.q = qr,
                               .kv = &kv,
                               .heads = HEADS,
                               .first_count = KEYS,
                               .t = {0, 1},
                               .h = {0, HEADS},
                               .key = {0, KEYS},
                               .mode = VB_ATTN_FULL,
                               .y = y};
  vb_ref_attention(&op);
  for (int h = 0; h < HEADS; h++)
    for (int real = 0; real < 2; real++) { // on the records' own integers, then on the unquantised values
      long double s[KEYS], top = -INFINITY, sum = 0;
      for (int j = 0; j < KEYS; j++) {
        s[j] = 0;
        for (int c = 0; c < D; c++)
          s[j] +=
              real ? oracle_value(q[h * D + c]) * oracle_value(scale) * oracle_value(k[j * D + c])
                   : unit((int8_t)qr[(uint32_t)h * rec + 32 + (uint32_t)c], qr[(uint32_t)h * rec + (uint32_t)c / 32]) *
                         unit((int8_t)kr[(uint32_t)j * rec + 32 + (uint32_t)c],
                              kr[(uint32_t)j * rec + (uint32_t)c / 32]);
        if (s[j] > top) top = s[j];
      }
      for (int j = 0; j < KEYS; j++) sum += s[j] = exp2l(s[j] - top);
      for (int c = 0; c < D; c++) {
        long double o = 0;
        for (int j = 0; j < KEYS; j++)
          o += s[j] / sum *
               (real ? oracle_value(v[j * D + c])
                     : unit((int8_t)vr[(uint32_t)j * val + (uint32_t)c],
                            kr[(uint32_t)j * rec + VB_REC_VCODES + (uint32_t)c / 32]));
        add_error(real ? &b : &a, y[h * D + c], o);
      }
    }
  row(inputs, "arithmetic, RMS", a, arithmetic);
  row(inputs, "with quantisation, RMS", b, quantised);
  free(q), free(k), free(v), free(qr), free(kr), free(vr);
}
static void attention_flat(void) { attention(0, "attention, 256 keys, flat", 2e-6, 2e-2); }
static void attention_peaked(void) { attention(3, "attention, 256 keys, peaked", 2e-6, 5e-2); }

static void router(void) {
  struct vb_rng r = vb_test_rng();
  enum { E = 64, TOP = 4, T = 500 };
  struct error e = {0, 0};
  vb_z *z = random_z(&r, VB_GEN_GAUSS, E * T);
  static uint32_t ids[T * TOP], hist[E], offsets[E + 1], list[T * TOP];
  static vb_z gates[T * TOP];
  struct vb_router_op op = {.logits = z,
                            .experts = E,
                            .k = TOP,
                            .renorm = 1,
                            .scale = VB_Z_ONE,
                            .t = {0, T},
                            .ids = ids,
                            .gates = gates,
                            .hist = hist,
                            .offsets = offsets,
                            .list = list};
  vb_ref_router(&op);
  for (int t = 0; t < T; t++) {
    long double sum = 0;
    for (int s = 0; s < TOP; s++) sum += expl(oracle_value(z[t * E + (int)ids[t * TOP + s]]));
    for (int s = 0; s < TOP; s++)
      add_error(&e, gates[t * TOP + s], expl(oracle_value(z[t * E + (int)ids[t * TOP + s]])) / sum);
  }
  row("router gates, 4 of 64", "arithmetic, RMS", e, 1e-5);
  free(z);
}

int main(int argc, char **argv) {
  const struct vb_test tests[] = {{"linear_gauss", linear_gauss},
                                  {"linear_outlier", linear_outlier},
                                  {"linear_i14", linear_i14},
                                  {"rmsnorm", rmsnorm},
                                  {"swiglu", swiglu},
                                  {"attention_flat", attention_flat},
                                  {"attention_peaked", attention_peaked},
                                  {"router", router},
                                  {0}};
  const struct vb_suite suites[] = {{"error", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
