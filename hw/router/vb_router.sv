// SPDX-License-Identifier: Apache-2.0

// MoE router: top-k of the scores of every token, gate weights, and the dispatch lists. This is the kernel's top:
// control port, job state machine, AXI masters and counters round vb_router_core.
//
// Arguments: hw/regs/router.json. Theory of operation, error codes and timing: README.md.
module vb_router #(
  parameter int unsigned AXI_DW = vb_cfg_pkg::AxiDw,
  parameter int unsigned AXI_IDW = vb_cfg_pkg::AxiIdw,
  parameter int unsigned MAX_PAIRS = vb_cfg_pkg::RouterMaxPairs,  // tokens * k of one job
  parameter int unsigned MAX_BURST = vb_cfg_pkg::MaxBurst,
  parameter logic [31:0] CONFIG = vb_cfg_pkg::Word
) (
`include "vb_unit_ports.svh"
);
  localparam int unsigned AW = vb_pkg::AddrW;
  localparam int unsigned CW = vb_pkg::LenW;
  localparam int unsigned P = AXI_DW / 32;
  localparam int unsigned LGP = $clog2(P);
  localparam int unsigned NW = $clog2(MAX_PAIRS);
  localparam int unsigned NARGS = vb_router_pkg::NumArgs;
  if (MAX_PAIRS < 512 || MAX_PAIRS > 65536 || (1 << NW) != MAX_PAIRS) begin : g_illegal
    $error("vb_router: MAX_PAIRS must be a power of two, 512..65536");
  end

  logic rst;
  assign rst = !ap_rst_n;

  // ---- control port
  logic start, done, idle;
  logic [63:0] limit;
  logic [NARGS*64-1:0] args;
  logic [vb_pkg::NumStat*32-1:0] stat;
  vb_axil_ctrl #(.NARGS(NARGS)) u_ctrl (
`include "vb_unit_ctrl_map.svh"
    .start_o(start), .ready_i(done), .done_i(done), .idle_i(idle), .args_o(args), .watchdog_o(limit), .stat_i(stat));

  // ---- job state machine
  localparam logic [2:0] Idle = 3'd0, Check = 3'd1, Run = 3'd2, Drain = 3'd3, Abort = 3'd4, Stuck = 3'd5;
  logic [2:0] state_q;
  logic [7:0] error_q, desc_error, bus_error;
  logic [9:0] group_size;
  logic [NW:0] pairs;
  logic desc_bad;
  logic job, begin_job, flush, core_start, core_done, bus_err, stop, timeout, give_up, quiet;
  logic rd_idle, wr_idle, rd_err, wr_err, rd_beat, wr_beat, chunk_open;
  logic [7:0] rd_code, wr_code, wr_bytes;

  vb_router_desc #(.MAX_PAIRS(MAX_PAIRS)) u_desc (
    .clk_i(ap_clk), .en_i(idle), .args_i(args), .bad_o(desc_bad), .error_o(desc_error), .pairs_o(pairs), .group_size_o(group_size));
  vb_watchdog u_watchdog (
    .clk_i(ap_clk), .rst_i(rst), .limit_i(limit), .cycles_i(stat[32*vb_pkg::StatCycles +: 64]), .start_i(begin_job),
    .run_i(job), .beat_i(rd_beat || wr_beat || m_axi_gmem_bvalid), .abort_o(timeout), .give_up_o(give_up));

  assign idle = state_q == Idle;
  assign begin_job = idle && start;
  assign job = begin_job || (!idle && state_q != Stuck);
  assign core_start = state_q == Check && !desc_bad;
  assign bus_err = rd_err || wr_err;
  assign bus_error = bus_err ? (rd_err ? rd_code : wr_code) : vb_pkg::ErrWatchdog;
  assign stop = bus_err || timeout;
  assign quiet = rd_idle && wr_idle && !chunk_open;
  assign done = (state_q == Check && desc_bad) || (state_q == Drain && wr_idle && !stop) ||
                (state_q == Abort && (quiet || give_up)) || (state_q == Stuck && start);
  assign flush = rst || (state_q == Abort && quiet);

  always_ff @(posedge ap_clk) begin
    if (rst) begin
      state_q <= Idle;
      error_q <= vb_pkg::ErrNone;
    end else begin
      case (state_q)
        Idle: if (start) state_q <= Check;
        Check: state_q <= desc_bad ? Idle : Run;
        Run: if (stop) state_q <= Abort; else if (core_done) state_q <= Drain;
        Drain: if (stop) state_q <= Abort; else if (wr_idle) state_q <= Idle;
        Abort: if (quiet) state_q <= Idle; else if (give_up) state_q <= Stuck;
        Stuck: state_q <= Stuck;  // until reset
        default: state_q <= Idle;
      endcase
      if (begin_job) error_q <= vb_pkg::ErrNone;
      else if (state_q == Check) error_q <= desc_error;
      else if ((state_q == Run || state_q == Drain) && stop) error_q <= bus_error;
      else if (state_q == Abort && !quiet && give_up) error_q <= vb_pkg::ErrWatchdog;
    end
  end

  // ---- job constants
  logic [9:0] experts_q;
  logic [4:0] k_q;
  logic renorm_q, sigmoid_q, use_bias_q, sum_two_q;
  logic [3:0] groups_q, topk_groups_q;
  logic [9:0] group_size_q;
  logic [31:0] scale_q, stride_q, threshold_q, capacity;
  logic [NW:0] pairs_q, capacity_q;
  assign capacity = args[vb_router_pkg::ArgCapacity*64 +: 32];
  always_ff @(posedge ap_clk) begin
    if (begin_job) begin
      experts_q <= args[vb_router_pkg::ArgExperts*64 +: 10];
      k_q <= args[vb_router_pkg::ArgK*64 +: 5];
      sigmoid_q <= args[vb_router_pkg::ArgScore*64];
      renorm_q <= args[vb_router_pkg::ArgRenorm*64];
      stride_q <= args[vb_router_pkg::ArgLogitsStride*64 +: 32];
      scale_q <= args[vb_router_pkg::ArgScale*64 +: 32];
      pairs_q <= pairs;
      use_bias_q <= args[vb_router_pkg::ArgUseBias*64];
      groups_q <= args[vb_router_pkg::ArgGroups*64 +: 4];
      topk_groups_q <= args[vb_router_pkg::ArgTopkGroups*64 +: 4];
      sum_two_q <= args[vb_router_pkg::ArgGroupTop*64 + 1];
      threshold_q <= args[vb_router_pkg::ArgThreshold*64 +: 32];
      group_size_q <= group_size;
      capacity_q <= capacity == '0 || capacity > 32'(MAX_PAIRS) ? '1 : (NW + 1)'(capacity);
    end
  end

  // ---- one read descriptor a row; the bias row goes first
  logic [NW:0] rows_q;
  logic [AW-1:0] row_q;
  logic [AW-3:0] cmd_at;  // in words
  logic row_valid, row_ready, bias_next_q;
  logic [CW-1:0] row_beats;
  assign row_valid = state_q == Run && rows_q != '0 && !stop;
  assign cmd_at = bias_next_q ? args[vb_router_pkg::ArgBias*64 + 2 +: AW - 2] : row_q[AW-1:2];
  assign row_beats = (CW'(cmd_at[LGP-1:0]) + CW'(experts_q) + CW'(P - 1)) >> LGP;
  always_ff @(posedge ap_clk) begin
    if (begin_job) begin
      rows_q <= args[vb_router_pkg::ArgTokens*64 +: NW + 1];
      row_q <= args[vb_router_pkg::ArgLogits*64 +: AW];
      bias_next_q <= args[vb_router_pkg::ArgUseBias*64];
    end else if (row_valid && row_ready && bias_next_q) bias_next_q <= 1'b0;
    else if (row_valid && row_ready) begin
      rows_q <= rows_q - 1'b1;
      row_q <= row_q + AW'(stride_q);
    end
  end

  logic in_valid, in_ready, in_last, in_bias;
  logic [AXI_DW-1:0] in_data;
  logic [LGP-1:0] in_off;
  vb_axi_rd #(.DW(AXI_DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST), .DEPTH(64), .TAGW(LGP + 1)) u_rd (
`include "vb_unit_rd_map.svh"
    .clear_i(begin_job), .cmd_valid_i(row_valid), .cmd_ready_o(row_ready),
    .cmd_addr_i({cmd_at[AW-3:LGP], (LGP + 2)'(0)}), .cmd_beats_i(row_beats),
    .cmd_tag_i({bias_next_q, cmd_at[LGP-1:0]}), .out_valid_o(in_valid), .out_ready_i(in_ready || state_q == Abort),
    .out_data_o(in_data), .out_tag_o({in_bias, in_off}), .out_last_o(in_last), .idle_o(rd_idle), .err_o(rd_err),
    .err_code_o(rd_code), .beat_o(rd_beat));

  logic writing, chunk_valid, chunk_ready, out_valid, out_ready, work, wait_write, filled;
  logic [AW-1:0] chunk_addr;
  logic [CW-1:0] chunk_bytes;
  logic [AXI_DW-1:0] out_data;
  assign writing = state_q == Run || state_q == Drain;  // later only what was promised
  vb_router_core #(.P(P), .MAX_PAIRS(MAX_PAIRS)) u_core (
    .clk_i(ap_clk), .rst_i(flush), .start_i(core_start), .experts_i(experts_q), .k_i(k_q), .renorm_i(renorm_q),
    .sigmoid_i(sigmoid_q), .use_bias_i(use_bias_q), .groups_i(groups_q), .topk_groups_i(topk_groups_q),
    .sum_two_i(sum_two_q), .group_size_i(group_size_q), .scale_i(scale_q), .threshold_i(threshold_q),
    .capacity_i(capacity_q), .pairs_i(pairs_q),
    .addr_i({args[vb_router_pkg::ArgList*64 +: AW], args[vb_router_pkg::ArgOffsets*64 +: AW],
             args[vb_router_pkg::ArgHist*64 +: AW], args[vb_router_pkg::ArgGates*64 +: AW], args[vb_router_pkg::ArgIds*64 +: AW]}),
    .in_valid_i(in_valid && state_q == Run), .in_ready_o(in_ready), .in_data_i(in_data), .in_bias_i(in_bias),
    .in_off_i(in_off), .in_last_i(in_last),
    .chunk_valid_o(chunk_valid), .chunk_ready_i(chunk_ready && writing), .chunk_addr_o(chunk_addr),
    .chunk_bytes_o(chunk_bytes), .out_valid_o(out_valid), .out_ready_i(out_ready), .out_data_o(out_data),
    .chunk_open_o(chunk_open), .done_o(core_done), .work_o(work), .wait_write_o(wait_write), .inside_o(filled));

  vb_axi_wr #(.DW(AXI_DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST)) u_wr (
`include "vb_unit_wr_map.svh"
    .clear_i(begin_job), .cmd_valid_i(chunk_valid && writing), .cmd_ready_o(chunk_ready), .cmd_addr_i(chunk_addr),
    .cmd_bytes_i(chunk_bytes), .in_valid_i(out_valid), .in_ready_o(out_ready), .in_data_i(out_data), .idle_o(wr_idle),
    .err_o(wr_err), .err_code_o(wr_code), .beat_o(wr_beat), .beat_bytes_o(wr_bytes));

  // ---- every cycle of a job in one class: the only place where a stall gets its name
  logic [vb_pkg::NumClass-1:0] cls;
  always_comb begin
    cls = '0;
    if (state_q == Drain || state_q == Abort) cls[vb_pkg::ClsDrain] = 1'b1;
    else if (state_q != Run || work) cls[vb_pkg::ClsBusy] = 1'b1;
    else if (wait_write) cls[vb_pkg::ClsWrite] = 1'b1;
    else if (filled) cls[vb_pkg::ClsDep] = 1'b1;
    else if (rows_q != '0 || !rd_idle) cls[vb_pkg::ClsRead] = 1'b1;
    else cls[vb_pkg::ClsDrain] = 1'b1;
  end
  vb_stats #(.DW(AXI_DW), .CONFIG(CONFIG)) u_stats (
    .clk_i(ap_clk), .rst_i(rst), .start_i(begin_job), .run_i(job), .class_i(cls),
    .rd_beat_i(rd_beat), .wr_beat_i(wr_beat), .wr_bytes_i(wr_bytes), .error_i(error_q),
    .id_i(args[vb_router_pkg::ArgId*64 +: 32]), .state_i({29'd0, state_q}), .stat_o(stat));
endmodule
