// SPDX-License-Identifier: Apache-2.0
#include "model/keys.h"
#include <stdio.h>
#include <string.h>

bool vb_key_listed(const char *list, const char *key) {
  char word[84];
  if (!*key || strlen(key) > 80 || strchr(key, ' ')) return false;
  snprintf(word, sizeof word, " %s ", key);
  return strstr(list, word);
}

const json_t *vb_key_find(const struct vb_reader *r, const char *key) {
  const json_t *v = json_object_get(r->object, key);
  return json_is_null(v) ? NULL : v;
}

uint32_t vb_key_u32(struct vb_reader *r, const char *key, uint32_t min, uint32_t max, int64_t absent) {
  const json_t *v = vb_key_find(r, key);
  if (!v) {
    if (absent < 0) vb_bad(r, "key '%s%s' is missing", r->where, key);
    return absent < 0 ? 0 : (uint32_t)absent;
  }
  json_int_t n = json_integer_value(v);
  if (!json_is_integer(v)) {
    vb_bad(r, "key '%s%s' must be an integer", r->where, key);
  } else if (n < (json_int_t)min || n > (json_int_t)max) {
    vb_bad(r, "key '%s%s' is %" JSON_INTEGER_FORMAT ", must be %u to %u", r->where, key, n, min, max);
  } else {
    return (uint32_t)n;
  }
  return 0;
}

bool vb_key_bool(struct vb_reader *r, const char *key, int absent) {
  const json_t *v = vb_key_find(r, key);
  if (!v && absent >= 0) return absent > 0;
  if (!v) vb_bad(r, "key '%s%s' is missing", r->where, key);
  else if (!json_is_boolean(v)) vb_bad(r, "key '%s%s' must be true or false", r->where, key);
  return json_is_true(v);
}

double vb_key_real(struct vb_reader *r, const char *key, double absent) {
  const json_t *v = vb_key_find(r, key);
  if (!v && absent >= 0) return absent;
  if (!v) vb_bad(r, "key '%s%s' is missing", r->where, key);
  else if (!json_is_number(v)) vb_bad(r, "key '%s%s' must be a number", r->where, key);
  return json_number_value(v);
}

const char *vb_key_text(struct vb_reader *r, const char *key, const char *absent) {
  const json_t *v = vb_key_find(r, key);
  if (!v && absent) return absent;
  if (!v) vb_bad(r, "key '%s%s' is missing", r->where, key);
  else if (!json_is_string(v)) vb_bad(r, "key '%s%s' must be a string", r->where, key);
  return v && json_is_string(v) ? json_string_value(v) : "";
}

const json_t *vb_key_list(struct vb_reader *r, const char *key, uint32_t count) {
  const json_t *v = vb_key_find(r, key);
  if (!v) return NULL;
  if (!json_is_array(v)) vb_bad(r, "key '%s%s' must be a list", r->where, key);
  else if (count && json_array_size(v) != count)
    vb_bad(r, "key '%s%s' must be a list of num_hidden_layers (%u) entries", r->where, key, count);
  return r->result == VB_OK ? v : NULL;
}

void vb_key_must_be(struct vb_reader *r, const char *key, double value) {
  double v = vb_key_real(r, key, value);
  if (v < value || v > value) vb_bad(r, "key '%s%s' is %g, only %g is supported", r->where, key, v, value);
}
