// SPDX-License-Identifier: Apache-2.0
/// @file indexer.h
/// The state of the indexer's cycle model, for its two files: indexer.c, and indexer_keys.c for the time of keys.
#ifndef VB_SIM_CYCLE_INDEXER_H
#define VB_SIM_CYCLE_INDEXER_H
#include "port.h"

enum { FULL, SCORES, TOPK };
enum { TAG_W, TAG_Q, TAG_K, TAG_S }; // stretches in the order in which a token reads them
enum { NEXT, W, Q, BUF, KEYS, BEATS, DRAIN, TAIL };
enum {
  FIRST = VB_CYCLE_START + 2, ///< first cycle of the sequencer
  CLEAR = 128,                ///< histograms
  ALIGN = 9,                  ///< beside one cycle a head
  SLOTS = 4,                  ///< keys in the ring
  RECORD = 160,               ///< words at most: bytes
  RUN = 16,                   ///< beats looked at together: a part of the FIFO
  SCAN = 131,                 ///< one histogram
  HIST_TAIL = 3,
  OUT_TAIL = 4,
  QUEUE = 64, ///< places of the output queue
  CHUNK = 16, ///< beats of a write descriptor
  MEMORY = 4, ///< tokens whose times are still looked at
  POPS = 4096 ///< beats of the lists that may leave after the last token: three of 1025, and the queue
};

struct indexer {
  const uint64_t *args;
  uint32_t mode, lanes, lanes_log2, tokens, heads, k;
  uint32_t record_words, beat_words, beat_log2, steps; ///< words of a record and of a beat; steps of a key
  uint32_t drain, align, push; ///< last step to the next token; ALIGN in all; last step to its beat
  uint64_t beat_bytes, record_bytes;
  uint32_t offset; ///< words before the first key in its beat
  uint64_t period; ///< cycles from key to key when nothing pauses: those of the array or of the words
  struct {
    uint32_t token, tag, told;
    uint64_t at, address, left; ///< stretch being told: cycle of its offer, address, beats left
    bool ended;
  } fetch;
  struct {
    uint32_t state, token, n;
    uint64_t cycle;         ///< first cycle that is not accounted for
    uint64_t left;          ///< beats or words of this state
    uint32_t part;          ///< words taken from the beat at the output
    uint32_t loaded, begun; ///< keys
    uint32_t word;          ///< of the record being loaded
    uint64_t next_word, begin, waited;
    uint64_t first;                   ///< beat of the first key
    uint64_t done[SLOTS], end[SLOTS]; ///< key j at [j % SLOTS]: last cycle of its load, of its steps
    uint64_t tail;                    ///< first cycle of Tail
  } front;
  struct {
    uint32_t token, closed; ///< tokens selected, tokens whose scores are complete
    uint64_t close[MEMORY], n[MEMORY];
    uint64_t wait;                             ///< first cycle in Wait
    uint64_t from[2 * MEMORY], to[2 * MEMORY]; ///< cycles of work: two runs a token
    uint64_t end[MEMORY];                      ///< out_end
  } top;
  struct {
    uint32_t token, beat;
    uint64_t cycle, empty; ///< of the next reservation; from when on no list is held
  } list;
  struct {
    uint64_t reserved, pushed, popped, push[2 * QUEUE]; ///< beat i at [i % size]
    uint64_t promised, from, at, left;                  ///< stretch under way, from this cycle on
    uint32_t token;
    bool count; ///< it is a count
    bool ended;
  } out;
  uint64_t busy, read, write, dep;
  // From here on nothing is cleared.
  uint64_t pop[POPS]; ///< of the output queue: beat i at [i % POPS]
  /// Cycle in which beat i of a token's keys is popped at [i + 1], counted from the begin of the first, when nothing
  /// pauses. It goes on so: beat i + record_words is beat_words keys, and as many periods, later.
  uint64_t pops[RECORD + RUN + 1];
  struct vb_port port;
};

static inline uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline uint32_t arg(const struct indexer *x, int slot) { return (uint32_t)x->args[slot]; }

/// The cycle from which on the next beat can be reserved; false while it is not known.
static inline bool place(const struct indexer *x, uint64_t *from) {
  uint64_t b = x->out.reserved;
  *from = 0;
  if (x->out.pushed >= x->out.promised + 2 * QUEUE) return false; // as many pushes are remembered
  if (b < QUEUE) return true;
  if (x->out.popped <= b - QUEUE) return false;
  *from = x->pop[(b - QUEUE) % POPS] + 1;
  return true;
}

static inline void push(struct indexer *x, uint64_t cycle) { x->out.push[x->out.pushed++ % (2 * QUEUE)] = cycle; }

/// The sequencer enters the state KEYS, in cycle front.cycle.
void vb_indexer_enter_keys(struct indexer *x);
/// Loads keys and steps through them as far as their beats are known. True: all of the token.
bool vb_indexer_take_keys(struct indexer *x);
/// Once a job with keys: when keys that come evenly pop their beats.
void vb_indexer_time_pops(struct indexer *x);
#endif
