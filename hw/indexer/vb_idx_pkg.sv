// SPDX-License-Identifier: Apache-2.0
//
// Names of the indexer unit that more than one of its modules, the testbench or the driver quote.
package vb_idx_pkg;
  // Modes.
  localparam logic [1:0] ModeFull   = 2'd0;  // scores, then the top-k of each token
  localparam logic [1:0] ModeScores = 2'd1;  // ordered scores to memory
  localparam logic [1:0] ModeTopk   = 2'd2;  // top-k of ordered scores in memory

  // Arguments and the errors 0x3x (the data contradict themselves: the job runs to its end, its results must not be used):
  // hw/regs/indexer.json.
`include "vb_regs_indexer.svh"

  // Limits that do not depend on the configuration.
  localparam int unsigned MaxHeads  = 64;
  localparam int unsigned MaxTopk   = 2048;
  localparam int unsigned MaxTokens = 1048576;
  localparam int unsigned MaxScores = 1048576;  // keys of a token in mode SCORES

  // Kinds of read streams, carried as the tag of the read master.
  localparam logic [1:0] TagW = 2'd0, TagQ = 2'd1, TagK = 2'd2, TagS = 2'd3;

  // States of the sequencer (readable in the state word, bits 3..0).
  localparam logic [3:0] StIdle = 4'd0, StNext = 4'd1, StW = 4'd2, StQ = 4'd3, StAlign = 4'd4, StBuf = 4'd5;
  localparam logic [3:0] StKeys = 4'd6, StScores = 4'd7, StDrain = 4'd8, StTail = 4'd9;
  localparam logic [3:0] StLast = 4'd9;

  // States of the job (bits 6..4).
  localparam logic [2:0] JobIdle = 3'd0, JobCheck = 3'd1, JobRun = 3'd2, JobDrain = 3'd3, JobAbort = 3'd4;
  localparam logic [2:0] JobStuck = 3'd5;  // the bus was silent; until reset

  // Beats that the output queue holds.
  localparam int unsigned OutDepth = 64;
endpackage
