// SPDX-License-Identifier: Apache-2.0
/// @file golden.h
/// What a job of a unit does to memory, computed by the reference operators (host/ref): the oracle of tests/hw and
/// the results of the fast backend. Descriptor checks and error codes are those of the RTL; nothing here knows time.
#ifndef VB_SIM_GOLDEN_H
#define VB_SIM_GOLDEN_H
#include "../../hw/config/vb_config_gen.h"
#include "../../hw/regs/vb_regs.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Bytes of the device memory that a job may touch; an access outside answers DECERR.
struct vb_golden_region {
  uint64_t address, bytes;
  bool readable, writable;
};

/// Device memory: address a is bytes[a - base]. Without regions all of it may be read and written.
struct vb_golden_memory {
  uint8_t *bytes;
  uint64_t base, size;
  const struct vb_golden_region *regions;
  uint32_t num_regions;
};

/// The bytes [address, address + bytes), or NULL when they are not all in one region that allows the access. Reads come
/// in whole beats, so as on the bus a region may be read up to the 64-byte lines its ends lie in; writes are held to
/// the byte. `bytes` 0 is allowed everywhere.
static inline uint8_t *vb_golden_at(const struct vb_golden_memory *m, uint64_t address, uint64_t bytes, bool write) {
  if (bytes == 0) return m->bytes;
  if (address < m->base || address - m->base >= m->size || m->size - (address - m->base) < bytes) return NULL;
  uint8_t *at = m->bytes + (address - m->base);
  if (!m->regions) return at;
  for (uint32_t i = 0; i < m->num_regions; i++) {
    const struct vb_golden_region *r = &m->regions[i];
    if (r->bytes == 0 || !(write ? r->writable : r->readable)) continue;
    uint64_t lo = r->address, hi = r->address + r->bytes - 1;
    if (!write) {
      lo &= ~(uint64_t)63;
      hi |= 63;
    }
    if (address >= lo && address + bytes - 1 <= hi) return at;
  }
  return NULL;
}

/// One job. `args` are the unit's 64-bit argument slots. Returns the error code of the unit, 0 for none; after one, the
/// outputs are undefined, as the unit's are.
uint32_t vb_golden_router(const struct vb_golden_memory *mem, const struct vb_hw_config *hw, const uint64_t *args);
uint32_t vb_golden_attention(const struct vb_golden_memory *mem, const struct vb_hw_config *hw, const uint64_t *args);
uint32_t vb_golden_indexer(const struct vb_golden_memory *mem, const struct vb_hw_config *hw, const uint64_t *args);

/// The check of the descriptor alone.
uint32_t vb_golden_router_error(const struct vb_hw_config *hw, const uint64_t *args);
uint32_t vb_golden_indexer_error(const struct vb_hw_config *hw, const uint64_t *args);
uint32_t vb_golden_attention_error(const struct vb_hw_config *hw, const uint64_t *args);

#ifdef __cplusplus
}
#endif
#endif
