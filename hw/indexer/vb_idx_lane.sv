// SPDX-License-Identifier: Apache-2.0
//
// One lane of the scores that are read again, against the threshold. Bytes are compared in the cycle in which the
// buffer's output stands, and put together in the next: a wide comparison would be long behind a memory.
module vb_idx_lane (
  input  logic        clk_i,
  input  logic        hist_i,    ///< compare for a histogram
  input  logic        out_i,     ///< compare for the marks
  input  logic        live_i,    ///< the lane holds a score
  input  logic        buffer_i,  ///< of this buffer
  input  logic [31:0] score0_i,
  input  logic [31:0] score1_i,
  input  logic [31:0] thr_i,
  input  logic [1:0]  digit_i,   ///< digit to count
  // one cycle later
  output logic        match_o,   ///< the digits above it equal the threshold's
  output logic [7:0]  digit_o,
  output logic        above_o,
  output logic        equal_o
);
  logic [31:0] s;
  logic live_q;
  logic [3:0] eq_q, gt_q;
  assign s = buffer_i ? score1_i : score0_i;
  always_ff @(posedge clk_i) begin
    if (hist_i) digit_o <= s[8*digit_i +: 8];
    if (hist_i || out_i) begin
      live_q <= live_i;
      eq_q <= {s[31:24] == thr_i[31:24], s[23:16] == thr_i[23:16], s[15:8] == thr_i[15:8], s[7:0] == thr_i[7:0]};
    end
    if (out_i) gt_q <= {s[31:24] > thr_i[31:24], s[23:16] > thr_i[23:16], s[15:8] > thr_i[15:8], s[7:0] > thr_i[7:0]};
  end
  assign match_o = live_q && eq_q[3] && (digit_i == 2'd2 || eq_q[2]) && (digit_i != 2'd0 || eq_q[1]);
  assign above_o = live_q && (gt_q[3] || (eq_q[3] && (gt_q[2] || (eq_q[2] && (gt_q[1] || (eq_q[1] && gt_q[0]))))));
  assign equal_o = live_q && (&eq_q);
endmodule
