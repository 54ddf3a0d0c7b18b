// SPDX-License-Identifier: Apache-2.0
/// Devices as such: the probe and its refusals, failures of a device in the middle of a call, counters, bad arguments.
#include "ocl/common.h"
#include "ocl/internal.h"
#include "ref/ref.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// ---- a device that dies: calls into the loader pass through here, and the n-th one fails
static int fail_launch, fail_write, fail_finish; // 0: never; 1: the next call

static bool now(int *countdown) { return *countdown && --*countdown == 0; }

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint n, const size_t *o, const size_t *g,
                              const size_t *l, cl_uint w, const cl_event *ws, cl_event *e) {
  static cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint,
                        const cl_event *, cl_event *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
  return now(&fail_launch) ? CL_OUT_OF_RESOURCES : real(q, k, n, o, g, l, w, ws, e);
}
cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t n, const void *p, cl_uint w,
                            const cl_event *ws, cl_event *e) {
  static cl_int (*real)(cl_command_queue, cl_mem, cl_bool, size_t, size_t, const void *, cl_uint, const cl_event *,
                        cl_event *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clEnqueueWriteBuffer");
  return now(&fail_write) ? CL_MEM_OBJECT_ALLOCATION_FAILURE : real(q, m, b, o, n, p, w, ws, e);
}
cl_int clFinish(cl_command_queue q) {
  static cl_int (*real)(cl_command_queue);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clFinish");
  cl_int e = real(q);
  return now(&fail_finish) ? CL_OUT_OF_RESOURCES : e;
}

static struct vb_ocl *dev;
static int find_device(void) {
  dev = ocl_device(true);
  return dev == NULL;
}

static vb_result reference_attention(struct vb_ocl *d, const struct vb_attention_op *op) {
  (void)d;
  vb_ref_attention(op);
  return VB_OK;
}
static vb_result reference_router(struct vb_ocl *d, const struct vb_router_op *op) {
  (void)d;
  vb_ref_router(op);
  return VB_OK;
}

static vb_result reference_indexer(struct vb_ocl *d, const struct vb_indexer_op *op) {
  (void)d;
  vb_ref_indexer(op);
  return VB_OK;
}

static void test_known_answers(void) {
  uint64_t answer;
  OK(vb_known_attention(reference_attention, NULL, false, &answer));
  VB_CHECK(answer == vb_known_attention_answer, "attention: the reference gives 0x%llx", (unsigned long long)answer);
  OK(vb_known_attention(reference_attention, NULL, true, &answer));
  VB_CHECK(answer != vb_known_attention_answer, "attention: the planted bit does not show");
  OK(vb_known_router(reference_router, NULL, false, &answer));
  VB_CHECK(answer == vb_known_router_answer, "router: the reference gives 0x%llx", (unsigned long long)answer);
  OK(vb_known_router(reference_router, NULL, true, &answer));
  VB_CHECK(answer != vb_known_router_answer, "router: the planted bit does not show");
  OK(vb_known_indexer(reference_indexer, NULL, false, &answer));
  VB_CHECK(answer == vb_known_indexer_answer, "indexer: the reference gives 0x%llx", (unsigned long long)answer);
  OK(vb_known_indexer(reference_indexer, NULL, true, &answer));
  VB_CHECK(answer != vb_known_indexer_answer, "indexer: the planted bit does not show");
}

static void test_accepts(void) {
  OK(vb_ocl_probe(dev));
  VB_CHECK(vb_ocl_probe_checks(dev) == 9, "%u checks", vb_ocl_probe_checks(dev));
  for (int kind = 0; kind < VB_OCL_KINDS; kind++)
    VB_CHECK(vb_ocl_supports(dev, (enum vb_ocl_kind)kind), "%s", vb_ocl_kind_name((enum vb_ocl_kind)kind));
}

/// Each check, planted alone, must refuse the device, name itself, and keep every operator away from the device.
static void test_refuses(void) {
  static const char *const check[] = {"tables",   "integer", "numeric",   "float",
                                      "patterns", "blocks",  "attention", "router"};
  for (size_t i = 0; i < sizeof check / sizeof *check; i++) {
    struct vb_ocl_list list;
    setenv("VERBATIM_OCL_PLANT", check[i], 1);
    OK(vb_ocl_open_all(&list));
    struct vb_ocl *d = NULL;
    for (uint32_t k = 0; k < list.count && !d; k++)
      if (vb_ocl_info(list.device[k])->compiler) d = list.device[k];
    char name[64];
    snprintf(name, sizeof name, "probe %s", check[i]);
    VB_CHECK(vb_ocl_probe(d) == VB_DEVICE, "%s: accepted", check[i]);
    VB_CHECK(strstr(vb_last_error(), name) && strstr(vb_last_error(), vb_ocl_info(d)->name), "%s: \"%s\"", check[i],
             vb_last_error());
    vb_z one = VB_Z_ONE, y = 7;
    struct vb_add_op op = {.a = &one, .b = &one, .cols = 1, .t = {0, 1}, .n = {0, 1}, .y = &y};
    VB_CHECK(vb_ocl_add(d, &op) == VB_DEVICE && y == 7, "%s: a refused device still works", check[i]);
    vb_ocl_close_all(&list);
  }
  unsetenv("VERBATIM_OCL_PLANT");
}

static void test_development_kernels(void) {
  struct vb_ocl_list list;
  setenv("VERBATIM_KERNELS", "/nonexistent", 1);
  OK(vb_ocl_open_all(&list));
  VB_CHECK(list.count > 0, "no device");
  VB_CHECK(vb_ocl_probe(list.device[0]) != VB_OK && strstr(vb_last_error(), "/nonexistent/tables.cl"), "\"%s\"",
           vb_last_error());
  vb_ocl_close_all(&list);
  setenv("VERBATIM_KERNELS", "kernels_cl", 1);
  OK(vb_ocl_open_all(&list));
  for (uint32_t i = 0; i < list.count; i++)
    if (vb_ocl_info(list.device[i])->compiler) OK(vb_ocl_probe(list.device[i]));
  vb_ocl_close_all(&list);
  unsetenv("VERBATIM_KERNELS");
}

/// A call that fails says what, touches no output, and the next call is right again, cache copy included.
static void test_dies(void) {
  struct vb_rng r = vb_test_rng();
  struct arena a = {0};
  enum { HEADS = 2, DK = 32, DV = 32 };
  struct vb_kv kv = cache(&a, &r, 1, DK, DV, 20, 10);
  struct vb_attention_op op = {.q = queries(&a, &r, HEADS, DK),
                               .kv = &kv,
                               .heads = HEADS,
                               .first_count = 10,
                               .t = {0, 1},
                               .h = {0, HEADS},
                               .key = {0, 10}};
  struct vb_attention_op ref = op;
  op.y = take(&a, HEADS * DV * 4), ref.y = take(&a, HEADS * DV * 4);
  vb_ref_attention(&ref);
  OK(vb_ocl_probe(dev));
  int *const how[] = {&fail_launch, &fail_write, &fail_finish};
  static const char *const error[] = {"CL_OUT_OF_RESOURCES", "CL_MEM_OBJECT_ALLOCATION_FAILURE", "CL_OUT_OF_RESOURCES"};
  for (int i = 0; i < 3; i++)
    for (int nth = 1; nth <= (i == 2 ? 1 : 4); nth++) {
      memset(op.y, 0x5a, HEADS * DV * 4);
      vb_ocl_forget_kv(dev, kv.id);
      *how[i] = nth;
      VB_CHECK(vb_ocl_attention(dev, &op) == VB_DEVICE, "failure %d.%d goes unnoticed", i, nth);
      *how[i] = 0;
      VB_CHECK(strstr(vb_last_error(), error[i]) && strstr(vb_last_error(), vb_ocl_info(dev)->name), "\"%s\"",
               vb_last_error());
      VB_CHECK(op.y[0] == 0x5a5a5a5au && op.y[HEADS * DV - 1] == 0x5a5a5a5au, "failure %d.%d: output touched", i, nth);
      OK(vb_ocl_attention(dev, &op));
      VB_EXPECT_SAME("attention", ref.y, op.y, HEADS * DV);
    }
  // The kernel's name, when it is a kernel.
  fail_launch = 1;
  VB_CHECK(vb_ocl_attention(dev, &op) == VB_DEVICE && strstr(vb_last_error(), "vb_attn_scores"), "\"%s\"",
           vb_last_error());
  drop(&a);
}

static void test_stats(void) {
  struct vb_rng r = vb_test_rng();
  struct arena a = {0};
  struct vb_add_op op = {.a = values(&a, &r, VB_GEN_GAUSS, 5000),
                         .b = values(&a, &r, VB_GEN_GAUSS, 5000),
                         .cols = 5000,
                         .t = {0, 1},
                         .n = {0, 5000},
                         .y = take(&a, 20000)};
  OK(vb_ocl_add(dev, &op));
  struct vb_ocl_stats s;
  vb_ocl_last_stats(dev, &s);
  VB_CHECK(s.launches == 1 && s.kernel_ns > 0 && !s.counters, "%u launches, %llu ns", s.launches,
           (unsigned long long)s.kernel_ns);
  drop(&a);
}

static void test_bad_arguments(void) {
  vb_z table[4] = {0}, y[8];
  int32_t id = 2;
  struct vb_embed_op embed = {.table = table, .tokens = &id, .vocab = 2, .dim = 2, .t = {0, 1}, .y = y};
  VB_CHECK(vb_ocl_embed(dev, &embed) == VB_BAD_INPUT && strstr(vb_last_error(), "token 2 of 2"), "\"%s\"",
           vb_last_error());
  uint32_t u[8];
  struct vb_router_op router = {
      .logits = table, .experts = 4, .k = 5, .t = {0, 1}, .ids = u, .gates = y, .hist = u, .offsets = u, .list = u};
  VB_CHECK(vb_ocl_router(dev, &router) == VB_BAD_INPUT, "five of four experts");
  VB_CHECK(!vb_ocl_can_attention(dev, 3, 2, 64, 64) && !vb_ocl_can_attention(dev, 4, 2, 600, 64), "impossible shapes");
  // Variants that are not offered are refused, not computed without the variant.
  router.k = 2, router.groups = 4, router.topk_groups = 1;
  VB_CHECK(vb_ocl_router(dev, &router) == VB_BAD_INPUT && strstr(vb_last_error(), "1 of 4 groups"), "\"%s\"",
           vb_last_error());
  struct vb_pack_q_op pack = {
      .x = table, .hadamard = 1, .heads = 1, .d = 3, .t = {0, 1}, .h = {0, 1}, .rec = (uint8_t *)y};
  VB_CHECK(vb_ocl_pack_q(dev, &pack) == VB_BAD_INPUT && strstr(vb_last_error(), "Hadamard"), "\"%s\"", vb_last_error());
  vb_z one = VB_Z_ONE, out = 7;
  struct vb_add_op none = {.a = &one, .b = &one, .cols = 1, .t = {0, 0}, .n = {0, 1}, .y = &out};
  OK(vb_ocl_add(dev, &none));
  VB_CHECK(out == 7, "an empty range writes");
  vb_ocl_forget_weights(dev);
}

int main(int argc, char **argv) {
  static const struct vb_test tests[] = {{"known answers", test_known_answers},
                                         {"accepts", test_accepts},
                                         {"refuses", test_refuses},
                                         {"development kernels", test_development_kernels},
                                         {"dies", test_dies},
                                         {"stats", test_stats},
                                         {"bad arguments", test_bad_arguments},
                                         {0}};
  const struct vb_suite suites[] = {{"ocl_device", tests, find_device, NULL}, {0}};
  return vb_test_main(argc, argv, suites);
}
