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
  output logic [FW:0]      count_o,      // beats queued, the open one not counted

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
    .clk_i, .rst_i, .push_i(push), .data_i(closed), .full_o(full), .pop_i, .data_o, .empty_o(empty), .count_o);

  // ---- chunks; beats promised to the chunk under way are still in the FIFO
  logic [1:0] arr_q;
  logic [AW-1:0] at_q;
  logic [CW-1:0] left_q, beats_left;
  logic [FW:0] owed_q, avail;
  assign beats_left = (left_q + CW'(P*4 - 1)) >> LGB;
  assign chunk_beats_o = beats_left < CW'(CHUNK) ? 5'(beats_left) : 5'(CHUNK);
  assign chunk_bytes_o = left_q < CW'(CHUNK * P * 4) ? left_q : CW'(CHUNK * P * 4);
  assign chunk_addr_o = at_q;
  assign avail = count_o - owed_q;
  assign chunk_valid_o = left_q != '0 && 32'(avail) >= 32'(chunk_beats_o);
  assign done_o = left_q == '0 && arr_q == 2'd3;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      arr_q <= 2'd3;
      left_q <= '0;
      owed_q <= '0;
    end else begin
      if (start_i) begin
        arr_q <= 2'd0;
        left_q <= '0;
      end else if (chunk_take_i) left_q <= left_q - chunk_bytes_o;
      else if (left_q == '0 && arr_q != 2'd3) begin
        left_q <= bytes_i[arr_q*CW +: CW];
        arr_q <= arr_q + 2'd1;
      end
      owed_q <= owed_q + (chunk_take_i ? (FW + 1)'(chunk_beats_o) : '0) - (FW + 1)'(pop_i);
    end
    if (chunk_take_i) at_q <= at_q + AW'(chunk_bytes_o);
    else if (left_q == '0 && arr_q != 2'd3) at_q <= addr_i[arr_q*AW +: AW];
  end

  logic unused_flags;  // room is the producer's business, see count_o
  assign unused_flags = ^{full, empty};

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_one_source: assert (!(word_valid_i && beat_valid_i));
      a_take: assert (!chunk_take_i || chunk_valid_o);
      a_owed: assert (!pop_i || owed_q != '0);
    end
  end
endmodule
