// SPDX-License-Identifier: Apache-2.0
//
// Sequencer of the attention unit: one job, tile after tile, phase after phase (MAX, EXP, SUM), chunk after chunk of
// at most NMAX keys. Everything it decides depends on the descriptor and on what has arrived, never on values.
//
//   Tile ─► Q ─► [M] ─► [Em] ─► Chunk ─► [Key ─► drain] ─► [Exp ─► drain | Val ─► drain] ─► Next ─┐
//    ▲                            ▲                             next chunk, next phase ◄──────────┤
//    └──────── next tile ◄── Out ◄── [Recip] ◄────────────────────────────────────────────────────┘
//
// A tile of one chunk keeps its scores: phases EXP and SUM then skip Key. Otherwise each phase streams the keys again.
module vb_attn_ctrl #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int NMAX  = 2048,
  parameter int DW    = 256,
  localparam int AW   = vb_pkg::AddrW,
  localparam int RW   = $clog2(ROWS),
  localparam int NW   = $clog2(NMAX)
) (
  input  logic                clk_i,
  input  logic                rst_i,
  // job
  input  logic                start_i,
  input  logic [vb_attn_pkg::NumArgs*64-1:0] args_i,
  input  logic [7:0]          desc_err_i,   ///< verdict on args_i
  output logic                idle_o,
  output logic                done_o,
  output logic                first_o,      ///< first cycle of the job
  output logic                run_o,
  output logic [vb_pkg::NumClass-1:0] class_o,
  output logic [7:0]          err_o,
  output logic [4:0]          state_o,
  // read streams
  output logic                flush_o,
  output logic                cmd_valid_o,
  input  logic                cmd_ready_i,
  output logic [2:0]          cmd_tag_o,
  output logic [AW-1:0]       cmd_addr_o,
  output logic [31:0]         cmd_stride_o,
  output logic [NW:0]         cmd_count_o,
  output logic [7:0]          cmd_beats_o,
  input  logic                word_valid_i,
  input  logic [2:0]          word_tag_i,
  output logic                word_ready_o,
  // masters
  input  logic                rd_idle_i,
  input  logic                rd_err_i,
  input  logic [7:0]          rd_code_i,
  input  logic                wr_idle_i,
  input  logic                wr_err_i,
  input  logic [7:0]          wr_code_i,
  // tile walker
  output logic                tile_o,
  input  logic                walk_i,
  input  logic [AW-1:0]       q_addr_i,
  input  logic [RW:0]         nrows_i,
  input  logic                last_tile_i,
  input  logic [20:0]         n_i,
  // datapath
  output logic                clear_o,
  output logic                restart_o,
  output logic                track_o,      ///< phase MAX: scores move the maximum
  output logic                q_word_o,
  output logic                m_word_o,
  output logic                em_word_o,
  output logic                k_word_o,
  output logic                e_step_o,
  output logic                v_word_o,
  output logic [RW-1:0]       q_row_o,
  output logic [8:0]          ref_word_o,   ///< number of the m or EM word
  output logic [20:0]         base_o,
  input  logic                k_last_i,
  input  logic                v_last_i,
  input  logic                bad_rec_i,
  input  logic                bad_refs_i,
  output logic                recip_o,      ///< denominator of row recip_row_o to the normaliser
  output logic [RW-1:0]       recip_row_o,
  // results
  output logic                out_go_o,
  input  logic                out_done_i,
  input  logic                out_beat_i,
  input  logic                out_stall_i,
  output logic                zero_o,
  output logic [AW-1:0]       out_base_o
);
  localparam int G     = DW / (LANES * 8);       // words of a beat
  localparam int HB    = 256 / DW;               // beats of 32 bytes
  localparam int SUBW  = 32 / LANES;
  localparam int KDRAIN = (SUBW == 1) ? 6 : 7;   // last key word to maximum
  localparam int EDRAIN = 3;                     // last key to EM
  localparam int VDRAIN = 11;                    // last value word to numerators and checks
  localparam int RDRAIN = ROWS + 36;             // normaliser, 32 quotient bits

  // ---- arguments
  logic [1:0] mode;
  logic [31:0] k_stride, v_stride, key_begin;
  logic [AW-1:0] k_ptr, v_ptr, m_ptr, em_ptr, o_ptr;
  logic [7:0] rec_beats, val_beats;
  logic [4:0] nbv;
  assign mode      = args_i[64*vb_attn_pkg::ArgMode +: 2];
  assign k_stride  = args_i[64*vb_attn_pkg::ArgKStride +: 32];
  assign v_stride  = args_i[64*vb_attn_pkg::ArgVStride +: 32];
  assign key_begin = args_i[64*vb_attn_pkg::ArgKeyBegin +: 32];
  assign k_ptr     = args_i[64*vb_attn_pkg::ArgK +: AW];
  assign v_ptr     = args_i[64*vb_attn_pkg::ArgV +: AW];
  assign m_ptr     = args_i[64*vb_attn_pkg::ArgM +: AW];
  assign em_ptr    = args_i[64*vb_attn_pkg::ArgEm +: AW];
  assign o_ptr     = args_i[64*vb_attn_pkg::ArgOut +: AW];
  assign nbv       = args_i[64*vb_attn_pkg::ArgDv + 5 +: 5];
  assign rec_beats = (8'(args_i[64*vb_attn_pkg::ArgDk + 5 +: 5]) + 8'd1) * 8'(HB);
  assign val_beats = 8'(nbv) * 8'(HB);

  // ---- state
  logic [4:0] st_q, st_d, after_refs;
  logic [1:0] phase_q;
  logic sent_q, resident_q, bus_err;
  logic [20:0] base_q, rest;
  logic [NW:0] cn, left_q;
  logic [6:0] wait_q;
  logic [RW:0] qrow_q;
  logic [8:0] ref_q, ref_last;
  logic [AW-1:0] k_base_q, v_base_q, k_run_q, v_run_q, ref_run_q, em_run_q, o_run_q;
  logic [7:0] err_q;
  logic single, last_chunk, last_phase, take, cmd, values_now, tile_empty;

  assign bus_err    = rd_err_i || wr_err_i;
  assign rest       = n_i - base_q;
  assign cn         = (rest > 21'(NMAX)) ? (NW+1)'(NMAX) : (NW+1)'(rest);
  assign single     = (n_i <= 21'(NMAX));
  assign tile_empty = (n_i == 21'd0);
  assign last_chunk = (rest <= 21'(NMAX));
  assign last_phase = (mode != vb_attn_pkg::ModeFull) || (phase_q == vb_attn_pkg::ModeSum);
  // values follow the keys of the same chunk at once, so that their reads run ahead of the exponent pass
  assign values_now = (phase_q == vb_attn_pkg::ModeSum) || (mode == vb_attn_pkg::ModeFull && single);
  assign take       = word_valid_i && word_ready_o;
  assign cmd        = cmd_valid_o && cmd_ready_i;

  logic all_m, all_em;
  assign all_m    = ref_q == ref_last;
  assign all_em   = ref_q == 9'(nrows_i) * 9'(SUBW) - 9'd1;
  assign ref_last = 9'((32'(nrows_i) * 32 + DW - 1) / DW * G - 1);
  assign after_refs = (mode == vb_attn_pkg::ModeSum && st_q == vb_attn_pkg::StM) ? vb_attn_pkg::StEm
                                                                                : vb_attn_pkg::StChunk;

  always_comb begin
    st_d = st_q;
    case (st_q)
      vb_attn_pkg::StIdle:  if (start_i) st_d = vb_attn_pkg::StCheck;
      vb_attn_pkg::StCheck:
        if (desc_err_i != vb_pkg::ErrNone || args_i[64*vb_attn_pkg::ArgRows +: 32] == 32'd0)
          st_d = vb_attn_pkg::StDone;
        else
          st_d = vb_attn_pkg::StTile;
      vb_attn_pkg::StTile:  st_d = vb_attn_pkg::StQ;
      vb_attn_pkg::StQ:
        if (bus_err) st_d = vb_attn_pkg::StAbort;
        else if (take && k_last_i && qrow_q == nrows_i - (RW+1)'(1)) st_d = vb_attn_pkg::StRefs;
      vb_attn_pkg::StRefs:  // n_i is settled now
        if (tile_empty) st_d = vb_attn_pkg::StOut;
        else if (mode == vb_attn_pkg::ModeExp || mode == vb_attn_pkg::ModeSum) st_d = vb_attn_pkg::StM;
        else st_d = vb_attn_pkg::StChunk;
      vb_attn_pkg::StM:
        if (bus_err) st_d = vb_attn_pkg::StAbort;
        else if (take && all_m) st_d = after_refs;
      vb_attn_pkg::StEm:
        if (bus_err) st_d = vb_attn_pkg::StAbort;
        else if (take && all_em) st_d = after_refs;
      vb_attn_pkg::StChunk:
        if (resident_q) st_d = (phase_q == vb_attn_pkg::ModeExp) ? vb_attn_pkg::StExp : vb_attn_pkg::StVal;
        else if (cmd) st_d = values_now ? vb_attn_pkg::StChunkV : vb_attn_pkg::StKey;
      vb_attn_pkg::StChunkV: if (cmd) st_d = vb_attn_pkg::StKey;
      vb_attn_pkg::StKey:
        if (bus_err) st_d = vb_attn_pkg::StAbort;
        else if (take && k_last_i && left_q == (NW+1)'(1)) st_d = vb_attn_pkg::StKeyDrain;
      vb_attn_pkg::StKeyDrain:
        if (wait_q == 7'd1) case (phase_q)
          vb_attn_pkg::ModeExp: st_d = vb_attn_pkg::StExp;
          vb_attn_pkg::ModeSum: st_d = vb_attn_pkg::StVal;
          default:              st_d = vb_attn_pkg::StNext;
        endcase
      vb_attn_pkg::StExp:   if (left_q == (NW+1)'(1)) st_d = vb_attn_pkg::StExpDrain;
      vb_attn_pkg::StExpDrain: if (wait_q == 7'd1) st_d = vb_attn_pkg::StNext;
      vb_attn_pkg::StVal:
        if (bus_err) st_d = vb_attn_pkg::StAbort;
        else if (take && v_last_i && left_q == (NW+1)'(1)) st_d = vb_attn_pkg::StValDrain;
      vb_attn_pkg::StValDrain: if (wait_q == 7'd1) st_d = vb_attn_pkg::StNext;
      vb_attn_pkg::StNext:
        if (bus_err) st_d = vb_attn_pkg::StAbort;
        else if (!last_chunk || !last_phase) st_d = vb_attn_pkg::StChunk;
        else st_d = (mode == vb_attn_pkg::ModeFull) ? vb_attn_pkg::StRecip : vb_attn_pkg::StOut;
      vb_attn_pkg::StRecip: if (wait_q == 7'd1) st_d = vb_attn_pkg::StOut;
      vb_attn_pkg::StOut:
        if (out_done_i) begin
          if (bus_err) st_d = vb_attn_pkg::StAbort;
          else st_d = last_tile_i ? vb_attn_pkg::StResp : vb_attn_pkg::StTile;
        end
      vb_attn_pkg::StResp:  if (wr_idle_i) st_d = vb_attn_pkg::StDone;
      vb_attn_pkg::StAbort: if (rd_idle_i && wr_idle_i && !word_valid_i) st_d = vb_attn_pkg::StDone;
      vb_attn_pkg::StDone:  st_d = vb_attn_pkg::StIdle;
      default:              st_d = vb_attn_pkg::StIdle;
    endcase
  end

  logic enter;  // the next cycle is the first of a state
  assign enter = (st_d != st_q);
  always_ff @(posedge clk_i) begin
    if (rst_i) st_q <= vb_attn_pkg::StIdle;
    else       st_q <= st_d;
  end

  // ---- counters and addresses
  always_ff @(posedge clk_i) begin
    if (st_q == vb_attn_pkg::StCheck) begin
      k_base_q  <= k_ptr + AW'(64'(key_begin) * 64'(k_stride));
      v_base_q  <= v_ptr + AW'(64'(key_begin) * 64'(v_stride));
      ref_run_q <= m_ptr;
      em_run_q  <= em_ptr;
      o_run_q   <= o_ptr;
    end else if (st_q == vb_attn_pkg::StOut && out_done_i) begin
      ref_run_q <= ref_run_q + AW'(4 * ROWS);
      em_run_q  <= em_run_q + AW'(32 * ROWS);
      o_run_q   <= o_run_q + ((AW'(1) + (AW'(nbv) << 3)) << (5 + RW));
    end

    if (st_q == vb_attn_pkg::StTile) begin
      qrow_q     <= '0;
      resident_q <= 1'b0;
    end else begin
      if (st_q == vb_attn_pkg::StQ && take && k_last_i) qrow_q <= qrow_q + (RW+1)'(1);
      if (st_q == vb_attn_pkg::StKeyDrain && single) resident_q <= 1'b1;
    end

    if (enter) sent_q <= 1'b0;
    else if (cmd) sent_q <= 1'b1;

    if (enter) ref_q <= '0;
    else if (m_word_o || em_word_o) ref_q <= ref_q + 9'd1;

    if (st_q == vb_attn_pkg::StRefs || (st_q == vb_attn_pkg::StNext && last_chunk)) begin
      base_q  <= '0;
      k_run_q <= k_base_q;
      v_run_q <= v_base_q;
    end else if (st_q == vb_attn_pkg::StNext) begin
      base_q  <= base_q + 21'(NMAX);
      k_run_q <= k_run_q + (AW'(k_stride) << NW);
      v_run_q <= v_run_q + (AW'(v_stride) << NW);
    end
    if (st_q == vb_attn_pkg::StRefs)
      phase_q <= (mode == vb_attn_pkg::ModeFull) ? vb_attn_pkg::ModeMax : mode;
    else if (st_q == vb_attn_pkg::StNext && last_chunk)
      phase_q <= (phase_q == vb_attn_pkg::ModeMax) ? vb_attn_pkg::ModeExp : vb_attn_pkg::ModeSum;

    // keys left in the pass; cycles left in a drain
    if (enter) left_q <= cn;
    else if ((k_word_o && k_last_i) || e_step_o || (v_word_o && v_last_i)) left_q <= left_q - (NW+1)'(1);
    if (enter) begin
      case (st_d)
        vb_attn_pkg::StKeyDrain: wait_q <= 7'(KDRAIN);
        vb_attn_pkg::StExpDrain: wait_q <= 7'(EDRAIN);
        vb_attn_pkg::StValDrain: wait_q <= 7'(VDRAIN);
        default:                 wait_q <= 7'(RDRAIN);
      endcase
    end else if (wait_q != 7'd0) begin
      wait_q <= wait_q - 7'd1;
    end
  end

  // ---- errors: the first one found counts, a bus error before a data error
  always_ff @(posedge clk_i) begin
    if (rst_i || first_o) err_q <= vb_pkg::ErrNone;
    else if (st_q == vb_attn_pkg::StCheck) err_q <= desc_err_i;
    else if (run_o && rd_err_i && err_q[7:4] != 4'h2) err_q <= rd_code_i;
    else if (run_o && wr_err_i && err_q[7:4] != 4'h2) err_q <= wr_code_i;
    else if (run_o && err_q == vb_pkg::ErrNone && bad_rec_i) err_q <= vb_attn_pkg::ErrRecord;
    else if (run_o && err_q == vb_pkg::ErrNone && bad_refs_i) err_q <= vb_attn_pkg::ErrRefs;
  end
  assign err_o = err_q;

  // ---- read streams
  always_comb begin
    cmd_valid_o  = 1'b0;
    cmd_tag_o    = vb_attn_pkg::TagQ;
    cmd_addr_o   = q_addr_i;
    cmd_stride_o = 32'd0;
    cmd_count_o  = (NW+1)'(1);
    cmd_beats_o  = rec_beats;
    case (st_q)
      vb_attn_pkg::StQ: cmd_valid_o = walk_i && !bus_err;
      vb_attn_pkg::StM: begin
        cmd_valid_o = !sent_q;
        cmd_tag_o   = vb_attn_pkg::TagM;
        cmd_addr_o  = ref_run_q;
        cmd_beats_o = 8'((32'(nrows_i) * 32 + DW - 1) / DW);
      end
      vb_attn_pkg::StEm: begin
        cmd_valid_o = !sent_q;
        cmd_tag_o   = vb_attn_pkg::TagEm;
        cmd_addr_o  = em_run_q;
        cmd_beats_o = 8'(nrows_i) * 8'(HB);
      end
      vb_attn_pkg::StChunk: begin
        cmd_valid_o  = !resident_q;
        cmd_tag_o    = vb_attn_pkg::TagK;
        cmd_addr_o   = k_run_q;
        cmd_stride_o = k_stride;
        cmd_count_o  = cn;
      end
      vb_attn_pkg::StChunkV: begin
        cmd_valid_o  = 1'b1;
        cmd_tag_o    = vb_attn_pkg::TagV;
        cmd_addr_o   = v_run_q;
        cmd_stride_o = v_stride;
        cmd_count_o  = cn;
        cmd_beats_o  = val_beats;
      end
      default: ;
    endcase
  end
  assign flush_o = (st_q == vb_attn_pkg::StAbort);

  // ---- datapath
  assign q_word_o  = take && st_q == vb_attn_pkg::StQ;
  assign m_word_o  = take && st_q == vb_attn_pkg::StM;
  assign em_word_o = take && st_q == vb_attn_pkg::StEm;
  assign k_word_o  = take && st_q == vb_attn_pkg::StKey;
  assign v_word_o  = take && st_q == vb_attn_pkg::StVal;
  assign e_step_o  = st_q == vb_attn_pkg::StExp;
  assign word_ready_o = st_q == vb_attn_pkg::StQ || st_q == vb_attn_pkg::StM || st_q == vb_attn_pkg::StEm ||
                        st_q == vb_attn_pkg::StKey || st_q == vb_attn_pkg::StVal || st_q == vb_attn_pkg::StAbort;
  assign tile_o     = st_q == vb_attn_pkg::StTile;
  assign clear_o    = tile_o;
  assign restart_o  = enter;
  assign track_o    = phase_q == vb_attn_pkg::ModeMax;
  assign q_row_o    = qrow_q[RW-1:0];
  assign ref_word_o = ref_q;
  assign base_o     = base_q;

  logic [6:0] recip_i;
  assign recip_i     = 7'(RDRAIN) - wait_q;
  assign recip_o     = st_q == vb_attn_pkg::StRecip && 32'(recip_i) < ROWS;
  assign recip_row_o = recip_i[RW-1:0];

  assign out_go_o = enter && st_d == vb_attn_pkg::StOut;
  assign zero_o   = tile_empty;
  always_comb begin
    case (mode)
      vb_attn_pkg::ModeMax: out_base_o = ref_run_q;
      vb_attn_pkg::ModeExp: out_base_o = em_run_q;
      default:              out_base_o = o_run_q;
    endcase
  end

  // ---- job and accounting
  assign idle_o  = st_q == vb_attn_pkg::StIdle;
  assign first_o = idle_o && start_i;
  assign run_o   = first_o || !idle_o;
  assign done_o  = st_q == vb_attn_pkg::StDone;
  assign state_o = st_q;
  always_comb begin
    class_o = '0;
    case (st_q)
      vb_attn_pkg::StQ, vb_attn_pkg::StM, vb_attn_pkg::StEm, vb_attn_pkg::StKey, vb_attn_pkg::StVal:
        class_o[word_valid_i ? vb_pkg::ClsBusy : vb_pkg::ClsRead] = 1'b1;
      vb_attn_pkg::StExp:   class_o[vb_pkg::ClsBusy] = 1'b1;
      vb_attn_pkg::StOut:
        class_o[out_beat_i ? vb_pkg::ClsBusy : out_stall_i ? vb_pkg::ClsWrite : vb_pkg::ClsDep] = 1'b1;
      vb_attn_pkg::StResp, vb_attn_pkg::StAbort: class_o[vb_pkg::ClsDrain] = 1'b1;
      default:              class_o[vb_pkg::ClsDep] = run_o;
    endcase
  end

  logic unused_ctrl;
  assign unused_ctrl = ^args_i;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_state: assert (st_q <= vb_attn_pkg::StLast);
    a_class: assert (!run_o || $onehot(class_o));
    // the data of a state are those it asked for
    a_tag_q: assert (!q_word_o || word_tag_i == vb_attn_pkg::TagQ);
    a_tag_m: assert (!m_word_o || word_tag_i == vb_attn_pkg::TagM);
    a_tag_e: assert (!em_word_o || word_tag_i == vb_attn_pkg::TagEm);
    a_tag_k: assert (!k_word_o || word_tag_i == vb_attn_pkg::TagK);
    a_tag_v: assert (!v_word_o || word_tag_i == vb_attn_pkg::TagV);
    a_left:  assert (!(k_word_o || e_step_o || v_word_o) || left_q != '0);
  end
endmodule
