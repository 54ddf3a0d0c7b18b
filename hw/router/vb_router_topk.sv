// SPDX-License-Identifier: Apache-2.0

// Finds the k-th largest entry of a token while P logits a cycle stream in. Fixed latency, no stall.
//
// An entry is {present, ordered key, ~index}: one number, in which ties go to the lower index. The lanes of a beat are sorted,
// then pass K places in a row, a cycle each:
//
//   beat ─► sort ─► place 0 ─► place 1 ─► ... place K-1      each keeps the largest that it sees and hands on the rest
//                      │          │             │
//                      └─► kth ───┴─► kth ──... ┴─► kth      what place k-1 has kept goes along with the token's last beat
//
// Neighbours alone are wired together, so K and P cost area, not clock. Only the k-th entry leaves: the selection itself is
// made in the last pass by comparing with it, which yields the experts in ascending order for free.
//
// A beat with valid_i in cycle t has passed place s in t + 2 + s; for one that has last_i, done_o is high in t + 2 + K with the
// result, for one cycle. Tokens may follow without a gap.
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
  input  logic [4:0]      k_i,      // 1..K, the same while a token is inside
  output logic            done_o,
  output logic [EW-1:0]   kth_o     // valid with done_o; 0 when the token has fewer than k entries
);
  // ---- sort
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

  // ---- places. The entries behind the largest K - s cannot matter to place s, so the last ones see fewer lanes.
  logic [K:0] valid, first, last;
  logic [(K+1)*P*EW-1:0] sorted;
  logic [K*EW-1:0] kept;
  assign {valid[0], first[0], last[0], sorted[P*EW-1:0]} = {v1_q, first1_q, last1_q, lane1_q};
  for (genvar s = 0; s < K; s++) begin : g_place
    localparam int unsigned N = K - s < P ? K - s : P;
    localparam int unsigned M = N == 1 || K - s > P ? N : N - 1;
    vb_router_place #(.N(N), .M(M), .EW(EW)) u_place (
      .clk_i, .rst_i, .valid_i(valid[s]), .first_i(first[s]), .last_i(last[s]), .sorted_i(sorted[s*P*EW +: N*EW]),
      .valid_o(valid[s+1]), .first_o(first[s+1]), .last_o(last[s+1]), .sorted_o(sorted[(s+1)*P*EW +: M*EW]),
      .kept_o(kept[s*EW +: EW]));
    if (M < P) begin : g_none
      assign sorted[((s+1)*P+M)*EW +: (P-M)*EW] = '0;
    end
  end

  logic [K*EW-1:0] kth_q;
  always_ff @(posedge clk_i) begin
    for (int s = 0; s < K; s++)
      if (valid[s+1] && last[s+1]) kth_q[s*EW +: EW] <= k_i == 5'(s + 1) ? kept[s*EW +: EW] : s == 0 ? '0 : kth_q[((s+K-1)%K)*EW +: EW];
    done_o <= valid[K] && last[K] && !rst_i;
  end
  assign kth_o = kth_q[(K-1)*EW +: EW];

  logic unused_ends;
  assign unused_ends = ^{first[K], sorted};
endmodule
