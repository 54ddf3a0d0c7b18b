// SPDX-License-Identifier: Apache-2.0
//
// Histogram of P 8-bit digits a cycle: a bank of counters per lane, each in two memories (odd and even digits), so that
// a scan reads two bins a cycle. A scan goes from the top bin down and leaves the counters at 0.
//
//   count in cycle t: read t, write at the end of t + 1        scan in cycle t: sums of both bins visible in t + 3
module vb_idx_hist #(
  parameter int P  = 8,
  parameter int CW = 13,                 ///< bits of a counter: beats of a buffer
  localparam int SUMW = CW + $clog2(P)
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             count_i,
  input  logic [P-1:0]     mask_i,
  input  logic [P*8-1:0]   digit_i,
  input  logic             scan_i,       ///< never with count_i, nor one cycle after it
  input  logic [6:0]       pair_i,       ///< 0: bins 255 and 254
  output logic [SUMW-1:0]  odd_o,        ///< the upper bin of the pair
  output logic [SUMW-1:0]  even_o
);
  localparam int Q = (P + 3) / 4;

  logic s1_q, s2_q, c1_q;
  logic [6:0] pair1_q;
  always_ff @(posedge clk_i) begin
    s1_q <= scan_i && !rst_i;
    s2_q <= s1_q && !rst_i;
    c1_q <= count_i && !rst_i;
    if (scan_i) pair1_q <= pair_i;
  end

  logic [2*P*CW-1:0] raw;                // [half][lane]
  for (genvar h = 0; h < 2; h++) begin : g_half
    for (genvar l = 0; l < P; l++) begin : g_lane
      logic [CW-1:0] mem [128];
      logic [CW-1:0] raw_q, near_q, next;
      logic here, h1_q, byp_q;
      logic [6:0] a1_q, ra;
      assign here = mask_i[l] && digit_i[8*l] == 1'(h);
      assign ra   = scan_i ? ~pair_i : digit_i[8*l + 1 +: 7];
      assign next = (byp_q ? near_q : raw_q) + CW'(1);
      assign raw[(h*P + l)*CW +: CW] = raw_q;
      always_ff @(posedge clk_i) begin
        if (count_i || scan_i) raw_q <= mem[ra];
        if (count_i) begin
          h1_q <= here;
          a1_q <= digit_i[8*l + 1 +: 7];
          byp_q <= c1_q && h1_q && a1_q == digit_i[8*l + 1 +: 7];  // written in this very cycle
          near_q <= next;
        end
        if (c1_q ? h1_q : s1_q) mem[c1_q ? a1_q : ~pair1_q] <= c1_q ? next : '0;
      end
    end
  end

  logic [2*Q*SUMW-1:0] part_q;
  always_ff @(posedge clk_i) begin
    if (s1_q) begin : parts
      logic [SUMW-1:0] t;
      for (int h = 0; h < 2; h++)
        for (int i = 0; i < Q; i++) begin
          t = '0;
          for (int l = 4*i; l < 4*i + 4 && l < P; l++) t = t + SUMW'(raw[(h*P + l)*CW +: CW]);
          part_q[(h*Q + i)*SUMW +: SUMW] <= t;
        end
    end
    if (s2_q) begin : sums
      logic [SUMW-1:0] t;
      for (int h = 0; h < 2; h++) begin
        t = '0;
        for (int i = 0; i < Q; i++) t = t + part_q[(h*Q + i)*SUMW +: SUMW];
        if (h == 1) odd_o <= t; else even_o <= t;
      end
    end
  end

  always_ff @(posedge clk_i) if (!rst_i) begin
    a_turn: assert (!(scan_i && (count_i || c1_q)));
  end
endmodule
