// SPDX-License-Identifier: Apache-2.0

// Dispatch: counts the pairs of every expert while they are made, then three phases
//
//   prefix    E + 1 steps  (hist[e], offsets[e]) leave as words; the counters become start offsets
//   scatter   N steps      pair p goes to place offset[expert of p]++ of the list: stable
//   list      N / P steps  the list leaves in beats
//
// A pair is dropped when its gate is below the threshold or its expert has its capacity of pairs already: it is not
// counted, keeps its place among the pairs with a flag, and its scatter step does nothing. So no step depends on how many are
// dropped; what they leave free at the end of the list is filled with ones.
//
// One pair, counter or beat a step. Counters are one memory with a registered read port; the write of
// the step before is forwarded, so what a memory returns where it is written does not matter (no_rw_check). A flag per expert instead of a clearing phase: flag 0 reads as 0.
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
  input  logic             finish_i,     // pulse: all pairs were given, run the three phases
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
  localparam logic [2:0] Count = 3'd0, Prefix = 3'd1, Settle = 3'd2, Scatter = 3'd3, List = 3'd4;
  logic [2:0] state_q;
  logic [NW:0] idx_q;
  logic step, last, drained;
  logic prefix_step, scatter_step, list_step, c1_q, c1_pair_q, c2_pair_q, stays, c2_stays_q;
  logic [8:0] c1_addr_q;

  // Scatter never waits. Settle lets the last counter write land.
  assign prefix_step = state_q == Prefix && room_i;
  assign scatter_step = state_q == Scatter;
  assign list_step = state_q == List && room_i;
  assign step = prefix_step || scatter_step || list_step;
  assign step_o = step || c2_pair_q;
  assign blocked_o = (state_q == Prefix || state_q == List) && !room_i;
  always_comb begin
    case (state_q)
      Prefix: last = idx_q == (NW + 1)'(experts_i);
      Scatter: last = idx_q + 1'b1 == pairs_i;
      default: last = ((idx_q + 1'b1) << LGP) >= pairs_i;
    endcase
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) state_q <= Count;
    else begin
      case (state_q)
        Count: if (finish_i) state_q <= Prefix;
        Prefix: if (step && last) state_q <= pairs_i == '0 ? Count : Scatter;
        Scatter: if (last) state_q <= Settle;
        Settle: if (drained) state_q <= List;
        List: if (step && last) state_q <= Count;
        default: state_q <= Count;
      endcase
    end
    if (finish_i || (step && last)) idx_q <= '0;
    else if (step) idx_q <= idx_q + 1'b1;
  end

  // ---- experts of the pairs, in pair order
  (* no_rw_check *) logic [9:0] pair_mem [MAX_PAIRS];  // {stays, expert}
  logic [9:0] pair_rd;
  logic [NW:0] pair_wp_q;
  always_ff @(posedge clk_i) begin
    if (rst_i || clear_i) pair_wp_q <= '0;
    else if (c1_pair_q) pair_wp_q <= pair_wp_q + 1'b1;
    if (c1_pair_q) pair_mem[pair_wp_q[NW-1:0]] <= {stays, c1_addr_q};
    if (scatter_step) pair_rd <= pair_mem[idx_q[NW-1:0]];
  end

  // ---- counters: address in cycle c, value and write in c + 1
  logic s1_q;                       // a scatter step has its expert
  logic [NW-1:0] s1_idx_q;
  logic c_v, c1_prefix_q, c1_scatter_q, c1_final_q, c1_hlast_q, c1_below_q, c1_nothing_q;
  logic [8:0] c_addr;
  logic [NW-1:0] c1_idx_q;
  logic final_step;
  assign final_step = prefix_step && last;   // the total, no counter behind it
  assign c_v = pair_valid_i || s1_q || prefix_step;
  assign c_addr = s1_q ? pair_rd[8:0] : (state_q == Prefix ? idx_q[8:0] : pair_id_i);

  (* no_rw_check *) logic [NW:0] cnt_mem [512];
  logic [NW:0] cnt_rd, cur, c1_wdata, fwd_data_q, run_q;
  logic [31:0] used_mem [16];  // [e mod 16][e / 16]
  logic [4:0] wipe_q;          // 16: all are wiped
  logic [8:0] used_at;
  logic [31:0] used_rd;
  assign used_at = state_q == Prefix ? idx_q[8:0] : pair_id_i;
  assign used_rd = used_mem[used_at[3:0]];
  logic hit_q, hit_room_q, c1_used_q;
  logic c1_we;

  always_ff @(posedge clk_i) begin
    s1_q <= scatter_step && !rst_i;
    if (scatter_step) s1_idx_q <= idx_q[NW-1:0];
    c1_q <= c_v && !rst_i;
    c1_pair_q <= pair_valid_i && !rst_i;
    c2_pair_q <= c1_pair_q && !rst_i;
    if (c1_pair_q) c2_stays_q <= stays;
    if (c_v) begin
      c1_addr_q <= c_addr;
      c1_below_q <= pair_below_i;
      c1_prefix_q <= prefix_step;
      c1_scatter_q <= s1_q && pair_rd[9];
      // the total, or no pairs at all, or a dropped one: no counter changes
      c1_nothing_q <= prefix_step ? last || pairs_i == '0 : s1_q && !pair_rd[9];
      c1_final_q <= final_step;
      c1_hlast_q <= (NW + 1)'(idx_q + 1'b1) == (NW + 1)'(experts_i);
      c1_idx_q <= s1_idx_q;
      cnt_rd <= cnt_mem[c_addr];
      hit_q <= c1_q && c1_addr_q == c_addr;
      // A scattered expert has been counted.
      c1_used_q <= s1_q || (pairs_i != '0 && used_rd[used_at[8:4]]);
    end
  end

  // The memory is slow: all that is compared with a count is compared with both that may be it.
  assign cur = hit_q ? fwd_data_q : c1_used_q ? cnt_rd : '0;
  assign stays = !c1_below_q && (hit_q ? hit_room_q : !c1_used_q || cnt_rd < capacity_i);
  assign pair_stays_o = c2_stays_q;
  assign c1_we = c1_q && !c1_nothing_q && (!c1_pair_q || stays);
  assign c1_wdata = c1_prefix_q ? run_q : cur + 1'b1;
  always_ff @(posedge clk_i) begin
    if (c1_we) cnt_mem[c1_addr_q] <= c1_wdata;
    if (c1_q) begin
      fwd_data_q <= c1_we ? c1_wdata : cur;
      hit_room_q <= c1_below_q ? cur < capacity_i : cur < capacity_i - 1'b1;
    end
    for (int w = 0; w < 32; w++)
      if (!wipe_q[4] || (c1_we && c1_addr_q[8:4] == 5'(w))) used_mem[wipe_q[4] ? c1_addr_q[3:0] : wipe_q[3:0]][w] <= wipe_q[4];
    if (rst_i) wipe_q <= 5'd16;
    else if (clear_i) wipe_q <= 5'd0;
    else if (!wipe_q[4]) wipe_q <= wipe_q + 5'd1;
    if (clear_i) run_q <= '0;
    else if (c1_q && c1_prefix_q && !c1_final_q) run_q <= run_q + cur;
  end
  assign drained = !s1_q && !c1_q;
  assign word_valid_o = c1_q && c1_prefix_q;
  assign hist_valid_o = word_valid_o && !c1_final_q;
  assign hist_o = 32'(cur);
  assign hist_last_o = c1_hlast_q;
  assign offset_o = 32'(run_q);
  assign offset_last_o = c1_final_q;

  // ---- the list: P banks of 16-bit pair numbers, written one at a time, read as a beat
  logic l1_q;
  logic [P-1:0] l1_full_q;
  always_ff @(posedge clk_i)
    if (list_step)
      for (int b = 0; b < P; b++) l1_full_q[b] <= {idx_q[NW-LGP:0], LGP'(b)} < run_q;
  for (genvar b = 0; b < P; b++) begin : g_bank
    (* no_rw_check *) logic [15:0] list_mem [MAX_PAIRS / P];
    logic [15:0] list_rd;
    always_ff @(posedge clk_i) begin
      if (c1_q && c1_scatter_q && cur[LGP-1:0] == LGP'(b)) list_mem[cur[NW-1:LGP]] <= 16'(c1_idx_q);
      if (list_step) list_rd <= list_mem[idx_q[NW-LGP-1:0]];
    end
    assign beat_o[b*32 +: 32] = l1_full_q[b] ? {16'd0, list_rd} : '1;
  end
  always_ff @(posedge clk_i) l1_q <= list_step && !rst_i;
  assign beat_valid_o = l1_q;
  assign busy_o = state_q != Count || c1_q || l1_q;

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_one_source: assert (32'(pair_valid_i) + 32'(s1_q) + 32'(prefix_step) <= 1);
      a_place: assert (!(c1_q && c1_scatter_q) || cur < pairs_i);
      a_total: assert (!(c1_q && c1_final_q) || run_q <= pairs_i);
      a_all: assert (!finish_i || pair_wp_q == pairs_i);
    end
  end
endmodule
