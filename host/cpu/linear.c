// SPDX-License-Identifier: Apache-2.0
// Tokens in blocks whose packed form stays in the second cache level; inside a block threads share the output rows.
#include "cpu/cpu.h"
#include "cpu/mm8.h"
#include "cpu/scratch.h"

enum { TOKENS = 128 };

// Rows n of w times vector `group` of the `groups` per token.
static void linear_i8(const struct vb_linear_op *op, uint32_t groups, uint32_t group, struct vb_range rows,
                      int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  const struct vb_w8 *w = op->w8;
  const uint64_t ld = (uint64_t)w->blocks * VB_BLOCK;
  uint32_t block = op->t.end - op->t.begin < TOKENS ? op->t.end - op->t.begin : TOKENS;
  int8_t *q = vb_scratch(block * ld);
  uint8_t *codes = vb_scratch((uint64_t)block * w->blocks);
  uint8_t *packs = vb_scratch(vb_mm8_tiles(isa, block) * vb_mm8_tile_bytes(isa, op->b));
  for (uint32_t t0 = op->t.begin; t0 < op->t.end; t0 += TOKENS) {
    struct vb_act8 a[TOKENS];
    vb_z *z[TOKENS];
    int64_t *acc[TOKENS];
    uint32_t count = op->t.end - t0 < TOKENS ? op->t.end - t0 : TOKENS;
    struct vb_mm8 job = {.w = w,
                         .a = a,
                         .count = count,
                         .b = op->b,
                         .packs = packs,
                         .z = z,
                         .acc = acc,
                         .bias = op->bias,
                         .sink = op->acc ? VB_MM8_ACC : VB_MM8_Z};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for schedule(static)
      for (uint32_t i = 0; i < count; i++) {
        uint64_t t = t0 + i;
        a[i].q = q + i * ld, a[i].codes = codes + (uint64_t)i * w->blocks;
        a[i].max =
            isa->quant_i8(op->x + (t * groups + group) * w->cols, w->cols, q + i * ld, codes + (uint64_t)i * w->blocks);
        z[i] = op->acc ? NULL : op->y + t * w->rows;
        acc[i] = op->acc ? op->acc + t * w->rows : NULL;
      }
#pragma omp for schedule(static)
      for (uint32_t i = 0; i < vb_mm8_tiles(isa, count); i++) vb_mm8_pack(isa, &job, i, packs);
#pragma omp for schedule(dynamic)
      for (uint32_t n = rows.begin; n < rows.end; n += VB_TILE_ROWS)
        vb_mm8_rows(isa, &job, (struct vb_range){n, rows.end - n < VB_TILE_ROWS ? rows.end : n + VB_TILE_ROWS});
    }
  }
  free(q), free(codes), free(packs);
}

static void token_i14(const struct vb_isa *isa, const struct vb_linear_op *op, uint32_t t, int16_t *q, uint8_t *codes) {
  const struct vb_w14 *w = op->w14;
  struct vb_act14 a = {q, codes, vb_quant_row_i14(op->x + (uint64_t)t * w->cols, w->cols, q, codes)};
  for (uint32_t n = op->n.begin; n < op->n.end; n += VB_TILE_ROWS) {
    int64_t acc[VB_TILE_ROWS];
    uint64_t at = (uint64_t)t * w->rows + n;
    uint32_t rows = op->n.end - n < VB_TILE_ROWS ? op->n.end - n : VB_TILE_ROWS;
    isa->p2_i14(w, n, rows, &a, op->b, acc);
    if (op->acc) {
      memcpy(op->acc + at, acc, rows * sizeof *acc);
    } else {
      isa->norm(acc, w->max + n, a.max - 254 - 8, rows, op->y + at);
      for (uint32_t r = 0; op->bias && r < rows; r++) op->y[at + r] = vb_add(op->y[at + r], op->bias[n + r]);
    }
  }
}

// The router: few rows, whose weights stay in cache, so threads share the tokens.
static void linear_i14(const struct vb_linear_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  const uint32_t blocks = op->w14->blocks;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    int16_t *q = vb_scratch((uint64_t)blocks * VB_BLOCK * sizeof *q);
    uint8_t *codes = vb_scratch(blocks);
#pragma omp for schedule(static)
    for (uint32_t t = op->t.begin; t < op->t.end; t++) token_i14(isa, op, t, q, codes);
    free(q), free(codes);
  }
}

void vb_cpu_linear(const struct vb_linear_op *op, int threads) {
  if (op->t.begin >= op->t.end || op->n.begin >= op->n.end) return;
  if (op->w14) {
    linear_i14(op, vb_threads(threads));
    return;
  }
  const uint32_t groups = op->groups > 1 ? op->groups : 1, size = op->w8->rows / groups;
  const uint32_t first = op->n.begin / size, end = (op->n.end - 1) / size + 1; // groups divide the rows
  // With groups for everyone, threads share the groups: their matrices are too small to be worth sharing.
  threads = vb_threads(threads);
  const bool share = threads > 1 && end - first >= (uint32_t)threads;
#pragma omp parallel for num_threads(threads) if (share) schedule(dynamic)
  for (uint32_t g = first; g < end; g++) {
    struct vb_range n = {g * size, (g + 1) * size};
    if (n.begin < op->n.begin) n.begin = op->n.begin;
    if (n.end > op->n.end) n.end = op->n.end;
    linear_i8(op, groups, g, n, share ? 1 : threads);
  }
}
