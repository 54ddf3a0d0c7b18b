// SPDX-License-Identifier: Apache-2.0
/// @file tables.h
/// The contract's committed function tables (generated: host/num/gen_tables.py) and their hash.
/// Rows hold {C0, C1, C2} of one segment's quadratic; docs/numerics.md gives the evaluators.
#ifndef VERBATIM_NUM_TABLES_H
#define VERBATIM_NUM_TABLES_H
#include <stdint.h>

extern const uint32_t vb_exp2_24_tab[16][3]; ///< (2^24 - 1) * 2^-(f/65536), segment f >> 12
extern const int64_t vb_exp2_tab[128][3];    ///< 2^31 * 2^-f
extern const int64_t vb_log2_tab[128][3];    ///< 2^31 * log2(1 + f)
extern const int64_t vb_recip_tab[128][3];   ///< 2^31 / (1 + f)
extern const int64_t vb_rsqa_tab[128][3];    ///< 2^31 / sqrt(1 + f)
extern const int64_t vb_rsqb_tab[128][3];    ///< 2^31 / sqrt(2 + 2 f)
extern const int64_t vb_sinq_tab[128][3];    ///< 2^30 * sin(pi/2 * f)
extern const char vb_tables_sha256[65];      ///< SHA-256 of the canonical text of all tables
extern const uint32_t vb_tables_hash32;      ///< its first 32 bits: a register of every device
#endif
