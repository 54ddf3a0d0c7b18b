// SPDX-License-Identifier: Apache-2.0
//
// Logistic function of the numeric contract, F32Z to F32Z. Latency 15, one result a cycle.
//
//   x ─► |x| log2e (1) ─► Q.31 (2) ─► EXP2 (6) ─► >> i = z (7) ─► RECIP (11) ─► y, or 2^-t * y for x < 0 (12) ─► NORM (15)
module vb_sigmoid (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        valid_i,
  input  logic [31:0] z_i,
  output logic        valid_o,
  output logic [31:0] s_o
);
  localparam int unsigned LAT = 12;  // valid, sign and octave travel beside the evaluators
  logic [LAT-1:0] v_q;
  logic [LAT-2:0] neg_q;
  always_ff @(posedge clk_i) v_q <= rst_i ? '0 : {v_q[LAT-2:0], valid_i};
  always_ff @(posedge clk_i) if (valid_i || v_q != '0) neg_q <= {neg_q[LAT-3:0], z_i[31]};

  // 1: |x| * log2(e) as an exact 63-bit product. A zero needs no care: its exponent field shifts all of the product out.
  logic [39:0] p1_q;  // without the bits below 2^-32, which no shift brings back
  logic [5:0] s1_q;
  logic cap1_q;
  always_ff @(posedge clk_i) if (valid_i) begin
    p1_q <= 40'((63'({1'b1, z_i[22:0]}) * 63'd396564993198) >> 23);
    s1_q <= z_i[30:23] < 8'd70 ? 6'd63 : 6'(8'd133 - z_i[30:23]);
    cap1_q <= z_i[30:23] > 8'd133;
  end

  // 2: in Q.31, half up, capped at 128 octaves. The product's top bit is 61 or 62: an exponent field above 133 is above the cap.
  logic [7:0] i2_q;
  logic [23:0] dx2_q;
  logic [39:0] r2;
  always_comb begin : b_t
    logic [40:0] x;
    x = '0;
    if (v_q[0]) x = {1'b0, p1_q} >> s1_q;  // one bit below the unit
    r2 = 40'((x + 41'd1) >> 1);
  end
  always_ff @(posedge clk_i) if (v_q[0]) begin
    i2_q <= cap1_q || r2[39:38] != 2'b00 ? 8'd128 : r2[38:31];
    dx2_q <= r2[23:0];
  end

  // 6: 2^-frac in Q.31; the octaves 0..128 wait. Behind the cap it is not looked at.
  logic v6, v11;
  logic [31:0] e6, y11;
  vb_q7 #(.RECIP(1'b0)) u_exp2 (
    .clk_i, .rst_i, .early_i(v_q[0]), .seg_i(r2[30:24]), .valid_i(v_q[1]), .dx_i(dx2_q), .valid_o(v6), .y_o(e6));
  logic [9*8-1:0] i_q;  // of stages 3..11, newest first
  always_ff @(posedge clk_i) if (v_q != '0) i_q <= {i_q[8*8-1:0], i2_q};

  // 7: z = 2^-t in Q.31, half up
  logic [31:0] z7;
  logic [23:0] dx7_q;
  logic one7_q;
  always_comb begin : b_shift
    logic [32:0] x;
    logic [7:0] i;
    i = i_q[3*8 +: 8];
    x = '0;
    if (v6) x = i > 8'd33 ? 33'd0 : {e6, 1'b0} >> i[5:0];
    z7 = 32'((x + 33'd1) >> 1);
  end
  always_ff @(posedge clk_i) if (v6) {one7_q, dx7_q} <= {z7[31], z7[23:0]};

  // 11: 2^31 / (1 + z). z = 2^31 is not in the table, but its place is that of 0: twice the one half that is right.
  // The factor of stage 12 waits: 2^-t, or 1 where x >= 0.
  vb_q7 #(.RECIP(1'b1)) u_recip (
    .clk_i, .rst_i, .early_i(v6), .seg_i(z7[30:24]), .valid_i(v_q[6]), .dx_i(dx7_q), .valid_o(v11), .y_o(y11));
  logic [3:0] one_q;  // stages 8..11
  logic [5*32-1:0] e_q;  // stages 7..11
  always_ff @(posedge clk_i) if (v_q != '0) begin
    one_q <= {one_q[2:0], one7_q};
    e_q <= {e_q[4*32-1:0], neg_q[5] ? e6 : 32'h8000_0000};
  end

  // 12: the negative side keeps its relative precision by a product instead of 1 - s
  logic [63:0] n12_q;
  logic signed [8:0] x12_q;
  always_ff @(posedge clk_i) if (v11) begin
    n12_q <= 64'(e_q[4*32 +: 32]) * 64'(y11);
    x12_q <= -9'sd62 - (neg_q[10] ? $signed({1'b0, i_q[8*8 +: 8]}) : 9'sd0) - 9'(one_q[3]);
  end
  vb_norm #(.W(64), .EW(9), .MAG(1'b1)) u_norm (
    .clk_i, .rst_i, .valid_i(v_q[11]), .n_i(n12_q), .neg_i(1'b0), .e_i(x12_q), .valid_o, .z_o(s_o));
endmodule
