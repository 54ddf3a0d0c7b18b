// SPDX-License-Identifier: Apache-2.0
/// @file dram.h
/// DRAM timing: when is the data of an access there? Used by the RTL harness and by the exact cycle
/// model, so that the two cannot drift. It holds no data and does not tick: every access reserves the
/// banks and the data bus it needs and gets its completion times at once. Deterministic: the same
/// calls in the same order give the same times.
///
/// Modelled: channels, bank groups and banks with open rows (hit, miss, conflict), activation windows
/// (tRRD, tFAW), column spacing inside and across bank groups, read/write turnaround, write recovery,
/// all-bank refresh. Accesses of a channel are served in the order of the calls, but a later access
/// may open its row while an earlier one still transfers. Not modelled: command bus contention,
/// reordering by the controller, power-down, per-bank refresh, clock domain jitter (README.md).
#ifndef VB_SIM_DRAM_H
#define VB_SIM_DRAM_H
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Timings of one part in picoseconds; times that the data sheet states in clocks are already
/// multiplied. `_s` is across bank groups, `_l` inside one.
struct vb_dram_part {
  const char *name;
  const char *source;       ///< where the numbers come from
  uint32_t channels;        ///< independent ones (sub- or pseudo-channels), a power of two
  uint32_t bank_groups;     ///< of one channel, a power of two
  uint32_t banks_per_group; ///< a power of two
  uint32_t row_bytes;       ///< open row of one bank, over all chips of the channel
  uint32_t burst_bytes;     ///< one column access
  uint32_t interleave;      ///< consecutive bytes in one channel
  uint32_t tck, burst;      ///< clock period; data bus time of one column access
  uint32_t cl, cwl, rcd, rp, ras, rrd_s, rrd_l, faw, ccd_s, ccd_l, ccd_l_wr, wtr_s, wtr_l, rtp, wr, refi, rfc;
  uint32_t controller; ///< controller and PHY, request and data path together
};

/// Parts by name, NULL when there is none; index 0.. for a list.
const struct vb_dram_part *vb_dram_find(const char *name);
const struct vb_dram_part *vb_dram_at(uint32_t index);

struct vb_dram_stats {
  uint64_t hits, misses, conflicts; ///< column accesses by state of their bank: row open, closed, other row
  uint64_t refreshes, turnarounds;
  uint64_t bytes_read, bytes_written; ///< moved on the DRAM bus
};

struct vb_dram;

/// A controller over `part` for an accelerator clock of `clock_ps`. With `noise` every access gets a
/// random legal extra latency (a hash of seed and access number). NULL when memory is out or the part
/// is inconsistent.
struct vb_dram *vb_dram_new(const struct vb_dram_part *part, uint32_t clock_ps, bool noise, uint64_t seed);
void vb_dram_free(struct vb_dram *d);
/// Back to time 0: rows closed, counters 0.
void vb_dram_reset(struct vb_dram *d);

/// One AXI burst of `beats` beats of `beat_bytes` (a power of two) from `address` (a multiple), which the controller
/// has in accelerator cycle `now`; calls must not go back in time. Returns the first cycle in which all
/// of it is there (read) or stored (write). ready[i] becomes the first cycle in which beat i can be on a
/// bus that takes one beat a cycle, in order, and is free from cycle `bus` on. NULL: nobody asks.
uint64_t vb_dram_access(struct vb_dram *d, uint64_t now, uint64_t address, uint32_t beats, uint32_t beat_bytes,
                        bool write, uint64_t bus, uint64_t *ready);

const struct vb_dram_stats *vb_dram_get_stats(const struct vb_dram *d);

/// SplitMix64 of two words: the only source of randomness here.
static inline uint64_t vb_hash2(uint64_t seed, uint64_t n) {
  uint64_t x = seed + 0x9e3779b97f4a7c15u * (n + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Channels of the AXI port that noise may hold up.
enum vb_port_channel { VB_PORT_AR, VB_PORT_AW, VB_PORT_W, VB_PORT_R, VB_PORT_B };

/// Random legal back-pressure: is this channel held in this cycle? The share of held cycles depends on
/// seed and channel (0, 1/8, 1/3, 5/8 or 7/8), so that seeds differ in character and not only in detail.
static inline uint64_t vb_port_own(uint64_t seed, enum vb_port_channel channel) {
  return vb_hash2(seed, 0x706f7274u + (uint64_t)channel);
}
static inline uint8_t vb_port_share(uint64_t own) {
  static const uint8_t share[5] = {0, 32, 85, 160, 224};
  return share[own % 5];
}
static inline bool vb_port_held(uint64_t seed, enum vb_port_channel channel, uint64_t cycle) {
  uint64_t own = vb_port_own(seed, channel);
  return (vb_hash2(own, cycle) >> 56) < vb_port_share(own);
}

#ifdef __cplusplus
}
#endif
#endif
