// SPDX-License-Identifier: Apache-2.0
//
// Walks the tokens of a job: how many are left, and how many keys the current one sees. Reading, sequencing and
// writing walk at their own pace, each with a walker of its own, so no token numbers are passed between them.
module vb_idx_walk (
  input  logic                              clk_i,
  input  logic                              job_i,     ///< pulse: back to the first token
  input  logic                              next_i,    ///< pulse: the next token
  input  logic [vb_idx_pkg::NumArgs*64-1:0] args_i,
  input  logic [20:0]                       n_first_i, ///< keys of the first token, valid with job_i
  output logic                              done_o,    ///< no token left
  output logic                              some_o,    ///< the current token sees keys
  output logic [20:0]                       n_o        ///< how many
);
  logic [20:0] left_q;
  logic [32:0] lim_q;                                  // keys before this one are visible
  logic [31:0] begin_k, end_k;
  assign begin_k = args_i[64*vb_idx_pkg::ArgKeyBegin +: 32];
  assign end_k   = args_i[64*vb_idx_pkg::ArgKeyEnd +: 32];

  // A token sees one key more than the one before it, or as many.
  always_ff @(posedge clk_i) begin
    if (job_i) begin
      left_q <= args_i[64*vb_idx_pkg::ArgTokens +: 21];
      done_o <= args_i[64*vb_idx_pkg::ArgTokens +: 21] == 21'd0;
      lim_q  <= {1'b0, args_i[64*vb_idx_pkg::ArgFirstCount +: 32]};
      n_o    <= n_first_i;
      some_o <= n_first_i != 21'd0;
    end else if (next_i) begin
      left_q <= left_q - 21'd1;
      done_o <= left_q == 21'd1;
      lim_q  <= lim_q + 33'd1;
      if (lim_q >= {1'b0, begin_k} && lim_q < {1'b0, end_k}) begin
        n_o    <= n_o + 21'd1;
        some_o <= 1'b1;
      end
    end
  end

  logic unused_walk;
  assign unused_walk = ^args_i;
endmodule
