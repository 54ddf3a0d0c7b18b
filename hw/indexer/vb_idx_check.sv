// SPDX-License-Identifier: Apache-2.0
//
// Descriptor check: the verdict on the arguments of a job, before its first access to memory. Rules in the order mode,
// size, alignment, value. Sizes that the mode does not use are not looked at; unused pointers and strides must still be
// aligned.
//
// Arguments are in their registers before ap_start, so everything that takes one step from them is done by then; with
// ap_start comes the rest, and the verdict stands in the next cycle. So do the keys of the first token.
module vb_idx_check #(
  parameter int unsigned NMAX = 32768,
  parameter int unsigned NBK  = 4
) (
  input  logic                              clk_i,
  input  logic                              look_i,   ///< level: the next cycle may be the first of a job
  input  logic                              begin_i,  ///< pulse: it begins
  input  logic [vb_idx_pkg::NumArgs*64-1:0] args_i,
  output logic                              ok_o,     ///< from the cycle after begin_i on
  output logic [7:0]                        err_o,
  output logic [20:0]                       n_first_o ///< keys of the first token
);
  localparam int AW = vb_pkg::AddrW;
  logic [31:0] mode, tokens, heads, dk, k, begin_k, end_k, first, w_scale;
  logic scoring;

  assign mode    = args_i[64*vb_idx_pkg::ArgMode +: 32];
  assign tokens  = args_i[64*vb_idx_pkg::ArgTokens +: 32];
  assign heads   = args_i[64*vb_idx_pkg::ArgHeads +: 32];
  assign dk      = args_i[64*vb_idx_pkg::ArgDk +: 32];
  assign k       = args_i[64*vb_idx_pkg::ArgTopk +: 32];
  assign begin_k = args_i[64*vb_idx_pkg::ArgKeyBegin +: 32];
  assign end_k   = args_i[64*vb_idx_pkg::ArgKeyEnd +: 32];
  assign first   = args_i[64*vb_idx_pkg::ArgFirstCount +: 32];
  assign w_scale = args_i[64*vb_idx_pkg::ArgWScale +: 32];
  assign scoring = mode != 32'(vb_idx_pkg::ModeTopk);

  logic any_q, bad_mode_q, out_of_range_q, misaligned_q, no_value_q;
  logic [32:0] seen_q, far_q;             // what the last token could see; where more keys are too many
  logic [31:0] stop_q;                    // of the first token
  always_ff @(posedge clk_i) if (look_i) begin : look
    logic range, align;
    range = tokens > 32'(vb_idx_pkg::MaxTokens);
    if (scoring && (heads == 32'd0 || heads > 32'(vb_idx_pkg::MaxHeads))) range = 1'b1;
    if (scoring && (dk == 32'd0 || dk > 32'(32 * NBK) || dk[4:0] != 5'd0)) range = 1'b1;
    if (mode != 32'(vb_idx_pkg::ModeScores) && (k == 32'd0 || k > 32'(vb_idx_pkg::MaxTopk))) range = 1'b1;
    align = args_i[64*vb_idx_pkg::ArgQStride +: 5] != 5'd0;
    for (int a = vb_idx_pkg::ArgQ; a <= vb_idx_pkg::ArgCount; a++)
      if (args_i[64*a +: 6] != 6'd0 || args_i[64*a+AW +: 64-AW] != '0) align = 1'b1;
    for (int a = vb_idx_pkg::ArgWStride; a <= vb_idx_pkg::ArgListStride; a++)
      if (args_i[64*a +: 6] != 6'd0) align = 1'b1;
    bad_mode_q     <= mode > 32'(vb_idx_pkg::ModeTopk);
    out_of_range_q <= range;
    misaligned_q   <= align;
    no_value_q     <= scoring && w_scale != 32'd0 && (w_scale[30:23] < 8'd65 || w_scale[30:23] > 8'd190);
    any_q          <= tokens != 32'd0;
    seen_q         <= {1'b0, first} + {1'b0, tokens} - 33'd1;
    far_q          <= {1'b0, begin_k} +
                      ((mode == 32'(vb_idx_pkg::ModeScores)) ? 33'(vb_idx_pkg::MaxScores) : 33'(NMAX));
    stop_q         <= (first < end_k) ? first : end_k;
  end

  always_ff @(posedge clk_i) if (begin_i) begin : verdict
    logic range;
    range = out_of_range_q || (any_q && seen_q > far_q && {1'b0, end_k} > far_q);
    ok_o  <= !(bad_mode_q || range || misaligned_q || no_value_q);
    if (bad_mode_q)        err_o <= vb_pkg::ErrMode;
    else if (range)        err_o <= vb_pkg::ErrSize;
    else if (misaligned_q) err_o <= vb_pkg::ErrAlign;
    else if (no_value_q)   err_o <= vb_pkg::ErrValue;
    else                   err_o <= vb_pkg::ErrNone;
    n_first_o <= (stop_q > begin_k) ? 21'(stop_q - begin_k) : 21'd0;  // bounded if the verdict is good
  end

  logic unused_args;
  assign unused_args = ^args_i;
endmodule
