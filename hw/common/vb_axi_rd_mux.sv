// SPDX-License-Identifier: Apache-2.0

// N read masters on one AR/R pair. Requester n must use id n (vb_axi_rd #(.ID(n))): the id routes the
// beats back. AR: round robin, one address a cycle, one register. R: wires only, which works because
// vb_axi_rd always has rready = 1. Vectors hold requester n at [n*W +: W].
module vb_axi_rd_mux #(
  parameter int unsigned N = 2,
  parameter int unsigned IDW = 4,
  localparam int unsigned AW = vb_pkg::AddrW,
  localparam int unsigned SW = N > 1 ? $clog2(N) : 1
) (
  input  logic            clk_i,
  input  logic            rst_i,
  input  logic [N-1:0]    arvalid_i,
  output logic [N-1:0]    arready_o,
  input  logic [N*AW-1:0] araddr_i,
  input  logic [N*8-1:0]  arlen_i,
  output logic [N-1:0]    rvalid_o,   // rdata, rresp, rlast and rid go to all requesters

  output logic            arvalid_o,
  input  logic            arready_i,
  output logic [IDW-1:0]  arid_o,
  output logic [AW-1:0]   araddr_o,
  output logic [7:0]      arlen_o,
  input  logic            rvalid_i,
  input  logic [IDW-1:0]  rid_i
);
  if (N < 1 || N > (1 << IDW)) begin : g_illegal
    $error("vb_axi_rd_mux: N must be 1..2^IDW");
  end

  logic [SW-1:0] last_q, pick;
  logic any, load;

  // The first valid requester after the one served last.
  always_comb begin
    pick = last_q;
    any = 1'b0;
    for (int i = N; i >= 1; i--) begin
      if (arvalid_i[(32'(last_q) + i) % N]) begin
        pick = SW'((32'(last_q) + i) % N);
        any = 1'b1;
      end
    end
  end
  assign load = any && (!arvalid_o || arready_i);

  logic arvalid_q;
  logic [IDW-1:0] arid_q;
  logic [AW-1:0] araddr_q;
  logic [7:0] arlen_q;
  assign arvalid_o = arvalid_q;
  assign arid_o = arid_q;
  assign araddr_o = araddr_q;
  assign arlen_o = arlen_q;

  for (genvar n = 0; n < N; n++) begin : g_port
    assign arready_o[n] = load && pick == SW'(n);
    assign rvalid_o[n] = rvalid_i && rid_i == IDW'(n);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      arvalid_q <= 1'b0;
      last_q <= '0;
    end else begin
      if (load) arvalid_q <= 1'b1;
      else if (arready_i) arvalid_q <= 1'b0;
      if (load) last_q <= pick;
    end
    if (load) begin
      arid_q <= IDW'(pick);
      araddr_q <= araddr_i[pick*AW +: AW];
      arlen_q <= arlen_i[pick*8 +: 8];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i) a_rid_known: assert (!rvalid_i || 32'(rid_i) < N);
  end
endmodule
