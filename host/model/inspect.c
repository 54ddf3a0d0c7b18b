// SPDX-License-Identifier: Apache-2.0
#include "model/internal.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *vb_weight_class_name(enum vb_weight_class c) {
  static const char *const names[VB_CLASSES] = {"attention", "dense FFN", "experts", "lm_head", "router"};
  return names[c];
}

static void print_rope(const char *title, const struct vb_rope_config *r, double mscale, FILE *f) {
  fprintf(f, "%-14s theta %" PRIu64 ", %u dimensions", title, r->theta, r->dims);
  if (r->scaling == VB_ROPE_LINEAR) fprintf(f, ", linear factor %g", r->factor);
  if (r->scaling == VB_ROPE_LLAMA3)
    fprintf(f, ", llama3 factor %g, bounds %g and %g, original length %" PRIu64, r->factor, r->low_freq, r->high_freq,
            r->original_length);
  if (r->scaling == VB_ROPE_YARN)
    fprintf(f, ", yarn factor %g, beta %g and %g%s, original length %" PRIu64, r->factor, r->high_freq, r->low_freq,
            r->truncate ? "" : " untruncated", r->original_length);
  if (mscale > 0 && (mscale < 1 || mscale > 1)) fprintf(f, ", attention factor %g", mscale);
  fprintf(f, "\n");
}

// Layers of one kind: how many, and the first of them.
static uint32_t count(const struct vb_config *c, bool (*is)(const struct vb_layer_config *)) {
  uint32_t n = 0;
  for (uint32_t l = 0; l < c->layers; l++) n += is(&c->layer[l]);
  return n;
}
static bool is_window(const struct vb_layer_config *l) { return l->window; }
static bool is_chunk(const struct vb_layer_config *l) { return l->chunk; }
static bool is_delta(const struct vb_layer_config *l) { return l->mixer == VB_MIXER_DELTA; }
static bool is_unrotated(const struct vb_layer_config *l) { return !l->rope; }
static bool is_moe(const struct vb_layer_config *l) { return l->moe; }

// Width of the windows or chunks, which is the same in all layers that have one.
static void print_span(const struct vb_config *c, FILE *f) {
  const uint32_t windows = count(c, is_window), chunks = count(c, is_chunk), bare = count(c, is_unrotated);
  uint32_t window = 0, chunk = 0;
  for (uint32_t l = 0; l < c->layers; l++) {
    if (c->layer[l].window) window = c->layer[l].window;
    if (c->layer[l].chunk) chunk = c->layer[l].chunk;
  }
  if (windows) fprintf(f, "windows        %u keys on %u of %u layers\n", window, windows, c->layers);
  if (chunks) fprintf(f, "chunks         %u keys on %u of %u layers\n", chunk, chunks, c->layers);
  if (!bare) return;
  fprintf(f, "no rotation    %u of %u layers", bare, c->layers);
  if (c->temperature > 0) fprintf(f, ", query scale grows by %g ln per %u positions", c->temperature, c->floor_scale);
  fprintf(f, "\n");
}

static void print_attention(const struct vb_config *c, FILE *f) {
  if (c->kv_lora) {
    fprintf(f, "attention      latent (MLA), %u heads of %u + %u rotated, values %u, latent %u", c->heads, c->nope_dim,
            c->rope_dim, c->v_dim, c->kv_lora);
    if (c->q_lora) fprintf(f, ", query latent %u", c->q_lora);
    fprintf(f, "\n");
    if (c->index_topk)
      fprintf(f, "indexer        %u heads of %u, %u keys%s\n", c->index_heads, c->index_dim, c->index_topk,
              c->index_hadamard ? ", Hadamard rotation" : "");
  } else {
    fprintf(f, "attention      %u heads, %u key/value heads, dimension %u%s%s%s%s%s\n", c->heads, c->kv_heads,
            c->head_dim, c->qkv_bias ? ", q/k/v bias" : "", c->o_bias ? ", output bias" : "",
            c->qk_norm ? ", q/k norm"
            : c->qk_l2 ? ", q/k norm after rotation"
                       : "",
            c->sinks ? ", sinks" : "", c->out_gate ? ", output gate" : "");
  }
  if (count(c, is_delta))
    fprintf(f, "delta rule     %u of %u layers, %u key heads of %u, %u value heads of %u\n", count(c, is_delta),
            c->layers, c->delta_key_heads, c->delta_dk, c->delta_heads, c->delta_dv);
  print_span(c, f);
  fprintf(f, "query scale    %.9g\n", c->query_scale);
  if (c->attn_softcap > 0 || c->final_softcap > 0)
    fprintf(f, "soft-caps      attention %g, logits %g (0: none)\n", c->attn_softcap, c->final_softcap);
}

static void print_experts(const struct vb_config *c, uint32_t moe, FILE *f) {
  fprintf(f, "experts        %u layers, %u experts, top %u%s, intermediate %u\n", moe, c->experts, c->topk,
          c->norm_topk ? " renormalised" : "", c->moe_inter);
  fprintf(f, "routing        %s%s%s", c->score == VB_SCORE_SIGMOID ? "sigmoid" : "softmax",
          c->correction_bias ? " with correction bias" : "", c->gate_input ? ", on the expert's input" : "");
  if (c->groups > 1) fprintf(f, ", %u of %u groups by their best %u", c->topk_groups, c->groups, c->group_top);
  if (c->routed_scale < 1 || c->routed_scale > 1) fprintf(f, ", scale %g", c->routed_scale);
  fprintf(f, "\n");
  if (c->shared_inter)
    fprintf(f, "shared expert  intermediate %u%s\n", c->shared_inter, c->shared_gated ? ", sigmoid gate" : "");
}

static void print_format(const struct vb_config *c, FILE *f) {
  if (c->format == VB_FORMAT_FP8)
    fprintf(f, "format         FP8 E4M3, one scale for %u x %u values\n", c->block_rows, c->block_cols);
  if (c->format == VB_FORMAT_MXFP4) fprintf(f, "format         MXFP4 experts\n");
  if (c->format < VB_FORMAT_GPTQ) return;
  fprintf(f, "format         %s int4, ", c->format == VB_FORMAT_GPTQ ? "GPTQ" : "AWQ");
  if (c->group) fprintf(f, "groups of %u\n", c->group);
  else fprintf(f, "one group\n");
}

static void print_config(const struct vb_config *c, FILE *f) {
  const uint32_t moe = count(c, is_moe);
  fprintf(f, "architecture   %s, %u layers, hidden %u, vocabulary %u%s%s\n", c->model_type, c->layers, c->hidden,
          c->vocab, c->tied ? " (tied)" : "", c->wrapper ? ", text part of a multimodal model" : "");
  print_attention(c, f);
  print_rope("rope", &c->rope, c->rope_mscale, f);
  if (c->local_rope.dims) print_rope("rope, windows", &c->local_rope, 0, f);
  if (moe < c->layers) fprintf(f, "dense FFN      %u layers, intermediate %u\n", c->layers - moe, c->inter);
  if (moe) print_experts(c, moe, f);
  fprintf(f, "norm eps       %g%s%s\npositions      %u\n", c->rms_eps, c->zero_centred ? ", weights plus one" : "",
          c->sandwich ? ", before and after each part" : "", c->max_positions);
  if (c->embed_scale > 0) fprintf(f, "embedding      times %.9g\n", c->embed_scale);
  print_format(c, f);
}

static void print_counts(const struct vb_model *m, FILE *f) {
  const struct vb_config *c = &m->config;
  uint64_t all = 0, experts = 0, bytes = 0, skipped = 0;
  const char *example = NULL;
  for (uint32_t i = 0; i < m->tensor_count; i++) {
    const struct vb_tensor *t = &m->tensors[i];
    uint64_t n = vb_tensor_count(t);
    if (vb_tensor_ignored(m, t->name)) {
      skipped++;
      example = t->name;
      continue;
    }
    if (c->tied && !strcmp(t->name, "lm_head.weight")) continue;
    all += n;
    if (strstr(t->name, ".experts.")) experts += n;
  }
  for (uint32_t i = 0; i < m->stored_count; i++)
    bytes += vb_tensor_count(&m->stored[i]) * vb_dtype_bytes(m->stored[i].dtype);
  fprintf(f, "parameters     %" PRIu64 " (%" PRIu64 " bytes stored)\n", all, bytes);
  if (experts) fprintf(f, "active         %" PRIu64 " per token\n", all - experts + experts / c->experts * c->topk);
  fprintf(f, "KV cache       %" PRIu64 " bytes per token\n", vb_model_kv_bytes(m));
  if (vb_model_state_bytes(m)) fprintf(f, "state          %" PRIu64 " bytes per sequence\n", vb_model_state_bytes(m));
  if (skipped)
    fprintf(f, "ignored        %" PRIu64 " tensors that the forward pass does not use, such as %s\n", skipped, example);
}

static void print_import(const struct vb_model *m, FILE *f) {
  const struct vb_import_stats *s = &m->stats;
  fprintf(f, "import         %" PRIu64 " values flushed to zero, %" PRIu64 " saturated\n", s->flushed, s->saturated);
  for (int k = 0; k < VB_CLASSES; k++)
    if (s->ref2[k] > 0)
      fprintf(f, "  %-10s   relative error %.3e\n", vb_weight_class_name((enum vb_weight_class)k),
              sqrt(s->err2[k] / s->ref2[k]));
}

void vb_model_inspect(const struct vb_model *m, FILE *f) {
  fprintf(f, "model          %s\n", m->path);
  if (m->source) fprintf(f, "made from      %s by %s\n", m->source, m->created_by);
  print_config(&m->config, f);
  print_counts(m, f);
  fprintf(f, "tokenizer      %s\n", m->tokenizer_text ? "tokenizer.json" : "none");
  if (m->stats.complete) print_import(m, f);
  fprintf(f, "\n%-64s %-6s shape\n", "tensor", "type");
  for (uint32_t i = 0; i < m->tensor_count; i++) {
    const struct vb_tensor *t = &m->tensors[i];
    fprintf(f, "%-64s %-6s ", t->name, vb_dtype_name(t->dtype));
    for (uint32_t k = 0; k < t->rank; k++) fprintf(f, "%s%" PRIu64, k ? " x " : "", t->dim[k]);
    fprintf(f, "\n");
  }
}
