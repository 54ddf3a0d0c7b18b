// SPDX-License-Identifier: Apache-2.0
//
// Pass one of one query row behind its multipliers: block-aligned accumulation (P2), the score in Q15.16 and its running
// maximum. All valids and positions come from the core: they are the same for every row, so the row has no control of its own.
//
//    1: shift ─► 2 ─► 3: dot ─► (P: sub-words of a block summed) ─► C: acc += SHR_RNE(D, s - 8)
//         ─► D: sign, magnitude, shift ─► E: score, or NoScore ─► F: maximum
module vb_attn_krow #(
  parameter int SUBW = 1,                ///< words of a block
  parameter int NBK  = 4,                ///< largest number of key blocks
  localparam int BW  = $clog2(NBK)
) (
  input  logic               clk_i,
  input  logic               rst_i,       ///< only silences the assertion
  input  logic               clear_i,     ///< new tile: maximum = none
  input  logic               track_i,     ///< scores move the maximum
  // header of the query
  input  logic               qc_we_i,
  input  logic [NBK*8-1:0]   q_codes_i,
  input  logic [7:0]         q_max_i,
  // key stream
  input  logic               v1_i,        ///< stage 1: block and how far its code is below the key's largest
  input  logic [BW-1:0]      blk1_i,
  input  logic [7:0]         kd1_i,
  input  logic               v2_i,
  input  logic               v3_i,
  input  logic               sub_first3_i,
  input  logic signed [31:0] dot_i,       ///< stage 3
  input  logic               p_valid_i,   ///< a whole block is in D
  input  logic               p_first_i,   ///< the first block of its key
  input  logic [7:0]         p_ek_i,      ///< the key's largest code, with its last block
  input  logic               c_valid_i,   ///< the accumulator holds a whole key
  input  logic               d_valid_i,
  input  logic               d_act_i,     ///< the row attends this key
  input  logic               e_valid_i,
  // maximum from memory (split jobs) or the row's sink
  input  logic               m_we_i,
  input  logic signed [31:0] m_i,
  output logic [31:0]        score_o,     ///< stage E
  output logic signed [31:0] m_o,
  output logic               bad_o        ///< a score above an m that was given; of the key in stage E one cycle before
);
  logic signed [10:0] eq_q;  // EQ - 246
  logic [NBK*8-1:0] sq_q;  // EQ - eq per block
  always_ff @(posedge clk_i) if (qc_we_i) begin
    eq_q <= $signed({3'd0, q_max_i}) - 11'sd246;
    for (int b = 0; b < NBK; b++) sq_q[b*8 +: 8] <= q_max_i - q_codes_i[b*8 +: 8];
  end

  // how far this block lies below the reference
  logic [4:0] sh2_q, sh3_q;
  always_ff @(posedge clk_i) begin : align
    logic [8:0] s;
    s = 9'd0;
    if (v1_i) begin
      s = {1'b0, sq_q[8*blk1_i +: 8]} + {1'b0, kd1_i};
      sh2_q <= (s > 9'd28) ? 5'd28 : s[4:0];  // 28 and more: every D rounds to 0
    end
    if (v2_i) sh3_q <= sh2_q;
  end

  // P: a block narrower than the array's word is one dot; else its words are summed first
  logic signed [31:0] d_p;
  logic [4:0] sh_p;
  if (SUBW == 1) begin : g_whole
    assign d_p  = dot_i;
    assign sh_p = sh3_q;
    logic unused_sub;
    assign unused_sub = ^{v3_i, sub_first3_i};
  end else begin : g_parts
    logic signed [31:0] sum_q;
    logic [4:0] sh_p_q;
    always_ff @(posedge clk_i) if (v3_i) begin
      sum_q  <= (sub_first3_i ? 32'sd0 : sum_q) + dot_i;
      sh_p_q <= sh3_q;
    end
    assign d_p  = sum_q;
    assign sh_p = sh_p_q;
  end

  // C: t = SHR_RNE(D, s - 8) = SHR_RNE(D * 2^8, s)
  logic signed [35:0] acc_q;  // 18 blocks of at most 2^19 * 2^8
  logic signed [10:0] c_e_q;  // the whole key's exponent
  always_ff @(posedge clk_i) if (p_valid_i) begin : accumulate
    logic signed [31:0] x;  // 29 bits, one below the unit: the round bit
    logic up;
    x  = d_p <<< 9;
    up = (x & ~(32'hffff_ffff << sh_p)) != 32'd0;  // something is left below the round bit
    x  = x >>> sh_p;
    up = x[0] && (up || x[1]);
    c_e_q <= eq_q + $signed({3'd0, p_ek_i});
    acc_q <= (p_first_i ? 36'sd0 : acc_q) + 36'($signed(x[31:1])) + 36'(up);
  end

  // D: magnitude, and acc * 2^(EQ + EK - 254 - 8 + 16) by multiples of 16. Shift amounts are clamped where the result no longer
  // depends on them. acc < 2^32 (18 blocks of 127 * 127 * 32 * 2^8), so a shift to the right cannot overflow.
  logic [32:0] x_q;  // one bit below the unit: the round bit
  logic neg_q, right_q, lost_q;
  logic [3:0] amt_q;
  always_ff @(posedge clk_i) if (c_valid_i) begin : split
    logic [31:0] m;
    logic [10:0] a;
    m = acc_q[35] ? 32'(-acc_q) : 32'(acc_q);
    a = c_e_q[10] ? -c_e_q : c_e_q;
    neg_q   <= acc_q[35];
    right_q <= c_e_q[10];
    if (c_e_q[10]) begin
      if (a > 11'd37) a = 11'd37;
      x_q    <= a[5] ? {32'd0, m[31]} : a[4] ? {16'd0, m[31:15]} : {m, 1'b0};
      lost_q <= a[5] ? m[30:0] != 31'd0 : a[4] && m[14:0] != 15'd0;
    end else begin
      if (a > 11'd31) a = 11'd31;
      x_q    <= a[4] ? {m[15:0], 17'd0} : {m, 1'b0};
      lost_q <= a[4] && m[31:16] != 16'd0;
    end
    amt_q <= a[3:0];
  end

  // E: the other bits of the shift; round or saturate
  always_ff @(posedge clk_i) if (d_valid_i) begin : scale
    logic [32:0] z;
    logic [46:0] w;
    logic [31:0] y;
    logic up, sat;
    up  = 1'b0;
    sat = 1'b0;
    if (right_q) begin
      z  = x_q >> amt_q;
      up = z[0] && (z[1] || lost_q || (x_q & ~(33'h1_ffff_ffff << amt_q)) != 33'd0);
      y  = z[32:1];
    end else begin
      w   = {15'd0, x_q[32:1]} << amt_q;
      sat = lost_q || w[46:31] != 16'd0;
      y   = w[31:0];
    end
    // -(y + up) = ~y + !up: one carry for both
    score_o <= !d_act_i ? vb_attn_pkg::NoScore : sat ? (neg_q ? 32'h8000_0001 : 32'h7fff_ffff)
                                               : (neg_q ? ~y : y) + 32'(neg_q != up);
  end

  always_ff @(posedge clk_i) if (!rst_i) begin
    a_acc: assert (!c_valid_i || (acc_q > -36'sh1_0000_0000 && acc_q < 36'sh1_0000_0000));
  end

  // F: maximum over the attended keys; NoScore is below every score
  always_ff @(posedge clk_i) begin
    if (clear_i)     m_o <= $signed(vb_attn_pkg::NoScore);
    else if (m_we_i) m_o <= m_i;
    else if (e_valid_i) begin
      bad_o <= !track_i && $signed(score_o) > m_o;
      if (track_i && $signed(score_o) > m_o) m_o <= $signed(score_o);
    end
  end
endmodule
