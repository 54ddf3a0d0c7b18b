// SPDX-License-Identifier: Apache-2.0
//
// Descriptor check: combinational verdict on the arguments of a job, before its first access to memory. Pointers and
// strides that the job's mode does not use need only be aligned; with shared values v and v_stride are not looked at.
module vb_attn_check #(
  parameter int NBK = 4,
  parameter int NBV = 4
) (
  input  logic                               en_i,   ///< the verdict is wanted
  input  logic [vb_attn_pkg::NumArgs*64-1:0] args_i,
  output logic [7:0]                         err_o
);
  localparam int AW = vb_pkg::AddrW;
  logic [31:0] mode, rows, rpt, dk, dv, begin_k, end_k, k_stride, v_stride, block, count, flags;
  logic [5:0] misaligned_p;
  logic misaligned, out_of_range, values, shared, sinks;

  assign mode     = args_i[64*vb_attn_pkg::ArgMode +: 32];
  assign rows     = args_i[64*vb_attn_pkg::ArgRows +: 32];
  assign rpt      = args_i[64*vb_attn_pkg::ArgRowsPerToken +: 32];
  assign dk       = args_i[64*vb_attn_pkg::ArgDk +: 32];
  assign dv       = args_i[64*vb_attn_pkg::ArgDv +: 32];
  assign begin_k  = args_i[64*vb_attn_pkg::ArgKeyBegin +: 32];
  assign end_k    = args_i[64*vb_attn_pkg::ArgKeyEnd +: 32];
  assign k_stride = args_i[64*vb_attn_pkg::ArgKStride +: 32];
  assign v_stride = args_i[64*vb_attn_pkg::ArgVStride +: 32];
  assign block    = args_i[64*vb_attn_pkg::ArgListBlock +: 32];
  assign count    = args_i[64*vb_attn_pkg::ArgListCount +: 32];
  assign flags    = args_i[64*vb_attn_pkg::ArgFlags +: 32];
  assign shared   = flags[0];
  assign sinks    = mode == 32'(vb_attn_pkg::ModeFull) && args_i[64*vb_attn_pkg::ArgSinks +: 64] != 64'd0;
  assign values   = (mode == 32'(vb_attn_pkg::ModeFull)) || (mode == 32'(vb_attn_pkg::ModeSum));

  always_comb begin
    misaligned   = 1'b0;
    out_of_range = 1'b0;
    misaligned_p = '0;
    err_o        = vb_pkg::ErrNone;
    if (en_i) begin
      for (int a = vb_attn_pkg::ArgQ; a <= vb_attn_pkg::ArgOut; a++)
        misaligned_p[a] = args_i[64*a +: 6] != 6'd0 || args_i[64*a+AW +: 64-AW] != '0;
      if (shared) misaligned_p[vb_attn_pkg::ArgV] = 1'b0;
      misaligned = misaligned_p != '0 ||
        args_i[64*vb_attn_pkg::ArgList +: 6] != 6'd0 || args_i[64*vb_attn_pkg::ArgList+AW +: 64-AW] != '0 ||
        args_i[64*vb_attn_pkg::ArgSinks +: 6] != 6'd0 || args_i[64*vb_attn_pkg::ArgSinks+AW +: 64-AW] != '0;
      for (int a = vb_attn_pkg::ArgQRowStride; a <= vb_attn_pkg::ArgOTokenStride; a++)
        if (args_i[64*a +: 5] != 5'd0 && !(shared && a == vb_attn_pkg::ArgVStride)) misaligned = 1'b1;

      if (rows > vb_attn_pkg::MaxRows || rpt == 32'd0) out_of_range = 1'b1;
      if (dk == 32'd0 || dk > 32'(32 * NBK) || dk[4:0] != 5'd0) out_of_range = 1'b1;
      if (dv == 32'd0 || dv > 32'(32 * NBV) || dv[4:0] != 5'd0) out_of_range = 1'b1;
      if (dv > (shared ? vb_attn_pkg::MaxDvShared : vb_attn_pkg::MaxDv) || (shared && dv > dk)) out_of_range = 1'b1;
      if (end_k > begin_k && end_k - begin_k > vb_attn_pkg::MaxKeys) out_of_range = 1'b1;
      if (k_stride < 32'd32 + dk || (values && !shared && v_stride < dv)) out_of_range = 1'b1;
      if (block != 32'd0) begin
        if (block > vb_attn_pkg::MaxBlock || (block & (block - 32'd1)) != 32'd0 || rows > rpt) out_of_range = 1'b1;
        for (int i = 0; i <= 10; i++)  // count * block, and block is a power of two
          if (block[i] && count > (vb_attn_pkg::MaxKeys >> i)) out_of_range = 1'b1;
      end
      if (sinks && rpt > vb_attn_pkg::MaxSinks) out_of_range = 1'b1;

      if (mode > 32'd3 || flags > 32'd1) err_o = vb_pkg::ErrMode;
      else if (out_of_range)             err_o = vb_pkg::ErrSize;
      else if (misaligned)               err_o = vb_pkg::ErrAlign;
    end
  end

  logic unused_args;
  assign unused_args = ^args_i;
endmodule
