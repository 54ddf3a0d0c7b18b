// SPDX-License-Identifier: Apache-2.0
#include "axi_slave.h"
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace vb {

Fault Fault::parse(const std::string &text, std::string *unit) {
  Fault f;
  char name[32] = "";
  unsigned long long at = 0;
  unsigned bit = 0;
  int end = -1;
  const int n = static_cast<int>(text.size());
  if (std::sscanf(text.c_str(), "axi:%31[a-z]@%llu%n", name, &at, &end) == 2 && end == n) {
    const std::string what = name;
    f.kind = what[0] == 'b' ? kBresp : kRresp;
    f.at = at;
    if (what == "slverr" || what == "bslverr") f.value = 2;
    else if (what == "decerr" || what == "bdecerr") f.value = 3;
    else if (what == "silent") f.kind = Fault::kSilent;
    else if (what == "rsilent") f.kind = Fault::kRsilent;
    else if (what == "bsilent") f.kind = Fault::kBsilent;
    else throw std::runtime_error("fault '" + text + "': unknown response");
    return f;
  }
  end = -1;
  if (std::sscanf(text.c_str(), "%31[a-z]:reg:%llu:%u%n", name, &at, &bit, &end) == 3 && end == n && bit < 32 &&
      at >= 0x10 && at < 0x100 && at % 4 == 0)
    f.kind = kRegister;
  else if (std::sscanf(text.c_str(), "%31[a-z]:wdata:%llu:%u%n", name, &at, &bit, &end) == 3 && end == n)
    f.kind = kWdata;
  else if (end = -1; std::sscanf(text.c_str(), "%31[a-z]:%llu:%u%n", name, &at, &bit, &end) == 3 && end == n)
    f.kind = kRdata;
  else
    throw std::runtime_error("fault '" + text +
                             "': not axi:CODE@N, UNIT:CYCLE:BIT, UNIT:wdata:CYCLE:BIT or UNIT:reg:OFFSET:BIT");
  f.at = at;
  f.value = bit;
  *unit = name;
  return f;
}

void AxiSlave::begin(const vb_sim_region *regions, uint32_t count, Fault fault) {
  regions_.assign(regions, regions + count);
  fault_ = fault;
  bytes_read = bytes_written = beats_ = answers_ = sent_ = 0;
  denied = false;
  denied_text.clear();
}

void AxiSlave::drop() {
  reads_.clear();
  writes_.clear();
  responses_.clear();
  r_up_ = b_up_ = false;
}

// Reads come in whole beats, so a region may be read up to the 64-byte line its ends lie in (more than
// any beat); writes are held to the byte.
bool AxiSlave::allowed(uint64_t first, uint64_t last, bool write) {
  for (const auto &r : regions_) {
    if (r.bytes == 0 || !(write ? r.writable : r.readable)) continue;
    uint64_t lo = r.address, hi = r.address + r.bytes - 1;
    if (!write) lo &= ~uint64_t{63}, hi |= 63;
    if (first >= lo && last <= hi) return true;
  }
  return false;
}

void AxiSlave::deny(uint64_t address, bool write) {
  if (denied) return;
  denied = true;
  char text[96];
  std::snprintf(text, sizeof text, "%s of 0x%llx is outside every buffer of the job", write ? "write" : "read",
                static_cast<unsigned long long>(address));
  denied_text = text;
}

void AxiSlave::take_read(uint64_t cycle, const AxiOut &out) {
  Read r{out.arid, out.arlen + 1, 0, out.araddr, {}};
  r.ready.resize(r.beats);
  vb_dram_access(dram_, cycle, out.araddr, r.beats, beat_, false, 0, r.ready.data());
  reads_.push_back(std::move(r));
}

void AxiSlave::take_beat(uint64_t cycle, const AxiOut &out) {
  Write &w = writes_.front();
  const uint64_t at = (w.address & ~uint64_t{beat_ - 1}) + uint64_t{w.got} * beat_;
  uint8_t data[64];
  std::memcpy(data, out.wdata, beat_);
  if (fault_.kind == Fault::kWdata && !fault_.used && cycle_ >= fault_.at && out.wstrb != 0) {
    fault_.used = true; // move to a byte that is stored: a flip in a masked lane would prove nothing
    unsigned byte = fault_.value / 8 % beat_;
    while (!(out.wstrb >> byte & 1)) byte = (byte + 1) % beat_;
    data[byte] ^= static_cast<uint8_t>(1u << (fault_.value & 7));
  }
  for (unsigned b = 0; b < beat_;) {
    if (!(out.wstrb >> b & 1)) {
      b++;
      continue;
    }
    unsigned e = b;
    while (e < beat_ && (out.wstrb >> e & 1)) e++;
    if (allowed(at + b, at + e - 1, true)) {
      std::memcpy(memory_ + (at + b - config_.memory_base), data + b, e - b);
    } else {
      w.bad = true;
      deny(at + b, true);
    }
    bytes_written += e - b;
    b = e;
  }
  if (++w.got == w.beats) {
    const uint64_t done = vb_dram_access(dram_, cycle, w.address, w.beats, beat_, true, 0, nullptr);
    uint32_t code = w.bad ? 3u : 0u;
    if (fault_.kind == Fault::kBresp && fault_.at == answers_) code = fault_.value;
    answers_++;
    responses_.push_back({w.id, code, done});
    writes_.pop_front();
  }
}

void AxiSlave::step(uint64_t cycle, const AxiOut &out, AxiIn &in) {
  cycle_ = cycle;
  const bool silent = fault_.kind == Fault::kSilent && cycle >= fault_.at; // what is offered already stays
  const bool no_r = silent || (fault_.kind == Fault::kRsilent && beats_ >= fault_.at);
  const bool no_b = silent || (fault_.kind == Fault::kBsilent && sent_ >= fault_.at);
  in.arready = !silent && reads_.size() < kReads && !held(VB_PORT_AR, cycle);
  in.awready = !silent && writes_.size() < kWrites && !held(VB_PORT_AW, cycle);
  in.wready = !silent && !writes_.empty() && !held(VB_PORT_W, cycle);

  if (!b_up_ && !no_b) b_up_ = !responses_.empty() && responses_.front().ready <= cycle && !held(VB_PORT_B, cycle);
  in.bvalid = b_up_;
  if (b_up_) {
    in.bid = responses_.front().id;
    in.bresp = responses_.front().code;
  }

  if (!r_up_ && !no_r && !reads_.empty() && reads_.front().ready[reads_.front().sent] <= cycle &&
      !held(VB_PORT_R, cycle)) {
    const Read &r = reads_.front();
    const uint64_t at = (r.address & ~uint64_t{beat_ - 1}) + uint64_t{r.sent} * beat_;
    r_up_ = true;
    r_held_.rid = r.id;
    r_held_.rlast = r.sent + 1 == r.beats;
    r_held_.rresp = 0;
    if (allowed(at, at + beat_ - 1, false)) {
      std::memcpy(r_held_.rdata, memory_ + (at - config_.memory_base), beat_);
    } else {
      std::memset(r_held_.rdata, 0xdb, beat_); // not zero: a unit that used it would be seen
      r_held_.rresp = 3;
      deny(at, false);
    }
    if (fault_.kind == Fault::kRresp && fault_.at == beats_) r_held_.rresp = fault_.value;
    if (fault_.kind == Fault::kRdata && !fault_.used && cycle >= fault_.at) {
      fault_.used = true;
      r_held_.rdata[fault_.value / 8 % beat_] ^= static_cast<uint8_t>(1u << (fault_.value & 7));
    }
    beats_++;
  }
  in.rvalid = r_up_;
  if (r_up_) {
    in.rid = r_held_.rid;
    in.rlast = r_held_.rlast;
    in.rresp = r_held_.rresp;
    std::memcpy(in.rdata, r_held_.rdata, beat_);
  }

  // Handshakes of this edge. Reads reach the DRAM before a write of the same cycle.
  if (in.rvalid && out.rready) {
    r_up_ = false;
    bytes_read += beat_;
    if (++reads_.front().sent == reads_.front().beats) reads_.pop_front();
  }
  if (in.bvalid && out.bready) {
    b_up_ = false;
    sent_++;
    responses_.pop_front();
  }
  if (in.arready && out.arvalid) take_read(cycle, out);
  const bool beat = in.wready && out.wvalid;
  if (beat) take_beat(cycle, out);
  if (in.awready && out.awvalid) writes_.push_back({out.awid, out.awlen + 1, 0, out.awaddr, false});
}

std::string AxiSlave::state() const {
  char text[128];
  std::snprintf(text, sizeof text, "bus: %zu reads, %zu writes, %zu responses open, beat %llu", reads_.size(),
                writes_.size(), responses_.size(), static_cast<unsigned long long>(beats_));
  return text;
}

} // namespace vb
