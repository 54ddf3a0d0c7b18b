// SPDX-License-Identifier: Apache-2.0
// The protocol checkers, on the ports of every indexer unit in every simulation.
bind vb_indexer vb_unit_chk #(.AXI_DW(AXI_DW), .AXI_IDW(AXI_IDW)) u_chk (.*);
