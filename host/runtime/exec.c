// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec.h"
#include "model/expert_cache.h"
#include "runtime/exec_internal.h"
#include <stdlib.h>
#include <string.h>

vb_result vb_exec_create(const struct vb_graph *g, const struct vb_device_list *devices, struct vb_exec **out) {
  struct vb_exec *e = calloc(1, sizeof *e);
  *out = NULL;
  if (!e) return vb_fail(VB_DEVICE, "out of memory for the executor");
  e->graph = g;
  e->devices = devices;
  e->buffer = calloc(g->nodes, sizeof *e->buffer);
  e->can = calloc((size_t)devices->count * g->nodes, 1);
  e->id = calloc(devices->count, sizeof *e->id);
  e->accelerator = calloc(devices->count, 1);
  e->pool = vb_pool_create(devices);
  if (!e->buffer || !e->can || !e->id || !e->accelerator || !e->pool) {
    vb_exec_destroy(e);
    return vb_fail(VB_DEVICE, "out of memory for the executor");
  }
  for (uint32_t d = 0; d < devices->count; d++) {
    struct vb_device *dev = devices->device[d];
    e->id[d] = dev->id;
    e->accelerator[d] = dev->accelerator;
    for (uint32_t n = 0; n < g->nodes; n++) {
      // Accelerators keep copies of weights, which experts that come and go would make stale.
      bool moving = g->model->expert_cache && g->node[n].kind == VB_OP_EXPERTS && dev->accelerator;
      e->can[(uint64_t)d * g->nodes + n] = !moving && dev->supports(dev, &g->node[n]);
    }
  }
  e->target = (struct vb_target){.devices = devices->count, .id = e->id, .can = e->can, .accelerator = e->accelerator};
  *out = e;
  return VB_OK;
}

void vb_exec_destroy(struct vb_exec *e) {
  if (!e) return;
  vb_pool_destroy(e->pool);
  for (uint32_t n = 0; e->buffer && n < e->graph->nodes; n++) free(e->buffer[n].out[0]), free(e->buffer[n].out[1]);
  vb_scratch_reset(e);
  free(e->scratch);
  free(e->task);
  free(e->buffer);
  free(e->can);
  free(e->id);
  free(e->accelerator);
  free(e->pos);
  free(e->item_of);
  free(e->tokens);
  free(e->item_token0);
  free(e);
}

const struct vb_target *vb_exec_target(const struct vb_exec *e) { return &e->target; }

void vb_exec_set_tamper(struct vb_exec *e, void (*tamper)(void *, struct vb_task *, uint32_t), void *context) {
  e->tamper = tamper;
  e->tamper_context = context;
}

void *vb_scratch(struct vb_exec *e, size_t bytes) {
  if (e->scratches == e->scratch_room) {
    uint32_t room = e->scratch_room ? 2 * e->scratch_room : 64;
    void **bigger = realloc(e->scratch, room * sizeof *bigger);
    if (!bigger) return NULL;
    e->scratch = bigger;
    e->scratch_room = room;
  }
  void *p = calloc(bytes ? bytes : 1, 1);
  if (p) e->scratch[e->scratches++] = p;
  return p;
}

void vb_scratch_reset(struct vb_exec *e) {
  while (e->scratches) free(e->scratch[--e->scratches]);
}

/// Positions and owners of all tokens; output buffers large enough for them.
static vb_result prepare(struct vb_exec *e, const struct vb_batch_item *item, uint32_t items) {
  const struct vb_config *c = &e->graph->model->config;
  uint64_t total = 0;
  for (uint32_t i = 0; i < items; i++) {
    total += item[i].count;
    for (uint32_t k = 0; k < i; k++)
      if (item[k].seq == item[i].seq) return vb_fail(VB_BAD_INPUT, "sequence %u is in the batch twice", i);
    if (!item[i].count) return vb_fail(VB_BAD_INPUT, "sequence %u of the batch has no tokens", i);
    if (item[i].count > item[i].seq->capacity - item[i].seq->length)
      return vb_fail(VB_BAD_INPUT, "sequence %u would hold %llu tokens, its cache has %u positions", i,
                     (unsigned long long)item[i].seq->length + item[i].count, item[i].seq->capacity);
    for (uint32_t t = 0; t < item[i].count; t++)
      if (item[i].tokens[t] < 0 || (uint32_t)item[i].tokens[t] >= c->vocab)
        return vb_fail(VB_BAD_INPUT, "token %u of sequence %u is %d: outside the vocabulary 0..%u", t, i,
                       item[i].tokens[t], c->vocab - 1);
  }
  if (!items || total > UINT32_MAX / 64)
    return vb_fail(VB_BAD_INPUT, "a batch of %llu tokens", (unsigned long long)total);
  if (total > e->room) {
    e->room = 0; // until all of it is there
    free(e->pos), free(e->item_of), free(e->tokens);
    e->pos = malloc(total * sizeof *e->pos);
    e->item_of = malloc(total * sizeof *e->item_of);
    e->tokens = malloc(total * sizeof *e->tokens);
    if (!e->pos || !e->item_of || !e->tokens)
      return vb_fail(VB_DEVICE, "out of memory for a batch of %llu tokens", (unsigned long long)total);
    for (uint32_t n = 0; n < e->graph->nodes; n++)
      for (uint32_t o = 0; o < e->graph->node[n].outputs; o++) {
        free(e->buffer[n].out[o]);
        e->buffer[n].out[o] = malloc(total * e->graph->node[n].row_bytes[o]);
        if (!e->buffer[n].out[o])
          return vb_fail(VB_DEVICE, "out of memory for a batch of %llu tokens", (unsigned long long)total);
      }
    e->room = (uint32_t)total;
  }
  free(e->item_token0);
  e->item_token0 = malloc(items * sizeof *e->item_token0);
  if (!e->item_token0) return vb_fail(VB_DEVICE, "out of memory");
  e->total = 0;
  for (uint32_t i = 0; i < items; i++) {
    e->item_token0[i] = e->total;
    for (uint32_t t = 0; t < item[i].count; t++, e->total++) {
      e->pos[e->total] = item[i].seq->length + t;
      e->item_of[e->total] = i;
      e->tokens[e->total] = item[i].tokens[t];
    }
  }
  e->item = item;
  e->items = items;
  return VB_OK;
}

/// New cache records become visible to attention only after the observer has seen them.
static void store_kv(struct vb_exec *e, const struct vb_node *n, const struct vb_buffer *b) {
  for (uint32_t t = 0; t < e->total; t++) {
    struct vb_seq *seq = e->item[e->item_of[t]].seq;
    struct vb_kv *kv = n->slot ? &seq->index[n->layer] : &seq->kv[n->layer];
    uint32_t kr = vb_rec_bytes(kv->dk), vr = vb_val_bytes(kv->dv);
    for (uint32_t h = 0; h < kv->heads; h++) {
      memcpy(vb_kv_key(kv, h, e->pos[t]), (uint8_t *)b->out[0] + ((uint64_t)t * kv->heads + h) * kr, kr);
      if (kv->v) memcpy(vb_kv_val(kv, h, e->pos[t]), (uint8_t *)b->out[1] + ((uint64_t)t * kv->heads + h) * vr, vr);
    }
    kv->length = e->pos[t] + 1;
  }
}

/// The last three inputs of a convolution become the history of the next call.
static void store_history(struct vb_exec *e, const struct vb_node *n, const union vb_any_op *op) {
  size_t row = op->conv.cols * sizeof(vb_z);
  for (uint32_t k = 0; k < e->items; k++) {
    struct vb_recurrent *r = &e->item[k].seq->recurrent[n->layer];
    vb_z *next = r->history[1 - r->now][n->slot];
    for (uint32_t i = 0; i < 3; i++) {
      uint32_t at = e->item[k].count + i; // row of [history | inputs] that becomes row i
      memcpy(next + (uint64_t)i * op->conv.cols,
             at < 3 ? op[k].conv.history + (uint64_t)at * op->conv.cols
                    : op[k].conv.x + (uint64_t)(at - 3) * op->conv.cols,
             row);
    }
  }
}

static vb_result run_all(struct vb_exec *e, const struct vb_plan *plan, const struct vb_observer *observer) {
  for (uint32_t i = 0; i < e->graph->nodes; i++) {
    const struct vb_node *n = &e->graph->node[i];
    uint32_t ops = n->by_sequence ? e->items : 1;
    e->tasks = 0;
    union vb_any_op *op = vb_scratch(e, ops * sizeof *op);
    if (!op) return vb_fail(VB_DEVICE, "out of memory");
    for (uint32_t k = 0; k < ops; k++) vb_bind_op(e, i, k, &op[k]);
    vb_result r = n->kind == VB_OP_EXPERTS ? vb_experts_need(e->graph->model, (uint32_t)n->layer, op->experts.ids,
                                                             (uint64_t)e->total * op->experts.k)
                                           : VB_OK;
    if (r) return vb_context(r, "%s: ", n->path);
    r = vb_run_split(e, i, &plan->split[i], op, ops);
    if (r) {
      for (uint32_t k = 0; observer && observer->failed && k < e->tasks; k++)
        if (e->task[k].result) observer->failed(observer->context, n, &e->task[k]);
      return vb_context(r, "%s: ", n->path);
    }
    if (observer) {
      struct vb_step s = {.node_index = i,
                          .node = n,
                          .item = e->item,
                          .items = e->items,
                          .tokens = e->total,
                          .item_of = e->item_of,
                          .pos = e->pos,
                          .out = {e->buffer[i].out[0], e->buffer[i].out[1]},
                          .op = op,
                          .ops = ops,
                          .task = e->task,
                          .tasks = e->tasks};
      if ((r = observer->step(observer->context, &s))) return r;
    }
    if (n->kind == VB_OP_PACK_KV) store_kv(e, n, &e->buffer[i]);
    if (n->kind == VB_OP_CONV) store_history(e, n, op);
    vb_scratch_reset(e);
  }
  return VB_OK;
}

/// All of the call succeeded: what it built becomes the sequence's present.
static void advance(struct vb_seq *s, uint32_t count) {
  s->length += count;
  for (uint32_t l = 0; l < s->layers; l++) s->recurrent[l].now ^= 1;
}

const void *vb_exec_output(const struct vb_exec *e, uint32_t node) { return e->buffer[node].out[0]; }

vb_result vb_exec_forward(struct vb_exec *e, const struct vb_plan *plan, const struct vb_batch_item *item,
                          uint32_t items, const struct vb_observer *observer, const vb_z **logits) {
  vb_result r = prepare(e, item, items);
  if (r) return r;
  r = run_all(e, plan, observer);
  vb_scratch_reset(e);
  for (uint32_t i = 0; i < items; i++) {
    if (r) vb_seq_truncate(item[i].seq, item[i].seq->length);
    else advance(item[i].seq, item[i].count);
  }
  if (!r && logits) *logits = e->buffer[e->graph->nodes - 1].out[0];
  return r;
}
