// SPDX-License-Identifier: Apache-2.0
// Cycles of the indexer (hw/indexer): tokens pass reading, sequencer, array, top-k, list and output queue by the
// recurrences of vb_idx_*.sv. Every constant below is a latency there; names of events are names of signals. Nothing in
// the unit is arbitrated, so each part goes on as soon as what it waits for is known.
#include "indexer.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t MASK = ((uint64_t)1 << 40) - 1; ///< of an address

static uint32_t keys_of(const struct indexer *x, uint32_t token) {
  uint64_t stop = (uint64_t)arg(x, VB_INDEXER_ARG_FIRST_COUNT) + token, end = arg(x, VB_INDEXER_ARG_KEY_END);
  uint64_t begin = arg(x, VB_INDEXER_ARG_KEY_BEGIN);
  if (end < stop) stop = end;
  return stop > begin ? (uint32_t)(stop - begin) : 0;
}

static uint64_t row_of(const struct indexer *x, int base, int stride, uint32_t token) {
  return (x->args[base] + (uint64_t)token * arg(x, stride)) & MASK;
}

// ---- reading (vb_idx_fetch)

static void set_stretch(struct indexer *x, uint32_t n) {
  static const int base[] = {VB_INDEXER_ARG_W, VB_INDEXER_ARG_Q, VB_INDEXER_ARG_K, VB_INDEXER_ARG_SCORE};
  static const int stride[] = {VB_INDEXER_ARG_W_STRIDE, VB_INDEXER_ARG_Q_STRIDE, 0, VB_INDEXER_ARG_SCORE_STRIDE};
  const uint64_t size[] = {4ull * x->heads, x->heads * x->record_bytes, n * x->record_bytes, 4ull * n};
  uint32_t tag = x->fetch.tag;
  uint64_t first = x->args[VB_INDEXER_ARG_K] + arg(x, VB_INDEXER_ARG_KEY_BEGIN) * x->record_bytes; // key
  uint64_t start = tag == TAG_K ? first & MASK : row_of(x, base[tag], stride[tag], x->fetch.token), bytes = size[tag];
  uint64_t head = start & (x->beat_bytes - 1);
  x->fetch.address = start - head;
  x->fetch.left = (head + bytes + x->beat_bytes - 1) >> x->port.beat_log2;
}

/// Tells descriptors, page by page; a stretch is set up when the last descriptor of the one before was taken.
static void fetch(struct indexer *x) {
  const struct vb_port_rd *rd = &x->port.rd[0];
  while (!x->fetch.ended) {
    while (x->fetch.left) {
      if (rd->told - rd->taken == VB_PORT_COMMANDS) return;
      uint64_t page = (4096 - (x->fetch.address & 4095)) >> x->port.beat_log2;
      uint64_t n = x->fetch.left < page ? x->fetch.left : page;
      vb_port_rd_cmd(&x->port, 0, x->fetch.at, x->fetch.address, (uint32_t)n);
      x->fetch.address += n * x->beat_bytes;
      x->fetch.left -= n;
      x->fetch.told = 1;
      if (x->fetch.left == 0)
        x->fetch.tag = x->fetch.tag == TAG_K ? TAG_W : x->fetch.tag == TAG_S ? TAG_S : x->fetch.tag + 1;
      if (x->fetch.left == 0 && (x->fetch.tag == TAG_W || x->fetch.tag == TAG_S)) x->fetch.token++;
    }
    if (x->fetch.told) {
      if (vb_port_rd_taken(&x->port, 0) != rd->told) return;
      x->fetch.at = rd->take_time + 2;
    }
    uint32_t n = 0;
    while (x->fetch.token < x->tokens && !(n = keys_of(x, x->fetch.token))) x->fetch.token++, x->fetch.at++;
    if (x->fetch.token == x->tokens) x->fetch.ended = true;
    else set_stretch(x, n);
  }
}

// ---- output queue (vb_idx_out)

static void next_stretch(struct indexer *x, uint64_t from) {
  for (;; from++) {
    if (x->out.token == x->tokens) {
      x->out.ended = true;
      x->out.from = from - 1;
      return;
    }
    if (x->mode == SCORES) {
      x->out.at = row_of(x, VB_INDEXER_ARG_SCORE, VB_INDEXER_ARG_SCORE_STRIDE, x->out.token);
      x->out.left = 4ull * keys_of(x, x->out.token++);
    } else if (x->out.count) {
      x->out.at = x->args[VB_INDEXER_ARG_COUNT] + 4ull * x->out.token++;
      x->out.left = 4;
      x->out.count = false;
    } else {
      x->out.at = row_of(x, VB_INDEXER_ARG_LIST, VB_INDEXER_ARG_LIST_STRIDE, x->out.token);
      x->out.left = 4ull * x->k;
      x->out.count = true;
    }
    if (x->out.left) break;
  }
  x->out.from = from;
}

static bool pop_loaded(struct indexer *x) {
  uint64_t n = vb_port_wr_loaded(&x->port);
  if (x->out.popped == n) return false;
  for (; x->out.popped < n; x->out.popped++)
    x->pop[x->out.popped % POPS] = x->port.wr.load[x->out.popped % VB_PORT_LOADS];
  return true;
}

/// Beats of the next chunk.
static uint64_t chunk(const struct indexer *x) {
  uint64_t beats = (x->out.left + x->beat_bytes - 1) >> x->port.beat_log2;
  return beats < CHUNK ? beats : CHUNK;
}

static bool write_chunks(struct indexer *x) {
  bool moved = pop_loaded(x);
  while (!x->out.ended) {
    uint64_t beats = chunk(x), full = CHUNK * x->beat_bytes, last = x->out.promised + beats - 1;
    if (x->out.pushed <= last) break;
    uint64_t ready = vb_port_wr_ready(&x->port);
    if (ready == VB_UNKNOWN) break;
    uint64_t take = later(later(x->out.from, x->out.push[last % (2 * QUEUE)] + 1), ready);
    uint64_t bytes = x->out.left < full ? x->out.left : full;
    vb_port_wr_cmd(&x->port, take, x->out.at, (uint32_t)bytes);
    vb_port_wr_data(&x->port, take + 1, beats);
    x->out.promised += beats;
    x->out.at += bytes;
    x->out.left -= bytes;
    x->out.from = take + 1;
    if (!x->out.left) next_stretch(x, take + 2);
    pop_loaded(x);
    moved = true;
  }
  return moved;
}

// ---- top-k and list

static bool select_token(struct indexer *x) {
  uint32_t t = x->top.token;
  if (t == x->top.closed || t > x->list.token) return false; // the list before must have left
  uint64_t nb = (x->top.n[t % MEMORY] + x->lanes - 1) >> x->lanes_log2;
  uint64_t scan = later(x->top.close[t % MEMORY] + 1, x->top.wait) + 1;
  uint64_t room = scan + 4 * SCAN + 3 * (nb + HIST_TAIL), taken = later(room, x->list.empty);
  uint64_t end = taken + nb + OUT_TAIL;
  uint32_t run = 2 * t % (2 * MEMORY);
  x->top.from[run] = scan, x->top.to[run] = room;
  x->top.from[run + 1] = taken + 1, x->top.to[run + 1] = end + 1;
  x->top.end[t % MEMORY] = end;
  x->top.wait = end + 1;
  x->top.token++;
  x->list.cycle = end + 1 + x->lanes_log2 + 1;
  x->list.beat = 0;
  return true;
}

static bool send_list(struct indexer *x) {
  if (x->list.token == x->top.token) return false;
  bool moved = false;
  uint32_t beats = (x->k + x->lanes - 1) >> x->lanes_log2;
  for (; x->list.beat <= beats; x->list.beat++) { // and the count
    uint64_t from;
    if (!place(x, &from)) return moved;
    uint64_t c = later(x->list.cycle, from);
    x->out.reserved++;
    push(x, c + 1);
    x->list.cycle = c + 1;
    moved = true;
  }
  x->list.empty = x->list.cycle + 1;
  x->list.token++;
  return true;
}

// ---- sequencer (vb_idx_front)

static bool take_beats(struct indexer *x, uint32_t words) {
  for (uint64_t known; x->front.left && (known = vb_port_rd_known(&x->port.rd[0]));) {
    uint64_t from = x->front.cycle, n = words == 1 ? known : words - x->front.part;
    if (n > x->front.left) n = x->front.left;
    if (words == 1) {
      x->front.cycle = vb_port_rd_pop_run(&x->port, 0, from, n) + 1;
    } else {
      x->front.cycle = later(vb_port_rd_time(&x->port.rd[0], 0), from) + n;
      vb_port_rd_pop(&x->port, 0, x->front.cycle - 1);
    }
    x->read += x->front.cycle - from - n;
    x->busy += n;
    x->front.left -= n;
    x->front.part = 0;
  }
  return !x->front.left;
}

/// The token's buffer is free.
static bool buffer(const struct indexer *x, uint64_t *from) {
  *from = x->front.cycle;
  if (x->mode == SCORES) return true;
  *from = later(*from, FIRST + CLEAR);
  if (x->front.token < 2) return true;
  if (x->top.token < x->front.token - 1) return false;
  *from = later(*from, x->top.end[(x->front.token - 2) % MEMORY] + 1);
  return true;
}

/// The end of a token's data: the array or the last histogram count drains, the buffer closes.
static void leave_token(struct indexer *x, uint32_t drain) {
  x->dep += drain;
  x->front.cycle += drain;
  if (x->mode != SCORES) {
    x->top.close[x->top.closed % MEMORY] = x->front.cycle - 1;
    x->top.n[x->top.closed++ % MEMORY] = x->front.n;
  }
  x->front.token++;
  x->front.state = NEXT;
}

/// One state; false: it waits for what is not known.
static bool sequence(struct indexer *x) {
  uint64_t from;
  switch (x->front.state) {
  case NEXT:
    x->dep++;
    x->front.cycle++;
    if (x->front.token == x->tokens) {
      x->front.tail = x->front.cycle;
      x->front.state = TAIL;
      return true;
    }
    x->front.n = keys_of(x, x->front.token);
    x->front.state = x->mode == TOPK || !x->front.n ? BUF : W;
    x->front.left = (x->heads + x->lanes - 1) >> x->lanes_log2;
    return true;
  case W:
    if (!take_beats(x, 1)) return false;
    x->front.state = Q;
    x->front.left = (uint64_t)x->heads * x->record_words;
    if (x->beat_bytes == 64 && ((uint64_t)x->front.token * arg(x, VB_INDEXER_ARG_Q_STRIDE) & 32))
      x->front.part = x->beat_words / 2;
    return true;
  case Q:
    if (!take_beats(x, x->beat_words)) return false;
    x->busy += x->align;
    x->front.cycle += x->align;
    x->front.state = BUF;
    return true;
  case BUF:
    if (!buffer(x, &from)) return false;
    x->dep += from + 1 - x->front.cycle;
    x->front.cycle = from + 1;
    if (!x->front.n) {
      leave_token(x, 1);
    } else if (x->mode == TOPK) {
      x->front.state = BEATS;
      x->front.left = (x->front.n + x->lanes - 1) >> x->lanes_log2;
    } else {
      vb_indexer_enter_keys(x);
    }
    return true;
  case BEATS:
    if (!take_beats(x, 1)) return false;
    leave_token(x, 1);
    return true;
  case KEYS: {
    if (!vb_indexer_take_keys(x)) return false;
    uint64_t end = x->front.end[(x->front.n - 1) % SLOTS] + 1, steps = (uint64_t)x->front.n * x->steps;
    x->busy += steps;
    x->write += x->front.waited;
    x->read += end - x->front.begin - steps - x->front.waited;
    x->front.cycle = end;
    leave_token(x, x->drain);
    return true;
  }
  default: return false;
  }
}

/// Beats that may become known before anything but pops follows from them: what the FIFO holds, without the last of the
/// token or of the keys whose scores make the next chunk. 0 while there is something to write.
static uint64_t only_reads(struct indexer *x) {
  const struct vb_port_rd *rd = &x->port.rd[0];
  uint64_t full = x->out.promised + chunk(x), left = 0;
  if (x->list.token != x->top.closed || x->out.pushed >= full || vb_port_wr_idle(&x->port) == VB_UNKNOWN) return 0;
  if (x->front.state == KEYS) {
    uint64_t keys = x->front.n, scores = (x->front.begun >> x->lanes_log2) + full - x->out.pushed;
    if (x->mode == SCORES && keys > scores << x->lanes_log2) keys = scores << x->lanes_log2;
    if (keys <= x->front.loaded) return 0;
    left = (keys - x->front.loaded) * x->record_words - x->front.word + x->front.part;
    left = (left + x->beat_words - 1) >> x->beat_log2;
  } else if (x->front.state == BEATS) left = x->front.left;
  return rd->popped + (left < rd->depth ? left : rd->depth);
}

/// False when nothing can go on: the model contradicts itself.
static bool run(struct indexer *x) {
  for (;;) {
    bool moved;
    do {
      fetch(x);
      moved = false;
      while (sequence(x)) moved = true;
      while (select_token(x)) moved = true;
      while (send_list(x)) moved = true;
      if (write_chunks(x)) moved = true;
    } while (moved);
    if (!vb_port_step(&x->port)) return x->front.state == TAIL && x->out.ended && x->out.popped == x->out.promised;
    // Reads keep their order without the rest being advanced after each.
    for (uint64_t known = only_reads(x); x->port.rd[0].known < known && vb_port_step(&x->port);) continue;
  }
}

// ---- the job

static void prepare(struct indexer *x, const struct vb_hw_config *hw) {
  x->mode = arg(x, VB_INDEXER_ARG_MODE);
  x->lanes = hw->axi_data_bits / 32;
  while ((1u << x->lanes_log2) < x->lanes) x->lanes_log2++;
  x->tokens = arg(x, VB_INDEXER_ARG_TOKENS);
  x->heads = arg(x, VB_INDEXER_ARG_HEADS);
  x->k = arg(x, VB_INDEXER_ARG_TOPK);
  x->beat_bytes = hw->axi_data_bits / 8;
  uint32_t blocks = arg(x, VB_INDEXER_ARG_DK) / 32, words = 32 / hw->lanes;
  uint32_t groups = (x->heads + hw->rows - 1) / hw->rows;
  x->record_bytes = 32 * (blocks + 1);
  x->record_words = (blocks + 1) * words;
  x->beat_words = hw->axi_data_bits / (8 * hw->lanes);
  while ((1u << x->beat_log2) < x->beat_words) x->beat_log2++;
  x->steps = groups * blocks * words;
  if (x->mode != TOPK) vb_indexer_time_pops(x); // without keys their size is anything
  x->push = words == 1 ? 12 : 13;
  x->drain = x->push + 1;
  x->align = ALIGN + groups * hw->rows;
  x->fetch.tag = x->mode == TOPK ? TAG_S : TAG_W;
  x->fetch.at = FIRST + 1;
  x->front.cycle = FIRST;
  x->top.wait = FIRST + CLEAR;
  next_stretch(x, FIRST + 1);
}

/// Cycles of Tail, up to `end`, in which the engine works or a beat leaves. *clear, the first, loses those of beats.
static uint64_t busy_tail(const struct indexer *x, uint64_t end, uint64_t *clear) {
  uint64_t n = 0, from = x->front.tail;
  uint32_t runs = x->top.token < MEMORY ? 2 * x->top.token : 2 * MEMORY;
  for (uint32_t i = 0; i < runs; i++) {
    uint64_t a = later(x->top.from[i], from), b = x->top.to[i] < end + 1 ? x->top.to[i] : end + 1;
    if (b > a) n += b - a;
  }
  uint64_t first = x->out.popped > POPS ? x->out.popped - POPS : 0;
  for (uint64_t i = first; i < x->out.popped; i++) {
    uint64_t t = x->pop[i % POPS];
    bool counted = t < from;
    if (!counted && t < FIRST + CLEAR) --*clear;
    for (uint32_t r = 0; r < runs && !counted; r++) counted = t >= x->top.from[r] && t < x->top.to[r];
    n += !counted;
  }
  return n;
}

static void collect(struct indexer *x, struct vb_cycle_result *out) {
  uint64_t left = x->out.popped ? x->pop[(x->out.popped - 1) % POPS] + 1 : x->out.from;
  uint64_t end = later(later(x->front.tail, left), FIRST + CLEAR); // finished
  uint64_t last = later(end + 1, vb_port_wr_idle(&x->port)), tail = end + 1 - x->front.tail;
  uint64_t clear = x->front.tail < FIRST + CLEAR ? FIRST + CLEAR - x->front.tail : 0, busy = busy_tail(x, end, &clear);
  out->cycles = last + 1 - VB_CYCLE_START;
  out->classes[VB_HW_CLASS_BUSY] = x->busy + busy + 2; // and the cycles of start and check
  out->classes[VB_HW_CLASS_READ] = x->read;
  out->classes[VB_HW_CLASS_WRITE] = x->write + tail - busy - clear;
  out->classes[VB_HW_CLASS_DEPENDENCY] = x->dep + clear;
  out->classes[VB_HW_CLASS_DRAIN] = last - end;
  out->bytes_read = x->port.bytes_read;
  out->bytes_written = x->port.bytes_written;
  out->dram = *vb_dram_get_stats(x->port.dram);
}

int vb_cycle_indexer(const struct vb_cycle_env *env, const struct vb_golden_memory *mem, const uint64_t *args,
                     struct vb_cycle_result *result) {
  (void)mem; // nothing depends on values
  *result = (struct vb_cycle_result){.error = vb_golden_indexer_error(env->hw, args)};
  if (result->error) {
    result->cycles = result->classes[VB_HW_CLASS_BUSY] = 2; // start and check
    return 0;
  }
  struct indexer *x = malloc(sizeof *x);
  if (!x) return -1;
  memset(x, 0, offsetof(struct indexer, pop));
  x->args = args;
  int status = vb_port_init(&x->port, env, 1, 64, 16, 8);
  if (status == 0) {
    prepare(x, env->hw);
    status = run(x) ? 0 : -2;
    if (status == 0) collect(x, result);
  }
  vb_port_free(&x->port);
  free(x);
  return status;
}
