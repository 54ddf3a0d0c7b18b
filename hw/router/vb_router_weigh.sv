// SPDX-License-Identifier: Apache-2.0

// Last pass over a token: weights of all its logits, their sum, and the selected pairs in ascending
// expert order. The sigmoids are weights already: they wait beside the lanes, and the largest exponent of
// those selected is found instead of the sum. Results go to one of four banks, so that the division of one token overlaps the next
// tokens' passes.
//
// Beats of a token: first one with max_i (the largest logit in lane 0: its score is m, because
// logit -> score is monotone), then its data beats. LAT cycles after the last beat ready_o is high
// for one cycle and the bank is complete.
module vb_router_weigh #(
  parameter int unsigned P = 8,
  localparam int unsigned K = 16,
  localparam int unsigned EW = 42,
  localparam int unsigned BANKS = 4
) (
  input  logic                  clk_i,
  input  logic                  rst_i,
  input  logic                  valid_i,
  input  logic                  max_i,
  input  logic                  first_i,   // first data beat
  input  logic                  last_i,
  input  logic [1:0]            bank_i,
  input  logic [P*32-1:0]       z_i,
  input  logic [P*EW-1:0]       ent_i,     // entries of the lanes, 0 when absent (all 0 with max_i)
  input  logic [P-1:0]          keep_i,    // the lane may be selected
  input  logic [EW-1:0]         kth_i,
  input  logic                  sigmoid_i, // job constant
  input  logic                  renorm_i,  // job constant: sum over the selected experts only

  output logic                  ready_o,
  output logic [1:0]            ready_bank_o,
  output logic                  busy_o,    // something is in the pipeline

  input  logic [1:0]            sum_bank_i, // combinational reads: the sum of one bank,
  output logic [47:0]           sum_o,
  output logic [7:0]            top_o,      // (sigmoid: the largest exponent field)
  input  logic [1:0]            rd_bank_i,  // a pair of another,
  input  logic [3:0]            rd_slot_i,
  output logic [8:0]            rd_id_o,
  output logic [31:0]           rd_w_o,
  input  logic [1:0]            al_bank_i,  // a weight and the largest exponent field of a third
  input  logic [3:0]            al_slot_i,
  output logic [31:0]           al_w_o,
  output logic [7:0]            al_top_o
);
  localparam int unsigned LAT = 10;         // of vb_router_lane
  localparam int unsigned CW = P*32 + P + P + P*9 + 5;

  // ---- what travels beside the lanes
  logic [P-1:0] sel, here;
  logic [P*9-1:0] idx;
  for (genvar l = 0; l < P; l++) begin : g_sel
    assign here[l] = ent_i[l*EW + EW-1];
    assign sel[l] = here[l] && keep_i[l] && ent_i[l*EW +: EW] >= kth_i;
    assign idx[l*9 +: 9] = ~ent_i[l*EW +: 9];
  end

  logic [CW-1:0] ctx_q [LAT];
  logic [LAT-1:0] v_q;
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? '0 : {v_q[LAT-2:0], valid_i};
    if (valid_i) ctx_q[0] <= {max_i, first_i, last_i, bank_i, sel, here, idx, sigmoid_i ? z_i : '0};
    for (int s = 1; s < LAT; s++) if (v_q[s-1]) ctx_q[s] <= ctx_q[s-1];
  end

  logic c_max, c_first, c_last, unused_mid;
  logic [1:0] c_bank;
  logic [P-1:0] c_sel, c_here;
  logic [P*9-1:0] c_idx;
  logic [P*32-1:0] c_z;
  assign {c_max, c_first, c_last, c_bank, c_sel, c_here, c_idx, c_z} = ctx_q[LAT-1];

  // ---- lanes; lane 0 of a max beat delivers m one cycle before the first data beat needs it
  logic [P-1:0] s_valid, w_valid;
  logic [P*32-1:0] s, lane_w, w;
  logic signed [31:0] m_q;
  for (genvar l = 0; l < P; l++) begin : g_lane
    vb_router_lane u_lane (
      .clk_i, .rst_i, .valid_i(valid_i && !sigmoid_i && (here[l] || (max_i && l == 0))), .z_i(z_i[l*32 +: 32]),
      .s_valid_o(s_valid[l]), .s_o(s[l*32 +: 32]), .m_i(m_q), .valid_o(w_valid[l]), .w_o(lane_w[l*32 +: 32]));
  end
  always_ff @(posedge clk_i) if (s_valid[0] && ctx_q[4][CW-1]) m_q <= $signed(s[31:0]);
  assign w = sigmoid_i ? c_z : lane_w;
  assign unused_mid = ^{s, s_valid, w_valid};

  // ---- sum of a beat, then of the token
  logic sum_v_q, sum_first_q, sum_last_q;
  logic [1:0] sum_bank_q;
  logic [47:0] beat_q, acc_q, acc_d;
  logic data;
  assign data = v_q[LAT-1] && !c_max;
  assign acc_d = (sum_first_q ? 48'd0 : acc_q) + beat_q;
  always_ff @(posedge clk_i) begin
    sum_v_q <= data && !rst_i;
    if (data) begin : b_sum
      logic [47:0] t;
      t = '0;
      for (int l = 0; l < P; l++) if (renorm_i ? c_sel[l] : c_here[l]) t = t + 48'(w[l*32 +: 32]);
      beat_q <= t;
      sum_first_q <= c_first;
      sum_last_q <= c_last;
      sum_bank_q <= c_bank;
    end
    if (sum_v_q) acc_q <= acc_d;
  end

  // ---- selected lanes to the next free places of the bank
  logic [4:0] fill_q, fill_d;
  logic [7:0] top_q, top_d;     // largest exponent field among the selected (sigmoid)
  logic [K-1:0] put;
  logic [K*41-1:0] put_ent;
  always_comb begin : b_compact
    logic [4:0] pos;
    pos = c_first ? 5'd0 : fill_q;
    top_d = c_first ? 8'd0 : top_q;
    put = '0;
    put_ent = '0;
    if (data && c_sel != '0) begin
      for (int l = 0; l < P; l++) begin
        if (c_sel[l]) begin
          for (int k = 0; k < K; k++) begin
            if (pos == 5'(k)) begin
              put[k] = 1'b1;
              put_ent[k*41 +: 41] = {c_idx[l*9 +: 9], w[l*32 +: 32]};
            end
          end
          pos = pos + 5'd1;
          if (w[l*32+23 +: 8] > top_d) top_d = w[l*32+23 +: 8];
        end
      end
    end
    fill_d = pos;
  end
  always_ff @(posedge clk_i) begin
    if (data) fill_q <= fill_d;
    if (data && sigmoid_i) top_q <= top_d;
  end

  logic [BANKS*K*41-1:0] bank_q;
  logic [BANKS*48-1:0] total_q;
  logic [BANKS*8-1:0] bank_top_q;
  // One block under one condition: most cycles select nothing.
  always_ff @(posedge clk_i) begin
    if (put != '0) begin
      for (int b = 0; b < BANKS; b++)
        if (c_bank == 2'(b))
          for (int k = 0; k < K; k++)
            if (put[k]) bank_q[(b*K + k)*41 +: 41] <= put_ent[k*41 +: 41];
    end
    for (int b = 0; b < BANKS; b++) begin
      if (data && c_last && sigmoid_i && c_bank == 2'(b)) bank_top_q[b*8 +: 8] <= top_d;
      if (sum_v_q && sum_last_q && sum_bank_q == 2'(b)) total_q[b*48 +: 48] <= acc_d;
    end
  end
  always_ff @(posedge clk_i) begin
    ready_o <= sum_v_q && sum_last_q && !rst_i;
    ready_bank_o <= sum_bank_q;
  end
  assign busy_o = v_q != '0 || sum_v_q || ready_o;
  assign {rd_id_o, rd_w_o} = bank_q[{rd_bank_i, rd_slot_i}*41 +: 41];
  assign al_w_o = bank_q[{al_bank_i, al_slot_i}*41 +: 32];
  assign al_top_o = bank_top_q[al_bank_i*8 +: 8];
  assign top_o = bank_top_q[sum_bank_i*8 +: 8];
  assign sum_o = total_q[sum_bank_i*48 +: 48];

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_places: assert (!data || fill_d <= 5'd16);
      a_lanes_agree: assert (v_q[LAT-1] || w_valid == '0);
    end
  end
endmodule
