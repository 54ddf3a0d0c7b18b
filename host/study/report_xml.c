// SPDX-License-Identifier: Apache-2.0
/// JUnit XML and the trace-event timeline.
#include "base/file.h"
#include "study/report.h"
#include <inttypes.h>
#include <limits.h>

static void put_escaped(FILE *f, const char *s) {
  for (; *s; s++) {
    switch (*s) {
    case '&': fputs("&amp;", f); break;
    case '<': fputs("&lt;", f); break;
    case '>': fputs("&gt;", f); break;
    case '"': fputs("&quot;", f); break;
    default: fputc((unsigned char)*s < 32 ? ' ' : *s, f);
    }
  }
}

static const struct vb_failure *failure_of(const struct vb_report *r, const char *path) {
  for (uint32_t i = 0; i < r->failures; i++)
    if (!__builtin_strcmp(r->failure[i].path, path)) return &r->failure[i];
  return NULL;
}

vb_result vb_report_junit(const struct vb_report_view *v, const char *path) {
  const struct vb_report *r = v->report;
  const struct vb_graph *g = v->config->graph;
  char tmp[PATH_MAX];
  uint32_t failures = 0, skipped = 0;
  for (uint32_t n = 0; n < g->nodes; n++) {
    bool bad = failure_of(r, g->node[n].path) != NULL;
    failures += bad;
    skipped += !bad && !r->node[n].comparisons;
  }
  FILE *f = vb_file_begin(path, tmp, sizeof tmp);
  if (!f) return VB_BAD_INPUT;
  fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"verbatim verify ");
  put_escaped(f, v->model_path);
  fprintf(f, "\" tests=\"%u\" failures=\"%u\" skipped=\"%u\" time=\"%.3f\">\n", g->nodes, failures, skipped,
          (double)r->run_ns / 1e9);
  for (uint32_t n = 0; n < g->nodes; n++) {
    const struct vb_failure *bad = failure_of(r, g->node[n].path);
    uint64_t wall = 0;
    for (uint32_t d = 0; d < v->config->devices->count; d++) wall += r->node[n].device[d].wall_ns;
    fprintf(f, " <testcase classname=\"%s%d\" name=\"%s\" time=\"%.6f\"", g->node[n].layer < 0 ? "model" : "layer.",
            g->node[n].layer < 0 ? 0 : g->node[n].layer, g->node[n].name, (double)wall / 1e9);
    if (bad) {
      fprintf(f, "><failure message=\"%s[%" PRIu64 "] on ", bad->array, bad->index);
      put_escaped(f, bad->device);
      fprintf(f, ": expected 0x%" PRIx64 ", actual 0x%" PRIx64 "\">", bad->expected, bad->actual);
      put_escaped(f, bad->note);
      fputs(" replay: ", f);
      put_escaped(f, bad->replay);
      fputs("</failure></testcase>\n", f);
    } else if (!r->node[n].comparisons) {
      fputs("><skipped message=\"", f);
      put_escaped(f, r->skip_reason);
      fputs("\"/></testcase>\n", f);
    } else {
      fputs("/>\n", f);
    }
  }
  fputs("</testsuite>\n", f);
  return vb_file_commit(f, tmp, path);
}

vb_result vb_report_timeline(const struct vb_report_view *v, const char *path) {
  const struct vb_report *r = v->report;
  char tmp[PATH_MAX];
  FILE *f = vb_file_begin(path, tmp, sizeof tmp);
  if (!f) return VB_BAD_INPUT;
  fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", f);
  for (uint32_t d = 0; d < v->config->devices->count; d++)
    fprintf(f, "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"%s\"}}%s\n", d,
            v->config->devices->device[d]->id, d + 1 < v->config->devices->count || r->events ? "," : "");
  uint64_t start = r->events ? r->event[0].start_ns : 0;
  for (uint64_t i = 0; i < r->events; i++) {
    const struct vb_event *e = &r->event[i];
    const struct vb_node *n = &v->config->graph->node[e->node];
    fprintf(f,
            "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"name\":\"%s\",\"cat\":\"%s\",\"ts\":%.3f,\"dur\":%.3f,\"args\":{"
            "\"call\":%" PRIu64 ",\"cycles\":%" PRIu64 "}}%s\n",
            e->device, n->path, vb_op_name(n->kind), (double)(int64_t)(e->start_ns - start) / 1e3,
            (double)(e->end_ns - e->start_ns) / 1e3, i, e->cycles, i + 1 < r->events ? "," : "");
  }
  fputs("]}\n", f);
  return vb_file_commit(f, tmp, path);
}
