// SPDX-License-Identifier: Apache-2.0
#include "verify/schedule.h"
#include "num/rng.h"
#include <stdlib.h>
#include <string.h>

static vb_result add_call(struct vb_schedule *s, const uint32_t count[VB_MAX_SEQUENCES]) {
  if (s->calls == s->room) {
    uint32_t room = s->room ? 2 * s->room : 64;
    void *bigger = realloc(s->call, room * sizeof *s->call);
    if (!bigger) return vb_fail(VB_DEVICE, "out of memory for a schedule");
    s->call = bigger;
    s->room = room;
  }
  memcpy(s->call[s->calls++].count, count, sizeof s->call->count);
  return VB_OK;
}

vb_result vb_schedule_plain(const struct vb_golden *g, uint32_t chunk, struct vb_schedule *s) {
  *s = (struct vb_schedule){0};
  vb_result r = VB_OK;
  for (uint32_t at = 0; !r && at < g->length;) {
    uint32_t left = at < g->prompt ? g->prompt - at : 1, count[VB_MAX_SEQUENCES] = {0};
    count[0] = chunk && chunk < left ? chunk : left;
    r = add_call(s, count);
    at += count[0];
  }
  return r;
}

vb_result vb_schedule_random(struct vb_golden *const *g, uint32_t sequences, uint64_t seed, struct vb_schedule *s) {
  uint64_t rng = vb_draw_seed(seed);
  uint32_t at[VB_MAX_SEQUENCES] = {0}, step[VB_MAX_SEQUENCES] = {0};
  bool used[VB_MAX_SEQUENCES] = {false};
  uint32_t batch = 1 + (uint32_t)vb_draw_below(&rng, sequences);
  *s = (struct vb_schedule){0};
  for (uint32_t i = 0; i < batch; i++) {
    uint32_t q = (uint32_t)vb_draw_below(&rng, sequences);
    used[q] = true;
    // Token by token is the slowest and the least different from small chunks: one in four.
    static const uint32_t largest[] = {UINT32_MAX, 1, 7, 29};
    step[q] = largest[vb_draw_below(&rng, 4)];
  }
  vb_result r = VB_OK;
  for (bool more = true; !r && more;) {
    uint32_t count[VB_MAX_SEQUENCES] = {0}, any = 0;
    more = false;
    for (uint32_t q = 0; q < sequences; q++) {
      uint32_t left = used[q] ? g[q]->length - at[q] : 0;
      if (!left) continue;
      more = true;
      if (vb_draw_below(&rng, 4) == 0) continue; // now and then a sequence waits, so that batches keep changing
      uint32_t most = step[q] < left ? step[q] : left;
      count[q] = step[q] == UINT32_MAX ? left : 1 + (uint32_t)vb_draw_below(&rng, most);
      at[q] += count[q];
      any += count[q];
    }
    if (any) r = add_call(s, count);
  }
  return r;
}

void vb_schedule_free(struct vb_schedule *s) {
  free(s->call);
  *s = (struct vb_schedule){0};
}
