// SPDX-License-Identifier: Apache-2.0

// Which groups of experts a token may select from. While the keys of a row stream by, the two best of every
// group are kept; then the groups are ranked one a cycle and those among the first topk_groups stay.
//
//   keys ─► two best of each run of lanes with one group (LGP) ─► merged into the groups (1) ─► copy at the row's end
//   copy ─► best + second, or best (8 + 5) ─► counts of better groups ─► keep
//
// A group is a contiguous range of experts, so within a beat its lanes are one run: a segmented scan finds the
// best two of every run, and the last lane of a run delivers them. Key 0 is no value. done_o comes DONE cycles
// after the last beat; rows must end at least 16 cycles apart.
module vb_router_rank #(
  parameter int unsigned P = 8,
  localparam int unsigned LGP = $clog2(P),
  localparam int unsigned G = 8
) (
  input  logic            clk_i,
  input  logic            rst_i,
  input  logic            sum_two_i,      // job constants: rank by the sum of the two best
  input  logic [3:0]      topk_groups_i,
  input  logic            valid_i,
  input  logic            first_i,
  input  logic            last_i,
  input  logic [P*32-1:0] key_i,          // 0: no expert in this lane
  input  logic [P*G-1:0]  group_i,        // one-hot, 0 where there is no expert
  output logic            done_o,         // for one cycle
  output logic [G-1:0]    keep_o,
  output logic [31:0]     max_o           // largest key of the row
);
  // The best two of two disjoint sets: {best, second}.
  function automatic logic [63:0] merge(input logic [63:0] a, input logic [63:0] b);
    if (a[63:32] >= b[63:32]) merge = {a[63:32], a[31:0] >= b[63:32] ? a[31:0] : b[63:32]};
    else merge = {b[63:32], b[31:0] >= a[63:32] ? b[31:0] : a[63:32]};
  endfunction

  // ---- scan: after level i a lane covers the 2^i lanes up to itself, as far as they are of its group
  logic [LGP:0] v, first, last;
  logic [P*64-1:0] two [LGP+1];
  logic [P*G-1:0] group [LGP+1];
  assign v[0] = valid_i;
  assign first[0] = first_i;
  assign last[0] = last_i;
  assign group[0] = group_i;
  for (genvar l = 0; l < P; l++) begin : g_in
    assign two[0][l*64 +: 64] = {key_i[l*32 +: 32], 32'd0};
  end
  for (genvar i = 0; i < LGP; i++) begin : g_level
    logic v_q, first_q, last_q;
    logic [P*64-1:0] two_q;
    logic [P*G-1:0] group_q;
    always_ff @(posedge clk_i) begin
      v_q <= v[i] && !rst_i;
      if (v[i]) begin
        first_q <= first[i];
        last_q <= last[i];
        group_q <= group[i];
        two_q <= two[i];
        for (int l = 1 << i; l < P; l++)
          if (group[i][l*G +: G] == group[i][(l - (1 << i))*G +: G])
            two_q[l*64 +: 64] <= merge(two[i][l*64 +: 64], two[i][(l - (1 << i))*64 +: 64]);
      end
    end
    assign v[i+1] = v_q;
    assign first[i+1] = first_q;
    assign last[i+1] = last_q;
    assign two[i+1] = two_q;
    assign group[i+1] = group_q;
  end

  // ---- the groups of the row
  logic [G*64-1:0] acc_q, acc_d, copy_q;
  logic copy_v_q;
  always_comb begin : b_merge
    logic [63:0] pick;
    acc_d = '0;
    for (int g = 0; g < G; g++) begin
      pick = '0;
      for (int l = 0; l < P; l++)
        if (group[LGP][l*G + g] && (l == P - 1 || !group[LGP][((l + 1) % P)*G + g])) pick = pick | two[LGP][l*64 +: 64];
      acc_d[g*64 +: 64] = merge(first[LGP] ? 64'd0 : acc_q[g*64 +: 64], pick);
    end
  end
  always_ff @(posedge clk_i) begin
    copy_v_q <= v[LGP] && last[LGP] && !rst_i;
    if (v[LGP]) acc_q <= acc_d;
    if (v[LGP] && last[LGP]) copy_q <= acc_d;
  end

  // ---- one group a cycle into the adder; the largest key on the way
  logic feed_q, here;
  logic [2:0] g_q;
  logic [31:0] best, second, max_q;
  assign {best, second} = copy_q[32'(g_q)*64 +: 64];
  assign here = best != '0;
  always_ff @(posedge clk_i) begin
    if (rst_i) feed_q <= 1'b0;
    else if (copy_v_q) feed_q <= 1'b1;
    else if (g_q == 3'd7) feed_q <= 1'b0;
    if (copy_v_q) g_q <= 3'd0;
    else if (feed_q) g_q <= g_q + 3'd1;
    if (copy_v_q) max_q <= '0;
    else if (feed_q && best > max_q) max_q <= best;
  end

  function automatic logic [31:0] value(input logic [31:0] key);
    value = key == '0 ? '0 : key[31] ? {1'b0, key[30:0]} : ~key;
  endfunction
  logic sum_v;
  logic [31:0] sum;
  logic [4:0] here_q;
  vb_add u_add (
    .clk_i, .rst_i, .valid_i(feed_q), .a_i(value(best)), .b_i(sum_two_i ? value(second) : 32'd0), .valid_o(sum_v),
    .z_o(sum));
  always_ff @(posedge clk_i) here_q <= {here_q[3:0], here};

  // ---- how many groups come before each: larger rank first, ties by lower index
  logic [2:0] j_q;
  logic [31:0] rank;
  logic [G*32-1:0] rank_q;
  logic [G*3-1:0] above_q;
  logic counted_q;
  assign rank = !here_q[4] ? '0 : sum[31] ? ~sum : {1'b1, sum[30:0]};
  always_ff @(posedge clk_i) begin
    counted_q <= sum_v && j_q == 3'd7 && !rst_i;
    if (rst_i) j_q <= 3'd0;
    else if (sum_v) j_q <= j_q + 3'd1;
    if (sum_v) begin : b_count
      logic [2:0] above;
      above = 3'd0;
      for (int g = 0; g < G - 1; g++) begin
        if (3'(g) < j_q) begin
          if (rank > rank_q[g*32 +: 32]) above_q[g*3 +: 3] <= above_q[g*3 +: 3] + 3'd1;
          else above = above + 3'd1;
        end
      end
      for (int g = 0; g < G; g++) if (j_q == 3'(g)) begin
        above_q[g*3 +: 3] <= above;
        rank_q[g*32 +: 32] <= rank;
      end
    end
  end
  assign done_o = counted_q;
  assign max_o = max_q;
  for (genvar g = 0; g < G; g++) begin : g_keep
    assign keep_o[g] = {1'b0, above_q[g*3 +: 3]} < topk_groups_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_apart: assert (!copy_v_q || (!feed_q && !sum_v && j_q == 3'd0));  // the row before is done
      a_any: assert (!counted_q || keep_o != '0);
    end
  end
endmodule
