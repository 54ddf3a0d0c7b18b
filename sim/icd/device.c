// SPDX-License-Identifier: Apache-2.0
//
// A device below the OpenCL objects: the model's life, its memory, its clock, its runs.
#include "icd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guard.h"

#define EXIT_WAIT_S 5

static atomic_bool exiting;
static atomic_uint ever_opened;

static uint64_t wall_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// At exit, worker threads may still be inside a run or a transfer. Freeing the model under them
// would crash, never freeing it would leave a trace file unfinished: so stop the run, wait a
// little, and keep the locks for good.
static void close_at_exit(void) {
  atomic_store(&exiting, true);
  struct _cl_device_id *devices = NULL;
  cl_uint n = vb_devices(&devices);
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += EXIT_WAIT_S;
  for (cl_uint i = 0; i < n; i++) {
    struct _cl_device_id *d = &devices[i];
    if (pthread_mutex_timedlock(&d->run_lock, &until) != 0) continue;
    if (pthread_rwlock_timedwrlock(&d->mem_lock, &until) != 0) continue;
    if (d->handle != NULL) vb_guard_destroy(d->handle);
    d->handle = NULL;
    d->lost = true;
    pthread_rwlock_unlock(&d->mem_lock);
  }
}

int vb_device_open(cl_device_id device, char *err, size_t err_size) {
  pthread_mutex_lock(&device->open_lock);
  int result = 0;
  if (device->open_count == 0) {
    // Registered at the first use, so that it runs before the backend's static destructors.
    if (atomic_fetch_add(&ever_opened, 1) == 0) atexit(close_at_exit);
    struct vb_settings settings;
    result = vb_settings_read(&settings, err, err_size);
    vb_sim_device *handle = NULL;
    if (result == 0) {
      snprintf(err, err_size, "the simulator gave no reason");
      handle = vb_guard_create(device->index, &settings.sim, err, err_size);
      result = handle != NULL ? 0 : -1;
    }
    if (result == 0) {
      vb_settings_describe(&settings, device->variation, sizeof device->variation);
      // The strings belong to the environment, which may change from here on.
      settings.sim.dram_part = settings.sim.trace_file = settings.sim.extra = NULL;
      device->settings = settings;
      pthread_mutex_lock(&device->run_lock);
      pthread_rwlock_wrlock(&device->mem_lock);
      device->handle = handle;
      device->lost = false;
      pthread_rwlock_unlock(&device->mem_lock);
      pthread_mutex_unlock(&device->run_lock);
    }
  }
  if (result == 0) device->open_count++;
  pthread_mutex_unlock(&device->open_lock);
  return result;
}

void vb_device_close(cl_device_id device) {
  pthread_mutex_lock(&device->open_lock);
  if (--device->open_count == 0 && !atomic_load(&exiting)) {
    pthread_mutex_lock(&device->run_lock);
    pthread_rwlock_wrlock(&device->mem_lock);
    if (device->handle != NULL) vb_guard_destroy(device->handle);
    device->handle = NULL;
    pthread_rwlock_unlock(&device->mem_lock);
    pthread_mutex_unlock(&device->run_lock);
  }
  pthread_mutex_unlock(&device->open_lock);
}

// What results should record. Before the device is opened the environment says what it would be.
void vb_device_configuration(cl_device_id device, char *text, size_t size) {
  pthread_mutex_lock(&device->open_lock);
  char now[sizeof device->variation] = "", err[64];
  struct vb_settings settings;
  if (device->open_count == 0 && vb_settings_read(&settings, err, sizeof err) == 0)
    vb_settings_describe(&settings, now, sizeof now);
  snprintf(text, size, "%s%s", device->config->configuration, device->open_count > 0 ? device->variation : now);
  pthread_mutex_unlock(&device->open_lock);
}

// ---- memory -------------------------------------------------------------------------------------

// The first page stays unused when DRAM starts at 0, so that address 0 can mean "no buffer".
static uint64_t first_address(cl_device_id device) {
  uint64_t base = (device->config->memory_base + VB_ALIGN - 1) / VB_ALIGN * VB_ALIGN;
  return base == 0 ? VB_ALIGN : base;
}

uint64_t vb_device_capacity(cl_device_id device) {
  uint64_t end = device->config->memory_base + device->config->memory_bytes;
  uint64_t first = first_address(device);
  return end > first ? (end - first) / VB_ALIGN * VB_ALIGN : 0;
}

// First fit: the same program gets the same addresses, and so the same DRAM timing, every time.
int vb_device_alloc(cl_device_id device, uint64_t bytes, uint64_t *address) {
  uint64_t first = first_address(device);
  uint64_t end = first + vb_device_capacity(device);
  if (bytes > end - first) return -1;
  uint64_t need = (bytes + VB_ALIGN - 1) / VB_ALIGN * VB_ALIGN;
  struct vb_block *block = malloc(sizeof *block);
  if (block == NULL) return -1;
  pthread_mutex_lock(&device->alloc_lock);
  struct vb_block **link = &device->blocks;
  uint64_t at = first;
  while (*link != NULL && (*link)->address - at < need) {
    at = (*link)->address + (*link)->bytes;
    link = &(*link)->next;
  }
  bool fits = *link != NULL || end - at >= need;
  if (fits) {
    *block = (struct vb_block){.address = at, .bytes = need, .next = *link};
    *link = block;
  }
  pthread_mutex_unlock(&device->alloc_lock);
  if (!fits) free(block);
  *address = at;
  return fits ? 0 : -1;
}

void vb_device_free(cl_device_id device, uint64_t address) {
  pthread_mutex_lock(&device->alloc_lock);
  struct vb_block **link = &device->blocks;
  while (*link != NULL && (*link)->address != address) link = &(*link)->next;
  struct vb_block *block = *link;
  if (block != NULL) *link = block->next;
  pthread_mutex_unlock(&device->alloc_lock);
  free(block);
}

int vb_device_write(cl_device_id device, uint64_t address, const void *data, size_t bytes) {
  pthread_rwlock_rdlock(&device->mem_lock);
  int result = device->handle == NULL ? -1 : vb_guard_mem_write(device->handle, address, data, bytes);
  pthread_rwlock_unlock(&device->mem_lock);
  return result;
}

int vb_device_read(cl_device_id device, uint64_t address, void *data, size_t bytes) {
  pthread_rwlock_rdlock(&device->mem_lock);
  int result = device->handle == NULL ? -1 : vb_guard_mem_read(device->handle, address, data, bytes);
  pthread_rwlock_unlock(&device->mem_lock);
  return result;
}

int vb_device_fill(cl_device_id device, uint64_t address, const void *pattern, size_t pattern_size, size_t bytes) {
  pthread_rwlock_rdlock(&device->mem_lock);
  int result = -1;
  if (device->handle != NULL) result = vb_guard_mem_fill(device->handle, address, pattern, pattern_size, bytes);
  pthread_rwlock_unlock(&device->mem_lock);
  return result;
}

// ---- clock --------------------------------------------------------------------------------------

static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

uint64_t vb_device_now(cl_device_id device) {
  pthread_mutex_lock(&device->clock_lock);
  uint64_t now = device->now_ps;
  pthread_mutex_unlock(&device->clock_lock);
  return now;
}

// There is one DMA engine: transfers of different queues follow each other, but overlap with runs.
struct vb_span vb_device_dma(cl_device_id device, uint64_t ready_ps, uint64_t bytes) {
  const struct vb_sim_config *c = device->config;
  uint64_t rate = c->dma_bytes_per_us != 0 ? c->dma_bytes_per_us : 8000u;
  uint64_t latency_ps = 1000u * (uint64_t)(c->dma_latency_ns != 0 ? c->dma_latency_ns : 1000u);
  uint64_t cost = latency_ps + bytes / rate * 1000000u + (bytes % rate * 1000000u + rate - 1) / rate;
  struct vb_span span = {.submit_ps = ready_ps};
  pthread_mutex_lock(&device->clock_lock);
  span.start_ps = max_u64(ready_ps, device->dma_free_ps);
  span.end_ps = span.start_ps + cost;
  device->dma_free_ps = span.end_ps;
  device->now_ps = max_u64(device->now_ps, span.end_ps);
  pthread_mutex_unlock(&device->clock_lock);
  return span;
}

// ---- runs ---------------------------------------------------------------------------------------

struct heartbeat {
  cl_device_id device;
  uint64_t started_ns, last_ns, last_cycles;
};

static int on_heartbeat(void *user, const struct vb_sim_progress *progress) {
  struct heartbeat *h = user;
  uint64_t now = wall_ns();
  uint64_t period = h->device->settings.heartbeat_s;
  if (period != 0 && (now - h->last_ns) / 1000000000u >= period) {
    double rate = (double)(progress->cycles - h->last_cycles) * 1e3 / (double)(now - h->last_ns);
    fprintf(stderr, "%s: %s: %.1f Mcycles in %.0f s, %.3f Mcycles/s\n", h->device->name, progress->kernel,
            (double)progress->cycles / 1e6, (double)(now - h->started_ns) / 1e9, rate);
    h->last_ns = now;
    h->last_cycles = progress->cycles;
  }
  return atomic_load(&exiting) ? 1 : 0;
}

static void fill_stats(cl_verbatim_stats_VB *stats, const struct vb_sim_result *result, enum vb_sim_status status,
                       uint64_t ns) {
  _Static_assert(CL_VERBATIM_STALL_CLASSES == VB_SIM_STALL_CLASSES, "two names for one number");
  stats->cycles = result->cycles;
  stats->busy = result->busy;
  for (uint32_t i = 0; i < VB_SIM_STALL_CLASSES; i++) stats->stalls[i] = result->stalls[i];
  stats->bytes_read = result->bytes_read;
  stats->bytes_written = result->bytes_written;
  stats->wall_ns = ns;
  stats->error_code = result->error_code;
  stats->status = (cl_uint)status;
  snprintf(stats->text, sizeof stats->text, "%s", result->text);
}

static void recover(cl_device_id device, cl_verbatim_stats_VB *stats) {
  char err[200] = "the simulator gave no reason";
  if (vb_guard_reset(device->handle, err, sizeof err) == 0) return;
  device->lost = true;
  size_t used = strlen(stats->text);
  snprintf(stats->text + used, sizeof stats->text - used, "; device lost: %s", err);
}

cl_int vb_device_run(cl_device_id device, struct vb_sim_job *job, uint64_t ready_ps, struct vb_span *span,
                     cl_verbatim_stats_VB *stats) {
  memset(stats, 0, sizeof *stats);
  *span = (struct vb_span){ready_ps, ready_ps, ready_ps};
  pthread_mutex_lock(&device->run_lock);
  if (device->lost) {
    pthread_mutex_unlock(&device->run_lock);
    stats->status = VB_SIM_FATAL;
    snprintf(stats->text, sizeof stats->text, "the device was lost earlier");
    return CL_DEVICE_NOT_AVAILABLE;
  }
  struct heartbeat h = {.device = device, .started_ns = wall_ns()};
  h.last_ns = h.started_ns;
  job->watchdog_cycles = device->settings.watchdog_cycles;
  job->heartbeat = on_heartbeat;
  job->heartbeat_user = &h;
  struct vb_sim_result result;
  memset(&result, 0, sizeof result);
  enum vb_sim_status status = vb_guard_run(device->handle, job, &result);
  result.text[sizeof result.text - 1] = '\0';
  fill_stats(stats, &result, status, wall_ns() - h.started_ns);

  uint64_t cost = result.cycles * device->config->clock_period_ps;
  pthread_mutex_lock(&device->clock_lock);
  span->start_ps = max_u64(ready_ps, device->unit_free_ps);
  span->end_ps = span->start_ps + cost;
  device->unit_free_ps = span->end_ps;
  device->now_ps = max_u64(device->now_ps, span->end_ps);
  pthread_mutex_unlock(&device->clock_lock);

  if (status != VB_SIM_OK) recover(device, stats);
  bool lost = device->lost;
  pthread_mutex_unlock(&device->run_lock);
  if (status == VB_SIM_OK) return CL_COMPLETE;
  return lost ? CL_DEVICE_NOT_AVAILABLE : CL_OUT_OF_RESOURCES;
}
