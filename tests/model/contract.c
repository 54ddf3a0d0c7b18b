// SPDX-License-Identifier: Apache-2.0
#include "contract.h"
#include "editor.h"
#include "num/num.h"
#include "support/harness.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

// One row: levels 127 or 8191, one unit 2^(E - 127 - bits), E the block's largest exponent.
static void check_row(struct source s, uint32_t cols, double limit, int bits, const int8_t *q8, const int16_t *q14,
                      const uint8_t *codes, uint8_t *largest) {
  uint32_t wrong = 0;
  *largest = 0;
  for (uint32_t b = 0; b * VB_BLOCK < cols; b++) {
    int top = 0;
    for (uint32_t i = b * VB_BLOCK; i < cols && i < (b + 1) * VB_BLOCK; i++) {
      double x = vb_tensor_at(s.t, s.first + i * s.col);
      if (x != 0 && ilogb((float)x) + 127 > top) top = ilogb((float)x) + 127;
    }
    uint8_t code = (uint8_t)(top ? top - bits : 0);
    wrong += codes[b] != code;
    if (code > *largest) *largest = code;
    for (uint32_t i = b * VB_BLOCK; i < (b + 1) * VB_BLOCK; i++) {
      double x = i < cols ? (double)(float)vb_tensor_at(s.t, s.first + i * s.col) : 0;
      double q = top ? fmax(-limit, fmin(limit, nearbyint(ldexp(x, 127 - code)))) : 0;
      wrong += (q8 ? (double)q8[i] : (double)q14[i]) != q;
    }
  }
  vb_test_compared("weights", cols);
  VB_CHECK(!wrong, "%s: %u elements from %llu on differ", s.t->name, wrong, (unsigned long long)s.first);
}

void check_w8(struct source s, uint32_t rows, uint32_t cols, const struct vb_w8 *w, uint64_t row0, bool own_max) {
  CU_ASSERT_EQUAL(w->cols, cols);
  CU_ASSERT_EQUAL(w->blocks, (cols + 31) / 32);
  const uint64_t first = s.first;
  for (uint64_t r = 0; r < rows; r++) {
    uint8_t largest;
    s.first = first + r * s.row;
    check_row(s, cols, 127, 6, w->q + (row0 + r) * w->blocks * 32, NULL, w->codes + (row0 + r) * w->blocks, &largest);
    if (own_max) VB_CHECK(w->max[row0 + r] == largest, "%s: max of row %llu", s.t->name, (unsigned long long)r);
  }
}

void check_w14(const struct vb_tensor *t, const struct vb_w14 *w) {
  const uint32_t cols = (uint32_t)t->dim[1];
  CU_ASSERT(w->rows == t->dim[0] && w->cols == cols);
  for (uint32_t r = 0; r < w->rows; r++) {
    uint8_t largest;
    check_row((struct source){t, (uint64_t)r * cols, cols, 1}, cols, 8191, 12, NULL, w->q + (size_t)r * w->blocks * 32,
              w->codes + (size_t)r * w->blocks, &largest);
    VB_CHECK(w->max[r] == largest, "router max of expert %u", r);
  }
}

void check_matrix(const struct vb_tensor *t, const struct vb_w8 *w) {
  if (!VB_CHECK(t, "tensor of a contract matrix not found")) return;
  CU_ASSERT_EQUAL(w->rows, t->dim[0]);
  check_w8((struct source){t, 0, t->dim[1], 1}, (uint32_t)t->dim[0], (uint32_t)t->dim[1], w, 0, true);
}

void check_carrier(const struct vb_tensor *t, const vb_z *z, bool centred) {
  if (!VB_CHECK(t && z, "tensor %s or its carrier values not found", t ? t->name : "")) return;
  uint64_t wrong = 0, n = vb_tensor_count(t);
  for (uint64_t i = 0; i < n; i++) { // one rounding to 24 bits
    float want = (float)(centred ? 1 + vb_tensor_at(t, i) : vb_tensor_at(t, i));
    wrong += vb_to_float(z[i]) != want || z[i] == 0x80000000u;
  }
  VB_CHECK(!wrong, "%s: %llu carrier values differ", t->name, (unsigned long long)wrong);
  vb_test_compared("weights", n);
}

// --- experts ---

static const struct vb_tensor *ffn_tensor(const struct vb_model *m, uint32_t l, const char *name) {
  static const char *const prefixes[] = {"mlp", "block_sparse_moe", "feed_forward"};
  char full[200];
  for (int i = 0; i < 3; i++) {
    snprintf(full, sizeof full, "%s.%s", prefixes[i], name);
    const struct vb_tensor *t = layer_tensor(m, l, full);
    if (t) return t;
  }
  return NULL;
}

static const struct vb_tensor *expert_tensor(const struct vb_model *m, uint32_t l, uint32_t e, int part) {
  static const char *const plain[] = {"gate_proj", "up_proj", "down_proj"}, *const mixtral[] = {"w1", "w3", "w2"};
  char name[64];
  snprintf(name, sizeof name, "experts.%u.%s.weight", e, plain[part]);
  const struct vb_tensor *t = ffn_tensor(m, l, name);
  snprintf(name, sizeof name, "experts.%u.%s.weight", e, mixtral[part]);
  return t ? t : ffn_tensor(m, l, name);
}

// Where expert e's gate (0), up (1) or down (2) projection is.
static struct source expert_source(const struct vb_model *m, uint32_t l, uint32_t e, int part) {
  const uint64_t d = m->config.hidden, n = m->config.moe_inter, up = part == 1;
  const struct vb_tensor *t = ffn_tensor(m, l, part == 2 ? "experts.down_proj" : "experts.gate_up_proj");
  if (!t) return (struct source){expert_tensor(m, l, e, part), 0, part == 2 ? n : d, 1};
  const bool rows =
      t->dim[1] == (part == 2 ? d : 2 * n) && m->config.family != VB_LLAMA4 && m->config.family != VB_GPT_OSS;
  if (part == 2) return rows ? (struct source){t, e * n * d, n, 1} : (struct source){t, e * n * d, 1, d};
  if (rows) return (struct source){t, e * 2 * n * d + up * n * d, d, 1};
  if (m->config.family == VB_GPT_OSS) return (struct source){t, e * 2 * n * d + up, 2, 2 * n};
  return (struct source){t, e * 2 * n * d + up * n, 1, 2 * n};
}

static void check_bias(const struct vb_model *m, uint32_t l) {
  const struct vb_experts_w *w = &m->layer[l].experts;
  const struct vb_tensor *both = ffn_tensor(m, l, "experts.gate_up_proj_bias");
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < w->experts * w->inter; i++) {
    wrong += (double)vb_to_float(w->gate_bias[i]) != vb_tensor_at(both, 2 * i);
    wrong += (double)vb_to_float(w->up_bias[i]) != vb_tensor_at(both, 2 * i + 1);
  }
  VB_CHECK(!wrong, "layer %u: %u expert biases differ", l, wrong);
  check_carrier(ffn_tensor(m, l, "experts.down_proj_bias"), w->down_bias, false);
}

static uint8_t row_top(const struct vb_w8 *w, size_t r) {
  uint8_t top = 0;
  for (uint32_t b = 0; b < w->blocks; b++)
    if (w->codes[r * w->blocks + b] > top) top = w->codes[r * w->blocks + b];
  return top;
}

// The largest code of an output row over all experts and the shared one, in each of them.
static void check_max(const struct vb_experts_w *w) {
  for (uint32_t r = 0; r < w->dim; r++) {
    uint8_t top = w->shared_inter ? row_top(&w->shared_down, r) : 0;
    for (uint32_t e = 0; e < w->experts; e++) {
      uint8_t t = row_top(&w->down, (size_t)e * w->dim + r);
      if (t > top) top = t;
    }
    for (uint32_t e = 0; e < w->experts; e++)
      VB_CHECK(w->down.max[(size_t)e * w->dim + r] == top, "shared max of row %u", r);
    if (w->shared_inter) VB_CHECK(w->shared_down.max[r] == top, "max of row %u of the shared expert", r);
  }
}

void check_moe(const struct vb_model *m, uint32_t l) {
  const struct vb_config *c = &m->config;
  const struct vb_layer *w = &m->layer[l];
  const struct vb_experts_w *x = &w->experts;
  const char *router = ffn_tensor(m, l, "router.weight") ? "router.weight" : "gate.weight";
  check_w14(ffn_tensor(m, l, router), &w->router);
  VB_CHECK(!w->router_bias == !c->router_bias && !w->correction_bias == !c->correction_bias, "layer %u: biases", l);
  if (c->router_bias) check_carrier(ffn_tensor(m, l, "router.bias"), w->router_bias, false);
  if (c->correction_bias) check_carrier(ffn_tensor(m, l, "gate.e_score_correction_bias"), w->correction_bias, false);
  for (uint32_t e = 0; e < c->experts; e++) {
    check_w8(expert_source(m, l, e, 0), c->moe_inter, c->hidden, &x->gate, (uint64_t)e * c->moe_inter, true);
    check_w8(expert_source(m, l, e, 1), c->moe_inter, c->hidden, &x->up, (uint64_t)e * c->moe_inter, true);
    check_w8(expert_source(m, l, e, 2), c->hidden, c->moe_inter, &x->down, (uint64_t)e * c->hidden, false);
  }
  if (c->expert_bias) check_bias(m, l);
  CU_ASSERT(x->experts == c->experts && x->dim == c->hidden && x->inter == c->moe_inter && x->act == c->expert_act &&
            x->shared_inter == c->shared_inter && !x->gate_input == !c->gate_input);
  if (c->shared_inter) {
    static const char *const names[] = {"shared_expert.%s_proj.weight", "shared_experts.%s_proj.weight"};
    char name[64];
    const int plural = !ffn_tensor(m, l, "shared_expert.gate_proj.weight");
    snprintf(name, sizeof name, names[plural], "gate");
    check_matrix(ffn_tensor(m, l, name), &x->shared_gate);
    snprintf(name, sizeof name, names[plural], "up");
    check_matrix(ffn_tensor(m, l, name), &x->shared_up);
    snprintf(name, sizeof name, names[plural], "down");
    check_w8((struct source){ffn_tensor(m, l, name), 0, c->shared_inter, 1}, c->hidden, c->shared_inter,
             &x->shared_down, 0, false);
  }
  if (c->shared_gated) check_matrix(ffn_tensor(m, l, "shared_expert_gate.weight"), &w->shared_expert_gate);
  check_max(x);
}
