// SPDX-License-Identifier: Apache-2.0
//
// Sum of two carrier values, rounded once. The smaller operand is aligned with 6 spare bits, the last one sticky:
// an operand that loses bits is at least 2^7 smaller, so the sum keeps its top bit at 28 or above and the rounding
// position stays above the sticky bit. Same result as an exact sum. Latency 5, one result a cycle.
module vb_add (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        valid_i,
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,
  output logic        valid_o,
  output logic [31:0] z_o
);
  // Fixed point with 6 bits below the unit of the mantissa.
  function automatic logic signed [31:0] fixed(input logic [31:0] z);
    logic [31:0] m;
    m = z[30:0] == '0 ? 32'd0 : {2'b00, 1'b1, z[22:0], 6'd0};
    fixed = z[31] ? -$signed(m) : $signed(m);
  endfunction

  logic v1_q, v2_q;
  logic signed [31:0] x1_q, y1_q, n2_q;
  logic [4:0] d1_q;
  logic [7:0] e1_q;
  logic signed [9:0] e2_q;
  always_ff @(posedge clk_i) begin
    v1_q <= valid_i && !rst_i;
    v2_q <= v1_q && !rst_i;
  end
  always_ff @(posedge clk_i) if (valid_i) begin : order
    logic swap;
    logic [7:0] d;
    swap = a_i[30:23] < b_i[30:23];
    d = swap ? b_i[30:23] - a_i[30:23] : a_i[30:23] - b_i[30:23];
    x1_q <= fixed(swap ? b_i : a_i);
    y1_q <= fixed(swap ? a_i : b_i);
    e1_q <= swap ? b_i[30:23] : a_i[30:23];
    d1_q <= d > 8'd31 ? 5'd31 : d[4:0];  // nothing but sign and sticky is left from 30 on
  end
  // The larger operand has no bits below its unit, so those of the other one need no carry, and what is lost is found
  // beside the shift.
  always_ff @(posedge clk_i) if (v1_q) begin : align
    logic signed [31:0] y;
    logic lost;
    y = y1_q >>> d1_q;
    lost = 1'b0;
    for (int i = 6; i < 31; i++) if (y1_q[i] && 5'(i) < d1_q) lost = 1'b1;
    n2_q <= {26'(x1_q >>> 6) + 26'(y >>> 6), y[5:1], y[0] | lost};
    e2_q <= $signed({2'b00, e1_q}) - 10'sd156;
  end
  vb_norm #(.W(32), .EW(10)) u_norm (
    .clk_i, .rst_i, .valid_i(v2_q), .n_i(n2_q), .neg_i(1'b0), .e_i(e2_q), .valid_o, .z_o);
endmodule
