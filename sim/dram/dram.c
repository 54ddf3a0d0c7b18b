// SPDX-License-Identifier: Apache-2.0
// See dram.h. All times are picoseconds since reset; T_NONE means "long ago".
#include "dram.h"
#include <stdlib.h>
#include <string.h>

#define T_NONE (INT64_MIN / 4)
enum { MAX_CHANNELS = 16, MAX_GROUPS = 8, MAX_BANKS = 32, MAX_COLUMNS = 256 };

struct bank {
  int64_t row;    // open row, -1 when closed
  int64_t act_ok; // closed: earliest next ACT
  int64_t cas_ok; // open: earliest RD/WR
  int64_t pre_ok; // open: earliest PRE; the next ACT is at the earliest tRP behind it
};

struct channel {
  struct bank bank[MAX_BANKS]; // those of one number in all groups side by side
  int64_t act[4];              // the last four ACTs, oldest at act_at: tFAW
  uint32_t act_at;
  int64_t group_act[MAX_GROUPS], last_act;
  int64_t group_rd[MAX_GROUPS], group_wr[MAX_GROUPS]; // last column command of each kind and group
  int64_t last_rd, last_wr;
  int64_t group_wr_end[MAX_GROUPS], last_wr_end; // end of write data: tWTR
  int64_t refresh;                               // next refresh is due
  bool wrote;                                    // direction of the last column command
  // A quiet run over all groups of one row (see run) that was not entered into banks and groups yet: the next one
  // in the same row replaces it. NULL: there is none.
  struct bank *bank_due;
  int64_t row_due, cas_due; // cas_due: command of the last round's first column, in group_due
  uint32_t group_due;
};

/// What follows a column command: end of its data, next command in another group and in this one, earliest precharge.
/// turn: from the last command (data) of the other direction; read data must leave the bus before write data enters, with
/// one clock of gap.
struct after {
  int64_t data, ccd_s, ccd_l, close, turn, wtr_l;
};

struct vb_dram {
  struct vb_dram_part part;
  struct after after[2];                                                                      // a read, a write
  uint32_t interleave_log2, channels_log2, burst_log2, groups_log2, columns_log2, banks_log2; // of the address map
  int64_t rotation;   // from group to the same group again at tCCD_S
  uint64_t run_bytes; // see run()
  uint32_t clock_ps;
  double per_clock; // its inverse, a little less
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
    for (int b = 0; b < MAX_BANKS; b++) ch->bank[b] = (struct bank){-1, T_NONE, T_NONE, T_NONE};
    for (int i = 0; i < 4; i++) ch->act[i] = T_NONE;
    for (int g = 0; g < MAX_GROUPS; g++)
      ch->group_act[g] = ch->group_rd[g] = ch->group_wr[g] = ch->group_wr_end[g] = T_NONE;
    ch->last_act = ch->last_rd = ch->last_wr = ch->last_wr_end = T_NONE;
    ch->act_at = 0;
    ch->wrote = false;
    ch->bank_due = NULL;
    // All channels together: an interleaved stream would otherwise wait for each of them in turn.
    ch->refresh = d->part.rfc ? d->part.refi : INT64_MAX;
  }
}

struct vb_dram *vb_dram_new(const struct vb_dram_part *part, uint32_t clock_ps, bool noise, uint64_t seed) {
  if (!pow2(part->channels) || part->channels > MAX_CHANNELS || !pow2(part->bank_groups) ||
      part->bank_groups > MAX_GROUPS || !pow2(part->banks_per_group) ||
      part->bank_groups * part->banks_per_group > MAX_BANKS || !pow2(part->burst_bytes) || !pow2(part->row_bytes) ||
      !pow2(part->interleave) || part->interleave < part->burst_bytes || clock_ps == 0)
    return NULL;
  struct vb_dram *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->part = *part;
  d->interleave_log2 = log2_of(part->interleave);
  d->channels_log2 = log2_of(part->channels);
  d->burst_log2 = log2_of(part->burst_bytes);
  d->groups_log2 = log2_of(part->bank_groups);
  d->columns_log2 = log2_of(part->row_bytes / part->burst_bytes);
  d->banks_log2 = log2_of(part->banks_per_group);
  uint64_t rows = (uint64_t)part->row_bytes * part->bank_groups;
  d->run_bytes = part->interleave < rows ? part->interleave : rows;
  const int64_t rd = (int64_t)part->cl + part->burst, wr = (int64_t)part->cwl + part->burst;
  d->after[0] = (struct after){rd, part->ccd_s, part->ccd_l, part->rtp, part->wtr_s, part->wtr_l};
  d->after[1] = (struct after){wr, part->ccd_s, part->ccd_l_wr, wr + part->wr, rd + part->tck - part->cwl, 0};
  d->rotation = (int64_t)part->ccd_s * part->bank_groups;
  d->clock_ps = clock_ps;
  d->per_clock = (1 - 0x1p-40) / clock_ps;
  d->noise = noise;
  d->seed = seed;
  vb_dram_reset(d);
  return d;
}

void vb_dram_free(struct vb_dram *d) { free(d); }
const struct vb_dram_stats *vb_dram_get_stats(const struct vb_dram *d) { return &d->stats; }

/// What the last access to a group at `cas` leaves behind.
static inline void leave(struct channel *ch, const struct after *k, struct bank *bank, uint32_t g, int64_t cas,
                         bool write) {
  (write ? ch->group_wr : ch->group_rd)[g] = cas;
  if (write) ch->group_wr_end[g] = cas + k->data;
  bank[g].pre_ok = later(bank[g].pre_ok, cas + k->close);
}

/// Enters what is due.
static void enter(struct vb_dram *d, struct channel *ch) {
  const struct after *k = &d->after[ch->wrote];
  const uint32_t groups = d->part.bank_groups;
  for (uint32_t i = 0; i < groups; i++)
    leave(ch, k, ch->bank_due, (ch->group_due + i) & (groups - 1), ch->cas_due + i * k->ccd_s, ch->wrote);
  ch->bank_due = NULL;
}

/// All refreshes due by t: banks are precharged, the channel rests for tRFC.
static void refresh(struct vb_dram *d, struct channel *ch, int64_t t) {
  const struct vb_dram_part *p = &d->part;
  uint32_t banks = p->bank_groups * p->banks_per_group;
  if (ch->bank_due) enter(d, ch);
  while (ch->refresh <= t) {
    int64_t start = ch->refresh;
    for (uint32_t b = 0; b < banks; b++) // includes the precharge
      start = later(start, ch->bank[b].row < 0 ? ch->bank[b].act_ok : ch->bank[b].pre_ok + p->rp);
    for (uint32_t b = 0; b < banks; b++) {
      ch->bank[b].row = -1;
      ch->bank[b].act_ok = start + p->rfc;
    }
    ch->refresh += p->refi;
    d->stats.refreshes++;
  }
}

static int64_t activate(const struct vb_dram_part *p, struct channel *ch, struct bank *bk, uint32_t group, int64_t t,
                        int64_t row) {
  t = later(t, ch->last_act + p->rrd_s);
  t = later(t, ch->group_act[group] + p->rrd_l);
  t = later(t, ch->act[ch->act_at] + p->faw);
  ch->act[ch->act_at] = t;
  ch->act_at = (ch->act_at + 1) & 3;
  ch->last_act = ch->group_act[group] = t;
  bk->row = row;
  bk->cas_ok = t + p->rcd;
  bk->pre_ok = t + p->ras;
  return t;
}

/// Column accesses one after another from `address` in one row of every bank group, which reach the channel at time t. In
/// a channel, from low to high, an address is: byte of the burst, bank group, column, bank, row. So a stream alternates
/// between bank groups and runs at tCCD_S. end[i]: end of the data of column i on the bus. True when they are tCCD_S apart
/// and only the first was stored. Always inlined, so that reads and writes are code
/// of their own.
static inline __attribute__((always_inline)) bool run(struct vb_dram *d, uint64_t address, uint32_t columns,
                                                      const int64_t t, const bool write, int64_t *end) {
  const struct vb_dram_part *p = &d->part;
  const uint64_t chunk = address >> d->interleave_log2;
  struct channel *ch = &d->ch[chunk & (p->channels - 1)];
  const uint64_t in = (chunk >> d->channels_log2 << d->interleave_log2) + (address & (p->interleave - 1));
  uint64_t x = in >> d->burst_log2;
  const uint32_t groups = p->bank_groups, mask = groups - 1, group = (uint32_t)x & mask,
                 bank_mask = p->banks_per_group - 1;
  x >>= d->groups_log2 + d->columns_log2;
  const int64_t row = (int64_t)(x >> d->banks_log2);
  // Low row bits permute the banks, so that power-of-two strides do not all meet in one.
  struct bank *bank = &ch->bank[(uint64_t)(((uint32_t)x ^ (uint32_t)row) & bank_mask) << d->groups_log2];
  if (ch->refresh <= t) refresh(d, ch, t);

  const struct after *k = &d->after[write];
  const int64_t data = k->data, ccd_s = k->ccd_s, ccd_l = k->ccd_l;
  const uint32_t first = columns < groups ? columns : groups, last = columns - first;
  uint32_t hits = last;
  int64_t cas = write ? ch->last_wr : ch->last_rd;
  // The direction of the bus may have to turn.
  const int64_t from = later(t, (write ? ch->last_rd : ch->last_wr_end) + k->turn);
  // Whatever came before is past: where rows are open, commands go at tCCD_S from the first moment on.
  bool quiet = from >= cas + ccd_l && (write || from >= ch->last_wr_end + k->wtr_l) && ccd_l <= d->rotation;
  if (!quiet || ch->bank_due != bank || ch->row_due != row || ch->wrote != write || columns < groups) {
    if (ch->bank_due) enter(d, ch);
    for (uint32_t i = 0; i < first; i++) quiet = quiet && bank[(group + i) & mask].row == row;
    if (ch->wrote != write) d->stats.turnarounds++;
    ch->wrote = write;
  }
  if (quiet) {
    hits = columns;
    end[0] = from + data;
    cas = from + (int64_t)(columns - 1) * ccd_s;
    if (columns >= groups) {
      ch->bank_due = bank;
      ch->row_due = row;
      ch->cas_due = from + (int64_t)last * ccd_s;
      ch->group_due = (group + last) & mask;
    } else {
      for (uint32_t i = 0; i < columns; i++) leave(ch, k, bank, (group + i) & mask, from + i * ccd_s, write);
    }
  } else {
    // The first access to each group may open its bank and waits for whatever came before; the others follow at tCCD.
    const int64_t *group_last = write ? ch->group_wr : ch->group_rd;
    for (uint32_t i = 0; i < first; i++) {
      const uint32_t g = (group + i) & mask;
      struct bank *bk = bank + g;
      if (bk->row == row) {
        hits++;
      } else if (bk->row < 0) {
        d->stats.misses++;
        activate(p, ch, bk, g, later(t, bk->act_ok), row);
      } else {
        d->stats.conflicts++;
        activate(p, ch, bk, g, later(t, bk->pre_ok) + p->rp, row);
      }
      cas = later(later(later(from, bk->cas_ok), cas + ccd_s), group_last[g] + ccd_l);
      if (!write) cas = later(cas, ch->group_wr_end[g] + k->wtr_l);
      end[i] = cas + data;
    }
    for (uint32_t i = first; i < columns; i++) {
      cas = later(cas + ccd_s, end[i - groups] - data + ccd_l);
      end[i] = cas + data;
    }
    for (uint32_t i = last; i < columns; i++) leave(ch, k, bank, (group + i) & mask, end[i] - data, write);
  }
  d->stats.hits += hits;
  if (write) {
    ch->last_wr = cas;
    ch->last_wr_end = cas + data;
    d->stats.bytes_written += (uint64_t)columns << d->burst_log2;
  } else {
    ch->last_rd = cas;
    d->stats.bytes_read += (uint64_t)columns << d->burst_log2;
  }
  return quiet;
}

/// Times of an access while its beats are being finished one after another.
struct finish {
  int64_t clock, behind; // behind: from the end of the data to the accelerator
  double per_clock;
  int64_t last, there; // end of the data so far; time of `cycle`
  uint64_t cycle;
};

/// First cycle in which data that leaves the bus at `end`, and all data before it, can be there.
static inline uint64_t finish(struct finish *f, int64_t end) {
  f->last = later(f->last, end);
  const int64_t t = f->last + f->behind;
  if (t > f->there + 4 * f->clock) { // most of the way in one step, which may be short but not too far
    const int64_t jump = (int64_t)((double)(t - f->there) * f->per_clock);
    f->cycle += (uint64_t)jump;
    f->there += jump * f->clock;
  }
  const bool step = f->there < t; // the usual one, without a branch that cannot be foretold
  f->cycle += step;
  f->there += step ? f->clock : 0;
  for (; f->there < t; f->there += f->clock) f->cycle++;
  return f->cycle;
}

static inline bool run_of(struct vb_dram *d, uint64_t address, uint32_t columns, int64_t t, bool write, int64_t *end) {
  return write ? run(d, address, columns, t, true, end) : run(d, address, columns, t, false, end);
}

/// An access to two channels in turn, each of which sees its part as one run. False: it is too short for that, or too long, or
/// a row ends in it.
static bool two_channels(struct vb_dram *d, uint64_t at, uint64_t stop, int64_t t, bool write, struct finish *f,
                         uint64_t beat_end, uint32_t beat_bytes, uint64_t *ready) {
  const uint32_t inter = d->part.interleave, chunk_log2 = d->interleave_log2 - d->burst_log2,
                 chunk_columns = 1u << chunk_log2;
  const uint64_t rows = (uint64_t)d->part.row_bytes * d->part.bank_groups * 2;
  const uint64_t begin = at & ~(uint64_t)(inter - 1), burst = d->part.burst_bytes;
  const uint64_t until = (stop + burst - 1) & ~(burst - 1), second = begin + inter;
  if (until <= second + inter || (begin ^ (until - 1)) & ~(rows - 1) || until - at > MAX_COLUMNS * burst) return false;
  // Columns of each: whole chunks, less what is missing at the begin and at the end.
  const uint64_t chunks = (until - begin + inter - 1) >> d->interleave_log2;
  uint32_t columns[2] = {(uint32_t)((chunks + 1) / 2) * chunk_columns, (uint32_t)(chunks / 2) * chunk_columns};
  const uint32_t skip = (uint32_t)((at - begin) >> d->burst_log2);
  columns[0] -= skip;
  columns[(chunks - 1) & 1] -= (uint32_t)((begin + chunks * inter - until) >> d->burst_log2);
  int64_t end[2][MAX_COLUMNS];
  const bool even[2] = {run_of(d, at, columns[0], t, write, end[0]), run_of(d, second, columns[1], t, write, end[1])};
  for (; beat_end <= stop; beat_end += beat_bytes) {
    const uint64_t column = (beat_end - 1 - begin) >> d->burst_log2, chunk = column >> chunk_log2;
    const uint32_t side = (uint32_t)chunk & 1;
    const uint64_t k = (chunk >> 1) * chunk_columns + (column & (chunk_columns - 1)) - (side ? 0 : skip);
    *ready++ = finish(f, even[side] ? end[side][0] + (int64_t)k * d->part.ccd_s : end[side][k]);
  }
  return true;
}

uint64_t vb_dram_access(struct vb_dram *d, uint64_t now, uint64_t address, uint32_t beats, uint32_t beat_bytes,
                        bool write, uint64_t *ready) {
  const struct vb_dram_part *p = &d->part;
  // Half of the controller's latency is before the DRAM, half behind it.
  const int64_t clock = d->clock_ps, begin = (int64_t)now * clock, arrive = begin + p->controller / 2;
  struct finish f = {clock, p->controller - p->controller / 2, d->per_clock, begin, begin, now};
  if (d->noise) { // mostly none, sometimes up to 63 cycles: what a shared controller does to its clients
    uint64_t h = vb_hash2(d->seed ^ 0x6d656d6f7279u, d->accesses);
    f.behind += (h & 7) < 5 ? 0 : (int64_t)((h >> 8) & 63) * clock;
  }
  d->accesses++;
  const uint64_t stop = address + (uint64_t)beats * beat_bytes;
  uint64_t at = address & ~(uint64_t)(p->burst_bytes - 1), beat_end = address + beat_bytes;
  if (p->channels == 2 && two_channels(d, at, stop, arrive, write, &f, beat_end, beat_bytes, ready)) return f.cycle;
  int64_t end[MAX_COLUMNS];
  while (at < stop) {
    uint64_t to = (at & ~(d->run_bytes - 1)) + d->run_bytes;
    if (to > stop) to = stop;
    uint32_t columns = (uint32_t)((to - at + p->burst_bytes - 1) >> d->burst_log2);
    if (columns > MAX_COLUMNS) columns = MAX_COLUMNS;
    const bool even = run_of(d, at, columns, arrive, write, end);
    const uint64_t next = at + ((uint64_t)columns << d->burst_log2);
    for (; beat_end <= next && beat_end <= stop; beat_end += beat_bytes) { // a beat is there with its last column
      const uint64_t column = (beat_end - 1 - at) >> d->burst_log2;
      *ready++ = finish(&f, even ? end[0] + (int64_t)column * p->ccd_s : end[column]);
    }
    at = next;
  }
  return f.cycle;
}
