// SPDX-License-Identifier: Apache-2.0
//
// Block exponents of one query row: EM_b = max over attended keys with a code of code_b - min(1023, floor((m - s) / 2^16)),
// although m is known only after the last key. With the largest X_b = code_b * 2^16 + s and the largest code C_b of those
// keys it is max(-floor((m - X_b) / 2^16), C_b - 1023), for any m: both are kept per key, EM is made once, a block a cycle.
module vb_attn_erow #(
  parameter int NBV = 4,
  localparam int BW = $clog2(NBV)
) (
  input  logic               clk_i,
  input  logic               clear_i,   ///< new tile: all none
  input  logic               s_valid_i, ///< stage E: a score and the key's value codes (0: the block takes no part)
  input  logic [31:0]        s_score_i,
  input  logic [NBV*8-1:0]   s_codes_i,
  input  logic signed [31:0] m_i,
  input  logic               x_step_i,  ///< EM of block x_blk_i from the maxima; two cycles
  input  logic [BW-1:0]      x_blk_i,
  input  logic               y_step_i,  ///< its second cycle
  input  logic [BW-1:0]      y_blk_i,
  input  logic               em_we_i,   ///< or all of them from memory (split jobs)
  input  logic [NBV*16-1:0]  em_i,
  output logic [NBV*16-1:0]  em_o
);
  // 33 bits in lanes of 64 (simulators like whole words), the rest copies of the sign
  logic [NBV*64-1:0] x_q;
  logic [NBV*8-1:0] c_q;

  // The conditions are nested, not and-ed: a simulator then does nothing in a cycle without a key.
  always_ff @(posedge clk_i) begin : peak
    logic signed [63:0] x;
    x = 64'sd0;
    if (clear_i) begin
      c_q <= '0;
    end else if (s_valid_i) begin
      if (s_score_i != vb_attn_pkg::NoScore) begin
        for (int b = 0; b < NBV; b++) begin
          if (s_codes_i[b*8 +: 8] != 8'd0) begin
            x = 64'($signed(s_score_i)) + {40'd0, s_codes_i[b*8 +: 8], 16'd0};
            if (c_q[b*8 +: 8] == 8'd0 || x > $signed(x_q[b*64 +: 64])) x_q[b*64 +: 64] <= x;
            if (s_codes_i[b*8 +: 8] > c_q[b*8 +: 8]) c_q[b*8 +: 8] <= s_codes_i[b*8 +: 8];
          end
        end
      end
    end
  end

  logic signed [33:0] d_q;
  logic [7:0] dc_q;
  logic [15:0] unused_fraction;
  assign unused_fraction = d_q[15:0];
  always_ff @(posedge clk_i) if (x_step_i) begin
    d_q  <= 34'(m_i) - 34'($signed(x_q[64*x_blk_i +: 33]));
    dc_q <= c_q[8*x_blk_i +: 8];
  end
  always_ff @(posedge clk_i) begin : exponent
    logic signed [17:0] near, floor;
    near = 18'sd0;
    floor = 18'sd0;
    if (clear_i)      em_o <= {NBV{16'h8000}};
    else if (em_we_i) em_o <= em_i;
    else if (y_step_i) begin
      near  = -$signed(d_q[33:16]);
      floor = $signed({10'd0, dc_q}) - 18'sd1023;
      if (dc_q != 8'd0) em_o[16*y_blk_i +: 16] <= (near > floor) ? near[15:0] : floor[15:0];
    end
  end

  logic unused_copies;
  assign unused_copies = ^x_q;
endmodule
