// SPDX-License-Identifier: Apache-2.0
/// Give the parts of one operator to their devices, in as many phases as its sums need, and merge.
#include "runtime/exec_internal.h"
#include "runtime/merge.h"
#include "runtime/split.h"
#include <stdlib.h>

static vb_result no_memory(void) { return vb_fail(VB_DEVICE, "out of memory for partial results"); }

static struct vb_task *add_task(struct vb_exec *e, uint32_t device, uint32_t node, const union vb_any_op *op) {
  if (e->tasks == e->task_room) {
    uint32_t room = e->task_room ? 2 * e->task_room : 64;
    struct vb_task *bigger = realloc(e->task, room * sizeof *bigger);
    if (!bigger) return NULL;
    e->task = bigger;
    e->task_room = room;
  }
  struct vb_task *t = &e->task[e->tasks++];
  *t = (struct vb_task){.device = device, .node = node, .kind = e->graph->node[node].kind, .op = *op};
  return t;
}

/// Run the tasks from `first` on; a failure names the device.
static vb_result run_from(struct vb_exec *e, uint32_t first) {
  vb_result r = e->tasks > first ? vb_pool_run(e->pool, e->task + first, e->tasks - first) : VB_OK;
  for (uint32_t i = first; r && i < e->tasks; i++)
    if (e->task[i].result) return vb_context(r, "device %s: ", e->devices->device[e->task[i].device]->id);
  if (!r && e->tamper) e->tamper(e->tamper_context, e->task + first, e->tasks - first);
  return r;
}

/// Batch index of the first token of whole operator k.
static uint32_t token0(const struct vb_exec *e, uint32_t node, uint32_t k) {
  return e->graph->node[node].by_sequence ? e->item_token0[k] : 0;
}

/// Disjoint outputs: one phase, nothing to merge.
static vb_result run_disjoint(struct vb_exec *e, uint32_t node, const struct vb_split *s, const union vb_any_op *op,
                              uint32_t ops) {
  enum vb_op_kind kind = e->graph->node[node].kind;
  for (uint32_t k = 0; k < ops; k++)
    for (uint32_t p = 0; p < s->parts; p++) {
      union vb_any_op part = op[k];
      if (vb_split_restrict(kind, s->axis, &s->part[p], token0(e, node, k), &part) &&
          !add_task(e, s->part[p].device, node, &part))
        return no_memory();
    }
  return run_from(e, 0);
}

static vb_result run_linear_k(struct vb_exec *e, uint32_t node, const struct vb_split *s, struct vb_linear_op *op) {
  int64_t *acc[VB_MAX_PARTS];
  uint32_t parts = 0;
  for (uint32_t p = 0; p < s->parts; p++) {
    union vb_any_op part = {.linear = *op};
    if (!vb_split_restrict(VB_OP_LINEAR, s->axis, &s->part[p], 0, &part)) continue;
    part.linear.acc = acc[parts++] = vb_scratch(e, (size_t)e->total * op->n.end * sizeof **acc);
    if (!part.linear.acc || !add_task(e, s->part[p].device, node, &part)) return no_memory();
  }
  vb_result r = run_from(e, 0);
  if (!r) vb_merge_linear(op, acc, parts);
  return r;
}

/// The key parts of one attention operator, with room for everything they exchange.
struct key_split {
  uint32_t parts;
  uint32_t device[VB_MAX_PARTS];
  struct vb_range key[VB_MAX_PARTS];
  int32_t *m[VB_MAX_PARTS];
  int16_t *em[VB_MAX_PARTS];
  uint64_t *l[VB_MAX_PARTS];
  int64_t *num[VB_MAX_PARTS];
};

static bool allocate_partials(struct vb_exec *e, const struct vb_attention_op *op, int32_t **m, int16_t **em,
                              uint64_t **l, int64_t **num) {
  size_t rows = (size_t)op->t.end * op->heads;
  *m = vb_scratch(e, rows * sizeof **m);
  *em = vb_scratch(e, rows * VB_EM_ROW * sizeof **em);
  *l = vb_scratch(e, rows * sizeof **l);
  *num = vb_scratch(e, rows * op->kv->dv * sizeof **num);
  return *m && *em && *l && *num;
}

static bool prepare_keys(struct vb_exec *e, const struct vb_split *s, struct vb_attention_op *op, struct key_split *k) {
  if (!allocate_partials(e, op, &op->m, &op->em, &op->l, &op->num)) return false;
  for (uint32_t p = 0; p < s->parts; p++) {
    union vb_any_op part = {.attention = *op};
    if (!vb_split_restrict(VB_OP_ATTENTION, s->axis, &s->part[p], 0, &part)) continue;
    uint32_t i = k->parts++;
    k->device[i] = s->part[p].device;
    k->key[i] = part.attention.key;
    if (!allocate_partials(e, op, &k->m[i], &k->em[i], &k->l[i], &k->num[i])) return false;
  }
  return true;
}

static bool add_phase(struct vb_exec *e, uint32_t node, const struct vb_attention_op *op, const struct key_split *k,
                      enum vb_attn_mode mode) {
  for (uint32_t p = 0; p < k->parts; p++) {
    union vb_any_op part = {.attention = *op};
    struct vb_attention_op *a = &part.attention;
    a->mode = mode;
    a->key = k->key[p];
    if (mode == VB_ATTN_MAX) a->m = k->m[p];
    if (mode == VB_ATTN_EXP) a->em = k->em[p];
    if (mode == VB_ATTN_SUM) a->l = k->l[p], a->num = k->num[p];
    if (!add_task(e, k->device[p], node, &part)) return false;
  }
  return true;
}

static vb_result run_attention_keys(struct vb_exec *e, uint32_t node, const struct vb_split *s, union vb_any_op *op,
                                    uint32_t ops) {
  struct key_split *k = vb_scratch(e, ops * sizeof *k);
  if (!k) return no_memory();
  for (uint32_t i = 0; i < ops; i++)
    if (!prepare_keys(e, s, &op[i].attention, &k[i])) return no_memory();
  for (enum vb_attn_mode mode = VB_ATTN_MAX; mode <= VB_ATTN_SUM; mode++) {
    uint32_t first = e->tasks;
    for (uint32_t i = 0; i < ops; i++)
      if (!add_phase(e, node, &op[i].attention, &k[i], mode)) return no_memory();
    vb_result r = run_from(e, first);
    if (r) return r;
    for (uint32_t i = 0; i < ops; i++) {
      struct vb_attention_op *a = &op[i].attention;
      if (mode == VB_ATTN_MAX) vb_merge_attention_max(a, k[i].m, k[i].parts);
      if (mode == VB_ATTN_EXP) vb_merge_attention_exp(a, k[i].em, k[i].parts);
      if (mode == VB_ATTN_SUM) vb_merge_attention_sum(a, k[i].l, k[i].num, k[i].parts), vb_merge_attention_finish(a);
    }
  }
  return VB_OK;
}

static bool allocate_hidden(struct vb_exec *e, struct vb_experts_op *op) {
  size_t pairs = (size_t)e->total * op->k, blocks = op->w->down.blocks;
  op->hq = vb_scratch(e, pairs * blocks * VB_BLOCK);
  op->hcodes = vb_scratch(e, pairs * blocks);
  op->hmax = vb_scratch(e, pairs);
  size_t shared = (size_t)e->total * op->w->shared_down.blocks;
  op->shq = vb_scratch(e, shared * VB_BLOCK);
  op->shcodes = vb_scratch(e, shared);
  op->shmax = vb_scratch(e, e->total);
  return op->hq && op->hcodes && op->hmax && op->shq && op->shcodes && op->shmax;
}

static vb_result run_experts_split(struct vb_exec *e, uint32_t node, const struct vb_split *s,
                                   struct vb_experts_op *op) {
  int64_t *acc[VB_MAX_PARTS];
  uint32_t parts = 0;
  uint8_t *tmax = vb_scratch(e, e->total);
  if (!tmax) return no_memory();
  for (enum vb_experts_mode mode = VB_EXPERTS_HIDDEN; mode <= VB_EXPERTS_DOWN; mode++) {
    uint32_t first = e->tasks;
    for (uint32_t p = 0; p < s->parts; p++) {
      union vb_any_op part = {.experts = *op};
      if (!vb_split_restrict(VB_OP_EXPERTS, s->axis, &s->part[p], 0, &part)) continue;
      part.experts.mode = mode;
      part.experts.tmax = tmax;
      if (mode == VB_EXPERTS_DOWN) {
        part.experts.acc = acc[parts++] = vb_scratch(e, (size_t)e->total * op->w->dim * sizeof **acc);
        if (!part.experts.acc) return no_memory();
      }
      if (!add_task(e, s->part[p].device, node, &part)) return no_memory();
    }
    vb_result r = run_from(e, first);
    if (r) return r;
    if (mode == VB_EXPERTS_HIDDEN) vb_merge_experts_max(op, tmax);
  }
  vb_merge_experts(op, tmax, acc, parts);
  return VB_OK;
}

static vb_result run_indexer_keys(struct vb_exec *e, uint32_t node, const struct vb_split *s, union vb_any_op *op,
                                  uint32_t ops) {
  for (uint32_t k = 0; k < ops; k++) {
    struct vb_indexer_op *x = &op[k].indexer;
    x->score_stride = x->key.end;
    x->score = vb_scratch(e, (size_t)x->t.end * x->score_stride * sizeof *x->score);
    if (!x->score) return no_memory();
    for (uint32_t p = 0; p < s->parts; p++) {
      union vb_any_op part = op[k];
      if (!vb_split_restrict(VB_OP_INDEXER, s->axis, &s->part[p], 0, &part)) continue;
      part.indexer.mode = VB_INDEXER_SCORES;
      if (!add_task(e, s->part[p].device, node, &part)) return no_memory();
    }
  }
  vb_result r = run_from(e, 0);
  for (uint32_t k = 0; !r && k < ops; k++) vb_merge_indexer(&op[k].indexer);
  return r;
}

static bool allocate_dispatch(struct vb_exec *e, struct vb_router_op *op) {
  op->hist = vb_scratch(e, op->experts * sizeof *op->hist);
  op->offsets = vb_scratch(e, (op->experts + 1) * sizeof *op->offsets);
  op->list = vb_scratch(e, (size_t)(op->t.end - op->t.begin) * op->k * sizeof *op->list);
  return op->hist && op->offsets && op->list;
}

static vb_result run_router_split(struct vb_exec *e, uint32_t node, const struct vb_split *s, struct vb_router_op *op) {
  struct vb_router_op done[VB_MAX_PARTS];
  uint32_t parts = 0;
  for (uint32_t p = 0; p < s->parts; p++) {
    union vb_any_op part = {.router = *op};
    if (!vb_split_restrict(VB_OP_ROUTER, s->axis, &s->part[p], 0, &part)) continue;
    part.router.ids += (uint64_t)part.router.t.begin * op->k;
    part.router.gates += (uint64_t)part.router.t.begin * op->k;
    if (!allocate_dispatch(e, &part.router) || !add_task(e, s->part[p].device, node, &part)) return no_memory();
    done[parts++] = part.router;
  }
  vb_result r = run_from(e, 0);
  if (!r) vb_merge_router(op, done, parts);
  return r;
}

vb_result vb_run_split(struct vb_exec *e, uint32_t node, const struct vb_split *s, union vb_any_op *op, uint32_t ops) {
  enum vb_op_kind kind = e->graph->node[node].kind;
  if (kind == VB_OP_EXPERTS && !allocate_hidden(e, &op->experts)) return no_memory();
  if (kind == VB_OP_ROUTER && !allocate_dispatch(e, &op->router)) return no_memory();
  if (!vb_split_is_partial(kind, s)) return run_disjoint(e, node, s, op, ops);
  switch (kind) {
  case VB_OP_LINEAR: return run_linear_k(e, node, s, &op->linear);
  case VB_OP_ATTENTION: return run_attention_keys(e, node, s, op, ops);
  case VB_OP_INDEXER: return run_indexer_keys(e, node, s, op, ops);
  case VB_OP_EXPERTS: return run_experts_split(e, node, s, &op->experts);
  case VB_OP_ROUTER: return run_router_split(e, node, s, &op->router);
  default: return vb_fail(VB_DEVICE, "%s cannot be split along %s", vb_op_name(kind), vb_axis_name(s->axis));
  }
}
