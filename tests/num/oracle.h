// SPDX-License-Identifier: Apache-2.0
/// The contract's primitives once more, written differently: exact 128-bit integers and "pick the nearer neighbour",
/// instead of shifts with sticky bits. Shares no code with host/num.
#ifndef VB_TESTS_NUM_ORACLE_H
#define VB_TESTS_NUM_ORACLE_H
#include <stdbool.h>
#include <stdint.h>

typedef __int128 i128;
typedef unsigned __int128 u128;

/// Nearest integer to x / 2^s, ties to even, s in [0, 126]; x / 2^s exactly representable in i128.
i128 oracle_div_rne(i128 x, int s);
/// Nearest integer to x / 2^s, ties up.
u128 oracle_div_rhu(u128 x, int s);
/// Carrier value of n * 2^e.
uint32_t oracle_norm(i128 n, int e);
uint32_t oracle_add(uint32_t a, uint32_t b);
uint32_t oracle_mul(uint32_t a, uint32_t b);
/// Value of a carrier as long double (exact).
long double oracle_value(uint32_t z);
/// floor(log2 |x|) of a non-zero value.
int oracle_log2(u128 x);
#endif
