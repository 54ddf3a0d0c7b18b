// SPDX-License-Identifier: Apache-2.0
//
// NORM of the numeric contract: the carrier value (F32Z) of n_i * 2^e_i. Round half to even to 24 bits,
// below 2^-62 becomes +0, from 2^64 on saturates. Latency 3, one result a cycle, no back-pressure.
module vb_norm #(
  parameter int W  = 64,  ///< bits of the integer, 26..64
  parameter int EW = 18,  ///< bits of the signed exponent
  parameter bit MAG = 1'b0  ///< n_i is a magnitude, its sign is neg_i: saves who has a product two negations
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 valid_i,
  input  logic signed [W-1:0]  n_i,
  input  logic                 neg_i,  ///< with MAG only
  input  logic signed [EW-1:0] e_i,
  output logic                 valid_o,
  output logic [31:0]          z_o
);
  localparam int TW = $clog2(W);
  localparam int XW = ((EW > 8) ? EW : 8) + 2;  // exponent + bit index + rounding carry
  localparam int HALF = 1 << (TW - 1);

  logic v1_q, v2_q, s1_q, s2_q;
  logic [W-1:0] a1_q, a2_q;
  logic [TW-1:0] left1_q, left2_q;  // how far the leading one was moved
  logic signed [EW-1:0] e1_q;
  logic signed [XW-1:0] x2_q;

  always_ff @(posedge clk_i) begin
    v1_q    <= valid_i && !rst_i;
    v2_q    <= v1_q && !rst_i;
    valid_o <= v2_q && !rst_i;
  end

  // The leading one goes to the top in steps of half, a quarter, ... of the width: a step needs no more than to know
  // whether the bits that it would push out are zero.
  // 1: sign and magnitude, and the largest steps
  always_ff @(posedge clk_i) if (valid_i) begin : magnitude
    logic [W-1:0] a;
    logic [TW-1:0] left;
    a = !MAG && n_i[W-1] ? W'(-n_i) : W'(n_i);
    left = '0;
    // beside the negation: a negative number has zeros there afterwards if it has ones there before, and no carry comes
    left[TW-1] = !MAG && n_i[W-1] ? n_i[W-1 -: HALF] == '1 && n_i[W-1-HALF:0] != '0 : n_i[W-1 -: HALF] == '0;
    if (left[TW-1]) a = a << HALF;
    if (MAG) begin
      left[TW-2] = (a >> (W - HALF / 2)) == '0;
      if (left[TW-2]) a = a << (HALF / 2);
    end
    a1_q    <= a;
    left1_q <= left;
    s1_q    <= MAG ? neg_i : n_i[W-1];
    e1_q    <= e_i;
  end

  // 2: all but the last of the others. Which nibbles are zero moves along: nothing waits for a wide comparison.
  always_ff @(posedge clk_i) if (v1_q) begin : lead
    logic [W-1:0] a;
    logic [31:0] top;
    logic [7:0] zero;  // nibbles of it
    logic [TW-1:0] left;
    a = a1_q;
    left = left1_q;
    top = 32'({a, 32'd0} >> W);
    for (int i = 0; i < 8; i++) zero[i] = top[31 - 4*i -: 4] == 4'd0;
    for (int k = TW - (MAG ? 3 : 2); k >= 1; k--) begin
      left[k] = (k > 1) ? (zero | (8'hff << (1 << k) / 4)) == '1 : a[W-1 -: 2] == 2'd0;
      if (left[k]) begin
        a = a << (1 << k);
        zero = zero >> (1 << k) / 4;
      end
    end
    a2_q    <= a;
    left2_q <= left;
    s2_q    <= s1_q;
    x2_q    <= XW'(e1_q) + XW'(W - 1);
  end

  // 3: the last step, round, then flush or saturate
  always_ff @(posedge clk_i) if (v2_q) begin : round
    logic [W-1:0] a;
    logic [24:0] m;
    logic signed [XW-1:0] x, y;  // without and with the carry of the rounding
    a = a2_q[W-1] ? a2_q : a2_q << 1;
    x = x2_q - XW'({1'b0, left2_q}) - XW'(!a2_q[W-1]);
    y = x + XW'(1);
    m = {1'b0, a[W-1 -: 24]};
    if (a[W-25] && (a[W-24] || (a[W-26:0] != '0))) m = m + 25'd1;  // on a carry the low bits are already 0
    if (!a[W-1] || (m[24] ? y < -XW'(62) : x < -XW'(62))) z_o <= 32'd0;
    else if (m[24] ? y > XW'(63) : x > XW'(63))           z_o <= {s2_q, 8'd190, 23'h7fffff};
    else z_o <= {s2_q, m[24] ? 8'(y + XW'(127)) : 8'(x + XW'(127)), m[22:0]};
  end

  if (!MAG) begin : g_signed
    logic unused_neg;
    assign unused_neg = neg_i;
  end
endmodule
