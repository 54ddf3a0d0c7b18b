// SPDX-License-Identifier: Apache-2.0
// Operators without weights, and the choice among all.
#include "study/op64.h"
#include "num/num.h"
#include <math.h>
#include <stdlib.h>

static double val(vb_z z) { return (double)vb_to_float(z); }

void vb_op64_note(struct vb_op_error *e, double want, vb_z got) {
  double d = fabs(val(got) - want);
  e->values++;
  e->err2 += d * d;
  e->ref2 += want * want;
  if (d > e->max) e->max = d;
}

static void embed(const struct vb_embed_op *o, struct vb_op_error *e) {
  for (uint32_t t = o->t.begin; t < o->t.end; t++)
    for (uint32_t i = 0; i < o->dim; i++)
      vb_op64_note(e, val(o->table[(uint64_t)o->tokens[t] * o->dim + i]) * (o->scale ? val(o->scale) : 1),
                   o->y[(uint64_t)t * o->dim + i]);
}

static void rmsnorm(const struct vb_rmsnorm_op *o, struct vb_op_error *e) {
  const uint32_t n = o->n;
  for (uint64_t v = (uint64_t)o->t.begin * o->groups; v < (uint64_t)o->t.end * o->groups; v++) {
    const vb_z *x = o->x + v * n;
    double mean = 0, sum = 0;
    for (uint32_t i = 0; i < n && o->kind == VB_NORM_LAYER; i++) mean += val(x[i]) / n;
    for (uint32_t i = 0; i < n; i++) sum += (val(x[i]) - mean) * (val(x[i]) - mean);
    double r = (o->kind == VB_NORM_L2 ? 1 : sqrt(n)) / sqrt(sum + val(o->eps_n));
    for (uint32_t i = 0; i < n; i++)
      vb_op64_note(
          e, (val(x[i]) - mean) * r * (o->w ? val(o->w[i]) : 1) + (o->kind == VB_NORM_LAYER ? val(o->bias[i]) : 0),
          o->y[v * n + i]);
  }
}

static void rope(const struct vb_rope_op *o, struct vb_op_error *e) {
  const uint32_t half = o->rot / 2;
  const double m = o->mscale ? val(o->mscale) : 1;
  for (uint32_t t = o->t.begin; t < o->t.end; t++)
    for (uint32_t h = 0; h < o->heads; h++) {
      const vb_z *x = o->x + ((uint64_t)t * o->heads + h) * o->d, *y = o->y + ((uint64_t)t * o->heads + h) * o->d;
      for (uint32_t i = 0; i < half; i++) {
        const bool pair = o->layout == VB_ROPE_PAIR;
        const uint32_t a = o->first + (pair ? 2 * i : i), b = pair ? a + 1 : a + half;
        const double turn = (double)(int64_t)(o->freq[i] * o->pos[t]) * 0x1p-64 * 6.283185307179586476925;
        vb_op64_note(e, m * (val(x[a]) * cos(turn) - val(x[b]) * sin(turn)), y[a]);
        vb_op64_note(e, m * (val(x[b]) * cos(turn) + val(x[a]) * sin(turn)), y[b]);
      }
      for (uint32_t i = 0; i < o->d; i++)
        if (i < o->first || i >= o->first + o->rot) vb_op64_note(e, val(x[i]), y[i]);
    }
}

static double activate(enum vb_act act, double g) {
  switch (act) {
  case VB_ACT_SILU: return g * vb_op64_sigmoid(g);
  case VB_ACT_GELU_TANH: return 0.5 * g * (1 + tanh(0.79788456080286535588 * (g + 0.044715 * g * g * g)));
  case VB_ACT_SIGMOID: break;
  }
  return vb_op64_sigmoid(g);
}

static void swiglu(const struct vb_swiglu_op *o, struct vb_op_error *e) {
  for (uint64_t i = (uint64_t)o->t.begin * o->cols; i < (uint64_t)o->t.end * o->cols; i++)
    vb_op64_note(e, activate(o->act, val(o->g[i])) * (o->u ? val(o->u[i]) : 1), o->y[i]);
}

static void add(const struct vb_add_op *o, struct vb_op_error *e) {
  for (uint64_t i = (uint64_t)o->t.begin * o->cols; i < (uint64_t)o->t.end * o->cols; i++)
    vb_op64_note(e, val(o->a[i]) + val(o->b[i]), o->y[i]);
}

static double piece_at(const struct vb_piece *p, uint32_t t, uint32_t h, uint32_t i) {
  return val(p->x[((uint64_t)t * p->heads + (p->heads == 1 ? 0 : h)) * p->width + p->first + i]);
}

static void join(const struct vb_join_op *o, struct vb_op_error *e) {
  const uint32_t width = o->a.len + o->b.len;
  for (uint32_t t = o->t.begin; t < o->t.end; t++)
    for (uint32_t h = 0; h < o->heads; h++)
      for (uint32_t i = 0; i < width; i++)
        vb_op64_note(e, i < o->a.len ? piece_at(&o->a, t, h, i) : piece_at(&o->b, t, h, i - o->a.len),
                     o->y[((uint64_t)t * o->heads + h) * width + i]);
}

static void softcap(const struct vb_softcap_op *o, struct vb_op_error *e) {
  for (uint64_t i = (uint64_t)o->t.begin * o->cols; i < (uint64_t)o->t.end * o->cols; i++)
    vb_op64_note(e, val(o->cap) * tanh(val(o->x[i]) / val(o->cap)), o->y[i]);
}

static void conv(const struct vb_conv_op *o, struct vb_op_error *e) {
  for (uint32_t t = o->t.begin; t < o->t.end; t++)
    for (uint32_t c = 0; c < o->cols; c++) {
      double sum = 0;
      for (uint32_t j = 0; j < 4; j++) { // rows of [history | inputs]: t .. t + 3
        const vb_z *row = t + j < 3 ? o->history + (uint64_t)(t + j) * o->cols : o->x + (uint64_t)(t + j - 3) * o->cols;
        sum += val(o->w[c * 4ull + j]) * val(row[c]);
      }
      vb_op64_note(e, sum * vb_op64_sigmoid(sum), o->y[(uint64_t)t * o->cols + c]);
    }
}

static vb_result one(const struct vb_model *m, const struct vb_step *s, const union vb_any_op *op,
                     struct vb_op_error *e) {
  switch (s->node->kind) {
  case VB_OP_EMBED: embed(&op->embed, e); break;
  case VB_OP_RMSNORM: rmsnorm(&op->rmsnorm, e); break;
  case VB_OP_LINEAR: return vb_op64_linear(m, s->node, &op->linear, e);
  case VB_OP_ROPE: rope(&op->rope, e); break;
  case VB_OP_PACK_Q: vb_op64_pack_q(&op->pack_q, e); break;
  case VB_OP_PACK_KV: vb_op64_pack_kv(&op->pack_kv, e); break;
  case VB_OP_ATTENTION: return vb_op64_attention(&op->attention, e);
  case VB_OP_SWIGLU: swiglu(&op->swiglu, e); break;
  case VB_OP_ADD: add(&op->add, e); break;
  case VB_OP_ROUTER: vb_op64_router(&op->router, s->tokens, e); break;
  case VB_OP_EXPERTS: return vb_op64_experts(m, s->node, &op->experts, e);
  case VB_OP_JOIN: join(&op->join, e); break;
  case VB_OP_SOFTCAP: softcap(&op->softcap, e); break;
  case VB_OP_CONV: conv(&op->conv, e); break;
  case VB_OP_DELTA: return vb_op64_delta(&op->delta, e);
  case VB_OP_INDEXER: return vb_op64_indexer(&op->indexer, e);
  case VB_OP_KINDS: break;
  }
  return VB_OK;
}

vb_result vb_op64_step(const struct vb_model *m, const struct vb_step *s, struct vb_op_error *e) {
  struct vb_op_error mine = {0};
  vb_result r = VB_OK;
  for (uint32_t k = 0; r == VB_OK && k < s->ops; k++) r = one(m, s, &s->op[k], &mine);
  if (r != VB_OK) return vb_context(r, "%s: ", s->node->path);
  double rms = mine.values ? sqrt(mine.ref2 / (double)mine.values) : 0;
  e->values += mine.values, e->choices += mine.choices, e->other += mine.other;
  e->err2 += mine.err2, e->ref2 += mine.ref2;
  if (rms > 0 && mine.max / rms > e->max) e->max = mine.max / rms;
  return VB_OK;
}
