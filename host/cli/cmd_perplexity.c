// SPDX-License-Identifier: Apache-2.0
/// Perplexity over windows of the text, contract and truth on the same tokens.
#include "base/file.h"
#include "cli/cli.h"
#include "num/nll.h"
#include "runtime/exec.h"
#include "truth/truth.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 256 };

struct sums {
  int64_t contract_q31; ///< -log2 p, exact
  double truth;         ///< nats
  uint64_t scored;
};

static vb_result score_window(struct vb_exec *e, const struct vb_plan *plan, const struct vb_graph *g,
                              const int32_t *ids, uint32_t n, double *truth, struct sums *s) {
  struct vb_seq seq = {0};
  const vb_z *logits;
  const struct vb_model *m = g->model;
  uint32_t vocab = m->config.vocab;
  vb_result r = vb_seq_create(g, n, &seq);
  struct vb_batch_item item = {&seq, ids, n};
  if (!r) r = vb_exec_forward(e, plan, &item, 1, NULL, &logits);
  for (uint32_t t = 0; !r && t + 1 < n; t++)
    s->contract_q31 += vb_nll_q31(logits + (uint64_t)t * vocab, vocab, (uint32_t)ids[t + 1]);
  if (!r) r = vb_truth_logits(m, ids, n, truth);
  if (!r) s->truth += vb_truth_nll(truth, ids, n, vocab);
  s->scored += n - 1;
  vb_seq_free(&seq);
  return r;
}

static vb_result report(const struct vb_cli *c, const struct sums *s, uint32_t window, size_t bytes) {
  double contract = (double)s->contract_q31 / 0x1p31 * 0.69314718055994530942;
  double pc = exp(contract / (double)s->scored), pt = exp(s->truth / (double)s->scored), diff = 100.0 * (pc / pt - 1.0);
  printf("%llu tokens scored in windows of %u (%zu bytes of text)\n", (unsigned long long)s->scored, window, bytes);
  printf("perplexity contract %.6f (-log2 p sum = 0x%llx * 2^-31)\n", pc, (unsigned long long)s->contract_q31);
  printf("perplexity truth    %.6f\n", pt);
  printf("difference          %+.4f %%\n", diff);
  if (!c->json) return VB_OK;
  json_t *root =
      json_pack("{s:s,s:I,s:I,s:f,s:f,s:f}", "model", c->model, "tokens", (json_int_t)s->scored, "contract_nll_q31",
                (json_int_t)s->contract_q31, "contract", pc, "truth", pt, "difference_percent", diff);
  vb_result r = vb_write_json(root, c->json);
  json_decref(root);
  return r;
}

static vb_result score_text(const struct vb_cli *c, struct vb_exec *e, const struct vb_model *m,
                            const struct vb_graph *g) {
  struct vb_tokenizer *tok = NULL;
  struct vb_plan plan = {0};
  struct sums s = {0};
  char *text = NULL;
  size_t bytes = 0;
  int32_t *ids = NULL;
  uint32_t n = 0;
  uint32_t window = m->config.max_positions && m->config.max_positions < WINDOW ? m->config.max_positions : WINDOW;
  double *truth = malloc((uint64_t)window * m->config.vocab * sizeof *truth);
  vb_result r = truth ? vb_read_file(c->text, (size_t)64 << 20, &text, &bytes) : vb_fail(VB_DEVICE, "out of memory");
  if (!r) r = vb_tokenizer_open(m->tokenizer_text, m->config.vocab, &tok);
  if (!r) r = vb_tokenizer_encode(tok, text, bytes, &ids, &n);
  if (!r && n < 2) r = vb_fail(VB_BAD_INPUT, "%s: fewer than two tokens", c->text);
  if (!r) r = vb_plan_default(g, vb_exec_target(e), &plan);
  for (uint32_t at = 0; !r && at + 1 < n; at += window) {
    r = score_window(e, &plan, g, ids + at, n - at < window ? n - at : window, truth, &s);
    vb_cli_progress((void *)(uintptr_t)c, "scored", at, n);
  }
  vb_cli_progress_end();
  if (!r) r = report(c, &s, window, bytes);
  vb_plan_free(&plan);
  vb_tokenizer_close(tok);
  free(ids), free(text), free(truth);
  return r;
}

vb_result vb_cmd_perplexity(const struct vb_cli *c) {
  struct vb_model *m = NULL;
  struct vb_graph g = {0};
  struct vb_device_list devices = {0};
  struct vb_exec *e = NULL;
  struct vb_cli chosen = *c;
  if (!chosen.devices) chosen.devices = "cpu";
  vb_result r = vb_model_open(c->model, false, &m);
  if (!r) r = vb_graph_build(m, &c->graph, &g);
  if (!r) r = vb_cli_devices(&chosen, &devices);
  if (!r) r = vb_exec_create(&g, &devices, &e);
  if (!r) r = score_text(c, e, m, &g);
  vb_exec_destroy(e);
  vb_devices_close(&devices);
  vb_graph_free(&g);
  vb_model_close(m);
  return r;
}
