// SPDX-License-Identifier: Apache-2.0
//
// Pins of a Verilated top with the ports of hw/common/vb_unit_ports.svh: what the memory side sees and answers.
#ifndef VB_SIM_PINS_H
#define VB_SIM_PINS_H
#include "axi_slave.h"
#include <cstring>

namespace vb {

template <class T> inline void get_bits(uint8_t *to, const T &from) { std::memcpy(to, &from, sizeof from); }
template <class T> inline void put_bits(T &to, const uint8_t *from) { std::memcpy(&to, from, sizeof to); }

template <class T> inline void set(T &port, uint32_t value) { port = static_cast<T>(value); }
// Verilator 5.006 renames a port that is called like a macro of some compiler; newer ones do not.
template <class V> inline auto irq(const V &m, int) -> decltype(m.interrupt) { return m.interrupt; }
template <class V> inline auto irq(const V &m, long) -> decltype(m.__SYM__interrupt) { return m.__SYM__interrupt; }

// The outputs are those of the state; the memory answers them; both meet at the next edge.
template <class V> inline void answer(V &m, AxiSlave &slave, uint64_t cycle, AxiOut &out, AxiIn &in) {
  out.arvalid = m.m_axi_gmem_arvalid;
  out.arid = m.m_axi_gmem_arid;
  out.araddr = m.m_axi_gmem_araddr;
  out.arlen = m.m_axi_gmem_arlen;
  out.rready = m.m_axi_gmem_rready;
  out.awvalid = m.m_axi_gmem_awvalid;
  out.awid = m.m_axi_gmem_awid;
  out.awaddr = m.m_axi_gmem_awaddr;
  out.awlen = m.m_axi_gmem_awlen;
  out.wvalid = m.m_axi_gmem_wvalid;
  out.bready = m.m_axi_gmem_bready;
  if (out.wvalid) {
    out.wlast = m.m_axi_gmem_wlast;
    out.wstrb = static_cast<uint64_t>(m.m_axi_gmem_wstrb);
    get_bits(out.wdata, m.m_axi_gmem_wdata);
  }
  slave.step(cycle, out, in);
  m.m_axi_gmem_arready = in.arready;
  m.m_axi_gmem_awready = in.awready;
  m.m_axi_gmem_wready = in.wready;
  m.m_axi_gmem_rvalid = in.rvalid;
  if (in.rvalid) {
    set(m.m_axi_gmem_rid, in.rid);
    set(m.m_axi_gmem_rresp, in.rresp);
    m.m_axi_gmem_rlast = in.rlast;
    put_bits(m.m_axi_gmem_rdata, in.rdata);
  }
  m.m_axi_gmem_bvalid = in.bvalid;
  if (in.bvalid) {
    set(m.m_axi_gmem_bid, in.bid);
    set(m.m_axi_gmem_bresp, in.bresp);
  }
}

} // namespace vb
#endif
