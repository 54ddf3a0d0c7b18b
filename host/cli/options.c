// SPDX-License-Identifier: Apache-2.0
#include "cli/cli.h"
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
  OPT_CHUNK = 256,
  OPT_LOGITS,
  OPT_JSON,
  OPT_JUNIT,
  OPT_TIMELINE,
  OPT_DEVICES,
  OPT_INJECT,
  OPT_CASES,
  OPT_WAVE,
  OPT_PLANS,
  OPT_SEED,
  OPT_MLA,
  OPT_CONFIG,
  OPT_DRAM,
  OPT_PREFILL,
  OPT_CONTEXT,
  OPT_NOISE,
  OPT_EXPERT_CACHE
};

/// Every option once; a command accepts those whose long names it lists.
static const struct argp_option all[] = {
    {"tokens", 't', "LIST|@FILE", 0, "Token ids, comma or space separated", 0},
    {"prompt", 'p', "TEXT", 0, "Text, through the model's tokenizer", 0},
    {"steps", 'n', "N", 0, "Greedy decode steps after the prompt (default 0; verify: 8)", 0},
    {"plan", 'P', "FILE", 0, "Plan (JSON) instead of the default plan", 0},
    {"plans", OPT_PLANS, "random:N|first", 0,
     "N random plans, each with random chunks and batches; or every operator on the first of --devices that offers it",
     0},
    {"seed", OPT_SEED, "S", 0, "Seed of random plans (default 1)", 0},
    {"chunk", OPT_CHUNK, "N", 0, "Prefill in chunks of N tokens (default: all at once)", 0},
    {"threads", 'j', "N", 0, "CPU threads (default: all processors)", 0},
    {"devices", OPT_DEVICES, "ID,...", 0, "Use only these devices (default: all that pass the probe)", 0},
    {"json", OPT_JSON, "FILE", 0, "Write the result as JSON", 0},
    {"junit", OPT_JUNIT, "FILE", 0, "Write the result as JUnit XML", 0},
    {"timeline", OPT_TIMELINE, "FILE", 0, "Write every device call as a Perfetto / Chrome trace", 0},
    {"logits", OPT_LOGITS, "FILE", 0, "Write /logits float32 [T][vocab] (HDF5)", 0},
    {"output", 'o', "FILE", 0, "Output file", 0},
    {"cases", OPT_CASES, "DIR", 0, "Where case files of failures go (default verbatim-cases)", 0},
    {"inject", OPT_INJECT, "FAULT", 0, "Plant a fault: output:PATH:INDEX:BIT[@DEVICE] or weight:PATH:INDEX:BIT", 0},
    {"wave", OPT_WAVE, "FILE", 0, "Record an FST waveform of the simulated call", 0},
    {"mla", OPT_MLA, "FORM", 0, "Multi-head latent attention as absorbed (default) or naive", 0},
    {"expert-cache", OPT_EXPERT_CACHE, "GIB", 0,
     "Make experts on demand, at most this many GiB of them at a time (default: all at once)", 0},
    {"config", OPT_CONFIG, "NAME", 0, "Hardware configuration (default base)", 0},
    {"dram", OPT_DRAM, "PART", 0, "Memory behind it (default: the configuration's)", 0},
    {"prefill", OPT_PREFILL, "N", 0, "A model's step: N tokens at once (default: one, a decode step)", 0},
    {"context", OPT_CONTEXT, "N", 0, "A model's step: behind N tokens (default 0)", 0},
    {"noise", OPT_NOISE, "S", 0, "Held channels and late memory, as VERBATIM_SIM_SEED=S", 0},
    {"quiet", 'q', NULL, 0, "No progress on standard error", 0},
};
enum { OPTIONS = sizeof all / sizeof *all };

struct parse {
  const struct vb_command *cmd;
  struct vb_cli *c;
  uint32_t args;
};

static uint64_t gibibytes(struct argp_state *s, const char *text) {
  char *end;
  double v = strtod(text, &end);
  if (*end || end == text || !(v >= 0x1p-20 && v <= 0x1p20))
    argp_error(s, "--expert-cache: \"%s\" is not a size in GiB", text);
  return (uint64_t)(v * 0x1p30);
}

static uint64_t number(struct argp_state *s, const char *text, const char *name, uint64_t limit) {
  char *end;
  errno = 0;
  unsigned long long v = strtoull(text, &end, 10);
  if (errno || *end || end == text || text[0] == '-' || v > limit)
    argp_error(s, "--%s: \"%s\" is not a number from 0 to %llu", name, text, (unsigned long long)limit);
  return v;
}

static bool any_number(const struct vb_command *cmd) { return strstr(cmd->args, "...") != NULL; }

/// "", "MODEL", "MODEL TEXT" or "WHAT [MORE...]".
static uint32_t wanted_args(const struct vb_command *cmd) {
  if (!cmd->args[0]) return 0;
  return strchr(cmd->args, ' ') && !any_number(cmd) ? 2 : 1;
}

static error_t parse_option(int key, char *arg, struct argp_state *s) {
  struct parse *p = s->input;
  struct vb_cli *c = p->c;
  switch (key) {
  case 't': c->tokens = arg; return 0;
  case 'p': c->prompt = arg; return 0;
  case 'n': c->steps = (uint32_t)number(s, arg, "steps", 1u << 20); return 0;
  case 'P': c->plan = arg; return 0;
  case 'j': c->threads = (int)number(s, arg, "threads", 4096); return 0;
  case 'o': c->output = arg; return 0;
  case 'q': c->quiet = true; return 0;
  case OPT_PLANS: c->plans = arg; return 0;
  case OPT_SEED: c->seed = number(s, arg, "seed", INT64_MAX); return 0;
  case OPT_MLA:
    if (strcmp(arg, "naive") && strcmp(arg, "absorbed"))
      argp_error(s, "--mla: \"%s\" is neither naive nor absorbed", arg);
    c->graph.mla_naive = !strcmp(arg, "naive");
    return 0;
  case OPT_CHUNK: c->chunk = (uint32_t)number(s, arg, "chunk", 1u << 20); return 0;
  case OPT_DEVICES: c->devices = arg; return 0;
  case OPT_CONFIG: c->config = arg; return 0;
  case OPT_DRAM: c->dram = arg; return 0;
  case OPT_PREFILL: c->prefill = (uint32_t)number(s, arg, "prefill", 1u << 20); return 0;
  case OPT_CONTEXT: c->context = (uint32_t)number(s, arg, "context", 1u << 20); return 0;
  case OPT_NOISE:
    c->seed = number(s, arg, "noise", INT64_MAX);
    c->noise = true;
    return 0;
  case OPT_JSON: c->json = arg; return 0;
  case OPT_JUNIT: c->junit = arg; return 0;
  case OPT_TIMELINE: c->timeline = arg; return 0;
  case OPT_LOGITS: c->logits = arg; return 0;
  case OPT_CASES: c->cases = arg; return 0;
  case OPT_INJECT: c->inject = arg; return 0;
  case OPT_EXPERT_CACHE: c->expert_bytes = gibibytes(s, arg); return 0;
  case OPT_WAVE: c->wave = arg; return 0;
  case ARGP_KEY_ARG:
    if (p->args && any_number(p->cmd)) return ARGP_ERR_UNKNOWN; // all the rest at once
    if (p->args == wanted_args(p->cmd)) argp_error(s, "unexpected argument \"%s\"", arg);
    *(p->args++ ? &c->text : &c->model) = arg;
    return 0;
  case ARGP_KEY_ARGS:
    c->rest = s->argv + s->next;
    c->rests = (uint32_t)(s->argc - s->next);
    return 0;
  case ARGP_KEY_END:
    if (p->args < wanted_args(p->cmd)) argp_error(s, "expected %s", p->cmd->args);
    return 0;
  default: return ARGP_ERR_UNKNOWN;
  }
}

static bool accepts(const struct vb_command *cmd, const char *name) {
  size_t n = strlen(name);
  for (const char *at = cmd->options; (at = strstr(at, name)); at += n)
    if ((at == cmd->options || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return true;
  return false;
}

void vb_cli_parse(const struct vb_command *cmd, int argc, char **argv, struct vb_cli *c) {
  struct argp_option options[OPTIONS + 1];
  uint32_t n = 0;
  memset(options, 0, sizeof options);
  for (uint32_t i = 0; i < OPTIONS; i++)
    if (accepts(cmd, all[i].name)) options[n++] = all[i];
  char name[64], doc[512];
  snprintf(name, sizeof name, "verbatim %s", cmd->name);
  snprintf(doc, sizeof doc, "%s\vExit status: 0 fine, 1 a comparison failed, 2 bad input or usage, 3 a device failed.",
           cmd->summary);
  struct argp argp = {.options = options, .parser = parse_option, .args_doc = cmd->args, .doc = doc};
  struct parse p = {.cmd = cmd, .c = c};
  *c = (struct vb_cli){.program = argv[0], .seed = 1, .steps = UINT32_MAX};
  argp_err_exit_status = VB_BAD_INPUT;
  argv[1] = name; // argp prints argv[0] in messages
  if (argp_parse(&argp, argc - 1, argv + 1, 0, NULL, &p)) exit(VB_BAD_INPUT);
}
