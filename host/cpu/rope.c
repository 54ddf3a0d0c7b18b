// SPDX-License-Identifier: Apache-2.0
// The angles of a token are the same for all its heads: computed once per token.
#include "num/rope.h"
#include "cpu/cpu.h"
#include "cpu/scratch.h"

static void rotate_head(const struct vb_rope_op *op, const vb_z *x, vb_z *y, const int32_t (*angle)[2]) {
  uint32_t half = op->rot / 2;
  bool pair = op->layout == VB_ROPE_PAIR;
  for (uint32_t i = 0; i < half; i++) {
    uint32_t a = op->first + (pair ? 2 * i : i), b = pair ? a + 1 : a + half;
    vb_rope_rotate(x[a], x[b], angle[i][0], angle[i][1], &y[a], &y[b]);
    if (op->mscale) y[a] = vb_mul(y[a], op->mscale), y[b] = vb_mul(y[b], op->mscale);
  }
  uint32_t end = op->first + 2 * half;
  memcpy(y, x, op->first * sizeof *y);
  memcpy(y + end, x + end, (op->d - end) * sizeof *y);
}

void vb_cpu_rope(const struct vb_rope_op *op, int threads) {
  threads = vb_threads(threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    int32_t(*angle)[2] = vb_scratch((uint64_t)op->rot / 2 * sizeof *angle);
#pragma omp for schedule(static)
    for (uint32_t t = op->t.begin; t < op->t.end; t++) {
      for (uint32_t i = 0; i < op->rot / 2; i++) vb_rope_cossin(op->pos[t], op->freq[i], &angle[i][0], &angle[i][1]);
      for (uint32_t h = op->h.begin; h < op->h.end; h++) {
        uint64_t row = ((uint64_t)t * op->heads + h) * op->d;
        rotate_head(op, op->x + row, op->y + row, (const int32_t(*)[2])angle);
      }
    }
    free(angle);
  }
}
