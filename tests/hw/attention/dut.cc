// SPDX-License-Identifier: Apache-2.0
#include "dut.h"
#include VB_MODEL_H
#include "harness/coverage.h"
#include "verilated.h"
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#ifndef VB_DW
#define VB_DW 256
#endif
#define VB_INTERRUPT __SYM__interrupt // what Verilator calls the port: "interrupt" is on its list of C++ words
static constexpr unsigned kBytes = VB_DW / 8;

// Verilated assertions end here instead of in abort(): the test reports them.
void vl_stop(const char *file, int line, const char *) {
  throw std::runtime_error(std::string("assertion at ") + file + ":" + std::to_string(line));
}
void vl_fatal(const char *file, int line, const char *, const char *msg) {
  throw std::runtime_error(std::string(msg) + " at " + file + ":" + std::to_string(line));
}

void vl_finish(const char *file, int line, const char *) {
  throw std::runtime_error(std::string("$finish at ") + file + ":" + std::to_string(line));
}
// What the harness's models print with (sim/harness/print.h).
extern "C" int vb_sim_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern "C" int vb_sim_printf(const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vprintf(format, args);
  va_end(args);
  return n;
}

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

Dut::Dut(uint64_t seed) : context_(new VerilatedContext) {
  memory.resize(1 << 22);
  context_->randReset(2);
  context_->randSeed(static_cast<int>(seed & 0x7fffffff) | 1);
  context_->assertOn(false); // registers are random until the first reset
  top_.reset(new VB_MODEL(context_.get()));
  top_->ap_clk = 0;
  top_->ap_rst_n = 0;
  top_->eval();
  context_->assertOn(true);
}
Dut::~Dut() {
  top_->final();
  vb::write_coverage(*context_);
}

bool Dut::chance(unsigned percent, unsigned salt) const {
  return percent && mix(timing.seed * 0x9e3779b97f4a7c15u + cycle * 8 + salt) % 100 < percent;
}

bool Dut::allowed(uint64_t address, uint64_t bytes, bool write) const {
  for (const Region &r : regions) {
    if (write && !r.writable) continue;
    // a read may fetch the rest of the 64-byte line that a buffer ends in; a write may not
    uint64_t end = write ? r.address + r.bytes : ((r.address + r.bytes + 63) & ~uint64_t{63});
    if (address >= r.address && address + bytes <= end) return true;
  }
  return false;
}

void Dut::violation(const std::string &text) {
  if (violations.size() < 20) violations.push_back("cycle " + std::to_string(cycle) + ": " + text);
}

void Dut::drive() {
  VB_MODEL &t = *top_;
  t.m_axi_gmem_arready = reads_.size() < timing.open_reads && !chance(timing.stall_ar, 0);
  t.m_axi_gmem_rvalid = !reads_.empty() && reads_.front().ready <= cycle && !chance(timing.stall_r, 1);
  if (t.m_axi_gmem_rvalid) {
    const Read &r = reads_.front();
    uint64_t a = r.address + uint64_t{r.done} * kBytes;
    bool ok = allowed(a, kBytes, false);
    if (ok) memcpy(&t.m_axi_gmem_rdata, &memory[a - base], kBytes);
    else memset(&t.m_axi_gmem_rdata, 0xa5, kBytes);
    t.m_axi_gmem_rresp = static_cast<uint8_t>(ok ? r.response : 3);
    t.m_axi_gmem_rlast = r.done + 1 == r.beats;
    t.m_axi_gmem_rid = 0;
  }
  t.m_axi_gmem_awready = writes_.size() < 4 && !chance(timing.stall_aw, 2);
  t.m_axi_gmem_wready = !writes_.empty() && !chance(timing.stall_w, 3);
  t.m_axi_gmem_bvalid = !responses_.empty() && responses_.front().ready <= cycle && !chance(timing.stall_b, 4);
  if (t.m_axi_gmem_bvalid) t.m_axi_gmem_bresp = static_cast<uint8_t>(responses_.front().response);
  t.m_axi_gmem_bid = 0;
}

// What happened on the bus in the cycle that is about to end: master outputs are registers, so they show it already.
void Dut::sample() {
  VB_MODEL &t = *top_;
  bool ar = t.m_axi_gmem_arvalid, aw = t.m_axi_gmem_awvalid, w = t.m_axi_gmem_wvalid;
  if (ar_held_ && (!ar || t.m_axi_gmem_araddr != ar_addr_)) violation("AR changed before ARREADY");
  if (aw_held_ && (!aw || t.m_axi_gmem_awaddr != aw_addr_)) violation("AW changed before AWREADY");
  if (w_held_ && !w) violation("WVALID fell before WREADY");
  ar_held_ = ar && !t.m_axi_gmem_arready;
  aw_held_ = aw && !t.m_axi_gmem_awready;
  w_held_ = w && !t.m_axi_gmem_wready;
  ar_addr_ = t.m_axi_gmem_araddr;
  aw_addr_ = t.m_axi_gmem_awaddr;

  if (t.m_axi_gmem_rvalid && t.m_axi_gmem_rready && ++reads_.front().done == reads_.front().beats) reads_.pop_front();
  if (t.m_axi_gmem_bvalid && t.m_axi_gmem_bready) responses_.pop_front();
  if (ar && t.m_axi_gmem_arready) {
    uint64_t a = t.m_axi_gmem_araddr, n = (uint64_t{t.m_axi_gmem_arlen} + 1) * kBytes;
    if (a % kBytes || (a ^ (a + n - 1)) >> 12) violation("read burst not aligned or across 4 KiB");
    unsigned wait =
        timing.latency + (timing.jitter ? static_cast<unsigned>(mix(timing.seed + cycle) % timing.jitter) : 0);
    reads_.push_back(
        {a, cycle + 1 + wait, t.m_axi_gmem_arlen + 1u, 0, ++reads_seen_ == fault.read_burst ? fault.response : 0});
  }
  if (w && t.m_axi_gmem_wready) {
    Write &x = writes_.front();
    uint64_t a = x.address + uint64_t{x.done} * kBytes;
    const uint8_t *data = reinterpret_cast<const uint8_t *>(&t.m_axi_gmem_wdata);
    for (unsigned i = 0; i < kBytes; i++) {
      if (!(t.m_axi_gmem_wstrb >> i & 1)) continue;
      if (allowed(a + i, 1, true)) memory[a + i - base] = data[i];
      else if (!x.response) x.response = 3, violation("write outside the buffers");
    }
    bool last = ++x.done == x.beats;
    if (last != t.m_axi_gmem_wlast) violation("WLAST in the wrong beat");
    if (last) {
      responses_.push_back({cycle + 1 + timing.latency / 2, x.response});
      writes_.pop_front();
    }
  }
  if (aw && t.m_axi_gmem_awready) {
    uint64_t a = t.m_axi_gmem_awaddr, n = (uint64_t{t.m_axi_gmem_awlen} + 1) * kBytes;
    if (a % kBytes || (a ^ (a + n - 1)) >> 12) violation("write burst not aligned or across 4 KiB");
    writes_.push_back({a, t.m_axi_gmem_awlen + 1u, 0, ++writes_seen_ == fault.write_burst ? fault.response : 0});
  }
}

void Dut::clock() {
  if (in_reset_ || silent) {
    top_->m_axi_gmem_arready = top_->m_axi_gmem_rvalid = top_->m_axi_gmem_awready = 0;
    top_->m_axi_gmem_wready = top_->m_axi_gmem_bvalid = 0;
  } else {
    drive();
    sample();
  }
  top_->ap_clk = 1;
  top_->eval();
  top_->ap_clk = 0;
  top_->eval();
  cycle++;
}

void Dut::reset(unsigned cycles) {
  in_reset_ = true;
  reads_.clear();
  writes_.clear();
  responses_.clear();
  ar_held_ = aw_held_ = w_held_ = false;
  top_->s_axi_control_awvalid = top_->s_axi_control_wvalid = top_->s_axi_control_arvalid = 0;
  top_->s_axi_control_bready = top_->s_axi_control_rready = 1;
  top_->ap_rst_n = 0;
  for (unsigned i = 0; i < cycles; i++) clock();
  top_->ap_rst_n = 1;
  in_reset_ = false;
}

void Dut::idle(uint64_t cycles) {
  while (cycles--) clock();
}

void Dut::write_reg(uint32_t address, uint32_t value) {
  VB_MODEL &t = *top_;
  t.s_axi_control_awvalid = t.s_axi_control_wvalid = 1;
  t.s_axi_control_awaddr = static_cast<uint16_t>(address);
  t.s_axi_control_wdata = value;
  t.s_axi_control_wstrb = 15;
  t.s_axi_control_bready = 1;
  clock(); // the port is empty between two accesses, so both channels are taken at once
  t.s_axi_control_awvalid = t.s_axi_control_wvalid = 0;
  for (int i = 0; i < 8 && !t.s_axi_control_bvalid; i++) clock();
  if (!t.s_axi_control_bvalid) violation("no write response on the control port");
  clock();
}

uint32_t Dut::read_reg(uint32_t address) {
  VB_MODEL &t = *top_;
  t.s_axi_control_arvalid = 1;
  t.s_axi_control_araddr = static_cast<uint16_t>(address);
  t.s_axi_control_rready = 1;
  clock();
  t.s_axi_control_arvalid = 0;
  for (int i = 0; i < 8 && !t.s_axi_control_rvalid; i++) clock();
  if (!t.s_axi_control_rvalid) violation("no read data on the control port");
  uint32_t value = t.s_axi_control_rdata;
  clock();
  return value;
}

void Dut::start(const std::vector<uint64_t> &args) {
  reads_seen_ = writes_seen_ = 0;
  for (size_t i = 0; i < args.size(); i++) {
    write_reg(static_cast<uint32_t>(0x10 + 8 * i), static_cast<uint32_t>(args[i]));
    write_reg(static_cast<uint32_t>(0x14 + 8 * i), static_cast<uint32_t>(args[i] >> 32));
  }
  write_reg(0x04, 1);
  write_reg(0x08, 1);
  write_reg(0x00, 1);
}

bool Dut::run(const std::vector<uint64_t> &args, uint64_t limit) {
  try {
    start(args);
  } catch (const std::exception &e) {
    failure = e.what();
    return false;
  }
  return wait(limit);
}

bool Dut::wait(uint64_t limit) {
  try {
    for (uint64_t i = 0; i < limit && !top_->VB_INTERRUPT; i++) clock();
    if (!top_->VB_INTERRUPT) return false;
    write_reg(0x0c, 1);
    uint32_t control = read_reg(0);
    if ((control & 0xe) != (ends_idle ? 0xeu : 0xau)) violation("ap_done, ap_idle, ap_ready are not as they should be");
    if (ends_idle && (!reads_.empty() || !writes_.empty() || !responses_.empty()))
      violation("bus traffic after ap_done");
    return true;
  } catch (const std::exception &e) {
    failure = e.what();
    return false;
  }
}

uint32_t Dut::error() { return read_reg(0x100); }

Counters Dut::counters() {
  auto read64 = [this](uint32_t a) { return read_reg(a) | uint64_t{read_reg(a + 4)} << 32; };
  Counters c;
  c.cycles = read64(0x110);
  c.bytes_read = read64(0x118);
  c.bytes_written = read64(0x120);
  for (uint32_t i = 0; i < 9; i++) c.classes[i] = read64(0x140 + 8 * i);
  return c;
}
