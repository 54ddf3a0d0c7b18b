// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"
#include "num/tables.h"
#include "study/report.h"
#include "vb_version.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *hex(uint64_t v, uint32_t bytes) {
  char text[24];
  snprintf(text, sizeof text, "0x%0*" PRIx64, (int)(2 * bytes), v);
  return json_string(text);
}

/// Text may end inside a UTF-8 character (a token need not hold a whole one): then bytes above ASCII become '?'.
static json_t *text_or_null(const char *s) {
  if (!s || !s[0]) return json_null();
  json_t *j = json_string(s);
  if (j) return j;
  char *ascii = strdup(s);
  for (char *c = ascii; c && *c; c++)
    if ((unsigned char)*c > 126) *c = '?';
  j = ascii ? json_string(ascii) : NULL;
  free(ascii);
  return j ? j : json_null();
}

static json_t *failure_json(const struct vb_failure *f) {
  json_t *j = json_object();
  json_object_set_new(j, "operator", json_string(f->path));
  json_object_set_new(j, "kind", json_string(f->op));
  json_object_set_new(j, "layer", f->layer < 0 ? json_null() : json_integer(f->layer));
  json_object_set_new(j, "device", text_or_null(f->device));
  json_object_set_new(j, "plan", json_integer(f->plan));
  json_object_set_new(j, "position", json_integer(f->position));
  json_object_set_new(j, "array", text_or_null(f->array));
  json_object_set_new(j, "index", f->elem_bytes ? json_integer((json_int_t)f->index) : json_null());
  json_object_set_new(j, "expected", f->elem_bytes ? hex(f->expected, f->elem_bytes) : json_null());
  json_object_set_new(j, "actual", f->elem_bytes ? hex(f->actual, f->elem_bytes) : json_null());
  json_object_set_new(j, "differing", json_integer((json_int_t)f->differing));
  json_object_set_new(j, "descriptor", json_integer((json_int_t)f->call));
  json_object_set_new(j, "cycle", f->cycle ? json_integer((json_int_t)f->cycle) : json_null());
  json_object_set_new(j, "note", text_or_null(f->note));
  json_object_set_new(j, "case_file", text_or_null(f->case_file));
  json_object_set_new(j, "replay", text_or_null(f->replay));
  return j;
}

static json_t *operators_json(const struct vb_report_view *v) {
  json_t *list = json_array();
  for (uint32_t n = 0; n < v->config->graph->nodes; n++) {
    const struct vb_node_stats *s = &v->report->node[n];
    json_t *on = json_object();
    for (uint32_t d = 0; d < v->config->devices->count; d++)
      if (s->device[d].calls)
        json_object_set_new(on, v->config->devices->device[d]->id,
                            json_pack("{s:I,s:I,s:I,s:I,s:I}", "calls", (json_int_t)s->device[d].calls, "wall_ns",
                                      (json_int_t)s->device[d].wall_ns, "device_ns", (json_int_t)s->device[d].device_ns,
                                      "cycles", (json_int_t)s->device[d].cycles, "busy",
                                      (json_int_t)s->device[d].busy));
    json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:o}", "path", v->config->graph->node[n].path, "kind",
                                          vb_op_name(v->config->graph->node[n].kind), "comparisons",
                                          (json_int_t)s->comparisons, "values", (json_int_t)s->values, "bytes",
                                          (json_int_t)s->bytes, "devices", on));
  }
  return list;
}

vb_result vb_report_json(const struct vb_report_view *v, const char *path) {
  const struct vb_report *r = v->report;
  json_t *root = json_object(), *devices = json_array(), *failures = json_array(), *tokens = json_array();
  for (uint32_t d = 0; d < v->config->devices->count; d++)
    json_array_append_new(devices, json_pack("{s:s,s:s,s:b}", "id", v->config->devices->device[d]->id, "description",
                                             v->config->devices->device[d]->description, "simulated",
                                             v->config->devices->device[d]->simulated));
  for (uint32_t i = 0; i < r->failures; i++) json_array_append_new(failures, failure_json(&r->failure[i]));
  for (uint32_t i = 0; i < r->golden.length; i++) json_array_append_new(tokens, json_integer(r->golden.token[i]));
  json_t *refused = json_array();
  for (uint32_t i = 0; i < v->config->devices->refusals; i++)
    json_array_append_new(refused, text_or_null(v->config->devices->refusal[i]));
  uint64_t cycles, wall;
  vb_report_simulated(v, &cycles, &wall);
  json_object_set_new(root, "version", json_string(VB_VERSION));
  json_object_set_new(root, "commit", json_string(VB_COMMIT));
  json_object_set_new(root, "dirty", json_boolean(VB_DIRTY));
  json_object_set_new(root, "tables_sha256", json_string(vb_tables_sha256));
  json_object_set_new(root, "model", json_string(v->model_path));
  json_object_set_new(root, "verdict", json_string(vb_result_string(v->result)));
  json_object_set_new(root, "planned", json_integer((json_int_t)r->planned));
  json_object_set_new(root, "passed", json_integer((json_int_t)r->passed));
  json_object_set_new(root, "failed", json_integer((json_int_t)r->failed));
  json_object_set_new(root, "skipped", json_integer((json_int_t)r->skipped));
  json_object_set_new(root, "skip_reason", text_or_null(r->skip_reason));
  json_object_set_new(root, "values_compared", json_integer((json_int_t)r->values));
  json_object_set_new(root, "bits_compared", json_integer((json_int_t)(8 * r->bytes)));
  json_object_set_new(root, "seed", json_integer((json_int_t)v->config->seed));
  json_object_set_new(root, "plans", json_integer((json_int_t)r->plans));
  json_object_set_new(root, "prompt_tokens", json_integer(r->golden.prompt));
  json_object_set_new(root, "tokens", tokens);
  json_object_set_new(root, "text", text_or_null(v->text));
  json_object_set_new(root, "devices", devices);
  json_object_set_new(root, "refused_devices", refused);
  json_object_set_new(root, "device_calls", json_integer((json_int_t)r->calls));
  json_object_set_new(root, "simulated_cycles", json_integer((json_int_t)cycles));
  json_object_set_new(root, "simulation_wall_ns", json_integer((json_int_t)wall));
  json_object_set_new(root, "run_ns", json_integer((json_int_t)r->run_ns));
  json_object_set_new(root, "reference_ns", json_integer((json_int_t)r->reference_ns));
  json_object_set_new(root, "operators", operators_json(v));
  json_object_set_new(root, "failures", failures);
  vb_result result = vb_write_json(root, path);
  json_decref(root);
  return result;
}
