// SPDX-License-Identifier: Apache-2.0
#include "job.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct vb_hw_config configs[] = {VB_CONFIG_SMALL, VB_CONFIG_BASE, VB_CONFIG_PAPER};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint32_t index_of(const char *name) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  for (uint32_t i = 0; i < ops->config_count(); i++)
    if (strcmp(ops->config_info(i)->name, name) == 0) return i;
  return UINT32_MAX;
}

const struct vb_hw_config *cdev_config(const char *name) {
  for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
    if (strcmp(configs[i].name, name) == 0 && index_of(name) != UINT32_MAX) return &configs[i];
  return NULL;
}

struct cdevice cdev_new(const struct vb_hw_config *hw, const struct vb_dram_part *part, bool noise, uint64_t seed) {
  struct vb_sim_options o = {.dram_part = part->name, .seed = seed, .seed_set = noise, .trace_last = UINT64_MAX};
  struct cdevice d = {.env = {.hw = hw, .part = part, .noise = noise, .seed = seed}};
  uint32_t index = index_of(hw->name);
  char err[256] = "";
  d.config = vb_sim_backend()->config_info(index);
  d.sim = vb_sim_backend()->create(index, &o, err, sizeof err);
  char name[64];
  snprintf(name, sizeof name, "%s-fast", hw->name);
  d.fast_config = vb_sim_backend()->config_info(index_of(name));
  if (d.sim) d.fast = vb_sim_backend()->create(index_of(name), &o, err, sizeof err);
  d.mem = (struct vb_golden_memory){.bytes = calloc(1, CJOB_ARENA), .base = d.config->memory_base, .size = CJOB_ARENA};
  if (!VB_CHECK(d.sim && d.fast && d.mem.bytes, "device %s: %s", hw->name, err)) exit(1);
  return d;
}

void cdev_free(struct cdevice *d) {
  vb_sim_backend()->destroy(d->sim);
  vb_sim_backend()->destroy(d->fast);
  free(d->mem.bytes);
}

static const struct vb_sim_kernel *kernel_of(const struct vb_sim_config *c, const char *unit, uint32_t *index) {
  for (uint32_t k = 0; k < c->num_kernels; k++)
    if (strcmp(c->kernels[k].name, unit) == 0) {
      *index = k;
      return &c->kernels[k];
    }
  return NULL;
}

bool cjob_buffer(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t slot, uint64_t bytes) {
  uint64_t end = d->mem.base + 4096; // address 0 of a device is never used
  for (int i = 0; i < CJOB_SLOTS; i++)
    if (j->bytes[i] && j->args[i] + j->bytes[i] > end) end = j->args[i] + j->bytes[i];
  uint64_t at = (end + 63) / 64 * 64 + 64 * vb_rng_below(r, 128);
  if (at + bytes + 64 > d->mem.base + d->mem.size) return false;
  j->args[slot] = at;
  j->bytes[slot] = bytes;
  return true;
}

void *cjob_at(const struct cdevice *d, const struct cjob *j, uint32_t slot) {
  return d->mem.bytes + (j->args[slot] - d->mem.base);
}

static int no_stop(void *user, const struct vb_sim_progress *p) {
  (void)user, (void)p;
  return 0;
}

/// Its kernel on a device, whose kernels may have other numbers. `without`: a buffer that is not given, or CJOB_SLOTS.
static enum vb_sim_status run_on(struct cdevice *d, const struct cjob *j, bool fast, uint32_t without,
                                 struct vb_sim_result *result) {
  const struct vb_sim_backend_ops *ops = vb_sim_backend();
  vb_sim_device *sim = fast ? d->fast : d->sim;
  uint32_t regs[VB_SIM_REG_WORDS] = {0};
  struct vb_sim_region regions[CJOB_SLOTS];
  struct vb_sim_job job = {.regs = regs, .regions = regions, .heartbeat = no_stop, .watchdog_cycles = 1u << 30};
  const struct vb_sim_kernel *kernel = kernel_of(fast ? d->fast_config : d->config, j->unit->name, &job.kernel);
  if (!VB_CHECK(kernel != NULL, "no unit %s", j->unit->name)) exit(1);
  for (uint32_t i = 0; i < kernel->num_args; i++) {
    const struct vb_sim_arg *a = &kernel->args[i];
    uint32_t slot = (a->offset - VB_SIM_REG_ARGS) / VB_SIM_REG_STRIDE;
    regs[a->offset / 4] = (uint32_t)j->args[slot];
    regs[a->offset / 4 + 1] = (uint32_t)(j->args[slot] >> 32);
    if (a->kind < VB_SIM_ARG_BUFFER_R || !j->bytes[slot]) continue;
    ops->mem_write(sim, j->args[slot], cjob_at(d, j, slot), j->bytes[slot]);
    if (slot != without)
      regions[job.num_regions++] = (struct vb_sim_region){j->args[slot], j->bytes[slot], a->kind != VB_SIM_ARG_BUFFER_W,
                                                          a->kind != VB_SIM_ARG_BUFFER_R};
  }
  memset(result, 0, sizeof *result);
  return ops->run(sim, &job, result);
}

static void print_line(const struct cdevice *d, const struct cjob *j) {
  printf("  VERBATIM_CYCLE_JOB='%s %s %s %llu %s", d->env.hw->name, d->env.part->name, d->env.noise ? "noise" : "quiet",
         (unsigned long long)d->env.seed, j->unit->name);
  for (int i = 0; i < CJOB_SLOTS; i++) printf(" %llx", (unsigned long long)j->args[i]);
  for (int i = 0; i < CJOB_SLOTS; i++)
    if (j->bytes[i]) printf(" %d=%llx", i, (unsigned long long)j->bytes[i]);
  printf("'\n");
}

static bool same_outputs(struct cdevice *d, const struct cjob *j, vb_sim_device *sim) {
  uint32_t index;
  const struct vb_sim_kernel *kernel = kernel_of(d->config, j->unit->name, &index);
  bool ok = true;
  for (uint32_t i = 0; i < kernel->num_args; i++) {
    uint32_t slot = (kernel->args[i].offset - VB_SIM_REG_ARGS) / VB_SIM_REG_STRIDE;
    if (kernel->args[i].kind < VB_SIM_ARG_BUFFER_W || !j->bytes[slot]) continue;
    uint8_t *got = malloc(j->bytes[slot]);
    vb_sim_backend()->mem_read(sim, j->args[slot], got, j->bytes[slot]);
    ok &= VB_EXPECT_BITS(j->unit->name, (uint8_t *)cjob_at(d, j, slot), got, j->bytes[slot], 1);
    free(got);
  }
  return ok;
}

bool cjob_check(struct cdevice *d, struct cjob *j) {
  double t = now();
  clock_t cpu = clock();
  enum vb_sim_status status = run_on(d, j, false, CJOB_SLOTS, &j->rtl);
  j->rtl_seconds = now() - t;
  j->rtl_cpu = (double)(clock() - cpu) / CLOCKS_PER_SEC;
  enum vb_sim_status fast = run_on(d, j, true, CJOB_SLOTS, &j->fast);
  t = now();
  int failed = j->unit->cycles(&d->env, &d->mem, j->args, &j->model);
  j->model_seconds = now() - t;
  uint32_t error = j->unit->golden(&d->mem, d->env.hw, j->args);
  const struct vb_sim_result *a = &j->rtl;
  const struct vb_cycle_result *b = &j->model;
  uint64_t sum = b->classes[VB_HW_CLASS_BUSY];
  bool same = a->cycles == b->cycles && a->busy == b->classes[VB_HW_CLASS_BUSY] && a->bytes_read == b->bytes_read &&
              a->bytes_written == b->bytes_written;
  for (int c = 1; c < VB_HW_NUM_CLASSES; c++) {
    same = same && a->stalls[c - 1] == b->classes[c];
    sum += b->classes[c];
  }
  vb_test_compared("cycles", a->cycles);
  bool ok = VB_CHECK(failed == 0, "the model returned %d", failed);
  ok &= VB_CHECK(status == (b->error ? VB_SIM_UNIT_ERROR : VB_SIM_OK), "status %d: %s", status, a->text);
  ok &= VB_CHECK(a->error_code == b->error && b->error == error, "error 0x%02x, model 0x%02x, golden 0x%02x",
                 a->error_code, b->error, error);
  ok &= VB_CHECK(sum == b->cycles, "the model's classes sum to %llu", (unsigned long long)sum);
  static const char *const names[] = {VB_HW_CLASS_NAMES, "6", "7", "8"};
  if (!VB_CHECK(same, "cycles %llu, model %llu", (unsigned long long)a->cycles, (unsigned long long)b->cycles)) {
    for (int c = 0; c < VB_HW_NUM_CLASSES; c++)
      printf("  %-10s %10llu, model %10llu\n", names[c], (unsigned long long)(c ? a->stalls[c - 1] : a->busy),
             (unsigned long long)b->classes[c]);
    printf("  read %llu, model %llu; written %llu, model %llu\n", (unsigned long long)a->bytes_read,
           (unsigned long long)b->bytes_read, (unsigned long long)a->bytes_written,
           (unsigned long long)b->bytes_written);
    ok = false;
  }
  ok &= VB_CHECK(fast == status && memcmp(&j->fast, a, sizeof *a) == 0,
                 "the fast device differs: %llu cycles, error 0x%02x, %s", (unsigned long long)j->fast.cycles,
                 j->fast.error_code, j->fast.text);
  if (ok && !error) ok = same_outputs(d, j, d->sim) && same_outputs(d, j, d->fast);
  if (!ok) {
    print_line(d, j);
    if (status != VB_SIM_OK) vb_sim_backend()->reset(d->sim, j->rtl.text, sizeof j->rtl.text);
  }
  return ok;
}

bool cjob_check_outside(struct cdevice *d, struct cjob *j, uint32_t slot) {
  enum vb_sim_status rtl = run_on(d, j, false, slot, &j->rtl), fast = run_on(d, j, true, slot, &j->fast);
  bool ok = VB_CHECK(rtl == VB_SIM_AXI_ERROR && fast == rtl && j->rtl.error_code == j->fast.error_code,
                     "without buffer %u: RTL status %d, error 0x%02x; fast device %d, 0x%02x", slot, rtl,
                     j->rtl.error_code, fast, j->fast.error_code);
  if (!ok) print_line(d, j);
  if (rtl != VB_SIM_OK) vb_sim_backend()->reset(d->sim, j->rtl.text, sizeof j->rtl.text);
  return ok;
}

bool cjob_parse(const char *line, struct cdevice *d, struct cjob *j) {
  static const struct cunit *const units[] = {
#define CJOB_UNIT(unit) &cunit_##unit,
#include "generators.inc"
#undef CJOB_UNIT
  };
  char config[32], part[32], noise[8], unit[32];
  unsigned long long seed, value;
  int at = 0, n = 0, slot;
  if (sscanf(line, "%31s %31s %7s %llu %31s%n", config, part, noise, &seed, unit, &at) != 5) return false;
  const struct vb_hw_config *hw = cdev_config(config);
  const struct vb_dram_part *p = vb_dram_find(part);
  *j = (struct cjob){0};
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp(units[i]->name, unit) == 0) j->unit = units[i];
  if (!hw || !p || !j->unit) return false;
  for (int i = 0; i < CJOB_SLOTS; i++, at += n) {
    if (sscanf(line + at, " %llx%n", &value, &n) != 1) return false;
    j->args[i] = value;
  }
  while (sscanf(line + at, " %d=%llx%n", &slot, &value, &n) == 2 && slot >= 0 && slot < CJOB_SLOTS) {
    j->bytes[slot] = value;
    at += n;
  }
  *d = cdev_new(hw, p, strcmp(noise, "noise") == 0, seed);
  return true;
}
