// SPDX-License-Identifier: Apache-2.0
// See dram.h. All times are picoseconds since reset; T_NONE means "long ago".
#include "dram.h"
#include <stdlib.h>
#include <string.h>

#define T_NONE (INT64_MIN / 4)
#define NO_KEY UINT64_MAX
enum { MAX_CHANNELS = 16, MAX_GROUPS = 8, MAX_BANKS = 32, MAX_COLUMNS = 256 };

struct channel {
  // The last run, if it opened a row of all groups (see run). One in the same row and direction continues it: only its
  // last round of columns matters to what comes later, so it is entered into banks and groups when another one comes.
  uint64_t key;              // of its row and direction, or NO_KEY
  int64_t calm;              // its direction can go on in any group
  uint32_t next;             // column behind its last
  bool due;                  // not entered yet
  bool wrote;                // direction of the last column command
  int64_t refresh;           // next refresh is due
  int64_t row[MAX_BANKS];    // open row, -1 when closed; banks of one number in all groups side by side
  int64_t pre_ok[MAX_BANKS]; // open: earliest PRE; the next ACT is at the earliest tRP behind it
  int64_t act_ok, last_pre;  // closed banks: earliest ACT; the latest PRE allowed by a column command
  int64_t act[4];            // the last four ACTs, oldest at act_at: tFAW
  uint32_t act_at;
  int64_t last_act, group_act[MAX_GROUPS];
  int64_t free[2], group_free[2][MAX_GROUPS]; // earliest next RD, WR: by tCCD_S, by tCCD_L, and when the bus turns
};

/// What follows a column command: end of its data, next one in another group and in this one, earliest precharge, the
/// first of the other direction in another group and in this one. Read data must leave the bus before write data enters,
/// with one clock of gap.
struct after {
  int64_t data, ccd_s, ccd_l, close, turn_s, turn_l;
};

struct vb_dram {
  struct vb_dram_part part;
  struct after after[2];                                                      // a read, a write
  uint32_t interleave_log2, channels_log2, burst_log2, rows_log2, banks_log2; // of the address map; rows: of all groups
  uint64_t piece;                                                             // see vb_dram_access
  uint32_t clock_ps;
  double per_clock, round_up; // its inverse; it less a half
  uint64_t paced; // beats of up to so many bytes come faster than the bus takes them: only the first of a run can wait
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
    ch->act_ok = ch->last_pre = ch->last_act = ch->free[0] = ch->free[1] = T_NONE;
    // All channels together: an interleaved stream would otherwise wait for each of them in turn.
    ch->refresh = d->part.rfc ? d->part.refi : INT64_MAX;
  }
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
  d->interleave_log2 = log2_of(part->interleave);
  d->channels_log2 = log2_of(part->channels);
  d->burst_log2 = log2_of(part->burst_bytes);
  d->banks_log2 = log2_of(part->banks_per_group);
  const uint64_t rows = (uint64_t)part->row_bytes * part->bank_groups;
  while (1ull << d->rows_log2 < rows) d->rows_log2++;
  d->piece = part->interleave < rows ? rows * part->channels : rows;
  const int64_t rd = (int64_t)part->cl + part->burst, wr = (int64_t)part->cwl + part->burst;
  const int64_t turn = rd + part->tck - part->cwl;
  d->after[0] = (struct after){rd, part->ccd_s, part->ccd_l, part->rtp, turn, turn};
  d->after[1] = (struct after){wr, part->ccd_s, part->ccd_l_wr, wr + part->wr, wr + part->wtr_s, wr + part->wtr_l};
  d->clock_ps = clock_ps;
  d->per_clock = 1.0 / clock_ps;
  d->round_up = clock_ps - 0.5;
  if (part->ccd_s <= clock_ps) d->paced = (uint64_t)clock_ps * part->burst_bytes / (part->ccd_s ? part->ccd_s : 1);
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
static inline void leave_channel(struct channel *ch, const struct after *k, int64_t cas, bool write) {
  ch->free[write] = cas + k->ccd_s;
  ch->free[!write] = later(ch->free[!write], cas + k->turn_s);
  ch->last_pre = later(ch->last_pre, cas + k->close);
}

/// First of the banks of row x (bank and row as one number). Low row bits permute the banks, so that power-of-two strides
/// do not all meet in one.
static uint32_t bank_of(const struct vb_dram *d, uint64_t x) {
  return ((uint32_t)(x ^ x >> d->banks_log2) & (d->part.banks_per_group - 1)) * d->part.bank_groups;
}

/// What a run of columns tCCD_S apart leaves behind, no two in one group.
static void leave_run(const struct vb_dram *d, struct channel *ch, uint32_t bank, uint32_t group, uint32_t columns,
                      int64_t cas, bool write) {
  const struct after *k = &d->after[write];
  for (uint32_t i = 0; i < columns; i++)
    leave(ch, k, bank, (group + i) & (d->part.bank_groups - 1), cas + i * k->ccd_s, write);
  leave_channel(ch, k, cas + (columns - 1) * k->ccd_s, write);
}

/// Enters what is due.
static void enter(const struct vb_dram *d, struct channel *ch) {
  const uint32_t groups = d->part.bank_groups;
  const struct after *k = &d->after[ch->wrote];
  const int64_t first = ch->calm - k->ccd_l - (groups - 1) * k->ccd_s;
  leave_run(d, ch, bank_of(d, ch->key >> 1), ch->next, groups, first, ch->wrote);
  ch->due = false;
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

/// Opens a row of a closed bank at the earliest at time t. Returns the earliest RD or WR.
static inline int64_t activate(const struct vb_dram_part *p, struct channel *ch, uint32_t bank, uint32_t group,
                               int64_t t, int64_t row) {
  t = later(t, ch->last_act + p->rrd_s);
  t = later(t, ch->group_act[group] + p->rrd_l);
  t = later(t, ch->act[ch->act_at] + p->faw);
  ch->act[ch->act_at] = t;
  ch->act_at = (ch->act_at + 1) & 3;
  ch->last_act = ch->group_act[group] = t;
  ch->row[bank] = row;
  ch->pre_ok[bank] = t + p->ras;
  return t + p->rcd;
}

/// The general run: the first access to each group may open its bank and waits for whatever came before; the others
/// follow at tCCD. end[i]: end of the data of column i on the bus.
static void any_run(struct vb_dram *d, struct channel *ch, uint64_t x, uint32_t group, uint32_t columns, int64_t t,
                    bool write, int64_t *end) {
  const struct vb_dram_part *p = &d->part;
  const struct after *k = &d->after[write];
  const uint32_t groups = p->bank_groups, mask = groups - 1, bank = bank_of(d, x);
  const uint32_t first = columns < groups ? columns : groups;
  const int64_t row = (int64_t)(x >> d->banks_log2);
  if (ch->due) enter(d, ch);
  if (ch->refresh <= t) refresh(d, ch, t);
  d->stats.turnarounds += ch->wrote != write;
  ch->wrote = write;
  int64_t cas = later(t, ch->free[write]) - k->ccd_s;
  for (uint32_t i = 0; i < first; i++) {
    const uint32_t g = (group + i) & mask, b = bank + g;
    cas = later(cas + k->ccd_s, ch->group_free[write][g]);
    if (ch->row[b] != row) {
      const bool closed = ch->row[b] < 0;
      d->stats.hits--;
      (*(closed ? &d->stats.misses : &d->stats.conflicts))++;
      cas = later(cas, activate(p, ch, b, g, closed ? later(t, ch->act_ok) : later(t, ch->pre_ok[b]) + p->rp, row));
    }
    end[i] = cas + k->data;
  }
  for (uint32_t i = first; i < columns; i++) {
    cas = later(cas + k->ccd_s, end[i - groups] - k->data + k->ccd_l);
    end[i] = cas + k->data;
  }
  ch->calm = cas + k->ccd_l;
  ch->next = group + columns;
  ch->key = NO_KEY;
  if (columns >= groups && k->ccd_l <= k->ccd_s * groups) { // from now on a group is free again when its turn comes
    ch->key = x << 1 | write;
    ch->due = end[columns - groups] - k->data + (groups - 1) * k->ccd_s == cas;
  }
  if (ch->due) return;
  for (uint32_t i = columns - first; i < columns; i++) leave(ch, k, bank, (group + i) & mask, end[i] - k->data, write);
  leave_channel(ch, k, cas, write);
}

/// Column accesses of one channel one after another from `group` on in row x of every group, which reach it at time t. In a
/// channel, from low to high, an address is: byte of the burst, bank group, column, bank, row. So a stream alternates between
/// bank groups and runs at tCCD_S. True when they are tCCD_S apart and only end[0] was stored.
static inline bool run(struct vb_dram *d, struct channel *ch, uint64_t x, uint32_t group, uint32_t columns, int64_t t,
                       bool write, int64_t *end) {
  const struct after *k = &d->after[write];
  const uint32_t groups = d->part.bank_groups;
  if (ch->key != (x << 1 | write) || t >= ch->refresh || (t < ch->calm && (group ^ ch->next) & (groups - 1))) {
    any_run(d, ch, x, group, columns, t, write, end);
    return false;
  }
  t = later(t, ch->calm - k->ccd_l + k->ccd_s); // where groups go on in turn
  if (columns < groups) {
    if (ch->due) enter(d, ch);
    leave_run(d, ch, bank_of(d, x), group, columns, t, write);
  } else ch->due = true;
  ch->calm = t + (columns - 1) * k->ccd_s + k->ccd_l;
  ch->next = group + columns;
  end[0] = t + k->data;
  return true;
}

/// Cycles that begin in the next `ps`: exact below 2^51, because a half is further from a multiple than rounding goes.
static inline int64_t cycles_of(const struct vb_dram *d, int64_t ps) {
  return (int64_t)(((double)ps + d->round_up) * d->per_clock);
}

uint64_t vb_dram_access(struct vb_dram *d, uint64_t now, uint64_t address, uint32_t beats, uint32_t beat_bytes,
                        bool write, uint64_t bus, uint64_t *ready) {
  const struct vb_dram_part *p = &d->part;
  const uint32_t chunk_log2 = d->interleave_log2, channels_log2 = d->channels_log2, burst_log2 = d->burst_log2;
  const uint64_t offsets = p->interleave - 1, burst = p->burst_bytes, channels = p->channels;
  const uint64_t begin = address & ~(burst - 1), stop = address + (uint64_t)beats * beat_bytes;
  // Half of the controller's latency is before the DRAM, half behind it.
  const int64_t start = (int64_t)now * d->clock_ps, arrive = start + p->controller / 2, ccd_s = p->ccd_s;
  int64_t behind = p->controller - p->controller / 2 - start; // to the accelerator, where time starts now
  if (d->noise) { // mostly none, sometimes up to 63 cycles: what a shared controller does to its clients
    uint64_t h = vb_hash2(d->seed ^ 0x6d656d6f7279u, d->accesses);
    behind += (h & 7) < 5 ? 0 : (int64_t)((h >> 8) & 63) * d->clock_ps;
  }
  d->accesses++;
  const uint64_t moved = ((stop + burst - 1) & ~(burst - 1)) - begin;
  d->stats.hits += moved >> burst_log2; // any_run knows better
  *(write ? &d->stats.bytes_written : &d->stats.bytes_read) += moved;
  const bool paced = beat_bytes <= d->paced;
  uint64_t beat_end = address + beat_bytes;
  int64_t end[MAX_COLUMNS], last = start, latest = start, cycle = later((int64_t)now, (int64_t)bus - 1);
  for (uint64_t at = begin, next; at < stop; at = next) { // pieces in one row: each channel sees its part as one run
    next = (at | (d->piece - 1)) + 1;
    if (next > at + MAX_COLUMNS * burst) next = at + MAX_COLUMNS * burst;
    if (next > stop) next = stop;
    const uint64_t first = at >> chunk_log2, final = (next - 1) >> chunk_log2;
    const uint64_t x = ((first >> channels_log2 << chunk_log2) + (at & offsets)) >> d->rows_log2;
    struct {
      const int64_t *end;
      uint64_t from; // address of its first column if the chunks before had no others between them
      bool even;
    } part[MAX_CHANNELS], *k = part;
    int64_t *to = end;
    for (uint64_t c = first, from = at, until; c <= final; c++, from = until) {
      until = (c + 1) << chunk_log2;
      if (until > next) until = next;
      if (c - first < channels) { // its channel's part: it, and each `channels` behind it
        k = &part[c - first];
        uint64_t bytes = until - from;
        if (final - c >= channels) {
          bytes += (final - c) >> channels_log2 << chunk_log2;
          if (((final - c) & (channels - 1)) == 0) bytes -= ~(next - 1) & offsets;
        }
        const uint32_t columns = (uint32_t)((bytes + burst - 1) >> burst_log2);
        const uint64_t in = (c >> channels_log2 << chunk_log2) + (from & offsets);
        k->end = to;
        k->from = from;
        k->even = run(d, &d->ch[c & (channels - 1)], x, (uint32_t)(in >> burst_log2), columns, arrive, write, to);
        last = later(last, k->even ? *to + (columns - 1) * ccd_s : to[columns - 1]);
        to += k->even ? 1 : columns;
      } else {
        k = &part[(c - first) & (channels - 1)];
        k->from += (channels - 1) << chunk_log2;
      }
      while (ready && beat_end <= until) { // a beat is there with its last column
        const uint64_t column = (beat_end - 1 - k->from) >> burst_log2;
        const int64_t t = k->even ? *k->end + (int64_t)column * ccd_s : k->end[column];
        *ready++ = (uint64_t)++cycle;
        if (t > latest) {
          latest = t;
          cycle = later((int64_t)now + cycles_of(d, t + behind), cycle);
          ready[-1] = (uint64_t)cycle;
        }
        beat_end += beat_bytes;
        if (paced && k->even) // the others are there before the bus takes them
          for (; beat_end <= until; beat_end += beat_bytes) *ready++ = (uint64_t)++cycle;
      }
    }
  }
  return now + (uint64_t)cycles_of(d, last + behind);
}
