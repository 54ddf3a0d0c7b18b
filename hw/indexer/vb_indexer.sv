// SPDX-License-Identifier: Apache-2.0
//
// Indexer unit: ap_ctrl_hs over AXI4-Lite, one AXI4 read and one AXI4 write channel pair. One job is a number of tokens
// against one cache of index keys: scores, exact top-k, or both; see hw/indexer/README.md for the arguments.
module vb_indexer #(
  parameter int ROWS  = vb_cfg_pkg::Rows,         ///< heads at a time: a power of two, 4..32
  parameter int LANES = vb_cfg_pkg::Lanes,        ///< int8 products of a row and cycle: 8, 16 or 32
  parameter int NMAX  = vb_cfg_pkg::IndexerKeys,  ///< scores of a token kept on chip: a power of two, 64..2^20
  parameter int NBK   = 4,                        ///< largest record in blocks of 32, 1..8
  parameter int AXI_DW  = vb_cfg_pkg::AxiDw,      ///< 64, 128, 256 or 512, at least 8 * LANES
  parameter int AXI_IDW = vb_cfg_pkg::AxiIdw,
  parameter int MAX_BURST = vb_cfg_pkg::MaxBurst,
  parameter int RD_DEPTH  = 64,                   ///< beats of the read FIFO
  parameter int RD_BURSTS = 16,                   ///< read bursts in flight
  parameter int WR_BURSTS = 8,                    ///< write bursts in flight
  parameter logic [31:0] CONFIG = vb_cfg_pkg::Word
) (
`include "vb_unit_ports.svh"
);
  if (ROWS < 4 || ROWS > 32 || (1 << $clog2(ROWS)) != ROWS) begin : g_rows
    $error("vb_indexer: ROWS must be 4, 8, 16 or 32");
  end
  if (LANES != 8 && LANES != 16 && LANES != 32) begin : g_lanes
    $error("vb_indexer: LANES must be 8, 16 or 32");
  end
  if (NMAX < 64 || NMAX > 1048576 || (1 << $clog2(NMAX)) != NMAX) begin : g_nmax
    $error("vb_indexer: NMAX must be a power of two, 64..2^20");
  end
  if (NBK < 1 || NBK > 8) begin : g_blocks
    $error("vb_indexer: NBK 1..8");
  end
  if ((AXI_DW != 64 && AXI_DW != 128 && AXI_DW != 256 && AXI_DW != 512) || AXI_DW < LANES * 8) begin : g_width
    $error("vb_indexer: AXI_DW must be 64, 128, 256 or 512, at least 8 * LANES");
  end

  localparam int AW  = vb_pkg::AddrW;
  localparam int LW  = vb_pkg::LenW;
  localparam int DW  = AXI_DW;
  localparam int P   = DW / 32;
  localparam int W   = LANES * 8;
  localparam int RW  = $clog2(ROWS);
  localparam int GW  = $clog2(vb_idx_pkg::MaxHeads / ROWS);
  localparam int WBW = $clog2(vb_idx_pkg::MaxHeads / P);
  localparam int IW  = $clog2(NMAX);
  localparam int BW  = $clog2(NMAX / P);
  localparam int NA  = vb_idx_pkg::NumArgs;

  // ---- control port and counters
  logic rst;
  assign rst = !ap_rst_n;
  logic start, done, idle, run;
  logic [63:0] limit;
  logic [NA*64-1:0] args;
  logic [vb_pkg::NumStat*32-1:0] stat;
  logic [vb_pkg::NumClass-1:0] cls;
  logic [7:0] error_q, desc_err, wr_beat_bytes;
  logic rd_beat, wr_beat;
  logic [3:0] front_state;

  vb_axil_ctrl #(.NARGS(NA), .NSTAT(vb_pkg::NumStat)) u_port (
`include "vb_unit_ctrl_map.svh"
    .start_o(start), .ready_i(done), .done_i(done), .idle_i(idle), .args_o(args), .watchdog_o(limit), .stat_i(stat));

  // ---- job state machine
  logic [2:0] job_q;
  logic running_q;  // job_q == JobRun: much hangs on it
  logic begin_job, core_start, flush, bus_err, timeout, give_up, halt, quiet, stop, bad, finished;
  logic rd_idle, rd_err, wr_idle, wr_err, out_open, out_done, tail, topk_idle, topk_clear, topk_work, list_room;
  logic [7:0] rd_code, wr_code;
  logic desc_ok;
  logic [20:0] n_first;
  vb_idx_check #(.NMAX(NMAX), .NBK(NBK)) u_check (
    .clk_i(ap_clk), .look_i(job_q != vb_idx_pkg::JobRun), .begin_i(begin_job), .args_i(args), .ok_o(desc_ok),
    .err_o(desc_err), .n_first_o(n_first));

  vb_watchdog u_watchdog (
    .clk_i(ap_clk), .rst_i(rst), .limit_i(limit), .cycles_i(stat[32*vb_pkg::StatCycles +: 64]), .start_i(begin_job),
    .run_i(run), .beat_i(rd_beat || wr_beat || m_axi_gmem_bvalid), .abort_o(timeout), .give_up_o(give_up));

  assign idle       = job_q == vb_idx_pkg::JobIdle;
  assign begin_job  = idle && start;
  assign core_start = job_q == vb_idx_pkg::JobCheck && desc_ok;
  assign bus_err    = rd_err || wr_err;
  assign halt       = bus_err || timeout;
  assign stop       = halt || job_q == vb_idx_pkg::JobAbort || job_q == vb_idx_pkg::JobStuck;
  assign quiet      = rd_idle && wr_idle && !out_open;
  assign finished   = tail && topk_idle && list_room && out_done;
  assign done       = (job_q == vb_idx_pkg::JobCheck && !desc_ok) ||
                      (job_q == vb_idx_pkg::JobDrain && wr_idle && !halt) ||
                      (job_q == vb_idx_pkg::JobAbort && (quiet || give_up)) || (job_q == vb_idx_pkg::JobStuck && start);
  assign flush      = rst || (job_q == vb_idx_pkg::JobAbort && quiet);
  assign run        = begin_job || (!idle && job_q != vb_idx_pkg::JobStuck);
  always_ff @(posedge ap_clk) begin
    if (rst) begin
      job_q     <= vb_idx_pkg::JobIdle;
      running_q <= 1'b0;
      error_q   <= vb_pkg::ErrNone;
    end else begin
      case (job_q)
        vb_idx_pkg::JobIdle:  if (start) job_q <= vb_idx_pkg::JobCheck;
        vb_idx_pkg::JobCheck: job_q <= desc_ok ? vb_idx_pkg::JobRun : vb_idx_pkg::JobIdle;
        vb_idx_pkg::JobRun:
          if (halt) job_q <= vb_idx_pkg::JobAbort;
          else if (finished) job_q <= vb_idx_pkg::JobDrain;
        vb_idx_pkg::JobDrain:
          if (halt) job_q <= vb_idx_pkg::JobAbort;
          else if (wr_idle) job_q <= vb_idx_pkg::JobIdle;
        vb_idx_pkg::JobAbort:
          if (quiet) job_q <= vb_idx_pkg::JobIdle;
          else if (give_up) job_q <= vb_idx_pkg::JobStuck;
        vb_idx_pkg::JobStuck: job_q <= vb_idx_pkg::JobStuck;
        default: job_q <= vb_idx_pkg::JobIdle;
      endcase
      running_q <= core_start || (running_q && !halt && !finished);
      if (begin_job) error_q <= vb_pkg::ErrNone;
      else if (job_q == vb_idx_pkg::JobCheck) error_q <= desc_err;
      else if ((job_q == vb_idx_pkg::JobRun || job_q == vb_idx_pkg::JobDrain) && halt)
        error_q <= rd_err ? rd_code : wr_err ? wr_code : vb_pkg::ErrWatchdog;
      else if (job_q == vb_idx_pkg::JobAbort && !quiet && give_up) error_q <= vb_pkg::ErrWatchdog;
      else if (job_q == vb_idx_pkg::JobRun && bad && error_q == vb_pkg::ErrNone) error_q <= vb_idx_pkg::ErrRecord;
    end
  end

  // ---- reading
  logic cmd_valid, cmd_ready, beat_valid, beat_ready, beat_last;
  logic [AW-1:0] cmd_addr;
  logic [LW-1:0] cmd_beats;
  logic [1:0] cmd_tag, beat_tag;
  logic [DW-1:0] beat;
  vb_idx_fetch #(.DW(DW)) u_fetch (
    .clk_i(ap_clk), .rst_i(flush), .start_i(core_start), .stop_i(stop), .args_i(args), .n_first_i(n_first),
    .cmd_valid_o(cmd_valid),
    .cmd_ready_i(cmd_ready), .cmd_addr_o(cmd_addr), .cmd_beats_o(cmd_beats), .cmd_tag_o(cmd_tag));

  vb_axi_rd #(.DW(DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST), .DEPTH(RD_DEPTH), .BURSTS(RD_BURSTS), .TAGW(2)) u_rd (
`include "vb_unit_rd_map.svh"
    .clear_i(begin_job), .cmd_valid_i(cmd_valid), .cmd_ready_o(cmd_ready), .cmd_addr_i(cmd_addr),
    .cmd_beats_i(cmd_beats), .cmd_tag_i(cmd_tag), .out_valid_o(beat_valid),
    .out_ready_i(beat_ready || job_q == vb_idx_pkg::JobAbort), .out_data_o(beat), .out_tag_o(beat_tag),
    .out_last_o(beat_last), .idle_o(rd_idle), .err_o(rd_err), .err_code_o(rd_code), .beat_o(rd_beat));

  // ---- sequence
  logic w_clear, w_beat, align, restart, q_word, k_word, rec_last, k_room, k_have, begin_keys, go, step, key_first;
  logic key_last, place, f_reserve, buf_free, s_beat, close, q_max_v;
  logic [WBW-1:0] w_beat_at;
  logic [5:0] head;
  logic [GW-1:0] last_group, w_group;
  logic [RW-1:0] w_row;
  logic [15:0] w_int;
  logic [8:0] top;
  logic [7:0] rec_max;
  logic [W-1:0] word;
  logic [20:0] n;
  logic [vb_pkg::NumClass-1:0] front_class;
  vb_idx_front #(.ROWS(ROWS), .LANES(LANES), .DW(DW)) u_front (
    .clk_i(ap_clk), .rst_i(flush), .start_i(core_start), .args_i(args), .n_first_i(n_first), .state_o(front_state),
    .tail_o(tail),
    .class_o(front_class), .beat_valid_i(beat_valid && running_q), .beat_tag_i(beat_tag),
    .beat_data_i(beat), .beat_ready_o(beat_ready), .w_clear_o(w_clear), .w_beat_o(w_beat), .w_beat_at_o(w_beat_at),
    .align_o(align), .head_o(head), .last_group_o(last_group), .restart_o(restart), .q_word_o(q_word),
    .k_word_o(k_word), .word_o(word), .rec_last_i(rec_last), .k_room_i(k_room), .k_have_i(k_have),
    .begin_o(begin_keys), .go_o(go), .step_i(step), .key_first_i(key_first), .key_last_i(key_last),
    .place_i(place), .reserve_o(f_reserve), .free_i(buf_free), .s_beat_o(s_beat), .close_o(close), .n_o(n));

  logic w_we;
  vb_idx_weights #(.P(P), .ROWS(ROWS)) u_weights (
    .clk_i(ap_clk), .rst_i(flush), .w_scale_i(args[64*vb_idx_pkg::ArgWScale +: 32]),
    .heads_i(args[64*vb_idx_pkg::ArgHeads +: 7]), .clear_i(w_clear), .beat_i(w_beat), .beat_at_i(w_beat_at),
    .beat_data_i(beat), .go_i(q_max_v), .head_i(head), .code_i(rec_max), .align_i(align), .we_o(w_we), .row_o(w_row),
    .group_o(w_group), .w_o(w_int), .top_o(top));

  logic a_beat;
  logic [DW-1:0] a_data;
  vb_idx_array #(.ROWS(ROWS), .LANES(LANES), .NBK(NBK), .P(P)) u_array (
    .clk_i(ap_clk), .rst_i(flush), .nbk_i(args[64*vb_idx_pkg::ArgDk + 5 +: 5]), .last_group_i(last_group),
    .restart_i(restart), .q_word_i(q_word), .k_word_i(k_word), .word_i(word), .q_head_i(head), .rec_last_o(rec_last),
    .q_max_v_o(q_max_v), .max_o(rec_max), .bad_o(bad), .k_room_o(k_room), .k_have_o(k_have), .w_we_i(w_we),
    .w_row_i(w_row), .w_group_i(w_group), .w_i(w_int), .top_i(top), .begin_i(begin_keys), .n_i(n), .go_i(go),
    .step_o(step), .key_first_o(key_first), .key_last_o(key_last), .beat_o(a_beat), .beat_data_o(a_data));

  // ---- top-k
  logic scores, sel, list_first, list_end, l_reserve, l_push;
  logic [P-1:0] sel_mask;
  logic [BW-1:0] sel_beat;
  logic [11:0] list_total;
  logic [DW-1:0] l_data;
  assign scores = args[64*vb_idx_pkg::ArgMode +: 2] == vb_idx_pkg::ModeScores;
  vb_idx_topk #(.P(P), .NMAX(NMAX)) u_topk (
    .clk_i(ap_clk), .rst_i(flush), .start_i(core_start), .k_i(args[64*vb_idx_pkg::ArgTopk +: 12]), .free_o(buf_free),
    .beat_i(s_beat || (a_beat && !scores)), .beat_data_i(s_beat ? beat : a_data), .close_i(close), .n_i(n[IW:0]),
    .room_i(list_room), .first_o(list_first), .sel_o(sel), .sel_mask_o(sel_mask), .sel_beat_o(sel_beat),
    .end_o(list_end), .total_o(list_total), .idle_o(topk_idle), .clear_o(topk_clear),
    .work_o(topk_work));

  vb_idx_list #(.P(P), .NMAX(NMAX)) u_list (
    .clk_i(ap_clk), .rst_i(flush), .k_i(args[64*vb_idx_pkg::ArgTopk +: 12]),
    .base_i(args[64*vb_idx_pkg::ArgKeyBegin +: 32]), .room_o(list_room), .first_i(list_first), .sel_i(sel),
    .sel_mask_i(sel_mask), .sel_beat_i(sel_beat), .end_i(list_end), .total_i(list_total),
    .place_i(place && !scores), .reserve_o(l_reserve), .push_o(l_push), .push_data_o(l_data));

  // ---- writing
  logic wrc_valid, wrc_ready, out_valid, out_ready;
  logic [AW-1:0] wrc_addr;
  logic [LW-1:0] wrc_bytes;
  logic [DW-1:0] out_data;
  vb_idx_out #(.DW(DW)) u_out (
    .clk_i(ap_clk), .rst_i(flush), .start_i(core_start), .stop_i(stop), .args_i(args), .n_first_i(n_first),
    .place_o(place),
    .reserve_i(f_reserve || l_reserve), .push_i(l_push || (a_beat && scores)), .push_data_i(l_push ? l_data : a_data),
    .cmd_valid_o(wrc_valid), .cmd_ready_i(wrc_ready), .cmd_addr_o(wrc_addr), .cmd_bytes_o(wrc_bytes),
    .beat_valid_o(out_valid), .beat_ready_i(out_ready), .beat_data_o(out_data), .open_o(out_open), .done_o(out_done));

  vb_axi_wr #(.DW(DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST), .BURSTS(WR_BURSTS)) u_wr (
`include "vb_unit_wr_map.svh"
    .clear_i(begin_job), .cmd_valid_i(wrc_valid), .cmd_ready_o(wrc_ready), .cmd_addr_i(wrc_addr),
    .cmd_bytes_i(wrc_bytes), .in_valid_i(out_valid), .in_ready_o(out_ready), .in_data_i(out_data), .idle_o(wr_idle),
    .err_o(wr_err), .err_code_o(wr_code), .beat_o(wr_beat), .beat_bytes_o(wr_beat_bytes));

  // ---- every cycle of a job in one class: the only place where a stall gets its name
  always_comb begin
    cls = '0;
    if (job_q == vb_idx_pkg::JobDrain || job_q == vb_idx_pkg::JobAbort) cls[vb_pkg::ClsDrain] = 1'b1;
    else if (job_q != vb_idx_pkg::JobRun) cls[vb_pkg::ClsBusy] = 1'b1;
    else if (!tail) cls = front_class;
    else if (topk_work || (out_valid && out_ready)) cls[vb_pkg::ClsBusy] = 1'b1;
    else cls[topk_clear ? vb_pkg::ClsDep : vb_pkg::ClsWrite] = 1'b1;
  end
  vb_stats #(.DW(DW), .CONFIG(CONFIG)) u_stats (
    .clk_i(ap_clk), .rst_i(rst), .start_i(begin_job), .run_i(run), .class_i(cls), .rd_beat_i(rd_beat),
    .wr_beat_i(wr_beat), .wr_bytes_i(wr_beat_bytes), .error_i(error_q), .id_i(args[64*vb_idx_pkg::ArgId +: 32]),
    .state_i({25'd0, job_q, front_state}), .stat_o(stat));

  logic unused_top;
  assign unused_top = ^{beat_last, n};
  always_ff @(posedge ap_clk) if (!rst) begin
    a_taken: assert (!(job_q == vb_idx_pkg::JobRun && finished) || rd_idle);  // everything asked for was used
  end
endmodule
