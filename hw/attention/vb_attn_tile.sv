// SPDX-License-Identifier: Apache-2.0
//
// Walks the rows of a job, ROWS at a time: for each row the address of its query, the address of its result and the
// keys that it attends; then, for the tile, the keys that any of its rows attends. Row r is token r / rows_per_token, head
// r mod rows_per_token; both advance by counting, so there is no divider. One row a cycle while the query's read is accepted.
//
// Key numbers are relative to key_begin here. A row attends key x when x < hi and (x < keep or x >= lo). Both bounds never
// fall from one token to the next, so the tile sees [0, min(keep, hi of the last row)) and [lo of the first, hi of the last).
module vb_attn_tile #(
  parameter int ROWS = 8,
  localparam int AW  = vb_pkg::AddrW,
  localparam int RW  = $clog2(ROWS)
) (
  input  logic                clk_i,
  input  logic                rst_i,
  input  logic                job_i,        ///< pulse: back to row 0 of the job
  input  logic                rem_done_i,   ///< pulse: rem_i is position of token 0 mod chunk
  input  logic [31:0]         rem_i,
  input  logic                tile_i,       ///< pulse: the next tile starts
  input  logic                plan_i,       ///< pulse: all rows are walked
  input  logic [vb_attn_pkg::NumArgs*64-1:0] args_i,
  input  logic [20:0]         list_n_i,     ///< candidates of the list
  output logic                walk_o,       ///< a query is to be read at q_addr_o
  input  logic                walk_ready_i,
  output logic [AW-1:0]       q_addr_o,
  output logic [8:0]          head_o,       ///< of that row: where its sink is
  output logic [RW-1:0]       row_o,
  output logic [RW:0]         nrows_o,      ///< rows of this tile
  output logic                last_tile_o,
  output logic [ROWS*AW-1:0]  oaddr_o,
  output logic [ROWS*21-1:0]  hi_o,
  output logic [ROWS*21-1:0]  lo_o,
  output logic [20:0]         keep_o,
  output logic [20:0]         tile_hi_o,
  output logic [20:0]         tile_lo_o,
  // after plan_i: candidate i of the tile is key i below na, key i - na + start from there on
  output logic [20:0]         na_o,
  output logic [20:0]         start_o,
  output logic [20:0]         n_o
);
  logic [31:0] rows, rpt, q_row_stride, q_token_stride, o_row_stride, o_token_stride, kb, ke, first_count, window, chunk, keep;
  assign rows           = args_i[64*vb_attn_pkg::ArgRows +: 32];
  assign rpt            = args_i[64*vb_attn_pkg::ArgRowsPerToken +: 32];
  assign q_row_stride   = args_i[64*vb_attn_pkg::ArgQRowStride +: 32];
  assign q_token_stride = args_i[64*vb_attn_pkg::ArgQTokenStride +: 32];
  assign o_row_stride   = args_i[64*vb_attn_pkg::ArgORowStride +: 32];
  assign o_token_stride = args_i[64*vb_attn_pkg::ArgOTokenStride +: 32];
  assign kb             = args_i[64*vb_attn_pkg::ArgKeyBegin +: 32];
  assign ke             = args_i[64*vb_attn_pkg::ArgKeyEnd +: 32];
  assign first_count    = args_i[64*vb_attn_pkg::ArgFirstCount +: 32];
  assign window         = args_i[64*vb_attn_pkg::ArgWindow +: 32];
  assign chunk          = args_i[64*vb_attn_pkg::ArgChunk +: 32];
  assign keep           = args_i[64*vb_attn_pkg::ArgKeep +: 32];

  logic [31:0] left_q, head_q, rem_q;
  logic [32:0] lim_q;   // keys that the token may see: its position + 1
  logic [32:0] part_q;  // first key of the token's chunk
  logic [AW-1:0] q_tok_q, q_row_q, o_tok_q, o_row_q, q_next, o_next;
  logic [RW:0] row_q;
  logic step, wrap, walk_q;

  assign walk_o      = walk_q;
  assign step        = walk_o && walk_ready_i;
  assign wrap        = (head_q + 32'd1 == rpt);
  assign q_addr_o    = q_row_q;
  assign head_o      = head_q[8:0];
  assign row_o       = row_q[RW-1:0];
  assign q_next      = q_tok_q + AW'(q_token_stride);
  assign o_next      = o_tok_q + AW'(o_token_stride);
  assign last_tile_o = (left_q == 32'd0);

  // x - key_begin, at least 0 and at most 2^20
  function automatic logic [20:0] relative(input logic [32:0] x, input logic [31:0] from);
    logic [32:0] d;
    d = x - {1'b0, from};
    relative = (x <= {1'b0, from}) ? 21'd0 : (d[32:20] != 13'd0) ? 21'h100000 : d[20:0];
  endfunction

  // ---- walk, and behind it the bounds of the row: B the token's numbers, C first and last key, D relative to key_begin
  logic b_v_q, b_first_q, c_v_q, c_first_q, d_v_q;
  logic [RW-1:0] b_row_q, c_row_q;
  logic [32:0] b_lim_q, b_low_q, b_part_q, c_stop_q, c_low_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      row_q   <= '0;
      nrows_o <= '0;
      walk_q  <= 1'b0;
      b_v_q   <= 1'b0;
      c_v_q   <= 1'b0;
      d_v_q   <= 1'b0;
    end else begin
      b_v_q <= step;
      c_v_q <= b_v_q;
      d_v_q <= c_v_q;
      if (tile_i) begin
        row_q   <= '0;
        walk_q  <= 1'b1;
        nrows_o <= (left_q < 32'(ROWS)) ? (RW+1)'(left_q) : (RW+1)'(ROWS);
      end else if (step) begin
        row_q  <= row_q + (RW+1)'(1);
        walk_q <= row_q + (RW+1)'(1) != nrows_o;
      end
    end
    if (step) begin
      b_row_q   <= row_q[RW-1:0];
      b_first_q <= row_q == '0;
      b_lim_q   <= lim_q;
      b_low_q   <= (window == 32'd0 || lim_q <= {1'b0, window}) ? 33'd0 : lim_q - {1'b0, window};
      b_part_q  <= part_q;
    end
    if (job_i) begin
      left_q  <= rows;
      head_q  <= '0;
      lim_q   <= {1'b0, first_count};
      part_q  <= 33'd0;
      q_tok_q <= args_i[64*vb_attn_pkg::ArgQ +: AW];
      q_row_q <= args_i[64*vb_attn_pkg::ArgQ +: AW];
      o_tok_q <= args_i[64*vb_attn_pkg::ArgOut +: AW];
      o_row_q <= args_i[64*vb_attn_pkg::ArgOut +: AW];
    end else if (rem_done_i) begin  // position -1 sees nothing: only its successor matters
      rem_q  <= (lim_q == 33'd0) ? chunk - 32'd1 : rem_i;
      part_q <= (lim_q == 33'd0) ? 33'd0 : lim_q - 33'd1 - {1'b0, rem_i};
    end else if (step) begin
      left_q <= left_q - 32'd1;
      for (int r = 0; r < ROWS; r++) if (row_q[RW-1:0] == RW'(r)) oaddr_o[r*AW +: AW] <= o_row_q;
      head_q  <= wrap ? 32'd0 : head_q + 32'd1;
      q_row_q <= wrap ? q_next : q_row_q + AW'(q_row_stride);
      o_row_q <= wrap ? o_next : o_row_q + AW'(o_row_stride);
      if (wrap) begin
        q_tok_q <= q_next;
        o_tok_q <= o_next;
        lim_q   <= lim_q + 33'd1;
        if (chunk != 32'd0) begin
          rem_q <= (rem_q == chunk - 32'd1) ? 32'd0 : rem_q + 32'd1;
          if (rem_q == chunk - 32'd1) part_q <= lim_q;
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin : bounds
    logic [20:0] hi, lo;
    hi = '0;
    lo = '0;
    if (b_v_q) begin
      c_stop_q  <= (b_lim_q < {1'b0, ke}) ? b_lim_q : {1'b0, ke};
      c_low_q   <= (b_part_q > b_low_q) ? b_part_q : b_low_q;
      c_row_q   <= b_row_q;
      c_first_q <= b_first_q;
    end
    if (c_v_q) begin
      hi = relative(c_stop_q, kb);
      lo = relative(c_low_q, kb);
      for (int r = 0; r < ROWS; r++)
        if (c_row_q == RW'(r)) begin
          hi_o[r*21 +: 21] <= hi;
          lo_o[r*21 +: 21] <= lo;
        end
      tile_hi_o <= hi;
      if (c_first_q) tile_lo_o <= lo;
    end else if (tile_i) begin
      hi_o <= '0;  // rows that a short tile lacks attend nothing
    end
  end

  // ---- the keys of the tile
  logic [20:0] kept_q, recent_q;  // the first keys, and those from tile_lo on
  always_ff @(posedge clk_i) begin
    if (job_i) keep_o <= relative({1'b0, keep}, kb);
    if (d_v_q) begin
      kept_q   <= (keep_o < tile_hi_o) ? keep_o : tile_hi_o;
      recent_q <= (tile_hi_o > tile_lo_o) ? tile_hi_o - tile_lo_o : 21'd0;
    end
  end
  always_ff @(posedge clk_i) if (plan_i) begin
    if (args_i[64*vb_attn_pkg::ArgListBlock +: 32] != 32'd0) begin
      na_o    <= 21'd0;
      start_o <= 21'd0;
      n_o     <= (tile_hi_o == 21'd0) ? 21'd0 : list_n_i;
    end else if (kept_q >= tile_lo_o) begin  // one segment
      na_o    <= 21'd0;
      start_o <= 21'd0;
      n_o     <= tile_hi_o;
    end else begin
      na_o    <= kept_q;
      start_o <= tile_lo_o;
      n_o     <= kept_q + recent_q;
    end
  end

  logic unused_tile;
  assign unused_tile = ^args_i;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_row:  assert (row_q <= nrows_o);
    a_plan: assert (!plan_i || (!walk_o && !b_v_q && !c_v_q && !d_v_q));
  end
endmodule
