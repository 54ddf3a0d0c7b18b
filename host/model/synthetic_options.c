// SPDX-License-Identifier: Apache-2.0
// synthetic:CONFIG[?key=value&key=value...]; a comma separates as well, because shells love ampersands.
#include "model/synthetic_options.h"
#include "model/synthetic.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char scheme[] = "synthetic:";

bool vb_is_synthetic(const char *path) { return !strncmp(path, scheme, sizeof scheme - 1); }

static vb_result whole(const char *key, const char *text, const char **end, uint64_t limit, uint64_t *out) {
  char *stop;
  errno = 0;
  unsigned long long v = strtoull(text, &stop, 10);
  if (errno || stop == text || *text == '-' || v > limit || (*stop && !end))
    return vb_fail(VB_BAD_INPUT, "%s=%s: expected a number from 0 to %llu", key, text, (unsigned long long)limit);
  *out = v;
  if (end) *end = stop;
  return VB_OK;
}

static vb_result real(const char *key, const char *text, double lo, double hi, double *out) {
  char *stop;
  *out = strtod(text, &stop);
  if (stop == text || *stop || !(*out >= lo && *out <= hi))
    return vb_fail(VB_BAD_INPUT, "%s=%s: expected a number from %g to %g", key, text, lo, hi);
  return VB_OK;
}

// A or A-B
static vb_result layers(const char *text, struct vb_synthetic *o) {
  uint64_t a, b;
  const char *end;
  vb_result r = whole("layers", text, &end, 4096, &a);
  b = a;
  if (r == VB_OK && *end == '-') r = whole("layers", end + 1, &end, 4096, &b);
  if (r != VB_OK) return r;
  if (*end || b < a) return vb_fail(VB_BAD_INPUT, "layers=%s: expected A or A-B with A <= B", text);
  o->first = (uint32_t)a, o->last = (uint32_t)b;
  return VB_OK;
}

// A recorded trace: how often each expert was chosen, as a JSON list.
static vb_result loads(struct vb_arena *a, const char *path, struct vb_synthetic *o) {
  json_error_t e;
  json_t *list = json_load_file(path, 0, &e);
  const size_t n = json_array_size(list);
  double *load = n ? vb_arena_alloc(a, n, sizeof *load) : NULL;
  vb_result r = VB_OK;
  if (!list) r = vb_fail(VB_BAD_INPUT, "skew=@%s: line %d: %s", path, e.line, e.text);
  else if (!n) r = vb_fail(VB_BAD_INPUT, "skew=@%s: expected a list of one load for each expert", path);
  else if (!load) r = vb_no_memory("loads");
  for (size_t i = 0; r == VB_OK && i < n; i++) {
    load[i] = json_number_value(json_array_get(list, i));
    if (!(load[i] > 0 && load[i] < 0x1p60))
      r = vb_fail(VB_BAD_INPUT, "skew=@%s: load %zu must be a positive number (give unused experts a small one)", path,
                  i);
  }
  o->load = load;
  o->loads = (uint32_t)n;
  json_decref(list);
  return r;
}

static vb_result skew(struct vb_arena *a, const char *text, struct vb_synthetic *o) {
  o->zipf = 0;
  if (!strcmp(text, "uniform")) return VB_OK;
  if (text[0] == '@') return loads(a, text + 1, o);
  o->zipf = 1;
  if (!strcmp(text, "zipf")) return VB_OK;
  if (!strncmp(text, "zipf:", 5)) return real("skew=zipf", text + 5, 0.01, 8, &o->zipf);
  return vb_fail(VB_BAD_INPUT, "skew=%s: expected uniform, zipf, zipf:EXPONENT or @FILE", text);
}

static vb_result set(struct vb_arena *a, const char *key, const char *value, struct vb_synthetic *o) {
  uint64_t n = 0;
  vb_result r;
  if (!strcmp(key, "layers")) return layers(value, o);
  if (!strcmp(key, "skew")) return skew(a, value, o);
  if (!strcmp(key, "peak")) return real(key, value, 0x1p-10, 0x1p10, &o->peak);
  if (!strcmp(key, "seed")) return whole(key, value, NULL, INT64_MAX, &o->seed);
  if (strcmp(key, "vocab"))
    return vb_fail(VB_BAD_INPUT, "unknown parameter '%.40s': known are seed, layers, vocab, skew, peak", key);
  r = whole(key, value, NULL, 1 << 24, &n);
  if (r == VB_OK && !n) r = vb_fail(VB_BAD_INPUT, "vocab=0: a model needs a vocabulary");
  o->vocab = (uint32_t)n;
  return r;
}

vb_result vb_parse_synthetic(struct vb_arena *a, const char *text, struct vb_synthetic *o) {
  *o = (struct vb_synthetic){.seed = 1, .last = UINT32_MAX, .peak = 1};
  char *copy = vb_arena_text(a, text + sizeof scheme - 1), *save = NULL;
  if (!copy) return vb_no_memory("model description");
  char *list = strchr(copy, '?');
  if (list) *list++ = 0;
  o->config = copy;
  for (char *at = list ? strtok_r(list, "&,", &save) : NULL; at; at = strtok_r(NULL, "&,", &save)) {
    char *value = strchr(at, '=');
    if (!value) return vb_fail(VB_BAD_INPUT, "parameter '%.40s': expected key=value", at);
    *value++ = 0;
    vb_result r = set(a, at, value, o);
    if (r != VB_OK) return r;
  }
  return VB_OK;
}
