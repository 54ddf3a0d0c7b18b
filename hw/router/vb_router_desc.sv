// SPDX-License-Identifier: Apache-2.0

// Checks a job descriptor before the first access; the first rule that fails gives the error code.
// Combinational; looked at in one cycle of the job, when the arguments are stable.
module vb_router_desc #(
  parameter int unsigned MAX_PAIRS = 65536
) (
  input  logic [vb_router_pkg::NumArgs*64-1:0] args_i,
  output logic [7:0] error_o,
  output logic [9:0] group_size_o  // experts / groups; 0 without groups
);
  logic [31:0] tokens, experts, k, score, renorm, scale, use_bias, groups, topk_groups, group_top, threshold;
  logic [1:0] stride;
  logic size_bad, align_bad, mode_bad, value_bad;
  assign tokens = args_i[vb_router_pkg::ArgTokens*64 +: 32];
  assign experts = args_i[vb_router_pkg::ArgExperts*64 +: 32];
  assign k = args_i[vb_router_pkg::ArgK*64 +: 32];
  assign score = args_i[vb_router_pkg::ArgScore*64 +: 32];
  assign renorm = args_i[vb_router_pkg::ArgRenorm*64 +: 32];
  assign stride = args_i[vb_router_pkg::ArgLogitsStride*64 +: 2];
  assign scale = args_i[vb_router_pkg::ArgScale*64 +: 32];
  assign use_bias = args_i[vb_router_pkg::ArgUseBias*64 +: 32];
  assign groups = args_i[vb_router_pkg::ArgGroups*64 +: 32];
  assign topk_groups = args_i[vb_router_pkg::ArgTopkGroups*64 +: 32];
  assign group_top = args_i[vb_router_pkg::ArgGroupTop*64 +: 32];
  assign threshold = args_i[vb_router_pkg::ArgThreshold*64 +: 32];

  // experts / groups by multiplication: exact for 0..1023 / 1..8
  logic group_bad;
  logic [16:0] inverse;
  always_comb begin
    case (groups[3:0])
      4'd1: inverse = 17'd65536;
      4'd2: inverse = 17'd32768;
      4'd3: inverse = 17'd21846;
      4'd4: inverse = 17'd16384;
      4'd5: inverse = 17'd13108;
      4'd6: inverse = 17'd10923;
      4'd7: inverse = 17'd9363;
      4'd8: inverse = 17'd8192;
      default: inverse = 17'd0;
    endcase
  end
  assign group_size_o = 10'((27'(experts[9:0]) * 27'(inverse)) >> 16);
  assign group_bad = groups != 32'd0 &&
                     (groups > 32'd8 || 14'(group_size_o) * 14'(groups[3:0]) != 14'(experts[9:0]) ||
                      topk_groups == 32'd0 || topk_groups > groups ||
                      14'(group_size_o) * 14'(topk_groups[3:0]) < 14'(k[4:0]));

  assign size_bad = experts == 32'd0 || experts > 32'd512 || k == 32'd0 || k > 32'd16 || k > experts ||
                    tokens > 32'(MAX_PAIRS) || 64'(tokens[16:0]) * 64'(k[4:0]) > 64'(MAX_PAIRS) || group_bad;
  always_comb begin
    align_bad = stride != 2'b00;
    for (int i = 0; i <= vb_router_pkg::ArgBias; i++)
      if ((i <= vb_router_pkg::ArgList || (i == vb_router_pkg::ArgBias && use_bias != 32'd0)) &&
          (args_i[i*64 +: 6] != 6'd0 || args_i[i*64 + 40 +: 24] != 24'd0)) align_bad = 1'b1;
  end
  assign mode_bad = score > 32'd1 || renorm > 32'd1 || use_bias > score ||  // a bias is for sigmoids only
                    (groups != 32'd0 && group_top != 32'd1 && group_top != 32'd2);
  assign value_bad = (scale != 32'd0 && (scale[30:23] < 8'd65 || scale[30:23] > 8'd190)) ||
                     (threshold != 32'd0 && (threshold[31] || threshold[30:23] < 8'd65 || threshold[30:23] > 8'd190));

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
