// SPDX-License-Identifier: Apache-2.0
// Cycles of the attention unit (hw/attention). Its sequencer is strictly serial, so the model is a walk through its states;
// what takes time are beats (through vb_attn_gear to the array) and results (vb_attn_out to the write master). Every
// constant below is a latency there; names of events are names of signals or of states of vb_attn_ctrl.
#include "port.h"
#include <string.h>

enum {
  KDRAIN = 6,        ///< last key word to maxima; one more where a block is several words
  VDRAIN = 11,       ///< last value word to numerators
  RDRAIN = 36,       ///< and ROWS: normaliser and divider
  REM = 33,          ///< vb_attn_rem
  CREDITS = 16,      ///< units in vb_attn_out
  QUOTIENT = 10,     ///< item to the output of its FIFO
  SHORT = 4,         ///< the same for everything but quotients
  BEATS = 4,         ///< FIFO of vb_attn_gear
  QUEUE = 4,         ///< streams of vb_attn_fetch
  STREAMS = 40,      ///< told ahead: rows of a tile
  FIFO = 128,        ///< beats of the read master
  DESCRIPTORS = 1024 ///< told and not consumed: at most a FIFO of single beats and the port's list
};

/// A stream of vb_attn_fetch.
struct stream {
  uint64_t push; ///< cycle in which it enters the queue; of a query, not before
  uint64_t base, key;
  uint32_t stride, count, units;
  bool list, query;
};

/// Words of the beats of a descriptor, period after period; its first beat has `short_first` less.
struct pattern {
  uint32_t period, short_first;
  bool gapless;                       ///< every beat has words
  uint16_t before[4 * 19 + FIFO + 1]; ///< of the beats before beat i: a unit is up to four beats
};
enum records { RECORDS, VALUES, UNITS }; ///< headed records of keys and queries, values, plain units

/// vb_attn_gear: a FIFO of beats before the array.
struct gear {
  uint64_t accepted;   ///< cycle of the last beat in
  uint64_t pop[BEATS]; ///< of the last beats out of the FIFO, the earliest first: it makes room
  uint64_t next;       ///< cycle after the last word
};

struct attention {
  struct vb_port port;
  struct vb_cycle_result *out;
  const struct vb_golden_memory *mem;
  const uint64_t *args;
  uint32_t rows_max, subw, nmax, beat, per_unit; ///< words of a block; bytes of a beat; words of 32 bytes
  uint32_t nbk, nbv, block, key_end;
  // fetch
  struct stream stream[STREAMS];
  uint64_t streams, loaded; ///< streams told to us, and loaded; stream i at [i % STREAMS]
  uint64_t load[QUEUE];     ///< cycle of the load of stream i at [i % QUEUE]
  uint64_t push;            ///< of the last query
  uint32_t made;            ///< descriptors of the loaded stream told to the port
  // descriptors told and not consumed
  struct {
    uint32_t beats, off, units; ///< units: of 32 bytes, headers included
  } desc[DESCRIPTORS];
  uint64_t descs, desc_at;
  struct pattern pattern[3][2]; ///< by records, and whether they start in the upper half of a beat
  struct gear gear;
  uint64_t at; ///< cycle of the present state
};

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint32_t arg32(const struct attention *a, int slot) { return (uint32_t)a->args[slot]; }

// ---- streams to descriptors

/// Key of candidate i of the list, as the unit masks it.
static uint32_t list_key(const struct attention *a, uint64_t i) {
  uint64_t at = a->args[VB_ATTENTION_ARG_LIST] + 4 * (arg32(a, VB_ATTENTION_ARG_LIST_FIRST) + i / a->block);
  const uint8_t *p = a->mem ? vb_golden_at(a->mem, at & (((uint64_t)1 << 40) - 1), 4, false) : NULL;
  uint32_t entry = 0;
  if (p) memcpy(&entry, p, 4);
  uint32_t key = ((entry * a->block) & 0xfffff) | (uint32_t)(i % a->block);
  return key < a->key_end ? key : a->key_end - 1;
}

static void add_stream(struct attention *a, struct stream s) {
  if (s.count) a->stream[a->streams++ % STREAMS] = s;
}

/// Loads the next stream when the one before is with the read master.
static bool load_stream(struct attention *a) {
  if (a->loaded == a->streams) return false;
  struct vb_port_rd *rd = &a->port.rd[0];
  if (vb_port_rd_taken(&a->port, 0) != rd->told) return false;
  struct stream *s = &a->stream[a->loaded % STREAMS];
  if (s->query) { // a row a cycle while the queue has room
    if (a->loaded >= QUEUE) s->push = later(s->push, a->load[a->loaded % QUEUE] + 1);
    s->push = a->push = later(s->push, a->push + 1);
  }
  uint64_t t = s->push + 1;
  if (rd->told) t = later(t, rd->take_time + 1);
  a->load[a->loaded++ % QUEUE] = t;
  a->made = 0;
  return true;
}

/// Tells the port all descriptors that are known and that it has room for.
static void fetch(struct attention *a) {
  for (;;) {
    const struct stream *s = a->loaded ? &a->stream[(a->loaded - 1) % STREAMS] : NULL;
    if (!s || a->made == s->count) {
      if (!load_stream(a)) return;
      continue;
    }
    bool dense = s->stride == 32 * s->units && !s->list;
    uint64_t key = s->list ? list_key(a, s->key + a->made) : s->key + a->made;
    uint64_t address = (s->base + key * s->stride) & (((uint64_t)1 << 40) - 1);
    uint32_t off = a->beat == 64 ? address >> 5 & 1 : 0, units = dense ? s->units * s->count : s->units;
    uint32_t beats = a->beat == 64 ? (off + units + 1) / 2 : units * (32 / a->beat);
    uint64_t at = a->load[(a->loaded - 1) % QUEUE] + (s->list ? 4 : 1);
    if (a->descs - a->desc_at == DESCRIPTORS ||
        !vb_port_rd_cmd(&a->port, 0, at, address & ~(uint64_t)(a->beat - 1), beats))
      return;
    a->desc[a->descs % DESCRIPTORS].beats = beats;
    a->desc[a->descs % DESCRIPTORS].units = units;
    a->desc[a->descs++ % DESCRIPTORS].off = off;
    a->made = dense ? s->count : a->made + 1;
  }
}

// ---- beats to words

/// Makes the pattern of records of `units` units, the first of them a header when `headed`; they start in the upper half of
/// a beat when `off`.
static void make_pattern(const struct attention *a, uint32_t off, uint32_t units, bool headed, struct pattern *p) {
  const uint32_t pieces = a->beat < 32 ? 32 / a->beat : 1; // beats of a unit
  *p = (struct pattern){.period = pieces * units, .gapless = true};
  for (uint32_t b = 0; b < p->period + FIFO; b++) {
    const uint32_t i = b % p->period;
    uint32_t words = 0;
    if (pieces > 1) words = headed && i < pieces ? 0 : a->per_unit / pieces;
    else
      for (uint32_t u = 0; u < a->beat / 32; u++) // units before the record or behind it: of its neighbours
        if (!headed || (i * (a->beat / 32) + u + units - off) % units != 0) words += a->per_unit;
    p->before[b + 1] = (uint16_t)(p->before[b] + words);
    if (!words) p->gapless = false;
  }
  p->short_first = off ? a->per_unit : 0; // no neighbour before the first
}

/// The patterns of a job's streams: headed records of keys and queries, values, plain units; each at both halves of a beat.
static void make_patterns(struct attention *a) {
  for (uint32_t off = 0; off < 2; off++) {
    make_pattern(a, off, a->nbk + 1, true, &a->pattern[RECORDS][off]);
    make_pattern(a, off, a->nbv, false, &a->pattern[VALUES][off]);
    make_pattern(a, off, 1, false, &a->pattern[UNITS][off]);
  }
}

/// The next n >= BEATS beats, beat i of the pattern first, if only the array holds them up: they wait when the FIFO has
/// room. False: some may be later than that.
static bool waiting_beats(struct gear *g, struct vb_port_rd *rd, uint32_t n, const struct pattern *p, uint32_t i) {
  const uint64_t mask = rd->depth - 1, at = rd->popped, room = g->pop[0];
  uint64_t *time = rd->time;
  // Beats come one a cycle at most and leave one a cycle at most, so the last tells for all.
  if (g->accepted > room || time[(at + n - 1) & mask] >= room + n) return false;
  const uint16_t *before = &p->before[i];
  const uint64_t next = g->next - before[0];
  for (uint32_t b = 0; b < BEATS; b++) time[(at + b) & mask] = g->pop[b] + 1;
  for (uint32_t b = BEATS; b < n; b++) time[(at + b) & mask] = next + before[b - BEATS + 1];
  for (uint32_t b = 0; b < BEATS; b++) g->pop[b] = next + before[n - BEATS + b + 1] - 1;
  g->accepted = time[(at + n - 1) & mask];
  g->next = next + before[n];
  return true;
}

/// A beat with w words, on the bus in *time; that becomes the cycle in which the gear takes it.
static inline void one_beat(struct gear *g, uint64_t *time, uint64_t w) {
  *time = g->accepted = later(later(*time, g->accepted), g->pop[0]) + 1;
  if (!w) return;
  g->next = later(g->accepted + 1, g->next) + w;
  for (int i = 1; i < BEATS; i++) g->pop[i - 1] = g->pop[i];
  g->pop[BEATS - 1] = g->next - 1;
}

/// Takes `words` words in the present state from beats as they come.
static bool consume(struct attention *a, uint64_t words, enum records kind) {
  struct vb_port_rd *rd = &a->port.rd[0];
  struct gear *g = &a->gear;
  const uint64_t mask = rd->depth - 1, start = a->at;
  g->next = later(g->next, start);
  for (uint64_t left = words; left;) {
    while (a->desc_at == a->descs) {
      fetch(a);
      if (a->desc_at == a->descs && !vb_port_step(&a->port)) return false;
    }
    const uint32_t beats = a->desc[a->desc_at % DESCRIPTORS].beats, all = a->desc[a->desc_at % DESCRIPTORS].units;
    const struct pattern *p = &a->pattern[kind][a->desc[a->desc_at++ % DESCRIPTORS].off];
    uint64_t own = (uint64_t)(kind == RECORDS ? all - all / (a->nbk + 1) : all) * a->per_unit;
    left -= own;
    for (uint32_t b = 0, i = 0; b < beats;) {
      uint64_t known = vb_port_rd_known(rd);
      if (!known) {
        fetch(a);
        if (!vb_port_step(&a->port)) return false;
        continue;
      }
      uint32_t n = beats - b < known ? beats - b : (uint32_t)known;
      if (b == 0 && p->short_first) n = 1;
      else if (b + n == beats && n > 1) n--; // a last half beat is nobody's
      if (n >= BEATS && p->gapless && waiting_beats(g, rd, n, p, i)) own -= (uint64_t)p->before[i + n] - p->before[i];
      else
        for (uint32_t k = i; k < i + n; k++) {
          uint64_t w = (uint64_t)p->before[k + 1] - p->before[k] - (b == 0 && k == i ? p->short_first : 0);
          if (w > own) w = own;
          own -= w;
          one_beat(g, &rd->time[(rd->popped + k - i) & mask], w);
        }
      b += n;
      for (i += n; i >= p->period;) i -= p->period;
      rd->popped += n;
      a->port.dirty = true;
    }
  }
  a->at = g->next;
  a->out->classes[VB_HW_CLASS_BUSY] += words;
  a->out->classes[VB_HW_CLASS_READ] += a->at - start - words;
  return true;
}

static void wait(struct attention *a, uint64_t cycles) {
  a->at += cycles;
  a->out->classes[VB_HW_CLASS_DEPENDENCY] += cycles;
}

/// A stream of plain units, asked for in the first cycle of the present state and taken in it.
static bool plain(struct attention *a, uint64_t base, uint64_t unit, uint32_t units) {
  add_stream(a, (struct stream){.push = a->at, .base = base, .key = unit, .stride = 32, .count = units, .units = 1});
  return consume(a, (uint64_t)units * a->subw, UNITS);
}

// ---- results

struct row_out {
  uint64_t address;
  uint32_t bytes;
};

/// State Out: descriptors and their data, `latency` from an item to the FIFO's output.
static bool results(struct attention *a, const struct row_out *rows, uint32_t count, uint32_t latency) {
  const uint64_t start = a->at, unit = a->beat < 32 ? a->beat : 32;
  uint64_t item = start - 1, pops[CREDITS] = {0}, popped = 0, last = 0, waited = 0, loads = vb_port_wr_loaded(&a->port);
  uint32_t told = 0;
  for (uint32_t r = 0; r < count; r++) {
    uint32_t units = (uint32_t)((rows[r].bytes + unit - 1) / unit), high = a->beat == 64 ? rows[r].address >> 5 & 1 : 0;
    for (uint32_t u = 0; u < units; u++, high ^= 1) {
      for (; told < count && vb_port_wr_cmd(&a->port, start, rows[told].address, rows[told].bytes);) told++;
      item++;
      if (popped >= CREDITS) item = later(item, pops[popped % CREDITS] + 1);
      uint64_t there = item + latency, from = popped ? later(there, last + 1) : there;
      bool hold = a->beat == 64 && !high && u + 1 < units;
      if (hold) {
        last = from;
      } else {
        while (!vb_port_wr_data(&a->port, from, 1))
          if (!vb_port_step(&a->port)) return false;
        while (vb_port_wr_loaded(&a->port) == loads) {
          for (; told < count && vb_port_wr_cmd(&a->port, start, rows[told].address, rows[told].bytes);) told++;
          if (vb_port_wr_loaded(&a->port) == loads && !vb_port_step(&a->port)) return false;
        }
        last = a->port.wr.load[loads++ % VB_PORT_LOADS];
        waited += last - from;
      }
      pops[popped++ % CREDITS] = last;
    }
  }
  a->at = last + 2; // done_o a cycle after the last pop
  a->out->classes[VB_HW_CLASS_BUSY] += popped;
  a->out->classes[VB_HW_CLASS_WRITE] += waited;
  a->out->classes[VB_HW_CLASS_DEPENDENCY] += a->at - start - popped - waited;
  return true;
}

static bool write_tile(struct attention *a, uint32_t row0, uint32_t rows) {
  struct row_out out[32];
  const uint64_t mask = ((uint64_t)1 << 40) - 1;
  uint32_t rpt = arg32(a, VB_ATTENTION_ARG_ROWS_PER_TOKEN), part = 32 + 256 * a->nbv;
  switch (arg32(a, VB_ATTENTION_ARG_MODE)) {
  case 1: out[0] = (struct row_out){a->args[VB_ATTENTION_ARG_M] + 4ull * row0, 4 * rows}; break;
  case 2: out[0] = (struct row_out){a->args[VB_ATTENTION_ARG_EM] + 32ull * row0, 32 * rows}; break;
  case 3: out[0] = (struct row_out){a->args[VB_ATTENTION_ARG_OUT] + (uint64_t)row0 * part, part * rows}; break;
  default:
    for (uint32_t r = 0; r < rows; r++) {
      uint64_t row = row0 + r;
      out[r].address = (a->args[VB_ATTENTION_ARG_OUT] + row / rpt * arg32(a, VB_ATTENTION_ARG_O_TOKEN_STRIDE) +
                        row % rpt * arg32(a, VB_ATTENTION_ARG_O_ROW_STRIDE)) &
                       mask;
      out[r].bytes = 128 * a->nbv;
    }
    return results(a, out, rows, QUOTIENT);
  }
  out[0].address &= mask;
  return results(a, out, 1, SHORT);
}

// ---- tiles

/// The keys of a tile: [0, na) and then from `start`, n in all, counted from key_begin (vb_attn_tile).
struct plan {
  uint64_t na, start, n;
};

static uint64_t relative(uint64_t x, uint64_t from) {
  uint64_t most = (uint64_t)1 << 20;
  return x <= from ? 0 : x - from > most ? most : x - from;
}

static struct plan plan_tile(const struct attention *a, uint32_t row0, uint32_t rows) {
  uint64_t rpt = arg32(a, VB_ATTENTION_ARG_ROWS_PER_TOKEN), begin = arg32(a, VB_ATTENTION_ARG_KEY_BEGIN);
  uint64_t first = (uint64_t)arg32(a, VB_ATTENTION_ARG_FIRST_COUNT) + row0 / rpt;
  uint64_t last = (uint64_t)arg32(a, VB_ATTENTION_ARG_FIRST_COUNT) + (row0 + rows - 1) / rpt;
  uint64_t window = arg32(a, VB_ATTENTION_ARG_WINDOW), chunk = arg32(a, VB_ATTENTION_ARG_CHUNK);
  uint64_t low = window && first > window ? first - window : 0;
  if (chunk && first && first - 1 - (first - 1) % chunk > low) low = first - 1 - (first - 1) % chunk;
  uint64_t hi = relative(last < a->key_end ? last : a->key_end, begin), lo = relative(low, begin);
  uint64_t kept = relative(arg32(a, VB_ATTENTION_ARG_KEEP), begin);
  if (kept > hi) kept = hi;
  if (a->block) return (struct plan){0, 0, hi ? (uint64_t)arg32(a, VB_ATTENTION_ARG_LIST_COUNT) * a->block : 0};
  if (kept >= lo) return (struct plan){0, 0, hi};
  return (struct plan){kept, lo, kept + (hi > lo ? hi - lo : 0)};
}

/// Streams of a chunk's keys or values, pushed in the cycles `at` and `at` + 1.
static void add_keys(struct attention *a, const struct plan *p, uint64_t base, uint64_t cn, uint64_t at, bool values) {
  uint64_t begin = arg32(a, VB_ATTENTION_ARG_KEY_BEGIN), ca = base < p->na ? p->na - base : 0;
  bool shared = a->args[VB_ATTENTION_ARG_FLAGS] & 1;
  if (ca > cn || a->block) ca = cn;
  struct stream s = {.push = at, .list = a->block != 0};
  s.base = a->args[values && !shared ? VB_ATTENTION_ARG_V : VB_ATTENTION_ARG_K] + (values && shared ? 32 : 0);
  s.stride = arg32(a, values && !shared ? VB_ATTENTION_ARG_V_STRIDE : VB_ATTENTION_ARG_K_STRIDE);
  s.units = values ? a->nbv : a->nbk + 1;
  s.key = a->block ? base : (begin + base) & 0xffffffff;
  s.count = (uint32_t)ca;
  add_stream(a, s);
  s.push++;
  s.key = (begin + p->start + (base > p->na ? base - p->na : 0)) & 0xffffffff;
  s.count = (uint32_t)(cn - ca);
  add_stream(a, s);
}

/// States Chunk to KeyDrain, and Val to ValDrain where `values` follow at once.
static bool chunk_keys(struct attention *a, const struct plan *p, uint64_t base, bool ahead, bool *listed) {
  uint64_t cn = p->n - base < a->nmax ? p->n - base : a->nmax;
  wait(a, 1);
  if (a->block && !*listed) {
    uint64_t first = (uint64_t)arg32(a, VB_ATTENTION_ARG_LIST_FIRST) + base / a->block;
    uint64_t entries = cn / a->block ? cn / a->block : 1;
    if (!plain(a, a->args[VB_ATTENTION_ARG_LIST], first / 8, (uint32_t)((first % 8 + entries + 7) / 8))) return false;
    *listed = p->n <= a->nmax;
  }
  add_keys(a, p, base, cn, a->at, false);
  if (ahead) add_keys(a, p, base, cn, a->at + 2, true);
  wait(a, ahead ? 4 : 2);
  if (!consume(a, cn * a->nbk * a->subw, RECORDS)) return false;
  wait(a, KDRAIN + (a->subw > 1));
  return true;
}

static bool chunk_values(struct attention *a, const struct plan *p, uint64_t base) {
  uint64_t cn = p->n - base < a->nmax ? p->n - base : a->nmax;
  if (!consume(a, cn * a->nbv * a->subw, VALUES)) return false;
  wait(a, VDRAIN);
  return true;
}

static bool tile(struct attention *a, uint32_t row0, uint32_t rows, bool *listed) {
  uint32_t mode = arg32(a, VB_ATTENTION_ARG_MODE), rpt = arg32(a, VB_ATTENTION_ARG_ROWS_PER_TOKEN);
  wait(a, 1); // Tile
  for (uint32_t r = row0; r < row0 + rows; r++)
    add_stream(a, (struct stream){.push = a->at,
                                  .query = true,
                                  .base = a->args[VB_ATTENTION_ARG_Q] +
                                          (uint64_t)(r / rpt) * arg32(a, VB_ATTENTION_ARG_Q_TOKEN_STRIDE) +
                                          (uint64_t)(r % rpt) * arg32(a, VB_ATTENTION_ARG_Q_ROW_STRIDE),
                                  .stride = 32,
                                  .count = 1,
                                  .units = a->nbk + 1});
  if (!consume(a, (uint64_t)rows * a->nbk * a->subw, RECORDS)) return false;
  struct plan p = plan_tile(a, row0, rows);
  wait(a, 2); // Plan, Planned
  if (!p.n) return write_tile(a, row0, rows);
  if (mode >= 2 && !plain(a, a->args[VB_ATTENTION_ARG_M] + (4ull * row0 & ~31ull), 0, (rows + 7) / 8)) return false;
  if (mode == 3 && !plain(a, a->args[VB_ATTENTION_ARG_EM] + 32ull * row0, 0, rows)) return false;
  bool single = p.n <= a->nmax;
  for (uint64_t base = 0; base < p.n; base += a->nmax) {
    bool last = p.n - base <= a->nmax;
    if (!chunk_keys(a, &p, base, mode == 3 || (mode == 0 && single), listed)) return false;
    if (mode == 3 && !chunk_values(a, &p, base)) return false;
    if (!last) wait(a, 1); // Next
  }
  if (mode == 0 || mode == 2) wait(a, a->nbv + 1); // Exp
  if (mode == 0) {
    for (uint64_t base = 0; base < p.n; base += a->nmax) {
      if (!single && !chunk_keys(a, &p, base, true, listed)) return false;
      if (!chunk_values(a, &p, base)) return false;
      if (p.n - base > a->nmax) wait(a, 1); // Next
    }
    wait(a, a->rows_max + RDRAIN);
  }
  return write_tile(a, row0, rows);
}

static bool job(struct attention *a) {
  uint32_t rows = arg32(a, VB_ATTENTION_ARG_ROWS), rpt = arg32(a, VB_ATTENTION_ARG_ROWS_PER_TOKEN);
  bool listed = false;
  a->at = VB_CYCLE_START;
  wait(a, 2); // Idle with start, Check
  if (arg32(a, VB_ATTENTION_ARG_CHUNK)) wait(a, REM);
  if (arg32(a, VB_ATTENTION_ARG_MODE) == 0 && a->args[VB_ATTENTION_ARG_SINKS] &&
      !plain(a, a->args[VB_ATTENTION_ARG_SINKS], 0, (rpt + 7) / 8))
    return false;
  for (uint32_t row = 0; row < rows; row += a->rows_max)
    if (!tile(a, row, rows - row < a->rows_max ? rows - row : a->rows_max, &listed)) return false;
  uint64_t idle; // Resp
  while ((idle = vb_port_wr_idle(&a->port)) == VB_UNKNOWN)
    if (!vb_port_step(&a->port)) return false;
  uint64_t last = later(a->at, idle);
  a->out->classes[VB_HW_CLASS_DRAIN] += last + 1 - a->at;
  a->at = last + 1;
  wait(a, 1); // Done
  return true;
}

int vb_cycle_attention(const struct vb_cycle_env *env, const struct vb_golden_memory *mem, const uint64_t *args,
                       struct vb_cycle_result *out) {
  static const struct attention zero;
  struct attention a = zero;
  memset(out, 0, sizeof *out);
  out->error = vb_golden_attention_error(env->hw, args);
  if (out->error || !(uint32_t)args[VB_ATTENTION_ARG_ROWS]) {
    out->cycles = out->classes[VB_HW_CLASS_DEPENDENCY] = 3;
    return 0;
  }
  a.out = out;
  a.mem = mem;
  a.args = args;
  a.rows_max = env->hw->rows;
  a.subw = 32 / env->hw->lanes;
  a.per_unit = a.subw;
  a.nmax = env->hw->attention_keys;
  a.beat = env->hw->axi_data_bits / 8;
  a.nbk = arg32(&a, VB_ATTENTION_ARG_DK) / 32;
  a.nbv = arg32(&a, VB_ATTENTION_ARG_DV) / 32;
  a.block = arg32(&a, VB_ATTENTION_ARG_LIST_BLOCK);
  a.key_end = arg32(&a, VB_ATTENTION_ARG_KEY_END);
  if (vb_port_init(&a.port, env, 1, a.beat == 64 ? FIFO : FIFO / 2, 16, 8)) return -1;
  make_patterns(&a);
  bool ok = job(&a);
  out->cycles = a.at - VB_CYCLE_START;
  out->bytes_read = a.port.bytes_read;
  out->bytes_written = a.port.bytes_written;
  out->dram = *vb_dram_get_stats(a.port.dram);
  vb_port_free(&a.port);
  return ok ? 0 : -1;
}
