// SPDX-License-Identifier: Apache-2.0
// Cycles of the router (hw/router): tokens pass its stages by the recurrences of vb_router_*.sv. Every constant below is
// a latency there; names of events are names of signals. Only who writes next depends on the moment (vb_router_core).
#include "marks.h"
#include "port.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
  PLACES = 8,   ///< rows of the token buffer
  GAP = 16,     ///< rows end this many cycles apart (vb_router_rank)
  BANKS = 4,    ///< vb_router_weigh
  QUEUE = 64,   ///< beats of an output stream
  HISTORY = 16, ///< tokens whose times are still looked at
  SCORE = 21,   ///< accepted beat to the token buffer
  RANK = 16,    ///< last beat in the buffer to rank_done, without the levels of the scan
  TOPK = 20,    ///< last beat read to top_done: 16 places
  WEIGH = 14,   ///< last beat read to ready_o
  ALIGN = 4,    ///< last weight added to ready_o
  DIVIDE = 20,  ///< div_take_o to the result: vb_unorm 2, vb_recip 16
  GATE = 11,    ///< issue to valid_o
  SETTLE = 5,   ///< end of the prefix to the list: the walk over the groups comes up
  CHUNK = 16,   ///< beats
  WORD_ROOM = QUEUE - 4
};
enum { WORK, WAIT, INSIDE, READS }; // layers of marks: what vb_router.sv looks at in this order

/// One of the two output streams: a queue of beats, written in chunks to up to three arrays.
struct stream {
  uint64_t pushed, push[2 * QUEUE]; ///< beat i at [i % 2Q]: cycle in which it enters
  uint64_t popped, pop[2 * QUEUE];
  uint64_t pushed_before, popped_before; ///< counts before the cycle asked last
  uint64_t promised;                     ///< beats of the chunks taken
  uint64_t address[3], bytes[3];
  uint32_t next;                 ///< array loaded next
  uint64_t at, left, from, done; ///< array under way: address, bytes left, first cycle; `done` when all were taken
  uint32_t lane;                 ///< words in the open beat
};

struct router {
  struct vb_marks marks;
  uint32_t lanes, lanes_log2, experts, k, room; ///< room: beats free in a queue before a token is issued
  bool aligned;
  uint64_t tokens, pairs, rows_told, stride, logits;
  bool bias_left;
  // Passes. Token t at [t % HISTORY].
  uint64_t row;               ///< token whose beats come in
  uint32_t row_beats, row_at; ///< its beats, and how many came
  uint64_t last_accept, row_end[HISTORY], beats[HISTORY];
  uint64_t ranked; ///< tokens through the passes
  uint64_t pass2_free, pass3_free, align_free, ready[HISTORY],
      pass3_end[HISTORY]; ///< ready: the result is there to divide
  uint64_t issued, hand[HISTORY], div_free;
  uint64_t hand_from, try_at; ///< of the token issued next: division done; next cycle to try. 0: not known yet
  struct stream x, y;
  struct stream *chunk;                            ///< whose chunk is under way
  uint64_t chunk_left, chunk_end, loads, chunk_at; ///< chunk_at: cycle of the next if only one stream has one by then
  bool chunk_y;
  enum { PAIRS, PREFIX, LIST, ENDED } phase;
  uint64_t step, step_at;
  uint64_t read_marked, inside_from, inside_to; ///< READS is marked up to; cycles of INSIDE that are to be marked
  uint64_t disp_end;
  struct vb_port port; ///< last: it clears itself
};

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

// ---- output streams

/// Array after array, from the cycle in which the one before is found written.
static void next_array(struct stream *s, uint64_t c) {
  while (s->next < 3) {
    s->at = s->address[s->next];
    s->left = s->bytes[s->next++];
    c++;
    if (s->left) {
      s->from = c;
      return;
    }
  }
  s->done = c;
}

static inline void push_beat(struct stream *s, uint64_t c) { s->push[s->pushed++ % (2 * QUEUE)] = c; }

/// n words enter the packer, one a cycle from c on; `last`: they end the array, which closes the beat.
static void push_words(const struct router *r, struct stream *s, uint64_t c, uint32_t n, bool last) {
  uint32_t words = s->lane + n;
  c -= s->lane; // as if the open beat's words had come without a gap
  uint64_t end = r->lanes;
  for (; words >= r->lanes; words -= r->lanes, end += r->lanes) push_beat(s, c + end - 1);
  if (last && words) {
    push_beat(s, c + end - r->lanes + words - 1);
    words = 0;
  }
  s->lane = words;
}

/// Whether at most `most` beats are queued in cycle c, which must not go back. Otherwise *retry is the next cycle in
/// which that can change, or VB_UNKNOWN while it is not known whether a pop came before c.
static bool has_room(struct stream *s, uint64_t c, uint64_t most, uint64_t *retry) {
  if (s->pushed - s->popped_before <= most) return true; // whatever came or left since
  while (s->pushed_before < s->pushed && s->push[s->pushed_before % (2 * QUEUE)] < c) s->pushed_before++;
  while (s->popped_before < s->popped && s->pop[s->popped_before % (2 * QUEUE)] < c) s->popped_before++;
  if (s->pushed_before - s->popped_before <= most) return true;
  *retry = s->popped_before < s->popped ? s->pop[s->popped_before % (2 * QUEUE)] + 1 : VB_UNKNOWN;
  return false;
}

/// The same for both streams; the cycles until the retry are marked as waiting for a write.
static bool both_have_room(struct router *r, uint64_t *c, uint64_t most) {
  for (;;) {
    uint64_t retry = 0;
    if (has_room(&r->x, *c, most, &retry) && has_room(&r->y, *c, most, &retry)) return true;
    if (retry == VB_UNKNOWN) {
      // The other one may know that it is full.
      if (has_room(&r->y, *c, most, &retry) || retry == VB_UNKNOWN) return false;
    }
    vb_marks_set(&r->marks, WAIT, *c, retry);
    *c = retry;
  }
}

/// Beats that can follow those pushed while at most `most` are queued, whatever leaves: one more than has room.
static uint64_t sure_room(const struct stream *s, uint64_t most) {
  uint64_t queued = s->pushed - s->popped_before;
  return queued <= most ? most + 1 - queued : 0;
}

/// Beats of the stream's next chunk.
static uint64_t chunk_beats(const struct router *r, const struct stream *s) {
  uint64_t beats = (s->left + 4 * r->lanes - 1) >> (r->lanes_log2 + 2);
  return beats < CHUNK ? beats : CHUNK;
}

/// Beats that it lacks for that.
static uint64_t missing(const struct router *r, const struct stream *s) {
  uint64_t full = s->promised + chunk_beats(r, s);
  return full > s->pushed ? full - s->pushed : 0;
}

/// First cycle in which the stream offers a chunk.
static uint64_t chunk_from(const struct router *r, const struct stream *s) {
  if (!s->left || missing(r, s)) return VB_UNKNOWN;
  return later(s->from, s->push[(s->promised + chunk_beats(r, s) - 1) % (2 * QUEUE)] + 1);
}

/// Beats that the write master loaded leave their queue.
static bool pop_loaded(struct router *r) {
  uint64_t n = vb_port_wr_loaded(&r->port);
  if (r->loads == n) return false;
  for (; r->loads < n; r->loads++) {
    r->chunk_end = r->port.wr.load[r->loads % VB_PORT_LOADS];
    r->chunk->pop[r->chunk->popped++ % (2 * QUEUE)] = r->chunk_end;
    r->chunk_left--;
  }
  return true;
}

/// The next chunk, when it is known whose it is: streams take turns where both have one.
static bool take_chunk(struct router *r) {
  r->chunk_at = VB_UNKNOWN;
  if (r->chunk_left) return false;
  uint64_t x = chunk_from(r, &r->x), y = chunk_from(r, &r->y), ready = vb_port_wr_ready(&r->port);
  if (ready == VB_UNKNOWN || (x == VB_UNKNOWN && y == VB_UNKNOWN)) return false;
  uint64_t c = later(later(ready, r->chunk_end), x < y ? x : y);
  // What is not known yet comes after the next access.
  if ((x == VB_UNKNOWN || y == VB_UNKNOWN) && c > vb_port_peek(&r->port)) {
    r->chunk_at = c;
    return false;
  }
  r->chunk_y = x <= c && y <= c ? !r->chunk_y : y <= c;
  struct stream *s = r->chunk = r->chunk_y ? &r->y : &r->x;
  uint64_t beats = chunk_beats(r, s), full = (uint64_t)CHUNK * 4 * r->lanes, bytes = s->left < full ? s->left : full;
  r->chunk_left = beats;
  s->promised += beats;
  vb_port_wr_cmd(&r->port, c, s->at, (uint32_t)bytes);
  vb_port_wr_data(&r->port, c + 1, beats);
  s->at += bytes;
  s->left -= bytes;
  if (!s->left) next_array(s, c + 1);
  pop_loaded(r);
  return true;
}

// ---- rows of logits

static uint32_t lane_of(const struct router *r, uint64_t row) {
  return (uint32_t)((r->logits + row * r->stride) >> 2) & (r->lanes - 1);
}
static uint32_t beats_of(const struct router *r, uint64_t row) {
  return (lane_of(r, row) + r->experts + r->lanes - 1) >> r->lanes_log2;
}

static void tell_rows(struct router *r) {
  const struct vb_port_rd *rd = &r->port.rd[0];
  uint64_t beat = 4 * r->lanes, mask = ((uint64_t)1 << 40) - 1;
  if (rd->told - rd->taken > VB_PORT_COMMANDS / 2) return;
  for (; r->rows_told < r->tokens; r->rows_told++) {
    uint64_t row = (r->logits + r->rows_told * r->stride) & mask;
    if (!vb_port_rd_cmd(&r->port, 0, VB_CYCLE_START + 2, row & ~(beat - 1), beats_of(r, r->rows_told))) return;
  }
}

/// Beats of the bias row go in as they come.
static void accept_bias(struct router *r, uint64_t known) {
  uint64_t n = r->row_beats - r->row_at;
  if (n > known) n = known;
  r->row_at += (uint32_t)n;
  for (; n; n--) {
    r->last_accept = later(vb_port_rd_time(&r->port.rd[0], 0), r->last_accept + 1);
    vb_port_rd_pop(&r->port, 0, r->last_accept);
    vb_marks_set(&r->marks, WORK, r->last_accept, r->last_accept + 1);
  }
  if (r->row_at < r->row_beats) return;
  r->bias_left = false;
  r->row_at = 0;
  r->row_beats = beats_of(r, 0);
}

/// Marks the cycles in which the n beats popped last were accepted.
static void mark_accepted(struct router *r, uint64_t n) {
  const struct vb_port_rd *rd = &r->port.rd[0];
  const uint64_t mask = rd->depth - 1, stop = rd->popped;
  for (uint64_t at = stop - n; at < stop;) {
    uint64_t from = rd->time[at & mask], run = 1;
    // Mostly all of them follow each other: then the ends tell.
    if (rd->time[(stop - 1) & mask] - from == stop - 1 - at) run = stop - at;
    vb_marks_set(&r->marks, WORK, from, from + run);
    at += run;
  }
}

/// Beats of logits: a place must be free, rows end apart.
static bool accept_rows(struct router *r) {
  const struct vb_port_rd *rd = &r->port.rd[0];
  uint64_t known = vb_port_rd_known(rd), before = rd->popped;
  if (!known) return false;
  if (r->bias_left) accept_bias(r, known);
  while (!r->bias_left && (known = vb_port_rd_known(rd))) {
    uint64_t from = r->last_accept + 1, left = r->row_beats - r->row_at, n = known < left ? known : left;
    if (r->row >= PLACES) {
      if (r->row >= PLACES + r->ranked) break;
      from = later(from, r->pass3_end[(r->row - PLACES) % HISTORY] + 1);
    }
    bool ends = n == left;
    if (n > ends) r->last_accept = vb_port_rd_pop_run(&r->port, 0, from, n - ends);
    if (ends) {
      uint64_t slot = r->row % HISTORY, t = later(vb_port_rd_time(rd, 0), later(from, r->last_accept + 1));
      if (r->row) t = later(t, r->row_end[(r->row - 1) % HISTORY] + GAP);
      vb_port_rd_pop(&r->port, 0, t);
      r->last_accept = r->row_end[slot] = t;
      r->beats[slot] = r->row_beats;
      r->row_at = 0;
      if (++r->row < r->tokens) r->row_beats = beats_of(r, r->row);
    } else r->row_at += (uint32_t)n;
    mark_accepted(r, n);
  }
  if (rd->popped == before) return false;
  tell_rows(r);
  return true;
}

// ---- tokens

/// A token whose row is in passes to the point where its division can start.
static bool rank_token(struct router *r) {
  uint64_t t = r->ranked, slot = t % HISTORY;
  if (t == r->row || (t >= BANKS && t >= BANKS + r->issued)) return false;
  uint64_t b = r->beats[slot], ranked = r->row_end[slot] + SCORE + RANK + r->lanes_log2;
  uint64_t pass2 = later(ranked + 1, r->pass2_free), known = pass2 + b + TOPK;
  r->pass2_free = pass2 + b + 1;
  uint64_t pass3 = later(known + 1, r->pass3_free);
  if (t >= BANKS) pass3 = later(pass3, r->hand[(t - BANKS) % HISTORY] + r->k + 1); // its bank is free
  uint64_t end = pass3 + 1 + b, ready = end + WEIGH;
  r->pass3_end[slot] = end;
  r->pass3_free = end + 1;
  vb_marks_set(&r->marks, WORK, pass3 + 1, end + 1);
  if (r->aligned) {
    uint64_t start = later(ready + 1, r->align_free);
    r->align_free = start + r->k + 1;
    ready = start + r->k + ALIGN;
  }
  r->ready[slot] = ready;
  r->ranked++;
  return true;
}

/// Its division, and its weights when both queues have room for a token.
static bool issue_token(struct router *r) {
  uint64_t t = r->issued, slot = t % HISTORY;
  if (t == r->ranked) return false;
  if (!r->try_at) {
    uint64_t done = later(r->ready[slot] + 1, r->div_free) + DIVIDE;
    r->try_at = t ? later(done, r->hand[(t - 1) % HISTORY] + r->k) : done;
  }
  if (!both_have_room(r, &r->try_at, r->room)) return false;
  uint64_t h = r->try_at;
  r->hand[slot] = h;
  r->div_free = h + 1;
  const uint64_t weights = ((uint64_t)1 << r->k) - 1;
  vb_marks_bits(&r->marks, WORK, h + 1, weights | weights << GATE);
  if (r->row_end[slot] + 1 > r->inside_to) { // mostly the next token is inside before one leaves
    vb_marks_set(&r->marks, INSIDE, r->inside_from, r->inside_to);
    r->inside_from = r->row_end[slot] + 1;
  }
  r->inside_to = h + 1 + r->k + GATE;
  const bool last = t + 1 == r->tokens;
  push_words(r, &r->x, h + 1 + GATE, r->k, last);
  push_words(r, &r->y, h + 1 + GATE, r->k, last);
  r->issued++;
  r->try_at = 0;
  if (last) r->step_at = h + 1 + GATE + r->k + 1; // finish a cycle after the last pair was counted
  return true;
}

// ---- dispatch

static bool dispatch(struct router *r) {
  uint64_t steps;
  switch (r->phase) {
  case PAIRS:
    if (r->issued < r->tokens) return false;
    r->phase = PREFIX;
    return true;
  case PREFIX: // E + 1 words of offsets, E of the histogram
    while (r->step <= r->experts) {
      if (!both_have_room(r, &r->step_at, WORD_ROOM)) return false;
      // As many at once as surely have room: both streams are at the same word.
      uint64_t xn = sure_room(&r->x, WORD_ROOM), yn = sure_room(&r->y, WORD_ROOM), n = xn < yn ? xn : yn;
      n = n ? n * r->lanes - r->y.lane : 1;
      if (n > r->experts + 1 - r->step) n = r->experts + 1 - r->step;
      uint64_t hist = r->experts - r->step < n ? r->experts - r->step : n, c = r->step_at;
      r->step += n;
      r->step_at += n;
      vb_marks_set(&r->marks, WORK, c, c + n);
      push_words(r, &r->x, c + 1, (uint32_t)hist, hist && r->step >= r->experts);
      push_words(r, &r->y, c + 1, (uint32_t)n, r->step > r->experts);
    }
    r->step = 0;
    r->phase = LIST;
    r->disp_end = r->step_at + 1; // the last word leaves a cycle after its step
    if (!r->pairs) r->phase = ENDED;
    r->step_at += SETTLE;
    return true;
  case LIST:
    steps = (r->pairs + r->lanes - 1) >> r->lanes_log2;
    while (r->step < steps) {
      if (!both_have_room(r, &r->step_at, WORD_ROOM)) return false;
      uint64_t n = sure_room(&r->x, WORD_ROOM), c = r->step_at;
      if (!n || !sure_room(&r->y, WORD_ROOM)) n = 1;
      if (n > steps - r->step) n = steps - r->step;
      r->step += n;
      r->step_at += n;
      vb_marks_set(&r->marks, WORK, c, c + n);
      for (uint64_t i = 1; i <= n; i++) push_beat(&r->x, c + i);
    }
    if (r->step == steps) {
      r->phase = ENDED;
      r->disp_end = r->step_at + 1;
    }
    return true;
  default: return false;
  }
}

/// Cycles up to this one are all marked.
static uint64_t marked_until(const struct router *r) {
  if (r->issued == r->tokens) return r->step_at;
  uint64_t t = r->last_accept + 1;
  return r->issued < r->row && r->row_end[r->issued % HISTORY] + 1 < t ? r->row_end[r->issued % HISTORY] + 1 : t;
}

/// Counts cycles, of which those in READS and INSIDE are marked only now: they are long runs.
static void count_marks(struct router *r, uint64_t until) {
  vb_marks_set(&r->marks, READS, r->read_marked, r->last_accept + 1); // reads are under way until the last beat
  r->read_marked = later(r->read_marked, r->last_accept + 1);
  vb_marks_set(&r->marks, INSIDE, r->inside_from, r->inside_to);
  r->inside_from = r->inside_to;
  vb_marks_count(&r->marks, until);
}

/// Makes reads without the rest being advanced after each, as long as nothing that is written follows from them: what
/// the FIFO holds, without the last beat of the row that completes a chunk, and before a write is made or begun. False:
/// none.
static bool read_ahead(struct router *r) {
  const struct vb_port_rd *rd = &r->port.rd[0];
  if (r->bias_left || r->row == r->tokens) return false;
  uint64_t left = rd->depth, x = missing(r, &r->x), y = missing(r, &r->y), beats = !y || (x && x < y) ? x : y, t;
  if (beats) { // both streams are at the same word
    uint64_t row = r->issued + ((beats << r->lanes_log2) - r->x.lane - 1) / r->k;
    if (row >= r->tokens) row = r->tokens - 1;
    if (row < r->row) return false;
    uint64_t to_end = r->row_beats - r->row_at + (row - r->row) * ((r->experts + r->lanes - 1) >> r->lanes_log2);
    if (to_end < left) left = to_end;
  }
  const uint64_t before = rd->known, known = rd->popped + left;
  while (rd->known < known && (t = vb_port_peek(&r->port)) == r->port.ar_time && t < r->chunk_at)
    vb_port_step(&r->port);
  return rd->known > before;
}

/// False when nothing can go on: the model contradicts itself.
static bool run(struct router *r) {
  for (;;) {
    bool moved;
    do {
      moved = accept_rows(r);
      while (rank_token(r)) moved = true;
      while (issue_token(r)) moved = true;
      moved |= dispatch(r);
      moved |= pop_loaded(r);
      if (!moved) moved = take_chunk(r); // may depend on all that is known
    } while (moved);
    uint64_t until = marked_until(r);
    if (until > r->marks.at + 8192) count_marks(r, until);
    if (read_ahead(r) || vb_port_step(&r->port)) continue;
    return r->phase == ENDED && !r->chunk_left && r->x.done && r->y.done;
  }
}

static void prepare(struct router *r, const struct vb_hw_config *hw, const uint64_t *args) {
  r->lanes = hw->axi_data_bits / 32;
  while ((1u << r->lanes_log2) < r->lanes) r->lanes_log2++;
  r->tokens = (uint32_t)args[VB_ROUTER_ARG_TOKENS];
  r->experts = (uint32_t)args[VB_ROUTER_ARG_EXPERTS];
  r->k = (uint32_t)args[VB_ROUTER_ARG_K];
  r->pairs = r->tokens * r->k;
  r->aligned = (uint32_t)args[VB_ROUTER_ARG_SCORE] == 1 &&
               (uint32_t)args[VB_ROUTER_ARG_RENORM] == 1; // sigmoids, divided by their sum
  r->logits = args[VB_ROUTER_ARG_LOGITS];
  r->stride = (uint32_t)args[VB_ROUTER_ARG_LOGITS_STRIDE];
  r->room = QUEUE - ((16 + 12 + r->lanes - 1) / r->lanes + 2);
  r->x = (struct stream){.address = {args[VB_ROUTER_ARG_IDS], args[VB_ROUTER_ARG_HIST], args[VB_ROUTER_ARG_LIST]},
                         .bytes = {4 * r->pairs, 4 * r->experts, 4 * r->pairs}};
  r->y = (struct stream){.address = {args[VB_ROUTER_ARG_GATES], args[VB_ROUTER_ARG_OFFSETS], 0},
                         .bytes = {4 * r->pairs, 4 * r->experts + 4, 0}};
  next_array(&r->x, VB_CYCLE_START + 2);
  next_array(&r->y, VB_CYCLE_START + 2);
  r->read_marked = VB_CYCLE_START + 2;
  r->step_at = VB_CYCLE_START + 3; // without tokens
  r->row_beats = beats_of(r, 0);
  if ((uint32_t)args[VB_ROUTER_ARG_USE_BIAS] && r->tokens) {
    r->bias_left = true;
    r->row_beats = (r->experts + r->lanes - 1) >> r->lanes_log2;
    vb_port_rd_cmd(&r->port, 0, VB_CYCLE_START + 2, args[VB_ROUTER_ARG_BIAS], r->row_beats);
  }
  tell_rows(r);
}

static int collect(struct router *r, struct vb_cycle_result *out) {
  uint64_t done = later(later(r->disp_end, r->chunk_end + 1), later(r->x.done, r->y.done)); // done_o of the core
  uint64_t last = later(done + 1, vb_port_wr_idle(&r->port));
  count_marks(r, done + 1);
  out->cycles = last + 1 - VB_CYCLE_START;
  out->classes[VB_HW_CLASS_BUSY] = r->marks.count[WORK] + 2; // and the cycles of start and check
  out->classes[VB_HW_CLASS_WRITE] = r->marks.count[WAIT];
  out->classes[VB_HW_CLASS_DEPENDENCY] = r->marks.count[INSIDE];
  out->classes[VB_HW_CLASS_READ] = r->marks.count[READS];
  out->classes[VB_HW_CLASS_DRAIN] = r->marks.count[VB_MARK_LAYERS] + last - done;
  out->bytes_read = r->port.bytes_read;
  out->bytes_written = r->port.bytes_written;
  out->dram = *vb_dram_get_stats(r->port.dram);
  return r->marks.failed ? -1 : 0;
}

int vb_cycle_router(const struct vb_cycle_env *env, const struct vb_golden_memory *mem, const uint64_t *args,
                    struct vb_cycle_result *result) {
  (void)mem; // nothing depends on values
  *result = (struct vb_cycle_result){.error = vb_golden_router_error(env->hw, args)};
  if (result->error) {
    result->cycles = result->classes[VB_HW_CLASS_BUSY] = 2; // start and check
    return 0;
  }
  struct router *r = malloc(sizeof *r);
  if (!r) return -1;
  memset(r, 0, offsetof(struct router, port));
  int status = vb_port_init(&r->port, env, 1, 64, 16, 8);
  if (status == 0) status = vb_marks_init(&r->marks, VB_CYCLE_START + 2);
  if (status == 0) {
    prepare(r, env->hw, args);
    status = run(r) ? collect(r, result) : -2;
  }
  vb_marks_free(&r->marks);
  vb_port_free(&r->port);
  free(r);
  return status;
}
