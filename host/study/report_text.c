// SPDX-License-Identifier: Apache-2.0
#include "study/report.h"
#include <inttypes.h>
#include <stdio.h>

void vb_report_simulated(const struct vb_report_view *v, uint64_t *cycles, uint64_t *wall_ns) {
  *cycles = *wall_ns = 0;
  for (uint32_t n = 0; n < v->config->graph->nodes; n++)
    for (uint32_t d = 0; d < v->config->devices->count; d++) {
      if (!v->config->devices->device[d]->simulated) continue;
      *cycles += v->report->node[n].device[d].cycles;
      *wall_ns += v->report->node[n].device[d].wall_ns;
    }
}

/// Where the operator ran: the plan's shares for one plan, the devices that took part for many.
static void describe_where(const struct vb_report_view *v, uint32_t n, char *text, size_t size) {
  const struct vb_device_list *list = v->config->devices;
  const struct vb_node_stats *s = &v->report->node[n];
  const char *id[VB_MAX_DEVICES];
  size_t at = 0;
  text[0] = 0;
  for (uint32_t d = 0; d < list->count; d++) id[d] = list->device[d]->id;
  if (v->report->plan.split && v->config->random_plans == 0) {
    struct vb_target t = {.devices = list->count, .id = id};
    vb_split_describe(&v->config->graph->node[n], &t, &v->report->plan.split[n], text, size);
    return;
  }
  for (uint32_t d = 0; d < list->count && at < size; d++)
    if (s->device[d].calls)
      at += (size_t)snprintf(text + at, size - at, "%s%s x%" PRIu64, at ? " " : "", id[d], s->device[d].calls);
}

static void print_node(const struct vb_report_view *v, uint32_t n, FILE *out) {
  const struct vb_node_stats *s = &v->report->node[n];
  char where[160], cycles[24] = "-";
  uint64_t total_cycles = 0, wall = 0;
  for (uint32_t d = 0; d < v->config->devices->count; d++)
    total_cycles += s->device[d].cycles, wall += s->device[d].wall_ns;
  describe_where(v, n, where, sizeof where);
  if (total_cycles) snprintf(cycles, sizeof cycles, "%" PRIu64, total_cycles);
  fprintf(out, "  %-14s %-46s %11" PRIu64 " %12" PRIu64 " %11s %9.2f\n", v->config->graph->node[n].name, where,
          s->values, 8 * s->bytes, cycles, (double)wall / 1e6);
}

static void print_hex(FILE *out, const char *what, uint64_t v, uint32_t bytes) {
  fprintf(out, "%s 0x%0*" PRIx64, what, (int)(2 * bytes), v);
}

static void print_failure(const struct vb_failure *f, FILE *out) {
  char layer[24] = "model level";
  if (f->layer >= 0) snprintf(layer, sizeof layer, "layer %d", f->layer);
  fprintf(out, "\nFAILED %s on %s: %s, %s, plan %u, position %u, device call %" PRIu64 "\n", f->path,
          f->device[0] ? f->device : "?", f->op, layer, f->plan, f->position, f->call);
  if (f->elem_bytes) {
    fprintf(out, "  first difference: %s[%" PRIu64 "]", f->array, f->index);
    print_hex(out, " expected", f->expected, f->elem_bytes);
    print_hex(out, " actual", f->actual, f->elem_bytes);
    fprintf(out, " (%" PRIu64 " elements differ)\n", f->differing);
  }
  if (f->cycle) fprintf(out, "  simulated cycles of the call: %" PRIu64 "\n", f->cycle);
  if (f->note[0]) fprintf(out, "  note: %s\n", f->note);
  if (f->case_file[0]) fprintf(out, "  case:   %s\n  replay: %s\n", f->case_file, f->replay);
}

void vb_report_print(const struct vb_report_view *v, FILE *out) {
  const struct vb_report *r = v->report;
  const struct vb_graph *g = v->config->graph;
  int layer = -2;
  for (uint32_t n = 0; n < g->nodes; n++) {
    if (g->node[n].layer != layer) {
      layer = g->node[n].layer;
      if (layer < 0) fprintf(out, "\nmodel\n");
      else fprintf(out, "\nlayer %d\n", layer);
      fprintf(out, "  %-14s %-46s %11s %12s %11s %9s\n", "operator", "device and share", "values", "bits", "cycles",
              "time ms");
    }
    print_node(v, n, out);
  }
  for (uint32_t i = 0; i < r->failures; i++) print_failure(&r->failure[i], out);
  if (r->failed > r->failures)
    fprintf(out, "\n(%" PRIu64 " more failed comparisons are counted but not described)\n", r->failed - r->failures);
  if (v->text) fprintf(out, "\ngenerated text: %s\n", v->text);
  uint64_t cycles, wall;
  vb_report_simulated(v, &cycles, &wall);
  fprintf(out,
          "\n%" PRIu64 " plan%s, %" PRIu64 " tokens, %" PRIu64 " device calls, %" PRIu64 " values compared (%" PRIu64
          " bits)\n",
          r->plans, r->plans == 1 ? "" : "s", r->tokens, r->calls, r->values, 8 * r->bytes);
  fprintf(out, "reference %.2f s, devices %.2f s", (double)r->reference_ns / 1e9, (double)r->run_ns / 1e9);
  if (r->run_ns)
    fprintf(out, " (%.1f tokens/s with every output compared)", (double)r->tokens / ((double)r->run_ns / 1e9));
  if (cycles)
    fprintf(out, "\nsimulator: %" PRIu64 " cycles, %.0f kcycle/s", cycles, (double)cycles / ((double)wall / 1e9) / 1e3);
  if (r->skip_reason[0]) fprintf(out, "\nskipped because: %s", r->skip_reason);
  fprintf(out, "\nplanned %" PRIu64 " = passed %" PRIu64 " + failed %" PRIu64 " + skipped %" PRIu64 "\n", r->planned,
          r->passed, r->failed, r->skipped);
  fprintf(out, "verdict: %s\n",
          v->result == VB_OK         ? "EQUAL, every planned comparison was made"
          : v->result == VB_MISMATCH ? "DIFFERENT"
                                     : "INCOMPLETE");
}
