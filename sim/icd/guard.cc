// SPDX-License-Identifier: Apache-2.0
//
// An exception must not unwind through the driver's C frames: it would skip every unlock on its
// way. So each call has its own handler here, right above the backend.
#include "guard.h"

#include <cstdio>
#include <exception>

namespace {

// Runs `call`; on an exception puts its text into `err` and returns `failed`.
template <typename Call, typename Result> Result guarded(char *err, size_t err_size, Result failed, Call call) {
  const char *text = "unknown exception in the simulator";
  try {
    return call();
  } catch (const std::exception &e) {
    if (err != nullptr && err_size > 0) std::snprintf(err, err_size, "%s", e.what());
    return failed;
  } catch (const char *message) {
    text = message;
  } catch (...) {
  }
  if (err != nullptr && err_size > 0) std::snprintf(err, err_size, "%s", text);
  return failed;
}

} // namespace

uint32_t vb_guard_config_count(void) {
  return guarded(nullptr, 0, 0u, [] {
    const vb_sim_backend_ops *ops = vb_sim_backend();
    return ops->version == VB_SIM_BACKEND_VERSION ? ops->config_count() : 0u;
  });
}

const struct vb_sim_config *vb_guard_config_info(uint32_t index) {
  const vb_sim_config *none = nullptr;
  return guarded(nullptr, 0, none, [=] { return vb_sim_backend()->config_info(index); });
}

vb_sim_device *vb_guard_create(uint32_t index, const struct vb_sim_options *options, char *err, size_t err_size) {
  vb_sim_device *none = nullptr;
  return guarded(err, err_size, none, [=] { return vb_sim_backend()->create(index, options, err, err_size); });
}

void vb_guard_destroy(vb_sim_device *device) {
  guarded(nullptr, 0, -1, [=] {
    vb_sim_backend()->destroy(device);
    return 0;
  });
}

int vb_guard_mem_write(vb_sim_device *device, uint64_t address, const void *data, size_t bytes) {
  return guarded(nullptr, 0, -1, [=] { return vb_sim_backend()->mem_write(device, address, data, bytes); });
}

int vb_guard_mem_read(vb_sim_device *device, uint64_t address, void *data, size_t bytes) {
  return guarded(nullptr, 0, -1, [=] { return vb_sim_backend()->mem_read(device, address, data, bytes); });
}

int vb_guard_mem_fill(vb_sim_device *device, uint64_t address, const void *pattern, size_t pattern_size, size_t bytes) {
  return guarded(nullptr, 0, -1,
                 [=] { return vb_sim_backend()->mem_fill(device, address, pattern, pattern_size, bytes); });
}

enum vb_sim_status vb_guard_run(vb_sim_device *device, const struct vb_sim_job *job, struct vb_sim_result *result) {
  return guarded(result->text, sizeof result->text, VB_SIM_FATAL,
                 [=] { return vb_sim_backend()->run(device, job, result); });
}

int vb_guard_reset(vb_sim_device *device, char *err, size_t err_size) {
  return guarded(err, err_size, -1, [=] { return vb_sim_backend()->reset(device, err, err_size); });
}
