// SPDX-License-Identifier: Apache-2.0

// First pass and token buffer. Beats of one row of logits arrive as they lie in memory (the row may
// start at any lane of its first beat), go into one of two buffer halves and through the top-k list.
// When the list knows the token's largest and k-th entry the half is read again for the second pass:
//
//   beats ─┬─► half 0 / half 1 ──────────────┐
//          └─► key, index ─► topk ─► max, kth ┴─► beats for vb_router_weigh: max, data 0, data 1, ...
//
// So row t + 1 is received while row t is weighed; each pass takes a cycle a beat and the second one
// two cycles more. Nothing depends on values.
module vb_router_rows #(
  parameter int unsigned P = 8,              // logits in a beat
  localparam int unsigned EW = 42,
  localparam int unsigned LGP = $clog2(P),
  localparam int unsigned BW = 10 - LGP      // beats of a row: 512 logits and a ragged start fit
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic [9:0]       experts_i,        // job constants
  input  logic [4:0]       k_i,

  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [P*32-1:0]  in_data_i,
  input  logic [LGP-1:0]   in_off_i,         // lane of expert 0 in the row's first beat
  input  logic             in_last_i,

  input  logic             bank_free_i,      // vb_router_weigh can take one more token
  output logic             start_o,          // a token enters the second pass
  output logic             issue_o,          // a beat of the second pass is read
  output logic             busy_o,

  output logic             w_valid_o,
  output logic             w_max_o,
  output logic             w_first_o,
  output logic             w_last_o,
  output logic [1:0]       w_bank_o,
  output logic [P*32-1:0]  w_z_o,
  output logic [P*EW-1:0]  w_ent_o,
  output logic [EW-1:0]    w_kth_o
);
  // Entry of one lane: {present, ordered key, ~index}; see vb_router_topk.
  function automatic logic [EW-1:0] entry(input logic [31:0] z, input logic [10:0] pos, input logic [10:0] off,
                                          input logic [9:0] experts);
    logic [10:0] idx;
    logic [31:0] key;
    idx = pos - off;
    key = z[31] ? ~z : {1'b1, z[30:0]};
    entry = (pos >= off && idx < {1'b0, experts}) ? {1'b1, key, ~idx[8:0]} : '0;
  endfunction

  // ---- pass 1
  logic [1:0] full_q;          // half holds a whole row
  logic wr_half_q, accept, row_end;
  logic [BW-1:0] wr_beat_q;
  logic [P*EW-1:0] ent_a;
  logic rd_end, rd_half_q;

  assign in_ready_o = !full_q[wr_half_q];
  assign accept = in_valid_i && in_ready_o;
  assign row_end = accept && in_last_i;
  for (genvar l = 0; l < P; l++) begin : g_ent
    assign ent_a[l*EW +: EW] = accept ? entry(in_data_i[l*32 +: 32], {1'b0, wr_beat_q, LGP'(l)}, 11'(in_off_i), experts_i) : '0;
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      full_q <= 2'b00;
      wr_half_q <= 1'b0;
      wr_beat_q <= '0;
    end else begin
      if (row_end) full_q[wr_half_q] <= 1'b1;
      if (rd_end) full_q[rd_half_q] <= 1'b0;
      if (row_end) wr_half_q <= !wr_half_q;
      if (accept) wr_beat_q <= in_last_i ? '0 : wr_beat_q + 1'b1;
    end
  end

  logic top_done;
  logic [EW-1:0] top_max, top_kth;
  vb_router_topk #(.P(P)) u_topk (
    .clk_i, .rst_i, .valid_i(accept), .first_i(wr_beat_q == '0), .last_i(in_last_i), .ent_i(ent_a), .k_i,
    .done_o(top_done), .max_o(top_max), .kth_o(top_kth));

  // What pass 2 must know of each half.
  logic [1:0] known_q;         // max and kth are there
  logic done_half_q;
  logic [2*EW-1:0] kth_q, max_q;
  logic [2*BW-1:0] beats_q;    // index of the row's last beat
  logic [2*LGP-1:0] off_q;
  logic rd_start;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      known_q <= 2'b00;
      done_half_q <= 1'b0;
    end else begin
      if (top_done) known_q[done_half_q] <= 1'b1;
      if (rd_start) known_q[rd_half_q] <= 1'b0;
      if (top_done) done_half_q <= !done_half_q;
    end
    if (top_done) begin
      kth_q[done_half_q*EW +: EW] <= top_kth;
      max_q[done_half_q*EW +: EW] <= top_max;
    end
    if (row_end) begin
      beats_q[wr_half_q*BW +: BW] <= wr_beat_q;
      off_q[wr_half_q*LGP +: LGP] <= in_off_i;
    end
  end

  // ---- pass 2. Counter 0 is the max beat, n > 0 reads data beat n - 1.
  logic rd_q;
  logic [BW:0] cnt_q;
  logic [1:0] bank_q;
  logic [BW-1:0] last_q, rd_beat;
  logic [EW-1:0] b_kth_q;
  logic [40:0] b_max_q;
  logic [LGP-1:0] b_off_q;
  assign rd_start = !rd_q && known_q[rd_half_q] && bank_free_i;
  assign rd_end = rd_q && cnt_q == {1'b0, last_q} + 1'b1;
  assign rd_beat = BW'(cnt_q - 1'b1);
  assign start_o = rd_start;
  assign issue_o = rd_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      rd_q <= 1'b0;
      rd_half_q <= 1'b0;
      bank_q <= 2'd0;
    end else begin
      if (rd_start) rd_q <= 1'b1;
      else if (rd_end) rd_q <= 1'b0;
      if (rd_end) rd_half_q <= !rd_half_q;
      if (rd_end) bank_q <= bank_q + 2'd1;
    end
    if (rd_start) begin
      cnt_q <= '0;
      last_q <= beats_q[rd_half_q*BW +: BW];
      b_kth_q <= kth_q[rd_half_q*EW +: EW];
      b_max_q <= max_q[rd_half_q*EW +: 41];
      b_off_q <= off_q[rd_half_q*LGP +: LGP];
    end else if (rd_q) cnt_q <= cnt_q + 1'b1;
  end

  logic [P*32-1:0] buf_mem [2 << BW];
  logic [P*32-1:0] buf_rd;
  always_ff @(posedge clk_i) begin
    if (accept) buf_mem[{wr_half_q, wr_beat_q}] <= in_data_i;
    if (rd_q && cnt_q != '0) buf_rd <= buf_mem[{rd_half_q, rd_beat}];
  end

  // ---- the beat read, one cycle later
  logic x_v_q, x_max_q, x_first_q, x_last_q;
  logic [1:0] x_bank_q;
  logic [BW-1:0] x_beat_q;
  logic [EW-1:0] x_kth_q;
  logic [40:0] x_ent_q;
  logic [LGP-1:0] x_off_q;
  logic [31:0] x_key;
  always_ff @(posedge clk_i) begin
    x_v_q <= rd_q && !rst_i;
    if (rd_q) begin
      x_max_q <= cnt_q == '0;
      x_first_q <= cnt_q == (BW + 1)'(1);
      x_last_q <= rd_end;
      x_bank_q <= bank_q;
      x_beat_q <= rd_beat;
      x_kth_q <= b_kth_q;
      x_ent_q <= b_max_q;
      x_off_q <= b_off_q;
    end
  end
  assign x_key = x_ent_q[40:9];
  assign w_valid_o = x_v_q;
  assign w_max_o = x_max_q;
  assign w_first_o = x_first_q;
  assign w_last_o = x_last_q;
  assign w_bank_o = x_bank_q;
  assign w_kth_o = x_kth_q;
  always_comb begin
    w_z_o = buf_rd;
    w_ent_o = '0;
    if (x_v_q && x_max_q) w_z_o[31:0] = x_key[31] ? {1'b0, x_key[30:0]} : ~x_key;  // key -> logit
    if (x_v_q && !x_max_q)
      for (int l = 0; l < P; l++)
        w_ent_o[l*EW +: EW] = entry(buf_rd[l*32 +: 32], {1'b0, x_beat_q, LGP'(l)}, 11'(x_off_q), experts_i);
  end

  assign busy_o = full_q != 2'b00 || rd_q || x_v_q;

  logic unused_idx;  // the index part of the largest entry
  assign unused_idx = ^{x_ent_q[8:0], max_q[EW-1], max_q[2*EW-1]};

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_done_full: assert (!top_done || full_q[done_half_q]);
      a_kth: assert (!rd_start || kth_q[rd_half_q*EW + EW - 1]);  // k <= experts was checked
    end
  end
endmodule
