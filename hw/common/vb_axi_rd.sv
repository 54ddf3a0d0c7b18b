// SPDX-License-Identifier: Apache-2.0

// AXI4 read master: a stream of descriptors {address, beats, tag} in, the beats out in order.
//
//   cmd ──► split ──► AR register ──► AR channel
//             │ reserves beats             R channel ──► data FIFO ──► out {data, tag, last}
//             └──► tag FIFO (one entry per burst) ─────────────────────┘
//
// A burst is issued only when the data FIFO has room reserved for all of it, so rready is always 1:
// the R channel never stalls because of this unit, and the timing stays a recurrence that the exact
// cycle model can compute. Bursts end at MAX_BURST beats and at 4 KiB, whichever comes first.
//
// Timing: a command accepted in cycle t is split from t + 1 on, one burst a cycle while AR is free
// and credits last; the AR register shows it one cycle later. A beat taken from R in cycle t is at
// the output in t + 1. After an error response the error output stays set until clear_i; the data
// stream goes on, so that nothing hangs, and the unit decides what to do.
module vb_axi_rd #(
  parameter int unsigned DW = 256,       // data width: 64..512
  parameter int unsigned IDW = 4,
  parameter int unsigned ID = 0,         // all bursts carry this id: beats return in order
  parameter int unsigned MAX_BURST = 16, // beats: a power of two, 1..64
  parameter int unsigned DEPTH = 64,     // beats of the data FIFO, >= MAX_BURST, a power of two
  parameter int unsigned BURSTS = 16,    // bursts in flight, a power of two
  parameter int unsigned TAGW = 1,
  localparam int unsigned AW = vb_pkg::AddrW,
  localparam int unsigned CW = vb_pkg::LenW
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             clear_i,      // forget an error; only when idle_o

  input  logic             cmd_valid_i,
  output logic             cmd_ready_o,
  input  logic [AW-1:0]    cmd_addr_i,   // aligned to a beat
  input  logic [CW-1:0]    cmd_beats_i,  // >= 1
  input  logic [TAGW-1:0]  cmd_tag_i,

  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [DW-1:0]    out_data_o,
  output logic [TAGW-1:0]  out_tag_o,    // tag of the beat's descriptor
  output logic             out_last_o,   // last beat of its descriptor

  output logic             idle_o,       // no command, nothing in flight, FIFO empty
  output logic             err_o,        // sticky
  output logic [7:0]       err_code_o,   // of the first bad response
  output logic             beat_o,       // a beat arrived: for the byte counter

  output logic             arvalid_o,
  input  logic             arready_i,
  output logic [IDW-1:0]   arid_o,
  output logic [AW-1:0]    araddr_o,
  output logic [7:0]       arlen_o,
  output logic [2:0]       arsize_o,
  output logic [1:0]       arburst_o,
  input  logic             rvalid_i,
  output logic             rready_o,
  input  logic [IDW-1:0]   rid_i,
  input  logic [DW-1:0]    rdata_i,
  input  logic [1:0]       rresp_i,
  input  logic             rlast_i
);
  localparam int unsigned BYTES = DW / 8;
  localparam int unsigned LGB = $clog2(BYTES);
  localparam int unsigned PAGE = 4096 / BYTES;  // beats of a 4 KiB page
  localparam int unsigned FW = $clog2(DEPTH);
  if (DW < 64 || DW > 512 || (1 << LGB) != BYTES || MAX_BURST > 64 || DEPTH < MAX_BURST) begin : g_illegal
    $error("vb_axi_rd: DW 64..512 (power of two), MAX_BURST <= 64, DEPTH >= MAX_BURST");
  end

  // ---- the descriptor being split
  logic busy_q;
  logic [AW-1:0] addr_q;
  logic [CW-1:0] left_q;
  logic [TAGW-1:0] tag_q;
  logic [7:0] limit_q, burst;   // beats of the next burst, at most and exactly
  logic [8:0] rest;            // behind the next burst
  logic last_q, issue, take;

  // Number of a beat in its page, with ones above it.
  function automatic logic [8:0] beat_of(input logic [AW-1:0] address);
    beat_of = 9'(address >> LGB) | ~9'(PAGE - 1);
  endfunction
  // Limit and last are known a cycle early, so that ready and issue come from registers.
  assign rest = beat_of(addr_q) + 9'(limit_q) | ~9'(PAGE - 1);
  assign burst = last_q ? 8'(left_q) : limit_q;

  // ---- credits: beats of the FIFO that are neither stored nor promised to a burst in flight
  logic [FW:0] free_q;
  logic pop, room, tag_full, tag_empty;

  assign room = last_q ? 32'(free_q) >= 32'(8'(left_q)) : 32'(free_q) >= 32'(limit_q);
  assign issue = busy_q && room && !tag_full && (!arvalid_o || arready_i);
  assign take = cmd_valid_i && cmd_ready_o;
  assign cmd_ready_o = !busy_q || (issue && last_q);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      busy_q <= 1'b0;
      free_q <= (FW + 1)'(DEPTH);
    end else begin
      if (take) busy_q <= 1'b1;
      else if (issue && last_q) busy_q <= 1'b0;
      free_q <= free_q - (issue ? (FW + 1)'(burst) : '0) + (FW + 1)'(pop);
    end
    if (take) begin
      addr_q <= cmd_addr_i;
      left_q <= cmd_beats_i;
      limit_q <= vb_pkg::burst_limit(beat_of(cmd_addr_i), 8'(MAX_BURST));
      last_q <= vb_pkg::fits(cmd_beats_i, vb_pkg::burst_limit(beat_of(cmd_addr_i), 8'(MAX_BURST)));
      tag_q <= cmd_tag_i;
    end else if (issue) begin
      addr_q <= addr_q + (AW'(limit_q) << LGB);  // behind the last burst none of these is looked at
      left_q <= left_q - CW'(limit_q);
      limit_q <= vb_pkg::burst_limit(rest, 8'(MAX_BURST));
      last_q <= vb_pkg::fits(left_q - CW'(limit_q), vb_pkg::burst_limit(rest, 8'(MAX_BURST)));
    end
  end

  // ---- AR register
  logic arvalid_q;
  logic [AW-1:0] araddr_q;
  logic [7:0] arlen_q;
  assign arvalid_o = arvalid_q;
  assign araddr_o = araddr_q;
  assign arlen_o = arlen_q;
  assign arid_o = IDW'(ID);
  assign arsize_o = vb_pkg::axsize(DW);
  assign arburst_o = 2'b01;
  always_ff @(posedge clk_i) begin
    if (rst_i) arvalid_q <= 1'b0;
    else if (issue) arvalid_q <= 1'b1;
    else if (arready_i) arvalid_q <= 1'b0;
    if (issue) begin
      araddr_q <= addr_q;
      arlen_q <= burst - 8'd1;
    end
  end

  // ---- data FIFO, and per burst the tag and whether its end is the end of the descriptor
  logic fifo_empty, fifo_full, out_rlast, tag_last;
  logic [FW:0] fifo_count;
  logic [$clog2(BURSTS):0] tag_count;

  assign rready_o = 1'b1;
  assign beat_o = rvalid_i;
  assign pop = out_valid_o && out_ready_i;
  assign out_valid_o = !fifo_empty;
  assign out_last_o = out_rlast && tag_last;
  assign idle_o = !busy_q && tag_empty;

  vb_fifo #(.W(DW + 1), .DEPTH(DEPTH)) u_data (
    .clk_i, .rst_i, .push_i(rvalid_i), .data_i({rlast_i, rdata_i}), .full_o(fifo_full),
    .pop_i(pop), .data_o({out_rlast, out_data_o}), .empty_o(fifo_empty), .count_o(fifo_count));
  vb_fifo #(.W(TAGW + 1), .DEPTH(BURSTS)) u_tag (
    .clk_i, .rst_i, .push_i(issue), .data_i({last_q, tag_q}), .full_o(tag_full),
    .pop_i(pop && out_rlast), .data_o({tag_last, out_tag_o}), .empty_o(tag_empty), .count_o(tag_count));

  // ---- errors
  always_ff @(posedge clk_i) begin
    if (rst_i || clear_i) err_o <= 1'b0;
    else if (rvalid_i && rresp_i[1]) err_o <= 1'b1;
    if (rvalid_i && rresp_i[1] && !err_o)
      err_code_o <= rresp_i[0] ? vb_pkg::ErrRdDec : vb_pkg::ErrRdSlv;
  end

  logic unused_rd;  // one id in flight, so rid carries no news; the checker compares it
  assign unused_rd = ^{rid_i, fifo_full, fifo_count, tag_count, rresp_i[0]};

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_cmd_aligned: assert (!take || cmd_addr_i[LGB-1:0] == '0);
      a_cmd_beats: assert (!take || cmd_beats_i != '0);
      a_credit: assert (32'(free_q) <= DEPTH);
      a_rid: assert (!rvalid_i || rid_i == IDW'(ID));
      a_clear_idle: assert (!clear_i || idle_o);
    end
  end
endmodule
