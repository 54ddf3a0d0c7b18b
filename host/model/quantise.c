// SPDX-License-Identifier: Apache-2.0
// The steps from raw tensors to contract weights: carrier values, I8 and I14 blocks, errors tallied.
#include "model/build.h"
#include "num/block.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tally {
  uint64_t flushed, saturated;
  double err2, ref2;
};

void *vb_take(struct vb_builder *b, uint64_t count, size_t size) {
  void *p = b->result == VB_OK ? vb_arena_alloc(b->m->arena, count, size) : NULL;
  if (!p && b->result == VB_OK) b->result = vb_no_memory("contract weights");
  return p;
}

const struct vb_tensor *vb_get(const struct vb_builder *b, const char *format, ...) {
  char name[VB_MAX_NAME];
  va_list ap;
  va_start(ap, format);
  vsnprintf(name, sizeof name, format, ap);
  va_end(ap);
  return vb_model_find(b->m, name);
}

static vb_z to_carrier(const struct vb_tensor *t, uint64_t i, struct tally *tally) {
  unsigned flags = 0;
  vb_z z = vb_from_float_bits(vb_tensor_bits(t, i), &flags);
  tally->flushed += (flags & VB_IMPORT_FLUSH) != 0;
  tally->saturated += (flags & VB_IMPORT_SATURATE) != 0;
  return z;
}

static void add_counts(struct vb_builder *b, const struct tally *t) {
  struct vb_import_stats *s = &b->m->stats;
  s->flushed += t->flushed;
  s->saturated += t->saturated;
  s->flags |= (t->flushed ? (unsigned)VB_IMPORT_FLUSH : 0u) | (t->saturated ? (unsigned)VB_IMPORT_SATURATE : 0u);
}

// z NULL: count only.
static void carry(struct vb_builder *b, const struct vb_tensor *t, vb_z *z) {
  uint64_t n = vb_tensor_count(t), flushed = 0, saturated = 0;
#pragma omp parallel for reduction(+ : flushed, saturated) if (n > 100000)
  for (uint64_t i = 0; i < n; i++) {
    struct tally mine = {0};
    vb_z value = to_carrier(t, i, &mine);
    if (z) z[i] = value;
    flushed += mine.flushed;
    saturated += mine.saturated;
  }
  add_counts(b, &(struct tally){.flushed = flushed, .saturated = saturated});
}

vb_z *vb_carrier(struct vb_builder *b, const struct vb_tensor *t) {
  vb_z *z = vb_take(b, vb_tensor_count(t), sizeof *z);
  if (z) carry(b, t, z);
  return z;
}

vb_z *vb_large_carrier(struct vb_builder *b, const struct vb_tensor *t) {
  if (!b->tally) return vb_carrier(b, t);
  carry(b, t, NULL);
  return NULL;
}

static double square(double x) { return x * x; }

// 2^(code - 127)
static double unit(uint8_t code) {
  uint64_t bits = (uint64_t)(code - 127 + 1023) << 52;
  double d;
  memcpy(&d, &bits, 8);
  return d;
}

// One row of a matrix in its block format; exactly one of q8, q14 is set. Returns the row's largest code.
static uint8_t quantise_row(const vb_z *z, uint32_t cols, int8_t *q8, int16_t *q14, uint8_t *codes, struct tally *t) {
  uint8_t top = q8 ? vb_quant_row_i8(z, cols, q8, codes) : vb_quant_row_i14(z, cols, q14, codes);
  for (uint32_t i = 0; i < cols; i++) {
    double x = (double)vb_to_float(z[i]), q = q8 ? q8[i] : q14[i];
    t->err2 += square(x - q * unit(codes[i / VB_BLOCK]));
    t->ref2 += square(x);
  }
  return top;
}

enum { TILE = 16 }; // rows that are read together where neighbours in memory are neighbouring rows

static void read_tile(const struct vb_view *v, uint64_t r, uint32_t rows, uint32_t cols, vb_z *z, struct tally *tally) {
  if (v->col <= v->row) {
    for (uint32_t i = 0; i < rows; i++)
      for (uint32_t c = 0; c < cols; c++)
        z[(size_t)i * cols + c] = to_carrier(v->t, v->first + (r + i) * v->row + c * v->col, &tally[r + i]);
    return;
  }
  for (uint32_t c = 0; c < cols; c++)
    for (uint32_t i = 0; i < rows; i++)
      z[(size_t)i * cols + c] = to_carrier(v->t, v->first + (r + i) * v->row + c * v->col, &tally[r + i]);
}

// Buffers of one thread.
struct rows {
  vb_z *z;               // [tile][cols]
  struct vb_target kept; // one row, where the target keeps none
};

static bool take_rows(struct rows *w, uint32_t tile, uint32_t cols, const struct vb_target *to) {
  const size_t blocks = vb_blocks(cols);
  *w = (struct rows){.z = malloc(sizeof *w->z * cols * tile)};
  if (to->codes) return w->z;
  if (to->wide) w->kept.q14 = malloc(blocks * VB_BLOCK * sizeof *w->kept.q14);
  else w->kept.q8 = malloc(blocks * VB_BLOCK);
  w->kept.codes = malloc(blocks);
  return w->z && (w->kept.q8 || w->kept.q14) && w->kept.codes;
}

static void drop_rows(struct rows *w) {
  free(w->z);
  free(w->kept.q8);
  free(w->kept.q14);
  free(w->kept.codes);
}

static void make_row(const struct vb_target *to, struct rows *w, uint32_t r, const vb_z *z, uint32_t cols,
                     struct tally *tally) {
  const size_t blocks = vb_blocks(cols), width = blocks * VB_BLOCK;
  if (!to->codes) quantise_row(z, cols, w->kept.q8, w->kept.q14, w->kept.codes, tally);
  else
    to->max[r] = quantise_row(z, cols, to->q8 ? to->q8 + r * width : NULL, to->q14 ? to->q14 + r * width : NULL,
                              to->codes + r * blocks, tally);
}

// Error sums are added in row order: the same with any number of threads.
void vb_quantise(struct vb_builder *b, enum vb_weight_class class, struct vb_view v, uint32_t rows, uint32_t cols,
                 struct vb_target to) {
  if (b->result != VB_OK) return;
  const uint32_t size = v.col <= v.row ? 1 : TILE;
  struct tally *tally = calloc(rows, sizeof *tally);
  bool failed = !tally;
  if (tally) {
#pragma omp parallel reduction(|| : failed) if ((uint64_t)rows * cols > 100000)
    {
      struct rows w;
      const bool there = take_rows(&w, size, cols, &to);
      failed = !there;
#pragma omp for
      for (uint32_t tile = 0; tile < (rows + size - 1) / size; tile++) {
        uint32_t r0 = tile * size, n = rows - r0 < size ? rows - r0 : size;
        if (!there) continue;
        read_tile(&v, r0, n, cols, w.z, tally);
        for (uint32_t r = r0; r < r0 + n; r++) make_row(&to, &w, r, w.z + (size_t)(r - r0) * cols, cols, &tally[r]);
      }
      drop_rows(&w);
    }
  }
  if (failed) b->result = vb_no_memory("quantisation");
  for (uint32_t r = 0; r < rows && !failed; r++) {
    add_counts(b, &tally[r]);
    b->m->stats.err2[class] += tally[r].err2;
    b->m->stats.ref2[class] += tally[r].ref2;
  }
  free(tally);
}

struct vb_target vb_new_w8(struct vb_builder *b, struct vb_w8 *w, uint32_t rows, uint32_t cols) {
  const uint32_t blocks = vb_blocks(cols);
  *w = (struct vb_w8){.rows = rows, .cols = cols, .blocks = blocks};
  if (b->tally) return (struct vb_target){.wide = false};
  struct vb_target t = {.q8 = vb_take(b, (uint64_t)rows * blocks, VB_BLOCK),
                        .codes = vb_take(b, (uint64_t)rows * blocks, 1),
                        .max = vb_take(b, rows, 1)};
  *w = (struct vb_w8){rows, cols, blocks, t.q8, t.codes, t.max};
  return t;
}

struct vb_target vb_new_w14(struct vb_builder *b, struct vb_w14 *w, uint32_t rows, uint32_t cols) {
  const uint32_t blocks = vb_blocks(cols);
  *w = (struct vb_w14){.rows = rows, .cols = cols, .blocks = blocks};
  if (b->tally) return (struct vb_target){.wide = true};
  struct vb_target t = {.q14 = vb_take(b, (uint64_t)rows * blocks, VB_BLOCK * sizeof *t.q14),
                        .codes = vb_take(b, (uint64_t)rows * blocks, 1),
                        .max = vb_take(b, rows, 1),
                        .wide = true};
  *w = (struct vb_w14){rows, cols, blocks, t.q14, t.codes, t.max};
  return t;
}

struct vb_target vb_skip_rows(struct vb_target t, uint64_t rows, uint32_t blocks) {
  if (!t.codes) return t;
  return (struct vb_target){
      .q8 = t.q8 + rows * blocks * VB_BLOCK, .codes = t.codes + rows * blocks, .max = t.max + rows};
}

void vb_matrix(struct vb_builder *b, enum vb_weight_class class, struct vb_w8 *w, const struct vb_tensor *t) {
  const uint32_t rows = (uint32_t)t->dim[0], cols = (uint32_t)t->dim[1];
  vb_quantise(b, class, (struct vb_view){t, 0, cols, 1}, rows, cols, vb_new_w8(b, w, rows, cols));
}
