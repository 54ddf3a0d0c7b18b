// SPDX-License-Identifier: Apache-2.0
// Columns in pieces: a piece's weights are transposed once (they lie by column) and serve a stretch of tokens.
#include "cpu/cpu.h"
#include "cpu/dot.h"
#include "cpu/scratch.h"

enum { TAPS = 4, PIECE = 256, TOKENS = 32 };

static const vb_z *tap(const struct vb_conv_op *op, uint32_t t, uint32_t back) {
  return t >= back ? op->x + (uint64_t)(t - back) * op->cols : op->history + (uint64_t)(3 + t - back) * op->cols;
}

static void piece(const struct vb_isa *isa, const struct vb_conv_op *op, struct vb_range t, uint32_t at, uint32_t n) {
  vb_z w[TAPS][PIECE], one[PIECE], a[PIECE], b[PIECE];
  for (uint32_t c = 0; c < n; c++) {
    for (int k = 0; k < TAPS; k++) w[k][c] = op->w[(uint64_t)(at + c) * TAPS + (uint32_t)k];
    one[c] = VB_Z_ONE;
  }
  for (; t.begin < t.end; t.begin++) {
    vb_z *y = op->y + (uint64_t)t.begin * op->cols + at;
    isa->mul(w[0], tap(op, t.begin, 3) + at, n, y);
    isa->mul(w[1], tap(op, t.begin, 2) + at, n, b);
    isa->add(y, b, n, y);
    isa->mul(w[2], tap(op, t.begin, 1) + at, n, a);
    isa->mul(w[3], tap(op, t.begin, 0) + at, n, b);
    isa->add(a, b, n, a);
    isa->add(y, a, n, a);
    isa->silu_mul(a, one, n, y); // times 1 changes no carrier value
  }
}

void vb_cpu_conv(const struct vb_conv_op *op, int threads) {
  const struct vb_isa *isa = vb_cpu_isa();
  threads = vb_threads(threads);
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
  for (uint32_t t = op->t.begin; t < op->t.end; t += TOKENS)
    for (uint32_t n = op->n.begin; n < op->n.end; n += PIECE)
      piece(isa, op, (struct vb_range){t, op->t.end - t < TOKENS ? op->t.end : t + TOKENS}, n,
            op->n.end - n < PIECE ? op->n.end - n : PIECE);
}
