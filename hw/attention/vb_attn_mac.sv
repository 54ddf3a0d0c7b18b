// SPDX-License-Identifier: Apache-2.0
//
// The multipliers of one query row, LANES of 24 x 8 bits, and what is on both sides of them. Pass one: query element times
// key element, summed over the lanes. Pass two: the row's probability p' times value element, added to one numerator per
// lane. The operand register of a lane holds one or the other, so there is one multiplier per lane and no second use of it
// in a cycle.
//
//    query memory ─┐                        ┌─ pass one: sum of the lanes ─► dot
//                  ├─► operand ─► product ──┤
//    p' ───────────┘     ▲                  └─ pass two: 64-bit numerators [NBV * SUBW][LANES] ─► num
//    key or value word ──┘
module vb_attn_mac #(
  parameter int LANES = 32,
  parameter int NBK   = 4,
  parameter int NBV   = 4,
  localparam int W    = LANES * 8,
  localparam int QW   = $clog2(NBK * (32 / LANES)),
  localparam int AW   = $clog2(NBV * (32 / LANES))
) (
  input  logic                clk_i,
  // query load
  input  logic                q_we_i,
  input  logic [QW-1:0]       q_addr_i,
  input  logic [W-1:0]        q_word_i,
  // operands
  input  logic                k_load_i,   ///< the query word at k_addr_i
  input  logic [QW-1:0]       k_addr_i,
  input  logic                p_load_i,   ///< p' into every lane
  input  logic [23:0]         p_i,
  input  logic [LANES*32-1:0] b_i,        ///< the other operand, place by place, sign-extended; in step with this row's register
  input  logic                x_valid_i,  ///< operands hold
  // results
  input  logic                dot_i,      ///< products are of pass one
  output logic signed [31:0]  dot_o,      ///< the next cycle
  input  logic                acc_i,      ///< products are of pass two
  input  logic                start_i,    ///< first key of the tile: store instead of add
  input  logic                rd_i,       ///< read numerators; never while values stream
  input  logic [AW-1:0]       addr_i,     ///< where both happen: a register, for it goes to every bit of the memory
  output logic [LANES*64-1:0] num_o       ///< the next cycle, by places
);
  // What simulators like: lanes 32 bits apart, of which only 25 and 8 mean something; lanes in an order in which neighbours
  // come from neighbouring 32-bit words; numerators in memories of 8 lanes. Place s holds lane from(s).
  localparam int GL = 8;
  function automatic int from(input int s);
    from = (s % (LANES / 4)) * 4 + s / (LANES / 4);
  endfunction
  logic [W-1:0] qmem [1 << QW];
  logic [LANES*32-1:0] a_q, prod_q;

  always_ff @(posedge clk_i) if (q_we_i) qmem[q_addr_i] <= q_word_i;

  always_ff @(posedge clk_i) begin : operand
    logic [W-1:0] word;
    word = '0;
    if (k_load_i) begin
      word = qmem[k_addr_i];
      for (int s = 0; s < LANES; s++) a_q[s*32 +: 32] <= 32'($signed(word[from(s)*8 +: 8]));
    end else if (p_load_i) begin
      for (int s = 0; s < LANES; s++) a_q[s*32 +: 32] <= {8'd0, p_i};
    end
  end

  always_ff @(posedge clk_i) if (x_valid_i) begin : multiply
    for (int s = 0; s < LANES; s++)
      prod_q[s*32 +: 32] <= 32'($signed(a_q[s*32 +: 25])) * 32'($signed(b_i[s*32 +: 8]));
  end

  always_ff @(posedge clk_i) if (dot_i) begin : dot
    logic signed [31:0] t;
    t = '0;
    for (int s = 0; s < LANES; s++) t = t + $signed(prod_q[s*32 +: 32]);
    dot_o <= t;
  end

  // 24 + 7 bits over 2^20 keys: below 2^51, so NUM bits never overflow. Of a place's 64 the others stay 0 and cost nothing.
  localparam int NUM = vb_attn_pkg::NumW;
  for (genvar g = 0; g < LANES / GL; g++) begin : g_num
    logic [GL*64-1:0] mem [NBV*(32/LANES)];
    always_ff @(posedge clk_i) if (acc_i) begin : sum
      logic [GL*64-1:0] t;
      t = start_i ? '0 : mem[addr_i];
      for (int s = 0; s < GL; s++)
        t[s*64 +: 64] = 64'(NUM'(t[s*64 +: 64] + 64'($signed(prod_q[(g*GL + s)*32 +: 32]))));
      mem[addr_i] <= t;
    end
    always_ff @(posedge clk_i) if (rd_i) begin : read
      logic [GL*64-1:0] t;
      t = mem[addr_i];
      for (int s = 0; s < GL; s++) num_o[(g*GL + s)*64 +: 64] <= 64'($signed(t[s*64 +: NUM]));
    end
  end

  logic unused_copies;
  assign unused_copies = ^{a_q, b_i};
endmodule
