// SPDX-License-Identifier: Apache-2.0
/// @file port.h
/// The AXI port of a unit as recurrences: read masters (vb_axi_rd, several behind vb_axi_rd_mux), a write master
/// (vb_axi_wr), the harness's slave (sim/harness/axi_slave.h) and the DRAM. Cycle 0 is the one in which the harness
/// starts the write of ap_start.
///
/// The port and its unit advance together. The unit tells what it does (descriptors offered, beats popped, data
/// offered) as soon as it can be known, in any order of time between different things, in order within one; what cannot
/// be known yet is VB_UNKNOWN. Only the accesses to the DRAM need the order of time, because each changes the state that
/// the next one meets. So a unit model is a loop:
///
///     do advance everything that is known; while (vb_port_step(port));
///
/// vb_port_step makes the earliest access that is known. This is right because whatever is still unknown depends on an
/// access that was not made, and so comes later than the earliest of them. A unit whose own steps depend on what is
/// there at a moment (an arbiter, room in a queue) takes part with them: it makes its step when that one's time is not
/// after vb_port_peek().
#ifndef VB_SIM_CYCLE_PORT_H
#define VB_SIM_CYCLE_PORT_H
#include "cycle.h"

#define VB_UNKNOWN UINT64_MAX

enum {
  VB_PORT_MASTERS = 4,   ///< read masters behind one port
  VB_PORT_COMMANDS = 32, ///< descriptors told and not yet taken, of one master
  VB_PORT_DEPTH = 512,   ///< beats of a read master's data FIFO
  VB_PORT_BEATS = 64,    ///< of a burst
  VB_PORT_BURSTS = 64,   ///< bursts in flight of a master
  VB_PORT_LOADS = 256,   ///< history of beats that the write master loaded
  VB_PORT_DATA = 64,     ///< runs of data beats told and not yet loaded
  VB_PORT_SLAVE = 16     ///< bursts that the harness's slave holds (AxiSlave::kReads)
};

struct vb_port_command {
  uint64_t at, address; ///< at: offered from this cycle on; once it was taken, the cycle of that
  uint32_t size;        ///< beats of a read, bytes of a write
};

/// A read master. The beats of all its descriptors are numbered from 0.
struct vb_port_rd {
  uint32_t depth, bursts;         ///< parameters DEPTH, BURSTS: powers of two
  uint64_t issued, known, popped; ///< beats of bursts issued; with a known time at the output; popped
  uint64_t bursts_out;            ///< bursts issued
  uint64_t told, taken;           ///< descriptors
  uint64_t take_time;             ///< of the last one taken
  uint64_t address;               ///< of the descriptor being split
  uint32_t left;
  uint64_t last_issue; ///< cycle of the last issue; the master takes a descriptor from then on
  uint64_t ar_free;    ///< first cycle in which its AR register can be loaded again
  uint64_t ar_valid;   ///< its next burst is at the AR register from this cycle on, or VB_UNKNOWN
  uint64_t ar_address;
  uint32_t ar_beats;
  // Rings: what was not told is not initialised.
  /// Beat i at [i & (depth - 1)]: cycle on R, one before the first at the output; then the cycle of its pop. Room for a
  /// burst to run over the end.
  uint64_t time[VB_PORT_DEPTH + VB_PORT_BEATS];
  uint64_t end[VB_PORT_BURSTS]; ///< burst b at [b & (bursts - 1)]: its end as a beat number
  struct vb_port_command cmd[VB_PORT_COMMANDS];
};

struct vb_port_write {
  uint64_t address, at; ///< at: cycle of the last data beat
  uint32_t beats;
};

struct vb_port_wr {
  uint32_t bursts; ///< parameter BURSTS, a power of two
  uint64_t told, taken, take_time;
  uint64_t address;
  uint32_t left; ///< beats of the descriptor being split
  uint64_t last_issue, aw_free;
  uint64_t issued, sent, answered; ///< bursts: issued, all data sent, response known
  uint32_t beat;                   ///< of burst `sent`, next to load
  uint64_t next_load, last_w;      ///< cycles: of the W register's next load at the earliest; of the last W handshake
  uint64_t loaded, data_told, data_used;
  // Rings, as above.
  struct vb_port_command cmd[VB_PORT_COMMANDS];
  struct {
    uint64_t address, issue, aw; ///< cycle of the issue, of the AW handshake
    uint32_t beats;
  } burst[VB_PORT_BURSTS];
  uint64_t response[VB_PORT_BURSTS]; ///< burst b at [b & (bursts - 1)]: cycle of its response
  uint64_t load[VB_PORT_LOADS];
  struct {
    uint64_t at, count;
  } data[VB_PORT_DATA];
  struct vb_port_write pending[VB_PORT_BURSTS]; ///< bursts whose data is sent and that the DRAM has not seen
};

struct vb_port {
  struct vb_dram *dram;
  uint32_t beat_bytes, beat_log2, max_burst, masters;
  bool held[5];          ///< the channel is ever held
  uint64_t held_seed[5]; ///< of its hash
  uint8_t held_share[5];
  uint64_t reads, last_beat[VB_PORT_SLAVE]; ///< bursts taken by the slave; cycle of their last beat
  uint64_t r_time;                          ///< cycle of the last beat on R
  uint64_t b_time;
  uint64_t ar_time; ///< cached: AR handshake of the burst at the port's AR register, VB_UNKNOWN when there is none
  bool dirty;       ///< ar_time of a single master is to be computed anew
  struct {          ///< vb_axi_rd_mux: the burst in its register, whose handshake is ar_time
    uint32_t last, master, beats;
    uint64_t address, free; ///< free: first cycle in which the register can be loaded again
  } mux;
  uint64_t bytes_read, bytes_written;
  struct vb_port_wr wr;
  struct vb_port_rd rd[VB_PORT_MASTERS]; ///< the first `masters` of them
};

/// A port with `masters` read masters of `depth` beats and `bursts` bursts each, behind a multiplexer when there are
/// several, and a write master of `wr_bursts`. Its bursts are those of the configuration. 0, or -1: memory is out.
int vb_port_init(struct vb_port *p, const struct vb_cycle_env *env, uint32_t masters, uint32_t depth, uint32_t bursts,
                 uint32_t wr_bursts);
void vb_port_free(struct vb_port *p);

/// ---- reads
/// Master m is offered a descriptor from cycle `at` on (and not before it took the one before). False: its list is full.
bool vb_port_rd_cmd(struct vb_port *p, uint32_t m, uint64_t at, uint64_t address, uint32_t beats);
/// Beats whose time at the output is known and that were not popped.
static inline uint64_t vb_port_rd_known(const struct vb_port_rd *r) { return r->known - r->popped; }
/// First cycle in which the i-th of them is at the output, if those before were popped by then.
static inline uint64_t vb_port_rd_time(const struct vb_port_rd *r, uint64_t i) {
  return r->time[(r->popped + i) & (r->depth - 1)] + 1;
}
/// The next beat was popped in cycle t.
static inline void vb_port_rd_pop(struct vb_port *p, uint32_t m, uint64_t t) {
  struct vb_port_rd *r = &p->rd[m];
  r->time[r->popped++ & (r->depth - 1)] = t;
  p->dirty = true;
}
/// The next n > 0 beats were popped as soon as they were at the output, one a cycle, the first not before cycle `from`.
/// Returns the cycle of the last.
static inline uint64_t vb_port_rd_pop_run(struct vb_port *p, uint32_t m, uint64_t from, uint64_t n) {
  struct vb_port_rd *r = &p->rd[m];
  const uint64_t mask = r->depth - 1, stop = r->popped + n;
  uint64_t t = from - 1, at = r->popped;
  if (r->time[(stop - 1) & mask] <= t + n - 1) // mostly the last is there in time, then all are
    for (; at < stop; at++) r->time[at & mask] = ++t;
  for (; at < stop; at++) {
    uint64_t on_bus = r->time[at & mask];
    r->time[at & mask] = t = (on_bus > t ? on_bus : t) + 1;
  }
  r->popped = stop;
  p->dirty = true;
  return t;
}
/// Descriptors taken so far, as far as known; the cycle of the last is rd[m].take_time.
uint64_t vb_port_rd_taken(struct vb_port *p, uint32_t m);

/// ---- writes
/// First cycle in which the write master can take the next descriptor (cmd_ready_o), or VB_UNKNOWN.
uint64_t vb_port_wr_ready(struct vb_port *p);
/// It is offered a descriptor from cycle `at` on. False: its list is full.
bool vb_port_wr_cmd(struct vb_port *p, uint64_t at, uint64_t address, uint32_t bytes);
/// The next `count` data beats are offered from cycle `at` on, each as soon as the one before was taken. False: full.
bool vb_port_wr_data(struct vb_port *p, uint64_t at, uint64_t count);
/// Data beats taken by the master, as far as known; beat i in cycle wr.load[i % VB_PORT_LOADS].
uint64_t vb_port_wr_loaded(struct vb_port *p);
/// First cycle with idle_o after all that was told, or VB_UNKNOWN while a response is not known.
uint64_t vb_port_wr_idle(struct vb_port *p);

/// ---- the order of time
/// Time of the earliest access that is known, or VB_UNKNOWN.
uint64_t vb_port_peek(struct vb_port *p);
/// Makes it. False when there is none: nothing more will happen until the unit tells more.
bool vb_port_step(struct vb_port *p);
#endif
