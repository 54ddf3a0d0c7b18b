// SPDX-License-Identifier: Apache-2.0

// Checks a job descriptor before the first access; the first rule that fails gives the error code. Three stages that
// move while no job runs: arguments are stable for longer than that when a job starts.
module vb_router_desc #(
  parameter int unsigned MAX_PAIRS = 65536
) (
  input  logic       clk_i,
  input  logic       en_i,
  input  logic [vb_router_pkg::NumArgs*64-1:0] args_i,
  output logic       bad_o,
  output logic [7:0] error_o,
  output logic [$clog2(MAX_PAIRS):0] pairs_o,  // tokens * k
  output logic [9:0] group_size_o  // experts / groups; 0 without groups
);
  logic [31:0] tokens, experts, k, score, renorm, scale, use_bias, groups, topk_groups, group_top, threshold;
  logic [1:0] stride;
  logic align_bad, mode_bad, value_bad;
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
  logic [9:0] group_size_q;
  logic [21:0] pairs_q;
  logic size1_q, group1_q, size_q, align_q, mode_q, value_q;
  assign group_size_o = group_size_q;
  assign pairs_o = pairs_q[$clog2(MAX_PAIRS):0];
  always_ff @(posedge clk_i)
    if (en_i) begin
      // 1
      group_size_q <= 10'((27'(experts[9:0]) * 27'(inverse)) >> 16);
      pairs_q <= 22'(tokens[16:0]) * 22'(k[4:0]);
      size1_q <= experts == 32'd0 || experts > 32'd512 || k == 32'd0 || k > 32'd16 || k > experts || tokens > 32'(MAX_PAIRS);
      group1_q <= groups > 32'd8 || topk_groups == 32'd0 || topk_groups > groups;
      // 2
      size_q <= size1_q || pairs_q > 22'(MAX_PAIRS) || group_bad;
      align_q <= align_bad;
      mode_q <= mode_bad;
      value_q <= value_bad;
      // 3
      bad_o <= size_q || align_q || mode_q || value_q;
      error_o <= size_q ? vb_pkg::ErrSize : align_q ? vb_pkg::ErrAlign : mode_q ? vb_pkg::ErrMode : value_q ? vb_pkg::ErrValue : vb_pkg::ErrNone;
    end
  assign group_bad = groups != 32'd0 &&
                     (group1_q || 14'(group_size_q) * 14'(groups[3:0]) != 14'(experts[9:0]) ||
                      14'(group_size_q) * 14'(topk_groups[3:0]) < 14'(k[4:0]));
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

  logic unused_args;  // the id, the unused high halves of scalars, middle address bits
  assign unused_args = ^args_i;
endmodule
