// SPDX-License-Identifier: Apache-2.0
#include "verify/golden.h"
#include "num/num.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int32_t vb_argmax(const vb_z *logits, uint32_t vocab) {
  uint32_t best = 0;
  for (uint32_t v = 1; v < vocab; v++)
    if (vb_order_key(logits[v]) > vb_order_key(logits[best])) best = v;
  return (int32_t)best;
}

static void hash_w8(XXH64_state_t *h, const struct vb_w8 *w) {
  XXH64_update(h, w->q, (size_t)w->rows * w->blocks * VB_BLOCK);
  XXH64_update(h, w->codes, (size_t)w->rows * w->blocks);
  XXH64_update(h, w->max, w->rows);
}

/// n constants, or nothing where the operator has none such.
static void hash_z(XXH64_state_t *h, const vb_z *z, uint64_t n) {
  if (z) XXH64_update(h, z, n * sizeof *z);
}

static void hash_linear(XXH64_state_t *h, const struct vb_linear_op *o) {
  if (o->w8) hash_w8(h, o->w8);
  if (o->w14) {
    XXH64_update(h, o->w14->q, (size_t)o->w14->rows * o->w14->blocks * VB_BLOCK * sizeof *o->w14->q);
    XXH64_update(h, o->w14->codes, (size_t)o->w14->rows * o->w14->blocks);
    XXH64_update(h, o->w14->max, o->w14->rows);
  }
  hash_z(h, o->bias, o->w8 ? o->w8->rows : o->w14->rows);
}

static void hash_experts(XXH64_state_t *h, const struct vb_experts_w *w) {
  hash_w8(h, &w->gate), hash_w8(h, &w->up), hash_w8(h, &w->down);
  if (w->shared_inter) hash_w8(h, &w->shared_gate), hash_w8(h, &w->shared_up), hash_w8(h, &w->shared_down);
  hash_z(h, w->gate_bias, (uint64_t)w->experts * w->inter);
  hash_z(h, w->up_bias, (uint64_t)w->experts * w->inter);
  hash_z(h, w->down_bias, (uint64_t)w->experts * w->dim);
}

uint64_t vb_node_weights_hash(const struct vb_node *n) {
  const union vb_any_op *op = &n->op;
  XXH64_state_t *h = XXH64_createState();
  if (!h) return 0;
  XXH64_reset(h, 0);
  bool any = true;
  switch (n->kind) {
  case VB_OP_EMBED: hash_z(h, op->embed.table, (uint64_t)op->embed.vocab * op->embed.dim); break;
  case VB_OP_RMSNORM: hash_z(h, op->rmsnorm.w, op->rmsnorm.n), hash_z(h, op->rmsnorm.bias, op->rmsnorm.n); break;
  case VB_OP_LINEAR: hash_linear(h, &op->linear); break;
  case VB_OP_ROPE: XXH64_update(h, op->rope.freq, op->rope.rot / 2 * sizeof(uint64_t)); break;
  case VB_OP_ATTENTION: hash_z(h, op->attention.sinks, op->attention.heads); break;
  case VB_OP_ROUTER: hash_z(h, op->router.bias, op->router.experts); break;
  case VB_OP_EXPERTS: hash_experts(h, op->experts.w); break;
  case VB_OP_CONV: hash_z(h, op->conv.w, 4ull * op->conv.cols); break;
  case VB_OP_DELTA: hash_z(h, op->delta.ea, op->delta.heads), hash_z(h, op->delta.dt_bias, op->delta.heads); break;
  default: any = false;
  }
  uint64_t v = any ? XXH64_digest(h) : 0;
  XXH64_freeState(h);
  return v;
}

static vb_result record(void *context, struct vb_step *s) {
  struct vb_golden *g = context;
  for (uint32_t o = 0; o < s->node->outputs; o++)
    memcpy(g->out[o][s->node_index] + (uint64_t)s->pos[0] * s->node->row_bytes[o], s->out[o],
           (size_t)s->tokens * s->node->row_bytes[o]);
  return VB_OK;
}

static vb_result allocate(struct vb_golden *g, const int32_t *prompt, uint32_t prompt_len, uint32_t steps) {
  uint32_t nodes = g->graph->nodes;
  g->prompt = prompt_len;
  g->length = prompt_len + steps;
  g->token = calloc(g->length + 1, sizeof *g->token);
  g->weights_hash = calloc(nodes, sizeof *g->weights_hash);
  for (uint32_t o = 0; o < 2; o++) g->out[o] = calloc(nodes, sizeof *g->out[o]);
  if (!g->token || !g->weights_hash || !g->out[0] || !g->out[1])
    return vb_fail(VB_DEVICE, "out of memory for the golden run");
  memcpy(g->token, prompt, prompt_len * sizeof *prompt);
  for (uint32_t n = 0; n < nodes; n++) {
    bool moving = g->graph->model->expert_cache && g->graph->node[n].kind == VB_OP_EXPERTS; // they come and go
    g->weights_hash[n] = moving ? 0 : vb_node_weights_hash(&g->graph->node[n]);
    for (uint32_t o = 0; o < g->graph->node[n].outputs; o++) {
      g->out[o][n] = malloc((size_t)g->length * g->graph->node[n].row_bytes[o]);
      if (!g->out[o][n]) return vb_fail(VB_DEVICE, "out of memory for the golden run of %u positions", g->length);
    }
  }
  return VB_OK;
}

/// Positions per reference call during prefill: often enough for a sign of life.
enum { GOLDEN_CHUNK = 16 };

static vb_result run(struct vb_golden *g, struct vb_exec *e, struct vb_seq *seq, const struct vb_plan *plan,
                     vb_progress progress, void *context) {
  const struct vb_observer observer = {.step = record, .context = g};
  uint32_t vocab = g->graph->model->config.vocab;
  while (seq->length < g->length) {
    uint32_t at = seq->length, left = at < g->prompt ? g->prompt - at : 1;
    struct vb_batch_item item = {seq, g->token + at, left < GOLDEN_CHUNK ? left : GOLDEN_CHUNK};
    vb_result r = vb_exec_forward(e, plan, &item, 1, &observer, NULL);
    if (r) return r;
    if (seq->length >= g->prompt)
      g->token[seq->length] =
          vb_argmax((const vb_z *)vb_exec_output(e, g->graph->greedy) + (uint64_t)(item.count - 1) * vocab, vocab);
    if (progress) progress(context, "reference", seq->length, g->length);
  }
  return VB_OK;
}

vb_result vb_golden_make(const struct vb_graph *g, const int32_t *prompt, uint32_t prompt_len, uint32_t steps,
                         vb_progress progress, void *context, struct vb_golden *out) {
  struct vb_device_list list = {0};
  struct vb_exec *e = NULL;
  struct vb_plan plan = {0};
  struct vb_seq seq = {0};
  *out = (struct vb_golden){.graph = g};
  vb_result r = vb_device_list_add(&list, vb_device_open_ref());
  if (!r) r = vb_exec_create(g, &list, &e);
  if (!r) r = vb_plan_uniform(g, vb_exec_target(e), 0, &plan);
  if (!r) r = vb_seq_create(g, prompt_len + steps, &seq);
  if (!r) r = allocate(out, prompt, prompt_len, steps);
  if (!r) r = run(out, e, &seq, &plan, progress, context);
  vb_seq_free(&seq);
  vb_plan_free(&plan);
  vb_exec_destroy(e);
  vb_devices_close(&list);
  if (r) vb_golden_free(out);
  return r;
}

void vb_golden_free(struct vb_golden *g) {
  for (uint32_t o = 0; o < 2; o++) {
    for (uint32_t n = 0; g->out[o] && n < g->graph->nodes; n++) free(g->out[o][n]);
    free(g->out[o]);
  }
  free(g->token);
  free(g->weights_hash);
  *g = (struct vb_golden){0};
}
