// SPDX-License-Identifier: Apache-2.0
#include "verify/verify.h"
#include "base/file.h"
#include "num/rng.h"
#include "verify/check.h"
#include "verify/schedule.h"
#include <stdlib.h>
#include <string.h>

/// One plan over one schedule of calls.
static vb_result run_schedule(struct vb_check *k, struct vb_exec *e, const struct vb_schedule *s,
                              const struct vb_plan *plan) {
  struct vb_seq seq[VB_MAX_SEQUENCES] = {0};
  vb_result r = VB_OK;
  for (uint32_t i = 0; !r && i < k->goldens; i++) r = vb_seq_create(k->config->graph, k->golden[i]->length, &seq[i]);
  for (uint32_t c = 0; !r && c < s->calls; c++) {
    struct vb_batch_item item[VB_MAX_SEQUENCES];
    uint32_t items = 0;
    for (uint32_t i = 0; i < k->goldens; i++) {
      if (!s->call[c].count[i]) continue;
      k->item_golden[items] = k->golden[i];
      item[items++] = (struct vb_batch_item){&seq[i], k->golden[i]->token + seq[i].length, s->call[c].count[i]};
      k->report->tokens += s->call[c].count[i];
    }
    r = vb_exec_forward(e, plan, item, items, &k->observer, NULL);
    if (k->config->progress)
      k->config->progress(k->config->context, "checked", k->report->passed + k->report->failed, k->report->planned);
  }
  for (uint32_t i = 0; i < k->goldens; i++) vb_seq_free(&seq[i]);
  return r;
}

static vb_result make_plan(const struct vb_verify_config *c, const struct vb_target *t, uint32_t index,
                           struct vb_plan *p) {
  if (c->plan_file) return vb_plan_load(c->graph, t, c->plan_file, p);
  if (c->random_plans) return vb_plan_random(c->graph, t, c->seed + index, p);
  return c->first_device ? vb_plan_first(c->graph, t, p) : vb_plan_default(c->graph, t, p);
}

static vb_result make_schedule(const struct vb_check *k, uint32_t index, struct vb_schedule *s) {
  const struct vb_verify_config *c = k->config;
  if (!c->random_plans) return vb_schedule_plain(k->golden[0], c->chunk, s);
  return vb_schedule_random(k->golden, k->goldens, vb_mix64(c->seed + index) ^ 0x5c4ed01e, s);
}

/// Comparisons that a schedule makes: one per output array and call, one per router's lists, one per sequence's delta state.
static uint64_t planned_comparisons(const struct vb_graph *g, const struct vb_schedule *s) {
  uint64_t per_call = 0, per_sequence = 0, sequences = 0;
  for (uint32_t i = 0; i < g->nodes; i++) {
    per_call += g->node[i].outputs + (g->node[i].kind == VB_OP_ROUTER);
    per_sequence += g->node[i].kind == VB_OP_DELTA;
  }
  for (uint32_t c = 0; c < s->calls; c++)
    for (uint32_t q = 0; q < VB_MAX_SEQUENCES; q++) sequences += s->call[c].count[q] > 0;
  return s->calls * per_call + sequences * per_sequence;
}

static vb_result run_plans(struct vb_check *k, struct vb_exec *e) {
  const struct vb_verify_config *c = k->config;
  struct vb_report *report = k->report;
  uint32_t plans = c->random_plans ? c->random_plans : 1;
  vb_result r = VB_OK;
  for (uint32_t i = 0; !r && i < plans; i++) {
    struct vb_schedule s;
    if (!(r = make_schedule(k, i, &s))) report->planned += planned_comparisons(c->graph, &s);
    vb_schedule_free(&s);
  }
  for (uint32_t i = 0; !r && i < plans; i++) {
    struct vb_schedule s = {0};
    vb_plan_free(&report->plan);
    k->plan_index = i;
    r = make_plan(c, vb_exec_target(e), i, &report->plan);
    if (!r) r = make_schedule(k, i, &s);
    if (!r) r = run_schedule(k, e, &s, &report->plan);
    vb_schedule_free(&s);
    report->plans += !r;
  }
  report->skipped = report->planned - report->passed - report->failed;
  if (report->skipped) snprintf(report->skip_reason, sizeof report->skip_reason, "%s", vb_last_error());
  return r;
}

/// Random plans also run beginnings and middles of the prompt as sequences of their own, in one batch.
static vb_result make_goldens(const struct vb_verify_config *c, struct vb_check *k, struct vb_golden *extra) {
  uint64_t start = vb_now_ns();
  vb_result r =
      vb_golden_make(c->graph, c->prompt, c->prompt_len, c->steps, c->progress, c->context, &k->report->golden);
  k->golden[0] = &k->report->golden;
  k->goldens = 1;
  uint32_t half = (c->prompt_len + 1) / 2, third = c->prompt_len / 3;
  const struct { uint32_t first, count; } part[] = {{0, half}, {third, c->prompt_len - third}};
  for (uint32_t i = 0; !r && c->random_plans && i < 2; i++) {
    r = vb_golden_make(c->graph, c->prompt + part[i].first, part[i].count, c->steps, c->progress, c->context,
                       &extra[i]);
    if (!r) k->golden[k->goldens++] = &extra[i];
  }
  k->report->reference_ns = vb_now_ns() - start;
  return r;
}

static vb_result check_config(const struct vb_verify_config *c) {
  const struct vb_model *m = c->graph->model;
  if (!c->prompt_len) return vb_fail(VB_BAD_INPUT, "the prompt is empty");
  if (c->devices->count > VB_MAX_DEVICES)
    return vb_fail(VB_BAD_INPUT, "%u devices, at most %d are supported: choose some with --devices", c->devices->count,
                   VB_MAX_DEVICES);
  if (m->config.max_positions && (uint64_t)c->prompt_len + c->steps > m->config.max_positions)
    return vb_fail(VB_BAD_INPUT, "%u prompt tokens and %u steps exceed max_position_embeddings = %u", c->prompt_len,
                   c->steps, m->config.max_positions);
  for (uint32_t i = 0; i < c->prompt_len; i++)
    if (c->prompt[i] < 0 || (uint32_t)c->prompt[i] >= m->config.vocab)
      return vb_fail(VB_BAD_INPUT, "prompt token %u is %d: outside the vocabulary 0..%u", i, c->prompt[i],
                     m->config.vocab - 1);
  return VB_OK;
}

vb_result vb_verify(const struct vb_verify_config *c, struct vb_report *report) {
  struct vb_golden extra[2] = {0};
  struct vb_exec *e = NULL;
  struct vb_plan probe = {0};
  *report = (struct vb_report){.node = calloc(c->graph->nodes, sizeof *report->node)};
  struct vb_check *k = calloc(1, sizeof *k);
  if (!report->node || !k) {
    free(k);
    return vb_fail(VB_DEVICE, "out of memory for the report");
  }
  vb_check_init(k, c, report);
  vb_result r = check_config(c);
  if (!r) r = vb_exec_create(c->graph, c->devices, &e);
  if (!r) r = make_plan(c, vb_exec_target(e), 0, &probe); // a bad plan is refused before the reference has run
  vb_plan_free(&probe);
  if (!r) r = make_goldens(c, k, extra);
  if (!r && c->inject) {
    c->inject->graph = c->graph;
    c->inject->devices = c->devices;
    if (c->inject->kind == VB_INJECT_WEIGHT) r = vb_inject_weight(c->inject, c->graph);
    else if (vb_graph_find(c->graph, c->inject->path) < 0)
      r = vb_fail(VB_BAD_INPUT, "--inject: the model has no operator \"%s\"", c->inject->path);
    else if (c->inject->device[0] && vb_devices_find(c->devices, c->inject->device) < 0)
      r = vb_fail(VB_BAD_INPUT, "--inject %s: no device \"%s\" here", c->inject->text, c->inject->device);
    else vb_exec_set_tamper(e, vb_inject_tamper, c->inject);
  }
  if (!r) {
    uint64_t start = vb_now_ns();
    r = run_plans(k, e);
    report->run_ns = vb_now_ns() - start;
    if (!r && c->inject) r = vb_inject_planted(c->inject);
    if (!r && report->failed)
      r = vb_fail(VB_MISMATCH, "%llu of %llu comparisons differ", (unsigned long long)report->failed,
                  (unsigned long long)report->planned);
  }
  vb_exec_destroy(e);
  for (uint32_t i = 0; i < 2; i++) vb_golden_free(&extra[i]);
  free(k);
  return r;
}

void vb_report_free(struct vb_report *r) {
  vb_golden_free(&r->golden);
  vb_plan_free(&r->plan);
  free(r->node);
  free(r->event);
  *r = (struct vb_report){0};
}
