// SPDX-License-Identifier: Apache-2.0

// First-word-fall-through FIFO in distributed RAM. A word pushed in cycle t is at the output in
// cycle t + 1; push and pop in one cycle are legal at every fill level except push when full.
// The producer must not push when full and the consumer must not pop when empty: asserted.
module vb_fifo #(
  parameter int unsigned W = 32,
  parameter int unsigned DEPTH = 16,  // a power of two, >= 2
  localparam int unsigned AW = $clog2(DEPTH)
) (
  input  logic          clk_i,
  input  logic          rst_i,
  input  logic          push_i,
  input  logic [W-1:0]  data_i,
  output logic          full_o,
  input  logic          pop_i,
  output logic [W-1:0]  data_o,
  output logic          empty_o,
  output logic [AW:0]   count_o
);
  if ((1 << AW) != DEPTH || DEPTH < 2) begin : g_illegal
    $error("vb_fifo: DEPTH must be a power of two >= 2");
  end

  (* ram_style = "distributed" *) logic [W-1:0] mem [DEPTH];  // a block RAM's output comes too late for logic behind it
  logic [AW:0] wp_q, rp_q;
  logic empty_q, full_q;  // known a cycle early, because logic waits for them

  assign count_o = wp_q - rp_q;
  assign empty_o = empty_q;
  assign full_o = full_q;
  assign data_o = mem[rp_q[AW-1:0]];

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wp_q <= '0;
      rp_q <= '0;
      empty_q <= 1'b1;
      full_q <= 1'b0;
    end else begin
      if (push_i != pop_i) begin
        empty_q <= pop_i && count_o == (AW + 1)'(1);
        full_q <= push_i && count_o == (AW + 1)'(DEPTH - 1);
      end
      if (push_i) wp_q <= wp_q + 1'b1;
      if (pop_i) rp_q <= rp_q + 1'b1;
    end
  end
  always_ff @(posedge clk_i) if (push_i) mem[wp_q[AW-1:0]] <= data_i;

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_no_overflow: assert (!(push_i && full_o));
      a_no_underflow: assert (!(pop_i && empty_o));
    end
  end
endmodule
