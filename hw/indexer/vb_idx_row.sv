// SPDX-License-Identifier: Apache-2.0
//
// One row of the array: the queries and weights of the heads h with h mod ROWS = row, one group after another against
// the key that the array holds. int8 dot product, block-aligned sum (P2), ReLU, times the head's weight. All valids
// and positions come from the array: they are the same in every row.
//
//   step ─► A: words ─► M: products ─► B: dot ─► (P: words of a block summed) ─► S: D * 2^8 down by s
//        ─► C: acc += S, rounded to nearest even ─► D: w * max(0, acc)
module vb_idx_row #(
  parameter int LANES = 32,
  parameter int NBK   = 4,
  parameter int GROUPS = 8,
  localparam int W    = LANES * 8,
  localparam int DW   = 21,                 // 32 products, 2^19 at most
  localparam int SUBW = 32 / LANES,
  localparam int GW   = $clog2(GROUPS),
  localparam int BW   = (NBK > 1) ? $clog2(NBK) : 1,
  localparam int QW   = GW + BW + $clog2(SUBW)
) (
  input  logic               clk_i,
  // queries and weights
  input  logic               q_we_i,
  input  logic [QW-1:0]      q_at_i,
  input  logic [W-1:0]       q_word_i,
  input  logic               qc_we_i,
  input  logic [GW-1:0]      qc_at_i,
  input  logic [NBK*8-1:0]   qc_i,        ///< largest code - code, per block
  input  logic               w_we_i,
  input  logic [GW-1:0]      w_at_i,
  input  logic [15:0]        w_i,
  // steps
  input  logic               step_i,
  input  logic [QW-1:0]      step_at_i,
  input  logic [GW-1:0]      step_group_i,
  input  logic               a_valid_i,
  input  logic [W-1:0]       a_word_i,
  input  logic [BW-1:0]      a_blk_i,
  input  logic [7:0]         a_kd_i,      ///< largest code - code of the key's block
  input  logic               m_valid_i,
  input  logic               b_valid_i,
  input  logic               b_sub_first_i,
  input  logic               p_valid_i,   ///< a whole block is in D
  input  logic               s_valid_i,   ///< and aligned
  input  logic               s_first_i,   ///< the first block of this head
  input  logic [GW-1:0]      s_group_i,
  input  logic               c_valid_i,   ///< the sum over blocks is complete
  output logic signed [47:0] prod_o
);
  (* no_rw_check *)  // no step while queries come
  logic [W-1:0] qmem [1 << QW];
  logic [NBK*8-1:0] qcmem [GROUPS];
  logic [15:0] wmem [GROUPS];
  logic [W-1:0] qw_q;
  logic [NBK*8-1:0] qc_q;
  logic signed [15:0] w_q;
  always_ff @(posedge clk_i) begin
    if (q_we_i) qmem[q_at_i] <= q_word_i;
    if (step_i) qw_q <= qmem[step_at_i];
  end
  always_ff @(posedge clk_i) begin
    if (qc_we_i) qcmem[qc_at_i] <= qc_i;
    if (step_i) qc_q <= qcmem[step_group_i];
  end
  always_ff @(posedge clk_i) begin
    if (w_we_i) wmem[w_at_i] <= w_i;
    if (s_valid_i) w_q <= wmem[s_group_i];
  end

  // M: products of one word, and how far this block lies below the reference
  logic [4:0] sh_m_q, sh_b_q;
  logic signed [15:0] m [LANES];
  for (genvar l = 0; l < LANES; l++) begin : g_lane
    logic signed [15:0] m_q;
    always_ff @(posedge clk_i) if (a_valid_i) m_q <= 16'($signed(qw_q[l*8 +: 8])) * 16'($signed(a_word_i[l*8 +: 8]));
    assign m[l] = m_q;
  end
  always_ff @(posedge clk_i) if (a_valid_i) begin : below
    logic [8:0] s;
    s = {1'b0, qc_q[8*a_blk_i +: 8]} + {1'b0, a_kd_i};
    sh_m_q <= (s > 9'd28) ? 5'd28 : s[4:0];  // 28 and more: every D rounds to 0
  end

  // B: their sum
  logic signed [DW-1:0] dot_q;
  always_ff @(posedge clk_i) if (m_valid_i) begin : dot
    logic signed [DW-1:0] t;
    t = '0;
    for (int l = 0; l < LANES; l++) t = t + DW'(m[l]);
    dot_q  <= t;
    sh_b_q <= sh_m_q;
  end

  // P: a block that is wider than the array's word
  logic signed [DW-1:0] d_p;
  logic [4:0] sh_p;
  if (SUBW == 1) begin : g_whole
    assign d_p  = dot_q;
    assign sh_p = sh_b_q;
    logic unused_sub;
    assign unused_sub = ^{b_valid_i, b_sub_first_i};
  end else begin : g_parts
    logic signed [DW-1:0] sum_q;
    logic [4:0] sh_p_q;
    always_ff @(posedge clk_i) if (b_valid_i) begin
      sum_q  <= (b_sub_first_i ? DW'(0) : sum_q) + dot_q;
      sh_p_q <= sh_b_q;
    end
    assign d_p  = sum_q;
    assign sh_p = sh_p_q;
  end

  // S: SHR_RNE(D, s - 8) = SHR_RNE(D * 2^8, s): the bits that stay, and whether those that leave round up
  logic signed [DW+7:0] t_q;
  logic up_q;
  always_ff @(posedge clk_i) if (p_valid_i) begin : align
    logic signed [DW+8:0] t;     // and the bit below
    logic [DW+7:0] rest;         // further down
    t    = $signed({d_p, 9'd0}) >>> sh_p;
    rest = {d_p, 8'd0} & (~({(DW+8){1'b1}} << sh_p) >> 1);
    t_q  <= t[DW+8:1];
    up_q <= t[0] && (t[1] || rest != '0);
  end

  // C: summed over blocks
  logic signed [31:0] acc_q;  // NBK blocks of at most 2^19 * 2^8
  always_ff @(posedge clk_i) if (s_valid_i) acc_q <= (s_first_i ? 32'sd0 : acc_q) + 32'(t_q) + 32'(up_q);

  // D: weighted, if positive
  always_ff @(posedge clk_i) if (c_valid_i) prod_o <= acc_q[31] ? 48'sd0 : 48'(w_q) * 48'(acc_q);
endmodule
