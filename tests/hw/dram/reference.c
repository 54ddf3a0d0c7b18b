// SPDX-License-Identifier: Apache-2.0
// The DRAM model once more, a column access at a time: the oracle of sim/dram/dram.c, which takes runs of them together.
// All times are picoseconds since reset; T_NONE means "long ago".
#include "reference.h"
#include <stdlib.h>
#include <string.h>

#define T_NONE (INT64_MIN / 4)
enum { MAX_CHANNELS = 16, MAX_GROUPS = 8, MAX_BANKS = 32 };

struct bank {
  int64_t row;    // open row, -1 when closed
  int64_t act_ok; // earliest next ACT
  int64_t cas_ok; // earliest RD/WR of the open row
  int64_t pre_ok; // earliest PRE of the open row
};

struct channel {
  struct bank bank[MAX_BANKS];
  int64_t act[4]; // the last four ACTs, oldest at act_at: tFAW
  uint32_t act_at;
  int64_t group_act[MAX_GROUPS], last_act;
  int64_t group_rd[MAX_GROUPS], group_wr[MAX_GROUPS]; // last column command of each kind and group
  int64_t last_rd, last_wr;
  int64_t group_wr_end[MAX_GROUPS], last_wr_end; // end of write data: tWTR
  int64_t refresh;                               // next refresh is due
  bool wrote;                                    // direction of the last column command
};

struct slow_dram {
  struct vb_dram_part part;
  uint32_t clock_ps;
  bool noise;
  uint64_t seed, accesses;
  struct vb_dram_stats stats;
  struct channel ch[MAX_CHANNELS];
};

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }
static bool pow2(uint32_t x) { return x && !(x & (x - 1)); }

void slow_dram_reset(struct slow_dram *d) {
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
    // All channels together: an interleaved stream would otherwise wait for each of them in turn.
    ch->refresh = d->part.refi;
  }
}

struct slow_dram *slow_dram_new(const struct vb_dram_part *part, uint32_t clock_ps, bool noise, uint64_t seed) {
  if (!pow2(part->channels) || part->channels > MAX_CHANNELS || !pow2(part->bank_groups) ||
      part->bank_groups > MAX_GROUPS || !pow2(part->banks_per_group) ||
      part->bank_groups * part->banks_per_group > MAX_BANKS || !pow2(part->burst_bytes) || !pow2(part->row_bytes) ||
      !pow2(part->interleave) || part->interleave < part->burst_bytes || clock_ps == 0)
    return NULL;
  struct slow_dram *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->part = *part;
  d->clock_ps = clock_ps;
  d->noise = noise;
  d->seed = seed;
  slow_dram_reset(d);
  return d;
}

void slow_dram_free(struct slow_dram *d) { free(d); }
const struct vb_dram_stats *slow_dram_get_stats(const struct slow_dram *d) { return &d->stats; }

/// Channel, bank and row of an address. Inside a channel, from low to high: byte of the burst, bank group, column,
/// bank, row: a stream alternates between bank groups and so runs at tCCD_S.
static uint32_t map(const struct vb_dram_part *p, uint64_t a, uint32_t *group, uint32_t *bank, int64_t *row) {
  uint64_t chunk = a / p->interleave;
  uint32_t channel = (uint32_t)(chunk & (p->channels - 1));
  uint64_t in = chunk / p->channels * p->interleave + (a & (p->interleave - 1));
  uint64_t x = in / p->burst_bytes;
  *group = (uint32_t)(x & (p->bank_groups - 1));
  x /= p->bank_groups;
  x /= p->row_bytes / p->burst_bytes;
  uint32_t b = (uint32_t)(x & (p->banks_per_group - 1));
  x /= p->banks_per_group;
  *row = (int64_t)x;
  // Low row bits permute the banks, so that power-of-two strides do not all meet in one.
  b ^= (uint32_t)(x & (p->banks_per_group - 1));
  *bank = *group * p->banks_per_group + b;
  return channel;
}

/// All refreshes due by t: banks are precharged, the channel rests for tRFC.
static void refresh(struct slow_dram *d, struct channel *ch, int64_t t) {
  const struct vb_dram_part *p = &d->part;
  uint32_t banks = p->bank_groups * p->banks_per_group;
  while (p->rfc && ch->refresh <= t) {
    int64_t start = ch->refresh;
    for (uint32_t b = 0; b < banks; b++) start = later(start, ch->bank[b].act_ok); // includes the precharge
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
  t = later(t, bk->act_ok);
  t = later(t, ch->last_act + p->rrd_s);
  t = later(t, ch->group_act[group] + p->rrd_l);
  t = later(t, ch->act[ch->act_at] + p->faw);
  ch->act[ch->act_at] = t;
  ch->act_at = (ch->act_at + 1) & 3;
  ch->last_act = ch->group_act[group] = t;
  bk->row = row;
  bk->cas_ok = t + p->rcd;
  bk->pre_ok = t + p->ras;
  bk->act_ok = t + p->ras + p->rp;
  return t;
}

/// One column access that reaches the channel at time t; the end of its data on the bus.
static int64_t column(struct slow_dram *d, uint64_t address, int64_t t, bool write) {
  const struct vb_dram_part *p = &d->part;
  uint32_t group, bank;
  int64_t row;
  struct channel *ch = &d->ch[map(p, address, &group, &bank, &row)];
  struct bank *bk = &ch->bank[bank];
  refresh(d, ch, t);

  if (bk->row == row) {
    d->stats.hits++;
  } else if (bk->row < 0) {
    d->stats.misses++;
    activate(p, ch, bk, group, t, row);
  } else {
    d->stats.conflicts++;
    activate(p, ch, bk, group, later(t, bk->pre_ok) + p->rp, row);
  }

  int64_t cas = later(t, bk->cas_ok);
  if (write) {
    cas = later(cas, ch->last_wr + p->ccd_s);
    cas = later(cas, ch->group_wr[group] + p->ccd_l_wr);
    // Read data must leave the bus before write data enters: one clock of gap.
    cas = later(cas, ch->last_rd + p->cl + p->burst + p->tck - p->cwl);
  } else {
    cas = later(cas, ch->last_rd + p->ccd_s);
    cas = later(cas, ch->group_rd[group] + p->ccd_l);
    cas = later(cas, ch->last_wr_end + p->wtr_s);
    cas = later(cas, ch->group_wr_end[group] + p->wtr_l);
  }
  if (ch->wrote != write) d->stats.turnarounds++;
  ch->wrote = write;

  int64_t end = cas + (write ? p->cwl : p->cl) + p->burst;
  if (write) {
    ch->last_wr = ch->group_wr[group] = cas;
    ch->last_wr_end = ch->group_wr_end[group] = end;
    bk->pre_ok = later(bk->pre_ok, end + p->wr);
    d->stats.bytes_written += p->burst_bytes;
  } else {
    ch->last_rd = ch->group_rd[group] = cas;
    bk->pre_ok = later(bk->pre_ok, cas + p->rtp);
    d->stats.bytes_read += p->burst_bytes;
  }
  bk->act_ok = later(bk->act_ok, bk->pre_ok + p->rp);
  return end;
}

uint64_t slow_dram_access(struct slow_dram *d, uint64_t now, uint64_t address, uint32_t beats, uint32_t beat_bytes,
                          bool write, uint64_t *ready) {
  const struct vb_dram_part *p = &d->part;
  int64_t arrive = (int64_t)(now * d->clock_ps), extra = 0;
  uint64_t last = now, done_at = UINT64_MAX;
  int64_t end = arrive;
  if (d->noise) { // mostly none, sometimes up to 63 cycles: what a shared controller does to its clients
    uint64_t h = vb_hash2(d->seed ^ 0x6d656d6f7279u, d->accesses);
    extra = (h & 7) < 5 ? 0 : (int64_t)((h >> 8) & 63) * d->clock_ps;
  }
  d->accesses++;
  for (uint32_t i = 0; i < beats; i++) {
    uint64_t first = address + (uint64_t)i * beat_bytes, at = first & ~(uint64_t)(p->burst_bytes - 1);
    for (; at < first + beat_bytes; at += p->burst_bytes) {
      if (at == done_at) continue; // this column access also brought the previous beat
      // Half of the controller's latency is before the DRAM, half behind it.
      end = later(end, column(d, at, arrive + p->controller / 2, write));
      done_at = at;
    }
    int64_t t = end + (int64_t)(p->controller - p->controller / 2) + extra;
    uint64_t cycle = ((uint64_t)t + d->clock_ps - 1) / d->clock_ps;
    last = ready[i] = cycle > last ? cycle : last;
  }
  return last;
}
