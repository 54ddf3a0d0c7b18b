// SPDX-License-Identifier: Apache-2.0
//
// A positive 64-bit integer as u * 2^e with u in [2^31, 2^32): round half up, renormalised on carry (the contract's
// denominator form). n = 0 gives u = 2^31, e = -31: legal for the divider behind it, and masked by the user.
// Latency 2, one result a cycle.
module vb_unorm (
  input  logic              clk_i,
  input  logic              rst_i,
  input  logic              valid_i,
  input  logic [63:0]       n_i,
  output logic              valid_o,
  output logic [31:0]       u_o,
  output logic signed [6:0] e_o  ///< -31..33
);
  logic v1_q;
  logic [5:0] top1_q;
  logic [31:0] a1_q;  // below the top bit: 31 bits and the round bit (half up needs no more)

  always_ff @(posedge clk_i) begin
    v1_q    <= valid_i && !rst_i;
    valid_o <= v1_q && !rst_i;
  end

  always_ff @(posedge clk_i) if (valid_i) begin : lead
    logic [5:0] top;
    top = '0;
    for (int i = 0; i < 64; i++) if (n_i[i]) top = 6'(i);
    top1_q <= top;
    a1_q   <= 32'((n_i << (6'd63 - top)) >> 31);
  end

  always_ff @(posedge clk_i) if (v1_q) begin : round
    logic carry;
    logic [30:0] low;
    {carry, low} = {1'b0, a1_q[31:1]} + 32'(a1_q[0]);  // the top bit is 1 by construction, also after a carry
    u_o <= {1'b1, low};
    e_o <= $signed({1'b0, top1_q}) - 7'sd31 + $signed({6'd0, carry});
  end
endmodule
