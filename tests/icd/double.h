// SPDX-License-Identifier: Apache-2.0
// How a run of the test double's kernel `scale` ends: its last argument.
#ifndef VB_TESTS_ICD_DOUBLE_H
#define VB_TESTS_ICD_DOUBLE_H

enum vb_double_mode {
  VB_DOUBLE_OK = 0,
  VB_DOUBLE_HANG = 1,       // until the watchdog
  VB_DOUBLE_AXI = 2,        // bus error
  VB_DOUBLE_THROW = 3,      // std::exception
  VB_DOUBLE_THROW_INT = 4,  // something that is no std::exception
  VB_DOUBLE_UNIT_ERROR = 5, // error register 17
  VB_DOUBLE_SLOW = 6,       // as OK, but takes about 50 ms of wall time
};

#endif
