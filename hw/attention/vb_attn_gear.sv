// SPDX-License-Identifier: Apache-2.0
//
// Beats to words of the array's width. Takes the headers out of query and key records on the way, so that a header never
// takes a cycle of the array when the port is wider than a word, and drops the half-beats that belong to no record.
//
//   beat ─► sort ─┬─► beat FIFO (4) ─► words ─► array
//                 └─► header FIFO (8) ─► header of the record whose words are at the output
//
// A beat is taken in any cycle in which the beat FIFO has a free place, whatever it holds: four beats last longer than the
// beats of a header that is alone in its own. In to out: 1 cycle.
module vb_attn_gear #(
  parameter int DW = 256,
  parameter int W  = 256,
  localparam int G = DW / W   ///< words of a beat
) (
  input  logic          clk_i,
  input  logic          rst_i,
  input  logic          flush_i,
  input  logic [4:0]    nbk_i,        ///< units of 32 bytes behind a header
  input  logic          in_valid_i,
  output logic          in_ready_o,
  input  logic [DW-1:0] in_data_i,
  input  logic [vb_attn_pkg::TagW-1:0] in_tag_i,
  input  logic          in_last_i,    ///< last beat of its descriptor
  output logic          out_valid_o,
  input  logic          out_ready_i,
  output logic [W-1:0]  out_word_o,
  output logic [2:0]    out_kind_o,
  output logic [255:0]  head_o,       ///< valid with the words of its record
  output logic          head_seen_o,
  input  logic          head_pop_i    ///< with the record's last word
);
  localparam int FW = DW + 5;
  logic [2:0] kind;
  logic skip, tail, seen, headed, accept, full, empty, h_push, h_full, h_empty, low_data, high_data;
  logic [2:0] b_count;
  logic [3:0] h_count;
  logic [255:0] h_data;
  logic [4:0] pos_q, pos_d;

  assign {kind, skip, tail, seen} = in_tag_i;
  assign headed     = kind == vb_attn_pkg::KindQ || kind == vb_attn_pkg::KindK;
  assign in_ready_o = !full;
  assign accept     = in_valid_i && !full;

  // ---- sort: pos is the number of the next unit in its record, 0 for the header
  if (DW == 512) begin : g_two
    logic first_q, low_v, high_v, low_head, high_head;
    logic [4:0] pos_m;
    assign low_v     = !(first_q && skip);
    assign high_v    = !(in_last_i && tail);
    assign low_head  = low_v && headed && pos_q == 5'd0;
    assign pos_m     = !low_v ? pos_q : (pos_q == nbk_i) ? 5'd0 : pos_q + 5'd1;
    assign high_head = high_v && headed && pos_m == 5'd0;
    assign pos_d     = !high_v ? pos_m : (pos_m == nbk_i) ? 5'd0 : pos_m + 5'd1;
    assign low_data  = low_v && !low_head;
    assign high_data = high_v && !high_head;
    assign h_push    = accept && (low_head || high_head);
    assign h_data    = low_head ? in_data_i[255:0] : in_data_i[511:256];
    always_ff @(posedge clk_i) begin
      if (rst_i || flush_i) first_q <= 1'b1;
      else if (accept) first_q <= in_last_i;
    end
    always_ff @(posedge clk_i) if (!rst_i) begin
      a_one_head: assert (!(accept && low_head && high_head));
    end
  end else if (DW == 256) begin : g_one
    assign h_push    = accept && headed && pos_q == 5'd0;
    assign h_data    = in_data_i;
    assign pos_d     = (pos_q == nbk_i) ? 5'd0 : pos_q + 5'd1;
    assign low_data  = !(headed && pos_q == 5'd0);
    assign high_data = low_data;
    logic unused_half;
    assign unused_half = ^{skip, tail, in_last_i};
  end else begin : g_piece  // 64 or 128 bits: a unit is four or two beats
    localparam int N = 256 / DW;
    localparam int NW = $clog2(N);
    logic [NW-1:0] piece_q;
    logic [255-DW:0] low_q;
    logic whole;
    assign whole     = piece_q == NW'(N - 1);
    assign h_push    = accept && headed && pos_q == 5'd0 && whole;
    assign h_data    = {in_data_i, low_q};
    assign pos_d     = !whole ? pos_q : (pos_q == nbk_i) ? 5'd0 : pos_q + 5'd1;
    assign low_data  = !(headed && pos_q == 5'd0);
    assign high_data = low_data;
    always_ff @(posedge clk_i) begin
      if (rst_i || flush_i) piece_q <= '0;
      else if (accept && headed) piece_q <= piece_q + NW'(1);
      if (accept && headed && pos_q == 5'd0) low_q <= (256 - DW)'(h_data >> DW);
    end
    logic unused_piece;
    assign unused_piece = ^{skip, tail, in_last_i};
  end
  always_ff @(posedge clk_i) begin
    if (rst_i || flush_i) pos_q <= 5'd0;
    else if (accept && headed) pos_q <= pos_d;
  end

  logic [2:0] f_kind;
  logic f_low, f_high;
  logic [DW-1:0] f_data;
  logic push, pop;
  assign push = accept && (low_data || high_data);
  vb_fifo #(.W(FW), .DEPTH(4)) u_beats (
    .clk_i, .rst_i(rst_i || flush_i), .push_i(push), .data_i({kind, low_data, high_data, in_data_i}), .full_o(full),
    .pop_i(pop), .data_o({f_kind, f_low, f_high, f_data}), .empty_o(empty), .count_o(b_count));
  vb_fifo #(.W(257), .DEPTH(8)) u_heads (
    .clk_i, .rst_i(rst_i || flush_i), .push_i(h_push), .data_i({seen, h_data}), .full_o(h_full), .pop_i(head_pop_i),
    .data_o({head_seen_o, head_o}), .empty_o(h_empty), .count_o(h_count));

  // ---- words of the beat at hand
  assign out_valid_o = !empty;
  assign out_kind_o  = f_kind;
  if (G == 1) begin : g_same
    assign out_word_o = f_data;
    assign pop = out_valid_o && out_ready_i;
    logic unused_flags;
    assign unused_flags = ^{f_low, f_high};
  end else begin : g_parts
    localparam int GW = $clog2(G);
    logic [GW-1:0] done_q, index, last;
    assign index = (DW == 512 && !f_low) ? GW'(G / 2) + done_q : done_q;
    assign last  = (DW == 512 && !f_high) ? GW'(G / 2 - 1) : GW'(G - 1);
    assign out_word_o = f_data[W*index +: W];
    assign pop = out_valid_o && out_ready_i && index == last;
    always_ff @(posedge clk_i) begin
      if (rst_i || flush_i || pop) done_q <= '0;
      else if (out_valid_o && out_ready_i) done_q <= done_q + GW'(1);
    end
  end

  logic unused_gear;
  assign unused_gear = ^{b_count, h_count, h_full};
  always_ff @(posedge clk_i) if (!rst_i) begin
    // a record's header is here before its words
    a_head: assert (!(out_valid_o && (out_kind_o == vb_attn_pkg::KindQ || out_kind_o == vb_attn_pkg::KindK) && h_empty));
  end
endmodule
