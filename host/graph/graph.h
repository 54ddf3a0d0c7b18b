// SPDX-License-Identifier: Apache-2.0
/// @file graph.h
/// A model as a list of operators in execution order, with the shapes of their outputs and the axes along which each
/// may be split. Knows nothing of devices.
#ifndef VERBATIM_GRAPH_GRAPH_H
#define VERBATIM_GRAPH_GRAPH_H
#include "model/model.h"

enum vb_op_kind {
  VB_OP_EMBED,
  VB_OP_RMSNORM,
  VB_OP_LINEAR,
  VB_OP_ROPE,
  VB_OP_PACK_Q,
  VB_OP_PACK_KV,
  VB_OP_ATTENTION,
  VB_OP_SWIGLU,
  VB_OP_ADD,
  VB_OP_ROUTER,
  VB_OP_EXPERTS,
  VB_OP_JOIN,
  VB_OP_SOFTCAP,
  VB_OP_CONV,
  VB_OP_DELTA,
  VB_OP_INDEXER,
  VB_OP_KINDS
};
/// "linear", "attention", ...: the same name in ref, cpu, kernels_cl, plans and reports.
const char *vb_op_name(enum vb_op_kind k);

union vb_any_op {
  struct vb_embed_op embed;
  struct vb_rmsnorm_op rmsnorm;
  struct vb_linear_op linear;
  struct vb_rope_op rope;
  struct vb_pack_q_op pack_q;
  struct vb_pack_kv_op pack_kv;
  struct vb_attention_op attention;
  struct vb_swiglu_op swiglu;
  struct vb_add_op add;
  struct vb_router_op router;
  struct vb_experts_op experts;
  struct vb_join_op join;
  struct vb_softcap_op softcap;
  struct vb_conv_op conv;
  struct vb_delta_op delta;
  struct vb_indexer_op indexer;
};

/// Split axes. Tokens and keys have no fixed extent; `k` is the reduction dimension, in elements, cut at multiples of 32.
enum vb_axis { VB_AXIS_TOKENS, VB_AXIS_HEADS, VB_AXIS_KEYS, VB_AXIS_ROWS, VB_AXIS_K, VB_AXIS_EXPERTS, VB_AXES };
const char *vb_axis_name(enum vb_axis a);

/// Caches and states of one layer. Sizes 0: the layer has no such thing.
struct vb_layer_state {
  uint32_t kv_heads, dk, dv; ///< main cache
  bool shared;               ///< values are the head of the key (absorbed MLA)
  uint32_t index_dim;        ///< indexer's key cache
  uint32_t conv[3];          ///< columns of the convolutions' histories: q, k, v
  uint32_t delta_heads, delta_dk, delta_dv;
};

struct vb_node {
  char name[16]; ///< "q_proj"
  char path[40]; ///< "layer.3.q_proj", "embed"
  int layer;     ///< -1 for embed, final_norm, lm_head
  enum vb_op_kind kind;
  uint32_t in[5];         ///< indices of the nodes whose outputs are read
  uint32_t outputs;       ///< 1 or 2 arrays
  uint32_t row_bytes[2];  ///< bytes per token of each output array
  uint32_t elem_bytes[2]; ///< bytes per element, for naming an index in reports
  bool axis[VB_AXES];
  uint32_t extent[VB_AXES]; ///< 0: known only at run time
  uint32_t slot;            ///< pack_kv: 0 main cache, 1 indexer's; conv: which history
  bool by_sequence;         ///< one operator per sequence of the batch: it reads that sequence's cache or state
  struct vb_kv cache;       ///< attention, indexer: shape of the cache that it reads (pointers only tell what exists)
  union vb_any_op op;       ///< template: weights and sizes set, data pointers and ranges empty
};
enum { VB_NO_INPUT = UINT32_MAX }; ///< an optional input that is not there

struct vb_graph {
  const struct vb_model *model;
  struct vb_node *node;
  uint32_t nodes;
  struct vb_layer_state *state; ///< [layers]
  uint32_t greedy;              ///< node whose largest output is the next token: logits before any soft-cap
};
struct vb_graph_options {
  bool mla_naive; ///< multi-head form of MLA instead of the absorbed one
};

/// Build the graph of m (which must outlive it); options NULL: defaults. Fails only on lack of memory.
vb_result vb_graph_build(const struct vb_model *m, const struct vb_graph_options *options, struct vb_graph *g);
/// Bytes of cache that one more position costs, all layers; and of state that does not grow.
void vb_graph_cache_bytes(const struct vb_graph *g, uint64_t *per_position, uint64_t *fixed);
void vb_graph_free(struct vb_graph *g);
/// Index of the node with this path, or -1.
int vb_graph_find(const struct vb_graph *g, const char *path);
#endif
