// SPDX-License-Identifier: Apache-2.0
//
// Calls into the backend that turn C++ exceptions into errors. The driver is C and calls the
// backend only through these functions.
#ifndef VB_SIM_ICD_GUARD_H
#define VB_SIM_ICD_GUARD_H

#include "backend.h"

#ifdef __cplusplus
extern "C" {
#endif

uint32_t vb_guard_config_count(void); // 0 when the backend is of another version
const struct vb_sim_config *vb_guard_config_info(uint32_t index);
vb_sim_device *vb_guard_create(uint32_t index, const struct vb_sim_options *options, char *err, size_t err_size);
void vb_guard_destroy(vb_sim_device *device);
int vb_guard_mem_write(vb_sim_device *device, uint64_t address, const void *data, size_t bytes);
int vb_guard_mem_read(vb_sim_device *device, uint64_t address, void *data, size_t bytes);
int vb_guard_mem_fill(vb_sim_device *device, uint64_t address, const void *pattern, size_t pattern_size, size_t bytes);
enum vb_sim_status vb_guard_run(vb_sim_device *device, const struct vb_sim_job *job, struct vb_sim_result *result);
int vb_guard_reset(vb_sim_device *device, char *err, size_t err_size);

#ifdef __cplusplus
}
#endif

#endif // VB_SIM_ICD_GUARD_H
