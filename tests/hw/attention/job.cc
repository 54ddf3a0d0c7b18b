// SPDX-License-Identifier: Apache-2.0
#include "job.h"
extern "C" {
#include "num/block.h"
#include "ref/ref.h"
}
#include <algorithm>
#include <cstring>

static uint32_t below(struct vb_rng *r, uint32_t n) { return static_cast<uint32_t>(vb_rng_below(r, n)); }

// Block codes of one record; a zero code makes a zero block. The largest code is returned.
enum Part { kQuery, kKey, kPeak, kValue };
static uint8_t make_blocks(struct vb_rng *r, Spread spread, Part part, uint32_t blocks, int8_t *x, uint8_t *codes) {
  bool value = part == kValue;
  uint8_t top = 0;
  for (uint32_t b = 0; b < blocks; b++) {
    uint32_t code = 0;
    switch (spread) {
    case kNarrow: code = 116 + below(r, 12) - (!value && below(r, 6) == 0 ? 15 + below(r, 30) : 0); break;
    case kTiny: code = value ? 54 + below(r, 8) : 117; break;
    case kWide: code = below(r, 4) ? (below(r, 2) ? 1 + below(r, 254) : 100 + below(r, 40)) : 0; break;
    case kSaturate: code = 127 + below(r, value ? 20 : 10); break;
    case kEqual: code = 118; break;
    case kFar: code = value ? (below(r, 8) ? 90 + below(r, 60) : 0) : 118 + below(r, 9); break;
    case kCapped: code = value ? 100 + below(r, 30) : part == kQuery ? 123 : 122; break;
    default: code = value && below(r, 2) ? 120 : 0; break;
    }
    codes[b] = static_cast<uint8_t>(code);
    top = std::max(top, codes[b]);
    // now and then the largest dot product there is
    int32_t flat = spread == kNarrow && !value && below(r, 3) == 0 ? (below(r, 2) ? 127 : -127) : 0;
    for (uint32_t i = 0; i < VB_BLOCK; i++) {
      int32_t e = static_cast<int32_t>(below(r, 255)) - 127;
      if (spread == kSaturate && below(r, 2)) e = below(r, 2) ? 127 : -127;
      if (flat) e = flat;
      if (spread == kEqual && !value) e = 5;
      if (spread == kCapped && !value) e = part == kKey ? -127 : 127;
      x[b * VB_BLOCK + i] = static_cast<int8_t>(code ? e : 0);
    }
  }
  return top;
}

static void make_record(struct vb_rng *r, Spread spread, Part part, double scale, uint32_t d, uint8_t *rec) {
  memset(rec, 0, vb_rec_bytes(d));
  if (spread == kGauss) {
    std::vector<vb_z> z(d);
    for (vb_z &x : z) x = vb_from_float(static_cast<float>(vb_rng_gauss(r) * scale));
    vb_rec_fill(z.data(), d, rec);
    return;
  }
  rec[VB_REC_KMAX] = make_blocks(r, spread, part, vb_blocks(d), reinterpret_cast<int8_t *>(rec) + VB_REC_HEADER, rec);
}

void Job::fill(struct vb_rng *rng, Spread spread) {
  uint32_t rec = vb_rec_bytes(dk), val = vb_val_bytes(dv);
  q.assign(size_t{tokens()} * rows_per_token * rec, 0);
  k.assign(size_t{key_end} * rec, 0);
  v.assign(size_t{key_end} * val, 0);
  double scale = below(rng, 3) ? 1.0 : 8.0;
  for (size_t i = 0; i < q.size() / rec; i++) make_record(rng, spread, kQuery, scale / 8, dk, &q[i * rec]);
  uint32_t peak = key_begin + below(rng, 3);
  for (uint32_t j = key_begin; j < key_end; j++) {
    uint8_t *key = &k[size_t{j} * rec];
    make_record(rng, spread, j == peak ? kPeak : kKey, below(rng, 50) ? 1.0 : 20.0, dk, key);
    if (spread == kGauss) {
      std::vector<vb_z> z(dv);
      double f = below(rng, 8) ? 1.0 : below(rng, 4) ? 0.001 : 0.0;
      for (vb_z &x : z) x = vb_from_float(static_cast<float>(vb_rng_gauss(rng) * f));
      vb_val_fill(z.data(), dv, &v[size_t{j} * val], key);
    } else {
      make_blocks(rng, spread, kValue, vb_blocks(dv), reinterpret_cast<int8_t *>(&v[size_t{j} * val]),
                  key + VB_REC_VCODES);
      if (spread == kCapped && j == peak) {
        memset(&v[size_t{j} * val], 0, val);
        memset(key + VB_REC_VCODES, 0, VB_REC_HEADER - VB_REC_VCODES);
      }
    }
  }
}

void Job::reference() {
  struct vb_kv kv = {};
  uint8_t none = 0;
  kv.k = k.empty() ? &none : k.data(), kv.v = v.empty() ? &none : v.data();
  kv.heads = 1, kv.dk = dk, kv.dv = dv, kv.capacity = kv.length = key_end;
  size_t all = size_t{tokens()} * rows_per_token;
  if (mode == VB_ATTN_MAX || m.size() < all) m.resize(all, VB_M_NONE);
  if (mode == VB_ATTN_EXP || em.size() < all * VB_EM_ROW) em.resize(all * VB_EM_ROW, VB_EM_NONE);
  l.assign(all, 0);
  num.assign(all * dv, 0);
  y.assign(all * dv, 0);
  struct vb_attention_op op = {};
  op.q = q.data(), op.kv = &kv, op.heads = rows_per_token, op.first_count = first_count;
  op.key = {key_begin, key_end};
  op.mode = static_cast<vb_attn_mode>(mode);
  op.y = y.data(), op.m = m.data(), op.em = em.data(), op.l = l.data(), op.num = num.data();
  uint32_t whole = rows / rows_per_token;
  op.t = {0, whole}, op.h = {0, rows_per_token};
  vb_ref_attention(&op);
  op.t = {whole, whole + 1}, op.h = {0, rows % rows_per_token}; // the last token may be cut
  vb_ref_attention(&op);
}

void Job::place(struct vb_rng *rng, Arena &arena, bool dense) {
  auto pad = [&](uint32_t bytes) { return bytes + (dense ? 0 : 32 * below(rng, 4)); };
  uint32_t rec = vb_rec_bytes(dk), val = vb_val_bytes(dv);
  k_stride = pad(rec), v_stride = pad(val);
  q_row_stride = pad(rec), q_token_stride = pad(q_row_stride * rows_per_token);
  o_row_stride = pad(4 * dv), o_token_stride = pad(o_row_stride * rows_per_token);
  id = static_cast<uint32_t>(vb_rng_next(rng));
  base = arena.base;
  uint64_t at = base + 64 * below(rng, 100);
  auto &r = arena.regions;
  r.clear();
  auto buffer = [&](uint64_t bytes, bool writable) {
    uint64_t a = at;
    r.push_back({a, bytes, writable});
    at = (at + bytes + 63 + 64 * below(rng, 80)) & ~uint64_t{63};
    return a;
  };
  uint64_t t = tokens();
  q_at = buffer(t * q_token_stride, false);
  k_at = buffer(uint64_t{key_end} * k_stride, false);
  v_at = buffer(uint64_t{key_end} * v_stride, false);
  m_at = buffer(4ull * rows, mode == VB_ATTN_MAX);
  em_at = buffer(2ull * VB_EM_ROW * rows, mode == VB_ATTN_EXP);
  out_at = buffer(mode == VB_ATTN_SUM ? uint64_t{rows} * vb_partial_bytes(dv) : t * o_token_stride, true);
  if (at - base > arena.memory.size()) arena.memory.resize(at - base);

  auto &mem = arena.memory;
  for (uint64_t i = 0; i < at - base; i += 8) { // canaries everywhere
    uint64_t x = vb_rng_next(rng);
    memcpy(&mem[i], &x, std::min<uint64_t>(8, mem.size() - i));
  }
  auto put = [&](uint64_t a, const void *p, size_t n) {
    if (n) memcpy(&mem[a - base], p, n);
  };
  for (uint32_t i = 0; i < rows; i++)
    put(q_at + uint64_t{i / rows_per_token} * q_token_stride + uint64_t{i % rows_per_token} * q_row_stride,
        &q[size_t{i} * rec], rec);
  for (uint32_t j = key_begin; j < key_end; j++) {
    put(k_at + uint64_t{j} * k_stride, &k[size_t{j} * rec], rec);
    put(v_at + uint64_t{j} * v_stride, &v[size_t{j} * val], val);
  }
  if (mode == VB_ATTN_EXP || mode == VB_ATTN_SUM) put(m_at, m.data(), 4ull * rows);
  if (mode == VB_ATTN_SUM) put(em_at, em.data(), 2ull * VB_EM_ROW * rows);
}

void Job::expect(std::vector<uint8_t> &image) const {
  auto put = [&](uint64_t a, const void *p, size_t n) {
    if (n) memcpy(&image[a - base], p, n);
  };
  if (mode == VB_ATTN_MAX) put(m_at, m.data(), 4ull * rows);
  if (mode == VB_ATTN_EXP) put(em_at, em.data(), 2ull * VB_EM_ROW * rows);
  for (uint32_t i = 0; i < rows; i++) {
    if (mode == VB_ATTN_FULL)
      put(out_at + uint64_t{i / rows_per_token} * o_token_stride + uint64_t{i % rows_per_token} * o_row_stride,
          &y[size_t{i} * dv], 4ull * dv);
    if (mode == VB_ATTN_SUM) {
      uint64_t at = out_at + uint64_t{i} * vb_partial_bytes(dv), head[4] = {l[i], 0, 0, 0};
      put(at, head, 32);
      put(at + 32, &num[size_t{i} * dv], 8ull * dv);
    }
  }
}

uint64_t Job::values() const {
  switch (mode) {
  case VB_ATTN_MAX: return rows;
  case VB_ATTN_EXP: return uint64_t{rows} * VB_EM_ROW;
  case VB_ATTN_SUM: return uint64_t{rows} * (dv + 1);
  default: return uint64_t{rows} * dv;
  }
}

std::vector<uint64_t> Job::args() const {
  return {q_at,         k_at,           v_at,     m_at,     em_at,        out_at,         mode,
          rows,         rows_per_token, dk,       dv,       key_begin,    key_end,        first_count,
          q_row_stride, q_token_stride, k_stride, v_stride, o_row_stride, o_token_stride, id};
}

Job random_job(struct vb_rng *rng, uint32_t mode, uint32_t max_rows, uint32_t max_keys, Spread spread) {
  Job j;
  j.mode = mode;
  j.rows_per_token = 1 + below(rng, below(rng, 2) ? 4 : 12);
  j.rows = 1 + below(rng, max_rows);
  j.dk = 32 * (1 + below(rng, 4));
  j.dv = 32 * (1 + below(rng, 4));
  j.key_begin = below(rng, 3) ? 0 : below(rng, 40);
  j.key_end = j.key_begin + below(rng, max_keys + 1);
  // all keys visible; causal inside the range; a range that early tokens do not reach
  switch (below(rng, 3)) {
  case 0: j.first_count = j.key_end + below(rng, 3); break;
  case 1: j.first_count = j.key_end > j.tokens() ? j.key_end - j.tokens() + 1 : 1; break;
  default: j.first_count = below(rng, j.key_end + 2); break;
  }
  j.fill(rng, spread);
  return j;
}
