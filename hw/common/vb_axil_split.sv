// SPDX-License-Identifier: Apache-2.0

// One AXI4-Lite port in front of N others, each in a window of 4 KiB: window n is [n * 4096, (n + 1) * 4096). Addresses
// behind the last window read 0 and ignore writes, with OKAY. One write and one read may be in flight; a write costs 3
// cycles more than without the split, a read 2. Vectors hold window n at [n*W +: W].
module vb_axil_split #(
  parameter int unsigned N = 4,     // 1..16
  localparam int unsigned AW = 16
) (
  input  logic            clk_i,
  input  logic            rst_i,

  input  logic            awvalid_i,
  output logic            awready_o,
  input  logic [AW-1:0]   awaddr_i,
  input  logic            wvalid_i,
  output logic            wready_o,
  input  logic [31:0]     wdata_i,
  input  logic [3:0]      wstrb_i,
  output logic            bvalid_o,
  input  logic            bready_i,
  output logic [1:0]      bresp_o,
  input  logic            arvalid_i,
  output logic            arready_o,
  input  logic [AW-1:0]   araddr_i,
  output logic            rvalid_o,
  input  logic            rready_i,
  output logic [31:0]     rdata_o,
  output logic [1:0]      rresp_o,

  output logic [N-1:0]    m_awvalid_o,
  input  logic [N-1:0]    m_awready_i,
  output logic [11:0]     m_awaddr_o,   // to all windows
  output logic [N-1:0]    m_wvalid_o,
  input  logic [N-1:0]    m_wready_i,
  output logic [31:0]     m_wdata_o,
  output logic [3:0]      m_wstrb_o,
  input  logic [N-1:0]    m_bvalid_i,
  output logic [N-1:0]    m_bready_o,
  output logic [N-1:0]    m_arvalid_o,
  input  logic [N-1:0]    m_arready_i,
  output logic [11:0]     m_araddr_o,
  input  logic [N-1:0]    m_rvalid_i,
  output logic [N-1:0]    m_rready_o,
  input  logic [N*32-1:0] m_rdata_i
);
  if (N < 1 || N > 16) begin : g_illegal
    $error("vb_axil_split: N must be 1..16");
  end

  // ---- writes: collect both halves, offer each until it is taken, wait for the response, hand it on
  logic aw_q, w_q, aw_sent_q, w_sent_q, b_q;
  logic [AW-1:0] awaddr_q;
  logic [31:0] wdata_q;
  logic [3:0] wstrb_q, wsel;
  logic wgo, whit, answered;
  assign wsel = awaddr_q[15:12];
  assign whit = 32'(wsel) < N;
  assign wgo = aw_q && w_q && !b_q;
  assign awready_o = !aw_q;
  assign wready_o = !w_q;
  assign bvalid_o = b_q;
  assign bresp_o = 2'b00;
  assign m_awaddr_o = awaddr_q[11:0];
  assign m_wdata_o = wdata_q;
  assign m_wstrb_o = wstrb_q;
  assign answered = wgo && (!whit || |(m_bvalid_i & m_bready_o));
  for (genvar n = 0; n < N; n++) begin : g_write
    assign m_awvalid_o[n] = wgo && wsel == 4'(n) && !aw_sent_q;
    assign m_wvalid_o[n] = wgo && wsel == 4'(n) && !w_sent_q;
    assign m_bready_o[n] = wgo && wsel == 4'(n) && aw_sent_q && w_sent_q;
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      aw_q <= 1'b0;
      w_q <= 1'b0;
      b_q <= 1'b0;
      aw_sent_q <= 1'b0;
      w_sent_q <= 1'b0;
    end else begin
      if (awvalid_i && awready_o) aw_q <= 1'b1;
      else if (b_q && bready_i) aw_q <= 1'b0;
      if (wvalid_i && wready_o) w_q <= 1'b1;
      else if (b_q && bready_i) w_q <= 1'b0;
      if (answered) b_q <= 1'b1;
      else if (bready_i) b_q <= 1'b0;
      if (answered) aw_sent_q <= 1'b0;
      else if (|(m_awvalid_o & m_awready_i)) aw_sent_q <= 1'b1;
      if (answered) w_sent_q <= 1'b0;
      else if (|(m_wvalid_o & m_wready_i)) w_sent_q <= 1'b1;
    end
    if (awvalid_i && awready_o) awaddr_q <= awaddr_i;
    if (wvalid_i && wready_o) begin
      wdata_q <= wdata_i;
      wstrb_q <= wstrb_i;
    end
  end

  // ---- reads
  logic ar_q, ar_sent_q, r_q, rhit, rgo, got;
  logic [AW-1:0] araddr_q;
  logic [31:0] rdata_q, rdata_d;
  logic [3:0] rsel;
  assign rsel = araddr_q[15:12];
  assign rhit = 32'(rsel) < N;
  assign rgo = ar_q && !r_q;
  assign arready_o = !ar_q;
  assign rvalid_o = r_q;
  assign rdata_o = rdata_q;
  assign rresp_o = 2'b00;
  assign m_araddr_o = araddr_q[11:0];
  assign got = rgo && (!rhit || |(m_rvalid_i & m_rready_o));
  for (genvar n = 0; n < N; n++) begin : g_read
    assign m_arvalid_o[n] = rgo && rsel == 4'(n) && !ar_sent_q;
    assign m_rready_o[n] = rgo && rsel == 4'(n) && ar_sent_q;
  end
  always_comb begin
    rdata_d = '0;
    for (int n = 0; n < N; n++) if (rsel == 4'(n)) rdata_d = m_rdata_i[n*32 +: 32];
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      ar_q <= 1'b0;
      ar_sent_q <= 1'b0;
      r_q <= 1'b0;
    end else begin
      if (arvalid_i && arready_o) ar_q <= 1'b1;
      else if (r_q && rready_i) ar_q <= 1'b0;
      if (got) ar_sent_q <= 1'b0;
      else if (|(m_arvalid_o & m_arready_i)) ar_sent_q <= 1'b1;
      if (got) r_q <= 1'b1;
      else if (rready_i) r_q <= 1'b0;
    end
    if (arvalid_i && arready_o) araddr_q <= araddr_i;
    if (got) rdata_q <= rdata_d;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_b_wanted: assert ((m_bvalid_i & ~m_bready_o) == '0 || (wgo && whit));
      a_r_wanted: assert ((m_rvalid_i & ~m_rready_o) == '0 || (rgo && rhit));
    end
  end
endmodule
