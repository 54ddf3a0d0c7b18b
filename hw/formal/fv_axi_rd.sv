// SPDX-License-Identifier: Apache-2.0

// vb_axi_rd against any memory and any consumer: addresses, bursts, credits and order of its beats, for every sequence of
// descriptors, stalls and resets. What the AXI rules promise is made by construction, not assumed: a beat comes only for a
// burst that was accepted, with rlast on its last one.
module fv_axi_rd #(
  parameter int unsigned DW = 64,
  parameter int unsigned MAX_BURST = 4,
  parameter int unsigned DEPTH = 4,
  parameter int unsigned BURSTS = 2,
  localparam int unsigned AW = vb_pkg::AddrW,
  localparam int unsigned CW = vb_pkg::LenW,
  localparam int unsigned LGB = $clog2(DW / 8)
) (
  input logic              clk_i,
  input logic              reset_i,
  input logic              cmd_valid_i,
  input logic [AW-LGB-1:0] cmd_beat_i,   // address in beats
  input logic [CW-1:0]     cmd_beats_i,
  input logic              arready_i,
  input logic              want_r_i,
  input logic [1:0]        rresp_i,
  input logic              out_ready_i
);
  logic started_q = 1'b0;
  always_ff @(posedge clk_i) started_q <= 1'b1;
  logic rst;
  assign rst = !started_q || reset_i;

  logic cmd_valid, cmd_ready, cmd_parity_q, out_valid, out_parity, out_last, idle, err, beat, arvalid, rready, rvalid, rlast;
  logic [AW-1:0] araddr;
  logic [7:0] arlen, code;
  logic [2:0] arsize;
  logic [1:0] arburst;
  logic [3:0] arid;
  logic [DW-1:0] out_data;
  assign cmd_valid = cmd_valid_i && cmd_beats_i != '0;
  vb_axi_rd #(.DW(DW), .MAX_BURST(MAX_BURST), .DEPTH(DEPTH), .BURSTS(BURSTS), .TAGW(1)) u_dut (
    .clk_i, .rst_i(rst), .clear_i(1'b0), .cmd_valid_i(cmd_valid), .cmd_ready_o(cmd_ready),
    .cmd_addr_i({cmd_beat_i, LGB'(0)}), .cmd_beats_i, .cmd_tag_i(cmd_parity_q), .out_valid_o(out_valid), .out_ready_i,
    .out_data_o(out_data), .out_tag_o(out_parity), .out_last_o(out_last), .idle_o(idle), .err_o(err), .err_code_o(code),
    .beat_o(beat), .arvalid_o(arvalid), .arready_i, .arid_o(arid), .araddr_o(araddr), .arlen_o(arlen), .arsize_o(arsize),
    .arburst_o(arburst), .rvalid_i(rvalid), .rready_o(rready), .rid_i(4'd0), .rdata_i(DW'(0)), .rresp_i, .rlast_i(rlast));

  // ---- memory: beats owed, burst by burst in order; a burst is a beat count of its own
  logic [BURSTS*8-1:0] owed_q;   // beats left of the bursts accepted, oldest first; 0: none
  logic ar;
  assign ar = arvalid && arready_i;
  assign rvalid = want_r_i && owed_q[7:0] != '0;
  assign rlast = owed_q[7:0] == 8'd1;
  always_ff @(posedge clk_i) begin
    if (rst) owed_q <= '0;
    else begin : b_owed
      logic [BURSTS*8-1:0] n;
      logic put;
      n = owed_q;
      if (rvalid) n[7:0] = n[7:0] - 8'd1;
      if (n[7:0] == '0) n = n >> 8;
      put = 1'b0;
      for (int b = 0; b < BURSTS; b++)
        if (ar && !put && n[b*8 +: 8] == '0) begin
          n[b*8 +: 8] = arlen + 8'd1;
          put = 1'b1;
        end
      p_bursts: assert (!ar || put);  // never more bursts than the tag FIFO has places
      owed_q <= n;
    end
  end

  // ---- the descriptor that a new burst must continue. A burst seen in cycle t was cut in t - 1, so a descriptor taken in t - 1
  // comes after it.
  logic ar_old_q, take_q, shown;
  logic [AW-LGB-1:0] take_beat_q, next_q;
  logic [CW-1:0] take_beats_q, left_q;
  logic ar_hold_q;
  logic [AW-1:0] hold_addr_q;
  logic [7:0] hold_len_q;
  assign shown = arvalid && !ar_old_q;
  always_ff @(posedge clk_i) begin
    if (rst) begin
      ar_old_q <= 1'b0;
      ar_hold_q <= 1'b0;
      take_q <= 1'b0;
      left_q <= '0;
      cmd_parity_q <= 1'b0;
    end else begin
      ar_old_q <= arvalid && !arready_i;
      ar_hold_q <= arvalid && !arready_i;
      take_q <= cmd_valid && cmd_ready;
      if (cmd_valid && cmd_ready) cmd_parity_q <= !cmd_parity_q;
      if (take_q) begin
        next_q <= take_beat_q;
        left_q <= take_beats_q;
      end else if (shown) begin
        next_q <= next_q + (AW - LGB)'(arlen) + 1'b1;
        left_q <= left_q - CW'(arlen) - 1'b1;
      end
    end
    take_beat_q <= cmd_beat_i;
    take_beats_q <= cmd_beats_i;
    hold_addr_q <= araddr;
    hold_len_q <= arlen;
  end

  // ---- beats of the oldest descriptor at the output: its parity
  logic done_parity_q;
  always_ff @(posedge clk_i)
    if (rst) done_parity_q <= 1'b0;
    else if (out_valid && out_ready_i && out_last) done_parity_q <= !done_parity_q;

  always_ff @(posedge clk_i) begin
    if (!rst) begin
      p_stable: assert (!ar_hold_q || (arvalid && araddr == hold_addr_q && arlen == hold_len_q));
      p_page: assert (!arvalid || 16'(araddr[11:LGB]) + 16'(arlen) < 16'(4096 / (DW / 8)));
      p_length: assert (!arvalid || arlen < 8'(MAX_BURST));
      p_aligned: assert (!arvalid || araddr[LGB-1:0] == '0);
      p_next: assert (!shown || araddr[AW-1:LGB] == next_q);
      p_inside: assert (!shown || CW'(arlen) < left_q);
      p_whole: assert (!take_q || left_q == (shown ? CW'(arlen) + 1'b1 : '0));
      p_ready: assert (rready);
      p_order: assert (!out_valid || out_parity == done_parity_q);
      p_idle: assert (!idle || (!arvalid && owed_q == '0 && !out_valid));
    end
  end

  // ---- the same in terms of the cell's registers, so that the proof is one induction: what is left to cut, and where; each
  // place of the data FIFO is free, full, owed by the memory, or promised to the burst in the AR register
  logic [AW-LGB-1:0] cut_next;
  logic [CW-1:0] cut_left;
  logic [15:0] promised, bursts, stored, tags;
  logic packed_ok, parities_ok, lasts_ok, parity;
  always_comb begin
    // A burst's tag waits as long as its last beat is in the AR register, owed, or in the data FIFO.
    packed_ok = 1'b1;
    for (int b = 1; b < BURSTS; b++) if (owed_q[b*8 +: 8] != '0 && owed_q[(b-1)*8 +: 8] == '0) packed_ok = 1'b0;
    for (int b = 0; b < BURSTS; b++) if (owed_q[b*8 +: 8] > 8'(MAX_BURST)) packed_ok = 1'b0;
    bursts = 16'(arvalid);
    for (int b = 0; b < BURSTS; b++) bursts = bursts + 16'(owed_q[b*8 +: 8] != '0);
    stored = 16'(u_dut.u_data.count_o);
    lasts_ok = 1'b1;
    for (int i = 0; i < DEPTH; i++) if (16'(i) < stored) bursts = bursts + 16'(u_dut.u_data.line_q[i*(DW + 1) + DW]);
    // Tags run from the parity of the oldest descriptor to that of the descriptor being cut.
    tags = 16'(u_dut.u_tag.count_o);
    parity = done_parity_q;
    parities_ok = 1'b1;
    for (int i = 0; i < BURSTS; i++)
      if (16'(i) < tags) begin
        if (u_dut.u_tag.line_q[i*2] != parity) parities_ok = 1'b0;
        parity = parity ^ u_dut.u_tag.line_q[i*2 + 1];
      end
    if (u_dut.busy_q && u_dut.tag_q != parity) parities_ok = 1'b0;
    if (cmd_parity_q != (parity ^ u_dut.busy_q)) parities_ok = 1'b0;
    // With nothing owed or promised, the newest beat stored is the last of its burst.
    if (owed_q == '0 && stored != '0 && !u_dut.u_data.line_q[32'(stored)*(DW + 1) - 1]) lasts_ok = 1'b0;
    cut_next = take_q ? take_beat_q : shown ? next_q + (AW - LGB)'(arlen) + 1'b1 : next_q;
    cut_left = take_q ? take_beats_q : shown ? left_q - CW'(arlen) - 1'b1 : left_q;
    promised = arvalid ? 16'(arlen) + 16'd1 : 16'd0;
    for (int b = 0; b < BURSTS; b++) promised = promised + 16'(owed_q[b*8 +: 8]);
  end
  always_ff @(posedge clk_i) begin
    if (!rst) begin
      l_next: assert (!u_dut.busy_q || u_dut.addr_q == {cut_next, LGB'(0)});
      l_left: assert (cut_left == (u_dut.busy_q ? u_dut.left_q : '0));
      l_busy: assert (!u_dut.busy_q || cut_left != '0);
      l_credit: assert (16'(u_dut.free_q) + 16'(u_dut.u_data.count_o) + promised == 16'(DEPTH));
      l_packed: assert (packed_ok);
      l_tags: assert (16'(u_dut.u_tag.count_o) == bursts);
      l_parity: assert (parities_ok);
      l_last: assert (lasts_ok);
    end
  end

  logic unused;
  assign unused = ^{err, beat, code, arsize, arburst, arid, out_data};
endmodule
