// SPDX-License-Identifier: Apache-2.0
/// @file builder.h
/// Appending nodes: shared by the files that build the parts of a layer. Not for other folders.
/// Every function returns the index of the (last) node that it adds; `layer` < 0 is the model level.
#ifndef VERBATIM_GRAPH_BUILDER_H
#define VERBATIM_GRAPH_BUILDER_H
#include "graph/graph.h"

struct vb_build {
  struct vb_graph *g;
  const struct vb_model *m;
  const struct vb_config *c;
  struct vb_graph_options options;
  uint32_t room; ///< nodes that were allocated
};

/// A node with one carrier output of `width` values per token, splittable along tokens.
struct vb_node *vb_add_node(struct vb_build *b, int layer, const char *name, enum vb_op_kind kind, uint32_t width);
void vb_allow(struct vb_node *n, enum vb_axis a, uint32_t extent);
uint32_t vb_last(const struct vb_build *b);

uint32_t vb_add_norm(struct vb_build *b, int layer, const char *name, uint32_t in, const vb_z *w, uint32_t groups,
                     uint32_t n);
/// Variant with its own kind, eps (added as eps * n, or as it is for L2) and bias.
uint32_t vb_add_norm_kind(struct vb_build *b, int layer, const char *name, uint32_t in, const vb_z *w, const vb_z *bias,
                          uint32_t groups, uint32_t n, enum vb_norm_kind kind, double eps);
uint32_t vb_add_linear(struct vb_build *b, int layer, const char *name, uint32_t in, const struct vb_w8 *w,
                       const vb_z *bias, uint32_t groups);
uint32_t vb_add_residual(struct vb_build *b, int layer, const char *name, uint32_t x, uint32_t y);
uint32_t vb_add_glu(struct vb_build *b, int layer, const char *name, uint32_t gate, uint32_t up, uint32_t cols,
                    enum vb_act act);
/// A slice of each head: heads x width in, heads x len out.
uint32_t vb_add_slice(struct vb_build *b, int layer, const char *name, uint32_t in, uint32_t heads, uint32_t width,
                      uint32_t first, uint32_t len);
/// Slices of two nodes side by side; pieces with x unset.
uint32_t vb_add_join(struct vb_build *b, int layer, const char *name, uint32_t in_a, struct vb_piece a, uint32_t in_b,
                     struct vb_piece p, uint32_t heads);
uint32_t vb_add_rope(struct vb_build *b, int layer, const char *name, uint32_t in, uint32_t heads, uint32_t d,
                     uint32_t first, enum vb_rope_layout layout);
uint32_t vb_add_pack_q(struct vb_build *b, int layer, const char *name, uint32_t in, uint32_t heads, uint32_t d,
                       vb_z scale);
/// v: VB_NO_INPUT for keys without values.
uint32_t vb_add_pack_kv(struct vb_build *b, int layer, const char *name, uint32_t k, uint32_t v, uint32_t heads,
                        uint32_t dk, uint32_t dv, uint32_t slot);
/// list: node of an indexer, or VB_NO_INPUT.
uint32_t vb_add_attention(struct vb_build *b, int layer, uint32_t q, uint32_t kv, uint32_t list, uint32_t heads,
                          uint32_t dv);

/// The token mixer of a layer, from the normed input h to the output projection.
uint32_t vb_build_attention(struct vb_build *b, int layer, uint32_t h);
uint32_t vb_build_mla(struct vb_build *b, int layer, uint32_t h);
uint32_t vb_build_delta(struct vb_build *b, int layer, uint32_t h);
/// The feed-forward part, from the normed input h.
uint32_t vb_build_ffn(struct vb_build *b, int layer, uint32_t h);
#endif
