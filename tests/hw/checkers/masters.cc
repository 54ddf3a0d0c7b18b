// SPDX-License-Identifier: Apache-2.0
// FIFO, counters, bus masters and their multiplexers.
#include "Vchk_vb_axi_rd.h"
#include "Vchk_vb_axi_rd_mux.h"
#include "Vchk_vb_axi_wr.h"
#include "Vchk_vb_axi_wr_mux.h"
#include "Vchk_vb_fifo.h"
#include "Vchk_vb_stats.h"
#include "bench.h"
#include <vector>

void fifo() {
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

void stats() {
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

void reader() {
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

void writer() {
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

void mux() {
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

void write_mux() {
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
