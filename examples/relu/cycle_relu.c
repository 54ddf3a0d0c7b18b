// SPDX-License-Identifier: Apache-2.0
// Cycles of a relu job: beat i leaves in the first cycle in which it is there and the write master takes it.
#include "port.h"

uint32_t vb_golden_relu_error(const uint64_t *args);

int vb_cycle_relu(const struct vb_cycle_env *env, const struct vb_golden_memory *mem, const uint64_t *args,
                  struct vb_cycle_result *out) {
  static _Thread_local struct vb_port p;
  uint64_t n = (uint32_t)args[VB_RELU_ARG_N],
           beats = (4 * n + env->hw->axi_data_bits / 8 - 1) / (env->hw->axi_data_bits / 8);
  uint64_t run = VB_CYCLE_START + 2, offered = 0, moved = 0, last = run - 1, blocked = 0; // start and check come first
  (void)mem;                                                                              // values change no cycle
  *out = (struct vb_cycle_result){.cycles = 2, .classes[VB_HW_CLASS_BUSY] = 2, .error = vb_golden_relu_error(args)};
  if (out->error || !n) return 0;
  if (vb_port_init(&p, env, 1, 64, 16, 8)) return -1;
  vb_port_rd_cmd(&p, 0, run, args[VB_RELU_ARG_X], (uint32_t)beats);
  vb_port_wr_cmd(&p, run, args[VB_RELU_ARG_Y], (uint32_t)(4 * n));
  do {
    for (; offered - moved < vb_port_rd_known(&p.rd[0]); offered++)
      if (!vb_port_wr_data(&p, vb_port_rd_time(&p.rd[0], offered - moved), 1)) break;
    for (uint64_t taken = vb_port_wr_loaded(&p); moved < taken; moved++) {
      uint64_t here = vb_port_rd_time(&p.rd[0], 0), t = p.wr.load[moved % VB_PORT_LOADS];
      blocked += t - (here > last ? here : last + 1);
      vb_port_rd_pop(&p, 0, last = t);
    }
  } while (vb_port_step(&p) || moved < beats);
  uint64_t idle = vb_port_wr_idle(&p), done = idle > last + 1 ? idle : last + 1;
  out->cycles = done + 1 - VB_CYCLE_START;
  out->classes[VB_HW_CLASS_BUSY] += beats;
  out->classes[VB_HW_CLASS_WRITE] = blocked;
  out->classes[VB_HW_CLASS_READ] = last + 1 - run - beats - blocked;
  out->classes[VB_HW_CLASS_DRAIN] = done - last;
  out->bytes_read = p.bytes_read;
  out->bytes_written = p.bytes_written;
  out->dram = *vb_dram_get_stats(p.dram);
  vb_port_free(&p);
  return 0;
}
