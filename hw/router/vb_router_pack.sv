// SPDX-License-Identifier: Apache-2.0

// One output stream: words are packed into beats, queued, and offered in chunks that lie in one array.
//
//   words ─► packer ─┐
//   beats ───────────┴─► FIFO ─► chunk of up to 16 beats of the current array
//
// A stream writes up to three arrays one after another (start address and bytes of each are job
// constants; an empty one is skipped). A chunk is offered once all of it is queued, so the write
// master never waits for data in the middle of a burst.
module vb_router_pack #(
  parameter int unsigned P = 8,
  parameter int unsigned DEPTH = 64,
  parameter int unsigned TOKEN_ROOM = 8,  // beats, see below
  parameter int unsigned WORD_ROOM = 4,
  localparam int unsigned AW = vb_pkg::AddrW,
  localparam int unsigned CW = vb_pkg::LenW,
  localparam int unsigned FW = $clog2(DEPTH),
  localparam int unsigned LGB = $clog2(P) + 2
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             start_i,      // loads the arrays
  input  logic [3*AW-1:0]  addr_i,
  input  logic [3*CW-1:0]  bytes_i,

  input  logic             word_valid_i,
  input  logic [31:0]      word_i,
  input  logic             word_last_i,  // last word of its array: a partial beat is closed
  input  logic             beat_valid_i, // never with word_valid_i
  input  logic [P*32-1:0]  beat_i,
  output logic             token_room_o, // so many beats are free, the open one not counted
  output logic             word_room_o,

  output logic             chunk_valid_o,
  input  logic             chunk_take_i,
  output logic [AW-1:0]    chunk_addr_o,
  output logic [CW-1:0]    chunk_bytes_o,
  output logic [4:0]       chunk_beats_o,
  input  logic             pop_i,
  output logic [P*32-1:0]  data_o,
  output logic             done_o        // all arrays were taken
);
  localparam int unsigned LGP = $clog2(P);
  localparam int unsigned CHUNK = 16;

  // ---- packer
  logic [LGP-1:0] lane_q;
  logic [P*32-1:0] open_q, closed;
  logic close, push, empty, full;
  logic [FW:0] count;
  always_comb begin
    closed = beat_i;
    if (word_valid_i) begin
      closed = open_q;
      closed[lane_q*32 +: 32] = word_i;
    end
  end
  assign close = word_valid_i && (word_last_i || lane_q == LGP'(P - 1));
  assign push = close || beat_valid_i;
  always_ff @(posedge clk_i) begin
    if (rst_i || start_i) lane_q <= '0;
    else if (word_valid_i) lane_q <= close ? '0 : lane_q + 1'b1;
    if (word_valid_i) open_q <= close ? '0 : closed;
    else if (start_i) open_q <= '0;
  end
  vb_fifo #(.W(P*32), .DEPTH(DEPTH)) u_fifo (
    .clk_i, .rst_i, .push_i(push), .data_i(closed), .full_o(full), .pop_i, .data_o, .empty_o(empty), .count_o(count));

  // Rooms are compared a cycle early, because whether a beat leaves is known late.
  localparam int unsigned TOKEN_MAX = DEPTH - TOKEN_ROOM, WORD_MAX = DEPTH - WORD_ROOM;
  logic token_room_q, word_room_q;
  assign token_room_o = token_room_q;
  assign word_room_o = word_room_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      token_room_q <= 1'b1;
      word_room_q <= 1'b1;
    end else if (push != pop_i) begin
      token_room_q <= pop_i ? 32'(count) <= TOKEN_MAX + 1 : 32'(count) < TOKEN_MAX;
      word_room_q <= pop_i ? 32'(count) <= WORD_MAX + 1 : 32'(count) < WORD_MAX;
    end
  end

  // ---- chunks. An array is so many full chunks and a rest; what the next chunk is, is known when it is offered.
  localparam int unsigned LGC = LGB + $clog2(CHUNK);  // bytes of a chunk
  localparam int unsigned HW = CW - LGC;
  logic [1:0] arr_q;
  logic [AW-1:0] at_q;
  logic [CW-1:0] bytes;
  logic [HW-1:0] full_q;       // chunks
  logic [LGC-1:0] rest_q;      // bytes
  logic some_q, more_q;        // anything is left, a full chunk is left
  logic [4:0] beats_q;         // of the next chunk
  logic [FW:0] avail_q;        // queued, and not promised to a chunk
  logic enough_q;              // for the next chunk
  logic load;
  // Beats of the rest.
  function automatic logic [4:0] beats_of(input logic [LGC-1:0] rest);
    beats_of = 5'(rest[LGC-1:LGB]) + 5'(rest[LGB-1:0] != '0);
  endfunction
  assign load = !some_q && arr_q != 2'd3;
  assign bytes = bytes_i[arr_q*CW +: CW];
  assign chunk_beats_o = beats_q;
  assign chunk_bytes_o = more_q ? CW'(CHUNK * P * 4) : CW'(rest_q);
  assign chunk_addr_o = at_q;
  assign chunk_valid_o = some_q && enough_q;
  assign done_o = !some_q && arr_q == 2'd3;
  // Whether a chunk is taken is known late: it only says that registers move, not to what.
  logic [FW:0] avail, after;
  logic [4:0] beats_d;
  assign avail = avail_q + (FW + 1)'(push);
  assign after = avail_q - (FW + 1)'(beats_q);  // whether a beat comes is known late, too
  function automatic logic enough(input logic [FW:0] have, input logic one_more, input logic [4:0] want);
    enough = one_more ? have + (FW + 1)'(1) >= (FW + 1)'(want) : have >= (FW + 1)'(want);
  endfunction
  always_comb begin
    if (some_q) beats_d = full_q != HW'(1) ? 5'(CHUNK) : beats_of(rest_q);
    else        beats_d = bytes[CW-1:LGC] != '0 ? 5'(CHUNK) : beats_of(bytes[LGC-1:0]);
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      arr_q <= 2'd3;
      some_q <= 1'b0;
      avail_q <= '0;
    end else begin
      if (start_i) begin
        arr_q <= 2'd0;
        some_q <= 1'b0;
      end else if (chunk_take_i || load) begin
        some_q <= some_q ? more_q && (full_q != HW'(1) || rest_q != '0) : bytes != '0;
        if (!some_q) arr_q <= arr_q + 2'd1;
      end
      avail_q <= chunk_take_i ? after + (FW + 1)'(push) : avail;
    end
    if (chunk_take_i) enough_q <= enough(after, push, beats_d);
    else enough_q <= enough(avail_q, push, load ? beats_d : beats_q);
    if (chunk_take_i || load) begin
      beats_q <= beats_d;
      if (some_q) begin
        at_q <= at_q + AW'(CHUNK * P * 4);  // behind the rest it is not looked at
        full_q <= full_q - 1'b1;
        more_q <= more_q && full_q != HW'(1);
      end else begin
        at_q <= addr_i[arr_q*AW +: AW];
        {full_q, rest_q} <= bytes;
        more_q <= bytes[CW-1:LGC] != '0;
      end
    end
  end

  logic unused_flags;  // room is the producer's business, see token_room_o
  assign unused_flags = ^{full, empty};

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_one_source: assert (!(word_valid_i && beat_valid_i));
      a_take: assert (!chunk_take_i || chunk_valid_o);
      a_owed: assert (!pop_i || count != avail_q);
    end
  end
endmodule
