// SPDX-License-Identifier: Apache-2.0

// Watchdog of a unit. A job that is not done after limit_i cycles must end: abort_o asks the unit's state machine for
// what it does after a bus error (issue nothing new, finish what the bus was promised, drain what is in flight, report
// done), with the error ErrWatchdog. A job of N cycles passes with limit_i >= N and is aborted with less.
//
// Should the bus then be silent for GRACE cycles, give_up_o says so. AXI forbids to withdraw an address or data that was
// offered, and outstanding beats cannot be told from those of a later job; so the unit keeps its channels as they are,
// reports done without becoming idle, and answers every further ap_start with done and the same error, until reset.
module vb_watchdog #(
  parameter int unsigned GRACE = 16384  // far above any legal latency, refresh and arbitration included
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic [63:0] limit_i,   // control register; 0: off
  input  logic [63:0] cycles_i,  // cycles of the job before this one (vb_stats)
  input  logic        start_i,   // first cycle of the job
  input  logic        run_i,     // every cycle of the job
  input  logic        beat_i,    // the bus moved: a read beat, a write beat or a response
  output logic        abort_o,   // level, until the job ends and one cycle more: out of a register
  output logic        give_up_o  // level, until the job ends; implies abort_o
);
  localparam int unsigned GW = $clog2(GRACE + 1);
  logic abort_q;
  logic [GW-1:0] silent_q;
  assign abort_o = abort_q;
  assign give_up_o = abort_o && silent_q == GW'(GRACE);
  always_ff @(posedge clk_i) begin
    if (rst_i) abort_q <= 1'b0;
    else if (start_i) abort_q <= limit_i == 64'd1;  // cycles_i is still that of the job before
    else abort_q <= run_i && (abort_q || (limit_i != '0 && limit_i <= cycles_i + 64'd1));  // also if it is raised now
    if (rst_i || !abort_o || beat_i) silent_q <= '0;
    else if (!give_up_o) silent_q <= silent_q + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_start_runs: assert (!start_i || run_i);
      a_silent: assert (silent_q <= GW'(GRACE));
    end
  end
endmodule
