// SPDX-License-Identifier: Apache-2.0
//
// Kernel launches: the arguments become the unit's register image.
#include "entries.h"

#include <stdlib.h>

static void put_register(uint32_t *regs, uint32_t offset, uint64_t value) {
  regs[offset / 4] = (uint32_t)value;
  regs[offset / 4 + 1] = (uint32_t)(value >> 32);
}

// Arguments are captured here, at the enqueue: setting them anew must not change a queued launch.
static cl_int capture(struct vb_command *c, cl_kernel kernel) {
  for (uint32_t i = 0; i < kernel->desc->num_args; i++) {
    const struct vb_arg_value *value = &kernel->args[i];
    const struct vb_sim_arg *arg = &kernel->desc->args[i];
    if (!value->set) return CL_INVALID_KERNEL_ARGS;
    if (value->mem == NULL) { // a scalar, or no buffer: 0
      put_register(c->regs, arg->offset, value->scalar);
      continue;
    }
    cl_mem mem = value->mem;
    if (!vb_ref_if_live(mem, VB_MEM, value->serial)) return CL_INVALID_KERNEL_ARGS; // was released
    c->mems[i] = mem;
    put_register(c->regs, arg->offset, mem->address);
    c->regions[c->job.num_regions++] = (struct vb_sim_region){
        .address = mem->address,
        .bytes = mem->bytes,
        .readable = arg->kind != VB_SIM_ARG_BUFFER_W,
        .writable = arg->kind != VB_SIM_ARG_BUFFER_R,
    };
  }
  return CL_SUCCESS;
}

static cl_int launch(cl_command_queue queue, cl_kernel kernel, cl_command_type type, cl_uint num_waits,
                     const cl_event *waits, cl_event *event) {
  if (!vb_valid(queue, VB_QUEUE)) return CL_INVALID_COMMAND_QUEUE;
  if (!vb_valid(kernel, VB_KERNEL)) return CL_INVALID_KERNEL;
  if (kernel->program->context != queue->context) return CL_INVALID_CONTEXT;
  uint32_t n = kernel->desc->num_args;
  cl_int err = CL_SUCCESS;
  struct vb_command *c = vb_command_new(queue, type, num_waits, waits, n, &err);
  if (c == NULL) return err;
  c->op = VB_OP_RUN;
  c->regs = calloc(VB_SIM_REG_WORDS, sizeof *c->regs);
  c->regions = calloc(n + 1u, sizeof *c->regions);
  err = CL_OUT_OF_HOST_MEMORY;
  if (c->regs != NULL && c->regions != NULL) {
    c->job.kernel = kernel->index;
    c->job.regs = c->regs;
    c->job.regions = c->regions;
    pthread_mutex_lock(&kernel->lock);
    err = capture(c, kernel);
    pthread_mutex_unlock(&kernel->lock);
  }
  if (err != CL_SUCCESS) {
    vb_command_free(c);
    return err;
  }
  return vb_command_submit(c, false, event);
}

cl_int CL_API_CALL vb_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint work_dim,
                                             const size_t *offset, const size_t *global, const size_t *local,
                                             cl_uint num_waits, const cl_event *waits, cl_event *event) {
  if (work_dim < 1 || work_dim > 3) return CL_INVALID_WORK_DIMENSION;
  if (global == NULL) return CL_INVALID_GLOBAL_WORK_SIZE;
  for (cl_uint i = 0; i < work_dim; i++) {
    // A unit works through the whole job itself; a job is one work-item.
    if (global[i] != 1) return CL_INVALID_GLOBAL_WORK_SIZE;
    if (offset != NULL && offset[i] != 0) return CL_INVALID_GLOBAL_OFFSET;
    if (local != NULL && local[i] == 0) return CL_INVALID_WORK_GROUP_SIZE;
    if (local != NULL && local[i] > 1) return CL_INVALID_WORK_ITEM_SIZE;
  }
  return launch(queue, kernel, CL_COMMAND_NDRANGE_KERNEL, num_waits, waits, event);
}

cl_int CL_API_CALL vb_clEnqueueTask(cl_command_queue queue, cl_kernel kernel, cl_uint num_waits, const cl_event *waits,
                                    cl_event *event) {
  return launch(queue, kernel, CL_COMMAND_TASK, num_waits, waits, event);
}
