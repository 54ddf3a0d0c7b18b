// SPDX-License-Identifier: Apache-2.0
// Contract weights: raw tensors become I8 blocks (projections), I14 blocks (router) or carrier values (the rest).
#include "model/internal.h"
#include "num/block.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct tally {
  uint64_t flushed, saturated;
  double err2, ref2;
};

struct builder {
  struct vb_model *m;
  vb_result result; // the first failure stays
};

static void *take(struct builder *b, uint64_t count, size_t size) {
  void *p = b->result == VB_OK ? vb_arena_alloc(b->m->arena, count, size) : NULL;
  if (!p && b->result == VB_OK) b->result = vb_no_memory("contract weights");
  return p;
}

// Tensors were checked before: all of them exist.
__attribute__((format(printf, 2, 3))) static const struct vb_tensor *get(const struct builder *b, const char *format,
                                                                         ...) {
  char name[VB_MAX_NAME];
  va_list ap;
  va_start(ap, format);
  vsnprintf(name, sizeof name, format, ap);
  va_end(ap);
  return vb_model_find(b->m, name);
}

static void convert(const struct vb_tensor *t, uint64_t first, uint64_t n, vb_z *z, struct tally *tally) {
  for (uint64_t i = 0; i < n; i++) {
    unsigned flags = 0;
    z[i] = vb_from_float_bits(vb_tensor_bits(t, first + i), &flags);
    tally->flushed += (flags & VB_IMPORT_FLUSH) != 0;
    tally->saturated += (flags & VB_IMPORT_SATURATE) != 0;
  }
}

static void add_counts(struct builder *b, const struct tally *t) {
  struct vb_import_stats *s = &b->m->stats;
  s->flushed += t->flushed;
  s->saturated += t->saturated;
  s->flags |= (t->flushed ? (unsigned)VB_IMPORT_FLUSH : 0u) | (t->saturated ? (unsigned)VB_IMPORT_SATURATE : 0u);
}

static vb_z *carrier(struct builder *b, const struct vb_tensor *t) {
  uint64_t n = vb_tensor_count(t), rows = t->dim[0];
  vb_z *z = take(b, n, sizeof *z);
  if (!z) return NULL;
  uint64_t flushed = 0, saturated = 0, cols = n / rows;
#pragma omp parallel for reduction(+ : flushed, saturated) if (n > 100000)
  for (uint64_t r = 0; r < rows; r++) {
    struct tally mine = {0};
    convert(t, r * cols, cols, z + r * cols, &mine);
    flushed += mine.flushed;
    saturated += mine.saturated;
  }
  add_counts(b, &(struct tally){.flushed = flushed, .saturated = saturated});
  return z;
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

struct target { // rows of a matrix to fill
  int8_t *q8;
  int16_t *q14;
  uint8_t *codes, *max;
};

// rows x cols elements of t from element `first` on. Error sums are added in row order: the same with any threads.
static void quantise(struct builder *b, enum vb_weight_class class, const struct vb_tensor *t, uint64_t first,
                     uint32_t rows, uint32_t cols, struct target to) {
  if (b->result != VB_OK) return;
  const size_t width = (size_t)vb_blocks(cols) * VB_BLOCK, blocks = vb_blocks(cols);
  struct tally *tally = calloc(rows, sizeof *tally);
  bool failed = !tally;
  if (tally) {
#pragma omp parallel reduction(|| : failed) if ((uint64_t)rows * cols > 100000)
    {
      vb_z *z = malloc(sizeof *z * cols);
      failed = !z;
#pragma omp for
      for (uint32_t r = 0; r < rows; r++) {
        if (!z) continue;
        convert(t, first + (uint64_t)r * cols, cols, z, &tally[r]);
        to.max[r] = quantise_row(z, cols, to.q8 ? to.q8 + r * width : NULL, to.q14 ? to.q14 + r * width : NULL,
                                 to.codes + r * blocks, &tally[r]);
      }
      free(z);
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

static struct target new_w8(struct builder *b, struct vb_w8 *w, uint32_t rows, uint32_t cols) {
  const uint32_t blocks = vb_blocks(cols);
  struct target t = {.q8 = take(b, (uint64_t)rows * blocks, VB_BLOCK),
                     .codes = take(b, (uint64_t)rows * blocks, 1),
                     .max = take(b, rows, 1)};
  *w = (struct vb_w8){rows, cols, blocks, t.q8, t.codes, t.max};
  return t;
}

static struct target new_w14(struct builder *b, struct vb_w14 *w, uint32_t rows, uint32_t cols) {
  const uint32_t blocks = vb_blocks(cols);
  struct target t = {.q14 = take(b, (uint64_t)rows * blocks, VB_BLOCK * sizeof *t.q14),
                     .codes = take(b, (uint64_t)rows * blocks, 1),
                     .max = take(b, rows, 1)};
  *w = (struct vb_w14){rows, cols, blocks, t.q14, t.codes, t.max};
  return t;
}

static struct target skip_rows(struct target t, uint64_t rows, uint32_t blocks) {
  return (struct target){t.q8 + rows * blocks * VB_BLOCK, NULL, t.codes + rows * blocks, t.max + rows};
}

static void matrix(struct builder *b, enum vb_weight_class class, struct vb_w8 *w, const struct vb_tensor *t) {
  const uint32_t rows = (uint32_t)t->dim[0], cols = (uint32_t)t->dim[1];
  quantise(b, class, t, 0, rows, cols, new_w8(b, w, rows, cols));
}

static void one_expert(struct builder *b, uint32_t l, uint32_t e, struct target gate, struct target up,
                       struct target down) {
  const struct vb_config *c = &b->m->config;
  const uint32_t d = c->hidden, n = c->moe_inter;
  if (vb_fused_experts(b->m, l)) { // [E][2n][d]: the gate's rows, then the up projection's
    const struct vb_tensor *gu = get(b, "model.layers.%u.mlp.experts.gate_up_proj", l);
    const uint64_t size = (uint64_t)n * d;
    quantise(b, VB_CLASS_EXPERTS, gu, 2 * e * size, n, d, gate);
    quantise(b, VB_CLASS_EXPERTS, gu, (2 * (uint64_t)e + 1) * size, n, d, up);
    quantise(b, VB_CLASS_EXPERTS, get(b, "model.layers.%u.mlp.experts.down_proj", l), e * size, d, n, down);
    return;
  }
  quantise(b, VB_CLASS_EXPERTS, get(b, "model.layers.%u.mlp.experts.%u.gate_proj.weight", l, e), 0, n, d, gate);
  quantise(b, VB_CLASS_EXPERTS, get(b, "model.layers.%u.mlp.experts.%u.up_proj.weight", l, e), 0, n, d, up);
  quantise(b, VB_CLASS_EXPERTS, get(b, "model.layers.%u.mlp.experts.%u.down_proj.weight", l, e), 0, d, n, down);
}

static void experts(struct builder *b, uint32_t l, struct vb_experts_w *w) {
  const struct vb_config *c = &b->m->config;
  const uint32_t d = c->hidden, n = c->moe_inter, count = c->experts;
  *w = (struct vb_experts_w){.experts = count, .dim = d, .inter = n};
  struct target gate = new_w8(b, &w->gate, count * n, d), up = new_w8(b, &w->up, count * n, d);
  struct target down = new_w8(b, &w->down, count * d, n);
  for (uint32_t e = 0; e < count && b->result == VB_OK; e++)
    one_expert(b, l, e, skip_rows(gate, (uint64_t)e * n, w->gate.blocks), skip_rows(up, (uint64_t)e * n, w->up.blocks),
               skip_rows(down, (uint64_t)e * d, w->down.blocks));
  // The selected experts' down projections are one sum, so that one output row needs one exponent.
  for (uint32_t r = 0; r < d && b->result == VB_OK; r++) {
    uint8_t top = 0;
    for (uint32_t e = 0; e < count; e++)
      if (down.max[(size_t)e * d + r] > top) top = down.max[(size_t)e * d + r];
    for (uint32_t e = 0; e < count; e++) down.max[(size_t)e * d + r] = top;
  }
}

static void layer(struct builder *b, uint32_t l, struct vb_layer *w) {
  const struct vb_config *c = &b->m->config;
  w->attn_norm = carrier(b, get(b, "model.layers.%u.input_layernorm.weight", l));
  w->ffn_norm = carrier(b, get(b, "model.layers.%u.post_attention_layernorm.weight", l));
  matrix(b, VB_CLASS_ATTENTION, &w->q, get(b, "model.layers.%u.self_attn.q_proj.weight", l));
  matrix(b, VB_CLASS_ATTENTION, &w->k, get(b, "model.layers.%u.self_attn.k_proj.weight", l));
  matrix(b, VB_CLASS_ATTENTION, &w->v, get(b, "model.layers.%u.self_attn.v_proj.weight", l));
  matrix(b, VB_CLASS_ATTENTION, &w->o, get(b, "model.layers.%u.self_attn.o_proj.weight", l));
  if (c->qkv_bias) {
    w->q_bias = carrier(b, get(b, "model.layers.%u.self_attn.q_proj.bias", l));
    w->k_bias = carrier(b, get(b, "model.layers.%u.self_attn.k_proj.bias", l));
    w->v_bias = carrier(b, get(b, "model.layers.%u.self_attn.v_proj.bias", l));
  }
  if (c->qk_norm) {
    w->q_norm = carrier(b, get(b, "model.layers.%u.self_attn.q_norm.weight", l));
    w->k_norm = carrier(b, get(b, "model.layers.%u.self_attn.k_norm.weight", l));
  }
  if (!c->is_moe[l]) {
    matrix(b, VB_CLASS_FFN, &w->gate, get(b, "model.layers.%u.mlp.gate_proj.weight", l));
    matrix(b, VB_CLASS_FFN, &w->up, get(b, "model.layers.%u.mlp.up_proj.weight", l));
    matrix(b, VB_CLASS_FFN, &w->down, get(b, "model.layers.%u.mlp.down_proj.weight", l));
    return;
  }
  quantise(b, VB_CLASS_ROUTER, get(b, "model.layers.%u.mlp.gate.weight", l), 0, c->experts, c->hidden,
           new_w14(b, &w->router, c->experts, c->hidden));
  experts(b, l, &w->experts);
}

vb_result vb_build_weights(struct vb_model *m) {
  struct builder b = {m, VB_OK};
  const struct vb_tensor *embed = get(&b, "model.embed_tokens.weight");
  m->embed = carrier(&b, embed);
  m->final_norm = carrier(&b, get(&b, "model.norm.weight"));
  matrix(&b, VB_CLASS_HEAD, &m->lm_head, m->config.tied ? embed : get(&b, "lm_head.weight"));
  m->layer = take(&b, m->config.layers, sizeof *m->layer);
  for (uint32_t l = 0; l < m->config.layers && b.result == VB_OK; l++) layer(&b, l, &m->layer[l]);
  return b.result;
}
