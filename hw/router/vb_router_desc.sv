// SPDX-License-Identifier: Apache-2.0

// Checks a job descriptor before the first access; the first rule that fails gives the error code.
// Combinational; looked at in one cycle of the job, when the arguments are stable.
module vb_router_desc #(
  parameter int unsigned MAX_PAIRS = 65536
) (
  input  logic [14*64-1:0] args_i,
  output logic [7:0]       error_o
);
  logic [31:0] tokens, experts, k, score, renorm, scale;
  logic [1:0] stride;
  logic size_bad, align_bad, mode_bad, value_bad;
  assign tokens = args_i[6*64 +: 32];
  assign experts = args_i[7*64 +: 32];
  assign k = args_i[8*64 +: 32];
  assign score = args_i[9*64 +: 32];
  assign renorm = args_i[10*64 +: 32];
  assign stride = args_i[11*64 +: 2];
  assign scale = args_i[12*64 +: 32];

  assign size_bad = experts == 32'd0 || experts > 32'd512 || k == 32'd0 || k > 32'd16 || k > experts ||
                    tokens > 32'(MAX_PAIRS) || 64'(tokens[16:0]) * 64'(k[4:0]) > 64'(MAX_PAIRS);
  always_comb begin
    align_bad = stride != 2'b00;
    for (int i = 0; i < 6; i++)
      if (args_i[i*64 +: 6] != 6'd0 || args_i[i*64 + 40 +: 24] != 24'd0) align_bad = 1'b1;
  end
  assign mode_bad = score != 32'd0 || renorm > 32'd1;
  assign value_bad = scale != 32'd0 && (scale[30:23] < 8'd65 || scale[30:23] > 8'd190);

  always_comb begin
    error_o = vb_pkg::ErrNone;
    if (value_bad) error_o = vb_pkg::ErrValue;
    if (mode_bad) error_o = vb_pkg::ErrMode;
    if (align_bad) error_o = vb_pkg::ErrAlign;
    if (size_bad) error_o = vb_pkg::ErrSize;
  end

  logic unused_args;  // the id, the unused high halves of scalars, middle address bits
  assign unused_args = ^args_i;
endmodule
