// SPDX-License-Identifier: Apache-2.0
#include "model/internal.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *vb_weight_class_name(enum vb_weight_class c) {
  static const char *const names[VB_CLASSES] = {"attention", "dense FFN", "experts", "lm_head", "router"};
  return names[c];
}

static void print_rope(const struct vb_rope_config *r, FILE *f) {
  fprintf(f, "rope           theta %" PRIu64 ", %u dimensions", r->theta, r->dims);
  if (r->scaling == VB_ROPE_LINEAR) fprintf(f, ", linear factor %g", r->factor);
  if (r->scaling == VB_ROPE_LLAMA3)
    fprintf(f, ", llama3 factor %g, bounds %g and %g, original length %" PRIu64, r->factor, r->low_freq, r->high_freq,
            r->original_length);
  fprintf(f, "\n");
}

static void print_config(const struct vb_config *c, FILE *f) {
  uint32_t moe = 0;
  for (uint32_t l = 0; l < c->layers; l++) moe += c->is_moe[l];
  fprintf(f, "architecture   %s, %u layers, hidden %u, vocabulary %u%s\n", c->model_type, c->layers, c->hidden,
          c->vocab, c->tied ? " (tied)" : "");
  fprintf(f, "attention      %u heads, %u key/value heads, dimension %u%s%s\n", c->heads, c->kv_heads, c->head_dim,
          c->qkv_bias ? ", q/k/v bias" : "", c->qk_norm ? ", q/k norm" : "");
  print_rope(&c->rope, f);
  if (moe < c->layers) fprintf(f, "dense FFN      %u layers, intermediate %u\n", c->layers - moe, c->inter);
  if (moe)
    fprintf(f, "experts        %u layers, %u experts, top %u%s, intermediate %u\n", moe, c->experts, c->topk,
            c->norm_topk ? " renormalised" : "", c->moe_inter);
  fprintf(f, "norm eps       %g\npositions      %u\n", c->rms_eps, c->max_positions);
}

static void print_counts(const struct vb_model *m, FILE *f) {
  const struct vb_config *c = &m->config;
  uint64_t all = 0, experts = 0, bytes = 0;
  for (uint32_t i = 0; i < m->tensor_count; i++) {
    const struct vb_tensor *t = &m->tensors[i];
    uint64_t n = vb_tensor_count(t);
    bytes += n * vb_dtype_bytes(t->dtype);
    if (strstr(t->name, ".inv_freq") || (c->tied && !strcmp(t->name, "lm_head.weight"))) continue;
    all += n;
    if (strstr(t->name, ".mlp.experts.")) experts += n;
  }
  fprintf(f, "parameters     %" PRIu64 " (%" PRIu64 " bytes stored)\n", all, bytes);
  if (experts) fprintf(f, "active         %" PRIu64 " per token\n", all - experts + experts / c->experts * c->topk);
  fprintf(f, "KV cache       %" PRIu64 " bytes per token\n", vb_model_kv_bytes(m));
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
  if (m->layer) print_import(m, f);
  fprintf(f, "\n%-64s %-5s shape\n", "tensor", "type");
  for (uint32_t i = 0; i < m->tensor_count; i++) {
    const struct vb_tensor *t = &m->tensors[i];
    fprintf(f, "%-64s %-5s ", t->name, vb_dtype_name(t->dtype));
    for (uint32_t k = 0; k < t->rank; k++) fprintf(f, "%s%" PRIu64, k ? " x " : "", t->dim[k]);
    fprintf(f, "\n");
  }
}
