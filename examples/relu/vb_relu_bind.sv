// SPDX-License-Identifier: Apache-2.0
bind vb_relu vb_unit_chk #(.AXI_DW(AXI_DW), .AXI_IDW(AXI_IDW)) u_chk (.*);
