// SPDX-License-Identifier: Apache-2.0
//
// Head weights of a token: w * w_scale rounded to a carrier value, then all of them as 16-bit integers on one
// exponent. The largest code of a head's query goes into its weight, so that the sum over heads is one integer sum.
//
//   go ─► 1: beat ─► 2: word ─► 3: product ─► 4,5,6: NORM ─► store {exponent + code, w} ─► 7: top = max   as queries arrive
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
  input  logic             align_i,    ///< read head_i for alignment; not before the last go is 7 cycles old
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
  logic [6:0] v_q;                 // v_q[i]: stage i + 1
  logic [6*14-1:0] ctx_q;          // {head, code} beside the stages
  logic [31:0] w1, w2_q;
  logic zero2_q;
  logic [47:0] prod_q;
  logic signed [9:0] exp_q;
  logic neg_q, norm_v;
  logic [31:0] scaled;
  logic [5:0] head6;
  logic [7:0] code6;
  assign w1 = wrd_q[32*ctx_q[8 +: LGP] +: 32];
  assign {head6, code6} = ctx_q[5*14 +: 14];
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? '0 : {v_q[5:0], go_i};
    if (go_i || v_q[4:0] != '0) ctx_q <= {ctx_q[5*14-1:0], head_i, code_i};
    if (v_q[0]) begin
      w2_q    <= w1;
      zero2_q <= w1[30:0] == 31'd0 || w_scale_i[30:0] == 31'd0;
    end
    if (v_q[1]) begin
      prod_q <= zero2_q ? '0 : 48'({1'b1, w2_q[22:0]}) * 48'({1'b1, w_scale_i[22:0]});
      neg_q  <= w2_q[31] ^ w_scale_i[31];
      exp_q  <= 10'(w2_q[30:23]) + 10'(w_scale_i[30:23]) - 10'sd300;
    end
  end
  vb_norm #(.W(48), .EW(10), .MAG(1'b1)) u_norm (
    .clk_i, .rst_i, .valid_i(v_q[2]), .n_i(prod_q), .neg_i(neg_q), .e_i(exp_q), .valid_o(norm_v), .z_o(scaled));

  // Kept for alignment: the exponent of weight and code together, 0 when the head adds nothing.
  logic some;
  logic [8:0] x6, x7_q, top_q;
  assign some  = scaled[30:23] != 8'd0 && code6 != 8'd0;  // NORM has no other value with exponent 0 than 0
  assign x6    = some ? 9'(scaled[30:23]) + 9'(code6) : 9'd0;
  assign top_o = top_q;
  (* ram_style = "distributed" *)
  logic [32:0] smem [H];
  logic [32:0] srd_q;
  always_ff @(posedge clk_i) begin
    if (v_q[5]) begin
      x7_q        <= x6;
      smem[head6] <= {x6, scaled[31], scaled[22:0]};
    end
    if (clear_i) top_q <= 9'd0;
    else if (v_q[6] && x7_q > top_q) top_q <= x7_q;
    if (align_i) srd_q <= smem[head_i];
  end

  // ---- align: down by 9 and by what the head lies below the top, to nearest even, at most 2^15 - 1
  logic a1_q, a2_q, a3_q, here1_q, neg2_q;
  logic [5:0] head1_q, head2_q, head3_q;
  logic [2:0] sh2_q;
  logic [24:0] mag2_q;             // the last bit is sticky
  logic [15:0] w3_q;
  always_ff @(posedge clk_i) begin
    a1_q <= align_i && !rst_i;
    a2_q <= a1_q && !rst_i;
    a3_q <= a2_q && !rst_i;
    if (align_i) begin
      head1_q <= head_i;
      here1_q <= 7'(head_i) < heads_i;
    end
    if (a1_q) begin : coarse
      logic [8:0] below;
      logic [24:0] m;
      below = top_q - srd_q[32:24];
      m = (here1_q && srd_q[32:24] != 9'd0) ? {1'b1, srd_q[22:0], 1'b0} : 25'd0;
      if (below[4]) m = {16'd0, m[24:17], m[16:0] != '0};
      if (below[3]) m = {8'd0, m[24:9], m[8:0] != '0};
      if (below[8:5] != '0) m = '0;  // far below: rounds to 0
      head2_q <= head1_q;
      neg2_q  <= srd_q[23];
      mag2_q  <= m;
      sh2_q   <= below[2:0];
    end
    if (a2_q) begin : fine
      logic [24:0] m;
      logic up;
      m = mag2_q;
      if (sh2_q[2]) m = {4'd0, m[24:5], m[4:0] != '0};
      if (sh2_q[1]) m = {2'd0, m[24:3], m[2:0] != '0};
      if (sh2_q[0]) m = {1'd0, m[24:2], m[1:0] != '0};
      up = m[9] && (m[10] || m[8:0] != '0);
      if (m[24:10] == '1) up = 1'b0;
      // -(a + up) = ~a + !up
      w3_q    <= ({1'b0, m[24:10]} ^ {16{neg2_q}}) + {15'd0, up ^ neg2_q};
      head3_q <= head2_q;
    end
  end
  assign we_o    = a3_q;
  assign row_o   = head3_q[RW-1:0];
  assign group_o = head3_q[5:RW];
  assign w_o     = w3_q;

  always_ff @(posedge clk_i) if (!rst_i) begin
    a_norm:  assert (norm_v == v_q[5]);
    a_idle:  assert (!(align_i && v_q[5:0] != '0));  // top is final when it is used
    a_shift: assert (!(a1_q && here1_q) || srd_q[32:24] <= top_q);
  end
endmodule
