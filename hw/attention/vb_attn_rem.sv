// SPDX-License-Identifier: Apache-2.0
//
// Remainder of two 32-bit integers, one bit a cycle: 32 cycles from start_i to the result, whatever the values are.
module vb_attn_rem (
  input  logic        clk_i,
  input  logic        start_i,
  input  logic [31:0] a_i,
  input  logic [31:0] b_i,     ///< >= 1
  output logic [31:0] rem_o    ///< from 32 cycles after start_i on
);
  logic [5:0] left_q;
  logic [31:0] a_q;
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      left_q <= 6'd32;
      a_q    <= a_i;
      rem_o  <= 32'd0;
    end else if (left_q != 6'd0) begin : step
      logic [32:0] r;
      r = {rem_o, a_q[31]};
      rem_o  <= (r >= {1'b0, b_i}) ? 32'(r - {1'b0, b_i}) : r[31:0];
      a_q    <= a_q << 1;
      left_q <= left_q - 6'd1;
    end
  end
endmodule
