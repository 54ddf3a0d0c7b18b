// SPDX-License-Identifier: Apache-2.0
//
// Names of the attention unit that more than one of its modules, the testbench or the driver quote.
package vb_attn_pkg;
  // Modes: enum vb_attn_mode.
  localparam logic [1:0] ModeFull = 2'd0;
  localparam logic [1:0] ModeMax  = 2'd1;
  localparam logic [1:0] ModeExp  = 2'd2;
  localparam logic [1:0] ModeSum  = 2'd3;

  // Arguments and the errors 0x3x (the data contradict themselves: the job runs to its end, its results must not be used):
  // hw/regs/attention.json.
`include "vb_regs_attention.svh"

  // Kinds of read streams, carried as the tag of the read master.
  localparam logic [2:0] TagQ = 3'd0, TagM = 3'd1, TagEm = 3'd2, TagK = 3'd3, TagV = 3'd4;

  // Limits that do not depend on the configuration.
  localparam int unsigned MaxKeys = 32'd1048576;
  localparam int unsigned MaxRows = 32'd1048576;

  // Control states (also readable in the state word).
  localparam logic [4:0] StIdle = 5'd0, StCheck = 5'd1, StTile = 5'd2, StQ = 5'd3, StM = 5'd4, StEm = 5'd5;
  localparam logic [4:0] StChunk = 5'd6, StChunkV = 5'd7, StKey = 5'd8, StKeyDrain = 5'd9;
  localparam logic [4:0] StExp = 5'd10, StExpDrain = 5'd11, StVal = 5'd12, StValDrain = 5'd13;
  localparam logic [4:0] StNext = 5'd14, StRecip = 5'd15, StOut = 5'd16, StResp = 5'd17, StDone = 5'd18;
  localparam logic [4:0] StAbort = 5'd19, StRefs = 5'd20;
  localparam logic [4:0] StLast = 5'd20;
endpackage
