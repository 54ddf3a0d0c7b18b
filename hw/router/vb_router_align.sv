// SPDX-License-Identifier: Apache-2.0

// Sum of the selected sigmoids of one token after another: 32-bit integers aligned to the largest exponent,
// rounded half to even, so that the order of the sum does not matter. k + 4 cycles a token, in banks' order.
module vb_router_align (
  input  logic         clk_i,
  input  logic         rst_i,
  input  logic [4:0]   k_i,       // job constant
  input  logic         ready_i,   // one more bank is complete
  input  logic         skip_i,    // the same in a job whose sums are not needed: banks go on from job to job
  output logic [1:0]   bank_o,    // the weight that is read, and the largest exponent field of its bank
  output logic [3:0]   slot_o,
  input  logic [31:0]  w_i,
  input  logic [7:0]   top_i,
  output logic         ready_o,   // the sum of one more bank is complete
  output logic         busy_o,
  input  logic [1:0]   sum_bank_i,
  output logic [47:0]  sum_o
);
  logic [2:0] wait_q;
  logic run_q, start, last;
  logic [1:0] bank_q;
  logic [3:0] slot_q;
  assign start = !run_q && wait_q != 3'd0;
  assign last = 5'(slot_q) + 5'd1 == k_i;
  assign bank_o = bank_q;
  assign slot_o = slot_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      wait_q <= 3'd0;
      run_q <= 1'b0;
      bank_q <= 2'd0;
    end else begin
      wait_q <= wait_q + 3'(ready_i) - 3'(start);
      if (start) run_q <= 1'b1;
      else if (last) run_q <= 1'b0;
      if ((run_q && last) || skip_i) bank_q <= bank_q + 2'd1;
    end
    slot_q <= run_q ? slot_q + 4'd1 : 4'd0;
  end

  // 1: mantissa over 2^8 and its distance; 2: rounded; 3: added
  logic [2:0] v_q, last_q;
  logic first1_q, first2_q;
  logic [5:0] bank_pipe_q;
  logic [31:0] m1_q, a2_q;
  logic [5:0] d1_q;
  logic [47:0] acc_q;
  logic [4*48-1:0] sum_q;
  always_ff @(posedge clk_i) begin
    v_q <= rst_i ? '0 : {v_q[1:0], run_q};
    if (run_q || v_q != '0) begin
      last_q <= {last_q[1:0], last};
      bank_pipe_q <= {bank_pipe_q[3:0], bank_q};
    end
    if (run_q) begin : b_distance
      logic [7:0] d;
      d = top_i - w_i[30:23];
      m1_q <= w_i[30:29] == '0 ? '0 : {1'b1, w_i[22:0], 8'd0};  // a carrier value's exponent field is 0, or at least 65
      d1_q <= d > 8'd33 ? 6'd33 : d[5:0];  // from 33 on less than one half
      first1_q <= slot_q == 4'd0;
    end
    if (v_q[0]) begin : b_round
      logic [32:0] x;                // one bit below the unit
      logic up, sticky;
      x = {m1_q, 1'b0} >> d1_q;
      sticky = 1'b0;                 // bits below that, found beside the shift
      for (int i = 8; i < 32; i++) if (m1_q[i] && 6'(i) + 6'd1 < d1_q) sticky = 1'b1;
      up = x[0] && (x[1] || sticky);
      a2_q <= x[32:1] + 32'(up);
      first2_q <= first1_q;
    end
    if (v_q[1]) acc_q <= (first2_q ? 48'd0 : acc_q) + 48'(a2_q);
    for (int b = 0; b < 4; b++) if (v_q[2] && last_q[2] && bank_pipe_q[5:4] == 2'(b)) sum_q[b*48 +: 48] <= acc_q;
    ready_o <= v_q[2] && last_q[2] && !rst_i;
  end
  assign busy_o = run_q || wait_q != 3'd0 || v_q != '0 || ready_o;
  assign sum_o = sum_q[sum_bank_i*48 +: 48];

  logic unused_sign;  // a sigmoid is positive
  assign unused_sign = w_i[31];

  always_ff @(posedge clk_i) begin
    if (!rst_i) begin
      a_top: assert (!run_q || w_i[30:23] <= top_i);
      a_wait: assert (wait_q <= 3'd4);
    end
  end
endmodule
