// SPDX-License-Identifier: Apache-2.0

// All protocol checkers of a unit. Bound to the top of a unit with `.*`: its ports have the names of
// vb_unit_ports.svh, all of them inputs here.
module vb_unit_chk #(
  parameter int unsigned AXI_DW = 256,
  parameter int unsigned AXI_IDW = 4
) (
  input  logic                 ap_clk,
  input  logic                 ap_rst_n,
  input  logic                 interrupt,

  input  logic                 s_axi_control_awvalid,
  input  logic                 s_axi_control_awready,
  input  logic [11:0]          s_axi_control_awaddr,
  input  logic                 s_axi_control_wvalid,
  input  logic                 s_axi_control_wready,
  input  logic [31:0]          s_axi_control_wdata,
  input  logic [3:0]           s_axi_control_wstrb,
  input  logic                 s_axi_control_bvalid,
  input  logic                 s_axi_control_bready,
  input  logic [1:0]           s_axi_control_bresp,
  input  logic                 s_axi_control_arvalid,
  input  logic                 s_axi_control_arready,
  input  logic [11:0]          s_axi_control_araddr,
  input  logic                 s_axi_control_rvalid,
  input  logic                 s_axi_control_rready,
  input  logic [31:0]          s_axi_control_rdata,
  input  logic [1:0]           s_axi_control_rresp,

  input  logic                 m_axi_gmem_arvalid,
  input  logic                 m_axi_gmem_arready,
  input  logic [AXI_IDW-1:0]   m_axi_gmem_arid,
  input  logic [39:0]          m_axi_gmem_araddr,
  input  logic [7:0]           m_axi_gmem_arlen,
  input  logic [2:0]           m_axi_gmem_arsize,
  input  logic [1:0]           m_axi_gmem_arburst,
  input  logic                 m_axi_gmem_rvalid,
  input  logic                 m_axi_gmem_rready,
  input  logic [AXI_IDW-1:0]   m_axi_gmem_rid,
  input  logic [AXI_DW-1:0]    m_axi_gmem_rdata,
  input  logic [1:0]           m_axi_gmem_rresp,
  input  logic                 m_axi_gmem_rlast,
  input  logic                 m_axi_gmem_awvalid,
  input  logic                 m_axi_gmem_awready,
  input  logic [AXI_IDW-1:0]   m_axi_gmem_awid,
  input  logic [39:0]          m_axi_gmem_awaddr,
  input  logic [7:0]           m_axi_gmem_awlen,
  input  logic [2:0]           m_axi_gmem_awsize,
  input  logic [1:0]           m_axi_gmem_awburst,
  input  logic                 m_axi_gmem_wvalid,
  input  logic                 m_axi_gmem_wready,
  input  logic [AXI_DW-1:0]    m_axi_gmem_wdata,
  input  logic [AXI_DW/8-1:0]  m_axi_gmem_wstrb,
  input  logic                 m_axi_gmem_wlast,
  input  logic                 m_axi_gmem_bvalid,
  input  logic                 m_axi_gmem_bready,
  input  logic [AXI_IDW-1:0]   m_axi_gmem_bid,
  input  logic [1:0]           m_axi_gmem_bresp
);
  logic rst;
  assign rst = !ap_rst_n;

  vb_axil_chk u_axil_chk (
    .clk_i(ap_clk), .rst_i(rst),
    .awvalid_i(s_axi_control_awvalid), .awready_i(s_axi_control_awready), .awaddr_i(s_axi_control_awaddr),
    .wvalid_i(s_axi_control_wvalid), .wready_i(s_axi_control_wready), .wdata_i(s_axi_control_wdata),
    .wstrb_i(s_axi_control_wstrb), .bvalid_i(s_axi_control_bvalid), .bready_i(s_axi_control_bready),
    .bresp_i(s_axi_control_bresp), .arvalid_i(s_axi_control_arvalid), .arready_i(s_axi_control_arready),
    .araddr_i(s_axi_control_araddr), .rvalid_i(s_axi_control_rvalid), .rready_i(s_axi_control_rready),
    .rdata_i(s_axi_control_rdata), .rresp_i(s_axi_control_rresp));

  vb_apctrl_chk u_apctrl_chk (
    .clk_i(ap_clk), .rst_i(rst), .aw_i(s_axi_control_awvalid && s_axi_control_awready),
    .awaddr_i(s_axi_control_awaddr), .w_i(s_axi_control_wvalid && s_axi_control_wready),
    .wdata_i(s_axi_control_wdata), .ar_i(s_axi_control_arvalid && s_axi_control_arready),
    .araddr_i(s_axi_control_araddr), .r_i(s_axi_control_rvalid && s_axi_control_rready),
    .rdata_i(s_axi_control_rdata), .bus_i(m_axi_gmem_arvalid || m_axi_gmem_awvalid || m_axi_gmem_wvalid));

  vb_axi4_chk #(.DW(AXI_DW), .IDW(AXI_IDW)) u_axi4_chk (
    .clk_i(ap_clk), .rst_i(rst),
    .arvalid_i(m_axi_gmem_arvalid), .arready_i(m_axi_gmem_arready), .arid_i(m_axi_gmem_arid),
    .araddr_i(m_axi_gmem_araddr), .arlen_i(m_axi_gmem_arlen), .arsize_i(m_axi_gmem_arsize),
    .arburst_i(m_axi_gmem_arburst), .rvalid_i(m_axi_gmem_rvalid), .rready_i(m_axi_gmem_rready),
    .rid_i(m_axi_gmem_rid), .rlast_i(m_axi_gmem_rlast), .awvalid_i(m_axi_gmem_awvalid),
    .awready_i(m_axi_gmem_awready), .awid_i(m_axi_gmem_awid), .awaddr_i(m_axi_gmem_awaddr),
    .awlen_i(m_axi_gmem_awlen), .awsize_i(m_axi_gmem_awsize), .awburst_i(m_axi_gmem_awburst),
    .wvalid_i(m_axi_gmem_wvalid), .wready_i(m_axi_gmem_wready), .wdata_i(m_axi_gmem_wdata),
    .wstrb_i(m_axi_gmem_wstrb), .wlast_i(m_axi_gmem_wlast), .bvalid_i(m_axi_gmem_bvalid),
    .bready_i(m_axi_gmem_bready), .bid_i(m_axi_gmem_bid));

  // Data and response codes are checked where they are used; the interrupt follows the registers.
  logic unused_rest;
  assign unused_rest = ^{m_axi_gmem_rdata, m_axi_gmem_rresp, m_axi_gmem_bresp, interrupt};
endmodule
