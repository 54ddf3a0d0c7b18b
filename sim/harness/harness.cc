// SPDX-License-Identifier: Apache-2.0
//
// The backend of the OpenCL driver: devices made of Verilated units, one DRAM, one memory; and for every configuration
// a fast device, `NAME-fast`, without hardware: the same jobs, results by the reference, time by the exact cycle model.
#include "../../hw/config/vb_config_gen.h"
#include "unit.h"
#include "unit_fast.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <sys/mman.h>
#include <vector>

extern "C" {
#include "../../host/num/tables.h"
}

// One line a configuration and one a unit in it, written by make/sim.mk.
#define VB_FAST_CONFIG(config, macro)
#define VB_FAST_UNIT(unit, macro)
#define VB_UNIT(config, unit) extern const vb::UnitEntry vb_unit_##config##_##unit;
#define VB_CONFIG(config, macro)
#include "units.inc"
#undef VB_UNIT
#undef VB_CONFIG

namespace {

// High on purpose: an address cut to 32 bits, or a NULL pointer, is outside and answers DECERR.
constexpr uint64_t kMemoryBase = 0x400000000;

struct Config {
  vb_hw_config hw;
  vb_sim_config sim;
  char name[64];
  char text[256];
  bool fast;
  std::vector<vb_sim_kernel> kernels;
  std::vector<const vb::UnitEntry *> units;
};

void describe(Config &c) {
  const vb_hw_config &h = c.hw;
  std::snprintf(c.text, sizeof c.text,
                "rows=%u lanes=%u axi=%u burst=%u attention-keys=%u attention-key-blocks=%u attention-value-blocks=%u "
                "pairs=%u indexer-keys=%u word=%08x dram=%s%s",
                h.rows, h.lanes, h.axi_data_bits, h.max_burst, h.attention_keys, h.attention_key_blocks,
                h.attention_value_blocks, h.router_max_pairs, h.indexer_keys, h.word, h.dram,
                c.fast ? " time=model" : "");
}

std::vector<Config> make_configs() {
  static const vb_hw_config hw[] = {
#define VB_UNIT(config, unit)
#define VB_CONFIG(config, macro) VB_CONFIG_##macro,
#include "units.inc"
#undef VB_UNIT
#undef VB_CONFIG
  };
  static const vb::UnitEntry *const units[] = {
#define VB_UNIT(config, unit) &vb_unit_##config##_##unit,
#define VB_CONFIG(config, macro)
#include "units.inc"
#undef VB_UNIT
#undef VB_CONFIG
  };
  std::vector<Config> all;
  for (const auto &h : hw) {
    Config c{};
    c.hw = h;
    std::snprintf(c.name, sizeof c.name, "%s", h.name);
    for (const auto *u : units)
      if (std::strcmp(u->config, h.name) == 0) {
        c.units.push_back(u);
        c.kernels.push_back(*u->kernel);
      }
    describe(c);
    all.push_back(std::move(c));
  }
  static const vb_hw_config fast[] = {
#undef VB_FAST_CONFIG
#define VB_UNIT(config, unit)
#define VB_CONFIG(config, macro)
#define VB_FAST_CONFIG(config, macro) VB_CONFIG_##macro,
#include "units.inc"
#undef VB_UNIT
#undef VB_CONFIG
  };
  for (const auto &h : fast) { // behind the others, whose numbers do not change
    Config c{};
    c.hw = h;
    c.fast = true;
    c.kernels = vb::fast_kernels();
    std::snprintf(c.name, sizeof c.name, "%s-fast", h.name);
    describe(c);
    all.push_back(std::move(c));
  }
  return all;
}

std::vector<Config> &configs() {
  static std::vector<Config> all = [] {
    auto list = make_configs();
    return list;
  }();
  static const bool linked = [] { // pointers into the final place
    for (auto &c : all) {
      c.sim = {};
      c.sim.name = c.name;
      c.sim.fast = c.fast;
      c.sim.configuration = c.text;
      c.sim.table_hash = vb_tables_hash32;
      c.sim.memory_base = kMemoryBase;
      c.sim.memory_bytes = c.hw.memory_bytes;
      c.sim.clock_period_ps = c.hw.clock_period_ps;
      c.sim.kernels = c.kernels.data();
      c.sim.num_kernels = static_cast<uint32_t>(c.kernels.size());
      static const char *const names[] = {VB_HW_CLASS_NAMES}; // busy first
      for (unsigned i = 1; i < VB_HW_NAMED_CLASSES; i++) c.sim.stall_names[i - 1] = names[i];
    }
    return true;
  }();
  (void)linked;
  return all;
}

void say(char *err, size_t size, const std::string &text) {
  if (size != 0) std::snprintf(err, size, "%s", text.c_str());
}

} // namespace

struct vb_sim_device {
  const Config *config;
  vb_sim_options options;
  std::string trace_file;
  uint8_t *memory = nullptr;
  vb_dram *dram = nullptr;
  uint64_t cycle = 0;
  std::vector<std::unique_ptr<vb::Unit>> units;
  vb::Fault fault;
  std::string fault_unit;
  uint32_t last_kernel = 0;

  ~vb_sim_device() {
    units.clear();
    vb_dram_free(dram);
    if (memory) munmap(memory, config->sim.memory_bytes);
  }
};

namespace {

uint32_t config_count() { return static_cast<uint32_t>(configs().size()); }
const vb_sim_config *config_info(uint32_t index) { return index < config_count() ? &configs()[index].sim : nullptr; }

void build(vb_sim_device &d, const vb_sim_options &options) {
  d.options = options;
  if (options.trace_file && d.config->fast)
    throw std::runtime_error(std::string(d.config->name) + " has no hardware that could be traced");
  if (options.trace_file) {
#ifndef VB_SIM_TRACED
    throw std::runtime_error("this simulator was built without waveforms: build it with SIM_TRACE=1");
#endif
    d.trace_file = options.trace_file; // the caller's string may go away
    d.options.trace_file = d.trace_file.c_str();
  }
  if (const char *text = std::getenv("VERBATIM_SIM_FAULT"); text && *text)
    d.fault = vb::Fault::parse(text, &d.fault_unit);
  if (d.fault.kind != vb::Fault::kNone && d.config->fast)
    throw std::runtime_error(std::string(d.config->name) + " has no hardware in which a fault could be planted");
  const char *part_name = options.dram_part ? options.dram_part : d.config->hw.dram;
  const vb_dram_part *part = vb_dram_find(part_name);
  if (!part) {
    std::string known;
    for (uint32_t i = 0; vb_dram_at(i); i++) known += std::string(i ? ", " : "") + vb_dram_at(i)->name;
    throw std::runtime_error(std::string("unknown DRAM part '") + part_name + "'; known: " + known);
  }
  const bool noise = options.seed_set != 0;
  const uint64_t seed = noise ? options.seed : 1;
  d.dram = vb_dram_new(part, d.config->hw.clock_period_ps, noise, seed);
  void *map = mmap(nullptr, d.config->sim.memory_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map != MAP_FAILED) d.memory = static_cast<uint8_t *>(map);
  if (!d.dram || !d.memory) throw std::runtime_error("out of memory");
  const vb::UnitEnv env{&d.config->sim, &d.options, d.memory, d.dram, &d.cycle, seed, noise};
  for (const auto *entry : d.config->units) d.units.push_back(entry->make(env));
  for (uint32_t i = 0; d.config->fast && i < d.config->kernels.size(); i++)
    d.units.push_back(vb::make_fast_unit(i, d.config->hw, part, env));
  for (auto &unit : d.units) {
    auto &u = *unit;
    if (u.status_word(vb::kStatTables) != vb_tables_hash32)
      throw std::runtime_error(std::string(u.kernel().name) + " was built from other numeric tables");
    if (u.status_word(vb::kStatConfig) != d.config->hw.word)
      throw std::runtime_error(std::string(u.kernel().name) + " was built from another configuration");
  }
}

vb_sim_device *create(uint32_t index, const vb_sim_options *options, char *err, size_t err_size) {
  if (index >= config_count()) {
    say(err, err_size, "no such configuration");
    return nullptr;
  }
  auto d = std::make_unique<vb_sim_device>();
  d->config = &configs()[index];
  try {
    build(*d, *options);
  } catch (const std::exception &e) {
    say(err, err_size, vb::take_printed() + e.what());
    return nullptr;
  }
  return d.release();
}

void destroy(vb_sim_device *d) { delete d; }

uint8_t *at(vb_sim_device *d, uint64_t address) { return d->memory + (address - kMemoryBase); }

int mem_write(vb_sim_device *d, uint64_t address, const void *data, size_t bytes) {
  std::memcpy(at(d, address), data, bytes);
  return 0;
}

int mem_read(vb_sim_device *d, uint64_t address, void *data, size_t bytes) {
  std::memcpy(data, at(d, address), bytes);
  return 0;
}

int mem_fill(vb_sim_device *d, uint64_t address, const void *pattern, size_t size, size_t bytes) {
  for (size_t i = 0; i < bytes; i += size) std::memcpy(at(d, address + i), pattern, size);
  return 0;
}

vb_sim_status run(vb_sim_device *d, const vb_sim_job *job, vb_sim_result *result) {
  auto &unit = *d->units.at(job->kernel);
  vb::Fault fault;
  if (d->fault.kind != vb::Fault::kNone && (d->fault_unit.empty() || d->fault_unit == unit.kernel().name))
    fault = d->fault;
  d->last_kernel = job->kernel;
  return unit.run(*job, fault, *result);
}

int reset(vb_sim_device *d, char *err, size_t err_size) {
  try {
    d->units.at(d->last_kernel)->reset();
  } catch (const std::exception &e) {
    say(err, err_size, vb::take_printed() + e.what());
    return -1;
  }
  return 0;
}

const vb_sim_backend_ops ops = {
    VB_SIM_BACKEND_VERSION, config_count, config_info, create, destroy, mem_write, mem_read, mem_fill, run, reset};

} // namespace

extern "C" const vb_sim_backend_ops *vb_sim_backend(void) { return &ops; }
