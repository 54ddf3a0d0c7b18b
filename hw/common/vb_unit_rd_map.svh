// SPDX-License-Identifier: Apache-2.0
// Connections of a unit's only vb_axi_rd to the ports of vb_unit_ports.svh, included first in its port list.
    .clk_i(ap_clk), .rst_i(rst), .arvalid_o(m_axi_gmem_arvalid), .arready_i(m_axi_gmem_arready),
    .arid_o(m_axi_gmem_arid), .araddr_o(m_axi_gmem_araddr), .arlen_o(m_axi_gmem_arlen), .arsize_o(m_axi_gmem_arsize),
    .arburst_o(m_axi_gmem_arburst), .rvalid_i(m_axi_gmem_rvalid), .rready_o(m_axi_gmem_rready),
    .rid_i(m_axi_gmem_rid), .rdata_i(m_axi_gmem_rdata), .rresp_i(m_axi_gmem_rresp), .rlast_i(m_axi_gmem_rlast),
