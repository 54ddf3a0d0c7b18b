// SPDX-License-Identifier: Apache-2.0
// Every constant of every operator is in its hash: a report tells changed weights from changed inputs by it.
#include "graph/graph.h"
#include "support/harness.h"
#include "verify/golden.h"

static const struct vb_node *node;
static uint64_t before, changed;

/// Flip a bit at both ends of an array, one after the other.
static void probe(const void *data, uint64_t count, size_t bytes, const char *what) {
  uint8_t *p = (uint8_t *)(uintptr_t)data;
  if (!p || !count) return;
  const uint64_t at[] = {0, count * bytes - 1};
  for (int i = 0; i < 2; i++) {
    p[at[i]] ^= 1;
    VB_CHECK(vb_node_weights_hash(node) != before, "%s: %s: byte %llu is not in the hash", node->path, what,
             (unsigned long long)at[i]);
    p[at[i]] ^= 1;
    changed++;
  }
}

static void probe_w8(const struct vb_w8 *w, const char *what) {
  probe(w->q, (uint64_t)w->rows * w->blocks, VB_BLOCK, what);
  probe(w->codes, (uint64_t)w->rows * w->blocks, 1, what);
  probe(w->max, w->rows, 1, what);
}

static void probe_experts(const struct vb_experts_w *w) {
  probe_w8(&w->gate, "gate"), probe_w8(&w->up, "up"), probe_w8(&w->down, "down");
  probe_w8(&w->shared_gate, "shared gate"), probe_w8(&w->shared_up, "shared up");
  probe_w8(&w->shared_down, "shared down");
  probe(w->gate_bias, (uint64_t)w->experts * w->inter, sizeof(vb_z), "gate bias");
  probe(w->up_bias, (uint64_t)w->experts * w->inter, sizeof(vb_z), "up bias");
  probe(w->down_bias, (uint64_t)w->experts * w->dim, sizeof(vb_z), "down bias");
}

static void probe_node(void) {
  const union vb_any_op *op = &node->op;
  before = vb_node_weights_hash(node);
  switch (node->kind) {
  case VB_OP_EMBED: probe(op->embed.table, (uint64_t)op->embed.vocab * op->embed.dim, sizeof(vb_z), "table"); break;
  case VB_OP_RMSNORM:
    probe(op->rmsnorm.w, op->rmsnorm.n, sizeof(vb_z), "weight");
    probe(op->rmsnorm.bias, op->rmsnorm.n, sizeof(vb_z), "bias");
    break;
  case VB_OP_LINEAR:
    if (op->linear.w8) probe_w8(op->linear.w8, "weight");
    if (op->linear.w14) probe(op->linear.w14->q, (uint64_t)op->linear.w14->rows * op->linear.w14->blocks, 64, "weight");
    probe(op->linear.bias, op->linear.w8 ? op->linear.w8->rows : op->linear.w14->rows, sizeof(vb_z), "bias");
    break;
  case VB_OP_ROPE: probe(op->rope.freq, op->rope.rot / 2, sizeof(uint64_t), "frequencies"); break;
  case VB_OP_ATTENTION: probe(op->attention.sinks, op->attention.heads, sizeof(vb_z), "sinks"); break;
  case VB_OP_ROUTER: probe(op->router.bias, op->router.experts, sizeof(vb_z), "bias"); break;
  case VB_OP_EXPERTS: probe_experts(op->experts.w); break;
  case VB_OP_CONV: probe(op->conv.w, 4ull * op->conv.cols, sizeof(vb_z), "weight"); break;
  case VB_OP_DELTA:
    probe(op->delta.ea, op->delta.heads, sizeof(vb_z), "decay");
    probe(op->delta.dt_bias, op->delta.heads, sizeof(vb_z), "dt bias");
    break;
  default: break;
  }
}

static void every_constant_counts(void) {
  static const char *const name[] = {"gpt_oss", "deepseek_v3", "deepseek_v32", "qwen3_next", "qwen2_moe"};
  for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
    char path[64];
    struct vb_model *m;
    struct vb_graph g = {0};
    snprintf(path, sizeof path, "tests/fixtures/%s", name[i]);
    VB_CHECK(vb_model_open(path, false, &m) == VB_OK && vb_graph_build(m, NULL, &g) == VB_OK, "%s", vb_last_error());
    changed = 0;
    for (uint32_t n = 0; n < g.nodes; n++) node = &g.node[n], probe_node();
    VB_CHECK(changed > 100, "%s: only %llu constants", name[i], (unsigned long long)changed);
    vb_graph_free(&g);
    vb_model_close(m);
  }
}

static const struct vb_test tests[] = {{"every_constant_counts", every_constant_counts}, {0}};

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"weights_hash", tests, NULL, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
