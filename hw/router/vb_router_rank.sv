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

  // ---- the groups of the row. Only the group of lane 0 can have begun in the beat before, where it was that of the last lane.
  logic [P-1:0] end_q, head_end_q;  // the lane is the last of its run; and of lane 0's
  logic goes_on_q, one_run_q;       // lane 0's group is that of the beat before; the last lane's is that of lane 0
  always_ff @(posedge clk_i)
    if (v[LGP-1]) begin : b_runs
      logic [P-1:0] ends;
      ends = '0;
      for (int l = 0; l < P; l++)
        ends[l] = l == P - 1 || group[LGP-1][l*G +: G] != group[LGP-1][((l + 1) % P)*G +: G];
      end_q <= ends;
      for (int l = 0; l < P; l++) head_end_q[l] <= ends[l] && group[LGP-1][l*G +: G] == group[LGP-1][0 +: G];
      goes_on_q <= !first[LGP-1] && group[LGP-1][0 +: G] == group[LGP][(P-1)*G +: G];
      one_run_q <= group[LGP-1][0 +: G] == group[LGP-1][(P-1)*G +: G];
    end

  logic [G*64-1:0] acc_q, copy_q;
  logic [63:0] open_q;              // the best two of the last lane's group so far
  logic copy_v_q;
  always_ff @(posedge clk_i) begin
    copy_v_q <= v[LGP] && last[LGP] && !rst_i;
    if (v[LGP]) begin : b_merge
      logic [63:0] pick, head;
      logic any;
      head = '0;
      for (int l = 0; l < P; l++) if (head_end_q[l]) head = head | two[LGP][l*64 +: 64];
      if (goes_on_q) head = merge(open_q, head);
      open_q <= one_run_q ? head : two[LGP][(P-1)*64 +: 64];
      for (int g = 0; g < G; g++) begin
        pick = '0;
        any = 1'b0;
        for (int l = 0; l < P; l++) begin
          if (group[LGP][l*G + g]) any = 1'b1;
          if (end_q[l] && group[LGP][l*G + g]) pick = pick | two[LGP][l*64 +: 64];
        end
        if (any) acc_q[g*64 +: 64] <= group[LGP][g] ? head : pick;
        else if (first[LGP]) acc_q[g*64 +: 64] <= '0;
      end
    end
    if (copy_v_q) copy_q <= acc_q;
  end

  // ---- one group a cycle into the adder, taken from the copy a cycle before; the largest key on the way
  function automatic logic [31:0] value(input logic [31:0] key);
    value = key == '0 ? '0 : key[31] ? {1'b0, key[30:0]} : ~key;
  endfunction
  logic feed_q, feed_here_q;
  logic [2:0] g_q;  // group taken, 0 at rest
  logic [31:0] best, second, feed_a_q, feed_b_q, feed_key, max_q;
  assign {best, second} = g_q == 3'd0 ? acc_q[63:0] : copy_q[32'(g_q)*64 +: 64];
  assign feed_key = feed_a_q[31] ? ~feed_a_q : {1'b1, feed_a_q[30:0]};
  always_ff @(posedge clk_i) begin
    if (rst_i) feed_q <= 1'b0;
    else if (copy_v_q) feed_q <= 1'b1;
    else if (g_q == 3'd0) feed_q <= 1'b0;
    if (rst_i) g_q <= 3'd0;
    else if (copy_v_q || g_q != 3'd0) g_q <= g_q + 3'd1;
    if (copy_v_q || g_q != 3'd0) begin
      feed_here_q <= best != '0;
      feed_a_q <= value(best);
      feed_b_q <= sum_two_i ? value(second) : 32'd0;
    end
    if (copy_v_q) max_q <= '0;
    else if (feed_q && feed_here_q && feed_key > max_q) max_q <= feed_key;
  end

  logic sum_v;
  logic [31:0] sum;
  logic [4:0] here_q;
  vb_add u_add (
    .clk_i, .rst_i, .valid_i(feed_q), .a_i(feed_a_q), .b_i(feed_b_q), .valid_o(sum_v), .z_o(sum));
  always_ff @(posedge clk_i) here_q <= {here_q[3:0], feed_here_q};

  // ---- how many groups come before each: larger rank first, ties by lower index
  logic [2:0] j_q;
  logic [31:0] rank;
  logic [G*32-1:0] rank_q;
  logic [G*3-1:0] above_q;
  logic counted_q;
  logic [G-2:0] known_q;  // groups ranked so far
  assign rank = !here_q[4] ? '0 : sum[31] ? ~sum : {1'b1, sum[30:0]};
  always_ff @(posedge clk_i) begin
    counted_q <= sum_v && j_q == 3'd7 && !rst_i;
    if (rst_i) j_q <= 3'd0;
    else if (sum_v) j_q <= j_q + 3'd1;
    if (rst_i) known_q <= '0;
    else if (sum_v) known_q <= j_q == 3'd7 ? '0 : {known_q[G-3:0], 1'b1};
    if (sum_v) begin : b_count
      logic [G-2:0] over;  // known groups that stay above this one
      over = '0;
      for (int g = 0; g < G - 1; g++) begin
        over[g] = known_q[g] && rank <= rank_q[g*32 +: 32];
        if (known_q[g] && !over[g]) above_q[g*3 +: 3] <= above_q[g*3 +: 3] + 3'd1;
      end
      for (int g = 0; g < G; g++) if (j_q == 3'(g)) begin
        above_q[g*3 +: 3] <= (3'(over[0]) + 3'(over[1]) + 3'(over[2])) + (3'(over[3]) + 3'(over[4]) + 3'(over[5])) + 3'(over[6]);
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
