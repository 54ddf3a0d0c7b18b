// SPDX-License-Identifier: Apache-2.0
//
// Head weights of a token: w * w_scale rounded to a carrier value, then all of them as 16-bit integers on one
// exponent. The largest code of a head's query goes into its weight, so that the sum over heads is one integer sum.
//
//   go ─► 1: word ─► 2: product ─► 3,4,5: NORM ─► store {code, w}, top = max(exponent + code)       as queries arrive
//   align: read head ─► shift amount ─► round, clamp ─► write to its row                           one head a cycle
//
// Heads beyond the job's get 0, so rows that hold an old query add nothing.
module vb_idx_weights #(
  parameter int unsigned P    = 8,
  parameter int unsigned ROWS = 8,
  localparam int unsigned H   = vb_idx_pkg::MaxHeads,
  localparam int unsigned RW  = $clog2(ROWS),
  localparam int unsigned GW  = $clog2(H / ROWS),
  localparam int unsigned LGP = $clog2(P),
  localparam int unsigned BW  = $clog2(H / P)
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic [31:0]      w_scale_i,
  input  logic [6:0]       heads_i,
  input  logic             clear_i,    ///< a new token: no weight seen
  input  logic             beat_i,     ///< a beat of weights
  input  logic [BW-1:0]    beat_at_i,
  input  logic [P*32-1:0]  beat_data_i,
  input  logic             go_i,       ///< the query of head_i has this largest code
  input  logic [5:0]       head_i,
  input  logic [7:0]       code_i,
  input  logic             align_i,    ///< read head_i for alignment; not before the last go is 6 cycles old
  output logic             we_o,       ///< 3 cycles after align_i
  output logic [RW-1:0]    row_o,
  output logic [GW-1:0]    group_o,
  output logic [15:0]      w_o,
  output logic [8:0]       top_o
);
  logic [P*32-1:0] wbuf [H/P];
  logic [P*32-1:0] wrd_q;
  always_ff @(posedge clk_i) begin
    if (beat_i) wbuf[beat_at_i] <= beat_data_i;
    if (go_i) wrd_q <= wbuf[head_i[5:LGP]];
  end

  // ---- scale
  logic [4:0] v_q;                 // v_q[i]: stage i + 1
  logic [5*14-1:0] ctx_q;          // {head, code} beside the stages
  logic [31:0] w1;
  logic signed [49:0] prod_q;
  logic signed [9:0] exp_q;
  logic norm_v;
  logic [31:0] scaled;
  logic [5:0] head5;
  logic [7:0] code5;
  assign w1 = wrd_q[32*ctx_q[8 +: LGP] +: 32];
  assign {head5, code5} = ctx_q[4*14 +: 14];
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? '0 : {v_q[3:0], go_i};
    if (go_i || v_q != '0) ctx_q <= {ctx_q[4*14-1:0], head_i, code_i};
    if (v_q[0]) begin : multiply
      logic [49:0] m;
      m = 50'({1'b1, w1[22:0]}) * 50'({1'b1, w_scale_i[22:0]});
      if (w1[30:0] == 31'd0 || w_scale_i[30:0] == 31'd0) m = '0;
      prod_q <= (w1[31] ^ w_scale_i[31]) ? -m : m;
      exp_q  <= 10'(w1[30:23]) + 10'(w_scale_i[30:23]) - 10'sd300;
    end
  end
  vb_norm #(.W(50), .EW(10)) u_norm (
    .clk_i, .rst_i, .valid_i(v_q[1]), .n_i(prod_q), .neg_i(1'b0), .e_i(exp_q), .valid_o(norm_v), .z_o(scaled));

  logic [8:0] x5, top_q;
  assign x5    = 9'(scaled[30:23]) + 9'(code5);
  assign top_o = top_q;
  logic [39:0] smem [H];
  logic [39:0] srd_q;
  always_ff @(posedge clk_i) begin
    if (clear_i) top_q <= 9'd0;
    else if (v_q[4] && scaled != 32'd0 && code5 != 8'd0 && x5 > top_q) top_q <= x5;
    if (v_q[4]) smem[head5] <= {code5, scaled};
    if (align_i) srd_q <= smem[head_i];
  end

  // ---- align
  logic a1_q, a2_q, a3_q, here1_q, neg2_q;
  logic [5:0] head1_q, head2_q, head3_q;
  logic [4:0] sh2_q;
  logic [23:0] mag2_q;
  logic [15:0] w3_q;
  always_ff @(posedge clk_i) begin
    a1_q <= align_i && !rst_i;
    a2_q <= a1_q && !rst_i;
    a3_q <= a2_q && !rst_i;
    if (align_i) begin
      head1_q <= head_i;
      here1_q <= 7'(head_i) < heads_i;
    end
    if (a1_q) begin : amount
      logic [9:0] sh;
      logic some;
      sh = 10'd9 + 10'(top_q) - 10'(srd_q[30:23]) - 10'(srd_q[39:32]);
      some = here1_q && srd_q[39:32] != 8'd0 && srd_q[30:0] != 31'd0;
      head2_q <= head1_q;
      neg2_q  <= srd_q[31];
      mag2_q  <= some ? {1'b1, srd_q[22:0]} : 24'd0;
      sh2_q   <= (!some || sh > 10'd25) ? 5'd25 : sh[4:0];  // 25 and more: every weight rounds to 0
    end
    if (a2_q) begin : round
      logic [24:0] m;
      m = {1'b0, mag2_q} + (25'd1 << (sh2_q - 5'd1)) - 25'd1 + (({1'b0, mag2_q} >> sh2_q) & 25'd1);
      m = m >> sh2_q;
      if (m > 25'd32767) m = 25'd32767;
      w3_q    <= neg2_q ? -16'(m) : 16'(m);
      head3_q <= head2_q;
    end
  end
  assign we_o    = a3_q;
  assign row_o   = head3_q[RW-1:0];
  assign group_o = head3_q[5:RW];
  assign w_o     = w3_q;

  always_ff @(posedge clk_i) if (!rst_i) begin
    a_norm:  assert (norm_v == v_q[4]);
    a_idle:  assert (!(align_i && v_q != '0));  // top is final
    a_shift: assert (!a2_q || sh2_q >= 5'd9);
  end
endmodule
