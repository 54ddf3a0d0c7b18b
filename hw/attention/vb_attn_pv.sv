// SPDX-License-Identifier: Apache-2.0
//
// Exponent pass and pass two of a tile. The exponent pass steps through the stored keys, one a cycle; pass two takes
// the words of value records. Both read scores and value codes back from the score memory, whose one read port
// answers in the next cycle. See vb_attn_erow and vb_attn_vrow for the arithmetic.
module vb_attn_pv #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int NBV   = 4,
  parameter int NMAX  = 2048,
  localparam int W    = LANES * 8,
  localparam int NW   = $clog2(NMAX),
  localparam int RW   = $clog2(ROWS),
  localparam int AW   = $clog2(NBV * (32 / LANES))
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 clear_i,     ///< new tile
  input  logic                 restart_i,   ///< key number back to 0
  input  logic [4:0]           nbv_i,
  input  logic                 e_step_i,    ///< exponent pass: next key
  input  logic                 v_word_i,    ///< pass two: next value word
  input  logic [W-1:0]         word_i,
  output logic                 rec_last_o,  ///< the word is the last of its record
  input  logic [20:0]          base_i,
  input  logic [ROWS*21-1:0]   cnt_i,
  input  logic [ROWS*32-1:0]   m_i,
  input  logic [ROWS-1:0]      em_we_i,
  input  logic [NBV*16-1:0]    em_i,
  output logic [ROWS*NBV*16-1:0] em_o,
  // score memory
  output logic                 re_o,
  output logic [NW-1:0]        raddr_o,
  input  logic [ROWS*32-1:0]   score_i,
  input  logic [NBV*8-1:0]     ev_i,
  // end of the tile
  input  logic [ROWS-1:0]      div_start_i,
  input  logic [31:0]          div_u_i,
  output logic [ROWS-1:0]      div_done_o,
  output logic [ROWS*64-1:0]   l_o,
  output logic [ROWS*32-1:0]   r_o,
  input  logic                 rd_i,
  input  logic [RW-1:0]        rd_row_i,
  input  logic [AW-1:0]        rd_addr_i,
  output logic [LANES*64-1:0]  num_o,       ///< next cycle
  output logic                 bad_o
);
  localparam int SUBW = 32 / LANES;
  localparam int SW   = (SUBW == 1) ? 1 : $clog2(SUBW);
  localparam int BW   = $clog2(NBV);

  // ---- position
  logic sub_last, first;
  logic [SW-1:0] sub_q;
  logic [BW-1:0] blk_q;
  logic [NW-1:0] key_q;

  assign sub_last   = (sub_q == SW'(SUBW - 1));
  assign first      = (blk_q == '0) && (sub_q == '0);
  assign rec_last_o = sub_last && (5'(blk_q) == nbv_i - 5'd1);
  assign re_o       = e_step_i || (v_word_i && first);
  assign raddr_o    = key_q;

  always_ff @(posedge clk_i) begin
    if (rst_i || restart_i) begin
      sub_q <= '0;
      blk_q <= '0;
      key_q <= '0;
    end else begin
      if (v_word_i) begin
        sub_q <= sub_last ? '0 : sub_q + SW'(1);
        if (sub_last) blk_q <= rec_last_o ? '0 : blk_q + BW'(1);
      end
      if (e_step_i || (v_word_i && rec_last_o)) key_q <= key_q + NW'(1);
    end
  end

  // ---- 1: score and mask
  logic e1_q, e2_q, v1_q, v1_first_q, v1_start_q;
  logic [ROWS-1:0] act1_q;
  logic [NBV*8-1:0] ev2_q, ev3_q, ev4_q, ev5_q;
  logic f2_q, f3_q, f4_q, f5_q;

  always_ff @(posedge clk_i) begin
    e1_q       <= e_step_i && !rst_i;
    e2_q       <= e1_q && !rst_i;
    v1_q       <= v_word_i && !rst_i;
    v1_first_q <= v_word_i && first && !rst_i;
    if (re_o) begin : mask
      logic [20:0] number;
      number = base_i + 21'(key_q);
      for (int r = 0; r < ROWS; r++) act1_q[r] <= number < cnt_i[r*21 +: 21];
      v1_start_q <= (number == 21'd0);
    end
  end

  // ---- 2..5: the codes travel with their key, as the probability does in the rows
  always_ff @(posedge clk_i) begin
    f2_q <= v1_first_q && !rst_i;
    f3_q <= f2_q && !rst_i;
    f4_q <= f3_q && !rst_i;
    f5_q <= f4_q && !rst_i;
    if (e1_q || v1_first_q) ev2_q <= ev_i;
    if (f2_q) ev3_q <= ev2_q;
    if (f3_q) ev4_q <= ev3_q;
    if (f4_q) ev5_q <= ev4_q;
  end

  // ---- 1..8: the words; they wait for the probability of their key
  logic v2_q, v3_q, v4_q, v5_q, v6_q, v7_q, v8_q;
  logic [W-1:0] w1_q, w2_q, w3_q, w4_q, w5_q, w6_q, w7_q;
  logic [AW:0] p1_q, p2_q, p3_q, p4_q, p5_q, p6_q, p7_q, p8_q;  // {first key of the tile, accumulator address}

  always_ff @(posedge clk_i) begin
    v2_q <= v1_q && !rst_i;
    v3_q <= v2_q && !rst_i;
    v4_q <= v3_q && !rst_i;
    v5_q <= v4_q && !rst_i;
    v6_q <= v5_q && !rst_i;
    v7_q <= v6_q && !rst_i;
    v8_q <= v7_q && !rst_i;
    if (v_word_i) begin w1_q <= word_i; p1_q <= {1'b0, AW'(32'(blk_q) * SUBW + 32'(sub_q))}; end
    if (v1_q) begin w2_q <= w1_q; p2_q <= {v1_start_q, p1_q[AW-1:0]}; end
    if (v2_q) begin w3_q <= w2_q; p3_q <= p2_q; end
    if (v3_q) begin w4_q <= w3_q; p4_q <= p3_q; end
    if (v4_q) begin w5_q <= w4_q; p5_q <= p4_q; end
    if (v5_q) begin w6_q <= w5_q; p6_q <= p5_q; end
    if (v6_q) begin w7_q <= w6_q; p7_q <= p6_q; end
    if (v7_q) p8_q <= p7_q;
  end

  logic [ROWS-1:0] bad_e, bad_v;
  logic [ROWS*LANES*64-1:0] num;
  logic [RW-1:0] row_q;
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    vb_attn_erow #(.NBV(NBV)) u_e (
      .clk_i, .clear_i, .em_we_i(em_we_i[r]), .em_i,
      .s_valid_i(e1_q), .s_act_i(act1_q[r]), .s_score_i($signed(score_i[r*32 +: 32])), .m_i($signed(m_i[r*32 +: 32])),
      .d_valid_i(e2_q), .d_ev_i(ev2_q), .em_o(em_o[r*NBV*16 +: NBV*16]), .bad_o(bad_e[r]));
    vb_attn_vrow #(.LANES(LANES), .NBV(NBV)) u_v (
      .clk_i, .rst_i, .clear_i, .m_i($signed(m_i[r*32 +: 32])), .em_i(em_o[r*NBV*16 +: NBV*16]),
      .v1_first_i(v1_first_q), .v1_act_i(act1_q[r]), .s1_i($signed(score_i[r*32 +: 32])),
      .v5_i(v5_q), .v5_first_i(f5_q), .ev5_i(ev5_q), .blk5_i(BW'(32'(p5_q[AW-1:0]) / SUBW)),
      .v6_i(v6_q), .v7_i(v7_q), .w7_i(w7_q), .v8_i(v8_q), .start8_i(p8_q[AW]), .addr8_i(p8_q[AW-1:0]),
      .div_start_i(div_start_i[r]), .div_u_i, .l_o(l_o[r*64 +: 64]), .r_o(r_o[r*32 +: 32]),
      .div_done_o(div_done_o[r]), .rd_i(rd_i && rd_row_i == RW'(r)), .rd_addr_i,
      .num_o(num[r*LANES*64 +: LANES*64]), .bad_o(bad_v[r]));
  end

  always_ff @(posedge clk_i) begin
    if (rd_i) row_q <= rd_row_i;
    bad_o <= (|bad_e) || (|bad_v);
  end
  assign num_o = num[32'(row_q)*LANES*64 +: LANES*64];

  logic unused_p;
  assign unused_p = p1_q[AW];
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_one_pass: assert (!(e_step_i && v_word_i));
    a_blk:      assert (!v_word_i || 5'(blk_q) < nbv_i);
  end
endmodule
