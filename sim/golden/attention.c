// SPDX-License-Identifier: Apache-2.0
// A job of the attention unit by host/ref/attention.c. See golden.h.
#include "../../hw/regs/vb_regs.h"
#include "golden.h"
#include "num/num.h"
#include "ref/ref.h"
#include <stdlib.h>
#include <string.h>

enum { ERR_RECORD = 0x30, ERR_REFS = 0x31, ERR_LIST = 0x32, MAX_KEYS = 1 << 20, MAX_OWN_DV = 384 };

struct job {
  const struct vb_golden_memory *mem;
  const uint64_t *args;
  uint32_t mode, rows, rpt, dk, dv, key_begin, key_end, first_count, window, chunk, keep, count, block;
  bool shared, sinks, values;
  uint8_t *q, *k, *v; // dense; key j at [j - key_begin]
  int32_t *m;
  int16_t *em;
  uint64_t *l;
  int64_t *num;
  vb_z *y;
  uint32_t *list;
  uint32_t list_counts[1];
};

static uint32_t arg32(const uint64_t *args, int slot) { return (uint32_t)args[slot]; }

uint32_t vb_golden_attention_error(const struct vb_hw_config *hw, const uint64_t *args) {
  uint32_t mode = arg32(args, VB_ATTENTION_ARG_MODE), rows = arg32(args, VB_ATTENTION_ARG_ROWS),
           rpt = arg32(args, VB_ATTENTION_ARG_ROWS_PER_TOKEN), dk = arg32(args, VB_ATTENTION_ARG_DK),
           dv = arg32(args, VB_ATTENTION_ARG_DV), begin = arg32(args, VB_ATTENTION_ARG_KEY_BEGIN),
           end = arg32(args, VB_ATTENTION_ARG_KEY_END), flags = arg32(args, VB_ATTENTION_ARG_FLAGS),
           block = arg32(args, VB_ATTENTION_ARG_LIST_BLOCK), count = arg32(args, VB_ATTENTION_ARG_LIST_COUNT);
  bool shared = flags & 1, values = mode == VB_ATTN_FULL || mode == VB_ATTN_SUM;
  if (mode > 3 || flags > 1) return VB_HW_ERR_MODE;
  if (rows > 1u << 20 || rpt == 0 || dk == 0 || dk > 32 * hw->attention_key_blocks || dk % 32 || dv == 0 ||
      dv > 32 * hw->attention_value_blocks || dv % 32 || dv > (shared ? VB_MAX_DV_SHARED : MAX_OWN_DV) ||
      (shared && dv > dk) || (end > begin && end - begin > MAX_KEYS) ||
      arg32(args, VB_ATTENTION_ARG_K_STRIDE) < 32 + dk ||
      (values && !shared && arg32(args, VB_ATTENTION_ARG_V_STRIDE) < dv))
    return VB_HW_ERR_SIZE;
  if (block && (block > 1024 || (block & (block - 1)) || rows > rpt || (uint64_t)count * block > MAX_KEYS))
    return VB_HW_ERR_SIZE;
  if (mode == VB_ATTN_FULL && args[VB_ATTENTION_ARG_SINKS] && rpt > 512) return VB_HW_ERR_SIZE;
  static const int pointers[] = {VB_ATTENTION_ARG_Q,    VB_ATTENTION_ARG_K,    VB_ATTENTION_ARG_V,
                                 VB_ATTENTION_ARG_M,    VB_ATTENTION_ARG_EM,   VB_ATTENTION_ARG_OUT,
                                 VB_ATTENTION_ARG_LIST, VB_ATTENTION_ARG_SINKS};
  for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
    if ((args[pointers[i]] & 63 || args[pointers[i]] >> 40) && !(shared && pointers[i] == VB_ATTENTION_ARG_V))
      return VB_HW_ERR_ALIGN;
  for (int a = VB_ATTENTION_ARG_Q_ROW_STRIDE; a <= VB_ATTENTION_ARG_O_TOKEN_STRIDE; a++)
    if (args[a] & 31 && !(shared && a == VB_ATTENTION_ARG_V_STRIDE)) return VB_HW_ERR_ALIGN;
  return VB_HW_ERR_NONE;
}

/// Bytes at base + i * stride, 40-bit addresses as the unit makes them.
static uint8_t *at(const struct job *j, uint64_t base, uint64_t i, uint32_t stride, uint64_t bytes, bool write) {
  return vb_golden_at(j->mem, (base + i * stride) & (((uint64_t)1 << 40) - 1), bytes, write);
}

static uint64_t row_offset(const struct job *j, uint32_t r, int row_stride, int token_stride) {
  return (uint64_t)(r / j->rpt) * arg32(j->args, token_stride) + (uint64_t)(r % j->rpt) * arg32(j->args, row_stride);
}

static bool bad_header(const uint8_t *rec, uint32_t dk) {
  for (uint32_t b = 0; b < dk / 32; b++)
    if (rec[b] > rec[VB_REC_KMAX]) return true;
  return false;
}

/// Fetches key j (and its values); a header that contradicts itself is told.
static uint32_t fetch_key(struct job *j, uint32_t key, bool *bad) {
  uint32_t rec = vb_rec_bytes(j->dk), val = vb_val_bytes(j->dv);
  const uint8_t *k = at(j, j->args[VB_ATTENTION_ARG_K], key, arg32(j->args, VB_ATTENTION_ARG_K_STRIDE), rec, false);
  if (!k) return VB_HW_ERR_RD_DEC;
  memcpy(j->k + (uint64_t)(key - j->key_begin) * rec, k, rec);
  *bad |= bad_header(k, j->dk);
  if (!j->values || j->shared) return VB_HW_ERR_NONE;
  const uint8_t *v = at(j, j->args[VB_ATTENTION_ARG_V], key, arg32(j->args, VB_ATTENTION_ARG_V_STRIDE), val, false);
  if (!v) return VB_HW_ERR_RD_DEC;
  memcpy(j->v + (uint64_t)(key - j->key_begin) * val, v, val);
  return VB_HW_ERR_NONE;
}

/// Keys by the list: every entry's keys are read, those beyond the last key as the last.
static uint32_t fetch_list(struct job *j, bool *bad, bool *bad_entry) {
  uint64_t first = arg32(j->args, VB_ATTENTION_ARG_LIST_FIRST);
  for (uint32_t i = 0; i < j->count; i++) {
    const uint8_t *p = at(j, j->args[VB_ATTENTION_ARG_LIST], first + i, 4, 4, false);
    if (!p) return VB_HW_ERR_RD_DEC;
    uint32_t entry;
    memcpy(&entry, p, 4);
    if (entry >= MAX_KEYS / j->block) *bad_entry = true, entry = 0;
    j->list[i] = entry;
    for (uint32_t b = 0; b < j->block && !*bad_entry; b++) {
      uint32_t key = entry * j->block + b, err;
      if (key >= j->key_end) key = j->key_end - 1;
      if (key < j->key_begin) { // read, not attended
        const uint8_t *k = at(j, j->args[VB_ATTENTION_ARG_K], key, arg32(j->args, VB_ATTENTION_ARG_K_STRIDE),
                              vb_rec_bytes(j->dk), false);
        if (!k) return VB_HW_ERR_RD_DEC;
        *bad |= bad_header(k, j->dk);
      } else if ((err = fetch_key(j, key, bad)) != 0) {
        return err;
      }
    }
  }
  return VB_HW_ERR_NONE;
}

/// Keys that some row sees: [begin, keep) and from the first token's lower bound to the last token's end.
static uint32_t fetch_range(struct job *j, bool *bad) {
  uint64_t lim = j->first_count, last = lim + (j->rows - 1) / j->rpt, hi = last < j->key_end ? last : j->key_end;
  uint64_t lo = j->window && lim > j->window ? lim - j->window : 0;
  if (j->chunk && lim && lim - 1 - (lim - 1) % j->chunk > lo) lo = lim - 1 - (lim - 1) % j->chunk;
  for (uint64_t key = j->key_begin; key < hi; key++) {
    if (key >= j->keep && key < lo) key = lo;
    if (key >= hi) break;
    uint32_t err = fetch_key(j, (uint32_t)key, bad);
    if (err) return err;
  }
  return VB_HW_ERR_NONE;
}

static void run(struct job *j, enum vb_attn_mode mode) {
  struct vb_kv kv = {0};
  uint64_t first = j->key_begin;
  // position j of the cache is record j - key_begin of ours; nothing below key_begin is looked at
  kv.k = (uint8_t *)((uintptr_t)j->k - first * vb_rec_bytes(j->dk));
  kv.v = j->shared ? NULL : (uint8_t *)((uintptr_t)j->v - first * vb_val_bytes(j->dv));
  kv.heads = 1;
  kv.dk = j->dk;
  kv.dv = j->dv;
  kv.capacity = kv.length = j->key_end;
  struct vb_attention_op op = {.q = j->q, .kv = &kv, .heads = j->rpt, .first_count = j->first_count};
  op.window = j->window;
  op.chunk = j->chunk;
  op.keep = j->keep;
  if (j->block)
    op.list = j->list, op.list_count = j->list_counts, op.list_stride = j->count + 1, op.list_block = j->block;
  op.key = (struct vb_range){j->key_begin, j->key_end};
  op.mode = mode;
  op.y = j->y;
  op.m = j->m;
  op.em = j->em;
  op.l = j->l;
  op.num = j->num;
  uint32_t whole = j->rows / j->rpt;
  op.t = (struct vb_range){0, whole};
  op.h = (struct vb_range){0, j->rpt};
  if (whole) vb_ref_attention(&op);
  op.t = (struct vb_range){whole, whole + 1}; // the last token may be cut
  op.h = (struct vb_range){0, j->rows % j->rpt};
  if (j->rows % j->rpt) vb_ref_attention(&op);
}

/// FULL with sinks: one more score without a value, per head.
static uint32_t run_sinks(struct job *j) {
  const uint8_t *p = at(j, j->args[VB_ATTENTION_ARG_SINKS], 0, 4, 4ull * j->rpt, false);
  if (!p) return VB_HW_ERR_RD_DEC;
  run(j, VB_ATTN_MAX);
  for (uint32_t r = 0; r < j->rows; r++) {
    int32_t s;
    memcpy(&s, p + 4ull * (r % j->rpt), 4);
    if (s > j->m[r]) j->m[r] = s;
  }
  run(j, VB_ATTN_EXP);
  run(j, VB_ATTN_SUM);
  for (uint32_t r = 0; r < j->rows; r++) {
    int32_t s;
    memcpy(&s, p + 4ull * (r % j->rpt), 4);
    uint32_t d = (uint32_t)j->m[r] - (uint32_t)s, i = d >> 16 > 1023 ? 1023 : d >> 16;
    if (s != VB_M_NONE) j->l[r] += vb_shr_rhu((uint64_t)vb_exp2_24(d & 0xffff) << 8, (int)i);
    for (uint32_t c = 0; c < j->dv; c++)
      j->y[(uint64_t)r * j->dv + c] =
          vb_divide(j->num[(uint64_t)r * j->dv + c], j->em[r * VB_EM_ROW + c / 32] - 127 - 24 + 32, j->l[r]);
  }
  return VB_HW_ERR_NONE;
}

/// m and EM from memory; they must be at least what the keys of this job need.
static uint32_t read_refs(struct job *j, bool *bad) {
  uint64_t rows = j->rows;
  int32_t *m = malloc(rows * 4);
  int16_t *em = malloc(rows * 2 * VB_EM_ROW);
  const uint8_t *pm = at(j, j->args[VB_ATTENTION_ARG_M], 0, 4, 4 * rows, false);
  const uint8_t *pe =
      j->mode == VB_ATTN_SUM ? at(j, j->args[VB_ATTENTION_ARG_EM], 0, 4, 2 * VB_EM_ROW * rows, false) : pm;
  uint32_t err = !m || !em || !pm || !pe ? VB_HW_ERR_RD_DEC : 0;
  if (!err) {
    memcpy(m, pm, 4 * rows);
    run(j, VB_ATTN_MAX);
    for (uint64_t r = 0; r < rows; r++) *bad |= j->m[r] > m[r];
    memcpy(j->m, m, 4 * rows);
    if (j->mode == VB_ATTN_SUM) {
      memcpy(em, pe, 2 * VB_EM_ROW * rows);
      run(j, VB_ATTN_EXP);
      for (uint64_t r = 0; r < rows * VB_EM_ROW; r++) *bad |= r % VB_EM_ROW < j->dv / 32 && j->em[r] > em[r];
      memcpy(j->em, em, 2 * VB_EM_ROW * rows);
    }
  }
  free(m);
  free(em);
  return err;
}

static uint32_t put(struct job *j, uint64_t base, uint64_t offset, const void *from, uint64_t bytes) {
  uint8_t *p = at(j, base + offset, 0, 0, bytes, true);
  if (!p) return VB_HW_ERR_WR_DEC;
  memcpy(p, from, bytes);
  return VB_HW_ERR_NONE;
}

static uint32_t write_back(struct job *j) {
  uint64_t out = j->args[VB_ATTENTION_ARG_OUT], part = vb_partial_bytes(j->dv);
  uint32_t err = 0;
  if (j->mode == VB_ATTN_MAX) return put(j, j->args[VB_ATTENTION_ARG_M], 0, j->m, 4ull * j->rows);
  if (j->mode == VB_ATTN_EXP) return put(j, j->args[VB_ATTENTION_ARG_EM], 0, j->em, 2ull * VB_EM_ROW * j->rows);
  for (uint32_t r = 0; r < j->rows && !err; r++) {
    uint64_t at_row = row_offset(j, r, VB_ATTENTION_ARG_O_ROW_STRIDE, VB_ATTENTION_ARG_O_TOKEN_STRIDE);
    if (j->mode == VB_ATTN_FULL) {
      err = put(j, out, at_row, j->y + (uint64_t)r * j->dv, 4ull * j->dv);
    } else {
      uint64_t head[4] = {j->l[r], 0, 0, 0};
      err = put(j, out, r * part, head, 32);
      if (!err) err = put(j, out, r * part + 32, j->num + (uint64_t)r * j->dv, 8ull * j->dv);
    }
  }
  return err;
}

static uint32_t work(struct job *j) {
  uint32_t rec = vb_rec_bytes(j->dk), err = 0;
  bool bad = false, bad_entry = false, bad_refs = false;
  for (uint32_t r = 0; r < j->rows; r++) {
    uint64_t off = row_offset(j, r, VB_ATTENTION_ARG_Q_ROW_STRIDE, VB_ATTENTION_ARG_Q_TOKEN_STRIDE);
    const uint8_t *q = at(j, j->args[VB_ATTENTION_ARG_Q] + off, 0, 0, rec, false);
    if (!q) return VB_HW_ERR_RD_DEC;
    memcpy(j->q + (uint64_t)r * rec, q, rec);
    bad |= bad_header(q, j->dk);
  }
  err = j->block ? fetch_list(j, &bad, &bad_entry) : fetch_range(j, &bad);
  if (err || bad_entry || bad) return err ? err : bad_entry ? ERR_LIST : ERR_RECORD;
  if (j->mode == VB_ATTN_EXP || j->mode == VB_ATTN_SUM) err = read_refs(j, &bad_refs);
  if (err || bad_refs) return err ? err : ERR_REFS;
  if (j->sinks) err = run_sinks(j);
  else run(j, (enum vb_attn_mode)j->mode);
  return err ? err : write_back(j);
}

uint32_t vb_golden_attention(const struct vb_golden_memory *mem, const struct vb_hw_config *hw, const uint64_t *args) {
  uint32_t err = vb_golden_attention_error(hw, args);
  struct job j = {.mem = mem, .args = args};
  j.rows = arg32(args, VB_ATTENTION_ARG_ROWS);
  if (err || !j.rows) return err;
  j.mode = arg32(args, VB_ATTENTION_ARG_MODE);
  j.rpt = arg32(args, VB_ATTENTION_ARG_ROWS_PER_TOKEN);
  j.dk = arg32(args, VB_ATTENTION_ARG_DK);
  j.dv = arg32(args, VB_ATTENTION_ARG_DV);
  j.key_begin = arg32(args, VB_ATTENTION_ARG_KEY_BEGIN);
  j.key_end = arg32(args, VB_ATTENTION_ARG_KEY_END);
  j.first_count = arg32(args, VB_ATTENTION_ARG_FIRST_COUNT);
  j.window = arg32(args, VB_ATTENTION_ARG_WINDOW);
  j.chunk = arg32(args, VB_ATTENTION_ARG_CHUNK);
  j.keep = arg32(args, VB_ATTENTION_ARG_KEEP);
  j.block = arg32(args, VB_ATTENTION_ARG_LIST_BLOCK);
  j.count = j.list_counts[0] = j.block ? arg32(args, VB_ATTENTION_ARG_LIST_COUNT) : 0;
  // a job that can see no key reads none
  if ((j.first_count < j.key_end ? j.first_count : j.key_end) <= j.key_begin) j.count = j.list_counts[0] = 0;
  j.shared = args[VB_ATTENTION_ARG_FLAGS] & 1;
  j.sinks = j.mode == VB_ATTN_FULL && args[VB_ATTENTION_ARG_SINKS];
  j.values = j.mode == VB_ATTN_FULL || j.mode == VB_ATTN_SUM;
  uint64_t rows = (uint64_t)j.rows + j.rpt, keys = j.key_end > j.key_begin ? j.key_end - j.key_begin : 0;
  rows = (rows - 1) / j.rpt * j.rpt;
  j.q = calloc(rows, vb_rec_bytes(j.dk));
  j.k = calloc(keys + 1, vb_rec_bytes(j.dk));
  j.v = calloc(keys + 1, vb_val_bytes(j.dv));
  j.m = malloc(rows * sizeof *j.m);
  j.em = malloc(rows * VB_EM_ROW * sizeof *j.em);
  j.l = calloc(rows, sizeof *j.l);
  j.num = calloc(rows * j.dv, sizeof *j.num);
  j.y = calloc(rows * j.dv, sizeof *j.y);
  j.list = calloc((size_t)j.count + 1, sizeof *j.list);
  if (j.q && j.k && j.v && j.m && j.em && j.l && j.num && j.y && j.list) {
    for (uint64_t i = 0; i < rows; i++) j.m[i] = VB_M_NONE;
    for (uint64_t i = 0; i < rows * VB_EM_ROW; i++) j.em[i] = VB_EM_NONE;
    err = work(&j);
  } else {
    err = VB_HW_ERR_RD_DEC;
  }
  free(j.q);
  free(j.k);
  free(j.v);
  free(j.m);
  free(j.em);
  free(j.l);
  free(j.num);
  free(j.y);
  free(j.list);
  return err;
}
