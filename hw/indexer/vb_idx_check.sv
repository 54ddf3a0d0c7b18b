// SPDX-License-Identifier: Apache-2.0
//
// Descriptor check: combinational verdict on the arguments of a job, before its first access to memory. Rules in the
// order mode, size, alignment, value. Sizes that the mode does not use are not looked at; unused pointers and strides
// must still be aligned.
module vb_idx_check #(
  parameter int unsigned NMAX = 32768,
  parameter int unsigned NBK  = 4
) (
  input  logic                              en_i,   ///< the verdict is wanted
  input  logic [vb_idx_pkg::NumArgs*64-1:0] args_i,
  output logic [7:0]                        err_o
);
  localparam int AW = vb_pkg::AddrW;
  logic [31:0] mode, tokens, heads, dk, k, begin_k, end_k, first, w_scale;
  logic [32:0] seen, stop, keys;
  logic misaligned, out_of_range, no_value, scoring;

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

  // the last token sees most
  assign seen = {1'b0, first} + {1'b0, tokens} - 33'd1;
  assign stop = (seen < {1'b0, end_k}) ? seen : {1'b0, end_k};
  assign keys = (tokens != 32'd0 && stop > {1'b0, begin_k}) ? stop - {1'b0, begin_k} : 33'd0;

  always_comb begin
    misaligned   = 1'b0;
    out_of_range = 1'b0;
    no_value     = 1'b0;
    err_o        = vb_pkg::ErrNone;
    if (en_i) begin
      if (tokens > 32'(vb_idx_pkg::MaxTokens)) out_of_range = 1'b1;
      if (scoring && (heads == 32'd0 || heads > 32'(vb_idx_pkg::MaxHeads))) out_of_range = 1'b1;
      if (scoring && (dk == 32'd0 || dk > 32'(32 * NBK) || dk[4:0] != 5'd0)) out_of_range = 1'b1;
      if (mode == 32'(vb_idx_pkg::ModeScores)) begin
        if (keys > 33'(vb_idx_pkg::MaxScores)) out_of_range = 1'b1;
      end else begin
        if (k == 32'd0 || k > 32'(vb_idx_pkg::MaxTopk) || keys > 33'(NMAX)) out_of_range = 1'b1;
      end

      for (int a = vb_idx_pkg::ArgQ; a <= vb_idx_pkg::ArgCount; a++)
        if (args_i[64*a +: 6] != 6'd0 || args_i[64*a+AW +: 64-AW] != '0) misaligned = 1'b1;
      if (args_i[64*vb_idx_pkg::ArgQStride +: 5] != 5'd0) misaligned = 1'b1;
      for (int a = vb_idx_pkg::ArgWStride; a <= vb_idx_pkg::ArgListStride; a++)
        if (args_i[64*a +: 6] != 6'd0) misaligned = 1'b1;

      if (scoring && w_scale != 32'd0 && (w_scale[30:23] < 8'd65 || w_scale[30:23] > 8'd190)) no_value = 1'b1;

      if (mode > 32'(vb_idx_pkg::ModeTopk)) err_o = vb_pkg::ErrMode;
      else if (out_of_range)                err_o = vb_pkg::ErrSize;
      else if (misaligned)                  err_o = vb_pkg::ErrAlign;
      else if (no_value)                    err_o = vb_pkg::ErrValue;
    end
  end

  logic unused_args;
  assign unused_args = ^args_i;
endmodule
