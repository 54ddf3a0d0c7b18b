// SPDX-License-Identifier: Apache-2.0
//
// The platform, its list of devices, and the symbols that the ICD loader looks for.
#include "icd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "guard.h"

static struct _cl_platform_id platform = {.dispatch = &vb_dispatch};
static struct _cl_device_id *devices;
static cl_uint num_devices;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static char *join_kernel_names(const struct vb_sim_config *config) {
  size_t bytes = 1;
  for (uint32_t i = 0; i < config->num_kernels; i++) bytes += strlen(config->kernels[i].name) + 1;
  char *text = calloc(1, bytes);
  char *at = text;
  for (uint32_t i = 0; text != NULL && i < config->num_kernels; i++) {
    if (i > 0) *at++ = ';';
    size_t n = strlen(config->kernels[i].name);
    memcpy(at, config->kernels[i].name, n);
    at += n;
  }
  return text;
}

// A register image that does not fit its map would corrupt memory at every launch.
static const char *check_config(const struct vb_sim_config *config) {
  struct vb_image limits;
  if (config == NULL || config->name == NULL || config->configuration == NULL) return "has no name or no configuration";
  if (strlen(config->name) >= sizeof limits.configuration) return "has too long a name";
  if (config->clock_period_ps == 0) return "has no clock";
  if (config->memory_bytes < (1u << 20)) return "has less than 1 MiB of memory";
  if (config->num_kernels == 0 || config->num_kernels > sizeof limits.kernels / 64) return "has no kernel, or too many";
  for (uint32_t k = 0; k < config->num_kernels; k++) {
    if (strlen(config->kernels[k].name) >= 64) return "has a kernel with too long a name";
    for (uint32_t a = 0; a < config->kernels[k].num_args; a++) {
      uint32_t offset = config->kernels[k].args[a].offset;
      if (offset % 8 != 0 || offset < VB_SIM_REG_ARGS || offset > VB_SIM_REG_BYTES - 8)
        return "has a kernel argument outside the register map";
    }
  }
  return NULL;
}

static int init_device(struct _cl_device_id *d, uint32_t index) {
  const struct vb_sim_config *config = vb_guard_config_info(index);
  const char *wrong = check_config(config);
  if (wrong != NULL) {
    fprintf(stderr, "libverbatim_sim: configuration %u %s\n", index, wrong);
    return -1;
  }
  d->dispatch = &vb_dispatch;
  d->index = index;
  d->config = config;
  d->builtin_kernels = join_kernel_names(config);
  if (d->builtin_kernels == NULL) return -1;
  snprintf(d->name, sizeof d->name, "verbatim-sim %s", config->name);
  pthread_mutex_init(&d->open_lock, NULL);
  pthread_mutex_init(&d->run_lock, NULL);
  pthread_rwlock_init(&d->mem_lock, NULL);
  pthread_mutex_init(&d->alloc_lock, NULL);
  pthread_mutex_init(&d->clock_lock, NULL);
  d->now_ps = 1000000; // above 0: a zero time stamp reads as "not recorded"
  return 0;
}

static void init(void) {
  uint32_t n = vb_guard_config_count();
  if (n == 0) {
    fprintf(stderr, "libverbatim_sim: the linked simulator has no configuration, or another "
                    "interface version\n");
    return;
  }
  devices = calloc(n, sizeof *devices);
  for (uint32_t i = 0; devices != NULL && i < n; i++)
    if (init_device(&devices[num_devices], i) == 0) num_devices++;
}

cl_platform_id vb_platform(void) {
  pthread_once(&once, init);
  return num_devices > 0 ? &platform : NULL;
}

cl_uint vb_devices(struct _cl_device_id **list) {
  pthread_once(&once, init);
  *list = devices;
  return num_devices;
}

bool vb_is_device(cl_device_id device) {
  struct _cl_device_id *list = NULL;
  cl_uint n = vb_devices(&list);
  for (cl_uint i = 0; i < n; i++)
    if (device == &list[i]) return true;
  return false;
}

// ---- entry points -------------------------------------------------------------------------------

cl_int CL_API_CALL vb_clGetPlatformIDs(cl_uint num_entries, cl_platform_id *platforms, cl_uint *num_platforms) {
  if ((num_entries == 0) != (platforms == NULL) || (platforms == NULL && num_platforms == NULL))
    return CL_INVALID_VALUE;
  cl_platform_id found = vb_platform();
  if (num_platforms != NULL) *num_platforms = found != NULL ? 1 : 0;
  if (found == NULL) return CL_PLATFORM_NOT_FOUND_KHR;
  if (platforms != NULL) platforms[0] = found;
  return CL_SUCCESS;
}

cl_int CL_API_CALL vb_clGetPlatformInfo(cl_platform_id id, cl_platform_info name, size_t size, void *value,
                                        size_t *size_ret) {
  if (id != NULL && id != &platform) return CL_INVALID_PLATFORM;
  const char *text = NULL;
  switch (name) {
  case CL_PLATFORM_PROFILE: text = "EMBEDDED_PROFILE"; break;
  case CL_PLATFORM_VERSION: text = "OpenCL 1.2 Verbatim"; break;
  case CL_PLATFORM_NAME: text = "Verbatim Simulator"; break;
  case CL_PLATFORM_VENDOR: text = "Verbatim"; break;
  case CL_PLATFORM_EXTENSIONS: text = "cl_khr_icd " CL_VERBATIM_EXTENSION_NAME; break;
  case CL_PLATFORM_ICD_SUFFIX_KHR: text = "VB"; break;
  default: return CL_INVALID_VALUE;
  }
  return vb_info_string(size, value, size_ret, text);
}

cl_int CL_API_CALL vb_clGetDeviceIDs(cl_platform_id id, cl_device_type type, cl_uint num_entries, cl_device_id *list,
                                     cl_uint *count) {
  if (id != NULL && id != &platform) return CL_INVALID_PLATFORM;
  if ((num_entries == 0) != (list == NULL) || (list == NULL && count == NULL)) return CL_INVALID_VALUE;
  const cl_device_type known = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU |
                               CL_DEVICE_TYPE_ACCELERATOR | CL_DEVICE_TYPE_CUSTOM;
  if (type == 0 || (type != CL_DEVICE_TYPE_ALL && (type & ~known) != 0)) return CL_INVALID_DEVICE_TYPE;
  cl_uint n = 0;
  struct _cl_device_id *all = NULL;
  cl_uint total = vb_devices(&all);
  if ((type & CL_DEVICE_TYPE_ACCELERATOR) != 0) // ALL has this bit, too
    n = total;
  else if ((type & CL_DEVICE_TYPE_DEFAULT) != 0) n = total > 0 ? 1 : 0;
  if (count != NULL) *count = n;
  if (n == 0) return CL_DEVICE_NOT_FOUND;
  for (cl_uint i = 0; list != NULL && i < n && i < num_entries; i++) list[i] = &all[i];
  return CL_SUCCESS;
}

// Root devices are not reference counted (OpenCL 1.2, 4.3).
cl_int CL_API_CALL vb_clRetainDevice(cl_device_id device) {
  return vb_is_device(device) ? CL_SUCCESS : CL_INVALID_DEVICE;
}

cl_int CL_API_CALL vb_clReleaseDevice(cl_device_id device) {
  return vb_is_device(device) ? CL_SUCCESS : CL_INVALID_DEVICE;
}

cl_int CL_API_CALL vb_clCreateSubDevices(cl_device_id device, const cl_device_partition_property *properties,
                                         cl_uint num_devices_in, cl_device_id *out, cl_uint *num_out) {
  (void)properties;
  (void)num_devices_in;
  (void)out;
  (void)num_out;
  return vb_is_device(device) ? CL_INVALID_VALUE : CL_INVALID_DEVICE; // cannot be partitioned
}

cl_int CL_API_CALL vb_clUnloadCompiler(void) { return CL_SUCCESS; }

cl_int CL_API_CALL vb_clUnloadPlatformCompiler(cl_platform_id id) {
  return id == &platform ? CL_SUCCESS : CL_INVALID_PLATFORM;
}

void *CL_API_CALL vb_clGetExtensionFunctionAddress(const char *name) {
  return name != NULL ? vb_extension_address(name) : NULL;
}

void *CL_API_CALL vb_clGetExtensionFunctionAddressForPlatform(cl_platform_id id, const char *name) {
  return id == &platform && name != NULL ? vb_extension_address(name) : NULL;
}

// ---- exported symbols ---------------------------------------------------------------------------

#define VB_EXPORT __attribute__((visibility("default")))

VB_EXPORT CL_API_ENTRY cl_int CL_API_CALL clIcdGetPlatformIDsKHR(cl_uint num_entries, cl_platform_id *platforms,
                                                                 cl_uint *num_platforms) {
  return vb_clGetPlatformIDs(num_entries, platforms, num_platforms);
}

VB_EXPORT CL_API_ENTRY cl_int CL_API_CALL clGetPlatformInfo(cl_platform_id id, cl_platform_info name, size_t size,
                                                            void *value, size_t *size_ret) {
  return vb_clGetPlatformInfo(id, name, size, value, size_ret);
}

VB_EXPORT CL_API_ENTRY void *CL_API_CALL clGetExtensionFunctionAddress(const char *name) {
  return vb_clGetExtensionFunctionAddress(name);
}
