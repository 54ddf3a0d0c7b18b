// SPDX-License-Identifier: Apache-2.0
/// The gate weight is folded into the hidden values before they are quantised, so the down projections of all selected
/// experts and of the shared one are ONE exact sum with concatenated reduction dimension: rounded once, whoever computed which.
#include "num/block.h"
#include "num/expert.h"
#include "ref/ref.h"

static vb_z row_dot(const int8_t *q, const uint8_t *codes, int a_max, const struct vb_w8 *w, uint64_t row) {
  int64_t acc =
      vb_p2_i8(q, codes, a_max, w->q + row * w->blocks * VB_BLOCK, w->codes + row * w->blocks, w->max[row], w->blocks);
  return vb_p2_norm(acc, a_max, w->max[row]);
}

/// hidden[i] = act(gate row, up row) * scale for one expert whose rows start at `first`; x is its input.
static void hidden(const vb_z *x, const struct vb_w8 *gate, const struct vb_w8 *up, const vb_z *gate_bias,
                   const vb_z *up_bias, uint64_t first, uint32_t inter, enum vb_expert_act act, vb_z limit, vb_z scale,
                   vb_z *h) {
  int8_t q[gate->blocks * VB_BLOCK];
  uint8_t codes[gate->blocks];
  int a_max = vb_quant_row_i8(x, gate->cols, q, codes);
  for (uint32_t i = 0; i < inter; i++) {
    vb_z g = row_dot(q, codes, a_max, gate, first + i), u = row_dot(q, codes, a_max, up, first + i);
    if (gate_bias) g = vb_add(g, gate_bias[first + i]);
    if (up_bias) u = vb_add(u, up_bias[first + i]);
    h[i] = vb_mul(vb_expert_act(act, limit, g, u), scale);
  }
}

static void hidden_token(const struct vb_experts_op *op, uint32_t t) {
  const struct vb_experts_w *w = op->w;
  const vb_z *x = op->x + (uint64_t)t * w->dim;
  vb_z scaled[w->dim], h[w->inter > w->shared_inter ? w->inter : w->shared_inter];
  for (uint32_t s = 0; s < op->k; s++) {
    uint64_t p = (uint64_t)t * op->k + s;
    if (op->ids[p] < op->e.begin || op->ids[p] >= op->e.end) continue;
    for (uint32_t i = 0; i < w->dim && w->gate_input; i++) scaled[i] = vb_mul(x[i], op->gates[p]);
    hidden(w->gate_input ? scaled : x, &w->gate, &w->up, w->gate_bias, w->up_bias, (uint64_t)op->ids[p] * w->inter,
           w->inter, w->act, w->limit, w->gate_input ? VB_Z_ONE : op->gates[p], h);
    op->hmax[p] = vb_quant_row_i8(h, w->inter, op->hq + p * w->down.blocks * VB_BLOCK, op->hcodes + p * w->down.blocks);
  }
  if (!w->shared_inter || op->e.begin > w->experts || op->e.end <= w->experts) return;
  hidden(x, &w->shared_gate, &w->shared_up, NULL, NULL, 0, w->shared_inter, VB_EXPERT_SWIGLU, 0,
         op->shared_scale ? op->shared_scale[t] : VB_Z_ONE, h);
  op->shmax[t] = vb_quant_row_i8(h, w->shared_inter, op->shq + (uint64_t)t * w->shared_down.blocks * VB_BLOCK,
                                 op->shcodes + (uint64_t)t * w->shared_down.blocks);
}

static int64_t down_dot(const int8_t *q, const uint8_t *codes, int a_max, const struct vb_w8 *w, uint64_t row) {
  return vb_p2_i8(q, codes, a_max, w->q + row * w->blocks * VB_BLOCK, w->codes + row * w->blocks, w->max[row],
                  w->blocks);
}

static void down_token(const struct vb_experts_op *op, uint32_t t, int a_max, int64_t *acc) {
  const struct vb_experts_w *w = op->w;
  uint32_t nb = w->down.blocks, sb = w->shared_down.blocks;
  bool shared = w->shared_inter && op->e.begin <= w->experts && op->e.end > w->experts;
  for (uint32_t n = 0; n < w->dim; n++) {
    acc[n] = shared ? down_dot(op->shq + (uint64_t)t * sb * VB_BLOCK, op->shcodes + (uint64_t)t * sb, a_max,
                               &w->shared_down, n)
                    : 0;
    for (uint32_t s = 0; s < op->k; s++) {
      uint64_t p = (uint64_t)t * op->k + s;
      if (op->ids[p] < op->e.begin || op->ids[p] >= op->e.end) continue;
      acc[n] +=
          down_dot(op->hq + p * nb * VB_BLOCK, op->hcodes + p * nb, a_max, &w->down, (uint64_t)op->ids[p] * w->dim + n);
    }
  }
}

void vb_ref_experts(const struct vb_experts_op *op) {
  uint32_t dim = op->w->dim;
  int64_t acc[dim];
  for (uint32_t t = op->t.begin; t < op->t.end; t++) {
    if (op->mode == VB_EXPERTS_DOWN) down_token(op, t, op->tmax[t], op->acc + (uint64_t)t * dim);
    else hidden_token(op, t);
    if (op->mode != VB_EXPERTS_FULL) continue;
    int a_max = op->w->shared_inter ? op->shmax[t] : 0;
    for (uint32_t s = 0; s < op->k; s++)
      if (op->hmax[(uint64_t)t * op->k + s] > a_max) a_max = op->hmax[(uint64_t)t * op->k + s];
    down_token(op, t, a_max, acc);
    for (uint32_t n = 0; n < dim; n++) op->y[(uint64_t)t * dim + n] = vb_experts_finish(op, t, n, acc[n], a_max);
  }
}
