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
  logic [5:4] left1_q;
  logic [47:0] a1_q;  // half up needs 33 bits from the leading one on, and up to 15 more are shifted out

  always_ff @(posedge clk_i) begin
    v1_q    <= valid_i && !rst_i;
    valid_o <= v1_q && !rst_i;
  end

  // The leading one goes to the top in steps of 32, 16, ... bits, as in vb_norm.
  always_ff @(posedge clk_i) if (valid_i) begin : coarse
    logic [63:0] a;
    a = n_i;
    for (int k = 5; k >= 4; k--) begin
      left1_q[k] <= (a >> (64 - (1 << k))) == 64'd0;
      if ((a >> (64 - (1 << k))) == 64'd0) a = a << (1 << k);
    end
    a1_q <= a[63:16];
  end

  always_ff @(posedge clk_i) if (v1_q) begin : fine
    logic [47:0] a;
    logic [5:0] left;
    logic [7:0] zero;  // pairs of bits at the top: they move along, so that nothing waits for a wide comparison
    logic signed [6:0] e;
    a = a1_q;
    left = {left1_q, 4'd0};
    for (int i = 0; i < 8; i++) zero[i] = a[47 - 2*i -: 2] == 2'd0;
    for (int k = 3; k >= 0; k--) begin
      left[k] = (k > 0) ? (zero | (8'hff << (1 << k) / 2)) == '1 : !a[47];
      if (left[k]) begin
        a = a << (1 << k);
        zero = zero >> (1 << k) / 2;
      end
    end
    u_o <= {1'b1, a[46:16] + 31'(a[15])};  // the top bit is 1 by construction, also after a carry
    e = 7'sd32 - $signed({1'b0, left});
    e_o <= a[46:15] == '1 ? e + 7'sd1 : e;
  end
endmodule
