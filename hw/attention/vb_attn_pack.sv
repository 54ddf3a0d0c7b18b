// SPDX-License-Identifier: Apache-2.0
//
// Units of 256 bits to beats of 512, lanes as in memory: a unit with `high` set belongs into the upper half. A beat goes out
// with its upper half, or alone with the last unit of its descriptor; strobes are the write master's.
module vb_attn_pack (
  input  logic         clk_i,
  input  logic         in_valid_i,
  output logic         in_ready_o,
  input  logic [255:0] in_data_i,
  input  logic         in_high_i,
  input  logic         in_end_i,
  output logic         out_valid_o,
  input  logic         out_ready_i,
  output logic [511:0] out_data_o
);
  logic [255:0] low_q;
  logic hold;
  assign hold        = in_valid_i && !in_high_i && !in_end_i;
  assign out_valid_o = in_valid_i && !hold;
  assign in_ready_o  = hold || out_ready_i;
  assign out_data_o  = {in_data_i, in_high_i ? low_q : in_data_i};
  always_ff @(posedge clk_i) if (hold) low_q <= in_data_i;
endmodule
