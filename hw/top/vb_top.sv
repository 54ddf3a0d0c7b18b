// SPDX-License-Identifier: Apache-2.0

// The three units in one shell: one AXI4-Lite port with a window of 4 KiB a unit, one AXI4 master that they share by round
// robin, one interrupt. Units do not know of each other; jobs of all of them may run at once. README.md.
//
//   s_axi_control ─► vb_axil_split ─┬─ 0x0000 attention ─┐
//                                   ├─ 0x1000 indexer ───┼─► vb_axi_rd_mux, vb_axi_wr_mux ─► m_axi_gmem (id = unit)
//                                   ├─ 0x2000 router ────┘
//                                   └─ 0x3000 vb_top_regs: who interrupts, counters of the shared port
module vb_top #(
  parameter int unsigned AXI_DW = vb_cfg_pkg::AxiDw,
  parameter int unsigned AXI_IDW = vb_cfg_pkg::AxiIdw
) (
  input  logic                 ap_clk,
  input  logic                 ap_rst_n,
  output logic                 interrupt,

  input  logic                 s_axi_control_awvalid,
  output logic                 s_axi_control_awready,
  input  logic [15:0]          s_axi_control_awaddr,
  input  logic                 s_axi_control_wvalid,
  output logic                 s_axi_control_wready,
  input  logic [31:0]          s_axi_control_wdata,
  input  logic [3:0]           s_axi_control_wstrb,
  output logic                 s_axi_control_bvalid,
  input  logic                 s_axi_control_bready,
  output logic [1:0]           s_axi_control_bresp,
  input  logic                 s_axi_control_arvalid,
  output logic                 s_axi_control_arready,
  input  logic [15:0]          s_axi_control_araddr,
  output logic                 s_axi_control_rvalid,
  input  logic                 s_axi_control_rready,
  output logic [31:0]          s_axi_control_rdata,
  output logic [1:0]           s_axi_control_rresp,

  output logic                 m_axi_gmem_arvalid,
  input  logic                 m_axi_gmem_arready,
  output logic [AXI_IDW-1:0]   m_axi_gmem_arid,
  output logic [39:0]          m_axi_gmem_araddr,
  output logic [7:0]           m_axi_gmem_arlen,
  output logic [2:0]           m_axi_gmem_arsize,
  output logic [1:0]           m_axi_gmem_arburst,
  input  logic                 m_axi_gmem_rvalid,
  output logic                 m_axi_gmem_rready,
  input  logic [AXI_IDW-1:0]   m_axi_gmem_rid,
  input  logic [AXI_DW-1:0]    m_axi_gmem_rdata,
  input  logic [1:0]           m_axi_gmem_rresp,
  input  logic                 m_axi_gmem_rlast,
  output logic                 m_axi_gmem_awvalid,
  input  logic                 m_axi_gmem_awready,
  output logic [AXI_IDW-1:0]   m_axi_gmem_awid,
  output logic [39:0]          m_axi_gmem_awaddr,
  output logic [7:0]           m_axi_gmem_awlen,
  output logic [2:0]           m_axi_gmem_awsize,
  output logic [1:0]           m_axi_gmem_awburst,
  output logic                 m_axi_gmem_wvalid,
  input  logic                 m_axi_gmem_wready,
  output logic [AXI_DW-1:0]    m_axi_gmem_wdata,
  output logic [AXI_DW/8-1:0]  m_axi_gmem_wstrb,
  output logic                 m_axi_gmem_wlast,
  input  logic                 m_axi_gmem_bvalid,
  output logic                 m_axi_gmem_bready,
  input  logic [AXI_IDW-1:0]   m_axi_gmem_bid,
  input  logic [1:0]           m_axi_gmem_bresp
);
  localparam int unsigned N = 3;       // units; window N is the shell's own
  localparam int unsigned AW = vb_pkg::AddrW;
  localparam int unsigned DW = AXI_DW;
  localparam int unsigned BYTES = DW / 8;
  logic rst;
  assign rst = !ap_rst_n;

  // ---- control
  logic [N:0] awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;
  logic [11:0] awaddr, araddr;
  logic [31:0] wdata;
  logic [3:0] wstrb;
  logic [(N+1)*32-1:0] rdata;
  vb_axil_split #(.N(N + 1)) u_split (
    .clk_i(ap_clk), .rst_i(rst),
    .awvalid_i(s_axi_control_awvalid), .awready_o(s_axi_control_awready), .awaddr_i(s_axi_control_awaddr),
    .wvalid_i(s_axi_control_wvalid), .wready_o(s_axi_control_wready), .wdata_i(s_axi_control_wdata),
    .wstrb_i(s_axi_control_wstrb), .bvalid_o(s_axi_control_bvalid), .bready_i(s_axi_control_bready),
    .bresp_o(s_axi_control_bresp), .arvalid_i(s_axi_control_arvalid), .arready_o(s_axi_control_arready),
    .araddr_i(s_axi_control_araddr), .rvalid_o(s_axi_control_rvalid), .rready_i(s_axi_control_rready),
    .rdata_o(s_axi_control_rdata), .rresp_o(s_axi_control_rresp),
    .m_awvalid_o(awvalid), .m_awready_i(awready), .m_awaddr_o(awaddr), .m_wvalid_o(wvalid), .m_wready_i(wready),
    .m_wdata_o(wdata), .m_wstrb_o(wstrb), .m_bvalid_i(bvalid), .m_bready_o(bready), .m_arvalid_o(arvalid),
    .m_arready_i(arready), .m_araddr_o(araddr), .m_rvalid_i(rvalid), .m_rready_o(rready), .m_rdata_i(rdata));

  // ---- the shared master
  logic [N-1:0] irq, m_arvalid, m_arready, m_rvalid, m_rready, m_awvalid, m_awready, m_wvalid, m_wready, m_wlast;
  logic [N-1:0] m_bvalid, m_bready;
  logic [N*AW-1:0] m_araddr, m_awaddr;
  logic [N*8-1:0] m_arlen, m_awlen;
  logic [N*DW-1:0] m_wdata;
  logic [N*BYTES-1:0] m_wstrb;
  vb_axi_rd_mux #(.N(N), .IDW(AXI_IDW)) u_rd (
    .clk_i(ap_clk), .rst_i(rst), .arvalid_i(m_arvalid), .arready_o(m_arready), .araddr_i(m_araddr), .arlen_i(m_arlen),
    .rvalid_o(m_rvalid), .arvalid_o(m_axi_gmem_arvalid), .arready_i(m_axi_gmem_arready), .arid_o(m_axi_gmem_arid),
    .araddr_o(m_axi_gmem_araddr), .arlen_o(m_axi_gmem_arlen), .rvalid_i(m_axi_gmem_rvalid), .rid_i(m_axi_gmem_rid));
  vb_axi_wr_mux #(.N(N), .DW(DW), .IDW(AXI_IDW)) u_wr (
    .clk_i(ap_clk), .rst_i(rst), .awvalid_i(m_awvalid), .awready_o(m_awready), .awaddr_i(m_awaddr), .awlen_i(m_awlen),
    .wvalid_i(m_wvalid), .wready_o(m_wready), .wdata_i(m_wdata), .wstrb_i(m_wstrb), .wlast_i(m_wlast),
    .bvalid_o(m_bvalid), .awvalid_o(m_axi_gmem_awvalid), .awready_i(m_axi_gmem_awready), .awid_o(m_axi_gmem_awid),
    .awaddr_o(m_axi_gmem_awaddr), .awlen_o(m_axi_gmem_awlen), .wvalid_o(m_axi_gmem_wvalid),
    .wready_i(m_axi_gmem_wready), .wdata_o(m_axi_gmem_wdata), .wstrb_o(m_axi_gmem_wstrb), .wlast_o(m_axi_gmem_wlast),
    .bvalid_i(m_axi_gmem_bvalid), .bid_i(m_axi_gmem_bid));
  assign m_axi_gmem_arsize = vb_pkg::axsize(DW);
  assign m_axi_gmem_awsize = vb_pkg::axsize(DW);
  assign m_axi_gmem_arburst = 2'b01;
  assign m_axi_gmem_awburst = 2'b01;
  assign m_axi_gmem_rready = 1'b1;  // as every unit's, asserted below
  assign m_axi_gmem_bready = 1'b1;

  // ---- units. Each sees the id 0 that it gave; ids on the shared port say whose a burst is.
`define VB_TOP_PORTS(n) \
    .ap_clk, .ap_rst_n, .interrupt(irq[n]), \
    .s_axi_control_awvalid(awvalid[n]), .s_axi_control_awready(awready[n]), .s_axi_control_awaddr(awaddr), \
    .s_axi_control_wvalid(wvalid[n]), .s_axi_control_wready(wready[n]), .s_axi_control_wdata(wdata), \
    .s_axi_control_wstrb(wstrb), .s_axi_control_bvalid(bvalid[n]), .s_axi_control_bready(bready[n]), \
    .s_axi_control_bresp(unused_bresp[n*2 +: 2]), .s_axi_control_arvalid(arvalid[n]), \
    .s_axi_control_arready(arready[n]), .s_axi_control_araddr(araddr), .s_axi_control_rvalid(rvalid[n]), \
    .s_axi_control_rready(rready[n]), .s_axi_control_rdata(rdata[n*32 +: 32]), \
    .s_axi_control_rresp(unused_rresp[n*2 +: 2]), \
    .m_axi_gmem_arvalid(m_arvalid[n]), .m_axi_gmem_arready(m_arready[n]), .m_axi_gmem_arid(unused_id[n*AXI_IDW +: AXI_IDW]), \
    .m_axi_gmem_araddr(m_araddr[n*AW +: AW]), .m_axi_gmem_arlen(m_arlen[n*8 +: 8]), \
    .m_axi_gmem_arsize(unused_size[n*3 +: 3]), .m_axi_gmem_arburst(unused_burst[n*2 +: 2]), \
    .m_axi_gmem_rvalid(m_rvalid[n]), .m_axi_gmem_rready(m_rready[n]), .m_axi_gmem_rid('0), \
    .m_axi_gmem_rdata, .m_axi_gmem_rresp, .m_axi_gmem_rlast, \
    .m_axi_gmem_awvalid(m_awvalid[n]), .m_axi_gmem_awready(m_awready[n]), \
    .m_axi_gmem_awid(unused_id[(N + n)*AXI_IDW +: AXI_IDW]), .m_axi_gmem_awaddr(m_awaddr[n*AW +: AW]), \
    .m_axi_gmem_awlen(m_awlen[n*8 +: 8]), .m_axi_gmem_awsize(unused_size[(N + n)*3 +: 3]), \
    .m_axi_gmem_awburst(unused_burst[(N + n)*2 +: 2]), .m_axi_gmem_wvalid(m_wvalid[n]), \
    .m_axi_gmem_wready(m_wready[n]), .m_axi_gmem_wdata(m_wdata[n*DW +: DW]), \
    .m_axi_gmem_wstrb(m_wstrb[n*BYTES +: BYTES]), .m_axi_gmem_wlast(m_wlast[n]), \
    .m_axi_gmem_bvalid(m_bvalid[n]), .m_axi_gmem_bready(m_bready[n]), .m_axi_gmem_bid('0), .m_axi_gmem_bresp
  logic [N*2-1:0] unused_bresp, unused_rresp;         // always OKAY
  logic [2*N*AXI_IDW-1:0] unused_id;                  // always 0
  logic [2*N*3-1:0] unused_size;                      // always a whole beat,
  logic [2*N*2-1:0] unused_burst;                     // incrementing
  vb_attention u_attention (`VB_TOP_PORTS(0));
  vb_indexer u_indexer (`VB_TOP_PORTS(1));
  vb_router u_router (`VB_TOP_PORTS(2));
`undef VB_TOP_PORTS

  // ---- the shell's own window
  vb_top_regs #(.UNITS(N)) u_regs (
    .clk_i(ap_clk), .rst_i(rst), .awvalid_i(awvalid[N]), .awready_o(awready[N]), .wvalid_i(wvalid[N]),
    .wready_o(wready[N]), .bvalid_o(bvalid[N]), .bready_i(bready[N]), .arvalid_i(arvalid[N]), .arready_o(arready[N]),
    .araddr_i(araddr), .rvalid_o(rvalid[N]), .rready_i(rready[N]), .rdata_o(rdata[N*32 +: 32]), .irq_i(irq),
    .read_i(m_axi_gmem_rvalid), .write_i(m_axi_gmem_wvalid && m_axi_gmem_wready),
    .held_i(|(m_arvalid & ~m_arready) || |(m_awvalid & ~m_awready)));
  assign interrupt = |irq;

  always_ff @(posedge ap_clk) begin
    if (!rst) begin
      a_always_ready: assert (m_rready == '1 && m_bready == '1);  // what the muxes rely on
    end
  end
endmodule
