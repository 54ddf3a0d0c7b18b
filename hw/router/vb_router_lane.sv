// SPDX-License-Identifier: Apache-2.0

// One lane of the softmax: logit -> score S (Q15.16, base-2 units) -> weight w = 2^(S - m), 32 bits.
//
//   z ─► x log2e ─► NORM (3) ─► Q15.16 ─► S   m ─► m - S ─► EXP2_24 (3) ─► SHR_RHU ─► w
//   0    1          4           5         └────────►6        9              10
//
// The maximum m of the token enters in cycle 5 (from a register that the first beat of the token has
// just loaded, see vb_router_weigh), so the lane itself knows nothing about tokens.
module vb_router_lane (
  input  logic               clk_i,
  input  logic               rst_i,
  input  logic               valid_i,   // cycle 0
  input  logic [31:0]        z_i,       // F32Z
  output logic               s_valid_o, // cycle 5
  output logic signed [31:0] s_o,       // for the maximum only
  input  logic signed [31:0] m_i,       // cycle 5: m >= S
  output logic               valid_o,   // cycle 10
  output logic [31:0]        w_o
);
  // 1: exact product of the 24-bit mantissas; log2e = 0xb8aa3b * 2^-23, exponent field 127. Zero stays far below the
  // smallest value of NORM, so it needs no care.
  logic v1_q, neg1_q;
  logic [47:0] p1_q;
  logic signed [9:0] e1_q;
  always_ff @(posedge clk_i) begin
    v1_q <= valid_i && !rst_i;
    if (valid_i) begin
      p1_q <= 48'({1'b1, z_i[22:0]}) * 48'hb8_aa3b;
      neg1_q <= z_i[31];
      e1_q <= $signed({2'b00, z_i[30:23]}) - 10'sd173;
    end
  end

  logic v4;
  logic [31:0] z4;
  vb_norm #(.W(48), .EW(10), .MAG(1'b1)) u_norm (
    .clk_i, .rst_i, .valid_i(v1_q), .n_i(p1_q), .neg_i(neg1_q), .e_i(e1_q), .valid_o(v4), .z_o(z4));

  // 5: Q15.16, round half to even, saturated: z4 = MAN * 2^(EXPB - 150). What the rounding needs is found beside the
  // shift; what it adds joins the subtraction of stage 6: S = s5 + c5.
  logic v5_q, c5_q;
  logic [31:0] s5_q;
  always_ff @(posedge clk_i) begin
    v5_q <= v4 && !rst_i;
    if (v4) begin : b_q16
      logic [7:0] ex;
      logic [4:0] s;
      logic [31:0] x, mag;
      logic [23:0] man;
      logic sticky, up;
      ex = z4[30:23];
      man = {1'b1, z4[22:0]};
      s = 5'(8'd141 - ex);
      x = {1'b0, man, 7'd0} >> s;
      // bit i of the mantissa is worth 2^(i + 7 - s): the half is 2^-1
      sticky = 1'b0;
      up = 1'b0;
      for (int i = 0; i < 24; i++) begin
        if (man[i] && 6'(i) + 6'd8 < {1'b0, s}) sticky = 1'b1;
        if (man[i] && 6'(i) + 6'd8 == {1'b0, s}) up = 1'b1;
      end
      up = up && (sticky || x[0]);
      mag = x;
      if (ex >= 8'd142) mag = 32'h7fff_ffff;
      else if (ex < 8'd110) mag = 32'd0;   // below one half, and the half itself rounds to 0
      if (ex >= 8'd142 || ex < 8'd110) up = 1'b0;
      s5_q <= mag ^ {32{z4[31]}};
      c5_q <= z4[31] != up;
    end
  end
  assign s_valid_o = v5_q;
  assign s_o = $signed(s5_q + 32'(c5_q));

  // 6: distance from the maximum, below 2^32
  logic v6_q;
  logic [31:0] d6_q;
  always_ff @(posedge clk_i) begin
    v6_q <= v5_q && !rst_i;
    if (v5_q) d6_q <= $unsigned(m_i) + ~s5_q + 32'(!c5_q);
  end

  logic v9;
  logic [23:0] t9;
  vb_exp2 u_exp2 (.clk_i, .rst_i, .valid_i(v6_q), .f_i(d6_q[15:0]), .valid_o(v9), .y_o(t9));

  logic v7_q, v8_q;
  logic [5:0] i7_q, i8_q, i9_q;  // shifts above 32 give 0, so 33 stands for all of them
  always_ff @(posedge clk_i) begin
    v7_q <= v6_q && !rst_i;
    v8_q <= v7_q && !rst_i;
    if (v6_q) i7_q <= d6_q[31:16] > 16'd32 ? 6'd33 : d6_q[21:16];
    if (v7_q) i8_q <= i7_q;
    if (v8_q) i9_q <= i8_q;
  end

  // 10: round half up
  always_ff @(posedge clk_i) begin
    valid_o <= v9 && !rst_i;
    if (v9) begin : b_shr
      logic [63:0] x;
      x = {31'd0, t9, 9'd0} >> i9_q;  // one bit below the unit
      w_o <= 32'((x + 64'd1) >> 1);
    end
  end
endmodule
