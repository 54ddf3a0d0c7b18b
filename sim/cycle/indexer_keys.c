// SPDX-License-Identifier: Apache-2.0
// Keys of the indexer's cycle model: their words go into a ring of SLOTS, from which the array takes them (vb_idx_front).
#include "indexer.h"
#include <string.h>

/// Steps of the keys that are in the ring.
static void step_keys(struct indexer *x) {
  while (x->front.begun < x->front.loaded) {
    uint32_t j = x->front.begun;
    uint64_t from = later(x->front.done[j % SLOTS], x->front.end[(j - 1) % SLOTS]) + 1;
    if (x->mode == SCORES) {
      uint64_t free = 0;
      if ((j & (x->lanes - 1)) == 0) {
        if (!place(x, &free)) return;
        x->out.reserved++;
      }
      if (free > from) {
        x->front.waited += free - from;
        from = free;
      }
    }
    uint64_t end = x->front.end[j % SLOTS] = from + x->steps - 1;
    x->front.begun++;
    if (x->mode == SCORES && ((j & (x->lanes - 1)) == x->lanes - 1 || j + 1 == x->front.n)) push(x, end + x->push);
  }
}

/// Pops beats up to beat `until` as far as they are there when the ring can take them. Keys begin evenly, the one being
/// loaded in cycle `begin`. Returns how many it ends.
static uint32_t pop_evenly(struct indexer *x, uint64_t begin, uint64_t until) {
  struct vb_port_rd *rd = &x->port.rd[0];
  const uint32_t words = x->record_words, loaded = x->front.loaded;
  const uint64_t mask = rd->depth - 1;
  uint64_t at = rd->popped;
  for (uint64_t run; at < until; at = run) { // RUN by RUN: is the last there with the first, all are
    run = (at | (RUN - 1)) + 1;
    if (run > until) run = until;
    const uint32_t beat = (uint32_t)(at - x->front.first);
    const uint64_t base = begin + ((uint64_t)(beat / words) * x->beat_words - loaded) * x->period;
    const uint64_t n = run - at, *pops = &x->pops[beat % words];
    if (rd->time[(run - 1) & mask] > base + pops[0]) break;
    uint64_t *time = &rd->time[at & mask];
    for (uint64_t i = 0; i < n; i++) time[i] = base + pops[i + 1];
  }
  if (at == rd->popped) return 0;
  rd->popped = at;
  x->port.dirty = true;
  const uint32_t word = (uint32_t)(at - x->front.first) * x->beat_words - x->offset; // next to be taken
  const uint32_t keys = word / words - loaded;
  x->front.part = 0;
  x->front.word = word % words;
  x->front.next_word = begin + keys * x->period + x->front.word;
  return keys;
}

/// Most keys come evenly, as the slower one of array and ring never pauses. Takes such keys at once, to the end of a
/// beat of scores, but not the last, whose beat leaves before it is used up. False: beats or evenness end.
static bool take_evenly(struct indexer *x) {
  const bool array = x->record_words <= x->steps, scores = x->mode == SCORES; // the array is the slower one
  const uint64_t period = x->period, ahead = array ? (SLOTS - 1) * x->steps : x->steps;
  uint32_t j = x->front.loaded, stop = x->front.n - 1, lane = j & (x->lanes - 1);
  uint64_t *end = x->front.end, first = end[j % SLOTS] + 1, before = end[(j - 1) % SLOTS], free;
  uint64_t begin = later(x->front.next_word - x->front.word, first);
  // Even: the array is busy for `ahead` more cycles and, if it is the slower one, key j comes when its slot is free.
  if (j >= stop || x->front.begun != j || before + 1 != begin + ahead || (array && begin != first)) return false;
  if (scores && lane == 0 && (!place(x, &free) || free > begin + ahead + period - x->steps)) return false;
  if (scores && stop > (j | (x->lanes - 1)) + 1) stop = (j | (x->lanes - 1)) + 1;
  uint64_t until = ((stop - j) * (uint64_t)x->record_words - x->front.word + x->front.part) >> x->beat_log2;
  if (until > vb_port_rd_known(&x->port.rd[0])) until = vb_port_rd_known(&x->port.rd[0]);
  uint32_t keys = pop_evenly(x, begin, x->port.rd[0].popped + until);
  if (!keys) return false;
  uint64_t last = begin + keys * period + ahead - 1;
  x->front.loaded = x->front.begun = j += keys;
  for (uint64_t i = 0; i < SLOTS && i * period <= ahead; i++) end[(j - 1 - i) % SLOTS] = last - i * period;
  if (scores && lane == 0) x->out.reserved++;
  if (scores && (j & (x->lanes - 1)) == 0) push(x, last + x->push);
  return j == stop;
}

/// Words of a key, from cycle t on, into the ring; *t becomes the cycle after the last. False: beats are not known yet.
static bool load_key(struct indexer *x, bool last, uint64_t *t) {
  const struct vb_port_rd *rd = &x->port.rd[0];
  while (x->front.word < x->record_words) {
    if (!vb_port_rd_known(rd)) return false;
    uint32_t n = x->beat_words - x->front.part, left = x->record_words - x->front.word;
    if (n > left) n = left;
    *t = later(*t, vb_port_rd_time(rd, 0)) + n;
    x->front.word += n;
    x->front.part += n;
    if (x->front.part == x->beat_words || (last && n == left)) {
      x->front.part = 0;
      vb_port_rd_pop(&x->port, 0, *t - 1);
    }
  }
  x->front.word = 0;
  return true;
}

bool vb_indexer_take_keys(struct indexer *x) {
  for (;;) {
    step_keys(x);
    if (take_evenly(x)) continue;
    uint32_t j = x->front.loaded;
    if (j == x->front.n) return x->front.begun == j;
    if (x->front.begun + SLOTS <= j) return false;
    uint64_t t = later(x->front.next_word, x->front.end[j % SLOTS] + 1);
    bool known = load_key(x, j + 1 == x->front.n, &t);
    x->front.next_word = t;
    if (!known) return false;
    x->front.done[j % SLOTS] = t - 1;
    x->front.loaded++;
  }
}

void vb_indexer_enter_keys(struct indexer *x) {
  x->front.state = KEYS;
  x->front.begin = x->front.next_word = x->front.cycle;
  x->front.loaded = x->front.begun = x->front.word = 0;
  x->front.waited = 0;
  memset(x->front.end, 0, sizeof x->front.end); // no key before the first
  x->front.part = x->offset;
  x->front.first = x->port.rd[0].popped;
}

void vb_indexer_time_pops(struct indexer *x) {
  bool odd = arg(x, VB_INDEXER_ARG_KEY_BEGIN) & (x->record_bytes / 32) & 1;
  x->offset = x->beat_bytes == 64 && odd ? x->beat_words / 2 : 0;
  x->period = x->steps > x->record_words ? x->steps : x->record_words;
  for (uint32_t i = 0; i < x->record_words + RUN; i++) {
    uint32_t word = (i + 1) * x->beat_words - 1 - x->offset;
    x->pops[i + 1] = word / x->record_words * x->period + word % x->record_words;
  }
  x->pops[0] = x->pops[x->record_words] - x->beat_words * x->period;
}
