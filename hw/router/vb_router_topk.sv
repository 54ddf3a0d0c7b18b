// SPDX-License-Identifier: Apache-2.0

// Keeps the 16 largest entries of a token while P logits a cycle stream in. Fixed latency, no stall.
//
// An entry is {present, ordered key, ~index}, one 42-bit integer, so ties go to the lower index and no
// two present entries are equal. Step 1 registers the beat and ranks its lanes among themselves; step
// 2 compares every lane with every list place and moves all of them to their new rank at once:
//
//   rank of place i  = i + number of lanes above it
//   rank of lane l   = lanes above it + places above it
//
// Only the k-th entry leaves: the selection itself is made in the last pass by
// comparing with the k-th entry, which yields the experts in ascending order for free.
//
// A beat with valid_i in cycle t is in the list in t + 2; done_o is high in the cycle after the list
// took the beat with last_i (t + 3), with the results, for one cycle. Tokens may follow without a gap.
module vb_router_topk #(
  parameter int unsigned P = 8,
  parameter int unsigned K = 16,   // places; other values are for proofs
  parameter int unsigned EW = 42
) (
  input  logic            clk_i,
  input  logic            rst_i,
  input  logic            valid_i,
  input  logic            first_i,
  input  logic            last_i,
  input  logic [P*EW-1:0] ent_i,    // absent lanes are 0
  input  logic [4:0]      k_i,      // 1..16
  output logic            done_o,
  output logic [EW-1:0]   kth_o     // valid with done_o; 0 when the token has fewer than k entries
);
  localparam int unsigned RW = 6;  // ranks to 16 + 16

  // ---- step 1
  logic v1_q, first1_q, last1_q;
  logic [P*EW-1:0] ent1_q;
  logic [P*RW-1:0] rank1_q;
  always_ff @(posedge clk_i) begin
    v1_q <= valid_i && !rst_i;
    if (valid_i) begin : b_rank
      logic [RW-1:0] r;
      first1_q <= first_i;
      last1_q <= last_i;
      ent1_q <= ent_i;
      for (int l = 0; l < P; l++) begin
        r = '0;
        for (int m = 0; m < P; m++) if (m != l) r = r + RW'(ent_i[m*EW +: EW] > ent_i[l*EW +: EW]);
        rank1_q[l*RW +: RW] <= r;
      end
    end
  end

  // ---- step 2
  logic [K*EW-1:0] list_q;
  logic done_q;
  assign done_o = done_q;
  always_ff @(posedge clk_i) begin
    done_q <= v1_q && last1_q && !rst_i;
    if (v1_q) begin : b_merge
      logic [K*EW-1:0] next, old;
      logic [K*RW-1:0] above_i;  // lanes above place i
      logic [P*RW-1:0] rank_l;
      logic gt;
      old = first1_q ? '0 : list_q;
      above_i = '0;
      rank_l = rank1_q;
      for (int i = 0; i < K; i++) begin
        for (int l = 0; l < P; l++) begin
          gt = ent1_q[l*EW +: EW] > old[i*EW +: EW];
          above_i[i*RW +: RW] = above_i[i*RW +: RW] + RW'(gt);
          rank_l[l*RW +: RW] = rank_l[l*RW +: RW] + RW'(!gt);
        end
      end
      next = '0;
      for (int s = 0; s < K; s++) begin
        for (int i = 0; i <= s; i++)  // a place never moves up, and at most P down
          if (i + P >= s && above_i[i*RW +: RW] == RW'(s - i))
            next[s*EW +: EW] = next[s*EW +: EW] | old[i*EW +: EW];
        for (int l = 0; l < P; l++)
          if (rank_l[l*RW +: RW] == RW'(s)) next[s*EW +: EW] = next[s*EW +: EW] | ent1_q[l*EW +: EW];
      end
      list_q <= next;
    end
  end
  always_comb begin
    kth_o = '0;
    for (int i = 0; i < K; i++) if (k_i == 5'(i + 1)) kth_o = list_q[i*EW +: EW];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i && done_q) begin : b_sorted
      logic sorted;
      sorted = 1'b1;
      for (int i = 1; i < K; i++)
        if (list_q[(i-1)*EW +: EW] <= list_q[i*EW +: EW] && list_q[i*EW +: EW] != '0) sorted = 1'b0;
      a_sorted: assert (sorted);
    end
  end
endmodule
