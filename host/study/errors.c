// SPDX-License-Identifier: Apache-2.0
#include "study/errors.h"
#include "base/file.h"
#include "num/num.h"
#include "truth/truth.h"
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t largest(const double *z, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (z[i] > z[best]) best = i;
  return best;
}

static double log_sum(const double *z, uint32_t n) {
  double top = z[largest(z, n)], sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += exp(z[i] - top);
  return top + log(sum);
}

void vb_distance(const double *truth, const double *other, uint32_t T, uint32_t vocab, struct vb_distance *d) {
  double err = 0, ref = 0;
  *d = (struct vb_distance){0};
  for (uint32_t t = 0; t < T; t++) {
    const double *a = truth + (size_t)t * vocab, *b = other + (size_t)t * vocab;
    const double za = log_sum(a, vocab), zb = log_sum(b, vocab);
    for (uint32_t i = 0; i < vocab; i++) {
      err += (a[i] - b[i]) * (a[i] - b[i]);
      ref += a[i] * a[i];
      d->kl += exp(a[i] - za) * ((a[i] - za) - (b[i] - zb)) / T;
    }
    d->top1 += (largest(a, vocab) == largest(b, vocab)) / (double)T;
  }
  d->nmse = ref > 0 ? err / ref : 0;
}

struct watch {
  const struct vb_model *m;
  struct vb_error_study *s;
};

static struct vb_error_row *find_row(struct vb_error_study *s, const struct vb_node *n) {
  for (uint32_t i = 0; i < s->rows; i++)
    if (s->row[i].kind == n->kind && !strcmp(s->row[i].name, n->name)) return &s->row[i];
  struct vb_error_row *r = &s->row[s->rows++];
  *r = (struct vb_error_row){.kind = n->kind};
  snprintf(r->name, sizeof r->name, "%s", n->name);
  return r;
}

static vb_result step(void *context, struct vb_step *s) {
  struct watch *w = context;
  return vb_op64_step(w->m, s, &find_row(w->s, s->node)->error);
}

static vb_result run_contract(const struct vb_model *m, const struct vb_graph *g, const int32_t *tokens, uint32_t T,
                              struct vb_error_study *s, double *logits) {
  struct vb_device_list devices = {0};
  struct vb_exec *e = NULL;
  struct vb_plan plan = {0};
  struct vb_seq seq = {0};
  const vb_z *z = NULL;
  struct watch watch = {m, s};
  const struct vb_observer observer = {.step = step, .context = &watch};
  vb_result r = vb_device_list_add(&devices, vb_device_open_cpu(0));
  if (!r) r = vb_exec_create(g, &devices, &e);
  if (!r) r = vb_plan_default(g, vb_exec_target(e), &plan);
  if (!r) r = vb_seq_create(g, T, &seq);
  struct vb_batch_item item = {&seq, tokens, T};
  if (!r) r = vb_exec_forward(e, &plan, &item, 1, &observer, &z);
  for (size_t i = 0; !r && i < (size_t)T * s->vocab; i++) logits[i] = (double)vb_to_float(z[i]);
  vb_seq_free(&seq);
  vb_plan_free(&plan);
  vb_exec_destroy(e);
  vb_devices_close(&devices);
  return r;
}

vb_result vb_error_study(const struct vb_model *m, const struct vb_graph_options *options, const int32_t *tokens,
                         uint32_t T, struct vb_error_study *s) {
  struct vb_graph g = {0};
  const size_t n = (size_t)T * m->config.vocab;
  *s = (struct vb_error_study){.model = m->path, .tokens = T, .vocab = m->config.vocab};
  snprintf(s->model_type, sizeof s->model_type, "%s", m->config.model_type);
  vb_result r = vb_graph_build(m, options, &g);
  if (r) return r;
  double *truth = malloc(n * sizeof *truth), *other = malloc(n * sizeof *other);
  s->row = calloc(g.nodes, sizeof *s->row);
  if (!truth || !other || !s->row) r = vb_fail(VB_DEVICE, "out of memory for the error study");
  if (!r) r = vb_truth_logits(m, tokens, T, truth);
  if (!r) r = run_contract(m, &g, tokens, T, s, other);
  if (!r) vb_distance(truth, other, T, s->vocab, &s->contract);
  if (!r) r = vb_truth_logits_bf16(m, tokens, T, other);
  if (!r) vb_distance(truth, other, T, s->vocab, &s->bf16);
  free(truth), free(other);
  vb_graph_free(&g);
  if (r) vb_error_study_free(s);
  return r;
}

void vb_error_study_free(struct vb_error_study *s) {
  free(s->row);
  *s = (struct vb_error_study){0};
}

static double relative(const struct vb_op_error *e) { return e->ref2 > 0 ? sqrt(e->err2 / e->ref2) : 0; }

static void print_rows(const struct vb_error_study *s, FILE *f) {
  fprintf(f, "| operator | kind | values | relative RMS error | largest error / RMS | other selections "
             "|\n|---|---|---|---|---|---|\n");
  for (uint32_t i = 0; i < s->rows; i++) {
    const struct vb_op_error *e = &s->row[i].error;
    fprintf(f, "| %s | %s | %llu | ", s->row[i].name, vb_op_name(s->row[i].kind), (unsigned long long)e->values);
    if (e->values) fprintf(f, "%.1e | %.1e | ", relative(e), e->max);
    else fprintf(f, "- | - | ");
    if (e->choices) fprintf(f, "%llu of %llu |\n", (unsigned long long)e->other, (unsigned long long)e->choices);
    else fprintf(f, "- |\n");
  }
}

vb_result vb_error_study_markdown(const struct vb_error_study *s, const char *path) {
  char tmp[PATH_MAX];
  FILE *f = vb_file_begin(path, tmp, sizeof tmp);
  if (!f) return VB_BAD_INPUT;
  fprintf(f, "## %s\n\n%s, %u tokens, vocabulary %u.\n\n", s->model, s->model_type, s->tokens, s->vocab);
  fprintf(f, "| logits against truth | NMSE | KL (nats) | top-1 agreement |\n|---|---|---|---|\n");
  const struct vb_distance *d[] = {&s->contract, &s->bf16};
  for (int i = 0; i < 2; i++)
    fprintf(f, "| %s | %.2e | %.2e | %.2f %% |\n", i ? "bf16" : "contract", d[i]->nmse, d[i]->kl, 100 * d[i]->top1);
  fprintf(f, "\n");
  print_rows(s, f);
  return vb_file_commit(f, tmp, path);
}

static json_t *distance_json(const struct vb_distance *d) {
  return json_pack("{s:f,s:f,s:f}", "nmse", d->nmse, "kl", d->kl, "top1", d->top1);
}

vb_result vb_error_study_json(const struct vb_error_study *s, const char *path) {
  json_t *rows = json_array();
  for (uint32_t i = 0; i < s->rows; i++) {
    const struct vb_op_error *e = &s->row[i].error;
    json_array_append_new(rows, json_pack("{s:s,s:s,s:I,s:f,s:f,s:I,s:I}", "operator", s->row[i].name, "kind",
                                          vb_op_name(s->row[i].kind), "values", (json_int_t)e->values, "relative_rms",
                                          relative(e), "max", e->max, "selections", (json_int_t)e->choices,
                                          "other_selections", (json_int_t)e->other));
  }
  json_t *root = json_pack("{s:s,s:s,s:i,s:i,s:o,s:o,s:o}", "model", s->model, "model_type", s->model_type, "tokens",
                           (int)s->tokens, "vocab", (int)s->vocab, "contract", distance_json(&s->contract), "bf16",
                           distance_json(&s->bf16), "operators", rows);
  vb_result r = vb_write_json(root, path);
  json_decref(root);
  return r;
}
