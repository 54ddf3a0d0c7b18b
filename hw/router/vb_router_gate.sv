// SPDX-License-Identifier: Apache-2.0

// Gate weights of one token after another: sum L -> reciprocal r, then its k weights, one a cycle.
//
//   L ─► vb_unorm (2) ─► vb_recip (16) ─► r, le (held)
//   w ─► NORM (3), or a sigmoid as it is ─► MAN * r (1) ─► NORM (3) ─► * scale (1) ─► NORM (3) ─► gate
//
// Between the last two multiplications the gate is compared with the threshold. The division of token t + 1 runs while token t's weights are issued. Issue starts only when the
// output has room for a whole token (room_i): behind that point nothing can stall.
module vb_router_gate (
  input  logic         clk_i,
  input  logic         rst_i,
  input  logic [4:0]   k_i,         // job constants
  input  logic [31:0]  scale_i,
  input  logic [31:0]  threshold_i, // for the gate before the scale
  input  logic         sigmoid_i,   // weights are F32Z
  input  logic         renorm_i,    // sigmoid: 1 divide by the sum (aligned to the exponent div_top_i), 0 leave them
  input  logic         bank_full_i, // a complete bank waits: the next in turn

  output logic [1:0]   div_bank_o,  // bank whose sum is wanted in the next cycle
  input  logic [47:0]  div_sum_i,
  input  logic [7:0]   div_top_i,   // largest exponent field among the token's weights (sigmoid)
  output logic         div_take_o,  // the division of div_sum_i starts
  output logic [1:0]   w_bank_o,    // bank and place whose weight is read
  output logic [3:0]   w_slot_o,
  input  logic [8:0]   w_id_i,
  input  logic [31:0]  w_i,
  output logic         release_o,   // the bank w_bank_o is free again
  input  logic         room_i,

  output logic         issue_o,     // a weight enters
  output logic         blocked_o,   // a token waits for room_i only
  output logic         busy_o,      // a division or a weight is under way
  output logic         early_o,     // two cycles before valid_o: the expert, and that the gate is below the threshold
  output logic [8:0]   early_id_o,
  output logic         early_below_o,
  output logic         valid_o,
  output logic [8:0]   id_o,
  output logic [31:0]  gate_o
);
  // ---- division: 0 idle, 1 normalising, 2 dividing, 3 result waits for the issue stage
  localparam logic [1:0] Idle = 2'd0, Unorm = 2'd1, Divide = 2'd2, Hold = 2'd3;
  logic [1:0] div_q, div_bank_q;
  logic un_v, rc_done, hand;
  logic [31:0] u, r;
  logic signed [6:0] le;

  assign div_bank_o = div_bank_q + 2'(hand);
  assign div_take_o = div_q == Idle && bank_full_i;
  vb_unorm u_unorm (.clk_i, .rst_i, .valid_i(div_take_o), .n_i({16'd0, div_sum_i}), .valid_o(un_v), .u_o(u), .e_o(le));
  vb_recip #(.BITS(2)) u_recip (.clk_i, .rst_i, .start_i(un_v), .u_i(u), .done_o(rc_done), .r_o(r));

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      div_q <= Idle;
      div_bank_q <= 2'd0;
    end else begin
      case (div_q)
        Idle: if (bank_full_i) div_q <= Unorm;
        Unorm: if (un_v) div_q <= Divide;
        Divide: if (rc_done) div_q <= Hold;
        default: if (hand) div_q <= Idle;
      endcase
      div_bank_q <= div_bank_o;
    end
  end

  // ---- issue of k weights with the token's own r and le
  logic go_q, last_w;
  logic [3:0] slot_q;
  logic [1:0] bank_q;
  logic [31:0] r_q;
  logic signed [9:0] ex_q, ex_d;  // of a weight of value 1 after the product with r, less its exponent field
  always_comb begin
    if (!sigmoid_i) ex_d = -10'sd213 - 10'(le);
    else if (renorm_i) ex_d = -10'sd55 - $signed({2'b00, div_top_i}) - 10'(le);
    else ex_d = -10'sd181;         // r = 2^31: the product is the weight
  end
  assign last_w = 5'(slot_q) + 5'd1 == k_i;
  assign hand = div_q == Hold && (!go_q || last_w) && room_i;
  assign blocked_o = div_q == Hold && !go_q && !room_i;
  assign issue_o = go_q;
  assign release_o = go_q && last_w;
  assign w_bank_o = bank_q;
  assign w_slot_o = slot_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) go_q <= 1'b0;
    else if (hand) go_q <= 1'b1;
    else if (last_w) go_q <= 1'b0;
    if (hand) begin
      r_q <= sigmoid_i && !renorm_i ? 32'h8000_0000 : r;
      ex_q <= ex_d;
      bank_q <= div_bank_q;
      slot_q <= 4'd0;
    end else if (go_q) slot_q <= slot_q + 4'd1;
  end

  // ---- weight pipeline. r and exponent of the token travel to where they are used (3 cycles).
  localparam int unsigned LAT = 11;
  logic [LAT-1:0] v_q;
  logic [LAT*9-1:0] id_q;
  logic [3*42-1:0] rx_q;
  logic [3*32-1:0] w_q;
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? '0 : {v_q[LAT-2:0], go_q};
    if (go_q || v_q != '0) begin
      id_q <= {id_q[(LAT-1)*9-1:0], w_id_i};
      rx_q <= {rx_q[2*42-1:0], ex_q, r_q};
      if (sigmoid_i) w_q <= {w_q[2*32-1:0], w_i};
    end
  end

  logic v3, v7;
  logic [31:0] norm3, n3, n7;
  vb_norm #(.W(32), .EW(8), .MAG(1'b1)) u_norm_w (
    .clk_i, .rst_i, .valid_i(go_q), .n_i(w_i), .neg_i(1'b0), .e_i(8'sd0), .valid_o(v3), .z_o(norm3));
  assign n3 = sigmoid_i ? w_q[2*32 +: 32] : norm3;

  logic unused_sign;  // of a weight: positive
  assign unused_sign = n3[31];

  // A zero has its place in the exponent, far below the smallest value: the product need not wait for the comparison.
  logic v4_q;
  logic [55:0] p4_q;
  logic signed [9:0] e4_q;
  always_ff @(posedge clk_i) begin
    v4_q <= v3 && !rst_i;
    if (v3) begin
      p4_q <= 56'({1'b1, n3[22:0]}) * 56'(rx_q[2*42 +: 32]);
      e4_q <= n3[30:23] == '0 ? -10'sd400 : $signed({2'b00, n3[30:23]}) + $signed(rx_q[2*42+32 +: 10]);
    end
  end
  vb_norm #(.W(56), .EW(10), .MAG(1'b1)) u_norm_q (
    .clk_i, .rst_i, .valid_i(v4_q), .n_i(p4_q), .neg_i(1'b0), .e_i(e4_q), .valid_o(v7), .z_o(n7));

  // Neither is negative, so they compare as integers.
  logic [1:0] below_q;
  always_ff @(posedge clk_i) if (v_q[8:6] != '0) below_q <= {below_q[0], n7 < threshold_i};
  assign early_o = v_q[LAT-3];
  assign early_id_o = id_q[(LAT-3)*9 +: 9];
  assign early_below_o = below_q[1];

  logic v8_q;
  logic [47:0] p8_q;
  logic signed [9:0] e8_q;
  always_ff @(posedge clk_i) begin
    v8_q <= v7 && !rst_i;
    if (v7) begin
      p8_q <= 48'({1'b1, n7[22:0]}) * 48'({1'b1, scale_i[22:0]});
      e8_q <= n7[30:23] == '0 || scale_i == '0 ? -10'sd400 : $signed({2'b00, n7[30:23]}) + $signed({2'b00, scale_i[30:23]}) - 10'sd300;
    end
  end
  vb_norm #(.W(48), .EW(10), .MAG(1'b1)) u_norm_s (
    .clk_i, .rst_i, .valid_i(v8_q), .n_i(p8_q), .neg_i(scale_i[31]), .e_i(e8_q), .valid_o(valid_o), .z_o(gate_o));

  assign id_o = id_q[(LAT-1)*9 +: 9];
  assign busy_o = div_q == Unorm || div_q == Divide || go_q || v_q != '0;

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_latency: assert (valid_o == v_q[LAT-1]);
      a_gate_positive: assert (!v7 || !n7[31]);
    end
  end
endmodule
