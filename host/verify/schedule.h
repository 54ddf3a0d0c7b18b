// SPDX-License-Identifier: Apache-2.0
/// @file schedule.h
/// How a verification feeds its sequences: which sequence grows by how many tokens in each call.
#ifndef VERBATIM_VERIFY_SCHEDULE_H
#define VERBATIM_VERIFY_SCHEDULE_H
#include "verify/verify.h"

struct vb_schedule {
  struct {
    uint32_t count[VB_MAX_SEQUENCES];
  } * call;
  uint32_t calls, room;
};

/// Prefill in chunks (0: whole), then token by token.
vb_result vb_schedule_plain(const struct vb_golden *g, uint32_t chunk, struct vb_schedule *s);
/// A random batch of the sequences, each advanced whole, token by token or in random chunks; all reach their end.
vb_result vb_schedule_random(struct vb_golden *const *g, uint32_t sequences, uint64_t seed, struct vb_schedule *s);
void vb_schedule_free(struct vb_schedule *s);
#endif
