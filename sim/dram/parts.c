// SPDX-License-Identifier: Apache-2.0
// DRAM parts. Picoseconds; NCK(n) is n clocks of the part.
#include "dram.h"
#include <stddef.h>
#include <string.h>

#define NS(x) ((uint32_t)((x)*1000 + 0.5))

// JEDEC JESD79-4B (DDR4), speed bin 2400R (CL-nRCD-nRP 16-16-16), 8 Gb x16 chips, 2 KB page; four of
// them make the 64-bit, 4 GB memory of a KV260-class board. tRRD and tFAW are the 2 KB page values.
// CWL 12 (first set for 2400). Controller: about 60 ns from AXI to AXI on top of the DRAM's own
// latency, typical of the hard controllers of such boards (an assumption, not a data-sheet value).
#define DDR4_TCK 833
#define DDR4_NCK(n) ((n)*DDR4_TCK)

// JEDEC JESD79-5B (DDR5), bin 4800B (40-39-39), 16 Gb x8 chips; one 64-bit DIMM is two independent
// 32-bit sub-channels of four chips. BL16. tCCD_L_WR is the value without read-modify-write of x8.
#define DDR5_TCK 416
#define DDR5_NCK(n) ((n)*DDR5_TCK)

// JEDEC JESD235C structure (8 channels of 128 bits as 16 pseudo-channels of 64, BL4, 1 KB page) at
// 3.2 Gb/s a pin. JEDEC leaves the analogue latencies to the vendors: CL, tRCD, tRP, tRAS, tRRD, tFAW,
// tWTR, tWR, tRFC and tREFI are those of the public HBM2 8 Gb description of the DRAMsim3 simulator.
#define HBM_TCK 625
#define HBM_NCK(n) ((n)*HBM_TCK)

static const struct vb_dram_part parts[] = {
    {.name = "ddr4-2400",
     .source = "JESD79-4B DDR4-2400R, 4 x 8 Gb x16",
     .channels = 1,
     .bank_groups = 2,
     .banks_per_group = 4,
     .row_bytes = 8192,
     .burst_bytes = 64,
     .interleave = 4096,
     .tck = DDR4_TCK,
     .burst = DDR4_NCK(4),
     .cl = DDR4_NCK(16),
     .cwl = DDR4_NCK(12),
     .rcd = NS(13.32),
     .rp = NS(13.32),
     .ras = NS(32),
     .rrd_s = NS(5.3),
     .rrd_l = NS(6.4),
     .faw = NS(30),
     .ccd_s = DDR4_NCK(4),
     .ccd_l = DDR4_NCK(6),
     .ccd_l_wr = DDR4_NCK(6),
     .wtr_s = NS(2.5),
     .wtr_l = NS(7.5),
     .rtp = NS(7.5),
     .wr = NS(15),
     .refi = NS(7800),
     .rfc = NS(350),
     .controller = NS(60)},
    {.name = "ddr5-4800",
     .source = "JESD79-5B DDR5-4800B, 16 Gb x8, one DIMM",
     .channels = 2,
     .bank_groups = 8,
     .banks_per_group = 4,
     .row_bytes = 4096,
     .burst_bytes = 64,
     .interleave = 256,
     .tck = DDR5_TCK,
     .burst = DDR5_NCK(8),
     .cl = DDR5_NCK(40),
     .cwl = DDR5_NCK(38),
     .rcd = DDR5_NCK(39),
     .rp = DDR5_NCK(39),
     .ras = NS(32),
     .rrd_s = DDR5_NCK(8),
     .rrd_l = DDR5_NCK(12),
     .faw = DDR5_NCK(32),
     .ccd_s = DDR5_NCK(8),
     .ccd_l = DDR5_NCK(12),
     .ccd_l_wr = DDR5_NCK(24),
     .wtr_s = NS(2.5),
     .wtr_l = NS(10),
     .rtp = NS(7.5),
     .wr = NS(30),
     .refi = NS(3900),
     .rfc = NS(295),
     .controller = NS(60)},
    {.name = "hbm2e",
     .source = "JESD235C structure at 3.2 Gb/s, latencies of DRAMsim3's HBM2 8 Gb",
     .channels = 16,
     .bank_groups = 4,
     .banks_per_group = 4,
     .row_bytes = 1024,
     .burst_bytes = 32,
     .interleave = 256,
     .tck = HBM_TCK,
     .burst = HBM_NCK(2),
     .cl = NS(14),
     .cwl = NS(4),
     .rcd = NS(14),
     .rp = NS(14),
     .ras = NS(34),
     .rrd_s = NS(4),
     .rrd_l = NS(6),
     .faw = NS(30),
     .ccd_s = HBM_NCK(2),
     .ccd_l = HBM_NCK(4),
     .ccd_l_wr = HBM_NCK(4),
     .wtr_s = NS(6),
     .wtr_l = NS(8),
     .rtp = NS(6),
     .wr = NS(16),
     .refi = NS(3900),
     .rfc = NS(260),
     .controller = NS(80)},
    // No part: 100 ns, no refresh, more bandwidth than any port takes. For studies of the unit alone.
    {.name = "ideal",
     .source = "fixed latency, no data sheet",
     .channels = 1,
     .bank_groups = 1,
     .banks_per_group = 1,
     .row_bytes = 1u << 30,
     .burst_bytes = 64,
     .interleave = 4096,
     .tck = 1,
     .burst = 1,
     .cl = 1,
     .cwl = 1,
     .refi = UINT32_MAX,
     .controller = NS(100)},
};

const struct vb_dram_part *vb_dram_at(uint32_t index) {
  return index < sizeof parts / sizeof *parts ? &parts[index] : NULL;
}

const struct vb_dram_part *vb_dram_find(const char *name) {
  for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strcmp(parts[i].name, name) == 0) return &parts[i];
  return NULL;
}
