// SPDX-License-Identifier: Apache-2.0

// AXI4 rules on a master port, for simulation: stable until taken, INCR bursts of full beats inside 4 KiB,
// RLAST and WLAST in their places, responses only to what was asked. One id at a time may have several
// bursts; bursts of one id are answered in order. Each rule is one labelled assertion; tests/hw plants a
// violation of each. Limits of the checker: 64 open bursts.
module vb_axi4_chk #(
  parameter int unsigned DW = 256,
  parameter int unsigned IDW = 4
) (
  input logic            clk_i,
  input logic            rst_i,
  input logic            arvalid_i,
  input logic            arready_i,
  input logic [IDW-1:0]  arid_i,
  input logic [39:0]     araddr_i,
  input logic [7:0]      arlen_i,
  input logic [2:0]      arsize_i,
  input logic [1:0]      arburst_i,
  input logic            rvalid_i,
  input logic            rready_i,
  input logic [IDW-1:0]  rid_i,
  input logic            rlast_i,
  input logic            awvalid_i,
  input logic            awready_i,
  input logic [IDW-1:0]  awid_i,
  input logic [39:0]     awaddr_i,
  input logic [7:0]      awlen_i,
  input logic [2:0]      awsize_i,
  input logic [1:0]      awburst_i,
  input logic            wvalid_i,
  input logic            wready_i,
  input logic [DW-1:0]   wdata_i,
  input logic [DW/8-1:0] wstrb_i,
  input logic            wlast_i,
  input logic            bvalid_i,
  input logic            bready_i,
  input logic [IDW-1:0]  bid_i
);
  localparam int unsigned LGB = $clog2(DW / 8);
  localparam int unsigned IDS = 1 << IDW;
  localparam int unsigned XW = IDW + 40 + 8;

  // ---- stability
  logic ar_q, aw_q, w_q;
  logic [XW-1:0] arpay_q, awpay_q;
  logic [DW+DW/8:0] wpay_q;
  always_ff @(posedge clk_i) begin
    ar_q <= !rst_i && arvalid_i && !arready_i;
    aw_q <= !rst_i && awvalid_i && !awready_i;
    w_q <= !rst_i && wvalid_i && !wready_i;
    if (arvalid_i) arpay_q <= {arid_i, araddr_i, arlen_i};
    if (awvalid_i) awpay_q <= {awid_i, awaddr_i, awlen_i};
    if (wvalid_i) wpay_q <= {wdata_i, wstrb_i, wlast_i};
  end

  // ---- 4 KiB: the last byte lies in the page of the first
  logic [12:0] ar_end, aw_end;
  assign ar_end = {1'b0, araddr_i[11:LGB], LGB'(0)} + ((13'(arlen_i) + 13'd1) << LGB);
  assign aw_end = {1'b0, awaddr_i[11:LGB], LGB'(0)} + ((13'(awlen_i) + 13'd1) << LGB);

  // ---- reads: per id the lengths of its open bursts, in order; writes: per id how many wait for their response. Packed
  // by id, so that a cycle touches only the ids that are on the bus in it.
  logic [7:0] len_mem [64 * IDS];
  logic [7*IDS-1:0] wp_q, rp_q, wait_q;
  logic [8*IDS-1:0] beat_q;
  logic r_open, r_end, b_open, done_here, b_here;
  assign done_here = wvalid_i && wready_i && wlast_i && aw_known;
  assign b_here = bvalid_i && bready_i;
  always_comb begin
    r_open = 1'b0;
    r_end = 1'b0;
    b_open = 1'b0;
    if (rvalid_i) begin
      r_open = wp_q[7*rid_i +: 7] != rp_q[7*rid_i +: 7];
      r_end = beat_q[8*rid_i +: 8] == len_mem[{rid_i, 6'(rp_q[7*rid_i +: 7])}];
    end
    if (bvalid_i) b_open = wait_q[7*bid_i +: 7] != 7'd0;
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wp_q <= '0;
      rp_q <= '0;
      beat_q <= '0;
      wait_q <= '0;
    end else begin
      if (arvalid_i && arready_i) wp_q[7*arid_i +: 7] <= wp_q[7*arid_i +: 7] + 7'd1;
      if (rvalid_i && rready_i) begin
        if (rlast_i) rp_q[7*rid_i +: 7] <= rp_q[7*rid_i +: 7] + 7'd1;
        beat_q[8*rid_i +: 8] <= rlast_i ? 8'd0 : beat_q[8*rid_i +: 8] + 8'd1;
      end
      if (done_here && !(b_here && bid_i == aw_id)) wait_q[7*aw_id +: 7] <= wait_q[7*aw_id +: 7] + 7'd1;
      if (b_here && !(done_here && bid_i == aw_id)) wait_q[7*bid_i +: 7] <= wait_q[7*bid_i +: 7] - 7'd1;
    end
    if (arvalid_i && arready_i) len_mem[{arid_i, 6'(wp_q[7*arid_i +: 7])}] <= arlen_i;
  end

  // ---- writes: addresses in order; data may come in the cycle of its address, not before (the masters
  // here never send it earlier)
  logic [IDW+7:0] aw_mem [64];
  logic [6:0] awp_q, arp_q;
  logic [7:0] wbeat_q, aw_len;
  logic [IDW-1:0] aw_id;
  logic aw_known;
  assign aw_known = awp_q != arp_q || (awvalid_i && awready_i);
  assign {aw_id, aw_len} = awp_q != arp_q ? aw_mem[arp_q[5:0]] : {awid_i, awlen_i};
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      awp_q <= '0;
      arp_q <= '0;
      wbeat_q <= '0;
    end else begin
      if (awvalid_i && awready_i) awp_q <= awp_q + 7'd1;
      if (wvalid_i && wready_i && wlast_i) arp_q <= arp_q + 7'd1;
      if (wvalid_i && wready_i) wbeat_q <= wlast_i ? '0 : wbeat_q + 8'd1;
    end
    if (awvalid_i && awready_i) aw_mem[awp_q[5:0]] <= {awid_i, awlen_i};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_ar_stable: assert (!ar_q || (arvalid_i && {arid_i, araddr_i, arlen_i} == arpay_q));
      a_aw_stable: assert (!aw_q || (awvalid_i && {awid_i, awaddr_i, awlen_i} == awpay_q));
      a_w_stable: assert (!w_q || (wvalid_i && {wdata_i, wstrb_i, wlast_i} == wpay_q));
      a_ar_form: assert (!arvalid_i || (arburst_i == 2'b01 && 32'(arsize_i) == LGB && araddr_i[LGB-1:0] == '0));
      a_aw_form: assert (!awvalid_i || (awburst_i == 2'b01 && 32'(awsize_i) == LGB && awaddr_i[LGB-1:0] == '0));
      a_ar_4k: assert (!arvalid_i || ar_end <= 13'd4096);
      a_aw_4k: assert (!awvalid_i || aw_end <= 13'd4096);
      a_r_asked: assert (!rvalid_i || r_open);
      a_rlast: assert (!rvalid_i || !r_open || rlast_i == r_end);
      a_w_asked: assert (!(wvalid_i && wready_i) || aw_known);
      a_wlast: assert (!(wvalid_i && wready_i && aw_known) || wlast_i == (wbeat_q == aw_len));
      a_w_strobe: assert (!wvalid_i || wstrb_i != '0);
      a_b_asked: assert (!bvalid_i || b_open);
    end
  end
endmodule
