// SPDX-License-Identifier: Apache-2.0
/// @file layout.h
/// Memory layouts shared by every device: reference, CPU, OpenCL kernels and RTL.
///
/// One layout everywhere means that moving data to a device is a plain copy, and that a captured
/// case replays anywhere. All integers are little-endian, all bases 64-byte aligned, and every record
/// stride is a multiple of 32 bytes (one 256-bit beat).
#ifndef VERBATIM_LAYOUT_H
#define VERBATIM_LAYOUT_H
#include <stdint.h>

/// Elements that share one block exponent, along the reduction dimension (docs/numerics.md, I8).
#define VB_BLOCK 32

/// Query and key records: a 32-byte header and then the int8 elements, zero-padded to whole blocks.
///
///     byte  0..17   code of key (or query) block 0..17; code c means one unit is worth 2^(c-127)
///     byte  18      largest of those codes (0 when all blocks are zero)
///     byte  19      0
///     byte  20..31  codes of the value blocks 0..11 of the same position (keys only; queries: 0)
///     byte  32..    int8 elements
///
/// The value codes ride in the key's header so that the block maxima of pass one cost no extra
/// read of the values. A value record is the bare int8 elements of its 32-element blocks.
#define VB_REC_HEADER 32
#define VB_REC_KMAX 18
#define VB_REC_VCODES 20
#define VB_MAX_DK 576        ///< key/query elements: 18 blocks
#define VB_MAX_DV 384        ///< value elements with codes of their own: 12 blocks
#define VB_MAX_DV_SHARED 512 ///< values that are the first elements of the key (absorbed MLA): 16 blocks

static inline uint32_t vb_blocks(uint32_t n) { return (n + VB_BLOCK - 1) / VB_BLOCK; }
/// Bytes of a query or key record with d elements.
static inline uint32_t vb_rec_bytes(uint32_t d) { return VB_REC_HEADER + VB_BLOCK * vb_blocks(d); }
/// Bytes of a value record with d elements.
static inline uint32_t vb_val_bytes(uint32_t d) { return VB_BLOCK * vb_blocks(d); }

/// Split attention exchanges three things (docs/numerics.md, attention): per row the score maximum
/// int32 m (VB_M_NONE when the row sees no key), per row 16 x int16 block exponents EM (VB_EM_NONE
/// when no key contributes; only the first dv/32 are used), and per row a partial sum: a 32-byte header
/// whose first 8 bytes are the u64 denominator L (the rest 0), then dv x int64 numerators.
#define VB_M_NONE INT32_MIN
#define VB_EM_NONE INT16_MIN
#define VB_EM_ROW 16
static inline uint32_t vb_partial_bytes(uint32_t dv) { return 32 + 8 * VB_BLOCK * vb_blocks(dv); }

/// Modes of an attention job. `FULL` does all of it; the other three are the phases of a job whose keys
/// are split over devices: `MAX` writes m; `EXP` reads m and writes EM; `SUM` reads m, EM and writes partials.
enum vb_attn_mode { VB_ATTN_FULL = 0, VB_ATTN_MAX = 1, VB_ATTN_EXP = 2, VB_ATTN_SUM = 3 };

/// Router outputs for T tokens, E experts, k experts per token (flat pair index p = token * k + slot):
///     ids     u32  [T][k]   selected experts, ascending
///     gates   F32Z [T][k]   gate weights, same order
///     hist    u32  [E]      pairs per expert
///     offsets u32  [E + 1]  exclusive prefix sum of hist
///     list    u32  [T * k]  pair indices grouped by expert, ascending inside a group (stable in token order)
/// SOFTMAX ranks logits (softmax is monotone), then weighs by softmax. SIGMOID ranks sigmoid + bias, or logits where there is no
/// bias, and weighs by the sigmoid without bias.
enum vb_score { VB_SCORE_SOFTMAX = 0, VB_SCORE_SIGMOID = 1 };
#endif
