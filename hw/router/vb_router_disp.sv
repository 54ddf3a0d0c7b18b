// SPDX-License-Identifier: Apache-2.0

// Dispatch: counts the pairs of every expert while they are made, and groups them (vb_router_list). What is left then is to write:
//
//   prefix    E + 1 steps  (hist[e], offsets[e]) leave as words, while the groups are packed into beats
//   list      N / P steps  the beats leave
//
// A pair is dropped when its gate is below the threshold or its expert has its capacity of pairs already: it is not
// counted and not grouped. No step depends on how many are dropped; what they leave free at the end of the list is filled
// with ones.
//
// One pair, counter or beat a step. Counters are one memory with a registered read port, and a copy of the counts for the walk
// over the groups. The experts of a token differ, and the next token's division lets its pairs come later: two pairs of an
// expert are never neighbours, so a counter is never read where it is written (no_rw_check).
// A flag per expert instead of a clearing phase: flag 0 reads as 0.
// The flags are wiped 32 a cycle when a job starts, long before its first pair; a job without pairs does not look at them.
module vb_router_disp #(
  parameter int unsigned P = 8,
  parameter int unsigned MAX_PAIRS = 65536,      // a power of two, <= 65536
  localparam int unsigned NW = $clog2(MAX_PAIRS),
  localparam int unsigned LGP = $clog2(P)
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             clear_i,      // first cycle of a job: forget all counts
  input  logic [9:0]       experts_i,    // job constants
  input  logic [NW:0]      pairs_i,
  input  logic [NW:0]      capacity_i,   // pairs an expert takes; all ones: any number

  input  logic             pair_valid_i, // one selected expert, in pair order
  input  logic [8:0]       pair_id_i,
  input  logic             pair_below_i, // its gate is below the threshold
  output logic             pair_stays_o, // two cycles later: it is not dropped
  input  logic             finish_i,     // pulse: all pairs were given
  input  logic             room_i,       // the output takes at least 4 more words or beats

  output logic             step_o,       // a step is made
  output logic             blocked_o,    // a step waits for room_i
  output logic             busy_o,
  output logic             word_valid_o, // hist and offset words, together
  output logic             hist_valid_o, // not with the final offset
  output logic [31:0]      hist_o,
  output logic             hist_last_o,
  output logic [31:0]      offset_o,
  output logic             offset_last_o,
  output logic             beat_valid_o,
  output logic [P*32-1:0]  beat_o
);
  localparam logic [1:0] Count = 2'd0, Prefix = 2'd1, Settle = 2'd2, List = 2'd3;
  localparam int unsigned BW = $clog2(MAX_PAIRS / P + 512);  // number of a block
  localparam logic [2:0] Rest = 3'd5;  // cycles in which the walk, which starts later and is longer, comes up
  logic [1:0] state_q;
  logic [2:0] rest_q;
  logic [NW:0] idx_q;
  logic step, last;
  logic prefix_step, list_step, c1_q, c1_pair_q, c2_pair_q, stays, c2_stays_q;
  logic [8:0] c1_addr_q;

  assign prefix_step = state_q == Prefix && room_i;
  assign list_step = state_q == List && room_i;
  assign step = prefix_step || list_step;
  assign step_o = step || c2_pair_q;
  assign blocked_o = (state_q == Prefix || state_q == List) && !room_i;
  always_comb begin
    if (state_q == Prefix) last = idx_q == (NW + 1)'(experts_i);
    else last = ((idx_q + 1'b1) << LGP) >= pairs_i;
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) state_q <= Count;
    else begin
      case (state_q)
        Count: if (finish_i) state_q <= Prefix;
        Prefix: if (step && last) state_q <= pairs_i == '0 ? Count : Settle;
        Settle: if (rest_q == '0) state_q <= List;
        default: if (step && last) state_q <= Count;
      endcase
    end
    if (finish_i || (step && last)) idx_q <= '0;
    else if (step) idx_q <= idx_q + 1'b1;
    rest_q <= state_q == Settle ? rest_q - 1'b1 : Rest - 1'b1;
  end

  // ---- counters: address in cycle c, value and write in c + 1
  logic c_v, c1_prefix_q, c1_final_q, c1_hlast_q, c1_below_q;
  logic [8:0] c_addr;
  assign c_v = pair_valid_i || prefix_step;
  assign c_addr = state_q == Prefix ? idx_q[8:0] : pair_id_i;

  (* no_rw_check *) logic [BW+NW:0] cnt_mem [512];  // {newest block, pairs}
  logic [BW+NW:0] cnt_rd;
  logic [BW-1:0] cur_block, block;
  logic [NW:0] cur, run_q, pair_q;
  logic [31:0] used_mem [16];  // [e mod 16][e / 16]
  logic [4:0] wipe_q;          // 16: all are wiped
  logic [31:0] used_rd;
  assign used_rd = used_mem[c_addr[3:0]];
  logic c1_used_q;
  logic c1_we;

  always_ff @(posedge clk_i) begin
    c1_q <= c_v && !rst_i;
    c1_pair_q <= pair_valid_i && !rst_i;
    c2_pair_q <= c1_pair_q && !rst_i;
    if (c1_pair_q) c2_stays_q <= stays;
    if (c_v) begin
      c1_addr_q <= c_addr;
      c1_below_q <= pair_below_i;
      c1_prefix_q <= prefix_step;
      c1_final_q <= prefix_step && last;  // the total, no counter behind it
      c1_hlast_q <= (NW + 1)'(idx_q + 1'b1) == (NW + 1)'(experts_i);
      cnt_rd <= cnt_mem[c_addr];
      c1_used_q <= pairs_i != '0 && used_rd[c_addr[8:4]];
    end
  end

  assign cur_block = cnt_rd[BW+NW:NW+1];
  assign cur = c1_used_q ? cnt_rd[NW:0] : '0;
  assign stays = !c1_below_q && (!c1_used_q || cnt_rd[NW:0] < capacity_i);
  assign pair_stays_o = c2_stays_q;
  assign c1_we = c1_pair_q && stays;
  always_ff @(posedge clk_i) begin
    if (c1_we) cnt_mem[c1_addr_q] <= {block, cur + 1'b1};
    for (int w = 0; w < 32; w++)
      if (!wipe_q[4] || (c1_we && c1_addr_q[8:4] == 5'(w))) used_mem[wipe_q[4] ? c1_addr_q[3:0] : wipe_q[3:0]][w] <= wipe_q[4];
    if (rst_i) wipe_q <= 5'd16;
    else if (clear_i) wipe_q <= 5'd0;
    else if (!wipe_q[4]) wipe_q <= wipe_q + 5'd1;
    if (clear_i) run_q <= '0;
    else if (c1_q && c1_prefix_q && !c1_final_q) run_q <= run_q + cur;
    if (rst_i || clear_i) pair_q <= '0;
    else if (c1_pair_q) pair_q <= pair_q + 1'b1;
  end
  assign word_valid_o = c1_q && c1_prefix_q;
  assign hist_valid_o = word_valid_o && !c1_final_q;
  assign hist_o = 32'(cur);
  assign hist_last_o = c1_hlast_q;
  assign offset_o = 32'(run_q);
  assign offset_last_o = c1_final_q;

  // ---- groups, and the counts as they look them up
  logic [8:0] want;
  logic want_v, want_used_q;
  logic [31:0] want_used;
  logic [P*16-1:0] pairs;
  logic have;
  (* no_rw_check *) logic [NW:0] copy_mem [512];
  logic [NW:0] copy_rd;
  assign want_used = used_mem[want[3:0]];
  always_ff @(posedge clk_i) begin
    if (c1_we) copy_mem[c1_addr_q] <= cur + 1'b1;
    if (want_v) begin
      copy_rd <= copy_mem[want];
      want_used_q <= want_used[want[8:4]];
    end
  end
  vb_router_list #(.P(P), .MAX_PAIRS(MAX_PAIRS)) u_list (
    .clk_i, .rst_i, .clear_i, .experts_i, .pair_valid_i(c1_we), .pair_id_i(c1_addr_q), .pair_count_i(cur),
    .pair_block_i(cur_block), .pair_i(pair_q[NW-1:0]), .block_o(block), .walk_i(finish_i && pairs_i != '0), .want_o(want),
    .want_valid_o(want_v), .count_i(want_used_q ? copy_rd : (NW + 1)'(0)), .read_i(list_step), .beat_o(pairs),
    .have_o(have));

  // ---- the list
  logic l1_q;
  logic [P-1:0] l1_full_q;
  always_ff @(posedge clk_i) begin
    l1_q <= list_step && !rst_i;
    if (list_step) for (int b = 0; b < P; b++) l1_full_q[b] <= {idx_q[NW-LGP:0], LGP'(b)} < run_q;
  end
  for (genvar b = 0; b < P; b++) begin : g_lane
    assign beat_o[b*32 +: 32] = l1_full_q[b] ? {16'd0, pairs[b*16 +: 16]} : '1;
  end
  assign beat_valid_o = l1_q;
  assign busy_o = state_q != Count || c1_q || l1_q;

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_one_source: assert (!(pair_valid_i && prefix_step));
      a_neighbours: assert (!(pair_valid_i && c1_pair_q && pair_id_i == c1_addr_q));
      a_place: assert (!c1_we || cur < pairs_i);
      a_total: assert (!(c1_q && c1_final_q) || run_q <= pairs_i);
      a_ready: assert (!list_step || have || (idx_q << LGP) >= run_q);
      a_all: assert (!finish_i || pair_q == pairs_i);
    end
  end
endmodule
