// SPDX-License-Identifier: Apache-2.0
#include "job.h"
extern "C" {
#include "num/block.h"
}
#include <algorithm>
#include <cstdio>
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
  v.assign(shared ? 0 : size_t{key_end} * val, 0);
  double scale = below(rng, 3) ? 1.0 : 8.0;
  for (size_t i = 0; i < q.size() / rec; i++) make_record(rng, spread, kQuery, scale / 8, dk, &q[i * rec]);
  uint32_t peak = key_begin + below(rng, 3);
  for (uint32_t j = list_block ? 0 : key_begin; j < key_end; j++) {
    uint8_t *key = &k[size_t{j} * rec];
    make_record(rng, spread, j == peak ? kPeak : kKey, below(rng, 50) ? 1.0 : 20.0, dk, key);
    for (uint32_t b = dv / VB_BLOCK; !shared && b < 12; b++) // codes that the job does not have: never looked at
      key[VB_REC_VCODES + b] = static_cast<uint8_t>(below(rng, 256));
    if (shared) continue;
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
  for (int32_t &s : sinks) { // near the scores, far from them, saturated
    int32_t r = static_cast<int32_t>(vb_rng_next(rng));
    uint32_t how = below(rng, 4);
    s = how == 0 ? r : how == 1 ? r >> 12 : how == 2 ? r >> 6 : (r & 1) ? INT32_MAX : -INT32_MAX;
  }
}

void Job::refs(struct vb_rng *rng) {
  for (uint32_t step : {VB_ATTN_MAX, VB_ATTN_EXP}) {
    if (mode == VB_ATTN_FULL || step >= mode) return;
    Job j = *this;
    j.mode = step;
    Arena arena;
    j.place(rng, arena, true);
    j.golden(arena.memory);
    m.resize(rows);
    memcpy(m.data(), &arena.memory[j.m_at - arena.base], 4ull * rows);
    if (step == VB_ATTN_EXP) {
      em.resize(size_t{rows} * VB_EM_ROW);
      memcpy(em.data(), &arena.memory[j.em_at - arena.base], em.size() * 2);
    }
  }
}

void Job::any_refs() { m.assign(rows, INT32_MAX), em.assign(size_t{rows} * VB_EM_ROW, 300); }

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
  list_first = list_block ? below(rng, 40) : 0;
  q_at = buffer(t * q_token_stride, false);
  k_at = buffer(uint64_t{key_end} * k_stride, false);
  v_at = buffer(shared ? 0 : uint64_t{key_end} * v_stride, false);
  m_at = buffer(4ull * rows, mode == VB_ATTN_MAX);
  em_at = buffer(2ull * VB_EM_ROW * rows, mode == VB_ATTN_EXP);
  out_at = buffer(mode == VB_ATTN_SUM ? uint64_t{rows} * vb_partial_bytes(dv) : t * o_token_stride, true);
  list_at = list_block ? buffer(4 * (list_first + list.size()), false) : 0;
  sinks_at = sinks.empty() ? 0 : buffer(4 * sinks.size(), false);
  at += 64;
  if (at - base > arena.memory.size()) arena.memory.resize((at - base + 7) & ~uint64_t{7});

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
  for (uint32_t j = list_block ? 0 : key_begin; j < key_end; j++) {
    put(k_at + uint64_t{j} * k_stride, &k[size_t{j} * rec], rec);
    if (!shared) put(v_at + uint64_t{j} * v_stride, &v[size_t{j} * val], val);
  }
  if (mode == VB_ATTN_EXP || mode == VB_ATTN_SUM) put(m_at, m.data(), 4ull * rows);
  if (mode == VB_ATTN_SUM) put(em_at, em.data(), 2ull * VB_EM_ROW * rows);
  if (list_block) put(list_at + 4 * list_first, list.data(), 4 * list.size());
  if (!sinks.empty()) put(sinks_at, sinks.data(), 4 * sinks.size());
}

uint32_t Job::golden(std::vector<uint8_t> &image) const {
  struct vb_golden_memory mem = {};
  mem.bytes = image.data(), mem.base = base, mem.size = image.size();
  std::vector<uint64_t> a = args();
  return vb_golden_attention(&mem, &job_hw, a.data());
}

uint64_t Job::outputs() const {
  switch (mode) {
  case VB_ATTN_MAX: return rows;
  case VB_ATTN_EXP: return uint64_t{rows} * VB_EM_ROW;
  case VB_ATTN_SUM: return uint64_t{rows} * (dv + 1);
  default: return uint64_t{rows} * dv;
  }
}

std::vector<uint64_t> Job::args() const {
  std::vector<uint64_t> a(VB_ATTENTION_NUM_ARGS, 0);
  const uint64_t first[] = {q_at,         k_at,           v_at,     m_at,     em_at,        out_at,         mode,
                            rows,         rows_per_token, dk,       dv,       key_begin,    key_end,        first_count,
                            q_row_stride, q_token_stride, k_stride, v_stride, o_row_stride, o_token_stride, id,
                            window,       chunk,          keep,     list_at,  list_first,   list.size(),    list_block,
                            sinks_at,     shared};
  std::copy(std::begin(first), std::end(first), a.begin());
  if (shared) a[VB_ATTENTION_ARG_V] = 77, a[VB_ATTENTION_ARG_V_STRIDE] = 3; // not looked at
  return a;
}

std::string Job::describe() const {
  char text[320];
  snprintf(text, sizeof text,
           "mode %u rows %u/%u dk %u dv %u%s keys %u..%u first %u window %u chunk %u keep %u list %zux%u@%u sinks %zu "
           "strides %u %u",
           mode, rows, rows_per_token, dk, dv, shared ? " shared" : "", key_begin, key_end, first_count, window, chunk,
           keep, list.size(), list_block, list_first, sinks.size(), k_stride, v_stride);
  return text;
}

static void random_masks(struct vb_rng *rng, Job &j) {
  uint32_t near = j.key_end - j.key_begin + 2;
  if (below(rng, 2)) j.window = 1 + below(rng, below(rng, 2) ? near : 8);
  if (below(rng, 2)) j.chunk = 1 + below(rng, below(rng, 2) ? near : 8);
  if (below(rng, 2)) j.keep = below(rng, below(rng, 2) ? j.key_end + 2 : j.key_begin + 4);
  if (below(rng, 40) == 0) j.window = 0x80000000u + below(rng, 1 << 30);
  if (below(rng, 40) == 0) j.chunk = 0xffffffffu - below(rng, 3);
  if (below(rng, 40) == 0) j.keep = 0xffffffffu;
}

// Ascending entries of keys below key_end; blocks may reach over it. Now and then an entry twice or beyond.
static void random_list(struct vb_rng *rng, Job &j, uint32_t max_keys) {
  uint32_t lg = below(rng, 3) ? 0 : below(rng, below(rng, 4) ? 6 : 11);
  j.list_block = 1u << lg;
  j.rows_per_token = std::max(j.rows_per_token, j.rows);
  uint32_t blocks = (j.key_end + j.list_block - 1) >> lg, most = std::max(1u, max_keys >> lg);
  uint32_t count = below(rng, 8) ? below(rng, most + 1) : 0;
  for (uint32_t i = 0; i < count && blocks; i++) j.list.push_back(below(rng, blocks + below(rng, 2)));
  std::sort(j.list.begin(), j.list.end());
  if (below(rng, 4)) j.list.erase(std::unique(j.list.begin(), j.list.end()), j.list.end());
  if (below(rng, 8) == 0 && !j.list.empty()) j.list.back() = (1u << 20 >> lg) - 1;
}

Job random_job(struct vb_rng *rng, uint32_t mode, uint32_t max_rows, uint32_t max_keys, Spread spread, unsigned kinds) {
  Job j;
  uint32_t nbk = job_hw.attention_key_blocks, nbv = job_hw.attention_value_blocks;
  j.mode = mode;
  j.rows_per_token = 1 + below(rng, below(rng, 2) ? 4 : 12);
  j.rows = 1 + below(rng, max_rows);
  bool large = below(rng, 12) == 0;
  j.shared = (kinds & kShared) && below(rng, (kinds & ~static_cast<unsigned>(kShared)) ? 4 : 1) == 0;
  j.dk = 32 * (1 + below(rng, large ? nbk : std::min(nbk, 4u)));
  j.dv = 32 * (1 + below(rng, large ? std::min(nbv, 12u) : std::min(nbv, 4u)));
  if (j.shared) j.dv = 32 * (1 + below(rng, std::min(j.dk / 32, nbv)));
  j.key_begin = below(rng, 3) ? 0 : below(rng, 40);
  j.key_end = j.key_begin + below(rng, max_keys + 1);
  // all keys visible; causal inside the range; a range that early tokens do not reach
  switch (below(rng, 3)) {
  case 0: j.first_count = j.key_end + below(rng, 3); break;
  case 1: j.first_count = j.key_end > j.tokens() ? j.key_end - j.tokens() + 1 : 1; break;
  default: j.first_count = below(rng, j.key_end + 2); break;
  }
  bool listed = (kinds & kListed) && below(rng, kinds & kDense ? 3 : 1) == 0;
  if ((kinds & kMasked) && below(rng, kinds & kDense ? 3 : 1) == 0) random_masks(rng, j);
  if (listed) random_list(rng, j, max_keys);
  if ((kinds & kSinks) && below(rng, kinds & kDense ? 4 : 1) == 0) j.sinks.resize(j.rows_per_token);
  j.fill(rng, spread);
  return j;
}
