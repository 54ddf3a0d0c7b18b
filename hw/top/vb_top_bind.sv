// SPDX-License-Identifier: Apache-2.0
// The protocol checkers on the shared port; those of the units' own ports come with the units.
bind vb_top vb_axi4_chk #(.DW(AXI_DW), .IDW(AXI_IDW)) u_chk (
  .clk_i(ap_clk), .rst_i(!ap_rst_n),
  .arvalid_i(m_axi_gmem_arvalid), .arready_i(m_axi_gmem_arready), .arid_i(m_axi_gmem_arid),
  .araddr_i(m_axi_gmem_araddr), .arlen_i(m_axi_gmem_arlen), .arsize_i(m_axi_gmem_arsize),
  .arburst_i(m_axi_gmem_arburst), .rvalid_i(m_axi_gmem_rvalid), .rready_i(m_axi_gmem_rready),
  .rid_i(m_axi_gmem_rid), .rlast_i(m_axi_gmem_rlast), .awvalid_i(m_axi_gmem_awvalid),
  .awready_i(m_axi_gmem_awready), .awid_i(m_axi_gmem_awid), .awaddr_i(m_axi_gmem_awaddr),
  .awlen_i(m_axi_gmem_awlen), .awsize_i(m_axi_gmem_awsize), .awburst_i(m_axi_gmem_awburst),
  .wvalid_i(m_axi_gmem_wvalid), .wready_i(m_axi_gmem_wready), .wdata_i(m_axi_gmem_wdata),
  .wstrb_i(m_axi_gmem_wstrb), .wlast_i(m_axi_gmem_wlast), .bvalid_i(m_axi_gmem_bvalid),
  .bready_i(m_axi_gmem_bready), .bid_i(m_axi_gmem_bid));
