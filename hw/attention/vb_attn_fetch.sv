// SPDX-License-Identifier: Apache-2.0
//
// Read streams of the attention unit: {kind, base, key, stride, count, units of 32 bytes} in, descriptors of the read master
// out, in order: record i of a stream lies at base + (key + i) * stride. Records that lie back to back become a single
// descriptor, so the read master can make full bursts of them. A stream with `list` takes its keys from the list memory
// instead. Up to 4 streams queue here: the next one's reads are in flight while the unit works on the last one's data.
//
// Linear: loaded in cycle t, its first descriptor is offered from t + 1 on, then one a cycle.
// List:   index t + 1, entry t + 2, key (clamped) t + 3, address and mask t + 4; then one a cycle.
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
  input  logic [2:0]      cmd_kind_i,
  input  logic            cmd_list_i,
  input  logic [AW-1:0]   cmd_base_i,   ///< 32-byte aligned
  input  logic [31:0]     cmd_key_i,
  input  logic [31:0]     cmd_stride_i,
  input  logic [CNTW-1:0] cmd_count_i,  ///< >= 1
  input  logic [4:0]      cmd_units_i,  ///< 1..19
  output logic            idle_o,
  // list jobs
  input  logic [3:0]      lg_block_i,   ///< keys of an entry, as a power of two
  input  logic [9:0]      block_off_i,  ///< of the chunk's first candidate in its entry
  input  logic [31:0]     key_begin_i,
  input  logic [31:0]     key_end_i,    ///< >= 1 when a list is streamed
  input  logic [20:0]     hi_i,         ///< bounds of the job's token, see vb_attn_tile
  input  logic [20:0]     lo_i,
  input  logic [20:0]     keep_i,
  output logic            list_re_o,
  output logic [CNTW-1:0] list_index_o,
  input  logic [19:0]     list_key_i,
  input  logic            list_bad_i,
  output logic            bad_o,        ///< an entry beyond the largest key
  // read master
  output logic            rd_valid_o,
  input  logic            rd_ready_i,
  output logic [AW-1:0]   rd_addr_o,
  output logic [LW-1:0]   rd_beats_o,
  output logic [vb_attn_pkg::TagW-1:0] rd_tag_o
);
  localparam int LGB = $clog2(DW / 8);
  localparam int FW = 3 + 1 + AW + 32 + 32 + CNTW + 5;

  logic empty, full, load, list, busy_q, list_q, dense;
  logic [FW-1:0] front;
  logic [2:0] count, kind, kind_q;
  logic [AW-1:0] base, base_q, prod_q, addr;
  logic [31:0] key, stride, stride_q;
  logic [CNTW-1:0] num, left_q;
  logic [4:0] blocks;
  logic [LW-1:0] units_q, span;
  logic seen_q, last, take;

  vb_fifo #(.W(FW), .DEPTH(4)) u_queue (
    .clk_i, .rst_i(rst_i || flush_i), .push_i(cmd_valid_i && cmd_ready_o && !flush_i),
    .data_i({cmd_kind_i, cmd_list_i, cmd_base_i, cmd_key_i, cmd_stride_i, cmd_count_i, cmd_units_i}), .full_o(full),
    .pop_i(load), .data_o(front), .empty_o(empty), .count_o(count));

  assign cmd_ready_o = !full;
  assign {kind, list, base, key, stride, num, blocks} = front;
  assign dense = (stride == (32'(blocks) << 5)) && !list;
  assign load  = !empty && !busy_q && !flush_i;
  assign take  = rd_valid_o && rd_ready_i;
  assign last  = take && left_q == CNTW'(1);

  // ---- list: index, entry, key, address. A stage moves when the next one is empty or moves.
  logic i_v_q, e_v_q, k_empty, k_full, a_v_q, e_go, k_go, a_go, i_go;
  logic [CNTW-1:0] i_left_q;
  logic [CNTW:0] pos_q;  // candidate, counted from the first entry's first key
  logic [9:0] e_off_q;
  logic [31:0] key_d, lkey;
  logic [20:0] rel_d, lrel;   // relative to key_begin, 2^20: out of reach
  logic lseen;
  logic [1:0] k_count;
  assign a_go = !a_v_q || take;
  assign k_go = !k_full;
  assign e_go = !e_v_q || k_go;
  assign i_go = i_v_q && e_go;
  assign list_re_o = i_go;

  assign list_index_o = CNTW'(pos_q >> lg_block_i);

  always_ff @(posedge clk_i) begin
    if (rst_i || flush_i) begin
      i_v_q <= 1'b0;
      e_v_q <= 1'b0;
      a_v_q <= 1'b0;
    end else begin
      if (load && list) i_v_q <= 1'b1;
      else if (i_go && i_left_q == CNTW'(1)) i_v_q <= 1'b0;
      if (e_go) e_v_q <= i_v_q;
      if (a_go) a_v_q <= !k_empty;
    end
    if (load) begin
      i_left_q <= num;
      pos_q    <= (CNTW+1)'(block_off_i);
    end else if (i_go) begin
      i_left_q <= i_left_q - CNTW'(1);
      pos_q    <= pos_q + (CNTW+1)'(1);
    end
    if (i_go) e_off_q <= 10'(pos_q) & ((10'd1 << lg_block_i) - 10'd1);  // 1024 gives a mask of all ones
  end
  always_comb begin : mask
    logic [31:0] j;
    logic [32:0] x;
    j = '0;
    x = '0;
    key_d = '0;
    rel_d = '0;
    if (e_v_q) begin
      j = {12'd0, list_key_i} | 32'(e_off_q);
      x = {1'b0, j} - {1'b0, key_begin_i};
      rel_d = (x[32:20] != 13'd0) ? 21'h100000 : x[20:0];
      key_d = (j < key_end_i) ? j : key_end_i - 32'd1;  // a block may run past the end of the keys
    end
  end
  always_ff @(posedge clk_i) bad_o <= e_v_q && k_go && list_bad_i;
  // Two places, so that the way from the read master's ready ends here.
  vb_fifo #(.W(53), .DEPTH(2)) u_keys (
    .clk_i, .rst_i(rst_i || flush_i), .push_i(e_v_q && k_go), .data_i({rel_d, key_d}), .full_o(k_full),
    .pop_i(a_go && !k_empty), .data_o({lrel, lkey}), .empty_o(k_empty), .count_o(k_count));

  // ---- the descriptor in hand
  always_ff @(posedge clk_i) begin
    if (rst_i || flush_i) busy_q <= 1'b0;
    else if (load)        busy_q <= 1'b1;
    else if (last)        busy_q <= 1'b0;
    if (load) begin
      kind_q   <= kind;
      list_q   <= list;
      base_q   <= base;
      stride_q <= stride;
      left_q   <= dense ? CNTW'(1) : num;
      units_q  <= dense ? LW'(blocks) * LW'(num) : LW'(blocks);
    end else if (take) begin
      if (!list_q) base_q <= base_q + AW'(stride_q);
      left_q <= left_q - CNTW'(1);
    end
    if (load || (!k_empty && a_go)) begin  // keys of a list come while it is in hand
      prod_q <= AW'({32'd0, busy_q ? lkey : key} * {32'd0, busy_q ? stride_q : stride});
      seen_q <= !busy_q || lseen;
    end
  end

  assign addr       = base_q + prod_q;
  assign rd_valid_o = busy_q && (!list_q || a_v_q);
  assign idle_o     = empty && !busy_q;
  if (DW == 512) begin : g_wide  // a record may start or end in the middle of a beat
    logic tail;
    assign span       = units_q + LW'(addr[5]);
    assign tail       = span[0];
    assign rd_addr_o  = {addr[AW-1:6], 6'd0};
    assign rd_beats_o = (span + LW'(1)) >> 1;
    assign rd_tag_o   = {kind_q, addr[5], tail, seen_q};
  end else begin : g_narrow
    assign span       = units_q;
    assign rd_addr_o  = addr;
    assign rd_beats_o = span << (5 - LGB);
    assign rd_tag_o   = {kind_q, 2'b00, seen_q};
  end

  assign lseen = lrel < hi_i && (lrel < keep_i || lrel >= lo_i);

  logic unused_count;
  assign unused_count = ^{count, k_count, addr[4:0]};
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_count: assert (!cmd_valid_i || (cmd_count_i != '0 && cmd_units_i != '0));
    a_left:  assert (!busy_q || left_q != '0);
  end
endmodule
