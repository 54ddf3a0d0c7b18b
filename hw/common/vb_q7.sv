// SPDX-License-Identifier: Apache-2.0
//
// Q7 of the numeric contract, the shared evaluator: 128 segments, quadratic, on a 31-bit fraction. EXP2 gives
// 2^31 * 2^-f, RECIP 2^31 / (1 + f); both stay within 0..2^31. Latency 4, one result a cycle. The segment comes a cycle
// before its fraction, because the table is a block RAM and slow.
module vb_q7 #(
  parameter bit RECIP = 1'b0  ///< the table: 0 EXP2, 1 RECIP
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        early_i,  ///< one cycle before valid_i: seg_i is that of the fraction
  input  logic [6:0]  seg_i,
  input  logic        valid_i,
  input  logic [23:0] dx_i,     ///< the fraction inside its segment
  output logic        valid_o,
  output logic [31:0] y_o
);
  logic v1_q, v2_q, v3_q;
  logic [31:0] c0_0q, c0_1q, c0_2q, c0_3q;
  logic signed [25:0] c1_0q, c1_1q, c1_2q;
  logic signed [17:0] c2_0q, c2_1q;
  logic [23:0] dx_1q, dx_2q;
  logic signed [42:0] p2_q;
  logic signed [39:0] hi3_q, lo3_q;

  always_ff @(posedge clk_i) begin
    v1_q    <= valid_i && !rst_i;
    v2_q    <= v1_q && !rst_i;
    v3_q    <= v2_q && !rst_i;
    valid_o <= v3_q && !rst_i;
  end

  always_ff @(posedge clk_i)
    if (early_i) {c0_0q, c1_0q, c2_0q} <= RECIP ? vb_tables_pkg::recip_q7(seg_i) : vb_tables_pkg::exp2_q7(seg_i);
  always_ff @(posedge clk_i) if (valid_i) begin
    {c0_1q, c1_1q, c2_1q} <= {c0_0q, c1_0q, c2_0q};
    dx_1q <= dx_i;
  end

  // Both products are rounded half up by the constant added before the shift; the halves of the second are added a cycle later.
  always_ff @(posedge clk_i) if (v1_q) begin
    p2_q  <= 43'(c2_1q) * 43'($signed({1'b0, dx_1q})) + 43'sd8388608;
    c1_2q <= c1_1q;
    c0_2q <= c0_1q;
    dx_2q <= dx_1q;
  end
  always_ff @(posedge clk_i) if (v2_q) begin : slope
    logic signed [26:0] t;
    t = 27'(c1_2q) + 27'(p2_q >>> 24);
    hi3_q <= 40'(t) * 40'($signed({1'b0, dx_2q[23:12]}));
    lo3_q <= 40'(t) * 40'($signed({1'b0, dx_2q[11:0]}));
    c0_3q <= c0_2q;
  end
  always_ff @(posedge clk_i) if (v3_q) begin : value
    logic signed [51:0] p;
    p = {hi3_q, 12'd0} + 52'(lo3_q) + 52'sd8388608;
    y_o <= c0_3q + 32'(p >>> 24);
  end
endmodule
