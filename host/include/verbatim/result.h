// SPDX-License-Identifier: Apache-2.0
/// @file result.h
/// One result type for every fallible function, with a message that names what was wrong.
#ifndef VERBATIM_RESULT_H
#define VERBATIM_RESULT_H

/// Values equal the command's exit status. Must be checked.
typedef enum vb_result {
  VB_OK = 0,
  VB_MISMATCH = 1,  ///< a comparison failed
  VB_BAD_INPUT = 2, ///< a file, key, value or argument is wrong
  VB_DEVICE = 3,    ///< a device, the operating system or memory failed
} vb_result;

/// Short English name of r; static storage.
const char *vb_result_string(vb_result r);
/// Message of the last failure in this thread ("" if none); valid until the next failure.
const char *vb_last_error(void);
/// Record a printf-style message for this thread and return r. Used by the library itself and by back ends.
vb_result vb_fail(vb_result r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// Prepend context ("file: ") to the last message and return r.
vb_result vb_context(vb_result r, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
