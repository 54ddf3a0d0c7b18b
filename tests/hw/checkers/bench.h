// SPDX-License-Identifier: Apache-2.0
//
// A cell alone on a bench: legal traffic must leave its assertions quiet, a planted violation must name itself.
#ifndef VB_TESTS_HW_CHECKERS_BENCH_H
#define VB_TESTS_HW_CHECKERS_BENCH_H
extern "C" {
#include "../../../hw/regs/vb_regs.h"
#include "support/harness.h"
}
#include "harness/unit.h"
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
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

void fifo();
void stats();
void reader();
void writer();
void mux();
void write_mux();
void split();
void watchdog();
void control();
#endif
