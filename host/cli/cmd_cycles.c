// SPDX-License-Identifier: Apache-2.0
/// `verbatim cycles`: what jobs cost on the hardware units, by the exact cycle model (docs/cycle-model.md).
#include "base/file.h"
#include "base/h5.h"
#include "cli/cli.h"
#include "cycle/jobs.h"
#include "verify/casefile.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Configurations, and the units that have a model: units.inc, written by make/sim.mk.
#define VB_UNIT(config, unit)
#define VB_CONFIG(config, macro)
static const struct vb_hw_config configs[] = {
#define VB_FAST_UNIT(unit, macro)
#define VB_FAST_CONFIG(config, macro) VB_CONFIG_##macro,
#include "units.inc"
#undef VB_FAST_UNIT
#undef VB_FAST_CONFIG
};
#define VB_FAST_CONFIG(config, macro)
#define VB_FAST_UNIT(unit, macro)                                                                     \
  int vb_cycle_##unit(const struct vb_cycle_env *, const struct vb_golden_memory *, const uint64_t *, \
                      struct vb_cycle_result *);
#include "units.inc"
#undef VB_FAST_UNIT
enum { CONFIGS = sizeof configs / sizeof *configs };

static const struct {
  const char *name;
  int (*cycles)(const struct vb_cycle_env *, const struct vb_golden_memory *, const uint64_t *,
                struct vb_cycle_result *);
} units[] = {
#define VB_FAST_UNIT(unit, macro) {#unit, vb_cycle_##unit},
#include "units.inc"
    {NULL, NULL}};

static const char *const class_names[] = {VB_HW_CLASS_NAMES};
#define BASE 0x400000000u // of device memory, as in the simulator

/// Jobs of one shape: predicted once, counted as often as they occur.
struct row {
  struct vb_job job;
  uint64_t jobs, layers;
  int layer, last; ///< first and last one, or -1
  struct vb_cycle_result r;
};
struct table {
  const struct vb_cli *c;
  struct vb_cycle_env env;
  struct vb_golden_memory mem;
  struct row *row;
  uint32_t rows;
  uint64_t missing; ///< jobs of units without a model
  char without[64];
};

// ---- prediction

/// A list that is not given: ascending entries spread evenly at random below the last key's block.
static void make_list(struct table *t, const struct vb_job *j) {
  const uint64_t *a = j->args, block = a[VB_ATTENTION_ARG_LIST_BLOCK];
  if (strcmp(j->unit, "attention") || !block || !t->mem.bytes) return;
  uint64_t n = a[VB_ATTENTION_ARG_LIST_COUNT], all = (a[VB_ATTENTION_ARG_KEY_END] + block - 1) / block, at = 0;
  uint64_t where = a[VB_ATTENTION_ARG_LIST] - t->mem.base + 4 * a[VB_ATTENTION_ARG_LIST_FIRST];
  if (where > t->mem.size || t->mem.size - where < 4 * n) return;
  for (uint64_t i = 0; i < all && at < n; i++) // each of those left has the same chance
    if (vb_hash2(t->c->seed, i) % (all - i) < n - at) ((uint32_t *)(void *)(t->mem.bytes + where))[at++] = (uint32_t)i;
}

static vb_result predict(struct table *t, struct row *w, const uint32_t *list) {
  int (*cycles)(const struct vb_cycle_env *, const struct vb_golden_memory *, const uint64_t *,
                struct vb_cycle_result *) = NULL;
  for (uint32_t i = 0; units[i].name; i++)
    if (!strcmp(units[i].name, w->job.unit)) cycles = units[i].cycles;
  if (!cycles) {
    t->missing += w->jobs;
    snprintf(t->without, sizeof t->without, "%s", w->job.unit);
    return VB_OK;
  }
  if (list)
    memcpy(t->mem.bytes + (w->job.args[VB_ATTENTION_ARG_LIST] - t->mem.base) +
               4 * w->job.args[VB_ATTENTION_ARG_LIST_FIRST],
           list, 4 * w->job.args[VB_ATTENTION_ARG_LIST_COUNT]);
  else make_list(t, &w->job);
  int failed = cycles(&t->env, &t->mem, w->job.args, &w->r);
  if (failed == -1) return vb_fail(VB_DEVICE, "out of memory for the cycle model");
  if (failed) return vb_fail(VB_DEVICE, "the cycle model of %s contradicts itself", w->job.unit);
  if (w->r.error)
    return vb_fail(VB_BAD_INPUT, "%s (%s) is no job of configuration %s: error 0x%02x, %s", w->job.unit, w->job.shape,
                   t->env.hw->name, w->r.error, vb_hw_error_text(w->job.unit, w->r.error));
  return VB_OK;
}

/// `list`: the key list of an attention job, or NULL for one made up.
static vb_result add(struct table *t, struct vb_job *j, uint64_t times, int layer, const uint32_t *list) {
  vb_job_finish(j, BASE);
  for (uint32_t i = 0; i < t->rows && !list; i++)
    if (!strcmp(t->row[i].job.unit, j->unit) && !memcmp(t->row[i].job.args, j->args, sizeof j->args)) {
      t->row[i].jobs += times;
      if (!t->row[i].r.cycles) t->missing += times;
      t->row[i].layers += t->row[i].last != layer;
      t->row[i].last = layer;
      return VB_OK;
    }
  struct row *bigger = realloc(t->row, (t->rows + 1) * sizeof *bigger);
  if (!bigger) return vb_fail(VB_DEVICE, "out of memory for the jobs");
  t->row = bigger;
  t->row[t->rows] = (struct row){.job = *j, .jobs = times, .layers = 1, .layer = layer, .last = layer};
  return predict(t, &t->row[t->rows++], list);
}

// ---- what to predict

/// UNIT KEY=VALUE...
static vb_result one_job(struct table *t) {
  struct vb_job j = {.given = 0};
  snprintf(j.unit, sizeof j.unit, "%s", t->c->model);
  for (uint32_t i = 0; i < t->c->rests; i++) {
    const char *text = t->c->rest[i], *eq = strchr(text, '=');
    char name[32], *end = NULL;
    int slot = -1;
    if (eq && eq - text < (int)sizeof name) {
      snprintf(name, sizeof name, "%.*s", (int)(eq - text), text);
      slot = vb_job_slot(j.unit, name);
    }
    uint64_t value = slot >= 0 ? strtoull(eq + 1, &end, 0) : 0;
    if (slot < 0 || *end || end == eq + 1 || eq[1] == '-') {
      char known[512] = "";
      for (uint32_t n = 0; vb_job_arg_name(j.unit, n); n++)
        snprintf(known + strlen(known), sizeof known - strlen(known), " %s", vb_job_arg_name(j.unit, n));
      return vb_fail(VB_BAD_INPUT, "\"%s\" is no NAME=NUMBER of %s; names:%s", text, j.unit, known);
    }
    j.args[slot] = value;
    j.given |= 1u << slot;
  }
  return add(t, &j, 1, -1, NULL);
}

/// Keys that an entry stands for on the device: a block that ends behind the cache is taken key by key, as the driver does.
static uint32_t entry_keys(const struct vb_attention_op *op) {
  const uint32_t b = op->list_block ? op->list_block : 1, last = op->first_count + op->t.end - 1;
  const uint64_t end = op->key.end < last ? op->key.end : last;
  return (end + b - 1) / b * b <= op->kv->capacity ? b : 1;
}

/// Entries of a token's list that it sees anything of. `seen` has room for all of them.
static uint32_t cut_list(const struct vb_attention_op *op, uint32_t t, uint32_t keys, uint32_t *seen) {
  const struct vb_seen s = vb_attention_seen(op, t);
  const uint32_t b = op->list_block ? op->list_block : 1, *list = op->list + (uint64_t)t * op->list_stride;
  uint32_t n = 0;
  for (uint32_t i = 0; i < op->list_count[t]; i++)
    for (uint64_t j = (uint64_t)list[i] * b; j < (uint64_t)list[i] * b + b; j += keys)
      if ((j < s.kept && j + keys > s.begin) || (j < s.end && j + keys > s.start)) seen[n++] = (uint32_t)(j / keys);
  return n;
}

/// One token of a job with a list. All tokens' lists lie one behind the other, `*first` entries so far.
static vb_result list_job(struct table *t, const struct vb_attention_op *op, uint32_t heads, uint32_t k, int layer,
                          uint32_t *first) {
  struct vb_job j;
  vb_job_attention(&j, op, heads, k, 1);
  j.args[VB_ATTENTION_ARG_LIST_FIRST] = *first;
  if (!op->list_stride) { // only counted: the list is made up
    *first += op->list_count[k];
    return add(t, &j, 1, layer, NULL);
  }
  const uint32_t keys = entry_keys(op), each = (op->list_block ? op->list_block : 1) / keys;
  uint32_t *seen = malloc(((uint64_t)op->list_stride * each + 1) * sizeof *seen);
  if (!seen) return vb_fail(VB_DEVICE, "out of memory for a key list");
  j.args[VB_ATTENTION_ARG_LIST_BLOCK] = keys;
  j.args[VB_ATTENTION_ARG_LIST_COUNT] = cut_list(op, k, keys, seen);
  *first += (uint32_t)j.args[VB_ATTENTION_ARG_LIST_COUNT];
  vb_result r = add(t, &j, 1, layer, seen);
  free(seen);
  return r;
}

/// Query heads that share a key head are one job; with lists, a job a token. Lists without a stride are only counted.
static vb_result attention_jobs(struct table *t, const struct vb_attention_op *op, int layer) {
  const uint32_t group = op->heads / op->kv->heads;
  vb_result r = VB_OK;
  if (op->cap) return vb_fail(VB_BAD_INPUT, "the attention unit has no soft-cap of scores");
  for (uint32_t h = op->h.begin; h < op->h.end && !r;) {
    uint32_t end = (h / group + 1) * group, heads = (end < op->h.end ? end : op->h.end) - h, first = 0;
    for (uint32_t k = op->t.begin; op->list && k < op->t.end && !r; k++) r = list_job(t, op, heads, k, layer, &first);
    if (!op->list) {
      struct vb_job j;
      vb_job_attention(&j, op, heads, op->t.begin, op->t.end - op->t.begin);
      r = add(t, &j, 1, layer, NULL);
    }
    h += heads;
  }
  return r;
}

static vb_result case_jobs(struct table *t) {
  struct vb_case k;
  struct vb_job j;
  vb_result r = vb_case_load(t->c->model, &k);
  if (r) return r;
  switch (k.c.kind) {
  case VB_OP_ATTENTION: r = attention_jobs(t, &k.c.op.attention, -1); break;
  case VB_OP_ROUTER:
    vb_job_router(&j, &k.c.op.router);
    r = add(t, &j, 1, -1, NULL);
    break;
  case VB_OP_INDEXER:
    vb_job_indexer(&j, &k.c.op.indexer);
    r = add(t, &j, 1, -1, NULL);
    break;
  default: r = vb_fail(VB_BAD_INPUT, "%s: no hardware unit runs %s", t->c->model, vb_op_name(k.c.kind));
  }
  vb_case_free(&k);
  return r;
}

/// The operators of a layer that units run, for `tokens` new tokens behind `context` others.
static vb_result layer_jobs(struct table *t, const struct vb_config *c, uint32_t layer, uint32_t tokens,
                            uint32_t context) {
  const struct vb_layer_config *l = &c->layer[layer];
  bool mla = l->mixer == VB_MIXER_MLA, indexed = mla && c->index_topk;
  uint8_t some = 0; // a pointer that is not NULL: the model has such a thing
  uint32_t one = 0, *counts = calloc(tokens, sizeof *counts);
  if (!counts) return vb_fail(VB_DEVICE, "out of memory");
  struct vb_kv kv = {.k = &some,
                     .v = mla ? NULL : &some,
                     .heads = mla ? 1 : c->kv_heads,
                     .dk = mla ? c->kv_lora + c->rope_dim : c->head_dim,
                     .dv = mla ? c->kv_lora : c->head_dim};
  struct vb_attention_op attention = {.kv = &kv,
                                      .heads = c->heads,
                                      .h = {0, c->heads},
                                      .first_count = context + 1,
                                      .window = l->window,
                                      .chunk = l->chunk,
                                      .cap = c->attn_softcap != 0,
                                      .sinks = c->sinks ? &one : NULL,
                                      .t = {0, tokens},
                                      .key = {0, UINT32_MAX}};
  vb_result r = VB_OK;
  struct vb_job j;
  if (indexed) {
    struct vb_kv keys = {.k = &some, .heads = 1, .dk = c->index_dim};
    struct vb_indexer_op indexer = {.w_scale = VB_Z_ONE,
                                    .kv = &keys,
                                    .heads = c->index_heads,
                                    .k = c->index_topk,
                                    .first_count = context + 1,
                                    .t = {0, tokens},
                                    .key = {0, UINT32_MAX}};
    vb_job_indexer(&j, &indexer);
    r = add(t, &j, 1, (int)layer, NULL);
    for (uint32_t i = 0; i < tokens; i++) counts[i] = context + 1 + i < c->index_topk ? context + 1 + i : c->index_topk;
    attention.list = &one;
    attention.list_count = counts;
  }
  if (!r && l->mixer != VB_MIXER_DELTA) r = attention_jobs(t, &attention, (int)layer);
  free(counts);
  if (r || !l->moe) return r;
  struct vb_router_op router = {.experts = c->experts,
                                .k = c->topk,
                                .score = c->score,
                                .renorm = c->norm_topk,
                                .scale = VB_Z_ONE,
                                .bias = c->correction_bias ? &one : NULL,
                                .groups = c->groups > 1 ? c->groups : 0,
                                .topk_groups = c->topk_groups,
                                .group_top = c->group_top,
                                .t = {0, tokens}};
  vb_job_router(&j, &router);
  return add(t, &j, 1, (int)layer, NULL);
}

static vb_result model_jobs(struct table *t) {
  const char *path = t->c->model;
  char made[4096];
  size_t n = strcspn(path, "?");
  bool published = n > 5 && !strncmp(path + n - 5, ".json", 5) && strncmp(path, "synthetic:", 10);
  snprintf(made, sizeof made, "%s%s", published ? "synthetic:" : "", path);
  struct vb_model *m = NULL;
  vb_result r = vb_model_open(made, true, &m);
  uint32_t tokens = t->c->prefill ? t->c->prefill : 1, context = t->c->context;
  for (uint32_t l = 0; !r && l < m->config.layers; l++) r = layer_jobs(t, &m->config, l, tokens, context);
  vb_model_close(m);
  if (!r && !t->rows) r = vb_fail(VB_BAD_INPUT, "%s: no operator of this model runs on a hardware unit", path);
  return r;
}

// ---- reports

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

/// Useful multiplications over multiplier slots; below 0: the unit has no array.
static double array_use(const struct table *t, const struct row *w) {
  double slots = (double)w->r.cycles * t->env.hw->rows * t->env.hw->lanes;
  return w->job.macs && slots > 0 ? 100 * (double)w->job.macs / slots : -1;
}

static double seconds(const struct table *t, uint64_t cycles) {
  return (double)cycles * t->env.hw->clock_period_ps * 1e-12;
}

static double peak_bandwidth(const struct vb_dram_part *p) { // bytes a second; `ideal` has none
  return p->rcd ? (double)p->burst_bytes * p->channels / p->burst * 1e12 : 0;
}

static void print_row(const struct table *t, const struct row *w) {
  const struct vb_cycle_result *r = &w->r;
  char layers[32] = "", use[16] = "-";
  if (w->layer >= 0) snprintf(layers, sizeof layers, "%d%s ", w->layer, w->layers > 1 ? "..." : "");
  if (array_use(t, w) >= 0) snprintf(use, sizeof use, "%.1f", array_use(t, w));
  printf("  %-9s %-44s %6s%6" PRIu64 " %12" PRIu64, w->job.unit, w->job.shape, layers, w->jobs, r->cycles);
  for (int k = 0; k < VB_HW_CLASS_BANK; k++) printf(" %5.1f", percent(r->classes[k], r->cycles));
  double s = seconds(t, r->cycles);
  printf(" %5s %7.2f %12.3f\n", use, s > 0 ? (double)(r->bytes_read + r->bytes_written) / s * 1e-9 : 0,
         1e3 * s * (double)w->jobs);
}

static void print_text(const struct table *t) {
  const struct vb_hw_config *hw = t->env.hw;
  printf("configuration %s (%u x %u multipliers, %u-bit port), %s%s, %.0f MHz\n\n", hw->name, hw->rows, hw->lanes,
         hw->axi_data_bits, t->env.part->name, t->env.noise ? " with noise" : "", 1e6 / hw->clock_period_ps);
  printf("  %-9s %-44s %6s%6s %12s", "unit", "job", "layer ", "jobs", "cycles/job");
  for (int k = 0; k < VB_HW_CLASS_BANK; k++) printf(" %5.5s", class_names[k]);
  printf(" %5s %7s %12s\n", "array", "GB/s", "time ms");
  uint64_t cycles = 0, bytes = 0;
  for (uint32_t i = 0; i < t->rows; i++) {
    const struct row *w = &t->row[i];
    if (w->r.cycles) print_row(t, w);
    else printf("  %-9s %-44s %6s%6" PRIu64 "   no cycle model\n", w->job.unit, w->job.shape, "", w->jobs);
    cycles += w->jobs * w->r.cycles;
    bytes += w->jobs * (w->r.bytes_read + w->r.bytes_written);
  }
  double s = seconds(t, cycles), peak = peak_bandwidth(t->env.part);
  printf("\n%" PRIu64 " cycles, %.3f ms one after another, %" PRIu64 " bytes moved", cycles, 1e3 * s, bytes);
  if (peak > 0 && s > 0)
    printf(" (%.1f %% of the %.1f GB/s of the memory)", 100 * (double)bytes / s / peak, peak * 1e-9);
  printf(
      "\nclasses and array in percent of the job's cycles; array: useful multiplications of all that were possible\n");
}

static json_t *row_json(const struct table *t, const struct row *w) {
  const struct vb_cycle_result *r = &w->r;
  json_t *classes = json_object(), *args = json_object(), *o;
  for (int k = 0; k < VB_HW_NAMED_CLASSES; k++)
    json_object_set_new(classes, class_names[k], json_integer((json_int_t)r->classes[k]));
  for (uint32_t i = 0; vb_job_arg_name(w->job.unit, i); i++) {
    const char *name = vb_job_arg_name(w->job.unit, i);
    json_object_set_new(args, name, json_integer((json_int_t)w->job.args[vb_job_slot(w->job.unit, name)]));
  }
  o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:f, s:o}", "unit", w->job.unit, "job",
                w->job.shape, "first_layer", (json_int_t)w->layer, "layers", (json_int_t)w->layers, "jobs",
                (json_int_t)w->jobs, "cycles", (json_int_t)r->cycles, "classes", classes, "bytes_read",
                (json_int_t)r->bytes_read, "bytes_written", (json_int_t)r->bytes_written, "multiplications",
                (json_int_t)w->job.macs, "seconds", seconds(t, r->cycles), "arguments", args);
  if (o && array_use(t, w) >= 0) json_object_set_new(o, "array_percent", json_real(array_use(t, w)));
  const struct vb_dram_stats *d = &r->dram;
  if (o)
    json_object_set_new(o, "dram",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "hits", (json_int_t)d->hits, "misses",
                                  (json_int_t)d->misses, "conflicts", (json_int_t)d->conflicts, "refreshes",
                                  (json_int_t)d->refreshes, "turnarounds", (json_int_t)d->turnarounds));
  return o;
}

static vb_result write_json(const struct table *t) {
  json_t *jobs = json_array();
  uint64_t cycles = 0;
  for (uint32_t i = 0; i < t->rows; i++) {
    cycles += t->row[i].jobs * t->row[i].r.cycles;
    if (t->row[i].r.cycles) json_array_append_new(jobs, row_json(t, &t->row[i]));
  }
  json_t *root =
      json_pack("{s:s, s:s, s:s, s:b, s:I, s:i, s:I, s:I, s:f, s:o}", "what", t->c->model, "configuration",
                t->env.hw->name, "dram", t->env.part->name, "noise", t->env.noise, "seed", (json_int_t)t->env.seed,
                "clock_period_ps", (int)t->env.hw->clock_period_ps, "cycles", (json_int_t)cycles, "jobs_without_model",
                (json_int_t)t->missing, "seconds", seconds(t, cycles), "jobs", jobs);
  vb_result r = root ? vb_write_json((const struct json_t *)root, t->c->json) : vb_fail(VB_DEVICE, "out of memory");
  json_decref(root);
  return r;
}

// ---- the command

static vb_result choose(struct table *t) {
  const struct vb_cli *c = t->c;
  const char *config = c->config ? c->config : "base";
  char known[256] = "";
  for (uint32_t i = 0; i < CONFIGS; i++) {
    if (!strcmp(configs[i].name, config)) t->env.hw = &configs[i];
    snprintf(known + strlen(known), sizeof known - strlen(known), " %s", configs[i].name);
  }
  if (!t->env.hw) return vb_fail(VB_BAD_INPUT, "no configuration \"%s\"; known:%s", config, known);
  const char *part = c->dram ? c->dram : t->env.hw->dram;
  known[0] = 0;
  for (uint32_t i = 0; vb_dram_at(i); i++)
    snprintf(known + strlen(known), sizeof known - strlen(known), " %s", vb_dram_at(i)->name);
  if (!(t->env.part = vb_dram_find(part))) return vb_fail(VB_BAD_INPUT, "no DRAM part \"%s\"; known:%s", part, known);
  t->env.noise = c->noise;
  t->env.seed = c->seed;
  void *map =
      mmap(NULL, t->env.hw->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return vb_fail(VB_DEVICE, "no address space for the device's memory");
  t->mem = (struct vb_golden_memory){.bytes = map, .base = BASE, .size = t->env.hw->memory_bytes};
  return VB_OK;
}

vb_result vb_cmd_cycles(const struct vb_cli *c) {
  struct table t = {.c = c};
  size_t n = strlen(c->model);
  bool unit = vb_job_arg_name(c->model, 0), file = n > 3 && !strcmp(c->model + n - 3, ".h5");
  if (!unit && c->rests) return vb_fail(VB_BAD_INPUT, "\"%s\": only a unit takes NAME=NUMBER", c->rest[0]);
  vb_result r = choose(&t);
  if (!r && unit) r = one_job(&t);
  else if (!r) r = file && vb_h5_has_seal(c->model) ? case_jobs(&t) : model_jobs(&t);
  bool any = false;
  for (uint32_t i = 0; i < t.rows; i++) any = any || t.row[i].r.cycles;
  if (!r && !any) r = vb_fail(VB_BAD_INPUT, "the unit %s has no cycle model in this build", t.without);
  if (!r) print_text(&t);
  if (!r && c->json) r = write_json(&t);
  free(t.row);
  if (t.mem.bytes) munmap(t.mem.bytes, t.mem.size);
  return r;
}
