// SPDX-License-Identifier: Apache-2.0
/// @file check.h
/// The observer that compares each operator's outputs with the golden run, finds the device call to blame, and files cases.
#ifndef VERBATIM_VERIFY_CHECK_H
#define VERBATIM_VERIFY_CHECK_H
#include "verify/verify.h"

struct vb_check {
  const struct vb_verify_config *config;
  struct vb_report *report;
  struct vb_observer observer;
  struct vb_golden *golden[VB_MAX_SEQUENCES];
  uint32_t goldens;
  const struct vb_golden *item_golden[VB_MAX_SEQUENCES]; ///< of the batch items of the call under way
  uint32_t plan_index;
  uint64_t task_serial; ///< device calls so far: the descriptor id in reports
};
void vb_check_init(struct vb_check *k, const struct vb_verify_config *c, struct vb_report *r);
#endif
