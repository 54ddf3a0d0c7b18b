// SPDX-License-Identifier: Apache-2.0
#include "model/synthetic.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

size_t vb_dtype_bytes(enum vb_dtype d) {
  static const uint8_t bytes[] = {
      [VB_BF16] = 2, [VB_F16] = 2, [VB_F32] = 4, [VB_F8_E4M3] = 1, [VB_F8_E8M0] = 1, [VB_U8] = 1, [VB_I32] = 4};
  return d < VB_FP8_BLOCK ? bytes[d] : 0;
}

const char *vb_dtype_name(enum vb_dtype d) {
  static const char *const names[] = {"BF16", "F16", "F32",   "F8_E4M3", "F8_E8M0", "U8",
                                      "I32",  "FP8", "MXFP4", "GPTQ4",   "AWQ4"};
  return names[d];
}

uint64_t vb_tensor_count(const struct vb_tensor *t) {
  uint64_t n = 1;
  for (uint32_t i = 0; i < t->rank; i++) n *= t->dim[i];
  return n;
}

// Every half float is exact as a float; subnormals become normal.
static uint32_t half_to_float_bits(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
  if (e == 31) return sign | 0x7f800000u | m << 13;
  if (e) return sign | (e + 112) << 23 | m << 13;
  if (!m) return sign;
  uint32_t top = (uint32_t)vb_msb(m); // value m * 2^-24
  return sign | (top + 103) << 23 | (m << (23 - top) & 0x7fffff);
}

static uint32_t float_bits(double x) {
  float f = (float)x; // one rounding to nearest
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
}

uint32_t vb_tensor_bits(const struct vb_tensor *t, uint64_t i) {
  uint16_t h;
  uint32_t u;
  if (t->packed) return float_bits(vb_packed_at(t, i));
  if (t->made) return vb_made_bits(t->made, i);
  if (t->dtype == VB_F32) {
    memcpy(&u, (const char *)t->data + 4 * i, 4);
    return u;
  }
  memcpy(&h, (const char *)t->data + 2 * i, 2);
  return t->dtype == VB_BF16 ? (uint32_t)h << 16 : half_to_float_bits(h);
}

double vb_tensor_at(const struct vb_tensor *t, uint64_t i) {
  if (t->packed) return vb_packed_at(t, i);
  uint32_t u = vb_tensor_bits(t, i);
  float f;
  memcpy(&f, &u, 4);
  return (double)f;
}

vb_result vb_check_name(const char *name) {
  size_t n = strlen(name);
  for (size_t i = 0; i < n; i++)
    if (!isgraph((unsigned char)name[i]) || name[i] == '/' || name[i] == '%')
      return vb_fail(VB_BAD_INPUT, "tensor name '%.100s' holds a character that is not allowed", name);
  if (!n || n >= VB_MAX_NAME)
    return vb_fail(VB_BAD_INPUT, "tensor name '%.40s' must have 1 to %d bytes", name, VB_MAX_NAME - 1);
  return VB_OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct vb_tensor *)a)->name, ((const struct vb_tensor *)b)->name);
}

vb_result vb_sort_tensors(struct vb_model *m) {
  if (m->tensor_count) qsort(m->tensors, m->tensor_count, sizeof *m->tensors, by_name);
  for (uint32_t i = 1; i < m->tensor_count; i++)
    if (!strcmp(m->tensors[i - 1].name, m->tensors[i].name))
      return vb_fail(VB_BAD_INPUT, "tensor '%s' is stored twice", m->tensors[i].name);
  return VB_OK;
}

const struct vb_tensor *vb_model_find(const struct vb_model *m, const char *name) {
  struct vb_tensor key = {.name = name};
  return m->tensor_count ? bsearch(&key, m->tensors, m->tensor_count, sizeof key, by_name) : NULL;
}
