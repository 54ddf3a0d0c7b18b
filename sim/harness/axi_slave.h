// SPDX-License-Identifier: Apache-2.0
//
// The memory side of one AXI4 master: bursts and responses by the rules of the bus, times by sim/dram,
// bytes in the device memory. Timing rules (README.md), so that the exact cycle model can repeat them:
//   AR  taken when fewer than kReads bursts wait; the DRAM sees it in the same cycle
//   R   in AR order, one beat a cycle, each not before the DRAM has it
//   AW  taken when fewer than kWrites bursts wait
//   W   taken after its AW; the DRAM sees the burst with its last beat
//   B   in order, one a cycle, when the DRAM has stored the burst
// A seed adds held cycles on every channel and latency in the DRAM, nothing else.
#ifndef VB_SIM_AXI_SLAVE_H
#define VB_SIM_AXI_SLAVE_H
#include "../dram/dram.h"
#include "../icd/backend.h"
#include <deque>
#include <string>
#include <vector>

namespace vb {

// What the master drives, as read from the model before a clock edge.
struct AxiOut {
  bool arvalid, rready, awvalid, wvalid, wlast, bready;
  uint32_t arid, awid, arlen, awlen, arsize, awsize;
  uint64_t araddr, awaddr;
  uint64_t wstrb;
  uint8_t wdata[64];
};

// What the slave drives into the same clock edge.
struct AxiIn {
  bool arready, rvalid, rlast, awready, wready, bvalid;
  uint32_t rid, bid, rresp, bresp;
  uint8_t rdata[64];
};

// One planted error, for the tests that prove that errors are caught (harness/README.md).
struct Fault {
  enum Kind { kNone, kRresp, kBresp, kRdata, kWdata, kRegister, kSilent, kRsilent, kBsilent } kind = kNone;
  // Beat or response number of the run; its cycle for the two data kinds and kSilent; byte offset of a register.
  uint64_t at = 0;
  uint32_t value = 0; // response code or bit number
  bool used = false;
  // "axi:slverr@N" "axi:decerr@N" "axi:bslverr@N" "axi:bdecerr@N", a memory that does not answer any more:
  // "axi:silent@CYCLE" "axi:rsilent@N" (no read beat N) "axi:bsilent@N" (no response N), "UNIT:CYCLE:BIT" "UNIT:wdata:CYCLE:BIT"
  // "UNIT:reg:OFFSET:BIT" (argument register of the unit); throws on anything else.
  static Fault parse(const std::string &text, std::string *unit);
};

class AxiSlave {
public:
  static constexpr size_t kReads = 16, kWrites = 16;

  AxiSlave(uint8_t *memory, const vb_sim_config &config, vb_dram *dram, unsigned beat_bytes, bool noise, uint64_t seed)
      : memory_(memory), config_(config), dram_(dram), beat_(beat_bytes), noise_(noise), seed_(seed) {}

  void begin(const vb_sim_region *regions, uint32_t count, Fault fault);
  // Chooses the inputs of the edge that ends `cycle`, then commits the handshakes they make with `out`.
  void step(uint64_t cycle, const AxiOut &out, AxiIn &in);
  void drop(); // reset of the master: whatever was in flight is forgotten
  bool quiet() const { return reads_.empty() && writes_.empty() && responses_.empty(); }
  std::string state() const;
  uint64_t bytes_read = 0, bytes_written = 0;
  bool denied = false;     // an access outside every region
  std::string denied_text; // the first one

private:
  struct Read {
    uint32_t id, beats, sent;
    uint64_t address;
    std::vector<uint64_t> ready;
  };
  struct Write {
    uint32_t id, beats, got;
    uint64_t address;
    bool bad;
  };
  struct Response {
    uint32_t id, code;
    uint64_t ready;
  };
  bool held(vb_port_channel channel, uint64_t cycle) const { return noise_ && vb_port_held(seed_, channel, cycle); }
  bool allowed(uint64_t first, uint64_t last, bool write);
  void deny(uint64_t address, bool write);
  void take_read(uint64_t cycle, const AxiOut &out);
  void take_beat(uint64_t cycle, const AxiOut &out);

  uint8_t *memory_;
  const vb_sim_config &config_;
  vb_dram *dram_;
  unsigned beat_;
  bool noise_;
  uint64_t seed_, cycle_ = 0;
  std::vector<vb_sim_region> regions_;
  std::deque<Read> reads_;
  std::deque<Write> writes_;
  std::deque<Response> responses_;
  uint64_t beats_ = 0, answers_ = 0, sent_ = 0; // read beats, responses made, responses given
  Fault fault_;
  bool r_up_ = false, b_up_ = false; // an offered response must stay until it is taken
  AxiIn r_held_{};
};

} // namespace vb
#endif
