// SPDX-License-Identifier: Apache-2.0
/// The command line, parsed: one set of options, of which each command accepts some.
#ifndef VERBATIM_CLI_CLI_H
#define VERBATIM_CLI_CLI_H
#include "graph/graph.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "runtime/device.h"

struct vb_cli {
  const char *program, *model, *text; ///< argv[0]; MODEL (replay: the case file); second argument
  const char *tokens, *prompt, *plan, *plans, *output, *logits, *json, *junit, *timeline, *devices, *inject, *cases,
      *wave, *config, *dram;
  char **rest; ///< arguments behind the first of a command that takes any number
  uint64_t seed, expert_bytes;
  uint32_t steps, chunk, rests, prefill, context;
  int threads;
  bool quiet, noise;
  struct vb_graph_options graph;
};

/// One command: its name, its options (letters and long names, see options.c) and what it does.
struct vb_command {
  const char *name, *args, *summary, *options;
  vb_result (*run)(const struct vb_cli *c);
};

/// Parse argv[1..] for a command. Exits with status 2 on misuse and 0 after --help.
void vb_cli_parse(const struct vb_command *cmd, int argc, char **argv, struct vb_cli *c);

/// The token ids of --tokens LIST, --tokens @FILE or --prompt TEXT (or the built-in prompt). *ids is malloc'ed. The tokenizer is
/// returned where there is one, else NULL.
vb_result vb_cli_tokens(const struct vb_cli *c, const struct vb_model *m, int32_t **ids, uint32_t *n,
                        struct vb_tokenizer **tok);
/// "3,17,5" in a malloc'ed string, or text where there is a tokenizer.
char *vb_cli_text(const struct vb_tokenizer *tok, const int32_t *ids, uint32_t n);
/// Path of the directory `name` relative to the command's own file; false if there is none.
bool vb_cli_beside(const char *name, char *path, size_t size);
/// Open --devices, saying on stderr which ones were refused.
vb_result vb_cli_devices(const struct vb_cli *c, struct vb_device_list *list);
/// A progress line on stderr at most every ten seconds (every 0.2 s on a terminal).
void vb_cli_progress(void *context, const char *what, uint64_t done, uint64_t total);
void vb_cli_progress_end(void);

vb_result vb_cmd_verify(const struct vb_cli *c);
vb_result vb_cmd_replay(const struct vb_cli *c);
vb_result vb_cmd_run(const struct vb_cli *c);
vb_result vb_cmd_truth(const struct vb_cli *c);
vb_result vb_cmd_errors(const struct vb_cli *c);
vb_result vb_cmd_perplexity(const struct vb_cli *c);
vb_result vb_cmd_inspect(const struct vb_cli *c);
vb_result vb_cmd_devices(const struct vb_cli *c);
vb_result vb_cmd_import(const struct vb_cli *c);
vb_result vb_cmd_plan(const struct vb_cli *c);
vb_result vb_cmd_cycles(const struct vb_cli *c);
#endif
