// SPDX-License-Identifier: Apache-2.0
// Random relu jobs: the test compares every output, cycle, class and byte with both models.
#include "job.h"

const struct cunit cunit_relu = {"relu", vb_cycle_relu, vb_golden_relu};

bool cgen_relu(struct cdevice *d, struct cjob *j, struct vb_rng *r, uint32_t size) {
  *j = (struct cjob){.unit = &cunit_relu};
  uint64_t n = j->args[VB_RELU_ARG_N] = vb_rng_below(r, 1000 * (uint64_t)size + 4);
  if (vb_rng_below(r, 40) == 0) j->args[VB_RELU_ARG_N] = (1 << 20) + 1; // refused
  if (!cjob_buffer(d, j, r, VB_RELU_ARG_X, 4 * n + 4) || !cjob_buffer(d, j, r, VB_RELU_ARG_Y, 4 * n + 4)) return false;
  vb_rng_fill(r, VB_GEN_GAUSS, cjob_at(d, j, VB_RELU_ARG_X), n);
  return true;
}
