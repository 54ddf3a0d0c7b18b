// SPDX-License-Identifier: Apache-2.0
// y = a + b, element by element.
__kernel void vb_add_z(__global const uint *a, __global const uint *b, __global uint *y, ulong n) {
  size_t i = get_global_id(0);
  if (i < n) y[i] = vb_add(a[i], b[i]);
}
