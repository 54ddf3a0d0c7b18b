// SPDX-License-Identifier: Apache-2.0

// One place of vb_router_topk: it keeps the largest entry that it has seen of a token and hands the others on, sorted. A beat
// of N sorted entries takes one cycle; M of what is left can still matter to the places behind.
module vb_router_place #(
  parameter int unsigned N = 8,
  parameter int unsigned M = 8,    // N, or N - 1
  parameter int unsigned EW = 42
) (
  input  logic            clk_i,
  input  logic            rst_i,
  input  logic            valid_i,
  input  logic            first_i,    // of a token
  input  logic            last_i,
  input  logic [N*EW-1:0] sorted_i,   // largest first, 0: none
  output logic            valid_o,
  output logic            first_o,
  output logic            last_o,
  output logic [M*EW-1:0] sorted_o,
  output logic [EW-1:0]   kept_o      // with valid_o: of the token so far
);
  logic [N:0] above;                  // lane l is above what is kept; the lanes are sorted, so the first few are
  logic [EW-1:0] old;
  assign old = first_i ? '0 : kept_o;
  always_comb begin
    above = '0;
    for (int l = 0; l < N; l++) above[l] = first_i || sorted_i[l*EW +: EW] > kept_o;
  end
  always_ff @(posedge clk_i) begin
    valid_o <= valid_i && !rst_i;
    if (valid_i) begin
      first_o <= first_i;
      last_o <= last_i;
      kept_o <= above[0] ? sorted_i[EW-1:0] : kept_o;
      for (int l = 0; l < M; l++)
        sorted_o[l*EW +: EW] <= above[l+1] ? sorted_i[((l+1)%N)*EW +: EW] : above[l] ? old : sorted_i[l*EW +: EW];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i && valid_o) begin : b_sorted
      logic sorted;
      sorted = kept_o > sorted_o[EW-1:0] || kept_o == '0;
      for (int l = 1; l < M; l++)
        if (sorted_o[(l-1)*EW +: EW] <= sorted_o[l*EW +: EW] && sorted_o[l*EW +: EW] != '0) sorted = 1'b0;
      a_sorted: assert (sorted);
    end
  end
endmodule
