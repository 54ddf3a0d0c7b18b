// SPDX-License-Identifier: Apache-2.0
// Buffers, sub-buffers, transfers, rectangles, mapping.
#include "fixture.h"
#include <stdlib.h>
#include <string.h>

static void buffer_errors(void) {
  struct fixture f = fixture_open(tiny);
  cl_int err = 0;
  char host[64] = "";
  static const struct {
    cl_mem_flags flags;
    size_t bytes;
    bool host;
    cl_int err;
  } bad[] = {
      {CL_MEM_READ_WRITE, 0, false, CL_INVALID_BUFFER_SIZE},
      {CL_MEM_READ_WRITE, 1u << 20, false, CL_INVALID_BUFFER_SIZE},
      {CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, 64, false, CL_INVALID_VALUE},
      {CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS, 64, false, CL_INVALID_VALUE},
      {CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR, 64, true, CL_INVALID_VALUE},
      {1u << 30, 64, false, CL_INVALID_VALUE},
      {CL_MEM_COPY_HOST_PTR, 64, false, CL_INVALID_HOST_PTR},
      {CL_MEM_READ_WRITE, 64, true, CL_INVALID_HOST_PTR},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CU_ASSERT_PTR_NULL(clCreateBuffer(f.context, bad[i].flags, bad[i].bytes, bad[i].host ? host : NULL, &err));
    EXPECT_CL(bad[i].err, err);
  }
  EXPECT_CL(CL_INVALID_MEM_OBJECT, clEnqueueCopyBuffer(f.queue, NULL, NULL, 0, 0, 4, 0, NULL, NULL));
  fixture_close(&f);
}

// Memory runs out and comes back: the allocator gives every byte again.
static void memory_runs_out_and_comes_back(void) {
  struct fixture f = fixture_open(tiny);
  cl_mem mems[255];
  cl_int err = 0;
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < 255; i++) mems[i] = buffer(&f, 0, 4096);
    CU_ASSERT_PTR_NULL(clCreateBuffer(f.context, 0, 1, NULL, &err));
    EXPECT_CL(CL_MEM_OBJECT_ALLOCATION_FAILURE, err);
    OK(clReleaseMemObject(mems[100])); // two neighbours make one hole
    OK(clReleaseMemObject(mems[101]));
    CU_ASSERT_PTR_NULL(clCreateBuffer(f.context, 0, 8193, NULL, &err));
    mems[100] = buffer(&f, 0, 8192);
    mems[101] = NULL;
    for (size_t i = 0; i < 255; i++)
      if (mems[i] != NULL) OK(clReleaseMemObject(mems[i]));
    cl_mem all = buffer(&f, 0, (1u << 20) - 4096);
    OK(clReleaseMemObject(all));
  }
  fixture_close(&f);
}

static void moves_bytes(void) {
  struct fixture f = fixture_open(base);
  enum { N = 3000000 }; // several copy chunks
  unsigned char *data = malloc(N), *back = calloc(1, N);
  struct vb_rng rng = vb_test_rng();
  for (size_t i = 0; i < N; i++) data[i] = (unsigned char)vb_rng_below(&rng, 256);
  cl_int err = 0;
  cl_mem a = clCreateBuffer(f.context, CL_MEM_COPY_HOST_PTR, N, data, &err), b = buffer(&f, 0, N);
  OK(err);
  OK(clEnqueueCopyBuffer(f.queue, a, b, 0, 0, N, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, b, CL_TRUE, 0, N, back, 0, NULL, NULL));
  VB_EXPECT_SAME("copy", data, back, N);
  OK(clEnqueueReadBuffer(f.queue, b, CL_TRUE, 17, 100, back, 0, NULL, NULL));
  VB_EXPECT_SAME("read", data + 17, back, 100);
  cl_uint pattern[2] = {0xdeadbeef, 0x12345678}, filled[64];
  OK(clEnqueueFillBuffer(f.queue, b, pattern, sizeof pattern, 64, 256, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, b, CL_TRUE, 64, 256, filled, 0, NULL, NULL));
  for (size_t i = 0; i < 64; i++) CU_ASSERT_EQUAL(filled[i], pattern[i % 2]);
  OK(clEnqueueReadBuffer(f.queue, b, CL_TRUE, 320, 100, back, 0, NULL, NULL));
  VB_EXPECT_SAME("fill", data + 320, back, 100); // nothing beyond it
  OK(clEnqueueMigrateMemObjects(f.queue, 1, &a, 0, 0, NULL, NULL));

  EXPECT_CL(CL_MEM_COPY_OVERLAP, clEnqueueCopyBuffer(f.queue, a, a, 0, 50, 51, 0, NULL, NULL));
  OK(clEnqueueCopyBuffer(f.queue, a, a, 0, 50, 50, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueReadBuffer(f.queue, b, CL_TRUE, N, 1, back, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueReadBuffer(f.queue, b, CL_TRUE, 0, 0, back, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueReadBuffer(f.queue, b, CL_TRUE, SIZE_MAX, 2, back, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueWriteBuffer(f.queue, b, CL_TRUE, 0, 1, NULL, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueFillBuffer(f.queue, b, pattern, 3, 0, 3, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueFillBuffer(f.queue, b, pattern, 8, 4, 8, 0, NULL, NULL));
  OK(clReleaseMemObject(a));
  OK(clReleaseMemObject(b));
  fixture_close(&f);
  free(data);
  free(back);
}

static void host_access_is_kept(void) {
  struct fixture f = fixture_open(base);
  cl_int err = 0, x = 0;
  cl_mem none = buffer(&f, CL_MEM_HOST_NO_ACCESS, 64), out = buffer(&f, CL_MEM_HOST_READ_ONLY, 64);
  EXPECT_CL(CL_INVALID_OPERATION, clEnqueueReadBuffer(f.queue, none, CL_TRUE, 0, 4, &x, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_OPERATION, clEnqueueWriteBuffer(f.queue, out, CL_TRUE, 0, 4, &x, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, out, CL_TRUE, 0, 4, &x, 0, NULL, NULL));
  CU_ASSERT_PTR_NULL(clEnqueueMapBuffer(f.queue, out, CL_TRUE, CL_MAP_WRITE, 0, 4, 0, NULL, NULL, &err));
  EXPECT_CL(CL_INVALID_OPERATION, err);
  OK(clReleaseMemObject(none));
  OK(clReleaseMemObject(out));
  fixture_close(&f);
}

static void sub_buffers_are_windows(void) {
  struct fixture f = fixture_open(base);
  cl_mem parent = buffer(&f, CL_MEM_READ_WRITE, 1024);
  cl_int err = 0;
  cl_buffer_region r = {256, 128}, odd = {64, 128}, beyond = {1024, 128}, empty = {0, 0};
  cl_mem sub = clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &r, &err);
  OK(err);
  CU_ASSERT_PTR_NULL(clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &odd, &err));
  EXPECT_CL(CL_MISALIGNED_SUB_BUFFER_OFFSET, err);
  CU_ASSERT_PTR_NULL(clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &beyond, &err));
  EXPECT_CL(CL_INVALID_VALUE, err);
  CU_ASSERT_PTR_NULL(clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &empty, &err));
  EXPECT_CL(CL_INVALID_BUFFER_SIZE, err);
  CU_ASSERT_PTR_NULL(clCreateSubBuffer(sub, 0, CL_BUFFER_CREATE_TYPE_REGION, &empty, &err));
  EXPECT_CL(CL_INVALID_MEM_OBJECT, err);
  cl_mem whose = NULL;
  size_t offset = 0;
  OK(clGetMemObjectInfo(sub, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof whose, &whose, NULL));
  OK(clGetMemObjectInfo(sub, CL_MEM_OFFSET, sizeof offset, &offset, NULL));
  CU_ASSERT(whose == parent && offset == 256);
  unsigned char data[128], back[128];
  for (unsigned i = 0; i < 128; i++) data[i] = (unsigned char)(i ^ 0x5a);
  OK(clEnqueueWriteBuffer(f.queue, sub, CL_TRUE, 0, 128, data, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, parent, CL_TRUE, 256, 128, back, 0, NULL, NULL));
  VB_EXPECT_SAME("sub-buffer", data, back, 128);
  EXPECT_CL(CL_MEM_COPY_OVERLAP, clEnqueueCopyBuffer(f.queue, parent, sub, 200, 0, 100, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueReadBuffer(f.queue, sub, CL_TRUE, 100, 29, back, 0, NULL, NULL));
  OK(clReleaseMemObject(parent));
  OK(clEnqueueReadBuffer(f.queue, sub, CL_TRUE, 0, 128, back, 0, NULL, NULL)); // still there
  VB_EXPECT_SAME("sub-buffer", data, back, 128);
  OK(clReleaseMemObject(sub));
  fixture_close(&f);
}

static void rectangles(void) {
  struct fixture f = fixture_open(base);
  enum { W = 16, H = 8, D = 3 };
  unsigned char data[W * H * D], got[W * H * D];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7);
  cl_mem a = buffer(&f, 0, sizeof data), b = buffer(&f, 0, sizeof data);
  const size_t zero[3] = {0, 0, 0}, at[3] = {3, 2, 1}, to[3] = {1, 0, 0}, region[3] = {5, 4, 2};
  OK(clEnqueueWriteBufferRect(f.queue, a, CL_TRUE, zero, zero, (size_t[]){W, H, D}, 0, 0, W, W * H, data, 0, NULL,
                              NULL));
  const cl_uchar nought = 0;
  OK(clEnqueueFillBuffer(f.queue, b, &nought, 1, 0, sizeof data, 0, NULL, NULL));
  OK(clEnqueueCopyBufferRect(f.queue, a, b, at, to, region, W, W * H, W, W * H, 0, NULL, NULL));
  memset(got, 0xff, sizeof got);
  OK(clEnqueueReadBufferRect(f.queue, b, CL_TRUE, to, at, region, W, W * H, W, W * H, got, 0, NULL, NULL));
  unsigned char expected[sizeof got];
  memset(expected, 0xff, sizeof expected);
  for (size_t z = 0; z < 2; z++)
    for (size_t y = 0; y < 4; y++)
      for (size_t x = 0; x < 5; x++) {
        size_t i = (z + 1) * W * H + (y + 2) * W + x + 3;
        expected[i] = data[i];
      }
  VB_EXPECT_SAME("rect", expected, got, sizeof got);
  const size_t wide[3] = {W + 1, 1, 1}, huge[3] = {1, SIZE_MAX, SIZE_MAX};
  EXPECT_CL(CL_INVALID_VALUE,
            clEnqueueReadBufferRect(f.queue, b, CL_TRUE, zero, zero, wide, W, 0, W, 0, got, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE,
            clEnqueueReadBufferRect(f.queue, b, CL_TRUE, zero, zero, huge, 8, 0, 8, 0, got, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueReadBufferRect(f.queue, b, CL_TRUE, at, zero, (size_t[]){W, H, D}, 0, 0, 0, 0,
                                                      got, 0, NULL, NULL));
  OK(clReleaseMemObject(a));
  OK(clReleaseMemObject(b));
  fixture_close(&f);
}

static void maps_and_unmaps(void) {
  struct fixture f = fixture_open(base);
  cl_mem mem = buffer(&f, 0, 256);
  cl_int err = 0;
  cl_uint count = 9, x = 0;
  cl_uchar seven = 7;
  OK(clEnqueueFillBuffer(f.queue, mem, &seven, 1, 0, 256, 0, NULL, NULL));
  unsigned char *p = clEnqueueMapBuffer(f.queue, mem, CL_TRUE, CL_MAP_WRITE, 64, 64, 0, NULL, NULL, &err);
  OK(err);
  CU_ASSERT(p != NULL && p[0] == 7 && p[63] == 7);
  OK(clGetMemObjectInfo(mem, CL_MEM_MAP_COUNT, sizeof count, &count, NULL));
  CU_ASSERT_EQUAL(count, 1);
  p[1] = 9; // the other bytes must survive
  OK(clEnqueueUnmapMemObject(f.queue, mem, p, 0, NULL, NULL));
  EXPECT_CL(CL_INVALID_VALUE, clEnqueueUnmapMemObject(f.queue, mem, p, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, mem, CL_TRUE, 64, 4, &x, 0, NULL, NULL));
  CU_ASSERT_EQUAL(x, 0x07070907);
  p = clEnqueueMapBuffer(f.queue, mem, CL_TRUE, CL_MAP_READ, 0, 256, 0, NULL, NULL, &err);
  OK(err);
  p[0] = 1; // not mapped for writing: lost
  OK(clEnqueueUnmapMemObject(f.queue, mem, p, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, mem, CL_TRUE, 0, 4, &x, 0, NULL, NULL));
  CU_ASSERT_EQUAL(x, 0x07070707);
  CU_ASSERT_PTR_NULL(clEnqueueMapBuffer(f.queue, mem, CL_TRUE, CL_MAP_READ, 0, 257, 0, NULL, NULL, &err));
  EXPECT_CL(CL_INVALID_VALUE, err);
  CU_ASSERT_PTR_NULL(clEnqueueMapBuffer(f.queue, mem, CL_TRUE, 0, 0, 4, 0, NULL, NULL, &err));
  EXPECT_CL(CL_INVALID_VALUE, err);
  p = clEnqueueMapBuffer(f.queue, mem, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0, 8, 0, NULL, NULL, &err);
  OK(err); // never unmapped: freed with the buffer
  OK(clReleaseMemObject(mem));

  cl_uint host[64];
  memset(host, 0x11, sizeof host);
  mem = clCreateBuffer(f.context, CL_MEM_USE_HOST_PTR, sizeof host, host, &err);
  OK(err);
  cl_uchar two = 0x22;
  OK(clEnqueueFillBuffer(f.queue, mem, &two, 1, 0, 128, 0, NULL, NULL));
  cl_uint *q = clEnqueueMapBuffer(f.queue, mem, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, 256, 0, NULL, NULL, &err);
  OK(err);
  CU_ASSERT_PTR_EQUAL(q, host);
  CU_ASSERT(host[0] == 0x22222222 && host[63] == 0x11111111);
  q[5] = 42;
  OK(clEnqueueUnmapMemObject(f.queue, mem, q, 0, NULL, NULL));
  OK(clEnqueueReadBuffer(f.queue, mem, CL_TRUE, 20, 4, &x, 0, NULL, NULL));
  CU_ASSERT_EQUAL(x, 42);
  OK(clReleaseMemObject(mem));
  fixture_close(&f);
}

static int destroyed[3], destroy_calls;
static void CL_CALLBACK on_destroy(cl_mem mem, void *user) {
  (void)mem;
  destroyed[destroy_calls++] = *(int *)user;
}

static void destructors_run_newest_first(void) {
  struct fixture f = fixture_open(base);
  cl_mem mem = buffer(&f, 0, 64);
  int one = 1, two = 2;
  destroy_calls = 0;
  OK(clSetMemObjectDestructorCallback(mem, on_destroy, &one));
  OK(clSetMemObjectDestructorCallback(mem, on_destroy, &two));
  OK(clRetainMemObject(mem));
  OK(clReleaseMemObject(mem));
  CU_ASSERT_EQUAL(destroy_calls, 0);
  OK(clReleaseMemObject(mem));
  CU_ASSERT(destroy_calls == 2 && destroyed[0] == 2 && destroyed[1] == 1);
  fixture_close(&f);
}

const struct vb_test memory_tests[] = {
    {"buffer errors", buffer_errors},
    {"memory runs out and comes back", memory_runs_out_and_comes_back},
    {"moves bytes", moves_bytes},
    {"host access is kept", host_access_is_kept},
    {"sub-buffers are windows", sub_buffers_are_windows},
    {"rectangles", rectangles},
    {"maps and unmaps", maps_and_unmaps},
    {"destructors run newest first", destructors_run_newest_first},
    {0},
};
