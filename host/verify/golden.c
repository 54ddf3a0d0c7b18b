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

uint64_t vb_node_weights_hash(const struct vb_node *n) {
  XXH64_state_t *h = XXH64_createState();
  if (!h) return 0;
  XXH64_reset(h, 0);
  bool any = true;
  switch (n->kind) {
  case VB_OP_EMBED:
    XXH64_update(h, n->op.embed.table, (size_t)n->op.embed.vocab * n->op.embed.dim * sizeof(vb_z));
    break;
  case VB_OP_RMSNORM: XXH64_update(h, n->op.rmsnorm.w, n->op.rmsnorm.n * sizeof(vb_z)); break;
  case VB_OP_LINEAR:
    if (n->op.linear.w8) hash_w8(h, n->op.linear.w8);
    if (n->op.linear.w14) {
      const struct vb_w14 *w = n->op.linear.w14;
      XXH64_update(h, w->q, (size_t)w->rows * w->blocks * VB_BLOCK * sizeof *w->q);
      XXH64_update(h, w->codes, (size_t)w->rows * w->blocks);
      XXH64_update(h, w->max, w->rows);
    }
    if (n->op.linear.bias)
      XXH64_update(h, n->op.linear.bias,
                   (size_t)(n->op.linear.w8 ? n->op.linear.w8->rows : n->op.linear.w14->rows) * sizeof(vb_z));
    break;
  case VB_OP_ROPE: XXH64_update(h, n->op.rope.freq, n->op.rope.rot / 2 * sizeof(uint64_t)); break;
  case VB_OP_EXPERTS:
    hash_w8(h, &n->op.experts.w->gate);
    hash_w8(h, &n->op.experts.w->up);
    hash_w8(h, &n->op.experts.w->down);
    break;
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
