// SPDX-License-Identifier: Apache-2.0

// Counters of one job: cycles, one counter per class (busy and the stall classes), bytes moved.
// Every counted cycle is in exactly one class, so the classes sum to the total: asserted both ways. Classes are counted a
// cycle later, because they depend on all that moved.
// The result is the status vector of vb_axil_ctrl; it stays until the next job starts.
module vb_stats #(
  parameter int unsigned DW = 256,
  parameter logic [31:0] CONFIG = 32'h0  // configuration word, read by the driver
) (
  input  logic                             clk_i,
  input  logic                             rst_i,
  input  logic                             start_i,  // first cycle of the job: clears, and counts itself
  input  logic                             run_i,    // high in every cycle of the job, start_i included
  input  logic [vb_pkg::NumClass-1:0]      class_i,  // one-hot while run_i
  input  logic                             rd_beat_i,
  input  logic                             wr_beat_i,
  input  logic [7:0]                       wr_bytes_i,
  input  logic [7:0]                       error_i,
  input  logic [31:0]                      id_i,
  input  logic [31:0]                      state_i,
  output logic [vb_pkg::NumStat*32-1:0]    stat_o
);
  localparam logic [7:0] BeatBytes = 8'(DW / 8);
  logic [63:0] cycles_q, read_q, write_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      cycles_q <= '0;
      read_q <= '0;
      write_q <= '0;
    end else if (run_i) begin
      cycles_q <= start_i ? 64'd1 : cycles_q + 64'd1;
      if (start_i) read_q <= '0;
      else if (rd_beat_i) read_q <= read_q + 64'(BeatBytes);
      if (start_i) write_q <= '0;
      else if (wr_beat_i) write_q <= write_q + 64'(wr_bytes_i);
    end
  end

  assign stat_o[32*vb_pkg::StatError +: 32] = {24'h0, error_i};
  assign stat_o[32*vb_pkg::StatId +: 32] = id_i;
  assign stat_o[32*vb_pkg::StatConfig +: 32] = CONFIG;
  assign stat_o[32*vb_pkg::StatTables +: 32] = vb_tables_pkg::TABLES_HASH;
  assign stat_o[32*vb_pkg::StatCycles +: 64] = cycles_q;
  assign stat_o[32*vb_pkg::StatRead +: 64] = read_q;
  assign stat_o[32*vb_pkg::StatWrite +: 64] = write_q;
  assign stat_o[32*vb_pkg::StatState +: 32] = state_i;
  assign stat_o[32*11 +: 32*5] = '0;

  logic start1_q, run1_q;
  logic [vb_pkg::NumClass-1:0] class1_q;
  always_ff @(posedge clk_i) begin
    start1_q <= start_i;
    run1_q   <= run_i && !rst_i;
    if (run_i) class1_q <= class_i;
  end
  for (genvar c = 0; c < vb_pkg::NumClass; c++) begin : g_class
    logic [63:0] count_q;
    assign stat_o[32*(vb_pkg::StatBusy + 2*c) +: 64] = count_q;
    always_ff @(posedge clk_i) begin
      if (rst_i) count_q <= '0;
      else if (run1_q && (start1_q || class1_q[c])) count_q <= start1_q ? 64'(class1_q[c]) : count_q + 64'd1;
    end
  end

  logic [63:0] cycles1_q;
  always_ff @(posedge clk_i) begin : b_check
    logic [63:0] sum;
    cycles1_q <= rst_i ? '0 : cycles_q;
    if (!rst_i) begin
      a_one_class: assert (!run_i || $onehot(class_i));
      a_start_runs: assert (!start_i || run_i);
      sum = '0;  // of the counters, so two cycles behind class_i
      for (int c = 0; c < vb_pkg::NumClass; c++) sum = sum + stat_o[32*(vb_pkg::StatBusy + 2*c) +: 64];
      a_classes_sum: assert (sum == cycles1_q);
    end
  end
endmodule
