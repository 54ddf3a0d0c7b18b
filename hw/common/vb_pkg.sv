// SPDX-License-Identifier: Apache-2.0

// Names that every unit shares: error codes, stall classes, the register map above the arguments.
// One place, because the driver, the harness and the documents quote the same numbers.
package vb_pkg;
  localparam int unsigned AddrW = 40;  // byte address on every AXI master
  localparam int unsigned LenW = 24;   // bytes or beats of one transfer descriptor

  // Error register. 0x1x: the descriptor, found before the first access. 0x2x: the bus.
  localparam logic [7:0] ErrNone = 8'h00;
  localparam logic [7:0] ErrSize = 8'h10;   // a count is 0 or above the unit's limit
  localparam logic [7:0] ErrAlign = 8'h11;  // a pointer or a stride is not aligned
  localparam logic [7:0] ErrMode = 8'h12;   // unknown mode, score function or flag
  localparam logic [7:0] ErrValue = 8'h13;  // a scalar is not a value of the carrier
  localparam logic [7:0] ErrRdSlv = 8'h20;  // SLVERR on a read
  localparam logic [7:0] ErrRdDec = 8'h21;  // DECERR on a read
  localparam logic [7:0] ErrWrSlv = 8'h22;  // SLVERR on a write
  localparam logic [7:0] ErrWrDec = 8'h23;  // DECERR on a write

  // Every cycle of a job is busy or in exactly one stall class. Bit positions of class_i of vb_stats.
  localparam int unsigned NumClass = 9;
  localparam int unsigned ClsBusy = 0;
  localparam int unsigned ClsRead = 1;   // waiting for DRAM read data
  localparam int unsigned ClsWrite = 2;  // write back-pressure
  localparam int unsigned ClsDep = 3;    // waiting for an earlier stage of the unit itself
  localparam int unsigned ClsDrain = 4;  // all values made, waiting for the last write response
  localparam int unsigned ClsBank = 5;   // on-chip bank conflict
  // 6..8 are free; unused classes stay 0.

  // Read-only status words at 0x100 + 4 * index.
  localparam int unsigned StatError = 0;
  localparam int unsigned StatId = 1;
  localparam int unsigned StatConfig = 2;
  localparam int unsigned StatTables = 3;
  localparam int unsigned StatCycles = 4;  // 64 bits: low word, then high word
  localparam int unsigned StatRead = 6;    // bytes read from DRAM, 64 bits
  localparam int unsigned StatWrite = 8;   // bytes written to DRAM (strobed), 64 bits
  localparam int unsigned StatState = 10;  // the unit's state, for watchdog dumps
  localparam int unsigned StatBusy = 16;   // 9 classes, 64 bits each
  localparam int unsigned NumStat = 34;

  // log2 of the bytes of one beat, as arsize/awsize want it.
  function automatic logic [2:0] axsize(input int unsigned data_w);
    axsize = 3'($clog2(data_w / 8));
  endfunction
endpackage
