// SPDX-License-Identifier: Apache-2.0
// The memory roof of a configuration: bytes a cycle that a read master gets when nothing downstream ever makes it wait.
// The master, the AXI slave and the DRAM are those of the exact cycle model (sim/cycle/port.h).
//   roof CONFIG DRAM RECORD STRIDE: reads records of RECORD bytes, STRIDE bytes apart (equal: one dense stream), or at
//   pseudo-random places when STRIDE is 0; prints the bytes a cycle
#include "../../hw/config/vb_config_gen.h"
#include "../../sim/cycle/port.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vb_hw_config configs[] = {VB_CONFIG_SMALL, VB_CONFIG_BASE, VB_CONFIG_PAPER};
enum { RECORDS = 20000 };

int main(int argc, char **argv) {
  const struct vb_hw_config *hw = NULL;
  for (size_t i = 0; argc == 5 && i < sizeof configs / sizeof *configs; i++)
    if (strcmp(configs[i].name, argv[1]) == 0) hw = &configs[i];
  const struct vb_dram_part *part = argc == 5 ? vb_dram_find(argv[2]) : NULL;
  uint64_t record = argc == 5 ? strtoull(argv[3], NULL, 10) : 0, stride = argc == 5 ? strtoull(argv[4], NULL, 10) : 0;
  if (!hw || !part || record < 32 || record > 1 << 20) {
    fprintf(stderr, "usage: roof small|base|paper DRAM RECORD STRIDE (RECORD 32..1048576 bytes)\n");
    return 2;
  }
  struct vb_cycle_env env = {hw, part, false, 1};
  static struct vb_port port;
  if (vb_port_init(&port, &env, 1, 64, 16, 8)) return 1;
  uint64_t beat = hw->axi_data_bits / 8, told = 0, beats = 0, popped = 0, last = 0;
  if (stride == record) record *= RECORDS, stride = 0;
  uint64_t records = record > 1 << 20 ? 1 : RECORDS;
  while (popped < beats || told < records) {
    for (; told < records; told++) {
      uint64_t at = records == 1 ? 0
                    : stride     ? told * stride
                                 : (vb_hash2(7, told) % (1u << 20)) * ((record + 63) & ~63ull);
      uint64_t first = at / beat, n = (at + record - 1) / beat - first + 1;
      if (!vb_port_rd_cmd(&port, 0, VB_CYCLE_START, first * beat, (uint32_t)n)) break;
      beats += n;
    }
    for (; vb_port_rd_known(&port.rd[0]); popped++) {
      uint64_t t = vb_port_rd_time(&port.rd[0], 0);
      last = popped && t <= last ? last + 1 : t;
      vb_port_rd_pop(&port, 0, last);
    }
    if (!vb_port_step(&port) && told == records && popped < beats && !vb_port_rd_known(&port.rd[0])) return 1;
  }
  printf("%.3f\n", (double)(records * record) / (double)(last + 1 - VB_CYCLE_START));
  vb_port_free(&port);
  return 0;
}
