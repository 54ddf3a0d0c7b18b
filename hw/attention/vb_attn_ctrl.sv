// SPDX-License-Identifier: Apache-2.0
//
// Sequencer of the attention unit: one job, tile after tile, pass after pass, chunk after chunk of at most NMAX keys.
// Everything it decides depends on the descriptor and on what has arrived, never on values.
//
//   Check ─► [Rem] ─► [Sink] ─► Tile ─► Q ─► Plan ─► [M ─► [Em]] ─► Chunk ─► [List] ─► KA ─► KB ─► [VA ─► VB] ─► Key ─► KeyDrain
//                                ▲                                    ▲                                               │
//                                │                                    ├── next chunk ◄── Next ◄── (keys only) ◄───────┤
//                                │                                    ├── next chunk ◄── Next ◄── ValDrain ◄── Val ◄──┤
//                                └─ next tile ◄─ Out ◄─ [Recip] ◄─────┴── FULL: values ◄── Exp ◄── last chunk ◄───────┘
//
// A FULL tile of one chunk keeps its scores, so Val follows Exp; otherwise its keys are streamed again with the values.
module vb_attn_ctrl #(
  parameter int ROWS  = 8,
  parameter int LANES = 32,
  parameter int NMAX  = 2048,
  localparam int AW   = vb_pkg::AddrW,
  localparam int RW   = $clog2(ROWS),
  localparam int NW   = $clog2(NMAX),
  localparam int CW   = (NW + 1 > 8) ? NW + 1 : 8
) (
  input  logic                clk_i,
  input  logic                rst_i,
  // job
  input  logic                start_i,
  input  logic [vb_attn_pkg::NumArgs*64-1:0] args_i,
  input  logic [7:0]          desc_err_i,   ///< verdict on args_i
  input  logic                abort_i,      ///< the watchdog wants the job to end
  input  logic                give_up_i,    ///< and the bus is silent
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
  output logic [2:0]          cmd_kind_o,
  output logic                cmd_list_o,
  output logic [AW-1:0]       cmd_base_o,
  output logic [31:0]         cmd_key_o,
  output logic [31:0]         cmd_stride_o,
  output logic [CW-1:0]       cmd_count_o,
  output logic [4:0]          cmd_units_o,
  input  logic                word_valid_i,
  input  logic [2:0]          word_kind_i,
  output logic                word_ready_o,
  // masters
  input  logic                rd_idle_i,
  input  logic                rd_err_i,
  input  logic [7:0]          rd_code_i,
  input  logic                wr_idle_i,
  input  logic                wr_err_i,
  input  logic [7:0]          wr_code_i,
  // rows and keys of the tile
  output logic                rem_start_o,
  output logic                rem_done_o,
  output logic                tile_o,
  output logic                plan_o,
  input  logic                walk_i,
  output logic                walk_ready_o,
  input  logic [AW-1:0]       q_addr_i,
  input  logic [RW:0]         nrows_i,
  input  logic                last_tile_i,
  input  logic [20:0]         na_i,
  input  logic [20:0]         start_key_i,
  input  logic [20:0]         n_i,
  // list
  output logic [20:0]         list_n_o,
  output logic [3:0]          lg_block_o,
  output logic [9:0]          block_off_o,
  output logic [2:0]          skew_o,
  output logic                list_clear_o,
  // datapath
  output logic                clear_o,
  output logic                restart_o,
  output logic                track_o,
  output logic                peaks_o,
  output logic                q_word_o,
  output logic                m_word_o,
  output logic                em_word_o,
  output logic                k_word_o,
  output logic                v_word_o,
  output logic                list_word_o,
  output logic                sink_word_o,
  output logic                s_step_o,
  output logic                x_step_o,
  output logic [4:0]          x_blk_o,
  output logic [RW-1:0]       q_row_o,
  output logic [8:0]          ref_word_o,   ///< number of the m, EM or sink word
  output logic [2:0]          m_off_o,      ///< entry of the first m word that is the tile's first: a tile of 4 rows is half a unit
  output logic [20:0]         base_o,
  input  logic                rec_last_i,
  input  logic                bad_head_i,
  input  logic                bad_refs_i,
  input  logic                bad_list_i,
  output logic                recip_o,      ///< denominator of row recip_row_o to the normaliser
  output logic [RW-1:0]       recip_row_o,
  // results
  output logic                out_go_o,
  input  logic                out_done_i,
  input  logic                out_busy_i,
  input  logic                out_unit_i,
  input  logic                out_wait_i,
  output logic                zero_o,
  output logic [AW-1:0]       out_base_o
);
  localparam int SUBW  = 32 / LANES;
  localparam int KDRAIN = (SUBW == 1) ? 6 : 7;   // last key word to maximum, score memory and peaks
  localparam int VDRAIN = 11;                    // last value word to numerators and checks
  localparam int RDRAIN = ROWS + 36;             // normaliser, 32 quotient bits
  localparam int REM    = 33;                    // remainder

  // ---- arguments
  logic [1:0] mode;
  logic [31:0] k_stride, v_stride, key_begin, rpt, list_first, list_count, list_block;
  logic [AW-1:0] k_ptr, v_ptr, m_ptr, em_ptr, o_ptr, list_ptr, sink_ptr;
  logic [4:0] nbk, nbv;
  logic shared, none_q, listed_q, sinks_q, chunked_q;  // the wide compares, from the job's first cycle on
  assign mode       = args_i[64*vb_attn_pkg::ArgMode +: 2];
  assign key_begin  = args_i[64*vb_attn_pkg::ArgKeyBegin +: 32];
  assign rpt        = args_i[64*vb_attn_pkg::ArgRowsPerToken +: 32];
  assign shared     = args_i[64*vb_attn_pkg::ArgFlags];
  assign k_ptr      = args_i[64*vb_attn_pkg::ArgK +: AW];
  assign k_stride   = args_i[64*vb_attn_pkg::ArgKStride +: 32];
  assign v_ptr      = shared ? k_ptr + AW'(32) : args_i[64*vb_attn_pkg::ArgV +: AW];
  assign v_stride   = shared ? k_stride : args_i[64*vb_attn_pkg::ArgVStride +: 32];
  assign m_ptr      = args_i[64*vb_attn_pkg::ArgM +: AW];
  assign em_ptr     = args_i[64*vb_attn_pkg::ArgEm +: AW];
  assign o_ptr      = args_i[64*vb_attn_pkg::ArgOut +: AW];
  assign list_ptr   = args_i[64*vb_attn_pkg::ArgList +: AW];
  assign list_first = args_i[64*vb_attn_pkg::ArgListFirst +: 32];
  assign list_count = args_i[64*vb_attn_pkg::ArgListCount +: 32];
  assign list_block = args_i[64*vb_attn_pkg::ArgListBlock +: 32];
  assign sink_ptr   = args_i[64*vb_attn_pkg::ArgSinks +: AW];
  assign nbk        = args_i[64*vb_attn_pkg::ArgDk + 5 +: 5];
  assign nbv        = args_i[64*vb_attn_pkg::ArgDv + 5 +: 5];
  always_ff @(posedge clk_i) if (first_o) begin
    none_q    <= args_i[64*vb_attn_pkg::ArgRows +: 32] == 32'd0;
    listed_q  <= list_block != 32'd0;
    sinks_q   <= mode == vb_attn_pkg::ModeFull && sink_ptr != '0;
    chunked_q <= args_i[64*vb_attn_pkg::ArgChunk +: 32] != 32'd0;
  end

  // ---- state
  logic [4:0] st_q, st_d, after_refs;
  logic [1:0] phase_q;
  logic sent_q, have_list_q, stop;
  logic [20:0] base_q, rest_q, list_n_q;  // first candidate of the chunk, candidates from there on
  logic [NW:0] cn, left_q, ca_q, cb_q;
  logic [31:0] ka_q, kb_q;
  logic [3:0] lg_q;
  logic [6:0] wait_q;
  logic [RW:0] qrow_q;
  logic [CW+2:0] ref_q, ref_last_q;
  logic [AW-1:0] ref_run_q, em_run_q, o_run_q;
  logic [7:0] err_q;
  logic single, last_chunk, take, cmd, values_now, tile_empty;

  assign stop       = rd_err_i || wr_err_i || abort_i;
  assign cn         = (rest_q > 21'(NMAX)) ? (NW+1)'(NMAX) : (NW+1)'(rest_q);
  assign single     = (n_i <= 21'(NMAX));
  assign tile_empty = (n_i == 21'd0);
  assign last_chunk = (rest_q <= 21'(NMAX));
  // values follow the keys of the same chunk at once, so that their reads run ahead of the exponents
  assign values_now = (phase_q == vb_attn_pkg::ModeSum) || (mode == vb_attn_pkg::ModeFull && single);
  assign take       = word_valid_i && word_ready_o;
  assign cmd        = cmd_valid_o && cmd_ready_i;

  // entries of the chunk's list: first of them, units of 32 bytes
  logic [32:0] entry;
  logic [2:0] skew_q;
  logic [31:0] list_key_q;
  logic [CW-1:0] list_units_q;
  logic [NW:0] entries;
  logic [CW-1:0] list_units, m_units, sink_units;
  assign entry      = {1'b0, list_first} + {12'd0, base_q >> lg_q};
  assign entries    = ((cn >> lg_q) == '0) ? (NW+1)'(1) : cn >> lg_q;
  assign list_units = CW'((32'(entries) + 32'(entry[2:0]) + 32'd7) >> 3);
  assign m_units    = CW'((32'(nrows_i) + 32'd7) >> 3);
  assign sink_units = CW'((32'(rpt[9:0]) + 32'd7) >> 3);

  logic all_refs, refs, records, waited;
  assign refs       = st_q[4:2] == 3'b111;  // StSink, StM, StEm, StList
  assign records    = st_q[4:2] == 3'b110;  // StQ, StKey, StVal
  assign waited     = wait_q == 7'd1;
  assign all_refs   = ref_q == ref_last_q;
  assign after_refs = (mode == vb_attn_pkg::ModeSum && st_q == vb_attn_pkg::StM) ? vb_attn_pkg::StEm
                                                                                 : vb_attn_pkg::StChunk;

  always_comb begin
    st_d = st_q;
    case (st_q)
      vb_attn_pkg::StIdle:  if (start_i) st_d = vb_attn_pkg::StCheck;
      vb_attn_pkg::StCheck:
        if (desc_err_i != vb_pkg::ErrNone || none_q)
          st_d = vb_attn_pkg::StDone;
        else
          st_d = chunked_q ? vb_attn_pkg::StRem : sinks_q ? vb_attn_pkg::StSink : vb_attn_pkg::StTile;
      vb_attn_pkg::StRem:   if (waited) st_d = sinks_q ? vb_attn_pkg::StSink : vb_attn_pkg::StTile;
      vb_attn_pkg::StSink:
        if (stop) st_d = vb_attn_pkg::StAbort;
        else if (take && all_refs) st_d = vb_attn_pkg::StTile;
      vb_attn_pkg::StTile:  st_d = vb_attn_pkg::StQ;
      vb_attn_pkg::StQ:
        if (stop) st_d = vb_attn_pkg::StAbort;
        else if (take && rec_last_i && qrow_q == nrows_i - (RW+1)'(1)) st_d = vb_attn_pkg::StPlan;
      vb_attn_pkg::StPlan:  st_d = vb_attn_pkg::StPlanned;
      vb_attn_pkg::StPlanned:
        if (tile_empty) st_d = vb_attn_pkg::StOut;
        else if (mode == vb_attn_pkg::ModeExp || mode == vb_attn_pkg::ModeSum) st_d = vb_attn_pkg::StM;
        else st_d = vb_attn_pkg::StChunk;
      vb_attn_pkg::StM, vb_attn_pkg::StEm:
        if (stop) st_d = vb_attn_pkg::StAbort;
        else if (take && all_refs) st_d = after_refs;
      vb_attn_pkg::StChunk: st_d = (listed_q && !have_list_q) ? vb_attn_pkg::StList : vb_attn_pkg::StKA;
      vb_attn_pkg::StList:
        if (stop) st_d = vb_attn_pkg::StAbort;
        else if (take && all_refs) st_d = vb_attn_pkg::StKA;
      vb_attn_pkg::StKA:    if (cmd || ca_q == '0) st_d = vb_attn_pkg::StKB;
      vb_attn_pkg::StKB:    if (cmd || cb_q == '0) st_d = values_now ? vb_attn_pkg::StVA : vb_attn_pkg::StKey;
      vb_attn_pkg::StVA:    if (cmd || ca_q == '0) st_d = vb_attn_pkg::StVB;
      vb_attn_pkg::StVB:    if (cmd || cb_q == '0) st_d = vb_attn_pkg::StKey;
      vb_attn_pkg::StKey:
        if (stop) st_d = vb_attn_pkg::StAbort;
        else if (take && rec_last_i && left_q == (NW+1)'(1)) st_d = vb_attn_pkg::StKeyDrain;
      vb_attn_pkg::StKeyDrain:
        if (waited) begin
          if (phase_q == vb_attn_pkg::ModeSum) st_d = vb_attn_pkg::StVal;
          else if (!last_chunk)                st_d = vb_attn_pkg::StNext;
          else if (mode == vb_attn_pkg::ModeMax) st_d = vb_attn_pkg::StOut;
          else                                 st_d = vb_attn_pkg::StExp;
        end
      vb_attn_pkg::StExp:
        if (waited) begin
          if (mode == vb_attn_pkg::ModeExp) st_d = vb_attn_pkg::StOut;
          else                              st_d = single ? vb_attn_pkg::StVal : vb_attn_pkg::StChunk;
        end
      vb_attn_pkg::StVal:
        if (stop) st_d = vb_attn_pkg::StAbort;
        else if (take && rec_last_i && left_q == (NW+1)'(1)) st_d = vb_attn_pkg::StValDrain;
      vb_attn_pkg::StValDrain:
        if (waited) begin
          if (!last_chunk) st_d = vb_attn_pkg::StNext;
          else st_d = (mode == vb_attn_pkg::ModeFull) ? vb_attn_pkg::StRecip : vb_attn_pkg::StOut;
        end
      vb_attn_pkg::StNext:  st_d = stop ? vb_attn_pkg::StAbort : vb_attn_pkg::StChunk;
      vb_attn_pkg::StRecip: if (waited) st_d = vb_attn_pkg::StOut;
      vb_attn_pkg::StOut:
        if (out_done_i) begin
          if (stop) st_d = vb_attn_pkg::StAbort;
          else st_d = last_tile_i ? vb_attn_pkg::StResp : vb_attn_pkg::StTile;
        end else if (abort_i) st_d = vb_attn_pkg::StAbort;
      vb_attn_pkg::StResp:
        if (wr_idle_i) st_d = vb_attn_pkg::StDone;
        else if (abort_i) st_d = vb_attn_pkg::StAbort;
      vb_attn_pkg::StAbort:  // a tile whose results are under way is written to its end
        if (rd_idle_i && wr_idle_i && !out_busy_i) st_d = vb_attn_pkg::StDone;
        else if (give_up_i) st_d = vb_attn_pkg::StStuck;
      vb_attn_pkg::StDone:  st_d = vb_attn_pkg::StIdle;
      vb_attn_pkg::StStuck: st_d = vb_attn_pkg::StStuck;  // until reset: see vb_watchdog
      default:              st_d = vb_attn_pkg::StIdle;
    endcase
  end

  // Counters are loaded in the states before those that use them, so none waits for the next state to be known.
  always_ff @(posedge clk_i) begin
    if (rst_i) st_q <= vb_attn_pkg::StIdle;
    else       st_q <= st_d;
  end

  // ---- list geometry, once a job
  logic [3:0] lg;
  always_comb begin
    lg = 4'd0;
    if (st_q == vb_attn_pkg::StCheck) for (int i = 0; i <= 10; i++) if (list_block[i]) lg = 4'(i);
  end
  always_ff @(posedge clk_i) if (st_q == vb_attn_pkg::StCheck) begin
    lg_q     <= lg;
    list_n_q <= 21'(list_count << lg);
  end

  // ---- counters and addresses
  always_ff @(posedge clk_i) begin
    if (st_q == vb_attn_pkg::StCheck) begin
      ref_run_q <= m_ptr;
      em_run_q  <= em_ptr;
      o_run_q   <= o_ptr;
    end else if (st_q == vb_attn_pkg::StOut && out_done_i) begin
      ref_run_q <= ref_run_q + AW'(4 * ROWS);
      em_run_q  <= em_run_q + AW'(32 * ROWS);
      o_run_q   <= o_run_q + ((AW'(1) + (AW'(nbv) << 3)) << (5 + RW));
    end

    if (st_q == vb_attn_pkg::StTile) qrow_q <= '0;
    else if (q_word_o && rec_last_i) qrow_q <= qrow_q + (RW+1)'(1);

    if (st_q == vb_attn_pkg::StChunk) begin
      skew_q       <= entry[2:0];
      list_key_q   <= 32'(entry >> 3);
      list_units_q <= list_units;
    end

    // a list of one chunk is read once a job
    if (st_q == vb_attn_pkg::StCheck) have_list_q <= 1'b0;
    else if (st_q == vb_attn_pkg::StList && single) have_list_q <= 1'b1;

    if (!refs || (take && all_refs)) begin
      sent_q <= 1'b0;
      ref_q  <= '0;
    end else begin
      if (cmd) sent_q <= 1'b1;
      if (take) ref_q <= ref_q + (CW+3)'(1);
    end
    // words come later than the command
    if (refs && cmd) ref_last_q <= (CW+3)'(cmd_count_o) * (CW+3)'(SUBW) - (CW+3)'(1);

    if (st_q == vb_attn_pkg::StPlanned || st_q == vb_attn_pkg::StExp) begin
      base_q <= '0;
      rest_q <= n_i;
    end else if (st_q == vb_attn_pkg::StNext) begin
      base_q <= base_q + 21'(NMAX);
      rest_q <= rest_q - 21'(NMAX);
    end
    if (st_q == vb_attn_pkg::StPlan)
      phase_q <= (mode == vb_attn_pkg::ModeFull) ? vb_attn_pkg::ModeMax : mode;
    else if (st_q == vb_attn_pkg::StExp) phase_q <= vb_attn_pkg::ModeSum;

    if (st_q == vb_attn_pkg::StChunk) begin
      ca_q <= listed_q ? cn : (base_q >= na_i) ? '0 : (na_i - base_q > 21'(cn)) ? cn : (NW+1)'(na_i - base_q);
      ka_q <= key_begin + 32'(base_q);
      kb_q <= key_begin + 32'(start_key_i) + ((base_q > na_i) ? {11'd0, base_q - na_i} : 32'd0);
    end
    if (st_q == vb_attn_pkg::StChunk)
      cb_q <= listed_q ? '0 : (base_q >= na_i) ? cn : (na_i - base_q > 21'(cn)) ? '0 : cn - (NW+1)'(na_i - base_q);

    // keys left in the pass; cycles left in a drain
    if (!records) left_q <= cn;
    else if ((k_word_o || v_word_o) && rec_last_i) left_q <= left_q - (NW+1)'(1);
    case (st_q)
      vb_attn_pkg::StCheck: wait_q <= 7'(REM);
      vb_attn_pkg::StKey:   wait_q <= 7'(KDRAIN);
      vb_attn_pkg::StVal:   wait_q <= 7'(VDRAIN);
      vb_attn_pkg::StKeyDrain: wait_q <= waited ? 7'(nbv) + 7'd1 : wait_q - 7'd1;  // for StExp
      vb_attn_pkg::StValDrain: wait_q <= waited ? 7'(RDRAIN) : wait_q - 7'd1;      // for StRecip
      vb_attn_pkg::StRem, vb_attn_pkg::StExp, vb_attn_pkg::StRecip: wait_q <= wait_q - 7'd1;
      default: ;
    endcase
  end

  // ---- errors: the first one found counts, the watchdog and a bus error before a data error
  always_ff @(posedge clk_i) begin
    if (rst_i || first_o) err_q <= vb_pkg::ErrNone;
    else if (st_q == vb_attn_pkg::StCheck) err_q <= desc_err_i;
    else if (st_q == vb_attn_pkg::StAbort && st_d == vb_attn_pkg::StStuck) err_q <= vb_pkg::ErrWatchdog;
    else if (run_o && stop && err_q[7:4] != 4'h2 && err_q[7:4] != 4'h4)
      err_q <= rd_err_i ? rd_code_i : wr_err_i ? wr_code_i : vb_pkg::ErrWatchdog;
    else if (run_o && err_q == vb_pkg::ErrNone && bad_list_i) err_q <= vb_attn_pkg::ErrList;
    else if (run_o && err_q == vb_pkg::ErrNone && bad_head_i) err_q <= vb_attn_pkg::ErrRecord;
    else if (run_o && err_q == vb_pkg::ErrNone && bad_refs_i) err_q <= vb_attn_pkg::ErrRefs;
  end
  assign err_o = err_q;

  // ---- read streams
  always_comb begin
    cmd_valid_o  = 1'b0;
    cmd_kind_o   = vb_attn_pkg::KindQ;
    cmd_list_o   = 1'b0;
    cmd_base_o   = q_addr_i;
    cmd_key_o    = 32'd0;
    cmd_stride_o = 32'd32;
    cmd_count_o  = CW'(1);
    cmd_units_o  = 5'd1;
    case (st_q)
      vb_attn_pkg::StQ: begin
        cmd_valid_o = walk_i && !stop;
        cmd_units_o = nbk + 5'd1;
      end
      vb_attn_pkg::StSink: begin
        cmd_valid_o = !sent_q;
        cmd_kind_o  = vb_attn_pkg::KindSink;
        cmd_base_o  = sink_ptr;
        cmd_count_o = sink_units;
      end
      vb_attn_pkg::StM: begin
        cmd_valid_o = !sent_q;
        cmd_kind_o  = vb_attn_pkg::KindM;
        cmd_base_o  = {ref_run_q[AW-1:5], 5'd0};
        cmd_count_o = m_units;
      end
      vb_attn_pkg::StEm: begin
        cmd_valid_o = !sent_q;
        cmd_kind_o  = vb_attn_pkg::KindEm;
        cmd_base_o  = em_run_q;
        cmd_count_o = CW'(nrows_i);
      end
      vb_attn_pkg::StList: begin
        cmd_valid_o = !sent_q;
        cmd_kind_o  = vb_attn_pkg::KindList;
        cmd_base_o  = list_ptr;
        cmd_key_o   = list_key_q;
        cmd_count_o = list_units_q;
      end
      vb_attn_pkg::StKA, vb_attn_pkg::StKB: begin
        cmd_valid_o  = (st_q == vb_attn_pkg::StKA) ? ca_q != '0 : cb_q != '0;
        cmd_kind_o   = vb_attn_pkg::KindK;
        cmd_list_o   = listed_q;
        cmd_base_o   = k_ptr;
        cmd_key_o    = (st_q == vb_attn_pkg::StKA) ? ka_q : kb_q;
        cmd_stride_o = k_stride;
        cmd_count_o  = (st_q == vb_attn_pkg::StKA) ? CW'(ca_q) : CW'(cb_q);
        cmd_units_o  = nbk + 5'd1;
      end
      vb_attn_pkg::StVA, vb_attn_pkg::StVB: begin
        cmd_valid_o  = (st_q == vb_attn_pkg::StVA) ? ca_q != '0 : cb_q != '0;
        cmd_kind_o   = vb_attn_pkg::KindV;
        cmd_list_o   = listed_q;
        cmd_base_o   = v_ptr;
        cmd_key_o    = (st_q == vb_attn_pkg::StVA) ? ka_q : kb_q;
        cmd_stride_o = v_stride;
        cmd_count_o  = (st_q == vb_attn_pkg::StVA) ? CW'(ca_q) : CW'(cb_q);
        cmd_units_o  = nbv;
      end
      default: ;
    endcase
  end
  assign flush_o = (st_q == vb_attn_pkg::StAbort);

  // ---- datapath
  assign walk_ready_o = st_q == vb_attn_pkg::StQ && !stop && cmd_ready_i;  // a job that was aborted leaves walk set
  assign q_word_o    = take && st_q == vb_attn_pkg::StQ;
  assign m_word_o    = take && st_q == vb_attn_pkg::StM;
  assign em_word_o   = take && st_q == vb_attn_pkg::StEm;
  assign k_word_o    = take && st_q == vb_attn_pkg::StKey;
  assign v_word_o    = take && st_q == vb_attn_pkg::StVal;
  assign list_word_o = take && st_q == vb_attn_pkg::StList;
  assign sink_word_o = take && st_q == vb_attn_pkg::StSink;
  assign word_ready_o = refs || records;
  assign rem_start_o  = st_q == vb_attn_pkg::StCheck;
  assign rem_done_o   = st_q == vb_attn_pkg::StRem && wait_q == 7'd1;
  assign tile_o       = st_q == vb_attn_pkg::StTile;
  assign plan_o       = st_q == vb_attn_pkg::StPlan;
  assign clear_o      = tile_o;
  assign restart_o    = !records;
  assign track_o      = phase_q == vb_attn_pkg::ModeMax;
  assign peaks_o      = phase_q == vb_attn_pkg::ModeExp || (phase_q == vb_attn_pkg::ModeMax && mode == vb_attn_pkg::ModeFull);
  assign q_row_o      = qrow_q[RW-1:0];
  assign ref_word_o   = ref_q[8:0];
  assign m_off_o      = (ROWS == 4) ? {ref_run_q[4], 2'b00} : 3'd0;
  assign base_o       = base_q;
  assign list_n_o     = list_n_q;
  assign lg_block_o   = lg_q;
  assign block_off_o  = base_q[9:0] & ((10'd1 << lg_q) - 10'd1);
  assign skew_o       = skew_q;
  assign list_clear_o = st_q == vb_attn_pkg::StChunk;

  // exponents: a block a cycle, the last needs one more; sinks enter L meanwhile
  logic first_exp;
  assign first_exp = wait_q == 7'(nbv) + 7'd1;
  assign x_step_o  = st_q == vb_attn_pkg::StExp && wait_q != 7'd1;
  assign x_blk_o   = 5'(7'(nbv) + 7'd1 - wait_q);
  assign s_step_o  = st_q == vb_attn_pkg::StExp && first_exp && sinks_q;

  logic [RW:0] recip_q;
  always_ff @(posedge clk_i) begin
    if (st_q == vb_attn_pkg::StValDrain) recip_q <= '0;
    else if (recip_o) recip_q <= recip_q + (RW+1)'(1);
  end
  assign recip_o     = st_q == vb_attn_pkg::StRecip && !recip_q[RW];
  assign recip_row_o = recip_q[RW-1:0];

  // the last cycle before StOut
  always_comb begin
    case (st_q)
      vb_attn_pkg::StPlanned:  out_go_o = tile_empty;
      vb_attn_pkg::StKeyDrain: out_go_o = waited && phase_q != vb_attn_pkg::ModeSum && last_chunk && mode == vb_attn_pkg::ModeMax;
      vb_attn_pkg::StExp:      out_go_o = waited && mode == vb_attn_pkg::ModeExp;
      vb_attn_pkg::StValDrain: out_go_o = waited && last_chunk && mode != vb_attn_pkg::ModeFull;
      vb_attn_pkg::StRecip:    out_go_o = waited;
      default:                 out_go_o = 1'b0;
    endcase
  end
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
  assign run_o   = first_o || (!idle_o && st_q != vb_attn_pkg::StStuck);
  assign done_o  = st_q == vb_attn_pkg::StDone || (st_q == vb_attn_pkg::StAbort && st_d == vb_attn_pkg::StStuck) ||
                   (st_q == vb_attn_pkg::StStuck && start_i);
  assign state_o = st_q;
  always_comb begin
    class_o = '0;
    case (st_q)
      vb_attn_pkg::StQ, vb_attn_pkg::StKey, vb_attn_pkg::StVal,
      vb_attn_pkg::StSink, vb_attn_pkg::StM, vb_attn_pkg::StEm, vb_attn_pkg::StList:
        class_o[word_valid_i ? vb_pkg::ClsBusy : vb_pkg::ClsRead] = 1'b1;
      vb_attn_pkg::StOut:
        class_o[out_unit_i ? vb_pkg::ClsBusy : out_wait_i ? vb_pkg::ClsWrite : vb_pkg::ClsDep] = 1'b1;
      vb_attn_pkg::StResp, vb_attn_pkg::StAbort: class_o[vb_pkg::ClsDrain] = 1'b1;
      default:              class_o[vb_pkg::ClsDep] = run_o;
    endcase
  end

  logic unused_ctrl;
  assign unused_ctrl = ^{args_i, ref_q, entry, rpt};
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_state: assert (st_q <= vb_attn_pkg::StStuck || refs || (records && st_q != 5'd27));
    a_go:    assert (out_go_o == (st_q != vb_attn_pkg::StOut && st_d == vb_attn_pkg::StOut));
    a_class: assert (!run_o || $onehot(class_o));
    // the data of a state are those it asked for
    a_kind_q: assert (!q_word_o || word_kind_i == vb_attn_pkg::KindQ);
    a_kind_m: assert (!m_word_o || word_kind_i == vb_attn_pkg::KindM);
    a_kind_e: assert (!em_word_o || word_kind_i == vb_attn_pkg::KindEm);
    a_kind_k: assert (!k_word_o || word_kind_i == vb_attn_pkg::KindK);
    a_kind_v: assert (!v_word_o || word_kind_i == vb_attn_pkg::KindV);
    a_kind_l: assert (!list_word_o || word_kind_i == vb_attn_pkg::KindList);
    a_kind_s: assert (!sink_word_o || word_kind_i == vb_attn_pkg::KindSink);
    a_left:   assert (!(k_word_o || v_word_o) || left_q != '0);
    a_parts:  assert (st_q != vb_attn_pkg::StKA || ca_q + cb_q == cn);
  end
endmodule
