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
  localparam int unsigned BANKS = 4,
  localparam int unsigned LGP = $clog2(P)
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
  assign unused_mid = ^{s, s_valid, w_valid, c_here};

  // ---- sum of a beat, then of the token (nobody looks at that of a sigmoid job)
  logic sum_v_q, sum_first_q, sum_last_q;
  logic [1:0] sum_bank_q;
  logic [31+LGP:0] beat_q;
  logic [47:0] acc_q, acc_d;
  logic data;
  logic [P-1:0] add_q;
  assign data = v_q[LAT-1] && !c_max;
  assign acc_d = (sum_first_q ? 48'd0 : acc_q) + 48'(beat_q);
  always_ff @(posedge clk_i) begin
    sum_v_q <= data && !rst_i;
    if (data) begin : b_sum
      logic [31+LGP:0] t;
      t = '0;
      for (int l = 0; l < P; l++) if (add_q[l]) t = t + (32 + LGP)'(lane_w[l*32 +: 32]);
      beat_q <= t;
      sum_first_q <= c_first;
      sum_last_q <= c_last;
      sum_bank_q <= c_bank;
    end
    if (sum_v_q) acc_q <= acc_d;
  end

  // ---- which lanes the sum takes, how many are selected in the lanes before each, and the largest exponent field among the selected (sigmoid):
  // the beat's own a cycle before it is at the end of the lanes
  logic [P-1:0] b_sel, b_here;
  logic [P*32-1:0] b_z;
  logic [P*(LGP+1)-1:0] before_q;
  logic [LGP:0] count_q;
  logic [7:0] beat_top_q;
  assign {b_sel, b_here, b_z} = {ctx_q[LAT-2][P*42 +: P], ctx_q[LAT-2][P*41 +: P], ctx_q[LAT-2][P*32-1:0]};
  always_ff @(posedge clk_i)
    if (v_q[LAT-2]) begin : b_before
      logic [LGP:0] n;
      logic [P*8-1:0] top;
      n = '0;
      top = '0;
      for (int l = 0; l < P; l++) begin
        before_q[l*(LGP+1) +: LGP+1] <= n;
        n = n + (LGP + 1)'(b_sel[l]);
        if (b_sel[l]) top[l*8 +: 8] = b_z[l*32+23 +: 8];
      end
      count_q <= n;
      add_q <= renorm_i ? b_sel : b_here;
      if (sigmoid_i) begin
        for (int h = P / 2; h > 0; h = h / 2)
          for (int l = 0; l < h; l++) if (top[(l+h)*8 +: 8] > top[l*8 +: 8]) top[l*8 +: 8] = top[(l+h)*8 +: 8];
        beat_top_q <= top[7:0];
      end
    end

  // ---- selected lanes to the next free places of the bank. Place p lies in RAM p mod P, so every RAM takes one of a beat at most.
  logic [4:0] fill_q, fill, fill_d;
  logic [7:0] top_q, top_d;
  logic [P-1:0] put;
  logic [P*41-1:0] put_ent;
  logic [P*(6-LGP)-1:0] put_at;
  assign fill = c_first ? 5'd0 : fill_q;
  assign fill_d = fill + 5'(count_q);
  assign top_d = c_first || beat_top_q > top_q ? beat_top_q : top_q;
  always_comb begin : b_compact
    logic [3:0] place;
    place = '0;
    put = '0;
    put_ent = '0;
    put_at = '0;
    if (data && c_sel != '0) begin
      for (int l = 0; l < P; l++) begin
        place = fill[3:0] + 4'(before_q[l*(LGP+1) +: LGP+1]);
        for (int r = 0; r < P; r++)
          if (c_sel[l] && place[LGP-1:0] == LGP'(r)) begin
            put[r] = 1'b1;
            put_ent[r*41 +: 41] = put_ent[r*41 +: 41] | {c_idx[l*9 +: 9], w[l*32 +: 32]};
            put_at[r*(6-LGP) +: 6-LGP] = put_at[r*(6-LGP) +: 6-LGP] | (6 - LGP)'({c_bank, place} >> LGP);
          end
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (data) fill_q <= fill_d;
    if (data && sigmoid_i) top_q <= top_d;
  end

  logic [P*41-1:0] rd, al;
  for (genvar r = 0; r < P; r++) begin : g_ram
    (* ram_style = "distributed" *) logic [40:0] bank_mem [BANKS * K / P];
    always_ff @(posedge clk_i) if (put[r]) bank_mem[put_at[r*(6-LGP) +: 6-LGP]] <= put_ent[r*41 +: 41];
    assign rd[r*41 +: 41] = bank_mem[(6 - LGP)'({rd_bank_i, rd_slot_i} >> LGP)];
    assign al[r*41 +: 41] = bank_mem[(6 - LGP)'({al_bank_i, al_slot_i} >> LGP)];
  end

  logic [BANKS*48-1:0] total_q;
  logic [BANKS*8-1:0] bank_top_q;
  always_ff @(posedge clk_i) begin
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
  assign {rd_id_o, rd_w_o} = rd[rd_slot_i[LGP-1:0]*41 +: 41];
  assign al_w_o = al[al_slot_i[LGP-1:0]*41 +: 32];
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
