// SPDX-License-Identifier: Apache-2.0
//
// EXP2_24 of the numeric contract: y = (2^24 - 1) * 2^-(f / 65536) from the committed table, 24 bits. 16 segments,
// quadratic, unsigned. Latency 3; y_o holds its value until the next valid result.
module vb_exp2 (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        valid_i,
  input  logic [15:0] f_i,
  output logic        valid_o,
  output logic [23:0] y_o
);
  logic v1_q, v2_q;
  logic [23:0] c0_1q, c0_2q;
  logic [19:0] c1_1q, t_2q;
  logic [13:0] c2_1q;
  logic [11:0] dx_1q, dx_2q;

  always_ff @(posedge clk_i) begin
    v1_q    <= valid_i && !rst_i;
    v2_q    <= v1_q && !rst_i;
    valid_o <= v2_q && !rst_i;
  end

  always_ff @(posedge clk_i) if (valid_i) begin
    c0_1q <= vb_tables_pkg::exp2_24_c0(f_i[15:12]);
    c1_1q <= vb_tables_pkg::exp2_24_c1(f_i[15:12]);
    c2_1q <= vb_tables_pkg::exp2_24_c2(f_i[15:12]);
    dx_1q <= f_i[11:0];
  end

  always_ff @(posedge clk_i) if (v1_q) begin : slope
    logic [31:0] p;
    p = 32'(c2_1q) * 32'(dx_1q) + 32'd2048;  // < 2^26
    t_2q  <= 20'(32'(c1_1q) - (p >> 12));
    c0_2q <= c0_1q;
    dx_2q <= dx_1q;
  end

  always_ff @(posedge clk_i) if (v2_q) begin : value
    logic [31:0] p;
    p = 32'(t_2q) * 32'(dx_2q) + 32'd2048;  // < 2^32
    y_o <= 24'(32'(c0_2q) - (p >> 12));
  end
endmodule
