// SPDX-License-Identifier: Apache-2.0
#include "verify/check.h"
#include "verify/casefile.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void account(struct vb_check *k, const struct vb_step *s) {
  struct vb_report *r = k->report;
  for (uint32_t i = 0; i < s->tasks; i++) {
    const struct vb_task *t = &s->task[i];
    struct vb_node_stats *n = &r->node[s->node_index];
    n->device[t->device].calls++;
    n->device[t->device].wall_ns += t->end_ns - t->start_ns;
    n->device[t->device].device_ns += t->stats.device_ns;
    n->device[t->device].cycles += t->stats.cycles;
    n->device[t->device].busy += t->stats.busy;
    r->calls++;
    if (!k->config->timeline) continue;
    if (r->events == r->event_room) {
      uint64_t room = r->event_room ? 2 * r->event_room : 1024;
      struct vb_event *bigger = realloc(r->event, room * sizeof *bigger);
      if (!bigger) continue; // a timeline with a gap is better than no verdict
      r->event = bigger;
      r->event_room = room;
    }
    r->event[r->events++] = (struct vb_event){s->node_index, t->device, t->start_ns, t->end_ns, t->stats.cycles};
  }
}

/// Append `text` for a POSIX shell: as it is, or quoted.
static void put_word(char *to, size_t size, const char *text) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./-_";
  size_t at = strlen(to);
  bool quote = !text[0] || text[strspn(text, plain)];
  if (quote && at + 1 < size) to[at++] = '\'';
  for (; *text && at + 5 < size; text++) {
    if (*text == '\'') memcpy(to + at, "'\\''", 4), at += 4;
    else to[at++] = *text;
  }
  if (quote && at + 1 < size) to[at++] = '\'';
  to[at] = 0;
}

/// Name the replay command: the same device, instruction set and planted faults.
static void describe_replay(const struct vb_check *k, struct vb_failure *f) {
  static const char *const variable[] = {"VERBATIM_SIM_FAULT", "VERBATIM_KERNELS", "VERBATIM_ISA"};
  const struct vb_inject *i = k->config->inject;
  size_t size = sizeof f->replay;
  f->replay[0] = 0;
  for (uint32_t v = 0; v < sizeof variable / sizeof *variable; v++) {
    const char *value = getenv(variable[v]);
    if (!value || !value[0]) continue;
    snprintf(f->replay + strlen(f->replay), size - strlen(f->replay), "%s=", variable[v]);
    put_word(f->replay, size, value);
    strncat(f->replay, " ", size - strlen(f->replay) - 1);
  }
  put_word(f->replay, size, k->config->replay_prefix);
  strncat(f->replay, " replay ", size - strlen(f->replay) - 1);
  put_word(f->replay, size, f->case_file);
  strncat(f->replay, " --devices ", size - strlen(f->replay) - 1);
  put_word(f->replay, size, f->device);
  if (!i || i->kind != VB_INJECT_OUTPUT) return;
  strncat(f->replay, " --inject ", size - strlen(f->replay) - 1);
  put_word(f->replay, size, i->text);
}

static void file_case(struct vb_check *k, struct vb_failure *f, enum vb_op_kind kind, const union vb_any_op *op,
                      void *const *golden) {
  const struct vb_verify_config *c = k->config;
  if (k->report->failed > VB_MAX_FAILURES) return; // beyond the described ones a broken device would fill the disk
  struct vb_case_origin origin = {f->path, f->device, c->inject ? c->inject->text : NULL, c->seed, f->call};
  if (mkdir(c->case_dir, 0777)) {
  } // exists already, or the save below says why not
  snprintf(f->case_file, sizeof f->case_file, "%s/%s.%s.%llu.h5", c->case_dir, f->path, f->device,
           (unsigned long long)f->call);
  if (vb_case_save(f->case_file, kind, op, golden, &origin)) {
    snprintf(f->note + strlen(f->note), sizeof f->note - strlen(f->note), " (case not saved: %s)", vb_last_error());
    f->case_file[0] = 0;
    return;
  }
  describe_replay(k, f);
}

static struct vb_failure *new_failure(struct vb_check *k, const struct vb_node *n) {
  static struct vb_failure overflow; // beyond the described ones only the count matters
  struct vb_failure *f = k->report->failures < VB_MAX_FAILURES ? &k->report->failure[k->report->failures++] : NULL;
  if (!f) f = &overflow;
  *f = (struct vb_failure){.layer = n->layer, .op = vb_op_name(n->kind), .plan = k->plan_index};
  snprintf(f->path, sizeof f->path, "%s", n->path);
  return f;
}

/// Find the device call whose result differs from the reference on the call's own inputs.
static bool blame_task(struct vb_check *k, const struct vb_step *s, struct vb_failure *f) {
  for (uint32_t i = 0; i < s->tasks; i++) {
    const struct vb_task *t = &s->task[i];
    bool differs = false;
    struct vb_difference d = {0};
    if (vb_case_check(t->kind, &t->op, &differs, &d) || !differs) continue;
    snprintf(f->device, sizeof f->device, "%s", k->config->devices->device[t->device]->id);
    snprintf(f->array, sizeof f->array, "%s", d.array);
    f->index = d.index, f->differing = d.differing, f->expected = d.expected, f->actual = d.actual,
    f->elem_bytes = d.elem_bytes;
    f->cycle = t->stats.cycles;
    f->call = k->task_serial + i;
    file_case(k, f, t->kind, &t->op, NULL);
    return true;
  }
  return false;
}

/// No call differs from the reference as it is now: weights or merged state changed since the golden run.
static void blame_inputs(struct vb_check *k, const struct vb_step *s, uint32_t array, struct vb_failure *f) {
  const struct vb_golden *g = k->item_golden[0];
  const uint64_t hash = g->weights_hash[s->node_index];
  bool weights = hash && hash != vb_node_weights_hash(s->node);
  snprintf(f->note, sizeof f->note,
           weights ? "the weights of %s changed after the golden run"
                   : "inputs or merging of %s differ from the golden run",
           s->node->path);
  snprintf(f->device, sizeof f->device, "%s", s->tasks ? k->config->devices->device[s->task[0].device]->id : "");
  snprintf(f->array, sizeof f->array, "out%u", array);
  f->call = k->task_serial;
  if (s->ops != 1 || s->node->outputs != 1) return;
  // The whole operator with the golden output: its replay fails in the same way on any device.
  struct vb_case_op c;
  struct vb_field fields[VB_MAX_FIELDS];
  void *golden[VB_MAX_FIELDS] = {0};
  uint8_t *rows = malloc((size_t)s->tokens * s->node->row_bytes[0]);
  if (!rows) return;
  for (uint32_t t = 0; t < s->tokens; t++)
    memcpy(rows + (size_t)t * s->node->row_bytes[0],
           vb_golden_row(k->item_golden[s->item_of[t]], s->node_index, 0, s->pos[t]), s->node->row_bytes[0]);
  vb_case_from_op(s->node->kind, s->op, &c);
  for (uint32_t i = 0, n = vb_case_fields(&c, fields); i < n; i++)
    if (fields[i].role == VB_FIELD_OUT) golden[i] = rows;
  file_case(k, f, s->node->kind, s->op, golden);
  free(rows);
}

static uint64_t bits_at(const uint8_t *row, uint64_t element, uint32_t bytes) {
  uint64_t v = 0;
  memcpy(&v, row + element * bytes, bytes);
  return v;
}

/// Count one more comparison; false: it failed.
static bool count_comparison(struct vb_check *k, const struct vb_step *s, uint64_t values, uint64_t bytes, bool equal) {
  struct vb_node_stats *n = &k->report->node[s->node_index];
  n->comparisons++;
  n->values += values;
  n->bytes += bytes;
  k->report->values += values;
  k->report->bytes += bytes;
  if (equal) k->report->passed++;
  else k->report->failed++, n->failed++;
  return equal;
}

/// Compare one output array; on a difference report it and restore the golden rows.
static void check_array(struct vb_check *k, struct vb_step *s, uint32_t o) {
  uint32_t bytes = s->node->row_bytes[o], elem = s->node->elem_bytes[o];
  struct vb_failure first = {0};
  bool bad = false;
  for (uint32_t t = 0; t < s->tokens; t++) {
    const uint8_t *want = vb_golden_row(k->item_golden[s->item_of[t]], s->node_index, o, s->pos[t]);
    const uint8_t *got = (const uint8_t *)s->out[o] + (uint64_t)t * bytes;
    if (!memcmp(want, got, bytes)) continue;
    for (uint32_t i = 0; i < bytes / elem; i++) {
      if (bits_at(want, i, elem) == bits_at(got, i, elem)) continue;
      if (!bad)
        first = (struct vb_failure){.position = s->pos[t],
                                    .index = (uint64_t)t * (bytes / elem) + i,
                                    .elem_bytes = elem,
                                    .expected = bits_at(want, i, elem),
                                    .actual = bits_at(got, i, elem)};
      bad = true;
      first.differing++;
    }
  }
  if (count_comparison(k, s, (uint64_t)s->tokens * (bytes / elem), (uint64_t)s->tokens * bytes, !bad)) return;
  struct vb_failure *f = new_failure(k, s->node);
  f->position = first.position;
  if (!blame_task(k, s, f)) {
    f->index = first.index, f->expected = first.expected, f->actual = first.actual, f->elem_bytes = elem,
    f->differing = first.differing;
    blame_inputs(k, s, o, f);
  }
  for (uint32_t t = 0; t < s->tokens; t++)
    memcpy((uint8_t *)s->out[o] + (uint64_t)t * bytes,
           vb_golden_row(k->item_golden[s->item_of[t]], s->node_index, o, s->pos[t]), bytes);
}

/// First difference of n u32 between what should be there and what is.
static bool differs_u32(const char *array, const uint32_t *want, const uint32_t *have, uint64_t n,
                        struct vb_difference *d) {
  uint64_t differing = 0;
  for (uint64_t i = 0; i < n; i++)
    if (want[i] != have[i] && !differing++) *d = (struct vb_difference){array, i, 0, sizeof *want, want[i], have[i]};
  d->differing = differing ? differing : d->differing;
  return differing > 0;
}

/// A pair that threshold or capacity may have dropped: it has no gate and is not listed.
static bool dropped(const struct vb_router_op *op, uint32_t p, uint32_t pairs) {
  if ((!op->threshold && !op->capacity) || op->gates[p]) return false;
  for (uint32_t i = 0; i < pairs; i++)
    if (op->list[i] == p) return false;
  return true;
}

/// Dispatch lists depend on who shares the call, so they have no golden row: they must follow from the expert ids that were
/// selected (which have one).
static vb_result check_dispatch(struct vb_check *k, struct vb_step *s) {
  const struct vb_router_op *op = &s->op->router;
  uint32_t experts = op->experts, pairs = s->tokens * op->k;
  uint32_t *hist = calloc(2ull * experts + 1 + pairs, sizeof *hist);
  if (!hist) return vb_fail(VB_DEVICE, "out of memory for a comparison");
  uint32_t *offsets = hist + experts, *list = offsets + experts + 1;
  bool in_range = true;
  for (uint32_t p = 0; p < pairs; p++) {
    bool stays = !dropped(op, p, pairs);
    in_range &= op->ids[p] < experts;
    if (op->ids[p] < experts && stays) hist[op->ids[p]]++;
    list[p] = UINT32_MAX;
  }
  for (uint32_t e = 0; e < experts; e++) offsets[e + 1] = offsets[e] + hist[e];
  for (uint32_t e = 0, at = 0; e < experts; e++)
    for (uint32_t p = 0; p < pairs; p++)
      if (op->ids[p] == e && !dropped(op, p, pairs)) list[at++] = p;
  struct vb_difference d = {0};
  bool bad = differs_u32("hist", hist, op->hist, experts, &d) ||
             differs_u32("offsets", offsets, op->offsets, experts + 1, &d) ||
             differs_u32("list", list, op->list, pairs, &d);
  uint64_t values = 2ull * experts + 1 + pairs;
  if (!count_comparison(k, s, values, values * sizeof *hist, !bad || !in_range)) { // ids out of range fail as ids
    struct vb_failure *f = new_failure(k, s->node);
    f->position = s->pos[0];
    if (!blame_task(k, s, f)) {
      snprintf(f->array, sizeof f->array, "%s", d.array);
      f->index = d.index, f->differing = d.differing, f->expected = d.expected, f->actual = d.actual;
      f->elem_bytes = d.elem_bytes;
      snprintf(f->note, sizeof f->note, "merged dispatch lists differ");
    }
  }
  free(hist);
  return VB_OK;
}

/// The state that a delta rule leaves, against the reference from the same state before; a wrong one is replaced.
static vb_result check_state(struct vb_check *k, struct vb_step *s, const struct vb_delta_op *op) {
  size_t columns = (size_t)op->heads * op->dv, elements = columns * op->dk;
  union vb_any_op ref = {.delta = *op};
  ref.delta.after = (struct vb_delta_state){calloc(elements, sizeof(int32_t)), calloc(columns, sizeof(int32_t)),
                                            calloc(columns, sizeof(int32_t)), calloc(op->heads, sizeof(uint32_t))};
  ref.delta.y = calloc((size_t)op->tokens * columns, sizeof(vb_z));
  struct vb_delta_state *want = &ref.delta.after;
  bool memory = want->m && want->c && want->len && want->g && ref.delta.y;
  vb_result r = memory ? vb_case_reference(VB_OP_DELTA, &ref) : vb_fail(VB_DEVICE, "out of memory for a comparison");
  struct vb_difference d = {0};
  bool bad =
      !r && (differs_u32("after_m", (const uint32_t *)want->m, (const uint32_t *)op->after.m, elements, &d) ||
             differs_u32("after_c", (const uint32_t *)want->c, (const uint32_t *)op->after.c, columns, &d) ||
             differs_u32("after_len", (const uint32_t *)want->len, (const uint32_t *)op->after.len, columns, &d) ||
             differs_u32("after_g", want->g, op->after.g, op->heads, &d));
  uint64_t values = elements + 2 * columns + op->heads;
  if (!r && !count_comparison(k, s, values, values * sizeof(int32_t), !bad)) {
    struct vb_failure *f = new_failure(k, s->node);
    f->position = s->pos[0];
    if (!blame_task(k, s, f)) {
      snprintf(f->array, sizeof f->array, "%s", d.array);
      f->index = d.index, f->differing = d.differing, f->expected = d.expected, f->actual = d.actual;
      f->elem_bytes = d.elem_bytes;
    }
    memcpy(op->after.m, want->m, elements * sizeof *want->m);
    memcpy(op->after.c, want->c, columns * sizeof *want->c);
    memcpy(op->after.len, want->len, columns * sizeof *want->len);
    memcpy(op->after.g, want->g, op->heads * sizeof *want->g);
  }
  free(want->m), free(want->c), free(want->len), free(want->g), free(ref.delta.y);
  return r;
}

/// One state comparison per sequence of the call.
static vb_result check_states(struct vb_check *k, struct vb_step *s) {
  vb_result r = VB_OK;
  for (uint32_t i = 0; !r && i < s->ops; i++) r = check_state(k, s, &s->op[i].delta);
  return r;
}

static vb_result step(void *context, struct vb_step *s) {
  struct vb_check *k = context;
  account(k, s);
  // Lists are judged with ids as the device made them, and states are blamed on calls, before any repair.
  vb_result r = VB_OK;
  if (s->node->kind == VB_OP_ROUTER) r = check_dispatch(k, s);
  if (s->node->kind == VB_OP_DELTA) r = check_states(k, s);
  for (uint32_t o = 0; !r && o < s->node->outputs; o++) check_array(k, s, o);
  k->task_serial += s->tasks;
  return r;
}

/// The comparisons of this and all later operators are skipped, but the call that killed the device can be replayed.
static void device_failed(void *context, const struct vb_node *node, const struct vb_task *t) {
  struct vb_check *k = context;
  struct vb_failure *f = new_failure(k, node);
  snprintf(f->device, sizeof f->device, "%s", k->config->devices->device[t->device]->id);
  snprintf(f->note, sizeof f->note, "device failed: %.200s", t->error);
  f->cycle = t->stats.cycles;
  f->call = k->task_serial;
  file_case(k, f, t->kind, &t->op, NULL);
  vb_fail(t->result, "device %s: %s", f->device, t->error); // filing may have failed too; this is what the run says
}

void vb_check_init(struct vb_check *k, const struct vb_verify_config *c, struct vb_report *r) {
  *k = (struct vb_check){.config = c, .report = r};
  k->observer = (struct vb_observer){.step = step, .failed = device_failed, .context = k};
}
