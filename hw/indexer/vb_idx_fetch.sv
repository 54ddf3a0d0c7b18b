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
  logic [AW-1:0] at_q, w_row_q, q_row_q, s_row_q, k_at, start;
  logic [LW-1:0] left_q, beats;
  logic [31:0] bytes;
  logic walk_done, walk_last, next;
  logic [20:0] n;

  vb_idx_walk u_walk (
    .clk_i, .job_i(start_i), .next_i(next), .args_i, .done_o(walk_done), .last_o(walk_last), .n_o(n));

  // ---- set-up
  assign k_at = args_i[64*vb_idx_pkg::ArgK +: AW] +
                (AW'(args_i[64*vb_idx_pkg::ArgKeyBegin +: 32]) * AW'(rec) << 5);
  always_comb begin
    case (seg_q)
      vb_idx_pkg::TagW: begin start = w_row_q; bytes = 32'(heads) << 2; end
      vb_idx_pkg::TagQ: begin start = q_row_q; bytes = 32'(heads) * 32'(rec) << 5; end
      vb_idx_pkg::TagK: begin start = k_at;    bytes = 32'(n) * 32'(rec) << 5; end
      default:          begin start = s_row_q; bytes = 32'(n) << 2; end
    endcase
  end
  assign beats = LW'((bytes + 32'(start[LGB-1:0]) + 32'(BYTES - 1)) >> LGB);

  // ---- issue
  logic [LGP:0] to_page;
  logic take, last, skip, ready;
  assign to_page     = (LGP + 1)'(PAGE) - (LGP + 1)'(at_q[LGB +: LGP]);
  assign cmd_valid_o = open_q && !stop_i;
  assign cmd_addr_o  = at_q;
  assign cmd_beats_o = (left_q < LW'(to_page)) ? left_q : LW'(to_page);
  assign cmd_tag_o   = seg_q;
  assign take        = cmd_valid_o && cmd_ready_i;
  assign last        = take && left_q == cmd_beats_o;
  assign ready       = run_q && !walk_done;
  assign skip        = ready && !open_q && n == 21'd0;
  assign next        = skip || (last && (seg_q == vb_idx_pkg::TagK || seg_q == vb_idx_pkg::TagS));

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      run_q  <= 1'b0;
      open_q <= 1'b0;
    end else begin
      if (start_i) run_q <= 1'b1;
      else if (stop_i || (run_q && walk_done)) run_q <= 1'b0;
      if (start_i || stop_i || last) open_q <= 1'b0;
      else if (ready && !open_q && n != 21'd0) open_q <= 1'b1;
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

    if (ready && !open_q) begin
      at_q   <= {start[AW-1:LGB], LGB'(0)};
      left_q <= beats;
    end else if (take) begin
      at_q   <= at_q + (AW'(cmd_beats_o) << LGB);
      left_q <= left_q - cmd_beats_o;
    end
  end

  logic unused_fetch;
  assign unused_fetch = ^{args_i, walk_last};
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_beats: assert (!cmd_valid_o || cmd_beats_o != '0);
    a_page:  assert (!cmd_valid_o || 32'(at_q[LGB +: LGP]) + 32'(cmd_beats_o) <= PAGE);
  end
endmodule
