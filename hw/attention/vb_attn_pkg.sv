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

  // Kinds of read streams, carried in the tag of the read master. Q and K are streams of records with headers.
  localparam logic [2:0] KindQ = 3'd0, KindK = 3'd1, KindV = 3'd2, KindM = 3'd3, KindEm = 3'd4;
  localparam logic [2:0] KindList = 3'd5, KindSink = 3'd6;
  // The tag: {kind, first half-beat is not ours, last half-beat is not ours, the key may be attended}.
  localparam int TagW = 6;

  // Limits that do not depend on the configuration.
  localparam int unsigned MaxKeys = 32'd1048576;
  localparam int unsigned MaxRows = 32'd1048576;
  localparam int unsigned MaxBlock = 32'd1024;       // keys of a list entry
  localparam int unsigned MaxSinks = 32'd512;        // rows of a token with sinks
  localparam int unsigned MaxDv = 32'd384;           // values with codes of their own
  localparam int unsigned MaxDvShared = 32'd512;     // values that are the head of their key

  // Bits of a numerator: |p'| < 2^24, |v| <= 2^7, MaxKeys of them.
  localparam int unsigned NumW = 52;

  // What a row stores as the score of a key that it does not attend. Scores saturate at +-(2^31 - 1).
  localparam logic [31:0] NoScore = 32'h8000_0000;

  // Control states (also readable in the state word).
  localparam logic [4:0] StIdle = 5'd0, StCheck = 5'd1, StRem = 5'd2, StTile = 5'd3, StPlan = 5'd4, StPlanned = 5'd5;
  localparam logic [4:0] StChunk = 5'd6, StKA = 5'd7, StKB = 5'd8, StVA = 5'd9, StVB = 5'd10, StKeyDrain = 5'd11;
  localparam logic [4:0] StExp = 5'd12, StValDrain = 5'd13, StNext = 5'd14, StRecip = 5'd15, StOut = 5'd16;
  localparam logic [4:0] StResp = 5'd17, StDone = 5'd18, StAbort = 5'd19, StStuck = 5'd20;
  // Those that take words, told by two bits of 24: words of records, then of everything else.
  localparam logic [4:0] StQ = 5'd24, StKey = 5'd25, StVal = 5'd26, StSink = 5'd28, StM = 5'd29, StEm = 5'd30, StList = 5'd31;
endpackage
