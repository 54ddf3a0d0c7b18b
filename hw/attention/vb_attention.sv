// SPDX-License-Identifier: Apache-2.0
//
// Attention unit: ap_ctrl_hs over AXI4-Lite, one AXI4 read and one AXI4 write channel pair. One job is a set of query
// rows that share one K/V head against a range or a list of keys; see hw/attention/README.md for the arguments.
module vb_attention #(
  parameter int ROWS    = vb_cfg_pkg::Rows,      ///< query rows of a tile: a power of two, 4..32
  parameter int LANES   = vb_cfg_pkg::Lanes,     ///< int8 products of a row and cycle: 8, 16 or 32
  parameter int NMAX    = vb_cfg_pkg::AttnKeys,         ///< keys whose scores stay on chip: a power of two, 16..8192
  parameter int NBK     = vb_cfg_pkg::AttnKeyBlocks,    ///< largest query/key size in blocks of 32, 2..18
  parameter int NBV     = vb_cfg_pkg::AttnValueBlocks,  ///< largest value size in blocks of 32, 2..16
  parameter int AXI_DW  = vb_cfg_pkg::AxiDw,     ///< 64, 128, 256 or 512
  parameter int AXI_IDW = vb_cfg_pkg::AxiIdw,
  parameter int MAX_BURST = vb_cfg_pkg::MaxBurst,
  parameter int RD_DEPTH  = (AXI_DW == 512) ? 128 : 64,  ///< beats of the read FIFO
  parameter int RD_BURSTS = 16,                  ///< read bursts in flight
  parameter int WR_BURSTS = 8,                   ///< write bursts in flight
  parameter logic [31:0] CONFIG = vb_cfg_pkg::Word
) (
`include "vb_unit_ports.svh"
);
  if (ROWS < 4 || ROWS > 32 || (1 << $clog2(ROWS)) != ROWS) begin : g_rows
    $error("vb_attention: ROWS must be 4, 8, 16 or 32");
  end
  if (LANES != 8 && LANES != 16 && LANES != 32) begin : g_lanes
    $error("vb_attention: LANES must be 8, 16 or 32");
  end
  if (NMAX < 16 || NMAX > 8192 || (1 << $clog2(NMAX)) != NMAX) begin : g_nmax
    $error("vb_attention: NMAX must be a power of two, 16..8192");
  end
  if (NBK < 2 || NBK > 18 || NBV < 2 || NBV > 16) begin : g_blocks
    $error("vb_attention: NBK 2..18, NBV 2..16");
  end
  if ((AXI_DW != 64 && AXI_DW != 128 && AXI_DW != 256 && AXI_DW != 512) || AXI_DW < LANES * 8 || (AXI_DW > 128 && ROWS < 8)) begin : g_width
    $error("vb_attention: AXI_DW must be 64, 128, 256 or 512, at least 8 * LANES, and at most 128 when ROWS is 4");
  end

  localparam int AW  = vb_pkg::AddrW;
  localparam int LW  = vb_pkg::LenW;
  localparam int DW  = AXI_DW;
  localparam int W   = LANES * 8;
  localparam int RW  = $clog2(ROWS);
  localparam int NW  = $clog2(NMAX);
  localparam int NA  = vb_attn_pkg::NumArgs;
  localparam int NAW = $clog2(NBV * (32 / LANES));

  // ---- control port and counters
  logic rst;
  assign rst = !ap_rst_n;
  logic start, done, idle, first, run;
  logic [NA*64-1:0] args;
  logic [vb_pkg::NumStat*32-1:0] stat;
  logic [vb_pkg::NumClass-1:0] class_v;
  logic [7:0] err, desc_err, wr_beat_bytes;
  logic [4:0] state;
  logic rd_beat, wr_beat;

  logic [63:0] limit;
  logic timeout, give_up;
  vb_axil_ctrl #(.NARGS(NA), .NSTAT(vb_pkg::NumStat)) u_port (
`include "vb_unit_ctrl_map.svh"
    .start_o(start), .ready_i(done), .done_i(done), .idle_i(idle), .args_o(args), .watchdog_o(limit), .stat_i(stat));

  vb_stats #(.DW(DW), .CONFIG(CONFIG)) u_stats (
    .clk_i(ap_clk), .rst_i(rst), .start_i(first), .run_i(run), .class_i(class_v), .rd_beat_i(rd_beat),
    .wr_beat_i(wr_beat),
    .wr_bytes_i(wr_beat_bytes), .error_i(err), .id_i(args[64*vb_attn_pkg::ArgId +: 32]), .state_i({27'd0, state}),
    .stat_o(stat));

  vb_watchdog u_watchdog (
    .clk_i(ap_clk), .rst_i(rst), .limit_i(limit), .cycles_i(stat[32*vb_pkg::StatCycles +: 64]), .start_i(first), .run_i(run),
    .beat_i(rd_beat || wr_beat || m_axi_gmem_bvalid), .abort_o(timeout), .give_up_o(give_up));

  // The arguments have been there for some cycles when ap_start is seen: the verdict waits in a register for StCheck.
  logic [7:0] verdict;
  vb_attn_check #(.NBK(NBK), .NBV(NBV)) u_check (.en_i(first), .args_i(args), .err_o(verdict));
  always_ff @(posedge ap_clk) if (first) desc_err <= verdict;

  // ---- masters
  localparam int CW = (NW + 1 > 8) ? NW + 1 : 8;
  localparam int TW = vb_attn_pkg::TagW;
  logic flush, cmd_valid, cmd_ready, cmd_list, rdc_valid, rdc_ready, beat_valid, beat_ready, beat_last, rd_idle, rd_err;
  logic [2:0] cmd_kind;
  logic [TW-1:0] rdc_tag, beat_tag;
  logic [AW-1:0] cmd_base, rdc_addr, wrc_addr;
  logic [31:0] cmd_key, cmd_stride;
  logic [19:0] list_key;
  logic [CW-1:0] cmd_count, list_index;
  logic [4:0] cmd_units;
  logic [7:0] rd_code, wr_code;
  logic [LW-1:0] rdc_beats, wrc_bytes;
  logic [DW-1:0] beat_data, out_data;
  logic fetch_idle, wrc_valid, wrc_ready, out_valid, out_ready, wr_idle, wr_err, list_re, list_bad, bad_list;
  logic [20:0] tile_hi, tile_lo, keep, list_n;
  logic [3:0] lg_block;
  logic [9:0] block_off;
  logic [2:0] skew;

  vb_attn_fetch #(.DW(DW), .CNTW(CW)) u_fetch (
    .clk_i(ap_clk), .rst_i(rst), .flush_i(flush), .cmd_valid_i(cmd_valid), .cmd_ready_o(cmd_ready),
    .cmd_kind_i(cmd_kind), .cmd_list_i(cmd_list), .cmd_base_i(cmd_base), .cmd_key_i(cmd_key), .cmd_stride_i(cmd_stride),
    .cmd_count_i(cmd_count), .cmd_units_i(cmd_units), .idle_o(fetch_idle), .lg_block_i(lg_block),
    .block_off_i(block_off), .key_begin_i(args[64*vb_attn_pkg::ArgKeyBegin +: 32]),
    .key_end_i(args[64*vb_attn_pkg::ArgKeyEnd +: 32]), .hi_i(tile_hi), .lo_i(tile_lo), .keep_i(keep),
    .list_re_o(list_re), .list_index_o(list_index), .list_key_i(list_key), .list_bad_i(list_bad), .bad_o(bad_list),
    .rd_valid_o(rdc_valid), .rd_ready_i(rdc_ready), .rd_addr_o(rdc_addr), .rd_beats_o(rdc_beats), .rd_tag_o(rdc_tag));

  vb_axi_rd #(.DW(DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST), .DEPTH(RD_DEPTH), .BURSTS(RD_BURSTS), .TAGW(TW)) u_rd (
`include "vb_unit_rd_map.svh"
    .clear_i(first), .cmd_valid_i(rdc_valid), .cmd_ready_o(rdc_ready), .cmd_addr_i(rdc_addr), .cmd_beats_i(rdc_beats),
    .cmd_tag_i(rdc_tag), .out_valid_o(beat_valid), .out_ready_i(beat_ready), .out_data_o(beat_data),
    .out_tag_o(beat_tag), .out_last_o(beat_last), .idle_o(rd_idle), .err_o(rd_err), .err_code_o(rd_code),
    .beat_o(rd_beat));

  vb_axi_wr #(.DW(DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST), .BURSTS(WR_BURSTS)) u_wr (
`include "vb_unit_wr_map.svh"
    .clear_i(first), .cmd_valid_i(wrc_valid), .cmd_ready_o(wrc_ready), .cmd_addr_i(wrc_addr), .cmd_bytes_i(wrc_bytes),
    .in_valid_i(out_valid), .in_ready_o(out_ready), .in_data_i(out_data), .idle_o(wr_idle), .err_o(wr_err),
    .err_code_o(wr_code), .beat_o(wr_beat), .beat_bytes_o(wr_beat_bytes));

  // ---- beats to words of the array's width, headers aside
  logic word_valid, word_ready, head_seen, head_pop;
  logic [W-1:0] word;
  logic [2:0] word_kind, m_off;
  logic [255:0] head;
  logic [4:0] nbk, nbv;
  vb_attn_gear #(.DW(DW), .W(W)) u_gear (
    .clk_i(ap_clk), .rst_i(rst), .flush_i(flush), .nbk_i(nbk), .in_valid_i(beat_valid), .in_ready_o(beat_ready),
    .in_data_i(beat_data), .in_tag_i(beat_tag), .in_last_i(beat_last), .out_valid_o(word_valid), .out_ready_i(word_ready),
    .out_word_o(word), .out_kind_o(word_kind), .head_o(head), .head_seen_o(head_seen), .head_pop_i(head_pop));

  // ---- sequencing
  logic tile, plan, walk, last_tile, clear, restart, track, peaks, q_word, m_word, em_word, k_word, v_word, list_word, sink_word;
  logic s_step, x_step, rec_last, bad_head, bad_refs, recip, out_go, out_done, out_busy, out_unit, out_wait, zero, rem_start, rem_done;
  logic list_clear, walk_ready, walked;
  logic [AW-1:0] q_addr, out_base;
  logic [RW:0] nrows;
  logic [20:0] n, na, start_key, base;
  logic [RW-1:0] q_row, recip_row, walk_row;
  logic [8:0] ref_word, walk_head;
  logic [4:0] x_blk;
  logic [31:0] rem;
  assign nbk = args[64*vb_attn_pkg::ArgDk + 5 +: 5];
  assign nbv = args[64*vb_attn_pkg::ArgDv + 5 +: 5];

  vb_attn_ctrl #(.ROWS(ROWS), .LANES(LANES), .NMAX(NMAX)) u_ctrl (
    .clk_i(ap_clk), .rst_i(rst), .start_i(start), .args_i(args), .desc_err_i(desc_err), .abort_i(timeout),
    .give_up_i(give_up), .idle_o(idle),
    .done_o(done), .first_o(first), .run_o(run), .class_o(class_v), .err_o(err), .state_o(state), .flush_o(flush),
    .cmd_valid_o(cmd_valid), .cmd_ready_i(cmd_ready), .cmd_kind_o(cmd_kind), .cmd_list_o(cmd_list), .cmd_base_o(cmd_base),
    .cmd_key_o(cmd_key), .cmd_stride_o(cmd_stride), .cmd_count_o(cmd_count), .cmd_units_o(cmd_units),
    .word_valid_i(word_valid), .word_kind_i(word_kind), .word_ready_o(word_ready),
    .rd_idle_i(rd_idle && fetch_idle), .rd_err_i(rd_err), .rd_code_i(rd_code),
    .wr_idle_i(wr_idle), .wr_err_i(wr_err), .wr_code_i(wr_code), .rem_start_o(rem_start), .rem_done_o(rem_done),
    .tile_o(tile), .plan_o(plan), .walk_i(walk), .walk_ready_o(walk_ready), .q_addr_i(q_addr), .nrows_i(nrows), .last_tile_i(last_tile),
    .na_i(na), .start_key_i(start_key), .n_i(n), .list_n_o(list_n), .lg_block_o(lg_block), .block_off_o(block_off),
    .skew_o(skew), .list_clear_o(list_clear), .clear_o(clear), .restart_o(restart), .track_o(track), .peaks_o(peaks),
    .q_word_o(q_word), .m_word_o(m_word), .em_word_o(em_word), .k_word_o(k_word), .v_word_o(v_word),
    .list_word_o(list_word), .sink_word_o(sink_word), .s_step_o(s_step), .x_step_o(x_step), .x_blk_o(x_blk),
    .q_row_o(q_row), .ref_word_o(ref_word), .m_off_o(m_off), .base_o(base), .rec_last_i(rec_last), .bad_head_i(bad_head),
    .bad_refs_i(bad_refs), .bad_list_i(bad_list), .recip_o(recip), .recip_row_o(recip_row), .out_go_o(out_go),
    .out_done_i(out_done), .out_busy_i(out_busy), .out_unit_i(out_unit), .out_wait_i(out_wait), .zero_o(zero), .out_base_o(out_base));
  assign head_pop = (q_word || k_word) && rec_last;
  assign walked   = walk && walk_ready;

  vb_attn_rem u_rem (
    .clk_i(ap_clk), .start_i(rem_start), .a_i(args[64*vb_attn_pkg::ArgFirstCount +: 32] - 32'd1),
    .b_i(args[64*vb_attn_pkg::ArgChunk +: 32]), .rem_o(rem));

  logic [ROWS*AW-1:0] oaddr;
  logic [ROWS*21-1:0] hi, lo;
  vb_attn_tile #(.ROWS(ROWS)) u_tile (
    .clk_i(ap_clk), .rst_i(rst), .job_i(first), .rem_done_i(rem_done), .rem_i(rem), .tile_i(tile), .plan_i(plan),
    .args_i(args), .list_n_i(list_n), .walk_o(walk), .walk_ready_i(walk_ready), .q_addr_o(q_addr),
    .head_o(walk_head), .row_o(walk_row), .nrows_o(nrows), .last_tile_o(last_tile), .oaddr_o(oaddr), .hi_o(hi), .lo_o(lo),
    .keep_o(keep), .tile_hi_o(tile_hi), .tile_lo_o(tile_lo), .na_o(na), .start_o(start_key), .n_o(n));

  vb_attn_list #(.W(W), .NMAX(NMAX)) u_list (
    .clk_i(ap_clk), .clear_i(list_clear), .we_i(list_word), .word_i(word), .lg_block_i(lg_block), .skew_i(skew),
    .re_i(list_re), .index_i(list_index[NW-1:0]), .key_o(list_key), .bad_o(list_bad));

  // ---- sinks: a word at a time into a memory, from there to the rows as these are walked
  localparam int E = W / 32;    // 32-bit entries of a word
  localparam int SinkWords = int'(vb_attn_pkg::MaxSinks) / E;
  logic sinks, sink_v_q;
  (* no_rw_check *) logic [W-1:0] sink_mem [SinkWords];  // read when written to the end
  logic [W-1:0] sink_word_q;
  logic [$clog2(E)-1:0] sink_sel_q;
  logic [RW-1:0] sink_row_q;
  logic [31:0] sink_one;
  logic [ROWS*32-1:0] sink_q;
  assign sinks = args[64*vb_attn_pkg::ArgMode +: 2] == vb_attn_pkg::ModeFull && args[64*vb_attn_pkg::ArgSinks +: AW] != '0;
  always_ff @(posedge ap_clk) begin
    if (sink_word) sink_mem[($clog2(SinkWords))'(ref_word)] <= word;
    if (sinks && walked) begin
      sink_word_q <= sink_mem[($clog2(SinkWords))'(walk_head >> $clog2(E))];
      sink_sel_q  <= walk_head[$clog2(E)-1:0];
      sink_row_q  <= walk_row;
    end
    sink_v_q <= sinks && walked && !rst;
    if (tile) sink_q <= {ROWS{vb_attn_pkg::NoScore}};
    else if (sink_v_q) sink_q[32*sink_row_q +: 32] <= sink_one;
  end
  assign sink_one = sink_word_q[32*sink_sel_q +: 32];

  // ---- m and EM of a split job: words to rows
  logic [ROWS-1:0] m_we, em_we;
  logic [ROWS*32-1:0] m_in, m_max;
  logic [NBV*16-1:0] em_in;
  logic [ROWS*NBV*16-1:0] em;
  logic [255:0] em_rec_q, em_rec;
  localparam int SUBW = 32 / LANES;
  always_comb begin
    m_we  = '0;
    em_we = '0;
    for (int r = 0; r < ROWS; r++) begin
      m_we[r]  = (m_word && 32'(ref_word) == (32'(m_off) + r) / E) || (sink_v_q && sink_row_q == RW'(r));
      em_we[r] = em_word && 32'(ref_word) == r * SUBW + SUBW - 1;
    end
  end
  for (genvar r = 0; r < ROWS; r++) begin : g_m
    assign m_in[r*32 +: 32] = sink_v_q ? sink_one : word[((32'(m_off) + r) % E) * 32 +: 32];
  end
  if (SUBW == 1) begin : g_em_whole
    assign em_rec = word;
    assign em_rec_q = '0;
  end else begin : g_em_parts  // collect the words of a record
    always_ff @(posedge ap_clk) if (em_word) em_rec_q <= {word, em_rec_q[255:W]};
    assign em_rec = {word, em_rec_q[255:W]};
  end
  assign em_in = em_rec[NBV*16-1:0];

  // ---- the array
  logic rd, u_valid;
  logic [RW-1:0] rd_row;
  logic [NAW-1:0] rd_addr;
  logic [LANES*64-1:0] num;
  logic [ROWS*64-1:0] l_sum;
  logic [ROWS*32-1:0] r_div;
  logic [ROWS*8-1:0] le_q;
  logic [ROWS-1:0] div_start, div_done, div_open_q;
  logic [31:0] u;
  logic signed [6:0] ue;
  logic [RW-1:0] urow1_q, urow2_q;
  vb_attn_core #(.ROWS(ROWS), .LANES(LANES), .NBK(NBK), .NBV(NBV), .NMAX(NMAX)) u_core (
    .clk_i(ap_clk), .rst_i(rst), .clear_i(clear), .restart_i(restart), .track_i(track), .peaks_i(peaks), .nbk_i(nbk),
    .nbv_i(nbv), .shared_i(args[64*vb_attn_pkg::ArgFlags]), .q_word_i(q_word), .k_word_i(k_word), .v_word_i(v_word),
    .values_i(state[1]),  // StVal among StQ, StKey and StVal
    .s_step_i(s_step), .word_i(word), .head_i(head), .seen_i(head_seen), .q_row_i(q_row), .rec_last_o(rec_last),
    .list_i(args[64*vb_attn_pkg::ArgListBlock +: 32] != 32'd0), .base_i(base), .na_i(na), .start_i(start_key),
    .keep_i(keep), .hi_i(hi), .lo_i(lo), .m_we_i(m_we), .m_i(m_in), .m_o(m_max), .sink_i(sink_q), .x_step_i(x_step),
    .x_blk_i(x_blk), .em_we_i(em_we), .em_i(em_in), .em_o(em), .div_start_i(div_start), .div_u_i(u),
    .div_done_o(div_done), .l_o(l_sum), .r_o(r_div), .rd_i(rd), .rd_row_i(rd_row), .rd_addr_i(rd_addr), .num_o(num),
    .bad_head_o(bad_head), .bad_refs_o(bad_refs));

  // ---- denominators: one normaliser for all rows, one divider each
  vb_unorm u_unorm (
    .clk_i(ap_clk), .rst_i(rst), .valid_i(recip), .n_i(l_sum[64*recip_row +: 64]), .valid_o(u_valid), .u_o(u),
    .e_o(ue));
  always_comb begin
    div_start = '0;
    if (u_valid) div_start[urow2_q] = 1'b1;
  end
  always_ff @(posedge ap_clk) begin
    urow1_q <= recip_row;
    urow2_q <= urow1_q;
    if (u_valid) le_q[8*urow2_q +: 8] <= 8'(ue);
    if (rst) div_open_q <= '0;
    else     div_open_q <= (div_open_q | div_start) & ~div_done;
  end

  vb_attn_out #(.ROWS(ROWS), .LANES(LANES), .NBV(NBV), .DW(DW)) u_out (
    .clk_i(ap_clk), .rst_i(rst), .go_i(out_go), .busy_o(out_busy), .done_o(out_done), .mode_i(args[64*vb_attn_pkg::ArgMode +: 2]),
    .nrows_i(nrows), .nbv_i(nbv), .zero_i(zero), .base_i(out_base), .oaddr_i(oaddr), .m_i(m_max),
    .em_i(em), .l_i(l_sum), .r_i(r_div), .le_i(le_q), .rd_o(rd), .rd_row_o(rd_row), .rd_addr_o(rd_addr),
    .num_i(num), .cmd_valid_o(wrc_valid), .cmd_ready_i(wrc_ready), .cmd_addr_o(wrc_addr), .cmd_bytes_o(wrc_bytes),
    .unit_o(out_unit), .wait_o(out_wait), .beat_valid_o(out_valid), .beat_ready_i(out_ready), .beat_data_o(out_data));

  logic unused_top;
  assign unused_top = ^{em_rec, em_rec_q, stat[31:0], list_index, ref_word};
  always_ff @(posedge ap_clk) if (!rst) begin
    // the divider is ready before the results
    a_recip: assert (!(out_go && (recip || u_valid || div_open_q != '0)));
  end
endmodule
