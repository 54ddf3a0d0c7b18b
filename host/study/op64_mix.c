// SPDX-License-Identifier: Apache-2.0
// Records, attention, the delta rule, and the two operators that select.
#include "num/num.h"
#include "study/op64.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double val(vb_z z) { return (double)vb_to_float(z); }
static vb_result no_memory(void) { return vb_fail(VB_DEVICE, "out of memory for fp64 values"); }

double vb_op64_element(const int8_t *q, const uint8_t *codes, uint32_t i) {
  return ldexp(q[i], codes[i / VB_BLOCK] - 127);
}
static double rec_at(const uint8_t *rec, uint32_t i) {
  return vb_op64_element((const int8_t *)rec + VB_REC_HEADER, rec, i);
}

static void note(struct vb_op_error *e, double want, double got) { // records hold values that are no carrier
  double d = fabs(got - want);
  e->values++;
  e->err2 += d * d;
  e->ref2 += want * want;
  if (d > e->max) e->max = d;
}

static void hadamard(double *x, uint32_t n, bool query) {
  const int stages = vb_msb(n), share = query ? stages / 2 : stages - stages / 2;
  for (uint32_t step = 1; step < n; step *= 2)
    for (uint32_t i = 0; i < n; i++)
      if (!(i & step)) {
        double p = x[i], q = x[i + step];
        x[i] = p + q, x[i + step] = p - q;
      }
  for (uint32_t i = 0; i < n; i++) x[i] = ldexp(x[i], -share);
}

void vb_op64_pack_q(const struct vb_pack_q_op *o, struct vb_op_error *e) {
  double x[VB_MAX_DK];
  for (uint64_t v = (uint64_t)o->t.begin * o->heads; v < (uint64_t)o->t.end * o->heads; v++) {
    double scale = o->scale ? val(o->scale) : 1;
    if (o->floor_scale)
      scale *= 1 + val(o->temperature) * log(1 + (double)((o->pos[v / o->heads] + 1ull) / o->floor_scale));
    for (uint32_t i = 0; i < o->d; i++) x[i] = val(o->x[v * o->d + i]) * scale;
    if (o->hadamard) hadamard(x, o->d, true);
    for (uint32_t i = 0; i < o->d; i++) note(e, x[i], rec_at(o->rec + v * vb_rec_bytes(o->d), i));
  }
}

void vb_op64_pack_kv(const struct vb_pack_kv_op *o, struct vb_op_error *e) {
  double x[VB_MAX_DK];
  for (uint64_t v = (uint64_t)o->t.begin * o->heads; v < (uint64_t)o->t.end * o->heads; v++) {
    const uint8_t *rec = o->krec + v * vb_rec_bytes(o->dk);
    for (uint32_t i = 0; i < o->dk; i++) x[i] = val(o->k[v * o->dk + i]);
    if (o->hadamard) hadamard(x, o->dk, false);
    for (uint32_t i = 0; i < o->dk; i++) note(e, x[i], rec_at(rec, i));
    for (uint32_t i = 0; o->v && i < o->dv; i++)
      note(e, val(o->v[v * o->dv + i]),
           vb_op64_element((const int8_t *)o->vrec + v * vb_val_bytes(o->dv), rec + VB_REC_VCODES, i));
  }
}

static bool sees(const struct vb_attention_op *o, uint32_t t, uint32_t j) {
  const uint32_t p = o->first_count - 1 + t, block = o->list_block ? o->list_block : 1;
  const bool near = !(o->window && j + o->window <= p) && !(o->chunk && j < p - p % o->chunk);
  if (j > p || (!near && j >= o->keep)) return false;
  if (!o->list) return true;
  for (uint32_t i = 0; i < o->list_count[t]; i++)
    if (o->list[(uint64_t)t * o->list_stride + i] == j / block) return true;
  return false;
}

static double value_at(const struct vb_kv *kv, uint32_t head, uint32_t j, uint32_t i) {
  const uint8_t *key = vb_kv_key(kv, head, j);
  return kv->v ? vb_op64_element((const int8_t *)vb_kv_val(kv, head, j), key + VB_REC_VCODES, i) : rec_at(key, i);
}

/// Scores are in octaves: the queries' scale holds log2(e).
static void attend(const struct vb_attention_op *o, uint32_t t, uint32_t h, double *p, double *y) {
  const struct vb_kv *kv = o->kv;
  const uint32_t g = h / (o->heads / kv->heads), n = o->first_count + t;
  const uint8_t *q = o->q + ((uint64_t)t * o->heads + h) * vb_rec_bytes(kv->dk);
  double top = o->sinks ? val(o->sinks[h]) * 1.4426950408889634 : -INFINITY, sum = 0;
  const double sink = top, cap = (double)o->cap * 0x1p-24; // times log2(e); the scale then holds 2 log2(e) / cap
  for (uint32_t j = 0; j < n; j++) {
    p[j] = -INFINITY;
    if (!sees(o, t, j)) continue;
    p[j] = 0;
    for (uint32_t i = 0; i < kv->dk; i++) p[j] += rec_at(q, i) * rec_at(vb_kv_key(kv, g, j), i);
    if (o->cap) p[j] = cap * tanh(p[j] * 0.34657359027997265); // ln(2) / 2
    top = fmax(top, p[j]);
  }
  if (o->sinks) sum = exp2(sink - top);
  for (uint32_t j = 0; j < n; j++) sum += p[j] = exp2(p[j] - top);
  memset(y, 0, kv->dv * sizeof *y);
  for (uint32_t j = 0; j < n; j++)
    for (uint32_t i = 0; p[j] > 0 && i < kv->dv; i++) y[i] += p[j] / sum * value_at(kv, g, j, i);
}

vb_result vb_op64_attention(const struct vb_attention_op *o, struct vb_op_error *e) {
  double *p = malloc((o->first_count + o->t.end) * sizeof *p), y[VB_MAX_DV_SHARED];
  if (!p) return no_memory();
  for (uint32_t t = o->t.begin; t < o->t.end; t++)
    for (uint32_t h = 0; h < o->heads; h++) {
      attend(o, t, h, p, y);
      for (uint32_t i = 0; i < o->kv->dv; i++)
        vb_op64_note(e, y[i], o->y[((uint64_t)t * o->heads + h) * o->kv->dv + i]);
    }
  free(p);
  return VB_OK;
}

static double softplus(double x) { return x > 30 ? x : log1p(exp(x)); }

/// One head, from the state that the contract had before the call.
static void recur(const struct vb_delta_op *o, uint32_t h, double *s, double *delta, struct vb_op_error *e) {
  const uint32_t dk = o->dk, dv = o->dv, H = o->heads, K = o->key_heads, g = h / (H / K);
  const double pending = exp2(-(double)o->before.g[h] * 0x1p-31);
  for (uint32_t i = 0; i < dk; i++)
    for (uint32_t j = 0; j < dv; j++)
      s[i * dv + j] = ldexp(o->before.m[((uint64_t)h * dk + i) * dv + j], o->before.c[(uint64_t)h * dv + j]) * pending;
  for (uint32_t t = 0; t < o->tokens; t++) {
    const vb_z *q = o->q + ((uint64_t)t * K + g) * dk, *k = o->k + ((uint64_t)t * K + g) * dk;
    const uint64_t at = (uint64_t)t * H + h;
    const double beta = vb_op64_sigmoid(val(o->b[at]));
    const double decay = exp(-val(o->ea[h]) * softplus(val(o->a[at]) + val(o->dt_bias[h])));
    for (uint32_t j = 0; j < dv; j++) {
      double recalled = 0, sum = 0;
      for (uint32_t i = 0; i < dk; i++) recalled += val(k[i]) * (s[i * dv + j] *= decay);
      delta[j] = beta * (val(o->v[at * dv + j]) - recalled);
      for (uint32_t i = 0; i < dk; i++) sum += val(q[i]) * (s[i * dv + j] += val(k[i]) * delta[j]);
      vb_op64_note(e, sum * val(o->scale), o->y[at * dv + j]);
    }
  }
}

vb_result vb_op64_delta(const struct vb_delta_op *o, struct vb_op_error *e) {
  double *s = malloc((size_t)o->dk * o->dv * sizeof *s), *delta = malloc(o->dv * sizeof *delta);
  for (uint32_t h = 0; s && delta && h < o->heads; h++) recur(o, h, s, delta, e);
  vb_result r = s && delta ? VB_OK : no_memory();
  free(s), free(delta);
  return r;
}

static bool among_first(const double *score, uint32_t n, uint32_t i, uint32_t k) {
  uint32_t rank = 0;
  for (uint32_t o = 0; o < n; o++) rank += score[o] > score[i] || (score[o] == score[i] && o < i);
  return rank < k;
}

vb_result vb_op64_indexer(const struct vb_indexer_op *o, struct vb_op_error *e) {
  const uint32_t rec = vb_rec_bytes(o->kv->dk);
  double *score = malloc((o->first_count + o->t.end) * sizeof *score);
  if (!score) return no_memory();
  for (uint32_t t = o->t.begin; t < o->t.end; t++) {
    const uint32_t n = o->first_count + t;
    for (uint32_t j = 0; j < n; j++) {
      score[j] = 0;
      for (uint32_t h = 0; h < o->heads; h++) {
        double d = 0;
        for (uint32_t i = 0; i < o->kv->dk; i++)
          d += rec_at(o->q + ((uint64_t)t * o->heads + h) * rec, i) * rec_at(vb_kv_key(o->kv, 0, j), i);
        score[j] += val(o->w[(uint64_t)t * o->heads + h]) * fmax(d, 0);
      }
    }
    for (uint32_t i = 0; i < o->count[t]; i++, e->choices++)
      e->other += !among_first(score, n, o->list[(uint64_t)t * o->k + i], o->k);
  }
  free(score);
  return VB_OK;
}

static void limit_groups(const struct vb_router_op *o, double *u) {
  const uint32_t size = o->experts / o->groups;
  double rank[o->groups];
  for (uint32_t g = 0; g < o->groups; g++) {
    double best = -INFINITY, second = -INFINITY;
    for (uint32_t i = g * size; i < (g + 1) * size; i++) {
      if (u[i] > best) second = best, best = u[i];
      else if (u[i] > second) second = u[i];
    }
    rank[g] = o->group_top == 2 ? best + second : best;
  }
  for (uint32_t g = 0; g < o->groups; g++)
    for (uint32_t i = g * size; !among_first(rank, o->groups, g, o->topk_groups) && i < (g + 1) * size; i++)
      u[i] = -INFINITY;
}

void vb_op64_router(const struct vb_router_op *o, uint32_t tokens, struct vb_op_error *e) {
  double z[o->experts], p[o->experts], u[o->experts];
  for (uint32_t t = 0; t < tokens; t++) {
    const uint32_t *ids = o->ids + (uint64_t)t * o->k;
    double top = -INFINITY, all = 0, chosen = 0;
    for (uint32_t i = 0; i < o->experts; i++) top = fmax(top, z[i] = val(o->logits[(uint64_t)t * o->experts + i]));
    for (uint32_t i = 0; i < o->experts; i++) all += exp(z[i] - top);
    for (uint32_t i = 0; i < o->experts; i++) {
      p[i] = o->score == VB_SCORE_SIGMOID ? vb_op64_sigmoid(z[i]) : exp(z[i] - top) / all;
      u[i] = p[i] + (o->bias ? val(o->bias[i]) : 0);
    }
    if (o->groups) limit_groups(o, u);
    for (uint32_t i = 0; i < o->k; i++) chosen += p[ids[i]]; // gates of the contract's own selection
    for (uint32_t i = 0; i < o->k; i++, e->choices++) {
      e->other += !among_first(u, o->experts, ids[i], o->k);
      vb_z gate = o->gates[(uint64_t)t * o->k + i];
      if ((o->threshold || o->capacity) && !gate) continue; // dropped
      vb_op64_note(e, val(o->scale) * p[ids[i]] / (o->renorm ? chosen : 1), gate);
    }
  }
}
