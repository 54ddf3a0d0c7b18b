// SPDX-License-Identifier: Apache-2.0
// Connections of a unit's vb_axil_ctrl to the ports of vb_unit_ports.svh, included first in its port list.
    .clk_i(ap_clk), .rst_i(rst), .awvalid_i(s_axi_control_awvalid), .awready_o(s_axi_control_awready),
    .awaddr_i(s_axi_control_awaddr), .wvalid_i(s_axi_control_wvalid), .wready_o(s_axi_control_wready),
    .wdata_i(s_axi_control_wdata), .wstrb_i(s_axi_control_wstrb), .bvalid_o(s_axi_control_bvalid),
    .bready_i(s_axi_control_bready), .bresp_o(s_axi_control_bresp), .arvalid_i(s_axi_control_arvalid),
    .arready_o(s_axi_control_arready), .araddr_i(s_axi_control_araddr), .rvalid_o(s_axi_control_rvalid),
    .rready_i(s_axi_control_rready), .rdata_o(s_axi_control_rdata), .rresp_o(s_axi_control_rresp),
    .interrupt_o(interrupt),
