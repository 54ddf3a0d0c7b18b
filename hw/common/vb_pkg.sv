// SPDX-License-Identifier: Apache-2.0

// Names that every unit shares. Numbers that the driver, the harness and the documents quote too are generated.
package vb_pkg;
  localparam int unsigned AddrW = 40;  // byte address on every AXI master
  localparam int unsigned LenW = 24;   // bytes or beats of one transfer descriptor

  // Error codes, cycle classes, status words: hw/regs/common.json.
`include "vb_regs_common.svh"

  // log2 of the bytes of one beat, as arsize/awsize want it.
  function automatic logic [2:0] axsize(input int unsigned data_w);
    axsize = 3'($clog2(data_w / 8));
  endfunction

  // Longest burst from a beat of a 4 KiB page (its number, with ones above the page's bits): max_beats, a power of two, or
  // what is left of the page, which is less only among its last max_beats. No carry: both masters' ready waits for it.
  function automatic logic [7:0] burst_limit(input logic [8:0] page, input logic [7:0] max_beats);
    logic [7:0] low;
    low = (page | 9'(max_beats - 8'd1)) == '1 ? 8'(page) & (max_beats - 8'd1) : 8'd0;
    burst_limit = 8'd0;  // max_beats - low
    for (int i = 0; i < 8; i++) burst_limit[i] = ((low | max_beats) & 8'(1 << i)) != 8'd0 ^ (low & 8'((1 << i) - 1)) != 8'd0;
    burst_limit = burst_limit & (max_beats | (max_beats - 8'd1));
  endfunction

  function automatic logic fits(input logic [LenW-1:0] beats, input logic [7:0] limit);
    fits = (beats >> 8) == '0 && 8'(beats) <= limit;
  endfunction
endpackage
