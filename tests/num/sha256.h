// SPDX-License-Identifier: Apache-2.0
/// SHA-256 (FIPS 180-4) of a text, as 64 hex digits and a NUL.
#ifndef VB_TESTS_NUM_SHA256_H
#define VB_TESTS_NUM_SHA256_H
#include <stddef.h>
void sha256_hex(const void *data, size_t size, char out[65]);
#endif
