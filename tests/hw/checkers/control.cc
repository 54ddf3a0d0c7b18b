// SPDX-License-Identifier: Apache-2.0
// The control port, its split into windows, and the watchdog behind it.
#include "Vchk_vb_axil_ctrl.h"
#include "Vchk_vb_axil_split.h"
#include "Vchk_vb_watchdog.h"
#include "bench.h"
#include <cstring>

void split() {
  using V = Vchk_vb_axil_split;
  const auto idle = [](V &m) {
    m.awvalid_i = m.wvalid_i = m.arvalid_i = 0;
    m.bready_i = m.rready_i = 1;
    m.m_awready_i = m.m_wready_i = m.m_arready_i = 0;
    m.m_bvalid_i = m.m_rvalid_i = 0;
  };
  fires<V>("a_b_wanted", idle, [](Bench<V> &b) {
    b.m->m_bvalid_i = 4;
    b.tick();
  });
  fires<V>("a_r_wanted", idle, [](Bench<V> &b) {
    b.m->m_rvalid_i = 1;
    b.tick();
  });
  quiet<V>(idle,
           [](Bench<V> &b) { // data before the address, a window that takes them one after the other, late response
             V &m = *b.m;
             m.wvalid_i = 1;
             m.wdata_i = 77;
             b.tick();
             m.wvalid_i = 0;
             b.tick(2);
             m.awvalid_i = 1;
             m.awaddr_i = 0x2014;
             b.tick();
             m.awvalid_i = 0;
             CU_ASSERT(m.m_awvalid_o == 4 && m.m_wvalid_o == 4 && m.m_awaddr_o == 0x14 && m.m_wdata_o == 77);
             m.m_wready_i = 4;
             b.tick();
             CU_ASSERT(m.m_awvalid_o == 4 && m.m_wvalid_o == 0 && m.m_bready_o == 0);
             m.m_awready_i = 4;
             b.tick();
             CU_ASSERT(m.m_awvalid_o == 0 && m.m_bready_o == 4 && !m.bvalid_o);
             b.tick(3);
             m.m_bvalid_i = 4;
             b.tick();
             m.m_bvalid_i = 0;
             CU_ASSERT(m.bvalid_o);
             b.tick();
             CU_ASSERT(!m.bvalid_o && m.awready_o && m.wready_o);
           });
}

// A job of n cycles passes with a limit of n and is asked to end with less; silence is counted from there.
void watchdog() {
  using V = Vchk_vb_watchdog;
  const auto idle = [](V &m) {
    m.start_i = m.run_i = m.beat_i = 0;
    m.limit_i = m.cycles_i = 0;
  };
  // The cycle (from 0, the start) in which abort_o and give_up_o rise; 0: never. Beats come until `beats`.
  const auto rise = [](Bench<V> &b, uint64_t limit, unsigned cycles, unsigned beats, unsigned &give_up) {
    unsigned abort = give_up = 0;
    b.m->limit_i = limit;
    b.m->cycles_i = 12345; // of the job before
    for (unsigned c = 0; c < cycles; c++) {
      b.m->start_i = c == 0;
      b.m->run_i = 1;
      b.m->beat_i = c < beats;
      if (c) b.m->cycles_i = c;
      b.m->eval();
      if (!abort && b.m->abort_o) abort = c;
      if (!give_up && b.m->give_up_o) give_up = c;
      b.tick();
    }
    b.m->run_i = 0; // abort_o may last one cycle more
    b.tick();
    b.m->eval();
    CU_ASSERT(!b.m->abort_o && !b.m->give_up_o);
    b.tick(2);
    return abort;
  };
  quiet<V>(idle, [&](Bench<V> &b) {
    unsigned give_up = 0;
    for (uint64_t limit : {0ull, 1ull, 2ull, 17ull, 59ull, 60ull, 1ull << 40, ~0ull}) {
      const unsigned want = limit >= 60 ? 0 : static_cast<unsigned>(limit);
      for (unsigned beats : {0u, 30u}) {
        const unsigned got = rise(b, limit, 60, beats, give_up), from = want > beats ? want : beats;
        VB_CHECK(got == want, "limit %llu: cycle %u, not %u", static_cast<unsigned long long>(limit), got, want);
        const unsigned silent = want && from + 20 < 60 ? from + 20 : 0; // GRACE
        VB_CHECK(give_up == silent, "limit %llu: gave up in cycle %u, not %u", static_cast<unsigned long long>(limit),
                 give_up, silent);
      }
    }
  });
  fires<V>("a_start_runs", idle, [](Bench<V> &b) {
    b.m->start_i = 1;
    b.tick();
  });
}

// The control port's map: what is written is read, byte strobes, what is not mapped, the limit of the watchdog.
void control() {
  using V = Vchk_vb_axil_ctrl;
  Bench<V> b;
  V &m = *b.m;
  m.clk_i = m.awvalid_i = m.wvalid_i = m.arvalid_i = m.ready_i = m.done_i = 0;
  m.bready_i = m.rready_i = m.idle_i = m.rst_i = 1;
  std::memset(&m.stat_i, 0x5a, sizeof m.stat_i);
  b.tick(2);
  m.rst_i = 0;
  const auto write = [&](uint32_t at, uint32_t data, unsigned strobes) {
    m.awaddr_i = static_cast<uint16_t>(at);
    m.wdata_i = data;
    m.wstrb_i = static_cast<uint8_t>(strobes);
    m.awvalid_i = m.wvalid_i = 1;
    b.tick();
    m.awvalid_i = m.wvalid_i = 0;
    b.tick(3);
  };
  const auto read = [&](uint32_t at) {
    m.araddr_i = static_cast<uint16_t>(at);
    m.arvalid_i = 1;
    b.tick();
    m.arvalid_i = 0;
    const uint32_t data = m.rdata_o;
    b.tick(2);
    return data;
  };
  const uint32_t limit = VB_HW_REG_STATUS + 4 * VB_HW_STAT_WATCHDOG, end = VB_HW_REG_ARGS + VB_HW_REG_STRIDE * 14;
  CU_ASSERT_EQUAL(read(limit), 0);
  CU_ASSERT_EQUAL(read(limit + 4), 0);
  const auto holds = [&](uint32_t at) { return (at >= VB_HW_REG_ARGS && at < end) || at == limit || at == limit + 4; };
  for (uint32_t at = VB_HW_REG_ARGS; at < 0x400; at += 4) write(at, 0x01010101 * (at >> 4) + at, 15);
  for (uint32_t at = VB_HW_REG_ARGS; at < 0x400; at += 4) {
    const bool status = at >= VB_HW_REG_STATUS && at < VB_HW_REG_STATUS + 4 * VB_HW_NUM_STAT;
    const uint32_t want = holds(at) ? 0x01010101 * (at >> 4) + at : status ? 0x5a5a5a5a : 0;
    VB_CHECK(read(at) == want, "0x%03x: 0x%08x, not 0x%08x", at, read(at), want);
  }
  CU_ASSERT_EQUAL(m.watchdog_o, uint64_t{read(limit + 4)} << 32 | read(limit));
  for (unsigned strobes = 0; strobes < 16; strobes++)
    for (uint32_t at : {VB_HW_REG_ARGS + 0u, end - 4, limit, limit + 4}) {
      uint32_t want = 0x11223344, mask = 0;
      for (unsigned i = 0; i < 4; i++) mask |= strobes >> i & 1 ? 0xffu << 8 * i : 0;
      want = (want & ~mask) | (0xaabbccdd & mask);
      write(at, 0x11223344, 15);
      write(at, 0xaabbccdd, strobes);
      VB_CHECK(read(at) == want, "0x%03x, strobes %x: 0x%08x, not 0x%08x", at, strobes, read(at), want);
    }
  m.rst_i = 1; // an old limit must not abort the jobs of the next driver
  b.tick();
  m.rst_i = 0;
  CU_ASSERT_EQUAL(m.watchdog_o, 0);
}
