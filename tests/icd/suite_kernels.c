// SPDX-License-Identifier: Apache-2.0
// Arguments, queries and launches.
#include "fixture.h"
#include <string.h>

static void computes(void) {
  struct fixture f = fixture_open(base);
  enum { N = 1000 };
  cl_uint data[N], back[N], expected[N], total = 0, zero = 0, n = N;
  for (cl_uint i = 0; i < N; i++) {
    data[i] = i * 2654435761u;
    expected[i] = (cl_uint)(0x1234567890ull * data[i] + 3u);
  }
  cl_mem src = buffer(&f, CL_MEM_READ_ONLY, sizeof data), dst = buffer(&f, 0, sizeof data), acc = buffer(&f, 0, 4);
  OK(clEnqueueWriteBuffer(f.queue, src, CL_TRUE, 0, sizeof data, data, 0, NULL, NULL));
  OK(clEnqueueWriteBuffer(f.queue, acc, CL_TRUE, 0, 4, &zero, 0, NULL, NULL));
  set_scale(f.scale, src, dst, N, 0x1234567890ull, 3, 0); // all 64 bits of a
  OK(run_once(&f, f.scale, NULL));
  OK(clSetKernelArg(f.sum, 0, sizeof dst, &dst));
  OK(clSetKernelArg(f.sum, 1, sizeof acc, &acc));
  OK(clSetKernelArg(f.sum, 2, sizeof n, &n));
  OK(clEnqueueTask(f.queue, f.sum, 0, NULL, NULL));
  OK(clEnqueueTask(f.queue, f.sum, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, dst, CL_FALSE, 0, sizeof back, back, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, acc, CL_TRUE, 0, 4, &total, 0, NULL, NULL));
  VB_EXPECT_SAME("scale", expected, back, N);
  cl_uint sum = 0;
  for (cl_uint i = 0; i < N; i++) sum += 2 * expected[i];
  CU_ASSERT_EQUAL(total, sum);
  OK(clReleaseMemObject(src));
  OK(clReleaseMemObject(dst));
  OK(clReleaseMemObject(acc));
  fixture_close(&f);
}

static void argument_errors(void) {
  struct fixture f = fixture_open(base);
  cl_mem in = buffer(&f, CL_MEM_READ_ONLY, 64), out = buffer(&f, CL_MEM_WRITE_ONLY, 64), none = NULL;
  cl_uint u = 1;
  cl_ulong wide = 1;
  EXPECT_CL(CL_INVALID_KERNEL_ARGS, run_once(&f, f.scale, NULL)); // none set
  EXPECT_CL(CL_INVALID_ARG_INDEX, clSetKernelArg(f.scale, 6, 4, &u));
  EXPECT_CL(CL_INVALID_ARG_SIZE, clSetKernelArg(f.scale, 2, 8, &wide));
  EXPECT_CL(CL_INVALID_ARG_SIZE, clSetKernelArg(f.scale, 3, 4, &u));
  EXPECT_CL(CL_INVALID_ARG_SIZE, clSetKernelArg(f.scale, 0, 4, &u));
  EXPECT_CL(CL_INVALID_ARG_VALUE, clSetKernelArg(f.scale, 2, 4, NULL));
  EXPECT_CL(CL_INVALID_MEM_OBJECT, clSetKernelArg(f.scale, 0, sizeof(cl_mem), &f.queue));
  EXPECT_CL(CL_INVALID_ARG_VALUE, clSetKernelArg(f.scale, 0, sizeof out, &out)); // read, but write-only
  EXPECT_CL(CL_INVALID_ARG_VALUE, clSetKernelArg(f.scale, 1, sizeof in, &in));   // written, but read-only
  EXPECT_CL(CL_INVALID_ARG_VALUE, clSetKernelArg(f.sum, 1, sizeof in, &in));
  set_scale(f.scale, in, out, 0, 1, 1, 0);
  OK(clSetKernelArg(f.scale, 0, sizeof none, &none)); // no buffer is a value, too
  OK(clSetKernelArg(f.scale, 1, sizeof(cl_mem), NULL));
  OK(run_once(&f, f.scale, NULL));
  OK(clFinish(f.queue));

  // A buffer that is gone is noticed, even when a new one gets its handle from malloc.
  cl_mem old[32], later[64];
  cl_kernel kernels[32];
  cl_int err = 0;
  for (int i = 0; i < 32; i++) {
    old[i] = buffer(&f, 0, 64);
    kernels[i] = clCreateKernel(f.program, "scale", &err);
    OK(err);
    set_scale(kernels[i], in, old[i], 0, 1, 1, 0);
  }
  for (int i = 0; i < 32; i++) OK(clReleaseMemObject(old[i]));
  for (int i = 0; i < 64; i++) later[i] = buffer(&f, 0, 64);
  for (int i = 0; i < 32; i++) {
    EXPECT_CL(CL_INVALID_KERNEL_ARGS, run_once(&f, kernels[i], NULL));
    OK(clReleaseKernel(kernels[i]));
  }
  for (int i = 0; i < 64; i++) OK(clReleaseMemObject(later[i]));
  OK(clReleaseMemObject(out));
  OK(clReleaseMemObject(in));
  fixture_close(&f);
}

static void arguments_are_captured_at_the_launch(void) {
  struct fixture f = fixture_open(base);
  cl_uint data[2] = {1, 2}, back[2] = {0}, expected[2] = {2, 4};
  cl_mem src = buffer(&f, 0, 64), dst = buffer(&f, 0, 64);
  cl_int err = 0;
  OK(clEnqueueWriteBuffer(f.queue, src, CL_TRUE, 0, sizeof data, data, 0, NULL, NULL));
  cl_event gate = clCreateUserEvent(f.context, &err);
  OK(err);
  set_scale(f.scale, src, dst, 2, 2, 0, 0);
  OK(clEnqueueTask(f.queue, f.scale, 1, &gate, NULL));
  set_scale(f.scale, src, dst, 2, 99, 99, VB_DOUBLE_AXI);
  OK(clSetUserEventStatus(gate, CL_COMPLETE));
  OK(clEnqueueReadBuffer(f.queue, dst, CL_TRUE, 0, sizeof back, back, 0, NULL, NULL));
  VB_EXPECT_SAME("scale", expected, back, 2);
  OK(clReleaseEvent(gate));
  OK(clReleaseMemObject(src));
  OK(clReleaseMemObject(dst));
  fixture_close(&f);
}

static void launch_errors(void) {
  struct fixture f = fixture_open(base), g = fixture_open(tiny);
  const size_t one[3] = {1, 1, 1}, two[3] = {2, 1, 1}, zero[3] = {0, 0, 0};
  cl_mem src = buffer(&f, 0, 64), dst = buffer(&f, 0, 64);
  set_scale(f.scale, src, dst, 1, 1, 1, 0);
  cl_command_queue q = f.queue;
  EXPECT_CL(CL_INVALID_WORK_DIMENSION, clEnqueueNDRangeKernel(q, f.scale, 4, NULL, one, NULL, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_GLOBAL_WORK_SIZE, clEnqueueNDRangeKernel(q, f.scale, 1, NULL, NULL, NULL, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_GLOBAL_WORK_SIZE, clEnqueueNDRangeKernel(q, f.scale, 1, NULL, two, NULL, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_GLOBAL_OFFSET, clEnqueueNDRangeKernel(q, f.scale, 1, one, one, NULL, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_WORK_ITEM_SIZE, clEnqueueNDRangeKernel(q, f.scale, 1, NULL, one, two, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_WORK_GROUP_SIZE, clEnqueueNDRangeKernel(q, f.scale, 1, NULL, one, zero, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_CONTEXT, clEnqueueTask(g.queue, f.scale, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_EVENT_WAIT_LIST, clEnqueueTask(q, f.scale, 1, NULL, NULL));
  cl_event junk = (cl_event)(void *)f.queue;
  EXPECT_CL(CL_INVALID_EVENT_WAIT_LIST, clEnqueueTask(q, f.scale, 1, &junk, NULL));
  OK(clEnqueueNDRangeKernel(q, f.scale, 3, zero, one, one, 0, NULL, NULL));
  OK(clFinish(q));
  OK(clReleaseMemObject(src));
  OK(clReleaseMemObject(dst));
  fixture_close(&f);
  fixture_close(&g);
}

static void describes_its_arguments(void) {
  static const struct {
    const char *name, *type;
    cl_kernel_arg_address_qualifier address;
    cl_kernel_arg_type_qualifier qualifier;
  } expected[] = {
      {"src", "void*", CL_KERNEL_ARG_ADDRESS_GLOBAL, CL_KERNEL_ARG_TYPE_CONST},
      {"dst", "void*", CL_KERNEL_ARG_ADDRESS_GLOBAL, CL_KERNEL_ARG_TYPE_NONE},
      {"n", "uint", CL_KERNEL_ARG_ADDRESS_PRIVATE, CL_KERNEL_ARG_TYPE_NONE},
      {"a", "ulong", CL_KERNEL_ARG_ADDRESS_PRIVATE, CL_KERNEL_ARG_TYPE_NONE},
  };
  struct fixture f = fixture_open(base);
  char text[64];
  cl_uint n = 0;
  for (cl_uint i = 0; i < 4; i++) {
    cl_kernel_arg_address_qualifier address = 0;
    cl_kernel_arg_type_qualifier qualifier = 99;
    OK(clGetKernelArgInfo(f.scale, i, CL_KERNEL_ARG_NAME, sizeof text, text, NULL));
    CU_ASSERT_STRING_EQUAL(text, expected[i].name);
    OK(clGetKernelArgInfo(f.scale, i, CL_KERNEL_ARG_TYPE_NAME, sizeof text, text, NULL));
    CU_ASSERT_STRING_EQUAL(text, expected[i].type);
    OK(clGetKernelArgInfo(f.scale, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof address, &address, NULL));
    CU_ASSERT_EQUAL(address, expected[i].address);
    OK(clGetKernelArgInfo(f.scale, i, CL_KERNEL_ARG_TYPE_QUALIFIER, sizeof qualifier, &qualifier, NULL));
    CU_ASSERT_EQUAL(qualifier, expected[i].qualifier);
  }
  EXPECT_CL(CL_INVALID_ARG_INDEX, clGetKernelArgInfo(f.scale, 6, CL_KERNEL_ARG_NAME, sizeof text, text, NULL));
  OK(clGetKernelInfo(f.scale, CL_KERNEL_FUNCTION_NAME, sizeof text, text, NULL));
  CU_ASSERT_STRING_EQUAL(text, "scale");
  OK(clGetKernelInfo(f.scale, CL_KERNEL_NUM_ARGS, sizeof n, &n, NULL));
  CU_ASSERT_EQUAL(n, 6);
  size_t sizes[3] = {9, 9, 9};
  OK(clGetKernelWorkGroupInfo(f.scale, base, CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof sizes, sizes, NULL));
  CU_ASSERT(sizes[0] == 0 && sizes[1] == 0 && sizes[2] == 0);
  OK(clGetKernelWorkGroupInfo(f.scale, NULL, CL_KERNEL_WORK_GROUP_SIZE, sizeof sizes[0], sizes, NULL));
  CU_ASSERT_EQUAL(sizes[0], 1);
  EXPECT_CL(CL_INVALID_DEVICE,
            clGetKernelWorkGroupInfo(f.scale, tiny, CL_KERNEL_WORK_GROUP_SIZE, sizeof sizes[0], sizes, NULL));
  fixture_close(&f);
}

const struct vb_test kernel_tests[] = {
    {"computes", computes},
    {"argument errors", argument_errors},
    {"arguments are captured at the launch", arguments_are_captured_at_the_launch},
    {"launch errors", launch_errors},
    {"describes its arguments", describes_its_arguments},
    {0},
};
