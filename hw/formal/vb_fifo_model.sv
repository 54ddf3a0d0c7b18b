// SPDX-License-Identifier: Apache-2.0

// What fv_fifo proves of vb_fifo, as a shift register, for proofs of cells that hold FIFOs: the oldest element in place 0.
// The same harness proves that this is a FIFO.
module vb_fifo #(
  parameter int unsigned W = 32,
  parameter int unsigned DEPTH = 16,
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
  logic [DEPTH*W-1:0] line_q;
  logic [AW:0] count_q;
  assign count_o = count_q;
  assign empty_o = count_q == '0;
  assign full_o = count_q == (AW + 1)'(DEPTH);
  assign data_o = line_q[W-1:0];
  always_ff @(posedge clk_i) begin
    if (rst_i) count_q <= '0;
    else count_q <= count_q + (AW + 1)'(push_i) - (AW + 1)'(pop_i);
    for (int i = 0; i < DEPTH; i++)
      if (push_i && count_q - (AW + 1)'(pop_i) == (AW + 1)'(i)) line_q[i*W +: W] <= data_i;
      else if (pop_i && i + 1 < DEPTH) line_q[i*W +: W] <= line_q[(i+1 < DEPTH ? i + 1 : i)*W +: W];
  end
  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_no_overflow: assert (!(push_i && full_o));
      a_no_underflow: assert (!(pop_i && empty_o));
    end
  end
endmodule
