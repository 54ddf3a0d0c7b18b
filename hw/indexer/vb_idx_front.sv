// SPDX-License-Identifier: Apache-2.0
//
// Sequencer: takes what the fetch unit asked for, in that order, and hands it to weights, array and buffers. Everything
// it decides depends on the descriptor and on what has arrived, never on values.
//
//   FULL, SCORES   Next ─► W ─► Q ─► Align ─► Buf ─► Keys ─► Drain ─► Next ... ─► Tail
//   TOPK           Next ─► Buf ─► Scores ─► Drain ─► Next ... ─► Tail        (a token without keys: Next, Buf, Drain)
module vb_idx_front #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int DW    = 256,
  localparam int P    = DW / 32,
  localparam int W    = LANES * 8,
  localparam int G    = DW / W,               // words of a beat
  localparam int PW   = (G > 1) ? $clog2(G) : 1,
  localparam int RW   = $clog2(ROWS),
  localparam int GW   = $clog2(vb_idx_pkg::MaxHeads / ROWS),
  localparam int LGP  = $clog2(P),
  localparam int WBW  = $clog2(vb_idx_pkg::MaxHeads / P)
) (
  input  logic                              clk_i,
  input  logic                              rst_i,
  input  logic                              start_i,
  input  logic [vb_idx_pkg::NumArgs*64-1:0] args_i,
  input  logic [20:0]                       n_first_i,    ///< keys of the first token
  output logic [3:0]                        state_o,
  output logic                              tail_o,       ///< nothing left but top-k and results
  output logic [vb_pkg::NumClass-1:0]       class_o,      ///< while not in Tail
  // beats
  input  logic                              beat_valid_i,
  input  logic [1:0]                        beat_tag_i,
  input  logic [DW-1:0]                     beat_data_i,
  output logic                              beat_ready_o,
  // weights
  output logic                              w_clear_o,
  output logic                              w_beat_o,
  output logic [WBW-1:0]                    w_beat_at_o,
  output logic                              align_o,
  output logic [5:0]                        head_o,       ///< of the query being loaded, or aligned
  output logic [GW-1:0]                     last_group_o,
  // array
  output logic                              restart_o,
  output logic                              q_word_o,
  output logic                              k_word_o,
  output logic [W-1:0]                      word_o,
  input  logic                              rec_last_i,
  input  logic                              k_room_i,
  input  logic                              k_have_i,
  output logic                              begin_o,
  output logic                              go_o,
  input  logic                              step_i,
  input  logic                              key_first_i,
  input  logic                              key_last_i,
  input  logic                              place_i,
  output logic                              reserve_o,
  // buffers
  input  logic                              free_i,
  output logic                              s_beat_o,     ///< a beat of scores from memory
  output logic                              close_o,
  output logic [20:0]                       n_o
);
  localparam int AlignWait = 6;                           // of vb_idx_weights
  localparam int AlignTail = 3;
  localparam int KDrain = (LANES == 32) ? 13 : 14;        // last step to its beat in the buffer, and one
  localparam int SDrain = 1;

  logic [1:0] mode;
  logic topk, scores;
  logic [6:0] heads;
  logic [4:0] rec;
  assign mode   = args_i[64*vb_idx_pkg::ArgMode +: 2];
  assign topk   = mode == vb_idx_pkg::ModeTopk;
  assign scores = mode == vb_idx_pkg::ModeScores;
  assign heads  = args_i[64*vb_idx_pkg::ArgHeads +: 7];
  assign rec    = args_i[64*vb_idx_pkg::ArgDk + 5 +: 5] + 5'd1;

  logic walk_done, some, next;
  logic [20:0] n;
  vb_idx_walk u_walk (
    .clk_i, .job_i(start_i), .next_i(next), .args_i, .n_first_i, .done_o(walk_done), .some_o(some), .n_o(n));
  assign n_o = n;

  // ---- state
  logic [3:0] st_q, st_d;
  logic [WBW:0] wleft_q;
  logic [6:0] head_q, align_end;
  logic [7:0] wait_q;
  logic [20:0] load_q, left_q;                            // keys to load, keys to finish
  logic q_last_q, more_q, k_last_q;                       // head_q == last_head_q, load_q != 0, load_q == 1
  logic [LGP-1:0] lane_q;                                 // of the next key to begin
  logic keys_q;                                           // st_q == StKeys: much hangs on it
  logic [5:0] last_head_q;
  logic word_v, last_word;
  logic [20:0] s_beats;
  assign s_beats   = (n + 21'(P - 1)) >> LGP;
  assign last_group_o = last_head_q[5:RW];
  assign align_end = 7'((32'(last_group_o) + 32'd1) * ROWS);

  // A state is left when `leave` says so, and it says so late: where to is known before.
  logic leave;
  always_comb begin
    leave = 1'b1;
    st_d  = vb_idx_pkg::StIdle;
    case (st_q)
      vb_idx_pkg::StIdle, vb_idx_pkg::StTail: begin leave = start_i; st_d = vb_idx_pkg::StNext; end
      vb_idx_pkg::StNext:
        st_d = walk_done ? vb_idx_pkg::StTail : (topk || !some) ? vb_idx_pkg::StBuf : vb_idx_pkg::StW;
      vb_idx_pkg::StW:      begin leave = beat_valid_i && wleft_q == (WBW+1)'(1); st_d = vb_idx_pkg::StQ; end
      vb_idx_pkg::StQ:      begin leave = q_word_o && last_word; st_d = vb_idx_pkg::StAlign; end
      vb_idx_pkg::StAlign:  begin leave = wait_q == 8'd1; st_d = vb_idx_pkg::StBuf; end
      vb_idx_pkg::StBuf: begin
        leave = free_i || scores;
        st_d  = !some ? vb_idx_pkg::StDrain : topk ? vb_idx_pkg::StScores : vb_idx_pkg::StKeys;
      end
      vb_idx_pkg::StKeys:   begin leave = step_i && key_last_i && left_q == 21'd1; st_d = vb_idx_pkg::StDrain; end
      vb_idx_pkg::StScores: begin leave = beat_valid_i && left_q == 21'd1; st_d = vb_idx_pkg::StDrain; end
      vb_idx_pkg::StDrain:  begin leave = wait_q == 8'd1; st_d = vb_idx_pkg::StNext; end
      default: ;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) st_q <= vb_idx_pkg::StIdle;
    else if (leave) st_q <= st_d;
    if (rst_i) keys_q <= 1'b0;
    else if (leave) keys_q <= st_d == vb_idx_pkg::StKeys;
    if (start_i) last_head_q <= 6'(heads - 7'd1);

    if (st_q == vb_idx_pkg::StNext) wleft_q <= (WBW+1)'((heads + 7'(P - 1)) >> LGP);
    else if (w_beat_o) wleft_q <= wleft_q - (WBW+1)'(1);

    if (leave) begin
      head_q   <= '0;
      q_last_q <= last_head_q == '0;
    end else if ((q_word_o && rec_last_i) || align_o) begin
      head_q   <= head_q + 7'd1;
      q_last_q <= head_q + 7'd1 == 7'(last_head_q);
    end

    if (leave) begin
      case (st_d)
        vb_idx_pkg::StAlign: wait_q <= 8'(AlignWait + AlignTail) + 8'(align_end);
        default:             wait_q <= (st_q == vb_idx_pkg::StKeys) ? 8'(KDrain) : 8'(SDrain);
      endcase
    end else if (st_q == vb_idx_pkg::StAlign || st_q == vb_idx_pkg::StDrain) begin
      wait_q <= wait_q - 8'd1;
    end

    if (st_q == vb_idx_pkg::StBuf) begin
      load_q  <= n;
      more_q  <= some;
      k_last_q <= n == 21'd1;
      left_q  <= topk ? s_beats : n;
      lane_q  <= '0;
    end else begin
      if (k_word_o && rec_last_i) begin
        load_q  <= load_q - 21'd1;
        more_q  <= !k_last_q;
        k_last_q <= load_q == 21'd2;
      end
      if ((step_i && key_last_i) || s_beat_o) left_q <= left_q - 21'd1;
      if (step_i && key_first_i) lane_q <= lane_q + LGP'(1);
    end
  end
  assign state_o   = st_q;
  assign tail_o    = st_q == vb_idx_pkg::StTail;
  assign next      = st_q == vb_idx_pkg::StDrain && wait_q == 8'd1;
  assign close_o   = next && !scores;
  assign begin_o   = st_q == vb_idx_pkg::StBuf;
  assign w_clear_o = st_q == vb_idx_pkg::StNext;
  assign head_o    = head_q[5:0];
  assign align_o   = st_q == vb_idx_pkg::StAlign && wait_q <= 8'(align_end) + 8'(AlignTail) && wait_q > 8'(AlignTail);
  assign w_beat_o  = st_q == vb_idx_pkg::StW && beat_valid_i;
  assign s_beat_o  = st_q == vb_idx_pkg::StScores && beat_valid_i;
  assign w_beat_at_o = WBW'((heads + 7'(P - 1)) >> LGP) - WBW'(wleft_q);

  // ---- beats to words. A stretch may begin in the middle of a beat (records are multiples of 32 bytes), and what lies
  // behind its last word is dropped.
  logic [PW-1:0] part_q, part_init;
  logic q_odd_q, k_odd;                                   // 32 bytes into a 64-byte beat
  logic part_end;
  assign k_odd     = args_i[64*vb_idx_pkg::ArgKeyBegin] && rec[0];
  assign word_v    = beat_valid_i && (st_q == vb_idx_pkg::StQ || (keys_q && k_room_i && more_q));
  assign q_word_o  = word_v && st_q == vb_idx_pkg::StQ;
  assign k_word_o  = word_v && keys_q;
  assign last_word = rec_last_i && ((st_q == vb_idx_pkg::StQ) ? q_last_q : k_last_q);
  assign restart_o = leave;
  if (G == 1) begin : g_same
    assign word_o    = beat_data_i;
    assign part_end  = 1'b1;
    assign part_init = '0;
  end else begin : g_gear
    assign word_o    = beat_data_i[W*part_q +: W];
    assign part_end  = part_q == PW'(G - 1);
    assign part_init = (DW == 512 && ((st_d == vb_idx_pkg::StQ) ? q_odd_q : k_odd)) ? PW'(G / 2) : '0;
  end
  always_ff @(posedge clk_i) begin
    if (leave) part_q <= part_init;
    else if (word_v) part_q <= part_end ? '0 : part_q + PW'(1);
    if (start_i) q_odd_q <= 1'b0;
    else if (next) q_odd_q <= q_odd_q ^ args_i[64*vb_idx_pkg::ArgQStride + 5];
  end
  assign beat_ready_o = st_q == vb_idx_pkg::StW || st_q == vb_idx_pkg::StScores ||
                        ((q_word_o || k_word_o) && (part_end || last_word));

  // ---- steps
  logic first_lane;
  assign first_lane = scores && lane_q == '0;
  assign go_o       = keys_q && (!first_lane || place_i);
  assign reserve_o  = first_lane && step_i && key_first_i;

  // ---- accounting
  always_comb begin
    class_o = '0;
    case (st_q)
      vb_idx_pkg::StW, vb_idx_pkg::StQ, vb_idx_pkg::StScores:
        class_o[beat_valid_i ? vb_pkg::ClsBusy : vb_pkg::ClsRead] = 1'b1;
      vb_idx_pkg::StAlign: class_o[vb_pkg::ClsBusy] = 1'b1;
      vb_idx_pkg::StKeys:
        class_o[step_i ? vb_pkg::ClsBusy : k_have_i ? vb_pkg::ClsWrite : vb_pkg::ClsRead] = 1'b1;
      default: class_o[vb_pkg::ClsDep] = 1'b1;
    endcase
  end

  logic unused_front;
  assign unused_front = ^{args_i, rec, q_odd_q, k_odd, part_q, part_init};
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_state: assert (st_q <= vb_idx_pkg::StLast);
    // the data of a state are those it asked for
    a_tag_w: assert (!w_beat_o || beat_tag_i == vb_idx_pkg::TagW);
    a_tag_q: assert (!q_word_o || beat_tag_i == vb_idx_pkg::TagQ);
    a_tag_k: assert (!k_word_o || beat_tag_i == vb_idx_pkg::TagK);
    a_tag_s: assert (!s_beat_o || beat_tag_i == vb_idx_pkg::TagS);
    a_left:  assert (!(step_i || s_beat_o) || left_q != '0);
  end
endmodule
