// SPDX-License-Identifier: Apache-2.0
//
// Read descriptors of a job, in the order in which the sequencer takes the data:
//
//   FULL, SCORES   per token: head weights, queries, keys       TOPK   per token: ordered scores
//
// A stretch is cut at 4 KiB pages, where bursts end anyway: an error then leaves little to drain. One cycle to set a
// stretch up, then a descriptor whenever the read master takes one. Tokens that see no key read nothing.
module vb_idx_fetch #(
  parameter int unsigned DW = 256,
  localparam int AW   = vb_pkg::AddrW,
  localparam int LW   = vb_pkg::LenW,
  localparam int LGB  = $clog2(DW / 8),
  localparam int PAGE = 4096 / (DW / 8)
) (
  input  logic                              clk_i,
  input  logic                              rst_i,
  input  logic                              start_i,   ///< pulse: the job begins
  input  logic                              stop_i,    ///< level: no more descriptors (error)
  input  logic [vb_idx_pkg::NumArgs*64-1:0] args_i,
  input  logic [20:0]                       n_first_i, ///< keys of the first token
  output logic                              cmd_valid_o,
  input  logic                              cmd_ready_i,
  output logic [AW-1:0]                     cmd_addr_o,
  output logic [LW-1:0]                     cmd_beats_o,
  output logic [1:0]                        cmd_tag_o
);
  localparam int unsigned BYTES = DW / 8;
  localparam int unsigned LGP = $clog2(PAGE);

  logic [1:0] mode;
  logic [4:0] rec;              // 32-byte units of a record
  logic [6:0] heads;
  assign mode  = args_i[64*vb_idx_pkg::ArgMode +: 2];
  assign rec   = args_i[64*vb_idx_pkg::ArgDk + 5 +: 5] + 5'd1;
  assign heads = args_i[64*vb_idx_pkg::ArgHeads +: 7];

  logic run_q, open_q;          // open: a stretch is being issued
  logic [1:0] seg_q;            // the stretch to set up next, or being issued: its tag
  logic [AW-1:0] at_q, w_row_q, q_row_q, s_row_q, start;
  logic [LW-1:0] left_q, beats;
  logic [31:0] bytes;
  logic walk_done, some, next;
  logic [20:0] n;

  vb_idx_walk u_walk (
    .clk_i, .job_i(start_i), .next_i(next), .args_i, .n_first_i, .done_o(walk_done), .some_o(some), .n_o(n));

  // ---- set-up. Products are made a stretch ahead: of the queries when the job begins, of the keys beside the weights'.
  logic set_up;
  logic [11:0] q_units_q;       // 32-byte units
  logic [25:0] k_units_q;
  logic [AW-6:0] k_skip_q;
  logic [AW-1:0] k_at_q;
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      q_units_q <= 12'(heads) * 12'(rec);
      k_skip_q  <= (AW-5)'(args_i[64*vb_idx_pkg::ArgKeyBegin +: 32]) * (AW-5)'(rec);
    end
    if (set_up && seg_q == vb_idx_pkg::TagW) begin
      k_units_q <= 26'(n) * 26'(rec);
      k_at_q    <= args_i[64*vb_idx_pkg::ArgK +: AW] + {k_skip_q, 5'd0};
    end
  end
  always_comb begin
    case (seg_q)
      vb_idx_pkg::TagW: begin start = w_row_q; bytes = 32'(heads) << 2; end
      vb_idx_pkg::TagQ: begin start = q_row_q; bytes = 32'(q_units_q) << 5; end
      vb_idx_pkg::TagK: begin start = k_at_q;  bytes = 32'(k_units_q) << 5; end
      default:          begin start = s_row_q; bytes = 32'(n) << 2; end
    endcase
  end
  assign beats = LW'((bytes + 32'(start[LGB-1:0]) + 32'(BYTES - 1)) >> LGB);

  // ---- issue
  logic [LGP:0] to_page;
  logic take, last, ready, in_page;
  assign to_page     = (LGP + 1)'(PAGE) - (LGP + 1)'(at_q[LGB +: LGP]);
  assign cmd_valid_o = open_q && !stop_i;
  assign cmd_addr_o  = at_q;
  assign in_page     = left_q <= LW'(to_page);
  assign cmd_beats_o = in_page ? left_q : LW'(to_page);
  assign cmd_tag_o   = seg_q;
  assign take        = cmd_valid_o && cmd_ready_i;
  assign last        = take && in_page;
  assign ready       = run_q && !walk_done;
  assign set_up      = ready && !open_q;
  // The walk goes on when the last stretch of a token is set up, not when it has been taken: ready comes late.
  assign next        = set_up && (!some || seg_q == vb_idx_pkg::TagK || seg_q == vb_idx_pkg::TagS);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      run_q  <= 1'b0;
      open_q <= 1'b0;
    end else begin
      if (start_i) run_q <= 1'b1;
      else if (stop_i || (run_q && walk_done)) run_q <= 1'b0;
      if (start_i || stop_i || last) open_q <= 1'b0;
      else if (set_up && some) open_q <= 1'b1;
    end

    if (start_i) begin
      seg_q <= (mode == vb_idx_pkg::ModeTopk) ? vb_idx_pkg::TagS : vb_idx_pkg::TagW;
    end else if (last) begin
      case (seg_q)
        vb_idx_pkg::TagW: seg_q <= vb_idx_pkg::TagQ;
        vb_idx_pkg::TagQ: seg_q <= vb_idx_pkg::TagK;
        vb_idx_pkg::TagK: seg_q <= vb_idx_pkg::TagW;
        default: ;
      endcase
    end

    if (start_i) begin
      w_row_q <= args_i[64*vb_idx_pkg::ArgW +: AW];
      q_row_q <= args_i[64*vb_idx_pkg::ArgQ +: AW];
      s_row_q <= args_i[64*vb_idx_pkg::ArgScore +: AW];
    end else if (next) begin
      w_row_q <= w_row_q + AW'(args_i[64*vb_idx_pkg::ArgWStride +: 32]);
      q_row_q <= q_row_q + AW'(args_i[64*vb_idx_pkg::ArgQStride +: 32]);
      s_row_q <= s_row_q + AW'(args_i[64*vb_idx_pkg::ArgScoreStride +: 32]);
    end

    if (set_up) begin
      at_q   <= {start[AW-1:LGB], LGB'(0)};
      left_q <= beats;
    end else if (take) begin
      at_q   <= at_q + (AW'(cmd_beats_o) << LGB);
      left_q <= left_q - cmd_beats_o;
    end
  end

  logic unused_fetch;
  assign unused_fetch = ^args_i;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_beats: assert (!cmd_valid_o || cmd_beats_o != '0);
    a_page:  assert (!cmd_valid_o || 32'(at_q[LGB +: LGP]) + 32'(cmd_beats_o) <= PAGE);
  end
endmodule
