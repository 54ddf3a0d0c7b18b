// SPDX-License-Identifier: Apache-2.0

// The router without its bus: beats of logits in, write chunks out. One instance processes one job
// between start_i and done_o; rst_i also serves as the flush after an error. Block diagram: README.md.
module vb_router_core #(
  parameter int unsigned P = 8,
  parameter int unsigned MAX_PAIRS = 65536,
  localparam int unsigned AW = vb_pkg::AddrW,
  localparam int unsigned CW = vb_pkg::LenW,
  localparam int unsigned LGP = $clog2(P),
  localparam int unsigned NW = $clog2(MAX_PAIRS)
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             start_i,      // job constants are valid from here on
  input  logic [9:0]       experts_i,
  input  logic [4:0]       k_i,
  input  logic             renorm_i,
  input  logic             sigmoid_i,
  input  logic             use_bias_i,
  input  logic [3:0]       groups_i,     // 0: none
  input  logic [3:0]       topk_groups_i,
  input  logic             sum_two_i,    // a group's rank: the sum of its two best instead of its best
  input  logic [9:0]       group_size_i,
  input  logic [31:0]      scale_i,
  input  logic [31:0]      threshold_i,
  input  logic [NW:0]      capacity_i,
  input  logic [NW:0]      pairs_i,      // tokens * k
  input  logic [5*AW-1:0]  addr_i,       // ids, gates, hist, offsets, list

  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [P*32-1:0]  in_data_i,
  input  logic             in_bias_i,    // the bias row, before all logits
  input  logic [LGP-1:0]   in_off_i,
  input  logic             in_last_i,

  output logic             chunk_valid_o,
  input  logic             chunk_ready_i,
  output logic [AW-1:0]    chunk_addr_o,
  output logic [CW-1:0]    chunk_bytes_o,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [P*32-1:0]  out_data_o,
  output logic             chunk_open_o, // data of a chunk is still owed to the write master
  output logic             done_o,       // every value was handed to the write master

  output logic             work_o,       // a beat, weight, pair or counter moved this cycle
  output logic             wait_write_o, // the only obstacle is room in an output queue
  output logic             inside_o      // something is in a pipeline of the core
);
  localparam int unsigned EW = 42;
  localparam int unsigned DEPTH = 64;    // output queues, beats
  // Words of a whole token and of those still in the gate pipeline, and an open beat.
  localparam int unsigned TOKEN_ROOM = (16 + 12 + P - 1) / P + 2;

  // ---- scores, token buffer and its three passes
  logic rows_start, rows_issue, rows_busy, w_valid, w_max, w_first, w_last;
  logic [1:0] w_bank;
  logic [P*32-1:0] w_z;
  logic [P*EW-1:0] w_ent;
  logic [P-1:0] w_keep;
  logic [EW-1:0] w_kth;
  logic bank_free;
  vb_router_rows #(.P(P)) u_rows (
    .clk_i, .rst_i, .experts_i, .k_i, .sigmoid_i, .use_bias_i, .groups_i, .topk_groups_i, .sum_two_i, .group_size_i,
    .in_valid_i, .in_ready_o, .in_data_i, .in_bias_i, .in_off_i, .in_last_i,
    .bank_free_i(bank_free), .start_o(rows_start), .issue_o(rows_issue), .busy_o(rows_busy),
    .w_valid_o(w_valid), .w_max_o(w_max), .w_first_o(w_first), .w_last_o(w_last), .w_bank_o(w_bank),
    .w_z_o(w_z), .w_ent_o(w_ent), .w_keep_o(w_keep), .w_kth_o(w_kth));

  logic weigh_done, align_done, bank_done, weigh_busy, align_busy, aligned;
  logic [1:0] done_bank, div_bank, iss_bank, al_bank;
  logic [3:0] iss_slot, al_slot;
  logic [31:0] al_w;
  logic [7:0] al_top, div_top;
  logic [47:0] weigh_sum, align_sum;
  logic [8:0] rd_id;
  logic [31:0] rd_w;
  logic [47:0] div_sum_q;
  logic [7:0] div_top_q;
  vb_router_weigh #(.P(P)) u_weigh (
    .clk_i, .rst_i, .valid_i(w_valid), .max_i(w_max), .first_i(w_first), .last_i(w_last), .bank_i(w_bank),
    .z_i(w_z), .ent_i(w_ent), .keep_i(w_keep), .kth_i(w_kth), .sigmoid_i, .renorm_i, .ready_o(weigh_done), .ready_bank_o(done_bank),
    .busy_o(weigh_busy), .sum_bank_i(div_bank), .sum_o(weigh_sum), .top_o(div_top), .rd_bank_i(iss_bank),
    .rd_slot_i(iss_slot), .rd_id_o(rd_id), .rd_w_o(rd_w), .al_bank_i(al_bank), .al_slot_i(al_slot), .al_w_o(al_w),
    .al_top_o(al_top));

  // Sigmoids are summed once the largest is known; softmax weights were on the way.
  assign aligned = sigmoid_i && renorm_i;
  vb_router_align u_align (
    .clk_i, .rst_i, .k_i, .ready_i(weigh_done && aligned), .skip_i(weigh_done && !aligned), .bank_o(al_bank),
    .slot_o(al_slot), .w_i(al_w), .top_i(al_top), .ready_o(align_done), .busy_o(align_busy), .sum_bank_i(div_bank), .sum_o(align_sum));
  assign bank_done = aligned ? align_done : weigh_done;
  // A division starts two cycles after its sum was written, or later.
  always_ff @(posedge clk_i) begin
    div_sum_q <= aligned ? align_sum : weigh_sum;
    div_top_q <= div_top;
  end

  // Banks: taken when a token enters the second pass, complete, then free when its weights were issued.
  logic [2:0] taken_q, ready_q;
  logic div_take, bank_release;
  assign bank_free = taken_q < 3'd4;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      taken_q <= 3'd0;
      ready_q <= 3'd0;
    end else begin
      taken_q <= taken_q + 3'(rows_start) - 3'(bank_release);
      ready_q <= ready_q + 3'(bank_done) - 3'(div_take);
    end
  end

  // ---- gates
  logic gate_issue, gate_blocked, gate_busy, g_valid, g_early, g_below, g_stays, token_room;
  logic [8:0] g_id, g_early_id;
  logic [31:0] g_gate;
  vb_router_gate u_gate (
    .clk_i, .rst_i, .k_i, .scale_i, .threshold_i, .sigmoid_i, .renorm_i, .bank_full_i(ready_q != 3'd0), .div_bank_o(div_bank),
    .div_sum_i(div_sum_q), .div_top_i(div_top_q), .div_take_o(div_take), .w_bank_o(iss_bank), .w_slot_o(iss_slot), .w_id_i(rd_id), .w_i(rd_w),
    .release_o(bank_release), .room_i(token_room), .issue_o(gate_issue), .blocked_o(gate_blocked),
    .busy_o(gate_busy), .early_o(g_early), .early_id_o(g_early_id), .early_below_o(g_below), .valid_o(g_valid),
    .id_o(g_id), .gate_o(g_gate));

  // ---- dispatch starts when the last pair was counted
  logic [NW:0] made_q;
  logic finish, finished_q, run_q;
  logic disp_step, disp_blocked, disp_busy, word_v, hist_v, hist_last, off_last, beat_v, word_room;
  logic [31:0] hist, offset;
  logic [P*32-1:0] beat;
  assign finish = run_q && !finished_q && made_q == pairs_i;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      run_q <= 1'b0;
      finished_q <= 1'b0;
      made_q <= '0;
    end else if (start_i) begin
      run_q <= 1'b1;
      finished_q <= 1'b0;
      made_q <= '0;
    end else begin
      if (g_valid) made_q <= made_q + 1'b1;
      if (finish) finished_q <= 1'b1;
      if (done_o) run_q <= 1'b0;
    end
  end
  vb_router_disp #(.P(P), .MAX_PAIRS(MAX_PAIRS)) u_disp (
    .clk_i, .rst_i, .clear_i(start_i), .experts_i, .pairs_i, .capacity_i, .pair_valid_i(g_early), .pair_id_i(g_early_id),
    .pair_below_i(g_below), .pair_stays_o(g_stays), .finish_i(finish), .room_i(word_room),
    .step_o(disp_step), .blocked_o(disp_blocked), .busy_o(disp_busy),
    .word_valid_o(word_v), .hist_valid_o(hist_v), .hist_o(hist), .hist_last_o(hist_last), .offset_o(offset),
    .offset_last_o(off_last), .beat_valid_o(beat_v), .beat_o(beat));

  // ---- output streams: x = ids, hist, list; y = gates, offsets
  logic g_last, x_cv, y_cv, x_take, y_take, x_pop, y_pop, x_done, y_done;
  logic x_token_room, y_token_room, x_word_room, y_word_room;
  logic [AW-1:0] x_addr, y_addr;
  logic [CW-1:0] x_bytes, y_bytes, pair_bytes;
  logic [4:0] x_beats, y_beats;
  logic [P*32-1:0] x_data, y_data;
  assign pair_bytes = CW'({pairs_i, 2'b00});
  assign g_last = made_q + 1'b1 == pairs_i;
  assign token_room = x_token_room && y_token_room;
  assign word_room = x_word_room && y_word_room;

  vb_router_pack #(.P(P), .DEPTH(DEPTH), .TOKEN_ROOM(TOKEN_ROOM), .WORD_ROOM(4)) u_x (
    .clk_i, .rst_i, .start_i, .addr_i({addr_i[4*AW +: AW], addr_i[2*AW +: AW], addr_i[0 +: AW]}),
    .bytes_i({pair_bytes, CW'({experts_i, 2'b00}), pair_bytes}),
    .word_valid_i(g_valid || hist_v), .word_i(g_valid ? {23'd0, g_id} : hist),
    .word_last_i(g_valid ? g_last : hist_last), .beat_valid_i(beat_v), .beat_i(beat),
    .token_room_o(x_token_room), .word_room_o(x_word_room),
    .chunk_valid_o(x_cv), .chunk_take_i(x_take), .chunk_addr_o(x_addr), .chunk_bytes_o(x_bytes),
    .chunk_beats_o(x_beats), .pop_i(x_pop), .data_o(x_data), .done_o(x_done));
  vb_router_pack #(.P(P), .DEPTH(DEPTH), .TOKEN_ROOM(TOKEN_ROOM), .WORD_ROOM(4)) u_y (
    .clk_i, .rst_i, .start_i, .addr_i({AW'(0), addr_i[3*AW +: AW], addr_i[1*AW +: AW]}),
    .bytes_i({CW'(0), CW'({experts_i, 2'b00}) + CW'(4), pair_bytes}),
    .word_valid_i(g_valid || word_v), .word_i(!g_valid ? offset : g_stays ? g_gate : 32'd0),
    .word_last_i(g_valid ? g_last : off_last), .beat_valid_i(1'b0), .beat_i('0),
    .token_room_o(y_token_room), .word_room_o(y_word_room),
    .chunk_valid_o(y_cv), .chunk_take_i(y_take), .chunk_addr_o(y_addr), .chunk_bytes_o(y_bytes),
    .chunk_beats_o(y_beats), .pop_i(y_pop), .data_o(y_data), .done_o(y_done));

  // ---- one chunk at a time, streams in turn when both have one
  logic [4:0] owed_q;
  logic cur_q, pick;
  assign pick = (x_cv && y_cv) ? !cur_q : y_cv;
  // The next chunk is offered with the last beat of the one before: the data stream has no gap.
  assign chunk_valid_o = (owed_q == 5'd0 || (owed_q == 5'd1 && out_ready_i)) && (x_cv || y_cv);
  assign chunk_addr_o = pick ? y_addr : x_addr;
  assign chunk_bytes_o = pick ? y_bytes : x_bytes;
  assign x_take = chunk_valid_o && chunk_ready_i && !pick;
  assign y_take = chunk_valid_o && chunk_ready_i && pick;
  assign out_valid_o = owed_q != 5'd0;
  assign out_data_o = cur_q ? y_data : x_data;
  assign x_pop = out_valid_o && out_ready_i && !cur_q;
  assign y_pop = out_valid_o && out_ready_i && cur_q;
  assign chunk_open_o = out_valid_o;
  always_ff @(posedge clk_i) begin
    if (rst_i || start_i) begin  // also at the start: a job's timing must not depend on the one before
      owed_q <= 5'd0;
      cur_q <= 1'b0;
    end else if (x_take || y_take) begin
      owed_q <= pick ? y_beats : x_beats;
      cur_q <= pick;
    end else if (x_pop || y_pop) owed_q <= owed_q - 5'd1;
  end

  assign done_o = run_q && finished_q && !disp_busy && x_done && y_done && owed_q == 5'd0;
  assign work_o = (in_valid_i && in_ready_o) || rows_issue || gate_issue || disp_step;
  assign wait_write_o = gate_blocked || disp_blocked;
  assign inside_o = rows_busy || weigh_busy || align_busy || gate_busy || taken_q != 3'd0;

  logic unused_bank;  // banks complete in order, so the number of the complete one is known
  assign unused_bank = ^done_bank;

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_banks: assert (ready_q <= taken_q && taken_q <= 3'd4);
      a_pairs: assert (!g_valid || made_q < pairs_i);
      a_chunk_stable: assert (!chunk_valid_o || chunk_bytes_o != '0);
    end
  end
endmodule
