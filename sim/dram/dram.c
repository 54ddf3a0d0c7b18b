// SPDX-License-Identifier: Apache-2.0
// See dram.h. All times are picoseconds since reset; T_NONE means "long ago".
#include "dram.h"
#include <stdlib.h>
#include <string.h>

#define T_NONE (INT64_MIN / 4)
#define NO_KEY UINT64_MAX
#define WRITE (1ull << 63) // in a key: of a row that is written
enum { MAX_CHANNELS = 16, MAX_GROUPS = 8, MAX_BANKS = 32, MAX_COLUMNS = 256 };

struct channel {
  // The last run, if it opened a row of all groups (see follow). One in the same row and direction continues it: only its
  // last round of columns matters to what comes later, so it is entered into banks and groups when another one comes.
  uint64_t key;    // of its row and direction, or NO_KEY
  int64_t refresh; // next refresh is due
  int64_t on;      // tCCD_S behind its last column
  uint64_t next;   // address behind its last column (the bits of the channel may differ)
  uint32_t bank;   // the first of its banks
  bool due;        // not entered yet
  bool wrote;      // direction of the last column command
  uint32_t act_at;
  int64_t act[4];           // the last four ACTs, oldest at act_at: tFAW
  int64_t act_ok, last_pre; // closed banks: earliest ACT; the latest PRE allowed by a column command
  int64_t last_act, group_act[MAX_GROUPS];
  int64_t free[2], group_free[2][MAX_GROUPS]; // earliest next RD, WR: by tCCD_S, by tCCD_L, and when the bus turns
  int64_t row[MAX_BANKS];    // open row, -1 when closed; banks of one number in all groups side by side
  int64_t pre_ok[MAX_BANKS]; // open: earliest PRE; the next ACT is at the earliest tRP behind it
};

/// What follows a column command: next one in the same group, earliest precharge, the first of the other direction in
/// another group and in this one. Read data must leave the bus before write data enters, with one clock of gap.
struct after {
  int64_t ccd_l, close, turn_s, turn_l;
};

struct vb_dram {
  struct vb_dram_part part;
  struct after after[2]; // a read, a write
  struct wide {
    int64_t rcd, rp, ras, rrd_s, rrd_l, faw;
  } t; // of the part
  int64_t ccd_s;
  int64_t before, behind[2];                   // controller until a column command; from there to the accelerator
  uint64_t burst, chunk;                       // bytes of a column, bytes in one channel in a row; less one
  uint64_t span, channels;                     // a chunk of each channel; channels less one
  uint64_t piece, whole;                       // see vb_dram_access; less one
  uint64_t channel_bits, group_bits, row_bits; // of an address; row: and bank
  uint32_t burst_log2, chunk_log2, span_log2, rows_log2, banks_log2; // rows: of all groups
  uint32_t clock_ps;
  double per_clock, round_up; // its inverse; it less a half
  uint64_t paced; // beats of up to so many bytes come faster than the bus takes them: only the first of a run can wait
  bool in_turn;   // columns tCCD_S apart never wait for their group
  bool noise;
  uint64_t seed, accesses;
  struct vb_dram_stats stats;
  struct channel ch[MAX_CHANNELS];
};

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }
static bool pow2(uint32_t x) { return x && !(x & (x - 1)); }
static uint32_t log2_of(uint32_t x) { return 31u - (uint32_t)__builtin_clz(x); }

void vb_dram_reset(struct vb_dram *d) {
  memset(&d->stats, 0, sizeof d->stats);
  d->accesses = 0;
  for (uint32_t c = 0; c < d->part.channels; c++) {
    struct channel *ch = &d->ch[c];
    *ch = (struct channel){.key = NO_KEY};
    memset(ch->row, -1, sizeof ch->row);
    for (int i = 0; i < 4; i++) ch->act[i] = T_NONE;
    for (int g = 0; g < MAX_GROUPS; g++) ch->group_act[g] = ch->group_free[0][g] = ch->group_free[1][g] = T_NONE;
    ch->on = ch->act_ok = ch->last_pre = ch->last_act = ch->free[0] = ch->free[1] = T_NONE;
    // All channels together: an interleaved stream would otherwise wait for each of them in turn.
    ch->refresh = d->part.rfc ? d->part.refi : INT64_MAX;
  }
}

/// The address in its channel of an address; and back, to channel 0.
static inline uint64_t in_channel(const struct vb_dram *d, uint64_t address) {
  return (address >> d->span_log2 << d->chunk_log2) + (address & d->chunk);
}

static uint64_t spread(const struct vb_dram *d, uint64_t in) {
  return (in >> d->chunk_log2 << d->span_log2) + (in & d->chunk);
}

struct vb_dram *vb_dram_new(const struct vb_dram_part *part, uint32_t clock_ps, bool noise, uint64_t seed) {
  if (!pow2(part->channels) || part->channels > MAX_CHANNELS || !pow2(part->bank_groups) ||
      part->bank_groups > MAX_GROUPS || !pow2(part->banks_per_group) ||
      part->bank_groups * part->banks_per_group > MAX_BANKS || !pow2(part->burst_bytes) || !pow2(part->row_bytes) ||
      !pow2(part->interleave) || part->interleave < part->burst_bytes || part->ccd_l < part->ccd_s ||
      part->ccd_l_wr < part->ccd_s || part->cwl > part->cl + part->burst + part->tck || clock_ps == 0)
    return NULL;
  struct vb_dram *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->part = *part;
  const uint64_t rows = (uint64_t)part->row_bytes * part->bank_groups;
  d->burst_log2 = log2_of(part->burst_bytes);
  d->chunk_log2 = log2_of(part->interleave);
  d->span_log2 = d->chunk_log2 + log2_of(part->channels);
  d->rows_log2 = log2_of(part->row_bytes) + log2_of(part->bank_groups);
  d->banks_log2 = log2_of(part->banks_per_group);
  d->burst = part->burst_bytes - 1;
  d->chunk = part->interleave - 1;
  d->channels = part->channels - 1;
  d->span = (uint64_t)part->interleave * part->channels;
  d->piece = ((part->interleave < rows ? rows * part->channels : rows) - 1) | d->burst;
  d->whole = d->chunk & d->piece;
  d->piece &= ((uint64_t)MAX_COLUMNS << d->burst_log2) - 1;
  d->channel_bits = d->span - part->interleave;
  d->row_bits = ~spread(d, rows - 1) & ~d->channel_bits;
  d->group_bits = spread(d, (part->bank_groups - 1ull) << d->burst_log2);
  const int64_t rd = (int64_t)part->cl + part->burst, wr = (int64_t)part->cwl + part->burst;
  const int64_t turn = rd + part->tck - part->cwl;
  d->after[0] = (struct after){part->ccd_l, part->rtp, turn, turn};
  d->after[1] = (struct after){part->ccd_l_wr, wr + part->wr, wr + part->wtr_s, wr + part->wtr_l};
  d->t = (struct wide){part->rcd, part->rp, part->ras, part->rrd_s, part->rrd_l, part->faw};
  d->ccd_s = part->ccd_s;
  d->before = part->controller / 2;
  d->behind[0] = part->controller - d->before + rd;
  d->behind[1] = part->controller - d->before + wr;
  d->in_turn = later(part->ccd_l, part->ccd_l_wr) <= d->ccd_s * part->bank_groups;
  d->clock_ps = clock_ps;
  d->per_clock = 1.0 / clock_ps;
  d->round_up = clock_ps - 0.5;
  if (part->ccd_s <= clock_ps) d->paced = (uint64_t)clock_ps * part->burst_bytes / (part->ccd_s ? part->ccd_s : 1);
  if (part->interleave < d->paced) d->paced = part->interleave;
  d->noise = noise;
  d->seed = seed;
  vb_dram_reset(d);
  return d;
}

void vb_dram_free(struct vb_dram *d) { free(d); }
const struct vb_dram_stats *vb_dram_get_stats(const struct vb_dram *d) { return &d->stats; }

/// What the last access to group g, at `cas`, leaves behind; bank: the first of those that it belongs to.
static inline void leave(struct channel *ch, const struct after *k, uint32_t bank, uint32_t g, int64_t cas,
                         bool write) {
  ch->group_free[write][g] = cas + k->ccd_l;
  if (write) ch->group_free[0][g] = later(ch->group_free[0][g], cas + k->turn_l);
  ch->pre_ok[bank + g] = later(ch->pre_ok[bank + g], cas + k->close);
}

/// The same of the whole channel.
static inline void leave_channel(const struct vb_dram *d, struct channel *ch, int64_t cas, bool write) {
  const struct after *k = &d->after[write];
  ch->free[write] = cas + d->ccd_s;
  ch->free[!write] = later(ch->free[!write], cas + k->turn_s);
  ch->last_pre = later(ch->last_pre, cas + k->close);
}

/// First of the banks of row x (bank and row as one number). Low row bits permute the banks, so that power-of-two strides
/// do not all meet in one.
static uint32_t bank_of(const struct vb_dram *d, uint64_t x) {
  return ((uint32_t)(x ^ x >> d->banks_log2) & (d->part.banks_per_group - 1)) * d->part.bank_groups;
}

/// The same of columns tCCD_S apart, no two in one group.
static inline void leave_each(const struct vb_dram *d, struct channel *ch, uint64_t from, uint32_t columns,
                              int64_t cas) {
  const struct after *k = &d->after[ch->wrote];
  const uint32_t group = (uint32_t)(in_channel(d, from) >> d->burst_log2), mask = d->part.bank_groups - 1;
  for (uint32_t i = 0; i < columns; i++, cas += d->ccd_s) leave(ch, k, ch->bank, (group + i) & mask, cas, ch->wrote);
}

/// Enters what is due, but for what leave_channel does.
static void enter(const struct vb_dram *d, struct channel *ch) {
  leave_each(d, ch, ch->next, d->part.bank_groups, ch->on - d->part.bank_groups * d->ccd_s);
  ch->due = false;
}

/// A run of fewer columns than groups, which the next one does not make up for.
static __attribute__((noinline)) void few(const struct vb_dram *d, struct channel *ch, uint64_t from, uint32_t columns,
                                          int64_t cas) {
  if (ch->due) {
    leave_channel(d, ch, ch->on - d->ccd_s, ch->wrote);
    enter(d, ch);
  }
  leave_each(d, ch, from, columns, cas);
  leave_channel(d, ch, cas + (columns - 1) * d->ccd_s, ch->wrote);
}

/// All refreshes due by t: banks are precharged, the channel rests for tRFC.
static void refresh(struct vb_dram *d, struct channel *ch, int64_t t) {
  const struct vb_dram_part *p = &d->part;
  for (; ch->refresh <= t; ch->refresh += p->refi) {
    const int64_t pre = later(ch->last_pre, ch->last_act + p->ras);
    ch->act_ok = later(ch->refresh, later(ch->act_ok, pre + p->rp)) + p->rfc;
    d->stats.refreshes++;
  }
  memset(ch->row, -1, p->bank_groups * p->banks_per_group * sizeof *ch->row);
}

/// The general run: the first access to each group may open its bank and waits for whatever came before; the others
/// follow at tCCD. cas[i]: time of column i; returns how many were stored, the others follow at tCCD_S.
static __attribute__((noinline)) uint32_t any_run(struct vb_dram *d, struct channel *ch, uint64_t key, uint64_t from,
                                                  uint64_t next, uint32_t columns, int64_t t, int64_t *cas) {
  const bool write = key & WRITE;
  const uint64_t in = in_channel(d, from), x = in >> d->rows_log2;
  const struct vb_dram_part *p = &d->part;
  const struct after *k = &d->after[write];
  const uint32_t groups = p->bank_groups, mask = groups - 1, bank = bank_of(d, x),
                 group = (uint32_t)(in >> d->burst_log2);
  const uint32_t first = columns < groups ? columns : groups, stored = d->in_turn ? first : columns;
  const int64_t row = (int64_t)(x >> d->banks_log2);
  if (ch->due) leave_channel(d, ch, ch->on - d->ccd_s, ch->wrote);
  if (ch->refresh <= t) {
    refresh(d, ch, t);
    // All banks are closed. Often no group has to wait either, and all that would be entered is overwritten by this run.
    if (!write && !ch->wrote && columns >= groups && later(t, ch->act_ok) + d->t.rcd >= ch->on - d->ccd_s + k->ccd_l)
      ch->due = false;
  }
  if (ch->due) enter(d, ch);
  d->stats.turnarounds += ch->wrote != write;
  ch->wrote = write;
  ch->bank = bank;
  int64_t at = later(t, ch->free[write]), act = ch->last_act;
  const int64_t closed = later(t, ch->act_ok);
  uint32_t oldest = ch->act_at, opened = 0, conflicts = 0;
  for (uint32_t i = 0; i < first; i++) {
    const uint32_t g = (group + i) & mask, b = bank + g;
    at = later(at, ch->group_free[write][g]);
    if (ch->row[b] != row) { // opens it
      int64_t from = closed;
      if (ch->row[b] >= 0) {
        from = later(t, ch->pre_ok[b]) + d->t.rp;
        conflicts++;
      }
      opened++;
      act = later(later(from, act + d->t.rrd_s), later(ch->group_act[g] + d->t.rrd_l, ch->act[oldest] + d->t.faw));
      ch->act[oldest] = ch->group_act[g] = act;
      oldest = (oldest + 1) & 3;
      ch->row[b] = row;
      ch->pre_ok[b] = act + d->t.ras;
      at = later(at, act + d->t.rcd);
    }
    cas[i] = at;
    at += d->ccd_s;
  }
  ch->last_act = act;
  ch->act_at = oldest;
  d->stats.hits -= opened;
  d->stats.misses += opened - conflicts;
  d->stats.conflicts += conflicts;
  for (uint32_t i = first; i < stored; i++) {
    cas[i] = at = later(at, cas[i - groups] + k->ccd_l);
    at += d->ccd_s;
  }
  at += (columns - stored) * d->ccd_s;
  ch->on = at;
  ch->next = next;
  ch->key = NO_KEY;
  if (columns >= groups && d->in_turn) {
    ch->key = key;
    // Are the last of each group tCCD_S apart?
    ch->due = columns >= 2 * groups - 1 ||
              cas[columns - groups] + (int64_t)(2 * groups - columns - 1) * d->ccd_s == cas[groups - 1];
  }
  if (ch->due) return stored;
  for (uint32_t i = columns - first; i < columns; i++) {
    const int64_t c = i < stored ? cas[i] : cas[stored - 1] + (i - stored + 1) * d->ccd_s;
    leave(ch, k, bank, (group + i) & mask, c, write);
  }
  leave_channel(d, ch, at - d->ccd_s, write);
  return stored;
}

/// Columns of one channel tCCD_S apart behind its last run, when it may go on so: those from an address on in the row of
/// `key` in every group, at time t. In a channel, from low to high, an address is: byte of the burst, bank group, column,
/// bank, row. So a stream alternates between bank groups.
static inline bool follow(const struct vb_dram *d, struct channel *ch, uint64_t key, uint64_t from, uint64_t next,
                          uint32_t columns, int64_t t, int64_t *cas) {
  if (ch->key != key || t >= ch->refresh) return false;
  if ((from ^ ch->next) & d->group_bits && t < ch->on - d->ccd_s + d->after[ch->wrote].ccd_l) return false;
  *cas = t = later(t, ch->on);
  if (columns < d->part.bank_groups) few(d, ch, from, columns, t);
  else ch->due = true;
  ch->on = t + columns * d->ccd_s;
  ch->next = next;
  return true;
}

/// Cycles that begin in the next `ps`: exact below 2^51, because a half is further from a multiple than rounding goes.
static inline int64_t cycles_of(const struct vb_dram *d, int64_t ps) {
  return (int64_t)(((double)ps + d->round_up) * d->per_clock);
}

/// n beats from `cycle` on. Two at a time, because this was half of the model's time.
static inline void stream(uint64_t *ready, uint64_t n, uint64_t cycle) {
  typedef uint64_t pair __attribute__((vector_size(16)));
  pair a = {cycle, cycle + 1};
  for (uint64_t *end = ready + (n & ~3ull); ready != end; ready += 4, a += 4) {
    const pair b = a + 2;
    memcpy(ready, &a, sizeof a);
    memcpy(ready + 2, &b, sizeof b);
  }
  if (n & 2) memcpy(ready, &a, sizeof a);
  if (n & 1) ready[n & 2] = a[0] + (n & 2);
}

/// Beats of an access on the bus. They follow one another until one waits for its data, so they are stored only then:
/// from `beat` on, each i is in cycle + i.
struct bus {
  uint64_t *ready, address;
  int64_t now, behind; // a column command's data is there so much later, where time starts now
  int64_t latest;      // column command that a beat waited for
  int64_t beat, cycle;
  uint32_t beat_log2;
  bool paced;
};

/// The beat of the column at an address waits for its command.
static inline void wait_for(const struct vb_dram *d, struct bus *b, int64_t cas, uint64_t column) {
  if (cas <= b->latest) return;
  b->latest = cas;
  const int64_t cycle = b->now + cycles_of(d, cas + b->behind), at = (int64_t)(column - b->address);
  const int64_t beat = at > 0 ? at >> b->beat_log2 : 0;
  if (cycle <= b->cycle + beat) return;
  stream(b->ready + b->beat, (uint64_t)(beat - b->beat), (uint64_t)(b->cycle + b->beat));
  b->beat = beat;
  b->cycle = cycle - beat;
}

/// A channel's part of a piece: times of its first columns, the others follow at tCCD_S.
struct part {
  const int64_t *cas;
  uint64_t stored, seen; // columns that beats waited for
};

/// Beats whose last columns are in one chunk wait for them.
static __attribute__((noinline)) void wait_for_each(const struct vb_dram *d, struct bus *b, struct part *k,
                                                    uint64_t from, uint64_t until) {
  const uint64_t step = 1ull << b->beat_log2 > d->burst ? 1ull << b->beat_log2 : d->burst + 1;
  for (uint64_t c = from | (step - 1); c < until; c += step) {
    const uint64_t i = k->seen + ((c - from) >> d->burst_log2);
    const int64_t cas = i < k->stored ? k->cas[i] : k->cas[k->stored - 1] + (int64_t)(i - k->stored + 1) * d->ccd_s;
    wait_for(d, b, cas, c & ~d->burst);
    if (b->paced && i + 1 >= k->stored) break;
  }
  k->seen += (until - from) >> d->burst_log2;
}

/// Mostly none, sometimes up to 63 cycles: what a shared controller does to its clients.
static int64_t noise(struct vb_dram *d) {
  const uint64_t h = vb_hash2(d->seed ^ 0x6d656d6f7279u, d->accesses++);
  return (h & 7) < 5 ? 0 : (int64_t)((h >> 8) & 63) * d->clock_ps;
}

uint64_t vb_dram_access(struct vb_dram *d, uint64_t now, uint64_t address, uint32_t beats, uint32_t beat_bytes,
                        bool write, uint64_t bus, uint64_t *ready) {
  const uint64_t begin = address & ~d->burst, stop = (address + (uint64_t)beats * beat_bytes + d->burst) & ~d->burst;
  const int64_t start = (int64_t)now * d->clock_ps, arrive = start + d->before;
  const int64_t cycle = later((int64_t)now + 1, (int64_t)bus);
  int64_t behind = d->behind[write] - start;
  if (d->noise) behind += noise(d);
  d->stats.hits += (stop - begin) >> d->burst_log2; // any_run knows better
  *(write ? &d->stats.bytes_written : &d->stats.bytes_read) += stop - begin;
  const bool paced = beat_bytes <= d->paced;
  const int64_t lead = (int64_t)((beat_bytes - 1) >> d->burst_log2) * d->ccd_s;
  if (paced && stop <= (begin | d->whole) + 1) { // often: one run that goes on
    struct channel *ch = &d->ch[(begin >> d->chunk_log2) & d->channels];
    int64_t cas;
    if (follow(d, ch, (begin & d->row_bits) | (write ? WRITE : 0), begin, (begin | d->channel_bits) + (stop - begin),
               (uint32_t)((stop - begin) >> d->burst_log2), arrive, &cas)) {
      if (ready) stream(ready, beats, (uint64_t)later(cycle, (int64_t)now + cycles_of(d, cas + lead + behind)));
      return now + (uint64_t)cycles_of(d, ch->on - d->ccd_s + behind);
    }
  }
  struct bus b = {ready, address, (int64_t)now,        behind, ready ? INT64_MIN : INT64_MAX,
                  0,     cycle,   log2_of(beat_bytes), paced};
  int64_t cas[MAX_COLUMNS], last = start;
  for (uint64_t at = begin, next; at < stop; at = next) { // pieces in one row: each channel sees its part as one run
    next = (at | d->piece) + 1;
    if (next > stop) next = stop;
    const uint64_t key = (at & d->row_bits) | (write ? WRITE : 0), again = (at & ~d->chunk) + d->span;
    const uint64_t limit = again < next ? again : next;
    bool more = false; // beats of later chunks may wait
    int64_t *to = cas;
    struct part part[MAX_CHANNELS], *k = part;
    struct channel *ch = &d->ch[(at >> d->chunk_log2) & d->channels];
    for (uint64_t from = at, until; from < limit; from = until) {
      until = (from | d->chunk) + 1;
      if (until > next) until = next;
      uint64_t bytes = until - from, after = (from | d->channel_bits) + bytes;
      if (again < next) { // and each chunk of its channel behind it
        const uint64_t base = from & ~d->chunk, visits = next - base, tail = visits & (d->span - 1);
        bytes = (visits >> d->span_log2 << d->chunk_log2) - (from - base) + (tail > d->chunk ? d->chunk + 1 : tail);
        after = next - tail + (tail > d->chunk ? d->span : tail);
      }
      const uint32_t columns = (uint32_t)(bytes >> d->burst_log2);
      uint32_t stored = 1;
      int64_t t; // of the last column that a beat may wait for, if paced
      if (follow(d, ch, key, from, after, columns, arrive, to)) {
        t = *to + lead;
      } else {
        stored = any_run(d, ch, key, from, after, columns, arrive, to);
        t = to[stored - 1] + (int64_t)(~(stored - 1) & (beat_bytes - 1) >> d->burst_log2) * d->ccd_s;
      }
      last = later(last, ch->on);
      if (again < next) *k = (struct part){to, stored, (until - from) >> d->burst_log2};
      if (t > b.latest || !paced) {
        if (stored == 1 && paced) {
          wait_for(d, &b, t, from);
        } else if (ready) {
          *k = (struct part){to, stored, 0};
          wait_for_each(d, &b, k, from, until);
          more |= stored > (until - from) >> d->burst_log2 || !paced;
        }
      }
      to += stored;
      k++;
      if (++ch == d->ch + d->channels + 1) ch = d->ch;
    }
    if (more) {
      const uint64_t n = (uint64_t)(k - part);
      for (uint64_t from = limit, until, i = 0; from < next; from = until, i++) {
        until = (from | d->chunk) + 1;
        if (until > next) until = next;
        wait_for_each(d, &b, &part[i & (n - 1)], from, until);
      }
    }
  }
  if (ready) stream(ready + b.beat, beats - (uint64_t)b.beat, (uint64_t)(b.cycle + b.beat));
  return now + (uint64_t)cycles_of(d, last - d->ccd_s + behind);
}
