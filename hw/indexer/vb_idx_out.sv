// SPDX-License-Identifier: Apache-2.0
//
// Output queue: beats wait for their descriptor, which is made here from the job: per token the list and then its
// count, or the scores. A descriptor covers up to 16 beats and is offered when all of them are queued, so that a write
// burst never waits for the unit in the middle.
module vb_idx_out #(
  parameter int DW = 256,
  localparam int AW   = vb_pkg::AddrW,
  localparam int LW   = vb_pkg::LenW,
  localparam int LGB  = $clog2(DW / 8),
  localparam int DEPTH = vb_idx_pkg::OutDepth,
  localparam int FW   = $clog2(DEPTH)
) (
  input  logic                              clk_i,
  input  logic                              rst_i,
  input  logic                              start_i,    ///< pulse: the job begins
  input  logic                              stop_i,     ///< level: no more descriptors (error)
  input  logic [vb_idx_pkg::NumArgs*64-1:0] args_i,
  input  logic [20:0]                       n_first_i,  ///< keys of the first token
  output logic                              place_o,    ///< a beat may be reserved
  input  logic                              reserve_i,
  input  logic                              push_i,     ///< for a place that was reserved before
  input  logic [DW-1:0]                     push_data_i,
  output logic                              cmd_valid_o,
  input  logic                              cmd_ready_i,
  output logic [AW-1:0]                     cmd_addr_o,
  output logic [LW-1:0]                     cmd_bytes_o,
  output logic                              beat_valid_o,
  input  logic                              beat_ready_i,
  output logic [DW-1:0]                     beat_data_o,
  output logic                              open_o,     ///< beats of a descriptor are owed
  output logic                              done_o      ///< every descriptor of the job was taken, nothing is owed
);
  localparam int CHUNK = 16;
  localparam int P = DW / 32, LGP = $clog2(P);
  logic scores, run_q;
  logic [11:0] topk;
  assign scores = args_i[64*vb_idx_pkg::ArgMode +: 2] == vb_idx_pkg::ModeScores;
  assign topk   = args_i[64*vb_idx_pkg::ArgTopk +: 12];

  logic walk_done, walk_some, next;
  logic [20:0] n;
  vb_idx_walk u_walk (
    .clk_i, .job_i(start_i), .next_i(next), .args_i, .n_first_i, .done_o(walk_done), .some_o(walk_some), .n_o(n));

  // ---- places
  logic [FW:0] free_q, count, owed_q;
  logic place_q, pop, empty, full;
  assign place_o = place_q;
  assign pop     = beat_valid_o && beat_ready_i;
  always_ff @(posedge clk_i) begin
    if (rst_i || start_i) begin
      free_q  <= (FW+1)'(DEPTH);
      place_q <= 1'b1;
    end else begin
      free_q  <= free_q - (FW+1)'(reserve_i) + (FW+1)'(pop);
      place_q <= pop || free_q[FW:1] != '0 || (free_q[0] && !reserve_i);  // free_q != 0
    end
  end
  vb_fifo #(.W(DW), .DEPTH(DEPTH)) u_fifo (
    .clk_i, .rst_i, .push_i, .data_i(push_data_i), .full_o(full), .pop_i(pop), .data_o(beat_data_o),
    .empty_o(empty), .count_o(count));

  // ---- stretches, cut into descriptors
  logic part_q;                       // the count of a list comes next
  logic [AW-1:0] at_q, row_q, count_at_q;
  logic [LW-1:0] left_q;              // bytes
  logic [LW-LGB-1:0] beats_q, beats_d; // and beats
  logic open_q;
  logic [FW:0] avail_q;               // queued, and in no descriptor yet
  logic [4:0] chunk_q;                // beats of the next descriptor
  logic load, take, ready;
  assign ready      = run_q && !walk_done && left_q == '0;
  assign load       = ready;
  assign next       = load && (scores || part_q);
  assign cmd_bytes_o = (left_q < LW'(CHUNK * DW/8)) ? left_q : LW'(CHUNK * DW/8);
  assign cmd_addr_o  = at_q;
  assign cmd_valid_o = left_q != '0 && avail_q >= (FW+1)'(chunk_q) && !stop_i;
  assign take        = cmd_valid_o && cmd_ready_i;
  assign beat_valid_o = open_q;
  assign open_o      = open_q;
  assign done_o      = (!run_q || walk_done) && left_q == '0 && !open_q;

  always_comb begin
    if (!load)       beats_d = beats_q - (LW-LGB)'(chunk_q);
    else if (part_q) beats_d = (LW-LGB)'(1);
    else             beats_d = (LW-LGB)'(((scores ? n : 21'(topk)) + 21'(P - 1)) >> LGP);
  end
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      run_q   <= 1'b0;
      left_q  <= '0;
      owed_q  <= '0;
      open_q  <= 1'b0;
      avail_q <= '0;
    end else begin
      if (start_i) run_q <= 1'b1;
      else if (run_q && walk_done && left_q == '0) run_q <= 1'b0;
      if (load) left_q <= scores ? LW'(n) << 2 : part_q ? LW'(4) : LW'(topk) << 2;
      else if (take) left_q <= left_q - cmd_bytes_o;
      // ready comes late: both sums are made before it
      owed_q  <= take ? owed_q + (FW+1)'(chunk_q) - (FW+1)'(pop) : owed_q - (FW+1)'(pop);
      open_q  <= take || owed_q[FW:1] != '0 || (owed_q[0] && !pop);  // owed_q != 0
      avail_q <= take ? avail_q - (FW+1)'(chunk_q) + (FW+1)'(push_i) : avail_q + (FW+1)'(push_i);
    end

    if (start_i) begin
      part_q     <= 1'b0;
      count_at_q <= args_i[64*vb_idx_pkg::ArgCount +: AW];
      row_q      <= scores ? args_i[64*vb_idx_pkg::ArgScore +: AW] : args_i[64*vb_idx_pkg::ArgList +: AW];
    end else if (load) begin
      part_q <= !scores && !part_q;
      if (part_q) count_at_q <= count_at_q + AW'(4);
      if (next) row_q <= row_q + (scores ? AW'(args_i[64*vb_idx_pkg::ArgScoreStride +: 32])
                                         : AW'(args_i[64*vb_idx_pkg::ArgListStride +: 32]));
    end
    if (load || take) begin
      beats_q <= beats_d;
      chunk_q <= (beats_d < (LW-LGB)'(CHUNK)) ? beats_d[4:0] : 5'(CHUNK);
    end
    if (load) at_q <= part_q ? count_at_q : row_q;
    else if (take) at_q <= at_q + AW'(cmd_bytes_o);
  end

  logic unused_out;
  assign unused_out = ^{args_i, walk_some, full, empty};
  always_ff @(posedge clk_i) if (!rst_i) begin
    a_place: assert (!reserve_i || place_o);
    a_owed:  assert (owed_q <= count);
    a_free:  assert (32'(free_q) <= DEPTH);
  end
endmodule
