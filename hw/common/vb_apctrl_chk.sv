// SPDX-License-Identifier: Apache-2.0

// ap_ctrl_hs as software sees it: what reads of register 0 may say, and that a unit without a job
// leaves the bus alone. A job is wanted from the write of ap_start until a read says idle and not
// started. Each rule is one labelled assertion; tests/hw plants a violation of each.
module vb_apctrl_chk (
  input logic        clk_i,
  input logic        rst_i,
  input logic        aw_i,        // handshakes of the control port
  input logic [11:0] awaddr_i,
  input logic        w_i,
  input logic [31:0] wdata_i,
  input logic        ar_i,
  input logic [11:0] araddr_i,
  input logic        r_i,
  input logic [31:0] rdata_i,
  input logic        bus_i        // the master offers an address or data
);
  logic aw_q, w_q, start_w_q, start_a_q, job_q, rd_q;
  logic aw_now, w_now, start;
  assign aw_now = aw_q || aw_i;
  assign w_now = w_q || w_i;
  assign start = aw_now && w_now && (aw_i ? awaddr_i[11:2] == '0 : start_a_q) && (w_i ? wdata_i[0] : start_w_q);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      aw_q <= 1'b0;
      w_q <= 1'b0;
      job_q <= 1'b0;
      rd_q <= 1'b0;
    end else begin
      aw_q <= aw_now && !w_now;
      w_q <= w_now && !aw_now;
      if (start) job_q <= 1'b1;
      else if (r_i && rd_q && rdata_i[2] && !rdata_i[0]) job_q <= 1'b0;
      if (ar_i) rd_q <= araddr_i[11:2] == '0;
      else if (r_i) rd_q <= 1'b0;
    end
    if (aw_i) start_a_q <= awaddr_i[11:2] == '0;
    if (w_i) start_w_q <= wdata_i[0];
  end

  logic answer;
  assign answer = r_i && rd_q;
  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_reserved_zero: assert (!answer || rdata_i[31:4] == '0);
      a_done_with_ready: assert (!answer || rdata_i[1] == rdata_i[3]);
      a_idle_without_job: assert (!answer || job_q || (rdata_i[2] && !rdata_i[0]));
      a_quiet_without_job: assert (!bus_i || job_q);
    end
  end

  logic unused_bits;  // only bit 0 of the data and the word address matter
  assign unused_bits = ^{awaddr_i[1:0], wdata_i[31:1], araddr_i[1:0]};
endmodule
