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
endpackage
