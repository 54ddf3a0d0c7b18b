// SPDX-License-Identifier: Apache-2.0
/// @file arena.h
/// Owner of everything that lives as long as a model: aligned memory and file mappings.
#ifndef VERBATIM_MODEL_ARENA_H
#define VERBATIM_MODEL_ARENA_H
#include <stddef.h>

struct vb_arena;
struct vb_arena *vb_arena_new(void);
void vb_arena_free(struct vb_arena *a);
/// count * size zeroed bytes at a 64-byte aligned address; NULL when that overflows or memory is short.
void *vb_arena_alloc(struct vb_arena *a, size_t count, size_t size);
/// Zero bytes of address space that cost memory only where they are written (page aligned); NULL on failure.
void *vb_arena_reserve(struct vb_arena *a, size_t bytes);
char *vb_arena_text(struct vb_arena *a, const char *text);
/// Map an open file of `size` > 0 bytes read-only; NULL on failure. The descriptor may be closed afterwards.
const void *vb_arena_map(struct vb_arena *a, int fd, size_t size);
#endif
