// SPDX-License-Identifier: Apache-2.0
// See port.h. Names of signals are those of hw/common/vb_axi_rd.sv, vb_axi_rd_mux.sv and vb_axi_wr.sv; "cycle of an
// issue" is the one in which `issue` is high there.
#include "port.h"
#include <stddef.h>
#include <string.h>

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

int vb_port_init(struct vb_port *p, const struct vb_cycle_env *env, uint32_t masters, uint32_t depth, uint32_t bursts,
                 uint32_t wr_bursts) {
  memset(p, 0, offsetof(struct vb_port, wr));
  memset(&p->wr, 0, offsetof(struct vb_port_wr, cmd));
  p->beat_bytes = env->hw->axi_data_bits / 8;
  while ((1u << p->beat_log2) < p->beat_bytes) p->beat_log2++;
  p->max_burst = env->hw->max_burst;
  p->masters = masters;
  p->dram = vb_dram_new(env->part, env->hw->clock_period_ps, env->noise, env->noise ? env->seed : 1);
  if (!p->dram) return -1;
  for (int c = VB_PORT_AR; c <= VB_PORT_B; c++) {
    p->held_seed[c] = vb_port_own(env->seed, (enum vb_port_channel)c);
    p->held_share[c] = vb_port_share(p->held_seed[c]);
    p->held[c] = env->noise && p->held_share[c];
  }
  for (uint32_t m = 0; m < masters; m++) {
    memset(&p->rd[m], 0, offsetof(struct vb_port_rd, time));
    p->rd[m].depth = depth;
    p->rd[m].bursts = bursts;
    p->rd[m].ar_valid = VB_UNKNOWN;
  }
  p->wr.bursts = wr_bursts;
  p->ar_time = VB_UNKNOWN;
  return 0;
}

void vb_port_free(struct vb_port *p) { vb_dram_free(p->dram); }

/// First cycle from c on in which the channel is not held.
static inline uint64_t open_from(const struct vb_port *p, enum vb_port_channel channel, uint64_t c) {
  if (p->held[channel])
    while ((vb_hash2(p->held_seed[channel], c) >> 56) < p->held_share[channel]) c++;
  return c;
}

/// Beats of the next burst of a descriptor: to the longest burst, the 4 KiB page, its end.
static uint32_t burst_beats(const struct vb_port *p, uint64_t address, uint32_t left) {
  uint32_t n = p->max_burst, page = (uint32_t)(4096 - (address & 4095)) >> p->beat_log2;
  if (page < n) n = page;
  return left < n ? left : n;
}

// ---- reads

bool vb_port_rd_cmd(struct vb_port *p, uint32_t m, uint64_t at, uint64_t address, uint32_t beats) {
  struct vb_port_rd *r = &p->rd[m];
  if (r->told - r->taken == VB_PORT_COMMANDS) return false;
  r->cmd[r->told++ % VB_PORT_COMMANDS] = (struct vb_port_command){at, address, beats};
  p->dirty = true;
  return true;
}

/// Takes the next descriptor when the last burst of the one before was issued.
static bool rd_take(struct vb_port_rd *r) {
  if (r->left) return true;
  if (r->taken == r->told) return false;
  struct vb_port_command *c = &r->cmd[r->taken++ % VB_PORT_COMMANDS];
  c->at = r->take_time = later(c->at, r->last_issue);
  r->address = c->address;
  r->left = c->size;
  return true;
}

/// The next burst of a master to its AR register, if that is known already.
static void rd_issue(const struct vb_port *p, struct vb_port_rd *r) {
  if (r->ar_valid != VB_UNKNOWN || !rd_take(r)) return;
  uint32_t beats = burst_beats(p, r->address, r->left);
  uint64_t issue = later(r->take_time + 1, r->ar_free), end = r->issued + beats;
  if (end > r->depth) { // room for all of it: reserved by the pop of the beat that its last one follows in the FIFO
    if (end - r->depth > r->popped) return;
    issue = later(issue, r->time[(end - 1) & (r->depth - 1)] + 1);
  }
  if (r->bursts_out >= r->bursts) {
    uint64_t popped = r->end[r->bursts_out & (r->bursts - 1)]; // of the burst whose place it takes: all of it
    if (popped > r->popped) return;
    // Otherwise an earlier burst waited for that pop, or a later one, to have room.
    if (popped + r->depth > r->issued) issue = later(issue, r->time[(popped - 1) & (r->depth - 1)] + 1);
  }
  r->ar_valid = issue + 1;
  r->ar_address = r->address;
  r->ar_beats = beats;
  r->address += (uint64_t)beats * p->beat_bytes;
  r->left -= beats;
  r->last_issue = issue;
}

uint64_t vb_port_rd_taken(struct vb_port *p, uint32_t m) {
  struct vb_port_rd *r = &p->rd[m];
  rd_issue(p, r);
  rd_take(r);
  return r->taken;
}

/// The burst leaves the master's AR register in cycle t.
static void rd_leave(struct vb_port_rd *r, uint64_t t) {
  r->issued += r->ar_beats;
  r->end[r->bursts_out++ & (r->bursts - 1)] = r->issued;
  r->ar_free = t;
  r->ar_valid = VB_UNKNOWN;
}

/// The slave takes an address from cycle `from` on.
static uint64_t slave_takes(const struct vb_port *p, uint64_t from) {
  if (p->reads >= VB_PORT_SLAVE) from = later(from, p->last_beat[p->reads % VB_PORT_SLAVE] + 1);
  return open_from(p, VB_PORT_AR, from);
}

/// AR handshake in cycle t: the DRAM has it, the times of all its beats are known.
static void slave_read(struct vb_port *p, struct vb_port_rd *r, uint64_t t, uint64_t address, uint32_t beats) {
  const uint64_t from = r->known & (r->depth - 1), to = from + beats;
  vb_dram_access(p->dram, t, address, beats, p->beat_bytes, false, p->r_time + 1, &r->time[from]);
  if (p->held[VB_PORT_R])
    for (uint64_t i = from, at = p->r_time; i < to; i++)
      r->time[i] = at = open_from(p, VB_PORT_R, later(r->time[i], at + 1));
  p->r_time = p->last_beat[p->reads++ % VB_PORT_SLAVE] = r->time[to - 1];
  for (uint64_t i = r->depth; i < to; i++) r->time[i - r->depth] = r->time[i]; // round the ring
  r->known += beats;
  p->bytes_read += (uint64_t)beats * p->beat_bytes;
}

// ---- several read masters

/// Cycle in which the multiplexer loads its register, and from whom: the first with an address after the one served last.
static uint64_t mux_load(struct vb_port *p, uint32_t *master) {
  uint64_t t = VB_UNKNOWN;
  if (p->ar_time != VB_UNKNOWN) return t; // its own burst first: the load is not before the handshake
  for (uint32_t m = 0; m < p->masters; m++) {
    rd_issue(p, &p->rd[m]);
    if (p->rd[m].ar_valid < t) t = p->rd[m].ar_valid;
  }
  if (t == VB_UNKNOWN) return t;
  t = later(t, p->mux.free);
  for (uint32_t i = p->masters; i >= 1; i--) {
    uint32_t m = (p->mux.last + i) % p->masters;
    if (p->rd[m].ar_valid <= t) *master = m;
  }
  return t;
}

static void mux_take(struct vb_port *p, uint64_t t, uint32_t m) {
  struct vb_port_rd *r = &p->rd[m];
  p->mux.last = p->mux.master = m;
  p->mux.address = r->ar_address;
  p->mux.beats = r->ar_beats;
  rd_leave(r, t);
  p->ar_time = slave_takes(p, t + 1);
}

// ---- writes

/// Issues bursts as far as the responses of earlier ones are known.
static void wr_issue(struct vb_port *p) {
  struct vb_port_wr *w = &p->wr;
  for (;;) {
    if (!w->left) {
      if (w->taken == w->told) return;
      struct vb_port_command *c = &w->cmd[w->taken++ % VB_PORT_COMMANDS];
      uint32_t head = (uint32_t)c->address & (p->beat_bytes - 1);
      c->at = w->take_time = later(c->at, w->last_issue);
      w->address = c->address - head;
      w->left = (head + c->size + p->beat_bytes - 1) >> p->beat_log2;
      p->bytes_written += c->size;
    }
    uint64_t issue = later(w->take_time + 1, w->aw_free);
    if (w->issued >= w->bursts) {
      if (w->answered + w->bursts <= w->issued) return;
      issue = later(issue, w->response[w->issued & (w->bursts - 1)] + 1);
    }
    uint32_t beats = burst_beats(p, w->address, w->left), slot = (uint32_t)w->issued & (w->bursts - 1);
    uint64_t aw = open_from(p, VB_PORT_AW, issue + 1);
    w->burst[slot].address = w->address;
    w->burst[slot].beats = beats;
    w->burst[slot].issue = issue;
    w->burst[slot].aw = aw;
    w->issued++;
    w->address += (uint64_t)beats * p->beat_bytes;
    w->left -= beats;
    w->last_issue = issue;
    w->aw_free = aw;
  }
}

/// Loads data beats into the W register as far as bursts and data are known.
static void wr_advance(struct vb_port *p) {
  struct vb_port_wr *w = &p->wr;
  wr_issue(p);
  while (w->sent < w->issued && w->data_used < w->data_told) {
    uint32_t slot = (uint32_t)w->sent & (w->bursts - 1);
    uint64_t at = w->data[w->data_used % VB_PORT_DATA].at;
    uint64_t load = later(later(at, w->next_load), later(w->burst[slot].issue + 1, w->last_w));
    w->last_w = open_from(p, VB_PORT_W, later(load + 1, w->burst[slot].aw + 1));
    w->load[w->loaded++ % VB_PORT_LOADS] = load;
    w->next_load = load + 1;
    if (--w->data[w->data_used % VB_PORT_DATA].count == 0) w->data_used++;
    if (++w->beat == w->burst[slot].beats) {
      w->pending[slot] = (struct vb_port_write){w->burst[slot].address, w->last_w, w->beat};
      w->beat = 0;
      w->sent++;
    }
  }
}

uint64_t vb_port_wr_ready(struct vb_port *p) {
  wr_issue(p);
  return p->wr.left || p->wr.taken != p->wr.told ? VB_UNKNOWN : p->wr.last_issue;
}

bool vb_port_wr_cmd(struct vb_port *p, uint64_t at, uint64_t address, uint32_t bytes) {
  struct vb_port_wr *w = &p->wr;
  if (w->told - w->taken == VB_PORT_COMMANDS) return false;
  w->cmd[w->told++ % VB_PORT_COMMANDS] = (struct vb_port_command){at, address, bytes};
  wr_advance(p);
  return true;
}

bool vb_port_wr_data(struct vb_port *p, uint64_t at, uint64_t count) {
  struct vb_port_wr *w = &p->wr;
  if (w->data_told - w->data_used == VB_PORT_DATA) return false;
  w->data[w->data_told % VB_PORT_DATA].at = at;
  w->data[w->data_told++ % VB_PORT_DATA].count = count;
  wr_advance(p);
  return true;
}

uint64_t vb_port_wr_loaded(struct vb_port *p) { return p->wr.loaded; }

uint64_t vb_port_wr_idle(struct vb_port *p) {
  struct vb_port_wr *w = &p->wr;
  if (w->left || w->taken != w->told || w->answered != w->issued) return VB_UNKNOWN;
  return w->issued ? p->b_time + 1 : 0;
}

// ---- the order of time

/// The earliest access: 1 a read, 2 a write, 3 the multiplexer's register; 0 none. Reads reach the DRAM before a write of
/// the same cycle.
static int earliest(struct vb_port *p, uint64_t *time, uint32_t *master) {
  int what = 0;
  *time = VB_UNKNOWN;
  *master = 0;
  if (p->masters == 1 && p->dirty) {
    p->dirty = false;
    rd_issue(p, &p->rd[0]);
    if (p->ar_time == VB_UNKNOWN && p->rd[0].ar_valid != VB_UNKNOWN) p->ar_time = slave_takes(p, p->rd[0].ar_valid);
  }
  if (p->ar_time != VB_UNKNOWN) {
    *time = p->ar_time;
    what = 1;
  }
  if (p->wr.answered < p->wr.sent) {
    uint64_t at = p->wr.pending[p->wr.answered & (p->wr.bursts - 1)].at;
    if (at < *time) {
      *time = at;
      what = 2;
    }
  }
  if (p->masters > 1) {
    uint64_t at = mux_load(p, master);
    if (at < *time) {
      *time = at;
      what = 3;
    }
  }
  return what;
}

uint64_t vb_port_peek(struct vb_port *p) {
  uint64_t time;
  uint32_t master;
  earliest(p, &time, &master);
  return time;
}

bool vb_port_step(struct vb_port *p) {
  uint64_t time;
  uint32_t master;
  struct vb_port_wr *w = &p->wr;
  switch (earliest(p, &time, &master)) {
  case 1:
    if (p->masters == 1) {
      struct vb_port_rd *r = &p->rd[0];
      uint64_t address = r->ar_address;
      uint32_t beats = r->ar_beats;
      rd_leave(r, time);
      slave_read(p, r, time, address, beats);
      p->dirty = true;
    } else {
      slave_read(p, &p->rd[p->mux.master], time, p->mux.address, p->mux.beats);
      p->mux.free = time;
    }
    p->ar_time = VB_UNKNOWN;
    return true;
  case 2: {
    uint32_t slot = (uint32_t)w->answered & (w->bursts - 1);
    uint64_t done =
        vb_dram_access(p->dram, time, w->pending[slot].address, w->pending[slot].beats, p->beat_bytes, true, 0, NULL);
    p->b_time = open_from(p, VB_PORT_B, later(later(done, time + 1), w->answered ? p->b_time + 1 : 0));
    w->response[slot] = p->b_time;
    w->answered++;
    wr_advance(p);
    return true;
  }
  case 3: mux_take(p, time, master); return true;
  default: return false;
  }
}
