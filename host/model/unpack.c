// SPDX-License-Identifier: Apache-2.0
// Quantised tensors: the parts that a file stores become one tensor with the name and shape of the unquantised
// checkpoint, whose elements are computed when they are read. Nothing is expanded in memory.
#include "model/internal.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static uint32_t word(const struct vb_tensor *t, uint64_t i) {
  uint32_t u;
  memcpy(&u, (const char *)t->data + 4 * i, 4);
  return u;
}
static uint8_t byte(const struct vb_tensor *t, uint64_t i) { return ((const uint8_t *)t->data)[i]; }

static double from_bits(uint64_t u) {
  double d;
  memcpy(&d, &u, 8);
  return d;
}

static double power(uint8_t e8m0) { return e8m0 == 255 ? (double)NAN : from_bits((uint64_t)(e8m0 + 896) << 52); }

static double scale_at(const struct vb_tensor *t, uint64_t i) {
  return t->dtype == VB_F8_E8M0 ? power(byte(t, i)) : vb_tensor_at(t, i);
}

static double e4m3(uint8_t b) {
  const uint64_t sign = (uint64_t)(b & 128) << 56, e = b >> 3 & 15, m = b & 7;
  if ((b & 127) == 127) return (double)NAN;
  if (e) return from_bits(sign | (e + 1016) << 52 | m << 49);
  return b & 128 ? -(double)m * 0x1p-9 : (double)m * 0x1p-9;
}

static double fp8_at(const struct vb_tensor *t, uint64_t i) {
  const struct vb_packed *p = t->packed;
  const uint64_t r = i / t->dim[1], c = i % t->dim[1];
  return e4m3(byte(p->q, i)) * scale_at(p->scales, r / p->block_rows * p->scales->dim[1] + c / p->block_cols);
}

// [E][in][out], stored [E][out][in / 32][16]: two elements a byte, the even one in the low half.
static double mxfp4_at(const struct vb_tensor *t, uint64_t i) {
  static const double values[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};
  const struct vb_packed *p = t->packed;
  const uint64_t in = t->dim[1], out = t->dim[2], e = i / (in * out), k = i / out % in, n = i % out;
  const uint64_t block = (e * out + n) * (in / 32) + k / 32;
  const uint8_t two = byte(p->q, block * 16 + k % 32 / 2);
  return values[k % 2 ? two >> 4 : two & 15] * power(byte(p->scales, block));
}

static double gptq_at(const struct vb_tensor *t, uint64_t i) {
  const struct vb_packed *p = t->packed;
  const uint64_t rows = t->dim[0], k = i % t->dim[1], n = i / t->dim[1];
  const uint64_t g = p->groups ? word(p->groups, k) : k / p->group;
  const uint32_t q = word(p->q, k / 8 * rows + n) >> 4 * (k % 8) & 15;
  uint32_t zeros = word(p->zeros, g * (rows / 8) + n / 8);
  if (p->zeros_minus_one) zeros += 0x11111111u; // the first format subtracted this from whole words
  return ((int)q - (int)(zeros >> 4 * (n % 8) & 15)) * scale_at(p->scales, g * rows + n);
}

static double awq_at(const struct vb_tensor *t, uint64_t i) {
  static const uint8_t place[] = {0, 4, 1, 5, 2, 6, 3, 7}; // nibble of output channel n mod 8
  const struct vb_packed *p = t->packed;
  const uint64_t rows = t->dim[0], k = i % t->dim[1], n = i / t->dim[1], g = k / p->group;
  const uint32_t shift = 4u * place[n % 8];
  const uint32_t q = word(p->q, k * (rows / 8) + n / 8) >> shift & 15;
  const uint32_t zero = word(p->zeros, g * (rows / 8) + n / 8) >> shift & 15;
  return ((int)q - (int)zero) * scale_at(p->scales, g * rows + n);
}

double vb_packed_at(const struct vb_tensor *t, uint64_t i) {
  switch (t->dtype) {
  case VB_FP8_BLOCK: return fp8_at(t, i);
  case VB_MXFP4: return mxfp4_at(t, i);
  case VB_GPTQ4: return gptq_at(t, i);
  default: return awq_at(t, i);
  }
}

// --- finding the parts ---

struct unpack {
  struct vb_model *m;
  uint8_t *taken; // [stored_count]
  vb_result result;
};

static const struct vb_tensor *find_stored(const struct vb_model *m, const char *name) {
  for (uint32_t lo = 0, hi = m->stored_count; lo < hi;) {
    uint32_t mid = lo + (hi - lo) / 2;
    int d = strcmp(name, m->stored[mid].name);
    if (!d) return &m->stored[mid];
    if (d < 0) hi = mid;
    else lo = mid + 1;
  }
  return NULL;
}

// Part base + suffix with one of the dtypes (bits of a mask) and this shape (d2 = 0: rank 2, d1 = 0: rank 1).
static const struct vb_tensor *part(struct unpack *u, const char *base, const char *suffix, uint32_t dtypes,
                                    bool optional, uint64_t d0, uint64_t d1, uint64_t d2) {
  char name[2 * VB_MAX_NAME];
  snprintf(name, sizeof name, "%s%s", base, suffix);
  const struct vb_tensor *t = u->result == VB_OK ? find_stored(u->m, name) : NULL;
  if (!t) {
    if (u->result == VB_OK && !optional)
      u->result = vb_fail(VB_BAD_INPUT, "tensor '%s' is missing beside its quantised values", name);
    return NULL;
  }
  const uint64_t want[3] = {d0, d1, d2};
  const uint32_t rank = d2 ? 3 : d1 ? 2 : 1;
  u->taken[t - u->m->stored] = 1;
  if (!(dtypes >> t->dtype & 1)) {
    u->result = vb_fail(VB_BAD_INPUT, "tensor '%s' has dtype %s, which does not belong to this format", name,
                        vb_dtype_name(t->dtype));
  } else if (t->rank != rank || memcmp(t->dim, want, rank * sizeof *want)) {
    u->result =
        vb_fail(VB_BAD_INPUT,
                "tensor '%s' has another shape than its quantised values need: [%" PRIu64 "%s%" PRIu64 "%s%" PRIu64 "]",
                name, d0, d1 ? ", " : "", d1, d2 ? ", " : "", d2);
  }
  return t;
}

enum { FLOATS = 1 << VB_BF16 | 1 << VB_F16 | 1 << VB_F32, SCALES = FLOATS | 1 << VB_F8_E8M0, INTS = 1 << VB_I32 };

static void fail_shape(struct unpack *u, const struct vb_tensor *t, const char *what) {
  if (u->result == VB_OK) u->result = vb_fail(VB_BAD_INPUT, "tensor '%s' %s", t->name, what);
}

static void make_fp8(struct unpack *u, const struct vb_tensor *t, struct vb_tensor *to, struct vb_packed *p) {
  const struct vb_config *c = &u->m->config;
  if (t->rank != 2) {
    fail_shape(u, t, "must be a matrix to have FP8 blocks");
    return;
  }
  *to = *t;
  to->dtype = VB_FP8_BLOCK;
  p->block_rows = c->block_rows;
  p->block_cols = c->block_cols;
  p->scales = part(u, t->name, "_scale_inv", SCALES, false, (t->dim[0] + c->block_rows - 1) / c->block_rows,
                   (t->dim[1] + c->block_cols - 1) / c->block_cols, 0);
}

static void make_mxfp4(struct unpack *u, const struct vb_tensor *t, const char *base, struct vb_tensor *to,
                       struct vb_packed *p) {
  if (t->dtype != VB_U8 || t->rank != 4 || t->dim[3] != 16 || t->dim[2] > 1u << 26) {
    fail_shape(u, t, "must be U8 of shape [experts, outputs, inputs / 32, 16]");
    return;
  }
  *to = (struct vb_tensor){.dtype = VB_MXFP4, .rank = 3, .dim = {t->dim[0], t->dim[2] * 32, t->dim[1]}};
  p->scales = part(u, base, "_scales", 1 << VB_U8 | 1 << VB_F8_E8M0, false, t->dim[0], t->dim[1], t->dim[2]);
}

static void check_groups(struct unpack *u, const struct vb_packed *p, uint64_t groups) {
  for (uint64_t k = 0; p->groups && u->result == VB_OK && k < p->groups->dim[0]; k++)
    if (word(p->groups, k) >= groups)
      u->result = vb_fail(VB_BAD_INPUT, "tensor '%s' names group %u at [%" PRIu64 "], there are %" PRIu64,
                          p->groups->name, word(p->groups, k), k, groups);
}

static void make_int4(struct unpack *u, const struct vb_tensor *t, const char *base, struct vb_tensor *to,
                      struct vb_packed *p) {
  const struct vb_config *c = &u->m->config;
  const bool awq = c->format == VB_FORMAT_AWQ;
  if (t->dtype != VB_I32 || t->rank != 2 || t->dim[0] > 1u << 28 || t->dim[1] > 1u << 28) {
    fail_shape(u, t, "must be a matrix of I32");
    return;
  }
  const uint64_t rows = awq ? t->dim[1] * 8 : t->dim[1],
                 cols = awq ? t->dim[0] : t->dim[0] * 8; // output, input channels
  const uint64_t group = c->group ? c->group : cols, groups = (cols + group - 1) / group;
  if (rows % 8) {
    fail_shape(u, t, "has output channels that are no multiple of 8");
    return;
  }
  *to = (struct vb_tensor){.dtype = awq ? VB_AWQ4 : VB_GPTQ4, .rank = 2, .dim = {rows, cols}};
  p->group = (uint32_t)group;
  p->zeros_minus_one = c->zeros_minus_one;
  p->zeros = part(u, base, ".qzeros", INTS, false, groups, rows / 8, 0);
  p->scales = part(u, base, ".scales", FLOATS, false, groups, rows, 0);
  if (!awq) p->groups = part(u, base, ".g_idx", INTS, !c->act_order, cols, 0, 0);
  check_groups(u, p, groups);
}

// Does `name` end so? Then the rest goes to base.
static bool cut(const char *name, const char *suffix, char base[VB_MAX_NAME]) {
  const size_t n = strlen(name), k = strlen(suffix);
  if (n <= k || n >= VB_MAX_NAME || strcmp(name + n - k, suffix)) return false;
  memcpy(base, name, n - k);
  base[n - k] = 0;
  return true;
}

// The tensor that stored[i] is the main part of; false: it is none.
static bool make(struct unpack *u, uint32_t i, struct vb_tensor *to) {
  const struct vb_tensor *t = &u->m->stored[i];
  const enum vb_format format = u->m->config.format;
  char base[VB_MAX_NAME], name[VB_MAX_NAME + 8];
  bool int4 = (format == VB_FORMAT_GPTQ || format == VB_FORMAT_AWQ) && cut(t->name, ".qweight", base);
  bool mxfp4 = format == VB_FORMAT_MXFP4 && cut(t->name, "_blocks", base);
  bool fp8 = format == VB_FORMAT_FP8 && t->dtype == VB_F8_E4M3;
  if (!int4 && !mxfp4 && !fp8) return false;
  struct vb_packed *p = vb_arena_alloc(u->m->arena, 1, sizeof *p);
  if (p) p->q = t;
  if (!p) u->result = vb_no_memory("quantised tensors");
  else if (fp8) make_fp8(u, t, to, p);
  else if (mxfp4) make_mxfp4(u, t, base, to, p);
  else make_int4(u, t, base, to, p);
  if (u->result != VB_OK) return true;
  snprintf(name, sizeof name, "%s%s", base, int4 ? ".weight" : "");
  to->name = fp8 ? t->name : vb_arena_text(u->m->arena, name);
  if (!to->name) u->result = vb_no_memory("tensor names");
  to->packed = p;
  to->data = NULL;
  return true;
}

vb_result vb_unpack_tensors(struct vb_model *m) {
  m->stored = m->tensors;
  m->stored_count = m->tensor_count;
  if (m->config.format == VB_FORMAT_PLAIN) return VB_OK;
  struct vb_tensor *all = vb_arena_alloc(m->arena, m->stored_count, sizeof *all);
  struct unpack u = {m, vb_arena_alloc(m->arena, m->stored_count, 1), VB_OK};
  if (!all || !u.taken) return vb_no_memory("quantised tensors");
  uint32_t n = 0;
  for (uint32_t i = 0; i < m->stored_count && u.result == VB_OK; i++) {
    if (vb_tensor_ignored(m, m->stored[i].name) || !make(&u, i, &all[n])) continue;
    u.taken[i] = 1;
    n++;
  }
  for (uint32_t i = 0; i < m->stored_count; i++)
    if (!u.taken[i]) all[n++] = m->stored[i];
  if (u.result != VB_OK) return u.result;
  m->tensors = all;
  m->tensor_count = n;
  return vb_sort_tensors(m);
}
