// SPDX-License-Identifier: Apache-2.0
//
// The scores of a token: ROWS x LANES multipliers, a ring of keys, the sum over heads, NORM, and the ordered key.
//
//   words ─► ring of 4 keys ─► step: group after group, word after word ─► rows ─► E: sums of 4 rows
//         ─► F: all rows, summed over groups ─► NORM (3) ─► ordered key ─► packed to beats of P scores
//
// A key is held until all head groups have met it, so a record costs its length once and groups * words steps. A key's
// steps are contiguous: they start when the whole key is in the ring (and, where scores leave for memory, a place in
// the output queue is free).
module vb_idx_array #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int NBK   = 4,
  parameter int P     = 8,
  localparam int H    = vb_idx_pkg::MaxHeads,
  localparam int GROUPS = H / ROWS,
  localparam int W    = LANES * 8,
  localparam int SUBW = 32 / LANES,
  localparam int SW   = $clog2(SUBW),
  localparam int SWX  = (SW > 0) ? SW : 1,
  localparam int BW   = (NBK > 1) ? $clog2(NBK) : 1,
  localparam int RW   = $clog2(ROWS),
  localparam int GW   = $clog2(GROUPS),
  localparam int LGP  = $clog2(P)
) (
  input  logic              clk_i,
  input  logic              rst_i,
  input  logic [4:0]        nbk_i,       ///< blocks of a record
  input  logic [GW-1:0]     last_group_i,
  // records: queries (head order) and keys, word by word
  input  logic              restart_i,   ///< the next word begins a record
  input  logic              q_word_i,
  input  logic              k_word_i,
  input  logic [W-1:0]      word_i,
  input  logic [5:0]        q_head_i,
  output logic              rec_last_o,  ///< this word ends its record
  output logic              q_max_v_o,   ///< the query's largest code
  output logic [7:0]        max_o,
  output logic              bad_o,       ///< pulse: a block code above the record's largest code
  output logic              k_room_o,    ///< the ring takes another key
  output logic              k_have_o,    ///< and holds one
  // weights
  input  logic              w_we_i,
  input  logic [RW-1:0]     w_row_i,
  input  logic [GW-1:0]     w_group_i,
  input  logic [15:0]       w_i,
  input  logic [8:0]        top_i,
  // steps
  input  logic              begin_i,     ///< a new token: its first score goes to lane 0
  input  logic [20:0]       n_i,         ///< keys of the token, >= 1, valid with begin_i
  input  logic              go_i,        ///< keys may start
  output logic              step_o,
  output logic              key_first_o, ///< with step_o: first step of a key
  output logic              key_last_o,  ///< with step_o: last step of a key
  // beats of scores
  output logic              beat_o,
  output logic [P*32-1:0]   beat_data_o
);
  localparam int KMax = 18;              // byte of the record's largest code
  localparam int SLOTS = 4;
  localparam int QW = GW + BW + SW;

  // ---- position in the record
  logic hdr_q, word, sub_last, first_data;
  logic [SWX-1:0] sub_q;
  logic [BW-1:0] blk_q, last_blk_q;
  logic [255:0] head_q;
  assign word       = q_word_i || k_word_i;
  assign sub_last   = (sub_q == SWX'(SUBW - 1));
  assign first_data = !hdr_q && (blk_q == '0) && (sub_q == '0);
  assign rec_last_o = !hdr_q && sub_last && blk_q == last_blk_q;
  always_ff @(posedge clk_i) begin
    if (restart_i) last_blk_q <= BW'(nbk_i - 5'd1);
    if (rst_i || restart_i) begin
      hdr_q <= 1'b1;
      sub_q <= '0;
      blk_q <= '0;
    end else if (word) begin
      sub_q <= sub_last ? '0 : sub_q + SWX'(1);
      if (sub_last) begin
        hdr_q <= rec_last_o;
        blk_q <= (hdr_q || rec_last_o) ? '0 : blk_q + BW'(1);
      end
    end
    if (word && hdr_q) head_q[W*sub_q +: W] <= word_i;
  end

  logic [NBK*8-1:0] below;  // largest code - code, per block
  assign max_o     = head_q[KMax*8 +: 8];
  assign q_max_v_o = q_word_i && first_data;
  always_comb begin
    below = '0;
    if (word && first_data) for (int b = 0; b < NBK; b++) below[b*8 +: 8] = max_o - head_q[b*8 +: 8];
  end
  always_ff @(posedge clk_i) begin : check
    bad_o <= 1'b0;
    if (word && first_data && !rst_i)
      for (int b = 0; b < NBK; b++) if (5'(b) < nbk_i && head_q[b*8 +: 8] > max_o) bad_o <= 1'b1;
  end

  // ---- ring of keys
  (* ram_style = "distributed" *)
  logic [W-1:0] kmem [SLOTS << (BW + SW)];
  logic [NBK*8+7:0] kcmem [SLOTS];
  logic [2:0] used_q;
  logic [1:0] wp_q, rp_q;
  logic have_q, k_done;
  assign k_room_o = used_q != 3'(SLOTS);
  assign k_have_o = have_q;
  assign k_done   = k_word_i && rec_last_o;

  logic step, key_first, key_last, release_key, mid_q, sub_end, blk_end;
  logic [GW-1:0] g_q;
  logic [BW-1:0] b_q;
  logic [SWX-1:0] s_q;
  assign sub_end     = s_q == SWX'(SUBW - 1);
  assign blk_end     = sub_end && b_q == last_blk_q;
  assign key_first   = !mid_q;
  assign key_last    = blk_end && g_q == last_group_i;
  assign step        = mid_q || (have_q && go_i);
  assign release_key = step && key_last;
  assign step_o      = step;
  assign key_first_o = key_first;
  assign key_last_o  = key_last;

  logic [BW+SW-1:0] w_at, r_at;
  logic [QW-1:0] q_at, step_at;
  if (SW > 0) begin : g_at
    assign w_at    = {blk_q, sub_q};
    assign r_at    = {b_q, s_q};
  end else begin : g_at_whole
    assign w_at    = blk_q;
    assign r_at    = b_q;
  end
  assign q_at    = {q_head_i[5:RW], w_at};
  assign step_at = {g_q, r_at};

  logic [W-1:0] a_word_q;
  logic [NBK*8+7:0] kc_q;
  always_ff @(posedge clk_i) begin
    if (k_word_i && !hdr_q) kmem[{wp_q, w_at}] <= word_i;
    if (step) a_word_q <= kmem[{rp_q, r_at}];
  end
  always_ff @(posedge clk_i) begin
    if (k_word_i && first_data) kcmem[wp_q] <= {max_o, below};
    if (step) kc_q <= kcmem[rp_q];
  end
  always_ff @(posedge clk_i) begin
    if (rst_i || begin_i) begin
      used_q <= '0;
      have_q <= 1'b0;
      wp_q   <= '0;
      rp_q   <= '0;
      mid_q  <= 1'b0;
      g_q    <= '0;
      b_q    <= '0;
      s_q    <= '0;
    end else begin
      used_q <= used_q + 3'(k_done) - 3'(release_key);
      have_q <= k_done || used_q[2:1] != '0 || (used_q[0] && !release_key);  // used_q != 0
      if (k_done) wp_q <= wp_q + 2'd1;
      if (release_key) rp_q <= rp_q + 2'd1;
      if (step) begin
        mid_q <= !key_last;
        s_q   <= sub_end ? '0 : s_q + SWX'(1);
        if (sub_end) b_q <= blk_end ? '0 : b_q + BW'(1);
        if (blk_end) g_q <= key_last ? '0 : g_q + GW'(1);
      end
    end
  end

  // ---- beside the rows: A words, M products, B dot, P block, S aligned, C head, D product, E sums of 4, F all
  logic a_v_q, m_v_q, b_v_q, p_v, s_v_q, c_v_q, d_v_q, e_v_q, f_v_q;
  logic a_sub_first_q, a_sub_last_q, a_first_q, a_last_q, m_sub_first_q, m_sub_last_q, m_first_q, m_last_q;
  logic b_sub_first_q, b_sub_last_q, b_first_q, b_last_q, p_first, p_last, s_first_q, s_last_q;
  logic [BW-1:0] a_blk_q;
  logic [GW-1:0] a_g_q, m_g_q, b_g_q, p_g, s_g_q;
  logic [7:0] m_max_q, b_max_q, p_max, s_max_q, c_max_q, d_max_q, e_max_q, f_max_q;
  logic c_start_q, c_end_q, d_start_q, d_end_q, e_start_q, e_end_q;  // first, last group
  always_ff @(posedge clk_i) begin
    a_v_q <= step && !rst_i;
    m_v_q <= a_v_q && !rst_i;
    b_v_q <= m_v_q && !rst_i;
    s_v_q <= p_v && !rst_i;
    c_v_q <= s_v_q && s_last_q && !rst_i;
    d_v_q <= c_v_q && !rst_i;
    e_v_q <= d_v_q && !rst_i;
    f_v_q <= e_v_q && e_end_q && !rst_i;
    if (step) begin
      a_sub_first_q <= s_q == '0;
      a_sub_last_q  <= sub_end;
      a_first_q     <= b_q == '0;
      a_last_q      <= blk_end;
      a_blk_q       <= b_q;
      a_g_q         <= g_q;
    end
    if (a_v_q) begin
      m_sub_first_q <= a_sub_first_q;
      m_sub_last_q  <= a_sub_last_q;
      m_first_q     <= a_first_q;
      m_last_q      <= a_last_q;
      m_g_q         <= a_g_q;
      m_max_q       <= kc_q[NBK*8 +: 8];
    end
    if (m_v_q) begin
      b_sub_first_q <= m_sub_first_q;
      b_sub_last_q  <= m_sub_last_q;
      b_first_q     <= m_first_q;
      b_last_q      <= m_last_q;
      b_g_q         <= m_g_q;
      b_max_q       <= m_max_q;
    end
    if (p_v) begin
      s_first_q <= p_first;
      s_last_q  <= p_last;
      s_g_q     <= p_g;
      s_max_q   <= p_max;
    end
    if (s_v_q && s_last_q) begin
      c_start_q <= s_g_q == '0;
      c_end_q   <= s_g_q == last_group_i;
      c_max_q   <= s_max_q;
    end
    if (c_v_q) begin d_start_q <= c_start_q; d_end_q <= c_end_q; d_max_q <= c_max_q; end
    if (d_v_q) begin e_start_q <= d_start_q; e_end_q <= d_end_q; e_max_q <= d_max_q; end
    if (e_v_q) f_max_q <= e_max_q;
  end
  if (SUBW == 1) begin : g_whole
    assign p_v     = b_v_q;
    assign p_first = b_first_q;
    assign p_last  = b_last_q;
    assign p_g     = b_g_q;
    assign p_max   = b_max_q;
    logic unused_last;
    assign unused_last = b_sub_last_q;
  end else begin : g_parts
    logic p_v_q, p_first_q, p_last_q;
    logic [GW-1:0] p_g_q;
    logic [7:0] p_max_q;
    always_ff @(posedge clk_i) begin
      p_v_q <= b_v_q && b_sub_last_q && !rst_i;
      if (b_v_q) begin
        p_first_q <= b_first_q;
        p_last_q  <= b_last_q;
        p_g_q     <= b_g_q;
        p_max_q   <= b_max_q;
      end
    end
    assign p_v     = p_v_q;
    assign p_first = p_first_q;
    assign p_last  = p_last_q;
    assign p_g     = p_g_q;
    assign p_max   = p_max_q;
  end

  logic [7:0] a_kd;
  assign a_kd = kc_q[8*a_blk_q +: 8];
  logic [ROWS*48-1:0] prod;
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    vb_idx_row #(.LANES(LANES), .NBK(NBK), .GROUPS(GROUPS)) u_row (
      .clk_i, .q_we_i(q_word_i && !hdr_q && q_head_i[RW-1:0] == RW'(r)), .q_at_i(q_at), .q_word_i(word_i),
      .qc_we_i(q_word_i && first_data && q_head_i[RW-1:0] == RW'(r)), .qc_at_i(q_head_i[5:RW]), .qc_i(below),
      .w_we_i(w_we_i && w_row_i == RW'(r)), .w_at_i(w_group_i), .w_i, .step_i(step), .step_at_i(step_at),
      .step_group_i(g_q), .a_valid_i(a_v_q), .a_word_i(a_word_q), .a_blk_i(a_blk_q), .a_kd_i(a_kd),
      .m_valid_i(m_v_q), .b_valid_i(b_v_q), .b_sub_first_i(b_sub_first_q), .p_valid_i(p_v), .s_valid_i(s_v_q),
      .s_first_i(s_first_q), .s_group_i(s_g_q), .c_valid_i(c_v_q), .prod_o(prod[r*48 +: 48]));
  end

  localparam int SUMW = 49 + $clog2(NBK);  // 64 heads: 2^15 times NBK blocks of at most 2^19 * 2^8
  logic [ROWS/4*SUMW-1:0] four_q;
  logic signed [SUMW-1:0] sum_q;
  always_ff @(posedge clk_i) if (d_v_q) begin : fours
    logic signed [SUMW-1:0] t;
    for (int i = 0; i < ROWS / 4; i++) begin
      t = '0;
      for (int j = 0; j < 4; j++) t = t + SUMW'($signed(prod[(4*i + j)*48 +: 48]));
      four_q[i*SUMW +: SUMW] <= t;
    end
  end
  always_ff @(posedge clk_i) if (e_v_q) begin : all
    logic signed [SUMW-1:0] t;
    t = e_start_q ? '0 : sum_q;
    for (int i = 0; i < ROWS / 4; i++) t = t + $signed(four_q[i*SUMW +: SUMW]);
    sum_q <= t;
  end

  // ---- NORM of sum * 2^(top - 150 + 9 + EK - 254 - 8), then the integer that sorts like the value
  logic z_v;
  logic [31:0] z, ordered;
  vb_norm #(.W(SUMW), .EW(10)) u_norm (
    .clk_i, .rst_i, .valid_i(f_v_q), .n_i(sum_q), .neg_i(1'b0), .e_i($signed({1'b0, top_i}) + $signed({2'b00, f_max_q}) - 10'sd403),
    .valid_o(z_v), .z_o(z));
  assign ordered = z[31] ? ~z : {1'b1, z[30:0]};

  // ---- beats of P
  logic [LGP-1:0] lane_q;
  logic [20:0] left_q;
  logic beat_q;
  logic [P*32-1:0] pack_q;
  always_ff @(posedge clk_i) begin
    beat_q <= !rst_i && z_v && (lane_q == LGP'(P - 1) || left_q == 21'd1);
    if (begin_i) begin
      lane_q <= '0;
      left_q <= n_i;
    end else if (z_v) begin
      lane_q <= lane_q + LGP'(1);
      left_q <= left_q - 21'd1;
    end
    if (z_v) pack_q[32*lane_q +: 32] <= ordered;
  end
  assign beat_o = beat_q;
  assign beat_data_o = pack_q;

  logic unused_head;  // header bytes that are reserved or beyond this configuration
  assign unused_head = ^head_q;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_kind: assert (!(q_word_i && k_word_i));
    a_blk:  assert (!word || 5'(blk_q) < nbk_i);
    a_ring: assert (!(k_word_i && !k_room_o));
    a_more: assert (!z_v || left_q != '0);  // no score beyond the token's keys
    a_quiet: assert (!begin_i || !(a_v_q || m_v_q || b_v_q || p_v || s_v_q || c_v_q || d_v_q || e_v_q || f_v_q || z_v));
  end
endmodule
