// SPDX-License-Identifier: Apache-2.0
//
// Attention unit: ap_ctrl_hs over AXI4-Lite, one AXI4 read and one AXI4 write channel pair. One job is a set of query
// rows that share one K/V head against a range of keys, causal dense; see hw/attention/README.md for the arguments.
module vb_attention #(
  parameter int ROWS    = vb_cfg_pkg::Rows,      ///< query rows of a tile: a power of two, 4..32
  parameter int LANES   = vb_cfg_pkg::Lanes,     ///< int8 products of a row and cycle: 8, 16 or 32
  parameter int NMAX    = 2048,                  ///< keys whose scores stay on chip: a power of two, 16..8192
  parameter int NBK     = 4,                     ///< largest query/key size in blocks of 32, 2..18
  parameter int NBV     = 4,                     ///< largest value size in blocks of 32, 2..12
  parameter int AXI_DW  = vb_cfg_pkg::AxiDw,     ///< 128 or 256
  parameter int AXI_IDW = vb_cfg_pkg::AxiIdw,
  parameter int MAX_BURST = vb_cfg_pkg::MaxBurst,
  parameter int RD_DEPTH  = 64,                  ///< beats of the read FIFO
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
  if (NBK < 2 || NBK > 18 || NBV < 2 || NBV > 12) begin : g_blocks
    $error("vb_attention: NBK 2..18, NBV 2..12");
  end
  if ((AXI_DW != 128 && AXI_DW != 256) || AXI_DW > ROWS * 32 || AXI_DW > LANES * 32) begin : g_width
    $error("vb_attention: AXI_DW must be 128 or 256, at most 32 * ROWS and 32 * LANES");
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

  logic [63:0] unused_limit;  // the watchdog, vb_watchdog, is not wired yet
  vb_axil_ctrl #(.NARGS(NA), .NSTAT(vb_pkg::NumStat)) u_port (
    .clk_i(ap_clk), .rst_i(rst), .awvalid_i(s_axi_control_awvalid), .awready_o(s_axi_control_awready),
    .awaddr_i(s_axi_control_awaddr), .wvalid_i(s_axi_control_wvalid),
    .wready_o(s_axi_control_wready), .wdata_i(s_axi_control_wdata), .wstrb_i(s_axi_control_wstrb),
    .bvalid_o(s_axi_control_bvalid), .bready_i(s_axi_control_bready),
    .bresp_o(s_axi_control_bresp), .arvalid_i(s_axi_control_arvalid), .arready_o(s_axi_control_arready),
    .araddr_i(s_axi_control_araddr),
    .rvalid_o(s_axi_control_rvalid), .rready_i(s_axi_control_rready), .rdata_o(s_axi_control_rdata),
    .rresp_o(s_axi_control_rresp), .interrupt_o(interrupt),
    .start_o(start), .ready_i(done), .done_i(done), .idle_i(idle), .args_o(args),
    .watchdog_o(unused_limit), .stat_i(stat));

  vb_stats #(.DW(DW), .CONFIG(CONFIG)) u_stats (
    .clk_i(ap_clk), .rst_i(rst), .start_i(first), .run_i(run), .class_i(class_v), .rd_beat_i(rd_beat),
    .wr_beat_i(wr_beat),
    .wr_bytes_i(wr_beat_bytes), .error_i(err), .id_i(args[64*vb_attn_pkg::ArgId +: 32]), .state_i({27'd0, state}),
    .stat_o(stat));

  vb_attn_check #(.NBK(NBK), .NBV(NBV)) u_check (.en_i(state == vb_attn_pkg::StCheck), .args_i(args), .err_o(desc_err));

  // ---- masters
  logic flush, cmd_valid, cmd_ready, rdc_valid, rdc_ready, beat_valid, beat_ready, beat_last, rd_idle, rd_err;
  logic [2:0] cmd_tag, rdc_tag, beat_tag;
  logic [AW-1:0] cmd_addr, rdc_addr, wrc_addr;
  logic [31:0] cmd_stride;
  logic [NW:0] cmd_count;
  logic [7:0] cmd_beats, rd_code, wr_code;
  logic [LW-1:0] rdc_beats, wrc_bytes;
  logic [DW-1:0] beat_data, out_data;
  logic fetch_idle, wrc_valid, wrc_ready, out_valid, out_ready, wr_idle, wr_err;

  vb_attn_fetch #(.DW(DW), .CNTW(NW + 1)) u_fetch (
    .clk_i(ap_clk), .rst_i(rst), .flush_i(flush), .cmd_valid_i(cmd_valid), .cmd_ready_o(cmd_ready), .cmd_tag_i(cmd_tag),
    .cmd_addr_i(cmd_addr), .cmd_stride_i(cmd_stride), .cmd_count_i(cmd_count), .cmd_beats_i(cmd_beats),
    .idle_o(fetch_idle), .rd_valid_o(rdc_valid), .rd_ready_i(rdc_ready), .rd_addr_o(rdc_addr),
    .rd_beats_o(rdc_beats), .rd_tag_o(rdc_tag));

  vb_axi_rd #(.DW(DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST), .DEPTH(RD_DEPTH), .BURSTS(RD_BURSTS), .TAGW(3)) u_rd (
    .clk_i(ap_clk), .rst_i(rst), .clear_i(first), .cmd_valid_i(rdc_valid), .cmd_ready_o(rdc_ready),
    .cmd_addr_i(rdc_addr),
    .cmd_beats_i(rdc_beats), .cmd_tag_i(rdc_tag), .out_valid_o(beat_valid), .out_ready_i(beat_ready),
    .out_data_o(beat_data), .out_tag_o(beat_tag), .out_last_o(beat_last), .idle_o(rd_idle), .err_o(rd_err),
    .err_code_o(rd_code), .beat_o(rd_beat), .arvalid_o(m_axi_gmem_arvalid), .arready_i(m_axi_gmem_arready),
    .arid_o(m_axi_gmem_arid),
    .araddr_o(m_axi_gmem_araddr), .arlen_o(m_axi_gmem_arlen), .arsize_o(m_axi_gmem_arsize),
    .arburst_o(m_axi_gmem_arburst),
    .rvalid_i(m_axi_gmem_rvalid), .rready_o(m_axi_gmem_rready), .rid_i(m_axi_gmem_rid),
    .rdata_i(m_axi_gmem_rdata), .rresp_i(m_axi_gmem_rresp),
    .rlast_i(m_axi_gmem_rlast));

  vb_axi_wr #(.DW(DW), .IDW(AXI_IDW), .MAX_BURST(MAX_BURST), .BURSTS(WR_BURSTS)) u_wr (
    .clk_i(ap_clk), .rst_i(rst), .clear_i(first), .cmd_valid_i(wrc_valid), .cmd_ready_o(wrc_ready),
    .cmd_addr_i(wrc_addr),
    .cmd_bytes_i(wrc_bytes), .in_valid_i(out_valid), .in_ready_o(out_ready), .in_data_i(out_data), .idle_o(wr_idle),
    .err_o(wr_err), .err_code_o(wr_code), .beat_o(wr_beat), .beat_bytes_o(wr_beat_bytes),
    .awvalid_o(m_axi_gmem_awvalid),
    .awready_i(m_axi_gmem_awready), .awid_o(m_axi_gmem_awid), .awaddr_o(m_axi_gmem_awaddr),
    .awlen_o(m_axi_gmem_awlen), .awsize_o(m_axi_gmem_awsize),
    .awburst_o(m_axi_gmem_awburst), .wvalid_o(m_axi_gmem_wvalid), .wready_i(m_axi_gmem_wready),
    .wdata_o(m_axi_gmem_wdata), .wstrb_o(m_axi_gmem_wstrb),
    .wlast_o(m_axi_gmem_wlast), .bvalid_i(m_axi_gmem_bvalid), .bready_o(m_axi_gmem_bready),
    .bid_i(m_axi_gmem_bid), .bresp_i(m_axi_gmem_bresp));

  // ---- beats to words of the array's width
  logic word_valid, word_ready;
  logic [W-1:0] word;
  if (DW == W) begin : g_same
    assign word = beat_data;
    assign beat_ready = word_ready;
  end else begin : g_gear
    localparam int G = DW / W;
    logic [$clog2(G)-1:0] part_q;
    assign word = beat_data[W*part_q +: W];
    assign beat_ready = word_ready && part_q == ($clog2(G))'(G - 1);
    always_ff @(posedge ap_clk) begin
      if (rst) part_q <= '0;
      else if (word_valid && word_ready) part_q <= part_q + ($clog2(G))'(1);
    end
  end
  assign word_valid = beat_valid;

  // ---- sequencing
  logic tile, walk, last_tile, clear, restart, track, q_word, m_word, em_word, k_word, e_step, v_word, k_last, v_last;
  logic bad_rec, bad_refs, recip, out_go, out_done, zero;
  logic [AW-1:0] q_addr, out_base;
  logic [RW:0] nrows;
  logic [20:0] n, base;
  logic [RW-1:0] q_row, recip_row;
  logic [8:0] ref_word;

  vb_attn_ctrl #(.ROWS(ROWS), .LANES(LANES), .NMAX(NMAX), .DW(DW)) u_ctrl (
    .clk_i(ap_clk), .rst_i(rst), .start_i(start), .args_i(args), .desc_err_i(desc_err), .idle_o(idle), .done_o(done),
    .first_o(first), .run_o(run), .class_o(class_v), .err_o(err), .state_o(state), .flush_o(flush),
    .cmd_valid_o(cmd_valid), .cmd_ready_i(cmd_ready), .cmd_tag_o(cmd_tag), .cmd_addr_o(cmd_addr),
    .cmd_stride_o(cmd_stride), .cmd_count_o(cmd_count), .cmd_beats_o(cmd_beats), .word_valid_i(word_valid),
    .word_tag_i(beat_tag), .word_ready_o(word_ready), .rd_idle_i(rd_idle && fetch_idle), .rd_err_i(rd_err),
    .rd_code_i(rd_code), .wr_idle_i(wr_idle), .wr_err_i(wr_err), .wr_code_i(wr_code), .tile_o(tile), .walk_i(walk),
    .q_addr_i(q_addr), .nrows_i(nrows), .last_tile_i(last_tile), .n_i(n), .clear_o(clear), .restart_o(restart),
    .track_o(track),
    .q_word_o(q_word), .m_word_o(m_word), .em_word_o(em_word), .k_word_o(k_word), .e_step_o(e_step),
    .v_word_o(v_word), .q_row_o(q_row), .ref_word_o(ref_word), .base_o(base), .k_last_i(k_last), .v_last_i(v_last),
    .bad_rec_i(bad_rec), .bad_refs_i(bad_refs), .recip_o(recip), .recip_row_o(recip_row), .out_go_o(out_go),
    .out_done_i(out_done), .out_beat_i(out_valid && out_ready), .out_stall_i(out_valid && !out_ready),
    .zero_o(zero), .out_base_o(out_base));

  logic [ROWS*AW-1:0] oaddr;
  logic [ROWS*21-1:0] cnt;
  vb_attn_tile #(.ROWS(ROWS)) u_tile (
    .clk_i(ap_clk), .rst_i(rst), .job_i(first), .tile_i(tile), .rows_i(args[64*vb_attn_pkg::ArgRows +: 32]),
    .rows_per_token_i(args[64*vb_attn_pkg::ArgRowsPerToken +: 32]), .q_i(args[64*vb_attn_pkg::ArgQ +: AW]),
    .q_row_stride_i(args[64*vb_attn_pkg::ArgQRowStride +: 32]),
    .q_token_stride_i(args[64*vb_attn_pkg::ArgQTokenStride +: 32]), .o_i(args[64*vb_attn_pkg::ArgOut +: AW]),
    .o_row_stride_i(args[64*vb_attn_pkg::ArgORowStride +: 32]),
    .o_token_stride_i(args[64*vb_attn_pkg::ArgOTokenStride +: 32]),
    .key_begin_i(args[64*vb_attn_pkg::ArgKeyBegin +: 32]), .key_end_i(args[64*vb_attn_pkg::ArgKeyEnd +: 32]),
    .first_count_i(args[64*vb_attn_pkg::ArgFirstCount +: 32]), .walk_o(walk), .walk_ready_i(cmd_valid && cmd_ready),
    .q_addr_o(q_addr), .nrows_o(nrows), .last_tile_o(last_tile), .oaddr_o(oaddr), .cnt_o(cnt), .n_o(n));

  // ---- m and EM of a split job: words to rows
  logic [ROWS-1:0] m_we, em_we;
  logic [ROWS*32-1:0] m_in, m_max;
  logic [NBV*16-1:0] em_in;
  logic [ROWS*NBV*16-1:0] em;
  logic [255:0] em_rec_q, em_rec;
  localparam int MR = W / 32;    // rows of an m word
  localparam int SUBW = 32 / LANES;
  always_comb begin
    m_we  = '0;
    em_we = '0;
    for (int r = 0; r < ROWS; r++) begin
      m_we[r]  = m_word && 32'(ref_word) == r / MR;
      em_we[r] = em_word && 32'(ref_word) == r * SUBW + SUBW - 1;
    end
  end
  for (genvar r = 0; r < ROWS; r++) begin : g_m
    assign m_in[r*32 +: 32] = word[(r % MR) * 32 +: 32];
  end
  if (SUBW == 1) begin : g_em_whole
    assign em_rec = word;
    assign em_rec_q = '0;
  end else begin : g_em_parts  // collect the words of a record
    always_ff @(posedge ap_clk) if (em_word) em_rec_q <= {word, em_rec_q[255:W]};
    assign em_rec = {word, em_rec_q[255:W]};
  end
  assign em_in = em_rec[NBV*16-1:0];

  // ---- pass one
  logic sw_valid, cw_valid, re;
  logic [NW-1:0] sw_key, cw_key, raddr;
  logic [ROWS*32-1:0] sw_data, srd_q;
  logic [NBV*8-1:0] cw_data, crd_q;
  vb_attn_qk #(.ROWS(ROWS), .LANES(LANES), .NBK(NBK), .NBV(NBV), .NMAX(NMAX)) u_qk (
    .clk_i(ap_clk), .rst_i(rst), .clear_i(clear), .track_i(track), .restart_i(restart),
    .nbk_i(args[64*vb_attn_pkg::ArgDk + 5 +: 5]),
    .q_word_i(q_word), .k_word_i(k_word), .word_i(word), .q_row_i(q_row), .rec_last_o(k_last), .base_i(base),
    .cnt_i(cnt), .m_we_i(m_we), .m_i(m_in), .m_o(m_max), .sw_valid_o(sw_valid), .sw_key_o(sw_key),
    .sw_data_o(sw_data), .cw_valid_o(cw_valid), .cw_key_o(cw_key), .cw_data_o(cw_data), .bad_o(bad_rec));

  // ---- score memory: one write and one registered read port
  logic [ROWS*32-1:0] smem [NMAX];
  logic [NBV*8-1:0] cmem [NMAX];
  always_ff @(posedge ap_clk) begin
    if (sw_valid) smem[sw_key] <= sw_data;
    if (re) srd_q <= smem[raddr];
  end
  always_ff @(posedge ap_clk) begin
    if (cw_valid) cmem[cw_key] <= cw_data;
    if (re) crd_q <= cmem[raddr];
  end

  // ---- exponent pass and pass two
  logic rd, u_valid;
  logic [RW-1:0] rd_row;
  logic [NAW-1:0] rd_addr;
  logic [LANES*64-1:0] num;
  logic [ROWS*64-1:0] l_sum;
  logic [ROWS*32-1:0] r_div;
  logic [ROWS*7-1:0] le_q;
  logic [ROWS-1:0] div_start, div_done, div_open_q;
  logic [31:0] u;
  logic signed [6:0] ue;
  logic [RW-1:0] urow1_q, urow2_q;
  vb_attn_pv #(.ROWS(ROWS), .LANES(LANES), .NBV(NBV), .NMAX(NMAX)) u_pv (
    .clk_i(ap_clk), .rst_i(rst), .clear_i(clear), .restart_i(restart), .nbv_i(args[64*vb_attn_pkg::ArgDv + 5 +: 5]),
    .e_step_i(e_step), .v_word_i(v_word), .word_i(word), .rec_last_o(v_last), .base_i(base), .cnt_i(cnt),
    .m_i(m_max), .em_we_i(em_we), .em_i(em_in), .em_o(em), .re_o(re), .raddr_o(raddr), .score_i(srd_q),
    .ev_i(crd_q), .div_start_i(div_start), .div_u_i(u), .div_done_o(div_done), .l_o(l_sum), .r_o(r_div),
    .rd_i(rd), .rd_row_i(rd_row), .rd_addr_i(rd_addr), .num_o(num), .bad_o(bad_refs));

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
    if (u_valid) le_q[7*urow2_q +: 7] <= ue;
    if (rst) div_open_q <= '0;
    else     div_open_q <= (div_open_q | div_start) & ~div_done;
  end

  vb_attn_out #(.ROWS(ROWS), .LANES(LANES), .NBV(NBV), .DW(DW)) u_out (
    .clk_i(ap_clk), .rst_i(rst), .go_i(out_go), .done_o(out_done), .mode_i(args[64*vb_attn_pkg::ArgMode +: 2]),
    .nrows_i(nrows),
    .nbv_i(args[64*vb_attn_pkg::ArgDv + 5 +: 5]), .zero_i(zero), .base_i(out_base), .oaddr_i(oaddr), .m_i(m_max),
    .em_i(em), .l_i(l_sum), .r_i(r_div), .le_i(le_q), .rd_o(rd), .rd_row_o(rd_row), .rd_addr_o(rd_addr),
    .num_i(num), .cmd_valid_o(wrc_valid), .cmd_ready_i(wrc_ready), .cmd_addr_o(wrc_addr), .cmd_bytes_o(wrc_bytes),
    .beat_valid_o(out_valid), .beat_ready_i(out_ready), .beat_data_o(out_data));

  logic unused_top;
  assign unused_top = ^{beat_last, em_rec, em_rec_q, stat[31:0]};
  always_ff @(posedge ap_clk) if (!rst) begin
    // a key's scores are complete before a pass reads them, and the divider before the results
    a_score: assert (!(sw_valid && re));
    a_recip: assert (!(out_go && (recip || u_valid || div_open_q != '0)));
  end
endmodule
