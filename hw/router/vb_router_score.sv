// SPDX-License-Identifier: Apache-2.0

// From a beat of logits to what selects and what weighs, LAT cycles later, without a stall:
//
//              selection u                          value v
//   softmax    z                                    z
//   sigmoid    z, or sigmoid(z) + bias when a bias  sigmoid(z)
//              or groups need the score itself
//
// Without bias and groups the sigmoid is ranked by its logits, so that logits whose sigmoids round to one
// value keep their order. The bias row comes before the first logits, through the same port.
module vb_router_score #(
  parameter int unsigned P = 8,
  localparam int unsigned LGP = $clog2(P),
  localparam int unsigned BW = 10 - LGP
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             sigmoid_i,   // job constants
  input  logic             use_bias_i,
  input  logic             scored_i,    // sigmoid, and selected by the score

  input  logic             bias_i,      // with valid_i: a beat of the bias row, which starts in lane 0
  input  logic             valid_i,
  input  logic [P*32-1:0]  z_i,
  input  logic [LGP-1:0]   off_i,       // lane of expert 0 in the row's first beat
  input  logic             last_i,

  output logic             valid_o,
  output logic [BW-1:0]    beat_o,
  output logic [LGP-1:0]   off_o,
  output logic             last_o,
  output logic [P*32-1:0]  u_o,
  output logic [P*32-1:0]  v_o
);
  localparam int unsigned LAT = 20;     // sigmoid 15, bias 5
  localparam int unsigned SIG = 15;
  localparam int unsigned MW = BW + LGP + 1;

  logic logit;
  logic [BW-1:0] beat_q, bias_beat_q;
  assign logit = valid_i && !bias_i;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      beat_q <= '0;
      bias_beat_q <= '0;
    end else begin
      if (logit) beat_q <= last_i ? '0 : beat_q + 1'b1;
      if (valid_i && bias_i) bias_beat_q <= last_i ? '0 : bias_beat_q + 1'b1;
    end
  end

  // ---- what travels beside the lanes. The pipelines move only while they hold something.
  logic [LAT-1:0] v_q;
  logic [LAT*MW-1:0] meta_q;
  logic [P*32-1:0] z_q [LAT];
  logic [P*32-1:0] s_q [LAT - SIG];
  logic [P*32-1:0] s, u;
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? '0 : {v_q[LAT-2:0], logit};
    if (logit || v_q != '0) meta_q <= {meta_q[(LAT-1)*MW-1:0], beat_q, off_i, last_i};
    if (logit) z_q[0] <= z_i;
    for (int i = 1; i < LAT; i++) if (v_q[i-1]) z_q[i] <= z_q[i-1];
    if (v_q[SIG-1]) s_q[0] <= s;
    for (int i = 1; i < LAT - SIG; i++) if (v_q[SIG-1+i]) s_q[i] <= s_q[i-1];
  end
  assign valid_o = v_q[LAT-1];
  assign {beat_o, off_o, last_o} = meta_q[(LAT-1)*MW +: MW];

  // ---- bias: one bank a lane, read for the beat that leaves the sigmoid two cycles later, turned to its lanes
  logic [BW-1:0] at_beat;
  logic [LGP-1:0] at_off, off14_q;
  logic [P*32-1:0] bank_rd, bias_q;
  assign {at_beat, at_off} = meta_q[(SIG-3)*MW + 1 +: MW - 1];
  for (genvar j = 0; j < P; j++) begin : g_bank
    (* no_rw_check *) logic [31:0] bias_mem [1 << BW];
    logic [BW-1:0] at;
    // Expert e lies in bank e mod P; in a row that starts at lane off it is found in lane e + off.
    assign at = at_beat - BW'(32'(at_off) + j >= P);
    always_ff @(posedge clk_i) begin
      if (valid_i && bias_i) bias_mem[bias_beat_q] <= z_i[j*32 +: 32];
      if (use_bias_i && v_q[SIG-3]) bank_rd[j*32 +: 32] <= bias_mem[at];
    end
  end
  always_ff @(posedge clk_i) begin
    if (v_q[SIG-3]) off14_q <= at_off;
    if (v_q[SIG-2]) begin : b_turn
      logic [LGP-1:0] j;
      for (int l = 0; l < P; l++) begin
        j = LGP'(l) - off14_q;
        bias_q[l*32 +: 32] <= use_bias_i ? bank_rd[32'(j)*32 +: 32] : 32'd0;
      end
    end
  end

  // ---- lanes
  logic [P-1:0] s_v, u_v;
  for (genvar l = 0; l < P; l++) begin : g_lane
    vb_sigmoid u_sigmoid (
      .clk_i, .rst_i, .valid_i(logit && sigmoid_i), .z_i(z_i[l*32 +: 32]), .valid_o(s_v[l]), .s_o(s[l*32 +: 32]));
    vb_add u_bias (
      .clk_i, .rst_i, .valid_i(s_v[l] && scored_i), .a_i(s[l*32 +: 32]), .b_i(bias_q[l*32 +: 32]), .valid_o(u_v[l]),
      .z_o(u[l*32 +: 32]));
  end
  assign u_o = scored_i ? u : z_q[LAT-1];
  assign v_o = sigmoid_i ? s_q[LAT-SIG-1] : z_q[LAT-1];

  logic unused_valid;  // the lanes move together
  assign unused_valid = ^{s_v, u_v};
  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_sigmoid: assert (!sigmoid_i || s_v == {P{v_q[SIG-1]}});
      a_bias: assert (!scored_i || u_v == {P{v_q[LAT-1]}});
    end
  end
endmodule
