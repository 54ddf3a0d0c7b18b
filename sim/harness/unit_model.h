// SPDX-License-Identifier: Apache-2.0
//
// Unit for a Verilated class V. One template, so that the cycle loop is compiled against the model's
// own port members: no virtual call and no copy of wide ports in a cycle that does not use them.
#ifndef VB_SIM_UNIT_MODEL_H
#define VB_SIM_UNIT_MODEL_H
#include "coverage.h"
#include "pins.h"
#include "unit.h"
#include <cstring>
#include <stdexcept>
#include <verilated.h>
#ifdef VB_SIM_TRACED
#include <verilated_fst_c.h>
#endif

namespace vb {

template <class V> class UnitModel final : public Unit {
public:
  UnitModel(const vb_sim_kernel &kernel, const UnitEnv &env)
      : kernel_(kernel), env_(env),
        slave_(env.memory, *env.config, env.dram, sizeof(V::m_axi_gmem_rdata), env.noise, env.seed) {
    build();
  }
  ~UnitModel() override { discard(); }
  const vb_sim_kernel &kernel() const override { return kernel_; }

  vb_sim_status run(const vb_sim_job &job, Fault fault, vb_sim_result &result) override {
    try {
      return run_job(job, fault, result);
    } catch (const std::exception &e) {
      broken_ = true;
      // An assertion printed which one it was; a checker is a module called vb_*_chk.
      std::string text = take_printed() + e.what();
      std::snprintf(result.text, sizeof result.text, "%s", text.c_str());
      result.cycles = run_cycle_;
      return text.find("u_chk") != std::string::npos ? VB_SIM_AXI_ERROR : VB_SIM_FATAL;
    }
  }

  void reset() override {
    slave_.drop();
    if (broken_) return build();
    // Short resets are the hard ones: one to four cycles, from the seed.
    pull_reset(1 + static_cast<unsigned>(vb_hash2(env_.seed, ++resets_) & 3));
  }

  uint32_t status_word(unsigned index) override { return read_reg(VB_HW_REG_STATUS + 4 * index); }

  void close_trace() {
#ifdef VB_SIM_TRACED
    if (trace_) trace_->close();
    trace_.reset();
#endif
  }

private:
  static constexpr uint64_t kPatience = 1u << 20; // cycles in which a unit's watchdog ends any job

  // A model takes its leave of the thread's context, which another unit may have set, and freed, since.
  void discard() {
    close_trace();
    if (context_) {
      Verilated::threadContextp(context_.get());
      write_coverage(*context_);
    }
    model_.reset();
  }

  void build() {
    discard();
    context_ = std::make_unique<VerilatedContext>();
    context_->threads(1); // 5.006 would start idle threads
    context_->randReset(2);
    context_->randSeed(static_cast<int>(env_.seed & 0x7fffffff) | 1);
    context_->assertOn(true);
    Verilated::threadContextp(context_.get());
#ifdef VB_SIM_TRACED
    if (env_.options->trace_file) context_->traceEverOn(true);
#endif
    model_ = std::make_unique<V>(context_.get(), kernel_.name);
#ifdef VB_SIM_TRACED
    if (env_.options->trace_file) {
      trace_ = std::make_unique<VerilatedFstC>();
      model_->trace(trace_.get(), 99); // the file is opened by the first cycle of the window
    }
#endif
    V &m = *model_;
    m.ap_clk = 0;
    m.s_axi_control_awvalid = m.s_axi_control_wvalid = m.s_axi_control_arvalid = 0;
    m.s_axi_control_bready = m.s_axi_control_rready = 1;
    pull_reset(8);
    broken_ = false;
  }

  void pull_reset(unsigned cycles) {
    V &m = *model_;
    m.s_axi_control_awvalid = m.s_axi_control_wvalid = m.s_axi_control_arvalid = 0;
    m.ap_rst_n = 0;
    m.m_axi_gmem_arready = m.m_axi_gmem_rvalid = m.m_axi_gmem_awready = m.m_axi_gmem_wready = m.m_axi_gmem_bvalid = 0;
    for (unsigned i = 0; i < cycles; i++) edge();
    m.ap_rst_n = 1;
  }

  void edge() {
    V &m = *model_;
    m.ap_clk = 1;
    m.eval();
    dump(0);
    m.ap_clk = 0;
    m.eval();
    dump(1);
    ++*env_.device_cycle;
  }

  void dump(unsigned half) {
#ifdef VB_SIM_TRACED
    const uint64_t at = *env_.device_cycle;
    if (!trace_ || at < env_.options->trace_first || at > env_.options->trace_last) return;
    if (!trace_->isOpen()) { // one file a unit: FILE.fst gives FILE.router.fst
      std::string name = env_.options->trace_file;
      if (name.size() > 4 && name.compare(name.size() - 4, 4, ".fst") == 0) name.resize(name.size() - 4);
      trace_->open((name + "." + kernel_.name + ".fst").c_str());
    }
    trace_->dump(2 * at + half);
#else
    (void)half;
#endif
  }

  void tick() {
    answer(*model_, slave_, run_cycle_, out_, in_);
    edge();
    run_cycle_++;
  }

  void write_reg(uint32_t address, uint32_t data) {
    V &m = *model_;
    set(m.s_axi_control_awaddr, address);
    m.s_axi_control_wdata = data;
    m.s_axi_control_wstrb = 15;
    m.s_axi_control_awvalid = m.s_axi_control_wvalid = 1;
    for (int i = 0; i < 64; i++) {
      const bool aw = m.s_axi_control_awready, w = m.s_axi_control_wready, b = m.s_axi_control_bvalid;
      tick();
      if (aw) m.s_axi_control_awvalid = 0;
      if (w) m.s_axi_control_wvalid = 0;
      if (b) return;
    }
    throw std::runtime_error("the control port does not answer a write");
  }

  uint32_t read_reg(uint32_t address) {
    V &m = *model_;
    set(m.s_axi_control_araddr, address);
    m.s_axi_control_arvalid = 1;
    for (int i = 0; i < 64; i++) {
      const bool ar = m.s_axi_control_arready, r = m.s_axi_control_rvalid;
      const uint32_t data = m.s_axi_control_rdata;
      tick();
      if (ar) m.s_axi_control_arvalid = 0;
      if (r) return data;
    }
    throw std::runtime_error("the control port does not answer a read");
  }

  uint64_t read_stat64(unsigned index) {
    const uint64_t low = status_word(index);
    return low | uint64_t{status_word(index + 1)} << 32;
  }

  vb_sim_status run_job(const vb_sim_job &job, Fault fault, vb_sim_result &result) {
    Verilated::threadContextp(context_.get());
    take_printed();
    // A job's cycles depend on the job, the configuration, the part and the seed, never on earlier jobs.
    vb_dram_reset(env_.dram);
    run_cycle_ = 0;
    slave_.begin(job.regions, job.num_regions, fault);
    for (uint32_t i = 0; i < kernel_.num_args; i++)
      for (uint32_t half = 0; half < 8; half += 4)
        write_reg(kernel_.args[i].offset + half, job.regs[(kernel_.args[i].offset + half) / 4]);
    if (fault.kind == Fault::kRegister) // the register holds one wrong bit, as if an upset had hit it
      write_reg(static_cast<uint32_t>(fault.at), job.regs[fault.at / 4] ^ 1u << fault.value);
    for (uint32_t half = 0; half < 2; half++)
      write_reg(VB_HW_REG_STATUS + 4 * (VB_HW_STAT_WATCHDOG + half),
                static_cast<uint32_t>(job.watchdog_cycles >> (32 * half)));
    write_reg(VB_SIM_REG_IER, 1);
    write_reg(VB_SIM_REG_GIE, 1);
    run_cycle_ = 0; // nor on the number of registers written: time starts with the write of ap_start
    write_reg(VB_SIM_REG_CTRL, 1);

    vb_sim_progress progress{0, kernel_.name};
    while (!irq(*model_, 0)) {
      tick();
      progress.cycles = run_cycle_;
      if ((run_cycle_ & 0xffff) == 0 && job.heartbeat(job.heartbeat_user, &progress) != 0) {
        result.cycles = progress.cycles;
        return VB_SIM_STOPPED;
      }
      if (job.stop_cycles != 0 && progress.cycles >= job.stop_cycles) {
        result.cycles = progress.cycles;
        return VB_SIM_STOPPED;
      }
      // The unit's own watchdog ends the job; this one is for a unit that is beyond that.
      if (job.watchdog_cycles != 0 && progress.cycles > job.watchdog_cycles &&
          progress.cycles - job.watchdog_cycles > kPatience) {
        result.cycles = progress.cycles;
        std::snprintf(result.text, sizeof result.text, "no ap_done in %llu cycles; unit state 0x%x, job id %u; %s",
                      static_cast<unsigned long long>(progress.cycles), status_word(kStatState), status_word(kStatId),
                      slave_.state().c_str());
        return VB_SIM_WATCHDOG;
      }
    }
    write_reg(VB_SIM_REG_ISR, 1);
    const uint32_t ctrl = read_reg(VB_SIM_REG_CTRL) & 0x0e;
    const bool idle = ctrl & 4;
    if ((ctrl | 4) != 0x0e || (!idle && status_word(kStatError) != VB_HW_ERR_WATCHDOG))
      throw std::runtime_error("interrupt without ap_done and ap_idle");
    return collect(result, idle);
  }

  // `idle`: false after a job that the watchdog ended while the bus was silent, and for every later one: transfers stay
  // open, and the counters those of that job, until the reset.
  vb_sim_status collect(vb_sim_result &result, bool idle) {
    result.cycles = read_stat64(kStatCycles);
    result.busy = read_stat64(kStatBusy);
    result.bytes_read = read_stat64(kStatRead);
    result.bytes_written = read_stat64(kStatWrite);
    result.error_code = status_word(kStatError);
    uint64_t sum = result.busy;
    for (unsigned i = 0; i < VB_SIM_STALL_CLASSES; i++) sum += result.stalls[i] = read_stat64(kStatBusy + 2 * (i + 1));
    // The unit's own counters against what was seen from outside.
    if (sum != result.cycles) throw std::runtime_error("classes of cycles do not sum to the cycles");
    if (idle && (result.bytes_read != slave_.bytes_read || result.bytes_written != slave_.bytes_written))
      throw std::runtime_error("byte counters of the unit differ from the bus");
    if (idle && !slave_.quiet()) throw std::runtime_error("ap_done with transfers open: " + slave_.state());
    if (result.error_code == VB_HW_ERR_WATCHDOG) {
      std::snprintf(result.text, sizeof result.text, "watchdog after %llu cycles%s; job id %u; %s",
                    static_cast<unsigned long long>(result.cycles), idle ? "" : ", the memory does not answer",
                    status_word(kStatId), slave_.state().c_str());
      return VB_SIM_WATCHDOG;
    }
    if (slave_.denied) {
      std::snprintf(result.text, sizeof result.text, "%s", slave_.denied_text.c_str());
      return VB_SIM_AXI_ERROR;
    }
    if (result.error_code == 0) return VB_SIM_OK;
    std::snprintf(result.text, sizeof result.text, "unit error 0x%02x: %s", result.error_code,
                  vb_hw_error_text(kernel_.name, result.error_code));
    return (result.error_code & 0xf0) == 0x20 ? VB_SIM_AXI_ERROR : VB_SIM_UNIT_ERROR;
  }

  const vb_sim_kernel &kernel_;
  UnitEnv env_;
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<V> model_;
#ifdef VB_SIM_TRACED
  std::unique_ptr<VerilatedFstC> trace_;
#endif
  AxiSlave slave_;
  AxiOut out_{};
  AxiIn in_{};
  uint64_t run_cycle_ = 0, resets_ = 0;
  bool broken_ = false;
};

} // namespace vb
#endif
