// SPDX-License-Identifier: Apache-2.0
//
// Q7 of the numeric contract, the shared evaluator: 128 segments, quadratic, on a 31-bit fraction. EXP2 gives
// 2^31 * 2^-f, RECIP 2^31 / (1 + f); both stay within 0..2^31. Latency 4, one result a cycle.
module vb_q7 #(
  parameter bit RECIP = 1'b0  ///< the table: 0 EXP2, 1 RECIP
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        valid_i,
  input  logic [30:0] f_i,
  output logic        valid_o,
  output logic [31:0] y_o
);
  logic v1_q, v2_q, v3_q;
  logic [31:0] c0_1q, c0_2q, c0_3q;
  logic signed [25:0] c1_1q, c1_2q;
  logic signed [17:0] c2_1q;
  logic [23:0] dx_1q, dx_2q;
  logic signed [42:0] p2_q;
  logic signed [51:0] p3_q;

  always_ff @(posedge clk_i) begin
    v1_q    <= valid_i && !rst_i;
    v2_q    <= v1_q && !rst_i;
    v3_q    <= v2_q && !rst_i;
    valid_o <= v3_q && !rst_i;
  end

  always_ff @(posedge clk_i) if (valid_i) begin
    {c0_1q, c1_1q, c2_1q} <= RECIP ? vb_tables_pkg::recip_q7(f_i[30:24]) : vb_tables_pkg::exp2_q7(f_i[30:24]);
    dx_1q <= f_i[23:0];
  end

  // Both products are rounded half up by the constant added before the shift.
  always_ff @(posedge clk_i) if (v1_q) begin
    p2_q  <= 43'(c2_1q) * 43'($signed({1'b0, dx_1q})) + 43'sd8388608;
    c1_2q <= c1_1q;
    c0_2q <= c0_1q;
    dx_2q <= dx_1q;
  end
  always_ff @(posedge clk_i) if (v2_q) begin : slope
    logic signed [26:0] t;
    t = 27'(c1_2q) + 27'(p2_q >>> 24);
    p3_q  <= 52'(t) * 52'($signed({1'b0, dx_2q})) + 52'sd8388608;
    c0_3q <= c0_2q;
  end
  always_ff @(posedge clk_i) if (v3_q) y_o <= c0_3q + 32'(p3_q >>> 24);
endmodule
