// SPDX-License-Identifier: Apache-2.0
//
// The Verilated attention unit, a control-port driver and a memory agent with seeded latency and back-pressure.
#ifndef VB_TESTS_HW_ATTENTION_DUT_H
#define VB_TESTS_HW_ATTENTION_DUT_H
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#ifndef VB_MODEL
#define VB_MODEL NoModel // jobs alone, without a unit
#endif
class VB_MODEL;
class VerilatedContext;

// How the memory answers. Percentages are the share of cycles in which the channel refuses.
struct MemoryTiming {
  unsigned latency = 30, jitter = 0, open_reads = 16;
  unsigned stall_ar = 0, stall_r = 0, stall_aw = 0, stall_w = 0, stall_b = 0;
  uint64_t seed = 1;
};

struct Region {
  uint64_t address, bytes;
  bool writable;
};

// A bus error to inject: at the n-th read or write burst from now on; 0 = never.
struct Fault {
  unsigned read_burst = 0, write_burst = 0;
  unsigned response = 2; // 2 SLVERR, 3 DECERR
};

struct Counters {
  uint64_t cycles, classes[9], bytes_read, bytes_written;
};

// Memory as a job sees it: bytes from `base` on, and the buffers in it.
struct Arena {
  uint64_t base = 0x40000000;
  std::vector<uint8_t> memory;
  std::vector<Region> regions;
};

class Dut : public Arena {
public:
  explicit Dut(uint64_t seed);
  ~Dut();

  MemoryTiming timing;
  Fault fault;
  bool silent = false;   // the memory answers nothing
  bool ends_idle = true; // what run() expects of ap_idle at the end

  void reset(unsigned cycles);
  void write_reg(uint32_t address, uint32_t value);
  uint32_t read_reg(uint32_t address);
  // Starts a job with these argument slots and lets it run. True when ap_done came within `limit` cycles.
  bool run(const std::vector<uint64_t> &args, uint64_t limit);
  void start(const std::vector<uint64_t> &args);
  bool wait(uint64_t limit);  // for its end
  void idle(uint64_t cycles); // just clock
  uint32_t error();
  Counters counters();

  uint64_t cycle = 0;
  std::vector<std::string> violations; // of the bus protocol or of the regions: any is a failure
  std::string failure;                 // an assertion of the RTL fired

private:
  struct Read {
    uint64_t address, ready;
    unsigned beats, done, response;
  };
  struct Write {
    uint64_t address;
    unsigned beats, done, response;
  };
  struct Response {
    uint64_t ready;
    unsigned response;
  };
  void clock();
  void drive();
  void sample();
  bool chance(unsigned percent, unsigned salt) const;
  bool allowed(uint64_t address, uint64_t bytes, bool write) const;
  void violation(const std::string &text);

  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<VB_MODEL> top_;
  std::deque<Read> reads_;
  std::deque<Write> writes_;
  std::deque<Response> responses_;
  unsigned reads_seen_ = 0, writes_seen_ = 0;
  bool ar_held_ = false, aw_held_ = false, w_held_ = false;
  uint64_t ar_addr_ = 0, aw_addr_ = 0;
  bool in_reset_ = false;
};
#endif
