// SPDX-License-Identifier: Apache-2.0

// Example unit: y[i] = max(x[i], 0) over n F32Z values. One read descriptor, one write descriptor, and between the
// masters nothing but wires: a beat that arrives leaves in the same cycle. docs/bring-your-own-unit.md walks through it.
module vb_relu #(
  parameter int unsigned AXI_DW = vb_cfg_pkg::AxiDw,
  parameter int unsigned AXI_IDW = vb_cfg_pkg::AxiIdw,
  parameter int unsigned MAX_BURST = vb_cfg_pkg::MaxBurst,
  parameter logic [31:0] CONFIG = vb_cfg_pkg::Word
) (
`include "vb_unit_ports.svh"
);
  localparam int unsigned AW = vb_pkg::AddrW, CW = vb_pkg::LenW, NARGS = vb_relu_pkg::NumArgs, P = AXI_DW / 32;
  localparam logic [2:0] Idle = 3'd0, Check = 3'd1, Run = 3'd2, Drain = 3'd3, Abort = 3'd4, Stuck = 3'd5;
  logic rst;
  assign rst = !ap_rst_n;

  // ---- control port, counters, watchdog: the same in every unit
  logic start, done, idle, job, begin_job, timeout, give_up, rd_beat, wr_beat;
  logic [63:0] limit;
  logic [NARGS*64-1:0] args;
  logic [vb_pkg::NumStat*32-1:0] stat;
  logic [vb_pkg::NumClass-1:0] cls;
  logic [7:0] error_q, wr_bytes;
  logic [2:0] state_q;
  vb_axil_ctrl #(.NARGS(NARGS)) u_ctrl (
`include "vb_unit_ctrl_map.svh"
    .start_o(start), .ready_i(done), .done_i(done), .idle_i(idle), .args_o(args), .watchdog_o(limit), .stat_i(stat));
  vb_stats #(.DW(AXI_DW), .CONFIG(CONFIG)) u_stats (
    .clk_i(ap_clk), .rst_i(rst), .start_i(begin_job), .run_i(job), .class_i(cls), .rd_beat_i(rd_beat),
    .wr_beat_i(wr_beat), .wr_bytes_i(wr_bytes), .error_i(error_q), .id_i(args[64*vb_relu_pkg::ArgId +: 32]),
    .state_i({29'd0, state_q}), .stat_o(stat));
  vb_watchdog u_watchdog (
    .clk_i(ap_clk), .rst_i(rst), .limit_i(limit), .cycles_i(stat[32*vb_pkg::StatCycles +: 64]), .start_i(begin_job),
    .run_i(job), .beat_i(rd_beat || wr_beat || m_axi_gmem_bvalid), .abort_o(timeout), .give_up_o(give_up));

  // ---- the job
  logic [31:0] n;
  logic [7:0] desc_error;
  logic stop, quiet, rd_err, wr_err, rd_idle, wr_idle, rd_sent_q, wr_sent_q, rd_ready, wr_ready;
  logic in_valid, in_ready, in_last, out_ready, tag, unused;
  assign unused = ^{args, tag};
  logic [7:0] rd_code, wr_code;
  logic [AXI_DW-1:0] in_data, out_data;
  logic [63:0] x, y;
  assign x = args[64*vb_relu_pkg::ArgX +: 64];
  assign y = args[64*vb_relu_pkg::ArgY +: 64];
  assign n = args[64*vb_relu_pkg::ArgN +: 32];
  assign desc_error = n > 32'h10_0000 ? vb_pkg::ErrSize
                    : (x[5:0] | y[5:0]) != '0 || (x | y) >> AW != '0 ? vb_pkg::ErrAlign : vb_pkg::ErrNone;
  assign idle = state_q == Idle;
  assign begin_job = idle && start;
  assign job = begin_job || (!idle && state_q != Stuck);
  assign stop = rd_err || wr_err || timeout;
  assign quiet = rd_idle && wr_idle;
  assign done = (state_q == Check && (desc_error != vb_pkg::ErrNone || n == '0)) || (state_q == Drain && wr_idle && !stop)
             || (state_q == Abort && (quiet || give_up)) || (state_q == Stuck && start);

  always_ff @(posedge ap_clk) begin
    if (rst) state_q <= Idle;
    else case (state_q)
      Idle:    if (start) state_q <= Check;
      Check:   state_q <= done ? Idle : Run;
      Run:     if (stop) state_q <= Abort; else if (in_valid && in_ready && in_last) state_q <= Drain;
      Drain:   if (stop) state_q <= Abort; else if (wr_idle) state_q <= Idle;
      Abort:   if (quiet) state_q <= Idle; else if (give_up) state_q <= Stuck;
      default: ;  // Stuck: until reset
    endcase
    if (rst || begin_job) error_q <= vb_pkg::ErrNone;
    else if (state_q == Check) error_q <= desc_error;
    else if ((state_q == Run || state_q == Drain) && stop)
      error_q <= rd_err ? rd_code : wr_err ? wr_code : vb_pkg::ErrWatchdog;
    if (begin_job) {rd_sent_q, wr_sent_q} <= 2'b00;
    else if (state_q == Run) {rd_sent_q, wr_sent_q} <= {rd_sent_q | rd_ready, wr_sent_q | wr_ready};
  end

  // ---- read, clear the negative, write. An aborted job drops what comes and sends rubbish for what it promised.
  for (genvar l = 0; l < P; l++) begin : g_lane
    assign out_data[32*l +: 32] = in_data[32*l + 31] ? 32'd0 : in_data[32*l +: 32];
  end
  assign in_ready = out_ready || state_q == Abort;
  vb_axi_rd #(.DW(AXI_DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST)) u_rd (
`include "vb_unit_rd_map.svh"
    .clear_i(begin_job), .cmd_valid_i(state_q == Run && !rd_sent_q), .cmd_ready_o(rd_ready), .cmd_addr_i(x[AW-1:0]),
    .cmd_beats_i(CW'((n + P - 1) / P)), .cmd_tag_i(1'b0), .out_valid_o(in_valid), .out_ready_i(in_ready),
    .out_data_o(in_data), .out_tag_o(tag), .out_last_o(in_last), .idle_o(rd_idle), .err_o(rd_err), .err_code_o(rd_code),
    .beat_o(rd_beat));
  vb_axi_wr #(.DW(AXI_DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST)) u_wr (
`include "vb_unit_wr_map.svh"
    .clear_i(begin_job), .cmd_valid_i(state_q == Run && !wr_sent_q), .cmd_ready_o(wr_ready), .cmd_addr_i(y[AW-1:0]),
    .cmd_bytes_i(CW'(n << 2)), .in_valid_i(in_valid || state_q == Abort), .in_ready_o(out_ready), .in_data_i(out_data),
    .idle_o(wr_idle), .err_o(wr_err), .err_code_o(wr_code), .beat_o(wr_beat), .beat_bytes_o(wr_bytes));

  // ---- every cycle of a job in one class
  always_comb begin
    cls = '0;
    if (state_q == Drain || state_q == Abort) cls[vb_pkg::ClsDrain] = 1'b1;
    else if (state_q != Run || (in_valid && in_ready)) cls[vb_pkg::ClsBusy] = 1'b1;
    else cls[in_valid ? vb_pkg::ClsWrite : vb_pkg::ClsRead] = 1'b1;
  end
endmodule
