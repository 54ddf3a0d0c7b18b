// SPDX-License-Identifier: Apache-2.0
//
// The list entries of a chunk, on chip: written by the word as they come from memory, read one entry a cycle. The first
// word may start up to 31 bytes before the first entry; entry 0 of the chunk is entry skew_i of the stream. What is kept of
// an entry is its first key, and whether it lies beyond the largest key.
module vb_attn_list #(
  parameter int W    = 256,             ///< bits of a word: 64, 128 or 256
  parameter int NMAX = 2048,            ///< entries
  localparam int E   = W / 32,          ///< entries of a word
  localparam int LGE = $clog2(E),
  localparam int NW  = $clog2(NMAX)
) (
  input  logic          clk_i,
  input  logic          clear_i,        ///< the next word is the stream's first
  input  logic          we_i,
  input  logic [W-1:0]  word_i,
  input  logic [3:0]    lg_block_i,     ///< keys of an entry, as a power of two
  input  logic [2:0]    skew_i,
  input  logic          re_i,
  input  logic [NW-1:0] index_i,
  output logic [19:0]   key_o,          ///< the cycle after re_i
  output logic          bad_o
);
  // Words that hold no entry of the chunk are dropped. What is left is at most one word more than the memory has: the skew
  // inside the first word pushes the last entries over its end, into a register.
  localparam int DW = NW - LGE;
  localparam int KW = 21;
  (* no_rw_check *) logic [E*KW-1:0] mem [NMAX/E];  // read when written to the end
  logic [E*KW-1:0] keys, word_q, over_q;
  logic [DW+1:0] wp_q, wp;
  logic [NW:0] at;
  logic [LGE-1:0] sel_q;
  logic over_sel_q;

  assign wp = wp_q - (DW+2)'(32'(skew_i) >> LGE);
  assign at = (NW+1)'(index_i) + (NW+1)'(32'(skew_i) & 32'(E - 1));
  always_comb begin
    keys = '0;
    if (we_i)
      for (int e = 0; e < E; e++)
        keys[e*KW +: KW] = {(word_i[e*32 +: 32] >> (5'd20 - 5'(lg_block_i))) != 32'd0, 20'(word_i[e*32 +: 32] << lg_block_i)};
  end
  always_ff @(posedge clk_i) begin
    if (clear_i) wp_q <= '0;
    else if (we_i) wp_q <= wp_q + (DW+2)'(1);
    if (we_i && wp[DW+1:DW] == 2'b00) mem[wp[DW-1:0]] <= keys;
    if (we_i && wp == (DW+2)'(NMAX / E)) over_q <= keys;
    if (re_i) word_q <= mem[at[NW-1:LGE]];
    if (re_i) sel_q <= at[LGE-1:0];
    if (re_i) over_sel_q <= at[NW];
  end
  always_comb begin
    {bad_o, key_o} = '0;
    for (int e = 0; e < E; e++)
      if (sel_q == LGE'(e)) {bad_o, key_o} = over_sel_q ? over_q[e*KW +: KW] : word_q[e*KW +: KW];
  end

  logic unused_skew;
  assign unused_skew = ^skew_i;
endmodule
