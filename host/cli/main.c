// SPDX-License-Identifier: Apache-2.0
#include "base/h5.h"
#include "cli/cli.h"
#include "cpu/cpu.h"
#include "vb_version.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT "tokens prompt "
static const struct vb_command command[] = {
    {"verify", "MODEL", "Run a model over all devices and compare every operator's bits with the reference",
     INPUT "steps plan plans seed chunk threads devices mla json junit timeline cases inject expert-cache quiet",
     vb_cmd_verify},
    {"run", "MODEL", "Generate text (greedy), or write the logits of the contract",
     INPUT "steps plan chunk threads devices mla logits expert-cache quiet", vb_cmd_run},
    {"truth", "MODEL", "Logits by the fp64 algorithm truth: -o OUT.h5 writes /logits float64 [T][vocab]",
     INPUT "output quiet", vb_cmd_truth},
    {"perplexity", "MODEL TEXT", "Perplexity of a text file under the contract and under the fp64 truth",
     "threads devices mla json quiet", vb_cmd_perplexity},
    {"errors", "MODEL", "Table of each operator's distance from fp64, and of the logits' beside bf16: -o FILE.md",
     INPUT "mla expert-cache output json quiet", vb_cmd_errors},
    {"inspect", "FILE", "Tell what is in a model directory, a model container, a case or a result file", "",
     vb_cmd_inspect},
    {"devices", "", "List the devices, what each can run, and why any was refused", "threads", vb_cmd_devices},
    {"import", "MODEL", "Write a Hugging Face directory into one checked HDF5 container: -o OUT.h5", "output",
     vb_cmd_import},
    {"plan", "MODEL", "Write the default plan (or --plans random:1 --seed S) as JSON: -o PLAN.json",
     "plans seed threads devices mla output plan", vb_cmd_plan},
    {"cycles", "WHAT [NAME=NUMBER...]",
     "Predict what a job, a captured case or a model's step costs on the hardware units",
     "config dram noise prefill context json", vb_cmd_cycles},
    {"replay", "CASE.h5", "Run a captured operator call again and compare", "devices threads inject wave",
     vb_cmd_replay},
};
enum { COMMANDS = sizeof command / sizeof *command };

static void usage(FILE *f) {
  fprintf(f, "Usage: verbatim COMMAND [OPTION...] [MODEL]\nAny dataflow, same bits.\n\n");
  for (uint32_t i = 0; i < COMMANDS; i++)
    fprintf(f, "  %-11s %-11s %s\n", command[i].name, command[i].args, command[i].summary);
  fprintf(
      f, "\nWHAT is a unit (router, attention, indexer) with its arguments, a case file, or a model or models/X.json.\n"
         "MODEL is a Hugging Face directory, a container made by import, or weights made up for a published size:\n"
         "synthetic:models/X.json[?seed=S&layers=A-B&vocab=N&skew=uniform|zipf[:X]|@LOADS.json&peak=P].\n"
         "`verbatim COMMAND --help` lists a command's options. Exit status: 0 fine, 1 a comparison failed,\n"
         "2 bad input or usage, 3 a device failed.\n");
}

/// Find our OpenCL driver beside the command (build tree) or below the installation prefix, unless the user chose.
static void find_driver(void) {
  static const char *const places[] = {"vendors", "../lib/verbatim/vendors"};
  char path[PATH_MAX];
  if (getenv("OCL_ICD_VENDORS")) return;
  for (uint32_t i = 0; i < sizeof places / sizeof *places; i++)
    if (vb_cli_beside(places[i], path, sizeof path)) {
      setenv("OCL_ICD_VENDORS", path, 1);
      return;
    }
}

/// PoCL gives no device at all when it cannot write its kernel cache.
static void find_kernel_cache(void) {
  const char *home = getenv("HOME"), *tmp = getenv("TMPDIR");
  char path[PATH_MAX];
  if (getenv("POCL_CACHE_DIR") || (home && home[0] && !access(home, W_OK))) return;
  snprintf(path, sizeof path, "%s/verbatim-pocl-%u", tmp && tmp[0] ? tmp : "/tmp", (unsigned)getuid());
  mkdir(path, 0700);
  // Anybody may make a folder of this name there, and what lies in it is run.
  struct stat s;
  if (lstat(path, &s) || !S_ISDIR(s.st_mode) || s.st_uid != getuid() || s.st_mode & (S_IWGRP | S_IWOTH))
    fprintf(stderr,
            "verbatim: %s is no folder that only you can write to: not used for OpenCL kernels; set POCL_CACHE_DIR\n",
            path);
  else setenv("POCL_CACHE_DIR", path, 1);
}

/// Output that did not arrive is a failure, whatever the command says.
static vb_result flush_output(vb_result r) {
  bool bad = fflush(stdout) || ferror(stdout);
  if (!bad) return r;
  fprintf(stderr, "verbatim: cannot write to the standard output: %s\n", strerror(errno));
  return r ? r : VB_DEVICE;
}

/// Idle OpenMP threads spin for milliseconds by default, which starves the other devices on the same cores. The runtime reads
/// its policy once, while it is loaded: start again with the other one, unless the user chose.
static void wait_without_spinning(char **argv) {
  if (getenv("OMP_WAIT_POLICY")) return;
  if (!setenv("OMP_WAIT_POLICY", "passive", 1)) execv("/proc/self/exe", argv); // if that fails: just slower
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "--help";
  if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
    printf("verbatim %s (%s%s)\n", VB_VERSION, VB_COMMIT, VB_DIRTY ? ", modified" : "");
    return (int)flush_output(VB_OK);
  }
  if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
    usage(argc > 1 ? stdout : stderr);
    return (int)flush_output(argc > 1 ? VB_OK : VB_BAD_INPUT);
  }
  for (uint32_t i = 0; i < COMMANDS; i++) {
    struct vb_cli c;
    if (strcmp(name, command[i].name)) continue;
    wait_without_spinning(argv);
    vb_h5_set_command(argc, argv);
    vb_cli_parse(&command[i], argc, argv, &c);
    find_driver();
    find_kernel_cache();
    vb_result r = vb_cpu_select_isa(NULL);
    if (!r) r = command[i].run(&c);
    vb_cli_progress_end();
    if (r) fflush(stdout), fprintf(stderr, "verbatim %s: %s\n", name, vb_last_error());
    return (int)flush_output(r);
  }
  fprintf(stderr, "verbatim: unknown command \"%s\" (see `verbatim --help`)\n", name);
  return VB_BAD_INPUT;
}
