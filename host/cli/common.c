// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"
#include "cli/cli.h"
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool vb_cli_beside(const char *name, char *path, size_t size) {
  char exe[PATH_MAX];
  struct stat st;
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n < 0) return false;
  exe[n] = 0;
  int w = snprintf(path, size, "%s/%s", dirname(exe), name);
  return w > 0 && (size_t)w < size && !stat(path, &st) && S_ISDIR(st.st_mode);
}

static const char default_prompt[] =
    "It is a truth universally acknowledged, that a single man in possession of a good fortune";

static vb_result parse_list(const char *text, const char *where, int32_t **ids, uint32_t *n) {
  size_t room = strlen(text) / 2 + 2;
  *n = 0;
  if (!(*ids = malloc(room * sizeof **ids))) return vb_fail(VB_DEVICE, "out of memory for the tokens");
  for (const char *at = text; *at;) {
    char *end;
    while (*at && strchr(", \t\r\n", *at)) at++;
    if (!*at) break;
    errno = 0;
    long v = strtol(at, &end, 10);
    if (end == at || errno || v < 0 || v > INT32_MAX || (*end && !strchr(", \t\r\n", *end))) {
      vb_result r = vb_fail(VB_BAD_INPUT, "%s: \"%.20s\" is not a token id", where, at);
      free(*ids);
      *ids = NULL;
      return r;
    }
    (*ids)[(*n)++] = (int32_t)v;
    at = end;
  }
  return VB_OK;
}

static vb_result list_or_file(const char *tokens, int32_t **ids, uint32_t *n) {
  char *text;
  if (tokens[0] != '@') return parse_list(tokens, "--tokens", ids, n);
  vb_result r = vb_read_file(tokens + 1, (size_t)64 << 20, &text, NULL);
  if (r) return r;
  r = parse_list(text, tokens + 1, ids, n);
  free(text);
  return r;
}

vb_result vb_cli_tokens(const struct vb_cli *c, const struct vb_model *m, int32_t **ids, uint32_t *n,
                        struct vb_tokenizer **tok) {
  *ids = NULL;
  *n = 0;
  if (c->tokens && c->prompt) return vb_fail(VB_BAD_INPUT, "give --tokens or --prompt, not both");
  vb_result r = vb_tokenizer_open(m->tokenizer_text, m->config.vocab, tok);
  if (c->tokens) { // ids need no tokenizer; without one, output is ids too
    if (r) *tok = NULL;
    r = list_or_file(c->tokens, ids, n);
  } else if (!r) {
    const char *text = c->prompt ? c->prompt : default_prompt;
    r = vb_tokenizer_encode(*tok, text, strlen(text), ids, n);
  }
  if (!r && !*n) r = vb_fail(VB_BAD_INPUT, "the prompt has no tokens");
  for (uint32_t i = 0; !r && i < *n; i++)
    if ((uint32_t)(*ids)[i] >= m->config.vocab)
      r = vb_fail(VB_BAD_INPUT, "token %u of the prompt is %d: the vocabulary ends at %u", i, (*ids)[i],
                  m->config.vocab - 1);
  if (r) {
    free(*ids);
    vb_tokenizer_close(*tok);
    *ids = NULL;
    *tok = NULL;
  }
  return r;
}

char *vb_cli_text(const struct vb_tokenizer *tok, const int32_t *ids, uint32_t n) {
  char *text = NULL;
  size_t bytes, at = 0;
  if (tok) return vb_tokenizer_decode(tok, ids, n, &text, &bytes) ? NULL : text;
  if (!(text = malloc(n * 12ull + 1))) return NULL;
  text[0] = 0;
  for (uint32_t i = 0; i < n; i++) at += (size_t)sprintf(text + at, "%s%d", i ? "," : "", ids[i]);
  return text;
}

static void say_refused(void *context, const char *text) {
  (void)context;
  fprintf(stderr, "verbatim: refused: %s\n", text);
}

vb_result vb_cli_devices(const struct vb_cli *c, struct vb_device_list *list) {
  return vb_devices_open(c->threads, c->devices, list, say_refused, NULL);
}

static uint64_t progress_last;
static bool progress_open;

void vb_cli_progress(void *context, const char *what, uint64_t done, uint64_t total) {
  const struct vb_cli *c = context;
  bool terminal = isatty(STDERR_FILENO);
  uint64_t now = vb_now_ns();
  if (c->quiet) return;
  if (!progress_last) progress_last = now; // runs shorter than one interval stay silent
  if (now - progress_last < (terminal ? 200000000u : 10000000000u)) return;
  progress_last = now;
  progress_open = terminal;
  fprintf(stderr, "%s%s %" PRIu64 " of %" PRIu64 " (%.0f %%)%s", terminal ? "\r" : "", what, done, total,
          total ? 100.0 * (double)done / (double)total : 0.0, terminal ? "   " : "\n");
}

void vb_cli_progress_end(void) {
  if (progress_open) fputc('\n', stderr);
  progress_open = false;
}
