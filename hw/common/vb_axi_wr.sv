// SPDX-License-Identifier: Apache-2.0

// AXI4 write master: descriptors {address, bytes} in, each followed by its data beats in order.
//
//   cmd ──► split ──► AW register ──► AW channel
//             └──► burst FIFO {beats, first strobe, last strobe} ──► W register ◄── data beats
//   B channel ──► responses counted and checked
//
// Data beats lie as in memory: byte lane i of a beat is byte i of its aligned beat, so the first
// beat of a ragged descriptor carries its bytes in the upper lanes. WSTRB is made here from address
// and length. A descriptor of n bytes consumes ceil((address mod BYTES + n) / BYTES) beats.
//
// Bursts end at MAX_BURST beats and at 4 KiB; MAX_BURST, BURSTS as in the read master. At most BURSTS
// bursts wait for their response. bready is always 1. idle_o means that every response has come:
// a unit must not report done before.
module vb_axi_wr #(
  parameter int unsigned DW = 256,
  parameter int unsigned IDW = 4,
  parameter int unsigned ID = 0,
  parameter int unsigned MAX_BURST = 16,
  parameter int unsigned BURSTS = 8,     // a power of two
  localparam int unsigned AW = vb_pkg::AddrW,
  localparam int unsigned CW = vb_pkg::LenW,
  localparam int unsigned BYTES = DW / 8
) (
  input  logic              clk_i,
  input  logic              rst_i,
  input  logic              clear_i,     // forget an error; only when idle_o

  input  logic              cmd_valid_i,
  output logic              cmd_ready_o,
  input  logic [AW-1:0]     cmd_addr_i,
  input  logic [CW-1:0]     cmd_bytes_i, // >= 1

  input  logic              in_valid_i,
  output logic              in_ready_o,
  input  logic [DW-1:0]     in_data_i,

  output logic              idle_o,      // no command, no data, no response outstanding
  output logic              err_o,       // sticky
  output logic [7:0]        err_code_o,
  output logic              beat_o,      // a beat left: for the byte counter
  output logic [7:0]        beat_bytes_o,

  output logic              awvalid_o,
  input  logic              awready_i,
  output logic [IDW-1:0]    awid_o,
  output logic [AW-1:0]     awaddr_o,
  output logic [7:0]        awlen_o,
  output logic [2:0]        awsize_o,
  output logic [1:0]        awburst_o,
  output logic              wvalid_o,
  input  logic              wready_i,
  output logic [DW-1:0]     wdata_o,
  output logic [BYTES-1:0]  wstrb_o,
  output logic              wlast_o,
  input  logic              bvalid_i,
  output logic              bready_o,
  input  logic [IDW-1:0]    bid_i,
  input  logic [1:0]        bresp_i
);
  localparam int unsigned LGB = $clog2(BYTES);
  localparam int unsigned PAGE = 4096 / BYTES;
  localparam int unsigned OW = $clog2(BURSTS);
  if (DW < 64 || DW > 512 || (1 << LGB) != BYTES || MAX_BURST > 64) begin : g_illegal
    $error("vb_axi_wr: DW 64..512 (power of two), MAX_BURST <= 64");
  end

  // ---- the descriptor being split
  logic busy_q, first_q;
  logic [AW-1:0] addr_q;       // aligned
  logic [LGB-1:0] head_q;      // first byte in the first beat
  logic [LGB-1:0] tail_q;      // last byte in the last beat
  logic [CW-1:0] left_q;       // beats
  logic [CW-1:0] last_byte;
  logic [7:0] limit_q, burst;    // beats of the next burst, at most and exactly
  logic [8:0] rest;            // behind the next burst
  logic last_q, issue, take;
  logic [OW:0] open_q;         // bursts without a response
  logic q_full, q_empty;

  // Number of a beat in its page, with ones above it.
  function automatic logic [8:0] beat_of(input logic [AW-1:0] address);
    beat_of = 9'(address >> LGB) | ~9'(PAGE - 1);
  endfunction
  // Limit and last are known a cycle early, so that ready and issue come from registers.
  assign rest = beat_of(addr_q) + 9'(limit_q) | ~9'(PAGE - 1);
  assign burst = last_q ? 8'(left_q) : limit_q;
  assign issue = busy_q && !q_full && 32'(open_q) < BURSTS && (!awvalid_o || awready_i);
  assign take = cmd_valid_i && cmd_ready_o;
  assign cmd_ready_o = !busy_q || (issue && last_q);
  assign last_byte = cmd_bytes_i - 1'b1 + CW'(cmd_addr_i[LGB-1:0]);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      busy_q <= 1'b0;
      open_q <= '0;
    end else begin
      if (take) busy_q <= 1'b1;
      else if (issue && last_q) busy_q <= 1'b0;
      open_q <= open_q + (OW + 1)'(issue) - (OW + 1)'(bvalid_i);
    end
    if (take) begin
      addr_q <= {cmd_addr_i[AW-1:LGB], LGB'(0)};
      head_q <= cmd_addr_i[LGB-1:0];
      tail_q <= last_byte[LGB-1:0];
      left_q <= (last_byte >> LGB) + 1'b1;
      limit_q <= vb_pkg::burst_limit(beat_of(cmd_addr_i), 8'(MAX_BURST));
      last_q <= cmd_bytes_i <= (CW'(vb_pkg::burst_limit(beat_of(cmd_addr_i), 8'(MAX_BURST))) << LGB) - CW'(cmd_addr_i[LGB-1:0]);
      first_q <= 1'b1;
    end else if (issue) begin
      addr_q <= addr_q + (AW'(limit_q) << LGB);  // behind the last burst none of these is looked at
      left_q <= left_q - CW'(limit_q);
      limit_q <= vb_pkg::burst_limit(rest, 8'(MAX_BURST));
      last_q <= vb_pkg::fits(left_q - CW'(limit_q), vb_pkg::burst_limit(rest, 8'(MAX_BURST)));
      first_q <= 1'b0;
    end
  end

  // ---- AW register
  logic awvalid_q;
  logic [AW-1:0] awaddr_q;
  logic [7:0] awlen_q;
  assign awvalid_o = awvalid_q;
  assign awaddr_o = awaddr_q;
  assign awlen_o = awlen_q;
  assign awid_o = IDW'(ID);
  assign awsize_o = vb_pkg::axsize(DW);
  assign awburst_o = 2'b01;
  always_ff @(posedge clk_i) begin
    if (rst_i) awvalid_q <= 1'b0;
    else if (issue) awvalid_q <= 1'b1;
    else if (awready_i) awvalid_q <= 1'b0;
    if (issue) begin
      awaddr_q <= addr_q;
      awlen_q <= burst - 8'd1;
    end
  end

  // ---- bursts whose data is still to be sent
  logic [7:0] q_beats;
  logic q_first, q_last;
  logic [LGB-1:0] q_head, q_tail;
  logic [OW:0] q_count;
  logic load, beat_first, beat_last, q_pop;
  logic [7:0] sent_q;

  vb_fifo #(.W(10 + 2 * LGB), .DEPTH(BURSTS)) u_burst (
    .clk_i, .rst_i, .push_i(issue), .data_i({first_q, last_q, head_q, tail_q, burst}), .full_o(q_full),
    .pop_i(q_pop), .data_o({q_first, q_last, q_head, q_tail, q_beats}), .empty_o(q_empty), .count_o(q_count));

  assign beat_first = sent_q == 8'd0;
  assign beat_last = sent_q == q_beats - 8'd1;
  assign in_ready_o = !q_empty && (!wvalid_o || wready_i);
  assign load = in_valid_i && in_ready_o;
  assign q_pop = load && beat_last;

  logic [LGB-1:0] lo, hi;      // first and last byte of the beat
  logic [BYTES-1:0] strb_d;
  assign lo = (beat_first && q_first) ? q_head : '0;
  assign hi = (beat_last && q_last) ? q_tail : '1;
  assign strb_d = ({BYTES{1'b1}} << lo) & ({BYTES{1'b1}} >> ~hi);

  logic wvalid_q, wlast_q;
  logic [DW-1:0] wdata_q;
  logic [BYTES-1:0] wstrb_q;
  logic [7:0] bytes_q;
  assign wvalid_o = wvalid_q;
  assign wdata_o = wdata_q;
  assign wstrb_o = wstrb_q;
  assign wlast_o = wlast_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wvalid_q <= 1'b0;
      sent_q <= 8'd0;
    end else begin
      if (load) wvalid_q <= 1'b1;
      else if (wready_i) wvalid_q <= 1'b0;
      if (load) sent_q <= beat_last ? 8'd0 : sent_q + 8'd1;
    end
    if (load) begin
      wdata_q <= in_data_i;
      wstrb_q <= strb_d;
      bytes_q <= 8'(hi) - 8'(lo) + 8'd1;
      wlast_q <= beat_last;
    end
  end

  assign beat_o = wvalid_q && wready_i;
  assign beat_bytes_o = bytes_q;

  // ---- responses
  assign bready_o = 1'b1;
  assign idle_o = !busy_q && open_q == '0 && !awvalid_q && !wvalid_q;
  always_ff @(posedge clk_i) begin
    if (rst_i || clear_i) err_o <= 1'b0;
    else if (bvalid_i && bresp_i[1]) err_o <= 1'b1;
    if (bvalid_i && bresp_i[1] && !err_o)
      err_code_o <= bresp_i[0] ? vb_pkg::ErrWrDec : vb_pkg::ErrWrSlv;
  end

  logic unused_wr;  // one id in flight; bresp[0] only tells the two errors apart
  assign unused_wr = ^{bid_i, q_count, bresp_i[0], last_byte};

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_cmd_bytes: assert (!take || cmd_bytes_i != '0);
      a_bid: assert (!bvalid_i || bid_i == IDW'(ID));
      a_b_open: assert (!bvalid_i || open_q != '0);
      a_clear_idle: assert (!clear_i || idle_o);
    end
  end
endmodule
