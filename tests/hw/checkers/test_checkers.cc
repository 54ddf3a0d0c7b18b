// SPDX-License-Identifier: Apache-2.0
// Assertions that cannot fire are decoration: every one of the protocol checkers and of the shared cells
// gets one planted violation and must name itself; legal traffic must leave all of them quiet.
#include "Vchk_vb_apctrl_chk.h"
#include "Vchk_vb_axi4_chk.h"
#include "Vchk_vb_axil_chk.h"
#include "bench.h"

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

static const struct vb_test tests[] = {
    {"axi4_lite", axil},    {"ap_ctrl_hs", apctrl}, {"axi4", axi4},    {"fifo", fifo},           {"stats", stats},
    {"reader", reader},     {"writer", writer},     {"read_mux", mux}, {"write_mux", write_mux}, {"split", split},
    {"watchdog", watchdog}, {"control", control},   {nullptr, nullptr}};
int main(int argc, char **argv) {
  const struct vb_suite suites[] = {{"checkers", tests, nullptr, nullptr}, {nullptr, nullptr, nullptr, nullptr}};
  return vb_test_main(argc, argv, suites);
}
