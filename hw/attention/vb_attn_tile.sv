// SPDX-License-Identifier: Apache-2.0
//
// Walks the rows of a job, ROWS at a time: for each row the address of its query, the address of its result and how
// many of the job's keys it attends. Row r is token r / rows_per_token, head r mod rows_per_token; both advance by
// counting, so there is no divider. One row a cycle while the query's read is accepted.
module vb_attn_tile #(
  parameter int ROWS = 8,
  localparam int AW  = vb_pkg::AddrW,
  localparam int RW  = $clog2(ROWS)
) (
  input  logic                clk_i,
  input  logic                rst_i,
  input  logic                job_i,        ///< pulse: back to row 0 of the job
  input  logic                tile_i,       ///< pulse: the next tile starts
  input  logic [31:0]         rows_i,
  input  logic [31:0]         rows_per_token_i,
  input  logic [AW-1:0]       q_i,
  input  logic [31:0]         q_row_stride_i,
  input  logic [31:0]         q_token_stride_i,
  input  logic [AW-1:0]       o_i,
  input  logic [31:0]         o_row_stride_i,
  input  logic [31:0]         o_token_stride_i,
  input  logic [31:0]         key_begin_i,
  input  logic [31:0]         key_end_i,
  input  logic [31:0]         first_count_i,
  output logic                walk_o,       ///< a query is to be read at q_addr_o
  input  logic                walk_ready_i,
  output logic [AW-1:0]       q_addr_o,
  output logic [RW:0]         nrows_o,      ///< rows of this tile
  output logic                last_tile_o,
  output logic [ROWS*AW-1:0]  oaddr_o,
  output logic [ROWS*21-1:0]  cnt_o,
  output logic [20:0]         n_o           ///< keys of the tile: those of its last row, which sees most
);
  logic [31:0] left_q, head_q;
  logic [32:0] lim_q;  // keys that the token may see
  logic [AW-1:0] q_tok_q, q_row_q, o_tok_q, o_row_q, q_next, o_next;
  logic [RW:0] row_q;
  logic step, wrap;
  logic [32:0] stop, cnt;

  assign walk_o      = (row_q != nrows_o);
  assign step        = walk_o && walk_ready_i;
  assign wrap        = (head_q + 32'd1 == rows_per_token_i);
  assign q_addr_o    = q_row_q;
  assign q_next      = q_tok_q + AW'(q_token_stride_i);
  assign o_next      = o_tok_q + AW'(o_token_stride_i);
  assign last_tile_o = (left_q == 32'd0);
  assign stop        = (lim_q < {1'b0, key_end_i}) ? lim_q : {1'b0, key_end_i};
  assign cnt         = (stop > {1'b0, key_begin_i}) ? stop - {1'b0, key_begin_i} : 33'd0;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      row_q   <= '0;
      nrows_o <= '0;
    end else if (tile_i) begin
      row_q   <= '0;
      nrows_o <= (left_q < 32'(ROWS)) ? (RW+1)'(left_q) : (RW+1)'(ROWS);
    end else if (step) begin
      row_q <= row_q + (RW+1)'(1);
    end
    if (job_i) begin
      left_q  <= rows_i;
      head_q  <= '0;
      lim_q   <= {1'b0, first_count_i};
      q_tok_q <= q_i;
      q_row_q <= q_i;
      o_tok_q <= o_i;
      o_row_q <= o_i;
    end else if (tile_i) begin
      cnt_o <= '0;  // rows that a short tile lacks attend nothing
    end else if (step) begin
      left_q <= left_q - 32'd1;
      oaddr_o[AW*row_q[RW-1:0] +: AW] <= o_row_q;
      cnt_o[21*row_q[RW-1:0] +: 21]   <= cnt[20:0];
      n_o     <= cnt[20:0];
      head_q  <= wrap ? 32'd0 : head_q + 32'd1;
      q_row_q <= wrap ? q_next : q_row_q + AW'(q_row_stride_i);
      o_row_q <= wrap ? o_next : o_row_q + AW'(o_row_stride_i);
      if (wrap) begin
        q_tok_q <= q_next;
        o_tok_q <= o_next;
        lim_q   <= lim_q + 33'd1;
      end
    end
  end

  always_ff @(posedge clk_i) if (!rst_i) begin
    a_cnt: assert (!step || cnt <= 33'(vb_attn_pkg::MaxKeys));  // the descriptor check bounds it
    a_row: assert (row_q <= nrows_o);
  end
endmodule
