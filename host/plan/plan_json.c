// SPDX-License-Identifier: Apache-2.0
/// Plans as JSON:
///
///     {"version": 1, "operators": {"layer.0.q_proj": {"axis": "rows", "parts": [
///         {"device": "cpu", "begin": 0, "end": 64}, {"device": "pocl", "begin": 64}]}, ...}}
///
/// A part without "end" runs to the end of its axis. Every operator of the model must be there: a forgotten one is an error.
#include "base/file.h"
#include "plan/plan.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static vb_result only_keys(json_t *object, const char *const *known, const char *where) {
  const char *key;
  json_t *value;
  if (!json_is_object(object)) return vb_fail(VB_BAD_INPUT, "%s: expected an object", where);
  json_object_foreach(object, key, value) {
    bool ok = false;
    for (uint32_t i = 0; known[i]; i++) ok |= !strcmp(key, known[i]);
    if (!ok) return vb_fail(VB_BAD_INPUT, "%s: unknown key \"%s\"", where, key);
  }
  return VB_OK;
}

static vb_result read_bound(json_t *part, const char *key, bool needed, uint32_t *out, const char *where) {
  json_t *v = json_object_get(part, key);
  if (!v && !needed) return VB_OK;
  if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= VB_OPEN)
    return vb_fail(VB_BAD_INPUT, "%s: \"%s\" must be an integer from 0 to %u", where, key, VB_OPEN - 1);
  *out = (uint32_t)json_integer_value(v);
  return VB_OK;
}

static vb_result read_part(const struct vb_target *t, json_t *json, struct vb_part *part, const char *where) {
  static const char *const known[] = {"device", "begin", "end", NULL};
  vb_result r = only_keys(json, known, where);
  if (r) return r;
  const char *device = json_string_value(json_object_get(json, "device"));
  if (!device) return vb_fail(VB_BAD_INPUT, "%s: \"device\" must be a string", where);
  for (part->device = 0; part->device < t->devices && strcmp(device, t->id[part->device]);) part->device++;
  if (part->device == t->devices)
    return vb_fail(VB_BAD_INPUT, "%s: no device \"%s\" here (`verbatim devices` lists them)", where, device);
  part->end = VB_OPEN;
  if ((r = read_bound(json, "begin", true, &part->begin, where))) return r;
  return read_bound(json, "end", false, &part->end, where);
}

static vb_result read_split(const struct vb_target *t, json_t *json, struct vb_split *s, const char *where) {
  static const char *const known[] = {"axis", "parts", NULL};
  vb_result r = only_keys(json, known, where);
  if (r) return r;
  const char *axis = json_string_value(json_object_get(json, "axis"));
  json_t *parts = json_object_get(json, "parts");
  if (!axis) return vb_fail(VB_BAD_INPUT, "%s: \"axis\" must be a string", where);
  for (s->axis = 0; s->axis < VB_AXES && strcmp(axis, vb_axis_name(s->axis));) s->axis++;
  if (s->axis == VB_AXES) return vb_fail(VB_BAD_INPUT, "%s: unknown axis \"%s\"", where, axis);
  size_t n = json_array_size(parts);
  if (!json_is_array(parts) || !n || n > VB_MAX_PARTS)
    return vb_fail(VB_BAD_INPUT, "%s: \"parts\" must be a list of 1 to %d parts", where, VB_MAX_PARTS);
  s->parts = (uint32_t)n;
  for (uint32_t i = 0; i < s->parts; i++)
    if ((r = read_part(t, json_array_get(parts, i), &s->part[i], where))) return r;
  return VB_OK;
}

static vb_result read_plan(const struct vb_graph *g, const struct vb_target *t, const char *path, json_t *root,
                           struct vb_plan *p) {
  static const char *const known[] = {"version", "operators", NULL};
  char where[512];
  vb_result r = only_keys(root, known, path);
  if (r) return r;
  if (json_integer_value(json_object_get(root, "version")) != 1)
    return vb_fail(VB_BAD_INPUT, "%s: \"version\" must be 1", path);
  json_t *ops = json_object_get(root, "operators"), *value;
  const char *key;
  if (!json_is_object(ops)) return vb_fail(VB_BAD_INPUT, "%s: \"operators\" must be an object", path);
  json_object_foreach(ops, key, value) {
    int node = vb_graph_find(g, key);
    if (node < 0) return vb_fail(VB_BAD_INPUT, "%s: the model has no operator \"%s\"", path, key);
    snprintf(where, sizeof where, "%s: %s", path, key);
    if ((r = read_split(t, value, &p->split[node], where))) return r;
  }
  for (uint32_t i = 0; i < g->nodes; i++)
    if (!p->split[i].parts) return vb_fail(VB_BAD_INPUT, "%s: operator %s is missing", path, g->node[i].path);
  return vb_plan_check(g, t, p, path);
}

vb_result vb_plan_load(const struct vb_graph *g, const struct vb_target *t, const char *path, struct vb_plan *p) {
  json_error_t e;
  json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
  if (!root && e.line < 1) return vb_fail(VB_BAD_INPUT, "%s", e.text); // no file: the text names it
  if (!root) return vb_fail(VB_BAD_INPUT, "%s: line %d: %s", path, e.line, e.text);
  *p = (struct vb_plan){.nodes = g->nodes, .split = calloc(g->nodes, sizeof *p->split)};
  vb_result r = p->split ? read_plan(g, t, path, root, p) : vb_fail(VB_DEVICE, "out of memory for a plan");
  json_decref(root);
  if (r) vb_plan_free(p);
  return r;
}

vb_result vb_plan_save(const struct vb_graph *g, const struct vb_target *t, const struct vb_plan *p, const char *path) {
  json_t *ops = json_object();
  for (uint32_t i = 0; i < g->nodes; i++) {
    const struct vb_split *s = &p->split[i];
    json_t *parts = json_array();
    for (uint32_t k = 0; k < s->parts; k++) {
      json_t *part = json_pack("{s:s, s:I}", "device", t->id[s->part[k].device], "begin", (json_int_t)s->part[k].begin);
      if (s->part[k].end != VB_OPEN) json_object_set_new(part, "end", json_integer(s->part[k].end));
      json_array_append_new(parts, part);
    }
    json_object_set_new(ops, g->node[i].path, json_pack("{s:s, s:o}", "axis", vb_axis_name(s->axis), "parts", parts));
  }
  json_t *root = json_pack("{s:i, s:o}", "version", 1, "operators", ops);
  vb_result r = vb_write_json(root, path);
  json_decref(root);
  return r;
}
