// SPDX-License-Identifier: Apache-2.0

// N write masters on one AW/W/B set; the counterpart of vb_axi_rd_mux. AW: round robin, one address a cycle, one register,
// id n for requester n. W: the data of the bursts follow in the order of their addresses (AXI4 has no ids on W), wires only.
// B: routed by id, wires only, which works because vb_axi_wr always has bready = 1.
//
//   aw[n] ─► round robin ─► AW register ─► AW        order FIFO: whose burst is next on W
//                  └─────► order ─► selects w[n] ─► W
//
// A requester whose address was taken must bring its data without waiting for another requester: then nothing can lock.
// Vectors hold requester n at [n*W +: W].
module vb_axi_wr_mux #(
  parameter int unsigned N = 2,
  parameter int unsigned DW = 256,
  parameter int unsigned IDW = 4,
  parameter int unsigned DEPTH = 16,  // bursts whose data is still to come, a power of two
  localparam int unsigned AW = vb_pkg::AddrW,
  localparam int unsigned BYTES = DW / 8,
  localparam int unsigned SW = N > 1 ? $clog2(N) : 1
) (
  input  logic               clk_i,
  input  logic               rst_i,
  input  logic [N-1:0]       awvalid_i,
  output logic [N-1:0]       awready_o,
  input  logic [N*AW-1:0]    awaddr_i,
  input  logic [N*8-1:0]     awlen_i,
  input  logic [N-1:0]       wvalid_i,
  output logic [N-1:0]       wready_o,
  input  logic [N*DW-1:0]    wdata_i,
  input  logic [N*BYTES-1:0] wstrb_i,
  input  logic [N-1:0]       wlast_i,
  output logic [N-1:0]       bvalid_o,   // bresp and bid go to all requesters

  output logic               awvalid_o,
  input  logic               awready_i,
  output logic [IDW-1:0]     awid_o,
  output logic [AW-1:0]      awaddr_o,
  output logic [7:0]         awlen_o,
  output logic               wvalid_o,
  input  logic               wready_i,
  output logic [DW-1:0]      wdata_o,
  output logic [BYTES-1:0]   wstrb_o,
  output logic               wlast_o,
  input  logic               bvalid_i,
  input  logic [IDW-1:0]     bid_i
);
  if (N < 1 || N > (1 << IDW)) begin : g_illegal
    $error("vb_axi_wr_mux: N must be 1..2^IDW");
  end

  // ---- addresses: the first valid requester after the one served last
  logic [SW-1:0] last_q, pick, turn;
  logic any, load, order_full, order_empty;
  always_comb begin
    pick = last_q;
    any = 1'b0;
    for (int i = N; i >= 1; i--) begin
      if (awvalid_i[(32'(last_q) + i) % N]) begin
        pick = SW'((32'(last_q) + i) % N);
        any = 1'b1;
      end
    end
  end
  assign load = any && !order_full && (!awvalid_o || awready_i);

  logic awvalid_q;
  logic [IDW-1:0] awid_q;
  logic [AW-1:0] awaddr_q;
  logic [7:0] awlen_q;
  assign awvalid_o = awvalid_q;
  assign awid_o = awid_q;
  assign awaddr_o = awaddr_q;
  assign awlen_o = awlen_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      awvalid_q <= 1'b0;
      last_q <= '0;
    end else begin
      if (load) awvalid_q <= 1'b1;
      else if (awready_i) awvalid_q <= 1'b0;
      if (load) last_q <= pick;
    end
    if (load) begin
      awid_q <= IDW'(pick);
      awaddr_q <= awaddr_i[pick*AW +: AW];
      awlen_q <= awlen_i[pick*8 +: 8];
    end
  end

  // ---- data
  logic [$clog2(DEPTH):0] order_count;
  logic pop;
  vb_fifo #(.W(SW), .DEPTH(DEPTH)) u_order (
    .clk_i, .rst_i, .push_i(load), .data_i(pick), .full_o(order_full), .pop_i(pop), .data_o(turn),
    .empty_o(order_empty), .count_o(order_count));
  assign pop = wvalid_o && wready_i && wlast_o;
  always_comb begin
    wvalid_o = 1'b0;
    wdata_o = '0;
    wstrb_o = '0;
    wlast_o = 1'b0;
    for (int n = 0; n < N; n++) begin
      if (!order_empty && turn == SW'(n) && wvalid_i[n]) begin
        wvalid_o = 1'b1;
        wdata_o = wdata_i[n*DW +: DW];
        wstrb_o = wstrb_i[n*BYTES +: BYTES];
        wlast_o = wlast_i[n];
      end
    end
  end
  for (genvar n = 0; n < N; n++) begin : g_port
    assign awready_o[n] = load && pick == SW'(n);
    assign wready_o[n] = !order_empty && turn == SW'(n) && wready_i;
    assign bvalid_o[n] = bvalid_i && bid_i == IDW'(n);
  end

  logic unused_count;
  assign unused_count = ^order_count;
  always_ff @(posedge clk_i) begin
    if (!rst_i) a_bid_known: assert (!bvalid_i || 32'(bid_i) < N);
  end
endmodule
