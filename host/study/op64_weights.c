// SPDX-License-Identifier: Apache-2.0
// Operators with matrices: fp64 products of the carrier inputs with the raw tensors.
#include "model/raw.h"
#include "num/num.h"
#include "study/op64.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double val(vb_z z) { return (double)vb_to_float(z); }

static double dot(struct vb_view v, const double *x, uint32_t cols) {
  double sum = 0;
  for (uint32_t c = 0; c < cols; c++) sum += vb_tensor_at(v.t, v.first + c * v.col) * x[c];
  return sum;
}

static double *doubles(const vb_z *x, size_t n) {
  double *d = malloc(n * sizeof *d);
  for (size_t i = 0; d && i < n; i++) d[i] = val(x[i]);
  return d;
}

vb_result vb_op64_linear(const struct vb_model *m, const struct vb_node *node, const struct vb_linear_op *op,
                         struct vb_op_error *e) {
  const uint32_t rows = op->w8 ? op->w8->rows : op->w14->rows, cols = op->w8 ? op->w8->cols : op->w14->cols;
  const uint32_t groups = op->groups ? op->groups : 1, T = op->t.end - op->t.begin;
  struct vb_view probe;
  if (!vb_raw_row(m, (uint32_t)node->layer, node->name, 0, &probe))
    return vb_fail(VB_BAD_INPUT, "no raw tensor is known for this matrix");
  double *x = doubles(op->x + (uint64_t)op->t.begin * groups * cols, (size_t)T * groups * cols);
  double *want = malloc((size_t)T * rows * sizeof *want);
  bool ok = x && want;
#pragma omp parallel for schedule(static) if ((double)T * rows * cols > 1e6)
  for (uint32_t r = 0; r < rows; r++) {
    struct vb_view v;
    if (!ok || !vb_raw_row(m, (uint32_t)node->layer, node->name, r, &v)) continue;
    for (uint32_t t = 0; t < T; t++)
      want[(size_t)t * rows + r] =
          dot(v, x + ((size_t)t * groups + r / (rows / groups)) * cols, cols) + (op->bias ? val(op->bias[r]) : 0);
  }
  for (size_t i = 0; ok && i < (size_t)T * rows; i++) vb_op64_note(e, want[i], op->y[(size_t)op->t.begin * rows + i]);
  free(x), free(want);
  return ok ? VB_OK : vb_fail(VB_DEVICE, "out of memory for fp64 values");
}

struct expert {
  struct vb_view gate, up, down;
  const vb_z *gate_bias, *up_bias, *down_bias;
  uint32_t inter;
  bool plain; ///< SwiGLU whatever the routed ones have
};

static double hidden(const struct vb_experts_w *w, const struct expert *x, double g, double u, uint32_t i) {
  if (x->gate_bias) g += val(x->gate_bias[i]), u += val(x->up_bias[i]);
  if (x->plain || w->act == VB_EXPERT_SWIGLU) return g * vb_op64_sigmoid(g) * u;
  const double limit = val(w->limit);
  g = fmin(g, limit), u = fmax(-limit, fmin(limit, u));
  return g * vb_op64_sigmoid(1.702 * g) * (u + 1);
}

static struct vb_view row(struct vb_view v, uint64_t r) {
  v.first += r * v.row;
  return v;
}

/// y += scale * expert(in).
static bool add_expert(const struct vb_experts_w *w, const struct expert *x, const double *in, double scale,
                       double *y) {
  double *h = malloc(x->inter * sizeof *h);
  if (!h) return false;
#pragma omp parallel for schedule(static) if ((double)x->inter * w->dim > 1e5)
  for (uint32_t i = 0; i < x->inter; i++)
    h[i] = hidden(w, x, dot(row(x->gate, i), in, w->dim), dot(row(x->up, i), in, w->dim), i);
#pragma omp parallel for schedule(static) if ((double)x->inter * w->dim > 1e5)
  for (uint32_t n = 0; n < w->dim; n++)
    y[n] += scale * (dot(row(x->down, n), h, x->inter) + (x->down_bias ? val(x->down_bias[n]) : 0));
  free(h);
  return true;
}

static struct expert routed(const struct vb_model *m, uint32_t l, const struct vb_experts_w *w, uint32_t e) {
  struct expert x = {vb_expert_view(m, l, e, VB_PART_GATE),
                     vb_expert_view(m, l, e, VB_PART_UP),
                     vb_expert_view(m, l, e, VB_PART_DOWN),
                     NULL,
                     NULL,
                     NULL,
                     w->inter,
                     false};
  if (w->gate_bias)
    x.gate_bias = w->gate_bias + (uint64_t)e * w->inter, x.up_bias = w->up_bias + (uint64_t)e * w->inter;
  if (w->down_bias) x.down_bias = w->down_bias + (uint64_t)e * w->dim;
  return x;
}

static struct expert shared(const struct vb_model *m, uint32_t l, const struct vb_experts_w *w) {
  const struct vb_tensor *t[3];
  for (int p = 0; p < 3; p++) t[p] = vb_raw_shared(m, l, (enum vb_expert_part)p);
  return (struct expert){{t[0], 0, w->dim, 1},
                         {t[1], 0, w->dim, 1},
                         {t[2], 0, w->shared_inter, 1},
                         NULL,
                         NULL,
                         NULL,
                         w->shared_inter,
                         true};
}

vb_result vb_op64_experts(const struct vb_model *m, const struct vb_node *node, const struct vb_experts_op *op,
                          struct vb_op_error *e) {
  const struct vb_experts_w *w = op->w;
  const uint32_t l = (uint32_t)node->layer;
  double *in = malloc(w->dim * sizeof *in), *y = malloc(w->dim * sizeof *y);
  bool ok = in && y;
  for (uint32_t t = op->t.begin; ok && t < op->t.end; t++) {
    memset(y, 0, w->dim * sizeof *y);
    for (uint32_t s = 0; ok && s < op->k; s++) {
      const double gate = val(op->gates[(uint64_t)t * op->k + s]);
      for (uint32_t i = 0; i < w->dim; i++) in[i] = val(op->x[(uint64_t)t * w->dim + i]) * (w->gate_input ? gate : 1);
      struct expert x = routed(m, l, w, op->ids[(uint64_t)t * op->k + s]);
      ok = add_expert(w, &x, in, w->gate_input ? 1 : gate, y);
    }
    for (uint32_t i = 0; ok && i < w->dim; i++) in[i] = val(op->x[(uint64_t)t * w->dim + i]);
    struct expert x = w->shared_inter ? shared(m, l, w) : (struct expert){0};
    if (ok && w->shared_inter) ok = add_expert(w, &x, in, op->shared_scale ? val(op->shared_scale[t]) : 1, y);
    for (uint32_t i = 0; ok && i < w->dim; i++) vb_op64_note(e, y[i], op->y[(uint64_t)t * w->dim + i]);
  }
  free(in), free(y);
  return ok ? VB_OK : vb_fail(VB_DEVICE, "out of memory for fp64 values");
}
