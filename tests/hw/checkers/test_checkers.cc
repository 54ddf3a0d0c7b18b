// SPDX-License-Identifier: Apache-2.0
// Assertions that cannot fire are decoration: every one of the protocol checkers and of the shared cells
// gets one planted violation and must name itself; legal traffic must leave all of them quiet.
extern "C" {
#include "../../../hw/regs/vb_regs.h"
#include "support/harness.h"
}
#include "Vchk_vb_apctrl_chk.h"
#include "Vchk_vb_axi4_chk.h"
#include "Vchk_vb_axi_rd.h"
#include "Vchk_vb_axi_rd_mux.h"
#include "Vchk_vb_axi_wr.h"
#include "Vchk_vb_axi_wr_mux.h"
#include "Vchk_vb_axil_chk.h"
#include "Vchk_vb_axil_ctrl.h"
#include "Vchk_vb_axil_split.h"
#include "Vchk_vb_fifo.h"
#include "Vchk_vb_stats.h"
#include "Vchk_vb_watchdog.h"
#include "harness/unit.h"
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>
#include <verilated.h>

template <class V> struct Bench {
  VerilatedContext context;
  std::unique_ptr<V> m;
  Bench() {
    context.threads(1);
    context.randReset(2);
    Verilated::threadContextp(&context);
    m = std::make_unique<V>(&context, "dut");
  }
  void tick(int n = 1) {
    for (; n > 0; n--) {
      m->clk_i = 1;
      m->eval();
      m->clk_i = 0;
      m->eval();
    }
  }
};

// A fresh model in reset with all inputs as `idle` leaves them, then released; the text of what fired, or "".
template <class V>
std::string play(const std::function<void(V &)> &idle, const std::function<void(Bench<V> &)> &story) {
  Bench<V> b;
  b.m->clk_i = 0;
  b.m->rst_i = 1;
  idle(*b.m);
  b.tick(3);
  b.m->rst_i = 0;
  b.tick(2);
  vb::take_printed();
  try {
    story(b);
  } catch (const std::runtime_error &) {
    return vb::take_printed();
  }
  return "";
}

template <class V>
void fires(const char *label, const std::function<void(V &)> &idle, const std::function<void(Bench<V> &)> &story) {
  const std::string text = play<V>(idle, story);
  VB_CHECK(text.find(std::string(".") + label) != std::string::npos, "%s did not fire: '%s'", label, text.c_str());
}

template <class V> void quiet(const std::function<void(V &)> &idle, const std::function<void(Bench<V> &)> &story) {
  const std::string text = play<V>(idle, story);
  VB_CHECK(text.empty(), "legal traffic: '%s'", text.c_str());
}

// ---- AXI4-Lite
using Axil = Vchk_vb_axil_chk;
static void axil_idle(Axil &m) {
  m.awvalid_i = m.wvalid_i = m.bvalid_i = m.arvalid_i = m.rvalid_i = 0;
  m.awready_i = m.wready_i = m.arready_i = 0;
  m.bready_i = m.rready_i = 0;
}
static void axil() {
  using B = Bench<Axil>;
  quiet<Axil>(axil_idle, [](B &b) {
    auto &m = *b.m;
    m.awvalid_i = m.wvalid_i = m.arvalid_i = 1;
    b.tick(2);
    m.awready_i = m.wready_i = m.arready_i = 1;
    b.tick();
    m.awvalid_i = m.wvalid_i = m.arvalid_i = 0;
    m.bvalid_i = m.rvalid_i = 1;
    b.tick(2);
    m.bready_i = m.rready_i = 1;
    b.tick();
    m.bvalid_i = m.rvalid_i = 0;
    b.tick(2);
  });
  fires<Axil>("a_aw_stable", axil_idle, [](B &b) {
    b.m->awvalid_i = 1;
    b.tick();
    b.m->awvalid_i = 0;
    b.tick();
  });
  fires<Axil>("a_aw_stable", axil_idle, [](B &b) {
    b.m->awvalid_i = 1;
    b.m->awaddr_i = 4;
    b.tick();
    b.m->awaddr_i = 8;
    b.tick();
  });
  fires<Axil>("a_w_stable", axil_idle, [](B &b) {
    b.m->wvalid_i = 1;
    b.m->wdata_i = 4;
    b.tick();
    b.m->wdata_i = 8;
    b.tick();
  });
  fires<Axil>("a_ar_stable", axil_idle, [](B &b) {
    b.m->arvalid_i = 1;
    b.tick();
    b.m->arvalid_i = 0;
    b.tick();
  });
  const auto asked = [](B &b) {
    auto &m = *b.m;
    m.awvalid_i = m.wvalid_i = m.arvalid_i = m.awready_i = m.wready_i = m.arready_i = 1;
    b.tick();
    m.awvalid_i = m.wvalid_i = m.arvalid_i = 0;
    m.bvalid_i = m.rvalid_i = 1;
    b.tick();
  };
  fires<Axil>("a_b_stable", axil_idle, [&](B &b) {
    asked(b);
    b.m->bvalid_i = 0;
    b.tick();
  });
  fires<Axil>("a_r_stable", axil_idle, [&](B &b) {
    asked(b);
    b.m->rdata_i = ~b.m->rdata_i;
    b.tick();
  });
  fires<Axil>("a_b_asked", axil_idle, [](B &b) {
    b.m->bvalid_i = 1;
    b.tick();
  });
  fires<Axil>("a_r_asked", axil_idle, [](B &b) {
    b.m->rvalid_i = 1;
    b.tick();
  });
}

// ---- ap_ctrl_hs
using Ctrl = Vchk_vb_apctrl_chk;
static void ctrl_idle(Ctrl &m) { m.aw_i = m.w_i = m.ar_i = m.r_i = m.bus_i = 0; }
static void ctrl_read(Bench<Ctrl> &b, uint32_t data) {
  b.m->ar_i = 1;
  b.m->araddr_i = 0;
  b.tick();
  b.m->ar_i = 0;
  b.m->r_i = 1;
  b.m->rdata_i = data;
  b.tick();
  b.m->r_i = 0;
}
static void ctrl_start(Bench<Ctrl> &b) {
  b.m->aw_i = 1;
  b.m->awaddr_i = 0;
  b.tick();
  b.m->aw_i = 0;
  b.m->w_i = 1;
  b.m->wdata_i = 1;
  b.tick();
  b.m->w_i = 0;
}
static void apctrl() {
  using B = Bench<Ctrl>;
  quiet<Ctrl>(ctrl_idle, [](B &b) {
    ctrl_read(b, 4);
    ctrl_start(b);
    b.m->bus_i = 1;
    b.tick(3);
    ctrl_read(b, 1);
    b.m->bus_i = 0;
    ctrl_read(b, 0xe);
    ctrl_read(b, 4);
  });
  fires<Ctrl>("a_reserved_zero", ctrl_idle, [](B &b) { ctrl_read(b, 0x14); });
  fires<Ctrl>("a_done_with_ready", ctrl_idle, [](B &b) {
    ctrl_start(b);
    ctrl_read(b, 2);
  });
  fires<Ctrl>("a_idle_without_job", ctrl_idle, [](B &b) { ctrl_read(b, 0); });
  fires<Ctrl>("a_quiet_without_job", ctrl_idle, [](B &b) {
    b.m->bus_i = 1;
    b.tick();
  });
  fires<Ctrl>("a_quiet_without_job", ctrl_idle, [](B &b) {
    ctrl_start(b);
    ctrl_read(b, 0xe);
    b.m->bus_i = 1;
    b.tick();
  });
}

// ---- AXI4 (64-bit data, 2 id bits)
using Axi = Vchk_vb_axi4_chk;
static void axi_idle(Axi &m) {
  m.arvalid_i = m.awvalid_i = m.wvalid_i = m.rvalid_i = m.bvalid_i = 0;
  m.arready_i = m.awready_i = m.wready_i = m.rready_i = m.bready_i = 1;
  m.arid_i = m.awid_i = m.rid_i = m.bid_i = 1;
  m.araddr_i = m.awaddr_i = 0x1000;
  m.arlen_i = m.awlen_i = 1;
  m.arsize_i = m.awsize_i = 3;
  m.arburst_i = m.awburst_i = 1;
  m.wstrb_i = 0xff;
  m.wlast_i = m.rlast_i = 0;
  m.wdata_i = 0;
}
static void axi_ar(Bench<Axi> &b) {
  b.m->arvalid_i = 1;
  b.tick();
  b.m->arvalid_i = 0;
}
static void axi_aw(Bench<Axi> &b) {
  b.m->awvalid_i = 1;
  b.tick();
  b.m->awvalid_i = 0;
}
static void axi_w(Bench<Axi> &b, bool last) {
  b.m->wvalid_i = 1;
  b.m->wlast_i = last;
  b.tick();
  b.m->wvalid_i = 0;
}
static void axi_r(Bench<Axi> &b, bool last) {
  b.m->rvalid_i = 1;
  b.m->rlast_i = last;
  b.tick();
  b.m->rvalid_i = 0;
}
static void axi4() {
  using B = Bench<Axi>;
  quiet<Axi>(axi_idle, [](B &b) {
    axi_ar(b), axi_ar(b), axi_r(b, false), axi_r(b, true), axi_r(b, false), axi_r(b, true);
    axi_aw(b), axi_w(b, false), axi_w(b, true);
    b.m->bvalid_i = 1;
    b.tick();
    b.m->bvalid_i = 0;
    b.m->araddr_i = 0x1ff0; // ends exactly at the page
    axi_ar(b);
  });
  const auto stall = [](B &b) { b.m->arready_i = b.m->awready_i = b.m->wready_i = 0; };
  fires<Axi>("a_ar_stable", axi_idle, [&](B &b) {
    stall(b);
    b.m->arvalid_i = 1;
    b.tick();
    b.m->arlen_i = 2;
    b.tick();
  });
  fires<Axi>("a_aw_stable", axi_idle, [&](B &b) {
    stall(b);
    b.m->awvalid_i = 1;
    b.tick();
    b.m->awvalid_i = 0;
    b.tick();
  });
  fires<Axi>("a_w_stable", axi_idle, [&](B &b) {
    axi_aw(b);
    stall(b);
    b.m->wvalid_i = 1;
    b.tick();
    b.m->wdata_i = 9;
    b.tick();
  });
  fires<Axi>("a_ar_form", axi_idle, [](B &b) {
    b.m->arburst_i = 0;
    axi_ar(b);
  });
  fires<Axi>("a_ar_form", axi_idle, [](B &b) {
    b.m->araddr_i = 0x1004;
    axi_ar(b);
  });
  fires<Axi>("a_aw_form", axi_idle, [](B &b) {
    b.m->awsize_i = 2;
    axi_aw(b);
  });
  fires<Axi>("a_ar_4k", axi_idle, [](B &b) {
    b.m->araddr_i = 0x1ff8;
    axi_ar(b);
  });
  fires<Axi>("a_aw_4k", axi_idle, [](B &b) {
    b.m->awaddr_i = 0x1fe0;
    b.m->awlen_i = 4;
    axi_aw(b);
  });
  fires<Axi>("a_r_asked", axi_idle, [](B &b) { axi_r(b, true); });
  fires<Axi>("a_r_asked", axi_idle, [](B &b) {
    axi_ar(b);
    b.m->rid_i = 2;
    axi_r(b, false);
  });
  fires<Axi>("a_rlast", axi_idle, [](B &b) {
    axi_ar(b);
    axi_r(b, true);
  });
  fires<Axi>("a_rlast", axi_idle, [](B &b) {
    axi_ar(b);
    axi_r(b, false);
    axi_r(b, false);
  });
  fires<Axi>("a_w_asked", axi_idle, [](B &b) { axi_w(b, true); });
  fires<Axi>("a_wlast", axi_idle, [](B &b) {
    axi_aw(b);
    axi_w(b, true);
  });
  fires<Axi>("a_w_strobe", axi_idle, [](B &b) {
    axi_aw(b);
    b.m->wstrb_i = 0;
    axi_w(b, false);
  });
  fires<Axi>("a_b_asked", axi_idle, [](B &b) {
    axi_aw(b);
    axi_w(b, false);
    b.m->bvalid_i = 1;
    b.tick();
  });
}

// ---- cells
static void fifo() {
  using V = Vchk_vb_fifo;
  const auto idle = [](V &m) { m.push_i = m.pop_i = 0; };
  quiet<V>(idle, [](Bench<V> &b) {
    b.m->push_i = 1;
    b.tick(4); // DEPTH = 4
    b.m->push_i = 0;
    b.m->pop_i = 1;
    b.tick(4);
  });
  fires<V>("a_no_overflow", idle, [](Bench<V> &b) {
    b.m->push_i = 1;
    b.tick(5);
  });
  fires<V>("a_no_underflow", idle, [](Bench<V> &b) {
    b.m->pop_i = 1;
    b.tick();
  });
}

static void stats() {
  using V = Vchk_vb_stats;
  const auto idle = [](V &m) {
    m.start_i = m.run_i = m.rd_beat_i = m.wr_beat_i = 0;
    m.class_i = 0;
  };
  quiet<V>(idle, [](Bench<V> &b) {
    b.m->start_i = b.m->run_i = 1;
    b.m->class_i = 1;
    b.tick();
    b.m->start_i = 0;
    b.m->class_i = 4;
    b.tick(5);
    b.m->run_i = 0;
    b.tick(3);
  });
  fires<V>("a_one_class", idle, [](Bench<V> &b) {
    b.m->run_i = 1;
    b.tick();
  }); // in no class
  fires<V>("a_one_class", idle, [](Bench<V> &b) {
    b.m->run_i = 1;
    b.m->class_i = 6;
    b.tick();
  }); // in two
  fires<V>("a_start_runs", idle, [](Bench<V> &b) {
    b.m->start_i = 1;
    b.tick();
  });
}

static void reader() {
  using V = Vchk_vb_axi_rd;
  const auto idle = [](V &m) {
    m.clear_i = m.cmd_valid_i = m.out_ready_i = m.rvalid_i = 0;
    m.arready_i = 1;
    m.cmd_beats_i = 1;
    m.cmd_addr_i = 0;
    m.rid_i = 0;
  };
  fires<V>("a_cmd_aligned", idle, [](Bench<V> &b) {
    b.m->cmd_addr_i = 4;
    b.m->cmd_valid_i = 1;
    b.tick();
  });
  fires<V>("a_cmd_beats", idle, [](Bench<V> &b) {
    b.m->cmd_beats_i = 0;
    b.m->cmd_valid_i = 1;
    b.tick();
  });
  fires<V>("a_rid", idle, [](Bench<V> &b) {
    b.m->cmd_valid_i = 1;
    b.tick();
    b.m->cmd_valid_i = 0;
    b.tick(2);
    b.m->rid_i = 1;
    b.m->rvalid_i = 1;
    b.tick();
  });
  fires<V>("a_clear_idle", idle, [](Bench<V> &b) {
    b.m->cmd_valid_i = 1;
    b.tick();
    b.m->clear_i = 1;
    b.tick();
  });
}

static void writer() {
  using V = Vchk_vb_axi_wr;
  const auto idle = [](V &m) {
    m.clear_i = m.cmd_valid_i = m.in_valid_i = m.bvalid_i = 0;
    m.awready_i = m.wready_i = 1;
    m.cmd_bytes_i = 8;
    m.cmd_addr_i = 0;
    m.bid_i = 0;
  };
  fires<V>("a_cmd_bytes", idle, [](Bench<V> &b) {
    b.m->cmd_bytes_i = 0;
    b.m->cmd_valid_i = 1;
    b.tick();
  });
  fires<V>("a_b_open", idle, [](Bench<V> &b) {
    b.m->bvalid_i = 1;
    b.tick();
  });
  fires<V>("a_bid", idle, [](Bench<V> &b) {
    b.m->cmd_valid_i = 1;
    b.tick();
    b.m->cmd_valid_i = 0;
    b.tick(2);
    b.m->bid_i = 2;
    b.m->bvalid_i = 1;
    b.tick();
  });
  fires<V>("a_clear_idle", idle, [](Bench<V> &b) {
    b.m->cmd_valid_i = 1;
    b.tick();
    b.m->clear_i = 1;
    b.tick();
  });
}

static void mux() {
  using V = Vchk_vb_axi_rd_mux;
  const auto idle = [](V &m) {
    m.arvalid_i = 0;
    m.arready_i = 1;
    m.rvalid_i = 0;
    m.rid_i = 0;
  };
  quiet<V>(idle, [](Bench<V> &b) { // both ask: they are served in turn, the response finds its master
    b.m->arvalid_i = 3;
    unsigned got[2] = {0, 0};
    for (int i = 0; i < 10; i++) {
      b.m->eval();
      for (unsigned n = 0; n < 2; n++) got[n] += b.m->arready_o >> n & 1;
      b.tick();
    }
    VB_CHECK(got[0] == 5 && got[1] == 5, "%u and %u of 10", got[0], got[1]);
    b.m->rvalid_i = 1;
    b.m->rid_i = 1;
    b.m->eval();
    CU_ASSERT_EQUAL(b.m->rvalid_o, 2);
    b.tick();
  });
  fires<V>("a_rid_known", idle, [](Bench<V> &b) {
    b.m->rvalid_i = 1;
    b.m->rid_i = 3;
    b.tick();
  });
}

static void write_mux() {
  using V = Vchk_vb_axi_wr_mux;
  const auto idle = [](V &m) {
    m.awvalid_i = m.wvalid_i = m.wlast_i = m.bvalid_i = 0;
    m.awready_i = m.wready_i = 1;
    m.bid_i = 0;
  };
  quiet<V>(idle, [](Bench<V> &b) {
    // Both ask: addresses are taken in turn, and data go out in the order of the addresses, whoever has some first.
    std::vector<unsigned> order, sent;
    uint64_t lcg = 1;
    b.m->awvalid_i = 3;
    for (int i = 0; i < 400; i++) {
      lcg = lcg * 6364136223846793005u + 1;
      b.m->awvalid_i = i < 300 ? 3 : 0;
      b.m->wvalid_i = i < 300 ? lcg >> 40 & 3 : 3; // one of them may be late
      b.m->wlast_i = lcg >> 42 & 3;
      b.m->wready_i = lcg >> 44 & 1;
      b.m->awready_i = lcg >> 45 & 1;
      for (int w = 0; w < 4; w++) b.m->wdata_i[w] = static_cast<uint32_t>(w / 2); // 64 bits each: whose
      b.m->eval();
      for (unsigned n = 0; n < 2; n++)
        if (b.m->awvalid_i & b.m->awready_o & 1u << n) order.push_back(n);
      if (b.m->wvalid_o && b.m->wready_i && b.m->wlast_o) sent.push_back(static_cast<unsigned>(b.m->wdata_o));
      CU_ASSERT((b.m->wready_o & b.m->wvalid_i) == 0 || (b.m->wvalid_o && b.m->wready_i));
      b.tick();
    }
    VB_CHECK(order.size() > 20 && sent == order, "%zu addresses, %zu bursts", order.size(), sent.size());
    for (size_t i = 1; i < order.size(); i++) CU_ASSERT_NOT_EQUAL(order[i], order[i - 1]);
    b.m->bvalid_i = 1;
    b.m->bid_i = 1;
    b.m->eval();
    CU_ASSERT_EQUAL(b.m->bvalid_o, 2);
    b.tick();
  });
  fires<V>("a_bid_known", idle, [](Bench<V> &b) {
    b.m->bvalid_i = 1;
    b.m->bid_i = 3;
    b.tick();
  });
}

static void split() {
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
static void watchdog() {
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
    b.m->run_i = 0;
    b.m->eval();
    CU_ASSERT(!b.m->abort_o && !b.m->give_up_o);
    b.tick(3);
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
static void control() {
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

static const struct vb_test tests[] = {
    {"axi4_lite", axil},    {"ap_ctrl_hs", apctrl}, {"axi4", axi4},    {"fifo", fifo},           {"stats", stats},
    {"reader", reader},     {"writer", writer},     {"read_mux", mux}, {"write_mux", write_mux}, {"split", split},
    {"watchdog", watchdog}, {"control", control},   {nullptr, nullptr}};
int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"checkers", tests, nullptr, nullptr}, {nullptr, nullptr, nullptr, nullptr}};
  return vb_test_main(argc, argv, suites);
}
