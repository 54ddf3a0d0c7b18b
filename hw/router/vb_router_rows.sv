// SPDX-License-Identifier: Apache-2.0

// Scores and token buffer. Beats of one row of logits arrive as they lie in memory (the row may start at any
// lane of its first beat), become scores, and lie in one of 8 places for three passes:
//
//   beats ─► score ─┬─► place 0..7 ───────────┬───────────────────┐
//                   └─► rank ─► keep, max     └─► topk ─► kth      └─► beats for vb_router_weigh: max, data 0, ...
//                   pass 1: groups               pass 2: experts      pass 3: weights
//
// Each pass has a token of its own: a cycle a beat, one more in pass 2 and two in pass 3. 8 places cover the
// latencies between the passes for rows of any length. Nothing depends on values.
module vb_router_rows #(
  parameter int unsigned P = 8,              // logits in a beat
  localparam int unsigned EW = 42,
  localparam int unsigned LGP = $clog2(P),
  localparam int unsigned BW = 10 - LGP      // beats of a row: 512 logits and a ragged start fit
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic [9:0]       experts_i,        // job constants
  input  logic [4:0]       k_i,
  input  logic             sigmoid_i,
  input  logic             use_bias_i,
  input  logic [3:0]       groups_i,         // 0: none
  input  logic [3:0]       topk_groups_i,
  input  logic             sum_two_i,
  input  logic [9:0]       group_size_i,

  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [P*32-1:0]  in_data_i,
  input  logic             in_bias_i,        // a beat of the bias row
  input  logic [LGP-1:0]   in_off_i,         // lane of expert 0 in the row's first beat
  input  logic             in_last_i,

  input  logic             bank_free_i,      // vb_router_weigh can take one more token
  output logic             start_o,          // a token enters the last pass
  output logic             issue_o,          // a beat of the last pass is read
  output logic             busy_o,

  output logic             w_valid_o,
  output logic             w_max_o,
  output logic             w_first_o,
  output logic             w_last_o,
  output logic [1:0]       w_bank_o,
  output logic [P*32-1:0]  w_z_o,            // logits, or sigmoids
  output logic [P*EW-1:0]  w_ent_o,
  output logic [P-1:0]     w_keep_o,         // the lane's expert is in a group that stayed
  output logic [EW-1:0]    w_kth_o
);
  localparam int unsigned G = 8;
  localparam int unsigned N = 8;             // places
  localparam int unsigned LGN = $clog2(N);
  localparam int unsigned GAP = 16;          // see vb_router_rank

  // Entry of one lane: {present, ordered key, ~index}; see vb_router_topk.
  function automatic logic [EW-1:0] entry(input logic here, input logic [31:0] u, input logic [8:0] idx);
    logic [31:0] key;
    key = u[31] ? ~u : {1'b1, u[30:0]};
    entry = here ? {1'b1, key, ~idx} : '0;
  endfunction

  // ---- first expert of every group; groups that do not exist start behind the last expert
  logic [G*10-1:0] bound_q;
  always_ff @(posedge clk_i)
    for (int g = 0; g < G; g++)
      bound_q[g*10 +: 10] <= g == 0 ? 10'd0 : g < 32'(groups_i) ? 10'(32'(group_size_i) * g) : 10'd512;
  // Group of an expert, one-hot; 0 when there is no such expert.
  function automatic logic [G-1:0] group_of(input logic [10:0] idx, input logic [9:0] experts, input logic [G*10-1:0] bound);
    logic [G-1:0] from;
    for (int g = 0; g < G; g++) from[g] = idx < {1'b0, experts} && idx[9:0] >= bound[g*10 +: 10];
    group_of = from & ~{1'b0, from[G-1:1]};
  endfunction
  // What lies beside a logit in the buffer: {present, number of the group}. Later passes need not look for it.
  function automatic logic [3:0] tag_of(input logic [G-1:0] group);
    tag_of = {group != '0, 3'd0};
    for (int g = 0; g < G; g++) if (group[g]) tag_of[2:0] = tag_of[2:0] | 3'(g);
  endfunction

  // ---- entry: a place must be free for the row, and rows end GAP cycles apart
  logic [LGN:0] inside_q;      // whole rows that came and did not leave
  logic [4:0] gap_q;
  logic accept, row_end, rd_end;
  logic full_q, near_q;        // inside_q is N; gap_q is not 0
  assign in_ready_o = in_bias_i || (!full_q && !(in_last_i && near_q));
  assign accept = in_valid_i && in_ready_o;
  assign row_end = accept && in_last_i && !in_bias_i;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      inside_q <= '0;
      gap_q <= '0;
      full_q <= 1'b0;
      near_q <= 1'b0;
    end else begin
      inside_q <= inside_q + (LGN + 1)'(row_end) - (LGN + 1)'(rd_end);
      if (row_end != rd_end) full_q <= row_end && inside_q == (LGN + 1)'(N - 1);
      near_q <= row_end || gap_q > 5'd1;
      if (row_end) gap_q <= 5'(GAP - 1);
      else if (gap_q != '0) gap_q <= gap_q - 5'd1;
    end
  end

  // The beat comes from a block RAM, so it rests once before the scores.
  logic i_v_q, i_bias_q, i_last_q;
  logic [LGP-1:0] i_off_q;
  logic [P*32-1:0] i_data_q;
  always_ff @(posedge clk_i) begin
    i_v_q <= accept && !rst_i;
    if (accept) begin
      i_bias_q <= in_bias_i;
      i_last_q <= in_last_i;
      i_off_q <= in_off_i;
      i_data_q <= in_data_i;
    end
  end

  logic s_v, s_last;
  logic [BW-1:0] s_beat;
  logic [LGP-1:0] s_off;
  logic [P*32-1:0] s_u, s_v_data;
  vb_router_score #(.P(P)) u_score (
    .clk_i, .rst_i, .sigmoid_i, .use_bias_i, .scored_i(sigmoid_i && (use_bias_i || groups_i != '0)),
    .bias_i(i_bias_q), .valid_i(i_v_q), .z_i(i_data_q), .off_i(i_off_q), .last_i(i_last_q),
    .valid_o(s_v), .beat_o(s_beat), .off_o(s_off), .last_o(s_last), .u_o(s_u), .v_o(s_v_data));

  // ---- pass 1: into the place and to the ranking of groups
  logic [LGN-1:0] wr_row_q;
  logic r_v_q, r_first_q, r_last_q;
  logic [P*32-1:0] r_key_q;
  logic [P*G-1:0] r_group_q;
  // One copy a reading pass, {tags, logits}; a place is never written while it is read.
  (* no_rw_check *) logic [P*36-1:0] u2_mem [N << BW];
  (* no_rw_check *) logic [P*36-1:0] u3_mem [N << BW];
  (* no_rw_check *) logic [P*32-1:0] v3_mem [N << BW];
  logic [P*4-1:0] s_tag;
  logic [P*G-1:0] s_group;
  logic [N*BW-1:0] beats_q;    // index of the row's last beat
  logic [N*LGP-1:0] off_q;
  always_comb begin : b_group
    s_group = '0;
    s_tag = '0;
    if (s_v)
      for (int l = 0; l < P; l++) begin
        s_group[l*G +: G] = group_of({1'b0, s_beat, LGP'(l)} - 11'(s_off), experts_i, bound_q);
        s_tag[l*4 +: 4] = tag_of(s_group[l*G +: G]);
      end
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) wr_row_q <= '0;
    else if (s_v && s_last) wr_row_q <= wr_row_q + 1'b1;
    r_v_q <= s_v && !rst_i;
    if (s_v) begin
      u2_mem[{wr_row_q, s_beat}] <= {s_tag, s_u};
      u3_mem[{wr_row_q, s_beat}] <= {s_tag, s_u};
      v3_mem[{wr_row_q, s_beat}] <= s_v_data;
      r_first_q <= s_beat == '0;
      r_last_q <= s_last;
      for (int l = 0; l < P; l++)
        r_key_q[l*32 +: 32] <= !s_tag[l*4+3] ? '0 : s_u[l*32+31] ? ~s_u[l*32 +: 32] : {1'b1, s_u[l*32 +: 31]};
      r_group_q <= s_group;
    end
    if (s_v && s_last) begin
      // A loop over constant places is a decoder; a variable place on the left would be a barrel shifter as wide as the register.
      for (int i = 0; i < N; i++) if (wr_row_q == LGN'(i)) begin
        beats_q[i*BW +: BW] <= s_beat;
        off_q[i*LGP +: LGP] <= s_off;
      end
    end
  end

  logic rank_done;
  logic [G-1:0] rank_keep;
  logic [31:0] rank_max;
  logic [LGN-1:0] rank_row_q;
  logic [N*G-1:0] keep_q;
  logic [N*32-1:0] max_q;
  vb_router_rank #(.P(P)) u_rank (
    .clk_i, .rst_i, .sum_two_i, .topk_groups_i(groups_i == '0 ? 4'd8 : topk_groups_i), .valid_i(r_v_q),
    .first_i(r_first_q), .last_i(r_last_q), .key_i(r_key_q), .group_i(r_group_q), .done_o(rank_done),
    .keep_o(rank_keep), .max_o(rank_max));

  // ---- pass 2: the k-th entry among the experts of the groups that stayed
  logic [LGN:0] ranked_q, known_q;  // rows that wait for pass 2, for pass 3
  logic [LGN-1:0] row2_q;
  logic rd2_q, rd2_start, rd2_end, x2_v_q, x2_last_q, e2_v_q, e2_first_q, e2_last_q;
  logic [BW-1:0] beat2_q, x2_beat_q;
  logic [P*36-1:0] u2_rd;
  logic [G-1:0] x2_keep_q;
  logic [LGP-1:0] x2_off_q;
  logic [P*EW-1:0] e2_q;
  assign rd2_start = !rd2_q && ranked_q != '0;
  assign rd2_end = rd2_q && beat2_q == beats_q[row2_q*BW +: BW];
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      rank_row_q <= '0;
      ranked_q <= '0;
      row2_q <= '0;
      rd2_q <= 1'b0;
    end else begin
      if (rank_done) rank_row_q <= rank_row_q + 1'b1;
      ranked_q <= ranked_q + (LGN + 1)'(rank_done) - (LGN + 1)'(rd2_start);
      if (rd2_start) rd2_q <= 1'b1;
      else if (rd2_end) rd2_q <= 1'b0;
      if (rd2_end) row2_q <= row2_q + 1'b1;
    end
    if (rank_done) begin
      for (int i = 0; i < N; i++) if (rank_row_q == LGN'(i)) begin
        keep_q[i*G +: G] <= rank_keep;
        max_q[i*32 +: 32] <= rank_max;
      end
    end
    if (rd2_start) beat2_q <= '0;
    else if (rd2_q) beat2_q <= beat2_q + 1'b1;
    x2_v_q <= rd2_q && !rst_i;
    if (rd2_q) begin
      u2_rd <= u2_mem[{row2_q, beat2_q}];
      x2_keep_q <= keep_q[row2_q*G +: G];
      x2_off_q <= off_q[row2_q*LGP +: LGP];
      x2_beat_q <= beat2_q;
      x2_last_q <= rd2_end;
    end
  end
  always_ff @(posedge clk_i) begin
    e2_v_q <= x2_v_q && !rst_i;
    if (x2_v_q) begin
      e2_first_q <= x2_beat_q == '0;
      e2_last_q <= x2_last_q;
      for (int l = 0; l < P; l++)
        e2_q[l*EW +: EW] <= entry(u2_rd[P*32+l*4+3] && x2_keep_q[u2_rd[P*32+l*4 +: 3]], u2_rd[l*32 +: 32],
                                  9'({x2_beat_q, LGP'(l)} - 10'(x2_off_q)));
    end
  end

  logic top_done, rd_start;
  logic [EW-1:0] top_kth;
  logic [LGN-1:0] top_row_q, rd_row_q;
  logic [N*EW-1:0] kth_q;
  vb_router_topk #(.P(P)) u_topk (
    .clk_i, .rst_i, .valid_i(e2_v_q), .first_i(e2_first_q), .last_i(e2_last_q), .ent_i(e2_q), .k_i,
    .done_o(top_done), .kth_o(top_kth));
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      top_row_q <= '0;
      known_q <= '0;
    end else begin
      if (top_done) top_row_q <= top_row_q + 1'b1;
      known_q <= known_q + (LGN + 1)'(top_done) - (LGN + 1)'(rd_start);
    end
    if (top_done)
      for (int i = 0; i < N; i++) if (top_row_q == LGN'(i)) kth_q[i*EW +: EW] <= top_kth;
  end

  // ---- pass 3. Counter 0 is the max beat, n > 0 reads data beat n - 1.
  logic rd_q;
  logic [BW:0] cnt_q;
  logic [1:0] bank_q;
  logic [BW-1:0] last_q, rd_beat;
  logic [EW-1:0] b_kth_q;
  logic [31:0] b_max_q;
  logic [G-1:0] b_keep_q;
  logic [LGP-1:0] b_off_q;
  assign rd_start = !rd_q && known_q != '0 && bank_free_i;
  assign rd_end = rd_q && cnt_q == {1'b0, last_q} + 1'b1;
  assign rd_beat = BW'(cnt_q - 1'b1);
  assign start_o = rd_start;
  assign issue_o = rd_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      rd_q <= 1'b0;
      rd_row_q <= '0;
      bank_q <= 2'd0;
    end else begin
      if (rd_start) rd_q <= 1'b1;
      else if (rd_end) rd_q <= 1'b0;
      if (rd_end) rd_row_q <= rd_row_q + 1'b1;
      if (rd_end) bank_q <= bank_q + 2'd1;
    end
    if (rd_start) begin
      cnt_q <= '0;
      last_q <= beats_q[rd_row_q*BW +: BW];
      b_kth_q <= kth_q[rd_row_q*EW +: EW];
      b_max_q <= max_q[rd_row_q*32 +: 32];
      b_keep_q <= keep_q[rd_row_q*G +: G];
      b_off_q <= off_q[rd_row_q*LGP +: LGP];
    end else if (rd_q) cnt_q <= cnt_q + 1'b1;
  end

  logic [P*36-1:0] u3_rd;
  logic [P*32-1:0] v3_rd;
  always_ff @(posedge clk_i) begin
    if (rd_q && cnt_q != '0) begin
      u3_rd <= u3_mem[{rd_row_q, rd_beat}];
      v3_rd <= v3_mem[{rd_row_q, rd_beat}];
    end
  end

  // ---- the beat read, one cycle later
  logic x_v_q, x_max_q, x_first_q, x_last_q;
  logic [1:0] x_bank_q;
  logic [BW-1:0] x_beat_q;
  logic [EW-1:0] x_kth_q;
  logic [31:0] x_key_q;
  logic [G-1:0] x_keep_q;
  logic [LGP-1:0] x_off_q;
  always_ff @(posedge clk_i) begin
    x_v_q <= rd_q && !rst_i;
    if (rd_q) begin
      x_max_q <= cnt_q == '0;
      x_first_q <= cnt_q == (BW + 1)'(1);
      x_last_q <= rd_end;
      x_bank_q <= bank_q;
      x_beat_q <= rd_beat;
      x_kth_q <= b_kth_q;
      x_key_q <= b_max_q;
      x_keep_q <= b_keep_q;
      x_off_q <= b_off_q;
    end
  end
  always_ff @(posedge clk_i) begin
    w_valid_o <= x_v_q && !rst_i;
    if (x_v_q) begin
      w_max_o <= x_max_q;
      w_first_o <= x_first_q;
      w_last_o <= x_last_q;
      w_bank_o <= x_bank_q;
      w_kth_o <= x_kth_q;
      w_z_o <= v3_rd;
      if (x_max_q) w_z_o[31:0] <= x_key_q[31] ? {1'b0, x_key_q[30:0]} : ~x_key_q;  // key -> logit
      for (int l = 0; l < P; l++) begin
        w_ent_o[l*EW +: EW] <= entry(!x_max_q && u3_rd[P*32+l*4+3], u3_rd[l*32 +: 32], 9'({x_beat_q, LGP'(l)} - 10'(x_off_q)));
        w_keep_o[l] <= x_keep_q[u3_rd[P*32+l*4 +: 3]];
      end
    end
  end

  assign busy_o = inside_q != '0 || x_v_q || w_valid_o;

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_inside: assert (inside_q <= (LGN + 1)'(N) && ranked_q + known_q <= inside_q);
      a_kth: assert (!rd_start || kth_q[rd_row_q*EW + EW - 1]);  // k <= experts of the groups was checked
    end
  end
endmodule
