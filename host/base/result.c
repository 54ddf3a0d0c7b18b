// SPDX-License-Identifier: Apache-2.0
#include "verbatim/result.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];

const char *vb_result_string(vb_result r) {
  switch (r) {
  case VB_OK: return "ok";
  case VB_MISMATCH: return "mismatch";
  case VB_BAD_INPUT: return "bad input";
  case VB_DEVICE: return "device failure";
  }
  return "unknown result";
}

const char *vb_last_error(void) { return message; }

vb_result vb_fail(vb_result r, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vsnprintf(message, sizeof message, format, ap);
  va_end(ap);
  return r;
}

vb_result vb_context(vb_result r, const char *format, ...) {
  char old[sizeof message];
  memcpy(old, message, sizeof old);
  va_list ap;
  va_start(ap, format);
  int n = vsnprintf(message, sizeof message, format, ap);
  va_end(ap);
  if (n >= 0 && (size_t)n < sizeof message) snprintf(message + n, sizeof message - (size_t)n, "%s", old);
  return r;
}
