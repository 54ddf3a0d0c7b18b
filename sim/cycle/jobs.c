// SPDX-License-Identifier: Apache-2.0
#include "jobs.h"
#include "verbatim/layout.h"
#include <stdio.h>
#include <string.h>

enum { BUFFER_R = 1, BUFFER_W = 1, BUFFER_RW = 1, U32 = 0, U64 = 0 };
struct arg {
  const char *name;
  uint32_t slot;
  int buffer;
};
#define ARG(name, kind, slot, unit) {#name, slot, kind},
// One line a unit, written by make/sim.mk.
#define VB_UNIT(config, unit)
#define VB_CONFIG(config, macro)
#define VB_FAST_CONFIG(config, macro)
#define VB_FAST_UNIT(unit, macro) static const struct arg unit##_args[] = {VB_##macro##_ARGS(ARG){NULL, 0, 0}};
#include "units.inc"
#undef VB_FAST_UNIT
static const struct {
  const char *name;
  const struct arg *args;
} units[] = {
#define VB_FAST_UNIT(unit, macro) {#unit, unit##_args},
#include "units.inc"
    {NULL, NULL}};

static const struct arg *args_of(const char *unit) {
  for (uint32_t i = 0; units[i].name; i++)
    if (strcmp(units[i].name, unit) == 0) return units[i].args;
  return NULL;
}

int vb_job_slot(const char *unit, const char *name) {
  for (const struct arg *a = args_of(unit); a && a->name; a++)
    if (strcmp(a->name, name) == 0) return (int)a->slot;
  return -1;
}

const char *vb_job_arg_name(const char *unit, uint32_t slot) {
  const struct arg *a = args_of(unit);
  while (a && a->name && slot--) a++;
  return a ? a->name : NULL;
}

static void set(struct vb_job *j, uint32_t slot, uint64_t value) {
  j->args[slot] = value;
  j->given |= 1u << slot;
}

static void fill(struct vb_job *j, uint32_t slot, uint64_t value) {
  if (!(j->given >> slot & 1)) j->args[slot] = value;
}

static uint64_t at_least(uint64_t a, uint64_t least) { return a > least ? a : least; }
static uint64_t lines(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// ---- router

void vb_job_router(struct vb_job *j, const struct vb_router_op *op) {
  *j = (struct vb_job){.unit = "router"};
  set(j, VB_ROUTER_ARG_TOKENS, op->t.end - op->t.begin);
  set(j, VB_ROUTER_ARG_EXPERTS, op->experts);
  set(j, VB_ROUTER_ARG_K, op->k);
  set(j, VB_ROUTER_ARG_SCORE, (uint64_t)op->score);
  set(j, VB_ROUTER_ARG_RENORM, op->renorm);
  set(j, VB_ROUTER_ARG_SCALE, op->scale);
  set(j, VB_ROUTER_ARG_USE_BIAS, op->bias && op->score == VB_SCORE_SIGMOID);
  set(j, VB_ROUTER_ARG_GROUPS, op->groups);
  set(j, VB_ROUTER_ARG_TOPK_GROUPS, op->topk_groups);
  set(j, VB_ROUTER_ARG_GROUP_TOP, op->group_top == 2 ? 2 : 1);
  set(j, VB_ROUTER_ARG_THRESHOLD, op->threshold);
  set(j, VB_ROUTER_ARG_CAPACITY, op->capacity);
}

static void finish_router(struct vb_job *j, uint64_t *bytes) {
  uint64_t *a = j->args;
  fill(j, VB_ROUTER_ARG_TOKENS, 1);
  fill(j, VB_ROUTER_ARG_EXPERTS, 256);
  fill(j, VB_ROUTER_ARG_K, 8);
  fill(j, VB_ROUTER_ARG_RENORM, 1);
  fill(j, VB_ROUTER_ARG_SCALE, 0x3f800000u);
  fill(j, VB_ROUTER_ARG_GROUP_TOP, 1);
  fill(j, VB_ROUTER_ARG_TOPK_GROUPS, a[VB_ROUTER_ARG_GROUPS]);
  fill(j, VB_ROUTER_ARG_LOGITS_STRIDE, 4 * a[VB_ROUTER_ARG_EXPERTS]);
  uint64_t tokens = a[VB_ROUTER_ARG_TOKENS], row = 4 * a[VB_ROUTER_ARG_EXPERTS],
           pairs = 4 * tokens * a[VB_ROUTER_ARG_K];
  bytes[VB_ROUTER_ARG_LOGITS] = tokens * a[VB_ROUTER_ARG_LOGITS_STRIDE] + row;
  bytes[VB_ROUTER_ARG_IDS] = bytes[VB_ROUTER_ARG_GATES] = bytes[VB_ROUTER_ARG_LIST] = pairs;
  bytes[VB_ROUTER_ARG_HIST] = bytes[VB_ROUTER_ARG_BIAS] = row;
  bytes[VB_ROUTER_ARG_OFFSETS] = row + 4;
  snprintf(j->shape, sizeof j->shape, "%llu tokens, %llu of %llu experts, %s%s", (unsigned long long)tokens,
           (unsigned long long)a[VB_ROUTER_ARG_K], (unsigned long long)a[VB_ROUTER_ARG_EXPERTS],
           a[VB_ROUTER_ARG_SCORE] ? "sigmoid" : "softmax", a[VB_ROUTER_ARG_GROUPS] ? ", groups" : "");
}

// ---- attention

/// Keys that a token of the job sees.
static uint64_t seen_by(const struct vb_job *j, uint32_t t) {
  const uint64_t *a = j->args;
  const struct vb_attention_op op = {
      .first_count = (uint32_t)a[VB_ATTENTION_ARG_FIRST_COUNT],
      .window = (uint32_t)a[VB_ATTENTION_ARG_WINDOW],
      .chunk = (uint32_t)a[VB_ATTENTION_ARG_CHUNK],
      .keep = (uint32_t)a[VB_ATTENTION_ARG_KEEP],
      .key = {(uint32_t)a[VB_ATTENTION_ARG_KEY_BEGIN], (uint32_t)a[VB_ATTENTION_ARG_KEY_END]}};
  if (op.key.end <= op.key.begin || op.first_count + t <= op.key.begin) return 0;
  const struct vb_seen s = vb_attention_seen(&op, t);
  uint64_t keys = s.kept - s.begin + s.end - s.start,
           most = a[VB_ATTENTION_ARG_LIST_COUNT] * a[VB_ATTENTION_ARG_LIST_BLOCK];
  return a[VB_ATTENTION_ARG_LIST_BLOCK] && most < keys ? most : keys;
}

void vb_job_attention(struct vb_job *j, const struct vb_attention_op *op, uint32_t heads, uint32_t t, uint32_t tokens) {
  *j = (struct vb_job){.unit = "attention"};
  uint32_t last = op->first_count + t + tokens - 1;
  set(j, VB_ATTENTION_ARG_MODE, (uint64_t)op->mode);
  set(j, VB_ATTENTION_ARG_ROWS, (uint64_t)heads * tokens);
  set(j, VB_ATTENTION_ARG_ROWS_PER_TOKEN, heads);
  set(j, VB_ATTENTION_ARG_DK, vb_val_bytes(op->kv->dk));
  set(j, VB_ATTENTION_ARG_DV, vb_val_bytes(op->kv->dv));
  set(j, VB_ATTENTION_ARG_KEY_BEGIN, op->key.begin);
  set(j, VB_ATTENTION_ARG_KEY_END, op->key.end < last ? op->key.end : last);
  set(j, VB_ATTENTION_ARG_FIRST_COUNT, op->first_count + t);
  set(j, VB_ATTENTION_ARG_WINDOW, op->window);
  set(j, VB_ATTENTION_ARG_CHUNK, op->chunk);
  set(j, VB_ATTENTION_ARG_KEEP, op->keep);
  set(j, VB_ATTENTION_ARG_FLAGS, op->kv->v == NULL);
  j->sinks = op->sinks && op->mode == VB_ATTN_FULL; // of a split, the merge adds them
  if (op->list) {
    set(j, VB_ATTENTION_ARG_LIST_BLOCK, op->list_block ? op->list_block : 1);
    set(j, VB_ATTENTION_ARG_LIST_COUNT, op->list_count[t]);
  }
}

static void finish_attention(struct vb_job *j, uint64_t *bytes) {
  uint64_t *a = j->args;
  fill(j, VB_ATTENTION_ARG_ROWS_PER_TOKEN, 1);
  fill(j, VB_ATTENTION_ARG_ROWS, a[VB_ATTENTION_ARG_ROWS_PER_TOKEN]);
  fill(j, VB_ATTENTION_ARG_DK, 128);
  fill(j, VB_ATTENTION_ARG_DV, a[VB_ATTENTION_ARG_DK] < 512 ? a[VB_ATTENTION_ARG_DK] : 512);
  uint64_t group = at_least(a[VB_ATTENTION_ARG_ROWS_PER_TOKEN], 1), rows = a[VB_ATTENTION_ARG_ROWS];
  uint64_t tokens = (rows + group - 1) / group, rec = vb_rec_bytes((uint32_t)a[VB_ATTENTION_ARG_DK]);
  uint64_t dv = vb_val_bytes((uint32_t)a[VB_ATTENTION_ARG_DV]);
  fill(j, VB_ATTENTION_ARG_KEY_END, at_least(a[VB_ATTENTION_ARG_FIRST_COUNT], 1) + tokens - 1);
  fill(j, VB_ATTENTION_ARG_FIRST_COUNT, at_least(a[VB_ATTENTION_ARG_KEY_END], tokens) - tokens + 1);
  if (j->given >> VB_ATTENTION_ARG_LIST_COUNT & 1) fill(j, VB_ATTENTION_ARG_LIST_BLOCK, 1);
  uint64_t out = a[VB_ATTENTION_ARG_MODE] == VB_ATTN_SUM ? vb_partial_bytes((uint32_t)dv) : 4 * dv;
  fill(j, VB_ATTENTION_ARG_Q_ROW_STRIDE, rec);
  fill(j, VB_ATTENTION_ARG_Q_TOKEN_STRIDE, rec * group);
  fill(j, VB_ATTENTION_ARG_K_STRIDE, rec);
  fill(j, VB_ATTENTION_ARG_V_STRIDE, dv);
  fill(j, VB_ATTENTION_ARG_O_ROW_STRIDE, out);
  fill(j, VB_ATTENTION_ARG_O_TOKEN_STRIDE, out * group);
  bytes[VB_ATTENTION_ARG_Q] = tokens * a[VB_ATTENTION_ARG_Q_TOKEN_STRIDE] + rec;
  bytes[VB_ATTENTION_ARG_K] = (a[VB_ATTENTION_ARG_KEY_END] + 1) * a[VB_ATTENTION_ARG_K_STRIDE];
  bytes[VB_ATTENTION_ARG_V] =
      a[VB_ATTENTION_ARG_FLAGS] & 1 ? 0 : (a[VB_ATTENTION_ARG_KEY_END] + 1) * a[VB_ATTENTION_ARG_V_STRIDE];
  bytes[VB_ATTENTION_ARG_M] = 4 * rows;
  bytes[VB_ATTENTION_ARG_EM] = 2 * VB_EM_ROW * rows;
  bytes[VB_ATTENTION_ARG_OUT] = tokens * a[VB_ATTENTION_ARG_O_TOKEN_STRIDE] + out;
  bytes[VB_ATTENTION_ARG_LIST] = 4 * (a[VB_ATTENTION_ARG_LIST_FIRST] + a[VB_ATTENTION_ARG_LIST_COUNT]);
  bytes[VB_ATTENTION_ARG_SINKS] = j->sinks ? 4 * group : 0;
  uint64_t pairs = 0, macs = a[VB_ATTENTION_ARG_MODE] == VB_ATTN_SUM    ? a[VB_ATTENTION_ARG_DK] + dv
                             : a[VB_ATTENTION_ARG_MODE] == VB_ATTN_FULL ? a[VB_ATTENTION_ARG_DK] + dv
                             : a[VB_ATTENTION_ARG_MODE] == VB_ATTN_MAX  ? a[VB_ATTENTION_ARG_DK]
                                                                        : 0;
  for (uint32_t t = 0; t < tokens; t++) pairs += seen_by(j, t) * (t + 1 < tokens ? group : rows - group * (tokens - 1));
  j->macs = pairs * macs;
  char keys[48];
  if (a[VB_ATTENTION_ARG_LIST_BLOCK])
    snprintf(keys, sizeof keys, "%llu of %llu",
             (unsigned long long)(a[VB_ATTENTION_ARG_LIST_COUNT] * a[VB_ATTENTION_ARG_LIST_BLOCK]),
             (unsigned long long)a[VB_ATTENTION_ARG_KEY_END]);
  else
    snprintf(keys, sizeof keys, "%llu",
             (unsigned long long)(a[VB_ATTENTION_ARG_KEY_END] - a[VB_ATTENTION_ARG_KEY_BEGIN]));
  snprintf(j->shape, sizeof j->shape, "%llu rows, %s keys, %llu/%llu%s%s", (unsigned long long)rows, keys,
           (unsigned long long)a[VB_ATTENTION_ARG_DK], (unsigned long long)a[VB_ATTENTION_ARG_DV],
           a[VB_ATTENTION_ARG_WINDOW]  ? ", window"
           : a[VB_ATTENTION_ARG_CHUNK] ? ", chunk"
                                       : "",
           a[VB_ATTENTION_ARG_FLAGS] & 1 ? ", shared" : "");
}

// ---- indexer

void vb_job_indexer(struct vb_job *j, const struct vb_indexer_op *op) {
  *j = (struct vb_job){.unit = "indexer"};
  uint32_t tokens = op->t.end - op->t.begin, seen = op->first_count + op->t.end - 1;
  bool full = op->mode == VB_INDEXER_FULL;
  set(j, VB_INDEXER_ARG_MODE, full ? 0 : 1);
  set(j, VB_INDEXER_ARG_TOKENS, tokens);
  set(j, VB_INDEXER_ARG_HEADS, op->heads);
  set(j, VB_INDEXER_ARG_DK, vb_val_bytes(op->kv->dk));
  set(j, VB_INDEXER_ARG_TOPK, op->k);
  set(j, VB_INDEXER_ARG_KEY_BEGIN, full ? 0 : op->key.begin);
  set(j, VB_INDEXER_ARG_KEY_END, full || seen < op->key.end ? seen : op->key.end);
  set(j, VB_INDEXER_ARG_FIRST_COUNT, op->first_count + op->t.begin);
  set(j, VB_INDEXER_ARG_W_SCALE, op->w_scale);
}

static void finish_indexer(struct vb_job *j, uint64_t *bytes) {
  uint64_t *a = j->args;
  fill(j, VB_INDEXER_ARG_TOKENS, 1);
  fill(j, VB_INDEXER_ARG_HEADS, 64);
  fill(j, VB_INDEXER_ARG_DK, 128);
  fill(j, VB_INDEXER_ARG_TOPK, 2048);
  fill(j, VB_INDEXER_ARG_KEY_END, at_least(a[VB_INDEXER_ARG_FIRST_COUNT], 1) + a[VB_INDEXER_ARG_TOKENS] - 1);
  fill(j, VB_INDEXER_ARG_FIRST_COUNT,
       at_least(a[VB_INDEXER_ARG_KEY_END], a[VB_INDEXER_ARG_TOKENS]) - a[VB_INDEXER_ARG_TOKENS] + 1);
  fill(j, VB_INDEXER_ARG_W_SCALE, 0x3f800000u);
  uint64_t tokens = a[VB_INDEXER_ARG_TOKENS], rec = vb_rec_bytes((uint32_t)a[VB_INDEXER_ARG_DK]);
  uint64_t keys = a[VB_INDEXER_ARG_KEY_END] - a[VB_INDEXER_ARG_KEY_BEGIN];
  fill(j, VB_INDEXER_ARG_Q_STRIDE, rec * a[VB_INDEXER_ARG_HEADS]);
  fill(j, VB_INDEXER_ARG_W_STRIDE, lines(4 * a[VB_INDEXER_ARG_HEADS]));
  fill(j, VB_INDEXER_ARG_SCORE_STRIDE, a[VB_INDEXER_ARG_MODE] ? lines(4 * keys) : 64);
  fill(j, VB_INDEXER_ARG_LIST_STRIDE, a[VB_INDEXER_ARG_MODE] == 1 ? 64 : lines(4 * a[VB_INDEXER_ARG_TOPK]));
  bytes[VB_INDEXER_ARG_Q] = tokens * a[VB_INDEXER_ARG_Q_STRIDE];
  bytes[VB_INDEXER_ARG_W] = tokens * a[VB_INDEXER_ARG_W_STRIDE];
  bytes[VB_INDEXER_ARG_K] = a[VB_INDEXER_ARG_KEY_END] * rec;
  bytes[VB_INDEXER_ARG_SCORE] = tokens * a[VB_INDEXER_ARG_SCORE_STRIDE];
  bytes[VB_INDEXER_ARG_LIST] = tokens * a[VB_INDEXER_ARG_LIST_STRIDE];
  bytes[VB_INDEXER_ARG_COUNT] = 4 * tokens;
  for (uint64_t t = 0; t < tokens && a[VB_INDEXER_ARG_MODE] < 2; t++) {
    uint64_t seen = a[VB_INDEXER_ARG_FIRST_COUNT] + t,
             end = seen < a[VB_INDEXER_ARG_KEY_END] ? seen : a[VB_INDEXER_ARG_KEY_END];
    if (end > a[VB_INDEXER_ARG_KEY_BEGIN])
      j->macs += (end - a[VB_INDEXER_ARG_KEY_BEGIN]) * a[VB_INDEXER_ARG_HEADS] * a[VB_INDEXER_ARG_DK];
  }
  static const char *const modes[] = {"", ", scores only", ", top-k only"};
  snprintf(j->shape, sizeof j->shape, "%llu tokens, %llu heads, %llu of %llu keys%s", (unsigned long long)tokens,
           (unsigned long long)a[VB_INDEXER_ARG_HEADS], (unsigned long long)a[VB_INDEXER_ARG_TOPK],
           (unsigned long long)keys, a[VB_INDEXER_ARG_MODE] < 3 ? modes[a[VB_INDEXER_ARG_MODE]] : "");
}

void vb_job_finish(struct vb_job *j, uint64_t base) {
  uint64_t bytes[VB_JOB_SLOTS] = {0};
  if (strcmp(j->unit, "router") == 0) finish_router(j, bytes);
  else if (strcmp(j->unit, "attention") == 0) finish_attention(j, bytes);
  else if (strcmp(j->unit, "indexer") == 0) finish_indexer(j, bytes);
  else snprintf(j->shape, sizeof j->shape, "arguments as given");
  for (const struct arg *a = args_of(j->unit); a && a->name; a++)
    if (a->buffer && bytes[a->slot] && !(j->given >> a->slot & 1)) {
      j->args[a->slot] = base;
      base += (bytes[a->slot] + 4095) / 4096 * 4096;
    }
}
