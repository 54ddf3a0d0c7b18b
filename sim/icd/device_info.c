// SPDX-License-Identifier: Apache-2.0
//
// clGetDeviceInfo: one answer per query, all of them true of a device that runs one work-item.
#include "entries.h"

#include <stdio.h>
#include <string.h>

// What a query returned, of whatever type.
struct answer {
  union {
    cl_uint u;
    cl_ulong ul;
    cl_bool b;
    size_t z[3];
    cl_bitfield bits;
    const void *pointer;
    intptr_t property;
  } value;
  const void *data; // NULL: `value`
  size_t bytes;
};

static struct answer as_uint(cl_uint v) { return (struct answer){.value.u = v, .bytes = sizeof v}; }
static struct answer as_ulong(cl_ulong v) { return (struct answer){.value.ul = v, .bytes = sizeof v}; }
static struct answer as_bool(bool v) {
  return (struct answer){.value.b = v ? CL_TRUE : CL_FALSE, .bytes = sizeof(cl_bool)};
}
static struct answer as_bits(cl_bitfield v) { return (struct answer){.value.bits = v, .bytes = sizeof v}; }
static struct answer as_size(size_t v) { return (struct answer){.value.z = {v, v, v}, .bytes = sizeof v}; }
static struct answer as_pointer(const void *v) { return (struct answer){.value.pointer = v, .bytes = sizeof v}; }
static struct answer as_text(const char *text) { return (struct answer){.data = text, .bytes = strlen(text) + 1}; }

static bool identity_query(cl_device_id d, cl_device_info name, struct answer *a) {
  switch (name) {
  case CL_DEVICE_TYPE: *a = as_bits(CL_DEVICE_TYPE_ACCELERATOR); return true;
  case CL_DEVICE_VENDOR_ID: *a = as_uint(0x5642); return true;
  case CL_DEVICE_NAME: *a = as_text(d->name); return true;
  case CL_DEVICE_VENDOR: *a = as_text("Verbatim"); return true;
  case CL_DRIVER_VERSION: *a = as_text("1.0"); return true;
  case CL_DEVICE_PROFILE: *a = as_text("EMBEDDED_PROFILE"); return true;
  case CL_DEVICE_VERSION: *a = as_text("OpenCL 1.2 Verbatim"); return true;
  case CL_DEVICE_OPENCL_C_VERSION: *a = as_text("OpenCL C 1.2"); return true;
  case CL_DEVICE_EXTENSIONS: *a = as_text(CL_VERBATIM_EXTENSION_NAME); return true;
  case CL_DEVICE_PLATFORM: *a = as_pointer(vb_platform()); return true;
  case CL_DEVICE_AVAILABLE: *a = as_bool(!d->lost); return true;
  case CL_DEVICE_COMPILER_AVAILABLE: *a = as_bool(false); return true;
  case CL_DEVICE_LINKER_AVAILABLE: *a = as_bool(false); return true;
  case CL_DEVICE_BUILT_IN_KERNELS: *a = as_text(d->builtin_kernels); return true;
  case CL_DEVICE_EXECUTION_CAPABILITIES: *a = as_bits(CL_EXEC_KERNEL); return true;
  case CL_DEVICE_QUEUE_PROPERTIES: *a = as_bits(CL_QUEUE_PROFILING_ENABLE); return true;
  case CL_DEVICE_PARENT_DEVICE: *a = as_pointer(NULL); return true;
  case CL_DEVICE_REFERENCE_COUNT: *a = as_uint(1); return true;
  case CL_DEVICE_PARTITION_MAX_SUB_DEVICES: *a = as_uint(0); return true;
  case CL_DEVICE_PARTITION_PROPERTIES:
  case CL_DEVICE_PARTITION_TYPE: *a = as_pointer(NULL); return true; // a list of its terminator
  case CL_DEVICE_PARTITION_AFFINITY_DOMAIN: *a = as_bits(0); return true;
  case CL_DEVICE_VERBATIM_TABLE_HASH_VB: *a = as_ulong(d->config->table_hash); return true;
  case CL_DEVICE_VERBATIM_CLOCK_PERIOD_VB: *a = as_uint(d->config->clock_period_ps); return true;
  default: return false;
  }
}

static bool memory_query(cl_device_id d, cl_device_info name, struct answer *a) {
  switch (name) {
  case CL_DEVICE_GLOBAL_MEM_SIZE:
  case CL_DEVICE_MAX_MEM_ALLOC_SIZE: *a = as_ulong(vb_device_capacity(d)); return true;
  case CL_DEVICE_GLOBAL_MEM_CACHE_TYPE: *a = as_uint(CL_NONE); return true;
  case CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE: *a = as_uint(0); return true;
  case CL_DEVICE_GLOBAL_MEM_CACHE_SIZE: *a = as_ulong(0); return true;
  // No kernel uses the three below; the embedded profile wants its minimum all the same.
  case CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE: *a = as_ulong(1024); return true;
  case CL_DEVICE_MAX_CONSTANT_ARGS: *a = as_uint(4); return true;
  case CL_DEVICE_LOCAL_MEM_SIZE: *a = as_ulong(1024); return true;
  case CL_DEVICE_LOCAL_MEM_TYPE: *a = as_uint(CL_GLOBAL); return true;
  case CL_DEVICE_MEM_BASE_ADDR_ALIGN: *a = as_uint(VB_SUB_ALIGN * 8); return true;
  case CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE: *a = as_uint(VB_SUB_ALIGN); return true;
  case CL_DEVICE_ERROR_CORRECTION_SUPPORT: *a = as_bool(false); return true;
  case CL_DEVICE_HOST_UNIFIED_MEMORY: *a = as_bool(false); return true;
  case CL_DEVICE_ADDRESS_BITS: *a = as_uint(64); return true;
  case CL_DEVICE_MAX_PARAMETER_SIZE: *a = as_size(VB_SIM_REG_BYTES - VB_SIM_REG_ARGS); return true;
  case CL_DEVICE_PRINTF_BUFFER_SIZE: *a = as_size(1024); return true;
  default: return false;
  }
}

static bool compute_query(cl_device_id d, cl_device_info name, struct answer *a) {
  switch (name) {
  case CL_DEVICE_MAX_COMPUTE_UNITS: *a = as_uint(1); return true;
  case CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS: *a = as_uint(3); return true;
  case CL_DEVICE_MAX_WORK_ITEM_SIZES:
    *a = as_size(1);
    a->bytes = sizeof a->value.z;
    return true;
  case CL_DEVICE_MAX_WORK_GROUP_SIZE: *a = as_size(1); return true;
  case CL_DEVICE_MAX_CLOCK_FREQUENCY:
    *a = as_uint(1000000u / d->config->clock_period_ps); // MHz
    return true;
  case CL_DEVICE_ENDIAN_LITTLE: *a = as_bool(true); return true;
  case CL_DEVICE_PROFILING_TIMER_RESOLUTION: *a = as_size(1); return true;
  case CL_DEVICE_PREFERRED_INTEROP_USER_SYNC: *a = as_bool(true); return true;
  case CL_DEVICE_SINGLE_FP_CONFIG:
    *a = as_bits(CL_FP_ROUND_TO_ZERO | CL_FP_INF_NAN); // the embedded profile's minimum
    return true;
  case CL_DEVICE_DOUBLE_FP_CONFIG:
  case CL_DEVICE_HALF_FP_CONFIG: *a = as_bits(0); return true;
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR:
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT:
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT:
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG:
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT:
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR:
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT:
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_INT:
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG:
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT: *a = as_uint(1); return true;
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE:
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF:
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE:
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF: *a = as_uint(0); return true;
  case CL_DEVICE_IMAGE_SUPPORT: *a = as_bool(false); return true;
  case CL_DEVICE_MAX_READ_IMAGE_ARGS:
  case CL_DEVICE_MAX_WRITE_IMAGE_ARGS:
  case CL_DEVICE_MAX_SAMPLERS: *a = as_uint(0); return true;
  case CL_DEVICE_IMAGE2D_MAX_WIDTH:
  case CL_DEVICE_IMAGE2D_MAX_HEIGHT:
  case CL_DEVICE_IMAGE3D_MAX_WIDTH:
  case CL_DEVICE_IMAGE3D_MAX_HEIGHT:
  case CL_DEVICE_IMAGE3D_MAX_DEPTH:
  case CL_DEVICE_IMAGE_MAX_BUFFER_SIZE:
  case CL_DEVICE_IMAGE_MAX_ARRAY_SIZE: *a = as_size(0); return true;
  default: return false;
  }
}

static void join_stall_names(const struct vb_sim_config *config, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (uint32_t i = 0; i < VB_SIM_STALL_CLASSES && used < size; i++) {
    const char *n = config->stall_names[i];
    used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ";" : "", n != NULL ? n : "");
  }
}

cl_int CL_API_CALL vb_clGetDeviceInfo(cl_device_id device, cl_device_info name, size_t size, void *value,
                                      size_t *size_ret) {
  if (!vb_is_device(device)) return CL_INVALID_DEVICE;
  char text[512];
  if (name == CL_DEVICE_VERBATIM_CONFIGURATION_VB) {
    vb_device_configuration(device, text, sizeof text);
    return vb_info_string(size, value, size_ret, text);
  }
  if (name == CL_DEVICE_VERBATIM_STALL_NAMES_VB) {
    join_stall_names(device->config, text, sizeof text);
    return vb_info_string(size, value, size_ret, text);
  }
  struct answer a;
  if (!identity_query(device, name, &a) && !memory_query(device, name, &a) && !compute_query(device, name, &a))
    return CL_INVALID_VALUE;
  return vb_info(size, value, size_ret, a.data != NULL ? a.data : &a.value, a.bytes);
}
