// SPDX-License-Identifier: Apache-2.0
//
// Pass two of one query row before its multipliers: p = 2^-(m - s) once per key, the denominator L, and p' aligned to the
// block's exponent once per (key, value block). Ends with the reciprocal of the denominator. Valids and positions come from
// the core, one value word a cycle; a sink is a key without words.
//
//    1: score ─► 2: d ─► 3,4,5: EXP2_24 ─► 6: shift amount, L term ─► p' (operand register of vb_attn_mac), L
//
// Stages 2 to 5 advance on the first word of a key only, so their registers hold for its other words.
module vb_attn_vrow #(
  parameter int NBV = 4,
  localparam int BW = $clog2(NBV)
) (
  input  logic                clk_i,
  input  logic                rst_i,
  input  logic                clear_i,    ///< new tile: L = 0
  input  logic signed [31:0]  m_i,
  input  logic [NBV*16-1:0]   em_i,
  input  logic                v1_first_i, ///< first word of its key in stage 1: score valid; and in the stages behind
  input  logic                v2_first_i,
  input  logic                v3_first_i,
  input  logic                v4_first_i,
  input  logic signed [31:0]  s1_i,
  input  logic                v5_i,       ///< stage 5: a value word, its codes and block
  input  logic                v5_first_i,
  input  logic                v6_first_i,
  input  logic [NBV*8-1:0]    ev5_i,
  input  logic [BW-1:0]       blk5_i,
  output logic [23:0]         p_o,        ///< stage 6
  // end of the tile
  input  logic                div_start_i,
  input  logic [31:0]         div_u_i,
  output logic [63:0]         l_o,
  output logic [31:0]         r_o,
  output logic                div_done_o,
  output logic                bad_m_o,    ///< m is below the score that was in stage 1
  output logic                bad_em_o    ///< EM is below what the word in stage 6 needs
);
  // 2..5: the probability of the key
  logic act2_q, act3_q, act4_q, act5_q, exp_v;
  logic [31:0] d_q;
  logic [9:0] i3_q, i4_q, i5_q;
  logic [23:0] t5;

  always_ff @(posedge clk_i) begin
    if (v1_first_i) begin
      d_q     <= m_i - s1_i;
      act2_q  <= s1_i != $signed(vb_attn_pkg::NoScore);
      bad_m_o <= s1_i > m_i;
    end
    if (v2_first_i) begin i3_q <= (d_q[31:26] != 6'd0) ? 10'd1023 : d_q[25:16]; act3_q <= act2_q; end
    if (v3_first_i) begin i4_q <= i3_q; act4_q <= act3_q; end
    if (v4_first_i) begin i5_q <= i4_q; act5_q <= act4_q; end
  end

  vb_exp2 u_exp2 (
    .clk_i, .rst_i, .valid_i(v2_first_i), .f_i(d_q[15:0]), .valid_o(exp_v), .y_o(t5));

  // 6: how far this key's block lies below the reference; 25 and more round every p to 0
  logic [23:0] t6_q;
  logic [4:0] sh6_q;
  logic [31:0] lt_q;
  always_ff @(posedge clk_i) begin : align
    logic signed [31:0] s;
    logic [7:0] ev;
    s = 32'sd0;
    ev = 8'd0;
    if (v5_i) begin
      ev = ev5_i[8*blk5_i +: 8];
      s = 32'($signed(em_i[16*blk5_i +: 16])) - $signed({24'd0, ev}) + $signed({22'd0, i5_q});
      t6_q <= (act5_q && ev != 8'd0) ? t5 : 24'd0;
      sh6_q <= (s > 32'sd25 || s < 32'sd0) ? 5'd25 : s[4:0];
      bad_em_o <= act5_q && ev != 8'd0 && s < 32'sd0;
    end
    if (v5_first_i) begin : term  // SHR_RHU(T << 8, i): zero from 33 on
      logic [63:0] x;
      x = {31'd0, t5, 9'd0};  // one bit below the point for the round bit
      x = x >> ((i5_q > 10'd33) ? 6'd34 : i5_q[5:0]);
      lt_q <= act5_q ? 32'((x + 64'd1) >> 1) : 32'd0;
    end
  end
  // p': 24 bits and a round bit
  logic [24:0] x6;
  assign x6  = {t6_q, 1'b0} >> sh6_q;
  assign p_o = 24'((x6 + 25'd1) >> 1);

  always_ff @(posedge clk_i) begin
    if (clear_i)     l_o <= 64'd0;
    else if (v6_first_i) l_o <= l_o + {32'd0, lt_q};
  end

  vb_recip u_recip (
    .clk_i, .rst_i, .start_i(div_start_i), .u_i(div_u_i), .done_o(div_done_o), .r_o);

  logic unused_exp;
  assign unused_exp = exp_v;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_exp:  assert (!exp_v || v5_first_i);  // the exponential and its value word stay in step
  end
endmodule
