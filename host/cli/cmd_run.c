// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"
#include "base/h5.h"
#include "cli/cli.h"
#include "model/expert_cache.h"
#include "runtime/exec.h"
#include "verify/golden.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct run {
  const struct vb_cli *c;
  const struct vb_graph *g;
  struct vb_exec *e;
  struct vb_plan plan;
  struct vb_seq seq;
  int32_t *token;
  uint32_t prompt, total;
  float *logits; ///< [total][vocab] or NULL
};

/// Text appears as it is made; a token may end inside a UTF-8 character, which the terminal puts together.
static void emit(const struct vb_tokenizer *tok, int32_t id, bool first) {
  char *text = vb_cli_text(tok, &id, 1);
  if (text) printf("%s%s", tok || first ? "" : ",", text);
  fflush(stdout);
  free(text);
}

static vb_result generate(struct run *r, const struct vb_tokenizer *tok) {
  uint32_t vocab = r->g->model->config.vocab;
  while (r->seq.length < r->total) {
    uint32_t at = r->seq.length, left = at < r->prompt ? r->prompt - at : 1;
    struct vb_batch_item item = {&r->seq, r->token + at, r->c->chunk && r->c->chunk < left ? r->c->chunk : left};
    const vb_z *logits;
    vb_result result = vb_exec_forward(r->e, &r->plan, &item, 1, NULL, &logits);
    if (result) return result;
    if (r->logits) memcpy(r->logits + (uint64_t)at * vocab, logits, (uint64_t)item.count * vocab * sizeof *logits);
    if (r->seq.length >= r->prompt && r->seq.length < r->total) {
      r->token[r->seq.length] =
          vb_argmax((const vb_z *)vb_exec_output(r->e, r->g->greedy) + (uint64_t)(item.count - 1) * vocab, vocab);
      if (!r->c->quiet) emit(tok, r->token[r->seq.length], r->seq.length == r->prompt);
    } else {
      vb_cli_progress((void *)(uintptr_t)r->c, "prefill", r->seq.length, r->total);
    }
  }
  return VB_OK;
}

static vb_result write_logits(const struct run *r) {
  char tmp[PATH_MAX];
  uint64_t dim[2] = {r->total, r->g->model->config.vocab}, n = r->total;
  hid_t file = vb_h5_create(r->c->logits, tmp, sizeof tmp);
  if (file < 0) return VB_BAD_INPUT;
  vb_result result = vb_h5_set_provenance(file);
  if (!result) result = vb_h5_write(file, "logits", VB_H5_F32, 2, dim, r->logits);
  if (!result) result = vb_h5_write(file, "tokens", VB_H5_I32, 1, &n, r->token);
  return vb_h5_publish(file, tmp, r->c->logits, result);
}

static vb_result run_model(struct run *r) {
  const struct vb_model *m = r->g->model;
  struct vb_tokenizer *tok = NULL;
  int32_t *ids;
  vb_result result = vb_cli_tokens(r->c, m, &ids, &r->prompt, &tok);
  if (result) return result;
  r->total = r->prompt + (r->c->steps == UINT32_MAX ? 0 : r->c->steps);
  r->token = calloc(r->total, sizeof *r->token);
  if (r->c->logits) r->logits = malloc((uint64_t)r->total * m->config.vocab * sizeof *r->logits);
  if (!r->token || (r->c->logits && !r->logits)) result = vb_fail(VB_DEVICE, "out of memory for %u tokens", r->total);
  if (!result) memcpy(r->token, ids, r->prompt * sizeof *ids);
  if (!result) result = vb_seq_create(r->g, r->total, &r->seq);
  if (!result)
    result = r->c->plan ? vb_plan_load(r->g, vb_exec_target(r->e), r->c->plan, &r->plan)
                        : vb_plan_default(r->g, vb_exec_target(r->e), &r->plan);
  uint64_t start = vb_now_ns();
  if (!result) result = generate(r, tok);
  double seconds = (double)(vb_now_ns() - start) / 1e9;
  if (!result && r->total > r->prompt && !r->c->quiet) printf("\n");
  if (!result && !r->c->quiet)
    fprintf(stderr, "%u prompt + %u generated tokens in %.2f s (%.1f tokens/s)\n", r->prompt, r->total - r->prompt,
            seconds, r->total / seconds);
  if (!result && !r->c->quiet) vb_expert_cache_print(m, stderr);
  if (!result && r->logits) result = write_logits(r);
  vb_tokenizer_close(tok);
  vb_seq_free(&r->seq);
  vb_plan_free(&r->plan);
  free(ids), free(r->token), free(r->logits);
  return result;
}

vb_result vb_cmd_run(const struct vb_cli *c) {
  struct vb_model *m = NULL;
  struct vb_graph g = {0};
  struct vb_device_list devices = {0};
  struct run r = {.c = c, .g = &g};
  struct vb_cli chosen = *c;
  if (!chosen.devices && !chosen.plan)
    chosen.devices = "cpu"; // generation wants speed; a plan or --devices asks for more
  vb_result result = vb_model_open_cached(c->model, false, c->expert_bytes, &m);
  if (!result) result = vb_graph_build(m, &c->graph, &g);
  if (!result) result = vb_cli_devices(&chosen, &devices);
  if (!result) result = vb_exec_create(&g, &devices, &r.e);
  if (!result) result = run_model(&r);
  vb_exec_destroy(r.e);
  vb_devices_close(&devices);
  vb_graph_free(&g);
  vb_model_close(m);
  return result;
}
