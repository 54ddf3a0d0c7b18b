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

  // 1: |x| * log2(e) as an exact 63-bit product
  logic [62:0] p1_q;
  logic [7:0] ex1_q;
  always_ff @(posedge clk_i) if (valid_i) begin
    p1_q <= z_i[30:0] == '0 ? 63'd0 : 63'({1'b1, z_i[22:0]}) * 63'd396564993198;
    ex1_q <= z_i[30:23];
  end

  // 2: in Q.31, half up, capped at 128 octaves. The product's top bit is 61 or 62: a shift below 24 is above the cap.
  logic [38:0] t2_q;
  always_ff @(posedge clk_i) if (v_q[0]) begin : b_t
    logic [63:0] x;
    logic [6:0] s;
    logic [39:0] r;
    s = 7'(8'd157 - ex1_q);
    x = {p1_q, 1'b0} >> s;  // one bit below the unit; used with s in 24..92 only
    r = 40'((x + 64'd1) >> 1);
    if (p1_q == '0) t2_q <= 39'd0;
    else if (ex1_q > 8'd133 || r[39:38] != 2'b00) t2_q <= {1'b1, 38'd0};
    else t2_q <= r[38:0];
  end

  // 6: 2^-frac in Q.31; the octaves 0..128 wait
  logic v6, v11;
  logic [31:0] e6, y11;
  vb_q7 #(.RECIP(1'b0)) u_exp2 (.clk_i, .rst_i, .valid_i(v_q[1]), .f_i(t2_q[30:0]), .valid_o(v6), .y_o(e6));
  logic [9*8-1:0] i_q;  // of stages 3..11, newest first
  always_ff @(posedge clk_i) if (v_q != '0) i_q <= {i_q[8*8-1:0], t2_q[38:31]};

  // 7: z = 2^-t in Q.31, half up
  logic [31:0] z7_q;
  always_ff @(posedge clk_i) if (v6) begin : b_shift
    logic [32:0] x;
    logic [7:0] i;
    i = i_q[3*8 +: 8];
    x = i > 8'd33 ? 33'd0 : {e6, 1'b0} >> i[5:0];
    z7_q <= 32'((x + 33'd1) >> 1);
  end

  // 11: 2^31 / (1 + z); z = 2^31 is not in the table: exactly one half
  vb_q7 #(.RECIP(1'b1)) u_recip (.clk_i, .rst_i, .valid_i(v_q[6]), .f_i(z7_q[30:0]), .valid_o(v11), .y_o(y11));
  logic [3:0] one_q;  // stages 8..11
  logic [5*32-1:0] e_q;  // stages 7..11
  always_ff @(posedge clk_i) if (v_q != '0) begin
    one_q <= {one_q[2:0], z7_q[31]};
    e_q <= {e_q[4*32-1:0], e6};
  end

  // 12: the negative side keeps its relative precision by a product instead of 1 - s
  logic signed [63:0] n12_q;
  logic signed [8:0] x12_q;
  always_ff @(posedge clk_i) if (v11) begin : b_side
    logic [31:0] y;
    y = one_q[3] ? 32'h4000_0000 : y11;
    n12_q <= $signed(neg_q[10] ? 64'(e_q[4*32 +: 32]) * 64'(y) : 64'(y));
    x12_q <= neg_q[10] ? -9'sd62 - $signed({1'b0, i_q[8*8 +: 8]}) : -9'sd31;
  end
  vb_norm #(.W(64), .EW(9)) u_norm (
    .clk_i, .rst_i, .valid_i(v_q[11]), .n_i(n12_q), .neg_i(1'b0), .e_i(x12_q), .valid_o, .z_o(s_o));
endmodule
