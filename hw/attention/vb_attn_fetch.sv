// SPDX-License-Identifier: Apache-2.0
//
// Read streams of the attention unit: {address, stride, count, beats} in, one descriptor per record out, in order.
// Records that lie back to back become a single descriptor, so the read master can make full bursts of them. Up to 4
// streams queue here: the next stream's reads are in flight while the unit still works on the last one's data.
module vb_attn_fetch #(
  parameter int DW   = 256,
  parameter int CNTW = 14,   ///< bits of a record count
  localparam int AW  = vb_pkg::AddrW,
  localparam int LW  = vb_pkg::LenW
) (
  input  logic            clk_i,
  input  logic            rst_i,
  input  logic            flush_i,      ///< forget every stream; descriptors already given away go on
  input  logic            cmd_valid_i,
  output logic            cmd_ready_o,
  input  logic [2:0]      cmd_tag_i,
  input  logic [AW-1:0]   cmd_addr_i,
  input  logic [31:0]     cmd_stride_i,
  input  logic [CNTW-1:0] cmd_count_i,  ///< >= 1
  input  logic [7:0]      cmd_beats_i,  ///< >= 1
  output logic            idle_o,
  output logic            rd_valid_o,
  input  logic            rd_ready_i,
  output logic [AW-1:0]   rd_addr_o,
  output logic [LW-1:0]   rd_beats_o,
  output logic [2:0]      rd_tag_o
);
  localparam int LGB = $clog2(DW / 8);
  localparam int FW = 3 + AW + 32 + CNTW + 8;

  logic empty, full, load, busy_q, dense;
  logic [FW-1:0] head;
  logic [2:0] count, tag, tag_q;
  logic [AW-1:0] addr, addr_q;
  logic [31:0] stride, stride_q;
  logic [CNTW-1:0] num, left_q;
  logic [7:0] beats;
  logic [LW-1:0] beats_q;

  vb_fifo #(.W(FW), .DEPTH(4)) u_queue (
    .clk_i, .rst_i(rst_i || flush_i), .push_i(cmd_valid_i && cmd_ready_o && !flush_i),
    .data_i({cmd_tag_i, cmd_addr_i, cmd_stride_i, cmd_count_i, cmd_beats_i}), .full_o(full), .pop_i(load),
    .data_o(head), .empty_o(empty), .count_o(count));

  assign cmd_ready_o = !full;
  assign {tag, addr, stride, num, beats} = head;
  assign dense = (stride == (32'(beats) << LGB));
  assign load  = !empty && !busy_q && !flush_i;

  always_ff @(posedge clk_i) begin
    if (rst_i || flush_i)                                       busy_q <= 1'b0;
    else if (load)                                              busy_q <= 1'b1;
    else if (rd_ready_i && left_q == CNTW'(1))                  busy_q <= 1'b0;
    if (load) begin
      tag_q    <= tag;
      addr_q   <= addr;
      stride_q <= stride;
      left_q   <= dense ? CNTW'(1) : num;
      beats_q  <= dense ? LW'(beats) * LW'(num) : LW'(beats);
    end else if (busy_q && rd_ready_i) begin
      addr_q <= addr_q + AW'(stride_q);
      left_q <= left_q - CNTW'(1);
    end
  end

  assign rd_valid_o = busy_q;
  assign rd_addr_o  = addr_q;
  assign rd_beats_o = beats_q;
  assign rd_tag_o   = tag_q;
  assign idle_o     = empty && !busy_q;

  logic unused_count;
  assign unused_count = ^count;
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_count: assert (!cmd_valid_i || (cmd_count_i != '0 && cmd_beats_i != '0));
    a_left:  assert (!busy_q || left_q != '0);
  end
endmodule
