// SPDX-License-Identifier: Apache-2.0

// The pairs of every expert, grouped while they come. A block holds P pairs of one expert; an expert's blocks are a chain:
//
//   pair ─► place count mod P of the expert's newest block, or of a new one      head[e] ─► block ─► next ─► ...
//
// When all pairs are there, the chains are walked in the order of experts, a block a cycle, and what is in them is packed into
// full beats:
//
//   walk ─► block [P] ─► turn to the open beat's end ─► full beats ─► buffer ─► beat_o
//
// An expert has one block at most that is not full, so after s cycles at least s - E beats were made: the beats that are read
// from the buffer from cycle E on, one a cycle, are always there, however the pairs are spread. Nobody waits for data.
module vb_router_list #(
  parameter int unsigned P = 8,
  parameter int unsigned MAX_PAIRS = 65536,
  localparam int unsigned NW = $clog2(MAX_PAIRS),
  localparam int unsigned LGP = $clog2(P),
  localparam int unsigned BLOCKS = MAX_PAIRS / P + 512,
  localparam int unsigned BW = $clog2(BLOCKS)
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             clear_i,      // first cycle of a job
  input  logic [9:0]       experts_i,

  input  logic             pair_valid_i, // one pair that stays
  input  logic [8:0]       pair_id_i,
  input  logic [NW:0]      pair_count_i, // pairs of its expert before it
  input  logic [BW-1:0]    pair_block_i, // its expert's newest block, if there is one
  input  logic [NW-1:0]    pair_i,
  output logic [BW-1:0]    block_o,      // the block it goes to

  input  logic             walk_i,       // pulse: all pairs are there
  output logic [8:0]       want_o,       // the expert whose count is looked up,
  output logic             want_valid_o,
  input  logic [NW:0]      count_i,      // here in the next cycle, and until then

  input  logic             read_i,       // a beat
  output logic [P*16-1:0]  beat_o,       // in the next cycle; what is behind the last pair means nothing
  output logic             have_o        // there is one; none is missed but behind the last pair
);
  localparam int unsigned BUF = 1024;    // beats: more than experts, see above
  localparam int unsigned FW = $clog2(BUF);

  // ---- pairs to blocks, a cycle after their counter
  logic [BW-1:0] free_q;
  logic fresh;
  assign fresh = pair_count_i[LGP-1:0] == '0;
  assign block_o = fresh ? free_q : pair_block_i;
  logic w_v_q, w_link_q, w_head_q;
  logic [LGP-1:0] w_place_q;
  logic [BW-1:0] w_block_q, w_before_q;
  logic [8:0] w_id_q;
  logic [15:0] w_pair_q;
  always_ff @(posedge clk_i) begin
    if (rst_i || clear_i) free_q <= '0;
    else if (pair_valid_i && fresh) free_q <= free_q + 1'b1;
    w_v_q <= pair_valid_i && !rst_i;
    if (pair_valid_i) begin
      w_place_q <= pair_count_i[LGP-1:0];
      w_block_q <= block_o;
      w_before_q <= pair_block_i;
      w_link_q <= fresh && pair_count_i != '0;
      w_head_q <= pair_count_i == '0;
      w_id_q <= pair_id_i;
      w_pair_q <= 16'(pair_i);
    end
  end

  // ---- the walk: `ahead` is what the memories say of the next expert, `left_q` and `at` are of the one at hand
  logic walk_q, ahead_q, here_q, chain_q, step, leave, room_q;
  logic [9:0] want_q;
  logic [NW:0] left_q;
  logic [BW-1:0] at_q, at, head_rd, next_rd;
  (* no_rw_check *) logic [BW-1:0] head_mem [512];
  (* no_rw_check *) logic [BW-1:0] next_mem [BLOCKS];
  assign at = chain_q ? next_rd : at_q;
  assign step = here_q && room_q;
  assign leave = walk_q && (!here_q || (step && left_q <= (NW + 1)'(P)));
  assign want_o = want_q[8:0];
  assign want_valid_o = leave;
  always_ff @(posedge clk_i) begin
    if (rst_i || clear_i) begin
      walk_q <= 1'b0;
      here_q <= 1'b0;
      ahead_q <= 1'b0;
    end else begin
      if (walk_i) walk_q <= 1'b1;
      else if (leave && here_q && !ahead_q) walk_q <= 1'b0;
      if (leave) begin
        here_q <= ahead_q;
        ahead_q <= want_q < experts_i;
      end
    end
    if (walk_i) want_q <= '0;
    else if (leave && want_q < experts_i) want_q <= want_q + 1'b1;
    if (leave) begin
      left_q <= count_i;
      at_q <= head_rd;
      chain_q <= 1'b0;
    end else if (step) begin
      left_q <= left_q - (NW + 1)'(P);
      chain_q <= 1'b1;
    end
    if (w_v_q && w_head_q) head_mem[w_id_q] <= w_block_q;
    if (leave) head_rd <= head_mem[want_q[8:0]];
    if (w_v_q && w_link_q) next_mem[w_before_q] <= w_block_q;
    if (step) next_rd <= next_mem[at];
  end

  // ---- blocks
  logic [P*16-1:0] block;
  for (genvar b = 0; b < P; b++) begin : g_bank
    (* no_rw_check *) logic [15:0] bank_mem [BLOCKS];
    logic [15:0] bank_rd;
    always_ff @(posedge clk_i) begin
      if (w_v_q && w_place_q == LGP'(b)) bank_mem[w_block_q] <= w_pair_q;
      if (step) bank_rd <= bank_mem[at];
    end
    assign block[b*16 +: 16] = bank_rd;
  end

  // ---- packing
  logic s_v_q, end_q, full, close;
  logic [LGP:0] n_q, have;       // pairs of the block
  logic [LGP-1:0] fill_q;        // of the open beat
  logic [P*16-1:0] open_q, turned, merged;
  always_comb begin
    turned = block;              // lane 0 to lane `fill`, and around
    for (int s = 0; s < LGP; s++)
      if (fill_q[s]) turned = (turned << 16 * (1 << s)) | (turned >> 16 * (P - (1 << s)));
    for (int l = 0; l < P; l++) merged[16*l +: 16] = LGP'(l) < fill_q ? open_q[16*l +: 16] : turned[16*l +: 16];
    have = {1'b0, fill_q} + n_q;
  end
  assign full = s_v_q && have[LGP];
  assign close = end_q && fill_q != '0;
  always_ff @(posedge clk_i) begin
    s_v_q <= step && !rst_i;
    end_q <= s_v_q && !here_q && !walk_q && !rst_i;  // the last block was packed
    if (step) n_q <= left_q < (NW + 1)'(P) ? (LGP + 1)'(left_q) : (LGP + 1)'(P);
    if (rst_i || clear_i) fill_q <= '0;
    else if (s_v_q) fill_q <= have[LGP-1:0];
    if (s_v_q) open_q <= full ? turned : merged;
  end

  // ---- the buffer
  (* no_rw_check *) logic [P*16-1:0] buf_mem [BUF];
  logic b_v_q;
  logic [P*16-1:0] b_q;
  logic [NW:0] made_q, read_q;   // beats
  always_ff @(posedge clk_i) begin
    b_v_q <= (full || close) && !rst_i;
    if (full || close) b_q <= close ? open_q : merged;
    if (b_v_q) buf_mem[made_q[FW-1:0]] <= b_q;
    if (read_i) beat_o <= buf_mem[read_q[FW-1:0]];
    if (rst_i || clear_i) begin
      made_q <= '0;
      read_q <= '0;
      room_q <= 1'b1;
    end else begin
      made_q <= made_q + (NW + 1)'(b_v_q);
      read_q <= read_q + (NW + 1)'(read_i && have_o);
      room_q <= made_q - read_q < (NW + 1)'(BUF - 8);  // and what is on its way
    end
  end

  assign have_o = read_q < made_q;

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_blocks: assert (!(pair_valid_i && fresh) || 32'(free_q) < BLOCKS);
      a_walk: assert (!walk_i || (!walk_q && !w_v_q));
      a_room: assert (made_q - read_q <= (NW + 1)'(BUF));
    end
  end
endmodule
