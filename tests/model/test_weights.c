// SPDX-License-Identifier: Apache-2.0
// Contract weights of every model at hand against their written definition in doubles.
#include "editor.h"
#include "num/num.h"
#include "support/harness.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int setup(void) { return find_models(); }
static int teardown(void) {
  temp_cleanup();
  return 0;
}

// Quantise cols values of tensor t from element `first`: levels 127 or 8191, one unit 2^(E - 127 - bits).
static void check_row(const struct vb_tensor *t, uint64_t first, uint32_t cols, double limit, int bits,
                      const int8_t *q8, const int16_t *q14, const uint8_t *codes, uint8_t *largest) {
  uint32_t wrong = 0;
  *largest = 0;
  for (uint32_t b = 0; b * VB_BLOCK < cols; b++) {
    int top = 0;
    for (uint32_t i = b * VB_BLOCK; i < cols && i < (b + 1) * VB_BLOCK; i++) {
      double x = vb_tensor_at(t, first + i);
      if (x != 0 && ilogb(x) + 127 > top) top = ilogb(x) + 127;
    }
    uint8_t code = (uint8_t)(top ? top - bits : 0);
    wrong += codes[b] != code;
    if (code > *largest) *largest = code;
    for (uint32_t i = b * VB_BLOCK; i < (b + 1) * VB_BLOCK; i++) {
      double x = i < cols ? vb_tensor_at(t, first + i) : 0;
      double q = top ? fmax(-limit, fmin(limit, nearbyint(ldexp(x, 127 - code)))) : 0;
      wrong += (q8 ? (double)q8[i] : (double)q14[i]) != q;
    }
  }
  vb_test_compared("weights", cols);
  VB_CHECK(!wrong, "%s: %u elements from %llu on differ", t->name, wrong, (unsigned long long)first);
}

static void check_w8(const struct vb_tensor *t, uint64_t first, uint32_t rows, uint32_t cols, const struct vb_w8 *w,
                     uint64_t row0, bool own_max) {
  CU_ASSERT_EQUAL(w->cols, cols);
  CU_ASSERT_EQUAL(w->blocks, (cols + 31) / 32);
  for (uint64_t r = 0; r < rows; r++) {
    uint8_t largest;
    check_row(t, first + r * cols, cols, 127, 6, w->q + (row0 + r) * w->blocks * 32, NULL,
              w->codes + (row0 + r) * w->blocks, &largest);
    if (own_max) VB_CHECK(w->max[row0 + r] == largest, "%s: max of row %llu", t->name, (unsigned long long)r);
  }
}

static void check_matrix(const struct vb_tensor *t, const struct vb_w8 *w) {
  CU_ASSERT_EQUAL(w->rows, t->dim[0]);
  check_w8(t, 0, (uint32_t)t->dim[0], (uint32_t)t->dim[1], w, 0, true);
}

static void check_carrier(const struct vb_tensor *t, const vb_z *z) {
  uint64_t wrong = 0, n = vb_tensor_count(t);
  for (uint64_t i = 0; i < n; i++) wrong += (double)vb_to_float(z[i]) != vb_tensor_at(t, i) || z[i] == 0x80000000u;
  VB_CHECK(!wrong, "%s: %llu carrier values differ", t->name, (unsigned long long)wrong);
  vb_test_compared("weights", n);
}

static void check_experts(const struct vb_model *m, uint32_t l) {
  const struct vb_config *c = &m->config;
  const struct vb_experts_w *w = &m->layer[l].experts;
  const struct vb_tensor *router = layer_tensor(m, l, "mlp.gate.weight");
  for (uint32_t e = 0; e < c->experts; e++) {
    uint8_t largest;
    const struct vb_w14 *r = &m->layer[l].router;
    check_row(router, (uint64_t)e * c->hidden, c->hidden, 8191, 12, NULL, r->q + (size_t)e * r->blocks * 32,
              r->codes + (size_t)e * r->blocks, &largest);
    VB_CHECK(r->max[e] == largest, "router max of expert %u", e);
    char name[64];
    snprintf(name, sizeof name, "mlp.experts.%u.gate_proj.weight", e);
    check_w8(layer_tensor(m, l, name), 0, c->moe_inter, c->hidden, &w->gate, (uint64_t)e * c->moe_inter, true);
    snprintf(name, sizeof name, "mlp.experts.%u.up_proj.weight", e);
    check_w8(layer_tensor(m, l, name), 0, c->moe_inter, c->hidden, &w->up, (uint64_t)e * c->moe_inter, true);
    snprintf(name, sizeof name, "mlp.experts.%u.down_proj.weight", e);
    check_w8(layer_tensor(m, l, name), 0, c->hidden, c->moe_inter, &w->down, (uint64_t)e * c->hidden, false);
  }
  for (uint32_t r = 0; r < c->hidden; r++) { // the largest code of row r over all experts, in each of them
    uint8_t top = 0;
    for (uint32_t i = 0; i < c->experts * w->down.blocks; i++) {
      uint8_t code =
          w->down.codes[((size_t)(i / w->down.blocks) * c->hidden + r) * w->down.blocks + i % w->down.blocks];
      if (code > top) top = code;
    }
    for (uint32_t e = 0; e < c->experts; e++)
      VB_CHECK(w->down.max[(size_t)e * c->hidden + r] == top, "shared max of row %u", r);
  }
}

static void check_layer(const struct vb_model *m, uint32_t l) {
  const struct vb_layer *w = &m->layer[l];
  const struct vb_config *c = &m->config;
  check_carrier(layer_tensor(m, l, "input_layernorm.weight"), w->attn_norm);
  check_carrier(layer_tensor(m, l, "post_attention_layernorm.weight"), w->ffn_norm);
  check_matrix(layer_tensor(m, l, "self_attn.q_proj.weight"), &w->q);
  check_matrix(layer_tensor(m, l, "self_attn.k_proj.weight"), &w->k);
  check_matrix(layer_tensor(m, l, "self_attn.v_proj.weight"), &w->v);
  check_matrix(layer_tensor(m, l, "self_attn.o_proj.weight"), &w->o);
  VB_CHECK(!w->q_bias == !c->qkv_bias && !w->q_norm == !c->qk_norm, "layer %u: optional tensors", l);
  if (c->qkv_bias) {
    check_carrier(layer_tensor(m, l, "self_attn.q_proj.bias"), w->q_bias);
    check_carrier(layer_tensor(m, l, "self_attn.k_proj.bias"), w->k_bias);
    check_carrier(layer_tensor(m, l, "self_attn.v_proj.bias"), w->v_bias);
  }
  if (c->qk_norm) {
    check_carrier(layer_tensor(m, l, "self_attn.q_norm.weight"), w->q_norm);
    check_carrier(layer_tensor(m, l, "self_attn.k_norm.weight"), w->k_norm);
  }
  if (c->is_moe[l]) {
    check_experts(m, l);
  } else {
    check_matrix(layer_tensor(m, l, "mlp.gate_proj.weight"), &w->gate);
    check_matrix(layer_tensor(m, l, "mlp.up_proj.weight"), &w->up);
    check_matrix(layer_tensor(m, l, "mlp.down_proj.weight"), &w->down);
  }
}

static void check_constants(const struct vb_model *m) {
  const struct vb_config *c = &m->config;
  for (uint32_t l = 0; l < c->layers; l++) CU_ASSERT(c->layer[l].rope && c->layer[l].moe == c->is_moe[l]);
  CU_ASSERT(vb_to_float(m->eps_hidden) == (float)(c->rms_eps * c->hidden));
  CU_ASSERT(vb_to_float(m->eps_head) == (float)(c->rms_eps * c->head_dim));
  CU_ASSERT(vb_to_float(m->sqrt_hidden) == (float)sqrt(c->hidden));
  CU_ASSERT(vb_to_float(m->sqrt_head) == (float)sqrt(c->head_dim));
  CU_ASSERT(vb_to_float(m->attn_scale) == (float)(M_LOG2E * (1 / sqrt(c->head_dim))));
}

static void contract_weights(void) {
  VB_CHECK(model_count >= 8, "%zu models found", model_count);
  for (size_t i = 0; i < model_count; i++) {
    struct vb_model *m = open_model(model_path[i], false);
    if (!m) continue;
    const struct vb_tensor *embed = vb_model_find(m, "model.embed_tokens.weight");
    check_carrier(embed, m->embed);
    check_carrier(vb_model_find(m, "model.norm.weight"), m->final_norm);
    check_matrix(m->config.tied ? embed : vb_model_find(m, "lm_head.weight"), &m->lm_head);
    for (uint32_t l = 0; l < m->config.layers; l++) check_layer(m, l);
    check_constants(m);
    VB_CHECK(!m->stats.flags, "%s: import flags %u", m->path, m->stats.flags);
    for (int k = 0; k < VB_CLASSES; k++) {
      double e = m->stats.ref2[k] > 0 ? sqrt(m->stats.err2[k] / m->stats.ref2[k]) : 0;
      VB_CHECK(e < (k == VB_CLASS_ROUTER ? 4e-4 : 2e-2), "%s: %s error %g", m->path,
               vb_weight_class_name((enum vb_weight_class)k), e);
    }
    vb_model_close(m);
  }
}

// Values outside the carrier's range are changed, counted and flagged.
static void import_flags(void) {
  struct edit e = edit_load("llama2");
  const char *dir = temp_dir();
  size_t n;
  static const uint16_t odd[] = {0x8000, 0x0001, 0x2000,
                                 0x7f7f, 0xff00, 0x2080}; // -0, subnormal, 2^-63, huge, huge, 2^-62
  memcpy(edit_tensor(&e, "model.norm.weight", &n), odd, sizeof odd);
  edit_save(&e, dir);
  struct vb_model *m = open_model(dir, false);
  static const vb_z want[] = {0, 0, 0, 0x5f7fffff, 0xdf7fffff, 0x20800000};
  VB_EXPECT_SAME("import", want, m->final_norm, 6);
  CU_ASSERT_EQUAL(m->stats.flushed, 2);
  CU_ASSERT_EQUAL(m->stats.saturated, 2);
  CU_ASSERT_EQUAL(m->stats.flags, VB_IMPORT_FLUSH | VB_IMPORT_SATURATE);
  vb_model_close(m);
  edit_free(&e);
}

static void half_floats(void) {
  uint32_t wrong = 0;
  for (uint32_t h = 0; h < 65536; h++) {
    uint16_t u = (uint16_t)h;
    struct vb_tensor t = {.name = "t", .dtype = VB_F16, .rank = 1, .dim = {1}, .data = &u};
    int e = (int)(h >> 10 & 31), mantissa = (int)(h & 1023);
    if (e == 31) continue;
    double want = (h & 0x8000 ? -1 : 1) * (e ? ldexp(1024 + mantissa, e - 25) : ldexp(mantissa, -24));
    wrong += vb_tensor_at(&t, 0) != want || signbit(vb_tensor_at(&t, 0)) != (h >> 15 != 0);
  }
  CU_ASSERT_EQUAL(wrong, 0);
}

static const struct vb_test tests[] = {
    {"contract_weights", contract_weights}, {"import_flags", import_flags}, {"half_floats", half_floats}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"weights", tests, setup, teardown}, {0}};
  return vb_test_main(argc, argv, suites);
}
