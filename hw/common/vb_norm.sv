// SPDX-License-Identifier: Apache-2.0
//
// NORM of the numeric contract: the carrier value (F32Z) of n_i * 2^e_i. Round half to even to 24 bits,
// below 2^-62 becomes +0, from 2^64 on saturates. Latency 3, one result a cycle, no back-pressure.
module vb_norm #(
  parameter int W  = 64,  ///< bits of the signed integer, 26..64
  parameter int EW = 18   ///< bits of the signed exponent
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 valid_i,
  input  logic signed [W-1:0]  n_i,
  input  logic signed [EW-1:0] e_i,
  output logic                 valid_o,
  output logic [31:0]          z_o
);
  localparam int TW = $clog2(W);
  localparam int XW = ((EW > 8) ? EW : 8) + 2;  // exponent + bit index + rounding carry

  logic v1_q, v2_q, s1_q, s2_q, zero2_q;
  logic [W-1:0] a1_q, a2_q;
  logic signed [EW-1:0] e1_q;
  logic signed [XW-1:0] x2_q;

  always_ff @(posedge clk_i) begin
    v1_q    <= valid_i && !rst_i;
    v2_q    <= v1_q && !rst_i;
    valid_o <= v2_q && !rst_i;
  end

  // 1: sign and magnitude
  always_ff @(posedge clk_i) if (valid_i) begin
    s1_q <= n_i[W-1];
    a1_q <= n_i[W-1] ? W'(-n_i) : W'(n_i);
    e1_q <= e_i;
  end

  // 2: leading one to the top
  always_ff @(posedge clk_i) if (v1_q) begin : lead
    logic [TW-1:0] top;
    top = '0;
    for (int i = 0; i < W; i++) if (a1_q[i]) top = TW'(i);
    s2_q    <= s1_q;
    zero2_q <= (a1_q == '0);
    a2_q    <= a1_q << (TW'(W - 1) - top);
    x2_q    <= XW'(e1_q) + XW'({1'b0, top});
  end

  // 3: round, then flush or saturate
  always_ff @(posedge clk_i) if (v2_q) begin : round
    logic [24:0] m;
    logic signed [XW-1:0] x;
    m = {1'b0, a2_q[W-1 -: 24]};
    if (a2_q[W-25] && (a2_q[W-24] || (a2_q[W-26:0] != '0))) m = m + 25'd1;
    x = x2_q;
    if (m[24]) x = x + XW'(1);  // the mantissa is then 2^23 exactly: its low bits are already 0
    if (zero2_q || x < -XW'(62)) z_o <= 32'd0;
    else if (x > XW'(63))        z_o <= {s2_q, 8'd190, 23'h7fffff};
    else                         z_o <= {s2_q, 8'(x + XW'(127)), m[22:0]};
  end
endmodule
