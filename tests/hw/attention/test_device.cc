// SPDX-License-Identifier: Apache-2.0
//
// The attention unit as the OpenCL driver sees it: behind the shared DRAM model and the AXI slave of sim/harness, on
// every DRAM part, with and without noise. Same jobs, same reference as test_attention.cc.
#include "job.h"
extern "C" {
#include "icd/backend.h"
}
#include <cstdio>
#include <cstring>

const struct vb_hw_config job_hw = VB_CONFIG_BASE;
static const char *const parts[] = {"ddr4-2400", "ddr5-4800", "hbm2e"};
static uint64_t total_cycles, total_values;

static int no_stop(void *, const struct vb_sim_progress *) { return 0; }

static bool check(vb_sim_device *device, const vb_sim_config &config, Job &j, struct vb_rng *rng) {
  const vb_sim_backend_ops &ops = *vb_sim_backend();
  Arena arena;
  arena.base = config.memory_base;
  j.place(rng, arena, vb_rng_below(rng, 2));
  std::vector<uint8_t> expected = arena.memory;
  VB_CHECK(j.golden(expected) == 0, "%s: golden error", j.describe().c_str());
  if (!VB_CHECK(ops.mem_write(device, arena.base, arena.memory.data(), arena.memory.size()) == 0, "mem_write"))
    return false;

  std::vector<uint32_t> regs(VB_SIM_REG_WORDS, 0);
  std::vector<uint64_t> args = j.args();
  for (size_t i = 0; i < args.size(); i++) {
    regs[4 + 2 * i] = static_cast<uint32_t>(args[i]);
    regs[5 + 2 * i] = static_cast<uint32_t>(args[i] >> 32);
  }
  std::vector<vb_sim_region> regions;
  for (const Region &r : arena.regions)
    if (r.bytes) regions.push_back({r.address, r.bytes, 1, r.writable});
  struct vb_sim_job job = {};
  while (strcmp(config.kernels[job.kernel].name, "attention") != 0) job.kernel++;
  job.regs = regs.data();
  job.regions = regions.data();
  job.num_regions = static_cast<uint32_t>(regions.size());
  job.watchdog_cycles = 20000000;
  job.heartbeat = no_stop;
  struct vb_sim_result result = {};
  vb_sim_status status = ops.run(device, &job, &result);
  bool ok = VB_CHECK(status == VB_SIM_OK, "status %d: %s", status, result.text);
  if (!ok) return false;
  total_cycles += result.cycles;
  total_values += j.outputs();
  vb_test_compared("attention", j.outputs());
  ops.mem_read(device, arena.base, arena.memory.data(), arena.memory.size());
  return VB_CHECK(arena.memory == expected, "%s: memory differs", j.describe().c_str());
}

static void jobs_on_dram() {
  struct vb_rng rng = vb_test_rng();
  const vb_sim_backend_ops &ops = *vb_sim_backend();
  uint32_t built = 0; // configurations of RTL; those without hardware come behind them
  while (built < ops.config_count() && !ops.config_info(built)->fast) built++;
  for (uint64_t d = 0; d < vb_test_count(9, 120); d++) {
    struct vb_sim_options options = {};
    options.dram_part = parts[d % 3];
    options.seed = vb_rng_next(&rng);
    options.seed_set = d >= 3; // the first three without noise
    options.trace_last = UINT64_MAX;
    char err[256] = "";
    uint32_t index = static_cast<uint32_t>(d % built);
    const vb_sim_config &config = *ops.config_info(index);
    vb_sim_device *device = ops.create(index, &options, err, sizeof err);
    if (!VB_CHECK(device, "create: %s", err)) return;
    bool ok = true;
    for (uint32_t n = 0; n < 12 && ok; n++) {
      Job j = random_job(&rng, n % 4, 20, 80, static_cast<Spread>((n + d) % kSpreads));
      j.refs(&rng);
      ok = check(device, config, j, &rng);
    }
    ops.destroy(device);
    if (!ok) return;
  }
  VB_CHECK(total_values >= 10000, "only %llu values", static_cast<unsigned long long>(total_values));
  printf("  %llu cycles, %llu values\n", static_cast<unsigned long long>(total_cycles),
         static_cast<unsigned long long>(total_values));
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"jobs-on-dram", jobs_on_dram}, {nullptr, nullptr}};
  const struct vb_suite suites[] = {{"vb_attention-device", tests, nullptr, nullptr}, {}};
  return vb_test_main(argc, argv, suites);
}
