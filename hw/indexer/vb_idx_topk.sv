// SPDX-License-Identifier: Apache-2.0
//
// Exact top-k by radix select over 32-bit ordered keys, P lanes, two score buffers. While the scores of a token arrive
// in one buffer (its first histogram is made on the way), the engine works on the other. Latency depends on the number
// of scores only; ties go to the lower index because equals are taken in index order.
//
//   Clear                                                              once a job: counters of both histograms to 0
//   Wait ─► [Scan digit 3] ─► Hist 2 ─► Scan ─► Hist 1 ─► Scan ─► Hist 0 ─► Scan ─► Room ─► Out ─► Wait
//
// Scan: 128 cycles and 3 to sum up: from the top, bins are passed until those above hold fewer than `need`. Hist: the
// buffer is read again, and lanes whose upper digits equal the threshold's are counted. Out: the buffer is read a last
// time; lanes above the threshold and the first `need` equal ones are marked, in index order.
module vb_idx_topk #(
  parameter int P    = 8,
  parameter int NMAX = 32768,
  localparam int NB  = NMAX / P,          // beats of a buffer
  localparam int BW  = $clog2(NB),
  localparam int IW  = $clog2(NMAX),
  localparam int LGP = $clog2(P)
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             start_i,       ///< pulse: the job begins
  input  logic [11:0]      k_i,
  // arrival
  output logic             free_o,        ///< the next token's scores may come
  input  logic             beat_i,
  input  logic [P*32-1:0]  beat_data_i,
  input  logic             close_i,       ///< pulse: the token is complete; after its last beat
  input  logic [IW:0]      n_i,           ///< its scores, stable from its first beat to close_i
  // selection, to the list
  input  logic             room_i,        ///< the list is empty
  output logic             first_o,       ///< pulse: a list begins
  output logic             sel_o,         ///< a beat with marks
  output logic [P-1:0]     sel_mask_o,
  output logic [BW-1:0]    sel_beat_o,
  output logic             end_o,         ///< pulse: marks are complete
  output logic [11:0]      total_o,       ///< how many there are, valid with end_o
  output logic             idle_o,        ///< nothing to select
  output logic             clear_o,       ///< clearing
  output logic             work_o         ///< scanning, counting or marking
);
  localparam logic [2:0] Off = 3'd0, Clear = 3'd1, Wait = 3'd2, Scan = 3'd3, Hist = 3'd4, Room = 3'd5, Out = 3'd6;
  localparam int CW = BW + 1, SUMW = CW + LGP;
  localparam int ScanLast = 130, HistTail = 3, OutTail = 4;

  logic [2:0] st_q;
  logic [1:0] digit_q;
  logic [BW+1:0] i_q;
  logic eb_q, ab_q;                       // buffers of the engine and of the arrivals
  logic [1:0] full_q;
  logic [2*(IW+1)-1:0] n_q;
  logic [IW:0] n_e;
  logic [BW:0] nb_q, wa_q;                // nb, tail, total: of the token in the engine
  logic [LGP-1:0] tail_q;
  logic [11:0] total_q, need_q;
  logic [31:0] thr_q;
  logic [11:0] total;
  logic hist_end, out_end, scan_end;

  assign n_e      = n_q[(IW+1)*eb_q +: IW+1];
  assign scan_end = st_q == Scan && i_q == (BW+2)'(ScanLast);
  assign hist_end = st_q == Hist && i_q == (BW+2)'(nb_q) + (BW+2)'(HistTail - 1);
  assign out_end  = st_q == Out && i_q == (BW+2)'(nb_q) + (BW+2)'(OutTail - 1);
  assign idle_o   = st_q == Off || (st_q == Wait && full_q == 2'b00);
  assign work_o   = st_q == Scan || st_q == Hist || st_q == Out;
  assign clear_o  = st_q == Clear;
  assign free_o   = !full_q[ab_q] && st_q != Off && st_q != Clear;
  assign total    = (n_e < (IW+1)'(k_i)) ? 12'(n_e) : k_i;
  assign total_o  = total_q;
  assign end_o    = out_end;
  assign first_o  = st_q == Room && room_i;

  always_ff @(posedge clk_i) begin
    if (rst_i) st_q <= Off;
    else case (st_q)
      Off:     if (start_i) st_q <= Clear;
      Clear:   if (i_q == (BW+2)'(127)) st_q <= Wait;
      Wait:    if (start_i) st_q <= Clear; else if (full_q[eb_q]) st_q <= Scan;
      Scan:    if (scan_end) st_q <= (digit_q == 2'd0) ? Room : Hist;
      Hist:    if (hist_end) st_q <= Scan;
      Room:    if (room_i) st_q <= Out;
      Out:     if (out_end) st_q <= Wait;
      default: st_q <= Off;
    endcase
  end

  always_ff @(posedge clk_i) begin
    case (st_q)
      Clear:   i_q <= i_q + (BW+2)'(1);
      Scan:    i_q <= scan_end ? '0 : i_q + (BW+2)'(1);
      Hist:    i_q <= hist_end ? '0 : i_q + (BW+2)'(1);
      Out:     i_q <= out_end ? '0 : i_q + (BW+2)'(1);
      default: i_q <= '0;
    endcase
    if (start_i) i_q <= '0;
    if (st_q == Wait) begin
      nb_q    <= (BW+1)'((n_e + (IW+1)'(P - 1)) >> LGP);
      tail_q  <= n_e[LGP-1:0];
      total_q <= total;
    end
    if (st_q == Wait) digit_q <= 2'd3;
    else if (scan_end) digit_q <= digit_q - 2'd1;
    if (rst_i || start_i) begin
      eb_q   <= 1'b0;
      ab_q   <= 1'b0;
      full_q <= 2'b00;
    end else begin
      if (close_i) ab_q <= !ab_q;
      if (out_end) eb_q <= !eb_q;
      if (close_i) full_q[ab_q] <= 1'b1;
      if (out_end) full_q[eb_q] <= 1'b0;
    end
    if (close_i) n_q[(IW+1)*ab_q +: IW+1] <= n_i;
    if (rst_i || start_i || close_i) wa_q <= '0;
    else if (beat_i) wa_q <= wa_q + (BW+1)'(1);
  end

  // ---- buffers: one write and one registered read port each, never both at work
  (* no_rw_check *) logic [P*32-1:0] mem0 [NB];
  (* no_rw_check *) logic [P*32-1:0] mem1 [NB];
  logic [P*32-1:0] rd0_q, rd1_q;
  logic re;
  assign re = (st_q == Hist || st_q == Out) && i_q < (BW+2)'(nb_q);
  always_ff @(posedge clk_i) begin
    if (beat_i && !ab_q) mem0[wa_q[BW-1:0]] <= beat_data_i;
    if (re && !eb_q) rd0_q <= mem0[i_q[BW-1:0]];
  end
  always_ff @(posedge clk_i) begin
    if (beat_i && ab_q) mem1[wa_q[BW-1:0]] <= beat_data_i;
    if (re && eb_q) rd1_q <= mem1[i_q[BW-1:0]];
  end

  logic r1_hist_q, r1_out_q, r1_last_q, r2_hist_q, r2_out_q, r3_out_q;
  logic [BW-1:0] r1_beat_q, r2_beat_q, r3_beat_q;
  logic [P-1:0] live1, live_a;
  always_ff @(posedge clk_i) begin
    r1_hist_q <= re && st_q == Hist && !rst_i;
    r1_out_q  <= re && st_q == Out && !rst_i;
    r2_hist_q <= r1_hist_q && !rst_i;
    r2_out_q  <= r1_out_q && !rst_i;
    r3_out_q  <= r2_out_q && !rst_i;
    if (re) begin
      r1_beat_q <= i_q[BW-1:0];
      r1_last_q <= i_q == (BW+2)'(nb_q) - (BW+2)'(1);
    end
    if (r1_out_q) r2_beat_q <= r1_beat_q;
    if (r2_out_q) r3_beat_q <= r2_beat_q;
  end
  // lanes of a buffer's last beat that hold scores
  always_comb begin
    for (int l = 0; l < P; l++) begin
      live1[l]  = !r1_last_q || tail_q == '0 || LGP'(l) < tail_q;
      live_a[l] = {wa_q, LGP'(l)} < n_i;
    end
  end

  // ---- scores read again, against the threshold
  logic [P-1:0] match2, above2, equal2;
  logic [P*8-1:0] digit2;
  for (genvar l = 0; l < P; l++) begin : g_lane
    vb_idx_lane u_lane (
      .clk_i, .hist_i(r1_hist_q), .out_i(r1_out_q), .live_i(live1[l]), .buffer_i(eb_q), .score0_i(rd0_q[32*l +: 32]),
      .score1_i(rd1_q[32*l +: 32]), .thr_i(thr_q), .digit_i(digit_q), .match_o(match2[l]), .digit_o(digit2[8*l +: 8]),
      .above_o(above2[l]), .equal_o(equal2[l]));
  end

  // ---- histograms: one a buffer
  logic arrive_q, arrive_b_q;             // digits that arrived one cycle before
  logic [P-1:0] arrived_live_q;
  logic [P*8-1:0] arrived_q;
  always_ff @(posedge clk_i) begin
    arrive_q <= beat_i && !rst_i;
    if (beat_i) begin
      arrive_b_q     <= ab_q;
      arrived_live_q <= live_a;
      for (int l = 0; l < P; l++) arrived_q[8*l +: 8] <= beat_data_i[32*l + 24 +: 8];
    end
  end
  logic scan;
  logic [2*SUMW-1:0] odd, even;
  assign scan  = st_q == Scan && !i_q[7];
  for (genvar b = 0; b < 2; b++) begin : g_hist
    logic here;
    assign here = arrive_q && arrive_b_q == 1'(b);
    vb_idx_hist #(.P(P), .CW(CW)) u_hist (
      .clk_i, .rst_i, .count_i(here || (r2_hist_q && eb_q == 1'(b))), .mask_i(here ? arrived_live_q : match2),
      .digit_i(here ? arrived_q : digit2), .scan_i(clear_o || (scan && eb_q == 1'(b))), .pair_i(i_q[6:0]),
      .odd_o(odd[SUMW*b +: SUMW]), .even_o(even[SUMW*b +: SUMW]));
  end

  // ---- Scan: the bin in which the need is met
  logic found_q, scan1_q, scan2_q, scan3_q, hit_odd, hit_even;
  logic [6:0] pair3_q, pair2_q, pair1_q;
  logic [SUMW-1:0] s_odd, s_even;
  logic [SUMW:0] cum_q, to_odd, to_even;
  assign s_odd    = odd[SUMW*eb_q +: SUMW];
  assign s_even   = even[SUMW*eb_q +: SUMW];
  assign to_odd   = cum_q + (SUMW+1)'(s_odd);
  assign to_even  = to_odd + (SUMW+1)'(s_even);
  assign hit_odd  = to_odd >= (SUMW+1)'(need_q);
  assign hit_even = to_even >= (SUMW+1)'(need_q);
  always_ff @(posedge clk_i) begin
    scan1_q <= scan && !rst_i;
    scan2_q <= scan1_q && !rst_i;
    scan3_q <= scan2_q && !rst_i;
    if (scan) pair1_q <= i_q[6:0];
    if (scan1_q) pair2_q <= pair1_q;
    if (scan2_q) pair3_q <= pair2_q;

    if (st_q == Wait) begin
      need_q <= total;
      thr_q  <= '0;
    end
    if (st_q == Wait || st_q == Hist) begin
      cum_q   <= '0;
      found_q <= 1'b0;
    end else if (scan3_q && !found_q) begin
      found_q <= hit_odd || hit_even;
      if (hit_odd || hit_even) begin
        thr_q[8*digit_q +: 8] <= {~pair3_q, hit_odd};
        need_q <= need_q - (hit_odd ? 12'(cum_q) : 12'(to_odd));
      end
      cum_q <= to_even;
    end
  end

  // ---- Out: marks in index order
  logic [P-1:0] sel3_q, sel2;
  logic [11:0] want_q;                    // equals still to be taken
  logic [LGP:0] equals;                   // of this beat, those in lower lanes
  always_comb begin
    equals = '0;
    sel2   = '0;
    if (r2_out_q) for (int l = 0; l < P; l++) begin
      sel2[l] = above2[l] || (equal2[l] && 12'(equals) < want_q);
      equals  = equals + (LGP+1)'(equal2[l]);
    end
  end
  always_ff @(posedge clk_i) begin
    if (st_q == Room) want_q <= need_q;
    else if (r2_out_q) want_q <= (12'(equals) < want_q) ? want_q - 12'(equals) : '0;
    if (r2_out_q) sel3_q <= sel2;
  end
  assign sel_o      = r3_out_q && sel3_q != '0;
  assign sel_mask_o = sel3_q;
  assign sel_beat_o = r3_beat_q;

  logic unused_topk;
  assign unused_topk = ^cum_q;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_start:   assert (!start_i || st_q == Off || st_q == Wait);
    a_buffer:  assert (!(beat_i || close_i) || !full_q[ab_q]);  // never into a buffer that the engine owns
    a_clear:   assert (!beat_i || st_q != Clear);
    a_arrived: assert (!close_i || {wa_q, LGP'(0)} >= n_i);
    a_size:    assert (!beat_i || 32'(wa_q) < NB);
    a_found:   assert (!(st_q == Room) || found_q);
    a_equals:  assert (!out_end || want_q == '0);
  end
endmodule
