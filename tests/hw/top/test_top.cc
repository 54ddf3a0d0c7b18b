// SPDX-License-Identifier: Apache-2.0
// The shell: jobs of all units at once through one control port and one memory port, every byte of the memory against the
// golden models. Faults of the memory, resets, and what the shell's own registers say.
extern "C" {
#include "../../../hw/regs/vb_regs.h"
#include "jobs.h"
#include "support/harness.h"
}
#include "Vvb_top.h"
#include "harness/coverage.h"
#include "harness/pins.h"
#include "harness/unit.h"
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#include <verilated.h>

namespace {

const char *const parts[] = {"ddr4-2400", "ddr5-4800", "hbm2e"};

struct Shell {
  VerilatedContext context;
  std::unique_ptr<Vvb_top> m;
  vb_dram *dram;
  std::unique_ptr<vb::AxiSlave> slave;
  std::vector<uint8_t> memory;
  vb_sim_config config{};
  vb::AxiOut out{};
  vb::AxiIn in{};
  uint64_t cycle = 0, write_beats = 0;

  Shell(const char *part, bool noise, uint64_t seed) : memory(tjob_memory) {
    context.threads(1);
    context.randReset(2);
    context.randSeed(static_cast<int>(seed & 0x7fffffff) | 1);
    Verilated::threadContextp(&context);
    m = std::make_unique<Vvb_top>(&context, "top");
    config.memory_base = tjob_base;
    config.memory_bytes = tjob_memory;
    dram = vb_dram_new(vb_dram_find(part), 4000, noise, seed);
    slave = std::make_unique<vb::AxiSlave>(memory.data(), config, dram, sizeof m->m_axi_gmem_rdata, noise, seed);
    m->s_axi_control_bready = m->s_axi_control_rready = 1;
    reset(4);
  }
  ~Shell() {
    vb::write_coverage(context);
    vb_dram_free(dram);
  }
  void edge() {
    m->ap_clk = 1;
    m->eval();
    m->ap_clk = 0;
    m->eval();
  }
  void reset(unsigned cycles) {
    m->s_axi_control_awvalid = m->s_axi_control_wvalid = m->s_axi_control_arvalid = 0;
    m->ap_rst_n = 0;
    m->m_axi_gmem_arready = m->m_axi_gmem_rvalid = m->m_axi_gmem_awready = m->m_axi_gmem_wready = 0;
    m->m_axi_gmem_bvalid = 0;
    for (unsigned i = 0; i < cycles; i++) edge();
    m->ap_rst_n = 1;
    slave->drop();
  }
  void begin(vb::Fault fault = {}) {
    const vb_sim_region all = {tjob_base, tjob_memory, 1, 1};
    slave->begin(&all, 1, fault);
    vb_dram_reset(dram);
    cycle = 0;
  }
  void tick() {
    vb::answer(*m, *slave, cycle++, out, in);
    write_beats += m->m_axi_gmem_wvalid && m->m_axi_gmem_wready;
    edge();
  }
  // late: cycles that the master lets an answer wait, which must stay.
  void write(uint32_t at, uint32_t data, unsigned late = 0) {
    m->s_axi_control_awaddr = static_cast<uint16_t>(at);
    m->s_axi_control_wdata = data;
    m->s_axi_control_wstrb = 15;
    m->s_axi_control_awvalid = m->s_axi_control_wvalid = 1;
    bool waits = false;
    for (int i = 0; i < 64; i++) {
      const bool aw = m->s_axi_control_awready, w = m->s_axi_control_wready, b = m->s_axi_control_bvalid;
      m->s_axi_control_bready = !late || (b && !--late);
      const bool taken = b && m->s_axi_control_bready;
      if (waits && !b) throw std::runtime_error("an answer to a write went away");
      waits = b;
      tick();
      if (aw) m->s_axi_control_awvalid = 0;
      if (w) m->s_axi_control_wvalid = 0;
      if (taken) return;
    }
    throw std::runtime_error("no answer to a write");
  }
  uint32_t read(uint32_t at, unsigned late = 0) {
    m->s_axi_control_araddr = static_cast<uint16_t>(at);
    m->s_axi_control_arvalid = 1;
    bool waits = false;
    uint32_t before = 0;
    for (int i = 0; i < 64; i++) {
      const bool ar = m->s_axi_control_arready, r = m->s_axi_control_rvalid;
      const uint32_t data = m->s_axi_control_rdata;
      m->s_axi_control_rready = !late || (r && !--late);
      const bool taken = r && m->s_axi_control_rready;
      if (waits && !(r && data == before)) throw std::runtime_error("an answer to a read changed");
      waits = r;
      before = data;
      tick();
      if (ar) m->s_axi_control_arvalid = 0;
      if (taken) return data;
    }
    throw std::runtime_error("no answer to a read");
  }
  uint32_t reg(uint32_t window, uint32_t offset) { return read(window * VB_HW_WINDOW_BYTES + offset); }
  uint64_t stat64(uint32_t window, uint32_t word) {
    const uint64_t low = reg(window, VB_HW_REG_STATUS + 4 * word);
    return low | uint64_t{reg(window, VB_HW_REG_STATUS + 4 * (word + 1))} << 32;
  }
  uint64_t shell64(uint32_t word) {
    const uint64_t low = reg(VB_HW_WINDOW_SHELL, 4 * word);
    return low | uint64_t{reg(VB_HW_WINDOW_SHELL, 4 * (word + 1))} << 32;
  }
  void start(const tjob &j, uint64_t limit) {
    const uint32_t base = j.window * VB_HW_WINDOW_BYTES;
    for (uint32_t a = 0; a < j.num_args; a++)
      for (uint32_t half = 0; half < 2; half++)
        write(base + VB_HW_REG_ARGS + VB_HW_REG_STRIDE * a + 4 * half, static_cast<uint32_t>(j.args[a] >> 32 * half));
    for (uint32_t half = 0; half < 2; half++)
      write(base + VB_HW_REG_STATUS + 4 * (VB_HW_STAT_WATCHDOG + half), static_cast<uint32_t>(limit >> 32 * half));
    write(base + VB_HW_REG_IER, 1);
    write(base + VB_HW_REG_GIE, 1);
    write(base + VB_HW_REG_CTRL, 1);
  }
};

// What a job left in its unit's status words.
struct Outcome {
  uint32_t error = 0;
  bool idle = false;
  uint64_t cycles = 0, read = 0, written = 0, first = 0, last = 0; // cycles of the shell: started, seen to be done
};

// All jobs, in order within a unit; units at once. Ends when all are done, or after `most` cycles.
std::vector<Outcome> run(Shell &s, std::vector<tjob> &jobs, uint64_t limit, uint64_t most) {
  std::vector<Outcome> outcome(jobs.size());
  int running[TJOB_UNITS];
  size_t next[TJOB_UNITS], open = jobs.size();
  for (uint32_t u = 0; u < TJOB_UNITS; u++) running[u] = -1, next[u] = 0;
  while (open && s.cycle < most) {
    for (uint32_t u = 0; u < TJOB_UNITS; u++) {
      if (running[u] >= 0) continue;
      while (next[u] < jobs.size() && jobs[next[u]].window != u) next[u]++;
      if (next[u] == jobs.size()) continue;
      running[u] = static_cast<int>(next[u]++);
      s.start(jobs[static_cast<size_t>(running[u])], limit);
      outcome[static_cast<size_t>(running[u])].first = s.cycle;
    }
    while (!vb::irq(*s.m, 0) && s.cycle < most) s.tick();
    const uint32_t irq = s.reg(VB_HW_WINDOW_SHELL, 4 * VB_HW_SHELL_IRQ);
    for (uint32_t u = 0; u < TJOB_UNITS; u++) {
      if (!(irq >> u & 1)) continue;
      if (!VB_CHECK(running[u] >= 0, "window %u interrupts without a job", u)) return outcome;
      Outcome &o = outcome[static_cast<size_t>(running[u])];
      s.write(u * VB_HW_WINDOW_BYTES + VB_HW_REG_ISR, 1);
      const uint32_t ctrl = s.reg(u, VB_HW_REG_CTRL);
      VB_CHECK((ctrl & 0xa) == 0xa, "window %u: control 0x%x with an interrupt", u, ctrl);
      o.idle = ctrl >> 2 & 1;
      o.error = s.reg(u, VB_HW_REG_STATUS + 4 * VB_HW_STAT_ERROR);
      o.cycles = s.stat64(u, VB_HW_STAT_CYCLES);
      o.read = s.stat64(u, VB_HW_STAT_READ);
      o.written = s.stat64(u, VB_HW_STAT_WRITE);
      o.last = s.cycle;
      uint64_t sum = 0;
      for (uint32_t c = 0; c < VB_HW_NUM_CLASSES; c++) sum += s.stat64(u, VB_HW_STAT_BUSY + 2 * c);
      CU_ASSERT_EQUAL(sum, o.cycles);
      running[u] = -1;
      open--;
    }
  }
  VB_CHECK(open == 0, "%zu jobs are not done after %llu cycles", open, static_cast<unsigned long long>(s.cycle));
  return outcome;
}

// Jobs for all units, up to `each` a unit, side by side in the memory. `want` is the memory that they are to leave.
std::vector<tjob> make(struct vb_rng *r, uint32_t each, uint32_t size, std::vector<uint8_t> &memory,
                       std::vector<uint8_t> &want) {
  std::vector<tjob> jobs;
  memory.assign(tjob_memory, 0);
  for (uint32_t u = 0; u < TJOB_UNITS; u++)
    for (uint32_t i = 0; i < each; i++) {
      tjob j{};
      if (tjob_make(&j, r, u, static_cast<uint32_t>(jobs.size()), size, memory.data())) jobs.push_back(j);
    }
  want = memory;
  for (tjob &j : jobs) j.error = tjob_golden(&j, want.data());
  return jobs;
}

// Every byte of the memory; counted are the words that were written.
void compare(const Shell &s, const std::vector<uint8_t> &want, uint64_t written) {
  size_t i = 0;
  while (i < want.size() && want[i] == s.memory[i]) i++;
  VB_CHECK(i == want.size(), "the memory differs first at 0x%llx: 0x%02x, not 0x%02x",
           static_cast<unsigned long long>(tjob_base + i), s.memory[i % want.size()], want[i % want.size()]);
  vb_test_compared("shell", written / 4);
}

void all_units_at_once() {
  struct vb_rng r = vb_test_rng();
  uint64_t overlapped = 0, total = 0;
  for (uint64_t round = 0; round < vb_test_count(12, 400); round++) {
    std::vector<uint8_t> want;
    Shell s(parts[round % 3], round % 2, vb_rng_next(&r));
    std::vector<tjob> jobs = make(&r, 3, 20, s.memory, want);
    s.begin();
    const std::vector<Outcome> outcome = run(s, jobs, 0, 20000000);
    uint64_t read = 0, written = 0, latest[TJOB_UNITS] = {0};
    for (size_t i = 0; i < jobs.size(); i++) {
      VB_CHECK(outcome[i].error == jobs[i].error && outcome[i].idle, "%s: error 0x%02x, golden 0x%02x",
               tjob_name(jobs[i].window), outcome[i].error, jobs[i].error);
      read += outcome[i].read;
      written += outcome[i].written;
      total++;
      for (size_t k = 0; k < jobs.size(); k++)
        if (jobs[k].window != jobs[i].window && outcome[k].first < outcome[i].last &&
            outcome[i].first < outcome[k].last) {
          overlapped++;
          break;
        }
      latest[jobs[i].window] = outcome[i].last;
    }
    compare(s, want, written);
    // Three counts of one thing: the units', the shell's, the memory's.
    CU_ASSERT_EQUAL(read, s.slave->bytes_read);
    CU_ASSERT_EQUAL(written, s.slave->bytes_written);
    CU_ASSERT_EQUAL(s.shell64(VB_HW_SHELL_READ_BEATS) * sizeof s.m->m_axi_gmem_rdata, read);
    CU_ASSERT(s.slave->quiet() && s.shell64(VB_HW_SHELL_CYCLES) >= latest[0]);
    CU_ASSERT_EQUAL(s.shell64(VB_HW_SHELL_WRITE_BEATS), s.write_beats);
    // Three units and one port: some address waits, never all the time.
    const uint64_t held = s.shell64(VB_HW_SHELL_HELD);
    CU_ASSERT(held > 0 && held < s.cycle);
  }
  VB_CHECK(overlapped * 3 > total * 2, "only %llu of %llu jobs ran beside another",
           static_cast<unsigned long long>(overlapped), static_cast<unsigned long long>(total));
}

// Reset of everything in the middle of it all; then everything again, and right.
void reset_anywhere() {
  struct vb_rng r = vb_test_rng();
  for (uint64_t round = 0; round < vb_test_count(12, 400); round++) {
    std::vector<uint8_t> want;
    Shell s(parts[round % 3], round % 2, vb_rng_next(&r));
    std::vector<tjob> jobs = make(&r, 1, 8, s.memory, want);
    const std::vector<uint8_t> before = s.memory;
    s.begin();
    for (const tjob &j : jobs) s.start(j, 0);
    for (uint64_t n = vb_rng_below(&r, 6000); n; n--) s.tick();
    s.reset(1 + static_cast<unsigned>(vb_rng_below(&r, 4)));
    s.memory = before;
    s.begin();
    uint64_t written = 0;
    for (const Outcome &o : run(s, jobs, 0, 20000000)) written += o.written;
    compare(s, want, written);
  }
}

// A memory that goes silent: every unit with an open transfer ends with the watchdog's error, and after a reset all work.
void silent_memory() {
  struct vb_rng r = vb_test_rng();
  for (uint64_t round = 0; round < vb_test_count(6, 100); round++) {
    std::vector<uint8_t> want;
    Shell s(parts[round % 3], round % 2, vb_rng_next(&r));
    std::vector<tjob> jobs = make(&r, 1, 8, s.memory, want);
    const std::vector<uint8_t> before = s.memory;
    vb::Fault f;
    f.kind = vb::Fault::kSilent;
    f.at = 800 + vb_rng_below(&r, 2000);
    s.begin(f);
    for (const Outcome &o : run(s, jobs, 60000, 400000))
      VB_CHECK(o.error == VB_HW_ERR_WATCHDOG || o.last < 20000, "error 0x%02x, seen in cycle %llu", o.error,
               static_cast<unsigned long long>(o.last));
    s.reset(2);
    s.memory = before;
    s.begin();
    uint64_t written = 0;
    for (const Outcome &o : run(s, jobs, 0, 20000000)) written += o.written;
    compare(s, want, written);
  }
}

// Every unit passes with a limit of as many cycles as its job takes, and is aborted with less; the next job needs no reset.
void watchdogs() {
  struct vb_rng r = vb_test_rng();
  for (uint64_t round = 0; round < vb_test_count(4, 100); round++) {
    for (uint32_t u = 0; u < TJOB_UNITS; u++) {
      std::vector<uint8_t> want;
      Shell s(parts[round % 3], round % 2, vb_rng_next(&r));
      std::vector<tjob> jobs = make(&r, 1, 4, s.memory, want);
      std::vector<tjob> one;
      for (const tjob &j : jobs)
        if (j.window == u) one.push_back(j);
      if (one.empty()) continue;
      const std::vector<uint8_t> before = s.memory;
      want = before;
      tjob_golden(one.data(), want.data());
      const auto with = [&](uint64_t limit) {
        s.memory = before;
        s.begin();
        return run(s, one, limit, 20000000).front();
      };
      const Outcome plain = with(0);
      if (plain.error || plain.cycles < 4) continue; // nothing that could take too long
      const Outcome enough = with(plain.cycles);
      VB_CHECK(enough.error == 0 && enough.cycles == plain.cycles, "%s: %llu cycles, then 0x%02x after %llu",
               tjob_name(u), static_cast<unsigned long long>(plain.cycles), enough.error,
               static_cast<unsigned long long>(enough.cycles));
      compare(s, want, enough.written);
      for (uint64_t limit : {plain.cycles - 1, 3 + vb_rng_below(&r, plain.cycles - 3)}) {
        const Outcome o = with(limit);
        VB_CHECK(o.error == VB_HW_ERR_WATCHDOG && o.idle, "%s: limit %llu of %llu: error 0x%02x", tjob_name(u),
                 static_cast<unsigned long long>(limit), static_cast<unsigned long long>(plain.cycles), o.error);
        const Outcome again = with(0);
        CU_ASSERT_EQUAL(again.error, 0);
        compare(s, want, again.written);
      }
    }
  }
}

// The map: unit windows do not see each other's registers, the shell's words are what they say, the rest reads 0.
void registers() {
  Shell s("ideal", false, 1);
  s.begin();
  for (uint32_t w = 0; w < TJOB_UNITS; w++) s.write(w * VB_HW_WINDOW_BYTES + VB_HW_REG_ARGS, 0x1000 + w);
  for (uint32_t w = 0; w < TJOB_UNITS; w++) {
    CU_ASSERT_EQUAL(s.reg(w, VB_HW_REG_ARGS), 0x1000 + w);
    CU_ASSERT_EQUAL(s.reg(w, VB_HW_REG_STATUS + 4 * VB_HW_STAT_CONFIG), tjob_hw.word);
    CU_ASSERT_EQUAL(s.reg(w, VB_HW_REG_CTRL), 4);
  }
  CU_ASSERT_EQUAL(s.reg(VB_HW_WINDOW_SHELL, 4 * VB_HW_SHELL_UNITS), TJOB_UNITS);
  CU_ASSERT_EQUAL(s.reg(VB_HW_WINDOW_SHELL, 4 * VB_HW_SHELL_CONFIG), tjob_hw.word);
  CU_ASSERT_EQUAL(s.reg(VB_HW_WINDOW_SHELL, 4 * VB_HW_SHELL_TABLES),
                  s.reg(0, VB_HW_REG_STATUS + 4 * VB_HW_STAT_TABLES));
  const uint64_t c = s.shell64(VB_HW_SHELL_CYCLES);
  CU_ASSERT(s.shell64(VB_HW_SHELL_CYCLES) > c);
  s.write(VB_HW_WINDOW_SHELL * VB_HW_WINDOW_BYTES + 4 * VB_HW_SHELL_UNITS, 99);
  CU_ASSERT_EQUAL(s.reg(VB_HW_WINDOW_SHELL, 4 * VB_HW_SHELL_UNITS), TJOB_UNITS);
  for (uint32_t w = VB_HW_WINDOW_SHELL + 1; w < 16; w++) {
    s.write(w * VB_HW_WINDOW_BYTES + VB_HW_REG_ARGS, 7);
    CU_ASSERT_EQUAL(s.reg(w, VB_HW_REG_ARGS), 0);
  }
  CU_ASSERT_EQUAL(s.reg(0, VB_HW_REG_ARGS), 0x1000);
  CU_ASSERT_EQUAL(s.shell64(VB_HW_SHELL_HELD), 0);
  CU_ASSERT_EQUAL(s.reg(VB_HW_WINDOW_SHELL, 0x800), 0);
  for (uint32_t value : {3u, 2u, 1u, 0u}) { // ap_done and ap_ready, on and off
    s.write(VB_HW_REG_IER, value);
    s.write(VB_HW_REG_GIE, value & 1);
    CU_ASSERT_EQUAL(s.reg(0, VB_HW_REG_IER), value);
    CU_ASSERT_EQUAL(s.reg(0, VB_HW_REG_GIE), value & 1);
    CU_ASSERT_EQUAL(s.reg(1, VB_HW_REG_IER), 0);
  }
  CU_ASSERT_EQUAL(s.reg(0, VB_HW_REG_ISR), 0);
}

// A master that is not ready for its answers.
void slow_master() {
  Shell s("ideal", false, 1);
  s.begin();
  for (uint32_t late = 2; late < 10; late++)
    for (uint32_t w = 0; w <= TJOB_UNITS; w++) {
      const uint32_t own = w < TJOB_UNITS ? uint32_t{VB_HW_REG_ARGS} : uint32_t{4 * VB_HW_SHELL_UNITS};
      const uint32_t at = w * VB_HW_WINDOW_BYTES + own, value = 0x5000 + 16 * late + w;
      s.write(at, value, late);
      CU_ASSERT_EQUAL(s.read(at, late), w < TJOB_UNITS ? value : uint32_t{TJOB_UNITS});
      CU_ASSERT(!s.m->s_axi_control_bvalid && !s.m->s_axi_control_rvalid);
    }
}

const struct vb_test tests[] = {{"registers", registers},
                                {"slow_master", slow_master},
                                {"all_units_at_once", all_units_at_once},
                                {"reset_anywhere", reset_anywhere},
                                {"watchdogs", watchdogs},
                                {"silent_memory", silent_memory},
                                {nullptr, nullptr}};

} // namespace

int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"top", tests, nullptr, nullptr}, {nullptr, nullptr, nullptr, nullptr}};
  return vb_test_main(argc, argv, suites);
}
