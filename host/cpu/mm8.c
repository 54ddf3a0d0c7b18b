// SPDX-License-Identifier: Apache-2.0
#include "cpu/mm8.h"

// From this many rows on a tile with idle lanes beats the row kernel (which reduces across lanes for every row).
enum { MIN_LANES = 6 };

uint32_t vb_mm8_tiles(const struct vb_isa *isa, uint32_t count) {
  if (!isa->tile_block) return 0;
  return count / VB_TILE + (count % VB_TILE >= MIN_LANES);
}

static uint32_t lanes_of(const struct vb_mm8 *j, uint32_t tile) {
  uint32_t left = j->count - tile * VB_TILE;
  return left < VB_TILE ? left : VB_TILE;
}

void vb_mm8_pack(const struct vb_isa *isa, const struct vb_mm8 *j, uint32_t i, uint8_t *packs) {
  isa->tile_pack(j->a + (size_t)i * VB_TILE, lanes_of(j, i), j->b, packs + i * vb_mm8_tile_bytes(isa, j->b));
}

static void sink_tile(const struct vb_isa *isa, const struct vb_mm8 *j, struct vb_range n, uint32_t tile,
                      int64_t (*acc)[VB_TILE]) {
  uint32_t lanes = lanes_of(j, tile), rows = n.end - n.begin, at = n.begin - j->first;
  if (j->sink == VB_MM8_RELU) {
    isa->relu_dot((const int64_t(*)[VB_TILE])acc, j->weight + tile * VB_TILE, rows, j->sums + at);
    return;
  }
  if (j->sink != VB_MM8_Z) {
    for (uint32_t l = 0; l < lanes; l++) {
      int64_t *to = j->acc[tile * VB_TILE + l] + at;
      if (j->sink == VB_MM8_ACC) {
        for (uint32_t r = 0; r < rows; r++) to[r] = acc[r][l];
      } else {
        for (uint32_t r = 0; r < rows; r++) to[r] += acc[r][l];
      }
    }
    return;
  }
  vb_z z[VB_TILE_ROWS][VB_TILE];
  uint8_t max[VB_TILE] = {0};
  for (uint32_t l = 0; l < lanes; l++) max[l] = (uint8_t)j->a[tile * VB_TILE + l].max;
  for (uint32_t r = 0; r < rows; r++) isa->norm(acc[r], max, j->w->max[n.begin + r] - 254 - 8, VB_TILE, z[r]);
  for (uint32_t l = 0; l < lanes; l++) {
    vb_z *to = j->z[tile * VB_TILE + l] + at;
    for (uint32_t r = 0; r < rows; r++) to[r] = j->bias ? vb_add(z[r][l], j->bias[at + r]) : z[r][l];
  }
}

static void sink_row(const struct vb_isa *isa, const struct vb_mm8 *j, struct vb_range n, uint32_t i,
                     const int64_t *acc) {
  uint32_t rows = n.end - n.begin, at = n.begin - j->first;
  if (j->sink == VB_MM8_Z) {
    vb_z *to = j->z[i] + at;
    isa->norm(acc, j->w->max + n.begin, j->a[i].max - 254 - 8, rows, to);
    for (uint32_t r = 0; j->bias && r < rows; r++) to[r] = vb_add(to[r], j->bias[at + r]);
  } else if (j->sink == VB_MM8_RELU) {
    for (uint32_t r = 0; r < rows; r++) j->sums[at + r] += acc[r] > 0 ? j->weight[i] * acc[r] : 0;
  } else {
    int64_t *to = j->acc[i] + at;
    for (uint32_t r = 0; r < rows; r++) to[r] = acc[r] + (j->sink == VB_MM8_ADD ? to[r] : 0);
  }
}

void vb_mm8_rows(const struct vb_isa *isa, const struct vb_mm8 *j, struct vb_range n) {
  _Alignas(64) int64_t acc[VB_TILES][VB_TILE_ROWS][VB_TILE];
  uint32_t tiles = vb_mm8_tiles(isa, j->count), rows = n.end - n.begin;
  if (!rows) return;
  for (uint32_t t = 0; t < tiles; t += VB_TILES) {
    uint32_t some = tiles - t < VB_TILES ? tiles - t : VB_TILES;
    isa->tile_p2(j->w, n.begin, rows, j->b, j->packs + t * vb_mm8_tile_bytes(isa, j->b), some, acc[0][0]);
    for (uint32_t i = 0; i < some; i++) sink_tile(isa, j, n, t + i, acc[i]);
  }
  // The rest: a group of rows stays in the first cache level while all activation rows pass over it.
  uint32_t first = tiles * VB_TILE < j->count ? tiles * VB_TILE : j->count;
  uint32_t step = j->count - first == 1 ? VB_TILE_ROWS : VB_ROW_GROUP;
  for (uint32_t r = n.begin; r < n.end && first < j->count; r += step) {
    struct vb_range g = {r, n.end - r < step ? n.end : r + step};
    for (uint32_t i = first; i < j->count; i++) {
      isa->p2_i8(j->w, g.begin, g.end - g.begin, &j->a[i], j->b, acc[0][0]);
      sink_row(isa, j, g, i, acc[0][0]);
    }
  }
}
