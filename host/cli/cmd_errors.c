// SPDX-License-Identifier: Apache-2.0
/// The distance between the contract's arithmetic and exact arithmetic, as a generated table.
#include "base/file.h"
#include "cli/cli.h"
#include "study/errors.h"
#include <stdlib.h>

vb_result vb_cmd_errors(const struct vb_cli *c) {
  struct vb_model *m = NULL;
  struct vb_tokenizer *tok = NULL;
  struct vb_error_study s = {0};
  int32_t *ids = NULL;
  uint32_t n = 0;
  if (!c->output && !c->json) return vb_fail(VB_BAD_INPUT, "-o FILE.md (or --json FILE) is missing");
  vb_result r = vb_model_open_cached(c->model, false, c->expert_bytes, &m);
  if (!r) r = vb_cli_tokens(c, m, &ids, &n, &tok);
  if (!r) r = vb_error_study(m, &c->graph, ids, n, &s);
  if (!r && c->output) r = vb_error_study_markdown(&s, c->output);
  if (!r && c->json) r = vb_error_study_json(&s, c->json);
  if (!r && !c->quiet)
    printf("%s: NMSE %.2e, KL %.2e, top-1 %.1f %% (bf16: %.2e, %.2e, %.1f %%)\n", c->model, s.contract.nmse,
           s.contract.kl, 100 * s.contract.top1, s.bf16.nmse, s.bf16.kl, 100 * s.bf16.top1);
  vb_error_study_free(&s);
  free(ids);
  vb_tokenizer_close(tok);
  vb_model_close(m);
  return r;
}
