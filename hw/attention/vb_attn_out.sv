// SPDX-License-Identifier: Apache-2.0
//
// Results of a tile, as write descriptors and beats: quotients (FULL), maxima (MAX), exponents (EXP) or partial sums
// (SUM). One unit of up to 256 bits a cycle; a wider port gets two of them packed into a beat. A unit enters the pipeline
// only when the output FIFO has a free place reserved for it, so the pipeline itself never stalls.
//
//    item ─► 0 ─► 1: numerators read ─┬─► norm (3) ─► 4: x reciprocal ─► 5: norm (3) ─► FIFO ─► (pack) ─► write master
//                                └─► (MAX, EXP, SUM) 2: unit ───────────────────────┘
module vb_attn_out #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int NBV   = 4,
  parameter int DW    = 256,
  localparam int AW   = vb_pkg::AddrW,
  localparam int LW   = vb_pkg::LenW,
  localparam int RW   = $clog2(ROWS),
  localparam int NAW  = $clog2(NBV * (32 / LANES))
) (
  input  logic                 clk_i,
  input  logic                 rst_i,
  input  logic                 go_i,       ///< pulse; the inputs below hold until done_o
  output logic                 busy_o,     ///< from go_i to done_o
  output logic                 done_o,     ///< pulse: the last beat is with the write master
  input  logic [1:0]           mode_i,
  input  logic [RW:0]          nrows_i,    ///< 1..ROWS
  input  logic [4:0]           nbv_i,
  input  logic                 zero_i,     ///< the tile had no key: SUM writes zeros
  input  logic [AW-1:0]        base_i,     ///< MAX, EXP, SUM: first byte of the tile
  input  logic [ROWS*AW-1:0]   oaddr_i,    ///< FULL: per row
  input  logic [ROWS*32-1:0]   m_i,
  input  logic [ROWS*NBV*16-1:0] em_i,
  input  logic [ROWS*64-1:0]   l_i,
  input  logic [ROWS*32-1:0]   r_i,
  input  logic [ROWS*8-1:0]    le_i,
  output logic                 rd_o,
  output logic [RW-1:0]        rd_row_o,
  output logic [NAW-1:0]       rd_addr_o,   ///< of the next cycle's read
  input  logic [LANES*64-1:0]  num_i,
  output logic                 cmd_valid_o,
  input  logic                 cmd_ready_i,
  output logic [AW-1:0]        cmd_addr_o,
  output logic [LW-1:0]        cmd_bytes_o,
  output logic                 unit_o,      ///< a unit is taken from the FIFO
  output logic                 wait_o,      ///< a unit waits for the write master
  output logic                 beat_valid_o,
  input  logic                 beat_ready_i,
  output logic [DW-1:0]        beat_data_o
);
  localparam int OW   = (DW > 256) ? 256 : DW;  // bits of a unit
  localparam int OL   = OW / 32;            // quotients of a unit
  localparam int ON   = OW / 64;            // numerators of a unit
  localparam int HB   = 256 / OW;           // units of 32 bytes
  localparam int LGF  = $clog2(LANES / OL);  // units of an accumulator word, as a power of two
  localparam int LGS  = LGF + 1;
  localparam int DEPTH = 16;
  localparam int BW   = (NBV == 1) ? 1 : $clog2(NBV);

  logic full_mode;
  assign full_mode = (mode_i == vb_attn_pkg::ModeFull);

  // ---- write descriptors: FULL one a row (rows may lie anywhere), else one for the tile
  logic cmd_busy_q;
  logic [RW:0] cmd_row_q;
  logic [LW-1:0] cmd_units, bytes_q;  // of 32 bytes
  logic [AW-1:0] addr_q;
  logic [RW-1:0] cmd_next;
  always_comb begin
    case (mode_i)
      vb_attn_pkg::ModeExp: cmd_units = LW'(nrows_i);
      vb_attn_pkg::ModeSum: cmd_units = LW'(nrows_i) * (LW'(1) + (LW'(nbv_i) << 3));
      default:              cmd_units = LW'(nbv_i) << 2;
    endcase
  end
  assign cmd_valid_o = cmd_busy_q;
  assign cmd_addr_o  = addr_q;
  assign cmd_bytes_o = bytes_q;
  assign cmd_next = RW'(cmd_row_q + (RW+1)'(1));
  always_ff @(posedge clk_i) begin
    if (rst_i) cmd_busy_q <= 1'b0;
    else if (go_i) cmd_busy_q <= 1'b1;
    else if (cmd_ready_i && (!full_mode || cmd_row_q == nrows_i - (RW+1)'(1))) cmd_busy_q <= 1'b0;
    if (go_i) bytes_q <= (mode_i == vb_attn_pkg::ModeMax) ? LW'(nrows_i) << 2 : cmd_units << 5;
    if (go_i) begin
      cmd_row_q <= '0;
      addr_q    <= full_mode ? oaddr_i[AW-1:0] : base_i;
    end else if (cmd_busy_q && cmd_ready_i) begin
      cmd_row_q <= cmd_row_q + (RW+1)'(1);
      for (int r = 0; r < ROWS; r++) if (cmd_next == RW'(r)) addr_q <= oaddr_i[r*AW +: AW];
    end
  end

  // ---- items: one per unit, {row, unit of the row}
  logic run_q, item, row_end, all_end;
  logic [RW:0] row_q, last_row;
  logic [9:0] k_q, k_d, row_beats, row_last_q, k_num;
  logic [4:0] free_q;
  logic pop, push;

  always_comb begin
    last_row = nrows_i - (RW+1)'(1);
    case (mode_i)
      vb_attn_pkg::ModeMax: begin
        row_beats = (10'(nrows_i) + 10'(OL - 1)) / 10'(OL);
        last_row  = '0;
      end
      vb_attn_pkg::ModeExp: row_beats = 10'(HB);
      vb_attn_pkg::ModeSum: row_beats = 10'(HB) + 10'(nbv_i) * 10'(8 * HB);
      default:              row_beats = 10'(nbv_i) * 10'(4 * HB);
    endcase
  end
  assign item    = run_q && free_q != 5'd0;
  assign row_end = (k_q == row_last_q);
  assign k_d     = go_i || (item && row_end) ? 10'd0 : k_q + 10'(item);
  assign all_end = row_end && row_q == last_row;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      run_q  <= 1'b0;
      free_q <= 5'(DEPTH);
    end else begin
      if (go_i) run_q <= 1'b1;
      else if (item && all_end) run_q <= 1'b0;
      free_q <= free_q - 5'(item) + 5'(pop);
    end
    k_q <= k_d;
    if (go_i) row_last_q <= row_beats - 10'd1;
    if (go_i) row_q <= '0;
    else if (item && row_end) row_q <= row_q + (RW+1)'(1);
  end

  // half of a 512-bit beat that an item belongs into, and whether it is the last of its descriptor
  logic high, last_unit, high_q, first_q;
  logic [AW-1:0] first_addr;
  assign first_addr = full_mode ? oaddr_i[AW*row_q[RW-1:0] +: AW] : base_i;
  assign high       = first_q ? first_addr[5] : high_q;
  assign last_unit  = full_mode ? row_end : all_end;
  always_ff @(posedge clk_i) begin
    if (go_i) first_q <= 1'b1;
    else if (item) begin
      first_q <= last_unit;
      high_q  <= !high;
    end
  end

  // accumulator word and slice of an item
  logic head, sum_mode;
  logic [9:0] word_index, slice, next_num;
  assign sum_mode   = (mode_i == vb_attn_pkg::ModeSum);
  assign head       = sum_mode && k_q < 10'(HB);
  assign k_num      = sum_mode ? k_q - 10'(HB) : k_q;
  assign word_index = sum_mode ? k_num >> LGS : k_num >> LGF;
  assign slice      = sum_mode ? k_num & 10'((1 << LGS) - 1) : k_num & 10'((1 << LGF) - 1);
  assign rd_o      = item && (full_mode || (sum_mode && !head));
  assign rd_row_o  = row_q[RW-1:0];
  assign next_num  = sum_mode ? k_d - 10'(HB) : k_d;
  assign rd_addr_o = NAW'(sum_mode ? next_num >> LGS : next_num >> LGF);

  // ---- 0: the row's numerators are read; 1: they are here
  logic v0_q, head0_q, high0_q, end0_q;
  logic [RW-1:0] row0_q;
  logic [9:0] k0_q, slice0_q;
  logic [BW-1:0] blk0_q;
  logic v1_q, head1_q, high1_q, end1_q;
  logic [RW-1:0] row1_q;
  logic [9:0] k1_q, slice1_q;
  logic [BW-1:0] blk1_q;
  always_ff @(posedge clk_i) begin
    v0_q <= item && !rst_i;
    v1_q <= v0_q && !rst_i;
    if (item) begin
      head0_q  <= head;
      high0_q  <= high;
      end0_q   <= last_unit;
      row0_q   <= row_q[RW-1:0];
      k0_q     <= k_q;
      slice0_q <= slice;
      blk0_q   <= BW'(word_index / 10'(32 / LANES));
    end
    if (v0_q) begin
      head1_q  <= head0_q;
      high1_q  <= high0_q;
      end1_q   <= end0_q;
      row1_q   <= row0_q;
      k1_q     <= k0_q;
      slice1_q <= slice0_q;
      blk1_q   <= blk0_q;
    end
  end

  // ---- 2: the short way, for everything but quotients
  logic v2_q;
  logic [OW-1:0] d2_q;
  logic high2_q, end2_q;
  always_ff @(posedge clk_i) begin
    v2_q <= v1_q && !full_mode && !rst_i;
    if (v1_q) begin high2_q <= high1_q; end2_q <= end1_q; end
    if (v1_q && !full_mode) begin : short
      logic [255:0] rec;
      logic [ROWS*32-1:0] ms;
      rec = '0;
      ms  = m_i;
      case (mode_i)
        vb_attn_pkg::ModeMax: d2_q <= ms[OW*k1_q +: OW];
        vb_attn_pkg::ModeExp: begin
          rec = {16{16'h8000}};
          rec[NBV*16-1:0] = em_i[NBV*16*row1_q +: NBV*16];
          d2_q <= rec[OW*k1_q +: OW];
        end
        default: begin
          rec[63:0] = l_i[64*row1_q +: 64];
          if (head1_q)     d2_q <= rec[OW*k1_q +: OW];
          else if (zero_i) d2_q <= '0;
          else             d2_q <= num_i[ON*64*slice1_q +: ON*64];
        end
      endcase
    end
  end

  // ---- 1..8: quotients
  logic [OL-1:0] n1_v, n2_v;
  logic [OL*32-1:0] z1, z2;
  logic v5_q;
  logic [RW-1:0] row2_q, row3_q;
  logic [BW-1:0] blk2_q, blk3_q;
  logic signed [17:0] e4_q;
  logic [31:0] r4_q;
  always_ff @(posedge clk_i) if (full_mode) begin
    row2_q <= row1_q; blk2_q <= blk1_q;
    row3_q <= row2_q; blk3_q <= blk2_q;
    // without the numerator's own exponent: (EM - 127 - 24) + 32 - 63 - le - 150
    e4_q <= 18'($signed(em_i[16*(32'(row3_q)*NBV + 32'(blk3_q)) +: 16])) - 18'($signed(le_i[8*row3_q +: 8])) - 18'sd332;
    r4_q <= r_i[32*row3_q +: 32];
  end
  always_ff @(posedge clk_i) v5_q <= n1_v[0] && !rst_i;

  for (genvar l = 0; l < OL; l++) begin : g_lane
    logic signed [vb_attn_pkg::NumW-1:0] n1;
    logic [57:0] p5_q;
    logic neg5_q;
    logic signed [17:0] e5_q;
    // stale when the tile had no key, but then EM is none and the exponent flushes whatever it is
    assign n1 = $signed(num_i[64*(32'(slice1_q)*OL + l) +: vb_attn_pkg::NumW]);  // the rest is sign
    vb_norm #(.W(vb_attn_pkg::NumW), .EW(8)) u_num (
      .clk_i, .rst_i, .valid_i(v1_q && full_mode), .n_i(n1), .neg_i(1'b0), .e_i(8'sd0), .valid_o(n1_v[l]), .z_o(z1[l*32 +: 32]));
    always_ff @(posedge clk_i) if (n1_v[l]) begin : scale
      p5_q <= {34'd0, z1[l*32+29 +: 2] != 2'd0, z1[l*32 +: 23]} * {26'd0, r4_q};  // 24 x 32 bits; NORM flushes below 2^-62
      neg5_q <= z1[l*32+31];
      e5_q <= e4_q + $signed({10'd0, z1[l*32+23 +: 8]});
    end
    vb_norm #(.W(58), .EW(18), .MAG(1'b1)) u_quo (
      .clk_i, .rst_i, .valid_i(v5_q), .n_i($signed(p5_q)), .neg_i(neg5_q), .e_i(e5_q), .valid_o(n2_v[l]), .z_o(z2[l*32 +: 32]));
  end

  // ---- where a quotient goes, in step with it: seven stages behind stage 1
  logic [6:0] hq_q, eq_q;
  always_ff @(posedge clk_i) if (full_mode) begin
    hq_q <= {hq_q[5:0], high1_q};
    eq_q <= {eq_q[5:0], end1_q};
  end

  // ---- output FIFO
  logic empty, fifo_full, f_high, f_end, pack_ready;
  logic [4:0] count;
  logic [OW-1:0] f_data;
  assign push = full_mode ? n2_v[0] : v2_q;
  assign pop  = !empty && pack_ready;
  vb_fifo #(.W(OW + 2), .DEPTH(DEPTH)) u_fifo (
    .clk_i, .rst_i, .push_i(push), .data_i(full_mode ? {hq_q[6], eq_q[6], z2} : {high2_q, end2_q, d2_q}),
    .full_o(fifo_full), .pop_i(pop), .data_o({f_high, f_end, f_data}), .empty_o(empty), .count_o(count));
  if (DW == 512) begin : g_pack
    vb_attn_pack u_pack (
      .clk_i, .in_valid_i(!empty), .in_ready_o(pack_ready), .in_data_i(f_data), .in_high_i(f_high), .in_end_i(f_end),
      .out_valid_o(beat_valid_o), .out_ready_i(beat_ready_i), .out_data_o(beat_data_o));
  end else begin : g_plain
    assign beat_valid_o = !empty;
    assign beat_data_o  = f_data;
    assign pack_ready   = beat_ready_i;
    logic unused_place;
    assign unused_place = ^{f_high, f_end};
  end
  assign unit_o = pop;
  assign wait_o = !empty && !pack_ready;

  // done: every item made, every place free again, every descriptor taken
  logic active_q;
  assign busy_o = active_q;
  assign done_o = active_q && !run_q && !cmd_busy_q && free_q == 5'(DEPTH);
  always_ff @(posedge clk_i) begin
    if (rst_i) active_q <= 1'b0;
    else if (go_i) active_q <= 1'b1;
    else if (done_o) active_q <= 1'b0;
  end

  logic unused_out;
  assign unused_out = ^{fifo_full, n1_v, n2_v, count, first_addr};
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_free:  assert (free_q <= 5'(DEPTH));
    a_idle:  assert (!go_i || !active_q);
    a_lanes: assert (n1_v == '0 || n1_v == '1);
  end
endmodule
