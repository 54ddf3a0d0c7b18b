// SPDX-License-Identifier: Apache-2.0
//
// Softmax reciprocal of the numeric contract: r = floor((2^63 - 1) / u) for u with its top bit set. Serial
// restoring division: the dividend is all ones, so 31 of its bits are loaded at once and 32 steps bring one more
// each. Exactly 32 cycles from start_i to done_o whatever u is; r_o then holds until the next start.
module vb_recip (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        start_i,
  input  logic [31:0] u_i,
  output logic        done_o,  ///< one cycle, with r_o valid
  output logic [31:0] r_o
);
  logic busy_q;
  logic [4:0] step_q;
  logic [31:0] u_q, rem_q;

  always_ff @(posedge clk_i) begin
    done_o <= busy_q && (step_q == 5'd31) && !rst_i;
    if (rst_i)                            busy_q <= 1'b0;
    else if (start_i)                     busy_q <= 1'b1;
    else if (busy_q && step_q == 5'd31)   busy_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      u_q    <= u_i;
      rem_q  <= 32'h7fff_ffff;  // the top 31 ones: less than u
      step_q <= 5'd0;
    end else if (busy_q) begin : step
      logic [32:0] shifted, diff;
      shifted = {rem_q, 1'b1};
      diff    = shifted - {1'b0, u_q};
      rem_q  <= diff[32] ? shifted[31:0] : diff[31:0];
      r_o    <= {r_o[30:0], !diff[32]};
      step_q <= step_q + 5'd1;
    end
  end
endmodule
