// SPDX-License-Identifier: Apache-2.0
//
// From marks to a list: the marked lanes of a beat move to its low end (log2 P stages), are appended to an open beat,
// and full beats go to the list memory. When the selection is complete, exactly k entries leave, zeros after the last,
// and then their number. The list waits until it is complete because the marks come at times that depend on the data,
// and no cycle count may.
//
//   marks ─► 1: distances ─► log2 P moves ─► append ─► list memory ─► positions ─► beats
module vb_idx_list #(
  parameter int P    = 8,
  parameter int NMAX = 32768,
  localparam int BW  = $clog2(NMAX / P),
  localparam int IW  = $clog2(NMAX),
  localparam int LGP = $clog2(P),
  localparam int KB  = vb_idx_pkg::MaxTopk / P,   // beats of the longest list
  localparam int KW  = $clog2(KB)
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic [11:0]      k_i,
  input  logic [31:0]      base_i,        ///< position of index 0
  output logic             room_o,        ///< no list is held
  input  logic             first_i,
  input  logic             sel_i,
  input  logic [P-1:0]     sel_mask_i,
  input  logic [BW-1:0]    sel_beat_i,
  input  logic             end_i,         ///< no more marks; the last came at least one cycle before
  input  logic [11:0]      total_i,
  // beats to the output queue
  input  logic             place_i,       ///< the queue has a place
  output logic             reserve_o,     ///< it is taken
  output logic             push_o,        ///< one cycle later
  output logic [P*32-1:0]  push_data_o
);
  localparam logic [2:0] Empty = 3'd0, Fill = 3'd1, Settle = 3'd2, Send = 3'd3, Count = 3'd4, Sent = 3'd5;
  localparam int STAGES = LGP + 1;        // registers from the marks to the append

  // ---- distances and moves. Lane l moves down by the number of unmarked lanes below it, lowest bit first: then no
  // two lanes ever meet.
  logic [STAGES-1:0] v_q;
  logic [STAGES*P-1:0] here_q;
  logic [STAGES*P*LGP-1:0] dist_q, lane_q;  // lane_q: the lane where the entry came from
  logic [STAGES*BW-1:0] beat_q;
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? '0 : {v_q[STAGES-2:0], sel_i};
    if (sel_i) begin : distances
      logic [LGP-1:0] z;
      z = '0;
      for (int l = 0; l < P; l++) begin
        dist_q[l*LGP +: LGP] <= z;
        lane_q[l*LGP +: LGP] <= LGP'(l);
        if (!sel_mask_i[l]) z = z + LGP'(1);
      end
      here_q[P-1:0] <= sel_mask_i;
      beat_q[BW-1:0] <= sel_beat_i;
    end
  end
  for (genvar s = 0; s < LGP; s++) begin : g_move
    always_ff @(posedge clk_i) if (v_q[s]) begin : move
      int from;
      logic up;
      for (int l = 0; l < P; l++) begin
        from = l + (1 << s);
        up   = 1'b0;
        if (from < P) up = here_q[s*P + (from % P)] && dist_q[(s*P + (from % P))*LGP + s];
        if (up) begin
          here_q[(s+1)*P + l] <= 1'b1;
          dist_q[((s+1)*P + l)*LGP +: LGP] <= dist_q[(s*P + (from % P))*LGP +: LGP];
          lane_q[((s+1)*P + l)*LGP +: LGP] <= lane_q[(s*P + (from % P))*LGP +: LGP];
        end else begin
          here_q[(s+1)*P + l] <= here_q[s*P + l] && !dist_q[(s*P + l)*LGP + s];
          dist_q[((s+1)*P + l)*LGP +: LGP] <= dist_q[(s*P + l)*LGP +: LGP];
          lane_q[((s+1)*P + l)*LGP +: LGP] <= lane_q[(s*P + l)*LGP +: LGP];
        end
      end
      beat_q[(s+1)*BW +: BW] <= beat_q[s*BW +: BW];
    end
  end

  // ---- append
  logic [2:0] st_q;
  logic [2:0] settle_q;
  logic [LGP-1:0] fill_q;
  logic [LGP:0] fill_d;
  logic [P*IW-1:0] open_q, merged, moved;
  logic [KW:0] at_q;
  logic append, full, flush;
  assign append = v_q[STAGES-1];
  always_comb begin
    fill_d = {1'b0, fill_q};
    moved  = '0;
    merged = open_q;
    if (append) begin
      for (int l = 0; l < P; l++) begin
        fill_d = fill_d + (LGP+1)'(here_q[(STAGES-1)*P + l]);
        moved[IW*l +: IW] = {beat_q[(STAGES-1)*BW +: BW], lane_q[((STAGES-1)*P + l)*LGP +: LGP]};
      end
      // lane 0 to lane `fill`, and around
      for (int s = 0; s < LGP; s++)
        if (fill_q[s]) moved = (moved << IW*(1 << s)) | (moved >> IW*(P - (1 << s)));
      for (int l = 0; l < P; l++) if (LGP'(l) >= fill_q) merged[IW*l +: IW] = moved[IW*l +: IW];
    end
  end
  assign full  = append && fill_d[LGP];
  assign flush = st_q == Settle && settle_q == 3'd0 && fill_q != '0;
  always_ff @(posedge clk_i) begin
    if (first_i) begin
      fill_q <= '0;
      at_q   <= '0;
    end else begin
      if (append) fill_q <= fill_d[LGP-1:0];
      if (full) at_q <= at_q + (KW+1)'(1);
    end
    if (append) open_q <= full ? moved : merged;
  end

  (* no_rw_check *)  // sent when complete
  logic [P*IW-1:0] mem [KB];
  logic [P*IW-1:0] rd_q;
  logic send;
  logic [KW:0] s_q, beats;
  always_ff @(posedge clk_i) begin
    if (full || flush) mem[at_q[KW-1:0]] <= merged;
    if (send) rd_q <= mem[s_q[KW-1:0]];
  end

  // ---- send
  logic [11:0] total_q;
  logic push_q, count_q;
  logic [KW:0] s1_q;
  assign beats     = (KW+1)'((k_i + 12'(P - 1)) >> LGP);
  assign send      = st_q == Send && place_i;
  assign reserve_o = send || (st_q == Count && place_i);
  assign room_o    = st_q == Empty;
  always_ff @(posedge clk_i) begin
    if (rst_i) st_q <= Empty;
    else case (st_q)
      Empty:   if (first_i) st_q <= Fill;
      Fill:    if (end_i) st_q <= Settle;
      Settle:  if (settle_q == 3'd0) st_q <= Send;
      Send:    if (place_i && s_q == beats - (KW+1)'(1)) st_q <= Count;
      Count:   if (place_i) st_q <= Sent;
      default: st_q <= Empty;
    endcase
    settle_q <= (st_q == Settle) ? settle_q - 3'd1 : 3'(STAGES - 1);
    if (end_i) total_q <= total_i;
    s_q <= (st_q == Send) ? s_q + (KW+1)'(send) : '0;
    push_q <= reserve_o && !rst_i;
    if (reserve_o) begin
      s1_q    <= s_q;
      count_q <= st_q == Count;
    end
  end
  always_comb begin
    push_data_o = '0;
    if (push_q) for (int l = 0; l < P; l++) begin
      if (count_q) push_data_o[32*l +: 32] = 32'(total_q);
      else if (12'({s1_q, LGP'(l)}) < total_q) push_data_o[32*l +: 32] = base_i + 32'(rd_q[IW*l +: IW]);
    end
  end
  assign push_o = push_q;

  always_ff @(posedge clk_i) if (!rst_i) begin
    a_first:  assert (!first_i || st_q == Empty);
    a_mark:   assert (!(sel_i || append) || st_q == Fill || st_q == Settle);
    a_total:  assert (!(st_q == Send && s_q == '0) || 12'({at_q, fill_q}) == total_q);
    a_fits:   assert (!(full || flush) || 32'(at_q) < KB);
  end
endmodule
