// SPDX-License-Identifier: Apache-2.0

// vb_router_topk, made small: the entry that it reports is the k-th largest of the token, 0 when there are fewer than k, for
// tokens of 1..BEATS beats one after another, every k, gaps between beats, resets at any time. Entries are made as the router
// makes them, {present, key, ~index}, so that present ones are distinct.
//
// One value is chosen freely and watched: it is reported if and only if it came and exactly k - 1 larger ones came. As it may
// be any, the report is proved.
module fv_topk #(
  parameter int unsigned P = 2,
  parameter int unsigned K = 3,
  parameter int unsigned KEYW = 2,
  parameter int unsigned BEATS = 4,
  localparam int unsigned IW = $clog2(P * BEATS),
  localparam int unsigned EW = 1 + KEYW + IW
) (
  input logic              clk_i,
  input logic              reset_i,
  input logic              go_i,
  input logic              last_i,
  input logic [P-1:0]      present_i,
  input logic [P*KEYW-1:0] key_i,
  input logic [EW-2:0]     watch_i,
  input logic [4:0]        k_i       // of the whole run
);
  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  logic rst;
  assign rst = !started_q || reset_i;

  // The value watched and k are fixed at power-up.
  logic [EW-1:0] watch_q;
  logic [4:0] rank_q;
  always_ff @(posedge clk_i) if (!started_q) begin
    watch_q <= {1'b1, watch_i};
    rank_q <= k_i;
  end

  logic [$clog2(BEATS)-1:0] beat_q;
  logic valid, last, done, first;
  logic [P*EW-1:0] ent;
  logic [EW-1:0] kth;
  assign valid = go_i;
  assign first = beat_q == '0;
  assign last = last_i || 32'(beat_q) == BEATS - 1;
  always_comb begin
    ent = '0;
    for (int l = 0; l < P; l++)
      if (present_i[l]) ent[l*EW +: EW] = {1'b1, key_i[l*KEYW +: KEYW], ~(IW'(beat_q) * IW'(P) + IW'(l))};
  end
  vb_router_topk #(.P(P), .K(K), .EW(EW), .IW(IW)) u_dut (
    .clk_i, .rst_i(rst), .valid_i(valid), .first_i(first), .last_i(last), .ent_i(ent), .k_i(rank_q), .done_o(done), .kth_o(kth));

  // ---- the value is counted beat by beat, and the count waits as the entry does
  logic v1_q, first1_q, last1_q, came1_q, came_q, came2;
  logic [K:0] v_q, had_q;            // ends of tokens on their way past the places
  logic [3*(K+1)-1:0] larger_q;
  logic [2:0] above1_q, above_q, above2;  // up to K: then it does not matter
  always_comb begin : b_count
    came2 = came1_q || (!first1_q && came_q);
    above2 = above1_q + (first1_q ? 3'd0 : above_q);
    if (above2 > 3'(K)) above2 = 3'(K);
  end
  always_ff @(posedge clk_i) begin
    if (rst) beat_q <= '0;
    else if (valid) beat_q <= last ? '0 : beat_q + 1'b1;
    v1_q <= valid && !rst;
    v_q <= rst ? '0 : {v_q[K-1:0], v1_q && last1_q};
    had_q <= {had_q[K-1:0], came2};
    larger_q <= {larger_q[3*K-1:0], above2};
    if (valid) begin : b_one
      logic [2:0] n;
      logic c;
      n = '0;
      c = 1'b0;
      for (int l = 0; l < P; l++) begin
        if (ent[l*EW +: EW] > watch_q) n = n + 3'd1;
        if (ent[l*EW +: EW] == watch_q) c = 1'b1;
      end
      above1_q <= n;
      came1_q <= c;
      first1_q <= first;
      last1_q <= last;
    end
    if (v1_q) begin
      came_q <= came2;
      above_q <= above2;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst) begin
      p_when: assert (done == v_q[K]);
      p_kth: assert (!done || rank_q == '0 || rank_q > 5'(K) || (kth == watch_q) == (had_q[K] && 5'(larger_q[3*K +: 3]) + 5'd1 == rank_q));
      p_present: assert (!done || kth == '0 || kth[EW-1]);
    end
  end
endmodule
