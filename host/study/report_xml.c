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
    default:
      fputc((unsigned char)*s < 32 || (unsigned char)*s > 126 ? '?' : *s, f); // paths and messages: ASCII is enough
    }
  }
}

static const struct vb_failure *failure_of(const struct vb_report *r, const char *path) {
  for (uint32_t i = 0; i < r->failures; i++)
    if (!__builtin_strcmp(r->failure[i].path, path)) return &r->failure[i];
  return NULL;
}

static void put_failure(FILE *f, const struct vb_failure *bad) {
  fputs("><failure message=\"", f);
  if (bad->elem_bytes)
    fprintf(f, "%s[%" PRIu64 "]: expected 0x%" PRIx64 ", actual 0x%" PRIx64 ", ", bad->array, bad->index, bad->expected,
            bad->actual);
  fputs("device ", f);
  put_escaped(f, bad->device[0] ? bad->device : "?");
  fputs("\">", f);
  put_escaped(f, bad->note);
  fputs(bad->replay[0] ? " replay: " : "", f);
  put_escaped(f, bad->replay);
  fputs("</failure></testcase>\n", f);
}

static void put_node(FILE *f, const struct vb_report_view *v, uint32_t n) {
  static const struct vb_failure counted = {.note = "failed, but too many failures to describe all"};
  const struct vb_report *r = v->report;
  const struct vb_node *node = &v->config->graph->node[n];
  const struct vb_failure *bad = failure_of(r, node->path);
  uint64_t wall = 0;
  if (!bad && r->node[n].failed) bad = &counted;
  for (uint32_t d = 0; d < v->config->devices->count; d++) wall += r->node[n].device[d].wall_ns;
  if (node->layer < 0) fputs(" <testcase classname=\"model\"", f);
  else fprintf(f, " <testcase classname=\"layer.%d\"", node->layer);
  fprintf(f, " name=\"%s\" time=\"%.6f\"", node->name, (double)wall / 1e9);
  if (bad) {
    put_failure(f, bad);
  } else if (!r->node[n].comparisons) {
    fputs("><skipped message=\"", f);
    put_escaped(f, r->skip_reason);
    fputs("\"/></testcase>\n", f);
  } else {
    fputs("/>\n", f);
  }
}

/// One case per operator, and one for the run as a whole: whatever stops it, something is red.
vb_result vb_report_junit(const struct vb_report_view *v, const char *path) {
  const struct vb_report *r = v->report;
  const struct vb_graph *g = v->config->graph;
  char tmp[PATH_MAX];
  uint32_t failures = v->result != VB_OK, skipped = 0;
  for (uint32_t n = 0; n < g->nodes; n++) {
    bool bad = r->node[n].failed || failure_of(r, g->node[n].path);
    failures += bad;
    skipped += !bad && !r->node[n].comparisons;
  }
  FILE *f = vb_file_begin(path, tmp, sizeof tmp);
  if (!f) return VB_BAD_INPUT;
  fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"verbatim verify ", f);
  put_escaped(f, v->model_path);
  fprintf(f, "\" tests=\"%u\" failures=\"%u\" skipped=\"%u\" time=\"%.3f\">\n", g->nodes + 1, failures, skipped,
          (double)r->run_ns / 1e9);
  for (uint32_t n = 0; n < g->nodes; n++) put_node(f, v, n);
  fprintf(f, " <testcase classname=\"verdict\" name=\"%s\"", vb_result_string(v->result));
  if (v->result == VB_OK) {
    fputs("/>\n", f);
  } else {
    fprintf(f,
            "><failure message=\"planned %" PRIu64 ", passed %" PRIu64 ", failed %" PRIu64 ", skipped %" PRIu64 "\">",
            r->planned, r->passed, r->failed, r->skipped);
    put_escaped(f, r->skip_reason);
    fputs("</failure></testcase>\n", f);
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
