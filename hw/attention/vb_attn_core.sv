// SPDX-License-Identifier: Apache-2.0
//
// The array: positions, pipelines and valids that all rows share, the score memory, and ROWS rows of multipliers with what
// is before and behind them. Takes words of queries, keys and values; knows nothing of memory, streams or phases.
//
//   pass one   0 word ─ 1 operands ─ 2 products ─ 3 dot ─ (P sub-words) ─ C block sum ─ D split ─ E score ─ F maxima, score memory
//   pass two   0 word ─ 1 score ─ 2 distance ─ 3..5 EXP2 ─ 6 shift ─ 7 operands ─ 8 products ─ 9 numerators
module vb_attn_core #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int NBK   = 4,
  parameter int NBV   = 4,
  parameter int NMAX  = 2048,
  localparam int W    = LANES * 8,
  localparam int NW   = $clog2(NMAX),
  localparam int RW   = $clog2(ROWS),
  localparam int AW   = $clog2(NBV * (32 / LANES))
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 clear_i,     ///< new tile
  input  logic                 restart_i,   ///< next word starts a record; key number back to 0
  input  logic                 track_i,     ///< scores move the maximum
  input  logic                 peaks_i,     ///< keys enter the block exponents
  input  logic [4:0]           nbk_i,       ///< key blocks of this job, 1..NBK
  input  logic [4:0]           nbv_i,
  input  logic                 shared_i,    ///< value codes are the key's
  // words
  input  logic                 q_word_i,
  input  logic                 k_word_i,
  input  logic                 v_word_i,
  input  logic                 values_i,    ///< words are values
  input  logic                 s_step_i,    ///< pass two of the sinks
  input  logic [W-1:0]         word_i,
  input  logic [255:0]         head_i,      ///< header of the record that the word is of (queries and keys)
  input  logic                 seen_i,
  input  logic [RW-1:0]        q_row_i,
  output logic                 rec_last_o,  ///< the word is the last of its record
  // which keys: see vb_attn_tile
  input  logic                 list_i,      ///< seen_i alone decides
  input  logic [20:0]          base_i,      ///< number of the chunk's first candidate
  input  logic [20:0]          na_i,
  input  logic [20:0]          start_i,
  input  logic [20:0]          keep_i,
  input  logic [ROWS*21-1:0]   hi_i,
  input  logic [ROWS*21-1:0]   lo_i,
  // maxima and exponents from memory, sinks
  input  logic [ROWS-1:0]      m_we_i,
  input  logic [ROWS*32-1:0]   m_i,
  output logic [ROWS*32-1:0]   m_o,
  input  logic [ROWS*32-1:0]   sink_i,
  input  logic                 x_step_i,    ///< EM of block x_blk_i
  input  logic [4:0]           x_blk_i,
  input  logic [ROWS-1:0]      em_we_i,
  input  logic [NBV*16-1:0]    em_i,
  output logic [ROWS*NBV*16-1:0] em_o,
  // end of the tile
  input  logic [ROWS-1:0]      div_start_i,
  input  logic [31:0]          div_u_i,
  output logic [ROWS-1:0]      div_done_o,
  output logic [ROWS*64-1:0]   l_o,
  output logic [ROWS*32-1:0]   r_o,
  input  logic                 rd_i,
  input  logic [RW-1:0]        rd_row_i,
  input  logic [AW-1:0]        rd_addr_i,   ///< of the next cycle's read
  output logic [LANES*64-1:0]  num_o,       ///< two cycles later
  output logic                 bad_head_o,  ///< a header contradicts itself
  output logic                 bad_refs_o
);
  localparam int SUBW = 32 / LANES;
  localparam int SW   = (SUBW == 1) ? 1 : $clog2(SUBW);
  localparam int BKW  = $clog2(NBK);
  localparam int BVW  = $clog2(NBV);
  localparam int QW   = $clog2(NBK * SUBW);
  localparam int KMax = 18;    // byte of the record's largest code
  localparam int VCodes = 20;  // first value code
  localparam int NVC = (NBV < 12) ? NBV : 12;  // value codes that a header has

  // ---- position in the record, in words
  logic word, sub_last, first;
  logic [SW-1:0] sub_q;
  logic [4:0] blk_q, nb, last_k_q, last_v_q;
  logic [NW-1:0] key_q;
  assign word       = q_word_i || k_word_i || v_word_i;
  assign nb         = v_word_i ? nbv_i : nbk_i;
  assign sub_last   = (sub_q == SW'(SUBW - 1));
  assign first      = (blk_q == 5'd0) && (sub_q == '0);
  assign rec_last_o = sub_last && blk_q == (values_i ? last_v_q : last_k_q);

  always_ff @(posedge clk_i) begin
    if (clear_i) begin
      last_k_q <= nbk_i - 5'd1;
      last_v_q <= nbv_i - 5'd1;
    end
    if (rst_i || restart_i) begin
      sub_q <= '0;
      blk_q <= '0;
      key_q <= '0;
    end else if (word) begin
      sub_q <= sub_last ? '0 : sub_q + SW'(1);
      if (sub_last) blk_q <= rec_last_o ? 5'd0 : blk_q + 5'd1;
      if (rec_last_o) key_q <= key_q + NW'(1);
    end
  end

  // ---- header of the record at hand
  logic [NBK*8-1:0] codes;
  logic [NBV*8-1:0] vcodes;
  logic [7:0] kmax;
  assign codes = head_i[NBK*8-1:0];
  assign kmax  = head_i[KMax*8 +: 8];
  always_ff @(posedge clk_i) begin : check
    bad_head_o <= 1'b0;
    if ((q_word_i || k_word_i) && first)
      for (int b = 0; b < NBK; b++) if (5'(b) < nbk_i && codes[b*8 +: 8] > kmax) bad_head_o <= 1'b1;
  end
  always_comb begin  // of the blocks that the job has
    vcodes = '0;
    if (k_word_i && rec_last_o)
      for (int b = 0; b < NBV; b++)
        if (5'(b) < nbv_i) begin
          if (shared_i) vcodes[b*8 +: 8] = (b < NBK) ? head_i[b*8 +: 8] : 8'd0;
          else if (b < NVC) vcodes[b*8 +: 8] = head_i[(VCodes + b)*8 +: 8];
        end
  end

  // ---- pass one, 1..3: what travels with a word
  logic [2:0] k_v_q;  // valid in stages 1, 2, 3
  logic [2:0] sub_first_q, sub_last_q, first_q, last_q;
  logic [BKW-1:0] blk1_q;
  logic [7:0] kd1_q, ek1_q, ek2_q, ek3_q;
  logic seen1_q, seen2_q, seen3_q;
  logic [NW-1:0] key1_q, key2_q, key3_q;
  logic [NBV*8-1:0] vc1_q, vc2_q, vc3_q;
  always_ff @(posedge clk_i) begin
    k_v_q <= rst_i ? 3'd0 : {k_v_q[1:0], k_word_i};
    if (k_word_i) begin
      sub_first_q[0] <= (sub_q == '0);
      sub_last_q[0]  <= sub_last;
      first_q[0]     <= (blk_q == 5'd0);
      last_q[0]      <= rec_last_o;
      blk1_q         <= BKW'(blk_q);
      kd1_q          <= kmax - codes[8*blk_q +: 8];
      if (rec_last_o) begin
        ek1_q   <= kmax;
        key1_q  <= key_q;
        seen1_q <= seen_i;
        vc1_q   <= vcodes;
      end
    end
    if (k_v_q[0]) begin
      sub_first_q[1] <= sub_first_q[0];
      sub_last_q[1]  <= sub_last_q[0];
      first_q[1]     <= first_q[0];
      last_q[1]      <= last_q[0];
      if (last_q[0]) begin ek2_q <= ek1_q; key2_q <= key1_q; seen2_q <= seen1_q; vc2_q <= vc1_q; end
    end
    if (k_v_q[1]) begin
      sub_first_q[2] <= sub_first_q[1];
      sub_last_q[2]  <= sub_last_q[1];
      first_q[2]     <= first_q[1];
      last_q[2]      <= last_q[1];
      if (last_q[1]) begin ek3_q <= ek2_q; key3_q <= key2_q; seen3_q <= seen2_q; vc3_q <= vc2_q; end
    end
  end

  // ---- P: a whole block
  logic p_v, p_first, p_last, p_seen;
  logic [7:0] p_ek;
  logic [NW-1:0] p_key;
  logic [NBV*8-1:0] p_vc;
  if (SUBW == 1) begin : g_whole
    assign p_v = k_v_q[2];
    assign p_first = first_q[2];
    assign p_last = last_q[2];
    assign p_ek = ek3_q;
    assign p_key = key3_q;
    assign p_seen = seen3_q;
    assign p_vc = vc3_q;
    logic unused_last;
    assign unused_last = sub_last_q[2];
  end else begin : g_parts
    logic p_v_q, p_first_q, p_last_q, p_seen_q;
    logic [7:0] p_ek_q;
    logic [NW-1:0] p_key_q;
    logic [NBV*8-1:0] p_vc_q;
    always_ff @(posedge clk_i) begin
      p_v_q <= k_v_q[2] && sub_last_q[2] && !rst_i;
      if (k_v_q[2]) begin
        p_first_q <= first_q[2];
        p_last_q  <= last_q[2];
        if (last_q[2]) begin p_ek_q <= ek3_q; p_key_q <= key3_q; p_seen_q <= seen3_q; p_vc_q <= vc3_q; end
      end
    end
    assign p_v = p_v_q;
    assign p_first = p_first_q;
    assign p_last = p_last_q;
    assign p_ek = p_ek_q;
    assign p_key = p_key_q;
    assign p_seen = p_seen_q;
    assign p_vc = p_vc_q;
  end

  // ---- C, D, E: the key; who attends it
  logic c_v_q, d_v_q, e_v_q, f_v_q, c_seen_q;
  logic [NW-1:0] c_key_q, d_key_q, e_key_q;
  logic [NBV*8-1:0] c_vc_q, d_vc_q, e_vc_q;
  logic [20:0] c_rel_q;
  logic [ROWS-1:0] d_act_q;
  always_ff @(posedge clk_i) begin
    c_v_q <= p_v && p_last && !rst_i;
    d_v_q <= c_v_q && !rst_i;
    e_v_q <= d_v_q && !rst_i;
    f_v_q <= e_v_q && !rst_i;
    if (p_v && p_last) begin : number
      logic [20:0] n;
      n = base_i + 21'(p_key);
      c_rel_q  <= (n < na_i) ? n : n - na_i + start_i;
      c_key_q  <= p_key;
      c_seen_q <= p_seen;
      c_vc_q   <= p_vc;
    end
    if (c_v_q) begin : mask
      d_key_q <= c_key_q;
      d_vc_q  <= c_vc_q;
      for (int r = 0; r < ROWS; r++)
        d_act_q[r] <= list_i ? c_seen_q && hi_i[r*21 +: 21] != 21'd0  // 0: a row that a short tile lacks
                             : (c_rel_q < hi_i[r*21 +: 21] && (c_rel_q < keep_i || c_rel_q >= lo_i[r*21 +: 21]));
    end
    if (d_v_q) begin
      e_key_q <= d_key_q;
      e_vc_q  <= d_vc_q;
    end
  end

  // ---- score memory: scores and value codes of a key; one write and one registered read port
  localparam int SMW = ROWS * 32 + NBV * 8;
  (* no_rw_check *) logic [SMW-1:0] smem [NMAX];  // never both at once: a_score
  logic [SMW-1:0] srd_q;
  logic [ROWS*32-1:0] score;
  logic re;
  always_ff @(posedge clk_i) begin
    if (e_v_q) smem[e_key_q] <= {e_vc_q, score};
    if (re) srd_q <= smem[key_q];
  end

  // ---- pass two, 1: score; 2..5: the codes travel with their key, as the probability does in the rows
  logic v1_first_q, v1_start_q, s1_q, f2_q, f3_q, f4_q, f5_q, f6_q;
  logic [NBV*8-1:0] ev2_q, ev3_q, ev4_q, ev5_q;
  assign re = v_word_i && first;
  always_ff @(posedge clk_i) begin
    v1_first_q <= (re || s_step_i) && !rst_i;
    s1_q <= s_step_i && !rst_i;
    if (re) v1_start_q <= (base_i == 21'd0 && key_q == '0);
    f2_q <= v1_first_q && !rst_i;
    f3_q <= f2_q && !rst_i;
    f4_q <= f3_q && !rst_i;
    f5_q <= f4_q && !rst_i;
    f6_q <= f5_q && !rst_i;
    if (v1_first_q) ev2_q <= srd_q[ROWS*32 +: NBV*8];
    if (f2_q) ev3_q <= ev2_q;
    if (f3_q) ev4_q <= ev3_q;
    if (f4_q) ev5_q <= ev4_q;
  end

  // ---- 1..8: valids and places of the words; the words themselves wait in a FIFO for the probability of their key
  logic [7:0] v_q;  // stage i at [i - 1]
  logic [AW:0] p1_q, p2_q, p3_q, p4_q, p5_q, p6_q, p7_q;  // {first key of the tile, accumulator address}
  logic start8_q;
  logic [AW-1:0] num_at_q;  // numerators read or added to: one port, for streaming and read-out exclude each other
  logic [W-1:0] w6;
  logic w_full, w_empty;
  logic [3:0] w_count;
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? 8'd0 : {v_q[6:0], v_word_i};
    if (v_word_i) p1_q <= {1'b0, AW'(32'(blk_q) * SUBW + 32'(sub_q))};
    if (v_q[0]) p2_q <= {v1_start_q, p1_q[AW-1:0]};
    if (v_q[1]) p3_q <= p2_q;
    if (v_q[2]) p4_q <= p3_q;
    if (v_q[3]) p5_q <= p4_q;
    if (v_q[4]) p6_q <= p5_q;
    if (v_q[5]) p7_q <= p6_q;
    if (v_q[6]) start8_q <= p7_q[AW];
    num_at_q <= v_q[6] ? p7_q[AW-1:0] : rd_addr_i;
  end
  vb_fifo #(.W(W), .DEPTH(8)) u_words (
    .clk_i, .rst_i, .push_i(v_word_i), .data_i(word_i), .full_o(w_full), .pop_i(v_q[5]), .data_o(w6),
    .empty_o(w_empty), .count_o(w_count));

  // ---- the operand that all rows share
  logic [LANES*32-1:0] b_q;  // in the places of vb_attn_mac
  function automatic int from(input int s);
    from = (s % (LANES / 4)) * 4 + s / (LANES / 4);
  endfunction
  always_ff @(posedge clk_i) begin
    if (k_word_i) begin
      for (int s = 0; s < LANES; s++) b_q[s*32 +: 32] <= 32'($signed(word_i[from(s)*8 +: 8]));
    end else if (v_q[5]) begin
      for (int s = 0; s < LANES; s++) b_q[s*32 +: 32] <= 32'($signed(w6[from(s)*8 +: 8]));
    end
  end

  // ---- exponents: two cycles a block
  logic y_step_q;
  logic [BVW-1:0] y_blk_q;
  always_ff @(posedge clk_i) begin
    y_step_q <= x_step_i && !rst_i;
    if (x_step_i) y_blk_q <= BVW'(x_blk_i);
  end

  logic [QW-1:0] q_at;
  assign q_at = QW'(32'(blk_q) * SUBW + 32'(sub_q));

  logic [ROWS-1:0] bad_m, bad_v, bad_em;
  logic [ROWS*LANES*64-1:0] num;
  logic [RW-1:0] row_q;
  logic rd_q;
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    logic signed [31:0] dot;
    logic [23:0] p6;
    vb_attn_mac #(.LANES(LANES), .NBK(NBK), .NBV(NBV)) u_mac (
      .clk_i, .q_we_i(q_word_i && q_row_i == RW'(r)), .q_addr_i(q_at), .q_word_i(word_i),
      .k_load_i(k_word_i), .k_addr_i(q_at), .p_load_i(v_q[5]), .p_i(p6), .b_i(b_q), .x_valid_i(k_v_q[0] || v_q[6]),
      .dot_i(k_v_q[1]), .dot_o(dot), .acc_i(v_q[7]), .start_i(start8_q),
      .rd_i(rd_i && rd_row_i == RW'(r)), .addr_i(num_at_q), .num_o(num[r*LANES*64 +: LANES*64]));
    vb_attn_krow #(.SUBW(SUBW), .NBK(NBK)) u_k (
      .clk_i, .rst_i, .clear_i, .track_i,
      .qc_we_i(q_word_i && first && q_row_i == RW'(r)), .q_codes_i(codes), .q_max_i(kmax),
      .v1_i(k_v_q[0]), .blk1_i(blk1_q), .kd1_i(kd1_q), .v2_i(k_v_q[1]), .v3_i(k_v_q[2]),
      .sub_first3_i(sub_first_q[2]), .dot_i(dot), .p_valid_i(p_v), .p_first_i(p_first), .p_ek_i(p_ek),
      .c_valid_i(c_v_q), .d_valid_i(d_v_q), .d_act_i(d_act_q[r]), .e_valid_i(e_v_q),
      .m_we_i(m_we_i[r]), .m_i($signed(m_i[r*32 +: 32])), .score_o(score[r*32 +: 32]), .m_o(m_o[r*32 +: 32]),
      .bad_o(bad_m[r]));
    vb_attn_erow #(.NBV(NBV)) u_e (
      .clk_i, .clear_i, .s_valid_i(e_v_q && peaks_i), .s_score_i(score[r*32 +: 32]), .s_codes_i(e_vc_q),
      .m_i($signed(m_o[r*32 +: 32])), .x_step_i, .x_blk_i(BVW'(x_blk_i)), .y_step_i(y_step_q), .y_blk_i(y_blk_q),
      .em_we_i(em_we_i[r]), .em_i, .em_o(em_o[r*NBV*16 +: NBV*16]));
    vb_attn_vrow #(.NBV(NBV)) u_v (
      .clk_i, .rst_i, .clear_i, .m_i($signed(m_o[r*32 +: 32])), .em_i(em_o[r*NBV*16 +: NBV*16]),
      .v1_first_i(v1_first_q), .v2_first_i(f2_q), .v3_first_i(f3_q), .v4_first_i(f4_q), .v6_first_i(f6_q),
      .s1_i($signed(s1_q ? sink_i[r*32 +: 32] : srd_q[r*32 +: 32])),
      .v5_i(v_q[4]), .v5_first_i(f5_q), .ev5_i(ev5_q), .blk5_i(BVW'(32'(p5_q[AW-1:0]) / SUBW)), .p_o(p6),
      .div_start_i(div_start_i[r]), .div_u_i, .l_o(l_o[r*64 +: 64]), .r_o(r_o[r*32 +: 32]),
      .div_done_o(div_done_o[r]), .bad_m_o(bad_v[r]), .bad_em_o(bad_em[r]));
  end

  always_ff @(posedge clk_i) begin
    rd_q <= rd_i && !rst_i;
    if (rd_i) row_q <= rd_row_i;
    if (rd_q) begin : read_out
      logic [LANES*64-1:0] places;
      places = num[32'(row_q)*LANES*64 +: LANES*64];
      for (int s = 0; s < LANES; s++) num_o[from(s)*64 +: 64] <= places[s*64 +: 64];
    end
    bad_refs_o <= (f_v_q && bad_m != '0) || (f2_q && bad_v != '0) || (v_q[5] && bad_em != '0);
  end

  logic unused_core;
  assign unused_core = ^{head_i, p1_q[AW], w_full, w_empty, w_count, x_blk_i};
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_kind:     assert (!(q_word_i && k_word_i) && !(s_step_i && v_word_i));
    a_blk:      assert (!word || blk_q < nb);
    a_excl:     assert (!(v_q[7] && rd_i));  // numerators have one read port
    a_one_pass: assert (!(k_word_i && v_q != 8'd0) && !(v_word_i && k_v_q != 3'd0));  // one array, one pass
    a_score:    assert (!(e_v_q && re));  // a key's scores are complete before pass two reads them
    a_peaks:    assert (!(x_step_i && (e_v_q || d_v_q)));
  end
endmodule
