// SPDX-License-Identifier: Apache-2.0

// The shared read and write masters on one AXI port, for the test of their cycle model: descriptors in, beats out. N read
// masters, behind the multiplexer when there are several.
module vb_port_top #(
  parameter int unsigned N = 1,
  parameter int unsigned DW = 256,
  parameter int unsigned DEPTH = 64,
  parameter int unsigned BURSTS = 16,
  parameter int unsigned WR_BURSTS = 8,
  parameter int unsigned MAX_BURST = 16
) (
  input  logic            clk_i,
  input  logic            rst_i,
  input  logic [N-1:0]    cmd_valid_i,
  output logic [N-1:0]    cmd_ready_o,
  input  logic [N*64-1:0] cmd_addr_i,
  input  logic [N*32-1:0] cmd_beats_i,
  output logic [N-1:0]    out_valid_o,
  input  logic [N-1:0]    out_ready_i,
  input  logic            wcmd_valid_i,
  output logic            wcmd_ready_o,
  input  logic [63:0]     wcmd_addr_i,
  input  logic [31:0]     wcmd_bytes_i,
  input  logic            win_valid_i,
  output logic            win_ready_o,
  output logic            wr_idle_o,
  output logic            arvalid_o,
  input  logic            arready_i,
  output logic [3:0]      arid_o,
  output logic [39:0]     araddr_o,
  output logic [7:0]      arlen_o,
  input  logic            rvalid_i,
  input  logic [3:0]      rid_i,
  input  logic            rlast_i,
  output logic            awvalid_o,
  input  logic            awready_i,
  output logic [39:0]     awaddr_o,
  output logic [7:0]      awlen_o,
  output logic            wvalid_o,
  input  logic            wready_i,
  output logic [63:0]     wstrb_o,
  input  logic            bvalid_i
);
  logic [N-1:0] arvalid, arready, rvalid;
  logic [N*40-1:0] araddr;
  logic [N*8-1:0] arlen;
  for (genvar n = 0; n < N; n++) begin : g_rd
    logic unused;
    logic [DW-1:0] data;
    logic tag, last, idle, err, beat;
    logic [7:0] code;
    logic [3:0] id;
    logic [2:0] size;
    logic [1:0] burst;
    logic rready;
    vb_axi_rd #(.DW(DW), .ID(n), .DEPTH(DEPTH), .BURSTS(BURSTS), .MAX_BURST(MAX_BURST)) u_rd (
      .clk_i, .rst_i, .clear_i(1'b0), .cmd_valid_i(cmd_valid_i[n]), .cmd_ready_o(cmd_ready_o[n]),
      .cmd_addr_i(cmd_addr_i[n*64 +: 40]), .cmd_beats_i(cmd_beats_i[n*32 +: 24]), .cmd_tag_i(1'b0),
      .out_valid_o(out_valid_o[n]), .out_ready_i(out_ready_i[n]), .out_data_o(data), .out_tag_o(tag),
      .out_last_o(last), .idle_o(idle), .err_o(err), .err_code_o(code), .beat_o(beat),
      .arvalid_o(arvalid[n]), .arready_i(arready[n]), .arid_o(id), .araddr_o(araddr[n*40 +: 40]),
      .arlen_o(arlen[n*8 +: 8]), .arsize_o(size), .arburst_o(burst), .rvalid_i(rvalid[n]), .rready_o(rready),
      .rid_i(rid_i), .rdata_i('0), .rresp_i(2'b00), .rlast_i(rlast_i));
    assign unused = ^{data, tag, last, idle, err, code, beat, id, size, burst, rready, cmd_addr_i[n*64+40 +: 24],
                      cmd_beats_i[n*32+24 +: 8]};
  end
  if (N == 1) begin : g_one
    assign arvalid_o = arvalid[0];
    assign arready[0] = arready_i;
    assign araddr_o = araddr[39:0];
    assign arlen_o = arlen[7:0];
    assign arid_o = 4'd0;
    assign rvalid[0] = rvalid_i;
  end else begin : g_mux
    vb_axi_rd_mux #(.N(N)) u_mux (
      .clk_i, .rst_i, .arvalid_i(arvalid), .arready_o(arready), .araddr_i(araddr), .arlen_i(arlen), .rvalid_o(rvalid),
      .arvalid_o, .arready_i, .arid_o, .araddr_o, .arlen_o, .rvalid_i, .rid_i);
  end

  logic wr_err, wr_beat, unused_wr;
  logic [7:0] wr_code, wr_bytes;
  logic [3:0] awid;
  logic [2:0] awsize;
  logic [1:0] awburst;
  logic [DW-1:0] wdata;
  logic [DW/8-1:0] wstrb;
  logic wlast, bready;
  assign wstrb_o = 64'(wstrb);
  vb_axi_wr #(.DW(DW), .BURSTS(WR_BURSTS), .MAX_BURST(MAX_BURST)) u_wr (
    .clk_i, .rst_i, .clear_i(1'b0), .cmd_valid_i(wcmd_valid_i), .cmd_ready_o(wcmd_ready_o),
    .cmd_addr_i(wcmd_addr_i[39:0]), .cmd_bytes_i(wcmd_bytes_i[23:0]), .in_valid_i(win_valid_i),
    .in_ready_o(win_ready_o), .in_data_i('0), .idle_o(wr_idle_o), .err_o(wr_err), .err_code_o(wr_code),
    .beat_o(wr_beat), .beat_bytes_o(wr_bytes), .awvalid_o, .awready_i, .awid_o(awid), .awaddr_o, .awlen_o,
    .awsize_o(awsize), .awburst_o(awburst), .wvalid_o, .wready_i, .wdata_o(wdata), .wstrb_o(wstrb), .wlast_o(wlast),
    .bvalid_i, .bready_o(bready), .bid_i('0), .bresp_i(2'b00));
  assign unused_wr = ^{wr_err, wr_code, wr_beat, wr_bytes, awid, awsize, awburst, wdata, wlast, bready,
                       wcmd_addr_i[63:40], wcmd_bytes_i[31:24]};
endmodule
