// SPDX-License-Identifier: Apache-2.0

// AXI4-Lite control port of a unit: ap_ctrl_hs in the register map of Vitis RTL kernels.
//
//   0x000  bit 0 ap_start (write 1, clears at ap_ready)  bit 1 ap_done (clears on read)
//          bit 2 ap_idle   bit 3 ap_ready (clears on read)   bit 7 auto_restart (not offered, reads 0)
//   0x004  bit 0 global interrupt enable
//   0x008  bit 0 enable for ap_done, bit 1 for ap_ready
//   0x00c  interrupt status, write 1 to toggle as HLS kernels do
//   0x010  argument i at 0x10 + 8 * i: low word, high word. Byte strobes are honoured.
//   0x100  NSTAT words of stat_i, read-only but for the watchdog's limit, which is kept here
//
// Unmapped addresses read 0 and ignore writes, with OKAY, as HLS kernels do. One write and one read
// may be in flight; a write takes 3 cycles, a read 2.
module vb_axil_ctrl #(
  parameter int unsigned NARGS = 14,                // <= 30, so that arguments end below 0x100
  parameter int unsigned NSTAT = vb_pkg::NumStat    // <= 64
) (
  input  logic                 clk_i,
  input  logic                 rst_i,

  input  logic                 awvalid_i,
  output logic                 awready_o,
  input  logic [11:0]          awaddr_i,
  input  logic                 wvalid_i,
  output logic                 wready_o,
  input  logic [31:0]          wdata_i,
  input  logic [3:0]           wstrb_i,
  output logic                 bvalid_o,
  input  logic                 bready_i,
  output logic [1:0]           bresp_o,
  input  logic                 arvalid_i,
  output logic                 arready_o,
  input  logic [11:0]          araddr_i,
  output logic                 rvalid_o,
  input  logic                 rready_i,
  output logic [31:0]          rdata_o,
  output logic [1:0]           rresp_o,
  output logic                 interrupt_o,

  output logic                 start_o,  // level: a job is wanted; falls the cycle after ready_i
  input  logic                 ready_i,  // pulse: the unit took the job (usually with done_i)
  input  logic                 done_i,   // pulse: the job ended
  input  logic                 idle_i,   // level
  output logic [NARGS*64-1:0]  args_o,   // argument i at [64 * i +: 64]; stable while start_o
  output logic [63:0]          watchdog_o, // cycles, 0: off (vb_watchdog)
  input  logic [NSTAT*32-1:0]  stat_i
);
  if (NARGS > 30 || NSTAT > 64) begin : g_illegal
    $error("vb_axil_ctrl: at most 30 arguments and 64 status words");
  end

  // ---- write side: address and data may come in any order, each held until the other is there
  logic aw_q, w_q, bvalid_q;
  logic [11:0] awaddr_q;
  logic [31:0] wdata_q;
  logic [3:0] wstrb_q;
  logic wr;

  assign awready_o = !aw_q;
  assign wready_o = !w_q;
  assign bvalid_o = bvalid_q;
  assign bresp_o = 2'b00;
  assign wr = aw_q && w_q && !bvalid_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      aw_q <= 1'b0;
      w_q <= 1'b0;
      bvalid_q <= 1'b0;
    end else begin
      if (awvalid_i && awready_o) aw_q <= 1'b1;
      else if (wr) aw_q <= 1'b0;
      if (wvalid_i && wready_o) w_q <= 1'b1;
      else if (wr) w_q <= 1'b0;
      if (wr) bvalid_q <= 1'b1;
      else if (bready_i) bvalid_q <= 1'b0;
    end
    if (awvalid_i && awready_o) awaddr_q <= awaddr_i;
    if (wvalid_i && wready_o) begin
      wdata_q <= wdata_i;
      wstrb_q <= wstrb_i;
    end
  end

  // ---- control bits
  logic start_q, done_q, ready_q, gie_q;
  logic [1:0] ier_q, isr_q;
  logic rd, rd_ctrl;

  assign start_o = start_q;
  assign interrupt_o = gie_q && |isr_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      start_q <= 1'b0;
      done_q <= 1'b0;
      ready_q <= 1'b0;
      gie_q <= 1'b0;
      ier_q <= 2'b00;
      isr_q <= 2'b00;
    end else begin
      if (wr && awaddr_q[11:2] == 10'h0 && wstrb_q[0] && wdata_q[0]) start_q <= 1'b1;
      else if (ready_i) start_q <= 1'b0;
      if (done_i) done_q <= 1'b1;
      else if (rd_ctrl) done_q <= 1'b0;
      if (ready_i) ready_q <= 1'b1;
      else if (rd_ctrl) ready_q <= 1'b0;
      if (wr && awaddr_q[11:2] == 10'h1 && wstrb_q[0]) gie_q <= wdata_q[0];
      if (wr && awaddr_q[11:2] == 10'h2 && wstrb_q[0]) ier_q <= wdata_q[1:0];
      // toggle on write; an event in the same cycle wins
      isr_q <= ((wr && awaddr_q[11:2] == 10'h3 && wstrb_q[0]) ? isr_q ^ wdata_q[1:0] : isr_q)
               | (ier_q & {ready_i, done_i});
    end
  end

  // ---- arguments: not reset (gated by start). One block, decoded only when something is written.
  logic [NARGS*64-1:0] args_q;
  logic [63:0] watchdog_q;
  assign args_o = args_q;
  assign watchdog_o = watchdog_q;
  always_ff @(posedge clk_i) begin
    if (wr) begin
      for (int i = 0; i < 2 * NARGS; i++)
        for (int b = 0; b < 4; b++)
          if (awaddr_q[11:2] == 10'(i + 4) && wstrb_q[b]) args_q[32*i + 8*b +: 8] <= wdata_q[8*b +: 8];
    end
    if (rst_i) watchdog_q <= '0;
    else if (wr) begin
      for (int i = 0; i < 2; i++)
        for (int b = 0; b < 4; b++)
          if (awaddr_q[11:2] == 10'(64 + vb_pkg::StatWatchdog + i) && wstrb_q[b])
            watchdog_q[32*i + 8*b +: 8] <= wdata_q[8*b +: 8];
    end
  end

  // ---- read side
  logic rvalid_q;
  logic [31:0] rdata_q, rdata_d;

  assign arready_o = !rvalid_q;
  assign rvalid_o = rvalid_q;
  assign rdata_o = rdata_q;
  assign rresp_o = 2'b00;
  assign rd = arvalid_i && arready_o;
  assign rd_ctrl = rd && araddr_i[11:2] == 10'h0;

  // Arguments are read from a copy: a memory costs less than a multiplexer of all their registers.
  logic [31:0] copy [64];
  logic [5:0] wr_word, rd_word;
  logic rd_args, rd_stat;
  assign wr_word = awaddr_q[7:2];
  assign rd_word = araddr_i[7:2];
  assign rd_args = araddr_i[11:8] == 4'h0 && rd_word >= 6'd4 && {1'b0, rd_word} < 7'(2 * NARGS + 4);
  assign rd_stat = araddr_i[11:8] == 4'h1;
  always_ff @(posedge clk_i)
    if (wr && awaddr_q[11:8] == 4'h0)
      for (int b = 0; b < 4; b++) if (wstrb_q[b]) copy[wr_word][8*b +: 8] <= wdata_q[8*b +: 8];

  always_comb begin
    rdata_d = 32'h0;
    if (rd) begin  // at most one of these
      case (araddr_i[11:2])
        10'h0: rdata_d = {28'h0, ready_q, idle_i, done_q, start_q};
        10'h1: rdata_d = {31'h0, gie_q};
        10'h2: rdata_d = {30'h0, ier_q};
        10'h3: rdata_d = {30'h0, isr_q};
        default: rdata_d = 32'h0;
      endcase
      if (rd_args) rdata_d = rdata_d | copy[rd_word];
      for (int i = 0; i < NSTAT; i++)
        if (rd_stat && rd_word == 6'(i)) rdata_d = rdata_d | (i == vb_pkg::StatWatchdog ? watchdog_q[31:0] :
          i == vb_pkg::StatWatchdog + 1 ? watchdog_q[63:32] : stat_i[32*i +: 32]);
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) rvalid_q <= 1'b0;
    else if (rd) rvalid_q <= 1'b1;
    else if (rready_i) rvalid_q <= 1'b0;
    if (rd) rdata_q <= rdata_d;
  end

  logic unused_lsb;  // word registers: the two low address bits select bytes, which wstrb does
  assign unused_lsb = ^{awaddr_q[1:0], araddr_i[1:0]};
endmodule
