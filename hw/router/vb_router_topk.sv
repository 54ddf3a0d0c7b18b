// SPDX-License-Identifier: Apache-2.0

// Keeps the 16 largest entries of a token while P logits a cycle stream in. Fixed latency, no stall.
//
// An entry is {present, ordered key, ~index}, and ties go to the lower index. That is the lower lane, and whatever came in
// a beat before: so comparisons leave the index out. Step 1 sorts the lanes of the beat. Step 2 compares every lane with
// every list place, and the next list is merged from two sorted ones:
//
//   lane l is among the first s  if it is above place s - 1 - l
//   place s of the next list is  lane j, or place s - j of the old, with j lanes among the first s
//
// Only the k-th entry leaves: the selection itself is made in the last pass by
// comparing with the k-th entry, which yields the experts in ascending order for free.
//
// A beat with valid_i in cycle t is in the list in t + 2; done_o is high in the cycle after the list
// took the beat with last_i (t + 3), with the results, for one cycle. Tokens may follow without a gap.
module vb_router_topk #(
  parameter int unsigned P = 8,
  parameter int unsigned K = 16,   // places; other values are for proofs
  parameter int unsigned EW = 42,
  parameter int unsigned IW = 9,   // bits of the index
  localparam int unsigned LGP = $clog2(P)
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
  // ---- step 1
  logic v1_q, first1_q, last1_q;
  logic [P*EW-1:0] lane1_q;  // sorted
  always_ff @(posedge clk_i) begin
    v1_q <= valid_i && !rst_i;
    if (valid_i) begin : b_sort
      logic [P*P-1:0] above;  // [l*P + m]: lane l is above lane m
      logic [P*EW-1:0] sorted;
      logic [LGP-1:0] rank;
      first1_q <= first_i;
      last1_q <= last_i;
      above = '0;
      for (int l = 0; l < P; l++)
        for (int m = l + 1; m < P; m++) begin
          above[m*P + l] = ent_i[m*EW + IW +: EW - IW] > ent_i[l*EW + IW +: EW - IW];
          above[l*P + m] = !above[m*P + l];
        end
      sorted = '0;
      for (int l = 0; l < P; l++) begin
        rank = '0;
        for (int m = 0; m < P; m++) rank = rank + LGP'(above[m*P + l]);
        for (int s = 0; s < P; s++) if (rank == LGP'(s)) sorted[s*EW +: EW] = sorted[s*EW +: EW] | ent_i[l*EW +: EW];
      end
      lane1_q <= sorted;
    end
  end

  // ---- step 2
  logic [K*EW-1:0] list_q;
  logic done_q;
  assign done_o = done_q;
  always_ff @(posedge clk_i) begin
    done_q <= v1_q && last1_q && !rst_i;
    if (v1_q) begin : b_merge
      logic [K*EW-1:0] next;
      logic [(K+1)*(P+1)-1:0] among;  // [s*(P+1) + l]: lane l is among the first s of the next list
      among = '0;
      for (int s = 1; s <= K; s++)
        for (int l = 0; l < P && l < s; l++)
          among[s*(P+1) + l] = first1_q || lane1_q[l*EW + IW +: EW - IW] > list_q[(s-1-l)*EW + IW +: EW - IW];
      next = '0;
      for (int s = 0; s < K; s++)
        for (int j = 0; j <= P && j <= s; j++) begin  // with j lanes among the first s, one of these two is next
          if ((j == 0 || among[s*(P+1) + j-1]) && !among[(s+1)*(P+1) + j] && !first1_q)
            next[s*EW +: EW] = next[s*EW +: EW] | list_q[(s-j)*EW +: EW];
          if (j < P && among[(s+1)*(P+1) + j] && !among[s*(P+1) + j])
            next[s*EW +: EW] = next[s*EW +: EW] | lane1_q[(j%P)*EW +: EW];
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
