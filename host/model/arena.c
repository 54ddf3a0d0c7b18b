// SPDX-License-Identifier: Apache-2.0
#include "model/arena.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct node {
  struct node *next;
  void *base;
  size_t mapped; // 0: from malloc
};
struct vb_arena {
  struct node *nodes;
};

struct vb_arena *vb_arena_new(void) {
  return calloc(1, sizeof(struct vb_arena));
}

void vb_arena_free(struct vb_arena *a) {
  if (!a) return;
  for (struct node *n = a->nodes, *next; n; n = next) {
    next = n->next;
    if (n->mapped) munmap(n->base, n->mapped);
    else free(n->base);
    free(n);
  }
  free(a);
}

void *vb_arena_alloc(struct vb_arena *a, size_t count, size_t size) {
  if (size && count > (SIZE_MAX / 2) / size) return NULL;
  size_t bytes = (count * size + 63) & ~(size_t)63;
  struct node *n = malloc(sizeof *n);
  void *p = n ? aligned_alloc(64, bytes ? bytes : 64) : NULL;
  if (!p) {
    free(n);
    return NULL;
  }
  memset(p, 0, bytes ? bytes : 64);
  *n = (struct node){a->nodes, p, 0};
  a->nodes = n;
  return p;
}

char *vb_arena_text(struct vb_arena *a, const char *text) {
  size_t n = strlen(text) + 1;
  char *p = vb_arena_alloc(a, n, 1);
  return p ? memcpy(p, text, n) : NULL;
}

static void *map(struct vb_arena *a, int protection, int flags, int fd, size_t size) {
  struct node *n = malloc(sizeof *n);
  if (!n) return NULL;
  void *p = mmap(NULL, size, protection, flags, fd, 0);
  if (p == MAP_FAILED) {
    free(n);
    return NULL;
  }
  *n = (struct node){a->nodes, p, size};
  a->nodes = n;
  return p;
}

const void *vb_arena_map(struct vb_arena *a, int fd, size_t size) { return map(a, PROT_READ, MAP_PRIVATE, fd, size); }

void *vb_arena_reserve(struct vb_arena *a, size_t bytes) {
  return map(a, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, bytes ? bytes : 1);
}
