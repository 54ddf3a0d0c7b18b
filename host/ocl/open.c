// SPDX-License-Identifier: Apache-2.0
/// Finding and opening devices. A device that cannot be opened stays in the list and says why when it is used.
#include "ocl/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vb_ocl_kind_name(enum vb_ocl_kind kind) {
  static const char *const name[VB_OCL_KINDS] = {"embed",     "rmsnorm", "linear", "rope",   "pack_q",  "pack_kv",
                                                 "attention", "swiglu",  "add",    "router", "experts", "softcap",
                                                 "conv",      "join",    "delta",  "indexer"};
  return kind < VB_OCL_KINDS ? name[kind] : "?";
}

static const char *keep(struct vb_ocl *d, char *s) {
  for (size_t i = 0; i < sizeof d->strings / sizeof *d->strings; i++)
    if (!d->strings[i]) return d->strings[i] = s;
  free(s);
  return "";
}

/// A string property of the device; "" where the device has no such property.
static const char *device_string(struct vb_ocl *d, cl_device_info what) {
  size_t n = 0;
  if (clGetDeviceInfo(d->id, what, 0, NULL, &n) != CL_SUCCESS || !n) return "";
  char *s = calloc(n + 1, 1);
  if (!s) return "";
  if (clGetDeviceInfo(d->id, what, n, s, NULL) != CL_SUCCESS) s[0] = 0;
  return keep(d, s);
}

static const char *platform_string(struct vb_ocl *d, cl_platform_info what) {
  size_t n = 0;
  if (clGetPlatformInfo(d->platform, what, 0, NULL, &n) != CL_SUCCESS || !n) return "";
  char *s = calloc(n + 1, 1);
  if (!s) return "";
  if (clGetPlatformInfo(d->platform, what, n, s, NULL) != CL_SUCCESS) s[0] = 0;
  return keep(d, s);
}

static bool has_word(const char *list, const char *word) {
  size_t n = strlen(word);
  for (const char *p = strstr(list, word); p; p = strstr(p + 1, word))
    if ((p == list || p[-1] == ' ' || p[-1] == ';') && (!p[n] || p[n] == ' ' || p[n] == ';')) return true;
  return false;
}

/// A number of the configuration text, "name=number ..."; `otherwise` where it is not there.
static uint32_t setting(const char *text, const char *name, uint32_t otherwise) {
  size_t n = strlen(name);
  for (const char *p = strstr(text, name); p; p = strstr(p + 1, name))
    if ((p == text || p[-1] == ' ') && p[n] == '=') return (uint32_t)strtoul(p + n + 1, NULL, 10);
  return otherwise;
}

static void read_info(struct vb_ocl *d) {
  cl_bool compiler = CL_FALSE, unified = CL_FALSE;
  cl_ulong memory = 0;
  cl_uint units = 0, clock = 0, align = 0; // align: bits
  clGetDeviceInfo(d->id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler, NULL);
  clGetDeviceInfo(d->id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified, NULL);
  clGetDeviceInfo(d->id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
  clGetDeviceInfo(d->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
  clGetDeviceInfo(d->id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof clock, &clock, NULL);
  clGetDeviceInfo(d->id, CL_DEVICE_TYPE, sizeof d->type, &d->type, NULL);
  const char *extensions = platform_string(d, CL_PLATFORM_EXTENSIONS);
  bool simulated = has_word(extensions, CL_VERBATIM_EXTENSION_NAME);
  d->info = (struct vb_ocl_info){
      .name = device_string(d, CL_DEVICE_NAME),
      .platform = platform_string(d, CL_PLATFORM_NAME),
      .version = device_string(d, CL_DEVICE_VERSION),
      .driver = device_string(d, CL_DRIVER_VERSION),
      .type = d->type & CL_DEVICE_TYPE_GPU           ? "gpu"
              : d->type & CL_DEVICE_TYPE_CPU         ? "cpu"
              : d->type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator"
                                                     : "custom",
      .kernels = compiler ? "" : device_string(d, CL_DEVICE_BUILT_IN_KERNELS),
      .configuration = simulated ? device_string(d, CL_DEVICE_VERBATIM_CONFIGURATION_VB) : "",
      .compiler = compiler,
      .memory = memory,
      .units = units,
      .clock_mhz = clock,
  };
  d->unit.key_blocks = setting(d->info.configuration, "attention-key-blocks", 4); // 4: what every unit has
  d->unit.value_blocks = setting(d->info.configuration, "attention-value-blocks", 4);
  d->unit.indexer_keys = setting(d->info.configuration, "indexer-keys", 1024); // 1024: what every unit has
  clGetDeviceInfo(d->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align, &align, NULL);
  d->sub_align = align / 8 > 128 ? align / 8 : 128;
  const char *poison = getenv("VERBATIM_OCL_POISON");
  d->poison = poison && poison[0] == '1';
  d->unified = unified && d->type & CL_DEVICE_TYPE_CPU;
  d->stall_names = simulated ? device_string(d, CL_DEVICE_VERBATIM_STALL_NAMES_VB) : "";
  if (simulated)
    *(void **)&d->event_stats = clGetExtensionFunctionAddressForPlatform(d->platform, "clGetEventVerbatimStatsVB");
}

static struct vb_ocl *open_device(cl_platform_id platform, cl_device_id id) {
  struct vb_ocl *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  d->platform = platform, d->id = id;
  pthread_mutex_init(&d->probe_lock, NULL);
  pthread_mutex_init(&d->call_lock, NULL);
  pthread_mutex_init(&d->text_lock, NULL);
  read_info(d);
  cl_int e;
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0};
  d->context = clCreateContext(properties, 1, &id, vb_ocl_notify, d, &e);
  if (e == CL_SUCCESS) {
    d->queue = clCreateCommandQueue(d->context, id, CL_QUEUE_PROFILING_ENABLE, &e);
    if (e == CL_SUCCESS) return d;
  }
  d->verdict = VB_REFUSED;
  // The driver's own words, when it had any, say more than the code.
  snprintf(d->refusal, sizeof d->refusal, "%s: cannot be opened: %s (%d)%s%s", d->info.name, vb_cl_error(e), e,
           d->driver_text[0] ? ": " : "", d->driver_text);
  return d;
}

static void close_device(struct vb_ocl *d) {
  if (d->queue) clFinish(d->queue);
  vb_ocl_release_memory(d);
  vb_ocl_release_programs(d);
  if (d->queue) clReleaseCommandQueue(d->queue);
  if (d->context) clReleaseContext(d->context);
  for (size_t i = 0; i < sizeof d->strings / sizeof *d->strings; i++) free(d->strings[i]);
  free(d->launch);
  free(d->scatter);
  free(d->stage);
  pthread_mutex_destroy(&d->probe_lock);
  pthread_mutex_destroy(&d->call_lock);
  pthread_mutex_destroy(&d->text_lock);
  free(d);
}

/// A device of the simulator whose results come from the reference: it would be compared with itself.
static bool is_fast(cl_device_id id, char name[64]) {
  size_t n;
  if (clGetDeviceInfo(id, CL_DEVICE_NAME, 64, name, NULL) != CL_SUCCESS) return false; // longer: not ours
  n = strlen(name);
  return !strncmp(name, "verbatim-sim ", 13) && n > 5 && !strcmp(name + n - 5, "-fast");
}

vb_result vb_ocl_open_all(struct vb_ocl_list *list) { return vb_ocl_open_with(list, NULL, NULL); }

vb_result vb_ocl_open_with(struct vb_ocl_list *list, bool (*fast)(const char *name, const void *context),
                           const void *context) {
  *list = (struct vb_ocl_list){0};
  cl_platform_id platforms[64];
  cl_uint n = 0;
  if (clGetPlatformIDs(64, platforms, &n) != CL_SUCCESS) return VB_OK; // the loader's way to say "none"
  if (n > 64) n = 64;
  for (cl_uint p = 0; p < n; p++) {
    cl_device_id ids[64];
    cl_uint count = 0;
    if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 64, ids, &count) != CL_SUCCESS) continue;
    if (count > 64) count = 64;
    struct vb_ocl **grown = realloc(list->device, (list->count + count) * sizeof *grown);
    if (!grown && count) {
      vb_ocl_close_all(list);
      return vb_fail(VB_DEVICE, "out of memory listing OpenCL devices");
    }
    list->device = grown;
    for (cl_uint i = 0; i < count; i++) {
      char name[64];
      if (is_fast(ids[i], name) && !(fast && fast(name, context))) continue;
      struct vb_ocl *d = open_device(platforms[p], ids[i]);
      if (!d) {
        vb_ocl_close_all(list);
        return vb_fail(VB_DEVICE, "out of memory opening an OpenCL device");
      }
      list->device[list->count++] = d;
    }
  }
  return VB_OK;
}

void vb_ocl_close_all(struct vb_ocl_list *list) {
  for (uint32_t i = 0; i < list->count; i++) close_device(list->device[i]);
  free(list->device);
  *list = (struct vb_ocl_list){0};
}

const char *vb_ocl_stall_names(const struct vb_ocl *d) { return d->stall_names ? d->stall_names : ""; }
const struct vb_ocl_info *vb_ocl_info(const struct vb_ocl *d) { return &d->info; }
void vb_ocl_last_stats(const struct vb_ocl *d, struct vb_ocl_stats *out) { *out = d->stats; }

bool vb_ocl_supports(const struct vb_ocl *d, enum vb_ocl_kind kind) {
  if (d->info.compiler) return true;
  bool unit = kind == VB_OCL_ATTENTION || kind == VB_OCL_ROUTER || kind == VB_OCL_INDEXER;
  return unit && has_word(d->info.kernels, vb_ocl_kind_name(kind));
}

/// The limits of the units (hw/attention, hw/router). Sizes are those of the records: whole blocks.
bool vb_ocl_can_attention(const struct vb_ocl *d, uint32_t heads, uint32_t kv_heads, uint32_t dk, uint32_t dv) {
  if (!vb_ocl_supports(d, VB_OCL_ATTENTION) || !kv_heads || heads % kv_heads) return false;
  if (d->info.compiler) return dk && dv && dk <= VB_MAX_DK && dv <= VB_MAX_DV_SHARED;
  return dk && dv && vb_blocks(dk) <= d->unit.key_blocks && vb_blocks(dv) <= d->unit.value_blocks;
}

bool vb_ocl_can_router(const struct vb_ocl *d, uint32_t tokens, uint32_t experts, uint32_t k) {
  if (!vb_ocl_supports(d, VB_OCL_ROUTER) || !k || k > experts) return false;
  return d->info.compiler || (experts <= 512 && k <= 16 && (uint64_t)tokens * k <= 65536);
}
