// SPDX-License-Identifier: Apache-2.0
//
// Softmax reciprocal of the numeric contract: r = floor((2^63 - 1) / u) for u with its top bit set. Serial
// restoring division: the dividend is all ones, so 31 of its bits are loaded at once and 32 steps bring one more
// each, BITS of them a cycle. Exactly 32 / BITS cycles from start_i to done_o whatever u is; r_o then holds until the
// next start.
module vb_recip #(
  parameter int unsigned BITS = 1  // quotient bits of a cycle: 1, 2 or 4, as many subtractions one behind the other
) (
  input  logic        clk_i,
  input  logic        rst_i,
  input  logic        start_i,
  input  logic [31:0] u_i,
  output logic        done_o,  ///< one cycle, with r_o valid
  output logic [31:0] r_o
);
  if (BITS != 1 && BITS != 2 && BITS != 4) begin : g_illegal
    $error("vb_recip: BITS must be 1, 2 or 4");
  end
  localparam logic [4:0] Last = 5'(32 / BITS - 1);
  logic busy_q;
  logic [4:0] step_q;
  logic [31:0] u_q, rem_q;

  always_ff @(posedge clk_i) begin
    done_o <= busy_q && (step_q == Last) && !rst_i;
    if (rst_i)                            busy_q <= 1'b0;
    else if (start_i)                     busy_q <= 1'b1;
    else if (busy_q && step_q == Last)    busy_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      u_q    <= u_i;
      rem_q  <= 32'h7fff_ffff;  // the top 31 ones: less than u
      step_q <= 5'd0;
    end else if (busy_q) begin : b_step
      logic [31:0] rem, quot;
      logic [32:0] shifted, diff;
      rem = rem_q;
      quot = r_o;
      for (int i = 0; i < BITS; i++) begin
        shifted = {rem, 1'b1};
        diff    = shifted - {1'b0, u_q};
        rem     = diff[32] ? shifted[31:0] : diff[31:0];
        quot    = {quot[30:0], !diff[32]};
      end
      rem_q  <= rem;
      r_o    <= quot;
      step_q <= step_q + 5'd1;
    end
  end
endmodule
