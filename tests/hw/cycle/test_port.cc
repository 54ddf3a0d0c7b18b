// SPDX-License-Identifier: Apache-2.0
// The AXI port of the cycle model (sim/cycle/port.h) against its RTL, beat by beat: random descriptors and consumers on
// one read master, and on three behind the multiplexer, with writes beside them.
#include "harness/axi_slave.h"
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>
#include <verilated.h>

extern "C" {
#include "cycle/port.h"
#include "support/harness.h"
}
#include "Vport1.h"
#include "Vport3.h"

namespace {

struct Descriptor {
  uint64_t at, address;
  uint32_t size;
};
struct Stream { // of a master: what it is told, how long its consumer (producer) waits after the beat before
  std::vector<Descriptor> cmd;
  std::vector<uint32_t> gap;
};
struct Case {
  vb_hw_config hw;
  const vb_dram_part *part;
  bool noise;
  uint64_t seed;
  uint32_t masters, depth, bursts;
  Stream rd[3], wr;
};
struct Times {
  std::vector<uint64_t> there[3], popped[3], taken[3], loaded, wr_taken;
  uint64_t idle = 0;
};

constexpr uint64_t kBase = 0x400000000, kBytes = 8 << 20;
constexpr uint32_t kWriteBursts = 8;

uint32_t beats_of(const Descriptor &d, uint32_t beat) {
  return static_cast<uint32_t>((d.address % beat + d.size + beat - 1) / beat);
}

Stream random_stream(vb_rng *r, uint32_t beat, bool write) {
  Stream s;
  uint64_t at = 4, total = 0;
  const uint32_t pace = static_cast<uint32_t>(vb_rng_below(r, 4)); // 0: always ready
  const uint64_t n = vb_rng_below(r, 24);
  for (uint64_t i = 0; i < n; i++) {
    Descriptor d{};
    at += vb_rng_below(r, 3) ? vb_rng_below(r, 4) : vb_rng_below(r, 200);
    d.at = at;
    d.address = kBase + vb_rng_below(r, kBytes / 2);
    const uint32_t beats = 1 + static_cast<uint32_t>(vb_rng_below(r, vb_rng_below(r, 3) ? 8 : 90));
    if (write) d.size = 1 + static_cast<uint32_t>(vb_rng_below(r, uint64_t{beats} * beat));
    else d.address -= d.address % beat, d.size = beats;
    total += write ? beats_of(d, beat) : beats;
    s.cmd.push_back(d);
  }
  for (uint64_t i = 0; i < total; i++)
    s.gap.push_back(pace && vb_rng_below(r, pace * 4) == 0 ? static_cast<uint32_t>(vb_rng_below(r, 1u << (3 * pace)))
                                                           : 0);
  return s;
}

template <class T> void put64(T &port, unsigned i, uint64_t value) {
  std::memcpy(reinterpret_cast<uint8_t *>(&port) + 8 * i, &value, 8);
}
template <class T> void put32(T &port, unsigned i, uint32_t value) {
  std::memcpy(reinterpret_cast<uint8_t *>(&port) + 4 * i, &value, 4);
}

// What the RTL does, cycle by cycle, with the harness's memory behind it.
template <class V> Times run_rtl(const Case &c, uint8_t *memory) {
  Times t;
  const uint32_t beat = c.hw.axi_data_bits / 8;
  VerilatedContext context;
  V m{&context};
  std::unique_ptr<vb_dram, void (*)(vb_dram *)> dram(
      vb_dram_new(c.part, c.hw.clock_period_ps, c.noise, c.noise ? c.seed : 1), vb_dram_free);
  vb_sim_config config{};
  config.memory_base = kBase;
  vb_sim_region all = {kBase, kBytes, 1, 1};
  vb::AxiSlave slave(memory, config, dram.get(), beat, c.noise, c.seed);
  slave.begin(&all, 1, {});
  auto edge = [&] {
    m.clk_i = 1;
    m.eval();
    m.clk_i = 0;
    m.eval();
  };
  m.rst_i = 1;
  m.cmd_valid_i = 0, m.out_ready_i = 0, m.wcmd_valid_i = m.win_valid_i = 0;
  m.arready_i = m.rvalid_i = m.awready_i = m.wready_i = m.bvalid_i = 0;
  for (int i = 0; i < 4; i++) edge();
  m.rst_i = 0;

  vb::AxiOut out{};
  vb::AxiIn in{};
  size_t cmds[3] = {}, seen[3] = {}, wcmd = 0, wbeat = 0;
  uint64_t next_data = 0;
  for (uint64_t cycle = 0; cycle < 4000000; cycle++) {
    uint32_t valid = 0, ready = 0;
    bool done = wcmd == c.wr.cmd.size() && wbeat == c.wr.gap.size();
    for (uint32_t n = 0; n < c.masters; n++) {
      const auto &s = c.rd[n];
      done = done && t.popped[n].size() == s.gap.size();
      if (cmds[n] < s.cmd.size() && s.cmd[cmds[n]].at <= cycle) {
        valid |= 1u << n;
        put64(m.cmd_addr_i, n, s.cmd[cmds[n]].address);
        put32(m.cmd_beats_i, n, s.cmd[cmds[n]].size);
      }
      const size_t i = t.popped[n].size();
      if ((m.out_valid_o >> n & 1) && seen[n] == i) t.there[n].push_back(cycle), seen[n]++;
      if (i < s.gap.size() && (i == 0 || cycle > t.popped[n][i - 1] + s.gap[i])) ready |= 1u << n;
    }
    if (!m.wr_idle_o) t.idle = cycle + 1;
    if (done && m.wr_idle_o) return t;
    m.cmd_valid_i = static_cast<uint8_t>(valid);
    m.out_ready_i = static_cast<uint8_t>(ready);
    m.wcmd_valid_i = wcmd < c.wr.cmd.size() && c.wr.cmd[wcmd].at <= cycle;
    if (m.wcmd_valid_i) m.wcmd_addr_i = c.wr.cmd[wcmd].address, m.wcmd_bytes_i = c.wr.cmd[wcmd].size;
    m.win_valid_i = wbeat < c.wr.gap.size() && cycle >= next_data;
    out.arvalid = m.arvalid_o, out.arid = m.arid_o, out.araddr = m.araddr_o, out.arlen = m.arlen_o;
    out.rready = true, out.bready = true;
    out.awvalid = m.awvalid_o, out.awaddr = m.awaddr_o, out.awlen = m.awlen_o;
    out.wvalid = m.wvalid_o, out.wstrb = m.wstrb_o;
    slave.step(cycle, out, in);
    m.arready_i = in.arready, m.awready_i = in.awready, m.wready_i = in.wready, m.bvalid_i = in.bvalid;
    m.rvalid_i = in.rvalid;
    if (in.rvalid) m.rid_i = static_cast<uint8_t>(in.rid), m.rlast_i = in.rlast;
    m.eval(); // ready outputs depend on these inputs
    for (uint32_t n = 0; n < c.masters; n++) {
      if ((m.cmd_valid_i & m.cmd_ready_o) >> n & 1) t.taken[n].push_back(cycle), cmds[n]++;
      if ((m.out_valid_o & m.out_ready_i) >> n & 1) t.popped[n].push_back(cycle);
    }
    if (m.wcmd_valid_i && m.wcmd_ready_o) t.wr_taken.push_back(cycle), wcmd++;
    if (m.win_valid_i && m.win_ready_o) {
      t.loaded.push_back(cycle);
      if (++wbeat < c.wr.gap.size()) next_data = cycle + 1 + c.wr.gap[wbeat];
    }
    edge();
  }
  return t;
}

// The same by recurrences.
bool run_model(const Case &c, Times &t) {
  auto p = std::make_unique<vb_port>();
  vb_cycle_env env = {&c.hw, c.part, c.noise, c.seed};
  if (vb_port_init(p.get(), &env, c.masters, c.depth, c.bursts, kWriteBursts)) return false;
  for (uint32_t n = 0; n < c.masters; n++)
    for (const auto &d : c.rd[n].cmd) vb_port_rd_cmd(p.get(), n, d.at, d.address, d.size);
  for (const auto &d : c.wr.cmd) vb_port_wr_cmd(p.get(), d.at, d.address, d.size);
  if (!c.wr.gap.empty()) vb_port_wr_data(p.get(), 0, 1);
  do {
    for (uint32_t n = 0; n < c.masters; n++) {
      vb_port_rd *r = &p->rd[n];
      while (vb_port_rd_known(r)) {
        const uint64_t there = vb_port_rd_time(r, 0), i = t.popped[n].size();
        const uint64_t pop = i ? std::max(there, t.popped[n][i - 1] + 1 + c.rd[n].gap[i]) : there;
        // At the head from here on, for whoever looks.
        t.there[n].push_back(i ? std::max(there, t.popped[n][i - 1] + 1) : there);
        t.popped[n].push_back(pop);
        vb_port_rd_pop(p.get(), n, pop);
      }
      for (uint64_t k = vb_port_rd_taken(p.get(), n); t.taken[n].size() < k;)
        t.taken[n].push_back(r->cmd[t.taken[n].size() % VB_PORT_COMMANDS].at);
    }
    for (uint64_t i; (i = t.loaded.size()) < vb_port_wr_loaded(p.get());) {
      t.loaded.push_back(p->wr.load[i % VB_PORT_LOADS]);
      if (i + 1 < c.wr.gap.size()) vb_port_wr_data(p.get(), t.loaded[i] + 1 + c.wr.gap[i + 1], 1);
    }
  } while (vb_port_step(p.get()));
  for (uint64_t k = 0; k < p->wr.taken; k++) t.wr_taken.push_back(p->wr.cmd[k].at); // fewer than its list holds
  t.idle = vb_port_wr_idle(p.get());
  vb_port_free(p.get());
  return true;
}

bool same(const char *what, uint32_t n, const std::vector<uint64_t> &rtl, const std::vector<uint64_t> &model) {
  size_t i = 0;
  while (i < rtl.size() && i < model.size() && rtl[i] == model[i]) i++;
  vb_test_compared(what, rtl.size());
  return VB_CHECK(i == rtl.size() && i == model.size(),
                  "%s of master %u: %zu and %zu, first difference at %zu: %llu, model %llu", what, n, rtl.size(),
                  model.size(), i, static_cast<unsigned long long>(i < rtl.size() ? rtl[i] : 0),
                  static_cast<unsigned long long>(i < model.size() ? model[i] : 0));
}

template <class V> void cases(uint32_t masters, uint32_t bits, uint32_t depth, uint32_t bursts) {
  vb_rng r = vb_test_rng();
  std::vector<uint8_t> memory(kBytes);
  for (uint64_t i = 0; i < vb_test_count(120, 5000); i++) {
    Case c{};
    c.hw = VB_CONFIG_BASE;
    c.hw.axi_data_bits = bits;
    c.part = vb_dram_at(static_cast<uint32_t>(i % 4));
    c.noise = i % 3 != 0;
    c.seed = vb_rng_next(&r) >> 8;
    c.masters = masters, c.depth = depth, c.bursts = bursts;
    for (uint32_t n = 0; n < masters; n++) c.rd[n] = random_stream(&r, bits / 8, false);
    c.wr = random_stream(&r, bits / 8, true);
    const Times rtl = run_rtl<V>(c, memory.data());
    Times model;
    bool ok = VB_CHECK(run_model(c, model), "out of memory");
    for (uint32_t n = 0; n < masters; n++) {
      ok &= same("taken", n, rtl.taken[n], model.taken[n]);
      ok &= same("there", n, rtl.there[n], model.there[n]);
      ok &= same("popped", n, rtl.popped[n], model.popped[n]);
    }
    ok &= same("loaded", 0, rtl.loaded, model.loaded);
    ok &= same("wr_taken", 0, rtl.wr_taken, model.wr_taken);
    ok &= VB_CHECK(model.idle == rtl.idle, "idle in %llu, model %llu", static_cast<unsigned long long>(rtl.idle),
                   static_cast<unsigned long long>(model.idle));
    if (!ok) {
      std::printf("  case %llu, %s, %s, seed %llu\n", static_cast<unsigned long long>(i), c.part->name,
                  c.noise ? "noise" : "quiet", static_cast<unsigned long long>(c.seed));
      return;
    }
  }
}

void one_master() { cases<Vport1>(1, 256, 64, 16); }
void three_masters() { cases<Vport3>(3, 128, 32, 8); }

} // namespace

int main(int argc, char **argv) {
  const vb_test tests[] = {{"one_master", one_master}, {"three_masters", three_masters}, {nullptr, nullptr}};
  const vb_suite suites[] = {{"port", tests, nullptr, nullptr}, {nullptr, nullptr, nullptr, nullptr}};
  return vb_test_main(argc, argv, suites);
}
