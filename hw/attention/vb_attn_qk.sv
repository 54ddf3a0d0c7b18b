// SPDX-License-Identifier: Apache-2.0
//
// Pass one of a tile: takes the words of query records (into the rows) and of key records (through the rows), writes
// scores and value codes per key, keeps the maxima. Parses the record header; knows nothing of memory or of phases.
//
// Latency from the last word of a key to its maximum: LAT cycles, always.
module vb_attn_qk #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int NBK   = 4,
  parameter int NBV   = 4,
  parameter int NMAX  = 2048,
  localparam int W    = LANES * 8,
  localparam int NW   = $clog2(NMAX),
  localparam int RW   = $clog2(ROWS)
) (
  input  logic                clk_i,
  input  logic                rst_i,
  input  logic                clear_i,     ///< new tile
  input  logic                track_i,     ///< phase MAX
  input  logic                restart_i,   ///< next word starts a record; key number back to 0
  input  logic [4:0]          nbk_i,       ///< key blocks of this job, 1..NBK
  input  logic                q_word_i,    ///< a query word
  input  logic                k_word_i,    ///< a key word
  input  logic [W-1:0]        word_i,
  input  logic [RW-1:0]       q_row_i,
  output logic                rec_last_o,  ///< the word is the last of its record
  input  logic [20:0]         base_i,      ///< number of the chunk's first key in the job
  input  logic [ROWS*21-1:0]  cnt_i,       ///< keys that each row attends: the first cnt of the job
  input  logic [ROWS-1:0]     m_we_i,
  input  logic [ROWS*32-1:0]  m_i,
  output logic [ROWS*32-1:0]  m_o,
  output logic                sw_valid_o,  ///< scores of one key
  output logic [NW-1:0]       sw_key_o,
  output logic [ROWS*32-1:0]  sw_data_o,
  output logic                cw_valid_o,  ///< value codes of one key
  output logic [NW-1:0]       cw_key_o,
  output logic [NBV*8-1:0]    cw_data_o,
  output logic                bad_o        ///< a header contradicts itself
);
  localparam int SUBW = 32 / LANES;
  localparam int SW   = (SUBW == 1) ? 1 : $clog2(SUBW);
  localparam int BW   = $clog2(NBK);
  localparam int QW   = $clog2(NBK * SUBW);
  localparam int KMax = 18;    // byte of the record's largest code
  localparam int VCodes = 20;  // first value code

  // ---- position in the record
  logic hdr_q, word, sub_last, first_data;
  logic [SW-1:0] sub_q;
  logic [BW-1:0] blk_q;
  logic [NW-1:0] key_q;
  logic [255:0] head_q;

  assign word       = q_word_i || k_word_i;
  assign sub_last   = (sub_q == SW'(SUBW - 1));
  assign first_data = !hdr_q && (blk_q == '0) && (sub_q == '0);
  assign rec_last_o = !hdr_q && sub_last && (5'(blk_q) == nbk_i - 5'd1);

  always_ff @(posedge clk_i) begin
    if (rst_i || restart_i) begin
      hdr_q <= 1'b1;
      sub_q <= '0;
      blk_q <= '0;
      key_q <= '0;
    end else if (word) begin
      sub_q <= sub_last ? '0 : sub_q + SW'(1);
      if (sub_last) begin
        hdr_q <= rec_last_o;
        blk_q <= (hdr_q || rec_last_o) ? '0 : blk_q + BW'(1);
      end
      if (k_word_i && rec_last_o) key_q <= key_q + NW'(1);
    end
    if (word && hdr_q) head_q[W*sub_q +: W] <= word_i;
  end

  logic [NBK*8-1:0] codes;
  logic [7:0] kmax;
  assign codes = head_q[NBK*8-1:0];
  assign kmax  = head_q[KMax*8 +: 8];

  always_ff @(posedge clk_i) begin : check
    bad_o <= 1'b0;
    if (word && first_data)
      for (int b = 0; b < NBK; b++) if (5'(b) < nbk_i && codes[b*8 +: 8] > kmax) bad_o <= 1'b1;
  end

  assign cw_valid_o = k_word_i && first_data;
  assign cw_key_o   = key_q;
  assign cw_data_o  = head_q[VCodes*8 +: NBV*8];

  // ---- A: the word, and where it lies
  logic a_v_q, a_sub_first_q, a_sub_last_q, a_first_q, a_last_q;
  logic [W-1:0] a_word_q;
  logic [BW-1:0] a_blk_q;
  logic [7:0] a_kd_q, a_ek_q;
  logic [NW-1:0] a_key_q;

  always_ff @(posedge clk_i) begin
    a_v_q <= k_word_i && !hdr_q && !rst_i;
    if (k_word_i && !hdr_q) begin
      a_word_q      <= word_i;
      a_blk_q       <= blk_q;
      a_sub_first_q <= (sub_q == '0);
      a_sub_last_q  <= sub_last;
      a_first_q     <= (blk_q == '0);
      a_last_q      <= rec_last_o;
      a_kd_q        <= kmax - codes[8*blk_q +: 8];
      a_ek_q        <= kmax;
      a_key_q       <= key_q;
    end
  end

  // ---- B: dot done; P: block done; C: key done; D, E: score
  logic b_v_q, b_sub_first_q, b_sub_last_q, b_first_q, b_last_q, p_v, p_first, p_last, c_v_q, d_v_q, e_v_q;
  logic [7:0] b_ek_q, p_ek, c_ek_q;
  logic [NW-1:0] b_key_q, p_key, c_key_q, d_key_q, e_key_q;
  logic [ROWS-1:0] e_act_q;

  always_ff @(posedge clk_i) begin
    b_v_q <= a_v_q && !rst_i;
    c_v_q <= p_v && p_last && !rst_i;
    d_v_q <= c_v_q && !rst_i;
    e_v_q <= d_v_q && !rst_i;
    if (a_v_q) begin
      b_sub_first_q <= a_sub_first_q;
      b_sub_last_q  <= a_sub_last_q;
      b_first_q     <= a_first_q;
      b_last_q      <= a_last_q;
      b_ek_q        <= a_ek_q;
      b_key_q       <= a_key_q;
    end
    if (p_v) begin c_ek_q <= p_ek; c_key_q <= p_key; end
    if (c_v_q) d_key_q <= c_key_q;
    if (d_v_q) begin : mask
      logic [20:0] number;
      number = base_i + 21'(d_key_q);
      e_key_q <= d_key_q;
      for (int r = 0; r < ROWS; r++) e_act_q[r] <= number < cnt_i[r*21 +: 21];
    end
  end

  if (SUBW == 1) begin : g_whole
    assign p_v = b_v_q;
    assign p_first = b_first_q;
    assign p_last = b_last_q;
    assign p_ek = b_ek_q;
    assign p_key = b_key_q;
    logic unused_last;
    assign unused_last = b_sub_last_q;
  end else begin : g_parts
    logic p_v_q, p_first_q, p_last_q;
    logic [7:0] p_ek_q;
    logic [NW-1:0] p_key_q;
    always_ff @(posedge clk_i) begin
      p_v_q <= b_v_q && b_sub_last_q && !rst_i;
      if (b_v_q) begin
        p_first_q <= b_first_q;
        p_last_q  <= b_last_q;
        p_ek_q    <= b_ek_q;
        p_key_q   <= b_key_q;
      end
    end
    assign p_v = p_v_q;
    assign p_first = p_first_q;
    assign p_last = p_last_q;
    assign p_ek = p_ek_q;
    assign p_key = p_key_q;
  end

  for (genvar r = 0; r < ROWS; r++) begin : g_row
    vb_attn_krow #(.LANES(LANES), .NBK(NBK)) u_row (
      .clk_i, .rst_i, .clear_i, .track_i,
      .q_we_i(q_word_i && !hdr_q && q_row_i == RW'(r)), .q_addr_i(QW'(32'(blk_q) * SUBW + 32'(sub_q))),
      .q_word_i(word_i), .qc_we_i(q_word_i && first_data && q_row_i == RW'(r)), .q_codes_i(codes), .q_max_i(kmax),
      .w_valid_i(k_word_i && !hdr_q), .k_addr_i(QW'(32'(blk_q) * SUBW + 32'(sub_q))),
      .a_valid_i(a_v_q), .a_word_i(a_word_q), .a_blk_i(a_blk_q), .a_kd_i(a_kd_q),
      .b_valid_i(b_v_q), .b_sub_first_i(b_sub_first_q), .p_valid_i(p_v), .p_first_i(p_first),
      .c_valid_i(c_v_q), .c_ek_i(c_ek_q), .d_valid_i(d_v_q), .e_valid_i(e_v_q), .e_act_i(e_act_q[r]),
      .m_we_i(m_we_i[r]), .m_i($signed(m_i[r*32 +: 32])),
      .score_o(sw_data_o[r*32 +: 32]), .m_o(m_o[r*32 +: 32]));
  end

  assign sw_valid_o = e_v_q;
  assign sw_key_o   = e_key_q;

  logic unused_head;  // header bytes that are reserved or beyond this configuration
  assign unused_head = ^head_q;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_kind: assert (!(q_word_i && k_word_i));
    a_blk:  assert (!word || 5'(blk_q) < nbk_i);
  end
endmodule
