// SPDX-License-Identifier: Apache-2.0

// AXI4-Lite rules on a control port, for simulation: valid and payload stay until ready, and every
// response has its request. Each rule is one labelled assertion; tests/hw plants a violation of each.
module vb_axil_chk (
  input logic        clk_i,
  input logic        rst_i,
  input logic        awvalid_i,
  input logic        awready_i,
  input logic [11:0] awaddr_i,
  input logic        wvalid_i,
  input logic        wready_i,
  input logic [31:0] wdata_i,
  input logic [3:0]  wstrb_i,
  input logic        bvalid_i,
  input logic        bready_i,
  input logic [1:0]  bresp_i,
  input logic        arvalid_i,
  input logic        arready_i,
  input logic [11:0] araddr_i,
  input logic        rvalid_i,
  input logic        rready_i,
  input logic [31:0] rdata_i,
  input logic [1:0]  rresp_i
);
  logic aw_q, w_q, b_q, ar_q, r_q;  // offered in the last cycle and not taken
  logic [11:0] awaddr_q, araddr_q;
  logic [35:0] wpay_q;
  logic [33:0] rpay_q;
  logic [1:0] bresp_q;
  logic [7:0] aws_q, ws_q, ars_q;   // requests without a response

  always_ff @(posedge clk_i) begin
    aw_q <= !rst_i && awvalid_i && !awready_i;
    w_q <= !rst_i && wvalid_i && !wready_i;
    b_q <= !rst_i && bvalid_i && !bready_i;
    ar_q <= !rst_i && arvalid_i && !arready_i;
    r_q <= !rst_i && rvalid_i && !rready_i;
    awaddr_q <= awaddr_i;
    araddr_q <= araddr_i;
    wpay_q <= {wstrb_i, wdata_i};
    rpay_q <= {rresp_i, rdata_i};
    bresp_q <= bresp_i;
    if (rst_i) begin
      aws_q <= '0;
      ws_q <= '0;
      ars_q <= '0;
    end else begin
      aws_q <= aws_q + 8'(awvalid_i && awready_i) - 8'(bvalid_i && bready_i);
      ws_q <= ws_q + 8'(wvalid_i && wready_i) - 8'(bvalid_i && bready_i);
      ars_q <= ars_q + 8'(arvalid_i && arready_i) - 8'(rvalid_i && rready_i);
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_aw_stable: assert (!aw_q || (awvalid_i && awaddr_i == awaddr_q));
      a_w_stable: assert (!w_q || (wvalid_i && {wstrb_i, wdata_i} == wpay_q));
      a_b_stable: assert (!b_q || (bvalid_i && bresp_i == bresp_q));
      a_ar_stable: assert (!ar_q || (arvalid_i && araddr_i == araddr_q));
      a_r_stable: assert (!r_q || (rvalid_i && {rresp_i, rdata_i} == rpay_q));
      a_b_asked: assert (!bvalid_i || (aws_q != 0 && ws_q != 0));
      a_r_asked: assert (!rvalid_i || ars_q != 0);
    end
  end
endmodule
