// SPDX-License-Identifier: Apache-2.0
//
// Exponent pass of one query row: EM_b = max over attended keys of ev_b - i, i the octaves of m - s (the contract
// saturates them at 1023). One key a cycle. A zero value block (code 0) does not take part.
module vb_attn_erow #(
  parameter int NBV = 4
) (
  input  logic               clk_i,
  input  logic               clear_i,   ///< new tile: all none
  input  logic               em_we_i,   ///< load from memory (split jobs)
  input  logic [NBV*16-1:0]  em_i,
  input  logic               s_valid_i, ///< score and row mask valid
  input  logic               s_act_i,
  input  logic signed [31:0] s_score_i,
  input  logic signed [31:0] m_i,
  input  logic               d_valid_i, ///< one cycle later, with the key's value codes
  input  logic [NBV*8-1:0]   d_ev_i,
  output logic [NBV*16-1:0]  em_o,
  output logic               bad_o      ///< a score above m: m is not the maximum of these keys
);
  logic act_q;
  logic [9:0] i_q;
  logic [15:0] unused_fraction_q;  // pass two looks at it

  always_ff @(posedge clk_i) begin
    bad_o <= 1'b0;
    if (s_valid_i) begin : distance
      logic [31:0] d;
      bad_o <= s_act_i && (s_score_i > m_i);
      d = m_i - s_score_i;  // unsigned: up to 2^32 - 2
      unused_fraction_q <= d[15:0];
      act_q <= s_act_i;
      i_q   <= (d[31:26] != 6'd0) ? 10'd1023 : d[25:16];
    end
  end

  // The conditions are nested, not and-ed: a simulator then does nothing in a cycle without a key.
  always_ff @(posedge clk_i) begin : peak
    logic signed [31:0] x;
    x = 32'sd0;
    if (clear_i)      em_o <= {NBV{16'h8000}};
    else if (em_we_i) em_o <= em_i;
    else if (d_valid_i) begin
      if (act_q) begin
        for (int b = 0; b < NBV; b++) begin
          x = $signed({24'd0, d_ev_i[b*8 +: 8]}) - $signed({22'd0, i_q});
          if (d_ev_i[b*8 +: 8] != 8'd0 && x > 32'($signed(em_o[b*16 +: 16]))) em_o[b*16 +: 16] <= x[15:0];
        end
      end
    end
  end
endmodule
