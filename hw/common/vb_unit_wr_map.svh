// SPDX-License-Identifier: Apache-2.0
// Connections of a unit's vb_axi_wr to the ports of vb_unit_ports.svh, included first in its port list.
    .clk_i(ap_clk), .rst_i(rst), .awvalid_o(m_axi_gmem_awvalid), .awready_i(m_axi_gmem_awready),
    .awid_o(m_axi_gmem_awid), .awaddr_o(m_axi_gmem_awaddr), .awlen_o(m_axi_gmem_awlen), .awsize_o(m_axi_gmem_awsize),
    .awburst_o(m_axi_gmem_awburst), .wvalid_o(m_axi_gmem_wvalid), .wready_i(m_axi_gmem_wready),
    .wdata_o(m_axi_gmem_wdata), .wstrb_o(m_axi_gmem_wstrb), .wlast_o(m_axi_gmem_wlast),
    .bvalid_i(m_axi_gmem_bvalid), .bready_o(m_axi_gmem_bready), .bid_i(m_axi_gmem_bid), .bresp_i(m_axi_gmem_bresp),
