// SPDX-License-Identifier: Apache-2.0

// vb_fifo keeps order and content, and its flags and count are true, for every sequence of pushes, pops and resets that keeps
// the contract (no push when full, no pop when empty). One element, chosen freely, is followed from push to pop: as it may be
// any, all are proved.
module fv_fifo #(
  parameter int unsigned W = 3,
  parameter int unsigned DEPTH = 4,
  localparam int unsigned AW = $clog2(DEPTH)
) (
  input logic         clk_i,
  input logic         reset_i,
  input logic         want_push_i,
  input logic         want_pop_i,
  input logic         mark_i,
  input logic [W-1:0] data_i
);
  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  logic rst;
  assign rst = !started_q || reset_i;

  logic full, empty, push, pop;
  logic [W-1:0] data;
  logic [AW:0] count;
  assign push = want_push_i && !full;
  assign pop = want_pop_i && !empty;
  vb_fifo #(.W(W), .DEPTH(DEPTH)) u_dut (
    .clk_i, .rst_i(rst), .push_i(push), .data_i, .full_o(full), .pop_i(pop), .data_o(data), .empty_o(empty),
    .count_o(count));

  // ---- fill level by its definition; ahead: elements that leave before the one that is followed
  logic [AW:0] fill_q, ahead_q;
  logic followed_q;
  logic [W-1:0] value_q;
  always_ff @(posedge clk_i) begin
    if (rst) begin
      fill_q <= '0;
      followed_q <= 1'b0;
    end else begin
      fill_q <= fill_q + (AW + 1)'(push) - (AW + 1)'(pop);
      if (!followed_q && push && mark_i) begin
        followed_q <= 1'b1;
        ahead_q <= fill_q - (AW + 1)'(pop);
        value_q <= data_i;
      end else if (followed_q && pop) begin
        if (ahead_q == '0) followed_q <= 1'b0;
        else ahead_q <= ahead_q - 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst) begin
      p_count: assert (count == fill_q);
      p_empty: assert (empty == (fill_q == '0));
      p_full: assert (full == (fill_q == (AW + 1)'(DEPTH)));
      p_order: assert (!followed_q || ahead_q != '0 || (!empty && data == value_q));
    end
  end
endmodule
