// SPDX-License-Identifier: Apache-2.0

// Registers of the shell, read-only (hw/regs/common.json, shell): which units interrupt, what was built, and how much the
// shared memory port did since reset.
module vb_top_regs #(
  parameter int unsigned UNITS = 3
) (
  input  logic             clk_i,
  input  logic             rst_i,
  input  logic             awvalid_i,
  output logic             awready_o,
  input  logic             wvalid_i,
  output logic             wready_o,
  output logic             bvalid_o,
  input  logic             bready_i,
  input  logic             arvalid_i,
  output logic             arready_o,
  input  logic [11:0]      araddr_i,
  output logic             rvalid_o,
  input  logic             rready_i,
  output logic [31:0]      rdata_o,
  input  logic [UNITS-1:0] irq_i,
  input  logic             read_i,   // a beat was read, written
  input  logic             write_i,
  input  logic             held_i    // an address of a unit waits: for another unit, or for the memory
);
  logic [63:0] cycles_q, read_q, write_q, held_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      cycles_q <= '0;
      read_q <= '0;
      write_q <= '0;
      held_q <= '0;
    end else begin
      cycles_q <= cycles_q + 64'd1;
      if (read_i) read_q <= read_q + 64'd1;
      if (write_i) write_q <= write_q + 64'd1;
      if (held_i) held_q <= held_q + 64'd1;
    end
  end

  // Writes are answered and ignored.
  logic aw_q, w_q, rvalid_q;
  logic [31:0] rdata_q;
  assign awready_o = !aw_q;
  assign wready_o = !w_q;
  assign bvalid_o = aw_q && w_q;
  assign arready_o = !rvalid_q;
  assign rvalid_o = rvalid_q;
  assign rdata_o = rdata_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      aw_q <= 1'b0;
      w_q <= 1'b0;
      rvalid_q <= 1'b0;
    end else begin
      if (awvalid_i && awready_o) aw_q <= 1'b1;
      else if (bvalid_o && bready_i) aw_q <= 1'b0;
      if (wvalid_i && wready_o) w_q <= 1'b1;
      else if (bvalid_o && bready_i) w_q <= 1'b0;
      if (arvalid_i && arready_o) rvalid_q <= 1'b1;
      else if (rready_i) rvalid_q <= 1'b0;
    end
    if (arvalid_i && arready_o) begin
      case (32'(araddr_i[11:2]))
        vb_pkg::ShellIrq: rdata_q <= 32'(irq_i);
        vb_pkg::ShellUnits: rdata_q <= UNITS;
        vb_pkg::ShellConfig: rdata_q <= vb_cfg_pkg::Word;
        vb_pkg::ShellTables: rdata_q <= vb_tables_pkg::TABLES_HASH;
        vb_pkg::ShellCycles: rdata_q <= cycles_q[31:0];
        vb_pkg::ShellCycles + 1: rdata_q <= cycles_q[63:32];
        vb_pkg::ShellReadBeats: rdata_q <= read_q[31:0];
        vb_pkg::ShellReadBeats + 1: rdata_q <= read_q[63:32];
        vb_pkg::ShellWriteBeats: rdata_q <= write_q[31:0];
        vb_pkg::ShellWriteBeats + 1: rdata_q <= write_q[63:32];
        vb_pkg::ShellHeld: rdata_q <= held_q[31:0];
        vb_pkg::ShellHeld + 1: rdata_q <= held_q[63:32];
        default: rdata_q <= '0;
      endcase
    end
  end

  logic unused_lsb;
  assign unused_lsb = ^araddr_i[1:0];
endmodule
